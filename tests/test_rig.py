"""Rigs: every lens against OpenCV, outliers against the oracle, ragged input, instruction sets, backends."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion import Camera, CameraRig, Status, Store, Triangulation, triangulate, undistort
from rigs import FISHEYE, LENS, ceiling, mixed, people, with_outliers

LEVELS = ("baseline", "avx2", "avx512")


def fields(result: Triangulation) -> list[NDArray[Any]]:
    return [getattr(result, name) for name in result.__slots__]


def rotated(rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return np.asarray(q * np.linalg.det(q))


class TestRig:
    def test_is_a_sequence(self) -> None:
        rig = ceiling(4)
        assert len(rig) == 4
        assert rig[-1] is rig.cameras[3]
        assert rig[1:3] == rig.cameras[1:3]
        assert list(rig) == list(rig.cameras)
        assert rig.ids == ("c0", "c1", "c2", "c3")
        assert repr(rig) == "CameraRig(c0, c1, c2, c3)"

    def test_subset(self) -> None:
        rig = ceiling(4)
        assert rig.subset(["c3", "c1"]).cameras == (rig[3], rig[1])
        with pytest.raises(ValueError, match=r"ids must name cameras of the rig \(c0, c1, c2, c3\); got 'x'"):
            rig.subset(["x"])

    @pytest.mark.parametrize(
        ("cameras", "error", "words"),
        [
            ([], ValueError, "cameras must not be empty"),
            (None, TypeError, "cameras must be a sequence of Camera"),
            ([1], TypeError, "cameras must hold Camera objects; got int"),
            ([ceiling(1)[0]] * 2, ValueError, "camera ids must be unique; 'c0' comes twice"),
        ],
    )
    def test_refused(self, cameras: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            CameraRig(cameras)

    def test_methods_are_the_functions(self, rng: np.random.Generator) -> None:
        rig = ceiling(4)
        px = rig.project(people(rng, 9)) + rng.normal(size=(9, 4, 2))
        for own, free in zip(fields(rig.triangulate(px, 2.0)), fields(triangulate(rig, px, 2.0)), strict=True):
            np.testing.assert_array_equal(own, free)

    def test_where_a_camera_stands(self) -> None:
        np.testing.assert_allclose(ceiling(4)[0].center_m, [5, 0, 3], atol=1e-12)


class TestLenses:
    POINTS = ((0.3, -0.2, 2.0), (-0.7, 0.5, 1.5), (0.0, 0.0, 3.0))

    @pytest.mark.parametrize(
        ("count", "model", "expected"),
        [
            (4, "pinhole", [[1093.7429334375001, 450.34956309375], [574.1733866666666, 817.1852770370369]]),
            (5, "pinhole", [[1093.7428870945312, 450.34959416070313], [574.3228025942387, 817.0779584541381]]),
            (8, "pinhole", [[1093.654586308173, 450.408788391558], [577.2107708267506, 815.003663810945]]),
            (12, "pinhole", [[1093.6819350581732, 450.45357627593296], [577.3120686045283, 815.5186548430438]]),
            (14, "pinhole", [[1093.6768182156507, 450.5870671885037], [576.1961499298454, 815.9640391399041]]),
            (4, "fisheye", [[1093.7764893299702, 450.3202053010199], [573.7509364612459, 817.4249226210893]]),
        ],
    )
    def test_projection_is_that_of_opencv(self, count: int, model: str, expected: list[list[float]]) -> None:
        """The figures are those of ``cv2.projectPoints`` and ``cv2.fisheye.projectPoints`` (OpenCV 5.0)."""
        matrix = np.array([[900, 0, 960], [0, 905, 540], [0, 0, 1.0]])
        lens = np.array(FISHEYE if model == "fisheye" else LENS[:count])
        rig = CameraRig([Camera("a", matrix, np.eye(3), np.zeros(3), lens, (1920, 1080), model)])
        np.testing.assert_allclose(rig.project(self.POINTS)[:, 0], [*expected, [960, 540]], atol=1e-10)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_undistortion_inverts_every_lens(self, seed: int) -> None:
        """Within a hundredth of the fold's radius a Newton step may stall on the fold: rays there are left out."""
        rng = np.random.default_rng(seed)
        scale = rng.uniform(0, 1)
        for camera in mixed():
            lens = camera.distortion * scale
            moved = Camera("a", camera.matrix, np.eye(3), np.zeros(3), lens, (1920, 1080), camera.model)
            rays = rng.normal([0, 0, 1.5], 1, (40, 3))
            rays[:, :2] = np.clip(rays[:, :2], -0.9 * np.abs(rays[:, 2:]), 0.9 * np.abs(rays[:, 2:]))
            rays /= np.linalg.norm(rays, axis=1, keepdims=True)
            px = CameraRig([moved]).project(rays)
            seen = np.isfinite(px[:, 0, 0])
            if camera.model == "pinhole":
                assert (rays[seen, 2] > 0).all()
            back = CameraRig([moved]).unproject(px)
            assert np.nanmax(back.residual_px[seen], initial=0) <= 1e-9
            np.testing.assert_allclose(back.directions[seen, 0], rays[seen], atol=1e-9)
            assert np.isnan(back.residual_px[~seen]).all()

    def test_a_fisheye_sees_behind_its_plane(self) -> None:
        camera = Camera("f", np.diag([300, 300, 1.0]), np.eye(3), np.zeros(3), model="fisheye")
        rig = CameraRig([camera])
        px = rig.project([[1, 0, -0.2], [0, 0, 1], [0, 0, -1]])
        np.testing.assert_allclose(px[0, 0], [300 * (np.pi / 2 + np.arctan(0.2)), 0], atol=1e-10)
        np.testing.assert_array_equal(px[1, 0], [0, 0])
        assert np.isnan(px[2]).all()
        np.testing.assert_allclose(
            rig.unproject(px[:1]).directions[0, 0], np.array([1, 0, -0.2]) / np.hypot(1, 0.2), atol=1e-14
        )
        assert np.isnan(undistort(camera, px[0])).all()  # x/z and y/z do not exist there

    def test_a_fisheye_ends_where_its_image_turns(self) -> None:
        """r = t - t^3 / 3 turns at t = 1."""
        rig = CameraRig([Camera("f", np.diag([1, 1, 1.0]), np.eye(3), np.zeros(3), [-1 / 3, 0, 0, 0], model="fisheye")])
        px = rig.project([[np.sin(a), 0, np.cos(a)] for a in (0.999, 1.001)])
        assert np.isfinite(px[0]).all()
        assert np.isnan(px[1]).all()
        assert np.isnan(rig.unproject([[[0.67, 0]]]).directions).all()

    def test_rays_of_what_is_no_pixel(self) -> None:
        rig = mixed()
        px = np.full((4, len(rig), 2), 700.0)
        px[0], px[1, :, 0], px[2] = np.nan, np.inf, 1e300
        rays = rig.unproject(px)
        assert np.isnan(rays.directions[:3, 1:]).all()
        assert np.isnan(rays.residual_px[:2]).all()
        np.testing.assert_allclose(np.linalg.norm(rays.directions[3], axis=-1), 1, atol=1e-15)
        assert rays.residual_px[3].max() < 1e-9

    def test_every_lens_takes_part_in_triangulation(self, rng: np.random.Generator) -> None:
        rig, points = mixed(), people(rng, 2000)
        result = rig.triangulate(rig.project(points))
        np.testing.assert_allclose(result.xyz_m, points, atol=1e-10)
        noisy = rig.triangulate(rig.project(points) + rng.normal(size=(2000, 8, 2)))
        error = noisy.xyz_m - points
        nees = np.einsum("ni,nij,nj->n", error, np.linalg.inv(noisy.covariance_m2), error)
        assert nees.mean() == pytest.approx(3, abs=0.2)
        assert noisy.inliers.all()


