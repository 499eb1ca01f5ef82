"""What the load cells feel: loads that come and go, pushes, ringing, cross-talk and the shaking of the fixture.

Figures without another source are read off the public NanoStore recording.
"""

import numpy as np

from fusion.simulation.paths import Array, progress
from fusion.simulation.scripts import Action, Visit
from fusion.simulation.settings import SimulationSettings
from fusion.store import Fixture

STEP_S = (0.05, 0.1)  # from full load to none: four samples at 60 Hz
PUSH_G, PUSH_S = (10.0, 30.0), (0.05, 0.2)  # the hand, before it lifts or after it puts down
RINGING, RINGING_S = (0.005, 0.03), (0.1, 0.25)  # amplitude over the step, and decay
VIBRATION_HZ = (8.0, 15.0)
CROSSTALK = (0.01, 0.02)  # of a plate's load, to each neighbour
MODES = 3  # of a fixture within the band
DECAY_S = 0.4  # of the modes: vibration outlives a footfall by about a second
STRIDE_M = 0.7  # from footfall to footfall, of an adult
FOOTFALL_RANGE_M = 1.0  # distance at which a footfall is felt 1/e as much
BURST_SPREAD = 0.6  # of the logarithm of a burst's strength: bursts reach six times the median
HANDLING = 1.5  # strength of a hand that lands on the shelf, over a footfall's
TOUCH_EDGE_S = 0.1  # for a hand to press and to let go


def forces_g(
    settings: SimulationSettings, fixture: Fixture, visits: list[Visit], times_s: Array, rng: np.random.Generator
) -> Array:
    """Compute the true force on each plate relative to the start, (n, P) grams."""
    column = {plate.id: i for i, plate in enumerate(fixture.plates)}
    actions = [a for v in visits for a in v.actions if next(iter(a.loads_g)) in column]
    forces = np.zeros((len(times_s), len(column)))
    for action in sorted(actions, key=lambda a: a.time_s):
        touched = [column[plate] for plate in action.loads_g]
        forces[:, touched] += _course(action, times_s, rng)
    return forces @ _crosstalk(fixture, rng) + vibration_g(settings, fixture, visits, actions, times_s, rng)


def _course(action: Action, times_s: Array, rng: np.random.Generator) -> Array:
    """Compute the force of one action on the plates that it touches, (n, plates)."""
    loads = np.array(list(action.loads_g.values()))
    if action.kind == "touch":
        _, down, up, _ = action.reach_s
        rise, fall = (progress((times_s - t) / TOUCH_EDGE_S + 0.5) for t in (down, up))
        return np.asarray((rise - fall)[:, None] * loads)
    width = rng.uniform(*STEP_S)
    since = times_s - action.time_s
    step = progress(since / width + 0.5)
    after = np.maximum(since - width / 2, 0.0)
    frequency = rng.uniform(*VIBRATION_HZ)
    ringing = rng.uniform(*RINGING) * np.exp(-after / rng.uniform(*RINGING_S)) * np.sin(2 * np.pi * frequency * after)
    push_s = rng.uniform(*PUSH_S)
    middle = (width + push_s) / 2 * (-1.0 if action.kind == "take" else 1.0)
    bump = np.clip(1.0 - 2.0 * np.abs(since - middle) / push_s, 0.0, 1.0)
    push = rng.uniform(*PUSH_G) * progress(bump)
    return np.asarray((step + ringing)[:, None] * loads + push[:, None] * np.abs(loads) / np.abs(loads).sum())


def _crosstalk(fixture: Fixture, rng: np.random.Generator) -> Array:
    """Draw the matrix by which neighbours carry part of each other's load; the sum over a shelf stays."""
    n = len(fixture.plates)
    matrix = np.eye(n)
    first = 0
    for shelf in fixture.shelves:
        for i in range(first, first + len(shelf.plates) - 1):
            share = rng.uniform(*CROSSTALK)
            matrix[i : i + 2, i : i + 2] += share * np.array([[-1.0, 1.0], [1.0, -1.0]])
        first += len(shelf.plates)
    return matrix


def vibration_g(
    settings: SimulationSettings,
    fixture: Fixture,
    visits: list[Visit],
    actions: list[Action],
    times_s: Array,
    rng: np.random.Generator,
) -> Array:
    """Shake the fixture: every footfall and every hand excites its modes, which ring down together, (n, P) grams."""
    impulses = _footfalls(fixture, visits, rng)
    impulses += [(t, HANDLING * _burst(rng)) for action in actions for t in action.reach_s[1:3]]
    rate = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    ring_s = np.arange(0.0, 4 * DECAY_S, 1.0 / rate)
    centers = np.array([plate.box.center_m[2] for plate in fixture.plates])
    result = np.zeros((len(times_s), len(centers)))
    for _ in range(MODES):
        frequency = rng.uniform(*VIBRATION_HZ)
        shape = rng.normal(0.0, 1.0 / np.sqrt(MODES), len(centers)) * centers  # a fixture sways more at the top
        excitation = np.zeros(len(times_s))
        for time, strength in impulses:
            k = int(np.searchsorted(times_s, time))
            if k < len(times_s):
                excitation[k] += strength * rng.choice([-1.0, 1.0])
        response = np.exp(-ring_s / DECAY_S) * np.sin(2 * np.pi * frequency * ring_s)
        result += np.convolve(excitation, response)[: len(times_s), None] * shape
    return settings.vibration_g * result


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
            result.append((float(times[k]), float(np.exp(1.0 - distance / FOOTFALL_RANGE_M)) * _burst(rng)))
    return result


def _burst(rng: np.random.Generator) -> float:
    """Strength of an impulse; scaled so that footfalls a metre away keep a plate at 1 m near unit deviation."""
    return float(3.0 * np.exp(BURST_SPREAD * rng.normal()))
