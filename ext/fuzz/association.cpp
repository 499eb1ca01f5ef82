// Events of a small store, explained and taken up by hypotheses, in step and out of order; arguments of any kind.
#include "parts.hpp"

namespace {

constexpr std::int32_t kRoom = 256, kMade = 12, kStride = 24;

struct Held {
    Array<double> weight;
    Array<std::int32_t> count;
    Array<fusion_record> record;

    explicit Held(std::int32_t n) : weight(n), count(n), record(std::int64_t(n) * kStride) {}
    fusion_hypotheses view(std::int32_t n) { return {weight.data(), count.data(), record.data(), n, kStride}; }
};

fusion_association_settings believed(Input& in) {
    fusion_association_settings s;
    fusion_association_defaults(&s);
    s.max_restocked = 1 + in.below(5);
    double* const numbers = &s.reach_sigma_m;
    const int count = int((sizeof s - offsetof(fusion_association_settings, reach_sigma_m)) / sizeof(double));
    if (in.chance(32)) numbers[in.below(count - 1)] = in.chance(128) ? in.number(1) : double(1 + in.byte()) / 257;
    if (in.chance(4)) s.abi = in.byte();
    return s;
}

/// An event that is mostly good, and its explanations; how many, or -1.
std::int32_t explain(Input& in, const fusion_association_settings& s, std::int32_t products, Array<fusion_part>& part,
                     Array<double>& log_score) {
    const std::int32_t plates = 1 + in.below(3), facings = in.below(2), shoppers = in.below(3), places = 1 + facings;
    Array<double> delta(plates), sigma(plates), hands = numbers(in, shoppers * places, 3.0);
    Array<double> vision = numbers(in, shoppers * products, 1.0), mass(products);
    Array<std::uint8_t> inside(std::int64_t(places) * plates), present(products);
    Array<std::int32_t> facing(in, facings), owner(in, shoppers), by_mass(products);
    for (std::size_t k = 0; k < delta.size(); ++k) {
        delta[k] = in.chance(250) ? 100.0 * (in.below(20) - 10) + in.below(6) : in.number(500);
        sigma[k] = in.chance(250) ? 0.5 + in.below(20) : in.number(5);
    }
    for (std::size_t i = 0; i < inside.size(); ++i) inside[i] = i < delta.size() || in.chance(128);
    for (std::size_t j = 0; j < facing.size(); ++j) facing[j] = in.chance(2) ? in.size(5) : in.below(products - 1);
    for (std::size_t k = 0; k < owner.size(); ++k)
        owner[k] = in.chance(2) ? in.raw<std::int32_t>() : std::int32_t(k) + (in.chance(30) ? FUSION_STAFF : 0);
    double heavier = 50;
    for (std::int32_t p = 0; p < products; ++p) {
        mass[std::size_t(p)] = in.chance(10) ? in.number(500) : heavier += 100.0 * in.below(3);
        by_mass[std::size_t(p)] = in.chance(2) ? in.size(5) : p;
        present[std::size_t(p)] = in.chance(128);
    }
    const fusion_scene scene{delta.data(),   sigma.data(), inside.data(),
                             facing.data(),  hands.data(), in.chance(128) ? vision.data() : nullptr,
                             owner.data(),   mass.data(),  by_mass.data(),
                             present.data(), plates,       facings,
                             shoppers,       products,     in.chance(250) ? 0.01 : in.number(1)};
    std::size_t bytes = 0;
    if (fusion_explain_size(&s, facings, shoppers, products, &bytes) != FUSION_OK) bytes = 64;
    Memory memory(in, bytes);
    Array<double> term(4 * kRoom);
    std::int32_t found = -1;
    const std::int32_t room = in.chance(16) ? in.below(20) : kRoom;
    const int status = fusion_explain(&s, &scene, part.data(), term.data(), log_score.data(), room, &found,
                                      memory.data(), memory.size());
    demand(status <= FUSION_OK);
    if (status != FUSION_OK) return -1;
    demand(found >= 1 && found <= room && memory.good());
    return found;
}

}  // namespace

