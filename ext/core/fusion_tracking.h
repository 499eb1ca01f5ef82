/* Tracking: which detections are one person, and persons through time (fusion.match_persons, Tracker).
 *
 * A detection is one person in one picture: the pixels of head, neck, shoulders, elbows and wrists, left before right
 * (fusion.observations.JOINTS), px (n, 8, 2), and their standard deviations, sigma_px (n, 8); not finite where missing.
 * Places are those of the cameras: counted from the origin that they were made with; z is up, the floor at 0. */
#ifndef FUSION_TRACKING_H
#define FUSION_TRACKING_H

#include "fusion_triangulation.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FUSION_JOINTS 8
#define FUSION_DETECTIONS_MOST 4096
#define FUSION_CROWD_MOST 1024
#define FUSION_CAMERAS_MOST 4096

typedef struct fusion_people {
    double lowest_m, highest_m; /* least and greatest height of a joint, m */
    double reach_m;             /* farthest a joint is from the middle of the body, m */
} fusion_people;

typedef struct fusion_body {
    double joints_m[8][3];      /* m; NaN where two cameras do not fix it */
    double covariance_m2[8][9]; /* m^2; likewise */
} fusion_body;

typedef struct fusion_tracker_settings {
    uint32_t abi;         /* FUSION_ABI */
    int32_t cameras;      /* 1 to FUSION_CAMERAS_MOST */
    int32_t crowd;        /* most tracks at a time, 1 to FUSION_CROWD_MOST; a picture has up to four times as many */
    int32_t reserved;     /* 0 */
    double walking_m_s;   /* standard deviation of the speed of a body, m/s */
    double reaching_m_s;  /* and of elbows and wrists relative to it, m/s */
    double steering_s;    /* how long a walk keeps its direction, s */
    double swinging_s;    /* how long an arm does, s */
    double lost_s;        /* unseen for so long, a person is forgotten, s */
    double told_s;        /* unseen for so long, a person is not told, s */
    double confirm_s;     /* age at which a track is told, s */
    double join_s;        /* age of pictures that may still confirm a new person, s */
    double doubtful;      /* probability of a mix-up above which an image changes no track */
    fusion_people people; /* who is first seen */
} fusion_tracker_settings;

typedef struct fusion_track {
    int64_t id;                 /* counted from 0, never used again */
    int64_t seen_ns;            /* when a camera last saw the person, ns */
    double joints_m[8][3];      /* m; NaN where a joint could be anywhere within reach */
    double covariance_m2[8][9]; /* m^2 */
    double velocity_m_s[8][3];  /* m/s */
    double ambiguity;           /* probability of a mix-up over the last images; 0.5 is a tie */
} fusion_track;

/* Fill in heights from -0.1 to 2.5 m and a reach of 1.1 m. */
int fusion_people_defaults(fusion_people* people);

/* Bytes of scratch to match so many detections, of which up to `pairs` may be of one person by themselves: (detections
 * - 1) detections / 2 are always enough, 64 a detection as a rule. */
int fusion_match_size(int32_t detections, int32_t cameras, int64_t pairs, size_t* bytes);

/* Match detections of several cameras at about the same time: `camera` (n) is the index of each one's camera, motion_m
 * (n) how far people may have walked since, m. Told are the person of each, person (n), -1 where no second camera
 * confirms it; the probability that the best rival is right instead, ambiguity (n); and `found` bodies, up to n.
 * FUSION_NO_ROOM if there are more pairs. */
int fusion_match(const fusion_camera* cameras, int32_t count, const double* px, const double* sigma_px,
                 const int32_t* camera, const double* motion_m, int32_t n, int64_t pairs, const fusion_people* people,
                 int32_t* person, double* ambiguity, fusion_body* bodies, int32_t* found, void* scratch, size_t bytes);

/* Fill in what fusion.TrackingSettings has, and a crowd of 64. */
int fusion_tracker_defaults(fusion_tracker_settings* settings, int32_t cameras);

/* Bytes of a tracker's state, which holds no addresses, and of the scratch that each step needs. */
int fusion_tracker_size(const fusion_tracker_settings* settings, size_t* state_bytes, size_t* scratch_bytes);

/* Begin. `cameras` are copied. */
int fusion_tracker_init(void* state, size_t bytes, const fusion_tracker_settings* settings,
                        const fusion_camera* cameras);

/* Take in a picture of n detections by one camera, not before the last one. Told are each detection's track, -1 for
 * none, and the probability that its best rival is right instead. */
int fusion_tracker_step(void* state, int32_t camera, int64_t now_ns, const double* px, const double* sigma_px,
                        int32_t n, int64_t* track, double* doubt, void* scratch, size_t bytes);

/* The persons to be told after the last picture. FUSION_NO_ROOM, and how many there are, if `room` is too small. */
int fusion_tracker_read(const void* state, fusion_track* tracks, int32_t room, int32_t* count);

/* Detections and persons for whom there was no room so far. */
int fusion_tracker_refused(const void* state, int64_t* refused);

#ifdef __cplusplus
}
#endif

#endif
