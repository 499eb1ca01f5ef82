"""When a plate's load came or went: the steps of one woken plate from its level to another, read from the history.

Source: the most probable step between two known levels (Hinkley, Biometrika 57, 1970). Hands push and never pull, and
items come and go within 0.1 s: that tells a load from the hand that moves it. All values are less the plate's level.
"""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

import numpy as np

from fusion.reference.segmentation_state import *
from fusion.reference.segmentation_window import Span, moved, noise_now, span

COMPILED = (
    "slide",
    "last_outside",
    "first_below",
    "probable_tick",
    "step_tick",
    "sharp",
    "dip",
    "plateau",
    "twofold",
    "no_steps",
    "find_steps",
)


def slide(
    s: State, p: Int, first: Int, n: Int, t: Int, about: Float, total: Float, count: Float
) -> tuple[Float, Float, Bool]:
    """Let tick t enter a sum of n samples less `about`, and tick t - n leave; whether their mean is known."""
    level = s.floats[LEVEL, p]
    x = sample(s, p, t) - level
    if x == x:
        total += x - about
        count += ONE
    if t - n >= first:
        old = sample(s, p, t - n) - level
        if old == old:
            total -= old - about
            count -= ONE
    return total, count, t - first + 1 >= n and count > ZERO


def last_outside(s: State, p: Int, first: Int, last: Int, after: Float, band: Float, n: Int) -> Int:
    """Tick after which the mean of n samples was never again farther than `band` from `after`; the middle of the n."""
    total, count, outside = ZERO, ZERO, first
    for t in range(first, last + 1):
        total, count, known = slide(s, p, first, n, t, after, total, count)
        if known and abs(total / count) > band:
            outside = t + 1 - n // 2
    return outside


def first_below(s: State, p: Int, first: Int, last: Int, level: Float, n: Int) -> Int:
    """Tick from which on the mean of n samples was below `level` for the first time; the middle of the n."""
    total, count = ZERO, ZERO
    for t in range(first, last + 1):
        total, count, known = slide(s, p, first, n, t, level, total, count)
        if known and total / count < ZERO:
            return t + 1 - n // 2
    return first


def probable_tick(s: State, p: Int, first: Int, last: Int, before: Float, after: Float) -> Int:
    """Return the most probable tick of a step between two known levels."""
    middle, half, sign = HALF * (before + after), HALF * abs(after - before), ONE if after > before else -ONE
    total, best, probable = ZERO, ZERO, first
    for t in range(first, last + 1):
        d = sign * (middle - (sample(s, p, t) - s.floats[LEVEL, p]))
        if d == d:
            total += (d if d > -half else -half) if d < half else half
            if total > best:
                best = total
                probable = t + 1
    return probable


def step_tick(s: State, c: Config, p: Int, first: Int, last: Int, before: Float, after: Float, spread: Float) -> Int:
    """Tick from which on a load was gone, or there, among first..last, if the plate went from `before` to `after`.

    A plate that is below is empty, whatever presses on it later, and what rests on it in the end was not there while it
    was elsewhere. The noisier the plate, the longer the means that are looked at; where noise hides the step all the
    same, the most probable tick for two known levels.
    """
    middle, half = HALF * (before + after), HALF * abs(after - before)
    band = TWO * PART * half
    lasted = s.head[TICK] - s.longs[WOKEN, p] > 2 * c.calm  # a hand may have been there
    shows = half * half > CLIP * spread
    if not shows and not (lasted and half * half > CLIP * (noise_now(s, c, p) + c.leak * spread)):
        return probable_tick(s, p, first, last, before, after)
    n = 2 if shows else c.block
    if after < before:
        return first_below(s, p, first, last, middle, n)
    crossing = last_outside(s, p, first, last, after, half, n)
    arrival = last_outside(s, p, first, last, after, band, c.block)
    if not shows or arrival - crossing <= 2 * c.join:
        return crossing
    # A hand of nearly the load's weight was there before, unless the load lay there alone for a while.
    for t in range(crossing + c.plateau, arrival, c.plateau):
        alone = span(s, c, p, t - c.plateau, t - 1)
        off, noise = abs(alone.mean - after), noise_now(s, c, p) + c.leak * alone.spread
        if alone.count > 0 and (off < FLAT * half or off * off < NOTICEABLE * noise):
            return crossing
    return arrival


def sharp(s: State, c: Config, p: Int, step: Int, before: Float, after: Float, spread: Float) -> Bool:
    """Whether a load came at once, as items do and bodies that lean do not."""
    first = max(step - c.quick - c.coincide, oldest(s))
    ahead = span(s, c, p, first, step - c.quick - 1)
    short_of = (ONE - RISE) * abs(after - before) - abs(ahead.mean - after)
    at_once = short_of <= ZERO or short_of * short_of <= CLIP * spread / F(c.coincide)
    return after < before or ahead.count == 0 or at_once


def dip(s: State, p: Int, first: Int, last: Int) -> Float:
    """How deep two samples in a row went below the plate's level, g; 0 if they did not."""
    deepest, before = ZERO, FAR
    for t in range(max(first, oldest(s)), last + 1):
        x = sample(s, p, t) - s.floats[LEVEL, p]
        if x == x:
            higher = x if x > before else before
            deepest = higher if higher < deepest else deepest
            before = x
    return deepest


