"""Event time: a buffer that puts observations in order behind a watermark."""

import heapq
from collections.abc import Iterator

from fusion.observations import GateEvent, ItemScores, Keypoints, Observation, ScalePacket, TagReads, Targets

Key = tuple[int, int, str]

# At one instant: who is here, what is seen, what the shelves say, who is gone.
_RANK = {GateEvent: 0, Targets: 1, Keypoints: 2, ItemScores: 3, TagReads: 4, ScalePacket: 5}


def order_key(observation: Observation) -> Key:
    """Return (time, rank, source): the order of observations, and what makes one a duplicate of another."""
    match observation:
        case ScalePacket(fixture=source) | Keypoints(camera=source) | TagReads(antenna=source):
            pass
        case Targets(shoppers=shoppers):
            source = "\n".join(shoppers)
        case GateEvent(shopper=shopper, kind=kind):
            return observation.time_ns, 0 if kind == "enter" else 6, shopper
        case ItemScores(shopper=shopper, place_m=place):
            source = shopper if shopper is not None else str(place)
    return observation.time_ns, _RANK[type(observation)], source


class ReorderBuffer:
    """Holds observations until the watermark, which trails the newest event time, has passed them.

    Parameters
    ----------
    lateness_ns : int
        How far the watermark trails.

    Attributes
    ----------
    late, duplicates : int
        Observations refused because the watermark had passed them, or because they came twice.
    """

    def __init__(self, lateness_ns: int) -> None:
        self._lateness_ns = lateness_ns
        self._newest_ns = -1
        self._heap: list[tuple[Key, Observation]] = []
        self._waiting: set[Key] = set()
        self.late = 0
        self.duplicates = 0

    @property
    def watermark_ns(self) -> int:
        """Observations up to this time are complete; later arrivals from before it are late."""
        return self._newest_ns - self._lateness_ns

    def put(self, observation: Observation) -> None:
        """Take an observation in, or count why not."""
        key = order_key(observation)
        if key in self._waiting:
            self.duplicates += 1
        elif self._newest_ns >= 0 and observation.time_ns <= self.watermark_ns:
            self.late += 1
        else:
            self._waiting.add(key)
            heapq.heappush(self._heap, (key, observation))
            self._newest_ns = max(self._newest_ns, observation.time_ns)

    def ready(self, *, everything: bool = False) -> Iterator[Observation]:
        """Yield what the watermark has passed, in order; or all that is left."""
        while self._heap and (everything or self._heap[0][0][0] <= self.watermark_ns):
            key, observation = heapq.heappop(self._heap)
            self._waiting.discard(key)
            yield observation
