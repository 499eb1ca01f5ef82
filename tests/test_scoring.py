"""Scores: the competition's metric, both kinds of truth, and documents that cannot be counted."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import Outcome, Receipt, ReceiptLine, scoring
from fusion.scoring import LineCheck, Units, check_lines, item_f1, units

TOOL = Path(__file__).parents[2] / "shared" / "tools" / "score_nanostore.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The competition's metric; the test is skipped where it is absent."""
    if not TOOL.is_file():
        pytest.skip("the competition's metric (../shared/tools/score_nanostore.py) is not beside this checkout")
    spec = importlib.util.spec_from_file_location("score_nanostore", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


carts = st.dictionaries(
    st.sampled_from(["7", "8", "3325379692103139202"]),
    st.dictionaries(st.sampled_from(["0711", "0712", "0713"]), st.integers(0, 4), max_size=3),
    max_size=3,
)


def nanostore(bags: dict[str, dict[str, int]]) -> dict[str, Any]:
    receipts = [
        {"target_id": shopper, "products": [{"barcode": p, "quantity": q} for p, q in bag.items()]}
        for shopper, bag in bags.items()
    ]
    return {"case": "X", "receipts": receipts, "events": []}


def own(bags: dict[str, dict[str, int]]) -> dict[str, Any]:
    return Outcome(
        tuple(
            Receipt(shopper, True, 1.0, False, tuple(ReceiptLine(p, "", q, 1.0, False, ()) for p, q in bag.items()))
            for shopper, bag in bags.items()
        )
    ).to_dict()


@given(carts, carts)
def test_f1_is_the_competitions(tool: ModuleType, truth: dict[str, dict[str, int]], told: dict[str, Any]) -> None:
    expected = tool.f1(nanostore(truth)["receipts"], nanostore(told)["receipts"])
    assert item_f1(units(nanostore(truth)), units(nanostore(told))) == expected


@given(carts)
def test_both_kinds_of_truth_count_the_same(bags: dict[str, dict[str, int]]) -> None:
    expected = {(s, p): q for s, bag in bags.items() for p, q in bag.items() if q}
    assert units(nanostore(bags)) == units(own(bags)) == expected
    assert list(units(own(bags)).values()) == list(expected.values())


@given(carts, carts)
def test_f1_is_symmetric_and_within_0_and_1(truth: dict[str, dict[str, int]], told: dict[str, dict[str, int]]) -> None:
    a, b = units(own(truth)), units(own(told))
    assert item_f1(a, b) == item_f1(b, a)
    assert 0 <= item_f1(a, b) <= 1
    assert (item_f1(a, b) == 1) == (a == b)


@pytest.mark.parametrize(
    ("truth", "told", "expected"),
    [
        ({}, {}, 1.0),
        ({("a", "x"): 1}, {}, 0.0),
        ({}, {("a", "x"): 1}, 0.0),
        ({("a", "x"): 2}, {("a", "x"): 2}, 1.0),
        ({("a", "x"): 3}, {("a", "x"): 1}, 2 * 1 / 4),
        ({("a", "x"): 1, ("a", "y"): 1}, {("a", "x"): 1, ("b", "y"): 1}, 2 * 1 / 4),
    ],
)
def test_f1_known_answers(truth: dict[tuple[str, str], int], told: dict[tuple[str, str], int], expected: float) -> None:
    assert item_f1(Counter(truth), Counter(told)) == expected


def test_a_shopper_who_comes_twice_counts_once() -> None:
    document = own({"a": {"x": 1}})
    document["receipts"] += own({"a": {"x": 2}})["receipts"]
    assert units(document) == {("a", "x"): 3}


def test_numeric_ids_are_read_as_text() -> None:
    document = {"receipts": [{"target_id": 7, "products": [{"barcode": "x", "quantity": 1}]}]}
    assert units(document) == {("7", "x"): 1}


def test_lines_side_by_side() -> None:
    truth: Units = Counter({("b", "x"): 1, ("a", "y"): 2, ("a", "x"): 1})
    told: Units = Counter({("a", "y"): 2, ("a", "x"): 3, ("c", "x"): 1})
    checks = check_lines(truth, told)
    assert checks == [
        LineCheck("a", "x", 1, 3),
        LineCheck("a", "y", 2, 2),
        LineCheck("b", "x", 1, 0),
        LineCheck("c", "x", 0, 1),
    ]
    assert [c.right for c in checks] == [False, True, False, False]
    assert check_lines(Counter(), Counter()) == []
    assert len(truth) == len(told) == 3


def line(**changes: Any) -> dict[str, Any]:
    return {"receipts": [{"shopper": "a", "lines": [{"product": "x", "quantity": 1} | changes]}]}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"receipts": None},
        {"receipts": 5},
        {"receipts": ["a"]},
        {"receipts": [5]},
        {"receipts": [{}]},
        {"receipts": [{"shopper": "a"}]},
        {"receipts": [{"shopper": "a", "lines": 5}]},
        {"receipts": [{"shopper": [], "lines": [{"product": "x", "quantity": 1}]}]},
        {"receipts": [{"lines": []}]},
        {"receipts": [{"target_id": "7"}]},
        {"receipts": [{"target_id": "7", "products": [{"barcode": "x"}]}]},
        line(product=None),
        line(product=5),
        line(product=["x"]),
        *(line(quantity=q) for q in (None, "1", 1.0, 0.5, True, -1, float("nan"), [1])),
    ],
)
def test_what_cannot_be_counted(document: Any) -> None:
    with pytest.raises(ValueError, match=r"the document has no receipts that can be counted: (Key|Type)Error"):
        units(document)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="product must not be empty"):
        units(line(product=""))


