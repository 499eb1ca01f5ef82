// Symmetric 3x3 systems by L D L^T without pivoting (Golub & Van Loan 2013, section 4.1.2).
//
// Assumes a positive definite matrix; says so where a pivot keeps too little of its diagonal element to be trusted,
// or where anything is NaN. Only + - * /, always in this order: the bits are those of reference/linalg.py.
// Cost: three divisions and about 20 multiplications to factor, 9 multiplications to solve.
#pragma once

namespace fusion {

// Share of its diagonal element that a pivot must keep; below it, rounding decides what is left.
constexpr double kPivot = 1e-12;

struct Vec3 {
    double x, y, z;
};

inline Vec3 operator+(const Vec3& a, const Vec3& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
inline Vec3 operator-(const Vec3& a, const Vec3& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
inline Vec3 operator*(const Vec3& a, double s) {
    return {a.x * s, a.y * s, a.z * s};
}
inline double dot(const Vec3& a, const Vec3& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

struct Sym3 {
    double xx, xy, xz, yy, yz, zz;
};

// a += w * (b b^T + c c^T)
inline void add_outer(Sym3& a, const Vec3& b, const Vec3& c, double w) {
    a.xx += w * (b.x * b.x + c.x * c.x);
    a.xy += w * (b.x * b.y + c.x * c.y);
    a.xz += w * (b.x * b.z + c.x * c.z);
    a.yy += w * (b.y * b.y + c.y * c.y);
    a.yz += w * (b.y * b.z + c.y * c.z);
    a.zz += w * (b.z * b.z + c.z * c.z);
}

// L (below its unit diagonal) and the inverse pivots of one matrix.
struct Factor3 {
    double l10, l20, l21, i0, i1, i2;
};

// Returns whether `a` is safely positive definite; the factor is of no use otherwise.
inline bool factorise(const Sym3& a, Factor3& f) {
    f.i0 = 1.0 / a.xx;
    f.l10 = a.xy * f.i0;
    f.l20 = a.xz * f.i0;
    const double d1 = a.yy - f.l10 * a.xy;
    f.i1 = 1.0 / d1;
    const double b = a.yz - f.l10 * a.xz;
    f.l21 = b * f.i1;
    const double d2 = a.zz - f.l20 * a.xz - f.l21 * b;
    f.i2 = 1.0 / d2;
    return (a.xx > 0.0) & (d1 > kPivot * a.yy) & (d2 > kPivot * a.zz);
}

// x of a x = b.
inline Vec3 solve(const Factor3& f, const Vec3& b) {
    const double y1 = b.y - f.l10 * b.x;
    const double y2 = b.z - f.l20 * b.x - f.l21 * y1;
    const double z = y2 * f.i2;
    const double y = y1 * f.i1 - f.l21 * z;
    return {b.x * f.i0 - f.l10 * y - f.l20 * z, y, z};
}

inline Sym3 inverse(const Factor3& f) {
    const double m20 = f.l10 * f.l21 - f.l20;  // last row of the inverse of L
    const double yz = -f.l21 * f.i2;
    const double xz = m20 * f.i2;
    return {f.i0 + f.l10 * f.l10 * f.i1 + m20 * xz, m20 * yz - f.l10 * f.i1, xz, f.i1 - f.l21 * yz, yz, f.i2};
}

}  // namespace fusion
