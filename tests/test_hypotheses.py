"""The K best hypotheses: known answers, merging, brute force over all histories, and every backend the same."""

from itertools import product as cartesian
from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

import worlds
from crosscheck import agree
from fusion.association import AssociationSettings

S = AssociationSettings()
NULL = ((-1, -1, 0, -1), (-1, -1, 0, -1))
PRODUCTS, FACINGS = 10, 20
State = frozenset[tuple[tuple[int, int], int]]


def scene(states: list[dict[tuple[int, int], int]], prior: list[float] | None = None, plates: int = 2) -> worlds.World:
    """Hypotheses from (owner, product) to quantity, before an event on plates 0 .. `plates` - 1."""
    records = np.full((len(states), 12, 3), -77, np.int32)
    for k, state in enumerate(states):
        for i, ((owner, product), quantity) in enumerate(sorted(state.items())):
            records[k, i] = owner, product, quantity
    none = np.zeros((0, 3))
    return worlds.World(
        *(
            np.zeros(plates),
            np.ones(plates),
            np.ones((1, plates), np.uint8),
            np.zeros(0, np.int32),
            np.zeros((0, 0, 2, 3)),
        ),
        (np.zeros(1, np.int32), none, np.zeros((0, 3, 3)), none),
        *(np.full(PRODUCTS, 100.0), np.zeros(PRODUCTS, np.uint8)),
        np.log(prior or [1 / len(states)] * len(states)),
        np.array([len(s) for s in states], np.int32),
        records,
        np.zeros(len(states)),
        S,
    )


def held(records: NDArray[np.int32]) -> dict[tuple[int, int], int]:
    return {(owner, product): quantity for owner, product, quantity in records.tolist()}


def step(w: worlds.World, choices: dict[Any, float], **options: Any) -> tuple[list[dict[tuple[int, int], int]], Any]:
    """Update by explanations (pairs of parts) with probabilities; return the states held and the whole answer."""
    parts = np.array(list(choices), np.int32).reshape(-1, 2, 4)
    u = worlds.update(w, parts, np.log(list(choices.values())), capacity=16, facings=FACINGS, **options)
    return [held(r) for r in u.records], u


def one(shopper: int, product: int, quantity: int, place: int) -> Any:
    return ((shopper, product, quantity, place), NULL[1])


