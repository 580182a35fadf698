// Shape of the generated tables (unicode_tables.cpp); unicode.h is the way to read them.
#pragma once

#include <cstdint>
#include <span>

namespace hearth::unicode_tables {

struct CodeRange {
    uint32_t first, last;
};
struct LowerRange {  // every `step`-th code point of first..last has its lower case `distance` further on
    uint32_t first, last;
    uint32_t step;
    int32_t distance;
};
struct Decomposition {  // first code point of the full canonical decomposition; Hangul is arithmetic and not listed
    uint32_t code, first;
};

extern const uint8_t kBlockOf[0x110000 >> 7];
extern const uint8_t kFlags[];
extern const std::span<const CodeRange> kHan, kControl, kDecimalDigit, kConnector;
extern const std::span<const LowerRange> kLower;
extern const std::span<const Decomposition> kDecomposition;

}  // namespace hearth::unicode_tables
