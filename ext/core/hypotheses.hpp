// The K best joint hypotheses about what everybody carries and what lies misplaced.
//
// Solved: extend every hypothesis by every explanation of an event, keep the K best states, merge equal ones.
// Source: fusion/reference/hypotheses.py, statement by statement; multiple-hypothesis tracking (Reid 1979; Blackman
//   2004), the state being sets of items instead of tracks.
// Assumes: each hypothesis has room for 4 records more than it holds. Storage is the caller's.
// Units: natural logarithms. Cost: O(H E log(H E)) at worst; explanations are pruned best first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "association.hpp"

namespace fusion {

/// `quantity` > 0 units of a product: with shopper `owner` >= 0, or misplaced on plate -1 - owner.
struct Record {
    int32_t owner, product, quantity;
};

/// Hypotheses with log-weights; `records` is (capacity, stride), each row sorted by owner and product.
struct Hypotheses {
    double* weight;
    int32_t* count;
    Record* records;
    std::size_t n, stride;

    Record* row(std::size_t h) const { return records + h * stride; }
};

/// Where a new hypothesis may come from.
struct Branch {
    double value;
    int32_t hypothesis, explanation;
};

/// What an event is to the hypotheses.
struct Scene {
    const int32_t* plates;
    std::size_t n;
    int32_t main_plate;
    int32_t products, facings;
};

/// Units of a product that an owner has; of all products if `product` is negative.
inline int32_t units(const Record* records, int32_t count, int32_t owner, int32_t product) {
    int32_t total = 0;
    for (int32_t i = 0; i < count; ++i) {
        if (records[i].owner == owner && (product < 0 || records[i].product == product)) total += records[i].quantity;
    }
    return total;
}

/// Log-prior of one part in one hypothesis: what lies here, and what the shopper carries; relative to any one facing
/// being as likely a place as another, which the null shares.
inline double log_feasible(const Part& part, const Record* records, int32_t count, const Scene& scene,
                           const AssociationSettings& s) {
    const double log_products = std::log(static_cast<double>(scene.products));
    if (part.quantity < 0) {
        const double result = std::log(1.0 - s.returning);
        if (part.place > 0) return result;
        for (std::size_t k = 0; k < scene.n; ++k) {
            if (units(records, count, -1 - scene.plates[k], part.product) >= -part.quantity) return result;
        }
        return result + std::log(s.stray) - log_products;
    }
    double result = std::log(s.returning);
    result += part.place > 0 ? std::log(1.0 - s.misplacing) + std::log(static_cast<double>(scene.facings))
                             : std::log(s.misplacing);
    if (units(records, count, part.shopper, part.product) >= part.quantity) {
        return result - std::log(static_cast<double>(units(records, count, part.shopper, -1)));
    }
    return result + std::log(s.foreign) - log_products;
}

/// Add to a record, keeping records sorted and positive; returns the new count.
inline int32_t add(Record* records, int32_t count, int32_t owner, int32_t product, int32_t quantity) {
    int32_t i = 0;
    while (i < count && (records[i].owner < owner || (records[i].owner == owner && records[i].product < product))) ++i;
    if (i < count && records[i].owner == owner && records[i].product == product) {
        records[i].quantity += quantity;
        if (records[i].quantity > 0) return count;
        for (int32_t k = i; k < count - 1; ++k) records[k] = records[k + 1];
        return count - 1;
    }
    for (int32_t k = count; k > i; --k) records[k] = records[k - 1];
    records[i] = {owner, product, quantity};
    return count + 1;
}

/// Change a hypothesis by one part; returns its new count of records.
inline int32_t apply(const Part& part, Record* records, int32_t count, const Scene& scene) {
    if (part.product < 0) return count;
    if (part.quantity < 0) {
        for (std::size_t k = 0; part.place == 0 && k < scene.n; ++k) {
            if (units(records, count, -1 - scene.plates[k], part.product) >= -part.quantity) {
                count = add(records, count, -1 - scene.plates[k], part.product, part.quantity);
                break;
            }
        }
        return add(records, count, part.shopper, part.product, -part.quantity);
    }
    if (units(records, count, part.shopper, part.product) >= part.quantity) {
        count = add(records, count, part.shopper, part.product, -part.quantity);
    }
    if (part.place == 0) count = add(records, count, -1 - scene.main_plate, part.product, part.quantity);
    return count;
}

inline bool same_state(const Record* a, int32_t count_a, const Record* b, int32_t count_b) {
    if (count_a != count_b) return false;
    for (int32_t i = 0; i < count_a; ++i) {
        if (a[i].owner != b[i].owner || a[i].product != b[i].product || a[i].quantity != b[i].quantity) return false;
    }
    return true;
}

/// A number that equal states share and different ones hardly ever (as FNV-1a, a record at a time).
inline uint64_t fingerprint(const Record* records, int32_t count) {
    constexpr uint64_t kPrime = 0x9e3779b97f4a7c15;  // odd, its bits even out
    uint64_t hash = 0;
    for (int32_t i = 0; i < count; ++i) {
        const uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(records[i].owner)) << 32 |
                             static_cast<uint32_t>(records[i].product);
        hash = (hash ^ (key * kPrime + static_cast<uint32_t>(records[i].quantity))) * kPrime;
    }
    return hash;
}

