"""What the doctor may find: measured figures against their limits, and what an operator should do, in plain words."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from fusion.device import DeviceCounts
from fusion.engine_settings import EngineSettings
from fusion.fixture_scales import SILENCE_NS
from fusion.observations import JOINTS, NS
from fusion.recordings import ReaderNote
from fusion.segmentation import DROPOUT, NOISY, PHANTOM, STUCK
from fusion.segmentation_settings import SegmentationSettings
from fusion.store import Store
from fusion.vitals import FLAGS, FRAME_GAP_S, GAP_S, Kind, PlateVitals, StreamVitals

Severity = Literal["fault", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("fault", "warning", "note")
Subject = Kind | Literal["plate", "shelf", "recording", "files"]

SILENCE_S = SILENCE_NS / NS
LOST = 0.01
"""Share of packets or readings: a change with its settling spans about ten packets, so that one in ten is hit."""
USELESS = 0.5
"""Share: segmentation skips blocks of which more than half is missing, and noise that rules half of the time is the
plate's own, not that of somebody who walks by."""
HANDS_SEEN = 0.5
"""Share of wrists: a reach lasts about a second, of which half must be seen to tell the plate."""
NEARLY = 0.9
"""Of the lateness: a delay so close to it will exceed it some day."""
JUDGED_S = 60.0
"""A visit to a shelf lasts about half a minute: what rules half of a minute is more than a visitor. Less is noted."""
SPIKES_PER_MIN = 30.0
"""Each costs a block of 0.1 s its clearest sample: one block in twenty."""
REZEROS_PER_H = 1.0
"""Controllers tare at start-up; what is taken at that moment is lost."""
RATE_ERROR = 0.1
"""Share by which the sampling rate may be off: settings in seconds are off by as much."""

ACTIONS = {
    "absent": "Compare the store's description with the shelf: the controller sends no column for this plate.",
    "clock": "Set the clock of this device (NTP); until then it makes all others seem late.",
    "drift": "Let it warm up, shield it from draughts and sun, check that nothing touches the plate; else replace it.",
    "dropout": "Check the cable and the plug of this plate; if its neighbours drop out too, the shelf's controller.",
    "duplicates": "Nothing: the copies are dropped. If they are many, look for a sender that repeats itself.",
    "empty": "Check that the recorder was connected to the sensors.",
    "gap": "Check network and power of the sender; what was taken meanwhile may be missing on receipts.",
    "hands": "Clean and realign the cameras; takes cannot be given to shoppers whose hands are not seen.",
    "lag": "Nothing yet; if it grows, allow more lateness in the engine's settings or speed up the sender.",
    "late": "Speed up the sender or its network, check its clock, or allow more lateness in the engine's settings.",
    "lost": "Check network and load of the sender; weigh changes by hand where receipts look wrong.",
    "misfit": "Correct the store's description: a replay refuses these packets.",
    "missing": "Check the cable and the converter of this plate.",
    "no_joints": "Check the body tracker: without hands no take can be given to a shopper.",
    "noise": "Look for a loose foot, a fan or items that touch the shelf above; else replace the load cell.",
    "overlap": "Look for two senders under one fixture's name, or a clock that is set back.",
    "phantom": "If the plate exists, check that it is mounted and plugged in; if not, remove it from the store.",
    "rate": "Set the sampling rate in the engine's settings to what the scales send.",
    "rezeroed": "Nothing if it was after start-up; else forbid the controller to tare by itself.",
    "saturated": "Take load off the plate; if it is not overloaded, check its wiring and converter.",
    "damaged": "Check the controller's link and clock, and that it counts its starts.",
    "shaken": "Fix shelf and fixture; look for a motor, a door or a passage that shakes them.",
    "short": "Record for at least as long as the limit.",
    "silent": "Check power and network of this device; nothing came from it in time.",
    "spikes": "Check cable, plug and shielding of this plate.",
    "stopped": "Check power and network of this device; it fell silent before the end.",
    "stuck": "Restart the converter and check that the plate moves freely; press it: the reading must change.",
    "unknown_camera": "Add the camera's calibration to the store.",
    "no_mass": "Weigh the product and enter its mass: without it no weight tells it.",
    "unknown_product": "Add the product to the catalogue, or correct the planogram.",
    "misplaced_box": "Correct the facing's box or plates in the planogram.",
    "unknown_fixture": "Add the fixture to the store's description, or stop its packets.",
}
"""By the kind of finding; reader's notes not listed here ask for a look at the files."""
AT_LEAST = ("empty", "hands", "no_joints", "short", "silent")
"""Kinds whose limit is the least that is well; of the others it is the most."""
LOOK = "Nothing if the replay is right; else correct the file."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an operator should know.

    Parameters
    ----------
    severity : {"fault", "warning", "note"}
        A fault makes the source useless, a warning makes receipts worse, a note asks for nothing now.
    subject : str
        What kind of thing `source` is: "plate", "shelf", "scale", "controller", "camera", "antenna", "targets", "gate",
        "item scores", "recording" or "files".
    source : str
        The plate's, shelf's, fixture's (of a scale), camera's or antenna's identifier, or the subject again.
    kind : str
        What it suffers from, one of `ACTIONS`, or the status of a reader's note.
    measured, limit : float
        The figure, and what it should not exceed or, of `AT_LEAST`, fall below.
    unit : str
        Of both.
    detail, action : str
        What it means and what to do, for people.
    """

    severity: Severity
    subject: Subject
    source: str
    kind: str
    measured: float
    limit: float
    unit: str
    detail: str
    action: str


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order by severity, then by how many times the limit is missed; notes without a limit come last."""

    def rank(finding: Finding) -> tuple[int, float]:
        limit, measured = finding.limit, finding.measured
        if finding.severity == "note" and not limit:
            return len(SEVERITIES), 0.0
        ratio = limit / max(measured, 1e-9) if finding.kind in AT_LEAST else measured / max(limit, 1e-9)
        return SEVERITIES.index(finding.severity), -ratio

    return tuple(sorted(findings, key=rank))


