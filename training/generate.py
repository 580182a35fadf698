"""Many answers at once, greedily, token by token."""
import math

import torch
import torch.nn.functional as F

from model import EPS, HEAD, ROTATED, TAPS, rms, rope_angles


class Batch:
    """Sequences that move forward together, each one token per step."""

    def __init__(self, shape, w, count, tokens):
        self.shape, self.w, self.angles, self.at = shape, w, rope_angles(shape, tokens), 0
        self.state = []
        for layer in range(shape.layers):
            if shape.attends(layer):
                self.state.append([torch.zeros(count, shape.kv_heads, tokens, HEAD) for _ in range(2)])
            else:
                self.state.append([torch.zeros(count, TAPS, shape.conv()), torch.zeros(count, shape.value_heads, HEAD, HEAD)])

    def rotate(self, x):
        cos, sin = self.angles[self.at, :ROTATED // 2], self.angles[self.at, ROTATED // 2:]
        a, b = x[..., :ROTATED // 2], x[..., ROTATED // 2:ROTATED]
        return torch.cat([a * cos - b * sin, a * sin + b * cos, x[..., ROTATED:]], -1)

    def attention(self, at, y, state):
        s, w, count = self.shape, self.w, len(y)
        query, key, value = (y @ w[at + "in"].T).split([s.heads * 2 * HEAD, s.kv_heads * HEAD, s.kv_heads * HEAD], -1)
        q, gate = query.view(count, s.heads, 2, HEAD).unbind(2)
        q = self.rotate(rms(q) * (1 + w[at + "q_norm"]))
        state[0][:, :, self.at] = self.rotate(rms(key.view(count, s.kv_heads, HEAD)) * (1 + w[at + "k_norm"]))
        state[1][:, :, self.at] = value.view(count, s.kv_heads, HEAD)
        k, v = (part[:, :, :self.at + 1] for part in state)
        q = q.reshape(count, s.kv_heads, s.heads // s.kv_heads, HEAD)
        share = (q @ k.transpose(2, 3) / math.sqrt(HEAD)).softmax(-1)
        out = (share @ v).view(count, s.heads, HEAD) * gate.sigmoid()
        return out.reshape(count, -1) @ w[at + "out"].T

    def delta_net(self, at, y, state):
        s, w, count = self.shape, self.w, len(y)
        keys, values = s.key_heads * HEAD, s.value_heads * HEAD
        u, z, b, a = (y @ w[at + "in"].T).split([s.conv(), values, s.value_heads, s.value_heads], -1)
        state[0] = torch.cat([state[0][:, 1:], u[:, None]], 1)
        q, k, v = F.silu((state[0] * w[at + "taps"]).sum(1)).split([keys, keys, values], -1)
        unit = lambda x: F.normalize(x.view(count, s.key_heads, HEAD), dim=-1, eps=EPS).repeat_interleave(s.value_heads // s.key_heads, 1)
        q, k, v = unit(q), unit(k), v.reshape(count, s.value_heads, HEAD)
        state[1] *= torch.exp(-w[at + "a_log"].exp() * F.softplus(a + w[at + "dt_bias"]))[:, :, None, None]
        read = (k[:, :, None] @ state[1])[:, :, 0]
        state[1] += k[..., None] * (b.sigmoid()[..., None] * (v - read))[:, :, None]
        out = (q[:, :, None] @ state[1])[:, :, 0] / math.sqrt(HEAD)
        return (rms(out) * w[at + "delta_norm"] * F.silu(z.reshape(count, -1, HEAD))).reshape(count, -1) @ w[at + "out"].T

    def step(self, ids):
        """Logits behind these tokens."""
        w, x = self.w, self.w["embedding"][ids]
        for layer in range(self.shape.layers):
            at = f"layers.{layer}."
            mixer = self.attention if self.shape.attends(layer) else self.delta_net
            x = x + mixer(at, rms(x) * (1 + w[at + "mixer_norm"]), self.state[layer])
            gate, up = ((rms(x) * (1 + w[at + "mlp_norm"])) @ w[at + "gate_up"].T).chunk(2, -1)
            x = x + (F.silu(gate) * up) @ w[at + "down"].T
        self.at += 1
        return (rms(x) * (1 + w["norm"])) @ w["embedding"].T


@torch.no_grad()
def greedy(shape, w, prompts, most, ends):
    """Token lists behind the prompts, each up to `most` tokens or one of `ends`, which is left away."""
    longest = min(shape.context, max(len(prompt) for prompt in prompts) + most)
    batch, answers, is_done = Batch(shape, w, len(prompts), longest), [[] for _ in prompts], [False] * len(prompts)
    now = torch.tensor([prompt[0] for prompt in prompts])
    for place in range(longest - 1):
        best = batch.step(now).argmax(-1).tolist()
        following = []
        for i, prompt in enumerate(prompts):
            if place + 1 < len(prompt):
                following.append(prompt[place + 1])
                continue
            if not is_done[i]:
                if best[i] in ends or len(answers[i]) >= most:
                    is_done[i] = True
                else:
                    answers[i].append(best[i])
            following.append(best[i])
        if all(is_done):
            break
        now = torch.tensor(following)
    return answers
