"""Who did what: the explanations of one weight event, with their log-scores.

An explanation is a multiset of up to three parts (owner, product, quantity, place), quantity < 0 for a take, or the
null: nothing of the store was taken or returned. The places are those of ``fusion.reference.association``.
"""

from math import exp, isnan, log
from typing import Any

import numpy as np

from fusion.reference.association import log_any_mass, log_mass, log_split, log_sum, place_sum
from fusion.reference.hypotheses import STAFF
from fusion.reference.multisets import explain_parts, put

COMPILED = (
    "log_touch",
    "list_items",
    "weigh_one",
    "unit_prior",
    "best_one",
    "put_one",
    "explain",
)


def log_touch(hands: Any) -> float:
    """Log-likelihood ratio of anybody's hand at place 0: what is foreign came by a hand, too, or nobody was near."""
    total = 0.0
    for k in range(len(hands)):
        total += exp(hands[k, 0])
    return log(max(total / len(hands), 1.0)) if len(hands) > 0 else 0.0


def list_items(
    delta_g: Any, sigma_g: Any, inside: Any, facing_product: Any, mass_g: Any, by_mass: Any, present: Any, s: Any
) -> Any:
    """List what may have moved: rows (product, place, known), those of place 0 in order of their mass.

    The products of the touched facings, those that somebody carries or that lie misplaced here (`present`), and any
    whose mass fits the whole change: it may have been misplaced before anybody watched.
    """
    rows = np.empty((len(facing_product) + len(mass_g), 3), np.int32)
    n = 0
    for j in range(len(facing_product)):
        rows[n, 0], rows[n, 1], rows[n, 2] = facing_product[j], 1 + j, 1
        n += 1
    total, var = place_sum(0, 0, delta_g, sigma_g, inside)
    for p in by_mass:
        spread = s.mass_spread * mass_g[p]
        z = abs(total) - mass_g[p]
        if present[p] or z * z <= 9.0 * (var + spread * spread):
            rows[n, 0], rows[n, 1], rows[n, 2] = p, 0, present[p]
            n += 1
    return rows[:n]


def weigh_one(item: Any, delta_g: Any, sigma_g: Any, inside: Any, mass_g: Any, weight: Any, s: Any) -> None:
    """Write the log-density of the change by 1 .. `weight.shape` units of one item."""
    p, place = item[0], item[1]
    within, within_var = place_sum(place, place, delta_g, sigma_g, inside)
    total, var = place_sum(place, 0, delta_g, sigma_g, inside)
    sign = -1 if total < 0.0 else 1
    split_within = log_split(place, place, abs(within), delta_g, sigma_g, inside, s)
    split = log_split(place, 0, abs(total), delta_g, sigma_g, inside, s)
    for q in range(1, len(weight) + 1):
        if isnan(mass_g[p]) and q > 1:  # whatever it weighs, it is one
            weight[q - 1] = -np.inf
            continue
        # It stands in its place, or reaches over to the other plates that changed.
        weight[q - 1] = log_sum(
            log(1.0 - s.overhang) + log_mass(within, within_var, mass_g[p], sign * q, s) + split_within,
            log(s.overhang) + log_mass(total, var, mass_g[p], sign * q, s) + split,
        )


def unit_prior(q: int, restocks: bool, shoppers: int, s: Any) -> float:
    """Log-prior of a shopper moving `q` units of one item."""
    more = s.more_restocked if restocks else s.more_units
    return log(1.0 - more) + (q - 1) * log(more) - log(float(shoppers))


def best_one(item: Any, weight: Any, hands: Any, vision: Any, owners: Any, s: Any) -> float:
    """Score of the best explanation by units of one item."""
    best = -np.inf
    for k in range(len(hands)):
        look = vision[k, item[0]] if len(vision) > 0 else 0.0
        restocks = owners[k] >= STAFF
        for q in range(1, (s.max_restocked if restocks else s.max_units) + 1):
            best = max(best, weight[q - 1] + hands[k, item[1]] + unit_prior(q, restocks, len(hands), s) + look)
    return best


