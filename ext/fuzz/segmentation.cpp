// A stream that is cut anywhere: steps, noise, gaps, times that go back, any bits as readings; snapshots, damaged or
// not.
#include "parts.hpp"

namespace {

struct Watch {
    std::int32_t plates;
    int depth;
};

void told(void* user, const fusion_weight_event* e) {
    const Watch& watch = *static_cast<Watch*>(user);
    demand(e->count > 0 && e->count <= watch.plates && e->id >= 0 && e->revision >= 0);
    demand(e->start_ns >= 0 && (e->kind == FUSION_TOUCH || e->kind == FUSION_CHANGE));
    demand(e->quality > 0 && e->quality <= 1);
    for (std::int32_t i = 0; i < e->count; ++i) {
        demand(e->plates[i] >= 0 && e->plates[i] < watch.plates && (i == 0 || e->plates[i - 1] < e->plates[i]));
        demand(e->delta_g[i] - e->delta_g[i] == 0 && e->sigma_g[i] >= 0);
    }
}

fusion_segmentation_settings settings_of(Input& in) {
    fusion_segmentation_settings s;
    const double rates[] = {1, 10, 25, 60, 100};
    fusion_segmentation_defaults(&s, in.size(13), in.chance(250) ? rates[in.below(4)] : in.number(1000));
    s.pending = in.chance(128) ? 4 + in.below(20) : in.chance(250) ? s.pending : in.size(100);
    if (in.chance(40)) s.smallest_item_g = in.number(100);
    if (in.chance(40)) s.merge_s = in.number(1);
    if (in.chance(20)) s.settle_s = in.number(1);
    if (in.chance(20)) s.baseline_s = in.number(10);
    if (in.chance(20)) s.false_alarms_per_day = in.number(10);
    if (in.chance(4)) s.abi = in.raw<std::uint32_t>();
    return s;
}

class Shelf {
  public:
    Shelf(Input& in, std::int32_t plates) : in_(in), levels_(std::size_t(plates), 2000.0f) {}

    /// Readings of n ticks, and their times.
    void read(int n, std::int64_t period_ns) {
        times.clear();
        rows.clear();
        for (int i = 0; i < n; ++i) {
            if (in_.chance(2)) now_ns_ += std::int64_t(in_.raw<std::uint32_t>()) * in_.byte();
            times.push_back(now_ns_ += period_ns);
            for (const float level : levels_) {
                noise_ = noise_ * 1664525u + 1013904223u;
                rows.push_back(level + roughness_ * (float(noise_ >> 16) / 32768.0f - 1.0f));
            }
        }
        if (n == 0) return;
        if (in_.chance(16)) rows[std::size_t(in_.byte()) % rows.size()] = in_.raw<float>();
        if (in_.chance(4)) times[std::size_t(in_.byte()) % times.size()] = in_.raw<std::int64_t>();
    }

    void disturb() {
        float& level = levels_[std::size_t(in_.byte()) % levels_.size()];
        switch (in_.below(4)) {
            case 0:
                level += float(in_.raw<std::int8_t>()) * 8;
                break;
            case 1:
                level = float(in_.number(1e4));
                break;
            case 2:
                roughness_ = float(in_.byte()) / 32;
                break;
            case 3:
                level = std::numeric_limits<float>::quiet_NaN();
                break;
            default:
                for (float& any : levels_) any = 0;
        }
    }

    std::vector<std::int64_t> times;
    std::vector<float> rows;

  private:
    Input& in_;
    std::vector<float> levels_;
    float roughness_ = 0.5f;
    std::uint32_t noise_ = 1;
    std::int64_t now_ns_ = 0;
};

void look(void* state, std::int32_t plates) {
    std::int64_t since = 0, times = 0;
    demand(fusion_segmentation_open_since(state, &since) == FUSION_OK && since >= -1);
    demand(fusion_segmentation_rezeroed(state, &times) == FUSION_OK && times >= 0);
    fusion_plate_health health;
    for (std::int32_t p = -1; p <= plates; ++p) {
        const bool there = p >= 0 && p < plates;
        demand(fusion_segmentation_health(state, p, &health) == (there ? FUSION_OK : FUSION_BAD_ARGUMENT));
        if (there) demand(health.samples >= 0 && health.missing >= 0 && health.faults >= 0);
    }
}

void snapshot(Input& in, unsigned char* state, std::size_t bytes, const fusion_segmentation_settings& s) {
    demand(fusion_segmentation_seal(state) == FUSION_OK);
    if (in.chance(64)) {
        unsigned char& damaged = state[in.raw<std::uint16_t>() % bytes];
        const unsigned char before = damaged;
        damaged ^= std::uint8_t(1 << in.below(7));
        demand(fusion_segmentation_resume(state, bytes, &s) == FUSION_BAD_STATE);
        damaged = before;
    }
    demand(fusion_segmentation_resume(state, bytes, &s) == FUSION_OK);
}

}  // namespace

void segmentation(Input& in) {
    const fusion_segmentation_settings s = settings_of(in);
    std::size_t bytes = 0;
    Array<fusion_plate> plates(s.plates > 0 && s.plates < 100 ? s.plates : 0);
    fusion_plates_defaults(plates.data(), std::int32_t(plates.size()));
    for (std::size_t p = 0; p < plates.size() && in.chance(128); ++p)
        plates[p] = {in.below(2), in.raw<std::uint32_t>(), float(in.number(5000))};
    if (fusion_segmentation_size(&s, &bytes) != FUSION_OK) {
        demand(fusion_segmentation_init(plates.data(), 64, &s, plates.data()) < FUSION_OK);
        return;
    }
    if (bytes > (1 << 21)) return;
    Memory memory(in, bytes);
    const int begun = fusion_segmentation_init(memory.data(), memory.size(), &s, plates.data());
    if (begun != FUSION_OK) return;
    demand(memory.good());
    Shelf shelf(in, s.plates);
    Watch watch{s.plates, 0};
    const auto period_ns = std::int64_t(1e9 / s.rate_hz);
    for (int turn = 0; turn < 200 && !in.empty(); ++turn) {
        shelf.read(in.below(255), period_ns);
        Array<float> grams{std::int64_t(shelf.rows.size())};
        if (!shelf.rows.empty()) std::memcpy(grams.data(), shelf.rows.data(), 4 * shelf.rows.size());
        const int status =
            fusion_segmentation_push(memory.data(), shelf.times.data(), grams.data(), shelf.times.size(), told, &watch);
        demand(status >= FUSION_OK || status == FUSION_BAD_TIME);
        shelf.disturb();
        if (in.chance(16)) look(memory.data(), s.plates);
        if (in.chance(8)) snapshot(in, static_cast<unsigned char*>(memory.data()), bytes, s);
        if (in.chance(8)) demand(fusion_segmentation_flush(memory.data(), told, &watch) >= FUSION_OK);
    }
    fusion_segmentation_flush(memory.data(), told, &watch);
    std::int64_t since = 0;
    demand(fusion_segmentation_open_since(memory.data(), &since) == FUSION_OK && since == -1);
}
