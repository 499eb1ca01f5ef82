"""Damaged NanoStore recordings: the error names file, line and field."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanostore_files as files
from fusion.observations import ScalePacket, Targets
from fusion.recordings import RecordingError, open_recording


def at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Change one field of a line; ``...`` deletes it."""

    def change(line: Any) -> None:
        *parents, last = path.split(".")
        for key in parents:
            line = line[int(key) if isinstance(line, list) else key]
        key = int(last) if isinstance(line, list) else last
        if value is ...:
            del line[key]
        else:
            line[key] = value

    return change


VALUES = "document.plate_data.values"
TARGET = "document.targets.targets"
GLOBAL = "global_coordinates"


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("plate_data", at(f"{VALUES}.data", "AAAA"), f"{VALUES}.data"),
        ("plate_data", at(f"{VALUES}.data", "!"), f"{VALUES}.data"),
        ("plate_data", at(f"{VALUES}.data", ""), f"{VALUES}.data"),
        ("plate_data", at(f"{VALUES}.data", ...), f"{VALUES}.data"),
        ("plate_data", at(f"{VALUES}.shape", [12, 3, 6]), f"{VALUES}.data"),
        ("plate_data", at(f"{VALUES}.shape", [10**9, 10**9, 10**9]), f"{VALUES}.data"),
        ("plate_data", at(f"{VALUES}.shape", [180]), f"{VALUES}.shape"),
        ("plate_data", at(f"{VALUES}.shape", [0, 3, 5]), f"{VALUES}.shape[0]"),
        ("plate_data", at(f"{VALUES}.shape", [-12, -3, 5]), f"{VALUES}.shape[0]"),
        ("plate_data", at(f"{VALUES}.shape", [12, 3, 5.5]), f"{VALUES}.shape[2]"),
        ("plate_data", at(f"{VALUES}.type", "DATATYPE_FLOAT64"), f"{VALUES}.type"),
        ("plate_data", at("timestamp", -1.0), "timestamp"),
        ("plate_data", at("timestamp", 0.05), "timestamp"),  # the packet's first samples would lie before the epoch
        ("plate_data", at("timestamp", 1e300), "timestamp"),
        ("plate_data", at("timestamp", 1e308), "timestamp"),
        ("plate_data", at("timestamp", "now"), "timestamp"),
        ("plate_data", at("timestamp", None), "timestamp"),
        ("plate_data", at("timestamp", ...), "timestamp"),
        ("plate_data", at("gondola_id", "1"), "gondola_id"),
        ("plate_data", at("gondola_id", ...), "gondola_id"),
        ("plate_data", at("date_time", {}), "date_time.$date"),
        ("plate_data", at("date_time.$date", "yesterday"), "date_time.$date"),
        ("plate_data", at("date_time.$date", "2020-04-22T05:06:36.965"), "date_time.$date"),
        ("plate_data", at("document.plate_data.freq_samp", 0), "document.plate_data.freq_samp"),
        ("plate_data", at("document.plate_data.freq_samp", 1e-300), "timestamp"),
        ("full_targets", at("timestamp", -1.0), "timestamp"),
        ("full_targets", at("timestamp", 1e300), "timestamp"),
        ("full_targets", at("document", ...), "document"),
        ("full_targets", at(TARGET, {}), TARGET),
        ("full_targets", at(f"{TARGET}.0.target_id", 7), f"{TARGET}[0].target_id"),
        (
            "full_targets",
            at("document.targets.targets.0.head.point.x", "1"),
            "document.targets.targets[0].head.point.x",
        ),
        ("planogram", at(GLOBAL, ...), GLOBAL),
        ("planogram", at(f"{GLOBAL}.dim_x", 0), f"{GLOBAL}.dim_x"),
        ("planogram", at(f"{GLOBAL}.dim_z", -1), f"{GLOBAL}.dim_z"),
        ("planogram", at(f"{GLOBAL}.dim_y", ...), f"{GLOBAL}.dim_y"),
        ("planogram", at(f"{GLOBAL}.transform.translation.x", 1e200), f"{GLOBAL}.transform.translation.x"),
        ("planogram", at("plate_ids.0.plate_index", 0), "plate_ids[0].plate_index"),
        ("planogram", at("plate_ids.0.plate_index", 10**9), "plate_ids[0].plate_index"),
        ("planogram", at("plate_ids.1.shelf_id", {}), "plate_ids[1].shelf_id.gondola_id"),
        ("planogram", at("planogram_product_id.id", 5), "planogram_product_id.id"),
        ("products", at("metadata.weight", "heavy"), "metadata.weight"),
        ("products", at("product_id.id", 5), "product_id.id"),
    ],
)
def test_bad_fields_are_named_with_file_and_line(tmp_path, name, change, field):
    lines = copy.deepcopy(files.default_lines()[name])
    change(lines[1] if name != "full_targets" else lines[0])
    line = 2 if name != "full_targets" else 1
    folder = files.write(tmp_path, **{name: lines})
    with pytest.raises(RecordingError) as caught:
        list(open_recording(folder))
    assert (caught.value.path, caught.value.line) == (folder / f"{name}.json", line)
    assert caught.value.field == field
    assert f"{name}.json, line {line}: " in str(caught.value)


