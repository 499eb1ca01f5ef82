"""Corners of a ChArUco board in images, found by OpenCV."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fusion import validation
from fusion.calibration.observations import BoardObservations, charuco_corners
from fusion.errors import RecordingError
from fusion.extras import require

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def detect_corners(
    folder: Path | str,
    columns: int,
    rows: int,
    square_m: float,
    marker_m: float,
    dictionary: str,
    *,
    legacy: bool = False,
) -> BoardObservations:
    """Find a ChArUco board's corners in images, one folder a camera.

    Parameters
    ----------
    folder : Path or str
        Holds a folder for each camera, named by its id. The number at the end of an image's name tells the view: images
        of one number were taken at the same instant, e.g. ``left/frame_012.png`` and ``right/frame_012.png``.
    columns, rows, square_m : int, int, float
        The board, as of `charuco_corners`.
    marker_m : float
        Length of a marker's side, metres; less than a square's.
    dictionary : str
        OpenCV's name of the markers' dictionary, e.g. ``DICT_4X4_50``.
    legacy : bool
        Whether the board was printed with the pattern of OpenCV before 4.6 (it differs where `rows` is even).

    Returns
    -------
    BoardObservations
        The corners, cameras in alphabetical order, with the sizes of their images.

    Raises
    ------
    RecordingError
        If there are no images, one cannot be read, a number is missing or comes twice, a camera's images differ in
        size, or no corner is found.
    ValueError
        If the board is none.
    ImportError
        If OpenCV is missing; the extra ``vision`` brings it.
    """
    folder = Path(folder)
    detector = _detector(columns, rows, square_m, marker_m, dictionary, legacy)
    cameras = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if not cameras:
        raise RecordingError(folder, "must hold a folder of images for each camera; got none")
    index: list[tuple[int, int, int]] = []
    pixels, sizes_px = [np.zeros((0, 2))], []
    for camera, name in enumerate(cameras):
        size = None
        for view, path in _images(folder / name):
            image = require("cv2", extra="vision").imread(str(path), 0)
            if image is None:
                raise RecordingError(path, "is no image that OpenCV reads")
            size = size or image.shape
            if image.shape != size:
                raise RecordingError(
                    path, f"must be of {size[1]} x {size[0]} pixels as those before; got {image.shape}"
                )
            corners, ids = detector.detectBoard(image)[:2]
            if ids is not None and len(ids):
                pixels.append(np.asarray(corners, np.float64).reshape(-1, 2))
                index += [(camera, view, int(corner)) for corner in np.ravel(ids)]
        sizes_px.append(size[::-1] if size else (0, 0))
    if not index:
        raise RecordingError(folder, "shows no corner of the board; is it the right dictionary, size and pattern?")
    camera_index, view_index, corner_index = np.array(index, np.int64).T
    board_m = charuco_corners(columns, rows, square_m)
    px, sizes = np.concatenate(pixels), np.array(sizes_px, np.int64)
    return BoardObservations(cameras, camera_index, view_index, corner_index, px, board_m, sizes)


def _detector(columns: int, rows: int, square_m: float, marker_m: float, dictionary: str, legacy: bool) -> Any:
    charuco_corners(columns, rows, square_m)  # checks them
    validation.number("marker_m", marker_m, above=0)
    if not marker_m < square_m:
        raise ValueError(f"marker_m must be less than square_m, {square_m}; got {marker_m}")
    aruco = require("cv2", extra="vision").aruco
    if not isinstance(dictionary, str) or not dictionary.startswith("DICT_") or not hasattr(aruco, dictionary):
        raise ValueError(f"dictionary must be one of OpenCV's, such as DICT_4X4_50; got {dictionary!r}")
    markers = aruco.getPredefinedDictionary(getattr(aruco, dictionary))
    needed, there = columns * rows // 2, len(markers.bytesList)
    if needed > there:
        raise ValueError(f"dictionary must have the board's {needed} markers; {dictionary} has {there}")
    board = aruco.CharucoBoard((columns, rows), square_m, marker_m, markers)
    board.setLegacyPattern(legacy)
    return aruco.CharucoDetector(board)


def _images(folder: Path) -> Iterator[tuple[int, Path]]:
    views: dict[int, Path] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
        number = re.search(r"(\d{1,18})\Z", path.stem, re.ASCII)
        if number is None:
            raise RecordingError(path, "must have a name that ends in the number of its view")
        view = int(number[1])
        if view in views:
            raise RecordingError(path, f"has the number of {views[view].name}: {view}")
        views[view] = path
    yield from views.items()
