/* The end of a plan that is cut: the nodes between run on the host (data-sized operators,
 * control flow through their state machines), then the rest runs with what they made. In: a
 * run's host tensors; out: the results that come later. Must not know operators by name. */
#include "run/exec.h"
#include "run/trace.h"

#include "base/mem.h"

#include <string.h>

/* Tensors made in passing, freed at the end. */
struct bag {
    void **blocks;
    size_t count, capacity;
};

static void *bag_alloc(struct bag *bag, size_t bytes) {
    if (!esk_grow((void **)&bag->blocks, &bag->capacity, bag->count + 1,
                  sizeof *bag->blocks))
        return NULL;
    void *block = esk_calloc(1, bytes + 1);
    if (block)
        bag->blocks[bag->count++] = block;
    return block;
}

static void bag_finish(struct bag *bag) {
    for (size_t i = 0; i < bag->count; i++)
        esk_free(bag->blocks[i]);
    esk_free(bag->blocks);
}

static esk_status make_in_bag(void *user, uint32_t i, esk_dtype dtype, int rank,
                              const int64_t *dims, struct esk_tensor *tensor,
                              esk_error *error) {
    int64_t count;
    *tensor = (struct esk_tensor){.dtype = dtype, .rank = rank};
    if (rank < 0 || rank > ESK_MAX_RANK || !esk_shape_count(rank, dims, &count) ||
        !esk_dtype_bytes(dtype, count, &tensor->bytes))
        return esk_fail(error, ESK_INVALID_MODEL, "output %u: a shape too large", i);
    if (rank)
        memcpy(tensor->dim, dims, (size_t)rank * sizeof *dims);
    tensor->data = bag_alloc(user, tensor->bytes);
    return tensor->data ? ESK_OK : esk_fail_memory(error, "a value between stages");
}

static esk_status run_sized(const struct esk_plan *plan, const struct esk_node *node,
                            const struct esk_tensor *in, struct esk_tensor *out,
                            struct bag *bag, esk_error *error) {
    struct esk_arena scratch = {0};
    esk_status status = esk_cpu_run(plan->graph, node, in, out, make_in_bag, bag, &scratch,
                                    error);
    esk_arena_finish(&scratch);
    return status;
}

/* ---- control flow ---- */

enum { BODY_INPUTS = 64 };

struct machine {
    struct esk_exec *exec;
    const struct esk_plan *plan;
    const struct esk_node *node;
    const struct esk_tensor *in;
    struct bag *bag;
    const struct esk_run_call *call;
    struct esk_result *last; /* outputs of the body that ran last */
    uint32_t n_last;
    esk_error *error;
};

static esk_status body_exec(struct esk_exec *exec, const struct esk_graph *body,
                            struct esk_exec **found, esk_error *error) {
    pthread_mutex_lock(&exec->lock);
    esk_status status = ESK_OK;
    *found = NULL;
    for (uint32_t i = 0; i < exec->n_bodies; i++)
        if (exec->bodies[i].graph == body)
            *found = exec->bodies[i].exec;
    if (!*found) {
        if (!esk_grow((void **)&exec->bodies, &exec->cap_bodies, exec->n_bodies + 1u,
                      sizeof *exec->bodies))
            status = esk_fail_memory(error, "a body");
        else
            status = esk_exec_create(exec->shared, body, found, error);
        if (status == ESK_OK) {
            exec->bodies[exec->n_bodies].graph = body;
            exec->bodies[exec->n_bodies++].exec = *found;
        }
    }
    pthread_mutex_unlock(&exec->lock);
    return status;
}

static esk_status scalar(struct machine *m, const struct esk_control_in *from,
                         struct esk_tensor *tensor) {
    bool is_bool = from->from == ESK_FROM_BOOL;
    ESK_TRY(make_in_bag(m->bag, 0, is_bool ? ESK_BOOL : ESK_INT64, 0, NULL, tensor,
                        m->error));
    esk_tensor_set_int(tensor, 0, from->value);
    return ESK_OK;
}

