"""The fast form against the plain one: python3 -m unittest discover -s training/tests -p '*_test.py'"""
import os
import statistics
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch

import model
from fast import Fast, Kernels, Parameters

LENGTHS = [1, 2, 3, 17, 40, 70]


def difference(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


class FastTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        torch.set_num_threads(1)
        cls.directory = tempfile.mkdtemp()

    def test_delta_rule(self):
        kernels, starts = Kernels(self.directory), torch.tensor([0, 5, 6, 23, 60])
        n, key_heads, heads = 60, 2, 4
        q, k = (torch.nn.functional.normalize(torch.randn(n, key_heads, 64), dim=-1) for _ in range(2))
        v, keep, write, d_out = torch.randn(n, heads, 64), torch.rand(n, heads), torch.rand(n, heads), torch.randn(n, heads, 64)
        keep[10, 1], write[12, 2] = 0, 1e-4  # nothing kept, hardly anything written
        given = [t.double().requires_grad_() for t in (q, k, v, keep, write)]
        shared = [given[0].repeat_interleave(2, 1), given[1].repeat_interleave(2, 1), *given[2:]]
        theirs = torch.cat([model.delta_rule(*(t[None, a:b] for t in shared))[0] for a, b in zip(starts, starts[1:])])
        theirs.backward(d_out.double())
        change, out = torch.empty_like(v), torch.empty_like(v)
        kept = torch.empty(kernels.kept_states(starts, 4), heads, 64, 64)
        kernels.delta(q, k, v, keep, write, starts, 4, key_heads, heads, change, out, kept)
        self.assertLess(difference(out, theirs.float()), 1e-6)
        gradients = [torch.full_like(t, 9) for t in (q, k, v, keep, write)]
        kernels.delta_back(q, k, keep, write, starts, 4, key_heads, heads, change, kept, d_out, *gradients)
        for ours, theirs in zip(gradients, given):
            self.assertLess(difference(ours, theirs.grad.float()), 2e-6)

    def test_losses_and_gradients(self):
        shape = model.Shape(vocabulary=300, layers=4, context=128)
        weights, gradients = Parameters(shape), Parameters(shape)
        model.initialise(shape, weights.f32, 3)
        for name, value in weights.f32.items():
            if "norm" in name or "a_log" in name:
                value += 0.2 * torch.randn_like(value)
        weights.flat.copy_(weights.flat.bfloat16())
        weights.refresh()
        starts = torch.tensor([0] + LENGTHS).cumsum(0)
        differences = {}
        for rows in (Fast.QUERY_ROWS, 16) * 3:
            gradients.flat.zero_()
            fast = Fast(weights, gradients.f32, self.directory)
            fast.QUERY_ROWS = rows
            ids, weight = torch.randint(0, 300, (sum(LENGTHS),)), torch.rand(sum(LENGTHS))
            weight[5], weight[starts[1:] - 1] = 0, 0
            (loss, _), (draft_loss, _) = fast.step(ids, starts, weight, True)
            leaves = {name: value.double().requires_grad_() for name, value in weights.f32.items()}
            total = 0
            for begin, end in zip(starts.tolist(), starts[1:].tolist()):
                if end - begin < 2:
                    continue
                logits, draft = (rows[0] for rows in model.forward(shape, leaves, ids[None, begin:end]))
                for rows_of, ours in ((logits, loss), (draft, draft_loss)):
                    theirs = torch.nn.functional.cross_entropy(rows_of[:-1], ids[begin + 1:end], reduction="none")
                    weighed = weight[begin:end - 1] > 0
                    self.assertLess(difference(ours[begin:end - 1][weighed], theirs[weighed].float()), 0.03)
                    total = total + (theirs * weight[begin:end - 1]).sum()
            total.backward()
            for name, leaf in leaves.items():
                differences.setdefault(name, []).append(difference(gradients.f32[name], leaf.grad.float()))
        for name, found in differences.items():
            # Products are made of numbers with 8 bits, and a head whose output happens to be nearly 0 makes much of that.
            self.assertLess(statistics.median(found), 0.08, name)


if __name__ == "__main__":
    unittest.main()
