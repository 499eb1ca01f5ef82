/* A gateway: records of a shelf controller on the standard input, who took or returned what on the standard output.
 *
 * An example of the association by the C ABI, with what a gateway knows written into it: the planogram of the golden
 * recording, and hands. A real one has its planogram from a file, and hands from fusion_tracker_read.
 * Exit code: 0; 1 if bytes belonged to no record; 3 if a function refuses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fusion.h"
#include "record.h"

enum {
    PLATES = 12,
    FACINGS = 6,
    PRODUCTS = FACINGS,
    SHOPPERS = 2,
    FRAMES = 5,
    EXPLANATIONS = 4096,
    ROOM = 32,
    STRIDE = 64
};
static const double MASS_G[PRODUCTS] = {71.0, 64.5, 250.0, 34.0, 134.5, 500.0}, WIDTH_M = 0.1;
static const int32_t BY_MASS[PRODUCTS] = {3, 1, 0, 4, 2, 5}, FIRST_PLATE[FACINGS + 1] = {0, 3, 5, 7, 9, 11, 12};
static const double MOST_G = 1e6; /* no shelf weighs more than a tonne */
static const double NEARBY_M = 0.02, AWAY_M = 1.0;

typedef struct event {
    uint32_t id, kind, final, plates;
    int64_t end_ns;
    int32_t plate[PLATES];
    double delta_g[PLATES], sigma_g[PLATES];
} event;

/* What is believed: hypotheses of what each shopper carries, and room for the next. */
typedef struct beliefs {
    fusion_hypotheses now, next;
} beliefs;

static void* memory(size_t bytes) {
    void* const found = calloc(1, bytes ? bytes : 1);
    if (found == NULL) abort();
    return found;
}

static void must(int status) {
    if (status == FUSION_OK) return;
    fprintf(stderr, "%s\n", fusion_status_text(status));
    exit(3);
}

