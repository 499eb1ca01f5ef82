// Persons of the C ABI as the kernels know them: detections as sight lines, bodies, and room to match them.
#pragma once
#include "fusion_cameras.hpp"
#include "fusion_columns.hpp"
#include "fusion_tracking.h"
#include "matching.hpp"

namespace fusion {

inline bool plausible(const fusion_people& p) {
    return p.lowest_m >= -1e3 && p.highest_m > p.lowest_m && p.highest_m <= 1e3 && p.reach_m > 0 && p.reach_m <= 1e3;
}

inline MatchScratch take_match(Arena& arena, std::int32_t detections, std::int32_t cameras, std::int64_t pairs) {
    const auto n = std::uint64_t(detections);
    MatchScratch s{};
    s.rays = arena.take<Ray8>(n);
    s.bodies = arena.take<Body>(n);
    s.work = arena.take<Body>(n);
    for (std::int32_t** row : {&s.next, &s.root, &s.cluster, &s.row, &s.column}) *row = arena.take<std::int32_t>(n);
    s.edges = arena.take<Edge>(std::uint64_t(pairs));
    s.linked = arena.take<std::uint64_t>(n * ((n + 63) / 64));
    s.seen = arena.take<std::int32_t>(std::uint64_t(cameras));
    s.cost = arena.take<double>(n * n);
    s.miss = arena.take<double>(n);
    s.columns = take_columns(arena, detections);
    s.edge_room = pairs;
    return s;
}

/// Sight lines of n detections of one camera.
inline void look_at(const Camera& camera, const double* px, const double* sigma_px, std::int32_t n, Sighting* seen) {
    for (std::int32_t i = 0; i < n; ++i) look(camera, px + 2 * kJoints * i, sigma_px + kJoints * i, seen[i]);
}

inline void tell_covariance(const double* upper, double* full) {
    const int places[9] = {0, 1, 2, 1, 3, 4, 2, 4, 5};
    for (int k = 0; k < 9; ++k) full[k] = upper[places[k]];
}

}  // namespace fusion
