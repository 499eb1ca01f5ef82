"""How good calibrations are: ``python bench/accuracy_calibration.py [CHARUCO_4CAM]``.

Three tables: simulated rigs of known truth, clean and with outliers, beside OpenCV alone; if the folder of the real
boards is given, the board's geometry by calibrations that saw other views of it; and clocks of simulated stores.
"""

import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from fusion import Camera, CameraRig, Engine, Targets
from fusion.calibration import (
    BoardObservations,
    arm_reach,
    board_residuals_m,
    calibrate,
    estimate_clock_offset,
    read_observations,
)
from fusion.simulation import SimulationSettings, simulate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from boards import around, standardised, wave

console = Console(width=150)


def main(
    folder: Annotated[Path | None, typer.Argument(help="Real corners with the calibration of their maker.")] = None,
    rigs: Annotated[int, typer.Option(help="How many rigs are simulated for each row.")] = 10,
    stores: Annotated[int, typer.Option(help="How many stores are simulated.")] = 6,
) -> None:
    """Print errors over their standard deviations, what OpenCV alone makes of it, and real boards."""
    console.print(simulated(rigs))
    if folder is not None:
        console.print(real(folder))
    console.print(clocks(stores))


def simulated(rigs: int) -> Table:
    table = Table("4 cameras, 20 views, noise 0.3 px", "bad corners", title_justify="left")
    for column in ("fx, px", "centre, mm", "left out of the bad", "NEES", "within 3 sigma", "s a rig"):
        table.add_column(column, justify="right")
    for share in (0.0, 0.05, 0.2):
        figures = [_one(seed, share) for seed in range(rigs)]
        for name in ("fusion", "OpenCV alone"):
            rows = [figure[name] for figure in figures]
            rms = [f"{np.sqrt(np.mean([np.square(row[key]) for row in rows])):.2f}" for key in ("fx", "centre")]
            more = [""] * 4
            if name == "fusion":
                found, nees = np.mean([row["found"] for row in rows]), np.mean([row["nees"] for row in rows])
                inside = np.mean(np.abs(np.concatenate([row["ratio"] for row in rows])) < 3)
                more = [f"{found:.3f}", f"{nees:.2f}", f"{inside:.3f}", f"{np.mean([r['s'] for r in rows]):.2f}"]
                assert share > 0 or (0.7 < nees < 1.4 and inside > 0.98)
            table.add_row(name, f"{share:.0%}", *rms, *more)
    return table


def _one(seed: int, share: float) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rig = around(4)
    seen, _ = wave(rng, rig, 20)
    wrong = rng.random(len(seen.px)) < share
    angle, length = rng.uniform(0, 2 * np.pi, wrong.sum()), rng.uniform(20, 200, wrong.sum())
    px = seen.px.copy()
    px[wrong] += np.column_stack([np.cos(angle), np.sin(angle)]) * length[:, None]
    seen = replace(seen, px=px)
    start = perf_counter()
    result = calibrate(seen)
    seconds = perf_counter() - start
    free = np.diag(result.covariance) > 0
    error = standardised(rig, result.rig).ravel()[free]
    nees = error @ np.linalg.solve(result.covariance[np.ix_(free, free)], error) / free.sum()
    ratio = error / np.sqrt(np.diag(result.covariance)[free])
    found = (wrong & ~result.inliers).sum() / max(wrong.sum(), 1)
    own = _errors(rig, result.rig) | {"found": found, "nees": nees, "ratio": ratio, "s": seconds}
    return {"fusion": own, "OpenCV alone": _errors(rig, opencv(seen))}


def _errors(true: CameraRig, told: CameraRig) -> dict[str, Any]:
    """Focal lengths, pixels, and the places of the cameras after the first, in its frame, millimetres."""
    pairs = list(zip(true, told, strict=True))
    first = [rig[0].rotation @ (c.center_m - rig[0].center_m) for rig in (true, told) for c in rig[1:]]
    centres = np.array(first).reshape(2, -1, 3)
    return {"fx": [b.matrix[0, 0] - a.matrix[0, 0] for a, b in pairs], "centre": 1e3 * (centres[1] - centres[0])}


