// A pinhole camera with OpenCV's radial, rational and tangential distortion (Brown 1971), and its exact inverse.
//
// Lengths in metres, images in pixels. Normalised coordinates are x/z, y/z in the camera's frame. The distortion is
// inverted by Newton's method to rounding, within the disc about the axis on which it is one to one
// (`limit`, squared radius): beyond it, a second point has the same image and a pixel means nothing.
// Only + - * / sqrt, in the order of reference/triangulation.py. Cost: about 20 ns a distortion with its Jacobian, one
// or, with distortion, three to five of them an inversion.
#pragma once

#include <cmath>
#include <limits>

#include "linalg.hpp"

namespace fusion {

// A flat block of doubles: one row of the array that the caller packs once for all cameras.
struct Camera {
    Vec3 right, down, axis;  // rows of the rotation from world to camera
    Vec3 centre;             // in the world
    double fx, skew, cx, fy, cy;
    double k1, k2, p1, p2, k3, k4, k5, k6;
    double limit;
};
constexpr int kCameraSize = 26;
static_assert(sizeof(Camera) == kCameraSize * sizeof(double), "Camera must be a flat block of doubles");

struct Vec2 {
    double x, y;
};

struct Jacobian {  // symmetric
    double xx, xy, yy;
};

constexpr int kNewtonSteps = 20;
// Squared relative step: convergence is quadratic, so what remains is rounding.
constexpr double kNewtonTolerance = 1e-20;

inline Vec2 distort(const Camera& c, const Vec2& p, Jacobian& j) {
    const double x = p.x, y = p.y;
    const double s = x * x + y * y;
    const double d = 1.0 / (1.0 + s * (c.k4 + s * (c.k5 + s * c.k6)));
    const double radial = (1.0 + s * (c.k1 + s * (c.k2 + s * c.k3))) * d;
    const double numerator = c.k1 + s * (2.0 * c.k2 + s * (3.0 * c.k3));
    const double denominator = c.k4 + s * (2.0 * c.k5 + s * (3.0 * c.k6));
    const double slope = 2.0 * ((numerator - radial * denominator) * d);
    j.xx = radial + slope * x * x + 2.0 * c.p1 * y + 6.0 * c.p2 * x;
    j.xy = slope * x * y + 2.0 * c.p1 * x + 2.0 * c.p2 * y;
    j.yy = radial + slope * y * y + 6.0 * c.p1 * y + 2.0 * c.p2 * x;
    return {x * radial + 2.0 * c.p1 * x * y + c.p2 * (s + 2.0 * x * x),
            y * radial + c.p1 * (s + 2.0 * y * y) + 2.0 * c.p2 * x * y};
}

// Normalised coordinates of a pixel and the Jacobian of the distortion there; false where the lens model has none.
inline bool undistort(const Camera& c, const Vec2& px, Vec2& p, Jacobian& j) {
    const double yd = (px.y - c.cy) / c.fy;
    const double xd = (px.x - c.cx - c.skew * yd) / c.fx;
    p = {xd, yd};
    for (int step = 0; step < kNewtonSteps; ++step) {
        double s = p.x * p.x + p.y * p.y;
        if (s > c.limit) {  // beyond the fold of the lens model: back inside
            const double shrink = 0.9 * std::sqrt(c.limit / s);
            p = {p.x * shrink, p.y * shrink};
        }
        const Vec2 m = distort(c, p, j);
        const double det = j.xx * j.yy - j.xy * j.xy;
        const double ex = xd - m.x, ey = yd - m.y;
        const double dx = (j.yy * ex - j.xy * ey) / det;
        const double dy = (j.xx * ey - j.xy * ex) / det;
        p = {p.x + dx, p.y + dy};
        s = p.x * p.x + p.y * p.y;
        if (dx * dx + dy * dy <= kNewtonTolerance * (1.0 + s)) return (det > 0.0) & (j.xx > 0.0) & (s <= c.limit);
    }
    return false;
}

// Pixel of a point in the world; NaN where it has no image: behind the camera, or beyond the fold of the lens model.
inline Vec2 project(const Camera& c, const Vec3& point) {
    const Vec3 ray = point - c.centre;
    const double depth = dot(c.axis, ray);
    const Vec2 p{dot(c.right, ray) / depth, dot(c.down, ray) / depth};
    if (!((depth > 0.0) & (p.x * p.x + p.y * p.y <= c.limit))) {
        constexpr double nan = std::numeric_limits<double>::quiet_NaN();
        return {nan, nan};
    }
    Jacobian unused;
    const Vec2 d = distort(c, p, unused);
    return {c.fx * d.x + c.skew * d.y + c.cx, c.fy * d.y + c.cy};
}

}  // namespace fusion
