// The K best joint hypotheses by the C ABI.
#include "fusion_beliefs.hpp"
#include "hypotheses.hpp"

namespace fusion {
namespace {

static_assert(sizeof(fusion_part) == sizeof(Part) && FUSION_PARTS == kParts && FUSION_STAFF == kStaff);
static_assert(sizeof(fusion_record) == sizeof(Record) && FUSION_RECORDS_ADDED == kMostRecords);

/// Whether there is room for n hypotheses, whatever stands in it.
bool roomy(const fusion_hypotheses* h) {
    if (!usable(h) || !counted(h->n, 1) || !counted(h->stride)) return false;
    const auto n = std::uint64_t(h->n);
    return usable(h->weight, n) && usable(h->count, n) && usable(h->record, n * std::uint64_t(h->stride));
}

/// Whether these are hypotheses: records in order, few enough units for their sums, weights that are numbers.
bool sound(const fusion_hypotheses* all) {
    if (!roomy(all)) return false;
    for (std::int32_t h = 0; h < all->n; ++h) {
        const std::int32_t count = all->count[h];
        if (!(all->weight[h] >= -1e9 && all->weight[h] <= 1e9) || count < 0 || count > all->stride) return false;
        const fusion_record* row = all->record + std::size_t(h) * std::size_t(all->stride);
        for (std::int32_t i = 0; i < count; ++i) {
            const bool later = i == 0 || row[i].owner > row[i - 1].owner ||
                               (row[i].owner == row[i - 1].owner && row[i].product > row[i - 1].product);
            const bool some =
                row[i].quantity != 0 && row[i].quantity <= FUSION_UNITS_MOST && row[i].quantity >= -FUSION_UNITS_MOST;
            if (!later || row[i].product < 0 || !some) return false;
        }
    }
    return true;
}

Hypotheses view(const fusion_hypotheses* h) {
    return {h->weight, h->count, reinterpret_cast<Record*>(h->record), std::size_t(h->n), std::size_t(h->stride)};
}

std::int32_t fullest(const fusion_hypotheses* all) {
    std::int32_t most = 0;
    for (std::int32_t h = 0; h < all->n; ++h) most = all->count[h] > most ? all->count[h] : most;
    return most;
}

bool sound(const fusion_evidence* given, std::int32_t hypotheses) {
    if (!usable(given)) return false;
    const fusion_evidence& e = *given;
    if (!counted(e.explanations, 1) || e.first_joint < 1 || e.first_joint > e.explanations || !counted(e.plates, 1) ||
        e.products < 1 || e.facings < 1)
        return false;
    const std::uint64_t n = std::uint64_t(e.explanations), h = std::uint64_t(hypotheses);
    if (!usable(e.part, 3 * n) || !usable(e.log_score, n) || !usable(e.echo, h) || !usable(e.together, h) ||
        !usable(e.plate, std::uint64_t(e.plates)))
        return false;
    const auto known = [](std::int32_t plate) { return plate >= 0 && plate < (1 << 30); };
    bool fine = known(e.main_plate) && known(e.joint_main_plate);
    for (std::int32_t k = 0; k < e.plates; ++k) fine &= known(e.plate[k]);
    const auto plain = [](double x) { return x >= -1e9 && x <= 1e9; };
    const auto possible = [plain](double x) { return plain(x) || x == kNever; };
    for (std::uint64_t i = 0; i < n; ++i) fine &= i == 0 ? plain(e.log_score[i]) : possible(e.log_score[i]);
    for (std::uint64_t i = 0; i < h; ++i) fine &= plain(e.echo[i]) && possible(e.together[i]);
    for (std::uint64_t i = 0; i < 3 * n; ++i) {
        const fusion_part& p = e.part[i];
        fine &= p.product < 0 || (p.shopper >= 0 && p.place >= 0 && p.quantity != 0 &&
                                  p.quantity <= FUSION_UNITS_MOST && p.quantity >= -FUSION_UNITS_MOST);
    }
    return fine;
}

Explanations explanations_of(const fusion_evidence& e) {
    const auto n = std::size_t(e.explanations);  // the kernel reads them only
    return {reinterpret_cast<Part(*)[kParts]>(const_cast<fusion_part*>(e.part)), nullptr,
            const_cast<double*>(e.log_score), n, n};
}

UpdateRoom take_update(Arena& arena, const fusion_hypotheses* old, const fusion_evidence& e,
                       const fusion_hypotheses* made) {
    const auto n = std::uint64_t(e.explanations);
    UpdateRoom room{};
    room.order = arena.take<std::int32_t>(n);
    room.column = arena.take<std::int32_t>(n);
    room.reach = arena.take<double>(n);
    room.branches = arena.take<Branch>(branches_needed(view(old), std::size_t(made->n)));
    room.trial = arena.take<Record>(std::uint64_t(made->stride));
    room.prints = arena.take<std::uint64_t>(std::uint64_t(made->n) + std::uint64_t(old->n));
    return room;
}

struct ForgetScratch {
    Record* trial;
    std::uint64_t* prints;
};

ForgetScratch take_forget(Arena& arena, const fusion_hypotheses* all) {
    ForgetScratch s{};
    s.trial = arena.take<Record>(std::uint64_t(all->stride));
    s.prints = arena.take<std::uint64_t>(std::uint64_t(all->n));
    return s;
}

Pair* take_pairs(Arena& arena, const fusion_hypotheses* one, const fusion_hypotheses* other) {
    return arena.take<Pair>(std::uint64_t(one->n) * std::uint64_t(other->n));
}

}  // namespace
}  // namespace fusion

