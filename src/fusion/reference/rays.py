"""Rays of eight joints: how far two pass each other, and the body nearest to many; ``rays.hpp`` says why.

A ray is an array (6, 8): direction (3), variance across it per squared range, 1 where seen, variance where it leaves
the heights where people are. A body is an array (90,): position (3, 8), rays that fix each joint (8), covariance (6, 8:
xx, xy, xz, yy, yz, zz), mean variance (8), cost, degrees of freedom. ``people``: lowest, highest, reach.
"""

import numpy as np

from fusion.reference.joints import Array, total
from fusion.reference.linalg import Six, factor, inverse, solve

CAP = 16.0  # of a squared distance over its variance: a wrong joint is no worse
MEAN_GATE = 4.0  # of the mean of 1 that chance gives a body; detectors err together
FIT_GATE = 8.0  # the same in two directions
FARTHEST = 1e3  # m
PARALLEL = 1e-4  # squared sine of the angle below which two rays tell no place
THREE = 3.0  # standard deviations of slack where a body is checked

S2, RAY_LIVE, WIDEST, RAY = 3, 4, 5, 6
RAYS, COVARIANCE, OWN = 3, 4, 10
COST, DOF, BODY = 88, 89, 90


def rows_of(body: Array) -> Array:
    """Return the rows of a body, (11, 8), as they lie."""
    return body[:COST].reshape(11, 8)


def aim(s: Array, centre: Array, people: Array, ray: Array) -> None:
    """Write the rays of a sighting."""
    for j in range(8):
        nx = s[1, j] * s[5, j] - s[2, j] * s[4, j]
        ny = s[2, j] * s[3, j] - s[0, j] * s[5, j]
        nz = s[0, j] * s[4, j] - s[1, j] * s[3, j]
        length = np.sqrt(nx * nx + ny * ny + nz * nz) + (1.0 - s[9, j])
        slope = s[6, j] * nx + s[7, j] * ny + s[8, j] * nz
        r = (-1.0 if slope < 0.0 else 1.0) / length  # an image may be mirrored
        dx, dy, dz = nx * r, ny * r, nz * r
        ray[0, j], ray[1, j], ray[2, j] = dx, dy, dz
        ray[S2, j] = (s[6, j] * dx + s[7, j] * dy + s[8, j] * dz) / length
        ray[RAY_LIVE, j] = s[9, j]
        far = (people[0] - centre[2]) / dz if dz < 0.0 else (people[1] - centre[2]) / dz
        reach = far if (far > 0.0) & (far < FARTHEST) else FARTHEST
        ray[WIDEST, j] = reach * reach * ray[S2, j]


def near(a: Array, b: Array, base: Array, spread: float) -> bool:
    """Return whether no two joints pass each other at more than the noise allows anywhere."""
    apart = np.zeros(8)
    for j in range(8):
        cx = a[1, j] * b[2, j] - a[2, j] * b[1, j]
        cy = a[2, j] * b[0, j] - a[0, j] * b[2, j]
        cz = a[0, j] * b[1, j] - a[1, j] * b[0, j]
        across = cx * base[0] + cy * base[1] + cz * base[2]
        variance = a[WIDEST, j] + b[WIDEST, j] + spread
        if across * across > CAP * variance * (cx * cx + cy * cy + cz * cz):
            apart[j] = a[RAY_LIVE, j] * b[RAY_LIVE, j]
    return total(apart) < 2.0


