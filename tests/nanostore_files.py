"""Writes small recordings in NanoStore's format, so that tests need no shared data.

The default store has one gondola ("1") of two shelves with four plates each, 0.1 m wide and 0.4 m deep; two products
share the lower shelf and one has the upper one. Lines are dicts, or bytes to be written as they are.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fusion.recordings import Recording

Line = dict[str, Any] | bytes

START_S = 1_587_531_996.0
PITCH_M = 0.1


def date(seconds: float) -> dict[str, str]:
    """MongoDB's form of a time, in milliseconds."""
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(seconds * 1000))
    return {"$date": time.isoformat(timespec="milliseconds").replace("+00:00", "Z")}


def plate_line(time_s: float, grams: np.ndarray, *, gondola: int = 1, delay_s: float = 0.01) -> dict[str, Any]:
    """Message with grams (samples, shelves + 1, plates + 1), issued at `time_s`."""
    values = {
        "type": "DATATYPE_FLOAT32",
        "data": base64.b64encode(np.asarray(grams, "<f4").tobytes()).decode(),
        "shape": list(grams.shape),
    }
    return {
        "timestamp": time_s,
        "gondola_id": gondola,
        "date_time": date(time_s + delay_s),
        "document": {"plate_data": {"freq_samp": 60.0, "values": values}},
    }


def grams(start: float = 0.0, samples: int = 12, shelves: int = 2, plates: int = 4) -> np.ndarray:
    """Readings that tell their place: start + 1000 shelf + 100 plate + sample; NaN at index 0, as in the real files."""
    sample, shelf, plate = np.indices((samples, shelves + 1, plates + 1))
    values = (start + 1000 * shelf + 100 * plate + sample).astype("<f4")
    values[:, 0], values[:, :, 0] = np.nan, np.nan
    return values


def target(shopper: str | None, **joints: Any) -> dict[str, Any]:
    """A target; joints are (x, y, z, score) in inches, or the message itself."""
    result: dict[str, Any] = {} if shopper is None else {"target_id": {"id": shopper}}
    for name, joint in joints.items():
        result[name] = joint if isinstance(joint, dict) else _joint(*joint)
    return result


def _joint(x: float, y: float, z: float, score: float) -> dict[str, Any]:
    return {"point": {"x": x, "y": y, "z": z}, "score": score}


def target_line(time_s: float, *targets: dict[str, Any], delay_s: float = 2.3) -> dict[str, Any]:
    """Message with targets at `time_s`."""
    document = {"targets": {"targets": list(targets)}} if targets else {}
    return {"timestamp": time_s, "date_time": date(time_s + delay_s), "document": document}


def plate_id(gondola: int, shelf: int, plate: int) -> dict[str, Any]:
    """The message that names a plate."""
    return {"shelf_id": {"gondola_id": {"id": gondola}, "shelf_index": shelf}, "plate_index": plate}


def facing_line(
    product: str | None, plates: Sequence[tuple[int, int, int]], *, turn: float = 0.0, on_shelf: bool = True
) -> dict[str, Any]:
    """A facing over `plates` (gondola, shelf, plate) of one shelf at z = shelf / 2, whose x axis is turned about z."""
    first, last = min(p[2] for p in plates), max(p[2] for p in plates)
    along = (first - 1) * PITCH_M
    dims = {"dim_x": (last - first + 1) * PITCH_M, "dim_y": 0.4, "dim_z": 0.3}
    where = {"x": 1.0 + along * np.cos(turn), "y": along * np.sin(turn), "z": plates[0][1] / 2}
    rotation = {"z": turn} if turn else {}
    line: dict[str, Any] = {
        "plate_ids": [plate_id(*plate) for plate in plates],
        "planogram_product_id": {} if product is None else {"barcode_type": "UPC", "id": product},
        "global_coordinates": {"transform": {"translation": where, "rotation": rotation}, **dims},
    }
    if on_shelf:
        line["coordinates"] = {"transform": {"translation": {"x": along} if along else {}, "rotation": {}}, **dims}
    return line


