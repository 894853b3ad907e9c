/* If as a host state machine: it says which body runs and on what; the runner does it. */
#include "ir/op.h"

static esk_status if_control(struct esk_control *c, enum esk_control_say *say) {
    if (c->state[0]) { /* the body ran: its outputs are the node's */
        for (uint32_t i = 0; i < c->n_out; i++)
            c->out[i] = (struct esk_control_in){.from = ESK_FROM_BODY_OUT, .index = i};
        *say = ESK_CONTROL_DONE;
        return ESK_OK;
    }
    struct esk_ctx at = {.node = (struct esk_node *)c->node, .error = c->error};
    const struct esk_tensor *cond = c->in[0];
    if (!cond || cond->dtype != ESK_BOOL ||
        esk_shape_product(cond->dim, 0, cond->rank) != 1)
        return esk_node_fail(&at, ESK_INVALID_MODEL, "the condition must be one bool");
    const char *name = *(const uint8_t *)cond->data ? "then_branch" : "else_branch";
    c->body = esk_attr_graph(c->node, name);
    if (!c->body)
        return esk_node_fail(&at, ESK_INVALID_MODEL, "there is no %s", name);
    if (c->body->n_outputs < c->n_out || c->body->n_formal)
        return esk_node_fail(&at, ESK_INVALID_MODEL,
                             "%s has %u inputs and %u outputs, the node %u outputs", name,
                             c->body->n_formal, c->body->n_outputs, c->n_out);
    c->n_body_in = 0;
    c->state[0] = 1;
    *say = ESK_CONTROL_RUN;
    return ESK_OK;
}

static uint32_t if_host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 1;
}

const struct esk_op esk_op_If = {
    .domain = "",
    .name = "If",
    .since = (const uint8_t[]){1, 11, 13, 16, 19, 21, 23, 24, 25, 0},
    .flags = ESK_OP_ONE_BODY,
    .min_in = 1,
    .min_out = 1,
    .max_out = UINT32_MAX,
    .host_in = if_host_in,
    .control = if_control,
};
