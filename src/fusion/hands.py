"""Where everybody's hands were: a short memory of 3-D targets, asked for a span of time."""

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from fusion.observations import JOINTS, Targets

GRIP = 0.3
"""The grip lies beyond the wrist, on the forearm's line, by this share of the forearm (hand 0.19 m, forearm 0.26 m:
the palm's middle, Winter 2009, table 4.1)."""

_WRISTS = [JOINTS.index("l_wrist"), JOINTS.index("r_wrist")]
_ELBOWS = [JOINTS.index("l_elbow"), JOINTS.index("r_elbow")]


class Hands:
    """Hands of all shoppers, frame by frame; frames come in order of time."""

    def __init__(self) -> None:
        self._time_ns: list[int] = []
        self._frames: list[tuple[tuple[str, ...], NDArray[np.float64]]] = []

    def record(self, targets: Targets) -> None:
        """Add one frame.

        Raises
        ------
        ValueError
            If it is older than the last one.
        """
        if self._time_ns and targets.time_ns < self._time_ns[-1]:
            raise ValueError(f"targets must come in order of time; got {targets.time_ns} after {self._time_ns[-1]}")
        wrist, elbow = targets.joints_m[:, _WRISTS], targets.joints_m[:, _ELBOWS]
        with np.errstate(over="ignore", invalid="ignore"):  # joints may be infinite; a hand that is so was not seen
            forearm = wrist - elbow
            grip = wrist + GRIP * np.where(np.isfinite(forearm).all(axis=-1, keepdims=True), forearm, 0.0)
        self._time_ns.append(targets.time_ns)
        self._frames.append((targets.shoppers, np.where(np.isfinite(grip).all(axis=-1, keepdims=True), grip, np.nan)))

    def between(self, start_ns: int, end_ns: int) -> tuple[list[str], NDArray[np.float64]]:
        """Return the shoppers seen in a span of time and their hands, (T, S, 2, 3) metres, NaN where not seen."""
        frames = self._frames[bisect_left(self._time_ns, start_ns) : bisect_right(self._time_ns, end_ns)]
        shoppers = sorted({s for names, _ in frames for s in names})
        hands = np.full((len(frames), len(shoppers), 2, 3), np.nan)
        for t, (names, xyz) in enumerate(frames):
            if names:
                hands[t, [shoppers.index(s) for s in names]] = xyz
        return shoppers, hands

    def forget(self, before_ns: int) -> None:
        """Drop the frames before a time."""
        n = bisect_left(self._time_ns, before_ns)
        del self._time_ns[:n], self._frames[:n]
