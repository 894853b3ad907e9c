/* The operator runner: rows of tests/ops.txt on the CPU provider and on GLCompute,
 * strict, under several device settings. In: rows. Out: one line a failing row, then the
 * counts. Must not know operators; uses the public API only, with the tool's own parts.
 *
 *   node NAME [cpu] [fallback]   a node test of ONNX that must pass; cpu: on the CPU
 * only; fallback: on GLCompute without strict case …                       an inline
 * case, see case.h; the CPU is the oracle #                            a comment */
#include "args.h"
#include "case.h"
#include "draw.h"
#include "setup.h"
#include "tensor_io.h"
#include "testset.h"
#include "workers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_VARIANTS = 16, SKIP_CODE = 77 };

struct row {
    const char *path;
    size_t line;
    const char *text; /* without "case " or "node " */
    bool node, drawn; /* drawn: may be refused, by the CPU or by a device */
};

/* One way to open the device, e.g. "readPath=ssbo"; the first is the CPU provider. */
struct variant {
    const char *text;
    struct setup setup;
    esk_env *env; /* in a worker; NULL until needed */
};

struct runner {
    struct row *rows;
    size_t n_rows, cap_rows;
    struct variant variants[MOST_VARIANTS];
    size_t n_variants;
    struct arg_list folders; /* where node tests are looked for */
    bool verbose, no_device; /* no_device: in a worker */
    size_t passed, failed, skipped, idle, refused;
    bool device_missing;
    char skip_reason[512];
};

static const char *const standard[] = {"readPath=image", "readPath=ssbo", "clamp=es31",
                                       "poison=1", "maxGroups=3"};

/* ---- in a worker: one row ---- */

static bool close_device_on(struct runner *runner, struct variant *variant,
                            const struct fault *fault) {
    bool lost = fault->status == ESK_DEVICE_LOST || fault->status == ESK_DEVICE_ERROR ||
                fault->status == ESK_TIMEOUT;

    if (lost) { /* the next row gets a fresh one */
        esk_env_destroy(variant->env);
        variant->env = NULL;
    }
    runner->no_device |= fault->status == ESK_NO_DEVICE;
    return false;
}

static bool options_of(struct variant *variant, bool strict,
                       esk_session_options **options, struct fault *fault) {
    variant->setup.strict = strict;
    return (variant->env || setup_env(&variant->setup, &variant->env, fault)) &&
           setup_options(&variant->setup, NULL, options, fault);
}

static bool run_session(esk_session *session, const struct feed *inputs,
                        const char *const *names, esk_value **outputs, size_t count,
                        struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;

    if (esk_session_run(session, NULL, inputs->names, inputs->values, inputs->count,
                        names, outputs, names ? count : 0, &error) != ESK_OK)
        return fault_take(fault, NULL, &error);
    return true;
}

static bool busy(esk_session *session) {
    esk_session_stats stats = {.struct_size = sizeof(stats)};

    return esk_session_get_stats(session, &stats, NULL) != ESK_OK || stats.commands;
}

static bool expect_commands(esk_session *session, int commands, struct fault *fault) {
    esk_session_stats stats = {.struct_size = sizeof(stats)};

    if (esk_session_get_stats(session, &stats, NULL) != ESK_OK)
        return fault_set(fault, "no statistics");
    return stats.commands == (uint64_t)commands ||
           fault_set(fault, "%llu commands, expected %d",
                     (unsigned long long)stats.commands, commands);
}

