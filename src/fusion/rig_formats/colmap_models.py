"""COLMAP's camera models (src/colmap/sensor/models.h) and ours; its pixels count from the corner, OpenCV's from the
centre of the upper left pixel, so principal points differ by half a pixel.
"""  # noqa: D205

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion import rotations
from fusion.camera import Camera
from fusion.errors import RecordingError
from fusion.rig_formats import documents


class Model(NamedTuple):
    """A model: its number, how many parameters, which are focal lengths (one or two), its projection here."""

    number: int
    parameters: int
    focals: int
    ours: str


MODELS = {
    "SIMPLE_PINHOLE": Model(0, 3, 1, "pinhole"),
    "PINHOLE": Model(1, 4, 2, "pinhole"),
    "SIMPLE_RADIAL": Model(2, 4, 1, "pinhole"),
    "RADIAL": Model(3, 5, 1, "pinhole"),
    "OPENCV": Model(4, 8, 2, "pinhole"),
    "OPENCV_FISHEYE": Model(5, 8, 2, "fisheye"),
    "FULL_OPENCV": Model(6, 12, 2, "pinhole"),
    "SIMPLE_RADIAL_FISHEYE": Model(8, 4, 1, "fisheye"),
    "RADIAL_FISHEYE": Model(9, 5, 1, "fisheye"),
}


class Intrinsics(NamedTuple):
    """What a camera of COLMAP's says."""

    model: str
    size_px: tuple[int, int]
    parameters: NDArray[np.float64]


def camera(
    path: Path, where: str, name: str, intrinsics: Intrinsics, wxyz: NDArray[np.float64], t: Any, unit_m: float
) -> Camera:
    """Return the camera of an image."""
    model = MODELS[intrinsics.model]
    p = intrinsics.parameters
    fx, fy = p[0], p[model.focals - 1]
    cx, cy = p[model.focals : model.focals + 2] - 0.5
    distortion = p[model.focals + 2 :]
    distortion = np.pad(distortion, (0, 4 - len(distortion))) if 0 < len(distortion) < 4 else distortion
    try:
        rotation = rotations.from_quaternion(wxyz)
    except ValueError as error:
        raise RecordingError(path, str(error), field=where) from error
    return documents.camera(
        path,
        where,
        unit_m,
        id=name,
        matrix=[[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
        rotation=rotation,
        translation=t,
        distortion=distortion,
        size_px=intrinsics.size_px,
        model=model.ours,
    )


def checked(path: Path, where: str, model: str, count: int) -> Model:
    """Return a model.

    Raises
    ------
    RecordingError
        If it is none that is known here, or has another count of parameters.
    """
    if model not in MODELS:
        raise RecordingError(path, f"camera model must be one of {', '.join(MODELS)}; got {model}", field=where)
    if MODELS[model].parameters != count:
        expected = MODELS[model].parameters
        raise RecordingError(path, f"{model} has {expected} parameters; got {count}", field=where)
    return MODELS[model]


def intrinsics(camera: Camera) -> Intrinsics:
    """Return what COLMAP calls a camera.

    Raises
    ------
    ValueError
        If it has no model for it.
    """
    documents.no_skew(camera)
    K = camera.matrix
    if any(c.isspace() for c in camera.id):
        raise ValueError(f"camera {camera.id!r} has white space in its id, which the format does not hold")
    if camera.model == "fisheye":
        model, d = "OPENCV_FISHEYE", documents.coefficients(camera, 4)
    elif not camera.distortion.any():
        model, d = "PINHOLE", []
    elif not camera.distortion[4:].any():
        model, d = "OPENCV", documents.coefficients(camera, 4)
    else:
        model, d = "FULL_OPENCV", documents.coefficients(camera, 8)
    parameters = np.array([K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, *d])
    return Intrinsics(model, camera.size_px, parameters)
