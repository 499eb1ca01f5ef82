"""Segmentation of a whole recorded signal: the levels of a load cell and the changes between them, exactly.

`fusion.Segmenter` does it sample by sample, with what is known so far; this looks at everything and is optimal.
"""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusion import backends, validation

DAY_S = 86400.0
CHANGES_PER_DAY = 1440.0
"""A busy plate: a customer a minute. Each true change makes a level in which noise may split off a part."""
BOUND = 3.0
"""Of the biweight loss, in standard deviations of a sample: 0.3 % of normal noise lies beyond, and the level's
variance grows by 3 % (Fearnhead & Rigaill 2019 use the same)."""
LIMIT_G = 1e6
"""Beyond it a reading is no weight but a fault."""
BLOCKS = 4096
"""Blocks of `shortest_s` that the noise is measured from, spread over the signal: its deviation to 1 %."""
FEWEST_BLOCKS = 16
"""From as many the noise's correlation is measured; of fewer it is taken as white."""
MEDIAN_CHI2_1 = 0.4549364231195724


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """S levels of a signal and the S - 1 changes between them; S is 0 if no sample was usable.

    Parameters
    ----------
    ticks : (S - 1,) int64
        Index of the first sample of each level but the first; if samples are missing there, the first one present.
    levels_g, levels_sigma_g : (S,) float64
        Levels and their standard deviations from the noise, its correlation included, grams.
    deltas_g, deltas_sigma_g : (S - 1,) float64
        Changes and their standard deviations, grams; scale and span errors are not in them.
    sigma_g : float
        Standard deviation of a sample of weight 1 about its level, grams; NaN if no sample was usable.
    correlation : float
        How many times the variance of a mean exceeds that of a mean of independent samples, at least 1.
    cost_g2 : float
        What was minimised: the samples' losses and a penalty for each change, square grams.
    missing : int
        Samples not used: NaN, infinite, beyond a tonne, or of weight 0.
    """

    ticks: NDArray[np.int64]
    levels_g: NDArray[np.float64]
    levels_sigma_g: NDArray[np.float64]
    deltas_g: NDArray[np.float64]
    deltas_sigma_g: NDArray[np.float64]
    sigma_g: float
    correlation: float
    cost_g2: float
    missing: int


