"""Second thoughts about weights: what may be one event with an earlier one, and what the segmentation took back.

The segmentation decides for each plate whether a load was a hand. It cannot know what shoppers carry: 84 g that came
and went may have been a hand, or two bars that one put there and another took. So what it takes back is told all the
same, as doubted, and the next change of the plate is told from there; and both as one is the other reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusion.observations import NS
from fusion.segmentation import WeightEvent

TOGETHER_NS = NS
"""Changes of one plate, or of plates side by side, that are no farther apart may be one."""
LONGEST = 4
"""Most earlier events that may be parts of one."""
SURE = 2.0
"""Standard deviations beyond which a change is one."""
SPAN_ERROR = 0.003
"""Of a load cell, of the load."""
LEVEL_G = 0.5
"""How much worse a level may be known after another look (grams)."""
HALF = 0.5
"""Standard deviation of a level that was quiet for half a second, over that of a sample: 30 samples, correlated."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Grams by plate, from one level to another.

    Parameters
    ----------
    plates : (n,) int32
        Columns, ascending.
    delta_g, sigma_g : (n,) float64
        Grams.
    """

    plates: NDArray[np.int32]
    delta_g: NDArray[np.float64]
    sigma_g: NDArray[np.float64]

    @property
    def sure(self) -> bool:
        """Whether anything changed at all."""
        return bool((np.abs(self.delta_g) > SURE * self.sigma_g).any())


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What the association is told of an event.

    Parameters
    ----------
    event : WeightEvent
        As the segmentation told it last.
    change : Change
        What changed, if no doubted load was a hand.
    doubted : bool
        The segmentation holds it for a hand.
    links : tuple of Link
        Earlier events that may be parts of this one, the latest first.
    """

    event: WeightEvent
    change: Change
    doubted: bool
    links: "tuple[Link, ...]" = ()


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """From an event back to an earlier one.

    Parameters
    ----------
    earlier : Told
    change : Change
        What changed from before the earlier one to after this one.
    """

    earlier: Told
    change: Change


@dataclass(frozen=True, slots=True, eq=False)
class _Debt:
    """A load on one plate that was taken back: what is told of the plate next is counted from before it."""

    grams: float
    sigma_g: float
    told: Told
    order: int
    time_ns: int


class SecondThoughts:
    """Reads one fixture's weight events, first in the order in which they were reported, then in that of their ends.

    Parameters
    ----------
    groups : sequence of int
        The shelf of each column.
    smallest_g : float
        Less is no change.
    """

    def __init__(self, groups: Sequence[int], smallest_g: float) -> None:
        self._groups, self._smallest_g = list(groups), smallest_g
        self._order = 0
        self._said: dict[int, tuple[Change, int]] = {}
        self._taken_back: dict[int, tuple[int, int]] = {}
        self._open: dict[int, WeightEvent] = {}
        self._final: list[WeightEvent] = []
        self._debts: dict[int, _Debt] = {}
        self._recent: list[Told] = []

    def hear(self, event: WeightEvent, time_ns: int) -> list[WeightEvent]:
        """Note what a report says, at the time of the last sample; return the events that may be told now.

        A final event waits for an earlier one that it made the segmentation take back.
        """
        self._order += 1
        if event.kind == "change":
            before = self._said.get(event.id)
            self._said[event.id] = _kept(before[0], _change(event)) if before else _change(event), self._order
            self._taken_back.pop(event.id, None)
        elif event.id in self._said and _taken_back(self._said[event.id][0], _change(event)):
            self._taken_back.setdefault(event.id, (self._order, time_ns))
        if not event.final:
            self._open[event.id] = event
            return []
        self._open.pop(event.id, None)
        self._final.append(event)
        told = [e for e in self._final if not self._awaits(e)]
        self._final = [e for e in self._final if e not in told]
        return told

    @property
    def waiting(self) -> list[WeightEvent]:
        """Final events that may not be told yet."""
        return self._final

    @property
    def unsettled(self) -> list[WeightEvent]:
        """Changes that were reported, and of which more will be."""
        return [event for event in self._open.values() if event.kind == "change"]

    def _awaits(self, event: WeightEvent) -> bool:
        return any(
            other.id < event.id and event.start_ns <= self._taken_back[other.id][1] and _overlap(other, event)
            for other in self._open.values()
            if other.id in self._taken_back
        )

    def tell(self, event: WeightEvent, noise_g: NDArray[np.float64]) -> Told | None:
        """Tell what to make of a final event; None if nothing changed.

        Parameters
        ----------
        event : WeightEvent
            Events come in the order of their ends.
        noise_g : (P,) float64
            Noise of a sample of each plate, grams.
        """
        said, back = self._said.pop(event.id, None), self._taken_back.pop(event.id, None)
        change, order = (_change(event), self._order) if said is None or back is None else said
        told = Told(event, change, event.kind == "touch")
        debts = {p: d for p, d in self._debts.items() if event.start_ns <= d.time_ns}
        if owed := [debts[p].told for p in event.plates.tolist() if p in debts]:
            earlier = max(owed, key=lambda t: t.event.end_ns)
            debts = {p: d for p, d in debts.items() if any(d.told is t for t in owed)}
            told = _after(told, earlier, debts, counted_from_before=order > max(d.order for d in debts.values()))
        else:
            told = self._continued(told, noise_g)
        told = _chained(told, noise_g)
        for p in told.change.plates.tolist():
            self._debts.pop(p, None)
        nothing = not told.change.sure or np.abs(told.change.delta_g).max() < self._smallest_g
        lender = told if not nothing else told.links[0].earlier if told.links else None
        if back is not None and lender is not None:
            level = told.links[0].change if owed else told.change
            for p, grams, sigma in zip(level.plates.tolist(), level.delta_g, level.sigma_g, strict=True):
                self._debts[p] = _Debt(float(grams), float(sigma), lender, *back)
        if nothing:
            return None
        self._recent = [t for t in self._recent if t.event.end_ns > event.start_ns - 2 * TOGETHER_NS] + [told]
        return told

    def _continued(self, told: Told, noise_g: NDArray[np.float64]) -> Told:
        """Find a change just before, or beside at the same time, that may be one with this one."""
        event = told.event
        follows = [
            earlier
            for earlier in self._recent
            if event.start_ns - earlier.event.end_ns <= TOGETHER_NS
            and np.intersect1d(earlier.change.plates, told.change.plates).size
        ]
        beside = [
            earlier
            for earlier in self._recent
            if abs(event.step_ns - earlier.event.step_ns) <= TOGETHER_NS // 2 and self._beside(earlier, told)
        ]
        for earlier in (follows or beside)[-1:]:
            return replace(told, links=(Link(earlier, _sum(earlier.change, told.change, noise_g)),))
        return told

    def _beside(self, one: Told, other: Told) -> bool:
        return any(
            abs(p - q) == 1 and self._groups[p] == self._groups[q]
            for p in one.change.plates.tolist()
            for q in other.change.plates.tolist()
        )


