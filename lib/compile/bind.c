/* From a key to a plan: clones the graph, walks it in order giving shapes and known
 * values, cuts where the host must know what only a run gives, then has the rest placed
 * and laid out. In: the model's graph, input shapes and host bytes; out: a plan. Must not
 * know devices beyond their limits. */
#include "base/mem.h"
#include "compile/match.h"

#include <string.h>

enum {
    KNOW_MOST = 4096, /* elements of a var that may be computed from the caller's bytes */
    FOLD_MOST = 1 << 16, /* elements that a node of known inputs may make here */
    DEPTH_MOST = 2000,   /* producers in a row behind a value that the host needs */
};

struct binder {
    struct esk_plan *plan;
    struct esk_graph *graph; /* the plan's */
    const struct esk_bind_input *inputs;
    const struct esk_compile_options *options;
    esk_error *error;
    esk_id *between; /* nodes of the cut */
    bool *keep;      /* vars that the cut reads back */
    bool *beyond;    /* nodes behind the cut */
    size_t cap_between, cap_keep, cap_beyond;
    uint32_t n_between, n_beyond;
    const char *why; /* of the first cut */
};

static struct esk_var *var_at(const struct binder *b, esk_id id) {
    return id == ESK_NONE ? NULL : b->graph->vars[id];
}

static bool is_beyond(const struct binder *b, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE && var_at(b, node->in[i])->flags & ESK_VAR_BEYOND)
            return true;
    for (uint32_t i = 0; i < node->n_captures; i++)
        if (var_at(b, node->captures[i])->flags & ESK_VAR_BEYOND)
            return true;
    return false;
}

static void mark_beyond(const struct binder *b, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE)
            var_at(b, node->out[i])->flags |= ESK_VAR_BEYOND;
}

/* ---- known values ---- */

esk_status esk_bind_input_bytes(const struct esk_bind_input *input, const void **data,
                                esk_error *error) {
    *data = input->tensor.data;
    return *data || !input->fetch || !input->tensor.bytes
               ? ESK_OK
               : input->fetch(input->user, data, error);
}

static const struct esk_bind_input *input_of(const struct binder *b, esk_id id) {
    for (uint32_t i = 0; i < b->graph->n_inputs; i++)
        if (b->graph->inputs[i] == id)
            return &b->inputs[i];
    return NULL;
}

static uint32_t input_index(const struct binder *b, esk_id id) {
    uint32_t i = 0;
    while (b->graph->inputs[i] != id)
        i++;
    return i;
}

/* Whether small vars alone lead from known bytes to this one. */
static bool can_know(const struct binder *b, esk_id id, int depth) {
    const struct esk_var *var = b->graph->vars[id];
    if (var->data)
        return true;
    if (var->flags & ESK_VAR_BEYOND || var->rank < 0 || depth > DEPTH_MOST ||
        esk_var_count(var) > KNOW_MOST)
        return false;
    if (var->flags & (ESK_VAR_INPUT | ESK_VAR_CAPTURE)) {
        const struct esk_bind_input *input = input_of(b, id);
        return input && (input->tensor.data || input->fetch || !esk_var_count(var));
    }
    if (var->producer == ESK_NONE)
        return false;
    const struct esk_node *node = b->graph->nodes[var->producer];
    if (node->dead || !node->op->cpu || node->op->control ||
        node->op->flags & (ESK_OP_DATA_SIZED | ESK_OP_IMPURE))
        return false;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE && !can_know(b, node->in[i], depth + 1))
            return false;
    return true;
}

/* After can_know: computes. */
static esk_status know(struct binder *b, esk_id id) {
    struct esk_var *var = b->graph->vars[id];
    if (var->data)
        return ESK_OK;
    if (var->flags & (ESK_VAR_INPUT | ESK_VAR_CAPTURE)) {
        uint32_t i = input_index(b, id);
        const void *data;
        ESK_TRY(esk_bind_input_bytes(&b->inputs[i], &data, b->error));
        var->bytes = b->inputs[i].tensor.bytes;
        var->data = esk_arena_copy(&b->graph->arena, data, var->bytes);
        if (!var->data)
            return esk_fail_memory(b->error, "a known value");
        var->flags |= ESK_VAR_FROM_INPUT;
        b->plan->input_read[i] = true;
        return ESK_OK;
    }
    struct esk_node *node = b->graph->nodes[var->producer];
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE)
            ESK_TRY(know(b, node->in[i]));
    return esk_eval_node(b->graph, node, b->error);
}

