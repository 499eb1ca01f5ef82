"""Cameras over the simulated store: a rig made for it, or a real one moved there."""

from dataclasses import replace

import numpy as np

from fusion.camera import Camera
from fusion.rig import CameraRig
from fusion.simulation.paths import WALL_M, Array
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.store import AISLE_M, GATE_M
from fusion.store import Store

AIM_M = 1.0  # height at which cameras look: half-way between a shelf's middle and a head, and never level
MOUNT_M = 0.05  # deviation of where a camera hangs, and looks, from where the plan has it
# At the edge of the image, of a radius or an angle of 1 there: a Brown lens pulls inwards by a fifth, as NanoStore's
# do; the others are of the size of ordinary calibrations. Lenses of one make differ by a few per cent.
BROWN = (-0.3, 0.12, 0.0, 0.0, -0.02)
TANGENTIAL = 5e-4
FISHEYE = (0.05, -0.01, 0.003, -0.0005)
LENS_SPREAD, CENTER_SPREAD = 0.05, 0.01  # of coefficients, and of the image's centre over its size
HEIGHTS_M = (0.9, 1.3, 1.7)  # of hands, shoulders and heads
GRID_M = 0.25
TURNS = 72  # in which a given rig is tried


def generate_rig(settings: SimulationSettings, store: Store, rng: np.random.Generator) -> CameraRig:
    """Hang `settings.cameras` cameras around the aisle, from a corner on, that look across it.

    Each looks at the nearest place of the aisle's middle line that is half an aisle away from its ends: wherever that
    is less than the field of view allows, more cameras must hang.
    """
    low, high = aisle_m(store)
    places = _rim(low, high, settings.cameras)
    middle = np.minimum((high - low) / 2, AISLE_M / 2)
    aims = np.clip(places, low + middle, high - middle)
    places += rng.normal(0.0, MOUNT_M, places.shape)
    aims += rng.normal(0.0, MOUNT_M, aims.shape)
    return CameraRig(
        [
            _camera(settings, f"camera-{i + 1}", np.append(place, settings.ceiling_m), np.append(aim, AIM_M), rng)
            for i, (place, aim) in enumerate(zip(places, aims, strict=True))
        ]
    )


def move_rig(settings: SimulationSettings, rig: CameraRig, store: Store) -> CameraRig:
    """Move a rig, whose floor is z = 0, over the aisle: turned about the vertical and shifted, nothing else.

    The middle of what it looks at comes over the aisle's middle, in that of `TURNS` directions in which most of the
    aisle is seen, and by most cameras. Images of 1 x 1 (NanoStore's) get the size of the settings; where the size is
    unknown, the image's centre is the principal point.
    """
    cameras = [_with_pixels(camera, settings) for camera in rig]
    low, high = aisle_m(store)
    points = _sampled(low, high)
    pivot = np.append(np.median([_looks_at(camera) for camera in cameras], axis=0), 0.0)
    to = np.append((low + high) / 2, 0.0)
    rigs = [
        CameraRig([_moved(camera, 2 * np.pi * turn / TURNS, pivot, to) for camera in cameras]) for turn in range(TURNS)
    ]
    return rigs[int(np.argmax([_coverage(moved, points) for moved in rigs]))]


def aisle_m(store: Store) -> tuple[Array, Array]:
    """Tell where the floor between the fixtures begins and ends, (2,) each: from the gate to the last fixture."""
    ends = [p.box.origin_m + p.box.rotation[:, 0] * p.box.size_m[0] for p in store.plate_by_id.values()]
    last = max(*(p.box.origin_m[0] for p in store.plate_by_id.values()), *(end[0] for end in ends))
    return np.array([GATE_M[0], 0.0]), np.array([last, AISLE_M])


def in_image(camera: Camera, px: Array) -> np.ndarray:
    """Tell which pixels (..., 2) lie in a camera's image; NaN do not."""
    size = np.array(camera.size_px)
    return np.asarray(((px >= -0.5) & (px < size - 0.5)).all(axis=-1))


