// What templates do with texts: cases, blanks, replacing, and the two ways of formatting.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/unicode.h"

namespace hearth::jinja {

namespace {

uint32_t code_of(std::string_view character) {
    return unicode::decode(reinterpret_cast<const uint8_t*>(character.data())).code;
}

// Capital letters of what has one: the inverse of the table of small ones, built when it is first needed.
uint32_t to_upper(uint32_t code) {
    static const std::vector<std::pair<uint32_t, uint32_t>> kCapitals = [] {
        std::vector<std::pair<uint32_t, uint32_t>> pairs;
        for (uint32_t capital = 'A'; capital < 0x1F000; ++capital)
            if (const uint32_t small = unicode::to_lower(capital); small != capital) pairs.emplace_back(small, capital);
        std::ranges::stable_sort(pairs, {}, &std::pair<uint32_t, uint32_t>::first);
        return pairs;
    }();
    const auto found = std::ranges::lower_bound(kCapitals, code, {}, &std::pair<uint32_t, uint32_t>::first);
    return found != kCapitals.end() && found->first == code ? found->second : code;
}

bool is_blank(std::string_view character) {
    return unicode::flags(code_of(character)) & unicode::kWhite;
}

void append_upper(std::string& out, std::string_view character) {
    if (character == "ß")
        out += "SS";
    else
        unicode::append(out, to_upper(code_of(character)));
}

// One directive behind a % or a colon.
struct Form {
    bool is_left = false, has_zeros = false, has_sign = false, is_alternate = false, is_centred = false;
    int width = 0, precision = -1;
    char fill = ' ';
};

std::string padded(std::string text, const Form& form, bool is_number) {
    const size_t size = characters(text).size();
    if (form.width <= 0 || size >= size_t(form.width)) return text;
    const size_t missing = size_t(form.width) - size;
    if (form.is_centred)
        return std::string(missing / 2, form.fill) + text + std::string(missing - missing / 2, form.fill);
    if (form.is_left) return text + std::string(missing, form.fill);
    if (form.has_zeros && is_number) return text.insert(text.starts_with('-') || text.starts_with('+'), missing, '0');
    return std::string(missing, form.fill) + text;
}

Outcome<std::string> number_in(char kind, const Value& value, const Form& form) {
    if (!value.is_number())
        return stop(fmt::format("TypeError: %{} format: a number is required, not {}", kind, value.type_name()));
    std::string text;
    if (kind == 'd' || kind == 'i' || kind == 'u') {
        text = value.is_real() ? fmt::format("{:.0f}", std::trunc(value.as_double())) : value.as_big().text();
    } else if (kind == 'x' || kind == 'X' || kind == 'o') {
        int64_t integer = 0;
        if (!value.as_integer(integer))
            return stop(fmt::format("TypeError: %{} format: an integer is required, not {}", kind, value.type_name()));
        const uint64_t size = integer < 0 ? 0 - uint64_t(integer) : uint64_t(integer);
        text = std::string(integer < 0 ? "-" : "") +
               (form.is_alternate ? (kind == 'o'   ? "0o"
                                     : kind == 'x' ? "0x"
                                                   : "0X")
                                  : "") +
               (kind == 'x'   ? fmt::format("{:x}", size)
                : kind == 'X' ? fmt::format("{:X}", size)
                              : fmt::format("{:o}", size));
    } else {
        const double real = value.as_double();
        const int places = form.precision < 0 ? 6 : form.precision;
        text = kind == 'f' || kind == 'F' ? fmt::format("{:.{}f}", real, places)
               : kind == 'e'              ? fmt::format("{:.{}e}", real, places)
               : kind == 'E'              ? fmt::format("{:.{}E}", real, places)
               : kind == 'G'              ? fmt::format("{:.{}G}", real, std::max(places, 1))
                                          : fmt::format("{:.{}g}", real, std::max(places, 1));
    }
    if (form.has_sign && !text.starts_with('-')) text.insert(0, "+");
    return padded(std::move(text), form, true);
}

constexpr int kWidest = 10000;

Outcome<int> digits_at(std::string_view text, size_t& at) {
    int value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
        value = value * 10 + (text[at] - '0');
        if (value > kWidest) return stop("a format is too wide", Failure::Kind::limit);
    }
    return value;
}

}  // namespace

