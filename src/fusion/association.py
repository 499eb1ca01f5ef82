"""Association: weight events and hand paths in; who took or returned what, and how sure, out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation
from fusion.places import Places
from fusion.store import Store


class AssociationSettings(NamedTuple):
    """What the association believes before it sees an event; probabilities unless a unit says otherwise."""

    reach_sigma_m: float = 0.10
    """Distance between a tracked hand and the goods it grasps: 5 cm of tracking noise, 8 cm from palm to item."""
    bystander_m: float = 2.0
    """A hand that has nothing to do with an event is anywhere within this distance."""
    track_miss: float = 0.02
    """The hand that did it was not seen, or was seen elsewhere."""
    mass_spread: float = 0.015
    """Standard deviation of one unit's mass over its catalogue mass (packaged goods: 1-2 %)."""
    wrong_mass: float = 0.03
    """The catalogue's mass is wrong."""
    lightest_g: float = 5.0
    """Lightest thing sold."""
    heaviest_g: float = 5000.0
    """Heaviest thing sold."""
    cross_talk: float = 0.02
    """Share of a change that shows on a neighbouring plate (the public recording shows 1-2 %)."""
    overhang: float = 0.05
    """An item overlaps a plate beside its facing."""
    null: float = 0.01
    """A lasting change has nothing to do with the store's products (a bag put down, a foreign item)."""
    echo: float = 0.5
    """The next change of plates on which something foreign rests is that it goes away."""
    more_units: float = 0.1
    """One more unit of the same product moves along."""
    max_units: int = 4
    """Most units of one product in one event."""
    coincidence: float = 0.02
    """Two different things move within one event."""
    returning: float = 0.3
    """An event is a return."""
    misplacing: float = 0.15
    """A return goes anywhere but home."""
    stray: float = 0.02
    """A taken item had been misplaced before anybody watched."""
    foreign: float = 0.02
    """A shopper puts down what he was not known to carry."""
    negligible: float = 1e-9
    """Explanations and hypotheses less probable than this, relative to the best, are dropped."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible cause of an event: quantity < 0 for a take, > 0 for a return."""

    shopper: str
    product: str
    quantity: int
    probability: float


