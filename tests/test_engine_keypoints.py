"""The engine on keypoints: receipts, cuts, order, backends, clocks, strangers, bad pictures, health of cameras."""

import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import Engine, GateEvent, Keypoints, Outcome, Targets, backends, scoring
from fusion.observations import Observation
from fusion.simulation import Simulation, SimulationSettings, simulate

S = 1_000_000_000


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """A store whose shoppers are seen by six cameras alone."""
    return simulate(
        SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=3, cameras=6, targets=False)
    )


def run(simulation: Simulation, observations: list[Observation] | None = None) -> Outcome:
    engine = Engine(simulation.store)
    engine.push(simulation.observations if observations is None else observations)
    return engine.finish()


def without(simulation: Simulation, *kinds: type) -> list[Observation]:
    return [o for o in simulation.observations if not isinstance(o, kinds)]


@pytest.fixture(scope="module")
def outcome(simulation: Simulation) -> Outcome:
    return run(simulation)


def test_receipts_are_those_of_the_truth(simulation: Simulation, outcome: Outcome) -> None:
    truth, told = scoring.units(simulation.truth), scoring.units(outcome.to_dict())
    assert sum(truth.values()) >= 3
    assert scoring.item_f1(truth, told) >= 0.8
    assert {r.shopper for r in outcome.receipts} == {r["shopper"] for r in simulation.truth["receipts"]}
    assert all(r.final for r in outcome.receipts)
    assert outcome.health.unused == outcome.health.late == 0


def test_clocks_of_cameras_are_learned(simulation: Simulation, outcome: Outcome) -> None:
    true = np.array([c["clock_offset_s"] for c in simulation.truth["cameras"]])
    told = np.array([c["clock_offset_s"] for c in outcome.health.cameras])
    assert np.ptp(true) > 0.08
    np.testing.assert_allclose(told - told.mean(), true - true.mean(), atol=0.015)
    assert all(c["clock_sigma_s"] < 0.01 for c in outcome.health.cameras)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_how_the_stream_is_cut_changes_nothing(simulation: Simulation, outcome: Outcome, cuts: list[int]) -> None:
    engine, n = Engine(simulation.store), len(simulation.observations)
    for a, b in itertools.pairwise(sorted({0, n, *(c % n for c in cuts)})):
        engine.push(simulation.observations[a:b])
        engine.outcome()
    assert engine.finish() == outcome


@pytest.mark.parametrize("seed", range(2))
def test_any_order_within_the_lateness_gives_the_same(simulation: Simulation, outcome: Outcome, seed: int) -> None:
    rng = np.random.default_rng(seed)
    delay_s = rng.uniform(0.0, 2.9, len(simulation.observations))
    order = np.argsort([o.time_ns / S + d for o, d in zip(simulation.observations, delay_s, strict=True)])
    shuffled = run(simulation, [simulation.observations[i] for i in order for _ in range(2)])
    assert shuffled.receipts == outcome.receipts
    assert shuffled.interactions == outcome.interactions
    assert shuffled.health.cameras == outcome.health.cameras


def test_all_backends_tell_the_same(simulation: Simulation, outcome: Outcome) -> None:
    """A quarter of a second between pictures: plain Python is slow."""
    last: dict[str, int] = {}
    seldom: list[Observation] = []
    for o in sorted(simulation.observations, key=lambda o: o.time_ns):
        if isinstance(o, Keypoints):
            if o.time_ns < last.get(o.camera, 0) + S // 4:
                continue
            last[o.camera] = o.time_ns
        seldom.append(o)
    native = run(simulation, seldom)
    assert any(c["followed"] > 50 for c in native.health.cameras)
    for name in ("reference", "numba"):
        with backends.use_backend(name):
            other = run(simulation, seldom)
        assert other.health.cameras == native.health.cameras
        assert scoring.units(other.to_dict()) == scoring.units(native.to_dict())


def test_without_a_gate_tracks_are_shoppers_for_a_person_to_look_at(simulation: Simulation) -> None:
    told = run(simulation, without(simulation, GateEvent))
    assert told.receipts
    names = {receipt.shopper for receipt in told.receipts}
    assert all(name.startswith("track:") for name in names)
    assert all(receipt.needs_review and receipt.lines and receipt.final for receipt in told.receipts)
    truth = sorted((product, n) for (_, product), n in scoring.units(simulation.truth).items())
    assert sorted((line.product, line.quantity) for r in told.receipts for line in r.lines) == truth


def test_targets_win_for_the_shoppers_whom_they_name() -> None:
    """Tracks that are bound to nobody must not compete with targets of the same people."""
    both = simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=3, cameras=4))
    told = run(both, without(both, GateEvent))
    alone = run(both, without(both, GateEvent, Keypoints))
    assert told.receipts == alone.receipts
    assert told.interactions == alone.interactions