Text made_from(const Text& source, std::string result) {
    return Text(std::move(result), !source.input.empty());
}

std::string upper_case(std::string_view text) {
    std::string out;
    for (const std::string_view one : characters(text)) append_upper(out, one);
    return out;
}

std::string lower_case(std::string_view text) {
    std::string out;
    for (const std::string_view one : characters(text)) unicode::append(out, unicode::to_lower(code_of(one)));
    return out;
}

std::string capitalised(std::string_view text) {
    const auto all = characters(text);
    if (all.empty()) return "";
    std::string out;
    append_upper(out, all[0]);
    return out + lower_case(text.substr(all[0].size()));
}

std::string title_case(std::string_view text) {
    std::string out;
    bool is_inside = false;
    for (const std::string_view one : characters(text)) {
        const bool is_letter = unicode::flags(code_of(one)) & unicode::kLetter;
        if (is_letter && !is_inside)
            append_upper(out, one);
        else
            unicode::append(out, unicode::to_lower(code_of(one)));
        is_inside = is_letter;
    }
    return out;
}

Text stripped(const Text& text, std::string_view set, bool left, bool right) {
    const std::string_view bytes = text.bytes;
    const auto wanted = characters(set);
    const auto goes = [&](std::string_view one) {
        return set.empty() ? is_blank(one) : std::ranges::find(wanted, one) != wanted.end();
    };
    size_t begin = 0, end = bytes.size();
    while (left && begin < end) {
        const size_t length = unicode::claimed_length(uint8_t(bytes[begin]));
        if (!goes(bytes.substr(begin, length))) break;
        begin += length;
    }
    while (right && end > begin) {
        size_t last = end - 1;
        while (last > begin && (bytes[last] & 0xC0) == 0x80) --last;
        if (!goes(bytes.substr(last, end - last))) break;
        end = last;
    }
    return text.part(begin, end - begin);
}

Text replaced(const Text& text, std::string_view from, const Text& to, int64_t most) {
    Text out;
    size_t done = 0;
    if (from.empty()) {  // between all characters, and around them
        for (const std::string_view one : characters(text.bytes)) {
            if (most-- != 0) out.append(to);
            out.append(text.part(size_t(one.data() - text.bytes.data()), one.size()));
        }
        if (most != 0) out.append(to);
        return out;
    }
    for (size_t at; most != 0 && (at = text.bytes.find(from, done)) != std::string::npos; --most) {
        out.append(text.part(done, at - done));
        out.append(to);
        done = at + from.size();
    }
    out.append(text.part(done, std::string::npos));
    return out;
}