def of_fixture(
    fixture: str, vitals: PlateVitals, settings: SegmentationSettings, carrying: AbstractSet[str]
) -> Iterator[Finding]:
    """Find what is wrong with a fixture that sends and its plates; those `carrying` nothing are only noted."""
    say = partial(_finding, "scale", fixture)
    memory_s, watched_s = 5 * settings.baseline_s, vitals.watched_s
    if watched_s < JUDGED_S:
        detail = f"Too short to judge noise and spikes{' and to see stuck plates' * (watched_s < memory_s)}."
        yield say("note", "short", watched_s, JUDGED_S, "s", detail)
    if tares := vitals.segmenter.rezeroed:
        most = REZEROS_PER_H * max(1.0, watched_s / 3600)
        detail = f"The controller set its readings to zero {_times(tares)}."
        yield say(_warning_if(tares > most), "rezeroed", tares, most, "tares", detail)
    for shelf, shaken_s in zip(vitals.shelves, vitals.shaken_s.tolist(), strict=True):
        if shaken_s > 0:
            often = shaken_s > USELESS * watched_s and watched_s >= JUDGED_S
            detail = f"Most plates are noisier than {settings.smallest_item_g:g} g at once, {shaken_s:.0f} s in all."
            share = 100 * shaken_s / watched_s
            yield _finding("shelf", shelf, _warning_if(often), "shaken", share, 100 * USELESS, "% of the time", detail)
    for column, state in enumerate(vitals.segmenter.health()):
        carries = vitals.plates[column] in carrying
        for finding in _of_plate(vitals, column, state, settings):
            # Where nothing should stand there may be no plate at all, but an open input.
            yield finding if carries else replace(finding, severity="note")


