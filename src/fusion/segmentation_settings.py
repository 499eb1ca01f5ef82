"""What an operator knows about the shelves, and what it comes to in ticks, blocks and grams."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation

_BLOCK_S = 0.1  # an item leaves within 50-100 ms, and a period of structural vibration is 70-120 ms
_VIBRATION_HZ = (8.0, 15.0)  # structural modes of the public recording's gondolas
_STEADY_S = 2.0  # in which a resting hand, which wanders at 0.1-1 Hz, shows itself
_HISTORY_S = 4.0  # of samples that are kept: a hand that comes, moves an item and goes
_WINDOW_S = 1.0  # over which it is learned how far levels are off
_GAP_S = 0.5
_MOST_HOLD_S = 30.0
_PUSH_S = 0.05
_PLATEAU_S = 0.15  # between two picks that are 0.3 s apart, less their own 0.05-0.1 s and the hand's push
_JOIN_S = 0.25  # a hand's push, 0.05-0.2 s, hides a plate's step for as long
_COINCIDE_S = 0.07  # an item comes down on all of its plates within a step's time
_QUICK_S = 0.1  # from the beginning to the end of a step
_CALM_S = 0.5  # for push and ringing to end after a step
_FLOOR_G = 0.1  # a third of a usual converter's step of 0.24 g
CAPACITY_G = 20_000.0
"""Range of the load cells of the public recording, the default (grams)."""
MOST_G = 1e6
"""No shelf weighs more than a tonne (grams)."""


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    """What an operator knows about the shelves.

    Parameters
    ----------
    smallest_item_g : float
        Mass of the lightest item; changes below half of it are no events.
    false_alarms_per_day : float
        How often noise alone may wake a plate, per plate; a woken plate is examined and rarely becomes an event.
    settle_s : float
        A plate that is quiet this long has settled: the provisional event.
    merge_s : float
        After that, plates of the same event may still join and the load must stay; then it is final.
    baseline_s : float
        Memory of a plate's level, over which it may drift by as much as its noise; the noise is remembered five times
        as long.
    """

    smallest_item_g: float = 8.0
    false_alarms_per_day: float = 1.0
    settle_s: float = 0.5
    merge_s: float = 2.0
    baseline_s: float = 2.0

    def __post_init__(self) -> None:
        validation.number("smallest_item_g", self.smallest_item_g, at_least=1e-3, at_most=1e5)
        validation.number("false_alarms_per_day", self.false_alarms_per_day, at_least=1e-6, at_most=1e6)
        validation.number("settle_s", self.settle_s, at_least=0.01, at_most=10.0)
        validation.number("merge_s", self.merge_s, at_least=0.0, at_most=60.0)
        validation.number("baseline_s", self.baseline_s, at_least=self.settle_s, at_most=3600.0)


def configure(rate: float, settings: SegmentationSettings) -> tuple[float, ...]:
    """Turn seconds into ticks and blocks, in the order of ``fusion.reference.segmentation_state.Config``."""
    block = max(1, round(_BLOCK_S * rate))
    block_s = block / rate

    def blocks(seconds: float, least: int) -> int:
        return max(least, round(seconds / block_s))

    def ticks(seconds: float, least: int) -> int:
        return max(least, round(seconds * rate))

    settle = blocks(settings.settle_s, 4)
    steady = blocks(_STEADY_S, 2 * settle)
    drift = 1.0 / blocks(settings.baseline_s, 4) ** 2
    window = blocks(_WINDOW_S, 4)
    lag_s = (drift**-0.5 + window / 2 + 2) * block_s
    return (
        block,
        settle,
        steady,
        max(blocks(_HISTORY_S, 4), steady + 4),
        blocks(_MOST_HOLD_S, 2 * steady),
        window,
        blocks(5 * settings.baseline_s, 4 * settle),
        -(-ticks(_PUSH_S, 3) // block),
        ticks(_PLATEAU_S, 3),
        ticks(_JOIN_S, 1),
        ticks(_COINCIDE_S, 1),
        ticks(_QUICK_S, 1),
        settle * block + ticks(_CALM_S, 1),
        round(settings.merge_s * 1e9),
        round(max(_GAP_S, 5 / rate) * 1e9),
        _cusum_threshold(86400 / block_s / settings.false_alarms_per_day),
        _leak(block, rate),
        drift,
        settings.smallest_item_g / 2,
        _FLOOR_G,
        settings.smallest_item_g / 60 * lag_s,
    )


def _leak(block: int, rate: float) -> float:
    """Variance that vibration leaves in a block's mean, over the variance within the block: most of sinc^2 in its band.

    A block of one sample shows no variance within.
    """
    if block == 1:
        return 0.0
    f = np.linspace(*_VIBRATION_HZ, 71)
    kept = float(np.max(np.sinc(f * block / rate) ** 2))
    return kept / (1 - kept)


def limits_of(capacity_g: ArrayLike, plates: int) -> NDArray[np.float32]:
    """Check the capacities, one for all plates or one each."""
    one = isinstance(capacity_g, int | float | np.number)
    limits = validation.array("capacity_g", capacity_g, np.float32, () if one else (plates,), finite=True)
    if not ((limits > 0) & (limits <= MOST_G)).all():
        raise ValueError(f"capacity_g must lie in (0, {MOST_G:g}]; got values from {limits.min()} to {limits.max()}")
    return np.broadcast_to(limits, (plates,)).copy()


def shared_by(groups: NDArray[np.int32], facings: Sequence[Sequence[int]] | None) -> NDArray[np.int32]:
    """Tell which of the 31 columns that follow each one share a facing with it, as bits.

    Without a planogram an item may stand on any three adjacent plates of a shelf.
    """
    n = len(groups)
    if facings is None:
        facings = [range(i, min(i + 3, n)) for i in range(n)]
    result = np.zeros(n, np.int32)
    if not isinstance(facings, Sequence):
        raise TypeError(f"facings must be a sequence of sequences of columns; got {type(facings).__name__}")
    for facing in facings:
        columns = sorted(set(validation.array("columns of facings", facing, np.int64, (None,)).tolist()))
        if columns and not 0 <= columns[0] <= columns[-1] < n:
            raise ValueError(f"columns of facings must lie in [0, {n}); got {columns}")
        for p in columns:
            for q in columns:
                if p < q <= p + 31 and groups[p] == groups[q]:
                    result[p] |= 1 << (q - p - 1)
    return result


def _cusum_threshold(run_length: float) -> float:
    """Threshold of a two-sided CUSUM with reference value 1/2 (Siegmund, Sequential Analysis, 1985, eq. 2.56).

    One side alarms every ``2 (exp(b) - b - 1)`` samples with b = h + 1.166, two sides twice as often.
    """
    b = 1.0
    for _ in range(50):
        b = math.log(max(run_length, 10.0) + b + 1)
    return max(b - 1.166, 1.0)
