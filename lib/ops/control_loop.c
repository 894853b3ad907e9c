/* Loop as a host state machine: it says on what its body runs next; the runner does it
 * and gathers scan outputs. */
#include "ir/op.h"

enum { STARTED, RUNS }; /* state: 1 from the first call on; bodies that ran */

static bool scalar_bool(const struct esk_tensor *t, bool *value) {
    if (!t || t->dtype != ESK_BOOL || esk_shape_product(t->dim, 0, t->rank) != 1)
        return false;
    *value = *(const uint8_t *)t->data != 0;
    return true;
}

static esk_status loop_start(struct esk_control *c, const struct esk_ctx *at,
                             uint32_t carried) {
    const struct esk_graph *body = esk_attr_graph(c->node, "body");
    if (!body || body->n_formal != carried + 2 || body->n_outputs < carried + 1)
        return esk_node_fail(at, ESK_INVALID_MODEL,
                             "the body must have %u inputs and at least %u outputs",
                             carried + 2, carried + 1);
    if (c->n_out >= body->n_outputs)
        return esk_node_fail(at, ESK_INVALID_MODEL, "%u outputs, the body has %u",
                             c->n_out, body->n_outputs);
    if (carried > 62 || c->n_out > 62)
        return esk_node_fail(at, ESK_UNSUPPORTED,
                             "%u carried values and %u outputs, the limit is 62", carried,
                             c->n_out);
    for (uint32_t i = carried; i < c->n_out; i++)
        c->gather |= UINT64_C(1) << (i + 1);
    c->state[STARTED] = 1;
    return ESK_OK;
}

static esk_status loop_control(struct esk_control *c, enum esk_control_say *say) {
    struct esk_ctx at = {.node = (struct esk_node *)c->node, .error = c->error};
    uint32_t carried = c->n_in > 2 ? c->n_in - 2 : 0;
    bool go = true;
    int64_t runs = c->state[RUNS];
    if (!c->state[STARTED])
        ESK_TRY(loop_start(c, &at, carried));
    /* the body's condition, or at first the node's */
    if (runs && !scalar_bool(c->n_body_out ? c->body_out[0] : NULL, &go))
        return esk_node_fail(&at, ESK_INVALID_MODEL, "the body's condition is no bool");
    if (!runs && c->n_in > 1 && c->node->in[1] != ESK_NONE && !scalar_bool(c->in[1], &go))
        return esk_node_fail(&at, ESK_INVALID_MODEL, "the condition must be one bool");
    if (c->n_in > 0 && c->node->in[0] != ESK_NONE) {
        const struct esk_tensor *most = c->in[0];
        if (!most || most->dtype != ESK_INT64 ||
            esk_shape_product(most->dim, 0, most->rank) != 1)
            return esk_node_fail(&at, ESK_INVALID_MODEL,
                                 "the trip count must be one int64");
        go &= runs < *(const int64_t *)most->data;
    }
    if (!go) {
        for (uint32_t i = 0; i < c->n_out; i++)
            c->out[i] = (struct esk_control_in){
                .from = i >= carried ? ESK_FROM_GATHERED
                        : runs       ? ESK_FROM_BODY_OUT
                                     : ESK_FROM_NODE_IN,
                .index = runs || i >= carried ? i + 1 : i + 2,
            };
        c->body = esk_attr_graph(c->node, "body");
        *say = ESK_CONTROL_DONE;
        return ESK_OK;
    }
    c->body = esk_attr_graph(c->node, "body");
    c->n_body_in = carried + 2;
    c->body_in[0] = (struct esk_control_in){.from = ESK_FROM_INT, .value = runs};
    c->body_in[1] = (struct esk_control_in){.from = ESK_FROM_BOOL, .value = 1};
    for (uint32_t i = 0; i < carried; i++)
        c->body_in[i + 2] =
            runs ? (struct esk_control_in){.from = ESK_FROM_BODY_OUT, .index = i + 1}
                 : (struct esk_control_in){.from = ESK_FROM_NODE_IN, .index = i + 2};
    c->state[RUNS] = runs + 1;
    *say = ESK_CONTROL_RUN;
    return ESK_OK;
}

static uint32_t loop_host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 3;
}

const struct esk_op esk_op_Loop = {
    .domain = "",
    .name = "Loop",
    .since = (const uint8_t[]){1, 11, 13, 16, 19, 21, 23, 24, 25, 0},
    .min_in = 0,
    .max_in = UINT32_MAX,
    .min_out = 1,
    .max_out = UINT32_MAX,
    .host_in = loop_host_in,
    .control = loop_control,
};
