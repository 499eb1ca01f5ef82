"""The units on the shelves: what each weighs, where it stands and how its weight falls on the plates."""

from dataclasses import dataclass

import numpy as np

from fusion.store import Facing, Store

UNIT_SPREAD = (
    0.005,
    0.01,
)  # deviation of a unit's mass from its product's, by product: filling tolerance of packed food
UNITS = (4, 9)  # of a product at opening, fewest and most
UNIT_WIDTH = (0.5, 0.9)  # of its facing's width
PORTION_SPREAD = 0.4  # standard deviation of the logarithm of a portion's mass over the typical: a wide guess


@dataclass(slots=True, eq=False)
class Unit:
    """One item, or a portion of goods sold by weight.

    Its facing is an index into the planogram; nobody can take it before `available_s`. `taker` took it off a shelf
    last.
    """

    product: str
    mass_g: float
    width_m: float
    facing: int
    center_m: float
    available_s: float = 0.0
    tag: str = ""
    taker: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """Units of one product that one reach moves; without a product, things from outside the store.

    Of goods sold by weight, `quantity` counts portions and `grams` is what they weigh. Where one reach moves several
    products, `plates` are this one's.
    """

    product: str | None
    quantity: int
    misplaced: bool = False
    grams: float | None = None
    plates: tuple[str, ...] = ()


class Stock:
    """All units of the store, those that shoppers carry included."""

    def __init__(self, store: Store, rng: np.random.Generator) -> None:
        self.facings = store.planogram
        self._products = store.product_by_id
        self._home = {facing.product: i for i, facing in enumerate(self.facings)}
        self._edges_m = [
            np.cumsum([0.0, *(store.plate_by_id[plate].box.size_m[0] for plate in facing.plates)])
            for facing in self.facings
        ]
        self.units = [unit for i, facing in enumerate(self.facings) for unit in self._fill(i, facing, rng)]

    def _fill(self, index: int, facing: Facing, rng: np.random.Generator, count: int | None = None) -> list[Unit]:
        width = self.width_m(index) * rng.uniform(*UNIT_WIDTH)
        spread = rng.uniform(*UNIT_SPREAD)
        product = self._products[facing.product]
        return [
            Unit(
                facing.product,
                product.mass_g
                * (float(np.exp(PORTION_SPREAD * rng.normal())) if product.by_weight else 1.0 + spread * rng.normal()),
                width,
                index,
                self.place_m(index, width, rng),
            )
            for _ in range(rng.integers(*UNITS, endpoint=True) if count is None else count)
        ]

    def deliver(self, facing: int, count: int, rng: np.random.Generator) -> list[Unit]:
        """Bring new units of what belongs on a facing into the store; somebody has yet to put them there."""
        units = self._fill(facing, self.facings[facing], rng, count)
        for unit in units:
            unit.available_s = np.inf
        self.units += units
        return units

    def width_m(self, facing: int) -> float:
        """Width of a facing."""
        return float(self._edges_m[facing][-1])

    def place_m(self, facing: int, width_m: float, rng: np.random.Generator) -> float:
        """Choose a centre, from the facing's left edge, at which something of that width stands wholly within."""
        return float(rng.uniform(width_m / 2, self.width_m(facing) - width_m / 2))

    def by_weight(self, product: str) -> bool:
        """Tell whether a product is sold by weight."""
        return self._products[product].by_weight

    def moves(self, units: list[Unit], facing: int | None = None) -> tuple[Move, ...]:
        """Say what moves with some units from where they lie, or to a facing: one entry for each product."""
        result = []
        products = list(dict.fromkeys(unit.product for unit in units))
        for product in products:
            alike = [unit for unit in units if unit.product == product]
            place = alike[0].facing if facing is None else facing
            grams = sum(unit.mass_g for unit in alike) if self.by_weight(product) else None
            plates: tuple[str, ...] = ()
            if len(products) > 1 and facing is None:
                loads = [self.loads_g(u.facing, [u.center_m], [u.width_m], [u.mass_g]) for u in alike]
                plates = tuple(dict.fromkeys(plate for load in loads for plate in load))
            result.append(Move(product, len(alike), place != self.home(alike[0]), grams, plates))
        return tuple(result)

    def home(self, unit: Unit) -> int:
        """Tell where a unit belongs."""
        return self._home[unit.product]

    def loads_g(
        self, facing: int, centers_m: list[float], widths_m: list[float], masses_g: list[float]
    ) -> dict[str, float]:
        """Split weights over the plates below them: evenly over their widths, as flat bottoms press."""
        edges = self._edges_m[facing]
        loads = np.zeros(len(edges) - 1)
        for center, width, mass in zip(centers_m, widths_m, masses_g, strict=True):
            low = np.maximum(edges[:-1], center - width / 2)
            high = np.minimum(edges[1:], center + width / 2)
            overlap = np.maximum(high - low, 0.0)
            loads += mass * overlap / overlap.sum()
        return {plate: float(g) for plate, g in zip(self.facings[facing].plates, loads, strict=True) if g != 0.0}

    def plates_g(self) -> dict[str, float]:
        """Tell what lies on each plate, for those on which something does."""
        result: dict[str, float] = {}
        for unit in self.units:
            for plate, load in self.loads_g(unit.facing, [unit.center_m], [unit.width_m], [unit.mass_g]).items():
                result[plate] = result.get(plate, 0.0) + load
        return result

    def available(self, time_s: float) -> list[Unit]:
        """List the units that lie on the shelves from that time on."""
        return [unit for unit in self.units if unit.available_s <= time_s]
