"""Triangulation: known answers, the Cramer-Rao bound, degenerate and hostile input, backends, real boards."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion import Camera, CameraRig, Status, project, triangulate, undistort
from rigs import LENS, ceiling, people


def board(folder: Path) -> tuple[CameraRig, NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Cameras, pixels (N, 4, 2), the corners' places on the board (N, 3) and the frame of each corner."""
    cameras = CameraRig.read(folder / "camera_array.toml")
    index = {camera.id: i for i, camera in enumerate(cameras)}
    seen: dict[tuple[int, int], NDArray[np.float64]] = {}
    place: dict[tuple[int, int], list[float]] = {}
    with (folder / "xy_CHARUCO.csv").open() as file:
        for row in csv.DictReader(file):
            key = int(row["sync_index"]), int(row["keypoint_id"])
            px = seen.setdefault(key, np.full((len(cameras), 2), np.nan))
            px[index[row["cam_id"]]] = float(row["img_loc_x"]), float(row["img_loc_y"])
            place[key] = [float(row[f"obj_loc_{axis}"]) for axis in "xyz"]
    keys = sorted(seen)
    return (
        cameras,
        np.array([seen[k] for k in keys]),
        np.array([place[k] for k in keys]),
        np.array([k[0] for k in keys]),
    )


