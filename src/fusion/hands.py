"""Where everybody's hands were: a short memory of 3-D joints, asked for a span of time."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.observations import JOINTS, Targets

Array = NDArray[np.float64]

GRIP = 0.3
"""The grip lies beyond the wrist, on the forearm's line, by this share of the forearm (hand 0.19 m, forearm 0.26 m:
the palm's middle, Winter 2009, table 4.1)."""

_WRISTS = [JOINTS.index("l_wrist"), JOINTS.index("r_wrist")]
_ELBOWS = [JOINTS.index("l_elbow"), JOINTS.index("r_elbow")]
_SHOULDERS = [JOINTS.index("l_shoulder"), JOINTS.index("r_shoulder")]


class HandPaths(NamedTuple):
    """Hands of S shoppers in T frames."""

    shoppers: list[str]
    """Whose."""
    hands_m: Array
    """(T, S, 2, 3), left and right, metres; NaN where not seen."""
    covariance_m2: Array
    """(T, S, 2, 3, 3), square metres; NaN where not known, as of targets."""
    time_ns: NDArray[np.int64]
    """(T,)."""
    reach_m: Array
    """(T, S, 2, 3), metres, from where it would be on an arm that hangs straight; NaN where not known."""

    @property
    def var_m2(self) -> Array:
        """Variance along an axis, (T, S, 2), the mean of the three; 0 where not known."""
        var = np.trace(self.covariance_m2, axis1=-2, axis2=-1) / 3
        return np.where(np.isfinite(var), var, 0.0)

    def of(self, shoppers: list[str]) -> "HandPaths":
        """Return those of some of the shoppers."""
        columns = [self.shoppers.index(s) for s in shoppers]
        chosen = self.hands_m[:, columns], self.covariance_m2[:, columns]
        return HandPaths(shoppers, *chosen, self.time_ns, self.reach_m[:, columns])


def joined(one: HandPaths, other: HandPaths) -> HandPaths:
    """Put the frames of two sets of shoppers, none of whom is in both, behind each other."""
    t, s = len(one.hands_m), len(one.shoppers)
    hands = np.full((t + len(other.hands_m), s + len(other.shoppers), 2, 3), np.nan)
    covariance, reach = np.full((*hands.shape, 3), np.nan), np.full(hands.shape, np.nan)
    hands[:t, :s], covariance[:t, :s], reach[:t, :s] = one.hands_m, one.covariance_m2, one.reach_m
    hands[t:, s:], covariance[t:, s:], reach[t:, s:] = other.hands_m, other.covariance_m2, other.reach_m
    time_ns = np.concatenate([one.time_ns, other.time_ns])
    return HandPaths([*one.shoppers, *other.shoppers], hands, covariance, time_ns, reach)


class Hands:
    """Hands of all shoppers, frame by frame; frames come in order of time."""

    def __init__(self) -> None:
        self._time_ns: list[int] = []
        self._frames: list[tuple[tuple[str, ...], Array, Array, Array]] = []

    def record(self, targets: Targets, covariance_m2: Array | None = None) -> None:
        """Add one frame; covariances (S, 8, 3, 3) of its joints where they are known.

        Raises
        ------
        ValueError
            If it is older than the last one.
        """
        if self._time_ns and targets.time_ns < self._time_ns[-1]:
            raise ValueError(f"targets must come in order of time; got {targets.time_ns} after {self._time_ns[-1]}")
        wrist, elbow = targets.joints_m[:, _WRISTS], targets.joints_m[:, _ELBOWS]
        spread = np.full((*wrist.shape, 3), np.nan) if covariance_m2 is None else covariance_m2[:, _WRISTS]
        with np.errstate(over="ignore", invalid="ignore"):  # joints may be infinite; a hand that is so was not seen
            forearm = wrist - elbow
            known = np.asarray(np.isfinite(forearm).all(axis=-1, keepdims=True))
            grip = wrist + GRIP * np.where(known, forearm, 0.0)
            if covariance_m2 is not None:  # joints err each for itself
                beyond = (1 + GRIP) ** 2 * spread + GRIP**2 * covariance_m2[:, _ELBOWS]
                spread = np.where(known[..., None], beyond, spread)
            shoulders = targets.joints_m[:, _SHOULDERS]
            upper = shoulders - targets.joints_m[:, _ELBOWS]
            reach = grip - shoulders
            arm = np.sqrt((upper**2).sum(axis=-1)) + (1 + GRIP) * np.sqrt((forearm**2).sum(axis=-1))
            reach[..., 2] += arm
        seen = np.asarray(np.isfinite(grip).all(axis=-1, keepdims=True))
        self._time_ns.append(targets.time_ns)
        known = seen & np.isfinite(reach).all(axis=-1, keepdims=True)
        hands = np.where(seen, grip, np.nan), np.where(seen[..., None], spread, np.nan)
        self._frames.append((targets.shoppers, *hands, np.where(known, reach, np.nan)))

    def between(self, start_ns: int, end_ns: int, whose: Callable[[str], str] = str) -> HandPaths:
        """Return the shoppers seen in a span of time and their hands.

        `whose` says who the shopper of a frame is, if his name there was given before that was known. Of two that are
        the same one in the same frame, each hand is that of the last who has it.
        """
        span = slice(bisect_left(self._time_ns, start_ns), bisect_right(self._time_ns, end_ns))
        frames = self._frames[span]
        shoppers = sorted({whose(s) for names in {frame[0] for frame in frames} for s in names})
        column = {shopper: i for i, shopper in enumerate(shoppers)}
        hands = np.full((len(frames), len(shoppers), 2, 3), np.nan)
        covariance, reach = np.full((*hands.shape, 3), np.nan), np.full(hands.shape, np.nan)
        columns = {names: [column[whose(name)] for name in names] for names in {frame[0] for frame in frames}}
        for t, (names, xyz, spread, reaches) in enumerate(frames):
            own = columns[names]
            if len(set(own)) == len(own):
                hands[t, own], covariance[t, own], reach[t, own] = xyz, spread, reaches
                continue
            for i, *both in zip(own, xyz, spread, reaches, strict=True):
                seen = ~np.isnan(both[0][:, 0])
                hands[t, i, seen], covariance[t, i, seen], reach[t, i, seen] = (values[seen] for values in both)
        return HandPaths(shoppers, hands, covariance, np.array(self._time_ns[span], np.int64), reach)

    def forget(self, before_ns: int) -> None:
        """Drop the frames before a time."""
        n = bisect_left(self._time_ns, before_ns)
        del self._time_ns[:n], self._frames[:n]
