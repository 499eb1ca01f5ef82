"""How right an outcome is: item F1, receipts beside the truth, and whether confidence means what it says."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation

Kind = Literal["line", "doubt", "receipt"]
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


@dataclass(frozen=True, slots=True)
class Told:
    """Something that an outcome told with a confidence, and whether it is right."""

    kind: Kind
    confidence: float
    right: bool
    needs_review: bool


def told(document: Mapping[str, Any], truth: Mapping[str, Any]) -> list[Told]:
    """List every line, doubt and receipt of an outcome document with its confidence and whether it is right.

    Shoppers with several receipts are left out: the truth is not told by visit.

    Raises
    ------
    ValueError
        If the truth, or the document, has no such receipts.
    """
    true, result = units(truth), []
    units(document)
    visits = Counter(receipt["shopper"] for receipt in document["receipts"])
    try:
        for receipt in document["receipts"]:
            shopper = receipt["shopper"]
            if visits[shopper] > 1:
                continue
            for line in (*receipt["lines"], *receipt.get("doubts", ())):
                right = true[shopper, line["product"]] == line["quantity"]
                kind: Kind = "line" if line["quantity"] else "doubt"
                result.append(Told(kind, float(line["confidence"]), right, line["needs_review"]))
            listed = {(shopper, line["product"]): line["quantity"] for line in receipt["lines"]}
            right = listed == {unit: n for unit, n in true.items() if unit[0] == shopper}
            result.append(Told("receipt", float(receipt["confidence"]), right, receipt["needs_review"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the document's receipts are malformed: {error!r}") from error
    return result


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Of everything told with a confidence in [low, high): how often, how sure on average, and how often right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = 10) -> list[ReliabilityBin]:
    """Tabulate how often is right what was told with so much confidence (DeGroot and Fienberg 1983).

    Parameters
    ----------
    confidence : (n,) float64
        Probabilities.
    right : (n,) bool
        What came true.
    bins : int
        Bins of equal width over [0, 1]; the last includes 1.

    Returns
    -------
    list of ReliabilityBin
        Those that hold something.
    """
    p, hit = _probabilities(confidence, right)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"bins must be an integer of at least 1; got {bins!r}")
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    return [
        ReliabilityBin(b / bins, (b + 1) / bins, int(here.sum()), float(p[here].mean()), float(hit[here].mean()))
        for b in range(bins)
        if (here := index == b).any()
    ]


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over the bins of `reliability`, by count (Naeini et al. 2015).

    NaN where nothing was told.
    """
    table = reliability(confidence, right, bins)
    total = sum(b.count for b in table)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in table) / total if total else np.nan


def brier(confidence: ArrayLike, right: ArrayLike) -> float:
    """Mean squared distance of confidence and what came true (Brier 1950); NaN where nothing was told."""
    p, hit = _probabilities(confidence, right)
    return float(np.mean((p - hit) ** 2)) if len(p) else np.nan


def log_loss(confidence: ArrayLike, right: ArrayLike) -> float:
    """Mean of minus the log-probability, in nats, of what came true; NaN where nothing was told."""
    p, hit = _probabilities(confidence, right)
    if not len(p):
        return np.nan
    with np.errstate(divide="ignore"):
        return float(-np.mean(np.where(hit > 0, np.log(p), np.log1p(-p))))


def _probabilities(confidence: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p = validation.array("confidence", confidence, np.float64, (None,), finite=True)
    hit = np.asarray(right)
    if hit.shape != p.shape or (hit.size and hit.dtype != np.bool_):
        raise ValueError(f"right must be bool of shape {p.shape}; got {hit.dtype} of {hit.shape}")
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"confidence must lie in [0, 1]; got values from {p.min()} to {p.max()}")
    return p, hit.astype(np.float64)
