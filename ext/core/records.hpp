// Records: what everybody carries and what lies misplaced, in one hypothesis and in many.
//
// Solved: changing, comparing, merging and pairing sets of hypotheses (clusters).
// Source: fusion/reference/records.py, statement by statement.
// Assumes: records are sorted by owner and product, quantities are not 0; storage is the caller's, with the room told.
// Units: natural logarithms. Cost: O(records) each.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace fusion {

/// `quantity` units of a product: with shopper `owner` >= 0, or misplaced on plate -1 - owner. Above 0, or, where a
/// hypothesis tells how it differs from what is written elsewhere, not 0.
struct Record {
    int32_t owner, product, quantity;
};

/// Hypotheses with log-weights; `records` is (n, stride), each row sorted by owner and product.
struct Hypotheses {
    double* weight;
    int32_t* count;
    Record* records;
    std::size_t n, stride;

    Record* row(std::size_t h) const { return records + h * stride; }
};

/// Where an owner's records from a product on begin.
inline int32_t find(const Record* records, int32_t count, int32_t owner, int32_t product) {
    const auto before = [=](const Record& r) { return r.owner != owner ? r.owner < owner : r.product < product; };
    int32_t low = 0;
    for (int32_t n = count; n > 0;) {
        const int32_t half = n / 2;
        const bool after = before(records[low + half]);
        low = after ? low + half + 1 : low;
        n = after ? n - half - 1 : half;
    }
    return low;
}

/// Units of a product that an owner has; of all products if `product` is negative.
inline int32_t units(const Record* records, int32_t count, int32_t owner, int32_t product) {
    int32_t total = 0;
    for (int32_t i = find(records, count, owner, product); i < count && records[i].owner == owner; ++i) {
        if (product >= 0 && records[i].product != product) break;
        total += records[i].quantity;
    }
    return total;
}

/// What a record gives to a fingerprint.
inline uint64_t mixed(const Record& r) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15, kOther = 0xbf58476d1ce4e5b9;  // their bits even out
    const uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(r.owner)) << 32 | static_cast<uint32_t>(r.product);
    const uint64_t hash = (key + static_cast<uint32_t>(r.quantity) * kOther) * kOdd;
    return (hash ^ hash >> 32) * kOther;
}

/// A number that equal states share and different ones hardly ever: a sum, so that what changes is all that is added.
inline uint64_t fingerprint(const Record* records, int32_t count) {
    uint64_t print = 0;
    for (int32_t i = 0; i < count; ++i) print += mixed(records[i]);
    return print;
}

/// Add to a record, keeping records sorted and other than 0, and their fingerprint if it is given; returns the new
/// count.
inline int32_t add(Record* records, int32_t count, int32_t owner, int32_t product, int32_t quantity,
                   uint64_t* print = nullptr) {
    const int32_t i = find(records, count, owner, product);
    if (i < count && records[i].owner == owner && records[i].product == product) {
        if (print) *print -= mixed(records[i]);
        records[i].quantity += quantity;
        if (records[i].quantity != 0) {
            if (print) *print += mixed(records[i]);
            return count;
        }
        std::copy(records + i + 1, records + count, records + i);
        return count - 1;
    }
    std::copy_backward(records + i, records + count, records + count + 1);
    records[i] = {owner, product, quantity};
    if (print) *print += mixed(records[i]);
    return count + 1;
}

/// Drop an owner's records; returns the new count.
inline int32_t remove(Record* records, int32_t count, int32_t owner) {
    int32_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
        if (records[i].owner != owner) records[kept++] = records[i];
    }
    return kept;
}

inline bool same_state(const Record* a, int32_t count_a, const Record* b, int32_t count_b) {
    if (count_a != count_b) return false;
    for (int32_t i = 0; i < count_a; ++i) {
        if (a[i].owner != b[i].owner || a[i].product != b[i].product || a[i].quantity != b[i].quantity) return false;
    }
    return true;
}

/// Add a state to the one of the first `kept` that equals it, or write it behind them if there is room. `prints` (kept)
/// are their fingerprints: most of the time goes into finding states different.
/// `print` is that of the state.
inline std::size_t merge(const Record* trial, int32_t count, uint64_t print, double linear_weight, Hypotheses& out,
                         uint64_t* prints, std::size_t kept) {
    std::size_t k = 0;
    while (k < kept && (prints[k] != print || !same_state(trial, count, out.row(k), out.count[k]))) ++k;
    if (k < kept) {
        out.weight[k] += linear_weight;
    } else if (k < out.n) {
        prints[k] = print;
        out.weight[k] = linear_weight;
        out.count[k] = count;
        for (int32_t i = 0; i < count; ++i) out.row(k)[i] = trial[i];
    }
    return k;
}

/// Turn linear weights into normalised log-weights.
inline void normalise(double* weight, std::size_t kept) {
    double total = 0.0;
    for (std::size_t k = 0; k < kept; ++k) total += weight[k];
    for (std::size_t k = 0; k < kept; ++k) weight[k] = std::log(weight[k] / total);
}

/// Divide a row of weights by their sum.
inline void divide(double* row, std::size_t n, double total) {
    for (std::size_t i = 0; i < n; ++i) row[i] /= total;
}

