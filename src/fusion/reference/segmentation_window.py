"""The samples of one woken plate, read from the history: blocks, and what noise allows; values less its level."""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

from typing import NamedTuple

from fusion.reference.segmentation_state import *

COMPILED = ("span", "moved", "floored_noise", "level_variance", "noise_now", "calm", "quantum")


class Span(NamedTuple):
    """A stretch of a plate's samples."""

    mean: Float  # g
    spread: Float  # g^2
    count: Int


def span(s: State, c: Config, p: Int, first: Int, last: Int) -> Span:
    """Mean and variance of the samples of ticks first..last; one wild sample is left out, as the gate does."""
    level = s.floats[LEVEL, p]
    total, low, high, count = ZERO, FAR, -FAR, 0
    for t in range(first, last + 1):
        d = sample(s, p, t) - level
        if d == d:
            total += d
            low = d if d < low else low
            high = d if d > high else high
            count += 1
    if count == 0:
        return Span(ZERO, ZERO, 0)
    mean = total / F(count)
    extreme = high if high - mean > mean - low else low
    mean_rest = (total - extreme) / F(count - 1) if count > 1 else mean
    squares, squares_rest = ZERO, ZERO
    for t in range(first, last + 1):
        d = sample(s, p, t) - level
        if d == d:
            squares += (d - mean) * (d - mean)
            squares_rest += (d - mean_rest) * (d - mean_rest)
    gap = extreme - mean_rest
    squares_rest -= gap * gap
    spread_rest = squares_rest / F(count - 1) if count > 1 and squares_rest > ZERO else ZERO
    if count >= 4 and gap * gap > WILD * (spread_rest + c.floor_g * c.floor_g + s.floats[TREMOR, p]):
        return Span(mean_rest, spread_rest, count)
    return Span(mean, squares / F(count), count)


def moved(s: State, c: Config, p: Int) -> Bool:
    """Whether somebody pushed plate p since it woke; noise alone does not."""
    return s.floats[PEAK, p] >= c.half_item_g and s.floats[EXCESS, p] > EXCURSION


def floored_noise(s: State, c: Config, p: Int) -> Float:
    """Variance of a calm block's mean, g^2."""
    floor, noise = c.floor_g * c.floor_g, s.floats[NOISE, p]
    return noise if noise > floor else floor


def level_variance(s: State, c: Config, p: Int) -> Float:
    """Variance of plate p's level as it is known, g^2."""
    return s.floats[INFLATION, p] * floored_noise(s, c, p) * s.floats[DOUBT, p]


def noise_now(s: State, c: Config, p: Int) -> Float:
    """Noise of a block's mean when the fixture is as it is now, g^2."""
    return floored_noise(s, c, p) * (s.activity[0] * s.activity[0])


def calm(s: State, c: Config, p: Int, n: Int, end: Int, bound: Float) -> Calm:
    """Weigh the n blocks up to `end` as the gate does; count 0 as soon as their scatter exceeds `bound`."""
    r, most = noise_now(s, c, p), bound * F(n - 1)
    total, weight, squares, spread, count = ZERO, ZERO, ZERO, ZERO, 0
    for k in range(n):
        last = end - k * c.block
        b = span(s, c, p, last - c.block + 1, last)
        if 2 * b.count < c.block or b.count == 0:
            return Calm(ZERO, ZERO, ZERO, ZERO, 0)
        # Welford, weighted: the scatter about the mean without a second pass.
        w, before, d = r / (r + c.leak * b.spread), weight, b.mean - total
        weight += w
        total += d * (w / weight)
        squares += d * d * (w * before / weight)
        if squares > most:
            return Calm(ZERO, ZERO, ZERO, ZERO, 0)
        spread += b.spread
        count += b.count
    return Calm(total, weight, squares / F(n - 1), spread / F(n), count)


def quantum(s: State, c: Config, p: Int) -> Float:
    """Smallest step between successive samples: the converter's resolution; 0 if it is not to be seen."""
    tick = s.head[TICK]
    smallest, newer = FAR, sample(s, p, tick)
    for k in range(1, c.settle * c.block):
        older = sample(s, p, tick - k)
        d = abs(newer - older)
        if ZERO < d < smallest:
            smallest = d
        newer = older
    return smallest if smallest < c.half_item_g else ZERO
