"""Unit masses learned from events: which catalogue masses are wrong, and what one unit weighs instead.

For each product a mixture over the events at its place, its posterior on a grid, exactly; numpy is enough.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion import validation
from fusion.association import AssociationSettings
from fusion.errors import RecordingError
from fusion.receipts import Interaction
from fusion.recordings.recording import read_object
from fusion.store import Product, Store

FORMAT = "fusion.masses/1"
Array = NDArray[np.float64]
Event = tuple[float, float, float]
"""|change| and its standard deviation, grams, and the probability that it is the product's own."""

Habit = tuple[float, Array]
"""A way in which units move together: its probability, and the share of events with 1, 2, ... units."""

STEP = 1.002
"""Ratio of neighbours on the grid of masses: finer than the filling of one unit scatters."""
BIAS = 0.02
"""Standard deviation of a product's mean mass over a catalogue mass that is right (net for gross, filling, wear)."""
FEWEST_G = 2.0
"""Events of a change below this are no units."""
FEWEST_UNITS, CLEAR = 2.5, 0.95
"""A learned mass is used if so many units moved, and if the catalogue is wrong, or right, with this probability."""
HABIT = 0.1
"""Probability that a product moves by a certain number of units as a rule (a pair of batteries, a four of yoghurts)."""
LEAST = 0.001
"""Probability at which an event is another thing than the product's, at least and at most 1 less this."""


@dataclass(frozen=True, slots=True)
class LearnedMass:
    """What events say about one product's unit.

    Parameters
    ----------
    product : str
        Its identifier.
    catalogue_g : float
        Mass by the catalogue, grams; NaN where unknown.
    mass_g, sigma_g : float
        Mean and standard deviation of the unit's mean mass, by the likelier of catalogue right and catalogue wrong.
    units : float
        How many units moved in the events that speak of it, on average over the mixture.
    wrong : float
        Probability that the catalogue's mass is wrong; 1 where it has none.
    """

    product: str
    catalogue_g: float
    mass_g: float
    sigma_g: float
    units: float
    wrong: float

    @property
    def clear(self) -> bool:
        """Whether enough units moved, and it is clear whether the catalogue is right: the mass can be used."""
        return self.units >= FEWEST_UNITS and (self.wrong <= 1.0 - CLEAR or self.wrong >= CLEAR)


def learn_masses(
    sessions: Iterable[tuple[Store, Iterable[Interaction]]], *, settings: AssociationSettings | None = None
) -> list[LearnedMass]:
    """Learn unit masses from what changed where products have their places.

    The mass m of a product is the catalogue's within 2 %, or, with probability ``settings.wrong_mass``, off by a
    log-normal factor. An event at its place is 1, 2, ... of it, with the scale's error and the scatter of filling
    (``settings.mass_spread``), or something else of any mass; how probable either is, the association's candidates
    tell. Units mostly move one by one (``settings.more_units``); of a right catalogue, perhaps by twos or more as a
    rule. The posterior of m is summed on a grid of 0.2 % steps, and so is the evidence for either catalogue. Weights
    cannot tell a product that always moves by twos from one of twice the mass: then the catalogue is believed.

    Parameters
    ----------
    sessions : iterable of (Store, interactions)
        The store as it was then, with the catalogue's masses and its planogram, and the interactions of an outcome;
        takes and returns count alike. Of a product in several sessions, the first one's catalogue counts.
    settings : AssociationSettings, optional
        Prior probabilities; the defaults otherwise.

    Returns
    -------
    list of LearnedMass
        Of every product, but goods sold by weight, at whose place something happened; in the order of products.
    """
    s = settings or AssociationSettings()
    catalogue: dict[str, Product] = {}
    events: dict[str, list[Event]] = {}
    for store, interactions in sessions:
        catalogue = store.product_by_id | catalogue
        for product, event in _events(store, interactions):
            events.setdefault(product, []).append(event)
    units = [p for p in sorted(events) if not catalogue[p].by_weight]
    return [_learned(p, catalogue[p].mass_g, np.array(events[p]), s) for p in units]


def with_learned(store: Store, masses: Iterable[LearnedMass]) -> Store:
    """Return the store with those of the learned masses that are clear; products that it has not are passed over."""
    return store.with_masses({m.product: m.mass_g for m in masses if m.clear and m.product in store.product_by_id})


def _events(store: Store, interactions: Iterable[Interaction]) -> Iterator[tuple[str, Event]]:
    """Yield the events within the place of a product."""
    homes: dict[str, set[str]] = {}
    by_plate: dict[str, set[str]] = {}
    for facing in store.planogram:
        homes.setdefault(facing.product, set()).update(facing.plates)
        for plate in facing.plates:
            by_plate.setdefault(plate, set()).add(facing.product)
    for i in interactions:
        if i.kind == "touch" or abs(i.delta_g) < FEWEST_G:
            continue
        for product in sorted({p for plate in i.plates for p in by_plate.get(plate, ())}):
            if homes[product].issuperset(i.plates):
                own = sum(c.probability for c in i.candidates if c.product == product)
                yield product, (abs(i.delta_g), i.sigma_g, min(own, 1.0))


