"""Readable tables of outcomes, for the command line."""

from collections.abc import Sequence

from rich.table import Table

from fusion.calibration import Calibration
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


def calibration(result: Calibration) -> Table:
    """Lay out how well cameras are known, a row a camera; standard deviations follow a plus-minus sign."""
    table = Table("camera", title="Cameras", title_justify="left")
    for column in (
        "views",
        "corners",
        "left out",
        "RMS, px",
        "noise, px",
        "within views",
        "fx, px",
        "fy, px",
        "cx, px",
        "cy, px",
    ):
        table.add_column(column, justify="right")
    table.add_column("x, y, z, mm", justify="right")
    table.add_column("turn, mrad", justify="right")
    for fit, camera in zip(result.cameras, result.rig, strict=True):
        K, sigma = camera.matrix, fit.sigma
        lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        counts = (
            str(fit.views),
            str(fit.corners),
            str(fit.outliers),
            f"{fit.rms_px:.3f}",
            f"{fit.noise_px:.3f}",
            f"{fit.within_px:.3f}",
        )
        known = [f"{value:.1f} ±{s:.1f}" for value, s in zip(lens, sigma, strict=False)]
        place = ", ".join(f"±{1e3 * s:.2f}" for s in sigma[-3:])
        turn = f"±{1e3 * max(sigma[-6:-3]):.2f}"
        table.add_row(fit.id, *counts, *known, *((place, turn) if sigma[-6:].any() else ("the world", "")))
    return table
