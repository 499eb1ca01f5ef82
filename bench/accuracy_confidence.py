"""Calibration of confidence on simulated crowds: ``python bench/accuracy_confidence.py``.

Two engines: the default one, and one that trusts hands far too much (its posteriors are too sure), which shows what
calibration mends. Sessions with seeds 0 and on fit, those with seeds 5000 and on judge; nothing else differs.
"""

from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fusion import AssociationSettings, ConfidenceModel, Engine, EngineSettings, Outcome, fit_confidence, scoring
from fusion.simulation import Simulation, SimulationSettings, simulate

ENGINES = {
    "default": EngineSettings(),
    "too sure of hands": EngineSettings(association=AssociationSettings(reach_sigma_m=0.04, track_miss=1e-6)),
}
JUDGING = 5000


def session(seed: int) -> Simulation:
    """Four shoppers for two minutes, twelve events each."""
    return simulate(SimulationSettings(seed=seed, duration_s=120.0, shoppers=4, events_per_shopper=12))


def outcome(simulation: Simulation, settings: EngineSettings, model: ConfidenceModel | None = None) -> Outcome:
    """Replay a session."""
    engine = Engine(simulation.store, settings, confidence=model)
    engine.push(simulation.observations)
    return engine.finish()


def main(
    fit: Annotated[int, typer.Option(help="Sessions that fit.")] = 80,
    judge: Annotated[int, typer.Option(help="Sessions that judge.")] = 80,
    at_most: Annotated[float, typer.Option(help="Fail if lines' calibrated error is above this.")] = 1.0,
) -> None:
    """Print the expected calibration error, Brier score and log-loss before and after, by kind."""
    console = Console(width=120)
    fitting = [session(seed) for seed in track(range(fit), "simulating", transient=True)]
    judging = [session(JUDGING + seed) for seed in track(range(judge), "simulating", transient=True)]
    worst = 0.0
    for name, settings in ENGINES.items():
        model = fit_confidence([(outcome(s, settings), s.truth) for s in fitting], settings=settings)
        table = Table("kind", title=f"engine: {name} ({model.method})", title_justify="left")
        for column in ("told", "right", "ECE before", "after", "Brier before", "after", "log-loss before", "after"):
            table.add_column(column, justify="right")
        before, after = told(judging, settings, None), told(judging, settings, model)
        for kind in ("line", "doubt", "receipt"):
            row, right = [], []
            for score in (scoring.expected_calibration_error, scoring.brier, scoring.log_loss):
                for some in (before, after):
                    p = np.clip([t.confidence for t in some if t.kind == kind], 1e-6, 1.0 - 1e-6)
                    right = [t.right for t in some if t.kind == kind]
                    row.append(score(p, right))
            table.add_row(kind, str(len(right)), *(f"{value:.4f}" for value in (np.mean(right), *row)))
            worst = max(worst, row[1]) if kind == "line" else worst
        console.print(table)
        for when, some in (("before", before), ("after", after)):
            marked = np.mean([t.needs_review for t in some if t.kind == "line"])
            kept = np.mean([t.right for t in some if t.kind == "line" and not t.needs_review])
            console.print(f"{when}: {marked:.1%} of lines marked for review, {kept:.2%} of the others right")
        # Calibration changes how sure the engine is, not what it tells.
        assert [t.right for t in before if t.kind == "receipt"] == [t.right for t in after if t.kind == "receipt"]
    if worst > at_most:
        raise typer.Exit(1)


def told(judging: list[Simulation], settings: EngineSettings, model: ConfidenceModel | None) -> list[scoring.Told]:
    """List what the judging sessions' outcomes tell."""
    return [t for s in judging for t in scoring.told(outcome(s, settings, model).to_dict(), s.truth)]


if __name__ == "__main__":
    typer.run(main)
