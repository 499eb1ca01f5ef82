"""What is fixed in a store: fixtures, shelves, plates, products, the planogram and cameras; validated.

World frame: right-handed, z up, metres. Identifiers are opaque strings; NanoStore's plates are named
``"gondola/shelf/plate"``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.camera import Camera as Camera  # a store is described with names of this module alone

PLATE_CAPACITY_G = 20_000.0
"""Range of the load cells of the public recording, the default of `Plate.capacity_g` (grams)."""


@dataclass(frozen=True, eq=False)
class Box:
    """An oriented box in the world.

    Parameters
    ----------
    origin_m : (3,) float64
        The corner from which `size_m` extends along the box's own axes.
    size_m : (3,) float64
        Width, depth and height, each at least 0.
    rotation : (3, 3) float64, optional
        Columns are the box's axes in the world; the identity by default.
    """

    origin_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "origin_m", validation.array("origin_m", self.origin_m, np.float64, (3,), finite=True))
        set_(self, "size_m", validation.array("size_m", self.size_m, np.float64, (3,), finite=True))
        set_(self, "rotation", validation.rotation("rotation", self.rotation))
        if (self.size_m < 0).any():
            raise ValueError(f"size_m must not be negative; got {self.size_m.tolist()}")

    @property
    def center_m(self) -> NDArray[np.float64]:
        """Centre of the box, (3,) metres."""
        return np.asarray(self.origin_m + self.rotation @ self.size_m / 2)


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the catalogue.

    Parameters
    ----------
    id : str
        Barcode or stock keeping unit.
    name : str
        For people.
    mass_g : float
        Mass of one unit in grams; NaN where unknown. Of goods sold by weight, the typical portion.
    price : float
        Price of one unit, or of a kilogram of goods sold by weight; NaN where unknown.
    by_weight : bool
        Sold by weight: whatever is taken is charged by its grams, and has no fixed mass.
    tags : tuple of str
        Tags (RFID, electronic labels) on its units, as `TagReads` names them.
    """

    id: str
    name: str = ""
    mass_g: float = np.nan
    price: float = np.nan
    by_weight: bool = False
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        validation.identifier("product id", self.id)
        validation.instance(f"name of product {self.id!r}", self.name, str)
        set_(self, "mass_g", validation.number_or_nan(f"mass_g of product {self.id!r}", self.mass_g, positive=True))
        set_(self, "price", validation.number_or_nan(f"price of product {self.id!r}", self.price))
        validation.instance(f"by_weight of product {self.id!r}", self.by_weight, bool)
        tags = validation.instances(f"tags of product {self.id!r}", self.tags, str)
        set_(self, "tags", tuple(validation.identifier(f"tag of product {self.id!r}", tag) for tag in tags))


