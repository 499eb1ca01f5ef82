"""The project's own format: exact round trips, streaming, all-or-nothing writing, and damaged files."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import nanostore_files
from fusion.observations import GateEvent, ItemScores, Keypoints, Observation, ScalePacket, TagReads, Targets
from fusion.recordings import RecordingError, arrow, open_recording, write_recording
from fusion.store import Box, Camera, Facing, Fixture, Plate, Product, Shelf, Store

BOX = Box(np.array([0.1, 1 / 3, -2.5]), np.array([0.1, 0.4, 0.3]))
STORE = Store(
    fixtures=(Fixture("1", (Shelf("1/1", (Plate("1/1/1", BOX), Plate("1/1/2", BOX, 5_000.0))),)),),
    products=(Product("cola", "Cöla", 350.1, 1.5), Product("soap")),
    planogram=(Facing("cola", ("1/1/1", "1/1/2"), BOX),),
    cameras=(Camera("3", np.diag([0.8, 1.4, 1.0]), np.eye(3), np.array([0.1, 0.2, 0.3]), np.zeros(5), (1, 1)),),
)


def same(a: Any, b: Any) -> bool:
    """Equality to the bit, of types too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return bool(a == b)


def observation(i: int) -> Observation:
    """One of each kind in turn."""
    joints = np.full((2, 8, 3), i / 3)
    joints[0, 0] = np.nan
    return (
        ScalePacket("1", np.array([i, i + 1]), np.array([[np.nan, -0.0], [np.inf, i]], dtype=np.float32)),
        Targets(i, ("7", "8"), joints, joints[..., 0]),
        Targets(i, (), np.empty((0, 8, 3)), np.empty((0, 8))),
        Keypoints("3", i, np.full((2, 8, 2), np.nan), np.ones((2, 8))),
        Keypoints("3", i, np.empty((0, 8, 2)), np.empty((0, 8))),
        ItemScores(i, ("cola", "soap"), np.array([0.1, 0.3]), shopper="7"),
        ItemScores(i, (), np.array([]), place_m=np.array([1.0, 2.0, 3.0])),
        TagReads(i, "door", ("tag-1", "tag-1")),
        TagReads(i, "door", ()),
        GateEvent(i, "7", "enter"),
        ScalePacket("1", np.array([i]), np.empty((1, 0), dtype=np.float32)),
    )[i % 11]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording with two rows or more in every table."""
    path = tmp_path / "recording"
    write_recording(path, STORE, map(observation, range(33)), truth={"receipts": []})
    return path


# ------------------------------------------------------------------------------------------------------- round trips

names = st.text(min_size=1, max_size=5)
times = st.integers(0, 2**63 - 1)
floats = st.floats(allow_nan=True, allow_infinity=True, width=64)


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
    return GateEvent(draw(times), draw(names), draw(st.sampled_from(("enter", "exit"))))


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


# ----------------------------------------------------------------------------------------------------------- writing


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


# ----------------------------------------------------------------------------------------------------------- hostile


def rewrite(path: Path, **columns: Any) -> None:
    """Replace columns of a Parquet file; ``None`` drops one."""
    table = pq.read_table(path)
    for name, values in columns.items():
        i = table.schema.get_field_index(name)
        if values is None:
            table = table.remove_column(i)
        elif isinstance(values, pa.Array):
            table = table.set_column(i, name, values)  # nullable, unlike what it replaces
        else:
            field = table.schema.field(name)
            table = table.set_column(i, field, pa.array(values, type=field.type))
    pq.write_table(table, path)


def column(path: Path, name: str) -> list[Any]:
    return list(pq.read_table(path)[name].to_pylist())


@pytest.mark.parametrize(
    ("table", "name", "row", "value", "field"),
    [
        ("scales", "fixture", 2, "", "fixture"),
        ("scales", "sample_ns", 2, [], "grams"),
        ("scales", "sample_ns", 1, [-5, -4], "sample_ns"),
        ("scales", "grams", 1, [1.0, 2.0, 3.0], "grams"),
        ("targets", "time_ns", 2, -1, "time_ns"),
        ("targets", "shoppers", 1, ["7", "7"], "shoppers"),
        ("targets", "shoppers", 1, ["7"], "joints_m"),
        ("targets", "shoppers", 1, ["7", ""], "shoppers"),
        ("targets", "scores", 1, [0.5] * 15, "scores"),
        ("keypoints", "px", 1, [0.5] * 15, "px"),
        ("keypoints", "px", 1, [0.5] * 16, "sigma_px"),
        ("item_scores", "probabilities", 1, [0.9, 0.9], "probabilities"),
        ("item_scores", "probabilities", 1, [float("nan"), 0.9], "probabilities"),
        ("item_scores", "shopper", 1, None, None),
        ("item_scores", "place_m", 2, [1.0, 2.0], "place_m"),
        ("tag_reads", "antenna", 1, "", "antenna"),
        ("tag_reads", "tags", 1, ["a", ""], "tags"),
        ("gate_events", "kind", 3, "stay", "kind"),
    ],
)
def test_refused_rows_are_named_with_file_row_and_field(recording, table, name, row, value, field):
    path = recording / f"{table}.parquet"
    values = column(path, name)
    values[row - 1] = value
    rewrite(path, **{name: values})
    with pytest.raises(RecordingError) as caught:
        list(open_recording(recording))
    assert (caught.value.path, caught.value.line, caught.value.field) == (path, row, field)


@pytest.mark.parametrize("damage", ["truncated", "empty", "no_parquet", "flipped"])
def test_damaged_parquet(recording, damage):
    path = recording / "scales.parquet"
    data = bytearray(path.read_bytes())
    flipped = bytearray(data)
    flipped[60:90] = bytes(30)
    path.write_bytes({"truncated": data[:-30], "empty": b"", "no_parquet": b"words" * 50, "flipped": flipped}[damage])
    with pytest.raises(RecordingError, match=r"scales\.parquet.*cannot be read"):
        list(open_recording(recording))


def test_any_damaged_byte_is_refused_or_harmless(recording):
    path = recording / "gate_events.parquet"
    data = path.read_bytes()
    refused = 0
    for i in range(0, len(data), 5):
        path.write_bytes(data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :])
        try:
            read = list(open_recording(recording))
        except RecordingError:
            refused += 1
        else:
            assert all(map(same, read, map(observation, range(33))))
    assert refused > len(data) / 5 / 2


def test_wrong_schema(recording):
    path = recording / "gate_events.parquet"
    original = path.read_bytes()
    for change, field in (
        ({"kind": None}, "kind"),
        ({"time_ns": pa.array([1.0, 2.0, 3.0])}, "time_ns"),
        ({"shopper": pa.array(["7", None, "7"])}, "shopper"),
    ):
        rewrite(path, **change)
        with pytest.raises(RecordingError, match="must be a column") as caught:
            open_recording(recording)
        assert (caught.value.path, caught.value.field) == (path, field)
        path.write_bytes(original)
    pq.write_table(pq.read_table(path).append_column("more", pa.array([1, 2, 3])), path)
    with pytest.raises(RecordingError, match=r"must have the columns seq, time_ns, shopper, kind; got .*more"):
        open_recording(recording)


@pytest.mark.parametrize("seq", [[0, 5, 22], [0, 11, 12], [0, 11, 2**62], [-1, 11, 22], [22, 11, 0]])
def test_wrong_order_of_arrival(recording, seq):
    path = recording / "gate_events.parquet"
    assert column(path, "seq") == [9, 20, 31]
    rewrite(path, seq=[9 + i for i in seq])
    with pytest.raises(RecordingError, match=r"\.parquet, line \d+: seq: must be \d+; got") as caught:
        list(open_recording(recording))
    assert caught.value.field == "seq"


def test_text_that_is_no_unicode(recording):
    path = recording / "gate_events.parquet"
    offsets, text = pa.py_buffer(np.array([0, 1, 2, 3], dtype=np.int32)), pa.py_buffer(b"7\xff7")
    table = pq.read_table(path)
    broken = pa.StringArray.from_buffers(3, offsets, text)
    pq.write_table(table.set_column(2, arrow._TABLES["gate_events"].schema.field("shopper"), broken), path)
    with pytest.raises(RecordingError, match=r"gate_events\.parquet, line 1: cannot be read"):
        list(open_recording(recording))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "fusion.recording/2"}, "format"),
        ({"format": None}, "format"),
        ({"counts": []}, "counts"),
        ({"counts": {"scales": -1}}, "counts.scales"),
        ({"counts": {"scales": True}}, "counts.scales"),
        ({"counts": {"scales": 1.5}}, "counts.scales"),
        ({"counts": {"images": 1}}, "counts.images"),
    ],
)
def test_bad_manifest(recording, change, field):
    path = recording / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RecordingError) as caught:
        open_recording(recording)
    assert (caught.value.path, caught.value.field) == (path, field)


def test_counts_that_disagree(recording):
    path = recording / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["counts"]["scales"] = 7
    path.write_text(json.dumps(manifest))
    with pytest.raises(RecordingError, match=r"scales\.parquet: has 6 rows; manifest\.json counts 7"):
        open_recording(recording)
    del manifest["counts"]["scales"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(RecordingError, match=r"scales\.parquet: has 6 rows; manifest\.json counts 0"):
        open_recording(recording)


def test_a_missing_table(recording):
    (recording / "scales.parquet").unlink()
    with pytest.raises(RecordingError, match=r"scales\.parquet: does not exist; manifest\.json counts 6 rows"):
        open_recording(recording)


@pytest.mark.parametrize("name", ["manifest.json", "store.json", "truth.json"])
@pytest.mark.parametrize("text", ['{"format":', "[]", "[" * 100_000])
def test_bad_json(recording, name, text):
    (recording / name).write_text(text)
    with pytest.raises(RecordingError) as caught:
        open_recording(recording)
    assert caught.value.path == recording / name


def test_missing_manifest_or_store(recording):
    (recording / "store.json").unlink()
    with pytest.raises(RecordingError, match=r"store\.json: cannot be read"):
        open_recording(recording)
    (recording / "manifest.json").unlink()
    with pytest.raises(RecordingError, match=r"neither manifest\.json"):
        open_recording(recording)
    with pytest.raises(RecordingError, match=r"manifest\.json: cannot be read"):
        open_recording(recording, format="fusion")


def test_a_refused_store(recording):
    path = recording / "store.json"
    document = json.loads(path.read_text())
    document["planogram"][0]["product"] = "beer"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordingError, match="unknown product 'beer'"):
        open_recording(recording)


def test_a_survey_is_refused(recording, tmp_path):
    with pytest.raises(ValueError, match="store_meta must be None"):
        open_recording(recording, store_meta=tmp_path)
