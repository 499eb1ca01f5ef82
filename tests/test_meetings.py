"""Hands that meet: what tells hands that pass something from hands that come near by chance, in any stream."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusion import Targets
from fusion.hands import Hands
from fusion.meeting_evidence import NEAR_M
from fusion.meetings import MEMORY_NS, NS, Meeting, Meetings, MeetingSettings
from fusion.observations import JOINTS
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store

Array = NDArray[np.float64]
RATE_HZ = 20.0
START_NS = 1_700_000_000 * NS
SHELF_Y = 3.0
HANG_M, UPPER_M, FORE_M = 1.42, 0.31, 0.24
"""Height of the shoulders, and the segments of an arm."""


def store() -> Store:
    """One plate, a shelf of 0.9 m width at y = 3 m, 1 m high."""
    box = Box(np.array([-0.45, SHELF_Y, 0.9]), np.array([0.9, 0.4, 0.4]))
    return Store((Fixture("f", (Shelf("s", (Plate("p", box),)),)),), (Product("x", mass_g=100.0),), (Facing("x", ("p",), box),))  # fmt: skip  # noqa: E501


def arm(shoulder: Array, hand: Array) -> tuple[Array, Array]:
    """Elbow and wrist of an arm whose palm is at `hand` if it is within reach, 0.07 m beyond the wrist."""
    line = hand - shoulder
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    wrist = hand - 0.3 / 1.3 * (line / distance) * np.minimum(distance, 0.3)
    span = np.linalg.norm(wrist - shoulder, axis=-1, keepdims=True)
    along = (UPPER_M**2 - FORE_M**2 + span**2) / (2 * span)
    off = np.sqrt(np.maximum(UPPER_M**2 - along**2, 0.0))
    return shoulder + along * (wrist - shoulder) / span - off * np.array([0.0, 0.0, 1.0]), wrist


def person(at: Array, facing: float, hand: Array | None = None) -> Array:
    """Joints (T, 8, 3) of somebody who stands at (T, 2), and whose right palm is at (T, 3); else both hang."""
    side = np.array([np.sin(facing), -np.cos(facing), 0.0])
    foot = np.concatenate([at, np.zeros((len(at), 1))], axis=1)
    joints = np.empty((len(at), 8, 3))
    joints[:, 0], joints[:, 1] = foot + np.array([0, 0, 1.65]), foot + np.array([0, 0, 1.5])
    for k, sign in ((0, -1.0), (1, 1.0)):
        shoulder = foot + sign * 0.2 * side + np.array([0, 0, HANG_M])
        joints[:, 2 + k] = shoulder
        down = np.array([0.05 * np.cos(facing), 0.05 * np.sin(facing), 0.0])
        joints[:, 4 + k] = shoulder + down * 0.5 - np.array([0, 0, 0.95 * UPPER_M])
        joints[:, 6 + k] = joints[:, 4 + k] + down * 1.5 - np.array([0, 0, 0.9 * FORE_M])
        if k and hand is not None:
            elbow, wrist = arm(shoulder, hand)
            reaching = ~np.isnan(hand[:, :1])
            joints[:, 5], joints[:, 7] = (
                np.where(reaching, elbow, joints[:, 5]),
                np.where(reaching, wrist, joints[:, 7]),
            )
    return joints


def times(duration_s: float = 6.0) -> Array:
    return np.arange(0.0, duration_s, 1 / RATE_HZ)


def reaching(t: Array, place: Array, rest: Array, at_s: float = 3.0, held_s: float = 0.6) -> Array:
    """The path of a palm (T, 3) from rest to a place and back; NaN while it rests."""
    away = np.maximum(np.abs(t - at_s) - held_s / 2, 0.0)
    s = np.clip(1.0 - away / 0.7, 0.0, 1.0)[:, None]
    path = rest + (3 * s**2 - 2 * s**3) * (place - rest)
    return np.where(s > 0.0, path, np.nan)


def hand_over(apart: float = 0.8, height: float = 1.1, gap: float = 0.12, y: float = 0.0, held_s: float = 0.6) -> Any:
    """Ann and bob stand opposite each other; their hands meet between them."""
    t = times()
    still = np.zeros((len(t), 2))
    ends = [-apart / 2, apart / 2]
    return {
        name: person(
            still + np.array([x, y]),
            0.0 if x < 0 else np.pi,
            reaching(t, np.array([np.sign(x) * gap / 2, y, height]), np.array([x * 0.8, y, 0.85]), held_s=held_s),
        )
        for name, x in zip(("ann", "bob"), ends, strict=True)
    }


def hands_of(people: dict[str, Array], noise_m: float = 0.0, seed: int = 0, t: Array | None = None) -> Hands:
    t = times() if t is None else t
    rng = np.random.default_rng(seed)
    hands = Hands()
    for k, time_s in enumerate(t):
        joints = np.stack([p[k] for p in people.values()]) + rng.normal(0.0, noise_m, (len(people), len(JOINTS), 3))
        hands.record(Targets(START_NS + round(time_s * NS), tuple(people), joints, np.ones(joints.shape[:2])))
    return hands


def found(people: dict[str, Array], noise_m: float = 0.0, t: Array | None = None, **changes: float) -> list[Meeting]:
    meetings = Meetings(store(), MeetingSettings(**changes), 0)
    hands = hands_of(people, noise_m, t=t)
    return [*meetings.follow(hands.between, START_NS + 60 * NS), *meetings.flush(hands.between)]


class TestEvidence:
    @pytest.mark.parametrize("noise_m", [0.0, 0.03])
    def test_a_hand_over(self, noise_m: float) -> None:
        (meeting,) = found(hand_over(), noise_m)
        assert meeting.shoppers == ("ann", "bob")
        assert abs(meeting.time_ns - START_NS - 3 * NS) < NS // 2
        assert meeting.start_ns <= meeting.time_ns <= meeting.end_ns
        assert meeting.log_ratio > 5.0

    def test_a_big_thing_held_by_its_ends_says_less(self) -> None:
        (near,), (apart,) = found(hand_over(gap=0.05)), found(hand_over(gap=0.25))
        assert near.log_ratio > apart.log_ratio + 1.0

    def test_hands_that_do_not_meet(self) -> None:
        assert found(hand_over(gap=NEAR_M + 0.1)) == []

    def test_hands_that_hang_side_by_side(self) -> None:
        """Shoulder to shoulder, hands 0.1 m apart, for long."""
        t = times()
        still = np.zeros((len(t), 2))
        assert found({"ann": person(still, np.pi / 2), "bob": person(still + np.array([0.5, 0.0]), np.pi / 2)}) == []

    def test_people_who_pass_by(self) -> None:
        """Arms swing past each other at 2.4 m/s, 0.05 m apart."""
        t = times()
        walk = np.stack([1.2 * (t - 3.0), np.zeros(len(t))], axis=1)
        people = {"ann": person(walk, 0.0), "bob": person(-walk + np.array([0.0, -0.45]), np.pi)}
        assert found(people) == []

    def test_raised_arms_that_swing_past_each_other_are_no_meeting(self) -> None:
        """Palms on average at one place, but half a metre apart before and after."""
        t = times()
        still = np.zeros((len(t), 2))
        swing = np.clip(2.0 * (t - 3.0), -0.4, 0.4)[:, None] * np.array([0.0, 1.0, 0.0])
        people = {
            name: person(still + np.array([x, 0.0]), facing, np.array([0.0, 0.0, 1.1]) + sign * swing)
            for name, x, facing, sign in (("ann", -0.45, 0.0, 1.0), ("bob", 0.45, np.pi, -1.0))
        }
        assert all(m.log_ratio < 3.0 for m in found(people))

    def test_hands_at_a_shelf_say_less(self) -> None:
        """Side by side, both reach for the same place."""
        t = times()
        still = np.zeros((len(t), 2))
        place = np.array([0.0, SHELF_Y + 0.05, 1.1])
        people = {
            name: person(
                still + np.array([x, SHELF_Y - 0.45]), np.pi / 2, reaching(t, place, np.array([x, SHELF_Y - 0.4, 0.85]))
            )
            for name, x in (("ann", -0.35), ("bob", 0.35))
        }
        (away,) = found(hand_over())
        assert all(m.log_ratio < away.log_ratio - 4.0 for m in found(people))

    def test_two_hand_overs_are_two(self) -> None:
        people = hand_over()
        twice = {name: np.concatenate([joints, joints]) for name, joints in people.items()}
        first, second = found(twice, t=times(12.0))
        assert second.time_ns - first.time_ns == pytest.approx(6 * NS, abs=NS // 2)

    def test_three_who_meet_two_by_two(self) -> None:
        people = hand_over()
        people["cid"] = people["bob"].copy()
        assert sorted(m.shoppers for m in found(people)) == [("ann", "bob"), ("ann", "cid"), ("bob", "cid")]

    def test_joints_that_are_not_known_say_nothing(self) -> None:
        people = hand_over()
        people["ann"][:, 2:6] = np.nan  # neither shoulders nor elbows
        (blind,), (sighted,) = found(people), found(hand_over())
        assert 0.0 < blind.log_ratio < sighted.log_ratio
        people["ann"][:, 6:] = np.nan
        assert found(people) == []

    def test_uncertain_hands_say_less(self) -> None:
        hands, people = Hands(), hand_over()
        for k, time_s in enumerate(times()):
            joints = np.stack([p[k] for p in people.values()])
            targets = Targets(START_NS + round(time_s * NS), tuple(people), joints, np.ones(joints.shape[:2]))
            hands.record(targets, np.tile(0.15**2 * np.eye(3), (*joints.shape[:2], 1, 1)))
        (doubtful,) = Meetings(store(), MeetingSettings(), 0).follow(hands.between, START_NS + 20 * NS)
        assert doubtful.log_ratio < found(hand_over())[0].log_ratio - 1.0

    def test_what_is_rare_is_not_told(self) -> None:
        assert found(hand_over(), passing=1e-9) == []
        assert found(hand_over(), passing=1e-9, negligible=1e-8) != []


class TestStream:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(0, 12_000), max_size=30), st.integers(0, 99))
    def test_how_it_is_cut_changes_nothing(self, cuts: list[int], seed: int) -> None:
        people, t = {n: np.concatenate([j, j]) for n, j in hand_over().items()}, times(12.0)
        hands = hands_of(people, 0.05, seed, t)
        told = []
        for when in [[*sorted(cuts), 12_000], [12_000]]:
            meetings = Meetings(store(), MeetingSettings(), NS)
            meetings.follow(hands.between, START_NS)
            some = [m for ms in when for m in meetings.follow(hands.between, START_NS + ms * 1_000_000)]
            told.append([*some, *meetings.flush(hands.between)])
        assert told[0] == told[1]
        assert len(told[0]) == 2

    def test_nothing_is_told_long_after(self) -> None:
        """A meeting is told within some seconds, and what is not told yet is announced."""
        hands, meetings = hands_of(hand_over()), Meetings(store(), MeetingSettings(), NS)
        told = {}
        for ms in range(0, 12_000, 50):
            open_since_ns = meetings.open_since_ns
            for meeting in meetings.follow(hands.between, START_NS + ms * 1_000_000):
                told[meeting] = ms
                assert open_since_ns <= meeting.time_ns
        ((meeting, ms),) = told.items()
        assert ms / 1000 - (meeting.time_ns - START_NS) / NS < 3.0

    def test_a_handshake_without_end_is_told_once(self) -> None:
        people = hand_over(held_s=40.0)
        for joints in people.values():
            joints[:40] = joints[60]
        assert len(found(people)) == 1

    def test_a_stream_that_jumps(self) -> None:
        asked = []

        def between(start_ns: int, end_ns: int) -> Any:
            asked.append((start_ns, end_ns))
            return hands.between(start_ns, end_ns)

        hands, meetings = hands_of(hand_over()), Meetings(store(), MeetingSettings(), 0)
        for now_ns in (START_NS, START_NS + 3600 * NS, 2**62):
            meetings.follow(between, now_ns)
        assert len(asked) <= 3 * (MEMORY_NS // NS) * 2 + 3
        assert all(a[1] > a[0] for a in asked)
        assert all(b[0] > a[0] for a, b in pairwise(asked))

    def test_nobody_is_there(self) -> None:
        hands, meetings = Hands(), Meetings(Store((), (), ()), MeetingSettings(), 0)
        assert meetings.follow(hands.between, START_NS) == meetings.flush(hands.between) == []

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_hostile_hands(self, seed: int) -> None:
        """NaN, infinite, huge and coinciding joints, people who come and go: no error, and nothing but numbers."""
        rng = np.random.default_rng(seed)
        hands, meetings = Hands(), Meetings(store(), MeetingSettings(), 0)
        for k in range(60):
            names = tuple(f"s{i}" for i in np.flatnonzero(rng.random(5) < 0.8))
            joints = rng.normal(0.0, float(rng.choice([0.01, 0.3])), (len(names), 8, 3))
            joints[rng.random(joints.shape) < 0.05] = rng.choice([np.nan, np.inf, -1e308, 1e200])
            hands.record(Targets(START_NS + k * NS // 20, names, joints, np.ones((len(names), 8))))
        for meeting in [*meetings.follow(hands.between, START_NS + 9 * NS), *meetings.flush(hands.between)]:
            assert np.isfinite(meeting.log_ratio)
            assert meeting.shoppers[0] < meeting.shoppers[1]
