"""The simulated detector: how keypoints scatter, what is missed and in which bursts, who is mixed up or made up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rigs
from fusion import CameraRig
from fusion.simulation import SimulationSettings
from fusion.simulation.detector import ARMS, Detections, View, detect
from fusion.simulation.keypoints import look
from fusion.simulation.wander import quantile, wander
from fusion.store import Box
from test_simulation_cameras import PERFECT

CAMERA = rigs.ceiling(4)[2]  # at (-5, 0, 3), looking along x
INTERVAL_S = 0.05
STANDING = np.array(
    [
        (0, 0, 1.6),
        (0, 0, 1.5),
        *((0, y, 1.4) for y in (-0.22, 0.22)),
        *((x, y, z) for x, z in ((0, 1.1), (0.2, 0.95)) for y in (-0.25, 0.25)),
    ]
)
NOISY = replace(PERFECT, keypoint_noise_px=8.0)


def seen(
    options: SimulationSettings,
    *places: tuple[float, float],
    n: int = 20_000,
    boxes: tuple[Box, ...] = (),
    seed: int = 0,
) -> tuple[View, Detections]:
    """Let persons stand still at places on the floor for n frames."""
    joints = np.array([STANDING + np.array([*place, 0.0]) for place in places])
    view = look(CAMERA, joints[None], list(boxes))
    view = View(CAMERA, *(np.repeat(values, n, axis=0) for values in (view.px, view.hidden, view.rays)))
    return view, detect(options, view, INTERVAL_S, np.random.default_rng(seed))


def by_person(found: Detections, person: int, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 8, 2) and their sigmas (n, 8) of one person; NaN in frames where it was not detected."""
    mine = found.person == person
    assert len(set(found.frame[mine].tolist())) == mine.sum(), "a person came twice in a frame"
    px, sigma = np.full((n, 8, 2), np.nan), np.full((n, 8), np.nan)
    px[found.frame[mine]], sigma[found.frame[mine]] = found.px[mine], found.sigma_px[mine]
    return px, sigma


def bursts(gone: np.ndarray) -> float:
    """Mean length of the runs of True along the first axis."""
    starts = gone & ~np.concatenate([np.zeros_like(gone[:1]), gone[:-1]])
    return float(gone.sum() / starts.sum())


WALL = Box(np.array([-1.0, -1.0, 0.0]), np.array([0.1, 2.0, 1.45]))
"""Before a person at the origin it leaves the head, the neck and the shoulders in sight."""


def test_a_perfect_detector_tells_the_projected_joints() -> None:
    view, found = seen(PERFECT, (0.0, 0.0), (1.0, 1.0), n=50)
    expected = CameraRig([CAMERA]).project(STANDING + np.array([1.0, 1.0, 0.0]))[:, 0]
    np.testing.assert_array_equal(by_person(found, 1, 50)[0], np.broadcast_to(expected, (50, 8, 2)))
    assert (found.sigma_px == 0.5).all()
    assert not view.hidden.any()


def test_errors_are_of_the_size_that_is_told() -> None:
    view, found = seen(NOISY, (0.0, 0.0), n=50_000)
    px, sigma = by_person(found, 0, 50_000)
    whitened = ((px - view.px[:, 0]) / sigma[..., None]).ravel()
    assert abs(whitened.mean()) < 0.02
    assert whitened.std() == pytest.approx(1.0, abs=0.05)
    assert np.quantile(np.abs(whitened), 0.95) == pytest.approx(1.96, abs=0.12)
    # At 5.1 m it is the root of 5.1 / 3 times eight pixels, spread by 0.15 twice.
    assert np.median(sigma) == pytest.approx(8.0 * np.sqrt(5.18 / 3.0), rel=0.03)
    assert np.log(sigma).std() == pytest.approx(0.15 * np.sqrt(2), rel=0.05)


def test_told_sigmas_go_with_the_errors() -> None:
    view, found = seen(NOISY, (-2.5, 0.0), (3.0, 0.5), boxes=(WALL,))
    near, far = by_person(found, 0), by_person(found, 1)
    errors = np.concatenate([np.abs(near[0] - view.px[:, 0]).mean(-1), np.abs(far[0] - view.px[:, 1]).mean(-1)]).ravel()
    sigmas = np.concatenate([near[1], far[1]]).ravel()
    told = ~np.isnan(sigmas)
    assert np.corrcoef(errors[told], sigmas[told])[0, 1] > 0.3
    assert np.nanmedian(near[1]) < 0.75 * np.nanmedian(far[1]), "farther persons scatter more"


