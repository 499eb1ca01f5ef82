"""Reads outcome documents back, from files or parsed; whatever they hold that is none is told by its field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fusion import validation
from fusion.association import Candidate
from fusion.errors import RecordingError
from fusion.receipts import Decision, Health, Interaction, Kind, Outcome, Receipt, ReceiptLine
from fusion.recordings import json_files

Text = Annotated[str, Meta(min_length=1)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Quantity = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Units = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Time = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0)]


class _Candidate(msgspec.Struct):
    shopper: Text
    product: Text
    quantity: Quantity
    probability: Annotated[float, Meta(ge=0.0, le=1.0 + 1e-9)]  # a sum over hypotheses, rounded
    terms: dict[str, float] = {}


class _Interaction(msgspec.Struct):
    id: Text
    kind: Kind
    start_ns: Time
    end_ns: Time
    plates: tuple[Text, ...]
    delta_g: float
    sigma_g: Annotated[float, Meta(ge=0.0)]
    candidates: list[_Candidate]


class _Line(msgspec.Struct):
    product: Text
    name: str
    quantity: Units
    confidence: Probability
    needs_review: bool
    interactions: tuple[Text, ...]
    quantities: dict[Units, Probability] = {}
    grams: Annotated[float, Meta(ge=0.0)] | None = None
    decision: Decision | None = None  # follows from the others


class _Receipt(msgspec.Struct):
    shopper: Text
    final: bool
    confidence: Probability
    needs_review: bool
    lines: list[_Line]
    doubts: list[_Line] = []
    members: tuple[Text, ...] = ()


class _Health(msgspec.Struct):
    plates: tuple[dict[str, Any], ...] = ()
    cameras: tuple[dict[str, Any], ...] = ()
    late: Count = 0
    dropped: Count = 0
    unused: Count = 0
    devices: tuple[dict[str, Any], ...] = ()
    unknown: Count = 0


class _Outcome(msgspec.Struct):
    format: Literal["fusion.outcome/1"]
    receipts: list[_Receipt]
    interactions: list[_Interaction]
    health: _Health = msgspec.field(default_factory=_Health)


def read(path: Path) -> Outcome:
    """Read a file; see `fusion.read_outcome`."""
    try:
        return _outcome(json_files.document(path, _Outcome))
    except RecordingError:
        raise
    except ValueError as error:
        raise RecordingError(path, str(error)) from error


def parse(document: Mapping[str, Any]) -> Outcome:
    """Read a parsed document; see `Outcome.from_dict`."""
    try:
        # By way of its JSON, where NaN and infinity are not, and keys are text.
        return _outcome(msgspec.json.decode(msgspec.json.encode(document), type=_Outcome))
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise ValueError(f"is no outcome document: {error}") from error


def _outcome(document: _Outcome) -> Outcome:
    interactions = tuple(_interaction(i) for i in document.interactions)
    validation.unique("interaction ids", (i.id for i in interactions))
    health = Health(**msgspec.structs.asdict(document.health))
    return Outcome(tuple(_receipt(r) for r in document.receipts), interactions, health)


def _interaction(read: _Interaction) -> Interaction:
    candidates = tuple(
        Candidate(c.shopper, c.product, c.quantity, c.probability, tuple(c.terms.items())) for c in read.candidates
    )
    fields = msgspec.structs.asdict(read)
    return Interaction(**(fields | {"candidates": candidates}))


def _receipt(read: _Receipt) -> Receipt:
    lines, doubts = (tuple(_line(line) for line in some) for some in (read.lines, read.doubts))
    return Receipt(read.shopper, read.final, read.confidence, read.needs_review, lines, doubts, read.members)


def _line(read: _Line) -> ReceiptLine:
    # Documents of before have no quantities: the likeliest mistake is 0, or 1 where there is none.
    other = 0 if read.quantity else 1
    quantities = read.quantities or {read.quantity: read.confidence, other: 1.0 - read.confidence}
    return ReceiptLine(
        read.product,
        read.name,
        read.quantity,
        read.confidence,
        read.needs_review,
        read.interactions,
        tuple(sorted(quantities.items())),
        read.grams,
    )
