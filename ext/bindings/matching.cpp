// fusion.native.matching: sight lines of persons, and which of them are the same person; the GIL is released.
#include "matching.hpp"

#include "match_room.hpp"

namespace {

using fusion::Sighting;

void look(const Doubles& camera, const Doubles& px, const Doubles& sigma_px, Doubles sightings) {
    const py::ssize_t n = length(px);
    expect("camera", camera, {fusion::kCameraSize});
    expect("px", px, {n, fusion::kJoints, 2});
    expect("sigma_px", sigma_px, {n, fusion::kJoints});
    expect("sightings", sightings, {n, 10, fusion::kJoints});
    fusion::Camera c;
    std::memcpy(&c, camera.data(), sizeof c);
    const double *pixel = px.data(), *sigma = sigma_px.data();
    auto* s = reinterpret_cast<Sighting*>(sightings.mutable_data());

    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < n; ++i) {
        fusion::look(c, pixel + i * 2 * fusion::kJoints, sigma + i * fusion::kJoints, s[i]);
    }
}

int match(const Doubles& sightings, const Ints& camera, const Doubles& centres_m, const Doubles& motion_m,
          const Doubles& people_m, std::int64_t edge_room, Ints person, Doubles ambiguity, Doubles bodies) {
    const py::ssize_t n = length(sightings), cameras = length(centres_m);
    expect("sightings", sightings, {n, 10, fusion::kJoints});
    expect("camera", camera, {n});
    expect("centres_m", centres_m, {cameras, 3});
    expect("motion_m", motion_m, {n});
    expect("people_m", people_m, {3});
    expect("person", person, {n});
    expect("ambiguity", ambiguity, {n});
    expect("bodies", bodies, {n, fusion::kBodySize});
    const std::int32_t* index = camera.data();
    for (py::ssize_t i = 0; i < n; ++i) {
        if (index[i] < 0 || index[i] >= cameras) throw std::invalid_argument("camera is out of range");
    }
    if (edge_room < 0) throw std::invalid_argument("edge_room must not be negative");
    MatchRoom room(static_cast<std::size_t>(n), static_cast<std::size_t>(cameras), static_cast<std::size_t>(edge_room));
    const double* p = people_m.data();
    const fusion::People people{p[0], p[1], p[2]};
    const auto* sights = reinterpret_cast<const Sighting*>(sightings.data());
    const auto* centres = reinterpret_cast<const fusion::Vec3<double>*>(centres_m.data());
    const double* motion = motion_m.data();
    auto* found = person.mutable_data();
    double* doubt = ambiguity.mutable_data();
    auto* body = reinterpret_cast<fusion::Body*>(bodies.mutable_data());

    const py::gil_scoped_release release;
    return fusion::match(sights, index, centres, motion, static_cast<std::int32_t>(n),
                         static_cast<std::int32_t>(cameras), people, room.scratch, found, doubt, body);
}

}  // namespace

PYBIND11_MODULE(matching, m, py::mod_gil_not_used()) {
    m.doc() = "Persons across cameras; what is solved and why stands in matching.hpp.";
    m.def("look", &look, py::arg("camera").noconvert(), py::arg("px").noconvert(), py::arg("sigma_px").noconvert(),
          py::arg("sightings").noconvert(), "Write the sight lines of px (N, 8, 2) into sightings (N, 10, 8).");
    m.def("match", &match, py::arg("sightings").noconvert(), py::arg("camera").noconvert(),
          py::arg("centres_m").noconvert(), py::arg("motion_m").noconvert(), py::arg("people_m").noconvert(),
          py::arg("edge_room"), py::arg("person").noconvert(), py::arg("ambiguity").noconvert(),
          py::arg("bodies").noconvert(),
          "Write the person of each detection; return how many persons there are, or -1 if edge_room is too small.");
}
