// Tracking by the C ABI. The state: a header, the cameras, and the arrays of a Crowd.
#include "fusion_matching.hpp"
#include "tracking.hpp"

namespace fusion {
namespace {

constexpr std::uint32_t kMagic = 0x6b727466;  // "ftrk"
enum Counts { kTrackCount, kLeftCount, kNextId, kNow, kRefused, kCounts };

struct Header {
    std::uint32_t magic, abi;
    std::int32_t cameras, crowd;
    std::int64_t told_ns, counts[kCounts];
    Habits habits;
};

struct Memory {
    Header* header;
    fusion_camera* cameras;
    Vec3<double>* centres;
    Crowd crowd;
};

Memory take(Arena& arena, std::int32_t cameras, std::int32_t crowd) {
    const auto tracks = std::uint64_t(crowd), left = 4 * tracks;
    Memory m{};
    m.header = arena.take<Header>(1);
    m.cameras = arena.take<fusion_camera>(std::uint64_t(cameras));
    m.centres = arena.take<Vec3<double>>(std::uint64_t(cameras));
    Crowd& c = m.crowd;
    c.tracks = arena.take<Track>(tracks);
    c.facts = arena.take<Facts>(tracks);
    c.ambiguity = arena.take<double>(tracks);
    c.left = arena.take<Sighting>(left);
    c.left_camera = arena.take<std::int32_t>(left);
    c.left_ns = arena.take<std::int64_t>(left);
    c.track_room = crowd;
    c.left_room = 4 * crowd;
    return m;
}

struct Scratch {
    Sighting* seen;
    StepScratch step;
};

Scratch take_scratch(Arena& arena, std::int32_t cameras, std::int32_t crowd) {
    const std::int32_t most = 4 * crowd;
    const auto rows = std::uint64_t(most), tracks = std::uint64_t(crowd);
    Scratch s{};
    s.seen = arena.take<Sighting>(rows);
    StepScratch& step = s.step;
    step.cost = arena.take<double>(rows * tracks);
    step.miss = arena.take<double>(rows);
    step.column = arena.take<std::int32_t>(rows);
    step.columns = take_columns(arena, most);
    step.outlooks = arena.take<Outlook>(tracks);
    step.middles = arena.take<Vec3<double>>(tracks);
    step.person = arena.take<std::int32_t>(rows);
    step.doubt = arena.take<double>(rows);
    step.motion = arena.take<double>(rows);
    step.bodies = arena.take<Body>(rows);
    step.match = take_match(arena, most, cameras, std::int64_t(most) * (most - 1) / 2);
    return s;
}

int check(const fusion_tracker_settings* settings) {
    if (!usable(settings)) return FUSION_BAD_ARGUMENT;
    const fusion_tracker_settings& s = *settings;
    if (s.abi != FUSION_ABI) return FUSION_ABI_MISMATCH;
    bool fine = s.cameras >= 1 && s.cameras <= FUSION_CAMERAS_MOST && s.crowd >= 1 && s.crowd <= FUSION_CROWD_MOST &&
                s.reserved == 0 && s.doubtful >= 0 && s.doubtful <= 1 && plausible(s.people);
    for (const double x :
         {s.walking_m_s, s.reaching_m_s, s.steering_s, s.swinging_s, s.lost_s, s.told_s, s.confirm_s, s.join_s})
        fine &= x >= 1e-3 && x <= 1e3;
    return fine ? FUSION_OK : FUSION_BAD_ARGUMENT;
}

bool opened(const void* state) {
    if (!aligned(state)) return false;
    const Header& h = *static_cast<const Header*>(state);
    return h.magic == kMagic && h.abi == FUSION_ABI;
}

Memory view(void* state) {
    Header& h = *static_cast<Header*>(state);
    Arena arena(state);
    Memory m = take(arena, h.cameras, h.crowd);
    m.crowd.track_count = h.counts + kTrackCount;
    m.crowd.left_count = h.counts + kLeftCount;
    m.crowd.next_id = h.counts + kNextId;
    m.crowd.now_ns = h.counts + kNow;
    m.crowd.refused = h.counts + kRefused;
    return m;
}

/// Whether a joint's place is known; tells it either way.
bool tell_joint(const Track& t, int j, double reach_m, fusion_track& told) {
    const double place[3] = {t.x.x[j], t.x.y[j], t.x.z[j]}, speed[3] = {t.v.x[j], t.v.y[j], t.v.z[j]};
    const double upper[6] = {t.pxx[j], t.pxy[j], t.pxz[j], t.pyy[j], t.pyz[j], t.pzz[j]};
    const bool known = upper[0] + upper[3] + upper[5] <= reach_m * reach_m;
    tell_covariance(upper, told.covariance_m2[j]);
    for (int k = 0; k < 3; ++k) {
        told.joints_m[j][k] = known ? place[k] : std::numeric_limits<double>::quiet_NaN();
        told.velocity_m_s[j][k] = speed[k];
    }
    return known;
}

}  // namespace
}  // namespace fusion

using namespace fusion;

