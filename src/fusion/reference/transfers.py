"""Transfers: in which hypotheses something went from hand to hand, without a gram on any shelf.

Source: multiple-hypothesis tracking (Reid 1979; Blackman 2004), the records being those of
``fusion.reference.records``. Who gets something and is one of the staff has it no more: nothing of theirs is recorded.
Logarithms are natural.
"""

from math import exp, log
from typing import Any

import numpy as np

from fusion.reference.hypotheses import STAFF
from fusion.reference.records import add, merge, normalise, units

COMPILED = ("log_moves", "transfer")


def log_moves(
    records: Any, count: int, moves: Any, in_hand: Any, from_basket: float, own_things: float, passing: float,
    value: Any,
) -> None:  # fmt: skip
    """Write the log-probabilities, (1 + M,), that nothing and that each of the moves was passed in one hypothesis.

    What is passed is in proportion to how likely each of the units carried is the one, and ``own_things`` is what is
    not the store's.
    """
    total = own_things
    for m in range(len(moves)):
        carried = units(records, count, moves[m, 0], moves[m, 2])
        value[1 + m] = in_hand[m] + from_basket * float(carried) if carried > 0 else 0.0
        total += value[1 + m]
    value[0] = log(1.0 - passing + passing * (own_things / total))
    for m in range(len(moves)):
        share = passing * (value[1 + m] / total)
        value[1 + m] = log(share) if share > 0.0 else -np.inf


def transfer(
    weight: Any, count: Any, records: Any, moves: Any, in_hand: Any, from_basket: float, own_things: float,
    passing: float, negligible: float, new_weight: Any, new_count: Any, new_records: Any, share: Any, chosen: Any,
) -> int:  # fmt: skip
    """Extend every hypothesis by every move; keep the K best states, equal ones merged.

    Parameters
    ----------
    weight : (H,) float64, count : (H,) int32, records : (H, R, 3) int32
        Hypotheses: log-weight and sorted records (owner, product, quantity).
    moves : (M, 3) int32
        What may have been passed, one unit each: giver, receiver, product.
    in_hand : (M,) float64
        How likely it is in the giver's hand, if he carries any.
    from_basket, own_things : float
        The same for each unit that he carries anywhere, and for what is not the store's; above 0.
    passing : float
        Probability that anything was passed, in (0, 1).
    negligible : float
        Branches less probable than this against the best are dropped.
    new_weight, new_count, new_records : (K,), (K,), (K, R, 3)
        Written: the new hypotheses in order of what gave most of each, weights normalised. R must leave room for one
        more record.
    share : (K, H) float64, chosen : (K, 1 + M) float64
        Written: how much of each new hypothesis came from each old one, and by no move and by each; rows sum to 1.

    Returns
    -------
    int
        How many hypotheses were written.
    """
    h, branches = len(weight), 1 + len(moves)
    value = np.empty(h * branches)
    for i in range(h):
        own = value[i * branches : (i + 1) * branches]
        log_moves(records[i], count[i], moves, in_hand, from_basket, own_things, passing, own)
        own += weight[i]
    best = value.max()
    kept = 0
    for v in np.argsort(-value, kind="mergesort"):
        if value[v] < best + log(negligible):
            break
        i, m = v // branches, v % branches - 1
        trial, c = records[i].copy(), count[i]
        if m >= 0:
            c = add(trial, c, moves[m, 0], moves[m, 2], -1)
            if moves[m, 1] < STAFF:
                c = add(trial, c, moves[m, 1], moves[m, 2], 1)
        linear = exp(value[v] - best)
        k = merge(trial, c, linear, new_weight, new_count, new_records, kept)
        if k == len(new_weight):
            continue
        if k == kept:
            share[k], chosen[k] = 0.0, 0.0
            kept += 1
        share[k, i] += linear
        chosen[k, 1 + m] += linear
    for k in range(kept):
        share[k] /= new_weight[k]
        chosen[k] /= new_weight[k]
    normalise(new_weight, kept)
    return kept
