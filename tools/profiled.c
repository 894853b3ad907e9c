/* Profiled runs of a session, and what is shown of them.
 * In: a session and its inputs. Out: a profile, tables on stdout. */
#include "profiled.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

bool profiled_check(const struct profiled *options, struct fault *fault) {
    static const char *const known[] = {"all", "op", "kernel", "node"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(options->by, known[i]))
            return true;
    return fault_set(fault, "--by: '%s' is none of op, kernel, node, all", options->by);
}

bool profiled_runs(const struct profiled *options, esk_session *session,
                   const struct feed *feed, esk_profile **profile, struct fault *fault) {
    size_t count = esk_session_output_count(session);
    esk_value **outputs = calloc(count + 1, sizeof(*outputs));
    esk_error error = ESK_ERROR_INIT;
    bool done = outputs || fault_set(fault, "out of memory");

    *profile = NULL;
    if (done && esk_profile_create(profile, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    for (int64_t i = 0; done && i < options->runs; i++)
        if (esk_session_run(session,
                            esk_run_options(.gpu_graph_id = -1, .profile = *profile),
                            feed->names, feed->values, feed->count, NULL, outputs, count,
                            &error) != ESK_OK)
            done = fault_take(fault, NULL, &error);
    for (size_t i = 0; outputs && i < count; i++)
        esk_value_destroy(outputs[i]);
    free(outputs);
    return done;
}

/* The four tables that all is made of. */
struct tables {
    struct report nodes, kernels, by_op, by_kernel;
    struct report_summary summary;
};

static void finish(struct tables *t) {
    report_finish(&t->nodes);
    report_finish(&t->kernels);
    report_finish(&t->by_op);
    report_finish(&t->by_kernel);
}

static bool make(struct tables *t, const esk_profile *profile, struct fault *fault) {
    struct report_summary kernels;

    *t = (struct tables){0};
    return report_make(&t->kernels, profile, ESK_RECORD_KERNEL, &kernels, fault) &&
           report_make(&t->nodes, profile, ESK_RECORD_NODE, &t->summary, fault) &&
           report_group(&t->by_op, &t->nodes, false, fault) &&
           report_group(&t->by_kernel, &t->kernels, true, fault);
}

bool profiled_print(const struct profiled *options, const esk_profile *profile,
                    const esk_device_peak *peak, struct fault *fault) {
    struct tables t;
    bool done = make(&t, profile, fault), all = !strcmp(options->by, "all");
    const struct report_summary *s = &t.summary;

    if (done) {
        printf("%zu profiled runs, median %.3f ms: nodes %.3f ms, the rest %.3f ms "
               "(transfers, waiting, marks)\n",
               s->runs, s->run_ms, s->nodes_ms, s->run_ms - s->nodes_ms);
        if (*s->clock)
            printf("clock of the kernels: %s\n", s->clock);
        if (all || !strcmp(options->by, "op"))
            report_print(&t.by_op, "by operator", s, peak, 0);
        if ((all || !strcmp(options->by, "kernel")) && t.by_kernel.count)
            report_print(&t.by_kernel, "by kernel", s, peak, 0);
        report_sort(&t.nodes);
        if (all || !strcmp(options->by, "node"))
            report_print(&t.nodes, "by node", s, peak, (size_t)options->top);
    }
    finish(&t);
    return done;
}

bool profiled_tree(const esk_profile *profile, const esk_device_peak *peak, json_t *tree,
                   struct fault *fault) {
    struct tables t;
    bool done = make(&t, profile, fault);
    const struct report_summary *s = &t.summary;

    if (done) {
        json_object_set_new(tree, "runs", json_integer((json_int_t)s->runs));
        json_object_set_new(tree, "run_ms", json_decimal(s->run_ms, 4));
        json_object_set_new(tree, "nodes_ms", json_decimal(s->nodes_ms, 4));
        json_object_set_new(tree, "clock", json_text(s->clock));
        json_object_set_new(tree, "ops", report_tree(&t.by_op, s, peak));
        json_object_set_new(tree, "kernels", report_tree(&t.by_kernel, s, peak));
        json_object_set_new(tree, "nodes", report_tree(&t.nodes, s, peak));
    }
    finish(&t);
    return done;
}
