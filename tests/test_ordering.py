"""Event time, the hands' memory, and the scores: small parts with exact answers."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import GateEvent, Outcome, Targets, scoring
from fusion.hands import GRIP, Hands
from fusion.observations import JOINTS, Observation
from fusion.ordering import ReorderBuffer, order_key
from fusion.receipts import cart
from fusion.store import Product, Store

events = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from("abc"), st.sampled_from(["enter", "exit"])), max_size=60
)


def passed(stream: list[Observation], lateness: int, cut: int = 1) -> tuple[list[Observation], ReorderBuffer]:
    buffer, out = ReorderBuffer(lateness), []
    for i, o in enumerate(stream):
        buffer.put(o)
        if i % cut == 0:
            out += buffer.ready()
    return [*out, *buffer.ready(everything=True)], buffer


@settings(deadline=None)
@given(events, st.integers(0, 20), st.integers(1, 7))
def test_nothing_is_lost_silently_and_order_is_kept(raw: list, lateness: int, cut: int) -> None:
    stream: list[Observation] = [GateEvent(*e) for e in raw]
    out, buffer = passed(stream, lateness)
    assert len(out) + buffer.late + buffer.duplicates == len(stream)
    assert [order_key(o) for o in out] == sorted(order_key(o) for o in out)
    again, _ = passed(stream, lateness, cut)
    assert again == out


@settings(deadline=None)
@given(events, st.randoms())
def test_arrival_order_within_the_lateness_does_not_matter(raw: list, random: object) -> None:
    stream: list[Observation] = list({order_key(e): e for e in (GateEvent(*e) for e in raw)}.values())
    shuffled = stream.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert passed(stream, 51)[0] == passed(shuffled, 51)[0]


def test_duplicates_and_latecomers_are_counted() -> None:
    a, b = GateEvent(10, "a", "enter"), GateEvent(100, "a", "exit")
    out, buffer = passed([a, a, b, a], 20)
    assert (out, buffer.duplicates, buffer.late) == ([a, b], 1, 1)


def frame(time_ns: int, **wrists: tuple[float, float, float]) -> Targets:
    joints = np.full((len(wrists), len(JOINTS), 3), np.nan)
    for i, xyz in enumerate(wrists.values()):
        joints[i, JOINTS.index("l_wrist")] = xyz
    return Targets(time_ns, tuple(wrists), joints, np.ones((len(wrists), len(JOINTS))))


def test_hands_between() -> None:
    hands = Hands()
    for t in range(10):
        hands.record(frame(t, a=(t, 0, 0), b=(0, t, np.inf)) if t % 2 else frame(t, a=(t, 0, 0)))
    shoppers, xyz = hands.between(3, 6)
    assert shoppers == ["a", "b"]
    assert xyz.shape == (4, 2, 2, 3)
    assert xyz[:, 0, 0, 0].tolist() == [3, 4, 5, 6]
    assert np.isnan(xyz[:, 0, 1]).all()
    assert np.isnan(xyz[:, 1, 0, 2]).all()
    hands.forget(5)
    assert hands.between(0, 9)[1].shape[0] == 5
    assert hands.between(100, 200) == ([], pytest.approx(np.zeros((0, 0, 2, 3))))


def test_the_grip_lies_beyond_the_wrist_on_the_forearm() -> None:
    target = frame(0, a=(1.0, 0.0, 0.0))
    joints = target.joints_m.copy()
    joints[0, JOINTS.index("l_elbow")] = (0.5, 0.0, 0.0)
    hands = Hands()
    hands.record(Targets(0, ("a",), joints, target.scores))
    assert hands.between(0, 0)[1][0, 0, 0].tolist() == pytest.approx([1.0 + GRIP * 0.5, 0.0, 0.0])


bags = st.dictionaries(st.tuples(st.sampled_from("12"), st.sampled_from("xyz")), st.integers(1, 3), max_size=6)


@settings(deadline=None)
@given(bags, bags)
def test_item_f1_is_the_competitions(truth: dict, told: dict) -> None:
    metric = Path(__file__).parents[2] / "shared" / "tools" / "score_nanostore.py"
    if not metric.exists():
        pytest.skip("the competition's metric is not beside this checkout")
    spec = importlib.util.spec_from_file_location("score_nanostore", metric)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def receipts(bag: dict) -> list[dict]:
        return [{"target_id": s, "products": [{"barcode": p, "quantity": n}]} for (s, p), n in bag.items()]

    ours = scoring.item_f1(*(scoring.units({"receipts": receipts(bag)}) for bag in (truth, told)))
    assert ours == pytest.approx(module.f1(receipts(truth), receipts(told)))


def test_lines_are_checked_from_both_sides() -> None:
    truth = scoring.units({"receipts": [{"shopper": "a", "lines": [{"product": "x", "quantity": 2}]}]})
    told = scoring.units({"receipts": [{"shopper": "a", "lines": [{"product": "y", "quantity": 1}]}]})
    checks = scoring.check_lines(truth, told)
    assert [(c.product, c.expected, c.told, c.right) for c in checks] == [("x", 2, 0, False), ("y", 0, 1, False)]
    with pytest.raises(ValueError, match="no receipts"):
        scoring.units({"lines": []})


def test_a_receipt_tells_the_most_probable_quantities_and_how_sure() -> None:
    store = Store((), (Product("x", "Tea"), Product("y")), ())
    baskets = [({"x": 2}, 0.5), ({"x": 2, "y": 1}, 0.3), ({"x": 1}, 0.2)]
    receipt = cart(store, "a", baskets, (), final=True, review_below=0.8)
    (line,) = receipt.lines
    assert (line.product, line.name, line.quantity, line.confidence) == ("x", "Tea", 2, pytest.approx(0.8))
    assert (receipt.confidence, receipt.needs_review) == (pytest.approx(0.5), True)
    assert not cart(store, "a", baskets, (), final=True, review_below=0.4).needs_review
    assert cart(store, "a", [({}, 1.0)], (), final=False, review_below=0.9).lines == ()


def test_the_document_has_the_fields_of_the_format() -> None:
    document = Outcome().to_dict()
    assert set(document) == {"format", "receipts", "interactions", "health"}
    assert set(document["health"]) >= {"plates", "cameras", "late", "dropped"}
