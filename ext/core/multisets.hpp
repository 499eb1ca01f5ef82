// The list of explanations of one weight event: the null, units of one item, and multisets of two or three items.
//
// Solved, source, assumptions, units and cost: explanations.hpp.
#pragma once

#include "explanations.hpp"

namespace fusion {

/// The explanations by one unit each of the chosen items, by any shoppers, with scores from the floor on.
inline void put_parts(const Choice& c, double weight, const Setting& with, Explanations& out) {
    const Shoppers& who = with.who;
    const double everybody = std::log(static_cast<double>(who.n));
    const double either = c.n == 2 && c.sign[0] != c.sign[1] ? std::log(with.s.exchanging) : 0.0;
    const double prior = (c.n - 1) * std::log(with.s.coincidence) - c.n * everybody + either;
    std::size_t k[kParts] = {};
    const auto put_chosen = [&] {
        double hand = 0.0, look = 0.0;
        for (int i = 0; i < c.n; ++i) {
            hand += who.hand(k[i], c.item[i].place);
            look += who.look(k[i], c.item[i].product);
        }
        if (!(weight + hand + prior + look >= with.floor)) return;
        bool ordered = true, alike = true;
        Part list[kParts] = {kAbsent, kAbsent, kAbsent};
        for (int i = 0; i < c.n; ++i) {
            const Item& item = c.item[i];
            list[i] = {who.owners[k[i]], item.product, c.sign[i], item.place};
            if (i == 0) continue;
            const Item& before = c.item[i - 1];
            const bool same =
                item.product == before.product && item.place == before.place && c.sign[i] == c.sign[i - 1];
            ordered &= !same || k[i - 1] <= k[i];
            alike &= same && k[i - 1] == k[i];  // that is several units of one item
        }
        if (ordered && !alike) out.put(list, weight, hand, prior, look);
    };
    constexpr double kRounding = 1e-9;
    const auto most = [&](int i) { return who.hand(k[i], c.item[i].place) + who.look(k[i], c.item[i].product); };
    for (k[0] = 0; k[0] < who.n; ++k[0]) {
        const double first = weight + most(0) + prior;
        if (first + (c.n - 1) * with.nearest < with.floor - kRounding) continue;
        for (k[1] = 0; k[1] < who.n; ++k[1]) {
            if (first + most(1) + (c.n - 2) * with.nearest < with.floor - kRounding) continue;
            if (c.n == 2) put_chosen();
            for (k[2] = 0; c.n == 3 && k[2] < who.n; ++k[2]) put_chosen();
        }
    }
}

/// Of items[first, n), all of place 0 and in order of mass, those whose mass may make three parts fit; all, if a third
/// part would be alone on its plates. NaN, last, never fits together with others.
inline void third_items(Choice c, const Item* items, std::size_t first, std::size_t n, const Setting& with,
                        std::size_t* low, std::size_t* high) {
    *low = first;
    *high = n;
    const double reach = std::sqrt(50.0), slope = reach * with.s.mass_spread;  // of weigh_parts, and a little more
    if (first == n || slope >= 1.0) return;
    c.n = 3;
    c.item[2] = items[first];
    int label[kParts];
    label_groups(c, with, label);
    bool alone = true;
    for (int i = 0; i < 2; ++i) alone &= label[i] != label[2];
    if (alone) return;
    const double mass = with.mass_g[items[first].product];
    const Fit fit = fit_group(c, label, label[2], with);
    if (std::isnan(fit.z)) {
        *high = first;
        return;
    }
    const double left = c.sign[2] * fit.z + mass, sigma = reach * std::sqrt(fit.var);
    const double least = (left - sigma) / (1.0 + slope), most = (left + sigma) / (1.0 - slope);
    const auto lighter = [&](const Item& item, double m) { return with.mass_g[item.product] < m; };
    const auto heavier = [&](double m, const Item& item) { return !(with.mass_g[item.product] <= m); };
    *low = static_cast<std::size_t>(std::lower_bound(items + first, items + n, least, lighter) - items);
    *high = static_cast<std::size_t>(std::upper_bound(items + *low, items + n, most, heavier) - items);
}

/// Whether two items of place 0 and a third, no lighter than they are, may come to so little.
inline bool triple_fits(const Choice& c, const Sum& sum, const Setting& with) {
    const double reach = std::sqrt(50.0), slope = reach * with.s.mass_spread;  // of weigh_parts, and a little more
    const double mass = with.mass_g[c.item[0].product] + 2.0 * with.mass_g[c.item[1].product];
    return slope >= 1.0 || !(mass * (1.0 - slope) > std::fabs(sum.total) + reach * std::sqrt(sum.var));
}

/// Explanations by three items, the first two chosen, all going the way in which their plates went; from `loose` on
/// they are of place 0.
inline void explain_triples(Choice c, const Item* items, std::size_t j, std::size_t loose, std::size_t n, double least,
                            const Setting& with, Explanations& out) {
    const auto way = [&](int32_t place) { return place_sum(with.event, place, place).total < 0.0 ? -1 : 1; };
    for (int i = 0; i < 2; ++i) c.sign[i] = way(c.item[i].place);
    std::size_t low, high;
    c.sign[2] = way(0);
    third_items(c, items, std::max(j, loose), std::max(std::max(j, loose), n), with, &low, &high);
    c.n = 3;
    const auto explain_third = [&](std::size_t m) {
        c.item[2] = items[m];
        c.sign[2] = way(items[m].place);
        const double weight = weigh_parts(c, least, with);
        if (weight > kNever) put_parts(c, weight, with, out);
    };
    for (std::size_t m = j; m < loose; ++m) explain_third(m);
    for (std::size_t m = low; m < high; ++m) explain_third(m);
}

/// Explanations by two or three of the known items, one unit each: two either way, three all one way.
inline void explain_parts(const Item* items, std::size_t n, const Setting& with, Explanations& out) {
    const Shoppers& who = with.who;
    const double everybody = std::log(static_cast<double>(who.n)), chance = std::log(with.s.coincidence);
    const double pair_least = with.floor - 2.0 * with.nearest - chance + 2.0 * everybody;
    const double triple_least = with.floor - 3.0 * with.nearest - 2.0 * chance + 3.0 * everybody;
    const auto here = [](const Item& item) { return item.place > 0; };
    const std::size_t loose = static_cast<std::size_t>(std::partition_point(items, items + n, here) - items);
    const Sum own = place_sum(with.event, 0, 0);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = i; j < n; ++j) {
            Choice c{{items[i], items[j], {}}, {}, 2};
            const bool together = with.joins(items[i].place, items[j].place);
            const Sum both = j < loose || i < loose ? place_sum(with.event, items[i].place, items[j].place) : own;
            for (int signs = 0; signs < 4; ++signs) {
                c.sign[0] = signs % 2 ? -1 : 1;
                c.sign[1] = signs >= 2 ? -1 : 1;
                if (together && items[i].product == items[j].product && c.sign[0] != c.sign[1]) continue;
                if (together && !pair_fits(c, both, with)) continue;
                const double weight = weigh_parts(c, pair_least, with);
                if (weight > kNever) put_parts(c, weight, with, out);
            }
            if (i < loose || triple_fits(c, own, with)) explain_triples(c, items, j, loose, n, triple_least, with, out);
        }
    }
}

