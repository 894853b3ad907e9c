/* `esker run`: a model on given or random inputs.
 * In: a model, files of tensors. Out: outputs on stdout and as .npy. */
#include "commands.h"
#include "element.h"
#include "feed.h"
#include "random.h"
#include "tensor_io.h"
#include "timing.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The command's options. */
struct run {
    struct setup setup;
    struct arg_list inputs;
    const char *model, *output;
    int64_t runs, seed, values;
};

static void print_statistics(const esk_value *value) {
    esk_dtype dtype = esk_value_dtype(value);
    const void *data = esk_value_const_data(value);
    size_t count = (size_t)esk_value_count(value), finite = 0;
    double low = (double)INFINITY, high = -(double)INFINITY, sum = 0;

    if (element_class(dtype) == ELEMENT_COMPLEX)
        return;
    for (size_t i = 0; i < count; i++) {
        double x = element_real(dtype, data, i, 0);

        if (!isfinite(x))
            continue;
        low = fmin(low, x);
        high = fmax(high, x);
        sum += x;
        finite++;
    }
    if (finite)
        printf("  min %.7g  max %.7g  mean %.7g", low, high, sum / (double)finite);
    if (finite < count)
        printf("  not finite %zu", count - finite);
}

static void print_output(const char *name, const esk_value *value, size_t most) {
    esk_dtype dtype = esk_value_dtype(value);
    size_t count = (size_t)esk_value_count(value);
    char text[256];

    printf("%s %s%s", name, esk_dtype_name(dtype),
           dims_print(esk_value_rank(value), esk_value_dims(value), NULL, text,
                      sizeof(text)));
    if (element_class(dtype) != ELEMENT_NONE) {
        if (count)
            print_statistics(value);
        if (count && most)
            printf("\n ");
        for (size_t i = 0; i < count && i < most; i++)
            printf(" %s", element_print(dtype, esk_value_const_data(value), i, text,
                                        sizeof(text)));
        if (most && count > most)
            printf(" ...");
    }
    putchar('\n');
}

/* An output's name with '_' for what no file name should hold. */
static char *safe_name(const esk_value_info *info, char *text, size_t size) {
    snprintf(text, size, "%s", *info->name && *info->name != '.' ? info->name : "output");
    for (char *c = text; *c; c++)
        if (*c == '/' || *c == '\\' || *c == ':' || (unsigned char)*c < 0x20)
            *c = '_';
    return text;
}

/* Writes "folder/NAME.npy". */
static bool save_output(const char *folder, const esk_session *session, size_t index,
                        const esk_value *value, struct fault *fault) {
    char name[200], other[200], number[24] = "", path[4096];

    safe_name(esk_session_output(session, index), name, sizeof(name));
    for (size_t i = 0; i < index; i++)
        if (!strcmp(safe_name(esk_session_output(session, i), other, sizeof(other)),
                    name))
            snprintf(number, sizeof(number), "_%zu", index);
    if (snprintf(path, sizeof(path), "%s/%s%s.npy", folder, name, number) >=
        (int)sizeof(path))
        return fault_set(fault, "%s: the path is too long", folder);
    return npy_save(path, value, fault);
}

/* Runs, prints and saves. */
static bool run_session(const struct run *run, esk_session *session,
                        struct fault *fault) {
    size_t count = esk_session_output_count(session);
    esk_value **outputs = calloc(count + 1, sizeof(*outputs));
    struct timing timing = {0};
    struct feed feed = {0};
    esk_error error = ESK_ERROR_INIT;
    bool done = outputs || fault_set(fault, "out of memory");

    done = done && feed_files(&feed, session, &run->setup, &run->inputs, fault) &&
           feed_random(&feed, session, &run->setup, (uint64_t)run->seed, stderr, fault);
    for (int64_t i = 0; done && i < run->runs; i++) {
        double start = timing_now_ms();

        if (esk_session_run(session, NULL, feed.names, feed.values, feed.count, NULL,
                            outputs, count, &error) != ESK_OK)
            done = fault_take(fault, run->model, &error);
        else
            done = timing_add(&timing, timing_now_ms() - start) ||
                   fault_set(fault, "out of memory");
    }
    if (done && run->runs > 1)
        fprintf(stderr, "esker: %lld runs: first %.3f ms, median %.3f ms, min %.3f ms\n",
                (long long)run->runs, timing.first, timing_median(&timing),
                timing_min(&timing));
    for (size_t i = 0; done && i < count; i++)
        print_output(esk_session_output(session, i)->name, outputs[i],
                     (size_t)run->values);
    if (done && run->output && mkdir(run->output, 0777) && errno != EEXIST)
        done = fault_set(fault, "%s: %s", run->output, strerror(errno));
    for (size_t i = 0; done && run->output && i < count; i++)
        done = save_output(run->output, session, i, outputs[i], fault);
    for (size_t i = 0; outputs && i < count; i++)
        esk_value_destroy(outputs[i]);
    free(outputs);
    timing_finish(&timing);
    feed_finish(&feed);
    return done;
}

static bool run_model(const struct run *run, struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_env *env = NULL;
    bool done = setup_env(&run->setup, &env, fault) &&
                setup_options(&run->setup, NULL, &options, fault);

    if (done && esk_session_create(env, run->model, options, &session, &error) != ESK_OK)
        done = fault_take(fault, run->model, &error);
    done = done && run_session(run, session, fault);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return done;
}

static const char about[] =
    "Runs an ONNX model and prints each output's name, type, shape, minimum,\n"
    "maximum, mean and first values.";
static const char notes[] =
    "Files of inputs:\n" TENSOR_FILES_TEXT "\n\n"
    "An input that is not given is random and a line on stderr says so:\n" RANDOM_TEXT
    ".\n"
    "Its free dimensions take the size that --dim or another input gives to their\n"
    "name, else 1.";

int cmd_run(int argc, char **argv) {
    struct run run = {.runs = 1, .seed = 1, .values = 8};
    const struct arg_spec specs[] = {
        {"input", ARG_LIST, &run.inputs, "NAME=FILE", "an input from a file, see below",
         0, 0, NULL},
        {"output", ARG_TEXT, &run.output, "DIR", "writes each output to DIR/NAME.npy", 0,
         0, NULL},
        SETUP_PROVIDER(run.setup),
        SETUP_SET(run.setup),
        SETUP_DIM(run.setup),
        SETUP_DENOTATION(run.setup),
        SETUP_STRICT(run.setup),
        {"runs", ARG_INT, &run.runs, "N",
         "runs so often; times go to stderr (default: 1)", 1, 1000000000, NULL},
        {"seed", ARG_INT, &run.seed, "N", "of random inputs (default: 1)", 0, INT64_MAX,
         NULL},
        {"values", ARG_INT, &run.values, "N", "how many elements are shown (default: 8)",
         0, INT64_MAX, NULL},
        SETUP_VERBOSE(run.setup),
    };
    const struct arg_table table = {
        .usage = "esker run MODEL [options]",
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

    if (parsed == ARGS_RUN) {
        run.model = texts.items[0];
        code = run_model(&run, &fault) ? 0 : fault_report(&fault);
    }
    arg_list_finish(&texts);
    arg_list_finish(&run.inputs);
    setup_finish(&run.setup);
    return code;
}
