#!/usr/bin/env python3
"""Writes the seed corpus of the importance-matrix fuzzer: small files of both forms, right ones and ones that are wrong in one way each.

usage: imatrix_corpus.py DIRECTORY
"""
import struct
import sys
from pathlib import Path


def i32(x): return struct.pack("<i", x)
def u64(x): return struct.pack("<Q", x)
def f32(*x): return struct.pack("<%df" % len(x), *x)
def text(x): return u64(len(x)) + x
def key(name, kind, value): return text(name) + i32(kind) + value
def entry(name=b"w", calls=2, values=(1, 4), count=None): return (i32(len(name)) + name + i32(calls) + i32(len(values) if count is None else count)
                                                                  + f32(*values))


def gguf(tensors, keys=(key(b"general.type", 8, text(b"imatrix")),)):
    infos, data = b"", b""
    for name, sizes, values in tensors:
        infos += text(name) + i32(len(sizes)) + b"".join(map(u64, sizes)) + i32(0) + u64(len(data))
        data += f32(*values)
        data += bytes(-len(data) % 32)
    front = b"GGUF" + i32(3) + u64(len(tensors)) + u64(len(keys)) + b"".join(keys) + infos
    return front + bytes(-len(front) % 32) + data


dense = [(b"w.in_sum2", [3], [3, 6, 0]), (b"w.counts", [1], [3])]
stack = [(b"e.in_sum2", [2, 3], [1, 2, 3, 4, 5, 6]), (b"e.counts", [1, 3], [1, 0, 2])]
info = (key(b"general.type", 8, text(b"imatrix")), key(b"imatrix.datasets", 9, i32(8) + u64(1) + text(b"a.txt")),
        key(b"imatrix.chunk_count", 4, i32(3)), key(b"imatrix.chunk_size", 4, i32(64)))
nan = float("nan")
corpus = {
    "empty": b"",
    "dat": i32(2) + entry() + entry(b"v", 1, (7,)) + i32(3) + i32(5) + b"a.txt",
    "dat_bare": i32(1) + entry(),
    "dat_no_calls": i32(1) + entry(calls=0),
    "dat_minus_calls": i32(1) + entry(calls=-5),
    "dat_twice": i32(2) + entry() + entry(),
    "dat_negative": i32(1) + entry(values=(-1, 2)),
    "dat_nan": i32(1) + entry(values=(nan, 2)),
    "dat_cut": i32(1) + entry()[:-3],
    "dat_many_columns": i32(1) + entry(count=1 << 30),
    "dat_minus_columns": i32(1) + entry(count=-4),
    "dat_many_entries": i32(0x7FFFFFFF) + entry(),
    "dat_no_entries": i32(0),
    "dat_minus_entries": i32(-1),
    "dat_long_name": i32(1) + i32(0x7FFFFFFF) + b"w",
    "dat_minus_name": i32(1) + i32(-1) + b"w",
    "dat_long_tail": i32(1) + entry() + i32(3) + i32(500) + b"a.txt",
    "dense": gguf(dense, info),
    "stack": gguf(dense + stack, info),
    "no_type": gguf(dense, ()),
    "other_type": gguf(dense, (key(b"general.type", 8, text(b"model")),)),
    "no_counts": gguf(dense[:1]),
    "no_sums": gguf(dense[1:]),
    "other_tensor": gguf(dense + [(b"token_embd.weight", [4], [1, 2, 3, 4])]),
    "uneven": gguf([(b"w.in_sum2", [3], [1, 2, 3]), (b"w.counts", [2], [1, 1])]),
    "zero_columns": gguf([(b"w.in_sum2", [0], []), (b"w.counts", [1], [1])]),
    "zero_counts": gguf([(b"w.in_sum2", [2], [1, 2]), (b"w.counts", [0], [])]),
    "negative_count": gguf([(b"w.in_sum2", [2], [1, 2]), (b"w.counts", [1], [-1])]),
    "infinite": gguf([(b"w.in_sum2", [2], [float("inf"), 2]), (b"w.counts", [1], [1])]),
    "tiny_count": gguf([(b"w.in_sum2", [1], [3e38]), (b"w.counts", [1], [1e-38])]),
}
for name, content in corpus.items():
    (Path(sys.argv[1]) / name).write_bytes(content)
