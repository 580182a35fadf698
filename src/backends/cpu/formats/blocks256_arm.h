// The recipe of blocks256.h with 8 rows in the lanes of two 128-bit registers. Included last.
//
// A format brings, besides its Layout:   code(block, part, inner, t, half): columns 4t..4t+3 of sub-block of 32 number
//                                        part * kInner + inner, of four rows, as bytes
//                                        scales(block, arm::Scales&): w_j of all rows, mins
//                                        kLargest, kSigned, kShift as in blocks32_arm.h
#pragma once

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/products_arm.h"

#if TARGET_ARM
namespace hearth::cpu {
namespace arm {

struct alignas(16) Scales {
    float scale[16][8];
    int16_t mins[8][8];  // of sub-blocks of 32
    // Sub-blocks of 16: `mins` are those of the second of each 32 columns, this is how much more the first has.
    int32_t more[8][8];
    float min_scale[8];
};

ALWAYS_INLINE int16_t word(const std::byte* at) {
    int16_t value;
    std::memcpy(&value, at, 2);
    return value;
}
// Signed sub-block scales at `at`, kCount of eight rows each, for sixteen sub-blocks: w_j = factor * scale_j.
template <int kCount>
ALWAYS_INLINE void signed_scales(const std::byte* at, const float32x4_t (&factor)[2], Scales& scales) {
    UNROLLED for (int j = 0; j < 16; ++j) {
        UNROLLED for (int half = 0; half < 2; ++half) {
            const float32x4_t each = signed_bytes(at + j * kCount / 16 * 8, half);
            vst1q_f32(scales.scale[j] + 4 * half, vmulq_f32(factor[half], each));
        }
    }
}

}  // namespace arm

// A packed block spelled out: scales as floats, codes as signed bytes in the order of zip_lines().
struct Slab256 {
    arm::Scales scales;
    std::byte codes[64][32];  // line 8 * (sub-block of 32) + t
};
// For sub-blocks of 16, of 16 with mins, of 32 with mins: slab_arm.cpp.
extern const TileFn kSlabTiles16[4], kSlabTiles16Mins[4], kSlabTiles32Mins[4];
inline int64_t slab256_bytes(DType, int64_t columns) {
    return std::min(columns, kSlabColumns) / 256 * int64_t(sizeof(Slab256));
}

template <class Format, class Layout, class Arm>
void unpack256(const std::byte* group, int64_t columns, int64_t begin, int64_t end, std::byte* slab) {
    auto* out = reinterpret_cast<Slab256*>(slab);
    for (int64_t block = begin / 256; block < end / 256; ++block, ++out) {
        const std::byte* weights = Layout::block(group, columns / 256, block);
        Arm::scales(weights, out->scales);
#pragma GCC unroll 1
        for (int part = 0; part < 8 / Arm::kInner; ++part) {
            UNROLLED for (int inner = 0; inner < Arm::kInner; ++inner) {
                const auto code = [&](int t, int half) __attribute__((always_inline)) {
                    const uint8x16_t bytes = Arm::code(weights, part, inner, t, half);
                    if constexpr (Format::kHasMins || Arm::kSigned) {
                        return bytes;
                    } else {
                        return veorq_u8(vshlq_n_u8(bytes, Arm::kShift), vdupq_n_u8(0x80));
                    }
                };
                UNROLLED for (int half = 0; half < 2; ++half) {
                    UNROLLED for (int t = 0; t < 8; t += 2) {
                        zip_lines(code(t, half), code(t + 1, half),
                                  out->codes[(part * Arm::kInner + inner) * 8 + t] + 16 * half, 32);
                    }
                }
            }
        }
    }
}

namespace neon {
#include "backends/cpu/formats/blocks256_arm.inc"
}
TARGET_BEGIN(TARGET_DOTPROD)
namespace dotprod {
#include "backends/cpu/formats/blocks256_arm.inc"
}
TARGET_END
TARGET_BEGIN(TARGET_I8MM)
namespace i8mm {
#include "backends/cpu/formats/blocks256_arm.inc"
}
TARGET_END

template <class Format, class Layout, class Arm>
inline constexpr Slabs kSlabs256 = {unpack256<Format, Layout, Arm>,
                                    !Format::kHasMins         ? kSlabTiles16
                                    : Format::kSubBlock == 16 ? kSlabTiles16Mins
                                                              : kSlabTiles32Mins,
                                    slab256_bytes};

}  // namespace hearth::cpu
#define LINEAR_ROWS_256_ARM(type, Format, Layout, Arm)                                                               \
    {Isa::i8mm, packed_kernel256<Layout<8>>(type, Isa::i8mm, dotprod::kTiles256<Format, Layout<8>, Arm>,             \
                                            kSlabs256<Format, Layout<8>, Arm>)},                                     \
        {Isa::dotprod, packed_kernel256<Layout<8>>(type, Isa::dotprod, dotprod::kTiles256<Format, Layout<8>, Arm>)}, \
        {Isa::neon, packed_kernel256<Layout<8>>(type, Isa::neon, neon::kTiles256<Format, Layout<8>, Arm>)},
#else
#define LINEAR_ROWS_256_ARM(type, Format, Layout, Arm)
#endif
