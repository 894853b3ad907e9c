/* Runs a table of tests, each in a process of its own. In: the table, a name to run
 * alone; out: one line a test, counts, 77 without a device. Must not know the tests. */
#include "table.h"

#include "workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What happened, over all tests. */
struct counts {
    const struct table_test *tests;
    size_t passed, failed, skipped;
    bool no_device;
};

static char *work(void *user, size_t index) {
    const struct counts *counts = user;
    struct fault fault = {0};
    struct scene scene = {.fault = &fault};
    char *reply = NULL;
    bool done = counts->tests[index].run(&scene);

    scene_finish(&scene);
    if (asprintf(&reply, "%c%s",
                 done                            ? 'P'
                 : scene.skipped                 ? 'S'
                 : fault.status == ESK_NO_DEVICE ? 'D'
                                                 : 'F',
                 done ? "" : fault.text) < 0)
        return NULL;
    return reply;
}

static void take(void *user, size_t index, const char *reply, const char *why) {
    struct counts *counts = user;
    char letter = reply ? reply[0] : 'F';

    counts->passed += letter == 'P';
    counts->failed += letter == 'F';
    counts->skipped += letter == 'S' || letter == 'D';
    counts->no_device |= letter == 'D';
    printf("%s %s%s%s\n",
           letter == 'P'   ? "PASS"
           : letter == 'F' ? "FAIL"
                           : "SKIP",
           counts->tests[index].name, letter == 'P' ? "" : ": ",
           letter == 'P' ? ""
           : reply       ? reply + 1
                         : why);
    fflush(stdout);
}

int table_main(const struct table_test *tests, size_t n_tests, int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "--set")) {
        scene_device_settings = argv[2];
        argc -= 2, argv += 2;
    }
    const char *filter = argc > 1 ? argv[1] : NULL;
    struct counts counts = {.tests = tests};
    struct workers workers = {.jobs = n_tests,
                              .processes = 1,
                              .timeout_s = 300,
                              .user = &counts,
                              .work = work,
                              .done = take};
    const char *required = getenv("ESKER_REQUIRE_DEVICE");
    struct fault fault;

    if (filter) { /* one test, in this process: for debuggers */
        for (size_t i = 0; i < workers.jobs; i++)
            if (!strcmp(tests[i].name, filter)) {
                char *reply = work(&counts, i);

                take(&counts, i, reply, "");
                free(reply);
            }
    } else if (!workers_run(&workers, &fault)) {
        return fault_report(&fault);
    }
    printf("%zu passed, %zu failed, %zu skipped\n", counts.passed, counts.failed,
           counts.skipped);
    if (counts.failed || !(counts.passed + counts.skipped))
        return 1;
    return !counts.no_device ? 0 : required && *required == '1' ? 1 : 77;
}
