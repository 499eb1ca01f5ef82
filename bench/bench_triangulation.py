"""Triangulation against OpenCV, numpy, aniposelib, pycolmap and GTSAM: time beside error over the Cramer-Rao bound.

Eight ceiling cameras, noise of 1 px; only ours (and its twins) tell a covariance and a status. Aniposelib is no part of
the extra ``bench`` because it brings another package of OpenCV's; it takes part where it is installed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import contenders
import multiview_peers as peers
from fusion import Camera, CameraRig, Triangulation, triangulate, use_backend

Points = NDArray[np.float64]
LENS = (-0.28, 0.09, 0.0005, -0.0004, -0.01)
LENSES = {"pinhole": (), "lens": LENS}
RAGGED = Path(__file__).parents[2] / "shared" / "data" / "multiview" / "ragged_12cam.npz"


def ceiling(count: int, distortion: Sequence[float]) -> CameraRig:
    """Cameras on a circle of 5 m radius, 3 m high, that look at the floor's centre."""
    cameras = []
    for angle in np.arange(count) * 2 * np.pi / count:
        centre = np.array([5 * np.cos(angle), 5 * np.sin(angle), 3.0])
        axis = -centre / np.linalg.norm(centre)
        right = np.cross(axis, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900.0, 0, 960], [0, 905, 540], [0, 0, 1]])
        cameras.append(Camera(f"{angle}", matrix, rotation, -rotation @ centre, np.array(distortion), (1920, 1080)))
    return CameraRig(cameras)


def views_of_eight(views: int, distortion: Sequence[float]) -> CameraRig:
    return CameraRig(ceiling(8, distortion)[:: {2: 3, 4: 2, 8: 1}[views]][:views])


def scene(rig: CameraRig, count: int, seed: int) -> tuple[Points, Points, Points]:
    """Points of people, their images, and these with noise of 1 px.

    The noise has unit sample covariance over all coordinates, so that 20,000 points tell efficiency to 0.1 %.
    """
    rng = np.random.default_rng(seed)
    points = rng.uniform([-2, -2, 0], [2, 2, 2], (count, 3))
    exact = rig.project(points)
    noise = rng.normal(size=(count, 2 * len(rig)))
    noise -= noise.mean(0)
    noise = np.linalg.solve(np.linalg.cholesky(np.cov(noise.T, bias=True)), noise.T).T
    return points, exact, exact + noise.reshape(exact.shape)


def ours(backend: str, cameras: Sequence[Camera], px: Points, robust: bool = False) -> Points:
    with use_backend(backend):
        return triangulate(cameras, px, robust=robust).xyz_m


def nees(result: Triangulation, points: Points) -> float:
    """Normalised squared error, 3 if the covariances are right."""
    error = result.xyz_m - points
    return float(np.einsum("ni,nij,nj->n", error, np.linalg.inv(result.covariance_m2), error).mean())


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("views", [2, 4, 8])
def test_triangulation(benchmark: Any, views: int, lens: str) -> None:
    rig = views_of_eight(views, LENSES[lens])
    points, exact, px = scene(rig, 20_000, views)
    bound = np.trace(rig.triangulate(exact).covariance_m2, axis1=1, axis2=2).mean()

    def quality(xyz: Points) -> dict[str, float]:
        return {"RMSE / bound": float(np.sqrt(((xyz - points) ** 2).sum(1).mean() / bound))}

    jobs: dict[str, Callable[[], Points]] = {name: partial(ours, name, rig, px) for name in ("native", "numba")}
    rivals = peers.pinhole_peers() if lens == "pinhole" else {"numpy batched 3x3": peers.batched}
    if views == 2:
        rivals = {"cv2.triangulatePoints": peers.opencv, **rivals}
    jobs |= peers.calls(rivals, rig, px)
    title = f"Triangulation: a point in {views} views, {lens}"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=7)
    assert rows["native"]["RMSE / bound"] == rows["numba"]["RMSE / bound"]
    assert 0.995 < float(rows["native"]["RMSE / bound"]) <= 1.005
    assert abs(nees(rig.triangulate(px), points) - 3) < 0.1
    for row in rows.values():
        assert float(row["RMSE / bound"]) < 1.3


