"""What passing observations tell about the sensors: counted here, judged in `fusion.doctor`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion.observations import JOINTS, NS, Keypoints, Observation, ScalePacket, Targets
from fusion.segmentation import DROPOUT, NOISY, PHANTOM, STUCK, Segmenter
from fusion.segmentation_settings import MOST_G, SegmentationSettings
from fusion.store import Fixture

Kind = Literal["scale", "controller", "camera", "antenna", "targets", "gate", "item scores"]

FLAGS = (DROPOUT, STUCK, NOISY, PHANTOM)
"""Those that are followed over time; saturation and spikes are counted, drift is measured."""
CHECK_S = 1.0
"""How often the plates are looked at; what lasts less is seen in the counts only."""
MINUTE, LAG = 60, 10
"""Looks in a minute, and over how many of them changes are taken."""
MINUTES = 3
"""That drift lasts; nobody fills or empties a single plate for so long."""
JITTER_S = 0.05
"""By more than this stamps do not err: twice the jitter of the public recording's packets."""
GAP_S = 0.5
"""Readings on both sides of a hole this long are not compared: see `fusion.segmentation`."""
FRAME_GAP_S = 0.5
"""Without frames for so long, a hand may go to the shelf and come back unseen."""


class PlateVitals:
    """Health of one fixture's plates over time, by its own segmenter.

    Attributes
    ----------
    lasted_s, longest_s, unbroken_s : (F, P) float64
        Seconds of samples under each of `FLAGS`: in all, at a stretch, and at a stretch as of now.
    shaken_s : (S,) float64
        Seconds for which most plates of a shelf were noisy at once: the shelf shook. They are not in the plates' own.
    drift_g_per_min : (P,) float64
        Largest drift that lasted `MINUTES`: the slowest of them, 0 if their signs differ; NaN where not known. A
        minute's drift is the median of changes of the level over 10 s, which few events do not move.
    watched_s : float
        Seconds of samples in all.
    """

    def __init__(self, fixture: Fixture, rate_hz: float, settings: SegmentationSettings) -> None:
        self.shelves = tuple(shelf.id for shelf in fixture.shelves)
        self.plates = tuple(plate.id for plate in fixture.plates)
        self._shelf = np.array([i for i, shelf in enumerate(fixture.shelves) for _ in shelf.plates], np.int32)
        self.segmenter = Segmenter(
            self._shelf,
            rate_hz=rate_hz,
            capacity_g=[min(plate.capacity_g, MOST_G) for plate in fixture.plates],
            settings=settings,
        )
        shape = len(FLAGS), len(self.plates)
        self.lasted_s, self.longest_s, self.unbroken_s = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.shaken_s = np.zeros(len(self.shelves))
        self.watched_s = 0.0
        self.drift_g_per_min = np.full(len(self.plates), np.nan)
        self._minute_g: list[NDArray[np.float32]] = []
        self._drifts = np.full((MINUTES, len(self.plates)), np.nan)
        self._came = np.zeros(len(self.plates), np.int64)
        self._rate_hz = rate_hz
        self._every = self._left = max(1, round(CHECK_S * rate_hz))
        self._last_ns = 0

    def push(self, packet: ScalePacket) -> None:
        """Take the next packet; its samples are taken in order whatever their stamps."""
        sample_ns = np.maximum(np.maximum.accumulate(packet.sample_ns), self._last_ns)
        self._last_ns = int(sample_ns[-1])
        at, n = 0, len(sample_ns)
        while at < n:  # looks at every so many samples, so that the cut into packets changes nothing
            end = min(n, at + self._left)
            self.segmenter.push(sample_ns[at:end], packet.grams[at:end])
            self._left -= end - at
            at = end
            if not self._left:
                self._left = self._every
                self._look()

    def _look(self) -> None:
        elapsed_s = self._every / self._rate_hz
        health = self.segmenter.health()
        flagged = (health["flags"] & np.array(FLAGS)[:, None]) != 0
        # The flag tells the last tenth of a second; here, that nothing came since the last look.
        came = health["samples"] + health["faults"]  # readings beyond the capacity are bad, but there
        flagged[FLAGS.index(DROPOUT)] = came <= self._came
        self._came = came
        noisy = flagged[FLAGS.index(NOISY)]
        size, loud = np.bincount(self._shelf), np.bincount(self._shelf, noisy)
        shaken = (2 * loud > size) & (size > 1)
        noisy &= ~shaken[self._shelf]
        self.shaken_s += elapsed_s * shaken
        self.watched_s += elapsed_s
        self.lasted_s += elapsed_s * flagged
        self.unbroken_s = (self.unbroken_s + elapsed_s) * flagged
        np.maximum(self.longest_s, self.unbroken_s, out=self.longest_s)
        self._minute_g.append(health["level_g"])
        if len(self._minute_g) == MINUTE:
            self._drift(np.array(self._minute_g, np.float64))
            self._minute_g.clear()

    def _drift(self, level_g: NDArray[np.float64]) -> None:
        """Take a minute's levels (MINUTE, P)."""
        with np.errstate(invalid="ignore"):  # of a plate whose capacity has no bound, levels may be infinite
            drift = np.median(level_g[LAG:] - level_g[:-LAG], axis=0) * 60 * self._rate_hz / (LAG * self._every)
        self._drifts = np.concatenate([self._drifts[1:], drift[None]])
        known = np.isfinite(self._drifts).all(axis=0)
        steady = known & ((self._drifts > 0).all(axis=0) | (self._drifts < 0).all(axis=0))
        lasting = np.where(steady, np.copysign(np.abs(self._drifts).min(axis=0), drift), 0.0)
        faster = known & ~(np.abs(lasting) <= np.abs(self.drift_g_per_min))
        self.drift_g_per_min[faster] = lasting[faster]


