// Batches of points over the kernels of triangulation.hpp, consensus.hpp and camera.hpp: from arrays of the caller to
// lanes and back, compiled once for each instruction set.
//
// No result depends on how points share lanes. Points that need the search for a consensus wait until a vector of them
// is full. The caller owns all storage; `scratch_bytes` tells how much scratch a batch needs.
#pragma once

#include "consensus.hpp"

namespace fusion {

struct Batch {
    const Camera* cameras;
    std::int64_t views, points;
    const double* px;                      // [points][views][2]; not finite where missing
    const double* sigma_px;                // missing where the square is not positive and finite
    std::int64_t sigma_point, sigma_view;  // its strides: 0, 0 where one stands for all
    double gate;      // squared residual in standard deviations beyond which an image is wrong; infinite: none is
    double* scratch;  // aligned to kAlignment bytes
    // Results: [points][3], [points][3][3], [rms, squared chord][points], [points], [points], [points][views]
    double* xyz_m;
    double* covariance_m2;
    double* figures;
    std::int32_t* used;
    std::uint8_t* status;
    std::uint8_t* inliers;
};

constexpr int kMaxLanes = 8;
constexpr std::size_t kAlignment = kMaxLanes * sizeof(double);

#if FUSION_VECTORS
typedef Double8 Widest;
#else
typedef double Widest;
#endif

inline std::size_t scratch_bytes(std::int64_t views) {
    return 2 * static_cast<std::size_t>(views) * sizeof(View<Widest>);
}

// Fills the lanes with the images of the points `index[count]`; returns how many cameras see any of them.
template <class V>
FUSION_INLINE int gather(const Batch& b, const std::int64_t* index, int count, View<V>* views, V& seen,
                         Mask<V>& beyond) {
    const V zero = splat<V>(0.0), one = splat<V>(1.0);
    seen = zero;
    beyond = never<V>();
    int n = 0;
    for (std::int64_t c = 0; c < b.views; ++c) {
        double x[kLanes<V>], y[kLanes<V>], s[kLanes<V>];
        for (int i = 0; i < kLanes<V>; ++i) {
            const std::int64_t point = index[i < count ? i : 0];
            x[i] = b.px[2 * (point * b.views + c)];
            y[i] = b.px[2 * (point * b.views + c) + 1];
            s[i] = i < count ? b.sigma_px[point * b.sigma_point + c * b.sigma_view] : 0.0;
        }
        const Vec2<V> px{pack<V>(x), pack<V>(y)};
        const V sigma = pack<V>(s);
        View<V>& v = views[n];
        const V square = sigma * sigma;
        const Mask<V> weighs = both(less(zero, sigma), both(less(zero, square), finite(square)));
        v.live = both(both(finite(px.x), finite(px.y)), weighs);
        if (!any(v.live)) continue;
        v.camera = c;
        beyond = either(beyond, prepare(b.cameras[c], px, sigma, v));
        seen += select<V>(v.live, one, zero);
        ++n;
    }
    return n;
}

// Writes the lanes of `which` to the points `index`, and which cameras took part.
template <class V>
FUSION_INLINE void scatter(const Batch& b, const std::int64_t* index, int count, const Mask<V>& which,
                           const Solution<V>& s, const View<V>* views, int n) {
    constexpr int kRow = 13;
    const Sym3<V>& c = s.covariance;
    const V* sources[kRow] = {&s.xyz.x, &s.xyz.y, &s.xyz.z, &c.xx,    &c.xy,    &c.xz,    &c.yy,
                              &c.yz,    &c.zz,    &s.rms,   &s.chord, &s.views, &s.status};
    double rows[kRow][kLanes<V>], chosen[kLanes<V>], live[kLanes<V>];
    for (int k = 0; k < kRow; ++k) unpack(*sources[k], rows[k]);
    unpack_mask<V>(which, chosen);
    for (int i = 0; i < count; ++i) {
        if (chosen[i] == 0.0) continue;
        const std::int64_t p = index[i];
        const double xy = rows[4][i], xz = rows[5][i], yz = rows[7][i];
        const double full[9] = {rows[3][i], xy, xz, xy, rows[6][i], yz, xz, yz, rows[8][i]};
        for (int k = 0; k < 3; ++k) b.xyz_m[3 * p + k] = rows[k][i];
        std::memcpy(b.covariance_m2 + 9 * p, full, sizeof full);
        b.figures[p] = rows[9][i];
        b.figures[b.points + p] = rows[10][i];
        b.used[p] = static_cast<std::int32_t>(rows[11][i]);
        b.status[p] = static_cast<std::uint8_t>(rows[12][i]);
        if (n < b.views) std::memset(b.inliers + p * b.views, 0, static_cast<std::size_t>(b.views));
    }
    for (int k = 0; k < n; ++k) {
        unpack_mask<V>(views[k].live, live);
        for (int i = 0; i < count; ++i) {
            if (chosen[i] != 0.0) b.inliers[index[i] * b.views + views[k].camera] = live[i] != 0.0;
        }
    }
}

// Solves the points `index[count]` from all their images; true in the lanes where some disagree.
template <class V>
FUSION_INLINE Mask<V> solve_plain(const Batch& b, const std::int64_t* index, int count) {
    View<V>* views = reinterpret_cast<View<V>*>(b.scratch);
    V seen;
    Mask<V> beyond;
    const int n = gather(b, index, count, views, seen, beyond);
    const Fit<V> fit = fit_all(views, n, seen);
    Mask<V> doubtful = never<V>();
    if (b.gate < std::numeric_limits<double>::infinity()) {
        const Mask<V> failed = either(either(fit.singular, fit.behind), fit.unfinished);
        const Mask<V> wrong = either(failed, disagree(views, n, fit.x, splat<V>(b.gate)));
        doubtful = both(at_most(splat<V>(3.0), seen), wrong);
    }
    const Solution<V> s = conclude(views, n, seen, beyond, fit);
    scatter(b, index, count, always<V>(), s, views, n);
    return doubtful;
}

// Solves the points `index[count]` from the images that agree; where no two do, the plain solution stays.
template <class V>
FUSION_INLINE void solve_consensus(const Batch& b, const std::int64_t* index, int count) {
    View<V>* views = reinterpret_cast<View<V>*>(b.scratch);
    View<V>* chosen = views + b.views;
    V seen, agreed;
    Mask<V> beyond;
    const int n = gather(b, index, count, views, seen, beyond);
    Fit<V> fit;
    const Mask<V> found = fit_consensus(views, n, splat<V>(b.gate), chosen, agreed, fit);
    Solution<V> s = conclude(chosen, n, agreed, beyond, fit);
    s.status += bit<V>(less(agreed, seen), kOutlier);
    scatter(b, index, count, found, s, chosen, n);
}

template <class V>
FUSION_INLINE void triangulate_lanes(const Batch& b) {
    std::int64_t waiting[2 * kLanes<V>] = {};
    int queue = 0;
    for (std::int64_t start = 0; start < b.points; start += kLanes<V>) {
        std::int64_t index[kLanes<V>];
        for (int i = 0; i < kLanes<V>; ++i) index[i] = start + i;
        const int count = static_cast<int>(b.points - start < kLanes<V> ? b.points - start : kLanes<V>);
        const Mask<V> doubtful = solve_plain<V>(b, index, count);
        if (any(doubtful)) {
            double doubts[kLanes<V>];
            unpack_mask<V>(doubtful, doubts);
            for (int i = 0; i < count; ++i) {
                if (doubts[i] != 0.0) waiting[queue++] = index[i];
            }
        }
        const bool last = start + kLanes<V> >= b.points;
        while (queue >= kLanes<V> || (last && queue > 0)) {
            const int group = queue < kLanes<V> ? queue : kLanes<V>;
            solve_consensus<V>(b, waiting, group);
            for (int i = group; i < queue; ++i) waiting[i - group] = waiting[i];
            queue -= group;
        }
    }
}

template <class V>
FUSION_INLINE V load(const double* from, std::int64_t stride, std::int64_t count) {
    double lanes[kLanes<V>];
    for (int i = 0; i < kLanes<V>; ++i) lanes[i] = from[i < count ? i * stride : 0];
    return pack<V>(lanes);
}

template <class V>
FUSION_INLINE void store(const V& value, double* to, std::int64_t stride, std::int64_t count) {
    double lanes[kLanes<V>];
    unpack(value, lanes);
    for (int i = 0; i < kLanes<V> && i < count; ++i) to[i * stride] = lanes[i];
}

struct TriangulateJob {
    const Batch& batch;

