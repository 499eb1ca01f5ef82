// Changes in the level of a whole signal, exactly: the segmentation that minimises the sum over segments of
// loss + penalty, by functional pruning (FPOP: Maidstone, Hocking, Rigaill & Fearnhead 2017, "On optimal multiple
// changepoint algorithms for large data").
//
// A sample y of weight w costs w min((y - level)^2, bound^2): infinite for the square loss, else the biweight loss of
// Fearnhead & Rigaill 2019, "Changepoint detection in the presence of outliers". Samples that are NaN or weigh nothing
// cost nothing; a segment starts at a sample that weighs. The recursion, with Q the least cost of the samples so far
// whose last segment has level x, is
//     Q(x) <- min(Q(x), best + penalty) + w min((y - x)^2, bound^2),    best = min Q.
// What changes little from sample to sample is not computed again:
// - A lower bound on the lowest cost of every piece but the best one holds for ever, because costs only grow. While
//   the best piece stays below the bound, nothing else is looked at to find the minimum.
// - What exceeds best + penalty lies at the two ends as a rule; the ends are cut and grown in place. Only where
//   something else is to be cut, all pieces are copied (`prune`).
// Only + - * / sqrt: the bits are those of reference/changepoints.py.
// Cost: 25 to 45 ns a sample with the square loss, 2 to 8 pieces; about twice that with the biweight loss; no heap.
#pragma once
#include <limits>
#include <utility>

#include "changepoints_pieces.hpp"

namespace fusion::changepoints {

enum Status : std::int32_t { kDone, kTooManyPieces };

constexpr std::int64_t kRebase = 256;  // samples: few enough for small totals, many enough to be cheap
constexpr std::int64_t kMargin = 4;    // free places that one sample may take at either end
constexpr double kSlack = 1e-6;        // of the penalty: what the lower bound gives up to rounding

struct Signal {
    const double *y, *weight;  // NaN is missing; weight is null where every sample weighs 1
    std::int64_t count;
    double w(std::int64_t i) const { return y[i] == y[i] ? (weight ? weight[i] : 1.0) : 0.0; }
};

// Caller-owned: two rooms for `capacity` pieces, and for each sample the last segment if the signal ended there.
struct Work {
    Pieces room[2];
    std::int64_t capacity;
    std::int32_t* start;  // first sample of that segment
    double* level;        // its level
};

class Solver {
  public:
    Solver(const Work& work, double penalty, double bound)
        : work_(work), p_(work.room[0]), spare_(work.room[1]), penalty_(penalty), bound_(bound) {}

    // Starts with the first sample's candidate, free of charge, on [low, high].
    void start(double anchor, double low, double high) {
        anchor_ = anchor;
        p_.first = p_.last = work_.capacity / 2;
        p_.open(low - anchor, 0.0);
        p_.push_right({0.0, 0.0, 0.0, 0}, high - anchor, 0.0);
    }

    // Takes sample i of weight w > 0; false if the capacity is too small.
    bool take(std::int64_t i, double y, double w) {
        if (!room()) return false;
        const double z = y - anchor_, level_before = best_ + penalty_, before = best_;
        Newborn born{newest(level_before, i), 0.0, 0.0};
        if ((z - bound_ > p_.x[p_.first]) | (z + bound_ < p_.x[p_.last])) clip(z, w);
        t_.t0 += w;
        t_.t1 += w * z;
        t_.t2 += w * z * z;

        const bool known = find_best(level_before);
        const bool fresh = !known || ((best_ > level_before) & ((z < p_.x[p_.first]) | (z > p_.x[p_.last])));
        if (fresh) {
            best_ = level_before;
            best_level_ = z;
            core_ = -1;
            work_.start[i] = static_cast<std::int32_t>(i);
        } else {
            work_.start[i] = static_cast<std::int32_t>(p_.curve[core_].start);
        }
        work_.level[i] = anchor_ + best_level_;

        const double rise = best_ - before;
        const double reach = std::sqrt(rise > 0.0 ? rise / w : 0.0), radius = reach < bound_ ? reach : bound_;
        born.low = z - radius;
        born.high = z + radius;
        if (!trim(raise(z, w), born)) {
            spare_.first = spare_.last = (work_.capacity - 2 * (p_.last - p_.first)) / 2;
            prune(p_, t_, best_ + penalty_, born, newest(best_ + penalty_, i + 1), spare_);
            std::swap(p_, spare_);
            core_ = -1;
        }
        if (++since_ == kRebase) {
            rebase(p_, t_, best_level_, best_);
            anchor_ += best_level_;
            bound_below_ -= best_;
            best_ = 0.0;
            best_level_ = 0.0;
            since_ = 0;
        }
        return true;
    }

  private:
    Curve newest(double level, std::int64_t start) const { return {t_.t0, t_.t1, t_.t2 - level, start}; }

