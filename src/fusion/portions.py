"""Goods sold by weight: how many grams somebody kept, from what moved in the interactions that he caused."""

from collections.abc import Collection, Iterable, Mapping
from math import hypot
from typing import NamedTuple

from fusion.receipts import Interaction
from fusion.store import Store

LIKELY = 0.5
"""From this probability on, a cause counts as what happened."""
NOTHING_G = 5.0
"""Less than this, or than three standard deviations, is nothing: the lightest thing sold."""


class Kept(NamedTuple):
    """Grams that went and did not come back, their standard deviation, and whether any came back."""

    grams: float
    sigma_g: float
    returned: bool

    @property
    def nothing(self) -> bool:
        """Whether all came back."""
        return self.grams <= max(NOTHING_G, 3.0 * self.sigma_g)


def kept(
    store: Store,
    shoppers: Collection[str],
    product: str,
    interactions: Iterable[Interaction],
    everything: Collection[Interaction] = (),
) -> Kept:
    """Sum up what the interactions moved of a product that is sold by weight.

    Parameters
    ----------
    store : Store
        For the masses of what moved along.
    shoppers : collection of str
        Whose grams are asked for.
    product : str
        Sold by weight.
    interactions : iterable of Interaction
        Those that they probably caused with it.
    everything : collection of Interaction
        All there are: what is handed over weighs what it weighed when its giver got it.
    """
    grams, sigma, returned = 0.0, 0.0, False
    for interaction in interactions:
        causes = [c for c in interaction.candidates if c.probability >= LIKELY] or list(interaction.candidates[:1])
        known = [c for c in causes if not store.product_by_id[c.product].by_weight]
        loose = [c for c in causes if store.product_by_id[c.product].by_weight]
        own = [c for c in loose if c.product == product and c.shopper in shoppers]
        if not own:
            continue
        if not interaction.plates:
            passed_g, passed_sigma_g = _passed(store, product, interaction, everything)
            grams -= passed_g * own[0].quantity * (len(own) == 1)  # between two of them, nothing changes
            sigma = hypot(sigma, passed_sigma_g)
            continue
        mass_g = [store.product_by_id[c.product].mass_g for c in known]
        rest = interaction.delta_g - sum(c.quantity * m for c, m in zip(known, mass_g, strict=True) if m == m)
        grams -= rest * len(own) / len(loose)
        sigma = hypot(sigma, interaction.sigma_g)
        returned |= any(c.quantity > 0 for c in own)
    return Kept(grams, sigma, returned)


def _passed(
    store: Store, product: str, meeting: Interaction, everything: Collection[Interaction]
) -> tuple[float, float]:
    """Grams of what was handed over, and their standard deviation: of what its giver got last."""
    taker: str | None = None
    while not meeting.plates:
        taker = next((c.shopper for c in meeting.candidates if c.product == product and c.quantity > 0), None)
        got = [i for i in everything if i.start_ns < meeting.start_ns and _got(i, taker, product)]
        if not got:
            return 0.0, 0.0
        meeting = max(got, key=lambda i: i.start_ns)
    taken = kept(store, (taker,) if taker else (), product, [meeting])
    return max(taken.grams, 0.0), taken.sigma_g


def _got(interaction: Interaction, shopper: str | None, product: str) -> bool:
    return any(
        c.shopper == shopper and c.product == product and c.quantity < 0 and c.probability >= LIKELY
        for c in interaction.candidates
    )


def counted(quantity: int, quantities: Mapping[int, float], found: Kept) -> tuple[int, dict[int, float]]:
    """Count portions so that there are some where grams were kept, and none where none were.

    Of a portion, a part may come back: the portion stays, though as many were put back as taken. And one that is put
    back may be two that were taken.
    """
    shift = 0
    if quantity > 0 and found.returned and found.nothing:
        shift = -quantity
    elif quantity == 0 and found.returned and not found.nothing:
        shift = 1
    shifted: dict[int, float] = {}
    for q, p in quantities.items():
        shifted[max(q + shift, 0)] = shifted.get(max(q + shift, 0), 0.0) + p
    return quantity + shift, {q: min(p, 1.0) for q, p in shifted.items()}
