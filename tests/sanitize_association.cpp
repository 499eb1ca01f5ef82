// Drives the association's kernels over random events and hypotheses in storage of the exact size, for the sanitizers
// to watch: `pytest tests/test_sanitizers.py` compiles it with AddressSanitizer and UndefinedBehaviorSanitizer. Also
// checks what can be checked without an oracle: no score is NaN, too little room tells how much is needed, weights and
// shares sum to 1, states are sorted, positive and different.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "hypotheses.hpp"
#include "multisets.hpp"
#include "transfers.hpp"

namespace {

using Doubles = std::vector<double>;
using Ints = std::vector<std::int32_t>;
using Bytes = std::vector<std::uint8_t>;
using Random = std::mt19937;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "wrong: %s\n", what);
    std::exit(1);
}

double uniform(Random& random, double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
}

std::int32_t whole(Random& random, std::int32_t below) {
    return static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(below));
}

fusion::AssociationSettings draw_settings(Random& random) {
    fusion::AssociationSettings s{0.1, 2.0, 0.5, 0.02, 1e-4, 0.015, 0.03, 2.0,  5.0,  5000.0, 0.02, 0.05, 0.01, 0.9,
                                  0.5, 3.0, 0.1, 0.8,  0.02, 0.1,   0.3,  0.15, 0.02, 0.02,   0.05, 1e-6, 4,    24};
    if (random() % 3 == 0) {
        for (double* p :
             {&s.track_miss, &s.track_swap, &s.mass_spread, &s.wrong_mass, &s.cross_talk, &s.overhang, &s.coincidence,
              &s.exchanging, &s.returning, &s.misplacing, &s.stray, &s.foreign, &s.handing_over, &s.negligible}) {
            constexpr double kEnds[] = {1.0 - 1e-16, 0.5, 1e-6, 1e-100};
            *p = kEnds[random() % 4];
        }
        s.max_units = 1 + whole(random, 3);
        s.max_restocked = 1 + whole(random, 6);
    }
    return s;
}

struct World {
    fusion::AssociationSettings s;
    std::size_t plates, facings, shoppers, products;
    Doubles delta, sigma, hands, vision, mass;
    Bytes inside, present;
    Ints facing_product, by_mass, owners;

    explicit World(Random& random)
        : s(draw_settings(random)),
          plates(1 + random() % 4),
          facings(random() % 4),
          shoppers(random() % 4),
          products(1 + random() % 10) {
        constexpr double kExtremes[] = {3.4e38, 1e9, 1.0, 1.0, 1.0, 1.0};
        const double scale = kExtremes[random() % 6];
        for (std::size_t k = 0; k < plates; ++k) {
            delta.push_back(scale * uniform(random, -1.0, 1.0) * (scale > 1.0 ? 1.0 : 900.0));
            sigma.push_back(random() % 9 == 0 ? 1.2e-38 : uniform(random, 0.3, 3.0));
        }
        for (std::size_t k = 0; k < (1 + facings) * plates; ++k) inside.push_back(random() % 2);
        for (std::size_t j = 0; j <= facings; ++j) inside[j * plates + random() % plates] = 1;
        for (std::size_t j = 0; j < facings; ++j) facing_product.push_back(whole(random, products));
        for (std::size_t p = 0; p < products; ++p) {
            mass.push_back(random() % 9 == 0 ? NAN : uniform(random, 20.0, 800.0));
            present.push_back(random() % 3 == 0);
            by_mass.push_back(static_cast<std::int32_t>(p));
        }
        std::sort(by_mass.begin(), by_mass.end(), [this](std::int32_t a, std::int32_t b) {
            return std::isnan(mass[b]) ? !std::isnan(mass[a]) : mass[a] < mass[b];
        });
        if (random() % 2) {  // something that weighs so
            delta[0] = -mass[random() % products] - (random() % 2 ? mass[random() % products] : 0.0);
            if (std::isnan(delta[0])) delta[0] = -50.0;
        }
        for (std::size_t k = 0; k < shoppers; ++k)
            owners.push_back(static_cast<std::int32_t>(k) + (random() % 4 == 0 ? fusion::kStaff : 0));
        for (std::size_t k = 0; k < shoppers * (1 + facings); ++k) hands.push_back(uniform(random, -9.0, 4.0));
        if (random() % 2) {
            for (std::size_t k = 0; k < shoppers * products; ++k) vision.push_back(uniform(random, -3.0, 3.0));
        }
    }
};

