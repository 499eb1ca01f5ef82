"""Records: what single plates did, and which of them belong together.

A record is one plate's change; an event is the set of records with its key. Records and events are few (whatever waits
to be final), so they are scanned.
"""
# ruff: noqa: F403, F405 - the names of the state, as in the core; mypy knows them

from typing import NamedTuple

from fusion.reference.segmentation_state import *
from fusion.reference.segmentation_steps import dip, step_tick
from fusion.reference.segmentation_window import calm, level_variance, noise_now, span

COMPILED = (
    "share",
    "distance",
    "delta",
    "changed",
    "member",
    "refine",
    "bond",
    "align",
    "find_event",
    "felt_by",
    "felt",
    "mark_cross_talk",
    "last_record",
    "record_below",
    "amend",
    "keep",
    "light",
    "doubtful",
)

NONE, PERHAPS, SURE = 0, 1, 2  # whether one facing carries both, or what stands over its edge


class Felt(NamedTuple):
    """What other plates, if near, moved while a record's plate did: cross-talk adds a share of it."""

    sum: Float  # g
    squares: Float  # g^2


def share(s: State, p: Int, q: Int) -> Bool:
    """Whether two plates carry one facing; without a planogram, whether an item can stand on both."""
    low, apart = min(p, q), distance(p, q)
    return 1 <= apart <= 31 and s.ints[SHARED, low] >> (apart - 1) & 1 == 1


def distance(a: Int, b: Int) -> Int:
    """Return how far apart two ticks or plates are."""
    return b - a if a < b else a - b


def delta(s: State, r: Int) -> Float:
    """Change that record r tells, g."""
    return s.record_floats[R_AFTER, r] - s.record_floats[R_BEFORE, r]


def changed(s: State, r: Int) -> Bool:
    """Whether record r tells of a change at all, or only of a push."""
    d = delta(s, r)
    return d * d > SIGNIFICANT * (s.record_floats[R_VAR_BEFORE, r] + s.record_floats[R_VAR_AFTER, r])


def member(s: State, key: Int, p: Int) -> Int:
    """Record of plate p in the event with that key; or -1."""
    for r in range(s.head[RECORDS]):
        if s.record_longs[R_EVENT, r] == key and s.record_longs[R_PLATE, r] == p:
            return r
    return -1


def refine(s: State, c: Config, p: Int) -> None:
    """Take the level of a plate that settled, as learned since: so much better is its record."""
    if s.ints[STATE, p] != STABLE:
        return
    for r in range(s.head[RECORDS]):
        if s.record_longs[R_PLATE, r] == p and s.record_longs[R_SETTLED, r] == s.longs[SETTLED, p]:
            s.record_floats[R_AFTER, r] = s.floats[LEVEL, p]
            s.record_floats[R_VAR_AFTER, r] = level_variance(s, c, p)


def bond(s: State, c: Config, p: Int, change: Change, step: Int, r: Int) -> Int:
    """Whether a change of plate p at `step` is part of what record r tells; cross-talk is no part."""
    longs = s.record_longs
    q, late = longs[R_PLATE, r], distance(step, longs[R_STEP, r])
    if p == q or s.ints[GROUP, p] != s.ints[GROUP, q]:
        return NONE
    a, b = change.after - change.before, delta(s, r)
    if share(s, p, q):
        # The step of what is small is not seen well, but that it moved then is.
        vague = abs(a) < TWO * c.half_item_g or abs(b) < TWO * c.half_item_g
        if late <= (2 * c.join if vague else c.join):
            return SURE
        mine = abs(a) < c.half_item_g and change.first <= longs[R_STEP, r] and longs[R_STEP, r] <= change.quiet
        its = abs(b) < c.half_item_g and longs[R_FIRST, r] <= step and step <= longs[R_QUIET, r]
        return SURE if mine or its else NONE
    least = abs(a) if abs(a) < abs(b) else abs(b)
    most = abs(b) if abs(a) < abs(b) else abs(a)
    over = distance(p, q) == 1 and late <= c.coincide and a * b > ZERO and least > OVERHANG * most
    return PERHAPS if over else NONE


