"""Where the shelves and plates of a NanoStore recording lie.

The planogram and the surveyed geometry disagree on the height of shelves by up to 16 cm, and hands go where the
planogram says: so a shelf that has facings lies where they put it, and the survey tells only how many plates it has.
A facing states its box both on its shelf and in the world, which gives the shelf's frame; plates follow along its x
axis, from index 1 at its origin.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion import rotations
from fusion.errors import RecordingError
from fusion.recordings.json_files import document
from fusion.recordings.nanostore_documents import Gondolas, Place, PlateId, Plates, ShelfId, Shelves, Transform
from fusion.store import Box

ShelfKey = tuple[int, int]
PlateKey = tuple[int, int, int]


class Pose(NamedTuple):
    """From a child's coordinates to its parent's: ``x_parent = rotation @ x_child + translation_m``."""

    rotation: NDArray[np.float64]
    translation_m: NDArray[np.float64]

    def then(self, child: "Pose") -> "Pose":
        """Return the pose of a child of this pose's child."""
        return Pose(self.rotation @ child.rotation, self.rotation @ child.translation_m + self.translation_m)

    def without(self, child: "Pose") -> "Pose":
        """Return the parent's pose, this being the one of `child` of that parent."""
        rotation = self.rotation @ child.rotation.T
        return Pose(rotation, self.translation_m - rotation @ child.translation_m)


class ShelfFrame(NamedTuple):
    """Where a shelf lies, as its facings have it: plates of equal width in a row."""

    pose: Pose
    pitch_m: float
    depth_m: float
    height_m: float

    def box(self, first: int, last: int) -> Box:
        """Return the space over the plates `first` to `last`."""
        start = self.pose.then(Pose(np.eye(3), np.array([(first - 1) * self.pitch_m, 0.0, 0.0])))
        size = [(last - first + 1) * self.pitch_m, self.depth_m, self.height_m]
        return Box(start.translation_m, np.array(size), start.rotation)


class Row(NamedTuple):
    """A line of the planogram: a product (empty where none), its plates in order, and its place."""

    line: int
    product: str
    plates: tuple[PlateKey, ...]
    place: Place
    on_shelf: Pose | None

    @property
    def shelf(self) -> ShelfKey | None:
        """The shelf, if all plates are on one."""
        shelves = {plate[:2] for plate in self.plates}
        return shelves.pop() if len(shelves) == 1 else None

    @property
    def span(self) -> int:
        """How many plates wide the row is, on one shelf."""
        return self.plates[-1][2] - self.plates[0][2] + 1


class SurveyedShelf(NamedTuple):
    """A shelf of the surveyed geometry: its pose in the world, clear height and plates on it."""

    pose: Pose
    height_m: float
    plates: dict[int, Place]

    def boxes(self, offset_m: NDArray[np.float64]) -> dict[int, Box]:
        """Return the space over each plate, the shelf moved by `offset_m`."""
        result = {}
        for index, place in self.plates.items():
            pose = self.pose.then(pose_of(place.transform))
            size = np.array([place.dim_x, place.dim_y, self.height_m])
            result[index] = Box(pose.translation_m + offset_m, size, pose.rotation)
        return result


def surveyed_shelves(folder: Path) -> dict[ShelfKey, SurveyedShelf]:
    """Read Gondolas.json, Shelves.json and Plates.json.

    Raises
    ------
    RecordingError
        If a file is missing or malformed, or places something on what does not exist.
    """
    gondolas = {g.id.id: g for g in document(folder / "Gondolas.json", Gondolas).gondolas}
    shelves: dict[ShelfKey, SurveyedShelf] = {}
    for shelf in document(folder / "Shelves.json", Shelves).shelves:
        key = _shelf_key(shelf.id)
        if key[0] not in gondolas:
            raise RecordingError(folder / "Shelves.json", f"gondola {key[0]} is not in Gondolas.json", field="shelves")
        pose = pose_of(gondolas[key[0]].coordinates.transform).then(pose_of(shelf.coordinates.transform))
        shelves[key] = SurveyedShelf(pose, shelf.coordinates.dim_z, {})
    for plate in document(folder / "Plates.json", Plates).plates:
        key = _shelf_key(plate.id.shelf_id)
        if key not in shelves:
            raise RecordingError(
                folder / "Plates.json", f"shelf {key[0]}/{key[1]} is not in Shelves.json", field="plates"
            )
        shelves[key].plates[plate.id.plate_index] = plate.coordinates
    return {key: shelf for key, shelf in shelves.items() if shelf.plates}


