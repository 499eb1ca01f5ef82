"""State of the segmentation: one buffer, read and written through views; the settings, the constants, what is told.

Plate rows are `stride` long, a multiple of `LANES`; the lanes behind the last plate never report.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COMPILED: tuple[str, ...] = ("row", "time", "sample", "clear_history", "empty_block", "oldest")

Int = Any  # int or numpy.integer: both come and go
Float = Any  # numpy.float32
Bool = Any  # bool or numpy.bool
F = np.float32

STARTING, STABLE, MOVING = 0, 1, 2
NOTHING, TOUCH, CHANGE = 0, 1, 2
DROPOUT, STUCK, SATURATED, NOISY, PHANTOM, DRIFTING = 1, 2, 4, 8, 16, 32

HEAD = 11
TICK, LAST_NS, GAP_NS, GAP_TICK, NEXT_ID, NEXT_KEY, EVENTS, RECORDS, AWAKE, LIVE, REZEROED = range(HEAD)
PLATE_LONGS = 6
WOKEN, SETTLED, START_NS, MISSING, FAULTS, FAULT_TICK = range(PLATE_LONGS)
PLATE_INTS = 10
STATE, RUN_UP, RUN_DOWN, N_NOISE, N_WINDOWS, STILL, EMPTY, SPIKES, GROUP, SHARED = range(PLATE_INTS)
PLATE_FLOATS = 29
LIMIT, LEVEL, WATCHED = range(3)  # g; 1 while the gate watches the plate
SUM, SQUARES, LOW, HIGH, COUNT = range(3, 8)  # of the block that is being filled, less the level
MEAN, SPREAD, WEIGHT = range(8, 11)  # of the last block: g less the level, g^2, (0, 1]
OLDER, OLDER_WEIGHT, NEWER, NEWER_WEIGHT = range(11, 15)  # blocks that have not been learned yet; means in g
UP, DOWN = range(15, 17)  # CUSUMs
NOISE, TREMOR, DOUBT = range(17, 20)  # variances: of a calm block's mean, in it, of the level / NOISE
WINDOW_FROM, WINDOW_DOUBT, WINDOW_SUM, WINDOW_WEIGHT = range(20, 24)
INFLATION, PEAK, EXCESS, LAST, DRIFT = range(24, PLATE_FLOATS)  # the first: of errors over what white noise would give
RECORD_LONGS = 12
R_EVENT, R_PLATE, R_FIRST, R_STEP, R_QUIET, R_SETTLED = range(6)
R_START_NS, R_STEP_NS, R_END_NS, R_MOVED, R_FELT, R_UNEASY = range(6, RECORD_LONGS)
RECORD_FLOATS = 7
R_BEFORE, R_AFTER, R_VAR_BEFORE, R_VAR_AFTER, R_QUALITY, R_FELT_SUM, R_FELT_SQUARES = range(RECORD_FLOATS)
EVENT_LONGS = 6
E_KEY, E_ID, E_REVISION, E_SETTLED_NS, E_CHANGED, E_OPEN = range(EVENT_LONGS)
OUT_LONGS = 9
O_ID, O_REVISION, O_START_NS, O_STEP_NS, O_END_NS, O_KIND, O_FINAL, O_FIRST, O_COUNT = range(OUT_LONGS)

ZERO, HALF, ONE, TWO, FOUR, NAN = F(0), F(0.5), F(1), F(2), F(4), F(np.nan)
LANES = 16  # plates that one AVX-512 register holds
REFERENCE_VALUE = F(0.5)  # CUSUM's k, standard deviations: half the smallest shift to find fast
CLIP = F(9)  # (3 standard deviations)^2 at which a block's pull on level and noise ends
WILD = F(100)  # (10 standard deviations)^2 of a sample that is no weight but a glitch
SIGNIFICANT = F(25)  # (5 standard deviations)^2: a step that noise does not make
NOTICEABLE = F(4)  # (2 standard deviations)^2: worth telling beside a neighbour's change
QUIET = F(3)  # variance of block means over the noise: 1 in 50 of F(4, inf)
TREND = F(16)  # (4 standard deviations)^2 of the difference of the halves of a level
STILL_SHARE = F(0.01)  # of a heavy load: deviation of block means by which it may sway
LOUD = F(9)  # variance within blocks over the shelf's, of a plate that a hand holds
RISE = F(0.1)  # of a load that comes: what may be there 0.1 s before its middle
SLACK = F(0.25)  # of a step: how far a plateau may wander
EXCURSION = F(5)  # standard deviations of a push
CROSS_TALK = F(0.025)  # of a change, on plates up to two away (the public recording: 0-2 %)
OVERHANG = F(0.08)  # of an item, beyond the edge of its facing: less is not told from cross-talk
COUPLING, COUPLING_SPREAD = F(0.01), F(0.008)  # mean and deviation of it between an item's own plates
HAND_G = F(500)  # a hand is 0.6 % of the body (de Leva, J. Biomechanics 29, 1996)
LETS_GO = F(0.3)  # of a load that came: what must go before it is known for a hand
FLAT = F(0.02)  # of a step: ringing on the plateau between two quick changes
APART = F(0.1)  # of two quick changes together: the least of them
PART = F(0.2)  # of two changes that seem one: the least of them
LINGERS = F(0.75)  # of the most that the first of them shows: what must be left of it
SPAN_ERROR = F(0.003)  # of the step: adjustment of the cells' sensitivity, 0.2-0.3 %
QUALITY_LONG, QUALITY_FORCED, QUALITY_EARLY = F(0.5), F(0.2), F(0.5)
START_NOISE = F(1)  # g^2, until more is known: a quiet plate of the public recording, 0.5-1.2 g
LEAST_NOISE = F(1e-6)  # g^2
FAR = F(1e9)  # g; beyond every reading
UNBOUNDED = FAR * FAR
CROWD = 8  # watched plates from which their median is the fixture's
LOOK = 3  # blocks from one look at a doubtful load to the next
REACH = 2  # plates over which cross-talk goes
MOST_STEPS = 4
LEANS_ON_NEXT = -2  # in R_SETTLED: the level that followed was left for a higher one
NEVER = 2**63 - 1


class Config(NamedTuple):
    """What the settings come to in ticks, blocks and grams."""

    block: int  # ticks that the gate takes together
    settle: int  # blocks that must be quiet
    steady: int  # blocks that must be quiet where a plate is loud alone or crept to its level
    history: int  # blocks that are kept
    hold: int  # blocks after which MOVING ends whatever the noise
    window: int  # blocks over which the errors of levels are judged
    noise_blocks: int  # memory of the noise
    push_blocks: int  # that tell a push from a spike
    plateau: int  # ticks between two quick changes
    join: int  # ticks by which the plates of one facing may step apart
    coincide: int  # ticks by which others may
    quick: int  # ticks from the beginning to the middle of a step
    calm: int  # ticks after its step by which what has come is calm
    merge_ns: int
    gap_ns: int
    threshold: np.float32  # CUSUM's h, standard deviations
    leak: np.float32  # of the variance within a block: what structural vibration leaves in its mean
    drift: np.float32  # variance of the level's drift over one block, in units of NOISE
    half_item_g: np.float32
    floor_g: np.float32  # noise of a block's mean is never taken for less
    drift_g: np.float32  # a plate whose readings run ahead of its level by more drifts


class State(NamedTuple):
    """Views of one buffer, in this order: the buffer is the snapshot."""

    plates: int
    capacity: int  # R: columns of the record and event sections
    ticks: int  # rows of the history
    head: NDArray[np.int64]  # (HEAD,)
    times: NDArray[np.int64]  # (ticks,)
    longs: NDArray[np.int64]  # (PLATE_LONGS, stride)
    record_longs: NDArray[np.int64]  # (RECORD_LONGS, R)
    event_longs: NDArray[np.int64]  # (EVENT_LONGS, R)
    activity: NDArray[np.float32]  # (2,): the fixture's factor, 1 when calm, and a spare that keeps sections aligned
    floats: NDArray[np.float32]  # (PLATE_FLOATS, stride)
    ints: NDArray[np.int32]  # (PLATE_INTS, stride)
    samples: NDArray[np.float32]  # (ticks, stride)
    record_floats: NDArray[np.float32]  # (RECORD_FLOATS, R)


class Out(NamedTuple):
    """What one block reports."""

    counts: NDArray[np.int64]  # (2,): events, members
    events: NDArray[np.int64]  # (room, OUT_LONGS)
    quality: NDArray[np.float32]  # (room,)
    plates: NDArray[np.int32]  # (room,)
    deltas: NDArray[np.float32]  # (room,), g
    sigmas: NDArray[np.float32]  # (room,), g


# What several modules make stands here: each compiled module has classes of its own.
class Calm(NamedTuple):
    """Some blocks of a plate, less its level."""

    mean: Float  # g
    weight: Float  # sum of the blocks' weights
    scatter: Float  # of the blocks' means, over what noise and vibration explain, g^2
    spread: Float  # within blocks, g^2
    count: Int  # samples; 0 if a block lacks half of its samples


class Steps(NamedTuple):
    """The steps of one plate; the arrays have MOST_STEPS elements."""

    count: Int
    first: NDArray[np.int64]  # tick of the onset
    tick: NDArray[np.int64]  # of the step
    end: NDArray[np.int64]  # of the plateau that follows
    after: NDArray[np.float32]  # g less the level
    variance: NDArray[np.float32]  # g^2, of plateaus


class Change(NamedTuple):
    """One step of one plate."""

    first: Int  # ticks
    step: Int
    quiet: Int
    end: Int
    settled: Int
    before: Float  # g less the level
    after: Float
    var_before: Float  # g^2
    var_after: Float
    quality: Float


def capacity_of(plates: int) -> int:
    """Count the records and events that may wait."""
    return 2 * plates + 8


def report_room(plates: int) -> int:
    """Elements of Out's arrays: all that waits, twice, and four steps of every plate in each of two blocks."""
    return 3 * capacity_of(plates) + 8 * plates


