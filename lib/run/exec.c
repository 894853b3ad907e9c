/* Plans by key, and a run of one: stages on the device and the host in turn. In: tensors;
 * out: values. Must not know operators by name, GL or EGL. A steady run allocates nothing
 * but the values that the caller did not bring. */
#include "run/exec.h"
#include "run/trace.h"

#include "base/mem.h"

#include <string.h>

esk_status esk_exec_create(const struct esk_exec_shared *shared,
                           const struct esk_graph *graph, struct esk_exec **exec,
                           esk_error *error) {
    struct esk_exec *made = esk_calloc(1, sizeof *made);
    if (!made)
        return esk_fail_memory(error, "a session");
    if (pthread_mutex_init(&made->lock, NULL)) {
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a mutex cannot be made");
    }
    made->shared = shared;
    made->graph = graph;
    *exec = made;
    return ESK_OK;
}

static void destroy_entry(struct esk_exec *exec, struct esk_entry *entry) {
    if (!entry)
        return;
    while (entry->idle) {
        struct esk_run_state *next = entry->idle->next;
        esk_state_destroy(exec->shared, entry->idle);
        entry->idle = next;
    }
    esk_exec_destroy(entry->rest);
    if (entry->prepared)
        exec->shared->provider->unprepare(entry->prepared);
    if (entry->key)
        for (uint32_t i = 0; i < exec->graph->n_inputs; i++)
            esk_free(entry->key[i].data);
    esk_free(entry->key);
    esk_free(entry->needed);
    esk_plan_destroy(entry->plan);
    esk_free(entry);
}

void esk_exec_forget(struct esk_exec *exec) {
    for (uint32_t i = 0; i < exec->n_entries; i++)
        destroy_entry(exec, exec->entries[i]);
    exec->n_entries = 0;
    exec->newest = NULL;
    for (uint32_t i = 0; i < exec->n_bodies; i++)
        esk_exec_destroy(exec->bodies[i].exec);
    exec->n_bodies = 0;
}

void esk_exec_destroy(struct esk_exec *exec) {
    if (!exec)
        return;
    esk_exec_forget(exec);
    esk_free(exec->entries);
    esk_free(exec->bodies);
    pthread_mutex_destroy(&exec->lock);
    esk_free(exec);
}

/* ---- the cache of plans ---- */

static bool key_matches(const struct esk_exec *exec, const struct esk_entry *entry,
                        const struct esk_bind_input *inputs) {
    for (uint32_t i = 0; i < exec->graph->n_inputs; i++) {
        const struct esk_tensor *key = &entry->key[i], *in = &inputs[i].tensor;
        if (key->rank != in->rank || (in->rank >= 0 && key->dtype != in->dtype) ||
            !esk_shape_equal(key->rank, key->dim, in->rank, in->dim))
            return false;
        const void *data;
        if (entry->plan->input_read[i] && in->bytes &&
            (esk_bind_input_bytes(&inputs[i], &data, NULL) != ESK_OK || !data ||
             memcmp(key->data, data, in->bytes) != 0))
            return false;
    }
    return true;
}

static esk_status make_key(const struct esk_exec *exec, struct esk_entry *entry,
                           const struct esk_bind_input *inputs, esk_error *error) {
    uint32_t n = exec->graph->n_inputs;
    entry->key = esk_calloc(n + 1u, sizeof *entry->key);
    if (!entry->key)
        return esk_fail_memory(error, "a plan's key");
    for (uint32_t i = 0; i < n; i++) {
        entry->key[i] = inputs[i].tensor;
        entry->key[i].data = NULL;
        if (!entry->plan->input_read[i])
            continue;
        entry->key[i].data = esk_malloc(inputs[i].tensor.bytes);
        if (!entry->key[i].data)
            return esk_fail_memory(error, "a plan's key");
        const void *data;
        ESK_TRY(esk_bind_input_bytes(&inputs[i], &data, error));
        if (inputs[i].tensor.bytes)
            memcpy(entry->key[i].data, data, inputs[i].tensor.bytes);
    }
    return ESK_OK;
}

static bool has_device_work(const struct esk_plan *plan) {
    for (uint32_t i = 0; i < plan->n_stages; i++)
        if (plan->stages[i].n_commands || plan->stages[i].n_uploads ||
            plan->stages[i].n_readbacks)
            return true;
    return false;
}

