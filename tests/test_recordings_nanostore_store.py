"""The store of a NanoStore recording: geometry with and without the survey, odd planograms and products."""

import json

import numpy as np
import pytest

import nanostore_files as files
from fusion.recordings import ReaderNote, open_recording
from nanostore_files import notes

INCH_M = 0.0254


def test_plates_share_the_facings_boxes(tmp_path):
    store = open_recording(files.write(tmp_path)).store
    for shelf in (1, 2):
        for plate in range(1, 5):
            box = store.plate_by_id[f"1/{shelf}/{plate}"].box
            np.testing.assert_allclose(box.origin_m, [1 + (plate - 1) * 0.1, 0, shelf / 2], atol=1e-12)
            np.testing.assert_allclose(box.size_m, [0.1, 0.4, 0.3])
    cola, soap, bread = store.planogram
    assert (cola.product, cola.plates) == ("cola", ("1/1/1", "1/1/2"))
    np.testing.assert_allclose(soap.box.origin_m, [1.2, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(bread.box.size_m, [0.4, 0.4, 0.3])
    assert store.product_by_id["cola"].mass_g == 350.0
    assert store.product_by_id["soap"].name == "Soap"


def test_plates_without_a_facing_are_extrapolated(tmp_path):
    lines = [files.facing_line("cola", [(1, 1, 3)]), files.facing_line("soap", [(1, 1, 6)])]
    store = open_recording(files.write(tmp_path, planogram=lines)).store
    assert [p.id for p in store.fixtures[0].plates] == [f"1/1/{i}" for i in range(1, 7)]
    for i in range(1, 7):
        np.testing.assert_allclose(store.plate_by_id[f"1/1/{i}"].box.origin_m, [1 + (i - 1) * 0.1, 0, 0.5], atol=1e-12)


@pytest.mark.parametrize("on_shelf", [True, False])
def test_a_turned_shelf(tmp_path, on_shelf):
    turn = -np.pi / 2
    lines = [files.facing_line("cola", [(1, 1, i)], turn=turn, on_shelf=on_shelf) for i in (2, 4)]
    store = open_recording(files.write(tmp_path, planogram=lines)).store
    for i in range(1, 5):
        box = store.plate_by_id[f"1/1/{i}"].box
        np.testing.assert_allclose(box.origin_m, [1, -(i - 1) * 0.1, 0.5], atol=1e-12)
        np.testing.assert_allclose(box.rotation, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_facings_that_lost_plates_or_have_another_origin_do_not_bend_the_shelf(tmp_path):
    lines = files.default_lines()["planogram"]
    lines[2]["plate_ids"] = [files.plate_id(1, 2, 3), files.plate_id(1, 2, 4)]  # the box still covers 1 to 4
    centred = files.facing_line("soap", [(1, 2, 1), (1, 2, 2)], on_shelf=False)
    centred["global_coordinates"]["transform"]["translation"]["x"] += 0.05
    recording = open_recording(files.write(tmp_path, planogram=[*lines, centred]))
    np.testing.assert_allclose(recording.store.plate_by_id["1/2/3"].box.origin_m, [1.2, 0, 1.0], atol=1e-12)
    bread, soap = recording.store.planogram[2:]
    np.testing.assert_allclose(bread.box.origin_m, [1.2, 0, 1.0], atol=1e-12)
    np.testing.assert_allclose(bread.box.size_m, [0.2, 0.4, 0.3])
    np.testing.assert_allclose(soap.box.origin_m, [1.0, 0, 1.0], atol=1e-12)
    assert notes(recording) == {("1/2/3", "misplaced_box"): 1, ("1/2/1", "misplaced_box"): 1}


def test_odd_planogram_rows(tmp_path):
    doubled = files.facing_line("soap", [(1, 1, 4), (1, 1, 3), (1, 1, 4)])
    across = files.facing_line("bread", [(1, 2, 1), (1, 3, 1)])
    lines = [doubled, files.facing_line("cola", [(1, 1, 1)]), files.facing_line("cola", [(1, 1, 2)]), across]
    bare = files.facing_line("soap", [(1, 1, 1)])
    del bare["plate_ids"]
    recording = open_recording(files.write(tmp_path, planogram=[*lines, bare, files.facing_line(None, [(1, 1, 5)])]))
    store = recording.store
    assert [f.plates for f in store.planogram] == [("1/1/3", "1/1/4"), ("1/1/1",), ("1/1/2",), ("1/2/1", "1/3/1")]
    assert "1/1/5" in store.plate_by_id
    assert {"1/2/1", "1/3/1"} <= store.plate_by_id.keys()
    assert [(n.source, n.status) for n in recording.notes] == [
        ("planogram.json", "duplicate"),
        ("planogram.json", "no_plates"),
        ("planogram.json", "nameless"),
    ]


def test_odd_products(tmp_path):
    lines = [
        files.product_line("cola", name="Cola", weight=350.0),
        files.product_line("cola", name="Other", weight=1.0),
        files.product_line("cola", name="Other", weight=1.0),
        files.product_line(None, name="Ghost"),
        files.product_line("soap", name="Soap", weight=-4.0),
        files.product_line("zero", weight=0),
        {"product_id": {"id": "bare"}},
    ]
    recording = open_recording(files.write(tmp_path, products=lines))
    products = recording.store.product_by_id
    assert list(products) == ["cola", "soap", "zero", "bare", "bread"]
    assert (products["cola"].name, products["cola"].mass_g) == ("Cola", 350.0)
    assert all(np.isnan(products[name].mass_g) for name in ("soap", "zero", "bare", "bread"))
    assert np.isnan(products["cola"].price)
    assert {(n.source, n.status): n.count for n in recording.notes} == {
        ("products.json", "duplicate"): 2,
        ("products.json", "nameless"): 1,
        ("soap", "no_mass"): 1,
        ("zero", "no_mass"): 1,
        ("bare", "no_mass"): 1,
        ("bread", "unknown_product"): 1,
    }
    assert isinstance(recording.notes[0], ReaderNote)


def test_the_survey_adds_plates_and_cameras_but_moves_nothing(tmp_path):
    folder = files.write(tmp_path / "recording")
    alone = open_recording(folder).store
    surveyed = open_recording(folder, store_meta=files.write_meta(tmp_path / "meta")).store
    assert [p.id for p in surveyed.fixtures[0].plates] == [f"1/{s}/{p}" for s in (1, 2, 3) for p in range(1, 6)]
    for name, plate in alone.plate_by_id.items():
        box = surveyed.plate_by_id[name].box
        assert box.origin_m.tolist() == plate.box.origin_m.tolist()
        assert box.size_m.tolist() == plate.box.size_m.tolist()
    np.testing.assert_allclose(surveyed.plate_by_id["1/1/5"].box.origin_m, [1.4, 0, 0.5], atol=1e-12)
    # A shelf without facings is moved as its neighbours are: by -0.1 m here; y by -0.1 m too.
    np.testing.assert_allclose(surveyed.plate_by_id["1/3/2"].box.origin_m, [1.1, 0, 1.5], atol=1e-12)
    np.testing.assert_allclose(surveyed.plate_by_id["1/3/2"].box.size_m, [0.1, 0.4, 0.25])
    (camera,) = surveyed.cameras
    assert (camera.id, camera.size_px) == ("3", (1, 1))
    centre = -camera.rotation.T @ camera.translation_m
    np.testing.assert_allclose(centre, [100 * INCH_M, 50 * INCH_M, 90 * INCH_M])


def test_a_survey_without_cameras(tmp_path):
    meta = files.write_meta(tmp_path / "meta")
    (meta / "calibration.json").unlink()
    assert open_recording(files.write(tmp_path / "recording"), store_meta=meta).store.cameras == ()


def test_truth_is_parsed_where_present(tmp_path):
    assert open_recording(files.write(tmp_path)).truth is None
    assert open_recording(files.write(tmp_path, truth='{"case": "X"}')).truth == {"case": "X"}


@pytest.mark.parametrize("case", ["benchmark-1", "practice/cps-test-23", "practice/crowd-5-00"])
def test_the_survey_moves_no_plate_of_a_facing(data, case):
    folder = data / "nanostore" / case
    alone = open_recording(folder).store
    surveyed = open_recording(folder, store_meta=data / "nanostore" / "store_meta").store
    assert (len(surveyed.plate_by_id), len(surveyed.cameras)) == (306, 22)
    for name, plate in alone.plate_by_id.items():
        box = surveyed.plate_by_id[name].box
        assert (box.origin_m.tolist(), box.size_m.tolist()) == (plate.box.origin_m.tolist(), plate.box.size_m.tolist())
    for a, b in zip(alone.planogram, surveyed.planogram, strict=True):
        assert (a.product, a.plates, a.box.origin_m.tolist()) == (b.product, b.plates, b.box.origin_m.tolist())


def test_plates_agree_with_the_planogram_of_the_real_store(data):
    folder = data / "nanostore" / "benchmark-1"
    store = open_recording(folder).store
    rows = [json.loads(line) for line in (folder / "planogram.json").read_text().splitlines()]
    rows = [row for row in rows if row["planogram_product_id"]]
    for row, facing in zip(rows, store.planogram, strict=True):
        place = row["global_coordinates"]
        origin = [place["transform"]["translation"].get(axis, 0.0) for axis in "xyz"]
        np.testing.assert_allclose(facing.box.origin_m, origin, atol=1e-5)
        np.testing.assert_allclose(facing.box.size_m, [place[f"dim_{axis}"] for axis in "xyz"], atol=1e-5)
    # The re-enactments move facings and shorten their lists of plates, yet the shelves are the real ones.
    for case in ("cps-test-11", "cps-test-23", "TEAM-PEI-JD-1"):
        other = open_recording(data / "nanostore" / "practice" / case).store
        for name, plate in store.plate_by_id.items():
            np.testing.assert_allclose(other.plate_by_id[name].box.origin_m, plate.box.origin_m, atol=1e-5)
