#include "cli/terminal/inline_marks.h"

namespace hearth::cli {

namespace {
// How far away a partner may be, in bytes.
constexpr size_t kFar = 400, kBoldFar = 160, kAddressFar = 2400;

bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t';
}
bool is_plain_letter(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_word(char c) {
    return is_plain_letter(c) || uint8_t(c) >= 0x80 || c == '_';
}
bool is_mark(char c) {
    return std::string_view("\\`*_~[!<:").find(c) != std::string_view::npos;
}

// Where the code that begins at `at` ends: behind its last backtick, 0: nowhere.
size_t end_of_code(Lookahead& line, size_t at) {
    const size_t ticks = line.run(at);
    for (size_t i = at + ticks; line[i] != '\n';) {
        const size_t run = line.run(i);
        if (line[i] == '`' && run == ticks) return i + run;
        i += run;
    }
    return 0;
}

bool has_closer(Lookahead& line, char mark, size_t length) {
    unsigned missing = 0;  // lengths of runs of backticks that have no partner: they are not looked for again
    for (size_t i = length; line[i] != '\n';) {
        const char c = line[i];
        if (c == '\\') {
            i += line[i + 1] == '\n' ? 1 : 2;
            continue;
        }
        if (c == '`') {
            const size_t ticks = line.run(i);
            const unsigned bit = 1u << std::min<size_t>(ticks, 31);
            Lookahead code = line;
            const size_t end = missing & bit ? 0 : end_of_code(code, i);
            if (code.is_early()) {
                line = code;
                return false;
            }
            if (end == 0) missing |= bit;
            i = end > 0 ? end : i + ticks;
            continue;
        }
        if (c != mark) {
            ++i;
            continue;
        }
        const size_t run = line.run(i);
        const bool fits = length == 1 ? run == 1 || run == 3 : run >= length;
        if (fits && i > length && !is_blank(line[i - 1]) && (mark != '_' || !is_word(line[i + run]))) return true;
        i += run;
    }
    return false;
}

Style emphasis(char mark, size_t length) {
    if (mark == '~') return styles::kStrike;
    return (length & 1 ? styles::kItalic : 0) | (length & 2 ? styles::kBold : 0);
}
}  // namespace

void InlineMarks::show(std::string_view text, Style style, StyledSink& out) {
    out.text(text, style);
    before_ += text.substr(text.size() - std::min<size_t>(text.size(), 8));
    before_.erase(0, before_.size() - std::min<size_t>(before_.size(), 8));
}

size_t InlineMarks::take_code(Lookahead line, StyledSink& out) {
    const size_t ticks = line.run(0), end = end_of_code(line, 0);
    if (line.is_early()) return 0;
    if (end == 0) {
        show(line.text(0, ticks), style(), out);
        return ticks;
    }
    std::string_view code = line.text(ticks, end - ticks);
    const bool is_padded = code.size() > 2 && code.front() == ' ' && code.back() == ' ' &&
                           code.find_first_not_of(' ') != std::string_view::npos;
    if (is_padded) code = code.substr(1, code.size() - 2);
    show(code, style() | styles::kCode, out);
    return end;
}

size_t InlineMarks::take_emphasis(std::string_view text, bool is_whole, StyledSink& out) {
    const char mark = text[0], before = before_.empty() ? ' ' : before_.back();
    Lookahead line(text, is_whole, kFar);
    const size_t run = line.run(0);
    const char after = line[run];
    if (line.is_early()) return 0;
    if (!open_.empty() && open_.back().mark == mark && run >= open_.back().length && !is_blank(before) &&
        (mark != '_' || !is_word(after))) {
        const size_t length = open_.back().length;
        open_.pop_back();
        return length;
    }
    bool opens = run <= 3 && !is_blank(after) && !(is_plain_letter(before) && is_plain_letter(after)) &&
                 !(mark == '_' && is_word(before)) && !(mark == '~' && run != 2) && open_.size() < 16;
    if (opens) {
        Lookahead ahead(text, is_whole, mark == '*' && run >= 2 ? kBoldFar : kFar);
        opens = has_closer(ahead, mark, run);
        if (ahead.is_early()) return 0;
        // Long bold text is nothing to wait for.
        if (!opens && mark == '*' && run == 2) opens = ahead.is_past_window();
    }
    if (!opens) {
        show(line.text(0, run), style(), out);
        return run;
    }
    open_.push_back({mark, run, Style(style() | emphasis(mark, run))});
    return run;
}

size_t InlineMarks::take_link(Lookahead line, StyledSink& out) {
    const size_t begin = line[0] == '!' ? 2 : 1;
    size_t close = begin;
    for (int depth = 1; line[close] != '\n' && close < kFar; ++close) {
        if (line[close] == '\\') {
            if (line[++close] == '\n') break;
            continue;
        }
        if (line[close] == '[') ++depth;
        if (line[close] == ']' && --depth == 0) break;
    }
    const auto give_up = [&] {
        if (line.is_early()) return size_t{0};
        show(line.text(0, begin), style(), out);
        return begin;
    };
    if (line[close] != ']' || line[close + 1] != '(') return give_up();
    size_t end = close + 2;
    for (int depth = 1; line[end] != '\n'; ++end) {
        if (line[end] == '(') ++depth;
        if (line[end] == ')' && --depth == 0) break;
    }
    if (line[end] != ')' || line.is_early()) return give_up();
    const std::string_view name = line.text(begin, close);
    std::string_view address = line.text(close + 2, end);
    if (const size_t title = address.find(' '); title != std::string_view::npos) address = address.substr(0, title);
    InlineMarks inside(style() | styles::kUnderline);
    inside.take(name, true, out);
    if (!address.empty() && address != name)
        show((name.empty() ? "(" : " (") + std::string(address) + ")", style() | styles::kDim, out);
    return end + 1;
}

size_t InlineMarks::take_address(Lookahead line, StyledSink& out) {
    if (line.has(1, "http://") || line.has(1, "https://") || line.has(1, "mailto:")) {
        size_t end = 1;
        while (!is_blank(line[end]) && line[end] != '>') ++end;
        if (line.is_early()) return 0;
        if (line[end] == '>') {
            show(line.text(1, end), style() | styles::kUnderline, out);
            return end + 1;
        }
    }
    if (line.is_early()) return 0;
    show("<", style(), out);
    return 1;
}

size_t InlineMarks::take_one(std::string_view text, bool is_whole, StyledSink& out) {
    const char c = text[0];
    const auto literal = [&](size_t length) {
        show(text.substr(0, length), style(), out);
        return length;
    };
    switch (c) {
        case '\\': {
            Lookahead line(text, is_whole, 8);
            const char next = line[1];
            if (line.is_early()) return 0;
            // The others are left alone: \( and \[ begin formulas.
            if (std::string_view("*_`#|~<>$.-+").find(next) == std::string_view::npos) return literal(1);
            show(text.substr(1, 1), style(), out);
            return 2;
        }
        case '`':
            return take_code(Lookahead(text, is_whole, kFar), out);
        case '*':
        case '_':
        case '~':
            if (is_address_ && c != '*') return literal(1);
            return take_emphasis(text, is_whole, out);
        case '!': {
            Lookahead line(text, is_whole, 8);
            const char next = line[1];
            if (line.is_early()) return 0;
            if (next != '[') return literal(1);
            return take_link(Lookahead(text, is_whole, kAddressFar), out);
        }
        case '[':
            return take_link(Lookahead(text, is_whole, kAddressFar), out);
        case '<':
            return take_address(Lookahead(text, is_whole, kAddressFar), out);
        case ':': {
            Lookahead line(text, is_whole, 8);
            const bool is_address = (before_.ends_with("http") || before_.ends_with("https")) && line.has(1, "//");
            if (line.is_early()) return 0;
            is_address_ = is_address_ || is_address;
            return literal(1);
        }
        default: {
            size_t end = 1;
            while (end < text.size() && !is_mark(text[end]) && !is_blank(text[end])) ++end;
            if (is_blank(c)) is_address_ = false;
            return literal(end);
        }
    }
}

size_t InlineMarks::take(std::string_view text, bool is_whole, StyledSink& out) {
    size_t at = 0;
    while (at < text.size()) {
        const size_t taken = take_one(text.substr(at), is_whole, out);
        if (taken == 0) break;
        at += taken;
    }
    return at;
}

}  // namespace hearth::cli
