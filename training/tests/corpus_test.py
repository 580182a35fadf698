#!/usr/bin/env python3
"""Tests of the corpus and the tokenizer: python3 training/tests/corpus_test.py"""
import json
import os
import re
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "corpus")]

import arithmetic  # noqa: E402
import make  # noqa: E402
import tokenizer  # noqa: E402
from conversation import assistant, calls, render_plain, render_template, text_of, tool_result, user  # noqa: E402
from draw import Draw  # noqa: E402


def samples(held, count=400, task=None):
    draw = Draw(5, held)
    return [make.drawn(draw, task or make.pick(draw)) for _ in range(count)]


class Rendering(unittest.TestCase):
    def test_the_forms_are_those_of_the_program_and_of_the_template(self):
        messages = [{"role": "system", "content": "Be kind."}, user("Hi"), assistant("Hello!", "A greeting."), user("Bye")]
        self.assertEqual(text_of(render_plain(messages, generate=True)),
                         "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
                         "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n")
        off = text_of(render_template(messages, generate=True))
        self.assertEqual(off, text_of(render_plain(messages, generate=True)) + "<think>\n\n</think>\n\n")
        on = text_of(render_template(messages[1:3], thinking=True))
        self.assertEqual(on, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\nA greeting.\n</think>\n\nHello!<|im_end|>\n")

    def test_calls_and_results(self):
        messages = [user("Weather?"), calls([("w", {"city": "Oslo", "days": 2})]), tool_result("cold"), tool_result("dark")]
        self.assertEqual(text_of(render_template(messages)),
                         "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n<tool_call>\n<function=w>\n"
                         "<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call><|im_end|>\n"
                         "<|im_start|>user\n<tool_response>\ncold\n</tool_response>\n<tool_response>\ndark\n</tool_response><|im_end|>\n")

    def test_what_a_template_writes_is_never_learnt(self):
        draw = Draw(6, False)
        for sample in samples(False):
            for text, weight in make.document(draw, sample)["parts"]:
                if text.startswith(("<think>", "\n<tool_response>", "<|im_start|>")):
                    self.assertLess(weight, 1, text[:40])


class Split(unittest.TestCase):
    def test_no_held_out_question_is_in_training(self):
        # Stories and facts to recall are held out by their names, not by the question.
        open_tasks = {"stories", "recall", "tools_unneeded", "tool_answers", "tool_calls"}
        def asked(held, count):
            return {(sample.task, sample.messages[-2]["content"]) for sample in samples(held, count)
                    if not sample.raw and sample.task not in open_tasks}
        self.assertEqual(asked(False, 12000) & asked(True, 1500), set())

    def test_sums_are_right_in_every_form(self):
        for held in (False, True):
            for sample in samples(held, 600, arithmetic.make_thought) + samples(held, 600, arithmetic.make):
                left, right = sample.messages[-1]["content"].split(" = ")
                self.assertEqual(eval(left), int(right))  # two numbers and a sign
                for line in sample.messages[-1]["reasoning_content"].splitlines():
                    for one, other in re.findall(r"((?:\d+ [-+*] )+\d+) = (-?\d+)", line):
                        self.assertEqual(eval(one), int(other), line)

    def test_the_same_seed_gives_the_same_documents(self):
        def made():
            draw = Draw(9, False)
            return [make.document(draw, make.drawn(draw, make.pick(draw))) for _ in range(200)]
        self.assertEqual(made(), made())

    def test_every_task_is_scored(self):
        cases = make.eval_cases(1)
        tasks = {case["task"] for case in cases}
        self.assertGreaterEqual(len(tasks), 18)
        for case in cases:
            self.assertTrue(case["expected"], case)
            if case["form"] != "raw":
                self.assertTrue(case["prompt"].endswith("<think>\n" if case["thinking"] else
                                                        "</think>\n\n" if case["form"] == "template" else "assistant\n"))
            if case["match"] in ("json", "tool_call"):
                json.loads(case["expected"])


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        draw = Draw(1, False)
        path = os.path.join(cls.folder.name, "train.jsonl")
        make.write(path, (make.document(draw, make.drawn(draw, make.pick(draw))) for _ in range(4000)))
        merges = tokenizer.learn_merges(tokenizer.count_words(path), tokenizer.SIZE - 256 - len(tokenizer.SPECIALS))
        tokenizer.write_files(cls.folder.name, merges)
        cls.tokenizer = tokenizer.load(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_every_id_has_its_own_text(self):
        self.assertEqual(len(self.tokenizer.pieces), tokenizer.SIZE)
        self.assertEqual(len(set(self.tokenizer.pieces)), tokenizer.SIZE)

    def test_texts_come_back(self):
        for text in ["Grüße, 日本 and 🙂", "a  b\n\n c\t\r\n", "<|im_start|>user\nHi<|im_end|>", "I'M it's 1234 e\u0301", ""]:
            self.assertEqual(self.tokenizer.decode(self.tokenizer.encode(text)), text)

    def test_digits_and_specials_stand_alone(self):
        self.assertEqual([self.tokenizer.pieces[token] for token in self.tokenizer.encode("<think>47")], [b"<think>", b"4", b"7"])


if __name__ == "__main__":
    unittest.main()