static esk_status bind_entry(struct esk_exec *exec, const struct esk_bind_input *inputs,
                             bool ahead, struct esk_entry *entry, esk_error *error) {
    const struct esk_exec_shared *shared = exec->shared;
    ESK_TRY(esk_bind(exec->graph, inputs, &shared->options, &entry->plan, error));
    esk_run_tuning_save(shared->tuning);
    if (ahead && entry->plan->cut.rest)
        return ESK_OK;
    ESK_TRY(make_key(exec, entry, inputs, error));
    ESK_TRY(esk_deliver_needs(entry, error));
    if (shared->provider && has_device_work(entry->plan))
        ESK_TRY(shared->provider->prepare(shared->device, entry->plan, &entry->prepared,
                                          error));
    if (entry->plan->cut.rest)
        ESK_TRY(esk_exec_create(shared, entry->plan->cut.rest, &entry->rest, error));
    return ESK_OK;
}

/* Drops the entry that was used longest ago and that no run holds. */
static void make_room(struct esk_exec *exec) {
    while (exec->n_entries >= exec->shared->most_plans) {
        uint32_t oldest = UINT32_MAX;
        for (uint32_t i = 0; i < exec->n_entries; i++)
            if (!exec->entries[i]->refs &&
                (oldest == UINT32_MAX ||
                 exec->entries[i]->stamp < exec->entries[oldest]->stamp))
                oldest = i;
        if (oldest == UINT32_MAX)
            return;
        if (exec->newest == exec->entries[oldest])
            exec->newest = NULL;
        destroy_entry(exec, exec->entries[oldest]);
        exec->entries[oldest] = exec->entries[--exec->n_entries];
    }
}

static esk_status find_entry(struct esk_exec *exec, const struct esk_bind_input *inputs,
                             bool ahead, struct esk_entry **entry, esk_error *error) {
    for (uint32_t i = 0; i < exec->n_entries; i++)
        if (key_matches(exec, exec->entries[i], inputs)) {
            *entry = exec->entries[i];
            return ESK_OK;
        }
    make_room(exec);
    struct esk_entry *made = esk_calloc(1, sizeof *made);
    if (!made || !esk_grow((void **)&exec->entries, &exec->cap_entries,
                           exec->n_entries + 1u, sizeof *exec->entries)) {
        esk_free(made);
        return esk_fail_memory(error, "a plan");
    }
    exec->binds++;
    esk_status status = bind_entry(exec, inputs, ahead, made, error);
    if (status != ESK_OK || !made->key) {
        destroy_entry(exec, made);
        *entry = NULL;
        return status;
    }
    *entry = exec->entries[exec->n_entries++] = made;
    return ESK_OK;
}

esk_status esk_exec_entry(struct esk_exec *exec, const struct esk_bind_input *inputs,
                          bool ahead, struct esk_entry **entry, esk_error *error) {
    pthread_mutex_lock(&exec->lock);
    esk_status status = find_entry(exec, inputs, ahead, entry, error);
    if (status == ESK_OK && *entry) {
        (*entry)->refs++;
        (*entry)->stamp = ++exec->clock;
        exec->newest = *entry;
    }
    pthread_mutex_unlock(&exec->lock);
    return status;
}

void esk_exec_release(struct esk_exec *exec, struct esk_entry *entry) {
    pthread_mutex_lock(&exec->lock);
    entry->refs--;
    pthread_mutex_unlock(&exec->lock);
}

/* ---- one run ---- */

static esk_status run_host_node(const struct esk_exec_shared *shared,
                                const struct esk_plan *plan, struct esk_run_state *state,
                                esk_id id, esk_error *error) {
    const struct esk_node *node = plan->graph->nodes[id];
    struct esk_arena *scratch = &state->scratch;
    struct esk_tensor *in = ESK_ARENA_ARRAY(scratch, struct esk_tensor, node->n_in);
    struct esk_tensor *out = ESK_ARENA_ARRAY(scratch, struct esk_tensor, node->n_out);
    esk_status status = ESK_OK;
    if (!in || !out)
        status = esk_fail_memory(error, node->name);
    for (uint32_t i = 0; status == ESK_OK && i < node->n_in; i++)
        if (node->in[i] != ESK_NONE)
            in[i] = state->host[node->in[i]];
    for (uint32_t i = 0; status == ESK_OK && i < node->n_out; i++)
        if (node->out[i] != ESK_NONE)
            out[i] = state->host[node->out[i]];
    if (status == ESK_OK)
        status = esk_cpu_run(plan->graph, node, in, out, NULL, NULL, scratch, error);
    if (status == ESK_OK && shared->validate)
        status = esk_validate_node(plan->graph, node, in, out, error);
    esk_arena_reset(scratch);
    return status;
}

