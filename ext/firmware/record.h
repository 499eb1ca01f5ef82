/* Records that a shelf controller sends: what it says, byte by byte, is in README.md; fusion.DeviceEvents reads it. */
#ifndef SHELF_RECORD_H
#define SHELF_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "fusion.h"

enum { RECORD_EVENT = 1, RECORD_STATUS = 2 };
enum { RECORD_HEAD = 24, EVENT_HEAD = 64, EVENT_PLATE = 10, STATUS_HEAD = 40, STATUS_PLATE = 25, RECORD_TAIL = 4 };

/* Bytes of the longest record of a shelf of so many plates. */
#define RECORD_MOST(plates) (STATUS_HEAD + STATUS_PLATE * (plates) + RECORD_TAIL)

/* Who sends, the how manyth record it is since it started, and the time of its newest sample. */
typedef struct record_sender {
    uint32_t boot, sequence;
    int64_t now_ns;
} record_sender;

/* Write a record; its length. */
size_t record_event(uint8_t* to, const record_sender* from, const fusion_weight_event* event);

/* `health` holds `plates` entries; open_since_ns is -1 if nothing is open. */
size_t record_status(uint8_t* to, const record_sender* from, int64_t open_since_ns, uint32_t early, uint32_t rezeroed,
                     const void* segmentation, uint16_t plates);

/* CRC-32 of IEEE 802.3, as of zip and Ethernet; `crc` is that of what came before, 0 at first. */
uint32_t record_crc(uint32_t crc, const uint8_t* data, size_t bytes);

#endif
