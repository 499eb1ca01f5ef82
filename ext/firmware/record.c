#include "record.h"

#include <string.h>

static uint8_t* put(uint8_t* to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) *to++ = (uint8_t)(value >> (8 * i));
    return to;
}

static uint8_t* put_float(uint8_t* to, float value) {
    uint32_t bits = 0x7fc00000u; /* one NaN on every machine */
    if (value == value) memcpy(&bits, &value, sizeof bits);
    return put(to, bits, 4);
}

static uint32_t counter(int64_t value) {
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

uint32_t record_crc(uint32_t crc, const uint8_t* data, size_t bytes) {
    crc = ~crc;
    while (bytes-- > 0) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static uint8_t* head(uint8_t* to, int type, size_t length, const record_sender* from, uint16_t plates) {
    *to++ = 'F';
    *to++ = 'W';
    *to++ = 1; /* of the layout */
    *to++ = (uint8_t)type;
    to = put(to, length, 2);
    to = put(to, plates, 2);
    to = put(to, from->boot, 4);
    to = put(to, from->sequence, 4);
    return put(to, (uint64_t)from->now_ns, 8);
}

static size_t seal(uint8_t* first, uint8_t* end) {
    const size_t bytes = (size_t)(end - first);
    put(end, record_crc(0, first, bytes), RECORD_TAIL);
    return bytes + RECORD_TAIL;
}

size_t record_event(uint8_t* first, const record_sender* from, const fusion_weight_event* e) {
    const size_t length = EVENT_HEAD + EVENT_PLATE * (size_t)e->count + RECORD_TAIL;
    uint8_t* to = head(first, RECORD_EVENT, length, from, (uint16_t)e->count);
    to = put(to, counter(e->id), 4);
    to = put(to, e->revision > UINT16_MAX ? UINT16_MAX : (uint64_t)e->revision, 2);
    *to++ = (uint8_t)e->kind;
    *to++ = (uint8_t)e->final;
    to = put(to, (uint64_t)e->start_ns, 8);
    to = put(to, (uint64_t)e->step_ns, 8);
    to = put(to, (uint64_t)e->end_ns, 8);
    to = put_float(to, e->quality);
    to = put(to, 0, 4);
    for (int32_t i = 0; i < e->count; ++i) {
        to = put(to, (uint64_t)e->plates[i], 2);
        to = put_float(to, e->delta_g[i]);
        to = put_float(to, e->sigma_g[i]);
    }
    return seal(first, to);
}

size_t record_status(uint8_t* first, const record_sender* from, int64_t open_since_ns, uint32_t early,
                     uint32_t rezeroed, const void* segmentation, uint16_t plates) {
    const size_t length = STATUS_HEAD + STATUS_PLATE * (size_t)plates + RECORD_TAIL;
    uint8_t* to = head(first, RECORD_STATUS, length, from, plates);
    to = put(to, (uint64_t)open_since_ns, 8);
    to = put(to, early, 4);
    to = put(to, rezeroed, 4);
    for (uint16_t p = 0; p < plates; ++p) {
        fusion_plate_health h;
        memset(&h, 0, sizeof h);
        fusion_segmentation_health(segmentation, p, &h);
        *to++ = (uint8_t)h.flags;
        to = put_float(to, h.noise_g);
        to = put_float(to, h.drift_g_per_min);
        to = put(to, (uint32_t)h.spikes, 4);
        to = put(to, counter(h.samples), 4);
        to = put(to, counter(h.missing), 4);
        to = put(to, counter(h.faults), 4);
    }
    return seal(first, to);
}
