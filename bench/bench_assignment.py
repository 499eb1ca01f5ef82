"""Assignment against scipy, lapjv, lap, lapcpp and fastlap: time beside cost over the optimum that scipy finds.

Batches hold so many different matrices that no branch predictor learns them. Rivals are called as their users must call
them: a matrix a call, or a batch where they have one (on one thread). Costs are uniform unless a title says otherwise.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import fastlap
import lap
import lapcpp
import lapjv
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

import contenders
from fusion import assign, assign_sparse, assignment_marginals, k_best, use_backend

Costs = NDArray[np.float64]
Ranked = list[list[float]]


def with_backend(backend: str, call: Callable[..., Any], *arguments: Any) -> Any:
    with use_backend(backend):
        return call(*arguments)


def one_by_one(solve: Callable[[Any], Any], problems: Any) -> list[Any]:
    return [solve(problem) for problem in problems]


RIVALS: dict[str, Callable[[Costs], Any]] = {
    "scipy.optimize.linear_sum_assignment": lambda c: linear_sum_assignment(c)[1],
    "lapjv.lapjv": lambda c: lapjv.lapjv(c)[0],
    "lap.lapjv": lambda c: lap.lapjv(c, return_cost=False)[0],
    "lapcpp.lapjv": lambda c: lapcpp.lapjv(c, return_cost=False)[1],
    "fastlap.linear_sum_assignment": lambda c: fastlap.linear_sum_assignment(c)[1],
}


def lapcpp_batch(cost: Costs) -> list[Any]:
    return lapcpp.lapjv_batch(cost, return_cost=False, n_threads=1)


def excess(optimum: NDArray[np.float64], totals: NDArray[np.float64]) -> dict[str, float]:
    return {"cost over optimum": float(np.abs(totals / optimum - 1).max())}


@pytest.mark.parametrize(("n", "count"), [(8, 8000), (20, 6000), (100, 400)])
def test_batch(benchmark: Any, n: int, count: int) -> None:
    cost = np.random.default_rng(n).random((count, n, n))
    rows = np.arange(n)
    optimum = np.array([c[linear_sum_assignment(c)].sum() for c in cost])

    def quality(result: Any) -> dict[str, float]:
        if isinstance(result, tuple):  # lapcpp's batches: lists of rows and of columns
            result = result[1]
        return excess(optimum, np.array([c[rows, x].sum() for c, x in zip(cost, result, strict=True)]))

    jobs: dict[str, Callable[[], Any]] = {
        "native": partial(with_backend, "native", assign, cost),
        "native, a matrix a call": partial(with_backend, "native", one_by_one, assign, cost),
        "numba": partial(with_backend, "numba", assign, cost),
        "lapcpp.lapjv_batch": partial(lapcpp_batch, cost),
    }
    jobs |= {name: partial(one_by_one, solve, cost) for name, solve in RIVALS.items()}
    rows_of_table = contenders.race(benchmark, f"Assignment: a matrix {n} x {n}", jobs, quality, items=count, rounds=7)
    assert all(float(row["cost over optimum"]) < 1e-12 for row in rows_of_table.values())


@pytest.mark.parametrize("kind", ["100 x 200", "200 x 100", "100 x 100 whole numbers to 9", "100 x 100 distances"])
def test_other_shapes_and_costs(benchmark: Any, kind: str) -> None:
    """Against scipy alone: the only rival that takes each of them and is not thrown by ties or distances."""
    rng = np.random.default_rng(1)
    n, m = int(kind.split()[0]), int(kind.split()[2])
    cost = rng.random((100, n, m))
    if "numbers" in kind:
        cost = rng.integers(1, 10, cost.shape).astype(float)
    elif "distances" in kind:
        cost = np.linalg.norm(rng.random((100, n, 1, 2)) - rng.random((100, 1, m, 2)), axis=3)
    optimum = np.array([c[linear_sum_assignment(c)].sum() for c in cost])

    def quality(result: list[Any]) -> dict[str, float]:
        pairs = [r if isinstance(r, tuple) else (np.flatnonzero(r >= 0), r[r >= 0]) for r in result]
        return excess(optimum, np.array([c[p].sum() for c, p in zip(cost, pairs, strict=True)]))

    jobs: dict[str, Callable[[], Any]] = {
        "native": lambda: list(assign(cost)),
        "scipy.optimize.linear_sum_assignment": partial(one_by_one, linear_sum_assignment, cost),
    }
    rows = contenders.race(benchmark, f"Assignment: a matrix {kind}", jobs, quality, items=len(cost))
    assert all(float(row["cost over optimum"]) < 1e-12 for row in rows.values())


def gated(rng: np.random.Generator, n: int = 500) -> csr_array:
    """Distances of tracks to their detections (sigma 0.2 m, one track a square metre), 1.2 m at most."""
    tracks = rng.uniform(0, np.sqrt(n), (n, 2))
    detections = (tracks + rng.normal(0, 0.2, (n, 2)))[rng.permutation(n)]
    distance = np.linalg.norm(tracks[:, None] - detections, axis=2)
    near = np.nonzero(distance < 1.2)
    return csr_array((distance[near], near), shape=(n, n))


def test_gated(benchmark: Any) -> None:
    rng = np.random.default_rng(2)
    matrices = [gated(rng) for _ in range(200)]
    matched = []
    for matrix in matrices:
        try:
            matched.append((matrix, min_weight_full_bipartite_matching(matrix)[1]))
        except ValueError:  # scipy refuses what is not matched in full
            continue
    matrices = [matrix for matrix, _ in matched][:50]
    n = matrices[0].shape[0]
    optimum = np.array([matrix[np.arange(n), x].sum() for matrix, x in matched[:50]])
    dense = [np.where(matrix.toarray() > 0, matrix.toarray(), np.inf) for matrix in matrices]

    def quality(result: list[Any]) -> dict[str, float]:
        return excess(optimum, np.array([c[np.arange(n), x].sum() for c, x in zip(matrices, result, strict=True)]))

    jobs: dict[str, Callable[[], Any]] = {
        "native": partial(with_backend, "native", one_by_one, assign_sparse, matrices),
        "numba": partial(with_backend, "numba", one_by_one, assign_sparse, matrices),
        "native, dense with inf": partial(with_backend, "native", one_by_one, assign, dense),
        "scipy min_weight_full_bipartite_matching": partial(
            one_by_one, lambda c: min_weight_full_bipartite_matching(c)[1], matrices
        ),
        "lap.lapmod": partial(
            one_by_one, lambda c: lap.lapmod(n, c.data, c.indptr, c.indices, return_cost=False)[0], matrices
        ),
    }
    title = f"Assignment: a gated matrix 500 x 500, {matrices[0].nnz / n:.1f} columns a row"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(matrices), rounds=15)
    assert len(matrices) == 50
    assert all(float(row["cost over optimum"]) < 1e-12 for row in rows.values())


def scipy_murty(cost: Costs, k: int) -> list[float]:
    """Murty 1968 over scipy: every branch of a solution is solved anew, from a copy of the costs."""
    n = len(cost)
    rows, columns = linear_sum_assignment(cost)
    waiting, totals = [(cost[rows, columns].sum(), columns, cost, 0)], []
    while waiting and len(totals) < k:
        best = min(range(len(waiting)), key=lambda w: waiting[w][0])
        total, columns, allowed, fixed = waiting.pop(best)
        totals.append(float(total))
        for t in range(fixed, n):
            branch = allowed.copy()
            branch[t, columns[t]] = np.inf
            try:
                rows, found = linear_sum_assignment(branch)
            except ValueError:
                pass
            else:
                waiting.append((cost[rows, found].sum(), found, branch, t))
            allowed = allowed.copy()
            kept = allowed[t, columns[t]]
            allowed[t] = allowed[:, columns[t]] = np.inf
            allowed[t, columns[t]] = kept
    return totals


@pytest.mark.parametrize("n", [8, 20])
def test_k_best(benchmark: Any, n: int) -> None:
    cost = np.random.default_rng(n).random((100, n, n))
    expected = np.array([scipy_murty(c, 10) for c in cost])

    def quality(result: Any) -> dict[str, float]:
        return {"largest difference": float(np.abs(np.array(result) - expected).max())}

    jobs: dict[str, Callable[[], Ranked]] = {
        "native": partial(with_backend, "native", one_by_one, lambda c: k_best(c, 10)[1], cost),
        "numba": partial(with_backend, "numba", one_by_one, lambda c: k_best(c, 10)[1], cost),
        "fastlap.solve_lap_kbest": partial(
            one_by_one, lambda c: [r[0] for r in fastlap.solve_lap_kbest(c, k=10)], cost
        ),
        "Murty over scipy": partial(one_by_one, lambda c: scipy_murty(c, 10), cost),
    }
    title = f"Assignment: the 10 best of a matrix {n} x {n}"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(cost), rounds=3)
    assert all(float(row["largest difference"]) < 1e-12 for row in rows.values())


def enumerate_marginals(weights: Costs, miss: float) -> Costs:
    """Every assignment, one after the other."""
    n, m = weights.shape
    padded, probability, total = np.column_stack([weights, np.full(n, miss)]).tolist(), np.zeros((n, m + 1)), 0.0
    for choice in itertools.product(range(m + 1), repeat=n):
        taken = [j for j in choice if j < m]
        if len(set(taken)) == len(taken):
            weight = 1.0
            for i, j in enumerate(choice):
                weight *= padded[i][j]
            total += weight
            for i, j in enumerate(choice):
                probability[i, j] += weight
    return probability / total


@pytest.mark.parametrize(("n", "m", "count"), [(4, 4, 500), (8, 8, 500), (8, 20, 200)])
def test_marginals(benchmark: Any, n: int, m: int, count: int) -> None:
    """Enumeration, of 4 x 4 only: 8 x 8 has 1.4 million assignments."""
    weights = np.random.default_rng(n * m).random((count, n, m))
    jobs: dict[str, Callable[[], Any]] = {
        name: partial(with_backend, name, lambda: assignment_marginals(weights, 0.3)[0]) for name in ("native", "numba")
    }
    if (n, m) == (4, 4):
        jobs["enumeration"] = lambda: [enumerate_marginals(w, 0.3) for w in weights[:20]] * (count // 20)
    expected = jobs["native"]()
    reference = np.array([enumerate_marginals(w, 0.3) for w in weights[:20]]) if m == 4 else expected[:20]

    def quality(result: Any) -> dict[str, float]:
        return {
            "largest difference": float(np.abs(np.array(result)[:20] - reference).max()),
            "rows' sums - 1": float(np.abs(np.array(result).sum(2) - 1).max()),
        }

    rows = contenders.race(benchmark, f"Assignment: marginals of {n} x {m}", jobs, quality, items=count, rounds=3)
    assert all(float(row["largest difference"]) < 1e-12 for row in rows.values())
    assert all(float(row["rows' sums - 1"]) < 1e-12 for row in rows.values())
