// What segmentation remembers of one fixture: views of one caller-owned buffer, which is also the snapshot.
//
// Layout: the sections in the order of State's members without padding, 8-byte aligned, native byte order; 64-bit
// sections first. The same rows, in the same order, as fusion/reference/segmentation_state.py. Plate rows are `stride`
// long, a multiple of LANES; the lanes behind the last plate never report.
// Memory: 204 bytes a plate for the gate, 4 bytes a plate and tick of history, 344 bytes a plate for what is pending.
#pragma once
#include <cmath>
#include <cstddef>

#include "compiler.hpp"
#include "segmentation_sample.hpp"

namespace fusion::segmentation {

enum Phase : std::int32_t { STARTING, STABLE, MOVING };
enum Kind : std::int64_t { NOTHING, TOUCH, CHANGE };
enum Health : std::int32_t { DROPOUT = 1, STUCK = 2, SATURATED = 4, NOISY = 8, PHANTOM = 16, DRIFTING = 32 };

// clang-format off
enum Head { TICK, LAST_NS, GAP_NS, GAP_TICK, NEXT_ID, NEXT_KEY, EVENTS, RECORDS, AWAKE, LIVE, REZEROED, HEAD };
enum PlateLong { WOKEN, SETTLED, START_NS, MISSING, FAULTS, FAULT_TICK, PLATE_LONGS };
enum PlateInt { STATE, RUN_UP, RUN_DOWN, N_NOISE, N_WINDOWS, STILL, EMPTY, SPIKES, GROUP, SHARED, PLATE_INTS };
enum PlateFloat {
    LIMIT, LEVEL, WATCHED,                            // g; 1 while the gate watches the plate
    SUM, SQUARES, LOW, HIGH, COUNT,                   // of the block that is being filled, less the level
    MEAN, SPREAD, WEIGHT,                             // of the last block: g less the level, g^2, (0, 1]
    OLDER, OLDER_WEIGHT, NEWER, NEWER_WEIGHT,         // blocks that have not been learned yet; means in g
    UP, DOWN,                                         // CUSUMs
    NOISE, TREMOR, DOUBT,                             // variances: of a calm block's mean, in it, of the level / NOISE
    WINDOW_FROM, WINDOW_DOUBT, WINDOW_SUM, WINDOW_WEIGHT, INFLATION,  // of errors over what white noise would give
    PEAK, EXCESS, LAST, DRIFT, PLATE_FLOATS
};
enum RecordLong {
    R_EVENT, R_PLATE, R_FIRST, R_STEP, R_QUIET, R_SETTLED, R_START_NS, R_STEP_NS, R_END_NS, R_MOVED, R_FELT, R_UNEASY,
    RECORD_LONGS
};
enum RecordFloat { R_BEFORE, R_AFTER, R_VAR_BEFORE, R_VAR_AFTER, R_QUALITY, R_FELT_SUM, R_FELT_SQUARES, RECORD_FLOATS };
enum EventLong { E_KEY, E_ID, E_REVISION, E_SETTLED_NS, E_CHANGED, E_OPEN, EVENT_LONGS };
// clang-format on

constexpr float REFERENCE_VALUE = 0.5f;  // CUSUM's k, standard deviations: half the smallest shift to find fast
constexpr float CLIP = 9.0f;             // (3 standard deviations)^2 at which a block's pull on level and noise ends
constexpr float WILD = 100.0f;           // (10 standard deviations)^2 of a sample that is no weight but a glitch
constexpr float SIGNIFICANT = 25.0f;     // (5 standard deviations)^2: a step that noise does not make
constexpr float NOTICEABLE = 4.0f;       // (2 standard deviations)^2: worth telling beside a neighbour's change
constexpr float QUIET = 3.0f;            // variance of block means over the noise: 1 in 50 of F(4, inf)
constexpr float TREND = 16.0f;           // (4 standard deviations)^2 of the difference of the halves of a level
constexpr float STILL_SHARE = 0.01f;     // of a heavy load: deviation of block means by which it may sway
constexpr float LOUD = 9.0f;             // variance within blocks over the shelf's, of a plate that a hand holds
constexpr float RISE = 0.1f;             // of a load that comes: what may be there 0.1 s before its middle
constexpr float SLACK = 0.25f;           // of a step: how far a plateau may wander
constexpr float EXCURSION = 5.0f;        // standard deviations of a push
constexpr float CROSS_TALK = 0.025f;     // of a change, on plates up to two away (the public recording: 0-2 %)
constexpr float OVERHANG = 0.08f;        // of an item, beyond the edge of its facing: less is not told from cross-talk
constexpr float COUPLING = 0.01f, COUPLING_SPREAD = 0.008f;  // mean and deviation of it between an item's own plates
constexpr float HAND_G = 500.0f;      // g; a hand is 0.6 % of the body (de Leva, J. Biomechanics 29, 1996)
constexpr float LETS_GO = 0.3f;       // of a load that came: what must go before it is known for a hand
constexpr float FLAT = 0.02f;         // of a step: ringing on the plateau between two quick changes
constexpr float APART = 0.1f;         // of two quick changes together: the least of them
constexpr float PART = 0.2f;          // of two changes that seem one: the least of them
constexpr float LINGERS = 0.75f;      // of the most that the first of them shows: what must be left of it
constexpr float SPAN_ERROR = 0.003f;  // of the step: adjustment of the cells' sensitivity, 0.2-0.3 %
constexpr float QUALITY_LONG = 0.5f, QUALITY_FORCED = 0.2f, QUALITY_EARLY = 0.5f;
constexpr float START_NOISE = 1.0f;   // g^2, until more is known: a quiet plate of the public recording, 0.5-1.2 g
constexpr float LEAST_NOISE = 1e-6f;  // g^2
constexpr float FAR = 1e9f;           // g; beyond every reading
constexpr std::int64_t CROWD = 8;     // watched plates from which their median is the fixture's
constexpr std::int64_t LOOK = 3;      // blocks from one look at a doubtful load to the next
constexpr std::int64_t REACH = 2;     // plates over which cross-talk goes
constexpr std::int64_t LEANS_ON_NEXT = -2;  // in R_SETTLED: the level that followed was left for a higher one
constexpr std::int64_t NEVER = std::numeric_limits<std::int64_t>::max();

/// What the settings come to in ticks, blocks and grams.
struct Config {
    std::int64_t block;         // ticks that the gate takes together
    std::int64_t settle;        // blocks that must be quiet
    std::int64_t steady;        // blocks that must be quiet where a plate is loud alone or crept to its level
    std::int64_t history;       // blocks that are kept
    std::int64_t hold;          // blocks after which MOVING ends whatever the noise
    std::int64_t window;        // blocks over which the errors of levels are judged
    std::int64_t noise_blocks;  // memory of the noise
    std::int64_t push_blocks;   // that tell a push from a spike
    std::int64_t plateau;       // ticks between two quick changes
    std::int64_t join;          // ticks by which the plates of one facing may step apart
    std::int64_t coincide;      // ticks by which others may
    std::int64_t quick;         // ticks from the beginning to the middle of a step
    std::int64_t calm;          // ticks after its step by which what has come is calm
    std::int64_t merge_ns;      // ns
    std::int64_t gap_ns;        // ns
    float threshold;            // CUSUM's h, standard deviations
    float leak;                 // of the variance within a block: what structural vibration leaves in its mean
    float drift;                // variance of the level's drift over one block, in units of NOISE
    float half_item_g;          // g
    float floor_g;              // g; noise of a block's mean is never taken for less
    float drift_g;              // g; a plate whose readings run ahead of its level by more drifts
};

/// Row-major views; a row of a plate section holds one quantity of all plates.
struct State {
    std::int64_t plates, stride, capacity, ticks;  // columns; of the record and event sections; rows of the history
    std::int64_t* head;
    Stamp* times;
    std::int64_t* longs;
    std::int64_t* record_longs;
    std::int64_t* event_longs;
    float* activity;  // [0]: the fixture's factor, 1 when calm; [1]: alignment
    float* floats;
    std::int32_t* ints;
    Sample* samples;
    float* record_floats;

