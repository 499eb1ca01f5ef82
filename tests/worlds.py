"""Random weight events and hypotheses for the tests of the association: ordinary, degenerate and extreme."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import backends
from fusion.association import LARGEST, AssociationSettings

Array = NDArray[Any]


@dataclass
class World:
    """One event with its places and hands, and the hypotheses before it."""

    delta_g: Array
    sigma_g: Array
    inside: Array
    facing_product: Array
    hands: Array
    boxes: tuple[Array, Array, Array, Array]
    mass_g: Array
    present: Array
    weight: Array
    count: Array
    records: Array
    echo: Array
    settings: AssociationSettings

    @property
    def plates(self) -> Array:
        return np.arange(len(self.delta_g), dtype=np.int32)


def boxes(rng: np.random.Generator, inside: Array) -> tuple[Array, Array, Array, Array]:
    """Turned boxes, one for each plate of each place: run starts, centers, axes, half sizes."""
    start = np.concatenate([[0], inside.sum(axis=1).cumsum()]).astype(np.int32)
    n = int(start[-1])
    axes = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0] if n else np.zeros((0, 3, 3))
    return start, rng.normal(0, 1, (n, 3)), np.ascontiguousarray(axes), rng.uniform(0, 0.3, (n, 3))


def hypotheses(rng: np.random.Generator, shoppers: int, plates: int, products: int) -> tuple[Array, Array, Array]:
    """Log-weights, counts and sorted records of one to five hypotheses; what lies behind the counts is rubbish."""
    h = int(rng.integers(1, 6))
    count = rng.integers(0, 6, h).astype(np.int32)
    records = rng.integers(-99, 99, (h, 10, 3)).astype(np.int32)
    for k in range(h):
        owners = rng.integers(-plates, shoppers, count[k]) if shoppers + plates else np.zeros(count[k], int)
        keys = sorted(set(zip(owners.tolist(), rng.integers(0, products, count[k]).tolist(), strict=True)))
        count[k] = len(keys)
        for i, (owner, product) in enumerate(keys):
            records[k, i] = owner, product, rng.integers(1, 4)
    return np.log(rng.dirichlet(np.ones(h))), count, records


def world(
    rng: np.random.Generator,
    *,
    plates: int | None = None,
    shoppers: int | None = None,
    products: int | None = None,
    facings: int | None = None,
) -> World:
    """One random event; one in four goes to extremes of grams, metres or settings."""
    n = int(rng.integers(1, 5)) if plates is None else plates
    s = int(rng.integers(0, 4)) if shoppers is None else shoppers
    p = int(rng.integers(3, 20)) if products is None else products
    j = int(rng.integers(0, 3)) if facings is None else facings
    mass = np.round(rng.uniform(20, 800, p), 1)
    mass[rng.random(p) < 0.1] = np.nan
    inside = (rng.random((1 + j, n)) < 0.6).astype(np.uint8)
    inside[np.arange(1 + j), rng.integers(0, n, 1 + j)] = 1
    facing_product = rng.integers(0, p, j).astype(np.int32)
    delta, sigma = rng.normal(0, 300, n), rng.uniform(0.3, 3, n)
    if rng.random() < 0.5:  # a unit or two of something in reach
        product = facing_product[0] if j else 0
        unit = mass[product] if np.isfinite(mass[product]) else 100.0
        delta[:] = rng.normal(0, sigma)
        delta[np.argmax(inside[-1])] -= rng.choice([-1, 1, 2]) * unit
    hands = rng.normal(0, 1, (int(rng.integers(0, 6)), s, 2, 3))
    hands[rng.random(hands.shape[:3]) < 0.2] = np.nan
    hands[rng.random(hands.shape) < 0.02] = np.inf
    settings = AssociationSettings()
    match rng.integers(0, 12):
        case 0:
            delta *= 1e9
        case 1:
            delta, sigma = np.sign(delta) * LARGEST, np.full(n, LARGEST)
        case 2:
            sigma[:] = 1.2e-38
            hands *= 1e38
    if rng.random() < 0.2:
        extremes: dict[str, Any] = {
            name: float(rng.choice([1 - 1e-16, 0.5, 1e-6, 1e-100])) for name in settings._fields
        }
        extremes |= {"reach_sigma_m": 1e-6, "bystander_m": 1e6, "lightest_g": 1e-6, "heaviest_g": 1e6, "max_units": 2}
        settings = AssociationSettings(**(extremes | {"wrong_factor": 2.0}))
    return World(
        delta,
        sigma,
        inside,
        facing_product,
        hands,
        boxes(rng, inside),
        mass,
        (rng.random(p) < 0.3).astype(np.uint8),
        *hypotheses(rng, s, n, p),
        rng.choice([0.0, 1.0, 30.0], 5),
        settings,
    )


def hand_log_likelihood(w: World) -> Array:
    """(S, B) of a world's hands, by the backend in use."""
    return np.asarray(backends.kernels("association").hand_log_likelihood(w.hands, *w.boxes, w.settings))


def explain(w: World, llr: Array | None = None, room: int = 256) -> tuple[Array, Array]:
    """Explanations and scores of a world's event, by the backend in use; a second call if `room` does not do."""
    llr = hand_log_likelihood(w) if llr is None else llr
    while True:
        parts, score = np.full((room, 2, 4), -9, np.int32), np.zeros(room)
        needed = backends.kernels("association").explain(
            w.delta_g, w.sigma_g, w.inside, w.facing_product, llr, w.mass_g, w.present, parts, score, w.settings
        )
        if needed <= room:
            return parts[:needed].copy(), score[:needed].copy()
        room = needed


@dataclass
class Updated:
    """What an update leaves: log-weights, records, and how much came from each hypothesis and by each explanation."""

    weight: Array
    records: list[Array]
    share: Array
    chosen: Array


def update(w: World, parts: Array, score: Array, *, capacity: int, main_plate: int = 0, facings: int = 20) -> Updated:
    """Extend a world's hypotheses by explanations, by the backend in use."""
    stride = max(w.records.shape[1], int(w.count.max()) + 4)
    old = np.zeros((len(w.weight), stride, 3), np.int32)
    old[:, : w.records.shape[1]] = w.records
    weight, count = np.empty(capacity), np.zeros(capacity, np.int32)
    records = np.zeros((capacity, stride, 3), np.int32)
    share, chosen = np.full((capacity, len(w.weight)), np.nan), np.full((capacity, len(score)), np.nan)
    kept = backends.kernels("hypotheses").update(
        w.weight, w.count, old, w.echo[: len(w.weight)].copy(), parts, score, w.plates, main_plate, len(w.mass_g),
        facings, weight, count, records, share, chosen, w.settings,
    )  # fmt: skip
    held = [records[k, : count[k]] for k in range(kept)]
    return Updated(weight[:kept], held, share[:kept], chosen[:kept])


def forget(w: World, owner: int) -> tuple[Array, list[Array], Array]:
    """Drop an owner from a copy of a world's hypotheses, by the backend in use."""
    weight, count, records = w.weight.copy(), w.count.copy(), w.records.copy()
    share = np.full((len(weight), len(weight)), np.nan)
    kept = backends.kernels("hypotheses").forget(owner, weight, count, records, share)
    return weight[:kept], [records[k, : count[k]] for k in range(kept)], share[:kept]
