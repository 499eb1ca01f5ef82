"""Who did what: the explanations of one weight event, with their log-scores.

An explanation is a multiset of up to three parts (shopper, product, quantity, place), quantity < 0 for a take, or the
null: nothing of the store was taken or returned. The places are those of ``fusion.reference.association``.
"""

from math import exp, isnan, log
from typing import Any

import numpy as np

from fusion.reference.association import (
    log_any_mass,
    log_mass,
    log_normal,
    log_outside,
    log_split,
    log_sum,
    place_sum,
)

COMPILED = (
    "log_touch",
    "list_items",
    "join_places",
    "put",
    "weigh_one",
    "unit_prior",
    "best_one",
    "put_one",
    "label_groups",
    "near_enough",
    "weigh_parts",
    "put_parts",
    "explain_parts",
    "explain",
)

PARTS = 3
"""Most parts of an explanation."""
TERMS = 4
"""Terms of a score: weight, hands, prior, vision."""


def log_touch(hands: Any) -> float:
    """Log-likelihood ratio of anybody's hand at place 0: what is foreign came by a hand, too, or nobody was near."""
    total = 0.0
    for k in range(len(hands)):
        total += exp(hands[k, 0])
    return log(max(total / len(hands), 1.0)) if len(hands) > 0 else 0.0


def list_items(delta_g: Any, sigma_g: Any, inside: Any, facing_product: Any, mass_g: Any, by_mass: Any, present: Any, s: Any) -> Any:  # fmt: skip
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


def join_places(inside: Any) -> Any:
    """Tell which places share a plate, (B, B) uint8: of what they hold only the sum is known."""
    places, plates = inside.shape
    joined = np.zeros((places, places), np.uint8)
    for a in range(places):
        for b in range(places):
            for k in range(plates):
                if inside[a, k] and inside[b, k]:
                    joined[a, b] = 1
    return joined


def put(parts: Any, terms: Any, log_score: Any, n: int, weight: float, hands: float, prior: float, vision: float) -> int:  # fmt: skip
    """Write a score, and all parts as absent, if there is room; return the count so far."""
    if n < len(parts):
        for i in range(len(parts[n])):
            parts[n, i, 0], parts[n, i, 1], parts[n, i, 2], parts[n, i, 3] = -1, -1, 0, -1
        terms[n, 0], terms[n, 1], terms[n, 2], terms[n, 3] = weight, hands, prior, vision
        log_score[n] = weight + hands + prior + vision
    return n + 1


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


def best_one(item: Any, weight: Any, hands: Any, vision: Any, staff: Any, s: Any) -> float:
    """Score of the best explanation by units of one item."""
    best = -np.inf
    for k in range(len(hands)):
        look = vision[k, item[0]] if len(vision) > 0 else 0.0
        for q in range(1, (s.max_restocked if staff[k] else s.max_units) + 1):
            best = max(best, weight[q - 1] + hands[k, item[1]] + unit_prior(q, staff[k] != 0, len(hands), s) + look)
    return best


def put_one(
    item: Any, sign: int, weight: Any, floor: float, hands: Any, vision: Any, staff: Any, parts: Any, terms: Any,
    log_score: Any, n: int, s: Any,
) -> int:  # fmt: skip
    """List the explanations by one product that one shopper moved, with scores from `floor` on."""
    p, place = item[0], item[1]
    for k in range(len(hands)):
        look = vision[k, p] if len(vision) > 0 else 0.0
        for q in range(1, (s.max_restocked if staff[k] else s.max_units) + 1):
            prior = unit_prior(q, staff[k] != 0, len(hands), s)
            if weight[q - 1] + hands[k, place] + prior + look < floor:
                continue
            if n < len(parts):
                put(parts, terms, log_score, n, weight[q - 1], hands[k, place], prior, look)
                part = parts[n, 0]
                part[0], part[1], part[2], part[3] = k, p, sign * q, place
            n += 1
    return n


def label_groups(items: Any, chosen: Any, n: int, joined: Any, label: Any) -> None:
    """Label the first `n` chosen items by the first one with which they share plates, directly or by way of others."""
    for i in range(n):
        label[i] = i
        for k in range(i):
            if joined[items[chosen[i], 1], items[chosen[k], 1]]:
                low, high = min(label[i], label[k]), max(label[i], label[k])
                for m in range(i + 1):
                    if label[m] == high:
                        label[m] = low


