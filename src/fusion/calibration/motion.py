"""How far arms reach: the motion of shoppers that weight events follow, for the comparison of clocks."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fusion.observations import JOINTS, Targets

_WRISTS = [JOINTS.index("l_wrist"), JOINTS.index("r_wrist")]
_SHOULDERS = [JOINTS.index("l_shoulder"), JOINTS.index("r_shoulder")]


def arm_reach(frames: Iterable[Targets]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compute how far the farthest arm reaches in each frame, as `estimate_clock_offset` takes it.

    An arm is stretched most while its hand is in the shelf, so the maxima of the reach lie at the takes and returns;
    the speed of a hand has two, on its way there and back.

    Parameters
    ----------
    frames : iterable of Targets
        Joints of the shoppers, in any order.

    Returns
    -------
    motion_ns : (N,) int64
        Time of each frame.
    reach_m : (N,) float64
        Greatest horizontal distance of a wrist from its shoulder, metres; NaN where no arm was seen.
    """
    times, reaches = [], []
    for frame in frames:
        with np.errstate(over="ignore", invalid="ignore"):
            arm = frame.joints_m[:, _WRISTS, :2] - frame.joints_m[:, _SHOULDERS, :2]
            reach = np.hypot(arm[..., 0], arm[..., 1])
        seen = reach[np.isfinite(reach)]
        times.append(frame.time_ns)
        reaches.append(seen.max() if len(seen) else np.nan)
    return np.array(times, np.int64), np.array(reaches, np.float64)
