"""NanoStore's ``calibration.json``: K in units of the image's width and height, poses in inches."""

from pathlib import Path

from fusion.camera import Camera
from fusion.extras import require


def read(path: Path, unit_m: float) -> list[Camera]:
    """Read the cameras; pixels are fractions of width and height, and the unit is known (inches)."""
    require("msgspec", extra="rig")
    from fusion.recordings.nanostore_store import read_cameras

    return list(read_cameras(path))
