"""Files of corners, whole and damaged, and the command that calibrates from them."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boards import BOARD, around, standardised, wave
from fusion import CameraRig, RecordingError
from fusion.calibration import BoardObservations, charuco_corners, read_observations

HEADER = ["sync_index", "cam_id", "object_id", "keypoint_id", "img_loc_x", "img_loc_y", "obj_loc_x", "obj_loc_y"]
ROW = ["35", "0", "0", "3", "577.25", "305.5", "0.1", "0.2"]


def write_csv(path: Path, seen: BoardObservations, *, places: bool = True) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER if places else HEADER[:6])
        for camera, view, corner, px in zip(seen.camera, seen.view, seen.corner, seen.px, strict=True):
            place = seen.board_m[corner, :2].tolist() if places else []
            writer.writerow([view, seen.cameras[camera], 0, corner, *px.tolist(), *place])


def write_npz(path: Path, seen: BoardObservations) -> None:
    arrays = {name: getattr(seen, name) for name in ("camera", "view", "corner", "px", "board_m", "sizes_px")}
    np.savez(path, cameras=np.array(seen.cameras), **arrays)


def same(a: BoardObservations, b: BoardObservations) -> None:
    assert a.cameras == b.cameras
    for name in ("camera", "view", "corner", "px", "board_m"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


class TestFiles:
    def test_written_and_read(self, tmp_path: Path, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 3)
        write_csv(tmp_path / "corners.csv", seen)
        write_npz(tmp_path / "corners.npz", seen)
        same(read_observations(tmp_path / "corners.csv"), seen)
        same(read_observations(tmp_path / "corners.npz"), seen)
        assert read_observations(tmp_path / "corners.npz").sizes_px.tolist() == [[1280, 720]] * 2
        with pytest.raises(RecordingError, match=r"must hold one file of corners.*got corners.csv, corners.npz"):
            read_observations(tmp_path)
        (tmp_path / "corners.npz").unlink()
        same(read_observations(tmp_path), seen)

    def test_the_board_can_be_given(self, tmp_path: Path, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 3)
        write_csv(tmp_path / "c.csv", seen, places=False)
        same(read_observations(tmp_path, board_m=BOARD), seen)
        with pytest.raises(RecordingError, match="does not tell the board's geometry"):
            read_observations(tmp_path)

    def test_two_boards_are_told(self, tmp_path: Path, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(1), 3)
        write_csv(tmp_path / "c.csv", seen)
        write_npz(tmp_path / "c.npz", seen)
        for name in ("c.csv", "c.npz"):
            with pytest.raises(RecordingError, match="has another board than the one given"):
                read_observations(tmp_path / name, board_m=charuco_corners(8, 6, 0.11))

    @pytest.mark.parametrize(
        ("field", "text", "words"),
        [
            ("sync_index", "x", "line 2: sync_index: must be an integer from 0 .*; got 'x'"),
            ("sync_index", "9" * 30, "line 2: sync_index: must be an integer"),
            ("keypoint_id", "-1", "line 2: keypoint_id: must be an integer"),
            ("keypoint_id", "999999999", "line 2: keypoint_id: must be an integer from 0 to 999999"),
            ("keypoint_id", "\u0663", "line 2: keypoint_id: must be an integer"),
            ("cam_id", " ", "line 2: cam_id: is missing"),
            ("img_loc_x", "nan", "line 2: img_loc_x: must be a finite number; got 'nan'"),
            ("img_loc_y", "1e999", "line 2: img_loc_y: must be a finite number"),
            ("img_loc_y", "", "line 2: img_loc_y: is missing"),
            ("obj_loc_x", "inf", "line 2: obj_loc_x: must be a finite number"),
        ],
    )
    def test_a_bad_field_is_named(self, field: str, text: str, words: str, tmp_path: Path) -> None:
        row = [text if name == field else value for name, value in zip(HEADER, ROW, strict=True)]
        (tmp_path / "c.csv").write_text("\n".join([",".join(HEADER), ",".join(row)]), encoding="utf-8")
        with pytest.raises(RecordingError, match=words):
            read_observations(tmp_path)

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ([HEADER, ROW, ROW], "line 3: the camera sees this corner twice in this view"),
            ([HEADER, ROW, [*ROW[:2], "1", *ROW[3:]]], "line 3: object_id: must be of one board"),
            ([HEADER, ROW, ["36", *ROW[1:6], "0.3", "0.2"]], "line 3: the corner has another place before"),
            ([HEADER, ROW[:5]], "line 2: img_loc_y: is missing"),
            ([HEADER[1:], ROW[1:]], "line 1: sync_index: is missing"),
            ([[*HEADER, "cam_id"], [*ROW, "0"]], "line 1: has a column twice"),
            ([], "sync_index: is missing"),
        ],
    )
    def test_a_bad_table_is_told(self, lines: list[list[str]], words: str, tmp_path: Path) -> None:
        (tmp_path / "c.csv").write_text("\n".join(map(",".join, lines)), encoding="utf-8")
        with pytest.raises(RecordingError, match=words):
            read_observations(tmp_path)

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
        (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no archive")
        (tmp_path / "a.txt").write_text("")
        for name, words in (("a.csv", "malformed"), ("a.npz", "malformed"), ("a.txt", "must be a folder or end in")):
            with pytest.raises(RecordingError, match=words):
                read_observations(tmp_path / name)
        with pytest.raises(RecordingError, match="cannot be read"):
            read_observations(tmp_path / "b.csv")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"px": None}, "px: is missing"),
            ({"board_m": None}, "does not tell the board's geometry"),
            ({"px": np.array([[1, np.nan]])}, "px must be finite"),
            ({"camera": np.array([4])}, r"camera must lie in \[0, 1\)"),
            ({"view": np.array([[0, 1]])}, r"view must have shape \(1\)"),
            ({"cameras": np.array(["a", "a"])}, "cameras must be unique"),
        ],
    )
    def test_bad_arrays_are_named(self, changes: dict[str, Any], words: str, tmp_path: Path) -> None:
        one = np.zeros(1, int)
        arrays = {"cameras": ["a"], "camera": one, "view": one, "corner": one, "px": np.ones((1, 2)), "board_m": BOARD}
        np.savez(tmp_path / "c.npz", **{k: v for k, v in (arrays | changes).items() if v is not None})
        with pytest.raises(RecordingError, match=words):
            read_observations(tmp_path)

    @settings(max_examples=40, deadline=None)
    @given(junk=st.binary(max_size=60), at=st.floats(0, 1), archive=st.booleans())
    def test_damage_is_told_or_harmless(
        self, junk: bytes, at: float, archive: bool, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        seen, _ = wave(np.random.default_rng(0), around(1), 1)
        path = tmp_path_factory.mktemp("damaged") / ("c.npz" if archive else "c.csv")
        (write_npz if archive else write_csv)(path, seen)
        whole = path.read_bytes()
        cut = int(at * len(whole))
        path.write_bytes(whole[:cut] + junk + whole[cut + len(junk) :])
        try:
            read = read_observations(path)
        except RecordingError as error:
            told = str(error)
        else:
            told = str(path)
            assert np.isfinite(read.px).all()
        assert str(path) in told


def fusion(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from fusion.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "calibrate", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "200"},
    )


class TestCommand:
    @pytest.fixture(autouse=True)
    def vision(self) -> None:
        pytest.importorskip("cv2")

    def test_rig_and_report(self, tmp_path: Path, rng: np.random.Generator) -> None:
        rig = around(3)
        write_csv(tmp_path / "corners.csv", wave(rng, rig, 8)[0])
        where = "--rig", tmp_path / "rig.toml", "--format", "caliscope", "--out", tmp_path / "report.json"
        done = fusion(tmp_path, "--size", "1280x720", *where)
        assert done.returncode == 0, done.stderr
        for word in ("Cameras", "c0", "c2", "the world", "reprojection RMS 0.4", "board RMS"):
            assert word in done.stdout
        read = CameraRig.read(tmp_path / "rig.toml")
        assert read.ids == rig.ids
        assert read[0].size_px == (1280, 720)
        assert np.abs(standardised(rig, read)[:, 0]).max() < 20
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["format"] == "fusion.calibration/1"
        assert [camera["id"] for camera in report["cameras"]] == ["c0", "c1", "c2"]
        for camera, told in zip(read, report["cameras"], strict=True):
            np.testing.assert_array_equal(camera.matrix, told["matrix"])
            assert np.sqrt(np.diag(told["covariance"])).tolist() == list(told["sigma"].values())
            assert told["noise_px"] == pytest.approx(0.3, rel=0.1)
        assert len(report["views"]) == 8

    def test_real_corners(self, data: Path, tmp_path: Path) -> None:
        done = fusion(data / "multiview" / "charuco_4cam", "--out", tmp_path / "r.json")
        assert done.returncode == 0, done.stderr
        assert "camera 1 disagrees with the others" in done.stderr
        assert json.loads((tmp_path / "r.json").read_text())["board_rms_m"] < 1.05 * 1.27e-3

    def test_images(self, tmp_path: Path) -> None:
        """A plain picture of the board in every view: all parallel, so it is found but cannot be calibrated."""
        cv2 = pytest.importorskip("cv2")
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_50)
        picture = cv2.aruco.CharucoBoard((6, 5), 0.1, 0.07, dictionary).generateImage((640, 480), marginSize=40)
        (tmp_path / "a").mkdir()
        for view in range(2):
            cv2.imwrite(str(tmp_path / "a" / f"{view}.png"), picture)
        board = "--board", "6x5", "--square", "0.1", "--marker", "0.07", "--dictionary", "DICT_5X5_50"
        done = fusion(tmp_path, *board)
        assert done.returncode == 2
        assert "camera 'a' needs at least 3 views" in done.stderr
        assert "got 2" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--size", "12"], "--size must be two numbers such as 8x6; got '12'"),
            (["--board", "8x6"], "--board and --square must be given together"),
            (["--board", "8x6", "--square", "0.2"], "has another board than the one given"),
            (["--model", "mirror"], "model must be one of pinhole, fisheye"),
            (["--rig", "rig.yaml", "--format", "csv"], "format must be one of"),
        ],
    )
    def test_bad_arguments(self, arguments: list[str], words: str, tmp_path: Path, rng: np.random.Generator) -> None:
        write_csv(tmp_path / "corners.csv", wave(rng, around(1), 4)[0])
        done = fusion(tmp_path / "corners.csv", *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr

    def test_no_corners_and_no_board(self, tmp_path: Path) -> None:
        done = fusion(tmp_path)
        assert done.returncode == 2
        assert "holds no .csv or .npz; to find corners in images give --board, --square and --marker" in done.stderr

    def test_without_the_extra_it_says_what_to_install(self, tmp_path: Path, rng: np.random.Generator) -> None:
        write_csv(tmp_path / "corners.csv", replace(wave(rng, around(1), 4)[0]))
        code = "import sys; sys.modules['cv2'] = None; from fusion.cli import main; main()"
        command = [sys.executable, "-c", code, "calibrate", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert "pip install 'walkout-fusion[vision]'" in done.stderr
