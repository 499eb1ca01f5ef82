// Rays of eight joints: how far two of them pass each other, and the body that lies nearest to many.
//
// A ray of unit direction d from centre C has the variance rho^2 s2 across it at range rho, from the noise of its
// pixel, plus `spread` m^2 for a person who moved between two pictures. Points are least squares of the distances
// across rays with these weights, the ranges taken at a start (Hartley & Sturm 1997, "Triangulation", the midpoint
// method weighted). Only + - * / sqrt, in the order of reference/rays.py.
#pragma once

#include <cmath>
#include <cstdint>

#include "assignment_rows.hpp"  // kInfinite
#include "joints.hpp"

namespace fusion {

constexpr double kCap = 16.0;       // of a squared distance over its variance: a wrong joint is no worse
constexpr double kMeanGate = 4.0;   // of the mean of 1 that chance gives a body; detectors err together
constexpr double kFitGate = 8.0;    // the same in two directions
constexpr double kFarthest = 1e3;   // m
constexpr double kParallel = 1e-4;  // squared sine of the angle below which two rays tell no place
constexpr double kThree = 3.0;      // standard deviations of slack where a body is checked

/// Where people and their joints are, m.
struct People {
    double lowest, highest;  // heights of joints
    double reach;            // of a joint from the middle of the body
};

struct Ray8 {
    Vec8 d;
    Eight s2, live;
    Eight widest;  // variance across the ray where it leaves the heights where people are
};

struct Body {
    Vec8 x;                        // m
    Eight rays;                    // that fix each joint: two or more, else 0
    Eight xx, xy, xz, yy, yz, zz;  // covariance, m^2
    Eight own;                     // mean variance along the axes, m^2
    double cost, dof;              // sum of squared distances over variances, capped; degrees of freedom
};
constexpr int kBodySize = 11 * kJoints + 2;
static_assert(sizeof(Body) == kBodySize * sizeof(double), "Body must be a flat block of doubles");

FUSION_INLINE void aim(const Sighting& s, const Vec3<double>& centre, const People& people, Ray8& ray) {
    const Eight zero = eight(0.0), one = eight(1.0);
    const Vec8 n{s.b0.y * s.b1.z - s.b0.z * s.b1.y, s.b0.z * s.b1.x - s.b0.x * s.b1.z,
                 s.b0.x * s.b1.y - s.b0.y * s.b1.x};
    const Eight length = root8(dot8(n, n)) + (one - s.live);
    const Eight slope = dot8(s.axis, n);
    const Eight r = choose(slope < zero, zero - one, one) / length;  // an image may be mirrored
    ray.d = {n.x * r, n.y * r, n.z * r};
    ray.s2 = dot8(s.axis, ray.d) / length;
    ray.live = s.live;
    const Eight down = eight(people.lowest - centre.z) / ray.d.z, up = eight(people.highest - centre.z) / ray.d.z;
    const Eight far = choose(ray.d.z < zero, down, up);
    const Eight range = choose((far > zero) & (far < eight(kFarthest)), far, eight(kFarthest));
    ray.widest = range * range * ray.s2;
}

/// Whether no two joints, or one of two, pass each other at more than the noise allows anywhere; needs no division.
FUSION_INLINE bool near(const Ray8& a, const Ray8& b, const Vec3<double>& base, double spread) {
    const Vec8 c{a.d.y * b.d.z - a.d.z * b.d.y, a.d.z * b.d.x - a.d.x * b.d.z, a.d.x * b.d.y - a.d.y * b.d.x};
    const Eight across = c.x * base.x + c.y * base.y + c.z * base.z;
    const Eight variance = a.widest + b.widest + eight(spread);
    const auto apart = across * across > eight(kCap) * variance * dot8(c, c);
    return total(choose(apart, a.live * b.live, eight(0.0))) < 2.0;
}

/// Ranges at which two rays are nearest, the squared sine of their angle, and base . (da x db).
struct Crossing {
    Eight range_a, range_b, square, across;
};

FUSION_INLINE Crossing cross(const Ray8& a, const Ray8& b, const Vec3<double>& base) {
    const Vec8 c{a.d.y * b.d.z - a.d.z * b.d.y, a.d.z * b.d.x - a.d.x * b.d.z, a.d.x * b.d.y - a.d.y * b.d.x};
    const Eight square = dot8(c, c);
    const Eight along = dot8(a.d, b.d);
    const Eight ta = a.d.x * base.x + a.d.y * base.y + a.d.z * base.z;
    const Eight tb = b.d.x * base.x + b.d.y * base.y + b.d.z * base.z;
    const Eight safe = choose(square > eight(kParallel), square, eight(1.0));
    return {(ta - along * tb) / safe, (along * ta - tb) / safe, square, c.x * base.x + c.y * base.y + c.z * base.z};
}

/// Mean squared distance over variance of the joints that both see; infinite if fewer than two tell anything.
FUSION_INLINE double ray_cost(const Ray8& a, const Ray8& b, const Vec3<double>& ca, const Vec3<double>& cb,
                              double spread, const People& people) {
    const Eight zero = eight(0.0), one = eight(1.0), cap = eight(kCap);
    const Crossing c = cross(a, b, cb - ca);
    const Eight live = choose(c.square > eight(kParallel), a.live * b.live, zero);
    const Eight square = choose(live > zero, c.square, one);
    const Eight variance = c.range_a * c.range_a * a.s2 + c.range_b * c.range_b * b.s2 + eight(spread);
    const Eight t = c.across * c.across / (square * variance);
    const Eight height = eight(0.5) * (eight(ca.z) + c.range_a * a.d.z + eight(cb.z) + c.range_b * b.d.z);
    const Eight slack = eight(kThree) * root8(variance / square);
    const auto there = (c.range_a > zero) & (c.range_b > zero) & (height > eight(people.lowest) - slack) &
                       (height < eight(people.highest) + slack) & (t < cap);
    const double count = total(live);
    if (!(count >= 2.0)) return kInfinite;
    return total(choose(live > zero, choose(there, t, cap), zero)) / count;
}

/// Midpoints of two rays.
FUSION_INLINE Vec8 midpoints(const Ray8& a, const Ray8& b, const Vec3<double>& ca, const Vec3<double>& cb) {
    const Crossing c = cross(a, b, cb - ca);
    const Eight half = eight(0.5);
    return {half * (eight(ca.x + cb.x) + c.range_a * a.d.x + c.range_b * b.d.x),
            half * (eight(ca.y + cb.y) + c.range_a * a.d.y + c.range_b * b.d.y),
            half * (eight(ca.z + cb.z) + c.range_a * a.d.z + c.range_b * b.d.z)};
}

struct Sum8 {
    Eight xx, xy, xz, yy, yz, zz, gx, gy, gz, k, rays, behind;
};

/// Adds a ray's equations, written from `x`, to the sums.
FUSION_INLINE void add_ray(const Ray8& ray, const Vec3<double>& centre, double spread, const Vec8& x, Sum8& s) {
    const Eight zero = eight(0.0), one = eight(1.0);
    const Vec8 c{eight(centre.x) - x.x, eight(centre.y) - x.y, eight(centre.z) - x.z};
    const Eight range = zero - dot8(ray.d, c);
    const Vec8 p{c.x + ray.d.x * range, c.y + ray.d.y * range, c.z + ray.d.z * range};
    const Eight variance = choose(ray.live > zero, range * range * ray.s2 + eight(spread), one);
    const Eight w = ray.live / variance;
    const Eight wx = w * ray.d.x, wy = w * ray.d.y, wz = w * ray.d.z;
    s.xx += w - wx * ray.d.x;
    s.xy -= wx * ray.d.y;
    s.xz -= wx * ray.d.z;
    s.yy += w - wy * ray.d.y;
    s.yz -= wy * ray.d.z;
    s.zz += w - wz * ray.d.z;
    s.gx += w * p.x;
    s.gy += w * p.y;
    s.gz += w * p.z;
    s.k += w * dot8(p, p);
    s.rays += ray.live;
    s.behind += choose(range > zero, zero, ray.live);
}

/// The body nearest to the rays summed up from `start`. A joint that fewer than two rays fix lies in the others'
/// middle.
FUSION_INLINE void solve_body(const Sum8& s, const Vec8& start, Body& body) {
    const Eight zero = eight(0.0), one = eight(1.0), pivot = eight(kPivot);
    const Eight i0 = one / choose(s.xx > zero, s.xx, one);
    const Eight l10 = s.xy * i0, l20 = s.xz * i0;
    const Eight d1 = s.yy - l10 * s.xy;
    const Eight i1 = one / choose(d1 > zero, d1, one);
    const Eight b = s.yz - l10 * s.xz;
    const Eight l21 = b * i1;
    const Eight d2 = s.zz - l20 * s.xz - l21 * b;
    const Eight i2 = one / choose(d2 > zero, d2, one);
    const auto fixed = (s.rays > one) & (s.xx > zero) & (d1 > pivot * s.yy) & (d2 > pivot * s.zz);
    const Eight y1 = s.gy - l10 * s.gx, y2 = s.gz - l20 * s.gx - l21 * y1;
    const Eight z = y2 * i2, y = y1 * i1 - l21 * z, x = s.gx * i0 - l10 * y - l20 * z;
    const Eight m20 = l10 * l21 - l20, yz = -l21 * i2, xz = m20 * i2;
    body.xx = choose(fixed, i0 + l10 * l10 * i1 + m20 * xz, zero);
    body.xy = choose(fixed, m20 * yz - l10 * i1, zero);
    body.xz = choose(fixed, xz, zero);
    body.yy = choose(fixed, i1 - l21 * yz, zero);
    body.yz = choose(fixed, yz, zero);
    body.zz = choose(fixed, i2, zero);
    body.own = (body.xx + body.yy + body.zz) / eight(3.0);
    const Eight dof = choose(fixed, s.rays + s.rays - eight(3.0), zero), most = eight(kCap) * dof;
    const Eight cost = s.k - (s.gx * x + s.gy * y + s.gz * z);
    body.rays = choose(fixed, s.rays, zero);
    body.dof = total(dof);
    const Eight within = choose(cost < most, cost, most);
    body.cost = total(choose(fixed, choose(s.behind > zero, most, within), zero));
    const Eight count = choose(fixed, one, zero);
    const double joints = total(count), r = 1.0 / (joints > 0.0 ? joints : 1.0);
    const Vec8 p{choose(fixed, start.x + x, zero), choose(fixed, start.y + y, zero), choose(fixed, start.z + z, zero)};
    const double mx = total(p.x) * r, my = total(p.y) * r, mz = total(p.z) * r;
    body.x = {choose(fixed, p.x, eight(mx)), choose(fixed, p.y, eight(my)), choose(fixed, p.z, eight(mz))};
}

/// Mean squared distance of a person's rays from a body, over the variance of both; infinite below two joints.
FUSION_INLINE double fit_cost(const Ray8& ray, const Vec3<double>& centre, double spread, const Body& body) {
    const Eight zero = eight(0.0), one = eight(1.0), cap = eight(2.0 * kCap);
    const Vec8 c{body.x.x - eight(centre.x), body.x.y - eight(centre.y), body.x.z - eight(centre.z)};
    const Eight range = dot8(ray.d, c);
    const Vec8 p{c.x - ray.d.x * range, c.y - ray.d.y * range, c.z - ray.d.z * range};
    const Eight live = choose(body.rays > one, ray.live, zero);
    const Eight variance = range * range * ray.s2 + eight(spread) + body.own;
    const Eight square = dot8(p, p);
    const auto there = (range > zero) & (square < cap * variance);
    // Two joints beyond the cap are beyond the gate of the mean over eight.
    if (total(choose(there, zero, live)) >= 2.0) return kInfinite;
    const double count = total(live);
    if (!(count >= 2.0)) return kInfinite;
    return total(choose(live > zero, choose(there, square / variance, cap), zero)) / count;
}

/// Whether the joints make a person: two or more that fit their rays, all but a quarter at heights where people are and
/// within reach of their middle.
FUSION_INLINE bool is_body(const Body& body, const People& people) {
    const Eight zero = eight(0.0), one = eight(1.0);
    const Eight fixed = choose(body.rays > one, one, zero);
    const double count = total(fixed), r = 1.0 / count;
    if (!(count >= 2.0) || !(body.cost <= kMeanGate * body.dof)) return false;
    const Vec8 c{body.x.x - eight(total(fixed * body.x.x) * r), body.x.y - eight(total(fixed * body.x.y) * r),
                 body.x.z - eight(total(fixed * body.x.z) * r)};
    const Eight slack = eight(kThree) * root8(body.xx + body.yy + body.zz);
    const auto there = (body.x.z > eight(people.lowest) - slack) & (body.x.z < eight(people.highest) + slack) &
                       (root8(dot8(c, c)) < eight(people.reach) + slack);
    return total(choose(there, fixed, zero)) >= 0.75 * count;
}

}  // namespace fusion