def test_by_default_errors_are_5_to_15_pixels() -> None:
    options = SimulationSettings(false_persons_per_camera_hour=0.0)
    _, found = seen(options, (-3.0, 0.5), (-1.0, -0.5), (0.0, 1.0), boxes=(WALL,))
    low, high = np.nanquantile(found.sigma_px, [0.05, 0.95])
    assert 5.0 < low < 8.0
    assert 10.0 < high < 17.0


def test_errors_last_for_some_frames() -> None:
    view, found = seen(NOISY, (0.0, 0.0))
    error = (by_person(found, 0)[0] - view.px[:, 0])[:, 0, 0]
    correlation = [np.corrcoef(error[:-lag], error[lag:])[0, 1] for lag in (1, 20)]
    assert 0.3 < correlation[0] < 0.7
    assert abs(correlation[1]) < 0.1


def test_hidden_joints_are_missed_more_often_and_scatter_more() -> None:
    options = replace(NOISY, keypoint_dropout=0.05, occluded_dropout=0.6)
    view, found = seen(options, (0.0, 0.0), boxes=(WALL,), n=50_000)
    hidden = view.hidden[0, 0]
    assert hidden.tolist() == [False] * 4 + [True] * 4
    px, sigma = by_person(found, 0, 50_000)
    gone = np.isnan(px[..., 0])
    assert gone[:, ~hidden].mean() == pytest.approx(0.05, abs=0.01)
    assert gone[:, hidden].mean() == pytest.approx(0.6, abs=0.02)
    assert np.nanmedian(sigma[:, hidden]) == pytest.approx(1.5 * np.nanmedian(sigma[:, ~hidden]), rel=0.03)
    assert bursts(gone[:, 0]) > 2.0, "misses come in bursts"


def test_persons_are_missed_in_bursts_and_not_seen_through_walls() -> None:
    _, found = seen(replace(PERFECT, person_dropout=0.1), (0.0, 0.0))
    gone = np.isnan(by_person(found, 0)[0]).all(axis=(1, 2))
    assert gone.mean() == pytest.approx(0.1, abs=0.02)
    assert bursts(gone) > 2.0
    high = Box(WALL.origin_m, WALL.size_m + np.array([0.0, 0.0, 0.5]))
    view, found = seen(PERFECT, (0.0, 0.0), boxes=(high,), n=100)
    assert view.hidden.all()
    assert not len(found.frame), "no joint is in sight, though every hidden one would be told"


def test_what_is_outside_the_image_is_not_told() -> None:
    view, found = seen(replace(NOISY, keypoint_noise_px=60.0), (-4.5, 0.3), (-3.5, 3.5), (0.0, 0.0))
    outside = ((view.px < -0.5) | (view.px >= np.array(CAMERA.size_px) - 0.5)).any(axis=-1)[0]
    assert outside.any(axis=1).tolist() == [True, True, False]
    for person in range(3):
        px = by_person(found, person)[0]
        assert np.isnan(px[:, outside[person]]).all()
    told = found.px[~np.isnan(found.px[..., 0])]
    assert ((told >= -0.5) & (told < np.array(CAMERA.size_px) - 0.5)).all()


CROSSING = ((0.0, 0.0), (1.0, 0.1))


def test_persons_who_cross_have_an_arm_exchanged() -> None:
    view, found = seen(replace(PERFECT, limb_swap_probability=0.3, occluded_dropout=0.0), *CROSSING)
    told = [by_person(found, p)[0] for p in (0, 1)]
    swapped = (told[0] != view.px[:, 0]).any(axis=-1) & ~np.isnan(told[0][..., 0])
    share = swapped.any(axis=1).mean()
    assert share == pytest.approx(0.3, abs=0.04)
    assert {tuple(np.flatnonzero(s)) for s in swapped} in [{(), tuple(arm)} for arm in ARMS]
    np.testing.assert_array_equal(told[0][swapped], view.px[:, 1][swapped])
    np.testing.assert_array_equal(told[1][swapped], view.px[:, 0][swapped])
    assert bursts(swapped.any(axis=1)) > 2.0


def test_persons_who_cross_come_as_one() -> None:
    view, found = seen(replace(PERFECT, merge_probability=0.3), *CROSSING)
    near, far = (by_person(found, p)[0] for p in (0, 1))
    merged = np.isnan(far).all(axis=(1, 2))
    assert merged.mean() == pytest.approx(0.3, abs=0.04)
    assert not np.isnan(near[merged]).any(), "the nearer one stays"
    mine = (near == view.px[:, 0]).all(axis=-1)
    assert mine[~merged].all()
    assert [tuple(np.flatnonzero(~m)) for m in np.unique(mine[merged], axis=0)] in [[tuple(arm)] for arm in ARMS]
    assert ((near == view.px[:, 1]).all(axis=-1) == ~mine)[merged].all(), "an arm is the farther one's"


