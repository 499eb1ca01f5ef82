"""The project's own format: exact round trips, streaming, all-or-nothing writing."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nanostore_files
from arrow_files import STORE, observation, rewrite, same
from fusion.observations import GateEvent, ItemScores, Keypoints, Observation, ScalePacket, TagReads, Targets
from fusion.recordings import RecordingError, arrow, open_recording, write_recording


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording with two rows or more in every table."""
    path = tmp_path / "recording"
    write_recording(path, STORE, map(observation, range(33)), truth={"receipts": []})
    return path


names = st.text(min_size=1, max_size=5)
times = st.integers(0, 2**63 - 1)


def arrays(dtype: Any, *shape: int) -> st.SearchStrategy[Any]:
    """Any bits, NaNs with payload and negative zeros included."""
    size = np.dtype(dtype).itemsize
    return hnp.arrays(f"u{size}", shape).map(lambda bits: bits.view(dtype))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    kind = draw(st.integers(0, 5))
    n, plates = draw(st.integers(0, 3)), draw(st.integers(0, 4))
    if kind == 0:
        stamps = np.array(draw(st.lists(times, min_size=n + 1, max_size=n + 1)), dtype=np.int64)
        return ScalePacket(draw(names), stamps, draw(arrays(np.float32, n + 1, plates)))
    if kind == 1:
        shoppers = tuple(draw(st.lists(names, min_size=n, max_size=n, unique=True)))
        return Targets(draw(times), shoppers, draw(arrays(np.float64, n, 8, 3)), draw(arrays(np.float64, n, 8)))
    if kind == 2:
        return Keypoints(draw(names), draw(times), draw(arrays(np.float64, n, 8, 2)), draw(arrays(np.float64, n, 8)))
    if kind == 3:
        products = tuple(draw(st.lists(names, min_size=n, max_size=n, unique=True)))
        probabilities = np.array(draw(st.lists(st.floats(0, 0.3), min_size=n, max_size=n)), dtype=np.float64)
        if draw(st.booleans()):
            return ItemScores(draw(times), products, probabilities, shopper=draw(names))
        place = draw(hnp.arrays(np.float64, 3, elements=st.floats(allow_nan=False, allow_infinity=False)))
        return ItemScores(draw(times), products, probabilities, place_m=place)
    if kind == 4:
        return TagReads(draw(times), draw(names), tuple(draw(st.lists(names, max_size=3))))
    role, account = draw(st.sampled_from(("shopper", "staff"))), draw(st.none() | names)
    return GateEvent(draw(times), draw(names), draw(st.sampled_from(("enter", "exit"))), role, account)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(observations(), max_size=12))
def test_a_round_trip_keeps_every_bit(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("arrow") / "recording"
    write_recording(path, STORE, written)
    recording = open_recording(path)
    assert recording.size == len(written)
    read = list(recording)
    assert len(read) == len(written)
    assert all(map(same, read, written))


def test_a_round_trip_of_all_kinds_store_and_truth(recording):
    opened = open_recording(recording)
    assert (opened.format, opened.size, opened.notes) == ("fusion", 33, ())
    assert opened.truth == {"receipts": []}
    assert opened.store.to_dict() == STORE.to_dict()
    for _ in range(2):
        assert all(map(same, opened, map(observation, range(33))))
    assert {p.name for p in recording.iterdir()} == {
        *(f"{name}.parquet" for name in ("scales", "targets", "keypoints", "item_scores", "tag_reads", "gate_events")),
        *("manifest.json", "store.json", "truth.json"),
    }


def test_equal_observations_with_different_nans_and_zeros_stay_apart(tmp_path):
    bits = np.array([[0x7FC00000, 0x7FC00001], [0x80000000, 0x00000000], [0xFFC00000, 0x7F800001]], dtype=np.uint32)
    packet = ScalePacket("1", np.arange(3), bits.view(np.float32))
    write_recording(tmp_path / "r", STORE, [packet] * 3)
    for read in open_recording(tmp_path / "r"):
        assert isinstance(read, ScalePacket)
        assert read.grams.view(np.uint32).tolist() == bits.tolist()


def test_a_recording_of_the_first_version_reads(recording):
    rewrite(recording / "gate_events.parquet", role=None, account=None)
    manifest = recording / "manifest.json"
    manifest.write_text(manifest.read_text().replace("fusion.recording/2", "fusion.recording/1"))
    assert all(map(same, open_recording(recording), map(observation, range(33))))


def test_no_observations_and_no_truth(tmp_path):
    write_recording(tmp_path / "r", STORE, [])
    recording = open_recording(tmp_path / "r")
    assert (list(recording), recording.size, recording.truth) == ([], 0, None)
    assert {p.name for p in (tmp_path / "r").iterdir()} == {"manifest.json", "store.json"}


def test_row_groups_bound_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "GROUP_ROWS", 10)
    monkeypatch.setattr(arrow, "GROUP_NUMBERS", 200)
    many = [GateEvent(i, "7", "exit") for i in range(25)]
    large = [ScalePacket("1", np.array([i]), np.zeros((1, 99), dtype=np.float32)) for i in range(5)]
    write_recording(tmp_path / "r", STORE, itertools.chain(many, large))
    assert pq.ParquetFile(tmp_path / "r" / "gate_events.parquet").metadata.num_row_groups == 3
    assert pq.ParquetFile(tmp_path / "r" / "scales.parquet").metadata.num_row_groups == 3
    assert all(map(same, open_recording(tmp_path / "r"), [*many, *large]))


def test_a_nanostore_recording_becomes_ours(tmp_path):
    source = open_recording(nanostore_files.write(tmp_path / "nanostore", truth='{"case": "X"}'))
    write_recording(tmp_path / "ours", source.store, source, truth=source.truth)
    ours = open_recording(tmp_path / "ours")
    assert all(map(same, ours, source))
    assert (ours.store.to_dict(), ours.truth) == (source.store.to_dict(), source.truth)


def test_the_real_recording_becomes_ours(tmp_path, data):
    source = open_recording(data / "nanostore" / "benchmark-1", store_meta=data / "nanostore" / "store_meta")
    write_recording(tmp_path / "ours", source.store, source)
    ours = open_recording(tmp_path / "ours")
    assert ours.size == 635
    assert all(map(same, ours, source))
    assert ours.store.to_dict() == source.store.to_dict()


def failing() -> Iterator[Observation]:
    yield observation(0)
    raise RuntimeError("the sensor burnt down")


def test_writing_is_all_or_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="burnt"):
        write_recording(tmp_path / "r", STORE, failing())
    with pytest.raises(TypeError, match="observations must hold observations; got int at 1"):
        write_recording(tmp_path / "r", STORE, [observation(0), 5])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="JSON"):
        write_recording(tmp_path / "r", STORE, [observation(0)], truth={"a": object()})
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / "r", STORE, [GateEvent(0, "\ud800", "exit")])
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(tmp_path / "no" / "r", STORE, [])
    assert list(tmp_path.iterdir()) == []


def test_an_existing_path_is_not_overwritten(tmp_path, recording):
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    for path in (recording, tmp_path / "link", tmp_path / "empty"):
        with pytest.raises(RecordingError, match="exists already"):
            write_recording(path, STORE, [])
    assert open_recording(recording).size == 33
