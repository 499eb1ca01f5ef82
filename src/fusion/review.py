"""Review: what is charged, what a person should look at, and in which order, by the money that is at stake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fusion import validation
from fusion.receipts import Decision, Interaction, Outcome, Receipt, ReceiptLine
from fusion.store import Store

DOUBTFUL = 0.01
"""Less of a line's doubt than this does not make a look at an interaction worth while, nor a look at the line."""


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """What mistakes and looks cost, in the money of the products' prices.

    A unit charged too much costs its price (it is the shopper's money) and, once a line, `wrong_charge_cost`; a unit
    not charged costs its price. Of charging, dropping and reviewing, the decision is what costs least on average: the
    Bayes decision under these losses (Berger 1985, section 4.4). A product without a price counts as the median of
    the store's prices, or as 1 where none is known.

    Parameters
    ----------
    review_cost : float
        Of one look; by default two minutes of a person who costs 15 an hour.
    wrong_charge_cost : float
        What a wrong charge costs beyond the money: a complaint answered, a shopper who trusts less; an assumption to
        be replaced by the operator's own figure.

    Raises
    ------
    TypeError, ValueError
        If a cost is no finite number of at least 0.
    """

    review_cost: float = 0.5
    wrong_charge_cost: float = 5.0

    def __post_init__(self) -> None:
        validation.number("review_cost", self.review_cost, at_least=0.0)
        validation.number("wrong_charge_cost", self.wrong_charge_cost, at_least=0.0)

    def loss(self, charged: int, quantities: Iterable[tuple[int, float]], price: float) -> float:
        """Money lost on average if so many units are charged and nobody looks.

        Parameters
        ----------
        charged : int
            Units on the bill.
        quantities : iterable of (int, float)
            Possible true quantities with their probabilities.
        price : float
            Of one unit; a deposit that is paid back (below 0) counts as 0.
        """
        unit = max(price, 0.0)
        return sum(
            p * ((charged - q) * unit + self.wrong_charge_cost if charged > q else (q - charged) * unit)
            for q, p in quantities
        )

    def decide(self, quantity: int, quantities: Iterable[tuple[int, float]], price: float) -> Decision:
        """Decide about a line that would be charged with `quantity` units; see `loss`."""
        possible = tuple(quantities)
        charge, drop = self.loss(quantity, possible, price), self.loss(0, possible, price)
        if self.review_cost < min(charge, drop):
            return "review"
        return "charge" if quantity and charge <= drop else "drop"


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One look: an interaction that a person should see, and what that settles.

    Parameters
    ----------
    interaction : str or None
        Its id; None where nothing that was seen explains the lines, so that the whole visit must be seen.
    saved : float
        Money that would be lost on average without this look, in the money of the prices.
    lines : tuple of (str, str)
        Shopper and product of each line or doubt that hangs on it, what is most at stake first.
    """

    interaction: str | None
    saved: float
    lines: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready: ``interaction``, ``saved``, and ``lines`` with ``shopper`` and ``product``."""
        lines = [{"shopper": shopper, "product": product} for shopper, product in self.lines]
        return {"interaction": self.interaction, "saved": self.saved, "lines": lines}


def review_queue(outcome: Outcome, store: Store | None = None, policy: ReviewPolicy | None = None) -> list[ReviewItem]:
    """Order what is marked for review by what one look settles, the most first.

    Lines that hang on the same interaction are settled by one look at it. The loss of a line that hangs on several is
    shared among them by the variance of the quantity that each moved, for a look at what is sure settles nothing.

    Parameters
    ----------
    outcome : Outcome
        Receipts with marks, and the interactions behind them.
    store : Store, optional
        For the prices; without it every product costs 1.
    policy : ReviewPolicy, optional
        What mistakes cost; the defaults otherwise.

    Returns
    -------
    list of ReviewItem
        Of equal ones, the earlier interaction first.
    """
    policy = policy or ReviewPolicy()
    at_stake: dict[str | None, dict[tuple[str, str], float]] = {}
    moved = _moved(outcome.interactions)
    for receipt in outcome.receipts:
        for line in _marked(receipt):
            key = receipt.shopper, line.product
            portion_g = line.grams / line.quantity if line.grams and line.quantity else None
            price = 1.0 if store is None else store.price_of(line.product, portion_g)
            loss = policy.loss(line.quantity, line.quantities, price)
            variance: dict[str, float] = {}
            for shopper in receipt.shoppers:
                for name, more in moved.get((shopper, line.product), {}).items():
                    variance[name] = variance.get(name, 0.0) + more
            for interaction, share in _shares(variance).items():
                lines = at_stake.setdefault(interaction, {})
                lines[key] = lines.get(key, 0.0) + share * loss
    items = [
        ReviewItem(interaction, sum(sorted(lines.values())), tuple(sorted(lines, key=lambda k: (-lines[k], k))))
        for interaction, lines in at_stake.items()
    ]
    order = {i.id: (i.start_ns, i.id) for i in outcome.interactions}
    return sorted(items, key=lambda item: (-item.saved, order.get(item.interaction or "", (2**63, ""))))


def _marked(receipt: Receipt) -> list[ReceiptLine]:
    """Return the lines and doubts that are marked, or, where only the receipt is, those that are not quite sure."""
    everything = [*receipt.lines, *receipt.doubts]
    marked = [line for line in everything if line.needs_review]
    if marked or not receipt.needs_review:
        return marked
    return [line for line in everything if line.confidence <= 1.0 - DOUBTFUL] or everything


def _moved(interactions: Iterable[Interaction]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the variance of how many units of each product each shopper moved in each interaction."""
    variance: dict[tuple[str, str], dict[str, float]] = {}
    for interaction in interactions:
        moments: dict[tuple[str, str], tuple[float, float]] = {}
        for c in interaction.candidates:
            mean, square = moments.get((c.shopper, c.product), (0.0, 0.0))
            moments[c.shopper, c.product] = mean + c.probability * c.quantity, square + c.probability * c.quantity**2
        for key, (mean, square) in moments.items():
            variance.setdefault(key, {})[interaction.id] = max(square - mean * mean, 0.0)
    return variance


def _shares(variance: Mapping[str, float]) -> dict[str | None, float]:
    """Share a line's loss among the interactions it hangs on; None where it hangs on none."""
    total = sum(variance.values())
    doubtful = {i: v for i, v in variance.items() if v > DOUBTFUL * total}
    kept = sum(doubtful.values())
    return {i: v / kept for i, v in doubtful.items()} if doubtful else {None: 1.0}
