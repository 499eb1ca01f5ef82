/* Replays the golden recording through the shelf controller: its records go to the standard output and are compared
 * with those of the server's segmentation, figures go to the standard error.
 *
 * Exit code: 0 equal; 1 a record differs or is missing; 2 the recording is damaged; 3 the segmentation refuses. */
#include <string.h>

#include "port.h"
#include "say.h"
#include "shelf.h"

extern const uint8_t golden_counts[], golden_counts_end[], golden_records[], golden_records_end[];

typedef struct reader {
    const uint8_t *at, *end;
} reader;

typedef struct comparison {
    const uint8_t* expected;
    int equal;
    uint32_t records;
} comparison;

static uint64_t number(reader* r, int bytes) {
    if (r->end - r->at < bytes) port_exit(2);
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= (uint64_t)*r->at++ << (8 * i);
    return value;
}

static float number32(reader* r) {
    const uint32_t bits = (uint32_t)number(r, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double number64(reader* r) {
    const uint64_t bits = number(r, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Seven bits a byte, the lowest first. */
static uint64_t varint(reader* r) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const uint64_t byte = number(r, 1);
        value |= (byte & 127) << shift;
        if (byte < 128) return value;
    }
    port_exit(2);
}

static int64_t zigzag(uint64_t value) {
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void compare(void* user, const uint8_t* record, size_t bytes) {
    comparison* c = user;
    ++c->records;
    port_write(record, bytes);
    if ((size_t)(golden_records_end - c->expected) < bytes || memcmp(c->expected, record, bytes) != 0) c->equal = 0;
    if (c->equal) c->expected += bytes;
}

static shelf controller;
static shelf_cell cells[SHELF_PLATES]; /* a controller keeps its calibration in flash */
static int32_t counts[SHELF_PLATES];

/* Read the head and begin; how many samples follow. */
static uint32_t begin(reader* r, comparison* c, int64_t* time_ns) {
    fusion_plate plates[SHELF_PLATES];
    if (number(r, 4) != 0x31524746u || number(r, 2) != SHELF_PLATES) port_exit(2); /* "FGR1" */
    number(r, 2);
    const uint32_t samples = (uint32_t)number(r, 4);
    shelf_setup setup = {.plates = plates, .send = compare, .user = c};
    setup.rate_hz = number64(r);
    setup.smallest_item_g = number32(r);
    setup.boot = (uint32_t)number(r, 4);
    *time_ns = (int64_t)number(r, 8);
    for (int p = 0; p < SHELF_PLATES; ++p) {
        plates[p].shelf = (int32_t)number(r, 4);
        plates[p].shared = (uint32_t)number(r, 4);
        plates[p].capacity_g = number32(r);
        counts[p] = cells[p].zero = (int32_t)number(r, 4);
        cells[p].grams_per_count = number32(r);
    }
    if (shelf_start(&controller, &setup, cells) < 0) port_exit(3);
    return samples;
}

static void read_sample(reader* r, int32_t* sample) {
    for (int p = 0; p < SHELF_PLATES; ++p) {
        const uint64_t code = varint(r);
        if (code > 0) counts[p] = (int32_t)(counts[p] + zigzag(code - 1));
        sample[p] = code > 0 ? counts[p] : SHELF_MISSING;
    }
}

int main(void) {
    port_start();
    reader r = {golden_counts, golden_counts_end};
    comparison c = {golden_records, 1, 0};
    int64_t time_ns, step_ns = 0, open_ns;
    uint64_t quiet_ticks = 0, quiet_samples = 0, all_ticks = 0;
    const uint32_t samples = begin(&r, &c, &time_ns);
    for (uint32_t k = 0; k < samples; ++k) {
        int32_t sample[SHELF_PLATES];
        step_ns += zigzag(varint(&r));
        time_ns += step_ns;
        read_sample(&r, sample);
        const uint32_t told = c.records;
        fusion_segmentation_open_since(controller.state, &open_ns);
        const int was_quiet = open_ns < 0;
        const uint32_t before = port_ticks();
        if (shelf_sample(&controller, time_ns, sample) < 0) port_exit(3);
        const uint32_t ticks = (port_ticks() - before) & 0xffffff;
        fusion_segmentation_open_since(controller.state, &open_ns);
        all_ticks += ticks;
        if (was_quiet && open_ns < 0 && c.records == told) { /* a second's status is sent, not computed */
            quiet_ticks += ticks;
            ++quiet_samples;
        }
    }
    if (shelf_stop(&controller) < 0) port_exit(3);
    const uint32_t each = port_instructions_per_tick();
    SAY("records", c.records);
    SAY("state_bytes", (uint32_t)sizeof controller);
    SAY("quiet_samples", (uint32_t)quiet_samples);
    if (each > 0) {
        const uint64_t quiet_plates = (quiet_samples ? quiet_samples : 1) * SHELF_PLATES;
        SAY("instructions_quiet", (uint32_t)((quiet_ticks * each + quiet_plates / 2) / quiet_plates));
        SAY("instructions_mean", (uint32_t)(all_ticks * each / ((uint64_t)samples * SHELF_PLATES)));
        SAY("stack_used", port_stack_used());
    }
    return c.equal && c.expected == golden_records_end && r.at == r.end ? 0 : 1;
}
