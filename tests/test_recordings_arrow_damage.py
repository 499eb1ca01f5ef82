"""Damaged recordings of the project's own format: the error names file, row and field."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arrow_files import STORE, column, observation, rewrite, same
from fusion.recordings import RecordingError, arrow, open_recording, write_recording


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording with two rows or more in every table."""
    path = tmp_path / "recording"
    write_recording(path, STORE, map(observation, range(33)), truth={"receipts": []})
    return path


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
        ({"role": None}, "role"),
        ({"account": None}, "account"),
    ):
        rewrite(path, **change)
        with pytest.raises(RecordingError, match="must be a column") as caught:
            open_recording(recording)
        assert (caught.value.path, caught.value.field) == (path, field)
        path.write_bytes(original)
    pq.write_table(pq.read_table(path).append_column("more", pa.array([1, 2, 3])), path)
    with pytest.raises(RecordingError, match=r"must have the columns seq, .*account; got .*more"):
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
        ({"format": "fusion.recording/3"}, "format"),
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
