"""What a plate feels when something is put, taken, pressed or leaned on, and what of it its neighbours feel.

Each function adds one course to `forces` (n, P), grams, at ascending times (n,), seconds, and touches no sample
outside that course. Figures without another source are read off the public NanoStore recording.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.paths import Array, progress

STEP_S = (0.05, 0.1)  # from full load to none: four samples at 60 Hz
PUSH_G, PUSH_S = (10.0, 60.0), (0.05, 0.2)  # the hand, before it lifts or after it puts down; 53 g over 0.18 s
RINGING, RINGING_S = (0.005, 0.03), (0.1, 0.25)  # amplitude over the step, and decay
RINGING_HZ = (8.0, 15.0)
# Strain gauges creep for minutes: OIML R60 allows a cell of class C3 0.025 % of its load in 30 min, most of it in the
# first; plates on four cheap cells are several times worse. Drawn over the mean that is set, 0.4 to 2 times it.
CREEP_SPREAD, CREEP_S = (0.4, 2.0), (10.0, 60.0)
CREEP_END = 6.0  # time constants after which nothing more is felt
PRESS_EDGE_S = (0.1, 0.3)  # for a hand to press and to let go
# A hand keeps its force to some 2 % within a second (Jones, Hamilton and Wolpert 2002), at the 8-12 Hz of
# physiological tremor (McAuley and Marsden 2000), but wanders where nobody watches it: 15 %, a wide guess.
TREMOR, TREMOR_HZ, TREMOR_WIDTH_HZ = 0.02, (8.0, 12.0), 1.0
WANDER, WANDER_HZ = 0.15, (0.1, 1.0)
WAVES = 3  # sinusoids whose sum makes a narrow band; their number only sets how its strength swells
# How people lean on shelves nobody has published: a forearm or a hip, a few plates wide, with postural sway.
LEAN_G, LEAN_S, LEAN_EDGE_S, LEAN_WIDTH = (20.0, 150.0), (2.0, 10.0), (0.5, 2.0), (1.0, 3.0)
SWAY, SWAY_HZ = 0.2, (0.2, 1.0)
# At the pick of the recording, -622.9 g (its plate kept the full mass), the next plate to the left showed -1.0 %, the
# one after it -1.6 %, the next to the right 0.0 %, and all three still did when the recording ended 4.5 s later.
REACH, COUPLED, CROSSTALK_SPREAD = 2, 2.0 / 3.0, (2.0 / 3.0, 4.0 / 3.0)


def add_step(
    forces: Array,
    times_s: Array,
    time_s: float,
    columns: Sequence[int],
    loads_g: Array,
    creep: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Put loads on plates, or take them away where negative, with the push of the hand, ringing and creep.

    Parameters
    ----------
    forces, times_s : (n, P) and (n,) float64
        Added to in place; when.
    time_s : float
        When half of the load has moved.
    columns, loads_g : (k,)
        Which plates, and what comes onto each.
    creep : float
        Typical share of the load that follows slowly.
    rng : numpy.random.Generator
        Draws how quickly, how hard and how well damped.

    Returns
    -------
    start_s, end_s : float
        The hand's first push or the first of the load, and the last of both; ringing and creep go on.
    """
    width, push_s = rng.uniform(*STEP_S), rng.uniform(*PUSH_S)
    frequency, decay_s = rng.uniform(*RINGING_HZ), rng.uniform(*RINGING_S)
    creeping, creep_s = creep * rng.uniform(*CREEP_SPREAD), rng.uniform(*CREEP_S)
    takes = bool(loads_g.sum() < 0.0)
    middle = (width + push_s) / 2 * (-1.0 if takes else 1.0)
    start_s = float(time_s - width / 2 - (push_s if takes else 0.0))
    end_s = float(time_s + width / 2 + (0.0 if takes else push_s))
    first, settled, last = np.searchsorted(times_s, (start_s, end_s + 10 * decay_s, time_s + CREEP_END * creep_s))

    since = times_s[first:last] - time_s
    after = np.maximum(since - width / 2, 0.0)
    course = progress(since / width + 0.5) + creeping * (1.0 - np.exp(-after / creep_s))
    near = slice(0, settled - first)
    after = after[near]
    course[near] += rng.uniform(*RINGING) * np.exp(-after / decay_s) * np.sin(2 * np.pi * frequency * after)
    push = rng.uniform(*PUSH_G) * progress(np.clip(1.0 - 2.0 * np.abs(since[near] - middle) / push_s, 0.0, 1.0))
    for column, load in zip(columns, loads_g, strict=True):
        forces[first:last, column] += load * course
        forces[first:settled, column] += push * (abs(load) / np.abs(loads_g).sum())
        forces[last:, column] += load * (1.0 + creeping)
    return start_s, end_s


