// From the changes of single plates to events: plates of one shelf that carry one facing and stepped together, and what
// their neighbours felt of it.
//
// A record is one plate's change; an event is the set of records with its key. Records and events are few (whatever
// waits for its merge window), so they are scanned. When the store is full, the oldest event is reported early, as
// final, with lower quality: nothing is lost.
#pragma once
#include "segmentation_gate.hpp"
#include "segmentation_window.hpp"

namespace fusion::segmentation {

/// Whether somebody pushed plate p since it woke; noise alone does not.
inline bool moved(const State& s, const Config& c, std::int64_t p) {
    return s.f(PEAK, p) >= c.half_item_g && s.f(EXCESS, p) > EXCURSION;
}

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
inline std::int64_t member(const State& s, std::int64_t key, std::int64_t p) {
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

/// Whether a change of plate p is part of what record r tells: for sure, as one facing carries both, or perhaps, as what
/// stands over the edge of its facing; cross-talk is no part.
enum Bond { NONE, PERHAPS, SURE };
inline Bond bond(const State& s, const Config& c, std::int64_t p, const Change& change, std::int64_t r) {
    const std::int64_t q = s.rl(R_PLATE, r), late = distance(change.step, s.rl(R_STEP, r));
    if (p == q || s.i(GROUP, p) != s.i(GROUP, q)) return NONE;
    const float a = change.after - change.before, b = delta(s, r);
    if (share(s, p, q)) {
        // The step of what is small is not seen well, but that it moved then is.
        const bool vague = std::fabs(a) < 2.0f * c.half_item_g || std::fabs(b) < 2.0f * c.half_item_g;
        if (late <= (vague ? 2 * c.join : c.join)) return SURE;
        const bool mine = std::fabs(a) < c.half_item_g && change.first <= s.rl(R_STEP, r) && s.rl(R_STEP, r) <= change.quiet;
        const bool its = std::fabs(b) < c.half_item_g && s.rl(R_FIRST, r) <= change.step && change.step <= s.rl(R_QUIET, r);
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

/// Mark records of the same sign as what moved near them, and no more than cross-talk of it. They stay marked.
inline void mark_cross_talk(const State& s, const Config& c) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        const float sum = felt(s, c, r).sum;
        if (delta(s, r) * sum > 0 && std::fabs(delta(s, r)) <= CROSS_TALK * std::fabs(sum)) s.rl(R_FELT, r) = 1;
    }
}

/// CHANGE if an item's weight came or went on one plate or all together, TOUCH if there was a push, or NOTHING.
inline Kind kind_of(const State& s, const Config& c, std::int64_t key) {
    float total = 0, variance = 0;
    Kind kind = NOTHING;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != key) continue;
        if (s.rl(R_MOVED, r) && kind == NOTHING) kind = TOUCH;
        if (s.rl(R_FELT, r)) continue;
        const float d = delta(s, r), v = s.rf(R_VAR_BEFORE, r) + s.rf(R_VAR_AFTER, r);
        total += d;
        variance += v;
        if (std::fabs(d) >= c.half_item_g && d * d > SIGNIFICANT * v) kind = CHANGE;
    }
    return std::fabs(total) >= c.half_item_g && total * total > SIGNIFICANT * variance ? CHANGE : kind;
}

/// Append record r to the members from `first` on, which stay sorted by plate.
inline void insert_member(const State& s, const Config& c, Out& out, std::int64_t first, std::int64_t r) {
    std::int64_t at = out.members_count++;
    for (; at > first && out.plates[at - 1] > s.rl(R_PLATE, r); --at) {
        out.plates[at] = out.plates[at - 1];
        out.deltas[at] = out.deltas[at - 1];
        out.sigmas[at] = out.sigmas[at - 1];
    }
    const Felt near = felt(s, c, r);
    const float d = delta(s, r) - COUPLING * near.sum, span_error = SPAN_ERROR * d;
    out.plates[at] = std::int32_t(s.rl(R_PLATE, r));
    out.deltas[at] = d;
    out.sigmas[at] = std::sqrt(s.rf(R_VAR_BEFORE, r) + s.rf(R_VAR_AFTER, r) + span_error * span_error +
                               COUPLING_SPREAD * COUPLING_SPREAD * near.squares);
}

