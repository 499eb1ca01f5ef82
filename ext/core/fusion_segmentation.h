/* Segmentation: weight events from the load cells of one fixture (fusion.Segmenter). */
#ifndef FUSION_SEGMENTATION_H
#define FUSION_SEGMENTATION_H

#include "fusion_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fusion_segmentation_settings {
    uint32_t abi;                /* FUSION_ABI */
    int32_t plates;              /* load cells, the columns of the readings: 1 to 65536 */
    int32_t pending;             /* plates' changes that may wait to be final: 4 to 262144 */
    int32_t reserved;            /* 0 */
    double rate_hz;              /* nominal sampling rate, Hz: 1 to 10000 */
    double smallest_item_g;      /* mass of the lightest item, g */
    double false_alarms_per_day; /* how often noise alone may wake a plate, 1/day */
    double settle_s;             /* quiet for so long, a plate has settled, s: 0.01 to 10 */
    double merge_s;              /* after that, others may join and the load must stay, s: 0 to 60 */
    double baseline_s;           /* memory of a plate's level, s: settle_s to 3600 */
} fusion_segmentation_settings;

typedef struct fusion_plate {
    int32_t shelf;    /* plates side by side in one shelf are neighbours */
    uint32_t shared;  /* bit j (0 to 30): one item may stand on this plate and the one j + 1 further */
    float capacity_g; /* readings of this size and more are no weights, g */
} fusion_plate;

enum fusion_event_kind { FUSION_TOUCH = 1, FUSION_CHANGE = 2 };

/* Weight came, went or pressed on plates of one shelf: fusion.WeightEvent. */
typedef struct fusion_weight_event {
    int64_t id, revision;  /* events are counted from 0 by their first report; reports of one event from 0 */
    int64_t start_ns;      /* onset of the first plate, ns */
    int64_t step_ns;       /* when the plate that changed most went from one level to the other, ns */
    int64_t end_ns;        /* when the last plate had settled, ns */
    int32_t kind;          /* fusion_event_kind */
    int32_t final;         /* 1 if no later report of this event comes */
    float quality;         /* (0, 1]: 1 for a step between quiet levels */
    int32_t count;         /* of the arrays, which last until the report returns */
    const int32_t* plates; /* columns, ascending */
    const float* delta_g;  /* change of each, g */
    const float* sigma_g;  /* its standard deviation, g */
} fusion_weight_event;

/* Called by push and flush; must not use the state that reports. */
typedef void (*fusion_weight_report)(void* user, const fusion_weight_event* event);

enum fusion_health {
    FUSION_DROPOUT = 1,   /* no sample lately */
    FUSION_STUCK = 2,     /* the same value for five times baseline_s */
    FUSION_SATURATED = 4, /* readings beyond the capacity lately */
    FUSION_NOISY = 8,     /* noise of a sample above smallest_item_g */
    FUSION_PHANTOM = 16,  /* never a sign of life */
    FUSION_DRIFTING = 32  /* more than smallest_item_g a minute */
};

typedef struct fusion_plate_health {
    int32_t flags;           /* fusion_health; 0 is healthy */
    int32_t spikes;          /* blocks with one wild sample */
    float noise_g;           /* standard deviation of a sample now, g; NaN before it is known */
    float level_g;           /* g; NaN before it is known */
    float drift_g_per_min;   /* g/min */
    int32_t reserved;        /* 0 */
    int64_t samples;         /* taken */
    int64_t missing, faults; /* missing, and beyond the capacity, which are missing too */
} fusion_plate_health;

/* Fill in what suits most shelves: an item of 8 g, a change of every plate pending, and more. */
int fusion_segmentation_defaults(fusion_segmentation_settings* settings, int32_t plates, double rate_hz);

/* Fill in one shelf of `count` plates of 20 kg, any three side by side of which may carry one item. */
int fusion_plates_defaults(fusion_plate* plates, int32_t count);

/* Bytes of a stream's state, which holds no addresses: it may be moved, and kept. */
int fusion_segmentation_size(const fusion_segmentation_settings* settings, size_t* bytes);

/* Begin a stream in `state`. `plates` are read here only, settings->plates of them. */
int fusion_segmentation_init(void* state, size_t bytes, const fusion_segmentation_settings* settings,
                             const fusion_plate* plates);

/* Take samples: (samples) times, and readings (samples, plates) in g, NaN where missing. Events are reported at the end
 * of the block, of about 0.1 s, in which something became known; however the samples are cut into calls. */
int fusion_segmentation_push(void* state, const int64_t* sample_ns, const float* grams, size_t samples,
                             fusion_weight_report report, void* user);

/* End of the stream: report every event that is open, as final. More samples may come. */
int fusion_segmentation_flush(void* state, fusion_weight_report report, void* user);

/* Onset of the earliest event that is not final or of a plate that moves, ns; -1 if there is none. */
int fusion_segmentation_open_since(const void* state, int64_t* since_ns);

/* How often most readings jumped to about zero together: a controller's tare, no event. */
int fusion_segmentation_rezeroed(const void* state, int64_t* times);

int fusion_segmentation_health(const void* state, int32_t plate, fusion_plate_health* health);

/* Seal the state by a checksum, so that a copy of its bytes is a snapshot: the next call breaks the seal. */
int fusion_segmentation_seal(void* state);

/* Go on from a snapshot that was copied into `state`; FUSION_BAD_STATE if it is damaged or of other settings. */
int fusion_segmentation_resume(void* state, size_t bytes, const fusion_segmentation_settings* settings);

#ifdef __cplusplus
}
#endif

#endif
