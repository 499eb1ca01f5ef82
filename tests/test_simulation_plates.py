"""Plates alone: the same bytes, a truth that adds up, and readings that follow it."""

import itertools
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.simulation import Change, PlateSettings, PlateSimulation, simulate_plates

SEEDS = range(4)
CALM = PlateSettings(
    vibration_g=0.0,
    burst_g=0.0,
    drift_g=0.0,
    thermal_g=0.0,
    touches_per_plate_hour=0.0,
    rests_per_plate_hour=0.0,
    leans_per_hour=0.0,
    hold_share=0.0,
    glitches_per_plate_hour=0.0,
    rezeros_per_hour=0.0,
    packet_loss=0.0,
)
SPARSE = PlateSettings(rate_hz=10.0)  # what happens does not depend on the rate
SMALL = PlateSettings(duration_s=120.0, events_per_plate_hour=60.0)


@lru_cache(maxsize=8)
def simulated(asked: PlateSettings, seed: int = 0) -> PlateSimulation:
    return simulate_plates(replace(asked, seed=seed))


def everything(simulation: PlateSimulation) -> bytes:
    arrays = (getattr(simulation, name) for name in ("groups", "sample_ns", "grams", "noise_g", "gain", "crosstalk"))
    told = repr((simulation.facings, simulation.changes, simulation.nuisances)).encode()
    return b"".join(array.tobytes() for array in arrays) + told


def lonely(simulation: PlateSimulation, change: Change, seconds: float) -> bool:
    """Nothing else is put or taken on the shelf within that time."""
    shelf = simulation.groups[change.plates[0]]
    return not any(
        other is not change
        and simulation.groups[other.plates[0]] == shelf
        and abs(other.time_ns - change.time_ns) < seconds * 1e9
        for other in simulation.changes
    )


def step_g(simulation: PlateSimulation, change: Change, away_s: float = 0.8, window_s: float = 1.2) -> np.ndarray:
    since_s = (simulation.sample_ns - change.time_ns) / 1e9
    before = (since_s > -away_s - window_s) & (since_s < -away_s)
    after = (since_s > away_s) & (since_s < away_s + window_s)
    return np.asarray(simulation.grams[after].mean(axis=0) - simulation.grams[before].mean(axis=0))


# --- reproducibility and shape


def test_same_seed_gives_same_bytes_and_others_differ() -> None:
    assert everything(simulate_plates(SMALL)) == everything(simulate_plates(SMALL))
    assert len({everything(simulated(SMALL, seed)) for seed in SEEDS}) == len(SEEDS)


@given(
    seed=st.integers(0, 2**63),
    shelves=st.integers(1, 3),
    plates=st.integers(1, 13),
    phantoms=st.integers(0, 2),
    rate_hz=st.sampled_from([10.0, 12.5, 60.0, 100.0]),
    busy=st.sampled_from([0.0, 5.0, 2000.0]),
    capacity_g=st.sampled_from([1.0, 500.0, 20_000.0]),
)
@settings(max_examples=25, deadline=None)
def test_shapes_and_books_of_any_size(
    seed: int, shelves: int, plates: int, phantoms: int, rate_hz: float, busy: float, capacity_g: float
) -> None:
    asked = PlateSettings(
        seed=seed,
        duration_s=20.0,
        rate_hz=rate_hz,
        shelves=shelves,
        plates=plates,
        phantoms=phantoms,
        events_per_plate_hour=busy,
        capacity_g=capacity_g,
        rezeros_per_hour=100.0,
        sample_loss=0.01,
    )
    simulation = simulate_plates(asked)
    n, columns = simulation.grams.shape
    assert columns == shelves * (plates + phantoms)
    assert simulation.groups.tolist() == sorted(list(range(shelves)) * (plates + phantoms))
    assert simulation.sample_ns.shape == (n,)
    assert simulation.noise_g.shape == (n, columns)
    assert (simulation.grams.dtype, simulation.sample_ns.dtype, simulation.groups.dtype) == ("f4", "i8", "i4")
    assert n <= int(20.0 * rate_hz)
    assert np.isfinite(simulation.grams[~np.isnan(simulation.grams)]).all()
    covered = [column for facing in simulation.facings for column in facing]
    assert sorted(covered) == np.flatnonzero(~simulation.phantom).tolist()
    assert {len(facing) for facing in simulation.facings} <= {1, 2, 3}
    check_books(simulation)


