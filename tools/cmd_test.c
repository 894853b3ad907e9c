/* `esker test`: folders of ONNX tests, run by worker processes.
 * In: folders. Out: one line a test and a summary, text or JSON. */
#include "commands.h"
#include "compare.h"
#include "feed.h"
#include "json.h"
#include "tensor_io.h"
#include "testset.h"
#include "timing.h"
#include "workers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum verdict { PASS, FAIL, UNSUPPORTED, ERROR, VERDICTS };
static const char *const verdict_names[] = {"PASS", "FAIL", "UNSUPPORTED", "ERROR"};

/* How one test ended. */
struct outcome {
    enum verdict verdict;
    char message[4096];
    double ms, worst; /* worst: see struct comparison */
    size_t sets;      /* data sets that passed */
};

/* The command: options, tests and, in a worker, the env. */
struct test {
    struct setup setup;
    struct tolerance tolerance; /* of the command line */
    struct testset_list list;
    struct arg_list missing; /* names of --list that no test has */
    const char *list_path;
    bool json;
    int64_t jobs;
    double timeout;
    esk_env *env; /* in a worker; NULL until needed and after a device failed */
    struct outcome **outcomes; /* by test; NULL until it ended */
    size_t printed, counts[VERDICTS];
};

/* ---- In a worker ---- */

/* What a library status means for a test. */
static void fail(struct outcome *outcome, const struct fault *fault) {
    bool unsupported = fault->status == ESK_UNSUPPORTED || fault->status == ESK_FALLBACK;

    outcome->verdict = unsupported ? UNSUPPORTED : ERROR;
    snprintf(outcome->message, sizeof(outcome->message), "%s", fault->text);
}

static bool read_tolerance(const struct test *test, const char *folder,
                           struct tolerance *tolerance, struct fault *fault) {
    char path[4096];
    void *bytes;
    char *text;
    size_t size;
    FILE *file;
    bool done = true;

    snprintf(path, sizeof(path), "%s/tolerance.txt", folder);
    *tolerance = (struct tolerance){0};
    file = fopen(path, "rb");
    if (file) {
        fclose(file);
        if (!file_read(path, &bytes, &size, fault))
            return false;
        text = strndup(bytes, size);
        done = text ? tolerance_parse(text, tolerance, fault) || fault_prefix(fault, path)
                    : fault_set(fault, "out of memory");
        free(text);
        free(bytes);
    }
    if (test->tolerance.has_rtol) {
        tolerance->has_rtol = true;
        tolerance->rtol = test->tolerance.rtol;
    }
    if (test->tolerance.has_atol) {
        tolerance->has_atol = true;
        tolerance->atol = test->tolerance.atol;
    }
    return done;
}

/* Compares the outputs of one data set; the message is about the worst output. */
static void compare_set(const struct testset *item, size_t set,
                        const struct feed *expected, esk_value *const *outputs,
                        const struct tolerance *tolerance, struct outcome *outcome) {
    const char *folder = strrchr(item->sets[set], '/') + 1;
    double worst = -1;

    for (size_t i = 0; i < expected->count; i++) {
        struct comparison result;

        compare_values(outputs[i], expected->values[i], tolerance, &result);
        if (result.comparable)
            outcome->worst = fmax(outcome->worst, result.worst);
        if (result.pass || (result.comparable ? result.worst : (double)INFINITY) <= worst)
            continue;
        worst = result.comparable ? result.worst : (double)INFINITY;
        outcome->verdict = FAIL;
        snprintf(outcome->message, sizeof(outcome->message), "%s%soutput '%s'%s",
                 item->set_count > 1 ? folder : "", item->set_count > 1 ? ": " : "",
                 expected->names[i], result.text);
    }
}

