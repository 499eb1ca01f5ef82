"""Changes in the level of a whole signal, exactly; what is solved and why stands in ``changepoints.hpp``.

Here every piece is looked at for every sample. Piece k of a room lies between the breakpoints k and k + 1.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Segments: TypeAlias = tuple[NDArray[np.int64], Array, Array, Array]

# Rows of a room: position and cost of a breakpoint; totals at a curve's birth, its cost among them; first sample.
X, V, A, B, D, START, ROWS = range(7)
# Entries of the totals: of weight, w z, w z^2.
REBASE = 256


def within(x: float, low: float, high: float) -> float:
    """Return x, or the end of [low, high] that is nearest."""
    x = low if x < low else x
    return high if x > high else x


def turns(q0: float, q1: float, low: float, high: float) -> bool:
    """Tell whether the lowest point of a curve lies in [low, high]."""
    return (q0 > 0.0) & (q0 * low <= q1) & (q1 <= q0 * high)


def dips(q0: float, q1: float, q2: float, low: float, high: float, level: float) -> bool:
    """Tell whether a curve costs less than `level` at its lowest point, and has that in [low, high]."""
    return turns(q0, q1, low, high) & (q0 * (q2 - level) < q1 * q1)


def put(out: Array, n: int, a: float, b: float, d: float, start: float, x: float, v: float) -> int:
    """Add a piece at the right that ends at x, where it costs v; return the number of pieces."""
    out[A, n], out[B, n], out[D, n], out[START, n] = a, b, d, start
    out[X, n + 1], out[V, n + 1] = x, v
    return n + 1


def clip(p: Array, n: int, t: Array, z: float, w: float, bound: float, out: Array) -> int:
    """Split at z - bound and z + bound; pieces beyond do not take the coming sample but its limit."""
    low, high = z - bound, z + bound
    w1, w2 = w * z, w * z * z - w * (bound * bound)
    out[X, 0], out[V, 0] = p[X, 0], p[V, 0]
    m = 0
    for k in range(n):
        a, b, d, start, left, right = p[A, k], p[B, k], p[D, k], p[START, k], p[X, k], p[X, k + 1]
        q0, q1, q2 = t[0] - a, t[1] - b, t[2] - d
        if left < low:
            end = min(low, right)
            cost = (q0 * end - 2.0 * q1) * end + q2 if low < right else p[V, k + 1]
            m = put(out, m, a + w, b + w1, d + w2, start, end, cost)
            left = end
        if left < right and left < high:
            end = min(high, right)
            cost = (q0 * end - 2.0 * q1) * end + q2 if high < right else p[V, k + 1]
            m = put(out, m, a, b, d, start, end, cost)
            left = end
        if left < right:
            m = put(out, m, a + w, b + w1, d + w2, start, right, p[V, k + 1])
    return m


def find_best(p: Array, n: int, t: Array) -> tuple[float, float, int]:
    """Return the lowest cost, its level and its piece; -1 if no piece has a lowest point."""
    best, best_level, core = np.inf, 0.0, -1
    for k in range(n):
        q0, q1, q2 = t[0] - p[A, k], t[1] - p[B, k], t[2] - p[D, k]
        if turns(q0, q1, p[X, k], p[X, k + 1]):
            level = q1 / q0
            cost = q2 - q1 * level
            if cost < best:
                best, best_level, core = cost, level, k
    return best, best_level, core


def append(
    out: Array, m: int, curve: Array, low: float, v_low: float, high: float, v_high: float, newest: Array
) -> int:
    """Add [low, high] of a curve at the right; what lies between is the newest candidate's."""
    if not low < high:
        return m
    if m > 0 and out[X, m] < low:
        m = put(out, m, newest[0], newest[1], newest[2], newest[3], low, newest[4])
    else:
        out[X, m], out[V, m] = low, v_low
    return put(out, m, curve[0], curve[1], curve[2], curve[3], high, v_high)


def prune(p: Array, n: int, t: Array, born: Array, reach: Array, newest: Array, out: Array) -> int:
    """Copy what costs at most ``newest[4]``, wherever that is; the newborn fills in at both ends."""
    level = newest[4]
    m = 0
    if reach[0] < p[X, 0]:
        m = append(out, m, born, reach[0], level, reach[1], level, newest)
    for k in range(n):
        low, high, v_low, v_high = p[X, k], p[X, k + 1], p[V, k], p[V, k + 1]
        q0, q1, q2 = t[0] - p[A, k], t[1] - p[B, k], t[2] - p[D, k]
        left, right = v_low > level, v_high > level
        if left and right:
            if not dips(q0, q1, q2, low, high, level):
                continue
        elif (left or right) and not q0 > 0.0:
            continue
        if left or right:
            square = q1 * q1 - q0 * (q2 - level)
            half, r = np.sqrt(square if square > 0.0 else 0.0), 1.0 / q0
            start, end = low, high
            if left:
                low, v_low = within((q1 - half) * r, start, end), level
            if right:
                high, v_high = within((q1 + half) * r, start, end), level
        m = append(out, m, p[A : START + 1, k], low, v_low, high, v_high, newest)
    if m == 0 or reach[1] > p[X, n]:
        apart = m == 0 or reach[0] > out[X, m]
        low, v_low = (reach[0], level) if apart else (out[X, m], out[V, m])
        m = append(out, m, born, low, v_low, reach[1], level, newest)
    return m


