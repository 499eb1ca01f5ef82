"""The K best joint hypotheses about what everybody carries and what lies misplaced.

Source: multiple-hypothesis tracking (Reid 1979; Blackman 2004), the state being sets of items instead of tracks. Their
records are those of ``fusion.reference.records``. Owners from `STAFF` on re-stock: nothing of theirs is recorded.
Logarithms are natural.
"""

from math import exp, log
from typing import Any

import numpy as np

from fusion.reference.records import add, add_to_all, certain, forget, join, list_doubts, merge, normalise, units

COMPILED = (
    "lacks",
    "log_feasible",
    "apply",
    "may_have",
    "most_feasible",
    "ask",
    "branch_out",
    "update",
)

__all__ = ["BRANCHES", "STAFF", "add_to_all", "ask", "certain", "forget", "join", "list_doubts", "update"]

STAFF = 1 << 30
"""Owners from here on are staff."""
BRANCHES = 4
"""Branches per hypothesis to be kept that are looked at, at most; the least of them weigh next to nothing."""


def lacks(part: Any, records: Any, count: int) -> bool:
    """Tell whether a shopper returns what he does not carry."""
    return bool(part[2] > 0) and part[0] < STAFF and units(records, count, part[0], part[1]) < part[2]


def log_feasible(
    part: Any, records: Any, count: int, plates: Any, products: int, facings: int, s: Any
) -> tuple[float, bool]:
    """Log-prior of one part in one hypothesis: what lies here, and what the shopper carries.

    Relative to any one facing being as likely a place as another, which the null shares. The second answer tells that
    the shopper returns what he does not carry; where it comes from is not in the prior.
    """
    product, quantity = part[1], part[2]
    if quantity < 0:
        result = log(1.0 - s.returning)
        if part[3] > 0:
            return result, False
        for k in range(len(plates)):
            if units(records, count, -1 - plates[k], product) >= -quantity:
                return result, False
        return result + log(s.stray) - log(float(products)), False
    result = log(1.0 - s.returning if part[0] >= STAFF else s.returning)
    result += log(1.0 - s.misplacing) + log(float(facings)) if part[3] > 0 else log(s.misplacing)
    if part[0] >= STAFF or lacks(part, records, count):
        return result, part[0] < STAFF
    return result - log(float(max(units(records, count, part[0], -1), quantity))), False


def apply(part: Any, source: int, records: Any, count: int, plates: Any, main_plate: int) -> int:
    """Change a hypothesis by one part; what the shopper returns comes from `source`, if >= 0, or from himself."""
    shopper, product, quantity = part[0], part[1], part[2]
    if product < 0:
        return count
    if quantity < 0:
        if part[3] == 0:
            for k in range(len(plates)):
                if units(records, count, -1 - plates[k], product) >= -quantity:
                    count = add(records, count, -1 - plates[k], product, quantity)
                    break
        return count if shopper >= STAFF else add(records, count, shopper, product, -quantity)
    giver = source if source >= 0 and units(records, count, source, product) >= quantity else shopper
    if units(records, count, giver, product) >= quantity:
        count = add(records, count, giver, product, -quantity)
    if part[3] == 0:
        count = add(records, count, -1 - main_plate, product, quantity)
    return count


def may_have(owners: Any, carried: Any, owner: int, product: int) -> bool:
    """Tell whether an owner has a product in some hypothesis; of owners who are not listed, it is not known."""
    for i in range(len(owners)):
        if owners[i] == owner:
            return bool(carried[i, product] != 0)
    return True


def most_feasible(parts: Any, plates: Any, products: int, facings: int, owners: Any, carried: Any, s: Any) -> float:
    """Most that `log_feasible` may come to for the parts of an explanation, given what owners have at all."""
    result = 0.0
    for part in parts:
        product = part[1]
        if product < 0:
            continue
        result += log(1.0 - s.returning if part[2] < 0 or part[0] >= STAFF else s.returning)
        if part[2] < 0:
            known = bool(part[3] > 0)
            for k in range(len(plates)):
                known = known or may_have(owners, carried, -1 - plates[k], product)
            if not known:
                result += log(s.stray) - log(float(products))
            continue
        result += log(1.0 - s.misplacing) + log(float(facings)) if part[3] > 0 else log(s.misplacing)
        if part[0] < STAFF and not may_have(owners, carried, part[0], product):
            result += max(log(s.foreign) - log(float(products)), log(s.handing_over))
    return result


