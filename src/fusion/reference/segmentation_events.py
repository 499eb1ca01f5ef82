"""Records of plates become events of neighbours that moved together; events are reported, revised, finished."""

import numpy as np

from fusion.reference.segmentation_state import (
    CHANGE,
    DOWN,
    E_CHANGED,
    E_END_NS,
    E_ID,
    E_KEY,
    E_REVISION,
    EVENT_LONGS,
    EVENTS,
    EXCESS,
    EXCURSION,
    GROUP,
    LEVEL,
    MOVING,
    N_LEVEL,
    NEXT_ID,
    NEXT_KEY,
    NOTHING,
    O_COUNT,
    O_END_NS,
    O_FINAL,
    O_FIRST,
    O_ID,
    O_KIND,
    O_REVISION,
    O_START_NS,
    ONE,
    PEAK,
    QUALITY_EARLY,
    R_AFTER,
    R_BEFORE,
    R_EVENT,
    R_FIRST,
    R_MOVED,
    R_PLATE,
    R_QUALITY,
    R_QUIET,
    R_SETTLED,
    R_START_NS,
    R_STEP,
    R_VAR_AFTER,
    R_VAR_BEFORE,
    RECORD_FLOATS,
    RECORD_LONGS,
    RECORDS,
    RUN_DOWN,
    RUN_UP,
    SETTLED,
    SIGNIFICANT,
    SPAN_ERROR,
    STABLE,
    START_NS,
    STATE,
    TICK,
    TOUCH,
    UP,
    WOKEN,
    ZERO,
    Config,
    F,
    Float,
    Int,
    Out,
    State,
    sample_row,
)
from fusion.reference.segmentation_window import mean_between, noise_now

COMPILED = (
    "refine",
    "moved",
    "find_event",
    "kind_of",
    "emit",
    "remove_event",
    "finish",
    "add_record",
    "blocked",
    "conclude",
)


def refine(state: State, cfg: Config, p: Int, last: Int) -> None:
    """Improve the level of a plate that settled a short while ago by all samples up to tick `last` that followed."""
    settled = state.longs[SETTLED, p]
    if state.head[TICK] - settled >= cfg.ring or state.ints[STATE, p] != STABLE:
        return
    mean, n = mean_between(state, cfg, p, settled - cfg.window + 1, last)
    if n <= state.ints[N_LEVEL, p]:
        return
    state.floats[LEVEL, p] += mean
    state.ints[N_LEVEL, p] = n
    _, of_mean = noise_now(state, cfg, p)
    for r in range(state.head[RECORDS]):
        if state.record_longs[R_PLATE, r] == p and state.record_longs[R_SETTLED, r] == settled:
            state.record_floats[R_AFTER, r] = state.floats[LEVEL, p]
            least = of_mean * F(cfg.window) / F(n)
            old = state.record_floats[R_VAR_AFTER, r]
            state.record_floats[R_VAR_AFTER, r] = least if least < old else old


def moved(state: State, cfg: Config, p: Int) -> bool:
    """Whether somebody pushed plate p since it woke; noise alone does not."""
    return bool(state.floats[PEAK, p] >= cfg.half_item_g and state.floats[EXCESS, p] > EXCURSION)


def find_event(state: State, cfg: Config, p: Int, first: Int, step: Int, quiet: Int) -> Int:
    """Key of the pending event that a change of plate p joins, or -1.

    Outwards from p over plates of its shelf that moved at the same time: the event whose step is nearest in time.
    """
    longs = state.record_longs
    first -= cfg.window // 2  # a small cross-talk wakes its plate late
    quiet += cfg.window // 2
    best, best_distance = -1, np.int64(1) << 62
    for side in (-1, 1):
        q = p + side
        while q >= 0 and q < state.ints.shape[1] and state.ints[GROUP, q] == state.ints[GROUP, p]:
            bridge = state.ints[STATE, q] == MOVING and state.longs[WOKEN, q] <= quiet
            for r in range(state.head[RECORDS]):
                if longs[R_PLATE, r] != q or longs[R_FIRST, r] > quiet or longs[R_QUIET, r] < first:
                    continue
                bridge = True
                taken = False
                for other in range(state.head[RECORDS]):
                    taken |= longs[R_EVENT, other] == longs[R_EVENT, r] and longs[R_PLATE, other] == p
                distance = abs(longs[R_STEP, r] - step)
                if not taken and distance < best_distance:
                    best, best_distance = longs[R_EVENT, r], distance
            if not bridge:
                break
            q += side
    return best


