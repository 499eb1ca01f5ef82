"""The scales of the store: shoppers' hands, feet and bodies act on fixtures, whose converters send packets."""

import numpy as np

from fusion.observations import ScalePacket
from fusion.simulation.actions import Action, Visit
from fusion.simulation.clock import epoch_ns
from fusion.simulation.converters import read
from fusion.simulation.forces import LEAN_G, add_lean, add_press, add_step, crosstalk_matrix
from fusion.simulation.paths import Array
from fusion.simulation.settings import SimulationSettings
from fusion.simulation.vibration import BURST_LEAST, BURST_S, STRIDE_M, burst, draw_modes, footfall, handling, motion
from fusion.store import Fixture

RATE_HZ = 60.0
SAMPLES = 12  # of a packet
CLOCK_SPREAD = 2e-5  # relative deviation of a quartz
JITTER_S = 0.002  # of a packet's time stamp


def scale_packets(
    settings: SimulationSettings,
    fixture: Fixture,
    opening_g: dict[str, float],
    visits: list[Visit],
    end_s: float,
    rng: np.random.Generator,
) -> list[ScalePacket]:
    """Record one fixture, on whose plates lies `opening_g` at the start, from then to `end_s`."""
    interval = 1.0 / (RATE_HZ * (1.0 + CLOCK_SPREAD * rng.normal()))
    count = int(end_s / interval) // SAMPLES
    times: Array = interval * np.arange(count * SAMPLES, dtype=np.float64) + rng.uniform(0.0, SAMPLES * interval)
    shelves = np.repeat(np.arange(len(fixture.shelves), dtype=np.int32), [len(s.plates) for s in fixture.shelves])
    column = {plate.id: i for i, plate in enumerate(fixture.plates)}
    actions = [a for v in visits for a in v.actions if any(plate in column for plate in a.loads_g)]

    forces = np.zeros((len(times), len(column)))
    for action in sorted(actions, key=lambda a: a.time_s):
        _act(settings, action, column, shelves, forces, times, rng)
    forces += forces @ crosstalk_matrix(shelves, settings.crosstalk, rng)
    vibration = _vibration_g(settings, fixture, shelves, visits, actions, times, rng)
    opening = np.array([opening_g.get(plate.id, 0.0) for plate in fixture.plates])
    taring = np.sort(rng.integers(1, len(times), rng.poisson(settings.rezeros_per_hour * end_s / 3600.0)))
    grams = read(settings, times, forces, vibration, opening, taring, rng).grams

    # The receiver stamps the last sample of a packet and counts back.
    stamps = times[SAMPLES - 1 :: SAMPLES] + np.clip(rng.normal(0.0, JITTER_S, count), -3 * JITTER_S, 3 * JITTER_S)
    back_ns = np.round(np.arange(SAMPLES - 1, -1, -1) * 1e9 / RATE_HZ).astype(np.int64)
    return [
        ScalePacket(fixture.id, epoch_ns(stamp) - back_ns, block)
        for stamp, block in zip(stamps, grams.reshape(count, SAMPLES, -1), strict=True)
    ]


def _act(
    settings: SimulationSettings,
    action: Action,
    column: dict[str, int],
    shelves: np.ndarray,
    forces: Array,
    times_s: Array,
    rng: np.random.Generator,
) -> None:
    """Add what one action does to the plates that it touches, and to those on which its shopper leans meanwhile."""
    touched = [column[plate] for plate in action.loads_g]
    loads = np.array(list(action.loads_g.values()))
    out, down, up, home = action.reach_s
    if action.kind == "touch":
        add_press(forces, times_s, down, up, touched, loads, rng)
    else:
        _, end_s = add_step(forces, times_s, action.time_s, touched, loads, settings.creep, rng)
        if action.held_g > 0.0:
            held = action.held_g * np.abs(loads) / np.abs(loads).sum()
            add_press(forces, times_s, down, end_s, touched, held, rng)
    if rng.random() < settings.lean_probability:
        shelf = np.flatnonzero(shelves == shelves[touched[0]]).tolist()
        add_lean(forces, times_s, out, home, shelf, rng.uniform(*LEAN_G), rng)


def _vibration_g(
    settings: SimulationSettings,
    fixture: Fixture,
    shelves: np.ndarray,
    visits: list[Visit],
    actions: list[Action],
    times_s: Array,
    rng: np.random.Generator,
) -> Array:
    """Shake the fixture: footfalls, hands and bursts, (n, P) grams."""
    modes = draw_modes(shelves, np.array([plate.box.center_m[2] for plate in fixture.plates]), rng)
    impulses = _footfalls(fixture, visits, rng)
    impulses += [(t, handling(rng)) for action in actions for t in action.reach_s[1:3]]
    impulses = [(time, settings.vibration_g * strength) for time, strength in impulses]
    for start_s in rng.uniform(0.0, times_s[-1], rng.poisson(settings.bursts_per_hour * times_s[-1] / 3600.0)):
        sigma_g = settings.burst_g * rng.uniform(BURST_LEAST, 1.0)
        impulses += burst(modes, shelves, start_s, start_s + rng.uniform(*BURST_S), sigma_g, rng)
    return np.asarray(motion(times_s, modes, impulses, rng) @ modes.shape)


def _footfalls(fixture: Fixture, visits: list[Visit], rng: np.random.Generator) -> list[tuple[float, float]]:
    """List when somebody's foot lands and how strongly the fixture feels it."""
    center = np.mean([plate.box.center_m[:2] for plate in fixture.plates], axis=0)
    result = []
    for visit in visits:
        times = np.arange(visit.path.enter_s, visit.path.exit_s, 0.05)
        positions = visit.path.positions_m(times)
        way = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(positions, axis=0) ** 2).sum(axis=1)))])
        for k in np.flatnonzero(np.diff(way // STRIDE_M)) + 1:
            distance = np.sqrt(((positions[k] - center) ** 2).sum())
            result.append((float(times[k]), footfall(float(distance), rng)))
    return result
