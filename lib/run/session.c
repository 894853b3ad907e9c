/* Sessions. create() is the table of contents: load → dialect → device → passes → (shapes
 * known?) bind. In: a model and options; out: something to run. Must not know operators
 * by name, GL or EGL. */
#include "run/session.h"

#include "base/mem.h"
#include "cpu/cpu.h"
#include "glcompute/glcompute.h"
#include "run/capture.h"
#include "run/trace.h"

#include <string.h>

/* ---- creation ---- */

/* Lines of a text as a NULL-terminated list in one block. */
static esk_status split_lines(const char *text, char ***list, esk_error *error) {
    size_t lines = 1, length = text ? strlen(text) : 0;
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    char **made = esk_calloc(1, (lines + 1) * sizeof *made + length + 1);
    if (!made)
        return esk_fail_memory(error, "options");
    char *copy = (char *)(made + lines + 1);
    if (length)
        memcpy(copy, text, length);
    size_t n = 0;
    for (char *line = copy; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        if (*line)
            made[n++] = line;
        line = end;
    }
    *list = made;
    return ESK_OK;
}

/* One override on one dimension. `by`: the override that gave it its size; NULL: the
 * model did, or nothing yet. */
static esk_status override_dim(struct esk_var *var, int axis,
                               const struct esk_dim_override *dim,
                               const struct esk_dim_override **by, esk_error *error) {
    const char *kind = dim->by_denotation ? "denotation" : "free dimension";
    if (var->dim[axis] >= 0 && var->dim[axis] != dim->size && *by)
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "%s '%s' = %lld contradicts %s '%s' = %lld: both are axis %d of input "
            "'%s'",
            kind, dim->name, (long long)dim->size,
            (*by)->by_denotation ? "denotation" : "free dimension", (*by)->name,
            (long long)(*by)->size, axis, var->name);
    if (var->dim[axis] >= 0 && var->dim[axis] != dim->size)
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "%s '%s' = %lld: the model declares %lld for axis %d of input '%s'", kind,
            dim->name, (long long)dim->size, (long long)var->dim[axis], axis, var->name);
    if (var->dim[axis] < 0)
        *by = dim;
    var->dim[axis] = dim->size;
    return ESK_OK;
}

/* Caches that are kept quantised have another last axis than the model declared; so the
 * session's users see it. */
static void describe_kept(struct esk_model *model) {
    const struct esk_graph *graph = model->graph;
    for (uint32_t i = 0; i < graph->n_inputs + graph->n_outputs; i++) {
        uint32_t k = i < graph->n_inputs ? i : i - graph->n_inputs;
        const struct esk_var *var =
            graph->vars[i < graph->n_inputs ? graph->inputs[k] : graph->outputs[k]];
        size_t n = i < graph->n_inputs ? model->n_inputs : model->n_outputs;
        esk_value_info *info =
            i < graph->n_inputs ? &model->inputs[k] : &model->outputs[k];
        if (k < n && var->flags & ESK_VAR_WORDS && var->rank > 0 &&
            info->rank == var->rank)
            ((int64_t *)info->dims)[var->rank - 1] = var->dim[var->rank - 1];
    }
}

static esk_status override_dims(struct esk_session *session,
                                const esk_session_options *options, esk_error *error) {
    struct esk_graph *graph = session->model->graph;
    size_t n = options ? options->n_dims : 0;
    if (!n)
        return ESK_OK;
    bool *found = esk_calloc(n, sizeof *found);
    if (!found)
        return esk_fail_memory(error, "overrides");
    esk_status status = ESK_OK;
    for (uint32_t i = 0; status == ESK_OK && i < graph->n_inputs; i++) {
        struct esk_var *var = graph->vars[graph->inputs[i]];
        for (int a = 0; status == ESK_OK && a < var->rank; a++) {
            const struct esk_dim_override *by = NULL;
            int64_t *declared = i < session->model->n_inputs
                                    ? (int64_t *)session->model->inputs[i].dims
                                    : NULL;
            for (size_t d = 0; status == ESK_OK && d < n; d++) {
                const struct esk_dim_override *dim = &options->dims[d];
                const char *const *names =
                    dim->by_denotation ? var->dim_denotation : var->dim_name;
                if (!names || !names[a] || strcmp(names[a], dim->name) != 0)
                    continue;
                found[d] = true;
                status = override_dim(var, a, dim, &by, error);
                if (declared) /* the session's own copy, as its users see it */
                    declared[a] = var->dim[a];
            }
        }
    }
    for (size_t d = 0; status == ESK_OK && d < n; d++)
        if (!found[d])
            status = esk_fail(
                error, ESK_INVALID_ARGUMENT, "%s '%s': no input of the model has it",
                options->dims[d].by_denotation ? "denotation" : "free dimension",
                options->dims[d].name);
    esk_free(found);
    return status;
}

