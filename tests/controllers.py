"""A shelf controller in Python: what its firmware would send for the packets of a fixture."""

from collections.abc import Iterable

import numpy as np

from fusion import DeviceEvents, ScalePacket, Segmenter, Store
from fusion.device_records import DeviceStatus, Sender, encode
from fusion.observations import Observation


class Controller:
    """Segments a fixture as the engine does, and tells records: events as they come, and a status each packet."""

    def __init__(self, store: Store, fixture: str, *, rate_hz: float = 60.0, boot: int = 0) -> None:
        (self.fixture,) = (f for f in store.fixtures if f.id == fixture)
        column = {plate.id: i for i, plate in enumerate(self.fixture.plates)}
        facings = [[column[p] for p in facing.plates if p in column] for facing in store.planogram]
        self.segmenter = Segmenter(
            [i for i, shelf in enumerate(self.fixture.shelves) for _ in shelf.plates],
            rate_hz=rate_hz,
            facings=[columns for columns in facings if columns],
            capacity_g=[plate.capacity_g for plate in self.fixture.plates],
        )
        self.boot, self.sequence, self.last_ns = boot, 0, 0

    def take(self, packet: ScalePacket) -> list[bytes]:
        sample_ns = np.maximum(np.maximum.accumulate(packet.sample_ns), self.last_ns)
        self.last_ns = int(sample_ns[-1])
        return self._records(self.segmenter.push(sample_ns, packet.grams))

    def stop(self) -> list[bytes]:
        return self._records(self.segmenter.flush())

    def _records(self, events: list) -> list[bytes]:
        status = DeviceStatus(self.segmenter.open_since_ns, 0, self.segmenter.rezeroed, self.segmenter.health())
        records = []
        for body in (*events, status):
            records.append(encode(Sender(self.boot, self.sequence, self.last_ns), body))
            self.sequence += 1
        return records


def through_controllers(store: Store, observations: Iterable[Observation], *fixtures: str) -> list[Observation]:
    """Let the controllers of some fixtures send events in place of grams; the rest stays as it is."""
    controllers = {name: Controller(store, name) for name in fixtures}
    result: list[Observation] = []
    for observation in observations:
        if isinstance(observation, ScalePacket) and observation.fixture in controllers:
            records = controllers[observation.fixture].take(observation)
            observation = DeviceEvents(observation.fixture, observation.time_ns, b"".join(records))
        result.append(observation)
    for name, controller in controllers.items():
        result.append(DeviceEvents(name, controller.last_ns, b"".join(controller.stop())))
    return result
