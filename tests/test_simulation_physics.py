"""Forces, vibration and converters of the simulated scales, each against the figure that it claims."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.simulation import PlateSettings
from fusion.simulation.converters import QUANTUM_G, Readings, read
from fusion.simulation.forces import add_lean, add_press, add_step, crosstalk_matrix
from fusion.simulation.vibration import burst, draw_modes, footfall, motion

RATE_HZ = 60.0
EXACT = PlateSettings(
    noise_g=0.0,
    drift_g=0.0,
    thermal_g=0.0,
    span_error=0.0,
    glitches_per_plate_hour=0.0,
    sample_repetition=0.0,
)
Seeds = st.integers(0, 2**32)


def clock(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE_HZ)) / RATE_HZ


def converted(asked: PlateSettings, forces: np.ndarray, seed: int = 0, **other: np.ndarray) -> Readings:
    rng = np.random.default_rng(seed)
    n, plates = forces.shape
    arguments = {
        "vibration": np.zeros((n, plates)),
        "opening_g": np.full(plates, 1000.0),
        "rezeros": np.zeros(0, dtype=np.intp),
    }
    told = read(asked, clock(n / RATE_HZ), forces, rng=rng, **(arguments | other))
    return replace(told, grams=told.grams.astype(np.float64))  # float32 is too short for means of thousands


# --- loads


@settings(deadline=None)
@given(seed=Seeds, load=st.floats(30.0, 3000.0), takes=st.booleans(), plates=st.integers(1, 3))
def test_a_step_moves_its_load_and_creeps_by_a_tenth_of_a_percent_at_most(
    seed: int, load: float, takes: bool, plates: int
) -> None:
    rng = np.random.default_rng(seed)
    times = clock(400.0)
    forces = np.zeros((len(times), 4))
    loads = rng.dirichlet(np.ones(plates)) * load * (-1.0 if takes else 1.0)
    start_s, end_s = add_step(forces, times, 20.0, range(plates), loads, 0.0005, rng)
    assert 19.7 < start_s < 20.0 < end_s < 20.3
    total = forces.sum(axis=1) / loads.sum()
    assert (forces[times < start_s] == 0.0).all()
    assert (forces[:, plates:] == 0.0).all()
    assert (forces[-1] / np.pad(loads, (0, 4 - plates), constant_values=1.0))[:plates] == pytest.approx(1.0, abs=0.0011)
    settled = total[times > end_s + 2.5]
    assert ((settled > 1.0 - 1e-5) & (settled < 1.0011)).all()
    assert 0.0002 * 0.9 < total[-1] - 1.0 < 0.001 * 1.01
    assert np.abs(np.diff(total[times > end_s + 2.5])).max() < 1e-5, "creep is slow"
    ringing = total[(times > end_s) & (times < end_s + 2.5)]
    assert np.abs(ringing - 1.0).max() < 0.032


@settings(deadline=None)
@given(seed=Seeds)
def test_half_of_the_load_has_moved_at_its_time_but_for_the_push(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = 20.0 + np.array([-1.0, 0.0, 1.0])
    forces = np.zeros((3, 1))
    add_step(forces, times, 20.0, [0], np.array([-1e6]), 0.0, rng)
    assert forces[:, 0] / -1e6 == pytest.approx([0.0, 0.5, 1.0], abs=1e-3)


def test_the_push_is_on_the_hands_side_and_as_strong_as_recorded() -> None:
    peaks = []
    for seed in range(200):
        for sign in (-1.0, 1.0):
            rng = np.random.default_rng(seed)
            times = np.arange(19.0, 21.0, 0.001)
            forces = np.zeros((len(times), 1))
            add_step(forces, times, 20.0, [0], np.array([1e-9 * sign]), 0.0, rng)
            pushed = times[forces[:, 0] > 1.0]
            assert (pushed < 20.0).all() if sign < 0 else (pushed > 20.0).all()
            peaks.append(forces.max())
    assert 9.0 < min(peaks) < 20.0
    assert 50.0 < max(peaks) < 60.1


# --- hands and bodies


@settings(deadline=None)
@given(seed=Seeds, seconds=st.floats(0.3, 12.0))
def test_a_press_is_gone_afterwards(seed: int, seconds: float) -> None:
    times = clock(20.0)
    forces = np.zeros((len(times), 2))
    add_press(forces, times, 2.0, 2.0 + seconds, [1], np.array([100.0]), np.random.default_rng(seed))
    outside = (times < 2.0) | (times >= 2.0 + seconds)
    assert (forces[outside] == 0.0).all()
    assert (forces[:, 0] == 0.0).all()
    assert forces.min() >= 0.0
    assert forces.max() < 150.0


def test_a_resting_hand_wanders_by_15_and_trembles_by_2_percent() -> None:
    wander, tremor = [], []
    for seed in range(60):
        times = clock(30.0)
        forces = np.zeros((len(times), 1))
        add_press(forces, times, 0.0, 30.0, [0], np.array([100.0]), np.random.default_rng(seed))
        held = forces[60:-60, 0]
        spectrum = np.abs(np.fft.rfft((held - held.mean()) * np.hanning(len(held)))) ** 2
        spectrum *= 2.0 / len(held) / (np.hanning(len(held)) ** 2).sum()
        hertz = np.fft.rfftfreq(len(held), 1 / RATE_HZ)
        tremor.append(spectrum[(hertz > 6.5) & (hertz < 13.5)].sum())
        wander.append(held.var())
    assert np.sqrt(np.mean(wander)) == pytest.approx(15.0, rel=0.15)
    assert np.sqrt(np.mean(tremor)) == pytest.approx(2.0, rel=0.1)


def test_a_lean_is_slow_and_falls_back_to_nothing() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        times = clock(20.0)
        forces = np.zeros((len(times), 12))
        profile = add_lean(forces, times, 5.0, 12.0, range(12), 100.0, rng)
        assert (forces[(times < 5.0) | (times >= 12.0)] == 0.0).all()
        assert 70.0 < profile.max() <= 100.0
        assert 1 <= (profile > 50.0).sum() <= 8
        assert np.abs(np.diff(forces, axis=0)).max() * RATE_HZ < 100.0 * 1.875 / 0.5 * 1.6, "no step"


def test_neighbours_show_1_to_2_percent_as_recorded() -> None:
    shelves = np.repeat(np.arange(2, dtype=np.int32), 12)
    drawn = np.stack([crosstalk_matrix(shelves, 0.015, np.random.default_rng(seed)) for seed in range(50)])
    i, j = np.indices((24, 24))
    near = (np.abs(i - j) <= 2) & (i != j) & (shelves[i] == shelves[j])
    assert (drawn[:, ~near] == 0.0).all()
    shares = drawn[:, near]
    assert (shares > 0.0).mean() == pytest.approx(2 / 3, abs=0.03)
    assert shares[shares > 0].min() >= 0.01
    assert shares.max() <= 0.02


# --- vibration


def test_vibration_rings_between_8_and_15_hertz_with_both_signs() -> None:
    rng = np.random.default_rng(1)
    times = clock(600.0)
    shelves = np.zeros(12, dtype=np.int32)
    modes = draw_modes(shelves, np.ones(12), rng)
    force = motion(times, modes, [(t, footfall(1.0, rng)) for t in np.arange(5.0, 590.0, 0.9)], rng) @ modes.shape
    spectrum = (np.abs(np.fft.rfft(force, axis=0)) ** 2).sum(axis=1)
    hertz = np.fft.rfftfreq(len(times), 1 / RATE_HZ)
    assert spectrum[(hertz > 7.0) & (hertz < 16.0)].sum() > 0.9 * spectrum.sum()
    assert np.abs(force[times > 594.0]).max() < 1e-3, "it rings down"
    signs = np.corrcoef(force.T)
    assert signs.min() < -0.2
    assert signs[~np.eye(12, dtype=bool)].max() > 0.2


def test_footfalls_a_metre_away_shake_a_plate_by_about_the_unit() -> None:
    deviations = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        times = clock(60.0)
        modes = draw_modes(np.zeros(12, dtype=np.int32), np.ones(12), rng)
        walk = [(t, footfall(1.0, rng)) for t in np.arange(0.0, 60.0, 0.8)]
        deviations.append((motion(times, modes, walk, rng) @ modes.shape).std(axis=0))
    assert np.median(deviations) == pytest.approx(1.2, abs=0.4)


def test_a_burst_shakes_the_liveliest_shelf_as_asked() -> None:
    sums, plates = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        times = clock(10.0)
        shelves = np.repeat(np.arange(3, dtype=np.int32), 12)
        modes = draw_modes(shelves, np.repeat([0.3, 1.0, 1.6], 12), rng)
        force = motion(times, modes, burst(modes, shelves, 2.0, 7.0, 80.0, rng), rng) @ modes.shape
        rough = force[(times > 2.5) & (times < 7.0)]
        sums.append(max(rough[:, shelves == s].sum(axis=1).std() for s in range(3)))
        plates.append(rough.std(axis=0).max())
        assert (force[times < 2.0] == 0.0).all()
    assert np.sqrt(np.mean(np.square(sums))) == pytest.approx(80.0, rel=0.15)
    assert 15.0 < np.median(plates) < 40.0


def test_impulses_outside_the_recording_are_not_felt() -> None:
    modes = draw_modes(np.zeros(2, dtype=np.int32), np.ones(2), np.random.default_rng(0))
    for impulses in ([], [(-3.0, 99.0), (11.0, 99.0)]):
        assert (motion(clock(10.0), modes, impulses, np.random.default_rng(0)) == 0.0).all()


# --- converters


def test_white_noise_differs_from_plate_to_plate_within_what_was_recorded() -> None:
    told = converted(replace(EXACT, noise_g=0.7), np.zeros((6000, 200)))
    deviations = told.grams.std(axis=0)
    assert deviations == pytest.approx(np.sqrt(told.white_g**2 + QUANTUM_G**2 / 12), rel=0.05)
    assert np.median(told.white_g) == pytest.approx(0.7, rel=0.1)
    assert np.quantile(told.white_g, 0.05) > 0.3
    assert np.quantile(told.white_g, 0.95) < 1.5
    assert told.noise_g.std(axis=0) == pytest.approx(deviations, rel=0.05)


def test_readings_are_multiples_of_the_quantum() -> None:
    grams = converted(replace(EXACT, noise_g=2.0, glitches_per_plate_hour=500.0), np.zeros((3000, 6))).grams
    steps = np.diff(grams.astype(np.float64), axis=0) / QUANTUM_G
    assert np.abs(steps - np.rint(steps)).max() < 0.02


def test_gains_spread_by_a_quarter_of_a_percent() -> None:
    forces = np.zeros((1200, 400))
    forces[600:] = 1000.0
    told = converted(replace(EXACT, span_error=0.0025), forces)
    steps = told.grams[600:].mean(axis=0) - told.grams[:600].mean(axis=0)
    assert steps == pytest.approx(1000.0 * told.gain, abs=1.5 * QUANTUM_G)
    assert told.gain.std() == pytest.approx(0.0025, rel=0.15)


def test_a_full_plate_reads_its_capacity() -> None:
    forces = np.zeros((1200, 2))
    forces[600:, 0] = 1000.0
    told = converted(replace(EXACT, noise_g=1.0, capacity_g=1500.0), forces)
    step = told.grams[600:].mean(axis=0) - told.grams[:600].mean(axis=0)
    assert step == pytest.approx([500.0, 0.0], abs=1.0)
    assert (told.grams[600:, 0] == told.grams[600, 0]).all()
    assert told.grams[600:, 1].std() > 0.3


def test_glitches_are_single_samples_of_30_to_270_grams() -> None:
    told = converted(replace(EXACT, glitches_per_plate_hour=60.0, sample_repetition=0.3), np.zeros((36_000, 6)))
    assert len(told.glitches) == pytest.approx(60.0 * 6 / 6, rel=0.4)
    off = told.grams - told.grams[0]
    assert (off != 0.0).sum() == len(told.glitches)
    for sample, column, grams in told.glitches:
        assert off[sample, column] == pytest.approx(grams, abs=0.01)
        assert 29.8 < abs(grams) < 270.2
    assert (told.noise_g == 0.0).all()


def test_neighbours_repeat_samples_together() -> None:
    grams = converted(replace(EXACT, noise_g=50.0, sample_repetition=0.064), np.zeros((20_000, 6))).grams
    repeated = np.diff(grams, axis=0) == 0.0
    assert repeated.mean(axis=0) == pytest.approx(0.064, abs=0.01)
    together = np.corrcoef(repeated.T.astype(float))
    assert min(together[0, 1], together[2, 3], together[4, 5]) > 0.9
    assert np.abs([together[1, 2], together[3, 4]]).max() < 0.05


def test_missing_samples_are_nan() -> None:
    told = converted(replace(EXACT, sample_loss=0.05), np.zeros((20_000, 3)))
    assert np.isnan(told.grams).mean() == pytest.approx(0.05, abs=0.01)
    assert np.array_equal(np.isnan(told.grams), np.isnan(told.noise_g))


def test_taring_sends_every_plate_to_about_zero_at_once() -> None:
    told = converted(replace(EXACT, noise_g=0.7), np.zeros((1200, 5)), rezeros=np.array([300, 900]))
    assert np.abs(told.grams[300:].mean(axis=0)).max() < 2.0
    assert np.abs(told.grams[300]).max() < 8.0
    assert np.abs(told.grams[:300].mean(axis=0)).max() > 100.0
    assert np.abs(told.noise_g.mean(axis=0)).max() < 1.0, "the noise alone knows no zeros"


def test_drift_walks_half_a_gram_a_minute_and_swings_with_the_air() -> None:
    walks = converted(replace(EXACT, drift_g=0.5), np.zeros((36_000, 100))).noise_g
    after = [(walks[k + 3600] - walks[k]).std() for k in range(0, 32_000, 3600)]
    assert np.mean(after) == pytest.approx(0.5, rel=0.15)
    air = converted(replace(EXACT, thermal_g=4.0), np.zeros((108_000, 40))).noise_g
    assert np.sqrt((air.std(axis=0) ** 2).mean()) == pytest.approx(4.0, rel=0.3)
    assert np.abs(np.corrcoef(air[::600, air.std(axis=0) > 1.0].T)).min() > 0.98, "the air is everybody's"
