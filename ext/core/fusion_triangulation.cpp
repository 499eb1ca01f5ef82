// Triangulation by the C ABI.
#include "fusion_triangulation.h"

#include <cmath>

#include "calibration.hpp"
#include "fusion_cameras.hpp"
#include "fusion_memory.hpp"
#include "levels.hpp"
#include "points.hpp"

namespace fusion {
namespace {

constexpr std::int32_t kMostViews = 4096;
constexpr std::int64_t kChunk = 32;  // points between the kernel's columns and the caller's structs

struct PointScratch {
    double *lanes, *xyz_m, *covariance_m2, *figures;
    std::int32_t* used;
    std::uint8_t *status, *inliers;
};

PointScratch take_points(Arena& arena, std::int32_t views) {
    const std::uint64_t lanes = scratch_bytes(views) + kAlignment;
    PointScratch s{};
    s.lanes = arena.take<double>(lanes / sizeof(double));
    s.xyz_m = arena.take<double>(3 * kChunk);
    s.covariance_m2 = arena.take<double>(9 * kChunk);
    s.figures = arena.take<double>(2 * kChunk);
    s.used = arena.take<std::int32_t>(kChunk);
    s.status = arena.take<std::uint8_t>(kChunk);
    s.inliers = arena.take<std::uint8_t>(std::uint64_t(kChunk) * views);
    const auto address = reinterpret_cast<std::uintptr_t>(s.lanes);
    s.lanes += (kAlignment - address % kAlignment) % kAlignment / sizeof(double);
    return s;
}

void tell(const Batch& b, fusion_point* found) {
    for (std::int64_t i = 0; i < b.points; ++i) {
        fusion_point& p = found[i];
        std::memcpy(p.xyz_m, b.xyz_m + 3 * i, sizeof p.xyz_m);
        std::memcpy(p.covariance_m2, b.covariance_m2 + 9 * i, sizeof p.covariance_m2);
        p.rms_px = b.figures[i];
        p.chord = std::sqrt(b.figures[b.points + i]);
        p.views = b.used[i];
        p.status = b.status[i];
    }
}

bool counted(std::int32_t views, std::size_t points) {
    return views >= 1 && views <= kMostViews && points <= SIZE_MAX / 64 / std::size_t(views);
}

}  // namespace
}  // namespace fusion

using namespace fusion;

extern "C" int fusion_camera_init(fusion_camera* camera, const fusion_calibration* calibration,
                                  const double* origin_m) {
    if (!usable(camera) || !usable(calibration) || (origin_m != nullptr && !usable(origin_m)))
        return FUSION_BAD_ARGUMENT;
    const fusion_calibration& given = *calibration;
    const std::int32_t n = given.coefficients;
    const bool few = n == 0 || n == 4, more = n == 5 || n == 8 || n == 12 || n == 14;
    if (given.fisheye != 0 && given.fisheye != 1) return FUSION_BAD_ARGUMENT;
    if (!(given.fx > 0 && given.fy > 0) || !(few || (more && !given.fisheye)) || !rotates(given.rotation))
        return FUSION_BAD_ARGUMENT;
    Camera c{};
    std::memcpy(&c.right, given.rotation, sizeof given.rotation);
    c.centre = centre_of(given.rotation, given.translation_m);
    if (origin_m != nullptr) c.centre = c.centre - Vec3<double>{origin_m[0], origin_m[1], origin_m[2]};
    c.fx = given.fx, c.skew = given.skew, c.cx = given.cx, c.fy = given.fy, c.cy = given.cy;
    double d[14] = {};
    for (std::int32_t i = 0; i < n; ++i) {
        d[i] = given.distortion[i];
        if (!(std::fabs(d[i]) < std::numeric_limits<double>::infinity())) return FUSION_BAD_ARGUMENT;
    }
    Lens& l = c.lens;
    if (given.fisheye) {
        l.kind = kFisheye;
        l.k1 = d[0], l.k2 = d[1], l.k3 = d[2], l.k4 = d[3];
        l.limit = fisheye_limit(l);
    } else {
        if (!(std::fabs(d[12]) <= kPi && std::fabs(d[13]) <= kPi)) return FUSION_BAD_ARGUMENT;
        std::memcpy(&l.k1, d, 12 * sizeof(double));
        l.limit = fold(l);
        tilt(d[12], d[13], l);
        const auto some = [&](int from, int to) {
            bool any = false;
            for (int i = from; i < to; ++i) any |= d[i] != 0;
            return any;
        };
        l.kind = some(12, 14) ? kTilted : (some(5, 12) ? kRational : (some(0, 5) ? kPolynomial : kNoLens));
    }
    std::memcpy(camera->numbers, &c, sizeof c);
    return known_cameras(camera, 1) ? FUSION_OK : FUSION_BAD_ARGUMENT;
}

