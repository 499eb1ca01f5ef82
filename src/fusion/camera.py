"""A calibrated camera, validated, and the row of numbers by which the kernels know it."""

import functools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fusion import validation

COEFFICIENTS = {"pinhole": (0, 4, 5, 8, 12, 14), "fisheye": (0, 4)}
"""How many distortion coefficients each model may have."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera: a pinhole or a fisheye with OpenCV's distortion.

    Parameters
    ----------
    id : str
        Unique in the store.
    matrix : (3, 3) float64
        Intrinsic matrix K, pixels; the centre of the upper left pixel is (0, 0).
    rotation, translation_m : (3, 3), (3,) float64
        World to camera: ``x_camera = rotation @ x_world + translation_m``.
    distortion : (D,) float64
        Of a pinhole ``k1, k2, p1, p2[, k3[, k4, k5, k6[, s1, s2, s3, s4[, tx, ty]]]]`` (radial, tangential, rational,
        thin prism, tilt in radians); D is 0, 4, 5, 8, 12 or 14. Of a fisheye ``k1, k2, k3, k4``; D is 0 or 4.
    size_px : (int, int)
        Width and height of the image; (0, 0) where unknown.
    model : {"pinhole", "fisheye"}
        The projection: OpenCV's ``calib3d`` (Brown 1971), or ``fisheye`` (Kannala & Brandt 2006).
    """

    id: str
    matrix: NDArray[np.float64]
    rotation: NDArray[np.float64]
    translation_m: NDArray[np.float64]
    distortion: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    size_px: tuple[int, int] = (0, 0)
    model: str = "pinhole"

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        validation.identifier("camera id", self.id)
        set_(self, "matrix", validation.array("matrix", self.matrix, np.float64, (3, 3), finite=True))
        set_(self, "rotation", validation.rotation("rotation", self.rotation))
        for name, shape in (("translation_m", (3,)), ("distortion", (None,))):
            set_(self, name, validation.array(name, getattr(self, name), np.float64, shape, finite=True))
        size_px = validation.array("size_px", self.size_px, np.int64, (2,))
        if (size_px < 0).any():
            raise ValueError(f"size_px must not be negative; got {size_px.tolist()}")
        set_(self, "size_px", tuple(size_px.tolist()))
        if not isinstance(self.model, str) or self.model not in COEFFICIENTS:
            raise ValueError(f"model must be one of {', '.join(COEFFICIENTS)}; got {self.model!r}")
        *few, most = COEFFICIENTS[self.model]
        if len(self.distortion) not in (*few, most):
            expected = f"{', '.join(map(str, few))} or {most}"
            raise ValueError(f"distortion must have {expected} coefficients; got {len(self.distortion)}")
        K = self.matrix
        if K[0, 0] <= 0 or K[1, 1] <= 0 or K[1, 0] != 0 or not np.array_equal(K[2], [0, 0, 1]):
            raise ValueError(f"matrix must be [[fx, s, cx], [0, fy, cy], [0, 0, 1]]; got {self.matrix.tolist()}")

    @property
    def center_m(self) -> NDArray[np.float64]:
        """Where the camera stands in the world, (3,) metres."""
        return _center(self)


