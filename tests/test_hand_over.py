"""Hand-overs through the whole engine: who pays, what is told of them, and in what words."""

import itertools
import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from fusion import Candidate, Engine, EngineSettings, Interaction, Outcome, explain, scoring
from fusion.hand_watch import meeting_ids
from fusion.meetings import MeetingSettings
from fusion.portions import kept
from fusion.simulation import Simulation
from fusion.simulation.scenarios import simulate_scenario
from fusion.store import Product, Store

S = 1_000_000_000
SEEDS = (1, 5, 11)


@cache
def simulated(seed: int, **changes: Any) -> Simulation:
    return simulate_scenario("hand_over", seed, **changes)


@cache
def told(seed: int, payer: Any = "carrier") -> Outcome:
    return run(simulated(seed), payer=payer)


def run(simulation: Simulation, observations: list[Any] | None = None, **settings: Any) -> Outcome:
    engine = Engine(simulation.store, EngineSettings(**settings))
    engine.push(simulation.observations if observations is None else observations)
    return engine.finish()


def met(outcome: Outcome) -> list[Interaction]:
    return [i for i in outcome.interactions if not i.plates]


@pytest.mark.parametrize(("payer", "receipts"), [("carrier", "receipts"), ("taker", "receipts_by_taker")])
def test_who_pays_is_the_stores_policy(payer: str, receipts: str) -> None:
    right = wrong = 0.0
    for seed in SEEDS:
        truth = simulated(seed).truth
        units = scoring.units(told(seed, payer).to_dict())
        other = "receipts" if receipts == "receipts_by_taker" else "receipts_by_taker"
        right += scoring.item_f1(scoring.units({**truth, "receipts": truth[receipts]}), units)
        wrong += scoring.item_f1(scoring.units({**truth, "receipts": truth[other]}), units)
    assert right / len(SEEDS) > 0.95
    assert wrong / len(SEEDS) < 0.8


def test_who_took_pays_and_nobody_watches_hands() -> None:
    assert not any(met(told(seed, "taker")) for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_hand_over_is_told(seed: int) -> None:
    simulation, outcome = simulated(seed), told(seed)
    for event in (e for e in simulation.truth["events"] if e["kind"] == "pass"):
        (near,) = (i for i in met(outcome) if i.start_ns - S <= event["time_ns"] <= i.end_ns + S)
        likely = {(c.shopper, c.product, c.quantity) for c in near.candidates[:2]}
        assert likely == {(event["shopper"], event["product"], 1), (event["receiver"], event["product"], -1)}
        assert near.kind == ("hand_over" if near.candidates[0].probability >= 0.5 else "unknown")
        assert (near.delta_g, near.sigma_g) == (0.0, 0.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_lines_that_hang_on_a_doubtful_one_are_marked(seed: int) -> None:
    truth, outcome = simulated(seed).truth, told(seed)
    for check in scoring.check_lines(scoring.units(truth), scoring.units(outcome.to_dict())):
        lines = [
            line
            for r in outcome.receipts
            for line in (*r.lines, *r.doubts)
            if (r.shopper, line.product) == (check.shopper, check.product)
        ]
        assert check.right or any(line.needs_review for line in lines)


def test_lines_name_the_hand_over_as_evidence() -> None:
    outcome = told(1)
    sure = max(met(outcome), key=lambda i: i.candidates[0].probability)
    receiver = next(c for c in sure.candidates if c.quantity < 0)
    (receipt,) = (r for r in outcome.receipts if r.shopper == receiver.shopper)
    assert sure.id in next(x for x in receipt.lines if x.product == receiver.product).interactions


def test_it_is_explained_in_words() -> None:
    outcome = told(1)
    sure = max(met(outcome), key=lambda i: i.candidates[0].probability)
    explanation = explain(outcome, sure.id, simulated(1).store)
    assert explanation.subject == "interaction"
    assert explanation.words.startswith("hand_over: hands of ")
    assert "together for" in explanation.words
    gave, got = explanation.interactions[0].causes[:2]
    assert {"handed over" in gave.words, "handed over" in got.words} == {True, False}
    assert {"got" in gave.words, "got" in got.words} == {True, False}
    hands, basket = gave.terms
    assert (hands.name, basket.name) == ("hands", "basket")
    assert hands.words == "the hands met as hands do that pass something"
    lines = {(line.shopper, line.product) for line in explanation.lines}
    assert (gave.shopper, gave.product) in lines or (got.shopper, got.product) in lines


def test_documents_come_back() -> None:
    document = told(1).to_dict()
    assert Outcome.from_dict(json.loads(json.dumps(document, allow_nan=False))) == told(1)


def test_how_the_stream_is_cut_and_its_order_change_nothing() -> None:
    simulation = simulated(1)
    n, rng = len(simulation.observations), np.random.default_rng(0)
    engine = Engine(simulation.store)
    edges = sorted({0, n, *rng.integers(0, n, 40).tolist()})
    for a, b in itertools.pairwise(edges):
        engine.push(simulation.observations[a:b])
    assert engine.finish() == told(1)
    delay_s = rng.uniform(0.0, 0.6, n)  # targets are late by 2.3 s already
    order = np.argsort([o.time_ns / S + d for o, d in zip(simulation.observations, delay_s, strict=True)])
    shuffled = run(simulation, [simulation.observations[i] for i in order])
    assert (shuffled.receipts, shuffled.interactions) == (told(1).receipts, told(1).interactions)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="payer must be one of carrier, taker; got 'nobody'"):
        EngineSettings(payer="nobody")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="passing must be a probability"):
        EngineSettings(meetings=MeetingSettings(passing=1.0))
    with pytest.raises(TypeError, match="meetings must be"):
        EngineSettings(meetings=0.5)  # type: ignore[arg-type]