def segment(
    grams: ArrayLike,
    *,
    rate_hz: float,
    sigma_g: float | None = None,
    weights: ArrayLike | None = None,
    false_alarms_per_day: float = 1.0,
    shortest_s: float = 0.5,
    loss: Literal["biweight", "square"] = "biweight",
) -> Segmentation:
    """Segment a whole signal into levels: the exact optimum over all numbers and places of changes.

    Functional pruning (FPOP: Maidstone, Hocking, Rigaill & Fearnhead 2017) finds the levels and changes with the least
    sum of losses plus a penalty a change. A sample y of weight w costs ``w min((y - level)^2, bound^2)``.

    The penalty follows from `false_alarms_per_day` by the tails of the scan statistics of Gaussian noise (Siegmund
    1988, "Approximate tail probabilities for the maxima of some random fields"), times the noise's variance, times its
    correlation (Lavielle & Moulines 2000: of dependent noise the variance of means counts). With the biweight loss
    (Fearnhead & Rigaill 2019, "Changepoint detection in the presence of outliers": only a bounded loss keeps a single
    sample, however wild, from making a level) it is at least half of ``bound^2`` times the samples in `shortest_s`:
    a level that is left for less and taken again then saves less than its two changes cost. So pushes, spikes and
    ringing shorter than `shortest_s` are no levels, whatever their size; a level on the way to another one may last
    half as long.

    Parameters
    ----------
    grams : (n,) float
        Samples, evenly spaced; NaN where missing. Infinite ones and those beyond a tonne count as missing. n is below
        2**31; it takes about 25 bytes a sample.
    rate_hz : float
        Samples a second, 0.01 to 100,000.
    sigma_g : float, optional
        Standard deviation of a sample of weight 1, which is then taken as independent of the others. If not given,
        it and the correlation are measured: from the median variance within blocks of `shortest_s`, and from the
        median squared difference of neighbouring blocks' means, which changes in fewer than half of the blocks do not
        mislead. It is never taken for less than the converter's resolution allows or than a millionth of the signal's
        range, finer than which the sums are not exact.
    weights : (n,) float, optional
        Relative precision of each sample (inverse variance): 0, which is missing, or 0.001 to 1000.
    false_alarms_per_day : float
        Changes a day that noise alone makes on a plate that truly changes once a minute, at most; 1e-6 to 1e4.
    shortest_s : float
        Duration of the shortest level, see above; 0 to 3600. With the square loss it bounds nothing.
    loss : {"biweight", "square"}
        "square" is optimal for Gaussian noise alone, twice as fast, and makes a level of every spike.

    Returns
    -------
    Segmentation
        Levels, changes and what is to be thought of them.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If it has the wrong shape or is out of range.
    """
    rate = validation.number("rate_hz", rate_hz, at_least=0.01, at_most=1e5)
    alarms = validation.number("false_alarms_per_day", false_alarms_per_day, at_least=1e-6, at_most=1e4)
    shortest = max(1, round(rate * validation.number("shortest_s", shortest_s, at_least=0.0, at_most=3600.0)))
    if loss not in ("biweight", "square"):
        raise ValueError(f"loss must be 'biweight' or 'square'; got {loss!r}")
    if sigma_g is not None:
        sigma_g = validation.number("sigma_g", sigma_g, above=0.0, at_most=LIMIT_G)
    y, w, bad = _usable(grams, weights)
    missing = int(np.count_nonzero(bad))
    if missing == len(y):
        none = np.empty(0)
        return Segmentation(none.astype(np.int64), none, none, none, none, np.nan, 1.0, 0.0, missing)
    noise, correlation, floor = _noise(y, w, np.flatnonzero(~bad) if missing else None, shortest)
    if sigma_g is not None:
        noise, correlation = sigma_g, 1.0
    noise = max(noise, floor)

    penalty = _penalty(alarms, rate) * correlation
    bound = np.inf
    if loss == "biweight":
        penalty, bound = max(penalty, 0.5 * shortest * BOUND**2), BOUND * noise
    penalty_g2 = penalty * noise**2
    with np.errstate(all="ignore"):
        start, level, mass, losses = backends.kernels("changepoints").segment(y, w, penalty_g2, bound)
    sigma = noise * np.sqrt(correlation / mass)
    return Segmentation(
        start[1:].copy(),
        level,
        sigma,
        np.diff(level),
        np.hypot(sigma[1:], sigma[:-1]),
        noise,
        correlation,
        math.fsum(losses) + penalty_g2 * (len(start) - 1),
        missing,
    )


