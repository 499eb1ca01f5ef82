"""Builds the store: fixtures along two walls, shelves, plates, products and the planogram.

The aisle lies between the walls y = 0 and y = `AISLE_M`; shoppers come and go at its end x < 0. The axes of every box
are: along the shelf to the shopper's right, into the shelf, up; its origin is the lower left corner of the front.
"""

from dataclasses import replace

import numpy as np

from fusion.simulation.settings import SimulationSettings
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store

AISLE_M = 3.0
PITCH_M = 0.1  # width of a plate and depth of a shelf: NanoStore's gondolas have twelve plates of 0.1 m x 0.4 m
DEPTH_M = 0.4
GAP_M = 0.9  # between fixtures of one wall: two shoppers can stand before neighbouring fixtures
GATE_M = np.array([-1.2, 1.0])
EXIT_M = np.array([-1.2, 2.0])
LOWEST_M, HIGHEST_M = 0.3, 1.6  # lowest board, and top of the highest space
TALLEST_M = 0.35  # of the space above a board
LIGHTEST_G, HEAVIEST_G = 30.0, 1500.0  # a bag of crisps to a bottle; NanoStore's catalogue spans the same
TWINS = 0.25  # share of products whose mass is that of the product before, to within 1 %
LOOSE = ("Apples", "Grapes", "Almonds", "Sweets", "Cheese", "Olives")
PORTION_G = (100.0, 600.0)  # typical, of goods sold by weight
KINDS = ("Crisps", "Chocolate", "Biscuits", "Juice", "Water", "Pasta", "Rice", "Coffee", "Soup", "Honey", "Tea", "Nuts")


def build_store(settings: SimulationSettings, rng: np.random.Generator) -> Store:
    """Build a random store of the size asked for."""
    fixtures: list[Fixture] = []
    facings: list[tuple[tuple[Plate, ...], Box]] = []
    for i in range(settings.fixtures):
        origin_m, rotation = _placement(i, settings.walls, settings.plates * PITCH_M, rng)
        shelves = []
        for j, z in enumerate(_heights(settings.shelves)):
            height = min(TALLEST_M, (HIGHEST_M - LOWEST_M) / settings.shelves)
            corner = origin_m + np.array([0.0, 0.0, z])
            plates = tuple(
                Plate(
                    f"{i + 1}/{j + 1}/{k + 1}",
                    Box(corner + rotation[:, 0] * k * PITCH_M, np.array([PITCH_M, DEPTH_M, height]), rotation),
                )
                for k in range(settings.plates)
            )
            shelves.append(Shelf(f"{i + 1}/{j + 1}", plates))
            for first, count in partition(settings.plates, rng):
                size = np.array([count * PITCH_M, DEPTH_M, height])
                facings.append((plates[first : first + count], Box(plates[first].box.origin_m, size, rotation)))
        fixtures.append(Fixture(str(i + 1), tuple(shelves)))
    products = _products(len(facings), settings.by_weight_share, rng)
    planogram = tuple(
        Facing(product.id, tuple(p.id for p in plates), box)
        for product, (plates, box) in zip(products, facings, strict=True)
    )
    return Store(tuple(fixtures), products, planogram)


def _placement(index: int, walls: int, width_m: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Place fixtures at the walls in turns, facing the aisle and a little askew, as people put them."""
    column, far_wall = index // walls, index % walls == 0
    askew = np.deg2rad(rng.normal(0.0, 2.0))
    left = column * (width_m + GAP_M)
    if far_wall:
        return np.array([left, AISLE_M, 0.0]), _about_z(askew)
    return np.array([left + width_m, 0.0, 0.0]), _about_z(np.pi + askew)


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _heights(shelves: int) -> np.ndarray:
    return np.linspace(LOWEST_M, HIGHEST_M, shelves + 1)[:-1] if shelves > 1 else np.array([0.9])


def partition(plates: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Cut a shelf into facings of one to three plates: (first plate, count)."""
    parts = []
    first = 0
    while first < plates:
        count = min(int(rng.integers(1, 4)), plates - first)
        parts.append((first, count))
        first += count
    return parts


def _products(count: int, by_weight_share: float, rng: np.random.Generator) -> tuple[Product, ...]:
    masses = np.exp(rng.uniform(np.log(LIGHTEST_G), np.log(HEAVIEST_G), count))
    for i in range(1, count):
        if rng.random() < TWINS:
            masses[i] = masses[i - 1] * rng.uniform(0.99, 1.01)
    masses = rng.permutation(np.round(masses, 1))  # twins lie anywhere
    barcodes = 4_000_000_000_000 + rng.choice(10**9, count, replace=False)
    products = tuple(
        Product(str(code), f"{KINDS[i % len(KINDS)]} {mass:.0f} g", float(mass), float(np.round(rng.uniform(1, 9), 2)))
        for i, (code, mass) in enumerate(zip(barcodes, masses, strict=True))
    )
    loose = rng.random(count) < by_weight_share if by_weight_share else np.zeros(count, dtype=np.bool_)
    return tuple(
        replace(product, name=f"{LOOSE[i % len(LOOSE)]} {i + 1}, loose", mass_g=rng.uniform(*PORTION_G), by_weight=True)
        if loose[i]
        else product
        for i, product in enumerate(products)
    )
