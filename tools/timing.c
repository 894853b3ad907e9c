/* Times of runs. In: milliseconds. Out: first, median, least. Must not know what ran. */
#include "timing.h"

#include <stdlib.h>
#include <time.h>

double timing_now_ms(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

bool timing_add(struct timing *timing, double ms) {
    if (!timing->has_first) {
        timing->has_first = true;
        timing->first = ms;
        return true;
    }
    if (timing->count == timing->room) {
        size_t room = timing->room ? 2 * timing->room : 256;
        double *times = realloc(timing->times, room * sizeof(*times));

        if (!times)
            return false;
        timing->times = times;
        timing->room = room;
    }
    timing->times[timing->count++] = ms;
    return true;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double timing_median(struct timing *timing) {
    size_t count = timing->count;

    if (!count)
        return timing->first;
    qsort(timing->times, count, sizeof(*timing->times), by_size);
    return (timing->times[(count - 1) / 2] + timing->times[count / 2]) / 2;
}

double timing_min(const struct timing *timing) {
    double best = timing->count ? timing->times[0] : timing->first;

    for (size_t i = 1; i < timing->count; i++)
        if (timing->times[i] < best)
            best = timing->times[i];
    return best;
}

void timing_finish(struct timing *timing) {
    free(timing->times);
    *timing = (struct timing){0};
}
