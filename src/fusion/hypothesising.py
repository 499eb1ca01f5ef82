"""Hypothesising: events are explained in all clusters that they touch, and the hypotheses updated."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from itertools import accumulate
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import backends
from fusion.association_settings import AssociationSettings
from fusion.beliefs import Beliefs
from fusion.clusters import Cause, Cluster, cluster_of, null_probability, null_share
from fusion.ledger import SURE, Ledger
from fusion.look_alikes import LookAlikes
from fusion.readings import Reading, nearby
from fusion.reference.hypotheses import BRANCHES, STAFF

Array = NDArray[Any]
UNUSED = 0.5
"""Probability of the null of two events as one, which is not listed: the null of each stands for it."""
IN_PARTS, HAND_IN_PARTS = 0.5, 0.03
"""Probability that an earlier event that was none of its own was the first part of this one; and the same if the
segmentation held it for a hand. Chosen, as CHAIN, on development seeds of simulated stores."""
DOUBT, CHAIN = 1e-3, 0.2
"""An earlier event that was a null with less than the one is not thought of again; nor are several, with the other.
However few of them an explanation takes in, it is one of hypotheses in which all were nulls."""


class Hypothesiser:
    """The beliefs about a store, and how an event changes them.

    Parameters
    ----------
    mass_g : (N,) float64
        Of the products, NaN where any mass will do.
    facings : int
        How many the store has.
    settings : AssociationSettings
    capacity : int
        K, hypotheses of a cluster.
    memory : int
        Events of a cluster that stay open to revision.
    """

    def __init__(
        self, mass_g: NDArray[np.float64], facings: int, settings: AssociationSettings, capacity: int, memory: int
    ) -> None:
        self._mass_g, self._facings, self._settings = mass_g, max(1, facings), settings
        self._likelihoods, self._hypotheses = backends.kernels("association"), backends.kernels("hypotheses")
        self._explanations = backends.kernels("explanations")
        self._by_mass = np.argsort(mass_g, kind="stable").astype(np.int32)
        self._rooms = defaultdict[int, tuple[Array, Array, Array]](lambda: _room(1024))
        self._units_g = np.arange(1, settings.max_units + 1)[:, None] * mass_g
        self.ledger = Ledger(self._likelihoods, mass_g, settings)
        self.look_alikes = LookAlikes(mass_g, self._facings, settings)
        self.beliefs = Beliefs(self._hypotheses, settings, capacity, memory, len(mass_g))

    def decide(
        self, readings: list[Reading], owner_of: Callable[[int], int], looks: list[Array], doubted: bool,
        earlier: list[Cause], takes_in: list[int],
    ) -> Cause:  # fmt: skip
        """Explain readings (of the event, and of it and earlier ones as one) and update the hypotheses.

        `owner_of` gives the owner of a row of the hands; `looks` are log-likelihood ratios (S or 0, N) of each reading.
        """
        near = nearby([r.hands for r in readings])
        owners = np.array([owner_of(i) for i in near.tolist()], np.int32)
        looks = [np.ascontiguousarray(look[near]) if len(look) else look for look in looks]
        plates = np.array(sorted({p for r in readings for p in r.plates.tolist()}), np.int32)
        thought_of = set(owners.tolist()) | set((-1 - plates).tolist())
        thought_of |= self._lenders(readings[0], thought_of)
        doubtful = {o for o in thought_of if o < STAFF}
        cluster = self.beliefs.gather(doubtful, [c for cause in earlier if (c := cluster_of(cause)) is not None])
        asked = sorted(doubtful)
        carried = self.beliefs.carried(asked)
        present = np.maximum.reduce(carried)
        null = self._settings.doubted if doubted else self._settings.null
        explained = []
        for room, (reading, look, n) in enumerate(zip(readings, looks, [0, *takes_in], strict=True)):
            prior = UNUSED if n else null
            parts, terms, score = self._explain(
                room, reading, reading.hands.take(near, 0), look, owners, present, prior
            )
            if n:
                given = self._given(earlier[:n], readings[0])
                terms[:, 0] += given
                score += given
                parts, terms, score = parts[1:], terms[1:], score[1:]
            rows, gain = self.ledger.gains(parts, reading)
            if rows:
                terms[rows, 0] += gain
                score[rows] += gain
            explained.append((parts, terms, score))
        ends = list(accumulate(len(own) for _, _, own in explained))
        parts, terms, score = explained[0]
        if takes_in:
            parts, terms, score = (np.concatenate(arrays) for arrays in zip(*explained, strict=True))
        echo, together = self._of_before(cluster, readings[0], null, earlier)
        heaviest = float((cluster.weight + echo).max() - cluster.weight.max()) if earlier else 0.0
        back, found = np.zeros((2, len(self._mass_g)), np.uint8)
        self._hypotheses.ask(
            parts, score, ends[0], float(score[0]) + heaviest, plates, self._facings, np.array(asked, np.int32),
            carried, back, found, self._settings,
        )  # fmt: skip
        self.beliefs.unfold(cluster, _marked(back), _marked(found), set(owners.tolist()))
        return self._update(cluster, readings, plates, parts, terms, score, ends, echo, together, doubted, earlier)

    def _lenders(self, reading: Reading, known: set[int]) -> set[int]:
        """Find who else may carry what comes back here: things are handed over."""
        total, _ = reading.moved(0)
        if total <= 0.0:
            return set()
        tolerance = 4.0 * (hypot(*reading.sigma_g.tolist()) + self._settings.mass_spread * self._units_g)
        fits = set(np.flatnonzero((np.abs(self._units_g - total) <= tolerance).any(axis=0)).tolist())
        if not fits or any(self.beliefs.holds(owner, fits) for owner in known if owner >= 0):
            return set()
        return self.beliefs.holders(fits)

    def possible_parts(self, earlier: list[Cause]) -> list[Cause]:
        """Choose from earlier events, the latest first, those that may be parts of one: nulls by themselves."""
        probability = 1.0
        for i, cause in enumerate(earlier):
            probability *= null_probability(cause)
            if probability < (CHAIN if i else DOUBT):
                return earlier[:i]
        return earlier

    def _given(self, earlier: list[Cause], reading: Reading) -> float:
        """Log-ratio that makes of a density of several events as one that of the last, given the others.

        The hypotheses have weighed those by themselves, as nulls. Of what they have in common, where it stood in
        between is anywhere within the change.
        """
        result, later = 0.0, reading.plates
        for cause in earlier:
            moved = max(float(np.abs(cause.delta_g).sum()), self._settings.lightest_g)
            result -= float(cause.terms[0, 0] + np.isin(cause.plates, later).sum() * np.log(moved))
            result += float(np.log(HAND_IN_PARTS if cause.doubted else IN_PARTS))
            later = np.union1d(later, cause.plates)
        return result

    def _explain(
        self, room: int, reading: Reading, hands: Array, looks: Array, owners: Array, present: Array, null: float
    ) -> tuple[Array, Array, Array]:
        """Explain a reading in a room of its own, where the explanations stay until the next event."""
        while True:
            parts, terms, score = self._rooms[room]
            needed = self._explanations.explain(
                reading.delta_g, reading.sigma_g, reading.inside, reading.facing_product, hands, looks, owners,
                self._mass_g, self._by_mass, present, null, parts, terms, score, self._settings,
            )  # fmt: skip
            if needed <= len(score):
                return parts[:needed], terms[:needed], score[:needed]
            self._rooms[room] = _room(2 * needed)

    def _update(
        self, cluster: Cluster, readings: list[Reading], plates: Array, parts: Array, terms: Array, score: Array,
        ends: list[int], echo: Array, together: Array, doubted: bool, earlier: list[Cause],
    ) -> Cause:  # fmt: skip
        reading = readings[0]
        h, k = len(cluster.weight), self.beliefs.capacity
        weight, count = np.empty(k), np.zeros(k, np.int32)
        records = np.empty((k, *cluster.records.shape[1:]), np.int32)
        share, joint_share = np.empty((k, h)), np.empty((k, h))
        columns = np.empty(min(len(score), BRANCHES * k + 1), np.int32)
        chosen = np.empty((k, len(columns)))
        kept, used = self._hypotheses.update(
            cluster.weight, cluster.count, cluster.records, echo, together, parts, score, ends[0],
            plates, np.array([readings[0].main_plate, readings[-1].main_plate], np.int32),
            len(self._mass_g), self._facings, weight, count, records, share, joint_share,
            columns, chosen, self._settings,
        )  # fmt: skip
        columns = columns[:used]
        cause = Cause(
            reading.plates, reading.delta_g, reading.sigma_g, parts.take(columns, 0), terms.take(columns, 0),
            chosen[:kept, :used].copy(), doubted,
        )  # fmt: skip
        self.look_alikes.watch(cause, cluster)
        share, joint_share = share[:kept], joint_share[:kept]
        as_one = len(readings) > 1
        if as_one:
            share += joint_share
        node = self.beliefs.advance(cluster, weight[:kept], count[:kept], records[:kept], share, cause)
        if as_one:
            node.joint_causes, node.joint_share = earlier, joint_share
        probability = np.exp(cluster.weight) @ cause.chosen
        if probability[best := int(probability.argmax())] >= SURE:
            whole = readings[bisect_right(ends, int(columns[best]))]
            for part in cause.parts[best].tolist():
                if part[1] >= 0 and part[0] < STAFF:
                    self.ledger.note(tuple(part), whole)
        self.beliefs.end_event(cluster)
        return cause

    def _of_before(self, cluster: Cluster, reading: Reading, null: float, earlier: list[Cause]) -> tuple[Array, Array]:
        """Say how much likelier each hypothesis makes the null, and both events as one, for what it knows of before."""
        if not earlier:
            nothing = np.zeros(len(cluster.weight))
            return nothing, nothing
        last = earlier[0]
        then = np.isin(last.plates, reading.plates[reading.inside[0] != 0])
        ratio = self._likelihoods.log_echo(
            *reading.moved(0), last.delta_g[then].sum(), (last.sigma_g[then] ** 2).sum(), null, self._settings
        )
        shares = [null_share(cause, cluster) for cause in earlier]
        with np.errstate(divide="ignore"):
            echo = np.logaddexp(np.log1p(-shares[0]), np.log(shares[0]) + ratio)
            return echo, np.log(np.prod(shares, axis=0))


def _marked(products: Array) -> set[int]:
    return set(products.nonzero()[0].tolist()) if products.any() else set()


def _room(explanations: int) -> tuple[Array, Array, Array]:
    """Room for parts, terms and scores of so many explanations."""
    return np.empty((explanations, 3, 4), np.int32), np.empty((explanations, 4)), np.empty(explanations)
