"""The doctor: a recording's sensors and streams judged; what is wrong, how bad it is and what to do about it.

Observations pass as they do in the engine: behind the same watermark, through segmenters with the same settings. So
what the doctor calls late, lost or noisy is so for the receipts, too. Memory does not grow with the recording.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fusion.device import DeviceFeed
from fusion.engine_settings import EngineSettings
from fusion.findings import Finding, of_fixture, of_notes, of_recording, of_records, of_stream, worst_first
from fusion.observations import (
    JOINTS,
    NS,
    DeviceEvents,
    GateEvent,
    ItemScores,
    Keypoints,
    Observation,
    ScalePacket,
    TagReads,
    Targets,
)
from fusion.ordering import ReorderBuffer
from fusion.recordings import ReaderNote, Recording
from fusion.store import Store
from fusion.vitals import GAP_S, Kind, PlateVitals, StreamVitals

FORMAT = "fusion.doctor/1"
COUNTS = (
    *("observations", "late", "duplicates", "misfits", "lost", "lost_s", "gaps", "longest_gap_s", "overlaps"),
    *("lag_s", "ahead_s", "outrun", "persons"),
)
"""Of `StreamVitals`, in the document."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found.

    Parameters
    ----------
    findings : tuple of Finding
        Worst first: by severity, then by how many times its limit is exceeded.
    plates : tuple of dict
        Each plate's numbers, JSON-ready, in the order of the store: ``plate``, ``status`` (kinds of its findings; else
        ``["ok"]``, or ``["silent"]`` where its fixture sent nothing), ``noise_g`` and ``level_g`` as of the end,
        ``drift_g_per_min`` (the largest that lasted three minutes; these three are None where unknown), ``spikes``,
        ``samples``, ``missing`` and ``faults`` (readings beyond the capacity; missing, too).
    streams : tuple of dict
        Each source's numbers, JSON-ready: what `fusion.vitals.StreamVitals` counts, and the share of persons of whom
        each joint was seen.
    start_ns, duration_s : int or None, float
        Earliest event, and how long the events go on.
    observations : int
        How many came.
    """

    findings: tuple[Finding, ...]
    plates: tuple[dict[str, Any], ...]
    streams: tuple[dict[str, Any], ...]
    start_ns: int | None
    duration_s: float
    observations: int

    @property
    def healthy(self) -> bool:
        """Whether nothing needs attention: there are no findings, or only notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of format ``fusion.doctor/1``, JSON-ready."""
        return {"format": FORMAT, "healthy": self.healthy, **asdict(self)}


def diagnose(store: Store, observations: Iterable[Observation], *, settings: EngineSettings | None = None) -> Diagnosis:
    """Judge a recording's sensors and streams.

    Parameters
    ----------
    store : Store
        What is fixed.
    observations : iterable of Observation
        In the order in which they arrived; of a `Recording`, its reader's notes become findings, too.
    settings : EngineSettings, optional
        How the engine that is to use them waits and decides.

    Raises
    ------
    TypeError
        If something is no observation.
    RecordingError
        If `observations` is a recording that turns out to be bad.

    Examples
    --------
    >>> recording = open_recording("recordings/monday")                # doctest: +SKIP
    >>> for finding in diagnose(recording.store, recording).findings:  # doctest: +SKIP
    ...     print(finding.severity, finding.source, finding.detail, finding.action)
    """
    doctor = Doctor(store, settings)
    for observation in observations:
        doctor.push(observation)
    return doctor.diagnosis(observations.notes if isinstance(observations, Recording) else ())


class Doctor:
    """Examines observations one by one, as `diagnose` does for a whole recording.

    Parameters
    ----------
    store : Store
        What is fixed.
    settings : EngineSettings, optional
        How the engine that is to use them waits and decides.
    """

    def __init__(self, store: Store, settings: EngineSettings | None = None) -> None:
        self._store = store
        self._settings = s = settings or EngineSettings()
        self._plates = {f.id: PlateVitals(f, s.rate_hz, s.segmentation) for f in store.fixtures}
        self._streams: dict[tuple[Kind, str], StreamVitals] = {
            ("scale", fixture.id): StreamVitals("scale", fixture.id) for fixture in store.fixtures
        }
        self._feeds = {f.id: DeviceFeed(len(f.plates)) for f in store.fixtures}
        self._buffer = ReorderBuffer(round(s.lateness_s * NS))
        self._newest_ns: int | None = None
        self._leap: tuple[StreamVitals, int] | None = None

    def push(self, observation: Observation) -> None:
        """Take the next observation, in the order of arrival.

        Raises
        ------
        TypeError
            If it is none.
        """
        key = _source(observation)
        stream = self._streams.setdefault(key, StreamVitals(*key))
        stream.observations += 1
        if isinstance(observation, ScalePacket | DeviceEvents) and not self._fits(observation):
            stream.misfits += 1
            return
        self._clock(stream, observation.time_ns)
        late, duplicates = self._buffer.late, self._buffer.duplicates
        self._buffer.put(observation)
        stream.duplicates += self._buffer.duplicates - duplicates
        if self._buffer.late > late:
            stream.late += 1
            self._blame(observation.time_ns)
        self._pass(everything=False)

    def diagnosis(self, notes: Sequence[ReaderNote] = ()) -> Diagnosis:
        """Take the stream as ended and tell what was found; `notes` are what its reader met."""
        self._pass(everything=True)
        controlled = {source for kind, source in self._streams if kind == "controller"}
        streams = [s for s in self._streams.values() if s.observations or s.source not in controlled]
        # A source whose clock ran ahead does not tell when the recording ended.
        ends = [s.last_ns for s in streams if s.last_ns is not None and not s.outrun]
        starts = [s.first_ns for s in streams if s.first_ns is not None]
        end_ns = max(ends, default=max(starts, default=0))
        start_ns = min(starts, default=None)
        carrying = {p for facing in self._store.planogram for p in facing.plates} or self._store.plate_by_id.keys()
        findings = [*of_recording(self._store, streams, self._settings.lateness_s), *of_notes(notes)]
        for stream in streams:
            findings += of_stream(stream, self._settings, end_ns)
        for fixture, feed in self._feeds.items():
            findings += of_records(fixture, feed.counts)
        for fixture, vitals in self._plates.items():
            if self._streams["scale", fixture].first_ns is not None:
                findings += of_fixture(fixture, vitals, self._settings.segmentation, carrying)
        return Diagnosis(
            worst_first(findings),
            tuple(entry for vitals in self._plates.values() for entry in _plates(vitals, findings)),
            tuple(_stream(s) for s in streams),
            start_ns,
            0.0 if start_ns is None else max(0.0, (end_ns - start_ns) / NS),
            sum(s.observations for s in streams),
        )

    def _fits(self, observation: ScalePacket | DeviceEvents) -> bool:
        vitals = self._plates.get(observation.fixture)
        if vitals is None or isinstance(observation, DeviceEvents):
            return vitals is not None
        return bool(observation.grams.shape[1] == len(vitals.plates))

    def _clock(self, stream: StreamVitals, time_ns: int) -> None:
        """Follow the newest event time: who is behind it, and who takes it further than others may be late."""
        if self._newest_ns is not None:
            behind_s = (self._newest_ns - time_ns) / NS
            stream.lag_s = max(stream.lag_s, behind_s)
            if -behind_s > self._settings.lateness_s:
                self._leap = stream, self._newest_ns
                stream.ahead_s = max(stream.ahead_s, -behind_s)
        self._newest_ns = time_ns if self._newest_ns is None else max(self._newest_ns, time_ns)

    def _blame(self, time_ns: int) -> None:
        """Blame a late arrival on a source that leapt ahead, if it would have been in time without."""
        if self._leap is not None:
            culprit, before_ns = self._leap
            if time_ns >= before_ns - round(self._settings.lateness_s * NS):
                culprit.outrun += 1

    def _pass(self, *, everything: bool) -> None:
        gap_s = max(GAP_S, 5 / self._settings.rate_hz)
        for observation in self._buffer.ready(everything=everything):
            self._streams[_source(observation)].take(observation, gap_s)
            if isinstance(observation, ScalePacket):
                self._plates[observation.fixture].push(observation)
            elif isinstance(observation, DeviceEvents):
                self._feeds[observation.fixture].push(observation)


def _source(observation: Observation) -> tuple[Kind, str]:
    """Kind and name of what sent an observation."""
    match observation:
        case ScalePacket(fixture=fixture):
            return "scale", fixture
        case DeviceEvents(fixture=fixture):
            return "controller", fixture
        case Keypoints(camera=camera):
            return "camera", camera
        case TagReads(antenna=antenna):
            return "antenna", antenna
        case Targets():
            return "targets", "targets"
        case GateEvent():
            return "gate", "gate"
        case ItemScores():
            return "item scores", "item scores"
    raise TypeError(f"observations must be of the types in fusion.observations; got {type(observation).__name__}")


def _plates(vitals: PlateVitals, findings: Sequence[Finding]) -> Iterable[dict[str, Any]]:
    kinds: dict[str, list[str]] = {}
    for finding in findings:
        if finding.subject == "plate":
            kinds.setdefault(finding.source, []).append(finding.kind)
    for plate, state, drift in zip(vitals.plates, vitals.segmenter.health(), vitals.drift_g_per_min, strict=True):
        numbers = {"noise_g": state["noise_g"], "level_g": state["level_g"], "drift_g_per_min": drift}
        yield {
            "plate": plate,
            "status": kinds.get(plate, ["ok"] if state["samples"] else ["silent"]),
            **{name: float(value) if np.isfinite(value) else None for name, value in numbers.items()},
            **{name: int(state[name]) for name in ("spikes", "samples", "missing", "faults")},
        }


def _stream(vitals: StreamVitals) -> dict[str, Any]:
    shares = (vitals.seen / max(vitals.persons, 1)).tolist()
    joints = dict(zip(JOINTS, shares, strict=True)) if vitals.persons else {}
    return {
        "kind": vitals.kind,
        "source": vitals.source,
        "rate_hz": vitals.rate_hz,
        "joints": joints,
        **{name: getattr(vitals, name) for name in COUNTS},
    }
