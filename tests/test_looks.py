"""Vision scores and tag reads: by hand, and from simulated models and antennas to receipts."""

import itertools
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import (
    Associator,
    Box,
    Engine,
    EngineSettings,
    Facing,
    Fixture,
    GateEvent,
    ItemScores,
    Outcome,
    Plate,
    Product,
    Shelf,
    Store,
    TagReads,
    scoring,
)
from fusion.hands import HandPaths
from fusion.looks import FOREVER_NS, LARGEST, Looks, LookSettings, Span
from fusion.simulation import Simulation
from fusion.simulation.scenarios import simulate_scenario
from fusion.tag_gate import TagGate

S = 1_000_000_000
AT = 1_600_000_000 * S
SIZE = np.array([0.1, 0.4, 0.3])
PLATES = tuple(Plate(f"p{i}", Box(np.array([0.1 * i, 0.0, 1.0]), SIZE)) for i in range(30))
PRODUCTS = tuple(Product(name, mass_g=200.0, tags=(f"{name}1", f"{name}2")) for name in "abcd")
STORE = Store(
    (Fixture("f", (Shelf("s", PLATES),)),),
    (*PRODUCTS, Product("e", mass_g=200.0)),
    tuple(Facing(p.id, (PLATES[i].id,), PLATES[i].box) for i, p in enumerate(PRODUCTS)),
)
TAKE = Span(AT, AT + S // 10, AT + 2 * S, -200.0, ("p0",))


def nobody(start_ns: int, end_ns: int) -> HandPaths:
    hands = np.zeros((0, 0, 2, 3))
    return HandPaths([], hands, np.zeros((0, 0, 2, 3, 3)), np.zeros(0, np.int64), hands)


def scores(time_s: float, shopper: str | None = "s", place_m: list[float] | None = None, **p: float) -> ItemScores:
    place = None if place_m is None else np.array(place_m)
    return ItemScores(AT + round(time_s * S), tuple(p), np.array(list(p.values())), shopper, place)


def seen(*looks: ItemScores, event: Span = TAKE, others: tuple[Span, ...] = (), **settings: float) -> np.ndarray | None:
    all_looks = Looks(STORE, LookSettings(**settings), nobody)
    for look in looks:
        all_looks.see(look)
    return all_looks.of(event, others, ["s", "t"])


class TestScores:
    def test_probability_over_the_prior(self) -> None:
        """Five products: 0.6 is three times 1/5; what is missing to 1, 0.2, is shared by three."""
        found = seen(scores(0.3, a=0.6, b=0.2))
        assert found is not None
        assert found[0] == pytest.approx([log(3.0), 0.0, *[log(0.2 / 3 * 5)] * 3], abs=1e-12)
        assert not found[1].any()

    def test_temperature(self) -> None:
        found = seen(scores(0.3, a=0.64, b=0.36, c=0.0, d=0.0, e=0.0), temperature=2.0)
        assert found is not None
        assert found[0, :2] == pytest.approx([log(0.8 / 1.4 * 5), log(0.6 / 1.4 * 5)], abs=1e-12)

    def test_nothing_says_more_than_the_bound(self) -> None:
        found = seen(scores(0.3, a=1.0))
        assert found is not None
        assert found[0].tolist() == pytest.approx([log(5.0), *[-LARGEST] * 4])

    def test_frames_of_one_look_are_averaged_in_their_logarithm(self) -> None:
        one, other = seen(scores(0.3, a=0.6, b=0.2)), seen(scores(0.4, b=0.9))
        both = seen(scores(0.3, a=0.6, b=0.2), scores(0.4, b=0.9))
        assert one is not None
        assert other is not None
        assert both == pytest.approx((one + other) / 2)

    def test_two_things_at_one_instant_are_either(self) -> None:
        found = seen(scores(0.3, a=1.0), scores(0.3, b=1.0))
        assert found is not None
        assert found[0, :2] == pytest.approx(log((5.0 + 1e-3) / 2))

    def test_what_the_store_does_not_have_speaks_against_what_it_has(self) -> None:
        looks = Looks(STORE, LookSettings(), nobody)
        looks.see(scores(0.3, a=0.1, bag=0.9))
        found = looks.of(TAKE, (), ["s"])
        assert looks.unknown == 1
        assert found is not None
        assert found[0, 0] == pytest.approx(log(0.1 * 6))
        assert (found[0, 1:] == -LARGEST).all()

    def test_a_place_is_anybodys_who_is_near_it(self) -> None:
        there, away = scores(0.3, None, [0.05, 0.2, 1.2], a=0.9), scores(0.3, None, [2.5, 0.2, 1.2], a=0.9)
        found = seen(there)
        assert found is not None
        assert (found[0] == found[1]).all()
        assert found[0, 0] > 1.0
        assert seen(away) is None

    @pytest.mark.parametrize(("time_s", "of_it"), [(-1.1, False), (-1.0, True), (5.0, True), (5.1, False)])
    def test_from_one_second_before_to_three_after(self, time_s: float, of_it: bool) -> None:
        assert (seen(scores(time_s, a=0.9)) is not None) == of_it

    def test_a_look_is_of_one_event(self) -> None:
        """Of two takes, each look is of the one just before it; of a take and a return, by what is in the hand when."""
        later = Span(AT + S, AT + S, AT + 3 * S, -200.0, ("p1",))
        looks = Looks(STORE, LookSettings(), nobody)
        looks.see(scores(0.3, a=0.9))
        looks.see(scores(1.2, b=0.9))
        first, second = looks.of(TAKE, (later,), ["s"]), looks.of(later, (), ["s"])
        assert first is not None
        assert second is not None
        assert (first[0].argmax(), second[0].argmax()) == (0, 1)
        assert looks.of(TAKE, (), ["s"]) is None
        put = Span(AT + S, AT + S, AT + 3 * S, 200.0, ("p1",))
        assert seen(scores(0.8, b=0.9), others=(put,)) is None
        assert seen(scores(0.8, b=0.9), event=put, others=(TAKE,)) is not None

    def test_a_shelf_that_shakes_has_no_looks(self) -> None:
        shaken = Span(AT, AT + S // 4, AT + 3 * S, -4.0, ("p1",))
        assert seen(scores(0.3, a=0.9), others=(shaken,)) is not None
        assert seen(scores(0.3, a=0.9), event=shaken, others=(TAKE,)) is None
        assert seen(scores(0.3, a=0.9), event=shaken) is not None

    def test_what_was_seen_of_an_event_is_of_the_whole_that_it_is_part_of(self) -> None:
        looks = Looks(STORE, LookSettings(), nobody)
        looks.see(scores(0.3, a=0.9))
        first = looks.of(TAKE, (), ["s"], "first")
        assert looks.of(TAKE, (), ["s"], "second") is None
        assert (looks.of_all(["second", "first"], ["s"]) == first).all()
        assert looks.of_all(["third", "second"], ["s"]) is None
        looks.forget(AT + 100 * S)
        assert looks.of_all(["second", "first"], ["s"]) is None

    def test_what_is_of_nothing_is_counted(self) -> None:
        looks = Looks(STORE, LookSettings(), nobody)
        for time_s in (0.0, 5.0, 9.0):
            looks.see(scores(time_s, "stranger", a=0.9))
        assert looks.of(TAKE, (), ["s"]) is None
        looks.forget(AT + 7 * S)
        assert looks.unused == 2
        looks.flush()
        assert looks.unused == 3

    @given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5), st.floats(0.01, 100.0))
    def test_any_probabilities(self, p: list[float], temperature: float) -> None:
        total = max(sum(p), 1.0) * (1 + 1e-9)
        found = seen(scores(0.3, **dict(zip("abcde", (x / total for x in p), strict=True))), temperature=temperature)
        assert found is None or (np.abs(found) <= LARGEST).all()


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"after_s": np.nan}, {"reach_m": -1.0}, {"tag_false": 0.0}, {"tag_detected": 1.0}]
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LookSettings(**wrong)


