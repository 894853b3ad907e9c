/* What the subcommands share: env, log and session options.
 * In: parsed options. Out: the library's objects. Must not know any one subcommand. */
#include "setup.h"

#include <stdio.h>
#include <string.h>

static void print_log(void *user, esk_log_level level, const char *text) {
    const struct setup *setup = user;
    const char *name = level >= ESK_LOG_ERROR     ? "error"
                       : level == ESK_LOG_WARNING ? "warning"
                       : level == ESK_LOG_INFO    ? "info"
                                                  : "verbose";
    const char *prefix = setup->log_prefix;

    fprintf(stderr, "esker: %s%s%s: %s\n", prefix ? prefix : "", prefix ? ": " : "", name,
            text);
}

bool setup_env(const struct setup *setup, esk_env **env, struct fault *fault) {
    esk_log_level level = setup->verbose > 1   ? ESK_LOG_VERBOSE
                          : setup->verbose > 0 ? ESK_LOG_INFO
                                               : ESK_LOG_WARNING;
    esk_error error = ESK_ERROR_INIT;

    if (esk_env_create(esk_env_options(.log = print_log, .log_user = (void *)setup,
                                       .log_level = level),
                       env, &error) != ESK_OK)
        return fault_take(fault, NULL, &error);
    return true;
}

bool setup_split_dim(const char *option, const char *text, char *name, size_t size,
                     int64_t *value, struct fault *fault) {
    const char *equal = strrchr(text, '=');

    if (!equal || equal == text || (size_t)(equal - text) >= size ||
        !arg_to_int(equal + 1, value) || *value < 0)
        return fault_set(fault, "%s: '%s' is not NAME=N with N from 0", option, text);
    snprintf(name, size, "%.*s", (int)(equal - text), text);
    return true;
}

int64_t setup_dim(const struct setup *setup, const char *name) {
    struct fault fault;
    char known[256];
    int64_t size, found = -1;

    for (size_t i = 0; name && i < setup->dims.count; i++)
        if (setup_split_dim("--dim", setup->dims.items[i], known, sizeof(known), &size,
                            &fault) &&
            !strcmp(known, name))
            found = size;
    return found;
}

static bool apply_set(esk_session_options *options, const char *text,
                      struct fault *fault) {
    const char *equal = strchr(text, '=');
    esk_error error = ESK_ERROR_INIT;
    char key[128];

    if (!equal || equal == text || (size_t)(equal - text) >= sizeof(key))
        return fault_set(fault, "--set: '%s' is not KEY=VALUE", text);
    snprintf(key, sizeof(key), "%.*s", (int)(equal - text), text);
    if (esk_session_options_set(options, key, equal + 1, &error) != ESK_OK)
        return fault_take(fault, "--set", &error);
    return true;
}

static bool apply_provider(esk_session_options *options, const char *provider,
                           struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;

    if (esk_session_options_append_provider(options, provider, NULL, NULL, 0, &error) !=
        ESK_OK)
        return fault_take(fault, "--provider", &error);
    return true;
}

/* --dim or --denotation. */
static bool apply_dims(const struct arg_list *dims, const char *option,
                       esk_status (*override)(esk_session_options *, const char *,
                                              int64_t, esk_error *),
                       esk_session_options *options, struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    char name[256];
    int64_t size;

    for (size_t i = 0; i < dims->count; i++) {
        if (!setup_split_dim(option, dims->items[i], name, sizeof(name), &size, fault))
            return false;
        if (override(options, name, size, &error) != ESK_OK)
            return fault_take(fault, option, &error);
    }
    return true;
}

static bool apply_all(const struct setup *setup, const char *provider,
                      esk_session_options *options, struct fault *fault) {
    if (provider && !apply_provider(options, provider, fault))
        return false;
    for (size_t i = 0; !provider && i < setup->providers.count; i++)
        if (!apply_provider(options, setup->providers.items[i], fault))
            return false;
    for (size_t i = 0; i < setup->sets.count; i++)
        if (!apply_set(options, setup->sets.items[i], fault))
            return false;
    if (setup->strict && !apply_set(options, "strict=1", fault))
        return false;
    return apply_dims(&setup->dims, "--dim", esk_session_options_override_dim, options,
                      fault) &&
           apply_dims(&setup->denotations, "--denotation",
                      esk_session_options_override_denotation, options, fault);
}

bool setup_options(const struct setup *setup, const char *provider,
                   esk_session_options **options, struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *made;

    if (esk_session_options_create(&made, &error) != ESK_OK)
        return fault_take(fault, NULL, &error);
    if (!apply_all(setup, provider, made, fault)) {
        esk_session_options_destroy(made);
        return false;
    }
    *options = made;
    return true;
}

void setup_finish(struct setup *setup) {
    arg_list_finish(&setup->providers);
    arg_list_finish(&setup->sets);
    arg_list_finish(&setup->dims);
    arg_list_finish(&setup->denotations);
}
