// The functional cost of changepoints.hpp: a piecewise function of the level, and what one sample does to it.
//
// Candidate tau's curve at time t is its cost at birth plus the loss of the samples since. All curves take the same
// samples, so a curve is stored as the running totals at its birth and never touched again: at level x it costs
// (t0 - a) x^2 - 2 (t1 - b) x + (t2 - d). Levels are told from an anchor, costs from the last rebasing; both move
// along, so that totals stay small however long the signal and however heavy the plate.
// Outside the pieces the newest candidate holds: it costs the best plus the penalty.
#pragma once
#include <cmath>
#include <cstdint>

namespace fusion::changepoints {

struct Curve {
    double a, b, d;      // weight, weighted level, weighted square at birth; the cost at birth is in d
    std::int64_t start;  // index of the first sample
};

// Piece k, in first..last-1, has curve[k] between x[k] and x[k + 1], where it costs v[k] and v[k + 1].
struct Pieces {
    double *x, *v;
    Curve* curve;
    std::int64_t first, last;

    void open(double at, double cost) {
        x[first] = at;
        v[first] = cost;
    }
    void push_right(const Curve& c, double to, double cost) {
        curve[last++] = c;
        x[last] = to;
        v[last] = cost;
    }
};

struct Totals {
    double t0, t1, t2;  // of weight, w z, w z^2
};

// Coefficients of a curve now: q0 x^2 - 2 q1 x + q2.
struct Quadratic {
    double q0, q1, q2;
    double at(double x) const { return (q0 * x - 2.0 * q1) * x + q2; }
};

inline Quadratic quadratic(const Totals& t, const Curve& c) {
    return {t.t0 - c.a, t.t1 - c.b, t.t2 - c.d};
}

struct Roots {
    double low, high;
};

// Where the curve costs `level`; its lowest point twice if it is nowhere so cheap. Infinite or NaN if it is flat.
inline Roots roots(const Quadratic& q, double level) {
    const double square = q.q1 * q.q1 - q.q0 * (q.q2 - level);
    const double half = std::sqrt(square > 0.0 ? square : 0.0), r = 1.0 / q.q0;
    return {(q.q1 - half) * r, (q.q1 + half) * r};
}

inline double within(double x, double low, double high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

// Whether the curve's lowest point lies in [low, high]; false for a flat one.
inline bool turns(const Quadratic& q, double low, double high) {
    return (q.q0 > 0.0) & (q.q0 * low <= q.q1) & (q.q1 <= q.q0 * high);
}

inline bool dips(const Quadratic& q, double low, double high, double level) {
    return turns(q, low, high) & (q.q0 * (q.q2 - level) < q.q1 * q.q1);
}

// A curve beyond the bound of the loss does not take the coming sample but its limit: taken off beforehand.
inline Curve passed_over(Curve c, double w, double w1, double w2) {
    c.a += w;
    c.b += w1;
    c.d += w2;
    return c;
}

// Pieces beyond z + bound are passed over; the one astride is split. Returns the index of the split piece, or -1.
inline std::int64_t clip_right(Pieces& p, const Totals& t, double edge, double w, double w1, double w2) {
    std::int64_t k = p.last;
    while (k > p.first && p.x[k - 1] >= edge) {
        --k;
        p.curve[k] = passed_over(p.curve[k], w, w1, w2);
    }
    if (k == p.first || p.x[k] <= edge) return -1;
    for (std::int64_t j = p.last; j >= k; --j) {
        p.x[j + 1] = p.x[j];
        p.v[j + 1] = p.v[j];
        p.curve[j] = p.curve[j - 1];
    }
    ++p.last;
    p.x[k] = edge;
    p.v[k] = quadratic(t, p.curve[k - 1]).at(edge);
    p.curve[k] = passed_over(p.curve[k - 1], w, w1, w2);
    return k - 1;
}

// The same below z - bound.
inline std::int64_t clip_left(Pieces& p, const Totals& t, double edge, double w, double w1, double w2) {
    std::int64_t k = p.first;
    while (k < p.last && p.x[k + 1] <= edge) {
        p.curve[k] = passed_over(p.curve[k], w, w1, w2);
        ++k;
    }
    if (k == p.last || p.x[k] >= edge) return -1;
    for (std::int64_t j = p.first; j <= k; ++j) {
        p.x[j - 1] = p.x[j];
        p.v[j - 1] = p.v[j];
        p.curve[j - 1] = p.curve[j];
    }
    --p.first;
    p.x[k] = edge;
    p.v[k] = quadratic(t, p.curve[k]).at(edge);
    p.curve[k - 1] = passed_over(p.curve[k], w, w1, w2);
    return k;
}

// What the newest candidate of the sample before is still good for: its curve, at most `level` between low and high.
struct Newborn {
    Curve curve;
    double low, high;
};

// Adds [low, high] of a curve to the right of `p`: what lies between costs `level`, the newest candidate's.
inline void append(Pieces& p, const Curve& c, double low, double v_low, double high, double v_high, const Curve& newest,
                   double level) {
    if (!(low < high)) return;
    if (p.last == p.first) {
        p.open(low, v_low);
    } else if (p.x[p.last] < low) {
        p.push_right(newest, low, level);
    } else {
        p.x[p.last] = low;
        p.v[p.last] = v_low;
    }
    p.push_right(c, high, v_high);
}

// Copies what costs at most `level` from `p` to `out`, wherever that is; the newborn fills in at both ends.
inline void prune(const Pieces& p, const Totals& t, double level, const Newborn& born, const Curve& newest,
                  Pieces& out) {
    if (born.low < p.x[p.first]) append(out, born.curve, born.low, level, born.high, level, newest, level);
    for (std::int64_t k = p.first; k < p.last; ++k) {
        const bool left = p.v[k] > level, right = p.v[k + 1] > level;
        const Quadratic q = quadratic(t, p.curve[k]);
        double low = p.x[k], high = p.x[k + 1];
        if ((left & right) ? !dips(q, low, high, level) : (left | right) & !(q.q0 > 0.0)) continue;
        const Roots r = roots(q, level);
        const double from = left ? within(r.low, low, high) : low, to = right ? within(r.high, low, high) : high;
        append(out, p.curve[k], from, left ? level : p.v[k], to, right ? level : p.v[k + 1], newest, level);
    }
    const bool empty = out.last == out.first;
    if (empty | (born.high > p.x[p.last])) {
        const bool apart = empty || born.low > out.x[out.last];
        append(out, born.curve, apart ? born.low : out.x[out.last], apart ? level : out.v[out.last], born.high, level,
               newest, level);
    }
}

// Moves the anchor by `shift` and tells costs from `best`; the totals start again from zero.
inline void rebase(Pieces& p, Totals& t, double shift, double best) {
    for (std::int64_t k = p.first; k < p.last; ++k) {
        Curve& c = p.curve[k];
        const Quadratic q = quadratic(t, c);
        c.a = -q.q0;
        c.b = -(q.q1 - q.q0 * shift);
        c.d = -(q.at(shift) - best);
    }
    for (std::int64_t k = p.first; k <= p.last; ++k) {
        p.x[k] -= shift;
        p.v[k] -= best;
    }
    t = {0.0, 0.0, 0.0};
}

}  // namespace fusion::changepoints
