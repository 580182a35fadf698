#include "backends/cpu/activations.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/cpu/target.h"
#include "tensor/half.h"

namespace hearth::cpu {
namespace {

constexpr float kTiny = 0x1p-120f;  // 127 / kTiny is still finite

// Byte offsets inside a block of a tile that is `width` tokens wide; see the header.
struct Block32 {
    static constexpr int64_t kColumns = 32, kTokenBytes = 32 + 4 + 4 + 4;
};
struct Block256 {
    static constexpr int64_t kColumns = 256, kTokenBytes = 256 + 4 + 16 + 64;
};

template <class T>
void put(std::byte* at, T value) {
    std::memcpy(at, &value, sizeof(T));
}
template <class T>
T get(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
}

// amax by the bit patterns: equal to the float maximum for numbers, and NaN wins over all.
uint32_t largest_magnitude_scalar(const float* x, int count) {
    uint32_t most = 0;
    for (int i = 0; i < count; ++i) {
        const uint32_t magnitude = std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFF;
        most = magnitude > most ? magnitude : most;
    }
    return most;
}

void round_codes_scalar(const float* x, int count, float inverse, int8_t* codes) {
    for (int i = 0; i < count; ++i) codes[i] = int8_t(std::nearbyint(x[i] * inverse));
}

#if TARGET_X86
constexpr Isa kVectorIsa = Isa::avx2;
TARGET_BEGIN(TARGET_AVX2)
uint32_t largest_magnitude_vector(const float* x, int count) {
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < count; i += 8) {
        const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
        most = _mm256_max_epu32(most, _mm256_and_si256(bits, magnitude));
    }
    __m128i half = _mm_max_epu32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0xB1));
    return uint32_t(_mm_cvtsi128_si32(half));
}

void round_codes_vector(const float* x, int count, float inverse, int8_t* codes) {
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // undoes the lane-wise packing
    for (int i = 0; i < count; i += 32) {
        __m256i part[4];
        UNROLLED for (int p = 0; p < 4; ++p) {
            part[p] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * p), factor));
        }
        const __m256i bytes =
            _mm256_packs_epi16(_mm256_packs_epi32(part[0], part[1]), _mm256_packs_epi32(part[2], part[3]));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i), _mm256_permutevar8x32_epi32(bytes, order));
    }
}
TARGET_END
#elif TARGET_ARM
constexpr Isa kVectorIsa = Isa::neon;
uint32_t largest_magnitude_vector(const float* x, int count) {
    uint32x4_t most = vdupq_n_u32(0);
    for (int i = 0; i < count; i += 4) {
        const uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(x + i));
        most = vmaxq_u32(most, vandq_u32(bits, vdupq_n_u32(0x7FFFFFFF)));
    }
    return vmaxvq_u32(most);
}

void round_codes_vector(const float* x, int count, float inverse, int8_t* codes) {
    for (int i = 0; i < count; i += 8) {
        const int32x4_t first = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), inverse));
        const int32x4_t second = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), inverse));
        vst1_s8(codes + i, vmovn_s16(vcombine_s16(vmovn_s32(first), vmovn_s32(second))));
    }
}
#else
constexpr Isa kVectorIsa = Isa::any;
constexpr auto largest_magnitude_vector = largest_magnitude_scalar;
constexpr auto round_codes_vector = round_codes_scalar;
#endif

float quantise(Isa isa, const float* x, int count, int8_t* codes) {
    const bool is_vector = covers(isa, kVectorIsa);
    const uint32_t bits = is_vector ? largest_magnitude_vector(x, count) : largest_magnitude_scalar(x, count);
    const float amax = std::bit_cast<float>(bits);
    if (!(amax >= kTiny && amax <= std::numeric_limits<float>::max())) {
        std::memset(codes, 0, size_t(count));
        return amax < kTiny ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    }
    (is_vector ? round_codes_vector : round_codes_scalar)(x, count, 127.0f / amax, codes);
    return amax / 127.0f;
}

int32_t sum_of_16(const int8_t* codes) {
#if TARGET_X86
    const __m128i bytes = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)), _mm_set1_epi8(-128));
    const __m128i halves = _mm_sad_epu8(bytes, _mm_setzero_si128());  // of codes + 128
    return _mm_cvtsi128_si32(halves) + _mm_cvtsi128_si32(_mm_unpackhi_epi64(halves, halves)) - 16 * 128;
#elif TARGET_ARM
    return vaddlvq_s8(vld1q_s8(codes));
#else
    int32_t sum = 0;
    for (int i = 0; i < 16; ++i) sum += codes[i];
    return sum;
#endif
}

void interleave(const int8_t* codes, int count, int width, int slot, std::byte* block) {
    for (int step = 0; step < count / 4; ++step) std::memcpy(block + (step * width + slot) * 4, codes + 4 * step, 4);
}

void pack_q8_32(Isa isa, const float* x, int64_t columns, int width, int slot, std::byte* tile) {
    for (int64_t at = 0; at < columns; at += 32) {
        std::byte* block = tile + at / 32 * Block32::kTokenBytes * width;
        int8_t codes[32];
        const float scale = quantise(isa, x + at, 32, codes);
        interleave(codes, 32, width, slot, block);
        const int32_t sum = sum_of_16(codes) + sum_of_16(codes + 16);
        put(block + 32 * width + 4 * slot, -128 * sum);
        put(block + 36 * width + 4 * slot, scale);
        put(block + 40 * width + 4 * slot, scale * float(sum));
    }
}