    float& f(PlateFloat row, std::int64_t p) const { return floats[row * stride + p]; }
    std::int32_t& i(PlateInt row, std::int64_t p) const { return ints[row * stride + p]; }
    std::int64_t& l(PlateLong row, std::int64_t p) const { return longs[row * stride + p]; }
    std::int64_t& rl(RecordLong row, std::int64_t r) const { return record_longs[row * capacity + r]; }
    float& rf(RecordFloat row, std::int64_t r) const { return record_floats[row * capacity + r]; }
    std::int64_t& el(EventLong row, std::int64_t e) const { return event_longs[row * capacity + e]; }

    /// Row of the history that holds `tick`, which may lie before the first.
    std::int64_t row(std::int64_t tick) const {
        const std::int64_t rest = tick % ticks;
        return rest < 0 ? rest + ticks : rest;
    }
    FUSION_APART std::int64_t time(std::int64_t tick) const {
        return time_of(times[row(tick)], tick < head[GAP_TICK] ? head[GAP_NS] : head[LAST_NS]);
    }
    float sample(std::int64_t p, std::int64_t tick) const { return samples[row(tick) * stride + p]; }
};

/// What one block reports; the arrays have report_room elements. With `report`, it is called for each event instead,
/// and one event and as many members as there are plates are room enough.
struct Event {
    std::int64_t id, revision, start_ns, step_ns, end_ns, kind, final, first, count;
    float quality;
};
struct Out {
    std::int64_t events_count, members_count;
    Event* events;
    std::int32_t* plates;
    float* deltas;  // g
    float* sigmas;  // g
    void (*report)(const Out&);
    void* user;          // of `report`
    std::int64_t early;  // events that were made final because the store was full
};

inline std::int64_t stride_of(std::int64_t plates) {
    return (plates + LANES - 1) / LANES * LANES;
}

inline std::int64_t capacity_of(std::int64_t plates) {
    return 2 * plates + 8;
}

/// Elements of Out's arrays: all that waits, twice, and four steps of every plate in each of two blocks.
inline std::int64_t report_room(std::int64_t plates) {
    return 3 * capacity_of(plates) + 8 * plates;
}

inline std::int64_t times_size(std::int64_t ticks) {
    return (std::int64_t(sizeof(Stamp)) * ticks + 7) / 8 * 8;
}

/// Bytes of the buffer of `bind`, in which `capacity` changes may wait to be final.
inline std::int64_t storage_size(std::int64_t plates, std::int64_t capacity, const Config& c) {
    const std::int64_t n = stride_of(plates), ticks = c.history * c.block;
    return times_size(ticks) + 8 * (HEAD + PLATE_LONGS * n + (RECORD_LONGS + EVENT_LONGS) * capacity) +
           4 * (2 + (PLATE_FLOATS + PLATE_INTS) * n + RECORD_FLOATS * capacity) +
           std::int64_t(sizeof(Sample)) * ticks * n;
}

/// Views of `storage`, which is 8-byte aligned and storage_size bytes long.
inline State bind(void* storage, std::int64_t plates, std::int64_t capacity, const Config& c) {
    State s{};
    s.plates = plates;
    s.stride = stride_of(plates);
    s.capacity = capacity;
    s.ticks = c.history * c.block;
    s.head = static_cast<std::int64_t*>(storage);
    s.times = reinterpret_cast<Stamp*>(s.head + HEAD);
    s.longs = s.head + HEAD + times_size(s.ticks) / 8;
    s.record_longs = s.longs + PLATE_LONGS * s.stride;
    s.event_longs = s.record_longs + RECORD_LONGS * s.capacity;
    s.activity = reinterpret_cast<float*>(s.event_longs + EVENT_LONGS * s.capacity);
    s.floats = s.activity + 2;
    s.ints = reinterpret_cast<std::int32_t*>(s.floats + PLATE_FLOATS * s.stride);
    s.samples = reinterpret_cast<Sample*>(s.ints + PLATE_INTS * s.stride);
    s.record_floats = reinterpret_cast<float*>(s.samples + s.ticks * s.stride);
    return s;
}

/// Forget the samples: what lies before a gap is not adjacent to what follows.
inline void clear_history(const State& s) {
    for (std::int64_t i = 0; i < s.ticks * s.stride; ++i) s.samples[i] = NOT_A_NUMBER;
}

/// Begin the next block of plate p.
inline void empty_block(const State& s, std::int64_t p) {
    s.f(SUM, p) = s.f(SQUARES, p) = s.f(COUNT, p) = 0;
    s.f(LOW, p) = FAR;
    s.f(HIGH, p) = -FAR;
}

/// Begin a stream in a zeroed buffer; then `place` every plate.
inline void start(const State& s) {
    s.head[TICK] = s.head[GAP_TICK] = s.head[GAP_NS] = -1;
    s.head[AWAKE] = s.plates;
    s.activity[0] = s.activity[1] = 1.0f;
    clear_history(s);
    for (std::int64_t p = 0; p < s.stride; ++p) {
        s.l(SETTLED, p) = s.l(FAULT_TICK, p) = -1;
        s.f(LAST, p) = NOT_A_NUMBER;
        s.f(INFLATION, p) = 1.0f;
        s.f(NOISE, p) = s.f(TREMOR, p) = LEAST_NOISE;
        empty_block(s, p);
    }
}

/// Tell of plate p its shelf, which of the following plates share a facing with it (bit j: the plate j + 1 further) and
/// the largest reading that is a weight.
inline void place(const State& s, std::int64_t p, std::int32_t group, std::int32_t shared, float limit) {
    s.i(GROUP, p) = group;
    s.i(SHARED, p) = shared;
    s.f(LIMIT, p) = limit;
}

}  // namespace fusion::segmentation