static esk_status open_device(struct esk_session *session,
                              const esk_session_options *options, esk_error *error) {
    bool want = !options || options->glcompute || !options->cpu;
    if (!want)
        return ESK_OK;
    bool strict = session->settings.number[ESK_OPTION_STRICT];
    bool asked = options && options->glcompute && !options->cpu;
    esk_error why = ESK_ERROR_INIT;
    esk_status status = esk_env_device(session->env, &esk_glcompute_provider,
                                       &session->settings, &session->device, &why);
    if (status == ESK_NO_DEVICE && !strict && !asked) {
        /* no provider was named, or CPU stands behind it: fall back, visibly */
        esk_log(&session->logger, ESK_LOG_WARNING,
                "GLCompute has no device, the session runs on the CPU: %s",
                esk_error_message(&why));
        esk_error_clear(&why);
        return ESK_OK;
    }
    if (status != ESK_OK)
        esk_error_move(error, &why);
    return status;
}

static bool shapes_known(const struct esk_graph *graph) {
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct esk_var *var = graph->vars[graph->inputs[i]];
        if (var->rank < 0)
            return false;
        for (int a = 0; a < var->rank; a++)
            if (var->dim[a] < 0)
                return false;
    }
    return true;
}

/* A plan for declared shapes; free dimensions take `size`. Without bytes of inputs unless
 * `zeros`. */
static esk_status plan_declared(struct esk_session *session, int64_t size, bool zeros,
                                esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    struct esk_bind_input *inputs = esk_calloc(graph->n_inputs + 1u, sizeof *inputs);
    if (!inputs)
        return esk_fail_memory(error, "a plan");
    esk_status status = ESK_OK;
    for (uint32_t i = 0; i < graph->n_inputs && status == ESK_OK; i++) {
        const struct esk_var *var = graph->vars[graph->inputs[i]];
        struct esk_tensor *tensor = &inputs[i].tensor;
        tensor->rank = -1;
        if (var->flags & ESK_VAR_INITIALIZER)
            continue;
        int64_t count;
        *tensor = esk_var_tensor(var);
        tensor->rank = var->rank < 0 ? 0 : var->rank;
        for (int a = 0; a < tensor->rank; a++)
            if (tensor->dim[a] < 0)
                tensor->dim[a] = size;
        tensor->data = NULL;
        if (!esk_shape_count(tensor->rank, tensor->dim, &count) ||
            !esk_dtype_bytes(tensor->dtype, count, &tensor->bytes))
            status = esk_fail(error, ESK_INVALID_ARGUMENT, "input '%s': size overflow",
                              var->name);
        else if (zeros && !(tensor->data = esk_calloc(1, tensor->bytes)))
            status = esk_fail_memory(error, var->name);
    }
    struct esk_entry *entry = NULL;
    if (status == ESK_OK)
        status = esk_exec_entry(session->exec, inputs, !zeros, &entry, error);
    if (entry)
        esk_exec_release(session->exec, entry);
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        esk_free(inputs[i].tensor.data);
    esk_free(inputs);
    return status;
}

static void log_with_id(void *user, esk_log_level level, const char *text) {
    const struct esk_session *session = user;
    struct esk_text line = {0};
    esk_text_add(&line, "%s: %s", session->settings.text[ESK_OPTION_LOG_ID], text);
    session->env->logger.callback(session->env->logger.user, level, esk_text_str(&line));
    esk_text_finish(&line);
}

/* The env's log, with the session's own id and severity. */
static void set_logger(struct esk_session *session) {
    const char *id = session->settings.text[ESK_OPTION_LOG_ID];
    int64_t severity = session->settings.number[ESK_OPTION_LOG_SEVERITY];
    session->logger = session->env->logger;
    if (severity)
        session->logger.level = (esk_log_level)(severity - 1);
    if (id && *id && session->logger.callback) {
        session->logger.callback = log_with_id;
        session->logger.user = session;
    }
}

/* Names of passes and nodes that nothing has. */
static esk_status check_lists(const struct esk_session *session, esk_error *error) {
    for (char **name = session->lists[1]; *name; name++) {
        const char *best = esk_pass_at(0)->name;
        bool known = false;
        for (size_t i = 0; esk_pass_at(i); i++) {
            known |= strcmp(esk_pass_at(i)->name, *name) == 0;
            if (esk_text_distance(*name, esk_pass_at(i)->name) <
                esk_text_distance(*name, best))
                best = esk_pass_at(i)->name;
        }
        if (!known)
            return esk_fail(
                error, ESK_INVALID_ARGUMENT,
                "option 'disabledOptimizers': no optimiser '%s'; the nearest is "
                "'%s'",
                *name, best);
    }
    const struct esk_graph *graph = session->model->graph;
    for (char **name = session->lists[0]; *name; name++) {
        bool known = false;
        for (uint32_t i = 0; i < graph->n_nodes && !known; i++)
            known = strcmp(graph->nodes[i]->name, *name) == 0;
        if (!known)
            esk_log(&session->logger, ESK_LOG_WARNING,
                    "option 'forceCpuNodeNames': the model has no node '%s'", *name);
    }
    return ESK_OK;
}

