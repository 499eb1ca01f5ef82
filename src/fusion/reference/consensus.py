"""Which images agree on a point when some are wrong; what is solved and why stands in ``consensus.hpp``.

`views` are the rows of ``fusion.reference.triangulation``.
"""

import numpy as np
from numpy.typing import NDArray

from fusion.reference.lenses import Array
from fusion.reference.linalg import factor, solve


def loss(v: Array, x: float, y: float, z: float, gate: float) -> float:
    """Return the squared whitened residual of an image, at most `gate`, which a point behind the camera costs too."""
    dx, dy, dz = x - v[19], y - v[20], z - v[21]
    d = v[6] * dx + v[7] * dy + v[8] * dz
    r = 1.0 / d
    e0 = (v[0] * dx + v[1] * dy + v[2] * dz) * r
    e1 = (v[3] * dx + v[4] * dy + v[5] * dz) * r
    e: float = e0 * e0 + e1 * e1
    return e if (d > 0.0) & (e < gate) else gate


def disagree(views: Array, n: int, x: float, y: float, z: float, gate: float) -> bool:
    """Return whether an image lies beyond the gate."""
    result = False
    for i in range(n):
        result = result | (not loss(views[i], x, y, z, gate) < gate)
    return result


def best_pair(views: Array, n: int, gate: float) -> tuple[bool, float, float, float]:
    """Return the linear solution of the pair of views with the least loss over all, and whether any has one."""
    least, best = np.inf, (0.0, 0.0, 0.0)
    for i in range(n):
        for j in range(i):
            v, w = views[j], views[i]
            f, definite = factor(
                (v[9] + w[9], v[10] + w[10], v[11] + w[11], v[12] + w[12], v[13] + w[13], v[14] + w[14])
            )
            x, y, z = solve(f, v[15] + w[15], v[16] + w[16], v[17] + w[17])
            total = 0.0
            for k in range(n):
                total += loss(views[k], x, y, z, gate)
            if definite & (total < least):
                least, best = total, (x, y, z)
    return least < np.inf, best[0], best[1], best[2]


def choose(views: Array, n: int, x: float, y: float, z: float, gate: float, inside: NDArray[np.bool_]) -> bool:
    """Mark the images within the gate; return whether they are others than before."""
    changed = False
    for i in range(n):
        within = loss(views[i], x, y, z, gate) < gate
        changed = changed | (within != inside[i])
        inside[i] = within
    return changed


COMPILED = ("loss", "disagree", "best_pair", "choose")
