/* A program of tests over scenes: main() is one call. */
#ifndef ESKER_TESTS_TABLE_H
#define ESKER_TESTS_TABLE_H

#include "scene.h"

struct table_test {
    const char *name;
    bool (*run)(struct scene *scene);
};

/* Without an argument all tests, each in a process of its own; else the one of that name,
 * in this process (for debuggers). The exit status: 77 when there was no device. */
int table_main(const struct table_test *tests, size_t n_tests, int argc, char **argv);

#endif
