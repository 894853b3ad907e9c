/* The end of a plan that is cut: the nodes between run on the host (data-sized operators,
 * control flow through their state machines), then the rest runs with what they made. In:
 * a run's host tensors; out: the results that come later. Must not know operators by
 * name. */
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
    esk_status status =
        esk_cpu_run(plan->graph, node, in, out, make_in_bag, bag, &scratch, error);
    esk_arena_finish(&scratch);
    return status;
}

/* ---- control flow ---- */

enum { BODY_INPUTS = 64 };

/* The values that one output of a body had, run after run. */
struct gathered {
    struct esk_tensor one; /* type and shape of each; data is not set */
    char *bytes;
    size_t capacity;
    int64_t runs;
};

struct machine {
    struct esk_exec *exec;
    const struct esk_plan *plan;
    const struct esk_node *node;
    const struct esk_tensor *in;
    struct bag *bag;
    const struct esk_run_call *call;
    struct esk_result *last; /* outputs of the body that ran last */
    uint32_t n_last;
    struct gathered *gathered; /* one for each output of the body; NULL: none is wanted */
    uint32_t n_gathered;
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

/* Copies [outer][count][inner] items between an array with `count` on its axis and one
 * run after run; sizes in bytes. */
static void copy_slices(char *to, size_t to_step, const char *from, size_t from_step,
                        int64_t outer, size_t inner) {
    for (int64_t o = 0; o < outer; o++)
        memcpy(to + (size_t)o * to_step, from + (size_t)o * from_step, inner);
}

static esk_status slice(struct machine *m, const struct esk_control_in *from,
                        struct esk_tensor *tensor) {
    const struct esk_tensor *x = &m->in[from->index];
    int64_t dims[ESK_MAX_RANK];
    for (int i = 0; i + 1 < x->rank; i++)
        dims[i] = x->dim[i < from->axis ? i : i + 1];
    ESK_TRY(make_in_bag(m->bag, 0, x->dtype, x->rank - 1, dims, tensor, m->error));
    int64_t outer = esk_shape_product(x->dim, 0, from->axis), size = x->dim[from->axis];
    if (!tensor->bytes || !outer || size < 1)
        return ESK_OK;
    size_t inner = tensor->bytes / (size_t)outer;
    copy_slices(tensor->data, inner, (const char *)x->data + (size_t)from->value * inner,
                inner * (size_t)size, outer, inner);
    return ESK_OK;
}

/* A body's output joins those of the runs before. */
static esk_status gather(struct machine *m, uint32_t i) {
    struct gathered *g = &m->gathered[i];
    const struct esk_tensor *x =
        i < m->n_last && m->last[i].value ? &m->last[i].value->tensor : NULL;
    if (!x || x->dtype == ESK_STRING)
        return esk_fail(m->error, ESK_UNSUPPORTED,
                        "%s '%s': output %u of its body has no "
                        "plain bytes",
                        m->node->op_type, m->node->name, i);
    if (!g->runs)
        g->one = *x;
    if (x->dtype != g->one.dtype ||
        !esk_shape_equal(x->rank, x->dim, g->one.rank, g->one.dim))
        return esk_fail(
            m->error, ESK_INVALID_MODEL,
            "%s '%s': output %u of its body changes its shape from run to run",
            m->node->op_type, m->node->name, i);
    if (!esk_grow((void **)&g->bytes, &g->capacity, ((size_t)g->runs + 1) * x->bytes + 1,
                  1))
        return esk_fail_memory(m->error, m->node->name);
    if (x->bytes)
        memcpy(g->bytes + (size_t)g->runs * x->bytes, x->data, x->bytes);
    g->runs++;
    return ESK_OK;
}

/* What was gathered, along a new axis. */
static esk_status stack(struct machine *m, const struct esk_control *control,
                        const struct esk_control_in *from, struct esk_tensor *tensor) {
    const struct esk_graph *body = control->body;
    struct gathered none = {0}, *g = &none;
    if (from->index < m->n_gathered)
        g = &m->gathered[from->index];
    if (!g->runs && body && from->index < body->n_outputs) {
        /* the body never ran: its declared shape, what is not known being 0 */
        g->one = esk_var_tensor(body->vars[body->outputs[from->index]]);
        g->one.bytes = 0;
        if (g->one.rank < 0)
            g->one.rank = 0;
        for (int i = 0; i < g->one.rank; i++)
            if (g->one.dim[i] < 0)
                g->one.dim[i] = 0;
    }
    int axis, rank = g->one.rank + 1;
    int64_t dims[ESK_MAX_RANK + 1];
    if (rank > ESK_MAX_RANK || !esk_shape_axis(from->axis, rank, &axis))
        return esk_fail(m->error, ESK_INVALID_MODEL,
                        "%s '%s': axis %d out of range for scan output %u of rank %d",
                        m->node->op_type, m->node->name, from->axis, from->index, rank);
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? g->runs : g->one.dim[i < axis ? i : i - 1];
    ESK_TRY(make_in_bag(m->bag, 0, g->one.dtype, rank, dims, tensor, m->error));
    int64_t outer = esk_shape_product(dims, 0, axis);
    if (!tensor->bytes || !outer)
        return ESK_OK;
    size_t inner = g->one.bytes / (size_t)outer;
    for (int64_t r = 0; r < g->runs; r++)
        copy_slices((char *)tensor->data +
                        (size_t)(from->value ? g->runs - 1 - r : r) * inner,
                    inner * (size_t)g->runs, g->bytes + (size_t)r * g->one.bytes, inner,
                    outer, inner);
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
    case ESK_FROM_SLICE:
        if (from->index < m->node->n_in && m->node->in[from->index] != ESK_NONE)
            return slice(m, from, tensor);
        break;
    case ESK_FROM_GATHERED: /* `stack` */
        break;
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
    if (status == ESK_OK && control->gather && !m->gathered) {
        m->gathered = esk_calloc(m->n_last + 1u, sizeof *m->gathered);
        m->n_gathered = m->gathered ? m->n_last : 0;
        if (!m->gathered)
            status = esk_fail_memory(m->error, m->node->name);
    }
    for (uint32_t i = 0; status == ESK_OK && i < 64 && i < m->n_gathered; i++)
        if (control->gather >> i & 1)
            status = gather(m, i);
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
        if (outs[i].from == ESK_FROM_GATHERED) {
            status = stack(m, &control, &outs[i], &out[i]);
            continue;
        }
        status = source(m, &outs[i], &tensor);
        if (status == ESK_OK)
            status = keep_copy(m, &tensor, &out[i]);
    }
    drop_last(m);
    for (uint32_t i = 0; i < m->n_gathered; i++)
        esk_free(m->gathered[i].bytes);
    esk_free(m->gathered);
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
    esk_status status =
        in && out ? esk_run_stopped(call, error) : esk_fail_memory(error, node->name);
    uint64_t start = call->profile ? esk_trace_now() : 0;
    for (uint32_t i = 0; status == ESK_OK && i < node->n_in; i++)
        if (node->in[i] != ESK_NONE)
            in[i] = state->host[node->in[i]];
    if (status == ESK_OK && node->op->control) {
        struct machine m = {.exec = exec,
                            .plan = plan,
                            .node = node,
                            .in = in,
                            .bag = bag,
                            .call = call,
                            .error = error};
        status = run_machine(&m, state->host, out);
    } else if (status == ESK_OK) {
        status = run_sized(plan, node, in, out, bag, error);
        if (status == ESK_OK && exec->shared->validate)
            status = esk_validate_node(plan->graph, node, in, out, error);
    }
    if (status == ESK_OK)
        esk_trace_host(call->profile, call->run, plan->graph, node, start);
    for (uint32_t i = 0; status == ESK_OK && i < node->n_out; i++)
        if (node->out[i] != ESK_NONE)
            state->host[node->out[i]] = out[i];
    esk_arena_finish(&scratch);
    return status;
}

