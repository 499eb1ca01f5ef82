"""Records of a shelf controller: the bytes that ``ext/firmware/record.c`` writes, whose layout its README tells.

Little-endian: a head of 24 bytes, a body, and the CRC-32 (IEEE 802.3) of all before it. Whatever else stands between
whole records is passed over and counted.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.segmentation import WeightEvent

MAGIC = b"FW\x01"
EVENT, STATUS = 1, 2
_HEAD = struct.Struct("<3sBHHIIq")
_EVENT = struct.Struct("<IHBBqqqfI")
_STATUS = struct.Struct("<qII")
_CRC = struct.Struct("<I")
_EVENT_PLATE = np.dtype([("plate", "<u2"), ("delta_g", "<f4"), ("sigma_g", "<f4")])
_STATUS_PLATE = np.dtype(
    [
        ("flags", "u1"),
        ("noise_g", "<f4"),
        ("drift_g_per_min", "<f4"),
        ("spikes", "<u4"),
        ("samples", "<u4"),
        ("missing", "<u4"),
        ("faults", "<u4"),
    ]
)
_BODIES = {EVENT: (_EVENT, _EVENT_PLATE), STATUS: (_STATUS, _STATUS_PLATE)}
_KINDS = {"touch": 1, "change": 2}


@dataclass(frozen=True, slots=True)
class Sender:
    """Which start of the controller sent, the how manyth record since then, and the time of its newest sample."""

    boot: int
    sequence: int
    now_ns: int


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """How a controller is, about once a second.

    Parameters
    ----------
    open_since_ns : int or None
        Onset of the earliest event that is not final.
    early, rezeroed : int
        Events that were told as final before their time, for want of room; tares.
    plates : (P,) structured array
        ``flags`` (as in `fusion.Segmenter.health`), ``noise_g``, ``drift_g_per_min``, ``spikes``, ``samples``,
        ``missing``, ``faults``.
    """

    open_since_ns: int | None
    early: int
    rezeroed: int
    plates: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no record; `cut` if they run up to the end of the data."""

    cut: bool


def encode(sender: Sender, body: WeightEvent | DeviceStatus) -> bytes:
    """Write a record.

    Raises
    ------
    struct.error
        If a number does not fit its field.
    """
    if isinstance(body, WeightEvent):
        type_, plates = EVENT, np.empty(len(body.plates), _EVENT_PLATE)
        plates["plate"], plates["delta_g"], plates["sigma_g"] = body.plates, body.delta_g, body.sigma_g
        times = body.start_ns, body.step_ns, body.end_ns
        fixed = _EVENT.pack(body.id, body.revision, _KINDS[body.kind], body.final, *times, body.quality, 0)
    else:
        type_, plates = STATUS, np.empty(len(body.plates), _STATUS_PLATE)
        for name in _STATUS_PLATE.names or ():
            plates[name] = body.plates[name]
        since_ns = -1 if body.open_since_ns is None else body.open_since_ns
        fixed = _STATUS.pack(since_ns, body.early, body.rezeroed)
    length = _HEAD.size + len(fixed) + plates.nbytes + _CRC.size
    head = _HEAD.pack(MAGIC, type_, length, len(plates), sender.boot, sender.sequence, sender.now_ns)
    record = head + fixed + plates.tobytes()
    return record + _CRC.pack(zlib.crc32(record))


def decode(data: bytes, most_plates: int) -> Iterator[tuple[Sender, WeightEvent | DeviceStatus] | Damage]:
    """Read records, and tell of every stretch of bytes between them that is none.

    What the numbers say is not checked here, but that there are at most `most_plates` plates.
    """
    at, broken = 0, False
    while at < len(data):
        found = _record(data, at, most_plates)
        if found is None:
            broken = True
            at = data.find(MAGIC, at + 1) % (len(data) + 1)  # none: the end
            continue
        if broken:
            yield Damage(cut=False)
            broken = False
        length, sender, body = found
        yield sender, body
        at += length
    if broken:
        yield Damage(cut=True)


def _record(data: bytes, at: int, most_plates: int) -> tuple[int, Sender, WeightEvent | DeviceStatus] | None:
    """Read the record that begins at `at`; None if there is none."""
    if len(data) - at < _HEAD.size:
        return None
    magic, type_, length, n, boot, sequence, now_ns = _HEAD.unpack_from(data, at)
    if magic != MAGIC or type_ not in _BODIES or not 0 < n <= most_plates:
        return None
    body, row = _BODIES[type_]
    end = at + length - _CRC.size
    fits = length == _HEAD.size + body.size + n * row.itemsize + _CRC.size and at + length <= len(data)
    if not fits or zlib.crc32(data[at:end]) != _CRC.unpack_from(data, end)[0]:
        return None
    fixed = body.unpack_from(data, at + _HEAD.size)
    plates = np.frombuffer(data, row, n, at + _HEAD.size + body.size)
    sender = Sender(boot, sequence, now_ns)
    return length, sender, _event(fixed, plates) if type_ == EVENT else _status(fixed, plates)


def _event(fixed: tuple[Any, ...], plates: NDArray[Any]) -> WeightEvent:
    id_, revision, kind, final, start_ns, step_ns, end_ns, quality, _ = fixed
    return WeightEvent(
        id_,
        revision,
        start_ns,
        step_ns,
        end_ns,
        plates["plate"].astype(np.int32),
        plates["delta_g"].astype(np.float32),
        plates["sigma_g"].astype(np.float32),
        "change" if kind == _KINDS["change"] else "touch",
        bool(final),
        quality,
    )


def _status(fixed: tuple[Any, ...], plates: NDArray[Any]) -> DeviceStatus:
    since_ns, early, rezeroed = fixed
    return DeviceStatus(since_ns if since_ns >= 0 else None, early, rezeroed, plates)