/// Add a state to the one of the first `kept` that equals it, or write it behind them if there is room. `prints` (kept)
/// are their fingerprints: most of the time goes into finding states different.
inline std::size_t merge(const Record* trial, int32_t count, double linear_weight, Hypotheses& out, uint64_t* prints,
                         std::size_t kept) {
    const uint64_t print = fingerprint(trial, count);
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

/// Caller-owned room: order (explanations), branches (hypotheses * (explanations + 1)), trial (stride), prints (new
/// hypotheses).
struct UpdateRoom {
    int32_t* order;
    Branch* branches;
    Record* trial;
    uint64_t* prints;
};

/// Divide a row of weights by their sum.
inline void divide(double* row, std::size_t n, double total) {
    for (std::size_t i = 0; i < n; ++i) row[i] /= total;
}

/// Extend `in` by the explanations into `out` (capacity out.n). `share` (out.n, in.n) and `chosen` (out.n,
/// explanations) tell how much of each new hypothesis came from each old one and by each explanation; rows sum to 1.
/// `echo` is the null's log-likelihood ratio in each hypothesis, for what it knows of earlier events. Returns how many
/// hypotheses were written.
inline std::size_t update(const Hypotheses& in, const double* echo, const Explanations& explanations,
                          const Scene& scene, const AssociationSettings& s, UpdateRoom room, Hypotheses& out,
                          double* share, double* chosen) {
    const double* score = explanations.log_score;
    for (std::size_t e = 0; e < explanations.n; ++e) room.order[e] = static_cast<int32_t>(e);
    std::sort(room.order, room.order + explanations.n,
              [score](int32_t a, int32_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
    const double negligible = std::log(s.negligible);
    const double most = 2.0 * std::log(static_cast<double>(scene.facings));  // that log_feasible adds to two parts
    double best = -std::numeric_limits<double>::infinity();
    std::size_t n = 0;
    for (std::size_t h = 0; h < in.n; ++h) {
        room.branches[n] = {in.weight[h] + score[0] + echo[h], static_cast<int32_t>(h), 0};
        best = std::fmax(best, room.branches[n++].value);
        for (std::size_t i = 0; i < explanations.n; ++i) {
            const int32_t e = room.order[i];
            double v = in.weight[h] + score[e];
            if (v + most < best + negligible) break;
            if (e == 0) continue;
            for (const Part& part : explanations.parts[e]) {
                if (part.product >= 0) v += log_feasible(part, in.row(h), in.count[h], scene, s);
            }
            if (v < best + negligible) continue;
            room.branches[n++] = {v, static_cast<int32_t>(h), e};
            best = std::fmax(best, v);
        }
    }
    // Among equals the order in which they were listed: the null first, then by falling score.
    const auto rank = [score](const Branch& b) {
        return b.explanation == 0 ? std::numeric_limits<double>::infinity() : score[b.explanation];
    };
    std::sort(room.branches, room.branches + n, [rank](const Branch& a, const Branch& b) {
        if (a.value != b.value) return a.value > b.value;
        if (a.hypothesis != b.hypothesis) return a.hypothesis < b.hypothesis;
        return rank(a) != rank(b) ? rank(a) > rank(b) : a.explanation < b.explanation;
    });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < n && room.branches[i].value >= best + negligible; ++i) {
        const Branch& b = room.branches[i];
        int32_t count = in.count[b.hypothesis];
        const Record* from = in.row(static_cast<std::size_t>(b.hypothesis));
        for (int32_t k = 0; k < count; ++k) room.trial[k] = from[k];
        for (const Part& part : explanations.parts[b.explanation]) count = apply(part, room.trial, count, scene);
        const double linear = std::exp(b.value - best);
        const std::size_t k = merge(room.trial, count, linear, out, room.prints, kept);
        if (k == out.n) continue;
        double *from_each = share + k * in.n, *by_each = chosen + k * explanations.n;
        if (k == kept) {
            std::fill(from_each, from_each + in.n, 0.0);
            std::fill(by_each, by_each + explanations.n, 0.0);
            ++kept;
        }
        from_each[b.hypothesis] += linear;
        by_each[b.explanation] += linear;
    }
    for (std::size_t k = 0; k < kept; ++k) {
        divide(share + k * in.n, in.n, out.weight[k]);
        divide(chosen + k * explanations.n, explanations.n, out.weight[k]);
    }
    normalise(out.weight, kept);
    return kept;
}

/// Drop an owner's records from all hypotheses, in place, and merge those that become equal; `trial` has room for
/// one row, `prints` for n. Returns how many are left; `share` (n, n) tells how much of each came from each old one.
inline std::size_t forget(int32_t owner, Hypotheses& hypotheses, Record* trial, uint64_t* prints, double* share) {
    double best = hypotheses.weight[0];
    for (std::size_t h = 1; h < hypotheses.n; ++h) best = std::fmax(best, hypotheses.weight[h]);
    std::size_t kept = 0;
    for (std::size_t h = 0; h < hypotheses.n; ++h) {
        int32_t count = 0;
        for (int32_t i = 0; i < hypotheses.count[h]; ++i) {
            if (hypotheses.row(h)[i].owner != owner) trial[count++] = hypotheses.row(h)[i];
        }
        const double linear = std::exp(hypotheses.weight[h] - best);
        const std::size_t k = merge(trial, count, linear, hypotheses, prints, kept);
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

}  // namespace fusion
