"""Association: the hand-path likelihood against scipy, and one whole event from Python."""

from math import log, pi, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

import contenders
from fusion import AssociationSettings, Associator, Box, Facing, Fixture, Plate, Product, Shelf, Store, backends

SHOPPERS, FRAMES, PLACES = 20, 60, 5
S = AssociationSettings()
Array = NDArray[np.float64]


def scene() -> tuple[Array, NDArray[np.int32], Array, Array, Array]:
    rng = np.random.default_rng(1)
    hands = rng.normal(0, 1, (FRAMES, SHOPPERS, 2, 3))
    start = np.arange(PLACES + 1, dtype=np.int32)
    axes = np.ascontiguousarray(np.linalg.qr(rng.normal(size=(PLACES, 3, 3)))[0])
    return hands, start, rng.normal(0, 1, (PLACES, 3)), axes, rng.uniform(0.05, 0.3, (PLACES, 3))


def with_scipy(hands: Array, _: Any, center: Array, axes: Array, half: Array) -> Array:
    """Do the same job vectorised; one box a place."""
    along = np.einsum("bck,tshbc->tshbk", axes, hands[:, :, :, None] - center)
    d2 = (np.maximum(np.abs(along) - half, 0.0) ** 2).sum(axis=-1)
    peak = log((1 - S.track_miss) * S.bystander_m / (S.reach_sigma_m * sqrt(pi / 2)) / (FRAMES * 2))
    near = logsumexp(-0.5 * d2 / S.reach_sigma_m**2, axis=(0, 2))
    return np.asarray(np.logaddexp(peak + near, log(S.track_miss)))


def test_hand_paths(benchmark: Any) -> None:
    arguments = scene()
    expected = with_scipy(*arguments)

    def run(backend: str) -> Array:
        with backends.use_backend(backend):
            return np.asarray(backends.kernels("association").hand_log_likelihood(*arguments, S))

    def quality(result: Array) -> dict[str, float]:
        error = float(np.abs(result - expected).max())
        assert error < 1e-9
        return {"largest difference": error}

    calls = {name: lambda name=name: run(name) for name in backends.BACKENDS}
    contenders.race(
        benchmark,
        f"Hand paths: one shopper at one place over {FRAMES} frames",
        {**calls, "numpy and scipy.special.logsumexp": lambda: with_scipy(*arguments)},
        quality,
        items=SHOPPERS * PLACES,
    )


def crowd() -> tuple[Store, list[str], Array]:
    """Forty products of which every shopper carries some, five shoppers at one shelf."""
    rng = np.random.default_rng(2)
    boxes = [Box(np.array([0.2 * i, 0.0, 1.0]), np.array([0.2, 0.4, 0.3])) for i in range(40)]
    plates = [Plate(str(i), box) for i, box in enumerate(boxes)]
    products = tuple(Product(str(i), mass_g=float(m)) for i, m in enumerate(np.round(rng.uniform(30, 1500, 40))))
    facings = tuple(Facing(str(i), (str(i),), box) for i, box in enumerate(boxes))
    shoppers = [f"shopper {i}" for i in range(5)]
    at = np.array([boxes[8 * i].center_m for i in range(5)])
    hands = at[None, :, None] + rng.normal(0, 0.03, (20, 5, 2, 3))
    return Store((Fixture("f", (Shelf("s", tuple(plates)),)),), products, facings), shoppers, hands


def test_one_event(benchmark: Any) -> None:
    store, shoppers, hands = crowd()

    def run(backend: str) -> float:
        with backends.use_backend(backend):
            associator = Associator(store)
            for k in range(10):
                place = 8 * (k % 5)
                mass = store.products[place].mass_g * (-1 if k < 5 else 1)
                best = associator.associate(k, [str(place)], [mass], [1.0], shoppers, hands)[0]
                assert (best.shopper, best.product) == (shoppers[k % 5], str(place))
        return best.probability

    rows = contenders.race(
        benchmark,
        "One event: 5 shoppers, 64 hypotheses, 40 products",
        {name: lambda name=name: run(name) for name in backends.BACKENDS},
        lambda probability: {"probability of the right cause": probability},
        items=10,
        rounds=3,
    )
    assert rows["native"]["probability of the right cause"] == pytest.approx(
        rows["reference"]["probability of the right cause"], rel=1e-9
    )
