#!/usr/bin/env python3
"""Ember's tokenizer: a byte-level BPE with the word split and the special tokens of Qwen 3.5, and 4096 ids.

    tokenizer.py train --corpus DIR --out DIR     learns it from train.jsonl and writes the files of a model directory
    tokenizer.py encode --tokenizer DIR FILE OUT  turns a corpus file into arrays
    tokenizer.py ids --tokenizer DIR              text on standard input -> ids, specials written as text become specials
"""
import argparse
import heapq
import json
import os
import re
import sys
import unicodedata
from collections import Counter, defaultdict

SIZE = 4096
# True: a control token, False: text that is a token of its own.
SPECIALS = {"<|endoftext|>": True, "<|im_start|>": True, "<|im_end|>": True, "<|vision_start|>": True, "<|vision_end|>": True,
            "<|image_pad|>": True, "<|video_pad|>": True, "<tool_call>": False, "</tool_call>": False, "<tool_response>": False,
            "</tool_response>": False, "<think>": False, "</think>": False}
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def ranges(letter):
    """All characters of a general category, as the inside of a character class: the standard library knows no \\p."""
    out, start = [], None
    for code in range(0x110001):
        inside = code < 0x110000 and unicodedata.category(chr(code))[0] == letter
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            out.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(out)


def splitter():
    letters, marks, numbers = ranges("L"), ranges("M"), ranges("N")
    space = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    return re.compile("'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"
                      rf"|[^\r\n{letters}{numbers}]?[{letters}{marks}]+|[{numbers}]| ?[^{space}{letters}{marks}{numbers}]+[\r\n]*"
                      rf"|[{space}]*[\r\n]+|[{space}]+(?![^{space}])|[{space}]+")


