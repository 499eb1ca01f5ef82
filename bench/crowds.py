"""Simulated crowds: people who walk, cross, stand and leave, seen by ceiling cameras with their own clocks.

Bodies walk between random places, arms swing and reach; detectors see what is in the picture and not hidden behind
somebody nearer, with noise, missed joints, missed persons and persons who are not there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion import Camera, Keypoints, project

Array = NDArray[np.float64]
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
"""Joints of somebody 1.75 m tall who looks along x, metres."""
FIRST_NS = 1_600_000_000_000_000_000


@dataclass(frozen=True)
class Detector:
    """What a keypoint detector does to a picture."""

    sigma_px: float = 8.0
    missed_joint: float = 0.05
    missed_person: float = 0.05
    false_persons: float = 0.1
    """Mean number a picture."""
    hidden: float = 0.35
    """A joint is hidden behind the head or trunk of somebody nearer who passes it at less than this in metres."""


def ceiling(count: int = 8, radius_m: float = 5.0, height_m: float = 3.0, lens: tuple[float, ...] = ()) -> list[Camera]:
    """Cameras on a circle that look at the floor's centre."""
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * i / count
        centre = np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), height_m])
        axis = -centre / np.linalg.norm(centre)
        right = np.cross(axis, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.array([right, np.cross(axis, right), axis])
        matrix = np.array([[900.0, 0, 960], [0, 905, 540], [0, 0, 1]])
        cameras.append(Camera(str(i), matrix, rotation, -rotation @ centre, np.array(lens), (1920, 1080)))
    return cameras


class Crowd:
    """People who go from place to place within a square, stand a while at each, and keep out of each other's way.

    Three in ten come later and three in ten leave earlier, through a door in the middle of the left side.

    Parameters
    ----------
    people : int
        How many.
    half_m : float
        Half the side of the square.
    seconds : float
        How long.
    seed : int
        Of everything random.
    everybody : bool
        Nobody comes later or leaves.
    """

    STEP_S, APART_M = 0.02, 0.45

    def __init__(self, people: int, half_m: float, seconds: float, seed: int, everybody: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.scale, self.phase = rng.uniform(0.9, 1.1, people), rng.uniform(0, 2 * np.pi, people)
        self.period_s, self.shape = rng.uniform(2, 5, people), rng.normal(0, 0.02, (people, 8, 3))
        come = np.where(rng.random(people) < 0.3, rng.uniform(0, 0.3 * seconds, people), 0.0)
        leave = np.where(rng.random(people) < 0.3, rng.uniform(0.5 * seconds, 0.8 * seconds, people), np.inf)
        if everybody:
            come, leave = np.zeros(people), np.full(people, np.inf)
        steps = int(seconds / self.STEP_S) + 2
        self.place, self.heading = np.empty((steps, people, 2)), np.empty((steps, people))
        self.speed, self.there = np.empty((steps, people)), np.zeros((steps, people), bool)
        self._walk(rng, half_m, come, leave)

    def _walk(self, rng: np.random.Generator, half_m: float, come: Array, leave: Array) -> None:
        n = len(come)
        door = np.array([-half_m - 0.5, 0.0])
        at = np.where(come[:, None] > 0, door, rng.uniform(-half_m, half_m, (n, 2)))
        v, goal, wish = np.zeros((n, 2)), rng.uniform(-half_m, half_m, (n, 2)), rng.uniform(0.6, 1.4, n)
        rest, inside, heading = np.zeros(n), come == 0, rng.uniform(0, 2 * np.pi, n)
        for k in range(len(self.place)):
            t = k * self.STEP_S
            inside |= (come > 0) & (t >= come) & (t < leave)
            goal = np.where((t >= leave)[:, None], door, goal)
            way = goal - at
            far = np.linalg.norm(way, axis=1)
            arrived = far < 0.15
            inside &= ~((t >= leave) & arrived)
            rest = np.where(arrived & (rest <= 0), rng.uniform(0.5, 2.5, n), rest - self.STEP_S)
            fresh = arrived & (rest <= self.STEP_S)
            goal = np.where(fresh[:, None], rng.uniform(-half_m, half_m, (n, 2)), goal)
            want = np.where(arrived[:, None], 0, way / np.maximum(far, 0.3)[:, None] * wish[:, None])
            v += np.clip(want - v, -2.5 * self.STEP_S, 2.5 * self.STEP_S)  # 2.5 m/s^2
            at = self._apart(at + v * self.STEP_S, inside)
            speed = np.linalg.norm(v, axis=1)
            turn = np.where(speed > 0.2, np.angle(np.exp(1j * (np.arctan2(v[:, 1], v[:, 0]) - heading))), 0.0)
            heading = heading + np.clip(turn, -3 * self.STEP_S, 3 * self.STEP_S)
            self.place[k], self.heading[k], self.speed[k], self.there[k] = at, heading, speed, inside

    def _apart(self, at: Array, inside: NDArray[np.bool_]) -> Array:
        """Push those who are too near to each other apart, both by half of what is missing."""
        for _ in range(3):
            gap = at[:, None] - at[None]
            far = np.linalg.norm(gap, axis=2)
            near = (far < self.APART_M) & (far > 0) & inside[:, None] & inside[None]
            push = np.where(near, (self.APART_M - far) / 2 / np.where(far > 0, far, 1), 0)
            at = at + (gap * push[..., None]).sum(1)
        return at

    def at(self, t: float) -> tuple[NDArray[np.int64], Array]:
        """Return the indices of those present at a time and their joints, (P, 8, 3) metres."""
        k = min(int(t / self.STEP_S), len(self.place) - 2)
        s = t / self.STEP_S - k
        who = np.flatnonzero(self.there[k])
        place = self.place[k, who] * (1 - s) + self.place[k + 1, who] * s
        heading = self.heading[k, who] * (1 - s) + self.heading[k + 1, who] * s
        pace = self.speed[k, who] * (1 - s) + self.speed[k + 1, who] * s
        body = STANDING * self.scale[who, None, None] + self.shape[who]
        swing = 0.15 * np.minimum(pace, 1) * np.sin(2 * np.pi * 0.9 * t + self.phase[who])
        body[:, [4, 6], 0] += swing[:, None] * [0.5, 1]
        body[:, [5, 7], 0] -= swing[:, None] * [0.5, 1]
        reach = np.maximum(np.sin(2 * np.pi * t / self.period_s[who] + self.phase[who]), 0) ** 2 * (
            1 - np.minimum(pace, 1)
        )
        body[:, [5, 7]] += reach[:, None, None] * np.array([[0.2, 0, 0.15], [0.5, 0, 0.35]])
        c, d = np.cos(heading), np.sin(heading)
        x, y = (
            body[..., 0] * c[:, None] - body[..., 1] * d[:, None],
            body[..., 0] * d[:, None] + body[..., 1] * c[:, None],
        )
        return who, np.stack([x + place[:, :1], y + place[:, 1:], body[..., 2]], axis=-1)


def picture(
    camera: Camera, joints: Array, detector: Detector, rng: np.random.Generator, time_ns: int
) -> tuple[Keypoints, NDArray[np.int64]]:
    """Return what one camera tells of the people, and whom each detection shows (-1: nobody)."""
    px = project([camera], joints.reshape(-1, 3)).reshape(-1, 8, 2)
    centre = -camera.rotation.T @ camera.translation_m
    seen = ((px >= 0) & (px < [1920, 1080])).all(-1) & ~hidden(joints, centre, detector.hidden)
    seen &= rng.random(seen.shape) >= detector.missed_joint
    px = np.where(seen[..., None], px + rng.normal(0, detector.sigma_px, px.shape), np.nan)
    who = np.flatnonzero((seen.sum(1) >= 3) & (rng.random(len(joints)) >= detector.missed_person))
    rng.shuffle(who)
    px = px[who]
    for _ in range(rng.poisson(detector.false_persons)):
        at = rng.uniform([200, 200], [1720, 880])
        px = np.concatenate([px, (at + rng.normal(0, 60, (8, 2)))[None]])
        who = np.append(who, -1)
    return Keypoints(camera.id, time_ns, px, np.full(px.shape[:2], detector.sigma_px)), who


def hidden(joints: Array, centre: Array, radius_m: float) -> NDArray[np.bool_]:
    """Joints behind somebody else's body, a vertical line from the hips to the crown with this radius, (P, 8)."""
    result = np.zeros(joints.shape[:2], bool)
    for i in range(len(joints)):
        line = joints[i] - centre
        for k in range(len(joints)):
            if k == i:
                continue
            # Where the sight line is nearest to the other's axis, seen from above.
            axis = joints[k, 1, :2] - centre[:2]
            s = (line[:, :2] @ axis) / (line[:, :2] ** 2).sum(1)
            away = np.linalg.norm(line[:, :2] * s[:, None] - axis, axis=1)
            height = centre[2] + line[:, 2] * s
            result[i] |= (
                (s > 0) & (s < 0.97) & (away < 0.6 * radius_m) & (height > 0.6) & (height < joints[k, 0, 2] + 0.1)
            )
    return result


def film(
    cameras: list[Camera],
    crowd: Crowd,
    detector: Detector,
    seconds: float,
    seed: int,
    rate_hz: float = 15.0,
    clock_s: float = 0.01,
) -> list[tuple[Keypoints, NDArray[np.int64], float]]:
    """Pictures of all cameras in the order of their clocks, whom they show, and when they were truly taken.

    Every camera starts at a phase of its own and its clock is off by up to `clock_s`.
    """
    rng = np.random.default_rng(seed)
    phase, offset = rng.uniform(0, 1 / rate_hz, len(cameras)), rng.uniform(-clock_s, clock_s, len(cameras))
    pictures = []
    for c, camera in enumerate(cameras):
        for t in np.arange(phase[c], seconds, 1 / rate_hz):
            who, joints = crowd.at(t)
            keypoints, shown = picture(camera, joints, detector, rng, FIRST_NS + round((t + offset[c]) * 1e9))
            pictures.append((keypoints, np.where(shown >= 0, who[shown] if len(who) else -1, -1), float(t)))
    return sorted(pictures, key=lambda p: (p[0].time_ns, p[0].camera))