static esk_status create(struct esk_session *session, const esk_session_options *options,
                         esk_error *error) {
    const struct esk_logger *log = &session->logger;
    if (options) {
        if (!esk_settings_copy(&session->settings, &options->settings))
            return esk_fail_memory(error, "options");
    } else
        esk_settings_init(&session->settings);
    set_logger(session);
    esk_settings_warn(&session->settings, log);
    ESK_TRY(esk_settings_check(&session->settings, error));
    ESK_TRY(split_lines(session->settings.text[ESK_OPTION_FORCE_CPU], &session->lists[0],
                        error));
    ESK_TRY(split_lines(session->settings.text[ESK_OPTION_DISABLED], &session->lists[1],
                        error));
    ESK_TRY(check_lists(session, error));
    if (session->settings.number[ESK_OPTION_PROFILING]) {
        ESK_TRY(esk_profile_create(&session->profile, error));
        atomic_store(&session->profiling, true);
    }
    uint64_t start = session->profile ? esk_trace_now() : 0;
    session->shared = (struct esk_exec_shared){
        .options =
            {
                .logger = log,
                .host_names = (const char *const *)session->lists[0],
                .disabled = (const char *const *)session->lists[1],
                .level = (int)session->settings.number[ESK_OPTION_LEVEL],
                .strict = session->settings.number[ESK_OPTION_STRICT],
                .no_int64 = !session->settings.number[ESK_OPTION_INT64],
            },
        .most_plans = (uint32_t)session->settings.number[ESK_OPTION_PLAN_CACHE],
        .validate = esk_settings_validate(&session->settings),
    };
    ESK_TRY(esk_model_give(session->model, options ? &options->given : NULL, error));
    ESK_TRY(esk_model_describe(session->model, error));
    ESK_TRY(esk_model_verify(session->model, error));
    esk_graph_set_caches(session->model->graph,
                         session->settings.number[ESK_OPTION_ROTARY],
                         4 * (int)session->settings.number[ESK_OPTION_KV_BITS]);
    ESK_TRY(esk_model_upgrade(session->model, log, error));
    describe_kept(session->model);
    ESK_TRY(override_dims(session, options, error));
    /* before passes: folding may start the BLAS's threads, after which llvmpipe's inline
     * screen is not to be had */
    ESK_TRY(open_device(session, options, error));
    int threads = (int)session->settings.number[ESK_OPTION_INTRA_OP];
    if (threads && !esk_cpu_set_threads(threads))
        esk_log(log, ESK_LOG_WARNING,
                "option 'intraOpNumThreads' has no effect: there is no OpenBLAS");
    ESK_TRY(esk_model_passes(session->model->graph, &session->shared.options, error));
    esk_env_share_constants(session->env, session->model->graph);
    if (session->device) {
        session->shared.env = session->env;
        session->shared.open = session->device;
        session->shared.provider = session->device->provider;
        session->shared.device = session->device->device;
        session->shared.limits = esk_settings_limits(
            &session->settings,
            &session->shared.provider->facts(session->shared.device)->limits);
        session->shared.options.limits = &session->shared.limits;
        ESK_TRY(esk_run_tuning_create(&session->settings, session->shared.provider,
                                      session->shared.device, log,
                                      &session->shared.tuning, error));
        if (session->shared.tuning)
            session->shared.options.tuner = &session->shared.tuning->tuner;
    }
    ESK_TRY(
        esk_exec_create(&session->shared, session->model->graph, &session->exec, error));
    if (shapes_known(session->model->graph))
        ESK_TRY(plan_declared(session, 1, false, error));
    if (session->settings.number[ESK_OPTION_CAPTURE])
        ESK_TRY(esk_capture_check(session, error));
    esk_trace_phase(session->profile, 0, NULL, "session_initialization", start);
    return ESK_OK;
}

static bool make_locks(struct esk_session *session) {
    pthread_mutex_t *const locks[] = {&session->lock, &session->capture_lock,
                                      &session->recovery};
    enum { LOCKS = sizeof locks / sizeof *locks };
    int n = 0;
    while (n < LOCKS && !pthread_mutex_init(locks[n], NULL))
        n++;
    if (n == LOCKS && !pthread_cond_init(&session->landed, NULL))
        return true;
    while (n-- > 0)
        pthread_mutex_destroy(locks[n]);
    return false;
}

