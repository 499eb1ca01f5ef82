"""Association: hand paths against the same job in NumPy and SciPy, one event from end to end, and a store's day."""

import resource
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
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
    seen, scale = np.isfinite(d2), S.bystander_m / np.sqrt(np.pi / 2)

    def within(sigma: float) -> Array:
        density = np.where(seen, -0.5 * d2 / sigma**2, -np.inf)
        return np.asarray(logsumexp(density, axis=(0, 2)) - np.log(seen.sum((0, 2))) + np.log(scale / sigma))

    right = np.log1p(-S.track_miss) + within(S.reach_sigma_m)
    off = np.log(S.track_miss) + within(S.miss_sigma_m)
    mine = np.log1p(-S.track_swap) + np.logaddexp(right, off)
    return np.logaddexp(mine, np.log(S.track_swap))


def likelihoods(backend: str, *job: Array) -> Array:
    with use_backend(backend):
        hands = job[0]
        var, when = np.zeros(hands.shape[:3]), np.ones(len(hands))
        return np.asarray(backends.kernels("association").hand_log_likelihood(hands, var, when, *job[1:], S))


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


def aisle(masses: list[float]) -> Store:
    """Plates of 0.25 m in a row, one product each."""
    names = [f"{k:02}" for k in range(len(masses))]
    boxes = [Box(np.array([0.25 * k, 0, 1.0]), np.array([0.25, 0.4, 0.3])) for k in range(len(masses))]
    plates = tuple(Plate(name, box) for name, box in zip(names, boxes, strict=True))
    products = tuple(Product(name, mass_g=mass) for name, mass in zip(names, masses, strict=True))
    facings = tuple(Facing(name, (name,), box) for name, box in zip(names, boxes, strict=True))
    return Store((Fixture("f", (Shelf("s", plates),)),), products, facings)


ALIKE = [500 + k / 40 if k < 40 else 100.0 + 10 * k for k in range(60)]
"""Forty of sixty products weigh within a gram of each other."""
ORDINARY = np.exp(np.random.default_rng(5).uniform(np.log(50), np.log(2000), 60)).round().tolist()
"""As goods are: from 50 g to 2 kg, as many per octave."""
SHELF = aisle(ALIKE)
TAKES = [(k % 20, 3 * k % 40) for k in range(40)]
"""Shopper and product of each event."""


@cache
def events(near: bool) -> list[tuple[Any, ...]]:
    """Twenty shoppers take products of nearly equal weight; all are within reach, or only the one who takes."""
    rng = np.random.default_rng(2)
    names = [f"s{i}" for i in range(20)]
    found = []
    for key, (who, what) in enumerate(TAKES):
        x = 0.25 * what
        low, high = ([x - 1, -1, 0.9], [x + 1, -0.2, 1.3]) if near else ([30, 5, 0.9], [40, 9, 1.3])
        hands = rng.uniform(low, high, (30, 20, 2, 3))
        hands[10:16, who, 0] = rng.normal([x + 0.12, 0.2, 1.1], 0.05, (6, 3))
        plates = [f"{what:02}", f"{what + 1:02}"]
        found.append((key, plates, [-501.0, -6.0], [1.5, 1.5], names, hands))
    return found


def walk(backend: str, *, near: bool, first: int) -> list[list[Candidate]]:
    """Tell a new associator the first events."""
    with use_backend(backend):
        associator = Associator(SHELF)
    return [associator.associate(*event) for event in events(near)[:first]]


def truth(found: list[list[Candidate]]) -> dict[str, float]:
    right = [
        sum(c.probability for c in candidates if (c.shopper, c.product, c.quantity) == (f"s{who}", f"{what:02}", -1))
        for candidates, (who, what) in zip(found, TAKES, strict=False)
    ]
    return {"P(right cause)": float(np.mean(right)), "least": min(right)}