@pytest.mark.parametrize("name", ["plate_data", "full_targets", "planogram", "products"])
@pytest.mark.parametrize(
    "text",
    [
        b'{"timestamp": 15875',
        b"nonsense\n",
        b"[]\n",
        b"null\n",
        b"\xff\xfe\n",
        b'{"other": NaN}\n',
        b'{"other": ' + b"[" * 100_000,
        b"{} {}\n",
    ],
    ids=["truncated", "words", "array", "null", "bytes", "nan", "deep", "two"],
)
def test_lines_that_are_no_document(tmp_path, name, text):
    folder = files.write(tmp_path, **{name: [*files.default_lines()[name], text]})
    with pytest.raises(RecordingError) as caught:
        list(open_recording(folder))
    assert caught.value.path.name == f"{name}.json"
    assert caught.value.line == len(files.default_lines()[name]) + 1


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_is_survived_or_refused(tmp_path_factory, data):
    folder = files.write(tmp_path_factory.mktemp("damaged"))
    path = folder / f"{data.draw(st.sampled_from(('plate_data', 'full_targets', 'planogram', 'products')))}.json"
    text = bytearray(path.read_bytes())
    first = data.draw(st.integers(0, len(text) - 1))
    last = data.draw(st.integers(first, min(first + 8, len(text))))
    junk = st.sampled_from((b"-", b"9e9", b"null", b"{}", b"\n"))
    text[first:last] = data.draw(st.one_of(st.binary(max_size=4), junk))
    path.write_bytes(text)
    blamed = path
    try:
        read = list(open_recording(folder))
    except RecordingError as error:
        blamed = error.path
    else:
        assert all(isinstance(observation, ScalePacket | Targets) for observation in read)
    assert blamed == path


@pytest.mark.parametrize("name", ["plate_data", "full_targets", "planogram", "products"])
def test_missing_and_empty_files(tmp_path, name):
    empty = files.write(tmp_path / "empty", **{name: [b"\n", b"  \n"]})
    with pytest.raises(RecordingError, match=rf"{name}\.json: is empty"):
        open_recording(empty)
    missing = files.write(tmp_path / "missing")
    (missing / f"{name}.json").unlink()
    with pytest.raises(RecordingError, match=rf"{name}\.json: does not exist"):
        open_recording(missing, format="nanostore")


