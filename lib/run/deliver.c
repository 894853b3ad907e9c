/* Where the inputs of a run come from and its outputs go to: host memory, device tensors
 * in the place of the plan's own memory, or memory in between. In: a plan, values; out:
 * host tensors and bindings of a run. Must not know operators by name, GL or EGL. */
#include "esker/binding.h"
#include "run/exec.h"

#include "base/mem.h"

#include <string.h>

/* ---- what a run needs on the host ---- */

static void need(struct esk_entry *entry, esk_id id) {
    if (id != ESK_NONE)
        entry->needed[id] = true;
}

static void need_inputs(struct esk_entry *entry, esk_id id) {
    const struct esk_node *node = entry->plan->graph->nodes[id];
    for (uint32_t i = 0; i < node->n_in; i++)
        need(entry, node->in[i]);
    for (uint32_t i = 0; i < node->n_captures; i++)
        need(entry, node->captures[i]);
}

static bool is_input(const struct esk_graph *graph, esk_id id) {
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        if (graph->inputs[i] == id)
            return true;
    return false;
}

esk_status esk_deliver_needs(struct esk_entry *entry, esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    entry->needed = esk_calloc(plan->graph->n_vars + 1u, sizeof *entry->needed);
    if (!entry->needed)
        return esk_fail_memory(error, "a plan");
    for (uint32_t i = 0; i < plan->n_early; i++)
        need_inputs(entry, plan->early[i]);
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        const struct esk_stage *stage = &plan->stages[s];
        for (uint32_t i = 0; i < stage->n_host_nodes; i++)
            need_inputs(entry, stage->host_nodes[i]);
        for (uint32_t i = 0; i < stage->n_uploads; i++) {
            const struct esk_transfer *upload = &stage->uploads[i];
            if (plan->buffers[upload->buffer].place.slot != ESK_SLOT_INPUT)
                need(entry, upload->var);
        }
    }
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_kernel *kernel = plan->commands[i].kernel;
        for (uint32_t j = 0; j < kernel->n_params; j++)
            if (kernel->params[j].kind != ESK_PARAM_CONST)
                need(entry, kernel->params[j].var);
    }
    for (uint32_t i = 0; i < plan->n_outputs; i++)
        if (plan->outputs[i].from == ESK_OUTPUT_HOST)
            need(entry, plan->outputs[i].var);
    for (uint32_t i = 0; i < plan->cut.n_between; i++)
        need_inputs(entry, plan->cut.between[i]);
    /* an input goes to the rest as it is */
    for (uint32_t i = 0; plan->cut.rest && i < plan->cut.rest->n_inputs; i++)
        if (!is_input(plan->graph, plan->cut.rest->inputs[i]))
            need(entry, plan->cut.rest->inputs[i]);
    return ESK_OK;
}

/* ---- before the stages ---- */

static bool can_bind(const struct esk_plan_output *output) {
    return output->from == ESK_OUTPUT_DEVICE && !ESK_COMMAND_IS_FORM(output->buffer);
}

static esk_status check_shape(const struct esk_plan *plan, esk_id var,
                              const struct esk_tensor *given,
                              const struct esk_tensor *host, esk_error *error) {
    if (given->dtype == host->dtype &&
        esk_shape_equal(given->rank, given->dim, host->rank, host->dim))
        return ESK_OK;
    struct esk_text text = {0};
    esk_shape_print(&text, given->dtype, given->rank, given->dim);
    esk_text_add(&text, " was given for an output of ");
    esk_shape_print(&text, host->dtype, host->rank, host->dim);
    esk_fail(error, ESK_INVALID_ARGUMENT, "output '%s': %s", plan->graph->vars[var]->name,
             esk_text_str(&text));
    esk_text_finish(&text);
    return ESK_INVALID_ARGUMENT;
}

/* The value that an output goes to. */
static esk_status find_value(const struct esk_exec_shared *shared,
                             const struct esk_plan *plan, esk_id var,
                             const struct esk_tensor *host, struct esk_result *result,
                             esk_error *error) {
    if (result->ask) {
        result->value = result->ask(result->user, host);
        if (!result->value && result->must_give)
            return esk_fail(error, ESK_CANCELLED,
                            "output '%s': its callback gave no value",
                            plan->graph->vars[var]->name);
    }
    if (!result->value) {
        if (result->on_device && shared->open)
            ESK_TRY(esk_value_make_on(shared->env, shared->open, host, 0, 0,
                                      &result->value, error));
        else
            ESK_TRY(esk_value_create(host->dtype, host->rank, host->dim, &result->value,
                                     error));
        result->made = true;
        return ESK_OK;
    }
    return check_shape(plan, var, &result->value->tensor, host, error);
}

