"""Damaged calibration files: every fault is told with file and field, and nothing crashes."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import RecordingError
from fusion.rig_formats import FORMATS, read_rig
from rig_files import COLMAP_CAMERAS, COLMAP_IMAGES, KALIBR, NAMES, OPENCV_SINGLE, written
from rigs import mixed


def damaged(name: str, text: str, path: Path) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError) as caught:
        read_rig(path, format=name)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


class TestDamage:
    @pytest.mark.parametrize("name", NAMES)
    def test_every_truncation_is_told_or_harmless(self, name: str, tmp_path: Path, rng: np.random.Generator) -> None:
        path = written(name, tmp_path)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            whole = file.read_bytes()
            for end in sorted({0, 1, 8, *rng.integers(0, len(whole), 40).tolist()}):
                file.write_bytes(whole[:end])
                for told in (name, None):
                    try:
                        read_rig(path, format=told)
                    except RecordingError as error:
                        assert str(error).startswith(str(path))  # noqa: PT017 - most are refused, some are shorter rigs
            file.write_bytes(whole)

    @pytest.mark.parametrize("name", NAMES)
    @settings(max_examples=25, deadline=None)
    @given(place=st.integers(0, 2**30), junk=st.binary(min_size=1, max_size=12))
    def test_any_bytes_are_told_or_harmless(
        self, name: str, place: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = written(name, tmp_path_factory.mktemp("rig"))
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            whole = file.read_bytes()
            at = place % len(whole)
            file.write_bytes(whole[:at] + junk + whole[at + len(junk) :])
            try:
                read_rig(path, format=name)
            except RecordingError as error:
                assert str(error).startswith(str(path))  # noqa: PT017
            file.write_bytes(whole)

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("pinhole", "omni", "cam0.camera_model: must be pinhole; got 'omni'"),
            ("radtan", "fov", "cam0.distortion_model: must be one of radtan, equidistant, none; got 'fov'"),
            ("[458.6, 457.3, 367.2, 248.4]", "[1, 2]", r"cam0.intrinsics: must be finite numbers of shape \(4,\)"),
            ("[458.6, 457.3, 367.2, 248.4]", "[-1, 2, 3, 4]", r"cam0: matrix must be \[\[fx"),
            ("[-0.28, 0.07, 0.0002, 1.8e-05]", "[.nan, 0, 0, 0]", "cam0.distortion_coeffs: must be finite"),
            ("[0.0, 0.0, 0.0, 1.0]", "[0.0, 0.0, 0.0, 2.0]", "cam1.T_cn_cnm1: must end in the row"),
            ("[1.0, 0.0, 0.0, -0.11]", "[1.1, 0.0, 0.0, -0.11]", "/cam1/image_raw|cam1: rotation must be a rotation"),
            ("T_cn_cnm1", "T_other", "cam1.T_cn_cnm1: must be "),
            ("[752, 480]", "[752]", r"cam0: size_px must have shape \(2\)"),
            ("cam2:", "cam7:", "cameras must be named cam0, cam1, ...; got cam0, cam1, cam7"),
            ("/cam1/image_raw", "/cam0/image_raw", "camera ids must be unique"),
            ("cam0:", "cam0: &a [*a]\nb:", "is malformed|must be"),
            ("cam0:", "? [1, 2]\n: 3\ncam0:", "is malformed"),
            ("cam0:", "\tcam0:", "is malformed"),
        ],
    )
    def test_kalibr(self, old: str, new: str, words: str, tmp_path: Path) -> None:
        message = damaged("kalibr", KALIBR.replace(old, new, 1), tmp_path / "chain.yaml")
        assert re.search(words, message), message

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("cols: 3", "cols: 4", "camera_matrix: must have 12 elements; got 9"),
            ("cols: 3", "cols: -3", "camera_matrix: must have sizes and a list of data"),
            ("rows: 3", "rowz: 3", "camera_matrix: must be a matrix of rows, cols"),
            ("5.3e+02", ".inf", "camera_matrix: must be finite"),
            ("5.3e+02", "five", "camera_matrix: must be numbers"),
            ("rows: 5", "rows: 1", "distortion_coefficients: must have 1 elements; got 5"),
            ("image_width: 640", "image_width: -640", "camera_matrix: size_px must not be negative"),
            ("image_width: 640", "image_width: wide", "camera_matrix: size_px must be an array of int64"),
        ],
    )
    def test_opencv(self, old: str, new: str, words: str, tmp_path: Path) -> None:
        assert words in damaged("opencv", OPENCV_SINGLE.replace(old, new, 1), tmp_path / "a.yml")

    @pytest.mark.parametrize(
        ("name", "change", "words"),
        [
            ("Ks", {"sizes": [8, 9]}, "Ks: must have shape (V, 3, 3); got (8, 9)"),
            ("Rs", {"sizes": [72, 1]}, "Rs: must have shape (8, 3, 3); got (72, 1)"),
            ("Ts", {"sizes": [4, 3, 1], "data": [0] * 12}, "Ts: must have 24 elements for 8 cameras; got 12"),
            ("models", {"data": [2] * 8}, "distortions: must be as many a camera, and models 0 or 1"),
            ("distortions", {"rows": 1, "cols": 1, "data": [0]}, "distortions: must be as many a camera"),
            ("distortions", {"data": [1] * 112}, "camera c6: distortions of a fisheye must be 4 at most"),
            ("image_sizes", {"data": [0.5] * 16}, "image_sizes: must be whole numbers of pixels"),
            ("Ts", None, "Ts: must be a matrix"),
        ],
    )
    def test_opencv_rig(self, name: str, change: dict[str, Any] | None, words: str, tmp_path: Path) -> None:
        mixed().write(tmp_path / "rig.json", format="opencv")
        document = json.loads((tmp_path / "rig.json").read_text())
        document[name] = None if change is None else document[name] | change
        assert words in damaged("opencv", json.dumps(document), tmp_path / "rig.json")

    @pytest.mark.parametrize(
        ("file", "old", "new", "words"),
        [
            ("cameras", "PINHOLE", "FOV", "line 4: camera model must be one of SIMPLE_PINHOLE"),
            ("cameras", " 1152\n", "\n", "line 4: PINHOLE has 4 parameters; got 3"),
            ("cameras", "2560.56", "f", "line 4: must be numbers"),
            ("cameras", "2 PINHOLE 3072 2304 2560.56 2561 1536 1152", "2 PINHOLE", "line 4: must be CAMERA_ID"),
            ("cameras", "2 PINHOLE", "7 PINHOLE", "images.txt, line 4: camera 2 is not in cameras.txt"),
            ("images", "0.851773", "8.51773", "line 2: quaternion must be of unit length"),
            ("images", "0.851773", "nan", "line 2: quaternion must be of unit length"),
            ("images", " b.jpg", "", "line 4: must be IMAGE_ID"),
            ("images", "b.jpg", "a.jpg", "camera ids must be unique"),
            ("images", "3.74354", "inf", "line 2: translation_m must be finite"),
        ],
    )
    def test_colmap(self, file: str, old: str, new: str, words: str, tmp_path: Path) -> None:
        texts = {"cameras": COLMAP_CAMERAS, "images": COLMAP_IMAGES}
        texts[file] = texts[file].replace(old, new, 1)
        for name, text in texts.items():
            (tmp_path / f"{name}.txt").write_text(text)
        with pytest.raises(RecordingError) as caught:
            read_rig(tmp_path)
        assert words in str(caught.value)

    @pytest.mark.parametrize("name", ["anipose", "caliscope"])
    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("matrix", None, "matrix: is missing"),
            ("rotation", [0.0, 1.0], "rotation"),
            ("rotation", [1e300, 1e300, 0.0], "rotation must be finite"),
            ("translation", ["a", 0, 0], "translation: must be numbers"),
            ("translation", [float("inf"), 0, 0], "translation: must be finite"),
            ("distortions", [0.0, 0.0], "distortion must have 0, 4, 5, 8, 12 or 14 coefficients; got 2"),
            ("distortions", [[0.0], [1.0, 2.0]], "distortion must be an array"),
            ("size", "big", "size_px"),
        ],
    )
    def test_toml(self, name: str, field: str, value: Any, words: str, tmp_path: Path) -> None:
        tomli_w = pytest.importorskip("tomli_w")
        path = written(name, tmp_path)
        document = tomllib.loads(path.read_text())
        table = document["cam_0"] if name == "anipose" else document["cameras"]["c0"]
        if value is None:
            del table[field]
        else:
            table[field] = value
        assert words in damaged(name, tomli_w.dumps(document), path)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            *[("a.toml", text) for text in ("", "x = 1", "cameras = 3", "[a")],
            *[("a.json", text) for text in ("", "[]", "{}", "[" * 100_000, '{"cameras": {"1": {}}}')],
            *[("a.yaml", text) for text in ("", "- 1", "!!python/object:os.system {}", "{" * 5000, "x: \udcff")],
            ("a.xml", "<a/>"),
        ],
    )
    def test_what_is_no_calibration(self, name: str, text: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(RecordingError, match=name):
            read_rig(tmp_path / name)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.yaml", KALIBR.replace("cam1:", "cam0:")),
            ("a.json", '{"Ks": 1, "Ks": 2}'),
            ("a.toml", "[cam_0]\n[cam_0]"),
        ],
    )
    def test_a_key_that_comes_twice(self, name: str, text: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text(text)
        with pytest.raises(RecordingError, match=r"is malformed: (keys must be unique|Cannot declare)"):
            read_rig(tmp_path / name)

    def test_aliases(self, tmp_path: Path) -> None:
        """PyYAML writes a list that occurs twice as an alias; aliases of aliases can fill any memory."""
        shared = KALIBR.replace("[752, 480]", "&a [752, 480]", 1).replace("resolution: [752, 480]", "resolution: *a")
        (tmp_path / "chain.yaml").write_text(shared)
        assert read_rig(tmp_path / "chain.yaml")[2].size_px == (752, 480)
        bomb = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
        assert "is malformed" in damaged("kalibr", bomb + KALIBR.replace("[752, 480]", "*a11"), tmp_path / "chain.yaml")
        assert "is malformed" in damaged("kalibr", KALIBR.replace("[752, 480]", "&a [*a]"), tmp_path / "chain.yaml")

    @pytest.mark.parametrize("name", FORMATS)
    def test_a_missing_file(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="cannot be read"):
            read_rig(tmp_path / "nowhere.json", format=name)

    @pytest.mark.parametrize("unit_m", [0, -1, np.nan, np.inf])
    def test_unit(self, unit_m: float, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="unit_m"):
            read_rig(tmp_path, unit_m=unit_m)

    def test_a_huge_unit(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="translation_m must be finite"):
            read_rig(written("kalibr", tmp_path), unit_m=1e308)
