/* Association: who may have taken what, and the K best joint hypotheses (fusion.Associator's kernels).
 *
 * An event over n plates has places: 0 is the event's own plates, 1 + j those of touched facing j. Products are indices
 * of one list; shoppers are owners, numbers from 0 on that last as long as hypotheses do; owners from FUSION_STAFF on
 * re-stock, and nothing is recorded of them. Scores are natural logarithms. */
#ifndef FUSION_ASSOCIATION_H
#define FUSION_ASSOCIATION_H

#include "fusion_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FUSION_STAFF 1073741824
#define FUSION_PARTS 3          /* most of an explanation */
#define FUSION_RECORDS_ADDED 6  /* most that an event adds to a hypothesis */
#define FUSION_UNITS_MOST 32767 /* of one product in a record or a part */
#define FUSION_ASSOCIATION_MOST                                                          \
    65536 /* plates, facings, products, shoppers, explanations, hypotheses, records, ... \
           */

/* What is believed before an event is seen: fusion.AssociationSettings says where each number comes from. Those without
 * a unit are probabilities. */
typedef struct fusion_association_settings {
    uint32_t abi;                      /* FUSION_ABI */
    int32_t max_units, max_restocked;  /* most units of one product in one event: by shoppers, by staff; 1 to 100 */
    int32_t reserved;                  /* 0 */
    double reach_sigma_m;              /* from a tracked hand to the goods it grasps, m */
    double bystander_m;                /* within which a hand is that has nothing to do with the event, m */
    double miss_sigma_m;               /* how far off a track is that lost the hand, m */
    double track_miss, track_swap;     /* the track was off; the hand was taken for another's */
    double mass_spread;                /* standard deviation of a unit's mass over the catalogue's */
    double wrong_mass, wrong_factor;   /* the catalogue is wrong; by this factor, above 1 */
    double lightest_g, heaviest_g;     /* of what is sold, g */
    double cross_talk;                 /* share of a change on a neighbouring plate */
    double overhang;                   /* an item overlaps a plate beside its facing */
    double null, doubted;              /* a change is not the store's; and where the segmentation doubts it */
    double echo, echo_sigma_g;         /* what is foreign goes away next; differing by this, g */
    double more_units, more_restocked; /* one more unit moves along; for staff */
    double coincidence, exchanging;    /* one more, different thing moves in one event; the other way */
    double returning, misplacing;      /* an event is a return; not to its home */
    double stray, foreign;             /* a taken item was misplaced before; what is put down nobody carried */
    double handing_over;               /* what is put down another carried */
    double negligible;                 /* less probable, relative to the best, is dropped */
} fusion_association_settings;

/* Hands over frames: xyz_m (frames, shoppers, sides, 3) in m, not finite where not seen; variance_m2 (frames, shoppers,
 * sides) in m^2; when (frames), how probable each is the instant of the grasp. */
typedef struct fusion_hands {
    const double *xyz_m, *variance_m2, *when;
    int32_t frames, shoppers, sides;
} fusion_hands;

/* Places made of boxes: those of place b are start[b] to start[b + 1] - 1 of center_m (boxes, 3), axes (boxes, 3, 3),
 * an axis a column, and half_m (boxes, 3), m. */
typedef struct fusion_places {
    const int32_t* start;
    const double *center_m, *axes, *half_m;
    int32_t places, boxes;
} fusion_places;

/* One thing moved by one shopper; quantity < 0 is a take; product -1 is no part. */
typedef struct fusion_part {
    int32_t shopper, product, quantity, place;
} fusion_part;

/* A weight event and who was near. */
typedef struct fusion_scene {
    const double *delta_g, *sigma_g; /* (plates), g */
    const uint8_t* inside;           /* (1 + facings, plates): 1 where the plate belongs to the place */
    const int32_t* facing_product;   /* (facings) */
    const double* hands;             /* (shoppers, 1 + facings): fusion_hand_log_likelihood of these places */
    const double* vision;            /* (shoppers, products), log-likelihood ratios, or NULL */
    const int32_t* owner;            /* (shoppers) */
    const double* mass_g;            /* (products), g; NaN where it may be any */
    const int32_t* by_mass;          /* (products): their indices in order of mass, NaN last */
    const uint8_t* present;          /* (products): 1 if some hypothesis has it on these plates or with a shopper */
    int32_t plates, facings, shoppers, products;
    double null; /* probability that it is not the store's: the settings' null or doubted */
} fusion_scene;

/* `quantity` units of a product: with shopper `owner` >= 0, or misplaced on plate -1 - owner. Above 0, or, where the
 * caller keeps what hypotheses have alike, what one has more or less. Of products that come back, or go from a plate on
 * which they lie, an update wants all that there is. */
