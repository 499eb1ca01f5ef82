// Likelihoods and explanations by the C ABI.
#include "fusion_association.h"

#include "fusion_beliefs.hpp"
#include "multisets.hpp"

namespace fusion {
namespace {

static_assert(sizeof(fusion_part) == sizeof(Part) && FUSION_PARTS == kParts);
constexpr double kLargest = 1e9;  // g, and scores: beyond it lie no shelves

ExplainRoom take(Arena& arena, std::int32_t facings, std::int32_t products, std::int32_t most) {
    const std::uint64_t items = std::uint64_t(facings) + std::uint64_t(products) + 1,
                        places = std::uint64_t(facings) + 1;
    ExplainRoom room{};
    room.items = arena.take<Item>(items);
    room.weights = arena.take<double>(items * std::uint64_t(most));
    room.joined = arena.take<std::uint8_t>(places * places);
    return room;
}

std::int32_t most_units(const AssociationSettings& s) {
    return s.max_units > s.max_restocked ? s.max_units : s.max_restocked;
}

bool within(const double* x, std::uint64_t count) {
    bool fine = true;
    for (std::uint64_t i = 0; i < count; ++i) fine &= x[i] >= -kLargest && x[i] <= kLargest;
    return fine;
}

/// Whether mass is above 0 or NaN, and in the order of by_mass.
bool weighed(const fusion_scene& e) {
    double before = 0;
    for (std::int32_t i = 0; i < e.products; ++i) {
        const std::int32_t p = e.by_mass[i];
        if (p < 0 || p >= e.products) return false;
        const double mass = e.mass_g[p];
        if (mass == mass && !(mass > 0 && mass <= kLargest && mass >= before)) return false;
        before = mass == mass ? mass : kNever * -1;
    }
    return true;
}

bool sound(const fusion_scene& e) {
    if (!counted(e.plates, 1) || !counted(e.facings) || !counted(e.shoppers) || !counted(e.products) ||
        !(e.null >= 1e-100 && e.null < 1))
        return false;
    const std::uint64_t n = std::uint64_t(e.plates), places = 1 + std::uint64_t(e.facings);
    const std::uint64_t shoppers = std::uint64_t(e.shoppers), products = std::uint64_t(e.products);
    if (!usable(e.delta_g, n) || !usable(e.sigma_g, n) || !usable(e.inside, n * places) ||
        !usable(e.facing_product, std::uint64_t(e.facings)) || !usable(e.hands, shoppers * places) ||
        (e.vision != nullptr && !usable(e.vision, shoppers * products)) || !usable(e.owner, shoppers) ||
        !usable(e.mass_g, products) || !usable(e.by_mass, products) || !usable(e.present, products))
        return false;
    if (!within(e.delta_g, n) || !within(e.sigma_g, n) || !within(e.hands, shoppers * places) ||
        (e.vision != nullptr && !within(e.vision, shoppers * products)) || !weighed(e))
        return false;
    for (std::uint64_t k = 0; k < n; ++k)
        if (!(e.sigma_g[k] >= 1e-6)) return false;
    for (std::int32_t j = 0; j < e.facings; ++j)
        if (e.facing_product[j] < 0 || e.facing_product[j] >= e.products) return false;
    for (std::int32_t k = 0; k < e.shoppers; ++k)
        if (e.owner[k] < 0) return false;
    return true;
}

}  // namespace
}  // namespace fusion

using namespace fusion;

extern "C" int fusion_association_defaults(fusion_association_settings* settings) {
    if (!usable(settings)) return FUSION_BAD_ARGUMENT;
    *settings = {FUSION_ABI, 4,    24,  0,   0.10, 2.0, 0.5, 0.02, 1e-4, 0.015, 0.05, 2.7,  5.0,  5000.0, 0.02,
                 0.05,       0.03, 0.9, 0.5, 3.0,  0.1, 0.8, 0.02, 0.3,  0.3,   0.15, 0.02, 0.02, 0.01,   1e-5};
    return FUSION_OK;
}

