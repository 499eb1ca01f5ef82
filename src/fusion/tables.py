"""Readable tables of outcomes, for the command line."""

from collections.abc import Sequence

from rich.table import Table

from fusion.receipts import Outcome
from fusion.scoring import LineCheck
from fusion.store import Store


def receipts(outcome: Outcome) -> Table:
    """Lay out receipts, a row a line; an empty receipt has one row."""
    table = Table("shopper", "product", "name", title="Receipts", title_justify="left")
    table.add_column("quantity", justify="right")
    table.add_column("confidence", justify="right")
    table.add_column("review")
    for receipt in outcome.receipts:
        if not receipt.lines:
            sure, look = f"{receipt.confidence:.3f}", "look" if receipt.needs_review else ""
            table.add_row(receipt.shopper, "-", "(nothing)", "", sure, look)
        for line in receipt.lines:
            row = (line.product, line.name, str(line.quantity), f"{line.confidence:.3f}")
            table.add_row(receipt.shopper, *row, "look" if line.needs_review else "")
        table.add_section()
    return table


def receipts_beside_truth(outcome: Outcome, store: Store, checks: Sequence[LineCheck]) -> Table:
    """Lay out what the receipts say beside what is true, a row a line."""
    told = {(r.shopper, line.product): line for r in outcome.receipts for line in r.lines}
    table = Table("shopper", "product", title="Receipts beside the truth", title_justify="left")
    for column in ("true", "receipt", "confidence"):
        table.add_column(column, justify="right")
    table.add_column("")
    for check in checks:
        line = told.get((check.shopper, check.product))
        verdict = "right" if check.right else "wrong, marked for review" if line and line.needs_review else "wrong"
        table.add_row(
            check.shopper,
            store.product_by_id[check.product].name or check.product,
            str(check.expected),
            str(check.told),
            f"{line.confidence:.3f}" if line else "",
            verdict,
            style=None if check.right else "red",
        )
    return table
