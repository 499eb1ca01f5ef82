"""Item F1 per NanoStore case, and the mean: ``python bench/accuracy_nanostore.py CASES...``.

CASES are recordings with a ``truth.json``, or folders of such recordings. The metric is the competition's: per case F1
over units with both shopper and product right, then the mean over the cases.
"""

from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fusion import Engine, backends, scoring
from fusion.recordings import open_recording


def cases(paths: list[Path]) -> list[Path]:
    """Find the recordings among folders and folders of folders."""
    found = [truth.parent for path in paths for truth in (sorted(path.glob("*/truth.json")) or [path / "truth.json"])]
    missing = [case for case in found if not (case / "truth.json").exists()]
    if missing:
        raise typer.BadParameter(f"no truth.json in {missing[0]}")
    return found


def main(
    paths: Annotated[list[Path], typer.Argument(metavar="CASES...")],
    backend: str = "native",
    at_least: Annotated[float, typer.Option(help="Fail if the mean F1 is below this.")] = 0.0,
) -> None:
    """Print F1, lines right and wrong, and the time of every case."""
    backends.use_backend(backend)
    table = Table("case", *(f"{c}" for c in ("F1", "lines right", "wrong", "wrong, for review", "right, for review")))
    table.add_column("s", justify="right")
    f1s = []
    for case in cases(paths):
        start = perf_counter()
        recording = open_recording(case)
        engine = Engine(recording.store)
        engine.push(recording)
        outcome = engine.finish()
        seconds = perf_counter() - start
        assert recording.truth is not None
        truth, told = scoring.units(recording.truth), scoring.units(outcome.to_dict())
        f1s.append(scoring.item_f1(truth, told))
        checks = scoring.check_lines(truth, told)
        lines = [(r.shopper, line) for r in outcome.receipts for line in (*r.lines, *r.doubts)]
        flagged = {(shopper, line.product) for shopper, line in lines if line.needs_review}
        review = [(c.shopper, c.product) in flagged for c in checks]
        right = [c.right for c in checks]
        table.add_row(
            case.name,
            f"{f1s[-1]:.3f}",
            str(sum(right)),
            str(len(right) - sum(right)),
            str(sum(f and not r for f, r in zip(review, right, strict=True))),
            str(sum(f and r for f, r in zip(review, right, strict=True))),
            f"{seconds:.2f}",
        )
    console = Console(width=110)
    console.print(table)
    console.print(f"mean F1 {mean(f1s):.4f} over {len(f1s)} cases")
    if mean(f1s) < at_least:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
