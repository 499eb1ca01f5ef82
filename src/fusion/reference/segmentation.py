"""Weight events from load-cell streams: the reference of ``fusion.native.segmentation``.

Every plate is STARTING, STABLE or MOVING. While it is STABLE, a two-sided CUSUM (Page, Biometrika 41, 1954) runs on its
standardised deviation from a level learned with a delay; the scale is the plate's own noise times one factor for the
whole fixture, a running median of what all stable plates do now. While it is MOVING, windows of the last samples are
tested until they are quiet; then the step is a record. Records of adjacent plates that moved together are one event.

Only + - * / and sqrt on float32, in the order of the C++ core, so that the bits agree.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COMPILED = (
    "sample_row",
    "clear_ring",
    "moments",
    "parts",
    "mean_between",
    "held",
    "quantum",
    "step_tick",
    "noise_now",
    "gate",
    "rest",
    "learn",
    "refine",
    "wake",
    "track_peak",
    "moved",
    "find_event",
    "kind_of",
    "emit",
    "remove_event",
    "finish",
    "add_record",
    "settle",
    "try_settle",
    "blocked",
    "conclude",
    "advance",
    "flush",
    "open_since",
)

STARTING, STABLE, MOVING = 0, 1, 2
NOTHING, TOUCH, CHANGE = 0, 1, 2
DROPOUT, STUCK, SATURATED, NOISY = 1, 2, 4, 8

HEAD = 10
TICK, LAST_NS, GAP_NS, GAP_TICK, NEXT_ID, NEXT_KEY, EVENTS, RECORDS, AWAKE, LIVE = range(HEAD)
PLATE_LONGS = 6
WOKEN, SETTLED, START_NS, MISSING, INFINITE, INFINITE_TICK = range(PLATE_LONGS)
PLATE_INTS = 8
STATE, RUN_UP, RUN_DOWN, N_LEVEL, N_NOISE, STILL, EMPTY, GROUP = range(PLATE_INTS)
PLATE_FLOATS = 9
LEVEL, GAIN, UP, DOWN, NOISE, MEAN_NOISE, PEAK, EXCESS, LAST = range(PLATE_FLOATS)
RECORD_LONGS = 8
R_EVENT, R_PLATE, R_FIRST, R_STEP, R_QUIET, R_SETTLED, R_START_NS, R_MOVED = range(RECORD_LONGS)
RECORD_FLOATS = 5
R_BEFORE, R_AFTER, R_VAR_BEFORE, R_VAR_AFTER, R_QUALITY = range(RECORD_FLOATS)
EVENT_LONGS = 5
E_KEY, E_ID, E_REVISION, E_END_NS, E_CHANGED = range(EVENT_LONGS)
OUT_LONGS = 8
O_ID, O_REVISION, O_START_NS, O_END_NS, O_KIND, O_FINAL, O_FIRST, O_COUNT = range(OUT_LONGS)

F = np.float32
ZERO, ONE, NAN = F(0), F(1), F(np.nan)
REFERENCE_VALUE = F(0.5)  # CUSUM's k, standard deviations: half the smallest shift that must be found fast
LIMIT_G = F(1e6)  # beyond it a reading is no weight but a fault
CLIP = F(3)  # standard deviations at which a sample's pull on level and noise ends
SIGNIFICANT = F(25)  # (5 standard deviations)^2: a step that noise does not make
NOTICEABLE = F(4)  # (2 standard deviations)^2: worth telling beside a neighbour's change
QUIET_SPREAD = F(3)  # ratio of variances up to which a window is as quiet as the noise
QUIET_SLOPE = F(4)  # (2 standard deviations)^2 of the difference of half-window means
RINGING = F(0.01)  # of the step: amplitude of the ring-down that is averaged over
STEADY_SLOPE = F(16)  # (range of four means)^2 over their variance, 1 in 20 (studentised range)
STEADY_RATIO = F(9)  # of the variances of four windows, 1 in 50 (Hartley)
EXCURSION = F(5)  # standard deviations of a push
SPAN_ERROR = F(0.003)  # of the step: adjustment of the cells' sensitivity
QUALITY_LONG, QUALITY_FORCED, QUALITY_EARLY = F(0.5), F(0.2), F(0.5)
CROWD = 8  # stable plates from which their median is the fixture's


Int = Any  # int or numpy.integer: both come and go
Float = Any  # numpy.float32


class Config(NamedTuple):
    """What the settings come to in ticks and grams."""

    window: int  # ticks that must be quiet; also the block of learning
    ring: int  # ticks of history, four windows
    push: int  # ticks that tell a push from a spike
    memory: int  # ticks behind the level
    hold: int  # ticks after which MOVING ends whatever the noise
    merge_ns: int
    gap_ns: int
    threshold: np.float32  # CUSUM's h, standard deviations
    attack: np.float32  # growth per tick of the fixture's factor
    release: np.float32
    half_item_g: np.float32
    floor_g: np.float32  # noise is never taken for less


class State(NamedTuple):
    """Views of one buffer, in this order: the buffer is the snapshot."""

    head: NDArray[np.int64]  # (HEAD,)
    times: NDArray[np.int64]  # (ring,)
    longs: NDArray[np.int64]  # (PLATE_LONGS, P)
    record_longs: NDArray[np.int64]  # (RECORD_LONGS, R)
    event_longs: NDArray[np.int64]  # (EVENT_LONGS, R)
    activity: NDArray[np.float32]  # (2,): the fixture's factor, 1 when calm, and a spare that keeps sections aligned
    floats: NDArray[np.float32]  # (PLATE_FLOATS, P)
    ints: NDArray[np.int32]  # (PLATE_INTS, P)
    samples: NDArray[np.float32]  # (ring, P)
    record_floats: NDArray[np.float32]  # (RECORD_FLOATS, R)


class Out(NamedTuple):
    """What one tick reports."""

    counts: NDArray[np.int64]  # (2,): events, members
    events: NDArray[np.int64]  # (R + P, OUT_LONGS)
    quality: NDArray[np.float32]  # (R + P,)
    plates: NDArray[np.int32]  # (R + P,)
    deltas: NDArray[np.float32]  # (R + P,)
    sigmas: NDArray[np.float32]  # (R + P,)


def sample_row(state: State, cfg: Config, tick: Int) -> Int:
    """Row of the ring that holds `tick`."""
    return tick % cfg.ring


def clear_ring(state: State) -> None:
    """Forget the samples: what lies before a gap is not adjacent to what follows."""
    state.samples[:] = NAN


def moments(state: State, cfg: Config, p: Int, last: Int, n: Int) -> tuple[Float, Float, Int]:
    """Mean (less the level), sum of squares about it and count of the n samples up to tick `last`."""
    level = state.floats[LEVEL, p]
    total, count = ZERO, 0
    for i in range(n):
        x = state.samples[sample_row(state, cfg, last - i), p]
        if x == x:
            total += x - level
            count += 1
    mean = total / F(count) if count else ZERO
    squares = ZERO
    for i in range(n):
        x = state.samples[sample_row(state, cfg, last - i), p]
        if x == x:
            d = x - level - mean
            squares += d * d
    return mean, squares, count


def parts(state: State, cfg: Config, p: Int, n: Int, size: Int) -> tuple[Float, Float, Float, Float, Int]:
    """Compare the last n windows of `size` samples.

    Returns the mean of all (less the level), the variance within windows, the range of their means, the ratio of the
    largest to the smallest variance, and the count; 0 if a window lacks half of its samples.
    """
    tick = state.head[TICK]
    floor = cfg.floor_g * cfg.floor_g
    total, squares, count = ZERO, ZERO, 0
    low, high, calmest, loudest = LIMIT_G, -LIMIT_G, LIMIT_G * LIMIT_G, floor
    for i in range(n):
        mean, ss, m = moments(state, cfg, p, tick - i * size, size)
        if 2 * m < size or m < 2:
            return ZERO, ZERO, ZERO, ONE, 0
        total += mean * F(m)
        squares += ss
        count += m
        low = mean if mean < low else low
        high = mean if mean > high else high
        variance = ss / F(m - 1)
        variance = variance if variance > floor else floor
        calmest = variance if variance < calmest else calmest
        loudest = variance if variance > loudest else loudest
    return total / F(count), squares / F(count - n), high - low, loudest / calmest, count


def mean_between(state: State, cfg: Config, p: Int, first: Int, last: Int) -> tuple[Float, Int]:
    """Mean (less the level) and count of the samples of ticks first..last that the ring still holds."""
    oldest = state.head[TICK] - cfg.ring + 1
    if first < oldest:
        first = oldest
    level = state.floats[LEVEL, p]
    total, n = ZERO, 0
    for tick in range(first, last + 1):
        x = state.samples[sample_row(state, cfg, tick), p]
        if x == x:
            total += x - level
            n += 1
    return (total / F(n) if n else ZERO), n


def held(state: State, cfg: Config, p: Int, tick: Int) -> Float:
    """Least deviation of the samples of the shortest push up to `tick`; 0 if they are on both sides or missing."""
    level = state.floats[LEVEL, p]
    low, high = LIMIT_G, -LIMIT_G
    for i in range(cfg.push):
        x = state.samples[sample_row(state, cfg, tick - i), p]
        if x != x:
            return ZERO
        d = x - level
        low = d if d < low else low
        high = d if d > high else high
    if low > ZERO:
        return low
    return -high if high < ZERO else ZERO


def quantum(state: State, cfg: Config, p: Int) -> Float:
    """Smallest step between successive samples of the ring: the converter's resolution."""
    tick = state.head[TICK]
    smallest: Float = LIMIT_G
    for i in range(cfg.ring - 1):
        d = abs(
            state.samples[sample_row(state, cfg, tick - i), p] - state.samples[sample_row(state, cfg, tick - i - 1), p]
        )
        if d > ZERO and d < smallest:
            smallest = d
    return smallest if smallest < cfg.floor_g * F(8) else ZERO