void pack_q8_256(Isa isa, const float* x, int64_t columns, int width, int slot, std::byte* tile) {
    for (int64_t at = 0; at < columns; at += 256) {
        std::byte* block = tile + at / 256 * Block256::kTokenBytes * width;
        int8_t codes[256];
        const float scale = quantise(isa, x + at, 256, codes);
        interleave(codes, 256, width, slot, block);
        put(block + 256 * width + 4 * slot, scale);
        for (int part = 0; part < 8; ++part) {
            const int32_t first = sum_of_16(codes + 32 * part), second = sum_of_16(codes + 32 * part + 16);
            put(block + 260 * width + ((part / 2 * width + slot) * 2 + part % 2) * 2, int16_t(first + second));
            put(block + 276 * width + ((2 * part) * width + slot) * 4, -128 * first);
            put(block + 276 * width + ((2 * part + 1) * width + slot) * 4, -128 * second);
        }
    }
}

void pack_f32(const float* x, int64_t columns, int width, int slot, std::byte* tile) {
    for (int64_t at = 0; at < columns; ++at) put(tile + (at * width + slot) * 4, x[at]);
}

void pack_bf16(const float* x, int64_t columns, int width, int slot, std::byte* tile) {
    for (int64_t at = 0; at < columns; at += 2) {
        const uint32_t second = at + 1 < columns ? float_to_bfloat(x[at + 1]) : 0;
        put(tile + (at / 2 * width + slot) * 4, uint32_t(float_to_bfloat(x[at])) | second << 16);
    }
}

}  // namespace

int panel_tile_tokens(ActivationKind kind, Isa isa, int64_t tokens) {
    const bool has_slabs = kind == ActivationKind::q8_32 || kind == ActivationKind::q8_256;
    if (isa == Isa::avx512) return has_slabs && are_many(tokens) ? 5 : 8;
    if (covers(isa, Isa::avx2) || covers(isa, Isa::neon)) return 4;
    return 1;
}

int64_t token_bytes(ActivationKind kind, int64_t columns) {
    switch (kind) {
        case ActivationKind::f32:
            return columns * 4;
        case ActivationKind::bf16:
            return columns * 2;
        case ActivationKind::q8_32:
            return columns / Block32::kColumns * Block32::kTokenBytes;
        case ActivationKind::q8_256:
            return columns / Block256::kColumns * Block256::kTokenBytes;
    }
    return 0;
}

int64_t panel_tiles(int64_t tokens, int tile_tokens) {
    return (tokens + tile_tokens - 1) / tile_tokens;
}

PanelTile panel_tile(int64_t tokens, int tile_tokens, int64_t tile) {
    const int64_t tiles = panel_tiles(tokens, tile_tokens), base = tokens / tiles, wider = tokens % tiles;
    return {tile * base + (tile < wider ? tile : wider), int(base + (tile < wider ? 1 : 0))};
}

int64_t panel_bytes(ActivationKind kind, Isa, int64_t tokens, int64_t columns) {
    return (tokens * token_bytes(kind, columns) + 63) / 64 * 64;
}

void pack_panel(ActivationKind kind, Isa isa, const PanelSource& source, int64_t token_begin, int64_t token_end,
                std::byte* panel) {
    const int tile_tokens = panel_tile_tokens(kind, isa, source.tokens);
    const int64_t tiles = panel_tiles(source.tokens, tile_tokens), bytes = token_bytes(kind, source.columns);
    for (int64_t index = 0; index < tiles; ++index) {
        const PanelTile tile = panel_tile(source.tokens, tile_tokens, index);
        if (tile.first_token + tile.tokens <= token_begin || tile.first_token >= token_end) continue;
        std::byte* at = panel + tile.first_token * bytes;
        for (int slot = 0; slot < tile.tokens; ++slot) {
            const int64_t token = tile.first_token + slot;
            if (token < token_begin || token >= token_end) continue;
            const float* x = source.x + (source.row_index ? source.row_index[token] : token) * source.stride;
            switch (kind) {
                case ActivationKind::f32:
                    pack_f32(x, source.columns, tile.tokens, slot, at);
                    break;
                case ActivationKind::bf16:
                    pack_bf16(x, source.columns, tile.tokens, slot, at);
                    break;
                case ActivationKind::q8_32:
                    pack_q8_32(isa, x, source.columns, tile.tokens, slot, at);
                    break;
                case ActivationKind::q8_256:
                    pack_q8_256(isa, x, source.columns, tile.tokens, slot, at);
                    break;
            }
        }
    }
}

float panel_value(ActivationKind kind, Isa isa, const std::byte* panel, int64_t tokens, int64_t columns, int64_t token,
                  int64_t column) {
    const int tile_tokens = panel_tile_tokens(kind, isa, tokens);
    PanelTile tile{};
    for (int64_t index = 0; index < panel_tiles(tokens, tile_tokens); ++index) {
        tile = panel_tile(tokens, tile_tokens, index);
        if (token < tile.first_token + tile.tokens) break;
    }
    const int width = tile.tokens, slot = int(token - tile.first_token);
    const std::byte* at = panel + tile.first_token * token_bytes(kind, columns);
    const auto code = [&](const std::byte* block, int64_t i) {
        return float(get<int8_t>(block + (i / 4 * width + slot) * 4 + i % 4));
    };
    switch (kind) {
        case ActivationKind::f32:
            return get<float>(at + (column * width + slot) * 4);
        case ActivationKind::bf16:
            return bfloat_to_float(get<uint16_t>(at + (column / 2 * width + slot) * 4 + column % 2 * 2));
        case ActivationKind::q8_32: {
            const std::byte* block = at + column / 32 * Block32::kTokenBytes * width;
            return code(block, column % 32) * get<float>(block + 36 * width + 4 * slot);
        }
        case ActivationKind::q8_256: {
            const std::byte* block = at + column / 256 * Block256::kTokenBytes * width;
            return code(block, column % 256) * get<float>(block + 256 * width + 4 * slot);
        }
    }
    return 0;
}

}  // namespace hearth::cpu
