"""Points from their images in several calibrated cameras; what is solved and why stands in ``triangulation.hpp``."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.consensus import best_pair, choose, disagree
from fusion.reference.lenses import FISHEYE, KIND, Array, look, project, undistort
from fusion.reference.linalg import Six, Three, factor, inverse, solve

__all__ = ["project", "triangulate", "undistort"]

# One row of `views`: P (2 x 3), axis, P^T P (6), P^T P C (3), variance in square pixels, centre, number of the camera.
AXIS, H, G, VARIANCE, CENTRE, NUMBER, VIEW = 6, 9, 15, 18, 19, 22, 23
Fit: TypeAlias = tuple[int, float, float, float, Six, float, float]
"""Status, position, factor of J^T J, sums of squared residuals (whitened; pixels)."""

TOO_FEW_VIEWS, SMALL_PARALLAX, BEHIND_CAMERA, NOT_CONVERGED, LARGE_RESIDUAL, BEYOND_LENS, OUTLIER = (
    1, 2, 4, 8, 16, 32, 64,
)  # fmt: skip

GAUSS_STEPS = 50  # three or fewer as a rule; a start far too near doubles its depth at each
GAUSS_TOLERANCE = 1e-6  # squared step, in standard deviations of the point
NORMAL_QUANTILE = 3.0902323061678132  # one in a thousand lies above
DISTINCT = 9.0  # squared: three standard deviations
CONSENSUS_ROUNDS = 20  # two or three as a rule


def prepare(c: Array, px: float, py: float, sigma: float, view: Array) -> bool:
    """Write the whitened equations of one view into `view`; return whether the lens shows anything at the pixel."""
    sight = np.empty(9)
    found = look(c, px, py, sight)
    w = 1.0 / sigma
    for k in range(3):
        for row in range(2):
            r = sight[3 + 3 * row : 6 + 3 * row]
            view[3 * row + k] = c[k] * (r[0] * w) + c[3 + k] * (r[1] * w) + c[6 + k] * (r[2] * w)
        view[AXIS + k] = c[6 + k]
        if c[KIND] == FISHEYE:
            view[AXIS + k] = c[k] * sight[0] + c[3 + k] * sight[1] + c[6 + k] * sight[2]
        view[CENTRE + k] = c[9 + k]
    p, q = view[0:3], view[3:6]
    view[H + 0] = p[0] * p[0] + q[0] * q[0]
    view[H + 1] = p[0] * p[1] + q[0] * q[1]
    view[H + 2] = p[0] * p[2] + q[0] * q[2]
    view[H + 3] = p[1] * p[1] + q[1] * q[1]
    view[H + 4] = p[1] * p[2] + q[1] * q[2]
    view[H + 5] = p[2] * p[2] + q[2] * q[2]
    b0 = p[0] * c[9] + p[1] * c[10] + p[2] * c[11]
    b1 = q[0] * c[9] + q[1] * c[10] + q[2] * c[11]
    for k in range(3):
        view[G + k] = p[k] * b0 + q[k] * b1
    view[VARIANCE] = sigma * sigma
    return found


def linear(views: Array, n: int, weighted: bool, x: float, y: float, z: float) -> tuple[bool, float, float, float]:
    """Solve the equations, weighted by the depths of ``(x, y, z)`` or not; tell whether they have rank 3."""
    hxx, hxy, hxz, hyy, hyz, hzz, gx, gy, gz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        v = views[i]
        w = 1.0
        if weighted:
            d = v[6] * (x - v[19]) + v[7] * (y - v[20]) + v[8] * (z - v[21])
            w = 1.0 / (d * d)
        hxx += v[9] * w
        hxy += v[10] * w
        hxz += v[11] * w
        hyy += v[12] * w
        hyz += v[13] * w
        hzz += v[14] * w
        gx += v[15] * w
        gy += v[16] * w
        gz += v[17] * w
    f, definite = factor((hxx, hxy, hxz, hyy, hyz, hzz))
    sx, sy, sz = solve(f, gx, gy, gz)
    return definite, sx, sy, sz


def linearise(views: Array, n: int, x: float, y: float, z: float) -> tuple[Six, Three, float, float, bool]:
    """Return J^T J, -J^T e, the sums of squared residuals (whitened; pixels) and whether all depths are positive."""
    hxx, hxy, hxz, hyy, hyz, hzz, gx, gy, gz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    cost, square, front = 0.0, 0.0, True
    for i in range(n):
        v = views[i]
        dx, dy, dz = x - v[19], y - v[20], z - v[21]
        d = v[6] * dx + v[7] * dy + v[8] * dz
        front = front & (d > 0.0)
        r = 1.0 / d
        e0 = (v[0] * dx + v[1] * dy + v[2] * dz) * r
        e1 = (v[3] * dx + v[4] * dy + v[5] * dz) * r
        ax, ay, az = (v[0] - v[6] * e0) * r, (v[1] - v[7] * e0) * r, (v[2] - v[8] * e0) * r
        bx, by, bz = (v[3] - v[6] * e1) * r, (v[4] - v[7] * e1) * r, (v[5] - v[8] * e1) * r
        hxx += ax * ax + bx * bx
        hxy += ax * ay + bx * by
        hxz += ax * az + bx * bz
        hyy += ay * ay + by * by
        hyz += ay * az + by * bz
        hzz += az * az + bz * bz
        gx -= ax * e0 + bx * e1
        gy -= ay * e0 + by * e1
        gz -= az * e0 + bz * e1
        e = e0 * e0 + e1 * e1
        cost += e
        square += e * v[18]
    return (hxx, hxy, hxz, hyy, hyz, hzz), (gx, gy, gz), cost, square, front


def refine(views: Array, n: int, x: float, y: float, z: float) -> Fit:
    """Minimise the whitened squared residuals by Gauss-Newton, a step being halved while it does not descend."""
    f, best, square = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), np.inf, 0.0
    sx, sy, sz = 0.0, 0.0, 0.0
    for step in range(GAUSS_STEPS):
        h, g, cost, sq, front = linearise(views, n, x + sx, y + sy, z + sz)
        if front and cost <= best:
            x, y, z = x + sx, y + sy, z + sz
            best, square = cost, sq
            f, definite = factor(h)
            if not definite:
                return SMALL_PARALLAX, x, y, z, f, best, square
            sx, sy, sz = solve(f, g[0], g[1], g[2])
            scatter = best / (2.0 * n - 3.0)
            if sx * g[0] + sy * g[1] + sz * g[2] <= GAUSS_TOLERANCE * (scatter if scatter > 1.0 else 1.0):
                return 0, x + sx, y + sy, z + sz, f, best, square
        elif step == 0:
            return BEHIND_CAMERA, x, y, z, f, best, square
        else:
            sx, sy, sz = 0.5 * sx, 0.5 * sy, 0.5 * sz
    return NOT_CONVERGED, x, y, z, f, best, square


def fit_all(views: Array, n: int) -> Fit:
    """Return the best point of all images."""
    definite, x, y, z = linear(views, n, False, 0.0, 0.0, 0.0)
    if definite:
        definite, x, y, z = linear(views, n, True, x, y, z)
    if not definite:
        return SMALL_PARALLAX, x, y, z, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0
    return refine(views, n, x, y, z)


def fit_consensus(views: Array, n: int, gate: float, chosen: Array) -> tuple[bool, int, Fit]:
    """Move the images that agree into `chosen`; return whether two or more do, how many, and their best point."""
    found, x, y, z = best_pair(views, n, gate)
    inside = np.zeros(n, np.bool_)
    fit = (0, x, y, z, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0)
    count = 0
    for _ in range(CONSENSUS_ROUNDS if found else 0):
        if not choose(views, n, fit[1], fit[2], fit[3], gate, inside):
            return count >= 2, count, fit
        count = 0
        for i in range(n):
            if inside[i]:
                chosen[count] = views[i]
                count += 1
        if count < 2:
            return False, count, fit
        fit = refine(chosen, count, fit[1], fit[2], fit[3])
        if fit[0] & (SMALL_PARALLAX | BEHIND_CAMERA):
            return False, count, fit
    return found, count, (NOT_CONVERGED, fit[1], fit[2], fit[3], fit[4], fit[5], fit[6])


def spread(views: Array, n: int, x: float, y: float, z: float) -> tuple[float, float]:
    """Return the largest squared chord between unit rays to the point, and the smallest squared distance."""
    widest, nearest = 0.0, np.inf
    for i in range(n):
        v = views[i]
        dx, dy, dz = x - v[19], y - v[20], z - v[21]
        square = dx * dx + dy * dy + dz * dz
        r = 1.0 / np.sqrt(square)
        nearest = square if square < nearest else nearest
        v[0], v[1], v[2] = dx * r, dy * r, dz * r  # the equations are no longer needed
        for j in range(i):
            w = views[j]
            cx, cy, cz = v[0] - w[0], v[1] - w[1], v[2] - w[2]
            chord = cx * cx + cy * cy + cz * cz
            widest = chord if chord > widest else widest
    return widest, nearest


def largest_cost(dof: float) -> float:
    """Return the sum of squares that chance exceeds once in a thousand (Wilson & Hilferty 1931)."""
    a = 2.0 / (9.0 * dof)
    c: float = 1.0 - a + NORMAL_QUANTILE * np.sqrt(a)
    return dof * c * c * c


def conclude(
    views: Array, n: int, fit: Fit, xyz_m: Array, covariance_m2: Array, figures: Array, inliers: NDArray[np.uint8]
) -> int:
    """Write what is to be told of a fit to `n` views; return its status."""
    status, x, y, z, f, cost, square = fit
    for i in range(n):
        inliers[int(views[i, NUMBER])] = 1
    if status & (SMALL_PARALLAX | BEHIND_CAMERA):
        return status
    xyz_m[0], xyz_m[1], xyz_m[2] = x, y, z
    xx, xy, xz, yy, yz, zz = inverse(f)
    covariance_m2[0, 0], covariance_m2[0, 1], covariance_m2[0, 2] = xx, xy, xz
    covariance_m2[1, 0], covariance_m2[1, 1], covariance_m2[1, 2] = xy, yy, yz
    covariance_m2[2, 0], covariance_m2[2, 1], covariance_m2[2, 2] = xz, yz, zz
    widest, nearest = spread(views, n, x, y, z)
    figures[0], figures[1] = np.sqrt(square / n), widest
    if not DISTINCT * (xx + yy + zz) <= nearest:
        status |= SMALL_PARALLAX
    if cost > largest_cost(2.0 * n - 3.0):
        status |= LARGE_RESIDUAL
    return status


def triangulate_point(
    cameras: Array,
    px: Array,
    sigma_px: Array,
    gate: float,
    scratch: Array,
    xyz_m: Array,
    covariance_m2: Array,
    figures: Array,
    inliers: NDArray[np.uint8],
) -> tuple[int, int]:
    """Solve one point; write position, covariance, (rms, squared chord) and who took part; return views and status."""
    xyz_m[:] = np.nan
    covariance_m2[:] = np.nan
    figures[:] = np.nan
    inliers[:] = 0
    views, n, beyond = scratch[0], 0, 0
    for i in range(len(cameras)):
        u, v, sigma = px[i, 0], px[i, 1], sigma_px[i if len(sigma_px) > 1 else 0]
        square = sigma * sigma
        # Differences of infinities are NaN, so these are true of finite numbers only.
        if (u - u <= 0.0) & (v - v <= 0.0) & (sigma > 0.0) & (square > 0.0) & (square - square <= 0.0):
            if prepare(cameras[i], u, v, sigma, views[n]):
                views[n, NUMBER] = i
                n += 1
            else:
                beyond = BEYOND_LENS
    if n < 2:
        for i in range(n):
            inliers[int(views[i, NUMBER])] = 1
        return n, beyond | TOO_FEW_VIEWS
    fit = fit_all(views, n)
    if n >= 3 and gate < np.inf and (fit[0] != 0 or disagree(views, n, fit[1], fit[2], fit[3], gate)):
        found, count, agreed = fit_consensus(views, n, gate, scratch[1])
        if found:
            status = conclude(scratch[1], count, agreed, xyz_m, covariance_m2, figures, inliers)
            return count, status | beyond | (OUTLIER if count < n else 0)
    return n, conclude(views, n, fit, xyz_m, covariance_m2, figures, inliers) | beyond


def triangulate(
    cameras: Array,
    px: Array,
    sigma_px: Array,
    gate: float,
    xyz_m: Array,
    covariance_m2: Array,
    figures: Array,
    views: NDArray[np.int32],
    status: NDArray[np.uint8],
    inliers: NDArray[np.uint8],
) -> None:
    """Solve every point: ``px`` (N, V, 2), ``sigma_px`` (N, V) or (1, 1), results into the arrays given."""
    scratch = np.empty((2, len(cameras), VIEW))
    for i in range(len(px)):
        sigma = sigma_px[i if len(sigma_px) > 1 else 0]
        views[i], status[i] = triangulate_point(
            cameras, px[i], sigma, gate, scratch, xyz_m[i], covariance_m2[i], figures[:, i], inliers[i]
        )


COMPILED = (
    "prepare",
    "linear",
    "linearise",
    "refine",
    "fit_all",
    "fit_consensus",
    "spread",
    "largest_cost",
    "conclude",
    "triangulate_point",
    "triangulate",
)