def cross(a: Array, b: Array, base: Array, j: int) -> tuple[float, float, float, float]:
    """Return the ranges at which two rays are nearest, the squared sine of their angle, and base . (da x db)."""
    cx = a[1, j] * b[2, j] - a[2, j] * b[1, j]
    cy = a[2, j] * b[0, j] - a[0, j] * b[2, j]
    cz = a[0, j] * b[1, j] - a[1, j] * b[0, j]
    square = cx * cx + cy * cy + cz * cz
    along = a[0, j] * b[0, j] + a[1, j] * b[1, j] + a[2, j] * b[2, j]
    ta = a[0, j] * base[0] + a[1, j] * base[1] + a[2, j] * base[2]
    tb = b[0, j] * base[0] + b[1, j] * base[1] + b[2, j] * base[2]
    safe = square if square > PARALLEL else 1.0
    across = cx * base[0] + cy * base[1] + cz * base[2]
    return (ta - along * tb) / safe, (along * ta - tb) / safe, square, across


def ray_cost(a: Array, b: Array, ca: Array, cb: Array, spread: float, people: Array) -> float:
    """Return the mean squared distance over variance of the joints that both see; infinite below two that tell."""
    cost, lives = np.zeros(8), np.zeros(8)
    for j in range(8):
        range_a, range_b, square, across = cross(a, b, cb - ca, j)
        if not ((square > PARALLEL) & (a[RAY_LIVE, j] * b[RAY_LIVE, j] > 0.0)):
            continue
        variance = range_a * range_a * a[S2, j] + range_b * range_b * b[S2, j] + spread
        t = across * across / (square * variance)
        height = 0.5 * (ca[2] + range_a * a[2, j] + cb[2] + range_b * b[2, j])
        slack = THREE * np.sqrt(variance / square)
        there = (range_a > 0.0) & (range_b > 0.0) & (height > people[0] - slack) & (height < people[1] + slack)
        lives[j] = 1.0
        cost[j] = t if there & (t < CAP) else CAP
    count = total(lives)
    if not count >= 2.0:
        return np.inf
    return total(cost) / count


def midpoints(a: Array, b: Array, ca: Array, cb: Array) -> Array:
    """Return the midpoints of two rays, (3, 8)."""
    x = np.empty((3, 8))
    for j in range(8):
        range_a, range_b, _, _ = cross(a, b, cb - ca, j)
        for k in range(3):
            x[k, j] = 0.5 * (ca[k] + cb[k] + range_a * a[k, j] + range_b * b[k, j])
    return x


def add_ray(ray: Array, centre: Array, spread: float, x: Array, s: Array) -> None:
    """Add a ray's equations, written from ``x``, to the sums (12, 8): xx to zz, g (3), k, rays, behind."""
    for j in range(8):
        cx, cy, cz = centre[0] - x[0, j], centre[1] - x[1, j], centre[2] - x[2, j]
        dx, dy, dz, live = ray[0, j], ray[1, j], ray[2, j], ray[RAY_LIVE, j]
        reach = 0.0 - (dx * cx + dy * cy + dz * cz)
        px, py, pz = cx + dx * reach, cy + dy * reach, cz + dz * reach
        w = live / (reach * reach * ray[S2, j] + spread if live > 0.0 else 1.0)
        wx, wy, wz = w * dx, w * dy, w * dz
        s[0, j] += w - wx * dx
        s[1, j] -= wx * dy
        s[2, j] -= wx * dz
        s[3, j] += w - wy * dy
        s[4, j] -= wy * dz
        s[5, j] += w - wz * dz
        s[6, j] += w * px
        s[7, j] += w * py
        s[8, j] += w * pz
        s[9, j] += w * (px * px + py * py + pz * pz)
        s[10, j] += live
        s[11, j] += 0.0 if reach > 0.0 else live


def solve_joint(s: Array, j: int) -> tuple[bool, float, float, float, Six]:
    """Return whether two rays or more fix the joint, where from the start, and its covariance."""
    h: Six = (s[0, j], s[1, j], s[2, j], s[3, j], s[4, j], s[5, j])
    f, definite = factor(h)
    x, y, z = solve(f, s[6, j], s[7, j], s[8, j])
    return definite & (s[10, j] > 1.0), x, y, z, inverse(f)