static esk_status source(struct machine *m, const struct esk_control_in *from,
                         struct esk_tensor *tensor) {
    switch (from->from) {
    case ESK_FROM_NODE_IN:
        if (from->index < m->node->n_in && m->node->in[from->index] != ESK_NONE) {
            *tensor = m->in[from->index];
            return ESK_OK;
        }
        break;
    case ESK_FROM_BODY_OUT:
        if (from->index < m->n_last && m->last[from->index].value) {
            *tensor = m->last[from->index].value->tensor;
            return ESK_OK;
        }
        break;
    case ESK_FROM_INT:
    case ESK_FROM_BOOL:
        return scalar(m, from, tensor);
    }
    return esk_fail(m->error, ESK_INTERNAL, "%s '%s': a body's value is missing",
                    m->node->op_type, m->node->name);
}

static void drop_last(struct machine *m) {
    for (uint32_t i = 0; i < m->n_last; i++)
        esk_value_destroy(m->last[i].value);
    esk_free(m->last);
    m->last = NULL;
    m->n_last = 0;
}

/* The tensor of a captured var, by the name that the body has for it. */
static const struct esk_tensor *captured(const struct machine *m,
                                         const struct esk_tensor *host, esk_id outer) {
    for (uint32_t k = 0; m->node->capture_keys && k < m->node->n_captures; k++)
        if (m->node->capture_keys[k] == outer)
            return &host[m->node->captures[k]];
    return &host[outer];
}

static esk_status run_body(struct machine *m, const struct esk_control *control,
                           const struct esk_tensor *host) {
    const struct esk_graph *body = control->body;
    struct esk_exec *exec;
    ESK_TRY(body_exec(m->exec, body, &exec, m->error));
    struct esk_bind_input *inputs = esk_calloc(body->n_inputs + 1u, sizeof *inputs);
    struct esk_result *results = esk_calloc(body->n_outputs + 1u, sizeof *results);
    esk_status status =
        inputs && results ? ESK_OK : esk_fail_memory(m->error, m->node->name);
    for (uint32_t i = 0; status == ESK_OK && i < body->n_formal; i++)
        status = i < control->n_body_in
                     ? source(m, &control->body_in[i], &inputs[i].tensor)
                     : esk_fail(m->error, ESK_INVALID_MODEL,
                                "%s '%s': its body takes %u values, it gives %u",
                                m->node->op_type, m->node->name, body->n_formal,
                                control->n_body_in);
    for (uint32_t i = body->n_formal; status == ESK_OK && i < body->n_inputs; i++)
        inputs[i].tensor = *captured(m, host, body->vars[body->inputs[i]]->outer);
    for (uint32_t i = 0; status == ESK_OK && i < body->n_outputs; i++)
        results[i].wanted = true;
    if (status == ESK_OK)
        status = esk_exec_run(exec, inputs, results, m->call, m->error);
    esk_free(inputs);
    drop_last(m);
    m->last = results;
    m->n_last = results ? body->n_outputs : 0;
    return status;
}

static esk_status keep_copy(struct machine *m, const struct esk_tensor *from,
                            struct esk_tensor *to) {
    ESK_TRY(make_in_bag(m->bag, 0, from->dtype, from->rank, from->dim, to, m->error));
    if (from->bytes)
        memcpy(to->data, from->data, from->bytes);
    return ESK_OK;
}

