// OpenCV's lens of a pinhole camera: radial, rational, tangential, thin-prism distortion (Brown 1971; OpenCV, calib3d),
// and its inverse to rounding by Newton's method.
//
// Normalised coordinates are x/z, y/z in the camera's frame. The inverse is sought within the disc about the axis on
// which the radial part is one to one (`limit`, squared radius): beyond it, a second point has the same image and a
// pixel means nothing. Only + - * / sqrt, in the order of reference/lenses.py.
// Cost: about 45 operations a distortion with its Jacobian, three to five of them an inversion.
#pragma once

#include <limits>

#include "linalg.hpp"

namespace fusion {

enum LensKind { kNoLens, kPolynomial, kRational, kTilted, kFisheye };

struct Lens {
    double kind;   // a LensKind; the rational lens has the thin prism too, the tilted one also the tilted sensor
    double limit;  // squared radius; of a fisheye, angle in radians
    double k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4;
    double tilt[9], untilt[9];  // homographies of normalised coordinates, inverse to each other
};

template <class V>
struct Vec2 {
    V x, y;
};

template <class V>
struct Jacobian {
    V xx, xy, yx, yy;
};
template <class V>
FUSION_INLINE Jacobian<V> select(const Mask<V>& m, const Jacobian<V>& a, const Jacobian<V>& b) {
    return {select(m, a.xx, b.xx), select(m, a.xy, b.xy), select(m, a.yx, b.yx), select(m, a.yy, b.yy)};
}

constexpr int kNewtonSteps = 40;
// Squared relative step: the next one would be its square, which is rounding.
constexpr double kNewtonTolerance = 1e-16;

template <class V>
FUSION_INLINE Vec2<V> distort(const Lens& c, const Vec2<V>& p, Jacobian<V>& j) {
    const V x = p.x, y = p.y;
    const V s = x * x + y * y;
    V radial = 1.0 + s * (c.k1 + s * (c.k2 + s * c.k3));
    V slope = c.k1 + s * (2.0 * c.k2 + s * (3.0 * c.k3));  // of `radial` over s
    if (c.kind >= kRational) {
        const V d = 1.0 / (1.0 + s * (c.k4 + s * (c.k5 + s * c.k6)));
        radial = radial * d;
        slope = (slope - radial * (c.k4 + s * (2.0 * c.k5 + s * (3.0 * c.k6)))) * d;
    }
    slope = 2.0 * slope;
    j.xx = radial + slope * x * x + 2.0 * c.p1 * y + 6.0 * c.p2 * x;
    j.xy = slope * x * y + 2.0 * c.p1 * x + 2.0 * c.p2 * y;
    j.yx = j.xy;
    j.yy = radial + slope * y * y + 6.0 * c.p1 * y + 2.0 * c.p2 * x;
    Vec2<V> d = {x * radial + 2.0 * c.p1 * x * y + c.p2 * (s + 2.0 * x * x),
                 y * radial + c.p1 * (s + 2.0 * y * y) + 2.0 * c.p2 * x * y};
    if (c.kind >= kRational) {
        const V tx = 2.0 * (c.s1 + s * (2.0 * c.s2)), ty = 2.0 * (c.s3 + s * (2.0 * c.s4));
        j.xx += tx * x;
        j.xy += tx * y;
        j.yx += ty * x;
        j.yy += ty * y;
        d.x += s * (c.s1 + s * c.s2);
        d.y += s * (c.s3 + s * c.s4);
    }
    return d;
}

// Undistorted coordinates of distorted ones, and the Jacobian of the distortion there; false where the lens has none.
// A Newton step is halved while it leaves the disc on which the lens is one to one, or does not descend.
template <class V>
FUSION_INLINE Mask<V> invert(const Lens& c, const Vec2<V>& distorted, Vec2<V>& p, Jacobian<V>& j) {
    const V zero = splat<V>(0.0), one = splat<V>(1.0), limit = splat<V>(c.limit);
    const V s = distorted.x * distorted.x + distorted.y * distorted.y;
    Mask<V> active = finite(s), found = never<V>();
    V dx = distorted.x, dy = distorted.y, best = splat<V>(std::numeric_limits<double>::infinity());
    if (any(less(limit, s))) {
        const V inside = select<V>(at_most(s, limit), one, 0.9 * root<V>(limit / s));
        dx = dx * inside;
        dy = dy * inside;
    }
    p = {zero, zero};
    j = {one, zero, zero, one};
    for (int step = 0; step < kNewtonSteps && any(active); ++step) {
        const Vec2<V> q{p.x + dx, p.y + dy};
        Jacobian<V> a;
        const Vec2<V> m = distort(c, q, a);
        const V ex = distorted.x - m.x, ey = distorted.y - m.y;
        const V error = ex * ex + ey * ey;
        const Mask<V> taken = both(active, both(at_most<V>(q.x * q.x + q.y * q.y, limit), less(error, best)));
        const V det = a.xx * a.yy - a.xy * a.yx;
        const V r = 1.0 / det;
        const V nx = (a.yy * ex - a.xy * ey) * r, ny = (a.xx * ey - a.yx * ex) * r;
        const V tolerance = kNewtonTolerance * (1.0 + q.x * q.x + q.y * q.y);
        const Mask<V> done = both(taken, at_most<V>(nx * nx + ny * ny, tolerance));
        found = either(found, both(done, both(less(zero, det), less(zero, a.xx))));
        p.x = select<V>(done, q.x + nx, select<V>(taken, q.x, p.x));
        p.y = select<V>(done, q.y + ny, select<V>(taken, q.y, p.y));
        j = select<V>(taken, a, j);
        best = select<V>(taken, error, best);
        dx = select<V>(taken, nx, 0.5 * dx);
        dy = select<V>(taken, ny, 0.5 * dy);
        active = without(active, done);
    }
    return found;
}

// A homography of the plane, and its Jacobian.
template <class V>
FUSION_INLINE Vec2<V> homography(const double* h, const Vec2<V>& p, Jacobian<V>& j) {
    const V w = 1.0 / (h[6] * p.x + h[7] * p.y + h[8]);
    const Vec2<V> q{(h[0] * p.x + h[1] * p.y + h[2]) * w, (h[3] * p.x + h[4] * p.y + h[5]) * w};
    j = {(h[0] - q.x * h[6]) * w, (h[1] - q.x * h[7]) * w, (h[3] - q.y * h[6]) * w, (h[4] - q.y * h[7]) * w};
    return q;
}

}  // namespace fusion