/* An inline case: the CPU's outputs first, then every variant against them. */
static bool run_case_on(struct runner *runner, struct variant *variant,
                        const struct op_case *made, esk_value **expected, size_t *count,
                        bool *worked, struct fault *fault) {
    bool oracle = variant == runner->variants;
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_error error = ESK_ERROR_INIT;
    esk_value *outputs[8] = {NULL};
    size_t n = esk_model_output_count(made->model);
    bool done = options_of(variant, !oracle && !made->fallback, &options, fault);

    if (done && esk_session_create_from_model(variant->env, made->model, options,
                                              &session, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    done = done && run_session(session, &made->inputs, NULL, outputs, n, fault);
    if (done && !oracle)
        *worked |= busy(session);
    if (done && variant->text == standard[0] && made->commands >= 0)
        done = expect_commands(session, made->commands, fault);
    for (size_t i = 0; done && !oracle && i < n; i++) {
        struct comparison result;

        compare_values(outputs[i], expected[i], &made->tolerance, &result);
        if (!result.pass)
            done = fault_set(fault, "output %zu%s", i, result.text);
    }
    for (size_t i = 0; i < n; i++)
        if (oracle)
            expected[i] = outputs[i];
        else
            esk_value_destroy(outputs[i]);
    if (oracle)
        *count = n;
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    return done;
}

static bool is_refusal(const struct fault *fault) {
    return fault->status == ESK_UNSUPPORTED || fault->status == ESK_FALLBACK ||
           fault->status == ESK_INVALID_MODEL || fault->status == ESK_INVALID_ARGUMENT;
}

/* *refused: an inline case that may be refused was, by the CPU or a variant. */
static bool run_case(struct runner *runner, const char *text, bool drawn, bool *refused,
                     bool *worked, struct fault *fault) {
    struct op_case made;
    esk_value *expected[8] = {NULL};
    size_t count = 0;
    bool done = case_make(text, &made, fault);

    for (size_t v = 0; done && v < runner->n_variants; v++) {
        if (v && runner->no_device)
            break;
        if (!run_case_on(runner, &runner->variants[v], &made, expected, &count, worked,
                         fault)) {
            if (drawn && is_refusal(fault)) {
                *refused = true;
                if (!v)
                    break;
                continue;
            }
            close_device_on(runner, &runner->variants[v], fault);
            done = v && runner->no_device;
            if (!done)
                fault_prefix(fault, runner->variants[v].text);
        }
    }
    for (size_t i = 0; i < count; i++)
        esk_value_destroy(expected[i]);
    case_finish(&made);
    return done;
}

static bool compare_set(const struct feed *expected, esk_value *const *outputs,
                        struct fault *fault) {
    for (size_t i = 0; i < expected->count; i++) {
        struct tolerance tolerance = {0};
        struct comparison result;

        compare_values(outputs[i], expected->values[i], &tolerance, &result);
        if (!result.pass)
            return fault_set(fault, "output '%s'%s", expected->names[i], result.text);
    }
    return true;
}

static bool run_node_set(esk_session *session, const char *folder, struct fault *fault) {
    struct feed inputs = {0}, expected = {0};
    esk_value *outputs[64] = {NULL};
    bool done = feed_data_set(&inputs, session, FEED_INPUTS, folder, fault) &&
                feed_data_set(&expected, session, FEED_OUTPUTS, folder, fault);

    if (done && (!expected.count || expected.count > 64))
        done = fault_set(fault, "%s holds %zu outputs", folder, expected.count);
    done =
        done &&
        run_session(session, &inputs, expected.names, outputs, expected.count, fault) &&
        compare_set(&expected, outputs, fault);
    for (size_t i = 0; i < 64; i++)
        esk_value_destroy(outputs[i]);
    feed_finish(&inputs);
    feed_finish(&expected);
    return done;
}

static bool run_node_on(struct variant *variant, const struct testset *item, bool strict,
                        bool *worked, struct fault *fault) {
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_error error = ESK_ERROR_INIT;
    char path[4096];
    bool done = options_of(variant, strict, &options, fault);

    snprintf(path, sizeof(path), "%s/model.onnx", item->path);
    if (done &&
        esk_session_create(variant->env, path, options, &session, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    for (size_t i = 0; done && i < item->set_count; i++)
        done = run_node_set(session, item->sets[i], fault);
    if (done)
        *worked |= busy(session);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    return done;
}

static bool has_word(const char *text, const char *word) {
    size_t length = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if (at[-1] == ' ' && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

/* The first folder that has the test; *found tells whether one has. */
static bool find_node(const struct runner *runner, const char *name,
                      struct testset_list *list, bool *found, struct fault *fault) {
    *found = false;
    for (size_t i = 0; i < runner->folders.count && !*found; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s/model.onnx", runner->folders.items[i], name);
        if (access(path, R_OK))
            continue;
        *strrchr(path, '/') = 0;
        if (!testset_find(path, true, list, fault))
            return false;
        *found = list->count == 1;
    }
    return true;
}

static bool run_node(struct runner *runner, const char *text, bool *found, bool *worked,
                     struct fault *fault) {
    struct testset_list list = {0};
    char name[256];
    bool done, cpu = has_word(text, "cpu"), fallback = has_word(text, "fallback");

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, " "), text);
    done = find_node(runner, name, &list, found, fault);
    for (size_t v = 0; done && *found && v < (cpu ? 1 : runner->n_variants); v++) {
        if (v && runner->no_device)
            break;
        bool strict = v && !fallback, at_work = false;
        if (!run_node_on(&runner->variants[v], list.items, strict, &at_work, fault)) {
            close_device_on(runner, &runner->variants[v], fault);
            done = v && runner->no_device;
            if (!done)
                fault_prefix(fault, runner->variants[v].text);
        }
        *worked |= v && at_work;
    }
    *worked |= cpu;
    testset_finish(&list);
    return done;
}

/* The reply: a letter (Passed, Failed, Skipped, Idle: passed without work for the
 * device), 'd' or '-' for the device, then the message. */
static char *work(void *user, size_t index) {
    struct runner *runner = user;
    const struct row *row = &runner->rows[index];
    struct fault fault = {0};
    bool found = true, worked = false, refused = false;
    char *reply = NULL;
    bool done = row->node
                    ? run_node(runner, row->text, &found, &worked, &fault)
                    : run_case(runner, row->text, row->drawn, &refused, &worked, &fault);
    char letter = !done                         ? 'F'
                  : !found                      ? 'S'
                  : refused                     ? 'R'
                  : worked || runner->no_device ? 'P'
                                                : 'I';

    if (asprintf(&reply, "%c%c%s", letter, runner->no_device ? '-' : 'd',
                 done && !refused ? "" : fault.text) < 0)
        return NULL;
    return reply;
}

static void close_worker(void *user) {
    struct runner *runner = user;

    for (size_t v = 0; v < runner->n_variants; v++)
        esk_env_destroy(runner->variants[v].env);
}

/* ---- in the parent ---- */

/* One line of at most 600 characters. */
static const char *one_line(const char *text, char *line, size_t size) {
    snprintf(line, size, "%s", text);
    for (char *end; (end = strchr(line, '\n'));)
        *end = ';';
    return line;
}

static void take(void *user, size_t index, const char *reply, const char *why) {
    struct runner *runner = user;
    const struct row *row = &runner->rows[index];
    char line[600];

    if (reply && reply[0] && reply[1] == '-')
        runner->device_missing = true;
    if (!reply || reply[0] == 'F') {
        runner->failed++;
        printf("FAIL %s:%zu: %s %s: %s\n", row->path, row->line,
               row->node ? "node" : "case", row->text,
               one_line(reply ? reply + 2 : why, line, sizeof(line)));
    } else if (reply[0] == 'R') {
        runner->refused++;
        if (runner->verbose)
            printf("REFUSED %s:%zu: %s: %s\n", row->path, row->line, row->text,
                   one_line(reply + 2, line, sizeof(line)));
    } else if (reply[0] == 'S') {
        runner->skipped++;
        if (runner->skipped == 1)
            snprintf(runner->skip_reason, sizeof(runner->skip_reason),
                     "skipped: no folder has the node test '%.200s' (and perhaps more)",
                     row->text);
    } else {
        runner->passed++;
        runner->idle += reply[0] == 'I';
        if (runner->verbose)
            printf("PASS %s:%zu: %s%s\n", row->path, row->line, row->text,
                   reply[0] == 'I' ? " (nothing for the device)" : "");
    }
    fflush(stdout);
}

static bool add_row(struct runner *runner, const char *path, size_t line, char *text,
                    const char *filter, struct fault *fault) {
    bool node = !strncmp(text, "node ", 5);

    if (!*text || *text == '#')
        return true;
    if (!node && strncmp(text, "case ", 5))
        return fault_set(fault, "%s:%zu: '%.40s' is neither a node nor a case row", path,
                         line, text);
    if (filter && !strstr(text, filter))
        return true;
    if (runner->n_rows == runner->cap_rows) {
        size_t more = runner->cap_rows ? 2 * runner->cap_rows : 256;
        struct row *rows = realloc(runner->rows, more * sizeof(*rows));

        if (!rows)
            return fault_set(fault, "out of memory");
        runner->rows = rows;
        runner->cap_rows = more;
    }
    text += 5;
    text += strspn(text, " ");
    runner->rows[runner->n_rows++] =
        (struct row){.path = path, .line = line, .text = text, .node = node};
    return true;
}

/* Adds `count` random rows; row i is drawn from seed + i. */
static bool add_drawn(struct runner *runner, int64_t count, int64_t seed,
                      const char *filter, struct fault *fault) {
    printf("# %" PRId64 " rows drawn from seed %" PRId64 "\n", count, seed);
    for (int64_t i = 0; i < count; i++) {
        char text[1024] = "case ";
        size_t before = runner->n_rows;
        draw_row((uint64_t)(seed + i), text + 5, sizeof(text) - 5);
        char *kept = strdup(text); /* for good */

        if (!kept)
            return fault_set(fault, "out of memory");
        if (!add_row(runner, "seed", (size_t)(seed + i), kept, filter, fault))
            return false;
        if (runner->n_rows > before)
            runner->rows[before].drawn = true;
    }
    return true;
}

/* Adds the rows of a file; its bytes are kept for good. */
static bool add_file(struct runner *runner, const char *path, const char *filter,
                     struct fault *fault) {
    void *bytes;
    size_t size, line = 0;
    char *text, *next;

    if (!file_read(path, &bytes, &size, fault))
        return false;
    text = next = strndup(bytes, size);
    free(bytes);
    if (!text)
        return fault_set(fault, "out of memory");
    while (next) {
        char *at = strsep(&next, "\n"), *end;

        line++;
        at += strspn(at, " \t");
        end = at + strlen(at);
        while (end > at && strchr(" \t\r", end[-1]))
            *--end = 0;
        if (!add_row(runner, path, line, at, filter, fault))
            return false;
    }
    return true;
}

/* Every `step`-th row, so that a slow lane can take a sample. */
static void thin(struct runner *runner, int64_t step) {
    size_t kept = 0;

    for (size_t i = 0; i < runner->n_rows; i += (size_t)step)
        runner->rows[kept++] = runner->rows[i];
    runner->n_rows = kept;
}

static bool add_variant(struct runner *runner, const char *text, bool device,
                        struct fault *fault) {
    struct variant *variant;
    char *next;

    if (runner->n_variants == MOST_VARIANTS)
        return fault_set(fault, "too many device settings");
    variant = &runner->variants[runner->n_variants++];
    variant->text = text;
    variant->setup.log_prefix = text;
    if (!arg_list_add(&variant->setup.providers, device ? "GLCompute" : "CPU"))
        return fault_set(fault, "out of memory");
    if (!device)
        return true;
    next = strdup(text); /* for good: the list points into it */
    if (!next || !arg_list_add(&variant->setup.sets, "preserveDevice=1"))
        return fault_set(fault, "out of memory");
    while (next && *next)
        if (!arg_list_add(&variant->setup.sets, strsep(&next, ",")))
            return fault_set(fault, "out of memory");
    return true;
}

/* The rows as a file of rows, for another oracle: tests/third_opinion.py. */
static void print_rows(const struct runner *runner) {
    for (size_t i = 0; i < runner->n_rows; i++)
        if (!runner->rows[i].node)
            printf("case %s\n", runner->rows[i].text);
}

static bool add_folders(struct runner *runner, struct fault *fault) {
    const char *data = getenv("ESKER_TESTDATA");
    static char shared[4096];

    snprintf(shared, sizeof(shared), "%s/onnx-node", data ? data : "../shared");
    if (!arg_list_add(&runner->folders, "/usr/share/libonnx-testdata/data/node") ||
        !arg_list_add(&runner->folders, shared))
        return fault_set(fault, "out of memory");
    return true;
}

static int finish(const struct runner *runner) {
    const char *required = getenv("ESKER_REQUIRE_DEVICE");

    if (runner->skipped)
        printf("%s\n", runner->skip_reason);
    if (runner->idle)
        printf("%zu of the passed had nothing for the device\n", runner->idle);
    if (runner->device_missing)
        printf("no GLES device: the rows ran on the CPU only\n");
    if (runner->refused)
        printf("%zu drawn rows were refused by the CPU or a device\n", runner->refused);
    printf("%zu passed, %zu failed, %zu skipped\n", runner->passed, runner->failed,
           runner->skipped);
    if (runner->failed || !(runner->passed + runner->skipped))
        return 1;
    if (runner->device_missing)
        return required && *required == '1' ? 1 : SKIP_CODE;
    return 0;
}

int main(int argc, char **argv) {
    static struct runner runner; /* what it holds lives until the process ends */
    static struct arg_list files, settings, texts;
    const char *filter = NULL;
    int64_t jobs = 1, step = 1, drawn = 0, seed = 1;
    bool cpu = false, print = false;
    struct fault fault;
    const struct arg_spec specs[] = {
        {"rows", ARG_LIST, &files, "FILE", "rows to run (default: tests/ops.txt)", 0, 0,
         NULL},
        {"filter", ARG_TEXT, &filter, "TEXT", "only rows that hold TEXT", 0, 0, NULL},
        {"device-set", ARG_LIST, &settings, "K=V,K=V",
         "a device setting instead of the standard ones; \"\" for none", 0, 0, NULL},
        {"draw", ARG_INT, &drawn, "N", "N random rows besides (instead, without --rows)",
         0, 100000000, NULL},
        {"seed", ARG_INT, &seed, "N", "of the first random row", 0, INT64_MAX / 2, NULL},
        {"cpu", ARG_FLAG, &cpu, NULL, "no device at all", 0, 0, NULL},
        {"step", ARG_INT, &step, "N", "only every N-th row", 1, 100000, NULL},
        {"print", ARG_FLAG, &print, NULL, "print the rows, run none", 0, 0, NULL},
        {"jobs", ARG_INT, &jobs, "N", "worker processes; 0: none, for debuggers", 0, 64,
         NULL},
        {"verbose", ARG_FLAG, &runner.verbose, NULL, "passing rows too", 0, 0, NULL},
    };
    const struct arg_table table = {
        .usage = "ops [options]",
        .about = "Runs rows of tests/ops.txt on the CPU and on GLCompute.",
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
        .max_texts = 0,
        .texts = "",
    };
    enum arg_result parsed = args_parse(&table, argc, argv, &texts, stdout, stderr);
    bool done;

    if (parsed != ARGS_RUN)
        return parsed == ARGS_HELP ? 0 : 2;
    done = add_variant(&runner, "CPU", false, &fault) && add_folders(&runner, &fault);
    for (size_t i = 0; done && !cpu && i < settings.count; i++)
        done = add_variant(&runner, settings.items[i], true, &fault);
    for (size_t i = 0; done && !cpu && !settings.count && i < 5; i++)
        done = add_variant(&runner, standard[i], true, &fault);
    for (size_t i = 0; done && i < files.count; i++)
        done = add_file(&runner, files.items[i], filter, &fault);
    if (done && drawn)
        done = add_drawn(&runner, drawn, seed, filter, &fault);
    if (done && !files.count && !drawn)
        done = add_file(&runner, OPS_ROWS, filter, &fault);
    if (done && step > 1)
        thin(&runner, step);
    if (done && print)
        return print_rows(&runner), 0;
    if (done) {
        const struct workers workers = {.jobs = runner.n_rows,
                                        .processes = (int)jobs,
                                        .timeout_s = 120,
                                        .user = &runner,
                                        .work = work,
                                        .close = close_worker,
                                        .done = take};
        done = workers_run(&workers, &fault);
    }
    if (!done)
        return fault_report(&fault);
    return finish(&runner);
}
