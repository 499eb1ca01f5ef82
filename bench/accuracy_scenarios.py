"""How right receipts are when shoppers do what they really do: ``python bench/accuracy_scenarios.py``.

A table by scenario; see `fusion.simulation.scenarios`. Seeds 0 to 999 are for development; seeds from 5000 on judge,
and are never looked at one by one. Lines and flags are those of `accuracy_crowd.py`.
"""

import os
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import sessions
from accuracy_crowd import JUDGING, print_cases
from fusion.simulation.scenarios import SCENARIOS, simulate_scenario

console = Console(width=150)
VISION = 0.85
"""Top-1 accuracy of the vision model in the rows that have one."""

Row = tuple[str, dict[str, Any], str]
ROWS: dict[str, Row] = {name: (name, {}, "receipts") for name in SCENARIOS}
"""Name of a row: scenario, settings, and whose receipts are right."""
ROWS["hand_over, who took it pays"] = ("hand_over", {}, "receipts_by_taker")
ROWS["equal_swap, with vision"] = ("equal_swap", {"vision_accuracy": VISION}, "receipts")
ROWS["equal_swap, with tags"] = ("equal_swap", {"tag_detection": 0.95}, "receipts")


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Rows to run; all by default.")] = None,
    first_seed: Annotated[int, typer.Option(help="Seeds from this one on, one session each.")] = JUDGING,
    count: Annotated[int, typer.Option("--sessions", help="How many sessions of each scenario.")] = 40,
    processes: Annotated[int, typer.Option(help="How many at once.")] = os.cpu_count() or 1,
    cases: Annotated[int, typer.Option(help="Print that many cases of each kind of error (development seeds).")] = 0,
) -> None:
    """Judge the engine scenario by scenario."""
    start = perf_counter()
    rows = names or list(ROWS)
    work = [(row, seed) for row in rows for seed in range(first_seed, first_seed + count)]
    verdicts = list(sessions.run(judge, work, processes))
    columns = (
        "item F1",
        "lines right",
        "receipts right",
        "flagged",
        "wrong ones flagged",
        "unflagged right",
        "errors",
    )
    table = Table(f"seeds {first_seed} to {first_seed + count - 1}", *columns)
    for row in rows:
        mine = [verdict for verdict in verdicts if verdict.session[0] == row]
        lines = [line for verdict in mine for line in verdict.lines]
        kinds = [finding.kind for verdict in mine for finding in verdict.wrong_lines]
        often = sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))[:3]
        table.add_row(
            row,
            f"{sessions.mean_f1(mine)[0]:.3f}",
            sessions.share(line.right for line in lines),
            sessions.share(right for verdict in mine for right in verdict.receipts_right),
            sessions.share(line.flagged for line in lines),
            sessions.share(line.flagged for line in lines if not line.right),
            sessions.share(line.right for line in lines if not line.flagged),
            ", ".join(f"{kinds.count(kind)} {kind}" for kind in often),
        )
    console.print(table)
    console.print(f"{perf_counter() - start:.0f} s, {processes} processes")
    if cases:
        print_cases(verdicts, cases)


def judge(work: tuple[str, int]) -> sessions.Verdict:
    """Simulate and judge one session."""
    row, seed = work
    name, settings, receipts = ROWS[row]
    return sessions.judge(work, simulate_scenario(name, seed, **settings), receipts)


if __name__ == "__main__":
    typer.run(main)
