"""Segmentation: from load-cell streams to weight events, one fixture at a time, sample by sample.

Two tiers: an event is reported (``final=False``) when its first plate has settled, again whenever another plate joins,
and a last time (``final=True``) when nothing can join any more. See `Segmenter.push` for the exact conditions.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation
from fusion.backends import kernels

HEALTH = np.dtype(
    [
        ("flags", np.int32),
        ("noise_g", np.float32),
        ("level_g", np.float32),
        ("samples", np.int64),
        ("missing", np.int64),
    ]
)
"""Fields of `Segmenter.health`."""

DROPOUT, STUCK, SATURATED, NOISY = 1, 2, 4, 8
"""Bits of ``flags``: no sample lately; the same value for five times `baseline_s`; infinite or beyond a tonne lately;
noise of a sample above `smallest_item_g`. 0 is a healthy plate."""

_KINDS: dict[int, Literal["touch", "change"]] = {1: "touch", 2: "change"}
_GAP_S = 0.5
_MOST_HOLD_S = 30.0
_PUSH_S = 0.05
_SNAPSHOT = b"fusion.segmentation/1\n"


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
    settle_s: float = 0.25
    merge_s: float = 0.5
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
    start_ns, end_ns : int
        Onset of the first plate; when the last plate had settled.
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
        self, groups: ArrayLike, *, rate_hz: float, settings: SegmentationSettings = SegmentationSettings()
    ) -> None:
        columns = validation.array("groups", groups, np.int32, (None,))
        if not len(columns):
            raise ValueError("groups must not be empty")
        if not isinstance(settings, SegmentationSettings):
            raise TypeError(f"settings must be SegmentationSettings; got {type(settings).__name__}")
        rate = validation.number("rate_hz", rate_hz, at_least=1.0, at_most=10_000.0)
        self._plates = len(columns)
        config = _config(rate, settings)
        self._stream: Any = kernels("segmentation").Stream(columns, config)
        identity = repr((columns.tolist(), config)).encode()
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
        times = validation.times_ns("sample_ns", sample_ns)
        rows = validation.array("grams", grams, np.float32, (len(times), self._plates))
        return [_event(raw) for raw in self._stream.push(times, rows)]

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
        return result

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
    id_, revision, start_ns, end_ns, plates, delta, sigma, kind, final, quality = raw
    return WeightEvent(id_, revision, start_ns, end_ns, plates, delta, sigma, _KINDS[kind], final, quality)


def _config(rate: float, settings: SegmentationSettings) -> tuple[float, ...]:
    """Turn seconds into ticks, in the order of ``fusion.reference.segmentation.Config``."""

    def ticks(seconds: float, least: int) -> int:
        return max(least, round(seconds * rate))

    window = 2 * ((ticks(settings.settle_s, 6) + 1) // 2)
    return (
        window,
        4 * window,
        ticks(_PUSH_S, 3),
        ticks(settings.baseline_s, 4 * window),
        ticks(_MOST_HOLD_S, 8 * window),
        round(settings.merge_s * 1e9),
        round(max(_GAP_S, 5 / rate) * 1e9),
        _cusum_threshold(86400 * rate / settings.false_alarms_per_day),
        min(0.5, 1 / (0.05 * rate)),
        min(0.5, 1 / (0.3 * rate)),
        settings.smallest_item_g / 2,
        settings.smallest_item_g / 32,
    )


def _cusum_threshold(run_length: float) -> float:
    """Threshold of a two-sided CUSUM with reference value 1/2 (Siegmund, Sequential Analysis, 1985, eq. 2.56).

    One side alarms every ``2 (exp(b) - b - 1)`` samples with b = h + 1.166, two sides twice as often.
    """
    b = 1.0
    for _ in range(50):
        b = math.log(max(run_length, 10.0) + b + 1)
    return max(b - 1.166, 1.0)
