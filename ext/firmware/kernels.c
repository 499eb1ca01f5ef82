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

enum { END, TRIANGULATE, ASSIGN, K_BEST, MARGINALS, TRACK };
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

int main(void) {
    static void (*const solve[])(void) = {NULL, triangulate, assign, k_best, marginals, track};
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
