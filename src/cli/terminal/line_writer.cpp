#include "cli/terminal/line_writer.h"

#include <algorithm>

#include "cli/terminal/width.h"
#include "text/unicode.h"

namespace hearth::cli {

std::string control_sequence(Style style) {
    std::string codes = "\x1b[0";
    const auto add = [&](Style bit, const char* code) {
        if (style & bit) codes += code;
    };
    add(styles::kBold | styles::kHeading, ";1");
    add(styles::kDim | styles::kComment, ";2");
    add(styles::kItalic, ";3");
    add(styles::kUnderline, ";4");
    add(styles::kStrike, ";9");
    add(styles::kString, ";32");
    add(styles::kNumber, ";33");
    add(styles::kKeyword, ";35");
    add(styles::kCode | styles::kHeading, ";36");
    return codes + "m";
}

namespace {
constexpr uint32_t kJoiner = 0x200D, kZeroSpace = 0x200B;

bool is_one_of(uint32_t code, std::u32string_view set) {
    return set.find(char32_t(code)) != std::u32string_view::npos;
}
// What no line begins with, and what none ends with.
bool is_closing(uint32_t code) {
    return is_one_of(code,
                     U",.!?:;)]}\"'%\u3001\u3002\uFF0C\uFF0E\uFF01\uFF1F\uFF1A\uFF1B\uFF09\u300D\u300F\u3011\u300B"
                     U"\u3009\u3015\u201D\u2019\u2026\u30FC\u3005\u30FB\u3041\u3043\u3045\u3047\u3049\u3063\u3083"
                     U"\u3085\u3087\u30A1\u30A3\u30A5\u30A7\u30A9\u30C3\u30E3\u30E5\u30E7");
}
bool is_opening(uint32_t code) {
    return is_one_of(code, U"([{\u300C\u300E\u3010\u300A\u3008\u3014\uFF08\u201C\u2018");
}
bool is_skin_tone(uint32_t code) {
    return code >= 0x1F3FB && code <= 0x1F3FF;
}
}  // namespace

void LineWriter::begin(Prefix first, Prefix next) {
    first_ = std::move(first);
    next_ = std::move(next);
    is_begun_ = false;
    column_ = indent_ = 0;
    for (const Piece& piece : next_) indent_ += text_width(piece.text);
}

void LineWriter::set_style(Style style) {
    if (style == style_) return;
    out_ += style == styles::kPlain ? "\x1b[0m" : control_sequence(style);
    style_ = style;
}

void LineWriter::write_prefix(const Prefix& prefix) {
    is_begun_ = true;
    for (const Piece& piece : prefix) {
        set_style(piece.style);
        out_ += piece.text;
        column_ += text_width(piece.text);
    }
}

void LineWriter::write(Glyph glyph) {
    if (!is_begun_) write_prefix(first_);
    set_style(glyph.style);
    unicode::append(out_, glyph.code);
    column_ += glyph.width;
}

void LineWriter::next_line() {
    set_style(styles::kPlain);
    out_ += '\n';
    column_ = 0;
    spaces_.clear();
    write_prefix(next_);
}

void LineWriter::flush_word() {
    if (word_.empty()) return;
    if (!is_begun_) write_prefix(first_);
    const bool is_first = column_ <= indent_;
    if (column_ + int(spaces_.size()) + word_width_ > columns_ && !is_first && !is_broken_) next_line();
    for (const Glyph& space : spaces_) write(space);
    spaces_.clear();
    for (const Glyph& glyph : word_) {
        if (column_ + glyph.width > columns_ && column_ > indent_) next_line();
        write(glyph);
    }
    word_.clear();
    word_width_ = 0;
}

void LineWriter::put(Glyph glyph) {
    const uint32_t code = glyph.code;
    if (code == ' ' || code == kZeroSpace) {
        flush_word();
        is_broken_ = false;
        before_ = 0;
        if (code == ' ' && int(spaces_.size()) < columns_) spaces_.push_back({code, glyph.style, 1});
        return;
    }
    const int width = glyph.width = char_width_after(before_, code);
    before_ = code;
    if (char_width(code) > 0 && !word_.empty()) {
        const uint32_t before = word_.back().code;
        const bool is_joined = before == kJoiner || is_skin_tone(code);
        // Between characters of two cells, and beside one, lines break without a space. Marks follow their character,
        // so the last one of the word with a width decides.
        auto last = std::find_if(word_.rbegin(), word_.rend(), [](const Glyph& g) { return char_width(g.code) > 0; });
        const uint32_t base = last == word_.rend() ? 0 : last->code;
        const bool may_break =
            (width == 2 || (base && char_width(base) == 2)) && !is_closing(code) && !is_opening(base);
        if (may_break && !is_joined) {
            flush_word();
            is_broken_ = false;
        }
    }
    word_.push_back(glyph);
    word_width_ += width;
    // A word that fills a line on its own is broken anyway. Marks without a width have a limit too.
    if (is_broken_ || word_width_ > room() || word_.size() > size_t(columns_) * 8) {
        flush_word();
        is_broken_ = true;
    }
}

void LineWriter::text(std::string_view text, Style style) {
    for (size_t at = 0; at < text.size();) {
        const unicode::Char read = unicode::decode(reinterpret_cast<const uint8_t*>(text.data()) + at);
        put({read.code, style, 0});
        at += read.length;
    }
}

void LineWriter::verbatim(std::string_view text, Style style) {
    if (text.empty()) return;
    if (!is_begun_) write_prefix(first_);
    set_style(style);
    out_ += text;
}

void LineWriter::flush() {
    flush_word();
    is_broken_ = false;
    before_ = 0;
    spaces_.clear();
    set_style(styles::kPlain);
}

void LineWriter::end() {
    flush();
    if (!is_begun_) write_prefix(first_);
    set_style(styles::kPlain);
    out_ += '\n';
    is_begun_ = false;
    column_ = 0;
}

}  // namespace hearth::cli
