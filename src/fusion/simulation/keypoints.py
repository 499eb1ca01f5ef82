"""What a camera reports: frames of keypoints, by a clock of its own."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fusion.camera import Camera
from fusion.observations import Keypoints
from fusion.simulation.actions import Visit
from fusion.simulation.body import joints_m
from fusion.simulation.clock import epoch_ns
from fusion.simulation.detector import Detections, View, detect
from fusion.simulation.occlusion import NECK, hidden
from fusion.simulation.paths import Array
from fusion.simulation.scales import CLOCK_SPREAD
from fusion.simulation.settings import SimulationSettings
from fusion.store import Box
from fusion.triangulation import project

STAMP_JITTER_S = 0.001  # of a time stamp, until a process has the frame


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """All frames of one camera, and the truth about them.

    Its time stamps are `clock_offset_s` ahead of the time of exposure `exposed_ns` (n,), but for a millisecond's
    jitter. `shoppers` tells for each frame whom each detection shows, None where nobody.
    """

    camera: str
    clock_offset_s: float
    frames: list[Keypoints]
    exposed_ns: NDArray[np.int64]
    shoppers: list[list[str | None]]


def film(
    settings: SimulationSettings,
    camera: Camera,
    boxes: list[Box],
    visits: list[Visit],
    end_s: float,
    rng: np.random.Generator,
) -> Footage:
    """Film all shoppers from the start to `end_s`, with `boxes` in the way; frames without shoppers included."""
    interval_s = 1.0 / (settings.camera_rate_hz * (1.0 + CLOCK_SPREAD * rng.normal()))
    times = np.arange(rng.uniform(0.0, interval_s), end_s, interval_s)
    offset_s = float(rng.uniform(-1.0, 1.0) * settings.clock_offset_s)
    stamps = times + offset_s + STAMP_JITTER_S * np.clip(rng.standard_normal(len(times)), -3.0, 3.0)
    joints = np.stack([joints_m(visit, times) for visit in visits], axis=1)
    detections = detect(settings, look(camera, joints, boxes), interval_s, rng)
    cuts = np.searchsorted(detections.frame, np.arange(len(times) + 1))
    names = [*(visit.shopper for visit in visits), None]  # -1 is nobody
    return Footage(
        camera.id,
        offset_s,
        _frames(camera.id, stamps, detections, cuts),
        np.array([epoch_ns(time) for time in times], dtype=np.int64),
        [[names[p] for p in detections.person[a:b]] for a, b in pairwise(cuts)],
    )


def look(camera: Camera, joints: Array, boxes: list[Box]) -> View:
    """Project joints (n, S, 8, 3) and tell which are out of sight."""
    px = project([camera], joints.reshape(-1, 3)).reshape(*joints.shape[:-1], 2)
    return View(camera, px, hidden(camera.center_m, joints, boxes), joints[:, :, NECK] - camera.center_m)


def _frames(camera: str, stamps: Array, detections: Detections, cuts: NDArray[np.intp]) -> list[Keypoints]:
    return [
        Keypoints(camera, epoch_ns(stamp), detections.px[a:b], detections.sigma_px[a:b])
        for stamp, (a, b) in zip(stamps, pairwise(cuts), strict=True)
    ]
