/* Times of runs. In: milliseconds. Out: first, median, least. Must not know what ran. */
#ifndef ESKER_TOOLS_TIMING_H
#define ESKER_TOOLS_TIMING_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory is an empty one. The first time is apart: it pays for what later ones
 * find ready. */
struct timing {
    bool has_first;
    double first;
    double *times; /* owned; the later ones */
    size_t count, room;
};

double timing_now_ms(void);                        /* of a clock that never goes back */
bool timing_add(struct timing *timing, double ms); /* false: no memory */
/* Of the times after the first; of the first when there is no other. */
double timing_median(struct timing *timing);
double timing_min(const struct timing *timing);
void timing_finish(struct timing *timing);

#endif