def step_tick(state: State, cfg: Config, p: Int, after: Float, quiet: Int) -> Int:
    """Tick at which the plate last was more than half a step away from where it settled: when the item left."""
    level = state.floats[LEVEL, p]
    for i in range(cfg.ring):
        tick = state.head[TICK] - i
        x = state.samples[sample_row(state, cfg, tick), p]
        if x == x and abs(x - level - after) > F(0.5) * abs(after):
            return tick
    return quiet


def noise_now(state: State, cfg: Config, p: Int) -> tuple[Float, Float]:
    """Variance of a sample and of a window's mean on plate p, calm."""
    floor = cfg.floor_g * cfg.floor_g
    noise = state.floats[NOISE, p]
    if noise < floor:
        noise = floor
    of_mean = state.floats[MEAN_NOISE, p]
    white = noise / F(cfg.window)
    return noise, (of_mean if of_mean > white else white)


def gate(state: State, cfg: Config, grams: NDArray[np.float32], row: Int) -> bool:
    """Store one tick of all plates and run the CUSUMs; True if a plate must wake."""
    floats, ints, longs = state.floats, state.ints, state.longs
    tick = state.head[TICK]
    target = sample_row(state, cfg, tick)
    scale = ONE / state.activity[0]
    highest = cfg.threshold / F(3)  # one or two wild samples do not wake
    exceeding, woken = 0, False
    for p in range(grams.shape[1]):
        x = grams[row, p]
        valid = abs(x) < LIMIT_G
        state.samples[target, p] = x if valid else NAN
        if not valid:
            longs[MISSING, p] += 1
            if x == x:
                longs[INFINITE, p] += 1
                longs[INFINITE_TICK, p] = tick
            continue
        z = (x - floats[LEVEL, p]) * floats[GAIN, p] * scale
        exceeding += abs(z) > ONE
        if z > highest:
            z = highest
        if z < -highest:
            z = -highest
        up = floats[UP, p] + (z - REFERENCE_VALUE)
        down = floats[DOWN, p] + (-z - REFERENCE_VALUE)
        up = up if up > ZERO else ZERO
        down = down if down > ZERO else ZERO
        floats[UP, p], floats[DOWN, p] = up, down
        ints[RUN_UP, p] = min(ints[RUN_UP, p] + 1, cfg.ring) if up > ZERO else 0
        ints[RUN_DOWN, p] = min(ints[RUN_DOWN, p] + 1, cfg.ring) if down > ZERO else 0
        if up > cfg.threshold or down > cfg.threshold:
            woken = True
    live = state.head[LIVE]
    factor = ONE
    if live >= CROWD:
        share = F(2 * exceeding - live) / F(live)
        share = share if share < ONE else ONE
        factor = state.activity[0] * (ONE + share * (cfg.attack if share > ZERO else cfg.release))
        factor = factor if factor > ONE else ONE
        factor = factor if factor < F(1000) else F(1000)
    state.activity[0] = factor
    return woken


