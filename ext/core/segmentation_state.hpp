// What segmentation remembers of one fixture: views of one caller-owned buffer, which is also the snapshot.
//
// Layout: the sections in the order of State's members without padding, 8-byte aligned, native byte order; 64-bit
// sections first. The same rows, in the same order, as fusion/reference/segmentation.py.
// Memory: 116 bytes a plate, 4 bytes a plate and tick of the ring, 248 bytes a plate for what is pending.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace fusion::segmentation {

enum Phase : std::int32_t { STARTING, STABLE, MOVING };
enum Kind : std::int64_t { NOTHING, TOUCH, CHANGE };
enum Health : std::int32_t { DROPOUT = 1, STUCK = 2, SATURATED = 4, NOISY = 8 };

enum Head { TICK, LAST_NS, GAP_NS, GAP_TICK, NEXT_ID, NEXT_KEY, EVENTS, RECORDS, AWAKE, LIVE, HEAD };
enum PlateLong { WOKEN, SETTLED, START_NS, MISSING, INFINITE, INFINITE_TICK, PLATE_LONGS };
enum PlateInt { STATE, RUN_UP, RUN_DOWN, N_LEVEL, N_NOISE, STILL, EMPTY, GROUP, PLATE_INTS };
enum PlateFloat { LEVEL, GAIN, UP, DOWN, NOISE, MEAN_NOISE, PEAK, EXCESS, LAST, PLATE_FLOATS };
enum RecordLong { R_EVENT, R_PLATE, R_FIRST, R_STEP, R_QUIET, R_SETTLED, R_START_NS, R_MOVED, RECORD_LONGS };
enum RecordFloat { R_BEFORE, R_AFTER, R_VAR_BEFORE, R_VAR_AFTER, R_QUALITY, RECORD_FLOATS };
enum EventLong { E_KEY, E_ID, E_REVISION, E_END_NS, E_CHANGED, EVENT_LONGS };

constexpr float REFERENCE_VALUE = 0.5f;  // CUSUM's k, standard deviations: half the smallest shift to find fast
constexpr float LIMIT_G = 1e6f;          // beyond it a reading is no weight but a fault
constexpr float CLIP = 3.0f;             // standard deviations at which a sample's pull on level and noise ends
constexpr float SIGNIFICANT = 25.0f;     // (5 standard deviations)^2: a step that noise does not make
constexpr float NOTICEABLE = 4.0f;       // (2 standard deviations)^2: worth telling beside a neighbour's change
constexpr float QUIET_SPREAD = 3.0f;     // ratio of variances up to which a window is as quiet as the noise
constexpr float QUIET_SLOPE = 4.0f;      // (2 standard deviations)^2 of the difference of half-window means
constexpr float RINGING = 0.01f;         // of the step: amplitude of the ring-down that is averaged over
constexpr float STEADY_SLOPE = 16.0f;    // (range of four means)^2 over their variance, 1 in 20 (studentised range)
constexpr float STEADY_RATIO = 9.0f;     // of the variances of four windows, 1 in 50 (Hartley)
constexpr float EXCURSION = 5.0f;        // standard deviations of a push
constexpr float SPAN_ERROR = 0.003f;     // of the step: adjustment of the cells' sensitivity
constexpr float QUALITY_LONG = 0.5f, QUALITY_FORCED = 0.2f, QUALITY_EARLY = 0.5f;
constexpr std::int64_t CROWD = 8;  // stable plates from which their median is the fixture's
constexpr std::int64_t NEVER = std::numeric_limits<std::int64_t>::max();
constexpr float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();

/// What the settings come to in ticks and grams.
struct Config {
    std::int64_t window;    // ticks that must be quiet, even; also the block of learning
    std::int64_t ring;      // ticks of history, four windows
    std::int64_t push;      // ticks that tell a push from a spike
    std::int64_t memory;    // ticks behind the level
    std::int64_t hold;      // ticks after which MOVING ends whatever the noise
    std::int64_t merge_ns;  // ns
    std::int64_t gap_ns;    // ns
    float threshold;        // CUSUM's h, standard deviations
    float attack;           // growth per tick of the fixture's factor
    float release;          // per tick
    float half_item_g;      // g
    float floor_g;          // g; noise is never taken for less
};

