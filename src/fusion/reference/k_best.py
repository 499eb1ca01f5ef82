"""The K cheapest assignments; what is solved and why stands in ``k_best.hpp``."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fusion.reference.assignment_search import (
    FROM,
    KEY,
    OPEN,
    OWNER,
    PRICE,
    REACH,
    TREE,
    Rows,
    dense,
    enter,
    nearest,
    relax,
    room,
    solve,
)

Array: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int32]

# Columns of a branch that waits: its bound, its solution, its row, 1 if it was solved and the bound is its total.
BOUND, RECORD, ROW, SOLVED = range(4)


def allow(cost: Array, columns: Ints, parent: Ints, branched: Ints, record: int, t: int) -> tuple[Array, bool]:
    """Return the costs of row t with those forbidden that `record` and its kin of the same row took.

    Also whether the row may be missed.
    """
    costs, may_miss = cost[t].copy(), True
    while True:
        taken = columns[record, t]
        if taken >= 0:
            costs[taken] = np.inf
        else:
            may_miss = False
        if parent[record] < 0 or branched[record] != t:
            return costs, may_miss
        record = parent[record]


def branch(
    cost: Array, miss: Array, total: float, price: Array, columns: Ints, parent: Ints, branched: Ints, record: int
) -> Array:
    """Return the branches of a solution at their bounds, (., 4)."""
    n, m = cost.shape
    column = columns[record]
    dual, open_ = np.empty(n), price.copy()
    taken = 0
    for i in range(n):
        j = column[i]
        dual[i] = miss[i] if j < 0 else cost[i, j] - price[j]
        taken += j >= 0
        if j >= 0 and i < branched[record]:
            open_[j] = -np.inf
    hub = taken < m or (miss < np.inf).any()
    branches, count = np.empty((n, 4)), 0
    for t in range(branched[record], n):
        costs, may_miss = allow(cost, columns, parent, branched, record, t)
        out = np.inf
        for j in range(m):
            out = min(out, costs[j] - open_[j])
        if may_miss:
            out = min(out, miss[t])
        into, j = 0.0, column[t]
        if j >= 0:
            into = -price[j] if hub else np.inf
            for q in range(t + 1, n):
                into = min(into, cost[q, j] - dual[q] - price[j])
            open_[j] = -np.inf
        bound = total + ((out - dual[t]) + into)
        if bound < np.inf:
            branches[count] = np.array((bound, float(record), float(t), 0.0))
            count += 1
    return branches[:count]


def enter_hub(
    rows: Rows, miss: Array, t: int, end: int, hub: float, column: Ints, s: Array, ints: Ints, size: int
) -> tuple[float, int, int]:
    """Go on from the hub: to columns that others have, which it would leave free, and to rows that were missed.

    Returns the nearest open column and the tree's size.
    """
    n = len(miss)
    m = s.shape[1]
    for j in range(m):
        if s[OPEN, j] == -np.inf:
            continue
        if ints[OWNER, j] < 0 and j != end:  # free columns lead to the hub only
            ints[TREE, size] = j
            s[REACH, size] = hub
            size += 1
            s[KEY, j] = np.inf
            s[OPEN, j] = -np.inf
        elif hub - s[PRICE, j] < s[KEY, j]:
            s[KEY, j] = hub - s[PRICE, j]
            s[FROM, j] = n
    for q in range(t + 1, n):
        if column[q] < 0:
            relax(rows, m, q, miss[q] - hub, s)
    d, j = nearest(s[KEY], m)
    return d, j, size


def flip_through(n: int, t: int, end: int, hub_column: int, hub_row: int, s: Array, ints: Ints, column: Ints) -> None:
    """Turn the choices along the path found from row t to `end` (-1: to the hub)."""
    at_hub, j = end < 0, end
    while True:
        row = n if at_hub else int(s[FROM, j])
        if row == n:
            if not at_hub:
                ints[OWNER, j] = -1
            at_hub = False
            if hub_column >= 0:
                j = hub_column
                continue
            row, j = hub_row, -1
        else:
            ints[OWNER, j] = row
        before = column[row]
        column[row] = j
        if row == t:
            return
        at_hub, j = before < 0, before


def solve_branch(
    rows: Rows, costs: Array, hub: float, miss: Array, t: int, price: Array, column: Ints, s: Array, ints: Ints
) -> bool:
    """Solve the branch at row t of the solution (`price`, `column`), which is overwritten; False if there is none.

    `costs` are those that row t may choose, `hub` is what its miss costs, inf if forbidden.
    """
    n, m = len(miss), len(price)
    s[PRICE], s[OPEN], s[KEY] = price, price, np.inf
    ints[OWNER, :m] = -1
    for i in range(n):
        if column[i] >= 0:
            ints[OWNER, column[i]] = i
            if i < t:
                s[OPEN, column[i]] = -np.inf
    end = column[t]
    if end >= 0:
        ints[OWNER, end] = -1
    hub_column, hub_row, entered, size = -1, t, False, 0
    for j in range(m):
        d = costs[j] - s[OPEN, j] - 0.0
        if d < s[KEY, j]:
            s[KEY, j], s[FROM, j] = d, t
    d, j = nearest(s[KEY], m)
    while True:
        if not entered and hub < np.inf and hub <= d:
            length = hub
            if end < 0:
                break
            d, j, size = enter_hub(rows, miss, t, end, hub, column, s, ints, size)
            entered = True
        elif d == np.inf:
            return False
        elif j == end:
            length = d
            break
        elif ints[OWNER, j] < 0:
            hub, hub_column, hub_row = d, j, -1
        else:
            row, height = enter(rows, s[PRICE], j, d, size, s, ints)
            size += 1
            if not entered and miss[row] - height < hub:
                hub, hub_column, hub_row = miss[row] - height, -1, row
            d, j = relax(rows, m, row, height, s)
    # Prices are told against the hub's, so that free columns stay at 0.
    zero = hub if entered or end < 0 else length
    for j in range(m):
        s[PRICE, j] += length - zero if s[OPEN, j] > -np.inf else 0.0
    for k in range(size):
        s[PRICE, ints[TREE, k]] += s[REACH, k] - zero
    flip_through(n, t, end, hub_column, hub_row, s, ints, column)
    for j in range(m):
        price[j] = 0.0 if ints[OWNER, j] < 0 else s[PRICE, j]
    return True


def total_cost(cost: Array, miss: Array, column: Ints) -> float:
    """Return the sum over the rows in order."""
    total: float = 0.0
    for i in range(len(miss)):
        total += miss[i] if column[i] < 0 else cost[i, column[i]]
    return total


def earliest(branches: Array) -> int:
    """Return the place of the branch of least bound; of these the first solution's, a solved one, the highest row."""
    best = 0
    for k in range(1, len(branches)):
        a, b = branches[k], branches[best]
        if a[BOUND] != b[BOUND]:
            before = a[BOUND] < b[BOUND]
        elif a[RECORD] != b[RECORD]:
            before = a[RECORD] < b[RECORD]
        else:
            before = order(a) < order(b)
        if before:
            best = k
    return best


