"""The association as a user sees it: who took what, revised by what comes later, in a small store."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crosscheck import agree
from fusion.association import Associator, Candidate
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store

PRODUCTS = {"cola": 500.0, "soup": 300.0, "tuna": 300.0, "rice": 1000.0, "tea": np.nan, "mint": 30.0}
HOME = {"cola": ("p0",), "soup": ("p1",), "rice": ("p2", "p3"), "tea": ("p4",), "tuna": ("p5",)}
PLATES = tuple(f"p{k}" for k in range(6))


def store() -> Store:
    """Six plates of 0.5 m in a row along x, 1 m high; mint stands nowhere."""
    boxes = {p: Box(np.array([0.5 * k, 0, 1.0]), np.array([0.5, 0.4, 0.3])) for k, p in enumerate(PLATES)}
    return Store(
        (Fixture("f", (Shelf("s", tuple(Plate(p, box) for p, box in boxes.items())),)),),
        tuple(Product(p, mass_g=g) for p, g in PRODUCTS.items()),
        tuple(Facing(p, plates, boxes[plates[0]]) for p, plates in HOME.items()),
    )


FAR = np.array([0.0, 20.0, 0.0])


def at(*where: str | None, frames: int = 12) -> NDArray[np.float64]:
    """Hands (T, S, 2, 3): of each shopper the right one in a plate's box for a third of the time, or far away."""
    hands = np.tile(FAR, (frames, len(where), 2, 1))
    for i, plate in enumerate(where):
        if plate is not None:
            hands[frames // 3 : 2 * frames // 3, i, 1] = [0.25 + 0.5 * PLATES.index(plate), 0.2, 1.1]
    return hands


class Shop:
    """An associator with two shoppers, told of events in short."""

    def __init__(self, **options: Any) -> None:
        self.associator = Associator(store(), **options)
        self.events = 0

    def event(
        self, changes: dict[str, float], *where: str | None, sigma_g: float = 1.0, time_ns: int = 0
    ) -> list[Candidate]:
        """Plates and grams; the plates at which the hands of "ann" and "bob" were."""
        self.events += 1
        grams = list(changes.values())
        shoppers = ["ann", "bob"][: len(where)]
        return self.associator.associate(
            self.events, list(changes), grams, [sigma_g] * len(grams), shoppers, at(*where), time_ns=time_ns
        )

    def basket(self, shopper: str) -> dict[str, int]:
        return self.associator.baskets(shopper)[0][0]


def cause(candidate: Candidate) -> tuple[str, str, int]:
    return candidate.shopper, candidate.product, candidate.quantity


class TestBehaviour:
    def test_the_hand_that_was_there(self) -> None:
        for where, who in ((("p0", None), "ann"), ((None, "p0"), "bob")):
            shop = Shop()
            best, *_ = shop.event({"p0": -502.0}, *where)
            assert cause(best) == (who, "cola", -1)
            assert best.probability > 0.95
            assert shop.basket(who) == {"cola": 1}

    def test_nobody_can_tell_two_hands_apart_that_were_both_there(self) -> None:
        first, second, *_ = Shop().event({"p0": -500.0}, "p0", "p0")
        assert (cause(first), cause(second)) == (("ann", "cola", -1), ("bob", "cola", -1))
        assert first.probability == pytest.approx(second.probability, rel=1e-9)
        assert 0.45 < first.probability < 0.5

    def test_two_units(self) -> None:
        shop = Shop()
        best, *_ = shop.event({"p0": -1001.0}, "p0", None)
        assert cause(best) == ("ann", "cola", -2)
        assert shop.basket("ann") == {"cola": 2}

    def test_one_unit_each_from_two_facings_of_one_product_is_two_units(self) -> None:
        """One cause of quantity 2, of a probability."""
        double = store()
        facing = Facing("cola", ("p1",), double.planogram[1].box)
        twice = Store(double.fixtures, double.products, (double.planogram[0], facing))
        associator = Associator(twice)
        hands = at("p0")
        hands[:, :, 0] = at("p1")[:, :, 1]
        best, *_ = found = associator.associate(1, ["p0", "p1"], [-500, -500], [1, 1], ["ann"], hands)
        assert cause(best) == ("ann", "cola", -2)
        assert 0.9 < best.probability <= 1
        assert max(c.probability for c in found) <= 1
        assert associator.baskets("ann")[0][0] == {"cola": 2}

    def test_a_return_empties_the_basket(self) -> None:
        shop = Shop()
        shop.event({"p0": -500.0}, "p0", None)
        best, *_ = shop.event({"p0": 500.0}, "p0", None)
        assert cause(best) == ("ann", "cola", 1)
        assert shop.basket("ann") == {}
        assert shop.associator.baskets("ann")[0][1] > 0.95

    def test_misplaced_and_found_by_the_next(self) -> None:
        """Ann puts the cola on the soup's plate, and bob takes it from there; the same without ann is no such thing."""
        shop = Shop()
        shop.event({"p0": -500.0}, "p0", None)
        best, *_ = shop.event({"p1": 500.0}, "p1", None)
        assert cause(best) == ("ann", "cola", 1)
        assert shop.basket("ann") == {}
        best, *_ = shop.event({"p1": -500.0}, None, "p1")
        assert cause(best) == ("bob", "cola", -1)
        assert best.probability > 0.9
        assert shop.basket("bob") == {"cola": 1}
        alone = Shop().event({"p1": -500.0}, None, "p1")
        assert alone[0].probability < best.probability

    def test_two_shoppers_in_one_event(self) -> None:
        shop = Shop()
        found = shop.event({"p0": -500.0, "p5": -300.0}, "p0", "p5")
        assert {cause(c) for c in found[:2]} == {("ann", "cola", -1), ("bob", "tuna", -1)}
        assert found[1].probability > 0.8
        assert (shop.basket("ann"), shop.basket("bob")) == ({"cola": 1}, {"tuna": 1})

    def test_an_equal_weight_is_told_apart_by_its_place(self) -> None:
        for plate, product in (("p1", "soup"), ("p5", "tuna")):
            best, *_ = Shop().event({plate: -300.0}, plate)
            assert cause(best) == ("ann", product, -1)
            assert best.probability > 0.9

    def test_a_push_and_its_release_change_no_basket(self) -> None:
        """137 g come and go, which nothing sold weighs; the release is credible because the push was."""
        shop = Shop()
        shop.event({"p0": 137.0}, "p0", None)
        shop.event({"p0": -137.0}, "p0", None)
        for shopper in ("ann", "bob"):
            basket, probability = shop.associator.baskets(shopper)[0]
            assert basket == {}
            assert probability > 0.95
        lone = Shop()
        lone.event({"p0": -137.0}, "p0", None)
        assert lone.associator.baskets("ann")[0][1] < probability

    def test_nobody_near(self) -> None:
        shop = Shop()
        assert shop.event({"p0": -500.0}) == []
        far = shop.event({"p5": -137.0}, None, None)
        assert all(c.probability < 0.5 for c in far)
        assert shop.basket("ann") == {}

    def test_unseen_hands_are_no_evidence(self) -> None:
        """NaN, infinite, or beyond any metre: not seen; the weight alone says what."""
        expected = None
        for unseen in (np.nan, np.inf, -np.inf, 1e200):
            hands = np.full((4, 2, 2, 3), unseen)
            found = Associator(store()).associate(1, ["p0"], [-500], [1], ["ann", "bob"], hands)
            assert {cause(c) for c in found[:2]} == {("ann", "cola", -1), ("bob", "cola", -1)}
            assert expected in (None, found)
            expected = found
        none = Associator(store()).associate(1, ["p0"], [-500], [1], ["ann", "bob"], np.zeros((0, 2, 2, 3)))
        assert none == expected

    def test_a_product_of_unknown_mass(self) -> None:
        best, *_ = Shop().event({"p4": -77.0}, "p4")
        assert cause(best) == ("ann", "tea", -1)

    def test_a_wrong_catalogue_mass(self) -> None:
        """640 g from the cola's plate are most probably still a cola, yet less surely so."""
        wrong, right = (Shop().event({"p0": -g}, "p0")[0] for g in (640.0, 500.0))
        assert cause(wrong) == ("ann", "cola", -1)
        assert 0.3 < wrong.probability < right.probability

    def test_a_facing_of_two_plates(self) -> None:
        best, *_ = Shop().event({"p2": -400.0, "p3": -600.0}, "p2")
        assert cause(best) == ("ann", "rice", -1)
        assert best.probability > 0.9

    def test_later_events_revise_earlier_ones(self) -> None:
        """Either may have taken the cola; then bob alone brings it back."""
        shop = Shop()
        before = {cause(c): c.probability for c in shop.event({"p0": -500.0}, "p0", "p0")}
        shop.event({"p0": 500.0}, None, "p0")
        after = {cause(c): c.probability for c in shop.associator.candidates(1)}
        assert before["bob", "cola", -1] < 0.5
        assert after["bob", "cola", -1] > 0.9
        assert shop.basket("bob") == {}

    def test_histories_that_end_alike_keep_their_shares(self) -> None:
        """One of two colas is ann's, the other bob's: which came first remains as open as it is."""
        shop = Shop()
        shop.event({"p0": -500.0}, "p0", "p0")
        shop.event({"p0": -500.0}, "p0", "p0")
        for key in (1, 2):
            probability = {cause(c): c.probability for c in shop.associator.candidates(key)}
            assert probability["ann", "cola", -1] == pytest.approx(probability["bob", "cola", -1], rel=1e-9)
            assert sum(probability.values()) <= 1 + 1e-12

    def test_old_events_are_settled(self) -> None:
        """A memory of one event is cut at the third: the first two stay as they were, the last is mended."""
        shop = Shop(memory=1)
        for _ in range(3):
            shop.event({"p0": -500.0}, "p0", "p0")
        before = {key: shop.associator.candidates(key) for key in (1, 2, 3)}
        shop.event({"p0": 1500.0}, None, "p0")
        assert [shop.associator.candidates(key) for key in (1, 2)] == [before[1], before[2]]
        mended = {cause(c): c.probability for c in shop.associator.candidates(3)}
        assert mended["bob", "cola", -1] > 0.7 > 0.5 > before[3][0].probability
        before[1].clear()
        shop.associator.candidates(1).clear()
        assert shop.associator.candidates(1)

    def test_who_leaves_is_forgotten(self) -> None:
        shop = Shop()
        before = shop.event({"p0": -500.0}, "p0", None)
        shop.event({"p1": -300.0}, None, "p1")
        shop.associator.leave("ann")
        assert shop.associator.baskets("ann") == [({}, pytest.approx(1.0))]
        assert shop.basket("bob") == {"soup": 1}
        best, *_ = shop.associator.candidates(1)
        assert cause(best) == cause(before[0])
        assert best.probability == pytest.approx(before[0].probability, rel=0.05)
        shop.associator.leave("ann")
        shop.associator.leave("nobody")
        shop.event({"p5": -300.0}, "p5", None)
        assert shop.basket("ann") == {"tuna": 1}

    def test_a_basket_may_hold_much(self) -> None:
        """More than thirty-two records: the state grows."""
        names = [f"x{k}" for k in range(45)]
        plates = tuple(Plate(n, Box(np.array([k, 0, 0]), np.ones(3))) for k, n in enumerate(names))
        products = tuple(Product(n, mass_g=50.0 + 20 * k) for k, n in enumerate(names))
        facings = tuple(Facing(p.id, (p.id,), p.box) for p in plates)
        associator = Associator(Store((Fixture("f", (Shelf("s", plates),)),), products, facings), hypotheses=8)
        for k, product in enumerate(products):
            hands = np.tile([k + 0.5, 0.5, 0.5], (3, 1, 1, 1))
            associator.associate(k, [product.id], [-product.mass_g], [1.0], ["ann"], hands)
        assert associator.baskets("ann")[0][0] == dict.fromkeys(names, 1)

    def test_one_hypothesis_is_enough_for_a_clear_case(self) -> None:
        shop = Shop(hypotheses=1)
        shop.event({"p0": -500.0}, "p0", None)
        assert shop.associator.baskets("ann") == [({"cola": 1}, 1.0)]

    def test_a_store_without_products_or_planogram(self) -> None:
        bare = Store(store().fixtures, (), ())
        assert Associator(bare).associate("e", ["p0"], [-500], [1], ["ann"], at("p0")) == []


CHANGES = st.lists(
    st.tuples(
        st.dictionaries(
            st.sampled_from(PLATES),
            st.one_of(st.sampled_from([-500.0, -300.0, 300.0, 500.0, 0.0, -1e9, 1e9]), st.floats(-3e38, 3e38)),
            min_size=1,
            max_size=3,
        ),
        st.sampled_from([None, "p0", "p1", "p4"]),
        st.sampled_from([None, "p0", "p1", "p4"]),
        st.sampled_from([1.2e-38, 0.1, 5.0, 1e9, 3e38]),
    ),
    min_size=1,
    max_size=6,
)


def test_what_settles_two_events_at_once() -> None:
    """One that nobody can tell anything about, and one that only one hypothesis survives."""
    shop = Shop()
    shop.event({"p0": -500.0, "p1": -500.0}, None, None, sigma_g=3e38)
    shop.event({"p0": 1.5867839746204863e37}, None, None, sigma_g=1.2e-38)
    causes = shop.associator._causes.values()
    assert [c.probability.sum() for c in causes if c.probability is not None] == [pytest.approx(1), pytest.approx(1)]


class TestProperties:
    @settings(max_examples=60, deadline=None)
    @given(CHANGES)
    def test_probabilities(self, events: list[Any]) -> None:
        """Whatever happens, what comes out are probabilities, in order; a basket has one content at a time."""
        shop = Shop(hypotheses=16, memory=3)
        for k, (changes, ann, bob, sigma) in enumerate(events):
            found = shop.event(changes, ann, bob, sigma_g=sigma)
            if k == 3:
                shop.associator.leave("ann")
            assert all(0 <= c.probability <= 1 + 1e-12 for c in found)
            assert found == sorted(found, key=lambda c: -c.probability)
        for shopper in ("ann", "bob"):
            baskets = shop.associator.baskets(shopper)
            assert sum(p for _, p in baskets) == pytest.approx(1)
            assert all(q > 0 for basket, _ in baskets for q in basket.values())

    @settings(max_examples=30, deadline=None)
    @given(CHANGES)
    def test_names_and_order_of_shoppers_and_plates_do_not_matter(self, events: list[Any]) -> None:
        """A mirrored run: bob listed before ann, plates in reverse."""
        shop, mirrored = Shop(hypotheses=1024), Associator(store(), hypotheses=1024)
        for k, (changes, ann, bob, sigma) in enumerate(events[:3]):
            if max(map(abs, changes.values())) > 1e4 or len(set(map(abs, changes.values()))) < len(changes):
                continue  # sums round differently, or no plate has changed most
            found = {cause(c): c.probability for c in shop.event(changes, ann, bob, sigma_g=sigma)}
            plates, grams = list(changes)[::-1], list(changes.values())[::-1]
            again = mirrored.associate(k, plates, grams, [sigma] * len(grams), ["bob", "ann"], at(bob, ann))
            assert {cause(c): c.probability for c in again if c.probability > 1e-6} == pytest.approx(
                {key: p for key, p in found.items() if p > 1e-6}, rel=1e-6, abs=1e-6
            )


def story() -> list[Any]:
    """Takes, returns, a misplaced item, an unknown one, and somebody who leaves: candidates and baskets at the end."""
    shop = Shop()
    shop.event({"p0": -500.0}, "p0", "p1")
    shop.event({"p1": 500.0, "p2": 3.0}, "p1", "p0")
    shop.event({"p2": -430.0, "p3": -560.0}, "p2", "p2")
    shop.event({"p1": -500.0, "p5": -300.0}, "p5", "p1")
    shop.event({"p4": 81.0}, None, "p4")
    shop.associator.leave("ann")
    shop.event({"p4": -81.0}, None, "p4")
    events = [[(*cause(c), c.probability) for c in shop.associator.candidates(k)] for k in range(1, 7)]
    return [events, shop.associator.baskets("bob")]


def test_two_runs_are_the_same_to_the_bit() -> None:
    assert repr(story()) == repr(story())


def test_every_backend_tells_the_same_story() -> None:
    events, baskets = agree(story, rtol=1e-9)
    assert events[0][0][:3] == ("ann", "cola", -1)
    assert events[1][0][:3] == ("ann", "cola", 1)
    assert sum(p for _, p in baskets) == pytest.approx(1)
