#include "base/sha256.h"

#include <algorithm>
#include <bit>

namespace hearth {

namespace {

// The standard defines its constants as the first 32 bits behind the point of square and cube roots of the first
// primes; they are found here by bisection in whole numbers.
constexpr uint32_t root_fraction(unsigned prime, int power) {
    using Wide = unsigned __int128;
    const Wide target = Wide(prime) << (32 * power);
    Wide low = 0, high = Wide(1) << 37;  // roots of primes below 312 are below 18
    while (high - low > 1) {
        const Wide middle = (low + high) / 2;
        const Wide raised = power == 2 ? middle * middle : middle * middle * middle;
        (raised <= target ? low : high) = middle;
    }
    return uint32_t(low);
}

template <size_t N>
consteval std::array<uint32_t, N> fractions(int power) {
    std::array<uint32_t, N> list{};
    size_t count = 0;
    for (unsigned n = 2; count < N; ++n) {
        bool is_prime = true;
        for (unsigned divisor = 2; divisor * divisor <= n && is_prime; ++divisor) is_prime = n % divisor != 0;
        if (is_prime) list[count++] = root_fraction(n, power);
    }
    return list;
}

constexpr std::array<uint32_t, 8> kStart = fractions<8>(2);
constexpr std::array<uint32_t, 64> kRounds = fractions<64>(3);

uint32_t big_endian(const std::byte* at) {
    return uint32_t(at[0]) << 24 | uint32_t(at[1]) << 16 | uint32_t(at[2]) << 8 | uint32_t(at[3]);
}

}  // namespace

Sha256::Sha256() : state_(kStart), waiting_{} {}

void Sha256::add(std::span<const std::byte> bytes) {
    const size_t waiting = total_bytes_ % 64;
    total_bytes_ += bytes.size();
    if (waiting > 0) {
        const size_t taken = std::min(bytes.size(), 64 - waiting);
        std::copy_n(bytes.begin(), taken, waiting_.begin() + ptrdiff_t(waiting));
        bytes = bytes.subspan(taken);
        if (waiting + taken < 64) return;
        mix(waiting_.data());
    }
    for (; bytes.size() >= 64; bytes = bytes.subspan(64)) mix(bytes.data());
    std::copy(bytes.begin(), bytes.end(), waiting_.begin());
}

Sha256::Digest Sha256::finish() {
    const uint64_t bits = total_bytes_ * 8;
    std::array<std::byte, 72> tail{std::byte{0x80}};
    const size_t padding = (119 - total_bytes_ % 64) % 64 + 1;
    for (size_t i = 0; i < 8; ++i) tail[padding + i] = std::byte(bits >> (56 - 8 * i));
    add(std::span(tail).first(padding + 8));
    Digest digest;
    for (size_t i = 0; i < digest.size(); ++i) digest[i] = std::byte(state_[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

void Sha256::mix(const std::byte* block) {
    std::array<uint32_t, 64> words;
    for (size_t i = 0; i < 16; ++i) words[i] = big_endian(block + 4 * i);
    for (size_t i = 16; i < 64; ++i) {
        const uint32_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + words[i - 7] +
                   (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    auto s = state_;
    for (size_t i = 0; i < 64; ++i) {
        const uint32_t t1 = s[7] + (std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25)) +
                            ((s[4] & s[5]) ^ (~s[4] & s[6])) + kRounds[i] + words[i];
        const uint32_t t2 = (std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22)) +
                            ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        s = {t1 + t2, s[0], s[1], s[2], s[3] + t1, s[4], s[5], s[6]};
    }
    for (size_t i = 0; i < 8; ++i) state_[i] += s[i];
}

std::string hex_text(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
        text += "0123456789abcdef"[uint8_t(byte) >> 4];
        text += "0123456789abcdef"[uint8_t(byte) & 15];
    }
    return text;
}

bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) {
    if (a.size() != b.size()) return false;
    volatile uint8_t difference = 0;  // volatile: no compiler may leave the loop early
    for (size_t i = 0; i < a.size(); ++i) difference = uint8_t(difference | uint8_t(a[i] ^ b[i]));
    return difference == 0;
}

}  // namespace hearth
