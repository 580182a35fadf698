#!/usr/bin/env python3
"""Scores a checkpoint on the held-out cases, answering greedily, and measures losses on the held-out documents."""
import argparse
import json
import os
import re
import sys

import torch

from data import Documents, in_batches
from export import load
from fast import Fast, Parameters
from generate import greedy
from tokenizer import load as load_tokenizer


def calls_of(text):
    """The tool calls in an answer, as [{"name", "arguments"}] with the values as text."""
    out = []
    for block in re.findall(r"<tool_call>(.*?)(?:</tool_call>|$)", text, re.S):
        name = re.search(r"<function=([^>\n]+)>", block)
        if name is None:
            return None
        arguments = dict(re.findall(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", block, re.S))
        out.append({"name": name.group(1), "arguments": arguments})
    return out


def as_text(value):
    return value if isinstance(value, str) else json.dumps(value)


def is_right(case, answer):
    expected, match = case["expected"], case["match"]
    if "</think>" in answer:
        answer = answer.rsplit("</think>", 1)[1]
    answer = answer.strip()
    if match == "exact":
        return answer == expected.strip()
    if match == "contains":
        return expected in answer
    if match == "json":
        try:
            return json.loads(answer) == (json.loads(expected) if isinstance(expected, str) else expected)
        except ValueError:
            return False
    if match == "tool_call":
        if isinstance(expected, str):
            expected = json.loads(expected)
        wanted = expected if isinstance(expected, list) else [expected]
        wanted = [{"name": call["name"], "arguments": {key: as_text(value) for key, value in call["arguments"].items()}} for call in wanted]
        return calls_of(answer) == wanted
    sys.exit(f"a case has the match {match!r}, which is unknown")


def score(shape, values, tokenizer, cases, most, together):
    """(case, answer, is right) for every case."""
    ends = {tokenizer.encode(text)[0] for text in ("<|im_end|>", "<|endoftext|>")}
    prompts = [tokenizer.encode(case["prompt"]) for case in cases]
    order, out = sorted(range(len(cases)), key=lambda i: len(prompts[i])), [None] * len(cases)
    for first in range(0, len(order), together):
        some = order[first:first + together]
        for i, ids in zip(some, greedy(shape, values, [prompts[i] for i in some], most, ends)):
            answer = tokenizer.decode(ids)
            out[i] = (cases[i], answer, is_right(cases[i], answer))
        print(f"\r{min(first + together, len(order))} of {len(order)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return out


def losses(shape, flat, path, directory):
    """Per task: loss per learnt token, share of right tokens, and the same of the drafting layer."""
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
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--cases", required=True, help="eval.jsonl of the corpus")
    parser.add_argument("--heldout", help="heldout.npz")
    parser.add_argument("--out", help="where to write the table as text; answers go to the same name with .jsonl")
    parser.add_argument("--most", type=int, default=200, help="tokens of an answer")
    parser.add_argument("--together", type=int, default=64, help="answers at the same time")
    parser.add_argument("--per-task", type=int, default=1000, help="cases of a task at most")
    parser.add_argument("--show", type=int, default=0, help="wrong answers to show per task")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    shape, values, saved = load(options.checkpoint)
    tokenizer = load_tokenizer(options.tokenizer)
    with open(options.cases, encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    tasks = {}
    for case in cases:
        tasks.setdefault(case["task"], []).append(case)
    results = score(shape, values, tokenizer, [case for some in tasks.values() for case in some[:options.per_task]], options.most, options.together)
    held = losses(shape, saved["flat"], options.heldout, os.path.dirname(options.checkpoint)) if options.heldout else {}

    lines = ["| task | cases | right | loss | tokens right | drafts right |", "|---|---|---|---|---|---|"]
    total = [0, 0]
    for task in sorted(set(tasks) | set(held)):
        right = [hit for case, _, hit in results if case["task"] == task]
        total = [total[0] + sum(right), total[1] + len(right)]
        count, share = (total[1], total[0] / max(1, total[1])) if task == "all" else (len(right), sum(right) / max(1, len(right)))
        known = held.get(task)
        lines.append(f"| {task} | {count or '-'} | {f'{share:.0%}' if count else '-'} | "
                     + (f"{known['loss']:.3f} | {known['right']:.1%} | {known['draft_right']:.1%} |" if known else "- | - | - |"))
    lines.append(f"\n{total[0]} of {total[1]} cases right ({total[0] / max(1, total[1]):.1%}), after {saved['tokens']} tokens")
    text = "\n".join(lines) + "\n"
    print(text)
    for task in sorted(tasks):
        for case, answer, hit in [r for r in results if r[0]["task"] == task and not r[2]][:options.show]:
            print(f"--- {task}\n{case['prompt'][-300:]}\n>>> {answer!r}\n=== {case['expected']!r}")
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
        with open(options.out + ".jsonl", "w", encoding="utf-8") as file:
            for case, answer, hit in results:
                file.write(json.dumps({"task": case["task"], "right": hit, "answer": answer, "expected": case["expected"]}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