@pytest.mark.parametrize("lens", LENSES)
def test_outliers(benchmark: Any, lens: str) -> None:
    """One image in ten is 20 to 200 px wrong; the oracle knows which."""
    rig = ceiling(8, LENSES[lens])
    points, _, px = scene(rig, 20_000, 8)
    rng = np.random.default_rng(80)
    wrong = rng.random(px.shape[:2]) < 0.1
    angle, length = rng.uniform(0, 2 * np.pi, wrong.sum()), rng.uniform(20, 200, wrong.sum())
    px[wrong] += np.column_stack([np.cos(angle), np.sin(angle)]) * length[:, None]
    oracle = rig.triangulate(np.where(wrong[..., None], np.nan, px))
    bound = np.trace(oracle.covariance_m2, axis1=1, axis2=2).mean()

    def quality(xyz: Points) -> dict[str, float]:
        error = np.linalg.norm(xyz - points, axis=1)
        return {
            "RMSE / oracle's bound": float(np.sqrt(np.nanmean(error**2) / bound)),
            "worst, mm": float(1e3 * np.nanmax(error)),
            "without a point": float(np.isnan(error).sum()),
        }

    jobs: dict[str, Callable[[], Points]] = {name: partial(ours, name, rig, px, True) for name in ("native", "numba")}
    if lens == "pinhole":
        robust = partial(peers.colmap_robust, max_error_px=float(np.sqrt(-2 * np.log(1e-6))))
        jobs |= peers.calls(peers.installed(**{"pycolmap LO-RANSAC": ("pycolmap", robust)}), rig, px)
    title = f"Triangulation: a point in 8 views, 10 % of them wrong, {lens}"
    row = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=5)["native"]
    assert float(row["RMSE / oracle's bound"]) <= 1.02
    assert float(row["worst, mm"]) < 30
    assert row["without a point"] == 0


def test_frame(benchmark: Any) -> None:
    """What one frame costs a caller: 20 people with 17 joints in 8 cameras with lenses, one image in ten wrong."""
    rig = ceiling(8, LENS)
    points, _, clean = scene(rig, 340, 5)
    rng = np.random.default_rng(50)
    px = clean + np.where(rng.random((340, 8, 1)) < 0.1, 100.0, 0.0)

    def quality(xyz: Points) -> dict[str, float]:
        return {"median error, mm": float(1e3 * np.median(np.linalg.norm(xyz - points, axis=1)))}

    jobs: dict[str, Callable[[], Points]] = {
        "robust": lambda: rig.triangulate(px, robust=True).xyz_m,
        "without outliers": lambda: rig.triangulate(clean).xyz_m,
        "numpy batched 3x3, without outliers": lambda: peers.batched(rig, clean),
    }
    rows = contenders.race(
        benchmark, "Triangulation: a frame of 340 points in 8 views", jobs, quality, items=1, rounds=31
    )
    assert float(rows["robust"]["median error, mm"]) < 5


