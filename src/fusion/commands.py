"""The commands: demo, simulate, replay, doctor, info."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fusion import Engine, Outcome, Store, __version__, backends, scoring, tables
from fusion.doctor import Diagnosis, Doctor
from fusion.errors import RecordingError
from fusion.recordings import open_recording, write_recording
from fusion.simulation import SimulationSettings, simulate

app = typer.Typer(
    help="Sensor fusion for walk-out stores: receipts from load cells, keypoints and gate events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console()
err = Console(stderr=True)

Backend = Annotated[
    str | None, typer.Option("--backend", help=f"Kernels: {', '.join(backends.BACKENDS)}.", show_default=False)
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulation.")]
Duration = Annotated[float, typer.Option("--duration", min=20.0, help="Length of the simulation, seconds.")]
Shoppers = Annotated[int, typer.Option("--shoppers", min=1, max=50, help="How many shoppers come.")]
RecordingFolder = Annotated[Path, typer.Argument(metavar="RECORDING", help="Folder of a recording.")]
Format = Annotated[str, typer.Option("--format", help="auto, nanostore or fusion.")]
StoreMeta = Annotated[Path | None, typer.Option("--store-meta", help="NanoStore only: folder of the store's geometry.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="Write the outcome document (JSON) to this file.")]


@app.command()
def demo(
    seed: Seed = 0, duration: Duration = 60.0, shoppers: Shoppers = 4, backend: Backend = None, out_file: OutFile = None
) -> None:
    """Simulate a store, replay it, and print the receipts beside the truth."""
    with _reported(backend):
        with err.status("simulating"):
            simulation = simulate(SimulationSettings(seed=seed, duration_s=duration, shoppers=shoppers))
        observations = simulation.observations
        outcome = _replayed(simulation.store, observations, len(observations))
        checks = scoring.check_lines(scoring.units(simulation.truth), scoring.units(outcome.to_dict()))
        out.print(tables.receipts_beside_truth(outcome, simulation.store, checks))
        right = sum(check.right for check in checks)
        out.print(f"{right} of {len(checks)} receipt lines are right.")
        _write(outcome, out_file)


@app.command("simulate")
def simulate_command(
    path: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; it must not exist.")],
    seed: Seed = 0,
    duration: Duration = 60.0,
    shoppers: Shoppers = 4,
) -> None:
    """Simulate a store and write it as a recording, with its truth."""
    with _reported(None):
        with err.status("simulating"):
            simulation = simulate(SimulationSettings(seed=seed, duration_s=duration, shoppers=shoppers))
        write_recording(path, simulation.store, simulation.observations, truth=simulation.truth)
        out.print(f"{len(simulation.observations)} observations written to {path}")


@app.command()
def replay(
    path: RecordingFolder,
    format: Format = "auto",
    store_meta: StoreMeta = None,
    backend: Backend = None,
    out_file: OutFile = None,
) -> None:
    """Replay a recording and print its receipts."""
    with _reported(backend):
        recording = open_recording(path, format=format, store_meta=store_meta)
        outcome = _replayed(recording.store, recording, recording.size)
        out.print(tables.receipts(outcome))
        if recording.truth is not None:
            checks = scoring.check_lines(scoring.units(recording.truth), scoring.units(outcome.to_dict()))
            out.print(f"{sum(c.right for c in checks)} of {len(checks)} receipt lines are right.")
        for note in recording.notes:
            err.print(f"note: {note.source}: {note.status}: {note.detail} ({note.count} times)", style="dim")
        _write(outcome, out_file)


@app.command("doctor")
def doctor_command(
    path: RecordingFolder,
    format: Format = "auto",
    store_meta: StoreMeta = None,
    backend: Backend = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON instead of tables.")] = False,
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the diagnosis (JSON) to this file.")] = None,
) -> None:
    """Judge the sensors and streams of a recording: what is wrong, worst first, and what to do.

    Exit codes: 0 healthy or only notes, 1 something needs attention, 2 bad arguments or a bad recording.
    """
    with _reported(backend):
        recording = open_recording(path, format=format, store_meta=store_meta)
        doctor = Doctor(recording.store)
        for observation in track(recording, "examining", total=recording.size, console=err, transient=True):
            doctor.push(observation)
        diagnosis = doctor.diagnosis(recording.notes)
        if as_json:
            print(_json(diagnosis))
        else:
            for table in tables.diagnosis(diagnosis):
                out.print(table)
            out.print(tables.verdict(diagnosis), highlight=False)
        _write(diagnosis, out_file)
    raise typer.Exit(0 if diagnosis.healthy else 1)


@app.command()
def info(backend: Backend = None) -> None:
    """Tell versions, the backend, how the kernels were built and what this processor offers."""
    with _reported(backend):
        table = Table(show_header=False, box=None)
        for name, value in _facts():
            table.add_row(name, value)
        out.print(table)


def _facts() -> Iterator[tuple[str, str]]:
    yield "fusion", __version__
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in ("numpy", "numba", "pyarrow", "msgspec"):
        yield package, _version(package)
    yield "backend", backends.backend()
    try:
        from fusion.native import build_info
    except ImportError:
        yield "native modules", "not built: pip install . in a source tree"
        return
    yield "compiler", build_info.compiler
    yield "build flags", build_info.flags
    yield "CPU features in use", " ".join(build_info.compiled_features())
    yield "CPU features present", " ".join(build_info.processor_features())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@contextmanager
def _reported(backend: str | None) -> Iterator[None]:
    """Choose the backend, and end with exit code 2 and one line where something was bad."""
    try:
        if backend is not None:
            backends.use_backend(backend)
        yield
    except (RecordingError, ValueError, ImportError, OSError) as error:
        err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


def _replayed(store: Store, observations: Any, total: int | None) -> Outcome:
    engine = Engine(store)
    for observation in track(observations, "replaying", total=total, console=err, transient=True):
        engine.push([observation])
    return engine.finish()


def _write(document: Outcome | Diagnosis, path: Path | None) -> None:
    if path is not None:
        path.write_text(_json(document) + "\n", encoding="utf-8")


def _json(document: Outcome | Diagnosis) -> str:
    return json.dumps(document.to_dict(), indent=1, allow_nan=False)
