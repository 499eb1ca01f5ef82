// The cameras of the C ABI as the kernels know them.
#pragma once
#include <cmath>
#include <cstring>

#include "camera.hpp"
#include "fusion_memory.hpp"
#include "fusion_triangulation.h"

namespace fusion {

static_assert(sizeof(fusion_camera) == sizeof(Camera) && alignof(fusion_camera) == alignof(Camera));

inline const Camera* blocks(const fusion_camera* cameras) {
    return reinterpret_cast<const Camera*>(cameras);
}

/// Whether these are cameras that fusion_camera_init may have made: all numbers finite, but for the limit of a lens.
inline bool known_cameras(const fusion_camera* cameras, std::int32_t count) {
    if (!usable(cameras)) return false;
    for (std::int32_t i = 0; i < count; ++i) {
        const Camera& c = blocks(cameras)[i];
        bool finite = true;
        for (int k = 0; k < kCameraSize; ++k) {
            const double x = cameras[i].numbers[k];
            finite &= std::fabs(x) < std::numeric_limits<double>::infinity() || &cameras[i].numbers[k] == &c.lens.limit;
        }
        const double kind = c.lens.kind;
        const bool named =
            kind == kNoLens || kind == kPolynomial || kind == kRational || kind == kTilted || kind == kFisheye;
        if (!finite || !named || !(c.lens.limit >= 0) || !(c.fx > 0 && c.fy > 0)) return false;
    }
    return true;
}

}  // namespace fusion
