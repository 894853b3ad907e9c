/* `esker tune`: times the kernels that a model's nodes could take, and keeps the fastest.
 * In: a model, inputs for its shapes. Out: the results on stdout and in a file. */
#include "commands.h"
#include "feed.h"
#include "random.h"
#include "testset.h"

#include <stdlib.h>
#include <string.h>

struct tune {
    struct setup setup;
    const char *output;
    bool quick;
};

static bool set(esk_session_options *options, const char *key, const char *value,
                struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;

    return esk_session_options_set(options, key, value, &error) == ESK_OK ||
           fault_take(fault, NULL, &error);
}

/* One run on the shapes that are wanted: binding it times what is not known yet. */
static bool bind_and_print(const struct tune *tune, esk_session *session,
                           const char *data, struct fault *fault) {
    size_t count = esk_session_output_count(session);
    esk_value **outputs = calloc(count + 1, sizeof(*outputs));
    struct feed feed = {0};
    esk_error error = ESK_ERROR_INIT;
    char *text = NULL;
    bool done = (outputs || fault_set(fault, "out of memory")) &&
                (!data || feed_data_set(&feed, session, FEED_INPUTS, data, fault)) &&
                feed_random(&feed, session, &tune->setup, 1, NULL, fault);

    if (done && (esk_session_run(session, NULL, feed.names, feed.values, feed.count, NULL,
                                 outputs, count, &error) != ESK_OK ||
                 esk_session_dump(session, "tuning", &text, &error) != ESK_OK))
        done = fault_take(fault, NULL, &error);
    if (done)
        fputs(text, stdout);
    esk_text_free(text);
    for (size_t i = 0; outputs && i < count; i++)
        esk_value_destroy(outputs[i]);
    free(outputs);
    feed_finish(&feed);
    return done;
}

static bool run(const struct tune *tune, const char *text, struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_env *env = NULL;
    char path[TESTSET_PATH], data[TESTSET_PATH];
    const char *own_data = testset_model(text, path, data);
    bool done = setup_env(&tune->setup, &env, fault) &&
                setup_options(&tune->setup, "GLCompute", &options, fault) &&
                set(options, "tuning", tune->quick ? "quick" : "full", fault) &&
                (!tune->output || set(options, "tuningFile", tune->output, fault));

    if (done && esk_session_create(env, path, options, &session, &error) != ESK_OK)
        done = fault_take(fault, path, &error);
    done = done && bind_and_print(tune, session, own_data, fault);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return done;
}

static const char about[] =
    "Times, on this device, the kernels that the nodes of a model could take, and keeps\n"
    "the fastest of each. MODEL is a file, or a folder with model.onnx; test_data_set_0\n"
    "beside it gives the shapes, else free dimensions are 1 unless --dim says otherwise.";
static const char notes[] = "Prints all results for this device: a line each, what was "
                            "asked for (operator, types,\n"
                            "classes of sizes, members of the group, the kernels that "
                            "fit), then a tab, the kernel\n"
                            "taken, a tab, its time in microseconds. Without --output "
                            "they are kept in tuning.txt of\n"
                            "the cache folder (option programCacheDir), where every "
                            "session looks unless tuning=off;\n"
                            "a file is used by --set tuningFile=FILE. One file may hold "
                            "results of several devices.";

int cmd_tune(int argc, char **argv) {
    struct tune tune = {0};
    const struct arg_spec specs[] = {
        {"output", ARG_TEXT, &tune.output, "FILE",
         "keeps results in FILE, with those that it has; -o for short", 0, 0, NULL},
        {"quick", ARG_FLAG, &tune.quick, NULL, "the heavy nodes only", 0, 0, NULL},
        SETUP_SET(tune.setup),
        SETUP_DIM(tune.setup),
        SETUP_DENOTATION(tune.setup),
        SETUP_VERBOSE(tune.setup),
    };
    const struct arg_table table = {
        .usage = "esker tune MODEL|DIR [options]",
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
        code = run(&tune, texts.items[0], &fault) ? 0 : fault_report(&fault);
    arg_list_finish(&texts);
    setup_finish(&tune.setup);
    return code;
}
