#!/usr/bin/env python3
"""Writes the seed corpora of the grammar fuzzers.

usage: grammar_corpus.py DIRECTORY     (fuzz/corpus)
"""
import sys
from pathlib import Path

GBNF = {
    "json": 'root ::= v\nv ::= "{" (s ":" v ("," s ":" v)*)? "}" | "[" (v ("," v)*)? "]" | s | n\ns ::= "\\"" [^"\\\\]* "\\""\nn ::= [0-9]+ ("." [0-9]+)?\n',
    "nested": 'root ::= ("a" ("b" ("c")?)?)? root2\nroot2 ::= "(" root2 ")" root2 | ""\n',
    "counts": 'root ::= "x"{2,40} [a-f]{3} .{0,100} "z"{5,}\n',
    "escapes": 'root ::= "\\t\\x41\\u00e9\\U0001F600" [\\]^-] [^\\n]\n',
    "tokens": 'root ::= <turn> !<turn>* <[256]>\n',
    "comments": "# c\nroot ::= # d\n  a |\n  b\na ::= \"x\"\nb ::= \"y\"\n",
    "left": 'root ::= root "a" | "b"\n',
    "endless": 'root ::= "a" root\n',
    "ambiguous": 'root ::= s\ns ::= "a" s "b" | "a" s "c" | s2\ns2 ::= "a"*\n',
    "empty_loops": 'root ::= (("a"?)*){3,70} "b"\n',
    "too_ambiguous": 'root ::= ("x"{2,40}){2100} "z"{5,}\n',
    "nul": 'root ::= "\\x00" [\\x00-\\x01]\n',
    "open": 'root ::= ("a"',
}
REGEX = {
    "plain": "a|bc*", "counts": "(ab?){3,70}x{2,}", "classes": "[^a-c\\d]+[\\w.-]*", "anchors": "^(a|b$)|^$", "inner": "(^a|b)+$",
    "date": "\\d{4}-(0[1-9]|1[0-2])", "unicode": "\\u{1F600}|é[à-ü]", "hard": "(a|b)*a(a|b){12}", "empty": "(a*)*|()", "look": "(?=a)b", "bad": "a{3",
    "back": "(a)\\1", "deep": "((((((((((a))))))))))",
}
SCHEMA = {
    "person": '{"type":"object","properties":{"name":{"type":"string","maxLength":9},"age":{"type":"integer","minimum":0}},"required":["name"]}',
    "tree": '{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"c":{"type":"array","items":{"$ref":"#/$defs/n"}}},"additionalProperties":false}}}',
    "one": '{"oneOf":[{"type":"integer","multipleOf":3},{"type":"number","exclusiveMaximum":-1.5},{"const":"x"}]}',
    "not": '{"not":{"enum":["a",1,null]},"type":["string","integer","null"]}',
    "pattern": '{"type":"string","pattern":"^[a-c]+(x|y)$","minLength":3,"maxLength":8}',
    "keys": '{"patternProperties":{"^x":{"type":"null"},"a$":true},"additionalProperties":{"enum":[1,2.50]},"propertyNames":{"maxLength":4}}',
    "counts": '{"type":"object","minProperties":1,"maxProperties":2,"properties":{"a":true,"b":{},"c":false}}',
    "list": '{"prefixItems":[{"type":"boolean"},{"const":[1,{"k":"v"}]}],"items":{"format":"date"},"minItems":1,"maxItems":30}',
    "if": '{"type":"object","properties":{"k":{"enum":["a","b"]}},"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["x"]},"else":{"required":["k"]}}',
    "all": '{"allOf":[{"properties":{"a":{"type":"number"}}},{"properties":{"a":{"maximum":1e2}},"required":["a"]}],"dependentRequired":{"a":["b"]}}',
    "formats": '{"anyOf":[{"format":"ipv6","type":"string"},{"format":"uri","type":"string"},{"format":"duration","type":"string"}]}',
    "loop": '{"anyOf":[{"$ref":"#"},{"type":"null"}]}',
    "unsatisfiable": '{"type":"string","enum":[1]}',
    "unique": '{"type":"array","uniqueItems":true}',
    "ids": '{"$id":"http://x/a","$defs":{"b":{"$id":"b","$anchor":"c","type":"null"}},"$ref":"b#c"}',
    "any": "true",
}


def main():
    root = Path(sys.argv[1])
    for kind, cases in (("grammar_gbnf", GBNF), ("grammar_regex", REGEX), ("grammar_json_schema", SCHEMA)):
        folder = root / kind
        folder.mkdir(parents=True, exist_ok=True)
        for i, (name, text) in enumerate(cases.items()):
            prefix = bytes([i % 16]) if kind == "grammar_json_schema" else b""
            (folder / name).write_bytes(prefix + text.encode())


main()