def byte_letters():
    """The printable character that stands for each byte in tokenizer.json."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    for count, byte in enumerate(byte for byte in range(256) if byte not in letters):
        letters[byte] = chr(256 + count)
    return letters


LETTERS = byte_letters()
SPECIAL_SPLIT = re.compile("(" + "|".join(re.escape(text) for text in sorted(SPECIALS, key=len, reverse=True)) + ")")


class Tokenizer:
    def __init__(self, vocabulary, merges, specials):
        self.specials = specials
        self.vocabulary = vocabulary
        self.ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
        self.cache = {}
        self.words = splitter().findall
        bytes_of = {letter: byte for byte, letter in LETTERS.items()}
        self.pieces = [b""] * (len(vocabulary) + len(specials))
        for text, token in vocabulary.items():
            self.pieces[token] = bytes(bytes_of[letter] for letter in text)
        for text, token in specials.items():
            self.pieces[token] = text.encode("utf-8")

    def encode_word(self, word):
        parts = [LETTERS[byte] for byte in word.encode("utf-8")]
        while len(parts) > 1:
            rank, place = min((self.ranks.get(pair, 1 << 30), place) for place, pair in enumerate(zip(parts, parts[1:])))
            if rank == 1 << 30:
                break
            parts[place:place + 2] = [parts[place] + parts[place + 1]]
        return [self.vocabulary[part] for part in parts]

    def encode(self, text):
        out, cache = [], self.cache
        for piece in SPECIAL_SPLIT.split(text):
            if piece in self.specials:
                out.append(self.specials[piece])
                continue
            for word in self.words(piece):
                ids = cache.get(word)
                if ids is None:
                    ids = cache[word] = self.encode_word(word)
                out += ids
        return out

    def decode(self, ids):
        return b"".join(self.pieces[token] for token in ids).decode("utf-8", "replace")


def load(directory):
    with open(os.path.join(directory, "tokenizer.json"), encoding="utf-8") as file:
        data = json.load(file)
    specials = {token["content"]: token["id"] for token in data["added_tokens"]}
    return Tokenizer(data["model"]["vocab"], data["model"]["merges"], specials)


def documents(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def count_words(path):
    words, counts = splitter().findall, Counter()
    for document in documents(path):
        text = "".join(part for part, _ in document["parts"])
        for piece in SPECIAL_SPLIT.split(text):
            if piece not in SPECIALS:
                counts.update(words(piece))
    return counts


def learn_merges(counts, wanted):
    """The most frequent pair is joined, again and again; equal counts go by the text, so that the result is one."""
    words = [[LETTERS[byte] for byte in word.encode("utf-8")] for word in counts]
    weights = list(counts.values())
    pairs, places = Counter(), defaultdict(set)
    for index, parts in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += weights[index]
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    merges, made = [], set(LETTERS.values())
    while heap and len(merges) < wanted:
        count, pair = heapq.heappop(heap)
        if pairs.get(pair, 0) != -count:
            if pairs.get(pair, 0) > 0:
                heapq.heappush(heap, (-pairs[pair], pair))
            continue
        if pair[0] + pair[1] in made:  # two ways to the same token would leave an id without text
            del pairs[pair]
            continue
        made.add(pair[0] + pair[1])
        merges.append(pair)
        changed = set()
        for index in places.pop(pair):
            parts = words[index]
            for old in zip(parts, parts[1:]):
                pairs[old] -= weights[index]
                changed.add(old)
            joined, at = [], 0
            while at < len(parts):
                if at + 1 < len(parts) and (parts[at], parts[at + 1]) == pair:
                    joined.append(pair[0] + pair[1])
                    at += 2
                else:
                    joined.append(parts[at])
                    at += 1
            words[index] = joined
            for new in zip(joined, joined[1:]):
                pairs[new] += weights[index]
                places[new].add(index)
                changed.add(new)
        for one in changed:
            if pairs[one] > 0:
                heapq.heappush(heap, (-pairs[one], one))
    return merges


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.write("\n")


def write_files(directory, merges):
    vocabulary = {letter: index for index, letter in enumerate(LETTERS[byte] for byte in range(256))}
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    added = [{"id": len(vocabulary) + index, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": is_control} for index, (text, is_control) in enumerate(SPECIALS.items())]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    os.makedirs(directory, exist_ok=True)
    write_json(os.path.join(directory, "tokenizer.json"), {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary, "merges": [list(pair) for pair in merges]}})
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat_template.jinja"), encoding="utf-8") as file:
        template = file.read()
    with open(os.path.join(directory, "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write(template)
    write_json(os.path.join(directory, "tokenizer_config.json"), {
        "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None,
        "clean_up_tokenization_spaces": False, "model_max_length": 4096, "tokenizer_class": "Qwen2Tokenizer", "chat_template": template,
        "added_tokens_decoder": {str(token["id"]): {key: token[key] for key in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")}
                                 for token in added}})
    ids = {token["content"]: token["id"] for token in added}
    write_json(os.path.join(directory, "generation_config.json"), {
        "do_sample": True, "temperature": 0.3, "top_k": 20, "top_p": 0.8, "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
        "pad_token_id": ids["<|endoftext|>"]})


def train(options):
    counts = count_words(os.path.join(options.corpus, "train.jsonl"))
    merges = learn_merges(counts, SIZE - 256 - len(SPECIALS))
    if len(merges) < SIZE - 256 - len(SPECIALS):
        sys.exit(f"tokenizer.py: the corpus gives only {len(merges)} merges; make a larger one")
    write_files(options.out, merges)
    print(f"{len(counts)} different words, {len(merges)} merges", file=sys.stderr)


def encode(options):
    """OUT.npz: tokens (uint16), weights (uint8, in hundredths), starts (int64, one more than documents), tasks (uint8), names."""
    import numpy

    tokenizer = load(options.tokenizer)
    lengths = numpy.array([len(piece) for piece in tokenizer.pieces])
    tokens, weights, starts, tasks, names = [], [], [0], [], {}
    for document in documents(options.file):
        parts = document["parts"]
        # One run over the whole text: where parts meet, tokens are those of the text.
        ids = numpy.array(tokenizer.encode("".join(text for text, _ in parts)), dtype=numpy.uint16)
        ends = numpy.cumsum([len(text.encode("utf-8")) for text, _ in parts])
        first_bytes = numpy.cumsum(lengths[ids]) - lengths[ids]
        shares = numpy.array([round(weight * 100) for _, weight in parts], dtype=numpy.uint8)
        tokens.append(ids)
        weights.append(shares[numpy.searchsorted(ends, first_bytes, side="right")])
        starts.append(starts[-1] + len(ids))
        tasks.append(names.setdefault(document["task"], len(names)))
    if not tasks:
        sys.exit(f"tokenizer.py: {options.file} holds no documents")
    numpy.savez(options.out, tokens=numpy.concatenate(tokens), weights=numpy.concatenate(weights), starts=numpy.array(starts, dtype=numpy.int64),
                tasks=numpy.array(tasks, dtype=numpy.uint8), names=numpy.array(list(names)))
    sizes = numpy.diff(starts)
    print(f"{'task':22} documents    tokens  learnt  median", file=sys.stderr)
    learnt = numpy.add.reduceat(numpy.concatenate(weights) == 100, starts[:-1])
    for name, index in sorted(names.items()):
        mine = numpy.array(tasks) == index
        print(f"{name:22} {mine.sum():9} {sizes[mine].sum():9} {learnt[mine].sum():7} {int(numpy.median(sizes[mine])):7}", file=sys.stderr)
    print(f"{'all':22} {len(tasks):9} {starts[-1]:9} {learnt.sum():7} {int(numpy.median(sizes)):7}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", help="learn the tokenizer from a corpus")
    one.add_argument("--corpus", required=True, help="directory with train.jsonl")
    one.add_argument("--out", required=True, help="directory to write tokenizer.json and its companions to")
    one = commands.add_parser("encode", help="turn a corpus file into arrays")
    one.add_argument("--tokenizer", required=True, help="directory with tokenizer.json")
    one.add_argument("file", metavar="FILE", help="train.jsonl, train_long.jsonl or heldout.jsonl")
    one.add_argument("out", metavar="OUT", help="the .npz file to write")
    one = commands.add_parser("ids", help="text on standard input -> ids")
    one.add_argument("--tokenizer", required=True, help="directory with tokenizer.json")
    options = parser.parse_args()
    if options.command == "train":
        train(options)
    elif options.command == "encode":
        encode(options)
    else:
        print(" ".join(map(str, load(options.tokenizer).encode(sys.stdin.read()))))


if __name__ == "__main__":
    main()
