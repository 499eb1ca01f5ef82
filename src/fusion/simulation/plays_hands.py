"""Scenes about hands: what reaches into a shelf, how quickly, and who stands beside."""

from collections.abc import Callable

import numpy as np

from fusion.simulation.actions import Visit
from fusion.simulation.scenes import Scene
from fusion.simulation.shelf import Unit

EPISODES = 3  # of a session: how often what a scene is about happens
MEANWHILE = 2  # events of everybody else during an episode, at most
HAND_M = 0.35  # along a shelf, what two hands' breadths sweep up at once
BOTH_M = (0.15, 0.7)  # between the hands of one who uses both at once
BOTH_S = 0.3  # between what both do, at most
SERIES, SERIES_S = (3, 5), (0.8, 2.0)  # reaches one after the other, and the time between
QUICK_S = (0.35, 0.45)  # of a wrist to the shelf and back that is in a hurry
BESIDE_M = (0.68, 0.85)  # between two who stand side by side
CHILD_M = (1.0, 1.25)  # stature at four to eight years (WHO growth reference 2007: 1.03 to 1.27 m)


def several_at_once(scene: Scene) -> None:
    """Two or three different products leave the shelf in one reach."""
    actor = enter(scene, 1, others=2)[0]
    for _ in range(EPISODES):
        units = _neighbours(scene, int(scene.rng.integers(2, 4)))
        scene.stand(actor, units[0].facing, units[0].center_m)
        scene.take(actor, units)
        scene.meanwhile(MEANWHILE)


def same_product_twice(scene: Scene) -> None:
    """One takes a unit, and another of the same product at once or in a second reach soon after."""
    actor = enter(scene, 1, others=2)[0]
    for k in range(EPISODES):
        units = choose(scene, lambda units: len(units) >= 3)
        scene.stand(actor, units[0].facing, units[0].center_m)
        if k % 2:
            scene.take(actor, units[:2])
        else:
            scene.take(actor, units[:1])
            scene.wait(actor, scene.free_s(actor) + float(scene.rng.uniform(0.0, 8.0)))
            scene.take(actor, units[1:2])
        scene.meanwhile(MEANWHILE)


def quick_series(scene: Scene) -> None:
    """Reaches of one shopper follow each other within 0.8 to 2 s, hands in turns."""
    actor = enter(scene, 1, others=2)[0]
    for _ in range(EPISODES):
        first = choose(scene)[0]
        scene.stand(actor, first.facing, first.center_m)
        near = _within(scene, first, 0.45)
        time_s = scene.free_s(actor) + 1.0
        right = bool(scene.rng.random() < 0.5)
        for unit in [first, *near][: int(scene.rng.integers(*SERIES, endpoint=True))]:
            scene.take(actor, [unit], at_s=time_s, right_hand=right, reach_s=QUICK_S)
            time_s, right = time_s + float(scene.rng.uniform(*SERIES_S)), not right
        scene.meanwhile(MEANWHILE)


def both_hands(scene: Scene) -> None:
    """One shopper takes with both hands at once, from two places."""
    actor = enter(scene, 1, others=2)[0]
    for _ in range(EPISODES):
        left, right = _pair_apart(scene, *BOTH_M)
        apart = scene.along_m(right.facing, right.center_m) - scene.along_m(left.facing, left.center_m)
        scene.stand(actor, left.facing, left.center_m, aside_m=apart / 2)
        time_s = scene.free_s(actor) + 1.2
        scene.take(actor, [left], at_s=time_s, right_hand=False)
        scene.take(actor, [right], at_s=time_s + float(scene.rng.uniform(0.0, BOTH_S)), right_hand=True)
        scene.meanwhile(MEANWHILE)


def same_shelf_same_second(scene: Scene) -> None:
    """Two shoppers side by side take from one shelf within a second."""
    left, right = enter(scene, 2, others=1)
    for _ in range(EPISODES):
        one, other = _pair_apart(scene, 0.2, 1.0, same_shelf=True)
        _side_by_side(scene, left, right, one, other)
        time_s = scene.free_s(left, right) + 2.2
        scene.take(left, [one], at_s=time_s)
        scene.take(right, [other], at_s=time_s + float(scene.rng.uniform(-1.0, 1.0)))
        scene.meanwhile(MEANWHILE)


def crossing_arms(scene: Scene) -> None:
    """Two shoppers side by side reach across each other: the left one to the right, the right one to the left."""
    left, right = enter(scene, 2, others=1)
    for _ in range(EPISODES):
        one, other = _pair_apart(scene, 0.12, 0.35)
        _side_by_side(scene, left, right, one, other)
        time_s = scene.free_s(left, right) + 1.2
        scene.take(left, [other], at_s=time_s, right_hand=True)
        scene.take(right, [one], at_s=time_s + float(scene.rng.uniform(-0.3, 0.3)), right_hand=False)
        scene.meanwhile(MEANWHILE)