/// Report event e: members by plate, worst quality times `share`; unless it always was NOTHING.
inline void emit(const State& s, const Config& c, Out& out, std::int64_t e, bool final, float share) {
    s.el(E_CHANGED, e) = 0;
    const Kind kind = kind_of(s, c, s.el(E_KEY, e));
    std::int64_t& id = s.el(E_ID, e);
    if (kind == NOTHING && id < 0) return;
    if (id < 0) id = s.head[NEXT_ID]++;
    const std::int64_t first = out.members_count;
    std::int64_t start_ns = NEVER, step_ns = 0, end_ns = 0;
    float quality = 1.0f, largest = -1.0f;
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != s.el(E_KEY, e)) continue;
        start_ns = s.rl(R_START_NS, r) < start_ns ? s.rl(R_START_NS, r) : start_ns;
        end_ns = s.rl(R_END_NS, r) > end_ns ? s.rl(R_END_NS, r) : end_ns;
        quality = s.rf(R_QUALITY, r) < quality ? s.rf(R_QUALITY, r) : quality;
        if (!s.rl(R_FELT, r) && std::fabs(delta(s, r)) > largest) {
            largest = std::fabs(delta(s, r));
            step_ns = s.rl(R_STEP_NS, r);
        }
        if (kind != CHANGE || !s.rl(R_FELT, r)) insert_member(s, c, out, first, r);
    }
    out.events[out.events_count++] = {id,
                                      s.el(E_REVISION, e)++,
                                      start_ns,
                                      step_ns,
                                      end_ns,
                                      kind == CHANGE ? CHANGE : TOUCH,
                                      final,
                                      first,
                                      out.members_count - first,
                                      quality * share};
}

/// Drop event e and its records; the others keep their order, and what they felt of it.
inline void remove_event(const State& s, const Config& c, std::int64_t e) {
    const std::int64_t key = s.el(E_KEY, e);
    for (std::int64_t q = 0; q < s.head[RECORDS]; ++q) {
        if (s.rl(R_EVENT, q) != key) continue;
        for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
            if (s.rl(R_EVENT, r) == key || !felt_by(s, c, q, r)) continue;
            s.rf(R_FELT_SUM, r) += delta(s, q);
            s.rf(R_FELT_SQUARES, r) += delta(s, q) * delta(s, q);
        }
    }
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
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r)
        if (s.rl(R_EVENT, r) == s.el(E_KEY, e)) refine(s, c, s.rl(R_PLATE, r));
    emit(s, c, out, e, true, share);
    remove_event(s, c, e);
}

/// Enter a change of plate p into the event that it belongs to, or into a new one.
inline void add_record(const State& s, const Config& c, Out& out, std::int64_t p, Change change) {
    if (s.head[RECORDS] == s.capacity) finish(s, c, out, 0, QUALITY_EARLY);
    align(s, c, p, change);
    std::int64_t key = find_event(s, c, p, change);
    if (key < 0) {
        key = s.head[NEXT_KEY]++;
        const std::int64_t e = s.head[EVENTS]++;
        s.el(E_KEY, e) = key;
        s.el(E_ID, e) = -1;
        s.el(E_REVISION, e) = 0;
    }
    for (std::int64_t e = 0; e < s.head[EVENTS]; ++e) {
        if (s.el(E_KEY, e) != key) continue;
        s.el(E_SETTLED_NS, e) = s.time(s.head[TICK]);
        s.el(E_CHANGED, e) = 1;
    }
    std::int64_t r = member(s, key, p);
    if (r < 0) {
        r = s.head[RECORDS]++;
        s.rl(R_EVENT, r) = key;
        s.rl(R_PLATE, r) = p;
        s.rl(R_MOVED, r) = moved(s, c, p);
        s.rl(R_FIRST, r) = change.first;
        s.rf(R_FELT_SUM, r) = s.rf(R_FELT_SQUARES, r) = 0;
        s.rl(R_START_NS, r) = change.first == s.l(WOKEN, p) ? s.l(START_NS, p) : s.time(change.first);
    }  // otherwise it was only pushed so far
    s.rf(R_BEFORE, r) = s.f(LEVEL, p) + change.before;
    s.rf(R_VAR_BEFORE, r) = change.var_before;
    s.rl(R_STEP, r) = change.step;
    s.rl(R_QUIET, r) = change.quiet > change.step ? change.quiet : change.step;
    s.rl(R_SETTLED, r) = change.settled;
    s.rl(R_STEP_NS, r) = s.time(change.step < s.head[TICK] ? change.step : s.head[TICK]);
    s.rl(R_END_NS, r) = s.time(change.end);
    s.rf(R_AFTER, r) = s.f(LEVEL, p) + change.after;
    s.rf(R_VAR_AFTER, r) = change.var_after;
    s.rf(R_QUALITY, r) = change.quality;
    s.rl(R_FELT, r) = 0;
    s.rl(R_UNEASY, r) = change.settled - change.step > c.calm;
    mark_cross_talk(s, c);
}

/// Record of the change by which plate p came to the level where it was settled last, if it is not final; or -1.
inline std::int64_t last_record(const State& s, std::int64_t p) {
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
    mark_cross_talk(s, c);
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
    float total = 0;
    for (std::int64_t q = 0; q < s.head[RECORDS]; ++q)
        if (s.rl(R_EVENT, q) == s.rl(R_EVENT, r) && (q == r || share(s, s.rl(R_PLATE, q), s.rl(R_PLATE, r))))
            total += delta(s, q);
    return delta(s, r) > 0 && total < HAND_G;
}

