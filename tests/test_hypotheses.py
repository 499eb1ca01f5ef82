"""The K best hypotheses: known answers, merging, properties, and every backend the same."""

from dataclasses import replace
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
ABSENT = (-1, -1, 0, -1)
NULL = (ABSENT, ABSENT, ABSENT)
STAFF = worlds.STAFF
PRODUCTS, FACINGS = 10, 20
Records = dict[tuple[int, int], int]
"""Quantity by owner and product."""
State = frozenset[tuple[tuple[int, int], int]]


def scene(states: list[Records], prior: list[float] | None = None, plates: int = 2) -> worlds.World:
    """Hypotheses before an event on plates 0 .. `plates` - 1."""
    records = np.full((len(states), 12, 3), -77, np.int32)
    for k, state in enumerate(states):
        for i, ((owner, product), quantity) in enumerate(sorted(state.items())):
            records[k, i] = owner, product, quantity
    return worlds.World(
        *(np.zeros(plates), np.ones(plates), np.ones((1, plates), np.uint8), np.zeros(0, np.int32)),
        *(np.full(PRODUCTS, 100.0), np.zeros(PRODUCTS, np.uint8)),
        weight=np.log(prior or [1 / len(states)] * len(states)),
        count=np.array([len(s) for s in states], np.int32),
        records=records,
        echo=np.zeros(len(states)),
        together=np.zeros(len(states)),
    )


def held(records: NDArray[np.int32]) -> Records:
    return {(owner, product): quantity for owner, product, quantity in records.tolist()}


def weights(u: worlds.Updated) -> dict[State, float]:
    """Probability of each state."""
    return {frozenset(held(r).items()): exp(v) for r, v in zip(u.records, u.weight, strict=True)}


def step(w: worlds.World, choices: dict[Any, float], **options: Any) -> tuple[list[Records], worlds.Updated]:
    """Update by explanations (three parts each) with probabilities; return the states held and the whole answer."""
    parts = np.array(list(choices), np.int32).reshape(-1, 3, 4)
    score = np.log(list(choices.values()))
    u = worlds.update(w, parts, score, **({"capacity": 16, "facings": FACINGS} | options))
    return [held(r) for r in u.records], u