def child(scene: Scene) -> None:
    """Beside a grown-up a child takes from low shelves, where the grown-up takes too."""
    parent = enter(scene, 1, others=1)[0]
    kid = scene.join(stature_m=CHILD_M)
    scene.cast = [parent, kid]
    for _ in range(EPISODES):
        low = 0.7 * kid.stature_m
        one, two = _pair_apart(scene, 0.2, 0.9, below_m=low)
        _side_by_side(scene, parent, kid, one, two)
        time_s = scene.free_s(parent, kid) + 1.2
        scene.take(kid, [two], at_s=time_s)
        scene.take(parent, [one], at_s=time_s + float(scene.rng.uniform(0.5, 4.0)))
        scene.meanwhile(MEANWHILE)


def choose(scene: Scene, wanted: Callable[[list[Unit]], bool] = bool) -> list[Unit]:
    """Choose a facing on which lies its own product, as wanted, and return its units."""
    lying = [scene.own(facing) for facing in range(len(scene.stock.facings))]
    fits = [units for units in lying if units and wanted(units)]
    return fits[int(scene.rng.integers(len(fits)))]


def enter(scene: Scene, cast: int, others: int) -> list[Visit]:
    """Let the cast and some more come in; everybody has handled something before the scene begins."""
    visits = [scene.join() for _ in range(cast + others)]
    for visit in visits:
        scene.shop(visit, 1)
    scene.cast = visits[:cast]
    return scene.cast


def _units_along(scene: Scene) -> list[tuple[Unit, str, float, float]]:
    """List a unit of each facing with its fixture, its height and how far along it is."""
    result = []
    for facing, where in enumerate(scene.stock.facings):
        units = scene.units(facing)
        if units:
            unit = units[int(scene.rng.integers(len(units)))]
            fixture = where.plates[0].partition("/")[0]
            result.append((unit, fixture, float(where.box.origin_m[2]), scene.along_m(facing, unit.center_m)))
    return result


def _neighbours(scene: Scene, count: int) -> list[Unit]:
    """Choose units of different products side by side, within a hand's reach."""
    spread = _units_along(scene)
    runs = [list(run) for n in range(count, 1, -1) for run in zip(*(spread[i:] for i in range(n)), strict=False)]
    fits = [
        run for run in runs if len({(fixture, z) for _, fixture, z, _ in run}) == 1 and run[-1][3] - run[0][3] <= HAND_M
    ]
    most = max(len(run) for run in fits)
    fits = [run for run in fits if len(run) == most]
    return [unit for unit, *_ in fits[int(scene.rng.integers(len(fits)))]]


def _within(scene: Scene, first: Unit, reach_m: float) -> list[Unit]:
    """List units other than the first that lie near it, in random order."""
    start = scene.along_m(first.facing, first.center_m)
    fixture = scene.stock.facings[first.facing].plates[0].partition("/")[0]
    near = [
        unit
        for facing, where in enumerate(scene.stock.facings)
        if where.plates[0].partition("/")[0] == fixture
        for unit in scene.units(facing)
        if unit is not first and abs(scene.along_m(unit.facing, unit.center_m) - start) <= reach_m
    ]
    return [near[i] for i in scene.rng.permutation(len(near))]


def _pair_apart(
    scene: Scene, least_m: float, most_m: float, *, same_shelf: bool = False, below_m: float = np.inf
) -> tuple[Unit, Unit]:
    """Choose units of two facings of one fixture, the left one first, that far apart along it."""
    spread = [entry for entry in _units_along(scene) if entry[2] < below_m]
    pairs = [
        (a[0], b[0])
        for a in spread
        for b in spread
        if a[1] == b[1] and (a[2] == b[2] or not same_shelf) and least_m <= b[3] - a[3] <= most_m
    ]
    return pairs[int(scene.rng.integers(len(pairs)))]


def _side_by_side(scene: Scene, left: Visit, right: Visit, one: Unit, other: Unit) -> None:
    """Walk two shoppers before two units, with their middle before the units' middle."""
    apart = float(scene.rng.uniform(*BESIDE_M))
    between = scene.along_m(other.facing, other.center_m) - scene.along_m(one.facing, one.center_m)
    aside = (between - apart) / 2
    spots = [(left, aside), (right, aside + apart)]
    if scene.rng.random() < 0.5:
        spots.reverse()
    for visit, aside_m in spots:
        scene.stand(visit, one.facing, one.center_m, aside_m=aside_m)
