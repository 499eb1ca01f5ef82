// From the changes of single plates to events: adjacent plates of one shelf that moved at the same time.
//
// A record is one plate's change; an event is the set of records with its key. Records and events are few (whatever
// waits for its merge window), so they are scanned. When the store is full, the oldest event is reported early, as
// final, with lower quality: nothing is lost.
#pragma once
#include "segmentation_gate.hpp"

namespace fusion::segmentation {

/// Whether somebody pushed plate p since it woke; noise alone does not.
inline bool moved(const State& s, const Config& c, std::int64_t p) {
    return s.f(PEAK, p) >= c.half_item_g && s.f(EXCESS, p) > EXCURSION;
}

inline bool neighbours(const State& s, std::int64_t p, std::int64_t q) {
    return 0 <= q && q < s.plates && s.i(GROUP, q) == s.i(GROUP, p);
}

inline bool has_plate(const State& s, std::int64_t key, std::int64_t p) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r)
        if (s.rl(R_EVENT, r) == key && s.rl(R_PLATE, r) == p) return true;
    return false;
}

/// Improve the level of a plate that settled a short while ago by all samples up to tick `last` that followed.
inline void refine(const State& s, const Config& c, std::int64_t p, std::int64_t last) {
    const std::int64_t settled = s.l(SETTLED, p);
    if (s.head[TICK] - settled >= c.ring || s.i(STATE, p) != STABLE) return;
    const Moments m = mean_between(s, c, p, settled - c.window + 1, last);
    if (m.count <= s.i(N_LEVEL, p)) return;
    s.f(LEVEL, p) += m.mean;
    s.i(N_LEVEL, p) = std::int32_t(m.count);
    const float least = noise_now(s, c, p).mean * float(c.window) / float(m.count);
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_PLATE, r) != p || s.rl(R_SETTLED, r) != settled) continue;
        s.rf(R_AFTER, r) = s.f(LEVEL, p);
        s.rf(R_VAR_AFTER, r) = least < s.rf(R_VAR_AFTER, r) ? least : s.rf(R_VAR_AFTER, r);
    }
}

/// Key of the pending event that a change of plate p joins, or -1: outwards from p over plates that moved at the same
/// time (ticks first..quiet), the event whose step is nearest in time and that does not have p.
inline std::int64_t find_event(const State& s, const Config& c, std::int64_t p, std::int64_t first, std::int64_t step,
                               std::int64_t quiet) {
    first -= c.window / 2;  // a small cross-talk wakes its plate late
    quiet += c.window / 2;
    std::int64_t best = -1, best_distance = NEVER;
    for (int side = -1; side <= 1; side += 2) {
        for (std::int64_t q = p + side; neighbours(s, p, q); q += side) {
            bool bridge = s.i(STATE, q) == MOVING && s.l(WOKEN, q) <= quiet;
            for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
                if (s.rl(R_PLATE, r) != q || s.rl(R_FIRST, r) > quiet || s.rl(R_QUIET, r) < first) continue;
                bridge = true;
                const std::int64_t apart = s.rl(R_STEP, r) - step, distance = apart < 0 ? -apart : apart;
                if (distance < best_distance && !has_plate(s, s.rl(R_EVENT, r), p)) {
                    best = s.rl(R_EVENT, r);
                    best_distance = distance;
                }
            }
            if (!bridge) break;
        }
    }
    return best;
}

/// CHANGE if an item's weight came or went on one plate or all together, TOUCH if there was a push, or NOTHING.
inline Kind kind_of(const State& s, const Config& c, std::int64_t key) {
    float total = 0, variance = 0;
    Kind kind = NOTHING;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != key) continue;
        const float delta = s.rf(R_AFTER, r) - s.rf(R_BEFORE, r);
        const float v = s.rf(R_VAR_BEFORE, r) + s.rf(R_VAR_AFTER, r);
        total += delta;
        variance += v;
        if (std::fabs(delta) >= c.half_item_g && delta * delta > SIGNIFICANT * v) kind = CHANGE;
        if (s.rl(R_MOVED, r) && kind == NOTHING) kind = TOUCH;
    }
    return std::fabs(total) >= c.half_item_g && total * total > SIGNIFICANT * variance ? CHANGE : kind;
}

/// Append record r to the members from `first` on, which stay sorted by plate.
inline void insert_member(const State& s, Out& out, std::int64_t first, std::int64_t r) {
    std::int64_t at = out.members_count++;
    for (; at > first && out.plates[at - 1] > s.rl(R_PLATE, r); --at) {
        out.plates[at] = out.plates[at - 1];
        out.deltas[at] = out.deltas[at - 1];
        out.sigmas[at] = out.sigmas[at - 1];
    }
    const float delta = s.rf(R_AFTER, r) - s.rf(R_BEFORE, r), span = SPAN_ERROR * delta;
    out.plates[at] = std::int32_t(s.rl(R_PLATE, r));
    out.deltas[at] = delta;
    out.sigmas[at] = std::sqrt(s.rf(R_VAR_BEFORE, r) + s.rf(R_VAR_AFTER, r) + span * span);
}

