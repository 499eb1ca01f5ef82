"""The gate: every plate and tick. Ticks are taken into blocks, whose means are watched by CUSUMs, and learned.

A block's mean has two variances: the plate's own, learned while nothing happens, and what vibration leaves of the
variance within the block. What shakes most plates of the fixture divides all of them by its median.
Two-sided CUSUM: Page (Biometrika 41, 1954). Level: the local level model's Kalman filter (Harvey 1989, 2.3) with
blocks weighted by their variances; learned two blocks late, so that the beginning of a step does not leak in.
"""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.reference.segmentation_state import *

COMPILED = ("least_of", "most_of", "fill", "summarise", "watch", "feel", "count_faults", "judge", "rest")

LONGEST = 1 << 30  # counters end there


class Ladder(NamedTuple):
    """Plates that the gate watches, and those that are more than 2, 4, 8, 16 standard deviations off."""

    watched: Int
    above: tuple[Int, Int, Int, Int]
    incomplete: Bool  # a sample is missing


def least_of(a: Float, b: Float) -> Float:
    """Return the smaller; b if they do not compare."""
    return a if a < b else b


def most_of(a: Float, b: Float) -> Float:
    """Return the larger; b if they do not compare."""
    return a if a > b else b


def fill(s: State, grams: NDArray[np.float32], first: Int, n: Int) -> Bool:
    """Take n rows of grams into the block; whether a reading is beyond its limit."""
    floats = s.floats
    faulty = False
    for k in range(n):
        target = row(s, s.head[TICK] - (n - 1 - k))
        for p in range(floats.shape[1]):
            x = grams[first + k, p] if p < s.plates else NAN
            valid = abs(x) < floats[LIMIT, p]
            d = x - floats[LEVEL, p] if valid else ZERO
            s.samples[target, p] = x if valid else NAN
            floats[SUM, p] += d
            floats[SQUARES, p] += d * d
            floats[LOW, p] = least_of(d if valid else FAR, floats[LOW, p])
            floats[HIGH, p] = most_of(d if valid else -FAR, floats[HIGH, p])
            floats[COUNT, p] += ONE if valid else ZERO
            faulty |= x == x and not valid
    return faulty


def summarise(s: State, c: Config) -> Ladder:
    """Mean, variance and weight of the block that ends, less one wild sample; glitches, stuck and silent plates."""
    floats, ints = s.floats, s.ints
    newest = row(s, s.head[TICK])
    floor, full = c.floor_g * c.floor_g, F(c.block)
    n_watched, n2, n4, n8, n16, incomplete = 0, 0, 0, 0, 0, False
    for p in range(floats.shape[1]):
        n, total, square = floats[COUNT, p], floats[SUM, p], floats[SQUARES, p]
        low, high = floats[LOW, p], floats[HIGH, p]
        every, rest = most_of(n, ONE), most_of(n - ONE, ONE)
        mean = total / every
        extreme = high if high - mean > mean - low else low
        mean_rest = (total - extreme) / rest
        spread = most_of(square / every - mean * mean, ZERO)
        spread_rest = most_of((square - extreme * extreme) / rest - mean_rest * mean_rest, ZERO)
        gap = extreme - mean_rest
        wild = n >= FOUR and gap * gap > WILD * (spread_rest + floor + floats[TREMOR, p])
        valid = n >= HALF * full and n > ZERO
        m, v = (mean_rest, spread_rest) if wild else (mean, spread)
        if not valid:
            m, v = ZERO, ZERO
        r = most_of(floats[NOISE, p], floor)
        w = r / (r + c.leak * v) if valid else ZERO
        floats[MEAN, p], floats[SPREAD, p], floats[WEIGHT, p] = m, v, w
        if n > ZERO:
            x = s.samples[newest, p]
            alike = low == high and (x == floats[LAST, p] or x != x)
            ints[STILL, p] = min(ints[STILL, p] + 1, LONGEST) if alike else 0
            ints[EMPTY, p] = 0
            if x == x:
                floats[LAST, p] = x
        else:
            ints[EMPTY, p] = min(ints[EMPTY, p] + 1, LONGEST)
        incomplete |= n < full and floats[LIMIT, p] > ZERO
        if valid and floats[WATCHED, p] > ZERO:
            if wild:
                ints[SPIKES, p] = min(ints[SPIKES, p] + 1, LONGEST)
            z2 = m * m * w / r
            n_watched += 1
            n2 += z2 > F(4)
            n4 += z2 > F(16)
            n8 += z2 > F(64)
            n16 += z2 > F(256)
    return Ladder(n_watched, (n2, n4, n8, n16), incomplete)


