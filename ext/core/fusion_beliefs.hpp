// Settings of the association in the C ABI as its kernels know them.
#pragma once
#include <initializer_list>

#include "association.hpp"
#include "fusion_association.h"
#include "fusion_memory.hpp"

namespace fusion {

constexpr std::int32_t kMostListed = FUSION_ASSOCIATION_MOST;

inline bool counted(std::int32_t n, std::int32_t least = 0) {
    return n >= least && n <= kMostListed;
}

inline bool finite(double x) {
    return x - x == 0;
}

/// FUSION_OK and the settings, or what is wrong with them.
inline int read_settings(const fusion_association_settings* given, AssociationSettings& s) {
    if (!usable(given)) return FUSION_BAD_ARGUMENT;
    const fusion_association_settings& g = *given;
    if (g.abi != FUSION_ABI) return FUSION_ABI_MISMATCH;
    for (const double probability :
         {g.track_miss, g.track_swap, g.mass_spread, g.wrong_mass, g.cross_talk, g.overhang, g.null, g.doubted, g.echo,
          g.more_units, g.more_restocked, g.coincidence, g.exchanging, g.returning, g.misplacing, g.stray, g.foreign,
          g.handing_over, g.negligible})
        if (!(probability >= 1e-100 && probability < 1.0)) return FUSION_BAD_ARGUMENT;
    for (const double length :
         {g.reach_sigma_m, g.bystander_m, g.miss_sigma_m, g.lightest_g, g.heaviest_g, g.echo_sigma_g})
        if (!(length >= 1e-6 && length <= 1e6)) return FUSION_BAD_ARGUMENT;
    if (!(g.wrong_factor > 1.0 && finite(g.wrong_factor)) || !(g.heaviest_g > g.lightest_g) || g.max_units < 1 ||
        g.max_units > 100 || g.max_restocked < 1 || g.max_restocked > 100 || g.reserved != 0)
        return FUSION_BAD_ARGUMENT;
    s.reach_sigma_m = g.reach_sigma_m, s.bystander_m = g.bystander_m, s.miss_sigma_m = g.miss_sigma_m;
    s.track_miss = g.track_miss, s.track_swap = g.track_swap;
    s.mass_spread = g.mass_spread, s.wrong_mass = g.wrong_mass, s.wrong_factor = g.wrong_factor;
    s.lightest_g = g.lightest_g, s.heaviest_g = g.heaviest_g;
    s.cross_talk = g.cross_talk, s.overhang = g.overhang, s.null = g.null, s.doubted = g.doubted;
    s.echo = g.echo, s.echo_sigma_g = g.echo_sigma_g;
    s.more_units = g.more_units, s.more_restocked = g.more_restocked;
    s.coincidence = g.coincidence, s.exchanging = g.exchanging, s.returning = g.returning, s.misplacing = g.misplacing;
    s.stray = g.stray, s.foreign = g.foreign, s.handing_over = g.handing_over, s.negligible = g.negligible;
    s.max_units = g.max_units, s.max_restocked = g.max_restocked;
    return FUSION_OK;
}

}  // namespace fusion
