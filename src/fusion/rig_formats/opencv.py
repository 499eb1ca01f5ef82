"""OpenCV's FileStorage (YAML or JSON): the result of its multi-view calibration, or of one camera's.

A rig has ``cam_ids`` (joined by commas), ``Ks`` (V, 3, 3), ``distortions`` (all coefficients in a row, equally many a
camera), ``Rs`` (V, 3, 3), ``Ts`` (V, 3, 1), ``image_sizes`` (V, 2) and ``models`` (0 pinhole, 1 fisheye), as written by
OpenCV's samples/python/multiview_calibration.py. A single camera has ``camera_matrix``, ``distortion_coefficients``,
``image_width``, ``image_height`` and perhaps ``fisheye_model``; it stands at the origin.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.camera import COEFFICIENTS, Camera
from fusion.errors import RecordingError
from fusion.rig_formats import documents

MODELS = ("pinhole", "fisheye")


def read(path: Path, unit_m: float) -> list[Camera]:
    """Read a rig, or one camera."""
    document = documents.load_map(path)
    if "Ks" not in document:
        return [_single(path, document, unit_m)]
    K = _matrix(path, document, "Ks")
    count = len(K) if K.ndim else 0
    if K.shape != (count, 3, 3) or count == 0:
        raise RecordingError(path, f"must have shape (V, 3, 3); got {K.shape}", field="Ks")
    R, t = _matrix(path, document, "Rs", (count, 3, 3)), _matrix(path, document, "Ts").reshape(-1)
    d = _matrix(path, document, "distortions").reshape(-1)
    sizes = _matrix(path, document, "image_sizes", (count, 2)) if "image_sizes" in document else np.zeros((count, 2))
    if not ((sizes >= 0) & (sizes < 2**31) & (sizes % 1 == 0)).all():
        raise RecordingError(path, f"must be whole numbers of pixels; got {sizes.tolist()}", field="image_sizes")
    sizes = sizes.astype(np.int64)
    models = _matrix(path, document, "models").reshape(-1) if "models" in document else np.zeros(count)
    ids = str(document.get("cam_ids", ",".join(map(str, range(count))))).split(",")
    lengths = {"Ts": (len(t), 3 * count), "models": (len(models), count), "cam_ids": (len(ids), count)}
    for name, (length, expected) in lengths.items():
        if length != expected:
            raise RecordingError(path, f"must have {expected} elements for {count} cameras; got {length}", field=name)
    if len(d) % count or not set(models) <= {0, 1}:
        message = f"must be as many a camera, and models 0 or 1; got {len(d)} for {count} cameras, models {models}"
        raise RecordingError(path, message, field="distortions")
    cameras = []
    for i, coefficients in enumerate(d.reshape(count, -1)):
        model = MODELS[int(models[i])]
        where = f"camera {ids[i]}"
        cameras.append(
            documents.camera(
                path,
                where,
                unit_m,
                id=ids[i],
                matrix=K[i],
                rotation=R[i],
                translation=t[3 * i : 3 * i + 3],
                distortion=_trimmed(path, where, coefficients, model),
                size_px=sizes[i],
                model=model,
            )
        )
    return cameras


def write(rig: Sequence[Camera], path: Path) -> None:
    """Write a rig, as JSON if the path ends so, else as YAML."""
    for c in rig:
        if "," in c.id or '"' in c.id or "\\" in c.id or not c.id.isprintable():
            raise ValueError(f"camera {c.id!r} has a comma or a mark in its id, which the format does not hold")
    longest = max(len(c.distortion) for c in rig)
    most = next(n for n in COEFFICIENTS["pinhole"] if n >= longest)
    arrays = {
        "Ks": np.array([c.matrix for c in rig]),
        "distortions": np.array([np.pad(c.distortion, (0, most - len(c.distortion))) for c in rig]).reshape(-1, 1),
        "Rs": np.array([c.rotation for c in rig]),
        "Ts": np.array([c.translation_m[:, None] for c in rig]),
        "image_sizes": np.array([c.size_px for c in rig]),
        "models": np.array([[MODELS.index(c.model)] for c in rig]),
    }
    ids = ",".join(c.id for c in rig)
    if path.suffix == ".json":
        text = json.dumps({"cam_ids": ids} | {name: _node(a) for name, a in arrays.items()}, indent=1)
    else:
        text = f'%YAML:1.0\n---\ncam_ids: "{ids}"\n' + "".join(_yaml(name, a) for name, a in arrays.items())
    path.write_text(text + "\n", encoding="utf-8")


def _single(path: Path, document: dict[str, Any], unit_m: float) -> Camera:
    size = [document.get(f"image_{side}", 0) for side in ("width", "height")]
    model = MODELS[bool(document.get("fisheye_model", 0))]
    return documents.camera(
        path,
        "camera_matrix",
        unit_m,
        id=path.stem,
        matrix=_matrix(path, document, "camera_matrix", (3, 3)),
        rotation=np.eye(3),
        translation=np.zeros(3),
        distortion=_matrix(path, document, "distortion_coefficients").reshape(-1),
        size_px=size,
        model=model,
    )


def _trimmed(path: Path, where: str, coefficients: NDArray[np.float64], model: str) -> NDArray[np.float64]:
    """Return the coefficients without the zeros that made all cameras have equally many."""
    most = max(COEFFICIENTS[model])
    if coefficients[most:].any():
        raise RecordingError(path, f"distortions of a {model} must be {most} at most", field=where)
    return coefficients[:most]


def _matrix(
    path: Path, document: dict[str, Any], name: str, shape: tuple[int, ...] | None = None
) -> NDArray[np.float64]:
    """Return a matrix node: rows and cols, or sizes, and data."""
    node = document.get(name)
    if not isinstance(node, dict) or "data" not in node or not ({"rows", "cols"} <= node.keys() or "sizes" in node):
        raise RecordingError(path, "must be a matrix of rows, cols (or sizes) and data", field=name)
    sizes = node.get("sizes", [node.get("rows"), node.get("cols")])
    data = node["data"] if isinstance(node["data"], list) else None
    if not isinstance(sizes, list) or not all(isinstance(n, int) and 0 <= n < 2**31 for n in sizes) or data is None:
        raise RecordingError(path, f"must have sizes and a list of data; got {sizes}", field=name)
    if math.prod(sizes) != len(data):
        raise RecordingError(path, f"must have {math.prod(sizes)} elements; got {len(data)}", field=name)
    result = documents.array(path, name, data, (len(data),)).reshape(sizes)
    if shape is not None and result.shape != shape:
        raise RecordingError(path, f"must have shape {shape}; got {result.shape}", field=name)
    return result


def _node(a: NDArray[Any]) -> dict[str, Any]:
    kind = "d" if a.dtype.kind == "f" else "i"
    if a.ndim == 2:
        return {"type_id": "opencv-matrix", "rows": len(a), "cols": a.shape[1], "dt": kind, "data": a.ravel().tolist()}
    return {"type_id": "opencv-nd-matrix", "sizes": list(a.shape), "dt": kind, "data": a.ravel().tolist()}


def _yaml(name: str, a: NDArray[Any]) -> str:
    node = _node(a)
    lines = [f"{name}: !!{node.pop('type_id')}"]
    for key, value in node.items():
        shown = f"[ {', '.join(map(repr, value))} ]" if isinstance(value, list) else value
        lines.append(f"   {key}: {shown}")
    return "\n".join(lines) + "\n"
