"""Aniposelib's TOML: a table a camera, with rotation vector and translation from world to camera."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusion import rotations
from fusion.camera import Camera
from fusion.errors import RecordingError
from fusion.extras import require
from fusion.rig_formats import documents


def read(path: Path, unit_m: float) -> list[Camera]:
    """Read the cameras in the file's order."""
    document = documents.load_map(path)
    tables = {key: table for key, table in document.items() if key != "metadata"}
    return [_camera(path, key, table, unit_m) for key, table in tables.items()]


def write(rig: Sequence[Camera], path: Path) -> None:
    """Write the cameras and an empty table of metadata."""
    document: dict[str, Any] = {}
    for i, camera in enumerate(rig):
        document[f"cam_{i}"] = {
            "name": camera.id,
            "size": list(camera.size_px),
            "matrix": camera.matrix.tolist(),
            "distortions": documents.coefficients(camera, 4 if camera.model == "fisheye" else 5),
            "rotation": rotations.to_vector(camera.rotation).tolist(),
            "translation": camera.translation_m.tolist(),
            "fisheye": camera.model == "fisheye",
        }
    document["metadata"] = {}
    path.write_text(require("tomli_w", extra="rig").dumps(document), encoding="utf-8")


def _camera(path: Path, key: str, table: Any, unit_m: float) -> Camera:
    if not isinstance(table, dict):
        raise RecordingError(path, f"must be a table; got {type(table).__name__}", field=key)
    for name in ("matrix", "rotation", "translation"):
        if name not in table:
            raise RecordingError(path, "is missing", field=f"{key}.{name}")
    fisheye = table.get("fisheye", False) is True
    return documents.camera(
        path,
        key,
        unit_m,
        id=str(table.get("name", key)),
        matrix=table["matrix"],
        rotation=rotations.from_vector(documents.array(path, f"{key}.rotation", table["rotation"], (3,))),
        translation=documents.array(path, f"{key}.translation", table["translation"], (3,)),
        distortion=table.get("distortions", np.zeros(0)),
        size_px=table.get("size", (0, 0)),
        model="fisheye" if fisheye else "pinhole",
    )
