"""The network: observations arrive late, sometimes never, twice or overtaken by later ones."""

from collections.abc import Sequence

import numpy as np

from fusion.observations import Keypoints, Observation, ScalePacket, Targets
from fusion.simulation.settings import SimulationSettings

STUCK_S = (0.5, 10.0)  # a switch that restarts, a radio that finds its way again

Arrival = tuple[int, Observation]
"""When an observation arrives (ns since the Unix epoch), and the observation."""


def deliver(
    settings: SimulationSettings,
    stream: Sequence[Keypoints | ScalePacket | Targets],
    delay_s: float,
    jitter_s: float,
    rng: np.random.Generator,
) -> list[Arrival]:
    """Send one stream through the network.

    Parameters
    ----------
    settings : SimulationSettings
        How often packets are lost, duplicated, overtaken and stuck.
    stream : sequence of observations
        In order of time, evenly spaced.
    delay_s, jitter_s : float
        Least delay, and mean of the exponential delay on top; only faults change the order.
    """
    if not stream:
        return []
    interval_ns = (stream[-1].time_ns - stream[0].time_ns) / max(len(stream) - 1, 1)
    start_ns = stream[0].time_ns
    delays_ns = 1e9 * (delay_s + rng.exponential(jitter_s, len(stream)))
    due_ns = np.maximum.accumulate(np.array([o.time_ns - start_ns for o in stream]) + delays_ns)
    lost, duplicated, overtaken, late = (
        rng.random(len(stream)) < p
        for p in (
            settings.packet_loss,
            settings.packet_duplication,
            settings.packet_reordering,
            settings.packet_lateness,
        )
    )
    due_ns[overtaken] += interval_ns * rng.uniform(1.5, 3.5, int(overtaken.sum()))
    due_ns[late] += 1e9 * rng.uniform(*STUCK_S, int(late.sum()))
    copies_ns = due_ns + interval_ns * rng.uniform(0.0, 3.0, len(stream))
    arrivals: list[Arrival] = [
        (start_ns + int(due_ns[k]), observation) for k, observation in enumerate(stream) if not lost[k]
    ]
    arrivals += [
        (start_ns + int(copies_ns[k]), observation)
        for k, observation in enumerate(stream)
        if duplicated[k] and not lost[k]
    ]
    return arrivals
