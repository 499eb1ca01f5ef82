// The K best joint hypotheses about what everybody carries and what lies misplaced.
//
// Solved: extend every hypothesis by every explanation of an event, keep the K best states, merge equal ones.
// Source: fusion/reference/hypotheses.py, statement by statement; multiple-hypothesis tracking (Reid 1979; Blackman
//   2004), the state being sets of items instead of tracks.
// Assumes: each hypothesis has room for 6 records more than it holds. Storage is the caller's.
// Units: natural logarithms. Cost: O(H E) at worst for the branches, best first, and O(K log K) for the best 4 K.
#pragma once

#include "feasibility.hpp"

namespace fusion {

constexpr std::size_t kBranches = 4;     // per hypothesis to be kept that are looked at, at most
constexpr std::size_t kMostRecords = 6;  // that an explanation adds to a hypothesis

/// Where a new hypothesis may come from: what a shopper returns and does not carry comes from `source`, if >= 0.
struct Branch {
    double value;
    int32_t hypothesis, explanation, source, rank;
};

/// Change a hypothesis by one part; what the shopper returns comes from `source`, if >= 0, or from himself. Returns the
/// new count of records; `print` is their fingerprint.
inline int32_t apply(const Part& part, int32_t source, Record* records, int32_t count, const Scene& scene,
                     int32_t main_plate, uint64_t& print) {
    if (part.product < 0) return count;
    if (part.quantity < 0) {
        for (std::size_t k = 0; part.place == 0 && k < scene.n; ++k) {
            if (units(records, count, -1 - scene.plates[k], part.product) >= -part.quantity) {
                count = add(records, count, -1 - scene.plates[k], part.product, part.quantity, &print);
                break;
            }
        }
        return part.shopper >= kStaff ? count : add(records, count, part.shopper, part.product, -part.quantity, &print);
    }
    const bool gives = source >= 0 && units(records, count, source, part.product) >= part.quantity;
    const int32_t giver = gives ? source : part.shopper;
    if (units(records, count, giver, part.product) >= part.quantity) {
        count = add(records, count, giver, part.product, -part.quantity, &print);
    }
    if (part.place == 0) count = add(records, count, -1 - main_plate, part.product, part.quantity, &print);
    return count;
}

/// Caller-owned room: order, reach and column (explanations), branches (see branches_needed), trial (stride), prints
/// (new hypotheses and old ones).
struct UpdateRoom {
    int32_t *order, *column;
    double* reach;
    Branch* branches;
    Record* trial;
    uint64_t* prints;
};

/// Room for branches that does whatever happens: the shortlist, and the branches of one explanation, one more than the
/// fullest hypothesis has records.
inline std::size_t branches_needed(const Hypotheses& in, std::size_t capacity) {
    int32_t fullest = 0;
    for (std::size_t h = 0; h < in.n; ++h) fullest = std::max(fullest, in.count[h]);
    return 2 * kBranches * capacity + static_cast<std::size_t>(fullest) + 2;
}

/// Append what explanation e makes of hypothesis h, of value v so far. There is more than one branch if it returns what
/// the shopper does not carry: it may come from outside, or from anybody who carries it. That is asked of the first
/// such part only; others come from outside. Nothing is appended if no branch comes to `least`.
inline std::size_t branch_out(const Hypotheses& in, std::size_t h, int32_t e, double v, const Part (&parts)[kParts],
                              const Scene& scene, const Priors& log, double least, Branch* out) {
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
    if (v + (asked ? std::max(log.handing_over, log.foreign) : 0.0) < least) return 0;
    std::size_t n = 0;
    if (asked) {
        for (const Record* r = records; r < records + count; ++r) {
            if (r->product != asked->product || r->quantity < asked->quantity) continue;
            if (r->owner < 0 || r->owner == asked->shopper) continue;
            out[n] = {v, from, e, r->owner, static_cast<int32_t>(n)};
            ++n;
        }
        const double handing_over = n > 0 ? v + log.handing_over - std::log(static_cast<double>(n)) : v;
        for (std::size_t k = 0; k < n; ++k) out[k].value = handing_over;
        v += log.foreign;
    }
    out[n] = {v, from, e, -1, static_cast<int32_t>(n)};
    return n + 1;
}

/// An event's explanations, those from `first_joint` on of an earlier event and it as one; `echo` and `together` are
/// log-likelihood ratios, in each hypothesis, of the null and of the joint explanations.
struct Evidence {
    const Explanations& explanations;
    std::size_t first_joint;
    const double *echo, *together;
};

/// The order of branches; a type of its own, so that sorting is compiled with it.
struct Better {
    bool operator()(const Branch& a, const Branch& b) const {
        if (a.value != b.value) return a.value > b.value;
        if (a.hypothesis != b.hypothesis) return a.hypothesis < b.hypothesis;
        return a.explanation != b.explanation ? a.explanation < b.explanation : a.rank < b.rank;
    }
};

/// The best branches found so far, at least `most` of them if there are so many.
struct Shortlist {
    Branch* branches;
    std::size_t most, n;
    double best, least;  // the best value, and below which none is needed

