"""What hands that meet look like if they pass something, and if they come near each other by chance.

Who gives and who gets reach out both, meet about half-way, and both hold the thing for some tenths of a second (Hansen
et al. 2017, Percept Mot Skills 124:182; Kato et al. 2019, PLoS ONE 14:e0217129; phases: Kopnarski et al. 2023, Front
Psychol 14:1147296). Hands that hang or swing beside their bodies come as near by chance, but lower; hands that reach
into the same shelf come as near as high, but there, and side by side. All ratios are natural logarithms.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR_M = 0.35
"""Hands further apart pass nothing: a big thing held by its ends, and tracking noise."""
PALMS_M = 0.1
"""Distance along an axis between two palms that hold one thing: half a thing's width, and 5 cm of tracking noise."""
OUT_M, OUT_SIGMA_M = 0.45, 0.15
"""A hand that passes something is so far from where it would hang: 0.3 m forward, half-way to the other, and at 0.6 to
0.8 of the stature, where it would hang at 0.44."""
REST_M, REST_SIGMA_M = 0.15, 0.07
"""A hand at rest hangs on an arm that is slightly bent, and swings (the public recording: wrists at 0.54 of the
stature)."""
FARTHEST_M = 0.8
"""A hand that does anything else is anywhere from where it hangs to an arm's length away ..."""
BUSY, BUSY_AT_SHELF = 0.1, 0.8
"""... which of two hands that are near each other each is with this probability, away from shelves and at them."""
PASSED_AT_SHELF, NEAR_AT_SHELF = 0.1, 0.3
"""Share of what is passed, and of the hands that come near each other by chance, that is at a shelf."""
FACING_RAD, ASKEW = 0.5, 0.1
"""Arms that pass something reach towards each other within this angle; of people side by side, so many, anyhow."""

Array = NDArray[Any]


def log_distance(distance2: Array, var: Array) -> Array:
    """Log-likelihood ratio of the mean squared distance of hands: of palms on one thing, or of a path that leads by.

    How near paths that lead by come is, across them, uniform over a disc; -inf for hands that were not near, or seen.
    """
    spread2 = PALMS_M**2 + var
    with np.errstate(invalid="ignore", over="ignore"):
        near = distance2 < NEAR_M**2
        return np.where(near, np.log(NEAR_M**2 / (2 * spread2)) - distance2 / (2 * spread2), -np.inf)


def log_out(reach_m: Array, busy: float | Array) -> Array:
    """Log-likelihood ratio of how far a hand (..., 3) is from where it hangs; 0 if that is not known.

    It passes something, or is at rest, or `busy` otherwise.
    """
    with np.errstate(over="ignore"):
        out = np.minimum(np.sqrt((reach_m**2).sum(axis=-1)), 2 * FARTHEST_M)
    rest = (1.0 - busy) * _normal(out, REST_M, REST_SIGMA_M) + busy / FARTHEST_M
    return np.where(np.isnan(out), 0.0, np.log(_normal(out, OUT_M, OUT_SIGMA_M) / rest))


def log_facing(one: Array, other: Array) -> Array:
    """Log-likelihood ratio of the directions (n, 2) of two arms; 0 if not known.

    Hands that meet between two bodies reach towards each other, whatever they do; so that tells nothing for a meeting.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        cosine = (one * other).sum(axis=1) / np.hypot(*one.T) / np.hypot(*other.T)
    away = np.pi - np.arccos(np.clip(cosine, -1.0, 1.0))
    density = 2 * (1.0 - ASKEW) * _normal(away, 0.0, FACING_RAD) + ASKEW / np.pi
    return np.where(np.isfinite(away), np.minimum(np.log(np.pi * density), 0.0), 0.0)


def _normal(x: Array, mean: float, sigma: float) -> Array:
    return np.asarray(np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)))
