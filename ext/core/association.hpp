// Explanations of one weight event: who may have moved which products, with log-scores.
//
// Solved: all explanations of one event by one or two parts (shopper, product, quantity, place), and the
//   log-likelihood ratio of every shopper's hand path at every place.
// Source: fusion/reference/association.py, statement by statement; multiple-hypothesis tracking (Reid 1979).
// Assumes: delta and sigma > 0 within the range of float32, probabilities in (0, 1); hands may be NaN or infinite (not
//   seen), masses NaN (unknown).
// Units: grams, metres, natural logarithms.
// Cost: hands O(T S H X); explanations O(I S + I^2 S^2) for I items, pairs pruned before S^2.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace fusion {

constexpr double kPi = 3.14159265358979323846;

/// What the association believes before it sees an event; see fusion.AssociationSettings.
struct AssociationSettings {
    double reach_sigma_m, bystander_m, track_miss;
    double wrong_mass, wrong_factor, mass_spread, lightest_g, heaviest_g;
    double cross_talk, overhang, null, echo, more_units;
    double coincidence, returning, misplacing, stray, foreign, negligible;
    int32_t max_units;
};

/// One thing moved by one shopper; quantity < 0 is a take; place 0 is the event's own plates, 1 + j touched facing j.
struct Part {
    int32_t shopper, product, quantity, place;
};
constexpr Part kAbsent{-1, -1, 0, -1};

/// A weight event over n plates, with its places: inside[place * n + k] tells whether plate k belongs to it.
struct Event {
    const double *delta_g, *sigma_g;
    std::size_t n;
    const uint8_t* inside;
    const int32_t* facing_product;  // (facings), of places 1 ..
    std::size_t facings;
    const double* hands;  // (shoppers, 1 + facings), log-likelihood ratios
    std::size_t shoppers;
};

/// Caller-owned room for explanations; beyond the capacity n counts on, to tell how much is needed; best is over all.
struct Explanations {
    Part (*parts)[2];
    double* log_score;
    std::size_t capacity, n;
    double best;

    void put(double value, Part one, Part other) {
        if (n < capacity) {
            parts[n][0] = one;
            parts[n][1] = other;
            log_score[n] = value;
        }
        best = n == 0 ? value : std::fmax(best, value);
        ++n;
    }
};

/// What may have moved where; known: it stands there, lies there or is carried by somebody.
struct Item {
    int32_t product, place, known;
};

struct Sum {
    double total, var;
};

/// Boxes with centre, axes (columns) and half sizes; places are runs of boxes.
struct Boxes {
    const int32_t* place_start;  // (places + 1)
    std::size_t places;
    const double (*center)[3];
    const double (*axes)[3][3];
    const double (*half)[3];
};

inline double box_distance2(const double x[3], const double center[3], const double axes[3][3], const double half[3]) {
    double d2 = 0.0;
    for (int k = 0; k < 3; ++k) {
        double along = 0.0;
        for (int c = 0; c < 3; ++c) along += axes[c][k] * (x[c] - center[c]);
        const double out = std::fabs(along) - half[k];
        if (out > 0.0) d2 += out * out;
    }
    return d2;
}

/// hands (frames, shoppers, sides, 3) -> result (shoppers, places).
inline void hand_log_likelihood(const double* hands, std::size_t frames, std::size_t shoppers, std::size_t sides,
                                const Boxes& boxes, const AssociationSettings& s, double* result) {
    const double peak = s.bystander_m / (s.reach_sigma_m * std::sqrt(kPi / 2.0));
    for (std::size_t i = 0; i < shoppers; ++i) {
        for (std::size_t b = 0; b < boxes.places; ++b) {
            double near = 0.0;
            int64_t seen = 0;
            for (std::size_t t = 0; t < frames; ++t) {
                for (std::size_t h = 0; h < sides; ++h) {
                    const double* x = hands + ((t * shoppers + i) * sides + h) * 3;
                    if (!std::isfinite(x[0] + x[1] + x[2])) continue;
                    double d2 = std::numeric_limits<double>::infinity();
                    for (int32_t k = boxes.place_start[b]; k < boxes.place_start[b + 1]; ++k) {
                        const double box2 = box_distance2(x, boxes.center[k], boxes.axes[k], boxes.half[k]);
                        d2 = box2 < d2 ? box2 : d2;
                    }
                    ++seen;
                    near += std::exp(-0.5 * d2 / (s.reach_sigma_m * s.reach_sigma_m));
                }
            }
            const double density = seen > 0 ? peak * near / static_cast<double>(seen) : 0.0;
            result[i * boxes.places + b] = std::log((1.0 - s.track_miss) * density + s.track_miss);
        }
    }
}

inline bool in_either(const Event& e, int32_t a, int32_t b, std::size_t k) {
    return e.inside[static_cast<std::size_t>(a) * e.n + k] || e.inside[static_cast<std::size_t>(b) * e.n + k];
}

