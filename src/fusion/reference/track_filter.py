"""The filter behind a tracked person; what is believed and why stands in ``track_filter.hpp``.

A track is an array (27, 8), a column a joint: position (3), velocity (3), covariance of position (xx, xy, xz, yy, yz,
zz), of position (first) with velocity (9, row-major), and of velocity (6). ``habits`` is an array: `WALKING` to
`DOUBTFUL`, then lowest, highest and reach of people.
"""

import numpy as np

from fusion.reference.joints import Array, total
from fusion.reference.linalg import Three

WALKING, REACHING, STEERING, SWINGING, LOST, CONFIRM, JOIN, DOUBTFUL, PEOPLE = range(9)
REACH = PEOPLE + 2
ARMS = 4  # the joints from here on swing
PAIR_CAP = 25.0  # of a joint's squared Mahalanobis distance
PAIR_GATE = 10.0  # of their mean, which is 2; prediction errs for all joints together
JOINT_GATE = 16.0  # a joint's image farther off is not taken in
LARGEST_SCALE = 1e30  # of the determinant of a joint's innovation covariance

V, P, C, VV, ROWS = 3, 6, 12, 21, 27


def torso(a: Array) -> float:
    """Return the mean over head, neck and shoulders."""
    m: float = ((a[0] + a[2]) + (a[1] + a[3])) * 0.25
    return m


def predict(t: Array, dt: float, h: Array) -> None:
    """Move a track by `dt` seconds."""
    steady, swing = 1.0 / (1.0 + dt / h[STEERING]), 1.0 / (1.0 + dt / h[SWINGING])
    walk = (1.0 - steady * steady) * h[WALKING] * h[WALKING]
    reach = walk + (1.0 - swing * swing) * h[REACHING] * h[REACHING]
    mx, my, mz = torso(t[V]), torso(t[V + 1]), torso(t[V + 2])
    for j in range(8):
        a, qv = (steady, walk) if j < ARMS else (swing, reach)
        f, qc, qp = a * dt, qv * (0.5 * dt), qv * (dt * dt / 3.0)
        t[3, j] = steady * mx + a * (t[3, j] - mx)
        t[4, j] = steady * my + a * (t[4, j] - my)
        t[5, j] = steady * mz + a * (t[5, j] - mz)
        t[0, j] += t[3, j] * dt
        t[1, j] += t[4, j] * dt
        t[2, j] += t[5, j] * dt
        f2, ff, af, aa = f + f, f * f, a * f, a * a
        vxx, vxy, vxz, vyy, vyz, vzz = t[21, j], t[22, j], t[23, j], t[24, j], t[25, j], t[26, j]
        t[6, j] += f2 * t[12, j] + ff * vxx + qp
        t[9, j] += f2 * t[16, j] + ff * vyy + qp
        t[11, j] += f2 * t[20, j] + ff * vzz + qp
        t[7, j] += f * (t[13, j] + t[15, j]) + ff * vxy
        t[8, j] += f * (t[14, j] + t[18, j]) + ff * vxz
        t[10, j] += f * (t[17, j] + t[19, j]) + ff * vyz
        t[12, j] = a * t[12, j] + af * vxx + qc
        t[13, j] = a * t[13, j] + af * vxy
        t[14, j] = a * t[14, j] + af * vxz
        t[15, j] = a * t[15, j] + af * vxy
        t[16, j] = a * t[16, j] + af * vyy + qc
        t[17, j] = a * t[17, j] + af * vyz
        t[18, j] = a * t[18, j] + af * vxz
        t[19, j] = a * t[19, j] + af * vyz
        t[20, j] = a * t[20, j] + af * vzz + qc
        t[21, j] = aa * vxx + qv
        t[22, j] = aa * vxy
        t[23, j] = aa * vxz
        t[24, j] = aa * vyy + qv
        t[25, j] = aa * vyz
        t[26, j] = aa * vzz + qv


def compare(t: Array, s: Array, centre: Array, j: int) -> tuple[bool, float, float, Three, Three]:
    """Return whether a joint lies before the camera, its whitened residuals, and their derivatives by position."""
    x, y, z = t[0, j] - centre[0], t[1, j] - centre[1], t[2, j] - centre[2]
    depth = s[6, j] * x + s[7, j] * y + s[8, j] * z
    front = depth > 0.0
    r = 1.0 / (depth if front else 1.0)
    e0 = (s[0, j] * x + s[1, j] * y + s[2, j] * z) * r
    e1 = (s[3, j] * x + s[4, j] * y + s[5, j] * z) * r
    j0 = (s[0, j] - s[6, j] * e0) * r, (s[1, j] - s[7, j] * e0) * r, (s[2, j] - s[8, j] * e0) * r
    j1 = (s[3, j] - s[6, j] * e1) * r, (s[4, j] - s[7, j] * e1) * r, (s[5, j] - s[8, j] * e1) * r
    return front, e0, e1, j0, j1


