/* What the subcommands share: --provider, --set, --dim, --denotation, --strict,
 * --verbose, the env and its log. In: options. Out: env and session options. Must not
 * know any one subcommand.
 */
#ifndef ESKER_TOOLS_SETUP_H
#define ESKER_TOOLS_SETUP_H

#include "args.h"
#include "esker/esker.h"
#include "fault.h"

struct setup {
    struct arg_list providers, sets, dims, denotations;
    bool strict;
    int verbose;
    const char *log_prefix; /* in front of each log line; may be NULL */
};

/* Rows of an option table; `s` is a struct setup. */
#define SETUP_PROVIDER(s)                                                      \
    {                                                                          \
        "provider", ARG_LIST, &(s).providers, "P",                             \
            "GLCompute or CPU; nodes go to the first one given that can run\n" \
            "them, and to the CPU at last (default: GLCompute, then CPU)",     \
            0, 0, NULL                                                         \
    }
#define SETUP_SET(s)                                                                 \
    {                                                                                \
        "set", ARG_LIST, &(s).sets, "KEY=VALUE",                                     \
            "a session or provider option; `esker --help-options` lists them", 0, 0, \
            NULL                                                                     \
    }
#define SETUP_DIM(s)                                                                   \
    {                                                                                  \
        "dim", ARG_LIST, &(s).dims, "NAME=N", "fixes a free dimension by its name", 0, \
            0, NULL                                                                    \
    }
#define SETUP_DENOTATION(s)                                                              \
    {                                                                                    \
        "denotation", ARG_LIST, &(s).denotations, "NAME=N",                              \
            "fixes dimensions by their denotation in the model (DATA_BATCH)", 0, 0, NULL \
    }
#define SETUP_STRICT(s)                                           \
    {                                                             \
        "strict", ARG_FLAG, &(s).strict, NULL,                    \
            "a node that would fall back is an error", 0, 0, NULL \
    }
#define SETUP_VERBOSE(s)                                                               \
    {                                                                                  \
        "verbose", ARG_COUNT, &(s).verbose, NULL,                                      \
            "more log lines on stderr (default: warnings and errors); twice:\nall of " \
            "them",                                                                    \
            0, 0, NULL                                                                 \
    }

/* An env that logs to stderr. `setup` must outlive it. */
bool setup_env(const struct setup *setup, esk_env **env, struct fault *fault);

/* Session options from all of `setup`; `provider`, if not NULL, is taken instead of its
 * providers. */
bool setup_options(const struct setup *setup, const char *provider,
                   esk_session_options **options, struct fault *fault);

/* Splits "NAME=N" at the last '='; the name is copied. option: in the fault. */
bool setup_split_dim(const char *option, const char *text, char *name, size_t size,
                     int64_t *value, struct fault *fault);

/* The size that --dim gives to `name`; -1 if none (or `name` is NULL). */
int64_t setup_dim(const struct setup *setup, const char *name);

void setup_finish(struct setup *setup);

#endif
