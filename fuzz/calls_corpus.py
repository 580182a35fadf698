#!/usr/bin/env python3
"""Writes the first tools of the calls' fuzzer: for each family one list, and parameters that notations find hard.

    python3 fuzz/calls_corpus.py src/chat/family.cpp fuzz/corpus/calls
"""
import json
import re
import sys
from pathlib import Path

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "unit": {"enum": ["C", "F", "by feel"]}, "days": {"type": "integer", "minimum": 0, "maximum": 14},
        "opts": {"type": "object", "properties": {"lang": {"type": "string", "maxLength": 3}, "n": {"type": "number"}}, "required": ["lang"]},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 4}, "maxItems": 3},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "code": {"type": "string", "pattern": "^[a-c]{2,4}$", "maxLength": 3}},
        "required": ["city", "unit"]}}},
    {"name": "now"},
]
PARAMETERS = {
    "any": {"properties": {"x": {}}},
    "texts": {"properties": {"a": {"type": "string", "minLength": 2, "maxLength": 5}, "b": {"type": ["string", "null"]}}, "required": ["a", "b"]},
    "listed": {"properties": {"a": {"enum": ["a\"b", "</parameter>", "x\n", "null", "1", "<|\"|>", ""]}, "b": {"enum": [1, None, "c"]}}, "required": ["a"]},
    "words": {"properties": {"a": {"type": "boolean"}, "b": {"const": None}, "c": {"enum": [True, False]}}, "required": ["a", "b", "c"]},
    "references": {"$defs": {"p": {"type": "object", "properties": {"q": {"$ref": "#/$defs/p"}}}}, "properties": {"p": {"$ref": "#/$defs/p"}}},
    "names": {"properties": {"a b": {"type": "string"}, "é": {"type": "integer"}, "": {"type": "null"}, "<": {}}},
    "numbers": {"properties": {"n": {"type": "number", "minimum": -1.5, "exclusiveMaximum": 2}, "m": {"type": "integer", "multipleOf": 3}}, "required": ["n", "m"]},
    "counted": {"properties": {"a": {"type": "string"}}, "minProperties": 1, "patternProperties": {"^x": True}},
    "formats": {"properties": {"d": {"type": "string", "format": "date"}, "e": {"type": "string", "format": "email", "maxLength": 20}}, "required": ["d"]},
    "either": {"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "b": {"allOf": [{"type": "string"}, {"maxLength": 3}]}}},
    "nothing": {"properties": {"a": False}, "required": ["a"]},
    "none": None,
}


def main():
    source, folder = sys.argv[1:]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = re.findall(r"&k(\w+)", open(source).read())
    for i, name in enumerate(names):
        (folder / f"tools_{name}").write_bytes(bytes([i, i % 8]) + json.dumps(TOOLS).encode())
        key = list(PARAMETERS)[i % len(PARAMETERS)]
        (folder / f"{key}_{name}").write_bytes(bytes([i, (i + 3) % 8]) + json.dumps(PARAMETERS[key], ensure_ascii=False).encode())


main()
