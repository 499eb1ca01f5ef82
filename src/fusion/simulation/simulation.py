"""Runs the parts in order."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.observations import GateEvent, ItemScores, Observation
from fusion.rig import CameraRig
from fusion.simulation.actions import Visit
from fusion.simulation.cameras import generate_rig, move_rig
from fusion.simulation.clock import epoch_ns
from fusion.simulation.delivery import Arrival, deliver
from fusion.simulation.keypoints import Footage, film
from fusion.simulation.occlusion import fixture_boxes
from fusion.simulation.scales import scale_packets
from fusion.simulation.scripts import write_visits
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.shelf import Stock
from fusion.simulation.store import build_store
from fusion.simulation.tags import tag_reads, tag_units
from fusion.simulation.targets import target_frames
from fusion.simulation.truth import on_shelves, truth_document
from fusion.simulation.vision import item_scores
from fusion.store import Store

TAIL_S = 2.0  # that sensors run on after the last shopper has left
SCALES_DELAY_S, SCALES_JITTER_S = 0.01, 0.003
TARGETS_JITTER_S = 0.05
KEYPOINTS_JITTER_S = 0.02
GATE_DELAY_S = 0.001
VISION_DELAY_S, VISION_JITTER_S = 0.3, 0.1
PARTS = ("store", "stock", "scripts", "scales", "targets", "network", "cameras", "vision", "tags")

Generators = dict[str, np.random.Generator]


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated opening of the store.

    Parameters
    ----------
    settings : SimulationSettings
        What was asked for.
    store : Store
        Fixtures, products, planogram and cameras.
    observations : list of Observation
        In the order of their arrival.
    arrivals_ns : (n,) int64
        When each observation arrived.
    truth : dict
        JSON-ready, of format ``fusion.truth/1``: ``receipts`` (what each shopper carries out; of those who share an
        account the account does, and ``members`` names them; goods sold by weight have ``grams``), ``events`` in order
        of time (``take``, ``return``, ``touch`` or ``pass`` to a ``receiver``; ``misplaced`` if the product's place is
        elsewhere; no product where it is none of the store's) and ``stock``. Where somebody carries out what another
        took, ``receipts_by_taker`` are those by the policy that who took it pays. If there are cameras, also
        ``cameras``, one after the other: ``camera``, ``clock_offset_s`` (how far its time stamps are ahead) and, a
        value a frame, ``time_ns`` (the stamp), ``exposed_ns`` (when it really was) and ``shoppers``, whom each of the
        detections shows, in their order; null for nobody. Where two shoppers came as one or had arms exchanged, whose
        trunk it is counts.
    """

    settings: SimulationSettings
    store: Store
    observations: list[Observation]
    arrivals_ns: NDArray[np.int64]
    truth: dict[str, Any]


def simulate(settings: SimulationSettings | None = None, rig: CameraRig | None = None) -> Simulation:
    """Simulate a store.

    The same settings give the same bytes with the same numpy on the same kind of processor; elsewhere its sines and
    exponentials may differ in the last bit.

    Parameters
    ----------
    settings : SimulationSettings, optional
        Size, behaviour and faults; the defaults otherwise.
    rig : CameraRig, optional
        Cameras, z up and the floor at 0, that are moved over the store's aisle as they hang, in place of generated
        ones; pixels of images of 1 x 1 are scaled to the settings' size.

    Raises
    ------
    TypeError
        If `rig` is no `CameraRig`.
    ValueError
        If `rig` is given and the settings ask for cameras, too.
    RuntimeError
        If there are so many shoppers that they block each other for ten minutes.
    """
    settings = settings or SimulationSettings()
    rng = generators(settings.seed)
    store = _with_cameras(settings, build_store(settings, rng["store"]), rig, rng["cameras"])
    premises = Premises(settings, store, rng)
    return premises.record(write_visits(settings, premises.stock, rng["scripts"]))


def generators(seed: int) -> Generators:
    """Give each part a generator of its own: another noise leaves the script as it was."""
    seeds = np.random.SeedSequence(seed).spawn(len(PARTS))
    return {part: np.random.Generator(np.random.PCG64(own)) for part, own in zip(PARTS, seeds, strict=True)}


