"""COLMAP's binary files ``cameras.bin`` and ``images.bin``, little-endian: an image is a camera of the rig."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusion import rotations
from fusion.camera import Camera
from fusion.errors import RecordingError
from fusion.rig_formats import colmap_models

NAMES = {model.number: name for name, model in colmap_models.MODELS.items()}


class Bytes:
    """The contents of a file, taken from the front."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = 0
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise RecordingError(path, f"cannot be read: {error}") from error

    def take(self, what: str, layout: str) -> tuple[Any, ...]:
        """Return the next fields."""
        size = struct.calcsize(f"<{layout}")
        self.skip(what, size)
        return struct.unpack_from(f"<{layout}", self.data, self.at - size)

    def skip(self, what: str, size: int) -> None:
        """Leave bytes out."""
        if size > len(self.data) - self.at:
            raise RecordingError(self.path, f"ends at byte {len(self.data)}; {what} would end at {self.at + size}")
        self.at += size

    def text(self, what: str) -> str:
        """Return the next text, which a zero ends."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise RecordingError(self.path, f"ends at byte {len(self.data)} within {what}")
        self.at, start = end + 1, self.at
        try:
            return self.data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise RecordingError(self.path, f"{what} must be UTF-8: {error}") from error


def read(path: Path, unit_m: float) -> list[Camera]:
    """Read the folder."""
    file = Bytes(path / "cameras.bin")
    known = {}
    for i in range(*file.take("the count of cameras", "Q")):
        where = f"cameras[{i}]"
        number, model, width, height = file.take(where, "IiQQ")
        name = NAMES.get(model, f"number {model}")
        if name not in colmap_models.MODELS:
            raise RecordingError(file.path, f"camera model must be one of {', '.join(NAMES.values())}; got {name}")
        parameters = np.array(file.take(where, f"{colmap_models.MODELS[name].parameters}d"))
        known[number] = colmap_models.Intrinsics(name, (width, height), parameters)
    return _images(Bytes(path / "images.bin"), known, unit_m)


def write(rig: Sequence[Camera], path: Path) -> None:
    """Write the folder."""
    cameras, images = [struct.pack("<Q", len(rig))], [struct.pack("<Q", len(rig))]
    for i, camera in enumerate(rig, 1):
        own = colmap_models.intrinsics(camera)
        number = colmap_models.MODELS[own.model].number
        cameras.append(struct.pack("<IiQQ", i, number, *own.size_px) + own.parameters.astype("<f8").tobytes())
        pose = [*rotations.to_quaternion(camera.rotation).tolist(), *camera.translation_m.tolist()]
        images.append(struct.pack("<I7dI", i, *pose, i) + camera.id.encode() + b"\0" + struct.pack("<Q", 0))
    path.mkdir(parents=True, exist_ok=True)
    (path / "cameras.bin").write_bytes(b"".join(cameras))
    (path / "images.bin").write_bytes(b"".join(images))


def _images(file: Bytes, known: dict[int, colmap_models.Intrinsics], unit_m: float) -> list[Camera]:
    cameras = []
    for i in range(*file.take("the count of images", "Q")):
        where = f"images[{i}]"
        _, *pose, number = file.take(where, "I7dI")
        name = file.text(f"the name of {where}")
        (points,) = file.take(where, "Q")
        file.skip(f"the points of {where}", 24 * points)
        if number not in known:
            raise RecordingError(file.path, f"camera {number} is not in cameras.bin", field=where)
        numbers = np.array(pose)
        cameras.append(colmap_models.camera(file.path, where, name, known[number], numbers[:4], numbers[4:], unit_m))
    return cameras
