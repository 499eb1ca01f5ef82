// A calibrated camera: from a point to its pixel, and from a pixel to its ray with the derivative that noise follows.
//
// Lengths in metres, images in pixels. Only + - * / sqrt, in the order of reference/lenses.py.
#pragma once

#include "fisheye.hpp"

namespace fusion {

// A flat block of doubles: one row of the array that the caller packs once for all cameras.
struct Camera {
    Vec3<double> right, down, axis;  // rows of the rotation from world to camera
    Vec3<double> centre;             // from the origin that the caller chose for all cameras
    double fx, skew, cx, fy, cy;
    Lens lens;
};
constexpr int kCameraSize = 49;
static_assert(sizeof(Camera) == kCameraSize * sizeof(double), "Camera must be a flat block of doubles");

// What a pixel says in the camera's frame: the pixel of a ray r' near `ray` is the given one plus (dot(row0, r'),
// dot(row1, r')) over the depth of r', to first order. Depth counts along the axis, of a fisheye along the ray.
template <class V>
struct Sight {
    Vec3<V> ray;  // (x, y, 1); of a fisheye the unit vector
    Vec3<V> row0, row1;
};

template <class V>
FUSION_INLINE Mask<V> sight_pinhole(const Camera& c, const Vec2<V>& image, Sight<V>& sight) {
    Vec2<V> p = image;
    Jacobian<V> j{splat<V>(1.0), splat<V>(0.0), splat<V>(0.0), splat<V>(1.0)};
    Mask<V> found = both(finite(image.x), finite(image.y));
    if (c.lens.kind == kTilted) {
        Jacobian<V> unused, t, a;
        Vec2<V> flat = homography(c.lens.untilt, image, unused);
        found = both(found, invert(c.lens, flat, p, a));
        homography(c.lens.tilt, flat, t);
        j = {t.xx * a.xx + t.xy * a.yx, t.xx * a.xy + t.xy * a.yy, t.yx * a.xx + t.yy * a.yx,
             t.yx * a.xy + t.yy * a.yy};
    } else if (c.lens.kind != kNoLens) {
        found = both(found, invert(c.lens, image, p, j));
    }
    const V a00 = c.fx * j.xx + c.skew * j.yx, a01 = c.fx * j.xy + c.skew * j.yy;
    const V a10 = c.fy * j.yx, a11 = c.fy * j.yy;
    sight.ray = {p.x, p.y, splat<V>(1.0)};
    sight.row0 = {a00, a01, -(a00 * p.x + a01 * p.y)};
    sight.row1 = {a10, a11, -(a10 * p.x + a11 * p.y)};
    return found;
}

template <class V>
FUSION_INLINE Mask<V> sight_fisheye(const Camera& c, const Vec2<V>& image, Sight<V>& sight) {
    const V zero = splat<V>(0.0), one = splat<V>(1.0);
    const V radius = root<V>(image.x * image.x + image.y * image.y);
    const Mask<V> off = less(zero, radius);
    const V cp = select<V>(off, image.x / radius, one), sp = select<V>(off, image.y / radius, zero);
    V angle, slope, s, k;
    const Mask<V> found = unbend(c.lens, radius, angle, slope);
    sine_cosine(angle, s, k);
    const V ratio = select<V>(off, radius / s, one);
    const V along = slope * k, down = slope * s;
    const Vec3<V> x{along * cp * cp + ratio * sp * sp, (along - ratio) * cp * sp, -down * cp};
    const Vec3<V> y{(along - ratio) * cp * sp, along * sp * sp + ratio * cp * cp, -down * sp};
    sight.ray = {s * cp, s * sp, k};
    sight.row0 = x * c.fx + y * c.skew;
    sight.row1 = y * c.fy;
    return found;
}

// False where the lens shows nothing at the pixel, or it is not finite.
template <class V>
FUSION_INLINE Mask<V> look(const Camera& c, const Vec2<V>& px, Sight<V>& sight) {
    const V y = (px.y - c.cy) / c.fy;
    const V x = (px.x - c.cx - c.skew * y) / c.fx;
    if (c.lens.kind == kFisheye) return sight_fisheye<V>(c, {x, y}, sight);
    return sight_pinhole<V>(c, {x, y}, sight);
}

template <class V>
FUSION_INLINE Vec2<V> to_pixel(const Camera& c, const Vec2<V>& d, const Mask<V>& seen) {
    const V nan = splat<V>(std::numeric_limits<double>::quiet_NaN());
    return {select<V>(seen, c.fx * d.x + c.skew * d.y + c.cx, nan), select<V>(seen, c.fy * d.y + c.cy, nan)};
}

// Pixel of a ray in the camera's frame; NaN where it has no image: behind the camera, or beyond the fold of the lens.
template <class V>
FUSION_INLINE Vec2<V> image(const Camera& c, const Vec3<V>& ray) {
    const V zero = splat<V>(0.0), limit = splat<V>(c.lens.limit);
    if (c.lens.kind == kFisheye) {
        const V across = root<V>(ray.x * ray.x + ray.y * ray.y);
        const V angle = ray_angle(across, ray.z);
        V unused;
        const V ratio = select<V>(less(zero, across), bend(c.lens, angle, unused) / across, zero);
        return to_pixel<V>(c, {ray.x * ratio, ray.y * ratio}, at_most(angle, limit));
    }
    const Vec2<V> p{ray.x / ray.z, ray.y / ray.z};
    const Mask<V> seen = both(less(zero, ray.z), at_most<V>(p.x * p.x + p.y * p.y, limit));
    if (c.lens.kind == kNoLens) return to_pixel(c, p, seen);
    Jacobian<V> unused;
    const Vec2<V> d = distort(c.lens, p, unused);
    return to_pixel(c, c.lens.kind == kTilted ? homography(c.lens.tilt, d, unused) : d, seen);
}

template <class V>
FUSION_INLINE Vec2<V> project(const Camera& c, const Vec3<V>& point) {
    const Vec3<V> ray = point - c.centre;
    return image<V>(c, {dot(c.right, ray), dot(c.down, ray), dot(c.axis, ray)});
}

}  // namespace fusion
