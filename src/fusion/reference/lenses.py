"""Cameras and their lenses: from points to pixels and back; models and sources stand in ``camera.hpp`` and below."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

# One row of `cameras`: rotation (9, row-major), centre (3), then these, then the tilt's homography and its inverse.
FX, SKEW, CX, FY, CY, KIND, LIMIT = range(12, 19)
K1, K2, P1, P2, K3, K4, K5, K6, S1, S2, S3, S4 = range(19, 31)
TILT, UNTILT, CAMERA = 31, 40, 49

NO_LENS, POLYNOMIAL, RATIONAL, TILTED, FISHEYE = range(5)

NEWTON_STEPS = 40
NEWTON_TOLERANCE = 1e-16  # squared relative step: the next one would be its square, which is rounding


def distort(c: Array, x: float, y: float) -> tuple[float, float, float, float, float, float]:
    """Return the distorted normalised coordinates and their Jacobian (xx, xy, yx, yy)."""
    s = x * x + y * y
    radial = 1.0 + s * (c[K1] + s * (c[K2] + s * c[K3]))
    slope = c[K1] + s * (2.0 * c[K2] + s * (3.0 * c[K3]))  # of `radial` over s
    if c[KIND] >= RATIONAL:
        d = 1.0 / (1.0 + s * (c[K4] + s * (c[K5] + s * c[K6])))
        radial = radial * d
        slope = (slope - radial * (c[K4] + s * (2.0 * c[K5] + s * (3.0 * c[K6])))) * d
    slope = 2.0 * slope
    jxx = radial + slope * x * x + 2.0 * c[P1] * y + 6.0 * c[P2] * x
    jxy = slope * x * y + 2.0 * c[P1] * x + 2.0 * c[P2] * y
    jyx = jxy
    jyy = radial + slope * y * y + 6.0 * c[P1] * y + 2.0 * c[P2] * x
    xd = x * radial + 2.0 * c[P1] * x * y + c[P2] * (s + 2.0 * x * x)
    yd = y * radial + c[P1] * (s + 2.0 * y * y) + 2.0 * c[P2] * x * y
    if c[KIND] >= RATIONAL:
        tx, ty = 2.0 * (c[S1] + s * (2.0 * c[S2])), 2.0 * (c[S3] + s * (2.0 * c[S4]))
        jxx += tx * x
        jxy += tx * y
        jyx += ty * x
        jyy += ty * y
        xd += s * (c[S1] + s * c[S2])
        yd += s * (c[S3] + s * c[S4])
    return xd, yd, jxx, jxy, jyx, jyy


def invert(c: Array, xd: float, yd: float) -> tuple[bool, float, float, float, float, float, float]:
    """Return whether Newton found the undistorted coordinates, these, and the Jacobian of the distortion there.

    A step is halved while it leaves the disc on which the lens model is one to one, or does not descend.
    """
    x, y, dx, dy = 0.0, 0.0, xd, yd
    jxx, jxy, jyx, jyy, best = 1.0, 0.0, 0.0, 1.0, np.inf
    s = xd * xd + yd * yd
    if not s - s <= 0.0:  # not finite
        return False, x, y, jxx, jxy, jyx, jyy
    if c[LIMIT] < s:
        inside = 0.9 * np.sqrt(c[LIMIT] / s)
        dx, dy = dx * inside, dy * inside
    for _ in range(NEWTON_STEPS):
        xn = x + dx
        yn = y + dy
        xm, ym, axx, axy, ayx, ayy = distort(c, xn, yn)
        ex = xd - xm
        ey = yd - ym
        error = ex * ex + ey * ey
        if (xn * xn + yn * yn <= c[LIMIT]) & (error < best):
            x, y, jxx, jxy, jyx, jyy, best = xn, yn, axx, axy, ayx, ayy, error
            det = jxx * jyy - jxy * jyx
            r = 1.0 / det
            dx = (jyy * ex - jxy * ey) * r
            dy = (jxx * ey - jyx * ex) * r
            if dx * dx + dy * dy <= NEWTON_TOLERANCE * (1.0 + x * x + y * y):
                return (det > 0.0) & (jxx > 0.0), x + dx, y + dy, jxx, jxy, jyx, jyy
        else:
            dx = 0.5 * dx
            dy = 0.5 * dy
    return False, x, y, jxx, jxy, jyx, jyy


def homography(c: Array, at: int, x: float, y: float) -> tuple[float, float, float, float, float, float]:
    """Return the image of a point by the homography in nine elements of `c` from `at`, and its Jacobian."""
    w = 1.0 / (c[at + 6] * x + c[at + 7] * y + c[at + 8])
    xh = (c[at] * x + c[at + 1] * y + c[at + 2]) * w
    yh = (c[at + 3] * x + c[at + 4] * y + c[at + 5]) * w
    jxx, jxy = (c[at] - xh * c[at + 6]) * w, (c[at + 1] - xh * c[at + 7]) * w
    jyx, jyy = (c[at + 3] - yh * c[at + 6]) * w, (c[at + 4] - yh * c[at + 7]) * w
    return xh, yh, jxx, jxy, jyx, jyy


def sine_cosine(angle: float) -> tuple[float, float]:
    """Return sin and cos of an angle in [0, pi]: Taylor series of a quarter of it, doubled twice."""
    h = 0.25 * angle
    u = h * h
    s = 1.0 / 355687428096000.0
    s = -1.0 / 1307674368000.0 + u * s
    s = 1.0 / 6227020800.0 + u * s
    s = -1.0 / 39916800.0 + u * s
    s = 1.0 / 362880.0 + u * s
    s = -1.0 / 5040.0 + u * s
    s = 1.0 / 120.0 + u * s
    s = -1.0 / 6.0 + u * s
    s = h * (1.0 + u * s)
    c = 1.0 / 20922789888000.0
    c = -1.0 / 87178291200.0 + u * c
    c = 1.0 / 479001600.0 + u * c
    c = -1.0 / 3628800.0 + u * c
    c = 1.0 / 40320.0 + u * c
    c = -1.0 / 720.0 + u * c
    c = 1.0 / 24.0 + u * c
    c = -1.0 / 2.0 + u * c
    c = 1.0 + u * c
    for _ in range(2):
        s, c = 2.0 * s * c, 1.0 - 2.0 * s * s
    return s, c


def ray_angle(across: float, along: float) -> float:
    """Return the angle in [0, pi) of a ray to the axis: the series of atan, of the angle halved four times."""
    length = np.sqrt(across * across + along * along)
    t: float = across / (length + along) if along > 0.0 else (length - along) / across
    for _ in range(3):
        t = t / (1.0 + np.sqrt(1.0 + t * t))
    u = t * t
    a = 1.0 / 25.0
    for n in range(23, 0, -2):
        a = 1.0 / n - u * a
    return 16.0 * t * a


def bend(c: Array, angle: float) -> tuple[float, float]:
    """Return the radius of a fisheye's image of a ray at `angle`, and its slope (Kannala & Brandt 2006)."""
    u = angle * angle
    slope = 1.0 + u * (3.0 * c[K1] + u * (5.0 * c[K2] + u * (7.0 * c[K3] + u * (9.0 * c[K4]))))
    return angle * (1.0 + u * (c[K1] + u * (c[K2] + u * (c[K3] + u * c[K4])))), slope


