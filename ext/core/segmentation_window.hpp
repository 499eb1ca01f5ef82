// The samples of one woken plate, read from the history: blocks, plateaus, steps. All values are less the plate's
// level. Cost: proportional to the ticks looked at; only plates that move pay it.
#pragma once
#include "segmentation_state.hpp"

namespace fusion::segmentation {

/// Walks the samples of one plate, less its level, from tick `first` on.
class Samples {
  public:
    Samples(const State& s, std::int64_t p, std::int64_t first)
        : base_(s.samples + p), stride_(s.stride), ticks_(s.ticks), row_(s.row(first)), level_(s.f(LEVEL, p)) {}
    float next() {
        const float x = base_[row_ * stride_];
        row_ = row_ + 1 < ticks_ ? row_ + 1 : 0;
        return x - level_;
    }

  private:
    const Sample* base_;
    std::int64_t stride_, ticks_, row_;
    float level_;
};

struct Span {
    float mean, spread;  // g, g^2
    std::int64_t count;
};

/// Mean and variance of the samples of ticks first..last; one wild sample is left out, as the gate does.
inline Span span(const State& s, const Config& c, std::int64_t p, std::int64_t first, std::int64_t last) {
    float total = 0, low = FAR, high = -FAR;
    std::int64_t count = 0;
    Samples once(s, p, first);
    for (std::int64_t t = first; t <= last; ++t) {
        const float d = once.next();
        if (!(d == d)) continue;
        total += d;
        low = d < low ? d : low;
        high = d > high ? d : high;
        ++count;
    }
    if (count == 0) return {0, 0, 0};
    const float mean = total / float(count);
    const float extreme = high - mean > mean - low ? high : low;
    const float mean_rest = count > 1 ? (total - extreme) / float(count - 1) : mean;
    float squares = 0, squares_rest = 0;
    Samples twice(s, p, first);
    for (std::int64_t t = first; t <= last; ++t) {
        const float d = twice.next();
        if (!(d == d)) continue;
        squares += (d - mean) * (d - mean);
        squares_rest += (d - mean_rest) * (d - mean_rest);
    }
    const float gap = extreme - mean_rest;
    squares_rest -= gap * gap;
    const float spread_rest = count > 1 && squares_rest > 0 ? squares_rest / float(count - 1) : 0;
    const bool wild = count >= 4 && gap * gap > WILD * (spread_rest + c.floor_g * c.floor_g + s.f(TREMOR, p));
    return wild ? Span{mean_rest, spread_rest, count} : Span{mean, squares / float(count), count};
}

/// Whether somebody pushed plate p since it woke; noise alone does not.
inline bool moved(const State& s, const Config& c, std::int64_t p) {
    return s.f(PEAK, p) >= c.half_item_g && s.f(EXCESS, p) > EXCURSION;
}

/// Noise of a block's mean, no less than the converter's resolution allows, g^2.
inline float floored_noise(const State& s, const Config& c, std::int64_t p) {
    const float floor = c.floor_g * c.floor_g;
    return s.f(NOISE, p) > floor ? s.f(NOISE, p) : floor;
}

/// Variance of plate p's level as it is known, g^2.
inline float level_variance(const State& s, const Config& c, std::int64_t p) {
    return s.f(INFLATION, p) * floored_noise(s, c, p) * s.f(DOUBT, p);
}

/// Noise of a block's mean when the fixture is as it is now, g^2.
inline float noise_now(const State& s, const Config& c, std::int64_t p) {
    return floored_noise(s, c, p) * (s.activity[0] * s.activity[0]);
}

struct Calm {
    float mean, weight;     // g; sum of the blocks' weights
    float scatter, spread;  // of the blocks' means, over what noise and vibration explain, g^2; within blocks, g^2
    std::int64_t count;     // samples; 0 if a block lacks half of its samples
};

/// The n blocks up to `end`, weighted as the gate weights them. With a bound, those whose scatter exceeds it are not
/// looked at to the end: count 0.
inline Calm calm(const State& s, const Config& c, std::int64_t p, std::int64_t n, std::int64_t end,
                 float bound = FAR * FAR) {
    const float r = noise_now(s, c, p), most = bound * float(n - 1);
    float total = 0, weight = 0, squares = 0, spread = 0;
    std::int64_t count = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t last = end - k * c.block;
        const Span b = span(s, c, p, last - c.block + 1, last);
        if (2 * b.count < c.block || b.count == 0) return {0, 0, 0, 0, 0};
        const float w = r / (r + c.leak * b.spread);
        // Welford, weighted: the scatter about the mean without a second pass.
        const float before = weight, d = b.mean - total;
        weight += w;
        total += d * (w / weight);
        squares += d * d * (w * before / weight);
        if (squares > most) return {0, 0, 0, 0, 0};
        spread += b.spread;
        count += b.count;
    }
    return {total, weight, squares / float(n - 1), spread / float(n), count};
}

/// Oldest tick that the history holds.
inline std::int64_t oldest(const State& s) {
    const std::int64_t tick = s.head[TICK] - s.ticks + 1;
    return tick > 0 ? tick : 0;
}

/// Smallest step between successive samples of the history: the converter's resolution; 0 if it is not to be seen.
inline float quantum(const State& s, const Config& c, std::int64_t p) {
    float smallest = FAR, newer = s.sample(p, s.head[TICK]);
    for (std::int64_t k = 1; k < c.settle * c.block; ++k) {
        const float older = s.sample(p, s.head[TICK] - k), d = std::fabs(newer - older);
        if (0 < d && d < smallest) smallest = d;
        newer = older;
    }
    return smallest < c.half_item_g ? smallest : 0;
}

}  // namespace fusion::segmentation
