"""What is believed about everybody: who is in a cluster with whom, what is told of it, and what cuts leave alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import worlds
from fusion import backends
from fusion.association import Associator
from fusion.association_settings import AssociationSettings
from fusion.beliefs import Beliefs
from fusion.clusters import MARGIN, Cause, cluster_of, null_probability, probability_of
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store

NAMES = ("ann", "bob", "eve", "dan")
MASSES = (500.0, 500.0, 300.0, 300.0)


def store() -> Store:
    """Two plates side by side, and two others 50 m away."""
    boxes = [Box(np.array([x, 0, 1.0]), np.array([0.5, 0.4, 0.3])) for x in (0.0, 0.5, 50.0, 50.5)]
    plates = [Plate(f"p{k}", box) for k, box in enumerate(boxes)]
    products = tuple(Product(f"x{k}", mass_g=g) for k, g in enumerate(MASSES))
    facings = tuple(Facing(f"x{k}", (f"p{k}",), box) for k, box in enumerate(boxes))
    shelves = (Shelf("s", tuple(plates[:2])), Shelf("t", tuple(plates[2:])))
    return Store((Fixture("f", shelves[:1]), Fixture("g", shelves[1:])), products, facings)


STORE = store()


def hands(near: str) -> NDArray[np.float64]:
    """Of ann and bob at the first two plates or of eve and dan at the others; the two others are where they are."""
    x = np.array([0.5, 0.6, 50.5, 50.6])
    found = np.zeros((3, 4, 2, 3))
    found[..., 0], found[..., 1:] = x[:, None], (0.2, 1.1)
    return found if near else np.full_like(found, np.nan)


def shop() -> Associator:
    """Owners are counted in the order of `NAMES`."""
    associator = Associator(STORE)
    for name in NAMES:
        associator._owner(name)
    return associator


def event(associator: Associator, key: int, plate: int, units: int) -> None:
    """Nobody can tell which of the two who stand there it was."""
    associator.associate(key, [f"p{plate}"], [MASSES[plate] * units], [1.0], NAMES, hands("there"))


def clusters(associator: Associator) -> list[set[int]]:
    """Owners of each cluster."""
    held = associator._hypothesiser.beliefs._clusters
    for owner, cluster in held.items():
        assert owner in cluster.owners
        assert cluster.doubts.keys() == cluster.owners
    return [c.owners for c in {id(c): c for c in held.values()}.values()]


MOVES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-1, -1, 1, -2])), min_size=1, max_size=8)


class TestClusters:
    @settings(max_examples=40, deadline=None)
    @given(MOVES)
    def test_two_pairs_far_apart_are_never_in_one(self, moves: list[tuple[int, int]]) -> None:
        """What one pair does leaves the other's odds as they are, to the bit."""
        both, one = shop(), shop()
        for key, (plate, units) in enumerate(moves):
            event(both, key, plate, units)
            for owners in clusters(both):
                assert not (owners & {0, 1, -1, -2} and owners & {2, 3, -3, -4})
            if plate < 2:
                event(one, key, plate, units)
        for key, (plate, _) in enumerate(moves):
            if plate < 2:
                assert both.candidates(key) == one.candidates(key)
        assert both.baskets("ann", "bob") == one.baskets("ann", "bob")

    def test_a_sure_thing_is_in_none(self) -> None:
        associator = Associator(STORE, settings=AssociationSettings(negligible=0.1))
        associator.associate(1, ["p0"], [-500.0], [1.0], ["ann"], hands("there")[:, :1])
        assert clusters(associator) == []
        assert associator.baskets("ann") == [({"x0": 1}, pytest.approx(1.0))]

    def test_who_leaves_is_in_none(self) -> None:
        associator = shop()
        event(associator, 1, 0, -1)
        assert any({0, 1} <= owners for owners in clusters(associator))
        before, bobs = associator.candidates(1), associator.baskets("bob")
        associator.leave("ann")
        assert not any(0 in owners for owners in clusters(associator))
        after = associator.candidates(1)
        assert [(c.shopper, c.product, c.quantity) for c in after] == [
            (c.shopper, c.product, c.quantity) for c in before
        ]
        assert [c.probability for c in after] == pytest.approx([c.probability for c in before], rel=1e-9)
        assert associator.baskets("bob") == [(basket, pytest.approx(p, rel=1e-9)) for basket, p in bobs]

    def test_independent_contents_multiply(self) -> None:
        associator = Associator(STORE)
        event(associator, 1, 0, -1)
        event(associator, 2, 2, -1)
        found = {tuple(basket.items()): p for basket, p in associator.baskets("ann", "eve")}
        one = {tuple(basket.items()): p for basket, p in associator.baskets("ann")}
        other = {tuple(basket.items()): p for basket, p in associator.baskets("eve")}
        for (a, p), (b, q) in [(x, y) for x in one.items() for y in other.items() if x[1] * y[1] > 1e-6]:
            assert found[(*a, *b)] == pytest.approx(p * q, rel=1e-9)


