// The fisheye lens of Kannala & Brandt (2006), as in OpenCV: r = t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8) for a ray at
// the angle t to the axis; and its inverse to rounding by Newton's method, up to the angle `limit` at which r turns.
//
// Only + - * / sqrt, in the order of reference/lenses.py: the trigonometry is by series, so that every machine and
// every lane has the same bits. Errors are about 1e-16 radian.
#pragma once

#include "lens.hpp"

namespace fusion {

// sin and cos of an angle in [0, pi]: Taylor series of a quarter of it, doubled twice.
template <class V>
FUSION_INLINE void sine_cosine(const V& angle, V& sine, V& cosine) {
    const V h = 0.25 * angle;
    const V u = h * h;
    V s = splat<V>(1.0 / 355687428096000.0);
    s = -1.0 / 1307674368000.0 + u * s;
    s = 1.0 / 6227020800.0 + u * s;
    s = -1.0 / 39916800.0 + u * s;
    s = 1.0 / 362880.0 + u * s;
    s = -1.0 / 5040.0 + u * s;
    s = 1.0 / 120.0 + u * s;
    s = -1.0 / 6.0 + u * s;
    s = h * (1.0 + u * s);
    V c = splat<V>(1.0 / 20922789888000.0);
    c = -1.0 / 87178291200.0 + u * c;
    c = 1.0 / 479001600.0 + u * c;
    c = -1.0 / 3628800.0 + u * c;
    c = 1.0 / 40320.0 + u * c;
    c = -1.0 / 720.0 + u * c;
    c = 1.0 / 24.0 + u * c;
    c = -1.0 / 2.0 + u * c;
    c = 1.0 + u * c;
    for (int i = 0; i < 2; ++i) {
        const V twice = 2.0 * s * c;
        c = 1.0 - 2.0 * s * s;
        s = twice;
    }
    sine = s;
    cosine = c;
}

// The angle in [0, pi) of a ray to the axis, `across` >= 0 being its distance from the axis: the series of atan, of the
// angle halved four times.
template <class V>
FUSION_INLINE V ray_angle(const V& across, const V& along) {
    const V length = root<V>(across * across + along * along);
    V t = select<V>(less(splat<V>(0.0), along), across / (length + along), (length - along) / across);
    for (int i = 0; i < 3; ++i) t = t / (1.0 + root<V>(1.0 + t * t));
    const V u = t * t;
    V a = splat<V>(1.0 / 25.0);
    for (int n = 23; n > 0; n -= 2) a = 1.0 / n - u * a;
    return 16.0 * t * a;
}

// r over t, and its slope over t.
template <class V>
FUSION_INLINE V bend(const Lens& c, const V& angle, V& slope) {
    const V u = angle * angle;
    slope = 1.0 + u * (3.0 * c.k1 + u * (5.0 * c.k2 + u * (7.0 * c.k3 + u * (9.0 * c.k4))));
    return angle * (1.0 + u * (c.k1 + u * (c.k2 + u * (c.k3 + u * c.k4))));
}

// The angle whose image lies at `radius`, and the slope of the radius there; false where the lens has none.
template <class V>
FUSION_INLINE Mask<V> unbend(const Lens& c, const V& radius, V& angle, V& slope) {
    const V zero = splat<V>(0.0), limit = splat<V>(c.limit);
    Mask<V> active = finite(radius), found = never<V>();
    V best = splat<V>(std::numeric_limits<double>::infinity());
    V d = select<V>(at_most(radius, limit), radius, 0.9 * limit);
    angle = zero;
    slope = splat<V>(1.0);
    for (int step = 0; step < kNewtonSteps && any(active); ++step) {
        const V t = angle + d;
        V k;
        const V error = radius - bend(c, t, k);
        const Mask<V> inside = both(at_most(zero, t), at_most(t, limit));
        const Mask<V> taken = both(active, both(inside, less<V>(error * error, best)));
        const V next = error / k;
        const Mask<V> done = both(taken, at_most<V>(next * next, kNewtonTolerance * (1.0 + t * t)));
        found = either(found, both(done, less(zero, k)));
        angle = select<V>(done, t + next, select<V>(taken, t, angle));
        slope = select<V>(taken, k, slope);
        best = select<V>(taken, error * error, best);
        d = select<V>(taken, next, 0.5 * d);
        active = without(active, done);
    }
    return found;
}

}  // namespace fusion
