"""The K best joint hypotheses about what everybody carries and what lies misplaced.

Source: multiple-hypothesis tracking (Reid 1979; Blackman 2004), the state being sets of items instead of tracks. A
hypothesis is a sorted list of records (owner, product, quantity): an owner >= 0 is a shopper, ``-1 - plate`` a plate on
which the product lies misplaced. Logarithms are natural.
"""

from math import exp, log
from typing import Any

import numpy as np

COMPILED = ("units", "log_feasible", "add", "apply", "same_state", "merge", "normalise", "update", "forget")


def units(records: Any, count: int, owner: int, product: int) -> int:
    """Units of `product` that `owner` has; of all products if `product` is negative."""
    total = 0
    for i in range(count):
        if records[i, 0] == owner and (product < 0 or records[i, 1] == product):
            total += records[i, 2]
    return total


def log_feasible(part: Any, records: Any, count: int, plates: Any, products: int, facings: int, s: Any) -> float:
    """Log-prior of one part in one hypothesis: what lies here, and what the shopper carries.

    Relative to any one facing being as likely a place as another, which the null shares.
    """
    product, quantity = part[1], part[2]
    if quantity < 0:
        result = log(1.0 - s.returning)
        if part[3] > 0:
            return result
        for k in range(len(plates)):
            if units(records, count, -1 - plates[k], product) >= -quantity:
                return result
        return result + log(s.stray) - log(float(products))
    result = log(s.returning)
    result += log(1.0 - s.misplacing) + log(float(facings)) if part[3] > 0 else log(s.misplacing)
    if units(records, count, part[0], product) >= quantity:
        return result - log(float(units(records, count, part[0], -1)))
    return result + log(s.foreign) - log(float(products))


def add(records: Any, count: int, owner: int, product: int, quantity: int) -> int:
    """Add to a record, keeping records sorted and positive; return the new count."""
    i = 0
    while i < count and (records[i, 0] < owner or (records[i, 0] == owner and records[i, 1] < product)):
        i += 1
    if i < count and records[i, 0] == owner and records[i, 1] == product:
        records[i, 2] += quantity
        if records[i, 2] > 0:
            return count
        for k in range(i, count - 1):
            for c in range(3):
                records[k, c] = records[k + 1, c]
        return count - 1
    for k in range(count, i, -1):
        for c in range(3):
            records[k, c] = records[k - 1, c]
    records[i, 0], records[i, 1], records[i, 2] = owner, product, quantity
    return count + 1


def apply(part: Any, records: Any, count: int, plates: Any, main_plate: int) -> int:
    """Change a hypothesis by one part; return its new count of records."""
    shopper, product, quantity = part[0], part[1], part[2]
    if product < 0:
        return count
    if quantity < 0:
        if part[3] == 0:
            for k in range(len(plates)):
                if units(records, count, -1 - plates[k], product) >= -quantity:
                    count = add(records, count, -1 - plates[k], product, quantity)
                    break
        return add(records, count, shopper, product, -quantity)
    if units(records, count, shopper, product) >= quantity:
        count = add(records, count, shopper, product, -quantity)
    if part[3] == 0:
        count = add(records, count, -1 - main_plate, product, quantity)
    return count


def same_state(a: Any, count_a: int, b: Any, count_b: int) -> bool:
    """Tell whether two hypotheses hold the same records."""
    if count_a != count_b:
        return False
    i = 0
    while i < count_a and a[i, 0] == b[i, 0] and a[i, 1] == b[i, 1] and a[i, 2] == b[i, 2]:
        i += 1
    return i == count_a


def merge(trial: Any, c: int, linear_weight: float, weight: Any, count: Any, records: Any, kept: int) -> int:
    """Add a state to the one of the first `kept` that equals it, or write it behind them if there is room."""
    k = 0
    while k < kept and not same_state(trial, c, records[k], count[k]):
        k += 1
    if k < kept:
        weight[k] += linear_weight
    elif k < len(weight):
        weight[k], count[k] = linear_weight, c
        records[k] = trial
    return k