/// Row-major views; a row of a plate section holds one quantity of all plates.
struct State {
    std::int64_t plates, capacity, ring;  // columns of the plate sections, of the record and event sections; rows
    std::int64_t* head;
    std::int64_t* times;
    std::int64_t* longs;
    std::int64_t* record_longs;
    std::int64_t* event_longs;
    float* activity;  // [0]: the fixture's factor, 1 when calm; [1]: alignment
    float* floats;
    std::int32_t* ints;
    float* samples;
    float* record_floats;

    float& f(PlateFloat row, std::int64_t p) const { return floats[row * plates + p]; }
    std::int32_t& i(PlateInt row, std::int64_t p) const { return ints[row * plates + p]; }
    std::int64_t& l(PlateLong row, std::int64_t p) const { return longs[row * plates + p]; }
    std::int64_t& rl(RecordLong row, std::int64_t r) const { return record_longs[row * capacity + r]; }
    float& rf(RecordFloat row, std::int64_t r) const { return record_floats[row * capacity + r]; }
    std::int64_t& el(EventLong row, std::int64_t e) const { return event_longs[row * capacity + e]; }

    /// Row of the ring that holds `tick`, which may lie before the first.
    std::int64_t row(std::int64_t tick) const { return ((tick % ring) + ring) % ring; }
    std::int64_t time(std::int64_t tick) const { return times[row(tick)]; }
};

/// What one tick reports; the arrays have capacity + plates elements.
struct Event {
    std::int64_t id, revision, start_ns, end_ns, kind, final, first, count;
    float quality;
};
struct Out {
    std::int64_t events_count, members_count;
    Event* events;
    std::int32_t* plates;
    float* deltas;  // g
    float* sigmas;  // g
};

inline std::int64_t capacity_of(std::int64_t plates) {
    return 2 * plates + 8;
}

/// Bytes of the buffer of `bind`.
inline std::size_t storage_size(std::int64_t plates, std::int64_t ring) {
    const std::int64_t records = capacity_of(plates);
    return std::size_t(8 * (HEAD + ring + PLATE_LONGS * plates + (RECORD_LONGS + EVENT_LONGS) * records) +
                       4 * (2 + (PLATE_FLOATS + PLATE_INTS + ring) * plates + RECORD_FLOATS * records));
}

/// Views of `storage`, which is 8-byte aligned and storage_size bytes long.
inline State bind(void* storage, std::int64_t plates, std::int64_t ring) {
    State s{};
    s.plates = plates;
    s.capacity = capacity_of(plates);
    s.ring = ring;
    s.head = static_cast<std::int64_t*>(storage);
    s.times = s.head + HEAD;
    s.longs = s.times + ring;
    s.record_longs = s.longs + PLATE_LONGS * plates;
    s.event_longs = s.record_longs + RECORD_LONGS * s.capacity;
    s.activity = reinterpret_cast<float*>(s.event_longs + EVENT_LONGS * s.capacity);
    s.floats = s.activity + 2;
    s.ints = reinterpret_cast<std::int32_t*>(s.floats + PLATE_FLOATS * plates);
    s.samples = reinterpret_cast<float*>(s.ints + PLATE_INTS * plates);
    s.record_floats = s.samples + ring * plates;
    return s;
}

/// Forget the samples: what lies before a gap is not adjacent to what follows.
inline void clear_ring(const State& s) {
    for (std::int64_t i = 0; i < s.ring * s.plates; ++i) s.samples[i] = NOT_A_NUMBER;
}

/// Begin a stream in a zeroed buffer; `groups` is the shelf of each plate.
inline void start(const State& s, const std::int32_t* groups) {
    s.head[TICK] = s.head[GAP_TICK] = -1;
    s.head[AWAKE] = s.plates;
    s.activity[0] = s.activity[1] = 1.0f;
    clear_ring(s);
    for (std::int64_t p = 0; p < s.plates; ++p) {
        s.l(SETTLED, p) = s.l(INFINITE_TICK, p) = -1;
        s.f(LAST, p) = NOT_A_NUMBER;
        s.i(GROUP, p) = groups[p];
        s.i(N_LEVEL, p) = 1;
    }
}

}  // namespace fusion::segmentation