def test_undistortion(benchmark: Any) -> None:
    """Pixels to rays, to the same accuracy: OpenCV iterates until a round trip is as good, and with its defaults."""
    rig = ceiling(1, LENS)
    (camera,) = rig
    rng = np.random.default_rng(1)
    px = rng.uniform([0, 0], [1920, 1080], (50_000, 2))
    exact = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-13)

    def theirs(**options: Any) -> Points:
        return cv2.undistortPoints(px, camera.matrix, camera.distortion, **options).reshape(-1, 2)

    def quality(uv: Points) -> dict[str, float]:
        ray = np.column_stack([uv, np.ones(len(uv))])
        again = cv2.projectPoints(ray, np.zeros(3), np.zeros(3), camera.matrix, camera.distortion)[0][:, 0]
        return {"worst round trip, px": float(np.abs(again - px).max())}

    def mine() -> Points:
        rays = rig.unproject(px[:, None]).directions[:, 0]
        return rays[:, :2] / rays[:, 2:]

    jobs = {"native": mine, "cv2.undistortPoints to 1e-13": partial(theirs, criteria=exact), "cv2, default": theirs}
    rows = contenders.race(benchmark, "Undistortion: a pixel, 5 coefficients", jobs, quality, items=len(px), rounds=9)
    assert float(rows["native"]["worst round trip, px"]) <= 1e-9
    assert float(rows["cv2.undistortPoints to 1e-13"]["worst round trip, px"]) <= 1e-9


@pytest.mark.parametrize("images", ["consistent", "as recorded"])
def test_ragged(benchmark: Any, images: str) -> None:
    """176,868 points in 12 cameras, 76 % missing, as really seen; as recorded they fit no calibration that we have."""
    if not RAGGED.exists():
        pytest.skip("the recordings (../shared/data) are not beside this checkout")
    with np.load(RAGGED) as file:
        recorded = np.ascontiguousarray(file["p2d"].transpose(1, 0, 2))
    rig = ceiling(12, ())
    points, _, noisy = scene(rig, len(recorded), 12)
    px = np.where(np.isnan(recorded), np.nan, noisy) if images == "consistent" else recorded
    seen = np.isfinite(px[..., 0]).sum(1) >= 2

    def quality(xyz: Points) -> dict[str, float]:
        error = np.linalg.norm(xyz - points, axis=1)[seen]
        return {"points": float(np.isfinite(error).sum()), "median error, m": float(np.nanmedian(error))}

    point, camera = np.nonzero(np.isfinite(px[..., 0]))
    counts, observed = np.bincount(point, minlength=len(px)), px[point, camera]
    jobs: dict[str, Callable[[], Points]] = {
        "native": lambda: rig.triangulate(px).xyz_m,
        "native, a list of observations": lambda: rig.triangulate_ragged(counts, camera, observed).xyz_m,
    }
    jobs |= peers.calls(peers.installed(aniposelib=("aniposelib", peers.anipose)), rig, px)
    title = f"Triangulation: a point of 12 ragged cameras, {images}"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=3)
    assert rows["native"]["points"] == rows["native, a list of observations"]["points"]
    if images == "consistent":
        assert float(rows["native"]["points"]) == seen.sum()


def test_levels(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One kernel, compiled for three instruction sets; a processor without one takes the next lower."""
    rig = ceiling(8, LENS)
    _, _, px = scene(rig, 20_000, 8)

    def at(level: str) -> Points:
        monkeypatch.setenv("FUSION_SIMD", level)
        return rig.triangulate(px).xyz_m

    jobs = {level: partial(at, level) for level in ("avx512", "avx2", "baseline")}
    expected = jobs["avx512"]().tobytes()

    def quality(xyz: Points) -> dict[str, float]:
        return {"same bytes": float(xyz.tobytes() == expected)}

    title = "Triangulation: a point in 8 views, lens, by instruction set"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=7)
    assert all(row["same bytes"] == 1 for row in rows.values())


@pytest.mark.parametrize("views", [2, 8])
def test_reference(benchmark: Any, views: int) -> None:
    """Plain Python for a few points: what the twins cost."""
    rig = views_of_eight(views, LENS)
    _, _, px = scene(rig, 300, views)
    jobs = {name: partial(ours, name, rig, px) for name in ("native", "numba", "reference")}
    expected = jobs["native"]()

    def quality(xyz: Points) -> dict[str, float]:
        return {"largest difference, m": float(np.abs(xyz - expected).max())}

    title = f"Triangulation: a point in {views} views, lens, 300 at a time"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=3)
    assert all(row["largest difference, m"] == 0 for row in rows.values())
