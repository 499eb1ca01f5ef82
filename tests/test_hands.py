"""Hands in a span of time: against a brute-force twin, bad joints, and the order of frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fusion import Targets
from fusion.hands import GRIP, Hands, joined
from fusion.observations import JOINTS

L_ELBOW, R_ELBOW, L_WRIST, R_WRIST = (JOINTS.index(j) for j in ("l_elbow", "r_elbow", "l_wrist", "r_wrist"))


def frame(time_ns: int, shoppers: tuple[str, ...] = ("a",), **joints: tuple[float, float, float]) -> Targets:
    """A frame in which everybody has the same joints; NaN where not given."""
    joints_m = np.full((len(shoppers), 8, 3), np.nan)
    for name, xyz in joints.items():
        joints_m[:, JOINTS.index(name)] = xyz
    return Targets(time_ns, shoppers, joints_m, np.ones((len(shoppers), 8)))


def twin(frames: list[Targets], start_ns: int, end_ns: int) -> tuple[list[str], list[list[list[list[float]]]]]:
    """The same in one loop over everything, number by number."""
    inside = [f for f in frames if start_ns <= f.time_ns <= end_ns]
    shoppers = sorted({s for f in inside for s in f.shoppers})
    hands = []
    for f in inside:
        row = []
        for shopper in shoppers:
            both = []
            for wrist, elbow in ((L_WRIST, L_ELBOW), (R_WRIST, R_ELBOW)):
                hand = [np.nan] * 3
                if shopper in f.shoppers:
                    w, e = f.joints_m[f.shoppers.index(shopper), [wrist, elbow]].tolist()
                    forearm = [a - b for a, b in zip(w, e, strict=True)]
                    if not all(abs(x) < np.inf for x in forearm):
                        forearm = [0.0] * 3
                    hand = [a + GRIP * x for a, x in zip(w, forearm, strict=True)]
                    if not all(abs(x) < np.inf for x in hand):
                        hand = [np.nan] * 3
                both.append(hand)
            row.append(both)
        hands.append(row)
    return shoppers, hands


def test_the_grip_lies_beyond_the_wrist() -> None:
    hands = Hands()
    hands.record(frame(5, l_elbow=(0, 0, 1), l_wrist=(1, 0, 1), r_wrist=(0, 2, 1)))
    shoppers, xyz, *_ = hands.between(0, 10)
    assert shoppers == ["a"]
    np.testing.assert_array_equal(xyz, [[[[1 + GRIP, 0, 1], [0, 2, 1]]]])  # an elbow not seen: the wrist


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_coordinate_hides_the_whole_joint(bad: float) -> None:
    hands = Hands()
    hands.record(frame(5, l_elbow=(0, bad, 1), l_wrist=(1, 0, 1), r_elbow=(0, 0, 0), r_wrist=(bad, 2, 1)))
    np.testing.assert_array_equal(hands.between(5, 5)[1], [[[[1, 0, 1], [np.nan] * 3]]])


def test_huge_joints_are_no_hands_and_no_warning() -> None:
    hands = Hands()
    hands.record(frame(5, l_elbow=(-1e308, 0, 0), l_wrist=(1.7e308, 0, 0), r_elbow=(0, 0, 0), r_wrist=(1.7e308, 0, 0)))
    np.testing.assert_array_equal(hands.between(5, 5)[1], [[[[1.7e308, 0, 0], [np.nan] * 3]]])


def test_both_ends_of_the_span_count_and_nothing_else() -> None:
    hands = Hands()
    for t in (1, 2, 2, 3, 4):
        hands.record(frame(t, l_wrist=(t, 0, 0)))
    assert hands.between(2, 3)[1][:, 0, 0, 0].tolist() == [2, 2, 3]
    for span in ((5, 9), (0, 0), (3, 2)):
        shoppers, xyz, *_ = hands.between(*span)
        assert (shoppers, xyz.shape) == ([], (0, 0, 2, 3))


def test_frames_without_anybody_and_shoppers_who_come_and_go() -> None:
    hands = Hands()
    hands.record(frame(1, ("b",), l_wrist=(1, 1, 1)))
    hands.record(frame(2, ()))
    hands.record(frame(3, ("c", "a"), l_wrist=(2, 2, 2)))
    shoppers, xyz, *_ = hands.between(0, 9)
    assert shoppers == ["a", "b", "c"]
    assert np.isfinite(xyz[:, :, 0, 0]).tolist() == [[False, True, False], [False] * 3, [True, False, True]]
    assert hands.between(2, 2)[1].shape == (1, 0, 2, 3)


def test_the_grip_is_less_sure_than_wrist_and_elbow() -> None:
    """Errors of wrist and elbow are each their own; where the elbow is not seen, the wrist's stands for the grip."""
    hands = Hands()
    spread = np.tile(np.eye(3), (1, 8, 1, 1)) * np.arange(1, 9)[None, :, None, None]
    hands.record(frame(5, l_elbow=(0, 0, 1), l_wrist=(1, 0, 1), r_wrist=(0, 2, 1)), spread)
    hands.record(frame(6, l_wrist=(1, 0, 1)))
    covariance = hands.between(0, 10).covariance_m2
    own = (1 + GRIP) ** 2 * (1 + L_WRIST) + GRIP**2 * (1 + L_ELBOW)
    np.testing.assert_allclose(covariance[0, 0, 0], own * np.eye(3))
    np.testing.assert_array_equal(covariance[0, 0, 1], (1 + R_WRIST) * np.eye(3))
    assert np.isnan(covariance[1]).all()


