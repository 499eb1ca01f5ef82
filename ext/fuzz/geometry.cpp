// Cameras with any calibration, points and people that may be anywhere.
#include <cmath>

#include "parts.hpp"

namespace {

fusion_calibration calibration(Input& in) {
    fusion_calibration c{};
    c.fx = c.fy = 900;
    c.cx = 960, c.cy = 540;
    const double angle = 0.1 * in.byte(), s = std::sin(angle), k = std::cos(angle);
    const double rotation[9] = {
        -s, k, 0, 0.5 * k, 0.5 * s, -std::sqrt(0.75), -std::sqrt(0.75) * k, -std::sqrt(0.75) * s, -0.5};
    std::memcpy(c.rotation, rotation, sizeof rotation);
    c.translation_m[2] = 5;
    const std::int32_t counts[] = {0, 4, 5, 8, 12, 14};
    c.fisheye = in.chance(64);
    c.coefficients = counts[in.below(c.fisheye ? 1 : 5)];
    for (double& d : c.distortion) d = in.chance(128) ? in.number(0.02) : 0.0;
    if (in.chance(10)) c.rotation[in.below(8)] = in.number(1);
    if (in.chance(10)) c.translation_m[in.below(2)] = in.number(10);
    if (in.chance(10)) c.fx = in.number(1000);
    if (in.chance(10)) c.skew = in.number(1);
    if (in.chance(4)) c.coefficients = in.raw<std::int32_t>();
    if (in.chance(4)) c.fisheye = in.raw<std::int32_t>();
    return c;
}

}  // namespace

std::vector<fusion_camera> cameras(Input& in, int count) {
    std::vector<fusion_camera> made(static_cast<std::size_t>(count));
    const double origin[3] = {in.number(1), in.number(1), 0};
    for (fusion_camera& camera : made) {
        const fusion_calibration known = calibration(in);
        std::memset(&camera, 0, sizeof camera);
        fusion_camera_init(&camera, &known, in.chance(64) ? origin : nullptr);
        if (in.chance(2)) camera.numbers[in.below(48)] = in.number(1);
    }
    return made;
}

void triangulation(Input& in) {
    const std::int32_t given = in.size(6), views = given > 0 && given < 100 ? given : 1;
    const std::vector<fusion_camera> rig = cameras(in, views);
    const std::int64_t n = in.below(40), images = n * views;
    Array<double> xyz = numbers(in, 3 * n, 1.0), px = numbers(in, 2 * images, 500.0);
    const bool one = in.chance(128);
    Array<double> sigma = numbers(in, one ? 1 : images, 1.0);
    if (in.chance(128)) fusion_project(rig.data(), given, xyz.data(), std::size_t(n), px.data());
    const double rejection = in.chance(128) ? 1e-6 : in.number(0.1);
    std::size_t bytes = 0;
    if (fusion_triangulation_size(given, &bytes) != FUSION_OK) bytes = 64;
    Memory memory(in, bytes);
    Array<fusion_point> found(in, n);
    Array<std::uint8_t> inliers(images);
    const int status =
        fusion_triangulate(rig.data(), given, px.data(), sigma.data(), sigma.size(), std::size_t(n), rejection,
                           found.data(), in.chance(128) ? inliers.data() : nullptr, memory.data(), memory.size());
    demand(status == FUSION_OK ? memory.good() && given == views : status < 0);
    for (std::int64_t i = 0; i < n && status == FUSION_OK; ++i)
        demand(found[std::size_t(i)].views >= 0 && found[std::size_t(i)].views <= views);
    Array<double> rays(in, 3 * images), residual(in, images);
    fusion_undistort(rig.data(), given, px.data(), std::size_t(n), rays.data(), residual.data());
}

