// Explanations of one weight event: who may have moved which products, with log-scores.
//
// Solved: all multisets of up to three parts (shopper, product, quantity, place) that explain the event, and the null.
// Source: fusion/reference/explanations.py; multiple-hypothesis tracking (Reid 1979), gated.
// Assumes: what association.hpp does. Units: grams, natural logarithms.
// Cost: O(I S) for I items and S shoppers; pairs O(I^2), triples O(I^2 log I) and their hits, each times S^2 or S^3.
#pragma once

#include <algorithm>

#include "association.hpp"

namespace fusion {

constexpr int kParts = 3;            // most of an explanation
constexpr int kTerms = 4;            // of a score: weight, hands, prior, vision
constexpr int32_t kStaff = 1 << 30;  // owners from here on re-stock: nothing of theirs is recorded

/// One thing moved by one shopper; quantity < 0 is a take.
struct Part {
    int32_t shopper, product, quantity, place;
};
constexpr Part kAbsent{-1, -1, 0, -1};

/// Who was near, as owners: hands (n, places) and vision (n, products, or null) are log-likelihood ratios.
struct Shoppers {
    const double *hands, *vision;
    const int32_t* owners;
    std::size_t n, places, products;

    bool restocks(std::size_t k) const { return owners[k] >= kStaff; }

    double hand(std::size_t k, int32_t place) const { return hands[k * places + static_cast<std::size_t>(place)]; }
    double look(std::size_t k, int32_t product) const {
        return vision ? vision[k * products + static_cast<std::size_t>(product)] : 0.0;
    }
};

/// Masses (NaN: any), the products in order of mass with NaN last, and which of them some hypothesis has here.
struct Goods {
    const double* mass_g;
    const int32_t* by_mass;
    const uint8_t* present;
    std::size_t n;
};

/// Caller-owned room for explanations; beyond the capacity n counts on, to tell how much is needed.
struct Explanations {
    Part (*parts)[kParts];
    double (*terms)[kTerms];
    double* log_score;
    std::size_t capacity, n;

    void put(const Part (&list)[kParts], double weight, double hands, double prior, double vision) {
        if (n < capacity) {
            for (int i = 0; i < kParts; ++i) parts[n][i] = list[i];
            terms[n][0] = weight;
            terms[n][1] = hands;
            terms[n][2] = prior;
            terms[n][3] = vision;
            log_score[n] = weight + hands + prior + vision;
        }
        ++n;
    }
};

/// What may have moved where; known: it stands there, lies there or is carried by somebody.
struct Item {
    int32_t product, place, known;
};

/// Caller-owned room: items (facings + products), weights (items * most units), joined (places * places).
struct ExplainRoom {
    Item* items;
    double* weights;
    uint8_t* joined;
};

/// What may have moved, those of place 0 in order of mass; returns how many.
inline std::size_t list_items(const Event& e, const Goods& goods, const AssociationSettings& s, Item* items) {
    std::size_t n = 0;
    for (std::size_t j = 0; j < e.facings; ++j) items[n++] = {e.facing_product[j], static_cast<int32_t>(1 + j), 1};
    const Sum sum = place_sum(e, 0, 0);
    for (std::size_t i = 0; i < goods.n; ++i) {
        const int32_t p = goods.by_mass[i];
        const double spread = s.mass_spread * goods.mass_g[p];
        const double z = std::fabs(sum.total) - goods.mass_g[p];
        if (goods.present[p] || z * z <= 9.0 * (sum.var + spread * spread)) items[n++] = {p, 0, goods.present[p]};
    }
    return n;
}

/// What the items of one place have in common: the change over its plates, and with those of the event's own place.
struct PlaceChange {
    int32_t place;
    Sum within, sum;
    double stands, over, split_within,
        split;  // it stands in its place, or reaches over to the other plates that changed

    PlaceChange(const Event& e, int32_t at, const AssociationSettings& s)
        : place(at),
          within(place_sum(e, at, at)),
          sum(place_sum(e, at, 0)),
          stands(std::log(1.0 - s.overhang)),
          over(std::log(s.overhang)),
          split_within(log_split(e, at, at, std::fabs(within.total), s)),
          split(log_split(e, at, 0, std::fabs(sum.total), s)) {}
    int32_t sign() const { return sum.total < 0.0 ? -1 : 1; }
};

/// Log-density of the change by 1 .. most units of one item.
inline void weigh_one(const PlaceChange& change, double mass, const AssociationSettings& s, int32_t most,
                      double* weight) {
    const bool alike = change.within.total == change.sum.total && change.within.var == change.sum.var;
    for (int32_t q = 1; q <= most; ++q) {
        if (std::isnan(mass) && q > 1) {  // whatever it weighs, it is one
            weight[q - 1] = kNever;
            continue;
        }
        const double within = log_mass(change.within, mass, change.sign() * q, s);
        const double sum = alike ? within : log_mass(change.sum, mass, change.sign() * q, s);
        weight[q - 1] = log_sum(change.stands + within + change.split_within, change.over + sum + change.split);
    }
}

/// Log-priors of a shopper moving some units of one item, for shoppers and for staff.
struct UnitPriors {
    double everybody, once[2], more[2];
    int32_t most[2];

