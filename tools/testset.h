/* Folders of tests: model.onnx with test_data_set_K/{input,output}_N.pb below.
 * In: paths. Out: sorted lists of tests and files. Must not know sessions. */
#ifndef ESKER_TOOLS_TESTSET_H
#define ESKER_TOOLS_TESTSET_H

#include "args.h"
#include "fault.h"

struct testset {
    char *path;       /* the folder, owned */
    const char *name; /* the folder's own name, inside path */
    char **sets;      /* paths of its data sets by number, owned */
    size_t set_count;
};

struct testset_list {
    struct testset *items; /* owned */
    size_t count;
};

/* Adds every folder at or below `root` that holds model.onnx and, if `need_data`,
 * test_data_set_*. Follows links, 32 levels deep. */
bool testset_find(const char *root, bool need_data, struct testset_list *list,
                  struct fault *fault);

/* The model that a user names: a file, or a folder's model.onnx. Returns `data`, filled
 * with the test_data_set_0 beside a file model.onnx, or NULL where there is none. Both
 * have room for TESTSET_PATH bytes. */
enum { TESTSET_PATH = 4096 };
const char *testset_model(const char *text, char *path, char *data);

/* By name, then by path; drops folders that were found twice. */
void testset_sort(struct testset_list *list);

/* Keeps the tests whose names are in `text`, one a line (the first word; '#' begins a
 * comment); adds the names that no test has to `missing`, pointing into `text`, which is
 * cut up. */
bool testset_select(struct testset_list *list, char *text, struct arg_list *missing,
                    struct fault *fault);

void testset_finish(struct testset_list *list);

/* Paths of `kind`_N.pb in a data set's folder, by N; free with testset_free_paths. */
bool testset_files(const char *folder, const char *kind, char ***paths, size_t *count,
                   struct fault *fault);
void testset_free_paths(char **paths, size_t count);

#endif