def shelf_frames(rows: list[Row]) -> dict[ShelfKey, ShelfFrame]:
    """Frame of each shelf that has facings.

    A facing may have been moved or have lost plates while its box was kept, so every figure is a median: the width of
    plates over the fixture, the rest over the shelf. Facings that do not say where on the shelf they are count only
    where none does; they are then taken to start with their first plate.
    """
    shelves: dict[ShelfKey, list[Row]] = {}
    widths: dict[int, list[float]] = {}
    for row in rows:
        if row.shelf is not None:
            shelves.setdefault(row.shelf, []).append(row)
            widths.setdefault(row.shelf[0], []).append(row.place.dim_x / row.span)
    frames = {}
    for key, on_shelf in shelves.items():
        pitch = float(np.median(widths[key[0]]))
        voters = [row for row in on_shelf if row.on_shelf is not None] or on_shelf
        poses = []
        for row in voters:
            first = Pose(np.eye(3), np.array([(row.plates[0][2] - 1) * pitch, 0.0, 0.0]))
            poses.append(pose_of(row.place.transform).without(row.on_shelf or first))
        origins = np.array([pose.translation_m for pose in poses])
        central = poses[int(np.abs(origins - np.median(origins, axis=0)).sum(axis=1).argmin())]
        depth, height = np.median([(row.place.dim_y, row.place.dim_z) for row in voters], axis=0)
        frames[key] = ShelfFrame(central, pitch, float(depth), float(height))
    return frames


def plate_boxes(
    rows: list[Row], frames: dict[ShelfKey, ShelfFrame], surveyed: dict[ShelfKey, SurveyedShelf]
) -> dict[PlateKey, Box]:
    """Space over every plate: of the planogram's shelves from their first to their last that either source knows."""
    last = {key: max(shelf.plates) for key, shelf in surveyed.items() if key in frames}
    for gondola, shelf, plate in (plate for row in rows for plate in row.plates):
        if (gondola, shelf) in frames:
            last[gondola, shelf] = max(plate, last.get((gondola, shelf), 0))
    boxes = {(*key, i): frames[key].box(i, i) for key, n in last.items() for i in range(1, n + 1)}
    for key in surveyed.keys() - frames.keys():
        own = surveyed[key].boxes(_offset_m(key[0], frames, surveyed))
        boxes.update({(*key, i): box for i, box in own.items()})
    for row in rows:  # what is left: shelves known only from facings that reach over several of them
        boxes.update({plate: own_box(row) for plate in row.plates if plate not in boxes})
    return boxes


def _offset_m(
    gondola: int, frames: dict[ShelfKey, ShelfFrame], surveyed: dict[ShelfKey, SurveyedShelf]
) -> NDArray[np.float64]:
    """How far the planogram moves the surveyed shelves of a gondola, the median of those that both know."""
    both = [key for key in frames if key[0] == gondola and key in surveyed]
    if not both:
        return np.zeros(3)
    moved = [frames[key].pose.translation_m - surveyed[key].pose.translation_m for key in both]
    return np.asarray(np.median(moved, axis=0))


def pose_of(transform: Transform) -> Pose:
    """Return the pose that a document states."""
    t, r = transform.translation, transform.rotation
    return Pose(rotations.from_vector(np.array([r.x, r.y, r.z])), np.array([t.x, t.y, t.z]))


def own_box(row: Row) -> Box:
    """Return the box that a row of the planogram states."""
    place = row.place
    pose = pose_of(place.transform)
    return Box(pose.translation_m, np.array([place.dim_x, place.dim_y, place.dim_z]), pose.rotation)


def _shelf_key(shelf: ShelfId) -> ShelfKey:
    return shelf.gondola_id.id, shelf.shelf_index


def plate_key(plate: PlateId) -> PlateKey:
    """Return gondola, shelf and plate number."""
    return *_shelf_key(plate.shelf_id), plate.plate_index