def solve_body(s: Array, start: Array, body: Array) -> None:
    """Write the body nearest to the rays summed up from ``start``; a joint that no two rays fix lies in the middle."""
    b = rows_of(body)
    b[:] = 0.0
    dof, cost, fixed = np.zeros(8), np.zeros(8), np.zeros(8)
    for j in range(8):
        found, x, y, z, covariance = solve_joint(s, j)
        if not found:
            continue
        fixed[j] = 1.0
        b[0, j], b[1, j], b[2, j] = start[0, j] + x, start[1, j] + y, start[2, j] + z
        b[RAYS, j] = s[10, j]
        for k in range(6):
            b[COVARIANCE + k, j] = covariance[k]
        b[OWN, j] = (covariance[0] + covariance[3] + covariance[5]) / 3.0
        dof[j] = s[10, j] + s[10, j] - 3.0
        most = CAP * dof[j]
        square = s[9, j] - (s[6, j] * x + s[7, j] * y + s[8, j] * z)
        cost[j] = square if (square < most) & (not s[11, j] > 0.0) else most
    body[DOF], body[COST] = total(dof), total(cost)
    joints = total(fixed)
    r = 1.0 / (joints if joints > 0.0 else 1.0)
    for k in range(3):
        middle = total(b[k]) * r
        for j in range(8):
            if fixed[j] == 0.0:
                b[k, j] = middle


def fit_cost(ray: Array, centre: Array, spread: float, body: Array) -> float:
    """Return the mean squared distance of a person's rays from a body, over the variance of both."""
    b = rows_of(body)
    cost, lives, beyond = np.zeros(8), np.zeros(8), np.zeros(8)
    cap = 2.0 * CAP
    for j in range(8):
        if not (b[RAYS, j] > 1.0) & (ray[RAY_LIVE, j] > 0.0):
            continue
        cx, cy, cz = b[0, j] - centre[0], b[1, j] - centre[1], b[2, j] - centre[2]
        reach = ray[0, j] * cx + ray[1, j] * cy + ray[2, j] * cz
        px, py, pz = cx - ray[0, j] * reach, cy - ray[1, j] * reach, cz - ray[2, j] * reach
        variance = reach * reach * ray[S2, j] + spread + b[OWN, j]
        square = px * px + py * py + pz * pz
        lives[j], cost[j] = 1.0, cap
        if (reach > 0.0) & (square < cap * variance):
            cost[j] = square / variance
        else:
            beyond[j] = 1.0
    count = total(lives)
    if not count >= 2.0 or total(beyond) >= 2.0:  # two are beyond the gate of the mean over eight
        return np.inf
    return total(cost) / count


def is_body(body: Array, people: Array) -> bool:
    """Return whether the joints make a person: they fit, all but a quarter at heights and within reach."""
    b = rows_of(body)
    fixed, there = np.zeros(8), np.zeros(8)
    for j in range(8):
        fixed[j] = 1.0 if b[RAYS, j] > 1.0 else 0.0
    count = total(fixed)
    if not count >= 2.0 or not body[COST] <= MEAN_GATE * body[DOF]:
        return False
    r = 1.0 / count
    mx, my, mz = total(fixed * b[0]) * r, total(fixed * b[1]) * r, total(fixed * b[2]) * r
    for j in range(8):
        x, y, z = b[0, j] - mx, b[1, j] - my, b[2, j] - mz
        slack = THREE * np.sqrt(b[COVARIANCE, j] + b[COVARIANCE + 3, j] + b[COVARIANCE + 5, j])
        within = (b[2, j] > people[0] - slack) & (b[2, j] < people[1] + slack)
        if within & (np.sqrt(x * x + y * y + z * z) < people[2] + slack):
            there[j] = fixed[j]
    return total(there) >= 0.75 * count


COMPILED = (
    "rows_of",
    "aim",
    "near",
    "cross",
    "ray_cost",
    "midpoints",
    "add_ray",
    "solve_joint",
    "solve_body",
    "fit_cost",
    "is_body",
)  # fmt: skip
