"""Why the engine thinks so: the candidates of interactions, what each term of their scores says, what hangs on them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fusion import validation
from fusion.association import Candidate
from fusion.receipts import Decision, Interaction, Outcome, Receipt, ReceiptLine
from fusion.store import Store
from fusion.term_words import term_words

FORMAT = "fusion.explanation/1"
REMOTE = 0.01
"""A candidate less probable than this does not bring its interaction into a shopper's or a line's explanation."""

Subject = Literal["interaction", "shopper", "line"]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a candidate's score: its log-likelihood ratio in nats against nothing of the store having moved."""

    name: str
    nats: float
    words: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One candidate of an interaction; `nats` is the sum of its terms, `words` says what would have happened."""

    shopper: str
    product: str
    quantity: int
    probability: float
    nats: float
    words: str
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class InteractionExplanation:
    """An interaction with its causes, likeliest first.

    Parameters
    ----------
    id, kind, words : str
        As in the outcome, and in words.
    causes : tuple of Cause
        Likeliest first.
    """

    id: str
    kind: str
    words: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class LineExplanation:
    """A receipt line, or a doubt (quantity 0): what is decided and why, and the interactions it hangs on."""

    shopper: str
    product: str
    name: str
    quantity: int
    confidence: float
    decision: Decision
    words: str
    interactions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an interaction, a receipt or a line is as it is.

    Parameters
    ----------
    id : str
        What was asked for.
    subject : {"interaction", "shopper", "line"}
        What it is.
    words : str
        What happened, or how sure the receipt is and why it is to be reviewed.
    lines : tuple of LineExplanation
        The lines and doubts concerned.
    interactions : tuple of InteractionExplanation
        The interactions concerned, in order of time.
    """

    id: str
    subject: Subject
    words: str
    lines: tuple[LineExplanation, ...]
    interactions: tuple[InteractionExplanation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the document of format ``fusion.explanation/1``, JSON-ready."""
        return {"format": FORMAT, **asdict(self)}


def explain(outcome: Outcome | Mapping[str, Any], id: str, store: Store | None = None) -> Explanation:
    """Explain an interaction, a receipt line or a shopper's receipts.

    Parameters
    ----------
    outcome : Outcome or mapping
        The outcome, or its document.
    id : str
        An interaction's id, a shopper's, or ``shopper/product`` for a line. Where one text is several of them, the
        first of these counts.
    store : Store, optional
        Where it is known, names, masses and home places make the words plainer.

    Raises
    ------
    ValueError
        If nothing has this id, or the document is none.
    ImportError
        If a document is given and the extra ``cli`` is not installed.
    """
    validation.identifier("id", id)
    if store is not None:
        validation.instance("store", store, Store)
    if not isinstance(outcome, Outcome):
        outcome = Outcome.from_dict(outcome)
    told = [(r, line) for r in outcome.receipts for line in (*r.lines, *r.doubts)]
    if found := [i for i in outcome.interactions if i.id == id]:
        concerned = [(r, x) for r, x in told if id in x.interactions or _may_be(found[0], r.shoppers, x.product)]
        return _explanation(id, "interaction", _happened(found[0]), concerned, found, store)
    if receipts := [r for r in outcome.receipts if r.shopper == id]:
        concerned = [(r, x) for r, x in told if r.shopper == id]
        shoppers = [s for r in receipts for s in r.shoppers]
        hanging = [i for i in outcome.interactions if _may_be(i, shoppers) or _named(i, concerned)]
        return _explanation(id, "shopper", "; ".join(map(_judged, receipts)), concerned, hanging, store)
    concerned = [(r, x) for r, x in told if f"{r.shopper}/{x.product}" == id]
    if not concerned:
        raise ValueError(f"id must be an interaction, a shopper or shopper/product of a line; nothing is called {id!r}")
    shoppers, product = [s for r, _ in concerned for s in r.shoppers], concerned[0][1].product
    hanging = [i for i in outcome.interactions if _may_be(i, shoppers, product) or _named(i, concerned)]
    return _explanation(id, "line", _judged(concerned[0][0]), concerned, hanging, store)


def _may_be(interaction: Interaction, shoppers: Collection[str], product: str | None = None) -> bool:
    """Tell whether one of these shoppers may have caused it, with this product if one is given."""
    return any(
        c.shopper in shoppers and product in (None, c.product) and c.probability >= REMOTE
        for c in interaction.candidates
    )


def _named(interaction: Interaction, concerned: list[tuple[Receipt, ReceiptLine]]) -> bool:
    return any(interaction.id in line.interactions for _, line in concerned)


def _explanation(
    id: str,
    subject: Subject,
    words: str,
    concerned: list[tuple[Receipt, ReceiptLine]],
    interactions: list[Interaction],
    store: Store | None,
) -> Explanation:
    in_order = sorted(interactions, key=lambda i: (i.start_ns, i.id))
    return Explanation(
        id,
        subject,
        words,
        tuple(_line(receipt, line) for receipt, line in concerned),
        tuple(_interaction(i, store) for i in in_order),
    )


def _judged(receipt: Receipt) -> str:
    """Say how sure a receipt is, and why it is reviewed."""
    words = f"receipt of {receipt.shopper}: all of it right with {receipt.confidence:.3f}"
    if not receipt.needs_review:
        return words
    marked = sum(line.needs_review for line in (*receipt.lines, *receipt.doubts))
    why = f"lines and doubts that are marked: {marked}" if marked else "each is sure enough, but all together are not"
    return f"{words}; to be reviewed, {why}"


def _line(receipt: Receipt, line: ReceiptLine) -> LineExplanation:
    others = [f"{q} with {p:.3f}" for q, p in sorted(line.quantities, key=lambda x: -x[1]) if q != line.quantity]
    likely = [o for o in others if not o.endswith(" 0.000")]
    words = f"{line.quantity} with {line.confidence:.3f}" + (f"; else {', '.join(likely)}" if likely else "")
    return LineExplanation(
        receipt.shopper,
        line.product,
        line.name,
        line.quantity,
        line.confidence,
        line.decision,
        words,
        line.interactions,
    )


def _happened(i: Interaction) -> str:
    lasted_s = (i.end_ns - i.start_ns) / 1e9
    if not i.plates:
        shoppers = " and ".join(sorted({c.shopper for c in i.candidates}))
        return f"{i.kind}: hands of {shoppers or 'two shoppers'} together for {lasted_s:.1f} s"
    return f"{i.kind} on {', '.join(i.plates)}: {i.delta_g:+.1f} g (sigma {i.sigma_g:.1f} g) within {lasted_s:.1f} s"


def _interaction(interaction: Interaction, store: Store | None) -> InteractionExplanation:
    causes = tuple(_cause(interaction, c, store) for c in interaction.candidates)
    return InteractionExplanation(interaction.id, interaction.kind, _happened(interaction), causes)


def _cause(interaction: Interaction, c: Candidate, store: Store | None) -> Cause:
    took, put = ("took", "put down") if interaction.plates else ("got", "handed over")
    verb = took if c.quantity < 0 else put
    words = f"{c.shopper} {verb} {abs(c.quantity)} x {_product(store, c.product)}"
    terms = tuple(Term(name, nats, term_words(name, nats, interaction, c, store)) for name, nats in c.terms)
    nats = math.fsum(term.nats for term in terms)
    return Cause(c.shopper, c.product, c.quantity, c.probability, nats, words, terms)


def _product(store: Store | None, product: str) -> str:
    known = store.product_by_id.get(product) if store else None
    return f"{known.name} ({product})" if known and known.name else product
