/* YOLO's focus: Conv(Concat(x[::2, ::2], x[1::2, ::2], x[::2, 1::2], x[1::2, 1::2])), in
 * any order of the quarters, is a convolution of x with twice the kernel, stride and
 * padding. */
#include "ir/pattern.h"

#include <string.h>

enum { QUARTERS = 4, DEPTH = 3 };

/* Follows Slices up to their source: every second place of the axes 2 and 3 from first[0]
 * and first[1] on. false: something else. */
static bool quarter(const struct esk_match *m, esk_id id, esk_id *source,
                    int64_t first[2]) {
    bool seen[2] = {false, false};
    for (int depth = 0; depth < DEPTH; depth++) {
        const struct esk_var *var = m->graph->vars[id];
        const struct esk_node *node =
            var->producer == ESK_NONE ? NULL : m->graph->nodes[var->producer];
        if (!node || !node->op || strcmp(node->op->name, "Slice") != 0 ||
            node->op->domain[0])
            break;
        int64_t starts[2], ends[2], axes[2], steps[2];
        uint32_t n, k;
        if (node->n_in < 5 || !esk_match_ints(m, node, 1, NULL, starts, 2, &n) ||
            !esk_match_ints(m, node, 2, NULL, ends, 2, &k) || k != n ||
            !esk_match_ints(m, node, 3, NULL, axes, 2, &k) || k != n ||
            !esk_match_ints(m, node, 4, NULL, steps, 2, &k) || k != n)
            return false;
        for (uint32_t i = 0; i < n; i++) {
            int64_t axis = axes[i] - 2;
            /* to the end, whatever the size is */
            if (axis < 0 || axis > 1 || seen[axis] || steps[i] != 2 || starts[i] < 0 ||
                starts[i] > 1 || ends[i] < INT32_MAX)
                return false;
            seen[axis] = true;
            first[axis] = starts[i];
        }
        id = node->in[0];
    }
    *source = id;
    return seen[0] && seen[1];
}

static bool pair(const struct esk_node *node, const char *name, int64_t fallback,
                 int64_t *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        values[i] = fallback;
    size_t n = esk_attr_ints(node, name, values, count);
    return n == 0 || n == count;
}

static esk_status focus(struct esk_match *m, bool *done) {
    const struct esk_node *conv = m->root, *concat = esk_match_node(m, 'c');
    const struct esk_var *w = esk_match_var(m, 'w');
    int64_t stride[2], dilation[2], pads[4], first[QUARTERS][2];
    esk_id source = ESK_NONE;
    if (w->dtype != ESK_FLOAT || w->rank != 4 || w->dim[1] % QUARTERS ||
        concat->n_in != QUARTERS || esk_attr_int(concat, "axis", 0) != 1 ||
        esk_attr_int(conv, "group", 1) != 1 ||
        strcmp(esk_attr_string(conv, "auto_pad", "NOTSET"), "NOTSET") != 0 ||
        !pair(conv, "strides", 1, stride, 2) ||
        !pair(conv, "dilations", 1, dilation, 2) || !pair(conv, "pads", 0, pads, 4) ||
        dilation[0] != 1 || dilation[1] != 1)
        return ESK_OK;
    uint32_t mask = 0;
    for (uint32_t q = 0; q < QUARTERS; q++) {
        esk_id from = ESK_NONE;
        if (concat->in[q] == ESK_NONE || !quarter(m, concat->in[q], &from, first[q]) ||
            (q && from != source))
            return ESK_OK;
        source = from;
        mask |= 1u << (first[q][0] * 2 + first[q][1]);
    }
    if (mask != (1u << QUARTERS) - 1)
        return ESK_OK;
    /* with more channels than an image has, an odd extent has kernels of its own: one
     * more tap of zero */
    int64_t oc = w->dim[0], ic = w->dim[1] / QUARTERS, kh = w->dim[2], kw = w->dim[3];
    int64_t odd = ic > 4;
    int64_t dims[4] = {oc, ic, 2 * kh + odd, 2 * kw + odd};
    int64_t wide[4] = {2 * pads[0], 2 * pads[1], 2 * pads[2] + odd, 2 * pads[3] + odd};
    float *data;
    esk_id in[3] = {source, esk_match_floats(m, 4, dims, &data),
                    conv->n_in > 2 ? conv->in[2] : ESK_NONE};
    struct esk_node *node =
        in[1] == ESK_NONE
            ? NULL
            : esk_match_add(m, "", "Conv", in[2] == ESK_NONE ? 2 : 3, in, ESK_NONE);
    if (!node ||
        !esk_node_set_ints(m->graph, node, "strides", 2,
                           (int64_t[]){2 * stride[0], 2 * stride[1]}) ||
        !esk_node_set_ints(m->graph, node, "pads", 4, wide) ||
        !esk_node_set_ints(m->graph, node, "kernel_shape", 2, dims + 2))
        return esk_fail_memory(m->error, "a fused focus");
    memset(data, 0, (size_t)(oc * ic * dims[2] * dims[3]) * sizeof *data);
    const float *old = w->data;
    for (int64_t o = 0; o < oc; o++)
        for (int64_t c = 0; c < w->dim[1]; c++)
            for (int64_t y = 0; y < kh; y++)
                for (int64_t x = 0; x < kw; x++) {
                    const int64_t *at = first[c / ic];
                    data[((o * ic + c % ic) * dims[2] + 2 * y + at[0]) * dims[3] + 2 * x +
                         at[1]] = old[((o * w->dim[1] + c) * kh + y) * kw + x];
                }
    *done = true;
    return ESK_OK;
}

const struct esk_pattern esk_patterns_focus[] = {
    {"fuse_focus", "Conv(c:Concat(_,_,_,_),$w,_)", focus},
    {0},
};
