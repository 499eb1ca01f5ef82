// Matching of persons across cameras by the C ABI.
#include "fusion_matching.hpp"

namespace fusion {
namespace {

struct Scratch {
    Sighting* seen;
    Vec3<double>* centres;
    Body* bodies;
    MatchScratch match;
};

Scratch take(Arena& arena, std::int32_t n, std::int32_t cameras, std::int64_t pairs) {
    Scratch s{};
    s.seen = arena.take<Sighting>(std::uint64_t(n));
    s.centres = arena.take<Vec3<double>>(std::uint64_t(cameras));
    s.bodies = arena.take<Body>(std::uint64_t(n));
    s.match = take_match(arena, n, cameras, pairs);
    return s;
}

bool counted(std::int32_t n, std::int32_t cameras, std::int64_t pairs) {
    return n >= 0 && n <= FUSION_DETECTIONS_MOST && cameras >= 1 && cameras <= FUSION_CAMERAS_MOST && pairs >= 0 &&
           pairs <= std::int64_t(FUSION_DETECTIONS_MOST) * FUSION_DETECTIONS_MOST;
}

void tell(const Body& body, fusion_body& told) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    for (int j = 0; j < kJoints; ++j) {
        const bool fixed = body.rays[j] > 1.0;
        const double place[3] = {body.x.x[j], body.x.y[j], body.x.z[j]};
        const double upper[6] = {body.xx[j], body.xy[j], body.xz[j], body.yy[j], body.yz[j], body.zz[j]};
        tell_covariance(upper, told.covariance_m2[j]);
        for (int k = 0; k < 3; ++k) told.joints_m[j][k] = fixed ? place[k] : nan;
        for (int k = 0; k < 9 && !fixed; ++k) told.covariance_m2[j][k] = nan;
    }
}

}  // namespace
}  // namespace fusion

using namespace fusion;

extern "C" int fusion_people_defaults(fusion_people* people) {
    if (!usable(people)) return FUSION_BAD_ARGUMENT;
    *people = {-0.1, 2.5, 1.1};
    return FUSION_OK;
}

extern "C" int fusion_match_size(int32_t detections, int32_t cameras, int64_t pairs, size_t* bytes) {
    if (!usable(bytes) || !counted(detections, cameras, pairs)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take(arena, detections, cameras, pairs);
    return arena.size(bytes);
}

extern "C" int fusion_match(const fusion_camera* cameras, int32_t count, const double* px, const double* sigma_px,
                            const int32_t* camera, const double* motion_m, int32_t n, int64_t pairs,
                            const fusion_people* people, int32_t* person, double* ambiguity, fusion_body* bodies,
                            int32_t* found, void* scratch, size_t bytes) {
    if (!counted(n, count, pairs) || !usable(found) || !usable(people) || !plausible(*people))
        return FUSION_BAD_ARGUMENT;
    const auto rows = std::uint64_t(n);
    if (!usable(px, rows) || !usable(sigma_px, rows) || !usable(camera, rows) || !usable(motion_m, rows) ||
        !usable(person, rows) || !usable(ambiguity, rows) || !usable(bodies, rows) || !known_cameras(cameras, count))
        return FUSION_BAD_ARGUMENT;
    for (std::int32_t i = 0; i < n; ++i)
        if (camera[i] < 0 || camera[i] >= count || !(motion_m[i] >= 0 && motion_m[i] <= 1e6))
            return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take(arena, n, count, pairs);
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    const Scratch s = take(arena, n, count, pairs);
    for (std::int32_t c = 0; c < count; ++c) s.centres[c] = blocks(cameras)[c].centre;
    for (std::int32_t i = 0; i < n; ++i)
        look_at(blocks(cameras)[camera[i]], px + 2 * kJoints * i, sigma_px + kJoints * i, 1, s.seen + i);
    const People known{people->lowest_m, people->highest_m, people->reach_m};
    const std::int32_t persons =
        match(s.seen, camera, s.centres, motion_m, n, count, known, s.match, person, ambiguity, s.bodies);
    if (persons == kTooManyEdges) return FUSION_NO_ROOM;
    for (std::int32_t k = 0; k < persons; ++k) tell(s.bodies[k], bodies[k]);
    *found = persons;
    return FUSION_OK;
}