/// The change summed over the plates of place a or b, with its variance.
inline Sum place_sum(const Event& e, int32_t a, int32_t b) {
    Sum sum{0.0, 0.0};
    for (std::size_t k = 0; k < e.n; ++k) {
        if (in_either(e, a, b, k)) {
            sum.total += e.delta_g[k];
            sum.var += e.sigma_g[k] * e.sigma_g[k];
        }
    }
    return sum;
}

/// Log-density (per gram) of a change by something of unknown mass: uniform per octave.
inline double log_any_mass(double total, const AssociationSettings& s) {
    return -std::log(std::fmax(std::fabs(total), s.lightest_g) * std::log(s.heaviest_g / s.lightest_g));
}

/// Logarithm of exp(a) + exp(b).
inline double log_sum(double a, double b) {
    const double most = a > b ? a : b;
    if (most == -std::numeric_limits<double>::infinity()) return most;
    return most + std::log(std::exp(a - most) + std::exp(b - most));
}

/// Log-density (per gram) of a summed change given signed `quantity` units; catalogues are wrong at times, by a
/// log-normal factor.
inline double log_mass(Sum sum, double mass, int32_t quantity, const AssociationSettings& s) {
    if (sum.total * quantity <= 0.0) return -std::numeric_limits<double>::infinity();
    if (std::isnan(mass)) return log_any_mass(sum.total, s);
    const double spread = s.mass_spread * mass;
    const double v = sum.var + std::abs(quantity) * spread * spread;
    const double z = sum.total - quantity * mass;
    const double right = -0.5 * z * z / v - 0.5 * std::log(2.0 * kPi * v);
    const double sigma = std::log(s.wrong_factor);
    const double off = std::log(sum.total / (quantity * mass)) / sigma;
    const double wrong = -0.5 * off * off - std::log(std::fabs(sum.total) * sigma * std::sqrt(2.0 * kPi));
    return log_sum(std::log(1.0 - s.wrong_mass) + right, std::log(s.wrong_mass) + wrong);
}

/// Log-density of the change per plate given its `parts` sums: uniform inside the places, cross-talk outside.
inline double log_split(const Event& e, int32_t a, int32_t b, int parts, double moved_g, const AssociationSettings& s) {
    const double scale = std::fmax(moved_g, s.lightest_g);
    double result = parts * std::log(scale);
    for (std::size_t k = 0; k < e.n; ++k) {
        if (in_either(e, a, b, k)) {
            result -= std::log(scale);
        } else {
            const double v = e.sigma_g[k] * e.sigma_g[k] + (s.cross_talk * scale) * (s.cross_talk * scale);
            const double near = std::exp(-0.5 * e.delta_g[k] * e.delta_g[k] / v) / std::sqrt(2.0 * kPi * v);
            result += std::log((1.0 - s.overhang) * near + s.overhang / scale);
        }
    }
    return result;
}

/// Log-likelihood ratio of the null, given that an earlier event on these plates was one, against score `null`: what
/// rested on the shelf and was not the store's (a hand, a bag) goes away again by the weight with which it came.
inline double log_echo(const double* delta_g, const double* sigma_g, const double* earlier_g,
                       const double* earlier_sigma_g, std::size_t n, double null, const AssociationSettings& s) {
    double result = std::log(s.echo);
    for (std::size_t k = 0; k < n; ++k) {
        const double cross = s.cross_talk * earlier_g[k];
        const double v = sigma_g[k] * sigma_g[k] + earlier_sigma_g[k] * earlier_sigma_g[k] + cross * cross;
        const double z = delta_g[k] + earlier_g[k];
        result += -0.5 * z * z / v - 0.5 * std::log(2.0 * kPi * v);
    }
    return log_sum(result, null) - null;
}

/// What may have moved: products of touched facings, present ones, and any whose mass fits the whole change (it may
/// have been misplaced before anybody watched). `items` has room for facings + products; returns how many.
inline std::size_t list_items(const Event& e, const double* mass_g, const uint8_t* present, std::size_t products,
                              const AssociationSettings& s, Item* items) {
    std::size_t n = 0;
    for (std::size_t j = 0; j < e.facings; ++j) {
        items[n++] = {e.facing_product[j], static_cast<int32_t>(1 + j), 1};
    }
    const Sum sum = place_sum(e, 0, 0);
    for (std::size_t p = 0; p < products; ++p) {
        const double spread = s.mass_spread * mass_g[p];
        const double z = std::fabs(sum.total) - mass_g[p];
        if (present[p] || z * z <= 9.0 * (sum.var + spread * spread)) {
            items[n++] = {static_cast<int32_t>(p), 0, present[p]};
        }
    }
    return n;
}