using namespace fusion;

extern "C" int fusion_hypotheses_update_size(const fusion_hypotheses* old, const fusion_evidence* evidence,
                                             const fusion_hypotheses* made, size_t* bytes) {
    if (!usable(bytes) || !sound(old) || !sound(evidence, old->n) || !roomy(made)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_update(arena, old, *evidence, made);
    return arena.size(bytes);
}

extern "C" int fusion_hypotheses_update(const fusion_association_settings* settings, const fusion_hypotheses* old,
                                        const fusion_evidence* evidence, const fusion_hypotheses* made,
                                        fusion_lineage* lineage, int32_t* kept, void* scratch, size_t bytes) {
    AssociationSettings s;
    if (const int status = read_settings(settings, s)) return status;
    if (!sound(old) || !sound(evidence, old->n) || !roomy(made) || !usable(lineage) || !usable(kept))
        return FUSION_BAD_ARGUMENT;
    const fusion_evidence& e = *evidence;
    const auto shares = std::uint64_t(made->n) * std::uint64_t(old->n);
    if (lineage->columns < 1 || !usable(lineage->share, shares) || !usable(lineage->joint_share, shares) ||
        !usable(lineage->column, std::uint64_t(lineage->columns)) ||
        !usable(lineage->chosen, std::uint64_t(lineage->columns) * std::uint64_t(made->n)))
        return FUSION_BAD_ARGUMENT;
    const std::int64_t looked_at = std::int64_t(kBranches) * made->n + 1;
    const std::int64_t columns = looked_at < e.explanations ? looked_at : e.explanations;
    if (lineage->columns < columns || made->stride < fullest(old) + FUSION_RECORDS_ADDED) return FUSION_NO_ROOM;
    Arena arena(nullptr);
    take_update(arena, old, e, made);
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    const UpdateRoom room = take_update(arena, old, e, made);
    const Explanations all = explanations_of(e);
    const Scene scene{e.plate, std::size_t(e.plates), e.main_plate, e.joint_main_plate, e.products, e.facings};
    Lineage from{lineage->share,  lineage->joint_share,          lineage->column,
                 lineage->chosen, std::size_t(lineage->columns), 0};
    Hypotheses out = view(made);
    *kept = std::int32_t(
        update(view(old), {all, std::size_t(e.first_joint), e.echo, e.together}, scene, s, room, out, from));
    lineage->used = std::int32_t(from.columns_used);
    return FUSION_OK;
}

extern "C" int fusion_hypotheses_forget_size(const fusion_hypotheses* all, size_t* bytes) {
    if (!usable(bytes) || !roomy(all)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_forget(arena, all);
    return arena.size(bytes);
}

extern "C" int fusion_hypotheses_forget(const fusion_hypotheses* all, int32_t owner, double* share, int32_t* kept,
                                        void* scratch, size_t bytes) {
    if (!sound(all) || !usable(kept) || !usable(share, std::uint64_t(all->n) * std::uint64_t(all->n)))
        return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_forget(arena, all);
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    const ForgetScratch s = take_forget(arena, all);
    Hypotheses hypotheses = view(all);
    *kept = std::int32_t(forget(owner, hypotheses, s.trial, s.prints, share));
    return FUSION_OK;
}

extern "C" int fusion_hypotheses_join_size(const fusion_hypotheses* one, const fusion_hypotheses* other,
                                           size_t* bytes) {
    if (!usable(bytes) || !roomy(one) || !roomy(other)) return FUSION_BAD_ARGUMENT;
    Arena arena(nullptr);
    take_pairs(arena, one, other);
    return arena.size(bytes);
}

extern "C" int fusion_hypotheses_join(const fusion_association_settings* settings, const fusion_hypotheses* one,
                                      const fusion_hypotheses* other, const fusion_hypotheses* made, int32_t* source,
                                      int32_t* kept, void* scratch, size_t bytes) {
    AssociationSettings s;
    if (const int status = read_settings(settings, s)) return status;
    if (!sound(one) || !sound(other) || !roomy(made) || !usable(kept) || !usable(source, 2 * std::uint64_t(made->n)))
        return FUSION_BAD_ARGUMENT;
    if (made->stride < fullest(one) + fullest(other)) return FUSION_NO_ROOM;
    Arena arena(nullptr);
    take_pairs(arena, one, other);
    if (const int status = arena.within(scratch, bytes)) return status;
    arena = Arena(scratch);
    Hypotheses out = view(made);
    *kept = std::int32_t(join(view(one), view(other), s.negligible, take_pairs(arena, one, other), out,
                              reinterpret_cast<std::int32_t (*)[2]>(source)));
    return FUSION_OK;
}

extern "C" int fusion_hypotheses_certain(const fusion_hypotheses* all, int32_t owner, int32_t* certain) {
    if (!sound(all) || !usable(certain)) return FUSION_BAD_ARGUMENT;
    *certain = fusion::certain(view(all), owner);
    return FUSION_OK;
}
