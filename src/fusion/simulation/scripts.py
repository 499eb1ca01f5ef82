"""Who does what and when: the shoppers' visits, planned so that bodies and items never collide."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.actions import (
    ASIDE_M,
    DWELL_S,
    HAND_WIDTH_M,
    HOLD_S,
    REACH_S,
    STATURE_M,
    TOUCH_G,
    TOUCH_S,
    Action,
    Kind,
    Visit,
    grip_m,
    stand_m,
)
from fusion.simulation.paths import Path, find_walk
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.shelf import Stock, Unit
from fusion.simulation.store import EXIT_M, GATE_M

GAP_S = 2.5  # between shoppers who come in, at most
LEAVE_S = 9.0  # before the end of the recording, when shoppers begin to leave
COMPANY_TRIES = 150  # before somebody who wants company waits
RETRY_S = 0.4  # until somebody whose way is blocked tries something else
PATIENCE_S = 600.0
TWO_PROBABILITY = 0.2  # that a hand takes two of a kind: nobody has published how often


def write_visits(settings: SimulationSettings, stock: Stock, rng: np.random.Generator) -> list[Visit]:
    """Plan all visits; `stock` is left as it is in the end.

    Raises
    ------
    RuntimeError
        If shoppers block each other for ten minutes: the store is too small for so many.
    """
    ids = rng.choice(9 * 10**17, settings.shoppers, replace=False) + 10**18
    visits = [Visit(str(i), float(rng.uniform(*STATURE_M))) for i in ids]
    # Most shoppers are in the store together: all have come before half of the time is over.
    gap_s = min(GAP_S, 0.5 * (settings.duration_s - LEAVE_S) / settings.shoppers)
    queue = [(gap_s * (i + float(rng.uniform(0.2, 0.6))), i) for i in range(settings.shoppers)]
    while queue:
        time_s, i = heapq.heappop(queue)
        if time_s > settings.duration_s + PATIENCE_S:
            raise RuntimeError(f"{settings.shoppers} shoppers block each other before {settings.fixtures} fixtures")
        others = [v.path for v in visits if v is not visits[i]]
        # A crowd comes together and goes together: whoever is done waits for the others.
        waits = settings.company_m > 0.0 and any(len(v.actions) < settings.events_per_shopper for v in visits)
        free_s = Planner(settings, stock, rng, visits[i], others, waits).next(time_s)
        if free_s is not None:
            heapq.heappush(queue, (free_s, i))
    return visits


@dataclass(slots=True)
class _Intention:
    """What a shopper is about to do: with which units, at which facing, at which places along it."""

    kind: Kind
    facing: int
    centers_m: list[float]
    units: list[Unit]


@dataclass(slots=True)
class Planner:
    """Plans one shopper's next action among the others' committed paths."""

    settings: SimulationSettings
    stock: Stock
    rng: np.random.Generator
    visit: Visit
    others: list[Path]
    waits: bool = False

    def next(self, time_s: float) -> float | None:
        """Plan what follows at that time; returns when the shopper is free again, None after the exit."""
        done = len(self.visit.actions) >= self.settings.events_per_shopper
        if (done and not self.waits) or time_s > self.settings.duration_s - LEAVE_S:
            return self._leave(time_s)
        wish: tuple[Kind, bool] | None = None
        for _ in range(0 if done else COMPANY_TRIES if self.settings.company_m else 1):
            intention = self._intend(time_s)
            # Places are drawn anew, but the wish stays: else what happens to lie close by would be handled most.
            if intention is None or (wish and self._sort(intention) != wish):
                continue
            wish = self._sort(intention)
            action = self._approach(time_s, intention)
            if action is not None:
                self._commit(action, intention)
                return action.reach_s[3] + float(self.rng.uniform(0.1, 1.0))
        return time_s + RETRY_S

    def _sort(self, intention: _Intention) -> tuple[Kind, bool]:
        """Tell a kind of intention, and whether it concerns what is, or will be, out of its place."""
        return intention.kind, any(intention.facing != self.stock.home(unit) for unit in intention.units)

    def _intend(self, time_s: float) -> _Intention | None:
        if self.rng.random() < self.settings.touch_probability:
            facing = int(self.rng.integers(len(self.stock.facings)))
            return _Intention("touch", facing, [self.stock.place_m(facing, HAND_WIDTH_M, self.rng)], [])
        if self.visit.carried and self.rng.random() < self.settings.return_probability:
            units = self._handful(self.visit.carried)
            facing = self._destination(units[0])
            places = [self.stock.place_m(facing, unit.width_m, self.rng) for unit in units]
            return _Intention("return", facing, places, units)
        available = self.stock.available(time_s)
        strays = [u for u in available if u.facing != self.stock.home(u)]
        if not strays or self.rng.random() < 0.5:  # otherwise somebody finds what was misplaced
            facing = int(self.rng.integers(len(self.stock.facings)))
            available = [u for u in available if u.facing == facing]
        else:
            available = strays
        if not available:
            return None
        units = self._handful(available)
        return _Intention("take", units[0].facing, [u.center_m for u in units], units)

    def _handful(self, units: list[Unit]) -> list[Unit]:
        """One unit, or sometimes two of the same product from the same place."""
        first = units[int(self.rng.integers(len(units)))]
        alike = [u for u in units if u is not first and (u.product, u.facing) == (first.product, first.facing)]
        return [first, alike[0]] if alike and self.rng.random() < TWO_PROBABILITY else [first]

    def _destination(self, unit: Unit) -> int:
        """Where a returned unit goes: home, or to another facing that is wide enough."""
        home = self.stock.home(unit)
        foreign = [i for i in range(len(self.stock.facings)) if i != home and self.stock.width_m(i) >= unit.width_m]
        if foreign and self.rng.random() < self.settings.misplace_probability:
            return foreign[int(self.rng.integers(len(foreign)))]
        return home

    def _approach(self, time_s: float, intention: _Intention) -> Action | None:
        """Walk to the facing and reach, or None if the way is blocked."""
        rng = self.rng
        box = self.stock.facings[intention.facing].box
        wrist_m, along_m = grip_m(box, float(np.mean(intention.centers_m)), rng)
        aside_m = rng.choice([-1.0, 1.0]) * rng.uniform(*ASIDE_M)
        place, heading = stand_m(box, along_m + aside_m)
        dwell = rng.uniform(*(TOUCH_S if intention.kind == "touch" else DWELL_S))
        held_s, held_g = self._hold()
        reach, back = rng.uniform(*REACH_S, 2)
        stay_s = float(reach + held_s + dwell + back + 1.0)
        if not self._in_company(place) or not self._walk(time_s, place, heading, stay_s):
            return None
        start = self.visit.path.walks[-1].end_s
        there, away = float(start + reach), float(start + reach + held_s + dwell)
        phases = (start, there, away, float(away + back))
        return Action(
            kind=intention.kind,
            time_s=(there + away) / 2 if intention.kind == "touch" else float(away - dwell / 2),
            reach_s=phases,
            wrist_m=wrist_m,
            right_hand=bool(aside_m < 0),
            loads_g=self._loads_g(intention),
            moves=self.stock.moves(intention.units, intention.facing),
            held_g=held_g,
        )

    def _in_company(self, place_m: NDArray[np.float64]) -> bool:
        """Tell whether everybody who is bound for some place in the store will have company there."""
        within_m = self.settings.company_m
        bound = [o.walks[-1].end_m for o in self.others if o.walks and o.exit_s == np.inf]
        if not within_m or not bound:
            return True
        places = np.array([place_m, *bound])
        apart = np.sqrt(((places[:, None] - places) ** 2).sum(axis=-1))
        np.fill_diagonal(apart, np.inf)
        return bool((apart.min(axis=1) <= within_m).all())

    def _hold(self) -> tuple[float, float]:
        """Draw for how long a hand rests before it does anything, and how heavily."""
        rng = self.rng.spawn(1)[0]  # of its own, so that settings without holds draw what they always drew
        if rng.random() >= self.settings.hold_probability:
            return 0.0, 0.0
        return float(rng.uniform(*HOLD_S)), float(rng.uniform(*TOUCH_G))

    def _loads_g(self, intention: _Intention) -> dict[str, float]:
        if intention.kind == "touch":
            force = self.rng.uniform(*TOUCH_G)
            return self.stock.loads_g(intention.facing, intention.centers_m, [HAND_WIDTH_M], [force])
        sign = -1.0 if intention.kind == "take" else 1.0
        masses = [sign * unit.mass_g for unit in intention.units]
        return self.stock.loads_g(intention.facing, intention.centers_m, [u.width_m for u in intention.units], masses)

    def _commit(self, action: Action, intention: _Intention) -> None:
        self.visit.actions.append(action)
        if action.kind == "touch":
            return
        for unit, center in zip(intention.units, intention.centers_m, strict=True):
            if action.kind == "take":
                self.visit.pick_up(unit)
            else:
                self.visit.put_down(unit, intention.facing, center, action.reach_s[3])

    def _leave(self, time_s: float) -> float | None:
        if not self._walk(time_s, EXIT_M, np.pi, 0.0):
            return time_s + RETRY_S
        self.visit.path.exit_s = self.visit.path.walks[-1].end_s
        return None

    def _walk(self, time_s: float, place_m: NDArray[np.float64], heading: float, stay_s: float) -> bool:
        walks = self.visit.path.walks
        start = (walks[-1].end_m, walks[-1].end_heading) if walks else (GATE_M, 0.0)
        walk = find_walk(time_s, start, (place_m, heading), stay_s, self.others)
        if walk:
            walks.append(walk)
        return walk is not None