def watch(s: State, c: Config) -> Bool:
    """CUSUMs over standardised means; levels and noises of plates beyond suspicion; true if a plate must wake."""
    floats, ints = s.floats, s.ints
    calm, h, floor = ONE / s.activity[0], c.threshold, c.floor_g * c.floor_g
    highest, suspicion = F(0.6) * h, h / F(3)  # one wild block does not wake
    woken = False
    for p in range(floats.shape[1]):
        w, m, r = floats[WEIGHT, p] * (calm * calm), floats[MEAN, p], most_of(floats[NOISE, p], floor)
        level, doubt, on = floats[LEVEL, p], floats[DOUBT, p], floats[WATCHED, p] > ZERO
        up, down = floats[UP, p], floats[DOWN, p]
        if on and w > ZERO:
            z = most_of(least_of(m * np.sqrt(w / r), highest), -highest)
            up = most_of(up + (z - REFERENCE_VALUE), ZERO)
            down = most_of(down + (-z - REFERENCE_VALUE), ZERO)
        ints[RUN_UP, p] = min(ints[RUN_UP, p] + 1, c.history) if up > ZERO else 0
        ints[RUN_DOWN, p] = min(ints[RUN_DOWN, p] + 1, c.history) if down > ZERO else 0
        floats[UP, p], floats[DOWN, p] = up, down
        woken |= up > h or down > h

        w2, then, prior = floats[OLDER_WEIGHT, p], floats[OLDER, p], doubt + c.drift
        if on:
            floats[DOUBT, p] = prior
        if on and w2 > ZERO and up <= suspicion and down <= suspicion:
            gain = prior * w2 / (prior * w2 + ONE)
            miss = then - level
            z2 = miss * miss * w2 / (r * (ONE + prior * w2))
            d = miss * np.sqrt(CLIP / most_of(z2, CLIP)) if z2 > CLIP else miss
            ints[N_NOISE, p] = min(ints[N_NOISE, p] + 1, c.noise_blocks)
            rate = ONE / F(ints[N_NOISE, p])
            tremor = floats[TREMOR, p]
            tremor *= ONE + F(0.3) * rate if floats[SPREAD, p] > tremor else ONE - F(0.7) * rate
            floats[WINDOW_SUM, p] += w2 * (then - floats[WINDOW_FROM, p])
            floats[WINDOW_WEIGHT, p] += w2
            floats[LEVEL, p] = level + gain * d
            floats[DOUBT, p] = prior * (ONE - gain)
            floats[NOISE, p] = most_of(floats[NOISE, p] * (ONE + rate * (least_of(z2, CLIP) - ONE)), LEAST_NOISE)
            floats[TREMOR, p] = most_of(tremor, LEAST_NOISE)
        floats[OLDER, p], floats[OLDER_WEIGHT, p] = floats[NEWER, p], floats[NEWER_WEIGHT, p]
        floats[NEWER, p], floats[NEWER_WEIGHT, p] = level + m, w
        empty_block(s, p)
    return woken


def feel(s: State, ladder: Ladder) -> None:
    """Take the fixture's factor: the power of two below which half of the watched plates are; it fades by 0.7."""
    factor = ONE
    if ladder.watched >= CROWD:
        for above in ladder.above:
            if 2 * above > ladder.watched:
                factor *= TWO
    s.activity[0] = most_of(factor, most_of(F(0.7) * s.activity[0], ONE))
    s.head[LIVE] = ladder.watched


def count_faults(s: State, grams: NDArray[np.float32], first: Int, n: Int) -> None:
    """Count readings beyond the limit among the last n ticks: what the sensor says is too much to be a weight."""
    for k in range(n):
        for p in range(s.plates):
            x = grams[first + k, p]
            if x == x and not abs(x) < s.floats[LIMIT, p]:
                s.longs[FAULTS, p] += 1
                s.longs[FAULT_TICK, p] = s.head[TICK] - (n - 1 - k)


def judge(s: State, c: Config) -> None:
    """Once a window: by how much its mean missed the level before it, over what white noise would make it miss."""
    floats, ints = s.floats, s.ints
    for p in range(s.plates):
        weight, before = floats[WINDOW_WEIGHT, p], floats[WINDOW_DOUBT, p]
        watched = floats[WATCHED, p] > ZERO
        if watched and before > ZERO and weight > F(0.1) * F(c.window):
            r = most_of(floats[NOISE, p], c.floor_g * c.floor_g)
            error = floats[WINDOW_SUM, p] / weight
            most = CLIP * most_of(floats[INFLATION, p], ONE)
            expected = r * (before + ONE / weight)
            ratio, bound = least_of(error * error / expected, most), np.sqrt(most * expected)
            n = min(ints[N_WINDOWS, p] + 1, 60)
            ints[N_WINDOWS, p] = n
            # As if five windows of white noise had been seen before.
            floats[INFLATION, p] += (ratio - floats[INFLATION, p]) / F(n + 4)
            floats[DRIFT, p] += (most_of(least_of(error, bound), -bound) - floats[DRIFT, p]) / F(60)
        floats[WINDOW_FROM, p] = floats[LEVEL, p]
        floats[WINDOW_DOUBT, p] = floats[DOUBT, p] if watched else ZERO
        floats[WINDOW_SUM, p] = floats[WINDOW_WEIGHT, p] = ZERO


def rest(s: State, p: Int) -> None:
    """Let the gate watch plate p, whose level is known."""
    s.ints[STATE, p] = STABLE
    s.floats[WATCHED, p] = ONE
    s.ints[RUN_UP, p] = s.ints[RUN_DOWN, p] = 0
    for i in (UP, DOWN, OLDER_WEIGHT, NEWER_WEIGHT, WINDOW_DOUBT):
        s.floats[i, p] = ZERO
