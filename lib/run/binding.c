/* Bindings of a session's inputs and outputs, and values on its device. In: names and
 * values; out: runs of them. Must not know plans, GL or EGL. */
#include "esker/binding.h"

#include "base/mem.h"
#include "run/async.h"
#include "run/recover.h"
#include "run/request.h"

#include <string.h>

/* ---- values on the device ---- */

static esk_status check_shape(esk_dtype dtype, int rank, const int64_t *dims,
                              struct esk_tensor *shape, esk_error *error) {
    if (rank < 0 || rank > ESK_MAX_RANK || (rank && !dims))
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "rank %d is not in 0..%d, or no dims", rank, ESK_MAX_RANK);
    *shape = (struct esk_tensor){.dtype = dtype, .rank = rank};
    if (rank)
        memcpy(shape->dim, dims, (size_t)rank * sizeof *dims);
    return ESK_OK;
}

esk_status esk_value_create_on_device(esk_session *session, esk_dtype dtype, int rank,
                                      const int64_t *dims, esk_value **value,
                                      esk_error *error) {
    struct esk_tensor shape;
    if (!session || !value)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_value_create_on_device: session or value is NULL");
    ESK_TRY(check_shape(dtype, rank, dims, &shape, error));
    if (!session->device)
        return esk_value_create(dtype, rank, dims, value, error);
    esk_recover_lock(session);
    esk_status status =
        esk_value_make_on(session->env, session->device, &shape, 0, 0, value, error);
    esk_recover_unlock(session);
    return status;
}

esk_status esk_value_from_gl_buffer(esk_session *session, esk_dtype dtype, int rank,
                                    const int64_t *dims, unsigned gl_buffer, size_t size,
                                    esk_release_fn release, void *user, esk_value **value,
                                    esk_error *error) {
    struct esk_tensor shape;
    if (!session || !value || !gl_buffer)
        return esk_fail(
            error, ESK_INVALID_ARGUMENT,
            "esk_value_from_gl_buffer: session or value is NULL, or buffer 0");
    if (!session->device || !session->settings.number[ESK_OPTION_EGL_CONTEXT])
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "GL buffer %u: the session has no context that shares with the "
                        "caller's; give eglDisplay and eglContext",
                        gl_buffer);
    ESK_TRY(check_shape(dtype, rank, dims, &shape, error));
    ESK_TRY(esk_value_make_on(session->env, session->device, &shape, gl_buffer, size,
                              value, error));
    (*value)->release = release;
    (*value)->user = user;
    return ESK_OK;
}

/* ---- bindings ---- */

/* IMPLIED: no output is bound, so all are made on the host. */
enum kind { UNBOUND, IMPLIED, TO_VALUE, TO_LOCATION, TO_FN };

struct bound_output {
    enum kind kind;
    esk_value *value; /* TO_VALUE, TO_FN: the caller's; else owned */
    esk_location location;
    esk_output_fn fn;
    void *user;
    const char *name;
};

struct esk_binding {
    esk_session *session;
    esk_value **inputs; /* one an input of the session; NULL: not bound */
    struct bound_output *outputs;
};

esk_status esk_binding_create(esk_session *session, esk_binding **binding,
                              esk_error *error) {
    if (!session || !binding)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_binding_create: session or binding is NULL");
    struct esk_binding *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a binding");
    made->session = session;
    made->inputs = esk_calloc(session->exec->graph->n_inputs + 1u, sizeof *made->inputs);
    made->outputs =
        esk_calloc(session->exec->graph->n_outputs + 1u, sizeof *made->outputs);
    if (!made->inputs || !made->outputs) {
        esk_binding_destroy(made);
        return esk_fail_memory(error, "a binding");
    }
    *binding = made;
    return ESK_OK;
}

static void clear(struct bound_output *output) {
    if (output->kind == TO_LOCATION || output->kind == IMPLIED)
        esk_value_destroy(output->value);
    *output = (struct bound_output){0};
}

void esk_binding_clear_inputs(esk_binding *binding) {
    for (uint32_t i = 0; i < binding->session->exec->graph->n_inputs; i++)
        binding->inputs[i] = NULL;
}

void esk_binding_clear_outputs(esk_binding *binding) {
    for (uint32_t i = 0; i < binding->session->exec->graph->n_outputs; i++)
        clear(&binding->outputs[i]);
}

void esk_binding_destroy(esk_binding *binding) {
    if (!binding)
        return;
    if (binding->outputs)
        esk_binding_clear_outputs(binding);
    esk_free(binding->inputs);
    esk_free(binding->outputs);
    esk_free(binding);
}

esk_status esk_binding_input(esk_binding *binding, const char *name, esk_value *value,
                             esk_error *error) {
    uint32_t at;
    ESK_TRY(esk_request_find_input(binding->session, name, &at, error));
    if (!value)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "input '%s': its value is NULL",
                        name);
    ESK_TRY(esk_request_check_input(binding->session, at, &value->tensor, error));
    binding->inputs[at] = value;
    return ESK_OK;
}

