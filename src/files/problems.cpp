#include "files/problems.h"

namespace hearth {

std::string quoted(std::string_view name) {
    const bool cut = name.size() > 100;
    std::string out = valid_utf8(name.substr(0, 100));
    for (char& c : out)
        if (uint8_t(c) < 0x20 || c == 0x7F) c = '?';
    return "'" + out + (cut ? "...'" : "'");
}

}  // namespace hearth
