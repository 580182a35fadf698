#!/usr/bin/env python3
"""Writes the seed corpus of the GGUF fuzzer: small files, right ones and ones that are wrong in one way each.

usage: gguf_corpus.py DIRECTORY
"""
import struct
import sys
from pathlib import Path


def u32(x): return struct.pack("<I", x)
def u64(x): return struct.pack("<Q", x)
def text(x): return u64(len(x)) + x
def key(name, kind, value): return text(name) + u32(kind) + value
def array(kind, values): return u32(kind) + u64(len(values)) + b"".join(values)
def tensor(name, sizes, kind, offset): return text(name) + u32(len(sizes)) + b"".join(map(u64, sizes)) + u32(kind) + u64(offset)


def gguf(keys=(), tensors=(), data=b"", version=3, align=32, counts=None):
    front = b"GGUF" + u32(version) + u64((counts or (len(tensors), 0))[0]) + u64(counts[1] if counts else len(keys))
    front += b"".join(keys) + b"".join(tensors)
    return front + bytes(-len(front) % align) + data


SCALARS = [(0, b"\7"), (1, b"\xf9"), (2, b"\1\2"), (3, b"\1\xff"), (4, u32(7)), (5, struct.pack("<i", -7)), (6, struct.pack("<f", 1.5)),
           (7, b"\1"), (10, u64(1 << 63)), (11, struct.pack("<q", -5)), (12, struct.pack("<d", 0.1))]
TYPES = {0: (1, 4), 1: (1, 2), 30: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
         11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98),
         19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
         28: (1, 8), 29: (256, 56), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18)}

one = [tensor(b"t", [8], 0, 0)]
corpus = {
    "empty": b"",
    "bare": gguf(),
    "bare_v2": gguf(version=2),
    "v1": gguf(version=1),
    "big_endian": gguf(version=0x03000000),
    "scalars": gguf([key(b"k%d" % kind, kind, value) for kind, value in SCALARS]),
    "arrays": gguf([key(b"a%d" % kind, 9, array(kind, [value] * 3)) for kind, value in SCALARS]),
    "texts": gguf([key(b"general.architecture", 8, text(b"toy")), key(b"t", 9, array(8, [text(b""), text(b"a"), text("ä".encode())]))]),
    "nested": gguf([key(b"n", 9, array(9, [array(4, [u32(1)])]))]),
    "one": gguf(tensors=one, data=bytes(32)),
    "scalar_tensor": gguf(tensors=[tensor(b"s", [], 0, 0)], data=bytes(4)),
    "align64": gguf([key(b"general.alignment", 4, u32(64))], one + [tensor(b"u", [2, 2], 0, 64)], bytes(80), align=64),
    "align_odd": gguf([key(b"general.alignment", 4, u32(48))], one, bytes(32)),
    "overlap": gguf(tensors=[tensor(b"a", [16], 0, 0), tensor(b"b", [8], 0, 32)], data=bytes(96)),
    "twice": gguf([key(b"k", 0, b"\1")] * 2, one * 2, bytes(64)),
    "cut": gguf(tensors=[tensor(b"t", [800], 0, 0)], data=bytes(32)),
    "absurd": gguf(tensors=[tensor(b"t", [1 << 62, 8, 8], 0, 0)], data=bytes(32)),
    "retired": gguf(tensors=[tensor(b"t", [32], 4, 0)], data=bytes(32)),
    "rows": gguf(tensors=[tensor(b"t", [33], 8, 0)], data=bytes(64)),
    "counts": gguf(counts=(1 << 40, 1 << 50), data=bytes(64)),
    "split": gguf([key(b"split.no", 2, b"\0\0"), key(b"split.count", 2, b"\2\0"), key(b"split.tensors.count", 5, u32(1))], one, bytes(32)),
}
offset, table, data = 0, [], b""
for kind, (elements, size) in TYPES.items():
    table.append(tensor(b"type%d" % kind, [elements, 2], kind, offset))
    block = bytes((kind * 37 + i * 11) % 256 for i in range(2 * size))
    data += block + bytes(-len(block) % 32)
    offset = len(data)
corpus["all_types"] = gguf(tensors=table, data=data)

for name, content in corpus.items():
    (Path(sys.argv[1]) / name).write_bytes(content)
