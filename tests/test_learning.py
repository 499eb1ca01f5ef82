"""Fitting confidence: what is known of the truth is found, few labels stay humble, order does not matter."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import ConfidenceModel, EngineSettings, fit_confidence, scoring
from fusion.confidence import fingerprint
from fusion.learning import FEWEST, settings_name
from fusion.review import ReviewPolicy

pytest.importorskip("sklearn", reason="needs the extra learn")

Session = tuple[dict[str, Any], dict[str, Any]]


def session(*lines: tuple[float, bool]) -> Session:
    """One shopper with a line for each (confidence, right); a wrong one is of nothing that he took."""
    told = [
        {"product": str(i), "quantity": 1, "confidence": p, "needs_review": False} for i, (p, _) in enumerate(lines)
    ]
    true = [{"product": str(i), "quantity": 1} for i, (_, right) in enumerate(lines) if right]
    receipt = {"shopper": "a", "confidence": 0.5, "needs_review": False, "lines": told}
    return {"receipts": [receipt]}, {"receipts": [{"shopper": "a", "lines": true}]}


def overconfident(seed: int, sessions: int, temperature: float = 3.0) -> list[Session]:
    """Sessions of 20 lines whose log-odds are told as so many times what they are."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(sessions):
        x = rng.normal(2.0, 1.5, 20)
        right = rng.random(20) < 1.0 / (1.0 + np.exp(-x))
        told = 1.0 / (1.0 + np.exp(-temperature * x))
        result.append(session(*zip(told.tolist(), right.tolist(), strict=True)))
    return result


def errors(model: ConfidenceModel, sessions: list[Session]) -> tuple[float, float]:
    """Expected calibration error of lines before and after."""
    told = [t for document, truth in sessions for t in scoring.told(document, truth) if t.kind == "line"]
    right = [t.right for t in told]
    before = scoring.expected_calibration_error([t.confidence for t in told], right)
    after = scoring.expected_calibration_error([model.line(1, {1: t.confidence})[1] for t in told], right)
    return before, after


@pytest.mark.parametrize("method", ["auto", "isotonic", "temperature"])
def test_what_was_too_sure_is_mended_on_sessions_not_seen(method: Any) -> None:
    model = fit_confidence(overconfident(1, 60), method)
    before, after = errors(model, overconfident(2, 100))
    assert before > 0.08
    assert after < 0.03
    assert model.labels["lines"] == 1200
    assert model.sessions == 60


def test_temperature_finds_the_temperature() -> None:
    curve = fit_confidence(overconfident(3, 200), "temperature").lines
    assert curve is not None
    (a, b), (c, d) = curve.raw, curve.calibrated
    assert (b - a) / (d - c) == pytest.approx(3.0, rel=0.15)


def test_the_right_method_is_chosen() -> None:
    assert "lines: temperature" in fit_confidence(overconfident(4, 60)).method
    calibrated = fit_confidence(overconfident(5, 60, temperature=1.0))
    before, after = errors(calibrated, overconfident(6, 100, temperature=1.0))
    assert after < before + 0.01


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
@settings(max_examples=25, deadline=None)
@given(labels=st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=FEWEST, max_size=60))
def test_few_labels_never_make_certainty(method: Any, labels: list[tuple[float, bool]]) -> None:
    curve = fit_confidence([session(*labels)], method).lines
    assert curve is not None
    n = len(labels)
    bound = 0.5 / (n + 1.0)
    told = [curve(p) for p in np.linspace(0.0, 1.0, 41)]
    assert all(bound * (1 - 1e-9) <= p <= 1.0 - bound * (1 - 1e-9) for p in told)
    assert told == sorted(told)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("method", ["isotonic", "temperature"])
def test_all_alike(method: Any, right: bool) -> None:
    curve = fit_confidence([session(*[(0.9, right)] * 100)], method).lines
    assert curve is not None
    assert curve(0.9) > 0.95 if right else curve(0.9) < 0.6


def test_isotonic_follows_frequencies() -> None:
    """Of 100 told with .6 a fifth is right, of 100 told with .9 all are."""
    model = fit_confidence([session(*[(0.6, k < 20) for k in range(100)], *[(0.9, True)] * 100)], "isotonic")
    assert model.lines is not None
    assert model.lines(0.6) == pytest.approx(20.5 / 101.0)
    assert model.lines(0.9) == pytest.approx(100.5 / 101.0)
    assert model.lines(0.6) < model.lines(0.8) < model.lines(0.9)


@pytest.mark.parametrize("method", ["auto", "isotonic", "temperature"])
def test_the_order_within_sessions_does_not_matter(method: Any) -> None:
    rng = np.random.default_rng(0)
    labels = [[(float(p), bool(rng.random() < p)) for p in rng.random(30)] for _ in range(6)]
    one = fit_confidence([session(*some) for some in labels], method)
    other = fit_confidence([session(*(some[i] for i in rng.permutation(len(some)))) for some in labels], method)
    assert one == other


def test_too_few_labels_leave_it_as_it_is() -> None:
    model = fit_confidence([session(*[(0.9, True)] * (FEWEST - 1))], "isotonic")
    assert (model.lines, model.doubts, model.receipts) == (None, None, None)
    assert fit_confidence([]).sessions == 0


def test_doubts_have_a_curve_of_their_own() -> None:
    document, truth = session(*[(0.9, True)] * 30)
    doubts = [{"product": f"d{i}", "quantity": 0, "confidence": 0.8, "needs_review": False} for i in range(30)]
    document["receipts"][0]["doubts"] = doubts
    truth["receipts"][0]["lines"] += [{"product": f"d{i}", "quantity": 1} for i in range(15)]
    model = fit_confidence([(document, truth)], "isotonic")
    assert model.lines is not None
    assert model.doubts is not None
    assert model.doubts(0.8) == pytest.approx(0.5)
    assert model.lines(0.9) > 0.98


def test_settings_are_named_but_for_the_review() -> None:
    plain = fit_confidence([], settings=EngineSettings())
    assert plain.settings == settings_name(EngineSettings(review_below=0.5, review=ReviewPolicy()))
    assert plain.settings != settings_name(EngineSettings(grasp_s=0.3))
    assert plain.settings != fingerprint(EngineSettings())


def test_refused() -> None:
    with pytest.raises(ValueError, match="method must be one of auto, temperature, isotonic; got 'platt'"):
        fit_confidence([], "platt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no receipts"):
        fit_confidence([({}, {})])


def test_without_the_extra_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import fusion; fusion.fit_confidence([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install 'walkout-fusion[learn]'" in done.stderr
