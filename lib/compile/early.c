/* Which nodes the host computes before a run's first stage: what leads from inputs of the
 * run to nothing but operands that the host reads (a mask's sum that becomes a length),
 * so that neither those inputs nor what is made of them goes to the device and back. In:
 * a bound graph and its users; out: a flag a node. Must not know operators by name. */
#include "base/mem.h"
#include "compile/choose.h"

/* Elements of a value in such a chain: a plain loop on the host, not a device's work. */
enum { EARLY_MOST = 1 << 18 };

static bool host_reads(const struct esk_graph *graph, const struct esk_node *node,
                       esk_id id) {
    uint32_t mask = node->op->host_in ? node->op->host_in(graph, node) : 0;
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] == id && !(i < 32 && mask >> i & 1))
            return false;
    return true;
}

/* Some operand that the host reads is made by a node. */
static bool any_wanted(const struct esk_graph *graph) {
    for (uint32_t n = 0; n < graph->n_order; n++) {
        const struct esk_node *node = graph->nodes[graph->order[n]];
        uint32_t mask =
            !node->dead && node->op->host_in ? node->op->host_in(graph, node) : 0;
        for (uint32_t i = 0; mask && i < node->n_in && i < 32; i++) {
            const struct esk_var *var =
                node->in[i] == ESK_NONE ? NULL : graph->vars[node->in[i]];
            if (mask >> i & 1 && var && !var->data && var->producer != ESK_NONE)
                return true;
        }
    }
    return false;
}

static bool small(const struct esk_var *var) {
    return var->rank >= 0 && esk_var_count(var) <= EARLY_MOST;
}

/* All that it reads is there when a run starts. */
static bool can_start(const struct esk_graph *graph, const struct esk_node *node,
                      const bool *early) {
    const uint32_t never = ESK_OP_DATA_SIZED | ESK_OP_IMPURE;
    if (!node->op->cpu || node->op->control || node->op->flags & never)
        return false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const struct esk_var *var =
            node->in[i] == ESK_NONE ? NULL : graph->vars[node->in[i]];
        if (!var || var->data)
            continue;
        if (!small(var) || !(var->flags & ESK_VAR_INPUT ||
                             (var->producer != ESK_NONE && early[var->producer])))
            return false;
    }
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE && !small(graph->vars[node->out[i]]))
            return false;
    return true;
}

bool esk_ends_on_host(const struct esk_graph *graph, const struct esk_users *users,
                      const struct esk_node *node, const bool *early) {
    for (uint32_t o = 0; o < node->n_out; o++) {
        esk_id id = node->out[o];
        if (id == ESK_NONE)
            continue;
        if (users->outside[id])
            return false;
        for (uint32_t i = users->first[id]; i < users->first[id + 1]; i++)
            if (!early[users->list[i]] &&
                !host_reads(graph, graph->nodes[users->list[i]], id))
                return false;
    }
    return true;
}

bool esk_find_early(const struct esk_graph *graph, const struct esk_users *users,
                    bool *early) {
    if (!any_wanted(graph))
        return false;
    bool any = false, changed = true;
    for (uint32_t i = 0; i < graph->n_order; i++) {
        esk_id id = graph->order[i];
        early[id] = !graph->nodes[id]->dead && can_start(graph, graph->nodes[id], early);
    }
    while (changed) { /* what is taken from a chain may leave the rest without an end */
        changed = any = false;
        for (uint32_t i = graph->n_order; i-- > 0;) {
            esk_id id = graph->order[i];
            const struct esk_node *node = graph->nodes[id];
            if (!early[id])
                continue;
            early[id] = can_start(graph, node, early) &&
                        esk_ends_on_host(graph, users, node, early);
            changed |= !early[id];
            any |= early[id];
        }
    }
    return any;
}
