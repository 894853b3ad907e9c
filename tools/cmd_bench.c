/* `esker bench`: how long models take, each in a process of its own.
 * In: models or folders of them. Out: a table or JSON lines. */
#include "commands.h"
#include "feed.h"
#include "json.h"
#include "peak.h"
#include "profiled.h"
#include "random.h"
#include "testset.h"
#include "timing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Without --runs: as many as fit, within these. */
enum { LEAST_RUNS = 5, MOST_RUNS = 200 };

struct bench {
    struct setup setup;
    struct testset_list list;
    int64_t runs;   /* 0: by time */
    double seconds; /* that time */
    int64_t seed;
    bool json, peak, nodes;
    struct profiled profiled;
};

/* One model on one provider. */
struct entry {
    char path[4096], name[256];
    const char *provider;
    const char *data; /* a folder of inputs; NULL: random ones */
};

/* What was measured. */
struct figures {
    double create_ms;
    struct timing timing;
    esk_session_stats stats;
    uint64_t dispatches;  /* of one run */
    uint64_t on_caller;   /* of them: inline */
    esk_device_peak peak; /* with --nodes, and the profile too */
    esk_profile *profile;
};

static void draw_progress(const struct entry *entry, double part, size_t runs) {
    enum { WIDTH = 30 };
    int full = (int)(part * WIDTH);

    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%-28.28s %-10s [", entry->name, entry->provider);
    for (int i = 0; i < WIDTH; i++)
        fputc(i < full ? '#' : ' ', stderr);
    fprintf(stderr, "] %zu runs", runs);
}

static void clear_progress(void) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%-100s\r", "");
}

/* The first run, then runs on values that are kept. */
static bool time_runs(const struct bench *bench, const struct entry *entry,
                      esk_session *session, struct figures *figures,
                      struct fault *fault) {
    size_t count = esk_session_output_count(session);
    esk_value **outputs = calloc(count + 1, sizeof(*outputs));
    struct feed feed = {0};
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before = {.struct_size = sizeof(before)};
    double begin = timing_now_ms(), part = 0;
    int64_t run = 0;
    bool done = outputs || fault_set(fault, "out of memory");

    if (done && entry->data)
        done = feed_data_set(&feed, session, FEED_INPUTS, entry->data, fault);
    done = done &&
           feed_random(&feed, session, &bench->setup, (uint64_t)bench->seed, NULL, fault);
    for (; done && part < 1; run++) {
        double start = timing_now_ms(), end;
        int64_t later = run; /* runs after the first, with this one */

        if (esk_session_run(session, NULL, feed.names, feed.values, feed.count, NULL,
                            outputs, count, &error) != ESK_OK) {
            done = fault_take(fault, NULL, &error);
            break;
        }
        end = timing_now_ms();
        if (!timing_add(&figures->timing, end - start))
            done = fault_set(fault, "out of memory");
        if (!run) { /* what follows is steady */
            esk_session_get_stats(session, &before, NULL);
            begin = timing_now_ms();
            continue;
        }
        part = bench->runs          ? (double)later / (double)bench->runs
               : later < LEAST_RUNS ? 0
               : later >= MOST_RUNS ? 1
                                    : (end - begin) / (1e3 * bench->seconds);
        draw_progress(entry, part < 1 ? part : 1, (size_t)later);
    }
    figures->stats.struct_size = sizeof(figures->stats);
    if (done && esk_session_get_stats(session, &figures->stats, &error) != ESK_OK)
        done = fault_take(fault, NULL, &error);
    if (done)
        figures->dispatches =
            (figures->stats.dispatches - before.dispatches) / (uint64_t)(run - 1);
    if (done)
        figures->on_caller =
            (figures->stats.inline_dispatches - before.inline_dispatches) /
            (uint64_t)(run - 1);
    if (done && bench->nodes)
        done = profiled_runs(&bench->profiled, session, &feed, &figures->profile, fault);
    for (size_t i = 0; outputs && i < count; i++)
        esk_value_destroy(outputs[i]);
    free(outputs);
    feed_finish(&feed);
    return done;
}

static bool measure(const struct bench *bench, const struct entry *entry,
                    struct figures *figures, struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_env *env = NULL;
    double start;
    bool done = setup_env(&bench->setup, &env, fault) &&
                setup_options(&bench->setup, entry->provider, &options, fault);

    if (done) {
        draw_progress(entry, 0, 0);
        start = timing_now_ms();
        if (esk_session_create(env, entry->path, options, &session, &error) != ESK_OK)
            done = fault_take(fault, NULL, &error);
        figures->create_ms = timing_now_ms() - start;
    }
    done = done && time_runs(bench, entry, session, figures, fault);
    if (done && bench->nodes && !strcmp(entry->provider, "GLCompute"))
        done = peak_measure(&bench->setup, env, &figures->peak, fault);
    clear_progress();
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return done;
}

