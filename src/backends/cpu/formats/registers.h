// Small pieces that the vector kernels share. Included last: it opens target regions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/cpu/target.h"

#if TARGET_X86
namespace hearth::cpu {

// How far ahead of the loads weights are asked for, in bytes. The requests run over the end of a group into the next
// one, so a stream of groups never starts cold; past the end of the memory they do nothing.
inline constexpr int kPrefetchBytes = 6144;

ALWAYS_INLINE int32_t dword(const std::byte* at) {
    int32_t value;
    std::memcpy(&value, at, 4);
    return value;
}
ALWAYS_INLINE float real(const std::byte* at) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
}

TARGET_BEGIN(TARGET_AVX512)
namespace wide {  // 512 bits

ALWAYS_INLINE __m512i load(const std::byte* at) {
    return _mm512_load_si512(at);
}
ALWAYS_INLINE __m512i shift_left(__m512i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(64)));
    return (__m512i)((Lanes)x << n);
}
ALWAYS_INLINE __m512i shift_right(__m512i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(64)));
    return (__m512i)((Lanes)x >> n);
}
ALWAYS_INLINE __m512i both(__m512i x, int mask) {
    return _mm512_and_si512(x, _mm512_set1_epi8(char(mask)));
}
ALWAYS_INLINE __m512i merge(__m512i low, __m512i high, int mask) {  // low | (high & mask)
    return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi8(char(mask)), 0xF8);
}
// Sixteen bytes repeated in all four quarters.
ALWAYS_INLINE __m512i table(const int8_t* values) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}
ALWAYS_INLINE __m512 halves(const std::byte* at) {  // 16 f16
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(at)));
}
ALWAYS_INLINE void prefetch(const std::byte* at, int bytes) {
    UNROLLED for (int i = 0; i < bytes; i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchBytes + i), _MM_HINT_T0);
    }
}

}  // namespace wide
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
namespace narrow {  // 256 bits

ALWAYS_INLINE __m256i load(const std::byte* at) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}
ALWAYS_INLINE __m256i shift_left(__m256i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(32)));
    return (__m256i)((Lanes)x << n);
}
ALWAYS_INLINE __m256i shift_right(__m256i x, int n) {
    typedef uint32_t Lanes __attribute__((vector_size(32)));
    return (__m256i)((Lanes)x >> n);
}
ALWAYS_INLINE __m256i both(__m256i x, int mask) {
    return _mm256_and_si256(x, _mm256_set1_epi8(char(mask)));
}
ALWAYS_INLINE __m256i merge(__m256i low, __m256i high, int mask) {
    return _mm256_or_si256(low, both(high, mask));
}
ALWAYS_INLINE __m256i table(const int8_t* values) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
}
ALWAYS_INLINE __m256 halves(const std::byte* at) {  // 8 f16
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(at)));
}
ALWAYS_INLINE void prefetch(const std::byte* at, int bytes) {
    UNROLLED for (int i = 0; i < bytes; i += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchBytes + i), _MM_HINT_T0);
    }
}
ALWAYS_INLINE void store(float* out, __m256 values, int rows) {
    if (rows == 8) {
        _mm256_storeu_ps(out, values);
        return;
    }
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32(rows), lane), values);
}
// sum + the products of each lane's four pairs of an unsigned and a signed byte. For the row avxvnni alone; written
// out, so that one function body serves rows that compilers tell apart.
ALWAYS_INLINE __m256i add_products(__m256i sum, __m256i codes, __m256i x) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(codes), "x"(x));
    return sum;
}
// Sums of the products of each lane's four byte pairs, for pairs of neighbours that fit int16.
ALWAYS_INLINE __m256i pair_sums(__m256i sums16) {
    return _mm256_madd_epi16(sums16, _mm256_set1_epi16(1));
}

}  // namespace narrow
TARGET_END

}  // namespace hearth::cpu
#endif
