// Types whose weights take few values, up to sixteen: those of the code books (IQ1, IQ2, IQ3), Q3_K and the ternary
// ones. A code book names eight weights at once, which is dear to look up for every token; one weight alone needs only
// the number of its level. So packing spells the words out, in 2, 3 or 4 bits a weight, and the table of levels goes
// with the codes. The price is memory: 3.6 bits and more for the 1.6 to 2.6 of IQ1 and IQ2, 4.4 for the 3.1 and 3.4 of
// IQ3.
//
// Recipe: blocks256.h, 16 sub-blocks, c = level + 128, w_j = (block scale * factor) * scale_j; the factor is a power of
// two and scale_j a small integer, so all of it is exact.
//
// Packed block of R rows, in its first 64 bytes: [R] f16 scales, 16 levels (as c for 16 rows, as they are for 8), the
// factor as a float. Then [kScales][R] signed sub-block scales, and for each half of the block 8 lines of two bits
// (line t holds columns 4t..4t+3 of the half's four sub-blocks of 32, two bits above each other) and, with 3 bits, 4
// lines of one bit (line t / 2, bit inner + 4 * (t % 2)); with 4 bits 16 lines of nibbles as in IQ4_XS.
#include "backends/cpu/formats/blocks256.h"
#include "backends/cpu/formats/blocks256_arm.h"
#include "backends/cpu/formats/blocks256_x86.h"
#include "tensor/formats/iq1_m.h"
#include "tensor/formats/iq1_s.h"
#include "tensor/formats/iq2_s.h"
#include "tensor/formats/iq2_xs.h"
#include "tensor/formats/iq2_xxs.h"
#include "tensor/formats/iq3_s.h"
#include "tensor/formats/iq3_xxs.h"
#include "tensor/formats/q3_k.h"
#include "tensor/formats/tq1_0.h"
#include "tensor/formats/tq2_0.h"

namespace hearth::cpu {
namespace {

// A block, spelled out.
struct Spelled {
    uint8_t codes[256];  // numbers of levels
    int8_t scales[16];
    uint16_t scale;  // f16
};

// Magnitudes of a code word, four or eight, with the bit `negative` in the code where the sign is set: all at once.
template <size_t kWeights>
void spell(const std::array<uint8_t, kWeights>& magnitudes, uint32_t signs, int shift, uint8_t negative, uint8_t* to) {
    constexpr uint64_t kOnes = 0x0101010101010101u;
    uint64_t codes = 0;
    std::memcpy(&codes, magnitudes.data(), kWeights);
    codes = codes >> shift & (0xFFu >> shift) * kOnes;
    const uint64_t each = (signs & 0xFF) * kOnes & 0x8040201008040201u;  // bit i alone in byte i
    codes |= ((each + 0x7F * kOnes) >> 7 & kOnes) * negative;
    std::memcpy(to, &codes, kWeights);
}

// What a type brings: Block, kBits, kFactor, kLevels, spell_out(block), and put(to, rows) where it packs otherwise.
struct Magnitudes2 {  // 8, 25, 43: their numbers are 0, 1, 2 and stand in bits 4 and 5
    static constexpr int kBits = 3;
    static constexpr float kFactor = 0.125f;
    static constexpr int8_t kLevels[16] = {8, 25, 43, 0, -8, -25, -43, 0};
};

struct Iq2Xxs : Magnitudes2 {
    using Block = BlockIQ2_XXS;
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int sub = 0; sub < 8; ++sub) {
            const uint32_t bits = block.records[sub].signs_and_scale;
            out.scales[2 * sub] = out.scales[2 * sub + 1] = int8_t(2 * (bits >> 28) + 1);
            for (int group = 0; group < 4; ++group) {
                spell(kIq2XxsGrid[block.records[sub].words[group]], sign_byte(bits >> 7 * group & 127), 4, 4,
                      out.codes + 32 * sub + 8 * group);
            }
        }
    }
};

struct Iq2Xs : Magnitudes2 {
    using Block = BlockIQ2_XS;
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int t = 0; t < 16; ++t) out.scales[t] = int8_t(2 * (block.scales[t / 2] >> 4 * (t % 2) & 15) + 1);
        for (int group = 0; group < 32; ++group) {
            const uint32_t word = block.words[group];
            spell(kIq2XsGrid[word & 511], sign_byte(word >> 9), 4, 4, out.codes + 8 * group);
        }
    }
};

