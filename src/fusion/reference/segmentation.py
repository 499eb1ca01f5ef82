"""Weight events from the load cells of one fixture, block by block: the reference of ``fusion.native.segmentation``.

Source: CUSUM of Page (Biometrika 41, 1954), threshold by Siegmund (Sequential Analysis, 1985); local level model
(Harvey 1989); most probable step between two known levels (Hinkley, Biometrika 57, 1970). A plate is STARTING, STABLE
while the gate watches it, or MOVING; what it did until it settles is records, and records that belong together are an
event.

Only + - * / and sqrt on float32, in the order of the C++ core, so that the bits agree.
"""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.reference.segmentation_events import conclude, finish
from fusion.reference.segmentation_gate import count_faults, feel, fill, judge, rest, summarise, watch
from fusion.reference.segmentation_health import health
from fusion.reference.segmentation_phases import settle, try_settle, wake
from fusion.reference.segmentation_state import *
from fusion.reference.segmentation_steps import find_steps
from fusion.reference.segmentation_window import calm, noise_now

COMPILED = ("take_tare", "end_block", "pad_block", "advance", "flush", "open_since")


def take_tare(s: State, c: Config, out: Out) -> None:
    """Take the new levels of a fixture that a controller has set to about zero at once; nothing moved."""
    floats, ints = s.floats, s.ints
    at_zero, known = 0, 0
    for p in range(s.plates):
        if ints[STATE, p] == STARTING or floats[WEIGHT, p] <= ZERO:
            continue
        bound = FOUR * np.sqrt(noise_now(s, c, p)) + c.half_item_g
        at_zero += abs(floats[LEVEL, p] + floats[MEAN, p]) <= bound and abs(floats[MEAN, p]) > bound
        known += 1
    if 2 * at_zero <= known:
        return
    while s.head[EVENTS] > 0:
        finish(s, c, out, 0, QUALITY_EARLY)
    for p in range(s.plates):
        if ints[STATE, p] == STARTING or floats[WEIGHT, p] <= ZERO:
            continue
        s.head[AWAKE] -= ints[STATE, p] == MOVING
        floats[LEVEL, p] += floats[MEAN, p]
        floats[MEAN, p] = ZERO
        floats[DOUBT, p] = ONE
        rest(s, p)
    s.activity[0] = ONE
    s.head[REZEROED] += 1


def end_block(s: State, c: Config, out: Out) -> None:
    """Close the block that the ticks since the last one are: watch, wake, settle, report."""
    ladder = summarise(s, c)
    if ladder.incomplete:
        for p in range(s.plates):
            s.longs[MISSING, p] += c.block - int(s.floats[COUNT, p])
    feel(s, ladder)
    if ladder.watched > 2 and 2 * ladder.above[2] > ladder.watched:
        take_tare(s, c, out)
    if watch(s, c):
        for p in range(s.plates):
            if s.floats[UP, p] > c.threshold or s.floats[DOWN, p] > c.threshold:
                wake(s, c, p)
    if s.head[AWAKE] > 0:
        for p in range(s.plates):
            if s.ints[STATE, p] != STABLE:
                try_settle(s, c, out, p)
    if (s.head[TICK] + 1) % (c.window * c.block) == 0:
        judge(s, c)
    if s.head[EVENTS] > 0:
        conclude(s, c, out)


def pad_block(s: State, c: Config, out: Out) -> None:
    """Fill up the block that has begun with missing samples."""
    while (s.head[TICK] + 1) % c.block != 0:
        s.head[TICK] += 1
        s.times[row(s, s.head[TICK])] = s.head[LAST_NS]
        s.samples[row(s, s.head[TICK])] = NAN
        if (s.head[TICK] + 1) % c.block == 0:
            end_block(s, c, out)


def advance(s: State, c: Config, out: Out, sample_ns: NDArray[np.int64], grams: NDArray[np.float32], first: Int) -> Int:
    """Take rows of grams from `first` on until a block reports something; return the row after it."""
    head, n = s.head, len(sample_ns)
    out.counts[:] = 0
    while first < n and out.counts[0] == 0:
        if head[TICK] >= 0 and sample_ns[first] - head[LAST_NS] > c.gap_ns and head[GAP_NS] != head[LAST_NS]:
            pad_block(s, c, out)
            clear_history(s)
            head[GAP_NS] = head[LAST_NS]
            head[GAP_TICK] = head[TICK] + 1
            continue
        count = 0
        while True:
            head[TICK] += 1
            s.times[row(s, head[TICK])] = head[LAST_NS] = sample_ns[first + count]
            count += 1
            if first + count == n or (head[TICK] + 1) % c.block == 0:
                break
            if sample_ns[first + count] - head[LAST_NS] > c.gap_ns:
                break
        if fill(s, grams, first, count):
            count_faults(s, grams, first, count)
        first += count
        if (head[TICK] + 1) % c.block == 0:
            end_block(s, c, out)
    return first


