"""What hands that meet may have passed: the kernel against brute force and on every backend, then as a user sees it."""

from collections import defaultdict
from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import worlds
from crosscheck import agree
from fusion import AssociationSettings
from fusion.association import Candidate
from fusion.meetings import MeetingSettings
from test_associator import Shop, cause

State = frozenset[tuple[tuple[int, int], int]]
NS = 1_000_000_000
SURELY = 20.0
"""A log-ratio that leaves no doubt."""


def state(records: NDArray[np.int32]) -> State:
    return frozenset(((owner, product), quantity) for owner, product, quantity in records.tolist())


def moves_of(w: worlds.World, one: int, other: int) -> NDArray[np.int32]:
    """Everything that either may give the other."""
    held = {(r[0], r[1]) for h, n in enumerate(w.count) for r in w.records[h, :n].tolist() if r[0] in (one, other)}
    return np.array([(o, other if o == one else one, p) for o, p in sorted(held)], np.int32).reshape(-1, 3)


def brute_force(
    w: worlds.World, moves: NDArray[np.int32], in_hand: NDArray[np.float64], passing: float
) -> dict[tuple[State, int, int], float]:
    """Probability of every new state with the hypothesis and the move that it came from (0: none)."""
    found: dict[tuple[State, int, int], float] = defaultdict(float)
    for h, n in enumerate(w.count):
        held = {(o, p): q for o, p, q in w.records[h, :n].tolist()}
        pull = [
            in_hand[m] + 0.005 * held[giver, product] if (giver, product) in held else 0.0
            for m, (giver, _, product) in enumerate(moves.tolist())
        ]
        total = 0.02 + sum(pull)
        before = exp(w.weight[h])
        found[frozenset(held.items()), h, 0] += before * (1 - passing + passing * 0.02 / total)
        for m, (giver, receiver, product) in enumerate(moves.tolist()):
            if pull[m] > 0.0:
                after = dict(held)
                after[giver, product] -= 1
                if receiver < worlds.STAFF:
                    after[receiver, product] = after.get((receiver, product), 0) + 1
                kept = frozenset((key, q) for key, q in after.items() if q)
                found[kept, h, 1 + m] += before * passing * pull[m] / total
    return found


