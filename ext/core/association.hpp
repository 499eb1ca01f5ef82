// How likely what was measured is: hands at places, grams on plates.
//
// Solved: log-likelihood ratio of every shopper's hand path at every place; log-densities of a change by so many units,
//   by anything, and of a return to what was before.
// Source: fusion/reference/association.py, statement by statement.
// Assumes: delta and sigma > 0 within the range of float32, probabilities in (0, 1); hands may be NaN or infinite (not
//   seen), masses NaN (any).
// Units: grams, metres, natural logarithms. Cost: hands O(T S H X).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace fusion {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNever = -std::numeric_limits<double>::infinity();

/// What the association believes before it sees an event; see fusion.AssociationSettings.
struct AssociationSettings {
    double reach_sigma_m, bystander_m, miss_sigma_m, track_miss, track_swap;
    double mass_spread, wrong_mass, wrong_factor, lightest_g, heaviest_g;
    double cross_talk, overhang, null, doubted, echo, echo_sigma_g, more_units, more_restocked;
    double coincidence, exchanging, returning, misplacing, stray, foreign, handing_over, negligible;
    int32_t max_units, max_restocked;
};

/// A weight event over n plates, with its places: inside[place * n + k] tells whether plate k belongs to it; place 0 is
/// the event's own plates, 1 + j those of touched facing j.
struct Event {
    const double *delta_g, *sigma_g;
    std::size_t n;
    const uint8_t* inside;
    const int32_t* facing_product;  // (facings), of places 1 ..
    std::size_t facings;

    std::size_t places() const { return 1 + facings; }
    bool holds(int32_t place, std::size_t k) const { return inside[static_cast<std::size_t>(place) * n + k] != 0; }
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

/// Hands of `shoppers` over `frames`: xyz (frames, shoppers, sides, 3) in metres, var (frames, shoppers, sides) in
/// square metres; `when` (frames) tells how probable each is the instant of the grasp.
struct HandPaths {
    const double *xyz, *var, *when;
    std::size_t frames, shoppers, sides;
};

/// Squared distance to a box; of what is beyond `most`, some number that is, too.
inline double box_distance2(const double x[3], const double center[3], const double axes[3][3], const double half[3],
                            double most) {
    double d2 = 0.0;
    for (int k = 0; k < 3 && d2 <= most; ++k) {
        double along = 0.0;
        for (int c = 0; c < 3; ++c) along += axes[c][k] * (x[c] - center[c]);
        const double out = std::max(std::fabs(along) - half[k], 0.0);
        d2 += out * out;
    }
    return d2;
}

/// A Gaussian, up to a factor, and 0 where it is less than its peak by more than `nats`: most hands are far away.
struct Bell {
    double factor, peak, far;

