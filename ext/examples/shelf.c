/* A shelf of three plates at 60 Hz: an item of 250 g is taken, a bottle of 500 g is put down. Events go to stdout. */
#include <fusion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLATES = 3, RATE_HZ = 60, SECONDS = 12 };

static void print(void* user, const fusion_weight_event* event) {
    (void)user;
    printf("event %lld%s, %s, quality %.2f:", (long long)event->id, event->final ? ", final" : "",
           event->kind == FUSION_CHANGE ? "change" : "touch", (double)event->quality);
    for (int32_t i = 0; i < event->count; ++i)
        printf(" plate %d %+.1f +- %.1f g", (int)event->plates[i], (double)event->delta_g[i],
               (double)event->sigma_g[i]);
    printf("\n");
}

static float load_g(int plate, double second) {
    const float taken = plate == 0 && second > 4 ? -250.0f : 0.0f, put = plate == 2 && second > 7 ? 500.0f : 0.0f;
    return 3000.0f + taken + put;
}

static int give_up(int status) {
    fprintf(stderr, "%s\n", fusion_status_text(status));
    return EXIT_FAILURE;
}

int main(void) {
    fusion_segmentation_settings settings;
    fusion_plate plates[PLATES];
    size_t bytes;
    int status = fusion_segmentation_defaults(&settings, PLATES, RATE_HZ);
    if (status == FUSION_OK) status = fusion_plates_defaults(plates, PLATES);
    if (status == FUSION_OK) status = fusion_segmentation_size(&settings, &bytes);
    if (status < FUSION_OK) return give_up(status);

    void* state = malloc(bytes);
    status = fusion_segmentation_init(state, bytes, &settings, plates);
    uint32_t noise = 1;
    for (int tick = 0; tick < SECONDS * RATE_HZ && status >= FUSION_OK; ++tick) {
        const int64_t sample_ns = (int64_t)tick * 1000000000 / RATE_HZ;
        float grams[PLATES];
        for (int p = 0; p < PLATES; ++p) {
            noise = noise * 1664525u + 1013904223u;
            grams[p] = load_g(p, (double)tick / RATE_HZ) + (float)(noise >> 24) / 128.0f - 1.0f;
        }
        status = fusion_segmentation_push(state, &sample_ns, grams, 1, print, NULL);
    }
    if (status >= FUSION_OK) status = fusion_segmentation_flush(state, print, NULL);
    free(state);
    return status < FUSION_OK ? give_up(status) : EXIT_SUCCESS;
}
