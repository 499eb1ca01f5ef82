// A fuzzer's bytes as what callers of the C ABI may hand over: numbers of every kind, and arrays in memory of the exact
// size, so that AddressSanitizer sees a step beyond.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

/// Stops the fuzzer.
inline void demand(bool fine) {
    if (!fine) std::abort();
}

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    bool empty() const { return left_ == 0; }

    std::uint8_t byte() {
        if (left_ == 0) return 0;
        --left_;
        return *data_++;
    }

    template <class T>
    T raw() {
        unsigned char bytes[sizeof(T)];
        for (unsigned char& b : bytes) b = byte();
        T value;
        std::memcpy(&value, bytes, sizeof value);
        return value;
    }

    bool chance(int in_256) { return byte() < in_256; }

    /// From 0 to `most`.
    int below(int most) { return byte() % (most + 1); }

    /// As a rule a number from 0 to `most`, else one that no size may be.
    std::int32_t size(int most) {
        if (!chance(8)) return below(most);
        const std::int32_t hostile[] = {-1, std::numeric_limits<std::int32_t>::min(),
                                        std::numeric_limits<std::int32_t>::max(), 1 << 24};
        return hostile[below(3)];
    }

    /// As a rule about `scale`, else anything.
    double number(double scale) {
        const std::uint8_t kind = byte();
        if (kind < 230) return scale * (double(raw<std::int16_t>()) / 4096.0);
        const double special[] = {0.0,
                                  -0.0,
                                  std::numeric_limits<double>::quiet_NaN(),
                                  std::numeric_limits<double>::infinity(),
                                  -std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::max(),
                                  -std::numeric_limits<double>::max(),
                                  std::numeric_limits<double>::denorm_min(),
                                  1e300,
                                  1e-300};
        return kind < 250 ? special[kind % 10] : raw<double>();
    }

  private:
    const std::uint8_t* data_;
    std::size_t left_;
};

/// An array of the exact size; of none it is NULL now and then.
template <class T>
class Array {
  public:
    Array(Input& in, std::int64_t count) : Array(count) {
        if (count == 0 && in.chance(128)) elements_.reset();
    }
    explicit Array(std::int64_t count)
        : count_(count > 0 ? std::size_t(count) : 0),
          elements_(static_cast<T*>(std::malloc(count_ * sizeof(T) + (count_ == 0)))) {
        std::memset(static_cast<void*>(elements_.get()), 0xA5, count_ * sizeof(T));
    }

    T* data() { return elements_.get(); }
    T& operator[](std::size_t i) { return elements_.get()[i]; }
    std::size_t size() const { return count_; }

  private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::size_t count_;
    std::unique_ptr<T, Free> elements_;
};

inline Array<double> numbers(Input& in, std::int64_t count, double scale) {
    Array<double> found(in, count);
    for (std::size_t i = 0; i < found.size(); ++i) found[i] = in.number(scale);
    return found;
}

/// Memory as a function asked for it, or now and then one byte less, or not aligned.
class Memory {
  public:
    Memory(Input& in, std::size_t needed)
        : whole_(std::int64_t(needed) + 1), short_(in.chance(6)), shifted_(!short_ && in.chance(6)), needed_(needed) {}

    void* data() { return whole_.data() + shifted_; }
    std::size_t size() const { return needed_ - (short_ && needed_ > 0); }
    bool good() const { return !short_ && !shifted_; }

  private:
    Array<unsigned char> whole_;
    bool short_, shifted_;
    std::size_t needed_;
};