def test_names_that_turn_out_to_be_one_shopper_are_one_path() -> None:
    hands = Hands()
    hands.record(frame(1, ("x", "b"), l_wrist=(1, 1, 1)))
    hands.record(frame(2, ("x", "y"), l_wrist=(2, 2, 2), r_wrist=(3, 3, 3)))
    shoppers, xyz, *_ = hands.between(0, 9, lambda name: "b" if name == "b" else "a")
    assert shoppers == ["a", "b"]
    np.testing.assert_array_equal(xyz[:, 0, 0], [[1, 1, 1], [2, 2, 2]])
    assert np.isnan(xyz[1, 1]).all()


def test_paths_of_two_sources_lie_behind_each_other() -> None:
    one, other = Hands(), Hands()
    one.record(frame(1, ("a",), l_wrist=(1, 1, 1)))
    for t in (1, 2):
        other.record(frame(t, ("c", "b"), l_wrist=(2, 2, 2)))
    paths = joined(one.between(0, 9), other.between(0, 9).of(["b"]))
    assert paths.shoppers == ["a", "b"]
    assert np.isfinite(paths.hands_m[:, :, 0, 0]).tolist() == [[True, False], [False, True], [False, True]]
    assert paths.covariance_m2.shape == (3, 2, 2, 3, 3)


def test_frames_come_in_order() -> None:
    hands = Hands()
    hands.record(frame(5))
    with pytest.raises(ValueError, match="targets must come in order of time; got 4 after 5"):
        hands.record(frame(4))
    assert hands.between(0, 9)[1].shape == (1, 1, 2, 3)


def test_forget() -> None:
    hands = Hands()
    for t in range(10):
        hands.record(frame(t, l_wrist=(t, 0, 0)))
    hands.forget(4)
    assert hands.between(0, 99)[1][:, 0, 0, 0].tolist() == [4, 5, 6, 7, 8, 9]
    hands.forget(0)
    assert len(hands.between(0, 99)[1]) == 6
    hands.forget(100)
    assert len(hands.between(0, 99)[1]) == 0
    hands.record(frame(3))
    assert len(hands.between(0, 99)[1]) == 1


coordinates = st.one_of(st.floats(-100, 100), st.sampled_from([np.nan, np.inf, -np.inf, 1.7e308, -1.7e308]))


@st.composite
def recordings(draw: st.DrawFn) -> list[Targets]:
    frames = []
    for t in sorted(draw(st.lists(st.integers(0, 20), max_size=8))):
        shoppers = tuple(draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4)))
        joints = draw(hnp.arrays(np.float64, (len(shoppers), 8, 3), elements=coordinates))
        frames.append(Targets(t, shoppers, joints, np.ones((len(shoppers), 8))))
    return frames


@given(recordings(), st.integers(-1, 21), st.integers(-1, 21), st.integers(-1, 21))
@settings(max_examples=300, deadline=None)
def test_equals_a_loop_over_everything(frames: list[Targets], start: int, end: int, forgotten: int) -> None:
    hands = Hands()
    for f in frames:
        hands.record(f)
    for kept in (frames, [f for f in frames if f.time_ns >= forgotten]):
        shoppers, xyz, *_ = hands.between(start, end)
        expected_shoppers, expected = twin(kept, start, end)
        assert shoppers == expected_shoppers
        np.testing.assert_array_equal(xyz, np.array(expected).reshape(xyz.shape))
        hands.forget(forgotten)


def test_how_far_hands_reach() -> None:
    """From where a hand would hang: a straight arm down, and one held out."""
    hands = Hands()
    arms = {"l_shoulder": (0.2, 0.0, 1.4), "l_elbow": (0.2, 0.0, 1.1), "l_wrist": (0.2, 0.0, 0.9)} | {
        "r_shoulder": (-0.2, 0.0, 1.4), "r_elbow": (-0.2, 0.3, 1.4), "r_wrist": (-0.2, 0.5, 1.4)
    }  # fmt: skip
    hands.record(frame(0, **arms))
    hands.record(frame(1, **{joint: xyz for joint, xyz in arms.items() if joint != "r_shoulder"}))
    hanging, held_out = hands.between(0, 0).reach_m[0, 0]
    assert hanging == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    assert held_out == pytest.approx([0.0, 0.56, 0.56])
    left, right = hands.between(1, 1).reach_m[0, 0]
    assert left == pytest.approx(hanging, abs=1e-12)
    assert np.isnan(right).all()