/// Report event e: members by plate, worst quality times `share`; unless it always was NOTHING.
inline void emit(const State& s, const Config& c, Out& out, std::int64_t e, bool final, float share) {
    s.el(E_CHANGED, e) = 0;
    const Kind kind = kind_of(s, c, s.el(E_KEY, e));
    std::int64_t& id = s.el(E_ID, e);
    if (kind == NOTHING && id < 0) return;
    if (id < 0) id = s.head[NEXT_ID]++;
    const std::int64_t first = out.members_count;
    std::int64_t start_ns = NEVER;
    float quality = 1.0f;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != s.el(E_KEY, e)) continue;
        start_ns = s.rl(R_START_NS, r) < start_ns ? s.rl(R_START_NS, r) : start_ns;
        quality = s.rf(R_QUALITY, r) < quality ? s.rf(R_QUALITY, r) : quality;
        insert_member(s, out, first, r);
    }
    out.events[out.events_count++] = {
        id,    s.el(E_REVISION, e)++,     start_ns,       s.el(E_END_NS, e), kind == CHANGE ? CHANGE : TOUCH, final,
        first, out.members_count - first, quality * share};
}

/// Drop event e and its records; the others keep their order.
inline void remove_event(const State& s, std::int64_t e) {
    const std::int64_t key = s.el(E_KEY, e);
    std::int64_t kept = 0;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) == key) continue;
        for (int i = 0; i < RECORD_LONGS; ++i) s.rl(RecordLong(i), kept) = s.rl(RecordLong(i), r);
        for (int i = 0; i < RECORD_FLOATS; ++i) s.rf(RecordFloat(i), kept) = s.rf(RecordFloat(i), r);
        ++kept;
    }
    s.head[RECORDS] = kept;
    for (std::int64_t k = e; k + 1 < s.head[EVENTS]; ++k)
        for (int i = 0; i < EVENT_LONGS; ++i) s.el(EventLong(i), k) = s.el(EventLong(i), k + 1);
    --s.head[EVENTS];
}

/// Report event e as final, with what its plates showed since they settled, and drop it.
inline void finish(const State& s, const Config& c, Out& out, std::int64_t e, float share) {
    const float suspicion = c.threshold / 3.0f;  // the next change may have begun
    const std::int64_t tick = s.head[TICK];
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != s.el(E_KEY, e)) continue;
        const std::int64_t p = s.rl(R_PLATE, r);
        std::int64_t last = tick;
        if (s.f(UP, p) > suspicion) last = tick - s.i(RUN_UP, p);
        if (s.f(DOWN, p) > suspicion && tick - s.i(RUN_DOWN, p) < last) last = tick - s.i(RUN_DOWN, p);
        if (s.rl(R_SETTLED, r) == s.l(SETTLED, p)) refine(s, c, p, last);
    }
    emit(s, c, out, e, true, share);
    remove_event(s, e);
}

struct Change {
    std::int64_t step, quiet;                     // ticks
    float after, var_before, var_after, quality;  // g less the level; g^2
};

/// Enter a change of plate p into the event that it belongs to, or into a new one.
inline void add_record(const State& s, const Config& c, Out& out, std::int64_t p, const Change& change) {
    if (s.head[RECORDS] == s.capacity) finish(s, c, out, 0, QUALITY_EARLY);
    const std::int64_t first = s.l(WOKEN, p);
    std::int64_t key = find_event(s, c, p, first, change.step, change.quiet);
    if (key < 0) {
        key = s.head[NEXT_KEY]++;
        const std::int64_t e = s.head[EVENTS]++;
        s.el(E_KEY, e) = key;
        s.el(E_ID, e) = -1;
        s.el(E_REVISION, e) = 0;
    }
    for (std::int64_t e = 0; e < s.head[EVENTS]; ++e) {
        if (s.el(E_KEY, e) != key) continue;
        s.el(E_END_NS, e) = s.time(s.head[TICK]);
        s.el(E_CHANGED, e) = 1;
    }
    const std::int64_t r = s.head[RECORDS]++;
    s.rl(R_EVENT, r) = key;
    s.rl(R_PLATE, r) = p;
    s.rl(R_MOVED, r) = moved(s, c, p);
    s.rl(R_FIRST, r) = first;
    s.rl(R_STEP, r) = change.step;
    s.rl(R_QUIET, r) = change.quiet;
    s.rl(R_SETTLED, r) = s.head[TICK];
    s.rl(R_START_NS, r) = s.l(START_NS, p);
    s.rf(R_BEFORE, r) = s.f(LEVEL, p);
    s.rf(R_AFTER, r) = s.f(LEVEL, p) + change.after;
    s.rf(R_VAR_BEFORE, r) = change.var_before;
    s.rf(R_VAR_AFTER, r) = change.var_after;
    s.rf(R_QUALITY, r) = change.quality;
}

/// Whether a neighbour still moves that moved with this event and may yet join it.
inline bool blocked(const State& s, const Config& c, std::int64_t key) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != key) continue;
        const std::int64_t p = s.rl(R_PLATE, r);
        for (std::int64_t q = p - 1; q <= p + 1; q += 2) {
            if (!neighbours(s, p, q) || s.i(STATE, q) != MOVING) continue;
            if (s.l(WOKEN, q) <= s.rl(R_QUIET, r) + c.window / 2 && moved(s, c, q) && !has_plate(s, key, q))
                return true;
        }
    }
    return false;
}

/// Report events that changed in this tick, and finish those whose merge window has passed.
inline void conclude(const State& s, const Config& c, Out& out) {
    const std::int64_t now = s.time(s.head[TICK]);
    for (std::int64_t e = 0; e < s.head[EVENTS];) {
        if (now - s.el(E_END_NS, e) >= c.merge_ns && !blocked(s, c, s.el(E_KEY, e))) {
            finish(s, c, out, e, 1.0f);
            continue;
        }
        if (s.el(E_CHANGED, e)) emit(s, c, out, e, false, 1.0f);
        ++e;
    }
}

}  // namespace fusion::segmentation