def _overlap(one: WeightEvent, other: WeightEvent) -> bool:
    return bool(np.intersect1d(one.plates, other.plates).size)


def _taken_back(said: Change, now: Change) -> bool:
    """Tell whether a change was taken back, and not found to be cross-talk: that makes it less sure."""
    was = {p: k for k, p in enumerate(said.plates.tolist())}
    main = int(said.plates[np.abs(said.delta_g).argmax()])
    at = np.flatnonzero(now.plates == main)
    return len(at) == 0 or bool(now.sigma_g[at[0]] <= 3 * said.sigma_g[was[main]] + LEVEL_G)


def _kept(before: Change, now: Change) -> Change:
    """Of a change some plates of which were taken back, keep what was told of them."""
    was = {p: k for k, p in enumerate(before.plates.tolist())}
    grams, sigma = now.delta_g.copy(), now.sigma_g.copy()
    for i, p in enumerate(now.plates.tolist()):
        k = was.get(p)
        if k is not None and abs(grams[i]) <= SURE * sigma[i] and abs(before.delta_g[k]) > SURE * before.sigma_g[k]:
            grams[i], sigma[i] = before.delta_g[k], before.sigma_g[k]
    return Change(now.plates, grams, sigma)


def _change(event: WeightEvent) -> Change:
    return Change(event.plates, event.delta_g.astype(np.float64), event.sigma_g.astype(np.float64))


def _after(told: Told, earlier: Told, debts: dict[int, _Debt], *, counted_from_before: bool) -> Told:
    """Count a change from after a load that was taken back, and both from before it."""
    own = {p: k for k, p in enumerate(told.change.plates.tolist())}
    plates = np.array(sorted(own.keys() | debts.keys()), np.int32)
    grams, variance = np.zeros(len(plates)), np.zeros(len(plates))
    lent, lent_variance = np.zeros(len(plates)), np.zeros(len(plates))
    for i, p in enumerate(plates.tolist()):
        if p in own:
            grams[i], variance[i] = told.change.delta_g[own[p]], told.change.sigma_g[own[p]] ** 2
        if p in debts:
            lent[i], lent_variance[i] = debts[p].grams, debts[p].sigma_g ** 2
        if p not in own:
            variance[i] = lent_variance[i]
    apart = np.sqrt(variance + lent_variance)
    if counted_from_before:
        change, both = Change(plates, grams - lent, apart), Change(plates, grams, np.sqrt(variance))
    else:
        change, both = told.change, Change(plates, grams + lent, apart)
    return replace(told, change=change, links=(Link(earlier, both),))


def _chained(told: Told, noise_g: NDArray[np.float64]) -> Told:
    """Go on from the latest earlier event to those that may be parts of it."""
    if not told.links:
        return told
    before = told.links[0].earlier.links[: LONGEST - 1]
    longer = [Link(link.earlier, _sum(link.change, told.change, noise_g)) for link in before]
    return replace(told, links=(told.links[0], *longer))


def _sum(one: Change, other: Change, noise_g: NDArray[np.float64]) -> Change:
    """Add two changes. Of the level between them, which one began and the other ended with, the error cancels."""
    plates = np.union1d(one.plates, other.plates).astype(np.int32)
    grams, sigma = np.zeros(len(plates)), np.zeros(len(plates))
    first = {p: k for k, p in enumerate(one.plates.tolist())}
    second = {p: k for k, p in enumerate(other.plates.tolist())}
    for i, p in enumerate(plates.tolist()):
        a = one.sigma_g[first[p]] if p in first else 0.0
        b = other.sigma_g[second[p]] if p in second else 0.0
        grams[i] = (one.delta_g[first[p]] if p in first else 0.0) + (other.delta_g[second[p]] if p in second else 0.0)
        sigma[i] = a + b
        if p in first and p in second:
            quiet = 2 * min((HALF * noise_g[p]) ** 2, min(a, b) ** 2)
            sigma[i] = np.sqrt(abs(a * a - b * b) + quiet + (SPAN_ERROR * grams[i]) ** 2)
    return Change(plates, grams, sigma)