    // Centres the pieces where an end has come near; false if they would not fit into the spare room when pruned.
    bool room() {
        const std::int64_t n = p_.last - p_.first;
        if ((p_.first >= kMargin) & (p_.last < work_.capacity - kMargin) & (2 * n + 4 * kMargin < work_.capacity)) {
            return true;
        }
        if (2 * n + 4 * kMargin >= work_.capacity) return false;
        spare_.first = (work_.capacity - n) / 2;
        spare_.last = spare_.first + n;
        for (std::int64_t k = 0; k <= n; ++k) {
            spare_.x[spare_.first + k] = p_.x[p_.first + k];
            spare_.v[spare_.first + k] = p_.v[p_.first + k];
            if (k < n) spare_.curve[spare_.first + k] = p_.curve[p_.first + k];
        }
        if (core_ >= 0) core_ += spare_.first - p_.first;
        std::swap(p_, spare_);
        return true;
    }

    void clip(double z, double w) {
        const double w1 = w * z, w2 = w * z * z - w * (bound_ * bound_);
        const std::int64_t right = clip_right(p_, t_, z + bound_, w, w1, w2);
        const std::int64_t left = clip_left(p_, t_, z - bound_, w, w1, w2);
        if ((right >= 0 && right == core_) || (left >= 0 && left == core_)) core_ = -1;
    }

    // The lowest point of all pieces: best_, best_level_, core_. False if no piece has one.
    bool find_best(double level_before) {
        if (core_ >= 0) {
            const Quadratic q = quadratic(t_, p_.curve[core_]);
            best_level_ = q.q1 / q.q0;
            best_ = q.q2 - q.q1 * best_level_;
            if (turns(q, p_.x[core_], p_.x[core_ + 1]) & (best_ <= bound_below_)) return true;
        }
        return scan(level_before);
    }

    // Looks at every piece.
    bool scan(double level_before) {
        best_ = std::numeric_limits<double>::infinity();
        core_ = -1;
        double others = level_before;  // what is born from now on starts from there or higher
        for (std::int64_t k = p_.first; k < p_.last; ++k) {
            const Quadratic q = quadratic(t_, p_.curve[k]);
            double lowest = p_.v[k] < p_.v[k + 1] ? p_.v[k] : p_.v[k + 1];
            if (turns(q, p_.x[k], p_.x[k + 1])) {
                const double level = q.q1 / q.q0;
                lowest = q.q2 - q.q1 * level;
                if (lowest < best_) {
                    std::swap(lowest, best_);
                    best_level_ = level;
                    core_ = k;
                }
            }
            others = lowest < others ? lowest : others;
        }
        bound_below_ = others - kSlack * penalty_;
        return core_ >= 0;
    }

    struct Ends {
        std::int64_t lead, trail, above;  // breakpoints beyond best + penalty: at the left, at the right, everywhere
    };

    // Adds the sample to the costs at the breakpoints.
    Ends raise(double z, double w) {
        const double level = best_ + penalty_, square = bound_ * bound_;
        Ends ends{0, 0, 0};
        std::int64_t leading = 1;
        for (std::int64_t k = p_.first; k <= p_.last; ++k) {
            const double e = z - p_.x[k], g = e * e;
            const double v = p_.v[k] + w * (g < square ? g : square);
            p_.v[k] = v;
            const std::int64_t high = v > level;
            leading &= high;
            ends.lead += leading;
            ends.trail = high ? ends.trail + 1 : 0;
            ends.above += high;
        }
        return ends;
    }

    // Cuts both ends at best + penalty and lets the newborn grow there; false, with nothing done, if that is not all.
    bool trim(const Ends& ends, const Newborn& born) {
        if (core_ < 0) return false;
        const double level = best_ + penalty_;
        const std::int64_t first = p_.first, last = p_.last;
        const std::int64_t lead = ends.lead < core_ - first + 1 ? ends.lead : core_ - first + 1;
        const std::int64_t trail = ends.trail < last - core_ ? ends.trail : last - core_;
        if (lead + trail != ends.above) return false;
        std::int64_t f = first, l = last;
        for (; f < first + lead - 1; ++f) {
            if (dips(quadratic(t_, p_.curve[f]), p_.x[f], p_.x[f + 1], level)) return false;
        }
        for (; l > last - trail + 1; --l) {
            if (dips(quadratic(t_, p_.curve[l - 1]), p_.x[l - 1], p_.x[l], level)) return false;
        }
        const double x_first = p_.x[first], x_last = p_.x[last];
        double low = x_first, high = x_last;
        if (lead) {
            const Quadratic q = quadratic(t_, p_.curve[f]);
            if (!(q.q0 > 0.0)) return false;
            low = within(roots(q, level).low, p_.x[f], p_.x[f + 1]);
        }
        if (trail) {
            const Quadratic q = quadratic(t_, p_.curve[l - 1]);
            if (!(q.q0 > 0.0)) return false;
            high = within(roots(q, level).high, p_.x[l - 1], p_.x[l]);
        }
        const bool grows_left = (born.low < x_first) & (born.low < born.high);
        const bool grows_right = (born.high > x_last) & (born.low < born.high);
        const bool apart = (grows_left & (born.high < low)) | (grows_right & (born.low > high));
        const bool empty = f + 1 == l ? !(low < high) : !((low < p_.x[f + 1]) & (p_.x[l - 1] < high));
        if (apart | empty) return false;
        p_.x[f] = low;
        p_.x[l] = high;
        p_.v[f] = lead ? level : p_.v[f];
        p_.v[l] = trail ? level : p_.v[l];
        // Written in any case, counted if it is there: which side grows is a coin's toss that no processor predicts.
        p_.curve[f - 1] = p_.curve[l] = born.curve;
        p_.x[f - 1] = born.low;
        p_.x[l + 1] = born.high;
        p_.v[f - 1] = p_.v[l + 1] = level;
        p_.first = f - grows_left;
        p_.last = l + grows_right;
        return true;
    }