class TestOutliers:
    def test_ten_per_cent_cost_nothing(self, rng: np.random.Generator) -> None:
        """Against an oracle that knows which images are wrong: its bound, and none off by 30 mm."""
        rig, points = ceiling(8), people(rng, 8000)
        exact = rig.project(points)
        px, wrong = with_outliers(rng, exact + rng.normal(size=exact.shape), 0.1)
        px, wrong, points = (a[(~wrong).sum(1) >= 4] for a in (px, wrong, points))
        oracle = np.where(wrong[..., None], np.nan, px)
        bound = np.trace(rig.triangulate(oracle).covariance_m2, axis1=1, axis2=2).sum()
        result = rig.triangulate(px, robust=True)
        error = np.linalg.norm(result.xyz_m - points, axis=1)
        assert np.sqrt((error**2).sum() / bound) < 1.02
        assert error.max() < 0.03
        assert not (result.inliers & wrong).any()
        assert (~result.inliers & ~wrong).mean() < 0.003
        np.testing.assert_array_equal(result.views, result.inliers.sum(1))
        np.testing.assert_array_equal((result.status & Status.OUTLIER) > 0, ~result.inliers.all(1))

    def test_clean_points_keep_their_bits(self, rng: np.random.Generator) -> None:
        rig, points = ceiling(6), people(rng, 300)
        px = rig.project(points) + rng.normal(size=(300, 6, 2))
        plain, robust = rig.triangulate(px), rig.triangulate(px, robust=True, rejection=1e-9)
        for a, b in zip(fields(plain), fields(robust), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_three_of_five_wrong(self, rng: np.random.Generator) -> None:
        """Two that agree by chance have a larger loss than the two of the others at most."""
        rig, points = ceiling(8), people(rng, 400)
        px = rig.project(points)
        px[:, :4] += rng.uniform(30, 300, (400, 4, 2)) * rng.choice([-1, 1], (400, 4, 2))
        result = rig.triangulate(px, robust=True)
        np.testing.assert_allclose(result.xyz_m, points, atol=1e-9)
        np.testing.assert_array_equal(result.inliers, [[False] * 4 + [True] * 4] * 400)

    def test_two_views_have_no_majority(self, rng: np.random.Generator) -> None:
        rig, points = ceiling(2), people(rng, 20)
        px = rig.project(points)
        px[:, 0] += 100
        plain, robust = rig.triangulate(px), rig.triangulate(px, robust=True)
        for a, b in zip(fields(plain), fields(robust), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_nothing_agrees(self) -> None:
        """Every pair's rays are skew by more than the bound: the plain result stays, and is told to be poor."""
        cameras = [Camera(str(x), np.diag([1000, 1000, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-1, 0, 1)]
        result = CameraRig(cameras).triangulate([[[100, -90], [0, 0], [-100, 90]]], robust=True)
        assert result.status[0] == Status.LARGE_RESIDUAL
        assert result.inliers.all()
        assert result.views[0] == 3

    def test_a_wrong_view_that_puts_the_point_behind_a_camera_is_left_out(self) -> None:
        cameras = [Camera(str(x), np.diag([1000, 1000, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-1, 0, 1)]
        px = [[[100, 0], [0, 0], [600, 0]]]
        assert CameraRig(cameras).triangulate(px).status[0] & Status.BEHIND_CAMERA
        result = CameraRig(cameras).triangulate(px, robust=True)
        np.testing.assert_allclose(result.xyz_m, [[0, 0, 10]], atol=1e-9)
        assert result.status[0] == Status.OUTLIER
        np.testing.assert_array_equal(result.inliers, [[True, True, False]])

    def test_each_image_has_its_own_bound(self) -> None:
        rig = ceiling(4)
        px = rig.project([[0.5, 0.5, 1.0]])
        px[0, 0] += [20, 0]
        sigma = np.ones((1, 4))
        assert rig.triangulate(px, sigma, robust=True).status[0] == Status.OUTLIER
        sigma[0, 0] = 15
        assert rig.triangulate(px, sigma, robust=True).status[0] == Status.OK

    def test_rejection_is_the_rate_at_which_good_images_go(self, rng: np.random.Generator) -> None:
        """Somewhat above: the point follows its images, so residuals are smaller than the noise."""
        rig = ceiling(8)
        px = rig.project(people(rng, 4000)) + rng.normal(size=(4000, 8, 2))
        result = rig.triangulate(px, robust=True, rejection=0.02)
        assert 0.005 < (~result.inliers).mean() < 0.02

    @pytest.mark.parametrize("p", [0, 1, -0.1, 1.5, np.nan])
    def test_rejection_is_a_probability(self, p: float) -> None:
        with pytest.raises(ValueError, match="rejection"):
            ceiling(2).triangulate(np.zeros((1, 2, 2)), robust=True, rejection=p)

    @pytest.mark.parametrize("robust", [1, None, "yes"])
    def test_robust_is_a_choice(self, robust: Any) -> None:
        with pytest.raises(TypeError, match="robust must be a bool"):
            ceiling(2).triangulate(np.zeros((1, 2, 2)), robust=robust)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_points_do_not_see_each_other(self, seed: int) -> None:
        """Order and batches of points change no bit, though points share vectors and wait for each other."""
        rng = np.random.default_rng(seed)
        rig = ceiling(6)
        exact = rig.project(people(rng, 37))
        px, _ = with_outliers(rng, exact + rng.normal(size=exact.shape), 0.2)
        px[rng.random((37, 6)) < 0.2] = np.nan
        whole = fields(rig.triangulate(px, robust=True))
        order = rng.permutation(37)
        for a, b in zip(whole, fields(rig.triangulate(px[order], robust=True)), strict=True):
            np.testing.assert_array_equal(a[order], b)
        cut = int(rng.integers(0, 38))
        parts = [fields(rig.triangulate(p, robust=True)) for p in (px[:cut], px[cut:])]
        for a, first, second in zip(whole, *parts, strict=True):
            np.testing.assert_array_equal(a, np.concatenate([first, second]))


class TestRagged:
    def test_is_the_dense_form(self, rng: np.random.Generator) -> None:
        rig = ceiling(6)
        exact = rig.project(people(rng, 200))
        px, _ = with_outliers(rng, exact + rng.normal(size=exact.shape), 0.1)
        sigma = rng.uniform(0.5, 3, (200, 6))
        px[rng.random((200, 6)) < 0.5] = np.nan
        seen = np.isfinite(px[..., 0])
        dense = rig.triangulate(px, sigma, robust=True)
        point, camera = np.nonzero(seen)
        order = np.lexsort((rng.random(len(point)), point))  # within a point, in any order
        point, camera = point[order], camera[order]
        ragged = rig.triangulate_ragged(seen.sum(1), camera, px[point, camera], sigma[point, camera], robust=True)
        for name in dense.__slots__[:-1]:
            np.testing.assert_array_equal(getattr(dense, name), getattr(ragged, name))
        np.testing.assert_array_equal(ragged.inliers, dense.inliers[point, camera])

    def test_nothing(self) -> None:
        result = ceiling(2).triangulate_ragged([0, 0], np.zeros(0, int), np.zeros((0, 2)))
        np.testing.assert_array_equal(result.status, Status.TOO_FEW_VIEWS)
        assert ceiling(2).triangulate_ragged(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2))).views.shape == (0,)

    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"counts": [3]}, ValueError, "counts must not be negative and add up to the 2 observations"),
            ({"counts": [3, -1]}, ValueError, "counts must not be negative"),
            ({"counts": [2**62, 2**62, 2**62, 2**62, 2]}, ValueError, "counts must not be negative and add up"),
            ({"counts": [0.5]}, TypeError, "counts"),
            ({"camera": [0, 3]}, ValueError, r"camera must lie in \[0, 3\); got 0 to 3"),
            ({"camera": [-1, 1]}, ValueError, r"camera must lie in \[0, 3\)"),
            ({"camera": [1, 1]}, ValueError, "camera must name a camera once at most for each point"),
            ({"px": np.zeros((3, 2))}, ValueError, "px must have shape"),
            ({"sigma_px": [1.0]}, ValueError, "sigma_px must have shape"),
            ({"sigma_px": 0}, ValueError, "sigma_px must be above 0"),
        ],
    )
    def test_refused(self, changes: dict[str, Any], error: type[Exception], words: str) -> None:
        good: dict[str, Any] = {"counts": [2], "camera": [0, 1], "px": np.zeros((2, 2))}
        with pytest.raises(error, match=words):
            ceiling(3).triangulate_ragged(**good | changes)