    /// Take the last `more` branches behind the n into account.
    void take(std::size_t more, double negligible) {
        const std::size_t end = n + more;
        for (std::size_t k = n; k < end; ++k) {
            best = std::max(best, branches[k].value);
            if (branches[k].value >= std::max(least, best + negligible)) branches[n++] = branches[k];
        }
        if (n >= 2 * most) {
            std::nth_element(branches, branches + most - 1, branches + n, Better{});
            n = most;
            least = branches[most - 1].value;
        }
    }
};

constexpr double kRounding = 1e-9;  // nats: sums are not added up in one order

/// Parts, if all are takes from their facings, so that the prior is the same in every hypothesis; else -1.
inline int32_t plain_takes(const Part (&parts)[kParts]) {
    int32_t n = 0;
    for (const Part& part : parts) {
        if (part.product < 0) continue;
        if (part.quantity >= 0 || part.place <= 0) return -1;
        ++n;
    }
    return n;
}

/// List the explanations that may weigh anything in some hypothesis, those that may weigh most first; returns how many.
/// Until branches are built, room.column tells of each explanation how many plain takes it is.
inline std::size_t order_explanations(const Hypotheses& in, const Evidence& evidence, const Scene& scene,
                                      const Priors& log, UpdateRoom room) {
    const Explanations& all = evidence.explanations;
    const Anywhere anywhere(in);
    double heaviest = kNever, surely = kNever;  // surely: what the best branch has at least
    for (std::size_t h = 0; h < in.n; ++h) {
        heaviest = std::max(heaviest, in.weight[h]);
        surely = std::max(surely, in.weight[h] + all.log_score[0] + evidence.echo[h]);
    }
    double* reach = room.reach;
    for (std::size_t e = 1; e < all.n; ++e) {
        reach[e] = all.log_score[e];
        room.column[e] = plain_takes(all.parts[e]);
        if (room.column[e] >= 0) {
            for (int32_t k = 0; k < room.column[e]; ++k) reach[e] += log.taking;
            if (e < evidence.first_joint) surely = std::max(surely, heaviest + reach[e]);
            continue;
        }
        for (const Part& part : all.parts[e]) {
            if (part.product >= 0) reach[e] += most_feasible(part, anywhere, scene, log);
        }
    }
    std::size_t n = 0;
    for (std::size_t e = 1; e < all.n; ++e) {
        reach[e] += kRounding;
        if (heaviest + reach[e] >= surely + log.negligible - kRounding) room.order[n++] = static_cast<int32_t>(e);
    }
    std::sort(room.order, room.order + n,
              [reach](int32_t a, int32_t b) { return reach[a] != reach[b] ? reach[a] > reach[b] : a < b; });
    return n;
}

/// What at least `most` branches come to: the first i hypotheses by the best j plain takes make i times j of them.
inline double surely_reached(const Hypotheses& in, const Evidence& evidence, const UpdateRoom& room,
                             std::size_t candidates, std::size_t most) {
    double least = kNever, lightest = -kNever;
    std::size_t h = in.n, j = 0;
    for (std::size_t i = 0; i < candidates; ++i) {
        const std::size_t e = static_cast<std::size_t>(room.order[i]);
        if (room.column[e] < 0 || e >= evidence.first_joint) continue;
        ++j;
        const std::size_t needed = (most + j - 1) / j;
        if (needed > in.n || needed == h) continue;
        lightest = *std::min_element(in.weight, in.weight + needed);
        h = needed;
        least = std::max(least, lightest + room.reach[e] - 2.0 * kRounding);
    }
    return least;
}

/// The best branches, those that are negligible against the best left out, in no order.
inline void list_branches(const Hypotheses& in, const Evidence& evidence, const Scene& scene, const Priors& log,
                          UpdateRoom room, Shortlist& list) {
    const Explanations& all = evidence.explanations;
    const std::size_t candidates = order_explanations(in, evidence, scene, log, room);
    const double* reach = room.reach;
    list.least = surely_reached(in, evidence, room, candidates, list.most);
    for (std::size_t h = 0; h < in.n; ++h) {
        const double null = in.weight[h] + all.log_score[0] + evidence.echo[h];
        list.branches[list.n] = {null, static_cast<int32_t>(h), 0, -1, 0};
        list.take(1, log.negligible);
        for (std::size_t i = 0; i < candidates; ++i) {
            const int32_t e = room.order[i];
            const double least = std::max(list.least, list.best + log.negligible);
            if (in.weight[h] + reach[e] < least) break;
            double v = in.weight[h] + all.log_score[e];
            if (static_cast<std::size_t>(e) >= evidence.first_joint) v += evidence.together[h];
            if (room.column[e] >= 0) {
                for (int32_t k = 0; k < room.column[e]; ++k) v += log.taking;
                if (v < least) continue;
                list.branches[list.n] = {v, static_cast<int32_t>(h), e, -1, 0};
                list.take(1, log.negligible);
                continue;
            }
            const std::size_t more = branch_out(in, h, e, v, all.parts[e], scene, log, least, list.branches + list.n);
            list.take(more, log.negligible);
        }
    }
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
    Shortlist list{room.branches, kBranches * out.n, 0, kNever, kNever};
    list_branches(in, evidence, scene, log, room, list);
    const double best = list.best;
    const std::size_t looked_at = std::min(list.n, list.most);
    if (looked_at < list.n)
        std::nth_element(room.branches, room.branches + looked_at, room.branches + list.n, Better{});
    std::sort(room.branches, room.branches + looked_at, Better{});
    std::fill(room.column, room.column + all.n, -1);
    lineage.columns[0] = room.column[0] = 0;
    lineage.columns_used = 1;
    uint64_t* const before = room.prints + out.n;
    for (std::size_t h = 0; h < in.n; ++h) before[h] = fingerprint(in.row(h), in.count[h]);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < looked_at && room.branches[i].value >= best + log.negligible; ++i) {
        const Branch& b = room.branches[i];
        const std::size_t h = static_cast<std::size_t>(b.hypothesis), e = static_cast<std::size_t>(b.explanation);
        const bool joint = e >= evidence.first_joint;
        int32_t count = in.count[h];
        std::copy_n(in.row(h), count, room.trial);
        uint64_t print = before[h];
        int32_t giver = b.source;
        for (const Part& part : all.parts[e]) {
            const bool asked = giver >= 0 && lacks(part, in.row(h), in.count[h]);
            count = apply(part, asked ? giver : -1, room.trial, count, scene,
                          joint ? scene.joint_main_plate : scene.main_plate, print);
            giver = asked ? -1 : giver;
        }
        const double linear = std::exp(b.value - best);
        const std::size_t k = merge(room.trial, count, print, linear, out, room.prints, kept);
        if (k == out.n) continue;
        if (k == kept) {
            std::fill(lineage.share + k * in.n, lineage.share + (k + 1) * in.n, 0.0);
            std::fill(lineage.joint_share + k * in.n, lineage.joint_share + (k + 1) * in.n, 0.0);
            std::fill_n(lineage.chosen + k * lineage.columns_room, lineage.columns_used, 0.0);
            ++kept;
        }
        if (room.column[e] < 0) {
            room.column[e] = static_cast<int32_t>(lineage.columns_used);
            for (std::size_t r = 0; r < kept; ++r)
                lineage.chosen[r * lineage.columns_room + lineage.columns_used] = 0.0;
            lineage.columns[lineage.columns_used++] = b.explanation;
        }
        (joint ? lineage.joint_share : lineage.share)[k * in.n + h] += linear;
        lineage.chosen[k * lineage.columns_room + static_cast<std::size_t>(room.column[e])] += linear;
    }
    for (std::size_t k = 0; k < kept; ++k) {
        divide(lineage.share + k * in.n, in.n, out.weight[k]);
        if (evidence.first_joint < all.n) divide(lineage.joint_share + k * in.n, in.n, out.weight[k]);
        divide(lineage.chosen + k * lineage.columns_room, lineage.columns_used, out.weight[k]);
    }
    normalise(out.weight, kept);
    return kept;
}

}  // namespace fusion
