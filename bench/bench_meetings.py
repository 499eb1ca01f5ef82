"""Hands that meet: a busy store's hands watched for hand-overs, and what they pass in all hypotheses."""

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

import contenders
from fusion import Targets, backends, use_backend
from fusion.hands import Hands
from fusion.meetings import NS, Meeting, Meetings, MeetingSettings
from fusion.store import Store

Array = NDArray[Any]
SHOPPERS, RATE_HZ, DURATION_S = 20, 60.0, 30.0
START_NS = 1_700_000_000 * NS
HANDED_S = 5.0
"""Every so often, two shoppers hand something over."""


def busy_store(rng: np.random.Generator) -> tuple[Hands, int]:
    """Twenty shoppers who stroll through 10 m x 6 m; now and then two of them stand and hand something over."""
    t = np.arange(0.0, DURATION_S, 1 / RATE_HZ)
    at = rng.uniform([0, 0], [10, 6], (SHOPPERS, 2)) + np.cumsum(
        rng.normal(0.0, 0.02, (len(t), SHOPPERS, 2)), axis=0
    )  # fmt: skip
    joints = np.zeros((len(t), SHOPPERS, 8, 3))
    offsets = [(0, 1.65), (0, 1.5), (-0.2, 1.4), (0.2, 1.4), (-0.22, 1.1), (0.22, 1.1), (-0.23, 0.87), (0.23, 0.87)]
    for j, (side, height) in enumerate(offsets):
        joints[:, :, j, :2], joints[:, :, j, 2] = at + np.array([0.0, side]), height
    passes = np.arange(2.0, DURATION_S - 3.0, HANDED_S)
    for k, when in enumerate(passes):
        span = np.abs(t - when) < 1.0
        s = np.clip(1.5 - 1.5 * np.abs(t[span] - when), 0.0, 1.0)[:, None]
        for who, sign in ((2 * k, -1.0), (2 * k + 1, 1.0)):
            spot = np.array([5.0, 3.0])
            body = spot + np.array([sign * 0.4, 0.0])
            for j, (side, height) in enumerate(offsets):
                joints[span, who, j] = np.append(body + np.array([0.0, -sign * side]), height)
            for j, place in ((7, [sign * 0.1, 0.0, 1.1]), (5, [sign * 0.32, 0.05, 1.12])):
                rest = joints[span, who, j]
                joints[span, who, j] = rest + s * (np.array([*spot, 0.0]) + place - rest)
    joints += rng.normal(0.0, 0.015, joints.shape)
    names, hands = tuple(f"s{i:02}" for i in range(SHOPPERS)), Hands()
    for time_s, frame in zip(t, joints, strict=True):
        hands.record(Targets(START_NS + round(time_s * NS), names, frame, np.ones((SHOPPERS, 8))))
    return hands, len(passes)


def watched(hands: Hands, around_m: float = 2.5) -> list[Meeting]:
    with patch("fusion.meetings.AROUND_M", around_m):
        meetings = Meetings(Store((), (), ()), MeetingSettings(), 0)
        found = meetings.follow(hands.between, START_NS + round(DURATION_S * NS))
        return [*found, *meetings.flush(hands.between)]


def test_watching_hands(benchmark: Any) -> None:
    hands, passes = busy_store(np.random.default_rng(1))
    jobs: dict[str, Callable[[], list[Meeting]]] = {
        "pairs that are near": partial(watched, hands), "all pairs": partial(watched, hands, 1e9)
    }  # fmt: skip
    expected = jobs["pairs that are near"]()

    def quality(found: list[Meeting]) -> dict[str, float]:
        pairs = [{f"s{2 * k:02}", f"s{2 * k + 1:02}"} for k in range(passes)]
        hit = sum(any(set(m.shoppers) == pair and m.log_ratio > 3.0 for m in found) for pair in pairs)
        return {"hand-overs found": hit / passes, "the same": float(found == expected)}

    title = f"Watching hands: one frame of {SHOPPERS} shoppers, {RATE_HZ:.0f} a second"
    rows = contenders.race(benchmark, title, jobs, quality, items=round(DURATION_S * RATE_HZ), rounds=5)
    assert all(row["hand-overs found"] == 1.0 for row in rows.values())
    assert all(row["the same"] == 1.0 for row in rows.values())


def transferred(backend: str, *job: Any) -> Array:
    weight, count, records, moves, in_hand = job
    k, h = 64, len(weight)
    with use_backend(backend):
        new_weight, new_count = np.empty(k), np.zeros(k, np.int32)
        new_records = np.zeros((k, *records.shape[1:]), np.int32)
        kept = backends.kernels("transfers").transfer(
            weight, count, records, moves, in_hand, 0.005, 0.02, 0.9, 1e-5, new_weight, new_count, new_records,
            np.empty((k, h)), np.empty((k, 1 + len(moves))),
        )  # fmt: skip
    return np.asarray(new_weight[:kept])


@pytest.mark.parametrize("carried", [4, 15])
def test_what_is_passed(benchmark: Any, carried: int) -> None:
    """64 hypotheses in which two shoppers carry so many products each, some of them in doubt."""
    rng = np.random.default_rng(2)
    h = 64
    records, count = np.zeros((h, 2 * carried + 1, 3), np.int32), np.zeros(h, np.int32)
    for k in range(h):
        own = [(o, p, 1) for o in (0, 1) for p in range(carried) if rng.random() < 0.9]
        records[k, : len(own)], count[k] = own, len(own)
    moves = np.array([(o, 1 - o, p) for o in (0, 1) for p in range(carried)], np.int32)
    job = np.log(rng.dirichlet(np.ones(h))), count, records, moves, rng.uniform(0, 1, len(moves))
    jobs = {name: partial(transferred, name, *job) for name in ("native", "numba", "reference")}
    expected = jobs["native"]()

    def quality(found: Array) -> dict[str, float]:
        return {"largest difference": float(np.abs(found - expected).max()), "total": float(np.exp(found).sum())}

    title = f"Transfers: one meeting, 64 hypotheses, {carried} products with each of the two"
    rows = contenders.race(benchmark, title, jobs, quality, items=1, rounds=5)
    assert all(float(row["largest difference"]) < 1e-9 for row in rows.values())
    assert all(abs(float(row["total"]) - 1.0) < 1e-9 for row in rows.values())