class TestKnownAnswers:
    """The null's probability is 1 in `choices`, so that the odds against it are those of the part's prior."""

    TAKE, BACK = 1 - S.returning, S.returning

    @pytest.mark.parametrize(
        ("before", "part", "odds", "after"),
        [
            pytest.param({}, (0, 3, -2, 1), TAKE, {(0, 3): 2}, id="take from its facing"),
            pytest.param({(-2, 3): 1}, (0, 3, -1, 0), TAKE, {(0, 3): 1}, id="take what lies misplaced, all of it"),
            pytest.param(
                {(-2, 3): 2}, (0, 3, -1, 0), TAKE, {(-2, 3): 1, (0, 3): 1}, id="take what lies misplaced, some of it"
            ),
            pytest.param(
                {(-2, 3): 1, (-1, 3): 1},
                (0, 3, -1, 0),
                TAKE,
                {(-2, 3): 1, (0, 3): 1},
                id="from the first plate that has it",
            ),
            pytest.param(
                {(-2, 3): 1},
                (0, 3, -2, 0),
                TAKE * S.stray / PRODUCTS,
                {(-2, 3): 1, (0, 3): 2},
                id="more than lies here",
            ),
            pytest.param(
                {(-3, 3): 1}, (0, 3, -1, 0), TAKE * S.stray / PRODUCTS, {(-3, 3): 1, (0, 3): 1}, id="it lies elsewhere"
            ),
            pytest.param(
                {(0, 3): 1, (0, 5): 3},
                (0, 3, 1, 1),
                BACK * (1 - S.misplacing) * FACINGS / 4,
                {(0, 5): 3},
                id="return home one of four carried",
            ),
            pytest.param(
                {(0, 3): 2}, (0, 3, 1, 0), BACK * S.misplacing / 2, {(-2, 3): 1, (0, 3): 1}, id="return anywhere"
            ),
            pytest.param(
                {(1, 3): 1},
                (0, 3, 1, 0),
                BACK * S.misplacing * S.foreign / PRODUCTS,
                {(-2, 3): 1, (1, 3): 1},
                id="return what he was not known to carry",
            ),
            pytest.param(
                {(0, 3): 1},
                (0, 3, 2, 2),
                BACK * (1 - S.misplacing) * FACINGS * S.foreign / PRODUCTS,
                {(0, 3): 1},
                id="return more than he carries, home",
            ),
        ],
    )
    def test_one_part(
        self, before: dict[tuple[int, int], int], part: Any, odds: float, after: dict[tuple[int, int], int]
    ) -> None:
        states, u = step(scene([before]), {NULL: 1.0, one(*part): 1.0}, main_plate=1)
        weight = {frozenset(s.items()): exp(v) for s, v in zip(states, u.weight, strict=True)}
        if after == before:
            assert weight == {frozenset(before.items()): pytest.approx(1)}
            assert u.chosen == pytest.approx(np.array([[1, odds]]) / (1 + odds), rel=1e-12)
        else:
            expected = {frozenset(before.items()): 1 / (1 + odds), frozenset(after.items()): odds / (1 + odds)}
            assert weight == pytest.approx(expected, rel=1e-12)

    def test_a_pair_exchanges(self) -> None:
        """One takes, another returns, in one event."""
        pair = ((0, 1, -1, 1), (1, 2, 1, 2))
        states, u = step(scene([{(1, 2): 1}]), {NULL: 1e-6, pair: 1.0})
        assert states[0] == {(0, 1): 1}
        assert u.chosen[0].tolist() == [0, 1]

    def test_equal_states_merge(self) -> None:
        """Two histories, one basket: the weights add, and each keeps its share."""
        w = scene([{(0, 1): 1}, {(0, 2): 1}], [0.7, 0.3])
        states, u = step(w, {NULL: 1e-12, one(0, 2, -1, 1): 0.4, one(0, 1, -1, 1): 0.5})
        both = {(0, 1): 1, (0, 2): 1}
        k = states.index(both)
        assert exp(u.weight[k]) == pytest.approx((0.7 * 0.4 + 0.3 * 0.5) / 0.9)
        assert u.share[k] == pytest.approx([0.28 / 0.43, 0.15 / 0.43])
        assert u.chosen[k] == pytest.approx([0, 0.28 / 0.43, 0.15 / 0.43])
        assert exp(u.weight[states.index({(0, 1): 2})]) == pytest.approx(0.7 * 0.5 / 0.9)
        assert len(states) == 3

    def test_the_echo_favours_the_null_where_it_is_due(self) -> None:
        w = scene([{(0, 1): 1}, {(0, 2): 1}])
        w.echo = np.array([0.0, log(5)])
        states, u = step(w, {NULL: 1.0})
        assert states == [{(0, 2): 1}, {(0, 1): 1}]
        assert np.exp(u.weight) == pytest.approx([5 / 6, 1 / 6])

    def test_only_the_best_are_kept(self) -> None:
        choices = {NULL: 1e-12} | {one(0, k, -1, 1): 2.0**-k for k in range(6)}
        parts, score = np.array(list(choices), np.int32), np.log(list(choices.values()))
        u = worlds.update(scene([{}]), parts, score, capacity=3)
        assert u.chosen.argmax(axis=1).tolist() == [1, 2, 3]
        assert np.exp(u.weight) == pytest.approx([4 / 7, 2 / 7, 1 / 7])

    def test_the_impossible_is_dropped(self) -> None:
        w = scene([{}])
        parts = np.array([NULL, one(0, 1, -1, 1), one(0, 2, -1, 1)], np.int32)
        u = worlds.update(w, parts, np.array([0.0, -np.inf, log(S.negligible) - 8]), capacity=4)
        assert u.chosen.tolist() == [[1, 0, 0]]

    def test_a_likely_return_is_not_dropped_before_its_prior(self) -> None:
        """Of a thousand facings, home is a thousand times likelier than any: beyond the negligible by that."""
        w = scene([{(0, 1): 1}])
        parts = np.array([NULL, one(0, 1, 1, 1)], np.int32)
        u = worlds.update(w, parts, np.array([0.0, log(S.negligible) - 1]), capacity=4, facings=1000)
        assert exp(u.weight[1] - u.weight[0]) == pytest.approx(S.negligible / exp(1) * 0.3 * 0.85 * 1000)


