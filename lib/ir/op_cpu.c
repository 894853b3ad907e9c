/* Calling an operator's `cpu`. In: host tensors; out: host tensors. Must not know who
 * asks: folding, the CPU provider and fallback all come through here. */
#include "base/mem.h"
#include "ir/op.h"

struct maker {
    esk_make_fn make;
    void *user;
};

static esk_status make_output(struct esk_cpu *call, uint32_t i, esk_dtype dtype, int rank,
                              const int64_t *dims) {
    struct maker *maker = call->make_user;
    if (!maker->make)
        return esk_cpu_fail(call, ESK_INTERNAL, "output %u is made but has a size", i);
    if (i >= call->n_out || !call->out[i])
        return ESK_OK;
    return maker->make(maker->user, i, dtype, rank, dims, call->out[i], call->error);
}

esk_status esk_cpu_run(const struct esk_graph *graph, const struct esk_node *node,
                       const struct esk_tensor *in, struct esk_tensor *out,
                       esk_make_fn make, void *user, struct esk_arena *scratch,
                       esk_error *error) {
    const struct esk_tensor **ins =
        ESK_ARENA_ARRAY(scratch, const struct esk_tensor *, node->n_in);
    struct esk_tensor **outs = ESK_ARENA_ARRAY(scratch, struct esk_tensor *, node->n_out);
    if (!ins || !outs)
        return esk_fail_memory(error, node->name);
    struct maker maker = {make, user};
    bool sized = node->op->flags & ESK_OP_DATA_SIZED;
    for (uint32_t i = 0; i < node->n_in; i++)
        ins[i] = node->in[i] == ESK_NONE ? NULL : &in[i];
    for (uint32_t i = 0; i < node->n_out; i++)
        outs[i] = node->out[i] == ESK_NONE || (!sized && !out[i].data) ? NULL : &out[i];
    struct esk_cpu call = {
        .graph = graph,
        .node = node,
        .n_in = node->n_in,
        .n_out = node->n_out,
        .in = ins,
        .out = outs,
        .scratch = scratch,
        .error = error,
        .make = make_output,
        .make_user = &maker,
    };
    return node->op->cpu(&call);
}
