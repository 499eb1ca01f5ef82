"""Scenes about goods: where they go, in whose hands, and what is none of the store's or has no fixed mass."""

from dataclasses import replace

import numpy as np

from fusion.simulation.actions import Visit
from fusion.simulation.plays_hands import EPISODES, MEANWHILE, choose, enter
from fusion.simulation.scenes import Scene
from fusion.simulation.shelf import Move, Unit
from fusion.store import Store

EQUAL = 0.003  # by how much the masses of products that weigh the same differ, at most
TWIN_PAIRS = 4  # that a store has, besides those that happen to
LATER_S = (3.0, 12.0)  # until somebody changes his mind
FOREIGN_G, FOREIGN_M = (100.0, 2500.0), (0.08, 0.2)  # bags, phones, bottles from home
REST_S = (3.0, 15.0)  # for which they stand on a shelf
RESTOCK = (3, 8)  # units that one reach of the staff puts down
RESTOCKS = 4


def hand_over(scene: Scene) -> None:
    """One takes something and gives it to another, who carries it out."""
    cast = enter(scene, 2, others=1)
    for k in range(EPISODES):
        giver, receiver = cast if k % 2 else cast[::-1]
        unit = _take_one(scene, giver)
        scene.hand_over(giver, receiver, unit)
        scene.meanwhile(MEANWHILE)


def group_account(scene: Scene) -> None:
    """Two shop on one account: each takes, and one puts back what the other took."""
    cast = enter(scene, 2, others=1)
    cast[0].account = cast[1].account = f"account-{cast[0].shopper}"
    for k in range(EPISODES):
        giver, receiver = cast if k % 2 else cast[::-1]
        unit = _take_one(scene, giver)
        scene.hand_over(giver, receiver, unit)
        if k == 1:
            _put(scene, receiver, unit, scene.stock.home(unit))
        scene.meanwhile(MEANWHILE)


def put_back_elsewhere(scene: Scene) -> None:
    """One puts what he took down at another product's place."""
    actor = enter(scene, 1, others=2)[0]
    for _ in range(EPISODES):
        unit = _take_one(scene, actor)
        _put(scene, actor, unit, _foreign_facing(scene, unit))
        scene.meanwhile(MEANWHILE)


def put_back_by_another(scene: Scene) -> None:
    """One takes something, another puts it back."""
    cast = enter(scene, 2, others=1)
    for k in range(EPISODES):
        giver, receiver = cast if k % 2 else cast[::-1]
        unit = _take_one(scene, giver)
        scene.hand_over(giver, receiver, unit)
        _put(scene, receiver, unit, scene.stock.home(unit))
        scene.meanwhile(MEANWHILE)


def left_and_found(scene: Scene) -> None:
    """One leaves something on another shelf, and the next shopper takes it from there."""
    cast = enter(scene, 2, others=1)
    for k in range(EPISODES):
        first, second = cast if k % 2 else cast[::-1]
        unit = _take_one(scene, first)
        _put(scene, first, unit, _foreign_facing(scene, unit))
        scene.wait(second, scene.free_s(first) + float(scene.rng.uniform(*LATER_S)))
        scene.stand(second, unit.facing, unit.center_m)
        scene.take(second, [unit])
        scene.meanwhile(MEANWHILE)


def equal_swap(scene: Scene) -> None:
    """Products of equal mass change places: one takes both, and puts each where the other belongs, or only one."""
    actor, other = enter(scene, 2, others=1)
    for k in range(EPISODES):
        one, two = (scene.own(facing)[0] for facing in _twins(scene))
        for unit in (one, two):
            scene.stand(actor, unit.facing, unit.center_m)
            scene.take(actor, [unit])
        homes = scene.stock.home(one), scene.stock.home(two)
        _put(scene, actor, one, homes[1])
        if k % 2:
            _put(scene, actor, two, homes[0])
            scene.wait(other, scene.free_s(actor) + float(scene.rng.uniform(*LATER_S)))
            scene.stand(other, one.facing, one.center_m)
            scene.take(other, [one])
        scene.meanwhile(MEANWHILE)


def by_weight(scene: Scene) -> None:
    """Goods sold by weight are taken, and some of them put back."""
    actor = enter(scene, 1, others=2)[0]
    for k in range(EPISODES):
        units = choose(scene, lambda lying: len(lying) >= 3 and scene.stock.by_weight(lying[0].product))
        some = units[: int(scene.rng.integers(1, 4))]
        scene.stand(actor, some[0].facing, some[0].center_m)
        scene.take(actor, some)
        if k == 1:
            scene.wait(actor, scene.free_s(actor) + 2.0)
            scene.put(actor, some[:1], some[0].facing)
        scene.meanwhile(MEANWHILE)


