"""A person as one camera sees it: eight whitened sight lines, as ``joints.hpp``.

A sighting is an array (10, 8): rows b0, b1 and axis (3 each), then 1 where the joint is seen, else 0 everywhere.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.triangulation import AXIS, VIEW, prepare

Array: TypeAlias = NDArray[np.float64]

LEAST_SIGMA = 0.1  # px
MOST_SIGMA = 1e6  # px: says nothing
LARGEST_ROW = 1e24  # squared: beyond it lie no cameras, only overflow
B0, B1, SIGHT_AXIS, LIVE = 0, 3, 6, 9


def total(a: Array) -> float:
    """Sum over the joints, always in this order."""
    s: float = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    return s


def look(camera: Array, px: Array, sigma_px: Array, sightings: Array) -> None:
    """Write the sight lines of ``px`` (N, 8, 2) with ``sigma_px`` (N, 8) into ``sightings`` (N, 10, 8)."""
    view = np.empty(VIEW)
    sightings[:] = 0.0
    for i in range(len(px)):
        for j in range(8):
            u, v, sigma = px[i, j, 0], px[i, j, 1], sigma_px[i, j]
            if not ((u - u == 0.0) & (v - v == 0.0) & (sigma > 0.0) & (sigma <= MOST_SIGMA)):
                continue
            if not prepare(camera, u, v, sigma if sigma > LEAST_SIGMA else LEAST_SIGMA, view):
                continue
            first = view[0] * view[0] + view[1] * view[1] + view[2] * view[2]
            second = view[3] * view[3] + view[4] * view[4] + view[5] * view[5]
            if not first + second < LARGEST_ROW:
                continue
            for k in range(3):
                sightings[i, B0 + k, j] = view[k]
                sightings[i, B1 + k, j] = view[3 + k]
                sightings[i, SIGHT_AXIS + k, j] = view[AXIS + k]
            sightings[i, LIVE, j] = 1.0


COMPILED = ("total", "look")
