"""Review by money: the cheapest decision, and the order of looks."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import (
    Candidate,
    Engine,
    EngineSettings,
    Interaction,
    Outcome,
    Product,
    Receipt,
    ReceiptLine,
    ReviewItem,
    ReviewPolicy,
    Store,
    review_queue,
    scoring,
)
from fusion.simulation import SimulationSettings, simulate

STORE = Store((), (Product("cola", price=2.0), Product("soap", price=10.0), Product("tea")), ())
money = st.floats(0.0, 1e6)


@st.composite
def quantities(draw: st.DrawFn) -> tuple[tuple[int, float], ...]:
    weights = draw(st.dictionaries(st.integers(0, 5), st.floats(0.01, 1.0), min_size=1))
    total = math.fsum(weights.values())
    return tuple(sorted((q, w / total) for q, w in weights.items()))


class TestPolicy:
    def test_losses_by_hand(self) -> None:
        """Two charged at 3: 0 with .1 costs 6 + 5, 1 with .2 costs 3 + 5, 2 with .6 nothing, 4 with .1 costs 6."""
        policy = ReviewPolicy(review_cost=1.0, wrong_charge_cost=5.0)
        possible = ((0, 0.1), (1, 0.2), (2, 0.6), (4, 0.1))
        assert policy.loss(2, possible, 3.0) == pytest.approx(0.1 * 11 + 0.2 * 8 + 0.1 * 6)
        assert policy.loss(0, possible, 3.0) == pytest.approx(3 * (0.2 + 1.2 + 0.4))
        assert policy.decide(2, possible, 3.0) == "review"

    @pytest.mark.parametrize(
        ("p", "price", "decision"),
        [(0.99, 2.0, "charge"), (0.9, 2.0, "review"), (0.5, 0.1, "drop"), (0.9, 100.0, "review"), (0.9, -0.25, "drop")],
    )
    def test_one_unit(self, p: float, price: float, decision: str) -> None:
        assert ReviewPolicy(0.5, 5.0).decide(1, ((0, 1 - p), (1, p)), price) == decision

    @given(st.integers(0, 4), quantities(), money, money, money)
    def test_the_decision_is_the_cheapest(
        self, told: int, possible: tuple[tuple[int, float], ...], price: float, look: float, wrong: float
    ) -> None:
        policy = ReviewPolicy(look, wrong)
        losses = {"charge": policy.loss(told, possible, price), "drop": policy.loss(0, possible, price), "review": look}
        decision = policy.decide(told, possible, price)
        assert losses[decision] == min(losses.values())
        assert told or decision != "charge"
        assert all(loss >= 0.0 for loss in losses.values())

    @given(quantities(), st.floats(0.01, 100.0))
    def test_surer_is_never_dearer(self, possible: tuple[tuple[int, float], ...], price: float) -> None:
        policy = ReviewPolicy()
        told = max(possible, key=lambda x: x[1])[0]
        surer = tuple((q, 0.5 * p + (0.5 if q == told else 0.0)) for q, p in possible)
        assert policy.loss(told, surer, price) <= policy.loss(told, possible, price) + 1e-12

    @pytest.mark.parametrize("cost", [-1.0, math.nan, math.inf])
    def test_costs_are_checked(self, cost: float) -> None:
        with pytest.raises(ValueError, match="review_cost must"):
            ReviewPolicy(review_cost=cost)
        with pytest.raises(ValueError, match="wrong_charge_cost must"):
            ReviewPolicy(wrong_charge_cost=cost)

    def test_settings_take_a_policy_and_nothing_else(self) -> None:
        assert EngineSettings(review=ReviewPolicy()).review == ReviewPolicy()
        with pytest.raises(TypeError, match="review must be a ReviewPolicy"):
            EngineSettings(review=0.5)  # type: ignore[arg-type]


class TestPrices:
    def test_unknown_prices_are_the_median(self) -> None:
        assert [STORE.price_of(p) for p in ("cola", "tea", "no such product")] == [2.0, 6.0, 6.0]
        assert Store((), (Product("tea"),), ()).price_of("tea") == 1.0

    def test_goods_by_weight_cost_what_a_portion_does(self) -> None:
        nuts = Product("nuts", mass_g=250.0, price=12.0, by_weight=True)
        assert Store((), (nuts,), ()).price_of("nuts") == 3.0


def line(product: str, quantity: int, p: float, review: bool = True) -> ReceiptLine:
    other = 0 if quantity else 1
    return ReceiptLine(product, "", quantity, p, review, (), tuple(sorted({quantity: p, other: 1 - p}.items())))


def seen(name: str, *candidates: tuple[str, str, int, float]) -> Interaction:
    causes = tuple(Candidate(*c) for c in candidates)
    return Interaction(name, "take", int(name[-1]), 10, ("1",), -500.0, 1.0, causes)


def receipt(shopper: str, *lines: ReceiptLine, review: bool = True) -> Receipt:
    there, doubts = tuple(x for x in lines if x.quantity), tuple(x for x in lines if not x.quantity)
    return Receipt(shopper, True, 0.5, review, there, doubts)


class TestQueue:
    POLICY = ReviewPolicy(0.5, 4.0)

    def test_one_look_settles_all_that_hangs_on_it(self) -> None:
        """Who of two took the cola: charging a wrongly costs .4 (2 + 4), not charging b .4 x 2."""
        one = seen("1:1", ("a", "cola", -1, 0.6), ("b", "cola", -1, 0.4))
        outcome = Outcome((receipt("a", line("cola", 1, 0.6)), receipt("b", line("cola", 0, 0.6))), (one,))
        (item,) = review_queue(outcome, STORE, self.POLICY)
        assert (item.interaction, item.lines) == ("1:1", (("a", "cola"), ("b", "cola")))
        assert item.saved == pytest.approx(0.4 * 6 + 0.4 * 2)
        assert item.to_dict() == {
            "interaction": "1:1",
            "saved": item.saved,
            "lines": [{"shopper": "a", "product": "cola"}, {"shopper": "b", "product": "cola"}],
        }

    def test_dear_before_cheap_and_early_before_late(self) -> None:
        interactions = tuple(
            seen(f"1:{k}", ("a", p, -1, 0.5)) for k, p in ((3, "cola"), (2, "soap"), (1, "x"), (0, "y"))
        )
        lines = [line(p, 1, 0.5) for p in ("cola", "soap", "x", "y")]
        items = review_queue(Outcome((receipt("a", *lines),), interactions), STORE, self.POLICY)
        assert [item.interaction for item in items] == ["1:2", "1:0", "1:1", "1:3"]

    def test_the_look_goes_where_the_doubt_is(self) -> None:
        """The take is sure, the return is not."""
        interactions = seen("1:0", ("a", "soap", -1, 0.9999)), seen("1:1", ("a", "soap", 1, 0.4), ("b", "soap", 1, 0.6))
        items = review_queue(Outcome((receipt("a", line("soap", 1, 0.6)),), interactions), STORE, self.POLICY)
        assert [(item.interaction, item.saved) for item in items] == [("1:1", pytest.approx(0.4 * 14))]

    def test_a_loss_is_shared_by_the_variance(self) -> None:
        interactions = seen("1:0", ("a", "soap", -1, 0.5)), seen("1:1", ("a", "soap", -1, 0.8), ("a", "soap", -2, 0.2))
        items = review_queue(Outcome((receipt("a", line("soap", 2, 0.5)),), interactions), STORE, self.POLICY)
        saved = {item.interaction: item.saved for item in items}
        assert saved["1:0"] / saved["1:1"] == pytest.approx(0.25 / 0.16)
        assert sum(saved.values()) == pytest.approx(self.POLICY.loss(2, ((1, 0.5), (2, 0.5)), 10.0), abs=6)

    def test_what_nothing_explains_is_the_whole_visit(self) -> None:
        items = review_queue(Outcome((receipt("a", line("cola", 1, 0.5)),)), STORE, self.POLICY)
        assert items == [ReviewItem(None, pytest.approx(3.0), (("a", "cola"),))]  # type: ignore[arg-type]

    def test_only_what_is_marked(self) -> None:
        unmarked = line("cola", 1, 0.5, review=False)
        assert review_queue(Outcome((receipt("a", unmarked, review=False),)), STORE) == []
        (item,) = review_queue(Outcome((receipt("a", unmarked, line("soap", 1, 0.8)),)), STORE)
        assert item.lines == (("a", "soap"),)

    def test_a_receipt_marked_as_a_whole(self) -> None:
        """No line is marked, but together they are not sure: those that are not quite sure are looked at."""
        lines = [line("cola", 1, 0.9, review=False), line("soap", 1, 1.0, review=False)]
        items = review_queue(Outcome((receipt("a", *lines),)), STORE)
        assert [item.lines for item in items] == [(("a", "cola"),)]

    def test_without_a_store_every_product_costs_1(self) -> None:
        (item,) = review_queue(Outcome((receipt("a", line("soap", 0, 0.75)),)))
        assert item.saved == 0.25

    @given(st.randoms(use_true_random=False))
    def test_order_of_receipts_lines_and_interactions_does_not_matter(self, random: Any) -> None:
        interactions = [
            seen(f"1:{k}", ("a", "cola", -1, 0.1 * k), ("b", "soap", -1, 0.5), ("a", "tea", 1, 0.3))
            for k in range(1, 5)
        ]
        receipts = [
            receipt("a", line("cola", 1, 0.7), line("tea", 1, 0.6), line("soap", 0, 0.7)),
            receipt("b", line("soap", 2, 0.5)),
        ]
        expected = review_queue(Outcome(tuple(receipts), tuple(interactions)), STORE)
        random.shuffle(receipts)
        random.shuffle(interactions)
        shuffled = [replace(r, lines=tuple(random.sample(r.lines, len(r.lines)))) for r in receipts]
        items = review_queue(Outcome(tuple(shuffled), tuple(interactions)), STORE)
        assert [(i.interaction, i.lines) for i in items] == [(i.interaction, i.lines) for i in expected]
        np.testing.assert_allclose([i.saved for i in items], [i.saved for i in expected], rtol=1e-12)


def test_the_engine_follows_the_policy() -> None:
    """Looks that cost nothing flag whatever is in doubt; dear ones flag nothing; the receipts say the same."""
    simulation = simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=4))

    def run(policy: ReviewPolicy | None) -> Outcome:
        engine = Engine(simulation.store, EngineSettings(review=policy))
        engine.push(simulation.observations)
        return engine.finish()

    plain, free, dear = run(None), run(ReviewPolicy(0.0, 5.0)), run(ReviewPolicy(1e9, 0.0))
    assert scoring.units(plain.to_dict()) == scoring.units(free.to_dict())
    flagged = [x for r in free.receipts for x in (*r.lines, *r.doubts) if x.needs_review]
    assert flagged
    assert all(x.confidence < 1.0 for x in flagged)
    assert not any(r.needs_review for r in dear.receipts)
