"""What things weighed when they moved: who puts down what he took puts down the same grams.

A unit's mass differs from its product's by a percent or so, and a scale tells it to a gram. So the next time the same
unit moves, its own mass is a far better guess than the catalogue's, and tells products of equal mass apart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.association_settings import AssociationSettings
from fusion.readings import Reading
from fusion.reference.hypotheses import STAFF

Array = NDArray[Any]
SAME = 0.9
"""Probability that what comes back is what went, and not another unit of which nobody knew."""
SURE = 0.5
"""From this probability on, a cause is noted."""
OWNER = 32
"""Bits by which an owner stands above a product, in one number."""


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
    kernels
        Those of ``association``.
    mass_g : (N,) float64
        Catalogue.
    settings : AssociationSettings
    """

    def __init__(self, kernels: Any, mass_g: Array, settings: AssociationSettings) -> None:
        self._kernels, self._mass_g, self._settings = kernels, mass_g, settings
        self._lots: dict[int, dict[int, list[_Lot]]] = {}
        self._keys: set[int] = set()  # whose lots of which products there are, as one number each

    def gains(self, parts: Array, reading: Reading) -> tuple[list[int], Array]:
        """Log-likelihood ratios of the known lots against the catalogue: of which explanations of a reading, and what.

        `parts` (E, 3, 4) name owners; only explanations by one part have a ratio other than 0.
        """
        first, single = parts[:, 0], parts[:, 1, 1] < 0
        back = (single & (first[:, 2] > 0)).nonzero()[0]
        keys = (first[:, 0].take(back).astype(np.int64) << OWNER) + first[:, 1].take(back)
        known = [e for e, key in zip(back.tolist(), keys.tolist(), strict=True) if key in self._keys]
        lying = {p: lots for plate in reading.plates.tolist() for p, lots in self._lots.get(-1 - plate, {}).items()}
        if lying:
            known += (single & (first[:, 2] < 0) & (first[:, 3] == 0)).nonzero()[0].tolist()
        rows: list[int] = []
        moved: list[tuple[int, int, int, int]] = []
        weighed: list[tuple[float, float]] = []
        for e, (owner, product, units, place) in zip(known, first[known].tolist(), strict=True):
            lots = self._lots[owner][product] if units > 0 else lying.get(product)
            if lots and (options := _options(lots, abs(units))):
                weighed += [(lot.grams, lot.var) for lot in options]
                rows.append(e)
                moved.append((product, units, place, len(weighed)))
        found = np.empty(len(rows))
        if rows:
            sums = [reading.moved(place) for place in range(len(reading.inside))]
            self._kernels.lot_gains(
                np.array(moved, np.int32), np.array(sums), np.array(weighed), self._mass_g, SAME, found, self._settings
            )
        return rows, found

    def note(self, part: tuple[int, int, int, int], reading: Reading) -> None:
        """Note who got what, and what of his it was."""
        owner, product, quantity, place = part
        total, var = reading.moved(place)
        source = owner if quantity > 0 else None
        if place == 0 and quantity < 0:
            source = next((-1 - p for p in reading.plates.tolist() if product in self._lots.get(-1 - p, {})), None)
        if source is not None:
            self._give(source, product, abs(quantity), abs(total))
        lot = _Lot(abs(quantity), abs(total), var)
        if quantity < 0:
            self._put(owner, product, lot)
        elif place == 0:
            self._put(-1 - reading.main_plate, product, lot)

    def hand_on(self, giver: int, receiver: int, product: int) -> None:
        """Note that one unit changed hands: the last one that its giver got, if it moved alone."""
        lots = self._lots.get(giver, {}).get(product, [])
        single = [lot for lot in lots if lot.units == 1]
        if single:
            lots.remove(single[-1])
            if receiver < STAFF:
                self._put(receiver, product, single[-1])
        else:  # of a lot of several units, one: what is left is not known any more
            lots.clear()
        if not lots:
            self._drop(giver, product)

    def forget(self, owner: int) -> None:
        """Drop an owner's lots."""
        for product in list(self._lots.get(owner, ())):
            self._drop(owner, product)
        self._lots.pop(owner, None)

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
        if not lots:
            self._drop(owner, product)

    def _put(self, owner: int, product: int, lot: _Lot) -> None:
        self._lots.setdefault(owner, {}).setdefault(product, []).append(lot)
        self._keys.add((owner << OWNER) + product)

    def _drop(self, owner: int, product: int) -> None:
        self._lots.get(owner, {}).pop(product, None)
        self._keys.discard((owner << OWNER) + product)


def _options(lots: list[_Lot], units: int) -> list[_Lot]:
    """Lots of so many units, and all of them together if those are so many."""
    if len(lots) == 1:
        return lots if lots[0].units == units else []
    found = [lot for lot in lots if lot.units == units]
    if lots and sum([lot.units for lot in lots]) == units:
        found.append(_Lot(units, sum(lot.grams for lot in lots), sum(lot.var for lot in lots)))
    return found
