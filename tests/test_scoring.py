"""Scores: the competition's metric, both kinds of truth, and documents that cannot be counted."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import Outcome, Receipt, ReceiptLine
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
