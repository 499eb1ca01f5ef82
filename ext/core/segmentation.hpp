// Weight events from the load cells of one fixture, tick by tick.
//
// Solves: which adjacent plates changed their load together, when (onset, settled) and by how much, with the standard
// deviation of each change; what was only pushed; which plates are out of order.
// Source: CUSUM of Page (Biometrika 41, 1954), threshold by Siegmund (Sequential Analysis, 1985); tests of stationarity
// by the range of window means and Hartley's ratio of variances.
// Assumes: a nominal sampling rate; noise that is stationary for seconds; what shakes the fixture shakes most plates.
// Units: grams, nanoseconds, ticks. float32 with + - * / sqrt only, so that all builds agree bit for bit.
// Cost: the gate for every plate and tick; for a plate that moves, a scan of its last ring a tick.
// Memory: caller-owned, storage_size(); nothing else.
#pragma once
#include "segmentation_events.hpp"

namespace fusion::segmentation {

/// Remember how far the plate was pushed, in grams and in standard deviations of the noise then.
inline void track_peak(const State& s, const Config& c, std::int64_t p, std::int64_t tick) {
    const float push = held(s, c, p, tick);
    const float z = push / (std::sqrt(noise_now(s, c, p).sample) * s.activity[0]);
    if (push > s.f(PEAK, p)) s.f(PEAK, p) = push;
    if (z > s.f(EXCESS, p)) s.f(EXCESS, p) = z;
}

/// From STABLE to MOVING; the onset is where the CUSUM that crossed last left zero.
inline void wake(const State& s, const Config& c, std::int64_t p) {
    const std::int64_t tick = s.head[TICK];
    std::int64_t run = s.f(UP, p) > s.f(DOWN, p) ? s.i(RUN_UP, p) : s.i(RUN_DOWN, p);
    run = run < c.ring - c.window ? run : c.ring - c.window;
    const std::int64_t onset = tick - run + 1;
    refine(s, c, p, onset - 1);
    s.i(STATE, p) = MOVING;
    s.l(WOKEN, p) = onset;
    const bool after_gap = s.head[GAP_TICK] >= 0 && onset - s.head[GAP_TICK] < c.window;
    s.l(START_NS, p) = after_gap ? s.head[GAP_NS] : s.time(onset);
    s.f(GAIN, p) = s.f(UP, p) = s.f(DOWN, p) = s.f(PEAK, p) = s.f(EXCESS, p) = 0;
    s.i(RUN_UP, p) = s.i(RUN_DOWN, p) = 0;
    for (std::int64_t t = onset; t < tick; ++t) track_peak(s, c, p, t);
    ++s.head[AWAKE];
}

/// From MOVING (or STARTING) to STABLE where the last n ticks are, `w`; a real change becomes a record.
inline void settle(const State& s, const Config& c, Out& out, std::int64_t p, std::int64_t n, const Parts& w,
                   float quality) {
    const std::int64_t tick = s.head[TICK];
    const float factor = s.activity[0], step = w.mean, variance = w.variance;
    if (s.i(STATE, p) == MOVING) {
        const Noise noise = noise_now(s, c, p);
        float ratio = variance / noise.sample;
        ratio = ratio > factor * factor ? ratio : factor * factor;
        const float resolution = quantum(s, c, p);
        const float var_before = noise.mean * float(c.window) / float(s.i(N_LEVEL, p));
        float var_after = noise.mean * ratio * float(c.window) / float(w.count) + resolution * resolution / 12.0f;
        if (quality < 1.0f) var_after += w.range * w.range / 4.0f;
        if (step * step > NOTICEABLE * (var_before + var_after) || moved(s, c, p)) {
            const std::int64_t quiet = tick - n + 1;
            const float shown = quality / std::sqrt(ratio) * float(w.count) / float(n);
            add_record(s, c, out, p, {step_tick(s, c, p, step, quiet), quiet, step, var_before, var_after, shown});
        }
    }
    if (s.i(STATE, p) == STARTING) {
        s.f(NOISE, p) = s.f(MEAN_NOISE, p) = variance;
        s.i(N_NOISE, p) = 1;
    } else if (quality < 1.0f) {
        const float louder = variance / (factor * factor);
        s.f(NOISE, p) = louder > s.f(NOISE, p) ? louder : s.f(NOISE, p);
    }
    s.f(LEVEL, p) += step;
    s.i(N_LEVEL, p) = std::int32_t(w.count);
    s.l(SETTLED, p) = tick;
    --s.head[AWAKE];
    rest(s, c, p);
}

/// End MOVING if the last window is quiet, or four of them loud but steady, or it has lasted too long.
inline void try_settle(const State& s, const Config& c, Out& out, std::int64_t p) {
    const std::int64_t awake = s.head[TICK] - s.l(WOKEN, p) + 1;
    const Noise noise = noise_now(s, c, p);
    if (s.i(STATE, p) == STARTING) {
        const Parts w = parts(s, c, p, 2, c.window);
        if (w.count && (w.ratio <= STEADY_RATIO || awake >= c.ring)) settle(s, c, out, p, 2 * c.window, w, 1.0f);
        return;
    }
    const Parts last = parts(s, c, p, 2, c.window / 2);
    const float ringing = RINGING * last.mean;
    const float spread = noise.sample + ringing * ringing;
    const float drift = noise.mean + ringing * ringing / float(c.window);
    const bool quiet = last.variance <= QUIET_SPREAD * spread && last.range * last.range <= QUIET_SLOPE * 4.0f * drift;
    if (last.count && quiet) {
        settle(s, c, out, p, c.window, last, 1.0f);
        return;
    }
    if (awake < c.ring) return;
    const Parts four = parts(s, c, p, 4, c.window);
    if (!four.count) return;
    const float now = s.activity[0] * s.activity[0];
    // The whole fixture shakes; a plate that is loud alone is held by a hand.
    const bool shared = four.variance <= QUIET_SPREAD * noise.sample * now;
    const float least = four.variance > noise.sample ? four.variance : noise.sample;
    const bool steady =
        four.ratio <= STEADY_RATIO && four.range * four.range <= STEADY_SLOPE * 4.0f * least / float(four.count);
    if (steady && (shared || awake >= 4 * c.ring)) {
        settle(s, c, out, p, c.ring, four, QUALITY_LONG);
    } else if (awake >= c.hold) {
        settle(s, c, out, p, c.ring, four, QUALITY_FORCED);
    }
}

/// Take one tick of all plates.
inline void take(const State& s, const Config& c, Out& out, std::int64_t now, const float* grams) {
    std::int64_t* const head = s.head;
    const std::int64_t tick = ++head[TICK];
    if (tick > 0 && now - head[LAST_NS] > c.gap_ns) {
        clear_ring(s);
        head[GAP_NS] = head[LAST_NS];
        head[GAP_TICK] = tick;
    }
    head[LAST_NS] = now;
    s.times[s.row(tick)] = now;
    if (gate(s, c, grams))
        for (std::int64_t p = 0; p < s.plates; ++p)
            if (s.f(UP, p) > c.threshold || s.f(DOWN, p) > c.threshold) wake(s, c, p);
    if (head[AWAKE] > 0) {
        for (std::int64_t p = 0; p < s.plates; ++p) {
            if (s.i(STATE, p) == MOVING) track_peak(s, c, p, tick);
            if (s.i(STATE, p) != STABLE) try_settle(s, c, out, p);
        }
    }
    if ((tick + 1) % c.window == 0) learn(s, c);
    if (head[EVENTS] > 0) conclude(s, c, out);
}

/// Take rows of (n, plates) grams from `row` on until one reports something; the row after it.
inline std::int64_t advance(const State& s, const Config& c, Out& out, const std::int64_t* sample_ns,
                            const float* grams, std::int64_t row, std::int64_t n) {
    out.events_count = out.members_count = 0;
    for (; row < n && out.events_count == 0; ++row) take(s, c, out, sample_ns[row], grams + row * s.plates);
    return row;
}

/// Whether the times do not decrease, nor go back behind the last tick.
inline bool ordered(const State& s, const std::int64_t* sample_ns, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i)
        if ((i || s.head[TICK] >= 0) && sample_ns[i] < (i ? sample_ns[i - 1] : s.head[LAST_NS])) return false;
    return true;
}