/* Makes the inputs of `mask` known; *missing is the first that cannot be (n_in if none).
 */
static esk_status know_inputs(struct binder *b, const struct esk_node *node,
                              uint32_t mask, uint32_t *missing) {
    *missing = node->n_in;
    for (uint32_t i = 0; i < node->n_in && i < 32; i++) {
        if (!(mask >> i & 1) || node->in[i] == ESK_NONE)
            continue;
        if (!can_know(b, node->in[i], 0)) {
            *missing = i;
            return ESK_OK;
        }
    }
    for (uint32_t i = 0; i < node->n_in && i < 32; i++)
        if (mask >> i & 1 && node->in[i] != ESK_NONE)
            ESK_TRY(know(b, node->in[i]));
    return ESK_OK;
}

/* ---- the walk ---- */

static void say_why(struct binder *b, const struct esk_node *node, const char *what) {
    if (!b->why)
        b->why = esk_arena_printf(&b->plan->arena, "%s '%s': %s", node->op_type,
                                  node->name, what);
}

static esk_status put_beyond(struct binder *b, const struct esk_node *node, esk_id id) {
    if (!esk_grow((void **)&b->beyond, &b->cap_beyond, (size_t)id + 1, sizeof *b->beyond))
        return esk_fail_memory(b->error, "a cut");
    b->beyond[id] = true;
    b->n_beyond++;
    mark_beyond(b, node);
    return ESK_OK;
}

static esk_status put_between(struct binder *b, const struct esk_node *node, esk_id id) {
    if (!esk_grow((void **)&b->between, &b->cap_between, b->n_between + 1,
                  sizeof *b->between))
        return esk_fail_memory(b->error, "a cut");
    b->between[b->n_between++] = id;
    mark_beyond(b, node);
    return ESK_OK;
}

static esk_status keep_var(struct binder *b, esk_id id) {
    if (!esk_grow((void **)&b->keep, &b->cap_keep, b->graph->n_vars, sizeof *b->keep))
        return esk_fail_memory(b->error, "a cut");
    if (!var_at(b, id)->data)
        b->keep[id] = true;
    return ESK_OK;
}

/* Control flow whose host_in is known and that runs one body: the body takes its place.
 */
static esk_status inline_control(struct binder *b, struct esk_node *node, bool *done) {
    *done = false;
    if (!esk_pass_enabled(b->options, "inline_control"))
        return ESK_OK;
    struct esk_tensor tensors[32];
    const struct esk_tensor *in[32] = {0};
    struct esk_control_in body_in[64], out[64];
    if (node->n_in > 32 || node->n_out > 64)
        return ESK_OK;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE && var_at(b, node->in[i])->data) {
            tensors[i] = esk_var_tensor(var_at(b, node->in[i]));
            in[i] = &tensors[i];
        }
    struct esk_control control = {
        .graph = b->graph,
        .node = node,
        .error = b->error,
        .n_in = node->n_in,
        .n_out = node->n_out,
        .in = in,
        .body_in = body_in,
        .out = out,
    };
    enum esk_control_say say = ESK_CONTROL_DONE;
    ESK_TRY(node->op->control(&control, &say));
    if (say != ESK_CONTROL_RUN)
        return ESK_OK;
    const struct esk_graph *body = control.body;
    esk_id feeds[64 + 64];
    if (body->n_inputs > 128)
        return ESK_OK;
    for (uint32_t i = 0; i < body->n_formal; i++)
        feeds[i] = node->in[body_in[i].index];
    for (uint32_t i = body->n_formal; i < body->n_inputs; i++) {
        esk_id outer = body->vars[body->inputs[i]]->outer;
        for (uint32_t k = 0; node->capture_keys && k < node->n_captures; k++)
            if (node->capture_keys[k] == outer) {
                outer = node->captures[k];
                break;
            }
        feeds[i] = outer;
    }
    *done = true;
    return esk_inline_body(b->graph, node, body, body->n_inputs, feeds, b->error);
}

