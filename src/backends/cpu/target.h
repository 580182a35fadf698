// Regions of code compiled for more than the baseline instruction set. Include this after all other headers, so that
// shared inline functions stay baseline code: else the linker may keep a copy of one that an older machine cannot run.
#pragma once

#define HEARTH_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define TARGET_BEGIN(features) \
    HEARTH_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TARGET_END HEARTH_PRAGMA(clang attribute pop)
#define UNROLLED HEARTH_PRAGMA(unroll)  // the next loop has a constant number of rounds and lives in registers
#else
#define TARGET_BEGIN(features) HEARTH_PRAGMA(GCC push_options) HEARTH_PRAGMA(GCC target(features))
#define TARGET_END HEARTH_PRAGMA(GCC pop_options)
#define UNROLLED HEARTH_PRAGMA(GCC unroll 16)
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__)
#define TARGET_X86 1
#include <immintrin.h>
#else
#define TARGET_X86 0
#endif

#if defined(__aarch64__)
#define TARGET_ARM 1
#include <arm_neon.h>
#else
#define TARGET_ARM 0
#endif

#define TARGET_AVX2 "avx,avx2,fma,f16c"
#define TARGET_AVX512 "avx,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#define TARGET_AVX512_BF16 TARGET_AVX512 ",avx512bf16"
// NEON itself is part of the baseline.
#define TARGET_DOTPROD "arch=armv8.2-a+dotprod"
#define TARGET_I8MM "arch=armv8.2-a+dotprod+i8mm"
