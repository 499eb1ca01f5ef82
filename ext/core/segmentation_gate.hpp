// The gate: every plate and tick, at memory speed. Ticks are taken into blocks of about 0.1 s; at the end of a block
// its means are standardised, watched by CUSUMs, and learned.
//
// A block's mean has two variances: the plate's own, learned while nothing happens, and what vibration leaves of the
// variance within the block, so that a shaking plate is judged by its shaking at once. What shakes most plates of the
// fixture divides all of them by its median (a ladder of counts, so that no order of summation matters).
// Two-sided CUSUM: Page (Biometrika 41, 1954). Level: the local level model's Kalman filter (Harvey 1989, 2.3) with
// blocks weighted by their variances; learned two blocks late, so that the beginning of a step does not leak in.
// Cost: one pass over eight rows a tick, three over some twenty rows a block; the same bits at every level.
#pragma once
#include "levels.hpp"
#include "segmentation_state.hpp"

namespace fusion::segmentation {

// Arms of a choice are values, loaded already: a compiler without masked loads can then do both and blend.
FUSION_INLINE float pick(bool condition, float yes, float no) {
    return condition ? yes : no;
}
FUSION_INLINE std::int32_t pick(bool condition, std::int32_t yes, std::int32_t no) {
    return condition ? yes : no;
}
FUSION_INLINE float least_of(float a, float b) {
    return a < b ? a : b;
}
FUSION_INLINE float most_of(float a, float b) {
    return a > b ? a : b;
}

/// Take K rows of grams, from `grams` and tick `first` on, into the block; whether a reading is beyond its limit.
template <int K>
FUSION_INLINE bool fill_rows(const State& s, const float* grams, std::int64_t first) {
    const float *const limits = &s.f(LIMIT, 0), *const levels = &s.f(LEVEL, 0);
    float *const sums = &s.f(SUM, 0), *const squares = &s.f(SQUARES, 0), *const counts = &s.f(COUNT, 0);
    float *const lows = &s.f(LOW, 0), *const highs = &s.f(HIGH, 0);
    Sample* rows[K];
    for (int k = 0; k < K; ++k) {
        rows[k] = s.samples + s.row(first + k) * s.stride;
        for (std::int64_t p = 0; p < s.plates; ++p) rows[k][p] = grams[k * s.plates + p];
    }
    const std::int64_t stride = s.stride / LANES * LANES;
    std::int32_t faulty = 0;
    FUSION_VECTORISE
    for (std::int64_t p = 0; p < stride; ++p) {
        const float limit = limits[p], level = levels[p];
        float sum = sums[p], square = squares[p], low = lows[p], high = highs[p], count = counts[p];
        for (int k = 0; k < K; ++k) {
            const float x = rows[k][p];
            const bool valid = std::fabs(x) < limit;
            const float d = pick(valid, x - level, 0.0f);
            rows[k][p] = pick(valid, x, NOT_A_NUMBER);
            sum += d;
            square += d * d;
            low = least_of(pick(valid, d, FAR), low);
            high = most_of(pick(valid, d, -FAR), high);
            count += pick(valid, 1.0f, 0.0f);
            faulty |= (x == x) & !valid;
        }
        sums[p] = sum;
        squares[p] = square;
        lows[p] = low;
        highs[p] = high;
        counts[p] = count;
    }
    return faulty != 0;
}

/// Take n rows of grams into the block, several at once where there are; whether a reading is beyond its limit.
FUSION_INLINE bool fill_body(const State& s, const float* grams, std::int64_t n) {
    bool faulty = false;
    std::int64_t k = 0;
    for (const std::int64_t first = s.head[TICK] - (n - 1); k < n;) {
        const bool three = n - k >= 3;
        faulty |=
            three ? fill_rows<3>(s, grams + k * s.plates, first + k) : fill_rows<1>(s, grams + k * s.plates, first + k);
        k += three ? 3 : 1;
    }
    return faulty;
}

struct Ladder {
    std::int32_t watched, above[4];  // plates whose |z| is above 2, 4, 8, 16
    bool incomplete;                 // a sample is missing
};

/// Mean, variance and weight of the block that ends; one wild sample is left out. Tells glitches, stuck and silent
/// plates.
FUSION_INLINE Ladder summarise_body(const State& s, const Config& c) {
    const float *const sums = &s.f(SUM, 0), *const squares = &s.f(SQUARES, 0), *const counts = &s.f(COUNT, 0);
    const float *const lows = &s.f(LOW, 0), *const highs = &s.f(HIGH, 0), *const noises = &s.f(NOISE, 0);
    const float *const watched = &s.f(WATCHED, 0), *const limits = &s.f(LIMIT, 0);
    const float* const tremors = &s.f(TREMOR, 0);
    const Sample* const newest = s.samples + s.row(s.head[TICK]) * s.stride;
    float *const means = &s.f(MEAN, 0), *const spreads = &s.f(SPREAD, 0), *const weights = &s.f(WEIGHT, 0);
    float* const last = &s.f(LAST, 0);
    std::int32_t *const still = &s.i(STILL, 0), *const empty = &s.i(EMPTY, 0), *const spikes = &s.i(SPIKES, 0);
    const float floor = c.floor_g * c.floor_g, least = 0.5f * float(c.block), leak = c.leak;
    const std::int64_t stride = s.stride / LANES * LANES;
    constexpr std::int32_t most = 1 << 30;
    const float full = float(c.block);
    std::int32_t n_watched = 0, n2 = 0, n4 = 0, n8 = 0, n16 = 0, incomplete = 0;
    FUSION_VECTORISE
    for (std::int64_t p = 0; p < stride; ++p) {
        const float n = counts[p], sum = sums[p], square = squares[p], low = lows[p], high = highs[p];
        const float all = most_of(n, 1.0f), rest = most_of(n - 1.0f, 1.0f);
        const float mean = sum / all, extreme = pick(high - mean > mean - low, high, low);
        const float mean_rest = (sum - extreme) / rest;
        const float spread = most_of(square / all - mean * mean, 0.0f);
        const float spread_rest = most_of((square - extreme * extreme) / rest - mean_rest * mean_rest, 0.0f);
        const float gap = extreme - mean_rest;
        const bool wild = (n >= 4.0f) & (gap * gap > WILD * (spread_rest + floor + tremors[p]));
        const bool valid = (n >= least) & (n > 0.0f);
        const float m = pick(valid, pick(wild, mean_rest, mean), 0.0f);
        const float v = pick(valid, pick(wild, spread_rest, spread), 0.0f);
        const float r = most_of(noises[p], floor), w = pick(valid, r / (r + leak * v), 0.0f);
        means[p] = m;
        spreads[p] = v;
        weights[p] = w;
        const float z2 = m * m * w / r;
        const std::int32_t seen = (watched[p] > 0.0f) & valid;
        const std::int32_t spike = spikes[p], stillness = still[p], emptiness = empty[p];
        spikes[p] = spike + (seen & std::int32_t(wild) & std::int32_t(spike < most));
        const float x = newest[p], before = last[p];
        const bool some = n > 0.0f, alike = (low == high) & ((x == before) | !(x == x));
        const std::int32_t longer = stillness + std::int32_t(stillness < most);
        still[p] = pick(some, pick(alike, longer, 0), stillness);
        empty[p] = pick(some, 0, emptiness + std::int32_t(emptiness < most));
        last[p] = pick(x == x, x, before);
        incomplete |= (n < full) & (limits[p] > 0.0f);
        n_watched += seen;
        n2 += seen & std::int32_t(z2 > 4.0f);
        n4 += seen & std::int32_t(z2 > 16.0f);
        n8 += seen & std::int32_t(z2 > 64.0f);
        n16 += seen & std::int32_t(z2 > 256.0f);
    }
    return {n_watched, {n2, n4, n8, n16}, incomplete != 0};
}

/// CUSUMs over the block's standardised means, and the level and noise of the plates that are beyond suspicion; true if
/// a plate must wake.
FUSION_INLINE bool watch_body(const State& s, const Config& c) {
    const float *const means = &s.f(MEAN, 0), *const watched = &s.f(WATCHED, 0), *const spreads = &s.f(SPREAD, 0);
    float *const levels = &s.f(LEVEL, 0), *const weights = &s.f(WEIGHT, 0), *const noises = &s.f(NOISE, 0);
    float *const ups = &s.f(UP, 0), *const downs = &s.f(DOWN, 0), *const doubts = &s.f(DOUBT, 0);
    float *const older = &s.f(OLDER, 0), *const older_weight = &s.f(OLDER_WEIGHT, 0), *const newer = &s.f(NEWER, 0);
    float *const newer_weight = &s.f(NEWER_WEIGHT, 0), *const tremors = &s.f(TREMOR, 0);
    float *const window_sum = &s.f(WINDOW_SUM, 0), *const window_weight = &s.f(WINDOW_WEIGHT, 0);
    float *const sums = &s.f(SUM, 0), *const squares = &s.f(SQUARES, 0), *const counts = &s.f(COUNT, 0);
    float *const lows = &s.f(LOW, 0), *const highs = &s.f(HIGH, 0), *const from = &s.f(WINDOW_FROM, 0);
    std::int32_t *const run_up = &s.i(RUN_UP, 0), *const run_down = &s.i(RUN_DOWN, 0),
                        *const n_noise = &s.i(N_NOISE, 0);
    const float calm = 1.0f / s.activity[0], h = c.threshold, floor = c.floor_g * c.floor_g;
    const float highest = 0.6f * h, suspicion = h / 3.0f;  // one wild block does not wake
    const auto longest = std::int32_t(c.history), memory = std::int32_t(c.noise_blocks);
    const std::int64_t stride = s.stride / LANES * LANES;
    std::int32_t woken = 0;
    FUSION_VECTORISE
    for (std::int64_t p = 0; p < stride; ++p) {
        const float w = weights[p] * (calm * calm), m = means[p], noise = noises[p], r = most_of(noise, floor);
        const float level = levels[p], doubt = doubts[p], up_before = ups[p], down_before = downs[p];
        const std::int32_t rising = run_up[p], falling = run_down[p], n = n_noise[p];
        const bool on = watched[p] > 0.0f, valid = on & (w > 0.0f);
        const float z = most_of(least_of(m * std::sqrt(w / r), highest), -highest);
        const float up = pick(valid, most_of(up_before + (z - REFERENCE_VALUE), 0.0f), up_before);
        const float down = pick(valid, most_of(down_before + (-z - REFERENCE_VALUE), 0.0f), down_before);
        run_up[p] = pick(up > 0.0f, rising + std::int32_t(rising < longest), 0);
        run_down[p] = pick(down > 0.0f, falling + std::int32_t(falling < longest), 0);
        ups[p] = up;
        downs[p] = down;
        woken |= (up > h) | (down > h);

        const float w2 = older_weight[p], then = older[p], prior = doubt + c.drift;
        const float gain = prior * w2 / (prior * w2 + 1.0f);
        const float miss = then - level, z2 = miss * miss * w2 / (r * (1.0f + prior * w2));
        const bool far = z2 > CLIP;
        const float d = pick(far, miss * std::sqrt(CLIP / most_of(z2, CLIP)), miss);
        const bool learn = on & (w2 > 0.0f) & (up <= suspicion) & (down <= suspicion);
        const std::int32_t more = n + std::int32_t(n < memory);
        const float rate = 1.0f / float(more), spread = spreads[p], tremor = tremors[p];
        const float new_noise = noise * (1.0f + rate * (least_of(z2, CLIP) - 1.0f));
        const float new_tremor = tremor * pick(spread > tremor, 1.0f + 0.3f * rate, 1.0f - 0.7f * rate);
        window_sum[p] += pick(learn, w2 * (then - from[p]), 0.0f);
        window_weight[p] += pick(learn, w2, 0.0f);
        levels[p] = pick(learn, level + gain * d, level);
        doubts[p] = pick(learn, prior * (1.0f - gain), pick(on, prior, doubt));
        noises[p] = pick(learn, most_of(new_noise, LEAST_NOISE), noise);
        tremors[p] = pick(learn, most_of(new_tremor, LEAST_NOISE), tremor);
        n_noise[p] = pick(learn, more, n);

        older[p] = newer[p];
        older_weight[p] = newer_weight[p];
        newer[p] = level + m;
        newer_weight[p] = w;
        sums[p] = squares[p] = counts[p] = 0.0f;
        lows[p] = FAR;
        highs[p] = -FAR;
    }
    return woken != 0;
}

/// Once a window: by how much the window's mean missed the level before it, over what white noise would make it miss.
FUSION_INLINE void judge_body(const State& s, const Config& c) {
    float *const from = &s.f(WINDOW_FROM, 0), *const before = &s.f(WINDOW_DOUBT, 0), *const drifts = &s.f(DRIFT, 0);
    float *const sums = &s.f(WINDOW_SUM, 0), *const weights = &s.f(WINDOW_WEIGHT, 0);
    float* const inflations = &s.f(INFLATION, 0);
    const float *const levels = &s.f(LEVEL, 0), *const doubts = &s.f(DOUBT, 0), *const watched = &s.f(WATCHED, 0);
    const float *const noises = &s.f(NOISE, 0), floor = c.floor_g * c.floor_g, least = 0.1f * float(c.window);
    std::int32_t* const n_windows = &s.i(N_WINDOWS, 0);
    const std::int64_t stride = s.stride / LANES * LANES;
    FUSION_VECTORISE
    for (std::int64_t p = 0; p < stride; ++p) {
        const bool on = watched[p] > 0.0f, known = on & (before[p] > 0.0f) & (weights[p] > least);
        const float weight = pick(known, weights[p], 1.0f), error = sums[p] / weight;
        const float expected = most_of(noises[p], floor) * (before[p] + 1.0f / weight);
        const float ratio = error * error / expected;
        const float inflation = inflations[p], most = CLIP * most_of(inflation, 1.0f), drift = drifts[p];
        const float bound = std::sqrt(most * expected), tame = most_of(least_of(error, bound), -bound);
        const std::int32_t n = n_windows[p], more = n + std::int32_t(n < 60);
        // As if five windows of white noise had been seen before.
        const float better = inflation + (least_of(ratio, most) - inflation) / float(more + 4);
        inflations[p] = pick(known, better, inflation);
        drifts[p] = pick(known, drift + (tame - drift) / 60.0f, drift);
        n_windows[p] = pick(known, more, n);
        from[p] = levels[p];
        before[p] = pick(on, doubts[p], 0.0f);
        sums[p] = weights[p] = 0.0f;
    }
}

// The passes as jobs that levels.hpp compiles for each instruction set; the compiler chooses the vectors.
struct Fill {
    const State& s;
    const float* grams;
    std::int64_t n;
    bool& faulty;
    template <class>
    FUSION_INLINE void run() const {
        faulty = fill_body(s, grams, n);
    }
};
struct Summarise {
    const State& s;
    const Config& c;
    Ladder& ladder;
    template <class>
    FUSION_INLINE void run() const {
        ladder = summarise_body(s, c);
    }
};
struct Watch {
    const State& s;
    const Config& c;
    bool& woken;
    template <class>
    FUSION_INLINE void run() const {
        woken = watch_body(s, c);
    }
};
struct Judge {
    const State& s;
    const Config& c;
    template <class>
    FUSION_INLINE void run() const {
        judge_body(s, c);
    }
};

inline bool fill(const State& s, const float* grams, std::int64_t n, Level level) {
    bool faulty = false;
    run(Fill{s, grams, n, faulty}, level);
    return faulty;
}
inline Ladder summarise(const State& s, const Config& c, Level level) {
    Ladder ladder{};
    run(Summarise{s, c, ladder}, level);
    return ladder;
}
inline bool watch(const State& s, const Config& c, Level level) {
    bool woken = false;
    run(Watch{s, c, woken}, level);
    return woken;
}
inline void judge(const State& s, const Config& c, Level level) {
    run(Judge{s, c}, level);
}

/// The fixture's factor: the power of two below which half of the watched plates are; it fades by 0.7 a block.
inline void feel(const State& s, const Ladder& ladder) {
    float factor = 1.0f;
    if (ladder.watched >= CROWD)
        for (int k = 0; k < 4; ++k)
            if (2 * ladder.above[k] > ladder.watched) factor *= 2.0f;
    const float faded = 0.7f * s.activity[0];
    s.activity[0] = factor > faded ? factor : (faded > 1.0f ? faded : 1.0f);
    s.head[LIVE] = ladder.watched;
}

/// Readings beyond the limit among the last n ticks: what the sensor says is too much to be a weight.
inline void count_faults(const State& s, const float* grams, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k)
        for (std::int64_t p = 0; p < s.plates; ++p) {
            const float x = grams[k * s.plates + p];
            if (!(x == x) || std::fabs(x) < s.f(LIMIT, p)) continue;
            ++s.l(FAULTS, p);
            s.l(FAULT_TICK, p) = s.head[TICK] - (n - 1 - k);
        }
}

/// Let the gate watch plate p, whose level is known.
inline void rest(const State& s, std::int64_t p) {
    s.i(STATE, p) = STABLE;
    s.f(WATCHED, p) = 1.0f;
    s.f(UP, p) = s.f(DOWN, p) = 0;
    s.i(RUN_UP, p) = s.i(RUN_DOWN, p) = 0;
    s.f(OLDER_WEIGHT, p) = s.f(NEWER_WEIGHT, p) = s.f(WINDOW_DOUBT, p) = 0;
}

}  // namespace fusion::segmentation