def test_names_of_meetings_are_no_weight_events() -> None:
    assert list(itertools.islice(meeting_ids({"1"}), 2)) == ["hands:1", "hands:2"]
    assert next(meeting_ids({"hands", "hands_"})) == "hands__:1"


class TestPortions:
    """Goods sold by weight that change hands keep the grams that they had."""

    STORE = Store((), (Product("nuts", by_weight=True),), ())

    def took(self, shopper: str, grams: float, time_s: int) -> Interaction:
        cause = (Candidate(shopper, "nuts", -1, 0.99),)
        return Interaction(f"1:{time_s}", "take", time_s * S, time_s * S, ("p",), -grams, 1.0, cause)

    def gave(self, giver: str, receiver: str, time_s: int) -> Interaction:
        causes = Candidate(giver, "nuts", 1, 0.9), Candidate(receiver, "nuts", -1, 0.9)
        return Interaction(f"hands:{time_s}", "hand_over", time_s * S, time_s * S, (), 0.0, 0.0, causes)

    def grams(self, interactions: list[Interaction], *shoppers: str) -> float:
        own = [i for i in interactions if any(c.shopper in shoppers for c in i.candidates)]
        return kept(self.STORE, shoppers, "nuts", own, interactions).grams

    def test_the_last_portion_goes(self) -> None:
        story = [self.took("a", 300.0, 1), self.took("a", 200.0, 2), self.gave("a", "b", 3)]
        assert self.grams(story, "a") == 300.0
        assert self.grams(story, "b") == 200.0
        assert self.grams(story, "a", "b") == 500.0

    def test_from_hand_to_hand(self) -> None:
        story = [self.took("a", 300.0, 1), self.gave("a", "b", 2), self.gave("b", "c", 3), self.took("a", 90.0, 4)]
        assert [self.grams(story, who) for who in "abc"] == [90.0, 0.0, 300.0]

    def test_nobody_saw_where_it_came_from(self) -> None:
        assert self.grams([self.gave("a", "b", 3)], "b") == 0.0
