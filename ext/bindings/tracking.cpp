// fusion.native.tracking: one picture after the other into a crowd whose arrays the caller keeps; the GIL is released.
#include "tracking.hpp"

#include <algorithm>

#include "match_room.hpp"

namespace {

using fusion::kJoints;

void step(Doubles tracks, Longs facts, Doubles ambiguity, Doubles left, Ints left_camera, Longs left_ns, Longs counts,
          const Doubles& sightings, int camera, std::int64_t now_ns, const Doubles& centres_m, const Doubles& habits,
          Longs track, Doubles doubt) {
    const py::ssize_t n = length(sightings), cameras = length(centres_m);
    const py::ssize_t track_room = length(tracks), left_room = length(left);
    expect("tracks", tracks, {track_room, fusion::kTrackRows, kJoints});
    expect("facts", facts, {track_room, fusion::kFactsSize});
    expect("ambiguity", ambiguity, {track_room});
    expect("left", left, {left_room, 10, kJoints});
    expect("left_camera", left_camera, {left_room});
    expect("left_ns", left_ns, {left_room});
    expect("counts", counts, {5});
    expect("sightings", sightings, {n, 10, kJoints});
    expect("centres_m", centres_m, {cameras, 3});
    expect("habits", habits, {fusion::kHabitsSize});
    expect("track", track, {n});
    expect("doubt", doubt, {n});
    std::int64_t* count = counts.mutable_data();
    const std::int32_t* of_left = left_camera.data();
    bool fits = camera >= 0 && camera < cameras && count[0] >= 0 && count[0] <= track_room && count[1] >= 0 &&
                count[1] <= left_room;
    for (std::int64_t i = 0; fits && i < count[1]; ++i) fits = of_left[i] >= 0 && of_left[i] < cameras;
    if (!fits) throw std::invalid_argument("camera or counts are out of range");

    const auto rows = static_cast<std::size_t>(n), wide = static_cast<std::size_t>(std::max(n, track_room));
    const auto room = static_cast<std::size_t>(left_room);
    Room<double> doubles(rows * static_cast<std::size_t>(track_room) + rows + 6 * wide + 2 * room);
    Room<std::int32_t> ints(rows + 4 * wide + room);
    Room<fusion::Body> bodies(room);
    Room<fusion::Outlook> outlooks(static_cast<std::size_t>(track_room));
    Room<fusion::Vec3<double>> middles(static_cast<std::size_t>(track_room));
    const auto waiting = std::min(room, static_cast<std::size_t>(count[1]) + rows);
    MatchRoom match(waiting, static_cast<std::size_t>(cameras), waiting * (waiting - (waiting > 0)) / 2);
    double* miss = doubles.data() + rows * static_cast<std::size_t>(track_room);
    double* d = miss + rows;
    std::int32_t* t = ints.data() + rows;
    const fusion::Columns columns{d, d + wide, d + 2 * wide, d + 3 * wide, d + 4 * wide, d + 5 * wide,
                                  t, t + wide, t + 2 * wide, t + 3 * wide};
    const fusion::StepScratch scratch{doubles.data(),      miss,           ints.data(),  columns,
                                      outlooks.data(),     middles.data(), t + 4 * wide, d + 6 * wide,
                                      d + 6 * wide + room, bodies.data(),  match.scratch};
    const fusion::Crowd crowd{reinterpret_cast<fusion::Track*>(tracks.mutable_data()),
                              reinterpret_cast<fusion::Facts*>(facts.mutable_data()),
                              ambiguity.mutable_data(),
                              reinterpret_cast<fusion::Sighting*>(left.mutable_data()),
                              left_camera.mutable_data(),
                              left_ns.mutable_data(),
                              count,
                              count + 1,
                              count + 2,
                              count + 3,
                              count + 4,
                              static_cast<std::int32_t>(track_room),
                              static_cast<std::int32_t>(left_room)};
    fusion::Habits h;
    std::memcpy(&h, habits.data(), sizeof h);
    const auto* seen = reinterpret_cast<const fusion::Sighting*>(sightings.data());
    const auto* centres = reinterpret_cast<const fusion::Vec3<double>*>(centres_m.data());
    std::int64_t* found = track.mutable_data();
    double* doubts = doubt.mutable_data();

    const py::gil_scoped_release release;
    fusion::step(crowd, seen, static_cast<std::int32_t>(n), camera, now_ns, centres, static_cast<std::int32_t>(cameras),
                 h, scratch, found, doubts);
}

}  // namespace

PYBIND11_MODULE(tracking, m, py::mod_gil_not_used()) {
    m.doc() = "Persons followed through pictures; what is solved and why stands in tracking.hpp.";
    m.def("step", &step, py::arg("tracks").noconvert(), py::arg("facts").noconvert(), py::arg("ambiguity").noconvert(),
          py::arg("left").noconvert(), py::arg("left_camera").noconvert(), py::arg("left_ns").noconvert(),
          py::arg("counts").noconvert(), py::arg("sightings").noconvert(), py::arg("camera"), py::arg("now_ns"),
          py::arg("centres_m").noconvert(), py::arg("habits").noconvert(), py::arg("track").noconvert(),
          py::arg("doubt").noconvert(),
          "Take in one picture; the crowd's arrays change in place, `track` and `doubt` tell of each detection.");
}
