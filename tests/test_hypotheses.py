"""The K best hypotheses: the kernel against its twins, and against brute force over all sequences."""

from itertools import product as combinations
from math import exp, log

import numpy as np
import pytest

from crosscheck import agree
from fusion import AssociationSettings
from worlds import Updated, World, explain, forget, update, world

S = AssociationSettings(negligible=1e-300)
PRODUCTS, FACINGS = 3, 4


@pytest.mark.parametrize("block", range(4))
def test_backends_agree_on_random_updates(block: int) -> None:
    for i in range(60):
        w = world(np.random.default_rng((2, block, i)))
        parts, score = explain(w)

        def call(w: World = w, parts: np.ndarray = parts, score: np.ndarray = score) -> tuple:
            u = update(w, parts, score, capacity=8)
            return u.weight, u.records, u.parent, u.choice, forget(w, 0)

        agree(call, rtol=1e-12)


def test_weights_are_normalised_and_states_differ() -> None:
    for seed in range(30):
        w = world(np.random.default_rng(seed), shoppers=2, facings=1)
        u = update(w, *explain(w), capacity=32)
        assert np.exp(u.weight).sum() == pytest.approx(1.0, rel=1e-12)
        states = [tuple(map(tuple, r.tolist())) for r in u.records]
        assert len(set(states)) == len(states)
        assert all(r == tuple(sorted(r)) for r in states)


def _feasible(part: tuple[int, int, int, int], state: dict[tuple[int, int], int], plates: list[int]) -> float:
    """The model of the docstring, written again on dictionaries."""
    shopper, item, quantity, place = part
    if quantity < 0:
        lies = any(state.get((-1 - p, item), 0) >= -quantity for p in plates)
        return (1 - S.returning) * (1.0 if place > 0 or lies else S.stray / PRODUCTS)
    carried = sum(n for (owner, _), n in state.items() if owner == shopper)
    where = (1 - S.misplacing) * FACINGS if place > 0 else S.misplacing
    known = 1 / carried if state.get((shopper, item), 0) >= quantity else S.foreign / PRODUCTS
    return S.returning * where * known


def _after(
    part: tuple[int, int, int, int], state: dict[tuple[int, int], int], plates: list[int]
) -> dict[tuple[int, int], int]:
    shopper, item, quantity, place = part
    new = dict(state)

    def add(owner: int, n: int) -> None:
        new[owner, item] = new.get((owner, item), 0) + n
        if not new[owner, item]:
            del new[owner, item]

    if quantity < 0:
        found = [p for p in plates if place == 0 and new.get((-1 - p, item), 0) >= -quantity]
        if found:
            add(-1 - found[0], quantity)
        add(shopper, -quantity)
        return new
    if new.get((shopper, item), 0) >= quantity:
        add(shopper, -quantity)
    if place == 0:
        add(-1 - plates[0], quantity)
    return new


@pytest.mark.parametrize("seed", range(60))
def test_posterior_equals_brute_force_over_all_sequences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    events = []
    for _ in range(3):
        n = int(rng.integers(2, 5))
        parts = np.full((n, 2, 4), -1, np.int32)
        parts[:, :, 2] = 0
        for e in range(1, n):
            quantity = int(rng.choice([-2, -1, 1, 2]))
            parts[e, 0] = rng.integers(0, 2), rng.integers(0, PRODUCTS), quantity, rng.integers(0, 2)
        events.append((parts, rng.normal(0, 2, n)))
    plates = [0, 1]
    brute: dict[tuple, float] = {}
    for choice in combinations(*(range(len(score)) for _, score in events)):
        state: dict[tuple[int, int], int] = {}
        weight = 1.0
        for (parts, score), e in zip(events, choice, strict=True):
            weight *= exp(score[e])
            part = tuple(parts[e, 0].tolist())
            if part[1] >= 0:
                weight *= _feasible(part, state, plates)
                state = _after(part, state, plates)
        key = tuple(sorted((owner, item, n) for (owner, item), n in state.items()))
        brute[key] = brute.get(key, 0.0) + weight
    total = sum(brute.values())

    w = world(np.random.default_rng(0), plates=2, shoppers=2, products=PRODUCTS)
    w.settings, w.echo = S, np.zeros(512)
    w.weight, w.count, w.records = np.zeros(1), np.zeros(1, np.int32), np.zeros((1, 8, 3), np.int32)
    for parts, score in events:
        u: Updated = update(w, parts, score, capacity=512, facings=FACINGS)
        w.weight, w.count = u.weight, np.array([len(r) for r in u.records], np.int32)
        w.records = np.zeros((len(u.records), 16, 3), np.int32)
        for k, r in enumerate(u.records):
            w.records[k, : len(r)] = r
    told = {tuple(map(tuple, r.tolist())): exp(v) for r, v in zip(u.records, u.weight, strict=True)}
    assert told.keys() == brute.keys()
    for key, value in told.items():
        assert value == pytest.approx(brute[key] / total, rel=1e-9)


def test_echo_raises_the_null_alone() -> None:
    w = world(np.random.default_rng(5), shoppers=1, facings=1)
    w.weight, w.count, w.records = np.zeros(1), np.zeros(1, np.int32), np.zeros((1, 4, 3), np.int32)
    parts, score = (a[:2] for a in explain(w))  # the null and a take, whose states differ

    def null(echo: float) -> float:
        w.echo = np.array([echo])
        u = update(w, parts, score, capacity=512)
        return sum(exp(v) for v, c in zip(u.weight, u.choice, strict=True) if c == 0)

    before, after = null(0.0), null(log(3.0))
    assert after == pytest.approx(3 * before / (1 - before + 3 * before), rel=1e-9)


def test_forget_drops_an_owner_and_merges() -> None:
    w = world(np.random.default_rng(0))
    w.weight, w.count = np.log([0.5, 0.3, 0.2]), np.array([1, 0, 1], np.int32)
    w.records = np.zeros((3, 4, 3), np.int32)
    w.records[0, 0], w.records[2, 0] = (0, 7, 1), (1, 7, 1)
    weight, records, parent = forget(w, 0)
    assert np.exp(weight).tolist() == pytest.approx([0.8, 0.2])
    assert [r.tolist() for r in records] == [[], [[1, 7, 1]]]
    assert parent.tolist() == [0, 2]
