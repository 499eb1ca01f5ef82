// Two doubles at a time: loops over columns in SSE2, NEON, or in AVX2 where the machine has it.
//
// Only comparisons and single operations, so the bits are those of a scalar loop. Where a compiler has no vector
// extension, a pair is two doubles.
#pragma once

#include <cstring>

#include "compiler.hpp"

namespace fusion {

#if defined(__GNUC__)

typedef double Pair __attribute__((vector_size(16)));

FUSION_INLINE Pair less_choose(Pair a, Pair b, Pair yes, Pair no) {
    return a < b ? yes : no;
}

#else

struct Pair {
    double first, second;
    double operator[](int k) const { return k ? second : first; }
};

inline Pair operator+(Pair a, Pair b) {
    return {a.first + b.first, a.second + b.second};
}
inline Pair operator*(Pair a, Pair b) {
    return {a.first * b.first, a.second * b.second};
}
inline Pair operator-(Pair a, Pair b) {
    return {a.first - b.first, a.second - b.second};
}
inline Pair less_choose(Pair a, Pair b, Pair yes, Pair no) {
    return {a.first < b.first ? yes.first : no.first, a.second < b.second ? yes.second : no.second};
}

#endif

FUSION_INLINE Pair load(const double* p) {
    Pair a;
    std::memcpy(&a, p, sizeof a);
    return a;
}
FUSION_INLINE void store(double* p, Pair a) {
    std::memcpy(p, &a, sizeof a);
}
FUSION_INLINE Pair both(double x) {
    return Pair{x, x};
}
FUSION_INLINE Pair turned(Pair a) {
    return Pair{a[1], a[0]};
}
FUSION_INLINE Pair least(Pair a, Pair b) {
    return less_choose(a, b, a, b);
}
FUSION_INLINE Pair most(Pair a, Pair b) {
    return less_choose(b, a, a, b);
}

/// Places of the least of `a` and `b`, the lower place where they are equal.
FUSION_INLINE Pair least_at(Pair a, Pair b, Pair at_a, Pair at_b) {
    return less_choose(a, b, at_a, less_choose(b, a, at_b, least(at_a, at_b)));
}

}  // namespace fusion