/* Takes the model over, on failure too. */
static esk_status create_over(esk_env *env, struct esk_model *model,
                              const esk_session_options *options, esk_session **session,
                              esk_error *error) {
    struct esk_session *made = esk_calloc(1, sizeof *made);
    if (!made) {
        esk_model_destroy(model);
        return esk_fail_memory(error, "a session");
    }
    if (!make_locks(made)) {
        esk_free(made);
        esk_model_destroy(model);
        return esk_fail(error, ESK_INTERNAL, "a mutex cannot be made");
    }
    made->env = env;
    made->model = model;
    esk_status status = create(made, options, error);
    if (status != ESK_OK) {
        esk_session_destroy(made);
        return status;
    }
    *session = made;
    return ESK_OK;
}

static esk_status create_from(esk_env *env, const struct esk_source *source,
                              const esk_session_options *options, esk_session **session,
                              esk_error *error) {
    struct esk_model *model;
    struct esk_open_file *file = NULL;
    ESK_TRY(esk_env_load(env, source, options ? &options->given : NULL, &file, &model,
                         error));
    esk_status status = create_over(env, model, options, session, error);
    if (status == ESK_OK)
        (*session)->file = file;
    else
        esk_env_release_file(env, file);
    return status;
}

esk_status esk_session_create(esk_env *env, const char *path,
                              const esk_session_options *options, esk_session **session,
                              esk_error *error) {
    if (!env || !path || !session)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_create: env, path or session is NULL");
    return create_from(env, &(struct esk_source){.path = path}, options, session, error);
}

esk_status esk_session_create_from_memory(esk_env *env, const void *bytes, size_t size,
                                          bool borrow, const char *directory,
                                          const esk_session_options *options,
                                          esk_session **session, esk_error *error) {
    if (!env || (!bytes && size) || !session)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_create_from_memory: env, bytes or session is NULL");
    const struct esk_source source = {
        .bytes = bytes, .size = size, .borrow = borrow, .directory = directory};
    return create_from(env, &source, options, session, error);
}

esk_status esk_session_create_from_model(esk_env *env, const esk_model *model,
                                         const esk_session_options *options,
                                         esk_session **session, esk_error *error) {
    if (!env || !model || !session)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_create_from_model: env, model or session is NULL");
    struct esk_model *copy;
    ESK_TRY(esk_model_copy(model, &copy, error));
    return create_over(env, copy, options, session, error);
}

static void destroy(void *user) {
    struct esk_session *session = user;
    struct esk_env *env = session->env;
    esk_session_write_profile(session);
    esk_capture_finish(session);
    esk_exec_destroy(session->exec);
    esk_run_tuning_destroy(session->shared.tuning);
    if (session->device)
        esk_env_release(session->env, session->device);
    esk_profile_destroy(session->profile);
    esk_settings_finish(&session->settings);
    esk_free(session->lists[0]);
    esk_free(session->lists[1]);
    esk_model_destroy(session->model);
    esk_env_release_file(env, session->file);
    esk_env_drop_constants(env);
    pthread_mutex_destroy(&session->lock);
    pthread_mutex_destroy(&session->capture_lock);
    pthread_mutex_destroy(&session->recovery);
    pthread_cond_destroy(&session->landed);
    esk_free(session);
    esk_env_leave_end(env);
}

void esk_session_destroy(esk_session *session) {
    if (!session)
        return;
    esk_env_leave_begin(session->env);
    esk_queue_destroy(session->queue, destroy, session);
}

esk_status esk_session_plan(esk_session *session, int64_t fallback_size,
                            esk_error *error) {
    if (fallback_size < 0)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "esk_session_plan: size %lld",
                        (long long)fallback_size);
    return plan_declared(session, fallback_size, true, error);
}

/* ---- facts ---- */

size_t esk_session_input_count(const esk_session *session) {
    return esk_model_input_count(session->model);
}

const esk_value_info *esk_session_input(const esk_session *session, size_t index) {
    return esk_model_input(session->model, index);
}

size_t esk_session_output_count(const esk_session *session) {
    return esk_model_output_count(session->model);
}

const esk_value_info *esk_session_output(const esk_session *session, size_t index) {
    return esk_model_output(session->model, index);
}

const char *esk_session_metadata(const esk_session *session, const char *key) {
    return esk_model_metadata(session->model, key);
}

const char *esk_session_metadata_key(const esk_session *session, size_t index) {
    return esk_model_metadata_key(session->model, index);
}
