// A point from its images in two or more calibrated cameras, with its covariance: maximum likelihood for Gaussian noise
// in pixels, standard deviation given per image.
//
// A view's pixel is undistorted exactly to (u, v); with A = d(pixel)/d(u, v) / sigma, a point X at depth z of that view
// has the whitened residual e(X) = B (X - C) / z, where B = A [r1 - u r3; r2 - v r3] and C is the centre. This is the
// reprojection error to first order in the lens's curvature over one residual, and exact without distortion.
// 1. Linear start: B (X - C) = 0 in least squares (Linear-LS of Hartley & Sturm 1997, "Triangulation"), once more
//    with weights 1 / z^2 (their Iterative-LS).
// 2. Gauss-Newton on e, J = (B - e r3^T) / z, the step halved while it does not descend, until a step is below a
//    thousandth of the point's standard deviation. The inverse of J^T J is the covariance.
// Assumes that errors of different views are independent and that every view sees the same point; a wrong view shows
// in LARGE_RESIDUAL. Only + - * / sqrt: the bits are those of reference/triangulation.py.
// Cost: about 50 ns a point plus 80 ns a view, 140 ns with distortion; no heap, scratch of one `View` a camera.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "camera.hpp"
#include "linalg.hpp"

namespace fusion {

// Bits; fusion.triangulation.Status explains them.
enum : std::uint8_t {
    kTooFewViews = 1,
    kSmallParallax = 2,
    kBehindCamera = 4,
    kNotConverged = 8,
    kLargeResidual = 16,
    kBeyondLens = 32,
};

constexpr int kGaussSteps = 50;           // three or fewer as a rule; a start far too near doubles its depth at each
constexpr double kGaussTolerance = 1e-6;  // squared step, in standard deviations of the point
constexpr double kNormalQuantile = 3.0902323061678132;  // one in a thousand lies above
constexpr double kDistinct = 9.0;                       // squared: three standard deviations

struct View {
    Vec3 b0, b1;        // rows of B, whitened
    Vec3 centre, axis;  // m; unit vector
    double variance;    // px^2
};

struct Point {
    Vec3 xyz;         // m
    Sym3 covariance;  // m^2
    double rms;       // px: root of the mean squared distance between image and reprojection
    double chord;     // squared chord between the two unit rays that differ most
    std::int32_t views;
    std::uint8_t status;
};

struct Fit {
    Vec3 x;
    Factor3 factor;       // of J^T J
    double cost, square;  // sums of squared residuals: whitened, px^2
};

inline bool prepare(const Camera& c, const Vec2& px, double sigma, View& view) {
    Vec2 p;
    Jacobian j;
    const bool found = undistort(c, px, p, j);
    const double w = 1.0 / sigma;
    const double a00 = (c.fx * j.xx + c.skew * j.xy) * w;
    const double a01 = (c.fx * j.xy + c.skew * j.yy) * w;
    const double a10 = c.fy * j.xy * w;
    const double a11 = c.fy * j.yy * w;
    const Vec3 across = c.right - c.axis * p.x, along = c.down - c.axis * p.y;
    view = {across * a00 + along * a01, across * a10 + along * a11, c.centre, c.axis, sigma * sigma};
    return found;
}

// Solves B (X - C) = 0, weighted by the depths of `x` or not; false unless the equations have rank 3.
// Coordinates are taken from the first view's centre, so that a far origin costs no digits.
inline bool linear(const View* views, int n, bool weighted, Vec3& x) {
    const Vec3 origin = views[0].centre;
    Sym3 h{};
    Vec3 g{};
    for (int i = 0; i < n; ++i) {
        const View& v = views[i];
        double w = 1.0;
        if (weighted) {
            const double depth = dot(v.axis, x - v.centre);
            w = 1.0 / (depth * depth);
        }
        const Vec3 c = v.centre - origin;
        const double e0 = dot(v.b0, c) * w, e1 = dot(v.b1, c) * w;
        add_outer(h, v.b0, v.b1, w);
        g = g + (v.b0 * e0 + v.b1 * e1);
    }
    Factor3 f;
    const bool definite = factorise(h, f);
    x = origin + solve(f, g);
    return definite;
}

// J^T J, -J^T e and the sums of squares at `x`; false if it lies behind a camera.
inline bool linearise(const View* views, int n, const Vec3& x, Sym3& h, Vec3& g, double& cost, double& square) {
    h = {};
    g = {};
    cost = square = 0.0;
    bool front = true;
    for (int i = 0; i < n; ++i) {
        const View& v = views[i];
        const Vec3 ray = x - v.centre;
        const double depth = dot(v.axis, ray);
        front &= depth > 0.0;
        const double r = 1.0 / depth;
        const double e0 = dot(v.b0, ray) * r, e1 = dot(v.b1, ray) * r;
        const Vec3 j0 = (v.b0 - v.axis * e0) * r, j1 = (v.b1 - v.axis * e1) * r;
        add_outer(h, j0, j1, 1.0);
        g = g - (j0 * e0 + j1 * e1);
        const double e = e0 * e0 + e1 * e1;
        cost += e;
        square += e * v.variance;
    }
    return front;
}

inline std::uint8_t refine(const View* views, int n, Fit& fit) {
    fit.cost = std::numeric_limits<double>::infinity();
    Vec3 step{};
    for (int k = 0; k < kGaussSteps; ++k) {
        Sym3 h;
        Vec3 g;
        double cost, square;
        const bool front = linearise(views, n, fit.x + step, h, g, cost, square);
        if (front && cost <= fit.cost) {
            fit.x = fit.x + step;
            fit.cost = cost;
            fit.square = square;
            if (!factorise(h, fit.factor)) return kSmallParallax;
            step = solve(fit.factor, g);
            const double scatter = fit.cost / (2 * n - 3);
            if (dot(step, g) <= kGaussTolerance * (scatter > 1.0 ? scatter : 1.0)) {
                fit.x = fit.x + step;
                return 0;
            }
        } else if (k == 0) {
            return kBehindCamera;
        } else {
            step = step * 0.5;
        }
    }
    return kNotConverged;
}

// Largest squared chord between unit rays to `x`, and the smallest squared distance. Overwrites `b0` of the views.
inline void spread(View* views, int n, const Vec3& x, double& widest, double& nearest) {
    widest = 0.0;
    nearest = std::numeric_limits<double>::infinity();
    for (int i = 0; i < n; ++i) {
        const Vec3 ray = x - views[i].centre;
        const double square = dot(ray, ray);
        nearest = square < nearest ? square : nearest;
        views[i].b0 = ray * (1.0 / std::sqrt(square));
        for (int j = 0; j < i; ++j) {
            const Vec3 difference = views[i].b0 - views[j].b0;
            const double chord = dot(difference, difference);
            widest = chord > widest ? chord : widest;
        }
    }
}

// The sum of squares that chance exceeds once in a thousand (Wilson & Hilferty 1931).
inline double largest_cost(double dof) {
    const double a = 2.0 / (9.0 * dof);
    const double c = 1.0 - a + kNormalQuantile * std::sqrt(a);
    return dof * c * c * c;
}

// Triangulates one point from `px[count][2]` and `sigma_px[count]`; a view that is not finite, or whose sigma is
// not positive, is missing. `scratch` holds `count` views.
inline void triangulate(const Camera* cameras, int count, const double* px, const double* sigma_px, View* scratch,
                        Point& point) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    point = {{nan, nan, nan}, {nan, nan, nan, nan, nan, nan}, nan, nan, 0, 0};
    int n = 0;
    for (int i = 0; i < count; ++i) {
        const double u = px[2 * i], v = px[2 * i + 1], sigma = sigma_px[i];
        // Differences of infinities are NaN, so these are true of finite numbers only.
        if ((u - u == 0.0) & (v - v == 0.0) & (sigma - sigma == 0.0) & (sigma > 0.0)) {
            if (prepare(cameras[i], {u, v}, sigma, scratch[n])) {
                ++n;
            } else {
                point.status |= kBeyondLens;
            }
        }
    }
    point.views = n;
    if (n < 2) {
        point.status |= kTooFewViews;
        return;
    }
    Fit fit{};
    if (!linear(scratch, n, false, fit.x) || !linear(scratch, n, true, fit.x)) {
        point.status |= kSmallParallax;
        return;
    }
    const std::uint8_t refined = refine(scratch, n, fit);
    point.status |= refined;
    if (refined & (kSmallParallax | kBehindCamera)) return;
    point.xyz = fit.x;
    point.covariance = inverse(fit.factor);
    point.rms = std::sqrt(fit.square / n);
    double nearest;
    spread(scratch, n, fit.x, point.chord, nearest);
    const double trace = point.covariance.xx + point.covariance.yy + point.covariance.zz;
    if (!(kDistinct * trace <= nearest)) point.status |= kSmallParallax;
    if (fit.cost > largest_cost(2.0 * n - 3.0)) point.status |= kLargeResidual;
}

}  // namespace fusion
