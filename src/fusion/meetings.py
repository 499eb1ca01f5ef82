"""Meetings: where a hand of one shopper and a hand of another come together as hands do that pass something.

They are scored by their distance over the time that a thing is held by both, by how far both are from where they hang,
by whether they are at a shelf, and by whether the arms reach towards each other (`fusion.meeting_evidence`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.hands import HandPaths
from fusion.meeting_evidence import (
    BUSY,
    BUSY_AT_SHELF,
    NEAR_AT_SHELF,
    PASSED_AT_SHELF,
    log_distance,
    log_facing,
    log_out,
)
from fusion.observations import NS
from fusion.store import Store

STEP_NS = NS // 2
"""Hands are looked at so much at a time, by the clock: how observations are cut changes nothing."""
HELD_NS = NS * 2 // 5
"""Both hold a thing for so long: 0.3 to 0.6 s, of which tracking sees the most."""
LASTING_NS = 2 * NS
"""Hands that still are as near so long after they were nearest are told of."""
MEMORY_NS = 60 * NS
"""A stream that jumps by more than this has no hands in between."""
AROUND_M = 2.5
"""Shoppers whose hands are on average further apart do not meet within a second: they walk at 1.5 m/s."""
SHELF_M = 0.35
"""Hands are at a shelf if the point between them is no further from a plate's space: who stands before a shelf is half
a metre away from it (the public recording), and hands that reach past each other for goods meet on their way."""

Array = NDArray[Any]
Between = Callable[[int, int], HandPaths]


class MeetingSettings(NamedTuple):
    """What is believed of hands that meet; probabilities unless a unit says otherwise.

    Nobody has published how often shoppers pass things on. The defaults say that it is rare beside hands' coming near
    each other, and that as a rule it is what was picked up a moment ago.
    """

    passing: float = 0.05
    """Two hands that come near each other pass something."""
    in_hand_s: float = 5.0
    """What was picked up is put into a bag or a basket: it still is in the hand with (1 + t / in_hand_s)^-2 ..."""
    other_hand: float = 0.15
    """... times this for whatever was picked up since: people have two hands."""
    from_basket: float = 0.005
    """Any one unit in a basket against one that is in the hand: how likely it is what is passed."""
    own_things: float = 0.02
    """The same of what is not the store's: a telephone, a bag, a hand."""
    negligible: float = 0.02
    """Meetings at which less probably something is passed are not told."""

    def validated(self) -> "MeetingSettings":
        """Check the settings' types and ranges.

        Raises
        ------
        ValueError, TypeError
            If a probability is not within (0, 1), or a duration is not within [1e-3, 1e6].
        """
        for name, value in self._asdict().items():
            if name == "in_hand_s":
                validation.number(name, value, at_least=1e-3, at_most=1e6)
            elif not 1e-12 <= validation.number(name, value) < 1.0:
                raise ValueError(f"{name} must be a probability in (0, 1), at least 1e-12; got {value}")
        return self


@dataclass(frozen=True, slots=True)
class Meeting:
    """Hands of two shoppers that met.

    Parameters
    ----------
    time_ns : int
        When they were most like hands that pass something.
    start_ns, end_ns : int
        How long they were like that at all.
    shoppers : tuple of str
        The two, in order of their names.
    log_ratio : float
        Log-likelihood ratio of what was seen if something is passed, against hands that come as near by chance.
    """

    time_ns: int
    start_ns: int
    end_ns: int
    shoppers: tuple[str, str]
    log_ratio: float


@dataclass(slots=True)
class _Encounter:
    """Two shoppers whose hands are near each other now; `told` once they were at their best."""

    best: Meeting
    told: bool = False


