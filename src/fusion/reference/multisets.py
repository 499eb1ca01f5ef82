"""Multisets: the explanations of one weight event by two or three things that moved, one unit each.

A part is (owner, product, quantity, place), as in ``fusion.reference.explanations``.
"""

from math import isnan, log
from typing import Any

import numpy as np

from fusion.reference.association import log_mass, log_normal, log_outside, place_sum

COMPILED = ("join_places", "put", "label_groups", "near_enough", "weigh_parts", "put_parts", "explain_parts")

PARTS = 3
"""Most parts of an explanation."""
TERMS = 4
"""Terms of a score: weight, hands, prior, vision."""


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


def put(
    parts: Any, terms: Any, log_score: Any, n: int, weight: float, hands: float, prior: float, vision: float
) -> int:
    """Write a score, and all parts as absent, if there is room; return the count so far."""
    if n < len(parts):
        for i in range(len(parts[n])):
            parts[n, i, 0], parts[n, i, 1], parts[n, i, 2], parts[n, i, 3] = -1, -1, 0, -1
        terms[n, 0], terms[n, 1], terms[n, 2], terms[n, 3] = weight, hands, prior, vision
        log_score[n] = weight + hands + prior + vision
    return n + 1


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
    items: Any, chosen: Any, sign: Any, n: int, weight: float, floor: float, hands: Any, vision: Any, owners: Any,
    parts: Any, terms: Any, log_score: Any, count: int, s: Any,
) -> int:  # fmt: skip
    """List the explanations by one unit each of `n` chosen items, by any shoppers, with scores from `floor` on."""
    shoppers = len(hands)
    prior = (n - 1) * log(s.coincidence) - n * log(float(shoppers))
    if n == 2 and sign[0] != sign[1]:
        prior += log(s.exchanging)
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
                part[0], part[1], part[2], part[3] = owners[who[i]], items[chosen[i], 0], sign[i], items[chosen[i], 1]
        count += 1
    return count


def explain_parts(
    items: Any, floor: float, delta_g: Any, sigma_g: Any, inside: Any, hands: Any, vision: Any, owners: Any,
    mass_g: Any, parts: Any, terms: Any, log_score: Any, n: int, s: Any,
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
                        items, chosen, sign, 2, weight, floor, hands, vision, owners, parts, terms, log_score, n, s
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
                        items, chosen, sign, 3, weight, floor, hands, vision, owners, parts, terms, log_score, n, s
                    )  # fmt: skip
    return n