extern "C" int fusion_tracker_defaults(fusion_tracker_settings* settings, int32_t cameras) {
    if (!usable(settings)) return FUSION_BAD_ARGUMENT;
    *settings = {FUSION_ABI, cameras, 64, 0, 1.0, 1.5, 1.5, 0.25, 3.0, 0.5, 0.2, 0.15, 0.3, {-0.1, 2.5, 1.1}};
    return check(settings);
}

extern "C" int fusion_tracker_size(const fusion_tracker_settings* settings, size_t* state_bytes,
                                   size_t* scratch_bytes) {
    if (const int status = check(settings)) return status;
    if (!usable(state_bytes) || !usable(scratch_bytes)) return FUSION_BAD_ARGUMENT;
    Arena state(nullptr), scratch(nullptr);
    take(state, settings->cameras, settings->crowd);
    take_scratch(scratch, settings->cameras, settings->crowd);
    const int status = state.size(state_bytes);
    return status != FUSION_OK ? status : scratch.size(scratch_bytes);
}

extern "C" int fusion_tracker_init(void* state, size_t bytes, const fusion_tracker_settings* settings,
                                   const fusion_camera* cameras) {
    if (const int status = check(settings)) return status;
    const fusion_tracker_settings& s = *settings;
    if (!known_cameras(cameras, s.cameras)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take(arena, s.cameras, s.crowd);
    if (const int status = arena.within(state, bytes)) return status;
    arena = Arena(state);
    const Memory m = take(arena, s.cameras, s.crowd);
    std::size_t used = 0;
    arena.size(&used);
    std::memset(state, 0, used);
    m.header->magic = kMagic;
    m.header->abi = FUSION_ABI;
    m.header->cameras = s.cameras;
    m.header->crowd = s.crowd;
    m.header->told_ns = std::int64_t(s.told_s * 1e9 + 0.5);
    m.header->habits = {s.walking_m_s, s.reaching_m_s, s.steering_s,
                        s.swinging_s,  s.lost_s,       s.confirm_s,
                        s.join_s,      s.doubtful,     {s.people.lowest_m, s.people.highest_m, s.people.reach_m}};
    for (std::int32_t c = 0; c < s.cameras; ++c) {
        m.cameras[c] = cameras[c];
        m.centres[c] = blocks(cameras)[c].centre;
    }
    return FUSION_OK;
}

extern "C" int fusion_tracker_step(void* state, int32_t camera, int64_t now_ns, const double* px,
                                   const double* sigma_px, int32_t n, int64_t* track, double* doubt, void* scratch,
                                   size_t bytes) {
    if (!opened(state)) return FUSION_BAD_STATE;
    const Memory m = view(state);
    if (camera < 0 || camera >= m.header->cameras || n < 0) return FUSION_BAD_ARGUMENT;
    if (n > m.crowd.left_room) return FUSION_NO_ROOM;
    const auto rows = std::uint64_t(n);
    if (!usable(px, rows) || !usable(sigma_px, rows) || !usable(track, rows) || !usable(doubt, rows))
        return FUSION_BAD_ARGUMENT;
    if (now_ns < *m.crowd.now_ns) return FUSION_BAD_TIME;
    Arena arena(nullptr);
    take_scratch(arena, m.header->cameras, m.header->crowd);
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    const Scratch s = take_scratch(arena, m.header->cameras, m.header->crowd);
    look_at(blocks(m.cameras)[camera], px, sigma_px, n, s.seen);
    step(m.crowd, s.seen, n, camera, now_ns, m.centres, m.header->cameras, m.header->habits, s.step, track, doubt);
    return FUSION_OK;
}

extern "C" int fusion_tracker_read(const void* state, fusion_track* tracks, int32_t room, int32_t* count) {
    if (!opened(state)) return FUSION_BAD_STATE;
    if (!usable(count) || room < 0 || !usable(tracks, std::uint64_t(room))) return FUSION_BAD_ARGUMENT;
    const Memory m = view(const_cast<void*>(state));
    const Crowd& c = m.crowd;
    std::int32_t told = 0;
    for (std::int64_t i = 0; i < *c.track_count; ++i) {
        const Facts& f = c.facts[i];
        if (!f.confirmed || *c.now_ns - f.seen_ns > m.header->told_ns) continue;
        fusion_track one;
        bool known = false;
        for (int j = 0; j < kJoints; ++j) known |= tell_joint(c.tracks[i], j, m.header->habits.people.reach, one);
        if (!known) continue;
        one.id = f.id;
        one.seen_ns = f.seen_ns;
        one.ambiguity = c.ambiguity[i];
        if (told < room) tracks[told] = one;
        ++told;
    }
    *count = told;
    return told <= room ? FUSION_OK : FUSION_NO_ROOM;
}

extern "C" int fusion_tracker_refused(const void* state, int64_t* refused) {
    if (!opened(state)) return FUSION_BAD_STATE;
    if (!usable(refused)) return FUSION_BAD_ARGUMENT;
    *refused = static_cast<const Header*>(state)->counts[kRefused];
    return FUSION_OK;
}