def order(branch: Array) -> float:
    """Return the place of a branch among those of its solution: its row, or the complement of it if solved."""
    row = float(branch[ROW])
    return -1.0 - row if branch[SOLVED] else row


def k_best(cost: Array, miss: Array, columns: Ints, totals: Array) -> int:
    """Write up to K solutions, ``columns`` (K, n) and ``totals`` (K,), cheapest first; return how many there are."""
    n, m = cost.shape
    k = len(totals)
    cost, miss = cost.copy(), miss.copy()  # numba compiles once for what may be written
    s, ints = room(n, m)
    price, parent, branched = np.empty((k, m)), np.empty(k, np.int32), np.empty(k, np.int32)
    rows = dense(cost)
    price[0] = solve(cost, miss, columns[0])
    totals[0] = total_cost(cost, miss, columns[0])
    if totals[0] == np.inf:
        return 0
    parent[0], branched[0] = -1, 0
    branches = branch(cost, miss, totals[0], price[0], columns, parent, branched, 0)
    found = 1
    while found < k and len(branches):
        first = earliest(branches)
        record, t = int(branches[first, RECORD]), int(branches[first, ROW])
        branches[first] = branches[-1]
        branches = branches[:-1]
        costs, may_miss = allow(cost, columns, parent, branched, record, t)
        columns[found], price[found] = columns[record], price[record]
        hub = miss[t] if may_miss else np.inf
        if not solve_branch(rows, costs, hub, miss, t, price[found], columns[found], s, ints):
            continue
        total = total_cost(cost, miss, columns[found])
        solved = np.array([[total, float(record), float(t), 1.0]])
        if len(branches):
            waiting = np.concatenate((branches, solved))
            if earliest(waiting) != len(branches):
                branches = waiting
                continue
        totals[found], parent[found], branched[found] = total, record, t
        more = branch(cost, miss, total, price[found], columns, parent, branched, found)
        branches = np.concatenate((branches, more))
        found += 1
    return found


COMPILED = (
    "allow",
    "branch",
    "enter_hub",
    "flip_through",
    "solve_branch",
    "total_cost",
    "earliest",
    "order",
    "k_best",
)  # fmt: skip