def opencv(seen: BoardObservations) -> CameraRig:
    """Calibrate each camera by ``cv2.calibrateCamera`` and tie it to the first by ``cv2.stereoCalibrate``."""
    corners = [_by_view(seen, c) for c in range(len(seen.cameras))]
    size = seen.sizes_px[0].tolist()
    lenses = []
    for own in corners:
        places = [seen.board_m[list(view)].astype(np.float32) for view in own.values()]
        pixels = [np.array(list(view.values()), np.float32) for view in own.values()]
        lenses.append(cv2.calibrateCamera(places, pixels, size, None, None)[1:3])
    cameras = [Camera(seen.cameras[0], lenses[0][0], np.eye(3), np.zeros(3), lenses[0][1].ravel())]
    for c in range(1, len(corners)):
        a, b = corners[0], corners[c]
        shared = {v: list(a[v].keys() & b[v].keys()) for v in a.keys() & b.keys()}
        shared = {v: ids for v, ids in shared.items() if len(ids) >= 6}
        places = [seen.board_m[ids].astype(np.float32) for ids in shared.values()]
        pixels = [[np.array([own[v][i] for i in ids], np.float32) for v, ids in shared.items()] for own in (a, b)]
        fixed = cv2.CALIB_FIX_INTRINSIC
        R, t = cv2.stereoCalibrate(places, *pixels, *lenses[0], *lenses[c], size, flags=fixed)[5:7]
        cameras.append(Camera(seen.cameras[c], lenses[c][0], R, t.ravel(), lenses[c][1].ravel()))
    return CameraRig(cameras)


def _by_view(seen: BoardObservations, camera: int) -> dict[int, dict[int, Any]]:
    views: dict[int, dict[int, Any]] = {}
    for row in np.flatnonzero(seen.camera == camera):
        views.setdefault(int(seen.view[row]), {})[int(seen.corner[row])] = seen.px[row]
    return {view: corners for view, corners in views.items() if len(corners) >= 6}


def real(folder: Path) -> Table:
    """Every calibration is judged by views that it did not see, except in the last row."""
    seen = read_observations(folder)
    given = CameraRig.read(folder / "camera_array.toml").subset(seen.cameras)
    labels = np.unique(seen.view)
    table = Table("real boards, 4 cameras: judged by", "from the other views, mm", "their maker's calibration, mm")
    for name, test in [(f"every third view, from {k}", np.isin(seen.view, labels[k::3])) for k in range(3)]:
        rig = calibrate(seen.subset(~test)).rig
        table.add_row(name, *(_board_mm(r, seen.subset(test)) for r in (rig, given)))
    ours, theirs = _board_mm(calibrate(seen).rig, seen), _board_mm(given, seen)
    assert float(ours) < 1.05 * float(theirs)
    table.add_row("all views, from these very views", ours, theirs)
    return table


def _board_mm(rig: CameraRig, seen: BoardObservations) -> str:
    return f"{1e3 * np.sqrt((board_residuals_m(rig, seen, 2.0) ** 2).mean()):.3f}"


def clocks(stores: int) -> Table:
    table = Table("store of 6 shoppers, 120 s", "true offset, s", "told, s", "jitter, s", "share", "probability")
    for seed in range(stores):
        simulation = simulate(SimulationSettings(seed=seed, duration_s=120, shoppers=6))
        engine = Engine(simulation.store)
        engine.push(simulation.observations)
        starts_ns = [i.start_ns for i in engine.finish().interactions if i.plates]
        motion_ns, reach_m = arm_reach(o for o in simulation.observations if isinstance(o, Targets))
        true_s = np.random.default_rng(seed).uniform(-4, 4)
        told = estimate_clock_offset(motion_ns - round(true_s * 1e9), starts_ns, intensity=reach_m)
        figures = f"{told.jitter_s:.2f}", f"{told.share:.2f}", f"{told.probability:.3f}"
        table.add_row(f"seed {seed}", f"{true_s:.3f}", f"{told.offset_s:.3f} ±{told.sigma_s:.3f}", *figures)
        assert told.probability < 0.9 or abs(told.offset_s - true_s) < 0.5
    return table


if __name__ == "__main__":
    typer.run(main)
