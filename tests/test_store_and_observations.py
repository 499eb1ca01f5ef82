"""Observations and the static store: what is accepted, what is refused and how it is said."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import (
    Box,
    Camera,
    Facing,
    Fixture,
    GateEvent,
    ItemScores,
    Keypoints,
    Plate,
    Product,
    ScalePacket,
    Shelf,
    Store,
    TagReads,
    Targets,
)
from fusion.simulation import SimulationSettings, simulate

T = 1_600_000_000_000_000_000
EYE = np.eye(3)
GOOD: dict[type, dict[str, Any]] = {
    ScalePacket: {"fixture": "f", "sample_ns": [T, T + 1], "grams": [[1.0, np.nan], [np.inf, 2.0]]},
    Targets: {"time_ns": T, "shoppers": ("a",), "joints_m": np.zeros((1, 8, 3)), "scores": np.ones((1, 8))},
    Keypoints: {"camera": "c", "time_ns": T, "px": np.zeros((2, 8, 2)), "sigma_px": np.ones((2, 8))},
    ItemScores: {"time_ns": T, "products": ("p", "q"), "probabilities": [0.5, 0.4], "shopper": "a"},
    TagReads: {"time_ns": T, "antenna": "x", "tags": ("1",)},
    GateEvent: {"time_ns": T, "shopper": "a", "kind": "enter"},
    Box: {"origin_m": np.zeros(3), "size_m": np.ones(3)},
    Product: {"id": "p"},
    Plate: {"id": "p", "box": Box(np.zeros(3), np.ones(3))},
    Camera: {"id": "c", "matrix": EYE, "rotation": EYE, "translation_m": np.zeros(3)},
}


@pytest.mark.parametrize("kind", GOOD)
def test_good_ones_are_taken(kind: type) -> None:
    assert kind(**GOOD[kind]) is not None


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (ScalePacket, {"fixture": ""}, "fixture must not be empty"),
        (ScalePacket, {"fixture": 3}, "fixture must be a string; got int"),
        (ScalePacket, {"sample_ns": [T, -1]}, "sample_ns must be nanoseconds.* got -1"),
        (ScalePacket, {"sample_ns": [1.5, 2.5]}, "sample_ns must be an array of int64"),
        (ScalePacket, {"sample_ns": [], "grams": np.zeros((0, 2))}, "sample_ns must not be empty"),
        (ScalePacket, {"grams": [[1.0, 2.0]]}, r"grams must have shape \(2, any\); got \(1, 2\)"),
        (ScalePacket, {"grams": [[1.0], [1.0, 2.0]]}, "grams must be an array"),
        (ScalePacket, {"grams": "heavy"}, "grams must be an array"),
        (Targets, {"time_ns": -1}, "time_ns must be nanoseconds"),
        (Targets, {"time_ns": 1.5}, "time_ns must be integer nanoseconds"),
        (Targets, {"time_ns": True}, "time_ns must be integer nanoseconds"),
        (Targets, {"time_ns": 2**63}, "time_ns must be nanoseconds"),
        (Targets, {"joints_m": np.zeros((1, 7, 3))}, "joints_m must have shape"),
        (Targets, {"scores": np.ones(8)}, "scores must have shape"),
        (
            Targets,
            {"shoppers": ("a", "a"), "joints_m": np.zeros((2, 8, 3)), "scores": np.ones((2, 8))},
            "unique; 'a' comes twice",
        ),
        (Keypoints, {"sigma_px": np.ones((3, 8))}, "sigma_px must have shape"),
        (ItemScores, {"probabilities": [0.9, 0.9]}, "probabilities must not be negative and sum to at most 1"),
        (ItemScores, {"probabilities": [np.nan, 0.1]}, "probabilities must be finite"),
        (ItemScores, {"shopper": None}, "exactly one of shopper and place_m"),
        (ItemScores, {"place_m": [0.0, 0.0, 0.0]}, "exactly one of shopper and place_m"),
        (TagReads, {"tags": ("",)}, "tag must not be empty"),
        (GateEvent, {"kind": "jump"}, "kind must be 'enter' or 'exit'; got 'jump'"),
        (Box, {"size_m": [1.0, -1.0, 1.0]}, "size_m must not be negative"),
        (Box, {"origin_m": [np.inf, 0.0, 0.0]}, "origin_m must be finite"),
        (Box, {"rotation": np.diag([1.0, 1.0, -1.0])}, "rotation must be a rotation matrix"),
        (Product, {"mass_g": 0.0}, "mass_g of product 'p' must be positive"),
        (Product, {"mass_g": np.inf}, "mass_g of product 'p' must be positive"),
        (Plate, {"capacity_g": np.nan}, "capacity_g of plate 'p' must be finite"),
        (Camera, {"distortion": np.zeros(3)}, "distortion must have 0, 4, 5 or 8 coefficients; got 3"),
        (Camera, {"matrix": -EYE}, "matrix must be"),
    ],
)
def test_bad_ones_are_refused_by_name(kind: type, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        kind(**(GOOD[kind] | wrong))


def test_arrays_are_copies_that_nobody_can_change() -> None:
    grams = np.zeros((2, 2), np.float32)
    packet = ScalePacket("f", np.array([T, T]), grams)
    grams[:] = 9
    assert packet.grams.sum() == 0
    with pytest.raises(ValueError, match="read-only"):
        packet.grams[0, 0] = 1.0


def shop(**changes: Any) -> Store:
    box = Box(np.zeros(3), np.ones(3))
    parts: dict[str, Any] = {
        "fixtures": (Fixture("f", (Shelf("s", (Plate("1", box), Plate("2", box))),)),),
        "products": (Product("p", "Tea", 100.0, 1.5), Product("q")),
        "planogram": (Facing("p", ("1", "2"), box),),
        "cameras": (Camera("c", EYE, EYE, np.zeros(3), np.zeros(5), (640, 480)),),
    }
    return Store(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"products": (Product("p"), Product("p"))}, "product ids must be unique; 'p'"),
        ({"products": ()}, "unknown product 'p'"),
        ({"planogram": (Facing("p", ("9",), Box(np.zeros(3), np.ones(3))),)}, "unknown plate '9'"),
        ({"fixtures": (*shop().fixtures, *shop().fixtures)}, "fixture ids must be unique"),
    ],
)
def test_a_store_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shop(**changes)


@pytest.mark.parametrize("store", [shop(), simulate(SimulationSettings(seed=1, duration_s=20.0, shoppers=1)).store])
def test_a_store_survives_json(store: Store) -> None:
    document = json.loads(json.dumps(store.to_dict(), allow_nan=False))
    assert Store.from_dict(document).to_dict() == document


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_store_document_is_a_value_error(data: st.DataObject) -> None:
    document = copy.deepcopy(shop().to_dict())
    at: Any = document
    while isinstance(at, dict | list) and at:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    junk = st.sampled_from([None, "x", -1, 1e400, [], {}, [1, 2], "DEL"])
    value = data.draw(junk)
    if value == "DEL":
        del at[key]
    else:
        at[key] = value
    try:
        Store.from_dict(document)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - a damaged document may still be a store, but nothing else may be raised
