// Drives the assignment kernels over random problems in storage of the exact size, for the sanitizers to watch:
// `pytest tests/test_sanitizers.py` compiles it with AddressSanitizer and
// UndefinedBehaviorSanitizer. Also checks what can be checked without an oracle: columns are taken once and allowed,
// dense and sparse rows cost the same, the first of the K best is the best and totals never fall, probabilities sum
// to 1.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "assignment.hpp"
#include "assignment_marginals.hpp"
#include "k_best.hpp"

namespace {

using Doubles = std::vector<double>;
using Ints = std::vector<std::int32_t>;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "wrong: %s\n", what);
    std::exit(1);
}

struct Room {
    std::vector<Doubles> doubles;
    std::vector<Ints> ints;

    explicit Room(std::size_t size) : doubles(6, Doubles(size)), ints(4, Ints(size)) {}

    fusion::Columns columns() {
        return {doubles[0].data(), doubles[1].data(), doubles[2].data(), doubles[3].data(), doubles[4].data(),
                doubles[5].data(), ints[0].data(),    ints[1].data(),    ints[2].data(),    ints[3].data()};
    }
};

struct Worth {
    int left_out;
    double total;
};

Worth worth(const Doubles& cost, const Doubles& miss, int n, int m, const std::int32_t* column) {
    Worth w{0, 0.0};
    Ints taken(static_cast<std::size_t>(m));
    for (int i = 0; i < n; ++i) {
        const int j = column[i];
        if (j < -1 || j >= m) fail("a column that does not exist");
        if (j >= 0 && taken[j]++) fail("a column taken twice");
        const double c = j < 0 ? miss[i] : cost[static_cast<std::size_t>(i) * m + j];
        if (j >= 0 && !(c < fusion::kInfinite)) fail("a forbidden column");
        w.left_out += !(c < fusion::kInfinite);
        w.total += c < fusion::kInfinite ? c : 0.0;
    }
    return w;
}

void check_sparse(const Doubles& cost, const Doubles& miss, int n, int m, const Worth& best) {
    Doubles values;
    Ints indices, column(static_cast<std::size_t>(n));
    std::vector<std::int64_t> start{0};
    for (int i = 0; i < n; ++i) {
        for (int j = m - 1; j >= 0; --j) {
            const double c = cost[static_cast<std::size_t>(i) * m + j];
            if (c < fusion::kInfinite) values.push_back(c), indices.push_back(j);
        }
        start.push_back(static_cast<std::int64_t>(values.size()));
    }
    Room room(static_cast<std::size_t>(n > m ? n : m));
    const fusion::SparseRows rows{values.data(), indices.data(), start.data(), n, m, 0};
    if (!fusion::valid_rows(rows, static_cast<std::int64_t>(values.size()))) fail("valid rows refused");
    fusion::assign(rows, miss.data(), room.columns(), column.data());
    const Worth other = worth(cost, miss, n, m, column.data());
    if (other.left_out != best.left_out || std::abs(other.total - best.total) > 1e-9) fail("sparse and dense differ");
}

void check_k_best(const Doubles& cost, const Doubles& miss, int n, int m, int k, const Worth& best) {
    const auto size = static_cast<std::size_t>(k);
    Ints column(size * n), parent(size), row(size);
    Doubles total(size), price(size * m), costs(static_cast<std::size_t>(m)), dual(static_cast<std::size_t>(n));
    std::vector<fusion::Alternative> branches(size * n + 1);
    Room room(static_cast<std::size_t>(n > m ? n : m));
    const int found = fusion::k_best(cost.data(), miss.data(), n, m, k, room.columns(),
                                     {column.data(), total.data(), price.data(), parent.data(), row.data(),
                                      branches.data(), costs.data(), dual.data(), 0});
    if ((found == 0) != (best.left_out > 0)) fail("no solution where there is one, or the reverse");
    for (int f = 0; f < found; ++f) {
        const Worth w = worth(cost, miss, n, m, column.data() + static_cast<std::size_t>(f) * n);
        if (w.left_out || std::abs(w.total - total[f]) > 1e-9) fail("a total of the K best");
        if (f == 0 ? std::abs(w.total - best.total) > 1e-9 : total[f] < total[f - 1] - 1e-9)
            fail("order of the K best");
    }
}

void check_marginals(std::mt19937& random, int n, int m) {
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    Doubles weight(static_cast<std::size_t>(n) * m), miss(static_cast<std::size_t>(n), 0.1), log_total(1);
    for (double& w : weight) w = uniform(random);
    Doubles before((static_cast<std::size_t>(m) + 1) << n), probability(static_cast<std::size_t>(n) * (m + 1));
    if (!fusion::marginals(weight.data(), miss.data(), 1, n, m, before.data(), probability.data(), log_total.data())) {
        fail("few rows refused");
    }
    for (int i = 0; i < n; ++i) {
        double sum = 0.0;
        for (int j = 0; j <= m; ++j) sum += probability[static_cast<std::size_t>(i) * (m + 1) + j];
        if (std::abs(sum - 1.0) > 1e-12) fail("probabilities that do not sum to 1");
    }
}

void check(std::mt19937& random) {
    const int n = static_cast<int>(random() % 13), m = static_cast<int>(random() % 13);
    const double forbidden = static_cast<double>(random() % 4) / 4.0,
                 optional = static_cast<double>(random() % 3) / 2.0;
    const bool ties = random() % 2;
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    std::normal_distribution<double> normal;
    Doubles cost(static_cast<std::size_t>(n) * m), miss(static_cast<std::size_t>(n)), turned(cost.size());
    Ints column(static_cast<std::size_t>(n)), rows_of(static_cast<std::size_t>(m));
    const auto draw = [&] { return ties ? std::round(normal(random)) : normal(random); };
    for (double& c : cost) c = uniform(random) < forbidden ? fusion::kInfinite : draw();
    for (double& c : miss) c = uniform(random) < optional ? draw() : fusion::kInfinite;
    if (!fusion::valid_costs(cost.data(), cost.size())) fail("valid costs refused");
    Room room(static_cast<std::size_t>(n > m ? n : m));
    fusion::assign(cost.data(), miss.data(), 1, n, m, turned.data(), rows_of.data(), room.columns(), column.data());
    const Worth best = worth(cost, miss, n, m, column.data());
    check_sparse(cost, miss, n, m, best);
    if (n <= m || !fusion::all_forced(miss.data(), n)) check_k_best(cost, miss, n, m, 1 + random() % 40, best);
    check_marginals(random, n % 9, m);
}

}  // namespace

int main(int count, char** words) {
    std::mt19937 random(1);
    const int rounds = count > 1 ? std::atoi(words[1]) : 3000;
    for (int r = 0; r < rounds; ++r) check(random);
    std::printf("%d problems\n", rounds);
}
