"""Calibration: truth within its covariance, outliers, what cannot be calibrated, files, images, real boards."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from boards import BOARD, FISHEYE, LENS, around, standardised, wave
from fusion import CameraRig, RecordingError, rotations
from fusion.calibration import (
    BoardObservations,
    Calibration,
    board_residuals_m,
    calibrate,
    charuco_corners,
    detect_corners,
    read_observations,
)
from fusion.calibration.bundle import Bundle, State
from fusion.calibration.lens import Lens

cv2 = pytest.importorskip("cv2")


def free(result: Calibration) -> NDArray[np.bool_]:
    return np.asarray(np.diag(result.covariance) > 0)


def moved(rng: np.random.Generator, seen: BoardObservations, share: float) -> tuple[BoardObservations, Any]:
    """Move a share of the corners by 10 to 200 px; return which."""
    wrong = rng.random(len(seen.px)) < share
    angle, length = rng.uniform(0, 2 * np.pi, wrong.sum()), rng.uniform(10, 200, wrong.sum())
    px = seen.px.copy()
    px[wrong] += np.column_stack([np.cos(angle), np.sin(angle)]) * length[:, None]
    return replace(seen, px=px), wrong


class TestDerivatives:
    @pytest.mark.parametrize(("model", "count"), [("pinhole", 0), ("pinhole", 5), ("pinhole", 14), ("fisheye", 4)])
    def test_are_those_of_finite_differences(self, model: str, count: int, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 3)
        bundle = Bundle(seen)
        turns = np.array([rotations.from_vector(rng.normal(0, 0.1, 3)) for _ in range(5)])
        lenses = tuple(Lens(np.r_[900, 905, 640, 360, rng.normal(0, 0.02, count)], model) for _ in range(2))
        state = State(lenses, turns[:2], rng.normal([0, 0, 3], 0.1, (2, 3)), turns[2:], rng.normal(0, 0.1, (3, 3)))
        at = bundle.linearise(state)
        q = 10 + count
        for k in range(q + 6):
            steps = np.zeros((2, 2, q)), np.zeros((2, 3, 6))
            h = 1e-4 if k < 4 else 1e-6
            if k < q:
                steps[0][:, :, k] = np.array([[h], [-h]])
                told = at.by_camera[:, :, k]
            else:
                steps[1][:, :, k - q] = np.array([[h], [-h]])
                told = at.by_board[:, :, k - q]
            up, down = (bundle.linearise(state.moved(c, b)).residual_px for c, b in zip(*steps, strict=True))
            np.testing.assert_allclose((up - down) / (2 * h), told, atol=2e-5 * max(np.abs(told).max(), 1))


class TestTruth:
    @pytest.mark.parametrize(
        ("lens", "model"), [((), "pinhole"), (LENS[:4], "pinhole"), (LENS, "pinhole"), (FISHEYE, "fisheye")]
    )
    def test_without_noise_it_is_found(self, lens: tuple[float, ...], model: str, rng: np.random.Generator) -> None:
        rig = around(3, lens, model)
        result = calibrate(wave(rng, rig, 8, noise_px=0)[0], model=model, distortion=len(lens))
        assert np.abs(standardised(rig, result.rig)[:, :4]).max() < 1e-3
        assert np.abs(standardised(rig, result.rig)[:, 4:]).max() < 1e-5
        assert result.rms_px < 1e-5
        assert result.board_rms_m < 1e-7
        assert result.inliers.all()

    def test_errors_are_those_that_the_covariance_tells(self) -> None:
        """Over twelve rigs: normalised errors squared average one, and 3 sigma hold at their nominal rate."""
        errors, nees = [], []
        for seed in range(12):
            rig = around(3, LENS[:4])
            result = calibrate(wave(np.random.default_rng(seed), rig, 10)[0], distortion=4)
            ok = free(result)
            error = standardised(rig, result.rig).ravel()[ok]
            errors.append(error / np.sqrt(np.diag(result.covariance))[ok])
            nees.append(error @ np.linalg.solve(result.covariance[np.ix_(ok, ok)], error) / ok.sum())
            for fit in result.cameras:
                assert fit.noise_px == pytest.approx(0.3, rel=0.1)
                assert fit.within_px == pytest.approx(0.3, rel=0.1)
                assert fit.rms_px == pytest.approx(0.3 * np.sqrt(2), rel=0.1)
        assert np.mean(nees) == pytest.approx(1, abs=0.25)
        assert (np.abs(np.concatenate(errors)) < 3).mean() > 0.985

    def test_each_camera_has_its_own_noise(self, rng: np.random.Generator) -> None:
        rig = around(3)
        seen, _ = wave(rng, rig, 12, noise_px=0.2)
        px = seen.px + (seen.camera == 2)[:, None] * rng.normal(0, 1.5, seen.px.shape)
        result = calibrate(replace(seen, px=px))
        assert [fit.noise_px for fit in result.cameras] == pytest.approx([0.2, 0.2, 1.51], rel=0.12)

    @pytest.mark.parametrize("share", [0.05, 0.2])
    def test_outliers_change_little(self, share: float, rng: np.random.Generator) -> None:
        rig = around(3)
        seen, _ = wave(rng, rig, 12)
        bad, wrong = moved(rng, seen, share)
        result, clean = calibrate(bad), calibrate(replace(seen).subset(~wrong))
        assert not (result.inliers & wrong).any()
        assert (~result.inliers & ~wrong).sum() <= 2
        assert sum(fit.outliers for fit in result.cameras) == (~result.inliers).sum()
        ok = free(clean)
        difference = (standardised(rig, result.rig) - standardised(rig, clean.rig)).ravel()[ok]
        assert (np.abs(difference) < 0.5 * np.sqrt(np.diag(clean.covariance))[ok]).all()

    def test_the_board_of_a_view_can_be_the_world(self, rng: np.random.Generator) -> None:
        rig = around(3)
        seen, poses = wave(rng, rig, 8, noise_px=0)
        result = calibrate(seen, world_view=5)
        for true, told in zip(rig, result.rig, strict=True):
            np.testing.assert_allclose(told.rotation, true.rotation @ poses[5, :3, :3], atol=1e-5)
            np.testing.assert_allclose(
                told.translation_m, true.rotation @ poses[5, :3, 3] + true.translation_m, atol=1e-5
            )
        np.testing.assert_allclose(result.views[5].rotation, np.eye(3), atol=1e-12)
        assert free(result).all()

    def test_order_of_rows_and_labels_of_views_do_not_matter(self, rng: np.random.Generator) -> None:
        """Nor does the run: OpenCV's threads would add up in any order."""
        seen, _ = wave(rng, around(2), 6)
        order = rng.permutation(len(seen.px))
        shuffled = replace(
            seen, camera=seen.camera[order], view=seen.view[order] * 7 - 3, corner=seen.corner[order], px=seen.px[order]
        )
        a, b = calibrate(seen), calibrate(shuffled)
        np.testing.assert_array_equal(a.covariance, b.covariance)
        np.testing.assert_array_equal(a.inliers[order], b.inliers)
        assert [view.view for view in b.views] == [-3, 4, 11, 18, 25, 32]

    def test_unknown_sizes_cost_nothing(self, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 10)
        a, b = calibrate(seen), calibrate(replace(seen, sizes_px=np.zeros((0, 2), int)))
        np.testing.assert_allclose(a.rig[1].matrix, b.rig[1].matrix, atol=1e-2)
        assert b.rig[1].size_px == (0, 0)

    def test_a_camera_out_of_step_is_told(self, rng: np.random.Generator) -> None:
        """Its board moved by a centimetre in each view: the noise within its views stays nearly what it was."""
        rig = around(3)
        seen, poses = wave(rng, rig, 12, noise_px=0.2)
        px = seen.px.copy()
        for w, pose in enumerate(poses):
            later = rig.project(BOARD @ pose[:3, :3].T + pose[:3, 3] + rng.normal(0, 0.01, 3))[:, 2]
            mine = (seen.view == w) & (seen.camera == 2)
            px[mine] = later[seen.corner[mine]] + rng.normal(0, 0.2, (mine.sum(), 2))
        fits = calibrate(replace(seen, px=px)).cameras
        assert fits[2].noise_px > 5 * fits[2].within_px
        assert fits[2].within_px < 0.6
        assert fits[0].noise_px < 2 * fits[0].within_px


