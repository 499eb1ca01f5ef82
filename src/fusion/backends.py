"""Which kernels run: ``native`` (C++), ``numba`` (the reference, compiled) or ``reference`` (plain Python).

The three share names, signatures and results; nothing falls back silently from one to another.
"""

import functools
import importlib
import importlib.util
import os
import sys
from types import ModuleType, TracebackType
from typing import Any

from fusion.extras import require

BACKENDS = ("native", "numba", "reference")
VARIABLE = "FUSION_BACKEND"

_chosen: str | None = None


class use_backend:  # noqa: N801 - read as a statement: ``fusion.use_backend("numba")``
    """Choose the backend for objects and calls made from now on; as a context manager, until its end.

    Parameters
    ----------
    name : {"native", "numba", "reference"}
        The backend. Without a choice, the environment variable ``FUSION_BACKEND`` decides, then ``native``.

    Raises
    ------
    ValueError
        If `name` is no backend.
    """

    def __init__(self, name: str) -> None:
        global _chosen
        self._previous = _chosen
        _chosen = _checked(name, "name")

    def __enter__(self) -> "use_backend":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        global _chosen
        _chosen = self._previous


def backend() -> str:
    """Name the backend in use.

    Returns
    -------
    str
        One of ``"native"``, ``"numba"``, ``"reference"``.

    Raises
    ------
    ValueError
        If ``FUSION_BACKEND`` names no backend.
    """
    return _chosen or _checked(os.environ.get(VARIABLE, "native"), VARIABLE)


def kernels(name: str) -> Any:
    """Import one kernel module (``"segmentation"``, ``"assignment"``, ...) of the backend in use.

    Raises
    ------
    ImportError
        If the native module was not built, or numba is not installed; the message says what to do.
    """
    chosen = backend()
    if chosen == "native":
        return _native(name)
    if chosen == "numba":
        return _compiled(name)
    return importlib.import_module(f"fusion.reference.{name}")


def _checked(name: str, argument: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"{argument} must be one of {', '.join(BACKENDS)}; got {name!r}")
    return name


def _native(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"fusion.native.{name}")
    except ImportError as error:
        raise ImportError(
            f"the native kernel fusion.native.{name} cannot be loaded ({error}); build it with 'pip install .' in a "
            f"source tree (needs a C++17 compiler), or set {VARIABLE}=reference to run without it"
        ) from error


@functools.cache
def _compiled(name: str) -> ModuleType:
    """Import the reference's source a second time and compile the functions that it lists in ``COMPILED``.

    What it imports from other references is replaced by their compiled twins.
    """
    numba = require("numba", extra="numba")
    reference = importlib.import_module(f"fusion.reference.{name}")
    spec = importlib.util.spec_from_file_location(f"fusion.numba.{name}", str(reference.__file__))
    assert spec is not None
    assert spec.loader is not None
    twin = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = twin  # where numba's cache looks for it in the next process
    spec.loader.exec_module(twin)
    for function, value in list(vars(twin).items()):
        home = sys.modules.get(getattr(value, "__module__", ""))
        if home is not None and home is not twin and function in getattr(home, "COMPILED", ()):
            setattr(twin, function, getattr(_compiled(home.__name__.rpartition(".")[2]), function))
    # No fastmath: the bits must be the reference's.
    jit = numba.njit(cache=True, error_model="numpy", nogil=True)
    for function in twin.COMPILED:
        setattr(twin, function, jit(getattr(twin, function)))
    return twin