def check_books(simulation: PlateSimulation) -> None:
    """Loads stay on the plates, and changes of one plate keep apart."""
    assert [c.time_ns for c in simulation.changes] == sorted(c.time_ns for c in simulation.changes)
    assert [n.start_ns for n in simulation.nuisances] == sorted(n.start_ns for n in simulation.nuisances)
    load, last = simulation.opening_g.copy(), np.full(len(simulation.groups), -(10**18))
    for change in simulation.changes:
        plates = list(change.plates)
        assert change.start_ns < change.time_ns < change.end_ns
        assert len(set(np.sign(change.delta_g))) == 1
        assert any(set(plates) <= set(facing) for facing in simulation.facings)
        assert (change.time_ns - last[plates] >= 0.3e9 - 2).all()
        load[plates] += change.delta_g
        last[plates] = change.time_ns
        assert load.min() > -1e-6
        assert load.max() < simulation.settings.capacity_g + 1e-6
    for nuisance in simulation.nuisances:
        assert nuisance.start_ns <= nuisance.end_ns
        assert len(nuisance.plates) == len(nuisance.force_g)


# --- what happens


def test_changes_come_as_often_as_asked_at_random_and_in_balance() -> None:
    simulations = [simulated(SPARSE, seed) for seed in range(12)]
    changes = [c for s in simulations for c in s.changes]
    for simulation in simulations[:4]:
        check_books(simulation)
    per_plate_hour = sum(len(c.plates) for c in changes) / 12 / len(simulations)
    assert per_plate_hour == pytest.approx(5.0, rel=0.15)
    takes = np.mean([c.delta_g[0] < 0 for c in changes])
    assert 0.4 < takes < 0.6
    assert {len(c.plates) for c in changes} == {1, 2, 3}
    sizes = np.abs([sum(c.delta_g) for c in changes])
    assert 25.0 < sizes.min() < 60.0
    assert 1000.0 < sizes.max() < 1560.0
    assert np.log(sizes).mean() == pytest.approx(np.log(30 * 1500) / 2, abs=0.3)