def ask(
    parts: Any, log_score: Any, first_joint: int, null: float, plates: Any, facings: int, owners: Any, carried: Any,
    back: Any, found: Any, s: Any,
) -> None:  # fmt: skip
    """Mark the products of which `update` wants to know who has them, and which of the plates has them.

    Explanations that surely weigh nothing beside the null, or a take of all from its facing, ask for nothing.

    Parameters
    ----------
    parts, log_score, first_joint, plates, facings, s
        As of `update`.
    null : float
        Score of the null in the hypothesis where it weighs most, over the weight of the heaviest.
    owners : (n,) int32, carried : (n, N) uint8
        Which products these shoppers and plates have in some hypothesis.
    back, found : (N,) uint8
        Written: products that are returned, and such as may lie on the event's plates and are taken.
    """
    reach, surely = np.empty(len(log_score)), null
    for e in range(1, len(log_score)):
        reach[e] = log_score[e] + most_feasible(parts[e], plates, len(back), facings, owners, carried, s)
        plain = e < first_joint
        for part in parts[e]:
            plain = plain and (part[1] < 0 or (part[2] < 0 and part[3] > 0))
        if plain:
            surely = max(surely, reach[e])
    for e in range(1, len(log_score)):
        if reach[e] >= surely + log(s.negligible) - 1e-6:
            for part in parts[e]:
                if part[1] >= 0 and part[2] > 0:
                    back[part[1]] = 1
                if part[1] >= 0 and part[2] < 0 and part[3] == 0:
                    found[part[1]] = 1


def branch_out(
    h: int, e: int, v: float, parts: Any, records: Any, count: int, plates: Any, products: int, facings: int,
    value: Any, source: Any, n: int, s: Any,
) -> int:  # fmt: skip
    """List what explanation `e` makes of hypothesis `h`, of value `v` so far; return the count of branches.

    There is more than one if it returns what the shopper does not carry: it may come from outside, or from anybody who
    carries it. That is asked of the first such part only; others come from outside.
    """
    asked, product, quantity, shopper = False, 0, 0, 0
    outside = log(s.foreign) - log(float(products))
    for part in parts:
        if part[1] < 0:
            continue
        prior, missing = log_feasible(part, records, count, plates, products, facings, s)
        v += prior
        if missing and asked:
            v += outside
        elif missing:
            asked, shopper, product, quantity = True, part[0], part[1], part[2]
    holders = 0
    for i in range(count if asked else 0):
        owner, has, of_it = records[i, 0], records[i, 1], records[i, 2]
        holders += owner >= 0 and owner != shopper and has == product and of_it >= quantity
    for i in range(count if asked else 0):
        owner, has, of_it = records[i, 0], records[i, 1], records[i, 2]
        if owner >= 0 and owner != shopper and has == product and of_it >= quantity:
            value[n] = v + log(s.handing_over) - log(float(holders))
            source[n, 0], source[n, 1], source[n, 2] = h, e, owner
            n += 1
    value[n], source[n, 0], source[n, 1], source[n, 2] = v + outside if asked else v, h, e, -1
    return n + 1