def foreign_item(scene: Scene) -> None:
    """One puts a thing of his own on a shelf; as a rule he takes it away again."""
    actor = enter(scene, 1, others=2)[0]
    for _ in range(EPISODES):
        there = choose(scene)[0]
        scene.stand(actor, there.facing, there.center_m)
        grams = float(np.exp(scene.rng.uniform(*np.log(FOREIGN_G))))
        width = min(float(scene.rng.uniform(*FOREIGN_M)), scene.stock.width_m(there.facing))
        center = scene.stock.place_m(there.facing, width, scene.rng)
        loads = scene.stock.loads_g(there.facing, [center], [width], [grams])
        thing = (Move(None, 1),)
        scene.reach(actor, "return", there.facing, center, loads, thing)
        scene.wait(actor, scene.free_s(actor) + float(scene.rng.uniform(*REST_S)))
        if scene.rng.random() < 0.7:
            away = {plate: -load for plate, load in loads.items()}
            scene.reach(actor, "take", there.facing, center, away, thing)
        scene.meanwhile(MEANWHILE)


def restocking(scene: Scene) -> None:
    """Staff put down several units at once, and take old ones away, while shoppers shop."""
    enter(scene, 0, others=2)
    staff = scene.join()
    staff.role, scene.cast = "staff", [staff]
    for k in range(RESTOCKS):
        facing = choose(scene)[0].facing
        if k == 2:
            old = scene.own(facing)[:3]
            scene.stand(staff, facing, old[0].center_m)
            scene.take(staff, old)
        else:
            new = scene.deliver(staff, facing, int(scene.rng.integers(*RESTOCK, endpoint=True)))
            scene.stand(staff, facing, new[0].center_m)
            scene.put(staff, new, scene.stock.home(new[0]))
        scene.meanwhile(MEANWHILE)


def unseen_exit(scene: Scene) -> None:
    """Somebody leaves, and the gate does not say so."""
    leaver = enter(scene, 1, others=2)[0]
    leaver.seen_leaving = False
    scene.shop(leaver, EPISODES)
    _take_one(scene, leaver)
    scene.meanwhile(2 * MEANWHILE)


def equal_masses(store: Store, rng: np.random.Generator) -> Store:
    """Give pairs of products on places of the same size the same mass: an edit of the store for `equal_swap`."""
    products = store.product_by_id.copy()
    order = [store.planogram[i] for i in rng.permutation(len(store.planogram))]
    order.sort(key=lambda facing: len(facing.plates))
    pairs = [(a, b) for a, b in zip(order[::2], order[1::2], strict=False) if len(a.plates) == len(b.plates)]
    for i in rng.permutation(len(pairs))[:TWIN_PAIRS]:
        one, two = (products[facing.product] for facing in pairs[i])
        mass_g = one.mass_g * (1.0 + EQUAL * rng.uniform(-1.0, 1.0))
        products[two.id] = replace(two, name=f"{two.name.partition(' ')[0]} {mass_g:.0f} g", mass_g=round(mass_g, 1))
    return replace(store, products=tuple(products.values()))


def _take_one(scene: Scene, visit: Visit) -> Unit:
    """Let somebody take one thing."""
    unit = choose(scene)[0]
    scene.stand(visit, unit.facing, unit.center_m)
    scene.take(visit, [unit])
    return unit


def _put(scene: Scene, visit: Visit, unit: Unit, facing: int) -> None:
    """Let somebody put a thing on a facing, some time later."""
    scene.wait(visit, scene.free_s(visit) + float(scene.rng.uniform(*LATER_S)))
    scene.stand(visit, facing, scene.stock.width_m(facing) / 2)
    scene.put(visit, [unit], facing)


def _foreign_facing(scene: Scene, unit: Unit) -> int:
    """Choose a facing that is not the unit's home, and wide enough."""
    facings = range(len(scene.stock.facings))
    fits = [f for f in facings if f != scene.stock.home(unit) and scene.stock.width_m(f) >= unit.width_m]
    return fits[int(scene.rng.integers(len(fits)))]


def _twins(scene: Scene) -> tuple[int, int]:
    """Choose two facings whose products weigh the same, both wide enough for the other's, and neither empty."""
    facings = scene.stock.facings
    mass_g = [scene.store.product_by_id[facing.product].mass_g for facing in facings]
    pairs = [
        (i, j)
        for i in range(len(facings))
        for j in range(len(facings))
        if i != j
        and abs(mass_g[i] / mass_g[j] - 1.0) <= 1.1 * EQUAL
        and scene.own(i)
        and scene.own(j)
        and scene.stock.width_m(j) >= scene.own(i)[0].width_m
        and scene.stock.width_m(i) >= scene.own(j)[0].width_m
    ]
    return pairs[int(scene.rng.integers(len(pairs)))]
