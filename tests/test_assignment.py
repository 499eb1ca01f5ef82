"""Assignment: enumeration, scipy, properties, degenerate and backends."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from assignments import Array, Rows, sparse, worth
from crosscheck import agree
from fusion import assign, assign_sparse, assignment_marginals, k_best


def enumerate_all(cost: Array, miss: Array) -> list[tuple[int, float]]:
    """The worth of every allowed assignment, best first."""
    n = len(cost)
    choices = [[-1, *np.flatnonzero(np.isfinite(row))] for row in cost]
    found = []
    for choice in itertools.product(*choices):
        taken = [j for j in choice if j >= 0]
        if len(set(taken)) == len(taken):
            found.append(worth(cost, miss, np.array(choice, np.int32).reshape(n)))
    return sorted(found)


def problem(rng: np.random.Generator, largest: int) -> tuple[Array, Array]:
    """Costs with forbidden pairings and misses, many or few of either, with ties or without."""
    n, m = rng.integers(0, largest + 1, 2)
    digits = int(rng.choice([0, 1, 12]))
    cost, miss = rng.normal(size=(n, m)).round(digits), rng.normal(size=n).round(digits)
    cost[rng.random((n, m)) < rng.choice([0, 0.3, 0.7])] = np.inf
    miss[rng.random(n) < rng.choice([0, 0.5, 1])] = np.inf
    return cost, miss


class TestKnownAnswers:
    def test_the_example_of_scipy(self) -> None:
        assert assign([[4, 1, 3], [2, 0, 5], [3, 2, 2]]).tolist() == [1, 0, 2]

    def test_a_greedy_choice_is_revised(self) -> None:
        assert assign([[1, 2], [1, 9]]).tolist() == [1, 0]

    def test_types_and_shapes(self) -> None:
        single, batch = assign(np.zeros((3, 4))), assign(np.zeros((5, 3, 4)))
        assert (single.dtype, single.shape) == (np.int32, (3,))
        assert (batch.dtype, batch.shape) == (np.int32, (5, 3))
        columns, totals = k_best(np.zeros((2, 2)), 9)
        assert (columns.dtype, columns.shape, totals.dtype, totals.shape) == (np.int32, (2, 2), np.float64, (2,))

    def test_a_row_is_left_out_where_its_miss_is_cheaper(self) -> None:
        cost = [[1.0, 5.0], [2.0, 9.0]]
        assert assign(cost, 10).tolist() == [1, 0]
        assert assign(cost, 4).tolist() == [0, -1]
        assert assign(cost, 0.5).tolist() == [-1, -1]
        assert assign(cost, [0.5, 4]).tolist() == [-1, 0]

    def test_as_many_rows_as_possible_then_the_cheapest(self) -> None:
        assert assign([[1], [0], [2]]).tolist() == [-1, 0, -1]
        assert assign([[np.inf, 0], [np.inf, 1], [7, np.inf]]).tolist() == [1, -1, 0]
        assert assign([[1, np.inf], [np.inf, np.inf]]).tolist() == [0, -1]

    def test_a_row_that_must_be_assigned_comes_before_one_that_need_not(self) -> None:
        assert assign([[0.0], [100.0]], [1.0, np.inf]).tolist() == [-1, 0]

    def test_ties_go_to_misses_then_to_low_columns(self) -> None:
        assert assign(np.zeros((3, 5))).tolist() == [0, 1, 2]
        assert assign(np.zeros((1, 2)), 0.0).tolist() == [-1]

    def test_stored_zeros_count_and_of_pairings_stored_twice_the_cheaper(self) -> None:
        rows = Rows(np.array([3.0, 1, 0, 5]), np.array([1, 1, 0, 1]), np.array([0, 3, 4]), (2, 2))
        assert assign_sparse(rows).tolist() == [0, 1]
        columns = assign_sparse(Rows(rows.data, np.array([1, 1, 0, 0]), rows.indptr, (2, 2)))
        assert columns.tolist() == [1, 0]

    def test_k_best_of_three_by_three(self) -> None:
        """Brualdi's example, as ranked by Murty's method: the six permutations in order."""
        cost = np.array([[7.0, 2, 1], [4, 6, 3], [8, 5, 9]])
        ranked = sorted((sum(cost[i, p[i]] for i in range(3)), p) for p in itertools.permutations(range(3)))
        columns, totals = k_best(cost, 10)
        assert totals.tolist() == [total for total, _ in ranked]
        assert len({tuple(c) for c in columns.tolist()}) == 6

    def test_k_best_of_a_tall_matrix_gives_each_column_a_row(self) -> None:
        columns, totals = k_best([[3.0], [1.0], [2.0]], 5)
        assert columns.tolist() == [[-1, 0, -1], [-1, -1, 0], [0, -1, -1]]
        assert totals.tolist() == [1, 2, 3]

    def test_k_best_without_a_solution(self) -> None:
        columns, totals = k_best([[1.0, np.inf], [1.0, np.inf]], 3)
        assert (columns.shape, totals.shape) == ((0, 2), (0,))

    def test_marginals_of_one_row_are_its_shares(self) -> None:
        probability, log_total = assignment_marginals([[1.0, 2.0]], 1.0)
        np.testing.assert_allclose(probability, [[0.25, 0.5, 0.25]], rtol=1e-15)
        assert log_total == pytest.approx(np.log(4))

    def test_marginals_without_misses_are_shares_of_a_permanent(self) -> None:
        probability, log_total = assignment_marginals([[1.0, 2.0], [3.0, 4.0]], 0.0)
        assert log_total == pytest.approx(np.log(1 * 4 + 2 * 3))
        np.testing.assert_allclose(probability, [[0.4, 0.6, 0], [0.6, 0.4, 0]], rtol=1e-15)

    @pytest.mark.parametrize("weights", [[[0.0, 0.0], [1.0, 1.0]], [[1.0], [1.0]]])
    def test_marginals_of_nothing_are_nan(self, weights: list[list[float]]) -> None:
        probability, log_total = assignment_marginals(weights, 0.0)
        assert np.isnan(probability).all()
        assert log_total == -np.inf

    def test_marginals_that_underflow_are_nan_not_wrong(self) -> None:
        """Two of three rows for one column each, the third must pay a miss: 1e-280 can be told, 1e-322 cannot."""
        assert assignment_marginals(np.ones((3, 2)), 1e-280)[0][0].tolist() == pytest.approx([1 / 3] * 3, rel=1e-12)
        probability, log_total = assignment_marginals(np.ones((3, 2)), 1e-322)
        assert np.isnan(probability).all()
        assert log_total == -np.inf

    def test_marginals_do_not_care_for_the_scale_of_a_row(self) -> None:
        weights = np.array([[1.0, 2, 3], [4, 5, 6]])
        plain, log_plain = assignment_marginals(weights, 1.0)
        scaled, log_scaled = assignment_marginals(weights * [[1e-250], [1e-250]], 1e-250)
        np.testing.assert_allclose(scaled, plain, rtol=1e-13)
        assert log_scaled == pytest.approx(log_plain + 2 * np.log(1e-250), rel=1e-14)


class TestEnumeration:
    @pytest.mark.parametrize("seed", range(10))
    def test_best_and_next_best_of_small_problems(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(20):
            cost, miss = problem(rng, 4)
            everything = enumerate_all(cost, miss)
            for columns in (assign(cost, miss), assign_sparse(sparse(cost), miss)):
                left_out, total = worth(cost, miss, columns)
                assert left_out == everything[0][0]
                assert total == pytest.approx(everything[0][1], abs=1e-12)
            n, m = cost.shape
            if n > m and np.isinf(miss).all():
                continue
            k = int(rng.integers(1, 60))
            feasible = [total for left_out, total in everything if left_out == 0][:k]
            columns, totals = k_best(cost, k, miss)
            np.testing.assert_allclose(totals, feasible, atol=1e-12)
            assert len({tuple(c) for c in columns.tolist()}) == len(totals)
            for chosen, total in zip(columns, totals, strict=True):
                assert worth(cost, miss, chosen) == (0, pytest.approx(total, abs=1e-12))

    @pytest.mark.parametrize("seed", range(12))
    def test_marginals(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n, m = int(rng.integers(0, 6)), int(rng.integers(0, 5))
        weights, miss = rng.random((n, m)), rng.random(n)
        weights[rng.random((n, m)) < 0.3] = 0
        expected, total = np.zeros((n, m + 1)), 0.0
        for choice in itertools.product(range(m + 1), repeat=n):
            taken = [j for j in choice if j < m]
            if len(set(taken)) == len(taken):
                weight = float(np.prod([miss[i] if j == m else weights[i, j] for i, j in enumerate(choice)]))
                total += weight
                expected[np.arange(n), list(choice)] += weight
        probability, log_total = assignment_marginals(weights, miss)
        np.testing.assert_allclose(probability, expected / total, rtol=0, atol=1e-12)
        assert log_total == pytest.approx(np.log(total), abs=1e-12)

    def test_marginals_of_eight_rows_follow_from_leaving_one_out(self, rng: np.random.Generator) -> None:
        """P(i has j) = weight of the pairing x total without row i and column j / total."""
        weights, miss = rng.random((8, 12)), rng.random(8)
        probability, log_total = assignment_marginals(weights, miss)
        np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-13)
        for i, j in ((0, 0), (3, 7), (7, 11)):
            rest = assignment_marginals(np.delete(np.delete(weights, i, 0), j, 1), np.delete(miss, i))[1]
            assert probability[i, j] == pytest.approx(weights[i, j] * np.exp(rest - log_total), rel=1e-12)


class TestScipy:
    @pytest.mark.parametrize("shape", [(1, 1), (8, 8), (20, 20), (100, 100), (30, 90), (90, 30), (64, 67)])
    @pytest.mark.parametrize("kind", ["uniform", "integers", "distances"])
    def test_dense(self, shape: tuple[int, int], kind: str, rng: np.random.Generator) -> None:
        optimize = pytest.importorskip("scipy.optimize")
        cost = rng.random(shape)
        if kind == "integers":
            cost = rng.integers(0, 10, shape).astype(float)
        elif kind == "distances":
            points = [rng.random((size, 1, 2)) for size in shape]
            cost = np.linalg.norm(points[0] - points[1].swapaxes(0, 1), axis=2)
        rows, columns = optimize.linear_sum_assignment(cost)
        found = assign(cost)
        assert (found >= 0).sum() == len(rows)
        assert worth(cost, np.full(len(cost), np.inf), found)[1] == pytest.approx(cost[rows, columns].sum(), rel=1e-12)

    @pytest.mark.parametrize("seed", range(5))
    def test_gated(self, seed: int) -> None:
        scipy_sparse = pytest.importorskip("scipy.sparse")
        graph = pytest.importorskip("scipy.sparse.csgraph")
        rng = np.random.default_rng(seed)
        n = 200
        tracks = rng.uniform(0, 15, (n, 2))
        detections = (tracks + rng.normal(0, 0.2, (n, 2)))[rng.permutation(n)]
        cost = np.linalg.norm(tracks[:, None] - detections, axis=2)
        cost[cost > 1.2] = np.inf
        matrix = scipy_sparse.csr_array(np.where(np.isfinite(cost), cost, 0))
        rows, columns = graph.min_weight_full_bipartite_matching(matrix)
        forced = np.full(n, np.inf)
        for found in (assign_sparse(matrix), assign(cost)):
            assert worth(cost, forced, found) == (0, pytest.approx(cost[rows, columns].sum(), rel=1e-12))

    def test_a_huge_sparse_problem_needs_no_dense_matrix(self) -> None:
        """A band of 200,000 rows, all connected: dense, it would be 320 GB."""
        n = 200_000
        indices = (np.arange(n)[:, None] + [0, 1]) % n
        cost = np.tile([1.0, 0.0], n)
        found = assign_sparse(Rows(cost, indices.ravel(), np.arange(n + 1) * 2, (n, n)))
        assert (found == indices[:, 1]).all()


costs = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7),
    elements=st.one_of(st.integers(-9, 9).map(float), st.floats(-100, 100), st.just(np.inf)),
)


class TestProperties:
    @settings(max_examples=80, deadline=None)
    @given(costs, st.integers(0, 2**32 - 1))
    def test_order_of_rows_and_columns_does_not_matter(self, cost: Array, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n, m = cost.shape
        miss = rng.choice([1.0, 5.0, np.inf], n)
        rows, columns = rng.permutation(n), rng.permutation(m)
        left_out, total = worth(cost, miss, assign(cost, miss))
        other = worth(cost[rows][:, columns], miss[rows], assign(cost[rows][:, columns], miss[rows]))
        assert other == (left_out, pytest.approx(total, abs=1e-9))

    @settings(max_examples=80, deadline=None)
    @given(costs)
    def test_turned_it_costs_the_same(self, cost: Array) -> None:
        n, m = cost.shape
        left_out, total = worth(cost, np.full(n, np.inf), assign(cost))
        other = worth(cost.T, np.full(m, np.inf), assign(cost.T))
        assert (n - left_out, total) == (m - other[0], pytest.approx(other[1], abs=1e-9))

    @settings(max_examples=80, deadline=None)
    @given(costs, st.floats(-50, 50))
    def test_a_miss_is_a_column_of_its_own(self, cost: Array, miss: float) -> None:
        n, m = cost.shape
        private = np.full((n, n), np.inf)
        np.fill_diagonal(private, miss)
        misses = np.full(n, miss)
        wide = assign(np.hstack([cost, private]))
        expected = worth(cost, misses, np.where(wide < m, wide, -1).astype(np.int32))
        assert worth(cost, misses, assign(cost, miss)) == (0, pytest.approx(expected[1], abs=1e-9))

    @settings(max_examples=60, deadline=None)
    @given(costs, st.integers(1, 30), st.booleans())
    def test_the_k_best_start_with_the_best_never_fall_and_go_on(self, cost: Array, k: int, optional: bool) -> None:
        miss = np.full(len(cost), 3.0 if optional else np.inf)
        columns, totals = k_best(cost, k, miss)
        more, more_totals = k_best(cost, k + 1, miss)
        # Totals that differ by less than their rounding may take either's place.
        np.testing.assert_allclose(totals, more_totals[: len(totals)], rtol=0, atol=1e-9)
        assert (np.diff(totals) >= 0).all()
        assert len({tuple(c) for c in more.tolist()}) == len(more)
        if len(totals):
            paid = worth(cost, miss, columns[0])[1]
            assert paid == pytest.approx(worth(cost, miss, assign(cost, miss))[1], abs=1e-9)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_a_batch_is_its_problems(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        b, n, m = rng.integers(0, 6, 3)
        cost, miss = rng.random((b, n, m)), rng.choice([0.3, np.inf], (b, n))
        columns = assign(cost, miss)
        probability, log_total = assignment_marginals(cost, np.minimum(miss, 1))
        for i in range(b):
            np.testing.assert_array_equal(columns[i], assign(cost[i], miss[i]))
            single, log_single = assignment_marginals(cost[i], np.minimum(miss[i], 1))
            np.testing.assert_array_equal(probability[i], single)
            assert log_total[i] == log_single

    @settings(max_examples=60, deadline=None)
    @given(hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(width=64)))
    def test_any_numbers_are_solved_or_refused(self, cost: Array) -> None:
        allowed = (np.abs(cost) < 1e300) | (cost == np.inf)
        if allowed.all():
            worth(cost, np.full(len(cost), np.inf), assign(cost))
            worth(cost, np.full(len(cost), np.inf), assign_sparse(sparse(cost)))
            k_best(cost, 3)
        else:
            with pytest.raises(ValueError, match="cost must be"):
                assign(cost)
            with pytest.raises(ValueError, match="cost must be"):
                k_best(cost, 3)

    @settings(max_examples=60, deadline=None)
    @given(hnp.arrays(np.float64, (3, 2), elements=st.floats(0, 1e308)), st.floats(0, 1e308))
    def test_probabilities_sum_to_one(self, weights: Array, miss: float) -> None:
        probability, log_total = assignment_marginals(weights, miss)
        if log_total > -np.inf:
            np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-12)
            assert (probability >= 0).all()
            np.testing.assert_array_less(probability[:, :2].sum(0), 1 + 1e-12)
        else:
            assert np.isnan(probability).all()


class TestBackends:
    @pytest.mark.parametrize("seed", range(6))
    def test_everything_agrees_to_the_bit(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(20):
            cost, miss = problem(rng, 9)
            k = int(rng.integers(1, 30))
            agree(lambda cost=cost, miss=miss: assign(cost, miss))
            agree(lambda cost=cost: assign(cost))
            agree(lambda cost=cost, miss=miss: assign_sparse(sparse(cost), miss))
            agree(lambda cost=cost, miss=miss, k=k: k_best(cost, k, miss))

    @pytest.mark.parametrize("shape", [(40, 40), (25, 61), (61, 25)])
    def test_larger_ones_agree_to_the_bit(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        cost = rng.random((2, *shape))
        agree(lambda: assign(cost))
        agree(lambda: assign(cost, 0.1))
        agree(lambda: k_best(cost[0], 20, 0.1))
        agree(lambda: k_best(cost[0], 20))

    @pytest.mark.parametrize("n", range(9))
    def test_marginals_agree(self, n: int, rng: np.random.Generator) -> None:
        weights = rng.random((2, n, 5)) * (rng.random((2, n, 5)) < 0.7)
        agree(lambda: assignment_marginals(weights, 0.1)[0])
        agree(lambda: assignment_marginals(weights, 0.1)[1], rtol=1e-12)

    @pytest.mark.parametrize("cost", [[[np.nan]], [[-np.inf]], [[1e300]], [1.0], [["a"]]])
    def test_errors_agree(self, cost: list[object]) -> None:
        with pytest.raises((ValueError, TypeError), match="cost"):
            agree(lambda: assign(cost))  # type: ignore[arg-type]

    def test_dense_and_sparse_rows_agree_in_ties_too(self, rng: np.random.Generator) -> None:
        for _ in range(50):
            cost = rng.integers(0, 3, (6, 8)).astype(float)
            cost[rng.random(cost.shape) < 0.3] = np.inf
            np.testing.assert_array_equal(assign(cost, 2.0), assign_sparse(sparse(cost), 2.0))