def bind(plates: int, c: Config) -> tuple[NDArray[np.uint8], State]:
    """Make a zeroed buffer and the views of it."""
    stride, capacity, ticks = -(-plates // LANES) * LANES, capacity_of(plates), c.history * c.block
    sections = (
        (np.int64, (HEAD,)),
        (np.int64, (ticks,)),
        (np.int64, (PLATE_LONGS, stride)),
        (np.int64, (RECORD_LONGS, capacity)),
        (np.int64, (EVENT_LONGS, capacity)),
        (np.float32, (2,)),
        (np.float32, (PLATE_FLOATS, stride)),
        (np.int32, (PLATE_INTS, stride)),
        (np.float32, (ticks, stride)),
        (np.float32, (RECORD_FLOATS, capacity)),
    )
    ends = np.cumsum([0, *(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in sections)])
    storage = np.zeros(ends[-1], np.uint8)
    views: list[Any] = [
        storage[a:b].view(kind).reshape(shape)
        for (kind, shape), a, b in zip(sections, ends[:-1], ends[1:], strict=True)
    ]
    return storage, State(plates, capacity, ticks, *views)


def start(s: State, groups: NDArray[np.int32], shared: NDArray[np.int32], limits: NDArray[np.float32]) -> None:
    """Begin a stream: shelves, the plates that share a facing with each (bit j: j + 1 further), the largest weights."""
    s.head[[TICK, GAP_TICK, GAP_NS]] = -1
    s.head[AWAKE] = s.plates
    s.activity[:] = ONE
    clear_history(s)
    s.longs[[SETTLED, FAULT_TICK]] = -1
    s.floats[LAST] = NAN
    s.floats[INFLATION] = ONE
    s.floats[[NOISE, TREMOR]] = LEAST_NOISE
    s.floats[LIMIT, : s.plates] = limits
    s.ints[GROUP, : s.plates] = groups
    s.ints[SHARED, : s.plates] = shared
    for p in range(s.floats.shape[1]):
        empty_block(s, p)


def row(s: State, tick: Int) -> Int:
    """Row of the history that holds `tick`, which may lie before the first."""
    return tick % s.ticks


def time(s: State, tick: Int) -> Int:
    """When `tick` was, ns."""
    return s.times[row(s, tick)]


def sample(s: State, p: Int, tick: Int) -> Float:
    """Return the reading of plate p in `tick`, g."""
    return s.samples[row(s, tick), p]


def oldest(s: State) -> Int:
    """Oldest tick that the history holds."""
    tick = s.head[TICK] - s.ticks + 1
    return tick if tick > 0 else 0


def clear_history(s: State) -> None:
    """Forget the samples: what lies before a gap is not adjacent to what follows."""
    s.samples[:] = NAN


def empty_block(s: State, p: Int) -> None:
    """Begin the next block of plate p."""
    s.floats[SUM, p] = s.floats[SQUARES, p] = s.floats[COUNT, p] = ZERO
    s.floats[LOW, p] = FAR
    s.floats[HIGH, p] = -FAR
