// Two cameras a metre apart, ten metres from a point: through the C ABI, and with the C++ header behind it.
#include <fusion.h>

#include <cmath>
#include <cstdio>
#include <triangulation.hpp>
#include <vector>

int main() {
    fusion_camera cameras[2];
    for (int i = 0; i < 2; ++i) {
        fusion_calibration known{};
        known.fx = known.fy = 1000;
        known.rotation[0] = known.rotation[4] = known.rotation[8] = 1;
        known.translation_m[0] = i == 0 ? 0.5 : -0.5;
        if (fusion_camera_init(&cameras[i], &known, nullptr) != FUSION_OK) return 1;
    }
    std::size_t bytes = 0;
    if (fusion_triangulation_size(2, &bytes) != FUSION_OK) return 1;
    std::vector<double> scratch(bytes / sizeof(double) + 1);
    const double px[] = {50, 0, -50, 0}, sigma_px = 1;
    fusion_point point;
    const int status = fusion_triangulate(cameras, 2, px, &sigma_px, 1, 1, 0.0, &point, nullptr, scratch.data(), bytes);
    if (status != FUSION_OK) return 1;
    const double sigma_z = std::sqrt(point.covariance_m2[8]);
    std::printf("%.6f %.6f %.6f m, z +- %.3f m, status %d of %d bits\n", point.xyz_m[0], point.xyz_m[1], point.xyz_m[2],
                sigma_z, point.status, fusion::kOutlier * 2 - 1);
    return 0;
}
