// The K best joint hypotheses about what everybody carries and what lies misplaced.
//
// Solved: extend every hypothesis by every explanation of an event, keep the K best states, merge equal ones.
// Source: fusion/reference/hypotheses.py, statement by statement; multiple-hypothesis tracking (Reid 1979; Blackman
//   2004), the state being sets of items instead of tracks.
// Assumes: each hypothesis has room for 6 records more than it holds. Storage is the caller's.
// Units: natural logarithms. Cost: O(H E) at worst for the branches, best first, and O(K log K) for the best 16 K.
#pragma once

#include "explanations.hpp"
#include "records.hpp"

namespace fusion {

constexpr int32_t kStaff = 1 << 30;        // owners from here on re-stock: nothing of theirs is recorded
constexpr std::size_t kBranches = 16;      // per hypothesis to be kept that are looked at, at most
constexpr std::size_t kMostRecords = 6;    // that an explanation adds to a hypothesis

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

/// Where a new hypothesis may come from: what a shopper returns and does not carry comes from `source`, if >= 0.
struct Branch {
    double value;
    int32_t hypothesis, explanation, source;
    uint32_t rank;
};

/// A prior, and whether the shopper returns what he does not carry: where it comes from is not in it.
struct Feasible {
    double prior;
    bool lacks;
};

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
    if (part.shopper >= kStaff) return {prior, false};
    if (units(records, count, part.shopper, part.product) >= part.quantity) {
        return {prior - std::log(static_cast<double>(units(records, count, part.shopper, -1))), false};
    }
    return {prior, true};
}

/// Most that log_feasible may come to for the parts of an explanation.
inline double most_feasible(const Part (&parts)[kParts], const Priors& log) {
    double result = 0.0;
    for (const Part& part : parts) {
        if (part.product < 0) continue;
        result += part.quantity < 0 || part.shopper >= kStaff ? log.taking : log.returning;
        if (part.quantity > 0) result += part.place > 0 ? log.home : log.misplacing;
    }
    return result;
}

/// Change a hypothesis by one part; returns its new count of records.
inline int32_t apply(const Part& part, int32_t source, Record* records, int32_t count, const Scene& scene,
                     int32_t main_plate) {
    if (part.product < 0) return count;
    if (part.quantity < 0) {
        for (std::size_t k = 0; part.place == 0 && k < scene.n; ++k) {
            if (units(records, count, -1 - scene.plates[k], part.product) >= -part.quantity) {
                count = add(records, count, -1 - scene.plates[k], part.product, part.quantity);
                break;
            }
        }
        return part.shopper >= kStaff ? count : add(records, count, part.shopper, part.product, -part.quantity);
    }
    if (units(records, count, part.shopper, part.product) >= part.quantity) {
        count = add(records, count, part.shopper, part.product, -part.quantity);
    } else if (source >= 0 && units(records, count, source, part.product) >= part.quantity) {
        count = add(records, count, source, part.product, -part.quantity);
    }
    if (part.place == 0) count = add(records, count, -1 - main_plate, part.product, part.quantity);
    return count;
}

/// Caller-owned room: order, reach and column (explanations), branches (see branches_needed), trial (stride), prints
/// (new hypotheses).
struct UpdateRoom {
    int32_t *order, *column;
    double* reach;
    Branch* branches;
    Record* trial;
    uint64_t* prints;
};

/// Room for branches that does whatever happens: one each, and one more for every record of somebody who may have
/// handed over what is returned.
inline std::size_t branches_needed(const Hypotheses& in, const Explanations& explanations) {
    std::size_t returns = 0;
    for (std::size_t e = 0; e < explanations.n; ++e) {
        bool any = false;
        for (const Part& part : explanations.parts[e]) any |= part.product >= 0 && part.quantity > 0;
        returns += any;
    }
    std::size_t records = 0;
    for (std::size_t h = 0; h < in.n; ++h) records += static_cast<std::size_t>(in.count[h]);
    return in.n * (explanations.n + 1) + records * returns;
}

/// Append what explanation e makes of hypothesis h, of value v so far. There is more than one branch if it returns what
/// the shopper does not carry: it may come from outside, or from anybody who carries it. That is asked of the first
/// such part only; others come from outside.
inline std::size_t branch_out(const Hypotheses& in, std::size_t h, int32_t e, double v, const Part (&parts)[kParts],
                              const Scene& scene, const Priors& log, Branch* out) {
    const Record* records = in.row(h);
    const int32_t count = in.count[h], from = static_cast<int32_t>(h);
    const Part* asked = nullptr;
    for (const Part& part : parts) {
        if (part.product < 0) continue;
        const Feasible feasible = log_feasible(part, records, count, scene, log);
        v += feasible.prior;
        if (feasible.lacks && asked) v += log.foreign;
        if (feasible.lacks && !asked) asked = &part;
    }
    std::size_t n = 0;
    if (asked) {
        const auto holds = [&](const Record& r) {
            return r.owner >= 0 && r.owner != asked->shopper && r.product == asked->product &&
                   r.quantity >= asked->quantity;
        };
        const double holders = static_cast<double>(std::count_if(records, records + count, holds));
        for (int32_t i = 0; i < count; ++i) {
            if (holds(records[i])) out[n++] = {v + log.handing_over - std::log(holders), from, e, records[i].owner, 0};
        }
        v += log.foreign;
    }
    out[n] = {v, from, e, -1, 0};
    return n + 1;
}