def normalise(weight: Any, kept: int) -> None:
    """Turn linear weights into normalised log-weights."""
    total = 0.0
    for k in range(kept):
        total += weight[k]
    for k in range(kept):
        weight[k] = log(weight[k] / total)


def update(
    weight: Any, count: Any, records: Any, echo: Any, parts: Any, log_score: Any, plates: Any, main_plate: int,
    products: int, facings: int, new_weight: Any, new_count: Any, new_records: Any, share: Any, chosen: Any, s: Any,
) -> int:  # fmt: skip
    """Extend every hypothesis by every explanation; keep the K best states, equal ones merged.

    Parameters
    ----------
    weight : (H,) float64, count : (H,) int32, records : (H, R, 3) int32
        Hypotheses: log-weight and sorted records (owner, product, quantity).
    echo : (H,) float64
        Log-likelihood ratio of the null in each hypothesis, for what it knows of earlier events.
    parts, log_score
        What `explain` wrote, shoppers replaced by owners.
    plates : (n,) int32
        The event's plates; `main_plate` is the one with the largest change.
    products, facings : int
        How many the store has.
    new_weight, new_count, new_records : (K,), (K,), (K, R, 3)
        Written: the new hypotheses in order of what gave most of each, weights normalised. R must leave room for 4
        more records.
    share, chosen : (K, H), (K, E) float64
        Written: how much of each new hypothesis came from each old one, and how much by each explanation; rows sum
        to 1.
    s : AssociationSettings

    Returns
    -------
    int
        How many hypotheses were written.
    """
    order = np.argsort(-log_score, kind="mergesort")
    negligible = log(s.negligible)
    most = 2.0 * log(float(facings))  # that `log_feasible` adds to two parts
    value = np.empty(len(weight) * (len(order) + 1))
    source = np.empty((len(value), 2), np.int32)
    n, best = 0, -np.inf
    for h in range(len(weight)):
        value[n], source[n, 0], source[n, 1] = weight[h] + log_score[0] + echo[h], h, 0
        best = max(best, value[n])
        n += 1
        for e in order:
            v = weight[h] + log_score[e]
            if v + most < best + negligible:
                break
            if e == 0:
                continue
            for part in parts[e]:
                if part[1] >= 0:
                    v += log_feasible(part, records[h], count[h], plates, products, facings, s)
            if v < best + negligible:
                continue
            value[n], source[n, 0], source[n, 1] = v, h, e
            best = max(best, v)
            n += 1
    kept = 0
    for i in np.argsort(-value[:n], kind="mergesort"):
        if value[i] < best + negligible:
            break
        h, e = source[i]
        trial = records[h].copy()
        c = count[h]
        for part in parts[e]:
            c = apply(part, trial, c, plates, main_plate)
        linear = exp(value[i] - best)
        k = merge(trial, c, linear, new_weight, new_count, new_records, kept)
        if k == len(new_weight):
            continue
        if k == kept:
            share[k], chosen[k] = 0.0, 0.0
            kept += 1
        share[k, h] += linear
        chosen[k, e] += linear
    for k in range(kept):
        share[k] /= new_weight[k]
        chosen[k] /= new_weight[k]
    normalise(new_weight, kept)
    return kept


def forget(owner: int, weight: Any, count: Any, records: Any, share: Any) -> int:
    """Drop an owner's records from all hypotheses, in place, and merge those that become equal.

    Returns how many hypotheses are left; `share` (H, H) float64 receives how much of each came from each old one.
    """
    kept = 0
    best = weight.max()
    for h in range(len(weight)):
        trial = records[h].copy()
        c = 0
        for i in range(count[h]):
            if trial[i, 0] != owner:
                trial[c] = trial[i]
                c += 1
        linear = exp(weight[h] - best)
        k = merge(trial, c, linear, weight, count, records, kept)
        if k == kept:
            share[k] = 0.0
            kept += 1
        share[k, h] += linear
    for k in range(kept):
        share[k] /= weight[k]
    normalise(weight, kept)
    return kept