/// Explanations in storage of their number, exactly.
struct Explained {
    std::vector<fusion::Part> parts;
    Doubles terms, score;

    fusion::Explanations view(std::size_t n) {
        return {reinterpret_cast<fusion::Part(*)[fusion::kParts]>(parts.data()),
                reinterpret_cast<double (*)[fusion::kTerms]>(terms.data()), score.data(), score.size(), n};
    }

    std::size_t run(World& w, std::size_t room) {
        parts = std::vector<fusion::Part>(room * fusion::kParts);
        terms = Doubles(room * fusion::kTerms);
        score = Doubles(room);
        std::vector<fusion::Item> items(w.facings + w.products);
        Doubles weights(items.size() * static_cast<std::size_t>(std::max(w.s.max_units, w.s.max_restocked)));
        Bytes joined((1 + w.facings) * (1 + w.facings));
        fusion::Explanations out = view(0);
        fusion::explain({w.delta.data(), w.sigma.data(), w.plates, w.inside.data(), w.facing_product.data(), w.facings},
                        {w.hands.data(), w.vision.empty() ? nullptr : w.vision.data(), w.owners.data(), w.shoppers,
                         1 + w.facings, w.products},
                        {w.mass.data(), w.by_mass.data(), w.present.data(), w.products}, 0.01, w.s,
                        {items.data(), weights.data(), joined.data()}, out);
        return out.n;
    }
};

/// Hypotheses with their storage.
struct Held {
    Doubles weight;
    Ints count;
    std::vector<fusion::Record> records;
    std::size_t stride;

    Held(std::size_t n, std::size_t width) : weight(n), count(n), records(n * width), stride(width) {}

    fusion::Hypotheses view() { return {weight.data(), count.data(), records.data(), weight.size(), stride}; }

    void check(std::size_t kept) {
        double total = 0.0;
        for (std::size_t h = 0; h < kept; ++h) {
            const fusion::Record* r = records.data() + h * stride;
            total += std::exp(weight[h]);
            for (std::int32_t i = 0; i < count[h]; ++i) {
                if (r[i].quantity <= 0) fail("nothing of something");
                if (i &&
                    !(r[i - 1].owner < r[i].owner || (r[i - 1].owner == r[i].owner && r[i - 1].product < r[i].product)))
                    fail("records out of order");
            }
            for (std::size_t other = 0; other < h; ++other) {
                if (fusion::same_state(r, count[h], records.data() + other * stride, count[other]))
                    fail("a state is held twice");
            }
        }
        if (!(std::fabs(total - 1.0) < 1e-9)) fail("weights that do not sum to 1");
    }
};

Held draw_hypotheses(Random& random, const World& w) {
    const std::size_t n = 1 + random() % 6, most = random() % 6;
    Held held(n, most + fusion::kMostRecords);
    const auto owners = static_cast<std::int32_t>(w.plates + w.shoppers + 1);
    for (std::size_t h = 0; h < n; ++h) {
        held.weight[h] = -std::log(static_cast<double>(n));
        fusion::Record* row = held.records.data() + h * held.stride;
        for (std::size_t i = 0; i < most; ++i) {
            held.count[h] = fusion::add(row, held.count[h], whole(random, owners) - static_cast<std::int32_t>(w.plates),
                                        whole(random, static_cast<std::int32_t>(w.products)), 1 + whole(random, 3));
        }
    }
    return held;
}

