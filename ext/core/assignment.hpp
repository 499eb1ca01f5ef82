// The cheapest assignment of rows to columns; a row may stay unassigned at a cost of its own.
//
// Solved: choose for each row i a column of its own, at cost[i][j], or none, at miss[i], such that the sum is least.
//   A cost of +inf forbids. A row whose miss is +inf must be assigned: as many of these as possible are, and among the
//   choices that assign as many, the cheapest is taken.
// Source: shortest augmenting paths with the reductions of Jonker & Volgenant 1987, "A Shortest Augmenting Path
//   Algorithm for Dense and Sparse Linear Assignment Problems"; rectangular as in Crouse 2016, "On Implementing 2D
//   Rectangular Assignment Algorithms". A miss is a column that only its row may take: the search sees it as one more
//   end of a path, and a row that took it never comes back, because prices of columns only fall.
//   A row that must be assigned but cannot pays an amount above all others; distances are then pairs, compared first by
//   how often they hold that amount. Columns at whose price it has arrived are `saturated`.
// Assumes: what valid_costs and valid_rows say. Storage is the caller's.
// Ties: a miss before a column, a low column before a high one, an earlier row before a later one, as far as the search
//   meets them. Only + - and comparisons: the bits are those of reference/assignment_search.py.
// Cost: O(n^2 m) at worst; 20 x 20 about 1 us.
#pragma once

#include <cstddef>
#include <cstdint>

#include "assignment_rows.hpp"