static bool all_known(const struct binder *b, const struct esk_node *node,
                      bool from_input) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        const struct esk_var *var = var_at(b, node->in[i]);
        if (var && (!var->data || (!from_input && var->flags & ESK_VAR_FROM_INPUT)))
            return false;
    }
    return true;
}

static bool small_outputs(const struct binder *b, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE &&
            esk_var_count(var_at(b, node->out[i])) > FOLD_MOST)
            return false;
    return true;
}

static bool nothing_there(const struct binder *b, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE && !var_at(b, node->out[i])->data)
            return false;
    return true;
}

static esk_status walk_node(struct binder *b, esk_id id) {
    struct esk_node *node = b->graph->nodes[id];
    const struct esk_op *op = node->op;
    if (is_beyond(b, node))
        return put_beyond(b, node, id);
    uint32_t host = op->host_in ? op->host_in(b->graph, node) : 0, missing;
    uint32_t late = op->host_late ? op->host_late(b->graph, node) : 0;
    ESK_TRY(know_inputs(b, node, host & ~late, &missing));
    if (op->control) {
        bool done = false;
        if (missing == node->n_in && op->flags & ESK_OP_ONE_BODY)
            ESK_TRY(inline_control(b, node, &done));
        if (done)
            return ESK_OK;
        say_why(b, node, "what its bodies do depends on a value of the run");
        return put_between(b, node, id);
    }
    if (op->flags & ESK_OP_DATA_SIZED) {
        if (all_known(b, node, false))
            return esk_eval_node(b->graph, node, b->error);
        say_why(b, node, "the sizes of its outputs depend on data");
        return put_between(b, node, id);
    }
    if (missing < node->n_in) {
        say_why(b, node,
                esk_arena_printf(&b->plan->arena,
                                 "input %u ('%s') must be known on the host", missing,
                                 var_at(b, node->in[missing])->name));
        ESK_TRY(keep_var(b, node->in[missing]));
        return put_beyond(b, node, id);
    }
    ESK_TRY(esk_infer_node(b->graph, node, b->error));
    /* a late input that constants give is a constant */
    for (uint32_t i = 0; i < node->n_in && i < 32; i++)
        if (late >> i & 1 && node->in[i] != ESK_NONE && all_known(b, node, true))
            ESK_TRY(know(b, node->in[i]));
    if (op->cpu && !(op->flags & ESK_OP_IMPURE) && all_known(b, node, true) &&
        small_outputs(b, node) && !nothing_there(b, node) &&
        esk_pass_enabled(b->options, "fold_shapes"))
        return esk_eval_node(b->graph, node, b->error);
    return ESK_OK;
}

/* ---- the cut ---- */

static esk_status carry_uses(struct binder *b, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE && !(var_at(b, node->in[i])->flags & ESK_VAR_BEYOND))
            ESK_TRY(keep_var(b, node->in[i]));
    for (uint32_t i = 0; i < node->n_captures; i++)
        if (!(var_at(b, node->captures[i])->flags & ESK_VAR_BEYOND))
            ESK_TRY(keep_var(b, node->captures[i]));
    return ESK_OK;
}

static bool rest_input(struct esk_graph *rest, esk_id id) {
    struct esk_var *var = rest->vars[id];
    var->flags = (var->flags | ESK_VAR_INPUT) &
                 ~(uint32_t)(ESK_VAR_BEYOND | ESK_VAR_CAPTURE | ESK_VAR_INITIALIZER |
                             ESK_VAR_FROM_INPUT);
    var->producer = ESK_NONE;
    return esk_graph_add_input(rest, id);
}

