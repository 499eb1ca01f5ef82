"""Carts against sums worked by hand, evidence, doubts, review, and calibrated confidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import Candidate, ConfidenceModel, Interaction, Product, Receipt, ReviewPolicy, Store
from fusion.carts import cart
from fusion.confidence import Curve

STORE = Store((), (Product("cola", "Cola 0.5 l"), Product("soap", "Soap"), Product("tea")), ())


def interaction(name: str, *candidates: tuple[str, str, int, float]) -> Interaction:
    causes = tuple(Candidate(*c) for c in candidates)
    return Interaction(name, "take", 10, 20, ("1/1/1",), -535.0, 1.5, causes)


def write(
    *baskets: tuple[dict[str, int], float], review_below: float = 0.9, evidence: tuple[Interaction, ...] = ()
) -> Receipt:
    return cart(STORE, "a", baskets, evidence, final=True, review_below=review_below)


class TestConfidence:
    def test_mixtures_of_0_1_and_2(self) -> None:
        """cola: 0 .15, 1 .20 + .10, 2 .55; soap: 1 .55 + .10, 0 .35; both as told: .55 only in the first basket."""
        receipt = write(({"cola": 2, "soap": 1}, 0.55), ({"cola": 1}, 0.20), ({}, 0.15), ({"cola": 1, "soap": 1}, 0.10))
        assert [(line.product, line.quantity) for line in receipt.lines] == [("cola", 2), ("soap", 1)]
        assert [line.confidence for line in receipt.lines] == pytest.approx([0.55, 0.65], abs=1e-15)
        assert receipt.confidence == 0.55
        assert receipt.needs_review

    def test_joint_is_below_the_lines(self) -> None:
        """Three independent lines of .9 each: all right together with .729."""
        baskets = []
        for i in range(8):
            there = {p: 1 for k, p in enumerate(("cola", "soap", "tea")) if i >> k & 1}
            baskets.append((there, 0.9 ** len(there) * 0.1 ** (3 - len(there))))
        receipt = write(*baskets, review_below=0.85)
        assert [line.confidence for line in receipt.lines] == pytest.approx([0.9] * 3, abs=1e-15)
        assert receipt.confidence == pytest.approx(0.729, abs=1e-15)
        assert (receipt.needs_review, [line.needs_review for line in receipt.lines]) == (True, [False] * 3)

    def test_a_line_left_out_weighs_on_the_receipt(self) -> None:
        receipt = write(({}, 0.7), ({"cola": 1}, 0.3))
        assert (receipt.lines, receipt.confidence, receipt.needs_review) == ((), 0.7, True)

    def test_likeliest_lines_that_nobody_carries_together(self) -> None:
        """Each of three is probably absent, yet one of them is there: an empty receipt that is surely wrong."""
        receipt = write(({"cola": 1}, 0.4), ({"soap": 1}, 0.3), ({"tea": 1}, 0.3))
        assert (receipt.lines, receipt.confidence, receipt.needs_review) == ((), 0.0, True)

    def test_nothing_bought(self) -> None:
        assert write(({}, 1.0)) == Receipt("a", True, 1.0, False, ())

    def test_rounding_does_not_exceed_1(self) -> None:
        receipt = write(({"cola": 1, "tea": 1}, 0.6), ({"cola": 1, "tea": 1}, 0.4 + 1e-12))
        assert receipt.confidence == 1.0
        assert [line.confidence for line in receipt.lines] == [1.0, 1.0]

    def test_names_and_passing_through(self) -> None:
        receipt = cart(STORE, "b", [({"tea": 1, "cola": 1}, 1.0)], [], final=False, review_below=0.5)
        assert [(line.product, line.name) for line in receipt.lines] == [("cola", "Cola 0.5 l"), ("tea", "")]
        assert (receipt.shopper, receipt.final) == ("b", False)

    @pytest.mark.parametrize(
        ("p", "review"), [(0.9, False), (np.nextafter(0.9, 0), True), (np.nextafter(0.9, 1), False)]
    )
    def test_review_begins_below_the_threshold(self, p: float, review: bool) -> None:
        receipt = write(({"cola": 1}, p), ({}, 1 - p))
        assert (receipt.needs_review, receipt.lines[0].needs_review) == (review, review)

    def test_review_never_and_always(self) -> None:
        assert not write(({"cola": 1}, 0.6), ({}, 0.4), review_below=0.0).needs_review
        assert write(({"cola": 1}, 0.99), ({}, 0.01), review_below=1.0).needs_review

    @given(
        st.lists(
            st.tuples(st.dictionaries(st.sampled_from(["cola", "soap", "tea"]), st.integers(1, 2)), st.floats(0.01, 1)),
            min_size=1,
            max_size=8,
        )
    )
    def test_against_sums_over_everything(self, weighted: list[tuple[dict[str, int], float]]) -> None:
        total = sum(w for _, w in weighted)
        baskets = [(basket, w / total) for basket, w in weighted]
        receipt = write(*baskets)
        told = {line.product: line.quantity for line in receipt.lines}
        for product in ("cola", "soap", "tea"):
            p = [sum(w for b, w in baskets if b.get(product, 0) == q) for q in range(3)]
            assert p[told.get(product, 0)] == pytest.approx(max(p), abs=1e-12)
        for line in receipt.lines:
            p_line = sum(w for b, w in baskets if b.get(line.product, 0) == line.quantity)
            assert line.confidence == pytest.approx(p_line, abs=1e-12)
            assert line.confidence >= receipt.confidence - 1e-12
        assert receipt.confidence == pytest.approx(sum(w for b, w in baskets if b == told), abs=1e-12)


class TestEvidence:
    CARRIED = ({"cola": 1}, 1.0)

    def named(self, *evidence: Interaction) -> tuple[str, ...]:
        return write(self.CARRIED, evidence=evidence).lines[0].interactions

    def test_what_he_probably_did_with_the_product(self) -> None:
        assert self.named(
            interaction("1:0", ("a", "cola", -1, 0.8), ("b", "cola", -1, 0.2)),
            interaction("1:1", ("a", "soap", -1, 0.9)),
            interaction("1:2", ("b", "cola", -1, 0.9), ("a", "cola", -1, 0.1)),
            interaction("1:3"),
            interaction("2:0", ("a", "cola", 1, 0.7)),
        ) == ("1:0", "2:0")

    def test_one_or_two_of_it(self) -> None:
        """Neither quantity is probable alone; that he took some is."""
        assert self.named(interaction("1:0", ("a", "cola", -1, 0.45), ("a", "cola", -2, 0.4))) == ("1:0",)

    def test_two_things_moved_at_once(self) -> None:
        assert self.named(interaction("1:0", ("a", "soap", -1, 0.95), ("a", "cola", -1, 0.9))) == ("1:0",)

    def test_where_nothing_is_probable_all_that_is_possible(self) -> None:
        """A line for review comes with its evidence: two takes of .4 each give one unit with .48."""
        takes = (interaction("1:0", ("a", "cola", -1, 0.4)), interaction("1:1", ("a", "cola", -1, 0.4)))
        receipt = write(({"cola": 1}, 0.48), ({}, 0.36), ({"cola": 2}, 0.16), evidence=takes)
        assert receipt.lines[0].interactions == ("1:0", "1:1")
        assert receipt.lines[0].needs_review

    def test_none(self) -> None:
        assert self.named() == ()
        assert self.named(interaction("1:0", ("b", "cola", -1, 0.9), ("a", "cola", -1, 0.0))) == ()


class TestDoubts:
    def test_what_may_be_missing_is_told(self) -> None:
        receipt = write(({}, 0.6), ({"cola": 1}, 0.3), ({"cola": 2}, 0.1))
        (doubt,) = receipt.doubts
        assert (doubt.product, doubt.quantity, doubt.name) == ("cola", 0, "Cola 0.5 l")
        assert (doubt.confidence, doubt.needs_review, doubt.decision) == (0.6, True, "review")
        assert doubt.quantities == ((0, 0.6), (1, 0.3), (2, 0.1))
        assert receipt.needs_review

    def test_each_of_three_that_are_there_one_at_a_time(self) -> None:
        receipt = write(({"cola": 1}, 0.4), ({"soap": 1}, 0.3), ({"tea": 1}, 0.3))
        assert [(d.product, d.needs_review) for d in receipt.doubts] == [("cola", True), ("soap", True), ("tea", True)]

    def test_a_small_one_is_told_and_dropped(self) -> None:
        receipt = write(({}, 0.95), ({"cola": 1}, 0.05))
        assert [d.decision for d in receipt.doubts] == ["drop"]
        assert not receipt.needs_review

    def test_a_remote_one_is_not_told(self) -> None:
        assert write(({}, 0.991), ({"cola": 1}, 0.009)).doubts == ()

    def test_evidence_of_a_doubt(self) -> None:
        seen = (interaction("1:0", ("a", "cola", -1, 0.4)), interaction("1:1", ("a", "cola", -1, 1e-6)))
        assert write(({}, 0.6), ({"cola": 1}, 0.4), evidence=seen).doubts[0].interactions == ("1:0",)

    def test_quantities_of_a_line(self) -> None:
        (line,) = write(({"cola": 2}, 0.75), ({"cola": 1}, 0.25)).lines
        assert line.quantities == ((1, 0.25), (2, 0.75))
        assert line.decision == "review"


class TestPolicy:
    PRICED = Store((), (Product("cola", price=2.0), Product("soap", price=4.0), Product("tea")), ())

    def decided(self, policy: ReviewPolicy, *baskets: tuple[dict[str, int], float]) -> Receipt:
        return cart(self.PRICED, "a", baskets, [], final=True, review_below=0.9, policy=policy)

    def test_what_costs_least(self) -> None:
        """Cola for 2: charging costs .2 (2 + 3) = 1, dropping .8 x 2 = 1.6."""
        sure = ({"cola": 1}, 0.8), ({}, 0.2)
        assert self.decided(ReviewPolicy(1.1, 3.0), *sure).lines[0].decision == "charge"
        receipt = self.decided(ReviewPolicy(0.9, 3.0), *sure)
        assert (receipt.lines[0].decision, receipt.needs_review) == ("review", True)

    def test_a_dropped_line_is_a_doubt(self) -> None:
        """Charging costs .2 (2 + 30) = 6.4, dropping 1.6."""
        receipt = self.decided(ReviewPolicy(5.0, 30.0), ({"cola": 1}, 0.8), ({}, 0.2))
        assert (receipt.lines, receipt.needs_review) == ((), False)
        (doubt,) = receipt.doubts
        assert (doubt.quantity, doubt.confidence, doubt.decision) == (0, 0.2, "drop")
        assert receipt.confidence == 0.2

    def test_an_omission_is_looked_for_by_its_price(self) -> None:
        """.3 of soap for 4 is 1.2, of tea, which costs the median 3, 0.9."""
        policy = ReviewPolicy(1.0, 3.0)
        receipt = self.decided(policy, ({}, 0.4), ({"soap": 1}, 0.3), ({"tea": 1}, 0.3))
        assert {d.product: d.decision for d in receipt.doubts} == {"soap": "review", "tea": "drop"}


class TestCalibrated:
    HALVED = Curve((-25.0, 25.0), (-12.5, 12.5))
    BASKETS = (({"cola": 1}, 0.9), ({"cola": 2, "tea": 1}, 0.06), ({}, 0.04))

    def test_line_receipt_and_doubt(self) -> None:
        model = ConfidenceModel(lines=self.HALVED, receipts=self.HALVED)
        receipt = cart(STORE, "a", self.BASKETS, [], final=True, review_below=0.8, confidence=model)
        (line,) = receipt.lines
        assert line.confidence == pytest.approx(0.75)  # odds of 9 become 3
        assert dict(line.quantities) == pytest.approx({0: 0.1, 1: 0.75, 2: 0.15})
        assert (line.needs_review, receipt.confidence) == (True, pytest.approx(0.75))
        assert receipt.doubts[0].confidence == pytest.approx(0.94, abs=1e-15)  # no curve

    def test_what_is_too_remote_to_be_told_is_not_calibrated(self) -> None:
        """A curve of doubts knows those that were told: it must not make a doubt of what is all but certain."""
        model = ConfidenceModel(doubts=Curve((0.0,), (1.0,)))
        baskets = [({}, 0.999), ({"cola": 1}, 0.001)]
        assert cart(STORE, "a", baskets, [], final=True, review_below=0.9, confidence=model).doubts == ()

    def test_without_curves_nothing_changes(self) -> None:
        plain = cart(STORE, "a", self.BASKETS, [], final=True, review_below=0.8)
        assert cart(STORE, "a", self.BASKETS, [], final=True, review_below=0.8, confidence=ConfidenceModel()) == plain
