/* What a run of a plan holds, pooled with the plan. In: a plan; out: host memory and a
 * lease. */
#include "run/exec.h"

#include "base/mem.h"

#include <string.h>

/* Memory for vars that cross the host: read back, made by host nodes, or uploaded. */
static esk_status give_memory(struct esk_run_state *state, const struct esk_plan *plan,
                              esk_id id, esk_error *error) {
    const struct esk_var *var = plan->graph->vars[id];
    if (state->home[id] || var->data)
        return ESK_OK;
    state->home[id] = esk_arena_alloc(&state->memory, state->host[id].bytes);
    return state->home[id] ? ESK_OK : esk_fail_memory(error, var->name);
}

static esk_status give_outputs(struct esk_run_state *state, const struct esk_plan *plan,
                               const esk_id *nodes, uint32_t count, esk_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        const struct esk_node *node = plan->graph->nodes[nodes[i]];
        for (uint32_t j = 0; j < node->n_out; j++)
            if (node->out[j] != ESK_NONE)
                ESK_TRY(give_memory(state, plan, node->out[j], error));
    }
    return ESK_OK;
}

static esk_status make_state(struct esk_exec *exec, struct esk_entry *entry,
                             struct esk_run_state *state, esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    const struct esk_graph *graph = plan->graph;
    state->host = esk_calloc(graph->n_vars + 1u, sizeof *state->host);
    state->home = esk_calloc(graph->n_vars + 1u, sizeof *state->home);
    state->bindings =
        esk_calloc(plan->n_inputs + plan->n_outputs + 1u, sizeof *state->bindings);
    if (!state->host || !state->home || !state->bindings)
        return esk_fail_memory(error, "a run");
    for (uint32_t i = 0; i < graph->n_vars; i++) {
        const struct esk_var *var = graph->vars[i];
        struct esk_tensor *tensor = &state->host[i];
        *tensor = esk_var_tensor(var);
        if (var->rank >= 0 && !var->data)
            esk_dtype_bytes(var->dtype, esk_var_count(var), &tensor->bytes);
    }
    ESK_TRY(give_outputs(state, plan, plan->early, plan->n_early, error));
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        const struct esk_stage *stage = &plan->stages[s];
        /* outputs that nothing but the caller reads go to the caller's memory */
        for (uint32_t i = 0; i < stage->n_readbacks; i++)
            if (entry->needed[stage->readbacks[i].var])
                ESK_TRY(give_memory(state, plan, stage->readbacks[i].var, error));
        ESK_TRY(give_outputs(state, plan, stage->host_nodes, stage->n_host_nodes, error));
    }
    if (entry->prepared)
        return exec->shared->provider->lease(entry->prepared, &state->lease, error);
    return ESK_OK;
}

void esk_state_destroy(const struct esk_exec_shared *shared,
                       struct esk_run_state *state) {
    if (!state)
        return;
    if (state->lease)
        shared->provider->release(state->lease);
    esk_arena_finish(&state->memory);
    esk_arena_finish(&state->scratch);
    esk_free(state->host);
    esk_free(state->home);
    esk_free(state->bindings);
    esk_free(state);
}

esk_status esk_state_take(struct esk_exec *exec, struct esk_entry *entry,
                          struct esk_run_state **state, esk_error *error) {
    pthread_mutex_lock(&exec->lock);
    struct esk_run_state *taken = entry->idle;
    if (taken)
        entry->idle = taken->next;
    pthread_mutex_unlock(&exec->lock);
    if (taken) {
        if (entry->prepared && !taken->lease) {
            esk_status status =
                exec->shared->provider->lease(entry->prepared, &taken->lease, error);
            if (status != ESK_OK) {
                esk_state_destroy(exec->shared, taken);
                return status;
            }
        }
        *state = taken;
        return ESK_OK;
    }
    taken = esk_calloc(1, sizeof *taken);
    if (!taken)
        return esk_fail_memory(error, "a run");
    esk_status status = make_state(exec, entry, taken, error);
    if (status != ESK_OK) {
        esk_state_destroy(exec->shared, taken);
        return status;
    }
    *state = taken;
    return ESK_OK;
}

/* The lease goes back to the device at the end of the run: slabs are the device's. */
void esk_state_give(struct esk_exec *exec, struct esk_entry *entry,
                    struct esk_run_state *state) {
    if (state->lease) {
        exec->shared->provider->release(state->lease);
        state->lease = NULL;
    }
    pthread_mutex_lock(&exec->lock);
    state->next = entry->idle;
    entry->idle = state;
    pthread_mutex_unlock(&exec->lock);
}
