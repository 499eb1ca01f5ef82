"""Calibration files of camera rigs, read and written; needs the extra ``rig``.

============== ==================================================== =============================================
format         file                                                 cameras it can hold
============== ==================================================== =============================================
opencv         ``.yaml`` or ``.json`` of OpenCV's FileStorage       all
colmap         folder with ``cameras.txt`` and ``images.txt``       up to 8 coefficients, no skew
colmap-binary  folder with ``cameras.bin`` and ``images.bin``       the same
kalibr         ``.yaml`` camera chain                               4 coefficients, no skew
anipose        ``.toml`` of aniposelib                              up to 5 coefficients (fisheye: 4)
caliscope      ``.toml`` of caliscope                               all but tilted sensors
nanostore      ``calibration.json`` of NanoStore (only read)
============== ==================================================== =============================================
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from fusion import validation
from fusion.errors import RecordingError
from fusion.rig import CameraRig
from fusion.rig_formats import anipose, caliscope, colmap, colmap_binary, kalibr, nanostore, opencv
from fusion.rig_formats.documents import load

FORMATS: dict[str, ModuleType] = {
    "opencv": opencv,
    "colmap": colmap,
    "colmap-binary": colmap_binary,
    "kalibr": kalibr,
    "anipose": anipose,
    "caliscope": caliscope,
    "nanostore": nanostore,
}


def read_rig(path: Path | str, *, format: str | None = None, unit_m: float = 1.0) -> CameraRig:
    """Read the cameras of a calibration file.

    Parameters
    ----------
    path : Path or str
        The file; of COLMAP the folder.
    format : str, optional
        One of `FORMATS`; by default it is told by the name and the contents.
    unit_m : float
        The file's unit of length in metres, for tools that count in millimetres or squares of a board. NanoStore's
        inches are known.

    Returns
    -------
    CameraRig
        The cameras in the order of the file.

    Raises
    ------
    RecordingError
        If the file is missing, malformed, of no known format or holds a camera that cannot be; names file and field.
    ValueError
        If `format` is unknown or `unit_m` not positive.
    ImportError
        If a library that reads the file is not installed.
    """
    path = Path(path)
    unit_m = validation.number("unit_m", unit_m, above=0)
    reader = _known(format) if format is not None else FORMATS[_detect(path)]
    cameras = reader.read(path, unit_m)
    try:
        return CameraRig(cameras)
    except ValueError as error:
        raise RecordingError(path, str(error)) from error


def write_rig(rig: CameraRig, path: Path | str, *, format: str) -> None:
    """Write a rig as a calibration file, lengths in metres; `read_rig` reads it back.

    Parameters
    ----------
    rig : CameraRig
        The cameras.
    path : Path or str
        The file; of COLMAP the folder, which is made.
    format : str
        One of `FORMATS`, except ``nanostore``.

    Raises
    ------
    ValueError
        If `format` is unknown or cannot hold a camera; names the camera.
    OSError
        If the file cannot be written.
    ImportError
        If a library that writes the file is not installed.
    """
    validation.instance("rig", rig, CameraRig)
    writer = _known(format)
    if not hasattr(writer, "write"):
        raise ValueError(f"format must be one that is written; got {format!r}")
    writer.write(rig, Path(path))


def _known(format: str) -> ModuleType:
    if not isinstance(format, str) or format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {format!r}")
    return FORMATS[format]


def _detect(path: Path) -> str:
    if path.is_dir():
        return "colmap-binary" if (path / "cameras.bin").exists() else "colmap"
    document: Any = load(path)
    keys = set(document) if isinstance(document, dict) else set()
    nested = document.get("cameras") if isinstance(document, dict) else None
    if path.suffix == ".toml":
        return "caliscope" if "cameras" in keys else "anipose"
    if {"Ks", "camera_matrix"} & keys:
        return "opencv"
    if any(str(key).startswith("cam") and isinstance(document[key], dict) for key in keys - {"cameras"}):
        return "kalibr"
    if isinstance(nested, dict):
        return "nanostore"
    raise RecordingError(path, f"is no calibration of a known format; expected one of {', '.join(FORMATS)}")
