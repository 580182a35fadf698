// Small pieces of text for people.
#include "base/text_format.h"

#include <fmt/format.h>

namespace hearth {

std::string bytes_text(uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} B", bytes);
    static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = double(bytes) / 1024;
    int unit = 0;
    for (; value >= 1024 && unit < 3; ++unit) value /= 1024;
    return value < 10 ? fmt::format("{:.2f} {}", value, kUnits[unit]) : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

std::string duration_text(double seconds) {
    if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
    if (seconds < 120) return fmt::format("{:.0f} s", seconds);
    return fmt::format("{:.0f} min {:.0f} s", double(int(seconds) / 60), double(int(seconds) % 60));
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    size_t i = 0;
    while (i < text.size()) {
        const uint8_t lead = uint8_t(text[i]);
        if (lead < 0x80) {
            out += text[i++];
            continue;
        }
        const int length = lead >= 0xC2 && lead <= 0xDF   ? 2
                           : (lead & 0xF0) == 0xE0        ? 3
                           : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                          : 0;
        size_t good = 1;
        for (; length && good < size_t(length) && i + good < text.size(); ++good) {
            const uint8_t byte = uint8_t(text[i + good]);
            uint8_t low = 0x80, high = 0xBF;
            if (good == 1) {  // overlong forms, surrogates and values above U+10FFFF end at the second byte
                if (lead == 0xE0) low = 0xA0;
                if (lead == 0xED) high = 0x9F;
                if (lead == 0xF0) low = 0x90;
                if (lead == 0xF4) high = 0x8F;
            }
            if (byte < low || byte > high) break;
        }
        if (length && good == size_t(length))
            out.append(text, i, good);
        else
            out += "\xEF\xBF\xBD";
        i += good;
    }
    return out;
}

}  // namespace hearth