static esk_status begin_output(const struct esk_exec *exec, const struct esk_plan *plan,
                               uint32_t i, struct esk_run_state *state,
                               struct esk_result *result, uint32_t *n_bindings,
                               esk_error *error) {
    const struct esk_plan_output *output = &plan->outputs[i];
    struct esk_tensor *host = &state->host[output->var];
    ESK_TRY(find_value(exec->shared, plan, output->var, host, result, error));
    esk_value *to = result->value;
    if (to->on && to->on->device == exec->shared->device && can_bind(output) &&
        state->lease) {
        state->bindings[(*n_bindings)++] =
            (struct esk_device_binding){true, i, to->on->tensor};
        return ESK_OK;
    }
    if (to->on) {
        ESK_TRY(
            esk_value_create(host->dtype, host->rank, host->dim, &result->staged, error));
        to = result->staged;
    }
    bool written = output->from == ESK_OUTPUT_DEVICE || state->home[output->var];
    if (written && host->data == state->home[output->var])
        host->data = to->tensor.data;
    return ESK_OK;
}

static esk_status begin_input(const struct esk_entry *entry, uint32_t i,
                              struct esk_run_state *state,
                              const struct esk_bind_input *input, uint32_t *n_bindings,
                              esk_error *error) {
    esk_id id = entry->plan->graph->inputs[i];
    struct esk_tensor *host = &state->host[id];
    struct esk_device_tensor *tensor = esk_input_tensor(input);
    if (!tensor) {
        host->data = input->tensor.data;
        return ESK_OK;
    }
    if (entry->needed[id] && !host->data) {
        const void *data;
        ESK_TRY(esk_bind_input_bytes(input, &data, error));
        host->data = (void *)(uintptr_t)data;
    }
    state->bindings[(*n_bindings)++] = (struct esk_device_binding){false, i, tensor};
    return ESK_OK;
}

esk_status esk_deliver_begin(struct esk_exec *exec, struct esk_entry *entry,
                             struct esk_run_state *state,
                             const struct esk_bind_input *inputs,
                             struct esk_result *results, esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    const struct esk_graph *graph = plan->graph;
    uint32_t n = 0;
    for (uint32_t i = 0; i < graph->n_vars; i++)
        state->host[i].data = graph->vars[i]->data
                                  ? (void *)(uintptr_t)graph->vars[i]->data
                                  : state->home[i];
    for (uint32_t i = 0; i < exec->graph->n_inputs; i++)
        if (inputs[i].tensor.rank >= 0)
            ESK_TRY(begin_input(entry, i, state, &inputs[i], &n, error));
    for (uint32_t i = 0; i < plan->n_outputs; i++)
        if (results[i].wanted && plan->outputs[i].from != ESK_OUTPUT_LATER)
            ESK_TRY(begin_output(exec, plan, i, state, &results[i], &n, error));
    return n && state->lease
               ? exec->shared->provider->bind(state->lease, state->bindings, n, error)
               : ESK_OK;
}

/* ---- after the stages ---- */

/* Outputs that are inputs, constants, or given out twice were not written in place. */
static esk_status end_output(const struct esk_plan *plan, uint32_t i,
                             const struct esk_run_state *state, struct esk_result *result,
                             esk_error *error) {
    const struct esk_tensor *from = &state->host[plan->outputs[i].var];
    esk_value *to = result->staged ? result->staged : result->value;
    if (to->on) {
        esk_value_changed(to);
        return ESK_OK;
    }
    if (to->tensor.bytes && to->tensor.data != from->data)
        memcpy(to->tensor.data, from->data, to->tensor.bytes);
    return result->staged ? esk_value_copy(to, result->value, error) : ESK_OK;
}

esk_status esk_deliver_end(struct esk_entry *entry, struct esk_run_state *state,
                           struct esk_result *results, esk_status status,
                           esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    for (uint32_t i = 0; i < plan->n_outputs; i++) {
        if (!results[i].wanted || plan->outputs[i].from == ESK_OUTPUT_LATER)
            continue;
        if (status == ESK_OK)
            status = end_output(plan, i, state, &results[i], error);
        esk_value_destroy(results[i].staged);
        results[i].staged = NULL;
    }
    return status;
}
