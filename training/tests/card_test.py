"""The form for cards, here on a processor, against the plain one."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch

import model
from card import CHUNK, Card, delta_rule_in_chunks
from fast import Parameters

LENGTHS = [1, 2, 3, 17, 40, 70, 64, 129]


def difference(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm().clamp(min=1e-12)).item()


class CardTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        torch.set_num_threads(1)

    def test_chunks_of_the_delta_rule(self):
        for tokens in (1, CHUNK - 1, CHUNK, 2 * CHUNK + 5):
            q, k = (torch.nn.functional.normalize(torch.randn(2, tokens, 3, 64, dtype=torch.float64), dim=-1) for _ in range(2))
            v = torch.randn(2, tokens, 3, 64, dtype=torch.float64)
            keep, write = torch.rand(2, tokens, 3, dtype=torch.float64), torch.rand(2, tokens, 3, dtype=torch.float64)
            keep[0, tokens // 2, 1] = 1e-25  # hardly anything kept
            d_out, results = torch.randn_like(v), []
            for rule in (delta_rule_in_chunks, model.delta_rule):
                given = [t.clone().requires_grad_() for t in (q, k, v, keep, write)]
                out = rule(*given)
                out.backward(d_out)
                given[3].grad *= keep  # as it goes on: what is kept is an exponential
                results.append([out.detach()] + [t.grad for t in given])
            for ours, theirs in zip(*results):
                self.assertLess(difference(ours, theirs), 1e-10)

    def test_nothing_kept_is_a_number(self):
        q, k, v = (torch.randn(1, 9, 2, 64) for _ in range(3))
        keep = torch.zeros(1, 9, 2, requires_grad=True)
        out = delta_rule_in_chunks(q, k, v, keep, torch.rand(1, 9, 2))
        out.sum().backward()
        self.assertTrue(out.isfinite().all() and keep.grad.isfinite().all())

    def test_losses_and_gradients(self):
        shape = model.Shape(vocabulary=300, layers=4, context=160)
        count = Parameters(shape).flat.numel()
        weights, gradients = (Parameters(shape, torch.zeros(count, dtype=torch.float64)) for _ in range(2))
        model.initialise(shape, weights.f32, 3)
        starts = torch.tensor([0] + LENGTHS).cumsum(0)
        ids, weight = torch.randint(0, 300, (sum(LENGTHS),)), torch.rand(sum(LENGTHS), dtype=torch.float64)
        weight[5], weight[starts[1:] - 1] = 0, 0
        card = Card(weights, gradients.f32)
        self.assertLess(len(card.groups(starts)), len(LENGTHS))
        (loss, right), (draft_loss, _) = card.step(ids, starts, weight, True)
        once = gradients.f32["layers.0.in"].clone()
        leaves, total = {name: value.detach().clone().requires_grad_() for name, value in weights.f32.items()}, 0
        for begin, end in zip(starts.tolist(), starts[1:].tolist()):
            if end - begin < 2:
                continue
            logits, draft = (rows[0] for rows in model.forward(shape, leaves, ids[None, begin:end]))
            weighed = weight[begin:end - 1] > 0
            for rows_of, ours in ((logits, loss), (draft, draft_loss)):
                theirs = torch.nn.functional.cross_entropy(rows_of[:-1], ids[begin + 1:end], reduction="none")
                self.assertLess(difference(ours[begin:end - 1][weighed], theirs[weighed]), 1e-10)
                total = total + (theirs * weight[begin:end - 1]).sum()
            self.assertTrue(torch.equal(right[begin:end - 1][weighed].bool(), (logits[:-1].argmax(-1) == ids[begin + 1:end])[weighed]))
        total.backward()
        for name, leaf in leaves.items():
            self.assertLess(difference(gradients.f32[name], leaf.grad), 1e-9, name)
        # Gradients add up; without a draft its layer learns nothing; reading changes nothing.
        before = gradients.f32["mtp.fc"].clone()
        _, no_draft = card.step(ids, starts, weight, False)
        self.assertIsNone(no_draft)
        self.assertTrue(torch.equal(gradients.f32["mtp.fc"], before))
        self.assertLess(difference(gradients.f32["layers.0.in"], 2 * once), 1e-9)
        held = gradients.flat.clone()
        (read_loss, _), _ = Card(weights, None).step(ids, starts, weight, True)
        self.assertTrue(torch.equal(gradients.flat, held))
        self.assertLess(difference(read_loss, loss), 1e-12)


if __name__ == "__main__":
    unittest.main()
