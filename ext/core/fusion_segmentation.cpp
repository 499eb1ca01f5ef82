// Segmentation by the C ABI. The state: a header, the members of one report, and the buffer of segmentation_state.hpp.
#include <cstring>

#include "fusion.h"
#include "fusion_memory.hpp"
#include "segmentation.hpp"
#include "segmentation_settings.hpp"

namespace fusion::segmentation {
namespace {

constexpr std::uint32_t MAGIC = 0x67657366;  // "fseg"

struct Header {
    std::uint32_t magic, abi, sample_bytes, lanes;
    std::uint32_t seal, sealed;  // checksum of what follows it in the state
    std::int32_t plates, capacity;
    float drift_per_min, unused;  // of PlateHealth's drift in one
    Config config;
};
static_assert(sizeof(Header) % FUSION_ALIGNMENT == 0 && alignof(Header) <= FUSION_ALIGNMENT);

std::size_t members_size(std::int64_t plates) {
    return std::size_t(12 * plates + 7) / 8 * 8;
}

int fill_header(const fusion_segmentation_settings* settings, Header& h) {
    if (!usable(settings)) return FUSION_BAD_ARGUMENT;
    if (settings->abi != FUSION_ABI) return FUSION_ABI_MISMATCH;
    const Settings known{settings->rate_hz,  settings->smallest_item_g, settings->false_alarms_per_day,
                         settings->settle_s, settings->merge_s,         settings->baseline_s};
    if (settings->plates < 1 || settings->plates > 65536 || settings->pending < 4 || settings->pending > 262144 ||
        settings->reserved != 0 || !plausible(known))
        return FUSION_BAD_ARGUMENT;
    std::memset(&h, 0, sizeof h);
    h.magic = MAGIC;
    h.abi = FUSION_ABI;
    h.sample_bytes = sizeof(Sample);
    h.lanes = std::uint32_t(LANES);
    h.plates = settings->plates;
    h.capacity = settings->pending;
    h.config = configure(known);
    h.drift_per_min = float(60 / level_lag_s(known, h.config));
    return FUSION_OK;
}

/// Bytes of the state; 0 if this machine cannot address them.
std::size_t total_size(const Header& h) {
    const std::int64_t bytes =
        storage_size(h.plates, h.capacity, h.config) + std::int64_t(sizeof(Header) + members_size(h.plates));
    return std::uint64_t(bytes) <= SIZE_MAX / 2 ? std::size_t(bytes) : 0;
}

char* body(void* state, const Header& h) {
    return static_cast<char*>(state) + sizeof(Header) + members_size(h.plates);
}

State view(void* state) {
    const Header& h = *static_cast<const Header*>(state);
    return bind(body(state, h), h.plates, h.capacity, h.config);
}

bool opened(const void* state) {
    if (!aligned(state)) return false;
    const Header& h = *static_cast<const Header*>(state);
    return h.magic == MAGIC && h.abi == FUSION_ABI && h.sample_bytes == sizeof(Sample) &&
           h.lanes == std::uint32_t(LANES);
}

std::uint32_t sum(const void* state, const Header& h) {
    const std::size_t rest = total_size(h) - sizeof(Header);
    const std::uint32_t head = checksum(&h.plates, sizeof(Header) - offsetof(Header, plates));
    return checksum(static_cast<const char*>(state) + sizeof(Header), rest, head);
}

/// The caller's report, and what `emit` needs to call it.
struct Reporter {
    fusion_weight_report report;
    void* user;
    Event event{};
    Out out{};

    Reporter(void* state, fusion_weight_report report, void* user) : report(report), user(user) {
        Header& h = *static_cast<Header*>(state);
        h.sealed = 0;
        out.events = &event;
        out.plates = reinterpret_cast<std::int32_t*>(static_cast<char*>(state) + sizeof(Header));
        out.deltas = reinterpret_cast<float*>(out.plates + h.plates);
        out.sigmas = out.deltas + h.plates;
        out.report = tell;
        out.user = this;
    }
    int status() const { return out.early > 0 ? FUSION_TOLD_EARLY : FUSION_OK; }

  private:
    static void tell(const Out& out) {
        const Reporter& self = *static_cast<const Reporter*>(out.user);
        const Event& e = self.event;
        const fusion_weight_event told{e.id,
                                       e.revision,
                                       e.start_ns,
                                       e.step_ns,
                                       e.end_ns,
                                       std::int32_t(e.kind),
                                       std::int32_t(e.final),
                                       e.quality,
                                       std::int32_t(e.count),
                                       out.plates,
                                       out.deltas,
                                       out.sigmas};
        self.report(self.user, &told);
    }
};

}  // namespace
}  // namespace fusion::segmentation

using namespace fusion;
using namespace fusion::segmentation;

extern "C" int fusion_segmentation_defaults(fusion_segmentation_settings* settings, int32_t plates, double rate_hz) {
    if (!usable(settings)) return FUSION_BAD_ARGUMENT;
    const std::int32_t pending = plates > 0 && plates <= 65536 ? std::int32_t(capacity_of(plates)) : 4;
    *settings = {FUSION_ABI, plates, pending, 0, rate_hz, 8.0, 1.0, 0.5, 2.0, 2.0};
    Header h;
    return fill_header(settings, h);
}

