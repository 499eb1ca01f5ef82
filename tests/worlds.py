"""Random weight events and hypotheses for the tests of the association: ordinary, degenerate and extreme."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import backends
from fusion.association import AssociationSettings
from fusion.clusters import Cluster
from fusion.readings import LARGEST

Array = NDArray[Any]
STAFF = 1 << 30
S = AssociationSettings()


@dataclass
class World:
    """One event with its places and hands, and the hypotheses before it."""

    delta_g: Array
    sigma_g: Array
    inside: Array
    facing_product: Array
    mass_g: Array
    present: Array
    hands: Array = field(default_factory=lambda: np.empty((0, 0, 2, 3)))
    var: Array | None = None
    when: Array | None = None
    boxes: tuple[Array, ...] = ()
    staff: Array | None = None
    vision: Array | None = None
    null: float = S.null
    weight: Array = field(default_factory=lambda: np.zeros(1))
    count: Array = field(default_factory=lambda: np.zeros(1, np.int32))
    records: Array = field(default_factory=lambda: np.zeros((1, 8, 3), np.int32))
    echo: Array = field(default_factory=lambda: np.zeros(1))
    together: Array = field(default_factory=lambda: np.zeros(1))
    settings: AssociationSettings = S

    @property
    def plates(self) -> Array:
        return np.arange(len(self.delta_g), dtype=np.int32)

    @property
    def by_mass(self) -> Array:
        return np.argsort(self.mass_g, kind="stable").astype(np.int32)


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
    records = rng.integers(-99, 99, (h, 12, 3)).astype(np.int32)
    for k in range(h):
        owners = rng.integers(-plates, shoppers + 1, count[k])
        keys = sorted(set(zip(owners.tolist(), rng.integers(0, products, count[k]).tolist(), strict=True)))
        count[k] = len(keys)
        for i, (owner, product) in enumerate(keys):
            records[k, i] = owner, product, rng.integers(1, 4)
    return np.log(rng.dirichlet(np.ones(h))), count, records


def extremes(rng: np.random.Generator) -> AssociationSettings:
    """Settings at the ends of what is allowed."""
    chosen: dict[str, Any] = {name: float(rng.choice([1 - 1e-16, 0.5, 1e-6, 1e-100])) for name in S._fields}
    lengths = {"reach_sigma_m": 1e-6, "bystander_m": 1e6, "miss_sigma_m": 1e-6, "echo_sigma_g": 1e6}
    masses = {"lightest_g": 1e-6, "heaviest_g": 1e6, "wrong_factor": 2.0}
    return AssociationSettings(**(chosen | lengths | masses | {"max_units": 2, "max_restocked": 3}))


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
    p = int(rng.integers(3, 12)) if products is None else products
    j = int(rng.integers(0, 3)) if facings is None else facings
    mass = np.round(rng.uniform(20, 800, p), 1)
    mass[rng.random(p) < 0.1] = np.nan
    inside = (rng.random((1 + j, n)) < 0.6).astype(np.uint8)
    inside[np.arange(1 + j), rng.integers(0, n, 1 + j)] = 1
    facing_product = rng.integers(0, p, j).astype(np.int32)
    present = (rng.random(p) < 0.2).astype(np.uint8)
    delta, sigma = rng.normal(0, 300, n), rng.uniform(0.3, 3, n)
    if rng.random() < 0.7:  # one to three units of what is in reach
        reach = np.concatenate([facing_product, np.flatnonzero(present), [0]])
        delta[:] = rng.normal(0, sigma)
        for product in rng.choice(reach, int(rng.integers(1, 4))):
            delta[rng.integers(0, n)] -= rng.choice([-1, 1, 1, 1]) * np.nan_to_num(mass[product], nan=100.0)
    hands = rng.normal(0, 1, (int(rng.integers(0, 5)), s, 2, 3))
    hands[rng.random(hands.shape[:3]) < 0.2] = np.nan
    hands[rng.random(hands.shape) < 0.02] = np.inf
    settings = S
    match rng.integers(0, 12):
        case 0:
            delta *= 1e9
        case 1:
            delta, sigma = np.sign(delta) * LARGEST, np.full(n, LARGEST)
        case 2:
            sigma[:] = 1.2e-38
            hands *= 1e38
    if rng.random() < 0.2:
        settings = extremes(rng)
    weight, count, records = hypotheses(rng, s, n, p)
    return World(
        delta,
        sigma,
        inside,
        facing_product,
        mass,
        present,
        hands,
        rng.choice([0.0, 1e-4, 0.3], hands.shape[:3]),
        rng.choice([0.0, 1.0, 3.0], len(hands)),
        boxes(rng, inside),
        (rng.random(s) < 0.2).astype(np.uint8),
        rng.normal(0, 2, (s if rng.random() < 0.4 else 0, p)),
        float(rng.choice([0.01, 0.9])),
        weight,
        count,
        records,
        rng.choice([0.0, 1.0, 30.0, -1e6], len(weight)),
        rng.choice([0.0, -3.0, -np.inf], len(weight)),
        settings,
    )


def hand_log_likelihood(w: World) -> Array:
    """(S, B) of a world's hands, by the backend in use."""
    var = np.zeros(w.hands.shape[:3]) if w.var is None else w.var
    when = np.ones(len(w.hands)) if w.when is None else w.when
    kernel = backends.kernels("association").hand_log_likelihood
    return np.asarray(kernel(w.hands, var, when, *w.boxes, w.settings))


