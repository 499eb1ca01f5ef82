"""Boards waved before simulated cameras: observations with known truth for the tests of calibration."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion import Camera, CameraRig, rotations
from fusion.calibration import BoardObservations, charuco_corners

BOARD = charuco_corners(8, 6, 0.1)
LENS = (-0.25, 0.08, 0.001, -0.0008, 0.01)
FISHEYE = (0.05, -0.01, 0.003, -0.0005)


def around(count: int, lens: Sequence[float] = LENS, model: str = "pinhole") -> CameraRig:
    """Cameras in an arc of 3 m radius that look at a point 1.2 m above the floor; no two lenses are alike."""
    cameras = []
    for i in range(count):
        angle = 0.5 * (i - (count - 1) / 2)
        centre = np.array([3 * np.sin(angle), -3 * np.cos(angle), 1.8 + 0.2 * (i % 2)])
        axis = np.array([0, 0, 1.2]) - centre
        axis /= np.linalg.norm(axis)
        right = np.cross(axis, [0, 0, 1])
        right /= np.linalg.norm(right)
        R = np.array([right, np.cross(axis, right), axis])
        K = np.array([[900 + 10 * i, 0, 650 - 5 * i], [0, 905 + 8 * i, 350 + 6 * i], [0, 0, 1.0]])
        cameras.append(Camera(f"c{i}", K, R, -R @ centre, np.array(lens), (1280, 720), model))
    return CameraRig(cameras)


def wave(
    rng: np.random.Generator, rig: CameraRig, views: int, noise_px: float = 0.3, tilt: float = 0.6
) -> tuple[BoardObservations, NDArray[np.float64]]:
    """Hold a board before the cameras, facing them more or less; return what they see and its poses (W, 4, 4)."""
    poses = np.tile(np.eye(4), (views, 1, 1))
    facing = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # the board's z towards -y, where the cameras are
    rows: list[NDArray[np.float64]] = []
    for w in range(views):
        poses[w, :3, :3] = rotations.from_vector(rng.uniform(-tilt, tilt, 3)) @ facing.T
        poses[w, :3, 3] = rng.uniform([-0.8, -0.8, 0.8], [0.8, 0.8, 1.6]) - poses[w, :3, :3] @ BOARD.mean(axis=0)
        px = rig.project(BOARD @ poses[w, :3, :3].T + poses[w, :3, 3])
        px += rng.normal(0, noise_px, px.shape)
        for c, camera in enumerate(rig):
            inside = ((px[:, c] >= 0) & (px[:, c] < camera.size_px)).all(axis=1)
            for corner in np.flatnonzero(inside):
                rows.append(np.array([c, w, corner, *px[corner, c]]))
    table = np.array(rows).reshape(-1, 5)
    index = table[:, :3].astype(np.int64)
    sizes = np.array([camera.size_px for camera in rig])
    return BoardObservations(rig.ids, index[:, 0], index[:, 1], index[:, 2], table[:, 3:], BOARD, sizes), poses


def standardised(rig: CameraRig, calibration_rig: CameraRig) -> NDArray[np.float64]:
    """Return estimate less truth of the parameters (V, q), as `CameraFit.names`, in the first camera's frame."""
    first = rig[0]
    errors = []
    for true, told in zip(rig, calibration_rig, strict=True):
        R = true.rotation @ first.rotation.T
        t = true.translation_m - R @ first.translation_m
        lens = [(c.matrix[0, 0], c.matrix[1, 1], c.matrix[0, 2], c.matrix[1, 2], *c.distortion) for c in (told, true)]
        turn = rotations.to_vector(told.rotation @ R.T)
        errors.append(np.concatenate([np.subtract(*lens), turn, told.translation_m - t]))
    return np.array(errors)
