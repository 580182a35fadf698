// How rows as stored become the lines of a packed group: four rows at a time, in registers of 128 bits, which every
// machine has. Compiled for AVX-512 the same code gained 5 to 15 %: not worth a second copy of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace hearth::cpu {

using Dwords = uint32_t __attribute__((vector_size(16)));  // one dword of each of four rows

namespace four {

using Bytes = uint8_t __attribute__((vector_size(16)));

inline Dwords load(const std::byte* at) {  // four dwords of one row
    Dwords dwords;
    std::memcpy(&dwords, at, 16);
    return dwords;
}
inline void store(std::byte* to, Dwords line) {
    std::memcpy(to, &line, 16);
}
inline void store_dword(void* to, Dwords line, int number) {
    const uint32_t dword = line[number];
    std::memcpy(to, &dword, 4);
}
inline void store_half(void* to, Dwords line, int number) {
    std::memcpy(to, reinterpret_cast<const std::byte*>(&line) + 8 * number, 8);
}

// Of each of the rows the four dwords at `at`: lines[t] becomes dword t of every row.
inline void lines_of(const std::byte* const* rows, int64_t at, Dwords* lines) {
    const Dwords a = load(rows[0] + at), b = load(rows[1] + at), c = load(rows[2] + at), d = load(rows[3] + at);
    const Dwords ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Dwords ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7),
                 cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    lines[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    lines[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    lines[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    lines[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

// Dwords at `at`, a multiple of four, to lines `line_bytes` apart.
inline void copy_lines(const std::byte* const* rows, int64_t at, int64_t dwords, std::byte* to, int64_t line_bytes) {
    for (int64_t t = 0; t < dwords; t += 4) {
        Dwords lines[4];
        lines_of(rows, at + 4 * t, lines);
        for (int i = 0; i < 4; ++i) store(to + (t + i) * line_bytes, lines[i]);
    }
}

// Byte j of every row becomes dword j.
inline Dwords bytes_apart(Dwords line) {
    const Bytes bytes = (Bytes)line;
    return (Dwords)__builtin_shufflevector(bytes, bytes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}
// The lower two bytes of every row, then the upper two.
inline Dwords halves_apart(Dwords line) {
    const Bytes bytes = (Bytes)line;
    return (Dwords)__builtin_shufflevector(bytes, bytes, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
}

// Of sixteen bytes at `at`, byte j to line j.
inline void copy_bytes(const std::byte* const* rows, int64_t at, std::byte* to, int64_t line_bytes) {
    Dwords lines[4];
    lines_of(rows, at, lines);
    for (int j = 0; j < 16; ++j) {
        if (j % 4 == 0) lines[j / 4] = bytes_apart(lines[j / 4]);
        store_dword(to + j * line_bytes, lines[j / 4], j % 4);
    }
}

// In every byte: bit j of line t and bit t of line j change places.
inline void transpose_bits(Dwords (&lines)[8]) {
    constexpr uint32_t kLow[] = {0, 0x55555555u, 0x33333333u, 0, 0x0F0F0F0Fu};
    for (int step = 4; step > 0; step /= 2) {
        for (int t = 0; t < 8; ++t) {
            if (t & step) continue;
            const Dwords moved = (lines[t] >> step ^ lines[t + step]) & kLow[step];
            lines[t + step] ^= moved;
            lines[t] ^= moved << step;
        }
    }
}

// Asks for what the next group will read, as much of it as this one reads meanwhile. Past the end of the memory this
// does nothing.
inline void prefetch(const std::byte* at, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i, 0, 2);
}

// Where a block of each row of a group begins; rows that the matrix does not have are zeros.
template <int kRows>
struct Blocks {
    const std::byte* row[kRows];

    Blocks(const std::byte* rows, int64_t stride, int valid_rows, int64_t at) {
        alignas(64) static constexpr std::byte kZeros[256]{};  // no block is larger
        for (int i = 0; i < kRows; ++i) row[i] = i < valid_rows ? rows + i * stride + at : kZeros;
    }
};

}  // namespace four
}  // namespace hearth::cpu
