"""Simulated item scores and tag reads: as right as asked for, and no part of what is there without them."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from fusion import GateEvent, ItemScores, TagReads
from fusion.simulation import Simulation, SimulationSettings, simulate
from simulated import everything


def shopping(seed: int, **changes: Any) -> Simulation:
    return simulate(SimulationSettings(seed=seed, shelves=2, **changes))


def test_vision_is_as_right_as_asked_for_and_calibrated() -> None:
    top, right, said, mass = [], [], [], []
    for seed in range(30):
        simulation = shopping(seed, vision_accuracy=0.85)
        moves = [e for e in simulation.truth["events"] if e["product"]]
        scores = [o for o in simulation.observations if isinstance(o, ItemScores)]
        assert len(scores) == len(moves)
        for score in scores:
            event = min(
                (e for e in moves if e["shopper"] == score.shopper), key=lambda e: abs(e["time_ns"] - score.time_ns)
            )
            assert abs(event["time_ns"] - score.time_ns) <= 0.31e9
            best = int(score.probabilities.argmax())
            top.append(score.products[best] == event["product"])
            said.append(score.probabilities[best])
            right += [product == event["product"] for product in score.products]
            mass += score.probabilities.tolist()
    assert np.mean(top) == pytest.approx(0.85, abs=0.05)
    assert np.mean(said) == pytest.approx(np.mean(top), abs=0.04), "confident as often as right"
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        inside = [(r, p) for r, p in zip(right, mass, strict=True) if low <= p < high]
        expected = np.mean([p for _, p in inside])
        assert np.mean([r for r, _ in inside]) == pytest.approx(expected, abs=0.08)


def test_confusions_are_among_things_of_a_kind() -> None:
    same, other = 0, 0
    for seed in range(12):
        simulation = shopping(seed, vision_accuracy=0.7)
        kind = {p.id: p.name.partition(" ")[0] for p in simulation.store.products}
        for score in (o for o in simulation.observations if isinstance(o, ItemScores)):
            if len(score.products) > 1:
                first, second = (score.products[i] for i in np.argsort(-score.probabilities)[:2])
                same, other = same + (kind[first] == kind[second]), other + (kind[first] != kind[second])
    # Of the others, one in twelve is of the same kind.
    assert same > 0.3 * other


@pytest.mark.parametrize("changes", [{"vision_accuracy": 0.85}, {"tag_detection": 0.95}])
def test_more_sensors_change_nothing_else(changes: dict[str, float]) -> None:
    plain, more = shopping(2), shopping(2, **changes)
    assert more.truth == plain.truth
    kept = [o for o in more.observations if not isinstance(o, ItemScores | TagReads)]
    assert len(kept) < len(more.observations)
    bare = Simulation(plain.settings, plain.store, kept, plain.arrivals_ns, more.truth)
    assert everything(bare) == everything(plain)


def test_tags_are_read_at_the_gate_as_often_as_asked_for() -> None:
    carried, read, false, exits = 0, 0, 0, 0
    for seed in range(20):
        simulation = shopping(seed, tag_detection=0.9, false_tag_probability=0.3)
        truth = simulation.truth
        assert all(p.tags for p in simulation.store.products)
        exit_ns = {o.time_ns: o.shopper for o in simulation.observations if isinstance(o, GateEvent)}
        lines = {r["shopper"]: Counter({x["product"]: x["quantity"] for x in r["lines"]}) for r in truth["receipts"]}
        for reads in (o for o in simulation.observations if isinstance(o, TagReads)):
            assert reads.antenna == "gate"
            assert len(set(reads.tags)) == len(reads.tags)
            shopper = exit_ns[min(exit_ns, key=lambda t: abs(t - reads.time_ns - 300_000_000))]
            told = Counter(simulation.store.product_by_tag[tag].id for tag in reads.tags)
            both = sum((told & lines[shopper]).values())
            carried, read, exits = carried + lines[shopper].total(), read + both, exits + 1
            false += told.total() - both
    assert exits == 80
    assert read / carried == pytest.approx(0.9, abs=0.05)
    assert false / exits == pytest.approx(0.3, abs=0.2)