void association(Input& in) {
    const fusion_association_settings s = believed(in);
    const std::int32_t products = 1 + in.below(3);
    Held held(kMade), made(kMade);
    std::int32_t n = 1;
    held.weight[0] = 0;
    held.count[0] = 0;
    Array<fusion_part> part(3 * kRoom);
    Array<double> log_score(kRoom), share(kMade * kMade), joint_share(kMade * kMade);
    Array<double> chosen(std::int64_t(kMade) * kRoom), echo(kMade), together(kMade);
    Array<std::int32_t> column(kRoom), source(2 * kMade);
    for (int turn = 0; turn < 12 && !in.empty(); ++turn) {
        const std::int32_t found = explain(in, s, products, part, log_score);
        if (found < 0) continue;
        if (in.chance(8)) part[std::size_t(in.below(2))].quantity = in.raw<std::int32_t>();
        if (in.chance(8)) log_score[0] = in.number(10);
        for (std::int32_t h = 0; h < kMade; ++h)
            echo[std::size_t(h)] = together[std::size_t(h)] = in.chance(8) ? in.number(5) : 0;
        const std::int32_t plates[3] = {in.below(3), in.below(3), in.chance(2) ? in.raw<std::int32_t>() : 4};
        const fusion_evidence evidence{part.data(),
                                       log_score.data(),
                                       echo.data(),
                                       together.data(),
                                       plates,
                                       found,
                                       in.chance(64) ? 1 + in.below(found) : found,
                                       3,
                                       plates[0],
                                       plates[1],
                                       products,
                                       in.chance(2) ? in.size(3) : 2};
        const fusion_hypotheses old = held.view(n), next = made.view(in.chance(250) ? kMade : in.below(kMade));
        fusion_lineage lineage{
            share.data(), joint_share.data(), column.data(), chosen.data(), in.chance(16) ? in.below(8) : kRoom, 0};
        std::size_t bytes = 0;
        if (fusion_hypotheses_update_size(&old, &evidence, &next, &bytes) != FUSION_OK) bytes = 64;
        Memory memory(in, bytes);
        std::int32_t kept = -1;
        const int status =
            fusion_hypotheses_update(&s, &old, &evidence, &next, &lineage, &kept, memory.data(), memory.size());
        demand(status <= FUSION_OK);
        if (status != FUSION_OK) continue;
        demand(kept >= 1 && kept <= next.n && lineage.used >= 1 && lineage.used <= lineage.columns);
        std::swap(held.weight, made.weight);
        std::swap(held.count, made.count);
        std::swap(held.record, made.record);
        n = kept;
        const fusion_hypotheses all = held.view(n);
        std::int32_t certain = -1;
        demand(fusion_hypotheses_certain(&all, in.below(3), &certain) == FUSION_OK && (certain == 0 || certain == 1));
        if (in.chance(64) && fusion_hypotheses_forget_size(&all, &bytes) == FUSION_OK) {
            Memory room(in, bytes);
            if (fusion_hypotheses_forget(&all, in.below(3), share.data(), &kept, room.data(), room.size()) == FUSION_OK)
                n = kept;
        }
        const fusion_hypotheses same = held.view(n), joined = made.view(kMade);
        if (in.chance(32) && fusion_hypotheses_join_size(&same, &same, &bytes) == FUSION_OK) {
            Memory room(in, bytes);
            demand(fusion_hypotheses_join(&s, &same, &same, &joined, source.data(), &kept, room.data(), room.size()) <=
                   FUSION_OK);
        }
    }
    const std::int32_t frames = in.below(4), shoppers = in.below(3), boxes = in.below(4);
    Array<double> xyz = numbers(in, 6 * frames * shoppers, 1.0), variance = numbers(in, 2 * frames * shoppers, 0.1);
    Array<double> when = numbers(in, frames, 0.1), center = numbers(in, 3 * boxes, 1.0);
    Array<double> axes = numbers(in, 9 * boxes, 1.0), half = numbers(in, 3 * boxes, 0.3);
    for (std::size_t i = 0; i < variance.size() && in.chance(250); ++i) variance[i] = 0.01;
    for (std::size_t i = 0; i < when.size() && in.chance(250); ++i) when[i] = 0.5;
    const std::int32_t start[3] = {0, in.chance(8) ? in.raw<std::int32_t>() : in.below(boxes), boxes};
    const fusion_hands hands{xyz.data(), variance.data(), when.data(), frames, shoppers, 2};
    const fusion_places places{start, center.data(), axes.data(), half.data(), 2, boxes};
    Array<double> result(in, 2 * shoppers);
    double ratio = 0;
    fusion_hand_log_likelihood(&s, &hands, &places, result.data());
    fusion_log_echo(&s, in.number(100), in.number(1), in.number(100), in.number(1), in.number(1), &ratio);
}
