// The filter behind a tracked person: eight joints, each with position and velocity, its covariance and its images.
//
// Velocities forget: those of head, neck and shoulders over `steering` s, those of the arms relative to the mean of
// these over `swinging` s (integrated Ornstein-Uhlenbeck processes as in Singer 1970, "Estimating Optimal Tracking
// Filter Performance for Manned Maneuvering Targets", one derivative lower; the decay is 1 / (1 + dt / tau)). Joints
// are independent but for that mean. An image is taken in at its own time by an extended Kalman filter, its two
// whitened rows one after the other, for which P - g g^T / s is Joseph's form; pixels have a least sigma, so that
// digits are kept. Only + - * / sqrt, in the order of reference/track_filter.py; the pair's cost takes a logarithm.
// Cost: a prediction 0.1 us, a pair 0.1 us, an update 0.4 us, for all eight joints.
#pragma once

#include <cmath>
#include <cstdint>

#include "joints.hpp"
#include "rays.hpp"

namespace fusion {

/// What is believed of how people move and how long they are remembered.
struct Habits {
    double walking, reaching;    // m/s: standard deviation of the speed of a body, and of an arm relative to it
    double steering, swinging;   // s: how long these last
    double lost, confirm, join;  // s: memory of a track, age at which it counts, age of images that may start one
    double doubtful;             // probability of a mix-up above which an image changes no track
    People people;
};
constexpr int kHabitsSize = 11;
static_assert(sizeof(Habits) == kHabitsSize * sizeof(double), "Habits must be a flat block of doubles");

constexpr int kArms = 4;                // the joints from here on swing
constexpr double kPairCap = 25.0;       // of a joint's squared Mahalanobis distance
constexpr double kPairGate = 10.0;      // of their mean, which is 2; prediction errs for all joints together
constexpr double kJointGate = 16.0;     // a joint's image farther off is not taken in
constexpr double kLargestScale = 1e30;  // of the determinant of a joint's innovation covariance

struct Track {
    Vec8 x, v;                                          // m, m/s
    Eight pxx, pxy, pxz, pyy, pyz, pzz;                 // m^2
    Eight cxx, cxy, cxz, cyx, cyy, cyz, czx, czy, czz;  // position (first) with velocity, m^2/s
    Eight vxx, vxy, vxz, vyy, vyz, vzz;                 // m^2/s^2
};
constexpr int kTrackRows = 27;
static_assert(sizeof(Track) == kTrackRows * kJoints * sizeof(double), "Track must be a flat block of doubles");

FUSION_INLINE Eight arms_or(double torso, double arms) {
    Eight r = eight(torso);
    for (int j = kArms; j < kJoints; ++j) r.set(j, arms);
    return r;
}

/// Mean over head, neck and shoulders.
FUSION_INLINE double torso(const Eight& a) {
    return ((a[0] + a[2]) + (a[1] + a[3])) * 0.25;
}

FUSION_INLINE void predict(Track& t, double dt, const Habits& h) {
    const double steady = 1.0 / (1.0 + dt / h.steering), swing = 1.0 / (1.0 + dt / h.swinging);
    const Eight a = arms_or(steady, swing), f = a * dt;
    const double walk = (1.0 - steady * steady) * h.walking * h.walking;
    const double reach = walk + (1.0 - swing * swing) * h.reaching * h.reaching;
    const Eight qv = arms_or(walk, reach), qc = qv * (0.5 * dt), qp = qv * (dt * dt / 3.0);
    const double mx = torso(t.v.x), my = torso(t.v.y), mz = torso(t.v.z);
    t.v.x = eight(steady * mx) + a * (t.v.x - eight(mx));
    t.v.y = eight(steady * my) + a * (t.v.y - eight(my));
    t.v.z = eight(steady * mz) + a * (t.v.z - eight(mz));
    t.x.x += t.v.x * dt;
    t.x.y += t.v.y * dt;
    t.x.z += t.v.z * dt;
    const Eight f2 = f + f, ff = f * f, af = a * f, aa = a * a;
    t.pxx += f2 * t.cxx + ff * t.vxx + qp;
    t.pyy += f2 * t.cyy + ff * t.vyy + qp;
    t.pzz += f2 * t.czz + ff * t.vzz + qp;
    t.pxy += f * (t.cxy + t.cyx) + ff * t.vxy;
    t.pxz += f * (t.cxz + t.czx) + ff * t.vxz;
    t.pyz += f * (t.cyz + t.czy) + ff * t.vyz;
    t.cxx = a * t.cxx + af * t.vxx + qc;
    t.cxy = a * t.cxy + af * t.vxy;
    t.cxz = a * t.cxz + af * t.vxz;
    t.cyx = a * t.cyx + af * t.vxy;
    t.cyy = a * t.cyy + af * t.vyy + qc;
    t.cyz = a * t.cyz + af * t.vyz;
    t.czx = a * t.czx + af * t.vxz;
    t.czy = a * t.czy + af * t.vyz;
    t.czz = a * t.czz + af * t.vzz + qc;
    t.vxx = aa * t.vxx + qv;
    t.vxy = aa * t.vxy;
    t.vxz = aa * t.vxz;
    t.vyy = aa * t.vyy + qv;
    t.vyz = aa * t.vyz;
    t.vzz = aa * t.vzz + qv;
}

/// A track as a camera has it before it.
struct Outlook {
    Vec8 ray;      // from the camera's centre, m
    Eight spread;  // trace of the covariance of position, m^2
};

FUSION_INLINE Outlook look_out(const Track& t, const Vec3<double>& centre) {
    return {{t.x.x - eight(centre.x), t.x.y - eight(centre.y), t.x.z - eight(centre.z)}, t.pxx + t.pyy + t.pzz};
}

/// Residuals of a person's joints in the image, whitened, and their derivatives by position.
struct Innovation {
    Eight e0, e1;
    Vec8 j0, j1;
    Mask8 front;
};

FUSION_INLINE Innovation compare(const Outlook& o, const Sighting& s) {
    const Eight depth = dot8(s.axis, o.ray);
    const Mask8 front = depth > eight(0.0);
    const Eight r = eight(1.0) / choose(front, depth, eight(1.0));
    const Eight e0 = dot8(s.b0, o.ray) * r, e1 = dot8(s.b1, o.ray) * r;
    return {e0,
            e1,
            {(s.b0.x - s.axis.x * e0) * r, (s.b0.y - s.axis.y * e0) * r, (s.b0.z - s.axis.z * e0) * r},
            {(s.b1.x - s.axis.x * e1) * r, (s.b1.y - s.axis.y * e1) * r, (s.b1.z - s.axis.z * e1) * r},
            front};
}

FUSION_INLINE Vec8 times(const Track& t, const Vec8& h) {
    return {t.pxx * h.x + t.pxy * h.y + t.pxz * h.z, t.pxy * h.x + t.pyy * h.y + t.pyz * h.z,
            t.pxz * h.x + t.pyz * h.y + t.pzz * h.z};
}

/// Squared Mahalanobis distances of the joints, and the determinants of their innovation covariances.
FUSION_INLINE void distances(const Track& t, const Innovation& i, Eight& square, Eight& det) {
    const Eight one = eight(1.0);
    const Vec8 g0 = times(t, i.j0), g1 = times(t, i.j1);
    const Eight s00 = dot8(i.j0, g0) + one, s01 = dot8(i.j1, g0), s11 = dot8(i.j1, g1) + one;
    det = s00 * s11 - s01 * s01;
    square = (s11 * i.e0 * i.e0 - (s01 + s01) * i.e0 * i.e1 + s00 * i.e1 * i.e1) / det;
}

/// The first joint that a detection shows; kJoints if none.
FUSION_INLINE int first_joint(const Sighting& s) {
    int j = 0;
    while (j < kJoints && !(s.live[j] > 0.0)) ++j;
    return j;
}

/// Whether joint `j` passes the track within a body's reach and what its covariance allows: most pairs end here.
FUSION_INLINE bool reachable(const Outlook& o, const Sighting& s, int j, double reach) {
    const double x = o.ray.x[j], y = o.ray.y[j], z = o.ray.z[j];
    const double e0 = s.b0.x[j] * x + s.b0.y[j] * y + s.b0.z[j] * z;
    const double e1 = s.b1.x[j] * x + s.b1.y[j] * y + s.b1.z[j] * z;
    const double rows = s.b0.x[j] * s.b0.x[j] + s.b0.y[j] * s.b0.y[j] + s.b0.z[j] * s.b0.z[j];
    return e0 * e0 + e1 * e1 <= (reach * reach + kPairCap * o.spread[j]) * rows;
}

/// Negative log likelihood of a person's image, twice, a joint (mean); infinite outside the gate or below two joints.
FUSION_INLINE double pair_cost(const Track& t, const Outlook& o, const Sighting& s) {
    const Eight zero = eight(0.0), one = eight(1.0), cap = eight(kPairCap);
    const double count = total(s.live);
    if (!(count >= 2.0)) return kInfinite;
    const Innovation i = compare(o, s);
    Eight square, det;
    distances(t, i, square, det);
    const Mask8 live = s.live > zero;
    const double mean = total(choose(live, choose(i.front & (square < cap), square, cap), zero)) / count;
    if (!(mean <= kPairGate)) return kInfinite;
    const Eight scale = choose(live, choose(det < eight(kLargestScale), det, eight(kLargestScale)), one);
    const double product =
        ((scale[0] * scale[4]) * (scale[2] * scale[6])) * ((scale[1] * scale[5]) * (scale[3] * scale[7]));
    return mean + std::log(product) / count;
}

/// Takes in one whitened row: residual `r`, derivative `h` (zero where there is none). Adds the move to `dx`.
FUSION_INLINE void take_row(Track& t, const Vec8& h, const Eight& r, Vec8& dx) {
    const Vec8 g = times(t, h);
    const Vec8 k{t.cxx * h.x + t.cyx * h.y + t.czx * h.z, t.cxy * h.x + t.cyy * h.y + t.czy * h.z,
                 t.cxz * h.x + t.cyz * h.y + t.czz * h.z};
    const Eight w = eight(1.0) / (dot8(h, g) + eight(1.0)), m = r * w;
    dx = {dx.x + g.x * m, dx.y + g.y * m, dx.z + g.z * m};
    t.v = {t.v.x + k.x * m, t.v.y + k.y * m, t.v.z + k.z * m};
    const Vec8 gw{g.x * w, g.y * w, g.z * w}, kw{k.x * w, k.y * w, k.z * w};
    t.pxx -= g.x * gw.x;
    t.pxy -= g.x * gw.y;
    t.pxz -= g.x * gw.z;
    t.pyy -= g.y * gw.y;
    t.pyz -= g.y * gw.z;
    t.pzz -= g.z * gw.z;
    t.cxx -= g.x * kw.x;
    t.cxy -= g.x * kw.y;
    t.cxz -= g.x * kw.z;
    t.cyx -= g.y * kw.x;
    t.cyy -= g.y * kw.y;
    t.cyz -= g.y * kw.z;
    t.czx -= g.z * kw.x;
    t.czy -= g.z * kw.y;
    t.czz -= g.z * kw.z;
    t.vxx -= k.x * kw.x;
    t.vxy -= k.x * kw.y;
    t.vxz -= k.x * kw.z;
    t.vyy -= k.y * kw.y;
    t.vyz -= k.y * kw.z;
    t.vzz -= k.z * kw.z;
}

/// Takes in a person's image, joint by joint as far as they lie within the gate.
FUSION_INLINE void update(Track& t, const Outlook& o, const Sighting& s) {
    const Eight zero = eight(0.0);
    const Innovation i = compare(o, s);
    Eight square, det;
    distances(t, i, square, det);
    const Mask8 near = i.front & (square < eight(kJointGate)) & (s.live > zero);
    const Vec8 h0{choose(near, i.j0.x, zero), choose(near, i.j0.y, zero), choose(near, i.j0.z, zero)};
    const Vec8 h1{choose(near, i.j1.x, zero), choose(near, i.j1.y, zero), choose(near, i.j1.z, zero)};
    Vec8 dx{zero, zero, zero};
    take_row(t, h0, zero - choose(near, i.e0, zero), dx);
    take_row(t, h1, zero - (choose(near, i.e1, zero) + dot8(h1, dx)), dx);
    t.x = {t.x.x + dx.x, t.x.y + dx.y, t.x.z + dx.z};
}

}  // namespace fusion
