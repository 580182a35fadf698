// Products with groups that were spelled out for many tokens, for the row i8mm: the recipes of blocks32.h and
// blocks256.h, with nothing to unpack.
#include "backends/cpu/formats/blocks256_arm.h"
#include "backends/cpu/formats/blocks32_arm.h"

#if TARGET_ARM
namespace hearth::cpu {
namespace {

template <int kFieldCount>
struct SlabFormat32 {
    static constexpr int kFields = kFieldCount;
};

struct SlabLayout32 {
    static constexpr bool kSpelledOut = true;
    static int64_t fields_at(int64_t block) { return block * int64_t(sizeof(Slab32)); }
    static int64_t codes_at(int64_t block) { return fields_at(block) + int64_t(offsetof(Slab32, codes)); }
};

struct SlabArm32 {
    static constexpr bool kSigned = true;
    static constexpr int kLargest = 128;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* lines, int t, int half) {
        return arm::load(lines + 32 * t + 16 * half);
    }
    static ALWAYS_INLINE float32x4_t scale(const std::byte* fields, int half) {
        return vld1q_f32(reinterpret_cast<const Slab32*>(fields)->scale + 4 * half);
    }
    static ALWAYS_INLINE float32x4_t offset(const std::byte* fields, int half) {
        return vld1q_f32(reinterpret_cast<const Slab32*>(fields)->offset + 4 * half);
    }
};

template <int kSubBlockColumns, bool kMins>
struct SlabFormat256 {
    static constexpr int kSubBlock = kSubBlockColumns;
    static constexpr bool kHasMins = kMins;
};

struct SlabLayout256 {
    static constexpr bool kSpelledOut = true;
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * int64_t(sizeof(Slab256));
    }
};

struct SlabArm256 {
    static constexpr int kInner = 4, kLargest = 128;
    static constexpr bool kSigned = true;
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int inner, int t, int half) {
        return arm::load(reinterpret_cast<const Slab256*>(block)->codes[(part * kInner + inner) * 8 + t] + 16 * half);
    }
};

}  // namespace

#define SLAB_TILES(name, tile, Format, Layout, Arm)                                                           \
    constinit const TileFn name[4] = {i8mm::tile<Format, Layout, Arm, 1>, i8mm::tile<Format, Layout, Arm, 2>, \
                                      i8mm::tile<Format, Layout, Arm, 3>, i8mm::tile<Format, Layout, Arm, 4>}
SLAB_TILES(kSlabTiles32, tile32, SlabFormat32<1>, SlabLayout32, SlabArm32);
SLAB_TILES(kSlabTiles32Offset, tile32, SlabFormat32<2>, SlabLayout32, SlabArm32);
using Sub16 = SlabFormat256<16, false>;
using Sub16Mins = SlabFormat256<16, true>;
using Sub32Mins = SlabFormat256<32, true>;
SLAB_TILES(kSlabTiles16, tile256, Sub16, SlabLayout256, SlabArm256);
SLAB_TILES(kSlabTiles16Mins, tile256, Sub16Mins, SlabLayout256, SlabArm256);
SLAB_TILES(kSlabTiles32Mins, tile256, Sub32Mins, SlabLayout256, SlabArm256);

}  // namespace hearth::cpu
#endif
