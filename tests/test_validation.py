"""Checks of arguments: what passes, and that every refusal names the argument, the expected and what came."""

from typing import Any

import numpy as np
import pytest

from fusion import validation


class TestArray:
    def test_converts_and_copies(self) -> None:
        mine = np.array([[1.0, 2.0], [3.0, np.nan]])
        result = validation.array("a", mine, np.float32, (None, 2))
        mine[:] = 7
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, [[1, 2], [3, np.nan]])

    def test_copies_even_what_needs_no_conversion(self) -> None:
        mine = np.zeros(3)
        result = validation.array("a", mine, np.float64, (3,))
        mine[0] = 7
        assert result[0] == 0

    def test_is_read_only_and_contiguous(self) -> None:
        result = validation.array("a", np.arange(12.0).reshape(3, 4).T[::2], np.float64, (None, None))
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, [[0, 4, 8], [2, 6, 10]])
        with pytest.raises(ValueError, match="read-only"):
            result[0, 0] = 1

    @pytest.mark.parametrize("value", [[], np.empty((0,)), ()])
    def test_nothing_is_of_any_type(self, value: Any) -> None:
        assert validation.array("a", value, np.int64, (None,)).dtype == np.int64

    def test_what_overflows_is_infinite(self) -> None:
        assert validation.array("a", [1e300, -1e300], np.float32, (2,)).tolist() == [np.inf, -np.inf]
        with pytest.raises(ValueError, match="a must be finite"):
            validation.array("a", [1e300], np.float32, (1,), finite=True)

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "12",
            ["1", "2"],
            [None, 1.0],
            [True, False],
            [1 + 2j, 0],
            {"a": 1},
            object(),
            [10**400, 1],
            [[1, 2], [3]],
            [1, [2, 3]],
            np.array(["2020-01-01"], "datetime64[D]"),
            np.zeros(1, [("x", float)]),
        ],
    )
    @pytest.mark.parametrize("dtype", [np.float64, np.int64])
    def test_what_is_no_number_is_refused(self, value: Any, dtype: type[np.generic]) -> None:
        with pytest.raises(
            TypeError, match=rf"^a must be an array of {np.dtype(dtype).name}; got {type(value).__name__}"
        ):
            validation.array("a", value, dtype, (None,))

    @pytest.mark.parametrize("value", [[1.0, 2.0], [1.5], [np.nan]])
    def test_floats_are_not_truncated(self, value: list[float]) -> None:
        with pytest.raises(TypeError, match=r"a must be an array of int64; got list: .*float64"):
            validation.array("a", value, np.int64, (None,))

    @pytest.mark.parametrize(("value", "dtype"), [([2**31], np.int32), ([-(2**31) - 1], np.int32), ([2**63], np.int64)])
    def test_integers_do_not_wrap(self, value: list[int], dtype: type[np.generic]) -> None:
        with pytest.raises(ValueError, match=rf"a must fit {np.dtype(dtype).name}; got values from {value[0]} to"):
            validation.array("a", value, dtype, (None,))

    @pytest.mark.parametrize(
        ("value", "shape", "expected"),
        [
            (1.0, (None,), "any"),
            ([1.0], (2,), "2"),
            ([1.0], (1, 1), "1, 1"),
            ([[1.0]], (None,), "any"),
            (np.zeros((2, 3)), (None, 2), "any, 2"),
        ],
    )
    def test_shape(self, value: Any, shape: tuple[int | None, ...], expected: str) -> None:
        came = str(np.shape(value)).replace("(", r"\(").replace(")", r"\)")
        with pytest.raises(ValueError, match=rf"^a must have shape \({expected}\); got {came}$"):
            validation.array("a", value, np.float64, shape)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_finite(self, bad: float) -> None:
        with pytest.raises(ValueError, match="a must be finite; got NaN or infinity"):
            validation.array("a", [0.0, bad], np.float64, (2,), finite=True)


class TestNumber:
    @pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int8(3), np.float64(3)])
    def test_becomes_a_float(self, value: Any) -> None:
        result = validation.number("x", value)
        assert type(result) is float
        assert result == 3

    @pytest.mark.parametrize("value", [True, np.True_, None, "3", [3], np.array([3.0]), 3j])
    def test_type(self, value: Any) -> None:
        with pytest.raises(TypeError, match=f"x must be a number; got {type(value).__name__}"):
            validation.number("x", value)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 10**400])
    def test_not_finite(self, value: float) -> None:
        with pytest.raises(ValueError, match="x must be finite; got"):
            validation.number("x", value)

    def test_bounds(self) -> None:
        assert validation.number("x", 1, at_least=1, at_most=1) == 1
        with pytest.raises(ValueError, match=r"x must be above 1; got 1\.0"):
            validation.number("x", 1, above=1)
        for value in (0.5, 2.5):
            with pytest.raises(ValueError, match=rf"x must lie in \[1, 2\]; got {value}"):
                validation.number("x", value, at_least=1, at_most=2)

    @pytest.mark.parametrize("value", [np.nan, np.float32("nan")])
    def test_nan_where_unknown(self, value: float) -> None:
        assert np.isnan(validation.number_or_nan("x", value))
        assert validation.number_or_nan("x", 2) == 2.0

    @pytest.mark.parametrize(
        ("value", "error"),
        [(np.inf, ValueError), (10**400, ValueError), (None, TypeError), ("nan", TypeError), (True, TypeError)],
    )
    def test_number_or_nan_refuses(self, value: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="x must be"):
            validation.number_or_nan("x", value)

    def test_positive_or_nan(self) -> None:
        assert np.isnan(validation.number_or_nan("x", np.nan, positive=True))
        for value in (0.0, -1.0, np.inf):
            with pytest.raises(ValueError, match=f"x must be positive, or NaN where unknown; got {value}"):
                validation.number_or_nan("x", value, positive=True)


