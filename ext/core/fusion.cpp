// What all parts of the C ABI share.
#include "fusion.h"

extern "C" uint32_t fusion_abi(void) {
    return FUSION_ABI;
}

extern "C" const char* fusion_status_text(int status) {
    switch (status) {
        case FUSION_OK:
            return "done";
        case FUSION_TOLD_EARLY:
            return "done; the oldest pending event was told as final early, for want of room";
        case FUSION_BAD_ARGUMENT:
            return "an argument is NULL, not aligned, or out of its range";
        case FUSION_NO_ROOM:
            return "memory or an array of the caller is too small";
        case FUSION_ABI_MISMATCH:
            return "the caller was compiled with the header of another version";
        case FUSION_BAD_STATE:
            return "the memory holds no state, one of other settings, or a damaged one";
        case FUSION_BAD_TIME:
            return "times decrease, or are negative";
    }
    return "no status of this library";
}
