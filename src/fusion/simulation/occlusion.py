"""What stands between camera and joint: bodies as upright cylinders with a ball on top, boards and goods as boxes."""

import numpy as np
from numpy.typing import NDArray

from fusion.observations import JOINTS
from fusion.simulation.paths import Array
from fusion.store import Box, Plate, Store

# Drillis and Contini 1966 and NASA-STD-3000: a chest is about 0.32 m wide and 0.24 m deep, a head 0.15 m by 0.2 m.
TRUNK_RADIUS_M = 0.14
HEAD_RADIUS_M = 0.09
SETBACK_M = 0.05  # of the goods behind a fixture's front: hands reach so far in sight, if no board is above them
BOARD_M = 0.02
HEAD, NECK = JOINTS.index("head"), JOINTS.index("neck")
ARMS = slice(JOINTS.index("l_elbow"), len(JOINTS))  # joints that the own body can hide; the others lie on its surface

Mask = NDArray[np.bool_]


def hidden(eye_m: Array, joints_m: Array, boxes: list[Box]) -> Mask:
    """Tell which joints of S persons are out of a camera's sight.

    Parameters
    ----------
    eye_m : (3,) float64
        The camera's centre.
    joints_m : (n, S, 8, 3) float64
        Joints at n instants; NaN for who is not there.
    boxes : list of Box
        What stands in the store.

    Returns
    -------
    (n, S, 8) bool
        False where a joint is NaN.
    """
    result = hidden_by_boxes(eye_m, joints_m, boxes)
    for s in range(joints_m.shape[1]):
        head, neck = joints_m[:, s, None, None, HEAD], joints_m[:, s, None, None, NECK]
        others = [o for o in range(joints_m.shape[1]) if o != s]
        result[:, others] |= hidden_by_body(eye_m, joints_m[:, others], head, neck)
        result[:, s, ARMS] |= hidden_by_body(eye_m, joints_m[:, s : s + 1, ARMS], head, neck)[:, 0]
    return result


def hidden_by_body(eye_m: Array, points_m: Array, head_m: Array, neck_m: Array) -> Mask:
    """Tell which points (..., 3) lie behind, or in, a body with that head and neck (broadcast against the points)."""
    ray = _components(points_m - eye_m)
    with np.errstate(divide="ignore", invalid="ignore"):  # rays along an axis, and persons who are not there
        result = _meets_cylinder(_components(eye_m - neck_m), ray, eye_m[2])
        return result | _meets_ball(_components(head_m - eye_m), ray)


def hidden_by_boxes(eye_m: Array, points_m: Array, boxes: list[Box]) -> Mask:
    """Tell which points (..., 3) lie behind, or in, a box (Kay and Kajiya 1986, slabs)."""
    result = np.zeros(points_m.shape[:-1], dtype=np.bool_)
    x, y, z = _components(points_m - eye_m)
    with np.errstate(divide="ignore", invalid="ignore"):
        for box in boxes:
            enter, leave = np.zeros(result.shape), np.ones(result.shape)
            eye = (eye_m - box.origin_m) @ box.rotation
            for k, (rx, ry, rz) in enumerate(box.rotation.T):
                ray = rx * x + ry * y + rz * z
                near, far = -eye[k] / ray, (box.size_m[k] - eye[k]) / ray
                np.maximum(enter, np.minimum(near, far), out=enter)
                np.minimum(leave, np.maximum(near, far), out=leave)
            result |= enter < leave
    return result


def fixture_boxes(store: Store) -> list[Box]:
    """List the boards of all shelves, and what fills each fixture from the floor to the top of its highest space."""
    boxes = []
    for fixture in store.fixtures:
        filling = _around(fixture.plates)
        rotation, top_m = filling.rotation, filling.origin_m[2] + filling.size_m[2]
        front = filling.origin_m * [1.0, 1.0, 0.0] + SETBACK_M * rotation[:, 1]
        depth = max(filling.size_m[1] - SETBACK_M, 0.0)
        boxes.append(Box(front, np.array([filling.size_m[0], depth, top_m]), rotation))
        for shelf in fixture.shelves:
            board = _around(shelf.plates)
            size = np.array([*board.size_m[:2], BOARD_M])
            boxes.append(Box(board.origin_m - BOARD_M * board.rotation[:, 2], size, board.rotation))
    return boxes


def _around(plates: tuple[Plate, ...]) -> Box:
    """Return the box around plates, along the axes of the first."""
    rotation = plates[0].box.rotation
    corners = np.array([[p.box.origin_m, p.box.origin_m + p.box.rotation @ p.box.size_m] for p in plates]) @ rotation
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    return Box(rotation @ low, high - low, rotation)


def _meets_cylinder(from_neck: Array, ray: Array, height_m: float) -> Mask:
    """Cut the segments with the upright cylinder below the neck; `from_neck` leads to the camera, `height_m` high."""
    (ox, oy, oz), (dx, dy, dz) = from_neck, ray
    a, b = np.maximum(dx * dx + dy * dy, 1e-300), ox * dx + oy * dy  # not 0 where the ray is upright
    root = np.sqrt(b * b - a * (ox * ox + oy * oy - TRUNK_RADIUS_M**2))  # NaN where the line misses
    floor, top = -height_m / dz, -oz / dz
    enter = np.maximum((-b - root) / a, np.minimum(floor, top))
    leave = np.minimum((-b + root) / a, np.maximum(floor, top))
    return np.asarray(np.maximum(enter, 0.0) < np.minimum(leave, 1.0))


def _meets_ball(to_head: Array, ray: Array) -> Mask:
    (hx, hy, hz), (dx, dy, dz) = to_head, ray
    along = np.clip((hx * dx + hy * dy + hz * dz) / (dx * dx + dy * dy + dz * dz), 0.0, 1.0)
    return np.asarray((hx - along * dx) ** 2 + (hy - along * dy) ** 2 + (hz - along * dz) ** 2 < HEAD_RADIUS_M**2)


def _components(vectors: Array) -> Array:
    """Return x, y and z apart, each in one piece."""
    return np.ascontiguousarray(np.moveaxis(vectors, -1, 0))