typedef struct fusion_record {
    int32_t owner, product, quantity;
} fusion_record;

/* n hypotheses of up to `stride` records each: weight (n), log-probabilities; count (n); record (n, stride), each row
 * in order of owner and product. What is told goes where n is the room. */
typedef struct fusion_hypotheses {
    double* weight;
    int32_t* count;
    fusion_record* record;
    int32_t n, stride;
} fusion_hypotheses;

/* What hypotheses are extended by: explanations, those from first_joint on of an earlier event and this one together.
 */
typedef struct fusion_evidence {
    const fusion_part* part;       /* (explanations, FUSION_PARTS) */
    const double* log_score;       /* (explanations) */
    const double *echo, *together; /* (n of the old hypotheses): log-likelihood ratios of the null, of the joint ones */
    const int32_t* plate;          /* (plates): identities of the event's plates, 0 on */
    int32_t explanations, first_joint, plates;
    int32_t main_plate, joint_main_plate; /* identity of the plate of the largest change */
    int32_t products, facings;            /* of the store, 1 or more */
} fusion_evidence;

/* Where new hypotheses came from; each array may be left unread, none may be NULL. */
typedef struct fusion_lineage {
    double *share, *joint_share; /* (room of the new, n of the old): how much of each came from each old one */
    int32_t* column;             /* (columns): explanations that some branch took */
    double* chosen;              /* (room of the new, columns): how much of each came by each of these */
    int32_t columns;             /* room: explanations are enough, or 16 a new hypothesis and one */
    int32_t used;                /* told: columns that are used */
} fusion_lineage;

int fusion_association_defaults(fusion_association_settings* settings);

/* Log-likelihood ratio of each shopper's hands at each place: result (shoppers, places). */
int fusion_hand_log_likelihood(const fusion_association_settings* settings, const fusion_hands* hands,
                               const fusion_places* places, double* result);

/* Log-likelihood ratio that what rested on the shelf, and was not the store's, went away: changes and variances of this
 * event and of the earlier one, g and g^2. */
int fusion_log_echo(const fusion_association_settings* settings, double change_g, double variance_g2, double earlier_g,
                    double earlier_variance_g2, double null, double* result);

int fusion_explain_size(const fusion_association_settings* settings, int32_t facings, int32_t shoppers,
                        int32_t products, size_t* bytes);

/* All explanations of an event, the null first: part (room, FUSION_PARTS), term (room, 4) - weight, hands, prior,
 * vision
 * - and their sums log_score (room). FUSION_NO_ROOM, and how many there are, if `room` is too small. */
int fusion_explain(const fusion_association_settings* settings, const fusion_scene* scene, fusion_part* part,
                   double* term, double* log_score, int32_t room, int32_t* found, void* scratch, size_t bytes);

int fusion_hypotheses_update_size(const fusion_hypotheses* old, const fusion_evidence* evidence,
                                  const fusion_hypotheses* made, size_t* bytes);

/* Extend `old` by the evidence into `made`, of which `kept` are told. FUSION_NO_ROOM if a row of `made` may not hold
 * FUSION_RECORDS_ADDED more records than one of `old`, or there are too few columns. */
int fusion_hypotheses_update(const fusion_association_settings* settings, const fusion_hypotheses* old,
                             const fusion_evidence* evidence, const fusion_hypotheses* made, fusion_lineage* lineage,
                             int32_t* kept, void* scratch, size_t bytes);

int fusion_hypotheses_forget_size(const fusion_hypotheses* all, size_t* bytes);

/* Drop what an owner has from all hypotheses; those that become equal are one. `share` (n, n) is a lineage. */
int fusion_hypotheses_forget(const fusion_hypotheses* all, int32_t owner, double* share, int32_t* kept, void* scratch,
                             size_t bytes);

int fusion_hypotheses_join_size(const fusion_hypotheses* one, const fusion_hypotheses* other, size_t* bytes);

/* The best pairs of hypotheses about different owners, as one: source (room of `made`, 2) tells of which. */
int fusion_hypotheses_join(const fusion_association_settings* settings, const fusion_hypotheses* one,
                           const fusion_hypotheses* other, const fusion_hypotheses* made, int32_t* source,
                           int32_t* kept, void* scratch, size_t bytes);

/* Whether an owner has the same in all hypotheses: 1 or 0. */
int fusion_hypotheses_certain(const fusion_hypotheses* all, int32_t owner, int32_t* certain);

#ifdef __cplusplus
}
#endif

#endif