def put_one(
    item: Any, sign: int, weight: Any, floor: float, hands: Any, vision: Any, owners: Any, parts: Any, terms: Any,
    log_score: Any, n: int, s: Any,
) -> int:  # fmt: skip
    """List the explanations by one product that one shopper moved, with scores from `floor` on."""
    p, place = item[0], item[1]
    for k in range(len(hands)):
        look = vision[k, p] if len(vision) > 0 else 0.0
        for q in range(1, (s.max_restocked if owners[k] >= STAFF else s.max_units) + 1):
            prior = unit_prior(q, owners[k] >= STAFF, len(hands), s)
            if weight[q - 1] + hands[k, place] + prior + look < floor:
                continue
            if n < len(parts):
                put(parts, terms, log_score, n, weight[q - 1], hands[k, place], prior, look)
                part = parts[n, 0]
                part[0], part[1], part[2], part[3] = owners[k], p, sign * q, place
            n += 1
    return n


def explain(
    delta_g: Any, sigma_g: Any, inside: Any, facing_product: Any, hands: Any, vision: Any, owners: Any, mass_g: Any,
    by_mass: Any, present: Any, null: float, parts: Any, terms: Any, log_score: Any, s: Any,
) -> int:  # fmt: skip
    """List the explanations of one event with their log-scores, apart from what depends on the hypothesis.

    Parameters
    ----------
    delta_g, sigma_g : (n,) float64
        Change of each plate and its standard deviation, grams.
    inside : (1 + J, n) uint8
        Which plates belong to place 0 (where most of the change is) and to each of J touched facings.
    facing_product : (J,) int32
        Product of each touched facing.
    hands : (S, 1 + J) float64
        `hand_log_likelihood` of the S shoppers nearby.
    vision : (S or 0, N) float64
        Log-likelihood ratio of each of N products having moved in each shopper's hand, of what was seen; none if empty.
    owners : (S,) int32
        What hypotheses call them; those from `STAFF` on re-stock, and may move many units.
    mass_g : (N,) float64
        Mass of every product, NaN where unknown or where it is sold by weight.
    by_mass : (N,) int32
        The products in order of their mass, NaN last.
    present : (N,) uint8
        Products that some hypothesis has in a basket of the S shoppers, or misplaced on these plates.
    null : float
        Probability that such a change has nothing to do with the store's products.
    parts : (E, 3, 4) int32, terms : (E, 4) float64, log_score : (E,) float64
        Written: up to three of (owner, product, quantity, place), product -1 where absent; weight, hands, prior and
        vision, and their sum. Row 0 is the null.
    s : AssociationSettings

    Returns
    -------
    int
        How many explanations there are; more than E asks for longer buffers. Those whose score is less than
        ``s.negligible`` of the best single one's are left out.
    """
    moved = 0.0
    for k in range(len(delta_g)):
        if inside[0, k]:
            moved += abs(delta_g[k])
    for k in range(len(delta_g)):
        moved = max(moved, abs(delta_g[k]))  # whatever it was, no plate showed more
    weight = log_any_mass(moved, s) + log_split(0, 0, moved, delta_g, sigma_g, inside, s)
    touch = log_touch(hands)
    n = put(parts, terms, log_score, 0, weight, touch, log(null), 0.0)
    if len(hands) == 0:
        return n
    items = list_items(delta_g, sigma_g, inside, facing_product, mass_g, by_mass, present, s)
    weights = np.empty((len(items), max(s.max_units, s.max_restocked) if (owners >= STAFF).any() else s.max_units))
    best = weight + touch + log(null)
    for i in range(len(items)):
        weigh_one(items[i], delta_g, sigma_g, inside, mass_g, weights[i], s)
        best = max(best, best_one(items[i], weights[i], hands, vision, owners, s))
    floor = best + log(s.negligible)
    for i in range(len(items)):
        whole, _ = place_sum(items[i, 1], 0, delta_g, sigma_g, inside)
        sign = -1 if whole < 0.0 else 1
        n = put_one(items[i], sign, weights[i], floor, hands, vision, owners, parts, terms, log_score, n, s)
    known = items[items[:, 2] != 0]
    return explain_parts(
        known, floor, delta_g, sigma_g, inside, hands, vision, owners, mass_g, parts, terms, log_score, n, s
    )  # fmt: skip
