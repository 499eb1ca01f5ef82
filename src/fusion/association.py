"""Association: weight events and hand paths in; who took or returned what, and how sure, out."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation
from fusion.association_settings import AssociationSettings, integer, validated
from fusion.beliefs import Basket, Beliefs
from fusion.clusters import MARGIN, Cause, Cluster, cluster_of, null_probability, null_share
from fusion.ledger import SURE, Ledger
from fusion.places import Places
from fusion.store import Store

__all__ = ["AssociationSettings", "Associator", "Candidate", "Joint"]

Array = NDArray[Any]
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
"""Range of what sensors report: within it, sums and squares of grams and metres neither overflow nor vanish."""
STAFF = 1 << 30
"""Owners from here on are staff; see ``fusion.reference.hypotheses``."""
NEARBY = 1e-3
"""A shopper whose hands are so much less likely to have done it than another's is left out."""
DOUBT = 1e-3
"""An earlier event that was a null with less than this is not thought of again."""
UNTOLD = 1e-9
"""Candidates less probable than this are not told."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible cause of an event.

    Parameters
    ----------
    shopper, product : str
        Who and what.
    quantity : int
        Below 0 for a take, above for a return.
    probability : float
        In the light of everything that is known.
    terms : tuple of (str, float)
        Log-likelihood ratios, in nats, against nothing of the store having moved: ``weight`` (the grams of all plates),
        ``hands`` (where they were), ``units`` (how likely so many move), ``vision``, and ``basket`` (all else: what
        everybody carried and what lay where, before and since).
    """

    shopper: str
    product: str
    quantity: int
    probability: float
    terms: tuple[tuple[str, float], ...] = ()


class Joint(NamedTuple):
    """An earlier event and this one as one: what happened if the earlier one was none of its own.

    Parameters
    ----------
    earlier : hashable
        Names the earlier event.
    plates : sequence of str
        Those of both.
    delta_g, sigma_g : (n,) float64
        From before the earlier event to after this one, grams.
    when : (T,) float64, optional
        As of `Associator.associate`, for both as one.
    vision : (S, N) float64, optional
        What was seen in both; by default what was seen in this one.
    """

    earlier: Hashable
    plates: Sequence[str]
    delta_g: ArrayLike
    sigma_g: ArrayLike
    when: ArrayLike | None = None
    vision: ArrayLike | None = None


