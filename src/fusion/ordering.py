"""Event time: a buffer that puts observations in order behind a watermark."""

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from fusion import validation
from fusion.observations import (
    DeviceEvents,
    GateEvent,
    ItemScores,
    Keypoints,
    Observation,
    ScalePacket,
    TagReads,
    Targets,
)

Key = tuple[int, int, tuple[str, ...], bytes]


def order_key(observation: Observation) -> Key:
    """Return (time, rank, names, numbers): the order of observations; equal only where everything told is equal.

    The rank orders one instant: who came, what is seen, what the shelves say, who is gone.

    Raises
    ------
    TypeError
        If `observation` is none.
    """
    match observation:
        case GateEvent(time_ns=time_ns, shopper=shopper, kind=kind, role=role, account=account):
            return time_ns, 0 if kind == "enter" else 6, (shopper, role, account or ""), b""
        case Targets(time_ns=time_ns, shoppers=shoppers, joints_m=joints_m, scores=scores):
            return time_ns, 1, shoppers, _bytes(joints_m, scores)
        case Keypoints(time_ns=time_ns, camera=camera, px=px, sigma_px=sigma_px):
            return time_ns, 2, (camera,), _bytes(px, sigma_px)
        case ItemScores(time_ns=time_ns, products=products, probabilities=p, shopper=shopper, place_m=place_m):
            return time_ns, 3, (shopper or "", *products), _bytes(p, p[:0] if place_m is None else place_m)
        case TagReads(time_ns=time_ns, antenna=antenna, tags=tags):
            return time_ns, 4, (antenna, *tags), b""
        case ScalePacket(fixture=fixture, sample_ns=sample_ns, grams=grams):
            # Big-endian: of two packets that end together, the one that began first comes first.
            return observation.time_ns, 5, (fixture,), _bytes(sample_ns.astype(">i8"), grams)
        case DeviceEvents(fixture=fixture, time_ns=time_ns, data=data):
            return time_ns, 5, (fixture,), data
    raise TypeError(f"observation must be of a type in fusion.observations; got {type(observation).__name__}")


def _bytes(*arrays: NDArray[Any]) -> bytes:
    return b"".join(a.tobytes() for a in arrays)


class ReorderBuffer:
    """Holds observations until the watermark, which trails the newest event time, has passed them.

    Parameters
    ----------
    lateness_ns : int
        How far the watermark trails: an observation older than the newest by no more than this is in time.

    Attributes
    ----------
    late, duplicates : int
        Observations refused because the watermark had passed them, or because the very same had come before. A
        duplicate that is older than the newest by more than twice the lateness counts as late.
    """

    def __init__(self, lateness_ns: int) -> None:
        self._lateness_ns = validation.time_ns("lateness_ns", lateness_ns)
        self._watermark_ns = 0
        self._heap: list[tuple[Key, Observation]] = []
        self._seen: set[Key] = set()
        self._passed: deque[Key] = deque()
        self.late = 0
        self.duplicates = 0

    def __len__(self) -> int:
        """Count the observations that wait."""
        return len(self._heap)

    @property
    def watermark_ns(self) -> int:
        """Observations before this time are complete; later arrivals from before it are late."""
        return self._watermark_ns

    def put(self, observation: Observation) -> None:
        """Take an observation in, or count why not.

        Raises
        ------
        TypeError
            If it is none.
        """
        key = order_key(observation)
        time_ns = key[0]
        if key in self._seen and time_ns >= self._watermark_ns - self._lateness_ns:
            self.duplicates += 1
        elif time_ns < self._watermark_ns:
            self.late += 1
        else:
            self._seen.add(key)
            heapq.heappush(self._heap, (key, observation))
            self._watermark_ns = max(self._watermark_ns, time_ns - self._lateness_ns)

    def ready(self, *, everything: bool = False) -> Iterator[Observation]:
        """Yield what the watermark has passed, in order; or all that is left, which takes the watermark along."""
        while self._heap and (everything or self._heap[0][0][0] < self._watermark_ns):
            key, observation = heapq.heappop(self._heap)
            self._watermark_ns = max(self._watermark_ns, key[0] + 1)
            self._passed.append(key)
            yield observation
        while self._passed and self._passed[0][0] < self._watermark_ns - self._lateness_ns:
            self._seen.discard(self._passed.popleft())
