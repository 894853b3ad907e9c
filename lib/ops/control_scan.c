/* Scan as a host state machine: its body runs once for each slice of the scan inputs; the
 * runner slices them and gathers the scan outputs. Versions 9 and later (8 had a batch
 * axis and lengths). */
#include "ir/op.h"

enum { RUNS, LENGTH };

/* Element i of a list attribute, 0 where there is none. */
static int64_t listed(const struct esk_node *node, const char *name, uint32_t i) {
    const struct esk_attr *attr = esk_node_attr(node, name);
    return attr && attr->kind == ESK_ATTR_INTS && i < attr->count ? attr->ints[i] : 0;
}

/* The slices' number and what the body must be like; the first call only. */
static esk_status start(struct esk_control *c, const struct esk_ctx *at, uint32_t scanned,
                        uint32_t carried) {
    const struct esk_graph *body = esk_attr_graph(c->node, "body");
    if (!body || body->n_formal != c->n_in || body->n_outputs < c->n_out ||
        c->n_out < carried)
        return esk_node_fail(
            at, ESK_INVALID_MODEL,
            "the body must have %u inputs and %u outputs, %u of them carried", c->n_in,
            c->n_out, carried);
    if (c->n_in > 62 || c->n_out > 62)
        return esk_node_fail(at, ESK_UNSUPPORTED,
                             "%u inputs and %u outputs, the limit is 62", c->n_in,
                             c->n_out);
    for (uint32_t i = 0; i < scanned; i++) {
        const struct esk_tensor *x = c->in[carried + i];
        int64_t axis = listed(c->node, "scan_input_axes", i);
        int place;
        if (!x || !esk_shape_axis(axis, x->rank, &place))
            return esk_node_fail(at, ESK_INVALID_MODEL,
                                 "scan input %u: axis %lld out of range for rank %d", i,
                                 (long long)axis, x ? x->rank : -1);
        if (i && x->dim[place] != c->state[LENGTH])
            return esk_node_fail(at, ESK_INVALID_MODEL,
                                 "scan input %u has %lld slices, the first has %lld", i,
                                 (long long)x->dim[place], (long long)c->state[LENGTH]);
        c->state[LENGTH] = x->dim[place];
    }
    for (uint32_t i = carried; i < c->n_out; i++)
        c->gather |= UINT64_C(1) << i;
    return ESK_OK;
}

static esk_status control(struct esk_control *c, enum esk_control_say *say) {
    struct esk_ctx at = {.node = (struct esk_node *)c->node, .error = c->error};
    int64_t scanned = esk_attr_int(c->node, "num_scan_inputs", 0), run = c->state[RUNS];
    if (scanned < 1 || scanned > c->n_in)
        return esk_node_fail(&at, ESK_INVALID_MODEL,
                             "num_scan_inputs is %lld of %u inputs", (long long)scanned,
                             c->n_in);
    uint32_t carried = c->n_in - (uint32_t)scanned;
    if (!run)
        ESK_TRY(start(c, &at, (uint32_t)scanned, carried));
    c->body = esk_attr_graph(c->node, "body");
    if (run >= c->state[LENGTH]) {
        for (uint32_t i = 0; i < c->n_out; i++)
            c->out[i] = (struct esk_control_in){
                .from = i >= carried ? ESK_FROM_GATHERED
                        : run        ? ESK_FROM_BODY_OUT
                                     : ESK_FROM_NODE_IN,
                .index = i,
                .value = i < carried
                             ? 0
                             : listed(c->node, "scan_output_directions", i - carried),
                .axis = i < carried
                            ? 0
                            : (int)listed(c->node, "scan_output_axes", i - carried),
            };
        *say = ESK_CONTROL_DONE;
        return ESK_OK;
    }
    c->n_body_in = c->n_in;
    for (uint32_t i = 0; i < carried; i++)
        c->body_in[i] = (struct esk_control_in){
            .from = run ? ESK_FROM_BODY_OUT : ESK_FROM_NODE_IN, .index = i};
    for (uint32_t i = carried; i < c->n_in; i++) {
        int64_t axis = listed(c->node, "scan_input_axes", i - carried);
        bool back = listed(c->node, "scan_input_directions", i - carried) != 0;
        c->body_in[i] = (struct esk_control_in){
            .from = ESK_FROM_SLICE,
            .index = i,
            .value = back ? c->state[LENGTH] - 1 - run : run,
            .axis = (int)(axis < 0 ? axis + c->in[i]->rank : axis),
        };
    }
    c->state[RUNS] = run + 1;
    *say = ESK_CONTROL_RUN;
    return ESK_OK;
}

const struct esk_op esk_op_Scan = {
    .domain = "",
    .name = "Scan",
    .since = (const uint8_t[]){9, 11, 16, 19, 21, 23, 24, 25, 0},
    .min_in = 1,
    .max_in = UINT32_MAX,
    .min_out = 1,
    .max_out = UINT32_MAX,
    .control = control,
};
