"""Carts: what a shopper probably carries becomes a receipt with confidence, evidence and marks for review."""

import math
from collections.abc import Collection, Mapping, Sequence

from fusion import portions
from fusion.confidence import ConfidenceModel
from fusion.receipts import Interaction, Receipt, ReceiptLine
from fusion.review import ReviewPolicy
from fusion.store import Store

DOUBT = 0.01
"""A product that is missing from a receipt with a probability below this is not told as a doubt."""
REMOTE = 0.1
"""An interaction is no evidence of a line if another is so many times likelier to have caused it."""


def cart(
    store: Store,
    shopper: str,
    baskets: Sequence[tuple[dict[str, int], float]],
    interactions: Sequence[Interaction],
    review_below: float,
    policy: ReviewPolicy | None = None,
    confidence: ConfidenceModel | None = None,
    *,
    final: bool,
    members: tuple[str, ...] = (),
) -> Receipt:
    """Write the receipt of one shopper, or of one account, from what is probably carried.

    Parameters
    ----------
    store : Store
        For the products' names and prices.
    shopper : str
        Whose: the shopper, or the account.
    baskets : sequence of (dict, float)
        Possible contents (product to quantity) with their probabilities; see `Associator.baskets`.
    interactions : sequence of Interaction
        The evidence: a line names those that this shopper with this product probably caused; where there is none,
        all that he may have caused.
    review_below : float
        Without a policy: a line, a doubt, or a receipt, less probable than this is marked for a person to look at.
    policy : ReviewPolicy, optional
        Decides by money what is charged, reviewed or dropped; a receipt is then reviewed if something on it is.
    confidence : ConfidenceModel, optional
        Calibrates the probabilities first.
    final : bool
        Nothing open can change it any more.
    members : tuple of str
        Of an account: its shoppers.
    """
    lines, doubts, told = [], [], dict[str, int]()
    shoppers = members or (shopper,)
    caused, by_id = _caused(shoppers, interactions), {i.id: i for i in interactions}
    # Of goods sold by weight as much may have come back as went, by count, and yet something is missing.
    weighed = {product for product in caused if store.product_by_id[product].by_weight}
    for product in sorted({product for basket, _ in baskets for product in basket} | weighed):
        carried, quantities = _quantities(product, baskets, confidence)
        quantity = carried
        evidence, grams = _evidence(caused.get(product, {})), None
        if product in weighed:
            found = portions.kept(store, shoppers, product, [by_id[i] for i in evidence], interactions)
            quantity, shifted = portions.counted(carried, dict(quantities), found)
            quantities, grams = tuple(sorted(shifted.items())), max(found.grams, 0.0)
        if policy is None:
            review = dict(quantities)[quantity] < review_below
        else:
            portion_g = grams / quantity if grams and quantity else None
            decision = policy.decide(quantity, quantities, store.price_of(product, portion_g))
            review = decision == "review"
            carried, quantity = (0, 0) if decision == "drop" and quantity else (carried, quantity)
        sure = dict(quantities).get(quantity, 0.0)
        name = store.product_by_id[product].name
        line = ReceiptLine(product, name, quantity, sure, review, evidence, quantities, grams if quantity else None)
        if carried:
            told[product] = carried
        if quantity:
            lines.append(line)
        elif review or sure <= 1.0 - DOUBT:
            doubts.append(line)
    sure = min(math.fsum(p for basket, p in baskets if basket == told), 1.0)
    if confidence is not None:
        sure = confidence.receipt(sure)
    doubtful = any(line.needs_review for line in (*lines, *doubts)) or (policy is None and sure < review_below)
    return Receipt(shopper, final, sure, doubtful, tuple(lines), tuple(doubts), members)


def _quantities(
    product: str, baskets: Sequence[tuple[dict[str, int], float]], confidence: ConfidenceModel | None
) -> tuple[int, tuple[tuple[int, float], ...]]:
    """Return the likeliest quantity of a product, and every possible one with its probability."""
    by_quantity: dict[int, float] = {}
    for basket, p in baskets:
        quantity = basket.get(product, 0)
        by_quantity[quantity] = by_quantity.get(quantity, 0.0) + p
    quantity = max(by_quantity, key=lambda q: by_quantity[q])
    quantities = {q: min(p, 1.0) for q, p in by_quantity.items()}
    if confidence is not None and (quantity or quantities[0] <= 1.0 - DOUBT):  # fitted on what is told
        quantities = confidence.line(quantity, quantities)
    return quantity, tuple(sorted(quantities.items()))


def _caused(shoppers: Collection[str], interactions: Sequence[Interaction]) -> dict[str, dict[str, float]]:
    """Return by product how probably these shoppers moved it, in whatever quantity, in each interaction."""
    caused: dict[str, dict[str, float]] = {}
    for interaction in interactions:
        for c in interaction.candidates:
            if c.shopper in shoppers:
                moved = caused.setdefault(c.product, {})
                moved[interaction.id] = moved.get(interaction.id, 0.0) + c.probability
    return caused


def _evidence(caused: Mapping[str, float]) -> tuple[str, ...]:
    """Name the interactions that were probably caused, or, if there is none, that may have been."""
    most = max(caused.values(), default=0.0)
    least = 0.5 if most >= 0.5 else REMOTE * most
    return tuple(i for i, p in caused.items() if p > 0.0 and p >= least)