def _rim(low: Array, high: Array, count: int) -> Array:
    """Place `count` points (count, 2) at even distances along the edge of a rectangle, the first in a corner."""
    width, depth = high - low
    way = np.arange(count) * 2 * (width + depth) / max(count, 1)
    corners = np.cumsum([0.0, width, depth, width, depth])
    x = np.interp(way, corners, [low[0], high[0], high[0], low[0], low[0]])
    y = np.interp(way, corners, [low[1], low[1], high[1], high[1], low[1]])
    return np.stack([x, y], axis=1)


def _camera(settings: SimulationSettings, name: str, center_m: Array, aim_m: Array, rng: np.random.Generator) -> Camera:
    axis = aim_m - center_m
    axis /= np.sqrt(axis @ axis)
    right = np.cross(axis, [0.0, 0.0, 1.0])
    right /= np.sqrt(right @ right)
    rotation = np.array([right, np.cross(axis, right), axis])
    size = np.array([settings.image_width_px, settings.image_height_px])
    edge = np.deg2rad(settings.camera_fov_deg) / 2
    fisheye = bool(rng.random() < settings.fisheye_probability)
    spread = 1.0 + LENS_SPREAD * rng.standard_normal(5)
    if fisheye:
        d = np.array(FISHEYE) * spread[:4]
        at_edge = edge * (1.0 + d @ edge ** np.array([2, 4, 6, 8]))
    else:
        edge = np.tan(edge)
        d = np.array(BROWN) * spread
        at_edge = edge * (1.0 + d[[0, 1, 4]].sum())
        d[[0, 1, 4]] /= edge ** np.array([2, 4, 6])
        d[2:4] = TANGENTIAL * rng.standard_normal(2)
    focal = size.max() / 2 / at_edge
    cx, cy = (size - 1) / 2 + CENTER_SPREAD * size * rng.standard_normal(2)
    matrix = np.array([[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]])
    model = "fisheye" if fisheye else "pinhole"
    return Camera(name, matrix, rotation, -rotation @ center_m, d, (int(size[0]), int(size[1])), model)


def _with_pixels(camera: Camera, settings: SimulationSettings) -> Camera:
    if camera.size_px == (1, 1):
        size = (settings.image_width_px, settings.image_height_px)
        to_px = np.array([[size[0], 0.0, -0.5], [0.0, size[1], -0.5], [0.0, 0.0, 1.0]])
        return replace(camera, matrix=to_px @ camera.matrix, size_px=size)
    if 0 in camera.size_px:
        width, height = np.maximum(np.rint(2 * camera.matrix[:2, 2] + 1), 1).astype(int).tolist()
        return replace(camera, size_px=(width, height))
    return camera


def _looks_at(camera: Camera) -> Array:
    """Return where the optical axis meets the height `AIM_M`, (2,), or where the camera hangs if it looks elsewhere."""
    center, axis = camera.center_m, camera.rotation[2]
    away = (AIM_M - center[2]) / axis[2] if axis[2] else np.inf
    reach = away if 0 < away < 2 * AISLE_M else 0.0
    return np.asarray(center[:2] + reach * axis[:2])


def _moved(camera: Camera, angle: float, pivot_m: Array, to_m: Array) -> Camera:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    rotation = camera.rotation @ turn.T
    return replace(camera, rotation=rotation, translation_m=-rotation @ (to_m + turn @ (camera.center_m - pivot_m)))


def _sampled(low: Array, high: Array) -> Array:
    x, y = (np.arange(a + WALL_M, b - WALL_M / 2, GRID_M) for a, b in zip(low, high, strict=True))
    return np.stack(np.meshgrid(x, y, HEIGHTS_M), axis=-1).reshape(-1, 3)


def _coverage(rig: CameraRig, points_m: Array) -> float:
    """Judge how well points are seen: each further camera counts half as much as the one before."""
    px = rig.project(points_m)
    views = np.sum([in_image(camera, px[:, i]) for i, camera in enumerate(rig)], axis=0)
    return float(np.mean(1.0 - 0.5**views))
