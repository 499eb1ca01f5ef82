"""Reads JSON files into typed documents: one document a line, perhaps compressed, or one a file."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from fusion.errors import RecordingError

T = TypeVar("T")


def find(folder: Path, name: str) -> Path:
    """Return the path of a file that may be compressed.

    Raises
    ------
    RecordingError
        If neither form exists.
    """
    for path in (folder / f"{name}.json", folder / f"{name}.json.gz"):
        if path.exists():
            return path
    raise RecordingError(folder / f"{name}.json", "does not exist, nor does it with .gz")


def documents(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Yield line number and document of each line that is not blank.

    Raises
    ------
    RecordingError
        If the file cannot be read, has no document, or a line is malformed.
    """
    decoder = msgspec.json.Decoder(kind)
    line, empty = 0, True
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for line, text in enumerate(file, 1):
                if not text.isspace():
                    empty = False
                    yield line, _decoded(decoder, text, path, line)
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(path, f"cannot be read: {error}", line=line + 1) from error
    if empty:
        raise RecordingError(path, "is empty")


def document(path: Path, kind: type[T]) -> T:
    """Read a file that is one document.

    Raises
    ------
    RecordingError
        If the file cannot be read or is malformed.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error}") from error
    return _decoded(msgspec.json.Decoder(kind), text, path, None)


_MISSING = re.compile(r"Object missing required field `(.+?)`")


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes, path: Path, line: int | None) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message, _, where = str(error).partition(" - at `$")
        missing = _MISSING.match(message)
        name = ".".join(filter(None, [where.strip(".`"), missing and missing[1]]))
        raise RecordingError(path, message, line=line, field=name or None) from error
