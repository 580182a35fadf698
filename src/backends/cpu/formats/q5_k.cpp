// Q5_K: 5-bit codes, 6-bit scales and mins of 8 sub-blocks of 32, block scales f16.
// Recipe: blocks256.h, with mins, c = code, w_j = scale * S_j, m = min.
// Packed block of R rows: the header of scales_6bit.h; 8 lines of fifth bits, line j for sub-block j, in which bit t of
// byte b belongs to element 4t + b; then 32 lines of nibbles as in q4_k.cpp.
#include "tensor/formats/q5_k.h"

#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/scales_6bit.h"

namespace hearth::cpu {
namespace {

struct Q5_K {
    static constexpr int kBlockBytes = 176, kSubBlock = 32;
    static constexpr bool kHasMins = true;

    static Meaning256 meaning(const std::byte* at) {
        BlockQ5_K block;
        std::memcpy(&block, at, sizeof block);
        Meaning256 result;
        for (int i = 0; i < 256; ++i) {
            const int nibble = block.codes[i / 64 * 32 + i % 32] >> 4 * (i / 32 % 2) & 15;
            result.codes[i] = uint8_t(nibble | (block.high_bits[i % 32] >> i / 32 & 1) << 4);
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
    static constexpr int kRows = kGroupRows, kStoredBytes = Q5_K::kBlockBytes, kBlockBytes = kStoredBytes * kRows;
    using Header = Header6Bit<kRows>;
    static constexpr int kHighAt = Header::kBytes, kCodesAt = kHighAt + 8 * kRows * 4;

    static int64_t group_bytes(int64_t blocks) { return blocks * kBlockBytes; }
    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
    static void put(std::byte* block, const std::byte* const* rows) {
        Header::put(block, rows);
        for (int row = 0; row < kRows; row += 4) {
            Dwords high[8];  // bit j of byte b of dword t: element 4t + b of sub-block j
            four::lines_of(rows + row, 16, high);
            four::lines_of(rows + row, 32, high + 4);
            four::transpose_bits(high);
            for (int j = 0; j < 8; ++j) four::store(block + kHighAt + (j * kRows + row) * 4, high[j]);
            four::copy_lines(rows + row, 48, 32, block + kCodesAt + 4 * row, 4 * kRows);
        }
    }
    static void take(const std::byte* block, int row, std::byte* stored) {
        Header::take(block, row, stored);
        uint32_t high[8] = {};
        for (int j = 0; j < 8; ++j) {
            uint32_t line;
            std::memcpy(&line, block + kHighAt + (j * kRows + row) * 4, 4);
            for (int t = 0; t < 8; ++t) high[t] |= (line >> t & 0x01010101u) << j;
        }
        std::memcpy(stored + 16, high, 32);
        for (int t = 0; t < 32; ++t) std::memcpy(stored + 48 + 4 * t, block + kCodesAt + (t * kRows + row) * 4, 4);
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
        const __m512i line = wide::load(block + Layout<16>::kCodesAt + (part * 8 + t) * 64);
        const __m512i high = wide::load(block + Layout<16>::kHighAt + (part * 2 + inner) * 64);
        const __m512i low = wide::both(inner == 0 ? line : wide::shift_right(line, 4), 0x0F);
        return wide::merge(low, t < 4 ? wide::shift_left(high, 4 - t) : wide::shift_right(high, t - 4), 0x10);
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
struct Narrow {
    static constexpr int kInner = 2;
    static constexpr bool kSigned = false;
    static constexpr int kLines = 4;  // 4 * 2 * 31 * 127 < 2^15
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t block, Scales<8>& scales) {
        scales_6bit_avx2(Layout<8>::block(group, blocks, block), scales);
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int part, int inner, int t) {
        const __m256i line = narrow::load(block + Layout<8>::kCodesAt + (part * 8 + t) * 32);
        const __m256i high = narrow::load(block + Layout<8>::kHighAt + (part * 2 + inner) * 32);
        const __m256i low = narrow::both(inner == 0 ? line : narrow::shift_right(line, 4), 0x0F);
        return narrow::merge(low, t < 4 ? narrow::shift_left(high, 4 - t) : narrow::shift_right(high, t - 4), 0x10);
    }
};
TARGET_END
#endif

#if TARGET_ARM
struct Arm {
    static constexpr int kInner = 2, kLargest = 31;
    static constexpr bool kSigned = false;
    static ALWAYS_INLINE void scales(const std::byte* block, arm::Scales& scales) { scales_6bit_arm(block, scales); }
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int inner, int t, int half) {
        const uint8x16_t line = arm::load(block + Layout<8>::kCodesAt + (part * 8 + t) * 32 + 16 * half);
        const uint8x16_t high = arm::load(block + Layout<8>::kHighAt + (part * 2 + inner) * 32 + 16 * half);
        const uint8x16_t low = inner == 0 ? arm::both(line, 0x0F) : arm::shift_right(line, 4);
        return arm::merge(low, t < 4 ? arm::shift_left(high, 4 - t) : arm::shift_right(high, t - 4), 0x10);
    }
};
#endif

}  // namespace

constinit const LinearTable kLinearQ5_K{LINEAR_ROWS_256(DType::q5_k, Q5_K, Layout, Wide, Narrow) LINEAR_ROWS_256_ARM(
    DType::q5_k, Q5_K, Layout, Arm){Isa::any, plain_kernel256<Q5_K>(DType::q5_k)}};

}  // namespace hearth::cpu