def update(
    weight: Any, count: Any, records: Any, echo: Any, together: Any, parts: Any, log_score: Any, first_joint: int,
    plates: Any, main_plates: Any, products: int, facings: int, new_weight: Any, new_count: Any, new_records: Any,
    share: Any, joint_share: Any, columns: Any, chosen: Any, s: Any,
) -> tuple[int, int]:  # fmt: skip
    """Extend every hypothesis by every explanation; keep the K best states, equal ones merged.

    Parameters
    ----------
    weight : (H,) float64, count : (H,) int32, records : (H, R, 3) int32
        Hypotheses: log-weight and sorted records (owner, product, quantity). Where something is written elsewhere, for
        all hypotheses alike, units may stand under another product, and of products that nobody returns, or takes from
        the plates on which they lie, the records may tell what is more or less.
    echo, together : (H,) float64
        In each hypothesis, for what it knows of an earlier event: log-likelihood ratio of the null, and of the
        explanations from `first_joint` on, which explain both events as one.
    parts, log_score
        What `explain` wrote, shoppers replaced by owners.
    plates : (n,) int32
        The event's plates, those of the earlier event included; ``main_plates[0]`` has the largest change,
        ``main_plates[1]`` that of both events as one.
    products, facings : int
        How many the store has.
    new_weight, new_count, new_records : (K,), (K,), (K, R, 3)
        Written: the new hypotheses in order of what gave most of each, weights normalised. R must leave room for 6
        more records.
    share, joint_share : (K, H) float64
        Written: how much of each new hypothesis came from each old one, by explanations before `first_joint` and from
        there on; together the rows sum to 1.
    columns : (C,) int32, chosen : (K, C) float64
        Written: the explanations that any branch took, the null first, and how much of each new hypothesis came by
        each; C = min(E, 4 K + 1) is enough.
    s : AssociationSettings

    Returns
    -------
    hypotheses, columns : int
        How many were written.
    """
    reach, nobody, nothing = np.empty(len(log_score)), np.empty(0, np.int32), np.empty((0, 0), np.uint8)
    for e in range(len(log_score)):
        reach[e] = log_score[e] + most_feasible(parts[e], plates, products, facings, nobody, nothing, s)
    order = np.argsort(-reach, kind="mergesort")
    negligible = log(s.negligible)
    room = len(weight) * (len(order) + 1)
    value, source = np.empty(room), np.empty((room, 3), np.int32)
    n, best = 0, -np.inf
    for h in range(len(weight)):
        if n + len(order) * (count[h] + 1) > len(value):
            more = n + len(order) * (count[h] + 1)
            value = np.concatenate((value, np.empty(more)))
            source = np.concatenate((source, np.empty((more, 3), np.int32)))
        first = n
        value[n], source[n, 0], source[n, 1], source[n, 2] = weight[h] + log_score[0] + echo[h], h, 0, -1
        n += 1
        best = max(best, value[first])
        for e in order:
            if weight[h] + reach[e] < best + negligible:
                break
            if e > 0:
                v = weight[h] + log_score[e]
                end = branch_out(
                    h, e, v + together[h] if e >= first_joint else v, parts[e], records[h], count[h], plates, products,
                    facings, value, source, n, s,
                )  # fmt: skip
                for i in range(n, end):
                    best = max(best, value[i])
                    if value[i] >= best + negligible:
                        value[n], source[n] = value[i], source[i]
                        n += 1
    listed = np.argsort(source[:n, 0] * np.int64(len(order)) + source[:n, 1], kind="mergesort")
    ranked = listed[np.argsort(-value[listed], kind="mergesort")][: BRANCHES * len(new_weight)]
    kept, used = 0, 1
    column = np.full(len(log_score), -1, np.int32)
    columns[0], column[0] = 0, 0
    chosen[:] = 0.0
    for i in ranked:
        if value[i] < best + negligible:
            break
        h, e = source[i, 0], source[i, 1]
        trial = records[h].copy()
        c = count[h]
        giver = source[i, 2]
        for part in parts[e]:
            asked = giver >= 0 and lacks(part, records[h], count[h])
            c = apply(part, giver if asked else -1, trial, c, plates, main_plates[1 if e >= first_joint else 0])
            giver = -1 if asked else giver
        linear = exp(value[i] - best)
        k = merge(trial, c, linear, new_weight, new_count, new_records, kept)
        if k == len(new_weight):
            continue
        if k == kept:
            share[k], joint_share[k] = 0.0, 0.0
            kept += 1
        if column[e] < 0:
            column[e], columns[used] = used, e
            used += 1
        if e >= first_joint:
            joint_share[k, h] += linear
        else:
            share[k, h] += linear
        chosen[k, column[e]] += linear
    for k in range(kept):
        share[k] /= new_weight[k]
        joint_share[k] /= new_weight[k]
        chosen[k] /= new_weight[k]
    normalise(new_weight, kept)
    return kept, used
