"""Association: weight events and hand paths in; who took or returned what, and how sure, out."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation
from fusion.places import Places
from fusion.store import Store

LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
"""Range of what sensors report: within it, sums and squares of grams and metres neither overflow nor vanish."""


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
    wrong_factor: float = 2.0
    """A wrong mass is off by this factor (another pack size): one standard deviation of its logarithm."""
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
    terms: tuple[tuple[str, float], ...] = ()


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
        Candidates of the last this many events, the newest included, are open to revision; older ones stay as they are.

    Raises
    ------
    ValueError
        If a probability is outside [1e-100, 1), a length or mass outside [1e-6, 1e6], ``max_units`` outside [1, 100], K
        or `memory` below 1, or a product's mass beyond float32.
    TypeError
        If an argument is of the wrong type.

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
        if not isinstance(store, Store):
            raise TypeError(f"store must be a Store; got {type(store).__name__}")
        self._settings = _validated(AssociationSettings() if settings is None else settings)
        self._capacity, self._memory = _integer("hypotheses", hypotheses), _integer("memory", memory)
        self._likelihood, self._hypotheses = backends.kernels("association"), backends.kernels("hypotheses")
        self._places = Places(store)
        self._products = [p.id for p in store.products]
        self._mass_g = np.array([p.mass_g for p in store.products], np.float64)
        for heavy in np.flatnonzero(self._mass_g > LARGEST):
            raise ValueError(f"mass_g of product {self._products[heavy]!r} must be at most {LARGEST}")
        self._weight = np.zeros(1)
        self._count = np.zeros(1, np.int32)
        self._records = np.zeros((1, 32, 3), np.int32)
        self._owners: dict[str, int] = {}
        self._names: list[str] = []
        self._causes: dict[Hashable, _Cause] = {}
        self._open: list[_Cause] = []
        self._last: dict[int, _Cause] = {}

    def associate(
        self,
        key: Hashable,
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
            n >= 1 plates that changed.
        delta_g, sigma_g : (n,) float64
            Change of each plate and its standard deviation, grams, within the range of float32.
        shoppers : sequence of str
            S shoppers nearby.
        hands_m : (T, S, H, 3) float64
            Their hands during the event, metres; NaN (or beyond float32) where not seen.

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
        index = self._places.plate_index(_identifiers("plates", plates))
        shoppers = _identifiers("shoppers", shoppers)
        delta = validation.array("delta_g", delta_g, np.float64, (len(index),), finite=True)
        sigma = validation.array("sigma_g", sigma_g, np.float64, (len(index),), finite=True)
        hands = validation.array("hands_m", hands_m, np.float64, (None, len(shoppers), None, 3))
        if len(index) == 0:
            raise ValueError("plates must not be empty")
        if not (np.abs(delta) <= LARGEST).all() or not ((sigma >= SMALLEST) & (sigma <= LARGEST)).all():
            raise ValueError(f"delta_g and sigma_g must be within float32, sigma_g above 0; got {delta} and {sigma}")
        hands = np.where(np.abs(hands) <= LARGEST, hands, np.nan)
        owners = np.array([self._owner(s) for s in shoppers], np.int32)
        inside, facings = self._places.touched(index, delta, sigma, self._settings.cross_talk)
        llr = self._likelihood.hand_log_likelihood(hands, *self._places.boxes(index, inside), self._settings)
        present = self._present(owners, index)
        product = self._places.facing_product[facings]
        parts, score = self._explain(delta, sigma, inside, product, llr, self._mass_g, present)
        known = parts[:, :, 0] >= 0
        parts[:, :, 0][known] = owners[parts[:, :, 0][known]]
        cause = _Cause(index, delta, sigma, parts)
        self._update(cause, score)
        self._causes[key] = cause
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
        return list(self._causes[key].candidates(np.exp(self._weight), self._names, self._products))

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
        share = np.empty((len(self._weight), len(self._weight)))
        kept = self._hypotheses.forget(owner, self._weight, self._count, self._records, share)
        self._weight, self._count, self._records = self._weight[:kept], self._count[:kept], self._records[:kept]
        self._follow(share[:kept])

    def _owner(self, shopper: str) -> int:
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

    def _update(self, cause: "_Cause", score: NDArray[np.float64]) -> None:
        self._settle_old()
        room = int(self._count.max()) + 4
        if room > self._records.shape[1]:
            self._records = np.pad(self._records, ((0, 0), (0, room), (0, 0)))
        k = self._capacity
        weight, count = np.empty(k), np.zeros(k, np.int32)
        records = np.zeros((k, *self._records.shape[1:]), np.int32)
        share, chosen = np.empty((k, len(self._weight))), np.empty((k, len(score)))
        echo = self._echo(cause, float(score[0]))
        kept = self._hypotheses.update(
            self._weight, self._count, self._records, echo, cause.parts, score, cause.plates, cause.main_plate,
            len(self._products), max(1, len(self._places.facing_product)), weight, count, records, share, chosen,
            self._settings,
        )  # fmt: skip
        self._weight, self._count, self._records = weight[:kept], count[:kept], records[:kept]
        self._follow(share[:kept])
        cause.keep(chosen[:kept])
        self._open.append(cause)
        self._last.update(dict.fromkeys(cause.plates.tolist(), cause))

    def _echo(self, cause: "_Cause", null: float) -> NDArray[np.float64]:
        """Say how much likelier the null becomes, as far as a hypothesis has the main plate's last event as one too."""
        earlier = self._last.get(cause.main_plate)
        if earlier is None or earlier.settled is not None:
            return np.zeros(len(self._weight))
        there = {plate: k for k, plate in enumerate(earlier.plates.tolist())}
        at = np.array([there.get(plate, -1) for plate in cause.plates.tolist()])
        before = np.where(at >= 0, earlier.delta_g[at], 0.0)
        sigma = np.where(at >= 0, earlier.sigma_g[at], 0.0)
        ratio = self._likelihood.log_echo(cause.delta_g, cause.sigma_g, before, sigma, null, self._settings)
        null_share = np.minimum(earlier.chosen[:, 0], 1.0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.logaddexp(np.log1p(-null_share), np.log(null_share) + ratio))

    def _settle_old(self) -> None:
        """Fix the causes of all but the last events."""
        while len(self._open) >= self._memory:
            self._open.pop(0).settle(np.exp(self._weight), self._names, self._products)

    def _follow(self, share: NDArray[np.float64]) -> None:
        """Hand the causes of open events on to their hypotheses' successors."""
        for cause in self._open:
            cause.chosen = share @ cause.chosen


