"""Level-change detectors of single plates as their users run them: ticks out, deltas by means on both sides."""

import numpy as np
from numpy.typing import NDArray
from river.drift import PageHinkley
from skchange.detectors import FPOP

Array = NDArray[np.float64]
SIDE_S = 2.0
"""Of the means on both sides of a change, by which detectors without levels of their own tell its size."""


def deviation(grams: Array) -> float:
    """Deviation of a sample by the differences of successive ones, as the peers' users scale their signals."""
    return max(float(1.4826 * np.median(np.abs(np.diff(grams))) / np.sqrt(2)), 0.1)


def fpop(grams: Array, rate_hz: float, strictness: float) -> tuple[Array, Array]:
    """Exact offline segmentation of the whole signal at `strictness` times log n."""
    labels = np.asarray(FPOP(penalty=strictness * np.log(len(grams))).fit_predict((grams / deviation(grams))[:, None]))
    ticks = np.flatnonzero(np.diff(labels)) + 1 if len(labels) == len(grams) else labels
    means = np.array([part.mean() for part in np.split(grams, ticks)])
    return ticks.astype(np.float64), np.diff(means)


def page_hinkley(grams: Array, rate_hz: float, threshold: float) -> tuple[Array, Array]:
    """Online drift detector with a forgetting mean; it starts anew after each change."""
    detector = PageHinkley(min_instances=round(rate_hz), delta=0.5, threshold=threshold, alpha=0.999)
    ticks = []
    for tick, x in enumerate((grams / deviation(grams)).tolist()):
        detector.update(x)
        if detector.drift_detected:
            ticks.append(tick)
    return _with_deltas(grams, np.array(ticks, np.int64), rate_hz)


def rolling(grams: Array, rate_hz: float, threshold_g: float) -> tuple[Array, Array]:
    """Compare the means of two quiet half seconds, a second apart, as published systems do."""
    n, gap = round(rate_hz / 2), round(rate_hz)
    total, squares = (np.cumsum(np.insert(v, 0, 0.0)) for v in (grams - grams[0], (grams - grams[0]) ** 2))
    mean = (total[n:] - total[:-n]) / n
    spread = np.sqrt(np.maximum((squares[n:] - squares[:-n]) / n - mean**2, 0.0))
    before, after = slice(None, -gap - n), slice(gap + n, None)
    step = np.abs(mean[after] - mean[before])
    hit = (step > threshold_g) & (spread[before] < threshold_g / 2) & (spread[after] < threshold_g / 2)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hit, [False]]).astype(np.int8)))
    middles = (edges[::2] + edges[1::2]) // 2 + n + gap // 2 + n // 2
    return _with_deltas(grams, middles, rate_hz)


def _with_deltas(grams: Array, ticks: NDArray[np.int64], rate_hz: float) -> tuple[Array, Array]:
    side = round(SIDE_S * rate_hz)
    around = [(grams[max(t - side, 0) : max(t - 6, 1)], grams[t + 6 : t + side]) for t in ticks]
    deltas = [after.mean() - before.mean() if len(after) else 0.0 for before, after in around]
    return ticks.astype(np.float64), np.array(deltas)


STRICTNESS = {
    fpop: (2e3, 1e5, 4e5, 2e6, 1e7),
    page_hinkley: (300.0, 1e3, 3e3, 1e4),
    rolling: (30.0, 60.0, 120.0, 240.0),
}
"""For each detector the settings that are tried; the best by F1 on the very signals is told, in its favour."""
