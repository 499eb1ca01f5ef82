"""How a fixture shakes: footfalls, hands and rough handling excite its modes, which ring down together.

Figures without another source are read off the public NanoStore recording.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.paths import Array

VIBRATION_HZ = (8.0, 15.0)
MODES = 5  # of a fixture within the band: the first five explain 57-70 % of what its plates do when somebody walks
IN_PHASE = 0.2  # share of a shelf's variance in phase: sums over twelve plates shake 4-8 times as much as a plate
DECAY_S = 0.4  # of the modes: vibration outlives a footfall by about a second
STRIDE_M = 0.7  # from footfall to footfall, of an adult
FOOTFALL_RANGE_M = 1.0  # distance at which a footfall is felt 1/e as much
STRENGTH, STRENGTH_SPREAD = 3.6, 0.4  # median and spread of its logarithm: some reach three times the median
HANDLING = 1.5  # strength of a hand that lands on the shelf, over a footfall's
BURST_S, BURST_LEAST = (2.0, 5.0), 0.25  # how long, and the weakest over the strongest
BURST_HZ = 25.0  # impulses a second within a burst: too many to tell apart


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """Frequencies (M,) and shapes (M, P) of a fixture: with sign, by how much each plate takes part."""

    hertz: Array
    shape: Array


def draw_modes(shelves: NDArray[np.int32], heights_m: Array, rng: np.random.Generator) -> Modes:
    """Draw the modes of a fixture whose plates lie on `shelves` (P,) at `heights_m` (P,)."""
    hertz = rng.uniform(*VIBRATION_HZ, MODES)
    in_phase = rng.normal(size=(MODES, int(shelves.max()) + 1))[:, shelves]
    own = rng.normal(size=(MODES, len(shelves)))
    shape = np.sqrt(IN_PHASE) * in_phase + np.sqrt(1.0 - IN_PHASE) * own
    return Modes(hertz, shape * heights_m / np.sqrt(MODES))  # a fixture sways more at the top


def footfall(distance_m: float, rng: np.random.Generator) -> float:
    """Draw the strength of a footfall; at a metre it keeps a plate one metre high near unit deviation."""
    return float(np.exp(1.0 - distance_m / FOOTFALL_RANGE_M)) * _strength(rng)


def handling(rng: np.random.Generator) -> float:
    """Draw the strength with which a hand lands on a shelf or leaves it."""
    return HANDLING * _strength(rng)


def burst(
    modes: Modes, shelves: NDArray[np.int32], start_s: float, end_s: float, sigma_g: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Draw the impulses of a burst in which the sum over the liveliest shelf shakes with deviation `sigma_g`."""
    sums = np.stack([modes.shape[:, shelves == shelf].sum(axis=1) for shelf in np.unique(shelves)])
    loudest = np.sqrt((sums**2).sum(axis=1).max())
    unit = np.sqrt(BURST_HZ * DECAY_S / 4)  # deviation of a mode under impulses of unit variance (Campbell 1909)
    times = rng.uniform(start_s, end_s, rng.poisson(BURST_HZ * (end_s - start_s)))
    return [
        (float(t), float(s)) for t, s in zip(times, rng.normal(0.0, sigma_g / loudest / unit, len(times)), strict=True)
    ]


def motion(times_s: Array, modes: Modes, impulses: list[tuple[float, float]], rng: np.random.Generator) -> Array:
    """Let impulses (time, grams) move each mode at evenly spaced times (n,); the (n, M) times the shape is force."""
    rate = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    ring_s = np.arange(0.0, 4 * DECAY_S, 1.0 / rate)
    time, strength = np.array(impulses, dtype=np.float64).reshape(-1, 2).T
    index = np.searchsorted(times_s, time)
    within = (time >= times_s[0]) & (index < len(times_s))
    strength = strength[within]
    result = np.empty((len(times_s), len(modes.hertz)))
    for m, hertz in enumerate(modes.hertz):
        signs = rng.choice([-1.0, 1.0], len(strength))
        excitation = np.bincount(index[within], strength * signs, len(times_s))
        response = np.exp(-ring_s / DECAY_S) * np.sin(2 * np.pi * hertz * ring_s)
        result[:, m] = np.convolve(excitation, response)[: len(times_s)]
    return result


def _strength(rng: np.random.Generator) -> float:
    return float(STRENGTH * np.exp(STRENGTH_SPREAD * rng.normal()))
