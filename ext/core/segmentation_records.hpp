// Records: what single plates did, and which of them belong together.
//
// A record is one plate's change; an event is the set of records with its key. Records and events are few (whatever
// waits to be final), so they are scanned.
#pragma once
#include "segmentation_steps.hpp"

namespace fusion::segmentation {

/// Whether two plates carry one facing; without a planogram, whether an item can stand on both.
inline bool share(const State& s, std::int64_t p, std::int64_t q) {
    const std::int64_t low = p < q ? p : q, apart = (p < q ? q : p) - low;
    return 0 < apart && apart <= 31 && (s.i(SHARED, low) >> (apart - 1) & 1);
}

inline std::int64_t distance(std::int64_t a, std::int64_t b) {
    return a < b ? b - a : a - b;
}

inline float delta(const State& s, std::int64_t r) {
    return s.rf(R_AFTER, r) - s.rf(R_BEFORE, r);
}

/// Whether record r tells of a change at all, or only of a push.
inline bool changed(const State& s, std::int64_t r) {
    return delta(s, r) * delta(s, r) > SIGNIFICANT * (s.rf(R_VAR_BEFORE, r) + s.rf(R_VAR_AFTER, r));
}

/// Record of plate p in the event with that key; or -1.
FUSION_APART std::int64_t member(const State& s, std::int64_t key, std::int64_t p) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r)
        if (s.rl(R_EVENT, r) == key && s.rl(R_PLATE, r) == p) return r;
    return -1;
}

/// The level of a plate that settled has been learned on since: so much better is its record.
inline void refine(const State& s, const Config& c, std::int64_t p) {
    if (s.i(STATE, p) != STABLE) return;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_PLATE, r) != p || s.rl(R_SETTLED, r) != s.l(SETTLED, p)) continue;
        s.rf(R_AFTER, r) = s.f(LEVEL, p);
        s.rf(R_VAR_AFTER, r) = level_variance(s, c, p);
    }
}

struct Change {
    std::int64_t first, step, quiet, end, settled;  // ticks
    float before, after, var_before, var_after;     // g less the level; g^2
    float quality;
};

/// Whether a change of plate p is part of what record r tells: for sure, as one facing carries both, or perhaps, as
/// what stands over the edge of its facing; cross-talk is no part.
enum Bond { NONE, PERHAPS, SURE };
inline Bond bond(const State& s, const Config& c, std::int64_t p, const Change& change, std::int64_t r) {
    const std::int64_t q = s.rl(R_PLATE, r), late = distance(change.step, s.rl(R_STEP, r));
    if (p == q || s.i(GROUP, p) != s.i(GROUP, q)) return NONE;
    const float a = change.after - change.before, b = delta(s, r);
    if (share(s, p, q)) {
        // The step of what is small is not seen well, but that it moved then is.
        const bool vague = std::fabs(a) < 2.0f * c.half_item_g || std::fabs(b) < 2.0f * c.half_item_g;
        if (late <= (vague ? 2 * c.join : c.join)) return SURE;
        const bool mine =
            std::fabs(a) < c.half_item_g && change.first <= s.rl(R_STEP, r) && s.rl(R_STEP, r) <= change.quiet;
        const bool its =
            std::fabs(b) < c.half_item_g && s.rl(R_FIRST, r) <= change.step && change.step <= s.rl(R_QUIET, r);
        return mine || its ? SURE : NONE;
    }
    const float least = std::fabs(a) < std::fabs(b) ? std::fabs(a) : std::fabs(b);
    const float most = std::fabs(a) < std::fabs(b) ? std::fabs(b) : std::fabs(a);
    return distance(p, q) == 1 && late <= c.coincide && a * b > 0 && least > OVERHANG * most ? PERHAPS : NONE;
}

