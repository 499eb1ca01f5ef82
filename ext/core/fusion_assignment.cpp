// Assignment by the C ABI.
#include "fusion_assignment.h"

#include <cstring>

#include "assignment.hpp"
#include "assignment_marginals.hpp"
#include "fusion_columns.hpp"
#include "k_best.hpp"

namespace fusion {
namespace {

constexpr std::int32_t kMost = FUSION_ASSIGNMENT_MOST;

bool counted(std::int32_t rows, std::int32_t columns) {
    return rows >= 0 && rows <= kMost && columns >= 0 && columns <= kMost;
}

std::int32_t larger_of(std::int32_t a, std::int32_t b) {
    return a > b ? a : b;
}

struct AssignScratch {
    Columns columns;
    double *miss, *turned;
    std::int32_t* rows_of;
};

AssignScratch take_assign(Arena& arena, std::int32_t rows, std::int32_t columns) {
    AssignScratch s{};
    s.columns = take_columns(arena, larger_of(rows, columns));
    s.miss = arena.take<double>(rows);
    s.turned = arena.take<double>(rows > columns ? std::uint64_t(rows) * columns : 0);
    s.rows_of = arena.take<std::int32_t>(rows > columns ? columns : 0);
    return s;
}

struct SparseScratch {
    Columns columns;
    double* miss;
};

SparseScratch take_sparse(Arena& arena, std::int32_t rows, std::int32_t columns) {
    SparseScratch s{};
    s.columns = take_columns(arena, larger_of(rows, columns));
    s.miss = arena.take<double>(rows);
    return s;
}

struct RankScratch {
    Columns columns;
    Ranking ranking;
    double* miss;
};

RankScratch take_ranking(Arena& arena, std::int32_t rows, std::int32_t columns, std::int32_t k) {
    const auto n = std::uint64_t(rows), m = std::uint64_t(columns), found = std::uint64_t(k);
    RankScratch s{};
    s.columns = take_columns(arena, larger_of(rows, columns));
    s.miss = arena.take<double>(n);
    s.ranking.price = arena.take<double>(found * m);
    s.ranking.parent = arena.take<std::int32_t>(found);
    s.ranking.row = arena.take<std::int32_t>(found);
    s.ranking.branches = arena.take<Alternative>(found * n + 1);
    s.ranking.costs = arena.take<double>(m);
    s.ranking.dual = arena.take<double>(n);
    return s;
}

const double* all_forced(double* miss, std::int32_t rows) {
    for (std::int32_t i = 0; i < rows; ++i) miss[i] = kInfinite;
    return miss;
}

bool plain_weights(const double* weight, std::uint64_t count) {
    bool fine = true;
    for (std::uint64_t i = 0; i < count; ++i) fine &= weight[i] >= 0 && weight[i] < kInfinite;
    return fine;
}

}  // namespace
}  // namespace fusion

using namespace fusion;