def by(*parts: tuple[int, int, int, int]) -> Any:
    """An explanation by these parts (shopper, product, quantity, place)."""
    return (*parts, *[ABSENT] * (3 - len(parts)))


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
                {(1, 4): 1},
                (0, 3, 1, 0),
                BACK * S.misplacing * S.foreign / PRODUCTS,
                {(-2, 3): 1, (1, 4): 1},
                id="return what nobody was known to carry",
            ),
            pytest.param(
                {(0, 3): 1},
                (0, 3, 2, 2),
                BACK * (1 - S.misplacing) * FACINGS * S.foreign / PRODUCTS,
                {(0, 3): 1},
                id="return more than he carries, home",
            ),
            pytest.param({}, (STAFF, 3, -2, 1), TAKE, {}, id="staff take, and nothing is recorded"),
            pytest.param({(-2, 3): 2}, (STAFF, 3, -2, 0), TAKE, {}, id="staff tidy up"),
            pytest.param(
                {}, (STAFF, 3, 9, 1), TAKE * (1 - S.misplacing) * FACINGS, {}, id="staff restock from outside"
            ),
            pytest.param(
                {(1, 3): 9}, (STAFF, 3, 1, 0), TAKE * S.misplacing, {(-2, 3): 1, (1, 3): 9}, id="staff misplace"
            ),
        ],
    )
    def test_one_part(self, before: Records, part: Any, odds: float, after: Records) -> None:
        _, u = step(scene([before]), {NULL: 1.0, by(part): 1.0}, main_plates=(1, 1))
        weight = weights(u)
        if after == before:
            assert weight == {frozenset(before.items()): pytest.approx(1)}
            assert u.by_explanation(2) == pytest.approx(np.array([[1, odds]]) / (1 + odds), rel=1e-12)
        else:
            expected = {frozenset(before.items()): 1 / (1 + odds), frozenset(after.items()): odds / (1 + odds)}
            assert weight == pytest.approx(expected, rel=1e-12)

    def test_a_pair_exchanges(self) -> None:
        """One takes, another returns, in one event."""
        pair = by((0, 1, -1, 1), (1, 2, 1, 2))
        states, u = step(scene([{(1, 2): 1}]), {NULL: 1e-6, pair: 1.0})
        assert states[0] == {(0, 1): 1}
        assert u.by_explanation(2)[0].tolist() == [0, 1]

    def test_equal_states_merge(self) -> None:
        """Two histories, one basket: the weights add, and each keeps its share."""
        w = scene([{(0, 1): 1}, {(0, 2): 1}], [0.7, 0.3])
        states, u = step(w, {NULL: 1e-12, by((0, 2, -1, 1)): 0.4, by((0, 1, -1, 1)): 0.5})
        both = {(0, 1): 1, (0, 2): 1}
        k = states.index(both)
        assert exp(u.weight[k]) == pytest.approx((0.7 * 0.4 + 0.3 * 0.5) / 0.9)
        assert u.share[k] == pytest.approx([0.28 / 0.43, 0.15 / 0.43])
        assert u.by_explanation(3)[k] == pytest.approx([0, 0.28 / 0.43, 0.15 / 0.43])
        assert exp(u.weight[states.index({(0, 1): 2})]) == pytest.approx(0.7 * 0.5 / 0.9)
        assert len(states) == 3

    def test_the_echo_favours_the_null_where_it_is_due(self) -> None:
        w = scene([{(0, 1): 1}, {(0, 2): 1}])
        w.echo = np.array([0.0, log(5)])
        states, u = step(w, {NULL: 1.0})
        assert states == [{(0, 2): 1}, {(0, 1): 1}]
        assert np.exp(u.weight) == pytest.approx([5 / 6, 1 / 6])

    def test_only_the_best_are_kept(self) -> None:
        choices = {NULL: 1e-12} | {by((0, k, -1, 1)): 2.0**-k for k in range(6)}
        _, u = step(scene([{}]), choices, capacity=3)
        assert u.by_explanation(7).argmax(axis=1).tolist() == [1, 2, 3]
        assert np.exp(u.weight) == pytest.approx([4 / 7, 2 / 7, 1 / 7])

    def test_the_impossible_is_dropped(self) -> None:
        w = scene([{}])
        parts = np.array([NULL, by((0, 1, -1, 1)), by((0, 2, -1, 1))], np.int32)
        u = worlds.update(w, parts, np.array([0.0, -np.inf, log(S.negligible) - 8]), capacity=4)
        assert u.columns.tolist() == [0]
        assert u.chosen.tolist() == [[1]]

    def test_a_likely_return_is_not_dropped_before_its_prior(self) -> None:
        """Of a thousand facings, home is a thousand times likelier than any: beyond the negligible by that."""
        w = scene([{(0, 1): 1}])
        parts = np.array([NULL, by((0, 1, 1, 1))], np.int32)
        u = worlds.update(w, parts, np.array([0.0, log(S.negligible) - 1]), capacity=4, facings=1000)
        assert exp(u.weight[1] - u.weight[0]) == pytest.approx(S.negligible / exp(1) * 0.3 * 0.85 * 1000)


