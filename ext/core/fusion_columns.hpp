// Storage of the assignment search, dealt out of the caller's.
#pragma once
#include <initializer_list>

#include "assignment_rows.hpp"
#include "fusion_memory.hpp"

namespace fusion {

inline Columns take_columns(Arena& arena, std::int32_t size) {
    const auto n = std::uint64_t(size);
    Columns s{};
    for (double** row : {&s.price, &s.frozen, &s.open, &s.key, &s.reach, &s.from}) *row = arena.take<double>(n);
    for (std::int32_t** row : {&s.tree, &s.owner, &s.touched, &s.waiting}) *row = arena.take<std::int32_t>(n);
    return s;
}

}  // namespace fusion
