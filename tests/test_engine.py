"""The engine: event time, order, duplicates, lateness, bad sensors, receipts."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import Engine, EngineSettings, GateEvent, ItemScores, Outcome, ScalePacket, TagReads, backends, scoring
from fusion.recordings import open_recording
from fusion.simulation import Simulation, SimulationSettings, simulate

S = 1_000_000_000
START_NS = 1_600_000_000 * S


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=3))


def run(simulation: Simulation, observations: list | None = None) -> Outcome:
    engine = Engine(simulation.store)
    engine.push(simulation.observations if observations is None else observations)
    return engine.finish()


@pytest.fixture(scope="module")
def outcome(simulation: Simulation) -> Outcome:
    return run(simulation)


def test_receipts_of_a_simulated_store_are_right(simulation: Simulation, outcome: Outcome) -> None:
    truth, told = scoring.units(simulation.truth), scoring.units(outcome.to_dict())
    assert sum(truth.values()) >= 3
    assert scoring.item_f1(truth, told) >= 0.8
    assert {r.shopper for r in outcome.receipts} == {r["shopper"] for r in simulation.truth["receipts"]}
    assert all(r.final for r in outcome.receipts)


def test_lines_name_interactions_that_exist_and_support_them(outcome: Outcome) -> None:
    by_id = {i.id: i for i in outcome.interactions}
    assert len(by_id) == len(outcome.interactions)
    for receipt in outcome.receipts:
        for line in receipt.lines:
            assert line.interactions
            for name in line.interactions:
                causes = [(c.shopper, c.product) for c in by_id[name].candidates]
                assert (receipt.shopper, line.product) in causes


def test_the_document_is_strict_json(outcome: Outcome) -> None:
    document = json.loads(json.dumps(outcome.to_dict(), allow_nan=False))
    assert document["format"] == "fusion.outcome/1"
    assert set(document["health"]) >= {"plates", "cameras", "late", "dropped"}


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_how_the_stream_is_cut_changes_nothing(simulation: Simulation, outcome: Outcome, cuts: list[int]) -> None:
    engine, n = Engine(simulation.store), len(simulation.observations)
    edges = sorted({0, n, *(c % n for c in cuts)})
    told = [i for a, b in itertools.pairwise(edges) for i in engine.push(simulation.observations[a:b])]
    final = engine.finish()
    assert final == outcome
    assert {i.id for i in told} <= {i.id for i in final.interactions}


@pytest.mark.parametrize("seed", range(4))
def test_any_order_within_the_lateness_gives_the_same(simulation: Simulation, outcome: Outcome, seed: int) -> None:
    rng = np.random.default_rng(seed)
    delay_s = rng.uniform(0.0, 2.9, len(simulation.observations))
    order = np.argsort([o.time_ns / S + d for o, d in zip(simulation.observations, delay_s, strict=True)])
    shuffled = run(simulation, [simulation.observations[i] for i in order])
    assert shuffled.receipts == outcome.receipts
    assert shuffled.interactions == outcome.interactions
    assert shuffled.health.late == 0


def test_duplicates_are_dropped_and_counted(simulation: Simulation, outcome: Outcome) -> None:
    doubled = run(simulation, [o for o in simulation.observations for _ in range(2)])
    assert doubled.receipts == outcome.receipts
    assert doubled.health.dropped == outcome.health.dropped + len(simulation.observations) - outcome.health.dropped


def test_what_comes_too_late_is_counted_and_not_used(simulation: Simulation, outcome: Outcome) -> None:
    packet = next(o for o in simulation.observations if isinstance(o, ScalePacket))
    stale = ScalePacket(packet.fixture, packet.sample_ns - 3600 * S, packet.grams * 7)
    middle = len(simulation.observations) // 2
    late = run(simulation, [*simulation.observations[:middle], stale, *simulation.observations[middle:]])
    assert late.health.late == outcome.health.late + 1
    assert late.receipts == outcome.receipts


def test_a_clock_that_jumps_ahead_makes_the_others_late_but_nothing_is_lost_silently(simulation: Simulation) -> None:
    engine = Engine(simulation.store)
    packet = next(o for o in simulation.observations if isinstance(o, ScalePacket))
    ahead = ScalePacket(packet.fixture, packet.sample_ns + 3600 * S, packet.grams)
    engine.push([ahead, *simulation.observations])
    health = engine.finish().health
    assert health.late + health.dropped == len(simulation.observations)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_bad_grams_become_health_not_exceptions(simulation: Simulation, bad: float) -> None:
    fixture = simulation.store.fixtures[0]

    def spoiled(o: ScalePacket) -> ScalePacket:
        grams = o.grams.copy()
        grams[:, 0] = bad
        return replace(o, grams=grams)

    is_hit = [isinstance(o, ScalePacket) and o.fixture == fixture.id for o in simulation.observations]
    spoiled_stream = [spoiled(o) if hit else o for o, hit in zip(simulation.observations, is_hit, strict=True)]
    plate = next(h for h in run(simulation, spoiled_stream).health.plates if h["plate"] == fixture.plates[0].id)
    assert plate["status"] != ["ok"]


def test_a_silent_plate_is_told_as_a_dropout(simulation: Simulation) -> None:
    gone = simulation.store.fixtures[0].id
    silent = [o for o in simulation.observations if not (isinstance(o, ScalePacket) and o.fixture == gone)]
    statuses = {h["plate"]: h["status"] for h in run(simulation, silent).health.plates}
    assert all("dropout" in statuses[p.id] for p in simulation.store.fixtures[0].plates)
    middle = len(simulation.observations) // 2
    stopped = [o for i, o in enumerate(simulation.observations) if i < middle or o in silent]
    statuses = {h["plate"]: h["status"] for h in run(simulation, stopped).health.plates}
    assert all("dropout" in statuses[p.id] for p in simulation.store.fixtures[0].plates)
    assert all("dropout" not in statuses[p.id] for p in simulation.store.fixtures[1].plates)


def test_bad_packets_are_refused_by_name(simulation: Simulation) -> None:
    engine = Engine(simulation.store)
    with pytest.raises(ValueError, match="unknown fixture 'nowhere'"):
        engine.push([ScalePacket("nowhere", np.array([START_NS]), np.zeros((1, 3)))])
    known = simulation.store.fixtures[0]
    with pytest.raises(ValueError, match=f"must have {len(known.plates)} columns; got 3"):
        engine.push([ScalePacket(known.id, np.array([START_NS]), np.zeros((1, 3)))])
    with pytest.raises(TypeError, match="got str"):
        engine.push(["grams"])  # type: ignore[list-item]
    assert engine.finish().receipts == ()


def test_an_empty_stream_has_an_empty_outcome(simulation: Simulation) -> None:
    outcome = Engine(simulation.store).finish()
    assert outcome.receipts == ()
    assert outcome.interactions == ()


def test_a_shopper_who_only_walks_through_has_an_empty_final_receipt(simulation: Simulation) -> None:
    engine = Engine(simulation.store)
    engine.push([GateEvent(START_NS, "walker", "enter"), GateEvent(START_NS + 5 * S, "walker", "exit")])
    assert [r.final for r in engine.outcome().receipts] in ([], [False])
    engine.push([GateEvent(START_NS + t * S, "other", "enter") for t in (10, 20)])
    walker, *others = engine.outcome().receipts
    assert (walker.shopper, walker.final, walker.lines) == ("walker", True, ())
    assert [r.shopper for r in engine.finish().receipts] == ["walker", "other"]
    assert len(others) <= 1


def test_receipts_are_final_soon_after_the_exit(simulation: Simulation) -> None:
    engine = Engine(simulation.store)
    last = max(o.time_ns for o in simulation.observations if isinstance(o, GateEvent))
    final_at: dict[str, int] = {}
    for o in simulation.observations:
        engine.push([o])
        for r in engine.outcome().receipts:
            if r.final:
                final_at.setdefault(r.shopper, o.time_ns)
    exits = {o.shopper: o.time_ns for o in simulation.observations if isinstance(o, GateEvent) and o.kind == "exit"}
    early = {s: t for s, t in exits.items() if t < last - 8 * S}
    assert all(final_at[s] - t < 8 * S for s, t in early.items())


def test_what_is_not_used_yet_is_counted(simulation: Simulation) -> None:
    engine = Engine(simulation.store)
    engine.push([ItemScores(START_NS, ("p",), np.array([0.5]), shopper="s"), TagReads(START_NS, "gate", ("tag",))])
    assert engine.finish().health.unused == 2


def test_all_backends_tell_the_same(simulation: Simulation, outcome: Outcome) -> None:
    for name in ("reference", "numba"):
        with backends.use_backend(name):
            other = run(simulation)
        assert scoring.units(other.to_dict()) == scoring.units(outcome.to_dict())
        assert [(i.id, i.start_ns, i.delta_g) for i in other.interactions] == [
            (i.id, i.start_ns, i.delta_g) for i in outcome.interactions
        ]


@pytest.mark.parametrize("wrong", [{"lateness_s": -1.0}, {"review_below": 1.5}, {"rate_hz": 0.0}, {"grasp_s": np.nan}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EngineSettings(**wrong)


@pytest.mark.parametrize("meta", [False, True])
@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_the_real_recording_comes_out_right(data: Path, backend: str, meta: bool) -> None:
    folder = data / "nanostore"
    with backends.use_backend(backend):
        recording = open_recording(folder / "benchmark-1", store_meta=folder / "store_meta" if meta else None)
        engine = Engine(recording.store)
        engine.push(recording)
        (receipt,) = engine.finish().receipts
    assert receipt.shopper == "3325379692103139202"
    assert [(line.product, line.quantity) for line in receipt.lines] == [("071142008582", 1)]
    assert receipt.lines[0].confidence >= 0.9
    assert receipt.final
    assert not receipt.needs_review
