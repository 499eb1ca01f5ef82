"""What a plate goes through: it wakes, is watched closely while it moves, and settles; records tell what it did."""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

import numpy as np

from fusion.reference.segmentation_events import add_record
from fusion.reference.segmentation_gate import most_of, rest
from fusion.reference.segmentation_records import amend, changed, delta, keep, last_record, light, record_below, refine
from fusion.reference.segmentation_state import *
from fusion.reference.segmentation_steps import dip, find_steps, no_steps, sharp
from fusion.reference.segmentation_window import calm, level_variance, moved, noise_now, quantum, span

COMPILED = ("wake", "track_peak", "withdraw", "tell", "settle", "loud_alone", "try_settle")


def wake(s: State, c: Config, p: Int) -> None:
    """From STABLE to MOVING; the onset is where the mean shift since then is most probable.

    Page's and Romano's statistic at one time: the maximum over onsets of the squared sum over the count.
    """
    floats, ints, longs, tick = s.floats, s.ints, s.longs, s.head[TICK]
    run = ints[RUN_UP, p] if floats[UP, p] > floats[DOWN, p] else ints[RUN_DOWN, p]
    refine(s, c, p)
    first = max(tick - (min(run, 2 * c.settle) + 1) * c.block + 1, oldest(s))
    total, best, count, onset = ZERO, -ONE, ZERO, tick
    for t in range(first, tick + 1):
        d = sample(s, p, t) - floats[LEVEL, p]
        if d == d:
            total += d
            count += ONE
    for t in range(first, tick + 1):
        d = sample(s, p, t) - floats[LEVEL, p]
        if d == d:
            if total * total > best * count:
                best = total * total / count
                onset = t
            total -= d
            count -= ONE
    ints[STATE, p] = MOVING
    longs[WOKEN, p] = onset
    after_gap = s.head[GAP_TICK] >= 0 and onset < s.head[GAP_TICK] + c.block
    longs[START_NS, p] = s.head[GAP_NS] if after_gap else time(s, onset)
    for i in (WATCHED, UP, DOWN, PEAK, EXCESS):
        floats[i, p] = ZERO
    ints[RUN_UP, p] = ints[RUN_DOWN, p] = 0
    s.head[AWAKE] += 1


def track_peak(s: State, c: Config, p: Int) -> None:
    """Remember how far the plate was pushed, in grams and in standard deviations of the noise then."""
    low, high, least_z = FAR, -FAR, FAR
    for k in range(c.push_blocks):
        last = s.head[TICK] - k * c.block
        b = span(s, c, p, last - c.block + 1, last)
        if 2 * b.count < c.block or b.count == 0:
            return
        low = b.mean if b.mean < low else low
        high = b.mean if b.mean > high else high
        z = abs(b.mean) / np.sqrt(noise_now(s, c, p) + c.leak * b.spread)
        least_z = z if z < least_z else least_z
    push = low if low > ZERO else (-high if high < ZERO else ZERO)
    if push > s.floats[PEAK, p]:
        s.floats[PEAK, p] = push
    if push > ZERO and least_z > s.floats[EXCESS, p]:
        s.floats[EXCESS, p] = least_z


def withdraw(s: State, c: Config, p: Int, r: Int, mean: Float) -> tuple[Int, Float]:
    """Take back record r and the loads that came just before it, unless the plate went back to one of them: a hand.

    The plate's level is again the one before. Returns the record that it went back to, or -1, and `mean` less the
    level.
    """
    after = s.floats[LEVEL, p] + mean
    while True:
        below = record_below(s, r)
        before, variance = s.record_floats[R_BEFORE, r], s.record_floats[R_VAR_BEFORE, r]
        whole = after - before
        s.record_longs[R_SETTLED, r] = -1
        amend(s, c, r, before, variance)
        back = below >= 0 and whole * whole <= SIGNIFICANT * (variance + noise_now(s, c, p))
        if below < 0 or back or whole > ZERO:
            mean += s.floats[LEVEL, p] - before
            s.floats[LEVEL, p] = before
            s.floats[DOUBT, p] *= variance / level_variance(s, c, p)
            return below if back else -1, mean
        r = below


def tell(s: State, c: Config, out: Out, p: Int, n: Int, w: Calm, steps: Steps, scatter: Float, quality: Float) -> Float:
    """Make records of the steps of a plate that moved and settled on `w` over the last n blocks; its mean now.

    A load that came a short while ago was a hand, if the plate leaves it slowly, or for less, or the hand lets go
    first: hands push, wander and go. Then the change is counted from before the hand.
    """
    tick = s.head[TICK]
    quiet, r = tick - n * c.block + 1, last_record(s, p)
    q = quantum(s, c, p)
    coarse = q * q / F(12) if FOUR * w.spread < q * q else ZERO
    var_after = s.floats[INFLATION, p] * scatter / w.weight + coarse + (w.scatter if quality < QUALITY_LONG else ZERO)
    shown = quality * F(w.count) / F(n * c.block)
    if r >= 0 and (changed(s, r) or record_below(s, r) >= 0):
        more, up = abs(w.mean) >= c.half_item_g, light(s, r)
        at_ease = more and not s.record_longs[R_UNEASY, r]
        quick = steps.tick[0] - s.longs[WOKEN, p] <= c.join + c.quick
        lets_go = up and dip(s, p, s.longs[WOKEN, p], tick) < -LETS_GO * delta(s, r)
        same = r
        if more and up and not (at_ease and quick and steps.after[0] > ZERO and not lets_go):
            same, mean = withdraw(s, c, p, r, w.mean)
            w = Calm(mean, w.weight, w.scatter, w.spread, w.count)
            steps = find_steps(s, c, p, quiet, w.mean, w.spread)
        elif more:
            s.record_longs[R_SETTLED, r] = LEANS_ON_NEXT if up else -1
            same = -1
        if same >= 0:
            keep(s, c, p, same, w, quiet, var_after, shown)
            return w.mean
    before, var_before = ZERO, level_variance(s, c, p) + coarse
    if w.mean * w.mean <= NOTICEABLE * (var_before + var_after) and not moved(s, c, p):
        return w.mean
    for k in range(steps.count):
        last = k + 1 == steps.count
        end, after = steps.end[k], steps.after[k]
        settled = LEANS_ON_NEXT if after > before else -1
        var = var_after if last else steps.variance[k] + noise_now(s, c, p)
        add_record(
            s,
            c,
            out,
            p,
            Change(
                steps.first[k],
                steps.tick[k],
                quiet if last else end,
                end,
                tick if last else settled,
                before,
                after,
                var_before,
                var,
                shown if last else HALF * shown,
            ),
        )
        before, var_before = after, var
    return w.mean


