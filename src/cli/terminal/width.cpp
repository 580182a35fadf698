#include "cli/terminal/width.h"

#include <algorithm>

#include "text/unicode.h"

namespace hearth::cli {

namespace {
bool is_in(std::span<const width_tables::Range> ranges, uint32_t code) {
    const auto after = std::upper_bound(ranges.begin(), ranges.end(), code,
                                        [](uint32_t value, const width_tables::Range& r) { return value < r.first; });
    return after != ranges.begin() && code <= std::prev(after)->last;
}
}  // namespace

int char_width(uint32_t code) {
    if (code < 0x300) return 1;
    if (is_in(width_tables::kZero, code)) return 0;
    return is_in(width_tables::kWide, code) ? 2 : 1;
}

int char_width_after(uint32_t before, uint32_t code) {
    if (code == 0xFE0F && before) return 2 - std::max(1, char_width(before));
    return char_width(code);
}

int text_width(std::string_view text) {
    int width = 0;
    uint32_t before = 0;
    for (size_t at = 0; at < text.size();) {
        if (text[at] == '\x1b') {
            while (at < text.size() && !(text[at] >= '@' && text[at] <= '~' && text[at] != '[')) ++at;
            ++at;
            continue;
        }
        const unicode::Char read = unicode::decode(reinterpret_cast<const uint8_t*>(text.data()) + at);
        width += char_width_after(before, read.code);
        before = read.code;
        at += read.length;
    }
    return width;
}

}  // namespace hearth::cli
