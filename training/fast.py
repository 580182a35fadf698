"""Ember forwards and backwards, fast on a processor: products in bfloat16 by torch, all else by kernels.cpp, gradients by hand.

A batch is documents behind one another, without padding; nothing reaches from one into another. One thread: train.py runs a process per core.
"""
import ctypes
import os
import subprocess

import torch

from model import HEAD, parameters, rope_angles

HERE = os.path.dirname(os.path.abspath(__file__))


def build(directory):
    source, library = os.path.join(HERE, "kernels.cpp"), os.path.join(directory, "kernels.so")
    if not os.path.exists(library) or os.path.getmtime(library) < os.path.getmtime(source):
        os.makedirs(directory, exist_ok=True)
        subprocess.run(["g++", "-std=c++20", "-Ofast", "-march=native", "-mprefer-vector-width=512", "-Wall", "-Wextra", "-shared", "-fPIC", source, "-o", library + ".part"], check=True)
        os.replace(library + ".part", library)
    return ctypes.CDLL(library)


class Kernels:
    """kernels.norm_back(tensor or None or integer, ...)"""

    def __init__(self, directory):
        self.library = build(directory)
        self.library.kept_states.restype = ctypes.c_int64

    def __getattr__(self, name):
        function = getattr(self.library, name)

        def call(*arguments):
            return function(*(ctypes.c_int64(a) if isinstance(a, int) else ctypes.c_void_p(a.data_ptr() if a is not None else None) for a in arguments))

        setattr(self, name, call)
        return call


class Parameters:
    """All values in one row of floats, by name; a copy in bfloat16 for the products."""

    def __init__(self, shape, flat=None):
        self.shape, self.table, self.f32, at = shape, parameters(shape), {}, 0
        total = sum(torch.Size(p.shape).numel() for p in self.table)
        self.flat = torch.zeros(total) if flat is None else flat
        self.half_flat, self.half = torch.zeros(total, dtype=torch.bfloat16, device=self.flat.device), {}
        for p in self.table:
            count = torch.Size(p.shape).numel()
            self.f32[p.name] = self.flat[at:at + count].view(p.shape)
            self.half[p.name] = self.half_flat[at:at + count].view(p.shape)
            at += count

    def refresh(self):
        self.half_flat.copy_(self.flat)


def half(*shape):
    return torch.empty(*shape, dtype=torch.bfloat16)


