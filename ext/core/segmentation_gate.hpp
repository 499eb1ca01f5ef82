// The gate: one tick of all plates, cheap enough for all of them, and the learning of levels and noises by blocks.
//
// Two-sided CUSUM (Page, Biometrika 41, 1954) on the deviation from the level over the plate's noise times the
// fixture's factor: a running median of |deviation| over all stable plates, so that footsteps that shake the whole
// fixture wake nobody. Levels and noises are learned from the window before the last, so that the beginning of a step
// does not leak in. Plates that are not STABLE have GAIN 0, so the loop has no state.
// Cost: one pass over seven rows a tick; `learn` one pass over a window of the ring, once a window.
#pragma once
#include "segmentation_window.hpp"

namespace fusion::segmentation {

inline void count_faults(const State& s, const float* grams) {
    for (std::int64_t p = 0; p < s.plates; ++p) {
        const float x = grams[p];
        if (std::fabs(x) < LIMIT_G) continue;
        ++s.l(MISSING, p);
        if (x == x) {
            ++s.l(INFINITE, p);
            s.l(INFINITE_TICK, p) = s.head[TICK];
        }
    }
}

/// Store one tick of all plates and run the CUSUMs; true if a plate must wake.
inline bool gate(const State& s, const Config& c, const float* grams) {
    float* const samples = s.samples + s.row(s.head[TICK]) * s.plates;
    const float *const level = &s.f(LEVEL, 0), *const gain = &s.f(GAIN, 0);
    float *const ups = &s.f(UP, 0), *const downs = &s.f(DOWN, 0);
    std::int32_t *const run_up = &s.i(RUN_UP, 0), *const run_down = &s.i(RUN_DOWN, 0);
    const float scale = 1.0f / s.activity[0], h = c.threshold;
    const float highest = h / 3.0f;  // one or two wild samples do not wake
    const auto longest = std::int32_t(c.ring);
    std::int32_t exceeding = 0, woken = 0, invalid = 0;
    for (std::int64_t p = 0; p < s.plates; ++p) {
        const float x = grams[p];
        const bool valid = std::fabs(x) < LIMIT_G;
        samples[p] = valid ? x : NOT_A_NUMBER;
        invalid |= !valid;
        float z = (x - level[p]) * gain[p] * scale;
        exceeding += valid & (std::fabs(z) > 1.0f);
        z = z > highest ? highest : z;
        z = z < -highest ? -highest : z;
        float up = ups[p] + (z - REFERENCE_VALUE), down = downs[p] + (-z - REFERENCE_VALUE);
        up = up > 0.0f ? up : 0.0f;
        down = down > 0.0f ? down : 0.0f;
        const std::int32_t longer_up = run_up[p] < longest ? run_up[p] + 1 : longest;
        const std::int32_t longer_down = run_down[p] < longest ? run_down[p] + 1 : longest;
        run_up[p] = valid ? (up > 0.0f ? longer_up : 0) : run_up[p];
        run_down[p] = valid ? (down > 0.0f ? longer_down : 0) : run_down[p];
        ups[p] = valid ? up : ups[p];
        downs[p] = valid ? down : downs[p];
        woken |= valid & ((up > h) | (down > h));
    }
    if (invalid) count_faults(s, grams);
    const std::int64_t live = s.head[LIVE];
    float factor = 1.0f;
    if (live >= CROWD) {
        float share = float(2 * exceeding - live) / float(live);
        share = share < 1.0f ? share : 1.0f;
        factor = s.activity[0] * (1.0f + share * (share > 0.0f ? c.attack : c.release));
        factor = factor > 1.0f ? factor : 1.0f;
        factor = factor < 1000.0f ? factor : 1000.0f;
    }
    s.activity[0] = factor;
    return woken != 0;
}

/// Let the gate watch plate p.
inline void rest(const State& s, const Config& c, std::int64_t p) {
    s.i(STATE, p) = STABLE;
    s.f(GAIN, p) = 1.0f / std::sqrt(noise_now(s, c, p).sample);
}

struct Block {
    float low, high, total, squares;  // extremes, g; sums of the deviations clipped at `bound`
    std::int64_t count;
};

inline Block block(const State& s, std::int64_t p, std::int64_t first, std::int64_t last, float bound) {
    Block b{LIMIT_G, -LIMIT_G, 0, 0, 0};
    const float level = s.f(LEVEL, p);
    std::int64_t row = s.row(first);
    for (std::int64_t t = first; t <= last; ++t) {
        const float x = s.samples[row * s.plates + p];
        row = row + 1 < s.ring ? row + 1 : 0;
        if (!(x == x)) continue;
        b.low = x < b.low ? x : b.low;
        b.high = x > b.high ? x : b.high;
        float d = x - level;
        d = d < bound ? d : bound;
        d = d > -bound ? d : -bound;
        b.total += d;
        b.squares += d * d;
        ++b.count;
    }
    return b;
}

/// Take the window before the last one into the levels and noises of stable plates; tell stuck and silent plates.
inline void learn(const State& s, const Config& c) {
    const std::int64_t first = s.head[TICK] - 2 * c.window + 1, last = s.head[TICK] - c.window;
    const float factor = s.activity[0];
    const float calm = 1.0f / (factor * factor);
    constexpr std::int32_t most = 1 << 20;
    const auto memory = std::int32_t(c.memory), blocks = std::int32_t(5 * c.memory / c.window);
    std::int64_t live = 0;
    for (std::int64_t p = 0; p < s.plates; ++p) {
        const Block b = block(s, p, first, last, CLIP * std::sqrt(noise_now(s, c, p).sample) * factor);
        std::int32_t &empty = s.i(EMPTY, p), &still = s.i(STILL, p), &n_level = s.i(N_LEVEL, p);
        empty = b.count ? 0 : (empty < most ? empty + 1 : most);
        if (b.count) {
            still = b.low == b.high && b.low == s.f(LAST, p) ? (still < most ? still + 1 : most) : 0;
            s.f(LAST, p) = b.low;
        }
        if (s.i(STATE, p) != STABLE) continue;
        live += s.f(NOISE, p) > c.floor_g * c.floor_g;
        if (2 * b.count < c.window || first <= s.l(SETTLED, p)) continue;
        const float n = float(b.count), mean = b.total / n;
        const std::int32_t more = n_level + std::int32_t(b.count);
        n_level = more < memory ? more : memory;
        std::int32_t& n_noise = s.i(N_NOISE, p);
        n_noise = n_noise + 1 < blocks ? n_noise + 1 : blocks;
        const float weight = 1.0f / float(n_noise + 1);
        s.f(LEVEL, p) = s.f(LEVEL, p) + mean * (n / float(n_level));
        s.f(NOISE, p) += (b.squares / n * calm - s.f(NOISE, p)) * weight;
        s.f(MEAN_NOISE, p) += (mean * mean * calm - s.f(MEAN_NOISE, p)) * weight;
        rest(s, c, p);
    }
    s.head[LIVE] = live;
}

}  // namespace fusion::segmentation
