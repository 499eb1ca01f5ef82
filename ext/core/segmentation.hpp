// Weight events from the load cells of one fixture, block by block.
//
// Solves: which plates of a shelf changed their load together, when (onset, step, settled) and by how much, with the
// standard deviation of each change; what was only pushed; which plates are out of order.
// Source: CUSUM of Page (Biometrika 41, 1954), threshold by Siegmund (Sequential Analysis, 1985); local level model
// (Harvey 1989); most probable step between two known levels (Hinkley, Biometrika 57, 1970).
// Assumes: a nominal sampling rate; noise that is stationary for seconds apart from vibration of 8-15 Hz.
// Units: grams, nanoseconds, ticks. float32 with + - * / sqrt only, so that all builds agree bit for bit.
// Cost: the gate for every plate and tick; for a plate that moves, a look at its last half second a block.
// Memory: caller-owned, storage_size(); nothing else.
#pragma once
#include "segmentation_events.hpp"
#include "segmentation_gate.hpp"
#include "segmentation_health.hpp"

namespace fusion::segmentation {

/// From STABLE to MOVING; the onset is where the mean shift since then is most probable (Page's and Romano's statistic
/// at one time: the maximum over onsets of the squared sum over the count).
inline void wake(const State& s, const Config& c, std::int64_t p) {
    const std::int64_t tick = s.head[TICK], run = s.f(UP, p) > s.f(DOWN, p) ? s.i(RUN_UP, p) : s.i(RUN_DOWN, p);
    refine(s, c, p);
    std::int64_t first = tick - ((run < 2 * c.settle ? run : 2 * c.settle) + 1) * c.block + 1;
    first = first > oldest(s) ? first : oldest(s);
    float total = 0, best = -1.0f, count = 0;
    Samples forth(s, p, first), back(s, p, first);
    for (std::int64_t t = first; t <= tick; ++t) {
        const float d = forth.next();
        if (!(d == d)) continue;
        total += d;
        count += 1.0f;
    }
    std::int64_t onset = tick;
    for (std::int64_t t = first; t <= tick; ++t) {
        const float d = back.next();
        if (!(d == d)) continue;
        if (total * total > best * count) {
            best = total * total / count;
            onset = t;
        }
        total -= d;
        count -= 1.0f;
    }
    s.i(STATE, p) = MOVING;
    s.l(WOKEN, p) = onset;
    const bool after_gap = s.head[GAP_TICK] >= 0 && onset < s.head[GAP_TICK] + c.block;
    s.l(START_NS, p) = after_gap ? s.head[GAP_NS] : s.time(onset);
    s.f(WATCHED, p) = s.f(UP, p) = s.f(DOWN, p) = s.f(PEAK, p) = s.f(EXCESS, p) = 0;
    s.i(RUN_UP, p) = s.i(RUN_DOWN, p) = 0;
    ++s.head[AWAKE];
}

/// Remember how far the plate was pushed, in grams and in standard deviations of the noise then.
inline void track_peak(const State& s, const Config& c, std::int64_t p) {
    float low = FAR, high = -FAR, least_z = FAR;
    for (std::int64_t k = 0; k < c.push_blocks; ++k) {
        const std::int64_t last = s.head[TICK] - k * c.block;
        const Span b = span(s, c, p, last - c.block + 1, last);
        if (2 * b.count < c.block || b.count == 0) return;
        low = b.mean < low ? b.mean : low;
        high = b.mean > high ? b.mean : high;
        const float z = std::fabs(b.mean) / std::sqrt(noise_now(s, c, p) + c.leak * b.spread);
        least_z = z < least_z ? z : least_z;
    }
    const float push = low > 0 ? low : (high < 0 ? -high : 0.0f);
    if (push > s.f(PEAK, p)) s.f(PEAK, p) = push;
    if (push > 0 && least_z > s.f(EXCESS, p)) s.f(EXCESS, p) = least_z;
}

/// Take back record r and the loads that came just before it, unless the plate went back to one of them: a hand. The
/// plate's level is again the one before; the record that it went back to, or -1.
inline std::int64_t withdraw(const State& s, const Config& c, std::int64_t p, std::int64_t r, Calm& w) {
    const float after = s.f(LEVEL, p) + w.mean;
    for (;;) {
        const std::int64_t below = record_below(s, r);
        const float before = s.rf(R_BEFORE, r), variance = s.rf(R_VAR_BEFORE, r), whole = after - before;
        s.rl(R_SETTLED, r) = -1;
        amend(s, c, r, before, variance);
        const bool back = below >= 0 && whole * whole <= SIGNIFICANT * (variance + noise_now(s, c, p));
        if (below < 0 || back || whole > 0) {
            w.mean += s.f(LEVEL, p) - before;
            s.f(LEVEL, p) = before;
            s.f(DOUBT, p) *= variance / level_variance(s, c, p);
            return back ? below : -1;
        }
        r = below;
    }
}

/// What settling on `w` over the last n blocks says of a plate that moved: records of its steps. A load that came a
/// short while ago was a hand, if the plate leaves it slowly, or for less, or the hand lets go first: hands push,
/// wander and go. Then the change is counted from before the hand.
inline void tell(const State& s, const Config& c, Out& out, std::int64_t p, std::int64_t n, Calm& w, Steps steps,
                 float scatter, float quality) {
    const std::int64_t tick = s.head[TICK], quiet = tick - n * c.block + 1, r = last_record(s, p);
    const float q = quantum(s, c, p), coarse = 4.0f * w.spread < q * q ? q * q / 12.0f : 0.0f;
    const float var_after = s.f(INFLATION, p) * scatter / w.weight + coarse + (quality < QUALITY_LONG ? w.scatter : 0);
    const float shown = quality * float(w.count) / float(n * c.block);
    if (r >= 0 && (changed(s, r) || record_below(s, r) >= 0)) {
        const bool more = std::fabs(w.mean) >= c.half_item_g, up = light(s, r);
        const bool calm = more && !s.rl(R_UNEASY, r), quick = steps.tick[0] - s.l(WOKEN, p) <= c.join + c.quick;
        const bool lets_go = up && dip(s, p, s.l(WOKEN, p), tick) < -LETS_GO * delta(s, r);
        std::int64_t same = r;
        if (more && up && !(calm && quick && steps.after[0] > 0 && !lets_go)) {
            same = withdraw(s, c, p, r, w);
            steps = find_steps(s, c, p, quiet, w.mean, w.spread);
        } else if (more) {
            s.rl(R_SETTLED, r) = up ? LEANS_ON_NEXT : -1;
            same = -1;
        }
        if (same >= 0) {
            keep(s, c, p, same, w, quiet, var_after, shown);
            return;
        }
    }
    float before = 0, var_before = level_variance(s, c, p) + coarse;
    if (w.mean * w.mean <= NOTICEABLE * (var_before + var_after) && !moved(s, c, p)) return;
    for (int k = 0; k < steps.count; ++k) {
        const bool last = k + 1 == steps.count;
        const float var = last ? var_after : steps.variance[k] + noise_now(s, c, p);
        add_record(s, c, out, p,
                   {steps.first[k], steps.tick[k], last ? quiet : steps.end[k], steps.end[k],
                    last ? tick : (steps.after[k] > before ? LEANS_ON_NEXT : -1), before, steps.after[k], var_before,
                    var, last ? shown : 0.5f * shown});
        before = steps.after[k];
        var_before = var;
    }
}

/// From MOVING (or STARTING) to STABLE where the last n blocks are, `w`.
inline void settle(const State& s, const Config& c, Out& out, std::int64_t p, std::int64_t n, Calm w,
                   const Steps& steps, float quality) {
    const float r = noise_now(s, c, p), calm_r = r / (s.activity[0] * s.activity[0]), prior = 4.0f;
    // The scatter of few blocks says little: it is taken together with what is known, as if from five blocks.
    float scatter = (prior * r + float(n - 1) * w.scatter) / (prior + float(n - 1));
    scatter = scatter > r ? scatter : r;
    if (s.i(STATE, p) == MOVING) tell(s, c, out, p, n, w, steps, scatter, quality * std::sqrt(r / scatter));
    if (s.i(STATE, p) == STARTING) {
        s.f(NOISE, p) = 2.0f * w.scatter > START_NOISE ? 2.0f * w.scatter : START_NOISE;  // few blocks: be careful
        s.f(TREMOR, p) = w.spread > LEAST_NOISE ? w.spread : LEAST_NOISE;
        s.i(N_NOISE, p) = std::int32_t(n);
    } else if (quality < QUALITY_LONG) {
        const float louder = w.scatter / (s.activity[0] * s.activity[0]);
        s.f(NOISE, p) = louder > s.f(NOISE, p) ? louder : s.f(NOISE, p);
    } else if (!moved(s, c, p)) {  // what moved nothing was noise
        const std::int64_t blocks = (s.head[TICK] - s.l(WOKEN, p)) / c.block + 1;
        const std::int64_t k = blocks < c.settle ? c.settle : (blocks < c.steady ? blocks : c.steady);
        const Calm all = calm(s, c, p, k, s.head[TICK]);
        const float known = float(s.i(N_NOISE, p)), seen = all.count > 0 ? float(k) : 0.0f;
        const float most = QUIET * calm_r, louder = all.scatter / (s.activity[0] * s.activity[0]);
        s.f(NOISE, p) += ((louder < most ? louder : most) - s.f(NOISE, p)) * (seen / (known + seen));
    }
    s.f(LEVEL, p) += w.mean;
    s.f(DOUBT, p) = scatter / calm_r / w.weight;
    s.l(SETTLED, p) = s.head[TICK];
    --s.head[AWAKE];
    rest(s, p);
}

/// Whether plate p shakes by itself: a hand trembles on it. Where the others of its shelf shake too, it is the shelf.
inline bool loud_alone(const State& s, const Config& c, std::int64_t p, float spread) {
    const float loud = LOUD * (s.f(TREMOR, p) + c.floor_g * c.floor_g);
    if (spread <= loud) return false;
    float total = 0, count = 0;
    for (std::int64_t q = 0; q < s.plates; ++q) {
        if (q == p || s.i(GROUP, q) != s.i(GROUP, p) || s.i(STATE, q) != STABLE) continue;
        total += s.f(SPREAD, q) / s.f(TREMOR, q);
        count += 1.0f;
    }
    const float shelf = total > count ? total : count;
    return count > 0 && spread * count > loud * shelf;
}

/// End MOVING if the plate is quiet at a level that it reached at once, or quiet for long, or it has lasted too long.
inline void try_settle(const State& s, const Config& c, Out& out, std::int64_t p) {
    const std::int64_t tick = s.head[TICK], blocks = (tick - s.l(WOKEN, p)) / c.block + 1;
    if (s.i(STATE, p) == STARTING) {
        const Calm w = calm(s, c, p, 2 * c.settle, tick);
        const bool steady = w.scatter <= LOUD * calm(s, c, p, c.settle, tick).scatter + c.floor_g * c.floor_g;
        if (w.count > 0 && (steady || blocks >= 2 * c.steady)) settle(s, c, out, p, 2 * c.settle, w, {}, 1.0f);
        return;
    }
    track_peak(s, c, p);
    const float r = noise_now(s, c, p);
    const Calm w = calm(s, c, p, c.settle, tick, QUIET * r);
    if (w.count > 0 && !loud_alone(s, c, p, w.spread)) {
        const Steps steps = find_steps(s, c, p, tick - c.settle * c.block + 1, w.mean, w.spread);
        const int k = steps.count - 1;
        if (sharp(s, c, p, steps.tick[k], k ? steps.after[k - 1] : 0, w.mean, w.spread)) {
            settle(s, c, out, p, c.settle, w, steps, 1.0f);
            return;
        }
    }
    if (blocks < c.steady) return;
    // A load that is too heavy for a hand may make its plate louder.
    const float size = std::fabs(s.f(MEAN, p)), sway = size > HAND_G ? STILL_SHARE * size : 0.0f;
    const float most = QUIET * r > sway * sway ? QUIET * r : sway * sway;
    const Calm longer = calm(s, c, p, c.steady, tick, blocks < c.hold ? most : FAR * FAR);
    if (longer.count == 0) return;
    const std::int64_t quiet = tick - c.steady * c.block + 1;
    const float quality = longer.scatter <= QUIET * r ? QUALITY_LONG : QUALITY_FORCED;
    settle(s, c, out, p, c.steady, longer, find_steps(s, c, p, quiet, longer.mean, longer.spread), quality);
}

/// A controller that tares a fixture sets all its readings to about zero at once; nothing moved. Take the new levels.
inline void take_tare(const State& s, const Config& c, Out& out) {
    std::int64_t at_zero = 0, known = 0;
    for (std::int64_t p = 0; p < s.plates; ++p) {
        if (s.i(STATE, p) == STARTING || s.f(WEIGHT, p) <= 0) continue;
        const float bound = 4.0f * std::sqrt(noise_now(s, c, p)) + c.half_item_g;
        at_zero += std::fabs(s.f(LEVEL, p) + s.f(MEAN, p)) <= bound && std::fabs(s.f(MEAN, p)) > bound;
        ++known;
    }
    if (2 * at_zero <= known) return;
    while (s.head[EVENTS] > 0) finish(s, c, out, 0, QUALITY_EARLY);
    for (std::int64_t p = 0; p < s.plates; ++p) {
        if (s.i(STATE, p) == STARTING || s.f(WEIGHT, p) <= 0) continue;
        if (s.i(STATE, p) == MOVING) --s.head[AWAKE];
        s.f(LEVEL, p) += s.f(MEAN, p);
        s.f(MEAN, p) = 0;
        s.f(DOUBT, p) = 1.0f;
        rest(s, p);
    }
    s.activity[0] = 1.0f;
    ++s.head[REZEROED];
}

/// The ticks since the last block are one: watch, wake, settle, report.
inline void end_block(const State& s, const Config& c, Out& out, Level level) {
    const Ladder ladder = summarise(s, c, level);
    if (ladder.incomplete)
        for (std::int64_t p = 0; p < s.plates; ++p) s.l(MISSING, p) += c.block - std::int64_t(s.f(COUNT, p));
    feel(s, ladder);
    if (ladder.watched > 2 && 2 * ladder.above[2] > ladder.watched) take_tare(s, c, out);
    if (watch(s, c, level))
        for (std::int64_t p = 0; p < s.plates; ++p)
            if (s.f(UP, p) > c.threshold || s.f(DOWN, p) > c.threshold) wake(s, c, p);
    if (s.head[AWAKE] > 0)
        for (std::int64_t p = 0; p < s.plates; ++p)
            if (s.i(STATE, p) != STABLE) try_settle(s, c, out, p);
    if ((s.head[TICK] + 1) % (c.window * c.block) == 0) judge(s, c, level);
    if (s.head[EVENTS] > 0) conclude(s, c, out);
}

/// Fill up the block that has begun with missing samples.
inline void pad_block(const State& s, const Config& c, Out& out, Level level) {
    while ((s.head[TICK] + 1) % c.block != 0) {
        const std::int64_t tick = ++s.head[TICK];
        s.times[s.row(tick)] = stamp_of(s.head[LAST_NS]);
        for (std::int64_t p = 0; p < s.stride; ++p) s.samples[s.row(tick) * s.stride + p] = NOT_A_NUMBER;
        if ((tick + 1) % c.block == 0) end_block(s, c, out, level);
    }
}

/// Take rows of (n, plates) grams from `row` on until a block reports something; the row after it.
inline std::int64_t advance(const State& s, const Config& c, Out& out, const std::int64_t* sample_ns,
                            const float* grams, std::int64_t row, std::int64_t n, Level level) {
    std::int64_t* const head = s.head;
    out.events_count = out.members_count = 0;
    while (row < n && out.events_count == 0) {
        if (head[TICK] >= 0 && sample_ns[row] - head[LAST_NS] > c.gap_ns && head[GAP_NS] != head[LAST_NS]) {
            pad_block(s, c, out, level);
            clear_history(s);
            head[GAP_NS] = head[LAST_NS];
            head[GAP_TICK] = head[TICK] + 1;
            continue;
        }
        std::int64_t count = 0;
        do {
            const std::int64_t tick = ++head[TICK];
            head[LAST_NS] = sample_ns[row + count++];
            s.times[s.row(tick)] = stamp_of(head[LAST_NS]);
        } while (row + count < n && (head[TICK] + 1) % c.block != 0 &&
                 sample_ns[row + count] - head[LAST_NS] <= c.gap_ns);
        if (fill(s, grams + row * s.plates, count, level)) count_faults(s, grams + row * s.plates, count);
        row += count;
        if ((head[TICK] + 1) % c.block == 0) end_block(s, c, out, level);
    }
    return row;
}

/// Whether the times are not negative and do not decrease, nor go back behind the last tick.
inline bool ordered(const State& s, const std::int64_t* sample_ns, std::int64_t n) {
    std::int64_t before = s.head[TICK] >= 0 ? s.head[LAST_NS] : 0;
    for (std::int64_t i = 0; i < n; ++i) {
        if (sample_ns[i] < before) return false;
        before = sample_ns[i];
    }
    return true;
}

/// End of the stream: settle every moving plate on what is known and finish every event.
inline void flush(const State& s, const Config& c, Out& out, Level level) {
    out.events_count = out.members_count = 0;
    pad_block(s, c, out, level);
    for (std::int64_t p = 0; p < s.plates; ++p) {
        if (s.i(STATE, p) != MOVING) continue;
        const Calm w = calm(s, c, p, 2, s.head[TICK]);
        if (w.count > 0 && w.scatter <= QUIET * noise_now(s, c, p)) {
            const std::int64_t quiet = s.head[TICK] - 2 * c.block + 1;
            settle(s, c, out, p, 2, w, find_steps(s, c, p, quiet, w.mean, w.spread), QUALITY_FORCED);
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

}  // namespace fusion::segmentation
