/* Runs as callers ask for them. In: names and values; out: values. Must not know plans,
 * GL or EGL. */
#include "esker/run.h"

#include "base/mem.h"
#include "run/capture.h"
#include "run/recover.h"
#include "run/request.h"
#include "run/trace.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* ---- stopping ---- */

struct esk_terminate {
    atomic_bool on;
};

esk_status esk_terminate_create(esk_terminate **terminate, esk_error *error) {
    struct esk_terminate *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a terminate switch");
    atomic_init(&made->on, false);
    *terminate = made;
    return ESK_OK;
}

void esk_terminate_set(esk_terminate *terminate, bool on) {
    atomic_store_explicit(&terminate->on, on, memory_order_relaxed);
}

bool esk_terminate_is_set(const esk_terminate *terminate) {
    return atomic_load_explicit(&terminate->on, memory_order_relaxed);
}

void esk_terminate_destroy(esk_terminate *terminate) {
    esk_free(terminate);
}

/* ---- running ---- */

esk_status esk_request_find_input(const esk_session *session, const char *name,
                                  uint32_t *index, esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    for (uint32_t i = 0; name && i < graph->n_inputs; i++)
        if (strcmp(graph->vars[graph->inputs[i]]->name, name) == 0) {
            *index = i;
            return ESK_OK;
        }
    struct esk_text known = {0};
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        esk_text_add(&known, "%s'%s'", i ? ", " : "",
                     graph->vars[graph->inputs[i]]->name);
    esk_fail(error, ESK_INVALID_ARGUMENT, "the model has no input '%s'; it has %s",
             name ? name : "NULL", esk_text_str(&known));
    esk_text_finish(&known);
    return ESK_INVALID_ARGUMENT;
}

esk_status esk_request_check_input(const esk_session *session, uint32_t index,
                                   const struct esk_tensor *tensor, esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    const struct esk_var *var = graph->vars[graph->inputs[index]];
    bool good =
        var->dtype == tensor->dtype && (var->rank < 0 || var->rank == tensor->rank);
    for (int a = 0; good && a < var->rank; a++)
        good = var->dim[a] < 0 || var->dim[a] == tensor->dim[a];
    if (good)
        return ESK_OK;
    struct esk_text text = {0};
    esk_shape_print(&text, var->dtype, var->rank, var->dim);
    esk_text_add(&text, ", it was given ");
    esk_shape_print(&text, tensor->dtype, tensor->rank, tensor->dim);
    esk_fail(error, ESK_INVALID_ARGUMENT, "input '%s' is %s", var->name,
             esk_text_str(&text));
    esk_text_finish(&text);
    return ESK_INVALID_ARGUMENT;
}

esk_status esk_request_input(struct esk_request *r, uint32_t index, esk_value *value,
                             esk_error *error) {
    esk_session *session = r->session;
    const struct esk_graph *graph = session->exec->graph;
    esk_recover_lock(session);
    const struct esk_device *device = session->shared.device;
    esk_recover_unlock(session);
    if (esk_value_as_input(value, device, &r->in[index], error) == ESK_OK)
        return ESK_OK;
    return esk_error_prefix(error, "input '%s'", graph->vars[graph->inputs[index]]->name);
}

static esk_status take_inputs(struct esk_request *r, const char *const *names,
                              esk_value *const *values, size_t count, esk_error *error) {
    const esk_session *session = r->session;
    struct esk_bind_input *inputs = r->in;
    const struct esk_graph *graph = session->exec->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        inputs[i] = (struct esk_bind_input){.tensor.rank = -1};
    for (size_t i = 0; i < count; i++) {
        uint32_t at;
        ESK_TRY(esk_request_find_input(session, names[i], &at, error));
        if (!values[i])
            return esk_fail(error, ESK_INVALID_ARGUMENT, "input '%s': its value is NULL",
                            names[i]);
        ESK_TRY(esk_request_check_input(session, at, &values[i]->tensor, error));
        ESK_TRY(esk_request_input(r, at, values[i], error));
    }
    return ESK_OK;
}