/* An input of the whole goes to the rest as it was given: perhaps it is on a device. */
static struct esk_bind_input rest_input(const struct esk_plan *plan,
                                        const struct esk_run_state *state,
                                        const struct esk_bind_input *given, esk_id id) {
    for (uint32_t i = 0; i < plan->n_inputs; i++)
        if (plan->graph->inputs[i] == id && given[i].fetch)
            return given[i];
    return (struct esk_bind_input){.tensor = state->host[id]};
}

esk_status esk_cut_run(struct esk_exec *exec, struct esk_entry *entry,
                       struct esk_run_state *state, const struct esk_bind_input *given,
                       struct esk_result *results, const struct esk_run_call *call,
                       esk_error *error) {
    const struct esk_plan *plan = entry->plan;
    const struct esk_cut *cut = &plan->cut;
    struct bag bag = {0};
    struct esk_bind_input *inputs = esk_calloc(cut->rest->n_inputs + 1u, sizeof *inputs);
    struct esk_result *later = esk_calloc(cut->rest->n_outputs + 1u, sizeof *later);
    esk_status status = inputs && later ? ESK_OK : esk_fail_memory(error, "a cut");
    for (uint32_t i = 0; status == ESK_OK && i < cut->n_between; i++)
        status = run_between(exec, plan, state, cut->between[i], &bag, call, error);
    for (uint32_t i = 0; status == ESK_OK && i < cut->rest->n_inputs; i++)
        inputs[i] = rest_input(plan, state, given, cut->rest->inputs[i]);
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
