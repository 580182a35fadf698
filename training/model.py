"""Ember's shape, its parameters and, in plain torch, what they compute: the form that the fast one in fast.py is held against, and
that graphics cards run (card.py)."""
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

EPS = 1e-6
HEAD = 64  # width of every head, of attention and of the delta rule
TAPS = 4
ROTATED = 16  # of an attention head's 64


@dataclass
class Shape:
    vocabulary: int = 4096
    hidden: int = 256
    layers: int = 8
    mlp: int = 512
    interval: int = 4  # every interval-th layer attends
    heads: int = 4
    kv_heads: int = 2
    key_heads: int = 2
    value_heads: int = 4
    rope_base: float = 100000.0
    context: int = 4096

    def attends(self, layer):
        return (layer + 1) % self.interval == 0

    def conv(self):
        return (2 * self.key_heads + self.value_heads) * HEAD

    as_dict = asdict


@dataclass
class Parameter:
    name: str
    shape: tuple
    # Rows that Muon makes orthogonal together; what is in no block is AdamW's.
    blocks: tuple = ()
    spread: float = 0.0  # standard deviation at the start


def blocks_of(*heights):
    out, at = [], 0
    for height in heights:
        out.append((at, at + height))
        at += height
    return tuple(out)


def layer_parameters(shape, at, attends):
    e, f = shape.hidden, shape.mlp
    into, back = 1 / math.sqrt(e), 1 / math.sqrt(2 * shape.layers)
    out = [Parameter(at + "mixer_norm", (e,))]
    if attends:
        q, kv = shape.heads * HEAD, shape.kv_heads * HEAD
        out += [Parameter(at + "in", (2 * q + 2 * kv, e), blocks_of(2 * q, kv, kv), into),
                Parameter(at + "q_norm", (HEAD,)), Parameter(at + "k_norm", (HEAD,)),
                Parameter(at + "out", (e, q), blocks_of(e), back / math.sqrt(q))]
    else:
        k, v = shape.key_heads * HEAD, shape.value_heads * HEAD
        out += [Parameter(at + "in", (2 * k + 2 * v + 2 * shape.value_heads, e), blocks_of(k, k, v, v), into),
                Parameter(at + "taps", (TAPS, shape.conv()), (), 0.3), Parameter(at + "a_log", (shape.value_heads,)),
                Parameter(at + "dt_bias", (shape.value_heads,)), Parameter(at + "delta_norm", (HEAD,)),
                Parameter(at + "out", (e, v), blocks_of(e), back / math.sqrt(v))]
    return out + [Parameter(at + "mlp_norm", (e,)), Parameter(at + "gate_up", (2 * f, e), blocks_of(f, f), into),
                  Parameter(at + "down", (e, f), blocks_of(e), back / math.sqrt(f))]


def parameters(shape):
    out = [Parameter("embedding", (shape.vocabulary, shape.hidden), (), 0.05)]
    for layer in range(shape.layers):
        out += layer_parameters(shape, f"layers.{layer}.", shape.attends(layer))
    out.append(Parameter("norm", (shape.hidden,)))
    out += [Parameter("mtp.embedding_norm", (shape.hidden,)), Parameter("mtp.hidden_norm", (shape.hidden,)),
            Parameter("mtp.fc", (shape.hidden, 2 * shape.hidden), blocks_of(shape.hidden), 1 / math.sqrt(2 * shape.hidden))]
    return out + layer_parameters(shape, "mtp.", True) + [Parameter("mtp.norm", (shape.hidden,))]


def initialise(shape, values, seed):
    """values: name -> tensor, filled in place; the same numbers on every device."""
    generator = torch.Generator().manual_seed(seed)
    for p in parameters(shape):
        to = torch.empty(p.shape)
        to.normal_(0, p.spread, generator=generator) if p.spread else to.zero_()
        if p.name.endswith("taps"):
            to[-1] += 1  # begins near the current token alone
        elif p.name.endswith("delta_norm"):
            to.fill_(1)
        elif p.name.endswith("dt_bias"):
            # With a_log = 0, heads keep between 0.82 and 0.9995 of their state per token.
            keep = torch.logspace(math.log10(0.2), math.log10(0.0005), to.numel())
            to.copy_(torch.log(torch.expm1(keep)))
        values[p.name].copy_(to)


def rope_angles(shape, positions):
    """[positions][16]: eight cosines, eight sines."""
    pairs = torch.arange(ROTATED // 2, dtype=torch.float64)
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * shape.rope_base**(-2 * pairs / ROTATED)
    return torch.cat([angle.cos(), angle.sin()], 1).float()


def rms(x):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS)


