// What is wrong with a plate, read from the state; nothing is computed while samples come in.
#pragma once
#include "segmentation_window.hpp"

namespace fusion::segmentation {

struct PlateHealth {
    std::int32_t flags, spikes;             // spikes: blocks with one wild sample
    float noise_g, level_g, drift_g;        // of a sample now; NaN while STARTING; drift over the level's lag
    std::int64_t samples, missing, faults;  // faults: readings beyond the limit, missing too
};

inline PlateHealth health(const State& s, const Config& c, std::int64_t p) {
    const std::int64_t ticks = s.head[TICK] + 1, blocks = ticks / c.block;
    const bool unknown = s.i(STATE, p) == STARTING;
    const Span now = span(s, c, p, oldest(s), s.head[TICK]);
    const std::int32_t still = s.i(STILL, p);
    const bool silent = s.l(MISSING, p) >= blocks * c.block;
    const bool phantom = blocks >= c.noise_blocks && (silent || still + 1 >= blocks);
    const bool saturated = s.l(FAULTS, p) > 0 && ticks - s.l(FAULT_TICK, p) <= c.noise_blocks * c.block;
    const auto flag = [](bool raised, Health bit) { return raised ? std::int32_t(bit) : 0; };
    const std::int32_t flags = flag(phantom, PHANTOM) | flag(!phantom && s.i(EMPTY, p) > 0, DROPOUT) |
                               flag(!phantom && still >= c.noise_blocks, STUCK) | flag(saturated, SATURATED) |
                               flag(now.spread > 4.0f * c.half_item_g * c.half_item_g, NOISY) |
                               flag(std::fabs(s.f(DRIFT, p)) > c.drift_g, DRIFTING);
    return {flags,
            s.i(SPIKES, p),
            unknown ? NOT_A_NUMBER : std::sqrt(now.spread),
            unknown ? NOT_A_NUMBER : s.f(LEVEL, p),
            s.f(DRIFT, p),
            ticks - s.l(MISSING, p),
            s.l(MISSING, p),
            s.l(FAULTS, p)};
}

}  // namespace fusion::segmentation