Held check_update(Random& random, World& w, Held& held, Explained& found) {
    const std::size_t e = found.score.size(), capacity = 1 + random() % 12;
    Ints plates;
    for (std::size_t k = 0; k < w.plates; ++k) plates.push_back(static_cast<std::int32_t>(k));
    const fusion::Scene scene{plates.data(),
                              w.plates,
                              0,
                              whole(random, static_cast<std::int32_t>(w.plates)),
                              static_cast<std::int32_t>(w.products),
                              20};
    Doubles echo(held.weight.size()), together(held.weight.size()), reach(e);
    for (double& v : echo) v = random() % 2 ? 0.0 : uniform(random, -9.0, 9.0);
    for (double& v : together) v = random() % 3 ? -1.0 : fusion::kNever;
    Ints order(e), column(e);
    const fusion::Hypotheses in = held.view();
    std::vector<fusion::Branch> branches(fusion::branches_needed(in, capacity));
    std::vector<fusion::Record> trial(held.stride);
    std::vector<std::uint64_t> prints(capacity + in.n);
    Held next(capacity, held.stride);
    const std::size_t columns = std::min(e, 4 * capacity + 1);
    Doubles share(capacity * in.n), joint(share.size()), chosen(capacity * columns);
    Ints used(columns);
    fusion::Lineage lineage{share.data(), joint.data(), used.data(), chosen.data(), columns, 0};
    fusion::Hypotheses out = next.view();
    const fusion::Explanations all = found.view(e);
    const std::size_t kept = fusion::update(
        in, {all, 1 + random() % e, echo.data(), together.data()}, scene, w.s,
        {order.data(), column.data(), reach.data(), branches.data(), trial.data(), prints.data()}, out, lineage);
    if (kept == 0 || kept > capacity || lineage.columns_used > columns) fail("too few or too many hypotheses");
    next.check(kept);
    for (std::size_t k = 0; k < kept; ++k) {
        double from = 0.0, by = 0.0;
        for (std::size_t h = 0; h < in.n; ++h) from += share[k * in.n + h] + joint[k * in.n + h];
        for (std::size_t c = 0; c < lineage.columns_used; ++c) by += chosen[k * columns + c];
        if (!(std::fabs(from - 1.0) < 1e-9 && std::fabs(by - 1.0) < 1e-9)) fail("shares that do not sum to 1");
    }
    next.weight.resize(kept);
    next.count.resize(kept);
    next.records.resize(kept * next.stride);
    return next;
}

void check_transfer(Random& random, const World& w, const Held& held) {
    const std::size_t moves = random() % 6, capacity = 1 + random() % 12;
    const auto shoppers = static_cast<std::int32_t>(w.shoppers), products = static_cast<std::int32_t>(w.products);
    std::vector<fusion::Move> all(moves);
    Doubles in_hand(moves);
    for (std::size_t m = 0; m < moves; ++m) {
        const bool staff = random() % 4 == 0;
        all[m] = {whole(random, shoppers + 1), staff ? fusion::kStaff : shoppers + 1,
                  static_cast<std::int32_t>(m) % products};
        in_hand[m] = random() % 2 ? 0.0 : uniform(random, 0.0, 1.0);
    }
    Held before = held;
    const fusion::Hypotheses in = before.view();
    std::int32_t fullest = 0;
    for (std::int32_t n : before.count) fullest = std::max(fullest, n);
    Held next(capacity, static_cast<std::size_t>(fullest) + 1);
    std::vector<fusion::Passed> branches(in.n * (1 + moves));
    std::vector<fusion::Record> trial(next.stride);
    std::vector<std::uint64_t> prints(capacity);
    Doubles share(capacity * in.n), chosen(capacity * (1 + moves));
    fusion::Hypotheses out = next.view();
    const fusion::Passing passing{all.data(), in_hand.data(), moves, 0.005, 0.02, uniform(random, 1e-9, 1.0 - 1e-9)};
    const std::size_t kept = fusion::transfer(in, passing, random() % 2 ? 1e-5 : 1e-60, branches.data(), trial.data(),
                                              prints.data(), out, share.data(), chosen.data());
    if (kept == 0 || kept > capacity) fail("too few or too many hypotheses after a transfer");
    next.check(kept);
    for (std::size_t k = 0; k < kept; ++k) {
        double from = 0.0, by = 0.0;
        for (std::size_t h = 0; h < in.n; ++h) from += share[k * in.n + h];
        for (std::size_t c = 0; c <= moves; ++c) by += chosen[k * (1 + moves) + c];
        if (!(std::fabs(from - 1.0) < 1e-9 && std::fabs(by - 1.0) < 1e-9)) fail("shares of a transfer not of sum 1");
    }
}

