// Small pieces of text for people: byte counts, times, and UTF-8 that is certainly valid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hearth {

// "1.27 GiB", "640 KiB", "12 B"
std::string bytes_text(uint64_t bytes);
// "850 ms", "12 s", "3 min 20 s"
std::string duration_text(double seconds);
// Every maximal invalid part becomes U+FFFD, as Python's bytes.decode(errors="replace") does.
std::string valid_utf8(std::string_view text);

}  // namespace hearth
