/* Which recipe was fastest: a table of measured choices, its text, and the pick among the
 * recipes of a node. In: recipes, a function that times a plan; out: an index. A pick is
 * always one of the recipes that fit: what is supported never depends on it. Must not
 * know devices, files or operators. */
#ifndef ESK_COMPILE_TUNING_H
#define ESK_COMPILE_TUNING_H

#include "base/hash.h"
#include "base/text.h"
#include "ir/plan.h"

#include <pthread.h>

struct esk_choice {
    char *key;   /* owned: operator, types, classes of sizes, labels of the recipes */
    char *label; /* owned: of the fastest */
    double us;
};

/* Thread-safe between init and finish. */
struct esk_tuning {
    pthread_mutex_t lock;
    struct esk_choice *choices;
    uint32_t count, measured; /* measured: since init */
    size_t capacity;
    struct esk_map index; /* keys are those of the choices */
};

esk_status esk_tuning_init(struct esk_tuning *tuning, esk_error *error);
void esk_tuning_finish(struct esk_tuning *tuning);

/* Text: a first line, then sections "driver NAME" of lines "key<TAB>label<TAB>µs". read
 * takes the section of `driver`, entries that are there already stay; a text that is none
 * is INVALID_ARGUMENT and says which line. write appends the section to what `old` (may
 * be NULL) has of other drivers. */
esk_status esk_tuning_read(struct esk_tuning *tuning, const char *driver,
                           const char *text, esk_error *error);
void esk_tuning_write(struct esk_tuning *tuning, const char *driver, const char *old,
                      struct esk_text *text);

enum esk_effort { ESK_EFFORT_TABLE, ESK_EFFORT_QUICK, ESK_EFFORT_FULL };

/* What a session says about tuning; esk_compile_options.tuner. */
struct esk_tuner {
    struct esk_tuning *tuning;
    enum esk_effort effort; /* TABLE: nothing is measured; QUICK: the heaviest nodes */
    /* µs of one round of the plan; false: it cannot be had */
    bool (*measure)(void *user, const struct esk_plan *plan, double *us);
    void *user;
};

/* The index in `list` to take; `fits`: those that may be, `first` the first of them. */
size_t esk_tune(const struct esk_tuner *tuner, const struct esk_limits *limits,
                struct esk_graph *graph, const struct esk_node *node, uint32_t n_members,
                const struct esk_recipe_list *list, const bool *fits, size_t first);

#endif