namespace fusion {

constexpr double kLargestCost = 1e300;  // no sum of fewer than 10^8 of them overflows

/// Whether all costs are +inf or below kLargestCost in size, and none is NaN.
FUSION_CLONES static bool valid_costs(const double* cost, std::size_t count) {
    const Pair limit = both(kLargestCost), finite = both(std::numeric_limits<double>::max());
    Pair low = both(0.0);
    std::size_t e = 0;
    for (; e + 2 <= count; e += 2) {
        const Pair c = load(cost + e);
        low = least(less_choose(c, limit, c, less_choose(finite, c, both(0.0), both(-kInfinite))), low);
    }
    const bool last = e == count || cost[e] == kInfinite || (cost[e] > -kLargestCost && cost[e] < kLargestCost);
    return last && low[0] > -kLargestCost && low[1] > -kLargestCost;
}

/// Whether the rows of `SparseRows` follow each other from 0 to `entries` and name columns below m.
inline bool valid_rows(const SparseRows& rows, std::int64_t entries) {
    if (rows.start[0] != 0 || rows.start[rows.n] != entries) return false;
    bool fine = true;
    for (std::int32_t i = 0; i < rows.n; ++i) fine &= rows.start[i] <= rows.start[i + 1];
    for (std::int64_t e = 0; e < entries; ++e) fine &= (rows.column[e] >= 0) & (rows.column[e] < rows.m);
    return fine;
}

/// Lets each row take the column that is cheapest now, at a price that makes its second choice as good; a row that
/// loses its column chooses again, n times in all ("augmenting row reduction"). Returns how many rows wait.
template <class Rows>
FUSION_INLINE std::int32_t reduce_rows(const Rows& rows, const double* miss, Columns& s, std::int32_t* column) {
    for (std::int32_t i = 0; i < rows.n; ++i) s.waiting[i] = i;
    std::int32_t waiting = 0, next = 0, again = rows.n;
    while (next < rows.n) {
        const std::int32_t i = s.waiting[next++];
        const TwoLeast best = rows.two_least(i, s.price);
        if (miss[i] <= best.first) {
            if (miss[i] == kInfinite) s.waiting[waiting++] = i;
            continue;
        }
        std::int32_t j = best.column;
        const double second = best.second < miss[i] ? best.second : miss[i];
        const double price = s.price[j] - (second - best.first);
        const bool lower = (price < s.price[j]) & (second < kInfinite);
        if (s.owner[j] >= 0 && !lower) {  // nothing is gained by taking what another has
            j = rows.free_at(i, best.first, s);
            if (j < 0) {
                s.waiting[waiting++] = i;
                continue;
            }
        }
        const std::int32_t loser = s.owner[j];
        if (lower) s.price[j] = price;
        s.owner[j] = i;
        column[i] = j;
        if (loser < 0) continue;
        column[loser] = -1;
        if (--again > 0) {
            s.waiting[--next] = loser;
        } else {
            s.waiting[waiting++] = loser;
        }
    }
    return waiting;
}

/// Where a search stands: the tree's size, the row entered last and its height (a column at cost c and price v is
/// c - v - height away), the nearest open column, and the best row to be left without a column.
struct Front {
    std::int32_t size, row, leaver;
    double height, leave;
    Nearest nearest;
};

/// Enters the nearest column and goes on through the row that has it.
template <class Rows>
FUSION_INLINE void enter(Rows& rows, const double* price, Columns& s, Front& f) {
    const std::int32_t j = f.nearest.column;
    const double d = f.nearest.distance;
    s.tree[f.size] = j;
    s.reach[f.size++] = d;
    s.key[j] = kInfinite;
    s.open[j] = -kInfinite;
    f.row = s.owner[j];
    f.height = rows.at(f.row, j) - price[j] - d;
}

/// No column is free: which of the rows that compete, here or in the saturated columns reached, is cheapest to leave?
template <class Rows>
FUSION_INLINE void saturate(Rows& rows, std::int32_t start, Columns& s, Front& f) {
    const std::int32_t reached = f.size;
    rows.begin_saturated(s);
    f.leave = 0.0;
    f.leaver = start;
    f.nearest = rows.relax(start, 0.0, s);
    for (std::int32_t k = 0; k < reached; ++k) {
        const std::int32_t j = s.tree[k], row = s.owner[j];
        const double height = rows.at(row, j) - s.price[j] - s.reach[k];
        if (-height < f.leave) {
            f.leave = -height;
            f.leaver = row;
        }
        f.nearest = rows.relax(row, height, s);
    }
    while (f.nearest.distance < f.leave) {
        enter(rows, s.frozen, s, f);
        if (-f.height < f.leave) {
            f.leave = -f.height;
            f.leaver = f.row;
        }
        f.nearest = rows.relax(f.row, f.height, s);
    }
    for (std::int32_t k = 0; k < f.size; ++k) {
        const std::int32_t j = s.tree[k];
        s.frozen[j] = (k < reached ? s.price[j] : s.frozen[j]) + (s.reach[k] - f.leave);
        s.price[j] = -kInfinite;
    }
}

/// Gives `end` to the row it was reached from, that row's column to the row before, and so on to the start.
FUSION_INLINE void flip(std::int32_t start, std::int32_t end, Columns& s, std::int32_t* column) {
    for (std::int32_t row = -1; row != start;) {
        row = static_cast<std::int32_t>(s.from[end]);
        s.owner[end] = row;
        const std::int32_t before = column[row];
        column[row] = end;
        end = before;
    }
}

/// Assigns row `start` along a shortest path to a free column, or to a row that is left out. Returns false, with
/// nothing changed, if no path ends and `saturable` is false.
template <class Rows>
FUSION_INLINE bool augment(Rows& rows, const double* miss, std::int32_t start, bool saturable, Columns& s,
                           std::int32_t* column) {
    rows.begin(s);
    Front f{0, start, start, 0.0, kInfinite, {0.0, 0}};
    std::int32_t end = -1;
    for (;;) {
        if (miss[f.row] - f.height < f.leave) {
            f.leave = miss[f.row] - f.height;
            f.leaver = f.row;
        }
        f.nearest = rows.relax(f.row, f.height, s);
        if (f.nearest.distance >= f.leave) break;
        if (f.size > 0 && f.nearest.distance == s.reach[f.size - 1]) {  // ties: no need to enter them all
            const std::int32_t free = rows.free_near(f.nearest.distance, s);
            if (free >= 0) f.nearest.column = free;
        }
        if (s.owner[f.nearest.column] < 0) {
            end = f.nearest.column;
            break;
        }
        enter(rows, s.price, s, f);
    }
    if (end < 0 && f.leave == kInfinite) {
        if (!saturable) return false;
        saturate(rows, start, s, f);
    } else {
        const double length = end < 0 ? f.leave : f.nearest.distance;
        for (std::int32_t k = 0; k < f.size; ++k) s.price[s.tree[k]] += s.reach[k] - length;
    }
    if (end < 0) {
        end = column[f.leaver];
        column[f.leaver] = -1;
        if (f.leaver == start) return true;
    }
    flip(start, end, s, column);
    return true;
}

/// Solves from the prices given; false if these allow no solution because a column would stay free.
template <class Rows>
FUSION_INLINE bool solve_from(Rows& rows, const double* miss, bool saturable, Columns& s, std::int32_t* column) {
    for (std::int32_t i = 0; i < rows.n; ++i) column[i] = -1;
    for (std::int32_t j = 0; j < rows.m; ++j) s.owner[j] = -1;
    const std::int32_t waiting = reduce_rows(rows, miss, s, column);
    for (std::int32_t k = 0; k < waiting; ++k) {
        if (!augment(rows, miss, s.waiting[k], saturable, s, column)) return false;
    }
    return true;
}

/// The least cost of each column; false unless all are finite.
FUSION_INLINE bool column_minima(const DenseRows& rows, double* price) {
    for (std::int32_t j = 0; j < rows.m; ++j) price[j] = rows.cost[j];
    for (std::int32_t i = 1; i < rows.n; ++i) {
        const double* c = rows.cost + static_cast<std::size_t>(i) * rows.m;
        for (std::int32_t j = 0; j < rows.m; ++j) price[j] = c[j] < price[j] ? c[j] : price[j];
    }
    bool finite = true;
    for (std::int32_t j = 0; j < rows.m; ++j) finite &= price[j] < kInfinite;
    return finite;
}

FUSION_INLINE bool all_forced(const double* miss, std::int32_t n) {
    bool forced = true;
    for (std::int32_t i = 0; i < n; ++i) forced &= miss[i] == kInfinite;
    return forced;
}

/// Solves one dense problem. Free columns must cost nothing, so prices start at 0; only where every column will be
/// taken may they start at the columns' minima ("column reduction").
FUSION_INLINE void solve(DenseRows rows, const double* miss, Columns& s, std::int32_t* column) {
    if (rows.n == rows.m && all_forced(miss, rows.n) && column_minima(rows, s.price) &&
        solve_from(rows, miss, false, s, column)) {
        return;
    }
    for (std::int32_t j = 0; j < rows.m; ++j) s.price[j] = 0.0;
    solve_from(rows, miss, true, s, column);
}

/// Writes the column of each row, or -1, of `batch` problems of n x m costs and n miss costs each. Without a finite
/// miss a tall matrix is solved turned, on `turned` (n m doubles) and `rows_of` (m), with columns' storage for max(n,
/// m).
FUSION_CLONES static void assign(const double* cost, const double* miss, std::size_t batch, std::int32_t n,
                                 std::int32_t m, double* turned, std::int32_t* rows_of, Columns s,
                                 std::int32_t* column) {
    const std::size_t size = static_cast<std::size_t>(n) * m;
    for (std::size_t b = 0; b < batch; ++b, cost += size, miss += n, column += n) {
        if (n <= m || !all_forced(miss, n)) {
            solve({cost, n, m}, miss, s, column);
            continue;
        }
        for (std::int32_t i = 0; i < n; ++i) {
            column[i] = -1;
            for (std::int32_t j = 0; j < m; ++j)
                turned[static_cast<std::size_t>(j) * n + i] = cost[static_cast<std::size_t>(i) * m + j];
        }
        solve({turned, m, n}, miss, s, rows_of);
        for (std::int32_t j = 0; j < m; ++j) {
            if (rows_of[j] >= 0) column[rows_of[j]] = j;
        }
    }
}

/// The same for one sparse problem.
inline void assign(SparseRows rows, const double* miss, Columns s, std::int32_t* column) {
    for (std::int32_t j = 0; j < rows.m; ++j) {
        s.price[j] = 0.0;
        s.touched[j] = j;
    }
    rows.touched = rows.m;
    solve_from(rows, miss, true, s, column);
}

}  // namespace fusion
