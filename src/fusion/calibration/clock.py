"""The offset between two clocks, from what both saw: hands that move, and weights that change."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import validation

Array = NDArray[np.float64]

STEP_S = 0.01
"""Step of the search; the maximum is refined afterwards."""
JITTERS_S = 0.02 * 2 ** (0.5 * np.arange(12))
"""Standard deviations that the search tries: from a frame of a fast camera to about a second."""
SHARES = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97])
"""Shares of events with a motion that the search tries."""
FINEST_S = 1e-3
"""Least jitter: times of events are no better than samples of a load cell."""
SMOOTH_S = 0.1
"""Standard deviation of the window that smooths a series: a hand's reach, half a second long, keeps its one maximum."""
CHUNK = 64
"""Events that are looked at at once, to bound memory."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """An estimated offset between two clocks.

    Parameters
    ----------
    offset_s : float
        What is added to a time of the motions to get the time of the events' clock, seconds.
    sigma_s : float
        Its standard deviation, seconds, given that it lies near; infinite where three events or fewer have a motion.
    jitter_s : float
        Standard deviation of an event about its motion, seconds.
    share : float
        Estimated share of the events that have a motion.
    probability : float
        Posterior probability that the offset lies within 5 `sigma_s`: low where motions and events have little to do
        with each other, or where their rhythm allows several offsets.
    """

    offset_s: float
    sigma_s: float
    jitter_s: float
    share: float
    probability: float


def estimate_clock_offset(
    motion_ns: ArrayLike, event_ns: ArrayLike, *, intensity: ArrayLike | None = None, range_s: float = 5.0
) -> ClockOffset:
    """Estimate the time shift between motions that cameras saw and events that scales felt.

    Which motion belongs to which event need not be known. Given the offset, an event comes with some probability from a
    motion, normally distributed about it, else at any time: a mixture whose likelihood is maximised over offset, jitter
    and share, by a search on a grid and then by expectation-maximisation. The standard deviation is that of
    the maximum under errors of the model too ("sandwich"; White 1982, "Maximum Likelihood Estimation of Misspecified
    Models"); the probability compares the maximum's surroundings with all other offsets in the range and with no
    relation at all (even odds; Schwarz 1978 for the two parameters more).

    A lag between the motion and the event is part of the offset: give what happens at the same instant, such as
    the farthest reach of an arm (`arm_reach`) and the starts of the interactions that an engine told::

        motion_ns, reach_m = arm_reach(frames)
        starts_ns = [i.start_ns for i in outcome.interactions if i.plates]
        offset = estimate_clock_offset(motion_ns, starts_ns, intensity=reach_m)

    Parameters
    ----------
    motion_ns : (N,) int64
        Times of motions, e.g. when a hand was at a shelf; or, with `intensity`, the times of a series' samples.
    event_ns : (M,) int64
        Times of weight events by the other clock, M at least 4.
    intensity : (N,) float64, optional
        How strong the motion was at each sample, e.g. the reach of an arm; not negative, NaN where not seen.
        The motions are its maxima, after smoothing by 0.1 s, and weigh by their height above the median.
    range_s : float
        The offset is looked for in ``[-range_s, range_s]``, at most 600 s.

    Returns
    -------
    ClockOffset
        The offset and how sure it is.

    Raises
    ------
    TypeError
        If an argument cannot be converted.
    ValueError
        If a time or an intensity is negative or infinite, there are fewer than four events, no motion, or no pair of
        them within the range.
    """
    motion, event = validation.times_ns("motion_ns", motion_ns), validation.times_ns("event_ns", event_ns)
    range_s = validation.number("range_s", range_s, at_least=10 * STEP_S, at_most=600)
    weight = np.ones(len(motion))
    if intensity is not None:
        motion, weight = _peaks(motion, intensity)
    motion = motion[weight > 0]
    weight = weight[weight > 0] / weight.sum()
    if len(event) < 4 or not len(motion):
        raise ValueError(f"event_ns must hold 4 times and motion_ns one; got {len(event)} and {len(motion)}")
    order = np.argsort(motion, kind="stable")
    motion, weight, event = motion[order], weight[order], np.sort(event)
    pairs = _Pairs.within(motion, weight, event, range_s + 4 * JITTERS_S[-1])
    span_s = (max(int(motion[-1]), int(event[-1])) - min(int(motion[0]), int(event[0]))) / 1e9
    pairs = pairs.scaled(max(span_s, range_s))
    offsets, gain, jitter, share = _search(pairs, range_s)
    best = int(gain.argmax())
    start = np.array([offsets[best], np.log(max(jitter[best], FINEST_S)), np.log(share[best] / (1 - share[best]))])
    maximum = _maximise(pairs, start)
    sigma = _sigma(pairs, maximum)
    near = np.abs(offsets - maximum[0]) <= max(5 * sigma, 2 * STEP_S)
    mass = np.exp(gain - gain.max())
    none = len(mass) * len(event) * np.exp(-gain.max())
    return ClockOffset(
        float(maximum[0]),
        sigma,
        float(np.exp(maximum[1])),
        float(1 / (1 + np.exp(-maximum[2]))),
        min(float(mass[near].sum() / (mass.sum() + none)), 1.0),  # sums may round apart
    )


def _peaks(motion: NDArray[np.int64], intensity: ArrayLike) -> tuple[NDArray[np.int64], Array]:
    """Return times and weights of the motions of a series: its smoothed maxima, by their height above the median."""
    raw = validation.array("intensity", intensity, np.float64, (len(motion),))
    if np.isinf(raw).any() or (raw < 0).any():
        raise ValueError("intensity must be finite and not negative, or NaN where not seen; got another value")
    seen = np.flatnonzero(np.isfinite(raw))
    order = seen[np.argsort(motion[seen], kind="stable")]
    time, series = motion[order], raw[order] / max(float(raw[order].max(initial=0.0)), np.finfo(float).tiny)
    if len(series) < 3:
        return time, series
    step_s = max(float(np.median(np.diff(time))) / 1e9, FINEST_S)
    reach = min(int(np.ceil(3 * SMOOTH_S / step_s)), len(series) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step_s / SMOOTH_S) ** 2)
    smooth = np.convolve(series, kernel / kernel.sum(), mode="full")[reach:-reach] if reach else series
    height = np.maximum(smooth - np.median(smooth), 0.0)
    peak = (smooth > np.r_[-np.inf, smooth[:-1]]) & (smooth >= np.r_[smooth[1:], -np.inf])
    return time[peak], height[peak]


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of events and motions that are not too far apart, event after event.

    `difference_s` is event less motion; `density` the motion's weight over the density of an event at any time.
    """

    difference_s: Array
    density: Array
    event: NDArray[np.int64]
    count: int

    @classmethod
    def within(cls, motion: NDArray[np.int64], weight: Array, event: NDArray[np.int64], reach_s: float) -> "_Pairs":
        reach = round(reach_s * 1e9)
        first = np.searchsorted(motion, event - reach)
        last = np.searchsorted(motion, event + np.minimum(reach, np.iinfo(np.int64).max - event), side="right")
        n = last - first
        if not n.any():
            raise ValueError(f"motion_ns and event_ns must come within {reach_s:.3g} s of each other; none do")
        index = np.repeat(np.arange(len(event)), n)
        which = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
        return cls((event[index] - motion[which]) / 1e9, weight[which], index, len(event))

    def scaled(self, span_s: float) -> "_Pairs":
        return _Pairs(self.difference_s, self.density * span_s, self.event, self.count)


def _search(pairs: _Pairs, range_s: float) -> tuple[Array, Array, Array, Array]:
    """Return offsets of a grid and, for each, the greatest log-likelihood over no relation, its jitter and share."""
    pad = int(np.ceil(4 * JITTERS_S[-1] / STEP_S))
    half = int(np.ceil(range_s / STEP_S))
    bins = 2 * (half + pad) + 1
    length = 1 << (bins - 1).bit_length()  # a power of two for the transform; its wrap falls into the padding
    at = np.rint(pairs.difference_s / STEP_S).astype(np.int64) + half + pad
    inside = (at >= 0) & (at < bins)
    frequency = np.fft.rfftfreq(length, STEP_S)
    blurs = np.exp(-0.5 * (2 * np.pi * JITTERS_S[:, None] * frequency) ** 2) / STEP_S
    gain = np.zeros((len(JITTERS_S), len(SHARES), 2 * half + 1))
    for first in range(0, pairs.count, CHUNK):
        mine = inside & (pairs.event >= first) & (pairs.event < first + CHUNK)
        rows = min(CHUNK, pairs.count - first)
        flat = (pairs.event[mine] - first) * length + at[mine]
        histogram = np.bincount(flat, pairs.density[mine], rows * length).reshape(rows, length)
        spectrum = np.fft.rfft(histogram)
        for k, blur in enumerate(blurs):
            density = np.maximum(np.fft.irfft(spectrum * blur, length)[:, pad : pad + 2 * half + 1], 0.0)
            for s, share in enumerate(SHARES):
                gain[k, s] += np.log1p(share * (density - 1)).sum(axis=0)
    k, s = np.unravel_index(gain.reshape(-1, gain.shape[2]).argmax(axis=0), gain.shape[:2])
    offsets = np.arange(-half, half + 1, dtype=np.float64) * STEP_S
    return offsets, np.asarray(gain.max(axis=(0, 1))), np.asarray(JITTERS_S[k]), SHARES[s]


def _belongs(pairs: _Pairs, at: Array) -> tuple[Array, Array]:
    """Return the probability of each pair, and of each event to have a motion, at (offset, log jitter, logit share)."""
    offset, jitter, share = at[0], np.exp(at[1]), 1 / (1 + np.exp(-at[2]))
    z = (pairs.difference_s - offset) / jitter
    density = share * pairs.density * np.exp(-0.5 * z * z) / (np.sqrt(2 * np.pi) * jitter)
    total = np.bincount(pairs.event, density, pairs.count)
    return density / (total + 1 - share)[pairs.event], total / (total + 1 - share)


def _maximise(pairs: _Pairs, at: Array) -> Array:
    """Climb to the maximum by expectation-maximisation."""
    for _ in range(1000):
        own, each = _belongs(pairs, at)
        weight = own.sum()
        share = np.clip(each.mean(), 1e-6, 1 - 1e-6)
        if weight < 1e-9:
            break
        offset = (own @ pairs.difference_s) / weight
        jitter = max(np.sqrt(own @ (pairs.difference_s - offset) ** 2 / weight), FINEST_S)
        before, at = at, np.array([offset, np.log(jitter), np.log(share / (1 - share))])
        if np.abs(at - before).max() < 1e-9:
            break
    return at


def _scores(pairs: _Pairs, at: Array) -> Array:
    """Return the derivatives (M, 3) of each event's log-likelihood by (offset, log jitter, logit share)."""
    own, each = _belongs(pairs, at)
    jitter = np.exp(at[1])
    z = (pairs.difference_s - at[0]) / jitter
    by_offset = np.bincount(pairs.event, own * z / jitter, pairs.count)
    by_jitter = np.bincount(pairs.event, own * (z * z - 1), pairs.count)
    return np.column_stack([by_offset, by_jitter, each - 1 / (1 + np.exp(-at[2]))])


def _sigma(pairs: _Pairs, at: Array) -> float:
    """Return the standard deviation of the offset at the maximum; infinity where the likelihood is flat."""
    step = np.array([1e-4 * np.exp(at[1]), 1e-4, 1e-4])
    moved = [_scores(pairs, at + d).sum(axis=0) - _scores(pairs, at - d).sum(axis=0) for d in np.diag(step)]
    information = -np.array(moved) / (2 * step[:, None])
    information = (information + information.T) / 2
    scores = _scores(pairs, at)
    try:
        bread = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return float("inf")
    own, _ = _belongs(pairs, at)
    freedom = own.sum() - 3  # Student's t of n numbers whose variance was estimated has n / (n - 3) times the variance
    if freedom <= 0:
        return float("inf")
    variance = max((bread @ (scores.T @ scores) @ bread)[0, 0], bread[0, 0]) * (freedom + 3) / freedom
    return float(np.sqrt(variance)) if variance > 0 else float("inf")
