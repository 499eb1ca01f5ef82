"""Explanations: in numbers that add up, in words that fit, of what was asked for and nothing else."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import (
    Box,
    Candidate,
    Engine,
    Explanation,
    Facing,
    Fixture,
    Interaction,
    Outcome,
    Plate,
    Product,
    Receipt,
    ReceiptLine,
    Shelf,
    Store,
    explain,
)
from fusion.simulation import SimulationSettings, simulate
from fusion.term_words import term_words

BOX = Box(np.zeros(3), np.full(3, 0.1))
STORE = Store(
    (Fixture("1", (Shelf("1/1", tuple(Plate(f"1/1/{i}", BOX) for i in (1, 2))),)),),
    (
        Product("cola", "Cola 0.5 l", 535.0),
        Product("soap", "", 120.0),
        Product("tea", "Tea"),
        Product("nuts", "", 250.0, by_weight=True),
    ),
    (Facing("cola", ("1/1/1",), BOX), Facing("soap", ("1/1/2",), BOX)),
)
TERMS = (("weight", 8.3), ("plates", 0.4), ("hands", 2.1), ("place", 0.0), ("units", -0.1), ("basket", -3.0))
COLA = Candidate("a", "cola", -1, 0.6, TERMS)
OTHER = Candidate("b", "cola", -1, 0.38, (("weight", 8.3), ("hands", -3.9)))
TAKE = Interaction("1:0", "take", 10**9, 3 * 10**9, ("1/1/1",), -536.0, 1.0, (COLA, OTHER))
LATER = Interaction("1:1", "return", 4 * 10**9, 5 * 10**9, ("1/1/2",), 120.0, 1.0, (Candidate("a", "soap", 1, 0.9),))
OUTCOME = Outcome(
    (
        Receipt(
            "a",
            True,
            0.6,
            True,
            (ReceiptLine("cola", "Cola 0.5 l", 1, 0.6, True, ("1:0",), ((0, 0.4), (1, 0.6))),),
        ),
        Receipt("b", True, 0.62, True, (), (ReceiptLine("cola", "", 0, 0.62, True, ("1:0",), ((0, 0.62), (1, 0.38))),)),
        Receipt("c", True, 1.0, False, ()),
    ),
    (LATER, TAKE),
)

ODD = "something else moved along, or the catalogue's mass is wrong"


def words(explanation: Explanation, cause: int = 0) -> dict[str, str]:
    return {term.name: term.words for term in explanation.interactions[0].causes[cause].terms}


class TestInteraction:
    def test_what_happened_and_who_may_have_caused_it(self) -> None:
        told = explain(OUTCOME, "1:0", STORE)
        assert (told.id, told.subject) == ("1:0", "interaction")
        assert told.words == "take on 1/1/1: -536.0 g (sigma 1.0 g) within 2.0 s"
        assert [(line.shopper, line.product, line.decision) for line in told.lines] == [
            ("a", "cola", "review"),
            ("b", "cola", "review"),
        ]
        (interaction,) = told.interactions
        assert [c.words for c in interaction.causes] == [
            "a took 1 x Cola 0.5 l (cola)",
            "b took 1 x Cola 0.5 l (cola)",
        ]
        assert [c.probability for c in interaction.causes] == [0.6, 0.38]
        assert [c.nats for c in interaction.causes] == pytest.approx([7.7, 4.4])

    def test_terms_in_words(self) -> None:
        """536 g is off by 1 g; the scale's error is 1 g, the scatter of filling 1.5 % of 535 g."""
        told = words(explain(OUTCOME, "1:0", STORE))
        off = 1.0 / math.hypot(1.0, 0.015 * 535.0)
        assert told["weight"] == f"-536.0 g is 1 x 535.0 g, {off:.1f} sigma off"
        assert told["hands"] == "a hand of a was at work there"
        assert told["place"] == "its place by the planogram"
        assert told["units"] == "one unit at once"
        assert told["basket"] == "what was carried and what lay where, before and since, speaks against it"
        assert words(explain(OUTCOME, "1:0", STORE), 1)["hands"] == "no hand of b was seen at work there"

    def test_without_a_store_it_is_told_less_plainly(self) -> None:
        told = explain(OUTCOME, "1:0")
        assert told.interactions[0].causes[0].words == "a took 1 x cola"
        assert words(told)["weight"] == "-536.0 g for 1 x cola"

    def test_a_product_that_the_store_does_not_know(self) -> None:
        other = Store((), (Product("soap"),), ())
        assert words(explain(OUTCOME, "1:0", other))["weight"] == "-536.0 g for 1 x cola"


