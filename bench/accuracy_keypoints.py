"""Receipts from keypoints alone beside those from true joints, on the same simulated stores.

    .venv/bin/python bench/accuracy_keypoints.py

A store of three fixtures, 3 to 5 shoppers who come within half of a minute and do six things each; eight ceiling
cameras with the noise, misses, occlusion, mixed-up limbs, false persons and clocks (0.1 s off) of
`fusion.simulation.SimulationSettings`, 5 to 15 px of noise. True joints come as targets with 25 mm of noise at 15 Hz.
Item F1 as in ``accuracy_nanostore.py``, a mean over stores. Seeds 1000 and on judge; those to develop with lie below.
"""

from statistics import mean, stdev
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fusion import Engine, Keypoints, Outcome, Targets, backends, scoring
from fusion.simulation import Simulation, SimulationSettings, simulate

FIRST_SEED, STORES, CAMERAS = 1000, 24, 8
NOISE_PX = (5.0, 15.0)
MOST_LOST = 0.02


def settings(number: int, cameras: int, stores: int) -> SimulationSettings:
    """Ask for one of the stores: 3, 4 and 5 shoppers in turns, noise rising from store to store."""
    low, high = NOISE_PX
    noise = low + (high - low) * number / max(stores - 1, 1)
    return SimulationSettings(FIRST_SEED + number, shoppers=3 + number % 3, cameras=cameras, keypoint_noise_px=noise)


def replayed(simulation: Simulation, left_out: type) -> tuple[Outcome, float]:
    """Replay without one kind of observations; also tell the seconds it took."""
    observations = [o for o in simulation.observations if not isinstance(o, left_out)]
    engine, start = Engine(simulation.store), perf_counter()
    engine.push(observations)
    return engine.finish(), perf_counter() - start


def main(
    stores: int = STORES,
    cameras: int = CAMERAS,
    backend: str = "native",
    at_most: Annotated[float, typer.Option(help="Fail if more F1 than this is lost.")] = MOST_LOST,
) -> None:
    """Print F1 of every store both ways, their means and the difference."""
    backends.use_backend(backend)
    table = Table("seed", "shoppers", "noise, px", "F1, targets", "F1, keypoints", "clocks, ms", "strangers", "s")
    f1s: dict[type, list[float]] = {Keypoints: [], Targets: []}
    for number in track(range(stores), "replaying", transient=True):
        asked = settings(number, cameras, stores)
        simulation = simulate(asked)
        truth = scoring.units(simulation.truth)
        for left_out, own in f1s.items():
            outcome, seconds = replayed(simulation, left_out)
            own.append(scoring.item_f1(truth, scoring.units(outcome.to_dict())))
        known = {receipt["shopper"] for receipt in simulation.truth["receipts"]}
        strangers = sum(r.shopper not in known for r in outcome.receipts)
        figures = (
            f"{f1s[Keypoints][-1]:.3f}",
            f"{f1s[Targets][-1]:.3f}",
            f"{1e3 * clock_error_s(simulation, outcome):.1f}",
        )
        asked_for = str(asked.seed), str(asked.shoppers), f"{asked.keypoint_noise_px:.1f}"
        table.add_row(*asked_for, *figures, str(strangers), f"{seconds:.1f}")
    console = Console(width=110)
    console.print(table)
    true, seen = mean(f1s[Keypoints]), mean(f1s[Targets])
    lost = [a - b for a, b in zip(f1s[Keypoints], f1s[Targets], strict=True)]
    sigma = stdev(lost) / len(lost) ** 0.5 if len(lost) > 1 else 0.0
    console.print(
        f"mean F1 {true:.4f} from targets, {seen:.4f} from keypoints of {cameras} cameras: "
        f"{100 * (true - seen):.2f} +- {100 * sigma:.2f} points lost over {stores} stores"
    )
    if true - seen > at_most:
        raise typer.Exit(1)


def clock_error_s(simulation: Simulation, outcome: Outcome) -> float:
    """Root mean square error of the cameras' learned clocks, against their mean."""
    true = {c["camera"]: c["clock_offset_s"] for c in simulation.truth["cameras"]}
    errors = [c["clock_offset_s"] - true[c["camera"]] for c in outcome.health.cameras]
    middle = mean(errors)
    return mean((e - middle) ** 2 for e in errors) ** 0.5


if __name__ == "__main__":
    typer.run(main)
