"""Points in the world from their images in several calibrated cameras, with covariance and a status for each.

Camera models are those of OpenCV: a pinhole with optional skew, radial, rational and tangential distortion.
"""

import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation
from fusion.store import Camera


class Status(enum.IntFlag):
    """What is wrong with a triangulated point; 0 is fine, bits combine."""

    OK = 0
    TOO_FEW_VIEWS = 1
    """Fewer than two usable images; the position is NaN."""
    SMALL_PARALLAX = 2
    """The rays do not fix the point: its standard deviation is above a third of its distance to the nearest camera,
    or, with a NaN position, the equations are singular."""
    BEHIND_CAMERA = 4
    """The rays meet behind a camera that claims to see the point; the position is NaN."""
    NOT_CONVERGED = 8
    """The iterations ended before the step fell below a thousandth of a standard deviation; the best point is told."""
    LARGE_RESIDUAL = 16
    """The images disagree by more than `sigma_px` explains once in a thousand points."""
    BEYOND_LENS = 32
    """An image lies where the lens model shows nothing and was left out; the other bits speak of the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Triangulation:
    """N triangulated points.

    Parameters
    ----------
    xyz_m : (N, 3) float64
        Positions in the world, metres; NaN where nothing can be said.
    covariance_m2 : (N, 3, 3) float64
        Covariances, square metres: the inverse of the information that the images carry about the point.
    rms_px : (N,) float64
        Root of the mean squared distance between images and reprojections, over the views used, pixels.
    parallax_rad : (N,) float64
        The largest angle between two rays, in [0, pi].
    views : (N,) int32
        How many images were used.
    status : (N,) uint8
        Bits of `Status`.
    """

    xyz_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    rms_px: NDArray[np.float64]
    parallax_rad: NDArray[np.float64]
    views: NDArray[np.int32]
    status: NDArray[np.uint8]


def triangulate(cameras: Sequence[Camera], px: ArrayLike, sigma_px: ArrayLike = 1.0) -> Triangulation:
    """Triangulate points by maximum likelihood from their images in two or more cameras.

    Pixels are undistorted exactly. A linear start (Linear-LS, reweighted once by depth as in Iterative-LS; Hartley &
    Sturm 1997, "Triangulation") is refined by Gauss-Newton on the residuals in pixels over their `sigma_px`; to first
    order in the lens's curvature over one residual that is the reprojection error. Every point is solved alone: the
    result does not depend on how the points are cut into batches.

    Parameters
    ----------
    cameras : sequence of V Camera
        In the order of the columns of `px`.
    px : (N, V, 2) float64
        Images of N points, pixels; NaN or infinite where a camera does not see the point.
    sigma_px : float or (N, V) float64
        Standard deviation of each image in x and in y, pixels. An image whose entry is NaN, infinite or not positive
        is left out.

    Returns
    -------
    Triangulation
        Positions, covariances and what is to be thought of them.

    Raises
    ------
    TypeError
        If an argument cannot be converted, or `cameras` holds something else.
    ValueError
        If a shape differs, or a single `sigma_px` is not positive and finite.
    """
    blocks = _pack(cameras)
    pixels = validation.array("px", px, np.float64, (None, len(blocks), 2))
    n = len(pixels)
    if np.ndim(sigma_px) == 0:
        sigmas = np.full((n, len(blocks)), validation.number("sigma_px", sigma_px, above=0))  # type: ignore[arg-type]
    else:
        sigmas = validation.array("sigma_px", sigma_px, np.float64, (n, len(blocks)))
    xyz, covariance, figures = np.empty((n, 3)), np.empty((n, 3, 3)), np.empty((n, 2))
    views, status = np.empty(n, np.int32), np.empty(n, np.uint8)
    with np.errstate(all="ignore"):
        backends.kernels("triangulation").triangulate(blocks, pixels, sigmas, xyz, covariance, figures, views, status)
    # The chord, not the cosine: it keeps small angles. Rounding may take it a bit above 2.
    parallax = 2 * np.arcsin(np.minimum(np.sqrt(figures[:, 1]) / 2, 1))
    return Triangulation(xyz, covariance, figures[:, 0].copy(), parallax, views, status)


def project(cameras: Sequence[Camera], xyz_m: ArrayLike) -> NDArray[np.float64]:
    """Compute the images of points, distortion included.

    Parameters
    ----------
    cameras : sequence of V Camera
        The cameras.
    xyz_m : (N, 3) float64
        Positions in the world, metres.

    Returns
    -------
    (N, V, 2) float64
        Pixels, not cut to the image's size; NaN where the point is NaN, lies behind the camera, or so far off its axis
        that the lens model folds back.

    Raises
    ------
    TypeError
        If an argument cannot be converted, or `cameras` holds something else.
    ValueError
        If the shape differs.
    """
    blocks = _pack(cameras)
    points = validation.array("xyz_m", xyz_m, np.float64, (None, 3))
    px = np.empty((len(points), len(blocks), 2))
    with np.errstate(all="ignore"):
        backends.kernels("triangulation").project(blocks, points, px)
    return px


def undistort(camera: Camera, px: ArrayLike) -> NDArray[np.float64]:
    """Compute the normalised coordinates ``(x/z, y/z)`` that a camera shows at pixels, to rounding.

    Parameters
    ----------
    camera : Camera
        The camera.
    px : (N, 2) float64
        Pixels.

    Returns
    -------
    (N, 2) float64
        Normalised coordinates; NaN where the pixel is not finite or the lens model shows nothing there.

    Raises
    ------
    TypeError
        If an argument cannot be converted, or `camera` is something else.
    ValueError
        If the shape differs.
    """
    blocks = _pack((camera,))
    pixels = validation.array("px", px, np.float64, (None, 2))
    xy = np.empty((len(pixels), 1, 2))
    with np.errstate(all="ignore"):
        backends.kernels("triangulation").undistort(blocks, pixels[:, None], xy)
    return xy[:, 0]


def _pack(cameras: Sequence[Camera]) -> NDArray[np.float64]:
    """Return what the kernels need of each camera as the rows of one array, (V, 26); ``camera.hpp`` has the order."""
    if not isinstance(cameras, Sequence):
        raise TypeError(f"cameras must be a sequence of Camera; got {type(cameras).__name__}")
    for camera in cameras:
        if not isinstance(camera, Camera):
            raise TypeError(f"cameras must hold Camera objects; got {type(camera).__name__}")
    return np.array([_block(camera) for camera in cameras]).reshape(-1, 26)


@functools.lru_cache(maxsize=1024)  # a Camera cannot change and hashes by identity
def _block(camera: Camera) -> NDArray[np.float64]:
    block, K = np.zeros(26), camera.matrix
    block[0:9] = camera.rotation.ravel()
    block[12:17] = K[0, 0], K[0, 1], K[0, 2], K[1, 1], K[1, 2]
    block[17 : 17 + len(camera.distortion)] = camera.distortion
    with np.errstate(all="ignore"):
        block[9:12] = _centre(camera)
        block[25] = _fold(block[17:25])
    return block


def _centre(camera: Camera) -> NDArray[np.float64]:
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
    inverse = 0.0
    for polynomial in (slope, denominator):
        reversed_ = polynomial.coef[::-1]  # its roots are 1 / s, and it is monic however small the coefficients
        if not np.isfinite(reversed_).all():
            return 0.0
        roots = np.polynomial.Polynomial(reversed_).roots()
        real = roots.real[np.abs(roots.imag) <= 1e-9 * np.abs(roots)]
        inverse = max(inverse, real.max(initial=0.0))
    return 1 / inverse if inverse > 0 else np.inf