class TestForget:
    def test_what_becomes_equal_merges(self) -> None:
        w = scene([{(0, 1): 1}, {(-1, 4): 2, (0, 2): 1}, {(0, 3): 2, (1, 1): 1}, {(1, 1): 1}], [0.4, 0.3, 0.1, 0.2])
        weight, records, share = worlds.forget(w, 0)
        assert [held(r) for r in records] == [{}, {(-1, 4): 2}, {(1, 1): 1}]
        assert np.exp(weight) == pytest.approx([0.4, 0.3, 0.3])
        assert share == pytest.approx(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1 / 3, 2 / 3]]))

    def test_a_stranger_changes_nothing(self) -> None:
        w = scene([{(0, 1): 1}, {}], [0.5, 0.5])
        weight, records, share = worlds.forget(w, 7)
        assert [held(r) for r in records] == [{(0, 1): 1}, {}]
        assert np.exp(weight) == pytest.approx([0.5, 0.5])
        assert share.tolist() == [[1, 0], [0, 1]]


class TestProperties:
    @settings(max_examples=60)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 20))
    def test_what_is_left_is_well_formed(self, seed: int, capacity: int) -> None:
        """Weights and shares sum to 1, states are sorted, positive and different, what came in is untouched."""
        w = worlds.world(np.random.default_rng(seed))
        parts, score = worlds.explain(w)
        before = w.weight.copy(), w.count.copy(), w.records.copy()
        u = worlds.update(w, parts, score, capacity=capacity)
        assert special.logsumexp(u.weight) == pytest.approx(0, abs=1e-12)
        assert 1 <= len(u.weight) <= capacity
        states = [tuple(map(tuple, r.tolist())) for r in u.records]
        assert len(set(states)) == len(states)
        for state in states:
            keys = [record[:2] for record in state]
            assert keys == sorted(set(keys))
            assert all(record[2] > 0 for record in state)
        for part in (u.share, u.chosen):
            assert (part >= 0).all()
            assert part.sum(axis=1) == pytest.approx(1)
        for old, new in zip(before, (w.weight, w.count, w.records), strict=True):
            np.testing.assert_array_equal(old, new)

    @settings(max_examples=60)
    @given(st.integers(0, 2**32 - 1))
    def test_forgetting_is_marginalising(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=2)
        expected: dict[State, float] = {}
        for v, n, records in zip(w.weight, w.count, w.records, strict=True):
            state = frozenset((key, q) for key, q in held(records[:n]).items() if key[0] != 1)
            expected[state] = expected.get(state, 0.0) + exp(v)
        weight, records, _ = worlds.forget(w, 1)
        found = {frozenset(held(r).items()): exp(v) for r, v in zip(records, weight, strict=True)}
        assert found == pytest.approx(expected, rel=1e-12)


def prior(part: tuple[int, ...], state: dict[tuple[int, int], int], plates: range, s: AssociationSettings) -> float:
    """Prior of one part, as the model is described: on its own, not as the kernel writes it."""
    shopper, product, quantity, place = part
    if quantity < 0:
        known = place > 0 or any(state.get((-1 - k, product), 0) >= -quantity for k in plates)
        return (1 - s.returning) * (1 if known else s.stray / PRODUCTS)
    where = (1 - s.misplacing) * FACINGS if place > 0 else s.misplacing
    carried = sum(q for (owner, _), q in state.items() if owner == shopper)
    what = 1 / carried if state.get((shopper, product), 0) >= quantity else s.foreign / PRODUCTS
    return s.returning * where * what


def after(part: tuple[int, ...], state: dict[tuple[int, int], int], plates: range) -> dict[tuple[int, int], int]:
    """State after one part; `plates` in order, the main one first."""
    shopper, product, quantity, place = part
    state = dict(state)
    if quantity < 0:
        source = [k for k in plates if place == 0 and state.get((-1 - k, product), 0) >= -quantity]
        moves = [(-1 - source[0], quantity)] if source else []
        moves.append((shopper, -quantity))
    else:
        moves = [(shopper, -quantity)] if state.get((shopper, product), 0) >= quantity else []
        moves += [(-1 - plates[0], quantity)] if place == 0 else []
    for owner, change in moves:
        state[owner, product] = state.get((owner, product), 0) + change
    return {key: q for key, q in state.items() if q}


