"""Ember forwards and backwards on a graphics card: model.py under autograd, documents of similar length side by side, the delta rule in
chunks. On a processor fast.py is several times as fast."""
import math

import torch
import torch.nn.functional as F

import model

CHUNK = 64
LEAST_KEPT = 1e-30  # per token; its logarithm has to be a number


def delta_rule_in_chunks(q, k, v, keep, write):
    """model.delta_rule, with the tokens of a chunk at once: what a token writes depends on what the ones before it in its chunk wrote,
    which is a triangular system of equations. In floats, whatever the products around it are made in."""
    accurate = torch.float64 if v.dtype == torch.float64 else torch.float32
    with torch.autocast(v.device.type, enabled=False):
        return chunked(*(x.to(accurate) for x in (q, k, v, keep, write))).to(v.dtype)


def chunked(q, k, v, keep, write):
    tokens = v.shape[1]

    # [documents][heads][chunks][tokens of a chunk][...]; tokens that fill up the last chunk keep all and write nothing
    def chunks(x, filling=0.0):
        x = F.pad(x, (0, 0) * (x.dim() - 2) + (0, -tokens % CHUNK), value=filling).transpose(1, 2)
        return x.reshape(*x.shape[:2], -1, CHUNK, *x.shape[3:])

    q, k, v, write = (chunks(x) for x in (q, k, v, write))
    kept = chunks(keep.clamp(min=LEAST_KEPT).log()).cumsum(-1)  # logarithm of what is left of the chunk's first state
    left = kept[..., :, None] - kept[..., None, :]  # ... at row t of what column s wrote
    above = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=v.device).triu(1)
    left = left.masked_fill(above, -math.inf).exp()
    known = (left * write[..., None] * (k @ k.transpose(-1, -2))).tril(-1) + torch.eye(CHUNK, dtype=v.dtype, device=v.device)
    solve = lambda x: torch.linalg.solve_triangular(known, x, upper=False, unitriangular=True)
    given = solve(write[..., None] * v)  # what would be written into an empty state
    lifted = solve(write[..., None] * kept.exp()[..., None] * k)  # times the chunk's first state: what of it is there already
    seen = left * (q @ k.transpose(-1, -2))
    last = kept[..., -1:]
    to_end, all_kept, from_begin = (last - kept).exp()[..., None] * k, last.exp()[..., None], kept.exp()[..., None] * q
    state, out = v.new_zeros(*v.shape[:2], v.shape[-1], v.shape[-1]), []
    for c in range(v.shape[2]):
        written = given[:, :, c] - lifted[:, :, c] @ state
        out.append(from_begin[:, :, c] @ state + seen[:, :, c] @ written)
        state = all_kept[:, :, c] * state + to_end[:, :, c].transpose(-1, -2) @ written
    out = torch.stack(out, 2) / math.sqrt(v.shape[-1])
    return out.flatten(2, 3).transpose(1, 2)[:, :tokens]


class Card:
    """The same steps as fast.Fast, on the device of the weights."""

    def __init__(self, weights, gradients):
        """gradients: name -> tensor that is added to, or None."""
        self.shape, self.w, self.g = weights.shape, weights.f32, gradients
        self.device = weights.flat.device

    def groups(self, start):
        """Documents of similar length: one has at most twice the tokens of another."""
        groups = {}
        for begin, end in zip(start.tolist(), start[1:].tolist()):
            groups.setdefault((end - begin - 1).bit_length(), []).append((begin, end))
        return groups.values()

    def step(self, ids, start, weight, draft):
        """Adds the gradients of sum(weight * loss); weight[p] is that of predicting token p + 1, 0 at the end of documents.
        Returns (loss, is right) of every row and the same of the drafting layer, or None."""
        w = {name: value.detach().requires_grad_(self.g is not None) for name, value in self.w.items()}
        for name, gradient in (self.g or {}).items():
            w[name].grad = gradient
        ids, weight = ids.to(self.device), weight.to(self.device)
        target = torch.roll(ids, -1)
        found = [(torch.zeros_like(weight), torch.zeros_like(weight)) if needed else None for needed in (True, draft)]
        for spans in self.groups(start):
            longest = max(end - begin for begin, end in spans)
            column = torch.arange(longest)[None]
            begin, end = (torch.tensor(ends)[:, None] for ends in zip(*spans))
            place = torch.minimum(begin + column, end - 1).to(self.device)  # filled up with a document's last token
            counted = ((begin + column < end).to(self.device) & (weight[place] > 0))
            rows = place[counted]
            total = 0
            with torch.set_grad_enabled(self.g is not None), torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                results = model.forward(self.shape, w, ids[place], draft, delta_rule_in_chunks)
                for logits, place_found in zip(results, found):
                    if logits is None:
                        continue
                    logits = logits[counted]
                    loss = F.cross_entropy(logits.float() if logits.dtype == torch.bfloat16 else logits, target[rows], reduction="none")
                    place_found[0][rows] = loss.detach().to(weight.dtype)
                    place_found[1][rows] = (logits.argmax(-1) == target[rows]).to(weight.dtype)
                    total = total + (loss * weight[rows]).sum()
            if self.g is not None and len(rows):
                total.backward()
        return tuple(None if pair is None else tuple(values.cpu() for values in pair) for pair in found)
