"""Looks at items: what a vision model said about the events of the scales, as log-likelihood ratios.

A look is of one event: of those whose time and place fit, the one that is nearest in time and to the hand, and is no
mere shaking of the shelf. What is taken is in the hand after the step, what is put down before.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.hands import HandPaths
from fusion.observations import NS, ItemScores
from fusion.store import Box, Store

Array = NDArray[Any]
LARGEST = float(np.log(1e3))
"""No look says more than this: models are surer than they are right (Guo et al. 2017)."""
AROUND_NS = NS
"""A hand that is at a shelf within this of a look may hold what came from there."""
CLOCK_NS = NS // 5
"""Clocks of cameras and scales disagree by this."""
WRONG_SIDE_S = 1.0
"""An item that is seen in a hand before it was taken counts as so much farther from the event."""
NEAR_S, NEAR_M = 0.4, 0.1
"""How far a look and the step, the hand and the plates are apart, as a rule: half a reach, a hand and a thing in it."""
SHAKEN_G = 30.0
"""Hands that take things shake a shelf by this; smaller changes are less probably what was seen."""
FOREVER_NS = 2**63 - 1
MEMORY_NS = 60 * NS
"""For so long it is known what was seen of an event, which may be part of a later one."""


@dataclass(frozen=True, slots=True)
class LookSettings:
    """How vision scores and tag reads are taken.

    Parameters
    ----------
    temperature : float
        By which the logits of the vision model are divided; above 1 for a model that is surer than it is right.
    before_s, after_s : float
        From how long before a weight event's onset until how long after its end a look may be of it. Once scores
        come, events wait so long for theirs.
    reach_m : float
        Farthest from an event's plates that its item is seen: half an arm.
    tag_detected : float
        Probability that the gate's antenna reads the tag of what is carried past it.
    tag_false : float
        Probability that it reads one of a product that is not.
    gate_s : float
        Tags are of those who leave within this time of the read.
    """

    temperature: float = 1.0
    before_s: float = 1.0
    after_s: float = 3.0
    reach_m: float = 0.5
    tag_detected: float = 0.95
    tag_false: float = 1e-3
    gate_s: float = 5.0

    def __post_init__(self) -> None:
        validation.number("temperature", self.temperature, at_least=1e-3, at_most=1e3)
        for name in ("before_s", "after_s", "reach_m", "gate_s"):
            validation.number(name, getattr(self, name), at_least=0.0, at_most=60.0)
        for name in ("tag_detected", "tag_false"):
            validation.number(name, getattr(self, name), at_least=1e-9, at_most=1.0 - 1e-9)


class Span(NamedTuple):
    """When and where something moved: onset, step and end, grams (below 0 for a take), and the plates."""

    start_ns: int
    step_ns: int
    end_ns: int
    grams: float
    plates: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Look:
    scores: ItemScores
    points_m: Array | None = None  # (n, 3), where the item was, as far as is known


class Looks:
    """Vision scores that wait for the event that they are of; everything comes in order of time.

    Parameters
    ----------
    store : Store
        Products and plates.
    settings : LookSettings
        Of these the temperature, the time and the reach.
    between : callable
        Whose hands were where between two times; see `fusion.sight.Sight.between`.

    Attributes
    ----------
    unused : int
        Looks that were of no event, or of somebody who was not there.
    unknown : int
        Scores of products that the store does not have.
    """

    def __init__(self, store: Store, settings: LookSettings, between: Callable[[int, int], HandPaths]) -> None:
        self._settings, self._between = settings, between
        self._before_ns, self._after_ns = round(settings.before_s * NS), round(settings.after_s * NS)
        self._column = {p.id: i for i, p in enumerate(store.products)}
        self._boxes = {plate.id: plate.box for plate in store.plate_by_id.values()}
        self._looks: list[_Look] = []
        self._used: dict[str, list[_Look]] = {}
        self._came = False
        self.unused = self.unknown = 0

    @property
    def wait_ns(self) -> int:
        """How long after its end an event waits for its looks."""
        return self._after_ns if self._came else 0

    def see(self, scores: ItemScores) -> None:
        """Take one score in."""
        self._came = True
        self.unknown += sum(p not in self._column for p in scores.products)
        insort(self._looks, _Look(scores), key=_time_ns)

    def of(self, event: Span, others: Iterable[Span], shoppers: list[str], name: str = "") -> Array | None:
        """Return what was seen of an event, and use it up.

        Parameters
        ----------
        event : Span
            The event.
        others : iterable of Span
            Events of which looks may be as well, this one excluded.
        shoppers : list of str
            S shoppers nearby.
        name : str
            For `of_both`.

        Returns
        -------
        (S, N) float64 or None
            Log-likelihood ratios of each product having moved in each shopper's hand; None if there are no looks.
        """
        first = bisect_left(self._looks, event.start_ns - self._before_ns, key=_time_ns)
        last = bisect_right(self._looks, event.end_ns + self._after_ns, key=_time_ns)
        due = [look for look in self._looks[first:last] if look.scores.shopper in (None, *shoppers)]
        if not due:
            return None
        self._locate(due)
        rivals = list(others)
        mine = [look for look in due if self._is_of(look, event, rivals)]
        if not mine:
            return None
        used = set(map(id, mine))
        self._looks[first:last] = [look for look in self._looks[first:last] if id(look) not in used]
        self._used[name] = mine
        return self._ratios(mine, shoppers)

    def of_all(self, names: list[str], shoppers: list[str]) -> Array | None:
        """Return what was seen of several events, if they are one; None if there are no looks."""
        looks = sorted((look for name in names for look in self._used.get(name, ())), key=_time_ns)
        return self._ratios(looks, shoppers) if looks else None

    def _ratios(self, mine: list[_Look], shoppers: list[str]) -> Array:
        seen = np.zeros((len(shoppers), len(self._column)))
        for row, shopper in enumerate(shoppers):
            own = [look.scores for look in mine if look.scores.shopper in (None, shopper)]
            if own:
                # At one instant there are several things in the hands, or one; over time it is the same look.
                instants = (list(group) for _, group in groupby(own, key=lambda scores: scores.time_ns))
                seen[row] = np.mean([self._any_of(group) for group in instants], axis=0)
        return seen

    def forget(self, before_ns: int) -> None:
        """Give up the looks for which no event from a time on can ask."""
        n = bisect_left(self._looks, before_ns - self._before_ns, key=_time_ns)
        self.unused += n
        del self._looks[:n]
        for name in [name for name, looks in self._used.items() if _time_ns(looks[-1]) < before_ns - MEMORY_NS]:
            del self._used[name]

    def flush(self) -> None:
        """Give up all looks, at the end."""
        self.unused += len(self._looks)
        self._looks.clear()

    def _locate(self, looks: list[_Look]) -> None:
        """Find out where the items of looks were."""
        new = [look for look in looks if look.points_m is None]
        if not new:
            return
        paths = self._between(_time_ns(new[0]) - AROUND_NS, _time_ns(new[-1]) + AROUND_NS)
        for look in new:
            if look.scores.place_m is not None:
                look.points_m = look.scores.place_m[None]
            elif look.scores.shopper in paths.shoppers:
                near = np.abs(paths.time_ns - look.scores.time_ns) <= AROUND_NS
                hands = paths.hands_m[near, paths.shoppers.index(look.scores.shopper)].reshape(-1, 3)
                look.points_m = hands[np.isfinite(hands).all(axis=1)]
            else:
                look.points_m = np.zeros((0, 3))

    def _is_of(self, look: _Look, event: Span, rivals: list[Span]) -> bool:
        distance = self._distance(look, event)
        return distance < np.inf and all(
            (distance, event.start_ns, event.plates) <= (self._distance(look, rival), rival.start_ns, rival.plates)
            for rival in rivals
        )

    def _distance(self, look: _Look, event: Span) -> float:
        """How far a look is from an event, in nats; infinite if it cannot be of it."""
        time_ns, after = look.scores.time_ns, event.end_ns
        if not event.start_ns - self._before_ns <= time_ns <= min(after, FOREVER_NS - self._after_ns) + self._after_ns:
            return np.inf
        points = look.points_m
        assert points is not None
        apart_m = min(_apart(self._boxes[p], points) for p in event.plates) if len(points) else 0.0
        if apart_m > self._settings.reach_m:
            return np.inf
        late_ns = time_ns - event.step_ns
        wrong_side = late_ns < -CLOCK_NS if event.grams < 0.0 else late_ns > CLOCK_NS
        late = (abs(late_ns) / NS + WRONG_SIDE_S * wrong_side) / NEAR_S
        size = abs(event.grams) + 1e-3
        return 0.5 * (late**2 + (apart_m / NEAR_M) ** 2) + float(np.log1p(SHAKEN_G / size))

    def _any_of(self, scores: list[ItemScores]) -> Array:
        """Log-likelihood ratios (N,) of what several looks at one instant were of."""
        return np.asarray(np.log(np.mean([np.exp(self._log_ratio(s)) for s in scores], axis=0)))

    def _log_ratio(self, scores: ItemScores) -> Array:
        """Tempered probability over the prior of each product, (N,): all that the store has are as likely before."""
        told = dict(zip(scores.products, scores.probabilities.tolist(), strict=True))
        known = {self._column[product]: p for product, p in told.items() if product in self._column}
        strange = [p for product, p in told.items() if product not in self._column]
        left = max(1.0 - sum(told.values()), 0.0)
        p = np.full(len(self._column), left / max(len(self._column) - len(known), 1))
        p[list(known)] = list(known.values())
        everything = np.concatenate([p, strange])
        with np.errstate(divide="ignore"):
            logits = np.log(everything) / self._settings.temperature
            if logits.max(initial=-np.inf) == -np.inf:
                return np.zeros(len(p))
            total = logits.max() + np.log(np.exp(logits - logits.max()).sum())
            ratio = logits[: len(p)] - total + np.log(len(everything))
        return np.asarray(np.clip(ratio, -LARGEST, LARGEST))


def _time_ns(look: _Look) -> int:
    return look.scores.time_ns


def _apart(box: Box, points_m: Array) -> float:
    """Distance of the nearest of points (n, 3) to a box, metres."""
    local = (points_m - box.center_m) @ box.rotation
    return float(np.linalg.norm(np.maximum(np.abs(local) - box.size_m / 2, 0.0), axis=1).min())
