"""Where shoppers walk: minimum-jerk walks along smooth curves, kept clear of each other."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.store import AISLE_M

Array = NDArray[np.float64]

APART_M = 0.6  # between the axes of two bodies: shoulder width 0.37-0.45 m and some air
WALL_M = 0.35  # from a body's axis to the fixtures, at least
SPEED_M_S = 0.8  # mean over a walk; a minimum-jerk walk peaks at 1.9 times that
STEP_S, MARGIN_M = 0.05, 0.05  # clearance is checked in steps, between which two bodies approach by less than that


def progress(x: Array) -> Array:
    """Minimum-jerk course from 0 (x <= 0) to 1 (x >= 1): Flash and Hogan 1985, equation 5."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * x * (10.0 + x * (6.0 * x - 15.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One walk along a quadratic Bezier curve; headings in radians, from the x axis towards y."""

    start_s: float
    end_s: float
    start_m: Array
    control_m: Array
    end_m: Array
    start_heading: float
    end_heading: float

    def positions_m(self, times_s: Array) -> Array:
        """Positions (n, 2) on the floor."""
        s = progress((times_s - self.start_s) / (self.end_s - self.start_s))[:, None]
        return (1 - s) ** 2 * self.start_m + 2 * s * (1 - s) * self.control_m + s**2 * self.end_m

    def headings(self, times_s: Array) -> Array:
        """Headings (n,): into the walk, along it, and round to where the shopper looks at its end."""
        away, on = self.control_m - self.start_m, self.end_m - self.control_m
        angles = [self.start_heading, np.arctan2(away[1], away[0]), np.arctan2(on[1], on[0]), self.end_heading]
        keys = self.start_s + (self.end_s - self.start_s) * np.array([0.0, 0.3, 0.7, 1.0])
        return np.interp(times_s, keys, np.unwrap(angles))


@dataclass(slots=True)
class Path:
    """A shopper's way through the store; between walks the shopper stands."""

    walks: list[Walk] = field(default_factory=list)
    exit_s: float = np.inf

    @property
    def enter_s(self) -> float:
        """When the shopper comes in; infinite while outside."""
        return self.walks[0].start_s if self.walks else np.inf

    def positions_m(self, times_s: Array) -> Array:
        """Positions (n, 2) on the floor at ascending times; NaN while not in the store."""
        result = np.full((len(times_s), 2), np.nan)
        for walk in self._walks_within(times_s):
            here = times_s >= walk.start_s
            result[here] = walk.positions_m(times_s[here])
        result[times_s > self.exit_s] = np.nan
        return result

    def headings(self, times_s: Array) -> Array:
        """Headings (n,) at ascending times; meaningless while not in the store."""
        result = np.zeros(len(times_s))
        for walk in self._walks_within(times_s):
            here = times_s >= walk.start_s
            result[here] = walk.headings(times_s[here])
        return result

    def _walks_within(self, times_s: Array) -> list[Walk]:
        """List the last walk that began before the first time, and those that began since."""
        first = bisect_right(self.walks, times_s[0], key=lambda walk: walk.start_s)
        last = bisect_right(self.walks, times_s[-1], key=lambda walk: walk.start_s)
        return self.walks[max(first - 1, 0) : last]


def find_walk(
    start_s: float, start: tuple[Array, float], end: tuple[Array, float], stay_s: float, others: list[Path]
) -> Walk | None:
    """Find a walk that stays clear of the fixtures and of the others' paths, the stay at its end included.

    Straight first, then round whoever is in the way, on either side.

    Parameters
    ----------
    start_s : float
        When it begins.
    start, end : ((2,) float64, float)
        Places and headings.
    stay_s : float
        How long the shopper stands at the end; 0 for one who leaves the store there.
    others : list of Path
        Everybody else.

    Returns
    -------
    Walk or None
        None if everything tried comes too close to somebody.
    """
    # Most attempts in a crowd fail for these two reasons, which are cheap to see.
    now = np.array([start_s])
    if any(not _clear(start[0], other.positions_m(now)) for other in others):
        return None
    if stay_s and any(o.walks and o.exit_s == np.inf and not _clear(end[0], o.walks[-1].end_m) for o in others):
        return None
    along = end[0] - start[0]
    length = float(np.sqrt(along @ along))
    across = np.array([-along[1], along[0]]) / max(length, 1e-9)
    for aside_m in (0.0, 1.0, -1.0, 1.8, -1.8):
        duration = max(0.8, (length + 0.4 * abs(aside_m)) / SPEED_M_S)
        middle = (start[0] + end[0]) / 2 + aside_m * across
        walk = Walk(start_s, start_s + duration, start[0], middle, end[0], start[1], end[1])
        # Whoever stays may have to wait until the others are where they are bound for.
        until_s = max([walk.end_s + stay_s, *(o.walks[-1].end_s for o in others if o.walks and stay_s)])
        times = np.arange(start_s, until_s + STEP_S, STEP_S)
        here = walk.positions_m(times)
        if _in_aisle(here) and all(_clear(here, other.positions_m(times)) for other in others):
            return walk
    return None


def _in_aisle(a_m: Array) -> bool:
    return bool(((a_m[:, 1] > WALL_M) & (a_m[:, 1] < AISLE_M - WALL_M)).all())


def _clear(a_m: Array, b_m: Array) -> bool:
    # NaN, where the other is not in the store, compares as clear.
    return not (((a_m - b_m) ** 2).sum(axis=-1) < (APART_M + MARGIN_M) ** 2).any()