extern "C" int fusion_assign_size(int32_t rows, int32_t columns, size_t* bytes) {
    if (!usable(bytes) || !counted(rows, columns)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_assign(arena, rows, columns);
    return arena.size(bytes);
}

extern "C" int fusion_assign(const double* cost, const double* miss, size_t batch, int32_t rows, int32_t columns,
                             int32_t* column, void* scratch, size_t bytes) {
    if (!counted(rows, columns)) return FUSION_BAD_ARGUMENT;
    const std::uint64_t size = std::uint64_t(rows) * std::uint64_t(columns), all = std::uint64_t(SIZE_MAX / 16);
    if (batch > all / (size + std::uint64_t(rows) + 1)) return FUSION_BAD_ARGUMENT;
    const std::uint64_t costs = batch * size, misses = batch * std::uint64_t(rows);
    if (!usable(cost, costs) || !usable(column, misses) || (miss != nullptr && !usable(miss, misses)))
        return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_assign(arena, rows, columns);
    if (const int status = arena.within(scratch, bytes)) return status;
    if (!valid_costs(cost, std::size_t(costs)) || (miss != nullptr && !valid_costs(miss, std::size_t(misses))))
        return FUSION_BAD_ARGUMENT;
    if (rows == 0) return FUSION_OK;
    arena = Arena(scratch);
    const AssignScratch s = take_assign(arena, rows, columns);
    const double* forced = miss == nullptr ? all_forced(s.miss, rows) : nullptr;
    for (std::size_t b = 0; b < batch; ++b) {
        const double* const own = forced != nullptr ? forced : miss + b * std::size_t(rows);
        assign(cost + b * std::size_t(size), own, 1, rows, columns, s.turned, s.rows_of, s.columns,
               column + b * std::size_t(rows));
    }
    return FUSION_OK;
}

extern "C" int fusion_assign_sparse_size(int32_t rows, int32_t columns, size_t* bytes) {
    if (!usable(bytes) || !counted(rows, columns)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_sparse(arena, rows, columns);
    return arena.size(bytes);
}

extern "C" int fusion_assign_sparse(const double* cost, const int32_t* index, const int64_t* start, size_t entries,
                                    const double* miss, int32_t rows, int32_t columns, int32_t* column, void* scratch,
                                    size_t bytes) {
    if (!counted(rows, columns) || entries > SIZE_MAX / 16) return FUSION_BAD_ARGUMENT;
    if (!usable(cost, entries) || !usable(index, entries) || !usable(start) || !usable(column, std::uint64_t(rows)) ||
        (miss != nullptr && !usable(miss, std::uint64_t(rows))))
        return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_sparse(arena, rows, columns);
    if (const int status = arena.within(scratch, bytes)) return status;
    const SparseRows sparse{cost, index, start, rows, columns, 0};
    if (!valid_rows(sparse, std::int64_t(entries)) || !valid_costs(cost, entries) ||
        (miss != nullptr && !valid_costs(miss, std::size_t(rows))))
        return FUSION_BAD_ARGUMENT;
    arena = Arena(scratch);
    const SparseScratch s = take_sparse(arena, rows, columns);
    assign(sparse, miss != nullptr ? miss : all_forced(s.miss, rows), s.columns, column);
    return FUSION_OK;
}

extern "C" int fusion_k_best_size(int32_t rows, int32_t columns, int32_t k, size_t* bytes) {
    if (!usable(bytes) || !counted(rows, columns) || k < 1 || k > kMost) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_ranking(arena, rows, columns, k);
    return arena.size(bytes);
}

extern "C" int fusion_k_best(const double* cost, const double* miss, int32_t rows, int32_t columns, int32_t k,
                             int32_t* column, double* total, int32_t* found, void* scratch, size_t bytes) {
    if (!counted(rows, columns) || k < 1 || k > kMost || !usable(found)) return FUSION_BAD_ARGUMENT;
    const std::uint64_t size = std::uint64_t(rows) * std::uint64_t(columns);
    if (!usable(cost, size) || (miss != nullptr && !usable(miss, std::uint64_t(rows))) ||
        !usable(column, std::uint64_t(k) * std::uint64_t(rows)) || !usable(total, std::uint64_t(k)))
        return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_ranking(arena, rows, columns, k);
    if (const int status = arena.within(scratch, bytes)) return status;
    if (!valid_costs(cost, std::size_t(size)) || (miss != nullptr && !valid_costs(miss, std::size_t(rows))))
        return FUSION_BAD_ARGUMENT;
    arena = Arena(scratch);
    RankScratch s = take_ranking(arena, rows, columns, k);
    s.ranking.column = column;
    s.ranking.total = total;
    const double* const own = miss != nullptr ? miss : all_forced(s.miss, rows);
    *found = k_best(cost, own, rows, columns, k, s.columns, s.ranking);
    return FUSION_OK;
}

extern "C" int fusion_assignment_marginals_size(int32_t rows, int32_t columns, size_t* bytes) {
    if (!usable(bytes) || !counted(rows, columns) || rows > kMarginalRows) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    arena.take<double>((std::uint64_t(columns) + 1) << rows);
    return arena.size(bytes);
}

extern "C" int fusion_assignment_marginals(const double* weight, const double* miss, size_t batch, int32_t rows,
                                           int32_t columns, double* probability, double* log_total, void* scratch,
                                           size_t bytes) {
    if (!counted(rows, columns) || rows > kMarginalRows) return FUSION_BAD_ARGUMENT;
    const std::uint64_t size = std::uint64_t(rows) * std::uint64_t(columns), all = std::uint64_t(SIZE_MAX / 16);
    if (batch > all / (size + std::uint64_t(rows) + 1)) return FUSION_BAD_ARGUMENT;
    const std::uint64_t weights = batch * size, misses = batch * std::uint64_t(rows);
    if (!usable(weight, weights) || !usable(miss, misses) || !usable(probability, weights + misses) ||
        !usable(log_total, batch))
        return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    arena.take<double>((std::uint64_t(columns) + 1) << rows);
    if (const int status = arena.within(scratch, bytes)) return status;
    if (!plain_weights(weight, weights) || !plain_weights(miss, misses)) return FUSION_BAD_ARGUMENT;
    marginals(weight, miss, batch, rows, columns, static_cast<double*>(scratch), probability, log_total);
    return FUSION_OK;
}