class Associator:
    """The K best joint hypotheses about baskets and misplaced items, updated event by event.

    Parameters
    ----------
    store : Store
        Plates, products and planogram.
    settings : AssociationSettings, optional
        Prior probabilities.
    hypotheses : int, optional
        K, how many hypotheses are kept.
    memory : int, optional
        Candidates of the last this many events are revised by later ones; older ones stay as they are.

    Raises
    ------
    ValueError
        If a probability is outside (0, 1), a length or mass is not positive, or K or `memory` is below 1.

    Notes
    -----
    Source: multiple-hypothesis tracking (Reid 1979; Blackman 2004).
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: AssociationSettings | None = None,
        hypotheses: int = 64,
        memory: int = 64,
    ) -> None:
        self._settings = _validated(settings or AssociationSettings())
        if hypotheses < 1 or memory < 1:
            raise ValueError(f"hypotheses and memory must be at least 1; got {hypotheses} and {memory}")
        self._capacity, self._memory = hypotheses, memory
        self._likelihood, self._hypotheses = backends.kernels("association"), backends.kernels("hypotheses")
        self._places = Places(store)
        self._products = [p.id for p in store.products]
        self._mass_g = np.array([p.mass_g for p in store.products], np.float64)
        self._weight = np.zeros(1)
        self._count = np.zeros(1, np.int32)
        self._records = np.zeros((1, 32, 3), np.int32)
        self._owners: dict[str, int] = {}
        self._names: list[str] = []
        self._causes: dict[Any, _Cause] = {}

    def associate(
        self,
        key: Any,
        plates: Sequence[str],
        delta_g: ArrayLike,
        sigma_g: ArrayLike,
        shoppers: Sequence[str],
        hands_m: ArrayLike,
    ) -> list[Candidate]:
        """Explain one weight event; events come in the order in which they ended.

        Parameters
        ----------
        key : hashable
            Names the event; `candidates` takes it.
        plates : sequence of str
            n plates that changed.
        delta_g, sigma_g : (n,) float64
            Change of each plate and its standard deviation, grams.
        shoppers : sequence of str
            S shoppers nearby.
        hands_m : (T, S, H, 3) float64
            Their hands during the event, metres; NaN where not seen.

        Returns
        -------
        list of Candidate
            As `candidates` gives.

        Raises
        ------
        ValueError, TypeError
            If the event is malformed, names an unknown plate, or `key` was used.
        """
        if key in self._causes:
            raise ValueError(f"event {key!r} was associated before")
        validation.unique("plates of an event", plates)
        validation.unique("shoppers", shoppers)
        index = self._places.plate_index(plates)
        delta = validation.array("delta_g", delta_g, np.float64, (len(index),), finite=True)
        sigma = validation.array("sigma_g", sigma_g, np.float64, (len(index),), finite=True)
        hands = validation.array("hands_m", hands_m, np.float64, (None, len(shoppers), None, 3))
        if len(index) == 0 or (sigma <= 0).any():
            raise ValueError(f"an event needs plates, and sigma_g above 0; got {len(index)} plates, sigma_g {sigma}")
        owners = np.array([self._owner(s) for s in shoppers], np.int32)
        inside, facings = self._places.touched(index, delta, sigma, self._settings.cross_talk)
        llr = self._likelihood.hand_log_likelihood(hands, *self._places.boxes(index, inside), self._settings)
        present = self._present(owners, index)
        product = self._places.facing_product[facings]
        parts, score = self._explain(delta, sigma, inside, product, llr, self._mass_g, present)
        known = parts[:, :, 0] >= 0
        parts[:, :, 0][known] = owners[parts[:, :, 0][known]]
        self._update(key, _Cause(index, delta, sigma, parts), score)
        return self.candidates(key)

    def knows(self, key: Any) -> bool:
        """Tell whether an event was associated under this name."""
        return key in self._causes

    def candidates(self, key: Any) -> list[Candidate]:
        """Causes of an event in the light of everything since, most probable first.

        The probabilities need not sum to 1: what is missing is that nothing of the store moved, and an event in which
        two things moved has two causes.
        """
        return self._causes[key].candidates(np.exp(self._weight), self._names, self._products)

    def baskets(self, shopper: str) -> list[tuple[dict[str, int], float]]:
        """Tell what a shopper may carry: possible contents (product to quantity), most probable first."""
        owner = self._owners.get(shopper)
        probability: dict[tuple[tuple[int, int], ...], float] = {}
        for h, weight in enumerate(self._weight):
            records = self._records[h, : self._count[h]].tolist()
            basket = tuple((product, quantity) for o, product, quantity in records if o == owner)
            probability[basket] = probability.get(basket, 0.0) + float(np.exp(weight))
        ranked = sorted(probability.items(), key=lambda item: (-item[1], item[0]))
        return [({self._products[p]: q for p, q in basket}, value) for basket, value in ranked]

    def leave(self, shopper: str) -> None:
        """Forget a shopper who left: what remains open is about the others. The name may come again."""
        owner = self._owners.pop(shopper, None)
        if owner is None:
            return
        parent = np.empty(len(self._weight), np.int32)
        kept = self._hypotheses.forget(owner, self._weight, self._count, self._records, parent)
        self._weight, self._count, self._records = self._weight[:kept], self._count[:kept], self._records[:kept]
        self._follow(parent[:kept])

    def _owner(self, shopper: str) -> int:
        validation.identifier("shopper", shopper)
        if shopper not in self._owners:
            self._owners[shopper] = len(self._names)
            self._names.append(shopper)
        return self._owners[shopper]

    def _present(self, owners: NDArray[np.int32], plates: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Mark the products that some hypothesis has with these owners or on these plates."""
        valid = np.arange(self._records.shape[1]) < self._count[:, None]
        here = valid & np.isin(self._records[:, :, 0], np.concatenate([owners, -1 - plates]))
        present = np.zeros(len(self._products), np.uint8)
        present[self._records[here][:, 1]] = 1
        return present

    def _explain(self, *event: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        n = 256
        while True:
            parts, score = np.empty((n, 2, 4), np.int32), np.empty(n)
            needed = self._likelihood.explain(*event, parts, score, self._settings)
            if needed <= n:
                return parts[:needed], score[:needed]
            n = needed

    def _update(self, key: Any, cause: "_Cause", score: NDArray[np.float64]) -> None:
        self._settle_old()
        room = int(self._count.max()) + 4
        if room > self._records.shape[1]:
            self._records = np.pad(self._records, ((0, 0), (0, room), (0, 0)))
        k = self._capacity
        weight, count = np.empty(k), np.zeros(k, np.int32)
        records = np.zeros((k, *self._records.shape[1:]), np.int32)
        parent, choice = np.empty(k, np.int32), np.empty(k, np.int32)
        echo = self._echo(cause, float(score[0]))
        kept = self._hypotheses.update(
            self._weight, self._count, self._records, echo, cause.parts, score, cause.plates, cause.main_plate,
            len(self._products), max(1, len(self._places.facing_product)), weight, count, records, parent, choice,
            self._settings,
        )  # fmt: skip
        self._weight, self._count, self._records = weight[:kept], count[:kept], records[:kept]
        self._follow(parent[:kept])
        cause.choice = choice[:kept]
        self._causes[key] = cause

    def _echo(self, cause: "_Cause", null: float) -> NDArray[np.float64]:
        """Say how much likelier the null becomes in the hypotheses in which the plates' last event was one too."""
        for earlier in reversed(self._causes.values()):
            if np.isin(cause.main_plate, earlier.plates):
                break
        else:
            return np.zeros(len(self._weight))
        if earlier.settled is not None:
            return np.zeros(len(self._weight))
        there = {plate: k for k, plate in enumerate(earlier.plates.tolist())}
        at = [there.get(plate, -1) for plate in cause.plates.tolist()]
        before = np.where(np.array(at) >= 0, earlier.delta_g[at], 0.0)
        sigma = np.where(np.array(at) >= 0, earlier.sigma_g[at], 0.0)
        ratio = self._likelihood.log_echo(cause.delta_g, cause.sigma_g, before, sigma, null, self._settings)
        return np.where(earlier.choice == 0, ratio, 0.0)

    def _settle_old(self) -> None:
        """Fix the causes of all but the last events."""
        p = np.exp(self._weight)
        open_ = [cause for cause in self._causes.values() if cause.settled is None]
        for cause in open_[: max(0, len(open_) - self._memory + 1)]:
            cause.settle(p, self._names, self._products)

    def _follow(self, parent: NDArray[np.int32]) -> None:
        """Let the causes of open events follow their hypotheses' successors."""
        for cause in self._causes.values():
            if cause.settled is None:
                cause.choice = cause.choice[parent]


@dataclass(slots=True)
class _Cause:
    """One event, its explanations, and which of them each hypothesis holds; candidates once settled."""

    plates: NDArray[np.int32]
    delta_g: NDArray[np.float64]
    sigma_g: NDArray[np.float64]
    parts: NDArray[np.int32]
    choice: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    settled: list[Candidate] | None = None

    @property
    def main_plate(self) -> int:
        """The plate that changed most."""
        return int(self.plates[np.abs(self.delta_g).argmax()])

    def settle(self, p: NDArray[np.float64], names: list[str], products: list[str]) -> None:
        self.settled = self.candidates(p, names, products)

    def candidates(self, p: NDArray[np.float64], names: list[str], products: list[str]) -> list[Candidate]:
        if self.settled is not None:
            return self.settled
        probability: dict[tuple[int, int, int], float] = {}
        for h, e in enumerate(self.choice):
            for owner, product, quantity, _ in self.parts[e].tolist():
                if product >= 0:
                    cause = (owner, product, quantity)
                    probability[cause] = probability.get(cause, 0.0) + float(p[h])
        found = [Candidate(names[o], products[i], q, v) for (o, i, q), v in probability.items()]
        return sorted(found, key=lambda c: (-c.probability, c.shopper, c.product, c.quantity))


def _validated(settings: AssociationSettings) -> AssociationSettings:
    lengths = ("reach_sigma_m", "bystander_m", "lightest_g", "heaviest_g")
    for name, value in settings._asdict().items():
        if name == "max_units":
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"max_units must be an integer of at least 1; got {value!r}")
        elif name in lengths:
            validation.number(name, value, above=0.0)
        elif not 0.0 < validation.number(name, value) < 1.0:
            raise ValueError(f"{name} must be a probability in (0, 1); got {value}")
    if settings.heaviest_g <= settings.lightest_g:
        raise ValueError(f"heaviest_g must be above lightest_g; got {settings.heaviest_g} and {settings.lightest_g}")
    return settings
