"""Clocks of cameras: how far each one's time stamps are ahead of the others', learned from people who walk.

Who walks at 1 m/s is 0.1 m farther on in the picture of a camera whose stamps are 0.1 s late: the images of a tracked
body lie ahead of the track, or behind it, along its velocity.
"""

from math import fsum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.observations import NS

Array = NDArray[np.float64]

TORSO = slice(0, 4)
"""Head, neck and shoulders: arms swing too freely for their velocities to be known."""
SLOWEST_M_S = 0.3
"""Slower bodies tell little, and their velocities are mostly errors."""
LASTING = 4.0
"""Errors of detected joints last for some pictures: so many tell what one of independent errors would."""
WANDER_S = 0.003
"""By so much, in the root of a second of walking, an offset may change: more than quartz does, so that errors fade."""
SETTLING_S = 1.0
"""What is learned while other clocks are unknown is not believed: so much walking takes a deviation to a quarter."""
STEP_S = 0.1
"""Pictures that are further apart count for no more walking than this."""
STRAYS = 40
"""After so many detections in a row that are nobody's, a camera's clock may have jumped, and is learned anew."""
DEPTH_M = 3.0
"""Of somebody before a camera, for how far a wrong clock moves the image."""
GATE = 16.0
"""Squared whitened residual of a joint that no clock explains."""


class ClockOffsets(NamedTuple):
    """What is believed about the clocks of V cameras, in the order of the cameras."""

    offset_s: tuple[float, ...]
    """How far a camera's stamps are ahead; the mean over the cameras that were learned is 0."""
    sigma_s: tuple[float, ...]
    """Standard deviations."""


class CameraClocks:
    """A Kalman filter of a scalar, a random walk, for each camera; sums are exact, and bits the same everywhere.

    Parameters
    ----------
    cameras : int
        How many.
    sigma_s : float
        Standard deviation of an offset before anybody walked, seconds.
    most_s : float
        Largest offset that is believed, seconds: pictures must not come too late by their mended stamps.
    """

    def __init__(self, cameras: int, sigma_s: float, most_s: float) -> None:
        self._sigma_s, self._most_s = sigma_s, most_s
        self._offset, self._variance = [0.0] * cameras, [sigma_s * sigma_s] * cameras
        self._walked_s, self._strays = [0.0] * cameras, [0] * cameras
        self._last_ns = [0] * cameras
        self._mean = 0.0

    def ahead_s(self, camera: int) -> float:
        """Tell how far a camera's stamps are believed to be ahead of the mean clock."""
        return min(max(self._offset[camera] - self._mean, -self._most_s), self._most_s)

    def blur(self, camera: int, sightings: Array, speed_m_s: float) -> None:
        """Widen the noise of images (N, 10, 8), in place, by what the camera's clock lets bodies move."""
        moved_m = speed_m_s * self._variance[camera] ** 0.5 / DEPTH_M
        for row in (0, 3):
            x, y, z = (sightings[:, row + k] * moved_m for k in range(3))
            sightings[:, row : row + 3] *= (1.0 / np.sqrt(1.0 + (x * x + y * y + z * z)))[:, None]

    def stray(self, camera: int, detections: int) -> None:
        """Count detections that are nobody's; 0 where one is somebody's."""
        self._strays[camera] = self._strays[camera] + detections if detections else 0
        if self._strays[camera] >= STRAYS:
            self._strays[camera], self._walked_s[camera] = 0, 0.0
            self._variance[camera] = self._sigma_s**2

    def offsets(self) -> ClockOffsets:
        """Tell what is believed."""
        return ClockOffsets(
            tuple(self.ahead_s(i) for i in range(len(self._offset))), tuple(v**0.5 for v in self._variance)
        )

    def learn(self, camera: int, now_ns: int, ahead_s: float, centre: Array, tracks: Array, sightings: Array) -> None:
        """Learn from K bodies, after their images were taken in.

        Parameters
        ----------
        camera : int
            Whose picture it is.
        now_ns : int
            When it was taken, if its stamp was `ahead_s`.
        ahead_s : float
            What was believed of its stamp: pictures wait for each other, and more is known now.
        centre : (3,) float64
            The camera's, metres.
        tracks : (K, 27, 8) float64
            The tracks, of ``fusion.reference.track_filter``.
        sightings : (K, 10, 8) float64
            Their images, of ``fusion.reference.joints``.
        """
        told, information = _evidence(centre, tracks[:, :, TORSO], sightings[:, :, TORSO])
        if not information > 0.0:
            return
        walked_s = min(max(now_ns - self._last_ns[camera], 0) / NS, STEP_S)
        self._last_ns[camera] = now_ns
        self._walked_s[camera] += walked_s
        variance = self._variance[camera] + WANDER_S**2 * walked_s
        variance = 1.0 / (1.0 / variance + information / LASTING)
        measured = ahead_s + self._mean + told / information
        self._offset[camera] += variance * information / LASTING * (measured - self._offset[camera])
        unsettled_s = self._sigma_s / (1.0 + self._walked_s[camera] / SETTLING_S) ** 2
        self._variance[camera] = max(variance, unsettled_s**2)
        known = [i for i, last_ns in enumerate(self._last_ns) if last_ns]
        self._mean = fsum(self._offset[i] for i in known) / len(known)


def _evidence(centre: Array, t: Array, s: Array) -> tuple[float, float]:
    """Return the derivative of the log likelihood by the camera's offset, at what was believed, and its information.

    A residual after the update is the innovation over its covariance, as images are whitened; the information follows
    from the matrix inversion lemma.
    """
    x, y, z = (t[:, k] - centre[k] for k in range(3))
    vx, vy, vz = (_mean(t[:, k])[:, None] for k in (3, 4, 5))
    depth = s[:, 6] * x + s[:, 7] * y + s[:, 8] * z
    near = 1.0 / np.where(depth > 0.0, depth, np.inf)
    e0 = (s[:, 0] * x + s[:, 1] * y + s[:, 2] * z) * near
    e1 = (s[:, 3] * x + s[:, 4] * y + s[:, 5] * z) * near
    j0 = [(s[:, k] - s[:, 6 + k] * e0) * near for k in range(3)]
    j1 = [(s[:, 3 + k] - s[:, 6 + k] * e1) * near for k in range(3)]
    m0, m1 = (j[0] * vx + j[1] * vy + j[2] * vz for j in (j0, j1))
    gx, gy, gz = (a * m0 + b * m1 for a, b in zip(j0, j1, strict=True))
    known = t[:, 6] * gx * gx + t[:, 9] * gy * gy + t[:, 11] * gz * gz
    known = known + 2.0 * (t[:, 7] * gx * gy + t[:, 8] * gx * gz + t[:, 10] * gy * gz)
    information = m0 * m0 + m1 * m1 - known
    walks = vx * vx + vy * vy >= SLOWEST_M_S * SLOWEST_M_S
    used = (s[:, 9] > 0.0) & (depth > 0.0) & (e0 * e0 + e1 * e1 < GATE) & walks & (information > 0.0)
    return fsum((m0 * e0 + m1 * e1)[used]), fsum(information[used])


def _mean(a: Array) -> Array:
    """Return the mean over the torso, (K,)."""
    return np.asarray(((a[:, 0] + a[:, 2]) + (a[:, 1] + a[:, 3])) * 0.25)