class TestTermWords:
    @pytest.mark.parametrize(
        ("name", "nats", "candidate", "told"),
        [
            ("weight", 5.0, Candidate("a", "tea", -1, 1.0), "-536.0 g for 1 x tea, whose mass is unknown"),
            ("weight", -9.0, Candidate("a", "soap", -2, 1.0), "-536.0 g is 2 x 120.0 g, 108.2 sigma off"),
            ("weight", 2.0, Candidate("a", "soap", -2, 1.0), f"-536.0 g is 2 x 120.0 g, 108.2 sigma off: {ODD}"),
            ("plates", 1.0, COLA, "the change is spread over 1/1/1 as for one thing standing there"),
            ("plates", -1.0, COLA, "the change is spread over 1/1/1 otherwise than for one thing standing there"),
            ("place", -2.0, Candidate("a", "soap", -1, 1.0), "not its place, which is 1/1/2"),
            ("place", -2.0, Candidate("a", "tea", -1, 1.0), "it has no place in the planogram"),
            ("units", -2.0, Candidate("a", "soap", -3, 1.0), "3 units at once"),
            ("basket", 2.0, COLA, "so says what was carried and what lay where, before and since"),
            ("weight", 2.0, Candidate("a", "nuts", -1, 1.0), "-536.0 g of nuts, which is sold by weight"),
            ("hands", 0.3, COLA, "says next to nothing"),
            ("vision", 3.0, COLA, "the cameras' classifier saw cola"),
            ("vision", -3.0, COLA, "the cameras' classifier saw something else"),
            ("tags", 3.0, COLA, "tag reads agree"),
            ("weather", 3.0, COLA, "for it"),
            ("weather", -3.0, COLA, "against it"),
        ],
    )
    def test_each(self, name: str, nats: float, candidate: Candidate, told: str) -> None:
        assert term_words(name, nats, TAKE, candidate, STORE) == told

    @given(
        st.sampled_from(["weight", "plates", "hands", "place", "units", "basket", "vision", "tags", "x"]),
        st.floats(-1e300, 1e300),
        st.integers(-9, 9),
        st.sampled_from(["cola", "soap", "tea", "no {such} product"]),
        st.booleans(),
    )
    def test_always_says_something(self, name: str, nats: float, quantity: int, product: str, known: bool) -> None:
        still = Interaction("1:0", "touch", 0, 0, (), 0.0, 0.0, ())
        told = term_words(name, nats, still, Candidate("{a}", product, quantity, 0.0), STORE if known else None)
        assert told
        assert "nan" not in told


class TestShopperAndLine:
    def test_a_shopper(self) -> None:
        told = explain(OUTCOME, "a", STORE)
        assert told.subject == "shopper"
        assert "all of it right with 0.600; to be reviewed, lines and doubts that are marked: 1" in told.words
        assert [line.words for line in told.lines] == ["1 with 0.600; else 0 with 0.400"]
        assert [i.id for i in told.interactions] == ["1:0", "1:1"]  # in order of time

    def test_a_line(self) -> None:
        told = explain(OUTCOME, "a/cola", STORE)
        assert (told.subject, [i.id for i in told.interactions]) == ("line", ["1:0"])

    def test_a_doubt(self) -> None:
        (line,) = explain(OUTCOME, "b/cola").lines
        assert (line.quantity, line.decision, line.words) == (0, "review", "0 with 0.620; else 1 with 0.380")

    def test_nothing_bought(self) -> None:
        told = explain(OUTCOME, "c")
        assert (told.lines, told.interactions) == ((), ())
        assert told.words == "receipt of c: all of it right with 1.000"

    def test_a_receipt_that_is_doubtful_as_a_whole(self) -> None:
        whole = Receipt("a", True, 0.8, True, ())
        assert "each is sure enough, but all together are not" in explain(Outcome((whole,)), "a").words

    def test_one_who_came_twice(self) -> None:
        twice = Receipt("a", True, 0.9, False, ())
        assert explain(Outcome((twice, twice)), "a").words.count("receipt of a") == 2

    @pytest.mark.parametrize("unknown", ["x", "a/", "/cola", "a/tea", "1:9"])
    def test_nothing_of_that_name(self, unknown: str) -> None:
        with pytest.raises(ValueError, match=f"nothing is called '{unknown}'"):
            explain(OUTCOME, unknown)

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match="id must not be empty"):
            explain(OUTCOME, "")
        with pytest.raises(TypeError, match="store must be a Store"):
            explain(OUTCOME, "a", {})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="is no outcome document"):
            explain({}, "a")


def test_a_document_explains_as_the_outcome_does() -> None:
    document = json.loads(json.dumps(OUTCOME.to_dict()))
    for id in ("1:0", "a", "b/cola"):
        assert explain(document, id, STORE) == explain(OUTCOME, id, STORE)


def test_the_explanation_is_strict_json() -> None:
    document: Any = json.loads(json.dumps(explain(OUTCOME, "a", STORE).to_dict(), allow_nan=False))
    assert document["format"] == "fusion.explanation/1"
    assert document["interactions"][0]["causes"][0]["terms"][0]["nats"] == 8.3


def test_everything_of_a_simulated_store_can_be_explained() -> None:
    simulation = simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=4))
    engine = Engine(simulation.store)
    engine.push(simulation.observations)
    outcome = engine.finish()
    assert outcome.interactions
    for interaction in outcome.interactions:
        told = explain(outcome, interaction.id, simulation.store)
        assert len(told.interactions[0].causes) == len(interaction.candidates)
    for receipt in outcome.receipts:
        told = explain(outcome, receipt.shopper, simulation.store)
        assert {i for line in receipt.lines for i in line.interactions} <= {i.id for i in told.interactions}
        for line in (*receipt.lines, *receipt.doubts):
            assert explain(outcome, f"{receipt.shopper}/{line.product}").lines[0].product == line.product