    Bell(double var, double nats) : factor(-0.5 / var), peak(1.0 / std::sqrt(var)), far(2.0 * var * nats) {}
    double at(double d2) const { return d2 > far ? 0.0 : std::exp(d2 * factor) * peak; }
};

/// One shopper at one place.
inline double hand_at_place(const HandPaths& hands, std::size_t i, const Boxes& boxes, std::size_t b,
                            const AssociationSettings& s) {
    const double peak = s.bystander_m / std::sqrt(kPi / 2.0);
    const double reach2 = s.reach_sigma_m * s.reach_sigma_m, miss2 = s.miss_sigma_m * s.miss_sigma_m;
    // What is less than 1e-18 of a track that was another's is nothing beside it.
    const double highest = peak / std::min(s.reach_sigma_m, s.miss_sigma_m);
    const double nats = std::min(std::max(41.5 + std::log(highest / s.track_swap), 0.0), 708.0);
    double near = 0.0, off = 0.0, seen = 0.0, var = 0.0;
    Bell work(reach2, nats), lost(miss2, nats);
    for (std::size_t t = 0; t < hands.frames; ++t) {
        for (std::size_t h = 0; h < hands.sides; ++h) {
            const std::size_t at = (t * hands.shoppers + i) * hands.sides + h;
            const double* x = hands.xyz + at * 3;
            if (!std::isfinite(x[0] + x[1] + x[2])) continue;
            if (hands.var[at] != var) {
                var = hands.var[at];
                work = Bell(reach2 + var, nats);
                lost = Bell(miss2 + var, nats);
            }
            const double far = std::max(work.far, lost.far);
            double d2 = std::numeric_limits<double>::infinity();
            for (int32_t k = boxes.place_start[b]; k < boxes.place_start[b + 1]; ++k) {
                const double box2 = box_distance2(x, boxes.center[k], boxes.axes[k], boxes.half[k], far);
                d2 = box2 < d2 ? box2 : d2;
            }
            seen += hands.when[t];
            near += hands.when[t] * work.at(d2);
            off += hands.when[t] * lost.at(d2);
        }
    }
    if (!(seen > 0.0)) return std::log(s.track_miss);
    const double ratio = ((1.0 - s.track_miss) * near + s.track_miss * off) / seen * peak;
    return std::log((1.0 - s.track_swap) * ratio + s.track_swap);
}

/// The first place of the same boxes: an event's own plates are most often those of one facing.
inline std::size_t first_alike(const Boxes& boxes, std::size_t b) {
    const int32_t *start = boxes.place_start, n = start[b + 1] - start[b];
    const auto equal = [](const double* x, const double* y, int32_t size) { return std::equal(x, x + size, y); };
    const auto same = [&](std::size_t a) {
        const int32_t one = start[a], other = start[b];
        if (start[a + 1] - one != n || n == 0) return false;
        return equal(boxes.center[one], boxes.center[other], 3 * n) &&
               equal(boxes.axes[one][0], boxes.axes[other][0], 9 * n) &&
               equal(boxes.half[one], boxes.half[other], 3 * n);
    };
    std::size_t a = 0;
    while (a < b && !same(a)) ++a;
    return a;
}

/// result: (shoppers, places).
inline void hand_log_likelihood(const HandPaths& hands, const Boxes& boxes, const AssociationSettings& s,
                                double* result) {
    for (std::size_t b = 0; b < boxes.places; ++b) {
        const std::size_t a = first_alike(boxes, b);
        for (std::size_t i = 0; i < hands.shoppers; ++i) {
            double* of = result + i * boxes.places;
            of[b] = a < b ? of[a] : hand_at_place(hands, i, boxes, b, s);
        }
    }
}

/// The change summed over the plates of place a or b, with its variance.
inline Sum place_sum(const Event& e, int32_t a, int32_t b) {
    Sum sum{0.0, 0.0};
    for (std::size_t k = 0; k < e.n; ++k) {
        if (e.holds(a, k) || e.holds(b, k)) {
            sum.total += e.delta_g[k];
            sum.var += e.sigma_g[k] * e.sigma_g[k];
        }
    }
    return sum;
}

/// Log-density (per gram) of a change by something of unknown mass: uniform per octave.
inline double log_any_mass(double total, const AssociationSettings& s) {
    return -std::log(std::max(std::fabs(total), s.lightest_g) * std::log(s.heaviest_g / s.lightest_g));
}

inline double log_normal(double z, double v) {
    return -0.5 * z * z / v - 0.5 * std::log(2.0 * kPi * v);
}

/// Logarithm of exp(a) + exp(b).
inline double log_sum(double a, double b) {
    const double most = a > b ? a : b;
    if (most == kNever) return most;
    return most + std::log(std::exp(a - most) + std::exp(b - most));
}

/// Log-density (per gram) of a summed change given signed `quantity` units; catalogues are wrong at times, by a
/// log-normal factor. A mass that is NaN may be any.
inline double log_mass(Sum sum, double mass, int32_t quantity, const AssociationSettings& s) {
    if (sum.total * quantity <= 0.0) return kNever;
    if (std::isnan(mass)) return log_any_mass(sum.total, s);
    const double spread = s.mass_spread * mass;
    const double right = log_normal(sum.total - quantity * mass, sum.var + std::abs(quantity) * spread * spread);
    const double sigma = std::log(s.wrong_factor);
    const double off = std::log(sum.total / (quantity * mass)) / sigma;
    const double wrong = -0.5 * off * off - std::log(std::fabs(sum.total) * sigma * std::sqrt(2.0 * kPi));
    return log_sum(std::log(1.0 - s.wrong_mass) + right, std::log(s.wrong_mass) + wrong);
}

/// Log-density (per gram) of the change of a plate outside the places: cross-talk, or what reaches over to it,
/// which is no more than what moved.
inline double log_outside(double delta, double sigma, double scale, const AssociationSettings& s) {
    const double cross = s.cross_talk * scale;
    const double v = sigma * sigma + cross * cross;
    const double near = std::exp(-0.5 * delta * delta / v) / std::sqrt(2.0 * kPi * v);
    return std::log((1.0 - s.overhang) * near + (std::abs(delta) <= scale ? s.overhang / scale : 0.0));
}

/// Log-density of the change per plate given its sum over places a and b: uniform inside, cross-talk outside.
inline double log_split(const Event& e, int32_t a, int32_t b, double moved_g, const AssociationSettings& s) {
    const double scale = std::max(moved_g, s.lightest_g);
    double result = std::log(scale);
    for (std::size_t k = 0; k < e.n; ++k) {
        if (e.holds(a, k) || e.holds(b, k)) {
            result -= std::log(scale);
        } else {
            result += log_outside(e.delta_g[k], e.sigma_g[k], scale, s);
        }
    }
    return result;
}

/// Log-likelihood ratio of the null, of that probability, given that an earlier event on these plates was one: what
/// rested on the shelf and was not the store's (a hand, a bag) goes away again by the weight with which it came. How it
/// lay on the plates is no evidence: an item that goes the way it came does so, too.
inline double log_echo(Sum now, Sum earlier, double null, const AssociationSettings& s) {
    const double cross = s.cross_talk * earlier.total;
    const double v = now.var + earlier.var + cross * cross + s.echo_sigma_g * s.echo_sigma_g;
    const double back = std::log(s.echo) + log_normal(now.total + earlier.total, v);
    const double anything = std::log(null) + log_any_mass(now.total, s);
    return log_sum(back, anything) - anything;
}

/// Something that moved, of which lots are known that it may be; they begin where those before end.
struct Moved {
    int32_t product, units, place, lots_end;
};

/// A sum over a place, or a lot's grams: the value and the variance with which it is known.
struct Known {
    double grams, var;
};

/// Log-likelihood ratios of what known lots weigh against the catalogue (mass_g; NaN: it says nothing); `same` is how
/// probable it is that it was one of them.
inline void lot_gains(const Moved* moved, std::size_t n, const Known* sums, const Known* lots, const double* mass_g,
                      double same, double* gains, const AssociationSettings& s) {
    int32_t first = 0;
    for (std::size_t r = 0; r < n; ++r) {
        const Moved& m = moved[r];
        const Known& sum = sums[m.place];
        const double mass = mass_g[m.product];
        gains[r] = 0.0;
        const double catalogue = std::isnan(mass) ? kNever : log_mass({sum.grams, sum.var}, mass, m.units, s);
        if (catalogue > kNever) {
            double known = kNever;
            for (int32_t k = first; k < m.lots_end; ++k) {
                known = log_sum(known, log_normal(std::fabs(sum.grams) - lots[k].grams, sum.var + lots[k].var));
            }
            known -= std::log(static_cast<double>(m.lots_end - first));
            gains[r] = log_sum(std::log(same) + known, std::log(1.0 - same) + catalogue) - catalogue;
        }
        first = m.lots_end;
    }
}

}  // namespace fusion
