// When a plate's load came or went: the steps of one woken plate from its level to another, read from the history.
//
// Source: the most probable step between two known levels (Hinkley, Biometrika 57, 1970). Hands push and never pull,
// and items come and go within 0.1 s: that tells a load from the hand that moves it. All values are less the plate's
// level. Cost: a few passes over the history, when a plate settles.
#pragma once
#include "segmentation_window.hpp"

namespace fusion::segmentation {

/// Means of the last n samples of a plate, less its level, tick by tick.
class Running {
  public:
    Running(const State& s, std::int64_t p, std::int64_t first, std::int64_t n)
        : entering_(s, p, first), leaving_(s, p, first), n_(n) {}

    /// Whether the mean is known; it is taken around `about`, for precision.
    bool next(float about) {
        const float x = entering_.next();
        if (x == x) sum_ += x - about, count_ += 1.0f;
        if (++seen_ > n_) {
            const float old = leaving_.next();
            if (old == old) sum_ -= old - about, count_ -= 1.0f;
        }
        return seen_ >= n_ && count_ > 0;
    }
    float mean() const { return sum_ / count_; }

  private:
    Samples entering_, leaving_;
    std::int64_t n_, seen_ = 0;
    float sum_ = 0, count_ = 0;
};

/// Tick after which the mean of n samples was never again farther than `band` from `after`; the middle of the n.
inline std::int64_t last_outside(const State& s, std::int64_t p, std::int64_t first, std::int64_t last, float after,
                                 float band, std::int64_t n) {
    Running running(s, p, first, n);
    std::int64_t outside = first;
    for (std::int64_t t = first; t <= last; ++t)
        if (running.next(after) && std::fabs(running.mean()) > band) outside = t + 1 - n / 2;
    return outside;
}

/// Tick from which on the mean of n samples was below `level` for the first time; the middle of the n.
inline std::int64_t first_below(const State& s, std::int64_t p, std::int64_t first, std::int64_t last, float level,
                                std::int64_t n) {
    Running running(s, p, first, n);
    for (std::int64_t t = first; t <= last; ++t)
        if (running.next(level) && running.mean() < 0) return t + 1 - n / 2;
    return first;
}

/// Tick from which on a load was gone, or there, among first..last, if the plate went from `before` to `after` (g less
/// the level). Hands push and never pull: a plate that is below is empty, whatever presses on it later, and what rests
/// on it in the end was not there while it was elsewhere. The noisier the plate, the longer the means that are looked
/// at; where noise hides the step all the same, the most probable tick for two known levels.
inline std::int64_t step_tick(const State& s, const Config& c, std::int64_t p, std::int64_t first, std::int64_t last,
                              float before, float after, float spread) {
    const float middle = 0.5f * (before + after), half = 0.5f * std::fabs(after - before), band = 2.0f * PART * half;
    const bool lasted = s.head[TICK] - s.l(WOKEN, p) > 2 * c.calm;  // a hand may have been there
    const bool shows = half * half > CLIP * spread;
    if (shows || (lasted && half * half > CLIP * (noise_now(s, c, p) + c.leak * spread))) {
        const std::int64_t n = shows ? 2 : c.block;
        if (after < before) return first_below(s, p, first, last, middle, n);
        const std::int64_t crossing = last_outside(s, p, first, last, after, half, n);
        const std::int64_t arrival = last_outside(s, p, first, last, after, band, c.block);
        if (!shows || arrival - crossing <= 2 * c.join) return crossing;
        // A hand of nearly the load's weight was there before, unless the load lay there alone for a while.
        for (std::int64_t t = crossing + c.plateau; t < arrival; t += c.plateau) {
            const Span alone = span(s, c, p, t - c.plateau, t - 1);
            const float off = std::fabs(alone.mean - after), noise = noise_now(s, c, p) + c.leak * alone.spread;
            if (alone.count > 0 && (off < FLAT * half || off * off < NOTICEABLE * noise)) return crossing;
        }
        return arrival;
    }
    const float sign = after > before ? 1.0f : -1.0f;
    float sum = 0, best = 0;
    std::int64_t probable = first;
    Samples samples(s, p, first);
    for (std::int64_t t = first; t <= last; ++t) {
        const float d = sign * (middle - samples.next());
        if (!(d == d)) continue;
        sum += d < half ? (d > -half ? d : -half) : half;
        if (sum > best) {
            best = sum;
            probable = t + 1;
        }
    }
    return probable;
}

/// Whether a load came at once, as items do and bodies that lean do not.
inline bool sharp(const State& s, const Config& c, std::int64_t p, std::int64_t step, float before, float after,
                  float spread) {
    const std::int64_t first = step - c.quick - c.coincide > oldest(s) ? step - c.quick - c.coincide : oldest(s);
    const Span ahead = span(s, c, p, first, step - c.quick - 1);
    const float short_of = (1.0f - RISE) * std::fabs(after - before) - std::fabs(ahead.mean - after);
    return after < before || ahead.count == 0 || short_of <= 0 ||
           short_of * short_of <= CLIP * spread / float(c.coincide);
}

/// How deep two samples in a row went below the plate's level, g; 0 if they did not.
inline float dip(const State& s, std::int64_t p, std::int64_t first, std::int64_t last) {
    float deepest = 0, before = FAR;
    Samples samples(s, p, first > oldest(s) ? first : oldest(s));
    for (std::int64_t t = first > oldest(s) ? first : oldest(s); t <= last; ++t) {
        const float x = samples.next();
        if (!(x == x)) continue;
        const float higher = x > before ? x : before;
        deepest = higher < deepest ? higher : deepest;
        before = x;
    }
    return deepest;
}

struct Steps {
    static constexpr int MOST = 4;
    int count;
    std::int64_t first[MOST], tick[MOST], end[MOST];  // onset, step, end of the plateau that follows
    float after[MOST], variance[MOST];                // g less the level; g^2, of plateaus
};

/// Whether a stretch is a plateau between two changes of one plate: flat, and far from both levels. Between two levels
/// it may ring; below both it must be flatter and longer; above both it is a hand, which pushes and never pulls.
inline bool plateau(const State& s, const Config& c, std::int64_t p, std::int64_t last, float before, float after,
                    float spread, Span& found) {
    found = span(s, c, p, last - c.plateau + 1, last);
    if (2 * found.count < c.plateau || found.count < 3) return false;
    const float up = found.mean - before, on = after - found.mean, size = std::fabs(after - before);
    float ringing = std::fabs(up) > std::fabs(on) ? FLAT * up : FLAT * on;
    if (up * on <= 0) {
        if (up > 0) return false;
        found = span(s, c, p, last - c.plateau - c.plateau / 2 + 1, last);
        ringing = 0;
    }
    const float noise = 4.0f * spread + c.floor_g * c.floor_g;
    const float least = up * on > 0 && APART * size > c.half_item_g ? APART * size : c.half_item_g;
    const float nearest = std::fabs(up) < std::fabs(on) ? std::fabs(up) : std::fabs(on);
    return found.spread <= noise + ringing * ringing && nearest >= least &&
           nearest * nearest > SIGNIFICANT * noise / float(found.count);
}

/// Whether what seems one change is two that are too close for a plateau: the plate lingers between the levels for
/// longer than a step takes. Fills in the first of them.
inline bool twofold(const State& s, const Config& c, std::int64_t p, std::int64_t from, std::int64_t last, float after,
                    float spread, Steps& steps) {
    const float sign = after > 0 ? 1.0f : -1.0f, size = std::fabs(after);
    std::int64_t left = -1, came = -1, run = 0;
    Samples samples(s, p, from);
    for (std::int64_t t = from; t <= last; ++t) {
        const float x = sign * samples.next();
        if (!(x == x)) continue;
        run = x > PART * size ? run + 1 : 0;
        if (left < 0 && run == 2) left = t - 1;
        if (x < (1.0f - PART) * size) came = t + 1;
    }
    const std::int64_t edge = c.quick / 2;
    if (left <= from + 1 || came - left < 2 * c.quick || came - left > c.plateau + 2 * c.join) return false;
    const Span middle = span(s, c, p, left + edge, came - 1 - edge);
    const float first = sign * middle.mean, second = size - first;
    const float least = first < second ? first : second;
    if (middle.count < 3 || least < PART * size || least * least < SIGNIFICANT * spread) return false;
    float most = 0, end = 0;
    Running running(s, p, left + edge, edge);
    for (std::int64_t t = left + edge; t < came - edge; ++t) {
        if (!running.next(0)) continue;
        end = sign * running.mean();
        most = end > most ? end : most;
    }
    if (end < LINGERS * most) return false;  // a push that comes and goes
    if (!sharp(s, c, p, left, 0, middle.mean, spread) || !sharp(s, c, p, came, middle.mean, after, spread))
        return false;
    steps.tick[0] = left;
    steps.end[0] = came - edge;
    steps.after[0] = middle.mean;
    steps.variance[0] = middle.spread;
    return true;
}

/// The steps of a plate from its level over plateaus to `after`, where it is from tick `quiet` on.
inline Steps find_steps(const State& s, const Config& c, std::int64_t p, std::int64_t quiet, float after,
                        float spread) {
    Steps steps{};
    const std::int64_t woken = s.l(WOKEN, p), tick = s.head[TICK];
    const std::int64_t begin = woken - c.coincide > oldest(s) ? woken - c.coincide : oldest(s);
    std::int64_t from = begin, first = woken;
    const float size = std::fabs(after);
    float before = 0;
    int k = 0;
    // After long a hand was there, and what looks like a plateau is its.
    const bool look = moved(s, c, p) && tick - woken <= 3 * c.calm;
    for (std::int64_t t = begin + c.plateau + c.plateau / 2; look && t < quiet && k + 1 < Steps::MOST; ++t) {
        Span flat{}, longer{};
        if (!plateau(s, c, p, t, before, after, spread, flat)) continue;
        const std::int64_t start = t - c.plateau + 1;
        const float keep = 2.0f * std::sqrt(spread) + FLAT * std::fabs(flat.mean - before);
        while (t + 1 < quiet && plateau(s, c, p, t + 1, before, after, spread, longer) &&
               std::fabs(longer.mean - flat.mean) <= keep)
            ++t;
        flat = span(s, c, p, start, t);
        const std::int64_t came = step_tick(s, c, p, from, t, before, flat.mean, spread);
        const std::int64_t went = step_tick(s, c, p, start, tick, flat.mean, after, spread);
        if (start - came > c.join || went - t > c.join || !sharp(s, c, p, came, before, flat.mean, spread) ||
            !sharp(s, c, p, went, flat.mean, after, spread))
            continue;
        if (after > flat.mean && dip(s, p, t, went) < flat.mean - LETS_GO * (flat.mean - before)) continue;
        steps.first[k] = first;
        steps.tick[k] = came;
        steps.end[k] = first = t;
        steps.after[k] = before = flat.mean;
        steps.variance[k++] = flat.spread;
        from = start;
        t += c.plateau;
    }
    if (k == 0 && look && size > c.half_item_g && twofold(s, c, p, begin, quiet, after, spread, steps)) {
        steps.first[0] = first;
        first = from = steps.end[0];
        before = steps.after[0];
        k = 1;
    }
    steps.first[k] = first;
    steps.tick[k] = step_tick(s, c, p, from, tick, before, after, spread);
    steps.end[k] = tick;
    steps.after[k++] = after;
    steps.count = k;
    return steps;
}

}  // namespace fusion::segmentation
