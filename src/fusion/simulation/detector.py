"""A detector of persons in images: how it errs, what it misses, whom it mixes up and whom it makes up.

Pose estimators are right to 5 to 15 pixels in wide images, worse where they guess (the error's growth with occlusion:
Ronchi and Perona 2017, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", who also name the merged
and swapped limbs). How long errors and misses last is a wide guess: some frames.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fusion.camera import Camera
from fusion.observations import JOINTS
from fusion.simulation.cameras import in_image
from fusion.simulation.paths import Array
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.wander import quantile, wander

NEAR_M = 3.0  # up to which the distance does not matter
HIDDEN_NOISE = 1.5  # error of a joint that is guessed, over that of one in sight
NOISE_SPREAD = 0.15  # of the error's logarithm, from joint to joint and image to image
TOLD_SPREAD = 0.15  # of the logarithm of how well the detector knows its error
WANDER_S, WHITE = 0.2, 0.6  # correlation time of a joint's error, and the share of it that does not last
BURST_S = 0.25  # of what is missed or mixed up
LEAST = 3  # joints by which a person is recognised: in sight, and told
LEAST_SIGMA_PX = 0.5  # that is told: a pixel's half
CROSSING_M = 0.45  # between two necks across the line of sight, at the nearer one's distance: a body's breadth
GHOST_S, GHOST_NOISE, GHOST_ASIDE_PX = (0.1, 1.5), 1.5, 200.0  # beside a place where somebody is at some time
NECK = JOINTS.index("neck")
ARMS = ([JOINTS.index("l_elbow"), JOINTS.index("l_wrist")], [JOINTS.index("r_elbow"), JOINTS.index("r_wrist")])

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What lies before one camera at n instants: S persons' joints in the image and how well they can be seen.

    `px` (n, S, 8, 2) is free of errors and not cut to the image, `hidden` (n, S, 8) tells what stands behind something;
    `rays` (n, S, 3) lead from the camera to the necks, metres.
    """

    camera: Camera
    px: Array
    hidden: Mask
    rays: Array


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Detected persons in order of time: frames (M,), persons (M,; -1 for nobody), (M, 8, 2) and (M, 8) pixels."""

    frame: NDArray[np.intp]
    person: NDArray[np.intp]
    px: Array
    sigma_px: Array


def detect(settings: SimulationSettings, view: View, interval_s: float, rng: np.random.Generator) -> Detections:
    """Detect persons; those of one frame come in random order."""
    distance = np.sqrt((view.rays**2).sum(axis=-1))
    noise = settings.keypoint_noise_px * np.sqrt(np.maximum(distance / NEAR_M, 1.0))[..., None]
    noise = noise * np.where(view.hidden, HIDDEN_NOISE, 1.0) * _lognormal(NOISE_SPREAD, view.hidden.shape, rng)
    error = np.sqrt(1 - WHITE**2) * wander(view.px.shape, interval_s, WANDER_S, rng)
    error += WHITE * rng.standard_normal(view.px.shape)
    px = view.px + noise[..., None] * error
    sigma = np.maximum(noise * _lognormal(TOLD_SPREAD, noise.shape, rng), LEAST_SIGMA_PX)
    in_view = in_image(view.camera, view.px)
    px[~in_view | _missed(settings, view.hidden, interval_s, rng)] = np.nan
    px[(in_view & ~view.hidden).sum(axis=-1) < LEAST] = np.nan
    px[_joints(px) < LEAST] = np.nan
    _mix_up(settings, view.rays, distance, px, sigma, interval_s, rng)

    frame, person = np.nonzero(_joints(px))
    persons = Detections(frame, person, px[frame, person], sigma[frame, person])
    found = _joined([persons, *_ghosts(settings, persons, len(px), interval_s, rng)])
    found.px[~in_image(view.camera, found.px)] = np.nan
    found.sigma_px[np.isnan(found.px[..., 0])] = np.nan
    order = np.lexsort([rng.random(len(found.frame)), found.frame])
    return _chosen(found, order[_joints(found.px)[order] >= LEAST])


def _missed(settings: SimulationSettings, hidden: Mask, interval_s: float, rng: np.random.Generator) -> Mask:
    """Choose which joints, and whole persons, are not detected (n, S, 8)."""
    p = quantile(settings.keypoint_dropout)
    q = max(p, quantile(settings.occluded_dropout))
    joints = wander(hidden.shape, interval_s, BURST_S, rng) < np.where(hidden, q, p)
    persons = wander(hidden.shape[:2], interval_s, BURST_S, rng) < quantile(settings.person_dropout)
    return np.asarray(joints | persons[..., None])


def _mix_up(
    settings: SimulationSettings,
    rays: Array,
    distance: Array,
    px: Array,
    sigma: Array,
    interval_s: float,
    rng: np.random.Generator,
) -> None:
    """Exchange arms of persons who cross, or leave of two only the nearer, in place."""
    merge, swap = quantile(settings.merge_probability), quantile(1.0 - settings.limb_swap_probability)
    pairs = [(i, j) for i in range(px.shape[1]) for j in range(i)]
    courses = wander((len(px), len(pairs)), interval_s, BURST_S, rng)
    for (i, j), course in zip(pairs, courses.T, strict=True):
        arm = ARMS[int(rng.integers(2))]
        both = (_joints(px[:, [i, j]]) >= LEAST).all(axis=1)  # of three, one may have been merged before
        crossing = np.asarray(both & (_apart_m(rays, distance, i, j) < CROSSING_M))
        merged = np.flatnonzero(crossing & (course < merge))
        swapped = np.flatnonzero(crossing & (course >= max(merge, swap)))[:, None]
        for values in (px, sigma):
            values[swapped, i, arm], values[swapped, j, arm] = values[swapped, j, arm], values[swapped, i, arm]
        near = np.where(distance[merged, i] < distance[merged, j], i, j)
        _merge(px, sigma, merged, near, i + j - near, arm)


def _merge(
    px: Array, sigma: Array, frames: NDArray[np.intp], near: NDArray[np.intp], far: NDArray[np.intp], arm: list[int]
) -> None:
    """Give the nearer person an arm of the farther, and what else was missing, and drop the farther, in place."""
    takes = np.isnan(px[frames, near, :, 0])
    takes[:, arm] = True
    takes &= ~np.isnan(px[frames, far, :, 0])
    k, joint = np.nonzero(takes)
    for values in (px, sigma):
        values[frames[k], near[k], joint] = values[frames[k], far[k], joint]
    px[frames, far] = np.nan


def _apart_m(rays: Array, distance: Array, i: int, j: int) -> Array:
    """Tell how far apart two persons look at the nearer one's distance, (n,)."""
    cosine = (rays[:, i] * rays[:, j]).sum(axis=-1) / (distance[:, i] * distance[:, j])
    return np.asarray(np.arccos(np.minimum(cosine, 1.0)) * np.minimum(distance[:, i], distance[:, j]))


