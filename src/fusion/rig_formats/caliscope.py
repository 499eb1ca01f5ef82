"""Caliscope's TOML: a table of cameras with rotation (matrix or vector) and translation from world to camera."""

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
    """Read the cameras in the file's order, except those that it says to ignore."""
    tables = documents.load_map(path).get("cameras")
    if not isinstance(tables, dict):
        raise RecordingError(path, f"must be a table of cameras; got {type(tables).__name__}", field="cameras")
    cameras = []
    for key, table in tables.items():
        where = f"cameras.{key}"
        if not isinstance(table, dict):
            raise RecordingError(path, f"must be a table; got {type(table).__name__}", field=where)
        if table.get("ignore") is not True:
            cameras.append(_camera(path, where, key, table, unit_m))
    return cameras


def write(rig: Sequence[Camera], path: Path) -> None:
    """Write the cameras."""
    tables: dict[str, Any] = {}
    for camera in rig:
        tables[camera.id] = {
            "cam_id": camera.id,
            "size": list(camera.size_px),
            "matrix": camera.matrix.tolist(),
            "distortions": documents.coefficients(camera, 4 if camera.model == "fisheye" else 12)[: _count(camera)],
            "rotation": camera.rotation.tolist(),
            "translation": camera.translation_m.tolist(),
            "fisheye": camera.model == "fisheye",
            "ignore": False,
        }
    path.write_text(require("tomli_w", extra="rig").dumps({"cameras": tables}), encoding="utf-8")


def _count(camera: Camera) -> int:
    return min(len(camera.distortion), 12)


def _camera(path: Path, where: str, key: str, table: dict[str, Any], unit_m: float) -> Camera:
    for name in ("matrix", "rotation", "translation"):
        if name not in table:
            raise RecordingError(path, "is missing", field=f"{where}.{name}")
    rotation = table["rotation"]
    if isinstance(rotation, list) and not any(isinstance(row, list) for row in rotation):
        rotation = rotations.from_vector(documents.array(path, f"{where}.rotation", rotation, (3,)))
    return documents.camera(
        path,
        where,
        unit_m,
        id=str(table.get("cam_id", table.get("port", key))),
        matrix=table["matrix"],
        rotation=rotation,
        translation=documents.array(path, f"{where}.translation", table["translation"], (3,)),
        distortion=table.get("distortions", np.zeros(0)),
        size_px=table.get("size", (0, 0)),
        model="fisheye" if table.get("fisheye", False) is True else "pinhole",
    )
