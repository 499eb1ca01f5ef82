// A point from its images in two or more calibrated cameras, with its covariance: maximum likelihood for Gaussian noise
// in pixels, standard deviation given per image.
//
// A view's pixel is undistorted exactly to a ray; with P = d(pixel)/d(ray) / sigma in the world's axes, a point X whose
// depth along the optical axis (of a fisheye: along the ray) is z has the whitened residual e(X) = P (X - C) / z, where
// C is the centre. This is the reprojection error to first order in the lens's curvature over one residual, and exact
// for a pinhole without distortion.
// 1. Linear start: P (X - C) = 0 in least squares (Linear-LS of Hartley & Sturm 1997, "Triangulation"), once more
//    with weights 1 / z^2 (their Iterative-LS).
// 2. Gauss-Newton on e, J = (P - e a^T) / z with the axis a, the step halved while it does not descend, until a step is
//    below a thousandth of the point's standard deviation. The inverse of J^T J is the covariance.
// Assumes that errors of different views are independent and that every view sees the same point; a wrong view shows
// in kLargeResidual, and consensus.hpp leaves it out. Points lie side by side in lanes that never mix. Only
// + - * / sqrt: the bits are those of reference/triangulation.py, whatever the number of lanes.
// Cost: about 9 V + 30 operations a pass and point, five to six passes.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>

#include "camera.hpp"

