"""Checks of arguments: every message names the argument, what was expected and what came."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

_T = TypeVar("_T")


def array(
    name: str,
    value: ArrayLike,
    dtype: type[np.generic],
    shape: tuple[int | None, ...],
    *,
    finite: bool = False,
) -> NDArray[Any]:
    """Return `value` as a read-only C-contiguous array of `dtype` and `shape` (``None`` matches any length).

    Raises
    ------
    TypeError
        If the elements are no numbers (booleans, text and objects are none), or would be truncated.
    ValueError
        If the shape differs, an integer does not fit, or `finite` is asked for and NaN or infinity is found.
    """
    try:
        raw = np.asarray(value)
        kinds = "iu" if np.dtype(dtype).kind in "iu" else "iuf"
        if raw.size and raw.dtype.kind not in kinds:
            raise TypeError(f"its elements are {raw.dtype}")
        if raw.dtype == dtype:
            result = np.array(raw, order="C")
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # overflow becomes inf, which the caller may refuse
                result = np.array(raw, dtype=dtype, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(
            f"{name} must be an array of {np.dtype(dtype).name}; got {type(value).__name__}: {error}"
        ) from error
    matches = result.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, result.shape, strict=True))
    if not matches:
        expected = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        raise ValueError(f"{name} must have shape {expected}; got {result.shape}")
    if kinds == "iu" and not np.array_equal(result, raw):
        raise ValueError(f"{name} must fit {np.dtype(dtype).name}; got values from {raw.min()} to {raw.max()}")
    if finite and not np.isfinite(result).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    result.flags.writeable = False
    return result


def number(
    name: str, value: float, *, above: float = -np.inf, at_least: float = -np.inf, at_most: float = np.inf
) -> float:
    """Return `value` as a finite float within bounds.

    Raises
    ------
    TypeError
        If `value` is no number.
    ValueError
        If it is not finite or out of bounds.
    """
    result = _float(name, value)
    if not np.isfinite(result):
        raise ValueError(f"{name} must be finite; got {result}")
    if result <= above:
        raise ValueError(f"{name} must be above {above}; got {result}")
    if not at_least <= result <= at_most:
        raise ValueError(f"{name} must lie in [{at_least}, {at_most}]; got {result}")
    return result


def number_or_nan(name: str, value: float, *, positive: bool = False) -> float:
    """Return `value` as a float that is finite, and positive if asked for, or NaN where unknown.

    Raises
    ------
    TypeError
        If `value` is no number.
    ValueError
        If it is infinite, or not positive.
    """
    result = _float(name, value)
    if np.isinf(result) or (positive and result <= 0):
        raise ValueError(f"{name} must be {'positive' if positive else 'finite'}, or NaN where unknown; got {result}")
    return result


def _float(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number; got {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        return np.inf


def instances(name: str, value: Any, kind: type[_T]) -> tuple[_T, ...]:
    """Return a sequence of objects of one type as a tuple.

    Raises
    ------
    TypeError
        If `value` is no sequence (text is none here), or holds something else.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of {kind.__name__}; got {type(value).__name__}")
    for element in value:
        if not isinstance(element, kind):
            raise TypeError(f"{name} must hold {kind.__name__} objects; got {type(element).__name__}")
    return tuple(value)


def instance(name: str, value: Any, kind: type[_T]) -> _T:
    """Return `value` if it is of the type.

    Raises
    ------
    TypeError
        If it is not.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}; got {type(value).__name__}")
    return value


def identifier(name: str, value: str) -> str:
    """Return `value` if it is a non-empty string.

    Raises
    ------
    TypeError
        If it is no string.
    ValueError
        If it is empty.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string; got {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def time_ns(name: str, value: int) -> int:
    """Return `value` if it is a time: integer nanoseconds since the Unix epoch, not negative, within int64.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is negative or does not fit.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be integer nanoseconds since the Unix epoch; got {type(value).__name__}")
    if not 0 <= value < 2**63:
        raise ValueError(f"{name} must be nanoseconds since the Unix epoch in [0, 2**63); got {value}")
    return int(value)


def times_ns(name: str, value: ArrayLike) -> NDArray[np.int64]:
    """Return `value` as a read-only array (n,) of times, each nanoseconds since the Unix epoch and not negative.

    Raises
    ------
    TypeError
        If the elements are no integers.
    ValueError
        If one is negative, or the array is not one-dimensional.
    """
    result = array(name, value, np.int64, (None,))
    if (result < 0).any():
        raise ValueError(f"{name} must be nanoseconds since the Unix epoch, not negative; got {int(result.min())}")
    return result


def unique(name: str, values: Iterable[str]) -> None:
    """Refuse duplicates among identifiers.

    Raises
    ------
    ValueError
        Naming the first identifier that comes twice.
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{name} must be unique; {value!r} comes twice")
        seen.add(value)


def rotation(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return `value` as a read-only rotation matrix (3, 3).

    Raises
    ------
    TypeError
        If its elements are no numbers.
    ValueError
        If it is not orthonormal to 1e-6, or mirrors.
    """
    result = array(name, value, np.float64, (3, 3), finite=True)
    orthonormal = np.abs(result).max() < 2 and np.abs(result @ result.T - np.eye(3)).max() <= 1e-6
    if not orthonormal or np.linalg.det(result) < 0:
        raise ValueError(f"{name} must be a rotation matrix; got {result.tolist()}")
    return result
