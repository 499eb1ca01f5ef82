"""Other packages that triangulate, each as a call from cameras and pixels (N, V, 2) to points (N, 3).

They take pinholes; where cameras have lenses, those with an undistortion of their own use it. All cameras have one K.
Aniposelib's jax takes every core that is free, all others one.
"""

import importlib.util
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion import Camera

Points = NDArray[np.float64]
Peer = Callable[[Sequence[Camera], Points], Points]


def normalised(cameras: Sequence[Camera], px: Points) -> list[Points]:
    """(u, v) of each camera, (N, 2) each; lenses are undone by OpenCV with its default iterations."""
    return [
        cv2.undistortPoints(np.ascontiguousarray(px[:, i]), c.matrix, c.distortion).reshape(-1, 2)
        if len(c.distortion)
        else (px[:, i] - c.matrix[:2, 2]) / c.matrix.diagonal()[:2]
        for i, c in enumerate(cameras)
    ]


def opencv(cameras: Sequence[Camera], px: Points) -> Points:
    """Two views by DLT, all points in one call."""
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


def svd(cameras: Sequence[Camera], px: Points) -> Points:
    """DLT: the last right singular vectors of all points at once, by numpy."""
    P = np.array([np.column_stack([c.rotation, c.translation_m]) for c in cameras])
    uv = np.stack(normalised(cameras, px), axis=1)
    rows = uv[..., None] * P[:, None, 2] - P[:, :2]
    x = np.linalg.svd(rows.reshape(len(px), -1, 4))[2][:, -1]
    return np.asarray(x[:, :3] / x[:, 3:])


def anipose(cameras: Sequence[Camera], px: Points) -> Points:
    """Aniposelib's ``CameraGroup.triangulate`` (0.8: DLT by jax)."""
    from aniposelib.cameras import Camera as Theirs
    from aniposelib.cameras import CameraGroup

    group = CameraGroup(
        [
            Theirs(c.matrix, np.pad(c.distortion, (0, 5 - len(c.distortion))), c.size_px, cv2.Rodrigues(c.rotation)[0])
            for c in cameras
        ]
    )
    for own, c in zip(group.cameras, cameras, strict=True):
        own.set_translation(c.translation_m)
    undistort = any(len(c.distortion) for c in cameras)
    if not undistort:
        px = np.stack(normalised(cameras, px), axis=1)
    return np.asarray(group.triangulate(np.ascontiguousarray(px.transpose(1, 0, 2)), undistort=undistort))


def colmap(cameras: Sequence[Camera], px: Points) -> Points:
    """Pycolmap's ``triangulate_multi_view_point``: DLT on rays, a point a call."""
    import pycolmap

    poses = [np.column_stack([c.rotation, c.translation_m]) for c in cameras]
    uv = np.stack(normalised(cameras, px), axis=1)
    rays = np.concatenate([uv, np.ones((*uv.shape[:2], 1))], axis=2)
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    return np.array([pycolmap.triangulate_multi_view_point(poses, r) for r in rays]).reshape(-1, 3)


def colmap_robust(cameras: Sequence[Camera], px: Points, max_error_px: float) -> Points:
    """Pycolmap's ``estimate_triangulation``: LO-RANSAC, a point a call; NaN where it finds none."""
    import pycolmap

    options = pycolmap.EstimateTriangulationOptions()
    options.residual_type = pycolmap.TriangulationResidualType.REPROJECTION_ERROR
    options.ransac.max_error = max_error_px
    options.ransac.random_seed = 0
    poses = [pycolmap.Rigid3d(np.column_stack([c.rotation, c.translation_m])) for c in cameras]
    theirs = [
        pycolmap.Camera(
            model="PINHOLE",
            width=c.size_px[0],
            height=c.size_px[1],
            params=[c.matrix[0, 0], c.matrix[1, 1], c.matrix[0, 2], c.matrix[1, 2]],
        )
        for c in cameras
    ]
    xyz = np.full((len(px), 3), np.nan)
    for i, p in enumerate(px):
        found = pycolmap.estimate_triangulation(p, poses, theirs, options)
        if found is not None:
            xyz[i] = found["xyz"]
    return xyz


def gtsam(cameras: Sequence[Camera], px: Points, *, lost: bool) -> Points:
    """GTSAM's ``triangulatePoint3``, a point a call: LOST (Henry & Christian 2023), or DLT and then optimised."""
    import gtsam as theirs

    K = cameras[0].matrix
    calibration = theirs.Cal3_S2(K[0, 0], K[1, 1], K[0, 1], K[0, 2], K[1, 2])
    poses = [theirs.Pose3(theirs.Rot3(c.rotation.T), c.center_m) for c in cameras]
    noise = theirs.noiseModel.Isotropic.Sigma(2, 1.0)
    solve = theirs.triangulatePoint3
    return np.array([solve(poses, calibration, list(p), 1e-9, not lost, noise, lost) for p in px])


def installed(**peers: tuple[str, Peer]) -> dict[str, Peer]:
    """Name to peer, of those whose module is installed; the others are named on the way."""
    missing = sorted({module for module, _ in peers.values() if importlib.util.find_spec(module) is None})
    if missing:
        print(f"not installed, so not in the race: {', '.join(missing)}")
    return {name: peer for name, (module, peer) in peers.items() if module not in missing}


def pinhole_peers() -> dict[str, Peer]:
    """Every peer for any number of pinhole views."""
    point_by_point = {
        "aniposelib": ("aniposelib", anipose),
        "pycolmap": ("pycolmap", colmap),
        "gtsam LOST": ("gtsam", partial(gtsam, lost=True)),
        "gtsam optimised": ("gtsam", partial(gtsam, lost=False)),
    }
    return {"numpy batched 3x3": batched, "numpy batched SVD": svd, **installed(**point_by_point)}


def calls(peers: dict[str, Peer], cameras: Sequence[Camera], px: Points) -> dict[str, Callable[[], Any]]:
    """Peers as calls without arguments."""
    return {name: partial(peer, cameras, px) for name, peer in peers.items()}
