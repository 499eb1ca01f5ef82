"""Bundle adjustment that outliers cannot bend: first a bounded influence, then least squares on what agrees."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.calibration.bundle import Bundle, Covariance, Loss, State
from fusion.calibration.observations import Array

CAUCHY = 2.3849
"""Scale of the Cauchy loss in standard deviations: 95 % efficiency where the noise is normal (Zhang 1997, table 1)."""
FINEST_PX = 1e-3
"""Least noise that is believed: images of a simulation without noise would otherwise weigh infinitely."""
ROUNDS = 30
"""At most so often the noise, or the set of inliers, is estimated anew; a few rounds suffice."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """An adjusted bundle.

    Parameters
    ----------
    state : State
        The solution.
    residual_px : (M, 2) float64
        Reprojections less observations, in the bundle's order.
    inliers : (M,) bool
        Which observations were used.
    noise_px : (V,) float64
        Standard deviation of each camera's corners in x and in y, from its residuals and their redundancy.
    covariance : Covariance
        Of the solution.
    within_px : (V,) float64
        What `noise_px` would be if every camera saw the board at a pose of its own in each view.
    """

    state: State
    residual_px: Array
    inliers: NDArray[np.bool_]
    noise_px: Array
    covariance: Covariance
    within_px: Array


def adjust(bundle: Bundle, state: State, rejection: float) -> Fit:
    """Adjust a bundle.

    A Cauchy loss, whose scale is the median residual, finds what most corners agree on. Then corners beyond
    the bound are left out, the rest fitted by least squares, and each camera's noise estimated from its residuals
    (variance components; Foerstner 1979), until the set stays the same.

    Parameters
    ----------
    bundle, state : Bundle, State
        The problem and where to start.
    rejection : float
        Probability that noise alone puts a corner beyond the bound.

    Raises
    ------
    UndeterminedError
        If the observations do not determine every parameter.
    """
    typical = _typical(_squares(bundle, state))
    for _ in range(ROUNDS):
        state = bundle.minimise(state, _cauchy((CAUCHY * typical) ** 2), 0.1)
        last, typical = typical, _typical(_squares(bundle, state))
        if typical > 0.99 * last:
            break
    noise = np.full(bundle.count, typical)
    inliers = np.zeros(len(bundle.px), bool)
    for _ in range(ROUNDS):
        bound = -2 * math.log(rejection) * noise[bundle.camera] ** 2
        before, inliers = inliers, _squares(bundle, state) <= bound
        weight = np.where(inliers, noise[bundle.camera] ** -2.0, 0.0)
        state = bundle.minimise(state, _squared(weight), 1e-6)
        at = bundle.linearise(state)
        normal = bundle.normal(at, weight)
        covariance = normal.covariance()
        old, noise = (
            noise,
            _noise(bundle, at.residual_px, inliers, normal.redundancy(covariance, _count(bundle, inliers))),
        )
        if np.array_equal(before, inliers) and np.allclose(old, noise, rtol=1e-3):
            break
    squares = np.where(inliers, weight * (at.residual_px**2).sum(axis=1), 0.0)
    fall, spent = normal.explained(bundle.count)
    left = np.bincount(bundle.camera, squares, bundle.count) - fall
    within = old * np.sqrt(np.maximum(left, 0.0) / np.maximum(2 * _count(bundle, inliers) - spent, 1.0))
    return Fit(state, at.residual_px, inliers, noise, covariance, within)


def _squares(bundle: Bundle, state: State) -> Array:
    return np.asarray((bundle.linearise(state).residual_px ** 2).sum(axis=1))


def _typical(squares: Array) -> float:
    """Return a standard deviation from the median square, which of two normal numbers is 2 log 2.

    It is one for all cameras: one whose start is bad must not be believed less, or it would stay bad.
    """
    return max(math.sqrt(float(np.median(squares)) / (2 * math.log(2))), FINEST_PX)


def _cauchy(scale: float) -> Loss:
    def loss(squares: Array) -> tuple[float, Array]:
        relative = squares / scale
        return float((CAUCHY**2 * np.log1p(relative)).sum()), CAUCHY**2 / scale / (1 + relative)

    return loss


def _squared(weight: Array) -> Loss:
    return lambda squares: (float((weight * squares).sum()), weight)


def _count(bundle: Bundle, inliers: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.bincount(bundle.camera[inliers], minlength=bundle.count)


def _noise(bundle: Bundle, residual_px: Array, inliers: NDArray[np.bool_], redundancy: Array) -> Array:
    squares = np.where(inliers, (residual_px**2).sum(axis=1), 0.0)
    sums = np.bincount(bundle.camera, squares, bundle.count)
    return np.maximum(np.sqrt(sums / np.maximum(redundancy, 1.0)), FINEST_PX)
