"""From force to readings: gain, capacity, tare, drift, noise, glitches, repeated samples and quantisation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.paths import Array
from fusion.simulation.scale_settings import ScaleSettings

TARE_G = (-5000.0, 9000.0)
QUANTUM_G = 0.241
NOISE_SPREAD = 0.35  # of its logarithm: nine in ten plates lie within 0.4 and 1.2 g
GLITCH_G = (30.0, 270.0)
TARED = 12  # samples whose mean becomes the new zero
THERMAL_S = (
    600.0,
    1800.0,
)  # an air conditioner's or a chiller's cycle: by 1 K, and cells drift by 4 g of 20 kg in 10 K
SHARED = 2  # neighbouring plates on one converter: in the public recording they repeat samples together


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What plates report, (n, P) float32 grams, and the facts behind it.

    `noise_g` went through the same converters but bears no loads, hands, glitches and new zeros. `gain` and `white_g`
    are the plates' (P,); `glitches` lists sample, column and grams.
    """

    grams: NDArray[np.float32]
    noise_g: NDArray[np.float32]
    gain: Array
    white_g: Array
    glitches: list[tuple[int, int, float]]


def read(
    settings: ScaleSettings,
    times_s: Array,
    forces: Array,
    vibration: Array,
    opening_g: Array,
    rezeros: NDArray[np.intp],
    rng: np.random.Generator,
) -> Readings:
    """Convert what a fixture's plates feel.

    Parameters
    ----------
    settings : ScaleSettings
        Errors of the plates.
    times_s : (n,) float64
        Evenly spaced.
    forces, vibration : (n, P) float64
        Loads and hands relative to the opening, and the shaking of the fixture, grams.
    opening_g : (P,) float64
        What lies on the plates at the opening.
    rezeros : (k,) int
        Ascending samples from which on the fixture has new zeros.
    rng : numpy.random.Generator
        Draws gains, offsets and noise.
    """
    n, plates = forces.shape
    gain = 1.0 + settings.span_error * rng.standard_normal((plates,))
    white_g = settings.noise_g * np.exp(NOISE_SPREAD * rng.standard_normal((plates,)))
    noise = _drift_g(settings, times_s, plates, rng)
    noise += vibration
    noise += white_g * rng.standard_normal((n, plates))
    readings = gain * (forces + opening_g)
    readings += noise
    np.minimum(readings, settings.capacity_g, out=readings)
    readings += rng.uniform(*TARE_G, plates)
    for sample in rezeros:  # a controller averages the last packet before it tares
        readings[sample:] -= readings[max(sample - TARED, 0) : sample].mean(axis=0)
    source = _source(settings, n, plates, rng)
    missing = rng.random((n, plates), dtype=np.float32) < settings.sample_loss if settings.sample_loss else None
    grams = _sampled(readings, source, missing)
    glitches = _glitches(settings, times_s, plates, rng)
    for sample, column, size_g in glitches:  # on the wire, so that no converter repeats one
        grams[sample, column] += size_g
    return Readings(grams, _sampled(noise, source, missing), gain, white_g, glitches)


def _drift_g(settings: ScaleSettings, times_s: Array, plates: int, rng: np.random.Generator) -> Array:
    """Draw slow courses (n, P): a random walk of each plate, and the air's temperature, which all share."""
    interval = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    walk = rng.standard_normal((len(times_s), plates))
    walk *= settings.drift_g * np.sqrt(interval / 60.0)
    np.cumsum(walk, axis=0, out=walk)
    phase, period = rng.uniform(0.0, 2 * np.pi), rng.uniform(*THERMAL_S)
    temperature = np.sqrt(2.0) * np.sin(2 * np.pi * times_s / period + phase)
    walk += temperature[:, None] * (settings.thermal_g * rng.standard_normal((plates,)))
    return walk


def _glitches(
    settings: ScaleSettings, times_s: Array, plates: int, rng: np.random.Generator
) -> list[tuple[int, int, float]]:
    n = len(times_s)
    count = rng.poisson(settings.glitches_per_plate_hour * plates * (times_s[-1] - times_s[0]) / 3600.0)
    places = np.sort(rng.choice(n * plates, min(count, n * plates), replace=False))
    sizes = QUANTUM_G * np.rint(rng.uniform(*GLITCH_G, len(places)) / QUANTUM_G)
    sizes *= rng.choice([-1.0, 1.0], len(places))
    return [(int(p) // plates, int(p) % plates, float(g)) for p, g in zip(places, sizes, strict=True)]


def _source(settings: ScaleSettings, n: int, plates: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Tell for each converter which sample it reports, (n, converters): the last that it did not miss."""
    converters = -(-plates // SHARED)
    repeated = rng.random((n, converters), dtype=np.float32) < settings.sample_repetition
    source = np.where(repeated, 0, np.arange(n)[:, None])
    np.maximum.accumulate(source, axis=0, out=source)
    return source


def _sampled(grams: Array, source: NDArray[np.intp], missing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Repeat, quantise and lose samples."""
    steps = np.rint(grams / QUANTUM_G)
    steps *= QUANTUM_G
    result = np.empty(grams.shape, dtype=np.float32)
    for column in range(grams.shape[1]):
        result[:, column] = steps[source[:, column // SHARED], column]
    if missing is not None:
        result[missing] = np.nan
    return result
