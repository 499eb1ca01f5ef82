// fusion.native.triangulation: batches over the kernels of ext/core; the GIL is released while they run.
#include "triangulation.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <vector>

namespace py = pybind11;
using Doubles = py::array_t<double, py::array::c_style>;
using Ints = py::array_t<std::int32_t, py::array::c_style>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

namespace {

// The wrapper has validated what users give; this keeps a slip there from reaching memory that is not ours.
void expect(const char* name, const py::array& a, std::initializer_list<py::ssize_t> shape) {
    bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
    for (py::ssize_t i = 0; same && i < a.ndim(); ++i) same = a.shape(i) == shape.begin()[i];
    if (!same) throw std::invalid_argument(std::string(name) + " has the wrong shape");
}

std::vector<fusion::Camera> unpack(const Doubles& blocks) {
    if (blocks.ndim() != 2 || blocks.shape(1) != fusion::kCameraSize) {
        throw std::invalid_argument("cameras has the wrong shape");
    }
    std::vector<fusion::Camera> cameras(static_cast<std::size_t>(blocks.shape(0)));
    if (!cameras.empty()) std::memcpy(cameras.data(), blocks.data(), cameras.size() * sizeof(fusion::Camera));
    return cameras;
}

py::ssize_t length(const py::array& a) {
    if (a.ndim() == 0) throw std::invalid_argument("points have the wrong shape");
    return a.shape(0);
}

void triangulate(const Doubles& blocks, const Doubles& px, const Doubles& sigma_px, Doubles xyz_m,
                 Doubles covariance_m2, Doubles figures, Ints views, Bytes status) {
    const auto cameras = unpack(blocks);
    const py::ssize_t n = length(px), v = blocks.shape(0);
    expect("px", px, {n, v, 2});
    expect("sigma_px", sigma_px, {n, v});
    expect("xyz_m", xyz_m, {n, 3});
    expect("covariance_m2", covariance_m2, {n, 3, 3});
    expect("figures", figures, {n, 2});
    expect("views", views, {n});
    expect("status", status, {n});
    const double *pixels = px.data(), *sigmas = sigma_px.data();
    double *xyz = xyz_m.mutable_data(), *covariance = covariance_m2.mutable_data(), *figure = figures.mutable_data();
    std::int32_t* used = views.mutable_data();
    std::uint8_t* bits = status.mutable_data();
    std::vector<fusion::View> scratch(cameras.size());

    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < n; ++i) {
        fusion::Point p;
        fusion::triangulate(cameras.data(), static_cast<int>(v), pixels + 2 * v * i, sigmas + v * i, scratch.data(), p);
        const fusion::Sym3& s = p.covariance;
        const double full[9] = {s.xx, s.xy, s.xz, s.xy, s.yy, s.yz, s.xz, s.yz, s.zz};
        std::memcpy(xyz + 3 * i, &p.xyz, sizeof p.xyz);
        std::memcpy(covariance + 9 * i, full, sizeof full);
        figure[2 * i] = p.rms;
        figure[2 * i + 1] = p.chord;
        used[i] = p.views;
        bits[i] = p.status;
    }
}

void project(const Doubles& blocks, const Doubles& xyz_m, Doubles px) {
    const auto cameras = unpack(blocks);
    const py::ssize_t n = length(xyz_m), v = blocks.shape(0);
    expect("xyz_m", xyz_m, {n, 3});
    expect("px", px, {n, v, 2});
    const double* xyz = xyz_m.data();
    double* pixel = px.mutable_data();

    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < n; ++i) {
        for (const fusion::Camera& camera : cameras) {
            const fusion::Vec2 p = fusion::project(camera, {xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]});
            *pixel++ = p.x;
            *pixel++ = p.y;
        }
    }
}

void undistort(const Doubles& blocks, const Doubles& px, Doubles xy) {
    const auto cameras = unpack(blocks);
    const py::ssize_t n = length(px), v = blocks.shape(0);
    expect("px", px, {n, v, 2});
    expect("xy", xy, {n, v, 2});
    const double* pixel = px.data();
    double* normalised = xy.mutable_data();

    const py::gil_scoped_release release;
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    for (py::ssize_t i = 0; i < n; ++i) {
        for (const fusion::Camera& camera : cameras) {
            fusion::Vec2 p;
            fusion::Jacobian unused;
            const bool found = fusion::undistort(camera, {pixel[0], pixel[1]}, p, unused);
            *normalised++ = found ? p.x : nan;
            *normalised++ = found ? p.y : nan;
            pixel += 2;
        }
    }
}

}  // namespace

PYBIND11_MODULE(triangulation, m, py::mod_gil_not_used()) {
    m.doc() =
        "Points from their images in several calibrated cameras; what is solved and why stands in triangulation.hpp.";
    m.def("triangulate", &triangulate, py::arg("cameras").noconvert(), py::arg("px").noconvert(),
          py::arg("sigma_px").noconvert(), py::arg("xyz_m").noconvert(), py::arg("covariance_m2").noconvert(),
          py::arg("figures").noconvert(), py::arg("views").noconvert(), py::arg("status").noconvert(),
          "Solve every point: px (N, V, 2), sigma_px (N, V), results into the arrays given.");
    m.def("project", &project, py::arg("cameras").noconvert(), py::arg("xyz_m").noconvert(), py::arg("px").noconvert(),
          "Write the pixels of xyz_m (N, 3) in every camera into px (N, V, 2); NaN where it has no image.");
    m.def("undistort", &undistort, py::arg("cameras").noconvert(), py::arg("px").noconvert(), py::arg("xy").noconvert(),
          "Write the normalised coordinates of px (N, V, 2) into xy (N, V, 2); NaN where there are none.");
}
