"""Points from their images in several calibrated cameras; what is solved and why stands in ``triangulation.hpp``."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.linalg import Six, Three, factor, inverse, solve

Array: TypeAlias = NDArray[np.float64]

# One row of `cameras`: rotation (9, row-major), centre (3), then these.
FX, SKEW, CX, FY, CY, K1, K2, P1, P2, K3, K4, K5, K6, LIMIT = range(12, 26)
# One row of the scratch: the equations of a view (2 x 3), its centre, its optical axis, its variance in square pixels.
CENTRE, AXIS, VARIANCE, VIEW = 6, 9, 12, 13

TOO_FEW_VIEWS, SMALL_PARALLAX, BEHIND_CAMERA, NOT_CONVERGED, LARGE_RESIDUAL, BEYOND_LENS = 1, 2, 4, 8, 16, 32

NEWTON_STEPS = 40
NEWTON_TOLERANCE = 1e-16  # squared relative step: the next one would be its square, which is rounding
GAUSS_STEPS = 50  # three or fewer as a rule; a start far too near doubles its depth at each
GAUSS_TOLERANCE = 1e-6  # squared step, in standard deviations of the point
NORMAL_QUANTILE = 3.0902323061678132  # one in a thousand lies above
DISTINCT = 9.0  # squared: three standard deviations


def distort(c: Array, x: float, y: float) -> tuple[float, float, float, float, float]:
    """Return the distorted normalised coordinates and their Jacobian (symmetric: xx, xy, yy)."""
    s = x * x + y * y
    d = 1.0 / (1.0 + s * (c[K4] + s * (c[K5] + s * c[K6])))
    radial = (1.0 + s * (c[K1] + s * (c[K2] + s * c[K3]))) * d
    numerator = c[K1] + s * (2.0 * c[K2] + s * (3.0 * c[K3]))
    denominator = c[K4] + s * (2.0 * c[K5] + s * (3.0 * c[K6]))
    slope = 2.0 * ((numerator - radial * denominator) * d)
    xd = x * radial + 2.0 * c[P1] * x * y + c[P2] * (s + 2.0 * x * x)
    yd = y * radial + c[P1] * (s + 2.0 * y * y) + 2.0 * c[P2] * x * y
    jxx = radial + slope * x * x + 2.0 * c[P1] * y + 6.0 * c[P2] * x
    jxy = slope * x * y + 2.0 * c[P1] * x + 2.0 * c[P2] * y
    jyy = radial + slope * y * y + 6.0 * c[P1] * y + 2.0 * c[P2] * x
    return xd, yd, jxx, jxy, jyy


def undistort_pixel(c: Array, px: float, py: float) -> tuple[bool, float, float, float, float, float]:
    """Return whether Newton found the normalised coordinates, these, and the Jacobian of the distortion there.

    A step is halved while it leaves the disc on which the lens model is one to one, or does not descend.
    """
    yd = (py - c[CY]) / c[FY]
    xd = (px - c[CX] - c[SKEW] * yd) / c[FX]
    s = xd * xd + yd * yd
    inside = 1.0 if s <= c[LIMIT] else 0.9 * np.sqrt(c[LIMIT] / s)
    x, y, dx, dy = 0.0, 0.0, xd * inside, yd * inside
    jxx, jxy, jyy, best = 1.0, 0.0, 1.0, np.inf
    for _ in range(NEWTON_STEPS):
        xn = x + dx
        yn = y + dy
        xm, ym, axx, axy, ayy = distort(c, xn, yn)
        ex = xd - xm
        ey = yd - ym
        error = ex * ex + ey * ey
        if (xn * xn + yn * yn <= c[LIMIT]) & (error < best):
            x, y, jxx, jxy, jyy, best = xn, yn, axx, axy, ayy, error
            det = jxx * jyy - jxy * jxy
            r = 1.0 / det
            dx = (jyy * ex - jxy * ey) * r
            dy = (jxx * ey - jxy * ex) * r
            if dx * dx + dy * dy <= NEWTON_TOLERANCE * (1.0 + x * x + y * y):
                return (det > 0.0) & (jxx > 0.0), x + dx, y + dy, jxx, jxy, jyy
        else:
            dx = 0.5 * dx
            dy = 0.5 * dy
    return False, x, y, jxx, jxy, jyy


def prepare(c: Array, px: float, py: float, sigma: float, view: Array) -> bool:
    """Write the whitened equations of one view into `view`; return whether the lens model reaches the pixel."""
    found, x, y, jxx, jxy, jyy = undistort_pixel(c, px, py)
    w = 1.0 / sigma
    a00 = (c[FX] * jxx + c[SKEW] * jxy) * w
    a01 = (c[FX] * jxy + c[SKEW] * jyy) * w
    a10 = c[FY] * jxy * w
    a11 = c[FY] * jyy * w
    for k in range(3):
        p = c[k] - x * c[6 + k]
        q = c[3 + k] - y * c[6 + k]
        view[k] = a00 * p + a01 * q
        view[3 + k] = a10 * p + a11 * q
        view[CENTRE + k] = c[9 + k]
        view[AXIS + k] = c[6 + k]
    view[VARIANCE] = sigma * sigma
    return found


def depth(view: Array, x: float, y: float, z: float) -> float:
    """Return the depth of a point in a view."""
    d: float = view[9] * (x - view[6]) + view[10] * (y - view[7]) + view[11] * (z - view[8])
    return d


def linear(views: Array, n: int, weighted: bool, x: float, y: float, z: float) -> tuple[bool, float, float, float]:
    """Solve the equations for the point, weighted by the depths of ``(x, y, z)`` or not; say whether they have rank 3.

    Coordinates are taken from the first view's centre, so that a far origin costs no digits.
    """
    ox, oy, oz = views[0, 6], views[0, 7], views[0, 8]
    hxx, hxy, hxz, hyy, hyz, hzz, gx, gy, gz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        v = views[i]
        w = 1.0
        if weighted:
            d = depth(v, x, y, z)
            w = 1.0 / (d * d)
        cx, cy, cz = v[6] - ox, v[7] - oy, v[8] - oz
        b0 = (v[0] * cx + v[1] * cy + v[2] * cz) * w
        b1 = (v[3] * cx + v[4] * cy + v[5] * cz) * w
        hxx += w * (v[0] * v[0] + v[3] * v[3])
        hxy += w * (v[0] * v[1] + v[3] * v[4])
        hxz += w * (v[0] * v[2] + v[3] * v[5])
        hyy += w * (v[1] * v[1] + v[4] * v[4])
        hyz += w * (v[1] * v[2] + v[4] * v[5])
        hzz += w * (v[2] * v[2] + v[5] * v[5])
        gx += v[0] * b0 + v[3] * b1
        gy += v[1] * b0 + v[4] * b1
        gz += v[2] * b0 + v[5] * b1
    f, definite = factor((hxx, hxy, hxz, hyy, hyz, hzz))
    sx, sy, sz = solve(f, gx, gy, gz)
    return definite, ox + sx, oy + sy, oz + sz


def linearise(views: Array, n: int, x: float, y: float, z: float) -> tuple[Six, Three, float, float, bool]:
    """Return J^T J, -J^T e, the sums of squared residuals (whitened; pixels) and whether all depths are positive."""
    hxx, hxy, hxz, hyy, hyz, hzz, gx, gy, gz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    cost, square, front = 0.0, 0.0, True
    for i in range(n):
        v = views[i]
        dx, dy, dz = x - v[6], y - v[7], z - v[8]
        d = v[9] * dx + v[10] * dy + v[11] * dz
        front = front & (d > 0.0)
        r = 1.0 / d
        e0 = (v[0] * dx + v[1] * dy + v[2] * dz) * r
        e1 = (v[3] * dx + v[4] * dy + v[5] * dz) * r
        ax, ay, az = (v[0] - e0 * v[9]) * r, (v[1] - e0 * v[10]) * r, (v[2] - e0 * v[11]) * r
        bx, by, bz = (v[3] - e1 * v[9]) * r, (v[4] - e1 * v[10]) * r, (v[5] - e1 * v[11]) * r
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
        square += e * v[12]
    return (hxx, hxy, hxz, hyy, hyz, hzz), (gx, gy, gz), cost, square, front


def refine(views: Array, n: int, x: float, y: float, z: float) -> tuple[int, float, float, float, Six, float, float]:
    """Minimise the whitened squared residuals by Gauss-Newton, a step being halved while it does not descend.

    Returns the status, the point, the factor of J^T J and the sums of squared residuals (whitened; pixels).
    """
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
            scatter = best / (2 * n - 3)
            if sx * g[0] + sy * g[1] + sz * g[2] <= GAUSS_TOLERANCE * (scatter if scatter > 1.0 else 1.0):
                return 0, x + sx, y + sy, z + sz, f, best, square
        elif step == 0:
            return BEHIND_CAMERA, x, y, z, f, best, square
        else:
            sx, sy, sz = 0.5 * sx, 0.5 * sy, 0.5 * sz
    return NOT_CONVERGED, x, y, z, f, best, square


def spread(views: Array, n: int, x: float, y: float, z: float) -> tuple[float, float]:
    """Return the largest squared chord between unit rays to the point, and the smallest squared distance."""
    widest, nearest = 0.0, np.inf
    for i in range(n):
        v = views[i]
        dx, dy, dz = x - v[6], y - v[7], z - v[8]
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


def triangulate_point(
    cameras: Array, px: Array, sigma_px: Array, scratch: Array, xyz_m: Array, covariance_m2: Array, figures: Array
) -> tuple[int, int]:
    """Solve one point; write its position, covariance and (rms, squared chord); return its views and status."""
    xyz_m[:] = np.nan
    covariance_m2[:] = np.nan
    figures[:] = np.nan
    n, status = 0, 0
    for i in range(len(cameras)):
        u, v, sigma = px[i, 0], px[i, 1], sigma_px[i]
        # Differences of infinities are NaN, so these are true of finite numbers only.
        if (u - u == 0.0) & (v - v == 0.0) & (sigma - sigma == 0.0) & (sigma > 0.0):
            if prepare(cameras[i], u, v, sigma, scratch[n]):
                n += 1
            else:
                status |= BEYOND_LENS
    if n < 2:
        return n, status | TOO_FEW_VIEWS
    definite, x, y, z = linear(scratch, n, False, 0.0, 0.0, 0.0)
    if definite:
        definite, x, y, z = linear(scratch, n, True, x, y, z)
    if not definite:
        return n, status | SMALL_PARALLAX
    refined, x, y, z, f, cost, square = refine(scratch, n, x, y, z)
    status |= refined
    if refined & (SMALL_PARALLAX | BEHIND_CAMERA):
        return n, status
    xyz_m[0], xyz_m[1], xyz_m[2] = x, y, z
    xx, xy, xz, yy, yz, zz = inverse(f)
    covariance_m2[0, 0], covariance_m2[0, 1], covariance_m2[0, 2] = xx, xy, xz
    covariance_m2[1, 0], covariance_m2[1, 1], covariance_m2[1, 2] = xy, yy, yz
    covariance_m2[2, 0], covariance_m2[2, 1], covariance_m2[2, 2] = xz, yz, zz
    widest, nearest = spread(scratch, n, x, y, z)
    figures[0], figures[1] = np.sqrt(square / n), widest
    if not DISTINCT * (xx + yy + zz) <= nearest:
        status |= SMALL_PARALLAX
    if cost > largest_cost(2.0 * n - 3.0):
        status |= LARGE_RESIDUAL
    return n, status


def triangulate(
    cameras: Array,
    px: Array,
    sigma_px: Array,
    xyz_m: Array,
    covariance_m2: Array,
    figures: Array,
    views: NDArray[np.int32],
    status: NDArray[np.uint8],
) -> None:
    """Solve every point: ``px`` (N, V, 2), ``sigma_px`` (N, V), results into the arrays given."""
    scratch = np.empty((len(cameras), VIEW))
    for i in range(len(px)):
        views[i], status[i] = triangulate_point(
            cameras, px[i], sigma_px[i], scratch, xyz_m[i], covariance_m2[i], figures[i]
        )


def project(cameras: Array, xyz_m: Array, px: Array) -> None:
    """Write the pixels of ``xyz_m`` (N, 3) in every camera into ``px`` (N, V, 2); NaN where it has no image."""
    for i in range(len(xyz_m)):
        for j in range(len(cameras)):
            c = cameras[j]
            dx, dy, dz = xyz_m[i, 0] - c[9], xyz_m[i, 1] - c[10], xyz_m[i, 2] - c[11]
            d = c[6] * dx + c[7] * dy + c[8] * dz
            x = (c[0] * dx + c[1] * dy + c[2] * dz) / d
            y = (c[3] * dx + c[4] * dy + c[5] * dz) / d
            if (d > 0.0) & (x * x + y * y <= c[LIMIT]):
                xd, yd, _, _, _ = distort(c, x, y)
                px[i, j, 0] = c[FX] * xd + c[SKEW] * yd + c[CX]
                px[i, j, 1] = c[FY] * yd + c[CY]
            else:
                px[i, j, 0] = np.nan
                px[i, j, 1] = np.nan


def undistort(cameras: Array, px: Array, xy: Array) -> None:
    """Write the normalised coordinates of ``px`` (N, V, 2) into ``xy`` (N, V, 2); NaN where there are none."""
    for i in range(len(px)):
        for j in range(len(cameras)):
            found, x, y, _, _, _ = undistort_pixel(cameras[j], px[i, j, 0], px[i, j, 1])
            xy[i, j, 0] = x if found else np.nan
            xy[i, j, 1] = y if found else np.nan


COMPILED = (
    "distort",
    "undistort_pixel",
    "prepare",
    "depth",
    "linear",
    "linearise",
    "refine",
    "spread",
    "largest_cost",
    "triangulate_point",
    "triangulate",
    "project",
    "undistort",
)  # fmt: skip
