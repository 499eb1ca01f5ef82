// The instruction set that the kernels use here. The bits are the same at every level; tests use the cap to show that.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "levels.hpp"

namespace fusion {

constexpr const char* kLevelNames[] = {"baseline", "avx2", "avx512"};

// The processor's level, or what the environment variable FUSION_SIMD caps it to.
inline Level level() {
    static const Level best = processor_level();
    const char* cap = std::getenv("FUSION_SIMD");
    if (cap == nullptr || *cap == '\0') return best;
    for (int i = 0; i < 3; ++i) {
        if (std::strcmp(cap, kLevelNames[i]) == 0) return std::min(best, static_cast<Level>(i));
    }
    throw std::invalid_argument(std::string("FUSION_SIMD must be baseline, avx2 or avx512; got '") + cap + "'");
}

}  // namespace fusion
