"""Windows of a plate's last samples: means, spreads, and what noise allows."""

from fusion.reference.segmentation_state import (
    LEVEL,
    LIMIT_G,
    MEAN_NOISE,
    NOISE,
    ONE,
    TICK,
    ZERO,
    Config,
    F,
    Float,
    Int,
    State,
    sample_row,
)

COMPILED = ("moments", "parts", "mean_between", "held", "quantum", "step_tick", "noise_now")


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
