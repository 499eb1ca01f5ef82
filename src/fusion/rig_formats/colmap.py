"""COLMAP's text files ``cameras.txt`` and ``images.txt``: an image is a camera of the rig, named by the image."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fusion import rotations
from fusion.camera import Camera
from fusion.errors import RecordingError
from fusion.rig_formats import colmap_models


def read(path: Path, unit_m: float) -> list[Camera]:
    """Read the folder."""
    known = {}
    file = path / "cameras.txt"
    for line, text in _lines(file):
        fields = text.split()
        if not text.strip() or text.startswith("#"):
            continue
        if len(fields) < 5:
            raise RecordingError(file, "must be CAMERA_ID MODEL WIDTH HEIGHT PARAMS", line=line)
        colmap_models.checked(file, f"line {line}", fields[1], len(fields) - 4)
        try:
            size = int(fields[2]), int(fields[3])
            known[int(fields[0])] = colmap_models.Intrinsics(fields[1], size, np.array(fields[4:], np.float64))
        except ValueError as error:
            raise RecordingError(file, f"must be numbers: {error}", line=line) from error
    return list(_images(path / "images.txt", known, unit_m))


def write(rig: Sequence[Camera], path: Path) -> None:
    """Write the folder."""
    cameras = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    images = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then POINTS2D[]"]
    for i, camera in enumerate(rig, 1):
        own = colmap_models.intrinsics(camera)
        pose = [*rotations.to_quaternion(camera.rotation).tolist(), *camera.translation_m.tolist()]
        cameras.append(" ".join(map(str, [i, own.model, *own.size_px, *own.parameters.tolist()])))
        images += [" ".join(map(str, [i, *pose, i, camera.id])), ""]
    path.mkdir(parents=True, exist_ok=True)
    (path / "cameras.txt").write_text("\n".join(cameras) + "\n", encoding="utf-8")
    (path / "images.txt").write_text("\n".join(images) + "\n", encoding="utf-8")


def _images(file: Path, known: dict[int, colmap_models.Intrinsics], unit_m: float) -> Iterator[Camera]:
    lines = _lines(file)
    for line, text in lines:
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split()
        if len(fields) != 10:
            raise RecordingError(file, "must be IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", line=line)
        try:
            numbers = np.array(fields[1:8], np.float64)
            intrinsics = known[int(fields[8])]
        except ValueError as error:
            raise RecordingError(file, f"must be numbers: {error}", line=line) from error
        except KeyError as error:
            raise RecordingError(file, f"camera {fields[8]} is not in cameras.txt", line=line) from error
        yield colmap_models.camera(file, f"line {line}", fields[9], intrinsics, numbers[:4], numbers[4:], unit_m)
        next(lines, None)  # the image's points


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(file, f"cannot be read: {error}") from error
    return iter(enumerate(text.split("\n"), 1))
