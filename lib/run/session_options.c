/* Session options. In: strings; out: settings. */
#include "base/mem.h"
#include "run/session.h"
#include "run/value.h"

#include <string.h>

esk_status esk_session_options_create(esk_session_options **options, esk_error *error) {
    struct esk_session_options *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "session options");
    esk_settings_init(&made->settings);
    *options = made;
    return ESK_OK;
}

void esk_session_options_destroy(esk_session_options *options) {
    if (!options)
        return;
    esk_settings_finish(&options->settings);
    for (size_t i = 0; i < options->n_dims; i++)
        esk_free(options->dims[i].name);
    esk_free(options->dims);
    struct esk_given *given = &options->given;
    for (size_t i = 0; i < given->n_files; i++)
        esk_free(given->files[i].name);
    esk_free(given->files);
    for (size_t i = 0; i < given->n_initializers; i++)
        esk_free(given->initializers[i].name);
    esk_free(given->initializers);
    esk_free(options);
}

esk_status esk_session_options_append_provider(esk_session_options *options,
                                               const char *provider,
                                               const char *const *keys,
                                               const char *const *values, size_t count,
                                               esk_error *error) {
    bool glcompute = provider && strcmp(provider, "GLCompute") == 0;
    if (!glcompute && !(provider && strcmp(provider, "CPU") == 0))
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "unknown provider '%s'; there are GLCompute and CPU",
                        provider ? provider : "NULL");
    for (size_t i = 0; i < count; i++)
        ESK_TRY(esk_settings_set(&options->settings, keys[i], values[i], error));
    options->glcompute |= glcompute && !options->cpu;
    options->cpu |= !glcompute;
    return ESK_OK;
}

esk_status esk_session_options_set(esk_session_options *options, const char *key,
                                   const char *value, esk_error *error) {
    return esk_settings_set(&options->settings, key, value, error);
}

static esk_status override_dim(esk_session_options *options, const char *name,
                               int64_t size, bool by_denotation, esk_error *error) {
    const char *kind = by_denotation ? "denotation" : "free dimension";
    if (!name || size < 0)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "%s '%s': size %lld is negative",
                        kind, name ? name : "NULL", (long long)size);
    if (!esk_grow((void **)&options->dims, &options->cap_dims, options->n_dims + 1,
                  sizeof *options->dims))
        return esk_fail_memory(error, "session options");
    char *copy = esk_strdup(name);
    if (!copy)
        return esk_fail_memory(error, "session options");
    options->dims[options->n_dims++] =
        (struct esk_dim_override){copy, size, by_denotation};
    return ESK_OK;
}

esk_status esk_session_options_override_dim(esk_session_options *options,
                                            const char *name, int64_t size,
                                            esk_error *error) {
    return override_dim(options, name, size, false, error);
}

esk_status esk_session_options_override_denotation(esk_session_options *options,
                                                   const char *denotation, int64_t size,
                                                   esk_error *error) {
    return override_dim(options, denotation, size, true, error);
}

esk_status esk_session_options_add_external_file(esk_session_options *options,
                                                 const char *name, const void *bytes,
                                                 size_t size, esk_error *error) {
    if (!name || (!bytes && size))
        return esk_fail(error, ESK_INVALID_ARGUMENT, "external file '%s': NULL",
                        name ? name : "NULL");
    struct esk_given *given = &options->given;
    if (!esk_grow((void **)&given->files, &given->cap_files, given->n_files + 1,
                  sizeof *given->files))
        return esk_fail_memory(error, "session options");
    char *copy = esk_strdup(name);
    if (!copy)
        return esk_fail_memory(error, "session options");
    given->files[given->n_files++] = (struct esk_given_file){copy, bytes, size};
    return ESK_OK;
}

esk_status esk_session_options_add_initializer(esk_session_options *options,
                                               const char *name, const esk_value *value,
                                               esk_error *error) {
    if (!name || !value)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "initializer '%s': NULL",
                        name ? name : "NULL");
    if (value->on)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "initializer '%s': the value is on a device, weights are packed "
                        "from host memory",
                        name);
    struct esk_given *given = &options->given;
    for (size_t i = 0; i < given->n_initializers; i++)
        if (strcmp(given->initializers[i].name, name) == 0)
            return esk_fail(error, ESK_INVALID_ARGUMENT,
                            "initializer '%s' was given already", name);
    if (!esk_grow((void **)&given->initializers, &given->cap_initializers,
                  given->n_initializers + 1, sizeof *given->initializers))
        return esk_fail_memory(error, "session options");
    char *copy = esk_strdup(name);
    if (!copy)
        return esk_fail_memory(error, "session options");
    given->initializers[given->n_initializers++] =
        (struct esk_given_initializer){copy, value->tensor};
    return ESK_OK;
}