class TestCuts:
    def test_what_is_cut_stays_as_it_was(self) -> None:
        """Ann or bob took each of nine; settled ones keep their probabilities and forget the hopeless causes."""
        associator = Associator(STORE, memory=2)
        for key in range(9):
            event(associator, key, key % 2, -1)
        settled = {k: c.probability for k, c in associator._causes.items() if c.probability is not None}
        assert 4 <= len(settled) <= 7
        before = {key: associator.candidates(key) for key in settled}
        for cause in (associator._causes[key] for key in settled):
            assert len(cause.parts) == len(cause.terms) == len(cause.probability)  # type: ignore[arg-type]
            assert cause.chosen.nbytes == 0
            assert cause.probability is not None
            assert cause.probability.sum() == pytest.approx(1, abs=1e-9)
        associator.associate(9, ["p0"], [500.0], [1.0], ["bob"], hands("there")[:, 1:2])
        assert {key: associator.candidates(key) for key in before} == before

    def test_a_long_memory_and_a_short_one_agree_on_today(self) -> None:
        long, short = Associator(STORE, memory=64), Associator(STORE, memory=1)
        for key in range(9):
            event(long, key, key % 2, -1)
            event(short, key, key % 2, -1)
        assert short.baskets("ann", "bob") == long.baskets("ann", "bob")

    @settings(max_examples=30, deadline=None)
    @given(MOVES)
    def test_both_ways_to_ask_whether_it_was_nothing(self, moves: list[tuple[int, int]]) -> None:
        """By the path from then to now, and by today's probabilities handed back."""
        associator = Associator(STORE)
        for key, (plate, units) in enumerate(moves):
            event(associator, key, plate, units)
        for cause in associator._causes.values():
            cluster = cluster_of(cause)
            if cluster is not None:
                cluster.marginals.clear()
            forward = null_probability(cause)
            assert forward == pytest.approx(float(probability_of(cause)[0]), rel=1e-9, abs=1e-12)


class TestJoint:
    def test_an_earlier_null_that_was_a_part_of_this_event(self) -> None:
        """Half of the hypotheses hold that nothing moved; a half of those, that this event and that one are one."""
        beliefs = Beliefs(backends.kernels("hypotheses"), AssociationSettings(), 8, 64, 4)
        cluster = beliefs.gather({0})
        parts = np.full((2, 3, 4), -1, np.int32)
        parts[1, 0] = 0, 1, -1, 1

        def cause(chosen: list[list[float]]) -> Cause:
            grams = np.array([-500.0])
            return Cause(np.array([0]), grams, np.ones(1), parts, np.zeros((2, 4)), np.array(chosen))

        def advance(share: list[list[float]], what: Cause, weight: list[float]) -> None:
            node = beliefs.node([(cluster.node, np.array(share))], cause=what)
            what.node = node
            n = len(weight)
            cluster.advance(np.log(weight), np.zeros(n, np.int32), np.zeros((n, MARGIN, 3), np.int32), node)

        first, second = cause([[0.5, 0.5]]), cause([[0.5, 0.5], [0.0, 1.0]])
        advance([[1.0]], first, [1.0])
        advance([[1.0], [1.0]], second, [0.6, 0.4])
        assert second.node is not None
        second.node.joint_causes, second.node.joint_share = [first], np.array([[0.5], [0.0]])
        # Of 0.6 a half is joint, hence null then; the rest is null by half.
        assert cluster.probability(first) == pytest.approx([0.3 + 0.7 * 0.5, 0.7 * 0.5])
        assert cluster.probability(second) == pytest.approx([0.3, 0.7])
        cluster.marginals.clear()
        assert null_probability(first) == pytest.approx(0.65)


class TestFolding:
    @settings(max_examples=60, deadline=None)
    @given(MOVES, st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)))
    def test_what_is_unfolded_and_folded_again_leaves_no_trace(
        self, moves: list[tuple[int, int]], back: set[int], near: set[int]
    ) -> None:
        associator = shop()
        for key, (plate, units) in enumerate(moves):
            event(associator, key, plate, units)
        beliefs = associator._hypothesiser.beliefs
        cluster = beliefs.gather({0, 1, 2, 3})
        doubts = cluster.doubts
        rows = [worlds.state(cluster, h, beliefs._baskets) for h in range(len(cluster.count))]
        beliefs.unfold(cluster, back, set(), near)
        for h, expected in enumerate(rows):
            found = worlds.state(cluster, h, {})
            for owner in range(4):
                for product in back:
                    assert found.get((owner, product), 0) == expected.get((owner, product), 0) >= 0
                if owner in near and back:
                    units = [sum(q for (o, _), q in each.items() if o == owner) for each in (found, expected)]
                    assert units[0] == units[1]
        beliefs.release(cluster)
        assert cluster.doubts == doubts
        assert [worlds.state(cluster, h, beliefs._baskets) for h in range(len(cluster.count))] == rows
