#include "markdown_check.h"

#include <string>

#include "base/rng.h"
#include "cli/terminal/markdown.h"
#include "promise.h"
#include "text/unicode.h"

namespace hearth {

namespace {

std::string in_pieces(std::string_view text, int columns, size_t piece) {
    cli::Markdown markdown(columns);
    std::string out;
    for (size_t at = 0; at < text.size(); at += piece) out += markdown.feed(text.substr(at, piece));
    return out + markdown.finish();
}

std::string cut_at_random(std::string_view text, int columns, Rng& random) {
    cli::Markdown markdown(columns);
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const size_t piece = random.below(24);  // nothing at all, too
        out += markdown.feed(text.substr(at, piece));
        at += piece;
    }
    return out + markdown.finish();
}

// Of all control codes only line breaks and colours: ESC [ digits and semicolons m.
void check_controls(std::string_view out) {
    promise(unicode::is_sanitized(out), "what is written is UTF-8");
    for (size_t at = 0; at < out.size(); ++at) {
        const uint8_t byte = uint8_t(out[at]);
        promise(!(byte == 0xC2 && at + 1 < out.size() && uint8_t(out[at + 1]) < 0xA0), "no control characters");
        if (byte >= 0x20 && byte != 0x7F) continue;
        if (byte == '\n') continue;
        promise(byte == 0x1B && at + 1 < out.size() && out[at + 1] == '[', "no control characters");
        size_t end = at + 2;
        while (end < out.size() && ((out[end] >= '0' && out[end] <= '9') || out[end] == ';')) ++end;
        promise(end < out.size() && out[end] == 'm', "of commands to the terminal only colours");
        at = end;
    }
}

}  // namespace

void check_markdown(std::string_view input) {
    if (input.empty()) return;
    const int columns = 1 + uint8_t(input[0]) % 200;
    const std::string_view text = input.substr(1);
    const std::string whole = in_pieces(text, columns, text.size() + 1);
    uint64_t seed = text.size();
    for (const char c : text) seed = seed * 31 + uint8_t(c);
    Rng random(seed);
    for (const size_t piece : {1, 2, 3, 7}) promise(in_pieces(text, columns, piece) == whole, "the cuts do not matter");
    for (int round = 0; round < 3; ++round)
        promise(cut_at_random(text, columns, random) == whole, "the cuts do not matter");
    check_controls(whole);
    // A byte of text may begin a line, whose prefixes take half of it, or a cell of a table as wide as the terminal.
    promise(whole.size() <= (text.size() + 1) * (size_t(columns) * 16 + 256), "output grows with the text alone");
}

}  // namespace hearth
