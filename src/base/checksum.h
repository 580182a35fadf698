// A running 64-bit checksum of words: tells torn and flipped bytes, not forged ones. Every step can be undone, so two
// inputs that differ in one word never meet again while the rest is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace hearth {

class Checksum {
public:
    void add(uint64_t word) {
        state_ = (state_ ^ word) * 0xd6e8feb86659fd93u + 0x2545f4914f6cdd1du;
        state_ ^= state_ >> 32;  // else the highest bit of one word would weigh as much as that of the next
    }
    // What follows counts apart: the same bytes in other pieces give another sum.
    void add(std::span<const std::byte> bytes) {
        add(uint64_t(bytes.size()));
        while (!bytes.empty()) {
            uint64_t word = 0;
            const size_t count = bytes.size() < sizeof word ? bytes.size() : sizeof word;
            std::memcpy(&word, bytes.data(), count);
            add(word);
            bytes = bytes.subspan(count);
        }
    }
    void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
    uint64_t value() const {
        uint64_t mixed = (state_ ^ state_ >> 32) * 0xd6e8feb86659fd93u;
        mixed = (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93u;
        return mixed ^ mixed >> 32;
    }

private:
    uint64_t state_ = 0x9e3779b97f4a7c15u;
};

}  // namespace hearth
