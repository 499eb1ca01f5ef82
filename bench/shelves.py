"""Judges segmentation on simulated fixtures whose truth is known: whole events, and plate by plate beside peers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import SegmentationSettings, Segmenter, WeightEvent
from fusion.simulation import Change, PlateSettings, PlateSimulation, simulate_plates

NS = 1_000_000_000
NEAR_S = 0.5
SMALLEST_G = 30.0
"""Lightest item of the simulated fixtures: what their operator knows."""
SPAN_ERROR = 0.0025
"""Deviation of the plates' gains: no estimate of a load can be better."""
COUPLING = 0.0075
"""Deviation of the cross-talk between two plates of an item, which shows on no other occasion."""
WINDOW_S = 2.0
"""Before a change and after it: what the bound on the error of a change takes into account."""
Array = NDArray[np.float64]


def fixtures(seeds: Iterable[int], **settings: Any) -> Iterator[PlateSimulation]:
    """Simulate one fixture-hour a seed, of twelve plates unless told otherwise."""
    for seed in seeds:
        yield simulate_plates(PlateSettings(seed=seed, **settings))


@dataclass(slots=True)
class Reported:
    """One event: when it was told first and last, and its last report."""

    first_ns: int
    last_ns: int
    event: WeightEvent


def listen(simulation: PlateSimulation, packet: int = 12) -> list[Reported]:
    """Segment a fixture packet by packet, as it would come; the events that are final, in order."""
    segmenter = Segmenter(
        simulation.groups,
        rate_hz=simulation.rate_hz,
        facings=simulation.facings,
        settings=SegmentationSettings(smallest_item_g=SMALLEST_G),
    )
    reported: dict[int, Reported] = {}
    for k in range(0, len(simulation.sample_ns), packet):
        times = simulation.sample_ns[k : k + packet]
        for event in segmenter.push(times, simulation.grams[k : k + packet]):
            now = int(times[-1])
            reported.setdefault(event.id, Reported(now, now, event))
            reported[event.id].last_ns, reported[event.id].event = now, event
    for event in segmenter.flush():
        now = int(simulation.sample_ns[-1])
        reported.setdefault(event.id, Reported(now, now, event))
        reported[event.id].event = event
    return list(reported.values())


def bound_g(simulation: PlateSimulation, change: Change) -> tuple[float, float]:
    """Deviation that the noise alone leaves to the difference of two means of `WINDOW_S`; and with what no scale knows.

    The long-run variance of each plate's noise at that time, its correlation included, is measured on the noise-only
    copy by means of a second (batch means), within 15 s of the change.
    """
    rate = round(simulation.rate_hz)
    middle = int(np.searchsorted(simulation.sample_ns, change.time_ns))
    first = min(max(middle - 15 * rate, 0), max(len(simulation.sample_ns) - 30 * rate, 0))
    noise = 0.0
    for plate in change.plates:
        around = simulation.noise_g[first : first + 30 * rate, plate].astype(np.float64)
        batches = around.reshape(-1, rate).mean(axis=1)
        # Differences of neighbours: the variance of a second's mean without what drifts over half a minute.
        noise += 0.5 * float(np.mean(np.diff(batches) ** 2)) * 2 / WINDOW_S
    squares = np.square(change.delta_g)
    coupled = sum(
        float(squares[i])
        for i, p in enumerate(change.plates)
        for q in change.plates
        if 0 < abs(p - q) <= 2  # each plate's load shows on the item's others
    )
    return noise**0.5, (noise + SPAN_ERROR**2 * float(squares.sum()) + COUPLING**2 * coupled) ** 0.5


@dataclass(slots=True)
class EventScore:
    """What whole events are judged by, gathered over fixtures."""

    plate_hours: float = 0.0
    found: int = 0
    missed: int = 0
    false: int = 0
    false_of: dict[str, int] = field(default_factory=dict)
    errors: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Error and its told deviation, the two bounds; grams."""
    first_s: list[float] = field(default_factory=list)
    final_s: list[float] = field(default_factory=list)

    def add(self, simulation: PlateSimulation, reports: list[Reported]) -> None:
        """Match the final changes of one fixture with the truth: shared plates, the same sign, `NEAR_S`."""
        self.plate_hours += simulation.grams.shape[1] * simulation.settings.duration_s / 3600
        free = [r for r in reports if r.event.final and r.event.kind == "change"]
        for change in simulation.changes:
            best = min((r for r in free if _same(change, r.event)), key=lambda r: _off(change, r.event), default=None)
            if best is None:
                self.missed += 1
                continue
            free.remove(best)
            self.found += 1
            sigma = float(np.sqrt((best.event.sigma_g.astype(np.float64) ** 2).sum()))
            self.errors.append((_off(change, best.event), sigma, *bound_g(simulation, change)))
            self.first_s.append((best.first_ns - change.time_ns) / NS)
            self.final_s.append((best.last_ns - change.time_ns) / NS)
        self.false += len(free)
        for report in free:
            why = _why(simulation, report.event)
            self.false_of[why] = self.false_of.get(why, 0) + 1

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.found / (2 * self.found + self.missed + self.false)


def _off(change: Change, event: WeightEvent) -> float:
    return abs(float(event.delta_g.sum(dtype=np.float64)) - sum(change.delta_g))


def _same(change: Change, event: WeightEvent) -> bool:
    return (
        abs(event.step_ns - change.time_ns) <= NEAR_S * NS
        and bool(set(event.plates.tolist()) & set(change.plates))
        and float(event.delta_g.sum()) * sum(change.delta_g) > 0
    )


def _why(simulation: PlateSimulation, event: WeightEvent) -> str:
    """Name what went on where a false event was told."""
    plates = set(range(int(event.plates.min()) - 2, int(event.plates.max()) + 3))
    kinds = [
        n.kind
        for n in simulation.nuisances
        if n.kind in ("lean", "hold", "touch", "rezero", "burst")
        and n.start_ns - NS < event.step_ns < n.end_ns + NS
        and plates & set(n.plates)
    ]
    if kinds:
        return kinds[0]
    return "change" if any(abs(c.time_ns - event.step_ns) < 3 * NS for c in simulation.changes) else "nothing"


@dataclass(slots=True)
class PlateScore:
    """What detectors of single plates are judged by: changes of a plate of half the smallest item and more.

    Smaller true ones, an item's edge, neither count nor harm.
    """

    found: int = 0
    missed: int = 0
    false: int = 0
    errors: list[float] = field(default_factory=list)

    def add(self, truth: list[tuple[float, float]], times_s: Array, deltas_g: Array) -> None:
        """Match one plate's changes, (seconds, grams), with what a detector told."""
        told = [(t, d) for t, d in zip(times_s, deltas_g, strict=True) if abs(d) >= SMALLEST_G / 2]
        for time, delta in sorted(truth, key=lambda change: -abs(change[1])):
            near = [(abs(d - delta), i) for i, (t, d) in enumerate(told) if abs(t - time) <= NEAR_S and d * delta > 0]
            if near:
                error, best = min(near)
                told.pop(best)
            if abs(delta) >= SMALLEST_G / 2:
                self.found += bool(near)
                self.missed += not near
                self.errors += [error] if near else []
        self.false += len(told)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.found / max(2 * self.found + self.missed + self.false, 1)


def truth_of(simulation: PlateSimulation, plate: int) -> list[tuple[float, float]]:
    """List a plate's true changes: seconds since the first sample, grams."""
    start = int(simulation.sample_ns[0])
    return [
        ((c.time_ns - start) / NS, g)
        for c in simulation.changes
        for p, g in zip(c.plates, c.delta_g, strict=True)
        if p == plate
    ]
