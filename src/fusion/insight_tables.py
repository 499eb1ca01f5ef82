"""Readable tables of explanations, reviews and what was learned, for the command line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from fusion import scoring
from fusion.explanation import Explanation, InteractionExplanation
from fusion.masses import LearnedMass
from fusion.receipts import Outcome
from fusion.review import ReviewItem

SHOWN = 5  # causes of an interaction that are shown; the others are counted
TOLD = 0.001  # probability below which a cause is not shown unless it is the likeliest
SUSPECT = 0.5  # probability of a wrong catalogue from which a product is listed


def explanation(told: Explanation) -> list[Table | Text]:
    """Lay out an explanation: what it is about, its receipt lines, then each interaction with its causes."""
    parts: list[Table | Text] = [Text(f"{told.subject} {told.id}: {told.words}", style="bold")]
    if told.lines:
        table = Table("shopper", "product", "name", title="Receipt lines", title_justify="left")
        for column in ("quantity", "decision", "evidence"):
            table.add_column(column)
        for line in told.lines:
            row = (line.shopper, line.product, line.name, line.words, line.decision, ", ".join(line.interactions))
            table.add_row(*map(Text, row))
        parts.append(table)
    for interaction in told.interactions:
        parts += [Text(f"{interaction.id}: {interaction.words}", style="italic"), _causes(interaction)]
    return parts


def _causes(told: InteractionExplanation) -> Table:
    """Lay out an interaction: a row a cause, and below it a row for each term of its score, in nats."""
    table = Table("who and what")
    table.add_column("probability", justify="right")
    table.add_column("nats", justify="right")
    shown = [c for k, c in enumerate(told.causes) if k == 0 or (k < SHOWN and c.probability >= TOLD)]
    for cause in shown:
        score = f"{cause.nats:+.1f}" if cause.terms else ""
        table.add_row(Text(cause.words, style="bold"), f"{cause.probability:.3f}", score)
        for term in cause.terms:
            table.add_row(Text(f"  {term.name}: {term.words}"), "", f"{term.nats:+.1f}")
    if len(told.causes) > len(shown):
        rest = told.causes[len(shown) :]
        table.add_row(f"and {len(rest)} others", f"{sum(c.probability for c in rest):.3f}", "", style="dim")
    if not told.causes:
        table.add_row("nobody moved anything of the store", "", "", style="dim")
    return table


def review(items: Sequence[ReviewItem], outcome: Outcome) -> Table:
    """Lay out the review queue, a row a look."""
    by_id = {i.id: i for i in outcome.interactions}
    title = "To be reviewed, first what a look settles most"
    table = Table("look at", "what was seen", title=title, title_justify="left")
    table.add_column("saves", justify="right")
    table.add_column("settles")
    for item in items:
        seen = by_id.get(item.interaction or "")
        what = f"{seen.kind} on {', '.join(seen.plates)}, {seen.delta_g:+.0f} g" if seen and seen.plates else ""
        what = seen.kind if seen and not seen.plates else what
        settles = ", ".join(f"{product} of {shopper}" for shopper, product in item.lines)
        row = (item.interaction or "the whole visit", what, f"{item.saved:.2f}", settles)
        table.add_row(*map(Text, row))
    return table


def masses(learned: Iterable[LearnedMass]) -> Table:
    """Lay out the products whose catalogue mass is probably wrong, or absent."""
    title = "Products whose catalogue mass is probably wrong"
    table = Table("product", title=title, title_justify="left")
    for column in ("catalogue, g", "learned, g", "units", "wrong"):
        table.add_column(column, justify="right")
    for m in learned:
        if m.wrong >= SUSPECT:
            mass = f"{m.mass_g:.1f} ±{m.sigma_g:.1f}"
            table.add_row(Text(m.product), f"{m.catalogue_g:.1f}", mass, f"{m.units:.1f}", f"{m.wrong:.3f}")
    return table


def confidence(sessions: Iterable[tuple[Outcome, Mapping[str, Any]]]) -> Table:
    """Lay out how sure the outcomes of sessions with a truth were, and how often they were right."""
    told = [t for outcome, truth in sessions for t in scoring.told(outcome.to_dict(), truth)]
    table = Table("", title="How sure, and how often right", title_justify="left")
    for column in ("told", "right", "confidence", "calibration error", "Brier score"):
        table.add_column(column, justify="right")
    for kind in ("line", "doubt", "receipt"):
        p, right = [t.confidence for t in told if t.kind == kind], [t.right for t in told if t.kind == kind]
        if p:
            shares = (sum(right) / len(p), sum(p) / len(p))
            errors = scoring.expected_calibration_error(p, right), scoring.brier(p, right)
            table.add_row(f"{kind}s", str(len(p)), *(f"{value:.4f}" for value in (*shares, *errors)))
    return table