extern "C" int fusion_hand_log_likelihood(const fusion_association_settings* settings, const fusion_hands* hands,
                                          const fusion_places* places, double* result) {
    AssociationSettings s;
    if (const int status = read_settings(settings, s)) return status;
    if (!usable(hands) || !usable(places)) return FUSION_BAD_ARGUMENT;
    const fusion_hands& h = *hands;
    const fusion_places& p = *places;
    if (!counted(h.frames) || !counted(h.shoppers) || h.sides < 0 || h.sides > 16 || !counted(p.places) ||
        !counted(p.boxes) || !usable(p.start))
        return FUSION_BAD_ARGUMENT;
    const std::uint64_t seen = std::uint64_t(h.frames) * std::uint64_t(h.shoppers) * std::uint64_t(h.sides);
    const std::uint64_t boxes = std::uint64_t(p.boxes);
    if (!usable(h.xyz_m, 3 * seen) || !usable(h.variance_m2, seen) || !usable(h.when, std::uint64_t(h.frames)) ||
        !usable(p.center_m, 3 * boxes) || !usable(p.axes, 9 * boxes) || !usable(p.half_m, 3 * boxes) ||
        !usable(result, std::uint64_t(h.shoppers) * std::uint64_t(p.places)))
        return FUSION_BAD_ARGUMENT;
    if (p.start[0] != 0 || p.start[p.places] != p.boxes) return FUSION_BAD_ARGUMENT;
    for (std::int32_t b = 0; b < p.places; ++b)
        if (p.start[b] > p.start[b + 1] || p.start[b + 1] > p.boxes) return FUSION_BAD_ARGUMENT;
    if (!within(p.center_m, 3 * boxes) || !within(p.axes, 9 * boxes) || !within(p.half_m, 3 * boxes))
        return FUSION_BAD_ARGUMENT;
    for (std::uint64_t i = 0; i < seen; ++i)
        if (!(h.variance_m2[i] >= 0 && h.variance_m2[i] <= kLargest)) return FUSION_BAD_ARGUMENT;
    for (std::int32_t t = 0; t < h.frames; ++t)
        if (!(h.when[t] >= 0 && h.when[t] <= 1)) return FUSION_BAD_ARGUMENT;
    const Boxes known{p.start, std::size_t(p.places), reinterpret_cast<const double (*)[3]>(p.center_m),
                      reinterpret_cast<const double (*)[3][3]>(p.axes),
                      reinterpret_cast<const double (*)[3]>(p.half_m)};
    const HandPaths paths{
        h.xyz_m, h.variance_m2, h.when, std::size_t(h.frames), std::size_t(h.shoppers), std::size_t(h.sides)};
    hand_log_likelihood(paths, known, s, result);
    return FUSION_OK;
}

extern "C" int fusion_log_echo(const fusion_association_settings* settings, double change_g, double variance_g2,
                               double earlier_g, double earlier_variance_g2, double null, double* result) {
    AssociationSettings s;
    if (const int status = read_settings(settings, s)) return status;
    const double given[] = {change_g, variance_g2, earlier_g, earlier_variance_g2};
    if (!usable(result) || !within(given, 4) || variance_g2 < 0 || earlier_variance_g2 < 0) return FUSION_BAD_ARGUMENT;
    if (!(null >= 1e-100 && null < 1)) return FUSION_BAD_ARGUMENT;
    *result = log_echo({change_g, variance_g2}, {earlier_g, earlier_variance_g2}, null, s);
    return FUSION_OK;
}

extern "C" int fusion_explain_size(const fusion_association_settings* settings, int32_t facings, int32_t shoppers,
                                   int32_t products, size_t* bytes) {
    AssociationSettings s;
    if (const int status = read_settings(settings, s)) return status;
    if (!usable(bytes) || !counted(facings) || !counted(shoppers) || !counted(products)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take(arena, facings, products, most_units(s));
    return arena.size(bytes);
}

extern "C" int fusion_explain(const fusion_association_settings* settings, const fusion_scene* scene, fusion_part* part,
                              double* term, double* log_score, int32_t room, int32_t* found, void* scratch,
                              size_t bytes) {
    AssociationSettings s;
    if (const int status = read_settings(settings, s)) return status;
    if (!usable(scene) || !usable(found) || room < 0 || !usable(part, 3 * std::uint64_t(room)) ||
        !usable(term, 4 * std::uint64_t(room)) || !usable(log_score, std::uint64_t(room)) || !sound(*scene))
        return FUSION_BAD_ARGUMENT;
    const fusion_scene& e = *scene;
    Arena arena(nullptr);
    take(arena, e.facings, e.products, most_units(s));
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    const ExplainRoom own = take(arena, e.facings, e.products, most_units(s));
    const Event event{e.delta_g, e.sigma_g, std::size_t(e.plates), e.inside, e.facing_product, std::size_t(e.facings)};
    const Shoppers who{e.hands, e.vision, e.owner, std::size_t(e.shoppers), event.places(), std::size_t(e.products)};
    const Goods goods{e.mass_g, e.by_mass, e.present, std::size_t(e.products)};
    Explanations out{reinterpret_cast<Part(*)[kParts]>(part), reinterpret_cast<double (*)[kTerms]>(term), log_score,
                     std::size_t(room), 0};
    explain(event, who, goods, e.null, s, own, out);
    constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
    *found = std::int32_t(out.n < most ? out.n : most);
    return out.n > std::size_t(room) ? FUSION_NO_ROOM : FUSION_OK;
}