def add_press(
    forces: Array,
    times_s: Array,
    start_s: float,
    end_s: float,
    columns: Sequence[int],
    loads_g: Array,
    rng: np.random.Generator,
) -> None:
    """Rest a hand on plates from `start_s` to `end_s`: a force that wanders and trembles, and is gone afterwards."""
    edge_s = min(rng.uniform(*PRESS_EDGE_S), (end_s - start_s) / 2)
    wander = _waves(rng.uniform(*WANDER_HZ, WAVES), rng)
    tremor = _waves(rng.uniform(*TREMOR_HZ) + rng.uniform(-TREMOR_WIDTH_HZ, TREMOR_WIDTH_HZ, WAVES), rng)
    first, last = np.searchsorted(times_s, (start_s, end_s))
    times = times_s[first:last]
    course = progress((times - start_s) / edge_s) * progress((end_s - times) / edge_s)
    course *= 1.0 + WANDER * _sum_of(wander, times) + TREMOR * _sum_of(tremor, times)
    for column, load in zip(columns, loads_g, strict=True):
        forces[first:last, column] += load * course


def add_lean(
    forces: Array,
    times_s: Array,
    start_s: float,
    end_s: float,
    columns: Sequence[int],
    peak_g: float,
    rng: np.random.Generator,
) -> Array:
    """Lean a body against a shelf: slow forces over several of its plates, and back to zero.

    Returns
    -------
    profile_g : (k,) float64
        What each of the plates `columns`, which lie side by side, feels in the middle of it.
    """
    middle, width = rng.uniform(0, len(columns)), rng.uniform(*LEAN_WIDTH)
    profile = peak_g * np.exp(-0.5 * ((np.arange(len(columns)) + 0.5 - middle) / width) ** 2)
    rise_s, fall_s = np.minimum(rng.uniform(*LEAN_EDGE_S, 2), (end_s - start_s) / 2)
    sway = _waves(rng.uniform(*SWAY_HZ, WAVES), rng)
    first, last = np.searchsorted(times_s, (start_s, end_s))
    times = times_s[first:last]
    course = progress((times - start_s) / rise_s) * progress((end_s - times) / fall_s)
    course *= 1.0 + SWAY * _sum_of(sway, times)
    for column, load in zip(columns, profile, strict=True):
        forces[first:last, column] += load * course
    return np.asarray(profile)


def crosstalk_matrix(shelves: NDArray[np.int32], share: float, rng: np.random.Generator) -> Array:
    """Draw what share of the load of plate i (row) plate j (column) shows besides, (P, P); its diagonal is zero.

    Parameters
    ----------
    shelves : (P,) int32
        Shelf of each plate; plates of a shelf lie side by side.
    share : float
        Typical share where two plates are coupled.
    rng : numpy.random.Generator
        Draws which are, and how much.
    """
    apart = np.abs(np.subtract.outer(np.arange(len(shelves)), np.arange(len(shelves))))
    near = (apart > 0) & (apart <= REACH) & np.equal.outer(shelves, shelves)
    coupled = near & (rng.random(apart.shape) < COUPLED)
    return np.asarray(np.where(coupled, share * rng.uniform(*CROSSTALK_SPREAD, apart.shape), 0.0))


def _waves(hertz: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    return hertz, rng.uniform(0.0, 2 * np.pi, len(hertz))


def _sum_of(waves: tuple[Array, Array], times_s: Array) -> Array:
    """Add sinusoids to a course of unit variance."""
    total = np.zeros(len(times_s))
    for hertz, phase in zip(*waves, strict=True):
        total += np.sin(2 * np.pi * hertz * times_s + phase)
    total *= np.sqrt(2.0 / WAVES)
    return total
