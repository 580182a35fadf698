#!/usr/bin/env python3
"""Picks what the tests of Ember read: held-out cases, cases of known words in new texts, held-out documents, the forty prompts as text."""
import argparse
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus"))

import make
from conversation import render_plain, render_template, text_of

CASES, LONG_CASES, DOCUMENTS = 50, 10, 5  # of a task
LONGEST_DOCUMENT = 900  # bytes


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def first_of_each_task(rows, most):
    found = {}
    for row in rows:
        some = found.setdefault(row["task"], [])
        if len(some) < most(row["task"]):
            some.append(row)
    return [row for task in sorted(found) for row in found[task]]


# Here the held-out side has words that training never showed, and a model this small cannot always spell those. The same questions
# about words it knows, in texts that training never had, say whether it understood the task.
COPYING = {"chores", "extraction", "recall", "recall_long", "stories", "stories_raw", "tool_answers", "tool_calls"}


def known_cases(corpus):
    asked = set()
    for name in ("train", "train_long"):
        for row in lines_of(os.path.join(corpus, name + ".jsonl")):
            asked.update(re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", text_of(row["parts"]), re.S))

    def was_seen(case):
        return any(message["role"] == "user" and message["content"] in asked for message in case["messages"][-1:]) and case["task"] not in ("recall_long", "tool_answers")

    return [case for case in make.eval_cases(77, False, was_seen) if case["task"] in COPYING]


def rendered(conversation):
    messages, tools, thinking = conversation["messages"], conversation.get("tools"), conversation.get("thinking", False)
    is_template = bool(tools) or thinking
    return text_of(render_template(messages, tools, thinking, generate=True) if is_template else render_plain(messages, generate=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="directory that corpus/make.py wrote")
    parser.add_argument("--out", required=True, help="tests/data/ember")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    cases = first_of_each_task(lines_of(os.path.join(options.corpus, "eval.jsonl")), lambda task: LONG_CASES if task == "recall_long" else CASES)
    known = first_of_each_task(known_cases(options.corpus), lambda task: LONG_CASES if task == "recall_long" else CASES)
    for name, some in (("cases", cases), ("known", known)):
        write(os.path.join(options.out, name + ".jsonl"), [{key: case[key] for key in ("task", "prompt", "expected", "match")} for case in some])
    documents = [row for row in lines_of(os.path.join(options.corpus, "heldout.jsonl")) if len(text_of(row["parts"])) <= LONGEST_DOCUMENT]
    # What is to be learnt of a document, and what only stands there.
    write(os.path.join(options.out, "documents.jsonl"), [[[text, weight == 1] for text, weight in row["parts"]] for row in first_of_each_task(documents, lambda task: DOCUMENTS)])
    # The answers are put in by bench/peers/answers.mjs.
    prompts = lines_of(os.path.join(os.path.dirname(os.path.abspath(__file__)), "prompts40.jsonl"))
    write(os.path.join(options.out, "prompts.jsonl"), [{"task": row["task"], "prompt": rendered(row), "expected": "", "match": "exact"} for row in prompts])


if __name__ == "__main__":
    main()
