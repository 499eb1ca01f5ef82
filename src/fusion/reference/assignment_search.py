"""The search of ``assignment.hpp`` over rows of costs: reductions, shortest augmenting paths, saturated columns.

Dense and sparse problems are one here: costs in compressed sparse rows, a dense row listing every column.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int32]
Rows: TypeAlias = tuple[Array, Ints, NDArray[np.int64]]
"""Costs, their columns, and where each row starts."""

# Rows of the room of a search, one element a column: price v (-inf if saturated), finite part of a saturated price,
# what may still be entered, shortest distance to it, the row that comes through, distances of the tree; then, of
# `ints`: the tree, the row that has a column, the rows that wait.
PRICE, FROZEN, OPEN, KEY, FROM, REACH = range(6)
TREE, OWNER, WAITING = range(3)


def room(n: int, m: int) -> tuple[Array, Ints]:
    """Return the room of a search over n rows and m columns."""
    return np.empty((6, m)), np.empty((3, max(n, m)), np.int32)


def dense(cost: Array) -> Rows:
    """Return the rows of a matrix (n, m)."""
    n, m = cost.shape
    indices, start = np.empty(n * m, np.int32), np.empty(n + 1, np.int64)
    for i in range(n + 1):
        start[i] = i * m
    for e in range(n * m):
        indices[e] = e % m
    return cost.copy().reshape(n * m), indices, start


def at(rows: Rows, i: int, j: int) -> float:
    """Return the cost of row i in column j."""
    cost, column, start = rows
    least = np.inf
    for e in range(start[i], start[i + 1]):
        if column[e] == j and cost[e] < least:
            least = cost[e]
    return least


def two_least(rows: Rows, i: int, price: Array) -> tuple[float, float, int]:
    """Return the least and the second least reduced cost of row i and the lowest column that has the least."""
    cost, column, start = rows
    first, second, j = np.inf, np.inf, 0
    for e in range(start[i], start[i + 1]):
        h = cost[e] - price[column[e]]
        if h < first or (h == first and h < np.inf and column[e] < j):
            first, second, j = h, first, column[e]
        elif h < second:
            second = h
    return first, second, j


def nearest(key: Array, m: int) -> tuple[float, int]:
    """Return the shortest distance to an open column and the lowest column that has it."""
    distance, j = np.inf, 0
    for k in range(m):
        if key[k] < distance:
            distance, j = key[k], k
    return distance, j


def relax(rows: Rows, m: int, i: int, height: float, s: Array) -> tuple[float, int]:
    """Note shorter distances through row i; return the nearest open column."""
    cost, column, start = rows
    for e in range(start[i], start[i + 1]):
        j = column[e]
        d = cost[e] - s[OPEN, j] - height
        if d < s[KEY, j]:
            s[KEY, j] = d
            s[FROM, j] = i
    return nearest(s[KEY], m)


def free_at(rows: Rows, i: int, value: float, s: Array, ints: Ints) -> int:
    """Return the lowest column without a row whose reduced cost is `value`, or -1."""
    cost, column, start = rows
    found = -1
    for e in range(start[i], start[i + 1]):
        j = column[e]
        if (j < found or found < 0) and ints[OWNER, j] < 0 and cost[e] - s[PRICE, j] == value:
            found = j
    return found


def free_near(distance: float, m: int, s: Array, ints: Ints) -> int:
    """Return the lowest column without a row at this distance, or -1."""
    for j in range(m):
        if ints[OWNER, j] < 0 and s[KEY, j] == distance:
            return j
    return -1


def reduce_rows(rows: Rows, n: int, miss: Array, s: Array, ints: Ints, column: Ints) -> int:
    """Let each row take the column that is cheapest now, at a price that makes its second choice as good.

    A row that loses its column chooses again, n times in all. Returns how many rows wait.
    """
    waiting, todo, again = 0, 0, n
    ints[WAITING, :n] = np.arange(n)
    while todo < n:
        i = ints[WAITING, todo]
        todo += 1
        first, second, j = two_least(rows, i, s[PRICE])
        if miss[i] <= first:
            if miss[i] == np.inf:
                ints[WAITING, waiting] = i
                waiting += 1
            continue
        second = second if second < miss[i] else miss[i]
        price = s[PRICE, j] - (second - first)
        lower = price < s[PRICE, j] and second < np.inf
        if ints[OWNER, j] >= 0 and not lower:  # nothing is gained by taking what another has
            j = free_at(rows, i, first, s, ints)
            if j < 0:
                ints[WAITING, waiting] = i
                waiting += 1
                continue
        loser = ints[OWNER, j]
        if lower:
            s[PRICE, j] = price
        ints[OWNER, j] = i
        column[i] = j
        if loser < 0:
            continue
        column[loser] = -1
        again -= 1
        if again > 0:
            todo -= 1
            ints[WAITING, todo] = loser
        else:
            ints[WAITING, waiting] = loser
            waiting += 1
    return waiting


def enter(rows: Rows, price: Array, j: int, d: float, size: int, s: Array, ints: Ints) -> tuple[int, float]:
    """Enter column j at distance d; return the row that has it and that row's height."""
    ints[TREE, size] = j
    s[REACH, size] = d
    s[KEY, j] = np.inf
    s[OPEN, j] = -np.inf
    row = ints[OWNER, j]
    return row, at(rows, row, j) - price[j] - d


