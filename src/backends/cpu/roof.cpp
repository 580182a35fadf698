#include "backends/cpu/roof.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/os.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "backends/cpu/target.h"

namespace hearth::cpu {

namespace {

using Sum = uint64_t (*)(const std::byte* data, size_t bytes);
using Peak = double (*)(int64_t rounds);  // runs that many rounds, returns the operations done

uint64_t sum_plain(const std::byte* data, size_t bytes) {
    uint64_t sums[8] = {};
    for (size_t i = 0; i + 64 <= bytes; i += 64) {
        uint64_t words[8];
        std::memcpy(words, data + i, sizeof words);
        for (int lane = 0; lane < 8; ++lane) sums[lane] += words[lane];
    }
    uint64_t sum = 0;
    for (const uint64_t lane : sums) sum += lane;
    return sum;
}
double peak_unknown(int64_t) {
    return 0;
}

#if TARGET_X86
TARGET_BEGIN("avx2")
uint64_t sum_avx2(const std::byte* data, size_t bytes) {
    __m256i sums[4] = {};
    for (size_t i = 0; i + 128 <= bytes; i += 128)
        for (int part = 0; part < 4; ++part)
            sums[part] =
                _mm256_add_epi64(sums[part], _mm256_load_si256(reinterpret_cast<const __m256i*>(data + i) + part));
    const __m256i all = _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
    return uint64_t(_mm256_extract_epi64(all, 0)) + uint64_t(_mm256_extract_epi64(all, 1)) +
           uint64_t(_mm256_extract_epi64(all, 2)) + uint64_t(_mm256_extract_epi64(all, 3));
}

// The densest int8 product AVX2 has: vpmaddubsw, vpmaddwd, vpaddd.
double peak_avx2(int64_t rounds) {
    __m256i sums[8] = {}, weights = _mm256_set1_epi8(3), values = _mm256_set1_epi8(5);
    const __m256i ones = _mm256_set1_epi16(1);
    for (__m256i& sum : sums) asm volatile("" : "+x"(sum));  // eight sums, not one computed once
    for (int64_t round = 0; round < rounds; ++round) {
        for (__m256i& sum : sums)
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, values), ones));
        asm volatile("" : "+x"(weights), "+x"(values));  // not the same product again for the compiler
    }
    for (const __m256i& sum : sums) asm volatile("" ::"x"(sum));
    return double(rounds) * 8 * 32 * 2;
}
TARGET_END

TARGET_BEGIN("avx2,fma")
double peak_f32_avx2(int64_t rounds) {
    __m256 sums[12] = {}, weights = _mm256_set1_ps(0.5f), values = _mm256_set1_ps(0.25f);
    for (__m256& sum : sums) asm volatile("" : "+x"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (__m256& sum : sums) sum = _mm256_fmadd_ps(weights, values, sum);
        asm volatile("" : "+x"(weights), "+x"(values));
    }
    for (const __m256& sum : sums) asm volatile("" ::"x"(sum));
    return double(rounds) * 12 * 8 * 2;
}
TARGET_END

TARGET_BEGIN(TARGET_AVX2)
double peak_avxvnni(int64_t rounds) {
    __m256i sums[12] = {}, weights = _mm256_set1_epi8(3), values = _mm256_set1_epi8(5);
    for (int64_t round = 0; round < rounds; ++round) {
        for (__m256i& sum : sums) asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(weights), "x"(values));
    }
    for (const __m256i& sum : sums) asm volatile("" ::"x"(sum));
    return double(rounds) * 12 * 32 * 2;
}
TARGET_END

TARGET_BEGIN("avx512f,avx512bw,avx512vnni")
uint64_t sum_avx512(const std::byte* data, size_t bytes) {
    __m512i sums[4] = {};
    for (size_t i = 0; i + 256 <= bytes; i += 256)
        for (int part = 0; part < 4; ++part)
            sums[part] = _mm512_add_epi64(sums[part], _mm512_load_si512(data + i + 64 * part));
    return uint64_t(_mm512_reduce_add_epi64(
        _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]))));
}

double peak_avx512(int64_t rounds) {
    __m512i sums[12] = {}, weights = _mm512_set1_epi8(3), values = _mm512_set1_epi8(5);
    for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, weights, values);
        asm volatile("" : "+v"(weights), "+v"(values));
    }
    for (const __m512i& sum : sums) asm volatile("" ::"v"(sum));
    return double(rounds) * 12 * 64 * 2;
}

double peak_f32_avx512(int64_t rounds) {
    __m512 sums[12] = {}, weights = _mm512_set1_ps(0.5f), values = _mm512_set1_ps(0.25f);
    for (__m512& sum : sums) asm volatile("" : "+v"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (__m512& sum : sums) sum = _mm512_fmadd_ps(weights, values, sum);
        asm volatile("" : "+v"(weights), "+v"(values));
    }
    for (const __m512& sum : sums) asm volatile("" ::"v"(sum));
    return double(rounds) * 12 * 16 * 2;
}
TARGET_END
#elif TARGET_ARM
uint64_t sum_neon(const std::byte* data, size_t bytes) {
    uint64x2_t sums[4] = {};
    for (size_t i = 0; i + 64 <= bytes; i += 64)
        for (size_t part = 0; part < 4; ++part)
            sums[part] = vaddq_u64(
                sums[part], vreinterpretq_u64_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(data) + i + 16 * part)));
    return vaddvq_u64(vaddq_u64(vaddq_u64(sums[0], sums[1]), vaddq_u64(sums[2], sums[3])));
}