/// One product moved by one shopper, 1 .. max_units of it.
inline void explain_one(const Event& e, Item item, const double* mass_g, const AssociationSettings& s,
                        Explanations& out) {
    const std::size_t places = 1 + e.facings;
    const Sum within = place_sum(e, item.place, item.place), sum = place_sum(e, item.place, 0);
    const int32_t sign = sum.total < 0.0 ? -1 : 1;
    const double split_within = log_split(e, item.place, item.place, 1, std::fabs(within.total), s);
    const double split = log_split(e, item.place, 0, 1, std::fabs(sum.total), s);
    for (int32_t q = 1; q <= s.max_units; ++q) {
        // It stands in its place, or reaches over to the other plates that changed.
        double weight =
            log_sum(std::log(1.0 - s.overhang) + log_mass(within, mass_g[item.product], sign * q, s) + split_within,
                    std::log(s.overhang) + log_mass(sum, mass_g[item.product], sign * q, s) + split);
        weight +=
            std::log(1.0 - s.more_units) + (q - 1) * std::log(s.more_units) - std::log(static_cast<double>(e.shoppers));
        for (std::size_t k = 0; k < e.shoppers; ++k) {
            const double value = weight + e.hands[k * places + static_cast<std::size_t>(item.place)];
            out.put(value, {static_cast<int32_t>(k), item.product, sign * q, item.place}, kAbsent);
        }
    }
}

/// Two products moved, one unit each, by one shopper or two, with scores from `floor` on.
inline void explain_pair(const Event& e, Item x, Item y, double floor, double nearest, const double* mass_g,
                         const AssociationSettings& s, Explanations& out) {
    const std::size_t places = 1 + e.facings;
    const int32_t a = x.place, b = y.place;
    const double mass_x = mass_g[x.product], mass_y = mass_g[y.product];
    bool joined = false;
    for (std::size_t k = 0; k < e.n; ++k) {
        joined |= e.inside[static_cast<std::size_t>(a) * e.n + k] && e.inside[static_cast<std::size_t>(b) * e.n + k];
    }
    const Sum sum_a = place_sum(e, a, a), sum_b = place_sum(e, b, b), both = place_sum(e, a, b);
    for (int signs = 0; signs < 4; ++signs) {
        const int32_t u = signs % 2 ? -1 : 1, v = signs >= 2 ? -1 : 1;
        double weight;
        if (joined) {  // only the sum is known; the catalogue must be right for both
            if (x.product == y.product && u != v) continue;
            const double spread = s.mass_spread * s.mass_spread * (mass_x * mass_x + mass_y * mass_y);
            const double z = both.total - (u * mass_x + v * mass_y);
            if (std::isnan(z)) continue;
            weight = -0.5 * z * z / (both.var + spread) - 0.5 * std::log(2.0 * kPi * (both.var + spread));
            weight += log_split(e, a, b, 1, mass_x + mass_y, s);
        } else {
            weight = log_mass(sum_a, mass_x, u, s) + log_mass(sum_b, mass_y, v, s);
            weight += log_split(e, a, b, 2, std::fabs(sum_a.total) + std::fabs(sum_b.total), s);
        }
        weight += std::log(s.coincidence) - 2.0 * std::log(static_cast<double>(e.shoppers));
        if (weight + 2.0 * nearest < floor) continue;
        for (std::size_t k = 0; k < e.shoppers; ++k) {
            for (std::size_t m = 0; m < e.shoppers; ++m) {
                const double value = weight + e.hands[k * places + static_cast<std::size_t>(a)] +
                                     e.hands[m * places + static_cast<std::size_t>(b)];
                if (value >= floor && (x.product != y.product || a != b || k < m)) {
                    out.put(value, {static_cast<int32_t>(k), x.product, u, a},
                            {static_cast<int32_t>(m), y.product, v, b});
                }
            }
        }
    }
}

/// All explanations of the event; the first is the null: nothing of the store was taken or returned.
/// mass_g, present: (products); items: room for facings + products.
inline void explain(const Event& e, const double* mass_g, const uint8_t* present, std::size_t products,
                    const AssociationSettings& s, Item* items, Explanations& out) {
    double moved = 0.0;
    for (std::size_t k = 0; k < e.n; ++k) {
        if (e.inside[k]) moved += std::fabs(e.delta_g[k]);
    }
    const double null = std::log(s.null) + log_any_mass(moved, s) + log_split(e, 0, 0, 1, moved, s);
    out.put(null, kAbsent, kAbsent);
    if (e.shoppers == 0) return;
    const std::size_t n = list_items(e, mass_g, present, products, s, items);
    for (std::size_t i = 0; i < n; ++i) explain_one(e, items[i], mass_g, s, out);
    const double floor = out.best + std::log(s.negligible);
    double nearest = e.hands[0];
    for (std::size_t k = 0; k < e.shoppers * (1 + e.facings); ++k) nearest = std::fmax(nearest, e.hands[k]);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = i; j < n; ++j) {
            if (items[i].known && items[j].known) explain_pair(e, items[i], items[j], floor, nearest, mass_g, s, out);
        }
    }
}

}  // namespace fusion
