/* Tables of a profile: by operator, by kernel, by node.
 * In: a profile of some runs. Out: text or JSON on stdout. Must not know sessions. */
#include "report.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    if (!count)
        return 0;
    qsort(values, count, sizeof(*values), by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* An array with room for one more; NULL when memory is out. */
static void *grow(void *array, size_t count, size_t *room, size_t size) {
    void *grown;

    if (count < *room)
        return array;
    grown = realloc(array, (*room ? *room * 2 : 64) * size);
    if (grown)
        *room = *room ? *room * 2 : 64;
    return grown;
}

static struct report_row *add_row(struct report *report) {
    struct report_row *rows =
        grow(report->rows, report->count, &report->room, sizeof(*rows));

    if (!rows)
        return NULL;
    report->rows = rows;
    rows[report->count] = (struct report_row){
        .name = "", .op = "", .recipe = "", .kernel = "", .provider = ""};
    return &rows[report->count++];
}

static bool add_time(struct report_row *row, double ms) {
    double *times = grow(row->times, row->count, &row->room, sizeof(*times));

    if (!times)
        return false;
    row->times = times;
    times[row->count++] = ms;
    return true;
}

/* The row of a record: runs go through the same nodes in the same order, so the next row
 * is tried first. */
static struct report_row *find_row(struct report *report, const esk_record *record,
                                   size_t run, size_t *next) {
    for (size_t i = 0; i < report->count; i++) {
        size_t at = (*next + i) % report->count;
        struct report_row *row = &report->rows[at];

        if (row->count < run && !strcmp(row->name, record->name) &&
            !strcmp(row->kernel, record->kernel) && !strcmp(row->op, record->op_type)) {
            *next = at + 1;
            return row;
        }
    }
    return NULL;
}

bool report_make(struct report *report, const esk_profile *profile, esk_record_kind kind,
                 struct report_summary *summary, struct fault *fault) {
    struct report_row runs = {0};
    size_t run = 0, next = 0;
    uint32_t last = 0;

    *summary = (struct report_summary){.clock = ""};
    for (size_t i = 0; i < esk_profile_count(profile); i++) {
        const esk_record *r = esk_profile_get(profile, i);
        double ms = (double)r->duration_ns * 1e-6;
        struct report_row *row;

        if (!r->run)
            continue;
        if (r->kind == ESK_RECORD_SESSION && !strcmp(r->name, "model_run") &&
            !add_time(&runs, ms))
            return fault_set(fault, "out of memory");
        if (r->kind == ESK_RECORD_KERNEL)
            summary->clock = r->clock;
        if (r->kind != kind)
            continue;
        if (r->run != last) {
            last = r->run;
            run++;
            next = 0;
        }
        row = find_row(report, r, run, &next);
        if (!row) {
            row = add_row(report);
            if (!row)
                return fault_set(fault, "out of memory");
            row->name = r->name;
            row->op = r->op_type;
            row->recipe = r->recipe;
            row->kernel = r->kernel;
            row->provider = r->provider;
            row->nodes = 1;
            row->kernels = kind == ESK_RECORD_KERNEL ? 1 : r->kernels;
            row->dispatches = r->dispatches;
            row->flops = r->flops;
            row->bytes = r->bytes;
            next = report->count;
        }
        if (!add_time(row, ms))
            return fault_set(fault, "out of memory");
    }
    for (size_t i = 0; i < report->count; i++) {
        report->rows[i].ms = median(report->rows[i].times, report->rows[i].count);
        summary->nodes_ms += report->rows[i].ms;
    }
    summary->runs = runs.count;
    summary->run_ms = median(runs.times, runs.count);
    free(runs.times);
    return true;
}

bool report_group(struct report *groups, const struct report *report, bool by_kernel,
                  struct fault *fault) {
    for (size_t i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        const char *name = by_kernel ? row->kernel : row->op;
        struct report_row *group = NULL;

        for (size_t j = 0; j < groups->count && !group; j++)
            if (!strcmp(groups->rows[j].name, name))
                group = &groups->rows[j];
        if (!group && !(group = add_row(groups)))
            return fault_set(fault, "out of memory");
        group->name = name;
        group->nodes += row->nodes;
        group->kernels += row->kernels;
        group->dispatches += row->dispatches;
        group->ms += row->ms;
        group->flops += row->flops;
        group->bytes += row->bytes;
    }
    report_sort(groups);
    return true;
}

static int by_time(const void *a, const void *b) {
    const struct report_row *x = a, *y = b;

    return (x->ms < y->ms) - (x->ms > y->ms);
}

void report_sort(struct report *report) {
    if (report->count)
        qsort(report->rows, report->count, sizeof(*report->rows), by_time);
}

void report_finish(struct report *report) {
    for (size_t i = 0; i < report->count; i++)
        free(report->rows[i].times);
    free(report->rows);
    *report = (struct report){0};
}

/* Work a second in units of 1e9. */
static double rate(double work, double ms) {
    return ms > 0 ? work / ms * 1e-6 : 0;
}

/* The larger share of the ceilings; *memory: it is that of memory. */
static double of_peak(const struct report_row *row, const esk_device_peak *peak,
                      bool *memory) {
    double flops = rate(row->flops, row->ms) / peak->gflops;
    double bytes = rate(row->bytes, row->ms) / peak->gbytes_per_s;

    *memory = bytes > flops;
    return *memory ? bytes : flops;
}

void report_print(const struct report *report, const char *title,
                  const struct report_summary *summary, const esk_device_peak *peak,
                  size_t top) {
    size_t most = top && top < report->count ? top : report->count;
    bool memory;

    printf("\n%-34s %5s %5s %9s %6s %9s %8s%s\n", title, "nodes", "disp.", "ms", "share",
           "GFLOP/s", "GB/s", peak ? "  of peak" : "");
    for (size_t i = 0; i < most; i++) {
        const struct report_row *row = &report->rows[i];
        char name[160];

        if (*row->recipe)
            snprintf(name, sizeof(name), "%s: %s", row->name, row->op);
        else
            snprintf(name, sizeof(name), "%s", row->name);
        if (strlen(name) > 34) /* the end tells layers apart */
            memmove(name, name + strlen(name) - 34, 35);
        printf("%-34s %5zu %5zu %9.3f %5.1f%% %9.2f %8.2f", name, row->nodes,
               row->dispatches, row->ms,
               summary->nodes_ms > 0 ? 100 * row->ms / summary->nodes_ms : 0,
               rate(row->flops, row->ms), rate(row->bytes, row->ms));
        if (peak) {
            double part = of_peak(row, peak, &memory);

            printf("  %4.0f%% %s", 100 * part, memory ? "B/s" : "op/s");
        }
        if (*row->recipe)
            printf("  %s", row->recipe);
        putchar('\n');
    }
    if (most < report->count)
        printf("  and %zu more; --top 0 shows all\n", report->count - most);
}

json_t *report_tree(const struct report *report, const struct report_summary *summary,
                    const esk_device_peak *peak) {
    json_t *list = json_array();
    bool memory;

    for (size_t i = 0; i < report->count; i++) {
        const struct report_row *row = &report->rows[i];
        json_t *tree = json_object();

        json_object_set_new(tree, "name", json_text(row->name));
        if (*row->op)
            json_object_set_new(tree, "op", json_text(row->op));
        if (*row->recipe)
            json_object_set_new(tree, "recipe", json_text(row->recipe));
        if (*row->kernel)
            json_object_set_new(tree, "kernel", json_text(row->kernel));
        if (*row->provider)
            json_object_set_new(tree, "provider", json_text(row->provider));
        json_object_set_new(tree, "nodes", json_integer((json_int_t)row->nodes));
        json_object_set_new(tree, "kernels", json_integer((json_int_t)row->kernels));
        json_object_set_new(tree, "dispatches",
                            json_integer((json_int_t)row->dispatches));
        json_object_set_new(tree, "ms", json_decimal(row->ms, 5));
        json_object_set_new(
            tree, "share",
            json_decimal(summary->nodes_ms > 0 ? row->ms / summary->nodes_ms : 0, 5));
        json_object_set_new(tree, "flops", json_decimal(row->flops, 0));
        json_object_set_new(tree, "bytes", json_decimal(row->bytes, 0));
        json_object_set_new(tree, "gflops", json_decimal(rate(row->flops, row->ms), 3));
        json_object_set_new(tree, "gbytes_per_s",
                            json_decimal(rate(row->bytes, row->ms), 3));
        if (peak)
            json_object_set_new(tree, "of_peak",
                                json_decimal(of_peak(row, peak, &memory), 4));
        json_array_append_new(list, tree);
    }
    return list;
}
