"""What comes out: interactions, receipts with confidence and evidence, and the outcome document."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from fusion.association import Candidate
from fusion.extras import require

FORMAT = "fusion.outcome/1"

Kind = Literal["take", "return", "hand_over", "touch", "unknown"]
Decision = Literal["charge", "review", "drop"]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing that happened at a shelf or between two shoppers' hands, and who may have done it.

    Parameters
    ----------
    id : str
        ``fixture:number``, or ``hands:number``.
    kind : {"take", "return", "hand_over", "touch", "unknown"}
        By the most probable candidate; "unknown" where most probably nothing of the store moved.
    start_ns, end_ns : int
        Onset, and when the shelf was quiet again; or how long the hands were together.
    plates : tuple of str
        Plates that changed; none where hands met.
    delta_g, sigma_g : float
        Change of their sum and its standard deviation, grams; a take is negative. 0 where hands met.
    candidates : tuple of Candidate
        Possible causes, most probable first. Of what is handed over there are two: who gave it, who got it.
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
    """A product on a receipt, or one that may be missing from it.

    Parameters
    ----------
    product, name : str
        Identifier, and name for people.
    quantity : int
        Units to charge; 0 where the product is not on the receipt.
    confidence : float
        Probability that exactly this quantity left with the shopper.
    needs_review : bool
        A person should look before this is taken as true.
    interactions : tuple of str
        The evidence, by id.
    quantities : tuple of (int, float)
        Every quantity that is possible, ascending, with its probability.
    grams : float, optional
        Of goods sold by weight: what is to be charged; `quantity` counts the portions then.
    """

    product: str
    name: str
    quantity: int
    confidence: float
    needs_review: bool
    interactions: tuple[str, ...]
    quantities: tuple[tuple[int, float], ...] = ()
    grams: float | None = None

    @property
    def decision(self) -> Decision:
        """What to do: charge it, have it reviewed, or drop it (charge nothing, and look no further)."""
        if self.needs_review:
            return "review"
        return "charge" if self.quantity else "drop"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one shopper takes home.

    Parameters
    ----------
    shopper : str
        Whose: the shopper, or the account.
    final : bool
        Nothing that is still open can change it.
    confidence : float
        Probability that every line is right and none is missing.
    needs_review : bool
        A person should look at it: at a line, at a doubt, or at all of it where each is fairly sure but together they
        are not.
    lines : tuple of ReceiptLine
        What is charged, or is to be reviewed and then charged.
    doubts : tuple of ReceiptLine
        What may be missing: products with quantity 0 that the shopper may have taken all the same.
    members : tuple of str
        Of an account: who shopped on it.
    """

    shopper: str
    final: bool
    confidence: float
    needs_review: bool
    lines: tuple[ReceiptLine, ...]
    doubts: tuple[ReceiptLine, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def shoppers(self) -> tuple[str, ...]:
        """Whose hands filled it."""
        return self.members or (self.shopper,)


@dataclass(frozen=True, slots=True)
class Health:
    """What the sensors and the stream suffered.

    Parameters
    ----------
    plates, cameras, devices : tuple of dict
        Each one's status; the devices are the fixtures that send events (see `fusion.device`).
    late, dropped : int
        Observations that came too late, and that came twice.
    unused : int
        What belonged to nothing: vision scores of no event, tag reads when nobody left, detections without room.
    unknown : int
        Products in vision scores, and tags, that the store does not have.
    """

    plates: tuple[dict[str, Any], ...] = ()
    cameras: tuple[dict[str, Any], ...] = ()
    late: int = 0
    dropped: int = 0
    unused: int = 0
    devices: tuple[dict[str, Any], ...] = ()
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Receipts, the interactions behind them, and the health of the sensors."""

    receipts: tuple[Receipt, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    health: Health = field(default_factory=Health)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome document, JSON-ready; `fusion.read_outcome` reads it."""
        return {
            "format": FORMAT,
            "receipts": [_receipt(receipt) for receipt in self.receipts],
            "interactions": [_interaction(interaction) for interaction in self.interactions],
            "health": asdict(self.health),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Outcome":
        """Read what `to_dict` returned, or what was parsed from its JSON.

        Raises
        ------
        ValueError
            If it is no outcome document, or a field is missing or refused.
        ImportError
            If the extra ``cli`` is not installed.
        """
        require("msgspec", extra="cli")
        from fusion import outcome_files

        return outcome_files.parse(document)


def read_outcome(path: Path | str) -> Outcome:
    """Read an outcome document from a JSON file.

    Raises
    ------
    RecordingError
        If the file cannot be read, is no outcome document, or a field is missing or refused.
    ImportError
        If the extra ``cli`` is not installed.
    """
    require("msgspec", extra="cli")
    from fusion import outcome_files

    return outcome_files.read(Path(path))


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {
        **{name: getattr(receipt, name) for name in ("shopper", "final", "confidence", "needs_review")},
        "lines": [_line(line) for line in receipt.lines],
        "doubts": [_line(line) for line in receipt.doubts],
        **({"members": list(receipt.members)} if receipt.members else {}),
    }


def _line(line: ReceiptLine) -> dict[str, Any]:
    quantities = {str(quantity): p for quantity, p in line.quantities}
    fields = {name: value for name, value in asdict(line).items() if name != "grams" or value is not None}
    return {**fields, "decision": line.decision, "quantities": quantities}


def _interaction(interaction: Interaction) -> dict[str, Any]:
    candidates = [{**c._asdict(), "terms": dict(c.terms)} for c in interaction.candidates]
    return {**asdict(interaction), "candidates": candidates}
