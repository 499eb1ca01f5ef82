"""Candidates: who may have caused an event, and what each term of the score says for it."""

from collections.abc import Callable
from functools import partial
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.clusters import Cause
from fusion.reference.hypotheses import STAFF

UNTOLD = 1e-9
"""Candidates less probable than this are not told."""

Done = tuple[int, int, int]
"""Owner, product and quantity."""
Terms = tuple[tuple[str, float], ...]


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
    terms: Terms = ()


_candidate: Callable[[tuple[str, str, int, float, Terms]], Candidate] = partial(tuple.__new__, Candidate)


def candidates(
    cause: Cause, probability: NDArray[np.float64], names: list[str], products: list[str]
) -> list[Candidate]:
    """Sum up the explanations of an event by who did what, most probable first."""
    null, *p = probability.tolist()
    total: dict[Done, float] = {}
    best: dict[Done, tuple[float, int]] = {}
    several = (cause.parts[1:, 1, 1] >= 0).tolist()
    for e, (first, more, v) in enumerate(zip(cause.parts[1:, 0, :3].tolist(), several, p, strict=True), 1):
        for done in _summed(cause.parts[e].tolist()) if more else (tuple(first),):
            if done not in total:
                total[done], best[done] = v, (v, e)
                continue
            total[done] += v
            if v > best[done][0]:
                best[done] = v, e
    ratios = (cause.terms - cause.terms[0]).tolist()
    tell = _terms if len(cause.plates) else _terms_of_meeting
    found = [
        (-v, names[owner % STAFF], products[product], quantity, tell(ratios[e], v, null))
        for ((owner, product, quantity), v), (_, e) in zip(total.items(), best.values(), strict=True)
        if v >= UNTOLD
    ]
    found.sort()
    return [_candidate((shopper, product, quantity, -v, terms)) for v, shopper, product, quantity, terms in found]


def _terms(ratios: list[float], p: float, null: float) -> Terms:
    """Terms of an explanation against the null; what they leave open is the baskets'."""
    weight, hands, units, vision = ratios
    if null <= 0.0:
        return ("weight", weight), ("hands", hands), ("units", units), ("vision", vision)
    basket = log(p / null) - weight - hands - units - vision
    return ("weight", weight), ("hands", hands), ("units", units), ("vision", vision), ("basket", basket)


def _terms_of_meeting(ratios: list[float], p: float, null: float) -> Terms:
    """Terms where hands met: nothing was weighed."""
    hands = ratios[1]
    return (("hands", hands), ("basket", log(p / null) - sum(ratios))) if null > 0.0 else (("hands", hands),)


def _summed(parts: list[list[int]]) -> list[Done]:
    """Give one explanation's causes: (owner, product, quantity), units that one shopper moved one way as one."""
    found: dict[tuple[int, int, bool], int] = {}
    for owner, product, quantity, _ in parts:
        if product >= 0:
            found[owner, product, quantity < 0] = found.get((owner, product, quantity < 0), 0) + quantity
    return [(owner, product, quantity) for (owner, product, _), quantity in found.items()]
