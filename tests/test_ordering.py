"""Event time: one order for every arrival, and everything is counted."""

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import GateEvent, ItemScores, Keypoints, ScalePacket, TagReads, Targets
from fusion.observations import Observation
from fusion.ordering import Key, ReorderBuffer, order_key

LATENESS = 10


def packet(time_ns: int, fixture: str = "1", grams: float = 0.0) -> ScalePacket:
    return ScalePacket(fixture, np.array([time_ns]), np.full((1, 2), grams))


def targets(time_ns: int, *shoppers: str, x: float = 0.0) -> Targets:
    return Targets(time_ns, shoppers, np.full((len(shoppers), 8, 3), x), np.ones((len(shoppers), 8)))


def keypoints(time_ns: int, camera: str, persons: int = 1, x: float = 0.0) -> Keypoints:
    return Keypoints(camera, time_ns, np.full((persons, 8, 2), x), np.ones((persons, 8)))


def scores(time_ns: int, p: float, **where: Any) -> ItemScores:
    return ItemScores(time_ns, ("x",), np.array([p]), **where)


def sort(observations: list[Observation]) -> list[Observation]:
    buffer = ReorderBuffer(10**6)
    for observation in observations:
        buffer.put(observation)
    return list(buffer.ready(everything=True))


def same(a: list[Observation], b: list[Observation]) -> bool:
    return [order_key(x) for x in a] == [order_key(x) for x in b]


times = st.integers(0, 60)
numbers = st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf])
observations = st.one_of(
    st.builds(packet, times, st.sampled_from("12"), numbers),
    st.builds(lambda t, s, x: targets(t, *s, x=x), times, st.lists(st.sampled_from("ab"), unique=True), numbers),
    st.builds(keypoints, times, st.sampled_from("cd"), st.integers(0, 2), numbers),
    st.builds(lambda t, p: scores(t, p, shopper="a"), times, st.sampled_from([0.25, 0.5])),
    st.builds(lambda t, p, x: scores(t, p, place_m=np.full(3, x)), times, st.just(0.5), st.sampled_from([0.0, 1.0])),
    st.builds(TagReads, times, st.sampled_from("n"), st.lists(st.sampled_from("tu"), max_size=2).map(tuple)),
    st.builds(GateEvent, times, st.sampled_from("ab"), st.sampled_from(["enter", "exit"])),
)


def within(stream: list[Observation], delays: list[int]) -> list[Observation]:
    """An arrival order in which nothing is older than the newest by more than the lateness."""
    pairs = sorted(enumerate(stream), key=lambda item: (item[1].time_ns + delays[item[0] % len(delays)], delays[0]))
    return [observation for _, observation in pairs]


class TestKey:
    def test_one_instant(self) -> None:
        """Who came, what is seen, what the shelves say, who is gone."""
        expected: list[Observation] = [
            GateEvent(5, "z", "enter"),
            targets(5, "a"),
            keypoints(5, "c"),
            scores(5, 0.5, shopper="a"),
            TagReads(5, "n", ("t",)),
            packet(5),
            GateEvent(5, "a", "exit"),
        ]
        for seed in range(20):
            arrival = random.Random(seed).sample(expected, len(expected))
            assert same(sort(arrival), expected)

    def test_time_first(self) -> None:
        assert order_key(GateEvent(4, "a", "exit")) < order_key(GateEvent(5, "a", "enter"))

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            (packet(5, grams=1), packet(5, grams=2)),
            (packet(5, "1"), packet(5, "2")),
            (targets(5, "a", x=1), targets(5, "a", x=2)),
            (targets(5, "a\nb"), targets(5, "a", "b")),
            (targets(5), targets(5, "a")),
            (keypoints(5, "c", x=1), keypoints(5, "c", x=2)),
            (keypoints(5, "c", 1), keypoints(5, "c", 2)),
            (scores(5, 0.5, shopper="a"), scores(5, 0.25, shopper="a")),
            (scores(5, 0.5, shopper="[0. 0. 0.]"), scores(5, 0.5, place_m=np.zeros(3))),
            (scores(5, 0.5, place_m=np.zeros(3)), scores(5, 0.5, place_m=np.full(3, 1e-12))),
            (TagReads(5, "n", ("t",)), TagReads(5, "n", ("u",))),
            (GateEvent(5, "a", "enter"), GateEvent(5, "a", "exit")),
        ],
    )
    def test_what_differs_is_no_duplicate(self, a: Observation, b: Observation) -> None:
        """Two reports of one source and instant that differ both pass, in an order that is theirs."""
        assert order_key(a) != order_key(b)
        assert len(sort([a, b])) == 2
        assert same(sort([a, b]), sort([b, a]))

    def test_of_packets_that_end_together_the_earlier_start_comes_first(self) -> None:
        starts = [1, 255, 256, 65536]
        packets = [ScalePacket("1", np.array([s, 10**6]), np.zeros((2, 1))) for s in starts]
        assert [int(p.sample_ns[0]) for p in sort(packets[::-1])] == starts  # type: ignore[union-attr]

    @given(st.lists(observations, max_size=12))
    def test_equal_keys_tell_the_same(self, stream: list[Observation]) -> None:
        seen: dict[Key, str] = {}
        for observation in stream:
            assert seen.setdefault(order_key(observation), repr(observation)) == repr(observation)

    @pytest.mark.parametrize("junk", [None, 5, "packet", {"time_ns": 5}])
    def test_no_observation(self, junk: Any) -> None:
        with pytest.raises(TypeError, match=f"observation must be .* got {type(junk).__name__}"):
            ReorderBuffer(1).put(junk)


