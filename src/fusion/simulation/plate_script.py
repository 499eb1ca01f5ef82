"""Who moves, presses and leans on what, and when, on a fixture whose shoppers nobody sees."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fusion.simulation.actions import HOLD_S, TOUCH_G, TOUCH_S
from fusion.simulation.forces import LEAN_S
from fusion.simulation.paths import Array
from fusion.simulation.plate_settings import PlateSettings
from fusion.simulation.shelf import UNIT_SPREAD, UNIT_WIDTH, UNITS
from fusion.simulation.store import HEAVIEST_G, LIGHTEST_G, partition

MARGIN_S = 5.0  # at both ends, in which no load changes
APART_S = 0.3  # between two changes of one plate
WAIT_S = 0.3  # beyond that, on average, where one hand waits for another
DOUBLE_S = (0.3, 1.0)  # from one item to the next in a quick hand
SWAP_S = 0.3  # at most, between what one hand takes and the other returns
TOUCHED_PLATES = (1, 2)  # that a hand covers: it is 8 cm wide, a plate 10 cm


@dataclass(frozen=True, slots=True, eq=False)
class Lot:
    """What lies on, or presses on, some columns: grams of each."""

    columns: tuple[int, ...]
    grams: Array


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Loads that come (positive) or go at `time_s`; before it a hand may rest there for `hold_s` with `hold_g`."""

    time_s: float
    lot: Lot
    hold_s: float
    hold_g: float


@dataclass(frozen=True, slots=True, eq=False)
class Press:
    """A hand that presses and changes nothing."""

    kind: Literal["touch", "hold"]
    start_s: float
    end_s: float
    lot: Lot


@dataclass(slots=True, eq=False)
class Place:
    """A facing: its columns, its product and what stands there."""

    columns: tuple[int, ...]
    mass_g: float
    spread: float
    width: float
    target: int
    lots: list[Lot] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Script:
    """All that happens."""

    facings: tuple[tuple[int, ...], ...]
    opening_g: Array
    moves: list[Move]
    presses: list[Press]
    leans: list[tuple[float, float, int]]
    """Start, end and shelf."""
    walks_s: list[float]
    """When somebody passes."""


def write_script(settings: PlateSettings, rng: np.random.Generator) -> Script:
    """Stock a fixture and plan what happens to it."""
    return _Writer(settings, rng).write()


