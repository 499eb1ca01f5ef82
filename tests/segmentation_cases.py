"""Load-cell streams whose truth is known, for the tests of segmentation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import SegmentationSettings, Segmenter, WeightEvent

RATE = 60
SHELF = np.zeros(6, np.int32)
START_NS = 1_600_000_000_000_000_000

Grams = NDArray[np.float64]


def ticks(n: int, rate: float = RATE) -> NDArray[np.int64]:
    return START_NS + (np.arange(n) * (1e9 / rate)).astype(np.int64)


def tick(event_ns: int, rate: float = RATE) -> float:
    return (event_ns - START_NS) * rate / 1e9


def quiet(rng: np.random.Generator, n: int, plates: int = 6, sigma_g: float = 0.6) -> Grams:
    """Loads of up to 9 kg with white noise."""
    return rng.uniform(-5000, 9000, plates) + rng.normal(0, sigma_g, (n, plates))


def adc(grams: Grams) -> NDArray[np.float32]:
    """The converter's resolution of the public recording."""
    return (np.round(grams / 0.24) * 0.24).astype(np.float32)


def pick(grams: Grams, at: int, plate: int, mass_g: float) -> None:
    """An item leaves (or comes, if negative) within 50 ms, after a push and with ringing, as hands do it."""
    grams[at - 12 : at, plate] += 0.03 * abs(mass_g) * np.hanning(12)
    grams[at : at + 3, plate] -= mass_g * np.array([0.2, 0.5, 0.8])
    grams[at + 3 :, plate] -= mass_g
    ring = np.arange(min(20, len(grams) - at - 3))
    grams[at + 3 : at + 3 + len(ring), plate] += 0.03 * mass_g * np.exp(-ring / 5) * np.cos(ring * 1.2)


def trembling(rng: np.random.Generator, n: int, tremble_g: float) -> Grams:
    """What a hand adds to its weight: it wavers within tenths of a second."""
    window = np.hanning(12)
    return tremble_g * np.convolve(rng.normal(0, 1, n + 11), window / np.sqrt((window**2).sum()), "valid")


def segment(
    grams: NDArray[Any],
    groups: NDArray[np.int32] = SHELF,
    rate: float = RATE,
    flush: bool = True,
    facings: Sequence[Sequence[int]] | None = None,
    **settings: Any,
) -> list[WeightEvent]:
    segmenter = Segmenter(groups, rate_hz=rate, facings=facings, settings=SegmentationSettings(**settings))
    events = segmenter.push(ticks(len(grams), rate), grams.astype(np.float32))
    return events + (segmenter.flush() if flush else [])


def final(events: list[WeightEvent], kind: str = "change") -> list[WeightEvent]:
    return [e for e in events if e.final and e.kind == kind]


def unpack(events: list[WeightEvent]) -> list[list[Any]]:
    return [[getattr(e, name) for name in WeightEvent.__slots__] for e in events]


@dataclass(frozen=True)
class Case:
    """A stream and the segmenter that takes it."""

    sample_ns: NDArray[np.int64]
    grams: NDArray[np.float32]
    groups: NDArray[np.int32]
    rate_hz: float
    facings: Sequence[Sequence[int]] | None = None
    settings: SegmentationSettings = field(default_factory=SegmentationSettings)

    def segmenter(self) -> Segmenter:
        return Segmenter(self.groups, rate_hz=self.rate_hz, facings=self.facings, settings=self.settings)


def random_case(seed: int) -> Case:
    """Picks, holds, steps, spikes, tares, dead columns, dropouts, gaps and repeated times on a few plates."""
    rng = np.random.default_rng(seed)
    plates, n, rate = int(rng.integers(1, 12)), int(rng.integers(0, 300)), float(rng.choice([1.0, 10.0, 60.0, 100.0]))
    grams = quiet(rng, n, plates, float(rng.choice([0.0, 0.05, 0.5, 5.0])))
    for _ in range(rng.integers(0, 7) if n else 0):
        at, plate, mass = (
            int(rng.integers(0, n)),
            int(rng.integers(0, plates)),
            rng.normal(0, 10.0 ** rng.integers(1, 4)),
        )
        width = int(rng.integers(1, 4))
        match rng.integers(0, 4):
            case 0:
                grams[at:, plate : plate + width] += mass
            case 1 if 12 <= at < n - 24:
                for near in range(plate, min(plate + width, plates)):
                    pick(grams, at, near, mass)
            case 2:
                hold = grams[at : at + rng.integers(1, 200), plate]
                hold += abs(mass) * np.minimum(1, np.arange(len(hold)) / 9) + trembling(rng, len(hold), abs(mass) / 30)
            case _:
                grams[at : at + rng.integers(0, 30), plate] += rng.normal(0, 100)
    if n and rng.random() < 0.1:
        grams[n // 2 :] -= grams[n // 2]
    if rng.random() < 0.2:
        grams[:, rng.integers(0, plates)] = rng.choice([0.0, np.nan])
    if rng.random() < 0.5:
        grams = np.round(grams / 0.24) * 0.24
    grams[rng.random(grams.shape) < rng.choice([0, 0, 0.1, 0.6])] = np.nan
    grams[rng.random(grams.shape) < rng.choice([0, 0.02])] = rng.choice([np.inf, -np.inf, 3e38, 2e6])
    steps = (rng.choice([0, 1, 1, 1, 1, 1, 2], n) / rate * 1e9).astype(np.int64)
    steps[rng.random(n) < 0.005] = 6_000_000_000
    facings = [[p, p + 1] for p in range(0, plates - 1, 2)] if rng.random() < 0.5 else None
    settings = SegmentationSettings(merge_s=float(rng.choice([0.0, 0.5, 2.0])), settle_s=float(rng.choice([0.2, 0.5])))
    return Case(
        START_NS + np.cumsum(steps),
        grams.astype(np.float32),
        np.sort(rng.integers(0, 3, plates)).astype(np.int32),
        rate,
        facings,
        settings,
    )
