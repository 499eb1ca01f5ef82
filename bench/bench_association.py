"""Association: likelihoods of hand paths against the same job in NumPy and SciPy, and one event from end to end."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

import contenders
from fusion import backends, use_backend
from fusion.association import AssociationSettings, Associator, Candidate
from fusion.store import Box, Facing, Fixture, Plate, Product, Shelf, Store

Array = NDArray[Any]
S = AssociationSettings()


def vectorised(hands: Array, start: Array, center: Array, axes: Array, half: Array) -> Array:
    """Hand-path likelihood ratios (S, B), every distance at once."""
    local = np.einsum("tshxc,xck->tshxk", hands[:, :, :, None] - center, axes)
    d2 = (np.maximum(np.abs(local) - half, 0) ** 2).sum(-1)
    d2 = np.minimum.reduceat(d2, start[:-1], axis=-1)
    seen = np.isfinite(d2)
    near = logsumexp(np.where(seen, -0.5 * d2 / S.reach_sigma_m**2, -np.inf), axis=(0, 2)) - np.log(seen.sum((0, 2)))
    peak = S.bystander_m / (S.reach_sigma_m * np.sqrt(np.pi / 2))
    missed = np.full(near.shape, np.log(S.track_miss))
    return np.asarray(logsumexp([near + np.log(peak * (1 - S.track_miss)), missed], axis=0))


def likelihoods(backend: str, *job: Array) -> Array:
    with use_backend(backend):
        return np.asarray(backends.kernels("association").hand_log_likelihood(*job, S))


def test_hand_paths(benchmark: Any) -> None:
    rng = np.random.default_rng(1)
    hands = rng.uniform([0, -1, 0.8], [4, 0.5, 1.6], (60, 20, 2, 3))
    hands[rng.random(hands.shape[:3]) < 0.1] = np.nan
    start = np.array([0, 2, 3, 5, 6, 8], np.int32)
    center = rng.uniform([0, 0, 0.8], [4, 0.4, 1.6], (8, 3))
    axes = np.ascontiguousarray(np.linalg.qr(rng.normal(size=(8, 3, 3)))[0])
    job = hands, start, center, axes, rng.uniform(0.05, 0.3, (8, 3))
    jobs: dict[str, Callable[[], Array]] = {
        name: partial(likelihoods, name, *job) for name in ("native", "numba", "reference")
    }
    jobs["numpy + scipy"] = partial(vectorised, *job)
    expected = jobs["native"]()

    def quality(found: Array) -> dict[str, float]:
        return {"largest difference": float(np.abs(found - expected).max())}

    title = "Hand paths: one shopper at one place, 60 frames of two hands"
    rows = contenders.race(benchmark, title, jobs, quality, items=20 * 5, rounds=5)
    assert all(float(row["largest difference"]) < 1e-9 for row in rows.values())


def aisle() -> Store:
    """Sixty plates of 0.25 m in a row, one product each; forty products weigh within a gram of each other."""
    names = [f"{k:02}" for k in range(60)]
    boxes = [Box(np.array([0.25 * k, 0, 1.0]), np.array([0.25, 0.4, 0.3])) for k in range(60)]
    plates = tuple(Plate(name, box) for name, box in zip(names, boxes, strict=True))
    masses = [500 + k / 40 if k < 40 else 100.0 + 10 * k for k in range(60)]
    products = tuple(Product(name, mass_g=mass) for name, mass in zip(names, masses, strict=True))
    facings = tuple(Facing(name, (name,), box) for name, box in zip(names, boxes, strict=True))
    return Store((Fixture("f", (Shelf("s", plates),)),), products, facings)


TAKES = [(k % 5, 3 * k % 40) for k in range(40)]
"""Shopper and product of each event."""


def walk(backend: str, events: int) -> list[list[Candidate]]:
    """Five shoppers take products of nearly equal weight; all stand within reach of one another."""
    with use_backend(backend):
        associator = Associator(aisle())
    rng = np.random.default_rng(2)
    found = []
    for key, (who, what) in enumerate(TAKES[:events]):
        hands = rng.uniform([0.25 * what - 1, -1, 0.9], [0.25 * what + 1, -0.2, 1.3], (30, 5, 2, 3))
        hands[10:16, who, 0] = rng.normal([0.25 * what + 0.12, 0.2, 1.1], 0.05, (6, 3))
        names = [f"s{i}" for i in range(5)]
        plates = [f"{what:02}", f"{what + 1:02}"]
        found.append(associator.associate(key, plates, [-501.0, -6.0], [1.5, 1.5], names, hands))
    return found


def truth(found: list[list[Candidate]]) -> dict[str, float]:
    right = [
        sum(c.probability for c in candidates if (c.shopper, c.product, c.quantity) == (f"s{who}", f"{what:02}", -1))
        for candidates, (who, what) in zip(found, TAKES, strict=False)
    ]
    return {"P(right cause)": float(np.mean(right)), "least": min(right)}


def test_events(benchmark: Any) -> None:
    jobs = {name: partial(walk, name, 40) for name in ("native", "numba")}
    title = "Association: one event of 5 shoppers, 64 hypotheses, 40 candidate products"
    rows = contenders.race(benchmark, title, jobs, truth, items=40, rounds=5)
    assert abs(float(rows["native"]["P(right cause)"]) - float(rows["numba"]["P(right cause)"])) < 1e-9
    assert float(rows["native"]["P(right cause)"]) > 0.9


def test_events_in_plain_python(benchmark: Any) -> None:
    """Fewer events: what the twins cost."""
    jobs = {name: partial(walk, name, 4) for name in ("native", "numba", "reference")}
    title = "Association: one of the first four such events"
    rows = contenders.race(benchmark, title, jobs, truth, items=4, rounds=2)
    assert all(abs(float(row["least"]) - float(rows["native"]["least"])) < 1e-9 for row in rows.values())