def saturate(rows: Rows, m: int, start: int, reached: int, s: Array, ints: Ints) -> int:
    """Find which of the rows that compete is cheapest to leave out; saturate the columns reached."""
    for j in range(m):
        s[KEY, j] = np.inf
        s[OPEN, j] = s[FROZEN, j] if s[PRICE, j] == -np.inf else -np.inf
    leave, leaver, size = 0.0, start, reached
    d, j = relax(rows, m, start, 0.0, s)
    for k in range(reached):
        j = ints[TREE, k]
        row = ints[OWNER, j]
        height = at(rows, row, j) - s[PRICE, j] - s[REACH, k]
        if -height < leave:
            leave, leaver = -height, row
        d, j = relax(rows, m, row, height, s)
    while d < leave:
        row, height = enter(rows, s[FROZEN], j, d, size, s, ints)
        size += 1
        if -height < leave:
            leave, leaver = -height, row
        d, j = relax(rows, m, row, height, s)
    for k in range(size):
        j = ints[TREE, k]
        s[FROZEN, j] = (s[PRICE, j] if k < reached else s[FROZEN, j]) + (s[REACH, k] - leave)
        s[PRICE, j] = -np.inf
    return leaver


def flip(start: int, end: int, s: Array, ints: Ints, column: Ints) -> None:
    """Give `end` to the row it was reached from, that row's column to the row before, and so on to the start."""
    row = -1
    while row != start:
        row = int(s[FROM, end])
        ints[OWNER, end] = row
        column[row], end = end, column[row]


def augment(rows: Rows, m: int, miss: Array, start: int, saturable: bool, s: Array, ints: Ints, column: Ints) -> bool:
    """Assign row `start` along a shortest path to a free column, or to a row that is left out.

    Returns False, with nothing changed, if no path ends and `saturable` is false.
    """
    s[KEY] = np.inf
    s[OPEN] = s[PRICE]
    row, height, size = start, 0.0, 0
    leave, leaver, end = np.inf, start, -1
    while True:
        if miss[row] - height < leave:
            leave, leaver = miss[row] - height, row
        d, j = relax(rows, m, row, height, s)
        if d >= leave:
            break
        if size > 0 and d == s[REACH, size - 1]:  # ties: no need to enter them all
            free = free_near(d, m, s, ints)
            j = free if free >= 0 else j
        if ints[OWNER, j] < 0:
            end = j
            break
        row, height = enter(rows, s[PRICE], j, d, size, s, ints)
        size += 1
    if end < 0 and leave == np.inf:
        if not saturable:
            return False
        leaver = saturate(rows, m, start, size, s, ints)
    else:
        length = leave if end < 0 else d
        for k in range(size):
            s[PRICE, ints[TREE, k]] += s[REACH, k] - length
    if end < 0:
        end = column[leaver]
        column[leaver] = -1
        if leaver == start:
            return True
    flip(start, end, s, ints, column)
    return True


def solve_from(rows: Rows, n: int, m: int, miss: Array, saturable: bool, s: Array, ints: Ints, column: Ints) -> bool:
    """Solve from the prices given; False if these allow no solution because a column would stay free."""
    column[:n] = -1
    ints[OWNER, :m] = -1
    waiting = reduce_rows(rows, n, miss, s, ints, column)
    k = 0
    while k < waiting and augment(rows, m, miss, ints[WAITING, k], saturable, s, ints, column):
        k += 1
    return k == waiting


def column_minima(cost: Array, price: Array) -> bool:
    """Write the least cost of each column; return whether all are finite."""
    n, m = cost.shape
    price[:] = np.inf
    for i in range(n):
        for j in range(m):
            price[j] = cost[i, j] if cost[i, j] < price[j] else price[j]
    return bool((price < np.inf).all())


def solve(cost: Array, miss: Array, column: Ints) -> Array:
    """Solve one dense problem; return the prices of the columns.

    Free columns must cost nothing, so prices start at 0; only where every column will be taken may they start at the
    columns' minima ("column reduction").
    """
    n, m = cost.shape
    rows = dense(cost)
    s, ints = room(n, m)
    price: Array = s[PRICE]
    forced = (miss == np.inf).all()
    if n == m and forced and column_minima(cost, price) and solve_from(rows, n, m, miss, False, s, ints, column):
        return price
    price[:] = 0.0
    solve_from(rows, n, m, miss, True, s, ints, column)
    return price


COMPILED = (
    "room",
    "dense",
    "at",
    "two_least",
    "nearest",
    "relax",
    "free_at",
    "free_near",
    "reduce_rows",
    "enter",
    "saturate",
    "flip",
    "augment",
    "solve_from",
    "column_minima",
    "solve",
)  # fmt: skip