/// Log-likelihood ratio of anybody's hand at place 0: what is foreign came by a hand, too, or nobody was near.
inline double log_touch(const Shoppers& who) {
    double total = 0.0;
    for (std::size_t k = 0; k < who.n; ++k) total += std::exp(who.hand(k, 0));
    return who.n > 0 ? std::log(std::max(total / static_cast<double>(who.n), 1.0)) : 0.0;
}

/// The most that a hand at a place and what was seen in it say for any shopper, but not less than 0.
inline double nearest_hand(const Shoppers& who) {
    double nearest = 0.0;
    for (std::size_t k = 0; k < who.n; ++k) {
        double look = 0.0;
        for (std::size_t p = 0; who.vision && p < who.products; ++p) {
            look = std::max(look, who.look(k, static_cast<int32_t>(p)));
        }
        for (std::size_t b = 0; b < who.places; ++b) nearest = std::max(nearest, who.hands[k * who.places + b] + look);
    }
    return nearest;
}

/// All explanations of the event; the first is the null, of that probability. Those that score less than negligible of
/// the best by one item are left out.
inline void explain(const Event& e, const Shoppers& who, const Goods& goods, double null, const AssociationSettings& s,
                    ExplainRoom room, Explanations& out) {
    double moved = 0.0;
    for (std::size_t k = 0; k < e.n; ++k) {
        if (e.inside[k]) moved += std::fabs(e.delta_g[k]);
    }
    for (std::size_t k = 0; k < e.n; ++k) moved = std::max(moved, std::fabs(e.delta_g[k]));  // no plate showed more
    const double anything = log_any_mass(moved, s) + log_split(e, 0, 0, moved, s);
    const double touch = log_touch(who);
    out.put({kAbsent, kAbsent, kAbsent}, anything, touch, std::log(null), 0.0);
    if (who.n == 0) return;
    const std::size_t n = list_items(e, goods, s, room.items), places = e.places();
    bool restocks = false;
    for (std::size_t k = 0; k < who.n; ++k) restocks |= who.restocks(k);
    const int32_t most = restocks ? std::max(s.max_units, s.max_restocked) : s.max_units;
    double best = anything + touch + std::log(null);
    const double nearest = nearest_hand(who);
    const UnitPriors priors(who, s);
    PlaceChange change(e, 0, s);
    const auto weight_of = [&](std::size_t i) { return room.weights + i * static_cast<std::size_t>(most); };
    for (std::size_t i = 0; i < n; ++i) {
        const Item item = room.items[i];
        if (item.place != change.place) change = PlaceChange(e, item.place, s);
        double* weight = weight_of(i);
        weigh_one(change, goods.mass_g[item.product], s, most, weight);
        visit_one(item, weight, who, priors, nearest, best,
                  [&](std::size_t, int32_t q, double hand, double prior, double look) {
                      best = std::max(best, weight[q - 1] + hand + prior + look);
                  });
    }
    const double floor = best + std::log(s.negligible);
    for (std::size_t i = 0; i < n; ++i) {
        const Item item = room.items[i];
        const double* weight = weight_of(i);
        const int32_t sign = place_sum(e, item.place, 0).total < 0.0 ? -1 : 1;
        visit_one(item, weight, who, priors, nearest, floor,
                  [&](std::size_t k, int32_t q, double hand, double prior, double look) {
                      if (!(weight[q - 1] + hand + prior + look >= floor)) return;
                      const Part part{who.owners[k], item.product, sign * q, item.place};
                      out.put({part, kAbsent, kAbsent}, weight[q - 1], hand, prior, look);
                  });
    }
    for (std::size_t a = 0; a < places; ++a) {
        for (std::size_t b = 0; b < places; ++b) {
            uint8_t shared = 0;
            for (std::size_t k = 0; k < e.n; ++k) shared |= e.inside[a * e.n + k] & e.inside[b * e.n + k];
            room.joined[a * places + b] = shared;
        }
    }
    const auto unknown = [](const Item& item) { return item.known == 0; };
    const std::size_t known =
        static_cast<std::size_t>(std::remove_if(room.items, room.items + n, unknown) - room.items);
    explain_parts(room.items, known, {e, who, goods.mass_g, room.joined, s, floor, nearest}, out);
}

}  // namespace fusion
