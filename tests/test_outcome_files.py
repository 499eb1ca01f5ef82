"""Outcome documents read back: what was written, what was written before, and what is damaged."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import Candidate, Engine, Health, Interaction, Outcome, Receipt, ReceiptLine, RecordingError, read_outcome
from fusion.simulation import SimulationSettings, simulate

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
probability = st.floats(0.0, 1.0)
terms = st.dictionaries(text, finite, max_size=3).map(lambda d: tuple(d.items()))
candidates = st.builds(Candidate, text, text, st.integers(-9, 9), probability, terms)
quantities = st.dictionaries(st.integers(0, 9), probability, min_size=1, max_size=3).map(
    lambda d: tuple(sorted(d.items()))
)
some_text = st.lists(text, max_size=2).map(tuple)
lines = st.builds(
    ReceiptLine, text, st.text(max_size=5), st.integers(0, 9), probability, st.booleans(), some_text, quantities
)
interactions = st.builds(
    Interaction,
    text,
    st.sampled_from(["take", "return", "hand_over", "touch", "unknown"]),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    some_text,
    finite,
    st.floats(0.0, 1e300),
    st.lists(candidates, max_size=3).map(tuple),
)
some_lines = st.lists(lines, max_size=3).map(tuple)
receipts = st.builds(Receipt, text, st.booleans(), probability, st.booleans(), some_lines, some_lines)
outcomes = st.builds(
    Outcome,
    st.lists(receipts, max_size=3).map(tuple),
    st.lists(interactions, max_size=3, unique_by=lambda i: i.id).map(tuple),
    st.just(Health(({"plate": "1/1/1", "status": ["ok"]},), (), 1, 2, 3)),
)


@given(outcomes)
def test_round_trip(outcome: Outcome) -> None:
    document = outcome.to_dict()
    assert Outcome.from_dict(document) == outcome
    assert Outcome.from_dict(json.loads(json.dumps(document, allow_nan=False))) == outcome


def test_what_the_engine_tells_comes_back_from_a_file(tmp_path: Path) -> None:
    simulation = simulate(SimulationSettings(seed=3, duration_s=25.0, shoppers=2, events_per_shopper=3))
    engine = Engine(simulation.store)
    engine.push(simulation.observations)
    outcome = engine.finish()
    path = tmp_path / "o.json"
    path.write_text(json.dumps(outcome.to_dict(), allow_nan=False), encoding="utf-8")
    assert read_outcome(path) == outcome


OLD: dict[str, Any] = {
    "format": "fusion.outcome/1",
    "receipts": [
        {
            "shopper": "a",
            "final": True,
            "confidence": 0.9,
            "needs_review": False,
            "lines": [
                {
                    "product": "cola",
                    "name": "Cola",
                    "quantity": 2,
                    "confidence": 0.75,
                    "needs_review": True,
                    "interactions": ["1:0"],
                }
            ],
        }
    ],
    "interactions": [
        {
            "id": "1:0",
            "kind": "take",
            "start_ns": 1,
            "end_ns": 2,
            "plates": ["1/1/1"],
            "delta_g": -500.0,
            "sigma_g": 1.0,
            "candidates": [{"shopper": "a", "product": "cola", "quantity": -2, "probability": 0.75}],
        }
    ],
    "health": {"plates": [], "cameras": [], "late": 0, "dropped": 0},
}


def test_a_document_of_before() -> None:
    outcome = Outcome.from_dict(OLD)
    (line,) = outcome.receipts[0].lines
    assert line.quantities == ((0, 0.25), (2, 0.75))
    assert outcome.receipts[0].doubts == ()
    assert outcome.interactions[0].candidates[0].terms == ()


def changed(path: str, value: Any) -> dict[str, Any]:
    document: Any = copy.deepcopy(OLD)
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[int(name)] if name.isdigit() else inner[name]
    if isinstance(inner, list):
        inner[int(last)] = value
    elif value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return document


DAMAGE = [
    ("format", "fusion.outcome/2"),
    ("format", KeyError),
    ("receipts", None),
    ("receipts", {}),
    ("receipts.0", 5),
    ("receipts.0.shopper", ""),
    ("receipts.0.confidence", 1.5),
    ("receipts.0.confidence", "high"),
    ("receipts.0.lines", KeyError),
    ("receipts.0.lines.0.quantity", -1),
    ("receipts.0.lines.0.quantity", 1.5),
    ("receipts.0.lines.0.quantity", 10**30),
    ("receipts.0.lines.0.confidence", -0.1),
    ("receipts.0.lines.0.quantities", {"x": 0.5}),
    ("receipts.0.lines.0.quantities", {"-1": 0.5}),
    ("receipts.0.lines.0.decision", "burn"),
    ("receipts.0.doubts", 7),
    ("interactions.0.id", None),
    ("interactions.0.kind", "theft"),
    ("interactions.0.start_ns", -1),
    ("interactions.0.end_ns", 2**70),
    ("interactions.0.sigma_g", -1.0),
    ("interactions.0.plates", "1/1/1"),
    ("interactions.0.candidates.0.probability", 2.0),
    ("interactions.0.candidates.0.terms", {"weight": "heavy"}),
    ("interactions.0.candidates.0.terms", [["weight", 1.0]]),
    ("health.late", -1),
]


@pytest.mark.parametrize(("path", "value"), DAMAGE)
def test_damage_is_told_with_its_field(path: str, value: Any, tmp_path: Path) -> None:
    document = changed(path, value)
    with pytest.raises(ValueError, match="is no outcome document"):
        Outcome.from_dict(document)
    (tmp_path / "o.json").write_text(json.dumps(document))
    with pytest.raises(RecordingError, match=r"o\.json") as caught:
        read_outcome(tmp_path / "o.json")
    assert path.split(".")[-1].rstrip("0123456789") in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("path", ["receipts.0.confidence", "interactions.0.delta_g"])
def test_numbers_that_are_none(path: str, value: float, tmp_path: Path) -> None:
    document = changed(path, value)
    with pytest.raises(ValueError, match="is no outcome document"):
        Outcome.from_dict(document)
    (tmp_path / "o.json").write_text(json.dumps(document))  # NaN and Infinity, which are no JSON
    with pytest.raises(RecordingError):
        read_outcome(tmp_path / "o.json")


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"receipts": 1e999}'])
def test_no_document(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "o.json").write_bytes(text)
    with pytest.raises(RecordingError):
        read_outcome(tmp_path / "o.json")


@pytest.mark.parametrize("document", [None, 5, "x", {}, [], {"format": "fusion.outcome/1"}, {1: object()}])
def test_no_dictionary_of_it(document: Any) -> None:
    with pytest.raises(ValueError, match="is no outcome document"):
        Outcome.from_dict(document)


def test_a_dictionary_that_holds_itself() -> None:
    document = changed("health.late", 0)
    document["health"]["plates"].append(document)
    with pytest.raises(ValueError, match="is no outcome document"):
        Outcome.from_dict(document)


def test_interactions_have_names_of_their_own(tmp_path: Path) -> None:
    document = copy.deepcopy(OLD)
    document["interactions"] *= 2
    with pytest.raises(ValueError, match="'1:0' comes twice"):
        Outcome.from_dict(document)
    (tmp_path / "o.json").write_text(json.dumps(document))
    with pytest.raises(RecordingError, match="'1:0' comes twice"):
        read_outcome(tmp_path / "o.json")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        read_outcome(tmp_path / "none.json")
