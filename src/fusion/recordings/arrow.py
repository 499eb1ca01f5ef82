"""The project's own recordings: a folder of Parquet files, one for each kind of observation.

``manifest.json`` names the format and counts the rows, ``store.json`` holds the store, ``truth.json``, if there, the
right answer. Every row carries ``seq``, its place in the order of arrival over all files, counted from 0; arrays are
lists in row-major order. Numbers keep their bits: floats are not dictionary-encoded, which would merge NaNs and zeros.
"""

import heapq
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fusion.errors import RecordingError
from fusion.observations import (
    JOINTS,
    DeviceEvents,
    GateEvent,
    ItemScores,
    Keypoints,
    Observation,
    ScalePacket,
    TagReads,
    Targets,
)
from fusion.recordings.recording import ReaderNote, Recording, read_object
from fusion.store import Store

FORMAT = "fusion.recording/2"
ADDED = {"fusion.recording/1": {"gate_events": ("role", "account")}, FORMAT: {}}
"""The formats that are read, and the columns that each has not yet; rows then have the fields' defaults."""
GROUP_ROWS = 4096
GROUP_NUMBERS = 1 << 20
"""A row group is written when it has this many rows, or numbers in lists: what bounds the memory."""
BATCH_ROWS = 256

UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises on damaged files; the last where a text, or a column's name, is no UTF-8."""

Row = dict[str, Any]


def _list(kind: Any) -> Any:
    return pa.list_(pa.field("element", kind, nullable=False))


def _schema(**columns: Any) -> Any:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in {"seq": pa.int64(), **columns}.items()])


def _shaped(row: Row, name: str, *shape: int) -> None:
    try:
        row[name] = row[name].reshape(shape)
    except ValueError as error:
        raise ValueError(f"{name} must fill an array of shape {shape}; got {row[name].size} numbers") from error


def _scale_packet(row: Row) -> ScalePacket:
    _shaped(row, "grams", len(row["sample_ns"]), -1)
    return ScalePacket(**row)


def _targets(row: Row) -> Targets:
    _shaped(row, "joints_m", len(row["shoppers"]), len(JOINTS), 3)
    _shaped(row, "scores", len(row["shoppers"]), len(JOINTS))
    return Targets(**row)


def _keypoints(row: Row) -> Keypoints:
    _shaped(row, "px", -1, len(JOINTS), 2)
    _shaped(row, "sigma_px", -1, len(JOINTS))
    return Keypoints(**row)


@dataclass(frozen=True)
class _Table:
    """A kind of observation, its columns (named as its fields) and how a row becomes one again."""

    kind: type[Observation]
    schema: Any
    observation: Callable[..., Observation]


_TABLES = {
    "scales": _Table(
        ScalePacket,
        _schema(fixture=pa.string(), sample_ns=_list(pa.int64()), grams=_list(pa.float32())),
        _scale_packet,
    ),
    "device_events": _Table(
        DeviceEvents,
        _schema(fixture=pa.string(), time_ns=pa.int64(), data=pa.binary()),
        lambda row: DeviceEvents(**row),
    ),
    "targets": _Table(
        Targets,
        _schema(
            time_ns=pa.int64(),
            shoppers=_list(pa.string()),
            joints_m=_list(pa.float64()),
            scores=_list(pa.float64()),
        ),
        _targets,
    ),
    "keypoints": _Table(
        Keypoints,
        _schema(camera=pa.string(), time_ns=pa.int64(), px=_list(pa.float64()), sigma_px=_list(pa.float64())),
        _keypoints,
    ),
    "item_scores": _Table(
        ItemScores,
        _schema(time_ns=pa.int64(), products=_list(pa.string()), probabilities=_list(pa.float64()))
        .append(pa.field("shopper", pa.string()))
        .append(pa.field("place_m", _list(pa.float64()))),
        lambda row: ItemScores(**row),
    ),
    "tag_reads": _Table(
        TagReads,
        _schema(time_ns=pa.int64(), antenna=pa.string(), tags=_list(pa.string())),
        lambda row: TagReads(**row),
    ),
    "gate_events": _Table(
        GateEvent,
        _schema(time_ns=pa.int64(), shopper=pa.string(), kind=pa.string(), role=pa.string()).append(
            pa.field("account", pa.string())
        ),
        lambda row: GateEvent(**row),
    ),
}
_NAMES = {table.kind: name for name, table in _TABLES.items()}


class ArrowRecording(Recording):
    """A folder that `write` made."""

    format = "fusion"

    def __init__(self, path: Path) -> None:
        version, self._counts = _manifest(path / "manifest.json")
        document = read_object(path / "store.json")
        try:
            store = Store.from_dict(document)
        except ValueError as error:
            raise RecordingError(path / "store.json", str(error)) from error
        super().__init__(path, store)
        self.size = sum(self._counts.values())
        for name in _TABLES:
            _check_table(path, name, self._counts.get(name, 0), ADDED[version].get(name, ()))

    def __iter__(self) -> Iterator[Observation]:
        tables = [_rows(_file(self.path, name), _TABLES[name]) for name in _TABLES if self._counts.get(name, 0)]
        for expected, (seq, path, line, observation) in enumerate(heapq.merge(*tables, key=itemgetter(0))):
            if seq != expected:
                raise RecordingError(path, f"must be {expected}; got {seq}", line=line, field="seq")
            yield observation

    @property
    def notes(self) -> tuple[ReaderNote, ...]:
        """Nothing: what this format holds is sound, or refused."""
        return ()


