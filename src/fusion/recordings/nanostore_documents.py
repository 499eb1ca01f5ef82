"""NanoStore's documents, typed: proto3 messages as JSON, where what equals zero, or is empty, may be left out."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

MAX_INDEX = 1000
"""No store has more shelves, or plates on a shelf: larger numbers are damage, and would exhaust the memory."""

MAX_M = 1e5
"""No store is larger, metres."""

Index = Annotated[int, Meta(ge=1, le=MAX_INDEX)]
Metres = Annotated[float, Meta(ge=-MAX_M, le=MAX_M)]
Length = Annotated[float, Meta(ge=0, le=MAX_M)]
Width = Annotated[float, Meta(gt=0, le=MAX_M)]
Positive = Annotated[float, Meta(gt=0)]
Time = Annotated[float, Meta(ge=0)]
Matrix = list[list[float]]


class Document(msgspec.Struct, frozen=True, gc=False):
    """Base of all; unknown fields are skipped."""


class Vector(Document, frozen=True, gc=False):
    """A translation in metres, or a Rodrigues rotation vector."""

    x: Metres = 0.0
    y: Metres = 0.0
    z: Metres = 0.0


class Transform(Document, frozen=True, gc=False):
    """From a child's coordinates to its parent's, metres."""

    translation: Vector = Vector()
    rotation: Vector = Vector()


class Place(Document, frozen=True, gc=False):
    """A box in its parent's coordinates, metres."""

    transform: Transform
    dim_x: Width
    dim_y: Length
    dim_z: Length


class Local(Document, frozen=True, gc=False):
    """Where a facing lies on its shelf."""

    transform: Transform = Transform()


class GondolaId(Document, frozen=True, gc=False):
    """A fixture."""

    id: int


class ShelfId(Document, frozen=True, gc=False):
    """A shelf of a fixture, counted from 1."""

    gondola_id: GondolaId
    shelf_index: Index


class PlateId(Document, frozen=True, gc=False):
    """A plate of a shelf, counted from 1."""

    shelf_id: ShelfId
    plate_index: Index


class TextId(Document, frozen=True, gc=False):
    """A product's barcode or a shopper's number."""

    id: str = ""


class PlanogramRow(Document, frozen=True, gc=False):
    """A facing: a product, its plates and its box on the shelf and in the world."""

    global_coordinates: Place
    coordinates: Local | None = None
    plate_ids: list[PlateId] = field(default_factory=list)
    planogram_product_id: TextId = TextId()


class Metadata(Document, frozen=True, gc=False):
    """What is known of a product; the weight is in grams."""

    name: str = ""
    weight: float | None = None
    price: float | None = None


class ProductRow(Document, frozen=True, gc=False):
    """A product."""

    product_id: TextId = TextId()
    metadata: Metadata = Metadata()


class Date(Document, frozen=True, gc=False, rename={"time": "$date"}):
    """When the database received a message."""

    time: Annotated[datetime, Meta(tz=True)]


class Samples(Document, frozen=True, gc=False):
    """Grams by sample, shelf and plate; shelves and plates count from 1, so index 0 of both is unused."""

    data: bytes
    shape: tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]
    type: Literal["DATATYPE_FLOAT32"] = "DATATYPE_FLOAT32"


class PlateData(Document, frozen=True, gc=False):
    """Samples of a fixture."""

    freq_samp: Positive
    values: Samples


class PlateBody(Document, frozen=True, gc=False):
    """Body of a plate message."""

    plate_data: PlateData


class PlateMessage(Document, frozen=True, gc=False):
    """A line of plate_data."""

    timestamp: Time
    date_time: Date
    gondola_id: int
    document: PlateBody


class Point(Document, frozen=True, gc=False):
    """A point in the world, inches."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


class Joint(Document, frozen=True, gc=False):
    """A joint of a shopper."""

    point: Point = Point()
    score: float = 0.0


class Target(Document, frozen=True, gc=False):
    """A shopper; the joints bear the names of `fusion.observations.JOINTS`."""

    target_id: TextId = TextId()
    head: Joint = Joint()
    neck: Joint = Joint()
    l_shoulder: Joint = Joint()
    r_shoulder: Joint = Joint()
    l_elbow: Joint = Joint()
    r_elbow: Joint = Joint()
    l_wrist: Joint = Joint()
    r_wrist: Joint = Joint()


class TargetList(Document, frozen=True, gc=False):
    """Shoppers of one instant."""

    targets: list[Target] = field(default_factory=list)


class TargetBody(Document, frozen=True, gc=False):
    """Body of a target message."""

    targets: TargetList = TargetList()


class TargetMessage(Document, frozen=True, gc=False):
    """A line of full_targets."""

    timestamp: Time
    date_time: Date
    document: TargetBody


class MetaGondola(Document, frozen=True, gc=False):
    """A fixture in the world."""

    id: GondolaId
    coordinates: Place


class MetaShelf(Document, frozen=True, gc=False):
    """A shelf on its fixture; its height is the clear height."""

    id: ShelfId
    coordinates: Place


class MetaPlate(Document, frozen=True, gc=False):
    """A plate on its shelf."""

    id: PlateId
    coordinates: Place


class Gondolas(Document, frozen=True, gc=False):
    """Gondolas.json."""

    gondolas: list[MetaGondola]


class Shelves(Document, frozen=True, gc=False):
    """Shelves.json."""

    shelves: list[MetaShelf]


class Plates(Document, frozen=True, gc=False):
    """Plates.json."""

    plates: list[MetaPlate]


class MetaCamera(Document, frozen=True, gc=False):
    """A camera: K in units of the image's width and height, Tw from camera to world in inches."""

    K: Matrix
    Tw: Matrix
    dist_coeffs: list[float] = field(default_factory=list)


class Calibration(Document, frozen=True, gc=False):
    """calibration.json."""

    cameras: dict[str, MetaCamera]
