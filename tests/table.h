/* A program of tests over scenes: main() is one call. */
#ifndef ESKER_TESTS_TABLE_H
#define ESKER_TESTS_TABLE_H

#include "scene.h"

struct table_test {
    const char *name;
    bool (*run)(struct scene *scene);
};

/* [--set SETTINGS] [NAME]: without a name all tests, each in a process of its own; else
 * that one, in this process (for debuggers). SETTINGS: scene_device_settings. The exit
 * status: 77 when there was no device. */
int table_main(const struct table_test *tests, size_t n_tests, int argc, char **argv);

#endif
