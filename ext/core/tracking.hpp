// Persons followed through the pictures of many cameras, each taken in at its own time.
//
// One step is one picture: forget who was not seen for long, predict to the picture's time, assign its detections to
// the tracks exactly (assignment.hpp) at the cost of track_filter.hpp, and take in each image whose assignment is
// clear. What is left over waits for other cameras: matching.hpp clusters the leftovers of all cameras, and a person
// whom two of them confirm becomes a track, which counts once it was seen again for a while. Source: gating, assignment
// and track management as in Blackman & Popoli 1999, "Design and Analysis of Modern Tracking Systems", chapters 6 and
// 9; z is up. Storage is the caller's; when it is full, detections are refused and counted.
// + - * / sqrt in the order of reference/tracking.py, logarithms in costs, exponentials in doubts.
// Cost: 20 detections against 20 tracks about 20 us.
#pragma once

#include <cmath>
#include <cstdint>

#include "assignment.hpp"
#include "matching.hpp"
#include "track_filter.hpp"

namespace fusion {

constexpr double kNew = 24.0;           // cost of a detection that no track has: the gate and a wide innovation
constexpr double kSamePerson = 0.0225;  // m^2: two middles of bodies nearer than 0.15 m are one person's
constexpr double kMemory = 0.25;        // share of the last image in a track's ambiguity
constexpr std::int64_t kHits = 3;       // images after its birth that a track needs to count
constexpr double kNanosecond = 1e-9;

/// What is known of a track beside its filter.
struct Facts {
    std::int64_t id, born_ns, seen_ns, hits, confirmed;
};
constexpr int kFactsSize = 5;
static_assert(sizeof(Facts) == kFactsSize * sizeof(std::int64_t), "Facts must be a flat block of integers");

/// All that is remembered. Tracks and leftovers lie one after the other in the order of their birth.
struct Crowd {
    Track* tracks;              // track_room
    Facts* facts;               // track_room
    double* ambiguity;          // track_room
    Sighting* left;             // left_room: detections that no track has
    std::int32_t* left_camera;  // left_room
    std::int64_t* left_ns;      // left_room
    std::int64_t *track_count, *left_count, *next_id, *now_ns, *refused;
    std::int32_t track_room, left_room;
};

struct StepScratch {
    double *cost, *miss;     // n track_room, n
    std::int32_t* column;    // n
    Columns columns;         // for the larger of n and track_room
    Outlook* outlooks;       // track_room
    Vec3<double>* middles;   // track_room
    std::int32_t* person;    // left_room
    double *doubt, *motion;  // left_room
    Body* bodies;            // left_room
    MatchScratch match;      // for left_room
};

FUSION_INLINE void copy_track(Crowd& c, std::int64_t from, std::int64_t to) {
    if (from == to) return;
    c.tracks[to] = c.tracks[from];
    c.facts[to] = c.facts[from];
    c.ambiguity[to] = c.ambiguity[from];
}

FUSION_INLINE void copy_left(Crowd& c, std::int64_t from, std::int64_t to) {
    if (from == to) return;
    c.left[to] = c.left[from];
    c.left_camera[to] = c.left_camera[from];
    c.left_ns[to] = c.left_ns[from];
}

/// Forgets tracks that were not seen for `lost` s (`join` s before they count), and leftovers too old to join.
FUSION_INLINE void forget(Crowd& c, std::int32_t camera, std::int64_t now_ns, const Habits& h) {
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < *c.track_count; ++i) {
        const double unseen = static_cast<double>(now_ns - c.facts[i].seen_ns) * kNanosecond;
        if (unseen <= (c.facts[i].confirmed ? h.lost : h.join + h.confirm)) copy_track(c, i, kept++);
    }
    *c.track_count = kept;
    kept = 0;
    for (std::int64_t i = 0; i < *c.left_count; ++i) {
        const double age = static_cast<double>(now_ns - c.left_ns[i]) * kNanosecond;
        if (age <= h.join && c.left_camera[i] != camera) copy_left(c, i, kept++);
    }
    *c.left_count = kept;
}

FUSION_INLINE Vec3<double> middle(const Vec8& x) {
    return {torso(x.x), torso(x.y), torso(x.z)};
}

FUSION_INLINE bool same_person(const Vec3<double>& a, const Vec3<double>& b) {
    const Vec3<double> apart = a - b;
    return dot(apart, apart) < kSamePerson;
}

/// Of two tracks of one person the younger goes.
FUSION_INLINE void drop_twins(Crowd& c, Vec3<double>* middles) {
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < *c.track_count; ++i) {
        const Vec3<double> here = middles[kept] = middle(c.tracks[i].x);
        bool twin = false;
        for (std::int64_t k = 0; k < kept; ++k) twin |= same_person(middles[k], here);
        if (!twin) copy_track(c, i, kept++);
    }
    *c.track_count = kept;
}

FUSION_INLINE void take_in(Crowd& c, std::int64_t i, const Outlook& o, const Sighting& s, std::int64_t now_ns,
                           double doubt, const Habits& h) {
    Facts& f = c.facts[i];
    c.ambiguity[i] += (doubt - c.ambiguity[i]) * kMemory;
    f.seen_ns = now_ns;
    if (doubt > h.doubtful) return;
    update(c.tracks[i], o, s);
    ++f.hits;
    if (f.hits >= kHits && static_cast<double>(now_ns - f.born_ns) * kNanosecond >= h.confirm) f.confirmed = 1;
}

