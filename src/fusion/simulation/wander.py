"""What lasts for a while: errors that wander, and faults that come in bursts."""

from statistics import NormalDist

import numpy as np

from fusion.simulation.paths import Array


def autoregressive(steps: Array, keep: float) -> Array:
    """Turn white noise (n, ...) in place into a stationary first-order autoregression that keeps `keep` a step."""
    steps[0] /= np.sqrt(1 - keep**2)
    for k in range(1, len(steps)):
        steps[k] += keep * steps[k - 1]
    return steps


def wander(shape: tuple[int, ...], interval_s: float, time_s: float, rng: np.random.Generator) -> Array:
    """Draw courses of unit variance along the first axis, whose correlation falls to 1/e within `time_s`.

    Below `quantile` of p for a share p of the time, a course also tells when a fault of that probability is there: in
    bursts of about `time_s`, and for as long as p says where p changes.
    """
    keep = float(np.exp(-interval_s / time_s))
    return autoregressive(rng.normal(0.0, np.sqrt(1 - keep**2), shape), keep)


def quantile(probability: float) -> float:
    """Return what a standard normal variable stays below with that probability in [0, 1]."""
    if probability in (0.0, 1.0):
        return np.inf if probability else -np.inf
    return NormalDist().inv_cdf(probability)
