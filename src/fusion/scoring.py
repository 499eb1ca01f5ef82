"""How right an outcome is: the competition's item F1, and receipts beside the truth line by line."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion import validation

Units = Counter[tuple[str, str]]
"""(shopper, product) to quantity."""


@dataclass(frozen=True, slots=True)
class LineCheck:
    """One product of one shopper: what is true and what the receipt says."""

    shopper: str
    product: str
    expected: int
    told: int

    @property
    def right(self) -> bool:
        """Tell whether the receipt says what is true."""
        return self.expected == self.told


def units(document: Mapping[str, Any]) -> Units:
    """Count the units on the receipts of an outcome, of a simulation's truth or of a NanoStore truth.

    Raises
    ------
    ValueError
        If the document has no such receipts.
    """
    counted: Units = Counter()
    try:
        for receipt in document["receipts"]:
            if "target_id" in receipt:  # NanoStore
                lines = [(p["barcode"], p["quantity"]) for p in receipt["products"]]
                shopper = str(receipt["target_id"])
            else:
                lines = [(line["product"], line["quantity"]) for line in receipt["lines"]]
                shopper = receipt["shopper"]
            for product, quantity in lines:
                if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 0:
                    raise TypeError(f"quantity must be an integer of at least 0; got {quantity!r}")
                unit = validation.identifier("shopper", shopper), validation.identifier("product", product)
                if quantity:
                    counted[unit] += quantity
    except (KeyError, TypeError) as error:
        raise ValueError(f"the document has no receipts that can be counted: {error!r}") from error
    return counted


def item_f1(truth: Units, told: Units) -> float:
    """F1 over units with both shopper and product right; 1 where there are none and none is told."""
    everything = truth.total() + told.total()
    return 2 * (truth & told).total() / everything if everything else 1.0


def check_lines(truth: Units, told: Units) -> list[LineCheck]:
    """Set every line that is true or told beside the other, by shopper and product."""
    return [LineCheck(s, p, truth[s, p], told[s, p]) for s, p in sorted(truth.keys() | told.keys())]
