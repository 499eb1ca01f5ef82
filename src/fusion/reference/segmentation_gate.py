"""The gate over all plates: level and noise of the quiet ones, and the CUSUM that wakes a plate."""

import numpy as np
from numpy.typing import NDArray

from fusion.reference.segmentation_state import (
    CLIP,
    CROWD,
    DOWN,
    EMPTY,
    GAIN,
    INFINITE,
    INFINITE_TICK,
    LAST,
    LEVEL,
    LIMIT_G,
    LIVE,
    MEAN_NOISE,
    MISSING,
    N_LEVEL,
    N_NOISE,
    NAN,
    NOISE,
    ONE,
    REFERENCE_VALUE,
    RUN_DOWN,
    RUN_UP,
    SETTLED,
    STABLE,
    STATE,
    STILL,
    TICK,
    UP,
    ZERO,
    Config,
    F,
    Int,
    State,
    sample_row,
)
from fusion.reference.segmentation_window import noise_now

COMPILED = ("gate", "rest", "learn")


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
