"""What stands around the fast form: batches, plan, optimiser, export."""
import json
import os
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import numpy as np
import torch

import model
from data import Documents, plan
from export import config, published, write_safetensors
from fast import Parameters
from optimiser import orthogonal


def small():
    shape = model.Shape(vocabulary=200, layers=4, context=64)
    weights = Parameters(shape)
    model.initialise(shape, weights.f32, 5)
    return shape, weights.f32


def stored(lengths, name):
    path = os.path.join(tempfile.mkdtemp(), name + ".npz")
    starts = np.concatenate([[0], np.cumsum(lengths)])
    np.savez(path, tokens=np.arange(starts[-1]).astype(np.uint16), weights=(np.arange(starts[-1]) % 3 * 50).astype(np.uint8), starts=starts,
             tasks=(np.arange(len(lengths)) % 2).astype(np.uint8), names=np.array(["a", "b"]))
    return Documents(path, 64)


class TrainerTest(unittest.TestCase):
    def test_a_row_has_the_weight_of_the_token_it_predicts(self):
        documents = stored([4, 1, 3, 70], "few")
        self.assertEqual(documents.usable.tolist(), [0, 2])  # the others are too short or too long
        ids, start, weight, task = documents.batch(np.array([2, 0]), {"a": 4, "b": 7})
        self.assertEqual(ids.tolist(), [5, 6, 7, 0, 1, 2, 3])
        self.assertEqual(start.tolist(), [0, 3, 7])
        self.assertEqual(weight.tolist(), [0, 0.5, 0, 0.5, 1, 0, 0])
        self.assertEqual(task.tolist(), [4] * 7)

    def test_plan(self):
        short, long = stored([10] * 50, "short"), stored([60] * 20, "long")
        steps = plan(short, long, total=20000, step_tokens=200, batch_tokens=40, long_from=0.5, long_share=0.5, seed=1)
        again = plan(short, long, total=20000, step_tokens=200, batch_tokens=40, long_from=0.5, long_share=0.5, seed=1)
        flat = lambda steps: [(is_long, list(indices)) for step in steps for is_long, indices in step]
        self.assertEqual(flat(steps), flat(again))
        total = sum(len(indices) * (60 if is_long else 10) for is_long, indices in flat(steps))
        self.assertTrue(20000 <= total < 20300)
        self.assertFalse(any(is_long for step in steps[:len(steps) // 2 - 1] for is_long, _ in step))
        long_tokens = sum(60 * len(indices) for is_long, indices in flat(steps) if is_long)
        self.assertAlmostEqual(long_tokens / total, 0.25, delta=0.02)
        self.assertTrue(all(len(indices) == (1 if is_long else 4) or not is_long for is_long, indices in flat(steps)))
        met = np.bincount([i for is_long, indices in flat(steps) for i in indices if not is_long])
        self.assertLessEqual(met.max() - met.min(), 1)  # no document comes again before all others came

    def test_orthogonal(self):
        for rows, columns in ((64, 256), (256, 64), (128, 128)):
            values = torch.linalg.svdvals(orthogonal(torch.randn(2, rows, columns))[1])
            # A square one of random numbers has some near 0, which five rounds do not lift all the way.
            self.assertTrue(0.6 < values.median() and values.max() < 1.4, values)

    def test_published_form(self):
        shape, values = small()
        tensors = published(shape, values)
        self.assertEqual(sum(t.numel() for t in tensors.values()), sum(t.numel() for t in values.values()))
        # Rows of q, k and v, then the gate, b, a; attention's third layer from zero.
        delta = values["layers.0.in"]
        at = "model.layers.0.linear_attn."
        joined = torch.cat([tensors[at + name + ".weight"] for name in ("in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a")])
        self.assertTrue(torch.equal(joined, delta))
        self.assertEqual(tensors[at + "conv1d.weight"].shape, (512, 1, 4))
        self.assertTrue(torch.equal(tensors[at + "conv1d.weight"][7, 0], values["layers.0.taps"][:, 7]))
        self.assertIn("model.layers.3.self_attn.q_proj.weight", tensors)
        self.assertEqual(config(shape, 9, "float32")["layer_types"][3], "full_attention")
        for dtype, width in (("F32", 4), ("BF16", 2)):
            path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
            write_safetensors(path, tensors, dtype)
            with open(path, "rb") as file:
                header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
                data = file.read()
            place = header["mtp.fc.weight"]
            self.assertEqual(place["data_offsets"][1] - place["data_offsets"][0], width * 256 * 512)
            found = np.frombuffer(data[slice(*place["data_offsets"])], dtype=np.float32 if width == 4 else np.int16)
            found = torch.from_numpy(found.copy())
            found = found if width == 4 else found.view(torch.bfloat16)
            self.assertTrue(torch.equal(found, tensors["mtp.fc.weight"].reshape(-1).to(found.dtype)))


if __name__ == "__main__":
    unittest.main()
