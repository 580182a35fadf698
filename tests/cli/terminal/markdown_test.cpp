// Markdown on a terminal: the same bytes for every way to cut it, lines that fit, marks that are text when unfinished.
#include "cli/terminal/markdown.h"

#include "base/rng.h"
#include "cli/terminal/width.h"
#include "support/shared_data.h"

namespace hearth::test {
namespace {

using cli::Markdown;

std::string rendered(std::string_view text, int columns = 80) {
    Markdown markdown(columns);
    std::string out = markdown.feed(text);
    return out + markdown.finish();
}
// What remains on a screen without colours.
std::string plain(std::string_view text, int columns = 80) {
    const std::string styled = rendered(text, columns);
    std::string out;
    for (size_t at = 0; at < styled.size(); ++at)
        if (styled[at] == '\x1b')
            at = styled.find('m', at);
        else
            out += styled[at];
    return out;
}

const char* const kEverything = R"(# A heading with *emphasis*

Some **bold**, *italic*, ***both***, `code with *stars*`, ``two ` ticks``, ~~gone~~ and [a link](http://example.org/a_b_c).
2 * 3 * 4, 2**10, snake_case_name, https://example.org/_x_, \*escaped\*, \(a_1\), <https://example.org>, a <b> c.

- one
  - two, long enough to be broken into several lines when the terminal is narrow
    1. three
- [ ] open
- [x] done

1. first
2. second
   > a quote inside
   > of two lines

> quoted **text** that goes on and on until it reaches the end of the line and further
> > deeper

```python
def f(x):  # comment
    """long
    string"""
    return x + 0x1F - 'a\'b'
```

| Name | Value | Note |
|:-----|------:|:----:|
| a    | 1     | x \| y |
| **b** | `2` | 日本語<br>two |

---
東京は日本の首都です。「人口」は約1400万人で、世界最大級の都市圏を形成しています。 Café naïve 👩‍👩‍👧 ❤️ 👍🏽 é
| no table
***
unfinished **bold and `code and [link](http://
)";

TEST(Markdown, EveryCutGivesTheSame) {
    const std::string text = kEverything;
    for (const int columns : {80, 40, 17}) {
        const std::string whole = rendered(text, columns);
        for (size_t cut = 0; cut <= text.size(); ++cut) {
            Markdown markdown(columns);
            std::string out = markdown.feed(text.substr(0, cut));
            out += markdown.feed(text.substr(cut));
            ASSERT_EQ(out + markdown.finish(), whole) << "cut at " << cut << ", " << columns << " columns";
        }
        Markdown bytes(columns);
        std::string out;
        for (const char c : text) out += bytes.feed(std::string(1, c));
        ASSERT_EQ(out + bytes.finish(), whole);
    }
}

// Texts nobody wrote: marks, breaks and broken UTF-8 at random, cut at every byte and byte by byte.
TEST(Markdown, RandomTextsAreTheSameInEveryCut) {
    const std::vector<std::string> parts = {
        "*",        "**",   "_",    "`",       "```", "~~",   "[",  "](",  ")",        "\n",    "\n\n",
        "- ",       "1.",   " ",    "> ",      "#",   "# ",   "|",  "|-|", "a",        "word ", "\\",
        "!",        "<",    "<br>", "http://", ":",   "日本", "。", "é",   "\xE6\x97", "\xFF",  "\xF0\x9F\x91\x8D",
        "\t",       "\r\n", "---",  "\"",      "'",   "//",   "/*", "*/",  "    ",     "9",     "\x1b[2J",
        "\xC2\x9B", "py\n"};
    Rng rng(7);
    for (int round = 0; round < 400; ++round) {
        std::string text;
        const int length = 1 + int(rng.next() % 40);
        for (int i = 0; i < length; ++i) text += parts[rng.next() % parts.size()];
        const std::string whole = rendered(text, 20);
        EXPECT_EQ(whole.find("\x1b[2"), whole.find("\x1b[2m"));
        for (size_t cut = 0; cut <= text.size(); ++cut) {
            Markdown markdown(20);
            std::string out = markdown.feed(text.substr(0, cut));
            out += markdown.feed(text.substr(cut));
            ASSERT_EQ(out + markdown.finish(), whole) << "cut at " << cut << " of " << testing::PrintToString(text);
        }
        Markdown bytes(20);
        std::string out;
        for (const char c : text) out += bytes.feed(std::string(1, c));
        ASSERT_EQ(out + bytes.finish(), whole) << testing::PrintToString(text);
    }
}

TEST(Markdown, NoLineIsLongerThanTheTerminal) {
    for (int columns = 10; columns <= 100; ++columns) {
        std::istringstream lines(plain(kEverything, columns));
        bool is_code = false;
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("```")) is_code = !is_code;
            if (is_code || line.starts_with("```")) continue;  // the terminal breaks code if it must
            EXPECT_LE(cli::text_width(line), columns) << line;
        }
    }
}

TEST(Markdown, MarksBecomeStyles) {
    EXPECT_EQ(plain("a **b** *c* `d` ~~e~~ __f__ ***g***"), "a b c d e f g\n");
    EXPECT_EQ(rendered("**b**"), "\x1b[0;1mb\x1b[0m\n");
    EXPECT_EQ(rendered("*i*"), "\x1b[0;3mi\x1b[0m\n");
    EXPECT_EQ(plain("这是**重点**内容"), "这是重点内容\n");
    EXPECT_EQ(plain("**bold *both* bold**"), "bold both bold\n");
    EXPECT_EQ(plain("`a*b*c`"), "a*b*c\n");
    EXPECT_EQ(plain("[name](http://x.org)"), "name (http://x.org)\n");
    EXPECT_EQ(plain("[http://x.org](http://x.org)"), "http://x.org\n");
    EXPECT_EQ(plain("# Title\n## Sub"), "Title\nSub\n");
    EXPECT_EQ(plain("- a\n  - b\n1. c"), "• a\n  ◦ b\n1. c\n");
    EXPECT_EQ(plain("- [ ] a\n- [x] b"), "☐ a\n☑ b\n");
    EXPECT_EQ(plain("> a\n> > b"), "│ a\n│ │ b\n");
}

