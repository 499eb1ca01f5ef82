// fusion.native.triangulation: batches over the kernels of ext/core; the GIL is released while they run.
#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "arrays.hpp"
#include "level.hpp"
#include "points.hpp"

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;
using fusion::Level;
using fusion::level;

namespace {

std::vector<fusion::Camera> unpack(const Doubles& blocks) {
    if (blocks.ndim() != 2 || blocks.shape(1) != fusion::kCameraSize) {
        throw std::invalid_argument("cameras has the wrong shape");
    }
    std::vector<fusion::Camera> cameras(static_cast<std::size_t>(blocks.shape(0)));
    if (!cameras.empty()) std::memcpy(cameras.data(), blocks.data(), cameras.size() * sizeof(fusion::Camera));
    return cameras;
}

struct alignas(fusion::kAlignment) Line {
    double doubles[fusion::kAlignment / sizeof(double)];
};

void triangulate(const Doubles& blocks, const Doubles& px, const Doubles& sigma_px, double gate, Doubles xyz_m,
                 Doubles covariance_m2, Doubles figures, Ints views, Bytes status, Bytes inliers) {
    const auto cameras = unpack(blocks);
    const py::ssize_t n = length(px), v = blocks.shape(0);
    const bool one_sigma = sigma_px.size() == 1;
    expect("px", px, {n, v, 2});
    if (!one_sigma) expect("sigma_px", sigma_px, {n, v});
    expect("xyz_m", xyz_m, {n, 3});
    expect("covariance_m2", covariance_m2, {n, 3, 3});
    expect("figures", figures, {2, n});
    expect("views", views, {n});
    expect("status", status, {n});
    expect("inliers", inliers, {n, v});
    const Level chosen = level();
    std::vector<Line> scratch(fusion::scratch_bytes(v) / sizeof(Line) + 1);
    const fusion::Batch batch{cameras.data(),
                              v,
                              n,
                              px.data(),
                              sigma_px.data(),
                              one_sigma ? 0 : v,
                              one_sigma ? 0 : 1,
                              gate,
                              scratch.front().doubles,
                              xyz_m.mutable_data(),
                              covariance_m2.mutable_data(),
                              figures.mutable_data(),
                              views.mutable_data(),
                              status.mutable_data(),
                              inliers.mutable_data()};

    const py::gil_scoped_release release;
    fusion::run(fusion::TriangulateJob{batch}, chosen);
}

void project(const Doubles& blocks, const Doubles& xyz_m, Doubles px) {
    const auto cameras = unpack(blocks);
    const py::ssize_t n = length(xyz_m), v = blocks.shape(0);
    expect("xyz_m", xyz_m, {n, 3});
    expect("px", px, {n, v, 2});
    const Level chosen = level();
    const fusion::ProjectJob job{cameras.data(), v, xyz_m.data(), n, px.mutable_data()};

    const py::gil_scoped_release release;
    fusion::run(job, chosen);
}

void undistort(const Doubles& blocks, const Doubles& px, Doubles rays, Doubles residual_px) {
    const auto cameras = unpack(blocks);
    const py::ssize_t n = length(px), v = blocks.shape(0);
    expect("px", px, {n, v, 2});
    expect("rays", rays, {n, v, 3});
    expect("residual_px", residual_px, {n, v});
    const Level chosen = level();
    const fusion::UndistortJob job{cameras.data(), v, px.data(), n, rays.mutable_data(), residual_px.mutable_data()};

    const py::gil_scoped_release release;
    fusion::run(job, chosen);
}

}  // namespace

PYBIND11_MODULE(triangulation, m, py::mod_gil_not_used()) {
    m.doc() =
        "Points from their images in several calibrated cameras; what is solved and why stands in triangulation.hpp.";
    m.def(
        "level", [] { return fusion::kLevelNames[static_cast<int>(level())]; },
        "Name the instruction set in use: baseline, avx2 or avx512.");
    m.def("triangulate", &triangulate, py::arg("cameras").noconvert(), py::arg("px").noconvert(),
          py::arg("sigma_px").noconvert(), py::arg("gate"), py::arg("xyz_m").noconvert(),
          py::arg("covariance_m2").noconvert(), py::arg("figures").noconvert(), py::arg("views").noconvert(),
          py::arg("status").noconvert(), py::arg("inliers").noconvert(),
          "Solve every point: px (N, V, 2), sigma_px (N, V) or (1, 1), results into the arrays given.");
    m.def("project", &project, py::arg("cameras").noconvert(), py::arg("xyz_m").noconvert(), py::arg("px").noconvert(),
          "Write the pixels of xyz_m (N, 3) in every camera into px (N, V, 2); NaN where it has no image.");
    m.def("undistort", &undistort, py::arg("cameras").noconvert(), py::arg("px").noconvert(),
          py::arg("rays").noconvert(), py::arg("residual_px").noconvert(),
          "Write the unit rays of px (N, V, 2) into rays (N, V, 3), how far their images lie off into residual_px (N, "
          "V).");
}
