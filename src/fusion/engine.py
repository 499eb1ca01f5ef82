"""The engine: observations in, in any order and any cut; interactions, carts and receipts out, in event time.

A watermark trails the newest event time by ``lateness_s``. Observations wait behind it, are put in order, and pass
once; what comes later than the watermark is counted, and neither used nor lost silently.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fusion import validation
from fusion.association import AssociationSettings, Associator, Candidate
from fusion.device import DeviceFeed
from fusion.hands import Hands
from fusion.observations import DeviceEvents, GateEvent, Observation, ScalePacket, Targets
from fusion.ordering import ReorderBuffer
from fusion.receipts import Health, Interaction, Kind, Outcome, Receipt, cart
from fusion.segmentation import (
    DRIFTING,
    DROPOUT,
    NOISY,
    PHANTOM,
    SATURATED,
    STUCK,
    Segmenter,
    WeightEvent,
)
from fusion.segmentation_settings import MOST_G, SegmentationSettings
from fusion.store import Facing, Fixture, Store

NS = 1_000_000_000
FLAGS = {
    DROPOUT: "dropout",
    STUCK: "stuck",
    SATURATED: "saturated",
    NOISY: "noisy",
    PHANTOM: "phantom",
    DRIFTING: "drifting",
}
DETECTION_NS = NS
"""By then the segmentation has noticed a change that began."""
SILENCE_NS = 2 * NS
"""A fixture that sent nothing for so long has dropped out."""
MEMORY_NS = 60 * NS
"""Hands are remembered for as long as an event is open, but no longer than this."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine waits and decides.

    Parameters
    ----------
    lateness_s : float
        How much later than the newest an observation may come; 3-D targets of the public recording come 2.3 s late.
    grasp_s : float
        How long before a weight event's onset, and after its end, the hands are watched.
    review_below : float
        Lines and receipts less probable than this are marked for review.
    rate_hz : float
        Sampling rate of the scales.
    segmentation, association
        Settings of the stages.
    """

    lateness_s: float = 3.0
    grasp_s: float = 0.25
    review_below: float = 0.9
    rate_hz: float = 60.0
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    association: AssociationSettings = field(default_factory=AssociationSettings)

    def __post_init__(self) -> None:
        validation.number("lateness_s", self.lateness_s, at_least=0.0)
        validation.number("grasp_s", self.grasp_s, at_least=0.0)
        validation.number("review_below", self.review_below, at_least=0.0, at_most=1.0)
        validation.number("rate_hz", self.rate_hz, above=0.0)


class Engine:
    """Turns a store's observations into receipts.

    Parameters
    ----------
    store : Store
        What is fixed.
    settings : EngineSettings, optional
        How to wait and decide.

    Examples
    --------
    >>> engine = Engine(store)                        # doctest: +SKIP
    >>> for observation in recording:                 # doctest: +SKIP
    ...     for interaction in engine.push([observation]):
    ...         print(interaction.kind, interaction.candidates[:1])
    >>> engine.finish().receipts                      # doctest: +SKIP
    """

    def __init__(self, store: Store, settings: EngineSettings | None = None) -> None:
        self._store = store
        self._settings = s = settings or EngineSettings()
        self._buffer = ReorderBuffer(round(s.lateness_s * NS))
        self._grasp_ns = round(s.grasp_s * NS)
        self._merge_ns = round(s.segmentation.merge_s * NS)
        self._scales = {f.id: _Scale(f, store.planogram, s) for f in store.fixtures}
        self._associator = Associator(store, settings=s.association)
        self._hands = Hands()
        self._now_ns = 0
        self._waiting: list[tuple[int, str, int, WeightEvent]] = []
        self._interactions: dict[str, Interaction] = {}
        self._present: dict[str, None] = {}
        self._leaving: dict[str, int] = {}
        self._receipts: list[Receipt] = []
        self._unused = 0

    def push(self, observations: Iterable[Observation]) -> list[Interaction]:
        """Take observations in; return what they decided.

        Parameters
        ----------
        observations : iterable of Observation
            In any order within ``lateness_s``; how they are cut into calls changes nothing.

        Returns
        -------
        list of Interaction
            Decided in this call; later events may revise their candidates, `outcome` tells.

        Raises
        ------
        ValueError
            If a packet names an unknown fixture or has another number of plates.
        TypeError
            If something is no observation.
        """
        known = len(self._interactions)
        for observation in observations:
            self._check(observation)
            self._buffer.put(observation)
            for ready in self._buffer.ready():
                self._pass(ready)
        return list(self._interactions.values())[known:]

    def finish(self) -> Outcome:
        """Take the stream as ended: everything waiting passes, everybody's receipt is final."""
        for ready in self._buffer.ready(everything=True):
            self._pass(ready)
        for scale in self._scales.values():
            self._enqueue(scale, scale.flush())
        self._associate(up_to_ns=None)
        self._close(list(self._present))
        return self.outcome()

    def outcome(self) -> Outcome:
        """Tell receipts, interactions and health as of now."""
        interactions = self._revised()
        open_ = [self._cart(shopper, interactions, final=False) for shopper in self._present]
        plates = [entry for scale in self._scales.values() for entry in scale.health(self._now_ns)]
        devices = tuple(entry for scale in self._scales.values() for entry in scale.device_health())
        health = Health(tuple(plates), (), self._buffer.late, self._buffer.duplicates, self._unused, devices)
        return Outcome((*self._receipts, *open_), interactions, health)

    def _check(self, observation: Observation) -> None:
        if not isinstance(observation, Observation):
            raise TypeError(
                f"observations must be of the types in fusion.observations; got {type(observation).__name__}"
            )
        if isinstance(observation, ScalePacket | DeviceEvents):
            scale = self._scales.get(observation.fixture)
            if scale is None:
                what = "scale packet" if isinstance(observation, ScalePacket) else "device events"
                raise ValueError(f"{what} of the unknown fixture {observation.fixture!r}")
        if isinstance(observation, ScalePacket):
            scale = self._scales[observation.fixture]
            if observation.grams.shape[1] != len(scale.plates):
                expected, came = len(scale.plates), observation.grams.shape[1]
                raise ValueError(f"grams of fixture {observation.fixture!r} must have {expected} columns; got {came}")

    def _pass(self, observation: Observation) -> None:
        """Use one observation, in event time."""
        self._now_ns = max(self._now_ns, observation.time_ns)
        self._associate(up_to_ns=observation.time_ns)
        match observation:
            case ScalePacket(fixture=fixture) | DeviceEvents(fixture=fixture):
                scale = self._scales[fixture]
                self._enqueue(scale, scale.push(observation))
            case Targets(shoppers=shoppers):
                self._present.update(dict.fromkeys(s for s in shoppers if s not in self._leaving))
                self._hands.record(observation)
            case GateEvent(shopper=shopper, kind="enter"):
                self._present[shopper] = None
                self._leaving.pop(shopper, None)
            case GateEvent(shopper=shopper, kind="exit"):
                self._present[shopper] = None
                self._leaving[shopper] = observation.time_ns
            case _:
                self._unused += 1
        self._settle()

    def _enqueue(self, scale: "_Scale", events: list[WeightEvent]) -> None:
        for event in events:
            if event.final:
                heapq.heappush(self._waiting, (event.end_ns, scale.fixture, event.id, event))

    def _associate(self, up_to_ns: int | None) -> None:
        """Explain the waiting events that ended long enough before a time, in order of their ends."""
        wait_ns = self._grasp_ns + self._merge_ns
        while self._waiting and (up_to_ns is None or self._waiting[0][0] + wait_ns < up_to_ns):
            _, fixture, number, event = heapq.heappop(self._waiting)
            plates = tuple(self._scales[fixture].plates[i] for i in event.plates)
            interaction = Interaction(
                f"{fixture}:{number}",
                "touch",
                event.start_ns,
                event.end_ns,
                plates,
                float(event.delta_g.sum(dtype=np.float64)),
                float(np.sqrt((event.sigma_g.astype(np.float64) ** 2).sum())),
                (),
            )
            if event.kind == "change":
                shoppers, hands = self._hands.between(event.start_ns - self._grasp_ns, event.end_ns + self._grasp_ns)
                causes = self._associator.associate(
                    interaction.id, plates, event.delta_g, event.sigma_g, shoppers, hands
                )
                interaction = _caused(interaction, causes)
            self._interactions[interaction.id] = interaction

    def _revised(self) -> tuple[Interaction, ...]:
        """Give all interactions the causes that hold now."""
        return tuple(
            i if i.kind == "touch" else _caused(i, self._associator.candidates(i.id))
            for i in self._interactions.values()
        )

    def _settle(self) -> None:
        """Close the receipts of shoppers who left before anything that is still open; forget old hands."""
        starts = [event.start_ns for *_, event in self._waiting]
        starts += [t for scale in self._scales.values() if (t := scale.open_since_ns(self._now_ns)) is not None]
        safe_ns = min([self._now_ns - DETECTION_NS, *starts])
        self._close([s for s, left_ns in self._leaving.items() if left_ns < safe_ns])
        self._hands.forget(max(safe_ns, self._now_ns - MEMORY_NS) - self._grasp_ns)

    def _close(self, shoppers: list[str]) -> None:
        """Write final receipts and forget the shoppers."""
        interactions = self._revised() if shoppers else ()
        for shopper in shoppers:
            self._receipts.append(self._cart(shopper, interactions, final=True))
            self._associator.leave(shopper)
            self._present.pop(shopper, None)
            self._leaving.pop(shopper, None)

    def _cart(self, shopper: str, interactions: tuple[Interaction, ...], *, final: bool) -> Receipt:
        baskets = self._associator.baskets(shopper)
        return cart(self._store, shopper, baskets, interactions, final=final, review_below=self._settings.review_below)


