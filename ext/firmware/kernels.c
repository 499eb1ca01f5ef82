/* Solves the problems of golden.kernels by the C ABI, and compares with the engine: the same numbers, to 1e-12 where
 * logarithms are involved.
 *
 * Exit code: 0 equal; 10 + kind of a problem whose solution differs, 30 + kind if a function refuses; 2 damaged file.
 */
#include <string.h>

#include "fusion.h"
#include "port.h"
#include "say.h"

extern const uint64_t golden_kernels[];

enum { END, TRIANGULATE, ASSIGN, K_BEST, MARGINALS, TRACK, ASSOCIATE };
#define MEMORY_BYTES (256 * 1024)
#define TOLERANCE 1e-12

static uint64_t memory[MEMORY_BYTES / 8]; /* scratch at the front, results behind it */
static size_t taken;
static const uint64_t* at = golden_kernels;
static uint64_t kind;

static void differs(void) {
    port_exit(10 + (int)kind);
}

static void must(int status) {
    if (status != FUSION_OK) port_exit(30 + (int)kind);
}

static void* room(size_t bytes) {
    void* const found = memory + taken;
    taken += (bytes + 7) / 8;
    if (taken > MEMORY_BYTES / 8) port_exit(2);
    return found;
}

static int32_t whole(void) {
    return (int32_t)*at++;
}

static int64_t whole64(void) {
    return (int64_t)*at++;
}

static const void* array(size_t count, size_t each) {
    const void* const found = at;
    at += (count * each + 7) / 8;
    return found;
}

static const double* numbers(size_t count) {
    return array(count, sizeof(double));
}

/* NaN where NaN is expected, else within `relative` of it. */
static void same(const double* found, size_t count, double relative) {
    const double* const expected = numbers(count);
    for (size_t i = 0; i < count; ++i) {
        const double e = expected[i], off = found[i] > e ? found[i] - e : e - found[i];
        const int both_nan = found[i] != found[i] && e != e;
        if (!(both_nan || found[i] == e || off <= relative * (e < 0 ? -e : e))) differs();
    }
}

static void same_bytes(const void* found, size_t bytes) {
    if (memcmp(found, array(bytes, 1), bytes) != 0) differs();
}

static void triangulate(void) {
    const int32_t views = whole(), points = whole();
    const size_t v = (size_t)views, n = (size_t)points;
    const fusion_camera* cameras = array(v, sizeof(fusion_camera));
    const double *origin_m = numbers(3), *px = numbers(2 * n * v), *sigma_px = numbers(1), *rejection = numbers(1);
    size_t bytes;
    must(fusion_triangulation_size(views, &bytes));
    void* const scratch = room(bytes);
    fusion_point* const found = room(n * sizeof *found);
    uint8_t* const inliers = room(n * v);
    must(fusion_triangulate(cameras, views, px, sigma_px, 1, n, *rejection, found, inliers, scratch, bytes));
    double* const told = room(9 * n * sizeof *told);
    int32_t* const flags = room(n * sizeof *flags);
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < 3; ++j) told[3 * i + j] = found[i].xyz_m[j] + origin_m[j];
    same(told, 3 * n, 0);
    for (size_t i = 0; i < n; ++i) memcpy(told + 9 * i, found[i].covariance_m2, 9 * sizeof *told);
    same(told, 9 * n, 0);
    for (size_t i = 0; i < n; ++i) told[i] = found[i].rms_px;
    same(told, n, 0);
    for (size_t i = 0; i < n; ++i) flags[i] = found[i].views;
    same_bytes(flags, n * sizeof *flags);
    for (size_t i = 0; i < n; ++i) flags[i] = found[i].status;
    same_bytes(flags, n * sizeof *flags);
    same_bytes(inliers, n * v);
}

static void assign(void) {
    const int32_t batch = whole(), rows = whole(), columns = whole();
    const size_t cells = (size_t)batch * (size_t)rows;
    const double *cost = numbers(cells * (size_t)columns), *miss = numbers(cells);
    size_t bytes;
    must(fusion_assign_size(rows, columns, &bytes));
    void* const scratch = room(bytes);
    int32_t* const column = room(cells * sizeof *column);
    must(fusion_assign(cost, miss, (size_t)batch, rows, columns, column, scratch, bytes));
    same_bytes(column, cells * sizeof *column);
}