class TestTags:
    def reads(self, time_s: float, *tags: str) -> TagReads:
        return TagReads(AT + round(time_s * S), "gate", tags)

    def gate(self, *reads: TagReads) -> TagGate:
        gate = TagGate(STORE, LookSettings())
        for read in reads:
            gate.see(read)
        return gate

    @pytest.mark.parametrize(
        ("tags", "basket", "p"),
        [
            ({}, {}, 1.0),
            ({"a": 1}, {"a": 1}, 0.95 + 0.05 * 1e-3),
            ({}, {"a": 1}, 0.05),
            ({"a": 1}, {}, 1e-3),
            ({"a": 1}, {"a": 2}, 2 * 0.95 * 0.05 + 0.05**2 * 1e-3),
            ({"a": 1}, {"a": 1, "e": 3}, 0.95 + 0.05 * 1e-3),  # e has no tags
            ({"a": 2}, {"a": 3}, 0.95**2 + 2 * 0.95 * 0.05 * 1e-3 + 0.05**2 * 1e-6),  # two tags for three units
        ],
    )
    def test_by_hand(self, tags: dict[str, int], basket: dict[str, int], p: float) -> None:
        assert self.gate().log_likelihood(tags, basket) == pytest.approx(log(p), abs=1e-12)

    @pytest.mark.parametrize(
        ("tags", "basket", "suspects"),
        [
            ({"a": 1}, {"a": 1, "b": 1}, set()),  # missed
            ({"a": 1}, {"b": 1, "e": 1}, {"a", "b"}),
            ({"a": 2}, {"a": 1}, {"a"}),
            ({"a": 1, "b": 2}, {"b": 3, "c": 1}, {"a", "c"}),  # b has two tags
        ],
    )
    def test_suspects(self, tags: dict[str, int], basket: dict[str, int], suspects: set[str]) -> None:
        assert self.gate().suspects(tags, basket) == suspects

    def test_who_leaves_together_is_weighed_together_and_once(self) -> None:
        gate = self.gate(self.reads(9.7, "a1"), self.reads(9.8, "a1", "b1", "b2"), self.reads(29.9, "c1"))
        left = {"s": AT + 10 * S, "t": AT + 13 * S, "u": AT + 30 * S}
        none, held = gate.passages(left, AT + 14 * S, AT + 14 * S)
        assert (none, held) == ([], {"s", "t", "u"})
        ready, held = gate.passages(left, AT + 20 * S, AT + 20 * S)
        assert [(p.shoppers, dict(p.tags)) for p in ready] == [(("s", "t"), {"a": 1, "b": 2})]
        assert held == {"u"}
        assert [p.shoppers for p in gate.passages(left, FOREVER_NS, FOREVER_NS)[0]] == [("u",)]
        assert gate.passages(left, FOREVER_NS, FOREVER_NS) == ([], set())

    def test_without_an_antenna_nobody_waits(self) -> None:
        assert self.gate().passages({"s": AT}, AT, AT) == ([], set())

    def test_what_is_of_nobody_is_counted(self) -> None:
        gate = self.gate(self.reads(0.0, "a1", "elsewhere"), self.reads(60.0))
        assert gate.passages({"s": AT + 30 * S}, FOREVER_NS - 1, AT + 60 * S)[0] == []
        assert (gate.unknown, gate.unused) == (1, 0)
        gate.flush()
        assert gate.unused == 2


