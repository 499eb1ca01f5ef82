"""Peers of matching and tracking, each brought to the same job; what is not installed is told, not imitated."""

import importlib
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fusion import Camera, Keypoints

Array = NDArray[np.float64]
Persons = tuple[NDArray[np.int32], ...]


def pose2sim(module: str = "personAssociation") -> Any | None:
    """Import a module of Pose2Sim (``pip install --no-deps pose2sim rtoml anytree tqdm``), or None.

    What it imports and these functions do not use (files of motion capture, windows) is stood in for.
    """
    for _ in range(20):
        try:
            return importlib.import_module(f"Pose2Sim.{module}")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith(("Pose2Sim", "cv2")):
                return None
            sys.modules[error.name] = MagicMock()
    return None


def by_pose2sim(module: Any, cameras: list[Camera], keypoints: list[Keypoints]) -> Persons:
    """Persons as Pose2Sim's association of several people finds them, with its default settings."""
    calibration = {
        "inv_K": [np.linalg.inv(c.matrix) for c in cameras],
        "R_mat": [c.rotation for c in cameras],
        "T": [c.translation_m for c in cameras],
    }
    frames = [[np.concatenate([p, np.ones((8, 1))], axis=1).ravel() for p in k.px] for k in keypoints]
    ends = np.concatenate([[0], np.cumsum([len(k.px) for k in keypoints])])
    affinity = module.compute_affinity(frames, calibration, ends, reconstruction_error_threshold=0.1)
    affinity = module.matchSVT(
        affinity, ends, module.circular_constraint(ends), max_iter=20, w_rank=50, tol=1e-4, w_sparse=0.1
    )
    affinity[affinity < 0.2] = 0
    persons = [np.full(len(k.px), -1, np.int32) for k in keypoints]
    for i, proposal in enumerate(module.person_index_per_cam(affinity, ends, 2)):
        for c, d in enumerate(proposal):
            if not np.isnan(d):
                persons[c][int(d)] = i
    return tuple(persons)


def triangulated_by_pose2sim(module: Any, cameras: list[Camera], px: Array, likelihood: Array) -> Array:
    """Points (N, 3) from images (N, V, 2) of known people as Pose2Sim triangulates them, with its default settings.

    Linear triangulation weighted by the detector's scores, of the largest set of cameras with a reprojection error
    below 15 px; as by default, images are taken as free of distortion, which here is below a pixel.
    """
    projections = [c.matrix @ np.column_stack([c.rotation, c.translation_m]) for c in cameras]
    points = np.full((len(px), 3), np.nan)
    for i, (images, weights) in enumerate(zip(px, likelihood, strict=True)):
        seen = np.where(np.isnan(images[:, 0]), np.nan, weights)
        if np.isfinite(seen).sum() >= 2:
            keypoint = images[:, 0].copy(), images[:, 1].copy(), seen
            points[i] = module.triangulation_from_best_cameras({}, keypoint, keypoint, projections, None)[0]
    return points


def by_filterpy(kalman: Any, seconds: Array, places: list[Array]) -> list[NDArray[np.int64]]:
    """Ids of points (P, 3) at each instant: a constant-velocity filter a point, assigned by scipy, as SORT does."""
    filters: list[Any] = []
    told, last = [], seconds[0]
    for t, points in zip(seconds, places, strict=True):
        for f in filters:
            f.F[:3, 3:] = np.eye(3) * (t - last)
            f.predict()
        last = t
        ids = np.full(len(points), -1, np.int64)
        if filters:
            cost = np.linalg.norm(points[:, None] - np.array([f.x[:3, 0] for f in filters])[None], axis=2)
            for d, i in zip(*linear_sum_assignment(cost), strict=True):
                if cost[d, i] < 0.5:
                    filters[i].update(points[d])
                    ids[d] = i
        for d in np.flatnonzero(ids < 0):
            f = kalman.KalmanFilter(dim_x=6, dim_z=3)
            f.F, f.H, f.R, f.Q = np.eye(6), np.eye(3, 6), np.eye(3) * 0.02**2, np.diag([1e-5] * 3 + [1e-2] * 3)
            f.x[:3, 0] = points[d]
            ids[d] = len(filters)
            filters.append(f)
        told.append(ids)
    return told


def by_sort(sort: Callable[..., Any], boxes: list[Array]) -> list[Array]:
    """Return what pyxtrackers' SORT (Cython) tells of boxes (N, 5), picture by picture of one camera."""
    tracker = sort(max_age=30, min_hits=1, iou_threshold=0.2)
    return [np.asarray(tracker.update(np.ascontiguousarray(b))) for b in boxes]