def _caused(interaction: Interaction, causes: Sequence[Candidate]) -> Interaction:
    """Give an interaction its causes, and the kind that the most probable one makes it."""
    kind: Kind = "unknown"
    if sum(c.probability for c in causes) >= 0.5:
        kind = "take" if causes[0].quantity < 0 else "return"
    return replace(interaction, kind=kind, candidates=tuple(causes))


class _Scale:
    """One fixture's segmenter, with plates by name and a clock that never steps back."""

    def __init__(self, fixture: Fixture, planogram: Sequence[Facing], settings: EngineSettings) -> None:
        self.fixture = fixture.id
        self.plates = [p.id for p in fixture.plates]
        column = {plate: i for i, plate in enumerate(self.plates)}
        facings = [[column[plate] for plate in facing.plates if plate in column] for facing in planogram]
        self.segmenter = Segmenter(
            [i for i, shelf in enumerate(fixture.shelves) for _ in shelf.plates],
            rate_hz=settings.rate_hz,
            facings=[columns for columns in facings if columns],
            capacity_g=[min(p.capacity_g, MOST_G) for p in fixture.plates],
            settings=settings.segmentation,
        )
        self.feed = DeviceFeed(len(self.plates))
        self._source: Segmenter | DeviceFeed | None = None
        self._last_ns = 0

    def push(self, observation: ScalePacket | DeviceEvents) -> list[WeightEvent]:
        """Take grams, or what the controller made of them: what comes first decides, the other kind is counted."""
        source = self.segmenter if isinstance(observation, ScalePacket) else self.feed
        if self._source is None:
            self._source = source
        if source is not self._source:
            self.feed.counts.mixed += 1
            return []
        if isinstance(observation, DeviceEvents):
            self._last_ns = observation.time_ns
            return self.feed.push(observation)
        # Packets overlap by the jitter of their stamps; the samples are in order all the same.
        sample_ns = np.maximum(np.maximum.accumulate(observation.sample_ns), self._last_ns)
        self._last_ns = int(sample_ns[-1])
        return self.segmenter.push(sample_ns, observation.grams)

    def flush(self) -> list[WeightEvent]:
        return (self._source or self.segmenter).flush()

    def silent(self, now_ns: int) -> bool:
        """Tell whether nothing has come for so long that the fixture has dropped out."""
        return now_ns - self._last_ns > SILENCE_NS

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
