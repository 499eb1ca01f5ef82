// One body, several instruction sets: a kernel's hot loop is written once, as an always-inline template, and
// instantiated for each level; the caller passes the level, so the core keeps no state and every level gives the same
// bits (no contraction, no reassociation). Elsewhere than on x86-64 the compiler's baseline is the only level: NEON on
// aarch64, scalar on microcontrollers.
#pragma once
#include <cstdint>

namespace fusion::simd {

enum Level : std::int32_t { BASELINE, AVX2, AVX512 };

}  // namespace fusion::simd

#if defined(__x86_64__) && defined(__GNUC__)
#define FUSION_LEVELS 1
#define FUSION_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define FUSION_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw")))
#else
#define FUSION_AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,prefer-vector-width=512")))
#endif
#endif

#if defined(__GNUC__)
#define FUSION_INLINE inline __attribute__((always_inline))
#else
#define FUSION_INLINE inline
#endif

// The rows of a state never overlap; the compiler cannot see that.
#if defined(__clang__)
#define FUSION_VECTORISE _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define FUSION_VECTORISE _Pragma("GCC ivdep")
#else
#define FUSION_VECTORISE
#endif