class TestLevels:
    """The native kernels are compiled for several instruction sets; ``FUSION_SIMD`` caps the choice."""

    @pytest.mark.parametrize("robust", [False, True])
    def test_every_version_gives_the_same_bytes(
        self, robust: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        native = pytest.importorskip("fusion.native.triangulation")
        rig = mixed()
        exact = rig.project(people(rng, 301) * rng.choice([1, 3], (301, 1)))
        px, _ = with_outliers(rng, exact + rng.normal(size=exact.shape), 0.15)
        for value in (np.nan, np.inf, 1e300, 0.0):
            px[rng.random(px.shape[:2]) < 0.02] = value
        results, levels = {}, []
        for level in LEVELS:
            monkeypatch.setenv("FUSION_SIMD", level)
            levels.append(native.level())
            outcome = [
                *fields(rig.triangulate(px, robust=robust)),
                *rig.unproject(px),
                rig.project(exact[:, 0] @ np.eye(2, 3)),
            ]
            results[level] = [a.tobytes() for a in outcome]
        assert results["baseline"] == results["avx2"] == results["avx512"]
        assert levels[0] == "baseline"
        assert [LEVELS.index(level) for level in levels] == sorted(LEVELS.index(level) for level in levels)

    def test_a_wrong_name_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FUSION_SIMD", "avx9")
        with pytest.raises(ValueError, match="FUSION_SIMD must be baseline, avx2 or avx512; got 'avx9'"):
            ceiling(2).triangulate(np.zeros((1, 2, 2)))


class TestThreads:
    def test_calls_at_once_give_the_same_bytes(self, rng: np.random.Generator) -> None:
        """The kernels keep nothing between calls and release the interpreter's lock."""
        rig = mixed()
        exact = rig.project(people(rng, 2000))
        px, _ = with_outliers(rng, exact + rng.normal(size=exact.shape), 0.1)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: rig.triangulate(px, robust=True).xyz_m.tobytes(), range(12)))
        assert len(set(results)) == 1