def align(s: State, c: Config, p: Int, change: Change) -> Int:
    """Tick at which a change of plate p steps: when a plate of its facing did, if it moved then by most of its change.

    A hand that was there before, or stayed, hides when its own load came or went.
    """
    aligned, far = max(change.step, change.first), c.quick + c.coincide
    whole = change.after - change.before
    for r in range(s.head[RECORDS]):
        q, step = s.record_longs[R_PLATE, r], s.record_longs[R_STEP, r]
        if s.ints[GROUP, p] != s.ints[GROUP, q] or not share(s, p, q) or delta(s, r) * whole <= ZERO:
            continue
        if distance(step, aligned) <= c.join or step < change.first - c.block or step > change.quiet:
            continue
        if step - far < oldest(s) or step + far > s.head[TICK]:
            continue
        then, now = span(s, c, p, step - far, step - c.quick), span(s, c, p, step + c.quick, step + far)
        if then.count > 0 and now.count > 0 and (now.mean - then.mean) / whole > ONE - SLACK:
            aligned = step
    return aligned


def find_event(s: State, c: Config, p: Int, change: Change, step: Int) -> Int:
    """Key of the pending event that a change of plate p joins, or -1: the surest, then the one of the nearest step."""
    best, nearest, surest = -1, NEVER, PERHAPS
    for r in range(s.head[RECORDS]):
        sure, late = bond(s, c, p, change, step, r), distance(step, s.record_longs[R_STEP, r])
        if sure < surest or (sure == surest and late >= nearest):
            continue
        own = member(s, s.record_longs[R_EVENT, r], p)
        if own >= 0 and changed(s, own):
            continue
        best, nearest, surest = s.record_longs[R_EVENT, r], late, sure
    return best


def felt_by(s: State, c: Config, q: Int, r: Int) -> Bool:
    """Whether record r's plate may have felt what record q tells."""
    longs = s.record_longs
    p, apart = longs[R_PLATE, r], distance(longs[R_PLATE, q], longs[R_PLATE, r])
    near = apart != 0 and apart <= REACH and s.ints[GROUP, longs[R_PLATE, q]] == s.ints[GROUP, p]
    begun = longs[R_FIRST, q] <= longs[R_QUIET, r] + c.block and longs[R_FIRST, r] <= longs[R_QUIET, q] + c.block
    return near and begun


def felt(s: State, c: Config, r: Int) -> Felt:
    """Sum up what moved near record r's plate."""
    total, squares = s.record_floats[R_FELT_SUM, r], s.record_floats[R_FELT_SQUARES, r]
    for q in range(s.head[RECORDS]):
        if felt_by(s, c, q, r):
            d = delta(s, q)
            total += d
            squares += d * d
    return Felt(total, squares)


def mark_cross_talk(s: State, c: Config, p: Int) -> None:
    """Mark records near plate p, which just changed, of the sign of what moved near them and no more than cross-talk.

    They stay marked.
    """
    for r in range(s.head[RECORDS]):
        if distance(s.record_longs[R_PLATE, r], p) > REACH:
            continue
        near, d = felt(s, c, r).sum, delta(s, r)
        if d * near > ZERO and abs(d) <= CROSS_TALK * abs(near):
            s.record_longs[R_FELT, r] = 1


def last_record(s: State, p: Int) -> Int:
    """Record of the change by which plate p came to the level where it was settled last, if it is not final; or -1."""
    for r in range(s.head[RECORDS]):
        if s.record_longs[R_PLATE, r] == p and s.record_longs[R_SETTLED, r] == s.longs[SETTLED, p]:
            return r
    return -1


def record_below(s: State, r: Int) -> Int:
    """Record of the load that came just before record r's, and stands or falls with it; or -1."""
    for q in range(r - 1, -1, -1):
        same = s.record_longs[R_PLATE, q] == s.record_longs[R_PLATE, r]
        if same and s.record_longs[R_SETTLED, q] == LEANS_ON_NEXT:
            return q
    return -1


