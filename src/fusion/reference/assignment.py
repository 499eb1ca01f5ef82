"""Assignments of rows to columns; what is solved and why stands in ``assignment.hpp`` and what stands on it."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.assignment_marginals import marginals as marginals
from fusion.reference.assignment_search import PRICE, room, solve, solve_from
from fusion.reference.k_best import k_best as k_best

Array: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int32]


LARGEST_COST = 1e300  # no sum of fewer than 10**8 of them overflows


def valid_costs(cost: Array) -> bool:
    """Return whether all costs are +inf or below `LARGEST_COST` in size, and none is NaN."""
    return bool(((np.abs(cost) < LARGEST_COST) | (cost == np.inf)).all())


def valid_rows(cost: Array, indices: Ints, indptr: NDArray[np.int64], m: int) -> bool:
    """Return whether compressed sparse rows follow each other from 0 to the end and name columns below m."""
    if indptr[0] != 0 or indptr[-1] != len(cost):
        return False
    return bool((indptr[:-1] <= indptr[1:]).all() and (indices >= 0).all() and (indices < m).all())


def assign(cost: Array, miss: Array, columns: Ints) -> None:
    """Write the columns (B, n) of the problems ``cost`` (B, n, m) and ``miss`` (B, n), -1 for none.

    Without a finite miss a tall matrix is solved turned.
    """
    _, n, m = cost.shape
    rows_of = np.empty(m, np.int32)
    for b in range(len(cost)):
        misses = miss[b].copy()
        if n <= m or (misses < np.inf).any():
            solve(cost[b].copy(), misses, columns[b])
            continue
        solve(cost[b].T.copy(), np.full(m, np.inf), rows_of)
        columns[b] = -1
        for j in range(m):
            if rows_of[j] >= 0:
                columns[b, rows_of[j]] = j


def assign_sparse(cost: Array, indices: Ints, indptr: NDArray[np.int64], m: int, miss: Array, columns: Ints) -> None:
    """Write the columns (n,) of one problem in compressed sparse rows of m columns."""
    n = len(miss)
    s, ints = room(n, m)
    s[PRICE] = 0.0
    rows = cost.copy(), indices.copy(), indptr.copy()  # numba compiles once for what may be written
    solve_from(rows, n, m, miss.copy(), True, s, ints, columns)


COMPILED = ("valid_costs", "valid_rows", "assign", "assign_sparse")