class TestNames:
    def test_good(self) -> None:
        assert validation.identifier("id", "1/5/11") == "1/5/11"
        assert validation.instances("ids", ["a", "b"], str) == ("a", "b")
        assert validation.instances("ids", (), str) == ()

    @pytest.mark.parametrize("value", [1, None, b"a", ["a"], 1.5])
    def test_type(self, value: Any) -> None:
        with pytest.raises(TypeError, match=f"id must be a string; got {type(value).__name__}"):
            validation.identifier("id", value)

    def test_empty(self) -> None:
        with pytest.raises(ValueError, match="id must not be empty"):
            validation.identifier("id", "")

    @pytest.mark.parametrize("value", ["abc", {"a": 1}, {"a"}, None, 3, np.array(["a"])])
    def test_no_sequence(self, value: Any) -> None:
        """A single string is a sequence of letters, and nobody means that."""
        with pytest.raises(TypeError, match=f"ids must be a sequence of str; got {type(value).__name__}"):
            validation.instances("ids", value, str)

    @pytest.mark.parametrize("value", [["a", 1], [None], [["a"]]])
    def test_elements(self, value: Any) -> None:
        with pytest.raises(TypeError, match="ids must hold str objects; got"):
            validation.instances("ids", value, str)

    def test_unique(self) -> None:
        validation.unique("ids", [])
        validation.unique("ids", ["a", "b"])
        with pytest.raises(ValueError, match="ids must be unique; 'b' comes twice"):
            validation.unique("ids", ["a", "b", "c", "b", "a"])

    def test_instance(self) -> None:
        assert validation.instance("x", "a", str) == "a"
        with pytest.raises(TypeError, match="x must be a str; got int"):
            validation.instance("x", 1, str)


class TestTimes:
    @pytest.mark.parametrize("value", [0, 1_600_000_000_000_000_000, 2**63 - 1, np.int64(5), np.uint64(5)])
    def test_one(self, value: int) -> None:
        result = validation.time_ns("t", value)
        assert type(result) is int
        assert result == value

    @pytest.mark.parametrize("value", [1.0, 1.6e18, True, None, "1", np.float64(1), np.datetime64(1, "ns")])
    def test_type(self, value: Any) -> None:
        with pytest.raises(TypeError, match=f"t must be integer nanoseconds .* got {type(value).__name__}"):
            validation.time_ns("t", value)

    @pytest.mark.parametrize("value", [-1, 2**63, 10**400])
    def test_range(self, value: int) -> None:
        with pytest.raises(ValueError, match=r"t must be nanoseconds .* in \[0, 2\*\*63\); got"):
            validation.time_ns("t", value)

    def test_many(self) -> None:
        result = validation.times_ns("t", [3, 1, 2])
        assert (result.dtype, result.tolist()) == (np.int64, [3, 1, 2])
        assert not result.flags.writeable

    @pytest.mark.parametrize(
        ("value", "error", "words"),
        [
            ([1, -5], ValueError, "t must be nanoseconds .* not negative; got -5"),
            ([1.0], TypeError, "t must be an array of int64"),
            ([True], TypeError, "t must be an array of int64"),
            (np.array([2**63], np.uint64), ValueError, "t must fit int64"),
            ([[1]], ValueError, "t must have shape"),
            (7, ValueError, "t must have shape"),
        ],
    )
    def test_many_refused(self, value: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            validation.times_ns("t", value)


class TestRotation:
    def test_good(self) -> None:
        turn = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
        np.testing.assert_array_equal(validation.rotation("R", turn), turn)
        validation.rotation("R", np.eye(3) + 1e-8)

    @pytest.mark.parametrize(
        "value",
        [
            np.diag([1, 1, -1]),
            -np.eye(3),
            np.zeros((3, 3)),
            np.eye(3) * 1.001,
            np.eye(3) + 1e-5,
            np.full((3, 3), 1e300),
            np.ones((3, 3)),
        ],
    )
    def test_no_rotation(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"R must be a rotation matrix; got \[\["):
            validation.rotation("R", value)

    @pytest.mark.parametrize(
        ("value", "error", "words"),
        [
            (np.full((3, 3), np.nan), ValueError, "R must be finite"),
            (np.eye(4), ValueError, r"R must have shape \(3, 3\); got \(4, 4\)"),
            ([[1, 0, 0], [0, 1, 0], [0, 0]], TypeError, "R must be an array"),
            (np.eye(3, dtype=bool), TypeError, "R must be an array"),
        ],
    )
    def test_refused(self, value: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            validation.rotation("R", value)