/* The most memory this process ever held, in bytes. */
static uint64_t peak_resident(void) {
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}

static uint64_t peak_bytes(const struct figures *figures) {
    uint64_t device = figures->stats.device_peak_bytes;

    return device ? device : peak_resident();
}

static bool print_json(const struct entry *entry, struct figures *figures) {
    const esk_device_peak *peak = figures->peak.gflops > 0 ? &figures->peak : NULL;
    json_t *tree = peak ? peak_tree(peak) : json_object();
    struct fault fault;
    const esk_session_stats *stats = &figures->stats;

    json_object_set_new(tree, "model", json_text(entry->name));
    json_object_set_new(tree, "provider", json_text(entry->provider));
    json_object_set_new(tree, "create_ms", json_decimal(figures->create_ms, 3));
    json_object_set_new(tree, "first_ms", json_decimal(figures->timing.first, 3));
    json_object_set_new(tree, "median_ms",
                        json_decimal(timing_median(&figures->timing), 4));
    json_object_set_new(tree, "min_ms", json_decimal(timing_min(&figures->timing), 4));
    json_object_set_new(tree, "runs", json_integer((json_int_t)figures->timing.count));
    json_object_set_new(tree, "peak_bytes",
                        json_integer((json_int_t)peak_bytes(figures)));
    json_object_set_new(tree, "nodes", json_integer(stats->nodes));
    json_object_set_new(tree, "dispatches",
                        json_integer((json_int_t)figures->dispatches));
    json_object_set_new(tree, "inline_dispatches",
                        json_integer((json_int_t)figures->on_caller));
    json_object_set_new(tree, "buffers_created",
                        json_integer((json_int_t)stats->buffers_created));
    json_object_set_new(tree, "buffers_destroyed",
                        json_integer((json_int_t)stats->buffers_destroyed));
    json_object_set_new(tree, "buffer_bytes",
                        json_integer((json_int_t)stats->device_bytes));
    json_object_set_new(tree, "cached_buffers",
                        json_integer((json_int_t)stats->cached_buffers));
    json_object_set_new(tree, "cached_bytes",
                        json_integer((json_int_t)stats->cached_bytes));
    json_object_set_new(tree, "cache_hits", json_integer((json_int_t)stats->cache_hits));
    json_object_set_new(tree, "fallbacks", json_integer(stats->fallbacks));
    json_object_set_new(tree, "compiles", json_integer((json_int_t)stats->programs));
    if (figures->profile) {
        json_t *profile = json_object();

        if (!profiled_tree(figures->profile, peak, profile, &fault))
            fault_report(&fault);
        json_object_set_new(tree, "profile", profile);
    }
    return json_line(tree);
}

static void print_heading(void) {
    printf("%-28s %-10s %9s %9s %9s %9s %5s %9s %9s %6s %6s %6s %5s %5s\n", "model",
           "provider", "create", "first", "median", "min", "runs", "peak", "resident",
           "nodes", "disp.", "inline", "fallb", "progs");
    printf("%-28s %-10s %9s %9s %9s %9s %5s %9s %9s\n", "", "", "ms", "ms", "ms", "ms",
           "", "MiB", "MiB");
    fflush(stdout);
}

static void print_row(const struct entry *entry, struct figures *figures) {
    const esk_session_stats *stats = &figures->stats;

    printf("%-28s %-10s %9.1f %9.1f %9.3f %9.3f %5zu %9.1f %9.1f %6u %6" PRIu64
           " %6" PRIu64 " %5u %5" PRIu64 "\n",
           entry->name, entry->provider, figures->create_ms, figures->timing.first,
           timing_median(&figures->timing), timing_min(&figures->timing),
           figures->timing.count, (double)peak_bytes(figures) / (1 << 20),
           (double)peak_resident() / (1 << 20), stats->nodes, figures->dispatches,
           figures->on_caller, stats->fallbacks, stats->programs);
}

/* What --nodes shows below a model's row. */
static bool print_nodes(const struct bench *bench, const struct figures *figures) {
    const esk_device_peak *peak = figures->peak.gflops > 0 ? &figures->peak : NULL;
    struct fault fault;

    if (peak)
        peak_print(peak);
    if (!profiled_print(&bench->profiled, figures->profile, peak, &fault)) {
        fault_report(&fault);
        return false;
    }
    putchar('\n');
    return true;
}

