// One small vocabulary of float vectors, spoken by four instruction sets, so that each op's kernel is written once: a
// kernel body (ops/*_kernels.inc) is included in the namespace of every set (by every_row.inc) and sees `Floats`,
// kLanes and the functions below. Lanes are independent everywhere except in sum() and largest(), whose order is fixed;
// a partial vector computes what a full one does. Therefore a result depends on its place in no way.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "backends/cpu/target.h"  // last: shared inline functions stay baseline code
#include "tensor/half.h"

#define LANES_INLINE static inline __attribute__((always_inline))
#define LANES_LAMBDA __attribute__((always_inline))

// ---- plain: four lanes of the compiler's own vectors. The baseline has no fused multiply-add, so fma() rounds twice
// here.
namespace hearth::cpu::plain {

typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 16;

LANES_INLINE Floats load(const float* p) {
    Floats v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
LANES_INLINE void store(float* p, Floats v) {
    std::memcpy(p, &v, sizeof v);
}
LANES_INLINE Floats load_first(const float* p, int64_t count) {
    Floats v = {0, 0, 0, 0};
    for (int64_t i = 0; i < count; ++i) v[i] = p[i];
    return v;
}
LANES_INLINE void store_first(float* p, Floats v, int64_t count) {
    for (int64_t i = 0; i < count; ++i) p[i] = v[i];
}
LANES_INLINE Floats spread(float x) {
    return Floats{x, x, x, x};
}
LANES_INLINE Floats add(Floats a, Floats b) {
    return a + b;
}
LANES_INLINE Floats sub(Floats a, Floats b) {
    return a - b;
}
LANES_INLINE Floats mul(Floats a, Floats b) {
    return a * b;
}
LANES_INLINE Floats div(Floats a, Floats b) {
    return a / b;
}
LANES_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return a * b + c;
}
LANES_INLINE Floats fnma(Floats a, Floats b, Floats c) {
    return c - a * b;
}
LANES_INLINE Floats max(Floats a, Floats b) {
    return a > b ? a : b;
}  // b if either is NaN
LANES_INLINE Floats min(Floats a, Floats b) {
    return a < b ? a : b;
}
LANES_INLINE Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
    return a < b ? yes : no;
}
LANES_INLINE Floats magnitude(Floats a) {
    return (Floats)((Ints)a & 0x7FFFFFFF);
}
LANES_INLINE Floats with_sign_of(Floats a, Floats sign) {
    return (Floats)((Ints)magnitude(a) | ((Ints)sign & int32_t(0x80000000)));
}
LANES_INLINE Floats nearest(Floats a) {  // for |a| < 2^22
    const Floats magic = spread(0x1.8p23f);
    return (a + magic) - magic;
}
LANES_INLINE Floats times_power(Floats a,
                                Floats n) {  // a * 2^n, n whole, in [-252, 254]: two factors, each a normal number
    const Ints whole = __builtin_convertvector(n, Ints), half = whole >> 1;
    return a * (Floats)((half + 127) << 23) * (Floats)((whole - half + 127) << 23);
}
LANES_INLINE Floats load_half(const uint16_t* p) {
    return Floats{half_to_float(p[0]), half_to_float(p[1]), half_to_float(p[2]), half_to_float(p[3])};
}
LANES_INLINE Floats load_codes(const int8_t* p) {
    return Floats{float(p[0]), float(p[1]), float(p[2]), float(p[3])};
}
// A nibble n stands for n - 8.
LANES_INLINE Floats load_low_nibbles(const uint8_t* p) {
    return Floats{float(p[0] & 15), float(p[1] & 15), float(p[2] & 15), float(p[3] & 15)} - spread(8);
}
LANES_INLINE Floats load_high_nibbles(const uint8_t* p) {
    return Floats{float(p[0] >> 4), float(p[1] >> 4), float(p[2] >> 4), float(p[3] >> 4)} - spread(8);
}
LANES_INLINE float sum(Floats v) {
    return (v[0] + v[2]) + (v[1] + v[3]);
}
LANES_INLINE float largest(Floats v) {
    const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
}
// Even codes in the low halves of bytes, odd ones in the high.
LANES_INLINE Floats load_nibble_pairs(const uint8_t* p) {
    return Floats{float(p[0] & 15), float(p[0] >> 4), float(p[1] & 15), float(p[1] >> 4)} - spread(8);
}
LANES_INLINE void store_half(uint16_t* p, Floats v) {
    for (int i = 0; i < kLanes; ++i) p[i] = float_to_half(v[i]);
}
LANES_INLINE Floats swap_neighbours(Floats v) {
    return Floats{v[1], v[0], v[3], v[2]};
}
#include "backends/cpu/ops/functions.inc"

}  // namespace hearth::cpu::plain