def unbend(c: Array, radius: float) -> tuple[bool, float, float]:
    """Return whether Newton found the angle whose image lies at `radius`, this, and the slope there."""
    angle, slope, best = 0.0, 1.0, np.inf
    if not radius - radius <= 0.0:  # not finite
        return False, angle, slope
    d = radius if radius <= c[LIMIT] else 0.9 * c[LIMIT]
    for _ in range(NEWTON_STEPS):
        t = angle + d
        r, k = bend(c, t)
        error = radius - r
        if (t >= 0.0) & (t <= c[LIMIT]) & (error * error < best):
            angle, slope, best = t, k, error * error
            d = error / k
            if d * d <= NEWTON_TOLERANCE * (1.0 + t * t):
                return k > 0.0, t + d, slope
        else:
            d = 0.5 * d
    return False, angle, slope


def look(c: Array, px: float, py: float, sight: Array) -> bool:
    """Write what a pixel says in the camera's frame into `sight` (9,); return whether the lens shows anything there.

    That is its ray, (x, y, 1) or of a fisheye the unit vector, and the derivatives of both pixel coordinates after it.
    """
    yd = (py - c[CY]) / c[FY]
    xd = (px - c[CX] - c[SKEW] * yd) / c[FX]
    if c[KIND] == FISHEYE:
        return look_fisheye(c, xd, yd, sight)
    x, y, jxx, jxy, jyx, jyy = xd, yd, 1.0, 0.0, 0.0, 1.0
    found: bool = (xd - xd <= 0.0) & (yd - yd <= 0.0)
    if c[KIND] == TILTED:
        xf, yf, _, _, _, _ = homography(c, UNTILT, xd, yd)
        seen, x, y, axx, axy, ayx, ayy = invert(c, xf, yf)
        found = found & seen
        _, _, txx, txy, tyx, tyy = homography(c, TILT, xf, yf)
        jxx, jxy = txx * axx + txy * ayx, txx * axy + txy * ayy
        jyx, jyy = tyx * axx + tyy * ayx, tyx * axy + tyy * ayy
    elif c[KIND] != NO_LENS:
        seen, x, y, jxx, jxy, jyx, jyy = invert(c, xd, yd)
        found = found & seen
    a00, a01 = c[FX] * jxx + c[SKEW] * jyx, c[FX] * jxy + c[SKEW] * jyy
    a10, a11 = c[FY] * jyx, c[FY] * jyy
    sight[0], sight[1], sight[2] = x, y, 1.0
    sight[3], sight[4], sight[5] = a00, a01, -(a00 * x + a01 * y)
    sight[6], sight[7], sight[8] = a10, a11, -(a10 * x + a11 * y)
    return found