static void k_best(void) {
    const int32_t rows = whole(), columns = whole(), k = whole(), expected = whole();
    const double *cost = numbers((size_t)rows * (size_t)columns), *miss = numbers((size_t)rows);
    size_t bytes;
    int32_t found;
    must(fusion_k_best_size(rows, columns, k, &bytes));
    void* const scratch = room(bytes);
    int32_t* const column = room((size_t)k * (size_t)rows * sizeof *column);
    double* const total = room((size_t)k * sizeof *total);
    must(fusion_k_best(cost, miss, rows, columns, k, column, total, &found, scratch, bytes));
    if (found != expected) differs();
    same_bytes(column, (size_t)found * (size_t)rows * sizeof *column);
    same(total, (size_t)found, 0);
}

static void marginals(void) {
    const int32_t batch = whole(), rows = whole(), columns = whole();
    const size_t cells = (size_t)batch * (size_t)rows, pairs = cells * ((size_t)columns + 1);
    const double *weight = numbers(cells * (size_t)columns), *miss = numbers(cells);
    size_t bytes;
    must(fusion_assignment_marginals_size(rows, columns, &bytes));
    void* const scratch = room(bytes);
    double *const probability = room(pairs * sizeof(double)), *const log_total = room((size_t)batch * sizeof(double));
    must(fusion_assignment_marginals(weight, miss, (size_t)batch, rows, columns, probability, log_total, scratch,
                                     bytes));
    same(probability, pairs, TOLERANCE);
    same(log_total, (size_t)batch, TOLERANCE);
}

static void track(void) {
    const int32_t cameras = whole(), crowd = whole(), pictures = whole(), persons = whole();
    fusion_tracker_settings settings;
    must(fusion_tracker_defaults(&settings, cameras));
    settings.crowd = crowd;
    size_t state_bytes, scratch_bytes;
    must(fusion_tracker_size(&settings, &state_bytes, &scratch_bytes));
    void *const scratch = room(scratch_bytes), *const state = room(state_bytes);
    int64_t* const tracks = room((size_t)crowd * 4 * sizeof *tracks);
    double* const doubt = room((size_t)crowd * 4 * sizeof *doubt);
    fusion_track* const told = room((size_t)crowd * sizeof *told);
    must(fusion_tracker_init(state, state_bytes, &settings, array((size_t)cameras, sizeof(fusion_camera))));
    for (int32_t i = 0; i < pictures; ++i) {
        const int32_t camera = whole();
        const int64_t now_ns = whole64();
        const int32_t n = whole();
        const double *px = numbers((size_t)n * 16), *sigma_px = numbers((size_t)n * 8);
        must(fusion_tracker_step(state, camera, now_ns, px, sigma_px, n, tracks, doubt, scratch, scratch_bytes));
    }
    int32_t count;
    must(fusion_tracker_read(state, told, crowd, &count));
    if (count != persons) differs();
    for (int32_t i = 0; i < count; ++i)
        if (told[i].id != whole64()) differs();
    for (int32_t i = 0; i < count; ++i)
        if (told[i].seen_ns != whole64()) differs();
    for (int32_t i = 0; i < count; ++i) same(told[i].joints_m[0], 24, 0);
    for (int32_t i = 0; i < count; ++i) same(told[i].covariance_m2[0], 72, 0);
    for (int32_t i = 0; i < count; ++i) same(told[i].velocity_m_s[0], 24, 0);
}

static void log_likelihood(const fusion_association_settings* settings, int32_t* shoppers, double** llr) {
    fusion_hands hands = {0};
    fusion_places places = {0};
    hands.frames = whole();
    hands.shoppers = *shoppers = whole();
    hands.sides = whole();
    places.places = places.boxes = whole();
    const size_t seen = (size_t)hands.frames * (size_t)hands.shoppers * (size_t)hands.sides, n = (size_t)places.boxes;
    hands.xyz_m = numbers(3 * seen);
    hands.variance_m2 = numbers(seen);
    hands.when = numbers((size_t)hands.frames);
    places.start = array(n + 1, sizeof(int32_t));
    places.center_m = numbers(3 * n);
    places.axes = numbers(9 * n);
    places.half_m = numbers(3 * n);
    *llr = room((size_t)hands.shoppers * n * sizeof(double));
    must(fusion_hand_log_likelihood(settings, &hands, &places, *llr));
    same(*llr, (size_t)hands.shoppers * n, TOLERANCE);
}