class Associator:
    """The K best joint hypotheses about baskets and misplaced items, updated event by event.

    Parameters
    ----------
    store : Store
        Plates, products and planogram.
    settings : AssociationSettings, optional
        Prior probabilities.
    hypotheses : int, optional
        K, how many hypotheses are kept of each cluster of shoppers whose doubts hang together.
    memory : int, optional
        Candidates of at least the last this many events of a cluster are open to revision; older ones stay as they are.

    Raises
    ------
    ValueError
        If a probability is outside [1e-100, 1), a length or mass outside [1e-6, 1e6], ``max_units`` outside [1, 100], K
        or `memory` below 1, or a product's mass beyond float32.
    TypeError
        If an argument is of the wrong type.

    Notes
    -----
    Source: multiple-hypothesis tracking (Reid 1979; Blackman 2004), with its clusters.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: AssociationSettings | None = None,
        hypotheses: int = 64,
        memory: int = 64,
    ) -> None:
        if not isinstance(store, Store):
            raise TypeError(f"store must be a Store; got {type(store).__name__}")
        self._settings = validated(AssociationSettings() if settings is None else settings)
        self._capacity, self._memory = integer("hypotheses", hypotheses), integer("memory", memory)
        self._likelihood, self._hypotheses = backends.kernels("association"), backends.kernels("hypotheses")
        self._explanations = backends.kernels("explanations")
        self._places = Places(store)
        self._products = [p.id for p in store.products]
        self._mass_g = np.array([np.nan if p.by_weight else p.mass_g for p in store.products], np.float64)
        for heavy in np.flatnonzero(self._mass_g > LARGEST):
            raise ValueError(f"mass_g of product {self._products[heavy]!r} must be at most {LARGEST}")
        self._by_mass = np.argsort(self._mass_g, kind="stable").astype(np.int32)
        self._ledger = Ledger(self._mass_g, self._settings)
        self._beliefs = Beliefs(self._hypotheses, self._settings, self._capacity)
        self._owners: dict[str, int] = {}
        self._names: list[str] = []
        self._causes: dict[Hashable, Cause] = {}
        self._last: dict[int, Cause] = {}

    def associate(
        self,
        key: Hashable,
        plates: Sequence[str],
        delta_g: ArrayLike,
        sigma_g: ArrayLike,
        shoppers: Sequence[str],
        hands_m: ArrayLike,
        *,
        hands_var_m2: ArrayLike | None = None,
        when: ArrayLike | None = None,
        vision: ArrayLike | None = None,
        doubted: bool = False,
        joint: Joint | None = None,
    ) -> list[Candidate]:
        """Explain one weight event; events come in the order in which they ended.

        Parameters
        ----------
        key : hashable
            Names the event; `candidates` takes it.
        plates : sequence of str
            n >= 1 plates that changed.
        delta_g, sigma_g : (n,) float64
            Change of each plate and its standard deviation, grams, within the range of float32.
        shoppers : sequence of str
            S shoppers nearby.
        hands_m : (T, S, H, 3) float64
            Their hands during the event, metres; NaN (or beyond float32) where not seen.
        hands_var_m2 : (T, S, H) float64, optional
            Variance of each hand along any axis, square metres; 0 by default.
        when : (T,) float64, optional
            How probable each instant is that of the grasp, up to a factor; all alike by default.
        vision : (S, N) float64, optional
            Log-likelihood ratio of what was seen if each of the store's N products moved in each shopper's hand.
        doubted : bool, optional
            The segmentation holds the event for a resting hand.
        joint : Joint, optional
            An earlier event that may be part of this one.

        Returns
        -------
        list of Candidate
            As `candidates` gives.

        Raises
        ------
        ValueError, TypeError
            If the event is malformed, names an unknown plate, or `key` was used; nothing is changed then.
        """
        if self.knows(key):
            raise ValueError(f"key must be new; event {key!r} was associated before")
        shoppers = _identifiers("shoppers", shoppers)
        paths = _paths(hands_m, hands_var_m2, when, len(shoppers))
        readings = [self._reading(plates, delta_g, sigma_g, paths)]
        looks = [self._look(vision, len(shoppers))]
        earlier = self._causes.get(joint.earlier) if joint is not None else self._last.get(readings[0].main_plate)
        if joint is not None:
            if earlier is None:
                raise ValueError(f"earlier of joint must name an associated event; got {joint.earlier!r}")
            paths = _paths(hands_m, hands_var_m2, when if joint.when is None else joint.when, len(shoppers))
            readings.append(self._reading(joint.plates, joint.delta_g, joint.sigma_g, paths))
            looks.append(self._look(vision if joint.vision is None else joint.vision, len(shoppers)))
        cause = self._decide(readings, shoppers, looks, doubted, earlier)
        self._causes[key] = cause
        self._last.update(dict.fromkeys(readings[0].plates.tolist(), cause))
        return self.candidates(key)

    def knows(self, key: Hashable) -> bool:
        """Tell whether an event was associated under this name."""
        try:
            return key in self._causes
        except TypeError as error:
            raise TypeError(f"key must be hashable; got {type(key).__name__}: {error}") from None

    def candidates(self, key: Hashable) -> list[Candidate]:
        """Causes of an event in the light of everything since, most probable first.

        The probabilities need not sum to 1: what is missing is that nothing of the store moved, and an event in which
        two things moved has two causes.

        Raises
        ------
        ValueError
            If no event was associated under this name.
        """
        if not self.knows(key):
            raise ValueError(f"key must name an associated event; got {key!r}")
        cause = self._causes[key]
        return candidates(cause, self._probability(cause), self._names, self._products)

    def baskets(self, *shoppers: str) -> list[tuple[dict[str, int], float]]:
        """Tell what shoppers may carry, all together: possible contents (product to quantity), most probable first."""
        owners = [self._owners[s] for s in shoppers if s in self._owners]
        found = self._beliefs.baskets(owners)
        return [({self._products[p]: q for p, q in basket}, value) for basket, value in found]

    def weigh(self, shoppers: Sequence[str], log_likelihood: Callable[[dict[str, int]], float]) -> None:
        """Take in what was learned of all that shoppers carry together, such as the tags that a gate reads.

        Parameters
        ----------
        shoppers : sequence of str
            Whose goods; of who is unknown, nothing is.
        log_likelihood : callable
            Takes possible contents (product to quantity) of all their baskets together; tells how likely what was
            learned is then, up to a factor. What is certain does not change.

        Raises
        ------
        ValueError
            If it is not finite; no probability is changed then.
        """
        owners = [self._owners[s] for s in _identifiers("shoppers", shoppers) if s in self._owners]

        def of(basket: Basket) -> float:
            return log_likelihood({self._products[p]: q for p, q in basket})

        self._beliefs.weigh(owners, of)

    def leave(self, shopper: str) -> None:
        """Forget a shopper who left: what remains open is about the others. The name may come again."""
        owner = self._owners.pop(shopper, None)
        if owner is not None:
            self._beliefs.forget(owner)
            self._ledger.forget(owner)

    def employ(self, shopper: str) -> None:
        """Take somebody for staff, who re-stocks: nothing of what he takes or puts down is charged.

        Raises
        ------
        ValueError
            If he has been taken for a shopper since he came.
        """
        if self._owner(validation.identifier("shopper", shopper), STAFF) < STAFF:
            raise ValueError(f"shopper must not have acted as a shopper; got {shopper!r}")

    def _probability(self, cause: Cause) -> Array:
        cluster = cluster_of(cause)
        found = cause.probability if cluster is None else cluster.probability(cause)
        assert found is not None
        return found

    def _owner(self, shopper: str, kind: int = 0) -> int:
        if shopper not in self._owners:
            self._owners[shopper] = kind + len(self._names)
            self._names.append(shopper)
        return self._owners[shopper]

    def _look(self, vision: ArrayLike | None, shoppers: int) -> Array:
        if vision is None:
            return np.zeros((0, len(self._products)))
        return validation.array("vision", vision, np.float64, (shoppers, len(self._products)), finite=True)

    def _reading(self, plates: Sequence[str], delta_g: ArrayLike, sigma_g: ArrayLike, paths: "_Paths") -> "_Reading":
        index = self._places.plate_index(_identifiers("plates", plates))
        delta = validation.array("delta_g", delta_g, np.float64, (len(index),), finite=True)
        sigma = validation.array("sigma_g", sigma_g, np.float64, (len(index),), finite=True)
        if len(index) == 0:
            raise ValueError("plates must not be empty")
        if not (np.abs(delta) <= LARGEST).all() or not ((sigma >= SMALLEST) & (sigma <= LARGEST)).all():
            raise ValueError(f"delta_g and sigma_g must be within float32, sigma_g above 0; got {delta} and {sigma}")
        inside, facings = self._places.touched(index, delta, sigma, self._settings.cross_talk)
        llr = self._likelihood.hand_log_likelihood(*paths, *self._places.boxes(index, inside), self._settings)
        return _Reading(index, delta, sigma, inside, self._places.facing_product[facings], llr)

    def _decide(
        self, readings: "list[_Reading]", shoppers: list[str], looks: list[Array], doubted: bool, earlier: Cause | None
    ) -> Cause:
        """Explain readings (of the event, and of an earlier one and it as one) and update the hypotheses."""
        nearby = _nearby([r.hands for r in readings])
        owners = np.array([self._owner(shoppers[i]) for i in nearby], np.int32)
        looks = [np.ascontiguousarray(look[nearby]) if len(look) else look for look in looks]
        plates = np.unique(np.concatenate([r.plates for r in readings]))
        thought_of = set(owners.tolist()) | set((-1 - plates).tolist())
        thought_of |= self._lenders(readings[0], thought_of)
        before = None if earlier is None else cluster_of(earlier)
        if earlier is None or null_probability(earlier) < DOUBT:
            earlier, before, readings = None, None, readings[:1]
        doubtful = {o for o in thought_of if o < STAFF}
        cluster = self._beliefs.gather(doubtful, [before] if before is not None else [])
        present = self._beliefs.present(cluster, thought_of, len(self._products))
        nulls = (self._settings.doubted if doubted else self._settings.null, self._settings.null)
        staff = (owners >= STAFF).astype(np.uint8)
        found = [
            self._explain(r, np.ascontiguousarray(r.hands[nearby]), look, staff, present, null)
            for r, look, null in zip(
                readings, looks, (self._settings.doubted if doubted else self._settings.null, 0.5), strict=False
            )
        ]
        explained = [found[0], *((parts[1:], terms[1:], score[1:]) for parts, terms, score in found[1:])]
        parts, terms, score = (np.concatenate(arrays) for arrays in zip(*explained, strict=True))
        known = parts[:, :, 0] >= 0
        parts[:, :, 0][known] = owners[parts[:, :, 0][known]]
        first_joint = len(found[0][2])
        for reading, own in zip(readings, (slice(0, first_joint), slice(first_joint, None)), strict=False):
            gain = self._ledger.gains(parts[own], reading)
            terms[own, 0] += gain
            score[own] += gain
        return self._update(cluster, readings, plates, parts, terms, score, first_joint, nulls[0], earlier)

    def _lenders(self, reading: "_Reading", known: set[int]) -> set[int]:
        """Find who else may carry what comes back here: things are handed over."""
        total = float(reading.delta_g[reading.inside[0] != 0].sum())
        if total <= 0.0:
            return set()
        units = np.arange(1, self._settings.max_units + 1)[:, None] * self._mass_g
        tolerance = 4.0 * (float(np.linalg.norm(reading.sigma_g)) + self._settings.mass_spread * units)
        fits = set(np.flatnonzero((np.abs(units - total) <= tolerance).any(axis=0)).tolist())
        holders = self._beliefs.holders(fits) if fits else set()
        return holders if not holders & known else set()

    def _explain(
        self, reading: "_Reading", hands: Array, looks: Array, staff: Array, present: Array, null: float
    ) -> tuple[Array, Array, Array]:
        n = 256
        while True:
            parts, terms, score = np.empty((n, 3, 4), np.int32), np.empty((n, 4)), np.empty(n)
            needed = self._explanations.explain(
                reading.delta_g, reading.sigma_g, reading.inside, reading.facing_product, hands, looks, staff,
                self._mass_g, self._by_mass, present, null, parts, terms, score, self._settings,
            )  # fmt: skip
            if needed <= n:
                return parts[:needed], terms[:needed], score[:needed]
            n = needed

    def _update(
        self, cluster: Cluster, readings: "list[_Reading]", plates: Array, parts: Array, terms: Array, score: Array,
        first_joint: int, null: float, earlier: Cause | None,
    ) -> Cause:  # fmt: skip
        reading = readings[0]
        cluster.make_room(MARGIN)
        h, k = len(cluster.weight), self._capacity
        echo, together = self._of_before(cluster, reading, null, earlier)
        weight, count = np.empty(k), np.zeros(k, np.int32)
        records = np.zeros((k, *cluster.records.shape[1:]), np.int32)
        share, joint_share = np.empty((k, h)), np.empty((k, h))
        columns = np.empty(min(len(score), 4 * k + 1), np.int32)
        chosen = np.empty((k, len(columns)))
        kept, used = self._hypotheses.update(
            cluster.weight, cluster.count, cluster.records, echo, together, parts, score, first_joint,
            plates.astype(np.int32), np.array([readings[0].main_plate, readings[-1].main_plate], np.int32),
            len(self._products), max(1, len(self._places.facing_product)), weight, count, records, share, joint_share,
            columns, chosen, self._settings,
        )  # fmt: skip
        columns = columns[:used]
        cause = Cause(
            reading.plates, reading.delta_g, reading.sigma_g, parts[columns], terms[columns],
            chosen[:kept, :used].copy(),
        )  # fmt: skip
        node = self._beliefs.node([(cluster.node, share[:kept] + joint_share[:kept])], cause=cause)
        if len(readings) > 1:
            node.joint_cause, node.joint_share = earlier, joint_share[:kept]
        cause.node = node
        cluster.advance(weight[:kept], count[:kept], records[:kept], node)
        probability = np.exp(cluster.weight) @ cause.chosen
        if probability[best := int(probability.argmax())] >= SURE:
            whole = readings[-1 if columns[best] >= first_joint else 0]
            for part in cause.parts[best].tolist():
                if part[1] >= 0 and part[0] < STAFF:
                    self._ledger.note(tuple(part), whole)
        self._beliefs.release(cluster)
        if cluster.age > 2 * self._memory:
            cluster.cut(self._memory)
        return cause

    def _of_before(
        self, cluster: Cluster, reading: "_Reading", null: float, earlier: Cause | None
    ) -> tuple[Array, Array]:
        """Say how much likelier each hypothesis makes the null, and both events as one, for what it knows of before."""
        if earlier is None:
            nothing = np.zeros(len(cluster.weight))
            return nothing, nothing
        own = reading.inside[0] != 0
        then = np.isin(earlier.plates, reading.plates[own])
        ratio = self._likelihood.log_echo(
            reading.delta_g[own].sum(), (reading.sigma_g[own] ** 2).sum(),
            earlier.delta_g[then].sum(), (earlier.sigma_g[then] ** 2).sum(), null, self._settings,
        )  # fmt: skip
        share = null_share(earlier, cluster)
        with np.errstate(divide="ignore"):
            log_share = np.log(share)
            return np.logaddexp(np.log1p(-share), log_share + ratio), log_share + np.log(self._settings.echo)


class _Paths(NamedTuple):
    """Hands (T, S, H, 3), their variances (T, S, H) and how probable each instant is (T,)."""

    hands: Array
    var: Array
    when: Array


class _Reading(NamedTuple):
    """What happened on which plates, which places it touches, and what hands there say (S, 1 + J)."""

    plates: Array
    delta_g: Array
    sigma_g: Array
    inside: Array
    facing_product: Array
    hands: Array

    @property
    def main_plate(self) -> int:
        return int(self.plates[np.abs(self.delta_g).argmax()])


def _paths(hands_m: ArrayLike, var_m2: ArrayLike | None, when: ArrayLike | None, shoppers: int) -> _Paths:
    hands = validation.array("hands_m", hands_m, np.float64, (None, shoppers, None, 3))
    hands = np.where(np.abs(hands) <= LARGEST, hands, np.nan)
    var, weight = np.zeros(hands.shape[:3]), np.ones(len(hands))
    if var_m2 is not None:
        var = validation.array("hands_var_m2", var_m2, np.float64, hands.shape[:3])
        var = np.where((var >= 0) & (var <= LARGEST), var, 0.0)
    if when is not None:
        weight = validation.array("when", when, np.float64, (len(hands),), finite=True)
        if not ((weight >= 0) & (weight <= LARGEST)).all():
            raise ValueError("when must not be negative, nor beyond float32")
    return _Paths(hands, var, weight)


def _nearby(hands: list[Array]) -> NDArray[np.intp]:
    """Choose the shoppers who may have done it: those whose hands are not much less likely than the likeliest's."""
    best = np.max([h.max(axis=1, initial=-np.inf) for h in hands], axis=0)
    return np.flatnonzero(best >= best.max(initial=-np.inf) + np.log(NEARBY))