@dataclass
class Explained:
    """Explanations with their terms and scores."""

    parts: Array
    terms: Array
    score: Array


def explain(w: World, llr: Array | None = None, room: int = 256) -> Explained:
    """Explanations of a world's event, by the backend in use; a second call if `room` does not do."""
    llr = hand_log_likelihood(w) if llr is None else llr
    owners = np.arange(len(llr), dtype=np.int32)
    if w.staff is not None:
        owners[w.staff != 0] += STAFF
    vision = np.zeros((0, len(w.mass_g))) if w.vision is None else w.vision
    while True:
        parts, terms, score = np.full((room, 3, 4), -9, np.int32), np.zeros((room, 4)), np.zeros(room)
        needed = backends.kernels("explanations").explain(
            w.delta_g, w.sigma_g, w.inside, w.facing_product, llr, vision, owners, w.mass_g, w.by_mass, w.present,
            w.null, parts, terms, score, w.settings,
        )  # fmt: skip
        if needed <= room:
            parts = parts[:needed].copy()
            assert np.isin(parts[:, :, 0][parts[:, :, 1] >= 0], owners).all()
            parts[:, :, 0][parts[:, :, 1] >= 0] %= STAFF
            return Explained(parts, terms[:needed].copy(), score[:needed].copy())
        room = needed


@dataclass
class Updated:
    """What an update leaves: log-weights, records, and how much came from each hypothesis and by each explanation.

    `joint` is what came by explanations from the first joint one on, `share` by those before.
    """

    weight: Array
    records: list[Array]
    share: Array
    joint: Array
    columns: Array
    chosen: Array

    def by_explanation(self, explanations: int) -> Array:
        """(K, E): the columns put where they belong."""
        whole = np.zeros((len(self.weight), explanations))
        whole[:, self.columns] = self.chosen
        return whole


def update(
    w: World,
    parts: Array,
    score: Array,
    *,
    capacity: int,
    first_joint: int | None = None,
    main_plates: tuple[int, int] = (0, 0),
    facings: int = 20,
) -> Updated:
    """Extend a world's hypotheses by explanations, by the backend in use."""
    stride = max(w.records.shape[1], int(w.count.max()) + 6)
    old = np.zeros((len(w.weight), stride, 3), np.int32)
    old[:, : w.records.shape[1]] = w.records
    weight, count = np.empty(capacity), np.zeros(capacity, np.int32)
    records = np.zeros((capacity, stride, 3), np.int32)
    share, joint = np.full((2, capacity, len(w.weight)), np.nan)
    columns = np.full(min(len(score), 4 * capacity + 1), -9, np.int32)
    chosen = np.full((capacity, len(columns)), np.nan)
    kept, used = backends.kernels("hypotheses").update(
        w.weight, w.count, old, w.echo, w.together, parts, score, len(score) if first_joint is None else first_joint,
        w.plates, np.array(main_plates, np.int32), len(w.mass_g), facings, weight, count, records, share, joint,
        columns, chosen, w.settings,
    )  # fmt: skip
    held = [records[k, : count[k]] for k in range(kept)]
    return Updated(weight[:kept], held, share[:kept], joint[:kept], columns[:used], chosen[:kept, :used].copy())


