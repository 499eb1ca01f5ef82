/* What all parts of the C ABI share; ext/README.md is its page.
 *
 * - Nothing is allocated and nothing is remembered outside the memory that the caller hands over, which is aligned to
 *   FUSION_ALIGNMENT; how much is needed, a function tells. Calls on different memory may run at the same time.
 * - Every function returns a status: FUSION_OK; above it, done, with a remark; below it, refused, and nothing is done.
 * - Arguments may be anything: what is out of range, missing or too small is refused. Sensor data may be anything too,
 *   NaN where missing. What cannot be checked is that an array is as long as its caller says.
 * - Matrices are row-major. Times are nanoseconds, never negative, of any epoch. */
#ifndef FUSION_STATUS_H
#define FUSION_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a struct or a function changes its meaning. Settings carry the number that their caller was compiled
 * with; another one is refused by FUSION_ABI_MISMATCH. */
#define FUSION_ABI 1u
#define FUSION_ALIGNMENT 8u

enum fusion_status {
    FUSION_OK = 0,
    FUSION_TOLD_EARLY = 1,    /* more changes were pending than there is room for: the oldest was told as final */
    FUSION_BAD_ARGUMENT = -1, /* NULL, not aligned, or a number out of its range */
    FUSION_NO_ROOM = -2,      /* memory or an array of the caller's is too small */
    FUSION_ABI_MISMATCH = -3, /* compiled with the header of another version */
    FUSION_BAD_STATE = -4,    /* this memory holds no state, one of other settings, or a damaged one */
    FUSION_BAD_TIME = -5      /* times decrease, or are negative */
};

/* The number of the ABI that the library was built with: FUSION_ABI of its header. */
uint32_t fusion_abi(void);

/* A status in words; never NULL. */
const char* fusion_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
