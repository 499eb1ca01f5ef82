"""Real recordings: what is known to have happened on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion import ScalePacket, Segmenter, WeightEvent
from fusion.recordings import open_recording
from segmentation_cases import final


def recorded(folder: Path) -> list[tuple[list[str], WeightEvent]]:
    """Final changes of a recording with its planogram, and the names of their plates."""
    recording = open_recording(folder)
    packets: dict[str, list[ScalePacket]] = {}
    for observation in recording:
        if isinstance(observation, ScalePacket):
            packets.setdefault(observation.fixture, []).append(observation)
    changes: list[tuple[list[str], WeightEvent]] = []
    for fixture in recording.store.fixtures:
        names = [plate.id for plate in fixture.plates]
        column = {name: i for i, name in enumerate(names)}
        facings = [[column[p] for p in facing.plates if p in column] for facing in recording.store.planogram]
        groups = [i for i, shelf in enumerate(fixture.shelves) for _ in shelf.plates]
        segmenter = Segmenter(groups, rate_hz=60, facings=[f for f in facings if f])
        own = sorted(packets.get(fixture.id, []), key=lambda packet: int(packet.sample_ns[0]))
        if own:
            times = np.maximum.accumulate(np.concatenate([packet.sample_ns for packet in own]))
            events = segmenter.push(times, np.concatenate([packet.grams for packet in own])) + segmenter.flush()
            changes += [([names[p] for p in e.plates], e) for e in final(events)]
    return changes


def test_benchmark_recording_has_its_one_pick(data: Path) -> None:
    large = [(names, e) for names, e in recorded(data / "nanostore/benchmark-1") if np.abs(e.delta_g).max() > 10]
    ((names, event),) = large
    assert "1/5/11" in names
    assert set(names) <= {"1/5/11", "1/5/12"}
    assert event.delta_g.sum() == pytest.approx(-622.9, abs=5)


def coffee(data: Path, name: str) -> tuple[list[float], Any]:
    """Final changes of a recording of one scale at 10 Hz, and the health in the end."""
    table = np.loadtxt(data / "loadcell" / name, delimiter=",")
    segmenter = Segmenter([0], rate_hz=10, capacity_g=30_000.0)
    sample_ns = np.maximum.accumulate((table[:, 0] * 1e9).astype(np.int64))
    events = segmenter.push(sample_ns, table[:, 1:].astype(np.float32)) + segmenter.flush()
    return [float(e.delta_g[0]) for e in final(events)], segmenter.health()[0]


def test_spikes_of_a_real_scale_are_no_events(data: Path) -> None:
    deltas, _ = coffee(data, "save_1576677425.258.csv")  # 200 spikes of up to 25 kg
    assert deltas == []


def test_pours_from_a_real_pot_are_changes(data: Path) -> None:
    deltas, _ = coffee(data, "save_1576678474.837.csv")  # two cups, spikes of up to 25 kg
    np.testing.assert_allclose(deltas, [-164, -176], atol=5)


def test_a_real_pot_that_comes_and_goes_is_found(data: Path) -> None:
    deltas, _ = coffee(data, "2019-11-22_readings.csv")
    # The pot stands for 5 s, goes, comes and in the end goes, with presses of the hand between.
    np.testing.assert_allclose(deltas[:2], [3411, -3411], atol=40)


def test_spikes_of_a_real_scale_are_no_drift(data: Path) -> None:
    _, health = coffee(data, "save_1576677425.258.csv")
    assert abs(health["drift_g_per_min"]) < 8