def candidates(cause: Cause, probability: Array, names: list[str], products: list[str]) -> list[Candidate]:
    """Sum up the explanations of an event by who did what, most probable first."""
    total: dict[tuple[int, int, int], float] = {}
    best: dict[tuple[int, int, int], int] = {}
    p = probability.tolist()
    ratios = (cause.terms - cause.terms[0]).tolist()
    for e, parts in enumerate(cause.parts.tolist()):
        for done in _summed(parts):
            total[done] = total.get(done, 0.0) + p[e]
            if done not in best or p[e] > p[best[done]]:
                best[done] = e
    found = [
        Candidate(names[done[0] % STAFF], products[done[1]], done[2], v, _terms(ratios[best[done]], v, p[0]))
        for done, v in total.items()
        if v >= UNTOLD
    ]
    return sorted(found, key=lambda c: (-c.probability, c.shopper, c.product, c.quantity))


def _terms(ratios: list[float], p: float, null: float) -> tuple[tuple[str, float], ...]:
    """Terms of an explanation against the null; what they leave open is the baskets'."""
    weight, hands, units, vision = ratios
    terms = ("weight", weight), ("hands", hands), ("units", units), ("vision", vision)
    if null <= 0.0:
        return terms
    return (*terms, ("basket", log(p / null) - weight - hands - units - vision))


def _summed(parts: list[list[int]]) -> Iterable[tuple[int, int, int]]:
    """Give one explanation's causes: (owner, product, quantity), units that one shopper moved one way as one."""
    if parts[1][1] < 0:
        owner, product, quantity, _ = parts[0]
        return ((owner, product, quantity),) if product >= 0 else ()
    found: dict[tuple[int, int, bool], int] = {}
    for owner, product, quantity, _ in parts:
        if product >= 0:
            found[owner, product, quantity < 0] = found.get((owner, product, quantity < 0), 0) + quantity
    return [(owner, product, quantity) for (owner, product, _), quantity in found.items()]


def _identifiers(name: str, values: Sequence[str]) -> list[str]:
    if isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a sequence of strings; got {type(values).__name__}")
    try:
        result = list(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of strings; got {type(values).__name__}") from None
    for value in result:
        validation.identifier(f"each of {name}", value)
    validation.unique(name, result)
    return result
