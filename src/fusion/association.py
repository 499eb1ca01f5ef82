"""Association: weight events and hand paths in; who took or returned what, and how sure, out."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation
from fusion.association_settings import AssociationSettings, integer, validated
from fusion.beliefs import Basket
from fusion.candidates import Candidate, candidates
from fusion.clusters import Cause, probability_of
from fusion.hypothesising import Hypothesiser
from fusion.joint import Joint, earlier_of
from fusion.meetings import MeetingSettings
from fusion.places import Places
from fusion.readings import LARGEST, Paths, Reading, identifiers, read_grams, read_paths, read_vision
from fusion.reference.hypotheses import STAFF
from fusion.store import Store
from fusion.transfers import Transfers

__all__ = ["AssociationSettings", "Associator", "Candidate", "Joint"]

Array = NDArray[Any]


class Associator:
    """The K best joint hypotheses about baskets and misplaced items, updated event by event.

    Parameters
    ----------
    store : Store
        Plates, products and planogram.
    settings : AssociationSettings, optional
        Prior probabilities.
    meetings : MeetingSettings, optional
        The same of hands that meet.
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
        meetings: MeetingSettings | None = None,
        hypotheses: int = 64,
        memory: int = 64,
    ) -> None:
        if not isinstance(store, Store):
            raise TypeError(f"store must be a Store; got {type(store).__name__}")
        self._settings = validated(AssociationSettings() if settings is None else settings)
        self._likelihoods = backends.kernels("association")
        self._places = Places(store)
        self._products = [p.id for p in store.products]
        mass_g = np.array([np.nan if p.by_weight else p.mass_g for p in store.products], np.float64)
        for heavy in np.flatnonzero(mass_g > LARGEST):
            raise ValueError(f"mass_g of product {self._products[heavy]!r} must be at most {LARGEST}")
        self._hypothesiser = Hypothesiser(
            mass_g,
            len(self._places.facing_product),
            self._settings,
            integer("hypotheses", hypotheses),
            integer("memory", memory),
        )
        self._transfers = Transfers(
            self._hypothesiser.beliefs,
            self._hypothesiser.ledger,
            self._settings,
            (MeetingSettings() if meetings is None else meetings).validated(),
        )
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
        time_ns: int = 0,
        joints: Sequence[Joint] = (),
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
        time_ns : int
            When it was: what was taken a moment ago is in the hand that meets another's.
        joints : sequence of Joint, optional
            Earlier events that may be parts of this one, the latest first; each takes in one more.

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
        shoppers = identifiers("shoppers", shoppers)
        paths = read_paths(hands_m, hands_var_m2, when, len(shoppers))
        readings = [self._reading(plates, delta_g, sigma_g, paths)]
        looks = [read_vision(vision, len(shoppers), len(self._products))]
        earlier = [self._causes[name] for name in earlier_of(joints, self.knows)]
        if not joints and readings[0].main_plate in self._last:
            earlier = [self._last[readings[0].main_plate]]
        earlier = self._hypothesiser.possible_parts(earlier)
        joints = [joint for joint in joints if len(joint.earlier) <= len(earlier)]
        for joint in joints:
            paths = read_paths(hands_m, hands_var_m2, when if joint.when is None else joint.when, len(shoppers))
            readings.append(self._reading(joint.plates, joint.delta_g, joint.sigma_g, paths))
            seen = vision if joint.vision is None else joint.vision
            looks.append(read_vision(seen, len(shoppers), len(self._products)))
        cause = self._hypothesiser.decide(
            readings, lambda i: self._owner(shoppers[i]), looks, doubted, earlier, [len(j.earlier) for j in joints]
        )
        self._causes[key] = cause
        self._transfers.note(cause, time_ns)
        self._last.update(dict.fromkeys(readings[0].plates.tolist(), cause))
        return self.candidates(key)

    def meet(self, key: Hashable, shoppers: Sequence[str], log_ratio: float, time_ns: int) -> list[Candidate]:
        """Explain hands of two shoppers that met: one may have given the other one thing that he carries.

        Parameters
        ----------
        key : hashable
            Names the meeting; `candidates` takes it, unless nothing can have been passed.
        shoppers : sequence of str
            The two.
        log_ratio : float
            Log-likelihood ratio of what was seen of the hands, if something was passed against by chance.
        time_ns : int
            When they met; at least all events that ended before come before.

        Returns
        -------
        list of Candidate
            Who gave what (quantity 1) and who got it (quantity -1); empty where next to nothing can have been passed.

        Raises
        ------
        ValueError, TypeError
            If the meeting is malformed, or `key` was used; nothing is changed then.
        """
        if self.knows(key):
            raise ValueError(f"key must be new; event {key!r} was associated before")
        one, *others = identifiers("shoppers", shoppers)
        if len(others) != 1:
            raise ValueError(f"shoppers must be two; got {1 + len(others)}")
        ratio = validation.number("log_ratio", log_ratio)
        cause = self._transfers.meet(self._owner(one), self._owner(others[0]), ratio, time_ns)
        if cause is None:
            return []
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
        cause = self._causes[key]
        return candidates(cause, probability_of(cause), self._names, self._products)

    def baskets(self, *shoppers: str) -> list[tuple[dict[str, int], float]]:
        """Tell what shoppers may carry, all together: possible contents (product to quantity), most probable first."""
        owners = [self._owners[s] for s in shoppers if s in self._owners]
        found = self._hypothesiser.beliefs.baskets(owners)
        return [({self._products[p]: q for p, q in basket}, value) for basket, value in found]

    def exchanged(self, shopper: str) -> set[str]:
        """Tell what of a shopper's only the place tells apart: products of equal weight one of which he put down.

        It may have been the other, which he put where it does not belong.
        """
        look_alikes, found = self._hypothesiser.look_alikes, set()
        for cause, pair in look_alikes.of(self._owners.get(shopper, STAFF)):
            if look_alikes.is_open(cause, pair, probability_of(cause)):
                found |= {self._products[product] for product in pair[1:]}
        return found

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
        owners = [self._owners[s] for s in identifiers("shoppers", shoppers) if s in self._owners]

        def of(basket: Basket) -> float:
            return log_likelihood({self._products[p]: q for p, q in basket})

        self._hypothesiser.beliefs.weigh(owners, of)

    def leave(self, shopper: str) -> None:
        """Forget a shopper who left: what remains open is about the others. The name may come again."""
        owner = self._owners.pop(shopper, None)
        if owner is not None:
            self._hypothesiser.beliefs.forget(owner)
            self._hypothesiser.ledger.forget(owner)
            self._hypothesiser.look_alikes.forget(owner)

    def employ(self, shopper: str) -> None:
        """Take somebody for staff, who re-stocks: nothing of what he takes or puts down is charged.

        Raises
        ------
        ValueError
            If he has been taken for a shopper since he came.
        """
        if self._owner(validation.identifier("shopper", shopper), STAFF) < STAFF:
            raise ValueError(f"shopper must not have acted as a shopper; got {shopper!r}")

    def _owner(self, shopper: str, kind: int = 0) -> int:
        if shopper not in self._owners:
            self._owners[shopper] = kind + len(self._names)
            self._names.append(shopper)
        return self._owners[shopper]

    def _reading(self, plates: Sequence[str], delta_g: ArrayLike, sigma_g: ArrayLike, paths: Paths) -> Reading:
        index = self._places.plate_index(identifiers("plates", plates))
        delta, sigma = read_grams(delta_g, sigma_g, len(index))
        inside, facings = self._places.touched(index, delta, sigma, self._settings.cross_talk)
        llr = self._likelihoods.hand_log_likelihood(*paths, *self._places.boxes(index, inside), self._settings)
        return Reading(index, delta, sigma, inside, self._places.facing_product[facings], llr)
