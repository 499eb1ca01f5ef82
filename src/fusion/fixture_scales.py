"""One fixture's scales: grams, or what its controller made of them, become weight events by plate."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.device import DeviceFeed
from fusion.observations import NS, DeviceEvents, ScalePacket
from fusion.second_thoughts import SecondThoughts
from fusion.segmentation import DRIFTING, DROPOUT, NOISY, PHANTOM, SATURATED, STUCK, Segmenter, WeightEvent
from fusion.segmentation_settings import MOST_G, SegmentationSettings
from fusion.store import Facing, Fixture

FLAGS = {
    DROPOUT: "dropout",
    STUCK: "stuck",
    SATURATED: "saturated",
    NOISY: "noisy",
    PHANTOM: "phantom",
    DRIFTING: "drifting",
}
SILENCE_NS = 2 * NS
"""A fixture that sent nothing for so long has dropped out."""


class Scale:
    """One fixture's segmenter, with plates by name and a clock that never steps back."""

    def __init__(
        self, fixture: Fixture, planogram: Sequence[Facing], rate_hz: float, segmentation: SegmentationSettings
    ) -> None:
        self.fixture = fixture.id
        self.plates = [p.id for p in fixture.plates]
        column = {plate: i for i, plate in enumerate(self.plates)}
        facings = [[column[plate] for plate in facing.plates if plate in column] for facing in planogram]
        groups = [i for i, shelf in enumerate(fixture.shelves) for _ in shelf.plates]
        self.segmenter = Segmenter(
            groups,
            rate_hz=rate_hz,
            facings=[columns for columns in facings if columns],
            capacity_g=[min(p.capacity_g, MOST_G) for p in fixture.plates],
            settings=segmentation,
        )
        self.second_thoughts = SecondThoughts(groups, segmentation.smallest_item_g / 2)
        self.feed = DeviceFeed(len(self.plates))
        self._source: Segmenter | DeviceFeed | None = None
        self.last_ns = 0

    def push(self, observation: ScalePacket | DeviceEvents) -> list[WeightEvent]:
        """Take grams, or what the controller made of them: what comes first decides, the other kind is counted."""
        source = self.segmenter if isinstance(observation, ScalePacket) else self.feed
        if self._source is None:
            self._source = source
        if source is not self._source:
            self.feed.counts.mixed += 1
            return []
        if isinstance(observation, DeviceEvents):
            self.last_ns = observation.time_ns
            return self.feed.push(observation)
        # Packets overlap by the jitter of their stamps; the samples are in order all the same.
        sample_ns = np.maximum(np.maximum.accumulate(observation.sample_ns), self.last_ns)
        self.last_ns = int(sample_ns[-1])
        return self.segmenter.push(sample_ns, observation.grams)

    def flush(self) -> list[WeightEvent]:
        """Take the stream as ended."""
        return (self._source or self.segmenter).flush()

    @property
    def noise_g(self) -> NDArray[np.float64]:
        """Noise of a sample of each plate, grams."""
        noise = (self._source or self.segmenter).health()["noise_g"].astype(np.float64)
        return np.where(np.isfinite(noise), noise, 1.0)

    def silent(self, now_ns: int) -> bool:
        """Tell whether nothing has come for so long that the fixture has dropped out."""
        return now_ns - self.last_ns > SILENCE_NS

    def open_since_ns(self, now_ns: int) -> int | None:
        """Onset of the earliest event that may still come; a silent fixture holds nobody's receipt back."""
        return None if self.silent(now_ns) else (self._source or self.segmenter).open_since_ns

    def health(self, now_ns: int) -> list[dict[str, Any]]:
        """Tell each plate's status, noise, drift, spikes and samples, JSON-ready."""
        entries = []
        for plate, state in zip(self.plates, (self._source or self.segmenter).health(), strict=True):
            status = {name for bit, name in FLAGS.items() if state["flags"] & bit} | (
                {"dropout"} if self.silent(now_ns) else set()
            )
            numbers = {name: float(state[name]) for name in ("noise_g", "drift_g_per_min")}
            entries.append(
                {
                    "plate": plate,
                    "status": sorted(status) or ["ok"],
                    **{name: value if np.isfinite(value) else None for name, value in numbers.items()},
                    **{name: int(state[name]) for name in ("spikes", "samples", "missing", "faults")},
                }
            )
        return entries

    def device_health(self) -> list[dict[str, Any]]:
        """Tell what happened to the controller's records, if it sent any."""
        used = self._source is self.feed or self.feed.counts.mixed
        return [self.feed.counts.entry(self.fixture)] if used else []
