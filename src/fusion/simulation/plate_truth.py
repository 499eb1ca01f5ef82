"""What a simulation of plates alone tells: readings, and what really happened."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.paths import Array
from fusion.simulation.plate_settings import PlateSettings

NuisanceKind = Literal["touch", "hold", "lean", "walk", "burst", "glitch", "rezero"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of load: something was put on plates, or taken from them.

    Parameters
    ----------
    time_ns : int
        When half of the load had moved.
    start_ns, end_ns : int
        The first of the hand's push or of the load, and the last; ringing (0.1 to 0.25 s) and creep go on. A hold
        that ends with it is a nuisance of its own.
    plates : tuple of int
        Columns.
    delta_g : tuple of float
        True change of the load on each of them, grams; readings show it times the plate's gain, and creep besides.
    """

    time_ns: int
    start_ns: int
    end_ns: int
    plates: tuple[int, ...]
    delta_g: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Nuisance:
    """Something that shows in the readings and changes no load.

    Parameters
    ----------
    kind : {"touch", "hold", "lean", "walk", "burst", "glitch", "rezero"}
        A touch presses for 0.3 to 1.5 s; a hold, the rest of a hand for 1 to 12 s, may end with a change.
    start_ns, end_ns : int
        First and last; equal for a glitch, the time of its sample, and a re-zeroing, that of the first new sample.
    plates : tuple of int
        Columns touched; all that shake or are tared.
    force_g : tuple of float
        What each of them feels in the middle of it; of a burst, the deviation of the liveliest shelf's sum; of a
        glitch, by how much the sample is off; NaN for a walk and a re-zeroing.
    """

    kind: NuisanceKind
    start_ns: int
    end_ns: int
    plates: tuple[int, ...]
    force_g: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PlateSimulation:
    """An hour, or so, of one fixture.

    The bound on the error of any estimate of a change follows from `noise_g`: it is what the readings would have been
    with nothing on the plates and nobody's hands there, through the same converters (the same samples repeated and
    missing, the same quantum), so that a judge can take its variance and correlation around any change.

    Parameters
    ----------
    settings : PlateSettings
        What was asked for.
    rate_hz : float
        Samples a second.
    groups : (P,) int32
        Shelf of each column; phantoms are on theirs.
    facings : tuple of tuples of int
        Columns of each product's place, side by side.
    sample_ns : (n,) int64
        Nanoseconds since the Unix epoch, ascending; evenly spaced but for lost packets, whose samples are absent.
    grams : (n, P) float32
        Readings; only differences mean anything. NaN where missing.
    noise_g : (n, P) float32
        White noise, drift and vibration alone.
    changes : tuple of Change
        In order of time.
    nuisances : tuple of Nuisance
        In order of their start.
    opening_g : (P,) float64
        Loads at the start.
    gain : (P,) float64
        Of each plate.
    white_g : (P,) float64
        Standard deviation of its white noise, grams.
    crosstalk : (P, P) float64
        What share of the load of plate i (row) plate j (column) shows besides, for as long as it lies there: a change
        of i shows on j as ``delta_g[i] * crosstalk[i, j]``, though the load of j stays.
    phantom : (P,) bool
        Columns without a plate.
    """

    settings: PlateSettings
    rate_hz: float
    groups: NDArray[np.int32]
    facings: tuple[tuple[int, ...], ...]
    sample_ns: NDArray[np.int64]
    grams: NDArray[np.float32]
    noise_g: NDArray[np.float32]
    changes: tuple[Change, ...]
    nuisances: tuple[Nuisance, ...]
    opening_g: Array
    gain: Array
    white_g: Array
    crosstalk: Array
    phantom: NDArray[np.bool_]