def near_enough(
    items: Any, chosen: Any, sign: Any, n: int, label: Any, g: int, delta_g: Any, sigma_g: Any, inside: Any,
    mass_g: Any, s: Any,
) -> tuple[float, float, float]:  # fmt: skip
    """Compare the change over the plates of group `g` with its units: difference, its variance, mass moved, grams.

    The catalogue must be right for all of them.
    """
    total, var, mean, squares, moved = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(delta_g)):
        within = False
        for i in range(n):
            within = within or (label[i] == g and inside[items[chosen[i], 1], k] != 0)
        if within:
            total += delta_g[k]
            var += sigma_g[k] * sigma_g[k]
    for i in range(n):
        if label[i] == g:
            mass = mass_g[items[chosen[i], 0]]
            mean += sign[i] * mass
            squares += mass * mass
            moved += mass
    return total - mean, var + s.mass_spread * s.mass_spread * squares, moved


def weigh_parts(
    items: Any, chosen: Any, sign: Any, n: int, joined: Any, least: float, delta_g: Any, sigma_g: Any, inside: Any,
    mass_g: Any, s: Any,
) -> float:  # fmt: skip
    """Log-density of the change by one unit each of `n` chosen items; -inf where it is surely below `least`.

    Of items whose places share plates, only the sum is known.
    """
    label = np.empty(PARTS, np.int32)
    label_groups(items, chosen, n, joined, label)
    result, moved, groups = 0.0, 0.0, 0
    for g in range(n):
        size = 0
        for i in range(n):
            size += label[i] == g
        if size == 0:
            continue
        groups += 1
        if size == 1:
            place = items[chosen[g], 1]
            total, var = place_sum(place, place, delta_g, sigma_g, inside)
            result += log_mass(total, var, mass_g[items[chosen[g], 0]], sign[g], s)
            moved += abs(total)
        else:
            z, v, mass = near_enough(items, chosen, sign, n, label, g, delta_g, sigma_g, inside, mass_g, s)
            if isnan(z) or z * z > 50.0 * v:
                return -np.inf
            result += log_normal(z, v)
            moved += mass
        if result == -np.inf:
            return result
    scale = max(moved, s.lightest_g)
    result += groups * log(scale)
    for k in range(len(delta_g)):
        within = False
        for i in range(n):
            within = within or inside[items[chosen[i], 1], k] != 0
        result += -log(scale) if within else log_outside(delta_g[k], sigma_g[k], scale, s)
    return result if result >= least else -np.inf


def put_parts(
    items: Any, chosen: Any, sign: Any, n: int, weight: float, floor: float, hands: Any, vision: Any, parts: Any,
    terms: Any, log_score: Any, count: int, s: Any,
) -> int:  # fmt: skip
    """List the explanations by one unit each of `n` chosen items, by any shoppers, with scores from `floor` on."""
    shoppers = len(hands)
    prior = (n - 1) * log(s.coincidence) - n * log(float(shoppers))
    who = np.zeros(PARTS, np.int32)
    total = 1
    for _ in range(n):
        total *= shoppers
    for code in range(total):
        rest, hand, look, ordered, alike = code, 0.0, 0.0, True, True
        for i in range(n):
            who[n - 1 - i] = rest % shoppers
            rest //= shoppers
        for i in range(n):
            p, place = items[chosen[i], 0], items[chosen[i], 1]
            hand += hands[who[i], place]
            if len(vision) > 0:
                look += vision[who[i], p]
            if i > 0:
                same = chosen[i] == chosen[i - 1] and sign[i] == sign[i - 1]
                ordered = ordered and (not same or who[i - 1] <= who[i])
                alike = alike and same and who[i - 1] == who[i]  # that is several units of one item
        if not ordered or alike or weight + hand + prior + look < floor:
            continue
        if count < len(parts):
            put(parts, terms, log_score, count, weight, hand, prior, look)
            for i in range(n):
                part = parts[count, i]
                part[0], part[1], part[2], part[3] = who[i], items[chosen[i], 0], sign[i], items[chosen[i], 1]
        count += 1
    return count


