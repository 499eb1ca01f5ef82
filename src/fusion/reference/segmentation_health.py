"""What is wrong with a plate, read from the state; nothing is computed while samples come in."""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

import numpy as np

from fusion.reference.segmentation_state import *
from fusion.reference.segmentation_window import span

COMPILED = ("health",)


def health(s: State, c: Config, p: Int) -> tuple[Int, Int, Float, Float, Float, Int, Int, Int]:
    """Return flags, spikes, noise of a sample, level, drift over the level's lag, samples, missing, faults.

    Spikes are blocks with one wild sample; noise and level (g) are NaN while STARTING; faults are readings beyond the
    limit, which are missing too.
    """
    ticks = s.head[TICK] + 1
    blocks = ticks // c.block
    unknown = s.ints[STATE, p] == STARTING
    now = span(s, c, p, oldest(s), s.head[TICK])
    missing, faults, still = s.longs[MISSING, p], s.longs[FAULTS, p], s.ints[STILL, p]
    flags = 0
    if blocks >= c.noise_blocks and (missing >= blocks * c.block or still + 1 >= blocks):
        flags |= PHANTOM
    else:
        flags |= DROPOUT if s.ints[EMPTY, p] > 0 else 0
        flags |= STUCK if still >= c.noise_blocks else 0
    flags |= SATURATED if faults > 0 and ticks - s.longs[FAULT_TICK, p] <= c.noise_blocks * c.block else 0
    flags |= NOISY if now.spread > FOUR * c.half_item_g * c.half_item_g else 0
    flags |= DRIFTING if abs(s.floats[DRIFT, p]) > c.drift_g else 0
    noise, level = (NAN, NAN) if unknown else (np.sqrt(now.spread), s.floats[LEVEL, p])
    return flags, s.ints[SPIKES, p], noise, level, s.floats[DRIFT, p], ticks - missing, missing, faults
