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

constexpr int kNewtonSteps = 40;
// Squared relative step: the next one would be its square, which is rounding.
constexpr double kNewtonTolerance = 1e-16;

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
// A Newton step is halved while it leaves the disc on which the model is one to one, or does not descend.
inline bool undistort(const Camera& c, const Vec2& px, Vec2& p, Jacobian& j) {
    const double yd = (px.y - c.cy) / c.fy;
    const double xd = (px.x - c.cx - c.skew * yd) / c.fx;
    const double s = xd * xd + yd * yd;
    const double inside = s <= c.limit ? 1.0 : 0.9 * std::sqrt(c.limit / s);
    double dx = xd * inside, dy = yd * inside, best = std::numeric_limits<double>::infinity();
    p = {0.0, 0.0};
    j = {1.0, 0.0, 1.0};
    for (int step = 0; step < kNewtonSteps; ++step) {
        const Vec2 q{p.x + dx, p.y + dy};
        Jacobian a;
        const Vec2 m = distort(c, q, a);
        const double ex = xd - m.x, ey = yd - m.y;
        const double error = ex * ex + ey * ey;
        if ((q.x * q.x + q.y * q.y <= c.limit) & (error < best)) {
            p = q;
            j = a;
            best = error;
            const double det = j.xx * j.yy - j.xy * j.xy;
            const double r = 1.0 / det;
            dx = (j.yy * ex - j.xy * ey) * r;
            dy = (j.xx * ey - j.xy * ex) * r;
            if (dx * dx + dy * dy <= kNewtonTolerance * (1.0 + p.x * p.x + p.y * p.y)) {
                p = {p.x + dx, p.y + dy};
                return (det > 0.0) & (j.xx > 0.0);
            }
        } else {
            dx = 0.5 * dx;
            dy = 0.5 * dy;
        }
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