struct Iq2S : Magnitudes2 {
    using Block = BlockIQ2_S;
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int t = 0; t < 16; ++t) out.scales[t] = int8_t(2 * (block.scales[t / 2] >> 4 * (t % 2) & 15) + 1);
        for (int group = 0; group < 32; ++group) {
            const int word = block.words[group] | (block.words_high[group / 4] >> 2 * (group % 4) & 3) << 8;
            spell(kIq2SGrid[size_t(word)], block.signs[group], 4, 4, out.codes + 8 * group);
        }
    }
};

struct Iq3Xxs {
    using Block = BlockIQ3_XXS;
    static constexpr int kBits = 4;
    static constexpr float kFactor = 0.25f;
    static constexpr int8_t kLevels[16] = {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62};
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int sub = 0; sub < 8; ++sub) {
            const uint32_t bits = block.signs_and_scales[sub];
            out.scales[2 * sub] = out.scales[2 * sub + 1] = int8_t(2 * (bits >> 28) + 1);
            for (int k = 0; k < 8; ++k) {
                const uint32_t signs = uint32_t(sign_byte(bits >> 7 * (k / 2) & 127)) >> 4 * (k % 2);
                spell(kIq3XxsGrid[block.words[8 * sub + k]], signs, 3, 8, out.codes + 32 * sub + 4 * k);
            }
        }
    }
};

struct Iq3S {
    using Block = BlockIQ3_S;
    static constexpr int kBits = 4;
    static constexpr float kFactor = 1;
    static constexpr int8_t kLevels[16] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15};
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int t = 0; t < 16; ++t) out.scales[t] = int8_t(1 + 2 * (block.scales[t / 4] >> 4 * (t / 2 % 2) & 15));
        for (int k = 0; k < 64; ++k) {
            const int word = block.words[k] | (block.words_high[k / 8] >> k % 8 & 1) << 8;
            spell(kIq3SGrid[size_t(word)], uint32_t(block.signs[k / 2] >> 4 * (k % 2)), 1, 8, out.codes + 4 * k);
        }
    }
};

struct Ternary {  // -1, 0 or 1, an eighth more or less: in eighths
    static constexpr int kBits = 3;
    static constexpr float kFactor = 0.125f;
    static constexpr int8_t kLevels[16] = {-7, 1, 9, 0, -9, -1, 7, 0};
    static void spell_word(size_t word, bool less, uint8_t* to) {
        for (size_t i = 0; i < 8; ++i) to[i] = uint8_t(kIq1Grid[word][i] + 1 + (less ? 4 : 0));
    }
};

struct Iq1S : Ternary {
    using Block = BlockIQ1_S;
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int sub = 0; sub < 8; ++sub) {
            const int high = block.high[sub];
            out.scales[2 * sub] = out.scales[2 * sub + 1] = int8_t(2 * (high >> 12 & 7) + 1);
            for (int group = 0; group < 4; ++group) {
                spell_word(size_t(block.words[4 * sub + group] | (high >> 3 * group & 7) << 8), high & 0x8000,
                           out.codes + 32 * sub + 8 * group);
            }
        }
    }
};

struct Iq1M : Ternary {
    using Block = BlockIQ1_M;
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale();
        for (int t = 0; t < 16; ++t) out.scales[t] = int8_t(2 * (block.scales[t / 4] >> 3 * (t % 4) & 7) + 1);
        for (int group = 0; group < 32; ++group) {
            const int high = block.high[group / 2] >> 4 * (group % 2);
            spell_word(size_t(block.words[group] | (high & 7) << 8), high & 8, out.codes + 8 * group);
        }
    }
};