class TestRefused:
    def test_too_few_views(self, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 6)
        few = seen.subset((seen.camera == 0) | (seen.view < 2))
        with pytest.raises(ValueError, match=r"camera 'c1' needs at least 3 views .*; got 2"):
            calibrate(few)

    def test_a_camera_that_saw_nothing(self, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 6)
        with pytest.raises(ValueError, match=r"camera 'c1' needs at least 3 views .*; got 0"):
            calibrate(seen.subset(seen.camera == 0))

    def test_corners_on_a_line(self, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(1), 6)
        with pytest.raises(ValueError, match=r"camera 'c0' needs .* not on one line; got 0"):
            calibrate(seen.subset(seen.corner < 7))

    @pytest.mark.parametrize("noise_px", [0.0, 0.3])
    def test_parallel_views(self, noise_px: float, rng: np.random.Generator) -> None:
        """A board that only moves, without turning, fits every focal length at another distance."""
        K, rows = around(1)[0].matrix, []
        for _ in range(8):
            xyz = BOARD - BOARD.mean(axis=0) + rng.uniform([-0.5, -0.3, 2], [0.5, 0.3, 3])
            rows.append((xyz / xyz[:, 2:]) @ K.T + rng.normal(0, noise_px, xyz.shape))
        n = len(BOARD)
        px = np.concatenate(rows)[:, :2]
        flat = BoardObservations(
            ["c0"], np.zeros(8 * n, int), np.repeat(np.arange(8), n), np.tile(np.arange(n), 8), px, BOARD
        )
        with pytest.raises(ValueError, match=r"camera 'c0': its views of the board do not determine its .*tilted"):
            calibrate(flat, distortion=0)

    def test_cameras_that_share_no_view(self, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(3), 12)
        apart = seen.subset((seen.camera == 2) == (seen.view >= 6))
        with pytest.raises(ValueError, match=r"share none: c0, c1 \| c2"):
            calibrate(apart)

    def test_views_that_no_camera_saw_well_are_counted(self, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(2), 8)
        result = calibrate(seen.subset((seen.view > 0) | (seen.corner < 4)))
        assert result.unused == 8
        assert len(result.views) == 7
        assert (~result.inliers).sum() == 8

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"model": "mirror"}, ValueError, "model must be one of pinhole, fisheye; got 'mirror'"),
            ({"distortion": 3}, ValueError, "distortion must be one of 0, 4, 5, 8, 12, 14 for a pinhole; got 3"),
            ({"distortion": True}, ValueError, "distortion"),
            ({"model": "fisheye", "distortion": 5}, ValueError, "one of 0, 4 for a fisheye"),
            ({"rejection": 0}, ValueError, "rejection"),
            ({"rejection": np.nan}, ValueError, "rejection"),
            ({"world_view": 77}, ValueError, "world_view must be a view .*; got 77"),
            ({"world_view": "a"}, TypeError, "world_view must be an integer"),
        ],
    )
    def test_options(self, options: Any, error: type[Exception], words: str, rng: np.random.Generator) -> None:
        seen, _ = wave(rng, around(1), 4)
        with pytest.raises(error, match=words):
            calibrate(seen, **options)

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"cameras": ["a", "a"]}, ValueError, "cameras must be unique; 'a' comes twice"),
            ({"cameras": []}, ValueError, r"camera must lie in \[0, 0\)"),
            ({"camera": [0, 2, 1]}, ValueError, r"camera must lie in \[0, 2\); got 0 to 2"),
            ({"corner": [0, 1, -1]}, ValueError, r"corner must lie in \[0, 35\)"),
            ({"view": [0, 1]}, ValueError, r"view must have shape \(3\)"),
            ({"px": [[0, 0], [1, np.nan], [1, 1]]}, ValueError, "px must be finite"),
            ({"px": "corners"}, TypeError, "px"),
            (
                {"camera": [0, 0, 1], "corner": [4, 4, 4]},
                ValueError,
                "camera 'a' must see a corner once; twice 4 in view 0",
            ),
            ({"board_m": BOARD + 1}, ValueError, "board_m must lie in the plane z = 0"),
            ({"sizes_px": [[1, 2]]}, ValueError, "sizes_px must have shape"),
            ({"sizes_px": [[1, 2], [-1, 0]]}, ValueError, "sizes_px must not be negative"),
        ],
    )
    def test_observations(self, changes: Any, error: type[Exception], words: str) -> None:
        good: dict[str, Any] = {
            "cameras": ["a", "b"],
            "camera": [0, 1, 1],
            "view": [0, 0, 0],
            "corner": [1, 1, 2],
            "px": np.zeros((3, 2)),
            "board_m": BOARD,
        }
        BoardObservations(**good)
        with pytest.raises(error, match=words):
            BoardObservations(**good | changes)

    @pytest.mark.parametrize("arguments", [(2, 5, 0.1), (5, 2, 0.1), (5, 5, 0), (5, 5, np.nan), (10**9, 5, 0.1)])
    def test_boards(self, arguments: tuple[int, int, float]) -> None:
        with pytest.raises(ValueError, match=r"columns|rows|square_m"):
            charuco_corners(*arguments)

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_nonsense_is_an_error_or_a_rig(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 90))
        keys = np.unique(rng.integers(0, [2, 4, 35], (count, 3)), axis=0)
        px = rng.normal(0, 10.0 ** rng.integers(-3, 12), (len(keys), 2))
        seen = BoardObservations(["a", "b"], keys[:, 0], keys[:, 1], keys[:, 2], px, BOARD)
        with contextlib.suppress(ValueError):
            assert np.isfinite(calibrate(seen).covariance).all()