extern "C" int fusion_plates_defaults(fusion_plate* plates, int32_t count) {
    if (!usable(plates) || count < 1) return FUSION_BAD_ARGUMENT;
    for (int32_t p = 0; p < count; ++p) {
        const int32_t after = count - 1 - p;
        plates[p] = {0, after >= 2 ? 3u : (after == 1 ? 1u : 0u), 20000.0f};
    }
    return FUSION_OK;
}

extern "C" int fusion_segmentation_size(const fusion_segmentation_settings* settings, size_t* bytes) {
    Header h;
    if (!usable(bytes)) return FUSION_BAD_ARGUMENT;
    if (const int status = fill_header(settings, h)) return status;
    *bytes = total_size(h);
    return *bytes ? FUSION_OK : FUSION_NO_ROOM;
}

extern "C" int fusion_segmentation_init(void* state, size_t bytes, const fusion_segmentation_settings* settings,
                                        const fusion_plate* plates) {
    Header h;
    if (const int status = fill_header(settings, h)) return status;
    if (!aligned(state) || !usable(plates)) return FUSION_BAD_ARGUMENT;
    const std::size_t needed = total_size(h);
    if (needed == 0 || bytes < needed) return FUSION_NO_ROOM;
    for (std::int32_t p = 0; p < h.plates; ++p)
        if (!(plates[p].capacity_g > 0 && plates[p].capacity_g <= MOST_GRAMS)) return FUSION_BAD_ARGUMENT;
    std::memset(state, 0, needed);
    *static_cast<Header*>(state) = h;
    const State s = view(state);
    start(s);
    for (std::int32_t p = 0; p < h.plates; ++p)
        place(s, p, plates[p].shelf, std::int32_t(plates[p].shared), plates[p].capacity_g);
    return FUSION_OK;
}

extern "C" int fusion_segmentation_push(void* state, const int64_t* sample_ns, const float* grams, size_t samples,
                                        fusion_weight_report report, void* user) {
    if (!opened(state)) return FUSION_BAD_STATE;
    const Header& h = *static_cast<const Header*>(state);
    if (report == nullptr || samples > SIZE_MAX / 8 / std::size_t(h.plates)) return FUSION_BAD_ARGUMENT;
    if (samples == 0) return FUSION_OK;
    if (!usable(sample_ns) || !usable(grams)) return FUSION_BAD_ARGUMENT;
    const State s = view(state);
    const auto n = std::int64_t(samples);
    if (!ordered(s, sample_ns, n)) return FUSION_BAD_TIME;
    Reporter reporter(state, report, user);
    for (std::int64_t row = 0; row < n;)
        row = advance(s, h.config, reporter.out, sample_ns, grams, row, n, processor_level());
    return reporter.status();
}

extern "C" int fusion_segmentation_flush(void* state, fusion_weight_report report, void* user) {
    if (!opened(state)) return FUSION_BAD_STATE;
    if (report == nullptr) return FUSION_BAD_ARGUMENT;
    Reporter reporter(state, report, user);
    flush(view(state), static_cast<const Header*>(state)->config, reporter.out, processor_level());
    return reporter.status();
}

extern "C" int fusion_segmentation_open_since(const void* state, int64_t* since_ns) {
    if (!opened(state)) return FUSION_BAD_STATE;
    if (!usable(since_ns)) return FUSION_BAD_ARGUMENT;
    *since_ns = open_since(view(const_cast<void*>(state)));
    return FUSION_OK;
}

extern "C" int fusion_segmentation_rezeroed(const void* state, int64_t* times) {
    if (!opened(state)) return FUSION_BAD_STATE;
    if (!usable(times)) return FUSION_BAD_ARGUMENT;
    *times = view(const_cast<void*>(state)).head[REZEROED];
    return FUSION_OK;
}

extern "C" int fusion_segmentation_health(const void* state, int32_t plate, fusion_plate_health* health) {
    if (!opened(state)) return FUSION_BAD_STATE;
    const Header& h = *static_cast<const Header*>(state);
    if (!usable(health) || plate < 0 || plate >= h.plates) return FUSION_BAD_ARGUMENT;
    const PlateHealth now = segmentation::health(view(const_cast<void*>(state)), h.config, plate);
    *health = {now.flags, now.spikes,  now.noise_g, now.level_g, now.drift_g * h.drift_per_min,
               0,         now.samples, now.missing, now.faults};
    return FUSION_OK;
}

extern "C" int fusion_segmentation_seal(void* state) {
    if (!opened(state)) return FUSION_BAD_STATE;
    Header& h = *static_cast<Header*>(state);
    h.seal = sum(state, h);
    h.sealed = 1;
    return FUSION_OK;
}

extern "C" int fusion_segmentation_resume(void* state, size_t bytes, const fusion_segmentation_settings* settings) {
    Header expected;
    if (const int status = fill_header(settings, expected)) return status;
    if (!aligned(state)) return FUSION_BAD_ARGUMENT;
    const std::size_t needed = total_size(expected);
    if (needed == 0 || bytes < needed) return FUSION_NO_ROOM;
    const Header& h = *static_cast<const Header*>(state);
    expected.seal = h.seal;
    expected.sealed = 1;
    if (checksum(&h, sizeof h) != checksum(&expected, sizeof h) || sum(state, h) != h.seal) return FUSION_BAD_STATE;
    return FUSION_OK;
}