def plateau(s: State, c: Config, p: Int, last: Int, before: Float, after: Float, spread: Float) -> tuple[Bool, Span]:
    """Whether a stretch is a plateau between two changes of one plate: flat, and far from both levels.

    Between two levels it may ring; below both it must be flatter and longer; above both it is a hand, which pushes and
    never pulls.
    """
    found = span(s, c, p, last - c.plateau + 1, last)
    if 2 * found.count < c.plateau or found.count < 3:
        return False, found
    up, on, size = found.mean - before, after - found.mean, abs(after - before)
    ringing = FLAT * up if abs(up) > abs(on) else FLAT * on
    if up * on <= ZERO:
        if up > ZERO:
            return False, found
        found = span(s, c, p, last - c.plateau - c.plateau // 2 + 1, last)
        ringing = ZERO
    noise = FOUR * spread + c.floor_g * c.floor_g
    least = APART * size if up * on > ZERO and APART * size > c.half_item_g else c.half_item_g
    nearest = abs(up) if abs(up) < abs(on) else abs(on)
    flat = found.spread <= noise + ringing * ringing
    return flat and nearest >= least and nearest * nearest > SIGNIFICANT * noise / F(found.count), found


def twofold(s: State, c: Config, p: Int, first: Int, last: Int, after: Float, spread: Float, steps: Steps) -> Bool:
    """Whether what seems one change is two that are too close for a plateau; fills in the first of them.

    The plate lingers between the levels for longer than a step takes.
    """
    sign, size = ONE if after > ZERO else -ONE, abs(after)
    left, came, run = -1, -1, 0
    for t in range(first, last + 1):
        x = sign * (sample(s, p, t) - s.floats[LEVEL, p])
        if x == x:
            run = run + 1 if x > PART * size else 0
            if left < 0 and run == 2:
                left = t - 1
            if x < (ONE - PART) * size:
                came = t + 1
    edge = c.quick // 2
    if left <= first + 1 or came - left < 2 * c.quick or came - left > c.plateau + 2 * c.join:
        return False
    middle = span(s, c, p, left + edge, came - 1 - edge)
    one, other = sign * middle.mean, size - sign * middle.mean
    least = one if one < other else other
    if middle.count < 3 or least < PART * size or least * least < SIGNIFICANT * spread:
        return False
    total, count, most, end = ZERO, ZERO, ZERO, ZERO
    for t in range(left + edge, came - edge):
        total, count, known = slide(s, p, left + edge, edge, t, ZERO, total, count)
        if known:
            end = sign * (total / count)
            most = end if end > most else most
    if end < LINGERS * most:  # a push that comes and goes
        return False
    if not sharp(s, c, p, left, ZERO, middle.mean, spread) or not sharp(s, c, p, came, middle.mean, after, spread):
        return False
    steps.tick[0], steps.end[0] = left, came - edge
    steps.after[0], steps.variance[0] = middle.mean, middle.spread
    return True


def no_steps() -> Steps:
    """Return a store for steps."""
    n = MOST_STEPS
    return Steps(
        0,
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
    )


def find_steps(s: State, c: Config, p: Int, quiet: Int, after: Float, spread: Float) -> Steps:
    """Return the steps of a plate from its level over plateaus to `after`, where it is from tick `quiet` on."""
    steps = no_steps()
    woken, tick = s.longs[WOKEN, p], s.head[TICK]
    begin = max(woken - c.coincide, oldest(s))
    start, first, before, k = begin, woken, ZERO, 0
    # After long a hand was there, and what looks like a plateau is its.
    look = moved(s, c, p) and tick - woken <= 3 * c.calm
    t = begin + c.plateau + c.plateau // 2 - 1
    while look and t + 1 < quiet and k + 1 < MOST_STEPS:
        t += 1
        is_flat, flat = plateau(s, c, p, t, before, after, spread)
        if not is_flat:
            continue
        from_ = t - c.plateau + 1
        keep = TWO * np.sqrt(spread) + FLAT * abs(flat.mean - before)
        while t + 1 < quiet:
            lasts, longer = plateau(s, c, p, t + 1, before, after, spread)
            if not lasts or not abs(longer.mean - flat.mean) <= keep:
                break
            t += 1
        flat = span(s, c, p, from_, t)
        came = step_tick(s, c, p, start, t, before, flat.mean, spread)
        went = step_tick(s, c, p, from_, tick, flat.mean, after, spread)
        if from_ - came > c.join or went - t > c.join or not sharp(s, c, p, came, before, flat.mean, spread):
            continue
        if not sharp(s, c, p, went, flat.mean, after, spread):
            continue
        if after > flat.mean and dip(s, p, t, went) < flat.mean - LETS_GO * (flat.mean - before):
            continue
        steps.first[k], steps.tick[k], steps.end[k] = first, came, t
        steps.after[k], steps.variance[k] = flat.mean, flat.spread
        first, before, start = t, flat.mean, from_
        k += 1
        t += c.plateau
    if k == 0 and look and abs(after) > c.half_item_g and twofold(s, c, p, begin, quiet, after, spread, steps):
        steps.first[0] = first
        first = start = steps.end[0]
        before = steps.after[0]
        k = 1
    steps.first[k], steps.end[k], steps.after[k] = first, tick, after
    steps.tick[k] = step_tick(s, c, p, start, tick, before, after, spread)
    return Steps(k + 1, steps.first, steps.tick, steps.end, steps.after, steps.variance)
