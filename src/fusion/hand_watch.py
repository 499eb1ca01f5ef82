"""The watch on hands that meet: meetings wait until everything is explained that moved before them."""

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import count

from fusion.meetings import Between, Meeting, Meetings
from fusion.observations import NS

WAIT_NS = 10 * NS
"""A meeting waits for no longer than this, whatever hand rests on a shelf since before."""


class HandWatch:
    """Meetings in order of time, as far as they are due.

    Parameters
    ----------
    meetings : Meetings, optional
        Finds them; without, there are none.
    fixtures : collection of str
        Their weight events are named ``fixture:number``; meetings are named otherwise.
    """

    def __init__(self, meetings: Meetings | None, fixtures: Collection[str]) -> None:
        self._meetings = meetings
        self._ids = meeting_ids(fixtures)
        self._waiting: list[Meeting] = []

    def see(self, between: Between, now_ns: int) -> None:
        """Look at the hands, which `between` gives, up to now."""
        if self._meetings is not None:
            self._take(self._meetings.follow(between, now_ns))

    def flush(self, between: Between) -> None:
        """Take the stream as ended."""
        if self._meetings is not None:
            self._take(self._meetings.flush(between))

    def due(self, up_to_ns: int, unexplained_ns: Callable[[], int]) -> Iterator[tuple[str, Meeting]]:
        """Give the meetings before a time, with names; none while what moved before it is unexplained.

        `unexplained_ns` tells when the first thing moved that is not explained yet.
        """
        while self._waiting and (time_ns := self._waiting[0].time_ns) < up_to_ns:
            if up_to_ns < time_ns + WAIT_NS and unexplained_ns() < time_ns:
                return
            yield next(self._ids), self._waiting.pop(0)

    @property
    def open_since_ns(self) -> list[int]:
        """Times at and after which there may be meetings that were not given yet."""
        since = [] if self._meetings is None else [self._meetings.open_since_ns]
        return since + [meeting.time_ns for meeting in self._waiting[:1]]

    def _take(self, meetings: Iterable[Meeting]) -> None:
        for meeting in meetings:
            insort(self._waiting, meeting, key=lambda m: (m.time_ns, m.shoppers))


def meeting_ids(fixtures: Collection[str]) -> Iterator[str]:
    """Name meetings, one after the other, as no weight event of these fixtures is named."""
    name = "hands"
    while name in fixtures:
        name += "_"
    return (f"{name}:{n}" for n in count(1))