struct Q3_K {
    using Block = BlockQ3_K;
    static constexpr int kBits = 3;
    static constexpr float kFactor = 1;
    static constexpr int8_t kLevels[16] = {-4, -3, -2, -1, 0, 1, 2, 3};
    static void spell_out(const Block& block, Spelled& out) {
        out.scale = block.scale;
        for (int sub = 0; sub < 8; ++sub) {
            for (int i = 0; i < 32; ++i) {
                const int low = block.codes[32 * (sub / 4) + i] >> 2 * (sub % 4) & 3;
                out.codes[32 * sub + i] = uint8_t(low | (block.high_bits[i] >> sub & 1) << 2);
            }
        }
        for (int t = 0; t < 16; ++t) out.scales[t] = int8_t(block.sub_scale(t));
    }
    // Two-bit codes are stored in the order of the packed lines, third bits nearly so: no code is spelled out.
    template <class To>
    static void put(std::byte* to, const std::byte* const* rows) {
        for (int row = 0; row < To::kRows; ++row) {
            std::memcpy(to + 2 * row, rows[row] + offsetof(Block, scale), 2);
        }
        for (int row = 0; row < To::kRows; row += 4) {
            Dwords high[8], sub_scales[4];
            four::lines_of(rows + row, offsetof(Block, high_bits), high);
            four::lines_of(rows + row, offsetof(Block, high_bits) + 16, high + 4);
            // The twelve bytes, and four before them: behind them the block ends.
            four::lines_of(rows + row, offsetof(Block, scales) - 4, sub_scales);
            for (int group = 0; group < 4; ++group) {
                const Dwords low = sub_scales[1 + group % 2] >> 4 * (group / 2) & 0x0F0F0F0Fu;
                const Dwords six = low | (sub_scales[3] >> 2 * group & 0x03030303u) << 4;
                const Dwords apart = four::bytes_apart((Dwords)((four::Bytes)six - uint8_t(32)));
                for (int j = 0; j < 4; ++j) {
                    four::store_dword(to + To::kScalesAt + (4 * group + j) * To::kRows + row, apart, j);
                }
            }
            for (int half = 0; half < 2; ++half) {
                four::copy_lines(rows + row, int64_t(offsetof(Block, codes)) + 32 * half, 8,
                                 to + To::line(half, 0) + 4 * row, To::kLineBytes);
                for (int pair = 0; pair < 4; ++pair) {
                    four::store(to + To::line(half, 8 + pair) + 4 * row,
                                (high[2 * pair] >> 4 * half & 0x0F0F0F0Fu) |
                                    (high[2 * pair + 1] >> 4 * half & 0x0F0F0F0Fu) << 4);
                }
            }
        }
    }
};

template <class Stored>
struct Ternary2 {
    using Block = Stored;
    static constexpr int kBits = 2;
    static constexpr float kFactor = 1;
    static constexpr int8_t kLevels[16] = {-1, 0, 1, 2};  // TQ2_0 can say 2
    static void spell_out(const Block& block, Spelled& out) {
        Block unit = block;
        unit.scale = 0x3C00;  // 1
        float values[256];
        decode_block(unit, values);
        for (int i = 0; i < 256; ++i) out.codes[i] = uint8_t(int(values[i]) + 1);
        for (int8_t& scale : out.scales) scale = 1;
        out.scale = block.scale;
    }
};

template <class Type>
struct Format {
    static constexpr int kBlockBytes = sizeof(typename Type::Block), kSubBlock = 16;
    static constexpr bool kHasMins = false;

    static Spelled spelled(const std::byte* at) {
        typename Type::Block block;
        std::memcpy(&block, at, sizeof block);
        Spelled result;
        Type::spell_out(block, result);
        return result;
    }
    static Meaning256 meaning(const std::byte* at) {
        const Spelled block = spelled(at);
        Meaning256 result;
        for (int i = 0; i < 256; ++i) result.codes[i] = uint8_t(Type::kLevels[block.codes[i]] + 128);
        const float scale = half_to_float(block.scale) * Type::kFactor;
        for (int j = 0; j < 16; ++j) result.scales[j] = scale * float(block.scales[j]);
        return result;
    }
};

// What the kernels see of a type: how wide its codes are.
template <int kCodeBits>
struct Codes {
    static constexpr int kBits = kCodeBits, kSubBlock = 16;
    static constexpr bool kHasMins = false;
};

template <int kBits, int kGroupRows>
struct Layout {
    // Sub-blocks of IQ3 are 32 wide, those of some of the others 16.
    static constexpr int kRows = kGroupRows, kScales = kBits == 3 ? 16 : 8, kLineBytes = 4 * kRows;
    static constexpr int kLevelsAt = 2 * kRows, kFactorAt = kLevelsAt + 16, kScalesAt = 64;
    static constexpr int kCodesAt = kScalesAt + kScales * kRows, kLinesPerHalf = kBits == 4 ? 16 : kBits == 3 ? 12 : 8;
    static constexpr int kBlockBytes = kCodesAt + 2 * kLinesPerHalf * kLineBytes;
    static_assert(kFactorAt + 4 <= kScalesAt && kCodesAt % kLineBytes == 0);