class TestWeigh:
    def doubtful(self) -> Associator:
        """A shopper between two facings of equal mass took from one of both, and then something sure."""
        associator = Associator(STORE)
        hand = np.tile([0.1, 0.2, 1.15], (5, 1, 1, 1))
        associator.associate(1, ["p0", "p1"], [-100.0, -100.0], [1.0, 1.0], ["s"], hand)
        return associator

    def test_bayes(self) -> None:
        associator = self.doubtful()
        before = {tuple(sorted(b.items())): p for b, p in associator.baskets("s")}
        assert before[(("a", 1),)] == pytest.approx(before[(("b", 1),)])
        gain = {(("a", 1),): 2.0}
        associator.weigh(["s"], lambda basket: gain.get(tuple(sorted(basket.items())), 0.0))
        weighed = {basket: p * np.exp(gain.get(basket, 0.0)) for basket, p in before.items()}
        total = sum(weighed.values())
        for basket, p in associator.baskets("s"):
            assert p == pytest.approx(weighed[tuple(sorted(basket.items()))] / total, rel=1e-5)

    def test_earlier_candidates_are_revised(self) -> None:
        associator = self.doubtful()
        associator.weigh(["s"], lambda basket: 0.0 if basket.get("b") else -20.0)
        assert associator.candidates(1)[0].product == "b"
        assert associator.candidates(1)[0].probability > 0.999
        associator.weigh(["s"], lambda basket: 0.0 if basket.get("a") else -5.0)
        assert associator.candidates(1)[0].product == "b", "what is certain does not change"

    def test_several_at_once_and_nobody(self) -> None:
        associator = self.doubtful()
        associator.weigh(["s", "ghost"], lambda basket: 0.0 if basket.get("a") else -20.0)
        associator.weigh([], lambda basket: 0.0)
        associator.weigh(["ghost"], lambda basket: np.nan)
        assert associator.baskets("s")[0][0] == {"a": 1}

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_refused(self, bad: float) -> None:
        associator = self.doubtful()
        before = associator.baskets("s")
        with pytest.raises(ValueError, match="log_likelihood must be finite"):
            associator.weigh(["s"], lambda basket: bad)
        assert associator.baskets("s") == before


