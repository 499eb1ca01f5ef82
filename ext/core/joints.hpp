// Eight numbers at once, one for each joint of a body, and a person as one camera sees it: eight whitened sight lines.
//
// A sight line is the View of triangulation.hpp: with rows b0, b1 and the camera's centre C, a joint at X has the
// residual e = (b0 . (X - C), b1 . (X - C)) / depth in standard deviations of the pixel. `look` alone knows the
// camera's model. Only + - * / sqrt, in the order of reference/joints.py. Cost: one inversion of the lens a joint.
#pragma once

#include <cmath>
#include <cstdint>

#include "triangulation.hpp"

namespace fusion {

constexpr int kJoints = 8;  // fusion.observations.JOINTS

#if defined(__GNUC__)
// Aligned as doubles are, so that rows of the caller's arrays can be read in place.
typedef double Piece __attribute__((vector_size(16), aligned(8), may_alias));
typedef decltype(Piece() < Piece()) PieceMask;
#else
typedef double Piece;
typedef bool PieceMask;
#endif
constexpr int kWidth = sizeof(Piece) / sizeof(double), kPieces = kJoints / kWidth;

struct Mask8 {
    PieceMask m[kPieces];
};

struct Eight {
    Piece v[kPieces];

    FUSION_INLINE double operator[](int j) const {
        double x;
        std::memcpy(&x, reinterpret_cast<const char*>(v) + j * sizeof x, sizeof x);
        return x;
    }
    FUSION_INLINE void set(int j, double x) { std::memcpy(reinterpret_cast<char*>(v) + j * sizeof x, &x, sizeof x); }
};

#define FUSION_EACH(result, expression) \
    for (int k = 0; k < kPieces; ++k) result[k] = expression

FUSION_INLINE Eight eight(double x) {
    Eight r;
    FUSION_EACH(r.v, x - Piece());
    return r;
}
FUSION_INLINE Eight operator+(const Eight& a, const Eight& b) {
    Eight r;
    FUSION_EACH(r.v, a.v[k] + b.v[k]);
    return r;
}
FUSION_INLINE Eight operator-(const Eight& a, const Eight& b) {
    Eight r;
    FUSION_EACH(r.v, a.v[k] - b.v[k]);
    return r;
}
FUSION_INLINE Eight operator-(const Eight& a) {
    Eight r;
    FUSION_EACH(r.v, -a.v[k]);
    return r;
}
FUSION_INLINE Eight operator*(const Eight& a, const Eight& b) {
    Eight r;
    FUSION_EACH(r.v, a.v[k] * b.v[k]);
    return r;
}
FUSION_INLINE Eight operator*(const Eight& a, double b) {
    return a * eight(b);
}
FUSION_INLINE Eight operator/(const Eight& a, const Eight& b) {
    Eight r;
    FUSION_EACH(r.v, a.v[k] / b.v[k]);
    return r;
}
FUSION_INLINE void operator+=(Eight& a, const Eight& b) {
    FUSION_EACH(a.v, a.v[k] + b.v[k]);
}
FUSION_INLINE void operator-=(Eight& a, const Eight& b) {
    FUSION_EACH(a.v, a.v[k] - b.v[k]);
}
FUSION_INLINE Mask8 operator<(const Eight& a, const Eight& b) {
    Mask8 r;
    FUSION_EACH(r.m, a.v[k] < b.v[k]);
    return r;
}
FUSION_INLINE Mask8 operator>(const Eight& a, const Eight& b) {
    Mask8 r;
    FUSION_EACH(r.m, a.v[k] > b.v[k]);
    return r;
}
FUSION_INLINE Mask8 operator&(const Mask8& a, const Mask8& b) {
    Mask8 r;
    FUSION_EACH(r.m, a.m[k] & b.m[k]);
    return r;
}
FUSION_INLINE Eight choose(const Mask8& mask, const Eight& yes, const Eight& no) {
    Eight r;
    FUSION_EACH(r.v, mask.m[k] ? yes.v[k] : no.v[k]);
    return r;
}

struct Vec8 {
    Eight x, y, z;
};

FUSION_INLINE Eight dot8(const Vec8& a, const Vec8& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

FUSION_INLINE Eight root8(const Eight& a) {
    Eight r;
    for (int j = 0; j < kJoints; ++j) r.set(j, std::sqrt(a[j]));
    return r;
}

/// Sum over the joints, always in this order.
FUSION_INLINE double total(const Eight& a) {
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/// A person in one camera. Where a joint is not seen, `live` is 0 and so are the rows; else it is 1.
struct Sighting {
    Vec8 b0, b1, axis;
    Eight live;
};
constexpr int kSightingSize = 10 * kJoints;
static_assert(sizeof(Sighting) == kSightingSize * sizeof(double), "Sighting must be a flat block of doubles");

// No keypoint is better than this, whatever its detector believes: filters keep their digits.
constexpr double kLeastSigma = 0.1;   // px
constexpr double kMostSigma = 1e6;    // px: says nothing
constexpr double kLargestRow = 1e24;  // squared: beyond it lie no cameras, only overflow

/// Sight lines of a person: px[8][2], sigma_px[8]. A joint is missing where its pixel is not finite, sigma does not
/// lie in (0, kMostSigma], or the lens shows nothing.
inline void look(const Camera& camera, const double* px, const double* sigma_px, Sighting& s) {
    s = Sighting();
    for (int j = 0; j < kJoints; ++j) {
        const double u = px[2 * j], v = px[2 * j + 1], sigma = sigma_px[j];
        if (!((u - u == 0.0) & (v - v == 0.0) & (sigma > 0.0) & (sigma <= kMostSigma))) continue;
        View<double> view;
        view.live = true;
        if (prepare<double>(camera, {u, v}, sigma > kLeastSigma ? sigma : kLeastSigma, view))
            continue;  // beyond the lens
        if (!(dot(view.p0, view.p0) + dot(view.p1, view.p1) < kLargestRow)) continue;
        s.b0.x.set(j, view.p0.x), s.b0.y.set(j, view.p0.y), s.b0.z.set(j, view.p0.z);
        s.b1.x.set(j, view.p1.x), s.b1.y.set(j, view.p1.y), s.b1.z.set(j, view.p1.z);
        s.axis.x.set(j, view.axis.x), s.axis.y.set(j, view.axis.y), s.axis.z.set(j, view.axis.z);
        s.live.set(j, 1.0);
    }
}

}  // namespace fusion
