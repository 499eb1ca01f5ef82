"""From records to events: reported when a plate has settled, again when they change, and once more as final.

When the store is full, the oldest event is reported early, as final, with lower quality: nothing is lost.
"""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

import numpy as np

from fusion.reference.segmentation_records import (
    align,
    delta,
    distance,
    doubtful,
    felt,
    felt_by,
    find_event,
    mark_cross_talk,
    member,
    refine,
)
from fusion.reference.segmentation_state import *
from fusion.reference.segmentation_window import moved

COMPILED = (
    "kind_of",
    "insert_member",
    "emit",
    "remove_event",
    "finish",
    "add_record",
    "blocked",
    "beside_open",
    "mark_open",
    "conclude",
)


def kind_of(s: State, c: Config, key: Int) -> Int:
    """CHANGE if an item's weight came or went on one plate or all together, TOUCH if there was a push, or NOTHING."""
    total, variance, kind = ZERO, ZERO, NOTHING
    for r in range(s.head[RECORDS]):
        if s.record_longs[R_EVENT, r] != key:
            continue
        if s.record_longs[R_MOVED, r] and kind == NOTHING:
            kind = TOUCH
        if s.record_longs[R_FELT, r]:
            continue
        d, v = delta(s, r), s.record_floats[R_VAR_BEFORE, r] + s.record_floats[R_VAR_AFTER, r]
        total += d
        variance += v
        if abs(d) >= c.half_item_g and d * d > SIGNIFICANT * v:
            kind = CHANGE
    return CHANGE if abs(total) >= c.half_item_g and total * total > SIGNIFICANT * variance else kind


def insert_member(s: State, c: Config, out: Out, first: Int, r: Int) -> None:
    """Append record r to the members from `first` on, which stay sorted by plate."""
    at = out.counts[1]
    out.counts[1] += 1
    while at > first and out.plates[at - 1] > s.record_longs[R_PLATE, r]:
        out.plates[at] = out.plates[at - 1]
        out.deltas[at] = out.deltas[at - 1]
        out.sigmas[at] = out.sigmas[at - 1]
        at -= 1
    near = felt(s, c, r)
    d = delta(s, r) - COUPLING * near.sum
    span_error = SPAN_ERROR * d
    variance = s.record_floats[R_VAR_BEFORE, r] + s.record_floats[R_VAR_AFTER, r] + span_error * span_error
    out.plates[at] = s.record_longs[R_PLATE, r]
    out.deltas[at] = d
    out.sigmas[at] = np.sqrt(variance + COUPLING_SPREAD * COUPLING_SPREAD * near.squares)


def emit(s: State, c: Config, out: Out, e: Int, final: Int, share: Float) -> None:
    """Report event e: members by plate, worst quality times `share`; unless it always was NOTHING."""
    events, longs = s.event_longs, s.record_longs
    events[E_CHANGED, e] = 0
    kind = kind_of(s, c, events[E_KEY, e])
    if kind == NOTHING and events[E_ID, e] < 0:
        return
    if events[E_ID, e] < 0:
        events[E_ID, e] = s.head[NEXT_ID]
        s.head[NEXT_ID] += 1
    first = out.counts[1]
    start_ns, step_ns, end_ns = NEVER, 0, 0
    quality, largest = ONE, -ONE
    for r in range(s.head[RECORDS]):
        if longs[R_EVENT, r] != events[E_KEY, e]:
            continue
        start_ns = min(start_ns, longs[R_START_NS, r])
        end_ns = max(end_ns, longs[R_END_NS, r])
        if s.record_floats[R_QUALITY, r] < quality:
            quality = s.record_floats[R_QUALITY, r]
        size = ZERO if longs[R_FELT, r] else abs(delta(s, r))
        if size > largest:
            largest = size
            step_ns = longs[R_STEP_NS, r]
        if kind != CHANGE or not longs[R_FELT, r]:
            insert_member(s, c, out, first, r)
    o = out.counts[0]
    out.counts[0] += 1
    told = out.events[o]
    told[O_ID], told[O_REVISION] = events[E_ID, e], events[E_REVISION, e]
    told[O_START_NS], told[O_STEP_NS], told[O_END_NS] = start_ns, step_ns, end_ns
    told[O_KIND], told[O_FINAL] = CHANGE if kind == CHANGE else TOUCH, final
    told[O_FIRST], told[O_COUNT] = first, out.counts[1] - first
    out.quality[o] = quality * share
    events[E_REVISION, e] += 1


def remove_event(s: State, c: Config, e: Int) -> None:
    """Drop event e and its records; the others keep their order, and what they felt of it."""
    longs, floats, key = s.record_longs, s.record_floats, s.event_longs[E_KEY, e]
    for q in range(s.head[RECORDS]):
        if longs[R_EVENT, q] != key:
            continue
        d = delta(s, q)
        for r in range(s.head[RECORDS]):
            if longs[R_EVENT, r] != key and felt_by(s, c, q, r):
                floats[R_FELT_SUM, r] += d
                floats[R_FELT_SQUARES, r] += d * d
    kept = 0
    for r in range(s.head[RECORDS]):
        if longs[R_EVENT, r] != key:
            longs[:, kept] = longs[:, r]
            floats[:, kept] = floats[:, r]
            kept += 1
    s.head[RECORDS] = kept
    for k in range(e, s.head[EVENTS] - 1):
        s.event_longs[:, k] = s.event_longs[:, k + 1]
    s.head[EVENTS] -= 1