class TestHandedOver:
    """A shopper returns what he does not carry: it came from outside, or from whoever carries it."""

    def test_from_one_other(self) -> None:
        _, u = step(scene([{(1, 3): 1}]), {NULL: 1e-12, by((0, 3, 1, 1)): 1.0})
        foreign, handed = S.foreign / PRODUCTS, S.handing_over
        found = weights(u)
        assert found[frozenset()] == pytest.approx(handed / (foreign + handed), rel=1e-9)
        assert found[frozenset({((1, 3), 1)})] == pytest.approx(foreign / (foreign + handed), rel=1e-9)

    def test_from_any_of_two_others(self) -> None:
        """Each as likely; not from who has too few, nor from a plate, nor from who has something else."""
        state = {(-2, 3): 2, (0, 3): 1, (1, 3): 2, (2, 3): 3, (3, 3): 1, (4, 5): 2}
        states, u = step(scene([state]), {NULL: 1e-12, by((0, 3, 2, 1)): 1.0})
        share = S.handing_over / (S.handing_over + S.foreign / PRODUCTS) / 2
        for source in (1, 2):
            left = {key: q - 2 * (key == (source, 3)) for key, q in state.items()}
            k = states.index({key: q for key, q in left.items() if q})
            assert exp(u.weight[k]) == pytest.approx(share, rel=1e-9)
        assert len(states) == 3

    def test_what_one_carries_is_not_anothers(self) -> None:
        states, _ = step(scene([{(0, 3): 1, (1, 3): 1}]), {NULL: 1e-3, by((0, 3, 1, 1)): 1.0})
        assert states == [{(1, 3): 1}, {(0, 3): 1, (1, 3): 1}]

    def test_only_the_first_such_part_asks(self) -> None:
        """Two returns that nobody expected: the second is from outside."""
        pair = by((0, 3, 1, 1), (0, 4, 1, 2))
        states, u = step(scene([{(1, 3): 1, (1, 4): 1}]), {NULL: 1e-12, pair: 1.0})
        foreign, handed = S.foreign / PRODUCTS, S.handing_over
        assert states == [{(1, 4): 1}, {(1, 3): 1, (1, 4): 1}]
        assert exp(u.weight[0]) == pytest.approx(handed / (handed + foreign), rel=1e-9)

    def test_who_asks_may_be_the_second(self) -> None:
        """Shopper 1 puts his down, shopper 0 puts down another one, which was shopper 2's."""
        pair = by((1, 3, 1, 1), (0, 3, 1, 2))
        states, _ = step(scene([{(1, 3): 1, (2, 3): 1}]), {NULL: 1e-12, pair: 1.0})
        assert {} in states

    def test_staff_never_ask(self) -> None:
        """They restock while a shopper puts down what was another's."""
        pair = by((STAFF, 3, 1, 1), (0, 3, 1, 2))
        states, u = step(scene([{(1, 3): 1}]), {NULL: 1e-12, pair: 1.0})
        assert states[0] == {}
        assert exp(u.weight[1] - u.weight[0]) == pytest.approx(S.foreign / PRODUCTS / S.handing_over, rel=1e-9)

    def test_beside_another_part(self) -> None:
        """The source gives, the part that came with it happens all the same."""
        states, _ = step(scene([{(1, 3): 1}]), {NULL: 1e-12, by((0, 3, 1, 0), (0, 5, -1, 1)): 1.0})
        assert states[0] == {(-1, 3): 1, (0, 5): 1}


class TestJoint:
    """Explanations from `first_joint` on explain this event and an earlier one as one, if that was a null."""

    CHOICES = {NULL: 1.0, by((0, 1, -1, 1)): 1.0, by((0, 2, -1, 1)): 1.0}  # noqa: RUF012

    def test_they_weigh_by_what_the_earlier_event_was(self) -> None:
        w = scene([{}, {(0, 5): 1}])
        w.together = np.array([log(0.4), -np.inf])
        states, u = step(w, self.CHOICES, first_joint=2)
        take = 1 - S.returning
        total = 1 + take + 0.2 * take
        found = {frozenset(s.items()): exp(v) for s, v in zip(states, u.weight, strict=True)}
        assert found[frozenset({((0, 2), 1)})] == pytest.approx(0.2 * take / total, rel=1e-12)
        assert frozenset({((0, 2), 1), ((0, 5), 1)}) not in found

    def test_their_share_is_told_apart(self) -> None:
        """Two ways to one state: 0.5 by this event alone, 0.25 as one with the earlier."""
        choices = {NULL: 1e-12, by((0, 1, -1, 1)): 0.5, by((0, 1, -1, 2)): 0.25}
        _, u = step(scene([{}]), choices, first_joint=2)
        assert u.share[0] == pytest.approx([2 / 3])
        assert u.joint[0] == pytest.approx([1 / 3])
        assert u.by_explanation(3)[0] == pytest.approx([0, 2 / 3, 1 / 3])

    def test_what_is_misplaced_lies_on_the_main_plate_of_both(self) -> None:
        """Of 300 g that came to plate 0 and 500 g to plate 1, a half stands on each."""
        choices = {NULL: 1e-12, by((0, 1, 1, 0)): 1.0, by((0, 2, 1, 0)): 1.0}
        w = scene([{(0, 1): 1, (0, 2): 1}])
        states, _ = step(w, choices, first_joint=2, main_plates=(0, 1))
        assert states[:2] == [{(-1, 1): 1, (0, 2): 1}, {(-2, 2): 1, (0, 1): 1}]


