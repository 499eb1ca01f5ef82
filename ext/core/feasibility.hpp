// What an explanation may come to in a hypothesis: what lies here, what shoppers carry, where things belong.
//
// Solved: the prior of each part of an explanation, the most it may come to, and what of the hypotheses that asks for.
// Source: fusion/reference/hypotheses.py, statement by statement; the bounds are the same sums over what may be.
// Assumes: records in order; every product index below `products`.
// Units: natural logarithms. Cost: O(records) a part.
#pragma once

#include "explanations.hpp"
#include "records.hpp"

namespace fusion {

/// What an event is to the hypotheses: its plates, that of the largest change, and that of an earlier event and it as
/// one.
struct Scene {
    const int32_t* plates;
    std::size_t n;
    int32_t main_plate, joint_main_plate;
    int32_t products, facings;
};

/// Logarithms that are used over and over.
struct Priors {
    double taking, returning, home, misplacing, stray, foreign, handing_over, negligible;

    Priors(const Scene& scene, const AssociationSettings& s)
        : taking(std::log(1.0 - s.returning)),
          returning(std::log(s.returning)),
          home(std::log(1.0 - s.misplacing) + std::log(static_cast<double>(scene.facings))),
          misplacing(std::log(s.misplacing)),
          stray(std::log(s.stray) - std::log(static_cast<double>(scene.products))),
          foreign(std::log(s.foreign) - std::log(static_cast<double>(scene.products))),
          handing_over(std::log(s.handing_over)),
          negligible(std::log(s.negligible)) {}
};

/// A prior, and whether the shopper returns what he does not carry: where it comes from is not in it.
struct Feasible {
    double prior;
    bool lacks;
};

/// Whether a shopper returns what he does not carry.
inline bool lacks(const Part& part, const Record* records, int32_t count) {
    return part.quantity > 0 && part.shopper < kStaff &&
           units(records, count, part.shopper, part.product) < part.quantity;
}

/// Log-prior of one part in one hypothesis: what lies here, and what the shopper carries; relative to any one facing
/// being as likely a place as another, which the null shares.
inline Feasible log_feasible(const Part& part, const Record* records, int32_t count, const Scene& scene,
                             const Priors& log) {
    if (part.quantity < 0) {
        if (part.place > 0) return {log.taking, false};
        for (std::size_t k = 0; k < scene.n; ++k) {
            if (units(records, count, -1 - scene.plates[k], part.product) >= -part.quantity) return {log.taking, false};
        }
        return {log.taking + log.stray, false};
    }
    double prior = part.shopper >= kStaff ? log.taking : log.returning;
    prior += part.place > 0 ? log.home : log.misplacing;
    if (part.shopper >= kStaff || lacks(part, records, count)) return {prior, part.shopper < kStaff};
    const int32_t carried = std::max(units(records, count, part.shopper, -1), part.quantity);
    return {prior - std::log(static_cast<double>(carried)), false};
}

/// What some hypothesis has, as a Bloom filter (Bloom 1970): it may say that there is what there is not.
struct Anywhere {
    static constexpr uint32_t kBits = 4096;
    uint64_t bits[kBits / 64] = {};

    static uint32_t place(int32_t owner, int32_t product) {
        const uint32_t hash = static_cast<uint32_t>(owner) * 0x9e3779b1U ^ static_cast<uint32_t>(product) * 0x85ebca6bU;
        return (hash ^ hash >> 15) * 0x2c1b3c6dU >> 20;
    }
    explicit Anywhere(const Hypotheses& in) {
        for (std::size_t h = 0; h < in.n; ++h) {
            for (const Record* r = in.row(h); r < in.row(h) + in.count[h]; ++r) {
                bits[place(r->owner, r->product) / 64] |= uint64_t{1} << place(r->owner, r->product) % 64;
            }
        }
    }
    bool has(int32_t owner, int32_t product) const {
        return bits[place(owner, product) / 64] >> place(owner, product) % 64 & 1;
    }
};

/// Which of `products` products some owners have in some hypothesis, (n, products); of others, it is not known.
struct Carried {
    const int32_t* owners;
    std::size_t n, products;
    const uint8_t* marks;

    bool has(int32_t owner, int32_t product) const {
        const int32_t* found = std::find(owners, owners + n, owner);
        const std::size_t row = static_cast<std::size_t>(found - owners);
        return row == n || marks[row * products + static_cast<std::size_t>(product)];
    }
};

/// Most that a part's prior may come to in any hypothesis, given what they have.
template <class Known>
double most_feasible(const Part& part, const Known& anywhere, const Scene& scene, const Priors& log) {
    if (part.quantity < 0) {
        bool known = part.place > 0;
        for (std::size_t k = 0; !known && k < scene.n; ++k) known = anywhere.has(-1 - scene.plates[k], part.product);
        return known ? log.taking : log.taking + log.stray;
    }
    const double where = part.place > 0 ? log.home : log.misplacing;
    if (part.shopper >= kStaff) return log.taking + where;
    const bool known = anywhere.has(part.shopper, part.product);
    return log.returning + where + (known ? 0.0 : std::max(log.foreign, log.handing_over));
}

/// Mark the products of which update() wants to know who has them (`back`: they are returned) and which of the plates
/// has them (`found`: they may lie there). Explanations that surely weigh nothing beside a take of all from its facing,
/// or the null, ask for nothing; `null` is its score where it weighs most, over the weight of the heaviest hypothesis.
inline void ask(const Explanations& all, std::size_t first_joint, double null, const Scene& scene,
                const Carried& carried, const AssociationSettings& s, uint8_t* back, uint8_t* found) {
    const Priors log(scene, s);
    const auto reach_of = [&](std::size_t e) {
        double reach = all.log_score[e];
        for (const Part& part : all.parts[e]) {
            if (part.product >= 0) reach += most_feasible(part, carried, scene, log);
        }
        return reach;
    };
    const auto plain = [](const Part& part) { return part.product < 0 || (part.quantity < 0 && part.place > 0); };
    double surely = null;
    for (std::size_t e = 1; e < std::min(first_joint, all.n); ++e) {
        if (std::all_of(all.parts[e], all.parts[e] + kParts, plain)) surely = std::max(surely, reach_of(e));
    }
    constexpr double kRounding = 1e-6;  // nats, more than that of order_explanations()
    for (std::size_t e = 1; e < all.n; ++e) {
        if (std::all_of(all.parts[e], all.parts[e] + kParts, plain)) continue;
        if (reach_of(e) < surely + log.negligible - kRounding) continue;
        for (const Part& part : all.parts[e]) {
            if (part.product < 0) continue;
            if (part.quantity > 0) back[part.product] = 1;
            if (part.quantity < 0 && part.place == 0) found[part.product] = 1;
        }
    }
}

}  // namespace fusion
