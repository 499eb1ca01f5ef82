// Statistics of the last samples of one plate, read from the ring. Cost: proportional to the ticks looked at.
// All sums run from the newest sample to the oldest unless told otherwise, less the plate's level for precision.
#pragma once
#include "segmentation_state.hpp"

namespace fusion::segmentation {

/// Walks the samples of one plate from `tick` backwards.
class Backwards {
  public:
    Backwards(const State& s, std::int64_t p, std::int64_t tick) : s_(s), p_(p), row_(s.row(tick)) {}
    float next() {
        const float x = s_.samples[row_ * s_.plates + p_];
        row_ = row_ ? row_ - 1 : s_.ring - 1;
        return x;
    }

  private:
    const State& s_;
    std::int64_t p_, row_;
};

struct Moments {
    float mean, squares;  // g less the level; g^2 about the mean
    std::int64_t count;
};

/// Moments of the n samples up to `last`.
inline Moments moments(const State& s, std::int64_t p, std::int64_t last, std::int64_t n) {
    const float level = s.f(LEVEL, p);
    float total = 0;
    std::int64_t count = 0;
    Backwards sum(s, p, last);
    for (std::int64_t i = 0; i < n; ++i) {
        const float x = sum.next();
        if (x == x) {
            total += x - level;
            ++count;
        }
    }
    const float mean = count ? total / float(count) : 0;
    float squares = 0;
    Backwards spread(s, p, last);
    for (std::int64_t i = 0; i < n; ++i) {
        const float x = spread.next();
        if (x == x) {
            const float d = x - level - mean;
            squares += d * d;
        }
    }
    return {mean, squares, count};
}

struct Parts {
    float mean, variance, range, ratio;  // of all; within windows; of the windows' means; largest over least variance
    std::int64_t count;                  // 0 if a window lacks half of its samples
};

/// Compare the last n windows of `size` samples.
inline Parts parts(const State& s, const Config& c, std::int64_t p, std::int64_t n, std::int64_t size) {
    const float floor = c.floor_g * c.floor_g;
    float total = 0, squares = 0, low = LIMIT_G, high = -LIMIT_G, calmest = LIMIT_G * LIMIT_G, loudest = floor;
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const Moments m = moments(s, p, s.head[TICK] - i * size, size);
        if (2 * m.count < size || m.count < 2) return {0, 0, 0, 1, 0};
        total += m.mean * float(m.count);
        squares += m.squares;
        count += m.count;
        low = m.mean < low ? m.mean : low;
        high = m.mean > high ? m.mean : high;
        float variance = m.squares / float(m.count - 1);
        variance = variance > floor ? variance : floor;
        calmest = variance < calmest ? variance : calmest;
        loudest = variance > loudest ? variance : loudest;
    }
    return {total / float(count), squares / float(count - n), high - low, loudest / calmest, count};
}

/// Mean and count of the samples of ticks first..last that the ring still holds; from the oldest to the newest.
inline Moments mean_between(const State& s, const Config& c, std::int64_t p, std::int64_t first, std::int64_t last) {
    const std::int64_t oldest = s.head[TICK] - c.ring + 1;
    const float level = s.f(LEVEL, p);
    float total = 0;
    std::int64_t n = 0;
    for (std::int64_t tick = first < oldest ? oldest : first; tick <= last; ++tick) {
        const float x = s.samples[s.row(tick) * s.plates + p];
        if (x == x) {
            total += x - level;
            ++n;
        }
    }
    return {n ? total / float(n) : 0, 0, n};
}

/// Least deviation of the samples of the shortest push up to `tick`; 0 where they lie on both sides or are missing.
inline float held(const State& s, const Config& c, std::int64_t p, std::int64_t tick) {
    const float level = s.f(LEVEL, p);
    float low = LIMIT_G, high = -LIMIT_G;
    Backwards samples(s, p, tick);
    for (std::int64_t i = 0; i < c.push; ++i) {
        const float x = samples.next();
        if (x != x) return 0;
        const float d = x - level;
        low = d < low ? d : low;
        high = d > high ? d : high;
    }
    if (low > 0) return low;
    return high < 0 ? -high : 0;
}

/// Smallest step between successive samples of the ring: the converter's resolution; 0 if it is not to be seen.
inline float quantum(const State& s, const Config& c, std::int64_t p) {
    Backwards samples(s, p, s.head[TICK]);
    float smallest = LIMIT_G, newer = samples.next();
    for (std::int64_t i = 0; i < c.ring - 1; ++i) {
        const float older = samples.next();
        const float d = std::fabs(newer - older);
        if (0 < d && d < smallest) smallest = d;
        newer = older;
    }
    return smallest < c.floor_g * 8.0f ? smallest : 0;
}

/// Tick at which the plate last was more than half a step away from where it settled: when the item left.
inline std::int64_t step_tick(const State& s, const Config& c, std::int64_t p, float after, std::int64_t quiet) {
    const float level = s.f(LEVEL, p);
    Backwards samples(s, p, s.head[TICK]);
    for (std::int64_t i = 0; i < c.ring; ++i) {
        const float x = samples.next();
        if (x == x && std::fabs(x - level - after) > 0.5f * std::fabs(after)) return s.head[TICK] - i;
    }
    return quiet;
}

struct Noise {
    float sample, mean;  // variance of a sample and of a window's mean, g^2
};

/// Noise of plate p when the fixture is calm.
inline Noise noise_now(const State& s, const Config& c, std::int64_t p) {
    const float floor = c.floor_g * c.floor_g;
    const float noise = s.f(NOISE, p) < floor ? floor : s.f(NOISE, p);
    const float white = noise / float(c.window);
    return {noise, s.f(MEAN_NOISE, p) > white ? s.f(MEAN_NOISE, p) : white};
}

}  // namespace fusion::segmentation