/// Whether a load that came may still be a hand: its plate moves again, or does not keep its level, or what leans on it
/// is doubtful. No hand pulls, so what went is gone.
inline bool doubtful(const State& s, const Config& c, std::int64_t r) {
    const std::int64_t p = s.rl(R_PLATE, r), tick = s.head[TICK], last = last_record(s, p);
    if (s.rl(R_SETTLED, r) == LEANS_ON_NEXT ? last < 0 : last != r) return false;
    if (!light(s, r)) return false;
    if (s.i(STATE, p) != STABLE) return true;
    const std::int64_t since = tick - s.rl(R_SETTLED, last);
    if (s.rl(R_UNEASY, r) && since < 2 * c.steady * c.block) return true;
    const std::int64_t half = (since < c.steady * c.block ? since / c.block + c.settle : c.steady) / 2;
    const Calm now = calm(s, c, p, half, tick), then = calm(s, c, p, half, tick - half * c.block);
    if (now.count == 0 || then.count == 0 || since > c.hold * c.block) return false;
    const float r0 = noise_now(s, c, p), trend = now.mean - then.mean;
    return now.scatter > QUIET * r0 || then.scatter > QUIET * r0 ||
           trend * trend > TREND * s.f(INFLATION, p) * r0 * (1.0f / now.weight + 1.0f / then.weight);
}

/// Whether event `key` cannot be final yet: a load in it is doubtful, or a plate near it still moves that moved with it.
inline bool blocked(const State& s, const Config& c, std::int64_t key) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != key) continue;
        if (doubtful(s, c, r)) return true;
        const std::int64_t p = s.rl(R_PLATE, r);
        for (std::int64_t q = p - REACH; q <= p + REACH; ++q) {
            if (q < 0 || q >= s.plates || s.i(GROUP, q) != s.i(GROUP, p) || s.i(STATE, q) != MOVING) continue;
            if (s.l(WOKEN, q) <= s.rl(R_QUIET, r) + c.block && moved(s, c, q) && member(s, key, q) < 0) return true;
        }
    }
    return false;
}

/// Whether a load of event `key` came together with one next to it that is still open, or neither of the two came
/// calmly: a body may lean on both.
inline bool beside_open(const State& s, const Config& c, std::int64_t key) {
    for (std::int64_t r = 0; r < s.head[RECORDS]; ++r) {
        if (s.rl(R_EVENT, r) != key || delta(s, r) <= 0) continue;
        for (std::int64_t q = 0; q < s.head[RECORDS]; ++q) {
            const bool overlap = s.rl(R_FIRST, q) <= s.rl(R_QUIET, r) && s.rl(R_FIRST, r) <= s.rl(R_QUIET, q);
            if (s.rl(R_EVENT, q) == key || delta(s, q) <= 0 || s.rl(R_FELT, q) || !overlap) continue;
            if (s.i(GROUP, s.rl(R_PLATE, q)) != s.i(GROUP, s.rl(R_PLATE, r)) ||
                distance(s.rl(R_PLATE, q), s.rl(R_PLATE, r)) > REACH)
                continue;
            const bool recent = s.head[TICK] - s.rl(R_STEP, r) < 5 * c.steady * c.block;  // nobody leans for longer
            if (recent && s.rl(R_UNEASY, q) && s.rl(R_UNEASY, r)) return true;
            for (std::int64_t e = 0; e < s.head[EVENTS]; ++e)
                if (s.el(E_KEY, e) == s.rl(R_EVENT, q) && s.el(E_OPEN, e)) return true;
        }
    }
    return false;
}

/// Find the events that cannot be final yet.
inline void mark_open(const State& s, const Config& c) {
    const std::int64_t now = s.time(s.head[TICK]);
    for (std::int64_t e = 0; e < s.head[EVENTS]; ++e)
        s.el(E_OPEN, e) = now - s.el(E_SETTLED_NS, e) < c.merge_ns || blocked(s, c, s.el(E_KEY, e));
    for (bool more = true; more;) {
        more = false;
        for (std::int64_t e = 0; e < s.head[EVENTS]; ++e)
            if (!s.el(E_OPEN, e) && beside_open(s, c, s.el(E_KEY, e))) s.el(E_OPEN, e) = more = true;
    }
}

/// Report events that changed in this block, and finish those whose merge window has passed.
inline void conclude(const State& s, const Config& c, Out& out) {
    mark_open(s, c);
    for (std::int64_t e = 0; e < s.head[EVENTS];) {
        if (!s.el(E_OPEN, e)) {
            finish(s, c, out, e, 1.0f);
            continue;
        }
        if (s.el(E_CHANGED, e)) emit(s, c, out, e, false, 1.0f);
        ++e;
    }
}

}  // namespace fusion::segmentation
