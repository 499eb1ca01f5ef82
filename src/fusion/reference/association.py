"""Who did what: every explanation of one weight event, with its log-score.

An explanation has one or two parts (shopper, product, quantity, place); quantity < 0 is a take; place 0 is the event's
own plates, place 1 + j those of touched facing j. Logarithms are natural.
"""

from math import exp, isfinite, isnan, log, pi, sqrt
from typing import Any

import numpy as np

COMPILED = (
    "box_distance2",
    "hand_log_likelihood",
    "place_sum",
    "log_any_mass",
    "log_sum",
    "log_mass",
    "log_split",
    "log_echo",
    "list_items",
    "put",
    "explain_one",
    "explain_pair",
    "explain",
)


def box_distance2(x: Any, center: Any, axes: Any, half: Any) -> float:
    """Squared distance of a point to an oriented box (columns of `axes`), 0 inside."""
    d2 = 0.0
    for k in range(3):
        along = 0.0
        for c in range(3):
            along += axes[c, k] * (x[c] - center[c])
        out = abs(along) - half[k]
        if out > 0.0:
            d2 += out * out
    return d2


def hand_log_likelihood(hands: Any, place_start: Any, center: Any, axes: Any, half: Any, s: Any) -> Any:
    """Log-likelihood ratio of each shopper's hand path: at work in a place, against a bystander's.

    The instant of the grasp is unknown, uniform over the T frames, with either hand. A hand at work is Gaussian around
    the place (``s.reach_sigma_m``), a bystander's uniform within ``s.bystander_m``; ``s.track_miss``: it was not seen.

    `hands` (T, S, H, 3) metres, NaN or infinite = not seen; places are runs ``place_start`` (B + 1) of boxes: `center`
    (X, 3), `axes` (X, 3, 3), `half` (X, 3). Returns (S, B); ``log(track_miss)`` where nothing was seen.
    """
    frames, shoppers, sides = hands.shape[:3]
    places = len(place_start) - 1
    result = np.empty((shoppers, places))
    peak = s.bystander_m / (s.reach_sigma_m * sqrt(pi / 2.0))
    for i in range(shoppers):
        for b in range(places):
            near = 0.0
            seen = 0
            for t in range(frames):
                for h in range(sides):
                    x = hands[t, i, h]
                    if not isfinite(x[0] + x[1] + x[2]):
                        continue
                    d2 = np.inf
                    for k in range(place_start[b], place_start[b + 1]):
                        d2 = min(d2, box_distance2(x, center[k], axes[k], half[k]))
                    seen += 1
                    near += exp(-0.5 * d2 / (s.reach_sigma_m * s.reach_sigma_m))
            density = peak * near / seen if seen > 0 else 0.0
            result[i, b] = log((1.0 - s.track_miss) * density + s.track_miss)
    return result


def place_sum(a: int, b: int, delta_g: Any, sigma_g: Any, inside: Any) -> tuple[float, float]:
    """Sum the change over the plates of place `a` or `b`; return it with its variance."""
    total, var = 0.0, 0.0
    for k in range(len(delta_g)):
        if inside[a, k] or inside[b, k]:
            total += delta_g[k]
            var += sigma_g[k] * sigma_g[k]
    return total, var


def log_any_mass(total: float, s: Any) -> float:
    """Log-density (per gram) of a change by something of unknown mass: uniform per octave."""
    return -log(max(abs(total), s.lightest_g) * log(s.heaviest_g / s.lightest_g))


def log_mass(total: float, var: float, mass: float, quantity: int, s: Any) -> float:
    """Log-density (per gram) of a summed change given signed `quantity` units; catalogues are wrong at times.

    A wrong mass is off by a log-normal factor.
    """
    if total * quantity <= 0.0:
        return -np.inf
    if isnan(mass):
        return log_any_mass(total, s)
    spread = s.mass_spread * mass
    v = var + abs(quantity) * spread * spread
    z = total - quantity * mass
    right = -0.5 * z * z / v - 0.5 * log(2.0 * pi * v)
    sigma = log(s.wrong_factor)
    off = log(total / (quantity * mass)) / sigma
    wrong = -0.5 * off * off - log(abs(total) * sigma * sqrt(2.0 * pi))
    return log_sum(log(1.0 - s.wrong_mass) + right, log(s.wrong_mass) + wrong)