class Meetings:
    """Finds meetings in the stream of hands, in order of time.

    Parameters
    ----------
    store : Store
        Where shelves are.
    settings : MeetingSettings
    lateness_ns : int
        Hands come as much later than they were seen.

    Attributes
    ----------
    followed_ns : int
        Hands were looked at up to here.
    """

    def __init__(self, store: Store, settings: MeetingSettings, lateness_ns: int) -> None:
        self._lateness_ns = lateness_ns
        boxes = [plate.box for plate in store.plate_by_id.values()]
        self._center = np.array([b.center_m for b in boxes]).reshape(-1, 3)
        self._axes = np.array([b.rotation for b in boxes]).reshape(-1, 3, 3)
        self._half = np.array([b.size_m / 2 for b in boxes]).reshape(-1, 3)
        odds = settings.passing / (1.0 - settings.passing)
        self._least = log(settings.negligible / (1.0 - settings.negligible)) - log(odds)
        self._open: dict[tuple[str, str], _Encounter] = {}
        self.followed_ns = 0

    @property
    def open_since_ns(self) -> int:
        """Since when there may be meetings that are not told yet, as long as the stream does not jump."""
        return min([self.followed_ns - HELD_NS, *(e.best.time_ns for e in self._open.values() if not e.told)])

    def flush(self, between: Between) -> list[Meeting]:
        """Take the stream as ended."""
        found = self._follow(between, self.followed_ns + self._lateness_ns + HELD_NS + STEP_NS)
        return [*found, *self._told([])]

    def follow(self, between: Between, now_ns: int) -> list[Meeting]:
        """Look at the hands, which `between` gives, up to now; return the meetings that are over."""
        until_ns = now_ns - self._lateness_ns - HELD_NS // 2
        return self._follow(between, until_ns) if until_ns >= self.followed_ns + STEP_NS else []

    def _follow(self, between: Between, until_ns: int) -> list[Meeting]:
        until_ns -= until_ns % STEP_NS
        if until_ns - self.followed_ns > MEMORY_NS:
            self.followed_ns = until_ns - MEMORY_NS
        found: list[Meeting] = []
        while self.followed_ns < until_ns:
            start, self.followed_ns = self.followed_ns, self.followed_ns + STEP_NS
            paths = between(start - HELD_NS // 2, self.followed_ns + HELD_NS // 2)
            found += self._told(self._near(paths, start, self.followed_ns))
        return found

    def _told(self, now: list[Meeting]) -> Iterable[Meeting]:
        """Carry the encounters on by what the last stretch of time showed of each pair."""
        by_pair = {m.shoppers: m for m in now}
        for pair in [pair for pair in self._open if pair not in by_pair]:
            encounter = self._open.pop(pair)
            if not encounter.told:
                yield encounter.best
        for pair, m in by_pair.items():
            encounter = self._open.setdefault(pair, _Encounter(m))
            best = encounter.best
            if encounter.told or m is best:
                continue
            top = m if m.log_ratio > best.log_ratio else best
            ratio = top.log_ratio
            encounter.best = Meeting(top.time_ns, best.start_ns, m.end_ns, pair, ratio)
            if top is best and (m.log_ratio < ratio - 1.0 or m.end_ns - best.time_ns > LASTING_NS):
                encounter.told = True
                yield encounter.best

    def _near(self, paths: HandPaths, start_ns: int, end_ns: int) -> list[Meeting]:
        """Find the pairs of shoppers whose hands were near each other at `start_ns` or later, before `end_ns`."""
        own = (paths.time_ns >= start_ns) & (paths.time_ns < end_ns)
        one, other = _around(paths)
        if not len(one) or not own.any():
            return []
        window = np.abs(paths.time_ns - paths.time_ns[own][:, None]) <= HELD_NS // 2
        apart = paths.hands_m[:, one, :, None] - paths.hands_m[:, other, None]
        middle = (paths.hands_m[own][:, one, :, None] + paths.hands_m[own][:, other, None]) / 2
        with np.errstate(over="ignore"):
            distance2, reach = _smooth(window, (apart**2).sum(axis=-1)), _smooth(window, paths.reach_m)
        var = paths.var_m2[own]
        nearness = log_distance(distance2, var[:, one, :, None] + var[:, other, None])
        arms = np.broadcast_arrays(reach[:, one, :, None], reach[:, other, None])
        ratio = nearness + sum(log_out(arm, BUSY) for arm in arms)
        at = np.nonzero(ratio >= self._least)  # as high as it gets, wherever that is
        if not len(at[0]):
            return []
        at_shelf = self._at_shelf(middle[at])
        busy = np.where(at_shelf, BUSY_AT_SHELF, BUSY)
        ratio[at] = nearness[at] + np.where(at_shelf, log(PASSED_AT_SHELF / NEAR_AT_SHELF), 0.0)
        ratio[at] += sum(log_out(arm[at], busy) for arm in arms)
        ratio[at] += log_facing(*(arm[at][:, :2] for arm in arms))
        return [
            m for k in np.unique(at[1]).tolist()
            if (m := self._best(ratio[:, k], paths.time_ns[own], paths.shoppers[one[k]], paths.shoppers[other[k]]))
        ]  # fmt: skip

    def _best(self, ratio: Array, time_ns: Array, one: str, other: str) -> Meeting | None:
        """Tell of one pair's meeting, from the ratios of its hands, (T, 2, 2)."""
        by_time = ratio.max(axis=(1, 2))
        when = np.flatnonzero(by_time >= self._least)
        if not len(when):
            return None
        best = int(by_time.argmax())
        start_ns, end_ns = int(time_ns[when[0]]), int(time_ns[when[-1]])
        return Meeting(int(time_ns[best]), start_ns, end_ns, (min(one, other), max(one, other)), float(by_time[best]))

    def _at_shelf(self, places_m: Array) -> NDArray[np.bool_]:
        """Tell which of some places (n, 3) are at a plate's space; those nobody knows are not."""
        local = np.einsum("nbi,bij->nbj", np.nan_to_num(places_m)[:, None] - self._center, self._axes)
        outside = np.maximum(np.abs(local) - self._half, 0.0)
        return np.asarray(((outside**2).sum(axis=-1) <= SHELF_M**2).any(axis=1))


def _around(paths: HandPaths) -> tuple[Array, Array]:
    """Choose the pairs of shoppers who may meet: two lists of columns."""
    hands = paths.hands_m.swapaxes(0, 1).reshape(len(paths.shoppers), 2 * len(paths.time_ns), 3)
    seen = np.asarray(np.isfinite(hands).all(axis=-1))
    present = np.asarray(seen.any(axis=1))
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.nansum(hands, axis=1) / np.maximum(seen.sum(axis=1), 1)[:, None]
        apart2 = ((mean[:, None] - mean) ** 2).sum(axis=-1)
    close = (apart2 <= AROUND_M**2) & present & present[:, None]
    one, other = np.nonzero(np.triu(close, k=1))
    return one, other


def _smooth(window: NDArray[np.bool_], values: Array) -> Array:
    """Average what was seen in each window (n, T) of values (T, ...); NaN where less than half of it was seen."""
    flat = values.reshape(len(values), -1)
    seen = np.isfinite(flat)
    count = window.astype(np.float64) @ seen
    with np.errstate(invalid="ignore", over="ignore"):
        total = window.astype(np.float64) @ np.where(seen, flat, 0.0)
    enough = 2 * count >= np.maximum(window.sum(axis=1), 1)[:, None]
    return np.where(enough, total / np.maximum(count, 1), np.nan).reshape(len(window), *values.shape[1:])
