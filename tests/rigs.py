"""Rigs and points for the tests of cameras: ceiling cameras of every lens, and images with outliers."""

import numpy as np
from numpy.typing import NDArray

from fusion import Camera, CameraRig

LENS = (-0.28, 0.09, 0.0005, -0.0004, -0.01, 0.02, 0.01, -0.003, 0.001, -0.002, 0.0015, 0.0007, 0.05, -0.03)
"""All 14 coefficients; the first 0, 4, 5, 8 or 12 are lenses too."""
FISHEYE = (0.05, -0.01, 0.003, -0.0005)


def ceiling(
    count: int,
    distortion: tuple[float, ...] = LENS[:5],
    model: str = "pinhole",
    *,
    skew: float = 0.0,
    shift_m: float = 0.0,
) -> CameraRig:
    """Cameras on a circle of 5 m radius, 3 m high, that look at the floor's centre."""
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * i / count
        centre = np.array([5 * np.cos(angle), 5 * np.sin(angle), 3.0])
        axis = -centre / np.linalg.norm(centre)
        right = np.cross(axis, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900, skew, 960], [0, 905, 540], [0, 0, 1]])
        d = np.array(distortion)
        cameras.append(Camera(f"c{i}", matrix, rotation, -rotation @ (centre + shift_m), d, (1920, 1080), model))
    return CameraRig(cameras)


def mixed() -> CameraRig:
    """A camera of every lens."""
    kinds = [(LENS[:n], "pinhole") for n in (0, 4, 5, 8, 12, 14)] + [((), "fisheye"), (FISHEYE, "fisheye")]
    rigs = [ceiling(len(kinds), lens, model, skew=i % 2) for i, (lens, model) in enumerate(kinds)]
    return CameraRig([rig[i] for i, rig in enumerate(rigs)])


def people(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return rng.uniform([-2, -2, 0], [2, 2, 2], (count, 3))


def with_outliers(
    rng: np.random.Generator, px: NDArray[np.float64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Move a share of the images by 20 to 200 px; return them and which they are."""
    wrong = rng.random(px.shape[:2]) < share
    angle, length = rng.uniform(0, 2 * np.pi, wrong.sum()), rng.uniform(20, 200, wrong.sum())
    moved = px.copy()
    moved[wrong] += np.column_stack([np.cos(angle), np.sin(angle)]) * length[:, None]
    return moved, wrong
