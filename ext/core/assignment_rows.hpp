// Rows of costs as the search of assignment.hpp wants them: dense, or in compressed sparse rows (CSR).
//
// Both tell the same of the same costs: the least reduced cost of a row, its column (the lowest of equal ones) and the
// second least; and after new distances through a row, the nearest column that is open (the lowest of equal ones).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "pairs.hpp"

namespace fusion {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// What the search keeps of every column; storage is the caller's, `m` elements each, `waiting` n.
struct Columns {
    double* price;        // v, the dual; -inf if saturated: all rows that reach the column are forced to compete for it
    double* frozen;       // the finite part of the price of a saturated column
    double* open;         // price of what may still be entered in this search; -inf is closed
    double* key;          // shortest distance found to an open column
    double* from;         // the row that key comes through
    double* reach;        // distances of `tree`
    std::int32_t* tree;   // columns in the order in which the search entered them
    std::int32_t* owner;  // the row that has the column, or -1
    std::int32_t* touched;  // sparse rows only: columns whose open or key this search changed
    std::int32_t* waiting;  // rows that still need a search
};

struct TwoLeast {
    double first, second;
    std::int32_t column;
};

struct Nearest {
    double distance;
    std::int32_t column;
};

struct DenseRows {
    const double* cost;
    std::int32_t n, m;

    FUSION_INLINE double at(std::int32_t i, std::int32_t j) const { return cost[static_cast<std::size_t>(i) * m + j]; }

    FUSION_INLINE TwoLeast two_least(std::int32_t i, const double* price) const {
        const double* c = cost + static_cast<std::size_t>(i) * m;
        Pair first = both(kInfinite), second = first, other_first = first, other_second = first;
        Pair at = both(0.0), other_at = at, index = {0.0, 1.0};
        std::int32_t j = 0;
        for (; j + 4 <= m; j += 4) {
            const Pair a = load(c + j) - load(price + j), b = load(c + j + 2) - load(price + j + 2);
            second = least(most(first, a), second);
            at = less_choose(a, first, index, at);
            first = least(a, first);
            other_second = least(most(other_first, b), other_second);
            other_at = less_choose(b, other_first, index, other_at);
            other_first = least(b, other_first);
            index = index + both(4.0);
        }
        second = least(least(most(first, other_first), second), other_second);
        at = least_at(first, other_first, at, other_at + both(2.0));
        first = least(first, other_first);
        second = least(most(first, turned(first)), least(second, turned(second)));
        double k = least_at(first, turned(first), at, turned(at))[0];
        double x = least(first, turned(first))[0], y = second[0];
        for (; j < m; ++j) {
            const double h = c[j] - price[j], high = x > h ? x : h;
            y = high < y ? high : y;
            k = h < x ? j : k;
            x = h < x ? h : x;
        }
        return {x, y, static_cast<std::int32_t>(k)};
    }

    /// The lowest column without a row whose reduced cost is `value`, or -1.
    FUSION_INLINE std::int32_t free_at(std::int32_t i, double value, const Columns& s) const {
        for (std::int32_t j = 0; j < m; ++j) {
            if (s.owner[j] < 0 && at(i, j) - s.price[j] == value) return j;
        }
        return -1;
    }

    /// The lowest column without a row at this distance, or -1.
    FUSION_INLINE std::int32_t free_near(double distance, const Columns& s) const {
        for (std::int32_t j = 0; j < m; ++j) {
            if (s.owner[j] < 0 && s.key[j] == distance) return j;
        }
        return -1;
    }

    FUSION_INLINE void begin(Columns& s) const {
        for (std::int32_t j = 0; j < m; ++j) s.key[j] = kInfinite;
        for (std::int32_t j = 0; j < m; ++j) s.open[j] = s.price[j];
    }

    FUSION_INLINE void begin_saturated(Columns& s) const {
        for (std::int32_t j = 0; j < m; ++j) {
            s.key[j] = kInfinite;
            s.open[j] = s.price[j] == -kInfinite ? s.frozen[j] : -kInfinite;
        }
    }

    FUSION_INLINE Nearest relax(std::int32_t i, double height, Columns& s) const {
        return relax(cost + static_cast<std::size_t>(i) * m, i, height, s);
    }

