"""Look-alikes: what was put back, or taken, if only its place says that it was not another thing of equal weight.

Who carries two things that weigh the same, and puts one down where the other belongs, looks to the scales like one
who puts that other back; and whoever takes it from there, like one who takes that other. That people seldom do so
makes the posterior sure, but a receipt should not rest on it alone.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.association_settings import AssociationSettings
from fusion.clusters import Cause, Cluster
from fusion.reference.hypotheses import STAFF

EVEN = 10.0
"""Odds, but for the place, from which on one of two is told from the other."""
SAME = 0.005
"""Products whose masses differ by less than this share no load cell tells apart: its span errs by 0.3 %."""

Pair = tuple[int, int, int]
"""An owner, what of his may have moved, and the product at home there."""


class LookAlikes:
    """Watches for things that may have been exchanged.

    Parameters
    ----------
    mass_g : (N,) float64
        Of the products.
    facings : int
        How many the store has.
    settings : AssociationSettings
    """

    def __init__(self, mass_g: NDArray[np.float64], facings: int, settings: AssociationSettings) -> None:
        self._mass_g, self._alike = mass_g, _with_alike(mass_g)
        self._place = (1.0 - settings.misplacing) * facings / settings.misplacing
        self._strays: dict[int, set[int]] = {}
        self._doubts: dict[int, list[tuple[Cause, Pair]]] = {}

    def watch(self, cause: Cause, before: Cluster) -> None:
        """Note what may have moved in an event instead of what is at home there.

        Parameters
        ----------
        cause : Cause
            The event.
        before : Cluster
            The hypotheses before it, with what may come back unfolded.
        """
        strays = [self._strays.setdefault(plate, set()) for plate in cause.plates.tolist()]
        if not any(strays) and not (cause.parts[:, 0, 2] > 0).any():
            return  # most often: a take from where nothing lies that may be another's
        if not (self._alike[cause.parts[:, 0, 1]] & (cause.parts[:, 0, 3] > 0)).any():
            return  # nothing at home here weighs what another thing weighs
        come, gone, lain = set[int](), set[int](), set[int]().union(*strays)
        for owner, product, quantity, home in self._pairs(cause):
            if quantity > 0 and _may_have(before, owner, product):
                come.add(product)
            elif quantity < 0 and product in lain:
                gone.add(product)
            else:
                continue
            self._doubts.setdefault(owner, []).append((cause, (owner, product, home)))
        for lying in strays:
            lying -= gone
            lying |= come

    def of(self, owner: int) -> Sequence[tuple[Cause, Pair]]:
        """List the doubts about what somebody has: events, and what may have moved in them."""
        return self._doubts.get(owner, ())

    def is_open(self, cause: Cause, pair: Pair, probability: NDArray[np.float64]) -> bool:
        """Tell whether nothing since has told what moved, by the probabilities (C,) of an event's explanations.

        Of a return, the prior of its place is left out; what was taken may be the other thing anyway.
        """
        owner, product, quantity, _ = cause.parts[:, 0].T
        other, own = ((owner == pair[0]) & (product == p) for p in pair[1:])
        alien, native = float(probability[other].sum()), float(probability[own].sum())
        back = bool((quantity[other] > 0).any())
        return alien < EVEN * native and (not back or native < EVEN * self._place * alien)

    def forget(self, owner: int) -> None:
        """Drop the doubts about what somebody has, who left."""
        self._doubts.pop(owner, None)

    def _pairs(self, cause: Cause) -> Iterator[tuple[int, int, int, int]]:
        """List what is not at home and moved as something did that is, of equal weight and in the same shopper's hand.

        That is owner, product, quantity, and the product at home there.
        """
        owner, product, quantity, place = cause.parts[:, 0].T
        single = (product >= 0) & (owner < STAFF) & (cause.parts[:, 1, 1] < 0)
        aliens, natives = np.flatnonzero(single & (place == 0)), np.flatnonzero(single & (place > 0))
        if len(aliens) == 0 or len(natives) == 0:
            return
        sensed, mass = cause.terms[:, 0] + cause.terms[:, 1] + cause.terms[:, 3], self._mass_g[product]
        alien = aliens[:, None]
        alike = (np.abs(mass[alien] - mass[natives]) <= SAME * mass[natives]) & (product[alien] != product[natives])
        alike &= (owner[alien] == owner[natives]) & (quantity[alien] == quantity[natives])
        alike &= np.abs(sensed[alien] - sensed[natives]) <= np.log(EVEN)
        for row, column in np.argwhere(alike).tolist():
            one = aliens[row]
            yield int(owner[one]), int(product[one]), int(quantity[one]), int(product[natives[column]])


def _with_alike(mass_g: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell of which products the mass is nearly another's."""
    order = np.argsort(mass_g, kind="stable")
    ascending = mass_g[order]
    gap = np.diff(ascending, prepend=-np.inf, append=np.inf)
    alike = np.empty(len(mass_g), bool)
    alike[order] = np.fmin(gap[:-1], gap[1:]) <= SAME * ascending
    return alike


def _may_have(cluster: Cluster, owner: int, product: int) -> bool:
    there = np.arange(cluster.records.shape[1]) < cluster.count[:, None]
    return bool((there & (cluster.records[:, :, 0] == owner) & (cluster.records[:, :, 1] == product)).any())
