// How the quantisers use wide registers: one sub-block per lane. Every lane does the same plain float arithmetic in the
// same order, no sum crosses lanes and nothing is fused, so the bytes that come out do not depend on the width.
//
// A body is a template over the number of lanes, inlined into one entry function per instruction set; the vectors are
// lowered only there, for that function's registers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::quantisers {

#define LANES_INLINE inline __attribute__((always_inline))

template <int kLanes>
struct LaneTypes {
    typedef float Floats __attribute__((vector_size(4 * kLanes)));
    typedef int32_t Integers __attribute__((vector_size(4 * kLanes)));
};
template <int kLanes>
using Floats = typename LaneTypes<kLanes>::Floats;
template <int kLanes>
using Integers = typename LaneTypes<kLanes>::Integers;

template <class V>
LANES_INLINE V load(const float* at) {
    V value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
}
template <class V>
LANES_INLINE void store(float* at, V value) {
    __builtin_memcpy(at, &value, sizeof value);
}
template <class V>
LANES_INLINE V all(float value) {
    return V{} + value;
}
template <class V>
LANES_INLINE V smaller(V a, V b) {
    return a < b ? a : b;
}
template <class V>
LANES_INLINE V larger(V a, V b) {
    return a > b ? a : b;
}
template <class V>
LANES_INLINE V clamped(V value, float low, float high) {
    return smaller(larger(value, all<V>(low)), all<V>(high));
}
template <class V>
LANES_INLINE V magnitude(V value) {
    return value < V{} ? -value : value;
}
// To the nearest integer, ties to even: at 1.5 * 2^23 the last bit of a float counts ones. Beyond 2^22 the result is
// only near, which is enough before a clamp.
template <class V>
LANES_INLINE V nearest_integer(V value) {
    constexpr float kOnes = 12582912.0f;
    return (value + kOnes) - kOnes;
}
// 1 / value, and 0 where value is 0.
template <class V>
LANES_INLINE V inverse_or_zero(V value) {
    const V one = all<V>(1.0f);
    return value == V{} ? V{} : one / (value == V{} ? one : value);
}

// What a quantiser works on: `count` values, whole blocks, as rows of `columns`; importance has one weight per column
// (null: all alike).
struct Job {
    const float* values;
    int64_t count;
    const float* importance;
    int64_t columns;
    std::byte* out;
};
using JobFn = void (*)(const Job&);

// The same job for each row of instructions; the widest that this machine has is taken.
struct JobRows {
    JobFn plain = nullptr, avx2 = nullptr, avx512 = nullptr;
};

// Defines the entries of a body `template <int kLanes> void body(const Job&)` and a constant with all of them.
#if defined(__x86_64__)
#define JOB_ROWS(name, ...)                                                                                        \
    static void name##_plain(const Job& job) {                                                                     \
        __VA_ARGS__<4>(job);                                                                                       \
    }                                                                                                              \
    __attribute__((target("avx2"))) static void name##_avx2(const Job& job) {                                      \
        __VA_ARGS__<8>(job);                                                                                       \
    }                                                                                                              \
    __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl"))) static void name##_avx512(const Job& job) { \
        __VA_ARGS__<16>(job);                                                                                      \
    }                                                                                                              \
    const JobRows name{name##_plain, name##_avx2, name##_avx512};
#else
#define JOB_ROWS(name, ...)                    \
    static void name##_plain(const Job& job) { \
        __VA_ARGS__<4>(job);                   \
    }                                          \
    const JobRows name{name##_plain, nullptr, nullptr};
#endif

}  // namespace hearth::quantisers