def rebase(p: Array, n: int, t: Array, shift: float, best: float) -> None:
    """Move the anchor by `shift` and tell costs from `best`; the totals start again from zero."""
    for k in range(n):
        q0, q1, q2 = t[0] - p[A, k], t[1] - p[B, k], t[2] - p[D, k]
        p[A, k], p[B, k] = -q0, -(q1 - q0 * shift)
        p[D, k] = -((q0 * shift - 2.0 * q1) * shift + q2 - best)
    for k in range(n + 1):
        p[X, k] -= shift
        p[V, k] -= best
    t[:] = 0.0


def solve(y: Array, weight: Array, penalty: float, bound: float, starts: NDArray[np.int64], levels: Array) -> None:
    """Find for every sample that weighs the last segment of the best segmentation up to it."""
    low, high = np.inf, -np.inf
    for i in range(len(y)):
        if weight[i] > 0.0:
            low, high = min(low, y[i]), max(high, y[i])
    margin = high - low + 1.0
    p, out, t = np.empty((ROWS, 64)), np.empty((ROWS, 64)), np.zeros(3)
    born, newest, reach = np.empty(4), np.empty(5), np.empty(2)
    anchor, best, since = low, 0.0, 0
    p[X, 0], p[V, 0] = low - margin - anchor, 0.0
    n = put(p, 0, 0.0, 0.0, 0.0, 0.0, high + margin - anchor, 0.0)
    for i in range(len(y)):
        w = weight[i]
        if not w > 0.0:
            continue
        if 2 * n + 16 >= p.shape[1]:
            wider = np.empty((ROWS, 2 * p.shape[1]))
            wider[:, : n + 1] = p[:, : n + 1]
            p, out = wider, np.empty_like(wider)
        z, before, level = y[i] - anchor, best, best + penalty
        born[0], born[1], born[2], born[3] = t[0], t[1], t[2] - level, i
        n = clip(p, n, t, z, w, bound, out)
        p, out = out, p
        t[0] += w
        t[1] += w * z
        t[2] += w * z * z
        best, best_level, core = find_best(p, n, t)
        if core < 0 or (best > level and (z < p[X, 0] or z > p[X, n])):
            best, best_level, starts[i] = level, z, i
        else:
            starts[i] = int(p[START, core])
        levels[i] = anchor + best_level
        for k in range(n + 1):
            e = z - p[X, k]
            p[V, k] += w * min(e * e, bound * bound)
        rise = best - before
        radius = min(np.sqrt(rise / w if rise > 0.0 else 0.0), bound)
        reach[0], reach[1] = z - radius, z + radius
        level = best + penalty
        newest[0], newest[1], newest[2], newest[3], newest[4] = t[0], t[1], t[2] - level, i + 1, level
        n = prune(p, n, t, born, reach, newest, out)
        p, out = out, p
        since += 1
        if since == REBASE:
            rebase(p, n, t, best_level, best)
            anchor += best_level
            best, since = 0.0, 0


def last_heavy(weight: Array, i: int) -> int:
    """Return the last sample up to i that weighs; -1 if there is none."""
    while i >= 0 and not weight[i] > 0.0:
        i -= 1
    return i


def refine(y: Array, weight: Array, level: float, square: float) -> tuple[float, float, float]:
    """Return the mean of what lies within the bound of `level`, the weight of that, and the loss of all samples."""
    total, moment, loss = 0.0, 0.0, 0.0
    for i in range(len(y)):
        e = y[i] - level
        if weight[i] > 0.0 and e * e < square:
            total += weight[i]
            moment += weight[i] * e
    level += moment / total
    for i in range(len(y)):
        e = y[i] - level
        if weight[i] > 0.0:
            loss += weight[i] * min(e * e, square)
    return level, total, loss


def segment(grams: Array, weights: Array, penalty_g2: float, bound_g: float) -> Segments:
    """Segment `grams` (n,), `weights` (n,) or (0,) for all ones.

    Returns the first samples, levels, weights within the bound and losses of the segments.
    """
    n, square = len(grams), bound_g * bound_g
    weight = np.where(np.isnan(grams), 0.0, weights if len(weights) else np.ones(n))
    last, levels = np.zeros(n, np.int64), np.zeros(n)
    solve(grams, weight, penalty_g2, bound_g, last, levels)

    end, count = last_heavy(weight, n - 1), 0
    while end >= 0:
        end, count = last_heavy(weight, last[end] - 1), count + 1
    start, level = np.empty(count, np.int64), np.empty(count)
    mass, loss = np.empty(count), np.empty(count)
    end = last_heavy(weight, n - 1)
    for k in range(count - 1, -1, -1):
        start[k], level[k] = last[end], levels[end]
        end = last_heavy(weight, last[end] - 1)
    for k in range(count):
        i = start[k]
        while i + 1 < n:
            e, f = grams[i] - level[k], grams[i] - level[k - 1] if k > 0 else 0.0
            if weight[i] > 0.0 and (e * e < square or f * f < square):
                break
            i += 1
        start[k] = i
    for k in range(count):
        stop = start[k + 1] if k + 1 < count else n
        level[k], mass[k], loss[k] = refine(grams[start[k] : stop], weight[start[k] : stop], level[k], square)
    return start, level, mass, loss


COMPILED = (
    "within",
    "turns",
    "dips",
    "put",
    "clip",
    "find_best",
    "append",
    "prune",
    "rebase",
    "solve",
    "last_heavy",
    "refine",
    "segment",
)