def _of_plate(vitals: PlateVitals, column: int, state: Any, settings: SegmentationSettings) -> Iterator[Finding]:
    say = partial(_finding, "plate", vitals.plates[column])
    memory_s, watched_s, smallest_g = 5 * settings.baseline_s, vitals.watched_s, settings.smallest_item_g
    lasted = dict(zip(FLAGS, vitals.lasted_s[:, column].tolist(), strict=True))
    longest = dict(zip(FLAGS, vitals.longest_s[:, column].tolist(), strict=True))
    now = dict(zip(FLAGS, vitals.unbroken_s[:, column].tolist(), strict=True))
    total, faults = max(int(state["samples"] + state["missing"]), 1), int(state["faults"])
    missing = int(state["missing"]) - faults

    if now[PHANTOM] and not faults:
        yield say("fault", "phantom", watched_s, memory_s, "s", "No sign of life from the beginning.")
        return
    if longest[DROPOUT] > SILENCE_S:
        broken = now[DROPOUT] > 0 or missing > USELESS * total
        detail = "No readings until the end." if now[DROPOUT] else "No readings for long, then alive again."
        yield say(_fault_if(broken), "dropout", longest[DROPOUT], SILENCE_S, "s", detail)
    elif missing > LOST * total:
        detail = f"{missing} of {total} readings are missing."
        yield say(_graded(missing / total), "missing", 100 * missing / total, 100 * LOST, "% of readings", detail)
    if longest[STUCK] > 0:
        broken = now[STUCK] > 0 or lasted[STUCK] > USELESS * watched_s
        detail = "The same reading until the end." if now[STUCK] else "The same reading for long, then alive again."
        yield say(_fault_if(broken), "stuck", longest[STUCK] + memory_s, memory_s, "s", detail)
    if faults:
        detail = f"{faults} of {total} readings are beyond the plate's capacity."
        yield say(_fault_if(faults > USELESS * total), "saturated", 100 * faults / total, 0.0, "% of readings", detail)
    drift = float(vitals.drift_g_per_min[column])
    if abs(drift) > smallest_g:
        yield say("warning", "drift", abs(drift), smallest_g, "g/min", "The level wanders for minutes by itself.")
    per_min = 60 * int(state["spikes"]) / max(watched_s, memory_s)
    severity = _warning_if(watched_s >= JUDGED_S)
    if per_min > SPIKES_PER_MIN:
        yield say(severity, "spikes", per_min, SPIKES_PER_MIN, "a minute", f"{state['spikes']} single wild readings.")
    elif lasted[NOISY] > USELESS * watched_s:
        share, detail = lasted[NOISY] / watched_s, f"Noisier than {smallest_g:g} g most of the time, by itself."
        yield say(severity, "noise", 100 * share, 100 * USELESS, "% of the time", detail)


def of_stream(stream: StreamVitals, settings: EngineSettings, end_ns: int) -> Iterator[Finding]:
    """Find what is wrong with one source's packets or frames, in a recording that ends at `end_ns`."""
    say = partial(_finding, stream.kind, stream.source)
    came, what = stream.observations, "packets" if stream.kind == "scale" else "observations"
    if stream.misfits:
        detail = f"{stream.misfits} packets are of an unknown fixture or have an unknown number of columns."
        yield say("fault", "misfit", 100 * stream.misfits / came, 0.0, "% of packets", detail)
    if stream.late:
        detail = f"{stream.late} of {came} {what} came more than {settings.lateness_s:g} s late and are not used."
        yield say(_graded(stream.late / came), "late", 100 * stream.late / came, 100 * LOST, f"% of {what}", detail)
    elif stream.lag_s > NEARLY * settings.lateness_s:
        detail = f"Up to {stream.lag_s:.2f} s late; more than {settings.lateness_s:g} s would not be used."
        yield say("note", "lag", stream.lag_s, NEARLY * settings.lateness_s, "s", detail)
    if stream.duplicates:
        detail = f"{stream.duplicates} of {came} {what} came twice."
        yield say("note", "duplicates", 100 * stream.duplicates / came, 0.0, f"% of {what}", detail)
    if stream.gaps:
        limit_s = GAP_S if stream.kind == "scale" else FRAME_GAP_S
        detail = f"Nothing for more than {limit_s:g} s, {_times(stream.gaps)}."
        yield say("warning", "gap", stream.longest_gap_s, limit_s, "s", detail)
    if stream.kind == "scale":
        yield from _of_packets(stream, settings, end_ns)
    elif stream.persons:
        left, right = (float(stream.seen[JOINTS.index(wrist)]) / stream.persons for wrist in ("l_wrist", "r_wrist"))
        if min(left, right) < HANDS_SEEN:
            detail = f"The left wrist is seen in {left:.0%} of the frames, the right one in {right:.0%}."
            yield say("warning", "hands", 100 * min(left, right), 100 * HANDS_SEEN, "% of frames", detail)


