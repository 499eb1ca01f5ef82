"""What every recording offers, and how one is opened or written whatever its format."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion.errors import RecordingError
from fusion.extras import require
from fusion.observations import Observation
from fusion.store import Store

FORMATS = ("auto", "nanostore", "fusion")


@dataclass(frozen=True, slots=True)
class ReaderNote:
    """Something odd in the files that reading survived.

    Parameters
    ----------
    source : str
        What is odd: a plate, fixture, shopper, product or file.
    status : str
        The kind of oddity in one word.
    detail : str
        For people.
    count : int
        How often it was met.
    """

    source: str
    status: str
    detail: str
    count: int = 1


class Notes(Counter[tuple[str, str, str]]):
    """Collects oddities by source, status and detail."""

    def add(self, source: str, status: str, detail: str, count: int = 1) -> None:
        """Count an oddity."""
        self[source, status, detail] += count

    def frozen(self) -> tuple[ReaderNote, ...]:
        """Return what was collected, in the order of first occurrence."""
        return tuple(ReaderNote(*key, count) for key, count in self.items())


class Recording(ABC):
    """Observations on disk, in the order in which they arrived, with the store they come from.

    Iterating yields them; every iteration starts anew at the first.

    Attributes
    ----------
    path : Path
        The recording's folder.
    format : str
        ``"nanostore"`` or ``"fusion"``.
    store : Store
        What is fixed.
    truth : dict or None
        The parsed ``truth.json``, where there is one.
    size : int or None
        How many observations iterating yields; None where counting would mean reading all of them.
    """

    format: str
    size: int | None = None

    def __init__(self, path: Path, store: Store) -> None:
        self.path = path
        self.store = store
        truth = path / "truth.json"
        self.truth = read_object(truth) if truth.exists() else None

    @abstractmethod
    def __iter__(self) -> Iterator[Observation]: ...

    @property
    @abstractmethod
    def notes(self) -> tuple[ReaderNote, ...]:
        """Oddities of the store's files and, so far, of the latest iteration."""


def open_recording(path: Path | str, *, format: str = "auto", store_meta: Path | str | None = None) -> Recording:
    """Open a recording.

    Parameters
    ----------
    path : Path or str
        The recording's folder.
    format : {"auto", "nanostore", "fusion"}
        Its format; told by the files in it with ``"auto"``.
    store_meta : Path or str, optional
        NanoStore only: folder of the store's geometry (``Gondolas.json``, ``Shelves.json``, ``Plates.json`` and, if
        there, ``calibration.json``). Without it the planogram alone says where plates are.

    Raises
    ------
    ValueError
        If `format` is none of these, or `store_meta` is given for a recording that brings its own geometry.
    RecordingError
        If the recording is missing, is none, or its store's files are bad. Bad observations raise while iterating.
    ImportError
        If the extra ``cli`` is not installed.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {format!r}")
    path = Path(path)
    if not path.is_dir():
        raise RecordingError(path, "is no folder" if path.exists() else "does not exist")
    if format == "auto":
        format = _detected(path)
    if format == "nanostore":
        require("msgspec", extra="cli")
        from fusion.recordings.nanostore import NanoStoreRecording

        return NanoStoreRecording(path, store_meta=None if store_meta is None else Path(store_meta))
    if store_meta is not None:
        raise ValueError("store_meta must be None for the format 'fusion', which brings its store along")
    require("pyarrow", extra="cli")
    from fusion.recordings.arrow import ArrowRecording

    return ArrowRecording(path)


def write_recording(
    path: Path | str, store: Store, observations: Iterable[Observation], *, truth: dict[str, Any] | None = None
) -> None:
    """Write a recording in the project's own format; memory stays bounded however many observations come.

    Parameters
    ----------
    path : Path or str
        The folder to make; it appears when the recording is complete, or not at all.
    store : Store
        What is fixed.
    observations : iterable of Observation
        In the order in which they arrived.
    truth : dict, optional
        The right answer, JSON-ready, where it is known.

    Raises
    ------
    RecordingError
        If `path` exists, or cannot be written.
    TypeError
        If an element is no observation.
    ImportError
        If the extra ``cli`` is not installed.
    """
    require("pyarrow", extra="cli")
    from fusion.recordings import arrow

    arrow.write(Path(path), store, observations, truth)


def _detected(path: Path) -> str:
    if (path / "manifest.json").exists():
        return "fusion"
    if (path / "plate_data.json").exists() or (path / "plate_data.json.gz").exists():
        return "nanostore"
    raise RecordingError(
        path, "is no recording: neither manifest.json (fusion) nor plate_data.json or plate_data.json.gz (nanostore)"
    )


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that is one JSON object.

    Raises
    ------
    RecordingError
        If it is missing, malformed or something else.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(path, f"cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise RecordingError(path, f"must be an object; got {type(document).__name__}")
    return document
