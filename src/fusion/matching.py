"""Matching: which of the persons that several calibrated cameras detected are the same person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion import backends, validation
from fusion.camera import Camera, pack
from fusion.observations import JOINTS, Keypoints

LARGEST_CROWD = 4096
"""Most detections that are matched at once."""
_BODY = 11 * len(JOINTS) + 2


class PeopleSettings(NamedTuple):
    """What is known about people before one is seen."""

    lowest_m: float = -0.1
    """Least height of a joint above the floor, z = 0: the floor is not level to the centimetre."""
    highest_m: float = 2.5
    """Greatest height of a joint: an arm stretched upwards."""
    reach_m: float = 1.1
    """Farthest a joint is from the middle of the body: a stretched arm."""
    walking_m_s: float = 1.5
    """Speed of somebody who walks briskly."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """P persons found among detections.

    Parameters
    ----------
    persons : tuple of (N,) int32
        For each `Keypoints` given, the person (0 to P-1) of each of its N detections, -1 where no second camera
        confirms it.
    ambiguity : tuple of (N,) float64
        Likewise, the probability that the best rival would have been right instead: 0 is clear, 0.5 a tie.
    joints_m : (P, 8, 3) float64
        Where the rays of each person's `fusion.observations.JOINTS` pass nearest, metres; NaN where two cameras do not
        fix it. `fusion.triangulate` makes the most of the images once they are matched.
    covariance_m2 : (P, 8, 3, 3) float64
        Covariances from the noise of the images, square metres; NaN where the joint is.
    """

    persons: tuple[NDArray[np.int32], ...]
    ambiguity: tuple[NDArray[np.float64], ...]
    joints_m: NDArray[np.float64]
    covariance_m2: NDArray[np.float64]


def match_persons(
    cameras: Sequence[Camera], keypoints: Sequence[Keypoints], people: PeopleSettings | None = None
) -> Matches:
    """Match the persons detected by several cameras at about the same time.

    Pairs of detections whose rays pass each other within the noise are clustered in the order of their distance, two
    clusters becoming one while the distances of all rays to the fitted joints grow no more than chance explains (Ward
    1963, "Hierarchical grouping to optimize an objective function"); then the detections of each camera are assigned
    to the clusters exactly. A person is confirmed by two cameras, by heights and by reach. Nobody's looks are needed.

    Parameters
    ----------
    cameras : sequence of Camera
        The calibrated cameras; identifiers are unique.
    keypoints : sequence of Keypoints
        What they saw; no two detections of one camera become one person. Where times differ, people may have walked.
    people : PeopleSettings, optional
        Heights, reach and speed.

    Returns
    -------
    Matches
        The person of each detection and the joints of each person. The order of `keypoints` breaks ties only.

    Raises
    ------
    TypeError
        If an argument holds something else.
    ValueError
        If a camera is unknown or comes twice, settings are out of bounds, or there are more than 4096 detections.
    """
    blocks, centres = camera_blocks(cameras)
    batches = validation.instances("keypoints", keypoints, Keypoints)
    settings = checked_people(people)
    counts = [len(k.px) for k in batches]
    n = sum(counts)
    if n > LARGEST_CROWD:
        raise ValueError(f"keypoints must hold at most {LARGEST_CROWD} detections; got {n}")
    kernels = backends.kernels("matching")
    latest_ns = max((k.time_ns for k in batches), default=0)
    index, motion = np.empty(n, np.int32), np.empty(n)
    sightings = np.empty((n, 10, len(JOINTS)))
    start = 0
    order = {name: i for i, name in enumerate(blocks)}
    with np.errstate(all="ignore"):
        for k, count in zip(batches, counts, strict=True):
            block = known_camera(blocks, k.camera)
            own = slice(start, start + count)
            kernels.look(block, k.px, k.sigma_px, sightings[own])
            index[own] = order[k.camera]
            motion[own] = settings.walking_m_s * ((latest_ns - k.time_ns) * 1e-9)
            start += count
        person, ambiguity, bodies = np.empty(n, np.int32), np.empty(n), np.empty((n, _BODY))
        room, found = 64 * n, -1
        while found < 0:  # edges are few as a rule, and at most n (n - 1) / 2
            found = kernels.match(
                sightings, index, centres, motion, np.array(settings[:3]), room, person, ambiguity, bodies
            )
            room *= 4
    joints, covariance = bodies_of(bodies[:found])
    ends = np.cumsum(counts)
    rows = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    return Matches(tuple(person[r] for r in rows), tuple(ambiguity[r] for r in rows), joints, covariance)


def camera_blocks(cameras: Sequence[Camera]) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return what the kernels need of each camera, by its identifier, and the centres (V, 3) in the world, metres."""
    known = validation.instances("cameras", cameras, Camera)
    validation.unique("cameras", [camera.id for camera in known])
    blocks, origin = pack(known)
    return {camera.id: block for camera, block in zip(known, blocks, strict=True)}, blocks[:, 9:12] + origin


def known_camera(blocks: dict[str, NDArray[np.float64]], camera: str) -> NDArray[np.float64]:
    """Return the block of a camera.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if camera not in blocks:
        raise ValueError(f"keypoints must be of one of the cameras {', '.join(blocks)}; got {camera!r}")
    return blocks[camera]


def checked_people(people: PeopleSettings | None) -> PeopleSettings:
    """Return settings as finite floats within bounds.

    Raises
    ------
    TypeError
        If they are none.
    ValueError
        If one is out of bounds.
    """
    p = validation.instance("people", people or PeopleSettings(), PeopleSettings)
    lowest = validation.number("lowest_m", p.lowest_m, at_least=-1e3, at_most=1e3)
    return PeopleSettings(
        lowest,
        validation.number("highest_m", p.highest_m, above=lowest, at_most=1e3),
        validation.number("reach_m", p.reach_m, above=0, at_most=1e3),
        validation.number("walking_m_s", p.walking_m_s, at_least=0, at_most=100),
    )


def bodies_of(bodies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return joints (P, 8, 3) and covariances (P, 8, 3, 3) of the kernel's bodies, NaN where nothing fixes them."""
    rows = bodies[:, : 11 * len(JOINTS)].reshape(-1, 11, len(JOINTS)).transpose(0, 2, 1)
    fixed = rows[..., 3] > 1
    joints = np.where(fixed[..., None], rows[..., :3], np.nan)
    xx, xy, xz, yy, yz, zz = (rows[..., k] for k in range(4, 10))
    full = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(*fixed.shape, 3, 3)
    return joints, np.where(fixed[..., None, None], full, np.nan)