def forget(w: World, owner: int) -> tuple[Array, list[Array], Array]:
    """Drop an owner from a copy of a world's hypotheses, by the backend in use."""
    weight, count, records = w.weight.copy(), w.count.copy(), w.records.copy()
    share = np.full((len(weight), len(weight)), np.nan)
    kept = backends.kernels("hypotheses").forget(owner, weight, count, records, share)
    return weight[:kept], [records[k, : count[k]] for k in range(kept)], share[:kept]


def join(w: World, other: World, capacity: int) -> tuple[Array, list[Array], Array]:
    """Pair the hypotheses of two worlds, by the backend in use."""
    weight, count = np.empty(capacity), np.zeros(capacity, np.int32)
    records = np.zeros((capacity, int(w.count.max() + other.count.max()) + 1, 3), np.int32)
    source = np.full((capacity, 2), -9, np.int32)
    kept = backends.kernels("hypotheses").join(
        w.weight, w.count, w.records, other.weight, other.count, other.records, weight, count, records, source,
        w.settings,
    )  # fmt: skip
    return weight[:kept], [records[k, : count[k]] for k in range(kept)], source[:kept]


def certain(w: World, owner: int) -> bool:
    """Tell whether an owner has the same in all hypotheses, by the backend in use."""
    return bool(backends.kernels("hypotheses").certain(w.count, w.records, owner))


def transfer(
    w: World,
    moves: Array,
    in_hand: Array,
    passing: float,
    *,
    capacity: int = 64,
    from_basket: float = 0.005,
    own_things: float = 0.02,
    negligible: float = 1e-60,
) -> tuple[Array, list[Array], Array, Array]:
    """Extend a world's hypotheses by moves (giver, receiver, product), by the backend in use."""
    stride = int(w.count.max()) + 1
    old = np.zeros((len(w.weight), stride, 3), np.int32)
    old[:, : w.records.shape[1]] = w.records[:, :stride]
    weight, count = np.empty(capacity), np.zeros(capacity, np.int32)
    records = np.zeros((capacity, stride, 3), np.int32)
    share, chosen = np.full((capacity, len(w.weight)), np.nan), np.full((capacity, 1 + len(moves)), np.nan)
    kept = backends.kernels("transfers").transfer(
        w.weight, w.count, old, moves, in_hand, from_basket, own_things, passing, negligible, weight, count, records,
        share, chosen,
    )  # fmt: skip
    return weight[:kept], [records[k, : count[k]] for k in range(kept)], share[:kept], chosen[:kept]


def add_to_all(w: World, found: list[tuple[int, int, int]]) -> list[Array]:
    """Add records to a world's hypotheses, by the backend in use."""
    count = np.full_like(w.count, -9)
    records = np.full((len(count), int(w.count.max()) + len(found) + 1, 3), -9, np.int32)
    added = np.array(found, np.int32).reshape(-1, 3)
    backends.kernels("hypotheses").add_to_all(added, w.count, w.records, count, records)
    return [records[k, :n] for k, n in enumerate(count)]


def list_doubts(w: World) -> list[tuple[int, int]]:
    """Of which owners and products a world's hypotheses have records, by the backend in use."""
    doubtful = np.full((w.records.size // 3, 2), -9, np.int32)
    n = backends.kernels("hypotheses").list_doubts(w.count, w.records, doubtful)
    return [(owner, product) for owner, product in doubtful[:n].tolist()]


def ask(w: World, parts: Array, score: Array, null: float, first_joint: int) -> tuple[Array, Array]:
    """Products that an update by these explanations asks for, by the backend in use."""
    n = len(w.mass_g)
    owners = np.array([0, *(-1 - w.plates)], np.int32)
    carried = np.zeros((len(owners), n), np.uint8)
    for h, count in enumerate(w.count.tolist()):
        for owner, product, _ in w.records[h, :count].tolist():
            carried[owners == owner, product] = 1
    back, found = np.zeros((2, n), np.uint8)
    backends.kernels("hypotheses").ask(
        parts, score, first_joint, null, w.plates, 20, owners, carried, back, found, w.settings
    )  # fmt: skip
    return back, found


def state(cluster: Cluster, h: int, written: dict[int, dict[int, int]]) -> dict[tuple[int, int], int]:
    """Units by owner and product in one hypothesis of a cluster, with what is written down."""
    units = {(o, p): q for o, basket in written.items() for p, q in basket.items()}
    for o, p, q in cluster.records[h, : cluster.count[h]].tolist():
        units[o, p] = units.get((o, p), 0) + q
    return {key: q for key, q in units.items() if q}
