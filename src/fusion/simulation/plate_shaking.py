"""Who shakes a fixture whose shoppers nobody sees: passers-by, those who stop at it, and bursts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.simulation.actions import STAND_M
from fusion.simulation.paths import Array
from fusion.simulation.plate_script import Script
from fusion.simulation.plate_settings import PlateSettings
from fusion.simulation.vibration import BURST_LEAST, BURST_S, STRIDE_M, burst, draw_modes, footfall, handling, motion

SPEED_M_S = (0.8, 1.4)  # of people in an aisle
AISLE_M = (0.5, 1.5)  # how far from the fixture they pass
STEPS = 6  # from where a footfall is no longer felt
STOP_S = (0.6, 2.0)  # between the last step and the hand, and again before the next step


@dataclass(frozen=True, slots=True, eq=False)
class Shaking:
    """The motion of each mode (n, M), how plates take part (M, P), and when somebody walked and it was rough."""

    motion: Array
    shape: Array
    walks_s: list[tuple[float, float]]
    bursts_s: list[tuple[float, float, float]]
    """Start, end and deviation of the liveliest shelf's sum, grams."""


def shaking(
    settings: PlateSettings,
    script: Script,
    shelves: NDArray[np.int32],
    heights_m: Array,
    times_s: Array,
    rng: np.random.Generator,
) -> Shaking:
    """Shake a fixture whose plates lie on `shelves` (P,) at `heights_m` (P,), at times (n,)."""
    modes = draw_modes(shelves, heights_m, rng)
    walks = [_pass(time_s, rng) for time_s in script.walks_s]
    hands = [(press.start_s, press.end_s) for press in script.presses]
    hands += [(move.time_s - move.hold_s - 0.3, move.time_s + 0.3) for move in script.moves]
    for hand in hands:
        walks += _stop(*hand, rng)
    impulses = [impulse for walk in walks for impulse in walk]
    impulses += [(t, handling(rng)) for hand in hands for t in hand]
    impulses = [(time, settings.vibration_g * strength) for time, strength in impulses]
    bursts = []
    duration = settings.duration_s
    for start_s in np.sort(rng.uniform(0.0, duration, rng.poisson(settings.bursts_per_hour * duration / 3600.0))):
        end_s, sigma_g = start_s + rng.uniform(*BURST_S), settings.burst_g * rng.uniform(BURST_LEAST, 1.0)
        impulses += burst(modes, shelves, start_s, end_s, sigma_g, rng)
        bursts.append((float(start_s), float(end_s), float(sigma_g)))
    walked = sorted((walk[0][0], walk[-1][0]) for walk in walks)
    return Shaking(motion(times_s, modes, impulses, rng), modes.shape, walked, bursts)


def _pass(time_s: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """List the footfalls of somebody who passes at `time_s`."""
    speed, aside_m = rng.uniform(*SPEED_M_S), rng.uniform(*AISLE_M)
    along_m = STRIDE_M * (np.arange(-STEPS, STEPS + 1) + rng.uniform())
    return [(float(time_s + x / speed), footfall(float(np.hypot(x, aside_m)), rng)) for x in along_m]


def _stop(start_s: float, end_s: float, rng: np.random.Generator) -> list[list[tuple[float, float]]]:
    """List the footfalls of somebody whose hand is on the fixture between two times, before and after."""
    way_m = STRIDE_M * np.arange(STEPS)
    before_s = start_s - rng.uniform(*STOP_S) - way_m[::-1] / rng.uniform(*SPEED_M_S)
    after_s = end_s + rng.uniform(*STOP_S) + way_m / rng.uniform(*SPEED_M_S)
    return [
        [(float(t), footfall(float(np.hypot(x, STAND_M)), rng)) for t, x in zip(before_s, way_m[::-1], strict=True)],
        [(float(t), footfall(float(np.hypot(x, STAND_M)), rng)) for t, x in zip(after_s, way_m, strict=True)],
    ]
