/* A run ahead of the first. In: shapes of inputs; out: plans, programs and weights that
 * are there. Must not know plans, GL or EGL. */
#include "esker/run.h"

#include "base/mem.h"
#include "run/request.h"

#include <string.h>

/* Zeros of the shape that `shapes` or, without free dimensions, the model gives. */
static esk_status make_zeros(const esk_session *session, uint32_t index,
                             const esk_input_shape *shapes, size_t n_shapes,
                             esk_value **value, esk_error *error) {
    const struct esk_graph *graph = session->exec->graph;
    const struct esk_var *var = graph->vars[graph->inputs[index]];
    struct esk_tensor shape = esk_var_tensor(var);
    for (size_t i = 0; i < n_shapes; i++)
        if (strcmp(shapes[i].name, var->name) == 0) {
            shape.rank = shapes[i].rank;
            for (int a = 0; a < shape.rank; a++)
                shape.dim[a] = shapes[i].dims[a];
            return esk_value_create(var->dtype, shape.rank, shape.dim, value, error);
        }
    for (int a = 0; a < var->rank || var->rank < 0; a++)
        if (var->rank < 0 || var->dim[a] < 0)
            return esk_fail(
                error, ESK_INVALID_ARGUMENT,
                "esk_session_warm_up: input '%s' has %s, and no shape was given",
                var->name, var->rank < 0 ? "no rank" : "a free dimension");
    return esk_value_create(var->dtype, var->rank, var->dim, value, error);
}

static esk_status check_shapes(const esk_session *session, const esk_input_shape *shapes,
                               size_t n_shapes, esk_error *error) {
    for (size_t i = 0; i < n_shapes; i++) {
        uint32_t at;
        ESK_TRY(esk_request_find_input(session, shapes[i].name, &at, error));
        if (shapes[i].rank < 0 || shapes[i].rank > ESK_MAX_RANK)
            return esk_fail(
                error, ESK_INVALID_ARGUMENT,
                "esk_session_warm_up: input '%s': rank %d, 0..%d are possible",
                shapes[i].name, shapes[i].rank, ESK_MAX_RANK);
        if (shapes[i].rank && !shapes[i].dims)
            return esk_fail(error, ESK_INVALID_ARGUMENT,
                            "esk_session_warm_up: input '%s': dims is NULL",
                            shapes[i].name);
    }
    return ESK_OK;
}

esk_status esk_session_warm_up(esk_session *session, const esk_input_shape *shapes,
                               size_t n_shapes, esk_error *error) {
    if (!session || (!shapes && n_shapes))
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_warm_up: session or shapes is NULL");
    ESK_TRY(check_shapes(session, shapes, n_shapes, error));
    const struct esk_graph *graph = session->exec->graph;
    uint32_t n_in = graph->n_inputs, n_out = graph->n_outputs, count = 0;
    const char **names = esk_calloc(n_in + 1u, sizeof *names);
    esk_value **values = esk_calloc((size_t)n_in + n_out + 1u, sizeof *values);
    esk_status status = ESK_OK;
    if (!names || !values)
        status = esk_fail_memory(error, "a warm-up");
    for (uint32_t i = 0; i < n_in && status == ESK_OK; i++) {
        const struct esk_var *var = graph->vars[graph->inputs[i]];
        if (var->flags & ESK_VAR_INITIALIZER)
            continue; /* the model brings its bytes */
        status = make_zeros(session, i, shapes, n_shapes, &values[count], error);
        if (status == ESK_OK)
            names[count++] = var->name;
    }
    /* -1: nothing is captured, whatever the session's options */
    if (status == ESK_OK)
        status = esk_session_run(session, esk_run_options(.gpu_graph_id = -1), names,
                                 values, count, NULL, values + n_in, n_out, error);
    for (uint32_t i = 0; values && i < n_in + n_out; i++)
        esk_value_destroy(values[i]);
    esk_free(values);
    esk_free(names);
    return status;
}
