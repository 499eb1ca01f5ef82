// Checks of what callers of the C ABI hand over, and how their memory is dealt out.
#pragma once
#include <cstddef>
#include <cstdint>

#include "fusion_status.h"

namespace fusion {

/// Whether a pointer to the caller's array or struct can be one.
template <class T>
bool usable(const T* pointer) {
    return pointer != nullptr && reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) == 0;
}

/// Whether a pointer to an array of so many elements can be one; of none it may be anything.
template <class T>
bool usable(const T* pointer, std::uint64_t count) {
    return count == 0 || (usable(pointer) && count <= SIZE_MAX / 2 / sizeof(T));
}

/// Whether memory of the caller's can hold a state or scratch.
inline bool aligned(const void* memory) {
    return memory != nullptr && reinterpret_cast<std::uintptr_t>(memory) % FUSION_ALIGNMENT == 0;
}

/// Deals out memory piece by piece; without memory it only counts.
class Arena {
  public:
    explicit Arena(void* memory) : memory_(static_cast<char*>(memory)) {}

    template <class T>
    T* take(std::uint64_t count) {
        static_assert(alignof(T) <= FUSION_ALIGNMENT);
        constexpr std::uint64_t most = std::uint64_t(1) << 62;
        T* const piece = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + used_);
        if (count > (most - used_) / sizeof(T)) {
            fits_ = false;
        } else {
            used_ += (count * sizeof(T) + FUSION_ALIGNMENT - 1) / FUSION_ALIGNMENT * FUSION_ALIGNMENT;
        }
        return piece;
    }

    /// The bytes dealt out; FUSION_NO_ROOM if this machine cannot address them.
    int size(std::size_t* bytes) const {
        if (!fits_ || used_ > SIZE_MAX / 2) return FUSION_NO_ROOM;
        *bytes = std::size_t(used_);
        return FUSION_OK;
    }

    /// Whether memory of the caller's holds what was counted.
    int within(const void* memory, std::size_t bytes) const {
        if (!aligned(memory)) return FUSION_BAD_ARGUMENT;
        return fits_ && used_ <= bytes ? FUSION_OK : FUSION_NO_ROOM;
    }

  private:
    char* memory_;
    std::uint64_t used_ = 0;
    bool fits_ = true;
};

/// CRC-32 (IEEE 802.3), as zlib's.
inline std::uint32_t checksum(const void* data, std::size_t bytes, std::uint32_t seed = 0) {
    const auto* at = static_cast<const unsigned char*>(data);
    std::uint32_t crc = ~seed;
    for (std::size_t i = 0; i < bytes; ++i) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

}  // namespace fusion
