"""How probable each pairing is; what is solved and why stands in ``assignment_marginals.hpp``."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

LEAST_TOTAL = 1e-290  # above it, what underflow took does not show


def marginals_of_one(weight: Array, miss: Array, probability: Array) -> float:
    """Write the probabilities (n, m + 1), the last of no column; return the logarithm of the total weight."""
    n, m = weight.shape
    sets, log_total, left = 1 << n, 0.0, np.zeros(n)
    scaled = np.zeros((n, m))
    for i in range(n):
        top = miss[i]
        for j in range(m):
            top = max(top, weight[i, j])
        if top > 0.0:
            scaled[i], left[i] = weight[i] / top, miss[i] / top
        log_total += np.log(top)
    before = np.zeros((m + 1, sets))
    before[0, 0] = 1.0
    for j in range(m):
        for new in range(sets):
            total = before[j, new]
            for i in range(n):
                if new >> i & 1:
                    total += before[j, new - (1 << i)] * scaled[i, j]
            before[j + 1, new] = total
    after, total = np.ones(sets), 0.0
    for held in range(sets):
        for i in range(n):
            after[held] *= 1.0 if held >> i & 1 else left[i]
        total += before[m, held] * after[held]
    if not total >= LEAST_TOTAL:
        probability[:] = np.nan
        return -np.inf
    for i in range(n):
        missed = 0.0
        for held in range(sets):
            missed += 0.0 if held >> i & 1 else before[m, held] * after[held]
        probability[i, m] = missed / total
    for j in range(m - 1, -1, -1):
        completed = after.copy()
        for i in range(n):
            paired, lane = np.zeros(4), 0
            for held in range(sets):
                if not held >> i & 1:
                    rest = scaled[i, j] * after[held + (1 << i)]
                    completed[held] += rest
                    paired[lane & 3] += before[j, held] * rest
                    lane += 1
            probability[i, j] = ((paired[0] + paired[1]) + (paired[2] + paired[3])) / total
        after = completed
    return log_total + float(np.log(total))


def marginals(weights: Array, miss: Array, probability: Array, log_total: Array) -> None:
    """Write the probabilities (B, n, m + 1) and log-totals (B,) of ``weights`` (B, n, m) and ``miss`` (B, n)."""
    for b in range(len(weights)):
        log_total[b] = marginals_of_one(weights[b], miss[b], probability[b])


COMPILED = ("marginals_of_one", "marginals")
