"""Calibration files: what each tool writes is read, and every format comes back."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion import Camera, CameraRig
from fusion.rig_formats import read_rig, write_rig
from rig_files import COLMAP_CAMERAS, COLMAP_IMAGES, KALIBR, NAMES, OPENCV_SINGLE, RIGS, written
from rigs import LENS, ceiling, mixed


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