def _learned(product: str, catalogue_g: float, events: Array, s: AssociationSettings) -> LearnedMass:
    """Weigh a right catalogue against a wrong one, and give the mass by the likelier."""
    octaves = math.log(s.heaviest_g / s.lightest_g)
    grid: Array = s.lightest_g * np.exp(np.arange(0.0, octaves, math.log(STEP)))
    wide = np.full(len(grid), -math.log(len(grid)))
    habits = _habits(s.max_units, s.more_units)
    one_by_one = [(1.0, habits[0][1])]  # else every mass could be many of a part of it
    if math.isnan(catalogue_g):
        mass, sigma, units, _ = _posterior(grid, wide, events, one_by_one, s)
        return LearnedMass(product, catalogue_g, mass, sigma, units, 1.0)
    z = np.linspace(-5.0, 5.0, 501).astype(np.float64)
    right = _posterior(catalogue_g * (1.0 + BIAS * z), _normal(z), events, habits, s)
    factor = np.log(grid / catalogue_g) / math.log(s.wrong_factor)
    wrong = _posterior(grid, _normal(factor), events, one_by_one, s)
    odds = math.log(s.wrong_mass) - math.log1p(-s.wrong_mass) + wrong[3] - right[3]
    p_wrong = 1.0 / (1.0 + math.exp(-max(min(odds, 700.0), -700.0)))
    mass, sigma, units, _ = wrong if p_wrong > 0.5 else right
    return LearnedMass(product, catalogue_g, mass, sigma, units, p_wrong)


def _posterior(
    grid: Array, log_prior: Array, events: Array, habits: Sequence[Habit], s: AssociationSettings
) -> tuple[float, float, float, float]:
    """Return mean and standard deviation around the posterior's mode, expected units, and log-evidence."""
    likelihood, units = zip(*(_log_likelihood(grid, events, share, s) for _, share in habits), strict=True)
    log_habit = np.log([[p] for p, _ in habits])
    log_joint = log_prior + log_habit + np.array(likelihood)  # a row a habit
    top = int(log_joint.max(axis=0).argmax())
    weight = np.exp(log_joint - log_joint.max())
    evidence = float(log_joint.max() + math.log(weight.sum()))
    # Other modes (twice, half the mass) are other hypotheses: their mean with this one would be nobody's mass.
    mode = np.abs(np.log(grid / grid[top])) < 0.1
    weight = np.where(mode, weight, 0.0) / weight[:, mode].sum()
    mean = float((weight @ grid).sum())
    step = float(np.gradient(grid)[top])
    sigma = math.sqrt(float((weight @ (grid - mean) ** 2).sum()) + step**2 / 12.0)
    return mean, sigma, float((weight * np.array(units)).sum()), evidence


def _habits(most: int, more: float) -> list[Habit]:
    """Return the ways in which units move together: mostly one by one, or mostly by so many."""
    usual = more ** np.arange(most, dtype=np.float64)
    usual /= usual.sum()
    by_several = [0.1 * usual + 0.9 * (np.arange(1, most + 1) == k) for k in range(2, most + 1)]
    return [(1.0 - HABIT if by_several else 1.0, usual), *((HABIT / len(by_several), share) for share in by_several)]


def _log_likelihood(mass: Array, events: Array, share: Array, s: AssociationSettings) -> tuple[Array, Array]:
    """Return the log-likelihood of the events for each mass, and how many units they would be on average."""
    result, moved = np.zeros(len(mass)), np.zeros(len(mass))
    k = np.arange(1, s.max_units + 1)[:, None]
    log_share = np.log(share)[:, None]
    scatter = k * (s.mass_spread * mass) ** 2
    for change, sigma, own in events:
        p = min(max(own, LEAST), 1.0 - LEAST)
        variance = sigma**2 + scatter
        density = np.exp(log_share - 0.5 * (change - k * mass) ** 2 / variance) / np.sqrt(2.0 * math.pi * variance)
        other = (1.0 - p) / (max(change, s.lightest_g) * math.log(s.heaviest_g / s.lightest_g))
        total = p * density.sum(axis=0) + other
        result += np.log(total)
        moved += p * (k * density).sum(axis=0) / total
    return result, moved


def _normal(z: Array) -> Array:
    """Logarithm of a normal prior on an even grid of `z`, normalised."""
    log_p = -0.5 * z**2
    return np.asarray(log_p - np.log(np.exp(log_p).sum()))


def write_masses(path: Path | str, masses: Iterable[LearnedMass]) -> None:
    """Write learned masses as a JSON document; `read_masses` reads it.

    Raises
    ------
    RecordingError
        If it cannot be written.
    """
    rows = [{k: None if v != v else v for k, v in asdict(m).items()} for m in masses]
    try:
        text = json.dumps({"format": FORMAT, "masses": rows}, indent=1, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise RecordingError(path, f"cannot be written: {error}") from error


def read_masses(path: Path | str) -> list[LearnedMass]:
    """Read what `write_masses` wrote.

    Raises
    ------
    RecordingError
        If the file is missing, of another format, or a field is missing or refused.
    """
    path = Path(path)
    document = read_object(path)
    if document.get("format") != FORMAT:
        raise RecordingError(path, f"must be {FORMAT!r}; got {document.get('format')!r}", field="format")
    try:
        masses = [_mass(row) for row in document["masses"]]
        validation.unique("products", (m.product for m in masses))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RecordingError(path, f"holds no learned masses: {error!r}") from error
    return masses


def _mass(row: Mapping[str, Any]) -> LearnedMass:
    catalogue_g = row["catalogue_g"]
    return LearnedMass(
        validation.identifier("product", row["product"]),
        math.nan if catalogue_g is None else validation.number("catalogue_g", catalogue_g, above=0.0),
        validation.number("mass_g", row["mass_g"], above=0.0),
        validation.number("sigma_g", row["sigma_g"], at_least=0.0),
        validation.number("units", row["units"], at_least=0.0),
        validation.number("wrong", row["wrong"], at_least=0.0, at_most=1.0),
    )
