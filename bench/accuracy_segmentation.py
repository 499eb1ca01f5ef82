"""How good the segmentation is on hard simulated fixtures: ``python bench/accuracy_segmentation.py``.

Two tables: whole events of the online segmenter (F1, errors against the bound, whether sigma_g is true, latencies,
false events), and the changes of single plates beside skchange's FPOP (offline), river's Page-Hinkley (online) and
rolling thresholds.
"""

from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import detectors
import shelves

console = Console(width=130)


def main(
    first_seed: Annotated[int, typer.Option(help="Seeds from this one on, one fixture-hour each.")] = 1000,
    fixtures: Annotated[int, typer.Option(help="How many fixture-hours of 12 plates.")] = 17,
    peers: Annotated[bool, typer.Option(help="Run the detectors of single plates too.")] = True,
) -> None:
    """Judge the segmentation, and print what it and others find."""
    seeds = range(first_seed, first_seed + fixtures)
    score, plates = shelves.EventScore(), shelves.PlateScore()
    rivals = {(f, x): shelves.PlateScore() for f, tried in detectors.STRICTNESS.items() for x in tried if peers}
    for simulation in shelves.fixtures(seeds):
        reports = shelves.listen(simulation)
        score.add(simulation, reports)
        start = int(simulation.sample_ns[0])
        told = [r.event for r in reports if r.event.final and r.event.kind == "change"]
        for plate in range(simulation.grams.shape[1]):
            truth = shelves.truth_of(simulation, plate)
            mine = [(e.step_ns, float(g)) for e in told for p, g in zip(e.plates, e.delta_g, strict=True) if p == plate]
            plates.add(truth, np.array([(t - start) / 1e9 for t, _ in mine]), np.array([g for _, g in mine]))
            grams = simulation.grams[:, plate].astype(np.float64)
            for (detector, strictness), rival in rivals.items():
                ticks, deltas = detector(grams, simulation.rate_hz, strictness)
                at = np.clip(ticks.astype(np.int64), 0, len(grams) - 1)
                rival.add(truth, (simulation.sample_ns[at] - start) / 1e9, deltas)
    console.print(f"seeds {seeds.start} to {seeds.stop - 1}: {score.plate_hours:.0f} plate-hours")
    console.print(_events(score))
    console.print(_plates(plates, rivals, score.plate_hours))


def _events(score: shelves.EventScore) -> Table:
    error, sigma, noise, best = np.array(score.errors).T
    table = Table("whole events, online", "", title_justify="left")
    rows = {
        "found, missed, false": f"{score.found}, {score.missed}, {score.false}",
        "F1 at +-0.5 s": f"{score.f1:.4f}",
        "false events in 100 plate-hours": f"{100 * score.false / score.plate_hours:.1f}  {score.false_of}",
        "median error": f"{np.median(error):.2f} g",
        "median of error over the bound's median (noise, span, coupling)": f"{np.median(error / best) / 0.6745:.2f}",
        "median of error over the bound's median (noise alone)": f"{np.median(error / noise) / 0.6745:.2f}",
        "error within sigma_g, within 2 sigma_g": f"{np.mean(error <= sigma):.3f}, {np.mean(error <= 2 * sigma):.3f}",
        "first told: median, 90 %": f"{np.median(score.first_s):.2f}, {np.quantile(score.first_s, 0.9):.2f} s",
        "final: median, 90 %": f"{np.median(score.final_s):.2f}, {np.quantile(score.final_s, 0.9):.2f} s",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _plates(plates: shelves.PlateScore, rivals: dict[object, shelves.PlateScore], hours: float) -> Table:
    table = Table("changes of single plates", "setting", "F1", "missed", "false in 100 plate-hours", "median error, g")
    best = {d: max(xs, key=lambda x: rivals[d, x].f1) for d, xs in detectors.STRICTNESS.items() if rivals}
    contenders = {("fusion (online)", ""): plates}
    contenders |= {(d.__name__, f"{x:g} of {detectors.STRICTNESS[d]}"): rivals[d, x] for d, x in best.items()}
    for (name, setting), score in contenders.items():
        error = f"{np.median(score.errors):.2f}" if score.errors else "-"
        table.add_row(name, setting, f"{score.f1:.3f}", str(score.missed), f"{100 * score.false / hours:.1f}", error)
    return table


if __name__ == "__main__":
    typer.run(main)
