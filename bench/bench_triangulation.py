"""Triangulation against OpenCV and batched normal equations: time beside error over the Cramer-Rao bound.

Eight ceiling cameras, noise of 1 px; once through pinholes, once through lenses, whose distortion the rivals let OpenCV
undo with its default iterations. Only the first contender and its twins tell a covariance and a status.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import contenders
from fusion import Camera, project, triangulate, use_backend

Points = NDArray[np.float64]
LENSES = {"pinhole": np.zeros(0), "lens": np.array([-0.28, 0.09, 0.0005, -0.0004, -0.01])}


def ceiling(distortion: Points) -> list[Camera]:
    """Eight cameras on a circle of 5 m radius, 3 m high, that look at the floor's centre."""
    cameras = []
    for angle in np.arange(8) * np.pi / 4:
        centre = np.array([5 * np.cos(angle), 5 * np.sin(angle), 3.0])
        axis = -centre / np.linalg.norm(centre)
        right = np.cross(axis, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900.0, 0, 960], [0, 905, 540], [0, 0, 1]])
        cameras.append(Camera(f"{angle}", matrix, rotation, -rotation @ centre, distortion, (1920, 1080)))
    return cameras


def ours(backend: str, cameras: Sequence[Camera], px: Points) -> Points:
    with use_backend(backend):
        return triangulate(cameras, px).xyz_m


def normalised(cameras: Sequence[Camera], px: Points) -> list[Points]:
    """(u, v) of each camera by OpenCV, (N, 2) each."""
    return [
        cv2.undistortPoints(np.ascontiguousarray(px[:, i]), c.matrix, c.distortion).reshape(-1, 2)
        if len(c.distortion)
        else (px[:, i] - c.matrix[:2, 2]) / c.matrix.diagonal()[:2]
        for i, c in enumerate(cameras)
    ]


def opencv(cameras: Sequence[Camera], px: Points) -> Points:
    projections = [np.column_stack([c.rotation, c.translation_m]) for c in cameras]
    x = cv2.triangulatePoints(*projections, *(uv.T for uv in normalised(cameras, px)))
    return np.asarray((x[:3] / x[3]).T)


def batched(cameras: Sequence[Camera], px: Points) -> Points:
    """Linear-LS: normal equations of all points at once, solved by numpy."""
    h, g = np.zeros((len(px), 3, 3)), np.zeros((len(px), 3))
    for c, uv in zip(cameras, normalised(cameras, px), strict=True):
        for k in range(2):
            a = c.rotation[k] - uv[:, k, None] * c.rotation[2]
            b = uv[:, k] * c.translation_m[2] - c.translation_m[k]
            h += a[:, :, None] * a[:, None, :]
            g += a * b[:, None]
    return np.linalg.solve(h, g[..., None])[..., 0]


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("views", [2, 4, 8])
def test_triangulation(benchmark: Any, views: int, lens: str) -> None:
    cameras = ceiling(LENSES[lens])[:: {2: 3, 4: 2, 8: 1}[views]][:views]
    rng = np.random.default_rng(views)
    points = rng.uniform([-2, -2, 0], [2, 2, 2], (20_000, 3))
    exact = project(cameras, points)
    px = exact + rng.normal(size=exact.shape)
    bound = np.trace(triangulate(cameras, exact).covariance_m2, axis1=1, axis2=2).mean()

    def quality(xyz: Points) -> dict[str, float]:
        count = len(xyz)
        return {"RMSE / bound": float(np.sqrt(((xyz - points[:count]) ** 2).sum(1).mean() / bound))}

    jobs: dict[str, Callable[[], Points]] = {name: partial(ours, name, cameras, px) for name in ("native", "numba")}
    if views == 2:
        jobs["cv2.triangulatePoints"] = partial(opencv, cameras, px)
    jobs["numpy batched 3x3"] = partial(batched, cameras, px)
    title = f"Triangulation: a point in {views} views, {lens}"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=9)
    assert rows["native"]["RMSE / bound"] == rows["numba"]["RMSE / bound"]
    assert 0.98 < float(rows["native"]["RMSE / bound"]) < 1.02
    for row in rows.values():
        assert float(row["RMSE / bound"]) < 1.3


@pytest.mark.parametrize("views", [2, 8])
def test_reference(benchmark: Any, views: int) -> None:
    """Plain Python for a few points: what the twins cost."""
    cameras = ceiling(LENSES["lens"])[:: {2: 3, 8: 1}[views]][:views]
    rng = np.random.default_rng(views)
    exact = project(cameras, rng.uniform([-2, -2, 0], [2, 2, 2], (300, 3)))
    px = exact + rng.normal(size=exact.shape)
    jobs = {name: partial(ours, name, cameras, px) for name in ("native", "numba", "reference")}
    expected = jobs["native"]()

    def quality(xyz: Points) -> dict[str, float]:
        return {"largest difference, m": float(np.abs(xyz - expected).max())}

    title = f"Triangulation: a point in {views} views, lens, 300 at a time"
    rows = contenders.race(benchmark, title, jobs, quality, items=len(px), rounds=3)
    assert all(row["largest difference, m"] == 0 for row in rows.values())