    const Work& work_;
    Pieces p_, spare_;
    Totals t_{0.0, 0.0, 0.0};
    const double penalty_, bound_;
    double anchor_ = 0.0, best_ = 0.0, best_level_ = 0.0;
    double bound_below_ = 0.0;  // no piece but the best one costs less anywhere
    std::int64_t core_ = -1;    // the best piece; -1 if it is not known
    std::int64_t since_ = 0;    // samples since the last rebasing
};

// Finds for every sample that weighs the last segment of the best segmentation up to it.
inline Status solve(const Signal& s, double penalty, double bound, const Work& work) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double low = infinity, high = -infinity;
    for (std::int64_t i = 0; i < s.count; ++i) {
        if (!(s.w(i) > 0.0)) continue;
        low = s.y[i] < low ? s.y[i] : low;
        high = s.y[i] > high ? s.y[i] : high;
    }
    const double margin = high - low + 1.0;  // no level is best at an end of the range looked at
    Solver solver(work, penalty, bound);
    solver.start(low, low - margin, high + margin);
    for (std::int64_t i = 0; i < s.count; ++i) {
        const double w = s.w(i);
        if (w > 0.0 && !solver.take(i, s.y[i], w)) return kTooManyPieces;
    }
    return kDone;
}

// The last sample up to i that weighs; -1 if there is none.
inline std::int64_t last_heavy(const Signal& s, std::int64_t i) {
    while (i >= 0 && !(s.w(i) > 0.0)) --i;
    return i;
}

// How many segments the best segmentation of the whole signal has.
inline std::int64_t count_segments(const Signal& s, const Work& work) {
    std::int64_t count = 0;
    for (std::int64_t i = last_heavy(s, s.count - 1); i >= 0; i = last_heavy(s, work.start[i] - 1)) ++count;
    return count;
}

struct Segments {
    std::int64_t* start;            // first sample
    double *level, *weight, *loss;  // best level; weight within the bound of it; of all samples
    std::int64_t count;
};

// Writes the segments, `out.count` of them. A sample that is out of bounds for both its neighbours costs the same in
// either: it goes to the earlier one, so that a segment starts with a sample of its own.
inline void trace(const Signal& s, const Work& work, double bound, const Segments& out) {
    const double square = bound * bound;
    std::int64_t end = last_heavy(s, s.count - 1);
    for (std::int64_t k = out.count - 1; k >= 0; --k) {
        out.start[k] = work.start[end];
        out.level[k] = work.level[end];
        end = last_heavy(s, work.start[end] - 1);
    }
    for (std::int64_t k = 0; k < out.count; ++k) {
        std::int64_t& i = out.start[k];
        for (; i + 1 < s.count; ++i) {
            const double e = s.y[i] - out.level[k], f = k ? s.y[i] - out.level[k - 1] : 0.0;
            if (s.w(i) > 0.0 && (e * e < square || f * f < square)) break;
        }
    }
    for (std::int64_t k = 0; k < out.count; ++k) {
        const std::int64_t stop = k + 1 < out.count ? out.start[k + 1] : s.count;
        double weight = 0.0, sum = 0.0, loss = 0.0;
        for (std::int64_t i = out.start[k]; i < stop; ++i) {
            const double w = s.w(i), e = s.y[i] - out.level[k];
            if (!(w > 0.0) || !(e * e < square)) continue;
            weight += w;
            sum += w * e;
        }
        const double level = out.level[k] + sum / weight;
        for (std::int64_t i = out.start[k]; i < stop; ++i) {
            const double w = s.w(i), e = s.y[i] - level, g = e * e;
            if (w > 0.0) loss += w * (g < square ? g : square);
        }
        out.level[k] = level;
        out.weight[k] = weight;
        out.loss[k] = loss;
    }
}

}  // namespace fusion::changepoints