class TestBuffer:
    @pytest.mark.parametrize(("value", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)])
    def test_lateness(self, value: Any, error: type[Exception]) -> None:
        with pytest.raises(error, match="lateness_ns must be"):
            ReorderBuffer(value)

    def test_known_answer(self) -> None:
        buffer = ReorderBuffer(10)
        assert list(buffer.ready(everything=True)) == []
        for t in (100, 95, 90, 89, 95, 90):
            buffer.put(packet(t))
        assert (buffer.late, buffer.duplicates, len(buffer), buffer.watermark_ns) == (1, 2, 3, 90)
        assert list(buffer.ready()) == []
        buffer.put(packet(105))
        assert [o.time_ns for o in buffer.ready()] == [90]
        buffer.put(packet(106))
        assert [o.time_ns for o in buffer.ready()] == [95]
        assert [o.time_ns for o in buffer.ready(everything=True)] == [100, 105, 106]
        assert (buffer.late, buffer.duplicates, len(buffer)) == (1, 2, 0)

    def test_without_lateness_one_instant_is_still_one(self) -> None:
        buffer = ReorderBuffer(0)
        arrivals: list[Observation] = [packet(5), targets(5, "a"), packet(5), packet(4), packet(6)]
        for observation in arrivals:
            buffer.put(observation)
        assert (buffer.late, buffer.duplicates) == (1, 1)
        assert same(list(buffer.ready(everything=True)), [targets(5, "a"), packet(5), packet(6)])

    def test_a_duplicate_of_what_has_passed(self) -> None:
        """It lost nothing, so it is no late observation - while it can be told."""
        buffer = ReorderBuffer(10)
        buffer.put(packet(100))
        buffer.put(packet(115))
        assert [o.time_ns for o in buffer.ready()] == [100]
        buffer.put(packet(100))
        assert (buffer.late, buffer.duplicates) == (0, 1)
        buffer.put(packet(100, grams=7))
        assert (buffer.late, buffer.duplicates) == (1, 1)
        buffer.put(packet(121))
        buffer.put(packet(100))
        assert (buffer.late, buffer.duplicates) == (2, 1)

    def test_after_the_end_nothing_steps_back(self) -> None:
        buffer = ReorderBuffer(10)
        buffer.put(packet(100))
        assert len(list(buffer.ready(everything=True))) == 1
        for o in (packet(95), packet(100, "2"), packet(100), packet(101)):
            buffer.put(o)
        assert (buffer.late, buffer.duplicates) == (2, 1)
        assert [o.time_ns for o in buffer.ready(everything=True)] == [101]

    def test_a_clock_that_jumps_ahead_makes_the_others_late(self) -> None:
        second, hour = 10**9, 3600 * 10**9
        buffer = ReorderBuffer(3 * second)
        passed = []
        for i in range(100):
            buffer.put(packet(i * second + (hour if i >= 50 else 0), "1"))
            buffer.put(packet(i * second, "2"))
            passed += list(buffer.ready())
        assert buffer.late == 50
        passed += list(buffer.ready(everything=True))
        assert len(passed) == 150
        assert [o.time_ns for o in passed] == sorted(o.time_ns for o in passed)

    def test_memory_is_bounded(self) -> None:
        buffer = ReorderBuffer(LATENESS)
        for t in range(1000):
            buffer.put(packet(t))
            buffer.put(packet(t))
            list(buffer.ready())
            assert len(buffer) <= LATENESS + 1
            assert len(buffer._seen) <= 2 * (LATENESS + 1)
            assert len(buffer._passed) <= LATENESS + 1
        buffer.put(packet(10**6))
        list(buffer.ready())
        assert (len(buffer), len(buffer._seen), len(buffer._passed)) == (1, 1, 0)
        assert buffer.duplicates == 1000


@given(st.lists(observations, max_size=30), st.lists(st.integers(0, LATENESS), min_size=1, max_size=30))
@settings(max_examples=300)
def test_arrival_within_the_lateness_changes_nothing(stream: list[Observation], delays: list[int]) -> None:
    buffer = ReorderBuffer(LATENESS)
    passed = []
    for observation in within(stream, delays):
        buffer.put(observation)
        passed += list(buffer.ready())
    passed += list(buffer.ready(everything=True))
    unique = sorted({order_key(o) for o in stream})
    assert [order_key(o) for o in passed] == unique
    assert (buffer.late, buffer.duplicates) == (0, len(stream) - len(unique))


@given(st.lists(observations, max_size=40), st.lists(st.booleans(), min_size=1, max_size=7))
@settings(max_examples=300)
def test_cuts_change_nothing_and_nothing_is_lost(stream: list[Observation], cuts: list[bool]) -> None:
    """Whatever the arrival; the last duplicates arrive long after their originals."""
    outcomes = []
    for pattern in ([True], [False], cuts):
        buffer = ReorderBuffer(LATENESS)
        passed: list[Observation] = []
        for i, (observation, cut) in enumerate(zip(stream, itertools.cycle(pattern), strict=False)):
            buffer.put(observation)
            if cut:
                passed += list(buffer.ready())
            assert i + 1 == len(passed) + buffer.late + buffer.duplicates + len(buffer)
        passed += list(buffer.ready(everything=True))
        assert len(buffer) == 0
        assert len(stream) == len(passed) + buffer.late + buffer.duplicates
        keys = [order_key(o) for o in passed]
        assert keys == sorted(set(keys))
        outcomes.append((keys, buffer.late, buffer.duplicates))
    assert outcomes[0] == outcomes[1] == outcomes[2]