def test_keypoints_help_where_targets_end() -> None:
    both = simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=3, cameras=6))
    last_ns = both.observations[0].time_ns + 5 * S
    ended = [o for o in both.observations if not (isinstance(o, Targets) and o.time_ns > last_ns)]
    told, truth = run(both, ended), scoring.units(both.truth)
    assert scoring.item_f1(truth, scoring.units(told.to_dict())) >= 0.8
    blind = run(both, [o for o in ended if not isinstance(o, Keypoints)])
    assert scoring.item_f1(truth, scoring.units(blind.to_dict())) < 0.8


def test_an_unknown_camera_is_refused_by_name(simulation: Simulation) -> None:
    engine = Engine(simulation.store)
    nothing = Keypoints("nowhere", simulation.observations[0].time_ns, np.zeros((0, 8, 2)), np.zeros((0, 8)))
    with pytest.raises(ValueError, match="unknown camera 'nowhere'"):
        engine.push([nothing])
    assert engine.finish().receipts == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-308])
@pytest.mark.parametrize("field", ["px", "sigma_px"])
def test_bad_pixels_of_one_camera_change_little(simulation: Simulation, bad: float, field: str) -> None:
    camera = simulation.store.cameras[0].id

    def spoiled(o: Observation) -> Observation:
        if not isinstance(o, Keypoints) or o.camera != camera:
            return o
        values: dict[str, Any] = {field: np.full_like(getattr(o, field), bad)}
        return replace(o, **values)

    told = run(simulation, [spoiled(o) for o in simulation.observations])
    json.dumps(told.to_dict(), allow_nan=False)
    assert scoring.item_f1(scoring.units(simulation.truth), scoring.units(told.to_dict())) >= 0.8


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_pictures_end_in_an_outcome(simulation: Simulation, data: st.DataObject) -> None:
    numbers = st.one_of(st.floats(-1e4, 1e4), st.floats(), st.sampled_from([960.0, 540.0]))
    times = st.one_of(st.integers(0, 30), st.sampled_from([0, 2**63 - 1]))
    engine = Engine(simulation.store)
    for _ in range(data.draw(st.integers(1, 12))):
        n = data.draw(st.integers(0, 3))
        px = np.array(data.draw(st.lists(numbers, min_size=16 * n, max_size=16 * n))).reshape(n, 8, 2)
        sigma = np.array(data.draw(st.lists(numbers, min_size=8 * n, max_size=8 * n))).reshape(n, 8)
        camera = data.draw(st.sampled_from([c.id for c in simulation.store.cameras]))
        engine.push([Keypoints(camera, data.draw(times), px, sigma)])
        if data.draw(st.booleans()):
            engine.push([GateEvent(data.draw(times), "a", data.draw(st.sampled_from(["enter", "exit"])))])
    json.dumps(engine.finish().to_dict(), allow_nan=False)


class TestHealth:
    def status(self, outcome: Outcome) -> dict[str, list[str]]:
        json.dumps(outcome.to_dict(), allow_nan=False)
        return {c["camera"]: c["status"] for c in outcome.health.cameras}

    def test_all_is_well(self, simulation: Simulation, outcome: Outcome) -> None:
        assert set(map(tuple, self.status(outcome).values())) == {("ok",)}
        frames = sum(isinstance(o, Keypoints) for o in simulation.observations)
        assert sum(c["frames"] for c in outcome.health.cameras) == frames - outcome.health.dropped
        assert all(0 < c["followed"] <= c["detections"] for c in outcome.health.cameras)

    def test_who_never_sends_who_stops_and_who_sees_nobody(self, simulation: Simulation) -> None:
        never, stops, blind, *_ = (camera.id for camera in simulation.store.cameras)
        middle = simulation.observations[0].time_ns + 10 * S

        def changed(o: Observation) -> Observation | None:
            if not isinstance(o, Keypoints):
                return o
            if o.camera == blind:
                return replace(o, px=o.px[:0], sigma_px=o.sigma_px[:0])
            return None if o.camera == never or (o.camera == stops and o.time_ns > middle) else o

        told = run(simulation, [c for o in simulation.observations if (c := changed(o)) is not None])
        status = self.status(told)
        assert (status[never], status[stops], status[blind]) == (["unknown"], ["silent"], ["no detections"])
        assert next(c["last_seen_ns"] for c in told.health.cameras if c["camera"] == never) is None

    def test_a_camera_that_was_moved_disagrees(self, simulation: Simulation) -> None:
        moved = simulation.store.cameras[1]
        turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        wrong = replace(moved, rotation=turn @ moved.rotation, translation_m=turn @ moved.translation_m)
        cameras = tuple(wrong if c is moved else c for c in simulation.store.cameras)
        engine = Engine(replace(simulation.store, cameras=cameras))
        engine.push(simulation.observations)
        told = engine.finish()
        assert "disagrees" in self.status(told)[moved.id]
        assert scoring.item_f1(scoring.units(simulation.truth), scoring.units(told.to_dict())) >= 0.8
