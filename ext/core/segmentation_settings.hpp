// What an operator knows about the shelves, and what it comes to in ticks, blocks and grams.
//
// The twin of fusion/segmentation_settings.py, which says where the constants come from. float64, once a stream.
#pragma once
#include "segmentation_state.hpp"

namespace fusion::segmentation {

struct Settings {
    double rate_hz, smallest_item_g, false_alarms_per_day, settle_s, merge_s, baseline_s;
};

inline bool plausible(const Settings& s) {
    const auto within = [](double x, double least, double most) { return x >= least && x <= most; };
    return within(s.rate_hz, 1.0, 10000.0) && within(s.smallest_item_g, 1e-3, 1e5) &&
           within(s.false_alarms_per_day, 1e-6, 1e6) && within(s.settle_s, 0.01, 10.0) &&
           within(s.merge_s, 0.0, 60.0) && within(s.baseline_s, s.settle_s, 3600.0);
}

/// Nearest whole number, ties to even; x is not negative.
inline std::int64_t nearest(double x) {
    const auto whole = std::int64_t(x);
    const double rest = x - double(whole);
    return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 == 1));
}

/// The same, and no less than `least`.
FUSION_APART std::int64_t whole(double x, std::int64_t least) {
    const std::int64_t n = nearest(x);
    return n < least ? least : n;
}

/// sin(pi x) / (pi x) by its series: the same bits on every machine.
inline double sinc(double x) {
    constexpr double pi = 3.141592653589793;
    const std::int64_t turns = nearest(x);
    const double angle = pi * (x - double(turns)), square = angle * angle;
    double term = angle, sine = angle;
    for (int n = 2; n <= 26; n += 2) {
        term *= -square / double(n * (n + 1));
        sine += term;
    }
    return (turns % 2 ? -sine : sine) / (pi * x);
}

/// Variance that vibration of 8-15 Hz leaves in a block's mean, over the variance within the block.
inline double leak_of(std::int64_t block, double rate) {
    if (block == 1) return 0.0;
    double kept = 0.0;
    for (int i = 0; i <= 70; ++i) {
        const double f = i < 70 ? i * 0.1 + 8.0 : 15.0, s = sinc(f * double(block) / rate);
        kept = s * s > kept ? s * s : kept;
    }
    return kept / (1 - kept);
}

/// Natural logarithm of x >= 1, by the series of artanh.
inline double logarithm(double x) {
    constexpr double ln2 = 0.6931471805599453;
    int halvings = 0;
    for (; x > 1.5; ++halvings) x *= 0.5;
    const double ratio = (x - 1) / (x + 1), square = ratio * ratio;
    double power = ratio, sum = 0.0;
    for (int n = 1; n < 32; n += 2) {
        sum += power / n;
        power *= square;
    }
    return 2 * sum + halvings * ln2;
}

/// Threshold of a two-sided CUSUM with reference value 1/2 (Siegmund, Sequential Analysis, 1985, eq. 2.56).
inline double cusum_threshold(double run_length) {
    double b = 1.0;
    for (int i = 0; i < 50; ++i) b = logarithm((run_length > 10.0 ? run_length : 10.0) + b + 1);
    return b - 1.166 > 1.0 ? b - 1.166 : 1.0;
}

/// Seconds by which a plate's level is behind a drift of its readings.
inline double level_lag_s(const Settings& s, const Config& c) {
    const double block_s = double(c.block) / s.rate_hz;
    return (double(whole(s.baseline_s / block_s, 4)) + double(c.window) / 2 + 2) * block_s;
}

inline Config configure(const Settings& s) {
    Config c{};
    c.block = whole(0.1 * s.rate_hz, 1);
    const double block_s = double(c.block) / s.rate_hz;
    const auto blocks = [&](double seconds, std::int64_t least) { return whole(seconds / block_s, least); };
    const auto ticks = [&](double seconds, std::int64_t least) { return whole(seconds * s.rate_hz, least); };
    c.settle = blocks(s.settle_s, 4);
    c.steady = blocks(2.0, 2 * c.settle);
    c.history = blocks(4.0, c.steady + 4);
    c.hold = blocks(30.0, 2 * c.steady);
    c.window = blocks(1.0, 4);
    c.noise_blocks = blocks(5 * s.baseline_s, 4 * c.settle);
    c.push_blocks = (ticks(0.05, 3) + c.block - 1) / c.block;
    c.plateau = ticks(0.15, 3);
    c.join = ticks(0.25, 1);
    c.coincide = ticks(0.07, 1);
    c.quick = ticks(0.1, 1);
    c.calm = c.settle * c.block + ticks(0.5, 1);
    c.merge_ns = whole(s.merge_s * 1e9, 0);
    c.gap_ns = whole((0.5 > 5 / s.rate_hz ? 0.5 : 5 / s.rate_hz) * 1e9, 0);
    const auto memory = double(blocks(s.baseline_s, 4));
    c.threshold = float(cusum_threshold(86400 / block_s / s.false_alarms_per_day));
    c.leak = float(leak_of(c.block, s.rate_hz));
    c.drift = float(1.0 / (memory * memory));
    c.half_item_g = float(s.smallest_item_g / 2);
    c.floor_g = 0.1f;
    c.drift_g = float(s.smallest_item_g / 60 * level_lag_s(s, c));
    return c;
}

}  // namespace fusion::segmentation
