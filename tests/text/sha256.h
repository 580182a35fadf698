// SHA-256 (FIPS 180-4) for recorded checksums in tests.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::test {

class Sha256 {
public:
    void add(std::string_view bytes) {
        for (const char byte : bytes) {
            block_[total_++ % 64] = uint8_t(byte);
            if (total_ % 64 == 0) mix();
        }
    }
    std::string hex() {
        const uint64_t bits = total_ * 8;
        add(std::string_view("\x80", 1));
        while (total_ % 64 != 56) add(std::string_view("\0", 1));
        for (int shift = 56; shift >= 0; shift -= 8) {
            const char byte = char(bits >> shift);
            add({&byte, 1});
        }
        std::string text;
        for (const uint32_t word : state_)
            for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
        return text;
    }

private:
    // Fraction bits of roots of the first primes, as the standard defines its constants.
    static uint32_t fraction(long double root) { return uint32_t(std::fmod(root, 1.0L) * 4294967296.0L); }
    static std::array<int, 64> primes() {
        std::array<int, 64> list{};
        int count = 0;
        for (int n = 2; count < 64; ++n) {
            bool prime = true;
            for (int i = 0; i < count && prime; ++i) prime = n % list[size_t(i)] != 0;
            if (prime) list[size_t(count++)] = n;
        }
        return list;
    }
    static std::array<uint32_t, 8> start() {
        std::array<uint32_t, 8> state{};
        for (size_t i = 0; i < 8; ++i) state[i] = fraction(std::sqrt((long double)(primes()[i])));
        return state;
    }
    static std::array<uint32_t, 64> constants() {
        std::array<uint32_t, 64> list{};
        const auto first = primes();
        for (size_t i = 0; i < 64; ++i) list[i] = fraction(std::cbrt((long double)(first[i])));
        return list;
    }

    void mix() {
        static const std::array<uint32_t, 64> k = constants();
        std::array<uint32_t, 64> w;
        for (size_t i = 0; i < 16; ++i)
            w[i] = uint32_t(block_[4 * i]) << 24 | uint32_t(block_[4 * i + 1]) << 16 |
                   uint32_t(block_[4 * i + 2]) << 8 | block_[4 * i + 3];
        for (size_t i = 16; i < 64; ++i) {
            const uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
                   (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
        }
        auto s = state_;
        for (size_t i = 0; i < 64; ++i) {
            const uint32_t t1 = s[7] + (std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25)) +
                                ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
            const uint32_t t2 = (std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22)) +
                                ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s = {t1 + t2, s[0], s[1], s[2], s[3] + t1, s[4], s[5], s[6]};
        }
        for (size_t i = 0; i < 8; ++i) state_[i] += s[i];
    }

    std::array<uint32_t, 8> state_ = start();
    std::array<uint8_t, 64> block_{};
    uint64_t total_ = 0;
};

}  // namespace hearth::test