void check_join_and_forget(Random& random, const World& w, Held held) {
    Held other = draw_hypotheses(random, w);
    for (fusion::Record& r : other.records) r.owner += r.owner < 0 ? -90 : 90;
    std::int32_t widest[2] = {0, 0};
    for (std::int32_t n : held.count) widest[0] = std::max(widest[0], n);
    for (std::int32_t n : other.count) widest[1] = std::max(widest[1], n);
    const std::size_t capacity = 1 + random() % 20;
    Held both(capacity, static_cast<std::size_t>(widest[0] + widest[1]));
    std::vector<fusion::Pair> pairs(held.weight.size() * other.weight.size());
    Ints source(2 * capacity);
    fusion::Hypotheses out = both.view();
    const std::size_t kept = fusion::join(held.view(), other.view(), w.s.negligible, pairs.data(), out,
                                          reinterpret_cast<std::int32_t (*)[2]>(source.data()));
    if (kept == 0) fail("nothing is left of two clusters");
    double total = 0.0;
    for (std::size_t k = 0; k < kept; ++k) total += std::exp(both.weight[k]);
    if (!(std::fabs(total - 1.0) < 1e-9)) fail("pairs that do not sum to 1");
    Doubles share(held.weight.size() * held.weight.size());
    std::vector<fusion::Record> trial(held.stride);
    std::vector<std::uint64_t> prints(held.weight.size());
    fusion::Hypotheses view = held.view();
    const std::int32_t owner = whole(random, 4) - 1;
    const std::size_t left = fusion::forget(owner, view, trial.data(), prints.data(), share.data());
    held.check(left);
    view.n = left;
    if (!fusion::certain(view, owner)) fail("somebody who left still has something");
}

void check_differences(const World& w, Held held) {
    const fusion::Hypotheses in = held.view();
    std::vector<fusion::Record> first(in.row(0), in.row(0) + in.count[0]);
    std::int32_t most = 0, total = 0;
    for (std::int32_t n : held.count) most = std::max(most, n);
    for (fusion::Record& r : first) r.quantity = -r.quantity;
    Held apart(held.weight.size(), static_cast<std::size_t>(most) + first.size());
    fusion::Hypotheses out = apart.view();
    fusion::add_to_all(first.data(), first.size(), in, out);
    if (apart.count[0] != 0) fail("a hypothesis that differs from itself");
    for (std::int32_t n : apart.count) total += n;
    std::vector<fusion::Doubt> doubtful(static_cast<std::size_t>(total));
    const std::size_t doubts = fusion::list_doubts(out, doubtful.data());
    for (std::size_t i = 1; i < doubts; ++i) {
        if (!fusion::before(doubtful[i - 1], doubtful[i])) fail("doubts out of order");
    }
    Held whole(held.weight.size(), apart.stride + first.size());
    for (fusion::Record& r : first) r.quantity = -r.quantity;
    fusion::Hypotheses again = whole.view();
    fusion::add_to_all(first.data(), first.size(), out, again);
    for (std::size_t h = 0; h < in.n; ++h) {
        if (!fusion::same_state(in.row(h), in.count[h], again.row(h), again.count[h]))
            fail("a difference that is lost");
    }
    const fusion::Moved moved[] = {{0, 1, 0, 1}, {static_cast<std::int32_t>(w.products) - 1, -1, 0, 3}};
    const fusion::Known sum{w.delta[0], w.sigma[0] * w.sigma[0]}, lots[] = {{500.0, 1.0}, {300.0, 4.0}, {0.0, 1.0}};
    double gains[2];
    fusion::lot_gains(moved, 2, &sum, lots, w.mass.data(), 0.9, gains, w.s);
    if (std::isnan(gains[0]) || std::isnan(gains[1])) fail("a gain that is no number");
}

