"""A fixture whose controller does the segmentation: its records in, weight events and health out.

Records may be damaged, cut, lost, doubled and out of order. A record is used once, whatever comes of the others; what
is wrong is counted, never raised.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.device_records import Damage, DeviceStatus, Sender, decode
from fusion.observations import DeviceEvents
from fusion.segmentation import HEALTH, PHANTOM, WeightEvent

WINDOW = 1024
"""Records by which one may come later than a newer one."""
MOST_OPEN = 256
"""Events that may wait for their last report; a controller has room for fewer."""
AHEAD_NS = 1_000_000_000
"""By so much a controller's clock may be ahead of the clock that stamps what it sends."""
GIVEN_UP = 0.5
"""Share of its quality that an event keeps whose last report was lost."""


@dataclass(slots=True)
class DeviceCounts:
    """What happened to the records of one controller.

    Parameters
    ----------
    records : int
        Used.
    damaged, truncated : int
        Stretches of bytes that are no record: a checksum differs, or the data ends within.
    duplicates, reordered : int
        Came again, or behind a newer one; the latter were used.
    missing : int
        Never came, judged by the numbers of the others.
    stale : int
        Not used because they were of an earlier start, or more than `WINDOW` behind.
    implausible : int
        Not used because what they say cannot be: plates that do not exist, times that run backwards or are ahead.
    restarts : int
        Of the controller.
    abandoned : int
        Events whose last report never came; they were taken as last told.
    early, rezeroed : int
        As the controller counts: events that it had no room to wait for, and tares.
    mixed : int
        Observations of the other kind, grams beside events: the first kind that came is used.
    """

    records: int = 0
    damaged: int = 0
    truncated: int = 0
    duplicates: int = 0
    reordered: int = 0
    missing: int = 0
    stale: int = 0
    implausible: int = 0
    restarts: int = 0
    abandoned: int = 0
    early: int = 0
    rezeroed: int = 0
    mixed: int = 0

    def entry(self, fixture: str) -> dict[str, Any]:
        """Tell everything, JSON-ready."""
        return {"fixture": fixture, **asdict(self)}


class DeviceFeed:
    """What one controller told, as `fusion.Segmenter` tells it.

    Parameters
    ----------
    plates : int
        Of the fixture.
    """

    def __init__(self, plates: int) -> None:
        self._plates = plates
        self.counts = DeviceCounts()
        self._boot: int | None = None
        self._newest = 0
        self._seen: set[int] = set()
        self._first_ns = 0
        self._status: tuple[Sender, DeviceStatus] | None = None
        self._open: dict[int, WeightEvent] = {}
        self._ended: dict[int, None] = {}

    def push(self, observation: DeviceEvents) -> list[WeightEvent]:
        """Take records; the events that are final, numbered ``boot * 2**32 + id``."""
        events: list[WeightEvent] = []
        for found in decode(observation.data, self._plates):
            if isinstance(found, Damage):
                self.counts.truncated += found.cut
                self.counts.damaged += not found.cut
                continue
            sender, body = found
            if not self._plausible(sender, body, observation.time_ns):
                self.counts.implausible += 1
            elif self._admit(sender, events):
                self.counts.records += 1
                if isinstance(body, WeightEvent):
                    events += self._report(replace(body, id=(sender.boot << 32) + body.id))
                elif self._status is None or sender.sequence > self._status[0].sequence:
                    self._status = sender, body
                    self.counts.early, self.counts.rezeroed = body.early, body.rezeroed
        return events

    def flush(self) -> list[WeightEvent]:
        """End the stream: events that still wait for their last report, as final."""
        return [self._abandon(id_) for id_ in list(self._open)]

    @property
    def open_since_ns(self) -> int | None:
        """Onset of the earliest event that may still come: nothing is known of what follows the last status."""
        if self._boot is None:
            return None
        known = [event.start_ns for event in self._open.values()]
        if self._status is None:
            return min([self._first_ns, *known])
        sender, status = self._status
        since_ns = sender.now_ns if status.open_since_ns is None else status.open_since_ns
        return min([since_ns, *known])

    def health(self) -> NDArray[Any]:
        """Tell the state of each plate as of the last status: (P,) of `fusion.segmentation.HEALTH`."""
        result = np.zeros(self._plates, HEALTH)
        result["noise_g"] = result["level_g"] = np.nan
        if self._status is None:
            result["flags"] = PHANTOM
        else:
            told = self._status[1].plates
            for name in told.dtype.names or ():
                result[name] = told[name]
        return result

    def _plausible(self, sender: Sender, body: WeightEvent | DeviceStatus, time_ns: int) -> bool:
        if not 0 <= sender.now_ns <= time_ns + AHEAD_NS:
            return False
        if isinstance(body, DeviceStatus):
            since_ns = body.open_since_ns
            return len(body.plates) == self._plates and (since_ns is None or since_ns <= sender.now_ns)
        return (
            0 <= body.start_ns <= body.step_ns <= sender.now_ns
            and body.start_ns <= body.end_ns <= sender.now_ns
            and bool((np.diff(body.plates) > 0).all())
            and int(body.plates[-1]) < self._plates
            and bool(np.isfinite(body.delta_g).all())
            and bool((np.isfinite(body.sigma_g) & (body.sigma_g > 0)).all())
            and 0 < body.quality <= 1
        )

    def _admit(self, sender: Sender, events: list[WeightEvent]) -> bool:
        """Tell whether a record is new; count what its number says of others."""
        counts, sequence = self.counts, sender.sequence
        if self._boot is None or sender.boot > self._boot:
            if self._boot is not None:
                counts.restarts += 1
                counts.missing += sequence  # a start counts from 0
                events += [self._abandon(id_) for id_ in list(self._open)]
            self._boot, self._newest, self._seen, self._status = sender.boot, sequence, {sequence}, None
            self._first_ns = sender.now_ns
            return True
        if sender.boot < self._boot or sequence <= self._newest - WINDOW:
            counts.stale += 1
            return False
        if sequence in self._seen:
            counts.duplicates += 1
            return False
        if sequence > self._newest:
            counts.missing += sequence - self._newest - 1
            self._newest = sequence
        else:
            counts.reordered += 1
            counts.missing = max(counts.missing - 1, 0)
        self._seen.add(sequence)
        if len(self._seen) > 2 * WINDOW:
            self._seen = {s for s in self._seen if s > self._newest - WINDOW}
        return True

    def _report(self, event: WeightEvent) -> list[WeightEvent]:
        if event.id in self._ended:
            return []
        if event.final:
            self._end(event.id)
            return [event]
        known = self._open.get(event.id)
        if known is None or event.revision > known.revision:
            self._open[event.id] = event
        return [self._abandon(min(self._open))] if len(self._open) > MOST_OPEN else []

    def _abandon(self, id_: int) -> WeightEvent:
        self.counts.abandoned += 1
        event = self._open[id_]
        self._end(id_)
        return replace(event, final=True, revision=event.revision + 1, quality=event.quality * GIVEN_UP)

    def _end(self, id_: int) -> None:
        self._open.pop(id_, None)
        self._ended[id_] = None
        if len(self._ended) > WINDOW:
            del self._ended[next(iter(self._ended))]