static esk_status bind_output(esk_binding *binding, const char *name,
                              struct bound_output bound, esk_error *error) {
    uint32_t at;
    ESK_TRY(esk_request_find_output(binding->session, name, &at, error));
    bound.name = esk_model_output(binding->session->model, at)->name;
    clear(&binding->outputs[at]);
    binding->outputs[at] = bound;
    return ESK_OK;
}

esk_status esk_binding_output(esk_binding *binding, const char *name, esk_value *value,
                              esk_error *error) {
    if (!value)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "output '%s': its value is NULL",
                        name ? name : "NULL");
    return bind_output(binding, name,
                       (struct bound_output){.kind = TO_VALUE, .value = value}, error);
}

esk_status esk_binding_output_at(esk_binding *binding, const char *name,
                                 esk_location location, esk_error *error) {
    if (location != ESK_ON_HOST && location != ESK_ON_DEVICE)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "output '%s': location %d",
                        name ? name : "NULL", (int)location);
    return bind_output(binding, name,
                       (struct bound_output){.kind = TO_LOCATION, .location = location},
                       error);
}

esk_status esk_binding_output_fn(esk_binding *binding, const char *name, esk_output_fn fn,
                                 void *user, esk_error *error) {
    if (!fn)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "output '%s': its function is NULL",
                        name ? name : "NULL");
    return bind_output(binding, name,
                       (struct bound_output){.kind = TO_FN, .fn = fn, .user = user},
                       error);
}

static esk_value *ask(void *user, const struct esk_tensor *shape) {
    struct bound_output *output = user;
    output->value =
        output->fn(output->user, output->name, shape->dtype, shape->rank, shape->dim);
    return output->value;
}

/* A value of an earlier run that has the shape is filled again. */
static esk_value *ask_kept(void *user, const struct esk_tensor *shape) {
    const struct bound_output *output = user;
    const struct esk_tensor *kept = &output->value->tensor;
    return kept->dtype == shape->dtype &&
                   esk_shape_equal(kept->rank, kept->dim, shape->rank, shape->dim)
               ? output->value
               : NULL;
}

static esk_status take_inputs(const esk_binding *binding, struct esk_request *request,
                              esk_error *error) {
    for (uint32_t i = 0; i < binding->session->exec->graph->n_inputs; i++) {
        request->in[i] = (struct esk_bind_input){.tensor.rank = -1};
        if (binding->inputs[i])
            ESK_TRY(esk_request_input(request, i, binding->inputs[i], error));
    }
    return esk_request_check_inputs(request, error);
}

static void take_outputs(esk_binding *binding, struct esk_request *request) {
    uint32_t n = binding->session->exec->graph->n_outputs;
    bool any = false;
    for (uint32_t i = 0; i < n; i++)
        any |= binding->outputs[i].kind > IMPLIED;
    for (uint32_t i = 0; i < n; i++) {
        struct bound_output *output = &binding->outputs[i];
        if (!any)
            output->kind = IMPLIED;
        else if (output->kind == IMPLIED)
            clear(output);
        struct esk_result *result = &request->results[i];
        *result = (struct esk_result){.wanted = output->kind != UNBOUND,
                                      .on_device = output->location == ESK_ON_DEVICE,
                                      .user = output};
        if (output->kind == TO_VALUE)
            result->value = output->value;
        else if (output->kind == TO_FN)
            result->ask = ask;
        else if (output->value)
            result->ask = ask_kept;
        result->must_give = output->kind == TO_FN;
    }
}

esk_status esk_session_run_binding(esk_session *session, const esk_run_options *options,
                                   esk_binding *binding, esk_error *error) {
    if (!session || !binding || binding->session != session)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_run_binding: the binding is not of this session");
    struct esk_request request;
    esk_status status = esk_request_init(&request, session, options, error);
    if (status == ESK_OK)
        status = take_inputs(binding, &request, error);
    if (status == ESK_OK) {
        take_outputs(binding, &request);
        status = esk_request_run(&request, error);
    } else if (request.call.tag)
        esk_error_prefix(error, "run '%s'", request.call.tag);
    for (uint32_t i = 0; status == ESK_OK && i < session->exec->graph->n_outputs; i++) {
        struct bound_output *output = &binding->outputs[i];
        if (request.results[i].made) {
            esk_value_destroy(output->value);
            output->value = request.results[i].value;
        }
    }
    esk_request_finish(&request);
    return status;
}

static struct bound_output *find_output(const esk_binding *binding, const char *name) {
    uint32_t at;
    return esk_request_find_output(binding->session, name, &at, NULL) == ESK_OK
               ? &binding->outputs[at]
               : NULL;
}

esk_value *esk_binding_value(const esk_binding *binding, const char *name) {
    const struct bound_output *output = find_output(binding, name);
    return output ? output->value : NULL;
}

esk_value *esk_binding_take(esk_binding *binding, const char *name) {
    struct bound_output *output = find_output(binding, name);
    if (!output || (output->kind != TO_LOCATION && output->kind != IMPLIED))
        return NULL;
    esk_value *value = output->value;
    output->value = NULL;
    return value;
}
