"""The posterior of small worlds against brute force over all their histories, for every kind of marginal told.

The explanations of each event and their scores are those of the kernels (`test_explanations` proves those); what
histories they make, how likely each is and what everybody carries then is enumerated here.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp
from typing import Any

import numpy as np
import pytest

import worlds
from fusion import hypothesising, readings, use_backend
from fusion.association import AssociationSettings, Associator, Joint
from fusion.clusters import probability_of
from fusion.reference.association import log_echo
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store

WORLDS, BATCH = 500, 20
STAFF = 1 << 30
S = AssociationSettings(negligible=1e-60, max_restocked=4)
PRODUCTS = {"cola": 500.0, "soup": 300.0, "tuna": 300.0, "rice": 800.0}
PLATES = ("p0", "p1", "p2", "p3", "p4")
MOST = {1: 60, 2: 24, 3: 9, 4: 5}
"""Explanations of each of so many events: fewer than two thousand histories in all."""
Records = dict[tuple[int, int], int]


def store() -> Store:
    """Five plates in a row; each product stands on one of its own, the last plate is empty."""
    boxes = [Box(np.array([0.5 * k, 0, 1.0]), np.array([0.5, 0.4, 0.3])) for k in range(5)]
    plates = tuple(Plate(p, box) for p, box in zip(PLATES, boxes, strict=True))
    facings = tuple(Facing(p, (plates[k].id,), boxes[k]) for k, p in enumerate(PRODUCTS))
    return Store(
        (Fixture("f", (Shelf("s", plates),)),), tuple(Product(p, mass_g=g) for p, g in PRODUCTS.items()), facings
    )


STORE = store()


@dataclass
class Step:
    """One event: what the associator is asked, and what it took for possible."""

    shoppers: list[str]
    owners: list[int]
    arguments: dict[str, Any]
    leaver: str | None = None
    earlier: int | None = None
    log_nothing: float = 0.0
    alone: list[tuple[list[list[int]], float]] = field(default_factory=list)
    as_one: list[tuple[list[list[int]], float]] = field(default_factory=list)


class Few(Associator):
    """An associator that takes a few explanations of each event only, drawn at random, none of them hopeless."""

    def begin(self, seed: int, most: int) -> None:
        self.rng, self.most = np.random.default_rng(seed), most
        self.drawn: list[tuple[Any, Any]] = []
        thinker = self._hypothesiser
        thinker.ledger.gains = lambda *_: ([], np.empty(0))  # type: ignore[method-assign]
        self._every, thinker._explain = thinker._explain, self._few  # type: ignore[method-assign]

    def _few(self, *arguments: Any) -> tuple[Any, Any, Any]:
        parts, terms, score = self._every(*arguments)
        best = np.argsort(-score[1:], kind="stable")[:80] + 1
        chosen = np.concatenate([[0], self.rng.permutation(best)[: self.most - 1]])
        score = np.maximum(score[chosen], score.max() - self.rng.uniform(1, 6, len(chosen)))
        self.drawn.append((parts[chosen].tolist(), score.tolist(), terms[0, 0]))
        return parts[chosen], terms[chosen], score


def world(seed: int) -> tuple[list[Step], list[str]]:
    """Draw one to four events of one to three people; some of them leave, some are staff."""
    rng = np.random.default_rng(seed)
    events = int(rng.integers(1, 5))
    people = ["ann", "bob", "eve"][: int(rng.integers(1, 4))]
    owners = {p: k for k, p in enumerate(people)}
    staff = [p for p in people if rng.random() < 0.15]
    owners |= {p: STAFF + owners[p] for p in staff}
    steps: list[Step] = []
    near = list(people)
    for k in range(events):
        again = k == events - 1 and k > 0 and rng.random() < 0.4
        main = int(rng.integers(0, k)) if again else k
        beside = int(rng.choice([j for j in range(5) if j <= k or j >= events]))  # nobody's main plate later
        plates = [main] if beside == main else [main, beside]
        units = rng.choice([-2, -1, -1, 1, 1, 2]) * rng.choice(list(PRODUCTS.values()))
        delta = np.array([units + rng.normal(), rng.choice([0.5, -100.0])])[: len(plates)]
        sigma = np.ones(len(plates))
        step = Step(
            list(near),
            [owners[p] for p in near],
            {
                "plates": [PLATES[p] for p in plates],
                "delta_g": delta,
                "sigma_g": sigma,
                "shoppers": list(near),
                "hands_m": rng.normal([0.5 * main + 0.25, 0.2, 1.1], 0.15, (2, len(near), 2, 3)),
                "vision": rng.normal(0, 1, (len(near), 4)) if rng.random() < 0.3 else None,
                "doubted": bool(rng.random() < 0.3),
            },
        )
        if again:
            step.earlier = next(j for j, s in reversed(list(enumerate(steps))) if PLATES[main] in s.arguments["plates"])
            if rng.random() < 0.5:
                joint = Joint((step.earlier,), [PLATES[main]], [units + rng.normal()], [1.5])
                step.arguments["joints"] = [joint]
        steps.append(step)
        if len(near) > 1 and rng.random() < 0.2:
            step.leaver = near.pop(int(rng.integers(len(near))))
    return steps, staff


def run(seed: int, steps: list[Step], staff: list[str]) -> Few:
    """Tell an associator the story; note in the steps what it took for possible."""
    associator = Few(STORE, settings=S, hypotheses=4000)
    associator.begin(seed, MOST[len(steps)])
    for name in ("ann", "bob", "eve"):
        if name in staff:
            associator.employ(name)
        else:
            associator._owner(name)
    for k, step in enumerate(steps):
        associator.drawn.clear()
        associator.associate(k, **step.arguments)
        named = [list(zip(parts, score, strict=True)) for parts, score, _ in associator.drawn]
        step.log_nothing = associator.drawn[0][2]
        step.alone, step.as_one = named[0], named[1][1:] if len(named) > 1 else []
        if step.leaver is not None:
            associator.leave(step.leaver)
    return associator


def plates_of(step: Step) -> list[int]:
    """Plates of an event, those of an earlier one that may be a part of it included."""
    joints = step.arguments.get("joints", [])
    return sorted({PLATES.index(p) for p in [*step.arguments["plates"], *(p for j in joints for p in j.plates)]})


def outcomes(parts: list[list[int]], state: Records, plates: list[int], main: int) -> Iterator[tuple[float, Records]]:
    """What an explanation makes of a state, and how likely that is, by what the model says in words.

    Every part is judged by what there was before; the first of what nobody knew the shopper to have may be anybody's.
    """
    probability, asked = 1.0, None
    for i, (owner, product, quantity, place) in enumerate(parts):
        if quantity < 0:
            known = place > 0 or any(state.get((-1 - p, product), 0) >= -quantity for p in plates)
            probability *= (1 - S.returning) * (1 if known else S.stray / len(PRODUCTS))
            continue
        probability *= (1 - S.misplacing) * len(STORE.planogram) if place > 0 else S.misplacing
        if owner >= STAFF:
            probability *= 1 - S.returning
            continue
        probability *= S.returning
        if state.get((owner, product), 0) >= quantity:
            probability /= sum(q for (o, _), q in state.items() if o == owner)
        elif asked is None:
            asked = i
        else:
            probability *= S.foreign / len(PRODUCTS)
    if asked is None:
        yield probability, moved(parts, state, plates, main)
        return
    owner, product, quantity, _ = parts[asked]
    holders = [o for (o, p), q in state.items() if o >= 0 and o != owner and p == product and q >= quantity]
    for holder in holders:
        yield probability * S.handing_over / len(holders), moved(parts, state, plates, main, asked, holder)
    yield probability * S.foreign / len(PRODUCTS), moved(parts, state, plates, main)


def moved(
    parts: list[list[int]], state: Records, plates: list[int], main: int, asked: int = -1, holder: int = -1
) -> Records:
    """State after all parts of an explanation."""
    state = defaultdict(int, state)
    for i, (owner, product, quantity, place) in enumerate(parts):
        if quantity < 0:
            lying = [p for p in plates if place == 0 and state[-1 - p, product] >= -quantity]
            if lying:
                state[-1 - lying[0], product] += quantity
            if owner < STAFF:
                state[owner, product] -= quantity
        else:
            giver = holder if i == asked and state[holder, product] >= quantity else owner
            if owner < STAFF and state[giver, product] >= quantity:
                state[giver, product] -= quantity
            if place == 0:
                state[-1 - main, product] += quantity
    return {key: q for key, q in state.items() if q}


def main_plate(plates: Any, delta_g: Any) -> int:
    return PLATES.index(plates[int(np.abs(delta_g).argmax())])


def echo(step: Step, earlier: Step) -> float:
    """How much likelier the null is after a null: what came may go."""
    grams, sigma = step.arguments["delta_g"], step.arguments["sigma_g"]
    size = np.abs(grams)
    own = (size == size.max()) | (size > np.maximum(4 * sigma, 2 * S.cross_talk * size.max()))
    same = [
        p in {q for q, o in zip(step.arguments["plates"], own, strict=True) if o} for p in earlier.arguments["plates"]
    ]
    null = S.doubted if step.arguments["doubted"] else S.null
    then = earlier.arguments["delta_g"][same].sum(), (earlier.arguments["sigma_g"][same] ** 2).sum()
    return float(log_echo(grams[own].sum(), (sigma[own] ** 2).sum(), *then, null, S))


def in_parts(step: Step, earlier: Step) -> float:
    """How much likelier both are as one than as the null and then anything, but for what both come to."""
    grams, doubted = earlier.arguments["delta_g"], earlier.arguments["doubted"]
    shared = len({*step.arguments["plates"]} & {*earlier.arguments["plates"]})
    anywhere = 1.0 / max(np.abs(grams).sum(), S.lightest_g)
    chance = hypothesising.HAND_IN_PARTS if doubted else hypothesising.IN_PARTS
    return float(np.log(chance * anywhere**shared) - earlier.log_nothing)


Chosen = tuple[tuple[tuple[int, ...], ...], ...]
"""The parts by which each event is explained."""


def histories(steps: list[Step]) -> list[tuple[float, Records, Chosen]]:
    """Every history: its probability up to a factor, what there is in the end, and how each event is explained."""
    found: list[tuple[float, Records, Chosen]] = [(1.0, {}, ())]
    for step in steps:
        plates, main = plates_of(step), main_plate(step.arguments["plates"], step.arguments["delta_g"])
        joints = step.arguments.get("joints", [])
        ratio = 0.0 if step.earlier is None else echo(step, steps[step.earlier])
        grown = []
        for p, state, chosen in found:
            nothing_then = step.earlier is not None and not chosen[step.earlier]
            options = [(parts, v, main) for parts, v in step.alone]
            for joint in joints if nothing_then else []:
                both, gain = main_plate(joint.plates, joint.delta_g), in_parts(step, steps[step.earlier])
                options += [(parts, v + gain, both) for parts, v in step.as_one]
            for parts, v, onto in options:
                real = [part for part in parts if part[1] >= 0]
                value = p * exp(v + (ratio if nothing_then and not real else 0.0))
                key = (*chosen, tuple(map(tuple, real)))
                grown += [(value * q, after, key) for q, after in outcomes(real, state, plates, onto)]
        gone = None if step.leaver is None else step.owners[step.shoppers.index(step.leaver)]
        found = [(p, {k: q for k, q in state.items() if k[0] != gone}, chosen) for p, state, chosen in grown]
    return found


def summed(pairs: Any) -> dict[Any, float]:
    total: dict[Any, float] = defaultdict(float)
    for key, p in pairs:
        total[key] += p
    whole = sum(total.values())
    return {key: p / whole for key, p in total.items()}


def check(associator: Few, steps: list[Step], expected: list[tuple[float, Records, Chosen]]) -> None:
    """Compare every event's causes, every basket, and the joint state of everything."""
    for k, step in enumerate(steps):
        if step.earlier is None and k < len(steps) - 1 and steps[-1].earlier is not None:
            continue  # what an echo says about an earlier null is handed back as a mean over histories that ended alike
        cause = associator._causes[k]
        explained = [tuple(tuple(part) for part in parts if part[1] >= 0) for parts in cause.parts.tolist()]
        found = summed(zip(explained, probability_of(cause).tolist(), strict=True))
        _same(found, summed((chosen[k], p) for p, _, chosen in expected))
    for name, owner in list(associator._owners.items()):
        baskets = {tuple(sorted(basket.items())): p for basket, p in associator.baskets(name)}
        _same(baskets, summed((_basket(state, owner), p) for p, state, _ in expected))
    everything = set(associator._owners.values()) | {-1 - k for k in range(len(PLATES))}
    cluster = associator._hypothesiser.beliefs.gather({o for o in everything if o < STAFF})
    assert len(cluster.weight) < 4000
    written = associator._hypothesiser.beliefs._baskets
    states = [tuple(sorted(worlds.state(cluster, h, written).items())) for h in range(len(cluster.count))]
    _same(
        summed(zip(states, np.exp(cluster.weight).tolist(), strict=True)),
        summed((tuple(sorted(state.items())), p) for p, state, _ in expected),
    )


