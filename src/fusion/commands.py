"""The commands: demo, simulate, replay, calibrate, doctor, info; `fusion.insight_commands` has those on outcomes."""

import json
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fusion import ConfidenceModel, Engine, EngineSettings, Outcome, Store, __version__, backends, scoring, tables
from fusion.calibration import BoardObservations, calibrate, charuco_corners, detect_corners, read_observations
from fusion.doctor import Diagnosis, Doctor
from fusion.errors import RecordingError
from fusion.learning import settings_name
from fusion.masses import read_masses, with_learned
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
CONFIDENCE, MASSES = "confidence.json", "masses.json"
"""Of a model's folder; the first only where there was truth to learn from."""
OUT_OF_STEP = 3.0
"""A camera whose noise is so many times that within its views is told to be out of step with the others."""

Backend = Annotated[
    str | None, typer.Option("--backend", help=f"Kernels: {', '.join(backends.BACKENDS)}.", show_default=False)
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the simulation.")]
Duration = Annotated[float, typer.Option("--duration", min=20.0, help="Length of the simulation, seconds.")]
Shoppers = Annotated[int, typer.Option("--shoppers", min=1, max=50, help="How many shoppers come.")]
RecordingFolder = Annotated[Path, typer.Argument(metavar="RECORDING", help="Folder of a recording.")]
Format = Annotated[str, typer.Option("--format", help="auto, nanostore or fusion.")]
StoreMeta = Annotated[Path | None, typer.Option("--store-meta", help="NanoStore only: folder of the store's geometry.")]
ModelFolder = Annotated[Path | None, typer.Option("--model", help="Folder that `fusion learn` wrote.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="Write the outcome document (JSON) to this file.")]


@app.command()
def demo(
    seed: Seed = 0, duration: Duration = 60.0, shoppers: Shoppers = 4, backend: Backend = None, out_file: OutFile = None
) -> None:
    """Simulate a store, replay it, and print the receipts beside the truth."""
    with reported(backend):
        with err.status("simulating"):
            simulation = simulate(SimulationSettings(seed=seed, duration_s=duration, shoppers=shoppers))
        observations = simulation.observations
        outcome = replayed(simulation.store, observations, len(observations))
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
    with reported(None):
        with err.status("simulating"):
            simulation = simulate(SimulationSettings(seed=seed, duration_s=duration, shoppers=shoppers))
        write_recording(path, simulation.store, simulation.observations, truth=simulation.truth)
        out.print(f"{len(simulation.observations)} observations written to {path}")


@app.command()
def replay(
    path: RecordingFolder,
    format: Format = "auto",
    store_meta: StoreMeta = None,
    model: ModelFolder = None,
    backend: Backend = None,
    out_file: OutFile = None,
) -> None:
    """Replay a recording and print its receipts."""
    with reported(backend):
        recording = open_recording(path, format=format, store_meta=store_meta)
        store, confidence = learned(recording.store, model)
        outcome = replayed(store, recording, recording.size, confidence)
        out.print(tables.receipts(outcome))
        if recording.truth is not None:
            checks = scoring.check_lines(scoring.units(recording.truth), scoring.units(outcome.to_dict()))
            out.print(f"{sum(c.right for c in checks)} of {len(checks)} receipt lines are right.")
        for note in recording.notes:
            err.print(f"note: {note.source}: {note.status}: {note.detail} ({note.count} times)", style="dim")
        _write(outcome, out_file)


@app.command("calibrate")
def calibrate_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="CORNERS", help="CSV or NPZ of corners, its folder, or a folder of images a camera."),
    ],
    rig_file: Annotated[Path | None, typer.Option("--rig", help="Write the calibrated rig to this file.")] = None,
    format: Annotated[str, typer.Option("--format", help="Format of the rig's file.")] = "opencv",
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the report (JSON) to this file.")] = None,
    board: Annotated[str | None, typer.Option(help="Squares of the board, COLUMNSxROWS, if the file has none.")] = None,
    square: Annotated[float | None, typer.Option(help="A square's side, metres.")] = None,
    marker: Annotated[float | None, typer.Option(help="Images: a marker's side, metres.")] = None,
    dictionary: Annotated[str, typer.Option(help="Images: OpenCV's dictionary of the markers.")] = "DICT_4X4_50",
    legacy: Annotated[bool, typer.Option(help="Images: the board's pattern is OpenCV's before 4.6.")] = False,
    size: Annotated[str | None, typer.Option(help="Size of all images, WIDTHxHEIGHT, if the file has none.")] = None,
    model: Annotated[str, typer.Option(help="pinhole or fisheye.")] = "pinhole",
    distortion: Annotated[int | None, typer.Option(help="How many coefficients; by default 5, of a fisheye 4.")] = None,
    world_view: Annotated[int | None, typer.Option(help="The view whose board is the world; else camera 1 is.")] = None,
) -> None:
    """Calibrate cameras from views of a ChArUco board, and tell how well they are known."""
    with reported(None):
        observations = _observations(path, board, square, marker, dictionary, legacy)
        if size is not None:
            sizes_px = np.full((len(observations.cameras), 2), _pair("size", size))
            observations = replace(observations, sizes_px=sizes_px)
        with err.status("calibrating"):
            result = calibrate(observations, model=model, distortion=distortion, world_view=world_view)
        out.print(tables.calibration(result))
        board_rms = f"; board RMS {1e3 * result.board_rms_m:.3f} mm" if np.isfinite(result.board_rms_m) else ""
        out.print(f"reprojection RMS {result.rms_px:.3f} px{board_rms}")
        if result.unused:
            err.print(f"note: {result.unused} corners are in views that no camera saw well enough", style="dim")
        for fit in result.cameras:
            if fit.noise_px > OUT_OF_STEP * fit.within_px:
                note = f"note: camera {fit.id} disagrees with the others; were they synchronous?"
                err.print(note, style="dim", markup=False, highlight=False)
        if rig_file is not None:
            result.rig.write(rig_file, format=format)
        if out_file is not None:
            out_file.write_text(json.dumps(result.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _observations(
    path: Path, board: str | None, square: float | None, marker: float | None, dictionary: str, legacy: bool
) -> BoardObservations:
    """Read corners from a file, or find them in images where there is a folder of folders and no file."""
    if (board is None) != (square is None):
        raise ValueError("--board and --square must be given together")
    board_m = None if board is None or square is None else charuco_corners(*_pair("board", board), square)
    images = path.is_dir() and not any(p.suffix in (".csv", ".npz") for p in path.iterdir())
    if not images:
        return read_observations(path, board_m=board_m)
    if board is None or square is None or marker is None:
        raise ValueError(
            f"{path}: holds no .csv or .npz; to find corners in images give --board, --square and --marker"
        )
    return detect_corners(path, *_pair("board", board), square, marker, dictionary, legacy=legacy)


def _pair(name: str, text: str) -> tuple[int, int]:
    numbers = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text, re.ASCII)
    if numbers is None:
        raise ValueError(f"--{name} must be two numbers such as 8x6; got {text!r}")
    return int(numbers[1]), int(numbers[2])


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
    with reported(backend):
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
    with reported(backend):
        table = Table(show_header=False, box=None)
        for name, value in _facts():
            table.add_row(name, value)
        out.print(table)


def _facts() -> Iterator[tuple[str, str]]:
    yield "fusion", __version__
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in ("numpy", "numba", "pyarrow", "msgspec", "scikit-learn"):
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
def reported(backend: str | None) -> Iterator[None]:
    """Choose the backend, and end with exit code 2 and one line where something was bad."""
    try:
        if backend is not None:
            backends.use_backend(backend)
        yield
    except (RecordingError, ValueError, ImportError, OSError) as error:
        err.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


def learned(store: Store, model: Path | None) -> tuple[Store, ConfidenceModel | None]:
    """Give the store the masses that a model learned, and return its calibration."""
    if model is None:
        return store, None
    store = with_learned(store, read_masses(model / MASSES))
    if not (model / CONFIDENCE).exists():
        return store, None
    confidence = ConfidenceModel.load(model / CONFIDENCE)
    if confidence.settings != settings_name(EngineSettings()):
        err.print("note: the model's confidence was learned with other settings", style="dim")
    return store, confidence


def replayed(store: Store, observations: Any, total: int | None, confidence: ConfidenceModel | None = None) -> Outcome:
    """Run the engine over observations, with a bar that shows how far it is."""
    engine = Engine(store, confidence=confidence)
    for observation in track(observations, "replaying", total=total, console=err, transient=True):
        engine.push([observation])
    return engine.finish()


def _write(document: Outcome | Diagnosis, path: Path | None) -> None:
    if path is not None:
        path.write_text(_json(document) + "\n", encoding="utf-8")


def _json(document: Outcome | Diagnosis) -> str:
    return json.dumps(document.to_dict(), indent=1, allow_nan=False)