def kind_of(state: State, cfg: Config, key: Int) -> Int:
    """CHANGE if an item's weight came or went on one plate or all together, TOUCH if there was a push, or NOTHING."""
    total, variance, kind = ZERO, ZERO, NOTHING
    for r in range(state.head[RECORDS]):
        if state.record_longs[R_EVENT, r] != key:
            continue
        delta = state.record_floats[R_AFTER, r] - state.record_floats[R_BEFORE, r]
        v = state.record_floats[R_VAR_BEFORE, r] + state.record_floats[R_VAR_AFTER, r]
        total += delta
        variance += v
        if abs(delta) >= cfg.half_item_g and delta * delta > SIGNIFICANT * v:
            kind = CHANGE
        if state.record_longs[R_MOVED, r] and kind == NOTHING:
            kind = TOUCH
    if abs(total) >= cfg.half_item_g and total * total > SIGNIFICANT * variance:
        kind = CHANGE
    return kind


def emit(state: State, cfg: Config, out: Out, e: Int, final: int, share: Float) -> None:
    """Report event e: members by plate, worst quality times `share`; unless it always was NOTHING."""
    events, longs, floats = state.event_longs, state.record_longs, state.record_floats
    events[E_CHANGED, e] = 0
    kind = kind_of(state, cfg, events[E_KEY, e])
    if kind == NOTHING and events[E_ID, e] < 0:
        return
    if events[E_ID, e] < 0:
        events[E_ID, e] = state.head[NEXT_ID]
        state.head[NEXT_ID] += 1
    first, count, quality = out.counts[1], 0, ONE
    start_ns = np.int64(2**63 - 1)
    for r in range(state.head[RECORDS]):
        if longs[R_EVENT, r] != events[E_KEY, e]:
            continue
        start_ns = min(start_ns, longs[R_START_NS, r])
        quality = min(quality, floats[R_QUALITY, r])
        at = first + count
        while at > first and out.plates[at - 1] > longs[R_PLATE, r]:
            out.plates[at], out.deltas[at], out.sigmas[at] = (
                out.plates[at - 1],
                out.deltas[at - 1],
                out.sigmas[at - 1],
            )
            at -= 1
        delta = floats[R_AFTER, r] - floats[R_BEFORE, r]
        span = SPAN_ERROR * delta
        out.plates[at] = longs[R_PLATE, r]
        out.deltas[at] = delta
        out.sigmas[at] = np.sqrt(floats[R_VAR_BEFORE, r] + floats[R_VAR_AFTER, r] + span * span)
        count += 1
    o = out.counts[0]
    out.events[o, O_ID], out.events[o, O_REVISION] = events[E_ID, e], events[E_REVISION, e]
    out.events[o, O_START_NS], out.events[o, O_END_NS] = start_ns, events[E_END_NS, e]
    out.events[o, O_KIND], out.events[o, O_FINAL] = (CHANGE if kind == CHANGE else TOUCH), final
    out.events[o, O_FIRST], out.events[o, O_COUNT] = first, count
    out.quality[o] = quality * share
    out.counts[0], out.counts[1] = o + 1, first + count
    events[E_REVISION, e] += 1


def remove_event(state: State, e: Int) -> None:
    """Drop event e and its records; the others keep their order."""
    key = state.event_longs[E_KEY, e]
    kept = 0
    for r in range(state.head[RECORDS]):
        if state.record_longs[R_EVENT, r] != key:
            for i in range(RECORD_LONGS):
                state.record_longs[i, kept] = state.record_longs[i, r]
            for i in range(RECORD_FLOATS):
                state.record_floats[i, kept] = state.record_floats[i, r]
            kept += 1
    state.head[RECORDS] = kept
    for i in range(e, state.head[EVENTS] - 1):
        for k in range(EVENT_LONGS):
            state.event_longs[k, i] = state.event_longs[k, i + 1]
    state.head[EVENTS] -= 1