@pytest.mark.parametrize("places", [((0.0, -0.6), (0.0, 0.6)), ((0.0, 0.0), (1.0, 1.2))])
def test_persons_apart_are_not_mixed_up(places: tuple[tuple[float, float], ...]) -> None:
    view, found = seen(replace(PERFECT, merge_probability=0.5, limb_swap_probability=0.5), *places, n=200)
    for person in (0, 1):
        np.testing.assert_array_equal(by_person(found, person, 200)[0], view.px[:, person])


def test_three_who_cross_keep_their_names() -> None:
    """Whoever is told has its own head, or lost it to a miss; merging in turns must not rename anybody."""
    options = replace(PERFECT, merge_probability=0.5, limb_swap_probability=0.5)
    view, found = seen(options, (0.0, 0.0), (1.0, 0.05), (2.0, 0.0))
    for person in range(3):
        px = by_person(found, person)[0]
        there = ~np.isnan(px[:, 1, 0])
        assert there.mean() > 0.1
        np.testing.assert_array_equal(px[there, 1], view.px[there, person, 1])


def test_false_persons_come_for_a_short_time() -> None:
    view, found = seen(replace(PERFECT, false_persons_per_camera_hour=120.0), (0.0, 0.0))
    false = found.person == -1
    present = np.zeros(20_000, dtype=bool)
    present[found.frame[false]] = True
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], present.view(np.int8), [0]]))))[::2]
    expected = 120.0 * 20_000 * INTERVAL_S / 3600.0  # 33
    assert 0.5 * expected < len(runs) < 1.5 * expected
    assert np.median(runs) * INTERVAL_S == pytest.approx(0.8, abs=0.4)
    assert np.nanmean(np.linalg.norm(found.px[false][:, 1] - view.px[0, 0, 1], axis=1)) > 50.0
    assert np.isnan(by_person(found, 0)[0]).sum() == 0, "the true person stays"
    nobody = seen(PERFECT, (0.0, 0.0))[1]
    assert (nobody.person == 0).all()


def test_the_same_draws_give_the_same_bits() -> None:
    one, other = (seen(SimulationSettings(), *CROSSING, n=500, seed=3)[1] for _ in range(2))
    for name in ("frame", "person", "px", "sigma_px"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


PROBABILITY = st.sampled_from([0.0, 0.05, 0.5, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(-5, 5), st.floats(-3, 3)), min_size=1, max_size=5),
    dropouts=st.tuples(PROBABILITY, PROBABILITY, PROBABILITY),
    mixing=st.tuples(PROBABILITY, PROBABILITY),
    noise_px=st.sampled_from([0.0, 8.0, 1000.0]),
    false_per_hour=st.sampled_from([0.0, 3600.0]),
    seed=st.integers(0, 99),
)
def test_detections_are_sound_whatever_the_settings(
    places: list[tuple[float, float]],
    dropouts: tuple[float, float, float],
    mixing: tuple[float, float],
    noise_px: float,
    false_per_hour: float,
    seed: int,
) -> None:
    options = SimulationSettings(
        keypoint_dropout=dropouts[0],
        occluded_dropout=dropouts[1],
        person_dropout=dropouts[2],
        merge_probability=mixing[0],
        limb_swap_probability=mixing[1],
        keypoint_noise_px=noise_px,
        false_persons_per_camera_hour=false_per_hour,
    )
    _, found = seen(options, *places, n=40, boxes=(WALL,), seed=seed)
    assert (np.diff(found.frame) >= 0).all()
    assert ((found.person >= -1) & (found.person < len(places))).all()
    true = found.person >= 0
    keys = found.frame[true] * len(places) + found.person[true]
    assert len(np.unique(keys)) == len(keys)
    told = ~np.isnan(found.px[..., 0])
    assert (told.sum(axis=1) >= 3).all()
    assert np.array_equal(told, ~np.isnan(found.sigma_px))
    assert np.array_equal(told, ~np.isnan(found.px[..., 1]))
    assert (found.sigma_px[told] > 0).all()


@given(st.floats(0, 1))
def test_shares_of_a_course_below_a_quantile(probability: float) -> None:
    courses = wander((200, 500), INTERVAL_S, 0.25, np.random.default_rng(0))
    assert (courses < quantile(probability)).mean() == pytest.approx(probability, abs=0.02)