    template <class V>
    FUSION_INLINE void run() const {
        triangulate_lanes<V>(batch);
    }
};

// Pixels [points][views][2] of `xyz_m` [points][3]; NaN where there is no image.
struct ProjectJob {
    const Camera* cameras;
    std::int64_t views;
    const double* xyz_m;
    std::int64_t points;
    double* px;

    template <class V>
    FUSION_INLINE void run() const {
        for (std::int64_t i = 0; i < points; i += kLanes<V>) {
            const std::int64_t left = points - i;
            const double* p = xyz_m + 3 * i;
            const Vec3<V> point{load<V>(p, 3, left), load<V>(p + 1, 3, left), load<V>(p + 2, 3, left)};
            for (std::int64_t c = 0; c < views; ++c) {
                const Vec2<V> pixel = project(cameras[c], point);
                double* to = px + 2 * (i * views + c);
                store(pixel.x, to, 2 * views, left);
                store(pixel.y, to + 1, 2 * views, left);
            }
        }
    }
};

// Unit rays [points][views][3] in the cameras' frames of pixels, and how far their images lie from the pixels,
// [points][views]; NaN where the lens shows nothing.
struct UndistortJob {
    const Camera* cameras;
    std::int64_t views;
    const double* px;
    std::int64_t points;
    double* rays;
    double* residual_px;

    template <class V>
    FUSION_INLINE void run() const {
        const V nan = splat<V>(std::numeric_limits<double>::quiet_NaN());
        for (std::int64_t i = 0; i < points; i += kLanes<V>) {
            for (std::int64_t c = 0; c < views; ++c) {
                const std::int64_t at = i * views + c, left = points - i;
                const double* from = px + 2 * at;
                const Vec2<V> pixel{load<V>(from, 2 * views, left), load<V>(from + 1, 2 * views, left)};
                Sight<V> s;
                const Mask<V> found = look(cameras[c], pixel, s);
                const Vec2<V> again = image(cameras[c], s.ray);
                const V dx = again.x - pixel.x, dy = again.y - pixel.y;
                const Vec3<V> ray = unit(s.ray);
                store(select<V>(found, ray.x, nan), rays + 3 * at, 3 * views, left);
                store(select<V>(found, ray.y, nan), rays + 3 * at + 1, 3 * views, left);
                store(select<V>(found, ray.z, nan), rays + 3 * at + 2, 3 * views, left);
                store(select<V>(found, root<V>(dx * dx + dy * dy), nan), residual_px + at, views, left);
            }
        }
    }
};

}  // namespace fusion
