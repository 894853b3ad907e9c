/* The ordered table of passes, and the model phase. In: a verified, upgraded graph; out:
 * the same with constants folded. Must not know operators or devices. */
#include "base/mem.h"
#include "compile/match.h"

#include <string.h>

enum { MODEL_FOLD_MOST = 64 << 20 }; /* bytes that one folded constant may take */

static bool constant_inputs(const struct esk_graph *graph, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (node->in[i] == ESK_NONE)
            continue;
        const struct esk_var *var = graph->vars[node->in[i]];
        if (!var->data || var->flags & ESK_VAR_INPUT)
            return false;
    }
    return true;
}

/* A node that cannot be computed here is left as it is: perhaps nothing ever runs it; if
 * something does, bind reports what is wrong. */
static esk_status fold_node(struct esk_graph *graph, struct esk_node *node) {
    const struct esk_op *op = node->op;
    if (!op || !op->cpu || op->control || op->flags & ESK_OP_IMPURE || !node->n_in ||
        !constant_inputs(graph, node))
        return ESK_OK;
    if (!(op->flags & ESK_OP_DATA_SIZED)) {
        esk_status status = esk_infer_node(graph, node, NULL);
        if (status != ESK_OK)
            return status;
        for (uint32_t i = 0; i < node->n_out; i++) {
            size_t bytes;
            if (node->out[i] == ESK_NONE)
                continue;
            const struct esk_var *var = graph->vars[node->out[i]];
            if (!esk_dtype_bytes(var->dtype, esk_var_count(var), &bytes) ||
                bytes > MODEL_FOLD_MOST)
                return ESK_OK;
        }
    }
    return esk_fold_node(graph, node, NULL);
}

static esk_status fold_constants(struct esk_graph *graph,
                                 const struct esk_compile_options *options,
                                 esk_error *error) {
    (void)options;
    for (uint32_t i = 0; i < graph->n_order; i++) {
        struct esk_node *node = graph->nodes[graph->order[i]];
        if (!node->dead && fold_node(graph, node) == ESK_OUT_OF_MEMORY)
            return esk_fail_memory(error, "a folded constant");
    }
    return ESK_OK;
}

/* Optional outputs that nobody takes become absent (Dropout's mask); a variadic
 * operator's number of outputs means something. */
static esk_status drop_outputs(struct esk_graph *graph, esk_error *error) {
    uint32_t *uses = esk_count_uses(graph, NULL);
    if (!uses)
        return esk_fail_memory(error, "uses of values");
    for (uint32_t i = 0; i < graph->n_order; i++) {
        struct esk_node *node = graph->nodes[graph->order[i]];
        const struct esk_op *op = node->op;
        if (node->dead || !op || op->max_out == UINT32_MAX || op->control)
            continue;
        for (uint32_t o = op->min_out; o < node->n_out; o++)
            if (node->out[o] != ESK_NONE && !uses[node->out[o]])
                node->out[o] = ESK_NONE;
    }
    esk_free(uses);
    return ESK_OK;
}

static esk_status drop_unused(struct esk_graph *graph,
                              const struct esk_compile_options *options,
                              esk_error *error) {
    (void)options;
    ESK_TRY(esk_sweep(graph, NULL, error));
    ESK_TRY(drop_outputs(graph, error));
    uint32_t order = 0;
    for (uint32_t i = 0; i < graph->n_order; i++)
        if (!graph->nodes[graph->order[i]]->dead)
            graph->order[order++] = graph->order[i];
    graph->n_order = order;
    return ESK_OK;
}

static esk_status rewrite_model(struct esk_graph *graph,
                                const struct esk_compile_options *options,
                                esk_error *error) {
    return esk_rewrite(graph, ESK_PHASE_MODEL, options, NULL, error);
}