/// Let a change of plate p step when a plate of its facing did, if it moved then by most of its change: a hand that was
/// there before, or stayed, hides when its own load came or went.
inline void align(const State& s, const Config& c, std::int64_t p, Change& change) {
    const float whole = change.after - change.before;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        const std::int64_t q = s.rl(R_PLATE, r), step = s.rl(R_STEP, r);
        if (s.i(GROUP, p) != s.i(GROUP, q) || !share(s, p, q) || delta(s, r) * whole <= 0) continue;
        if (distance(step, change.step) <= c.join || step < change.first - c.block || step > change.quiet) continue;
        const std::int64_t far = c.quick + c.coincide;
        if (step - far < oldest(s) || step + far > s.head[TICK]) continue;
        const Span then = span(s, c, p, step - far, step - c.quick), now = span(s, c, p, step + c.quick, step + far);
        if (then.count > 0 && now.count > 0 && (now.mean - then.mean) / whole > 1.0f - SLACK) change.step = step;
    }
}

/// Key of the pending event that a change of plate p joins, or -1: the surest, then the one whose step is nearest.
inline std::int64_t find_event(const State& s, const Config& c, std::int64_t p, const Change& change) {
    std::int64_t best = -1, nearest = NEVER;
    Bond surest = PERHAPS;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        const Bond sure = bond(s, c, p, change, r);
        const std::int64_t late = distance(change.step, s.rl(R_STEP, r));
        if (sure < surest || (sure == surest && late >= nearest)) continue;
        const std::int64_t own = member(s, s.rl(R_EVENT, r), p);
        if (own >= 0 && changed(s, own)) continue;
        best = s.rl(R_EVENT, r);
        nearest = late;
        surest = sure;
    }
    return best;
}

/// What other plates, if near, moved while record r's plate did, g and g^2: cross-talk adds a share of it.
struct Felt {
    float sum, squares;
};

inline bool felt_by(const State& s, const Config& c, std::int64_t q, std::int64_t r) {
    const std::int64_t p = s.rl(R_PLATE, r), apart = distance(s.rl(R_PLATE, q), p);
    return apart != 0 && apart <= REACH && s.i(GROUP, s.rl(R_PLATE, q)) == s.i(GROUP, p) &&
           s.rl(R_FIRST, q) <= s.rl(R_QUIET, r) + c.block && s.rl(R_FIRST, r) <= s.rl(R_QUIET, q) + c.block;
}

inline Felt felt(const State& s, const Config& c, std::int64_t r) {
    Felt near{s.rf(R_FELT_SUM, r), s.rf(R_FELT_SQUARES, r)};
    for (std::int64_t q = 0; q < s.head[RECORDS]; ++q) {
        if (!felt_by(s, c, q, r)) continue;
        near.sum += delta(s, q);
        near.squares += delta(s, q) * delta(s, q);
    }
    return near;
}

/// Mark records near plate p, which just changed, that have the sign of what moved near them and are no more than
/// cross-talk of it. They stay marked.
inline void mark_cross_talk(const State& s, const Config& c, std::int64_t p) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (distance(s.rl(R_PLATE, r), p) > REACH) continue;
        const float sum = felt(s, c, r).sum;
        if (delta(s, r) * sum > 0 && std::fabs(delta(s, r)) <= CROSS_TALK * std::fabs(sum)) s.rl(R_FELT, r) = 1;
    }
}

/// Record of the change by which plate p came to the level where it was settled last, if it is not final; or -1.
FUSION_APART std::int64_t last_record(const State& s, std::int64_t p) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r)
        if (s.rl(R_PLATE, r) == p && s.rl(R_SETTLED, r) == s.l(SETTLED, p)) return r;
    return -1;
}

/// Record of the load that came just before record r's, and stands or falls with it; or -1.
inline std::int64_t record_below(const State& s, std::int64_t r) {
    for (std::int64_t q = r - 1; q >= 0; --q)
        if (s.rl(R_PLATE, q) == s.rl(R_PLATE, r) && s.rl(R_SETTLED, q) == LEANS_ON_NEXT) return q;
    return -1;
}

