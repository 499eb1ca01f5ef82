"""Calibration files: what each tool writes is read, every format comes back, damage is told with file and field."""

import json
import re
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import Camera, CameraRig, RecordingError, rotations
from fusion.rig_formats import FORMATS, read_rig, write_rig
from rigs import FISHEYE, LENS, ceiling, mixed

NAMES = {
    "opencv": "rig.yaml",
    "colmap": "folder",
    "colmap-binary": "folder",
    "kalibr": "rig.yaml",
    "anipose": "rig.toml",
    "caliscope": "rig.toml",
}
RIGS: dict[str, Callable[[], CameraRig]] = {
    "opencv": mixed,
    "colmap": lambda: CameraRig([*ceiling(3, LENS[:8]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
    "colmap-binary": lambda: CameraRig([*ceiling(3, LENS[:5]), *renamed(ceiling(2, (), "pinhole"))]),
    "kalibr": lambda: CameraRig([*ceiling(3, LENS[:4]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
    "anipose": lambda: CameraRig([*ceiling(3, LENS[:5]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
    "caliscope": lambda: CameraRig([*ceiling(3, LENS[:12]), *renamed(ceiling(2, FISHEYE, "fisheye"))]),
}

KALIBR = """
cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.28, 0.07, 0.0002, 1.8e-05]
  distortion_model: radtan
  intrinsics: [458.6, 457.3, 367.2, 248.4]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.11]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  camera_model: pinhole
  distortion_coeffs: [0.01, 0.001, 1e-5, 0]
  distortion_model: equidistant
  intrinsics: [457.6, 456.1, 379.9, 255.2]
  resolution: [752, 480]
  rostopic: /cam1/image_raw
cam2:
  T_cn_cnm1:
  - [0.0, -1.0, 0.0, 0.5]
  - [1.0, 0.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
  camera_model: pinhole
  distortion_model: none
  intrinsics: [457, 456, 379, 255]
  resolution: [752, 480]
"""
OPENCV_SINGLE = """%YAML:1.0
---
calibration_time: "Mon 01 Jan 2024"
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.3e+02, 0., 3.2e+02, 0.,
       5.31e+02, 2.4e+02, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -2.8e-01, 9.0e-02, 5.0e-04, -4.0e-04, 0. ]
"""
COLMAP_CAMERAS = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
1 SIMPLE_RADIAL 3072 2304 2559.81 1536 1152 -0.0204997
2 PINHOLE 3072 2304 2560.56 2561 1536 1152
"""
COLMAP_IMAGES = """# Image list with two lines of data per image:
1 0.851773 0.0165051 0.503764 -0.142941 -0.737434 1.02973 3.74354 1 a.jpg
2362.39 248.498 58396 1784.7 268.254 59027
2 1 0 0 0 0 0 0 2 b.jpg

"""


def renamed(rig: CameraRig) -> list[Camera]:
    return [
        Camera(f"other{c.id}", c.matrix, c.rotation, c.translation_m, c.distortion, c.size_px, c.model) for c in rig
    ]


def written(name: str, folder: Path) -> Path:
    path = folder / NAMES[name]
    write_rig(RIGS[name](), path, format=name)
    return path


def same(a: CameraRig, b: CameraRig) -> None:
    """Equal cameras; lenses may differ in zeros at their end."""
    assert a.ids == b.ids
    for c, d in zip(a, b, strict=True):
        assert (c.model, c.size_px) == (d.model, d.size_px)
        np.testing.assert_allclose(c.matrix, d.matrix, rtol=1e-14)
        np.testing.assert_allclose(c.rotation, d.rotation, atol=1e-14)
        np.testing.assert_allclose(c.translation_m, d.translation_m, atol=1e-14)
        n = max(len(c.distortion), len(d.distortion))
        np.testing.assert_array_equal(*(np.pad(e.distortion, (0, n - len(e.distortion))) for e in (c, d)))


class TestRoundTrip:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("told", [True, False])
    def test_comes_back(self, name: str, told: bool, tmp_path: Path) -> None:
        same(read_rig(written(name, tmp_path), format=name if told else None), RIGS[name]())

    def test_opencv_json(self, tmp_path: Path) -> None:
        mixed().write(tmp_path / "rig.json", format="opencv")
        same(CameraRig.read(tmp_path / "rig.json"), mixed())

    def test_unit(self, tmp_path: Path) -> None:
        rig = read_rig(written("anipose", tmp_path), unit_m=1e-3)
        np.testing.assert_allclose(rig[0].translation_m, RIGS["anipose"]()[0].translation_m / 1000)

    @pytest.mark.parametrize("name", NAMES)
    def test_pixels_come_back(self, name: str, tmp_path: Path, rng: np.random.Generator) -> None:
        points = rng.uniform(-1, 1, (20, 3))
        rig = read_rig(written(name, tmp_path))
        np.testing.assert_allclose(rig.project(points), RIGS[name]().project(points), atol=1e-9)

    @pytest.mark.parametrize(
        ("name", "camera", "words"),
        [
            ("colmap", ceiling(1, LENS)[0], "more than the 8 coefficients"),
            ("colmap-binary", ceiling(1, (), skew=1)[0], "skew"),
            ("kalibr", ceiling(1, LENS[:5])[0], "more than the 4 coefficients"),
            ("kalibr", ceiling(1, (), skew=1)[0], "skew"),
            ("anipose", ceiling(1, LENS[:8])[0], "more than the 5 coefficients"),
            ("caliscope", ceiling(1, LENS)[0], "more than the 12 coefficients"),
            ("opencv", Camera("a,b", np.eye(3), np.eye(3), np.zeros(3)), "a comma or a mark in its id"),
            ("colmap", Camera("a b", np.eye(3), np.eye(3), np.zeros(3)), "white space in its id"),
        ],
    )
    def test_what_a_format_cannot_hold(self, name: str, camera: Camera, words: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=f"camera '{camera.id}' has .*{words}"):
            write_rig(CameraRig([camera]), tmp_path / NAMES[name], format=name)

    @pytest.mark.parametrize("name", ["", "exr", None, "nanostore"])
    def test_unknown_formats(self, name: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="format must be one"):
            write_rig(ceiling(1), tmp_path / "x", format=name)
        if name not in (None, "nanostore"):
            with pytest.raises(ValueError, match="format must be one of opencv, colmap"):
                read_rig(tmp_path / "x", format=name)


class TestTools:
    """Files as the tools write them."""

    def test_kalibr(self, tmp_path: Path) -> None:
        (tmp_path / "chain.yaml").write_text(KALIBR)
        rig = read_rig(tmp_path / "chain.yaml")
        assert rig.ids == ("/cam0/image_raw", "/cam1/image_raw", "cam2")
        assert [c.model for c in rig] == ["pinhole", "fisheye", "pinhole"]
        np.testing.assert_allclose(rig[0].distortion, [-0.28, 0.07, 0.0002, 1.8e-05])
        np.testing.assert_allclose(rig[1].translation_m, [-0.11, 0, 0])
        np.testing.assert_allclose(rig[2].translation_m, [0.5, -0.11, 0])  # the chain: T_2_1 T_1_0
        assert rig[0].size_px == (752, 480)

    def test_opencv_single(self, tmp_path: Path) -> None:
        (tmp_path / "left.yml").write_text(OPENCV_SINGLE)
        rig = read_rig(tmp_path / "left.yml")
        assert (rig.ids, rig[0].size_px) == (("left",), (640, 480))
        np.testing.assert_allclose(rig[0].matrix, [[530, 0, 320], [0, 531, 240], [0, 0, 1]])
        np.testing.assert_allclose(rig[0].distortion, (*LENS[:4], 0))

    def test_colmap(self, tmp_path: Path) -> None:
        (tmp_path / "cameras.txt").write_text(COLMAP_CAMERAS)
        (tmp_path / "images.txt").write_text(COLMAP_IMAGES)
        rig = read_rig(tmp_path)
        assert rig.ids == ("a.jpg", "b.jpg")
        np.testing.assert_allclose(rig[0].matrix, [[2559.81, 0, 1535.5], [0, 2559.81, 1151.5], [0, 0, 1]])
        np.testing.assert_allclose(rig[0].distortion, [-0.0204997, 0, 0, 0])
        np.testing.assert_allclose(rig[1].rotation, np.eye(3))
        np.testing.assert_allclose(rig[0].translation_m, [-0.737434, 1.02973, 3.74354])

    def test_caliscope_and_its_real_board(self, data: Path) -> None:
        rig = read_rig(data / "multiview" / "charuco_4cam" / "camera_array.toml")
        assert rig.ids == ("0", "1", "2", "3")
        assert {c.size_px for c in rig} == {(1280, 720)}

    def test_nanostore(self, data: Path) -> None:
        rig = read_rig(data / "nanostore" / "store_meta" / "calibration.json")
        assert len(rig) == 22  # 12 in colour, 5 with both colour and depth
        assert all(0 < c.center_m[2] < 4 for c in rig)

    def test_opencv_reads_what_is_written(self, tmp_path: Path) -> None:
        cv2 = pytest.importorskip("cv2")
        for name in ("rig.yaml", "rig.json"):
            mixed().write(tmp_path / name, format="opencv")
            storage = cv2.FileStorage(str(tmp_path / name), cv2.FILE_STORAGE_READ)
            np.testing.assert_array_equal(storage.getNode("Ks").mat(), [c.matrix for c in mixed()])
            np.testing.assert_array_equal(storage.getNode("Ts").mat()[..., 0], [c.translation_m for c in mixed()])
            assert storage.getNode("cam_ids").string() == ",".join(mixed().ids)
            storage.release()

    def test_colmap_reads_what_is_written(self, tmp_path: Path) -> None:
        pycolmap = pytest.importorskip("pycolmap")
        for name in ("colmap", "colmap-binary"):
            folder = tmp_path / name
            RIGS[name]().write(folder, format=name)
            suffix = "txt" if name == "colmap" else "bin"
            empty = b"" if name == "colmap" else struct.pack("<Q", 0)
            (folder / f"points3D.{suffix}").write_bytes(empty)
            own = pycolmap.Reconstruction(folder)
            for image in own.images.values():
                camera = next(c for c in RIGS[name]() if c.id == image.name)
                pose = image.cam_from_world()
                np.testing.assert_allclose(pose.matrix()[:, :3], camera.rotation, atol=1e-14)
                point = np.array([[0.3, -0.2, 0.5]])
                seen = own.cameras[image.camera_id].img_from_cam(pose * point)
                expected = CameraRig([camera]).project(point)[0, 0] + 0.5
                np.testing.assert_allclose(np.ravel(seen), expected, atol=1e-9)


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


class TestRotations:
    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.sampled_from([0.0, 1e-9, 1e-3, 1.0, np.pi - 1e-7, np.pi])
    )
    def test_vector_and_quaternion_come_back(self, axis: list[float], angle: float) -> None:
        length = np.linalg.norm(axis)
        vector = np.array(axis) / length * angle if length > 1e-3 else np.zeros(3)
        rotation = rotations.from_vector(vector)
        np.testing.assert_allclose(rotations.from_vector(rotations.to_vector(rotation)), rotation, atol=1e-14)
        quaternion = rotations.to_quaternion(rotation)
        np.testing.assert_allclose(rotations.from_quaternion(quaternion), rotation, atol=1e-14)
        if 0 < angle < 3:
            np.testing.assert_allclose(rotations.to_vector(rotation), vector, atol=1e-14)