class TestRealBoards:
    def test_from_corners_alone_the_board_keeps_its_geometry(self, data: Path) -> None:
        """Within 5 % of the calibration that comes with the data (1.27 mm), which other views of the board made."""
        folder = data / "multiview" / "charuco_4cam"
        seen = read_observations(folder)
        given_rig = CameraRig.read(folder / "camera_array.toml").subset(seen.cameras)
        result = calibrate(seen)
        theirs, ours = (np.sqrt((board_residuals_m(r, seen, 2.0) ** 2).mean()) for r in (given_rig, result.rig))
        assert 1.2e-3 < theirs < 1.37e-3
        assert ours < 1.05 * theirs
        assert result.board_rms_m < 1.05 * theirs
        assert result.unused == 0

    def test_views_that_it_did_not_see(self, data: Path) -> None:
        seen = read_observations(data / "multiview" / "charuco_4cam")
        odd = np.isin(seen.view, np.unique(seen.view)[1::2])
        result = calibrate(seen.subset(~odd), distortion=4)
        assert np.sqrt((board_residuals_m(result.rig, seen.subset(odd), 2.0) ** 2).mean()) < 1.05 * 1.37e-3


class TestImages:
    def test_corners_are_where_they_were_drawn(self, tmp_path: Path) -> None:
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        image = cv2.aruco.CharucoBoard((6, 5), 0.1, 0.07, dictionary).generateImage((600, 500), marginSize=0)
        warps = {}
        for camera, tilt in (("left", 0.0), ("right", 1e-4)):
            (tmp_path / camera).mkdir()
            for view in (3, 12):
                H = np.array([[0.8, 0.01 * view, 100], [0.05, 0.7, 80], [tilt, 0, 1]])
                warps[camera, view] = H
                picture = cv2.warpPerspective(image, H, (800, 600), borderValue=255)
                cv2.imwrite(str(tmp_path / camera / f"frame_{view:03}.png"), picture)
        seen = detect_corners(tmp_path, 6, 5, 0.1, 0.07, "DICT_4X4_50")
        assert seen.cameras == ("left", "right")
        assert len(seen.px) == 4 * 20
        assert seen.sizes_px.tolist() == [[800, 600]] * 2
        for camera, view, corner, px in zip(seen.camera, seen.view, seen.corner, seen.px, strict=True):
            x, y, w = warps[seen.cameras[camera], int(view)] @ [*(seen.board_m[corner, :2] * 1000 - 0.5), 1]
            np.testing.assert_allclose(px, [x / w, y / w], atol=0.3)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((6, 5, 0.1, 0.2, "DICT_4X4_50"), "marker_m must be less than square_m"),
            ((6, 5, 0.1, 0.07, "DICT_9"), "dictionary must be one of OpenCV's"),
            ((60, 50, 0.1, 0.07, "DICT_4X4_50"), "dictionary must have the board's 1500 markers; DICT_4X4_50 has 50"),
            ((6, 5, 0.1, 0.07, "DICT_4X4_50"), "must hold a folder of images for each camera"),
        ],
    )
    def test_bad_arguments(self, arguments: Any, words: str, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=words):
            detect_corners(tmp_path, *arguments)

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (["a/x1.png"], "is no image that OpenCV reads"),
            (["a/one.png"], "must have a name that ends in the number of its view"),
            (["a/x1.png", "a/y01.png"], "has the number of x1.png: 1"),
        ],
    )
    def test_bad_images(self, names: list[str], words: str, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        for name in names:
            (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(RecordingError, match=words):
            detect_corners(tmp_path, 6, 5, 0.1, 0.07, "DICT_4X4_50")

    def test_pictures_without_a_board(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        cv2.imwrite(str(tmp_path / "a" / "1.png"), np.full((60, 80), 255, np.uint8))
        with pytest.raises(RecordingError, match="shows no corner of the board"):
            detect_corners(tmp_path, 6, 5, 0.1, 0.07, "DICT_4X4_50")
        cv2.imwrite(str(tmp_path / "a" / "2.png"), np.full((80, 60), 255, np.uint8))
        with pytest.raises(RecordingError, match="must be of 80 x 60 pixels"):
            detect_corners(tmp_path, 6, 5, 0.1, 0.07, "DICT_4X4_50")
