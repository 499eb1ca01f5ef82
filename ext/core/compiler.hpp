// What compilers call differently.
#pragma once
#include <cstdint>
#if defined(_MSC_VER)
#include <intrin.h>
#endif

// FUSION_BASELINE leaves out the copies of functions for wider registers, and leaves inlining and vectors to the
// compiler: sanitizers take minutes over what is inlined always.
#if defined(__GNUC__) && !defined(FUSION_BASELINE)
#define FUSION_INLINE inline __attribute__((always_inline))
#else
#define FUSION_INLINE inline
#endif

// A function that is not worth copies of itself: firmware has little room.
#if defined(__GNUC__)
#define FUSION_APART inline __attribute__((noinline))
#else
#define FUSION_APART inline
#endif

// Before a loop over rows that never overlap, which the compiler cannot see.
#if defined(FUSION_BASELINE)
#define FUSION_VECTORISE
#elif defined(__clang__)
#define FUSION_VECTORISE _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define FUSION_VECTORISE _Pragma("GCC ivdep")
#else
#define FUSION_VECTORISE
#endif

// Whether functions are compiled for AVX2 and AVX-512 too.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(FUSION_BASELINE)
#define FUSION_LEVELS 1
#else
#define FUSION_LEVELS 0
#endif

// Before a function that is compiled for AVX2 too; what it calls must be FUSION_INLINE. The choice is glibc's when the
// library is loaded, which AddressSanitizer does not survive; clang leaves out what clones call of the standard
// library.
#if FUSION_LEVELS && !defined(__clang__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define FUSION_CLONES __attribute__((target_clones("avx2", "default"), unused))
#else
#define FUSION_CLONES [[maybe_unused]]
#endif

namespace fusion {

/// Place of the lowest bit that is set; bits is not 0.
inline int lowest_bit(std::uint64_t bits) {
#if defined(_MSC_VER)
    unsigned long place;
    _BitScanForward64(&place, bits);
    return static_cast<int>(place);
#else
    return __builtin_ctzll(bits);
#endif
}

}  // namespace fusion