def log_sum(a: float, b: float) -> float:
    """Logarithm of ``exp(a) + exp(b)``."""
    most = max(a, b)
    return most if most == -np.inf else most + log(exp(a - most) + exp(b - most))


def log_split(a: int, b: int, parts: int, moved_g: float, delta_g: Any, sigma_g: Any, inside: Any, s: Any) -> float:
    """Log-density of the change per plate given its `parts` sums: uniform inside the places, cross-talk outside."""
    scale = max(moved_g, s.lightest_g)
    result = parts * log(scale)
    for k in range(len(delta_g)):
        if inside[a, k] or inside[b, k]:
            result -= log(scale)
        else:
            v = sigma_g[k] * sigma_g[k] + (s.cross_talk * scale) * (s.cross_talk * scale)
            near = exp(-0.5 * delta_g[k] * delta_g[k] / v) / sqrt(2.0 * pi * v)
            result += log((1.0 - s.overhang) * near + s.overhang / scale)
    return result


def log_echo(delta_g: Any, sigma_g: Any, earlier_g: Any, earlier_sigma_g: Any, null: float, s: Any) -> float:
    """Log-likelihood ratio of the null, given that an earlier event on these plates was one, against score `null`.

    What rested on the shelf and was not the store's (a hand, a bag) goes away again by the weight with which it came.
    """
    result = log(s.echo)
    for k in range(len(delta_g)):
        cross = s.cross_talk * earlier_g[k]
        v = sigma_g[k] * sigma_g[k] + earlier_sigma_g[k] * earlier_sigma_g[k] + cross * cross
        z = delta_g[k] + earlier_g[k]
        result += -0.5 * z * z / v - 0.5 * log(2.0 * pi * v)
    return log_sum(result, null) - null


def list_items(delta_g: Any, sigma_g: Any, inside: Any, facing_product: Any, mass_g: Any, present: Any, s: Any) -> Any:
    """List what may have moved: rows (product, place, known).

    The products of the touched facings, those that somebody carries or that lie misplaced here (`present`), and any
    whose mass fits the whole change: it may have been misplaced before anybody watched.
    """
    rows = np.empty((len(facing_product) + len(mass_g), 3), np.int32)
    n = 0
    for j in range(len(facing_product)):
        rows[n, 0], rows[n, 1], rows[n, 2] = facing_product[j], 1 + j, 1
        n += 1
    total, var = place_sum(0, 0, delta_g, sigma_g, inside)
    for p in range(len(mass_g)):
        spread = s.mass_spread * mass_g[p]
        z = abs(total) - mass_g[p]
        if present[p] or z * z <= 9.0 * (var + spread * spread):
            rows[n, 0], rows[n, 1], rows[n, 2] = p, 0, present[p]
            n += 1
    return rows[:n]


def put(
    parts: Any, log_score: Any, n: int, value: float, shopper: int, product: int, quantity: int, place: int,
    shopper2: int = -1, product2: int = -1, quantity2: int = 0, place2: int = -1,
) -> int:  # fmt: skip
    """Write explanation `n` if there is room; return the count so far."""
    if n < len(parts):
        one, other = parts[n]
        one[0], one[1], one[2], one[3] = shopper, product, quantity, place
        other[0], other[1], other[2], other[3] = shopper2, product2, quantity2, place2
        log_score[n] = value
    return n + 1


def explain_one(
    item: Any,
    delta_g: Any,
    sigma_g: Any,
    inside: Any,
    hands: Any,
    mass_g: Any,
    parts: Any,
    log_score: Any,
    n: int,
    best: float,
    s: Any,
) -> tuple[int, float]:
    """List the explanations by one product moved by one shopper, 1 .. ``s.max_units`` of it; keep the best score."""
    p, place = int(item[0]), int(item[1])
    within, within_var = place_sum(place, place, delta_g, sigma_g, inside)
    total, var = place_sum(place, 0, delta_g, sigma_g, inside)
    sign = -1 if total < 0.0 else 1
    split_within = log_split(place, place, 1, abs(within), delta_g, sigma_g, inside, s)
    split = log_split(place, 0, 1, abs(total), delta_g, sigma_g, inside, s)
    for q in range(1, s.max_units + 1):
        # It stands in its place, or reaches over to the other plates that changed.
        weight = log_sum(
            log(1.0 - s.overhang) + log_mass(within, within_var, mass_g[p], sign * q, s) + split_within,
            log(s.overhang) + log_mass(total, var, mass_g[p], sign * q, s) + split,
        )
        weight += log(1.0 - s.more_units) + (q - 1) * log(s.more_units) - log(float(len(hands)))
        for k in range(len(hands)):
            value = weight + hands[k, place]
            n = put(parts, log_score, n, value, k, p, sign * q, place)
            best = max(best, value)
    return n, best