static void explain(const fusion_association_settings* settings, fusion_evidence* evidence) {
    fusion_scene scene = {0};
    double* llr;
    log_likelihood(settings, &scene.shoppers, &llr);
    scene.plates = evidence->plates = whole();
    scene.facings = evidence->facings = whole();
    scene.products = evidence->products = whole();
    const size_t plates = (size_t)scene.plates, products = (size_t)scene.products, shoppers = (size_t)scene.shoppers;
    scene.delta_g = numbers(plates);
    scene.sigma_g = numbers(plates);
    scene.inside = array((size_t)(1 + scene.facings) * plates, 1);
    scene.facing_product = array((size_t)scene.facings, sizeof(int32_t));
    scene.hands = llr;
    scene.vision = numbers(shoppers * products);
    scene.mass_g = numbers(products);
    scene.by_mass = array(products, sizeof(int32_t));
    scene.present = array(products, 1);
    scene.null = *numbers(1);
    int32_t *const owner = room(shoppers * sizeof *owner), *const plate = room(plates * sizeof *plate);
    for (int32_t i = 0; i < scene.shoppers; ++i) owner[i] = i;
    for (int32_t i = 0; i < scene.plates; ++i) plate[i] = i;
    scene.owner = owner;
    evidence->plate = plate;
    const int32_t expected = whole();
    const size_t n = (size_t)expected;
    size_t bytes;
    must(fusion_explain_size(settings, scene.facings, scene.shoppers, scene.products, &bytes));
    void* const scratch = room(bytes);
    fusion_part* const part = room(n * FUSION_PARTS * sizeof *part);
    double *const term = room(4 * n * sizeof *term), *const score = room(n * sizeof *score);
    int32_t found;
    must(fusion_explain(settings, &scene, part, term, score, expected, &found, scratch, bytes));
    if (found != expected) differs();
    same_bytes(part, n * FUSION_PARTS * sizeof *part);
    same(score, n, TOLERANCE);
    evidence->part = part;
    evidence->log_score = score;
    evidence->explanations = evidence->first_joint = expected;
}

static void associate(void) {
    fusion_association_settings settings;
    fusion_evidence evidence = {0};
    must(fusion_association_defaults(&settings));
    explain(&settings, &evidence);
    fusion_hypotheses old = {0}, made = {0};
    old.n = whole();
    old.stride = whole();
    const size_t n = (size_t)old.n;
    double* const even = room(n * sizeof *even);
    for (size_t i = 0; i < n; ++i) even[i] = 0;
    evidence.echo = evidence.together = even;
    old.weight = room(n * sizeof *old.weight);
    old.count = room(n * sizeof *old.count);
    old.record = room(n * (size_t)old.stride * sizeof *old.record);
    memcpy(old.weight, numbers(n), n * sizeof *old.weight);
    memcpy(old.count, array(n, sizeof *old.count), n * sizeof *old.count);
    memcpy(old.record, array(n * (size_t)old.stride, sizeof *old.record), n * (size_t)old.stride * sizeof *old.record);
    evidence.main_plate = evidence.joint_main_plate = whole();
    made.n = whole();
    made.stride = old.stride;
    const size_t most = (size_t)made.n, stride = (size_t)made.stride, columns = (size_t)evidence.explanations;
    made.weight = room(most * sizeof *made.weight);
    made.count = room(most * sizeof *made.count);
    made.record = room(most * stride * sizeof *made.record);
    fusion_lineage lineage = {0};
    lineage.share = room(most * n * sizeof *lineage.share);
    lineage.joint_share = room(most * n * sizeof *lineage.joint_share);
    lineage.column = room(columns * sizeof *lineage.column);
    lineage.chosen = room(most * columns * sizeof *lineage.chosen);
    lineage.columns = evidence.explanations;
    size_t bytes;
    must(fusion_hypotheses_update_size(&old, &evidence, &made, &bytes));
    void* const scratch = room(bytes);
    int32_t kept;
    must(fusion_hypotheses_update(&settings, &old, &evidence, &made, &lineage, &kept, scratch, bytes));
    if (kept != whole()) differs();
    for (size_t i = 0; i < (size_t)kept; ++i) { /* what lies behind the count is rubbish */
        const size_t used = (size_t)made.count[i];
        memset(made.record + i * stride + used, 0, (stride - used) * sizeof *made.record);
    }
    same(made.weight, (size_t)kept, TOLERANCE);
    same_bytes(made.count, (size_t)kept * sizeof *made.count);
    same_bytes(made.record, (size_t)kept * stride * sizeof *made.record);
}

int main(void) {
    static void (*const solve[])(void) = {NULL, triangulate, assign, k_best, marginals, track, associate};
    uint32_t problems = 0;
    size_t most = 0;
    port_start();
    while ((kind = *at++) != END) {
        if (kind >= sizeof solve / sizeof *solve) port_exit(2);
        taken = 0;
        solve[kind]();
        ++problems;
        most = taken > most ? taken : most;
    }
    SAY("problems", problems);
    SAY("memory_used", (uint32_t)(8 * most));
    SAY("stack_used", port_stack_used());
    return 0;
}
