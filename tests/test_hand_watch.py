"""Meetings wait for what moved before them, but not for ever, and are given in order of time."""

from collections.abc import Iterator
from typing import Any

from fusion.hand_watch import WAIT_NS, HandWatch
from fusion.meetings import Meeting

NS = 1_000_000_000


class Script:
    """Finds what it was told to, when it was told to."""

    def __init__(self, *found: list[float]) -> None:
        self._found: Iterator[list[float]] = iter(found)
        self.open_since_ns = 3 * NS

    def follow(self, between: Any, now_ns: int = 0) -> list[Meeting]:
        return [Meeting(round(s * NS), 0, 0, ("a", "b"), 1.0) for s in next(self._found)]

    flush = follow


def watch(*found: list[float]) -> HandWatch:
    watch = HandWatch(Script(*found), {"1"})  # type: ignore[arg-type]
    for _ in found:
        watch.see(None, 0)  # type: ignore[arg-type]
    return watch


def given(watch: HandWatch, up_to_s: float, unexplained_s: float = 1e6) -> list[tuple[str, float]]:
    due = watch.due(round(up_to_s * NS), lambda: round(unexplained_s * NS))
    return [(name, meeting.time_ns / NS) for name, meeting in due]


def test_in_order_of_time_up_to_a_time() -> None:
    both = watch([5.0, 7.0], [4.0])
    assert given(both, 5.0) == [("hands:1", 4.0)]
    assert given(both, 9.0) == [("hands:2", 5.0), ("hands:3", 7.0)]
    assert given(both, 9.0) == []


def test_after_what_moved_before() -> None:
    one = watch([5.0])
    assert given(one, 9.0, unexplained_s=4.9) == []
    assert given(one, 9.0, unexplained_s=5.1) == [("hands:1", 5.0)]


def test_but_not_for_ever() -> None:
    one = watch([5.0])
    assert given(one, 5.0 + WAIT_NS / NS - 0.1, unexplained_s=1.0) == []
    assert given(one, 5.0 + WAIT_NS / NS, unexplained_s=1.0) == [("hands:1", 5.0)]


def test_receipts_wait_for_what_is_not_given_yet() -> None:
    one = watch([2.0])
    assert one.open_since_ns == [3 * NS, 2 * NS]
    given(one, 9.0)
    assert one.open_since_ns == [3 * NS]


def test_nobody_watches() -> None:
    nobody = HandWatch(None, ())
    nobody.see(None, 0)  # type: ignore[arg-type]
    nobody.flush(None)  # type: ignore[arg-type]
    assert given(nobody, 9.0) == nobody.open_since_ns == []


def test_at_the_end() -> None:
    one = HandWatch(Script([5.0]), {"1"})  # type: ignore[arg-type]
    one.flush(None)  # type: ignore[arg-type]
    assert given(one, 9.0) == [("hands:1", 5.0)]
