/* `esker profile`: where the time of a model goes.
 * In: a model and inputs. Out: tables or JSON on stdout, a Chrome trace. */
#include "commands.h"
#include "json.h"
#include "peak.h"
#include "profiled.h"
#include "random.h"
#include "tensor_io.h"
#include "testset.h"
#include "timing.h"

#include <stdlib.h>
#include <string.h>

struct profile {
    struct setup setup;
    struct arg_list inputs;
    struct profiled options;
    const char *output;
    int64_t seed;
    bool json, peak;
};

/* Runs without a profile: the first, then the median of as many as are profiled. */
static bool plain_runs(const struct profile *p, esk_session *session,
                       const struct feed *feed, struct timing *timing,
                       struct fault *fault) {
    size_t count = esk_session_output_count(session);
    esk_value **outputs = calloc(count + 1, sizeof(*outputs));
    esk_error error = ESK_ERROR_INIT;
    bool done = outputs || fault_set(fault, "out of memory");

    for (int64_t i = 0; done && i <= p->options.runs; i++) {
        double start = timing_now_ms();

        if (esk_session_run(session, NULL, feed->names, feed->values, feed->count, NULL,
                            outputs, count, &error) != ESK_OK)
            done = fault_take(fault, NULL, &error);
        else
            done = timing_add(timing, timing_now_ms() - start) ||
                   fault_set(fault, "out of memory");
    }
    for (size_t i = 0; outputs && i < count; i++)
        esk_value_destroy(outputs[i]);
    free(outputs);
    return done;
}

static bool show(const struct profile *p, const esk_profile *profile,
                 const esk_device_peak *peak, struct timing *timing,
                 struct fault *fault) {
    json_t *tree;

    if (p->json) {
        tree = peak ? peak_tree(peak) : json_object();
        json_object_set_new(tree, "first_ms", json_decimal(timing->first, 4));
        json_object_set_new(tree, "median_ms", json_decimal(timing_median(timing), 4));
        return profiled_tree(profile, peak, tree, fault)
                   ? json_line(tree) || fault_set(fault, "the JSON could not be written")
                   : (json_decref(tree), false);
    }
    if (peak)
        peak_print(peak);
    printf("without profile: first run %.3f ms, median %.3f ms\n", timing->first,
           timing_median(timing));
    return profiled_print(&p->options, profile, peak, fault);
}

static bool profile_session(const struct profile *p, esk_session *session,
                            const char *data, const esk_device_peak *peak,
                            struct fault *fault) {
    struct timing timing = {0};
    struct feed feed = {0};
    esk_profile *profile = NULL;
    esk_error error = ESK_ERROR_INIT;
    bool done = feed_files(&feed, session, &p->setup, &p->inputs, fault) &&
                (!data || p->inputs.count ||
                 feed_data_set(&feed, session, FEED_INPUTS, data, fault)) &&
                feed_random(&feed, session, &p->setup, (uint64_t)p->seed, NULL, fault) &&
                plain_runs(p, session, &feed, &timing, fault) &&
                profiled_runs(&p->options, session, &feed, &profile, fault) &&
                show(p, profile, peak, &timing, fault);

    if (done && p->output && esk_profile_write(profile, p->output, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    esk_profile_destroy(profile);
    timing_finish(&timing);
    feed_finish(&feed);
    return done;
}

static bool run(const struct profile *p, const char *text, struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_env *env = NULL;
    esk_device_peak peak;
    char path[TESTSET_PATH], data[TESTSET_PATH];
    const char *own_data = testset_model(text, path, data);
    bool done = profiled_check(&p->options, fault) && setup_env(&p->setup, &env, fault) &&
                setup_options(&p->setup, NULL, &options, fault) &&
                (!p->peak || peak_measure(&p->setup, env, &peak, fault));

    if (done && esk_session_create(env, path, options, &session, &error) != ESK_OK)
        done = fault_take(fault, path, &error);
    done = done && profile_session(p, session, own_data, p->peak ? &peak : NULL, fault);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return done;
}

static const char about[] =
    "Shows where the time of a model goes: by operator, by kernel and by node, with\n"
    "share of the time, GFLOP/s and GB/s. MODEL is a file, or a folder with\n"
    "model.onnx; test_data_set_0 beside model.onnx gives the inputs, else they are\n"
    "random: " RANDOM_TEXT ".";
static const char notes[] =
    "Files of inputs:\n" TENSOR_FILES_TEXT "\n\n"
    "Times are medians of the profiled runs. Where the device has a clock that means\n"
    "something they are its own; else the CPU's, each dispatch waited for: a table's\n"
    "first lines say which. Operations and bytes are estimates of the recipes.\n"
    "The trace has ONNX Runtime's shape (categories Session, Node, Kernel) and opens\n"
    "in Perfetto or chrome://tracing.";

int cmd_profile(int argc, char **argv) {
    struct profile p = {.options = {.runs = 10, .top = 20, .by = "all"}, .seed = 1};
    const struct arg_spec specs[] = {
        {"output", ARG_TEXT, &p.output, "FILE",
         "writes a Chrome trace of the profiled runs; -o for short", 0, 0, NULL},
        {"by", ARG_TEXT, &p.options.by, "WHAT", "op, kernel, node or all (the default)",
         0, 0, NULL},
        {"top", ARG_INT, &p.options.top, "N",
         "nodes that are shown, slowest first; 0: all (default: 20)", 0, INT64_MAX, NULL},
        {"runs", ARG_INT, &p.options.runs, "N", "profiled runs (default: 10)", 1, 100000,
         NULL},
        {"peak", ARG_FLAG, &p.peak, NULL,
         "measures the device's ceilings first and shows shares of them", 0, 0, NULL},
        {"json", ARG_FLAG, &p.json, NULL, "one JSON object with all tables", 0, 0, NULL},
        {"input", ARG_LIST, &p.inputs, "NAME=FILE", "an input from a file, see below", 0,
         0, NULL},
        SETUP_PROVIDER(p.setup),
        SETUP_SET(p.setup),
        SETUP_DIM(p.setup),
        SETUP_DENOTATION(p.setup),
        SETUP_STRICT(p.setup),
        {"seed", ARG_INT, &p.seed, "N", "of random inputs (default: 1)", 0, INT64_MAX,
         NULL},
        SETUP_VERBOSE(p.setup),
    };
    const struct arg_table table = {
        .usage = "esker profile MODEL|DIR [options]",
        .about = about,
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
        .notes = notes,
        .min_texts = 1,
        .max_texts = 1,
        .texts = "MODEL",
    };
    struct arg_list texts = {0};
    struct fault fault;
    enum arg_result parsed = args_parse(&table, argc, argv, &texts, stdout, stderr);
    int code = parsed == ARGS_HELP ? 0 : 2;

    if (parsed == ARGS_RUN)
        code = run(&p, texts.items[0], &fault) ? 0 : fault_report(&fault);
    arg_list_finish(&texts);
    arg_list_finish(&p.inputs);
    setup_finish(&p.setup);
    return code;
}
