"""Assignment problems for tests: sparse rows without scipy, and what an assignment is worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass
class Rows:
    """Compressed sparse rows without scipy."""

    data: Array
    indices: NDArray[np.integer]
    indptr: NDArray[np.integer]
    shape: tuple[int, int]


def sparse(cost: Array) -> Rows:
    """The finite costs of a matrix."""
    allowed = np.isfinite(cost)
    return Rows(cost[allowed], np.nonzero(allowed)[1], np.concatenate([[0], allowed.sum(1).cumsum()]), cost.shape)


def worth(cost: Array, miss: Array, columns: Ints) -> tuple[int, float]:
    """How many rows that must be assigned are not, and the sum of the finite costs; checks that columns are allowed."""
    taken = columns[columns >= 0]
    assert len(set(taken.tolist())) == len(taken)
    paid = np.array([miss[i] if j < 0 else cost[i, j] for i, j in enumerate(columns)])
    assert np.isfinite(paid[columns >= 0]).all()
    return int(np.isinf(paid).sum()), float(paid[np.isfinite(paid)].sum())
