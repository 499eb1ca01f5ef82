"""What things weighed when they moved: who puts down what he took puts down the same grams.

A unit's mass differs from its product's by a percent or so, and a scale tells it to a gram. So the next time the same
unit moves, its own mass is a far better guess than the catalogue's, and tells products of equal mass apart.
"""

from dataclasses import dataclass
from math import exp, inf, isnan, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.association_settings import AssociationSettings
from fusion.reference.association import log_mass, log_normal, log_sum
from fusion.reference.hypotheses import STAFF

Array = NDArray[Any]
SAME = 0.9
"""Probability that what comes back is what went, and not another unit of which nobody knew."""
SURE = 0.5
"""From this probability on, a cause is noted."""


@dataclass(frozen=True, slots=True)
class _Lot:
    """Units that moved together: their grams, and the variance with which they are known."""

    units: int
    grams: float
    var: float


class Ledger:
    """The lots that owners (shoppers, and plates on which something lies misplaced) were seen to get.

    Parameters
    ----------
    mass_g : (N,) float64
        Catalogue.
    settings : AssociationSettings
    """

    def __init__(self, mass_g: Array, settings: AssociationSettings) -> None:
        self._mass_g, self._settings = mass_g, settings
        self._lots: dict[int, dict[int, list[_Lot]]] = {}

    def gains(self, parts: Array, reading: Any) -> Array:
        """Log-likelihood ratio of the known lots against the catalogue, of each explanation of a reading, (E,).

        `parts` (E, 3, 4) name owners; only explanations by one part have a ratio other than 0.
        """
        gains = np.zeros(len(parts))
        n = len(self._mass_g)
        lying = {p: lots for plate in reading.plates.tolist() for p, lots in self._lots.get(-1 - plate, {}).items()}
        carried = {o * n + p: lots for o, own in self._lots.items() if o >= 0 for p, lots in own.items()}
        first, single = parts[:, 0].astype(np.int64), parts[:, 1, 1] < 0
        whose = first[:, 0] * n + first[:, 1]
        back = single & (first[:, 2] > 0) & np.isin(whose, list(carried))
        found = single & (first[:, 2] < 0) & (first[:, 3] == 0) & np.isin(first[:, 1], list(lying))
        moved = [_place_sum(reading, place) for place in range(len(reading.inside))]
        catalogue: dict[tuple[int, int, int], float] = {}
        for e in np.flatnonzero(back | found).tolist():
            _, product, quantity, place = first[e].tolist()
            lots = carried[int(whose[e])] if quantity > 0 else lying[product]
            if options := _options(lots, abs(quantity)):
                key, (total, var) = (product, quantity, place), moved[place]
                if key not in catalogue:
                    catalogue[key] = self._catalogue(product, quantity, total, var)
                gains[e] = _gain(options, total, var, catalogue[key])
        return gains

    def note(self, part: tuple[int, int, int, int], reading: Any) -> None:
        """Note who got what, and what of his it was."""
        owner, product, quantity, place = part
        total, var = _place_sum(reading, place)
        source = owner if quantity > 0 else None
        if place == 0 and quantity < 0:
            source = next((-1 - p for p in reading.plates.tolist() if product in self._lots.get(-1 - p, {})), None)
        if source is not None:
            self._give(source, product, abs(quantity), abs(total))
        lot = _Lot(abs(quantity), abs(total), var)
        if quantity < 0:
            self._lots.setdefault(owner, {}).setdefault(product, []).append(lot)
        elif place == 0:
            self._lots.setdefault(-1 - reading.main_plate, {}).setdefault(product, []).append(lot)

    def hand_on(self, giver: int, receiver: int, product: int) -> None:
        """Note that one unit changed hands: the last one that its giver got, if it moved alone."""
        lots = self._lots.get(giver, {}).get(product, [])
        single = [lot for lot in lots if lot.units == 1]
        if single:
            lots.remove(single[-1])
            if receiver < STAFF:
                self._lots.setdefault(receiver, {}).setdefault(product, []).append(single[-1])
        else:  # of a lot of several units, one: what is left is not known any more
            lots.clear()
        if not lots and product in self._lots.get(giver, {}):
            del self._lots[giver][product]

    def forget(self, owner: int) -> None:
        """Drop an owner's lots."""
        self._lots.pop(owner, None)

    def _catalogue(self, product: int, quantity: int, total: float, var: float) -> float:
        """Log-density of the change by what the catalogue says; -inf where a lot's grams say nothing."""
        mass = float(self._mass_g[product])
        return -inf if isnan(mass) else log_mass(total, var, mass, quantity, self._settings)

    def _give(self, owner: int, product: int, units: int, grams: float) -> None:
        lots = self._lots.get(owner, {}).get(product, [])
        if options := _options(lots, units):
            best = min(options, key=lambda lot: abs(lot.grams - grams))
            if best in lots:
                lots.remove(best)
            else:
                lots.clear()
        elif lots:  # of a lot of several units, one: what is left is not known any more
            lots.clear()
        if not lots and product in self._lots.get(owner, {}):
            del self._lots[owner][product]


def _gain(options: list[_Lot], total: float, var: float, catalogue: float) -> float:
    """Log-likelihood ratio of what one of these lots weighs against the catalogue."""
    if catalogue == -inf:
        return 0.0
    known = [log_normal(abs(total) - lot.grams, var + lot.var) for lot in options]
    best = max(known)
    same = best + log(sum([exp(k - best) for k in known]) / len(known))
    return log_sum(log(SAME) + same, log(1.0 - SAME) + catalogue) - catalogue


def _options(lots: list[_Lot], units: int) -> list[_Lot]:
    """Lots of so many units, and all of them together if those are so many."""
    if len(lots) == 1:
        return lots if lots[0].units == units else []
    found = [lot for lot in lots if lot.units == units]
    if len(lots) > 1 and sum(lot.units for lot in lots) == units:
        found.append(_Lot(units, sum(lot.grams for lot in lots), sum(lot.var for lot in lots)))
    return found


def _place_sum(reading: Any, place: int) -> tuple[float, float]:
    own = reading.inside[place] != 0
    return float(reading.delta_g[own].sum()), float((reading.sigma_g[own] ** 2).sum())