void matching(Input& in) {
    const std::int32_t count = 1 + in.below(4), given = in.size(20), n = given > 0 && given < 100 ? given : 0;
    const std::vector<fusion_camera> rig = cameras(in, count);
    Array<double> px = numbers(in, 16 * n, 500.0), sigma = numbers(in, 8 * n, 2.0), motion = numbers(in, n, 0.1);
    Array<std::int32_t> camera(in, n), person(in, n);
    for (std::int32_t i = 0; i < n; ++i) {
        camera[std::size_t(i)] = in.chance(2) ? in.raw<std::int32_t>() : in.below(count - 1);
        motion[std::size_t(i)] = in.chance(250) ? 0.01 * in.byte() : motion[std::size_t(i)];
    }
    fusion_people people;
    fusion_people_defaults(&people);
    if (in.chance(20)) people.reach_m = in.number(1);
    Array<double> ambiguity(in, n);
    Array<fusion_body> bodies(in, n);
    const std::int64_t pairs = in.chance(200) ? n * (n - 1) / 2 : in.byte();
    std::size_t bytes = 0;
    if (fusion_match_size(given, count, pairs, &bytes) != FUSION_OK) bytes = 64;
    Memory memory(in, bytes);
    std::int32_t found = -1;
    const int status =
        fusion_match(rig.data(), count, px.data(), sigma.data(), camera.data(), motion.data(), given, pairs, &people,
                     person.data(), ambiguity.data(), bodies.data(), &found, memory.data(), memory.size());
    demand(status <= FUSION_OK);
    for (std::int32_t i = 0; i < n && status == FUSION_OK; ++i)
        demand(person[std::size_t(i)] >= -1 && person[std::size_t(i)] < found && found <= n);
}

void tracking(Input& in) {
    const std::int32_t count = 1 + in.below(3);
    const std::vector<fusion_camera> rig = cameras(in, count);
    fusion_tracker_settings s;
    fusion_tracker_defaults(&s, count);
    s.crowd = in.chance(250) ? 1 + in.below(5) : in.size(10);
    if (in.chance(10)) s.abi = in.byte();
    if (in.chance(20)) s.lost_s = in.number(1);
    if (in.chance(20)) s.walking_m_s = in.number(1);
    std::size_t state_bytes = 0, scratch_bytes = 0;
    if (fusion_tracker_size(&s, &state_bytes, &scratch_bytes) != FUSION_OK) return;
    Memory memory(in, state_bytes), scratch(in, scratch_bytes);
    if (fusion_tracker_init(memory.data(), memory.size(), &s, rig.data()) != FUSION_OK) return;
    demand(memory.good());
    std::int64_t now_ns = 0;
    double px[16 * 8], sigma[8 * 8], doubt[8];
    std::int64_t track[8];
    for (int turn = 0; turn < 60 && !in.empty(); ++turn) {
        const std::int32_t n = in.below(8);
        for (std::int32_t d = 0; d < n; ++d) {
            const double u = in.number(300) + 960, v = in.number(300) + 540;
            for (int j = 0; j < 8; ++j) {
                px[16 * d + 2 * j] = u + 10 * (j % 3);
                px[16 * d + 2 * j + 1] = v + 20 * j;
                sigma[8 * d + j] = 3;
            }
            if (in.chance(64)) px[16 * d + in.below(15)] = in.number(1000);
            if (in.chance(32)) sigma[8 * d + in.below(7)] = in.number(3);
        }
        now_ns = in.chance(2) ? in.raw<std::int64_t>() : now_ns + in.byte() * 1000000;
        const int status = fusion_tracker_step(memory.data(), in.chance(2) ? in.size(3) : in.below(count - 1), now_ns,
                                               px, sigma, n, track, doubt, scratch.data(), scratch.size());
        demand(status <= FUSION_OK && (status != FUSION_OK || scratch.good()));
        Array<fusion_track> told(in, in.below(3));
        std::int32_t found = -1;
        const int read = fusion_tracker_read(memory.data(), told.data(), std::int32_t(told.size()), &found);
        demand(read == FUSION_OK || (read == FUSION_NO_ROOM && found > std::int32_t(told.size())));
        if (status == FUSION_BAD_TIME) now_ns = 0;
    }
    std::int64_t refused = -1;
    demand(fusion_tracker_refused(memory.data(), &refused) == FUSION_OK && refused >= 0);
}