def rotate(x, angles):
    cos, sin = angles[:, None, :ROTATED // 2], angles[:, None, ROTATED // 2:]
    a, b = x[..., :ROTATED // 2], x[..., ROTATED // 2:ROTATED]
    return torch.cat([a * cos - b * sin, a * sin + b * cos, x[..., ROTATED:]], -1)


# Below, rows are [documents][tokens][...]. Shorter documents may be filled up at their ends: nothing looks ahead.

def attention(shape, w, at, y, angles):
    size = y.shape[:2]
    mixed = y @ w[at + "in"].T
    query, key, value = mixed.split([shape.heads * 2 * HEAD, shape.kv_heads * HEAD, shape.kv_heads * HEAD], -1)
    q, gate = query.reshape(*size, shape.heads, 2, HEAD).unbind(3)
    q = rotate(rms(q) * (1 + w[at + "q_norm"]), angles)
    k = rotate(rms(key.reshape(*size, shape.kv_heads, HEAD)) * (1 + w[at + "k_norm"]), angles)
    sharing = shape.heads // shape.kv_heads
    k, v = k.repeat_interleave(sharing, 2), value.reshape(*size, shape.kv_heads, HEAD).repeat_interleave(sharing, 2)
    scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(HEAD)
    scores = scores.masked_fill(torch.ones(size[1], size[1], dtype=torch.bool, device=y.device).triu(1), -math.inf)
    out = torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v) * gate.sigmoid()
    return out.reshape(*size, -1) @ w[at + "out"].T


def delta_rule(q, k, v, keep, write):
    """Token by token. q, k: [documents][tokens][value heads][64], of length 1."""
    state, out = v.new_zeros(len(v), v.shape[2], HEAD, HEAD), []
    for t in range(v.shape[1]):
        state = keep[:, t, :, None, None] * state
        change = write[:, t, :, None] * (v[:, t] - torch.einsum("bhkv,bhk->bhv", state, k[:, t]))
        state = state + k[:, t, :, :, None] * change[:, :, None, :]
        out.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t]) / math.sqrt(HEAD))
    return torch.stack(out, 1)


def delta_net(shape, w, at, y, rule):
    size, keys, values = y.shape[:2], shape.key_heads * HEAD, shape.value_heads * HEAD
    mixed = y @ w[at + "in"].T
    u, z, b, a = mixed.split([2 * keys + values, values, shape.value_heads, shape.value_heads], -1)
    u = F.pad(u, (0, 0, TAPS - 1, 0))
    u = F.silu(sum(w[at + "taps"][tap] * u[:, tap:tap + size[1]] for tap in range(TAPS)))
    q, k, v = u.split([keys, keys, values], -1)
    sharing = shape.value_heads // shape.key_heads
    unit = lambda x: F.normalize(x.reshape(*size, shape.key_heads, HEAD), dim=-1, eps=EPS).repeat_interleave(sharing, 2)
    keep = torch.exp(-w[at + "a_log"].exp() * F.softplus(a + w[at + "dt_bias"]))
    out = rule(unit(q), unit(k), v.reshape(*size, -1, HEAD), keep, b.sigmoid())
    return (rms(out) * w[at + "delta_norm"] * F.silu(z.reshape(*size, -1, HEAD))).reshape(*size, -1) @ w[at + "out"].T


def layer(shape, w, at, attends, x, angles, rule):
    y = rms(x) * (1 + w[at + "mixer_norm"])
    x = x + (attention(shape, w, at, y, angles) if attends else delta_net(shape, w, at, y, rule))
    gate, up = ((rms(x) * (1 + w[at + "mlp_norm"])) @ w[at + "gate_up"].T).chunk(2, -1)
    return x + (F.silu(gate) * up) @ w[at + "down"].T


def forward(shape, w, ids, drafts=True, rule=delta_rule):
    """[documents][tokens] of logits and of the drafting layer's logits (row p, from token p and the hidden row before it, predicts
    token p + 1; the row before the first is 0), or None."""
    angles = rope_angles(shape, ids.shape[1]).to(w["norm"])
    x = w["embedding"][ids]
    for number in range(shape.layers):
        x = layer(shape, w, f"layers.{number}.", shape.attends(number), x, angles, rule)
    hidden = rms(x) * (1 + w["norm"])
    logits = hidden @ w["embedding"].T
    if not drafts:
        return logits, None
    # The drafting layer learns from the trunk without teaching it.
    table, before = w["embedding"].detach(), F.pad(hidden.detach(), (0, 0, 1, 0))[:, :-1]
    both = torch.cat([rms(table[ids]) * (1 + w["mtp.embedding_norm"]), rms(before) * (1 + w["mtp.hidden_norm"])], -1)
    draft = layer(shape, w, "mtp.", True, both @ w["mtp.fc"].T, angles, rule)
    draft = rms(draft) * (1 + w["mtp.norm"])
    return logits, draft @ table.T