class _Writer:
    """Keeps the books: a load never falls below zero nor beyond the capacity."""

    def __init__(self, settings: PlateSettings, rng: np.random.Generator) -> None:
        self.settings, self.rng = settings, rng
        self.width = settings.plates + settings.phantoms  # columns of a shelf
        self.load_g = np.zeros(settings.shelves * self.width)
        self.free_s = np.zeros(len(self.load_g))
        self.places = [
            self._place(tuple(range(shelf * self.width + first, shelf * self.width + first + count)))
            for shelf in range(settings.shelves)
            for first, count in partition(settings.plates, rng)
        ]
        for place in self.places:
            for _ in range(place.target):
                self._put(place, self._unit(place, place))

    def write(self) -> Script:
        """Draw all occasions and act them out in order of time."""
        settings, rng = self.settings, self.rng
        opening_g, moves = self.load_g.copy(), []
        live = settings.shelves * settings.plates
        # An occasion moves one thing or two, and a thing lies on one plate or more.
        things = 1.0 + settings.double_share + settings.swap_share
        rate = settings.events_per_plate_hour * live / (things * self._mean_span())
        for time_s in self._times(rate, MARGIN_S):
            moves += self._occasion(time_s)
        presses = [
            Press("touch", start_s, start_s + float(rng.uniform(*TOUCH_S)), self._hand())
            for start_s in self._times(settings.touches_per_plate_hour * live, 0.0)
        ]
        presses += [
            Press("hold", start_s, start_s + float(rng.uniform(*HOLD_S)), self._hand())
            for start_s in self._times(settings.rests_per_plate_hour * live, 0.0)
        ]
        leans = [
            (start_s, start_s + float(rng.uniform(*LEAN_S)), int(rng.integers(settings.shelves)))
            for start_s in self._times(settings.leans_per_hour, 0.0)
        ]
        moves.sort(key=lambda move: move.time_s)
        presses.sort(key=lambda press: press.start_s)
        facings = tuple(place.columns for place in self.places)
        return Script(facings, opening_g, moves, presses, leans, self._times(settings.walks_per_hour, 0.0))

    def _times(self, per_hour: float, margin_s: float) -> list[float]:
        """Draw a Poisson process that keeps clear of both ends."""
        duration = self.settings.duration_s
        times = self.rng.uniform(margin_s, duration - margin_s, self.rng.poisson(per_hour * duration / 3600.0))
        return [float(t) for t in np.sort(times)]

    def _place(self, columns: tuple[int, ...]) -> Place:
        rng = self.rng
        mass = float(np.exp(rng.uniform(np.log(LIGHTEST_G), np.log(HEAVIEST_G))))
        width = len(columns) * float(rng.uniform(*UNIT_WIDTH))
        return Place(columns, mass, float(rng.uniform(*UNIT_SPREAD)), width, int(rng.integers(*UNITS, endpoint=True)))

    def _mean_span(self) -> float:
        """Estimate on how many plates a thing lies, places chosen in proportion to their plates."""
        spans = [np.mean([len(lot.columns) for lot in place.lots] or [1]) for place in self.places]
        return float(np.average(spans, weights=[len(place.columns) for place in self.places]))

    def _unit(self, product: Place, place: Place) -> Lot:
        """Stand a unit of one place's product somewhere on another's columns; flat bottoms press evenly."""
        mass = product.mass_g * (1.0 + product.spread * self.rng.normal())
        width = min(product.width, float(len(place.columns)))
        left = self.rng.uniform(0.0, len(place.columns) - width)
        edges = np.arange(len(place.columns) + 1.0)
        overlap = np.maximum(np.minimum(edges[1:], left + width) - np.maximum(edges[:-1], left), 0.0)
        covered = np.flatnonzero(overlap > 0.0)
        return Lot(tuple(place.columns[i] for i in covered), mass * overlap[covered] / overlap.sum())

    def _put(self, place: Place, lot: Lot) -> bool:
        columns = list(lot.columns)
        if (self.load_g[columns] + lot.grams > self.settings.capacity_g).any():
            return False
        place.lots.append(lot)
        self.load_g[columns] += lot.grams
        return True

    def _occasion(self, time_s: float) -> list[Move]:
        settings, rng = self.settings, self.rng
        place = self._choose(self.places)
        takes = rng.random() * 2 * place.target < len(place.lots)  # stock swings about its target
        hold_s = float(rng.uniform(*HOLD_S)) if rng.random() < settings.hold_share else 0.0
        kind = rng.random()
        moves = self._move(place, takes, time_s, hold_s)
        others = [other for other in self.places if other is not place]
        if kind < settings.double_share:
            moves += self._move(place, takes, time_s + float(rng.uniform(*DOUBLE_S)), 0.0)
        elif kind < settings.double_share + settings.swap_share and others:
            moves += self._move(self._choose(others), not takes, time_s + float(rng.uniform(-SWAP_S, SWAP_S)), 0.0)
        return moves

    def _choose(self, places: list[Place]) -> Place:
        weights = np.array([len(place.columns) for place in places], dtype=np.float64)
        return places[int(self.rng.choice(len(places), p=weights / weights.sum()))]

    def _move(self, place: Place, takes: bool, time_s: float, hold_s: float) -> list[Move]:
        """Take something from a place or put something there, where that is possible."""
        rng = self.rng
        if takes:
            if not place.lots:
                return []
            lot, sign = place.lots.pop(int(rng.integers(len(place.lots)))), -1.0
            self.load_g[list(lot.columns)] -= lot.grams
        else:
            product = place
            if rng.random() < self.settings.misplace_probability:
                product = self.places[int(rng.integers(len(self.places)))]
            lot, sign = self._unit(product, place), 1.0
            if not self._put(place, lot):
                return []
        free_s = float(self.free_s[list(lot.columns)].max())
        if time_s < free_s:  # where another hand was a moment ago, this one waits
            time_s = free_s + float(rng.exponential(WAIT_S))
        self.free_s[list(lot.columns)] = time_s + APART_S
        return [Move(time_s, Lot(lot.columns, sign * lot.grams), hold_s, float(rng.uniform(*TOUCH_G)))]

    def _hand(self) -> Lot:
        """Lay a hand on one plate or on two beside each other."""
        rng, plates = self.rng, self.settings.plates
        count = min(int(rng.integers(*TOUCHED_PLATES, endpoint=True)), plates)
        first = int(rng.integers(self.settings.shelves)) * self.width + int(rng.integers(plates - count + 1))
        share = rng.uniform(0.2, 0.8)
        parts = np.array([1.0]) if count == 1 else np.array([share, 1.0 - share])
        return Lot(tuple(range(first, first + count)), rng.uniform(*TOUCH_G) * parts)
