"""Clock offsets: known shifts, honest deviations, what is unrelated, hostile series."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusion import Engine, Targets
from fusion.calibration import arm_reach, estimate_clock_offset
from fusion.simulation import SimulationSettings, simulate

BASE = 1_600_000_000_000_000_000


def ns(seconds: Any) -> NDArray[np.int64]:
    return BASE + (np.asarray(seconds) * 1e9).astype(np.int64)


def visits(
    rng: np.random.Generator, count: int, offset_s: float, length_s: float = 600
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Motions and events, one in five without the other, jitter 0.1 s, and clutter in both."""
    true = rng.uniform(0, length_s, count)
    event = (true + rng.normal(0, 0.1, count) + offset_s)[rng.random(count) < 0.8]
    motion = true[rng.random(count) < 0.8]
    clutter = rng.uniform(0, length_s, (2, count // 5))
    return np.concatenate([motion, clutter[0]]), np.concatenate([event, clutter[1]])


def speeds(rng: np.random.Generator, motion: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A noisy series of 15 Hz with a bump of half a second for every motion."""
    t = np.arange(0, 600, 1 / 15)
    height = rng.uniform(0.5, 1.5, len(motion))
    bumps = (height * np.exp(-0.5 * ((t[:, None] - motion) / 0.25) ** 2)).sum(axis=1)
    return t, bumps + np.abs(rng.normal(0, 0.1, len(t)))


@pytest.mark.parametrize("series", [False, True])
def test_deviations_are_honest(series: bool) -> None:
    """Over forty shops: errors over sigma are of order one, and every offset is found and believed."""
    ratios = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        offset = rng.uniform(-4, 4)
        motion, event = visits(rng, 40, offset)
        if series:
            t, speed = speeds(rng, motion)
            told = estimate_clock_offset(ns(t), ns(event), intensity=speed)
        else:
            told = estimate_clock_offset(ns(motion), ns(event))
        ratios.append((told.offset_s - offset) / told.sigma_s)
        assert told.probability > 0.9
        assert 0.01 < told.sigma_s < 0.1
        assert 0.05 < told.jitter_s < 0.4
        assert 0.3 < told.share < 0.95
    assert np.sqrt(np.mean(np.square(ratios))) == pytest.approx(1, abs=0.25)


def test_the_error_falls_with_the_root_of_the_count(rng: np.random.Generator) -> None:
    few, many = (estimate_clock_offset(*map(ns, visits(rng, n, 1.5, 10 * n))).sigma_s for n in (50, 800))
    assert few / many == pytest.approx(4, rel=0.4)


def test_exact_times_give_the_exact_offset() -> None:
    motion = np.cumsum([3.0, 1.7, 4.1, 2.2, 9.3, 3.3, 5.9, 1.1])
    told = estimate_clock_offset(ns(motion), ns(motion) - 1_234_567_890)
    assert told.offset_s == pytest.approx(-1.23456789, abs=1e-9)
    assert told.probability > 0.98


def test_what_is_unrelated_is_not_believed() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert estimate_clock_offset(ns(rng.uniform(0, 600, 40)), ns(rng.uniform(0, 600, 40))).probability < 0.5


def test_a_regular_rhythm_allows_several_offsets() -> None:
    beat = np.arange(60) * 2.0
    told = estimate_clock_offset(ns(beat), ns(beat[10:50] + 0.4))
    assert told.probability < 0.5
    assert (told.offset_s - 0.4) % 2 == pytest.approx(0, abs=1e-6) or (told.offset_s - 0.4) % 2 == pytest.approx(2)


def test_order_does_not_matter_and_unseen_samples_are_left_out(rng: np.random.Generator) -> None:
    motion, event = visits(rng, 40, 2.0)
    t, speed = speeds(rng, motion)
    told = estimate_clock_offset(ns(t), ns(event), intensity=speed)
    holes = np.concatenate([speed, np.full(50, np.nan)])
    times = np.concatenate([t, rng.uniform(0, 600, 50)])
    order, shuffled = rng.permutation(len(times)), rng.permutation(event)
    assert estimate_clock_offset(ns(times[order]), ns(shuffled), intensity=holes[order]) == told


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([1], [1, 2, 3]), {}, ValueError, "event_ns must hold 4 times and motion_ns one; got 3 and 1"),
        (([], [1, 2, 3, 4]), {}, ValueError, "got 4 and 0"),
        (([-1], [1, 2, 3, 4]), {}, ValueError, "motion_ns must be nanoseconds"),
        (([0.5], [1, 2, 3, 4]), {}, TypeError, "motion_ns"),
        (([[1]], [1, 2, 3, 4]), {}, ValueError, "motion_ns must have shape"),
        (([1], [10**15] * 4), {}, ValueError, "must come within .* of each other; none do"),
        (([1], [1, 2, 3, 4]), {"range_s": 0}, ValueError, "range_s"),
        (([1], [1, 2, 3, 4]), {"range_s": 1e9}, ValueError, "range_s"),
        (([1], [1, 2, 3, 4]), {"intensity": [np.inf]}, ValueError, "intensity must be finite and not negative"),
        (([1], [1, 2, 3, 4]), {"intensity": [-1.0]}, ValueError, "intensity must be finite and not negative"),
        (([1], [1, 2, 3, 4]), {"intensity": [0.0]}, ValueError, "got 4 and 0"),
        (([1], [1, 2, 3, 4]), {"intensity": [1.0, 2.0]}, ValueError, "intensity must have shape"),
    ],
)
def test_refused(arguments: Any, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        estimate_clock_offset(*arguments, **options)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 10**10), min_size=1, max_size=20),
    st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 10**10), min_size=4, max_size=20),
    st.lists(st.floats(0, 1e300) | st.just(np.nan), min_size=20, max_size=20) | st.none(),
)
def test_any_times_give_an_error_or_an_offset(
    motion: list[int], event: list[int], strength: list[float] | None
) -> None:
    intensity = strength[: len(motion)] if strength else None
    try:
        told = estimate_clock_offset(motion, event, intensity=intensity)
    except ValueError:
        return
    assert np.isfinite(told.offset_s)
    assert told.sigma_s > 0
    assert 0 <= told.probability <= 1


def test_reach_is_that_of_the_farthest_arm() -> None:
    joints_m = np.zeros((2, 8, 3))
    joints_m[0, 6] = [0.3, 0.4, 1.0]
    joints_m[1, 7] = np.nan
    unseen = np.full((1, 8, 3), np.nan)
    frames = [Targets(BASE + 5, ("a", "b"), joints_m, np.ones((2, 8))), Targets(BASE, ("a",), unseen, np.ones((1, 8)))]
    motion_ns, reach_m = arm_reach(frames)
    assert motion_ns.tolist() == [BASE + 5, BASE]
    np.testing.assert_array_equal(reach_m, [0.5, np.nan])


def test_a_store_whose_cameras_are_late() -> None:
    """Clocks 1.5 s apart are told to a third of a second: shoppers are not exactly at full stretch when they take."""
    simulation = simulate(SimulationSettings(seed=2, duration_s=60, shoppers=5))
    engine = Engine(simulation.store)
    engine.push(simulation.observations)
    starts_ns = [interaction.start_ns for interaction in engine.finish().interactions]
    motion_ns, reach_m = arm_reach(frame for frame in simulation.observations if isinstance(frame, Targets))
    told = estimate_clock_offset(motion_ns - 1_500_000_000, starts_ns, intensity=reach_m)
    assert told.offset_s == pytest.approx(1.5, abs=0.35)
    assert told.probability > 0.9
