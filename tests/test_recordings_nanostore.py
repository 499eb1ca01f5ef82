"""NanoStore's format: order, time, units and every known oddity of the streams; the real recording."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import nanostore_files as files
from fusion.observations import JOINTS, ScalePacket, Targets
from fusion.recordings import Recording, open_recording
from nanostore_files import notes

START_NS = 1_587_531_996_000_000_000
INCH_M = 0.0254


def packets(recording: Recording) -> list[ScalePacket]:
    return [o for o in recording if isinstance(o, ScalePacket)]


def targets(recording: Recording) -> list[Targets]:
    return [o for o in recording if isinstance(o, Targets)]


def test_scale_packet_is_dated_by_its_last_sample_and_holds_the_plates_in_order(tmp_path):
    recording = open_recording(files.write(tmp_path))
    first = packets(recording)[0]
    assert first.fixture == "1"
    before_ns = [round(k * 1e9 / 60) for k in range(11, -1, -1)]
    assert first.sample_ns.tolist() == [START_NS - ns for ns in before_ns]
    assert first.grams.dtype == np.float32
    assert first.grams[0].tolist() == [1100, 1200, 1300, 1400, 2100, 2200, 2300, 2400]
    assert first.grams[11].tolist() == [1111, 1211, 1311, 1411, 2111, 2211, 2311, 2411]
    plates = [f"1/{shelf}/{plate}" for shelf in (1, 2) for plate in range(1, 5)]
    assert [plate.id for plate in recording.store.fixture_by_id["1"].plates] == plates


def test_targets_are_converted_from_inches_and_unseen_joints_are_nan(tmp_path):
    seen = files.target("7", head=(10.0, 20.0, 60.0, 0.9), neck={"point": {}}, l_wrist={"point": {"x": 5.0}})
    seen["r_wrist"] = {}
    lines = [files.target_line(1.5, seen), files.target_line(2.0)]
    first, second = targets(open_recording(files.write(tmp_path, full_targets=lines)))
    assert first.time_ns == 1_500_000_000
    assert first.shoppers == ("7",)
    np.testing.assert_allclose(first.joints_m[0, JOINTS.index("head")], [10 * INCH_M, 20 * INCH_M, 60 * INCH_M])
    np.testing.assert_allclose(first.joints_m[0, JOINTS.index("l_wrist")], [5 * INCH_M, 0, 0])
    assert first.scores[0, JOINTS.index("head")] == 0.9
    assert first.scores[0, JOINTS.index("l_wrist")] == 0.0
    unseen = [i for i, name in enumerate(JOINTS) if name not in ("head", "l_wrist")]
    assert np.isnan(first.joints_m[0, unseen]).all()
    assert np.isnan(first.scores[0, unseen]).all()
    assert second.shoppers == ()
    assert second.joints_m.shape == (0, 8, 3)


def test_streams_are_merged_by_arrival_and_a_recording_can_be_read_again(tmp_path):
    recording = open_recording(files.write(tmp_path))
    kinds = ["T" if isinstance(o, Targets) else "S" for o in recording]
    assert kinds == ["S"] * 10 + ["T"] * 2  # targets of 0.0 and 0.1 s arrive after 2.3 s, the last packet at 1.81 s
    again = ["T" if isinstance(o, Targets) else "S" for o in recording]
    assert again == kinds
    assert recording.size is None


def test_lines_whose_arrival_contradicts_the_file_keep_the_order_of_the_file(tmp_path):
    lines = [
        files.plate_line(files.START_S + t, files.grams(), delay_s=d) for t, d in ((0.2, 5.0), (0.0, 0.01), (0.4, 6.0))
    ]
    order = [o.time_ns - START_NS for o in open_recording(files.write(tmp_path, plate_data=lines))]
    assert order == [0, 100_000_000, 200_000_000, 0, 400_000_000]


def test_ties_of_arrival_put_scales_first(tmp_path):
    plate = [files.plate_line(files.START_S, files.grams(), delay_s=1.0)]
    target = [files.target_line(files.START_S, files.target("7"), delay_s=1.0)]
    kinds = [type(o) for o in open_recording(files.write(tmp_path, plate_data=plate, full_targets=target))]
    assert kinds == [ScalePacket, Targets]


def test_compressed_files_and_blank_lines_read_the_same(tmp_path):
    plain = open_recording(files.write(tmp_path / "plain"))
    lines = [text for line in files.default_lines()["plate_data"] for text in (b"\n", line, b"  \r\n")]
    packed = open_recording(files.write(tmp_path / "packed", compress=True, plate_data=lines))
    assert packed.store.to_dict() == plain.store.to_dict()
    assert [o.time_ns for o in packed] == [o.time_ns for o in plain]


def test_a_clock_that_jumps_passes_through(tmp_path):
    lines = [files.plate_line(t, files.grams()) for t in (files.START_S, files.START_S + 86_400, files.START_S - 3600)]
    times = [p.time_ns - START_NS for p in packets(open_recording(files.write(tmp_path, plate_data=lines)))]
    assert times == [0, 86_400 * 10**9, -3600 * 10**9]


def test_nan_and_infinite_grams_pass_through(tmp_path):
    values = files.grams()
    values[3, 1, 2], values[4, 2, 1], values[5, 2, 2] = np.nan, np.inf, -np.inf
    packet = packets(open_recording(files.write(tmp_path, plate_data=[files.plate_line(files.START_S, values)])))[0]
    assert np.isnan(packet.grams[3, 1])
    assert packet.grams[4, 4] == np.inf
    assert packet.grams[5, 5] == -np.inf


def test_phantom_columns_are_noted_and_left_out(tmp_path):
    wide = files.grams(shelves=3, plates=6)
    wide[:, 1:, 6] = np.nan  # declared, but dead: no phantom
    wide[:, 3] = np.nan
    wide[:, 2, 0] = 5.0
    recording = open_recording(files.write(tmp_path, plate_data=[files.plate_line(files.START_S, wide)] * 3))
    assert all(p.grams.shape == (12, 8) for p in packets(recording))
    assert notes(recording) == {("1/1/5", "phantom"): 3, ("1/2/0", "phantom"): 3, ("1/2/5", "phantom"): 3}
    assert notes(recording)["1/1/5", "phantom"] == 3  # counted anew by each iteration


def test_absent_columns_become_nan_and_are_noted(tmp_path):
    small = files.grams(shelves=1, plates=3)
    recording = open_recording(files.write(tmp_path, plate_data=[files.plate_line(files.START_S, small)]))
    packet = packets(recording)[0]
    assert packet.grams[0, :3].tolist() == [1100, 1200, 1300]
    assert np.isnan(packet.grams[:, 3:]).all()
    assert notes(recording) == {(p, "absent"): 1 for p in ("1/1/4", "1/2/1", "1/2/2", "1/2/3", "1/2/4")}


def test_packets_of_an_unknown_gondola_are_skipped_and_a_silent_one_is_noted(tmp_path):
    lines = [files.plate_line(files.START_S, files.grams(), gondola=9)] * 2
    recording = open_recording(files.write(tmp_path, plate_data=lines))
    assert packets(recording) == []
    assert len(targets(recording)) == 2
    assert notes(recording) == {("9", "unknown_fixture"): 2, ("1", "silent"): 1}


def test_duplicate_and_nameless_targets(tmp_path):
    line = files.target_line(
        1.0, files.target("7", head=(1.0, 0, 0, 1)), files.target("7", head=(2.0, 0, 0, 1)), files.target(None)
    )
    recording = open_recording(files.write(tmp_path, full_targets=[line]))
    (only,) = targets(recording)
    assert only.shoppers == ("7",)
    assert only.joints_m[0, 0, 0] == 1.0 * INCH_M
    assert notes(recording) == {("7", "duplicate"): 1, ("full_targets.json", "nameless"): 1}


def arrivals(folder: Path, name: str) -> list[tuple[float, str]]:
    path = folder / f"{name}.json"
    text = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    return [(line["timestamp"], line["date_time"]["$date"]) for line in map(json.loads, text.splitlines())]


def test_the_real_recording(data):
    folder = data / "nanostore" / "benchmark-1"
    recording = open_recording(folder)
    store = recording.store
    assert [f.id for f in store.fixtures] == ["1", "2", "3", "4", "5"]
    assert len(store.planogram) == 113  # of 114 rows: one names no product
    assert len(store.products) == 361
    observations = list(recording)
    scales = [o for o in observations if isinstance(o, ScalePacket)]
    joints = [o for o in observations if isinstance(o, Targets)]
    assert (len(scales), len(joints)) == (344, 291)
    assert {s for t in joints for s in t.shoppers} == {"3325379692103139202"}
    span_s = (max(p.time_ns for p in scales) - min(int(p.sample_ns[0]) for p in scales)) / 1e9
    assert 17 < span_s < 17.5
    # Targets come 2.3 s late: scales heard before them are younger.
    lag_s = []
    for i, o in enumerate(observations):
        if isinstance(o, Targets) and any(isinstance(p, ScalePacket) for p in observations[:i]):
            newest = max(p.time_ns for p in observations[:i] if isinstance(p, ScalePacket))
            lag_s.append((newest - o.time_ns) / 1e9)
    assert 2 < np.median(lag_s) < 3
    found = notes(recording)
    assert found["1/4/13", "phantom"] == found["1/4/14", "phantom"] == 86
    assert found["3/6/1", "absent"] == 86
    assert found["5", "silent"] == 1
    assert found["products.json", "duplicate"] == 350


@pytest.mark.parametrize("case", ["benchmark-1", "practice/cps-test-23"])
def test_arrival_is_that_of_the_database(data, case):
    folder = data / "nanostore" / case
    recording = open_recording(folder)
    for name, kind in (("plate_data", ScalePacket), ("full_targets", Targets)):
        stamps = [round(t * 1e6) * 1000 for t, _ in arrivals(folder, name)]
        assert [o.time_ns for o in recording if isinstance(o, kind)] == stamps
    dates = {
        (kind, round(t * 1e6) * 1000): date
        for name, kind in (("plate_data", ScalePacket), ("full_targets", Targets))
        for t, date in arrivals(folder, name)
    }
    merged = [np.datetime64(dates[type(o), o.time_ns].rstrip("Z"), "us") for o in recording]
    steps = np.diff(np.array(merged)).astype(int)
    assert (steps < 0).sum() <= 1  # one pair of the real file's targets lies 7 ms out of order
    assert steps.min() >= -7000