static bool run_set(esk_session *session, const struct testset *item, size_t set,
                    const struct tolerance *tolerance, struct outcome *outcome,
                    struct fault *fault) {
    struct feed inputs = {0}, expected = {0};
    esk_value **outputs = NULL;
    esk_error error = ESK_ERROR_INIT;
    bool done = feed_data_set(&inputs, session, FEED_INPUTS, item->sets[set], fault) &&
                feed_data_set(&expected, session, FEED_OUTPUTS, item->sets[set], fault);

    if (done && !expected.count)
        done = fault_set(fault, "%s holds no output_N.pb", item->sets[set]);
    if (done && !(outputs = calloc(expected.count, sizeof(*outputs))))
        done = fault_set(fault, "out of memory");
    if (done &&
        esk_session_run(session, NULL, inputs.names, inputs.values, inputs.count,
                        expected.names, outputs, expected.count, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    if (done)
        compare_set(item, set, &expected, outputs, tolerance, outcome);
    for (size_t i = 0; outputs && i < expected.count; i++)
        esk_value_destroy(outputs[i]);
    free(outputs);
    feed_finish(&inputs);
    feed_finish(&expected);
    return done;
}

/* The options of a test's session. The device stays open between tests unless --set says
 * otherwise. */
static bool test_options(const struct test *test, esk_session_options **options,
                         struct fault *fault) {
    struct setup setup = test->setup;
    bool done;

    setup.sets = (struct arg_list){0};
    done = arg_list_add(&setup.sets, "preserveDevice=1") ||
           fault_set(fault, "out of memory");
    for (size_t i = 0; done && i < test->setup.sets.count; i++)
        done = arg_list_add(&setup.sets, test->setup.sets.items[i]) ||
               fault_set(fault, "out of memory");
    done = done && setup_options(&setup, NULL, options, fault);
    arg_list_finish(&setup.sets);
    return done;
}

static bool run_test(struct test *test, const struct testset *item,
                     struct outcome *outcome, struct fault *fault) {
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_error error = ESK_ERROR_INIT;
    struct tolerance tolerance;
    char path[4096];
    bool done = read_tolerance(test, item->path, &tolerance, fault) &&
                (test->env || setup_env(&test->setup, &test->env, fault)) &&
                test_options(test, &options, fault);

    snprintf(path, sizeof(path), "%s/model.onnx", item->path);
    if (done && esk_session_create(test->env, path, options, &session, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    for (size_t i = 0; done && i < item->set_count && outcome->verdict == PASS; i++) {
        done = run_set(session, item, i, &tolerance, outcome, fault);
        outcome->sets += done && outcome->verdict == PASS;
    }
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    return done;
}

/* One test; its outcome as JSON. */
static char *work(void *user, size_t index) {
    struct test *test = user;
    const struct testset *item = &test->list.items[index];
    struct outcome outcome = {.verdict = PASS};
    double start = timing_now_ms();
    struct fault fault = {0};
    json_t *tree = json_object();
    char *text;

    test->setup.log_prefix = item->name;
    if (!run_test(test, item, &outcome, &fault)) {
        fail(&outcome, &fault);
        if (fault.status == ESK_DEVICE_LOST || fault.status == ESK_DEVICE_ERROR ||
            fault.status == ESK_TIMEOUT) { /* the next test gets a fresh device */
            esk_env_destroy(test->env);
            test->env = NULL;
        }
    }
    json_object_set_new(tree, "verdict", json_integer(outcome.verdict));
    json_object_set_new(tree, "message", json_text(outcome.message));
    json_object_set_new(tree, "ms", json_decimal(timing_now_ms() - start, 3));
    json_object_set_new(tree, "worst", json_decimal(outcome.worst, 6));
    json_object_set_new(tree, "sets", json_integer((json_int_t)outcome.sets));
    text = json_dumps(tree, JSON_COMPACT);
    json_decref(tree);
    return text;
}

static void close_worker(void *user) {
    struct test *test = user;

    esk_env_destroy(test->env);
    test->env = NULL;
}

/* ---- In the parent ---- */

/* One line: line ends become "; " (or " " after a colon), indents go. */
static void flatten(char *text, size_t size) {
    char *copy = strdup(text), *line, *next = copy;
    size_t used = 0;

    *text = 0;
    while (next && (line = strsep(&next, "\n"))) {
        size_t length;
        const char *gap = !used ? "" : text[used - 1] == ':' ? " " : "; ";

        line += strspn(line, " ");
        length = strlen(line);
        while (length && line[length - 1] == ' ')
            length--;
        if (!length || used >= size)
            continue;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%.*s", gap, (int)length, line);
        used = used < size ? used : size - 1;
    }
    free(copy);
}

static void print_outcome(const struct test *test, const char *name, const char *path,
                          const struct outcome *outcome) {
    json_t *tree;

    if (!test->json) {
        printf("%s %s%s%s\n", verdict_names[outcome->verdict], name,
               *outcome->message ? ": " : "", outcome->message);
        fflush(stdout);
        return;
    }
    tree = json_object();
    json_object_set_new(tree, "name", json_text(name));
    json_object_set_new(tree, "path", json_text(path));
    json_object_set_new(tree, "result", json_text(verdict_names[outcome->verdict]));
    json_object_set_new(tree, "message", json_text(outcome->message));
    json_object_set_new(tree, "data_sets", json_integer((json_int_t)outcome->sets));
    json_object_set_new(tree, "ms", json_decimal(outcome->ms, 3));
    json_object_set_new(tree, "worst", json_decimal(outcome->worst, 6));
    json_line(tree);
}

static void parse_outcome(const char *reply, struct outcome *outcome) {
    json_t *tree = json_loads(reply, 0, NULL);
    json_int_t verdict = json_integer_value(json_object_get(tree, "verdict"));
    const char *message = json_string_value(json_object_get(tree, "message"));

    outcome->verdict =
        tree && verdict >= 0 && verdict < VERDICTS ? (enum verdict)verdict : ERROR;
    snprintf(outcome->message, sizeof(outcome->message), "%s",
             message ? message : "bad reply of the worker");
    outcome->ms = json_number_value(json_object_get(tree, "ms"));
    outcome->sets = (size_t)json_integer_value(json_object_get(tree, "sets"));
    outcome->worst = json_is_null(json_object_get(tree, "worst"))
                         ? (double)INFINITY
                         : json_number_value(json_object_get(tree, "worst"));
    json_decref(tree);
}

/* A test ended: prints it and those behind it that waited for it. */
static void take_outcome(void *user, size_t index, const char *reply, const char *why) {
    struct test *test = user;
    struct outcome *outcome = calloc(1, sizeof(*outcome));

    if (!outcome) {
        fprintf(stderr, "esker: out of memory\n");
        exit(1);
    }
    if (reply) {
        parse_outcome(reply, outcome);
    } else {
        outcome->verdict = ERROR;
        snprintf(outcome->message, sizeof(outcome->message), "%s", why);
    }
    flatten(outcome->message, sizeof(outcome->message));
    test->counts[outcome->verdict]++;
    test->outcomes[index] = outcome;
    while (test->printed < test->list.count && test->outcomes[test->printed]) {
        size_t at = test->printed++;

        print_outcome(test, test->list.items[at].name, test->list.items[at].path,
                      test->outcomes[at]);
        free(test->outcomes[at]);
    }
}

static void print_missing(struct test *test) {
    struct outcome outcome = {.verdict = ERROR};

    snprintf(outcome.message, sizeof(outcome.message), "named in %s but not found",
             test->list_path);
    for (size_t i = 0; i < test->missing.count; i++) {
        test->counts[ERROR]++;
        print_outcome(test, test->missing.items[i], "", &outcome);
    }
}

static void print_summary(const struct test *test) {
    size_t failed = test->counts[FAIL] + test->counts[ERROR];
    json_t *tree;

    if (!test->json) {
        if (test->counts[ERROR])
            printf("%zu of the failed ended with an error\n", test->counts[ERROR]);
        printf("%zu passed, %zu failed, %zu unsupported\n", test->counts[PASS], failed,
               test->counts[UNSUPPORTED]);
        return;
    }
    tree = json_object();
    json_object_set_new(tree, "passed", json_integer((json_int_t)test->counts[PASS]));
    json_object_set_new(tree, "failed", json_integer((json_int_t)failed));
    json_object_set_new(tree, "unsupported",
                        json_integer((json_int_t)test->counts[UNSUPPORTED]));
    json_object_set_new(tree, "errors", json_integer((json_int_t)test->counts[ERROR]));
    json_line(tree);
}

static bool find_tests(struct test *test, const struct arg_list *roots, char **names,
                       struct fault *fault) {
    void *bytes;
    size_t size;

    for (size_t i = 0; i < roots->count; i++)
        if (!testset_find(roots->items[i], true, &test->list, fault))
            return false;
    testset_sort(&test->list);
    if (test->list_path) {
        if (!file_read(test->list_path, &bytes, &size, fault))
            return false;
        *names = strndup(bytes, size);
        free(bytes);
        if (!*names)
            return fault_set(fault, "out of memory");
        if (!testset_select(&test->list, *names, &test->missing, fault))
            return false;
    }
    if (!test->list.count && !test->missing.count)
        return fault_set(fault, "no folder with model.onnx and test_data_set_* %s",
                         test->list_path ? "is named in the list" : "was found");
    return true;
}

static bool run_all(struct test *test, const struct arg_list *roots,
                    struct fault *fault) {
    struct workers workers = {.processes = (int)test->jobs,
                              .timeout_s = test->timeout,
                              .user = test,
                              .work = work,
                              .close = close_worker,
                              .done = take_outcome};
    esk_session_options *options;
    char *names = NULL;
    bool ran;

    /* a wrong option is one message, not one a test; touches no device */
    if (!setup_options(&test->setup, NULL, &options, fault))
        return false;
    esk_session_options_destroy(options);
    if (!find_tests(test, roots, &names, fault)) {
        free(names);
        return false;
    }
    test->outcomes = calloc(test->list.count + 1, sizeof(*test->outcomes));
    workers.jobs = test->list.count;
    ran =
        test->outcomes ? workers_run(&workers, fault) : fault_set(fault, "out of memory");
    print_missing(test);
    print_summary(test);
    free(test->outcomes);
    free(names);
    return ran;
}

static const char about[] =
    "Runs every folder at or below each DIR that holds model.onnx and\n"
    "test_data_set_*, and compares with the expected outputs. One line a test, by\n"
    "name: PASS, FAIL (with the worst element), UNSUPPORTED (with the operator and\n"
    "the reason; with --strict also a node that would fall back) or ERROR; then\n"
    "`N passed, N failed, N unsupported`, where ERROR counts as failed. The exit\n"
    "code is 0 when nothing failed: UNSUPPORTED alone is no failure.";
static const char notes[] =
    "An element passes if |a-b| <= atol + rtol*|b|; by default rtol 1e-3, atol\n"
    "1e-5, for float16 and smaller 2e-2, 2e-3. Booleans are exact, integers too\n"
    "unless an atol is given (rtol never counts for them). NaN equals NaN. A\n"
    "file tolerance.txt in the folder overrides that: lines `rtol X`, `atol X`,\n"
    "`scale rms` (|b| counts as at least the output's root mean square); the\n"
    "command line overrides both. input_N.pb is the input that its tensor\n"
    "names, else the N-th one; outputs likewise. preserveDevice is 1 unless\n"
    "--set says otherwise.";

int cmd_test(int argc, char **argv) {
    struct test test = {.jobs = 1, .timeout = 120};
    struct tolerance *tolerance = &test.tolerance;
    const struct arg_spec specs[] = {
        SETUP_PROVIDER(test.setup),
        SETUP_STRICT(test.setup),
        SETUP_SET(test.setup),
        SETUP_DIM(test.setup),
        SETUP_DENOTATION(test.setup),
        {"rtol", ARG_REAL, &tolerance->rtol, "X", "relative tolerance of all outputs", 0,
         0, &tolerance->has_rtol},
        {"atol", ARG_REAL, &tolerance->atol, "X", "absolute tolerance of all outputs", 0,
         0, &tolerance->has_atol},
        {"list", ARG_TEXT, &test.list_path, "FILE",
         "takes the tests named there, one a line (the first word;\n"
         "'#' begins a comment); a name that no test has is an ERROR",
         0, 0, NULL},
        {"jobs", ARG_INT, &test.jobs, "N",
         "worker processes (default: 1); 0: no worker, for debuggers", 0, 256, NULL},
        {"timeout", ARG_REAL, &test.timeout, "S",
         "kills a worker whose test takes longer (default: 120 s)", 0, 0, NULL},
        {"json", ARG_FLAG, &test.json, NULL, "one JSON object a test, then one of sums",
         0, 0, NULL},
        SETUP_VERBOSE(test.setup),
    };
    const struct arg_table table = {
        .usage = "esker test DIR... [options]",
        .about = about,
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
        .notes = notes,
        .min_texts = 1,
        .max_texts = (size_t)-1,
        .texts = "DIR",
    };
    struct arg_list texts = {0};
    struct fault fault;
    enum arg_result parsed = args_parse(&table, argc, argv, &texts, stdout, stderr);
    int code = parsed == ARGS_HELP ? 0 : 2;

    if (parsed == ARGS_RUN) {
        code = run_all(&test, &texts, &fault) ? 0 : fault_report(&fault);
        if (test.counts[FAIL] + test.counts[ERROR])
            code = 1;
    }
    testset_finish(&test.list);
    arg_list_finish(&test.missing);
    arg_list_finish(&texts);
    setup_finish(&test.setup);
    return code;
}
