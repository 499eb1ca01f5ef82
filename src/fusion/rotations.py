"""Rotations between their matrix, rotation vector and unit quaternion."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def from_vector(vector: Array) -> Array:
    """Return the rotation matrix (3, 3) of a rotation vector (3,): the axis times the angle in radians (Rodrigues)."""
    with np.errstate(over="ignore", invalid="ignore"):  # of huge angles nothing finite comes, for the caller to refuse
        angle = float(np.sqrt(vector @ vector))
        if angle == 0.0:
            return np.eye(3)
        x, y, z = vector / angle
        cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross))


def to_vector(rotation: Array) -> Array:
    """Return the rotation vector (3,) of a rotation matrix, its angle in [0, pi]."""
    w, *xyz = to_quaternion(rotation)
    sine = float(np.linalg.norm(xyz))
    return np.asarray(xyz) * (2 * np.arctan2(sine, w) / sine if sine > 0 else 2.0)


def from_quaternion(wxyz: Array) -> Array:
    """Return the rotation matrix (3, 3) of a quaternion ``w, x, y, z``.

    Raises
    ------
    ValueError
        If the quaternion is not of unit length to one per cent.
    """
    length = math.hypot(*wxyz)
    if not abs(length - 1) <= 0.01:
        raise ValueError(f"quaternion must be of unit length; got {wxyz.tolist()}")
    w, x, y, z = wxyz / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def to_quaternion(rotation: Array) -> Array:
    """Return the unit quaternion ``w, x, y, z`` of a rotation matrix, ``w >= 0`` (Shepperd 1978)."""
    R = rotation
    squares = np.array([np.trace(R), R[0, 0], R[1, 1], R[2, 2]])
    i = int(squares.argmax())
    if i == 0:
        q = np.array([1 + squares[0], R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])
    else:
        a, b, c = i - 1, i % 3, (i + 1) % 3
        q = np.empty(4)
        q[0] = R[c, b] - R[b, c]
        q[1 + a] = 1 + R[a, a] - R[b, b] - R[c, c]
        q[1 + b] = R[b, a] + R[a, b]
        q[1 + c] = R[c, a] + R[a, c]
    q /= np.linalg.norm(q)
    return np.asarray(-q if q[0] < 0 else q)
