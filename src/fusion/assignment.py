"""Assignments: detections to tracks, events to hands, any rows to any columns, each at most once.

`assign` and `assign_sparse` find the cheapest, `k_best` the next ones too, `assignment_marginals` how probable each
pairing is over all of them. Everywhere a row may have no column, for a price of its own: its `miss`.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation

LARGEST_K = 2**20
MARGINAL_ROWS = 8


class CompressedSparseRows(Protocol):
    """What `assign_sparse` needs of a matrix: ``scipy.sparse.csr_array``, or anything with its attributes."""

    data: Any
    indices: Any
    indptr: Any
    shape: Any


def assign(cost: ArrayLike, miss: ArrayLike | None = None) -> NDArray[np.int32]:
    """Assign rows to columns such that the sum of costs is least.

    Shortest augmenting paths after the reductions of Jonker & Volgenant 1987, "A Shortest Augmenting Path Algorithm for
    Dense and Sparse Linear Assignment Problems", rectangular as in Crouse 2016, "On Implementing 2D Rectangular
    Assignment Algorithms" (IEEE TAES). Every problem of a batch is solved alone.

    Parameters
    ----------
    cost : (n, m) or (B, n, m) float64
        Costs of one problem or of B; +inf forbids a pairing.
    miss : float, (n,) or (B, n) float64, optional
        What it costs to leave a row without a column. +inf, the default, says that the row must have one: as many of
        such rows as possible get one, and among the ways to do that the cheapest is taken.

    Returns
    -------
    (n,) or (B, n) int32
        The column of each row, -1 for none: the row's miss was cheaper, or nothing was left for it. Of equally cheap
        assignments always the same one is returned, on every machine and backend: a miss before a column, a low column
        before a high one, an earlier row before a later one, as far as the search meets them.

    Raises
    ------
    TypeError
        If an argument is no array of numbers.
    ValueError
        If a shape differs, or a cost is NaN, -inf, or finite and not below 1e300 in size.
    """
    costs = _batch("cost", cost)
    kernels = _checked("cost", costs)
    misses = _misses(miss, costs.shape[:-1])
    columns = np.empty(costs.shape[:-1], np.int32)
    n, m = _sizes("cost", costs.shape)
    b = len(costs) if costs.ndim == 3 else 1
    kernels.assign(costs.reshape(b, n, m), misses.reshape(b, n), columns.reshape(b, n))
    return columns


def assign_sparse(cost: CompressedSparseRows, miss: ArrayLike | None = None) -> NDArray[np.int32]:
    """Assign rows to columns of a sparse matrix, in which what is not stored is forbidden.

    The same as `assign`; a search stays within the rows and columns that are connected with its row, so that gated
    problems cost what their clusters cost. Memory grows with the entries, never with rows times columns.

    Parameters
    ----------
    cost : scipy.sparse.csr_array or the like, (n, m)
        Costs in compressed sparse rows: the attributes ``data``, ``indices``, ``indptr`` and ``shape``. Stored zeros
        are costs of zero, +inf forbids; of a pairing stored twice the cheaper cost counts; any order within a row.
    miss : float or (n,) float64, optional
        As for `assign`.

    Returns
    -------
    (n,) int32
        The column of each row, -1 for none. Where several assignments are equally cheap, it may be another one than
        `assign` takes, but always the same.

    Raises
    ------
    TypeError
        If `cost` is not in compressed sparse rows, or an argument holds no numbers.
    ValueError
        If the rows do not fit each other or the shape, or a cost is NaN, -inf, or finite and not below 1e300 in size.
    """
    if getattr(cost, "format", "csr") != "csr" or not all(
        hasattr(cost, name) for name in ("data", "indices", "indptr", "shape")
    ):
        raise TypeError(f"cost must be in compressed sparse rows (scipy.sparse.csr_array); got {type(cost).__name__}")
    n, m = _sizes("cost", tuple(validation.array("cost.shape", cost.shape, np.int64, (2,)).tolist()))
    data = _read("cost.data", cost.data, np.float64, (None,))
    indices = _read("cost.indices", cost.indices, np.int32, data.shape)
    indptr = _read("cost.indptr", cost.indptr, np.int64, (n + 1,))
    kernels = _checked("cost.data", data)
    if not kernels.valid_rows(data, indices, indptr, m):
        raise ValueError(
            f"cost.indptr must rise from 0 to {len(data)} and cost.indices lie in [0, {m}); got {indptr} and {indices}"
        )
    columns = np.empty(n, np.int32)
    kernels.assign_sparse(data, indices, indptr, m, _misses(miss, (n,)), columns)
    return columns


def k_best(cost: ArrayLike, k: int, miss: ArrayLike | None = None) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Find the k cheapest assignments.

    Murty 1968, "An Algorithm for Ranking All the Assignments in Order of Increasing Cost", each branch being solved by
    one path from where its solution stands (Miller, Stone & Cox 1997, "Optimizing Murty's Ranked Assignment Method"),
    and only when its lower bound comes up.

    Parameters
    ----------
    cost : (n, m) float64
        Costs; +inf forbids a pairing.
    k : int
        How many to find at most, 1 to 2**20.
    miss : float or (n,) float64, optional
        What it costs to leave a row without a column. A row whose miss is +inf, the default, has a column in each
        assignment; only where no miss is finite and n > m, each column has a row instead.

    Returns
    -------
    columns : (K, n) int32
        The column of each row, -1 for none; all K differ. K is less than `k` if there are no more; 0 if there is none.
    totals : (K,) float64
        Sums of costs and misses, never falling.

    Raises
    ------
    TypeError
        If an argument is no array of numbers, or `k` no integer.
    ValueError
        If a shape differs, `k` is out of range, or a cost is NaN, -inf, or finite and not below 1e300 in size.
    """
    costs = _read("cost", cost, np.float64, (None, None))
    kernels = _checked("cost", costs)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise TypeError(f"k must be an integer; got {type(k).__name__}")
    if not 1 <= k <= LARGEST_K:
        raise ValueError(f"k must lie in [1, {LARGEST_K}]; got {k}")
    n, m = _sizes("cost", costs.shape)
    misses = _misses(miss, (n,))
    if n > m and not (misses < np.inf).any():
        rows, totals = k_best(costs.T, k)
        columns = np.full((len(totals), n), -1, np.int32)
        np.put_along_axis(columns, rows, np.arange(m, dtype=np.int32)[None], axis=1)
        return columns, totals
    room = min(int(k), _count(n, m))
    columns, totals = np.empty((room, n), np.int32), np.empty(room)
    found = kernels.k_best(costs, misses, columns, totals)
    order = np.argsort(totals[:found], kind="stable")  # bounds are sums in another order: equal totals may trade places
    return columns[order], totals[order]


