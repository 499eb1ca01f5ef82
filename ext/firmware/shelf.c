#include "shelf.h"

#include <math.h>

float shelf_grams(const shelf_cell* cell, int32_t counts) {
    if (counts == SHELF_MISSING) return NAN;
    const float most = 131071.0f; /* beyond every cell's capacity; a finer step could not be kept there */
    const float grams = (float)((int64_t)counts - cell->zero) * cell->grams_per_count;
    if (!(grams > -most && grams < most)) return grams > 0 ? most : (grams < 0 ? -most : NAN);
    const float steps = grams * 64.0f;
    return (float)(int32_t)(steps < 0 ? steps - 0.5f : steps + 0.5f) * (1.0f / 64.0f);
}

static void tell_event(void* user, const fusion_weight_event* event) {
    shelf* s = user;
    uint8_t record[EVENT_HEAD + EVENT_PLATE * SHELF_PLATES + RECORD_TAIL];
    const size_t bytes = record_event(record, &s->sender, event);
    ++s->sender.sequence;
    s->send(s->user, record, bytes);
}

static void tell_status(shelf* s) {
    uint8_t record[RECORD_MOST(SHELF_PLATES)];
    int64_t open_since_ns = -1, rezeroed = 0;
    fusion_segmentation_open_since(s->state, &open_since_ns);
    fusion_segmentation_rezeroed(s->state, &rezeroed);
    const size_t bytes =
        record_status(record, &s->sender, open_since_ns, s->early, (uint32_t)rezeroed, s->state, SHELF_PLATES);
    ++s->sender.sequence;
    s->send(s->user, record, bytes);
}

int shelf_start(shelf* s, const shelf_setup* setup, const shelf_cell* cells) {
    fusion_segmentation_settings settings;
    int status = fusion_segmentation_defaults(&settings, SHELF_PLATES, setup->rate_hz);
    if (status < 0) return status;
    settings.pending = SHELF_PENDING;
    settings.smallest_item_g = setup->smallest_item_g;
    *s = (shelf){.cells = cells, .send = setup->send, .user = setup->user, .sender = {.boot = setup->boot}};
    s->status_due_ns = -1;
    return fusion_segmentation_init(s->state, sizeof s->state, &settings, setup->plates);
}

int shelf_sample(shelf* s, int64_t time_ns, const int32_t* counts) {
    float grams[SHELF_PLATES];
    for (int p = 0; p < SHELF_PLATES; ++p) grams[p] = shelf_grams(&s->cells[p], counts[p]);
    const int64_t before_ns = s->sender.now_ns;
    s->sender.now_ns = time_ns -= time_ns % 1000;
    const int status = fusion_segmentation_push(s->state, &time_ns, grams, 1, tell_event, s);
    if (status < 0) {
        s->sender.now_ns = before_ns;
        return status;
    }
    if (status == FUSION_TOLD_EARLY) ++s->early;
    if (s->status_due_ns < 0) s->status_due_ns = time_ns + SHELF_STATUS_NS;
    if (time_ns >= s->status_due_ns) {
        s->status_due_ns = time_ns + SHELF_STATUS_NS;
        tell_status(s);
    }
    return status;
}

int shelf_stop(shelf* s) {
    const int status = fusion_segmentation_flush(s->state, tell_event, s);
    if (status >= 0) tell_status(s);
    return status;
}