/// End of the stream: settle every moving plate on what is known and finish every event.
inline void flush(const State& s, const Config& c, Out& out) {
    out.events_count = out.members_count = 0;
    for (std::int64_t p = 0; p < s.plates; ++p) {
        if (s.i(STATE, p) != MOVING) continue;
        const Parts last = parts(s, c, p, 2, c.window / 2);
        if (last.count) {
            settle(s, c, out, p, c.window, last, QUALITY_FORCED);
        } else {
            s.i(STATE, p) = STARTING;
            s.l(WOKEN, p) = s.head[TICK] + 1;
        }
    }
    while (s.head[EVENTS] > 0) finish(s, c, out, 0, 1.0f);
}

/// Onset of the earliest event that is not final, or of a plate that moves; -1 if there is none.
inline std::int64_t open_since(const State& s) {
    std::int64_t earliest = NEVER;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r)
        earliest = s.rl(R_START_NS, r) < earliest ? s.rl(R_START_NS, r) : earliest;
    if (s.head[AWAKE] > 0)
        for (std::int64_t p = 0; p < s.plates; ++p)
            if (s.i(STATE, p) == MOVING && s.l(START_NS, p) < earliest) earliest = s.l(START_NS, p);
    return earliest < NEVER ? earliest : -1;
}

struct PlateHealth {
    std::int32_t flags;
    float noise_g, level_g;  // noise of a sample now; NaN while STARTING
    std::int64_t samples, missing;
};

inline PlateHealth health(const State& s, const Config& c, std::int64_t p) {
    const bool unknown = s.i(STATE, p) == STARTING;
    const float noise = noise_now(s, c, p).sample * (s.activity[0] * s.activity[0]);
    const bool infinite = s.l(INFINITE, p) > 0 && s.head[TICK] - s.l(INFINITE_TICK, p) < c.memory;
    const std::int32_t flags = (s.i(EMPTY, p) > 0 ? DROPOUT : 0) |
                               (s.i(STILL, p) * c.window >= 5 * c.memory ? STUCK : 0) | (infinite ? SATURATED : 0) |
                               (noise > 4.0f * c.half_item_g * c.half_item_g ? NOISY : 0);
    return {flags, unknown ? NOT_A_NUMBER : std::sqrt(noise), unknown ? NOT_A_NUMBER : s.f(LEVEL, p),
            s.head[TICK] + 1 - s.l(MISSING, p), s.l(MISSING, p)};
}

}  // namespace fusion::segmentation