class Fast:
    QUERY_ROWS = 512  # of attention at once

    def __init__(self, weights, gradients, directory):
        """gradients: name -> float tensor that is added to."""
        self.shape, self.w, self.h, self.g = weights.shape, weights.f32, weights.half, gradients
        self.kernels = Kernels(directory)
        self.angles = rope_angles(self.shape, self.shape.context)

    def set_batch(self, ids, start):
        self.ids, self.start, self.n, self.documents = ids, start, len(ids), len(start) - 1
        self.bounds = start.tolist()
        self.position = torch.arange(self.n) - torch.repeat_interleave(start[:-1], start[1:] - start[:-1])

    # Each part returns its output and what its way back needs. x is changed in place.

    def norm(self, x, added, name):
        hat, y, inverse = half(*x.shape), half(*x.shape), torch.empty(len(x))
        self.kernels.add_norm(x, added, self.w[name], hat, y, inverse, *x.shape)
        return y, (hat, inverse, name)

    def norm_back(self, dy, saved, dx):
        """Adds to dx and returns it in bfloat16."""
        hat, inverse, name = saved
        copy = half(*dx.shape)
        self.kernels.norm_back(dy, hat, inverse, self.w[name], dx, copy, self.g[name], *dx.shape)
        return copy

    def weight_back(self, name, dy, x):
        product = dy.t() @ x
        self.kernels.add_half(self.g[name], product, product.numel())

    def linear_back(self, name, dy, x):
        self.weight_back(name, dy, x)
        return dy @ self.h[name]

    def mlp(self, y, at):
        both = y @ self.h[at + "gate_up"].t()
        inner = half(self.n, self.shape.mlp)
        self.kernels.swiglu(both, inner, *inner.shape)
        return inner @ self.h[at + "down"].t(), (y, both, inner)

    def mlp_back(self, dy, at, saved):
        y, both, inner = saved
        d_inner, d_both = self.linear_back(at + "down", dy, inner), half(*both.shape)
        self.kernels.swiglu_back(both, d_inner, d_both, *inner.shape)
        return self.linear_back(at + "gate_up", d_both, y)

    def delta_net(self, y, at):
        s, k, n = self.shape, self.kernels, self.n
        mixed = y @ self.h[at + "in"].t()
        width, z, b, a = mixed.shape[1], mixed[:, s.conv():], mixed[:, -2 * s.value_heads:], mixed[:, -s.value_heads:]
        q, key = torch.empty(n, s.key_heads, HEAD), torch.empty(n, s.key_heads, HEAD)
        v, inverse = torch.empty(n, s.value_heads, HEAD), torch.empty(n, 2 * s.key_heads)
        k.conv(mixed, width, self.w[at + "taps"], self.start, self.documents, s.key_heads, s.value_heads, q, key, v, inverse)
        keep, write = torch.empty(n, s.value_heads), torch.empty(n, s.value_heads)
        k.gates(a, b, width, self.w[at + "a_log"], self.w[at + "dt_bias"], keep, write, n, s.value_heads)
        change, out = torch.empty_like(v), torch.empty_like(v)
        kept = torch.empty(k.kept_states(self.start, self.documents), s.value_heads, HEAD, HEAD)
        k.delta(q, key, v, keep, write, self.start, self.documents, s.key_heads, s.value_heads, change, out, kept)
        gated, norms = half(n, s.value_heads * HEAD), torch.empty(n, s.value_heads)
        k.norm_gate(out, z, width, self.w[at + "delta_norm"], gated, norms, n, s.value_heads)
        return gated @ self.h[at + "out"].t(), (y, mixed, q, key, v, inverse, keep, write, change, out, kept, gated, norms)

    def delta_net_back(self, dy, at, saved):
        y, mixed, q, key, v, inverse, keep, write, change, out, kept, gated, norms = saved
        s, k, n = self.shape, self.kernels, self.n
        d_gated, d_out, d_mixed = self.linear_back(at + "out", dy, gated), torch.empty_like(out), half(*mixed.shape)
        width = mixed.shape[1]
        k.norm_gate_back(out, mixed[:, s.conv():], width, self.w[at + "delta_norm"], norms, d_gated, d_out, d_mixed[:, s.conv():], self.g[at + "delta_norm"], n, s.value_heads)
        dq, dk, dv, d_keep, d_write = (torch.empty_like(t) for t in (q, key, v, keep, write))
        k.delta_back(q, key, keep, write, self.start, self.documents, s.key_heads, s.value_heads, change, kept, d_out, dq, dk, dv, d_keep, d_write)
        k.gates_back(mixed[:, -s.value_heads:], width, self.w[at + "a_log"], self.w[at + "dt_bias"], keep, write, d_keep, d_write, d_mixed[:, -s.value_heads:],
                     d_mixed[:, -2 * s.value_heads:], self.g[at + "a_log"], self.g[at + "dt_bias"], n, s.value_heads)
        k.conv_back(mixed, width, self.w[at + "taps"], self.start, self.documents, s.key_heads, s.value_heads, q, key, inverse, dq, dk, dv, d_mixed, self.g[at + "taps"])
        return self.linear_back(at + "in", d_mixed, y)

    def spans(self):
        """(document's begin, query rows' begin and end)"""
        for begin, end in zip(self.bounds, self.bounds[1:]):
            for first in range(begin, end, self.QUERY_ROWS):
                yield begin, first, min(first + self.QUERY_ROWS, end)

    def attention(self, y, at):
        s, kernels, n = self.shape, self.kernels, self.n
        mixed = y @ self.h[at + "in"].t()
        width = mixed.shape[1]
        q, k, v, out = (half(s.heads, n, HEAD) for _ in range(4))
        inverse, shares = torch.empty(n, s.heads + s.kv_heads), []
        kernels.heads_in(mixed, width, self.w[at + "q_norm"], self.w[at + "k_norm"], self.angles, self.position, n, s.heads, s.kv_heads, q, k, v, inverse)
        for begin, first, end in self.spans():
            share = torch.bmm(q[:, first:end], k[:, begin:end].transpose(1, 2))
            kernels.causal_softmax(share, *share.shape, first - begin)
            out[:, first:end] = torch.bmm(share, v[:, begin:end])
            shares.append(share)
        gated = half(n, s.heads * HEAD)
        kernels.heads_out(out, mixed, width, gated, n, s.heads)
        return gated @ self.h[at + "out"].t(), (y, mixed, q, k, v, out, inverse, shares, gated)

    def attention_back(self, dy, at, saved):
        y, mixed, q, k, v, out, inverse, shares, gated = saved
        s, kernels, n = self.shape, self.kernels, self.n
        d_gated, d_out, d_mixed, width = self.linear_back(at + "out", dy, gated), half(*out.shape), half(*mixed.shape), mixed.shape[1]
        kernels.heads_out_back(out, mixed, width, d_gated, d_out, d_mixed, n, s.heads)
        dq, dk, dv = half(*q.shape), half(*k.shape), half(*v.shape)
        for (begin, first, end), share in zip(self.spans(), shares):
            d_share = torch.bmm(d_out[:, first:end], v[:, begin:end].transpose(1, 2))
            kernels.causal_softmax_back(share, d_share, *share.shape, first - begin)
            dq[:, first:end] = torch.bmm(d_share, k[:, begin:end])
            from_k, from_v = torch.bmm(d_share.transpose(1, 2), q[:, first:end]), torch.bmm(share.transpose(1, 2), d_out[:, first:end])
            if first == begin:
                dk[:, begin:end], dv[:, begin:end] = from_k, from_v
            else:
                dk[:, begin:first] += from_k[:, :first - begin]
                dv[:, begin:first] += from_v[:, :first - begin]
                dk[:, first:end], dv[:, first:end] = from_k[:, first - begin:], from_v[:, first - begin:]
        kernels.heads_in_back(mixed, width, self.w[at + "q_norm"], self.w[at + "k_norm"], self.angles, self.position, n, s.heads, s.kv_heads, inverse, dq, dk, dv, d_mixed,
                              self.g[at + "q_norm"], self.g[at + "k_norm"])
        return self.linear_back(at + "in", d_mixed, y)

    def layer(self, x, added, at, attends):
        y, first_norm = self.norm(x, added, at + "mixer_norm")
        y, mixer = (self.attention if attends else self.delta_net)(y, at)
        y, second_norm = self.norm(x, y, at + "mlp_norm")
        y, mlp = self.mlp(y, at)
        return y, (at, attends, first_norm, mixer, second_norm, mlp)

    def layer_back(self, dx, dx_half, saved):
        at, attends, first_norm, mixer, second_norm, mlp = saved
        dx_half = self.norm_back(self.mlp_back(dx_half, at, mlp), second_norm, dx)
        return self.norm_back((self.attention_back if attends else self.delta_net_back)(dx_half, at, mixer), first_norm, dx)

    def losses(self, y, target, weight, learn_table):
        """Loss of every row with a weight; the gradient of y."""
        rows = weight.nonzero().view(-1)
        loss, right, dy = torch.zeros(self.n), torch.zeros(self.n), torch.zeros_like(y)
        for some in rows.split(2048):
            x, count = y[some], len(some)
            logits, got, hit = x @ self.h["embedding"].t(), torch.empty(count), torch.empty(count)
            self.kernels.cross_entropy(logits, target[some], weight[some], got, hit, *logits.shape)
            loss[some], right[some] = got, hit
            if self.g is not None:
                dy[some] = logits @ self.h["embedding"]
                if learn_table:
                    self.weight_back("embedding", logits, x)
        return loss, right, dy

    def step(self, ids, start, weight, draft):
        """Adds the gradients of sum(weight * loss); weight[p] is that of predicting token p + 1, 0 at the end of documents.
        Returns (loss, is right) of every row and the same of the drafting layer, or None."""
        self.set_batch(ids, start)
        target = torch.roll(ids, -1)
        x, added, layers = torch.empty(self.n, self.shape.hidden), None, []
        self.kernels.embed(self.w["embedding"], ids, x, *x.shape)
        for number in range(self.shape.layers):
            added, saved = self.layer(x, added, f"layers.{number}.", self.shape.attends(number))
            layers.append(saved)
        hidden, norm = self.norm(x, added, "norm")
        loss, right, d_hidden = self.losses(hidden, target, weight, True)
        drafted = self.draft_step(hidden, target, weight) if draft else None
        if self.g is not None:
            dx = torch.zeros_like(x)
            dx_half = self.norm_back(d_hidden, norm, dx)
            while layers:
                dx_half = self.layer_back(dx, dx_half, layers.pop())
            self.kernels.embed_back(dx, ids, self.g["embedding"], *dx.shape)
        return (loss, right), drafted

    def draft_step(self, hidden, target, weight):
        token, before = torch.empty(self.n, self.shape.hidden), torch.zeros(self.n, self.shape.hidden)
        self.kernels.embed(self.w["embedding"], self.ids, token, *token.shape)
        before[1:] = hidden[:-1]
        before[self.start[:-1]] = 0
        token, token_norm = self.norm(token, None, "mtp.embedding_norm")
        before, before_norm = self.norm(before, None, "mtp.hidden_norm")
        both = torch.cat([token, before], 1)
        x = (both @ self.h["mtp.fc"].t()).float()
        added, saved = self.layer(x, None, "mtp.", True)
        y, norm = self.norm(x, added, "mtp.norm")
        loss, right, dy = self.losses(y, target, weight, False)
        if self.g is not None:
            dx = torch.zeros_like(x)
            dx_half = self.layer_back(dx, self.norm_back(dy, norm, dx), saved)
            d_both, unused = self.linear_back("mtp.fc", dx_half, both), torch.zeros_like(x)
            self.norm_back(d_both[:, :self.shape.hidden].contiguous(), token_norm, unused)
            self.norm_back(d_both[:, self.shape.hidden:].contiguous(), before_norm, unused)
        return loss, right
