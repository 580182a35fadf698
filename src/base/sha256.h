// SHA-256 (FIPS 180-4), digests as text, and comparing them while somebody watches the clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hearth {

class Sha256 {
public:
    using Digest = std::array<std::byte, 32>;

    Sha256();
    void add(std::span<const std::byte> bytes);
    void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
    Digest finish();  // once, as the last call

private:
    void mix(const std::byte* block);

    std::array<uint32_t, 8> state_;
    std::array<std::byte, 64> waiting_;
    uint64_t total_bytes_ = 0;
};

std::string hex_text(std::span<const std::byte> bytes);  // lower case
// Takes as long wherever the first difference lies; only a difference in length shows.
bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace hearth