@pytest.mark.parametrize("damage", ["truncated", "no_gzip", "flipped"])
def test_damaged_gzip(tmp_path, damage):
    folder = files.write(tmp_path, compress=True)
    path = folder / "plate_data.json.gz"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[-6] ^= 0xFF
    path.write_bytes({"truncated": bytes(data[:-20]), "no_gzip": b'{"a": 1}\n', "flipped": bytes(data)}[damage])
    with pytest.raises(RecordingError, match=r"plate_data\.json\.gz, line \d+: cannot be read"):
        list(open_recording(folder))


def test_a_folder_in_place_of_a_file(tmp_path):
    folder = files.write(tmp_path)
    (folder / "products.json").unlink()
    (folder / "products.json").mkdir()
    with pytest.raises(RecordingError, match=r"products\.json.*cannot be read"):
        open_recording(folder)


def test_a_planogram_without_any_plate(tmp_path):
    lines = files.default_lines()["planogram"]
    for line in lines:
        line["plate_ids"] = []
    with pytest.raises(RecordingError, match="names no plates"):
        open_recording(files.write(tmp_path, planogram=lines))


@pytest.mark.parametrize("text", ["{", "[]", "\ud800"])
def test_bad_truth(tmp_path, text):
    folder = files.write(tmp_path)
    (folder / "truth.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RecordingError, match=r"truth\.json"):
        open_recording(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("Gondolas", at("gondolas", []), r"Shelves\.json: shelves: gondola 1 is not in Gondolas\.json"),
        ("Shelves", at("shelves", []), r"Plates\.json: plates: shelf 1/1 is not in Shelves\.json"),
        ("Plates", at("plates.0.id.plate_index", -1), r"Plates\.json: plates\[0\]\.id\.plate_index"),
        ("Plates", at("plates", ...), r"Plates\.json: plates: "),
        ("calibration", at("cameras.3.Tw", [[1]]), r"calibration\.json: cameras\.3: Tw"),
        ("calibration", at("cameras.3.Tw.0.0", 5), r"calibration\.json: cameras\.3: Tw must be a rotation"),
        ("calibration", at("cameras.3.K.0", [1]), r"calibration\.json: cameras\.3: K"),
        ("calibration", at("cameras.3.K.0.0", -1), r"calibration\.json: cameras\.3: matrix"),
        ("calibration", at("cameras.3.dist_coeffs", [1.0]), r"calibration\.json: cameras\.3: distortion"),
    ],
)
def test_bad_survey(tmp_path, name, change, message):
    meta = files.write_meta(tmp_path / "meta")
    document = json.loads((meta / f"{name}.json").read_text())
    change(document)
    (meta / f"{name}.json").write_text(json.dumps(document))
    with pytest.raises(RecordingError, match=message):
        open_recording(files.write(tmp_path / "recording"), store_meta=meta)


@pytest.mark.parametrize("name", ["Gondolas", "Shelves", "Plates"])
def test_incomplete_survey(tmp_path, name):
    meta = files.write_meta(tmp_path / "meta")
    (meta / f"{name}.json").unlink()
    with pytest.raises(RecordingError, match=rf"{name}\.json: cannot be read"):
        open_recording(files.write(tmp_path / "recording"), store_meta=meta)


def test_what_is_no_recording(tmp_path):
    with pytest.raises(RecordingError, match="does not exist"):
        open_recording(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match=r"neither manifest\.json .* nor plate_data\.json"):
        open_recording(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="is no folder"):
        open_recording(tmp_path / "file")
    with pytest.raises(ValueError, match="format must be one of"):
        open_recording(tmp_path, format="csv")


def test_numpy_alone_imports_the_package_and_names_the_extra(tmp_path):
    files.write(tmp_path)
    code = (
        "import sys; sys.modules.update(msgspec=None, pyarrow=None); import fusion.recordings as r\n"
        "for call in (lambda: r.open_recording(sys.argv[1]), lambda: r.write_recording('x', None, ())):\n"
        "    try: call()\n"
        "    except ImportError as error: print(error)\n"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == [
        f"this needs {name}, which is not installed: pip install 'walkout-fusion[cli]'"
        for name in ("msgspec", "pyarrow")
    ]
