"""Reads NanoStore's recordings (AiFi, CPS-IoT Week 2020): MongoDB's exports of plate and target messages.

Messages are merged by their arrival at the database. Within a file they stay in the order of the file, which is the
order of insertion even where the milliseconds of ``date_time`` contradict it.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter, itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion.errors import RecordingError
from fusion.observations import JOINTS, Observation, ScalePacket, Targets
from fusion.recordings.json_files import documents, find
from fusion.recordings.nanostore_documents import PlateMessage, Samples, Target, TargetMessage
from fusion.recordings.nanostore_store import INCH_M, plate_numbers, read_store
from fusion.recordings.recording import Notes, ReaderNote, Recording
from fusion.store import Fixture

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_joints = attrgetter(*JOINTS)

Arrived = tuple[int, Observation | None]
"""Arrival in microseconds and what arrived, None where it is of no use."""


class NanoStoreRecording(Recording):
    """A folder with plate_data, full_targets, planogram and products, each ``.json`` or ``.json.gz``."""

    format = "nanostore"

    def __init__(self, path: Path, *, store_meta: Path | None = None) -> None:
        self._store_notes = Notes()
        self._stream_notes = Notes()
        self._plates = find(path, "plate_data")
        self._targets = find(path, "full_targets")
        for file, kind in ((self._plates, PlateMessage), (self._targets, TargetMessage)):
            next(documents(file, kind))  # an empty file is refused now, not when the replay has begun
        super().__init__(path, read_store(path, store_meta, self._store_notes))

    def __iter__(self) -> Iterator[Observation]:
        self._stream_notes = notes = Notes()
        packets = _scale_packets(self._plates, self.store.fixtures, notes)
        merged = heapq.merge(_in_file_order(packets), _in_file_order(_targets(self._targets, notes)), key=itemgetter(0))
        return (observation for _, observation in merged if observation is not None)

    @property
    def notes(self) -> tuple[ReaderNote, ...]:
        """Oddities of the store's files and, so far, of the latest iteration."""
        return self._store_notes.frozen() + self._stream_notes.frozen()


def _in_file_order(arrivals: Iterator[Arrived]) -> Iterator[Arrived]:
    latest = 0
    for time, observation in arrivals:
        latest = max(latest, time)
        yield latest, observation


def _scale_packets(path: Path, fixtures: tuple[Fixture, ...], notes: Notes) -> Iterator[Arrived]:
    known = {fixture.id: fixture for fixture in fixtures}
    columns: dict[tuple[str, int, int], _Columns] = {}
    silent = set(known)
    for line, message in documents(path, PlateMessage):
        fixture = str(message.gondola_id)
        silent.discard(fixture)
        if fixture not in known:
            notes.add(fixture, "unknown_fixture", "packets of a gondola that neither planogram nor geometry knows")
            yield _arrival(message), None
            continue
        plate_data = message.document.plate_data
        block = _block(plate_data.values, path, line)
        _, shelves, plates = plate_data.values.shape
        key = (fixture, shelves, plates)
        if key not in columns:
            columns[key] = _Columns(known[fixture], shelves, plates)
        grams = columns[key].select(block, notes)
        try:
            packet = ScalePacket(fixture, _sample_ns(message.timestamp, len(block), plate_data.freq_samp), grams)
        except (ValueError, TypeError, OverflowError) as error:
            raise RecordingError(path, str(error), line=line, field="timestamp") from error
        yield _arrival(message), packet
    for fixture in sorted(silent):
        notes.add(fixture, "silent", "the recording has no packet of this gondola")


def _block(samples: Samples, path: Path, line: int) -> NDArray[np.float32]:
    """Return samples x columns, shelves x plates laid out flat."""
    n, shelves, plates = samples.shape
    expected = 4 * n * shelves * plates
    if len(samples.data) != expected:
        raise RecordingError(
            path,
            f"must hold {expected} bytes for the shape {list(samples.shape)}; got {len(samples.data)}",
            line=line,
            field="document.plate_data.values.data",
        )
    return np.frombuffer(samples.data, "<f4").reshape(n, -1)


class _Columns:
    """Which columns of a message are the plates of a fixture."""

    def __init__(self, fixture: Fixture, shelves: int, plates: int) -> None:
        numbers = [plate_numbers(plate.id) for plate in fixture.plates]
        self.absent = np.array([shelf >= shelves or plate >= plates for _, shelf, plate in numbers])
        self.take = np.array([shelf * plates + plate for _, shelf, plate in numbers])
        self.take[self.absent] = 0
        self.absent_ids = [plate.id for plate, absent in zip(fixture.plates, self.absent, strict=True) if absent]
        self.others = np.setdiff1d(np.arange(shelves * plates), self.take[~self.absent])
        self.other_ids = [f"{fixture.id}/{i // plates}/{i % plates}" for i in self.others.tolist()]

    def select(self, block: NDArray[np.float32], notes: Notes) -> NDArray[np.float32]:
        """Return the fixture's columns; note those that are absent, and live ones of no plate."""
        grams = block[:, self.take]
        if self.absent_ids:
            grams[:, self.absent] = np.nan
            for plate in self.absent_ids:
                notes.add(plate, "absent", "messages without a column for this plate")
        for i in np.flatnonzero(~np.isnan(block[:, self.others]).all(axis=0)).tolist():
            notes.add(self.other_ids[i], "phantom", "messages with a live column of no known plate")
        return grams


def _sample_ns(timestamp: float, n: int, frequency_hz: float) -> NDArray[np.int64]:
    """When the samples were taken; a message cannot be issued before its last sample, which it is thus dated to."""
    end = _time_ns(timestamp)
    return np.array([end - before for before in _before_last_ns(n, frequency_hz)], dtype=np.int64)


@lru_cache(maxsize=16)
def _before_last_ns(n: int, frequency_hz: float) -> tuple[int, ...]:
    return tuple(round((n - 1 - k) * 1e9 / frequency_hz) for k in range(n))


def _time_ns(timestamp: float) -> int:
    """Seconds to nanoseconds; the exporter's clock counted microseconds, which float64 seconds still resolve."""
    return round(timestamp * 1e6) * 1000


def _arrival(message: PlateMessage | TargetMessage) -> int:
    return (message.date_time.time - _EPOCH) // _MICROSECOND


def _targets(path: Path, notes: Notes) -> Iterator[Arrived]:
    for line, message in documents(path, TargetMessage):
        shoppers: dict[str, Target] = {}
        for target in message.document.targets.targets:
            shopper = target.target_id.id
            if not shopper:
                notes.add(path.name, "nameless", "targets without target_id")
            elif shopper in shoppers:
                notes.add(shopper, "duplicate", "messages with this target more than once; the first counts")
            else:
                shoppers[shopper] = target
        joints = [joint for target in shoppers.values() for joint in _joints(target)]
        # Proto3 leaves zeros out: a joint that was not seen comes as the empty point and reads as the origin.
        points = np.array([(j.point.x, j.point.y, j.point.z, j.score) for j in joints], dtype=float)
        points = points.reshape(len(shoppers), len(JOINTS), 4)
        points[~points[..., :3].any(axis=2)] = np.nan
        try:
            targets = Targets(_time_ns(message.timestamp), tuple(shoppers), points[..., :3] * INCH_M, points[..., 3])
        except (ValueError, TypeError, OverflowError) as error:
            raise RecordingError(path, str(error), line=line, field="timestamp") from error
        yield _arrival(message), targets
