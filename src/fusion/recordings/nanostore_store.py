"""Builds the store of a NanoStore recording from its planogram and products and, where given, the survey."""

from pathlib import Path

import numpy as np

from fusion import validation
from fusion.errors import RecordingError
from fusion.recordings.json_files import document, documents, find
from fusion.recordings.nanostore_documents import Calibration, PlanogramRow, ProductRow
from fusion.recordings.nanostore_geometry import (
    PlateKey,
    Row,
    ShelfFrame,
    ShelfKey,
    own_box,
    plate_boxes,
    plate_key,
    pose_of,
    shelf_frames,
    surveyed_shelves,
)
from fusion.recordings.recording import Notes
from fusion.store import Box, Camera, Facing, Fixture, Plate, Product, Shelf, Store

INCH_M = 0.0254


def plate_numbers(plate: str) -> PlateKey:
    """Return gondola, shelf and plate number of a plate's identifier."""
    gondola, shelf, index = plate.split("/")
    return int(gondola), int(shelf), int(index)


def read_store(folder: Path, store_meta: Path | None, notes: Notes) -> Store:
    """Read the store of a recording.

    Parameters
    ----------
    folder : Path
        The recording.
    store_meta : Path or None
        Folder of Gondolas.json, Shelves.json, Plates.json and perhaps calibration.json.
    notes : Notes
        Receives what the files had odd.

    Raises
    ------
    RecordingError
        If a file is missing or malformed.
    """
    path = find(folder, "planogram")
    rows = _rows(path, notes)
    frames = shelf_frames(rows)
    boxes = plate_boxes(rows, frames, {} if store_meta is None else surveyed_shelves(store_meta))
    if not boxes:
        raise RecordingError(path, "names no plates, and no geometry was given")
    facings = tuple(_facing(row, frames, notes) for row in rows if row.product)
    calibration = None if store_meta is None else store_meta / "calibration.json"
    return Store(
        fixtures=_fixtures(boxes),
        products=_products(find(folder, "products"), {facing.product for facing in facings}, notes),
        planogram=facings,
        cameras=() if calibration is None or not calibration.exists() else read_cameras(calibration),
    )


def _rows(path: Path, notes: Notes) -> list[Row]:
    rows = []
    for line, row in documents(path, PlanogramRow):
        plates = tuple(sorted({plate_key(plate) for plate in row.plate_ids}))
        product = row.planogram_product_id.id
        if not plates:
            notes.add(path.name, "no_plates", f"line {line}: facing of {product!r} without plates; skipped")
            continue
        if len(plates) < len(row.plate_ids):
            notes.add(path.name, "duplicate", f"line {line}: facing of {product!r} names a plate twice")
        if not product:
            notes.add(path.name, "nameless", f"line {line}: plates from {_plate_id(plates[0])} without a product")
        on_shelf = None if row.coordinates is None else pose_of(row.coordinates.transform)
        rows.append(Row(line, product, plates, row.global_coordinates, on_shelf))
    return rows


def _facing(row: Row, frames: dict[ShelfKey, ShelfFrame], notes: Notes) -> Facing:
    plates = tuple(_plate_id(plate) for plate in row.plates)
    if row.shelf is None:
        return Facing(row.product, plates, own_box(row))
    frame = frames[row.shelf]
    box = frame.box(row.plates[0][2], row.plates[-1][2])
    # The scales tell products apart by plates, so where box and plates of a facing disagree, the plates are right.
    apart_m = max(np.abs(box.center_m - own_box(row).center_m).max(), abs(box.size_m[0] - row.place.dim_x))
    if apart_m > frame.pitch_m / 4:
        notes.add(plates[0], "misplaced_box", f"line {row.line}: the box of {row.product!r} is not over its plates")
    return Facing(row.product, plates, box)


def _fixtures(boxes: dict[PlateKey, Box]) -> tuple[Fixture, ...]:
    fixtures: dict[int, dict[int, list[Plate]]] = {}
    for gondola, shelf, plate in sorted(boxes):
        key = gondola, shelf, plate
        fixtures.setdefault(gondola, {}).setdefault(shelf, []).append(Plate(_plate_id(key), boxes[key]))
    return tuple(
        Fixture(str(g), tuple(Shelf(f"{g}/{s}", tuple(plates)) for s, plates in shelves.items()))
        for g, shelves in fixtures.items()
    )


def _products(path: Path, wanted: set[str], notes: Notes) -> tuple[Product, ...]:
    products: dict[str, Product] = {}
    for line, row in documents(path, ProductRow):
        name = row.product_id.id
        mass_g = row.metadata.weight
        if not name:
            notes.add(path.name, "nameless", f"line {line}: product without an identifier; skipped")
            continue
        if name in products:
            notes.add(path.name, "duplicate", "products listed more than once; the first entry counts")
            continue
        if mass_g is None or mass_g <= 0:
            notes.add(name, "no_mass", f"product without a usable weight: {mass_g}")
            mass_g = None
        products[name] = Product(name, row.metadata.name, _or_nan(mass_g), _or_nan(row.metadata.price))
    for name in sorted(wanted - products.keys()):
        notes.add(name, "unknown_product", "in the planogram, but not among the products")
        products[name] = Product(name)
    return tuple(products.values())


def read_cameras(path: Path) -> tuple[Camera, ...]:
    """Read calibration.json; the size of the images is not in it, so pixels are fractions of width and height.

    Raises
    ------
    RecordingError
        If the file is missing or malformed.
    """
    cameras = []
    for name, camera in document(path, Calibration).cameras.items():
        try:
            to_world = validation.array("Tw", camera.Tw, np.float64, (4, 4), finite=True)
            rotation = validation.rotation("Tw", to_world[:3, :3]).T
            translation_m = -rotation @ (to_world[:3, 3] * INCH_M)
            matrix = validation.array("K", camera.K, np.float64, (3, 3), finite=True)
            distortion = np.array(camera.dist_coeffs)
            cameras.append(Camera(name, matrix, rotation, translation_m, distortion, (1, 1)))
        except (ValueError, TypeError) as error:
            raise RecordingError(path, str(error), field=f"cameras.{name}") from error
    return tuple(cameras)


def _plate_id(key: PlateKey) -> str:
    return "/".join(map(str, key))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
