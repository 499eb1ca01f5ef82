// How segmentation keeps readings and times in its history.
//
// Servers keep float32 and nanoseconds, in rows that fill the widest registers. Controllers (FUSION_COMPACT) keep three
// and four bytes: each reading is rounded to 1/64 g when it comes, a thirtieth of what noise and converters leave, and
// times in the history are whole microseconds. Where readings and times are such multiples, and readings below 131 kg,
// not a bit of what comes out differs.
#pragma once
#include <cstdint>
#include <limits>

namespace fusion::segmentation {

constexpr float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();

#ifdef FUSION_COMPACT

constexpr std::int64_t LANES = 4;
constexpr float MOST_GRAMS = 131071.0f;  // that a limit may be

/// A signed number of 24 bits, in units of 1/64 g; the lowest is NaN.
class Sample {
  public:
    Sample& operator=(float grams) {
        const float steps = grams * 64.0f, most = float(BEYOND - 1);
        const float tame = steps > most ? most : (steps < -most ? -most : steps);
        const std::int32_t n = grams == grams ? std::int32_t(tame < 0 ? tame - 0.5f : tame + 0.5f) : -BEYOND;
        const auto bits = std::uint32_t(n);
        bytes_[0] = std::uint8_t(bits);
        bytes_[1] = std::uint8_t(bits >> 8);
        bytes_[2] = std::uint8_t(bits >> 16);
        return *this;
    }
    operator float() const {
        const auto low = std::int32_t(bytes_[0] | bytes_[1] << 8), high = std::int32_t(std::int8_t(bytes_[2]));
        const std::int32_t n = high * 65536 + low;
        return n == -BEYOND ? NOT_A_NUMBER : float(n) * (1.0f / 64.0f);
    }

  private:
    static constexpr std::int32_t BEYOND = 1 << 23;
    std::uint8_t bytes_[3];
};

using Stamp = std::uint32_t;  // the last bits of microseconds

inline Stamp stamp_of(std::int64_t ns) {
    return Stamp(ns / 1000);
}
/// The time that is less than half an hour from `near_ns` and has this stamp.
inline std::int64_t time_of(Stamp stamp, std::int64_t near_ns) {
    const std::int64_t us = near_ns / 1000;
    return (us - std::int32_t(Stamp(us) - stamp)) * 1000;
}

#else

constexpr std::int64_t LANES = 16;        // plates that one AVX-512 register holds
constexpr float MOST_GRAMS = 1000000.0f;  // no shelf weighs more than a tonne
using Sample = float;
using Stamp = std::int64_t;

inline Stamp stamp_of(std::int64_t ns) {
    return ns;
}
inline std::int64_t time_of(Stamp stamp, std::int64_t) {
    return stamp;
}

#endif

}  // namespace fusion::segmentation