/// An event's explanations, those from `first_joint` on of an earlier event and it as one; `echo` and `together` are
/// log-likelihood ratios, in each hypothesis, of the null and of the joint explanations.
struct Evidence {
    const Explanations& explanations;
    std::size_t first_joint;
    const double *echo, *together;
};

/// The branches not negligible against the best, in no order; returns how many.
inline std::size_t list_branches(const Hypotheses& in, const Evidence& evidence, const Scene& scene, const Priors& log,
                                 UpdateRoom room, double* best) {
    const Explanations& all = evidence.explanations;
    for (std::size_t e = 0; e < all.n; ++e) {
        room.order[e] = static_cast<int32_t>(e);
        room.reach[e] = all.log_score[e] + most_feasible(all.parts[e], log);
    }
    const double* reach = room.reach;
    std::sort(room.order, room.order + all.n,
              [reach](int32_t a, int32_t b) { return reach[a] != reach[b] ? reach[a] > reach[b] : a < b; });
    *best = kNever;
    std::size_t n = 0;
    for (std::size_t h = 0; h < in.n; ++h) {
        const double null = in.weight[h] + all.log_score[0] + evidence.echo[h];
        room.branches[n] = {null, static_cast<int32_t>(h), 0, -1, static_cast<uint32_t>(n)};
        ++n;
        *best = std::max(*best, null);
        for (std::size_t i = 0; i < all.n; ++i) {
            const int32_t e = room.order[i];
            if (in.weight[h] + reach[e] < *best + log.negligible) break;
            if (e == 0) continue;
            double v = in.weight[h] + all.log_score[e];
            if (static_cast<std::size_t>(e) >= evidence.first_joint) v += evidence.together[h];
            const std::size_t more = branch_out(in, h, e, v, all.parts[e], scene, log, room.branches + n);
            std::size_t kept = n;
            for (std::size_t k = n; k < n + more; ++k) {
                *best = std::max(*best, room.branches[k].value);
                if (!(room.branches[k].value >= *best + log.negligible)) continue;
                room.branches[kept] = room.branches[k];
                room.branches[kept].rank = static_cast<uint32_t>(kept);
                ++kept;
            }
            n = kept;
        }
    }
    return n;
}

/// What update() tells besides the new hypotheses: how much of each came from each old one, by explanations before
/// first_joint and from there on (new, old); the explanations that any branch took (columns), the null first, and how
/// much of each hypothesis came by each (new, columns_room).
struct Lineage {
    double *share, *joint_share;
    int32_t* columns;
    double* chosen;
    std::size_t columns_room, columns_used;
};

/// Extend `in` by the explanations into `out` (capacity out.n). Returns how many hypotheses were written.
inline std::size_t update(const Hypotheses& in, const Evidence& evidence, const Scene& scene,
                          const AssociationSettings& s, UpdateRoom room, Hypotheses& out, Lineage& lineage) {
    const Explanations& all = evidence.explanations;
    const Priors log(scene, s);
    double best;
    std::size_t n = list_branches(in, evidence, scene, log, room, &best);
    const auto before = [](const Branch& a, const Branch& b) {
        return a.value != b.value ? a.value > b.value : a.rank < b.rank;
    };
    const std::size_t looked_at = std::min(n, kBranches * out.n);
    if (looked_at < n) std::nth_element(room.branches, room.branches + looked_at, room.branches + n, before);
    std::sort(room.branches, room.branches + looked_at, before);
    std::fill(room.column, room.column + all.n, -1);
    std::fill(lineage.chosen, lineage.chosen + out.n * lineage.columns_room, 0.0);
    lineage.columns[0] = room.column[0] = 0;
    lineage.columns_used = 1;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < looked_at && room.branches[i].value >= best + log.negligible; ++i) {
        const Branch& b = room.branches[i];
        const std::size_t h = static_cast<std::size_t>(b.hypothesis), e = static_cast<std::size_t>(b.explanation);
        const bool joint = e >= evidence.first_joint;
        int32_t count = in.count[h];
        std::copy_n(in.row(h), count, room.trial);
        for (const Part& part : all.parts[e]) {
            count = apply(part, b.source, room.trial, count, scene, joint ? scene.joint_main_plate : scene.main_plate);
        }
        const double linear = std::exp(b.value - best);
        const std::size_t k = merge(room.trial, count, linear, out, room.prints, kept);
        if (k == out.n) continue;
        if (k == kept) {
            std::fill(lineage.share + k * in.n, lineage.share + (k + 1) * in.n, 0.0);
            std::fill(lineage.joint_share + k * in.n, lineage.joint_share + (k + 1) * in.n, 0.0);
            ++kept;
        }
        if (room.column[e] < 0) {
            room.column[e] = static_cast<int32_t>(lineage.columns_used);
            lineage.columns[lineage.columns_used++] = b.explanation;
        }
        (joint ? lineage.joint_share : lineage.share)[k * in.n + h] += linear;
        lineage.chosen[k * lineage.columns_room + static_cast<std::size_t>(room.column[e])] += linear;
    }
    for (std::size_t k = 0; k < kept; ++k) {
        divide(lineage.share + k * in.n, in.n, out.weight[k]);
        divide(lineage.joint_share + k * in.n, in.n, out.weight[k]);
        divide(lineage.chosen + k * lineage.columns_room, lineage.columns_used, out.weight[k]);
    }
    normalise(out.weight, kept);
    return kept;
}

}  // namespace fusion