def rigid_residuals(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances that remain after the best rotation and translation of `a` onto `b` (Kabsch 1976)."""
    a, b = a - a.mean(0), b - b.mean(0)
    u, _, vt = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    return np.asarray(np.linalg.norm(a @ turn - b, axis=1))


class TestKnownAnswers:
    def test_two_cameras_side_by_side(self) -> None:
        """Depth from disparity: z = f b / d; sigma_z = z^2 sigma sqrt(2) / (f b)."""
        matrix = np.diag([1000.0, 1000.0, 1.0])
        cameras = [Camera(str(x), matrix, np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
        result = triangulate(cameras, [[[50, 0], [-50, 0]]], 2.0)
        np.testing.assert_allclose(result.xyz_m, [[0, 0, 10]], atol=1e-12)
        assert np.sqrt(result.covariance_m2[0, 2, 2]) == pytest.approx(10**2 * 2 / np.sqrt(2) / 1000 * 2, rel=3e-3)
        assert result.parallax_rad[0] == pytest.approx(2 * np.arctan(0.05), rel=1e-12)
        assert (result.views[0], result.status[0]) == (2, Status.OK)
        assert result.rms_px[0] < 1e-9

    def test_rms_is_the_distance_that_no_point_can_explain(self) -> None:
        """Both images moved apart by 3 px across the baseline: each keeps 3 px."""
        matrix = np.diag([1000.0, 1000.0, 1.0])
        cameras = [Camera(str(x), matrix, np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
        result = triangulate(cameras, [[[50, 3], [-50, -3]]], 1.0)
        assert result.rms_px[0] == pytest.approx(3, abs=1e-6)
        assert result.status[0] == Status.LARGE_RESIDUAL
        assert triangulate(cameras, [[[50, 3], [-50, -3]]], 3.0).status[0] == Status.OK

    @pytest.mark.parametrize("distortion", [(), LENS[:4], LENS[:5], (0.3, 0.1, 0.001, -0.001, 0.01, 0.5, 0.1, 0.02)])
    def test_exact_images_give_exact_points(self, distortion: tuple[float, ...], rng: np.random.Generator) -> None:
        cameras, points = ceiling(8, distortion), people(rng, 300)
        result = triangulate(cameras, project(cameras, points))
        np.testing.assert_allclose(result.xyz_m, points, atol=1e-12)
        assert not result.status.any()
        assert (result.views == 8).all()
        assert result.rms_px.max() < 1e-9

    def test_a_far_origin_costs_no_digits(self, rng: np.random.Generator) -> None:
        points = people(rng, 50)
        px = project(ceiling(4), points)
        np.testing.assert_allclose(triangulate(ceiling(4, shift_m=1e5), px).xyz_m - 1e5, points, atol=1e-8)

    def test_projection_is_the_pinhole_formula(self) -> None:
        camera = Camera("a", np.array([[800, 2, 300], [0, 700, 200], [0, 0, 1.0]]), np.eye(3), np.array([0, 0, 1.0]))
        np.testing.assert_allclose(project([camera], [[1, 2, 3]]), [[[800 / 4 + 2 * 2 / 4 + 300, 700 * 2 / 4 + 200]]])

    def test_nothing_is_seen_behind_a_camera_or_beyond_the_fold(self) -> None:
        camera = Camera("a", np.diag([800, 800, 1.0]), np.eye(3), np.zeros(3), np.array([-0.3, 0, 0, 0]))
        fold = np.sqrt(1 / 0.9)  # of r (1 - 0.3 r^2)
        px = project([camera], [[0, 0, -1], [0, 0, 0], [fold * 1.001, 0, 1], [fold * 0.999, 0, 1]])
        assert np.isnan(px[:3]).all()
        assert np.isfinite(px[3]).all()
        assert np.isnan(undistort(camera, [[800 * fold, 0]])).all()

    def test_missing_views_are_left_out(self, rng: np.random.Generator) -> None:
        cameras, points = ceiling(4), people(rng, 5)
        px, sigma = project(cameras, points), np.ones((5, 4))
        px[0, 1] = np.nan
        px[1, 2, 1] = np.inf
        sigma[2, 3], sigma[3, 0], sigma[4, :3] = 0, -1, (np.nan, np.inf, -np.inf)
        result = triangulate(cameras, px, sigma)
        np.testing.assert_array_equal(result.views, [3, 3, 3, 3, 1])
        np.testing.assert_array_equal(result.status, [0, 0, 0, 0, Status.TOO_FEW_VIEWS])
        np.testing.assert_allclose(result.xyz_m[:4], points[:4], atol=1e-12)
        assert np.isnan(result.xyz_m[4]).all()
        assert np.isnan(result.covariance_m2[4]).all()
        assert np.isnan([result.rms_px[4], result.parallax_rad[4]]).all()


class TestStatistics:
    @pytest.mark.parametrize("count", [2, 4, 8])
    def test_errors_reach_the_bound_and_match_the_covariance(self, count: int, rng: np.random.Generator) -> None:
        cameras, points = ceiling(8)[:: {2: 3, 4: 2, 8: 1}[count]][:count], people(rng, 20_000)
        px = project(cameras, points)
        bound = np.trace(triangulate(cameras, px).covariance_m2, axis1=1, axis2=2)
        result = triangulate(cameras, px + rng.normal(size=px.shape))
        error = result.xyz_m - points
        assert np.sqrt((error**2).sum() / bound.sum()) == pytest.approx(1, abs=0.01)
        nees = np.einsum("ni,nij,nj->n", error, np.linalg.inv(result.covariance_m2), error)
        assert nees.mean() == pytest.approx(3, abs=0.1)
        assert (result.status == Status.LARGE_RESIDUAL).mean() == pytest.approx(0.001, abs=0.0007)

    def test_each_image_weighs_by_its_own_sigma(self, rng: np.random.Generator) -> None:
        cameras, points = ceiling(4), people(rng, 20_000)
        sigma = rng.uniform(0.3, 15, (len(points), 4))
        px = project(cameras, points)
        bound = np.trace(triangulate(cameras, px, sigma).covariance_m2, axis1=1, axis2=2)
        error = triangulate(cameras, px + sigma[..., None] * rng.normal(size=px.shape), sigma).xyz_m - points
        assert np.mean((error**2).sum(1) / bound) == pytest.approx(1, abs=0.03)

    def test_the_result_is_the_least_reprojection_error(self, rng: np.random.Generator) -> None:
        optimize = pytest.importorskip("scipy.optimize")
        cameras, points = ceiling(5), people(rng, 20)
        px = project(cameras, points) + rng.normal(size=(20, 5, 2))
        result = triangulate(cameras, px)
        for i, start in enumerate(result.xyz_m):
            best = optimize.least_squares(lambda x, i=i: (project(cameras, [x])[0] - px[i]).ravel(), start, xtol=1e-14)
            deviation = np.sqrt(np.diag(result.covariance_m2[i]))
            assert (np.abs(best.x - start) < 0.01 * deviation).all()
            rms = np.sqrt((best.fun**2).sum() / 5)
            assert result.rms_px[i] == pytest.approx(rms, rel=0.01)
            np.testing.assert_allclose(
                result.covariance_m2[i], np.linalg.inv(best.jac.T @ best.jac), rtol=0.05, atol=1e-8
            )


class TestDegenerate:
    def test_diverging_rays_meet_behind_the_cameras(self) -> None:
        cameras = [Camera(str(x), np.diag([1000, 1000, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
        result = triangulate(cameras, [[[-50, 0], [50, 0]]])
        assert result.status[0] == Status.BEHIND_CAMERA
        assert np.isnan(result.xyz_m).all()

    def test_parallel_rays_fix_nothing(self) -> None:
        cameras = [Camera(str(x), np.diag([1000, 1000, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
        result = triangulate(cameras, [[[7, 9], [7, 9]]])
        assert result.status[0] == Status.SMALL_PARALLAX
        assert np.isnan(result.xyz_m).all()

    def test_parallax_within_the_noise_is_told(self) -> None:
        """Disparity of 10 px: with sigma 1 px the depth is known to 14 %, with 3 px to 42 %."""
        cameras = [Camera(str(x), np.diag([1000, 1000, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
        assert triangulate(cameras, [[[5, 0], [-5, 0]]], 1.0).status[0] == Status.OK
        assert triangulate(cameras, [[[5, 0], [-5, 0]]], 3.0).status[0] == Status.SMALL_PARALLAX

    def test_a_linear_start_far_too_near_is_overcome(self) -> None:
        """Images 1 px off the baseline's plane pull the linear start towards the cameras, 10**6 times too near."""
        cameras = [Camera(str(x), np.diag([1000, 1000, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
        result = triangulate(cameras, [[[5e-7, 1], [-5e-7, -1]]])
        assert result.status[0] == Status.SMALL_PARALLAX
        assert result.xyz_m[0, 2] > 1e5

    def test_unrelated_images_are_told(self, rng: np.random.Generator) -> None:
        """Nothing fits: no point passes, and the few for which the iterations end are marked."""
        cameras = ceiling(8)[:3]
        status = triangulate(cameras, rng.uniform([0, 0], [1920, 1080], (20_000, 3, 2))).status
        assert (status != Status.OK).mean() > 0.999
        unfinished = status & Status.NOT_CONVERGED > 0
        assert 0 < unfinished.mean() < 0.01
        assert (status[unfinished] & Status.LARGE_RESIDUAL).all()

    def test_a_camera_given_twice_is_one_camera(self, rng: np.random.Generator) -> None:
        camera = ceiling(1)[0]
        px = np.repeat(project([camera], people(rng, 200)), 2, axis=1)
        assert triangulate([camera, camera], px).status.all()
        assert triangulate([camera, camera], px + rng.normal(size=px.shape)).status.all()

    def test_a_point_on_the_baseline_is_not_fixed(self) -> None:
        cameras = [
            Camera("a", np.diag([1000, 1000, 1.0]), np.eye(3), np.zeros(3)),
            Camera("b", np.diag([1000, 1000, 1.0]), np.diag([1.0, -1, -1]), np.array([0, 0, 10.0])),
        ]
        result = triangulate(cameras, [[[0, 0], [0, 0]], [[0.1, 0.2], [0.1, 0]]])
        assert (result.status & Status.SMALL_PARALLAX).all()

    def test_a_pixel_beyond_the_lens_is_left_out_and_told(self, rng: np.random.Generator) -> None:
        cameras, points = ceiling(3, (-0.3, 0.0, 0.0, 0.0)), people(rng, 1)
        px = project(cameras, points)
        px[0, 0] = 1e4
        result = triangulate(cameras, px)
        assert (result.status[0], result.views[0]) == (Status.BEYOND_LENS, 2)
        np.testing.assert_allclose(result.xyz_m, points, atol=1e-12)


class TestProperties:
    @settings(max_examples=60, deadline=None)
    @given(
        st.tuples(
            st.floats(-0.35, 0.35), st.floats(-0.1, 0.1), *[st.floats(-0.002, 0.002)] * 2, st.floats(-0.02, 0.02)
        ),
        st.lists(st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8)), min_size=1, max_size=20),
    )
    def test_undistortion_inverts_the_projection(self, lens: tuple[float, ...], xy: list[tuple[float, float]]) -> None:
        camera = Camera(
            "a", np.array([[900, 1, 960], [0, 880, 540], [0, 0, 1.0]]), np.eye(3), np.zeros(3), np.array(lens)
        )
        px = project([camera], [[x, y, 1] for x, y in xy])[:, 0]
        seen = np.isfinite(px[:, 0]) & (np.hypot(*np.transpose(xy)) < 0.8)
        np.testing.assert_allclose(undistort(camera, px)[seen], np.asarray(xy)[seen], atol=1e-11)

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(2, 8))
    def test_order_of_the_cameras_and_batches_do_not_matter(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        cameras = ceiling(count)
        px = project(cameras, people(rng, 20)) + rng.normal(size=(20, count, 2))
        px[rng.random((20, count)) < 0.1] = np.nan
        whole = triangulate(cameras, px)
        cut = int(rng.integers(0, 21))
        parts = triangulate(cameras, px[:cut]), triangulate(cameras, px[cut:])
        for name in whole.__slots__:
            joined = np.concatenate([getattr(p, name) for p in parts])
            np.testing.assert_array_equal(getattr(whole, name), joined, strict=True)
        order = rng.permutation(count)
        permuted = triangulate([cameras[i] for i in order], px[:, order])
        np.testing.assert_array_equal(permuted.status, whole.status)
        np.testing.assert_allclose(permuted.xyz_m, whole.xyz_m, atol=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.floats(width=64), min_size=8, max_size=8), st.floats(width=64))
    def test_any_numbers_give_a_status_and_no_crash(self, numbers: list[float], sigma: float) -> None:
        result = triangulate(ceiling(4), np.reshape(numbers, (1, 4, 2)), np.full((1, 4), sigma))
        finite = [np.isfinite(getattr(result, name)).all() for name in ("xyz_m", "covariance_m2", "parallax_rad")]
        assert all(finite) or result.status[0] & 7
        assert np.isfinite(result.rms_px[0]) or result.status[0] & (7 | Status.LARGE_RESIDUAL)


def awkward(
    rng: np.random.Generator, count: int
) -> tuple[tuple[Camera, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Cameras, pixels and sigmas: noise, outliers, missing, infinite, huge, parallel and near points."""
    lens = (0.2 * rng.normal(), 0.05 * rng.normal(), *(0.001 * rng.normal(size=2)), *(0.05 * rng.normal(size=4)))
    cameras = ceiling(max(count, 1), lens[: int(rng.choice([0, 4, 5, 8]))])[:count]
    points = rng.uniform(-6, 6, (40, 3)) * rng.choice([0.3, 1.0, 1e3], (40, 1))
    px = project(cameras, points)
    px += rng.choice([0, 1, 20, 500], (40, 1, 1)) * rng.normal(size=px.shape)
    sigma = rng.uniform(0.2, 20, (40, count))
    for value in (np.nan, np.inf, -np.inf, 1e300, 0.0):
        px[rng.random((40, count)) < 0.03] = value
        sigma[rng.random((40, count)) < 0.03] = value
    px[0] = 960, 540  # every camera's axis: they meet in the origin
    return cameras, px, sigma


class TestBackends:
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
    def test_triangulation_agrees_to_the_bit(self, count: int, rng: np.random.Generator) -> None:
        cameras, px, sigma = awkward(rng, count)

        def call() -> list[NDArray[np.generic]]:
            result = triangulate(cameras, px, sigma)
            return [getattr(result, name) for name in result.__slots__]

        agree(call)

    def test_one_camera_twice_agrees_to_the_bit(self, rng: np.random.Generator) -> None:
        camera = ceiling(1)[0]
        px = np.repeat(project([camera], people(rng, 40)), 2, axis=1) + rng.normal(size=(40, 2, 2))

        def call() -> list[NDArray[np.generic]]:
            result = triangulate([camera, camera], px)
            return [getattr(result, name) for name in result.__slots__]

        agree(call)

    def test_projection_and_undistortion_agree_to_the_bit(self, rng: np.random.Generator) -> None:
        cameras, px, _ = awkward(rng, 4)
        points = np.concatenate([rng.uniform(-9, 9, (200, 3)), [[np.nan, 0, 0], [np.inf, 0, 0], [1e300, -1e300, 1]]])
        agree(lambda: project(cameras, points))
        agree(lambda: undistort(cameras[0], px.reshape(-1, 2)))

    def test_errors_agree(self) -> None:
        with pytest.raises(ValueError, match="px"):
            agree(lambda: triangulate(ceiling(2), np.zeros((3, 3, 2))))


class TestHostile:
    @pytest.mark.parametrize("shape", [(2,), (5, 2), (5, 3, 2), (5, 2, 3), (5, 2, 2, 1)])
    def test_wrong_shape_of_px(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="px must have shape"):
            triangulate(ceiling(2), np.zeros(shape))

    @pytest.mark.parametrize("sigma", [0, -1.0, np.nan, np.inf])
    def test_one_sigma_must_be_positive_and_finite(self, sigma: float) -> None:
        with pytest.raises(ValueError, match="sigma_px"):
            triangulate(ceiling(2), np.zeros((1, 2, 2)), sigma)

    @pytest.mark.parametrize("sigma", [[1.0, 1.0], [[1.0]], [[[1.0, 1.0]]]])
    def test_wrong_shape_of_sigma(self, sigma: list[object]) -> None:
        with pytest.raises(ValueError, match="sigma_px must have shape"):
            triangulate(ceiling(2), np.zeros((1, 2, 2)), sigma)  # type: ignore[arg-type]

    @pytest.mark.parametrize("sigma", ["1", None, True, [["a", "b"]]])
    def test_sigma_of_a_wrong_type(self, sigma: object) -> None:
        with pytest.raises(TypeError, match="sigma_px"):
            triangulate(ceiling(2), np.zeros((1, 2, 2)), sigma)  # type: ignore[arg-type]

    @pytest.mark.parametrize("cameras", [None, 3, ["a", "b"], "ab", ceiling(1)[0]])
    def test_cameras_of_a_wrong_type(self, cameras: object) -> None:
        with pytest.raises(TypeError, match="cameras"):
            triangulate(cameras, np.zeros((1, 2, 2)))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="camera"):
            undistort(cameras if not isinstance(cameras, Camera) else [cameras], [[0, 0]])  # type: ignore[arg-type]

    def test_no_points_and_no_cameras(self) -> None:
        assert triangulate(ceiling(3), np.zeros((0, 3, 2))).xyz_m.shape == (0, 3)
        assert (triangulate([], np.zeros((4, 0, 2))).status == Status.TOO_FEW_VIEWS).all()
        assert project([], np.zeros((4, 3))).shape == (4, 0, 2)
        assert undistort(ceiling(1)[0], np.zeros((0, 2))).shape == (0, 2)

    def test_lists_other_dtypes_and_strides_are_taken(self, rng: np.random.Generator) -> None:
        cameras = ceiling(2)
        px = np.round(project(cameras, people(rng, 6)))
        expected = triangulate(cameras, px).xyz_m
        for other in (px.tolist(), px.astype(np.float32), px.astype(int), np.asfortranarray(px), px[::-1][::-1]):
            np.testing.assert_array_equal(triangulate(tuple(cameras), other).xyz_m, expected)

    def test_absurd_cameras_give_a_status(self) -> None:
        cameras = [Camera(str(i), np.diag([1e300, 1e300, 1]), np.eye(3), np.full(3, i * 1e308)) for i in range(2)]
        assert triangulate(cameras, [[[1, 2], [3, 4]]]).status[0]

    def test_the_native_module_refuses_wrong_arrays(self) -> None:
        native = pytest.importorskip("fusion.native.triangulation")
        with pytest.raises(ValueError, match="cameras"):
            native.project(np.zeros((2, 26)), np.zeros((1, 3)), np.zeros((1, 2, 2)))
        with pytest.raises(ValueError, match="px"):
            native.project(np.zeros((2, 49)), np.zeros((1, 3)), np.zeros((1, 1, 2)))
        with pytest.raises(TypeError):
            native.project(np.zeros((2, 49), np.float32), np.zeros((1, 3)), np.zeros((1, 2, 2)))


class TestRealCameras:
    @pytest.mark.parametrize("robust", [False, True])
    def test_board_corners_keep_the_board_geometry(self, robust: bool, data: Path) -> None:
        cameras, px, place, frame = board(data / "multiview" / "charuco_4cam")
        result = cameras.triangulate(px, 2.0, robust=robust)
        good = (result.views >= 2) & np.isfinite(result.xyz_m[:, 0])
        assert good.sum() > 500
        residuals = []
        for f in np.unique(frame[good]):
            chosen = good & (frame == f)
            if chosen.sum() >= 4:
                residuals.append(rigid_residuals(result.xyz_m[chosen], place[chosen]))
        rms_mm = 1e3 * np.sqrt(np.mean(np.concatenate(residuals) ** 2))
        assert rms_mm < 1.37

    def test_keypoints_of_one_person_reproject(self, data: Path) -> None:
        with np.load(data / "multiview" / "pose2sim_2person_4cam.npz") as f:
            cameras = [
                Camera(str(i), K, R, t, D)
                for i, (K, D, R, t) in enumerate(zip(f["K"], f["D"], f["R"], f["t"], strict=True))
            ]
            keypoints = f["one_kpts"][:, :, 0]  # frame, camera, joint, (x, y, score)
        px = keypoints[..., :2].transpose(0, 2, 1, 3).reshape(-1, 4, 2).copy()
        px[keypoints[..., 2].transpose(0, 2, 1).reshape(-1, 4) < 0.5] = np.nan
        result = triangulate(cameras, px, 10.0)
        assert (result.status[result.views >= 2] == 0).mean() > 0.9
        assert np.nanmedian(result.rms_px) < 15
