"""Calibration curves: monotone, bounded, saved and read back, refused where damaged."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import ConfidenceModel, Engine, EngineSettings, RecordingError, Store
from fusion.confidence import LARGEST, Curve, fingerprint, log_odds

probabilities = st.floats(0.0, 1.0)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    knots = st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=8, unique=True)
    raw = sorted(draw(knots))
    images = st.lists(st.floats(-LARGEST, LARGEST), min_size=len(raw), max_size=len(raw))
    return Curve(tuple(raw), tuple(sorted(draw(images))))


@st.composite
def models(draw: st.DrawFn) -> ConfidenceModel:
    maybe = st.none() | curves()
    counts = st.dictionaries(st.sampled_from(["lines", "doubts", "receipts"]), st.integers(0, 10**6))
    text = st.text(max_size=20)
    return ConfidenceModel(
        draw(maybe), draw(maybe), draw(maybe), draw(counts), draw(st.integers(0, 10**6)), draw(text), "0.1", draw(text)
    )


class TestCurve:
    @given(curves(), probabilities, probabilities)
    def test_monotone_and_strictly_within_0_and_1(self, curve: Curve, p: float, q: float) -> None:
        low, high = curve(min(p, q)), curve(max(p, q))
        assert 0.0 < low <= high < 1.0

    @given(probabilities)
    def test_two_knots_scale_the_temperature(self, p: float) -> None:
        curve = Curve((-LARGEST, LARGEST), (-LARGEST / 2, LARGEST / 2))
        assert curve(p) == pytest.approx(1.0 / (1.0 + math.exp(-log_odds(p) / 2)), rel=1e-9)

    def test_between_and_beyond_knots(self) -> None:
        curve = Curve((-1.0, 1.0, 2.0), (0.0, 2.0, 2.0))

        def image(x: float) -> float:
            return log_odds(curve(1.0 / (1.0 + math.exp(-x))))

        told = [image(x) for x in (-9.0, -1.0, 0.0, 0.5, 1.5, 9.0)]
        assert told == pytest.approx([0.0, 0.0, 1.0, 1.5, 2.0, 2.0], abs=1e-12)

    def test_log_odds_of_certainty_are_finite(self) -> None:
        assert (log_odds(0.0), log_odds(0.5), log_odds(1.0)) == (-LARGEST, 0.0, LARGEST)

    @pytest.mark.parametrize(
        ("raw", "calibrated", "error", "words"),
        [
            ((), (), TypeError, "raw must be a sequence of at least one number"),
            ("12", (1.0,), TypeError, "raw must be a sequence"),
            ((0.0,), (1.0, 2.0), ValueError, "calibrated must have 1 knots; got 2"),
            ((0.0, 0.0), (1.0, 2.0), ValueError, "raw must rise"),
            ((0.0, 1.0), (2.0, 1.0), ValueError, "calibrated must not fall"),
            ((math.nan,), (0.0,), ValueError, "each of raw must be finite"),
            ((0.0,), (26.0,), ValueError, r"each of calibrated must lie in \[-25"),
            ((None,), (0.0,), TypeError, "each of raw must be a number"),
        ],
    )
    def test_refused(self, raw: Any, calibrated: Any, error: type[Exception], words: str) -> None:
        with pytest.raises(error, match=words):
            Curve(raw, calibrated)


class TestModel:
    @given(models(), st.dictionaries(st.integers(0, 4), probabilities, min_size=1))
    def test_quantities_stay_a_distribution(self, model: ConfidenceModel, weight: dict[int, float]) -> None:
        total = math.fsum(weight.values())
        if total < 1e-3:
            return
        quantities = {q: w / total for q, w in weight.items()}
        told = max(quantities, key=lambda q: quantities[q])
        calibrated = model.line(told, quantities)
        assert math.fsum(calibrated.values()) == pytest.approx(1.0, abs=1e-12)
        assert all(0.0 <= p <= 1.0 for p in calibrated.values())
        curve = model.lines if told else model.doubts
        assert calibrated[told] == (quantities[told] if curve is None else curve(quantities[told]))

    def test_where_the_mistake_is_unknown_it_is_the_likeliest(self) -> None:
        curve = Curve((0.0,), (math.log(9.0),))
        model = ConfidenceModel(lines=curve, doubts=curve)
        assert model.line(2, {2: 1.0}) == pytest.approx({2: 0.9, 0: 0.1})
        assert model.line(0, {0: 1.0}) == pytest.approx({0: 0.9, 1: 0.1})

    def test_the_identity_by_default(self) -> None:
        assert ConfidenceModel().line(1, {0: 0.3, 1: 0.7}) == {0: 0.3, 1: 0.7}
        assert ConfidenceModel().receipt(0.123) == 0.123

    @settings(deadline=None)  # files
    @given(model=models())
    def test_round_trip(self, model: ConfidenceModel, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("model") / "confidence.json"
        model.save(path)
        assert ConfidenceModel.load(path) == model

    def test_the_engine_takes_a_model_and_nothing_else(self) -> None:
        Engine(Store((), (), ()), confidence=ConfidenceModel())
        with pytest.raises(TypeError, match="confidence must be a ConfidenceModel"):
            Engine(Store((), (), ()), confidence=0.9)  # type: ignore[arg-type]

    def test_settings_have_names(self) -> None:
        assert fingerprint(EngineSettings()) == fingerprint(EngineSettings())
        assert fingerprint(EngineSettings()) != fingerprint(EngineSettings(grasp_s=0.3))


GOOD = {
    "format": "fusion.confidence/1",
    "lines": {"raw": [0.0], "calibrated": [1.0]},
    "doubts": None,
    "receipts": None,
    "labels": {"lines": 50},
    "sessions": 3,
    "method": "isotonic",
    "version": "0.1.0",
    "settings": "abc",
}


class TestHostileFiles:
    def refused(self, path: Path, text: str | bytes) -> str:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(RecordingError) as caught:
            ConfidenceModel.load(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    def test_good(self, tmp_path: Path) -> None:
        (tmp_path / "c.json").write_text(json.dumps(GOOD))
        assert ConfidenceModel.load(tmp_path / "c.json").lines == Curve((0.0,), (1.0,))

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", "null", "[" * 100_000, b"\xff\xfe", '{"format": "fusion.confidence/2"}', "{}"]
    )
    def test_no_document(self, text: str | bytes, tmp_path: Path) -> None:
        self.refused(tmp_path / "c.json", text)

    @pytest.mark.parametrize("missing", [name for name in GOOD if name != "format"])
    def test_a_missing_field(self, missing: str, tmp_path: Path) -> None:
        rest = {name: value for name, value in GOOD.items() if name != missing}
        assert missing in self.refused(tmp_path / "c.json", json.dumps(rest))

    @pytest.mark.parametrize(
        "change",
        [
            {"lines": {"raw": [1.0, 0.0], "calibrated": [0.0, 1.0]}},
            {"lines": {"raw": [0.0, 1.0], "calibrated": [1.0, 0.0]}},
            {"lines": {"raw": [0.0], "calibrated": [math.nan]}},
            {"lines": {"raw": [math.inf], "calibrated": [0.0]}},
            {"lines": {"raw": [1e9], "calibrated": [0.0]}},
            {"lines": {"raw": "x", "calibrated": [0.0]}},
            {"lines": {"raw": [0.0]}},
            {"lines": 5},
            {"lines": []},
            {"labels": {"lines": -1}},
            {"labels": {"lines": True}},
            {"labels": [1]},
            {"sessions": 1.5},
            {"sessions": None},
            {"method": 7},
            {"settings": None},
        ],
    )
    def test_a_damaged_field(self, change: dict[str, Any], tmp_path: Path) -> None:
        self.refused(tmp_path / "c.json", json.dumps(GOOD | change))

    def test_missing_and_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(RecordingError, match="cannot be read"):
            ConfidenceModel.load(tmp_path / "none.json")
        with pytest.raises(RecordingError, match="cannot be written"):
            ConfidenceModel().save(tmp_path)