void check_ask(Random& random, const World& w, Explained& found) {
    const std::size_t e = found.score.size();
    const std::int32_t plate = 0, owners[] = {-1, 0};
    const fusion::Scene scene{&plate, 1, 0, 0, static_cast<std::int32_t>(w.products), 20};
    Bytes carried(2 * w.products), back(w.products), lying(w.products);
    for (std::uint8_t& mark : carried) mark = random() % 2;
    fusion::ask(found.view(e), 1 + random() % e, found.score[0], scene, {owners, 2, w.products, carried.data()}, w.s,
                back.data(), lying.data());
}

void check_hands(Random& random, World& w) {
    const std::size_t frames = random() % 4, sides = 1 + random() % 2, places = 1 + w.facings;
    constexpr double kOdd[] = {NAN, HUGE_VAL, -HUGE_VAL, 3.4e38};
    const auto metres = [&] { return random() % 9 ? uniform(random, -2.0, 2.0) : kOdd[random() % 4]; };
    Doubles xyz(frames * w.shoppers * sides * 3), var(xyz.size() / 3), when(frames), result(w.shoppers * places);
    for (double& x : xyz) x = metres();
    for (double& v : var) v = random() % 2 ? 0.0 : 0.3;
    for (double& p : when) p = static_cast<double>(random() % 3);
    Ints start(places + 1);
    for (std::size_t b = 0; b < places; ++b) start[b + 1] = start[b] + 1 + whole(random, 3);
    const auto boxes = static_cast<std::size_t>(start[places]);
    Doubles center(boxes * 3), axes(boxes * 9), half(boxes * 3, 0.2);
    for (double& x : center) x = uniform(random, -2.0, 2.0);
    for (std::size_t k = 0; k < boxes; ++k) axes[k * 9] = axes[k * 9 + 4] = axes[k * 9 + 8] = 1.0;
    const auto rows = [](Doubles& of) { return reinterpret_cast<const double (*)[3]>(of.data()); };
    fusion::hand_log_likelihood(
        {xyz.data(), var.data(), when.data(), frames, w.shoppers, sides},
        {start.data(), places, rows(center), reinterpret_cast<const double (*)[3][3]>(axes.data()), rows(half)}, w.s,
        result.data());
    for (double v : result) {
        if (!std::isfinite(v)) fail("a hand's ratio that is no number");
    }
    const fusion::Sum now{w.delta[0], w.sigma[0]}, earlier{-w.delta[0], w.sigma[0]};
    if (!(fusion::log_echo(now, earlier, 0.01, w.s) >= 0.0)) fail("an echo that speaks against the null");
}

void check(Random& random) {
    World w(random);
    Explained found;
    const std::size_t needed = found.run(w, 1 + random() % 3);
    if (found.run(w, needed) != needed) fail("more explanations than were counted");
    for (double v : found.score) {
        if (std::isnan(v)) fail("a score that is no number");
    }
    check_hands(random, w);
    Held held = draw_hypotheses(random, w);
    check_differences(w, held);
    check_ask(random, w, found);
    Held updated = check_update(random, w, held, found);
    check_transfer(random, w, updated);
    check_join_and_forget(random, w, updated);
}

}  // namespace

int main(int count, char** words) {
    Random random(1);
    const int rounds = count > 1 ? std::atoi(words[1]) : 3000;
    for (int r = 0; r < rounds; ++r) check(random);
    std::printf("%d problems\n", rounds);
}
