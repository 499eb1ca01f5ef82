"""Candidates: who may have caused an event, and what each term of the score says for it."""

from collections.abc import Iterable
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.clusters import Cause
from fusion.reference.hypotheses import STAFF

UNTOLD = 1e-9
"""Candidates less probable than this are not told."""


class Candidate(NamedTuple):
    """One possible cause of an event.

    Parameters
    ----------
    shopper, product : str
        Who and what.
    quantity : int
        Below 0 for a take, above for a return; where hands met, below 0 for who got it, above for who gave it.
    probability : float
        In the light of everything that is known.
    terms : tuple of (str, float)
        Log-likelihood ratios, in nats, against nothing of the store having moved: ``weight`` (the grams of all plates),
        ``hands`` (where they were, or how they met), ``units`` (how likely so many move), ``vision``, and ``basket``
        (all else: what everybody carried and what lay where, before and since).
    """

    shopper: str
    product: str
    quantity: int
    probability: float
    terms: tuple[tuple[str, float], ...] = ()


def candidates(
    cause: Cause, probability: NDArray[np.float64], names: list[str], products: list[str]
) -> list[Candidate]:
    """Sum up the explanations of an event by who did what, most probable first."""
    total: dict[tuple[int, int, int], float] = {}
    best: dict[tuple[int, int, int], int] = {}
    p = probability.tolist()
    for e, parts in enumerate(cause.parts.tolist()):
        for done in _summed(parts):
            if done not in total:
                total[done], best[done] = p[e], e
                continue
            total[done] += p[e]
            if p[e] > p[best[done]]:
                best[done] = e
    weighed = len(cause.plates) > 0
    ratios = (cause.terms - cause.terms[0]).tolist()
    found = [
        (-v, names[owner % STAFF], products[product], quantity, _terms(ratios[e], v, p[0], weighed))
        for ((owner, product, quantity), v), e in zip(total.items(), best.values(), strict=True)
        if v >= UNTOLD
    ]
    found.sort()
    return [Candidate(shopper, product, quantity, -v, terms) for v, shopper, product, quantity, terms in found]


def _terms(ratios: list[float], p: float, null: float, weighed: bool) -> tuple[tuple[str, float], ...]:
    """Terms of an explanation against the null; what they leave open is the baskets'."""
    weight, hands, units, vision = ratios
    terms: tuple[tuple[str, float], ...] = ("weight", weight), ("hands", hands), ("units", units), ("vision", vision)
    if not weighed:  # hands that met
        terms = (("hands", hands),)
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
