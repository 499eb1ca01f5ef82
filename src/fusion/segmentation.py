"""Segmentation: from load-cell streams to weight events, one fixture at a time, sample by sample.

Two tiers: an event is reported (``final=False``) when its first plate has settled, again whenever another plate joins,
and a last time (``final=True``) when nothing can join any more. See `Segmenter.push` for the exact conditions.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation
from fusion.backends import kernels

HEALTH = np.dtype(
    [
        ("flags", np.int32),
        ("spikes", np.int32),
        ("noise_g", np.float32),
        ("level_g", np.float32),
        ("drift_g_per_min", np.float32),
        ("samples", np.int64),
        ("missing", np.int64),
        ("faults", np.int64),
    ]
)
"""Fields of `Segmenter.health`."""

DROPOUT, STUCK, SATURATED, NOISY, PHANTOM, DRIFTING = 1, 2, 4, 8, 16, 32
"""Bits of ``flags``: no sample lately; the same value for five times `baseline_s`; readings beyond the plate's capacity
lately; noise of a sample above `smallest_item_g`; never any sign of life, as columns without a plate have; drift of more
than `smallest_item_g` a minute. 0 is a healthy plate."""

_KINDS: dict[int, Literal["touch", "change"]] = {1: "touch", 2: "change"}
_BLOCK_S = 0.1  # an item leaves within 50-100 ms, and a period of structural vibration is 70-120 ms
_VIBRATION_HZ = (8.0, 15.0)
_STEADY_S = 2.0
_HISTORY_S = 4.0
_WINDOW_S = 1.0
_GAP_S = 0.5
_MOST_HOLD_S = 30.0
_PUSH_S = 0.05
_PLATEAU_S = 0.15
_JOIN_S, _COINCIDE_S, _QUICK_S, _CALM_S = 0.25, 0.07, 0.1, 0.5
_FLOOR_G = 0.1
_CAPACITY_G = 20_000.0
_SNAPSHOT = b"fusion.segmentation/2\n"


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
        After that, plates of the same event may still join; then it is final.
    baseline_s : float
        Memory of a plate's level; its noise is remembered five times as long.
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


@dataclass(frozen=True, slots=True, eq=False)
class WeightEvent:
    """Weight came, went or pressed on adjacent plates of one shelf.

    Parameters
    ----------
    id, revision : int
        Events are counted from 0 per segmenter, in the order of their first report; reports of one event from 0.
    start_ns, step_ns, end_ns : int
        Onset of the first plate; when the plate that changed most went from one level to the other; when the last
        plate had settled.
    plates : (n,) int32
        Columns, ascending.
    delta_g, sigma_g : (n,) float32
        Change of each plate and its standard deviation: the plate's noise over the windows that were compared, its
        autocorrelation included, the converter's resolution and 0.3 % span error of the step.
    kind : {"change", "touch"}
        A touch is a push that left no weight and took none.
    final : bool
        No later report of this event will come.
    quality : float
        In (0, 1]: 1 for a step between levels as quiet as the plate ever is; less for noise, missing samples, levels
        that had to be taken before they were quiet.
    """

    id: int
    revision: int
    start_ns: int
    step_ns: int
    end_ns: int
    plates: NDArray[np.int32]
    delta_g: NDArray[np.float32]
    sigma_g: NDArray[np.float32]
    kind: Literal["change", "touch"]
    final: bool
    quality: float


class Segmenter:
    """Weight events of one fixture: all plates that share a packet stream.

    Parameters
    ----------
    groups : (P,) int32
        The shelf of each column; adjacent columns of one shelf are neighbours.
    rate_hz : float
        Nominal sampling rate, 1 to 10,000.
    settings : SegmentationSettings, optional
        What the operator knows.
    """

    def __init__(
        self,
        groups: ArrayLike,
        *,
        rate_hz: float,
        facings: Sequence[Sequence[int]] | None = None,
        capacity_g: ArrayLike = _CAPACITY_G,
        settings: SegmentationSettings = SegmentationSettings(),
    ) -> None:
        columns = validation.array("groups", groups, np.int32, (None,))
        if not len(columns):
            raise ValueError("groups must not be empty")
        if not isinstance(settings, SegmentationSettings):
            raise TypeError(f"settings must be SegmentationSettings; got {type(settings).__name__}")
        rate = validation.number("rate_hz", rate_hz, at_least=1.0, at_most=10_000.0)
        limits = np.broadcast_to(np.asarray(capacity_g, np.float32), columns.shape).copy()
        self._plates = len(columns)
        config = _config(rate, settings)
        shared = _shared(columns, facings)
        self._lag_s = 60 * config[-1] / settings.smallest_item_g
        self._stream: Any = kernels("segmentation").Stream(columns, shared, limits, config)
        identity = repr((columns.tolist(), shared.tolist(), limits.tolist(), config)).encode()
        self._header = _SNAPSHOT + zlib.crc32(identity).to_bytes(4, "little")

    def push(self, sample_ns: ArrayLike, grams: ArrayLike) -> list[WeightEvent]:
        """Take n samples of all plates.

        An event is reported
        - in the tick in which one of its plates has settled (revision 0, provisional), i.e. when the last `settle_s`
          are as quiet as the plate's noise allows; on a loud plate when four times as long was steady; after 30 s
          whatever the noise;
        - again in each tick in which a further plate settles that moved at the same time;
        - as final `merge_s` after its last plate settled, unless a neighbour that started to move before the event
          settled still moves. Then the changes are taken again over all samples since.

        Parameters
        ----------
        sample_ns : (n,) int64
            When each sample was taken; not decreasing, here or from push to push.
        grams : (n, P) float32
            Readings; NaN where missing, infinity counts as missing and as saturation.

        Returns
        -------
        list of WeightEvent
            In the order of time; the same however the samples are cut into pushes.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type or shape, or the time decreases; nothing is taken then.
        """
        try:  # what fits as it is needs no copy and no look: a packet of a live stream costs less than its checks
            found = self._stream.push(sample_ns, grams)
        except (TypeError, ValueError):
            times = validation.times_ns("sample_ns", sample_ns)
            found = self._stream.push(times, validation.array("grams", grams, np.float32, (len(times), self._plates)))
        return [_event(raw) for raw in found] if found else found

    def flush(self) -> list[WeightEvent]:
        """End the stream: what is settling is reported, as final, with what is known.

        Returns
        -------
        list of WeightEvent
            Every event that was open.
        """
        return [_event(raw) for raw in self._stream.flush()]

    @property
    def open_since_ns(self) -> int | None:
        """Onset of the earliest event that is not final, or of a plate that moves now; None if there is none.

        An event not yet known starts no earlier than three times `settle_s` before the last sample.
        """
        since = self._stream.open_since()
        return since if since >= 0 else None

    def health(self) -> NDArray[Any]:
        """Tell the state of each plate.

        Returns
        -------
        (P,) structured array of `HEALTH`
            ``flags`` (0 is healthy), noise of a sample now and level in grams (NaN before they are known), samples
            taken and samples missing.
        """
        result = np.empty(self._plates, HEALTH)
        for name, column in zip(HEALTH.names or (), self._stream.health(), strict=True):
            result[name] = column
        result["drift_g_per_min"] *= 60 / self._lag_s
        return result

    @property
    def rezeroed(self) -> int:
        """How often the readings of most plates jumped to about zero together: a controller's tare, no event."""
        return int(self._stream.rezeroed())

    def snapshot(self) -> bytes:
        """Return the whole state: the same bytes from every backend."""
        body = self._stream.save()
        return self._header + zlib.crc32(body).to_bytes(4, "little") + bytes(body)

    def restore(self, data: bytes) -> None:
        """Continue from a snapshot of a segmenter with the same plates, rate and settings.

        Raises
        ------
        TypeError
            If `data` is no bytes.
        ValueError
            If it is no snapshot, of another version or of other arguments, or damaged; the state is unchanged then.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"data must be bytes; got {type(data).__name__}")
        if not data.startswith(_SNAPSHOT):
            raise ValueError(f"data must be a snapshot that starts with {_SNAPSHOT!r}; got {data[: len(_SNAPSHOT)]!r}")
        head, check, body = (
            data[: len(self._header)],
            data[len(self._header) : len(self._header) + 4],
            data[len(self._header) + 4 :],
        )
        if head != self._header:
            raise ValueError("data must be a snapshot of a segmenter with the same plates, rate and settings")
        if check != zlib.crc32(body).to_bytes(4, "little"):
            raise ValueError("data must be a whole snapshot; its checksum differs")
        self._stream.load(body)


def _event(raw: tuple[Any, ...]) -> WeightEvent:
    id_, revision, start_ns, step_ns, end_ns, plates, delta, sigma, kind, final, quality = raw
    return WeightEvent(id_, revision, start_ns, step_ns, end_ns, plates, delta, sigma, _KINDS[kind], final, quality)


def _config(rate: float, settings: SegmentationSettings) -> tuple[float, ...]:
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


def _shared(groups: NDArray[np.int32], facings: Sequence[Sequence[int]] | None) -> NDArray[np.int32]:
    """Tell which of the 31 columns that follow each one share a facing with it, as bits.

    Without a planogram an item may stand on any three adjacent plates of a shelf.
    """
    n = len(groups)
    if facings is None:
        facings = [range(i, min(i + 3, n)) for i in range(n)]
    result = np.zeros(n, np.int32)
    for facing in facings:
        columns = sorted(set(facing))
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