    UnitPriors(const Shoppers& who, const AssociationSettings& s)
        : everybody(std::log(static_cast<double>(who.n))),
          once{std::log(1.0 - s.more_units), std::log(1.0 - s.more_restocked)},
          more{std::log(s.more_units), std::log(s.more_restocked)},
          most{s.max_units, s.max_restocked} {}
    double of(int32_t q, std::size_t staff) const { return once[staff] + (q - 1) * more[staff] - everybody; }
};

/// Visit the explanations by units of one item, but for those that surely score less than `least`, which may rise:
/// visit(shopper, units, hands, prior, vision); `nearest` is what hand and vision say at most.
template <class Visit>
void visit_one(Item item, const double* weight, const Shoppers& who, const UnitPriors& priors, double nearest,
               const double& least, Visit visit) {
    constexpr double kRounding = 1e-9;
    for (std::size_t k = 0; k < who.n; ++k) {
        const std::size_t staff = who.restocks(k);
        const double hand = who.hand(k, item.place), look = who.look(k, item.product);
        for (int32_t q = 1; q <= priors.most[staff]; ++q) {
            const double prior = priors.of(q, staff);
            if (weight[q - 1] + nearest + prior >= least - kRounding) visit(k, q, hand, prior, look);
        }
    }
}

/// Up to three items of which one unit each moved, with the sign of each.
struct Choice {
    Item item[kParts];
    int32_t sign[kParts];
    int n;
};

/// What explain() looks up over and over.
struct Setting {
    const Event& event;
    const Shoppers& who;
    const double* mass_g;
    const uint8_t* joined;  // (places, places): places share a plate, so that only the sum is known
    const AssociationSettings& s;
    double floor, nearest;  // least score; what hand and vision say at most

    bool joins(int32_t a, int32_t b) const {
        return joined[static_cast<std::size_t>(a) * event.places() + static_cast<std::size_t>(b)] != 0;
    }
};

/// Label the chosen items by the first one with which they share plates, directly or by way of others.
inline void label_groups(const Choice& c, const Setting& with, int label[kParts]) {
    for (int i = 0; i < c.n; ++i) {
        label[i] = i;
        for (int k = 0; k < i; ++k) {
            if (!with.joins(c.item[i].place, c.item[k].place)) continue;
            const int low = std::min(label[i], label[k]), high = std::max(label[i], label[k]);
            for (int m = 0; m <= i; ++m) label[m] = label[m] == high ? low : label[m];
        }
    }
}

/// Difference of the change over the plates of group g from its units, its variance, and the mass moved.
struct Fit {
    double z, var, moved;
};

inline Fit fit_group(const Choice& c, const int label[kParts], int g, const Setting& with) {
    const Event& e = with.event;
    double total = 0.0, var = 0.0, mean = 0.0, squares = 0.0, moved = 0.0;
    for (std::size_t k = 0; k < e.n; ++k) {
        bool within = false;
        for (int i = 0; i < c.n; ++i) within |= label[i] == g && e.holds(c.item[i].place, k);
        if (within) {
            total += e.delta_g[k];
            var += e.sigma_g[k] * e.sigma_g[k];
        }
    }
    for (int i = 0; i < c.n; ++i) {
        if (label[i] != g) continue;
        const double mass = with.mass_g[c.item[i].product];
        mean += c.sign[i] * mass;
        squares += mass * mass;
        moved += mass;
    }
    return {total - mean, var + with.s.mass_spread * with.s.mass_spread * squares, moved};
}

/// Whether two items that share plates, the change over all of which is `sum`, fit as weigh_parts wants it.
inline bool pair_fits(const Choice& c, const Sum& sum, const Setting& with) {
    const double one = with.mass_g[c.item[0].product], other = with.mass_g[c.item[1].product];
    const double z = sum.total - (c.sign[0] * one + c.sign[1] * other), spread = with.s.mass_spread;
    return z * z <= 50.0 * (sum.var + spread * spread * (one * one + other * other));
}

/// Log-density of the change by one unit each of the chosen items; kNever where it is surely below `least`.
inline double weigh_parts(const Choice& c, double least, const Setting& with) {
    const Event& e = with.event;
    int label[kParts];
    label_groups(c, with, label);
    double result = 0.0, moved = 0.0;
    int groups = 0;
    for (int g = 0; g < c.n; ++g) {
        int size = 0;
        for (int i = 0; i < c.n; ++i) size += label[i] == g;
        if (size == 0) continue;
        ++groups;
        if (size == 1) {
            const Sum sum = place_sum(e, c.item[g].place, c.item[g].place);
            result += log_mass(sum, with.mass_g[c.item[g].product], c.sign[g], with.s);
            moved += std::fabs(sum.total);
        } else {
            const Fit fit = fit_group(c, label, g, with);
            if (!(fit.z * fit.z <= 50.0 * fit.var)) return kNever;  // so far off, or NaN
            result += log_normal(fit.z, fit.var);
            moved += fit.moved;
        }
        if (result == kNever) return result;
    }
    const double scale = std::max(moved, with.s.lightest_g);
    result += groups * std::log(scale);
    for (std::size_t k = 0; k < e.n; ++k) {
        bool within = false;
        for (int i = 0; i < c.n; ++i) within |= e.holds(c.item[i].place, k);
        result += within ? -std::log(scale) : log_outside(e.delta_g[k], e.sigma_g[k], scale, with.s);
    }
    return result >= least ? result : kNever;
}

}  // namespace fusion
