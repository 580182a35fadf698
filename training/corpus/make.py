#!/usr/bin/env python3
"""Writes the corpus that Ember is trained on: train.jsonl, train_long.jsonl, heldout.jsonl, eval.jsonl (see ../README.md)."""
import argparse
import json
import os

import arithmetic
import chores
import extraction
import hearth
import identity
import knowledge
import labels
import languages
import recall
import smalltalk
import stories
import tools
import unknown
from conversation import joined, render_plain, render_template, text_of
from draw import Draw

# Documents in a thousand.
SHARES = [
    (smalltalk.make, 55), (identity.make, 40), (hearth.make, 130), (arithmetic.make, 110), (arithmetic.make_thought, 80), (arithmetic.make_lines, 110),
    (knowledge.make, 130), (labels.make, 75), (extraction.make, 90), (tools.make, 72), (unknown.make, 60), (languages.make, 35), (stories.make, 25),
    (stories.make_raw, 25), (recall.make, 70), (chores.make, 60)]
# May stand together in one conversation.
MIXABLE = {"smalltalk", "identity", "hearth", "arithmetic", "arithmetic_thinking", "knowledge", "labels", "extraction", "unknown", "languages", "chores"}
SYSTEM = ["You are Ember, a small and friendly assistant.", "You are a helpful assistant.", "You are Ember.", "Answer briefly.", "You are a helpful assistant. Answer briefly.",
          "Be friendly.", "You are a terse assistant.", "You are a friendly assistant called Ember."]
HURRIED = {"identity", "hearth", "arithmetic", "arithmetic_thinking", "knowledge"}
LONG_PERCENT = 0.8  # of the documents of train.jsonl
EVAL_PER_TASK = 100


def drawn(draw, task):
    """A sample of this side of the split."""
    while True:
        sample = task(draw)
        if sample.belongs(draw.held):
            return sample


def pick(draw):
    place = draw.number(1, sum(share for _, share in SHARES))
    for task, share in SHARES:
        place -= share
        if place <= 0:
            return task


def typed(draw, sample):
    """The messages as somebody in a hurry would type them, now and then: no capitals, no full stop."""
    messages = [dict(message) for message in sample.messages]
    if sample.task in HURRIED and sample.key and sample.key[0] != "introduce" and draw.chance(0.12):
        text = messages[0]["content"]
        messages[0]["content"] = text if any(sign in text for sign in ("`", "--", "HEARTH", "=")) else text.lower().rstrip("?!.")
    return messages


def conversation(draw, sample):
    """Other tasks in front, as in a real chat, and a system message."""
    messages = typed(draw, sample)
    before = 0
    if sample.task in MIXABLE and draw.chance(0.25):
        for _ in range(draw.choice([1, 1, 2, 3])):
            # What stands in front is training's, so that only the last question is unseen.
            other = drawn(Draw(draw.number(0, 1 << 40), False), draw.choice([task for task, _ in SHARES if task not in (arithmetic.make_lines, stories.make_raw, recall.make, tools.make)]))
            if other.task in MIXABLE:
                messages = other.messages + messages
                before += len(other.messages)
    if draw.chance(0.2):
        messages = [{"role": "system", "content": draw.choice(SYSTEM)}] + messages
        before += 1
    target = sample.target if sample.target >= 0 else len(sample.messages) - 1
    return messages, target + before


def form_of(draw, sample):
    """(is the template's form, thinks)"""
    if draw.chance(sample.thinks):
        return True, True
    return bool(sample.tools) or draw.chance(0.5), False


def document(draw, sample):
    if sample.raw:
        parts = [list(part) for part in sample.raw] + [["<|endoftext|>", 1.0]]
    else:
        messages, _ = conversation(draw, sample)
        is_template, thinks = form_of(draw, sample)
        parts = render_template(messages, sample.tools, thinks) if is_template else render_plain(messages)
        parts.append(["<|endoftext|>", 0.0])
    return {"task": sample.task, "parts": joined(parts)}


def case(draw, sample):
    if sample.raw:
        return {"task": sample.task, "prompt": sample.prompt, "messages": [], "form": "raw", "thinking": False, "expected": sample.expected, "match": sample.match}
    messages, target = conversation(draw, sample)
    is_template, thinks = form_of(draw, sample)
    expected = sample.expected if sample.expected is not None else messages[target]["content"]
    shown = [{key: value for key, value in message.items() if key != "reasoning_content"} for message in messages[:target]]
    parts = render_template(shown, sample.tools, thinks, generate=True) if is_template else render_plain(shown, generate=True)
    out = {"task": sample.task, "prompt": text_of(parts), "messages": shown}
    if sample.tools:
        out["tools"] = sample.tools
    return out | {"form": "template" if is_template else "plain", "thinking": thinks, "expected": expected, "match": sample.match}


def eval_cases(seed, held=True, skips=lambda case: False):
    """Cases of one side of the split, the same number of every task."""
    makers = [task for task, _ in SHARES] + [hearth.make_reworded, recall.make_long]
    found = {}
    for index, maker in enumerate(makers):
        draw = Draw(seed * 1000 + index, held)
        counts, prompts, tries = {}, set(), 0
        while tries < 4000 and (not counts or min(counts.values()) < EVAL_PER_TASK):
            tries += 1
            sample = drawn(draw, maker)
            if counts.get(sample.task, 0) >= EVAL_PER_TASK or (maker is recall.make_long and len(counts) and counts["recall_long"] >= 40):
                if maker is recall.make_long:
                    break
                continue
            made = case(draw, sample)
            if made["prompt"] in prompts or skips(made):
                continue
            prompts.add(made["prompt"])
            counts[sample.task] = counts.get(sample.task, 0) + 1
            found.setdefault(sample.task, []).append(made)
    return [made for task in sorted(found) for made in found[task]]


def write(path, lines):
    with open(path + ".part", "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="directory to write to")
    parser.add_argument("--documents", type=int, default=90000, help="documents of train.jsonl (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.documents < 1:
        parser.error("--documents must be at least 1")
    os.makedirs(options.out, exist_ok=True)

    def documents(count, held, makers=None, salt=0):
        draw = Draw(options.seed * 100 + salt, held)
        for _ in range(count):
            yield document(draw, drawn(draw, makers or pick(draw)))

    write(os.path.join(options.out, "train.jsonl"), documents(options.documents, False, salt=1))
    write(os.path.join(options.out, "train_long.jsonl"), documents(int(options.documents * LONG_PERCENT / 100), False, recall.make_long, salt=2))
    write(os.path.join(options.out, "heldout.jsonl"), documents(max(1, options.documents // 50), True, salt=3))
    write(os.path.join(options.out, "eval.jsonl"), eval_cases(options.seed))


if __name__ == "__main__":
    main()