def flush(s: State, c: Config, out: Out) -> None:
    """End of the stream: settle every moving plate on what is known and finish every event."""
    out.counts[:] = 0
    pad_block(s, c, out)
    tick = s.head[TICK]
    for p in range(s.plates):
        if s.ints[STATE, p] != MOVING:
            continue
        w = calm(s, c, p, 2, tick, UNBOUNDED)
        if w.count > 0 and w.scatter <= QUIET * noise_now(s, c, p):
            steps = find_steps(s, c, p, tick - 2 * c.block + 1, w.mean, w.spread)
            settle(s, c, out, p, 2, w, steps, QUALITY_FORCED)
        else:
            s.ints[STATE, p] = STARTING
            s.longs[WOKEN, p] = tick + 1
    while s.head[EVENTS] > 0:
        finish(s, c, out, 0, ONE)


def open_since(s: State) -> Int:
    """Onset of the earliest event that is not final, or of a plate that moves; -1 if there is none."""
    earliest = NEVER
    for r in range(s.head[RECORDS]):
        earliest = min(earliest, s.record_longs[R_START_NS, r])
    if s.head[AWAKE] > 0:
        for p in range(s.plates):
            if s.ints[STATE, p] == MOVING:
                earliest = min(earliest, s.longs[START_NS, p])
    return earliest if earliest < NEVER else -1


class Stream:
    """State of one fixture's segmentation.

    Parameters
    ----------
    groups, shared : (P,) int32
        Shelf of each column; which of the 31 that follow share a facing with it, as bits.
    limits : (P,) float32
        Largest weights, g.
    config : Config
        As a tuple of numbers in that order.
    """

    def __init__(
        self, groups: NDArray[np.int32], shared: NDArray[np.int32], limits: NDArray[np.float32], config: tuple[Any, ...]
    ) -> None:
        numbers: list[Any] = [*map(int, config[:15]), *map(F, config[15:])]
        self._config = Config(*numbers)
        self._storage, self._state = bind(len(groups), self._config)
        room = report_room(len(groups))
        self._out = Out(
            np.zeros(2, np.int64),
            np.zeros((room, OUT_LONGS), np.int64),
            np.zeros(room, np.float32),
            np.zeros(room, np.int32),
            np.zeros(room, np.float32),
            np.zeros(room, np.float32),
        )
        start(self._state, groups, shared, limits)

    def push(self, sample_ns: NDArray[np.int64], grams: NDArray[np.float32]) -> list[tuple[Any, ...]]:
        """Take n samples of all plates; events as tuples in the order of `fusion.segmentation.WeightEvent`."""
        s = self._state
        sample_ns, grams = _buffer("sample_ns", sample_ns, np.int64, 1), _buffer("grams", grams, np.float32, 2)
        if grams.shape != (len(sample_ns), s.plates):
            raise ValueError(f"grams must have shape ({len(sample_ns)}, {s.plates})")
        before = np.concatenate(([s.head[LAST_NS] if s.head[TICK] >= 0 else 0], sample_ns))[:-1]
        if (sample_ns < before).any():
            raise ValueError("sample_ns must not decrease, nor go back behind an earlier push")
        found: list[tuple[Any, ...]] = []
        first = 0
        with np.errstate(all="ignore"):
            while first < len(sample_ns):
                first = advance(s, self._config, self._out, sample_ns, grams, first)
                found += self._events()
        return found

    def flush(self) -> list[tuple[Any, ...]]:
        """End of the stream."""
        with np.errstate(all="ignore"):
            flush(self._state, self._config, self._out)
        return self._events()

    def open_since(self) -> int:
        """Onset of the earliest event that is not final, or -1."""
        return int(open_since(self._state))

    def health(self) -> tuple[NDArray[Any], ...]:
        """Return flags, spikes, noise, level, drift, samples, missing, faults: (P,) each."""
        kinds = (np.int32, np.int32, np.float32, np.float32, np.float32, np.int64, np.int64, np.int64)
        with np.errstate(all="ignore"):
            plates = [health(self._state, self._config, p) for p in range(self._state.plates)]
        return tuple(np.array(column, kind) for column, kind in zip(zip(*plates, strict=True), kinds, strict=True))

    def rezeroed(self) -> int:
        """How often all plates were set to zero at once."""
        return int(self._state.head[REZEROED])

    def save(self) -> bytes:
        """Return the whole state."""
        return self._storage.tobytes()

    def load(self, data: bytes) -> None:
        """Replace the state by one that `save` gave for the same fixture and settings."""
        if len(data) != len(self._storage):
            raise ValueError(f"data must have {len(self._storage)} bytes; got {len(data)}")
        self._storage[:] = np.frombuffer(data, np.uint8)

    def _events(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for o in range(self._out.counts[0]):
            *numbers, kind, final, first, count = map(int, self._out.events[o])
            members = slice(first, first + count)
            found.append(
                (
                    *numbers,
                    self._out.plates[members].copy(),
                    self._out.deltas[members].copy(),
                    self._out.sigmas[members].copy(),
                    kind,
                    final != 0,
                    float(self._out.quality[o]),
                )
            )
        return found


def _buffer(name: str, values: Any, kind: Any, dimensions: int) -> Any:
    """Refuse what the binding refuses; compiled functions know writable arrays only."""
    if not isinstance(values, np.ndarray) or values.dtype != kind or values.ndim != dimensions:
        raise TypeError(f"{name} must be a {dimensions}-dimensional array of {np.dtype(kind).name}")
    return np.require(values, requirements=("C", "W"))
