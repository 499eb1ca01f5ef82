"""The doctor on plates: each fault is found and named, a healthy store has notes at most; and the command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nanostore_files
from fusion import Box, Engine, Fixture, Plate, Shelf, Store
from fusion.doctor import Doctor, diagnose
from fusion.findings import ACTIONS, Finding, worst_first
from fusion.observations import ScalePacket
from fusion.recordings import ReaderNote, open_recording, write_recording
from fusion.simulation import PlateSettings, SimulationSettings, simulate, simulate_plates
from sensors import PLATES, RATE_HZ, START_NS, by_time, examine, found, frames, packets, quiet, store


def test_a_healthy_fixture_has_no_findings(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    diagnosis = diagnose(store(1), by_time(packets(grams), frames()))
    assert diagnosis.findings == ()
    assert diagnosis.healthy
    assert [p["status"] for p in diagnosis.plates] == [["ok"]] * PLATES
    np.testing.assert_allclose([p["noise_g"] for p in diagnosis.plates], 0.7, rtol=0.25)
    np.testing.assert_allclose([p["level_g"] for p in diagnosis.plates], 1000.0, atol=0.5)
    assert [p["samples"] for p in diagnosis.plates] == [len(grams)] * PLATES
    scale, targets = diagnosis.streams
    assert (scale["kind"], scale["source"], scale["observations"]) == ("scale", "1", 330)
    assert scale["rate_hz"] == pytest.approx(60.0, abs=0.01)
    assert targets["rate_hz"] == pytest.approx(15.0, abs=0.01)
    assert targets["joints"]["r_wrist"] == 1.0
    assert diagnosis.start_ns == START_NS
    assert diagnosis.duration_s == pytest.approx(66.0, abs=0.1)
    assert diagnosis.observations == 330 + 990


@pytest.mark.parametrize("seed", range(4))
def test_a_healthy_simulated_store_has_only_notes(seed: int) -> None:
    simulation = simulate(SimulationSettings(seed=seed, duration_s=60.0))
    diagnosis = diagnose(simulation.store, simulation.observations)
    assert found(diagnosis) == {}
    assert diagnosis.healthy


@pytest.mark.parametrize(
    ("fault", "kind", "severity"),
    [
        ({"packet_loss": 0.1}, "lost", "warning"),
        ({"packet_lateness": 0.1}, "late", "warning"),
        ({"packet_duplication": 0.2}, "duplicates", "note"),
        ({"joint_dropout": 0.7}, "hands", "warning"),
        ({"targets_delay_s": 2.45}, "lag", "note"),
        ({"sample_loss": 0.1}, "missing", "warning"),
        ({"sample_loss": 0.6}, "missing", "fault"),
        ({"glitches_per_plate_hour": 6000.0}, "spikes", "warning"),
        ({"rezeros_per_hour": 400.0}, "rezeroed", "note"),
        ({"noise_g": 20.0}, "shaken", "warning"),
    ],
)
def test_faults_of_a_simulated_store(fault: dict[str, float], kind: str, severity: str) -> None:
    simulation = simulate(SimulationSettings(seed=1, duration_s=70.0, fixtures=2, **fault))  # type: ignore[arg-type]
    diagnosis = diagnose(simulation.store, simulation.observations)
    found(diagnosis, notes=True)
    told = {f.kind: f.severity for f in reversed(diagnosis.findings)}  # the worst of a kind remains
    assert told[kind] == severity
    also = {"late": {"lost", "gap"}, "lost": {"gap"}, "spikes": {"shaken"}}.get(kind, set())
    assert {k for k, s in told.items() if s != "note"} <= {kind} | also


def test_healthy_simulated_plates_have_no_findings_in_an_hour() -> None:
    simulation = simulate_plates(PlateSettings(seed=3, plates=PLATES, rezeros_per_hour=0.0, packet_loss=0.0))
    observations = [*frames(0.1), *packets(simulation.grams)]
    assert found(diagnose(store(1), observations)) == {}


def test_a_stuck_plate_is_a_fault_until_it_lives_again(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[600:, 2] = 1001.0
    stuck = examine(grams)
    assert stuck.keys() == {("1/1/3", "stuck")}
    finding = stuck["1/1/3", "stuck"]
    assert (finding.severity, finding.unit, finding.limit) == ("fault", "s", 10.0)
    assert finding.measured == pytest.approx(56.0, abs=1.5)
    grams = quiet(rng)
    grams[300:1200, 2] = 1001.0
    assert examine(grams)["1/1/3", "stuck"].severity == "warning"


def test_a_dropout_is_a_fault_until_it_lives_again(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[1200:, 0] = np.nan
    lost = examine(grams)
    assert lost.keys() == {("1/1/1", "dropout")}
    assert lost["1/1/1", "dropout"].severity == "fault"
    assert lost["1/1/1", "dropout"].measured == pytest.approx(46.0, abs=1.5)
    grams = quiet(rng)
    grams[1200:1500, 0] = np.nan
    assert examine(grams)["1/1/1", "dropout"].severity == "warning"


@pytest.mark.parametrize(("share", "severity"), [(0.004, None), (0.05, "warning"), (0.8, "fault")])
def test_missing_readings(share: float, severity: str | None, rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[rng.random(len(grams)) < share, 4] = np.nan
    told = examine(grams)
    assert {key: f.severity for key, f in told.items()} == ({("1/1/5", "missing"): severity} if severity else {})
    if severity:
        assert told["1/1/5", "missing"].measured == pytest.approx(100 * share, rel=0.25)


@pytest.mark.parametrize("value", [25_000.0, -25_000.0, np.inf, -np.inf, 1e38])
def test_saturation(value: float, rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[300:480, 1] = value
    told = examine(grams)
    assert told.keys() == {("1/1/2", "saturated")}
    assert told["1/1/2", "saturated"].severity == "warning"
    assert told["1/1/2", "saturated"].measured == pytest.approx(100 * 180 / 3960)
    grams[:, 1] = value
    assert {key: f.severity for key, f in examine(grams).items()} == {("1/1/2", "saturated"): "fault"}


def test_a_noisy_plate_and_a_shaken_shelf(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[:, 3] += rng.normal(0.0, 30.0, len(grams)).astype(np.float32)
    told = examine(grams)
    assert told.keys() == {("1/1/4", "noise")}
    assert told["1/1/4", "noise"].measured > 90.0
    grams += rng.normal(0.0, 30.0, grams.shape).astype(np.float32)
    assert examine(grams).keys() == {("1/1", "shaken")}


def test_who_walks_by_makes_no_plate_noisy(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[300:600] += rng.normal(0.0, 30.0, (300, PLATES)).astype(np.float32)
    diagnosis = diagnose(store(1), by_time(packets(grams), frames()))
    assert {key: f.severity for key, f in found(diagnosis, notes=True).items()} == {("1/1", "shaken"): "note"}


@pytest.mark.parametrize("slope", [-40.0, -10.0, 6.0, 10.0, 25.0])
def test_drift_is_measured_beside_events(slope: float, rng: np.random.Generator) -> None:
    grams = quiet(rng, 240.0)
    grams[:, 5] += np.linspace(0.0, 4 * slope, len(grams), dtype=np.float32)
    for at in (2000, 5000, 8000):  # takes
        grams[at:, [4, 5]] -= 150.0
    diagnosis = diagnose(store(1), by_time(packets(grams), frames(240.0)))
    told = found(diagnosis)
    assert told.keys() == ({("1/1/6", "drift")} if abs(slope) > 8.0 else set())
    drifts = [p["drift_g_per_min"] for p in diagnosis.plates]
    np.testing.assert_allclose(drifts, [0.0] * 5 + [slope], atol=1.0)


def test_what_goes_to_and_fro_is_no_drift(rng: np.random.Generator) -> None:
    grams = quiet(rng, 300.0)
    minutes = np.arange(len(grams)) / (60 * RATE_HZ)
    grams[:, 1] += (20.0 * np.abs((minutes + 1) % 2 - 1)).astype(np.float32)
    assert examine(grams) == {}


def test_drift_is_not_known_in_less_than_three_minutes(rng: np.random.Generator) -> None:
    diagnosis = diagnose(store(1), by_time(packets(quiet(rng, 170.0)), frames()))
    assert {p["drift_g_per_min"] for p in diagnosis.plates} == {None}


def test_what_takes_a_minute_to_judge_is_noted_before(rng: np.random.Generator) -> None:
    grams = quiet(rng, 30.0)
    grams[:, 3] += rng.normal(0.0, 30.0, len(grams)).astype(np.float32)
    grams[5::60, 2] += 300.0
    diagnosis = diagnose(store(1), by_time(packets(grams), frames(30.0)))
    assert found(diagnosis, notes=True).keys() == {("1/1/4", "noise"), ("1/1/3", "spikes"), ("1", "short")}
    assert diagnosis.healthy


def test_restocking_is_no_drift(rng: np.random.Generator) -> None:
    grams = quiet(rng, 300.0)
    for at in range(1800, 5400, 120):  # every 2 s for a minute
        grams[at:, 2] += 300.0
    assert examine(grams) == {}


def test_spikes(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[5::60, 2] += 300.0
    told = examine(grams)
    assert told.keys() == {("1/1/3", "spikes")}
    assert told["1/1/3", "spikes"].measured == pytest.approx(60.0, rel=0.2)


def test_phantoms_are_faults_only_where_products_stand(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[:, 1], grams[:, 4] = 500.0, np.nan
    diagnosis = diagnose(store(1, carried=3), by_time(packets(grams), frames()))
    told = found(diagnosis, notes=True)
    assert {key: f.severity for key, f in told.items()} == {("1/1/2", "phantom"): "fault", ("1/1/5", "phantom"): "note"}
    assert [p["status"] for p in diagnosis.plates if p["plate"] == "1/1/5"] == [["phantom"]]
    unplanned = diagnose(Store(store(1).fixtures, (), ()), by_time(packets(grams), frames()))
    assert {f.severity for f in found(unplanned).values()} == {"fault"}  # without a planogram any plate may carry


@pytest.mark.parametrize(("tares", "severity"), [(1, "note"), (2, "warning")])
def test_rezeroings(tares: int, severity: str, rng: np.random.Generator) -> None:
    grams = quiet(rng) + np.arange(PLATES, dtype=np.float32) * 200
    for k in range(tares):
        at = 1200 * (k + 1)
        grams[at:] -= np.round(grams[at - 60 : at].mean(axis=0))
        grams[at + 600 :] += 1000.0 + np.arange(PLATES, dtype=np.float32)  # loaded again, before the next tare
    told = found(diagnose(store(1), by_time(packets(grams), frames())), notes=True)
    assert told["1", "rezeroed"].severity == severity
    assert told["1", "rezeroed"].measured == tares


def test_an_empty_and_a_short_recording(rng: np.random.Generator) -> None:
    nothing = diagnose(store(1), [])
    assert found(nothing).keys() == {("recording", "empty"), ("1", "silent")}
    assert (nothing.start_ns, nothing.duration_s, nothing.observations) == (None, 0.0, 0)
    short = diagnose(store(1), by_time(packets(quiet(rng, 5.0)), frames(5.0)))
    assert found(short, notes=True).keys() == {("1", "short")}
    assert short.healthy


def test_reader_notes_are_notes(rng: np.random.Generator) -> None:
    notes = [ReaderNote("cola", "no_mass", "product without a usable weight", 1), ReaderNote("f", "odd", "so", 3)]
    doctor = Doctor(store(1))
    for observation in by_time(packets(quiet(rng)), frames()):
        doctor.push(observation)
    diagnosis = doctor.diagnosis(notes)
    told = found(diagnosis, notes=True)
    assert told["cola", "no_mass"].action == ACTIONS["no_mass"]
    assert told["f", "odd"].measured == 3.0
    assert diagnosis.healthy


def test_a_recording_brings_its_notes(tmp_path: Path) -> None:
    lines = nanostore_files.default_lines()["products"]
    nanostore_files.write(tmp_path / "r", products=[*lines, lines[0]])
    recording = open_recording(tmp_path / "r")
    assert ("products.json", "duplicate") in found(diagnose(recording.store, recording), notes=True)


def test_worst_comes_first() -> None:
    def make(severity: Any, kind: str, measured: float, limit: float) -> Finding:
        return Finding(severity, "plate", "p", kind, measured, limit, "", "", "")

    order = [
        make("fault", "silent", 0.0, 1.0),
        make("fault", "stuck", 20.0, 10.0),
        make("warning", "saturated", 0.1, 0.0),
        make("warning", "hands", 10.0, 50.0),
        make("warning", "noise", 90.0, 50.0),
        make("note", "lag", 2.9, 2.7),
        make("note", "duplicates", 50.0, 0.0),
    ]
    assert worst_first(reversed(order)) == tuple(order)


def test_capacities_without_bound(rng: np.random.Generator) -> None:
    box = Box(np.zeros(3), np.full(3, 0.1))
    plates = tuple(Plate(str(p), box, 1e38) for p in range(PLATES))
    unbounded = Store((Fixture("1", (Shelf("s", plates),)),), (), ())
    grams = np.float32(3e38) * rng.choice([-1.0, 0.0, 1.0], (15_000, PLATES)).astype(np.float32)
    assert found(diagnose(unbounded, by_time(packets(grams), frames())))


def test_how_the_readings_are_cut_changes_no_plate(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[:, 3] += rng.normal(0.0, 30.0, len(grams)).astype(np.float32)
    grams[600:1300, 1], grams[1500:, 0] = 1001.0, np.nan
    whole = packets(grams)
    sample_ns = np.concatenate([p.sample_ns for p in whole if isinstance(p, ScalePacket)])
    cut = [ScalePacket("1", sample_ns[i : i + 7], grams[i : i + 7]) for i in range(0, len(grams), 7)]
    one, other = (diagnose(store(1), [*frames(0.1), *stream]) for stream in (whole, cut))
    assert one.plates == other.plates
    assert one.findings == other.findings


def test_health_of_the_outcome_counts_spikes_drift_and_faults(rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[5::60, 2] += 300.0
    grams[100:103, 4] = np.inf
    engine = Engine(store(1))
    engine.push(packets(grams))
    plates = engine.finish().to_dict()["health"]["plates"]
    assert plates[2]["spikes"] > 20
    assert plates[0]["spikes"] <= 3
    assert [p["faults"] for p in plates] == [0, 0, 0, 0, 3, 0]
    assert all(abs(p["drift_g_per_min"]) < 8.0 for p in plates)


def fusion(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from fusion.cli import main; main()"
    command = [sys.executable, "-c", code, "doctor", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_the_command_prints_tables_and_ends_with_0_if_healthy(tmp_path: Path, rng: np.random.Generator) -> None:
    write_recording(tmp_path / "r", store(1), by_time(packets(quiet(rng)), frames()))
    result = fusion(tmp_path / "r")
    assert result.returncode == 0, result
    assert "Healthy: 0 faults, 0 warnings, 0 notes; 6 of 6 plates" in result.stdout
    assert "scale 1" in result.stdout


def test_the_command_ends_with_1_if_something_needs_attention(tmp_path: Path, rng: np.random.Generator) -> None:
    grams = quiet(rng)
    grams[:, 1], grams[:, 3] = np.nan, 5.0
    write_recording(tmp_path / "r", store(1), by_time(packets(grams), frames()))
    result = fusion(tmp_path / "r", "--out", tmp_path / "d.json")
    assert result.returncode == 1, result
    for words in ("fault", "phantom", "1/1/2, 1/1/4", ACTIONS["phantom"].split(",")[0], "2 faults", "plates that need"):
        assert words.lower() in result.stdout.lower()
    printed = fusion(tmp_path / "r", "--json")
    assert printed.returncode == 1
    assert json.loads(printed.stdout) == json.loads((tmp_path / "d.json").read_text())
    assert json.loads(printed.stdout)["healthy"] is False


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: [lines[0], lines[1][: len(lines[1]) // 2]], "plate_data.json, line 2"),
        (lambda lines: [lines[0].replace('"timestamp": 1', '"timestamp": -1')], "timestamp"),
        (lambda lines: [], "is empty"),
    ],
)
def test_a_damaged_recording_ends_with_2(damage: Any, words: str, tmp_path: Path) -> None:
    plates = nanostore_files.write(tmp_path / "r") / "plate_data.json"
    plates.write_text("\n".join(damage(plates.read_text().splitlines())))
    result = fusion(tmp_path / "r", "--out", tmp_path / "d.json")
    assert result.returncode == 2, result
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "d.json").exists()


def test_a_truncated_table_ends_with_2(tmp_path: Path, rng: np.random.Generator) -> None:
    write_recording(tmp_path / "r", store(1), packets(quiet(rng)))
    table = tmp_path / "r" / "scales.parquet"
    table.write_bytes(table.read_bytes()[:-100])
    result = fusion(tmp_path / "r")
    assert result.returncode == 2, result
    assert "scales.parquet" in result.stderr


def test_bad_arguments_end_with_2(tmp_path: Path) -> None:
    assert fusion(tmp_path / "nowhere").returncode == 2
    assert fusion(nanostore_files.write(tmp_path / "r"), "--out", tmp_path / "no" / "folder.json").returncode == 2


def test_the_real_recording(data: Path) -> None:
    result = fusion(data / "nanostore" / "benchmark-1", "--json")
    assert result.returncode == 1, result.stderr
    document = json.loads(result.stdout)
    trouble = {(f["source"], f["kind"]) for f in document["findings"] if f["severity"] != "note"}
    assert trouble == {("5", "silent")}  # one of five gondolas was not recorded; nothing else is wrong
    phantoms = [f["source"] for f in document["findings"] if f["subject"] == "plate" and f["kind"] == "phantom"]
    assert phantoms == [f"3/6/{k}" for k in range(1, 13)]  # a shelf that only the planogram knows
    targets = next(s for s in document["streams"] if s["kind"] == "targets")
    assert (targets["observations"], targets["late"]) == (291, 0)
    assert 2.0 < targets["lag_s"] < 3.0
    assert targets["joints"]["r_wrist"] > 0.95
