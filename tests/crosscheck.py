"""Drives one kernel through every backend and compares results and errors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fusion import backends


def _outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except (ValueError, TypeError) as error:
        return None, error


def agree(call: Callable[[], Any], *, rtol: float = 0.0) -> Any:
    """Run `call` under native, numba and reference; demand equal errors and results.

    Returns the native result, or raises the error that all three raised. ``rtol=0`` demands equal bits (NaN equals
    NaN; -0.0 differs from 0.0), otherwise floats agree to `rtol`.
    """
    outcomes = {}
    for name in backends.BACKENDS:
        with backends.use_backend(name):
            outcomes[name] = _outcome(call)
    result, error = outcomes["native"]
    for name in ("reference", "numba"):
        other, other_error = outcomes[name]
        assert repr(other_error) == repr(error), f"native: {error!r}; {name}: {other_error!r}"
        _same(result, other, rtol, f"native and {name}")
    if error is not None:
        raise error
    return result


def _same(a: Any, b: Any, rtol: float, where: str) -> None:
    if isinstance(a, np.ndarray | np.generic | float):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{where}: {a.dtype}{a.shape} and {b.dtype}{b.shape}"
        if a.dtype.names:
            for name in a.dtype.names:
                _same(a[name], b[name], rtol, f"{where}, field {name}")
        elif a.dtype.kind == "f" and rtol == 0.0:
            both_nan = np.isnan(a) & np.isnan(b)
            equal = (a == b) & (np.signbit(a) == np.signbit(b)) | both_nan
            assert equal.all(), f"{where}: {a[~equal]} and {b[~equal]}"
        elif a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=rtol, atol=0, equal_nan=True, err_msg=where)
        else:
            np.testing.assert_array_equal(a, b, err_msg=where)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _same(a[key], b[key], rtol, f"{where}[{key!r}]")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), f"{where}: {len(a)} and {len(b)} elements"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            _same(x, y, rtol, f"{where}[{i}]")
    else:
        assert a == b, f"{where}: {a!r} and {b!r}"