def explain_pair(
    x: Any, y: Any, floor: float, delta_g: Any, sigma_g: Any, inside: Any, hands: Any, mass_g: Any, parts: Any,
    log_score: Any, n: int, s: Any,
) -> int:  # fmt: skip
    """List the explanations by one unit each of two products, by one shopper or two, with scores from `floor` on."""
    p, a, r, b = int(x[0]), int(x[1]), int(y[0]), int(y[1])
    nearest = hands.max()
    joined = False
    for k in range(len(delta_g)):
        joined = joined or (inside[a, k] and inside[b, k])
    sum_a, var_a = place_sum(a, a, delta_g, sigma_g, inside)
    sum_b, var_b = place_sum(b, b, delta_g, sigma_g, inside)
    both, var = place_sum(a, b, delta_g, sigma_g, inside)
    for signs in range(4):
        u = -1 if signs % 2 else 1
        v = -1 if signs >= 2 else 1
        if joined:  # only the sum is known; the catalogue must be right for both
            if p == r and u != v:
                continue
            spread = s.mass_spread * s.mass_spread * (mass_g[p] * mass_g[p] + mass_g[r] * mass_g[r])
            z = both - (u * mass_g[p] + v * mass_g[r])
            moved = mass_g[p] + mass_g[r]
            if isnan(z):
                continue
            weight = -0.5 * z * z / (var + spread) - 0.5 * log(2.0 * pi * (var + spread))
            weight += log_split(a, b, 1, moved, delta_g, sigma_g, inside, s)
        else:
            moved = abs(sum_a) + abs(sum_b)
            weight = log_mass(sum_a, var_a, mass_g[p], u, s) + log_mass(sum_b, var_b, mass_g[r], v, s)
            weight += log_split(a, b, 2, moved, delta_g, sigma_g, inside, s)
        weight += log(s.coincidence) - 2.0 * log(float(len(hands)))
        if weight + 2.0 * nearest < floor:
            continue
        for k in range(len(hands)):
            for m in range(len(hands)):
                value = weight + hands[k, a] + hands[m, b]
                if value >= floor and (p != r or a != b or k < m):
                    n = put(parts, log_score, n, value, k, p, u, a, m, r, v, b)
    return n


def explain(
    delta_g: Any, sigma_g: Any, inside: Any, facing_product: Any, hands: Any, mass_g: Any, present: Any, parts: Any,
    log_score: Any, s: Any,
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
    mass_g : (N,) float64
        Mass of every product, NaN where unknown.
    present : (N,) uint8
        Products that some hypothesis has in a basket of the S shoppers, or misplaced on these plates.
    parts : (E, 2, 4) int32, log_score : (E,) float64
        Written: up to two of (shopper, product, quantity, place), quantity < 0 for a take, product -1 where absent.
        Row 0 is the null: nothing of the store was taken or returned.
    s : AssociationSettings

    Returns
    -------
    int
        How many explanations there are; more than E asks for longer buffers. Pairs whose score is less than
        ``s.negligible`` of the best single one's are left out.
    """
    moved = 0.0
    for k in range(len(delta_g)):
        if inside[0, k]:
            moved += abs(delta_g[k])
    null = log(s.null) + log_any_mass(moved, s) + log_split(0, 0, 1, moved, delta_g, sigma_g, inside, s)
    n = put(parts, log_score, 0, null, -1, -1, 0, -1)
    if len(hands) == 0:
        return n
    items = list_items(delta_g, sigma_g, inside, facing_product, mass_g, present, s)
    best = null
    for i in range(len(items)):
        n, best = explain_one(items[i], delta_g, sigma_g, inside, hands, mass_g, parts, log_score, n, best, s)
    floor = best + log(s.negligible)
    for i in range(len(items)):
        for j in range(i, len(items)):
            if items[i, 2] and items[j, 2]:
                n = explain_pair(
                    items[i], items[j], floor, delta_g, sigma_g, inside, hands, mass_g, parts, log_score, n, s
                )
    return n
