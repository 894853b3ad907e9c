/* Folders of tests.
 * In: paths. Out: sorted lists of tests and files. Must not know sessions. */
#include "testset.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH = 32 };

static bool is_kind(const char *path, mode_t kind) {
    struct stat status;

    return !stat(path, &status) && (status.st_mode & S_IFMT) == kind;
}

/* "folder/name", on the heap; NULL without memory. */
static char *join(const char *folder, const char *name) {
    size_t length = strlen(folder);
    char *path;

    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (asprintf(&path, "%.*s%s%s", (int)length, folder,
                 length && folder[length - 1] == '/' ? "" : "/", name) < 0)
        return NULL;
    return path;
}

/* The number between `prefix` and `suffix` of a file's name; -1 if it has not that form.
 */
static long number_of(const char *name, const char *prefix, const char *suffix) {
    size_t length = strlen(prefix);
    char *end;
    long number;

    if (strncmp(name, prefix, length) || name[length] < '0' || name[length] > '9')
        return -1;
    errno = 0;
    number = strtol(name + length, &end, 10);
    return !errno && !strcmp(end, suffix) ? number : -1;
}

struct numbered {
    long number;
    char *path;
};

static int by_number(const void *a, const void *b) {
    const struct numbered *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static bool no_memory(struct fault *fault) {
    return fault_set(fault, "out of memory");
}

/* Paths of the files `prefix`N`suffix` of one kind in a folder, by N. */
static bool list_numbered(const char *folder, const char *prefix, const char *suffix,
                          mode_t kind, char ***paths, size_t *count,
                          struct fault *fault) {
    DIR *dir = opendir(folder);
    struct numbered *items = NULL;
    size_t found = 0;
    struct dirent *entry;
    bool done = true;
    char **made;

    if (!dir)
        return fault_set(fault, "%s: %s", folder, strerror(errno));
    while (done && (entry = readdir(dir))) {
        long number = number_of(entry->d_name, prefix, suffix);
        char *path = number < 0 ? NULL : join(folder, entry->d_name);
        struct numbered *more;

        if (!path) {
            done = number < 0;
            continue;
        }
        if (!is_kind(path, kind)) {
            free(path);
            continue;
        }
        more = realloc(items, (found + 1) * sizeof(*items));
        if (!more) {
            free(path);
            done = false;
        } else {
            items = more;
            items[found++] = (struct numbered){number, path};
        }
    }
    closedir(dir);
    made = calloc(found + 1, sizeof(*made));
    if (found)
        qsort(items, found, sizeof(*items), by_number);
    for (size_t i = 0; i < found; i++) {
        if (made && done)
            made[i] = items[i].path;
        else
            free(items[i].path);
    }
    free(items);
    if (!made || !done) {
        free(made);
        return no_memory(fault);
    }
    *paths = made;
    *count = found;
    return true;
}

void testset_free_paths(char **paths, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

bool testset_files(const char *folder, const char *kind, char ***paths, size_t *count,
                   struct fault *fault) {
    char prefix[32];

    snprintf(prefix, sizeof(prefix), "%s_", kind);
    return list_numbered(folder, prefix, ".pb", S_IFREG, paths, count, fault);
}

/* Adds `folder` if it is a test. */
static bool consider(const char *folder, bool need_data, struct testset_list *list,
                     struct fault *fault) {
    char *model = join(folder, "model.onnx"), *whole = NULL;
    bool has_model = model && is_kind(model, S_IFREG);
    struct testset test = {0}, *more;

    free(model);
    if (!has_model)
        return true;
    if (!list_numbered(folder, "test_data_set_", "", S_IFDIR, &test.sets, &test.set_count,
                       fault))
        return false;
    if (need_data && !test.set_count) {
        testset_free_paths(test.sets, test.set_count);
        return true;
    }
    whole = realpath(folder, NULL); /* "." gets its name */
    test.path = whole ? whole : strdup(folder);
    more = realloc(list->items, (list->count + 1) * sizeof(*more));
    if (more)
        list->items = more;
    if (!more || !test.path) {
        testset_free_paths(test.sets, test.set_count);
        free(test.path);
        return no_memory(fault);
    }
    test.name = strrchr(test.path, '/') ? strrchr(test.path, '/') + 1 : test.path;
    list->items[list->count++] = test;
    return true;
}

static bool walk(const char *folder, bool need_data, int depth, struct testset_list *list,
                 struct fault *fault) {
    DIR *dir;
    struct dirent *entry;
    bool done = consider(folder, need_data, list, fault);

    if (!done || depth == DEPTH)
        return done;
    dir = opendir(folder);
    if (!dir)
        return fault_set(fault, "%s: %s", folder, strerror(errno));
    while (done && (entry = readdir(dir))) {
        char *path;

        if (entry->d_name[0] == '.' ||
            number_of(entry->d_name, "test_data_set_", "") >= 0 ||
            entry->d_type == DT_REG)
            continue;
        path = join(folder, entry->d_name);
        if (!path)
            done = no_memory(fault);
        else if (is_kind(path, S_IFDIR))
            done = walk(path, need_data, depth + 1, list, fault);
        free(path);
    }
    closedir(dir);
    return done;
}

bool testset_find(const char *root, bool need_data, struct testset_list *list,
                  struct fault *fault) {
    return walk(root, need_data, 0, list, fault);
}

static void finish_test(struct testset *test) {
    testset_free_paths(test->sets, test->set_count);
    free(test->path);
}

static int by_name(const void *a, const void *b) {
    const struct testset *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->path, y->path);
}

void testset_sort(struct testset_list *list) {
    size_t kept = 0;

    if (list->count)
        qsort(list->items, list->count, sizeof(*list->items), by_name);
    for (size_t i = 0; i < list->count; i++) {
        if (kept && !strcmp(list->items[kept - 1].path, list->items[i].path))
            finish_test(&list->items[i]);
        else
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool testset_select(struct testset_list *list, char *text, struct arg_list *missing,
                    struct fault *fault) {
    struct arg_list names = {0};
    bool *used = NULL;
    size_t kept = 0;
    char *next;

    for (char *line = text; line; line = next) {
        char *newline = strchr(line, '\n');

        next = newline ? newline + 1 : NULL;
        line[strcspn(line, "\n#")] = 0;
        line += strspn(line, " \t\r");
        line[strcspn(line, " \t\r")] = 0;
        if (*line && !arg_list_add(&names, line)) {
            arg_list_finish(&names);
            return no_memory(fault);
        }
    }
    used = calloc(names.count + 1, sizeof(*used));
    if (names.count)
        qsort(names.items, names.count, sizeof(*names.items), by_text);
    for (size_t i = 0; i < list->count; i++) {
        const char **found = NULL;

        if (names.count)
            found = bsearch(&list->items[i].name, names.items, names.count,
                            sizeof(*names.items), by_text);
        if (!found || !used) {
            finish_test(&list->items[i]);
            continue;
        }
        used[found - names.items] = true;
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
    for (size_t i = 0; used && i < names.count;) {
        bool any = false;
        size_t last = i;

        for (; last < names.count && !strcmp(names.items[last], names.items[i]); last++)
            any |= used[last]; /* bsearch may have met any of equal names */
        if (!any)
            arg_list_add(missing, names.items[i]);
        i = last;
    }
    arg_list_finish(&names);
    free(used);
    return used || no_memory(fault);
}

void testset_finish(struct testset_list *list) {
    for (size_t i = 0; i < list->count; i++)
        finish_test(&list->items[i]);
    free(list->items);
    *list = (struct testset_list){0};
}

static bool is_folder(const char *path) {
    struct stat status;

    return !stat(path, &status) && S_ISDIR(status.st_mode);
}

const char *testset_model(const char *text, char *path, char *data) {
    const char *slash;

    snprintf(path, TESTSET_PATH, "%s%s", text, is_folder(text) ? "/model.onnx" : "");
    slash = strrchr(path, '/');
    if (!slash || strcmp(slash, "/model.onnx"))
        return NULL;
    snprintf(data, TESTSET_PATH, "%.*s/test_data_set_0", (int)(slash - path), path);
    return is_folder(data) ? data : NULL;
}