esk_status esk_run_stopped(const struct esk_run_call *call, esk_error *error) {
    if (call->stop && atomic_load_explicit(call->stop, memory_order_relaxed))
        return esk_fail(error, ESK_CANCELLED, "the run was terminated");
    return ESK_OK;
}

static esk_status run_host_nodes(const struct esk_exec_shared *shared,
                                 const struct esk_plan *plan, struct esk_run_state *state,
                                 const esk_id *nodes, uint32_t count,
                                 const struct esk_run_call *call, esk_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = call->profile ? esk_trace_now() : 0;
        ESK_TRY(esk_run_stopped(call, error));
        ESK_TRY(run_host_node(shared, plan, state, nodes[i], error));
        esk_trace_host(call->profile, call->run, plan->graph,
                       plan->graph->nodes[nodes[i]], start);
    }
    return ESK_OK;
}

/* `times`: NULL unless the run is profiled. */
static esk_status run_stages(struct esk_exec *exec, struct esk_entry *entry,
                             struct esk_run_state *state, const struct esk_run_call *call,
                             const struct esk_times *times, esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    const struct esk_provider *provider = exec->shared->provider;
    ESK_TRY(run_host_nodes(exec->shared, plan, state, plan->early, plan->n_early, call,
                           error));
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        const struct esk_stage *stage = &plan->stages[s];
        uint32_t timed = times ? times->count : 0;
        if (state->lease && (stage->n_commands || stage->n_uploads || stage->n_readbacks))
            ESK_TRY(provider->run_stage(state->lease, s, state->host, call, error));
        if (times)
            esk_trace_commands(call->profile, call->run, plan, provider, times, timed);
        ESK_TRY(run_host_nodes(exec->shared, plan, state, stage->host_nodes,
                               stage->n_host_nodes, call, error));
    }
    return ESK_OK;
}

static esk_status run_profiled(struct esk_exec *exec, struct esk_entry *entry,
                               struct esk_run_state *state,
                               const struct esk_run_call *call, esk_error *error) {
    const struct esk_provider *provider = exec->shared->provider;
    struct esk_times times;
    if (!state->lease)
        return run_stages(exec, entry, state, call, NULL, error);
    ESK_TRY(esk_trace_watch(entry->plan, provider, state->lease, &times, error));
    esk_status status = run_stages(exec, entry, state, call, &times, error);
    esk_trace_unwatch(provider, state->lease, &times);
    return status;
}

esk_status esk_exec_run_entry(struct esk_exec *exec, struct esk_entry *entry,
                              struct esk_run_state *state,
                              const struct esk_bind_input *inputs,
                              struct esk_result *results, const struct esk_run_call *call,
                              esk_error *error) {
    esk_status status = esk_deliver_begin(exec, entry, state, inputs, results, error);
    if (status == ESK_OK)
        status = call->profile ? run_profiled(exec, entry, state, call, error)
                               : run_stages(exec, entry, state, call, NULL, error);
    return esk_deliver_end(entry, state, results, status, error);
}

esk_status esk_exec_run(struct esk_exec *exec, const struct esk_bind_input *inputs,
                        struct esk_result *results, const struct esk_run_call *call,
                        esk_error *error) {
    struct esk_entry *entry;
    struct esk_run_state *state;
    ESK_TRY(esk_run_stopped(call, error));
    uint64_t start = call->profile ? esk_trace_now() : 0;
    ESK_TRY(esk_exec_entry(exec, inputs, false, &entry, error));
    esk_trace_phase(call->profile, call->run, call->tag, "bind", start);
    esk_status status = esk_state_take(exec, entry, &state, error);
    if (status == ESK_OK) {
        status = esk_exec_run_entry(exec, entry, state, inputs, results, call, error);
        if (status == ESK_OK && entry->rest)
            status = esk_cut_run(exec, entry, state, inputs, results, call, error);
        esk_state_give(exec, entry, state);
    }
    esk_exec_release(exec, entry);
    return status;
}