def _usable(
    grams: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the samples, NaN where not usable, the weights, none if all are 1, and where samples are not usable."""
    y = validation.array("grams", grams, np.float64, (None,))
    if len(y) >= 2**31:
        raise ValueError(f"grams must have fewer than 2**31 samples; got {len(y)}")
    w = np.empty(0)
    bad = ~((y >= -LIMIT_G) & (y <= LIMIT_G))  # NaN is neither
    if weights is not None:
        w = validation.array("weights", weights, np.float64, (len(y),), finite=True)
        if not ((w == 0) | ((w >= 1e-3) & (w <= 1e3))).all():
            raise ValueError(f"weights must be 0 or lie in [0.001, 1000]; got values from {w.min()} to {w.max()}")
        bad |= w == 0
    return (np.where(bad, np.nan, y) if bad.any() else y), w, bad


def _noise(
    y: NDArray[np.float64], w: NDArray[np.float64], use: NDArray[np.int64] | None, shortest: int
) -> tuple[float, float, float]:
    """Measure the deviation of a sample of weight 1, the correlation, and the least that the deviation may be.

    `use` are the samples that are usable, all if None; there is one at least.
    """
    n = len(y) if use is None else len(use)
    floor = max(1e-6 * float(np.fmax.reduce(y) - np.fmin.reduce(y)), 1e-9)
    size = max(2, min(shortest, n // 8))
    pairs = n // (2 * size)
    if not pairs:
        return 0.0, 1.0, floor
    chosen = np.unique(np.linspace(0, pairs - 1, min(pairs, BLOCKS // 2)).astype(np.int64))
    at = (chosen[:, None] * (2 * size) + np.arange(2 * size)).reshape(len(chosen), 2, size)
    at = at if use is None else use[at]
    x, weight = y[at], w[at] if len(w) else np.ones(at.shape)
    step = np.abs(np.diff(x))
    if (step > 0).any():
        floor = max(floor, float(step[step > 0].min()) / math.sqrt(12))
    mass = weight.sum(2)
    center = x[..., :1]  # for precision: the plate may be heavy
    mean = (weight * (x - center)).sum(2) / mass
    variance = (weight * (x - center - mean[..., None]) ** 2).sum(2) / (size - 1)
    k = size - 1
    typical = float(np.median(variance)) / (MEDIAN_CHI2_1 if k == 1 else (1 - 2 / (9 * k)) ** 3)
    if 2 * len(chosen) < FEWEST_BLOCKS or typical <= floor**2:
        return math.sqrt(typical), 1.0, floor
    mean += center[..., 0]
    of_means = float(np.median((mean[:, 1] - mean[:, 0]) ** 2 / (1 / mass).sum(1))) / MEDIAN_CHI2_1
    if of_means <= typical:
        return math.sqrt(typical), 1.0, floor
    typical += (of_means - typical) / size  # what the blocks' own means took with them
    return math.sqrt(typical), of_means / typical, floor


@functools.lru_cache(maxsize=64)
def _penalty(false_alarms_per_day: float, rate_hz: float) -> float:
    """Return the penalty, in variances, at which noise makes as many changes a day."""
    low, high = 1.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _false_changes(middle, DAY_S * rate_hz) > false_alarms_per_day else (low, middle)
    return high


def _false_changes(penalty: float, n: float) -> float:
    """Tell how many changes noise makes in n samples cut into `CHANGES_PER_DAY` levels.

    Two at once, where an interval deviates by more than ``b = sqrt(2 penalty)`` of its mean's standard deviation, at
    a rate of ``b^3 phi(b) / 2 sum_l nu(b / sqrt(l))^2 / l^2`` a sample; the levels before and after may differ too,
    which adds a squared normal deviate to the gain and makes it ``3 pi b / (8 sqrt(2 pi))`` times as many. One alone,
    where the parts of a level of m samples differ by more than ``c = sqrt(penalty)``:
    ``2 c phi(c) sum_l nu(c / sqrt(l)) / l``, l up to m / 2 (Siegmund 1988).
    """
    b, c, m = math.sqrt(2 * penalty), math.sqrt(penalty), max(2.0, n / CHANGES_PER_DAY)
    exact = range(1, 65)  # beyond, nu hardly changes
    double = sum((_nu(b / math.sqrt(k)) / k) ** 2 for k in exact) + _nu(b / 8) ** 2 / 64
    single = sum(_nu(c / math.sqrt(k)) / k for k in exact if k <= m / 2) + _nu(c / 8) * max(0.0, math.log(m / 128))
    pairs = n * b**4 * _phi(b) * 3 * math.pi / (16 * math.sqrt(2 * math.pi)) * double
    return 2 * pairs + CHANGES_PER_DAY * 2 * c * _phi(c) * single


def _phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _nu(x: float) -> float:
    """Return Siegmund's correction for discrete time (Siegmund & Yakir 2007, "The Statistics of Gene Mapping")."""
    half = 0.5 * math.erf(x / 2 / math.sqrt(2))
    return (2 / x) * half / (x / 2 * (0.5 + half) + _phi(x / 2))