// Without sdot: smull, smlal and sadalp, half a register of products each.
double peak_neon(int64_t rounds) {
    int32x4_t sums[12] = {};
    int8x16_t weights = vdupq_n_s8(3), values = vdupq_n_s8(5);
    for (int32x4_t& sum : sums) asm volatile("" : "+w"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (int32x4_t& sum : sums)
            sum = vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(weights), vget_low_s8(values)), weights, values));
        asm volatile("" : "+w"(weights), "+w"(values));
    }
    for (const int32x4_t& sum : sums) asm volatile("" ::"w"(sum));
    return double(rounds) * 12 * 16 * 2;
}

double peak_f32_neon(int64_t rounds) {
    float32x4_t sums[12] = {}, weights = vdupq_n_f32(0.5f), values = vdupq_n_f32(0.25f);
    for (float32x4_t& sum : sums) asm volatile("" : "+w"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (float32x4_t& sum : sums) sum = vfmaq_f32(sum, weights, values);
        asm volatile("" : "+w"(weights), "+w"(values));
    }
    for (const float32x4_t& sum : sums) asm volatile("" ::"w"(sum));
    return double(rounds) * 12 * 4 * 2;
}

TARGET_BEGIN(TARGET_DOTPROD)
double peak_dotprod(int64_t rounds) {
    int32x4_t sums[12] = {};
    int8x16_t weights = vdupq_n_s8(3), values = vdupq_n_s8(5);
    for (int32x4_t& sum : sums) asm volatile("" : "+w"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (int32x4_t& sum : sums) sum = vdotq_s32(sum, weights, values);
        asm volatile("" : "+w"(weights), "+w"(values));
    }
    for (const int32x4_t& sum : sums) asm volatile("" ::"w"(sum));
    return double(rounds) * 12 * 16 * 2;
}
TARGET_END

TARGET_BEGIN(TARGET_I8MM)
double peak_i8mm(int64_t rounds) {
    int32x4_t sums[12] = {};
    int8x16_t weights = vdupq_n_s8(3), values = vdupq_n_s8(5);
    for (int32x4_t& sum : sums) asm volatile("" : "+w"(sum));
    for (int64_t round = 0; round < rounds; ++round) {
        for (int32x4_t& sum : sums) sum = vmmlaq_s32(sum, weights, values);
        asm volatile("" : "+w"(weights), "+w"(values));
    }
    for (const int32x4_t& sum : sums) asm volatile("" ::"w"(sum));
    return double(rounds) * 12 * 32 * 2;
}
TARGET_END
#endif

const KernelTable<Sum> kSum {
#if TARGET_X86
    {Isa::avx512, sum_avx512}, {Isa::avx2, sum_avx2},
#elif TARGET_ARM
    {Isa::neon, sum_neon},
#endif
    {
        Isa::any, sum_plain
    }
};

const KernelTable<Peak> kPeak {
#if TARGET_X86
    {Isa::avx512, peak_avx512}, {Isa::avxvnni, peak_avxvnni}, {Isa::avx2, peak_avx2},
#elif TARGET_ARM
    {Isa::i8mm, peak_i8mm}, {Isa::dotprod, peak_dotprod}, {Isa::neon, peak_neon},
#endif
    {
        Isa::any, peak_unknown
    }
};

const KernelTable<Peak> kPeakF32 {
#if TARGET_X86
    {Isa::avx512, peak_f32_avx512}, {Isa::avx2, peak_f32_avx2},
#elif TARGET_ARM
    {Isa::neon, peak_f32_neon},
#endif
    {
        Isa::any, peak_unknown
    }
};

constexpr int kTries = 5;  // the best one counts

double operations_per_second(ThreadPool& pool, Peak peak) {
    double best = 0;
    for (int round = 0; round < kTries; ++round) {
        const int64_t items = pool.threads() * 8;
        std::vector<double> done(size_t(items), 0);
        const double start = monotonic_seconds();
        pool.run(items, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t item = begin; item < end; ++item) done[size_t(item)] = peak(200000);
        });
        double operations = 0;
        for (const double part : done) operations += part;
        best = std::max(best, operations / (monotonic_seconds() - start));
    }
    return best;
}

}  // namespace

Result<Roof> measure_roof(ThreadPool& pool, Isa isa, size_t buffer_bytes) {
    constexpr size_t kPiece = size_t{1} << 20;
    const int64_t pieces = int64_t(buffer_bytes / kPiece);
    const Pages buffer = TRY(Pages::allocate(size_t(pieces) * kPiece));
    std::memset(buffer.data(), 1, buffer.size());

    Roof roof;
    for (int round = 0; round < kTries; ++round) {
        std::vector<uint64_t> sums(size_t(pieces), 0);
        const double start = monotonic_seconds();
        pool.run(pieces, 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t piece = begin; piece < end; ++piece)
                sums[size_t(piece)] = kSum.at(isa)(buffer.data() + size_t(piece) * kPiece, kPiece);
        });
        roof.read_bytes_per_second =
            std::max(roof.read_bytes_per_second, double(buffer.size()) / (monotonic_seconds() - start));
    }
    roof.int8_ops_per_second = operations_per_second(pool, kPeak.at(isa));
    roof.f32_ops_per_second = operations_per_second(pool, kPeakF32.at(isa));
    return roof;
}

}  // namespace hearth::cpu