/* ---- The device's ceilings ---- */

/* In a child: the ceilings of a fresh device. */
static bool bench_peak(const struct bench *bench) {
    esk_device_peak peak;
    struct fault fault;
    pid_t pid;
    int status = 0;

    fflush(NULL);
    pid = fork();
    if (!pid) {
        esk_env *env = NULL;
        bool done = setup_env(&bench->setup, &env, &fault) &&
                    peak_measure(&bench->setup, env, &peak, &fault);

        esk_env_destroy(env);
        if (!done)
            fault_report(&fault);
        else if (bench->json)
            done = json_line(peak_tree(&peak));
        else
            peak_print(&peak);
        exit(done && !fflush(stdout) ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) >= 0 && !status;
}

/* Measures in a child: each model meets a fresh process and device, and a crash is its
 * own. false after a failure, which was reported. */
static bool bench_entry(const struct bench *bench, const struct entry *entry) {
    struct figures figures = {0};
    struct fault fault;
    pid_t pid;
    int status = 0;

    fflush(NULL);
    pid = fork();
    if (!pid) {
        bool done = measure(bench, entry, &figures, &fault) ||
                    (fault_prefix(&fault, entry->name), fault_report(&fault), false);

        if (done && bench->json)
            done = print_json(entry, &figures);
        else if (done) {
            print_row(entry, &figures);
            done = !figures.profile || print_nodes(bench, &figures);
        }
        esk_profile_destroy(figures.profile);
        timing_finish(&figures.timing);
        exit(done && !fflush(stdout) ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        fprintf(stderr, "esker: %s: %s\n", entry->name, strerror(errno));
        return false;
    }
    if (WIFSIGNALED(status))
        fprintf(stderr, "esker: %s: killed by signal %d (%s)\n", entry->name,
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    return !status;
}

/* All providers on one model. `set` may be NULL. */
static bool bench_model(const struct bench *bench, const char *path, const char *name,
                        const char *set) {
    const struct arg_list *providers = &bench->setup.providers;
    struct entry entry = {.provider = "GLCompute", .data = set};
    bool done = true;

    snprintf(entry.path, sizeof(entry.path), "%s", path);
    snprintf(entry.name, sizeof(entry.name), "%s", name);
    if (!providers->count)
        return bench_entry(bench, &entry);
    for (size_t i = 0; i < providers->count; i++) {
        entry.provider = providers->items[i];
        done = bench_entry(bench, &entry) && done;
    }
    return done;
}

static bool bench_folder(struct bench *bench, const char *root) {
    struct testset_list list = {0};
    struct fault fault;
    bool done = testset_find(root, false, &list, &fault);

    if (done && !list.count)
        done = fault_set(&fault, "%s: no model.onnx at or below", root);
    if (!done)
        fault_report(&fault);
    testset_sort(&list);
    for (size_t i = 0; i < list.count && list.items[i].path; i++) {
        const struct testset *item = &list.items[i];
        const char *first = item->set_count ? strrchr(item->sets[0], '/') : NULL;
        bool has_data = first && !strcmp(first, "/test_data_set_0");
        char path[4096];

        snprintf(path, sizeof(path), "%s/model.onnx", item->path);
        done =
            bench_model(bench, path, item->name, has_data ? item->sets[0] : NULL) && done;
    }
    testset_finish(&list);
    return done;
}

/* A model's file; data beside it, as in a folder of tests, give its inputs. */
static bool bench_file(const struct bench *bench, const char *path) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    char name[256], data[4096], *dot;
    struct stat status;

    snprintf(name, sizeof(name), "%s", file);
    dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = 0;
    snprintf(data, sizeof(data), "%.*stest_data_set_0", (int)(file - path), path);
    if (strcmp(file, "model.onnx") || stat(data, &status) || !S_ISDIR(status.st_mode))
        return bench_model(bench, path, name, NULL);
    if (slash) { /* the folder's name says more than "model" */
        const char *from = slash;

        while (from > path && from[-1] != '/')
            from--;
        if (slash > from)
            snprintf(name, sizeof(name), "%.*s", (int)(slash - from), from);
    }
    return bench_model(bench, path, name, data);
}

static bool bench_all(struct bench *bench, const struct arg_list *paths) {
    esk_session_options *options;
    struct fault fault;
    bool done = true;

    if (!setup_options(&bench->setup, NULL, &options, &fault)) {
        fault_report(&fault);
        return false;
    }
    esk_session_options_destroy(options);
    if (bench->peak)
        done = bench_peak(bench);
    if (!bench->json && paths->count)
        print_heading();
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        struct stat status;

        if (stat(path, &status)) {
            fprintf(stderr, "esker: %s: %s\n", path, strerror(errno));
            done = false;
        } else if (S_ISDIR(status.st_mode)) {
            done = bench_folder(bench, path) && done;
        } else {
            done = bench_file(bench, path) && done;
        }
    }
    return done;
}

static const char about[] =
    "Times models: a file, or every model.onnx at or below a folder, each in a\n"
    "process of its own. test_data_set_0 beside model.onnx gives the inputs;\n"
    "else they are random: " RANDOM_TEXT ",\n"
    "free dimensions 1 unless --dim says otherwise.";
static const char notes[] =
    "create     load, plan, compile, upload; opening the device too\n"
    "first      the first run: with free dimensions it plans and compiles\n"
    "median,min of the runs after it; outputs are written to the same values\n"
    "peak       most bytes of device buffers at any time; of the whole process\n"
    "           when the provider counts none\n"
    "resident   most bytes of the whole process (not in JSON)\n"
    "dispatches of one run; inline: those computed by the calling thread (llvmpipe)\n"
    "compiles: programs compiled since the device opened\n"
    "JSON keys: model, provider, create_ms, first_ms, median_ms, min_ms, runs,\n"
    "peak_bytes, nodes, dispatches, inline_dispatches, fallbacks, compiles; of the "
    "device's\n"
    "buffers at the end: buffers_created, buffers_destroyed, buffer_bytes (live),\n"
    "cached_buffers, cached_bytes (of the live ones: free), cache_hits; with\n"
    "--nodes also profile (as `esker profile --json`), peak_gflops and the other\n"
    "ceilings. A model that fails has a message on stderr instead, and the exit code\n"
    "is 1.";

int cmd_bench(int argc, char **argv) {
    struct bench bench = {
        .seed = 1, .seconds = 2, .profiled = {.runs = 10, .by = "node"}};
    const struct arg_spec specs[] = {
        {"provider", ARG_LIST, &bench.setup.providers, "P",
         "GLCompute or CPU; each one given is measured (default:\nGLCompute)", 0, 0,
         NULL},
        SETUP_SET(bench.setup),
        SETUP_DIM(bench.setup),
        SETUP_DENOTATION(bench.setup),
        SETUP_STRICT(bench.setup),
        {"runs", ARG_INT, &bench.runs, "N",
         "runs after the first (default: 5 to 200, by --seconds)", 1, 1000000000, NULL},
        {"seconds", ARG_REAL, &bench.seconds, "S", "how long to go on (default: 2)", 0, 0,
         NULL},
        {"seed", ARG_INT, &bench.seed, "N", "of random inputs (default: 1)", 0, INT64_MAX,
         NULL},
        {"peak", ARG_FLAG, &bench.peak, NULL,
         "first the device's ceilings: multiply-adds, copies, dispatches;\n"
         "without a model only these",
         0, 0, NULL},
        {"nodes", ARG_FLAG, &bench.nodes, NULL,
         "after each row its nodes: time, share, GFLOP/s, GB/s, and the share of\n"
         "the device's ceilings, measured in the same process",
         0, 0, NULL},
        {"top", ARG_INT, &bench.profiled.top, "N",
         "with --nodes: the slowest N nodes (default: 0, all)", 0, INT64_MAX, NULL},
        {"json", ARG_FLAG, &bench.json, NULL, "one JSON object a line, see below", 0, 0,
         NULL},
        SETUP_VERBOSE(bench.setup),
    };
    const struct arg_table table = {
        .usage = "esker bench MODEL|DIR... [options]",
        .about = about,
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
        .notes = notes,
        .max_texts = (size_t)-1,
        .texts = "MODEL or DIR",
    };
    struct arg_list texts = {0};
    enum arg_result parsed = args_parse(&table, argc, argv, &texts, stdout, stderr);
    int code = parsed == ARGS_HELP ? 0 : 2;

    if (parsed == ARGS_RUN && !texts.count && !bench.peak)
        fprintf(stderr, "esker: MODEL or DIR is missing\nusage: %s\n", table.usage);
    else if (parsed == ARGS_RUN)
        code = bench_all(&bench, &texts) ? 0 : 1;
    arg_list_finish(&texts);
    setup_finish(&bench.setup);
    return code;
}
