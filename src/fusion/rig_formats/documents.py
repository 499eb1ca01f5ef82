"""Reads calibration documents (YAML, TOML, JSON) and makes cameras of them, with errors that name file and field."""

import functools
import json
import math
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.camera import Camera
from fusion.errors import RecordingError
from fusion.extras import require

T = TypeVar("T")

LARGEST = 1_000_000
"""Most values of a YAML document: a few aliases of aliases could stand for more than memory holds."""


def load(path: Path) -> Any:
    """Return the contents of a file by its suffix: .yaml, .yml, .toml or .json.

    Raises
    ------
    RecordingError
        If it cannot be read, is malformed or has another suffix.
    """
    loaders: dict[str, Callable[[str], Any]] = {
        ".yaml": _yaml,
        ".yml": _yaml,
        ".toml": tomllib.loads,
        ".json": _json,
    }
    if path.suffix not in loaders:
        raise RecordingError(path, f"must be a folder or end in {', '.join(loaders)}; got {path.suffix or 'no suffix'}")
    try:
        return loaders[path.suffix](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error}") from error
    except (ValueError, RecursionError, OverflowError) as error:  # the decoders' errors are ValueErrors
        line = getattr(error, "lineno", None)
        raise RecordingError(path, f"is malformed: {' '.join(str(error).split())}", line=line) from error


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    validation.unique("keys", (key for key, _ in pairs))
    return dict(pairs)


def _yaml(text: str) -> Any:
    yaml = require("yaml", extra="rig")
    body = re.sub(r"\A%YAML:1\.\d[^\n]*\n", "", text)  # OpenCV's directive is not YAML's
    try:
        loader = _loader()(body)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > LARGEST:
            raise ValueError(f"its aliases stand for more than {LARGEST} values")
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (TypeError, AttributeError) as error:  # a key that cannot be one; a tag on the wrong kind of node
        raise ValueError(f"not a plain document: {error}") from error


def _size(node: Any, known: dict[int, float]) -> float:
    """Return how many values a node stands for, aliases written out; infinity where it holds itself."""
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is known
        children = node.value if isinstance(node.value, list) else []
        flat = [child for entry in children for child in (entry if isinstance(entry, tuple) else (entry,))]
        known[id(node)] = 1 + sum(_size(child, known) for child in flat)
    return known[id(node)]


@functools.cache
def _loader() -> Any:
    """Return PyYAML's safe loader that also knows OpenCV's matrices, and refuses a key that comes twice."""
    yaml = require("yaml", extra="rig")

    class Loader(yaml.SafeLoader):  # type: ignore[misc,name-defined]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            validation.unique("keys", (key.value for key, _ in node.value if isinstance(key.value, str)))
            return super().construct_mapping(node, deep)

    for tag in ("opencv-matrix", "opencv-nd-matrix"):
        Loader.add_constructor(f"tag:yaml.org,2002:{tag}", Loader.construct_yaml_map)
    return Loader


_MISSING = re.compile(r"Object missing required field `(.+?)`")


def convert(path: Path, document: Any, kind: type[T]) -> T:
    """Return a document as a typed object.

    Raises
    ------
    RecordingError
        If a field is missing or of another type; names it.
    """
    msgspec = require("msgspec", extra="rig")
    try:
        # Not strict: YAML takes numbers such as 1e-5 for text.
        return msgspec.convert(document, kind, strict=False)  # type: ignore[no-any-return]
    except (msgspec.ValidationError, RecursionError) as error:
        message, _, where = str(error).partition(" - at `$")
        missing = _MISSING.match(message)
        name = ".".join(filter(None, [where.strip(".`"), missing and missing[1]]))
        raise RecordingError(path, message, field=name or None) from error


def load_map(path: Path) -> dict[str, Any]:
    """Return the contents of a file that is a map from names.

    Raises
    ------
    RecordingError
        If it cannot be read, is malformed or no such map.
    """
    return convert(path, load(path), dict[str, Any])


def camera(path: Path, where: str, unit_m: float, **arguments: Any) -> Camera:
    """Return a camera whose translation is given in units of `unit_m` metres.

    Raises
    ------
    RecordingError
        If it cannot be; names the place in the file.
    """
    try:
        with np.errstate(over="ignore"):
            translation_m = np.asarray(arguments.pop("translation")) * unit_m
        return Camera(**arguments, translation_m=translation_m)
    except (ValueError, TypeError) as error:
        raise RecordingError(path, str(error), field=where) from error


def array(path: Path, where: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return finite numbers of a shape.

    Raises
    ------
    RecordingError
        If they are others; names the place in the file.
    """
    try:
        result = np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise RecordingError(path, f"must be numbers of shape {shape}: {error}", field=where) from error
    if result.shape != shape or not np.isfinite(result).all():
        raise RecordingError(path, f"must be finite numbers of shape {shape}; got {result.tolist()}", field=where)
    return result


def coefficients(camera: Camera, count: int) -> list[float]:
    """Return `count` distortion coefficients.

    Raises
    ------
    ValueError
        If the camera has others that are not zero.
    """
    d = camera.distortion
    if d[count:].any():
        raise ValueError(f"camera {camera.id!r} has more than the {count} coefficients that the format holds")
    return [*d[:count].tolist(), *[0.0] * (count - len(d))]


def no_skew(camera: Camera) -> None:
    """Refuse a camera with skew, for formats that cannot hold it.

    Raises
    ------
    ValueError
        If the camera has skew.
    """
    if camera.matrix[0, 1] != 0:
        raise ValueError(f"camera {camera.id!r} has skew, which the format does not hold")