#if TARGET_X86

// ---- AVX2 with FMA: eight lanes.
namespace hearth::cpu::avx2 {
TARGET_BEGIN(TARGET_AVX2)

using Floats = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;

LANES_INLINE __m256i first_lanes(int64_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LANES_INLINE Floats load(const float* p) {
    return _mm256_loadu_ps(p);
}
LANES_INLINE void store(float* p, Floats v) {
    _mm256_storeu_ps(p, v);
}
LANES_INLINE Floats load_first(const float* p, int64_t count) {
    return _mm256_maskload_ps(p, first_lanes(count));
}
LANES_INLINE void store_first(float* p, Floats v, int64_t count) {
    _mm256_maskstore_ps(p, first_lanes(count), v);
}
LANES_INLINE Floats spread(float x) {
    return _mm256_set1_ps(x);
}
LANES_INLINE Floats add(Floats a, Floats b) {
    return _mm256_add_ps(a, b);
}
LANES_INLINE Floats sub(Floats a, Floats b) {
    return _mm256_sub_ps(a, b);
}
LANES_INLINE Floats mul(Floats a, Floats b) {
    return _mm256_mul_ps(a, b);
}
LANES_INLINE Floats div(Floats a, Floats b) {
    return _mm256_div_ps(a, b);
}
LANES_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return _mm256_fmadd_ps(a, b, c);
}
LANES_INLINE Floats fnma(Floats a, Floats b, Floats c) {
    return _mm256_fnmadd_ps(a, b, c);
}
LANES_INLINE Floats max(Floats a, Floats b) {
    return _mm256_max_ps(a, b);
}
LANES_INLINE Floats min(Floats a, Floats b) {
    return _mm256_min_ps(a, b);
}
LANES_INLINE Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
LANES_INLINE Floats magnitude(Floats a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
LANES_INLINE Floats with_sign_of(Floats a, Floats sign) {
    return _mm256_or_ps(magnitude(a), _mm256_and_ps(_mm256_set1_ps(-0.0f), sign));
}
LANES_INLINE Floats nearest(Floats a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
LANES_INLINE Floats times_power(Floats a, Floats n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    const Floats once = _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(once, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}
LANES_INLINE Floats load_half(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
}
LANES_INLINE Floats load_codes(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
}
LANES_INLINE Floats nibbles_in(__m128i bytes) {  // the low halves of the first eight
    const __m128i codes = _mm_sub_epi8(_mm_and_si128(bytes, _mm_set1_epi8(15)), _mm_set1_epi8(8));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}
LANES_INLINE Floats load_low_nibbles(const uint8_t* p) {
    return nibbles_in(_mm_loadl_epi64((const __m128i*)p));
}
LANES_INLINE Floats load_high_nibbles(const uint8_t* p) {
    return nibbles_in(_mm_srli_epi16(_mm_loadl_epi64((const __m128i*)p), 4));
}
LANES_INLINE float sum(Floats v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
LANES_INLINE float largest(Floats v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
LANES_INLINE Floats load_nibble_pairs(const uint8_t* p) {
    int32_t four;
    std::memcpy(&four, p, sizeof four);
    const __m128i bytes = _mm_cvtsi32_si128(four);
    return nibbles_in(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)));
}
LANES_INLINE void store_half(uint16_t* p, Floats v) {
    _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
LANES_INLINE Floats swap_neighbours(Floats v) {
    return _mm256_permute_ps(v, 0xB1);
}
#include "backends/cpu/ops/functions.inc"

TARGET_END
}  // namespace hearth::cpu::avx2

// ---- AVX-512: sixteen lanes.
namespace hearth::cpu::avx512 {
TARGET_BEGIN(TARGET_AVX512)

using Floats = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;

LANES_INLINE __mmask16 first_lanes(int64_t count) {
    return __mmask16((1u << count) - 1);
}
LANES_INLINE Floats load(const float* p) {
    return _mm512_loadu_ps(p);
}
LANES_INLINE void store(float* p, Floats v) {
    _mm512_storeu_ps(p, v);
}
LANES_INLINE Floats load_first(const float* p, int64_t count) {
    return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
LANES_INLINE void store_first(float* p, Floats v, int64_t count) {
    _mm512_mask_storeu_ps(p, first_lanes(count), v);
}
LANES_INLINE Floats spread(float x) {
    return _mm512_set1_ps(x);
}
LANES_INLINE Floats add(Floats a, Floats b) {
    return _mm512_add_ps(a, b);
}
LANES_INLINE Floats sub(Floats a, Floats b) {
    return _mm512_sub_ps(a, b);
}
LANES_INLINE Floats mul(Floats a, Floats b) {
    return _mm512_mul_ps(a, b);
}
LANES_INLINE Floats div(Floats a, Floats b) {
    return _mm512_div_ps(a, b);
}
LANES_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return _mm512_fmadd_ps(a, b, c);
}
LANES_INLINE Floats fnma(Floats a, Floats b, Floats c) {
    return _mm512_fnmadd_ps(a, b, c);
}
LANES_INLINE Floats max(Floats a, Floats b) {
    return _mm512_max_ps(a, b);
}
LANES_INLINE Floats min(Floats a, Floats b) {
    return _mm512_min_ps(a, b);
}
LANES_INLINE Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
LANES_INLINE Floats magnitude(Floats a) {
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
LANES_INLINE Floats with_sign_of(Floats a, Floats sign) {
    return _mm512_or_ps(magnitude(a), _mm512_and_ps(_mm512_set1_ps(-0.0f), sign));
}
LANES_INLINE Floats nearest(Floats a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
LANES_INLINE Floats times_power(Floats a, Floats n) {
    return _mm512_scalef_ps(a, n);
}
LANES_INLINE Floats load_half(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
}
LANES_INLINE Floats load_codes(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
}
// The table is asked with the low four bits of every lane; what stands above them does not matter.
LANES_INLINE Floats nibbles_in(__m512i lanes) {
    return _mm512_permutexvar_ps(lanes, _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7));
}
LANES_INLINE Floats load_low_nibbles(const uint8_t* p) {
    return nibbles_in(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)));
}
LANES_INLINE Floats load_high_nibbles(const uint8_t* p) {
    return nibbles_in(_mm512_srli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)), 4));
}
// Not the intrinsics, whose undefined pass-through operand GCC 12 warns of.
LANES_INLINE __m256 low_half(Floats v) {
    return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
}
LANES_INLINE __m256 high_half(Floats v) {
    return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
}
LANES_INLINE float sum(Floats v) {
    const __m256 half = _mm256_add_ps(low_half(v), high_half(v));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
LANES_INLINE float largest(Floats v) {
    const __m256 half = _mm256_max_ps(low_half(v), high_half(v));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
LANES_INLINE Floats load_nibble_pairs(const uint8_t* p) {
    // Every byte in the low lane of a pair, its high half moved to the bottom of the high lane.
    const __m512i pairs = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i*)p));
    return nibbles_in(_mm512_or_si512(pairs, _mm512_slli_epi64(pairs, 28)));
}
LANES_INLINE void store_half(uint16_t* p, Floats v) {
    _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
LANES_INLINE Floats swap_neighbours(Floats v) {
    return _mm512_permute_ps(v, 0xB1);
}
#include "backends/cpu/ops/functions.inc"

TARGET_END
}  // namespace hearth::cpu::avx512