class TestProperties:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 20))
    def test_what_is_left_is_well_formed(self, seed: int, capacity: int) -> None:
        """Weights and shares sum to 1, states are sorted, positive and different, what came in is untouched."""
        w = worlds.world(np.random.default_rng(seed))
        found = worlds.explain(w)
        first = len(found.score) * 2 // 3 + 1
        before = w.weight.copy(), w.count.copy(), w.records.copy()
        u = worlds.update(w, found.parts, found.score, capacity=capacity, first_joint=first)
        assert special.logsumexp(u.weight) == pytest.approx(0, abs=1e-12)
        assert 1 <= len(u.weight) <= capacity
        states = [tuple(map(tuple, r.tolist())) for r in u.records]
        assert len(set(states)) == len(states)
        for state in states:
            keys = [record[:2] for record in state]
            assert keys == sorted(set(keys))
            assert all(record[2] > 0 for record in state)
        for part in (u.share + u.joint, u.chosen):
            assert (part >= 0).all()
            assert part.sum(axis=1) == pytest.approx(1)
        assert u.by_explanation(len(found.score))[:, first:].sum(axis=1) == pytest.approx(u.joint.sum(axis=1))
        assert len(set(u.columns.tolist())) == len(u.columns)
        for old, new in zip(before, (w.weight, w.count, w.records), strict=True):
            np.testing.assert_array_equal(old, new)

    @settings(max_examples=60, deadline=None)
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

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_the_order_of_explanations_does_not_matter(self, seed: int) -> None:
        """The null stays first."""
        rng = np.random.default_rng(seed)
        w = worlds.world(rng)
        found = worlds.explain(w)
        order = np.concatenate([[0], 1 + rng.permutation(len(found.score) - 1)])
        one = worlds.update(w, found.parts, found.score, capacity=2000)
        other = worlds.update(w, found.parts[order].copy(), found.score[order].copy(), capacity=2000)
        assert weights(other) == pytest.approx(weights(one), rel=1e-9)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_joining_is_multiplying(self, seed: int) -> None:
        """Owners of the other are moved out of the way; marginals are what they were."""
        rng = np.random.default_rng(seed)
        one, other = worlds.world(rng, shoppers=2), worlds.world(rng, shoppers=2)
        one.settings = S._replace(negligible=1e-60)
        moved = np.where(other.records[:, :, 0] < 0, -50, 50)
        other.records[:, :, 0] += moved.astype(np.int32)
        weight, records, source = worlds.join(one, other, 25)
        assert len(weight) == len(one.weight) * len(other.weight)
        for side, part in enumerate((one, other)):
            p = np.bincount(source[:, side], np.exp(weight))
            assert p == pytest.approx(np.exp(part.weight), rel=1e-9)
        for (i, j), r in zip(source.tolist(), records, strict=True):
            assert held(r) == held(one.records[i, : one.count[i]]) | held(other.records[j, : other.count[j]])
            assert r.tolist() == sorted(r.tolist())

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(-4, 4))
    def test_certain_is_what_it_says(self, seed: int, owner: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=3)
        own = {tuple(r for r in w.records[h, :n].tolist() if r[0] == owner).__repr__() for h, n in enumerate(w.count)}
        assert worlds.certain(w, owner) == (len(own) == 1)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_what_is_added_to_all_is_a_sum(self, seed: int) -> None:
        w = worlds.world(np.random.default_rng(seed), shoppers=3)
        own = [held(w.records[h, :n]) for h, n in enumerate(w.count)]
        base = [(owner, product, -q) for (owner, product), q in sorted(own[0].items())]
        added = worlds.add_to_all(w, base)
        for before, rows in zip(own, added, strict=True):
            keys = before.keys() | own[0].keys()
            assert held(rows) == {k: d for k in keys if (d := before.get(k, 0) - own[0].get(k, 0))}
            assert rows.tolist() == sorted(rows.tolist())
        assert worlds.list_doubts(w) == sorted(set().union(*own))

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_how_they_differ_is_as_good_as_what_they_have(self, seed: int) -> None:
        """Of what is only taken from its facing, an update needs not know how much there is."""
        rng = np.random.default_rng(seed)
        w = worlds.world(rng, shoppers=2)
        found = worlds.explain(w)
        quantity, place = found.parts[:, :, 2], found.parts[:, :, 3]
        back, lying = worlds.ask(
            w, found.parts, found.score, found.score[0] + (w.weight + w.echo).max() - w.weight.max(), len(found.score)
        )
        asked = set(np.flatnonzero(back | lying).tolist())
        assert asked <= set(found.parts[:, :, 1][(quantity > 0) | (quantity < 0) & (place == 0)].tolist())
        base = [(o, p, q) for (o, p), q in sorted(held(w.records[0, : w.count[0]]).items()) if p not in asked]
        rests = {o: sum(q for owner, _, q in base if owner == o) for o, _, _ in base}
        nowhere = [(o, len(w.mass_g), q) for o, q in rests.items()]
        other = replace(w)
        rows = worlds.add_to_all(w, sorted([(o, p, -q) for o, p, q in base] + nowhere))
        other.count = np.array([len(r) for r in rows], np.int32)
        other.records = np.array([np.pad(r, ((0, 30 - len(r)), (0, 0))) for r in rows], np.int32)
        one, two = (worlds.update(x, found.parts, found.score, capacity=16) for x in (w, other))
        assert two.weight.tolist() == one.weight.tolist()
        assert (two.share.tolist(), two.columns.tolist()) == (one.share.tolist(), one.columns.tolist())
        assert two.chosen.tolist() == one.chosen.tolist()


