// Runs a job compiled for the instruction set that the caller asks for: a job has a member template `run<V>`, always
// inlined, so each function below holds its own copy of it. All copies give the same bits: no -mfma, and contraction
// is off.
#pragma once

#include "lanes.hpp"

namespace fusion {

// Instruction sets, in ascending order; a caller must not ask for more than the processor has.
enum class Level { kBaseline, kAvx2, kAvx512 };

/// The highest that the processor has.
inline Level processor_level() {
#if FUSION_LEVELS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
        return Level::kAvx512;
    }
    if (__builtin_cpu_supports("avx2")) return Level::kAvx2;
#endif
    return Level::kBaseline;
}

template <class Job>
void run_baseline(const Job& job) {
#if FUSION_VECTORS
    job.template run<Double2>();  // SSE2, NEON, or what the compiler makes of it
#else
    job.template run<double>();
#endif
}

#if FUSION_LEVELS
template <class Job>
__attribute__((target("avx2"))) void run_avx2(const Job& job) {
    job.template run<Double4>();
}
template <class Job>
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) void run_avx512(const Job& job) {
    job.template run<Double8>();
}
#endif

template <class Job>
void run(const Job& job, Level level) {
#if FUSION_LEVELS
    if (level == Level::kAvx512) return run_avx512(job);
    if (level == Level::kAvx2) return run_avx2(job);
#endif
    static_cast<void>(level);
    run_baseline(job);
}

}  // namespace fusion