#endif  // TARGET_X86

#if TARGET_ARM

// ---- NEON: four lanes.
namespace hearth::cpu::neon {

using Floats = float32x4_t;
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 32;

LANES_INLINE Floats load(const float* p) {
    return vld1q_f32(p);
}
LANES_INLINE void store(float* p, Floats v) {
    vst1q_f32(p, v);
}
LANES_INLINE Floats load_first(const float* p, int64_t count) {
    float lanes[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
    return load(lanes);
}
LANES_INLINE void store_first(float* p, Floats v, int64_t count) {
    float lanes[kLanes];
    store(lanes, v);
    for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
}
LANES_INLINE Floats spread(float x) {
    return vdupq_n_f32(x);
}
LANES_INLINE Floats add(Floats a, Floats b) {
    return vaddq_f32(a, b);
}
LANES_INLINE Floats sub(Floats a, Floats b) {
    return vsubq_f32(a, b);
}
LANES_INLINE Floats mul(Floats a, Floats b) {
    return vmulq_f32(a, b);
}
LANES_INLINE Floats div(Floats a, Floats b) {
    return vdivq_f32(a, b);
}
LANES_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return vfmaq_f32(c, a, b);
}
LANES_INLINE Floats fnma(Floats a, Floats b, Floats c) {
    return vfmsq_f32(c, a, b);
}
LANES_INLINE Floats max(Floats a, Floats b) {
    return vmaxq_f32(a, b);
}  // NaN if either is
LANES_INLINE Floats min(Floats a, Floats b) {
    return vminq_f32(a, b);
}
LANES_INLINE Floats where_less(Floats a, Floats b, Floats yes, Floats no) {
    return vbslq_f32(vcltq_f32(a, b), yes, no);
}
LANES_INLINE Floats magnitude(Floats a) {
    return vabsq_f32(a);
}
LANES_INLINE Floats with_sign_of(Floats a, Floats sign) {
    return vbslq_f32(vdupq_n_u32(0x80000000), sign, a);
}
LANES_INLINE Floats nearest(Floats a) {
    return vrndnq_f32(a);
}
LANES_INLINE Floats times_power(Floats a, Floats n) {
    const int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
    const int32x4_t rest = vsubq_s32(whole, half);
    const Floats once = vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
    return vmulq_f32(once, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}
LANES_INLINE Floats load_half(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
LANES_INLINE uint8x8_t load_four_bytes(const void* p) {
    uint32_t four;
    std::memcpy(&four, p, sizeof four);
    return vreinterpret_u8_u32(vdup_n_u32(four));
}
LANES_INLINE Floats floats_of(int8x8_t codes) {  // of the first four
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(codes))));
}
LANES_INLINE Floats load_codes(const int8_t* p) {
    return floats_of(vreinterpret_s8_u8(load_four_bytes(p)));
}
LANES_INLINE Floats floats_of_nibbles(uint8x8_t nibbles) {
    return floats_of(vsub_s8(vreinterpret_s8_u8(nibbles), vdup_n_s8(8)));
}
LANES_INLINE Floats load_low_nibbles(const uint8_t* p) {
    return floats_of_nibbles(vand_u8(load_four_bytes(p), vdup_n_u8(15)));
}
LANES_INLINE Floats load_high_nibbles(const uint8_t* p) {
    return floats_of_nibbles(vshr_n_u8(load_four_bytes(p), 4));
}
LANES_INLINE float sum(Floats v) {
    const float32x2_t half = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(half, 0) + vget_lane_f32(half, 1);
}
LANES_INLINE float largest(Floats v) {
    return vmaxvq_f32(v);
}
LANES_INLINE Floats load_nibble_pairs(const uint8_t* p) {
    uint16_t two;
    std::memcpy(&two, p, sizeof two);
    const uint8x8_t bytes = vreinterpret_u8_u16(vdup_n_u16(two));
    return floats_of_nibbles(vzip1_u8(vand_u8(bytes, vdup_n_u8(15)), vshr_n_u8(bytes, 4)));
}
LANES_INLINE void store_half(uint16_t* p, Floats v) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}
LANES_INLINE Floats swap_neighbours(Floats v) {
    return vrev64q_f32(v);
}
#include "backends/cpu/ops/functions.inc"

}  // namespace hearth::cpu::neon

#endif  // TARGET_ARM