def times(t: Array, h: Three, j: int) -> Three:
    """Return the covariance of a joint's position times a vector."""
    x, y, z = h
    return (
        t[6, j] * x + t[7, j] * y + t[8, j] * z,
        t[7, j] * x + t[9, j] * y + t[10, j] * z,
        t[8, j] * x + t[10, j] * y + t[11, j] * z,
    )


def dot(a: Three, b: Three) -> float:
    """Return the inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def distance(t: Array, e0: float, e1: float, j0: Three, j1: Three, j: int) -> tuple[float, float]:
    """Return a joint's squared Mahalanobis distance, and the determinant of its innovation covariance."""
    g0, g1 = times(t, j0, j), times(t, j1, j)
    s00, s01, s11 = dot(j0, g0) + 1.0, dot(j1, g0), dot(j1, g1) + 1.0
    det = s00 * s11 - s01 * s01
    return (s11 * e0 * e0 - (s01 + s01) * e0 * e1 + s00 * e1 * e1) / det, det


def first_joint(s: Array) -> int:
    """Return the first joint that a detection shows; 8 if none."""
    j = 0
    while j < 8 and not s[9, j] > 0.0:
        j += 1
    return j


def reachable(t: Array, s: Array, centre: Array, j: int, reach: float) -> bool:
    """Return whether joint `j` passes the track within a body's reach and what its covariance allows."""
    x, y, z = t[0, j] - centre[0], t[1, j] - centre[1], t[2, j] - centre[2]
    e0 = s[0, j] * x + s[1, j] * y + s[2, j] * z
    e1 = s[3, j] * x + s[4, j] * y + s[5, j] * z
    rows = s[0, j] * s[0, j] + s[1, j] * s[1, j] + s[2, j] * s[2, j]
    spread = t[6, j] + t[9, j] + t[11, j]
    return bool(e0 * e0 + e1 * e1 <= (reach * reach + PAIR_CAP * spread) * rows)


def pair_cost(t: Array, s: Array, centre: Array) -> float:
    """Return twice the negative log likelihood of a person's image a joint; infinite outside the gate."""
    count = total(s[9])
    if not count >= 2.0:
        return np.inf
    squares, scale = np.zeros(8), np.ones(8)
    for j in range(8):
        if not s[9, j] > 0.0:
            continue
        front, e0, e1, j0, j1 = compare(t, s, centre, j)
        square, det = distance(t, e0, e1, j0, j1, j)
        squares[j] = square if front & (square < PAIR_CAP) else PAIR_CAP
        scale[j] = det if det < LARGEST_SCALE else LARGEST_SCALE
    mean = total(squares) / count
    if not mean <= PAIR_GATE:
        return np.inf
    product = ((scale[0] * scale[4]) * (scale[2] * scale[6])) * ((scale[1] * scale[5]) * (scale[3] * scale[7]))
    return float(mean + np.log(product) / count)


def take_row(t: Array, h: Three, r: float, j: int) -> Three:
    """Take in one whitened row: residual `r`, derivative `h`. Return the move of the position."""
    g = times(t, h, j)
    k = (
        t[12, j] * h[0] + t[15, j] * h[1] + t[18, j] * h[2],
        t[13, j] * h[0] + t[16, j] * h[1] + t[19, j] * h[2],
        t[14, j] * h[0] + t[17, j] * h[1] + t[20, j] * h[2],
    )
    w = 1.0 / (dot(h, g) + 1.0)
    m = r * w
    row = 0
    for a in range(3):
        t[V + a, j] += k[a] * m
        for b in range(3):
            t[C + 3 * a + b, j] -= g[a] * (k[b] * w)
            if b >= a:
                t[P + row, j] -= g[a] * (g[b] * w)
                t[VV + row, j] -= k[a] * (k[b] * w)
                row += 1
    return g[0] * m, g[1] * m, g[2] * m


def update(t: Array, s: Array, centre: Array) -> None:
    """Take in a person's image, joint by joint as far as they lie within the gate."""
    for j in range(8):
        if not s[9, j] > 0.0:
            continue
        front, e0, e1, j0, j1 = compare(t, s, centre, j)
        square, _ = distance(t, e0, e1, j0, j1, j)
        if not front & (square < JOINT_GATE):
            continue
        x0, y0, z0 = take_row(t, j0, 0.0 - e0, j)
        x1, y1, z1 = take_row(t, j1, 0.0 - (e1 + dot(j1, (x0, y0, z0))), j)
        t[0, j] += x0 + x1
        t[1, j] += y0 + y1
        t[2, j] += z0 + z1


COMPILED = (
    "torso",
    "predict",
    "compare",
    "times",
    "dot",
    "distance",
    "first_joint",
    "reachable",
    "pair_cost",
    "take_row",
    "update",
)  # fmt: skip
