"""How right receipts of the standard crowd are: ``python bench/accuracy_crowd.py``.

Four shoppers, 0.6 to 1.5 m from each other, fifteen events each; see `fusion.simulation.crowd`. Seeds 0 to 999 are for
development; seeds from 5000 on judge, and are never looked at one by one.

A line is a product that somebody is charged for or should be; where none is told, the receipt's flag counts. The
expected calibration error is that of the lines that are told, over ten equally wide bins of their confidence.
"""

import os
from collections import Counter
from time import perf_counter
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import blame
import sessions
from fusion.simulation import simulate
from fusion.simulation.crowd import crowd

console = Console(width=130)
JUDGING = 5000


def main(
    first_seed: Annotated[int, typer.Option(help="Seeds from this one on, one session each.")] = JUDGING,
    count: Annotated[int, typer.Option("--sessions", help="How many sessions.")] = 500,
    processes: Annotated[int, typer.Option(help="How many at once.")] = os.cpu_count() or 1,
    vision: Annotated[float, typer.Option(help="Accuracy of a vision model; 0 for none.")] = 0.0,
    tags: Annotated[float, typer.Option(help="Detection of tags at the gate; 0 for none.")] = 0.0,
    cases: Annotated[int, typer.Option(help="Print that many cases of each kind of error (development seeds).")] = 0,
) -> None:
    """Judge the engine, and say which kinds of errors dominate."""
    start = perf_counter()
    work = [(seed, vision, tags) for seed in range(first_seed, first_seed + count)]
    verdicts = list(sessions.run(judge, work, processes))
    lines = [line for verdict in verdicts for line in verdict.lines]
    f1, mean = sessions.mean_f1(verdicts)
    table = Table(f"seeds {first_seed} to {first_seed + count - 1}", f"{len(lines)} lines", title_justify="left")
    unflagged = [line.right for line in lines if not line.flagged]
    rows = {
        "item F1 over all units, and mean over sessions": f"{f1:.4f}, {mean:.4f}",
        "lines right; told lines right": f"{sessions.share(x.right for x in lines)}; "
        f"{sessions.share(x.right for x in lines if x.confidence == x.confidence)}",
        "expected calibration error of line confidence": f"{sessions.calibration_error(lines):.4f}",
        "lines flagged": sessions.share(line.flagged for line in lines),
        "right among the unflagged": f"{sessions.share(unflagged)} ({unflagged.count(False)} wrong)",
        "wrong lines that are flagged": sessions.share(line.flagged for line in lines if not line.right),
        "right among the surest 92 % of lines": sessions.share(_surest(lines, 0.92)),
        "receipts right": sessions.share(right for verdict in verdicts for right in verdict.receipts_right),
        "time": f"{perf_counter() - start:.0f} s, {processes} processes",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    console.print(_bins(lines))
    console.print(_kinds("wrong lines, by their first wrong event", [v.wrong_lines for v in verdicts]))
    console.print(_kinds("events", [v.events for v in verdicts]))
    if cases:
        print_cases(verdicts, cases)


def judge(work: tuple[int, float, float]) -> sessions.Verdict:
    """Simulate and judge one session."""
    seed, vision, tags = work
    return sessions.judge(seed, simulate(crowd(seed, vision_accuracy=vision, tag_detection=tags)))


def _surest(lines: list[sessions.Line], part: float) -> list[bool]:
    """Tell which of the surest lines are right; what is not told counts as the least sure."""
    ranked = sorted(lines, key=lambda line: -np.nan_to_num(line.confidence))
    return [line.right for line in ranked[: round(part * len(ranked))]]


def _bins(lines: list[sessions.Line]) -> Table:
    table = Table("confidence", "lines", "mean confidence", "right")
    for k in range(sessions.BINS):
        inside = [x for x in lines if x.confidence == x.confidence and min(int(x.confidence * sessions.BINS), 9) == k]
        if inside:
            mean = np.mean([line.confidence for line in inside])
            right = sessions.share(line.right for line in inside)
            table.add_row(f"{k / 10:.1f}-{(k + 1) / 10:.1f}", str(len(inside)), f"{mean:.3f}", right)
    return table


def _kinds(title: str, findings: list[list[blame.Finding]]) -> Table:
    table = Table(title, "count")
    for kind, count in Counter(f.kind for some in findings for f in some).most_common():
        table.add_row(kind, str(count))
    return table


def print_cases(verdicts: list[sessions.Verdict], most: int) -> None:
    shown: Counter[str] = Counter()
    for verdict in verdicts:
        for event in verdict.events:
            if event.kind != "right" and shown[event.kind] < most:
                shown[event.kind] += 1
                where = f"{event.kind}: {verdict.session}, {event.time_s:.1f} s"
                true, told = _causes(event.truth), _causes(event.told)
                console.print(f"{where}: true {true} | told {told} | {event.note}", highlight=False, soft_wrap=True)


def _causes(causes: tuple[blame.Cause, ...]) -> str:
    return "; ".join(f"{shopper[-3:]} {product[-4:]} {quantity:+d}" for shopper, product, quantity in causes) or "-"


if __name__ == "__main__":
    typer.run(main)
