"""Streams of a small store for the tests of the doctor: healthy, until a test spoils them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import Box, Camera, Facing, Fixture, Plate, Product, Shelf, Store
from fusion.doctor import Diagnosis, diagnose
from fusion.findings import AT_LEAST, Finding
from fusion.observations import Observation, ScalePacket, Targets

NS = 1_000_000_000
START_NS = 1_600_000_000 * NS
RATE_HZ = 60.0
SAMPLES = 12
PLATES = 6

Array = NDArray[Any]


def store(fixtures: int = 2, *, carried: int = PLATES, cameras: Sequence[str] = ()) -> Store:
    """Fixtures "1", "2", ... of one shelf with six plates, of which the first `carried` carry a product."""
    box = Box(np.zeros(3), np.full(3, 0.1))
    ids = [[f"{f + 1}/1/{p + 1}" for p in range(PLATES)] for f in range(fixtures)]
    return Store(
        tuple(
            Fixture(str(f + 1), (Shelf(f"{f + 1}/1", tuple(Plate(p, box) for p in ids[f])),)) for f in range(fixtures)
        ),
        (Product("soap", "Soap", 120.0),),
        tuple(Facing("soap", tuple(row[:carried]), box) for row in ids),
        tuple(Camera(c, np.diag([1000.0, 1000.0, 1.0]), np.eye(3), np.zeros(3)) for c in cameras),
    )


def quiet(rng: np.random.Generator, seconds: float = 66.0) -> Array:
    """Readings of six healthy plates: white noise of 0.7 g, in steps of 0.1 g."""
    n = round(seconds * RATE_HZ)
    return (1000.0 + np.round(rng.normal(0.0, 0.7, (n, PLATES)), 1)).astype(np.float32)


def packets(grams: Array, fixture: str = "1", *, start_s: float = 0.0, rate_hz: float = RATE_HZ) -> list[Observation]:
    """Cut readings into packets of twelve samples."""
    sample_ns = START_NS + np.round((start_s + np.arange(len(grams)) / rate_hz) * NS).astype(np.int64)
    cuts = range(0, len(grams), SAMPLES)
    return [ScalePacket(fixture, sample_ns[i : i + SAMPLES], grams[i : i + SAMPLES]) for i in cuts]


def frames(seconds: float = 66.0, *, seen: float = 1.0, rng: np.random.Generator | None = None) -> list[Observation]:
    """One shopper at 15 Hz, of whose joints a share is seen."""
    result: list[Observation] = []
    for k in range(round(15 * seconds)):
        joints = np.ones((1, 8, 3))
        if rng is not None:
            joints[rng.random((1, 8)) >= seen] = np.nan
        result.append(Targets(START_NS + round(k / 15 * NS), ("7",), joints, np.full((1, 8), 0.9)))
    return result


def by_time(*streams: Iterable[Observation]) -> list[Observation]:
    return sorted((o for stream in streams for o in stream), key=lambda o: o.time_ns)


def found(diagnosis: Diagnosis, *, notes: bool = False) -> dict[tuple[str, str], Finding]:
    """Findings by source and kind, each of which must be whole and plain."""
    result = {(f.source, f.kind): f for f in diagnosis.findings if notes or f.severity != "note"}
    for f in result.values():
        assert f.action.endswith(".")
        assert np.isfinite([f.measured, f.limit]).all()
        if f.subject != "files":
            assert f.detail.endswith(".")
            assert f.measured <= f.limit if f.kind in AT_LEAST else f.measured >= f.limit or f.severity == "note", f
    json.dumps(diagnosis.to_dict(), allow_nan=False)
    return result


def examine(grams: Array, **kinds: Any) -> dict[tuple[str, str], Finding]:
    """Findings for readings of fixture 1, in a store that has nothing else."""
    diagnosis = diagnose(store(1, **kinds), by_time(packets(grams), frames(len(grams) / RATE_HZ)))
    return found(diagnosis)