def finish(s: State, c: Config, out: Out, e: Int, share: Float) -> None:
    """Report event e as final, with what its plates showed since they settled, and drop it."""
    for r in range(s.head[RECORDS]):
        if s.record_longs[R_EVENT, r] == s.event_longs[E_KEY, e]:
            refine(s, c, s.record_longs[R_PLATE, r])
    emit(s, c, out, e, 1, share)
    remove_event(s, c, e)


def add_record(s: State, c: Config, out: Out, p: Int, change: Change) -> None:
    """Enter a change of plate p into the event that it belongs to, or into a new one."""
    head, longs, floats, events = s.head, s.record_longs, s.record_floats, s.event_longs
    tick = head[TICK]
    if head[RECORDS] == s.capacity:
        finish(s, c, out, 0, QUALITY_EARLY)
    step = align(s, c, p, change)
    key = find_event(s, c, p, change, step)
    if key < 0:
        key = head[NEXT_KEY]
        head[NEXT_KEY] += 1
        e = head[EVENTS]
        head[EVENTS] += 1
        events[E_KEY, e], events[E_ID, e], events[E_REVISION, e] = key, -1, 0
    for e in range(head[EVENTS]):
        if events[E_KEY, e] == key:
            events[E_SETTLED_NS, e] = time(s, tick)
            events[E_CHANGED, e] = 1
    r = member(s, key, p)
    if r < 0:
        r = head[RECORDS]
        head[RECORDS] += 1
        longs[R_EVENT, r], longs[R_PLATE, r] = key, p
        longs[R_MOVED, r] = moved(s, c, p)
        longs[R_FIRST, r] = change.first
        floats[R_FELT_SUM, r] = floats[R_FELT_SQUARES, r] = ZERO
        woken = change.first == s.longs[WOKEN, p]
        longs[R_START_NS, r] = s.longs[START_NS, p] if woken else time(s, change.first)
    # Otherwise it was only pushed so far.
    floats[R_BEFORE, r], floats[R_VAR_BEFORE, r] = s.floats[LEVEL, p] + change.before, change.var_before
    floats[R_AFTER, r], floats[R_VAR_AFTER, r] = s.floats[LEVEL, p] + change.after, change.var_after
    floats[R_QUALITY, r] = change.quality
    longs[R_STEP, r], longs[R_QUIET, r] = step, max(change.quiet, step)
    longs[R_SETTLED, r] = change.settled
    longs[R_STEP_NS, r], longs[R_END_NS, r] = time(s, min(step, tick)), time(s, change.end)
    longs[R_FELT, r] = 0
    longs[R_UNEASY, r] = change.settled - step > c.calm
    mark_cross_talk(s, c, p)


def blocked(s: State, c: Config, key: Int) -> Bool:
    """Whether event `key` cannot be final yet.

    A load in it is doubtful, or a plate near it still moves that moved with it.
    """
    for r in range(s.head[RECORDS]):
        if s.record_longs[R_EVENT, r] != key:
            continue
        if doubtful(s, c, r):
            return True
        p = s.record_longs[R_PLATE, r]
        for q in range(max(p - REACH, 0), min(p + REACH + 1, s.plates)):
            if s.ints[GROUP, q] != s.ints[GROUP, p] or s.ints[STATE, q] != MOVING:
                continue
            with_it = s.longs[WOKEN, q] <= s.record_longs[R_QUIET, r] + c.block
            if with_it and moved(s, c, q) and member(s, key, q) < 0:
                return True
    return False


def beside_open(s: State, c: Config, key: Int) -> Bool:
    """Whether a load of event `key` came together with one next to it that is still open, or both came uneasily.

    A body may lean on both.
    """
    longs = s.record_longs
    for r in range(s.head[RECORDS]):
        if longs[R_EVENT, r] != key or delta(s, r) <= ZERO:
            continue
        p = longs[R_PLATE, r]
        for q in range(s.head[RECORDS]):
            overlap = longs[R_FIRST, q] <= longs[R_QUIET, r] and longs[R_FIRST, r] <= longs[R_QUIET, q]
            if longs[R_EVENT, q] == key or delta(s, q) <= ZERO or longs[R_FELT, q] or not overlap:
                continue
            if s.ints[GROUP, longs[R_PLATE, q]] != s.ints[GROUP, p] or distance(longs[R_PLATE, q], p) > REACH:
                continue
            recent = s.head[TICK] - longs[R_STEP, r] < 5 * c.steady * c.block  # nobody leans for longer
            if recent and longs[R_UNEASY, q] and longs[R_UNEASY, r]:
                return True
            for e in range(s.head[EVENTS]):
                if s.event_longs[E_KEY, e] == longs[R_EVENT, q] and s.event_longs[E_OPEN, e]:
                    return True
    return False


def mark_open(s: State, c: Config) -> None:
    """Find the events that cannot be final yet."""
    events, now = s.event_longs, time(s, s.head[TICK])
    for e in range(s.head[EVENTS]):
        recent = now - events[E_SETTLED_NS, e] < c.merge_ns
        events[E_OPEN, e] = 1 if recent or blocked(s, c, events[E_KEY, e]) else 0
    more = True
    while more:
        more = False
        for e in range(s.head[EVENTS]):
            if not events[E_OPEN, e] and beside_open(s, c, events[E_KEY, e]):
                events[E_OPEN, e] = 1
                more = True


def conclude(s: State, c: Config, out: Out) -> None:
    """Report events that changed in this block, and finish those whose merge window has passed."""
    mark_open(s, c)
    e = 0
    while e < s.head[EVENTS]:
        if not s.event_longs[E_OPEN, e]:
            finish(s, c, out, e, ONE)
            continue
        if s.event_longs[E_CHANGED, e]:
            emit(s, c, out, e, 0, ONE)
        e += 1
