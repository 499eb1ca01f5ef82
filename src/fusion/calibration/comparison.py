"""Clocks of a recording compared: cameras with each other, and all that sees with the scales."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fusion.calibration.clock import ClockOffset, estimate_clock_offset
from fusion.calibration.motion import arm_reach
from fusion.engine import Engine
from fusion.engine_settings import EngineSettings
from fusion.observations import Keypoints, Observation, Targets
from fusion.store import Store
from fusion.tracking import Tracker

FORMAT = "fusion.clocks/1"


def compare_clocks(store: Store, observations: Iterable[Observation]) -> dict[str, Any]:
    """Estimate how far the clocks of a recording are apart.

    Whatever sees shoppers is compared with the scales by `estimate_clock_offset`, from the reach of arms (targets as
    they come, keypoints by their tracks) and the starts of the interactions that an engine tells. Cameras are compared
    with each other by people who walk (`fusion.Tracker`).

    Parameters
    ----------
    store : Store
        What is fixed; its cameras for keypoints.
    observations : iterable of Observation
        A recording, in the order of arrival. Most shoppers must have taken something: about ten events fix an offset
        to a third of a second.

    Returns
    -------
    dict
        JSON-ready: ``format``; ``interactions``, how many there were; and ``sources``, for "targets" and each camera
        that sent anything: ``kind`` and ``source``; ``ahead_s``, how far its time stamps are ahead of the scales', with
        ``sigma_s`` and the ``probability`` that this is so, all None where too little happened; and for cameras
        ``ahead_of_cameras_s`` with ``sigma_of_cameras_s``: of the mean of all cameras.
    """
    lateness_s = EngineSettings().lateness_s
    settings = EngineSettings().tracking
    engine, tracker = Engine(store), Tracker(store.cameras, settings._replace(lateness_s=lateness_s))
    targets: list[Targets] = []
    tracked: list[Targets] = []
    sent: set[str] = set()
    for observation in observations:
        engine.push([observation])
        match observation:
            case Targets():
                targets.append(observation)
            case Keypoints(camera=camera):
                sent.add(camera)
                tracked += [t.targets() for t in tracker.push([observation])]
    tracked += [t.targets() for t in tracker.flush()]
    starts_ns = [i.start_ns for i in engine.finish().interactions if i.plates]
    sources = [{"kind": "targets", "source": "targets", **_ahead(_compared(targets, starts_ns))}] if targets else []
    common = _compared(tracked, starts_ns)
    for known, offset_s, sigma_s in zip(store.cameras, *tracker.clocks, strict=True):
        if known.id in sent:
            mutual = {"ahead_of_cameras_s": offset_s, "sigma_of_cameras_s": sigma_s}
            sources.append({"kind": "camera", "source": known.id, **_ahead(common, offset_s, sigma_s), **mutual})
    return {"format": FORMAT, "interactions": len(starts_ns), "sources": sources}


def _compared(frames: list[Targets], starts_ns: list[int]) -> ClockOffset | None:
    """Compare what sees with the scales; None where too little happened."""
    motion_ns, reach_m = arm_reach(frames)
    try:
        return estimate_clock_offset(motion_ns, starts_ns, intensity=reach_m)
    except ValueError:  # the arguments are sound: too few events or motions, or none near another
        return None


def _ahead(told: ClockOffset | None, offset_s: float = 0.0, sigma_s: float = 0.0) -> dict[str, float | None]:
    if told is None or not np.isfinite(told.sigma_s):
        return {"ahead_s": None, "sigma_s": None, "probability": None}
    sigma = float(np.hypot(told.sigma_s, sigma_s))
    return {"ahead_s": offset_s - told.offset_s, "sigma_s": sigma, "probability": told.probability}