/* Levels as ORT's: basic changes nothing that a value could show, extended fuses. */
static const struct esk_pass passes[] = {
    {"drop_unused", ESK_PHASE_MODEL, ESK_LEVEL_BASIC,
     "nodes that no output needs; first, so that nothing below works for nobody",
     drop_unused},
    {"fold_constants", ESK_PHASE_MODEL, ESK_LEVEL_BASIC,
     "nodes of constants become constants, once a model, so that their forms are shared "
     "by all plans",
     fold_constants},
    {"merge_duplicates", ESK_PHASE_MODEL, ESK_LEVEL_BASIC,
     "of nodes that compute the same, one stays; behind fold_constants, so that "
     "constants are compared as such",
     esk_merge_duplicates},
    {"drop_identities", ESK_PHASE_MODEL, ESK_LEVEL_BASIC,
     "Identity and Dropout go, so that what they part can meet", rewrite_model},
    {"share_prefixes", ESK_PHASE_MODEL, ESK_LEVEL_EXTENDED,
     "a Concat that begins like an earlier one begins with that one, so that both can "
     "lie in one place; in one walk with drop_identities",
     rewrite_model},
    {"fold_weights", ESK_PHASE_MODEL, ESK_LEVEL_BASIC,
     "normalisation, factors and terms of channels go into the weights before them; "
     "behind fold_constants, which makes them known, in one walk with drop_identities",
     rewrite_model},
    {"fuse_focus", ESK_PHASE_MODEL, ESK_LEVEL_EXTENDED,
     "a convolution of an image's four interleaved quarters becomes one of the image; "
     "in one walk with fold_weights",
     rewrite_model},
    {"inline_control", ESK_PHASE_BIND, ESK_LEVEL_DISABLED,
     "an If whose condition is known becomes its branch; in the walk, before the "
     "branch's shapes are needed",
     NULL},
    {"fold_shapes", ESK_PHASE_BIND, ESK_LEVEL_DISABLED,
     "small nodes of known inputs are computed; in the walk, so that Shape chains reach "
     "the nodes that need them",
     NULL},
    {"drop_noops", ESK_PHASE_BIND, ESK_LEVEL_BASIC,
     "nodes that change nothing go; behind the walk, since shapes and types decide",
     NULL},
    {"fuse_norms", ESK_PHASE_BIND, ESK_LEVEL_EXTENDED,
     "normalisations and softmax spelled out become one node; behind the walk, since "
     "axes and shapes decide",
     NULL},
    {"fuse_products", ESK_PHASE_BIND, ESK_LEVEL_EXTENDED,
     "an Einsum of two inputs becomes a product; factors of a product's operands go "
     "behind it, for fuse_epilogues; terms of its columns, factors of a convolution's "
     "channels and zeros around its input into it",
     NULL},
    {"fuse_attention", ESK_PHASE_BIND, ESK_LEVEL_EXTENDED,
     "attention spelled out becomes one node; behind fuse_products and fuse_norms, "
     "which bring its scale and softmax to one form",
     NULL},
    {"fuse_epilogues", ESK_PHASE_DEVICE, ESK_LEVEL_EXTENDED,
     "elementwise nodes join the kernel before them; asked of `gpu` node by node, since "
     "only it knows what it can take",
     NULL},
    {"place_parts", ESK_PHASE_DEVICE, ESK_LEVEL_EXTENDED,
     "the parts of a Concat are made in their places; last, when all that read and "
     "write them is known",
     NULL},
};

const struct esk_pass *esk_pass_at(size_t index) {
    return index < sizeof passes / sizeof *passes ? &passes[index] : NULL;
}

const struct esk_pass *esk_pass_named(const char *name) {
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        if (strcmp(passes[i].name, name) == 0)
            return &passes[i];
    return NULL;
}

bool esk_pass_enabled(const struct esk_compile_options *options, const char *name) {
    const struct esk_pass *pass = esk_pass_named(name);
    for (size_t i = 0; options->disabled && options->disabled[i]; i++)
        if (strcmp(options->disabled[i], name) == 0)
            return false;
    return !pass || options->level <= (int)pass->level;
}

esk_status esk_model_passes(struct esk_graph *graph,
                            const struct esk_compile_options *options, esk_error *error) {
    bool rewritten = false; /* one walk serves all rows of the rewriter */
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        bool rewrites = passes[i].run == rewrite_model;
        if (!passes[i].run || !esk_pass_enabled(options, passes[i].name) ||
            (rewrites && rewritten))
            continue;
        ESK_TRY(passes[i].run(graph, options, error));
        rewritten |= rewrites;
    }
    for (uint32_t n = 0; n < graph->n_nodes; n++) {
        const struct esk_node *node = graph->nodes[n];
        for (uint32_t a = 0; !node->dead && a < node->n_attrs; a++) {
            const struct esk_attr *attr = &node->attrs[a];
            bool bodies = attr->kind == ESK_ATTR_GRAPH || attr->kind == ESK_ATTR_GRAPHS;
            for (size_t g = 0; bodies && g < attr->count; g++)
                ESK_TRY(esk_model_passes(attr->graphs[g], options, error));
        }
    }
    return ESK_OK;
}
