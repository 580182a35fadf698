#!/usr/bin/env python3
"""Writes tests/data/pretokenizer/published.jsonl: splits by the published expressions of those pre-tokenizers whose
recordings (../shared/reference/tokenizers/pretok) only have the approximation. Oracle: the Python module `regex`.

Texts with characters that Unicode 15.1 does not assign are left out: the module knows a newer version.
Usage: tests/text/published_splits.py SHARED > tests/data/pretokenizer/published.jsonl   (regex 2026.5.9)
"""
import json
import sys

import regex

UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
WHITE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTION = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?"
LEAD, OTHER = r"[^\r\n\p{L}\p{N}]?", r" ?[^\s\p{L}\p{N}]+"


def words(upper, lower, digits, tail):
    return (f"{LEAD}{upper}*{lower}+{CONTRACTION}|{LEAD}{upper}+{lower}*{CONTRACTION}|{digits}|{OTHER}{tail}|{WHITE}")


HAN_LESS_U = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
HAN_LESS_L = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
O200K = words(UPPER, LOWER, r"\p{N}{1,3}", r"[\r\n/]*")
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
            r" ?[\p{P}\p{S}]+[\r\n]*|" + WHITE)
RULES = {
    "granite-embed-multi-97m": [O200K],
    "kimi-k2": [r"[\p{Han}]+|" + words(HAN_LESS_U, HAN_LESS_L, r"\p{N}{1,3}", r"[\r\n]*")],
    "tiny_aya": [r"\d{1,3}(?=(?:\d{3})*\b)", O200K],
    "youtu": [r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
              words(UPPER, LOWER, r"\p{N}", r"[\r\n/]*")],
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))",
              "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f"
              "\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+",
              DEEPSEEK],
}


def assigned():
    known, first = set(), None
    for line in open("/usr/share/unicode/UnicodeData.txt"):
        field = line.split(";")
        code = int(field[0], 16)
        if field[1].endswith(", First>"):
            first = code
            continue
        known.update(range(first if first is not None else code, code + 1))
        first = None
    return known | set(range(0x2EBF0, 0x2EE5E)) | set(range(0x2FFC, 0x3000)) | {0x31EF}


def split(pieces, expression):
    for piece in pieces:
        done = 0
        for match in expression.finditer(piece):
            if match.start() > done:
                yield piece[done:match.start()]
            if match.group():
                yield match.group()
            done = match.end()
        if done < len(piece):
            yield piece[done:]


known = assigned()
for name, expressions in RULES.items():
    compiled = [regex.compile(e, regex.V1) for e in expressions]
    for line in open(f"{sys.argv[1]}/reference/tokenizers/pretok/{name}.jsonl"):
        case = json.loads(line)
        text = case["text"]
        if any(ord(c) not in known and not 0xD800 <= ord(c) < 0xE000 and regex.match(r"[\p{L}\p{M}\p{N}\p{P}\p{S}]", c)
               for c in text):
            continue
        pieces = [text]
        for expression in compiled:
            pieces = list(split(pieces, expression))
        print(json.dumps({"pre": name, "name": case["name"], "lens": [len(p.encode("utf-8", "surrogatepass")) for p in pieces]},
                         separators=(",", ":")))