def amend(s: State, c: Config, r: Int, after: Float, var_after: Float) -> None:
    """Let record r end at another level than it seemed to."""
    s.record_longs[R_MOVED, r] = 1
    s.record_floats[R_AFTER, r] = after
    s.record_floats[R_VAR_AFTER, r] = var_after
    for e in range(s.head[EVENTS]):
        if s.event_longs[E_KEY, e] == s.record_longs[R_EVENT, r]:
            s.event_longs[E_SETTLED_NS, e] = time(s, s.head[TICK])
            s.event_longs[E_CHANGED, e] = 1
    mark_cross_talk(s, c, s.record_longs[R_PLATE, r])


def keep(s: State, c: Config, p: Int, r: Int, w: Calm, quiet: Int, var_after: Float, quality: Float) -> None:
    """Settle record r anew: the plate came back to about its level.

    Where a hand let go meanwhile, what it came to was not there before.
    """
    longs, tick = s.record_longs, s.head[TICK]
    before = s.record_floats[R_BEFORE, r] - s.floats[LEVEL, p]
    first = max(s.longs[WOKEN, p], oldest(s))
    depth, swing = dip(s, p, first, tick), s.floats[PEAK, p]
    if -depth > swing:
        swing = -depth
    swung = swing > HALF * delta(s, r) and swing * swing > SIGNIFICANT * w.spread
    if longs[R_UNEASY, r] >= 2 and delta(s, r) > ZERO and swung:
        step = step_tick(s, c, p, first, tick, before, w.mean, w.spread)
        longs[R_STEP, r] = step
        longs[R_STEP_NS, r] = time(s, min(step, tick))
    longs[R_UNEASY, r] += 1
    longs[R_QUIET, r] = quiet
    longs[R_SETTLED, r] = tick
    longs[R_END_NS, r] = time(s, tick)
    s.record_floats[R_QUALITY, r] = quality
    amend(s, c, r, s.floats[LEVEL, p] + w.mean, var_after)


def light(s: State, r: Int) -> Bool:
    """Whether record r is part of a load that a resting hand may weigh."""
    longs, total = s.record_longs, ZERO
    if delta(s, r) <= ZERO:
        return False
    for q in range(s.head[RECORDS]):
        if longs[R_EVENT, q] == longs[R_EVENT, r] and (q == r or share(s, longs[R_PLATE, q], longs[R_PLATE, r])):
            total += delta(s, q)
    return total < HAND_G


def doubtful(s: State, c: Config, r: Int) -> Bool:
    """Whether a load that came may still be a hand: it moves again, or does not keep its level, or is leant on.

    No hand pulls, so what went is gone.
    """
    longs, tick, p = s.record_longs, s.head[TICK], s.record_longs[R_PLATE, r]
    if longs[R_SETTLED, r] == -1 or not light(s, r):
        return False
    last = last_record(s, p)
    if last < 0 if longs[R_SETTLED, r] == LEANS_ON_NEXT else last != r:
        return False
    if s.ints[STATE, p] != STABLE:
        return True
    since = tick - longs[R_SETTLED, last]
    if longs[R_UNEASY, r] and since < 2 * c.steady * c.block:
        return True
    half = (since // c.block + c.settle if since < c.steady * c.block else c.steady) // 2
    if since > c.hold * c.block or s.ints[EMPTY, p] > 0:
        return False
    if tick // c.block % LOOK != 0:
        return True  # a look costs, and three blocks more tell little
    noise = noise_now(s, c, p)
    now = calm(s, c, p, half, tick, QUIET * noise)
    if now.count == 0:
        return True
    then = calm(s, c, p, half, tick - half * c.block, QUIET * noise)
    if then.count == 0:
        return True
    trend = now.mean - then.mean
    return trend * trend > TREND * s.floats[INFLATION, p] * noise * (ONE / now.weight + ONE / then.weight)