@dataclass(slots=True)
class _Cause:
    """One event, its explanations, and how probable each is in each hypothesis; candidates once settled."""

    plates: NDArray[np.int32]
    delta_g: NDArray[np.float64]
    sigma_g: NDArray[np.float64]
    parts: NDArray[np.int32]
    chosen: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    settled: list[Candidate] | None = None

    @property
    def main_plate(self) -> int:
        """The plate that changed most."""
        return int(self.plates[np.abs(self.delta_g).argmax()])

    def keep(self, chosen: NDArray[np.float64]) -> None:
        """Keep the null, and of the explanations those that some hypothesis holds."""
        held = np.union1d([0], np.flatnonzero(chosen.any(axis=0)))
        self.parts, self.chosen = self.parts[held], chosen[:, held]

    def settle(self, p: NDArray[np.float64], names: list[str], products: list[str]) -> None:
        """Fix the candidates, and let go of the explanations."""
        self.settled = self.candidates(p, names, products)
        self.parts, self.chosen = self.parts[:0].copy(), self.chosen[:, :0].copy()

    def candidates(self, p: NDArray[np.float64], names: list[str], products: list[str]) -> list[Candidate]:
        if self.settled is not None:
            return self.settled
        probability: dict[tuple[int, int, int], float] = {}
        for parts, weight in zip(self.parts.tolist(), (p @ self.chosen).tolist(), strict=True):
            for cause in _causes(parts):
                probability[cause] = probability.get(cause, 0.0) + weight
        found = [Candidate(names[o], products[i], q, v) for (o, i, q), v in probability.items()]
        return sorted(found, key=lambda c: (-c.probability, c.shopper, c.product, c.quantity))


def _causes(parts: list[list[int]]) -> list[tuple[int, int, int]]:
    """Sum up one explanation: (owner, product, quantity), units that one shopper moved alike from two places as one."""
    (owner, product, quantity, _), (owner2, product2, quantity2, _) = parts
    if product < 0:
        return []
    if product2 < 0:
        return [(owner, product, quantity)]
    if (owner, product, quantity) == (owner2, product2, quantity2):  # both parts of a pair are one unit
        return [(owner, product, 2 * quantity)]
    return [(owner, product, quantity), (owner2, product2, quantity2)]


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


def _integer(name: str, value: int, at_most: int = 2**31 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer; got {type(value).__name__}")
    return int(validation.number(name, int(value), at_least=1, at_most=at_most))


def _validated(settings: AssociationSettings) -> AssociationSettings:
    if not isinstance(settings, AssociationSettings):
        raise TypeError(f"settings must be AssociationSettings; got {type(settings).__name__}")
    lengths = ("reach_sigma_m", "bystander_m", "lightest_g", "heaviest_g")
    for name, value in settings._asdict().items():
        if name == "max_units":
            _integer(name, value, at_most=100)
        elif name == "wrong_factor":
            validation.number(name, value, above=1.0)
        elif name in lengths:
            validation.number(name, value, at_least=1e-6, at_most=1e6)
        elif not 1e-100 <= validation.number(name, value) < 1.0:
            raise ValueError(f"{name} must be a probability in (0, 1), at least 1e-100; got {value}")
    if settings.heaviest_g <= settings.lightest_g:
        raise ValueError(f"heaviest_g must be above lightest_g; got {settings.heaviest_g} and {settings.lightest_g}")
    return settings
