"""Learning confidence from labelled sessions: how often is right what the engine was so sure of.

Needs the extra ``learn`` (scikit-learn); what is learned is applied without it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fusion import scoring
from fusion.confidence import ConfidenceModel, Curve, fingerprint, log_odds
from fusion.engine_settings import EngineSettings
from fusion.extras import require
from fusion.receipts import Outcome

Method = Literal["auto", "isotonic", "temperature"]
Array = NDArray[np.float64]

KINDS = {"line": "lines", "doubt": "doubts", "receipt": "receipts"}
FOLDS = 5
"""Of the cross-validation, at most; each session lies in one."""
FEWEST = 20
"""Fewer labels than this say nothing that a curve could follow: the confidence stays as it is."""


def fit_confidence(
    sessions: Iterable[tuple[Outcome | Mapping[str, Any], Mapping[str, Any]]],
    method: Method = "auto",
    *,
    settings: EngineSettings | None = None,
) -> ConfidenceModel:
    """Fit calibration curves on sessions whose truth is known.

    Few labels never make certainty: a block of n labels of which k are right counts as ``(k + 1/2) / (n + 1)``
    (Jeffreys' prior), and no curve leaves ``[1/2 / (n + 1), (n + 1/2) / (n + 1)]`` for the n labels it was fitted on.

    Parameters
    ----------
    sessions : iterable of (Outcome or outcome document, truth)
        What an engine without a confidence model told, and what `fusion.scoring.units` reads as the truth.
    method : {"auto", "isotonic", "temperature"}
        Isotonic regression (any monotone error, given many labels), temperature scaling (one parameter), or what does
        best of both and the identity by log-loss, cross-validated over sessions; the simplest where that is unclear.
    settings : EngineSettings, optional
        Of the engine that told; the defaults otherwise. The model keeps their name.

    Returns
    -------
    ConfidenceModel
        With the identity for lines, doubts or receipts that have fewer than 20 labels.

    Raises
    ------
    ValueError
        If `method` is none of these, or a session cannot be read.
    ImportError
        If scikit-learn is not installed.
    """
    if method not in ("auto", *FITS):
        raise ValueError(f"method must be one of auto, {', '.join(FITS)}; got {method!r}")
    require("sklearn", extra="learn")
    from fusion import __version__

    labels: dict[str, list[tuple[float, bool, int]]] = {kind: [] for kind in KINDS}
    count = 0
    for count, (outcome, truth) in enumerate(sessions, 1):
        document = outcome.to_dict() if isinstance(outcome, Outcome) else outcome
        for told in scoring.told(document, truth):
            labels[told.kind].append((told.confidence, told.right, count))
    curves, methods = {}, {}
    for kind, name in KINDS.items():
        curves[name], methods[name] = _curve(labels[kind], method)
    return ConfidenceModel(
        **curves,
        labels={name: len(labels[kind]) for kind, name in KINDS.items()},
        sessions=count,
        method=", ".join(f"{name}: {how}" for name, how in methods.items()),
        version=__version__,
        settings=settings_name(settings or EngineSettings()),
    )


def settings_name(settings: EngineSettings) -> str:
    """Name the settings that raw confidence depends on: all but those of the review."""
    return fingerprint(replace(settings, review_below=0.0, review=None))


def _curve(labels: Sequence[tuple[float, bool, int]], method: Method) -> tuple[Curve | None, str]:
    """Fit one curve on (confidence, right, session), and say by which method."""
    if len(labels) < FEWEST:
        return None, "identity"
    ordered = sorted(labels)
    p, right, session = (np.array(column) for column in zip(*ordered, strict=True))
    if method == "auto":
        method = _best(p, right, session)
    return (FITS[method](p, right), method) if method in FITS else (None, "identity")


def _best(p: Array, right: NDArray[np.bool_], session: NDArray[np.int64]) -> Any:
    """Choose the simplest method whose log-loss, on sessions it was not fitted on, is within an error of the best's.

    The rule of one standard error (Breiman et al. 1984), of the paired differences by session: without it, isotonic
    regression would be chosen for what it makes of chance.
    """
    folds = min(FOLDS, len(np.unique(session)))
    if folds < 2:
        return "identity"
    loss = {name: np.zeros(len(p)) for name in ("identity", *FITS)}  # the simplest first
    for train, test in require("sklearn.model_selection", extra="learn").GroupKFold(folds).split(p, right, session):
        # The identity is bounded as curves are, or one mistake of what was told with 1 would cost infinitely much.
        told = {"identity": np.clip(p[test], *_bounds(len(train)))}
        for name, fit in FITS.items():
            curve = fit(p[train], right[train])
            told[name] = np.array([curve(x) for x in p[test]])
        for name, q in told.items():
            loss[name][test] = -np.log(np.where(right[test], q, 1.0 - q))
    best = min(loss, key=lambda name: float(loss[name].sum()))
    for name, one in loss.items():
        more = np.bincount(session, one - loss[best])
        if more.sum() <= np.sqrt((more**2).sum()):
            return name
    return best


def _isotonic(p: Array, right: NDArray[np.bool_]) -> Curve:
    """Isotonic regression: constant within a block of labels, linear in log-odds from one to the next."""
    regression = require("sklearn.isotonic", extra="learn").isotonic_regression
    x, index, n = np.unique([log_odds(value) for value in p], return_inverse=True, return_counts=True)
    hits = np.bincount(index, right)
    _, first = np.unique(regression(hits / n, sample_weight=n), return_index=True)
    block_n, block_hits = np.add.reduceat(n, first), np.add.reduceat(hits, first)
    # Smoothing may put blocks out of order: they are pooled once more.
    smoothed = regression((block_hits + 0.5) / (block_n + 1.0), sample_weight=block_n + 1.0)
    ends = np.column_stack([x[first], x[np.append(first[1:], len(x)) - 1]]).ravel()
    return _knots(ends, np.repeat(np.log(smoothed / (1.0 - smoothed)), 2))


def _temperature(p: Array, right: NDArray[np.bool_]) -> Curve:
    """Temperature scaling: logistic regression without intercept on log-odds, with Platt's smoothed targets."""
    logistic = require("sklearn.linear_model", extra="learn").LogisticRegression
    n, hits = len(p), right.sum()
    low, high = (log_odds(bound) for bound in _bounds(n))
    # What n labels cannot tell apart is alike: else a mistake told with 1 - 1e-12 would outweigh a hundred others.
    x = np.clip([log_odds(value) for value in p], low, high)
    # Platt 1999: a hit counts as one with (N+ + 1) / (N+ + 2), so that labels all alike have a finite optimum.
    target = np.where(right, (hits + 1.0) / (hits + 2.0), 1.0 / (n - hits + 2.0))
    fit = logistic(C=np.inf, fit_intercept=False).fit(
        np.concatenate([x, x])[:, None],
        np.concatenate([np.ones(n), np.zeros(n)]),
        sample_weight=np.concatenate([target, 1.0 - target]),
    )
    slope = float(np.clip(fit.coef_[0, 0], 1e-3, 1e3))
    end = high / max(slope, 1.0)  # beyond, it is sure enough, or cannot be told apart
    return _knots(np.array([-end, end]), np.array([-slope * end, slope * end]))


def _bounds(n: int) -> tuple[float, float]:
    """Return what n labels, all wrong or all right, say of the next (Jeffreys' prior)."""
    return 0.5 / (n + 1.0), (n + 0.5) / (n + 1.0)


def _knots(x: Array, y: Array) -> Curve:
    """Make a curve of points in order, those merged that lie at one place."""
    keep = np.diff(x, prepend=-np.inf) > 0.0
    return Curve(tuple(x[keep].tolist()), tuple(np.maximum.accumulate(y)[keep].tolist()))


FITS: dict[str, Callable[[Array, NDArray[np.bool_]], Curve]] = {"temperature": _temperature, "isotonic": _isotonic}
