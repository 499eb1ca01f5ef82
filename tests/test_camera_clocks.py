"""Clocks of cameras: learned from people who walk, honestly, again after a jump, the same on every backend."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from crosscheck import agree
from fusion import Camera, Keypoints, Tracker, TrackingSettings
from people import FIRST_NS, bodies, ceiling, pictures

LEARNING = TrackingSettings(clock_s=0.1, lateness_s=0.6)
OFFSETS_S = np.array([0.09, -0.08, 0.05, -0.06])


def film(rng: np.random.Generator, cameras: list[Camera], speed_m_s: float, seconds: float) -> list[Keypoints]:
    """Two people who walk in circles, or stand; each camera has a phase of its own and a right clock."""
    found = []
    for camera, phase in zip(cameras, rng.uniform(0, 1 / 15, len(cameras)), strict=True):
        for t in np.arange(phase, seconds, 1 / 15):
            a = t * speed_m_s / 1.2
            place = 1.2 * np.array([[np.cos(a), np.sin(a)], [-np.cos(a), -np.sin(a)]])
            found += pictures(rng, [camera], bodies(place), 5.0, 0.03, FIRST_NS + round(t * 1e9))[0]
    return found


def stamped(keypoints: list[Keypoints], ahead_s: dict[str, float]) -> list[Keypoints]:
    moved = [replace(k, time_ns=k.time_ns + round(ahead_s[k.camera] * 1e9)) for k in keypoints]
    return sorted(moved, key=lambda k: (k.time_ns, k.camera))


def ahead(cameras: list[Camera], offsets_s: NDArray[np.float64] = OFFSETS_S) -> dict[str, float]:
    return dict(zip([c.id for c in cameras], offsets_s.tolist(), strict=True))


def test_offsets_are_found_and_their_deviations_honest() -> None:
    ratios = []
    for seed in range(12):
        rng, cameras = np.random.default_rng(seed), ceiling(4)
        tracker = Tracker(cameras, LEARNING)
        tracker.push(stamped(film(rng, cameras, 0.9, 8.0), ahead(cameras)))
        tracker.flush()
        told = tracker.clocks
        error = np.array(told.offset_s) - (OFFSETS_S - OFFSETS_S.mean())
        assert np.abs(error).max() < 0.025
        assert max(told.sigma_s) < 0.012
        ratios += (error / np.array(told.sigma_s)).tolist()
    assert 0.3 < np.sqrt(np.mean(np.square(ratios))) < 1.6


def test_tracks_of_walkers_hold_despite_wrong_clocks() -> None:
    rng, cameras = np.random.default_rng(5), ceiling(4)
    keypoints = stamped(film(rng, cameras, 1.2, 8.0), ahead(cameras, 2 * OFFSETS_S))
    tracker = Tracker(cameras, LEARNING._replace(clock_s=0.2, lateness_s=1.0))
    told = tracker.push(keypoints) + tracker.flush()
    assert {int(i) for f in told[len(told) // 2 :] for i in f.ids} == {0, 1}
    assert tracker.health.late == 0
    trusting = Tracker(cameras)
    broken = trusting.push(keypoints) + trusting.flush()
    assert sum(len(f.ids) == 2 for f in broken) < len(broken) / 2 < sum(len(f.ids) == 2 for f in told)


def test_nothing_is_learned_from_who_stands() -> None:
    rng, cameras = np.random.default_rng(6), ceiling(4)
    tracker = Tracker(cameras, LEARNING)
    tracker.push(stamped(film(rng, cameras, 0.0, 4.0), ahead(cameras)))
    tracker.flush()
    assert tracker.clocks.sigma_s == pytest.approx([0.1] * 4, rel=0.2)
    assert np.abs(tracker.clocks.offset_s).max() < 0.06


def test_a_clock_that_jumps_is_learned_again() -> None:
    rng, cameras = np.random.default_rng(7), ceiling(4)
    keypoints, jump_ns = film(rng, cameras, 1.2, 24.0), FIRST_NS + 8_000_000_000
    before = stamped([k for k in keypoints if k.time_ns < jump_ns], ahead(cameras, 0 * OFFSETS_S))
    after = stamped([k for k in keypoints if k.time_ns >= jump_ns], ahead(cameras, np.array([0.28, 0, 0, 0])))
    tracker = Tracker(cameras, LEARNING)
    tracker.push(before + after)
    tracker.flush()
    assert tracker.clocks.offset_s == pytest.approx([0.21, -0.07, -0.07, -0.07], abs=0.03)


def test_stamps_are_trusted_unless_told_otherwise() -> None:
    rng, cameras = np.random.default_rng(8), ceiling(3)
    tracker = Tracker(cameras)
    told = tracker.push(film(rng, cameras, 0.9, 1.0)) + tracker.flush()
    assert told
    assert tracker.clocks == ((0.0,) * 3, (0.0,) * 3)
    with pytest.raises(ValueError, match="clock_s"):
        Tracker(cameras, TrackingSettings(clock_s=-1.0))
    with pytest.raises(ValueError, match="views must lie in"):
        Tracker(cameras, TrackingSettings(views=0))
    with pytest.raises(TypeError, match="views must be an integer"):
        Tracker(cameras, TrackingSettings(views=2.5))  # type: ignore[arg-type]


def test_every_backend_learns_the_same() -> None:
    rng, cameras = np.random.default_rng(9), ceiling(3)
    keypoints = stamped(film(rng, cameras, 0.9, 1.5), ahead(cameras, OFFSETS_S[:3]))

    def learned() -> list[object]:
        tracker = Tracker(cameras, LEARNING)
        told = tracker.push(keypoints) + tracker.flush()
        return [*tracker.clocks, *(f.joints_m for f in told), *(f.time_ns for f in told)]

    agree(learned)


def test_forgotten_tracks_are_gone_and_others_stay() -> None:
    rng, cameras = np.random.default_rng(10), ceiling(4)
    tracker, keypoints = Tracker(cameras), sorted(film(rng, cameras, 0.5, 2.0), key=lambda k: k.time_ns)
    half = len(keypoints) // 2
    assert tracker.push(keypoints[:half])[-1].ids.tolist() == [0, 1]
    tracker.forget([0, 77])
    told = tracker.push(keypoints[half:]) + tracker.flush()
    assert told[0].ids.tolist() == [1]
    assert told[-1].ids.tolist() == [1, 2]