def assignment_marginals(weights: ArrayLike, miss: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute how probable each pairing is over all assignments of up to 8 rows, exactly.

    An assignment weighs the product of the weights of its pairings and of the misses of the rows without a column. With
    likelihood ratios as weights these are the probabilities of joint probabilistic data association (Fortmann,
    Bar-Shalom & Scheffe 1983, "Sonar tracking of multiple targets using joint probabilistic data association").

    Parameters
    ----------
    weights : (n, m) or (B, n, m) float64
        Weight of each pairing, not negative, zero forbids; n is at most 8.
    miss : float, (n,) or (B, n) float64
        Weight of no column, not negative; zero says that the row must have one.

    Returns
    -------
    probability : (n, m + 1) or (B, n, m + 1) float64
        Probability of each column, and at the end that of none; rows sum to 1. NaN if no assignment is possible, or all
        together weigh less than 1e-290, the largest weight of each row counting as 1.
    log_total : () or (B,) float64
        Logarithm of the sum of all assignments' weights; -inf where the probabilities are NaN.

    Raises
    ------
    TypeError
        If an argument is no array of numbers.
    ValueError
        If a shape differs, there are more than 8 rows, or a weight is negative, NaN or infinite.
    """
    values = _batch("weights", weights)
    n, m = _sizes("weights", values.shape)
    b = len(values) if values.ndim == 3 else 1
    if n > MARGINAL_ROWS:
        raise ValueError(f"weights must have at most {MARGINAL_ROWS} rows; got {n}")
    misses = _spread("miss", miss, values.shape[:-1])
    for name, array in (("weights", values), ("miss", misses)):
        if array.size and not 0 <= array.min() <= array.max() < np.inf:
            raise ValueError(f"{name} must be finite and not negative; got {array.min()} to {array.max()}")
    probability, log_total = np.empty((*values.shape[:-1], m + 1)), np.empty(values.shape[:-2])
    with np.errstate(all="ignore"):
        backends.kernels("assignment").marginals(
            values.reshape(b, n, m), misses.reshape(b, n), probability.reshape(b, n, m + 1), log_total.reshape(b)
        )
    return probability, log_total


def _read(name: str, value: ArrayLike, dtype: type[np.generic], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return what `validation.array` does, but copy nothing that can be read as it is.

    No result keeps it, and a copy would take a good part of the time of solving.
    """
    if (
        isinstance(value, np.ndarray)
        and value.dtype == dtype
        and value.flags.c_contiguous
        and len(shape) == value.ndim
        and all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))
    ):
        view: NDArray[Any] = value.view(np.ndarray)
        view.flags.writeable = False
        return view
    return validation.array(name, value, dtype, shape)