def _ghosts(
    settings: SimulationSettings, persons: Detections, n: int, interval_s: float, rng: np.random.Generator
) -> list[Detections]:
    """Make persons up: each has the shape of a detection, elsewhere in the image; none where nobody is ever seen."""
    models = np.flatnonzero(~np.isnan(persons.px[:, NECK, 0]))
    if not len(models):
        return []
    ghosts = []
    for _ in range(rng.poisson(settings.false_persons_per_camera_hour * n * interval_s / 3600.0)):
        model, place = rng.choice(models, 2)
        shape, sigma = persons.px[model], GHOST_NOISE * persons.sigma_px[model]
        shape = shape - shape[NECK] + persons.px[place, NECK] + rng.normal(0.0, GHOST_ASIDE_PX, 2)
        first = int(rng.integers(n))
        frames = np.arange(first, min(n, first + max(1, round(rng.uniform(*GHOST_S) / interval_s))))
        px = shape + sigma[:, None] * rng.standard_normal((len(frames), *shape.shape))
        ghosts.append(Detections(frames, np.full(len(frames), -1), px, np.tile(sigma, (len(frames), 1))))
    return ghosts


def _joints(px: Array) -> NDArray[np.intp]:
    """Count the joints of each detection (..., 8, 2)."""
    return np.asarray((~np.isnan(px[..., 0])).sum(axis=-1))


def _joined(parts: list[Detections]) -> Detections:
    return Detections(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Detections)))


def _chosen(detections: Detections, which: NDArray[np.intp]) -> Detections:
    return Detections(*(getattr(detections, f.name)[which] for f in fields(Detections)))


def _lognormal(spread: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return np.asarray(np.exp(spread * rng.standard_normal(shape)))
