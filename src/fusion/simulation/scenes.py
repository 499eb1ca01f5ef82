"""A director: some shoppers play what a scene asks for while the others shop as they like."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.actions import (
    ASIDE_M,
    DWELL_S,
    REACH_S,
    STAND_M,
    STATURE_M,
    Action,
    Kind,
    Visit,
    grip_m,
    stand_m,
)
from fusion.simulation.paths import APART_M, MARGIN_M, WALL_M, find_walk
from fusion.simulation.scripts import PATIENCE_S, RETRY_S, Planner
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.shelf import Move, Unit
from fusion.simulation.simulation import Premises, Simulation, generators
from fusion.simulation.store import AISLE_M, EXIT_M, GATE_M, build_store
from fusion.store import Store

ENTER_S = (0.5, 2.0)  # between shoppers who come in
PAUSE_S = (0.1, 1.0)  # between what somebody does and what he does next
PASS_M = (0.68, 0.9)  # between two who hand something over
PASS_HEIGHT_M = (0.6, 0.7)  # of the hands that meet, over the smaller one's stature
ASIDE_WALK_M = 1.5  # along the aisle, by whoever stands in another's way
STAY_S = 5.0  # in which nobody who is on his way may come by
DETOUR_TRIES = 5  # before somebody whose way is blocked goes about it
NEAR_M = APART_M + MARGIN_M
ROOM_M = 0.8  # that is enough between two who do not know each other
FOREVER = {"duration_s": 1e9, "events_per_shopper": 10**6}  # nobody leaves before the scene is over

Edit = Callable[[Store, np.random.Generator], Store]


class Scene:
    """A store in which visits are directed one step after the other, then recorded.

    Parameters
    ----------
    settings : SimulationSettings
        Store and sensors; how many shoppers there are and how long it lasts is up to the director.
    edit : callable, optional
        Changes the store before it opens.
    """

    def __init__(self, settings: SimulationSettings, edit: Edit | None = None) -> None:
        rng = generators(settings.seed)
        store = build_store(settings, rng["store"])
        self._premises = Premises(settings, edit(store, rng["store"]) if edit else store, rng)
        self._plans = replace(settings, **FOREVER)  # type: ignore[arg-type]
        self._free_s: dict[str, float] = {}
        self._end_m = max(float(plate.box.center_m[0]) for plate in store.plate_by_id.values())
        self.rng, self.stock, self.store = rng["scripts"], self._premises.stock, self._premises.store
        self.visits: list[Visit] = []
        self.cast: list[Visit] = []

    def join(self, *, stature_m: tuple[float, float] = STATURE_M) -> Visit:
        """Let one more come in."""
        last_s = max(self._free_s.values(), default=0.0) if not self.visits else self._free_s[self.visits[-1].shopper]
        visit = Visit(str(10**18 + int(self.rng.integers(9 * 10**17))), float(self.rng.uniform(*stature_m)))
        self._free_s[visit.shopper] = last_s + float(self.rng.uniform(*ENTER_S))
        self.visits.append(visit)
        return visit

    def free_s(self, *visits: Visit) -> float:
        """Tell when all of them are free."""
        return max(self._free_s[visit.shopper] for visit in visits)

    def wait(self, visit: Visit, until_s: float) -> None:
        """Let somebody do nothing until a time."""
        self._free_s[visit.shopper] = max(self._free_s[visit.shopper], until_s)

    def shop(self, visit: Visit, events: int) -> None:
        """Let somebody shop as shoppers do, for some events."""
        done = len(visit.actions) + events
        while len(visit.actions) < done:
            self._shop_once(visit)

    def meanwhile(self, events: int) -> None:
        """Let those who are not in the cast shop until the cast is free, for that many events each at most."""
        until_s = self.free_s(*self.cast)
        for visit in (v for v in self.visits if v not in self.cast):
            done = len(visit.actions) + events
            while self.free_s(visit) < until_s and len(visit.actions) < done:
                self._shop_once(visit)

    def units(self, facing: int) -> list[Unit]:
        """List what lies on a facing when the first of the cast is free, and is not taken by anybody later."""
        now_s = min(self.free_s(visit) for visit in self.cast)
        return [unit for unit in self.stock.units if unit.facing == facing and unit.available_s <= now_s]

    def own(self, facing: int) -> list[Unit]:
        """List those of `units` that belong there."""
        return [unit for unit in self.units(facing) if self.stock.home(unit) == facing]

    def deliver(self, visit: Visit, facing: int, count: int) -> list[Unit]:
        """Let somebody have new units of what belongs on a facing with him."""
        units = self.stock.deliver(facing, count, self.rng)
        visit.carried += units
        return units

    def along_m(self, facing: int, center_m: float) -> float:
        """Tell how far from the left end of its fixture a place on a facing is."""
        plate = self.stock.facings[facing].plates[0]
        fixture = next(f for f in self.store.fixtures if plate in {p.id for p in f.plates})
        box = fixture.plates[0].box
        return float((self.stock.facings[facing].box.origin_m - box.origin_m) @ box.rotation[:, 0]) + center_m

    def go(self, visit: Visit, place_m: NDArray[np.float64], heading: float) -> float:
        """Walk somewhere as soon as the way is free, and return when the shopper is there."""
        give_up_s = self.free_s(visit) + PATIENCE_S
        for k in count(1):
            if self._walk(visit, place_m, heading, STAY_S):
                return self.free_s(visit)
            self.wait(visit, self.free_s(visit) + RETRY_S)
            detour = k % DETOUR_TRIES == 0
            self._make_way(visit, place_m, np.inf if detour else NEAR_M)
            if detour:
                self._step_aside(visit)
            if self.free_s(visit) > give_up_s:
                break
        raise RuntimeError("the way is blocked for ten minutes")

    def _walk(self, visit: Visit, place_m: NDArray[np.float64], heading: float, stay_s: float) -> bool:
        walks = visit.path.walks
        start = (walks[-1].end_m, walks[-1].end_heading) if walks else (GATE_M, 0.0)
        others = [other.path for other in self.visits if other is not visit]
        walk = find_walk(self.free_s(visit), start, (place_m, heading), stay_s, others)
        if walk is not None:
            walks.append(walk)
            self.wait(visit, walk.end_s)
        return walk is not None

    def stand(self, visit: Visit, facing: int, center_m: float, aside_m: float | None = None) -> float:
        """Walk before a place on a facing, so that it is a little aside, and return when the shopper is there."""
        if aside_m is None:
            aside_m = float(self.rng.choice([-1.0, 1.0]) * self.rng.uniform(*ASIDE_M))
        return self.go(visit, *stand_m(self.stock.facings[facing].box, center_m + aside_m))

    def reach(
        self,
        visit: Visit,
        kind: Kind,
        facing: int,
        center_m: float,
        loads_g: dict[str, float],
        moves: tuple[Move, ...],
        *,
        at_s: float | None = None,
        right_hand: bool | None = None,
        reach_s: tuple[float, float] = REACH_S,
    ) -> Action:
        """Reach from where the shopper stands; the load changes at a time, or as soon as it can."""
        box = self.stock.facings[facing].box
        wrist_m, _ = grip_m(box, center_m, self.rng)
        out, back = self.rng.uniform(*reach_s, 2)
        dwell = float(self.rng.uniform(*DWELL_S))
        if at_s is None:
            at_s = self.free_s(visit) + float(self.rng.uniform(*PAUSE_S)) + out + dwell / 2
        if right_hand is None:
            right_hand = bool((wrist_m[:2] - visit.path.walks[-1].end_m) @ box.rotation[:2, 0] > 0.0)
        there, away = float(at_s - dwell / 2), float(at_s + dwell / 2)
        phases = (there - float(out), there, away, away + float(back))
        action = Action(kind, float(at_s), phases, wrist_m, right_hand, loads_g, moves)
        visit.actions.append(action)
        self.wait(visit, phases[3])
        return action

    def take(
        self,
        visit: Visit,
        units: Sequence[Unit],
        *,
        at_s: float | None = None,
        right_hand: bool | None = None,
        reach_s: tuple[float, float] = REACH_S,
    ) -> Action:
        """Take units from where they lie, on one shelf within a hand's breadth, in one reach."""
        first = units[0].facing
        loads = self._loads_g(units, [u.facing for u in units], [u.center_m for u in units], -1.0)
        moves = self.stock.moves(list(units))
        start = self.along_m(first, 0.0)
        center = float(np.mean([self.along_m(u.facing, u.center_m) for u in units])) - start
        action = self.reach(
            visit, "take", first, center, loads, moves, at_s=at_s, right_hand=right_hand, reach_s=reach_s
        )
        for unit in units:
            visit.pick_up(unit)
        return action

    def put(self, visit: Visit, units: Sequence[Unit], facing: int, *, at_s: float | None = None) -> Action:
        """Put units that the shopper carries down on a facing."""
        centers = [self.stock.place_m(facing, unit.width_m, self.rng) for unit in units]
        loads, moves = self._loads_g(units, [facing] * len(units), centers, 1.0), self.stock.moves(list(units), facing)
        action = self.reach(visit, "return", facing, float(np.mean(centers)), loads, moves, at_s=at_s)
        for unit, center in zip(units, centers, strict=True):
            visit.put_down(unit, facing, center, action.reach_s[3])
        return action

    def hand_over(self, giver: Visit, receiver: Visit, unit: Unit) -> Action:
        """Walk to somebody, and give him something."""
        self.wait(giver, self.free_s(receiver))
        place = receiver.path.walks[-1].end_m
        # Any side will do on which there is room, away from the walls and from everybody else.
        angle = float(self.rng.uniform(0.0, 2 * np.pi))
        apart = float(self.rng.uniform(*PASS_M))
        spots = [place + apart * np.array([np.cos(angle + a), np.sin(angle + a)]) for a in np.arange(0.0, 6.28, 0.3)]
        spot = max(spots, key=lambda s: min(self._room_m(s, giver, receiver), ROOM_M))
        time_s = self.go(giver, spot, float(np.arctan2(*(place - spot)[::-1]))) + float(self.rng.uniform(*REACH_S))
        height = float(self.rng.uniform(*PASS_HEIGHT_M)) * min(giver.stature_m, receiver.stature_m)
        meet = np.array([*((place + spot) / 2), height])
        dwell = float(self.rng.uniform(*DWELL_S))
        moves = self.stock.moves([unit])
        for visit, moved, to in ((giver, moves, receiver.shopper), (receiver, (), None)):
            out, back = self.rng.uniform(*REACH_S, 2)
            phases = (time_s - float(out), time_s, time_s + dwell, time_s + dwell + float(back))
            right = bool(self.rng.random() < 0.8)
            visit.actions.append(Action("pass", time_s + dwell / 2, phases, meet, right, {}, moved, receiver=to))
            self.wait(visit, phases[3])
        giver.pass_on(unit, receiver)
        return giver.actions[-1]

    def record(self) -> Simulation:
        """Let everybody leave, and return what the sensors saw."""
        self.cast = []
        for visit in sorted(self.visits, key=self.free_s):
            self.wait(visit, self.free_s(visit) + float(self.rng.uniform(*PAUSE_S)))
            visit.path.exit_s = self.go(visit, EXIT_M, np.pi)
        return self._premises.record(self.visits)

    def _loads_g(
        self, units: Sequence[Unit], facings: Sequence[int], centers_m: Sequence[float], sign: float
    ) -> dict[str, float]:
        loads: dict[str, float] = {}
        for unit, facing, center in zip(units, facings, centers_m, strict=True):
            for plate, load in self.stock.loads_g(facing, [center], [unit.width_m], [sign * unit.mass_g]).items():
                loads[plate] = loads.get(plate, 0.0) + load
        return loads

    def _shop_once(self, visit: Visit) -> None:
        others = [other.path for other in self.visits if other is not visit]
        planner = Planner(self._plans, self.stock, self.rng, visit, others)
        free_s = planner.next(self.free_s(visit))
        assert free_s is not None, "nobody leaves on his own account"
        self._free_s[visit.shopper] = free_s

    def _make_way(self, visit: Visit, place_m: NDArray[np.float64], within_m: float) -> None:
        """Let others step aside who stand too close to a place for longer; the cast only if they stand in it."""
        # Nobody may shop meanwhile: he might take what the scene is about.
        time_s = self.free_s(visit)
        for other in (v for v in self.visits if v is not visit and v.path.walks and v.path.exit_s == np.inf):
            apart = float(np.hypot(*(other.path.walks[-1].end_m - place_m)))
            if self.free_s(other) <= time_s and apart < (NEAR_M if other in self.cast else within_m):
                self.wait(other, time_s)
                self._step_aside(other)

    def _step_aside(self, visit: Visit) -> None:
        """Walk somewhere else in the aisle, if there is room at the place drawn."""
        here = visit.path.walks[-1].end_m if visit.path.walks else GATE_M
        along = min(max(here[0] + self.rng.uniform(-ASIDE_WALK_M, ASIDE_WALK_M), GATE_M[0]), self._end_m)
        place = np.array([along, self.rng.uniform(STAND_M, AISLE_M - STAND_M)])
        if self._room_m(place, visit) > ROOM_M:
            self._walk(visit, place, 0.0, 1.0)

    def _room_m(self, place_m: NDArray[np.float64], *pair: Visit) -> float:
        """Tell how far a place is from everybody but a pair; negative where it is too close to a wall."""
        bound = [v.path.walks[-1].end_m for v in self.visits if v.path.walks and v not in pair]
        if not WALL_M < place_m[1] < AISLE_M - WALL_M:
            return -1.0
        return min((float(np.hypot(*(place_m - there))) for there in bound), default=np.inf)