def finish(state: State, cfg: Config, out: Out, e: Int, share: Float) -> None:
    """Report event e as final, with what its plates showed since they settled, and drop it."""
    tick = state.head[TICK]
    for r in range(state.head[RECORDS]):
        if state.record_longs[R_EVENT, r] == state.event_longs[E_KEY, e]:
            p = state.record_longs[R_PLATE, r]
            last = tick
            suspicion = cfg.threshold / F(3)
            if state.floats[UP, p] > suspicion:
                last = tick - state.ints[RUN_UP, p]
            if state.floats[DOWN, p] > suspicion:
                last = min(last, tick - state.ints[RUN_DOWN, p])
            if state.record_longs[R_SETTLED, r] == state.longs[SETTLED, p]:
                refine(state, cfg, p, last)
    emit(state, cfg, out, e, 1, share)
    remove_event(state, e)


def add_record(
    state: State,
    cfg: Config,
    out: Out,
    p: Int,
    step: Int,
    quiet: Int,
    after: Float,
    var_before: Float,
    var_after: Float,
    quality: Float,
) -> None:
    """Enter a change of plate p into the event that it belongs to, or into a new one."""
    capacity = state.record_longs.shape[1]
    if state.head[RECORDS] == capacity:
        finish(state, cfg, out, 0, QUALITY_EARLY)
    first = state.longs[WOKEN, p]
    key = find_event(state, cfg, p, first, step, quiet)
    end_ns = state.times[sample_row(state, cfg, state.head[TICK])]
    if key < 0:
        key = state.head[NEXT_KEY]
        state.head[NEXT_KEY] += 1
        e = state.head[EVENTS]
        state.head[EVENTS] += 1
        state.event_longs[E_KEY, e], state.event_longs[E_ID, e], state.event_longs[E_REVISION, e] = key, -1, 0
    for e in range(state.head[EVENTS]):
        if state.event_longs[E_KEY, e] == key:
            state.event_longs[E_END_NS, e], state.event_longs[E_CHANGED, e] = end_ns, 1
    r = state.head[RECORDS]
    state.head[RECORDS] += 1
    longs, floats = state.record_longs, state.record_floats
    longs[R_EVENT, r], longs[R_PLATE, r], longs[R_MOVED, r] = key, p, moved(state, cfg, p)
    longs[R_FIRST, r], longs[R_STEP, r], longs[R_QUIET, r] = first, step, quiet
    longs[R_SETTLED, r], longs[R_START_NS, r] = state.head[TICK], state.longs[START_NS, p]
    floats[R_BEFORE, r], floats[R_AFTER, r] = state.floats[LEVEL, p], state.floats[LEVEL, p] + after
    floats[R_VAR_BEFORE, r], floats[R_VAR_AFTER, r], floats[R_QUALITY, r] = var_before, var_after, quality


def blocked(state: State, cfg: Config, key: Int) -> bool:
    """Whether a neighbour still moves that moved with this event and may yet join it."""
    for r in range(state.head[RECORDS]):
        if state.record_longs[R_EVENT, r] != key:
            continue
        p, quiet = state.record_longs[R_PLATE, r], state.record_longs[R_QUIET, r] + cfg.window // 2
        for q in (p - 1, p + 1):
            if q < 0 or q >= state.ints.shape[1] or state.ints[GROUP, q] != state.ints[GROUP, p]:
                continue
            if state.ints[STATE, q] != MOVING or state.longs[WOKEN, q] > quiet or not moved(state, cfg, q):
                continue
            member = False
            for other in range(state.head[RECORDS]):
                member |= state.record_longs[R_EVENT, other] == key and state.record_longs[R_PLATE, other] == q
            if not member:
                return True
    return False


def conclude(state: State, cfg: Config, out: Out) -> None:
    """Report events that changed in this tick, and finish those whose merge window has passed."""
    now = state.times[sample_row(state, cfg, state.head[TICK])]
    e = 0
    while e < state.head[EVENTS]:
        old = now - state.event_longs[E_END_NS, e] >= cfg.merge_ns
        if old and not blocked(state, cfg, state.event_longs[E_KEY, e]):
            finish(state, cfg, out, e, ONE)
            continue
        if state.event_longs[E_CHANGED, e]:
            emit(state, cfg, out, e, 0, ONE)
        e += 1