def explain_parts(
    items: Any, floor: float, delta_g: Any, sigma_g: Any, inside: Any, hands: Any, vision: Any, mass_g: Any, parts: Any,
    terms: Any, log_score: Any, n: int, s: Any,
) -> int:  # fmt: skip
    """List the explanations by two or three of the known items, one unit each: two either way, three all one way."""
    joined = join_places(inside)
    chosen, sign = np.empty(PARTS, np.int32), np.empty(PARTS, np.int32)
    nearest = 0.0
    for k in range(len(hands)):
        look = 0.0
        for p in range(vision.shape[1] if len(vision) > 0 else 0):
            look = max(look, vision[k, p])
        for b in range(len(inside)):
            nearest = max(nearest, hands[k, b] + look)
    pair_least = floor - 2.0 * nearest - log(s.coincidence) + 2.0 * log(float(len(hands)))
    triple_least = floor - 3.0 * nearest - 2.0 * log(s.coincidence) + 3.0 * log(float(len(hands)))
    for i in range(len(items)):
        for j in range(i, len(items)):
            chosen[0], chosen[1] = i, j
            for signs in range(4):
                sign[0], sign[1] = -1 if signs % 2 else 1, -1 if signs >= 2 else 1
                together = joined[items[i, 1], items[j, 1]] != 0
                if together and items[i, 0] == items[j, 0] and sign[0] != sign[1]:
                    continue
                weight = weigh_parts(
                    items, chosen, sign, 2, joined, pair_least, delta_g, sigma_g, inside, mass_g, s
                )  # fmt: skip
                if weight > -np.inf:
                    n = put_parts(
                        items, chosen, sign, 2, weight, floor, hands, vision, parts, terms, log_score, n, s
                    )  # fmt: skip
            for m in range(j, len(items)):
                chosen[2] = m
                for k in range(3):
                    place = items[chosen[k], 1]
                    sign[k] = -1 if place_sum(place, place, delta_g, sigma_g, inside)[0] < 0.0 else 1
                weight = weigh_parts(
                    items, chosen, sign, 3, joined, triple_least, delta_g, sigma_g, inside, mass_g, s
                )  # fmt: skip
                if weight > -np.inf:
                    n = put_parts(
                        items, chosen, sign, 3, weight, floor, hands, vision, parts, terms, log_score, n, s
                    )  # fmt: skip
    return n


def explain(
    delta_g: Any, sigma_g: Any, inside: Any, facing_product: Any, hands: Any, vision: Any, staff: Any, mass_g: Any,
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
    staff : (S,) uint8
        Who re-stocks, and may move many units.
    mass_g : (N,) float64
        Mass of every product, NaN where unknown or where it is sold by weight.
    by_mass : (N,) int32
        The products in order of their mass, NaN last.
    present : (N,) uint8
        Products that some hypothesis has in a basket of the S shoppers, or misplaced on these plates.
    null : float
        Probability that such a change has nothing to do with the store's products.
    parts : (E, 3, 4) int32, terms : (E, 4) float64, log_score : (E,) float64
        Written: up to three of (shopper, product, quantity, place), product -1 where absent; weight, hands, prior and
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
    weight = log_any_mass(moved, s) + log_split(0, 0, moved, delta_g, sigma_g, inside, s)
    touch = log_touch(hands)
    n = put(parts, terms, log_score, 0, weight, touch, log(null), 0.0)
    if len(hands) == 0:
        return n
    items = list_items(delta_g, sigma_g, inside, facing_product, mass_g, by_mass, present, s)
    weights = np.empty((len(items), max(s.max_units, s.max_restocked) if staff.any() else s.max_units))
    best = weight + touch + log(null)
    for i in range(len(items)):
        weigh_one(items[i], delta_g, sigma_g, inside, mass_g, weights[i], s)
        best = max(best, best_one(items[i], weights[i], hands, vision, staff, s))
    floor = best + log(s.negligible)
    for i in range(len(items)):
        whole, _ = place_sum(items[i, 1], 0, delta_g, sigma_g, inside)
        sign = -1 if whole < 0.0 else 1
        n = put_one(items[i], sign, weights[i], floor, hands, vision, staff, parts, terms, log_score, n, s)
    known = items[items[:, 2] != 0]
    return explain_parts(
        known, floor, delta_g, sigma_g, inside, hands, vision, mass_g, parts, terms, log_score, n, s
    )  # fmt: skip
