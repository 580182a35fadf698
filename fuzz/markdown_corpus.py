#!/usr/bin/env python3
"""Writes the Markdown fuzzer's first texts: the page of the terminal's tests, part by part, and what is easily cut wrongly.

    python3 fuzz/markdown_corpus.py tests/data/terminal/page.md fuzz/corpus/markdown
"""
import sys
from pathlib import Path

TEXTS = {
    "emphasis": "**bold** *it* ***both*** ~~gone~~ `c*o*de` ``a ` b`` \\*no\\* 2 * 3 _x_ a_b_c __d__",
    "unfinished": "**bold *it `code [link](http:// ~~",
    "links": "[a](http://e.org/a_b) <https://e.org> https://e.org/_x_. ![i](p.png) [b] (c)",
    "nested_lists": "- a\n  - b\n    1. c\n       > q\n2) d\n- [ ] e\n- [x] f\n",
    "quotes": "> a\n> > b\n> - c\n>\n> # d\n",
    "table": "| a | b |\n|:-:|--:|\n| 1 | `2` |\n| 日本 | x \\| y<br>z |\n",
    "no_table": "| a\n|-\nb | c\n| d |\n",
    "fence": "```py\ndef f(x): return 'a\\'b'  # c\n```\n~~~\n```\n~~~\n",
    "open_fence": "   ````c\nint x = 0x1F; /* a\n",
    "rules": "---\n***\n___\n- - -\n",
    "headings": "# a\n###### *b*\n####### c\n#d\n",
    "wide": "東京は日本の首都です。「人口」は 👩‍👩‍👧 ❤️ 👍🏽 é\n",
    "controls": "a\x1b[2Jb\x07c\td\r\ne\x00f\u009bg\x7f",
    "narrow": "a_long_word_that_fits_nowhere_at_all and > 1. - * more",
}


def main():
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part for part in page.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    texts = dict(TEXTS, broken=None, page=page.read_text(encoding="utf-8"), **{f"page_{i}": part for i, part in enumerate(parts)})
    for i, (name, text) in enumerate(texts.items()):
        data = b"\xe6\x97 \xff\xc3\xa9\xf0\x9f\x91" if text is None else text.encode()
        (folder / name).write_bytes(bytes([(79, 39, 16, 4, 119)[i % 5]]) + data)


main()