TEST(Markdown, WhatIsNoMarkIsText) {
    for (const std::string text : {"2 * 3 * 4",
                                   "2**10 + 3**4",
                                   "snake_case_name",
                                   "a ** b",
                                   "**open",
                                   "`open",
                                   "[a](b",
                                   "[a] (b)",
                                   "5 < 6",
                                   "\\(x_1\\)",
                                   "#hashtag",
                                   "1.5 is a number",
                                   "-5",
                                   "|x|",
                                   "~5~",
                                   "https://example.org/_x_",
                                   "*",
                                   "**",
                                   "***a",
                                   "a*b*c",
                                   "!",
                                   "12."})
        EXPECT_EQ(plain(text), text + "\n");
    EXPECT_EQ(plain("a\\*b\\*"), "a*b*\n");
}

TEST(Markdown, WritesAtOnceWhatCannotChange) {
    Markdown markdown(20);
    EXPECT_EQ(markdown.feed("one "), "one");
    EXPECT_EQ(markdown.feed("two th"), " two");
    EXPECT_EQ(markdown.feed("ree four five "), " three four\nfive");
    EXPECT_EQ(markdown.feed("東京は"), " 東京");
    EXPECT_EQ(markdown.feed(" **wait"), "は");
    EXPECT_EQ(markdown.feed(" now** "), " \x1b[0;1mwait now");
}

TEST(Markdown, LongBoldTextIsNotWaitedFor) {
    Markdown markdown(80);
    const std::string words = "**" + std::string(40, 'a') +
                              std::string(
                                  " word word word word word word word word word word word word word word word "
                                  "word word word word word word word word word");
    EXPECT_NE(markdown.feed(words).find("\x1b[0;1maaa"), std::string::npos);
}

TEST(Markdown, BreaksByCells) {
    EXPECT_EQ(plain("東京は日本の首都です", 10), "東京は日本\nの首都です\n");
    EXPECT_EQ(plain("今日は晴れ。明日", 10), "今日は晴\nれ。明日\n");  // no line begins with a full stop
    EXPECT_EQ(plain("e\u0301e\u0301e\u0301 e\u0301", 8), "e\u0301e\u0301e\u0301 e\u0301\n");
    EXPECT_EQ(plain("👍👍👍👍👍", 8), "👍👍👍👍\n👍\n");
    EXPECT_EQ(plain("aaaaaaaaaaaaaaaaaaaaaaaaa b", 10), "aaaaaaaaaa\naaaaaaaaaa\naaaaa b\n");
    EXPECT_EQ(plain("- word word word", 10), "• word\n  word\n  word\n");
    EXPECT_EQ(plain("> word word", 8), "│ word\n│ word\n");
}

TEST(Markdown, TablesAreAligned) {
    EXPECT_EQ(plain("| a | bb |\n|---|---:|\n| 日本 | 1 |\n| x | 22 |\n\nend"),
              "a    │ bb\n─────┼───\n日本 │  1\nx    │ 22\n\nend\n");
    EXPECT_EQ(plain("| a | b |\n|---|---|\n| one two three | x |", 14),
              "a          │ b\n───────────┼──\none two    │ x\nthree      │ \n");
    // Too narrow for columns: a list.
    EXPECT_EQ(plain("| a | b | c |\n|---|---|---|\n| 1 | long text here | another text |", 12),
              "a: 1\nb: long text\n  here\nc: another\n  text\n");
    EXPECT_EQ(plain("| a |\nno table"), "| a |\nno table\n");
}

TEST(Markdown, CodeIsColouredAndKept) {
    EXPECT_EQ(plain("```py\nif x:  # no\n\treturn \"a\"\n```\nafter"),
              "```py\nif x:  # no\n    return \"a\"\n```\nafter\n");
    const std::string code = rendered("```py\nif x: # no\n  y = \"a\" + 12\n```");
    for (const char* part : {"\x1b[0;35mif\x1b[0m", "\x1b[0;2m# no", "\x1b[0;32m\"a\"", "\x1b[0;33m12"})
        EXPECT_NE(code.find(part), std::string::npos) << part << " in " << code;
    EXPECT_EQ(plain("```\n**no marks**\n"), "```\n**no marks**\n");
    EXPECT_EQ(plain("- a\n  ```c\n  int x;\n  ```\n- b"), "• a\n  ```c\n  int x;\n  ```\n• b\n");
}

TEST(Markdown, NobodyElseSteersTheTerminal) {
    EXPECT_EQ(rendered("a\x1b[31mb \xC2\x9B c\x07"), "a [31mb   c\n");
    EXPECT_EQ(rendered("\xFF\xE6\x97"), "\uFFFD\uFFFD\n");
    EXPECT_EQ(rendered("[a](http://x\x1b[2J)").find("\x1b[2J"), std::string::npos);
}

// Hostile texts are read in a time that grows with their length.
TEST(Markdown, TimeIsBounded) {
    for (const std::string part : {"[", "*a ", "`", "*`a", "| ", "> ", "- ", "**", "<http:", "![", "\u0301", "#"}) {
        Markdown markdown(80);
        size_t bytes = 0;
        for (int i = 0; i < 4000; ++i) bytes += markdown.feed(part).size();
        bytes += markdown.finish().size();
        EXPECT_GT(bytes, 0u) << part;
    }
}

}  // namespace
}  // namespace hearth::test