esk_status esk_request_check_inputs(const struct esk_request *request, esk_error *error) {
    const esk_session *session = request->session;
    const struct esk_graph *graph = session->exec->graph;
    const struct esk_bind_input *inputs = request->in;
    const char *tag = request->call.tag;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct esk_var *var = graph->vars[graph->inputs[i]];
        if (inputs[i].tensor.rank < 0 && !(var->flags & ESK_VAR_INITIALIZER))
            return esk_fail(error, ESK_INVALID_ARGUMENT, "input '%s' is missing",
                            var->name);
    }
    /* one free dimension has one size in a run */
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct esk_var *a = graph->vars[graph->inputs[i]];
            const struct esk_var *b = graph->vars[graph->inputs[j]];
            for (int p = 0; a->dim_name && p < inputs[i].tensor.rank && p < a->rank; p++)
                for (int q = 0; b->dim_name && q < inputs[j].tensor.rank && q < b->rank;
                     q++)
                    if (a->dim_name[p] && b->dim_name[q] &&
                        strcmp(a->dim_name[p], b->dim_name[q]) == 0 &&
                        inputs[i].tensor.dim[p] != inputs[j].tensor.dim[q])
                        esk_log(
                            &session->logger, ESK_LOG_WARNING,
                            "%s%s%sfree dimension '%s' is %lld in input '%s' and %lld in "
                            "'%s'",
                            tag ? "run '" : "", tag ? tag : "", tag ? "': " : "",
                            a->dim_name[p], (long long)inputs[i].tensor.dim[p], a->name,
                            (long long)inputs[j].tensor.dim[q], b->name);
        }
    return ESK_OK;
}

esk_status esk_request_find_output(const esk_session *session, const char *name,
                                   uint32_t *index, esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    for (uint32_t i = 0; name && i < graph->n_outputs; i++)
        if (strcmp(esk_model_output(session->model, i)->name, name) == 0) {
            *index = i;
            return ESK_OK;
        }
    struct esk_text known = {0};
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        esk_text_add(&known, "%s'%s'", i ? ", " : "",
                     esk_model_output(session->model, i)->name);
    esk_fail(error, ESK_INVALID_ARGUMENT, "the model has no output '%s'; it has %s",
             name ? name : "NULL", esk_text_str(&known));
    esk_text_finish(&known);
    return ESK_INVALID_ARGUMENT;
}

static esk_status take_outputs(const esk_session *session, const char *const *names,
                               esk_value **values, size_t count,
                               struct esk_result *results, uint32_t *indexes,
                               esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)i;
        if (names)
            ESK_TRY(esk_request_find_output(session, names[i], &at, error));
        else if (i >= graph->n_outputs)
            return esk_fail(error, ESK_INVALID_ARGUMENT,
                            "%zu outputs are asked for, the model has %u", count,
                            graph->n_outputs);
        if (results[at].wanted)
            return esk_fail(error, ESK_INVALID_ARGUMENT, "output '%s' is asked for twice",
                            esk_model_output(session->model, at)->name);
        results[at] = (struct esk_result){.wanted = true, .value = values[i]};
        indexes[i] = at;
    }
    return ESK_OK;
}

/* The options as this library knows them: what a caller's older struct lacks is zero. */
static esk_status take_options(const esk_run_options *options, struct esk_run_call *call,
                               esk_error *error) {
    enum { FIRST_SIZE = offsetof(esk_run_options, profile) + sizeof(esk_profile *) };
    *call = (struct esk_run_call){0};
    esk_run_options all = {.struct_size = sizeof all};
    if (options &&
        (options->struct_size < FIRST_SIZE || options->struct_size > sizeof all))
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "esk_run_options.struct_size is %zu, this library knows %d to %zu",
            options->struct_size, FIRST_SIZE, sizeof all);
    if (options)
        memcpy(&all, options, options->struct_size);
    if (all.gpu_graph_id < -1)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "gpu_graph_id is %d; it is -1 (none) or more", all.gpu_graph_id);
    *call = (struct esk_run_call){
        .tag = all.tag,
        .stop = all.terminate ? &all.terminate->on : NULL,
        .graph_id = all.gpu_graph_id,
        .profile = all.profile,
    };
    return ESK_OK;
}

void esk_request_finish(struct esk_request *r) {
    if (r->in != r->few_in)
        esk_free(r->in);
    if (r->results != r->few_results)
        esk_free(r->results);
    if (r->indexes != r->few_indexes)
        esk_free(r->indexes);
}