def rest(state: State, cfg: Config, p: Int) -> None:
    """Let the gate watch plate p."""
    noise, _ = noise_now(state, cfg, p)
    state.ints[STATE, p] = STABLE
    state.floats[GAIN, p] = ONE / np.sqrt(noise)


def learn(state: State, cfg: Config) -> None:
    """Take the window before the last one into the levels and noises of stable plates; tell stuck and silent plates."""
    floats, ints = state.floats, state.ints
    tick = state.head[TICK]
    first, last = tick - 2 * cfg.window + 1, tick - cfg.window
    factor = state.activity[0]
    live = 0
    for p in range(ints.shape[1]):
        low, high, n = LIMIT_G, -LIMIT_G, 0
        total, squares = ZERO, ZERO
        level = floats[LEVEL, p]
        noise, _ = noise_now(state, cfg, p)
        bound = CLIP * np.sqrt(noise) * factor
        for t in range(first, last + 1):
            x = state.samples[sample_row(state, cfg, t), p]
            if x == x:
                low = x if x < low else low
                high = x if x > high else high
                d = x - level
                d = d if d < bound else bound
                d = d if d > -bound else -bound
                total += d
                squares += d * d
                n += 1
        ints[EMPTY, p] = 0 if n else min(ints[EMPTY, p] + 1, 1 << 20)
        if n:
            still = low == high and low == floats[LAST, p]
            ints[STILL, p] = min(ints[STILL, p] + 1, 1 << 20) if still else 0
            floats[LAST, p] = low
        if ints[STATE, p] != STABLE:
            continue
        live += floats[NOISE, p] > cfg.floor_g * cfg.floor_g
        if 2 * n < cfg.window or first <= state.longs[SETTLED, p]:
            continue
        mean = total / F(n)
        ints[N_LEVEL, p] = min(ints[N_LEVEL, p] + n, cfg.memory)
        ints[N_NOISE, p] = min(ints[N_NOISE, p] + 1, 5 * cfg.memory // cfg.window)
        weight = ONE / F(ints[N_NOISE, p] + 1)
        calm = ONE / (factor * factor)
        floats[LEVEL, p] = level + mean * (F(n) / F(ints[N_LEVEL, p]))
        floats[NOISE, p] += (squares / F(n) * calm - floats[NOISE, p]) * weight
        floats[MEAN_NOISE, p] += (mean * mean * calm - floats[MEAN_NOISE, p]) * weight
        rest(state, cfg, p)
    state.head[LIVE] = live


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


def wake(state: State, cfg: Config, p: Int) -> None:
    """From STABLE to MOVING; the onset is where the CUSUM that crossed last left zero."""
    floats, ints, longs = state.floats, state.ints, state.longs
    tick = state.head[TICK]
    run = ints[RUN_UP, p] if floats[UP, p] > floats[DOWN, p] else ints[RUN_DOWN, p]
    run = min(run, cfg.ring - cfg.window)
    onset = tick - run + 1
    refine(state, cfg, p, onset - 1)
    ints[STATE, p] = MOVING
    longs[WOKEN, p] = onset
    longs[START_NS, p] = state.times[sample_row(state, cfg, onset)]
    if onset - state.head[GAP_TICK] < cfg.window and state.head[GAP_TICK] >= 0:
        longs[START_NS, p] = state.head[GAP_NS]
    for i in (GAIN, UP, DOWN, PEAK, EXCESS):
        floats[i, p] = ZERO
    ints[RUN_UP, p], ints[RUN_DOWN, p] = 0, 0
    for t in range(onset, tick):
        track_peak(state, cfg, p, t)
    state.head[AWAKE] += 1


def track_peak(state: State, cfg: Config, p: Int, tick: Int) -> None:
    """Remember how far the plate was pushed, in grams and in standard deviations of the noise then."""
    push = held(state, cfg, p, tick)
    noise, _ = noise_now(state, cfg, p)
    z = push / (np.sqrt(noise) * state.activity[0])
    if push > state.floats[PEAK, p]:
        state.floats[PEAK, p] = push
    if z > state.floats[EXCESS, p]:
        state.floats[EXCESS, p] = z


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


def settle(
    state: State,
    cfg: Config,
    out: Out,
    p: Int,
    n: Int,
    step: Float,
    variance: Float,
    slope: Float,
    count: Int,
    quality: Float,
) -> None:
    """From MOVING (or STARTING) to STABLE at `step` grams from the level before; a real change becomes a record."""
    floats, ints = state.floats, state.ints
    tick = state.head[TICK]
    factor = state.activity[0]
    noise, of_mean = noise_now(state, cfg, p)
    if ints[STATE, p] == MOVING:
        ratio = variance / noise
        ratio = ratio if ratio > factor * factor else factor * factor
        resolution = quantum(state, cfg, p)
        var_before = of_mean * F(cfg.window) / F(ints[N_LEVEL, p])
        var_after = of_mean * ratio * F(cfg.window) / F(count) + resolution * resolution / F(12)
        if quality < ONE:
            var_after += slope * slope / F(4)
        if step * step > NOTICEABLE * (var_before + var_after) or moved(state, cfg, p):
            quiet = tick - n + 1
            when = step_tick(state, cfg, p, step, quiet)
            shown = quality / np.sqrt(ratio) * F(count) / F(n)
            add_record(state, cfg, out, p, when, quiet, step, var_before, var_after, shown)
    if ints[STATE, p] == STARTING:
        floats[NOISE, p] = variance
        floats[MEAN_NOISE, p] = variance
        ints[N_NOISE, p] = 1
    elif quality < ONE:
        louder = variance / (factor * factor)
        floats[NOISE, p] = louder if louder > floats[NOISE, p] else floats[NOISE, p]
    floats[LEVEL, p] += step
    ints[N_LEVEL, p] = count
    state.longs[SETTLED, p] = tick
    state.head[AWAKE] -= 1
    rest(state, cfg, p)


def try_settle(state: State, cfg: Config, out: Out, p: Int) -> None:
    """End MOVING if the last window is quiet, or four of them loud but steady, or it has lasted too long."""
    awake = state.head[TICK] - state.longs[WOKEN, p] + 1
    noise, of_mean = noise_now(state, cfg, p)
    if state.ints[STATE, p] == STARTING:
        step, variance, slope, ratio, count = parts(state, cfg, p, 2, cfg.window)
        if count and (ratio <= STEADY_RATIO or awake >= cfg.ring):
            settle(state, cfg, out, p, 2 * cfg.window, step, variance, slope, count, ONE)
        return
    step, variance, slope, _, count = parts(state, cfg, p, 2, cfg.window // 2)
    ringing = RINGING * step
    spread = noise + ringing * ringing
    drift = of_mean + ringing * ringing / F(cfg.window)
    if count and variance <= QUIET_SPREAD * spread and slope * slope <= QUIET_SLOPE * F(4) * drift:
        settle(state, cfg, out, p, cfg.window, step, variance, slope, count, ONE)
        return
    if awake < cfg.ring:
        return
    step, variance, slope, ratio, count = parts(state, cfg, p, 4, cfg.window)
    if not count:
        return
    now = state.activity[0] * state.activity[0]
    shared = variance <= QUIET_SPREAD * noise * now  # the whole fixture shakes; a plate loud alone is held by a hand
    least = variance if variance > noise else noise
    steady = ratio <= STEADY_RATIO and slope * slope <= STEADY_SLOPE * F(4) * least / F(count)
    if steady and (shared or awake >= 4 * cfg.ring):
        settle(state, cfg, out, p, cfg.ring, step, variance, slope, count, QUALITY_LONG)
    elif awake >= cfg.hold:
        settle(state, cfg, out, p, cfg.ring, step, variance, slope, count, QUALITY_FORCED)


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


def advance(
    state: State, cfg: Config, out: Out, sample_ns: NDArray[np.int64], grams: NDArray[np.float32], row: Int
) -> Int:
    """Take rows from `row` on until one reports something; return the row after it."""
    head = state.head
    out.counts[:] = 0
    while row < len(sample_ns) and out.counts[0] == 0:
        now = sample_ns[row]
        head[TICK] += 1
        tick = head[TICK]
        if tick > 0 and now - head[LAST_NS] > cfg.gap_ns:
            clear_ring(state)
            head[GAP_NS], head[GAP_TICK] = head[LAST_NS], tick
        head[LAST_NS] = now
        state.times[sample_row(state, cfg, tick)] = now
        if gate(state, cfg, grams, row):
            for p in range(grams.shape[1]):
                if state.floats[UP, p] > cfg.threshold or state.floats[DOWN, p] > cfg.threshold:
                    wake(state, cfg, p)
        if head[AWAKE] > 0:
            for p in range(grams.shape[1]):
                if state.ints[STATE, p] == MOVING:
                    track_peak(state, cfg, p, tick)
                if state.ints[STATE, p] != STABLE:
                    try_settle(state, cfg, out, p)
        if (tick + 1) % cfg.window == 0:
            learn(state, cfg)
        if head[EVENTS] > 0:
            conclude(state, cfg, out)
        row += 1
    return row


def flush(state: State, cfg: Config, out: Out) -> None:
    """End of the stream: settle every moving plate on what is known and finish every event."""
    out.counts[:] = 0
    for p in range(state.ints.shape[1]):
        if state.ints[STATE, p] != MOVING:
            continue
        step, variance, slope, _, count = parts(state, cfg, p, 2, cfg.window // 2)
        if count:
            settle(state, cfg, out, p, cfg.window, step, variance, slope, count, QUALITY_FORCED)
        else:
            state.ints[STATE, p] = STARTING
            state.longs[WOKEN, p] = state.head[TICK] + 1
    while state.head[EVENTS] > 0:
        finish(state, cfg, out, 0, ONE)


def open_since(state: State) -> Int:
    """Onset of the earliest event that is not final, or of a plate that moves; -1 if there is none."""
    earliest = np.int64(2**63 - 1)
    for r in range(state.head[RECORDS]):
        earliest = min(earliest, state.record_longs[R_START_NS, r])
    if state.head[AWAKE] > 0:
        for p in range(state.ints.shape[1]):
            if state.ints[STATE, p] == MOVING:
                earliest = min(earliest, state.longs[START_NS, p])
    return earliest if earliest < 2**63 - 1 else np.int64(-1)


class Stream:
    """State of one fixture's segmentation.

    Parameters
    ----------
    groups : (P,) int32
        Shelf of each column.
    config : Config
        As a tuple of numbers in that order.
    """

    def __init__(self, groups: NDArray[np.int32], config: tuple[Any, ...]) -> None:
        numbers: list[Any] = [*map(int, config[:7]), *map(F, config[7:])]
        self._cfg = Config(*numbers)
        plates, ring = len(groups), self._cfg.ring
        capacity = 2 * plates + 8
        shapes = (
            (np.int64, (HEAD,)),
            (np.int64, (ring,)),
            (np.int64, (PLATE_LONGS, plates)),
            (np.int64, (RECORD_LONGS, capacity)),
            (np.int64, (EVENT_LONGS, capacity)),
            (np.float32, (2,)),
            (np.float32, (PLATE_FLOATS, plates)),
            (np.int32, (PLATE_INTS, plates)),
            (np.float32, (ring, plates)),
            (np.float32, (RECORD_FLOATS, capacity)),
        )
        sizes = [np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in shapes]
        self._storage = np.zeros(sum(sizes), np.uint8)
        offsets = np.cumsum([0, *sizes])
        self._state = State(
            *(
                self._storage[a:b].view(kind).reshape(shape)
                for (kind, shape), a, b in zip(shapes, offsets[:-1], offsets[1:], strict=True)
            )
        )
        self._out = Out(
            np.zeros(2, np.int64),
            np.zeros((capacity + plates, OUT_LONGS), np.int64),
            np.zeros(capacity + plates, np.float32),
            np.zeros(capacity + plates, np.int32),
            np.zeros(capacity + plates, np.float32),
            np.zeros(capacity + plates, np.float32),
        )
        s = self._state
        s.head[TICK], s.head[GAP_TICK], s.head[AWAKE] = -1, -1, plates
        s.longs[SETTLED], s.longs[INFINITE_TICK] = -1, -1
        s.activity[:] = ONE
        s.samples[:] = NAN
        s.floats[LAST] = NAN
        s.ints[GROUP] = groups
        s.ints[N_LEVEL] = 1

    def push(self, sample_ns: NDArray[np.int64], grams: NDArray[np.float32]) -> list[tuple[Any, ...]]:
        """Take n samples of all plates; events as tuples in the order of `fusion.segmentation.WeightEvent`."""
        times = (
            sample_ns if self._state.head[TICK] < 0 else np.concatenate((self._state.head[LAST_NS, None], sample_ns))
        )
        if (np.diff(times) < 0).any():
            raise ValueError("sample_ns must not decrease, nor go back behind an earlier push")
        found: list[tuple[Any, ...]] = []
        row = 0
        while row < len(sample_ns):
            row = advance(self._state, self._cfg, self._out, sample_ns, grams, row)
            found += self._events()
        return found

    def flush(self) -> list[tuple[Any, ...]]:
        """End of the stream."""
        flush(self._state, self._cfg, self._out)
        return self._events()

    def open_since(self) -> int:
        """Onset of the earliest event that is not final, or -1."""
        return int(open_since(self._state))

    def health(self) -> tuple[NDArray[Any], ...]:
        """Return flags, noise, level, samples, missing: (P,) each."""
        s, cfg = self._state, self._cfg
        tick = s.head[TICK]
        floor = cfg.floor_g * cfg.floor_g
        noise = np.maximum(s.floats[NOISE], floor) * (s.activity[0] * s.activity[0])
        flags = np.zeros(len(noise), np.int32)
        flags[s.ints[EMPTY] > 0] |= DROPOUT
        flags[s.ints[STILL] * cfg.window >= 5 * cfg.memory] |= STUCK
        flags[(s.longs[INFINITE] > 0) & (tick - s.longs[INFINITE_TICK] < cfg.memory)] |= SATURATED
        flags[noise > F(4) * cfg.half_item_g * cfg.half_item_g] |= NOISY
        unknown = s.ints[STATE] == STARTING
        level = np.where(unknown, NAN, s.floats[LEVEL])
        return (
            flags,
            np.where(unknown, NAN, np.sqrt(noise)),
            level,
            tick + 1 - s.longs[MISSING],
            s.longs[MISSING].copy(),
        )

    def save(self) -> bytes:
        """Return the whole state."""
        return self._storage.tobytes()

    def load(self, data: bytes) -> None:
        """Replace the state by one that `save` gave for the same fixture and settings."""
        if len(data) != len(self._storage):
            raise ValueError(f"data must have {len(self._storage)} bytes; got {len(data)}")
        self._storage[:] = np.frombuffer(data, np.uint8)

    def _events(self) -> list[tuple[Any, ...]]:
        out, found = self._out, []
        for o in range(out.counts[0]):
            id_, revision, start_ns, end_ns, kind, final, first, count = (int(v) for v in out.events[o])
            span = slice(first, first + count)
            found.append(
                (
                    id_,
                    revision,
                    start_ns,
                    end_ns,
                    out.plates[span].copy(),
                    out.deltas[span].copy(),
                    out.sigmas[span].copy(),
                    kind,
                    final != 0,
                    float(out.quality[o]),
                )
            )
        return found