def _basket(state: Records, owner: int) -> tuple[tuple[str, int], ...]:
    names = list(PRODUCTS)
    return tuple(sorted((names[p], q) for (o, p), q in state.items() if o == owner))


def _same(found: dict[Any, float], expected: dict[Any, float]) -> None:
    keys = found.keys() | expected.keys()
    worst = max(abs(found.get(key, 0.0) - expected.get(key, 0.0)) for key in keys)
    assert worst <= 1e-9, f"{worst}: {found} and {expected}"


@pytest.mark.parametrize("first", range(0, WORLDS, BATCH))
def test_posteriors_are_those_of_brute_force(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty random worlds, plain Python and native; also the echo, and two events as one."""
    monkeypatch.setattr(hypothesising, "DOUBT", 0.0)
    monkeypatch.setattr(readings, "NEARBY", 1e-300)
    for seed in range(first, first + BATCH):
        expected: list[tuple[float, Records, Chosen]] = []
        for backend in ("native", "reference"):
            with use_backend(backend):
                steps, staff = world(seed)
                associator = run(seed, steps, staff)
            expected = expected or histories(steps)
            check(associator, steps, expected)


def test_the_worlds_are_worth_it() -> None:
    """They branch, echo, hand over, join and leave."""
    drawn = [world(seed)[0] for seed in range(WORLDS)]
    assert sum(len(steps) == 4 for steps in drawn) > 80
    assert sum(steps[-1].earlier is not None for steps in drawn) > 80
    assert sum("joints" in steps[-1].arguments for steps in drawn) > 40
    assert sum(any(s.leaver for s in steps) for steps in drawn) > 80