/// Let record r end at another level than it seemed to.
inline void amend(const State& s, const Config& c, std::int64_t r, float after, float var_after) {
    s.rl(R_MOVED, r) = 1;
    s.rf(R_AFTER, r) = after;
    s.rf(R_VAR_AFTER, r) = var_after;
    for (std::int64_t e = 0; e < s.head[EVENTS]; ++e) {
        if (s.el(E_KEY, e) != s.rl(R_EVENT, r)) continue;
        s.el(E_SETTLED_NS, e) = s.time(s.head[TICK]);
        s.el(E_CHANGED, e) = 1;
    }
    mark_cross_talk(s, c, s.rl(R_PLATE, r));
}

/// The plate came back to about the level that record r told: that is settled anew. Where a hand let go meanwhile, what
/// it came to was not there before.
inline void keep(const State& s, const Config& c, std::int64_t p, std::int64_t r, const Calm& w, std::int64_t quiet,
                 float var_after, float quality) {
    const float before = s.rf(R_BEFORE, r) - s.f(LEVEL, p);
    const std::int64_t from = s.l(WOKEN, p) > oldest(s) ? s.l(WOKEN, p) : oldest(s);
    const float depth = dip(s, p, from, s.head[TICK]), swing = -depth > s.f(PEAK, p) ? -depth : s.f(PEAK, p);
    if (s.rl(R_UNEASY, r) >= 2 && delta(s, r) > 0 && swing > 0.5f * delta(s, r) &&
        swing * swing > SIGNIFICANT * w.spread) {
        const std::int64_t step = step_tick(s, c, p, from, s.head[TICK], before, w.mean, w.spread);
        s.rl(R_STEP, r) = step;
        s.rl(R_STEP_NS, r) = s.time(step < s.head[TICK] ? step : s.head[TICK]);
    }
    ++s.rl(R_UNEASY, r);
    s.rl(R_QUIET, r) = quiet;
    s.rl(R_SETTLED, r) = s.head[TICK];
    s.rl(R_END_NS, r) = s.time(s.head[TICK]);
    s.rf(R_QUALITY, r) = quality;
    amend(s, c, r, s.f(LEVEL, p) + w.mean, var_after);
}

/// Whether record r is part of a load that a resting hand may weigh.
inline bool light(const State& s, std::int64_t r) {
    if (delta(s, r) <= 0) return false;
    float total = 0;
    for (std::int64_t q = 0; q < s.head[RECORDS]; ++q)
        if (s.rl(R_EVENT, q) == s.rl(R_EVENT, r) && (q == r || share(s, s.rl(R_PLATE, q), s.rl(R_PLATE, r))))
            total += delta(s, q);
    return total < HAND_G;
}

/// Whether a load that came may still be a hand: its plate moves again, or does not keep its level, or what leans on it
/// is doubtful. No hand pulls, so what went is gone.
inline bool doubtful(const State& s, const Config& c, std::int64_t r) {
    const std::int64_t p = s.rl(R_PLATE, r), tick = s.head[TICK];
    if (s.rl(R_SETTLED, r) == -1 || !light(s, r)) return false;
    const std::int64_t last = last_record(s, p);
    if (s.rl(R_SETTLED, r) == LEANS_ON_NEXT ? last < 0 : last != r) return false;
    if (s.i(STATE, p) != STABLE) return true;
    const std::int64_t since = tick - s.rl(R_SETTLED, last);
    if (s.rl(R_UNEASY, r) && since < 2 * c.steady * c.block) return true;
    const std::int64_t half = (since < c.steady * c.block ? since / c.block + c.settle : c.steady) / 2;
    if (since > c.hold * c.block || s.i(EMPTY, p) > 0) return false;
    if (tick / c.block % LOOK != 0) return true;  // a look costs, and three blocks more tell little
    const float r0 = noise_now(s, c, p);
    const Calm now = calm(s, c, p, half, tick, QUIET * r0);
    if (now.count == 0) return true;
    const Calm then = calm(s, c, p, half, tick - half * c.block, QUIET * r0);
    if (then.count == 0) return true;
    const float trend = now.mean - then.mean;
    return trend * trend > TREND * s.f(INFLATION, p) * r0 * (1.0f / now.weight + 1.0f / then.weight);
}

}  // namespace fusion::segmentation