@dataclass(frozen=True, slots=True)
class Plate:
    """One load cell's plate: the smallest place whose weight is known.

    Parameters
    ----------
    id : str
        Unique in the store.
    box : Box
        The space above the plate in which its items stand.
    capacity_g : float
        Largest load that the cell can measure, grams.
    """

    id: str
    box: Box
    capacity_g: float = PLATE_CAPACITY_G

    def __post_init__(self) -> None:
        validation.identifier("plate id", self.id)
        validation.instance(f"box of plate {self.id!r}", self.box, Box)
        capacity_g = validation.number(f"capacity_g of plate {self.id!r}", self.capacity_g, above=0)
        object.__setattr__(self, "capacity_g", capacity_g)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A row of plates, in order from one end to the other."""

    id: str
    plates: tuple[Plate, ...]

    def __post_init__(self) -> None:
        validation.identifier("shelf id", self.id)
        plates = validation.instances(f"plates of shelf {self.id!r}", self.plates, Plate)
        object.__setattr__(self, "plates", plates)
        if not self.plates:
            raise ValueError(f"plates of shelf {self.id!r} must not be empty")


@dataclass(frozen=True, slots=True)
class Fixture:
    """Shelves on one frame, whose plates share a clock and vibrate together."""

    id: str
    shelves: tuple[Shelf, ...]

    def __post_init__(self) -> None:
        validation.identifier("fixture id", self.id)
        shelves = validation.instances(f"shelves of fixture {self.id!r}", self.shelves, Shelf)
        object.__setattr__(self, "shelves", shelves)
        if not self.shelves:
            raise ValueError(f"shelves of fixture {self.id!r} must not be empty")

    @property
    def plates(self) -> tuple[Plate, ...]:
        """The plates of all shelves: the order of the columns of a `ScalePacket`."""
        return tuple(plate for shelf in self.shelves for plate in shelf.plates)


@dataclass(frozen=True, slots=True)
class Facing:
    """Where the planogram puts a product: the plates that carry it and the space it fills."""

    product: str
    plates: tuple[str, ...]
    box: Box

    def __post_init__(self) -> None:
        validation.identifier("product of a facing", self.product)
        validation.instance(f"box of the facing of {self.product!r}", self.box, Box)
        plates = validation.instances(f"plates of the facing of {self.product!r}", self.plates, str)
        object.__setattr__(self, "plates", plates)
        if not self.plates:
            raise ValueError(f"plates of the facing of {self.product!r} must not be empty")
        validation.unique(f"plates of the facing of {self.product!r}", self.plates)


@dataclass(frozen=True, eq=False)
class Store:
    """A store's fixtures, products, planogram and cameras.

    Raises
    ------
    TypeError
        If an argument is no sequence of the right type.
    ValueError
        If identifiers come twice, or a facing names an unknown product or plate.
    """

    fixtures: tuple[Fixture, ...]
    products: tuple[Product, ...]
    planogram: tuple[Facing, ...]
    cameras: tuple[Camera, ...] = ()

    def __post_init__(self) -> None:
        kinds = {"fixtures": Fixture, "products": Product, "planogram": Facing, "cameras": Camera}
        for name, kind in kinds.items():
            object.__setattr__(self, name, validation.instances(name, getattr(self, name), kind))
        validation.unique("fixture ids", (f.id for f in self.fixtures))
        validation.unique("shelf ids", (s.id for f in self.fixtures for s in f.shelves))
        validation.unique("plate ids", (p.id for f in self.fixtures for p in f.plates))
        validation.unique("product ids", (p.id for p in self.products))
        validation.unique("tags", (tag for p in self.products for tag in p.tags))
        validation.unique("camera ids", (c.id for c in self.cameras))
        for facing in self.planogram:
            if facing.product not in self.product_by_id:
                raise ValueError(f"planogram names the unknown product {facing.product!r}")
            for plate in facing.plates:
                if plate not in self.plate_by_id:
                    raise ValueError(f"planogram puts {facing.product!r} on the unknown plate {plate!r}")

    @cached_property
    def fixture_by_id(self) -> dict[str, Fixture]:
        """Fixtures by identifier."""
        return {fixture.id: fixture for fixture in self.fixtures}

    @cached_property
    def plate_by_id(self) -> dict[str, Plate]:
        """Plates by identifier."""
        return {plate.id: plate for fixture in self.fixtures for plate in fixture.plates}

    @cached_property
    def product_by_id(self) -> dict[str, Product]:
        """Products by identifier."""
        return {product.id: product for product in self.products}

    @cached_property
    def product_by_tag(self) -> dict[str, Product]:
        """Products by the tags on their units."""
        return {tag: product for product in self.products for tag in product.tags}

    def price_of(self, product: str, grams: float | None = None) -> float:
        """Price of one unit, or of goods sold by weight that of so many grams, or else of the typical portion.

        Where price or product is unknown, the median of the known ones, or 1 if there is none.
        """
        known = self.product_by_id.get(product)
        price = np.nan if known is None else _unit_price(known, grams)
        return self._typical_price if np.isnan(price) else price

    @cached_property
    def _typical_price(self) -> float:
        known = [price for product in self.products if not np.isnan(price := _unit_price(product))]
        return float(np.median(known)) if known else 1.0

    def with_masses(self, mass_g: Mapping[str, float]) -> "Store":
        """Return the store with other masses of one unit, in grams by product; those not named stay.

        Raises
        ------
        ValueError
            If a product is unknown or a mass is not positive.
        """
        if unknown := mass_g.keys() - self.product_by_id.keys():
            raise ValueError(f"mass_g names the unknown product {min(unknown)!r}")
        return replace(self, products=tuple(replace(p, mass_g=mass_g.get(p.id, p.mass_g)) for p in self.products))

    def to_dict(self) -> dict[str, Any]:
        """Return the store as JSON-ready values; `from_dict` reads them back."""
        return {
            "format": "fusion.store/1",
            "fixtures": [
                {
                    "id": f.id,
                    "shelves": [
                        {
                            "id": s.id,
                            "plates": [{"id": p.id, "box": _box(p.box), "capacity_g": p.capacity_g} for p in s.plates],
                        }
                        for s in f.shelves
                    ],
                }
                for f in self.fixtures
            ],
            "products": [
                {"id": p.id, "name": p.name, "mass_g": _or_none(p.mass_g), "price": _or_none(p.price)}
                | ({"by_weight": True} if p.by_weight else {})  # absent from documents of before, as are tags
                | ({"tags": list(p.tags)} if p.tags else {})
                for p in self.products
            ],
            "planogram": [{"product": f.product, "plates": list(f.plates), "box": _box(f.box)} for f in self.planogram],
            "cameras": [
                {
                    "id": c.id,
                    "matrix": c.matrix.tolist(),
                    "rotation": c.rotation.tolist(),
                    "translation_m": c.translation_m.tolist(),
                    "distortion": c.distortion.tolist(),
                    "size_px": list(c.size_px),
                }
                | ({} if c.model == "pinhole" else {"model": c.model})  # absent from documents of before
                for c in self.cameras
            ],
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Store":
        """Read what `to_dict` wrote.

        Raises
        ------
        ValueError
            If the document is of another format, a field is missing or a value is refused.
        """
        if not isinstance(document, dict) or document.get("format") != "fusion.store/1":
            raise ValueError("store document must have format 'fusion.store/1'")
        try:
            return cls(
                fixtures=tuple(
                    Fixture(
                        f["id"],
                        tuple(
                            Shelf(
                                s["id"],
                                tuple(Plate(p["id"], Box(**p["box"]), p["capacity_g"]) for p in s["plates"]),
                            )
                            for s in f["shelves"]
                        ),
                    )
                    for f in document["fixtures"]
                ),
                products=tuple(
                    Product(
                        p["id"],
                        p["name"],
                        _or_nan(p["mass_g"]),
                        _or_nan(p["price"]),
                        p.get("by_weight", False),
                        p.get("tags", ()),
                    )
                    for p in document["products"]
                ),
                planogram=tuple(Facing(f["product"], f["plates"], Box(**f["box"])) for f in document["planogram"]),
                cameras=tuple(Camera(**c) for c in document["cameras"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"store document is incomplete or malformed: {error!r}") from error


def _unit_price(product: Product, grams: float | None = None) -> float:
    if not product.by_weight:
        return product.price
    return product.price * (product.mass_g if grams is None else grams) / 1000.0


def _box(box: Box) -> dict[str, Any]:
    return {
        "origin_m": box.origin_m.tolist(),
        "size_m": box.size_m.tolist(),
        "rotation": box.rotation.tolist(),
    }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
