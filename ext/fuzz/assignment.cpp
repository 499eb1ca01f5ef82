// Problems with any costs, of any size.
#include "parts.hpp"

namespace {

struct Sizes {
    std::int32_t rows, columns, n, m;  // as told, and as the arrays have them
};

Sizes sizes(Input& in, int most) {
    Sizes s{in.size(most), in.size(12), 0, 0};
    s.n = s.rows > 0 && s.rows < 100 ? s.rows : 0;
    s.m = s.columns > 0 && s.columns < 100 ? s.columns : 0;
    return s;
}

/// Costs that a solver may take, but for a few.
Array<double> costs(Input& in, std::int64_t count) {
    Array<double> found(in, count);
    const bool ties = in.chance(128);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const std::uint8_t kind = in.byte();
        found[i] = ties ? kind % 4 : double(in.raw<std::int16_t>()) * 0.01;
        if (kind > 220) found[i] = std::numeric_limits<double>::infinity();
        if (in.chance(1) && in.chance(64)) found[i] = in.number(1e299);
    }
    return found;
}

void check(const Array<std::int32_t>& column, std::int64_t rows, std::int32_t m, const std::int32_t* at) {
    static_cast<void>(column);
    for (std::int64_t i = 0; i < rows; ++i) demand(at[i] >= -1 && at[i] < m);
}

}  // namespace

void assignment(Input& in) {
    const Sizes s = sizes(in, 12);
    const std::int64_t batch = in.below(3);
    Array<double> cost = costs(in, batch * s.n * s.m), miss = costs(in, batch * s.n);
    Array<std::int32_t> column(in, batch * s.n);
    std::size_t bytes = 0;
    if (fusion_assign_size(s.rows, s.columns, &bytes) != FUSION_OK || bytes > (1 << 20)) bytes = 64;
    Memory memory(in, bytes);
    const int status = fusion_assign(cost.data(), in.chance(64) ? nullptr : miss.data(), std::size_t(batch), s.rows,
                                     s.columns, column.data(), memory.data(), memory.size());
    demand(status <= FUSION_OK);
    if (status == FUSION_OK) check(column, batch * s.n, s.m, column.data());
}

void sparse(Input& in) {
    const Sizes s = sizes(in, 12);
    Array<std::int64_t> start(std::int64_t(s.n) + 1);
    std::int64_t entries = 0;
    for (std::int32_t i = 0; i < s.n; ++i) {
        start[std::size_t(i)] = in.chance(1) ? in.raw<std::int64_t>() : entries;
        entries += in.below(4);
    }
    start[std::size_t(s.n)] = entries;
    Array<double> cost = costs(in, entries), miss = costs(in, s.n);
    Array<std::int32_t> index(in, entries), column(in, s.n);
    for (std::size_t e = 0; e < index.size(); ++e)
        index[e] = in.chance(1) || s.m == 0 ? in.raw<std::int32_t>() : in.below(s.m - 1);
    std::size_t bytes = 0;
    if (fusion_assign_sparse_size(s.rows, s.columns, &bytes) != FUSION_OK || bytes > (1 << 20)) bytes = 64;
    Memory memory(in, bytes);
    const int status = fusion_assign_sparse(cost.data(), index.data(), start.data(), std::size_t(entries),
                                            in.chance(64) ? nullptr : miss.data(), s.rows, s.columns, column.data(),
                                            memory.data(), memory.size());
    demand(status <= FUSION_OK);
    if (status == FUSION_OK) check(column, s.n, s.m, column.data());
}

void ranking(Input& in) {
    const Sizes s = sizes(in, 12);
    const std::int32_t told = in.size(20), k = told > 0 && told < 100 ? told : 1;
    Array<double> cost = costs(in, std::int64_t(s.n) * s.m), miss = costs(in, s.n), total(k);
    Array<std::int32_t> column(std::int64_t(k) * s.n);
    std::size_t bytes = 0;
    if (fusion_k_best_size(s.rows, s.columns, told, &bytes) != FUSION_OK || bytes > (1 << 20)) bytes = 64;
    Memory memory(in, bytes);
    std::int32_t found = -1;
    const int status = fusion_k_best(cost.data(), in.chance(64) ? nullptr : miss.data(), s.rows, s.columns, told,
                                     column.data(), total.data(), &found, memory.data(), memory.size());
    demand(status <= FUSION_OK);
    if (status != FUSION_OK) return;
    demand(found >= 0 && found <= k);
    check(column, std::int64_t(found) * s.n, s.m, column.data());
}

void marginals(Input& in) {
    const Sizes s = sizes(in, 9);
    const std::int64_t batch = in.below(3);
    Array<double> weight = numbers(in, batch * s.n * s.m, 1.0), miss = numbers(in, batch * s.n, 1.0);
    if (in.chance(200)) {
        for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = weight[i] >= 0 && weight[i] < 1e300 ? weight[i] : 0;
        for (std::size_t i = 0; i < miss.size(); ++i) miss[i] = miss[i] >= 0 && miss[i] < 1e300 ? miss[i] : 0;
    }
    Array<double> probability(in, batch * s.n * (s.m + 1)), log_total(in, batch);
    std::size_t bytes = 0;
    if (fusion_assignment_marginals_size(s.rows, s.columns, &bytes) != FUSION_OK || bytes > (1 << 20)) bytes = 64;
    Memory memory(in, bytes);
    const int status = fusion_assignment_marginals(weight.data(), miss.data(), std::size_t(batch), s.rows, s.columns,
                                                   probability.data(), log_total.data(), memory.data(), memory.size());
    demand(status <= FUSION_OK);
    for (std::size_t i = 0; i < probability.size() && status == FUSION_OK; ++i)
        demand(!(probability[i] < 0) && !(probability[i] > 1 + 1e-9));
}
