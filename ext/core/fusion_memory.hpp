// Checks of what callers of the C ABI hand over.
#pragma once
#include <cstddef>
#include <cstdint>

#include "fusion.h"

namespace fusion {

/// Whether a pointer to the caller's array or struct can be one.
template <class T>
bool usable(const T* pointer) {
    return pointer != nullptr && reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) == 0;
}

/// Whether memory of the caller's can hold a state.
inline bool aligned(const void* memory) {
    return memory != nullptr && reinterpret_cast<std::uintptr_t>(memory) % FUSION_ALIGNMENT == 0;
}

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
