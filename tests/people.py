"""People before ceiling cameras, as the tests of matching and tracking want them."""

import numpy as np
from numpy.typing import NDArray

from fusion import Camera, Keypoints, project

FIRST_NS = 1_600_000_000_000_000_000
STANDING = np.array(
    [
        [0.05, 0, 1.68],
        [0, 0, 1.50],
        [0, 0.19, 1.42],
        [0, -0.19, 1.42],
        [0.02, 0.24, 1.13],
        [0.02, -0.24, 1.13],
        [0.12, 0.24, 0.90],
        [0.12, -0.24, 0.90],
    ]
)


def ceiling(count: int, lens: tuple[float, ...] = (), radius_m: float = 5.0) -> list[Camera]:
    """Cameras on a circle 3 m high that look at the floor's centre."""
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * i / count
        centre = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), 3.0])
        axis = -centre / np.linalg.norm(centre)
        right = np.cross(axis, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900.0, 0, 960], [0, 905, 540], [0, 0, 1]])
        cameras.append(Camera(f"c{i}", matrix, rotation, -rotation @ centre, np.array(lens), (1920, 1080)))
    return cameras


def bodies(places_m: NDArray[np.float64] | list[list[float]]) -> NDArray[np.float64]:
    """Joints of people who stand at places (P, 2) and look along x, (P, 8, 3)."""
    places = np.asarray(places_m, float)
    return STANDING + np.concatenate([places, np.zeros((len(places), 1))], axis=1)[:, None]


def scattered(rng: np.random.Generator, count: int, half_m: float) -> NDArray[np.float64]:
    """Joints of people at random places, half a metre apart or more."""
    places: list[NDArray[np.float64]] = []
    while len(places) < count:
        at = rng.uniform(-half_m, half_m, 2)
        if all(np.hypot(*(at - p)) > 0.5 for p in places):
            places.append(at)
    return bodies(np.array(places)) + rng.normal(0, 0.03, (count, 8, 3))


def pictures(
    rng: np.random.Generator,
    cameras: list[Camera],
    joints: NDArray[np.float64],
    sigma_px: float,
    missing: float = 0.0,
    time_ns: int = FIRST_NS,
) -> tuple[list[Keypoints], list[NDArray[np.int64]]]:
    """One picture a camera at an instant, and who each detection is."""
    px = project(cameras, joints.reshape(-1, 3)).reshape(len(joints), 8, len(cameras), 2)
    px += rng.normal(0, sigma_px, px.shape)
    px[rng.random(px.shape[:3]) < missing] = np.nan
    who = [rng.permutation(len(joints)) for _ in cameras]
    sigma = np.full((len(joints), 8), sigma_px)
    return [
        Keypoints(c.id, time_ns, px[w, :, i], sigma) for i, (c, w) in enumerate(zip(cameras, who, strict=True))
    ], who


def pair_f1(persons: tuple[NDArray[np.int32], ...], who: list[NDArray[np.int64]]) -> float:
    """F1 over pairs of detections of different cameras that are said to be, or are, the same person."""
    camera = np.repeat(np.arange(len(who)), [len(w) for w in who])
    said, true = np.concatenate(persons), np.concatenate(who)
    i, j = np.triu_indices(len(true), 1)
    other = camera[i] != camera[j]
    i, j = i[other], j[other]
    positive, right = (said[i] == said[j]) & (said[i] >= 0), true[i] == true[j]
    return float(2 * (positive & right).sum() / (positive.sum() + right.sum()))
