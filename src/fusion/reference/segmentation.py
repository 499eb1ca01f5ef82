"""Weight events from load-cell streams: the reference of ``fusion.native.segmentation``.

Every plate is STARTING, STABLE or MOVING. While it is STABLE, a two-sided CUSUM (Page, Biometrika 41, 1954) runs on its
standardised deviation from a level learned with a delay; the scale is the plate's own noise times one factor for the
whole fixture, a running median of what all stable plates do now. While it is MOVING, windows of the last samples are
tested until they are quiet; then the step is a record. Records of adjacent plates that moved together are one event.

Only + - * / and sqrt on float32, in the order of the C++ core, so that the bits agree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.reference.segmentation_events import add_record, conclude, finish, moved, refine
from fusion.reference.segmentation_gate import gate, learn, rest
from fusion.reference.segmentation_state import (
    AWAKE,
    DOWN,
    DROPOUT,
    EMPTY,
    EVENT_LONGS,
    EVENTS,
    EXCESS,
    GAIN,
    GAP_NS,
    GAP_TICK,
    GROUP,
    HEAD,
    INFINITE,
    INFINITE_TICK,
    LAST,
    LAST_NS,
    LEVEL,
    MEAN_NOISE,
    MISSING,
    MOVING,
    N_LEVEL,
    N_NOISE,
    NAN,
    NOISE,
    NOISY,
    NOTICEABLE,
    ONE,
    OUT_LONGS,
    PEAK,
    PLATE_FLOATS,
    PLATE_INTS,
    PLATE_LONGS,
    QUALITY_FORCED,
    QUALITY_LONG,
    QUIET_SLOPE,
    QUIET_SPREAD,
    R_START_NS,
    RECORD_FLOATS,
    RECORD_LONGS,
    RECORDS,
    RINGING,
    RUN_DOWN,
    RUN_UP,
    SATURATED,
    SETTLED,
    STABLE,
    START_NS,
    STARTING,
    STATE,
    STEADY_RATIO,
    STEADY_SLOPE,
    STILL,
    STUCK,
    TICK,
    UP,
    WOKEN,
    ZERO,
    Config,
    F,
    Float,
    Int,
    Out,
    State,
    clear_ring,
    sample_row,
)
from fusion.reference.segmentation_window import held, noise_now, parts, quantum, step_tick

COMPILED = ("wake", "track_peak", "settle", "try_settle", "advance", "flush", "open_since")


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
