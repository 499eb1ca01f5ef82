"""Runs the parts in order."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.observations import GateEvent, Observation
from fusion.rig import CameraRig
from fusion.simulation.cameras import generate_rig, move_rig
from fusion.simulation.clock import epoch_ns
from fusion.simulation.delivery import Arrival, deliver
from fusion.simulation.keypoints import Footage, film
from fusion.simulation.occlusion import fixture_boxes
from fusion.simulation.scales import scale_packets
from fusion.simulation.scripts import Visit, write_visits
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.shelf import Stock
from fusion.simulation.store import build_store
from fusion.simulation.targets import target_frames
from fusion.simulation.truth import on_shelves, truth_document
from fusion.store import Store

TAIL_S = 2.0  # that sensors run on after the last shopper has left
SCALES_DELAY_S, SCALES_JITTER_S = 0.01, 0.003
TARGETS_JITTER_S = 0.05
KEYPOINTS_JITTER_S = 0.02
GATE_DELAY_S = 0.001
PARTS = ("store", "stock", "scripts", "scales", "targets", "network", "cameras")


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
        JSON-ready, of format ``fusion.truth/1``: ``receipts`` (what each shopper carries out), ``events`` in order of
        time (``take``, ``return`` or ``touch``; ``misplaced`` if the product's place is elsewhere) and ``stock``. If
        there are cameras, also ``cameras``, one after the other: ``camera``, ``clock_offset_s`` (how far its time
        stamps are ahead) and, a value a frame, ``time_ns`` (the stamp), ``exposed_ns`` (when it really was) and
        ``shoppers``, whom each of the detections shows, in their order; null for nobody. Where two shoppers came as
        one or had arms exchanged, whose trunk it is counts.
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
    # Each part draws from a generator of its own: another noise leaves the script as it was.
    seeds = np.random.SeedSequence(settings.seed).spawn(len(PARTS))
    rng = {part: np.random.Generator(np.random.PCG64(seed)) for part, seed in zip(PARTS, seeds, strict=True)}
    store = _with_cameras(settings, build_store(settings, rng["store"]), rig, rng["cameras"])
    stock = Stock(store, rng["stock"])
    opening, opening_g = on_shelves(stock), stock.plates_g()
    visits = write_visits(settings, stock, rng["scripts"])
    end_s = max(settings.duration_s, max(visit.path.exit_s for visit in visits) + TAIL_S)

    arrivals: list[Arrival] = [event for visit in visits for event in _gate_events(visit)]
    for fixture in store.fixtures:
        packets = scale_packets(settings, fixture, opening_g, visits, end_s, rng["scales"])
        arrivals += deliver(settings, packets, SCALES_DELAY_S, SCALES_JITTER_S, rng["network"])
    if settings.targets:
        frames = target_frames(settings, visits, end_s, rng["targets"])
        arrivals += deliver(settings, frames, settings.targets_delay_s, TARGETS_JITTER_S, rng["network"])
    footage = []
    for camera, own in zip(store.cameras, rng["cameras"].spawn(len(store.cameras)), strict=True):
        footage.append(film(settings, camera, fixture_boxes(store), visits, end_s, own))
        arrivals += _sent(settings, footage[-1], own)
    arrivals.sort(key=lambda arrival: arrival[0])
    return Simulation(
        settings,
        store,
        [observation for _, observation in arrivals],
        np.array([time_ns for time_ns, _ in arrivals], dtype=np.int64),
        truth_document(visits, opening, stock, footage),
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


def _gate_events(visit: Visit) -> list[Arrival]:
    delay_ns = round(GATE_DELAY_S * 1e9)
    enter, leave = epoch_ns(visit.path.enter_s), epoch_ns(visit.path.exit_s)
    return [
        (enter + delay_ns, GateEvent(enter, visit.shopper, "enter")),
        (leave + delay_ns, GateEvent(leave, visit.shopper, "exit")),
    ]