    static const std::byte* block(const std::byte* group, int64_t, int64_t index) {
        return group + index * kBlockBytes;
    }
    static constexpr int line(int half, int number) { return kCodesAt + (half * kLinesPerHalf + number) * kLineBytes; }

    static void put(std::byte* to, int row, const Spelled& from) {
        std::memcpy(to + 2 * row, &from.scale, 2);
        for (int j = 0; j < kScales; ++j) to[kScalesAt + j * kRows + row] = std::byte(from.scales[j * 16 / kScales]);
        for (int half = 0; half < 2; ++half) {
            uint32_t codes[4][8], lines[kLinesPerHalf] = {};  // four columns each
            std::memcpy(codes, from.codes + 128 * half, 128);
            for (int inner = 0; inner < 4; ++inner) {
                for (int t = 0; t < 8; ++t) {
                    const uint32_t four = codes[inner][t];
                    if constexpr (kBits == 4) {
                        lines[4 * inner + t % 4] |= four << (t < 4 ? 0 : 4);
                    } else {
                        lines[t] |= (four & 0x03030303u) << 2 * inner;
                        if constexpr (kBits == 3) {
                            lines[8 + t / 2] |= (four >> 2 & 0x01010101u) << (inner + 4 * (t % 2));
                        }
                    }
                }
            }
            for (int number = 0; number < kLinesPerHalf; ++number) {
                std::memcpy(to + line(half, number) + 4 * row, &lines[number], 4);
            }
        }
    }
    static int code(const std::byte* from, int row, int i) {
        const int half = i / 128, inner = i % 128 / 32, t = i % 32 / 4, byte = 4 * row + i % 4;
        if (kBits == 4) return int(from[line(half, 4 * inner + t % 4) + byte]) >> (t < 4 ? 0 : 4) & 15;
        const int low = int(from[line(half, t) + byte]) >> 2 * inner & 3;
        return kBits == 2 ? low : low | (int(from[line(half, 8 + t / 2) + byte]) >> (inner + 4 * (t % 2)) & 1) << 2;
    }
};

template <class Type, int kRows>
struct Packing {
    using To = Layout<Type::kBits, kRows>;
    static constexpr int kFlip = kRows == 16 ? 0x80 : 0;

    static int64_t group_bytes(DType, int64_t columns) { return (columns / 256 * To::kBlockBytes + 63) / 64 * 64; }
    static void pack(DType type, const std::byte* rows, int64_t stride, int valid_rows, int64_t columns,
                     std::byte* group) {
        std::memset(group, 0, size_t(group_bytes(type, columns)));
        for (int64_t block = 0; block < columns / 256; ++block) {
            std::byte* to = group + block * To::kBlockBytes;
            for (int i = 0; i < 16; ++i) to[To::kLevelsAt + i] = std::byte(Type::kLevels[i] ^ kFlip);
            std::memcpy(to + To::kFactorAt, &Type::kFactor, 4);
            const int64_t at = block * Format<Type>::kBlockBytes;
            four::prefetch(rows + kRows * (stride + at), kRows * Format<Type>::kBlockBytes);
            if constexpr (requires { Type::template put<To>(to, &rows); }) {
                Type::template put<To>(to, four::Blocks<kRows>(rows, stride, valid_rows, at).row);
            } else {
                for (int row = 0; row < valid_rows; ++row) {
                    To::put(to, row, Format<Type>::spelled(rows + row * stride + at));
                }
            }
        }
    }
    static void unpack_row(DType, const std::byte* group, int row, int64_t columns, float* out) {
        for (int64_t block = 0; block < columns / 256; ++block) {
            const std::byte* from = group + block * To::kBlockBytes;
            uint16_t bits;
            std::memcpy(&bits, from + 2 * row, 2);
            const float scale = half_to_float(bits) * Type::kFactor;
            for (int i = 0; i < 256; ++i) {
                const auto sub = int8_t(from[To::kScalesAt + i / (256 / To::kScales) * kRows + row]);
                *out++ = scale * float(sub) * float(Type::kLevels[To::code(from, row, i)]);
            }
        }
    }
};

