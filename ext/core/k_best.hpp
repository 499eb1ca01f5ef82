// The K cheapest assignments, cheapest first.
//
// Solved: what assignment.hpp solves, and the next best, all different; every row whose miss is +inf is assigned.
// Source: Murty 1968, "An Algorithm for Ranking All the Assignments in Order of Increasing Cost": the rest of a
// solution
//   falls apart into branches t, in which the rows before t keep their choice and row t may not. A branch starts from
//   the prices of its solution and needs one shortest path (Miller, Stone & Cox 1997, "Optimizing Murty's Ranked
//   Assignment Method"): row t gives back its column, and the path ends there. Branches wait at a lower bound, the
//   least that row t pays for another choice plus the least that another row pays for its column, and are solved when
//   they come up. Nobody takes a free column or the misses but "nothing", one row at price 0 (the hub), which a path
//   may pass: entering by a free column or by a miss it leaves a column that it wants to be free, or lets a missed row
//   choose again.
// Assumes: as assignment.hpp. Storage is the caller's. Only + - and comparisons.
// Cost: one path of O(m^2), as a rule a few rows, and n bounds of O(n + m) a solution; 20 x 20, K = 10: about 15 us.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "assignment.hpp"

namespace fusion {

/// A branch of `record` at `row`, at a bound; ~row is one that was solved, at its total.
struct Alternative {
    double value;
    std::int32_t record, row;
};

inline bool later(const Alternative& a, const Alternative& b) {
    if (a.value != b.value) return a.value > b.value;
    return a.record != b.record ? a.record > b.record : a.row > b.row;
}

/// The solutions found, K rows each, and what waits; `branches` has room for n K + 1, `costs` for m, `dual` for n.
struct Ranking {
    std::int32_t* column;  // (K, n)
    double* total;
    double* price;         // (K, m)
    std::int32_t* parent;  // the solution it branched from, or -1
    std::int32_t* row;     // the row at which it did
    Alternative* branches;
    double *costs, *dual;
    std::size_t waiting;
};

/// Writes the costs of row t with those forbidden that `record` and its kin of the same row took; says whether the row
/// may be missed.
FUSION_INLINE bool allow(const DenseRows& rows, const Ranking& r, std::int32_t record, std::int32_t t) {
    for (std::int32_t j = 0; j < rows.m; ++j) r.costs[j] = rows.at(t, j);
    bool miss = true;
    for (;;) {
        const std::int32_t taken = r.column[static_cast<std::size_t>(record) * rows.n + t];
        if (taken >= 0) {
            r.costs[taken] = kInfinite;
        } else {
            miss = false;
        }
        if (r.parent[record] < 0 || r.row[record] != t) return miss;
        record = r.parent[record];
    }
}

/// Adds the branches of a solution at their bounds.
FUSION_INLINE void branch(const DenseRows& rows, const double* miss, std::int32_t record, Columns& s, Ranking& r) {
    const std::int32_t n = rows.n, m = rows.m;
    const std::int32_t* column = r.column + static_cast<std::size_t>(record) * n;
    const double* price = r.price + static_cast<std::size_t>(record) * m;
    std::int32_t taken = 0;
    bool hub = false;
    for (std::int32_t j = 0; j < m; ++j) s.open[j] = price[j];
    for (std::int32_t i = 0; i < n; ++i) {
        r.dual[i] = column[i] < 0 ? miss[i] : rows.at(i, column[i]) - price[column[i]];
        hub |= miss[i] < kInfinite;
        taken += column[i] >= 0;
        if (i < r.row[record] && column[i] >= 0) s.open[column[i]] = -kInfinite;
    }
    hub |= taken < m;
    const DenseRows one{r.costs, 1, m};
    for (std::int32_t t = r.row[record]; t < n; ++t) {
        const bool may_miss = allow(rows, r, record, t);
        double out = one.two_least(0, s.open).first;
        if (may_miss && miss[t] < out) out = miss[t];
        double in = 0.0;
        const std::int32_t j = column[t];
        if (j >= 0) {
            in = hub ? -price[j] : kInfinite;
            for (std::int32_t q = t + 1; q < n; ++q) {
                const double d = rows.at(q, j) - r.dual[q] - price[j];
                in = d < in ? d : in;
            }
            s.open[j] = -kInfinite;
        }
        const double bound = r.total[record] + ((out - r.dual[t]) + in);
        if (bound < kInfinite) {
            r.branches[r.waiting++] = {bound, record, t};
            std::push_heap(r.branches, r.branches + r.waiting, later);
        }
    }
}

/// A search that may pass the hub: where it entered that, at which distance, and whether it went on from there.
struct Hub {
    double distance;
    std::int32_t column, row;  // the free column, or the row that is missed
    bool entered;
};

/// Goes on from the hub: to columns that others have, which it would leave free, and to rows that were missed.
FUSION_INLINE Nearest enter_hub(const DenseRows& rows, const double* miss, std::int32_t t, std::int32_t end, Hub& hub,
                                const std::int32_t* column, Columns& s, std::int32_t& size) {
    hub.entered = true;
    for (std::int32_t j = 0; j < rows.m; ++j) {
        if (s.open[j] == -kInfinite) continue;
        if (s.owner[j] < 0 && j != end) {  // free columns lead to the hub only
            s.tree[size] = j;
            s.reach[size++] = hub.distance;
            s.key[j] = kInfinite;
            s.open[j] = -kInfinite;
        } else if (hub.distance - s.price[j] < s.key[j]) {
            s.key[j] = hub.distance - s.price[j];
            s.from[j] = rows.n;
        }
    }
    for (std::int32_t q = t + 1; q < rows.n; ++q) {
        if (column[q] < 0) rows.relax(q, miss[q] - hub.distance, s);
    }
    Nearest nearest{kInfinite, 0};
    for (std::int32_t j = 0; j < rows.m; ++j) {
        if (s.key[j] < nearest.distance) nearest = {s.key[j], j};
    }
    return nearest;
}

/// Turns the choices along the path found from row t to `end` (-1: to the hub).
FUSION_INLINE void flip_through(std::int32_t n, std::int32_t t, std::int32_t end, const Hub& hub, Columns& s,
                                std::int32_t* column) {
    bool at_hub = end < 0;
    for (std::int32_t j = end;;) {
        std::int32_t row = at_hub ? n : static_cast<std::int32_t>(s.from[j]);
        if (row == n) {
            if (!at_hub) s.owner[j] = -1;
            at_hub = false;
            if (hub.column >= 0) {
                j = hub.column;
                continue;
            }
            row = hub.row;
            j = -1;
        } else {
            s.owner[j] = row;
        }
        const std::int32_t before = column[row];
        column[row] = j;
        if (row == t) return;
        at_hub = before < 0;
        j = before;
    }
}

/// Solves the branch of `record` at row t into solution `found`; false if there is none.
FUSION_INLINE bool solve_branch(const DenseRows& rows, const double* miss, std::int32_t record, std::int32_t t,
                                std::int32_t found, Columns& s, Ranking& r) {
    const std::int32_t n = rows.n, m = rows.m;
    std::int32_t* column = r.column + static_cast<std::size_t>(found) * n;
    std::copy_n(r.column + static_cast<std::size_t>(record) * n, n, column);
    std::copy_n(r.price + static_cast<std::size_t>(record) * m, m, s.price);
    for (std::int32_t j = 0; j < m; ++j) s.owner[j] = -1;
    rows.begin(s);
    for (std::int32_t i = 0; i < n; ++i) {
        if (column[i] < 0) continue;
        s.owner[column[i]] = i;
        if (i < t) s.open[column[i]] = -kInfinite;
    }
    const std::int32_t end = column[t];
    if (end >= 0) s.owner[end] = -1;
    Hub hub{allow(rows, r, record, t) ? miss[t] : kInfinite, -1, t, false};
    Front f{0, t, t, 0.0, kInfinite, rows.relax(r.costs, t, 0.0, s)};
    double length;
    for (;;) {
        const double d = f.nearest.distance;
        const std::int32_t j = f.nearest.column;
        if (!hub.entered && hub.distance < kInfinite && hub.distance <= d) {
            length = hub.distance;
            if (end < 0) break;
            f.nearest = enter_hub(rows, miss, t, end, hub, column, s, f.size);
        } else if (d == kInfinite) {
            return false;
        } else if (j == end) {
            length = d;
            break;
        } else if (s.owner[j] < 0) {
            hub = {d, j, -1, false};
        } else {
            enter(rows, s.price, s, f);
            if (!hub.entered && miss[f.row] - f.height < hub.distance) hub = {miss[f.row] - f.height, -1, f.row, false};
            f.nearest = rows.relax(f.row, f.height, s);
        }
    }
    // Prices are told against the hub's, so that free columns stay at 0.
    const double zero = hub.entered || end < 0 ? hub.distance : length;
    for (std::int32_t j = 0; j < m; ++j) s.price[j] += s.open[j] > -kInfinite ? length - zero : 0.0;
    for (std::int32_t k = 0; k < f.size; ++k) s.price[s.tree[k]] += s.reach[k] - zero;
    flip_through(n, t, end, hub, s, column);
    for (std::int32_t j = 0; j < m; ++j) {
        r.price[static_cast<std::size_t>(found) * m + j] = s.owner[j] < 0 ? 0.0 : s.price[j];
    }
    return true;
}

FUSION_INLINE double total_cost(const DenseRows& rows, const double* miss, const std::int32_t* column) {
    double total = 0.0;
    for (std::int32_t i = 0; i < rows.n; ++i) total += column[i] < 0 ? miss[i] : rows.at(i, column[i]);
    return total;
}

/// Ranks up to k >= 1 solutions of one dense problem and returns how many there are.
FUSION_CLONES static std::int32_t k_best(const double* cost, const double* miss, std::int32_t n, std::int32_t m,
                                         std::int32_t k, Columns s, Ranking r) {
    const DenseRows rows{cost, n, m};
    solve(rows, miss, s, r.column);
    r.total[0] = total_cost(rows, miss, r.column);
    if (r.total[0] == kInfinite) return 0;
    std::copy_n(s.price, m, r.price);
    r.parent[0] = -1;
    r.row[0] = 0;
    r.waiting = 0;
    branch(rows, miss, 0, s, r);
    std::int32_t found = 1;
    while (found < k && r.waiting > 0) {
        const Alternative next = r.branches[0];
        std::pop_heap(r.branches, r.branches + r.waiting--, later);
        const std::int32_t row = next.row < 0 ? ~next.row : next.row;
        if (!solve_branch(rows, miss, next.record, row, found, s, r)) continue;
        const Alternative solved{total_cost(rows, miss, r.column + static_cast<std::size_t>(found) * n), next.record,
                                 ~row};
        if (r.waiting > 0 && later(solved, r.branches[0])) {
            r.branches[r.waiting++] = solved;
            std::push_heap(r.branches, r.branches + r.waiting, later);
            continue;
        }
        r.total[found] = solved.value;
        r.parent[found] = next.record;
        r.row[found] = row;
        branch(rows, miss, found++, s, r);
    }
    return found;
}

}  // namespace fusion
