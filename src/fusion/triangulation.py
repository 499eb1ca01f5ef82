"""Points in the world from their images in several calibrated cameras, with covariance and a status for each.

Camera models are those of OpenCV: a pinhole with radial, rational, tangential, thin-prism and tilt distortion, and the
fisheye. `fusion.CameraRig` has the same functions as methods.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation
from fusion.camera import Camera, pack


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
    OUTLIER = 64
    """Images that disagree with the others were left out; the other bits speak of the rest."""


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
    inliers : (N, V) bool
        Which images were used.
    """

    xyz_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]
    rms_px: NDArray[np.float64]
    parallax_rad: NDArray[np.float64]
    views: NDArray[np.int32]
    status: NDArray[np.uint8]
    inliers: NDArray[np.bool_]


def triangulate(
    cameras: Sequence[Camera],
    px: ArrayLike,
    sigma_px: ArrayLike = 1.0,
    *,
    robust: bool = False,
    rejection: float = 1e-6,
) -> Triangulation:
    """Triangulate points by maximum likelihood from their images in two or more cameras.

    Pixels are undistorted exactly. A linear start (Linear-LS, reweighted once by depth as in Iterative-LS; Hartley &
    Sturm 1997, "Triangulation") is refined by Gauss-Newton on the residuals in pixels over their `sigma_px`; to first
    order in the lens's curvature over one residual that is the reprojection error. Every point is solved alone: the
    result does not depend on how the points are cut into batches.

    With `robust`, the loss of an image is bounded (MSAC; Torr & Zisserman 2000, "MLESAC"). Where the fit to all images,
    three or more, leaves one beyond the bound, every pair of images proposes a point, the one with the least loss over
    all images is refined, and images beyond the bound are left out. No random numbers are involved.

    Parameters
    ----------
    cameras : sequence of V Camera
        In the order of the columns of `px`.
    px : (N, V, 2) float64
        Images of N points, pixels; NaN or infinite where a camera does not see the point.
    sigma_px : float or (N, V) float64
        Standard deviation of each image in x and in y, pixels. An image whose entry, or its square, is NaN, infinite or
        not positive is left out.
    robust : bool
        Whether images that disagree with the others are left out.
    rejection : float
        Probability in (0, 1) that noise alone puts an image beyond the bound of `robust`. The default bounds residuals
        at 5.3 standard deviations: where one image in ten is wrong, anywhere in 1920 x 1080 pixels, a residual of that
        size is as likely of a wrong image as of a good one with `sigma_px` 2.

    Returns
    -------
    Triangulation
        Positions, covariances and what is to be thought of them.

    Raises
    ------
    TypeError
        If an argument cannot be converted, or `cameras` holds something else.
    ValueError
        If a shape differs, a single `sigma_px` is not positive and finite, or `rejection` is no such probability.
    """
    rows, origin = _packed(cameras)
    pixels = _doubles("px", px, (None, len(rows), 2))
    n, v = pixels.shape[:2]
    if np.ndim(sigma_px) == 0:
        sigmas = np.full((1, 1), validation.number("sigma_px", sigma_px, above=0))  # type: ignore[arg-type]
    else:
        sigmas = _doubles("sigma_px", sigma_px, (n, v))
    gate = _gate(rejection) if validation.instance("robust", robust, bool) else np.inf
    xyz, covariance, figures = np.empty((n, 3)), np.empty((n, 3, 3)), np.empty((2, n))
    views, status, inliers = np.empty(n, np.int32), np.empty(n, np.uint8), np.empty((n, v), np.uint8)
    with np.errstate(all="ignore"):
        backends.kernels("triangulation").triangulate(
            rows, pixels, sigmas, gate, xyz, covariance, figures, views, status, inliers
        )
        xyz += origin
    rms, parallax = figures
    # From the squared chord, not the cosine: it keeps small angles. Rounding may take half the chord a bit above 1.
    np.sqrt(parallax, out=parallax)
    parallax *= 0.5
    np.arcsin(np.minimum(parallax, 1, out=parallax), out=parallax)
    parallax *= 2
    return Triangulation(xyz, covariance, rms, parallax, views, status, inliers.view(np.bool_))


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
    rows, origin = _packed(cameras)
    points = validation.array("xyz_m", xyz_m, np.float64, (None, 3))
    px = np.empty((len(points), len(rows), 2))
    with np.errstate(all="ignore"):
        backends.kernels("triangulation").project(rows, points - origin, px)
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
    rows, _ = pack((validation.instance("camera", camera, Camera),))
    pixels = validation.array("px", px, np.float64, (None, 2))
    rays, _ = _look(rows, pixels[:, None])
    with np.errstate(all="ignore"):
        return np.where(rays[:, 0, 2:] > 0, rays[:, 0, :2] / rays[:, 0, 2:], np.nan)


class Rays(NamedTuple):
    """What N pixels of each of V cameras show.

    Parameters
    ----------
    directions : (N, V, 3) float64
        Unit vectors in the camera's frame (x right, y down, z along the axis); NaN where the pixel is not finite or the
        lens model shows nothing there.
    residual_px : (N, V) float64
        How far the image of the ray lies from the pixel, pixels: rounding where the inversion succeeded, else NaN.
    """

    directions: NDArray[np.float64]
    residual_px: NDArray[np.float64]


def unproject(cameras: Sequence[Camera], px: ArrayLike) -> Rays:
    """Compute the rays that cameras show at pixels, to rounding: the lens is inverted by Newton's method.

    Parameters
    ----------
    cameras : sequence of V Camera
        In the order of the columns of `px`.
    px : (N, V, 2) float64
        Pixels.

    Returns
    -------
    Rays
        Unit vectors and residuals.

    Raises
    ------
    TypeError
        If an argument cannot be converted, or `cameras` holds something else.
    ValueError
        If the shape differs.
    """
    rows, _ = _packed(cameras)
    rays, residual_px = _look(rows, _doubles("px", px, (None, len(rows), 2)))
    return Rays(rays, residual_px)


def _look(rows: NDArray[np.float64], pixels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rays, residual_px = np.empty((*pixels.shape[:2], 3)), np.empty(pixels.shape[:2])
    with np.errstate(all="ignore"):
        backends.kernels("triangulation").undistort(rows, pixels, rays, residual_px)
    return rays, residual_px


def _doubles(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Return what `validation.array` does, without a copy of what needs none: nothing here outlives the call."""
    if type(value) is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous:
        known = zip(shape, value.shape, strict=False)
        if value.ndim == len(shape) and all(want in (None, came) for want, came in known):
            return value
    return validation.array(name, value, np.float64, shape)


def _packed(cameras: Sequence[Camera]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return pack(validation.instances("cameras", cameras, Camera))


def _gate(rejection: float) -> float:
    """Return the squared residual in standard deviations that a good image exceeds with that probability.

    The square of two standard normal numbers is chi-squared with two degrees of freedom, whose tail is exp(-x / 2).
    """
    p = validation.number("rejection", rejection, above=0, at_most=1)
    if p == 1:
        raise ValueError("rejection must be below 1; got 1.0")
    return -2 * math.log(p)