def write(path: Path, store: Store, observations: Iterable[Observation], truth: dict[str, Any] | None) -> None:
    """Write a recording; see `fusion.recordings.write_recording`."""
    if path.exists() or path.is_symlink():
        raise RecordingError(path, "exists already")
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir()
        counts = _write_tables(partial, observations)
        documents = {
            "store.json": store.to_dict(),
            "truth.json": truth,
            "manifest.json": {"format": FORMAT, "counts": counts},
        }
        for name, document in documents.items():
            if document is not None:
                (partial / name).write_text(json.dumps(document, indent=1), encoding="utf-8")
        os.rename(partial, path)
    except (OSError, pa.ArrowException, UnicodeError) as error:
        raise RecordingError(path, f"cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_tables(folder: Path, observations: Iterable[Observation]) -> dict[str, int]:
    writers: dict[str, _TableWriter] = {}
    try:
        for seq, observation in enumerate(observations):
            name = _NAMES.get(type(observation))
            if name is None:
                raise TypeError(f"observations must hold observations; got {type(observation).__name__} at {seq}")
            if name not in writers:
                writers[name] = _TableWriter(_file(folder, name), _TABLES[name].schema)
            writers[name].add(seq, observation)
        for writer in writers.values():
            writer.flush()
    finally:
        for writer in writers.values():
            writer.close()
    return {name: writer.count for name, writer in writers.items()}


class _TableWriter:
    """Collects rows and writes them in groups."""

    def __init__(self, path: Path, schema: Any) -> None:
        self.count = 0
        self._schema = schema
        self._rows: list[list[Any]] = []
        self._numbers = 0
        texts = [field.name for field in schema if field.type == pa.string()]
        self._file = pq.ParquetWriter(
            path, schema, compression="zstd", use_dictionary=texts, write_statistics=False, write_page_checksum=True
        )

    def add(self, seq: int, observation: Observation) -> None:
        """Take a row."""
        row = [getattr(observation, name) for name in self._schema.names[1:]]
        self._numbers += sum(value.size for value in row if isinstance(value, np.ndarray))
        self._rows.append([seq, *(value.ravel() if isinstance(value, np.ndarray) else value for value in row)])
        self.count += 1
        if len(self._rows) >= GROUP_ROWS or self._numbers >= GROUP_NUMBERS:
            self.flush()

    def flush(self) -> None:
        """Write what was collected as one row group."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, self._schema, strict=True)]
            self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows, self._numbers = [], 0

    def close(self) -> None:
        """Write the file's end."""
        self._file.close()


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _manifest(path: Path) -> tuple[str, dict[str, int]]:
    """Read the format and the rows of each table."""
    manifest = read_object(path)
    version = manifest.get("format")
    if not isinstance(version, str) or version not in ADDED:
        raise RecordingError(path, f"must be {' or '.join(map(repr, ADDED))}; got {version!r}", field="format")
    counts = manifest.get("counts")
    if not isinstance(counts, dict):
        raise RecordingError(path, f"must be an object; got {type(counts).__name__}", field="counts")
    for name, count in counts.items():
        if name not in _TABLES or type(count) is not int or count < 0:
            raise RecordingError(path, f"must count the rows of a table; got {count!r}", field=f"counts.{name}")
    return version, counts


def _check_table(folder: Path, name: str, count: int, absent: tuple[str, ...]) -> None:
    path = _file(folder, name)
    if not path.exists():
        if count:
            raise RecordingError(path, f"does not exist; manifest.json counts {count} rows")
        return
    try:
        with pq.ParquetFile(path) as file:
            schema, names, rows = file.schema_arrow, file.schema_arrow.names, file.metadata.num_rows
    except UNREADABLE as error:
        raise RecordingError(path, f"cannot be read: {error}") from error
    expected = pa.schema([field for field in _TABLES[name].schema if field.name not in absent])
    for field in expected:
        if field.name not in names or not schema.field(field.name).equals(field):
            found = schema.field(field.name) if field.name in names else "none"
            raise RecordingError(path, f"must be a column {field}; got {found}", field=field.name)
    if names != expected.names:
        raise RecordingError(path, f"must have the columns {', '.join(expected.names)}; got {', '.join(names)}")
    if rows != count:
        raise RecordingError(path, f"has {rows} rows; manifest.json counts {count}")


def _rows(path: Path, table: _Table) -> Iterator[tuple[int, Path, int, Observation]]:
    line = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                columns = {name: _values(column) for name, column in zip(batch.schema.names, batch, strict=True)}
                for values in zip(*columns.values(), strict=True):
                    line += 1
                    row = dict(zip(columns, values, strict=True))
                    yield row.pop("seq"), path, line, _observation(table, row, path, line)
    except UNREADABLE as error:
        raise RecordingError(path, f"cannot be read: {error}", line=line + 1) from error


def _values(column: Any) -> list[Any]:
    if not pa.types.is_list(column.type) or pa.types.is_string(column.type.value_type):
        return list(column.to_pylist())
    # NaN stays itself: elements cannot be null by the schema.
    return [item.values.to_numpy() if item.is_valid else None for item in column]


def _observation(table: _Table, row: Row, path: Path, line: int) -> Observation:
    try:
        return table.observation(row)
    except (ValueError, TypeError) as error:
        about = str(error).partition(" ")[0]  # messages start with the argument, or with an element: shopper, tag
        name = next((name for name in row if name.startswith(about)), None)
        raise RecordingError(path, str(error), line=line, field=name) from error