class Premises:
    """A stocked store that can be recorded once: all visits act on its `stock`, then its sensors report them."""

    def __init__(self, settings: SimulationSettings, store: Store, rng: Generators) -> None:
        self.settings, self.rng = settings, rng
        self.stock = Stock(store, rng["stock"])
        self.store = tag_units(store, self.stock) if settings.tag_detection else store
        self._opening, self._opening_g = on_shelves(self.stock), self.stock.plates_g()

    def record(self, visits: list[Visit]) -> Simulation:
        """Sense complete visits."""
        settings, rng, store = self.settings, self.rng, self.store
        end_s = max(settings.duration_s, max(visit.path.exit_s for visit in visits) + TAIL_S)
        arrivals: list[Arrival] = [event for visit in visits for event in _gate_events(visit)]
        for fixture in store.fixtures:
            packets = scale_packets(settings, fixture, self._opening_g, visits, end_s, rng["scales"])
            arrivals += deliver(settings, packets, SCALES_DELAY_S, SCALES_JITTER_S, rng["network"])
        if settings.targets:
            frames = target_frames(settings, visits, end_s, rng["targets"])
            arrivals += deliver(settings, frames, settings.targets_delay_s, TARGETS_JITTER_S, rng["network"])
        footage = []
        for camera, own in zip(store.cameras, rng["cameras"].spawn(len(store.cameras)), strict=True):
            footage.append(film(settings, camera, fixture_boxes(store), visits, end_s, own))
            arrivals += _sent(settings, footage[-1], own)
        if settings.vision_accuracy:
            arrivals += _judged(item_scores(settings, store, visits, rng["vision"]), rng["vision"])
        if settings.tag_detection:
            arrivals += [(r.time_ns, r) for r in tag_reads(settings, self.stock, visits, rng["tags"])]
        arrivals.sort(key=lambda arrival: arrival[0])
        return Simulation(
            settings,
            store,
            [observation for _, observation in arrivals],
            np.array([time_ns for time_ns, _ in arrivals], dtype=np.int64),
            truth_document(visits, self._opening, self.stock, footage),
        )


def _with_cameras(settings: SimulationSettings, store: Store, rig: CameraRig | None, rng: np.random.Generator) -> Store:
    if rig is not None:
        validation.instance("rig", rig, CameraRig)
        if settings.cameras:
            raise ValueError(f"cameras must be 0 where a rig is given; got {settings.cameras}")
        return replace(store, cameras=move_rig(settings, rig, store).cameras)
    return replace(store, cameras=generate_rig(settings, store, rng).cameras) if settings.cameras else store


def _sent(settings: SimulationSettings, footage: Footage, rng: np.random.Generator) -> list[Arrival]:
    """Send frames through the network, which knows nothing of a camera's clock."""
    offset_ns = round(footage.clock_offset_s * 1e9)
    arrivals = deliver(settings, footage.frames, settings.keypoints_delay_s, KEYPOINTS_JITTER_S, rng)
    return [(time_ns - offset_ns, frame) for time_ns, frame in arrivals]


def _judged(scores: list[ItemScores], rng: np.random.Generator) -> list[Arrival]:
    """Wait for a vision model."""
    delays_s = VISION_DELAY_S + rng.exponential(VISION_JITTER_S, len(scores))
    return [(score.time_ns + round(1e9 * delay), score) for score, delay in zip(scores, delays_s, strict=True)]


def _gate_events(visit: Visit) -> list[Arrival]:
    delay_ns = round(GATE_DELAY_S * 1e9)
    enter, leave = epoch_ns(visit.path.enter_s), epoch_ns(visit.path.exit_s)
    events = [GateEvent(enter, visit.shopper, "enter", visit.role, visit.account)]
    if visit.seen_leaving:
        events.append(GateEvent(leave, visit.shopper, "exit", visit.role, visit.account))
    return [(event.time_ns + delay_ns, event) for event in events]
