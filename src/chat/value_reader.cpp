#include "chat/value_reader.h"

#include <fmt/format.h>

#include <cctype>
#include <string_view>

#include "base/json.h"

namespace hearth::chat {

void ValueReader::write_comma(std::string& out) {
    if (owes_comma_) out += ',';
    owes_comma_ = false;
}

Step ValueReader::value_ended() {
    place_ = open_.empty() ? Place::over : Place::after;
    return open_.empty() ? Step::done : Step::more;
}

Step ValueReader::end_container(char bracket, std::string& out) {
    if (open_.empty() || (open_.back() != bracket && !(bracket == ')' && open_.back() == ']'))) return Step::failed;
    out += open_.back();
    open_.pop_back();
    owes_comma_ = false;
    return value_ended();
}

Step ValueReader::begin_value(Unit unit, std::string& out) {
    const bool is_quote = unit.is('"') || (unit.is('\'') && flavour_ != Flavour::gemma);
    if (is_quote || unit.is(Mark::quote)) {
        write_comma(out);
        out += '"';
        quote_ = is_quote ? unit.byte() : 0;
        place_ = Place::string;
        return Step::more;
    }
    if (unit.is_mark()) return Step::failed;
    const char c = unit.byte();
    const bool is_bare_key = is_key_ && flavour_ == Flavour::gemma;
    if (!is_key_ && (c == '{' || c == '[' || (c == '(' && flavour_ == Flavour::python))) {
        if (open_.size() == kDeepest) return Step::failed;
        write_comma(out);
        out += c == '{' ? '{' : '[';
        open_ += c == '{' ? '}' : ']';
        place_ = c == '{' ? Place::first_key : Place::first_value;
        return Step::more;
    }
    const bool begins_word = std::isalnum(uint8_t(c)) || c == '-' || c == '_' || flavour_ == Flavour::gemma;
    if (!begins_word || (is_key_ && !is_bare_key) || c == ',' || c == ':' || c == '}' || c == ']') return Step::failed;
    word_ = c;
    place_ = Place::word;
    return Step::more;
}

// A word is written when it is complete: what it means shows only then.
bool ValueReader::end_word(std::string& out) {
    while (!word_.empty() && Unit(word_.back()).is_space()) word_.pop_back();
    std::string text = word_;
    word_.clear();
    if (!is_key_) {
        if (text == "True") text = "true";
        if (text == "False") text = "false";
        if (text == "None") text = "null";
        const auto read = Json::parse(text);
        if (read && !read->is_string()) {
            write_comma(out);
            out += text;
            return true;
        }
        if (flavour_ != Flavour::gemma) return false;
    }
    write_comma(out);
    out += '"';
    append_json_escaped(text, out);
    out += '"';
    return true;
}

void ValueReader::flush_surrogate(std::string& out) {
    if (high_surrogate_) out += "\\ufffd";  // half a character
    high_surrogate_ = 0;
}

void ValueReader::end_escape(std::string& out) {
    place_ = Place::string;
    if (code_ >= 0xDC00 && code_ < 0xE000) {
        if (high_surrogate_)
            out += fmt::format("\\u{:04x}\\u{:04x}", high_surrogate_, code_);
        else
            out += "\\ufffd";
        high_surrogate_ = 0;
        return;
    }
    flush_surrogate(out);
    if (code_ >= 0xD800 && code_ < 0xDC00)
        high_surrogate_ = code_;
    else
        out += fmt::format("\\u{:04x}", code_);
}

Step ValueReader::take_escape(char c, std::string& out) {
    place_ = Place::string;
    if (c == 'u' || (c == 'x' && flavour_ == Flavour::python)) {
        place_ = Place::hexadecimal;
        digits_left_ = c == 'u' ? 4 : 2;
        code_ = 0;
        return Step::more;
    }
    flush_surrogate(out);
    if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
        out += '\\';
        out += c;
    } else if (c == '\'') {
        out += c;
    } else if (c != '\n' || flavour_ != Flavour::python) {
        out += "\\\\";  // a backslash that escapes nothing: models write regular expressions so
        append_json_escaped(std::string_view(&c, 1), out);
    }
    return Step::more;
}

