"""Assignment: hostile input, and the kernels under the sanitizers."""

from pathlib import Path

import numpy as np
import pytest

from assignments import Rows
from fusion import assign, assign_sparse, assignment_marginals, k_best

ROOT = Path(__file__).parents[1]


class TestHostile:
    @pytest.mark.parametrize("shape", [(), (2,), (1, 2, 3, 4)])
    def test_wrong_shape_of_costs(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="cost must have shape"):
            assign(np.zeros(shape))
        with pytest.raises(ValueError, match="cost must have shape"):
            k_best(np.zeros(shape), 1)
        with pytest.raises(ValueError, match="weights must have shape"):
            assignment_marginals(np.zeros(shape), 1.0)

    @pytest.mark.parametrize("miss", [[1.0], [[1.0, 2.0]], np.zeros((3, 2, 2))])
    def test_wrong_shape_of_misses(self, miss: object) -> None:
        with pytest.raises(ValueError, match="miss must have shape"):
            assign(np.zeros((2, 3)), miss)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="miss must have shape"):
            k_best(np.zeros((2, 3)), 1, miss)  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300, -1e300])
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_numbers_that_are_no_costs(self, value: float, place: int) -> None:
        cost = np.zeros((1, 3))
        cost[0, place] = value
        with pytest.raises(ValueError, match="cost must be"):
            assign(cost)
        with pytest.raises(ValueError, match=r"cost\.data must be"):
            assign_sparse(Rows(cost[0], np.arange(3), np.array([0, 3]), (1, 3)))
        with pytest.raises(ValueError, match="miss must be"):
            assign(np.zeros((3, 1)), cost[0])

    @pytest.mark.parametrize("weight", [np.nan, np.inf, -1e-9])
    def test_numbers_that_are_no_weights(self, weight: float) -> None:
        with pytest.raises(ValueError, match="weights must be finite and not negative"):
            assignment_marginals([[1.0, weight]], 1.0)
        with pytest.raises(ValueError, match="miss must be finite and not negative"):
            assignment_marginals([[1.0, 1.0]], weight)

    @pytest.mark.parametrize("value", ["1", None, True, [[1.0], [1.0, 2.0]], [["a"]], [[None]], [[1j]]])
    def test_things_that_are_no_numbers(self, value: object) -> None:
        for call in (
            lambda: assign(value),  # type: ignore[arg-type]
            lambda: k_best(value, 1),  # type: ignore[arg-type]
            lambda: assignment_marginals(value, 1.0),  # type: ignore[arg-type]
        ):
            with pytest.raises((TypeError, ValueError), match=r"(cost|weights) must"):
                call()
        if value is not None:
            with pytest.raises((TypeError, ValueError), match="miss must"):
                assign(np.zeros((1, 2)), value)  # type: ignore[arg-type]

    def test_more_than_eight_rows_have_no_marginals(self) -> None:
        with pytest.raises(ValueError, match="at most 8 rows; got 9"):
            assignment_marginals(np.ones((9, 2)), 1.0)

    @pytest.mark.parametrize("k", [0, -1, 2**20 + 1])
    def test_k_out_of_range(self, k: int) -> None:
        with pytest.raises(ValueError, match="k must lie in"):
            k_best(np.zeros((2, 2)), k)

    @pytest.mark.parametrize("k", [1.0, "1", None, True])
    def test_k_of_a_wrong_type(self, k: object) -> None:
        with pytest.raises(TypeError, match="k must be an integer"):
            k_best(np.zeros((2, 2)), k)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"indptr": np.array([0, 2])}, "indptr must have shape"),
            ({"indptr": np.array([0, 3, 2])}, "indptr must rise"),
            ({"indptr": np.array([1, 1, 2])}, "indptr must rise"),
            ({"indptr": np.array([0, 1, 9])}, "indptr must rise"),
            ({"indices": np.array([0, 2])}, "indices lie in"),
            ({"indices": np.array([-1, 0])}, "indices lie in"),
            ({"indices": np.array([0])}, "indices must have shape"),
            ({"indices": np.array([0, 2**40])}, "indices must fit int32"),
            ({"data": np.array([[1.0, 2.0]])}, "data must have shape"),
            ({"shape": (2, -1)}, "2\\*\\*31 rows and columns"),
            ({"shape": (2, 2**31)}, "2\\*\\*31 rows and columns"),
            ({"shape": (2,)}, "shape must have shape"),
            ({"shape": (3, 2)}, "indptr must have shape"),
        ],
    )
    def test_rows_that_do_not_fit(self, change: dict[str, object], message: str) -> None:
        rows = Rows(np.ones(2), np.array([0, 1]), np.array([0, 1, 2]), (2, 2))
        for name, value in change.items():
            setattr(rows, name, value)
        with pytest.raises(ValueError, match=message):
            assign_sparse(rows)

    def test_other_sparse_formats_are_refused(self) -> None:
        scipy_sparse = pytest.importorskip("scipy.sparse")
        for matrix in (scipy_sparse.csc_array(np.eye(2)), scipy_sparse.coo_array(np.eye(2)), np.eye(2), None):
            with pytest.raises(TypeError, match="compressed sparse rows"):
                assign_sparse(matrix)

    def test_the_native_module_refuses_wrong_arrays(self) -> None:
        native = pytest.importorskip("fusion.native.assignment")
        cost, miss, columns = np.zeros((1, 2, 3)), np.zeros((1, 2)), np.zeros((1, 2), np.int32)
        ends = np.array([0, 2])
        for call in (
            lambda: native.assign(cost, miss[:, :1].copy(), columns),
            lambda: native.assign(cost, miss, columns[:0]),
            lambda: native.assign_sparse(np.zeros(2), np.array([0, 7], np.int32), ends, 3, np.zeros(1), columns[0, :1]),
            lambda: native.assign_sparse(np.zeros(2), np.zeros(1, np.int32), ends, 3, np.zeros(1), columns[0, :1]),
            lambda: native.k_best(cost[0], miss[0], columns, np.zeros(2)),
            lambda: native.marginals(cost, miss, np.zeros((1, 2, 3)), np.zeros(1)),
            lambda: native.marginals(np.zeros((1, 9, 1)), np.zeros((1, 9)), np.zeros((1, 9, 2)), np.zeros(1)),
        ):
            with pytest.raises(ValueError, match="do not fit"):
                call()
        with pytest.raises(ValueError, match="dtype"):
            native.assign(cost.astype(np.float32), miss, columns)

    def test_empty_problems(self) -> None:
        assert assign(np.zeros((0, 3))).shape == (0,)
        assert assign(np.zeros((3, 0))).tolist() == [-1, -1, -1]
        assert assign(np.zeros((0, 3, 2))).shape == (0, 3)
        assert k_best(np.zeros((0, 3)), 2)[1].tolist() == [0.0]
        assert k_best(np.zeros((3, 0)), 2, 1.0)[1].tolist() == [3.0]
        assert assignment_marginals(np.zeros((2, 0)), 1.0)[0].tolist() == [[1.0], [1.0]]
        assert assignment_marginals(np.zeros((0, 2)), 1.0)[1] == 0.0

    def test_lists_other_dtypes_and_strides_are_taken(self, rng: np.random.Generator) -> None:
        cost = rng.integers(0, 100, (6, 9)).astype(float)
        expected = assign(cost)
        others = (cost.tolist(), cost.astype(np.float32), cost.astype(int), np.asfortranarray(cost), cost[::-1][::-1])
        for other in others:
            np.testing.assert_array_equal(assign(other), expected)

    def test_the_largest_costs_do_not_overflow(self) -> None:
        large = np.nextafter(1e300, 0)
        assert assign([[-large, large], [-large, 0.0]]).tolist() == [0, 1]