#if TARGET_X86
TARGET_BEGIN(TARGET_AVX512)
template <int kBits>
struct Wide {
    using From = Layout<kBits, 16>;
    static constexpr int kInner = 4;
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<16>& scales) {
        const std::byte* block = From::block(group, blocks, index);
        const __m512 scale = _mm512_mul_ps(wide::halves(block), _mm512_set1_ps(real(block + From::kFactorAt)));
        UNROLLED for (int j = 0; j < 16; ++j) {
            const std::byte* at = block + From::kScalesAt + j * From::kScales / 16 * 16;
            const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(at));
            _mm512_store_ps(scales.scale[j], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))));
        }
    }
    static ALWAYS_INLINE __m512i code(const std::byte* block, int half, int inner, int t) {
        const auto line = [&](int number) __attribute__((always_inline)) {
            return wide::load(block + From::line(half, number));
        };
        const __m512i levels = wide::table(reinterpret_cast<const int8_t*>(block + From::kLevelsAt));
        __m512i code;
        if constexpr (kBits == 4) {
            const __m512i nibbles = line(4 * inner + t % 4);
            code = wide::both(t < 4 ? nibbles : wide::shift_right(nibbles, 4), 0x0F);
        } else {
            code = wide::both(wide::shift_right(line(t), 2 * inner), 3);
            if constexpr (kBits == 3) {
                const int bit = inner + 4 * (t % 2);
                const __m512i high = line(8 + t / 2);
                code =
                    wide::merge(code, bit < 2 ? wide::shift_left(high, 2 - bit) : wide::shift_right(high, bit - 2), 4);
            }
        }
        return _mm512_shuffle_epi8(levels, code);
    }
};
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
template <int kBits>
struct Narrow {
    using From = Layout<kBits, 8>;
    static constexpr int kInner = 4;
    static constexpr bool kSigned = true;
    static constexpr int kLines = 2;  // 2 * 2 * 62 * 127 < 2^15
    static ALWAYS_INLINE void scales(const std::byte* group, int64_t blocks, int64_t index, Scales<8>& scales) {
        const std::byte* block = From::block(group, blocks, index);
        const __m256 scale = _mm256_mul_ps(narrow::halves(block), _mm256_set1_ps(real(block + From::kFactorAt)));
        UNROLLED for (int j = 0; j < 16; ++j) {
            const std::byte* at = block + From::kScalesAt + j * From::kScales / 16 * 8;
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
            _mm256_store_ps(scales.scale[j], _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))));
        }
    }
    static ALWAYS_INLINE __m256i code(const std::byte* block, int half, int inner, int t) {
        const auto line = [&](int number) __attribute__((always_inline)) {
            return narrow::load(block + From::line(half, number));
        };
        const __m256i levels = narrow::table(reinterpret_cast<const int8_t*>(block + From::kLevelsAt));
        __m256i code;
        if constexpr (kBits == 4) {
            const __m256i nibbles = line(4 * inner + t % 4);
            code = narrow::both(t < 4 ? nibbles : narrow::shift_right(nibbles, 4), 0x0F);
        } else {
            code = narrow::both(narrow::shift_right(line(t), 2 * inner), 3);
            if constexpr (kBits == 3) {
                const int bit = inner + 4 * (t % 2);
                const __m256i high = line(8 + t / 2);
                code = narrow::merge(
                    code, bit < 2 ? narrow::shift_left(high, 2 - bit) : narrow::shift_right(high, bit - 2), 4);
            }
        }
        return _mm256_shuffle_epi8(levels, code);
    }
};
TARGET_END
#endif

#if TARGET_ARM
template <int kBits>
struct Arm {
    using From = Layout<kBits, 8>;
    static constexpr int kInner = 4, kLargest = 62;
    static constexpr bool kSigned = true;
    static ALWAYS_INLINE void scales(const std::byte* block, arm::Scales& scales) {
        const float factor = real(block + From::kFactorAt);
        const float32x4_t scale[2] = {vmulq_n_f32(arm::halves(block), factor),
                                      vmulq_n_f32(arm::halves(block + 8), factor)};
        arm::signed_scales<From::kScales>(block + From::kScalesAt, scale, scales);
    }
    static ALWAYS_INLINE uint8x16_t code(const std::byte* block, int part, int inner, int t, int half) {
        const auto line = [&](int number) __attribute__((always_inline)) {
            return arm::load(block + From::line(part, number) + 16 * half);
        };
        uint8x16_t code;
        if constexpr (kBits == 4) {
            const uint8x16_t nibbles = line(4 * inner + t % 4);
            code = t < 4 ? arm::both(nibbles, 0x0F) : arm::shift_right(nibbles, 4);
        } else {
            code = arm::both(arm::shift_right(line(t), 2 * inner), 3);
            if constexpr (kBits == 3) {
                const int bit = inner + 4 * (t % 2);
                const uint8x16_t high = line(8 + t / 2);
                code = arm::merge(code, bit < 2 ? arm::shift_left(high, 2 - bit) : arm::shift_right(high, bit - 2), 4);
            }
        }
        return arm::look_up(reinterpret_cast<const int8_t*>(block + From::kLevelsAt), code);
    }
};
#endif