def _batch(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return a matrix or a batch of them."""
    ndim = _ndim(name, value)
    if ndim not in (2, 3):
        raise ValueError(f"{name} must have shape (n, m) or (B, n, m); got {np.shape(value)}")
    return _read(name, value, np.float64, (None,) * ndim)


def _ndim(name: str, value: ArrayLike) -> int:
    """Return how many axes there are."""
    try:
        return np.ndim(value)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of float64; got {type(value).__name__}: {error}") from error


def _sizes(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many rows and columns there are, if the kernels can count them."""
    n, m = shape[-2:]
    if not (0 <= n < 2**31 and 0 <= m < 2**31):
        raise ValueError(f"{name} must have fewer than 2**31 rows and columns; got shape {shape}")
    return n, m


def _spread(name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return one number for all rows, or one a row, as one a row; a row's is the same in all problems, or its own."""
    ndim = _ndim(name, value)
    fitting = shape[len(shape) - ndim :] if ndim <= len(shape) else shape
    given = validation.array(name, value, np.float64, fitting)
    return given if given.shape == shape else np.ascontiguousarray(np.broadcast_to(given, shape))


def _misses(miss: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the miss cost of every row."""
    if miss is None:
        return np.full(shape, np.inf)
    misses = _spread("miss", miss, shape)
    _checked("miss", misses)
    return misses


def _checked(name: str, costs: NDArray[np.float64]) -> Any:
    """Return the kernels, once these have found no NaN, no -inf and nothing that may overflow."""
    kernels = backends.kernels("assignment")
    if not kernels.valid_costs(costs.reshape(-1)):
        finite = costs[np.isfinite(costs)]
        raise ValueError(
            f"{name} must be +inf or below 1e300 in size, never NaN or -inf; got {np.isnan(costs).sum()} NaN, "
            f"{(costs == -np.inf).sum()} -inf, and finite ones from {finite.min(initial=0)} to {finite.max(initial=0)}"
        )
    return kernels


def _count(n: int, m: int) -> int:
    """Return how many assignments of n rows to m columns there are, misses included, at most `LARGEST_K`."""
    total, term = 0, 1
    for paired in range(min(n, m) + 1):
        total += term
        if total >= LARGEST_K:
            return LARGEST_K
        term = term * (n - paired) * (m - paired) // (paired + 1)
    return total
