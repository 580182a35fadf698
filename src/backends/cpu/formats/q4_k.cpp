// Q4_K: 4-bit codes, 6-bit scales and mins of 8 sub-blocks of 32, block scales f16.
// Recipe: blocks256.h, with mins, c = code, w_j = scale * S_j, m = min.
// Packed block of R rows: the header of scales_6bit.h, then 32 lines, line t holding dword t of each row's codes. Lines
// 8p..8p+7 feed sub-block 2p with their low and sub-block 2p + 1 with their high nibbles.
#include "tensor/formats/q4_k.h"

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/scales_6bit.h"

namespace hearth::cpu {
namespace {

struct Q4_K {
    static constexpr int kBlockBytes = 144, kSubBlock = 32;
    static constexpr bool kHasMins = true;

    static Meaning256 meaning(const std::byte* at) {
        BlockQ4_K block;
        std::memcpy(&block, at, sizeof block);
        Meaning256 result;
        for (int i = 0; i < 256; ++i) {
            result.codes[i] = block.codes[i / 64 * 32 + i % 32] >> 4 * (i / 32 % 2) & 15;
        }
        for (int j = 0; j < 8; ++j) {
            result.scales[j] = half_to_float(block.scale) * float(packed_scale(block.scales, j));
            result.mins[j] = uint8_t(packed_min(block.scales, j));
        }
        result.min_scale = half_to_float(block.min);
        return result;
    }
};

template <int kGroupRows>
struct Layout {
    static constexpr int kRows = kGroupRows, kStoredBytes = Q4_K::kBlockBytes, kBlockBytes = kStoredBytes * kRows;
    using Header = Header6Bit<kRows>;

    static int64_t group_bytes(int64_t blocks) { return blocks * kBlockBytes; }
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
    static void put(std::byte* block, const std::byte* const* rows) {
        Header::put(block, rows);
        for (int row = 0; row < kRows; row += 4) {
            four::copy_lines(rows + row, 16, 32, block + Header::kBytes + 4 * row, 4 * kRows);
        }
    }
    static void take(const std::byte* block, int row, std::byte* stored) {
        Header::take(block, row, stored);
        for (int t = 0; t < 32; ++t) {
            std::memcpy(stored + 16 + 4 * t, block + Header::kBytes + (t * kRows + row) * 4, 4);
        }
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
struct Wide {
    static constexpr int kInner = 2;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t block, Scales<16>& scales) {
        scales_6bit_avx512(Layout<16>::block(group, blocks, block), scales);
    }
    static ALWAYS_INLINE __m512i code(const std::byte* block, int part, int inner, int t) {
        const __m512i line = wide::load(block + Header6Bit<16>::kBytes + (part * 8 + t) * 64);
        return wide::both(inner == 0 ? line : wide::shift_right(line, 4), 0x0F);
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Narrow {
    static constexpr int kInner = 2;
    static constexpr bool kSigned = false;
    static constexpr int kLines = 8;  // 8 * 2 * 15 * 127 < 2^15
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t block, Scales<8>& scales) {
        scales_6bit_avx2(Layout<8>::block(group, blocks, block), scales);
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int part, int inner, int t) {
        const __m256i line = narrow::load(block + Header6Bit<8>::kBytes + (part * 8 + t) * 32);
        return narrow::both(inner == 0 ? line : narrow::shift_right(line, 4), 0x0F);
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Arm {
    static constexpr int kInner = 2, kLargest = 15;
    static constexpr bool kSigned = false;
    static ALWAYS_INLINE void scales(const std::byte* block, arm::Scales& scales) { scales_6bit_arm(block, scales); }
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int inner, int t, int half) {
        const uint8x16_t line = arm::load(block + Header6Bit<8>::kBytes + (part * 8 + t) * 32 + 16 * half);
        return inner == 0 ? arm::both(line, 0x0F) : arm::shift_right(line, 4);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ4_K{LINEAR_ROWS_256(DType::q4_k, Q4_K, Layout, Wide, Narrow) LINEAR_ROWS_256_ARM(
    DType::q4_k, Q4_K, Layout, Arm){Isa::any, plain_kernel256<Q4_K>(DType::q4_k)}};

}  // namespace hearth::cpu
