"""The standard crowd: four shoppers who stand close to each other and each handle fifteen things.

It is what the association is judged by. Behaviour and sensors are the simulator's usual ones, those of the public
NanoStore recording where it shows them; three gondolas of its width stand side by side. Neighbours stand 0.6 to 1.5 m
apart: any closer, shoulders touch; any farther, no hand reaches what a neighbour's hand could.
"""

import numpy as np

from fusion.simulation.actions import Visit
from fusion.simulation.paths import Array
from fusion.simulation.settings import SimulationSettings

SHOPPERS, EVENTS = 4, 15
COMPANY_M = 1.5
FIXTURES, SHELVES, PLATES = 3, 4, 12
DURATION_S = 120.0


def crowd(seed: int, **changes: float) -> SimulationSettings:
    """Return the settings of one session of the standard crowd.

    Parameters
    ----------
    seed : int
        Of the session.
    **changes
        Other settings, such as `vision_accuracy`.
    """
    standard: dict[str, float] = {
        "seed": seed,
        "duration_s": DURATION_S,
        "shoppers": SHOPPERS,
        "events_per_shopper": EVENTS,
        "company_m": COMPANY_M,
        "walls": 1,
        "fixtures": FIXTURES,
        "shelves": SHELVES,
        "plates": PLATES,
    }
    return SimulationSettings(**standard | changes)  # type: ignore[arg-type]  # the settings check them


def neighbours_m(visits: list[Visit], times_s: Array) -> Array:
    """Tell how far everybody's nearest neighbour is at ascending times, (n, S) metres; NaN for who is not there."""
    places = np.stack([visit.path.positions_m(times_s) for visit in visits], axis=1)
    apart = np.sqrt(((places[:, :, None] - places[:, None]) ** 2).sum(axis=-1))
    apart[:, np.arange(len(visits)), np.arange(len(visits))] = np.nan
    nearest = np.where(np.isnan(apart), np.inf, apart).min(axis=2)
    return np.asarray(np.where(np.isinf(nearest), np.nan, nearest))