@dataclass(slots=True)
class StreamVitals:
    """What came from one source; holes are judged in event time, lags by the newest event at arrival.

    Parameters
    ----------
    kind, source : str
        ``"scale"`` and the fixture, ``"camera"`` and the camera, ``"antenna"`` and the antenna; for the others the
        kind again.
    observations, late, duplicates, misfits : int
        Arrived in all; refused because they came too late, were there before, or do not fit the store.
    lost, gaps, overlaps : int
        Packets that never passed, judged by the holes they left; holes in which an event may hide; packets that
        begin before the one before them ended.
    lost_s, longest_gap_s, lag_s, ahead_s : float
        Length of the holes; of the longest gap; the furthest that an observation came behind the newest; the furthest
        that one took the newest time ahead at once, if that was more than the lateness.
    outrun : int
        Observations of any source that came too late because of that.
    seen : (8,) int64
        How often each of `JOINTS` was seen, of so many `persons`.
    """

    kind: Kind
    source: str
    observations: int = 0
    late: int = 0
    duplicates: int = 0
    misfits: int = 0
    lost: int = 0
    gaps: int = 0
    overlaps: int = 0
    lost_s: float = 0.0
    longest_gap_s: float = 0.0
    lag_s: float = 0.0
    ahead_s: float = 0.0
    outrun: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    persons: int = 0
    seen: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(JOINTS), np.int64))
    intervals: int = 0
    intervals_s: float = 0.0
    _before: Sequence[str] = ()

    @property
    def rate_hz(self) -> float | None:
        """Samples (of scales) or frames a second where nothing is lost; None where that is not known."""
        return self.intervals / self.intervals_s if self.intervals_s > 0 else None

    @property
    def span_s(self) -> float:
        """Event time from the first to the last that passed."""
        return 0.0 if self.first_ns is None or self.last_ns is None else (self.last_ns - self.first_ns) / NS

    def take(self, observation: Observation, gap_s: float) -> None:
        """Take the next observation in order of time; a hole in the samples longer than `gap_s` is a gap."""
        first_ns = last_ns = observation.time_ns
        if isinstance(observation, ScalePacket):
            first_ns = int(observation.sample_ns.min())
            self._samples(first_ns, last_ns, len(observation.sample_ns), gap_s)
        elif isinstance(observation, (Targets, Keypoints)):
            xyz = observation.joints_m if isinstance(observation, Targets) else observation.px
            self._frame(xyz, observation.shoppers if isinstance(observation, Targets) else ("",) * len(xyz), last_ns)
        self.first_ns = first_ns if self.first_ns is None else self.first_ns
        self.last_ns = last_ns

    def _samples(self, first_ns: int, last_ns: int, n: int, gap_s: float) -> None:
        period_s = (last_ns - first_ns) / NS / (n - 1) if n > 1 else 0.0
        self.intervals += n - 1
        self.intervals_s += (last_ns - first_ns) / NS
        if self.last_ns is None:
            return
        hole_s = (first_ns - self.last_ns) / NS
        usual_s = period_s or (self.intervals_s / self.intervals if self.intervals else hole_s)
        length_s = max(n * usual_s, 1e-9)
        if hole_s < -JITTER_S:
            self.overlaps += 1
        elif hole_s - usual_s > max(length_s / 2, JITTER_S):
            self.lost += max(1, round((hole_s - usual_s) / length_s))
            self.lost_s += hole_s - usual_s
        else:
            self.intervals += 1
            self.intervals_s += hole_s
        if hole_s > gap_s:
            self._gap(hole_s)

    def _frame(self, xyz: NDArray[np.float64], names: Sequence[str], time_ns: int) -> None:
        self.persons += len(xyz)
        self.seen += np.isfinite(xyz).all(axis=-1).sum(axis=0)
        interval_s = 0.0 if self.last_ns is None else (time_ns - self.last_ns) / NS
        if interval_s <= FRAME_GAP_S:
            self.intervals += self.last_ns is not None
            self.intervals_s += interval_s
        elif set(names) & set(self._before):  # somebody was there before and after; else it may just have been quiet
            self._gap(interval_s)
        self._before = names

    def _gap(self, length_s: float) -> None:
        self.gaps += 1
        self.longest_gap_s = max(self.longest_gap_s, length_s)
