// Transfers: in which hypotheses something went from hand to hand, without a gram on any shelf.
//
// Solved: extend every hypothesis by every unit that may have been passed, keep the K best states, merge equal ones.
// Source: fusion/reference/transfers.py, statement by statement; multiple-hypothesis tracking (Reid 1979; Blackman
//   2004).
// Assumes: each hypothesis has room for one record more than it holds. Storage is the caller's.
// Units: natural logarithms. Cost: O(H M (R + log(H M))).
#pragma once

#include "hypotheses.hpp"

namespace fusion {

/// One unit of a product may have gone from one shopper to another.
struct Move {
    int32_t giver, receiver, product;
};

/// What may have been passed (n moves), how likely each is in the giver's hand if he carries any; the same for each
/// unit that he carries anywhere, and for what is not the store's; and how probably anything was passed.
struct Passing {
    const Move* moves;
    const double* in_hand;
    std::size_t n;
    double from_basket, own_things, passing;
};

/// Hypothesis `hypothesis` after move `move`; the first is that nothing was passed.
struct Passed {
    double value;
    int32_t hypothesis, move;
};

/// The log-probabilities, (1 + n), that nothing and that each of the moves was passed in one hypothesis.
inline void log_moves(const Record* records, int32_t count, const Passing& all, Passed* out) {
    double total = all.own_things;
    for (std::size_t m = 0; m < all.n; ++m) {
        const int32_t carried = units(records, count, all.moves[m].giver, all.moves[m].product);
        out[1 + m].value = carried > 0 ? all.in_hand[m] + all.from_basket * static_cast<double>(carried) : 0.0;
        total += out[1 + m].value;
    }
    out[0].value = std::log(1.0 - all.passing + all.passing * (all.own_things / total));
    for (std::size_t m = 0; m < all.n; ++m) {
        const double share = all.passing * (out[1 + m].value / total);
        out[1 + m].value = share > 0.0 ? std::log(share) : -std::numeric_limits<double>::infinity();
    }
}

/// Extend `in` by the moves into `out` (capacity out.n). Room: `branches` (in.n (1 + n)), `trial` (stride), `prints`
/// (out.n). Written: `share` (out.n, in.n) and `chosen` (out.n, 1 + n), how much of each came from each old one and by
/// each move. Returns how many hypotheses were written.
inline std::size_t transfer(const Hypotheses& in, const Passing& all, double negligible, Passed* branches,
                            Record* trial, uint64_t* prints, Hypotheses& out, double* share, double* chosen) {
    const std::size_t columns = 1 + all.n, n = in.n * columns;
    for (std::size_t h = 0; h < in.n; ++h) {
        Passed* own = branches + h * columns;
        log_moves(in.row(h), in.count[h], all, own);
        for (std::size_t m = 0; m < columns; ++m) {
            own[m] = {own[m].value + in.weight[h], static_cast<int32_t>(h), static_cast<int32_t>(m)};
        }
    }
    std::sort(branches, branches + n, [](const Passed& a, const Passed& b) {
        if (a.value != b.value) return a.value > b.value;
        return a.hypothesis != b.hypothesis ? a.hypothesis < b.hypothesis : a.move < b.move;
    });
    const double best = branches[0].value, least = best + std::log(negligible);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n && branches[i].value >= least; ++i) {
        const std::size_t h = static_cast<std::size_t>(branches[i].hypothesis),
                          m = static_cast<std::size_t>(branches[i].move);
        int32_t count = in.count[h];
        std::copy_n(in.row(h), count, trial);
        if (m > 0) {
            const Move& move = all.moves[m - 1];
            count = add(trial, count, move.giver, move.product, -1);
            if (move.receiver < kStaff) count = add(trial, count, move.receiver, move.product, 1);
        }
        const double linear = std::exp(branches[i].value - best);
        const std::size_t k = merge(trial, count, fingerprint(trial, count), linear, out, prints, kept);
        if (k == out.n) continue;
        if (k == kept) {
            std::fill_n(share + k * in.n, in.n, 0.0);
            std::fill_n(chosen + k * columns, columns, 0.0);
            ++kept;
        }
        share[k * in.n + h] += linear;
        chosen[k * columns + m] += linear;
    }
    for (std::size_t k = 0; k < kept; ++k) {
        divide(share + k * in.n, in.n, out.weight[k]);
        divide(chosen + k * columns, columns, out.weight[k]);
    }
    normalise(out.weight, kept);
    return kept;
}

}  // namespace fusion
