// Several points side by side, a lane each: the type V of the templates is one `double`, or a vector of them.
//
// Vectors are GCC's and Clang's vector types, so one template body serves SSE2 and NEON (2 lanes), AVX2 (4) and AVX-512
// (8). Every function here is inlined always, so that it is compiled for the instruction set of the function that
// called it. Lanes never mix: each gives the bits of the scalar code, in which a branch takes the place of `select`.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "compiler.hpp"

#if defined(__GNUC__)
#define FUSION_VECTORS 1
#else
#define FUSION_VECTORS 0
#endif

#if FUSION_VECTORS
#pragma GCC diagnostic ignored "-Wpsabi"  // nothing here is called across a binary interface
#endif

namespace fusion {

#if FUSION_VECTORS
typedef double Double2 __attribute__((vector_size(16)));
typedef double Double4 __attribute__((vector_size(32)));
typedef double Double8 __attribute__((vector_size(64)));
#endif

template <class V>
constexpr int kLanes = static_cast<int>(sizeof(V) / sizeof(double));

template <class V>
FUSION_INLINE V splat(double a) {
    return a - V();  // not a + V(), which would lose the sign of -0.0
}

#if FUSION_VECTORS
// Where a condition holds: 1.0, else 0.0. Not an integer vector: compilers take comparisons that give one apart into
// scalars where the processor has mask registers.
template <class V>
struct LaneMask {
    V ones;
};
template <class V>
struct MaskOf {
    typedef LaneMask<V> type;
};
#else
template <class V>
struct MaskOf;
#endif
template <>
struct MaskOf<double> {
    typedef bool type;
};
template <class V>
using Mask = typename MaskOf<V>::type;

template <class V>
FUSION_INLINE Mask<V> less(const V& a, const V& b) {
    if constexpr (kLanes<V> == 1) {
        return a < b;
    } else {
        return {a < b ? splat<V>(1.0) : splat<V>(0.0)};
    }
}
template <class V>
FUSION_INLINE Mask<V> at_most(const V& a, const V& b) {
    if constexpr (kLanes<V> == 1) {
        return a <= b;
    } else {
        return {a <= b ? splat<V>(1.0) : splat<V>(0.0)};
    }
}
template <class V>
FUSION_INLINE V select(const Mask<V>& m, const V& a, const V& b) {
    if constexpr (kLanes<V> == 1) {
        return m ? a : b;
    } else {
        return m.ones != splat<V>(0.0) ? a : b;
    }
}
template <class V>
FUSION_INLINE V root(const V& a) {
    if constexpr (kLanes<V> == 1) {
        return std::sqrt(a);
    } else {
        V r;
        for (int i = 0; i < kLanes<V>; ++i) r[i] = std::sqrt(a[i]);
        return r;
    }
}

FUSION_INLINE bool both(bool m, bool n) {
    return m & n;
}
FUSION_INLINE bool either(bool m, bool n) {
    return m | n;
}
FUSION_INLINE bool without(bool m, bool n) {
    return m & !n;
}
FUSION_INLINE bool any(bool m) {
    return m;
}

#if FUSION_VECTORS
template <class V>
using Bits = decltype(V() < V());
template <class V>
FUSION_INLINE LaneMask<V> both(const LaneMask<V>& m, const LaneMask<V>& n) {
    return {(V)((Bits<V>)m.ones & (Bits<V>)n.ones)};
}
template <class V>
FUSION_INLINE LaneMask<V> either(const LaneMask<V>& m, const LaneMask<V>& n) {
    return {(V)((Bits<V>)m.ones | (Bits<V>)n.ones)};
}
template <class V>
FUSION_INLINE LaneMask<V> without(const LaneMask<V>& m, const LaneMask<V>& n) {
    return {(V)((Bits<V>)m.ones & ~(Bits<V>)n.ones)};
}
template <class V>
FUSION_INLINE bool any(const LaneMask<V>& m) {
    std::int64_t bits[kLanes<V>], all = 0;
    std::memcpy(bits, &m.ones, sizeof bits);
    for (std::int64_t b : bits) all |= b;
    return all != 0;
}
#endif

// The lanes, in order; of a mask, 1 where it holds.
template <class V>
FUSION_INLINE void unpack(const V& a, double* lanes) {
    std::memcpy(lanes, &a, sizeof a);
}
template <class V>
FUSION_INLINE void unpack_mask(const Mask<V>& m, double* lanes) {
    unpack(select<V>(m, splat<V>(1.0), splat<V>(0.0)), lanes);
}
template <class V>
FUSION_INLINE V pack(const double* lanes) {
    if constexpr (kLanes<V> == 1) {
        return *lanes;
    } else {
        V a;
        for (int i = 0; i < kLanes<V>; ++i) a[i] = lanes[i];  // in registers; a wide load would wait for narrow stores
        return a;
    }
}

template <class V>
FUSION_INLINE Mask<V> always() {
    return at_most(splat<V>(0.0), splat<V>(0.0));
}
template <class V>
FUSION_INLINE Mask<V> never() {
    return less(splat<V>(0.0), splat<V>(0.0));
}
template <class V>
FUSION_INLINE Mask<V> finite(const V& a) {
    return at_most(a - a, splat<V>(0.0));  // differences of infinities are NaN
}

}  // namespace fusion
