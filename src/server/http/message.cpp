#include "server/http/message.h"

#include <algorithm>

namespace hearth::server {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

bool is_same_word(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view without_blanks(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::string percent_decoded(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool is_triple =
            text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
        if (!is_triple) {
            out += text[i];
            continue;
        }
        out += char(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
        i += 2;
    }
    return out;
}

const std::string* HttpRequest::header(std::string_view name) const {
    for (const Header& one : headers)
        if (is_same_word(one.name, name)) return &one.value;
    return nullptr;
}

std::optional<std::string> HttpRequest::parameter(std::string_view name) const {
    std::string_view rest = query;
    while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        std::string text(one);
        std::ranges::replace(text, '+', ' ');
        const size_t equals = text.find('=');
        if (percent_decoded(std::string_view(text).substr(0, equals)) != name) continue;
        return equals == std::string::npos ? "" : percent_decoded(std::string_view(text).substr(equals + 1));
    }
    return std::nullopt;
}

}  // namespace hearth::server
