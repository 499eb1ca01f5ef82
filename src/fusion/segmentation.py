"""Segmentation: from load-cell streams to weight events, one fixture at a time, block by block of about 0.1 s.

Two tiers: an event is reported (``final=False``) when its first plate has settled, again by the same id whenever what
is known of it changes, and a last time (``final=True``) when nothing can change it any more. See `Segmenter.push`.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation
from fusion.backends import kernels
from fusion.segmentation_settings import CAPACITY_G, SegmentationSettings, configure, limits_of, shared_by

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
lately; noise of a sample above `smallest_item_g`; never any sign of life, as columns without a plate have; drift of
more than `smallest_item_g` a minute. 0 is a healthy plate."""

_KINDS: dict[int, Literal["touch", "change"]] = {1: "touch", 2: "change"}
_SNAPSHOT = b"fusion.segmentation/2\n"


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
    facings : sequence of sequences of int, optional
        The planogram: the columns that carry each product. Changes of one facing's plates are one event, changes of
        different facings are events of their own. Without it, any three plates side by side may carry an item.
    capacity_g : float or (P,) float32, optional
        Readings of this size and more are no weights: they count as missing and as faults. 20 kg by default.
    settings : SegmentationSettings, optional
        What the operator knows.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, shape or range.

    Notes
    -----
    Source: CUSUM (Page, Biometrika 41, 1954) with Siegmund's threshold (Sequential Analysis, 1985) on the means of
    blocks; the local level model (Harvey 1989) for levels; the most probable step between two levels (Hinkley,
    Biometrika 57, 1970). What is a hand and what an item is told by physics: hands push and never pull, wander and
    let go; items come and go within 0.1 s and stay.
    """

    def __init__(
        self,
        groups: ArrayLike,
        *,
        rate_hz: float,
        facings: Sequence[Sequence[int]] | None = None,
        capacity_g: ArrayLike = CAPACITY_G,
        settings: SegmentationSettings | None = None,
    ) -> None:
        columns = validation.array("groups", groups, np.int32, (None,))
        if not len(columns):
            raise ValueError("groups must not be empty")
        settings = SegmentationSettings() if settings is None else settings
        if not isinstance(settings, SegmentationSettings):
            raise TypeError(f"settings must be SegmentationSettings; got {type(settings).__name__}")
        rate = validation.number("rate_hz", rate_hz, at_least=1.0, at_most=10_000.0)
        limits = limits_of(capacity_g, len(columns))
        self._plates = len(columns)
        config = configure(rate, settings)
        shared = shared_by(columns, facings)
        self._lag_s = 60 * config[-1] / settings.smallest_item_g
        self._stream: Any = kernels("segmentation").Stream(columns, shared, limits, config)
        identity = repr((columns.tolist(), shared.tolist(), limits.tolist(), config)).encode()
        self._header = _SNAPSHOT + zlib.crc32(identity).to_bytes(4, "little")

    def push(self, sample_ns: ArrayLike, grams: ArrayLike) -> list[WeightEvent]:
        """Take n samples of all plates.

        An event is reported
        - at the end of the block in which one of its plates has settled (revision 0, provisional): the last `settle_s`
          are as quiet as the plate's noise and the shaking of the shelf allow, at a level that it reached at once;
          where it crept there, or a hand trembles on it, when four times as long was quiet; after 30 s whatever the
          noise;
        - again whenever a further plate settles that stepped with it, or what seemed a load turns out to have been a
          hand: the event then ends as a touch;
        - as final when `merge_s` has passed since its last plate settled, no plate near it still moves that moved with
          it, and every load of less than half a kilogram that came has kept its level for two seconds. Then the
          changes are taken again over all samples since.

        The change of a plate is what it shows less the usual share of what its neighbours of the event show; plates
        that show no more than such cross-talk are left out.

        Parameters
        ----------
        sample_ns : (n,) int64
            When each sample was taken; not decreasing, here or from push to push.
        grams : (n, P) float32
            Readings; NaN where missing; what exceeds the capacity counts as missing and as a fault.

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