@pytest.mark.parametrize("near", [True, False], ids=["all near", "one near"])
def test_events(benchmark: Any, near: bool) -> None:
    jobs = {name: partial(walk, name, near=near, first=40) for name in ("native", "numba")}
    who = "all near" if near else "one of them near"
    title = f"Association: one event, 20 shoppers, {who}, 64 hypotheses, 40 candidate products"
    rows = contenders.race(benchmark, title, jobs, truth, items=40, rounds=5)
    assert abs(float(rows["native"]["P(right cause)"]) - float(rows["numba"]["P(right cause)"])) < 1e-9
    assert float(rows["native"]["P(right cause)"]) > 0.9


def test_events_in_plain_python(benchmark: Any) -> None:
    """Fewer events: what the twins cost."""
    jobs = {name: partial(walk, name, near=False, first=4) for name in ("native", "numba", "reference")}
    title = "Association: one of the first four such events, one shopper near"
    rows = contenders.race(benchmark, title, jobs, truth, items=4, rounds=2)
    assert all(abs(float(row["least"]) - float(rows["native"]["least"])) < 1e-9 for row in rows.values())


EVENTS, SHOPPERS, INSIDE = 20_000, 200, 15


def day(associator: Associator) -> dict[str, float]:
    """200 shoppers come and go, 15 at a time; each walks along the shelf, takes and puts back, some things elsewhere.

    One event in fifty is something foreign. Seconds are those of the association alone.
    """
    rng = np.random.default_rng(7)
    mass = {f"{k:02}": g for k, g in enumerate(ORDINARY)}
    coming = iter(range(SHOPPERS))
    stays = {f"s{next(coming)}": int(rng.integers(50, 150)) for _ in range(INSIDE)}
    baskets: dict[str, list[str]] = {s: [] for s in stays}
    at = {s: float(rng.uniform(0, 15)) for s in stays}
    right, seconds = [], 0.0
    for key in range(EVENTS):
        names = list(stays)
        who = names[int(rng.integers(len(names)))]
        for s in names:
            at[s] = float(np.clip(at[s] + rng.normal(0, 0.5), 0.1, 14.9))
        plate = f"{int(at[who] / 0.25):02}"
        what, sign = plate, -1
        if baskets[who] and rng.random() < 0.4:
            what, sign = baskets[who].pop(int(rng.integers(len(baskets[who])))), 1
            plate = what if rng.random() < 0.85 else plate
            at[who] = 0.25 * int(plate) + 0.12
        foreign = rng.random() < 0.02 and sign < 0
        if not foreign and sign < 0:
            baskets[who].append(what)
        grams = 1234.5 if foreign else sign * mass[what] * (1 + 0.015 * rng.normal()) + rng.normal()
        centre = np.array([[at[s], -0.5, 1.1] for s in names])[:, None]
        hands = centre + rng.normal(0, 0.25, (12, len(names), 2, 3))
        hands[4:8, names.index(who), 0] = rng.normal([0.25 * int(plate) + 0.12, 0.0, 1.0], 0.05, (4, 3))
        began = time.perf_counter()
        found = associator.associate(key, [plate], [grams], [1.0], names, hands)
        seconds += time.perf_counter() - began
        expected = set() if foreign else {(who, what, sign)}
        right.append({(c.shopper, c.product, c.quantity) for c in found if c.probability > 0.5} == expected)
        stays[who] -= 1
        if stays[who] <= 0:
            del stays[who]
            began = time.perf_counter()
            associator.leave(who)
            seconds += time.perf_counter() - began
            new = f"s{next(coming, key + SHOPPERS)}"
            stays[new], baskets[new], at[new] = int(rng.integers(50, 150)), [], 0.1
    return {"seconds": seconds, "right": float(np.mean(right)), "shoppers": float(len(baskets))}


def test_a_day(benchmark: Any) -> None:
    """20,000 events of some 200 shoppers; what is kept of settled events is little."""
    associator = Associator(aisle(ORDINARY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = benchmark.pedantic(day, (associator,), rounds=1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    found["ms an event"], found["MiB more"] = 1e3 * found["seconds"] / EVENTS, grown
    print("\nAssociation: a store's day:", {k: round(v, 3) for k, v in found.items()})
    benchmark.extra_info.update(found)
    assert found["right"] > 0.9
    assert grown < 200