esk_status esk_request_init(struct esk_request *r, esk_session *session,
                            const esk_run_options *options, esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    r->session = session;
    r->in = r->few_in;
    r->results = r->few_results;
    r->indexes = r->few_indexes;
    r->outputs = NULL;
    r->n_outputs = 0;
    memset(r->few_results, 0, sizeof r->few_results);
    ESK_TRY(take_options(options, &r->call, error));
    if (graph->n_inputs > ESK_REQUEST_FEW)
        r->in = esk_calloc(graph->n_inputs, sizeof *r->in);
    if (graph->n_outputs > ESK_REQUEST_FEW) {
        r->results = esk_calloc(graph->n_outputs, sizeof *r->results);
        r->indexes = esk_calloc(graph->n_outputs, sizeof *r->indexes);
    }
    return r->in && r->results && r->indexes ? ESK_OK : esk_fail_memory(error, "a run");
}

esk_status esk_request_take(struct esk_request *r, const char *const *input_names,
                            esk_value *const *inputs, size_t n_inputs,
                            const char *const *output_names, esk_value **outputs,
                            size_t n_outputs, esk_error *error) {
    if (!output_names && !n_outputs)
        n_outputs = r->session->exec->graph->n_outputs;
    if (!outputs || (n_inputs && (!input_names || !inputs)))
        return esk_fail(error, ESK_INVALID_ARGUMENT, "a run: an array is NULL");
    ESK_TRY(take_inputs(r, input_names, inputs, n_inputs, error));
    ESK_TRY(esk_request_check_inputs(r, error));
    ESK_TRY(take_outputs(r->session, output_names, outputs, n_outputs, r->results,
                         r->indexes, error));
    r->outputs = outputs;
    r->n_outputs = n_outputs;
    return ESK_OK;
}

static esk_status run(struct esk_request *r, esk_error *error) {
    struct esk_run_call *call = &r->call;
    bool capture = call->graph_id >= 0 && r->session->settings.number[ESK_OPTION_CAPTURE];
    return capture ? esk_capture_run(r, error)
                   : esk_exec_run(r->session->exec, r->in, r->results, call, error);
}

static esk_status run_and_recover(struct esk_request *r, esk_error *error) {
    ESK_TRY(esk_recover_enter(r, error));
    esk_status status = run(r, error);
    esk_recover_leave(r->session);
    return status;
}

esk_status esk_request_run(struct esk_request *r, esk_error *error) {
    const struct esk_graph *graph = r->session->exec->graph;
    struct esk_run_call *call = &r->call;
    bool recovers = r->session->device && r->session->settings.number[ESK_OPTION_RECOVER];
    if (!call->profile &&
        atomic_load_explicit(&r->session->profiling, memory_order_acquire))
        call->profile = r->session->profile;
    uint64_t start = call->profile ? esk_trace_now() : 0;
    call->run = esk_trace_run(call->profile);
    esk_status status = recovers ? run_and_recover(r, error) : run(r, error);
    esk_trace_phase(call->profile, call->run, call->tag, "model_run", start);
    for (uint32_t i = 0;
         status == ESK_OK && r->session->shared.validate && i < graph->n_outputs; i++)
        if (r->results[i].value)
            status = esk_validate_output(esk_model_output(r->session->model, i),
                                         &r->results[i].value->tensor, error);
    if (status == ESK_OK) {
        for (size_t i = 0; i < r->n_outputs; i++)
            r->outputs[i] = r->results[r->indexes[i]].value;
        return ESK_OK;
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        if (r->results[i].made) {
            esk_value_destroy(r->results[i].value);
            r->results[i].value = NULL;
        }
    return r->call.tag ? esk_error_prefix(error, "run '%s'", r->call.tag) : status;
}

esk_status esk_session_run(esk_session *session, const esk_run_options *options,
                           const char *const *input_names, esk_value *const *inputs,
                           size_t n_inputs, const char *const *output_names,
                           esk_value **outputs, size_t n_outputs, esk_error *error) {
    if (!session)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "esk_session_run: session is NULL");
    struct esk_request request;
    esk_status status = esk_request_init(&request, session, options, error);
    if (status == ESK_OK)
        status = esk_request_take(&request, input_names, inputs, n_inputs, output_names,
                                  outputs, n_outputs, error);
    if (status == ESK_OK)
        status = esk_request_run(&request, error);
    else if (request.call.tag)
        esk_error_prefix(error, "run '%s'", request.call.tag);
    esk_request_finish(&request);
    return status;
}
