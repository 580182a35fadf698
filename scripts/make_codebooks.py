#!/usr/bin/env python3
"""Writes src/tensor/formats/codebooks.cpp from the code-book tables of the reference vectors.

usage: make_codebooks.py TABLES_DIRECTORY > src/tensor/formats/codebooks.cpp

A code word becomes 16 bits: the rank of each weight's magnitude, 2 bits each (3 bits for the 4-weight grids), first weight lowest.
"""
import sys
from pathlib import Path

GRIDS = [  # file, words, weights, bits, values in rank order, name
    ("iq2_xxs_grid.u8.bin", 256, 8, 2, [8, 25, 43], "kIq2XxsGrid"),
    ("iq2_xs_grid.u8.bin", 512, 8, 2, [8, 25, 43], "kIq2XsGrid"),
    ("iq2_s_grid.u8.bin", 1024, 8, 2, [8, 25, 43], "kIq2SGrid"),
    ("iq3_xxs_grid.u8.bin", 256, 4, 3, [4, 12, 20, 28, 36, 44, 52, 62], "kIq3XxsGrid"),
    ("iq3_s_grid.u8.bin", 512, 4, 3, [1, 3, 5, 7, 9, 11, 13, 15], "kIq3SGrid"),
    ("iq1_grid.i8.bin", 2048, 8, 2, [-1, 0, 1], "kIq1Grid"),
]

print("""// Written by scripts/make_codebooks.py; do not edit. A code word is 16 bits: the rank of each weight's value, first weight lowest.
#include "tensor/formats/codebooks.h"

namespace hearth {

namespace {
template <class Value, size_t kWeights, size_t kWords, size_t kValues>
constexpr Grid<kWords, Value, kWeights> spell_out(const uint16_t (&codes)[kWords], const Value (&values)[kValues]) {
    constexpr int kBits = 16 / int(kWeights) < 3 ? 2 : 3;
    Grid<kWords, Value, kWeights> grid{};
    for (size_t word = 0; word < kWords; ++word)
        for (size_t i = 0; i < kWeights; ++i) grid[word][i] = values[codes[word] >> kBits * int(i) & ((1 << kBits) - 1)];
    return grid;
}

// clang-format off""")
for file, words, weights, bits, values, name in GRIDS:
    data = (Path(sys.argv[1]) / file).read_bytes()
    assert len(data) == words * weights, file
    levels = [b - 256 if values[0] < 0 and b > 127 else b for b in data]
    codes = [sum(values.index(levels[w * weights + i]) << (bits * i) for i in range(weights)) for w in range(words)]
    assert codes == sorted(set(codes)), file
    print(f"constexpr uint16_t {name}Codes[] = {{")
    for row in range(0, words, 20):
        print("    " + ", ".join(str(c) for c in codes[row:row + 20]) + ",")
    print("};")
print("""// clang-format on

constexpr uint8_t kIq2Values[] = {8, 25, 43};
constexpr uint8_t kIq3XxsValues[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr uint8_t kIq3SValues[] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr int8_t kIq1Values[] = {-1, 0, 1};
}  // namespace

constexpr Grid<256, uint8_t, 8> kIq2XxsGrid = spell_out<uint8_t, 8>(kIq2XxsGridCodes, kIq2Values);
constexpr Grid<512, uint8_t, 8> kIq2XsGrid = spell_out<uint8_t, 8>(kIq2XsGridCodes, kIq2Values);
constexpr Grid<1024, uint8_t, 8> kIq2SGrid = spell_out<uint8_t, 8>(kIq2SGridCodes, kIq2Values);
constexpr Grid<256, uint8_t, 4> kIq3XxsGrid = spell_out<uint8_t, 4>(kIq3XxsGridCodes, kIq3XxsValues);
constexpr Grid<512, uint8_t, 4> kIq3SGrid = spell_out<uint8_t, 4>(kIq3SGridCodes, kIq3SValues);
constexpr Grid<2048, int8_t, 8> kIq1Grid = spell_out<int8_t, 8>(kIq1GridCodes, kIq1Values);

}  // namespace hearth""")