class TestTold:
    DOCUMENT: ClassVar[Any] = {
        "receipts": [
            {
                "shopper": "a",
                "confidence": 0.7,
                "needs_review": True,
                "lines": [
                    {"product": "x", "quantity": 1, "confidence": 0.9, "needs_review": False},
                    {"product": "y", "quantity": 2, "confidence": 0.6, "needs_review": True},
                ],
                "doubts": [{"product": "z", "quantity": 0, "confidence": 0.8, "needs_review": True}],
            },
            {"shopper": "b", "confidence": 0.99, "needs_review": False, "lines": []},
        ]
    }

    def test_lines_doubts_and_receipts(self) -> None:
        told = scoring.told(self.DOCUMENT, own({"a": {"x": 1, "y": 1}}))
        assert told == [
            scoring.Told("line", 0.9, True, False),
            scoring.Told("line", 0.6, False, True),
            scoring.Told("doubt", 0.8, True, True),
            scoring.Told("receipt", 0.7, False, True),
            scoring.Told("receipt", 0.99, True, False),
        ]

    def test_what_is_missing_makes_the_receipt_wrong(self) -> None:
        told = scoring.told(self.DOCUMENT, own({"a": {"x": 1, "y": 2, "z": 1}, "b": {"x": 1}}))
        assert [(t.kind, t.right) for t in told if t.kind != "line"] == [
            ("doubt", False),
            ("receipt", False),
            ("receipt", False),
        ]

    def test_one_who_came_twice_is_left_out(self) -> None:
        twice = {"receipts": [*self.DOCUMENT["receipts"], self.DOCUMENT["receipts"][0]]}
        assert [t.confidence for t in scoring.told(twice, own({"a": {"x": 1}}))] == [0.99]

    @pytest.mark.parametrize("missing", ["confidence", "needs_review"])
    def test_malformed(self, missing: str) -> None:
        document = {"receipts": [{k: v for k, v in self.DOCUMENT["receipts"][1].items() if k != missing}]}
        with pytest.raises(ValueError, match=f"malformed: KeyError.*{missing}"):
            scoring.told(document, own({}))


probability_and_right = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=50)


class TestCalibrationScores:
    def test_by_hand(self) -> None:
        """Two told with .85 of which one is right, one with 1 that is right, one with .2 that is wrong."""
        p, right = [0.85, 0.85, 1.0, 0.2], [True, False, True, False]
        table = scoring.reliability(p, right)
        assert [(b.low, b.high, b.count, b.confidence, b.accuracy) for b in table] == [
            (0.2, 0.3, 1, 0.2, 0.0),
            (0.8, 0.9, 2, 0.85, 0.5),
            (0.9, 1.0, 1, 1.0, 1.0),
        ]
        assert scoring.expected_calibration_error(p, right) == pytest.approx((0.2 + 2 * 0.35) / 4)
        assert scoring.brier(p, right) == pytest.approx((0.15**2 + 0.85**2 + 0.2**2) / 4)
        assert scoring.log_loss(p, right) == pytest.approx(-(np.log(0.85) + np.log(0.15) + np.log(0.8)) / 4)

    @given(probability_and_right, st.integers(1, 20), st.randoms(use_true_random=False))
    def test_bounds_and_order(self, told: list[tuple[float, bool]], bins: int, random: Any) -> None:
        p, right = zip(*told, strict=True)
        table = scoring.reliability(p, right, bins)
        assert sum(b.count for b in table) == len(p)
        assert all(b.low <= b.high and 0.0 <= b.accuracy <= 1.0 for b in table)
        error = scoring.expected_calibration_error(p, right, bins)
        assert 0.0 <= error <= 1.0
        shuffled, right_too = zip(*random.sample(told, len(told)), strict=True)
        assert scoring.expected_calibration_error(shuffled, right_too, bins) == pytest.approx(error, abs=1e-12)
        assert 0.0 <= scoring.brier(p, right) <= 1.0

    def test_perfect_and_impossible(self) -> None:
        assert scoring.expected_calibration_error([1.0, 0.0], [True, False]) == 0.0
        assert scoring.brier([1.0, 0.0], [True, False]) == 0.0
        assert scoring.log_loss([0.0], [True]) == np.inf

    def test_nothing_told(self) -> None:
        none = np.zeros(0, bool)
        assert scoring.reliability([], none) == []
        assert np.isnan(
            [f([], none) for f in (scoring.expected_calibration_error, scoring.brier, scoring.log_loss)]
        ).all()

    @pytest.mark.parametrize(
        ("p", "right", "words"),
        [
            ([1.5], [True], r"confidence must lie in \[0, 1\]"),
            ([np.nan], [True], "confidence must be finite"),
            ([0.5], [True, False], r"right must be bool of shape \(1,\)"),
            ([0.5], [1], "right must be bool"),
        ],
    )
    def test_refused(self, p: Any, right: Any, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            scoring.brier(p, right)

    def test_bins_are_checked(self) -> None:
        with pytest.raises(ValueError, match="bins must be an integer of at least 1; got 0"):
            scoring.reliability([0.5], [True], 0)
