"""The standard crowd: how close people stand, how much they do, and that it stays what it is."""

from collections import Counter

import numpy as np
import pytest

from fusion import GateEvent
from fusion.simulation import Simulation, simulate
from fusion.simulation.crowd import EVENTS, SHOPPERS, crowd, neighbours_m
from fusion.simulation.scripts import write_visits
from fusion.simulation.simulation import Premises, generators
from fusion.simulation.store import build_store
from simulated import everything

SEEDS = range(8)


@pytest.fixture(scope="module")
def sessions() -> list[Simulation]:
    return [simulate(crowd(seed)) for seed in SEEDS]


def test_neighbours_are_within_reach_of_each_other() -> None:
    """0.6 to 1.5 m to the nearest neighbour when somebody reaches; some neighbours are just walking on."""
    apart = []
    for seed in SEEDS:
        rng = generators(seed)
        settings = crowd(seed)
        premises = Premises(settings, build_store(settings, rng["store"]), rng)
        visits = write_visits(settings, premises.stock, rng["scripts"])
        for i, visit in enumerate(visits):
            apart += [neighbours_m(visits, np.array([a.time_s]))[0, i] for a in visit.actions]
    distance = np.array(apart)
    assert np.nanmin(distance) >= 0.6
    assert np.mean(distance <= 1.5) > 0.95
    assert 0.8 < np.nanmedian(distance) < 1.2
    assert np.mean(distance < 0.9) > 0.25, "many stand shoulder to shoulder"


def test_four_shoppers_handle_fifteen_things_each(sessions: list[Simulation]) -> None:
    counts = [Counter(e["shopper"] for e in s.truth["events"]) for s in sessions]
    assert all(len(count) == SHOPPERS for count in counts)
    assert np.mean([n == EVENTS for count in counts for n in count.values()]) > 0.95
    assert all(s.observations[-1].time_ns - s.observations[0].time_ns < 150e9 for s in sessions)


def test_they_are_all_there_together(sessions: list[Simulation]) -> None:
    """Nobody leaves before everybody is done, or the time is over."""
    for simulation in sessions:
        gates = [o for o in simulation.observations if isinstance(o, GateEvent)]
        last_ns = max(e["time_ns"] for e in simulation.truth["events"])
        first_out_ns = min(g.time_ns for g in gates if g.kind == "exit")
        assert max(g.time_ns for g in gates if g.kind == "enter") < first_out_ns
        assert first_out_ns > last_ns - 5e9


def test_they_do_what_shoppers_usually_do(sessions: list[Simulation]) -> None:
    """Company does not change what people do, within what a hundred events a kind can tell."""
    events = [e for s in sessions for e in s.truth["events"]]
    share = {kind: np.mean([e["kind"] == kind for e in events]) for kind in ("take", "return", "touch")}
    assert 0.6 < share["take"] < 0.75
    assert 0.12 < share["return"] < 0.25
    assert 0.1 < share["touch"] < 0.2
    misplaced = np.mean([e["misplaced"] for e in events if e["kind"] == "return"])
    assert 0.25 < misplaced < 0.5


def test_same_seed_gives_same_bytes() -> None:
    assert everything(simulate(crowd(3))) == everything(simulate(crowd(3)))


def test_without_company_nothing_is_as_crowded() -> None:
    """The setting, not the store, brings people together."""
    assert simulate(crowd(1, company_m=0.0)).truth != simulate(crowd(1)).truth


def test_settings_can_be_changed_and_are_checked() -> None:
    assert crowd(1, noise_g=3.0).noise_g == 3.0
    with pytest.raises(ValueError, match="walls must be at most 2; got 3"):
        crowd(1, walls=3)
    with pytest.raises(ValueError, match="vision_accuracy"):
        crowd(1, vision_accuracy=1.5)
    with pytest.raises(TypeError, match="apples"):
        crowd(1, apples=2)