class TestKernel:
    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([1, worlds.STAFF]))
    def test_against_brute_force(self, seed: int, receiver: int) -> None:
        """States, where each came from and by which move."""
        rng = np.random.default_rng(seed)
        w = worlds.world(rng, shoppers=3)
        moves = moves_of(w, 0, 1)
        moves[:, 1][moves[:, 1] == 1] = receiver
        in_hand, passing = rng.choice([0.0, 0.3, 1.0], len(moves)), float(rng.choice([1e-6, 0.3, 1 - 1e-9]))
        weight, records, share, chosen = worlds.transfer(w, moves, in_hand, passing, capacity=100)
        expected = brute_force(w, moves, in_hand, passing)
        whole, by_old, by_move = (defaultdict[Any, float](float) for _ in range(3))
        for (of, h, m), p in expected.items():
            whole[of] += p
            by_old[of, h] += p
            by_move[of, m] += p
        for of, h, m in expected:
            (k,) = (k for k, r in enumerate(records) if state(r) == of)
            assert exp(weight[k]) == pytest.approx(whole[of], rel=1e-9)
            assert share[k, h] == pytest.approx(by_old[of, h] / whole[of], rel=1e-9)
            assert chosen[k, m] == pytest.approx(by_move[of, m] / whole[of], rel=1e-9)
        assert len(records) == len({s for s, *_ in expected})

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, 9))
    def test_what_is_left_is_well_formed(self, seed: int, capacity: int) -> None:
        rng = np.random.default_rng(seed)
        w = worlds.world(rng, shoppers=3)
        before = w.weight.copy(), w.count.copy(), w.records.copy()
        moves = moves_of(w, 0, 2)
        weight, records, share, chosen = worlds.transfer(w, moves, np.full(len(moves), 0.2), 0.5, capacity=capacity)
        assert 1 <= len(weight) <= capacity
        assert np.exp(weight).sum() == pytest.approx(1)
        assert share.sum(axis=1) == pytest.approx(1)
        assert chosen.sum(axis=1) == pytest.approx(1)
        for r in records:
            keys = r[:, :2].tolist()
            assert keys == sorted(keys)
            assert (r[:, 2] > 0).all()
        assert len({state(r) for r in records}) == len(records)
        for old, new in zip(before, (w.weight, w.count, w.records), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_no_moves_change_nothing(self) -> None:
        w = worlds.world(np.random.default_rng(3), shoppers=2)
        weight, records, _, chosen = worlds.transfer(w, np.empty((0, 3), np.int32), np.empty(0), 0.9)
        told = {state(r): exp(v) for r, v in zip(records, weight, strict=True)}
        expected: dict[State, float] = defaultdict(float)
        for v, n, r in zip(w.weight, w.count, w.records, strict=True):
            expected[state(r[:n])] += exp(v)
        assert told == pytest.approx(expected)
        assert (chosen == 1.0).all()

    def test_every_backend_the_same(self) -> None:
        for seed in range(60):
            rng = np.random.default_rng(seed)
            w = worlds.world(rng, shoppers=3)
            moves = moves_of(w, 0, 1)
            in_hand = np.round(rng.uniform(0, 1, len(moves)), seed % 3)
            options: dict[str, Any] = {
                "capacity": int(rng.choice([1, 3, 64])), "negligible": float(rng.choice([1e-60, 1e-2]))
            }  # fmt: skip

            def run(w: Any = w, moves: Any = moves, in_hand: Any = in_hand, options: Any = options) -> Any:
                return worlds.transfer(w, moves, in_hand, 0.4, **options)

            weight, *_ = agree(run, rtol=1e-12)
            assert np.isfinite(weight).all()


class Pair(Shop):
    """The small shop, with a clock and hands that meet."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.now_ns = 0

    def take(self, plate: str, grams: float, who: str = "ann", after_s: float = 3.0) -> list[Candidate]:
        self.now_ns += round(after_s * NS)
        where = (plate, None) if who == "ann" else (None, plate)
        return self.event({plate: grams}, *where, time_ns=self.now_ns)

    def meet(self, log_ratio: float = SURELY, after_s: float = 3.0, shoppers: Any = ("ann", "bob")) -> list[Candidate]:
        self.now_ns += round(after_s * NS)
        self.events += 1
        return self.associator.meet(self.events, shoppers, log_ratio, self.now_ns)


class TestAssociator:
    def test_what_was_taken_a_moment_ago_is_passed(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        gave, got = shop.meet()
        assert (cause(gave), cause(got)) == (("ann", "cola", 1), ("bob", "cola", -1))
        assert gave.probability == got.probability > 0.9
        assert [name for name, _ in gave.terms] == ["hands", "basket"]
        assert dict(gave.terms)["hands"] == SURELY
        assert shop.basket("bob") == {"cola": 1}
        assert shop.basket("ann") == {}

    def test_hands_that_hardly_met_leave_a_doubt(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        gave, _ = shop.meet(1.0)
        assert 0.05 < gave.probability < 0.3
        assert shop.basket("ann") == {"cola": 1}

    @pytest.mark.parametrize("ratio", [-30.0, -1e300])
    def test_hands_that_did_not_meet_pass_nothing(self, ratio: float) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        assert shop.meet(ratio) == []
        assert not shop.associator.knows(shop.events)

    def test_nobody_gives_what_nobody_has(self) -> None:
        assert Pair().meet() == []

    def test_the_last_thing_is_likelier_than_those_before(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        shop.take("p2", -1000.0, after_s=20.0)
        gave, _, *others = shop.meet()
        assert gave.product == "rice"
        assert gave.probability > 0.8
        assert {c.product for c in others} == {"cola"}

    def test_who_took_something_just_now_is_likelier_the_giver(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0, "bob")
        shop.take("p2", -1000.0, "ann", after_s=20.0)
        assert cause(shop.meet()[0]) == ("ann", "rice", 1)

    def test_what_was_put_away_long_ago_may_as_well_stay_there(self) -> None:
        soon, late = Pair(), Pair()
        for shop in (soon, late):
            shop.take("p0", -500.0)
        assert soon.meet(4.0)[0].probability > late.meet(4.0, after_s=300.0)[0].probability + 0.3

    def test_a_return_by_the_receiver_confirms_it(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        before = shop.meet(3.0)[0].probability
        meeting = shop.events
        shop.event({"p0": 500.0}, None, "p0")
        (gave, _, *_) = shop.associator.candidates(meeting)
        assert before < 0.6 < 0.98 < gave.probability
        assert shop.basket("ann") == shop.basket("bob") == {}

    def test_a_return_by_the_giver_refutes_it(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        before = shop.meet(4.0)[0].probability
        meeting = shop.events
        shop.event({"p0": 500.0}, "p0", None)
        now = sum(c.probability for c in shop.associator.candidates(meeting) if c.quantity > 0)
        assert now < 0.1 < 0.6 < before

    def test_an_earlier_doubt_is_carried_along(self) -> None:
        """Soup and tuna weigh the same: what was taken from between them is passed on, whatever it was."""
        shop = Pair()
        shop.event({"p1": -150.0, "p5": -150.0}, "p1", None, time_ns=0)
        shop.meet()
        found = {tuple(basket): p for basket, p in shop.associator.baskets("bob")}
        assert found.get(("soup",), 0.0) + found.get(("tuna",), 0.0) > 0.5
        assert shop.basket("ann") == {}

    def test_staff_take_things_back(self) -> None:
        shop = Pair()
        shop.associator.employ("bob")
        shop.take("p0", -500.0)
        assert cause(shop.meet()[0]) == ("ann", "cola", 1)
        assert shop.basket("ann") == {}

    def test_who_left_has_nothing(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        shop.meet(3.0)
        shop.associator.leave("ann")
        assert shop.basket("ann") == {}
        assert [b for b, _ in shop.associator.baskets("bob")] == [{}, {"cola": 1}]

    def test_many_meetings_stay_bounded(self) -> None:
        shop = Pair(hypotheses=16, memory=4)
        for k in range(40):
            shop.take("p0", -500.0, ("ann", "bob")[k % 2])
            assert shop.meet(3.0)
        assert sum(p for _, p in shop.associator.baskets("ann", "bob")) == pytest.approx(1)
        assert shop.associator.baskets("ann", "bob")[0][0] == {"cola": 40}

    @pytest.mark.parametrize(
        ("shoppers", "ratio", "message"),
        [
            (("ann",), 1.0, "shoppers must be two; got 1"),
            (("ann", "bob", "cid"), 1.0, "shoppers must be two; got 3"),
            (("ann", "ann"), 1.0, "shoppers must be unique"),
            (("ann", "bob"), np.nan, "log_ratio must be finite"),
            (("ann", "bob"), np.inf, "log_ratio must be finite"),
        ],
    )
    def test_bad_meetings(self, shoppers: Any, ratio: float, message: str) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        with pytest.raises(ValueError, match=message):
            shop.meet(ratio, shoppers=shoppers)
        assert shop.basket("ann") == {"cola": 1}

    def test_keys_are_new(self) -> None:
        shop = Pair()
        shop.take("p0", -500.0)
        with pytest.raises(ValueError, match="key must be new"):
            shop.associator.meet(1, ("ann", "bob"), 1.0, 0)

    def test_every_backend_the_same(self) -> None:
        def run() -> Any:
            shop = Pair()
            shop.take("p0", -500.0)
            shop.take("p2", -1000.0, "bob")
            told = [shop.meet(3.0), shop.take("p0", 500.0, "bob"), shop.meet(5.0)]
            return [[(*cause(c), c.probability) for c in some] for some in told], shop.associator.baskets("ann", "bob")

        agree(run, rtol=1e-9)


@pytest.mark.parametrize("name", MeetingSettings._fields)
def test_settings_are_checked(name: str) -> None:
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=name):
            MeetingSettings(**{name: wrong}).validated()
    with pytest.raises(TypeError, match=name):
        MeetingSettings(**{name: "0.5"}).validated()  # type: ignore[arg-type]


def test_settings_of_both_kinds_do_not_share_names() -> None:
    assert set(MeetingSettings._fields) & set(AssociationSettings._fields) == {"negligible"}