template <class Type, int kRows>
constexpr LinearKernel kernel(DType type, Isa isa, const TileFn* tiles, const Slabs& slabs = {}) {
    return {.type = type,
            .isa = isa,
            .rows_per_group = kRows,
            .activation = ActivationKind::q8_256,
            .group_bytes = Packing<Type, kRows>::group_bytes,
            .pack = Packing<Type, kRows>::pack,
            .unpack_row = Packing<Type, kRows>::unpack_row,
            .tiles = tiles,
            .slabs = slabs};
}

template <class Type>
constexpr LinearTable table(DType type) {
    constexpr int kBits = Type::kBits;
    return {
#if TARGET_X86
        {Isa::avx512, kernel<Type, 16>(type, Isa::avx512, kTile256Avx512<Codes<kBits>, Layout<kBits, 16>, Wide<kBits>>,
                                       kSlabs256Avx512<Codes<kBits>, Layout<kBits, 16>, Wide<kBits>>)},
            {Isa::avxvnni,
             kernel<Type, 8>(type, Isa::avxvnni, kTile256Narrow<Codes<kBits>, Layout<kBits, 8>, Narrow<kBits>, true>,
                             kSlabs256Narrow<Codes<kBits>, Layout<kBits, 8>, Narrow<kBits>, true>)},
            {Isa::avx2,
             kernel<Type, 8>(type, Isa::avx2, kTile256Narrow<Codes<kBits>, Layout<kBits, 8>, Narrow<kBits>, false>,
                             kSlabs256Narrow<Codes<kBits>, Layout<kBits, 8>, Narrow<kBits>, false>)},
#elif TARGET_ARM
        {Isa::i8mm, kernel<Type, 8>(type, Isa::i8mm, dotprod::kTiles256<Codes<kBits>, Layout<kBits, 8>, Arm<kBits>>,
                                    kSlabs256<Codes<kBits>, Layout<kBits, 8>, Arm<kBits>>)},
            {Isa::dotprod,
             kernel<Type, 8>(type, Isa::dotprod, dotprod::kTiles256<Codes<kBits>, Layout<kBits, 8>, Arm<kBits>>)},
            {Isa::neon, kernel<Type, 8>(type, Isa::neon, neon::kTiles256<Codes<kBits>, Layout<kBits, 8>, Arm<kBits>>)},
#endif
        {
            Isa::any, plain_kernel256<Format<Type>>(type)
        }
    };
}

}  // namespace

constinit const LinearTable kLinearIq2Xxs = table<Iq2Xxs>(DType::iq2_xxs);
constinit const LinearTable kLinearIq2Xs = table<Iq2Xs>(DType::iq2_xs);
constinit const LinearTable kLinearIq2S = table<Iq2S>(DType::iq2_s);
constinit const LinearTable kLinearIq3Xxs = table<Iq3Xxs>(DType::iq3_xxs);
constinit const LinearTable kLinearIq3S = table<Iq3S>(DType::iq3_s);
constinit const LinearTable kLinearIq1S = table<Iq1S>(DType::iq1_s);
constinit const LinearTable kLinearIq1M = table<Iq1M>(DType::iq1_m);
constinit const LinearTable kLinearQ3_K = table<Q3_K>(DType::q3_k);
constinit const LinearTable kLinearTq1_0 = table<Ternary2<BlockTQ1_0>>(DType::tq1_0);
constinit const LinearTable kLinearTq2_0 = table<Ternary2<BlockTQ2_0>>(DType::tq2_0);

}  // namespace hearth::cpu