@pytest.mark.parametrize("seed", range(12))
def test_the_posterior_is_that_of_brute_force(seed: int) -> None:
    """Two shoppers, three products, two or three events: sums over every sequence of explanations.

    So are the probabilities of each event's explanations, as far as the shares hand them on.
    """
    rng = np.random.default_rng(seed)
    events: list[tuple[worlds.World, list[Any], NDArray[np.float64]]] = []
    w, handed = scene([{}]), []
    for k in range(2 + seed % 2):
        event = worlds.world(rng, plates=2, shoppers=2, products=3, facings=1)
        event.settings = S._replace(negligible=1e-60, max_units=2 if k < 2 else 1)
        event.delta_g, event.sigma_g = rng.choice([-1, 1]) * event.mass_g[:2] * [1, 0.01], np.ones(2)
        event.delta_g, event.present[:] = np.nan_to_num(event.delta_g, nan=70.0), rng.random(3) < 0.5
        parts, score = worlds.explain(event)
        best = np.argsort(-score, kind="stable")[: 60 if seed % 2 == 0 else 24]
        chosen = np.union1d(best, 0)
        # The unlikely ones are made likelier, so that every history counts.
        parts, score = parts[chosen].copy(), np.maximum(score[chosen], score.max() - 12)
        u = worlds.update(_with(w, event), parts, score, capacity=20_000, facings=FACINGS)
        w = scene([held(r) for r in u.records])
        w.weight = u.weight
        handed = [u.share @ chosen for chosen in handed] + [u.chosen]
        events.append((event, parts.tolist(), score))
    expected: dict[State, float] = {}
    causes = [np.zeros(len(score)) for _, _, score in events]
    for history in cartesian(*(range(len(score)) for _, _, score in events)):
        state: dict[tuple[int, int], int] = {}
        probability = 1.0
        for e, (event, parts, score) in zip(history, events, strict=True):
            moved = [tuple(part) for part in parts[e] if part[1] >= 0]
            probability *= exp(score[e]) * np.prod([prior(p, state, range(2), event.settings) for p in moved])
            for part in moved:
                state = after(part, state, range(2))
        key = frozenset(state.items())
        expected[key] = expected.get(key, 0.0) + float(probability)
        for e, cause in zip(history, causes, strict=True):
            cause[e] += probability
    total = sum(expected.values())
    found = {frozenset(held(r[:n]).items()): exp(v) for v, n, r in zip(w.weight, w.count, w.records, strict=True)}
    assert found == pytest.approx({key: v / total for key, v in expected.items()}, rel=1e-9)
    for chosen, cause in zip(handed, causes, strict=True):
        np.testing.assert_allclose(np.exp(w.weight) @ chosen, cause / total, rtol=1e-9)


def _with(w: worlds.World, event: worlds.World) -> worlds.World:
    """The hypotheses of one world at the event of another."""
    merged = scene([held(r[:n]) for n, r in zip(w.count, w.records, strict=True)])
    merged.weight, merged.settings = w.weight, event.settings
    return merged


def test_every_backend_the_same() -> None:
    """Random explanations and hypotheses, ties and impossible ones among them; few and many are kept."""
    kept = 0
    for seed in range(240):
        rng = np.random.default_rng(seed)
        w = worlds.world(rng, shoppers=2 if seed % 4 else None)
        parts, score = worlds.explain(w)
        if seed % 3 == 0:
            score = np.round(score)
        capacity = int(rng.choice([1, 3, 64]))
        main = int(rng.integers(len(w.plates)))

        def run(w: worlds.World = w, parts: Any = parts, score: Any = score, k: int = capacity, m: int = main) -> Any:
            u = worlds.update(w, parts, score, capacity=k, main_plate=m)
            return u.weight, u.records, u.share, u.chosen, worlds.forget(w, 0), worlds.forget(w, -1)

        weight, *_ = agree(run, rtol=1e-12)
        assert np.isfinite(weight).all()
        kept += len(weight)
    assert kept > 500
