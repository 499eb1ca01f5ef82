"""What comes out: interactions, carts, receipts with confidence and evidence, and the outcome document."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fusion.association import Candidate
from fusion.store import Store

FORMAT = "fusion.outcome/1"

Kind = Literal["take", "return", "touch", "unknown"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing that happened at a shelf, and who may have done it.

    Parameters
    ----------
    id : str
        ``fixture:number``.
    kind : {"take", "return", "touch", "unknown"}
        By the most probable candidate; "unknown" where most probably nothing of the store was taken or returned.
    start_ns, end_ns : int
        Onset, and when the shelf was quiet again.
    plates : tuple of str
        Plates that changed.
    delta_g, sigma_g : float
        Change of their sum and its standard deviation, grams; a take is negative.
    candidates : tuple of Candidate
        Possible causes, most probable first.
    """

    id: str
    kind: Kind
    start_ns: int
    end_ns: int
    plates: tuple[str, ...]
    delta_g: float
    sigma_g: float
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """A product on a receipt; `confidence` is the probability that exactly this quantity left with the shopper."""

    product: str
    name: str
    quantity: int
    confidence: float
    needs_review: bool
    interactions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one shopper takes home; `confidence` is the probability that every line is right and none is missing."""

    shopper: str
    final: bool
    confidence: float
    needs_review: bool
    lines: tuple[ReceiptLine, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What the sensors and the stream suffered; `devices` are the fixtures that send events (`fusion.device`)."""

    plates: tuple[dict[str, Any], ...] = ()
    cameras: tuple[dict[str, Any], ...] = ()
    late: int = 0
    dropped: int = 0
    unused: int = 0
    devices: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Receipts, the interactions behind them, and the health of the sensors."""

    receipts: tuple[Receipt, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    health: Health = field(default_factory=Health)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome document, JSON-ready."""
        return {"format": FORMAT, **asdict(self)}


def cart(
    store: Store,
    shopper: str,
    baskets: Sequence[tuple[dict[str, int], float]],
    interactions: Sequence[Interaction],
    *,
    final: bool,
    review_below: float,
) -> Receipt:
    """Write one shopper's receipt from what he probably carries.

    Parameters
    ----------
    store : Store
        For the products' names.
    shopper : str
        Whose.
    baskets : sequence of (dict, float)
        Possible contents (product to quantity) with their probabilities; see `Associator.baskets`.
    interactions : sequence of Interaction
        The evidence: a line names those that this shopper with this product probably caused; where there is none,
        all that he may have caused.
    final : bool
        Nothing open can change it any more.
    review_below : float
        A line, or a receipt, less probable than this is marked for a person to look at.
    """
    lines = []
    for product in sorted({product for basket, _ in baskets for product in basket}):
        by_quantity: dict[int, float] = {}
        for basket, p in baskets:
            quantity = basket.get(product, 0)
            by_quantity[quantity] = by_quantity.get(quantity, 0.0) + p
        quantity = max(by_quantity, key=lambda q: by_quantity[q])
        if quantity:
            sure = min(by_quantity[quantity], 1.0)
            caused = [(i.id, _probability(i, shopper, product)) for i in interactions]
            least = 0.5 if any(p >= 0.5 for _, p in caused) else 0.0
            evidence = tuple(i for i, p in caused if p > 0 and p >= least)
            name = store.product_by_id[product].name
            lines.append(ReceiptLine(product, name, quantity, sure, sure < review_below, evidence))
    told = {line.product: line.quantity for line in lines}
    confidence = min(math.fsum(p for basket, p in baskets if basket == told), 1.0)
    return Receipt(shopper, final, confidence, confidence < review_below, tuple(lines))


def _probability(interaction: Interaction, shopper: str, product: str) -> float:
    """Return the probability that this shopper moved this product, in whatever quantity."""
    return sum(c.probability for c in interaction.candidates if (c.shopper, c.product) == (shopper, product))
