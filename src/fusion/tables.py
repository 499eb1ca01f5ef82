"""Readable tables of outcomes and diagnoses, for the command line."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from fusion.calibration import Calibration
from fusion.doctor import Diagnosis
from fusion.findings import AT_LEAST, Finding
from fusion.receipts import Outcome
from fusion.scoring import LineCheck
from fusion.store import Store

STYLES = {"fault": "red", "warning": "yellow", "note": "dim"}
NAMED = 4  # sources of one row that are named; the others are counted


def receipts(outcome: Outcome) -> Table:
    """Lay out receipts, a row a line, or a doubt that needs a look; an empty receipt has a row of its own."""
    table = Table("shopper", "product", "name", title="Receipts", title_justify="left")
    table.add_column("quantity", justify="right")
    table.add_column("confidence", justify="right")
    table.add_column("review")
    for receipt in outcome.receipts:
        if not receipt.lines:
            sure, look = f"{receipt.confidence:.3f}", "look" if receipt.needs_review else ""
            table.add_row(receipt.shopper, "-", "(nothing)", "", sure, look)
        for line in (*receipt.lines, *(doubt for doubt in receipt.doubts if doubt.needs_review)):
            row = (line.product, line.name, str(line.quantity), f"{line.confidence:.3f}")
            look = "look" if line.quantity else "look: may be missing"
            table.add_row(receipt.shopper, *row, look if line.needs_review else "")
        table.add_section()
    return table


def receipts_beside_truth(outcome: Outcome, store: Store, checks: Sequence[LineCheck]) -> Table:
    """Lay out what the receipts say beside what is true, a row a line."""
    told = {(r.shopper, line.product): line for r in outcome.receipts for line in (*r.lines, *r.doubts)}
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
    counted = ("views", "corners", "left out", "RMS, px", "noise, px", "within views")
    for column in (*counted, *(f"{name}, px" for name in ("fx", "fy", "cx", "cy"))):
        table.add_column(column, justify="right")
    table.add_column("x, y, z, mm", justify="right")
    table.add_column("turn, mrad", justify="right")
    for fit, camera in zip(result.cameras, result.rig, strict=True):
        K, sigma = camera.matrix, fit.sigma
        lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        counts = (str(n) for n in (fit.views, fit.corners, fit.outliers))
        errors = (f"{px:.3f}" for px in (fit.rms_px, fit.noise_px, fit.within_px))
        known = [f"{value:.1f} ±{s:.1f}" for value, s in zip(lens, sigma, strict=False)]
        place = ", ".join(f"±{1e3 * s:.2f}" for s in sigma[-3:])
        turn = f"±{1e3 * max(sigma[-6:-3]):.2f}"
        pose = (place, turn) if sigma[-6:].any() else ("the world", "")
        table.add_row(Text(fit.id), *counts, *errors, *known, *pose)
    return table


def diagnosis(told: Diagnosis) -> list[Table]:
    """Lay out findings, the plates concerned and all streams; tables without rows are left out."""
    return [table for table in (_findings(told), _plates(told), _streams(told)) if table.row_count]


def verdict(told: Diagnosis) -> str:
    """Sum up in one line."""
    counts = {severity: sum(f.severity == severity for f in told.findings) for severity in STYLES}
    well = sum(entry["status"] == ["ok"] for entry in told.plates)
    found = ", ".join(f"{n} {severity}{'s' * (n != 1)}" for severity, n in counts.items())
    summary = "Healthy" if told.healthy else "Something needs attention"
    return f"{summary}: {found}; {well} of {len(told.plates)} plates without findings, {told.duration_s:.1f} s seen."


def _findings(told: Diagnosis) -> Table:
    """Lay out what the doctor found, worst first; one row for all sources that suffer from the same."""
    table = Table(title="Findings, worst first", title_justify="left", expand=True)
    for column, ratio in (("severity", None), ("where", 3), ("what", 5)):
        table.add_column(column, ratio=ratio)
    for column in ("measured", "limit"):
        table.add_column(column, justify="right", max_width=16)
    table.add_column("what to do", ratio=5)
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for f in told.findings:
        alike.setdefault((f.severity, f.subject, f.kind, f.unit), []).append(f)
    for same in sorted(alike.values(), key=lambda group: told.findings.index(group[0])):
        worst = same[0]
        what = f"{worst.kind}: {worst.detail}"
        measured = f"{worst.measured:.3g} {worst.unit}" + (", the worst" if len(same) > 1 else "")
        limit = f"{'≥' if worst.kind in AT_LEAST else '≤'} {worst.limit:.3g}"
        row = (worst.severity, _where(same), what, measured, limit, worst.action)
        table.add_row(*(Text(cell) for cell in row), style=STYLES[worst.severity])
    return table


def _where(same: Sequence[Finding]) -> str:
    """Name the sources, but not all of many: ``scale 3``, ``plate 1/1/1, 1/1/2 and 10 more``."""
    sources = list(dict.fromkeys(f.source for f in same))
    named = ", ".join(sources[:NAMED])
    more = f" and {len(sources) - NAMED} more" if len(sources) > NAMED else ""
    subject = same[0].subject
    return named + more if subject in ("files", named) else f"{subject} {named}{more}"


def _plates(told: Diagnosis) -> Table:
    """Lay out the numbers of the plates that need attention, the worst first."""
    table = Table("plate", "suffers from", title="Plates that need attention, worst first", title_justify="left")
    for column in ("noise, g", "drift, g/min", "spikes", "missing, %", "beyond capacity"):
        table.add_column(column, justify="right")
    entries = {entry["plate"]: entry for entry in told.plates}
    for plate in dict.fromkeys(f.source for f in told.findings if f.subject == "plate" and f.severity != "note"):
        entry = entries[plate]
        missing = 100 * entry["missing"] / max(entry["samples"] + entry["missing"], 1)
        numbers = ["-" if entry[n] is None else f"{entry[n]:.2f}" for n in ("noise_g", "drift_g_per_min")]
        counts = (str(entry["spikes"]), f"{missing:.1f}", str(entry["faults"]))
        table.add_row(Text(plate), ", ".join(entry["status"]), *numbers, *counts)
    return table


def _streams(told: Diagnosis) -> Table:
    """Lay out what came from each source, and what did not."""
    table = Table("source", title="Streams", title_justify="left")
    for column in ("came", "rate, Hz", "late", "twice", "lost", "gaps", "longest gap, s", "furthest behind, s"):
        table.add_column(column, justify="right")
    table.add_column("wrists seen, %", justify="right")
    for entry in told.streams:
        kind, source, rate_hz, joints = (entry[name] for name in ("kind", "source", "rate_hz", "joints"))
        table.add_row(
            Text(source if kind == source else f"{kind} {source}"),
            str(entry["observations"]),
            "-" if rate_hz is None else f"{rate_hz:.1f}",
            *(str(entry[name]) for name in ("late", "duplicates", "lost", "gaps")),
            *(f"{entry[name]:.2f}" for name in ("longest_gap_s", "lag_s")),
            ", ".join(f"{100 * joints[wrist]:.0f}" for wrist in ("l_wrist", "r_wrist")) if joints else "-",
        )
    return table