/// Assigns the detections of a picture to the tracks and takes them in; tells each one's track and doubt.
FUSION_INLINE void assign_tracks(Crowd& c, const Sighting* seen, std::int32_t n, const Vec3<double>& centre,
                                 std::int64_t now_ns, const Habits& h, StepScratch& s, std::int64_t* track,
                                 double* doubts) {
    const auto count = static_cast<std::int32_t>(*c.track_count);
    for (std::int32_t i = 0; i < count; ++i) s.outlooks[i] = look_out(c.tracks[i], centre);
    for (std::int32_t d = 0; d < n; ++d) {
        const int joint = first_joint(seen[d]);
        double* row = s.cost + static_cast<std::size_t>(d) * count;
        for (std::int32_t i = 0; i < count; ++i) {
            const bool near = joint < kJoints && reachable(s.outlooks[i], seen[d], joint, h.people.reach);
            row[i] = near ? pair_cost(c.tracks[i], s.outlooks[i], seen[d]) : kInfinite;
        }
        s.miss[d] = kNew;
    }
    if (n > 0) solve({s.cost, n, count}, s.miss, s.columns, s.column);
    for (std::int32_t d = 0; d < n; ++d) {
        const std::int32_t i = s.column[d];
        doubts[d] = doubt(s.cost, n, count, d, i, kNew);
        track[d] = i < 0 ? -1 : c.facts[i].id;
        if (i >= 0) take_in(c, i, s.outlooks[i], seen[d], now_ns, doubts[d], h);
    }
}

FUSION_INLINE void keep_left(Crowd& c, const Sighting* seen, std::int32_t n, std::int32_t camera, std::int64_t now_ns,
                             const std::int64_t* track) {
    for (std::int32_t d = 0; d < n; ++d) {
        if (track[d] >= 0 || total(seen[d].live) < 2.0) continue;
        if (*c.left_count == c.left_room) {
            ++*c.refused;
            continue;
        }
        const std::int64_t k = (*c.left_count)++;
        c.left[k] = seen[d];
        c.left_camera[k] = camera;
        c.left_ns[k] = now_ns;
    }
}

FUSION_INLINE void start_track(Crowd& c, const Body& body, std::int64_t now_ns, const Habits& h) {
    for (std::int64_t i = 0; i < *c.track_count; ++i) {
        if (same_person(middle(c.tracks[i].x), middle(body.x))) return;
    }
    if (*c.track_count == c.track_room) {
        ++*c.refused;
        return;
    }
    const std::int64_t i = (*c.track_count)++;
    const Eight zero = eight(0.0), one = eight(1.0), somewhere = eight(h.people.reach * h.people.reach / 9.0);
    const double moved = h.walking * h.join;
    const Mask8 fixed = body.rays > one;
    const Eight walk = eight(h.walking * h.walking), spread = eight(moved * moved);
    const Eight speed = walk + arms_or(0.0, h.reaching * h.reaching);
    Track& t = c.tracks[i];
    t = Track();
    t.x = body.x;
    t.v = {zero, zero, zero};
    t.pxx = choose(fixed, body.xx + spread, somewhere);
    t.pxy = choose(fixed, body.xy, zero);
    t.pxz = choose(fixed, body.xz, zero);
    t.pyy = choose(fixed, body.yy + spread, somewhere);
    t.pyz = choose(fixed, body.yz, zero);
    t.pzz = choose(fixed, body.zz + spread, somewhere);
    t.cxx = t.cxy = t.cxz = t.cyx = t.cyy = t.cyz = t.czx = t.czy = t.czz = zero;
    t.vxx = t.vyy = t.vzz = speed;
    t.vxy = t.vxz = t.vyz = zero;
    c.facts[i] = {(*c.next_id)++, now_ns, now_ns, 0, 0};
    c.ambiguity[i] = 0.0;
}

/// Matches the leftovers of all cameras; persons become tracks, and their leftovers go.
FUSION_INLINE void start_tracks(Crowd& c, const Vec3<double>* centres, std::int32_t cameras, std::int64_t now_ns,
                                const Habits& h, StepScratch& s) {
    const auto n = static_cast<std::int32_t>(*c.left_count);
    for (std::int32_t i = 0; i < n; ++i) {
        s.motion[i] = h.walking * (static_cast<double>(now_ns - c.left_ns[i]) * kNanosecond);
    }
    const std::int32_t found =
        match_all(c.left, c.left_camera, centres, s.motion, n, cameras, h.people, s.match, s.person, s.doubt, s.bodies);
    for (std::int32_t k = 0; k < found; ++k) start_track(c, s.bodies[k], now_ns, h);
    std::int64_t kept = 0;
    for (std::int32_t i = 0; i < n; ++i) {
        if (s.person[i] < 0) copy_left(c, i, kept++);
    }
    *c.left_count = kept;
}

/// Takes in a picture: n detections of one camera at `now_ns`, not before the last one. Writes the track of each
/// detection, -1 for none, and the probability that the best rival is right instead.
FUSION_CLONES static void step(Crowd c, const Sighting* seen, std::int32_t n, std::int32_t camera, std::int64_t now_ns,
                               const Vec3<double>* centres, std::int32_t cameras, const Habits& h, StepScratch s,
                               std::int64_t* track, double* doubts) {
    forget(c, camera, now_ns, h);
    const double dt = static_cast<double>(now_ns - *c.now_ns) * kNanosecond;
    for (std::int64_t i = 0; i < *c.track_count; ++i) predict(c.tracks[i], dt, h);
    *c.now_ns = now_ns;
    assign_tracks(c, seen, n, centres[camera], now_ns, h, s, track, doubts);
    drop_twins(c, s.middles);
    const std::int64_t before = *c.left_count;
    keep_left(c, seen, n, camera, now_ns, track);
    if (before > 0 && *c.left_count > before) start_tracks(c, centres, cameras, now_ns, h, s);
}

}  // namespace fusion