static esk_status run_machine(struct machine *m, const struct esk_tensor *host,
                              struct esk_tensor *out) {
    const struct esk_node *node = m->node;
    struct esk_control_in body_in[BODY_INPUTS];
    const struct esk_tensor **in = esk_calloc(node->n_in + 1u, sizeof *in);
    struct esk_control_in *outs = esk_calloc(node->n_out + 1u, sizeof *outs);
    esk_status status = in && outs ? ESK_OK : esk_fail_memory(m->error, node->name);
    for (uint32_t i = 0; status == ESK_OK && i < node->n_in; i++)
        in[i] = node->in[i] == ESK_NONE ? NULL : &m->in[i];
    struct esk_control control = {
        .graph = m->plan->graph,
        .node = node,
        .error = m->error,
        .n_in = node->n_in,
        .n_out = node->n_out,
        .in = in,
        .body_in = body_in,
        .out = outs,
    };
    enum esk_control_say say = ESK_CONTROL_RUN;
    while (status == ESK_OK) {
        const struct esk_tensor **body_out = esk_calloc(m->n_last + 1u, sizeof *body_out);
        if (!body_out) {
            status = esk_fail_memory(m->error, node->name);
            break;
        }
        for (uint32_t i = 0; i < m->n_last; i++)
            body_out[i] = &m->last[i].value->tensor;
        control.n_body_out = m->n_last;
        control.body_out = body_out;
        status = node->op->control(&control, &say);
        esk_free(body_out);
        if (status != ESK_OK || say == ESK_CONTROL_DONE)
            break;
        status = run_body(m, &control, host);
    }
    for (uint32_t i = 0; status == ESK_OK && i < node->n_out; i++) {
        struct esk_tensor tensor;
        if (node->out[i] == ESK_NONE)
            continue;
        status = source(m, &outs[i], &tensor);
        if (status == ESK_OK)
            status = keep_copy(m, &tensor, &out[i]);
    }
    drop_last(m);
    esk_free(in);
    esk_free(outs);
    return status;
}

/* ---- the cut ---- */

static esk_status run_between(struct esk_exec *exec, const struct esk_plan *plan,
                              struct esk_run_state *state, esk_id id, struct bag *bag,
                              const struct esk_run_call *call, esk_error *error) {
    const struct esk_node *node = plan->graph->nodes[id];
    struct esk_arena scratch = {0};
    struct esk_tensor *in = ESK_ARENA_ARRAY(&scratch, struct esk_tensor, node->n_in);
    struct esk_tensor *out = ESK_ARENA_ARRAY(&scratch, struct esk_tensor, node->n_out);
    esk_status status = in && out ? esk_run_stopped(call, error)
                                  : esk_fail_memory(error, node->name);
    uint64_t start = call->profile ? esk_trace_now() : 0;
    for (uint32_t i = 0; status == ESK_OK && i < node->n_in; i++)
        if (node->in[i] != ESK_NONE)
            in[i] = state->host[node->in[i]];
    if (status == ESK_OK && node->op->control) {
        struct machine m = {exec, plan, node, in, bag, call, NULL, 0, error};
        status = run_machine(&m, state->host, out);
    } else if (status == ESK_OK)
        status = run_sized(plan, node, in, out, bag, error);
    if (status == ESK_OK)
        esk_trace_host(call->profile, call->run, plan->graph, node, start);
    for (uint32_t i = 0; status == ESK_OK && i < node->n_out; i++)
        if (node->out[i] != ESK_NONE)
            state->host[node->out[i]] = out[i];
    esk_arena_finish(&scratch);
    return status;
}

esk_status esk_cut_run(struct esk_exec *exec, struct esk_entry *entry,
                       struct esk_run_state *state, struct esk_result *results,
                       const struct esk_run_call *call, esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    const struct esk_cut *cut = &plan->cut;
    struct bag bag = {0};
    struct esk_bind_input *inputs = esk_calloc(cut->rest->n_inputs + 1u, sizeof *inputs);
    struct esk_result *later = esk_calloc(cut->rest->n_outputs + 1u, sizeof *later);
    esk_status status = inputs && later ? ESK_OK : esk_fail_memory(error, "a cut");
    for (uint32_t i = 0; status == ESK_OK && i < cut->n_between; i++)
        status = run_between(exec, plan, state, cut->between[i], &bag, call, error);
    for (uint32_t i = 0; status == ESK_OK && i < cut->rest->n_inputs; i++)
        inputs[i].tensor = state->host[cut->rest->inputs[i]];
    uint32_t n = 0;
    for (uint32_t i = 0; later && i < plan->n_outputs; i++)
        if (plan->outputs[i].from == ESK_OUTPUT_LATER)
            later[n++] = results[i];
    if (status == ESK_OK)
        status = esk_exec_run(entry->rest, inputs, later, call, error);
    n = 0;
    for (uint32_t i = 0; later && i < plan->n_outputs; i++)
        if (plan->outputs[i].from == ESK_OUTPUT_LATER && n < cut->rest->n_outputs)
            results[i] = later[n++];
    esk_free(inputs);
    esk_free(later);
    bag_finish(&bag);
    return status;
}
