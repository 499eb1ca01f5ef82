// Vectors, and symmetric 3x3 systems by L D L^T without pivoting (Golub & Van Loan 2013, section 4.1.2), a lane each.
//
// Assumes a positive definite matrix; says so where a pivot keeps too little of its diagonal element to be trusted,
// or where anything is NaN. Only + - * /, always in this order: the bits are those of reference/linalg.py.
// Cost: three divisions and about 20 multiplications to factor, 9 multiplications to solve.
#pragma once

#include "lanes.hpp"

namespace fusion {

// Share of its diagonal element that a pivot must keep; below it, rounding decides what is left.
constexpr double kPivot = 1e-12;

template <class V>
struct Vec3 {
    V x, y, z;
};

// Of a camera's own vectors (doubles) and those of points (lanes), too.
template <class A, class B>
FUSION_INLINE auto operator+(const Vec3<A>& a, const Vec3<B>& b) -> Vec3<decltype(a.x + b.x)> {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <class A, class B>
FUSION_INLINE auto operator-(const Vec3<A>& a, const Vec3<B>& b) -> Vec3<decltype(a.x - b.x)> {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
template <class A, class B>
FUSION_INLINE auto operator*(const Vec3<A>& a, const B& s) -> Vec3<decltype(a.x * s)> {
    return {a.x * s, a.y * s, a.z * s};
}
template <class A, class B>
FUSION_INLINE auto dot(const Vec3<A>& a, const Vec3<B>& b) -> decltype(a.x * b.x) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <class V>
FUSION_INLINE Vec3<V> select(const Mask<V>& m, const Vec3<V>& a, const Vec3<V>& b) {
    return {select(m, a.x, b.x), select(m, a.y, b.y), select(m, a.z, b.z)};
}

template <class V>
FUSION_INLINE V larger(const V& a, const V& b) {
    return select<V>(less(a, b), b, a);
}
// The vector of length 1, by way of one whose largest element is 1, so that no square overflows.
template <class V>
FUSION_INLINE Vec3<V> unit(const Vec3<V>& a) {
    const Vec3<V> b = a * (1.0 / larger(larger(larger<V>(a.x, -a.x), larger<V>(a.y, -a.y)), larger<V>(a.z, -a.z)));
    return b * (1.0 / root(dot(b, b)));
}

template <class V>
struct Sym3 {
    V xx, xy, xz, yy, yz, zz;
};

template <class V>
FUSION_INLINE Sym3<V> operator+(const Sym3<V>& a, const Sym3<V>& b) {
    return {a.xx + b.xx, a.xy + b.xy, a.xz + b.xz, a.yy + b.yy, a.yz + b.yz, a.zz + b.zz};
}
template <class V>
FUSION_INLINE Sym3<V> operator*(const Sym3<V>& a, const V& w) {
    return {a.xx * w, a.xy * w, a.xz * w, a.yy * w, a.yz * w, a.zz * w};
}

// b b^T + c c^T
template <class V>
FUSION_INLINE Sym3<V> outer(const Vec3<V>& b, const Vec3<V>& c) {
    return {b.x * b.x + c.x * c.x, b.x * b.y + c.x * c.y, b.x * b.z + c.x * c.z,
            b.y * b.y + c.y * c.y, b.y * b.z + c.y * c.z, b.z * b.z + c.z * c.z};
}

// L (below its unit diagonal) and the inverse pivots of one matrix.
template <class V>
struct Factor3 {
    V l10, l20, l21, i0, i1, i2;
};

template <class V>
FUSION_INLINE Factor3<V> select(const Mask<V>& m, const Factor3<V>& a, const Factor3<V>& b) {
    return {select(m, a.l10, b.l10), select(m, a.l20, b.l20), select(m, a.l21, b.l21),
            select(m, a.i0, b.i0),   select(m, a.i1, b.i1),   select(m, a.i2, b.i2)};
}

// Returns whether `a` is safely positive definite; the factor is of no use otherwise.
template <class V>
FUSION_INLINE Mask<V> factorise(const Sym3<V>& a, Factor3<V>& f) {
    f.i0 = 1.0 / a.xx;
    f.l10 = a.xy * f.i0;
    f.l20 = a.xz * f.i0;
    const V d1 = a.yy - f.l10 * a.xy;
    f.i1 = 1.0 / d1;
    const V b = a.yz - f.l10 * a.xz;
    f.l21 = b * f.i1;
    const V d2 = a.zz - f.l20 * a.xz - f.l21 * b;
    f.i2 = 1.0 / d2;
    return both(less(splat<V>(0.0), a.xx), both(less<V>(kPivot * a.yy, d1), less<V>(kPivot * a.zz, d2)));
}

// x of a x = b.
template <class V>
FUSION_INLINE Vec3<V> solve(const Factor3<V>& f, const Vec3<V>& b) {
    const V y1 = b.y - f.l10 * b.x;
    const V y2 = b.z - f.l20 * b.x - f.l21 * y1;
    const V z = y2 * f.i2;
    const V y = y1 * f.i1 - f.l21 * z;
    return {b.x * f.i0 - f.l10 * y - f.l20 * z, y, z};
}

template <class V>
FUSION_INLINE Sym3<V> inverse(const Factor3<V>& f) {
    const V m20 = f.l10 * f.l21 - f.l20;  // last row of the inverse of L
    const V yz = -f.l21 * f.i2;
    const V xz = m20 * f.i2;
    return {f.i0 + f.l10 * f.l10 * f.i1 + m20 * xz, m20 * yz - f.l10 * f.i1, xz, f.i1 - f.l21 * yz, yz, f.i2};
}

}  // namespace fusion