/* The graph that is left: a clone in which only the nodes beyond the cut live. */
static esk_status make_rest(struct binder *b, struct esk_graph *rest) {
    struct esk_cut *cut = &b->plan->cut;
    for (uint32_t i = 0; i < rest->n_inputs; i++)
        rest->vars[rest->inputs[i]]->flags &= ~(uint32_t)ESK_VAR_INPUT;
    rest->n_inputs = rest->n_formal = 0;
    uint32_t order = 0;
    for (uint32_t i = 0; i < rest->n_order; i++) {
        esk_id id = rest->order[i];
        if (id < b->cap_beyond && b->beyond[id] && !rest->nodes[id]->dead)
            rest->order[order++] = id;
        else
            rest->nodes[id]->dead = true;
    }
    for (uint32_t i = 0; i < rest->n_nodes; i++)
        if (rest->nodes[i]->dead && rest->nodes[i]->home != ESK_HOME_HEIR)
            rest->nodes[i]->home = ESK_HOME_EARLIER;
    rest->n_order = order;
    for (uint32_t i = 0; i < cut->n_carry; i++)
        if (!rest_input(rest, cut->carry[i]))
            return esk_fail_memory(b->error, "a cut");
    for (uint32_t i = 0; i < cut->n_between; i++) {
        const struct esk_node *node = rest->nodes[cut->between[i]];
        for (uint32_t j = 0; j < node->n_out; j++)
            if (node->out[j] != ESK_NONE && !rest_input(rest, node->out[j]))
                return esk_fail_memory(b->error, "a cut");
    }
    uint32_t outputs = 0;
    for (uint32_t i = 0; i < b->graph->n_outputs; i++)
        if (var_at(b, b->graph->outputs[i])->flags & ESK_VAR_BEYOND)
            rest->outputs[outputs++] = b->graph->outputs[i];
        else
            rest->vars[b->graph->outputs[i]]->flags &= ~(uint32_t)ESK_VAR_OUTPUT;
    rest->n_outputs = outputs;
    for (uint32_t i = 0; i < rest->n_vars; i++)
        rest->vars[i]->flags &= ~(uint32_t)ESK_VAR_BEYOND;
    return ESK_OK;
}

static esk_status cut(struct binder *b) {
    struct esk_graph *graph = b->graph;
    struct esk_cut *cut = &b->plan->cut;
    if (!esk_grow((void **)&b->keep, &b->cap_keep, graph->n_vars, sizeof *b->keep))
        return esk_fail_memory(b->error, "a cut");
    for (uint32_t i = 0; i < b->n_between; i++)
        ESK_TRY(carry_uses(b, graph->nodes[b->between[i]]));
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        if (i < b->cap_beyond && b->beyond[i])
            ESK_TRY(carry_uses(b, graph->nodes[i]));
    cut->carry = ESK_ARENA_ARRAY(&b->plan->arena, esk_id, graph->n_vars);
    cut->between =
        esk_arena_copy(&b->plan->arena, b->between, b->n_between * sizeof *b->between);
    if (!cut->carry || !cut->between)
        return esk_fail_memory(b->error, "a cut");
    cut->n_between = b->n_between;
    cut->why = b->why;
    for (uint32_t i = 0; i < graph->n_vars; i++)
        if (b->keep[i])
            cut->carry[cut->n_carry++] = i;
    cut->rest = esk_graph_clone(graph);
    if (!cut->rest)
        return esk_fail_memory(b->error, "a cut");
    ESK_TRY(make_rest(b, cut->rest));
    for (uint32_t i = 0; i < b->n_between; i++) {
        struct esk_node *node = graph->nodes[b->between[i]];
        node->dead = true;
        node->home = ESK_HOME_HOST;
        node->reason = cut->why;
    }
    for (uint32_t i = 0; i < graph->n_nodes && i < b->cap_beyond; i++)
        if (b->beyond[i] && !graph->nodes[i]->dead) {
            graph->nodes[i]->dead = true;
            graph->nodes[i]->home = ESK_HOME_LATER;
            graph->nodes[i]->reason = cut->why;
        }
    esk_log(b->options->logger, ESK_LOG_INFO, "stage cut: %s", b->why);
    return ESK_OK;
}

/* ---- inputs, outputs ---- */