def product_line(product: str | None, **metadata: Any) -> dict[str, Any]:
    """A product; `metadata` holds name, weight and price."""
    return {"product_id": {} if product is None else {"barcode_type": "UPC", "id": product}, "metadata": metadata}


def default_lines() -> dict[str, list[Line]]:
    """The lines of a sound recording: ten packets of 0.2 s, two target messages."""
    return {
        "plate_data": [plate_line(START_S + 0.2 * i, grams(12 * i)) for i in range(10)],
        "full_targets": [
            target_line(START_S, target("7", head=(10.0, 20.0, 60.0, 0.9), r_wrist=(39.37, 0.0, 40.0, 0.8))),
            target_line(START_S + 0.1, target("7", head=(11.0, 20.0, 60.0, 0.9))),
        ],
        "planogram": [
            facing_line("cola", [(1, 1, 1), (1, 1, 2)]),
            facing_line("soap", [(1, 1, 3), (1, 1, 4)]),
            facing_line("bread", [(1, 2, 1), (1, 2, 2), (1, 2, 3), (1, 2, 4)]),
        ],
        "products": [
            product_line("cola", name="Cola", weight=350.0, price=1),
            product_line("soap", name="Soap", weight=120.0, price=2),
            product_line("bread", name="Bread", weight=500.0, price=3),
        ],
    }


def write(folder: Path, *, compress: bool = False, truth: str | None = None, **files: Sequence[Line]) -> Path:
    """Write a recording of the default lines, with those of `files` in their stead; returns its folder."""
    folder.mkdir(exist_ok=True)
    for name, lines in {**default_lines(), **files}.items():
        text = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
        path = folder / (f"{name}.json.gz" if compress else f"{name}.json")
        path.write_bytes(gzip.compress(text) if compress else text)
    if truth is not None:
        (folder / "truth.json").write_text(truth)
    return folder


def write_meta(folder: Path, *, shelves: int = 3, plates: int = 5, z_offset_m: float = 0.1) -> Path:
    """Write a survey of gondola 1, whose shelves lie `z_offset_m` higher than the planogram says, and a camera."""
    folder.mkdir(exist_ok=True)

    def place(x: float, y: float, z: float, dims: tuple[float, float, float]) -> dict[str, Any]:
        translation = {"x": x, "y": y, "z": z}
        return {"transform": {"translation": translation}, **dict(zip(("dim_x", "dim_y", "dim_z"), dims, strict=True))}

    numbers = [(s, p) for s in range(1, shelves + 1) for p in range(1, plates + 1)]
    documents = {
        "Gondolas": {"gondolas": [{"id": {"id": 1}, "coordinates": place(1.0, 0.5, 0.0, (0.5, 0.1, 2.0))}]},
        "Shelves": {
            "shelves": [
                {
                    "id": {"gondola_id": {"id": 1}, "shelf_index": s},
                    "coordinates": place(0.0, -0.4, s / 2 + z_offset_m, (0.5, 0.4, 0.25)),
                }
                for s in range(1, shelves + 1)
            ]
        },
        "Plates": {
            "plates": [
                {"id": plate_id(1, s, p), "coordinates": place((p - 1) * PITCH_M, 0.0, 0.0, (PITCH_M, 0.4, 0.0))}
                for s, p in numbers
            ]
        },
        "calibration": {
            "cameras": {
                "3": {
                    "K": [[0.8, 0, 0.5], [0, 1.4, 0.5], [0, 0, 1]],
                    "Tw": [[1, 0, 0, 100], [0, -1, 0, 50], [0, 0, -1, 90], [0, 0, 0, 1]],
                    "dist_coeffs": [-0.4, 0.2, 0, 0, 0],
                }
            }
        },
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


def notes(recording: Recording) -> dict[tuple[str, str], int]:
    """Read a recording through and return its notes: source and status to count."""
    for _ in recording:
        pass
    return {(note.source, note.status): note.count for note in recording.notes}