def look_fisheye(c: Array, xd: float, yd: float, sight: Array) -> bool:
    """Do what `look` does, for a fisheye and from distorted normalised coordinates."""
    radius = np.sqrt(xd * xd + yd * yd)
    off = radius > 0.0
    cp = xd / radius if off else 1.0
    sp = yd / radius if off else 0.0
    found, angle, slope = unbend(c, radius)
    s, k = sine_cosine(angle)
    ratio = radius / s if off else 1.0
    along, down = slope * k, slope * s
    x0, x1, x2 = along * cp * cp + ratio * sp * sp, (along - ratio) * cp * sp, -down * cp
    y0, y1, y2 = (along - ratio) * cp * sp, along * sp * sp + ratio * cp * cp, -down * sp
    sight[0], sight[1], sight[2] = s * cp, s * sp, k
    sight[3], sight[4], sight[5] = x0 * c[FX] + y0 * c[SKEW], x1 * c[FX] + y1 * c[SKEW], x2 * c[FX] + y2 * c[SKEW]
    sight[6], sight[7], sight[8] = y0 * c[FY], y1 * c[FY], y2 * c[FY]
    return found


def image(c: Array, x: float, y: float, z: float) -> tuple[float, float]:
    """Return the pixel of a ray in the camera's frame; NaN behind the camera or beyond the fold of the lens."""
    if c[KIND] == FISHEYE:
        across = np.sqrt(x * x + y * y)
        angle = ray_angle(across, z)
        radius, _ = bend(c, angle)
        ratio = radius / across if across > 0.0 else 0.0
        seen = angle <= c[LIMIT]
        xd, yd = x * ratio, y * ratio
    else:
        xd, yd = x / z, y / z
        seen = (z > 0.0) & (xd * xd + yd * yd <= c[LIMIT])
        if c[KIND] != NO_LENS:
            xd, yd, _, _, _, _ = distort(c, xd, yd)
        if c[KIND] == TILTED:
            xd, yd, _, _, _, _ = homography(c, TILT, xd, yd)
    if not seen:
        return np.nan, np.nan
    return c[FX] * xd + c[SKEW] * yd + c[CX], c[FY] * yd + c[CY]


def unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return the vector of length 1, by way of one whose largest element is 1, so that no square overflows."""
    w = 1.0 / max(max(abs(x), abs(y)), abs(z))
    x, y, z = x * w, y * w, z * w
    r = 1.0 / np.sqrt(x * x + y * y + z * z)
    return x * r, y * r, z * r


def project(cameras: Array, xyz_m: Array, px: Array) -> None:
    """Write the pixels of ``xyz_m`` (N, 3) in every camera into ``px`` (N, V, 2); NaN where it has no image."""
    for i in range(len(xyz_m)):
        for j in range(len(cameras)):
            c = cameras[j]
            dx, dy, dz = xyz_m[i, 0] - c[9], xyz_m[i, 1] - c[10], xyz_m[i, 2] - c[11]
            x = c[0] * dx + c[1] * dy + c[2] * dz
            y = c[3] * dx + c[4] * dy + c[5] * dz
            z = c[6] * dx + c[7] * dy + c[8] * dz
            px[i, j, 0], px[i, j, 1] = image(c, x, y, z)


def undistort(cameras: Array, px: Array, rays: Array, residual_px: Array) -> None:
    """Write the unit rays of ``px`` (N, V, 2), and how far their images lie off; NaN where the lens shows nothing."""
    sight = np.empty(9)
    for i in range(len(px)):
        for j in range(len(cameras)):
            if look(cameras[j], px[i, j, 0], px[i, j, 1], sight):
                u, v = image(cameras[j], sight[0], sight[1], sight[2])
                du, dv = u - px[i, j, 0], v - px[i, j, 1]
                rays[i, j] = unit(sight[0], sight[1], sight[2])
                residual_px[i, j] = np.sqrt(du * du + dv * dv)
            else:
                rays[i, j] = np.nan
                residual_px[i, j] = np.nan


COMPILED = (
    "distort",
    "invert",
    "homography",
    "sine_cosine",
    "ray_angle",
    "bend",
    "unbend",
    "look",
    "look_fisheye",
    "image",
    "unit",
    "project",
    "undistort",
)  # fmt: skip
