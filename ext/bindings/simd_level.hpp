// The instruction set that the kernels use here: the best one that the processor has, or at most the one that the
// environment variable FUSION_SIMD names (baseline, avx2, avx512). The bits are the same; tests use it to show that.
#pragma once
#include <cstdlib>
#include <cstring>

#include "simd.hpp"

namespace fusion::simd {

inline Level available() {
#if FUSION_LEVELS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        return AVX512;
    if (__builtin_cpu_supports("avx2")) return AVX2;
#endif
    return BASELINE;
}

inline Level chosen() {
    const Level best = available();
    const char* const name = std::getenv("FUSION_SIMD");
    if (name == nullptr) return best;
    const Level most = std::strcmp(name, "baseline") == 0 ? BASELINE : (std::strcmp(name, "avx2") == 0 ? AVX2 : AVX512);
    return most < best ? most : best;
}

}  // namespace fusion::simd