def test_waits_between_occasions_are_exponential() -> None:
    asked = replace(SPARSE, double_share=0.0, swap_share=0.0, events_per_plate_hour=20.0)
    waits = np.concatenate([np.diff([c.time_ns for c in simulated(asked, seed).changes]) / 1e9 for seed in SEEDS])
    assert waits.std() == pytest.approx(waits.mean(), rel=0.15)
    assert (waits > waits.mean()).mean() == pytest.approx(np.exp(-1), abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_second_items_follow_as_often_as_asked(share: float) -> None:
    asked = replace(SPARSE, double_share=share, swap_share=0.0, events_per_plate_hour=4.0)
    followed = total = 0
    for seed in SEEDS:
        times = np.array([c.time_ns for c in simulated(asked, seed).changes]) / 1e9
        gaps = np.diff(times)
        followed += int(((gaps > 0.299) & (gaps < 1.0)).sum())
        total += len(times)
    assert followed / (total - followed) == pytest.approx(share, abs=0.12)


def test_one_thing_is_taken_while_another_is_returned() -> None:
    asked = replace(SPARSE, double_share=0.0, swap_share=1.0, shelves=2, plates=8)
    changes = simulated(asked).changes
    swaps = [
        (a, b)
        for a, b in itertools.pairwise(changes)
        if b.time_ns - a.time_ns < 0.31e9 and a.delta_g[0] * b.delta_g[0] < 0
    ]
    assert len(swaps) > 0.4 * len(changes)
    assert any(simulated(asked).groups[a.plates[0]] != simulated(asked).groups[b.plates[0]] for a, b in swaps)
    assert not any(set(a.plates) & set(b.plates) for a, b in swaps)


def test_nuisances_come_as_often_and_as_long_as_told() -> None:
    simulations = [simulated(SPARSE, seed) for seed in range(12)]
    nuisances = [n for s in simulations for n in s.nuisances]
    count = Counter(n.kind for n in nuisances)
    hours = len(simulations)
    assert count["touch"] / hours == pytest.approx(2.0 * 12, rel=0.2)
    assert count["lean"] / hours == pytest.approx(6.0, rel=0.35)
    assert count["burst"] / hours == pytest.approx(20.0, rel=0.25)
    assert count["glitch"] / hours == pytest.approx(2.0 * 12, rel=0.2)
    assert 0 < count["rezero"] < 12
    assert count["walk"] > 60 * hours
    ends = {change.end_ns for s in simulations for change in s.changes}
    taken = [n for n in nuisances if n.kind == "hold" and n.end_ns in ends]
    assert 0.05 < len(taken) / sum(len(s.changes) for s in simulations) < 0.15
    spans = {kind: [(n.end_ns - n.start_ns) / 1e9 for n in nuisances if n.kind == kind] for kind in count}
    limits = {"touch": (0.3, 1.5), "hold": (1.0, 12.4), "lean": (2.0, 10.0), "burst": (2.0, 5.0), "glitch": (0, 0)}
    for kind, (least, most) in limits.items():
        assert min(spans[kind]) >= least - 1e-6
        assert max(spans[kind]) <= most + 1e-6


# --- what the plates report


def test_readings_step_by_the_load_times_the_gain_and_neighbours_by_their_share() -> None:
    seen = 0
    for seed in SEEDS:
        simulation = simulated(CALM, seed)
        for change in (c for c in simulation.changes if lonely(simulation, c, 8.0)):
            delta = np.zeros(12)
            delta[list(change.plates)] = change.delta_g
            expected = simulation.gain * (delta + delta @ simulation.crosstalk)
            # Noise of the means, the quantum and creep within two seconds, that of earlier changes included.
            allowed = 6 * simulation.white_g * np.sqrt(2 / 60) + 0.15 + 0.0015 * np.abs(delta).sum()
            assert (np.abs(step_g(simulation, change) - expected) < allowed).all()
            seen += 1
    assert seen >= 40


def test_what_is_felt_far_from_everything_is_the_load() -> None:
    """Over an hour, the levels between changes follow the sum of all changes before."""
    simulation = simulated(replace(CALM, crosstalk=0.0, creep=0.0), 3)
    change_ns = np.array([c.time_ns for c in simulation.changes])
    load = np.zeros(12)
    start = simulation.grams[: 4 * 60].mean(axis=0)
    for k, change in enumerate(simulation.changes):
        load[list(change.plates)] += change.delta_g
        until = change_ns[k + 1] if k + 1 < len(change_ns) else simulation.sample_ns[-1]
        still = (simulation.sample_ns > change.time_ns + 3e9) & (simulation.sample_ns < until - 0.5e9)
        if still.sum() > 60:
            level = simulation.grams[still].mean(axis=0, dtype=np.float64) - start
            assert np.abs(level - simulation.gain * load).max() < 1.0
    assert np.abs(load).max() > 100.0


def test_the_noise_alone_is_the_noise_of_the_readings() -> None:
    quiet = replace(CALM, events_per_plate_hour=0.0, vibration_g=3.0, drift_g=0.5, burst_g=80.0)
    simulation = simulated(quiet)
    assert not simulation.changes
    readings = simulation.grams - simulation.grams.mean(axis=0, dtype=np.float64)
    noise = simulation.noise_g - simulation.noise_g.mean(axis=0, dtype=np.float64)
    assert np.abs(readings - noise).max() < 0.5, "half a quantum each, and the rounding of float32"


def test_people_shake_the_plates_as_in_the_recording() -> None:
    """Quiet plates have 0.5 to 1.2 g; who walks by shakes them by 3 g, up to some 17 g; bursts shake sums by 80 g."""
    quiet, walked, rough = [], [], []
    for seed in SEEDS:
        simulation = simulated(
            PlateSettings(packet_loss=0.0, events_per_plate_hour=0.5, rests_per_plate_hour=0.1), seed
        )
        seconds = len(simulation.grams) // 60
        blocks = simulation.noise_g[: seconds * 60].reshape(seconds, 60, 12)
        middle_ns = simulation.sample_ns[30 : seconds * 60 : 60]
        near, busy = np.zeros(seconds, bool), np.zeros(seconds, bool)
        for nuisance in simulation.nuisances:
            within = (middle_ns > nuisance.start_ns - 2e9) & (middle_ns < nuisance.end_ns + 3e9)
            busy |= within & (nuisance.kind != "glitch")
            if nuisance.kind == "walk" and nuisance.end_ns - nuisance.start_ns > 5.6e9:
                near |= np.abs(middle_ns - (nuisance.start_ns + nuisance.end_ns) / 2) < 1.5e9
            if nuisance.kind == "burst":
                sums = blocks.sum(axis=2, dtype=np.float64).std(axis=1)
                rough.append(sums[(middle_ns > nuisance.start_ns) & (middle_ns < nuisance.end_ns)].max())
                near[within] = False
        quiet.append(np.median(blocks.std(axis=1)[~busy], axis=0))
        walked.append(blocks.std(axis=1)[near])
    assert 0.5 < np.median(np.concatenate(quiet)) < 1.2
    assert np.median(np.concatenate(walked)) == pytest.approx(3.0, abs=0.8)
    assert 10.0 < np.quantile(np.concatenate(walked), 0.995) < 24.0
    assert 60.0 < np.quantile(rough, 0.9) < 110.0


def test_hands_and_bodies_press_the_plates_that_the_truth_names() -> None:
    asked = replace(CALM, events_per_plate_hour=0.0, touches_per_plate_hour=4.0, rests_per_plate_hour=2.0)
    asked = replace(asked, leans_per_hour=20.0, crosstalk=0.0)
    simulation = simulated(asked)
    away = np.abs(simulation.grams - np.median(simulation.grams, axis=0))
    told = np.zeros(away.shape, dtype=bool)
    for nuisance in simulation.nuisances:
        if nuisance.kind in ("touch", "hold", "lean"):
            within = (simulation.sample_ns >= nuisance.start_ns) & (simulation.sample_ns <= nuisance.end_ns)
            told[np.ix_(within, list(nuisance.plates))] = True
            middle = np.abs(simulation.sample_ns - (nuisance.start_ns + nuisance.end_ns) / 2) < 5e7
            strongest = int(np.argmax(nuisance.force_g))
            felt = away[middle, nuisance.plates[strongest]].mean()
            assert felt > 0.5 * nuisance.force_g[strongest] - 4.0
    repeated = np.roll(told, 1, axis=0) | np.roll(told, 2, axis=0) | np.roll(told, 3, axis=0)
    assert (away[~told & ~repeated] < 12.0).all()


def test_glitches_and_new_zeros_are_where_the_truth_says() -> None:
    asked = replace(CALM, events_per_plate_hour=0.0, glitches_per_plate_hour=5.0, rezeros_per_hour=4.0)
    simulation = simulated(asked, 1)
    kinds = Counter(n.kind for n in simulation.nuisances)
    assert kinds["glitch"] > 20
    assert kinds["rezero"] > 0
    for nuisance in simulation.nuisances:
        k = int(np.searchsorted(simulation.sample_ns, nuisance.start_ns))
        if nuisance.kind == "glitch":
            jump = simulation.grams[k, nuisance.plates[0]] - np.median(simulation.grams[k - 3 : k, nuisance.plates[0]])
            assert jump == pytest.approx(nuisance.force_g[0], abs=8.0)
        if nuisance.kind == "rezero":
            assert len(nuisance.plates) == 12
            assert np.abs(np.median(simulation.grams[k + 3 : k + 60], axis=0)).max() < 5.0


def test_lost_packets_are_absent() -> None:
    simulation = simulated(PlateSettings(packet_loss=0.05))
    assert 1 - len(simulation.grams) / 216_000 == pytest.approx(0.05, abs=0.01)
    gaps = np.diff(simulation.sample_ns) / (1e9 / 60)
    missing = np.rint(gaps[gaps > 1.5]).astype(int) - 1
    assert (missing % 12 == 0).all()
    assert (gaps > 0.99).all()


def test_phantoms_bear_nothing_and_are_stuck_or_noisy() -> None:
    stuck = noisy = 0
    for seed in SEEDS:
        simulation = simulated(PlateSettings(duration_s=60.0, phantoms=3, packet_loss=0.0, shelves=2), seed)
        assert simulation.phantom.sum() == 6
        assert not any(simulation.phantom[list(c.plates)].any() for c in simulation.changes)
        grams = simulation.grams[:, simulation.phantom].astype(np.float64)
        stuck += int((np.ptp(grams, axis=0) == 0.0).sum())
        noisy += int((np.ptp(grams, axis=0) > 0.0).sum())
        assert grams.std(axis=0).max() < 4.0
    assert stuck > 3
    assert noisy > 3


def test_noise_leaves_what_happens_as_it_is() -> None:
    other = replace(SMALL, rate_hz=10.0, noise_g=3.0, vibration_g=10.0, span_error=0.0, crosstalk=0.0)
    assert [c.delta_g for c in simulated(other).changes] == [c.delta_g for c in simulated(SMALL).changes]


# --- settings


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("seed", -1, ValueError),
        ("seed", 0.5, TypeError),
        ("shelves", 0, ValueError),
        ("plates", True, TypeError),
        ("phantoms", -1, ValueError),
        ("duration_s", 19.0, ValueError),
        ("rate_hz", 0.0, ValueError),
        ("rate_hz", np.nan, ValueError),
        ("events_per_plate_hour", -1.0, ValueError),
        ("events_per_plate_hour", 1e9, ValueError),
        ("noise_g", 1e300, ValueError),
        ("double_share", 1.1, ValueError),
        ("swap_share", 0.9, ValueError),
        ("hold_share", "often", TypeError),
        ("misplace_probability", 2.0, ValueError),
        ("noise_g", -1.0, ValueError),
        ("sample_loss", 1.5, ValueError),
    ],
)
def test_settings_are_validated(field: str, value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=field):
        PlateSettings(**{field: value})  # type: ignore[arg-type]
