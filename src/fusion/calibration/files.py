"""Board observations from files: corners as CSV or NPZ, or images in which OpenCV finds them."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.calibration.observations import BoardObservations
from fusion.errors import RecordingError

COLUMNS = {
    "view": ("sync_index", "view"),
    "camera": ("cam_id", "port", "camera"),
    "corner": ("keypoint_id", "point_id", "corner"),
    "x": ("img_loc_x", "x"),
    "y": ("img_loc_y", "y"),
}
"""Names that each column may have: caliscope's, its older ones, and plain ones."""
PLACES = (("obj_loc_x", "board_x"), ("obj_loc_y", "board_y"))
"""Columns with the corner's place on the board, metres; used where the board is not told otherwise."""
MOST_CORNERS = 1_000_000
"""Larger numbers of a corner are refused: they would be an index into as many rows."""


def read_observations(path: Path | str, *, board_m: NDArray[np.float64] | None = None) -> BoardObservations:
    """Read the corners of a board from a file, or from the only CSV or NPZ file of a folder.

    A CSV file has a row an observation with the columns ``sync_index`` (the view), ``cam_id``, ``keypoint_id`` (the
    corner), ``img_loc_x``, ``img_loc_y`` (pixels) and, if the file tells the board, ``obj_loc_x``, ``obj_loc_y``
    (metres), as caliscope writes them. An NPZ file has the arrays ``cameras``, ``camera``, ``view``, ``corner``, ``px``
    and, optionally, ``board_m`` and ``sizes_px`` of `BoardObservations`.

    Parameters
    ----------
    path : Path or str
        The file or folder.
    board_m : (B, 3) float64, optional
        Places of the board's corners, metres, e.g. of `charuco_corners`; needed where the file does not tell them.

    Returns
    -------
    BoardObservations
        The observations; cameras in the order in which they first appear.

    Raises
    ------
    RecordingError
        If the file is missing, malformed, or disagrees with `board_m`; names file, line and field.
    """
    path = _only(Path(path))
    reader = {".csv": _csv, ".npz": _npz}.get(path.suffix)
    if reader is None:
        raise RecordingError(path, f"must be a folder or end in .csv or .npz; got {path.suffix or 'no suffix'}")
    try:
        return reader(path, board_m)
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error}") from error


def _only(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(p for p in path.iterdir() if p.suffix in (".csv", ".npz"))
    if len(found) != 1:
        names = ", ".join(p.name for p in found) or "none"
        raise RecordingError(path, f"must hold one file of corners, .csv or .npz; got {names}")
    return found[0]


def _csv(path: Path, board_m: NDArray[np.float64] | None) -> BoardObservations:
    cameras: dict[str, int] = {}
    rows: dict[tuple[int, int, int], tuple[float, float]] = {}
    places: dict[int, tuple[float, float]] = {}
    objects: set[str] = set()
    with path.open(encoding="utf-8", newline="") as file:
        try:
            reader = csv.DictReader(file)
            names = _columns(path, reader.fieldnames or [])
            told = all(name in names for name in ("board_x", "board_y"))
            for row in reader:
                at = _Row(path, reader.line_num, row)
                objects.add(row.get("object_id") or "")
                if len(objects) > 1:
                    raise RecordingError(path, "must be of one board", line=at.line, field="object_id")
                corner, view = at.index(names["corner"], MOST_CORNERS), at.index(names["view"], 2**62)
                camera = cameras.setdefault(at.text(names["camera"]), len(cameras))
                if (view, camera, corner) in rows:
                    raise RecordingError(path, "the camera sees this corner twice in this view", line=at.line)
                rows[view, camera, corner] = at.number(names["x"]), at.number(names["y"])
                if told:
                    place = at.number(names["board_x"]), at.number(names["board_y"])
                    if not np.allclose(places.setdefault(corner, place), place, rtol=0, atol=1e-6):
                        raise RecordingError(path, "the corner has another place before", line=at.line)
        except (UnicodeDecodeError, csv.Error) as error:
            raise RecordingError(path, f"is malformed: {error}") from error
    keys = np.array(list(rows), np.int64).reshape(-1, 3)
    px = np.array(list(rows.values())).reshape(-1, 2)
    return _made(path, tuple(cameras), keys[:, 1], keys[:, 0], keys[:, 2], px, _board(path, places, board_m))


def _columns(path: Path, header: Any) -> dict[str, str]:
    """Return the name of each column that the file has."""
    if len(set(header)) < len(header):
        raise RecordingError(path, "has a column twice", line=1)
    names = {}
    known = COLUMNS | {plain: (ours, plain) for ours, plain in PLACES}
    for key, tried in known.items():
        found = [name for name in tried if name in header]
        if found:
            names[key] = found[0]
        elif key in COLUMNS:
            raise RecordingError(path, "is missing", line=1, field=tried[0])
    return names


class _Row:
    """A line of a CSV file, whose fields are converted with errors that name them."""

    def __init__(self, path: Path, line: int, row: dict[str, Any]) -> None:
        self.path, self.line, self.row = path, line, row

    def text(self, name: str) -> str:
        value = self.row[name]
        if not isinstance(value, str) or not value.strip():
            raise RecordingError(self.path, "is missing", line=self.line, field=name)
        return value.strip()

    def number(self, name: str) -> float:
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise RecordingError(self.path, f"must be a finite number; got {text[:40]!r}", line=self.line, field=name)
        return value

    def index(self, name: str, limit: int) -> int:
        text = self.text(name)
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or int(text) >= limit:
            message = f"must be an integer from 0 to {limit - 1}; got {text[:40]!r}"
            raise RecordingError(self.path, message, line=self.line, field=name)
        return int(text)


def _board(
    path: Path, places: dict[int, tuple[float, float]], board_m: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return the places of the corners, as told by the caller or the file; where both tell them, they must agree."""
    if board_m is None:
        if not places:
            raise RecordingError(path, "does not tell the board's geometry (obj_loc_x, obj_loc_y), so it must be given")
        board_m = np.zeros((max(places) + 1, 3))
        for corner, place in places.items():
            board_m[corner, :2] = place
        return board_m
    for corner, place in places.items():
        if corner >= len(board_m) or not np.allclose(board_m[corner, :2], place, rtol=0, atol=1e-6):
            raise RecordingError(path, f"has another board than the one given: its corner {corner} is at {place} m")
    return board_m


def _npz(path: Path, board_m: NDArray[np.float64] | None) -> BoardObservations:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib, the array's header: each has its own errors
        raise RecordingError(path, f"is malformed: {error}") from error
    for name in ("cameras", "camera", "view", "corner", "px"):
        if name not in arrays:
            raise RecordingError(path, "is missing", field=name)
    places = arrays.get("board_m")
    if places is None and board_m is None:
        raise RecordingError(path, "does not tell the board's geometry (board_m), so it must be given")
    if (
        places is not None
        and board_m is not None
        and (places.shape != board_m.shape or not np.allclose(places, board_m, rtol=0, atol=1e-6))
    ):
        raise RecordingError(path, "has another board than the one given", field="board_m")
    cameras = tuple(map(str, np.atleast_1d(arrays["cameras"]).tolist()))
    rows = (arrays[name] for name in ("camera", "view", "corner", "px"))
    return _made(
        path,
        cameras,
        *rows,
        board_m if places is None else places,
        *([arrays["sizes_px"]] if "sizes_px" in arrays else []),
    )


def _made(path: Path, *arguments: Any) -> BoardObservations:
    try:
        return BoardObservations(*arguments)
    except (ValueError, TypeError) as error:
        raise RecordingError(path, str(error)) from error
