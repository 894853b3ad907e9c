/* Tables of a profile: by operator, by kernel, by node.
 * In: a profile of some runs. Out: text or JSON on stdout. Must not know sessions. */
#ifndef ESKER_TOOLS_REPORT_H
#define ESKER_TOOLS_REPORT_H

#include "esker/profile.h"
#include "fault.h"

#include <jansson.h>

/* A row: a node, a kernel, or all that share a name. Times are those of one run. */
struct report_row {
    const char *name; /* node's name; operator; kernel's template */
    const char *op, *recipe, *kernel, *provider; /* "" where a row has many */
    size_t nodes, kernels, dispatches;
    double ms; /* median over the runs */
    double flops, bytes;
    /* of one node */
    double *times; /* owned, one a run */
    size_t count, room;
};

struct report {
    struct report_row *rows; /* owned */
    size_t count, room;
};

/* What the profile's runs say together. */
struct report_summary {
    double run_ms;   /* median of whole runs */
    double nodes_ms; /* sum of all nodes' medians */
    size_t runs;
    const char *clock; /* of the device's kernels; "" without any */
};

/* One row a node (kind NODE) or a kernel (kind KERNEL), in the order of a run. The report
 * borrows from the profile. */
bool report_make(struct report *report, const esk_profile *profile, esk_record_kind kind,
                 struct report_summary *summary, struct fault *fault);
/* One row a name: operators of a report of nodes, templates of one of kernels; slowest
 * first. */
bool report_group(struct report *groups, const struct report *report, bool by_kernel,
                  struct fault *fault);
void report_sort(struct report *report); /* slowest first */
void report_finish(struct report *report);

/* A table with share of all nodes' time, GFLOP/s and GB/s, and with `peak` (may be NULL)
 * the larger share of its ceilings. `top`: rows at most; 0: all. */
void report_print(const struct report *report, const char *title,
                  const struct report_summary *summary, const esk_device_peak *peak,
                  size_t top);
json_t *report_tree(const struct report *report, const struct report_summary *summary,
                    const esk_device_peak *peak);

#endif