@functools.lru_cache(maxsize=256)  # cameras cannot change and hash by identity
def pack(cameras: tuple[Camera, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the kernels need of cameras, a row each (V, 49; ``camera.hpp`` has the order), and an origin (3,).

    Camera centres are counted from the origin, their mean, so that a world whose own origin is far costs no digits.
    """
    rows = np.array([_row(camera) for camera in cameras]).reshape(-1, 49)
    origin = rows[:, 9:12].mean(axis=0) if len(rows) else np.zeros(3)
    if not np.isfinite(origin).all():
        origin = np.zeros(3)
    rows[:, 9:12] -= origin
    rows.flags.writeable = origin.flags.writeable = False
    return rows, origin


def _row(camera: Camera) -> NDArray[np.float64]:
    row, K, d = np.zeros(49), camera.matrix, camera.distortion
    row[0:9] = camera.rotation.ravel()
    row[12:17] = K[0, 0], K[0, 1], K[0, 2], K[1, 1], K[1, 2]
    with np.errstate(all="ignore"):
        row[9:12] = _center(camera)
        if camera.model == "fisheye":
            row[17], row[18] = 4, _fisheye_limit(d)
            row[[19, 20, 23, 24]] = d if len(d) else 0.0
            return row
        row[19 : 19 + min(len(d), 12)] = d[:12]
        row[18] = _fold(row[19:27])
        row[31:40], row[40:49] = _tilt(*d[12:14]) if len(d) > 12 else (np.eye(3).ravel(), np.eye(3).ravel())
    tilted, rational = d[12:].any(), d[5:12].any()
    row[17] = 3 if tilted else 2 if rational else 1 if d.any() else 0
    return row


def _center(camera: Camera) -> NDArray[np.float64]:
    """Solve ``R c = -t`` by Cramer's rule: R is only nearly orthonormal, and these bits are the same everywhere."""
    r0, r1, r2 = camera.rotation
    t0, t1, t2 = camera.translation_m
    c0, c1, c2 = np.cross(r1, r2), np.cross(r2, r0), np.cross(r0, r1)
    det = r0[0] * c0[0] + r0[1] * c0[1] + r0[2] * c0[2]
    return np.asarray(-(c0 * t0 + c1 * t1 + c2 * t2) / det)


def _fold(distortion: NDArray[np.float64]) -> float:
    """Return the squared radius up to which the radial distortion ``r N(s) / D(s)``, ``s = r**2``, is one to one.

    There its slope ``(N + 2 s N') D - 2 s N D'``, or D itself, first reaches zero.
    """
    k1, k2, _, _, k3, k4, k5, k6 = distortion
    numerator = np.polynomial.Polynomial([1, k1, k2, k3])
    denominator = np.polynomial.Polynomial([1, k4, k5, k6])
    two_s = np.polynomial.Polynomial([0, 2])
    slope = (numerator + two_s * numerator.deriv()) * denominator - two_s * numerator * denominator.deriv()
    return min(_first_root(slope), _first_root(denominator))


def _fisheye_limit(distortion: NDArray[np.float64]) -> float:
    """Return the angle up to which the image moves outwards, at most pi."""
    slope = np.polynomial.Polynomial([1.0, *(distortion * [3, 5, 7, 9] if len(distortion) else [])])
    return float(min(np.pi, np.sqrt(_first_root(slope))))


def _first_root(polynomial: np.polynomial.Polynomial) -> float:
    """Return the smallest positive root of a polynomial that is 1 at 0; infinity where there is none."""
    reversed_ = polynomial.coef[::-1]  # its roots are the inverses, and it is monic however small the coefficients
    if not np.isfinite(reversed_).all():
        return 0.0
    roots = np.polynomial.Polynomial(reversed_).roots()
    inverse = roots.real[np.abs(roots.imag) <= 1e-9 * np.abs(roots)].max(initial=0.0)
    return float(1 / inverse) if inverse > 0 else np.inf


def _tilt(tx: float, ty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the homography of a tilted sensor and its inverse, (9,) each (OpenCV, ``computeTiltProjectionMatrix``)."""
    cx, sx, cy, sy = np.cos(tx), np.sin(tx), np.cos(ty), np.sin(ty)
    R = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    projection = np.array([[R[2, 2], 0, -R[0, 2]], [0, R[2, 2], -R[1, 2]], [0, 0, 1]])
    tilt = projection @ R
    inverse = R.T @ np.array([[1, 0, R[0, 2]], [0, 1, R[1, 2]], [0, 0, R[2, 2]]]) / R[2, 2]
    return tilt.ravel(), inverse.ravel()