static uint64_t number(const uint8_t* at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static float number32(const uint8_t* at) {
    const uint32_t bits = (uint32_t)number(at, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bytes of the record that begins here, 0 if none does. */
static size_t whole_record(const uint8_t* at, size_t left) {
    if (left < RECORD_HEAD || memcmp(at, "FW\1", 3) != 0) return 0;
    const size_t bytes = (size_t)number(at + 4, 2);
    if (bytes < RECORD_HEAD + RECORD_TAIL || bytes > left) return 0;
    return record_crc(0, at, bytes - RECORD_TAIL) == number(at + bytes - RECORD_TAIL, 4) ? bytes : 0;
}

/* Whether a record is of an event that makes sense; the event. */
static int read_event(const uint8_t* at, size_t bytes, event* e) {
    e->plates = (uint32_t)number(at + 6, 2);
    if (at[3] != RECORD_EVENT || e->plates < 1 || e->plates > PLATES) return 0;
    if (bytes != EVENT_HEAD + EVENT_PLATE * e->plates + RECORD_TAIL) return 0;
    e->id = (uint32_t)number(at + 24, 4);
    e->kind = at[30];
    e->final = at[31];
    e->end_ns = (int64_t)number(at + 48, 8);
    for (uint32_t i = 0; i < e->plates; ++i) {
        const uint8_t* const plate = at + EVENT_HEAD + EVENT_PLATE * i;
        e->plate[i] = (int32_t)number(plate, 2);
        e->delta_g[i] = (double)number32(plate + 2);
        e->sigma_g[i] = (double)number32(plate + 6);
        if (e->plate[i] >= PLATES || (i > 0 && e->plate[i] <= e->plate[i - 1]) || !(fabs(e->delta_g[i]) < MOST_G) ||
            !(e->sigma_g[i] > 1e-6 && e->sigma_g[i] < MOST_G))
            return 0;
    }
    return 1;
}

/* Where plate p is. */
static void center(int32_t p, double* xyz_m) {
    xyz_m[0] = WIDTH_M * p;
    xyz_m[1] = 0.0;
    xyz_m[2] = 1.0;
}

/* Hands while an event lasts: shoppers take turns, one reaches, the other stands back. */
static void see_hands(const event* e, double (*xyz_m)[SHOPPERS][2][3]) {
    const uint32_t who = e->id % SHOPPERS;
    for (int f = 0; f < FRAMES; ++f)
        for (uint32_t s = 0; s < SHOPPERS; ++s)
            for (int side = 0; side < 2; ++side) {
                center(e->plate[0], xyz_m[f][s][side]);
                xyz_m[f][s][side][1] += s == who ? NEARBY_M * f : AWAY_M;
            }
}

/* Log-likelihood ratios of the hands at each place: the event's plates, and each touched facing. */
static void weigh_hands(const fusion_association_settings* settings, const event* e, int32_t places,
                        const int32_t* facing, double* llr) {
    double xyz_m[FRAMES][SHOPPERS][2][3], variance_m2[FRAMES * SHOPPERS * 2], when[FRAMES];
    double center_m[(2 * PLATES) * 3], axes[(2 * PLATES) * 9] = {0}, half_m[(2 * PLATES) * 3];
    int32_t start[2 + FACINGS] = {0}, boxes = 0;
    see_hands(e, xyz_m);
    for (int i = 0; i < FRAMES * SHOPPERS * 2; ++i) variance_m2[i] = 1e-4;
    for (int f = 0; f < FRAMES; ++f) when[f] = 1.0 / FRAMES;
    for (int32_t place = 0; place < places; ++place) {
        const int32_t first = place == 0 ? 0 : FIRST_PLATE[facing[place - 1]];
        const int32_t n = place == 0 ? (int32_t)e->plates : FIRST_PLATE[facing[place - 1] + 1] - first;
        for (int32_t i = 0; i < n; ++i, ++boxes) {
            center(place == 0 ? e->plate[i] : first + i, center_m + 3 * boxes);
            for (int j = 0; j < 3; ++j) {
                axes[9 * boxes + 4 * j] = 1.0;
                half_m[3 * boxes + j] = WIDTH_M / 2;
            }
        }
        start[place + 1] = boxes;
    }
    const fusion_hands hands = {xyz_m[0][0][0], variance_m2, when, FRAMES, SHOPPERS, 2};
    const fusion_places known = {start, center_m, axes, half_m, places, boxes};
    must(fusion_hand_log_likelihood(settings, &hands, &known, llr));
}

/* Say what most probably happened, by all hypotheses together. */
static void report(const event* e, const fusion_part* part, const fusion_lineage* lineage,
                   const fusion_hypotheses* now) {
    int32_t best = 0;
    double most = -1.0;
    for (int32_t c = 0; c < lineage->used; ++c) {
        double p = 0.0;
        for (int32_t k = 0; k < now->n; ++k) p += exp(now->weight[k]) * lineage->chosen[k * lineage->columns + c];
        if (p > most) best = c, most = p;
    }
    double total_g = 0.0;
    for (uint32_t i = 0; i < e->plates; ++i) total_g += e->delta_g[i];
    printf("event %u, %+.2f g:", (unsigned)e->id, total_g);
    for (int i = 0; i < FUSION_PARTS; ++i) {
        const fusion_part* const of = part + FUSION_PARTS * lineage->column[best] + i;
        if (of->product >= 0)
            printf(" shopper %d %s %d of product %d,", (int)of->shopper, of->quantity < 0 ? "takes" : "returns",
                   abs((int)of->quantity), (int)of->product);
    }
    printf("%s p = %.9f\n", lineage->column[best] == 0 ? " nothing of the store's," : "", most);
}

/* Explain an event, and extend what is believed by it. */
static void associate(const fusion_association_settings* settings, const event* e, beliefs* b) {
    static fusion_part part[EXPLANATIONS * FUSION_PARTS];
    static double term[4 * EXPLANATIONS], score[EXPLANATIONS], chosen[ROOM * EXPLANATIONS];
    static int32_t column[EXPLANATIONS];
    int32_t facing[FACINGS], owner[SHOPPERS];
    uint8_t inside[(1 + FACINGS) * PLATES], present[PRODUCTS];
    double llr[SHOPPERS * (1 + FACINGS)], even[ROOM] = {0}, share[ROOM * ROOM], joint_share[ROOM * ROOM];
    int32_t facings = 0, main_plate = 0;
    memset(inside, 1, sizeof inside);
    memset(present, 1, sizeof present);
    for (int32_t j = 0; j < FACINGS; ++j) {
        uint8_t* const row = inside + (size_t)(1 + facings) * e->plates;
        int touched = 0;
        for (uint32_t i = 0; i < e->plates; ++i)
            touched |= row[i] = e->plate[i] >= FIRST_PLATE[j] && e->plate[i] < FIRST_PLATE[j + 1];
        if (touched) facing[facings++] = j; /* product j stands on facing j */
    }
    for (uint32_t i = 0; i < e->plates; ++i)
        if (fabs(e->delta_g[i]) > fabs(e->delta_g[main_plate])) main_plate = (int32_t)i;
    for (int32_t s = 0; s < SHOPPERS; ++s) owner[s] = s;
    weigh_hands(settings, e, 1 + facings, facing, llr);

    size_t bytes;
    int32_t found, kept;
    const fusion_scene scene = {
        e->delta_g, e->sigma_g,         inside,  facing,   llr,      NULL,          owner, MASS_G, BY_MASS,
        present,    (int32_t)e->plates, facings, SHOPPERS, PRODUCTS, settings->null};
    must(fusion_explain_size(settings, facings, SHOPPERS, PRODUCTS, &bytes));
    void* scratch = memory(bytes);
    must(fusion_explain(settings, &scene, part, term, score, EXPLANATIONS, &found, scratch, bytes));
    free(scratch);

    const fusion_evidence evidence = {part,
                                      score,
                                      even,
                                      even,
                                      e->plate,
                                      found,
                                      found,
                                      (int32_t)e->plates,
                                      e->plate[main_plate],
                                      e->plate[main_plate],
                                      PRODUCTS,
                                      FACINGS};
    fusion_lineage lineage = {share, joint_share, column, chosen, EXPLANATIONS, 0};
    b->next.n = ROOM;
    must(fusion_hypotheses_update_size(&b->now, &evidence, &b->next, &bytes));
    scratch = memory(bytes);
    must(fusion_hypotheses_update(settings, &b->now, &evidence, &b->next, &lineage, &kept, scratch, bytes));
    free(scratch);
    b->next.n = kept;
    const fusion_hypotheses before = b->now;
    b->now = b->next;
    b->next = before;

    report(e, part, &lineage, &b->now);
}

int main(void) {
    static uint8_t data[1 << 20];
    fusion_association_settings settings;
    must(fusion_association_defaults(&settings));
    static double weight[2][ROOM];
    static int32_t count[2][ROOM];
    static fusion_record record[2][ROOM * STRIDE];
    beliefs b = {{weight[0], count[0], record[0], 1, STRIDE}, {weight[1], count[1], record[1], ROOM, STRIDE}};
    const size_t size = fread(data, 1, sizeof data, stdin);
    size_t skipped = 0;
    for (size_t at = 0; at < size;) {
        const size_t bytes = whole_record(data + at, size - at);
        event e;
        if (bytes > 0 && read_event(data + at, bytes, &e) && e.kind == FUSION_CHANGE && e.final)
            associate(&settings, &e, &b);
        skipped += bytes == 0;
        at += bytes > 0 ? bytes : 1;
    }
    if (skipped > 0) fprintf(stderr, "%zu bytes belong to no record\n", skipped);
    return skipped > 0;
}
