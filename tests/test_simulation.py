"""The simulated store: the same seed, the truth's bookkeeping, and sensors that report what happened."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import pytest

from fusion.observations import GateEvent, Observation, ScalePacket, Targets
from fusion.simulation import Simulation, SimulationSettings, simulate
from fusion.simulation.scripts import write_visits
from fusion.simulation.shelf import Stock
from fusion.simulation.store import build_store
from fusion.store import Store
from simulated import everything

T = TypeVar("T", bound=Observation)
SEEDS = range(6)
CLEAN = SimulationSettings(packet_loss=0.0, packet_duplication=0.0, packet_reordering=0.0)
EXACT = replace(CLEAN, noise_g=0.0, vibration_g=0.0, burst_g=0.0, thermal_g=0.0, span_error=0.0, sample_repetition=0.0)
QUIET = replace(
    EXACT,
    glitches_per_plate_hour=0.0,
    hold_probability=0.0,
    lean_probability=0.0,
    joint_noise_m=0.0,
    joint_dropout=0.0,
)


@cache
def simulated(settings: SimulationSettings = CLEAN, seed: int = 0) -> Simulation:
    return simulate(replace(settings, seed=seed))


def of_type(simulation: Simulation, kind: type[T]) -> list[T]:
    return [o for o in simulation.observations if isinstance(o, kind)]


def shelf_of(plate: str, store: Store) -> str:
    return next(s.id for f in store.fixtures for s in f.shelves for p in s.plates if p.id == plate)


class Scales:
    """The readings of a simulation without lost packets, by plate."""

    def __init__(self, simulation: Simulation) -> None:
        self.times_ns: dict[str, np.ndarray] = {}
        self.grams: dict[str, np.ndarray] = {}
        for fixture in simulation.store.fixtures:
            packets = [p for p in of_type(simulation, ScalePacket) if p.fixture == fixture.id]
            times = np.concatenate([p.sample_ns for p in packets])
            grams = np.concatenate([p.grams for p in packets]).astype(np.float64)
            for column, plate in enumerate(fixture.plates):
                self.times_ns[plate.id] = times
                self.grams[plate.id] = grams[:, column]

    def delta_g(self, plate: str, time_ns: int, away_s: float = 1.2, window_s: float = 0.8) -> float:
        """Mean after minus mean before, both `away_s` from the time."""
        since_s = (self.times_ns[plate] - time_ns) / 1e9
        before = (since_s > -away_s - window_s) & (since_s < -away_s)
        after = (since_s > away_s) & (since_s < away_s + window_s)
        return float(self.grams[plate][after].mean() - self.grams[plate][before].mean())


def isolated(simulation: Simulation) -> list[dict[str, Any]]:
    """Events without another on the same shelf within 3.5 s."""
    events = simulation.truth["events"]
    shelves = [shelf_of(e["plates"][0], simulation.store) for e in events]
    return [
        e
        for e, shelf in zip(events, shelves, strict=True)
        if not any(
            o is not e and other == shelf and abs(o["time_ns"] - e["time_ns"]) < 3.5e9
            for o, other in zip(events, shelves, strict=True)
        )
    ]


def signed(event: dict[str, Any]) -> int:
    """What an event adds to the shelves."""
    return {"take": -1, "return": 1, "touch": 0}[event["kind"]] * int(event["quantity"])


# --- reproducibility


def test_same_seed_gives_same_bytes() -> None:
    settings = SimulationSettings(seed=5, duration_s=30.0)
    assert everything(simulate(settings)) == everything(simulate(settings))


def test_different_seeds_differ() -> None:
    assert len({everything(simulated(seed=seed)) for seed in SEEDS}) == len(SEEDS)


def test_sensors_do_not_change_what_happens() -> None:
    noisy = replace(CLEAN, noise_g=3.0, vibration_g=10.0, joint_dropout=0.2, packet_loss=0.1, targets_delay_s=1.0)
    assert simulated(noisy).truth == simulated(CLEAN).truth
    assert simulated(noisy).store.to_dict() == simulated(CLEAN).store.to_dict()


# --- the store


def test_store_by_default() -> None:
    store = simulated().store
    assert len(store.fixtures) >= 3
    assert len(store.plate_by_id) >= 40
    assert len(simulated().truth["receipts"]) == 4
    assert len(store.products) == len(store.planogram)
    masses = np.sort([p.mass_g for p in store.products])
    assert masses[0] >= 29
    assert masses[-1] <= 1520
    assert (np.diff(masses) / masses[1:] < 0.011).any(), "no two products weigh nearly the same"
    assert {len(f.plates) for f in store.planogram} == {1, 2, 3}
    assert Store.from_dict(store.to_dict()).to_dict() == store.to_dict()


def test_facings_cover_their_plates_and_every_shelf_faces_the_aisle() -> None:
    store = simulated().store
    middle = np.array([0.5, 1.5])
    for facing in store.planogram:
        assert facing.box.size_m[0] == pytest.approx(0.1 * len(facing.plates))
        assert 0.3 <= facing.box.origin_m[2] <= facing.box.origin_m[2] + facing.box.size_m[2] <= 1.6 + 1e-9
        for plate in facing.plates:
            inside = facing.box.rotation.T @ (store.plate_by_id[plate].box.center_m - facing.box.origin_m)
            assert (inside > 0).all()
            assert (inside < facing.box.size_m).all()
        toward_aisle = (middle - facing.box.center_m[:2])[1]
        assert np.sign(toward_aisle) == -np.sign(facing.box.rotation[1, 1]), "the box's depth must lead away"
    assert len({tuple(np.sign(f.box.rotation[0, :1])) for f in store.planogram}) == 2, "fixtures on both walls"


# --- the truth


@pytest.mark.parametrize("seed", SEEDS)
def test_truth_keeps_its_books(seed: int) -> None:
    simulation = simulated(seed=seed)
    truth = json.loads(json.dumps(simulation.truth))
    assert truth["format"] == "fusion.truth/1"
    events = truth["events"]
    assert [e["time_ns"] for e in events] == sorted(e["time_ns"] for e in events)
    home = {f.product: set(f.plates) for f in simulation.store.planogram}
    carried: dict[str, Counter[str]] = {r["shopper"]: Counter() for r in truth["receipts"]}
    on_shelves = {s["product"]: s["opening"] for s in truth["stock"]}
    strays: Counter[str] = Counter()
    for event in events:
        assert event["plates"]
        assert set(event["plates"]) <= set(simulation.store.plate_by_id)
        if event["kind"] == "touch":
            assert (event["product"], event["quantity"], event["misplaced"]) == (None, 0, False)
            continue
        product, added = event["product"], signed(event)
        assert event["quantity"] in (1, 2)
        assert event["misplaced"] != (set(event["plates"]) <= home[product])
        on_shelves[product] += added
        carried[event["shopper"]][product] -= added
        strays[product] += added * event["misplaced"]
        assert on_shelves[product] >= 0
        assert strays[product] >= 0
        assert carried[event["shopper"]][product] >= 0, "returned what was not carried"
    for receipt in truth["receipts"]:
        lines = {line["product"]: line["quantity"] for line in receipt["lines"]}
        assert lines == +carried[receipt["shopper"]]
        assert all(quantity > 0 for quantity in lines.values())
    assert on_shelves == {s["product"]: s["closing"] for s in truth["stock"]}


def test_all_kinds_of_events_occur() -> None:
    kinds = Counter((e["kind"], e["misplaced"]) for seed in SEEDS for e in simulated(seed=seed).truth["events"])
    assert set(kinds) == {("take", False), ("take", True), ("return", False), ("return", True), ("touch", False)}
    quantities = Counter(e["quantity"] for seed in SEEDS for e in simulated(seed=seed).truth["events"])
    assert quantities[2] > 0


@pytest.mark.parametrize("shoppers", [4, 10])
def test_shoppers_act_at_the_same_time_but_keep_apart(shoppers: int) -> None:
    together = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        settings = SimulationSettings(shoppers=shoppers)
        visits = write_visits(settings, Stock(build_store(settings, rng), rng), rng)
        acting = np.sort([action.time_s for visit in visits for action in visit.actions])
        together += int((np.diff(acting) < 1.0).sum())
        times = np.arange(0.0, max(visit.path.exit_s for visit in visits), 0.02)
        places = [visit.path.positions_m(times) for visit in visits]
        for i, here in enumerate(places):
            inside = here[~np.isnan(here[:, 0])]
            assert (inside[:, 1] > 0.3).all(), "walked into a fixture"
            assert (inside[:, 1] < 2.7).all(), "walked into a fixture"
            for there in places[:i]:
                distance = np.sqrt(((here - there) ** 2).sum(axis=1))
                assert not (distance < 0.6).any()
    assert together >= 3 * len(SEEDS)


def test_events_lie_within_the_visit() -> None:
    simulation = simulated()
    gates = {(g.shopper, g.kind): g.time_ns for g in of_type(simulation, GateEvent)}
    assert len(gates) == 8
    for event in simulation.truth["events"]:
        assert gates[event["shopper"], "enter"] < event["time_ns"] < gates[event["shopper"], "exit"]
    last = max(p.time_ns for p in of_type(simulation, ScalePacket))
    assert last > max(gates.values()), "the scales must settle after the last shopper"


# --- the scales


@pytest.mark.parametrize("seed", SEEDS)
def test_settled_weight_is_that_of_the_units(seed: int) -> None:
    """Over the whole shelf, a step is mass times quantity; a touch leaves nothing."""
    simulation = simulated(replace(QUIET, crosstalk=0.0), seed)
    scales = Scales(simulation)
    events = isolated(simulation)
    assert len(events) >= 8
    for event in events:
        shelf = shelf_of(event["plates"][0], simulation.store)
        plates = [p.id for f in simulation.store.fixtures for s in f.shelves if s.id == shelf for p in s.plates]
        delta = sum(scales.delta_g(plate, event["time_ns"]) for plate in plates)
        mass = simulation.store.product_by_id[event["product"]].mass_g if event["product"] else 0.0
        # Units scatter by up to 1 %, drift and quantisation stay below a gram and a half over a shelf.
        assert delta == pytest.approx(
            signed(event) * mass, abs=1.5 + 4 * 0.01 * mass * max(event["quantity"], 1) ** 0.5
        )


def test_settled_weight_shows_through_the_noise() -> None:
    errors, deltas = [], []
    for seed in SEEDS:
        simulation = simulated(seed=seed)
        scales = Scales(simulation)
        for event in isolated(simulation):
            if event["kind"] == "touch":
                continue
            expected = signed(event) * simulation.store.product_by_id[event["product"]].mass_g
            deltas.append(abs(expected))
            errors.append(abs(sum(scales.delta_g(p, event["time_ns"]) for p in event["plates"]) - expected))
    # Cross-talk takes at most 4 % of a plate's load, a unit's mass another 1 % or so.
    assert (np.array(errors) < 3.0 + 0.07 * np.array(deltas)).mean() > 0.9


def test_neighbours_show_a_little_of_a_load_that_its_own_plate_keeps_in_full() -> None:
    shares = []
    for seed in SEEDS:
        scales, apart = Scales(simulated(QUIET, seed)), Scales(simulated(replace(QUIET, crosstalk=0.0), seed))
        simulation = simulated(QUIET, seed)
        beside = {
            b.id: a.id
            for f in simulation.store.fixtures
            for s in f.shelves
            for a, b in zip(s.plates, s.plates[1:], strict=False)
        }
        for event in isolated(simulation):
            plate, time_ns = event["plates"][0], event["time_ns"]
            delta = scales.delta_g(plate, time_ns)
            if len(event["plates"]) == 1 and abs(delta) > 200.0 and plate in beside:
                assert delta == pytest.approx(apart.delta_g(plate, time_ns), abs=0.3)
                shares.append(scales.delta_g(beside[plate], time_ns) / delta)
    coupled = [share for share in shares if share > 0.005]
    assert 0.3 < len(coupled) / len(shares) < 0.95
    assert min(coupled) > 0.008
    assert max(coupled) < 0.022
    assert max(abs(share) for share in shares if share <= 0.005) < 0.002


def test_hand_pushes_before_a_pick_and_the_step_is_quick() -> None:
    pushes = []
    for seed in SEEDS:
        simulation = simulated(QUIET, seed)
        scales = Scales(simulation)
        for event in isolated(simulation):
            if event["kind"] != "take":
                continue
            grams = np.sum([scales.grams[p] for p in event["plates"]], axis=0)
            since_s = (scales.times_ns[event["plates"][0]] - event["time_ns"]) / 1e9
            before = grams[(since_s > -1.0) & (since_s < -0.5)].mean()
            after = grams[(since_s > 1.0) & (since_s < 1.5)].mean()
            pushes.append(grams[(since_s > -0.3) & (since_s < 0.0)].max() - before)
            assert grams[(since_s > -0.5) & (since_s < -0.3)] == pytest.approx(before, abs=1.5)
            assert grams[(since_s > 0.1)][0] == pytest.approx(after, abs=1.0 + 0.05 * (before - after))
    assert 15.0 < np.median(pushes) < 45.0
    assert max(pushes) < 63.0


def test_touch_presses_for_a_while() -> None:
    touches = 0
    for seed in SEEDS:
        simulation = simulated(QUIET, seed)
        scales = Scales(simulation)
        for event in (e for e in isolated(simulation) if e["kind"] == "touch"):
            near = [np.abs(scales.times_ns[p] - event["time_ns"]) < 0.1e9 for p in event["plates"]]
            before = [np.abs(scales.times_ns[p] - event["time_ns"] + 1.5e9) < 0.2e9 for p in event["plates"]]
            pressed = sum(
                scales.grams[p][n].mean() - scales.grams[p][b].mean()
                for p, n, b in zip(event["plates"], near, before, strict=True)
            )
            assert 15.0 < pressed < 300.0
            touches += 1
    assert touches >= 5


def test_vibration_comes_with_people_and_lies_between_8_and_15_hertz() -> None:
    settings = replace(QUIET, vibration_g=3.0, events_per_shopper=0, shoppers=1)
    simulation = simulated(settings)
    gates = [g.time_ns for g in of_type(simulation, GateEvent)]
    scales = Scales(simulation)
    plate = simulation.store.fixtures[0].shelves[-1].plates[0].id
    times, grams = scales.times_ns[plate], scales.grams[plate]
    inside = (times > gates[0]) & (times < gates[1] + 1e9)
    assert np.diff(grams[times > gates[1] + 4e9]).std() < 0.3, "nobody there: drift and quantisation only"
    assert grams[inside].std() > 0.3
    spectrum = np.abs(np.fft.rfft(np.diff(grams[inside]))) ** 2
    hertz = np.fft.rfftfreq(int(inside.sum()) - 1, 1 / 60)
    assert spectrum[(hertz > 7) & (hertz < 16)].sum() > 0.7 * spectrum.sum()


def test_readings_are_quantised_repeated_and_not_zeroed() -> None:
    simulation = simulated(replace(CLEAN, vibration_g=0.0, noise_g=5.0))
    scales = Scales(simulation)
    steps = np.concatenate([np.diff(g) for g in scales.grams.values()])
    assert np.abs(steps / 0.241 - np.round(steps / 0.241)).max() < 0.01
    by_chance = 0.014  # two readings fall in one quantum
    assert (steps == 0).mean() == pytest.approx(0.064 + 0.936 * by_chance, abs=0.01)
    levels = np.array([g[0] for g in scales.grams.values()])
    assert levels.min() < -3000
    assert levels.max() > 6000


def test_as_many_samples_repeat_as_in_the_recording() -> None:
    shares = [(np.diff(g) == 0).mean() for seed in SEEDS for g in Scales(simulated(seed=seed)).grams.values()]
    assert 0.09 < np.mean(shares) < 0.145


def test_packets() -> None:
    simulation = simulated()
    for fixture in simulation.store.fixtures:
        packets = [p for p in of_type(simulation, ScalePacket) if p.fixture == fixture.id]
        assert len(packets) == pytest.approx(5 * 60, abs=15)
        for packet in packets:
            assert packet.grams.shape == (12, len(fixture.plates))
            assert packet.time_ns == packet.sample_ns[-1]
            assert np.diff(packet.sample_ns) == pytest.approx(1e9 / 60, abs=2)
        times = np.concatenate([p.sample_ns for p in packets])
        assert (np.diff(times) > 0).all()
        between = np.diff([p.time_ns for p in packets])
        assert 0.5e6 < between.std() < 10e6, "packet times jitter"


def test_a_hand_that_rests_is_felt_before_the_load_changes() -> None:
    held = 0
    for seed in SEEDS:
        simulation = simulated(replace(QUIET, hold_probability=1.0, touch_probability=0.0), seed)
        scales = Scales(simulation)
        for event in isolated(simulation):
            grams = np.sum([scales.grams[p] for p in event["plates"]], axis=0)
            since_s = (scales.times_ns[event["plates"][0]] - event["time_ns"]) / 1e9
            after = grams[(since_s > 1.0) & (since_s < 1.5)].mean()
            rested = grams[(since_s > -0.8) & (since_s < -0.35)].mean()
            change = signed(event) * simulation.store.product_by_id[event["product"]].mass_g
            unit = 0.04 * abs(change)  # by which units may be lighter or heavier than their product
            assert 10.0 - unit < rested - (after - change) < 350.0 + unit
            held += 1
    assert held >= 10


def test_a_lean_presses_several_plates_and_is_gone_afterwards() -> None:
    settings = replace(QUIET, lean_probability=1.0, touch_probability=1.0, crosstalk=0.0, shoppers=1)
    simulation = simulated(settings)
    scales = Scales(simulation)
    leans = 0
    for event in isolated(simulation):
        shelf = shelf_of(event["plates"][0], simulation.store)
        others = [
            p.id
            for f in simulation.store.fixtures
            for s in f.shelves
            for p in s.plates
            if s.id == shelf and p.id not in event["plates"]
        ]
        grams = np.sum([scales.grams[p] for p in others], axis=0)
        since_s = (scales.times_ns[others[0]] - event["time_ns"]) / 1e9
        before = grams[(since_s > -1.9) & (since_s < -1.65)].mean()
        assert grams[np.abs(since_s) < 0.1].mean() - before > 4.0
        assert grams[(since_s > 1.65) & (since_s < 1.9)].mean() == pytest.approx(before, abs=1.5)
        leans += 1
    assert leans >= 3


def test_a_fixture_that_is_tared_jumps_to_zero() -> None:
    simulation = simulated(replace(CLEAN, rezeros_per_hour=60.0))
    scales, jumped = Scales(simulation), 0
    for fixture in simulation.store.fixtures:
        grams = np.stack([scales.grams[p.id] for p in fixture.plates], axis=1)
        jumps = np.flatnonzero((np.abs(np.diff(grams, axis=0)) > 300.0).mean(axis=1) > 0.5)
        for k in jumps:
            assert (np.abs(grams[k + 1 : k + 3].min(axis=0)) < 60.0).mean() > 0.8
        jumped += len(jumps) > 0
    assert jumped >= 2
    assert simulation.truth == simulated().truth


def test_a_full_plate_saturates() -> None:
    simulation = simulated(replace(QUIET, noise_g=1.0, capacity_g=2000.0))
    grams = Scales(simulation).grams
    stuck = {plate: (np.diff(g) == 0).mean() > 0.99 for plate, g in grams.items()}
    assert 0.1 < np.mean(list(stuck.values())) < 0.9


# --- the targets


def test_hand_is_at_the_shelf_when_something_happens() -> None:
    distances = []
    for seed in SEEDS:
        simulation = simulated(seed=seed)
        frames = of_type(simulation, Targets)
        times = np.array([f.time_ns for f in frames])
        facing = {p: f for f in simulation.store.planogram for p in f.plates}
        for event in simulation.truth["events"]:
            frame = frames[int(np.argmin(np.abs(times - event["time_ns"])))]
            wrists = frame.joints_m[frame.shoppers.index(event["shopper"]), 6:]
            if np.isnan(wrists).any():
                continue
            box = facing[event["plates"][0]].box
            inside = (wrists - box.origin_m) @ box.rotation
            outside = np.maximum(np.maximum(-inside, inside - box.size_m), 0.0)
            distances.append(np.sqrt((outside**2).sum(axis=1)).min())
    assert len(distances) > 100
    assert max(distances) < 0.25
    assert np.median(distances) < 0.12


def test_bodies_are_human() -> None:
    simulation = simulated(QUIET)
    by_shopper: dict[str, list[np.ndarray]] = {}
    times: dict[str, list[int]] = {}
    for frame in of_type(simulation, Targets):
        for shopper, joints in zip(frame.shoppers, frame.joints_m, strict=True):
            by_shopper.setdefault(shopper, []).append(joints)
            times.setdefault(shopper, []).append(frame.time_ns)
    assert len(by_shopper) == 4
    for shopper, frames in by_shopper.items():
        joints = np.stack(frames)
        head, _, l_shoulder, r_shoulder, l_elbow, r_elbow, l_wrist, r_wrist = np.moveaxis(joints, 1, 0)
        assert 1.55 * 0.93 < np.median(head[:, 2]) < 1.9 * 0.95
        assert np.ptp(np.linalg.norm(l_shoulder - r_shoulder, axis=1)) < 1e-9
        for shoulder, elbow, wrist in ((l_shoulder, l_elbow, l_wrist), (r_shoulder, r_elbow, r_wrist)):
            assert np.ptp(np.linalg.norm(shoulder - elbow, axis=1)) < 1e-9, "bones keep their length"
            assert np.ptp(np.linalg.norm(elbow - wrist, axis=1)) < 1e-9
        seconds = np.diff(times[shopper]) / 1e9
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=2) / seconds[:, None]
        assert speed.max() < 5.0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_share_of_joints_not_seen(share: float) -> None:
    frames = of_type(simulated(replace(CLEAN, joint_dropout=share)), Targets)
    missing = np.concatenate([np.isnan(f.joints_m).any(axis=2).ravel() for f in frames])
    assert missing.mean() == pytest.approx(share, abs=0.03)


def test_joints_are_noisy_and_drop_out() -> None:
    noisy, exact = (of_type(simulated(s), Targets) for s in (CLEAN, replace(CLEAN, joint_noise_m=0.0, joint_dropout=0)))
    errors = np.concatenate([(a.joints_m - b.joints_m).reshape(-1, 3) for a, b in zip(noisy, exact, strict=True)])
    missing = np.isnan(errors).any(axis=1)
    # A joint's errors last, so that few are independent.
    assert np.nanstd(errors) == pytest.approx(0.025, rel=0.05)
    assert missing.mean() == pytest.approx(0.025, rel=0.25)
    for frame in noisy:
        assert np.array_equal(np.isnan(frame.scores), np.isnan(frame.joints_m).any(axis=2))


# --- the delivery


def test_observations_come_in_order_of_arrival_and_late() -> None:
    simulation = simulated()
    assert len(simulation.arrivals_ns) == len(simulation.observations)
    assert (np.diff(simulation.arrivals_ns) >= 0).all()
    late: dict[type, list[float]] = {ScalePacket: [], Targets: [], GateEvent: []}
    for arrival, o in zip(simulation.arrivals_ns, simulation.observations, strict=True):
        late[type(o)].append((arrival - o.time_ns) / 1e9)
    assert min(late[ScalePacket]) > 0.0
    assert np.mean(late[ScalePacket]) == pytest.approx(0.013, abs=0.002)
    assert min(late[Targets]) >= 2.3 - 1e-6
    assert max(late[Targets]) < 3.3
    assert max(late[GateEvent]) < 0.01


def test_delay_of_targets_is_a_setting() -> None:
    simulation = simulated(replace(CLEAN, targets_delay_s=0.5))
    late = [
        (arrival - o.time_ns) / 1e9
        for arrival, o in zip(simulation.arrivals_ns, simulation.observations, strict=True)
        if isinstance(o, Targets)
    ]
    assert 0.5 - 1e-6 <= min(late) < 0.51


def test_faults_come_at_their_rates() -> None:
    whole = simulated()
    count = len(whole.observations) - 8
    lossy = simulated(replace(CLEAN, packet_loss=0.05))
    assert 1 - (len(lossy.observations) - 8) / count == pytest.approx(0.05, abs=0.02)
    double = simulated(replace(CLEAN, packet_duplication=0.05))
    assert (len(double.observations) - 8) / count - 1 == pytest.approx(0.05, abs=0.02)
    assert len({id(o) for o in double.observations}) == count + 8
    overtaken = simulated(replace(CLEAN, packet_reordering=0.05))
    order = [o.time_ns for o in overtaken.observations if isinstance(o, Targets)]
    assert (np.diff(order) < 0).mean() == pytest.approx(0.05, abs=0.025)
    assert [o.time_ns for o in of_type(whole, Targets)] == sorted(order)


def test_packets_that_are_stuck_arrive_seconds_late() -> None:
    simulation = simulated(replace(CLEAN, packet_lateness=0.05))
    late = np.array(
        [
            (arrival - o.time_ns) / 1e9
            for arrival, o in zip(simulation.arrivals_ns, simulation.observations, strict=True)
            if isinstance(o, ScalePacket)
        ]
    )
    assert (late > 0.5).mean() == pytest.approx(0.05, abs=0.02)
    assert 5.0 < late.max() < 10.1


def test_defaults_have_faults() -> None:
    simulations = [simulated(SimulationSettings(), seed) for seed in SEEDS]
    lost = duplicated = reordered = 0
    for simulation, seed in zip(simulations, SEEDS, strict=True):
        times = [o.time_ns for o in of_type(simulation, Targets)]
        complete = {o.time_ns for o in of_type(simulated(seed=seed), Targets)}
        lost += len(complete - set(times))
        duplicated += len(times) - len(set(times))
        reordered += int((np.diff(times) < 0).sum())
    assert min(lost, duplicated, reordered) > 0


# --- settings


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("seed", -1, ValueError),
        ("seed", 1.5, TypeError),
        ("shoppers", 0, ValueError),
        ("shoppers", True, TypeError),
        ("fixtures", 0, ValueError),
        ("shelves", 0, ValueError),
        ("plates", "6", TypeError),
        ("events_per_shopper", -1, ValueError),
        ("duration_s", 19.9, ValueError),
        ("duration_s", np.inf, ValueError),
        ("noise_g", -0.1, ValueError),
        ("vibration_g", np.nan, ValueError),
        ("joint_noise_m", None, TypeError),
        ("targets_delay_s", -1.0, ValueError),
        ("packet_loss", 1.1, ValueError),
        ("return_probability", -0.1, ValueError),
        ("hold_probability", 1.1, ValueError),
        ("packet_lateness", 1.1, ValueError),
        ("crosstalk", 0.2, ValueError),
        ("span_error", 1.0, ValueError),
        ("capacity_g", 0.0, ValueError),
        ("rezeros_per_hour", np.inf, ValueError),
        ("glitches_per_plate_hour", "2", TypeError),
    ],
)
def test_settings_are_validated(field: str, value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=field):
        SimulationSettings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        SimulationSettings(shoppers=1, fixtures=1, shelves=1, plates=1),
        SimulationSettings(duration_s=20.0, shoppers=10),
        SimulationSettings(events_per_shopper=0, packet_loss=1.0),
        SimulationSettings(return_probability=1.0, misplace_probability=1.0, touch_probability=0.0, duration_s=30.0),
        SimulationSettings(joint_dropout=1.0, sample_repetition=1.0, packet_duplication=1.0, packet_reordering=1.0),
    ],
)
def test_extreme_settings_run(settings: SimulationSettings) -> None:
    simulation = simulate(settings)
    gates = of_type(simulation, GateEvent)
    assert len(gates) == 2 * settings.shoppers
    assert len(simulation.truth["receipts"]) == settings.shoppers