extern "C" int fusion_triangulation_size(int32_t views, size_t* bytes) {
    if (!usable(bytes) || !counted(views, 0)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_points(arena, views);
    return arena.size(bytes);
}

extern "C" int fusion_triangulate(const fusion_camera* cameras, int32_t views, const double* px, const double* sigma_px,
                                  size_t sigmas, size_t points, double rejection, fusion_point* found, uint8_t* inliers,
                                  void* scratch, size_t bytes) {
    if (!counted(views, points) || !known_cameras(cameras, views) || !(rejection >= 0 && rejection < 1))
        return FUSION_BAD_ARGUMENT;
    const std::uint64_t images = std::uint64_t(points) * std::uint64_t(views);
    if (!usable(px, 2 * images) || !usable(sigma_px, sigmas) || !usable(found, points)) return FUSION_BAD_ARGUMENT;
    if (sigmas != images && sigmas != 1) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_points(arena, views);
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    const PointScratch s = take_points(arena, views);
    const bool one = sigmas == 1;
    const double gate = rejection > 0 ? -2 * std::log(rejection) : std::numeric_limits<double>::infinity();
    for (std::int64_t first = 0; first < std::int64_t(points); first += kChunk) {
        const std::int64_t left = std::int64_t(points) - first, count = left < kChunk ? left : kChunk;
        std::uint8_t* const used = inliers != nullptr ? inliers + first * views : s.inliers;
        const Batch batch{blocks(cameras),
                          views,
                          count,
                          px + 2 * first * views,
                          sigma_px + (one ? 0 : first * views),
                          one ? 0 : views,
                          one ? 0 : 1,
                          gate,
                          s.lanes,
                          s.xyz_m,
                          s.covariance_m2,
                          s.figures,
                          s.used,
                          s.status,
                          used};
        run(TriangulateJob{batch}, processor_level());
        tell(batch, found + first);
    }
    return FUSION_OK;
}

extern "C" int fusion_project(const fusion_camera* cameras, int32_t views, const double* xyz_m, size_t points,
                              double* px) {
    if (!counted(views, points) || !known_cameras(cameras, views)) return FUSION_BAD_ARGUMENT;
    if (!usable(xyz_m, points) || !usable(px, points)) return FUSION_BAD_ARGUMENT;
    run(ProjectJob{blocks(cameras), views, xyz_m, std::int64_t(points), px}, processor_level());
    return FUSION_OK;
}

extern "C" int fusion_undistort(const fusion_camera* cameras, int32_t views, const double* px, size_t points,
                                double* rays, double* residual_px) {
    if (!counted(views, points) || !known_cameras(cameras, views)) return FUSION_BAD_ARGUMENT;
    if (!usable(px, points) || !usable(rays, points) || !usable(residual_px, points)) return FUSION_BAD_ARGUMENT;
    run(UndistortJob{blocks(cameras), views, px, std::int64_t(points), rays, residual_px}, processor_level());
    return FUSION_OK;
}
