"""State of the segmentation: one buffer, read and written through views; what a tick reports; the constants."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COMPILED = ("sample_row", "clear_ring")

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
