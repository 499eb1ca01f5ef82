"""The engine: observations in, in any order and any cut; interactions, carts and receipts out, in event time.

A watermark trails the newest event time by ``lateness_s``. Observations wait behind it, are put in order, and pass
once; what comes later than the watermark is counted, and neither used nor lost silently.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from fusion import validation
from fusion.accounts import Party, Visits
from fusion.association import Associator
from fusion.carts import cart
from fusion.confidence import ConfidenceModel
from fusion.engine_settings import EngineSettings
from fusion.fixture_scales import Scale
from fusion.hand_watch import HandWatch
from fusion.interactions import begun, caused, joints_of, met, span_of, when_grasped
from fusion.looks import FOREVER_NS, Looks, Span
from fusion.meetings import Meetings
from fusion.observations import NS, DeviceEvents, GateEvent, ItemScores, Observation, ScalePacket, TagReads, Targets
from fusion.ordering import ReorderBuffer
from fusion.receipts import Health, Interaction, Outcome, Receipt
from fusion.second_thoughts import Told
from fusion.segmentation import WeightEvent
from fusion.sight import Sight
from fusion.store import Store
from fusion.tag_gate import TagGate

DETECTION_NS = NS
"""By then the segmentation has noticed a change that began."""
MEMORY_NS = 60 * NS
"""Hands are remembered for as long as an event is open, but no longer than this."""


class Engine:
    """Turns a store's observations into receipts.

    Parameters
    ----------
    store : Store
        What is fixed.
    settings : EngineSettings, optional
        How to wait and decide.
    confidence : ConfidenceModel, optional
        Calibrates the confidence of lines and receipts; without it they are the association's own posteriors.

    Examples
    --------
    >>> engine = Engine(store)                        # doctest: +SKIP
    >>> for observation in recording:                 # doctest: +SKIP
    ...     for interaction in engine.push([observation]):
    ...         print(interaction.kind, interaction.candidates[:1])
    >>> engine.finish().receipts                      # doctest: +SKIP
    """

    def __init__(
        self, store: Store, settings: EngineSettings | None = None, *, confidence: ConfidenceModel | None = None
    ) -> None:
        self._store = store
        if confidence is not None:
            validation.instance("confidence", confidence, ConfidenceModel)
        self._confidence = confidence
        self._settings = s = settings or EngineSettings()
        self._buffer = ReorderBuffer(round(s.lateness_s * NS))
        self._grasp_ns = round(s.grasp_s * NS)
        self._scales = {f.id: Scale(f, store.planogram, s.rate_hz, s.segmentation) for f in store.fixtures}
        self._associator = Associator(store, settings=s.association, meetings=s.meetings)
        self._sight = Sight(store, s.tracking)
        lateness_ns = round(s.tracking.lateness_s * NS)
        meetings = Meetings(store, s.meetings, lateness_ns) if s.payer == "carrier" else None
        self._watch = HandWatch(meetings, {f.id for f in store.fixtures})
        self._looks, self._tags = Looks(store, s.looks, self._sight.between), TagGate(store, s.looks)
        self._wait_ns = self._grasp_ns + round(max(s.segmentation.merge_s, s.tracking.lateness_s) * NS)
        self._now_ns = 0
        self._waiting: list[tuple[int, str, int, WeightEvent]] = []
        self._interactions: dict[str, Interaction] = {}
        self._visits = Visits(round(s.absence_s * NS), self._associator.employ)
        self._receipts: list[Receipt] = []

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
        self._sight.flush()
        self._watch.flush(self._sight.between)
        for scale in self._scales.values():
            self._enqueue(scale, scale.flush())
        self._associate(up_to_ns=None)
        self._weigh_tags(FOREVER_NS, FOREVER_NS)
        self._looks.flush()
        self._tags.flush()
        self._close(self._visits.shoppers)
        return self.outcome()

    def outcome(self) -> Outcome:
        """Tell receipts, interactions and health as of now."""
        interactions = self._revised()
        open_ = self._carts(self._visits.parties(), interactions, final=False)
        plates = [entry for scale in self._scales.values() for entry in scale.health(self._now_ns)]
        cameras, late = tuple(self._sight.health(self._now_ns)), self._buffer.late + self._sight.late
        unused = self._sight.refused + self._looks.unused + self._tags.unused
        unknown = self._looks.unknown + self._tags.unknown
        devices = tuple(entry for scale in self._scales.values() for entry in scale.device_health())
        health = Health(tuple(plates), cameras, late, self._buffer.duplicates, unused, devices, unknown)
        return Outcome((*self._receipts, *open_), interactions, health)

    def _check(self, observation: object) -> None:
        if not isinstance(observation, Observation):
            raise TypeError(f"observations must be of fusion.observations; got {type(observation).__name__}")
        self._sight.check(observation)
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
        self._sight.see(observation)
        match observation:
            case ScalePacket(fixture=fixture) | DeviceEvents(fixture=fixture):
                scale = self._scales[fixture]
                self._enqueue(scale, scale.push(observation))
            case Targets(shoppers=shoppers, time_ns=time_ns):
                self._visits.see(shoppers, time_ns)
            case GateEvent():
                self._visits.pass_gate(observation)
            case ItemScores():
                self._looks.see(observation)
            case TagReads():
                self._tags.see(observation)
        self._watch.see(self._sight.between, self._now_ns)
        self._settle()

    def _enqueue(self, scale: Scale, events: list[WeightEvent]) -> None:
        for event in events:
            for ready in scale.second_thoughts.hear(event, scale.last_ns):
                heapq.heappush(self._waiting, (ready.end_ns, scale.fixture, ready.id, ready))

    def _associate(self, up_to_ns: int | None) -> None:
        """Explain the waiting events that ended long enough before a time, in order of their ends."""
        wait_ns = max(self._wait_ns, self._looks.wait_ns)
        while self._waiting and (up_to_ns is None or self._waiting[0][0] + wait_ns < up_to_ns):
            self._meet(self._waiting[0][-1].step_ns)
            _, fixture, _, event = heapq.heappop(self._waiting)
            scale = self._scales[fixture]
            told = scale.second_thoughts.tell(event, scale.noise_g)
            interaction = begun(scale, event, told)
            if told is not None:
                interaction = self._explained(scale, told, interaction)
            self._interactions[interaction.id] = interaction
        self._meet(FOREVER_NS if up_to_ns is None else up_to_ns - wait_ns)

    def _meet(self, up_to_ns: int) -> None:
        """Explain hands that met before a time, once everything is explained that moved before they met."""

        def unexplained_ns() -> int:
            return min([*(event.step_ns for *_, event in self._waiting), *self._open_since_ns()], default=FOREVER_NS)

        for name, meeting in self._watch.due(up_to_ns, unexplained_ns):
            interaction = met(name, meeting)
            causes = self._associator.meet(interaction.id, meeting.shoppers, meeting.log_ratio, meeting.time_ns)
            if causes:
                self._interactions[interaction.id] = caused(interaction, causes)

    def _explained(self, scale: Scale, told: Told, interaction: Interaction) -> Interaction:
        event = told.event
        start_ns = min([event.start_ns, *(link.earlier.event.start_ns for link in told.links)])
        paths = self._sight.between(start_ns - self._grasp_ns, event.end_ns + self._grasp_ns)
        when = when_grasped(event, paths.time_ns, self._grasp_ns)
        vision = self._looks.of(span_of(scale, event), self._others(), paths.shoppers, interaction.id)
        joints = joints_of(scale, told, when, paths, self._grasp_ns, self._looks)
        causes = self._associator.associate(
            interaction.id,
            [scale.plates[i] for i in told.change.plates],
            told.change.delta_g,
            told.change.sigma_g,
            paths.shoppers,
            paths.hands_m,
            hands_var_m2=paths.var_m2,
            when=when,
            vision=vision,
            doubted=told.doubted,
            time_ns=event.step_ns,
            joints=joints,
        )
        self._visits.see((s for s in paths.shoppers if self._sight.is_stranger(s)), event.end_ns)
        return caused(interaction, causes)

    def _others(self) -> Iterator[Span]:
        """Events that are not explained yet, and of which looks may be as well."""
        for _, fixture, _, event in self._waiting:
            yield span_of(self._scales[fixture], event)
        for scale in self._scales.values():
            for event in scale.second_thoughts.waiting:
                yield span_of(scale, event)
            for event in scale.second_thoughts.unsettled:
                yield span_of(scale, event)._replace(end_ns=FOREVER_NS)

    def _revised(self) -> tuple[Interaction, ...]:
        """Give all interactions the causes that hold now."""
        return tuple(
            caused(i, self._associator.candidates(i.id)) if self._associator.knows(i.id) else i
            for i in self._interactions.values()
        )

    def _settle(self) -> None:
        """Close the receipts of shoppers who left before anything that is still open; forget old hands."""
        starts = [event.start_ns for *_, event in self._waiting]
        starts += [*self._open_since_ns(), *self._watch.open_since_ns]
        safe_ns = min([self._now_ns - DETECTION_NS, *starts])
        for stranger in (s for s in self._visits.shoppers if self._sight.is_stranger(s)):
            if self._sight.is_gone(stranger, safe_ns):
                self._visits.leave(stranger, safe_ns - 1)
        self._visits.miss(self._sight.watched_ns, self._sight.last_seen)
        held = self._weigh_tags(safe_ns, self._now_ns)
        self._close(self._visits.closing(safe_ns, held))
        before_ns = max(safe_ns, self._now_ns - MEMORY_NS)
        self._looks.forget(before_ns)
        self._sight.forget(before_ns - self._grasp_ns)

    def _open_since_ns(self) -> list[int]:
        """When everything began that is not told yet of the scales."""
        starts = [event.start_ns for scale in self._scales.values() for event in scale.second_thoughts.waiting]
        return starts + [t for scale in self._scales.values() if (t := scale.open_since_ns(self._now_ns)) is not None]

    def _weigh_tags(self, safe_ns: int, now_ns: int) -> set[str]:
        """Hold what the gate's antenna read against what those may carry who left; return who waits for that."""
        passages, held = self._tags.passages(self._visits.left_ns, safe_ns, now_ns)
        for passage in passages:
            self._associator.weigh(passage.shoppers, partial(self._tags.log_likelihood, passage.tags))
            basket, _ = self._associator.baskets(*passage.shoppers)[0]
            if suspects := self._tags.suspects(passage.tags, basket):
                self._visits.doubt(passage.shoppers, suspects)
        return held

    def _close(self, shoppers: list[str]) -> None:
        """Write final receipts and forget the shoppers."""
        if not shoppers:
            return
        parties = [party for party in self._visits.parties() if set(party.shoppers) & set(shoppers)]
        self._receipts += self._carts(parties, self._revised(), final=True)
        for shopper in shoppers:
            self._associator.leave(shopper)
        self._visits.close(shoppers)

    def _carts(self, parties: list[Party], interactions: tuple[Interaction, ...], *, final: bool) -> list[Receipt]:
        """Write receipts; of tracks of nobody known, those that have lines, for a person to look at."""
        s, strange = self._settings, self._sight.is_stranger
        judging = (s.review_below, s.review, self._confidence)
        receipts = []
        for p in parties:
            baskets = self._associator.baskets(*p.shoppers)
            receipt = cart(self._store, p.payer, baskets, interactions, *judging, final=final, members=p.members)
            suspects = p.suspects.union(*map(self._associator.exchanged, p.shoppers))
            if p.doubtful or strange(p.payer) or not suspects.isdisjoint(line.product for line in receipt.lines):
                lines = (replace(x, needs_review=x.needs_review or x.product in suspects) for x in receipt.lines)
                receipt = replace(receipt, needs_review=True, lines=tuple(lines))
            if receipt.lines or not strange(p.payer):
                receipts.append(receipt)
        return receipts
