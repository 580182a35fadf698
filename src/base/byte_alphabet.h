// The printable stand-ins that byte-level BPE writes for the 256 bytes: 33-126, 161-172 and 174-255 as themselves, the
// other 68 in order from U+0100.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace hearth {

inline constexpr std::array<uint16_t, 256> kByteAlphabet = [] {
    std::array<uint16_t, 256> characters{};
    uint16_t next = 0x100;
    for (size_t byte = 0; byte < 256; ++byte) {
        const bool is_itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        characters[byte] = is_itself ? uint16_t(byte) : next++;
    }
    return characters;
}();

// In UTF-8.
inline std::string byte_letter(uint8_t byte) {
    const uint16_t c = kByteAlphabet[byte];
    if (c < 0x80) return {char(c)};
    return {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
}

}  // namespace hearth
