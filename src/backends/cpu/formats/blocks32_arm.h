// The recipe of blocks32.h with 8 rows in the lanes of two 128-bit registers. Included last.
//
// A format brings:   code(lines, t, half): columns 4t..4t+3 of four rows as bytes
//                    scale(fields, half), offset(fields, half)
//                    kLargest   the largest magnitude of a code
//                    kSigned    the codes are c - 128 of the recipe; else those of a symmetric type are c >> kShift
#pragma once

#include "backends/cpu/formats/blocks32.h"
#include "backends/cpu/formats/products_arm.h"

#if TARGET_ARM
namespace hearth::cpu {

// A packed block spelled out: scales as floats, codes as signed bytes in the order of zip_lines().
struct Slab32 {
    float scale[8], offset[8];
    std::byte codes[8][32];
};
extern const TileFn kSlabTiles32[4], kSlabTiles32Offset[4];  // slab_arm.cpp
inline int64_t slab32_bytes(DType, int64_t columns) {
    return std::min(columns, kSlabColumns) / 32 * int64_t(sizeof(Slab32));
}

template <class Format, class Arm>
void unpack32(const std::byte* group, int64_t, int64_t begin, int64_t end, std::byte* slab) {
    using Layout = Layout32<Format, 8>;
    constexpr bool kHasOffset = Format::kFields == 2;
    auto* out = reinterpret_cast<Slab32*>(slab);
    for (int64_t block = begin / 32; block < end / 32; ++block, ++out) {
        const std::byte *fields = group + Layout::fields_at(block), *lines = group + Layout::codes_at(block);
        const auto code = [&](int t, int half) __attribute__((always_inline)) {
            const uint8x16_t bytes = Arm::code(lines, t, half);
            if constexpr (kHasOffset || Arm::kSigned) {
                return bytes;
            } else {
                return veorq_u8(vshlq_n_u8(bytes, Arm::kShift), vdupq_n_u8(0x80));
            }
        };
        UNROLLED for (int half = 0; half < 2; ++half) {
            vst1q_f32(out->scale + 4 * half, Arm::scale(fields, half));
            if constexpr (kHasOffset) vst1q_f32(out->offset + 4 * half, Arm::offset(fields, half));
            UNROLLED for (int t = 0; t < 8; t += 2) {
                zip_lines(code(t, half), code(t + 1, half), out->codes[t] + 16 * half, 32);
            }
        }
    }
}

namespace neon {
#include "backends/cpu/formats/blocks32_arm.inc"
}
TARGET_BEGIN(TARGET_DOTPROD)
namespace dotprod {
#include "backends/cpu/formats/blocks32_arm.inc"
}
TARGET_END
TARGET_BEGIN(TARGET_I8MM)
namespace i8mm {
#include "backends/cpu/formats/blocks32_arm.inc"
}
TARGET_END

template <class Format, class Arm>
inline constexpr Slabs kSlabs32 = {unpack32<Format, Arm>, Format::kFields == 2 ? kSlabTiles32Offset : kSlabTiles32,
                                   slab32_bytes};

}  // namespace hearth::cpu
#define LINEAR_ROWS_32_ARM(type, Format, Arm)                                                                    \
    {Isa::i8mm, packed_kernel32<Format, 8>(type, Isa::i8mm, dotprod::kTiles32<Format, Layout32<Format, 8>, Arm>, \
                                           kSlabs32<Format, Arm>)},                                              \
        {Isa::dotprod,                                                                                           \
         packed_kernel32<Format, 8>(type, Isa::dotprod, dotprod::kTiles32<Format, Layout32<Format, 8>, Arm>)},   \
        {Isa::neon, packed_kernel32<Format, 8>(type, Isa::neon, neon::kTiles32<Format, Layout32<Format, 8>, Arm>)},
#else
#define LINEAR_ROWS_32_ARM(type, Format, Arm)
#endif