    /// The same through costs `c` that stand for those of row `i`.
    FUSION_INLINE Nearest relax(const double* c, std::int32_t i, double height, Columns& s) const {
        const double* open = s.open;
        double *from = s.from, *keys = s.key;
        const Pair through = both(i), h = both(height);
        Pair first = both(kInfinite), other = first, at = both(0.0), other_at = at, index = {0.0, 1.0};
        std::int32_t j = 0;
        for (; j + 4 <= m; j += 4) {
            const Pair a = load(c + j) - load(open + j) - h, key = load(keys + j);
            const Pair b = load(c + j + 2) - load(open + j + 2) - h, other_key = load(keys + j + 2);
            store(from + j, less_choose(a, key, through, load(from + j)));
            store(from + j + 2, less_choose(b, other_key, through, load(from + j + 2)));
            const Pair d = least(a, key), e = least(b, other_key);
            store(keys + j, d);
            store(keys + j + 2, e);
            at = less_choose(d, first, index, at);
            first = least(d, first);
            other_at = less_choose(e, other, index, other_at);
            other = least(e, other);
            index = index + both(4.0);
        }
        at = least_at(first, other, at, other_at + both(2.0));
        first = least(first, other);
        double k = least_at(first, turned(first), at, turned(at))[0];
        double x = least(first, turned(first))[0];
        for (; j < m; ++j) {
            const double d = c[j] - open[j] - height;
            from[j] = d < keys[j] ? i : from[j];
            keys[j] = d < keys[j] ? d : keys[j];
            k = keys[j] < x ? j : k;
            x = keys[j] < x ? keys[j] : x;
        }
        return {x, static_cast<std::int32_t>(k)};
    }
};

/// Entries of row i are `cost[start[i]]` to `cost[start[i + 1] - 1]`, in any order; of equal places the cheapest
/// counts.
struct SparseRows {
    const double* cost;
    const std::int32_t* column;
    const std::int64_t* start;
    std::int32_t n, m;
    std::int32_t touched;

    double at(std::int32_t i, std::int32_t j) const {
        double x = kInfinite;
        for (std::int64_t e = start[i]; e < start[i + 1]; ++e) {
            if (column[e] == j && cost[e] < x) x = cost[e];
        }
        return x;
    }

    TwoLeast two_least(std::int32_t i, const double* price) const {
        TwoLeast found{kInfinite, kInfinite, 0};
        for (std::int64_t e = start[i]; e < start[i + 1]; ++e) {
            const double h = cost[e] - price[column[e]];
            if (h < found.first || (h == found.first && h < kInfinite && column[e] < found.column)) {
                found = {h, found.first, column[e]};
            } else if (h < found.second) {
                found.second = h;
            }
        }
        return found;
    }

    std::int32_t free_at(std::int32_t i, double value, const Columns& s) const {
        std::int32_t found = m;
        for (std::int64_t e = start[i]; e < start[i + 1]; ++e) {
            const std::int32_t j = column[e];
            if (j < found && s.owner[j] < 0 && cost[e] - s.price[j] == value) found = j;
        }
        return found < m ? found : -1;
    }

    std::int32_t free_near(double distance, const Columns& s) const {
        std::int32_t found = m;
        for (std::int32_t k = 0; k < touched; ++k) {
            const std::int32_t j = s.touched[k];
            if (j < found && s.owner[j] < 0 && s.key[j] == distance) found = j;
        }
        return found < m ? found : -1;
    }

    void begin(Columns& s) {
        for (std::int32_t k = 0; k < touched; ++k) {
            const std::int32_t j = s.touched[k];
            s.key[j] = kInfinite;
            s.open[j] = s.price[j];
        }
        touched = 0;
    }

    void begin_saturated(Columns& s) {
        for (std::int32_t j = 0; j < m; ++j) {
            s.key[j] = kInfinite;
            s.open[j] = s.price[j] == -kInfinite ? s.frozen[j] : -kInfinite;
            s.touched[j] = j;
        }
        touched = m;
    }

    Nearest relax(std::int32_t i, double height, Columns& s) {
        for (std::int64_t e = start[i]; e < start[i + 1]; ++e) {
            const std::int32_t j = column[e];
            const double d = cost[e] - s.open[j] - height;
            if (d < s.key[j]) {
                if (s.key[j] == kInfinite && touched < m) s.touched[touched++] = j;
                s.key[j] = d;
                s.from[j] = i;
            }
        }
        Nearest nearest{kInfinite, 0};
        for (std::int32_t k = 0; k < touched; ++k) {
            const std::int32_t j = s.touched[k];
            if (s.key[j] < nearest.distance || (s.key[j] == nearest.distance && j < nearest.column)) {
                nearest = {s.key[j], j};
            }
        }
        return nearest;
    }
};

}  // namespace fusion
