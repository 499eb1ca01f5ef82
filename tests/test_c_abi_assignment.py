"""The C ABI of assignment: the choices of the engine, statuses for what is wrong."""

import ctypes as c
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from assignments import sparse
from c_library import STATUS, call, library, scratch
from fusion import assign, assign_sparse, assignment_marginals, k_best


def problem(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    n, m = rng.integers(0, 9, 2)
    cost = rng.integers(-20, 20, (n, m)).astype(float) if rng.random() < 0.5 else rng.normal(0, 10, (n, m))
    cost[rng.random((n, m)) < rng.choice([0, 0.4])] = np.inf
    miss = rng.choice([np.inf, 5.0, 0.0], n)
    return cost, None if rng.random() < 0.3 else miss


def size_t(value: int) -> c.c_size_t:
    return c.c_size_t(value)


def test_assignments_are_those_of_the_engine(rng: np.random.Generator) -> None:
    lib = library()
    for _ in range(400):
        cost, miss = problem(rng)
        (n, m), column = cost.shape, np.full(len(cost), -7, np.int32)
        given = (cost, miss, size_t(1), n, m, column, *scratch(lib, "assign", n, m))
        assert call(lib, "assign", *given) == 0
        np.testing.assert_array_equal(column, assign(cost, miss))
        rows, column = sparse(cost), np.full(len(cost), -7, np.int32)
        index, start = rows.indices.astype(np.int32), np.array(rows.indptr, np.int64)
        given = (rows.data, index, start, size_t(len(index)), miss, n, m, column)
        assert call(lib, "assign_sparse", *given, *scratch(lib, "assign_sparse", n, m)) == 0
        np.testing.assert_array_equal(column, assign_sparse(rows, miss))


def test_a_batch_is_solved_problem_by_problem(rng: np.random.Generator) -> None:
    cost, miss, column = rng.normal(0, 9, (50, 4, 6)), rng.normal(0, 9, (50, 4)), np.empty((50, 4), np.int32)
    memory = scratch(library(), "assign", 4, 6)
    assert call(library(), "assign", cost, miss, size_t(50), 4, 6, column, *memory) == 0
    np.testing.assert_array_equal(column, assign(cost, miss))


def test_the_best_are_those_of_the_engine(rng: np.random.Generator) -> None:
    lib, k = library(), 12
    for _ in range(300):
        cost, miss = problem(rng)
        n, m = cost.shape
        if n > m and (miss is None or np.isinf(miss).all()):
            continue
        column, total, found = np.empty((k, n), np.int32), np.empty(k), c.c_int32()
        memory = scratch(lib, "k_best", n, m, k)
        assert call(lib, "k_best", cost, miss, n, m, k, column, total, c.byref(found), *memory) == 0
        columns, totals = k_best(cost, k, miss)
        order = np.argsort(total[: found.value], kind="stable")
        np.testing.assert_array_equal(column[order], columns)
        np.testing.assert_array_equal(total[order], totals)


def test_marginals_are_those_of_the_engine(rng: np.random.Generator) -> None:
    lib = library()
    for n in range(9):
        weight, miss = rng.exponential(1, (3, n, 5)), rng.exponential(1, (3, n))
        weight[rng.random(weight.shape) < 0.3] = 0
        probability, log_total = np.empty((3, n, 6)), np.empty(3)
        memory = scratch(lib, "assignment_marginals", n, 5)
        given = (weight, miss, size_t(3), n, 5, probability, log_total, *memory)
        assert call(lib, "assignment_marginals", *given) == 0
        expected = assignment_marginals(weight, miss)
        np.testing.assert_allclose(probability, expected[0], rtol=1e-12)
        np.testing.assert_allclose(log_total, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["assign", "assign_sparse", "k_best", "assignment_marginals"])
def test_bad_sizes_are_refused(name: str) -> None:
    lib, size = library(), c.c_size_t()
    more = (3,) if name == "k_best" else ()
    for rows, columns in ((-1, 3), (3, -1), (2**31 - 1, 3), (3, 2**20 + 1)):
        assert call(lib, f"{name}_size", rows, columns, *more, c.byref(size)) == STATUS["BAD_ARGUMENT"]
    assert call(lib, f"{name}_size", 3, 3, *more, None) == STATUS["BAD_ARGUMENT"]


def test_bad_problems_are_refused() -> None:
    lib, bad, column, found = library(), STATUS["BAD_ARGUMENT"], np.empty(6, np.int32), c.c_int32()
    cost, miss, one = np.zeros((2, 3)), np.zeros(2), size_t(1)
    memory, size = scratch(lib, "k_best", 3, 3, 2)
    total, probability, log_total = np.empty(2), np.empty(8), np.empty(1)

    def all_of(cost: Any, miss: Any, rows: int = 2, memory: Any = memory, size: Any = size) -> list[int]:
        start, index = np.array([0, 3, 6]), np.array([0, 1, 2, 0, 1, 2], np.int32)
        weights = (cost, miss, one, rows, 3, probability, log_total, memory, size)
        return [
            call(lib, "assign", cost, miss, one, rows, 3, column, memory, size),
            call(lib, "assign_sparse", cost, index, start, size_t(6), miss, rows, 3, column, memory, size),
            call(lib, "k_best", cost, miss, rows, 3, 2, column, total, c.byref(found), memory, size),
            call(lib, "assignment_marginals", *weights),
        ]

    assert all_of(cost, miss) == [0, 0, 0, 0]
    for value in (np.nan, -np.inf, 1e300):
        spoiled = cost.copy()
        spoiled[1, 2] = value
        assert all_of(spoiled, miss)[:3] == [bad] * 3
        assert all_of(cost, np.array([0, value]))[:3] == [bad] * 3
    for value in (np.nan, np.inf, -1.0):
        assert all_of(cost + value, miss)[3] == all_of(cost, miss + value)[3] == bad
    assert all_of(None, miss) == all_of(cost, miss, -1) == all_of(cost, miss, memory=None) == [bad] * 4
    assert all_of(cost, miss, memory=memory[4:]) == [bad] * 4
    assert all_of(cost, miss, size=size_t(8)) == [STATUS["NO_ROOM"]] * 4
    for start in ([0, 3, 5], [1, 3, 6], [0, 7, 6], [0, -1, 6]):
        given = (cost, np.zeros(6, np.int32), np.array(start), size_t(6), miss, 2, 3, column, memory, size)
        assert call(lib, "assign_sparse", *given) == bad
    given = (cost, np.full(6, 3, np.int32), np.array([0, 3, 6]), size_t(6), miss, 2, 3, column, memory, size)
    assert call(lib, "assign_sparse", *given) == bad
