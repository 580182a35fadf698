// Products with groups that were spelled out for many tokens: the recipe of blocks256.h, with nothing to unpack.
#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/blocks256_x86.h"

namespace hearth::cpu {

#if TARGET_X86
namespace {

template <bool kMins>
struct Format {
    static constexpr int kSubBlock = 16;
    static constexpr bool kHasMins = kMins;
};

struct Layout {
    static constexpr bool kSpelledOut = true;
    static constexpr int kBlockBytes = sizeof(SlabBlock);
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
};

TARGET_BEGIN(TARGET_AVX512)
struct Wide {
    static constexpr int kInner = 4;
    static ALWAYS_INLINE __m512i code(const std::byte* block, int part, int inner, int t) {
        return wide::load(reinterpret_cast<const SlabBlock*>(block)->codes[(part * kInner + inner) * 8 + t]);
    }
};
TARGET_END

}  // namespace

#define SLAB_TILES(name, mins)                                                                        \
    constinit const TileFn name[8] = {                                                                \
        tile256_avx512<Format<mins>, Layout, Wide, 1>, tile256_avx512<Format<mins>, Layout, Wide, 2>, \
        tile256_avx512<Format<mins>, Layout, Wide, 3>, tile256_avx512<Format<mins>, Layout, Wide, 4>, \
        tile256_avx512<Format<mins>, Layout, Wide, 5>, tile256_avx512<Format<mins>, Layout, Wide, 6>, \
        tile256_avx512<Format<mins>, Layout, Wide, 7>, tile256_avx512<Format<mins>, Layout, Wide, 8>}
SLAB_TILES(kSlabTiles16, false);
SLAB_TILES(kSlabTiles16Mins, true);
#endif

}  // namespace hearth::cpu