def settle(s: State, c: Config, out: Out, p: Int, n: Int, w: Calm, steps: Steps, quality: Float) -> None:
    """From MOVING (or STARTING) to STABLE where the last n blocks are, `w`."""
    floats, ints, tick = s.floats, s.ints, s.head[TICK]
    factor = s.activity[0] * s.activity[0]
    r = noise_now(s, c, p)
    calm_r, mean = r / factor, w.mean
    # The scatter of few blocks says little: it is taken together with what is known, as if from five blocks.
    scatter = (FOUR * r + F(n - 1) * w.scatter) / (FOUR + F(n - 1))
    scatter = scatter if scatter > r else r
    if ints[STATE, p] == MOVING:
        mean = tell(s, c, out, p, n, w, steps, scatter, quality * np.sqrt(r / scatter))
    if ints[STATE, p] == STARTING:
        floats[NOISE, p] = TWO * w.scatter if TWO * w.scatter > START_NOISE else START_NOISE  # few blocks: be careful
        floats[TREMOR, p] = w.spread if w.spread > LEAST_NOISE else LEAST_NOISE
        ints[N_NOISE, p] = n
    elif quality < QUALITY_LONG:
        louder = w.scatter / factor
        floats[NOISE, p] = louder if louder > floats[NOISE, p] else floats[NOISE, p]
    elif not moved(s, c, p):  # what moved nothing was noise
        blocks = (tick - s.longs[WOKEN, p]) // c.block + 1
        k = c.settle if blocks < c.settle else min(blocks, c.steady)
        every = calm(s, c, p, k, tick, UNBOUNDED)
        known, seen = F(ints[N_NOISE, p]), F(k) if every.count > 0 else ZERO
        most, louder = QUIET * calm_r, every.scatter / factor
        floats[NOISE, p] += ((louder if louder < most else most) - floats[NOISE, p]) * (seen / (known + seen))
    floats[LEVEL, p] += mean
    floats[DOUBT, p] = scatter / calm_r / w.weight
    s.longs[SETTLED, p] = tick
    s.head[AWAKE] -= 1
    rest(s, p)


def loud_alone(s: State, c: Config, p: Int, spread: Float) -> Bool:
    """Whether plate p shakes by itself: a hand trembles on it. Where its shelf shakes too, it is the shelf."""
    loud = LOUD * (s.floats[TREMOR, p] + c.floor_g * c.floor_g)
    if spread <= loud:
        return False
    total, count = ZERO, ZERO
    for q in range(s.plates):
        if q != p and s.ints[GROUP, q] == s.ints[GROUP, p] and s.ints[STATE, q] == STABLE:
            total += s.floats[SPREAD, q] / s.floats[TREMOR, q]
            count += ONE
    shelf = total if total > count else count
    return count > ZERO and spread * count > loud * shelf


def try_settle(s: State, c: Config, out: Out, p: Int) -> None:
    """End MOVING if plate p is quiet at a level that it reached at once, or quiet for long, or has moved too long."""
    tick = s.head[TICK]
    blocks = (tick - s.longs[WOKEN, p]) // c.block + 1
    if s.ints[STATE, p] == STARTING:
        w = calm(s, c, p, 2 * c.settle, tick, UNBOUNDED)
        steady = w.scatter <= LOUD * calm(s, c, p, c.settle, tick, UNBOUNDED).scatter + c.floor_g * c.floor_g
        if w.count > 0 and (steady or blocks >= 2 * c.steady):
            settle(s, c, out, p, 2 * c.settle, w, no_steps(), ONE)
        return
    track_peak(s, c, p)
    most = QUIET * noise_now(s, c, p)
    w = calm(s, c, p, c.settle, tick, most)
    if w.count > 0 and not loud_alone(s, c, p, w.spread):
        steps = find_steps(s, c, p, tick - c.settle * c.block + 1, w.mean, w.spread)
        k = steps.count - 1
        if sharp(s, c, p, steps.tick[k], steps.after[k - 1] if k else ZERO, w.mean, w.spread):
            settle(s, c, out, p, c.settle, w, steps, ONE)
            return
    if blocks < c.steady:
        return
    # A load that is too heavy for a hand may make its plate louder.
    size = abs(s.floats[MEAN, p])
    still = STILL_SHARE * size if size > HAND_G else ZERO
    w = calm(s, c, p, c.steady, tick, most_of(most, still * still) if blocks < c.hold else UNBOUNDED)
    if w.count == 0:
        return
    steps = find_steps(s, c, p, tick - c.steady * c.block + 1, w.mean, w.spread)
    settle(s, c, out, p, c.steady, w, steps, QUALITY_LONG if w.scatter <= most else QUALITY_FORCED)