class TestDocument:
    def test_a_fisheye_comes_back_from_a_store(self) -> None:
        rig = mixed()
        document = json.loads(json.dumps(Store((), (), (), rig.cameras).to_dict()))
        assert ["model" in camera for camera in document["cameras"]] == [False] * 6 + [True] * 2
        back = Store.from_dict(document).cameras
        np.testing.assert_array_equal(CameraRig(back).project([[0.1, 0.2, 0.3]]), rig.project([[0.1, 0.2, 0.3]]))


class TestBackends:
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8])
    def test_consensus_agrees_to_the_bit(self, count: int, rng: np.random.Generator) -> None:
        rig = mixed()
        exact = rig.project(rng.uniform(-4, 4, (40, 3)))
        px, _ = with_outliers(rng, exact + rng.normal(size=exact.shape), 0.25)
        sigma = rng.uniform(0.2, 5, px.shape[:2])
        for value in (np.nan, np.inf, -np.inf, 1e300, 0.0):
            px[rng.random(px.shape[:2]) < 0.03] = value
            sigma[rng.random(px.shape[:2]) < 0.02] = value
        order = rng.permutation(8)[:count]
        cameras = [rig[i] for i in order]
        agree(lambda: fields(triangulate(cameras, px[:, order], sigma[:, order], robust=True, rejection=0.01)))

    def test_unrelated_images_agree_to_the_bit(self, rng: np.random.Generator) -> None:
        """Nothing fits, so every way of failing is taken."""
        found = set()
        for count in (2, 3, 5):
            px = rng.uniform([0, 0], [1920, 1080], (60, count, 2))
            rig = ceiling(count)
            found |= set(agree(lambda px=px, rig=rig: fields(rig.triangulate(px, robust=True)))[5].tolist())
        assert {Status.BEHIND_CAMERA, Status.LARGE_RESIDUAL, Status.OUTLIER} <= found

    def test_parallel_and_equal_cameras_agree_to_the_bit(self, rng: np.random.Generator) -> None:
        camera = ceiling(1)[0]
        px = np.repeat(rng.uniform([0, 0], [1920, 1080], (30, 1, 2)), 4, axis=1)
        px[10:] += rng.normal(size=(20, 4, 2)) * rng.choice([1e-6, 1, 50], (20, 1, 1))
        agree(lambda: fields(triangulate([camera] * 4, px, robust=True)))

    def test_lenses_agree_to_the_bit(self, rng: np.random.Generator) -> None:
        rig = mixed()
        points = np.concatenate([rng.uniform(-9, 9, (60, 3)), [[np.nan, 0, 0], [np.inf, 0, 0], [1e300, -1e300, 1]]])
        px = rng.uniform(-3000, 4000, (50, 8, 2)) * rng.choice([1, 1, 1, 1e300, np.nan], (50, 1, 1))
        agree(lambda: [rig.project(points), *rig.unproject(px)])

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.floats(width=64), min_size=16, max_size=16), st.floats(width=64))
    def test_any_numbers_agree_to_the_bit(self, numbers: list[float], sigma: float) -> None:
        rig = mixed()
        px = np.reshape(numbers, (1, 8, 2))
        agree(lambda: [*fields(rig.triangulate(px, np.full((1, 8), sigma), robust=True)), *rig.unproject(px)])