/// Drop an owner's records from all hypotheses, in place, and merge those that become equal; `trial` has room for
/// one row, `prints` for n. Returns how many are left; `share` (n, n) tells how much of each came from each old one.
inline std::size_t forget(int32_t owner, Hypotheses& hypotheses, Record* trial, uint64_t* prints, double* share) {
    double best = hypotheses.weight[0];
    for (std::size_t h = 1; h < hypotheses.n; ++h) best = std::max(best, hypotheses.weight[h]);
    std::size_t kept = 0;
    for (std::size_t h = 0; h < hypotheses.n; ++h) {
        std::copy_n(hypotheses.row(h), hypotheses.count[h], trial);
        const int32_t count = remove(trial, hypotheses.count[h], owner);
        const double linear = std::exp(hypotheses.weight[h] - best);
        const std::size_t k = merge(trial, count, fingerprint(trial, count), linear, hypotheses, prints, kept);
        double* from_each = share + k * hypotheses.n;
        if (k == kept) {
            std::fill(from_each, from_each + hypotheses.n, 0.0);
            ++kept;
        }
        from_each[h] += linear;
    }
    for (std::size_t k = 0; k < kept; ++k) divide(share + k * hypotheses.n, hypotheses.n, hypotheses.weight[k]);
    normalise(hypotheses.weight, kept);
    return kept;
}

/// A pair of hypotheses of two clusters.
struct Pair {
    double value;
    int32_t one, other;
};

/// Pair the hypotheses of two clusters that have no owner in common into `out` (the out.n best pairs). `pairs` has room
/// for all of them, a row of `out` for the records of the fullest two; `source` (out.n, 2) tells which two each is made
/// of. Returns how many were written.
inline std::size_t join(const Hypotheses& a, const Hypotheses& b, double negligible, Pair* pairs, Hypotheses& out,
                        int32_t (*source)[2]) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < a.n; ++i) {
        for (std::size_t j = 0; j < b.n; ++j) {
            pairs[n++] = {a.weight[i] + b.weight[j], static_cast<int32_t>(i), static_cast<int32_t>(j)};
        }
    }
    std::partial_sort(pairs, pairs + std::min(n, out.n), pairs + n, [](const Pair& x, const Pair& y) {
        if (x.value != y.value) return x.value > y.value;
        return x.one != y.one ? x.one < y.one : x.other < y.other;
    });
    const double best = pairs[0].value, least = best + std::log(negligible);
    std::size_t kept = 0;
    for (; kept < std::min(n, out.n) && pairs[kept].value >= least; ++kept) {
        const std::size_t i = static_cast<std::size_t>(pairs[kept].one),
                          j = static_cast<std::size_t>(pairs[kept].other);
        int32_t count = a.count[i];
        std::copy_n(a.row(i), count, out.row(kept));
        for (int32_t k = 0; k < b.count[j]; ++k) {
            const Record& r = b.row(j)[k];
            count = add(out.row(kept), count, r.owner, r.product, r.quantity);
        }
        out.weight[kept] = std::exp(pairs[kept].value - best);
        out.count[kept] = count;
        source[kept][0] = pairs[kept].one;
        source[kept][1] = pairs[kept].other;
    }
    normalise(out.weight, kept);
    return kept;
}

/// Whether an owner has the same records in all hypotheses.
inline bool certain(const Hypotheses& hypotheses, int32_t owner) {
    const auto run = [&](std::size_t h) {
        const Record* first = hypotheses.row(h);
        const Record* last = first + hypotheses.count[h];
        const Record* low = first;
        while (low < last && low->owner < owner) ++low;
        const Record* high = low;
        while (high < last && high->owner == owner) ++high;
        return std::pair<const Record*, const Record*>(low, high);
    };
    const auto expected = run(0);
    for (std::size_t h = 1; h < hypotheses.n; ++h) {
        const auto here = run(h);
        if (!same_state(here.first, static_cast<int32_t>(here.second - here.first), expected.first,
                        static_cast<int32_t>(expected.second - expected.first))) {
            return false;
        }
    }
    return true;
}

/// Of which product of whose there are doubts.
struct Doubt {
    int32_t owner, product;
};

/// Whether one comes before another in the order of records.
template <class A, class B>
bool before(const A& a, const B& b) {
    return a.owner != b.owner ? a.owner < b.owner : a.product < b.product;
}

/// Add n sorted records to each hypothesis of `in`, as `out` receives it; `out` has room for n more.
inline void add_to_all(const Record* found, std::size_t n, const Hypotheses& in, Hypotheses& out) {
    for (std::size_t h = 0; h < in.n; ++h) {
        const Record *own = in.row(h), *own_end = own + in.count[h], *other = found, *other_end = found + n;
        Record* r = out.row(h);
        while (own < own_end || other < other_end) {
            if (other == other_end || (own < own_end && before(*own, *other))) {
                *r++ = *own++;
            } else if (own == own_end || before(*other, *own)) {
                *r++ = *other++;
            } else {
                *r = *own++;
                r->quantity += (other++)->quantity;
                r += r->quantity != 0;
            }
        }
        out.count[h] = static_cast<int32_t>(r - out.row(h));
    }
}

/// List of which products of whose there are records, sorted, each once; `doubtful` has room for all records together.
/// Returns how many.
inline std::size_t list_doubts(const Hypotheses& all, Doubt* doubtful) {
    std::size_t n = 0;
    for (std::size_t h = 0; h < all.n; ++h) {
        std::size_t at = 0;
        for (const Record* r = all.row(h); r < all.row(h) + all.count[h]; ++r, ++at) {
            while (at < n && before(doubtful[at], *r)) ++at;
            if (at < n && !before(*r, doubtful[at])) continue;
            std::copy_backward(doubtful + at, doubtful + n, doubtful + n + 1);
            doubtful[at] = {r->owner, r->product};
            ++n;
        }
    }
    return n;
}

}  // namespace fusion
