"""Muon for the matrices, AdamW for the rest, shared out over the processes."""
import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(matrices):
    """[count][rows][columns] with their singular values near 1, by five rounds of a polynomial."""
    x = matrices.bfloat16()
    is_tall = x.shape[1] > x.shape[2]
    if is_tall:
        x = x.transpose(1, 2).contiguous()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    a, b, c = NEWTON_SCHULZ
    for _ in range(5):
        square = torch.bmm(x, x.transpose(1, 2))
        x = a * x + torch.bmm(b * square + c * torch.bmm(square, square), x)
    return (x.transpose(1, 2) if is_tall else x).float()


class Optimiser:
    BETAS, EPS = (0.9, 0.98), 1e-10

    def __init__(self, weights, flat_gradients, momentum, square, options):
        """flat_gradients: one per process; momentum and square: rows as long as the parameters'."""
        self.flat, self.gradients, self.momentum, self.square, self.options = weights.flat, flat_gradients, momentum, square, options
        self.blocks, self.plain, at = {}, [], 0
        for p in weights.table:
            width = p.shape[-1]
            end = at + torch.Size(p.shape).numel()
            for first, last in p.blocks:
                self.blocks.setdefault((last - first, width), []).append((p.name, at + first * width, at + last * width))
            self.plain.append((p.name, at + (p.blocks[-1][1] * width if p.blocks else 0), end))
            at = end
        self.plain = [part for part in self.plain if part[1] < part[2]]
        self.counts = torch.zeros(2, dtype=torch.int64)  # steps of the trunk, of the drafting layer

    def update(self, rank, ranks, scale, drafted):
        """scale: that of the learning rates, 0 to 1."""
        self.counts += torch.tensor([1, int(drafted)])
        for (rows, width), blocks in sorted(self.blocks.items()):
            mine = [block for block in blocks if drafted or not block[0].startswith("mtp.")][rank::ranks]
            if not mine:
                continue
            gradients = []
            for _, begin, end in mine:
                gradient = sum(g[begin:end] for g in self.gradients)
                momentum = self.momentum[begin:end]
                momentum.lerp_(gradient, 0.05)
                gradients.append(gradient.lerp_(momentum, 0.95).view(rows, width))
            rate = scale * self.options.muon_rate
            for (_, begin, end), change in zip(mine, orthogonal(torch.stack(gradients))):
                self.flat[begin:end].mul_(1 - rate * self.options.decay).sub_(change.reshape(-1), alpha=rate * max(1, rows / width)**0.5)
        if rank == ranks - 1:
            self.update_plain(scale, drafted)

    def update_plain(self, scale, drafted):
        parts = [part for part in self.plain if drafted or not part[0].startswith("mtp.")]
        gradients = [sum(g[begin:end] for g in self.gradients) for _, begin, end in parts]
        norm = torch.stack([g.norm() for g in gradients]).norm()
        clip = min(1.0, self.options.clip / (norm.item() + 1e-12))
        rate = scale * self.options.adam_rate
        for (name, begin, end), gradient in zip(parts, gradients):
            count = self.counts[int(name.startswith("mtp."))].item()
            gradient *= clip
            momentum, square = self.momentum[begin:end], self.square[begin:end]
            momentum.lerp_(gradient, 1 - self.BETAS[0])
            square.mul_(self.BETAS[1]).addcmul_(gradient, gradient, value=1 - self.BETAS[1])
            root = (square / (1 - self.BETAS[1]**count)).sqrt_().add_(self.EPS)
            self.flat[begin:end].addcdiv_(momentum, root, value=-rate / (1 - self.BETAS[0]**count))
