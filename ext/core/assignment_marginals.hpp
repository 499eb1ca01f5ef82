// How probable each pairing is, over all assignments of a few rows.
//
// Solved: an assignment weighs the product of weight[i][j] over the rows i that have a column j of their own, and of
//   miss[i] over those that have none; the probability of a pairing is the weight of the assignments that hold it over
//   the weight of all. Without misses that is a permanent; with them, the association probabilities of joint
//   probabilistic data association (Fortmann, Bar-Shalom & Scheffe 1983).
// Source: Bellman's recursion over sets of rows, column by column: before[j][S] is the weight of all ways to give the
//   rows S columns below j, after[S] that of completing S with columns from j on.
// Assumes: weights and misses finite, >= 0; n <= 8. Rows are scaled to a largest weight of 1. Storage is the caller's.
// Cost: m n 2^n multiply-adds; 8 rows and 8 columns about 10 us. Only + * /, but for the logarithm of the total.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "pairs.hpp"

namespace fusion {

constexpr std::int32_t kMarginalRows = 8;
constexpr std::int32_t kRowSets = 1 << kMarginalRows;
constexpr double kLeastTotal = 1e-290;  // above it, what underflow took does not show

/// Divides row i's weights and miss by the largest of them, which is returned.
FUSION_INLINE double scale_row(const double* weight, double miss, std::int32_t m, double* scaled, double& scaled_miss) {
    double top = miss;
    for (std::int32_t j = 0; j < m; ++j) top = weight[j] > top ? weight[j] : top;
    for (std::int32_t j = 0; j < m; ++j) scaled[j] = top > 0.0 ? weight[j] / top : 0.0;
    scaled_miss = top > 0.0 ? miss / top : 0.0;
    return top;
}

/// Adds to `now` the sets of `old` with row i, which pays w.
FUSION_INLINE void give(const double* old, double w, std::int32_t i, std::int32_t sets, double* now) {
    const std::int32_t bit = 1 << i;
    if (i == 0) {
        for (std::int32_t set = 0; set < sets; set += 2) now[set + 1] += old[set] * w;
        return;
    }
    for (std::int32_t high = 0; high < sets; high += 2 * bit) {
        for (std::int32_t set = high; set < high + bit; set += 2) {
            store(now + set + bit, load(now + set + bit) + load(old + set) * both(w));
        }
    }
}

/// Adds to `now` the completions of sets without row i by that row, which pays w; returns the weight of all
/// assignments that do so, in four partial sums.
FUSION_INLINE double take(const double* old, const double* after, double w, std::int32_t i, std::int32_t sets,
                          double* now) {
    const std::int32_t bit = 1 << i;
    double part[4] = {0.0, 0.0, 0.0, 0.0};
    if (i == 0) {
        for (std::int32_t set = 0; set < sets; set += 2) {
            const double rest = after[set + 1] * w;
            now[set] += rest;
            part[set >> 1 & 3] += old[set] * rest;
        }
    } else {
        Pair even = both(0.0), odd = even;
        for (std::int32_t high = 0; high < sets; high += 2 * bit) {
            for (std::int32_t set = high; set < high + bit; set += 2) {
                const Pair rest = load(after + set + bit) * both(w);
                store(now + set, load(now + set) + rest);
                const Pair next = even + load(old + set) * rest;
                even = odd;
                odd = next;
            }
        }
        store(part, even);
        store(part + 2, odd);
    }
    return (part[0] + part[1]) + (part[2] + part[3]);
}

/// `before` has (m + 1) 2^n elements; the probabilities (n, m + 1) end with that of no column.
/// Returns the logarithm of the total weight; if that is below kLeastTotal, -inf, and the
/// probabilities are NaN.
FUSION_INLINE double marginals_of_one(const double* weight, const double* miss, std::int32_t n, std::int32_t m,
                                      double* before, double* probability) {
    const std::int32_t sets = 1 << n;
    const std::size_t width = static_cast<std::size_t>(m) + 1;
    double after[kRowSets], next[kRowSets], left[kMarginalRows], log_total = 0.0;
    for (std::int32_t i = 0; i < n; ++i) {
        log_total +=
            std::log(scale_row(weight + static_cast<std::size_t>(i) * m, miss[i], m, probability + i * width, left[i]));
    }
    for (std::int32_t set = 0; set < sets; ++set) before[set] = set == 0 ? 1.0 : 0.0;
    for (std::int32_t j = 0; j < m; ++j) {
        const double* old = before + static_cast<std::size_t>(j) * sets;
        double* now = before + static_cast<std::size_t>(j + 1) * sets;
        for (std::int32_t set = 0; set < sets; ++set) now[set] = old[set];
        for (std::int32_t i = 0; i < n; ++i) give(old, probability[i * width + j], i, sets, now);
    }
    double total = 0.0;
    const double* all = before + static_cast<std::size_t>(m) * sets;
    for (std::int32_t set = 0; set < sets; ++set) {
        after[set] = 1.0;
        for (std::int32_t i = 0; i < n; ++i) after[set] *= set >> i & 1 ? 1.0 : left[i];
        total += all[set] * after[set];
    }
    if (!(total >= kLeastTotal)) {
        for (std::size_t e = 0; e < n * width; ++e) probability[e] = std::numeric_limits<double>::quiet_NaN();
        return -std::numeric_limits<double>::infinity();
    }
    for (std::int32_t i = 0; i < n; ++i) {
        double missed = 0.0;
        for (std::int32_t set = 0; set < sets; ++set) missed += set >> i & 1 ? 0.0 : all[set] * after[set];
        probability[i * width + m] = missed / total;
    }
    for (std::int32_t j = m - 1; j >= 0; --j) {
        const double* old = before + static_cast<std::size_t>(j) * sets;
        for (std::int32_t set = 0; set < sets; ++set) next[set] = after[set];
        for (std::int32_t i = 0; i < n; ++i) {
            double& w = probability[i * width + j];
            w = take(old, after, w, i, sets, next) / total;
        }
        for (std::int32_t set = 0; set < sets; ++set) after[set] = next[set];
    }
    return log_total + std::log(total);
}

/// Solves a batch; false, with nothing done, if there are more rows than kMarginalRows.
FUSION_CLONES static bool marginals(const double* weight, const double* miss, std::size_t batch, std::int32_t n,
                                    std::int32_t m, double* before, double* probability, double* log_total) {
    if (n > kMarginalRows) return false;
    const std::size_t size = static_cast<std::size_t>(n) * m;
    for (std::size_t b = 0; b < batch; ++b) {
        log_total[b] = marginals_of_one(weight + b * size, miss + b * n, n, m, before, probability + b * (size + n));
    }
    return true;
}

}  // namespace fusion