def _of_packets(stream: StreamVitals, settings: EngineSettings, end_ns: int) -> Iterator[Finding]:
    say = partial(_finding, "scale", stream.source)
    if stream.last_ns is None:
        yield say("fault", "silent", 0, 1, "packets", "No packet came in time.")
        return
    if stream.lost:
        share = stream.lost_s / stream.span_s
        detail = f"About {stream.lost} packets never came, or too late: {stream.lost_s:.1f} s in all."
        yield say(_graded(share), "lost", 100 * share, 100 * LOST, "% of the time", detail)
    if stream.overlaps:
        share = stream.overlaps / stream.observations
        detail = f"{stream.overlaps} packets begin before the one before them has ended."
        yield say(_graded(share), "overlap", 100 * share, 100 * LOST, "% of packets", detail)
    off = abs(stream.rate_hz / settings.rate_hz - 1) if stream.rate_hz is not None else 0.0
    if off > RATE_ERROR:
        detail = f"{stream.rate_hz:.1f} samples a second; the engine expects {settings.rate_hz:g}."
        yield say("warning", "rate", 100 * off, 100 * RATE_ERROR, "% off", detail)
    silent_s = (end_ns - stream.last_ns) / NS
    if silent_s > SILENCE_S:
        yield say("fault", "stopped", silent_s, SILENCE_S, "s", "Nothing more until the recording's end.")


def of_records(fixture: str, counts: DeviceCounts) -> Iterator[Finding]:
    """Find what is wrong with the records of a fixture's controller."""
    say = partial(_finding, "controller", fixture)
    unusable = counts.damaged + counts.truncated + counts.implausible + counts.stale
    total = max(counts.records + unusable + counts.missing, 1)
    if unusable:
        detail = f"{unusable} records are damaged, cut, of an earlier start, or say what cannot be."
        yield say(_graded(unusable / total), "damaged", 100 * unusable / total, 100 * LOST, "% of records", detail)
    if counts.missing:
        share = counts.missing / total
        detail = f"{counts.missing} records never came; {counts.abandoned} events were told without their last report."
        yield say(_graded(share), "lost", 100 * share, 100 * LOST, "% of records", detail)


def of_recording(store: Store, streams: Sequence[StreamVitals], lateness_s: float) -> Iterator[Finding]:
    """Find what only all streams together tell."""
    total = sum(stream.observations for stream in streams)
    if not total:
        yield _finding("recording", "recording", "fault", "empty", 0, 1, "observations", "Nothing was recorded.")
        return
    for stream in streams:
        if stream.outrun > LOST * total:
            detail = f"Its time leapt ahead; {stream.outrun} observations came too late because of that."
            yield _finding(stream.kind, stream.source, "fault", "clock", stream.ahead_s, lateness_s, "s", detail)
    frames = {stream.source: stream.observations for stream in streams if stream.kind == "camera"}
    if not frames and not any(stream.kind == "targets" for stream in streams):
        yield _finding("recording", "recording", "fault", "no_joints", 0, 1, "frames", "Nobody's hands are known.")
    known = [camera.id for camera in store.cameras] if frames else []  # who sends targets may keep the cameras' frames
    for camera in sorted(set(known) - set(frames)):
        yield _finding("camera", camera, "fault", "silent", 0, 1, "frames", "No frame, though other cameras send.")
    for camera in sorted(set(frames) - {camera.id for camera in store.cameras}):
        detail = "Frames of a camera that the store does not know."
        yield _finding("camera", camera, "warning", "unknown_camera", frames[camera], 0, "frames", detail)


def of_notes(notes: Iterable[ReaderNote]) -> Iterator[Finding]:
    """Turn what reading met into notes."""
    for note in notes:
        detail = note.detail[:1].upper() + note.detail[1:]
        action = ACTIONS.get(note.status, LOOK)
        yield Finding("note", "files", note.source, note.status, float(note.count), 0.0, "times", detail, action)


def _finding(
    subject: Subject, source: str, severity: Severity, kind: str, measured: float, limit: float, unit: str, detail: str
) -> Finding:
    return Finding(severity, subject, source, kind, float(measured), float(limit), unit, detail, ACTIONS[kind])


def _graded(share: float) -> Severity:
    return "fault" if share > USELESS else _warning_if(share > LOST)


def _fault_if(broken: bool) -> Severity:
    return "fault" if broken else "warning"


def _warning_if(bad: bool) -> Severity:
    return "warning" if bad else "note"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
