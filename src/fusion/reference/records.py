"""Records: what everybody carries and what lies misplaced, in one hypothesis and in many.

A hypothesis is a list of records (owner, product, quantity), sorted, quantities above 0: an owner >= 0 is a shopper,
``-1 - plate`` a plate on which the product lies misplaced. Where it tells how it differs from what is written
elsewhere, quantities are not 0. A cluster is a set of hypotheses with log-weights.
"""

from math import exp, log
from typing import Any

import numpy as np

COMPILED = (
    "units",
    "add",
    "remove",
    "same_state",
    "merge",
    "normalise",
    "forget",
    "join",
    "certain",
    "before",
    "add_to_all",
    "list_doubts",
)


def units(records: Any, count: int, owner: int, product: int) -> int:
    """Units of `product` that `owner` has; of all products if `product` is negative."""
    total = 0
    for i in range(count):
        if records[i, 0] == owner and (product < 0 or records[i, 1] == product):
            total += records[i, 2]
    return total


def add(records: Any, count: int, owner: int, product: int, quantity: int) -> int:
    """Add to a record, keeping records sorted and other than 0; return the new count."""
    i = 0
    while i < count and (records[i, 0] < owner or (records[i, 0] == owner and records[i, 1] < product)):
        i += 1
    if i < count and records[i, 0] == owner and records[i, 1] == product:
        records[i, 2] += quantity
        if records[i, 2] != 0:
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


def remove(records: Any, count: int, owner: int) -> int:
    """Drop an owner's records; return the new count."""
    kept = 0
    for i in range(count):
        if records[i, 0] != owner:
            for c in range(3):
                records[kept, c] = records[i, c]
            kept += 1
    return kept


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


def forget(owner: int, weight: Any, count: Any, records: Any, share: Any) -> int:
    """Drop an owner's records from all hypotheses, in place, and merge those that become equal.

    Returns how many hypotheses are left; `share` (H, H) float64 receives how much of each came from each old one.
    """
    kept = 0
    best = weight.max()
    for h in range(len(weight)):
        trial = records[h].copy()
        c = remove(trial, count[h], owner)
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


def join(
    weight: Any, count: Any, records: Any, other_weight: Any, other_count: Any, other_records: Any, new_weight: Any,
    new_count: Any, new_records: Any, source: Any, s: Any,
) -> int:  # fmt: skip
    """Pair the hypotheses of two clusters that have no owner in common; keep the K best pairs.

    `source` (K, 2) int32 receives which two each new one is made of. Returns how many there are. A record array of the
    new ones must hold as many records as the fullest two together.
    """
    value = np.empty(len(weight) * len(other_weight))
    for i in range(len(weight)):
        for j in range(len(other_weight)):
            value[i * len(other_weight) + j] = weight[i] + other_weight[j]
    best = value.max()
    kept = 0
    for v in np.argsort(-value, kind="mergesort")[: len(new_weight)]:
        if value[v] < best + log(s.negligible):
            break
        i, j = v // len(other_weight), v % len(other_weight)
        c = count[i]
        new_records[kept, :c] = records[i, :c]
        for k in range(other_count[j]):
            record = other_records[j, k]
            c = add(new_records[kept], c, record[0], record[1], record[2])
        new_weight[kept], new_count[kept] = exp(value[v] - best), c
        source[kept, 0], source[kept, 1] = i, j
        kept += 1
    normalise(new_weight, kept)
    return kept


def certain(count: Any, records: Any, owner: int) -> bool:
    """Tell whether an owner has the same records in all hypotheses."""
    low = 0
    while low < count[0] and records[0, low, 0] < owner:
        low += 1
    high = low
    while high < count[0] and records[0, high, 0] == owner:
        high += 1
    for h in range(1, len(count)):
        i = 0
        while i < count[h] and records[h, i, 0] < owner:
            i += 1
        for k in range(low, high):
            if i >= count[h]:
                return False
            for c in range(3):
                if records[h, i, c] != records[0, k, c]:
                    return False
            i += 1
        if i < count[h] and records[h, i, 0] == owner:
            return False
    return True


def before(a: Any, b: Any) -> bool:
    """Tell whether one comes before another in the order of records."""
    return bool(a[0] < b[0] if a[0] != b[0] else a[1] < b[1])


def add_to_all(found: Any, count: Any, records: Any, new_count: Any, new_records: Any) -> None:
    """Add sorted records `found` (n, 3) to each hypothesis, as the new ones receive it, with room for n more."""
    for h in range(len(count)):
        i, k, n = 0, 0, 0
        while i < count[h] or k < len(found):
            own = i < count[h] and (k == len(found) or not before(found[k], records[h, i]))
            other = k < len(found) and (i == count[h] or not before(records[h, i], found[k]))
            record = records[h, i] if own else found[k]
            new_records[h, n, 0], new_records[h, n, 1] = record[0], record[1]
            new_records[h, n, 2] = record[2] + found[k, 2] if own and other else record[2]
            n += new_records[h, n, 2] != 0
            i += own
            k += other
        new_count[h] = n


def list_doubts(count: Any, records: Any, doubtful: Any) -> int:
    """List of which products of whose there are records, sorted, each once; return how many.

    `doubtful` is (H R, 2) int32.
    """
    n = 0
    for h in range(len(count)):
        at = 0
        for i in range(count[h]):
            while at < n and before(doubtful[at], records[h, i]):
                at += 1
            if at == n or before(records[h, i], doubtful[at]):
                for k in range(n, at, -1):
                    doubtful[k, 0], doubtful[k, 1] = doubtful[k - 1, 0], doubtful[k - 1, 1]
                doubtful[at, 0], doubtful[at, 1] = records[h, i, 0], records[h, i, 1]
                n += 1
            at += 1
    return n
