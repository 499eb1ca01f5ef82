/* A shelf controller: counts of its load cells' converters in, weight events out.
 *
 * It needs no heap, no operating system and no clock of its own: whoever reads the converters tells the time. Times are
 * kept in whole microseconds, grams in steps of 1/64 g. */
#ifndef SHELF_H
#define SHELF_H

#include "record.h"

#ifndef SHELF_PLATES
#define SHELF_PLATES 12
#endif
#ifndef SHELF_STATE_BYTES
#define SHELF_STATE_BYTES 15568 /* for 12 plates at 60 Hz; shelf_start refuses what does not fit */
#endif
#define SHELF_PENDING 18        /* plates' changes that wait to be final; more are told early */
#define SHELF_MISSING INT32_MIN /* a count that the converter did not deliver */
#define SHELF_STATUS_NS 1000000000

/* Calibration of a cell: grams = (counts - zero) * grams_per_count. */
typedef struct shelf_cell {
    int32_t zero;
    float grams_per_count;
} shelf_cell;

/* Takes a record to the server; must not block for longer than a sample lasts. */
typedef void (*shelf_send)(void* user, const uint8_t* record, size_t bytes);

typedef struct shelf_setup {
    double rate_hz, smallest_item_g;
    const fusion_plate* plates; /* SHELF_PLATES */
    uint32_t boot;              /* another number at each start, ascending: events are counted from it */
    shelf_send send;
    void* user;
} shelf_setup;

typedef struct shelf {
    const shelf_cell* cells;
    shelf_send send;
    void* user;
    record_sender sender;
    int64_t status_due_ns;
    uint32_t early;
    uint64_t state[SHELF_STATE_BYTES / 8];
} shelf;

/* Begin; `cells` must last. A fusion_status. */
int shelf_start(shelf* s, const shelf_setup* setup, const shelf_cell* cells);

/* Take one sample of all plates, at nanoseconds since the Unix epoch. FUSION_BAD_TIME, and nothing else happens, if the
 * time goes back. */
int shelf_sample(shelf* s, int64_t time_ns, const int32_t* counts);

/* Tell everything that is open as final, and the status. */
int shelf_stop(shelf* s);

/* Counts to grams, in steps of 1/64 g. */
float shelf_grams(const shelf_cell* cell, int32_t counts);

#endif
