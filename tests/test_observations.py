"""Observations: good ones, that they cannot change, and every refusal by name."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest

from fusion import GateEvent, ItemScores, Keypoints, ScalePacket, TagReads, Targets
from fusion.observations import JOINTS, Observation

T = 1_600_000_000_000_000_000
BAD_TIMES = [(1.6e18, TypeError), (True, TypeError), ("1", TypeError), (None, TypeError), (-1, ValueError)]
BAD_NAMES = [(1, TypeError), (None, TypeError), ("", ValueError)]
BAD_NAME_LISTS = [("ab", TypeError), ([1, 2], TypeError), (None, TypeError), (["a", ""], ValueError)]


def packet(**changes: Any) -> ScalePacket:
    given: dict[str, Any] = {"fixture": "1", "sample_ns": [T, T + 1], "grams": [[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]}
    return ScalePacket(**given | changes)


def targets(**changes: Any) -> Targets:
    given: dict[str, Any] = {
        "time_ns": T,
        "shoppers": ("a", "b"),
        "joints_m": np.arange(48.0).reshape(2, 8, 3),
        "scores": np.ones((2, 8)),
    }
    return Targets(**given | changes)


def keypoints(**changes: Any) -> Keypoints:
    given: dict[str, Any] = {"camera": "c", "time_ns": T, "px": np.zeros((3, 8, 2)), "sigma_px": np.ones((3, 8))}
    return Keypoints(**given | changes)


def item_scores(**changes: Any) -> ItemScores:
    given: dict[str, Any] = {"time_ns": T, "products": ("x", "y"), "probabilities": [0.25, 0.5], "shopper": "a"}
    return ItemScores(**given | changes)


def tag_reads(**changes: Any) -> TagReads:
    given: dict[str, Any] = {"time_ns": T, "antenna": "n", "tags": ("t1", "t2")}
    return TagReads(**given | changes)


def gate_event(**changes: Any) -> GateEvent:
    given: dict[str, Any] = {"time_ns": T, "shopper": "a", "kind": "enter"}
    return GateEvent(**given | changes)


def refused(make: Callable[..., Observation], field: str, value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(**{field: value})


@pytest.mark.parametrize("make", [packet, targets, keypoints, item_scores, tag_reads, gate_event])
def test_good(make: Callable[..., Observation]) -> None:
    observation = make()
    assert isinstance(observation, Observation)
    assert observation.time_ns in (T, T + 1)
    with pytest.raises(FrozenInstanceError):
        setattr(observation, fields(observation)[0].name, "other")


@pytest.mark.parametrize("make", [targets, keypoints, item_scores, tag_reads, gate_event])
@pytest.mark.parametrize(("value", "error"), BAD_TIMES)
def test_time(make: Callable[..., Observation], value: Any, error: type[Exception]) -> None:
    refused(make, "time_ns", value, error, "^time_ns must be .*nanoseconds since the Unix epoch.*; got")


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (packet, "fixture"),
        (keypoints, "camera"),
        (tag_reads, "antenna"),
        (gate_event, "shopper"),
    ],
)
@pytest.mark.parametrize(("value", "error"), BAD_NAMES)
def test_source(make: Callable[..., Observation], field: str, value: Any, error: type[Exception]) -> None:
    refused(make, field, value, error, f"^{field} must ")


@pytest.mark.parametrize(("make", "field"), [(targets, "shoppers"), (item_scores, "products"), (tag_reads, "tags")])
@pytest.mark.parametrize(("value", "error"), BAD_NAME_LISTS)
def test_names(make: Callable[..., Observation], field: str, value: Any, error: type[Exception]) -> None:
    refused(make, field, value, error, f"^{field[:-1]} must not be empty" if error is ValueError else f"^{field} must ")


@pytest.mark.parametrize(
    ("make", "field", "value"),
    [
        (packet, "sample_ns", np.array([T, T + 1])),
        (packet, "grams", np.zeros((2, 3), np.float32)),
        (targets, "joints_m", np.zeros((2, 8, 3))),
        (targets, "scores", np.zeros((2, 8))),
        (keypoints, "px", np.zeros((3, 8, 2))),
        (keypoints, "sigma_px", np.zeros((3, 8))),
        (item_scores, "probabilities", np.array([0.25, 0.5])),
    ],
)
def test_arrays_are_copies_that_cannot_change(make: Callable[..., Observation], field: str, value: Any) -> None:
    before = value.copy()
    held = getattr(make(**{field: value}), field)
    value[...] = 0 if value.dtype.kind == "i" else 0.125
    np.testing.assert_array_equal(held, before)
    assert held.dtype == before.dtype
    with pytest.raises(ValueError, match="read-only"):
        held[...] = 0


@pytest.mark.parametrize(
    ("make", "field", "value", "error", "words"),
    [
        (packet, "sample_ns", [], ValueError, "sample_ns must not be empty"),
        (packet, "sample_ns", [T, -1], ValueError, "sample_ns must be nanoseconds .* got -1"),
        (packet, "sample_ns", [1.0, 2.0], TypeError, "sample_ns must be an array of int64; got list"),
        (packet, "sample_ns", T, ValueError, r"sample_ns must have shape \(any\); got \(\)"),
        (packet, "sample_ns", [T], ValueError, r"grams must have shape \(1, any\); got \(2, 3\)"),
        (packet, "grams", [1.0, 2.0], ValueError, r"grams must have shape \(2, any\); got \(2,\)"),
        (packet, "grams", [[1.0], [2.0, 3.0]], TypeError, "grams must be an array of float32; got list"),
        (packet, "grams", [["1"], ["2"]], TypeError, "grams must be an array of float32; got list"),
        (packet, "grams", [[None], [None]], TypeError, "grams must be an array of float32; got list"),
        (packet, "grams", [[True], [False]], TypeError, "grams must be an array of float32; got list"),
        (packet, "grams", None, TypeError, "grams must be an array of float32; got NoneType"),
        (targets, "shoppers", ("a", "a"), ValueError, "shoppers of one instant must be unique; 'a' comes twice"),
        (targets, "shoppers", ("a",), ValueError, r"joints_m must have shape \(1, 8, 3\); got \(2, 8, 3\)"),
        (targets, "joints_m", np.zeros((2, 3, 8)), ValueError, r"joints_m must have shape \(2, 8, 3\)"),
        (targets, "scores", np.ones((2, 8, 1)), ValueError, r"scores must have shape \(2, 8\); got \(2, 8, 1\)"),
        (targets, "scores", "high", TypeError, "scores must be an array of float64; got str"),
        (keypoints, "px", np.zeros((3, 7, 2)), ValueError, r"px must have shape \(any, 8, 2\); got \(3, 7, 2\)"),
        (keypoints, "px", np.zeros((2, 8, 2)), ValueError, r"sigma_px must have shape \(2, 8\); got \(3, 8\)"),
        (keypoints, "sigma_px", 1.0, ValueError, r"sigma_px must have shape \(3, 8\); got \(\)"),
        (keypoints, "px", np.zeros((3, 8, 2), complex), TypeError, "px must be an array of float64"),
        (item_scores, "products", ("x", "x"), ValueError, "products must be unique; 'x' comes twice"),
        (item_scores, "probabilities", [0.5], ValueError, r"probabilities must have shape \(2\); got \(1,\)"),
        (item_scores, "probabilities", [0.5, np.nan], ValueError, "probabilities must be finite"),
        (item_scores, "probabilities", [-0.1, 0.5], ValueError, "probabilities must not be negative and sum to at mos"),
        (item_scores, "probabilities", [0.6, 0.5], ValueError, r"sum to at most 1; got \[0.6, 0.5\]"),
        (item_scores, "probabilities", [1.7e308, 1.7e308], ValueError, "sum to at most 1; got"),
        (item_scores, "shopper", None, ValueError, "exactly one of shopper and place_m must be given"),
        (item_scores, "place_m", [0.0, 0.0, 0.0], ValueError, "exactly one of shopper and place_m must be given"),
        (item_scores, "shopper", 7, TypeError, "shopper must be a string; got int"),
        (item_scores, "shopper", "", ValueError, "shopper must not be empty"),
        (gate_event, "kind", "left", ValueError, "kind must be 'enter' or 'exit'; got 'left'"),
        (gate_event, "kind", None, ValueError, "kind must be 'enter' or 'exit'; got None"),
        (gate_event, "kind", np.array(["enter", "exit"]), ValueError, "kind must be 'enter' or 'exit'; got"),
        (gate_event, "role", "boss", ValueError, "role must be 'shopper' or 'staff'; got 'boss'"),
        (gate_event, "role", None, ValueError, "role must be 'shopper' or 'staff'; got None"),
        (gate_event, "role", np.array(["staff"]), ValueError, "role must be 'shopper' or 'staff'; got"),
        (gate_event, "account", "", ValueError, "account must not be empty"),
        (gate_event, "account", 7, TypeError, "account must be a string; got int"),
    ],
)
def test_refused(make: Callable[..., Observation], field: str, value: Any, error: type[Exception], words: str) -> None:
    refused(make, field, value, error, words)


def test_what_sensors_get_wrong_is_accepted() -> None:
    """NaN, infinity and any size become health entries later."""
    with np.errstate(all="raise"):
        assert packet(grams=[[np.nan, np.inf, -np.inf], [1e300, -0.0, 3e38]]).grams[1, 0] == np.inf
        assert np.isnan(targets(joints_m=np.full((2, 8, 3), np.nan)).joints_m).all()
        assert keypoints(sigma_px=np.full((3, 8), -1.0)).sigma_px[0, 0] == -1
        assert targets(scores=np.full((2, 8), 7.0)).scores[0, 0] == 7


def test_nobody_and_nothing_seen() -> None:
    assert targets(shoppers=(), joints_m=np.empty((0, 8, 3)), scores=np.empty((0, 8))).shoppers == ()
    assert keypoints(px=np.empty((0, 8, 2)), sigma_px=np.empty((0, 8))).px.shape == (0, 8, 2)
    assert item_scores(products=[], probabilities=[]).products == ()
    assert tag_reads(tags=[]).tags == ()


def test_a_packet_is_as_old_as_its_last_sample() -> None:
    assert packet(sample_ns=[T + 5, T + 2]).time_ns == T + 5


def test_a_place_instead_of_a_shopper() -> None:
    place = np.array([1.0, 2.0, 3.0])
    scores = item_scores(shopper=None, place_m=place)
    place[0] = 9
    assert scores.place_m is not None
    assert scores.place_m.tolist() == [1, 2, 3]
    for bad, words in (([1.0, 2.0], r"place_m must have shape \(3\)"), ([1.0, 2.0, np.inf], "place_m must be finite")):
        with pytest.raises(ValueError, match=words):
            item_scores(shopper=None, place_m=bad)


def test_shoppers_pay_for_themselves_unless_told() -> None:
    assert (gate_event().role, gate_event().account) == ("shopper", None)
    assert gate_event(role="staff", account="family").role == "staff"


def test_joints_are_those_of_the_design() -> None:
    assert len(JOINTS) == 8
    assert JOINTS.index("r_wrist") == 7
