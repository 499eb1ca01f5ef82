// From a calibration in OpenCV's terms to the camera of camera.hpp: centre, domain of the lens, tilt of the sensor.
//
// The twin of fusion/camera.py, once a camera. A lens is one to one up to where the slope of its radius first reaches
// zero, the inverse of the largest root of a monic polynomial; roots lie between those of the derivative.
#pragma once
#include <cmath>

#include "camera.hpp"

namespace fusion {

constexpr double kPi = 3.141592653589793;
constexpr int kMostDegree = 6;

/// c[0] x^degree + ... + c[degree].
struct Polynomial {
    double c[kMostDegree + 1];
    int degree;

    double at(double x) const {
        double y = c[0];
        for (int i = 1; i <= degree; ++i) y = y * x + c[i];
        return y;
    }
    /// Whether what is left at x > 0 may be rounding.
    bool vanishes(double x) const {
        double size = std::fabs(c[0]);
        for (int i = 1; i <= degree; ++i) size = size * x + std::fabs(c[i]);
        return std::fabs(at(x)) <= 1e-12 * size;
    }
};

/// Where the polynomial touches zero at `high`, or changes its sign between `low` and `high`; 0 where it does not.
inline double crossing(const Polynomial& p, double low, double high) {
    if (p.vanishes(high)) return high;
    const bool below = p.at(low) < 0;
    if (below == (p.at(high) < 0)) return 0.0;
    for (;;) {
        const double middle = 0.5 * (low + high);
        if (!(low < middle && middle < high)) return high;
        if ((p.at(middle) < 0) == below) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The largest positive root of a monic polynomial; 0 if there is none.
inline double largest_root(const Polynomial& monic) {
    double bound = 1.0, turns[kMostDegree + 1], roots[kMostDegree + 1];
    for (int i = 1; i <= monic.degree; ++i) bound = larger(bound, 1.0 + std::fabs(monic.c[i]));
    int count = 0;
    for (int n = 1; n <= monic.degree; ++n) {
        Polynomial p{{}, n};  // the derivative of that degree
        for (int i = 0; i <= n; ++i) {
            p.c[i] = monic.c[i];
            for (int k = n - i + 1; k <= monic.degree - i; ++k) p.c[i] *= k;
        }
        while (p.degree > 0 && p.c[p.degree] == 0) --p.degree;
        const int turning = count;
        for (int i = 0; i < turning; ++i) turns[i] = roots[i];
        turns[turning] = bound;
        count = 0;
        double low = 0.0;
        for (int i = 0; i <= turning; ++i) {
            const double root = crossing(p, low, turns[i]);
            if (root > 0) roots[count++] = root;
            low = turns[i];
        }
    }
    return count > 0 ? roots[count - 1] : 0.0;
}

/// The smallest positive root of 1 + c[1] s + ... + c[degree] s^degree; infinity where there is none, 0 where unknown.
inline double first_root(const double* c, int degree) {
    Polynomial reversed{{}, degree};
    for (int i = 0; i <= degree; ++i) {
        if (!(std::fabs(c[i]) < 1e150)) return 0.0;
        reversed.c[i] = c[i];
    }
    return 1.0 / largest_root(reversed);
}

/// Squared radius up to which the radial distortion N(s) / D(s) times the radius is one to one.
inline double fold(const Lens& l) {
    const double n[4] = {1, l.k1, l.k2, l.k3}, d[4] = {1, l.k4, l.k5, l.k6};
    double slope[kMostDegree + 1] = {};  // (N + 2 s N') D - 2 s N D'
    for (int i = 0; i < 4; ++i)
        for (int k = 0; k < 4; ++k) slope[i + k] += (1 + 2 * i - 2 * k) * n[i] * d[k];
    const double a = first_root(slope, kMostDegree), b = first_root(d, 3);
    return a < b ? a : b;
}

/// Angle up to which a fisheye's image moves outwards.
inline double fisheye_limit(const Lens& l) {
    const double slope[5] = {1, 3 * l.k1, 5 * l.k2, 7 * l.k3, 9 * l.k4};
    const double root = std::sqrt(first_root(slope, 4));
    return root < kPi ? root : kPi;
}

/// The homography of a sensor tilted by angles within pi, and its inverse (OpenCV, computeTiltProjectionMatrix).
inline void tilt(double tx, double ty, Lens& l) {
    double sx, cx, sy, cy;
    sine_cosine(std::fabs(tx), sx, cx);
    sine_cosine(std::fabs(ty), sy, cy);
    sx = tx < 0 ? -sx : sx;
    sy = ty < 0 ? -sy : sy;
    const double r[9] = {cy, sy * sx, -sy * cx, 0, cx, sx, sy, -cy * sx, cy * cx}, z = r[8];
    for (int k = 0; k < 3; ++k) {
        l.tilt[k] = z * r[k] - r[2] * r[6 + k];
        l.tilt[3 + k] = z * r[3 + k] - r[5] * r[6 + k];
        l.tilt[6 + k] = r[6 + k];
        l.untilt[3 * k] = r[k] / z;
        l.untilt[3 * k + 1] = r[3 + k] / z;
        l.untilt[3 * k + 2] = (r[k] * r[2] + r[3 + k] * r[5] + r[6 + k] * z) / z;
    }
}

/// Whether a rotation is one, to 1e-6, and does not mirror.
inline bool rotates(const double* r) {
    const auto row = [&](int i) { return Vec3<double>{r[3 * i], r[3 * i + 1], r[3 * i + 2]}; };
    for (int i = 0; i < 3; ++i)
        for (int k = 0; k <= i; ++k)
            if (!(std::fabs(dot(row(i), row(k)) - (i == k)) <= 1e-6)) return false;
    return r[0] * (r[4] * r[8] - r[5] * r[7]) - r[1] * (r[3] * r[8] - r[5] * r[6]) +
               r[2] * (r[3] * r[7] - r[4] * r[6]) >
           0;
}

/// Where a camera stands: R c = -t by Cramer's rule, as R is only nearly orthonormal.
inline Vec3<double> centre_of(const double* r, const double* t) {
    const auto cross = [&](int i, int k) {
        const double *a = r + 3 * i, *b = r + 3 * k;
        return Vec3<double>{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
    };
    const Vec3<double> c0 = cross(1, 2), c1 = cross(2, 0), c2 = cross(0, 1);
    const double det = r[0] * c0.x + r[1] * c0.y + r[2] * c0.z;
    return {-(c0.x * t[0] + c1.x * t[1] + c2.x * t[2]) / det, -(c0.y * t[0] + c1.y * t[1] + c2.y * t[2]) / det,
            -(c0.z * t[0] + c1.z * t[1] + c2.z * t[2]) / det};
}

}  // namespace fusion