namespace fusion {

// Bits; fusion.triangulation.Status explains them.
enum : std::uint8_t {
    kTooFewViews = 1,
    kSmallParallax = 2,
    kBehindCamera = 4,
    kNotConverged = 8,
    kLargeResidual = 16,
    kBeyondLens = 32,
    kOutlier = 64,
};

constexpr int kGaussSteps = 50;           // three or fewer as a rule; a start far too near doubles its depth at each
constexpr double kGaussTolerance = 1e-6;  // squared step, in standard deviations of the point
constexpr double kNormalQuantile = 3.0902323061678132;  // one in a thousand lies above
constexpr double kDistinct = 9.0;                       // squared: three standard deviations

// One camera's images of the points in the lanes. Where it has none (`live` is false), its equations are zero.
template <class V>
struct View {
    Vec3<V> p0, p1;  // rows of P, whitened
    Vec3<V> axis;    // unit vector
    Sym3<V> h;       // P^T P
    Vec3<V> g;       // P^T P C
    V variance;      // px^2
    Mask<V> live;
    Vec3<double> centre;  // m
    std::int64_t camera;
};

template <class V>
struct Fit {
    Vec3<V> x;
    Factor3<V> factor;  // of J^T J
    V cost, square;     // sums of squared residuals: whitened, px^2
    Mask<V> singular, behind, unfinished;
};

template <class V>
FUSION_INLINE Mask<V> prepare(const Camera& c, const Vec2<V>& px, const V& sigma, View<V>& view) {
    const V zero = splat<V>(0.0);
    Sight<V> s;
    const Mask<V> found = look(c, px, s);
    const V w = 1.0 / sigma;
    const Vec3<V> r0 = s.row0 * w, r1 = s.row1 * w, none{zero, zero, zero};
    const Mask<V> beyond = without(view.live, found);
    view.live = both(view.live, found);
    view.p0 = select<V>(view.live, c.right * r0.x + c.down * r0.y + c.axis * r0.z, none);
    view.p1 = select<V>(view.live, c.right * r1.x + c.down * r1.y + c.axis * r1.z, none);
    view.axis = {splat<V>(c.axis.x), splat<V>(c.axis.y), splat<V>(c.axis.z)};
    if (c.lens.kind == kFisheye) view.axis = c.right * s.ray.x + c.down * s.ray.y + c.axis * s.ray.z;
    view.h = outer(view.p0, view.p1);
    view.g = view.p0 * dot(view.p0, c.centre) + view.p1 * dot(view.p1, c.centre);
    view.variance = select<V>(view.live, sigma * sigma, zero);
    view.centre = c.centre;
    return beyond;
}

// Depth of `ray` in a view; 1 where the view has no image, so that its zero equations stay zero.
template <class V>
FUSION_INLINE V depth(const View<V>& v, const Vec3<V>& ray) {
    return select<V>(v.live, dot(v.axis, ray), splat<V>(1.0));
}

// Solves P (X - C) = 0, weighted by the depths of `x` or not; false unless the equations have rank 3.
template <class V>
FUSION_INLINE Mask<V> linear(const View<V>* views, int n, bool weighted, Vec3<V>& x) {
    const V zero = splat<V>(0.0);
    Sym3<V> h{zero, zero, zero, zero, zero, zero};
    Vec3<V> g{zero, zero, zero};
    for (int i = 0; i < n; ++i) {
        const View<V>& v = views[i];
        V w = splat<V>(1.0);
        if (weighted) {
            const V d = depth(v, x - v.centre);
            w = 1.0 / (d * d);
        }
        h = h + v.h * w;
        g = g + v.g * w;
    }
    Factor3<V> f;
    const Mask<V> definite = factorise(h, f);
    x = solve(f, g);
    return definite;
}

// J^T J, -J^T e and the sums of squares at `x`; false where it lies behind a camera.
template <class V>
FUSION_INLINE Mask<V> linearise(const View<V>* views, int n, const Vec3<V>& x, Sym3<V>& h, Vec3<V>& g, V& cost,
                                V& square) {
    const V zero = splat<V>(0.0);
    h = {zero, zero, zero, zero, zero, zero};
    g = {zero, zero, zero};
    cost = square = zero;
    Mask<V> front = always<V>();
    for (int i = 0; i < n; ++i) {
        const View<V>& v = views[i];
        const Vec3<V> ray = x - v.centre;
        const V d = depth(v, ray);
        front = both(front, less(zero, d));
        const V r = 1.0 / d;
        const V e0 = dot(v.p0, ray) * r, e1 = dot(v.p1, ray) * r;
        const Vec3<V> j0 = (v.p0 - v.axis * e0) * r, j1 = (v.p1 - v.axis * e1) * r;
        h = h + outer(j0, j1);
        g = g - (j0 * e0 + j1 * e1);
        const V e = e0 * e0 + e1 * e1;
        cost += e;
        square += e * v.variance;
    }
    return front;
}

// Gauss-Newton from `fit.x` in the lanes of `active`, which have `seen` views each.
template <class V>
FUSION_INLINE void refine(const View<V>* views, int n, const V& seen, const Mask<V>& start, Fit<V>& fit) {
    const V zero = splat<V>(0.0), one = splat<V>(1.0);
    Mask<V> active = start;
    Vec3<V> step{zero, zero, zero};
    fit.cost = splat<V>(std::numeric_limits<double>::infinity());
    fit.square = zero;
    fit.factor = {zero, zero, zero, zero, zero, zero};
    fit.singular = fit.behind = never<V>();
    for (int k = 0; k < kGaussSteps && any(active); ++k) {
        Sym3<V> h;
        Vec3<V> g;
        V cost, square;
        const Vec3<V> x = fit.x + step;
        const Mask<V> front = linearise(views, n, x, h, g, cost, square);
        const Mask<V> taken = both(active, both(front, at_most(cost, fit.cost)));
        if (k == 0) {
            fit.behind = without(active, taken);
            active = taken;
        }
        Factor3<V> f;
        const Mask<V> definite = factorise(h, f);
        const Vec3<V> next = solve(f, g);
        const V scatter = cost / (2.0 * seen - 3.0);
        const V tolerance = kGaussTolerance * select(less(one, scatter), scatter, one);
        const Mask<V> singular = without(taken, definite);
        const Mask<V> done = both(both(taken, definite), at_most<V>(dot(next, g), tolerance));
        fit.singular = either(fit.singular, singular);
        fit.x = select<V>(taken, select<V>(done, x + next, x), fit.x);
        fit.factor = select<V>(taken, f, fit.factor);
        fit.cost = select<V>(taken, cost, fit.cost);
        fit.square = select<V>(taken, square, fit.square);
        step = select<V>(taken, next, step * 0.5);
        active = without(active, either(singular, done));
    }
    fit.unfinished = active;
}

// Largest squared chord between unit rays to `x`, and the smallest squared distance. Overwrites `p0` of the views.
template <class V>
FUSION_INLINE void spread(View<V>* views, int n, const Vec3<V>& x, V& widest, V& nearest) {
    widest = splat<V>(0.0);
    nearest = splat<V>(std::numeric_limits<double>::infinity());
    for (int i = 0; i < n; ++i) {
        const Vec3<V> ray = x - views[i].centre;
        const V square = dot(ray, ray);
        nearest = select<V>(both(views[i].live, less(square, nearest)), square, nearest);
        views[i].p0 = ray * (1.0 / root<V>(square));
        for (int j = 0; j < i; ++j) {
            const Vec3<V> difference = views[i].p0 - views[j].p0;
            const V chord = dot(difference, difference);
            const Mask<V> wider = both(both(views[i].live, views[j].live), less(widest, chord));
            widest = select<V>(wider, chord, widest);
        }
    }
}

// The sum of squares that chance exceeds once in a thousand (Wilson & Hilferty 1931).
template <class V>
FUSION_INLINE V largest_cost(const V& dof) {
    const V a = 2.0 / (9.0 * dof);
    const V c = 1.0 - a + kNormalQuantile * root<V>(a);
    return dof * c * c * c;
}

// What is told of the points in the lanes.
template <class V>
struct Solution {
    Vec3<V> xyz;         // m
    Sym3<V> covariance;  // m^2
    V rms;               // px: root of the mean squared distance between image and reprojection
    V chord;             // squared chord between the two unit rays that differ most
    V views;
    V status;
};

template <class V>
FUSION_INLINE V bit(const Mask<V>& m, double value) {
    return select(m, splat<V>(value), splat<V>(0.0));
}

// What to tell of a fit to `seen` views; NaN where there is none. Overwrites `p0` of the views.
template <class V>
FUSION_INLINE Solution<V> conclude(View<V>* views, int n, const V& seen, const Mask<V>& beyond, const Fit<V>& fit) {
    const V zero = splat<V>(0.0), nan = splat<V>(std::numeric_limits<double>::quiet_NaN());
    const Mask<V> few = less(seen, splat<V>(2.0)), none = either(few, either(fit.singular, fit.behind));
    Solution<V> s;
    s.covariance = inverse(fit.factor);
    V nearest;
    spread(views, n, fit.x, s.chord, nearest);
    const V trace = s.covariance.xx + s.covariance.yy + s.covariance.zz;
    const Mask<V> near = at_most<V>(kDistinct * trace, nearest);
    const Mask<V> large = less(largest_cost<V>(2.0 * seen - 3.0), fit.cost);
    const V loose = select(near, zero, splat<V>(kSmallParallax)) + bit<V>(fit.unfinished, kNotConverged) +
                    bit<V>(large, kLargeResidual);
    const V failed = bit<V>(fit.singular, kSmallParallax) + bit<V>(fit.behind, kBehindCamera);
    s.status = bit<V>(beyond, kBeyondLens) + select(few, splat<V>(kTooFewViews), select(none, failed, loose));
    s.views = seen;
    s.xyz = select<V>(none, {nan, nan, nan}, fit.x);
    Sym3<V>& c = s.covariance;
    for (V* element : {&c.xx, &c.xy, &c.xz, &c.yy, &c.yz, &c.zz}) *element = select<V>(none, nan, *element);
    s.rms = select<V>(none, nan, root<V>(fit.square / seen));
    s.chord = select<V>(none, nan, s.chord);
    return s;
}

// The best point of all images of each lane.
template <class V>
FUSION_INLINE Fit<V> fit_all(const View<V>* views, int n, const V& seen) {
    Fit<V> fit;
    const Mask<V> enough = at_most(splat<V>(2.0), seen);
    Mask<V> definite = both(enough, linear(views, n, false, fit.x));
    definite = both(definite, linear(views, n, true, fit.x));
    refine(views, n, seen, definite, fit);
    fit.singular = either(fit.singular, without(enough, definite));
    return fit;
}

}  // namespace fusion
