#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "text/unicode.h"

namespace hearth::jinja {

namespace {

constexpr std::string_view kBlanks = " \t\n\r\f\v";
// Two signs before one of them.
constexpr std::array<std::string_view, 27> kSigns = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                                     "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                                     "]",  "{",  "}",  ",",  ":",  ".",  "|", ";", "!"};

bool is_name_start(char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || uint8_t(c) >= 0x80;
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::unexpected<Failure> wrong(size_t place, std::string what) {
    return std::unexpected(Failure{Failure::Kind::syntax, std::move(what), place});
}

class Lexer {
public:
    explicit Lexer(std::string_view source) : source_(source) {}

    Outcome<std::vector<Token>> run() {
        bool line_starts = true;  // what stands before this place is the end of a line, or nothing
        while (at_ < source_.size()) {
            const size_t tag = next_tag(at_);
            std::string_view text = source_.substr(at_, tag - at_);
            if (tag == source_.size()) {
                add_text(text);
                break;
            }
            const char kind = source_[tag + 1], mark = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
            if (mark == '-')
                text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
            else if (kind != '{' && mark != '+')
                text = without_indent(text, line_starts);
            add_text(text);
            at_ = tag + 2 + (mark == '-' || (mark == '+' && kind != '#'));
            if (kind == '#')
                TRY(comment(tag));
            else if (kind == '%' && word_after(at_) == "raw")
                TRY(raw(tag));
            else
                TRY(expression(tag, kind == '{'));
            line_starts = at_ > 0 && source_[at_ - 1] == '\n';
        }
        tokens_.push_back({.place = source_.size()});
        return std::move(tokens_);
    }

private:
    size_t next_tag(size_t from) const {
        for (size_t at = from; (at = source_.find('{', at)) != std::string_view::npos; ++at)
            if (at + 1 < source_.size() && (source_[at + 1] == '{' || source_[at + 1] == '%' || source_[at + 1] == '#'))
                return at;
        return source_.size();
    }
    static std::string_view without_indent(std::string_view text, bool line_starts) {
        const size_t line = text.rfind('\n') + 1;
        if (line == 0 && !line_starts) return text;
        return text.find_first_not_of(" \t\f\v\r", line) == std::string_view::npos ? text.substr(0, line) : text;
    }
    void add_text(std::string_view text) {
        if (!text.empty()) tokens_.push_back({Token::Kind::text, std::string(text), at_});
    }
    std::string_view word_after(size_t at) const {
        const size_t begin = std::min(source_.find_first_not_of(kBlanks, at), source_.size());
        size_t end = begin;
        while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
        return source_.substr(begin, end - begin);
    }
    // Behind a closing mark: `-` takes all blanks, a statement's or a comment's newline goes unless there was a `+`.
    void skip_behind(char mark, bool takes_newline) {
        if (mark == '-')
            at_ = std::min(source_.find_first_not_of(kBlanks, at_), source_.size());
        else if (takes_newline && mark != '+' && at_ < source_.size() && source_[at_] == '\n')
            ++at_;
    }
    Outcome<> comment(size_t tag) {
        const size_t end = source_.find("#}", at_);
        if (end == std::string_view::npos) return wrong(tag, "this comment never ends");
        at_ = end + 2;
        skip_behind(end > tag + 2 ? source_[end - 1] : ' ', true);
        return {};
    }
    // {% raw %}: everything up to {% endraw %} is text.
    Outcome<> raw(size_t tag) {
        size_t end = source_.find("%}", at_);
        if (end == std::string_view::npos) return wrong(tag, "this tag never ends");
        const char mark = source_[end - 1];
        at_ = end + 2;
        skip_behind(mark, false);
        for (size_t close = at_; (close = source_.find("{%", close)) != std::string_view::npos; ++close) {
            const char opening = close + 2 < source_.size() ? source_[close + 2] : ' ';
            const size_t inside = close + 2 + (opening == '-' || opening == '+');
            if (word_after(inside) != "endraw") continue;
            end = source_.find("%}", inside);
            if (end == std::string_view::npos) return wrong(close, "this tag never ends");
            std::string_view text = source_.substr(at_, close - at_);
            if (opening == '-')
                text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
            else if (opening != '+')
                text = without_indent(text, false);
            add_text(text);
            at_ = end + 2;
            skip_behind(source_[end - 1], true);
            return {};
        }
        return wrong(tag, "raw has no endraw");
    }
    Outcome<> expression(size_t tag, bool is_output) {
        const std::string_view close = is_output ? "}}" : "%}";
        tokens_.push_back({is_output ? Token::Kind::begin_output : Token::Kind::begin_statement, "", tag});
        std::vector<char> open;
        while (true) {
            at_ = std::min(source_.find_first_not_of(kBlanks, at_), source_.size());
            if (at_ == source_.size()) return wrong(tag, "this tag never ends");
            if (open.empty()) {
                const bool is_marked = source_[at_] == '-' || (source_[at_] == '+' && !is_output);
                if (source_.substr(at_ + is_marked, 2) == close) {
                    const char mark = source_[at_];
                    tokens_.push_back({is_output ? Token::Kind::end_output : Token::Kind::end_statement, "", at_});
                    at_ += 2 + is_marked;
                    skip_behind(mark, !is_output);
                    return {};
                }
            }
            TRY(word(open));
        }
    }
    Outcome<> word(std::vector<char>& open) {
        const size_t begin = at_;
        const char first = source_[at_];
        if (first == '\'' || first == '"') return literal(first);
        if (is_digit(first)) return number();
        if (is_name_start(first)) {
            while (at_ < source_.size() && (is_name_start(source_[at_]) || is_digit(source_[at_]))) ++at_;
            tokens_.push_back({Token::Kind::name, std::string(source_.substr(begin, at_ - begin)), begin});
            return {};
        }
        for (const std::string_view sign : kSigns) {
            if (!source_.substr(at_).starts_with(sign)) continue;
            if (sign == "(" || sign == "[" || sign == "{") open.push_back(sign == "(" ? ')' : sign == "[" ? ']' : '}');
            if (sign == ")" || sign == "]" || sign == "}") {
                if (open.empty() || open.back() != sign[0]) return wrong(at_, fmt::format("unexpected '{}'", sign));
                open.pop_back();
            }
            tokens_.push_back({Token::Kind::sign, std::string(sign), begin});
            at_ += sign.size();
            return {};
        }
        return wrong(at_, fmt::format("unexpected character '{}'",
                                      unicode::claimed_length(uint8_t(first)) == 1 ? std::string(1, first) : "?"));
    }
    Outcome<> number() {
        const size_t begin = at_;
        std::string digits;
        const auto take_digits = [&](auto is_one) {
            while (at_ < source_.size() && (is_one(source_[at_]) || (source_[at_] == '_' && at_ + 1 < source_.size() &&
                                                                     is_one(source_[at_ + 1])))) {
                if (source_[at_] != '_') digits += source_[at_];
                ++at_;
            }
        };
        const char base = at_ + 1 < source_.size() ? char(source_[at_ + 1] | 0x20) : ' ';
        if (source_[at_] == '0' && (base == 'x' || base == 'b' || base == 'o')) {
            at_ += 2;
            take_digits([](char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); });
            uint64_t value = 0;
            const uint64_t step = base == 'x' ? 16 : base == 'b' ? 2 : 8;
            for (const char c : digits) {
                const uint64_t digit = is_digit(c) ? uint64_t(c - '0') : uint64_t((c | 0x20) - 'a' + 10);
                if (digit >= step || value > (uint64_t(INT64_MAX) - digit) / step)
                    return wrong(begin, "this number makes no sense");
                value = value * step + digit;
            }
            if (digits.empty()) return wrong(begin, "this number makes no sense");
            tokens_.push_back({Token::Kind::number, std::to_string(value), begin});
            return {};
        }
        take_digits(is_digit);
        const auto at = [&](size_t i) { return i < source_.size() ? source_[i] : ' '; };
        if (at(at_) == '.' && is_digit(at(at_ + 1))) {
            digits += source_[at_++];
            take_digits(is_digit);
        }
        const size_t sign = at_ + 1 + (at(at_ + 1) == '-' || at(at_ + 1) == '+');
        if ((at(at_) | 0x20) == 'e' && is_digit(at(sign))) {
            digits += source_.substr(at_, sign - at_);
            at_ = sign;
            take_digits(is_digit);
        }
        tokens_.push_back({Token::Kind::number, digits, begin});
        return {};
    }
    Outcome<> literal(char quote) {
        const size_t begin = at_++;
        std::string text;
        while (at_ < source_.size() && source_[at_] != quote) {
            if (source_[at_] != '\\') {
                text += source_[at_++];
                continue;
            }
            if (++at_ == source_.size()) break;
            const char escape = source_[at_++];
            const size_t count = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
            if (count > 0) {
                uint32_t code = TRY(hex(count));
                if (code >= 0xD800 && code < 0xDC00 && source_.substr(at_, 2) == "\\u") {
                    at_ += 2;
                    const uint32_t low = TRY(hex(4));
                    code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                                                         : unicode::kReplacement;
                }
                if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = unicode::kReplacement;
                unicode::append(text, code);
                continue;
            }
            constexpr std::string_view kNamed = "ntrbfav0", kMeant{"\n\t\r\b\f\a\v\0", 8};
            if (escape == '\\' || escape == '\'' || escape == '"')
                text += escape;
            else if (const size_t known = kNamed.find(escape); known != std::string_view::npos)
                text += kMeant[known];
            else if (escape != '\n')  // a line that goes on
                (text += '\\') += escape;
        }
        if (at_ >= source_.size()) return wrong(begin, "this text has no closing quote");
        ++at_;
        tokens_.push_back({Token::Kind::text_literal, std::move(text), begin});
        return {};
    }
    Outcome<uint32_t> hex(size_t count) {
        uint32_t code = 0;
        for (size_t i = 0; i < count; ++i) {
            const char c = at_ < source_.size() ? source_[at_] : ' ';
            const char low = char(c | 0x20);
            if (!is_digit(c) && !(low >= 'a' && low <= 'f'))
                return wrong(at_, "this escape needs more hexadecimal digits");
            code = code << 4 | uint32_t(is_digit(c) ? c - '0' : low - 'a' + 10);
            ++at_;
        }
        return code;
    }

    std::string_view source_;
    size_t at_ = 0;
    std::vector<Token> tokens_;
};

}  // namespace

Outcome<std::vector<Token>> tokens_of(std::string_view source) {
    return Lexer(source).run();
}

}  // namespace hearth::jinja
