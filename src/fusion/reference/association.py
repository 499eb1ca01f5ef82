"""How likely what was measured is: hands at places, grams on plates. Natural logarithms throughout.

The place 0 of an event is its own plates, place 1 + j those of touched facing j.
"""

from math import exp, isfinite, isnan, log, pi, sqrt
from typing import Any

import numpy as np

COMPILED = (
    "box_distance2",
    "bell",
    "hand_log_likelihood",
    "place_sum",
    "log_any_mass",
    "log_normal",
    "log_sum",
    "log_mass",
    "log_outside",
    "log_split",
    "log_echo",
    "lot_gains",
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


def bell(d2: float, var: float, nats: float) -> float:
    """Gaussian, up to a factor, and 0 where it is less than its peak by more than `nats`: most hands are far away."""
    return 0.0 if d2 > 2.0 * var * nats else exp(d2 * (-0.5 / var)) * (1.0 / sqrt(var))


def hand_log_likelihood(
    hands: Any, var: Any, when: Any, place_start: Any, center: Any, axes: Any, half: Any, s: Any
) -> Any:
    """Log-likelihood ratio of each shopper's hand path: at work in a place, against a bystander's.

    The instant of the grasp is one of the T frames with probabilities in the ratio of `when`, with either hand. A hand
    at work is Gaussian around the place (``s.reach_sigma_m`` and its own variance), a bystander's uniform within
    ``s.bystander_m``. With ``s.track_miss`` the track was off then, by ``s.miss_sigma_m``; with ``s.track_swap`` it was
    another's. A shopper of whom nothing was seen is as good as a bystander, with ``s.track_miss``.

    Parameters
    ----------
    hands : (T, S, H, 3) float64
        Metres; NaN or infinite = not seen.
    var : (T, S, H) float64
        Variance of each along any axis, square metres.
    when : (T,) float64
        Not negative.
    place_start : (B + 1,) int32
        Places are runs of boxes: `center` (X, 3), `axes` (X, 3, 3), `half` (X, 3).

    Returns
    -------
    (S, B) float64
    """
    frames, shoppers, sides = hands.shape[:3]
    places = len(place_start) - 1
    result = np.empty((shoppers, places))
    peak = s.bystander_m / sqrt(pi / 2.0)
    reach2, miss2 = s.reach_sigma_m * s.reach_sigma_m, s.miss_sigma_m * s.miss_sigma_m
    # What is less than 1e-18 of a track that was another's is nothing beside it.
    highest = peak / min(s.reach_sigma_m, s.miss_sigma_m)
    nats = min(max(41.5 + log(highest / s.track_swap), 0.0), 708.0)
    for i in range(shoppers):
        for b in range(places):
            near, off, seen = 0.0, 0.0, 0.0
            for t in range(frames):
                for h in range(sides):
                    x = hands[t, i, h]
                    if not isfinite(x[0] + x[1] + x[2]):
                        continue
                    d2 = np.inf
                    for k in range(place_start[b], place_start[b + 1]):
                        d2 = min(d2, box_distance2(x, center[k], axes[k], half[k]))
                    seen += when[t]
                    near += when[t] * bell(d2, reach2 + var[t, i, h], nats)
                    off += when[t] * bell(d2, miss2 + var[t, i, h], nats)
            if seen > 0.0:
                ratio = ((1.0 - s.track_miss) * near + s.track_miss * off) / seen * peak
                result[i, b] = log((1.0 - s.track_swap) * ratio + s.track_swap)
            else:
                result[i, b] = log(s.track_miss)
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


def log_normal(z: float, v: float) -> float:
    """Log-density of a normal variable of variance `v` at `z` from its mean."""
    return -0.5 * z * z / v - 0.5 * log(2.0 * pi * v)


def log_sum(a: float, b: float) -> float:
    """Logarithm of ``exp(a) + exp(b)``."""
    most = max(a, b)
    return most if most == -np.inf else most + log(exp(a - most) + exp(b - most))


def log_mass(total: float, var: float, mass: float, quantity: int, s: Any) -> float:
    """Log-density (per gram) of a summed change given signed `quantity` units; catalogues are wrong at times.

    A wrong mass is off by a log-normal factor. A mass that is NaN may be any.
    """
    if total * quantity <= 0.0:
        return -np.inf
    if isnan(mass):
        return log_any_mass(total, s)
    spread = s.mass_spread * mass
    right = log_normal(total - quantity * mass, var + abs(quantity) * spread * spread)
    sigma = log(s.wrong_factor)
    off = log(total / (quantity * mass)) / sigma
    wrong = -0.5 * off * off - log(abs(total) * sigma * sqrt(2.0 * pi))
    return log_sum(log(1.0 - s.wrong_mass) + right, log(s.wrong_mass) + wrong)


def log_outside(delta: float, sigma: float, scale: float, s: Any) -> float:
    """Log-density (per gram) of the change of a plate outside the places: cross-talk, or what reaches over to it.

    That is no more than what moved.
    """
    cross = s.cross_talk * scale
    v = sigma * sigma + cross * cross
    near = exp(-0.5 * delta * delta / v) / sqrt(2.0 * pi * v)
    density = (1.0 - s.overhang) * near + (s.overhang / scale if abs(delta) <= scale else 0.0)
    return log(density) if density > 0.0 else -np.inf


def log_split(a: int, b: int, moved_g: float, delta_g: Any, sigma_g: Any, inside: Any, s: Any) -> float:
    """Log-density of the change per plate given its sum over places a and b: uniform inside, cross-talk outside."""
    scale = max(moved_g, s.lightest_g)
    result = log(scale)
    for k in range(len(delta_g)):
        if inside[a, k] or inside[b, k]:
            result -= log(scale)
        else:
            result += log_outside(delta_g[k], sigma_g[k], scale, s)
    return result


def log_echo(total: float, var: float, earlier: float, earlier_var: float, null: float, s: Any) -> float:
    """Log-likelihood ratio of the null, of that probability, given that an earlier event on these plates was one.

    What rested on the shelf and was not the store's (a hand, a bag) goes away again by the weight with which it came.
    How it lay on the plates is no evidence: an item that goes the way it came does so, too.
    """
    cross = s.cross_talk * earlier
    v = var + earlier_var + cross * cross + s.echo_sigma_g * s.echo_sigma_g
    back = log(s.echo) + log_normal(total + earlier, v)
    anything = log(null) + log_any_mass(total, s)
    return log_sum(back, anything) - anything


def lot_gains(moved: Any, sums: Any, lots: Any, mass_g: Any, same: float, gains: Any, s: Any) -> None:
    """Write the log-likelihood ratios of what known lots weigh against the catalogue.

    Parameters
    ----------
    moved : (R, 4) int32
        Product, signed units, place, and where its lots end; they begin where those before end.
    sums : (1 + J, 2) float64
        The change over each place, grams, and its variance.
    lots : (M, 2) float64
        Grams of lots any one of which may have moved, and the variance with which they are known.
    mass_g : (N,) float64
        Catalogue; NaN where it says nothing, nor do lots then.
    same : float
        Probability that it was one of them.
    gains : (R,) float64
        Written.
    s : AssociationSettings
    """
    first = 0
    for r in range(len(moved)):
        product, units, place, end = moved[r, 0], moved[r, 1], moved[r, 2], moved[r, 3]
        total, var = sums[place, 0], sums[place, 1]
        gains[r] = 0.0
        if not isnan(mass_g[product]):
            catalogue = log_mass(total, var, mass_g[product], units, s)
            if catalogue > -np.inf:
                known = -np.inf
                for k in range(first, end):
                    known = log_sum(known, log_normal(abs(total) - lots[k, 0], var + lots[k, 1]))
                known -= log(float(end - first))
                gains[r] = log_sum(log(same) + known, log(1.0 - same) + catalogue) - catalogue
        first = end