static esk_status take_inputs(struct binder *b) {
    struct esk_graph *graph = b->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct esk_tensor *tensor = &b->inputs[i].tensor;
        struct esk_var *var = graph->vars[graph->inputs[i]];
        if (tensor->rank < 0) {
            if (!var->data)
                return esk_fail(b->error, ESK_INVALID_ARGUMENT, "input '%s' is not fed",
                                var->name);
            continue;
        }
        /* a fed initializer is no constant any more */
        var->data = NULL;
        var->blob = NULL;
        var->bytes = 0;
        var->flags &= ~(uint32_t)ESK_VAR_INITIALIZER;
        var->dtype = tensor->dtype;
        graph->open_shapes |=
            !esk_shape_equal(var->rank, var->dim, tensor->rank, tensor->dim);
        var->rank = tensor->rank;
        memcpy(var->dim, tensor->dim, sizeof var->dim);
    }
    return ESK_OK;
}

static esk_status list_outputs(struct binder *b) {
    struct esk_plan *plan = b->plan;
    plan->n_outputs = b->graph->n_outputs;
    plan->outputs =
        ESK_ARENA_ARRAY(&plan->arena, struct esk_plan_output, plan->n_outputs);
    if (!plan->outputs)
        return esk_fail_memory(b->error, "outputs");
    for (uint32_t i = 0; i < plan->n_outputs; i++) {
        esk_id id = b->graph->outputs[i];
        plan->outputs[i] = (struct esk_plan_output){
            .var = id,
            .from = var_at(b, id)->flags & ESK_VAR_BEYOND ? ESK_OUTPUT_LATER
                                                          : ESK_OUTPUT_HOST,
        };
    }
    return ESK_OK;
}

static esk_status bind(struct binder *b) {
    struct esk_plan *plan = b->plan;
    plan->n_inputs = b->graph->n_inputs;
    plan->input_read = ESK_ARENA_ARRAY(&plan->arena, bool, plan->n_inputs);
    if (!plan->input_read)
        return esk_fail_memory(b->error, "inputs");
    ESK_TRY(take_inputs(b));
    ESK_TRY(esk_sweep(b->graph, NULL, b->error));
    for (uint32_t i = 0; i < b->graph->n_order; i++) { /* the order may grow */
        esk_id id = b->graph->order[i];
        if (!b->graph->nodes[id]->dead)
            ESK_TRY(walk_node(b, id));
    }
    if (b->n_between || b->n_beyond)
        ESK_TRY(cut(b));
    if (!esk_grow((void **)&b->keep, &b->cap_keep, b->graph->n_vars, sizeof *b->keep))
        return esk_fail_memory(b->error, "liveness");
    /* outputs behind the cut are the rest's */
    ESK_TRY(list_outputs(b));
    uint32_t outputs = 0;
    for (uint32_t i = 0; i < b->graph->n_outputs; i++)
        if (plan->outputs[i].from != ESK_OUTPUT_LATER)
            b->graph->outputs[outputs++] = b->graph->outputs[i];
    b->graph->n_outputs = outputs;
    ESK_TRY(esk_sweep(b->graph, b->keep, b->error));
    if (b->options->limits) /* the host computes nodes as they are written */
        ESK_TRY(esk_rewrite(b->graph, ESK_PHASE_BIND, b->options, b->keep, b->error));
    uint32_t *stages_of = NULL;
    esk_status status = esk_choose(plan, b->options, b->keep, &stages_of, b->error);
    if (status == ESK_OK)
        status = esk_plan_layout(plan, b->options, stages_of, b->error);
    esk_free(stages_of);
    return status;
}

esk_status esk_bind(const struct esk_graph *graph, const struct esk_bind_input *inputs,
                    const struct esk_compile_options *options, struct esk_plan **plan,
                    esk_error *error) {
    struct binder b = {.inputs = inputs, .options = options, .error = error};
    b.plan = esk_plan_create();
    b.graph = b.plan ? esk_graph_clone(graph) : NULL;
    if (!b.graph) {
        esk_plan_destroy(b.plan);
        return esk_fail_memory(error, "a plan");
    }
    b.plan->graph = b.graph;
    esk_status status = bind(&b);
    esk_free(b.between);
    esk_free(b.keep);
    esk_free(b.beyond);
    if (status != ESK_OK) {
        esk_plan_destroy(b.plan);
        return status;
    }
    *plan = b.plan;
    return ESK_OK;
}
