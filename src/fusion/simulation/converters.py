"""From force to packets: tare, drift, noise, repeated samples, quantisation and the fixture's clock."""

import numpy as np
from numpy.typing import NDArray

from fusion.observations import ScalePacket
from fusion.simulation.clock import epoch_ns
from fusion.simulation.paths import Array
from fusion.simulation.scales import forces_g
from fusion.simulation.scripts import Visit
from fusion.simulation.settings import SimulationSettings
from fusion.store import Fixture

RATE_HZ = 60.0
SAMPLES = 12  # of a packet
CLOCK_SPREAD = 2e-5  # relative deviation of a quartz
JITTER_S = 0.002  # of a packet's time stamp
TARE_G = (-5000.0, 9000.0)
QUANTUM_G = 0.241
DRIFT_G = 0.5  # standard deviation after a minute
SHARED = 2  # neighbouring plates on one converter: in the public recording they repeat samples together


def scale_packets(
    settings: SimulationSettings, fixture: Fixture, visits: list[Visit], end_s: float, rng: np.random.Generator
) -> list[ScalePacket]:
    """Record one fixture from the start to `end_s`."""
    interval = 1.0 / (RATE_HZ * (1.0 + CLOCK_SPREAD * rng.normal()))
    count = int(end_s / interval) // SAMPLES
    times: Array = interval * np.arange(count * SAMPLES, dtype=np.float64) + rng.uniform(0.0, SAMPLES * interval)
    readings = _readings_g(settings, forces_g(settings, fixture, visits, times, rng), rng)
    # The receiver stamps the last sample of a packet and counts back.
    stamps = times[SAMPLES - 1 :: SAMPLES] + np.clip(rng.normal(0.0, JITTER_S, count), -3 * JITTER_S, 3 * JITTER_S)
    back_ns = np.round(np.arange(SAMPLES - 1, -1, -1) * 1e9 / RATE_HZ).astype(np.int64)
    return [
        ScalePacket(fixture.id, epoch_ns(stamp) - back_ns, grams)
        for stamp, grams in zip(stamps, readings.reshape(count, SAMPLES, -1), strict=True)
    ]


def _readings_g(settings: SimulationSettings, forces: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    n, plates = forces.shape
    drift = np.cumsum(rng.normal(0.0, DRIFT_G / np.sqrt(60.0 * RATE_HZ), forces.shape), axis=0)
    readings = forces + drift + rng.normal(0.0, settings.noise_g, forces.shape) + rng.uniform(*TARE_G, plates)
    repeated = rng.random((n, plates))[:, np.arange(plates) // SHARED] < settings.sample_repetition
    source = np.maximum.accumulate(np.where(repeated, 0, np.arange(n)[:, None]), axis=0)
    readings = np.take_along_axis(readings, source, axis=0)
    return np.asarray(np.round(readings / QUANTUM_G) * QUANTUM_G, dtype=np.float32)
