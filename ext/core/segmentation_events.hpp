// From records to events: reported when a plate has settled, again when they change, and once more as final.
//
// When the store is full, the oldest event is reported early, as final, with lower quality: nothing is lost.
#pragma once
#include "segmentation_records.hpp"

namespace fusion::segmentation {

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
        const float size = s.rl(R_FELT, r) ? 0.0f : std::fabs(delta(s, r));
        if (size > largest) {
            largest = size;
            step_ns = s.rl(R_STEP_NS, r);
        }
        if (kind != CHANGE || !s.rl(R_FELT, r)) insert_member(s, c, out, first, r);
    }
    out.events[out.events_count++] = {
        id,    s.el(E_REVISION, e)++,     start_ns,       step_ns, end_ns, kind == CHANGE ? CHANGE : TOUCH, final,
        first, out.members_count - first, quality * share};
    if (out.report == nullptr) return;
    out.report(out);
    out.events_count = out.members_count = 0;
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
    if (s.head[RECORDS] == s.capacity) {
        ++out.early;
        finish(s, c, out, 0, QUALITY_EARLY);
    }
    change.step = change.step > change.first ? change.step : change.first;
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
    mark_cross_talk(s, c, p);
}

/// Whether event `key` cannot be final yet: a load in it is doubtful, or a plate near it still moves that moved with
/// it.
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
    bool due = false;
    for (std::int64_t e = 0; e < s.head[EVENTS]; ++e) {
        const bool waits = now - s.el(E_SETTLED_NS, e) < c.merge_ns;
        s.el(E_OPEN, e) = waits || blocked(s, c, s.el(E_KEY, e));
        due |= s.el(E_OPEN, e) == 0;
    }
    for (bool more = due; more;) {
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