Step ValueReader::take_in_string(Unit unit, std::string& out) {
    const bool is_plain = quote_ == 0;
    if (is_plain ? unit.is(Mark::quote) : unit.is(quote_)) {
        flush_surrogate(out);
        out += '"';
        if (!is_key_) return value_ended();
        place_ = Place::colon;
        return Step::more;
    }
    if (unit.is_mark()) return Step::failed;
    if (unit.is('\\') && !is_plain) {
        place_ = Place::escape;
        return Step::more;
    }
    flush_surrogate(out);
    const char c = unit.byte();
    append_json_escaped(std::string_view(&c, 1), out);
    return Step::more;
}

Step ValueReader::take(Unit unit, std::string& out) {
    switch (place_) {
        case Place::string:
            return take_in_string(unit, out);
        case Place::escape:
            return unit.is_mark() ? Step::failed : take_escape(unit.byte(), out);
        case Place::hexadecimal: {
            if (unit.is_mark() || !std::isxdigit(uint8_t(unit.byte()))) return Step::failed;
            const char c = char(std::tolower(uint8_t(unit.byte())));
            code_ = code_ * 16 + uint32_t(c <= '9' ? c - '0' : c - 'a' + 10);
            if (--digits_left_ == 0) end_escape(out);
            return Step::more;
        }
        case Place::word: {
            const bool ends = unit.is_mark() || unit.is(',') || unit.is('}') || unit.is(']') ||
                              (unit.is(')') && flavour_ == Flavour::python) || (is_key_ && unit.is(':')) ||
                              (flavour_ != Flavour::gemma && unit.is_space());
            if (!ends) {
                // Longer than any number that means something: only a string, which Gemma alone writes bare.
                if (flavour_ != Flavour::gemma && word_.size() > 400 && !unit.is_amid_character()) return Step::failed;
                word_ += unit.byte();
                return Step::more;
            }
            if (!end_word(out)) return Step::failed;
            if (is_key_) {
                place_ = Place::colon;
                return take(unit, out);
            }
            if (value_ended() == Step::done) return Step::done_before;
            return take(unit, out);
        }
        default:
            break;
    }
    if (unit.is_space()) return Step::more;
    switch (place_) {
        case Place::value:
        case Place::first_value:
            if ((place_ == Place::first_value || owes_comma_) && (unit.is(']') || unit.is(')')))
                return end_container(unit.byte(), out);
            is_key_ = false;
            return begin_value(unit, out);
        case Place::first_key:
        case Place::key:
            if (unit.is('}')) return end_container('}', out);
            is_key_ = true;
            return begin_value(unit, out);
        case Place::colon:
            if (!unit.is(':')) return Step::failed;
            out += ':';
            place_ = Place::value;
            return Step::more;
        case Place::after:
            if (unit.is(',')) {
                owes_comma_ = true;
                place_ = open_.back() == '}' ? Place::key : Place::value;
                return Step::more;
            }
            if (unit.is('}') || unit.is(']') || unit.is(')')) return end_container(unit.byte(), out);
            return Step::failed;
        default:
            return Step::failed;
    }
}

void ValueReader::close(std::string& out) {
    switch (place_) {
        case Place::string:
        case Place::escape:
        case Place::hexadecimal:
            flush_surrogate(out);
            out += is_key_ ? "\":null" : "\"";
            break;
        case Place::word: {
            const bool was_written = end_word(out);
            if (is_key_)
                out += ":null";
            else if (!was_written)
                write_comma(out), out += "null";
            break;
        }
        case Place::colon:
            out += ":null";
            break;
        case Place::value:
            if (open_.empty() || (open_.back() == '}' && !owes_comma_)) out += "null";
            break;
        default:
            break;
    }
    while (!open_.empty()) {
        out += open_.back();
        open_.pop_back();
    }
    owes_comma_ = false;
    place_ = Place::over;
}

}  // namespace hearth::chat