def test_every_backend_the_same() -> None:
    """Random explanations and hypotheses, ties, joint and impossible ones among them; few and many are kept."""
    kept = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        w = worlds.world(rng, shoppers=2 if seed % 4 else None)
        found = worlds.explain(w)
        score = np.round(found.score) if seed % 3 == 0 else found.score
        options: dict[str, Any] = {
            "capacity": int(rng.choice([1, 3, 64])),
            "first_joint": int(rng.integers(1, len(score) + 1)),
            "main_plates": tuple(rng.integers(0, len(w.plates), 2).tolist()),
        }
        found.parts[:, :, 0][(found.parts[:, :, 0] == 1) & (seed % 5 == 0)] = STAFF + 1

        def run(w: worlds.World = w, parts: Any = found.parts, score: Any = score, options: Any = options) -> Any:
            u = worlds.update(w, parts, score, **options)
            told = u.weight, u.records, u.share, u.joint, u.columns, u.chosen
            other = scene([{(70, 1): 1}, {(-70, 1): 1}, {}], [0.5, 0.3, 0.2])
            asked = worlds.ask(w, parts, score, float(score[0]), options["first_joint"])
            changed = asked, worlds.list_doubts(w), worlds.add_to_all(w, [(0, 1, 2), (1, 0, -1), (71, 0, 1)])
            others = worlds.forget(w, 0), worlds.forget(w, -1), worlds.join(w, other, 7), worlds.certain(w, 0)
            return told, changed, others

        (weight, *_), *_ = agree(run, rtol=1e-12)
        assert np.isfinite(weight).all()
        kept += len(weight)
    assert kept > 500