def run(simulation: Simulation, observations: list | None = None, cut: int = 10**9) -> Outcome:
    engine = Engine(simulation.store)
    observations = simulation.observations if observations is None else observations
    for batch in itertools.batched(observations, cut) if hasattr(itertools, "batched") else [observations]:
        engine.push(batch)
    return engine.finish()


def f1(simulation: Simulation) -> float:
    return scoring.item_f1(scoring.units(simulation.truth), scoring.units(run(simulation).to_dict()))


SEEDS = range(4)


@pytest.mark.parametrize("extra", [{"vision_accuracy": 0.85}, {"tag_detection": 0.95}])
def test_what_weighs_the_same_is_told_apart(extra: dict[str, float]) -> None:
    plain = [f1(simulate_scenario("equal_swap", seed)) for seed in SEEDS]
    better = [f1(simulate_scenario("equal_swap", seed, **extra)) for seed in SEEDS]
    assert np.mean(better) > np.mean(plain) + 0.1
    assert np.mean(better) >= 0.85


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate_scenario("equal_swap", 3, vision_accuracy=0.85, tag_detection=0.95)


@pytest.fixture(scope="module")
def outcome(simulation: Simulation) -> Outcome:
    return run(simulation)


def test_how_the_stream_is_cut_changes_nothing(simulation: Simulation, outcome: Outcome) -> None:
    engine = Engine(simulation.store)
    for observation in simulation.observations:
        engine.push([observation])
    assert engine.finish() == outcome


@pytest.mark.parametrize("seed", range(2))
def test_any_order_within_the_lateness_gives_the_same(simulation: Simulation, outcome: Outcome, seed: int) -> None:
    delay_s = np.random.default_rng(seed).uniform(0.0, 2.9, len(simulation.observations))
    order = np.argsort([o.time_ns / S + d for o, d in zip(simulation.observations, delay_s, strict=True)])
    shuffled = run(simulation, [simulation.observations[i] for i in order])
    assert (shuffled.receipts, shuffled.interactions) == (outcome.receipts, outcome.interactions)


def test_what_nobody_knows_is_counted_and_changes_nothing(simulation: Simulation, outcome: Outcome) -> None:
    first = simulation.observations[0].time_ns
    strange = [
        ItemScores(first + S, ("nothing", "nowhere"), np.array([0.5, 0.5]), shopper="nobody"),
        ItemScores(first + S, (), np.zeros(0), place_m=np.array([1e300, 0.0, 0.0])),
        TagReads(first + S, "gate", ("none", "such")),
    ]
    mixed = sorted([*simulation.observations, *strange], key=lambda o: o.time_ns)
    told = run(simulation, mixed)
    assert told.receipts == outcome.receipts
    assert told.health.unknown == outcome.health.unknown + 4
    assert told.health.unused == outcome.health.unused + 3


def test_a_flood_of_scores_and_reads_ends_well(simulation: Simulation) -> None:
    first, last = simulation.observations[0].time_ns, simulation.observations[-1].time_ns
    products = tuple(p.id for p in simulation.store.products)
    rng = np.random.default_rng(0)
    shoppers = [o.shopper for o in simulation.observations if isinstance(o, GateEvent)]
    times = rng.integers(first, last, 600).tolist()
    flood = [
        ItemScores(t, products, rng.dirichlet(np.ones(len(products))), shopper=shoppers[t % len(shoppers)])
        for t in times
    ]
    tags = tuple(simulation.store.product_by_tag)
    reads = [TagReads(t, "gate", tags) for t in times[:100]]
    mixed = sorted([*simulation.observations, *flood, *reads], key=lambda o: o.time_ns)
    told = run(simulation, mixed)
    assert all(r.final for r in told.receipts)
    assert {r.shopper for r in told.receipts} == {r["shopper"] for r in simulation.truth["receipts"]}


def test_receipts_wait_for_tags_only_where_there_are_any() -> None:
    engine = Engine(STORE, EngineSettings(lateness_s=0.0))
    engine.push([GateEvent(AT, "s", "enter"), GateEvent(AT + S, "s", "exit"), GateEvent(AT + 3 * S, "t", "enter")])
    engine.push([GateEvent(AT + 4 * S, "u", "enter")])
    assert engine.outcome().receipts[0].final
