#!/usr/bin/env python3
"""Measures the losses of a checkpoint on the held-out documents. (How many answers are right tests/ember finds out, with hearth itself.)"""
import argparse
import os

import torch

from data import Documents, in_batches
from export import load
from fast import Fast, Parameters


def losses(shape, flat, path, directory):
    """Per task: loss per learnt token, share of right tokens, and share of right drafts."""
    documents = Documents(path, shape.context)
    weights = Parameters(shape, flat)
    weights.refresh()
    fast, names = Fast(weights, None, directory), documents.names
    sums = torch.zeros(2, len(names), 4)
    for indices in in_batches(documents, documents.usable, 2048):
        ids, start, weight, task = documents.batch(indices, {name: i for i, name in enumerate(names)})
        for which, (loss, right) in enumerate(fast.step(ids, start, weight, True)):
            counted = (weight > 0.99).float()
            sums[which].index_add_(0, task, torch.stack([loss * weight, weight, right * counted, counted], 1))
    rows = [(name, sums[:, i]) for i, name in enumerate(names)] + [("all", sums.sum(1))]
    return {name: {"loss": (s[0, 0] / s[0, 1]).item(), "right": (s[0, 2] / s[0, 3]).item(), "draft_right": (s[1, 2] / s[1, 3]).item()} for name, s in rows if s[0, 1] > 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--heldout", required=True, help="heldout.npz")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    shape, _, saved = load(options.checkpoint)
    print("| task | loss | tokens right | drafts right |\n|---|---|---|---|")
    for name, found in losses(shape, saved["flat"], options.heldout, os.path.dirname(options.checkpoint)).items():
        print(f"| {name} | {found['loss']:.3f} | {found['right']:.1%} | {found['draft_right']:.1%} |")
    print(f"\nafter {saved['tokens']} tokens")


if __name__ == "__main__":
    main()
