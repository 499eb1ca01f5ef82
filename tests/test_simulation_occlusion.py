"""What stands between simulated cameras and joints: cases by hand, and against points along the ray."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fusion import Keypoints
from fusion.simulation import SimulationSettings, simulate
from fusion.simulation.occlusion import (
    HEAD_RADIUS_M,
    TRUNK_RADIUS_M,
    fixture_boxes,
    hidden,
    hidden_by_body,
    hidden_by_boxes,
)
from fusion.simulation.store import build_store
from fusion.store import Box

EYE = np.array([0.0, 0.0, 2.5])
NECK, HEAD = np.array([1.0, 0.0, 1.5]), np.array([1.0, 0.0, 1.65])


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ((2.0, 0.0, 0.5), True),  # at the same height as the chest's shadow
        ((2.0, 0.5, 0.5), False),  # beside it
        ((0.5, 0.0, 1.2), False),  # before it
        ((3.0, 0.0, 1.7), False),  # the ray passes above the head
        ((1.6, 0.0, 1.14), True),  # right behind the head
        ((1.0, 0.0, 0.9), True),  # within the trunk
        ((-2.0, 0.0, 0.5), False),  # on the other side
        ((0.0, 0.0, 0.0), False),  # below the camera
        ((np.nan, np.nan, np.nan), False),
    ],
)
def test_a_body_hides_what_is_behind_it(point: tuple[float, ...], told: bool) -> None:
    assert hidden_by_body(EYE, np.array(point), HEAD, NECK) == told


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ((2.0, 0.0, 0.5), True),
        ((2.0, 0.0, 2.4), False),  # above the box
        ((0.9, 0.0, 0.5), False),  # before it
        ((1.2, 0.2, 0.5), True),  # within
        ((2.0, 1.5, 0.5), False),  # beside
        ((0.0, 0.0, 0.0), False),  # a ray along an axis
        ((np.nan, np.nan, np.nan), False),
    ],
)
def test_a_fixture_hides_what_is_behind_it(point: tuple[float, ...], told: bool) -> None:
    turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for box in (
        Box(np.array([1.0, -0.5, 0.0]), np.array([0.4, 1.0, 1.6])),
        Box(np.array([1.4, -0.5, 0.0]), np.array([1.0, 0.4, 1.6]), turned),
    ):
        assert hidden_by_boxes(EYE, np.array(point), [box]) == told
    assert not hidden_by_boxes(EYE, np.array(point), [])


COORDINATE = st.floats(-3, 3).map(lambda x: round(x, 3))


@given(
    st.tuples(COORDINATE, COORDINATE, st.floats(1.9, 4.0)),
    st.tuples(COORDINATE, COORDINATE, st.floats(0.0, 2.0)),
    st.tuples(COORDINATE, COORDINATE),
)
@example(eye=(0.094, 0.0, 2.0), point=(0.094, 0.0, 0.0), axis=(0.0, 0.0))
def test_bodies_and_boxes_agree_with_points_along_the_ray(
    eye: tuple[float, ...], point: tuple[float, ...], axis: tuple[float, ...]
) -> None:
    neck, head = np.array([*axis, 1.5]), np.array([*axis, 1.65])
    box = Box(neck - [0.1, 0.3, 1.5], np.array([0.2, 0.6, 1.5]))
    ray = np.array(eye) + np.linspace(0.0, 1.0, 2001)[:, None] * (np.array(point) - np.array(eye))
    aside = np.hypot(*(ray - neck)[:, :2].T)

    def by_body(grown: float) -> bool:
        trunk = (aside < TRUNK_RADIUS_M + grown) & (ray[:, 2] > -grown) & (ray[:, 2] < 1.5 + grown)
        return bool((trunk | (np.linalg.norm(ray - head, axis=1) < HEAD_RADIUS_M + grown)).any())

    def by_box(grown: float) -> bool:
        return bool((np.abs(ray - box.center_m) < box.size_m / 2 + grown).all(axis=1).any())

    body = bool(hidden_by_body(np.array(eye), np.array(point), head, neck))
    assert by_body(-0.02) <= body <= by_body(0.02)
    assert by_box(-0.02) <= bool(hidden_by_boxes(np.array(eye), np.array(point), [box])) <= by_box(0.02)


def test_people_hide_each_other_and_their_own_arms() -> None:
    joints = np.full((1, 2, 8, 3), np.nan)
    joints[0, :, :] = [1.0, 0.0, 1.0]
    joints[0, :, 0], joints[0, :, 1] = HEAD, NECK
    joints[0, 0, 6], joints[0, 0, 7] = (1.3, 0.0, 1.1), (0.7, 0.0, 1.1)  # one wrist behind the back, one before
    joints[0, 1] += [1.0, 0.0, 0.0]
    joints[0, 1, 2] = 2.0, 0.9, 1.4
    told = hidden(EYE, joints, [])[0]
    assert not told[0, [0, 1, 2, 3]].any(), "the own body does not hide what lies on its surface"
    assert told[0, 6]
    assert not told[0, 7]
    assert told[1, 3], "the second is behind the first"
    assert not told[1, 2], "but not one who is aside"
    joints[0, 0] = np.nan
    assert not hidden(EYE, joints, [])[0, 1, [0, 1, 2, 3]].any()


def test_goods_and_boards_hide_hands_from_above_but_not_from_the_aisle() -> None:
    store = build_store(SimulationSettings(), np.random.default_rng(0))
    boxes = fixture_boxes(store)
    assert len(boxes) == len(store.fixtures) * (1 + 3)
    for fixture in store.fixtures:
        for shelf in fixture.shelves[:-1]:  # above the highest is no board
            box = shelf.plates[2].box
            inward = box.rotation[:, 1]
            front = box.origin_m + box.rotation @ (box.size_m * [0.5, 0.0, 0.5])
            opposite, above = front - 2.0 * inward + [0.0, 0.0, 1.0], front * [1.0, 1.0, 0.0] + [0.0, 0.0, 2.5]
            for depth_m, aisle, ceiling in ((-0.05, False, False), (0.03, False, True), (0.2, True, True)):
                point = front + depth_m * inward
                assert hidden_by_boxes(opposite, point, boxes) == aisle
                assert hidden_by_boxes(above, point, boxes) == ceiling


def test_simulated_hands_are_hidden_by_fixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SimulationSettings(duration_s=30.0, cameras=4, shoppers=1, occluded_dropout=1.0, keypoint_dropout=0.0)

    def wrists() -> int:
        keypoints = [o for o in simulate(settings).observations if isinstance(o, Keypoints)]
        return sum(int((~np.isnan(o.sigma_px[:, 6:])).sum()) for o in keypoints)

    with_fixtures = wrists()
    monkeypatch.setattr("fusion.simulation.simulation.fixture_boxes", lambda store: [])
    assert 0.9 * wrists() < with_fixtures < wrists()