Outcome<Text> percent_format(const Text& form_text, const List& values) {
    const std::string& form = form_text.bytes;
    Text out;
    size_t next = 0, done = 0;
    for (size_t at; (at = form.find('%', done)) != std::string::npos;) {
        out.append(form_text.part(done, at - done));
        Form directive;
        for (++at; at < form.size(); ++at) {
            if (form[at] == '-')
                directive.is_left = true;
            else if (form[at] == '0')
                directive.has_zeros = true;
            else if (form[at] == '+')
                directive.has_sign = true;
            else if (form[at] == '#')
                directive.is_alternate = true;
            else if (form[at] != ' ')
                break;
        }
        directive.width = TRY(digits_at(form, at));
        if (at < form.size() && form[at] == '.') directive.precision = TRY(digits_at(form, ++at));
        if (at >= form.size()) return stop("ValueError: incomplete format");
        const char kind = form[at];
        done = at + 1;
        if (kind == '%') {
            out.append_plain("%");
            continue;
        }
        if (next == values.size()) return stop("TypeError: not enough arguments for format string");
        const Value& value = values[next++];
        if (kind == 's' || kind == 'r') {
            Text text = kind == 's' ? value.print() : Text(value.representation());
            if (directive.precision >= 0) {
                const auto all = characters(text.bytes);
                if (size_t(directive.precision) < all.size())
                    text = text.part(0, size_t(all[size_t(directive.precision)].data() - text.bytes.data()));
            }
            out.append(directive.width > 0 ? made_from(text, padded(text.bytes, directive, false)) : text);
        } else if (std::string_view("diuxXofFeEgG").find(kind) != std::string_view::npos) {
            out.append_plain(TRY(number_in(kind, value, directive)));
        } else if (kind == 'c' && value.is_text()) {
            out.append(value.text());
        } else {
            return stop(fmt::format("ValueError: unsupported format character '{}'", kind));
        }
    }
    if (next < values.size()) return stop("TypeError: not all arguments converted during string formatting");
    out.append(form_text.part(done, std::string::npos));
    return out;
}

Outcome<Text> brace_format(const Text& form_text, const Arguments& values) {
    const std::string& form = form_text.bytes;
    Text out;
    size_t next = 0, at = 0;
    while (at < form.size()) {
        const size_t brace = std::min(form.find_first_of("{}", at), form.size());
        out.append(form_text.part(at, brace - at));
        at = brace + 1;
        if (brace == form.size()) break;
        if (at < form.size() && form[at] == form[brace]) {
            out.append_plain(form.substr(at++, 1));
            continue;
        }
        const size_t end = form[brace] == '{' ? form.find('}', at) : std::string::npos;
        if (end == std::string::npos) return stop(fmt::format("ValueError: single '{}' in a format", form[brace]));
        const std::string field = form.substr(at, end - at);
        at = end + 1;
        const size_t colon = std::min(field.find(':'), field.size());
        const std::string name = field.substr(0, colon);
        const bool is_place = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
        size_t place = is_place ? size_t(std::strtoul(name.c_str(), nullptr, 10)) : SIZE_MAX;
        if (name.empty()) place = next++;
        const Value* value = values.find(place, name);
        if (!value) return stop(fmt::format("KeyError: the format names {{{}}}, which was not given", name));
        std::string_view rest = std::string_view(field).substr(std::min(colon + 1, field.size()));
        if (rest.empty()) {
            out.append(value->print());
            continue;
        }
        Form directive;
        const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^'; };
        if (rest.size() > 1 && is_align(rest[1])) {
            directive.fill = rest[0];
            rest.remove_prefix(1);
        }
        directive.is_left = !value->is_number();
        if (!rest.empty() && is_align(rest[0])) {
            directive.is_left = rest[0] == '<';
            directive.is_centred = rest[0] == '^';
            rest.remove_prefix(1);
        }
        if (!rest.empty() && rest[0] == '+') directive.has_sign = true, rest.remove_prefix(1);
        if (!rest.empty() && rest[0] == '0') directive.has_zeros = true, rest.remove_prefix(1);
        size_t here = 0;
        directive.width = TRY(digits_at(rest, here));
        if (here < rest.size() && rest[here] == '.') directive.precision = TRY(digits_at(rest, ++here));
        const char kind = here < rest.size() ? rest[here] : value->is_real() && directive.precision >= 0 ? 'g' : 's';
        if (kind == 's' && !(value->is_number() && here < rest.size()))
            out.append(made_from(value->print(), padded(value->print().bytes, directive, value->is_number())));
        else if (std::string_view("dxXofFeEgG").find(kind) != std::string_view::npos)
            out.append_plain(TRY(number_in(kind, *value, directive)));
        else
            return stop(fmt::format("ValueError: unknown format code '{}'", kind));
    }
    return out;
}

}  // namespace hearth::jinja
