"""The commands on outcomes: learn from them, explain them, review them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fusion import (
    ReviewPolicy,
    Store,
    explain,
    fit_confidence,
    insight_tables,
    learn_masses,
    read_outcome,
    review_queue,
)
from fusion.commands import (
    CONFIDENCE,
    MASSES,
    Backend,
    Format,
    StoreMeta,
    app,
    err,
    out,
    replayed,
    reported,
)
from fusion.errors import RecordingError
from fusion.masses import with_learned, write_masses
from fusion.recordings import open_recording
from fusion.recordings.recording import read_object

__all__ = ["app"]

OutcomeFile = Annotated[Path, typer.Argument(metavar="OUTCOME", help="Outcome document: `fusion replay --out`.")]
StorePath = Annotated[
    Path | None, typer.Option("--store", help="A recording's folder, or a store.json: names, masses, prices.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command()
def learn(
    paths: Annotated[list[Path], typer.Argument(metavar="RECORDINGS...", help="Folders of recordings of one store.")],
    model: Annotated[Path, typer.Option("--out", help="Folder to write; it must not exist.")],
    format: Format = "auto",
    store_meta: StoreMeta = None,
    backend: Backend = None,
) -> None:
    """Learn unit masses from recordings, and from those with a truth how sure to be.

    `fusion replay --model` uses what was learned.
    """
    with reported(backend):
        if model.exists():
            raise RecordingError(model, "exists already")
        recordings = [open_recording(path, format=format, store_meta=store_meta) for path in paths]
        sessions = [(r.store, replayed(r.store, r, r.size).interactions) for r in recordings]
        masses = learn_masses(sessions)
        # Confidence is learned with the masses that will be used.
        labelled = [
            (replayed(with_learned(r.store, masses), r, r.size), r.truth) for r in recordings if r.truth is not None
        ]
        confidence = fit_confidence(labelled) if labelled else None
        model.mkdir(parents=True)
        write_masses(model / MASSES, masses)
        clear = sum(m.clear for m in masses)
        out.print(f"{len(masses)} products moved at their places, {clear} of them often enough to learn the mass.")
        if any(m.wrong >= insight_tables.SUSPECT for m in masses):
            out.print(insight_tables.masses(masses))
        if confidence is None:
            err.print("note: no recording has a truth, so that confidence stays as it is", style="dim")
        else:
            confidence.save(model / CONFIDENCE)
            out.print(insight_tables.confidence(labelled))
            out.print(f"calibrated by {confidence.method}.")


@app.command("explain")
def explain_command(
    path: OutcomeFile,
    id: Annotated[str, typer.Argument(metavar="ID", help="An interaction, a shopper, or shopper/product of a line.")],
    store_path: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Explain an interaction, a receipt or a line: who may have caused it, and what each term of the score says."""
    with reported(None):
        explanation = explain(read_outcome(path), id, _store(store_path))
        if as_json:
            print(json.dumps(explanation.to_dict(), indent=1, allow_nan=False))
            return
        for part in insight_tables.explanation(explanation):
            out.print(part)


@app.command()
def review(
    path: OutcomeFile,
    store_path: StorePath = None,
    review_cost: Annotated[float, typer.Option(help="Of one look.")] = ReviewPolicy().review_cost,
    wrong_charge_cost: Annotated[
        float, typer.Option(help="Of a wrong charge, beyond its money.")
    ] = ReviewPolicy().wrong_charge_cost,
    as_json: AsJson = False,
) -> None:
    """List what is marked for review, first what a look settles most."""
    with reported(None):
        outcome, store = read_outcome(path), _store(store_path)
        items = review_queue(outcome, store, ReviewPolicy(review_cost, wrong_charge_cost))
        if as_json:
            print(json.dumps([item.to_dict() for item in items], indent=1, allow_nan=False))
        else:
            out.print(insight_tables.review(items, outcome))


def _store(path: Path | None) -> Store | None:
    """Read the store of a recording, or of a file."""
    if path is None:
        return None
    if path.is_dir():
        return open_recording(path).store
    try:
        return Store.from_dict(read_object(path))
    except ValueError as error:
        raise error if isinstance(error, RecordingError) else RecordingError(path, str(error)) from error
