/* Factors before a matrix product go behind it, where they ride in its kernel; a value
 * for each column of a product by known weights goes into their form; a factor of each
 * channel goes into the pointwise convolution behind it; a Pad into any convolution. */
#include "ir/pattern.h"

#include <string.h>

/* The value inside a factor keeps its shape: the factor's rank adds no axis. */
static bool keeps(const struct esk_match *m, char value, char node) {
    const struct esk_node *factor = esk_match_node(m, node);
    if (!factor)
        return true;
    const struct esk_var *x = esk_match_var(m, value),
                         *y = m->graph->vars[factor->out[0]];
    return esk_shape_equal(x->rank, x->dim, y->rank, y->dim);
}

/* MatMul(a * s, b * t) = MatMul(a, b) * (s * t); d is a division by s instead. */
static esk_status product(struct esk_match *m, bool *done) {
    const struct esk_var *a = esk_match_var(m, 'a'), *b = esk_match_var(m, 'b');
    if (a->dtype != ESK_FLOAT || b->dtype != ESK_FLOAT || !keeps(m, 'a', 'm') ||
        !keeps(m, 'a', 'd') || !keeps(m, 'b', 'n'))
        return ESK_OK;
    double factor = 1;
    if (esk_match_id(m, 's') != ESK_NONE)
        factor = esk_match_node(m, 'd') ? 1 / esk_match_number(m, 's')
                                        : esk_match_number(m, 's');
    if (esk_match_id(m, 't') != ESK_NONE)
        factor *= esk_match_number(m, 't');
    float *data;
    esk_id in[2] = {esk_match_id(m, 'a'), esk_match_id(m, 'b')},
           middle = esk_match_temp(m);
    if (middle == ESK_NONE || !esk_match_add(m, "", "MatMul", 2, in, middle))
        return esk_fail_memory(m->error, "a product");
    esk_id scaled[2] = {middle, esk_match_floats(m, 0, NULL, &data)};
    if (scaled[1] == ESK_NONE || !esk_match_add(m, "", "Mul", 2, scaled, ESK_NONE))
        return esk_fail_memory(m->error, "a product");
    *data = (float)factor;
    *done = true;
    return ESK_OK;
}

/* MatMul(a, w) + b. */
static esk_status linear(struct esk_match *m, bool *done) {
    const struct esk_var *a = esk_match_var(m, 'a'), *w = esk_match_var(m, 'w'),
                         *b = esk_match_var(m, 'b');
    bool is_float = a->dtype == ESK_FLOAT || a->dtype == ESK_FLOAT16;
    if (!is_float || w->rank != 2 || w->dtype != a->dtype || b->dtype != a->dtype ||
        a->rank < 2 || b->rank < 1 || b->rank > a->rank ||
        b->dim[b->rank - 1] != w->dim[1] || esk_var_count(b) != w->dim[1])
        return ESK_OK;
    esk_id in[3] = {esk_match_id(m, 'a'), esk_match_id(m, 'w'), esk_match_id(m, 'b')};
    if (!esk_match_add(m, "esker", "Linear", 3, in, ESK_NONE))
        return esk_fail_memory(m->error, "a product");
    *done = true;
    return ESK_OK;
}

/* Conv(x * s, w, b), w of one item, s [1, C, 1…]: as squeeze-and-excitation blocks end.
 */
static esk_status scaled(struct esk_match *m, bool *done) {
    const struct esk_var *x = esk_match_var(m, 'x'), *s = esk_match_var(m, 's');
    const struct esk_node *conv = m->root;
    const struct esk_var *w = m->graph->vars[conv->in[1]];
    esk_id in[4] = {esk_match_id(m, 'x'), conv->in[1],
                    conv->n_in > 2 ? conv->in[2] : ESK_NONE, esk_match_id(m, 's')};
    if (esk_var_count(x) < esk_var_count(s)) {
        const struct esk_var *larger = s;
        s = x, x = larger;
        in[3] = in[0], in[0] = esk_match_id(m, 's');
    }
    if (x->dtype != ESK_FLOAT || x->rank < 3 || s->rank != x->rank || x->dim[0] != 1 ||
        s->dim[1] != x->dim[1] || esk_var_count(s) != s->dim[1] ||
        esk_var_count(x) == s->dim[1] || w->rank != x->rank || w->dim[1] != x->dim[1] ||
        esk_var_count(w) != w->dim[0] * w->dim[1])
        return ESK_OK;
    struct esk_node *node = esk_match_add(m, "esker", "ScaledConv", 4, in, ESK_NONE);
    if (!node || !esk_match_copy_attrs(m, node, conv))
        return esk_fail_memory(m->error, "a convolution");
    *done = true;
    return ESK_OK;
}

/* The zeros that a Pad puts around a convolution's rows and columns; NULL: it does more.
 */
static const int64_t *zeros_around(const struct esk_match *m, const struct esk_node *pad,
                                   int64_t *around) {
    int64_t pads[2 * ESK_MAX_RANK], axes[ESK_MAX_RANK];
    int rank = esk_match_var(m, 'x')->rank;
    uint32_t n = 0, n_axes = (uint32_t)rank;
    const struct esk_var *value =
        pad->n_in > 2 && pad->in[2] != ESK_NONE ? m->graph->vars[pad->in[2]] : NULL;
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (rank < 3 || strcmp(esk_attr_string(pad, "mode", "constant"), "constant") ||
        esk_node_attr(pad, "esk_value") ||
        !esk_match_ints(m, pad, 1, NULL, pads, 2 * ESK_MAX_RANK, &n) ||
        (pad->n_in > 3 && pad->in[3] != ESK_NONE &&
         !esk_match_ints(m, pad, 3, NULL, axes, ESK_MAX_RANK, &n_axes)) ||
        n != 2 * n_axes || (value && (!value->data || esk_var_count(value) != 1)))
        return NULL;
    if (value) {
        struct esk_tensor zero = esk_var_tensor(value);
        if (esk_tensor_double(&zero, 0) != 0)
            return NULL;
    }
    int dims = rank - 2;
    for (int i = 0; i < 2 * dims; i++)
        around[i] = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t axis = axes[i % n_axes];
        axis += axis < 0 ? rank : 0;
        if (pads[i] < 0 || pads[i] > INT32_MAX || axis >= rank || (axis < 2 && pads[i]))
            return NULL;
        if (axis >= 2)
            around[axis - 2 + (i < n_axes ? 0 : dims)] += pads[i];
    }
    return around;
}

/* Conv(Pad(x)): the convolution's own pads are zeros too. */
static esk_status padded(struct esk_match *m, bool *done) {
    const struct esk_node *conv = m->root, *pad = esk_match_node(m, 'p');
    int64_t around[2 * ESK_MAX_RANK], own[2 * ESK_MAX_RANK];
    esk_id in[3] = {esk_match_id(m, 'x'), conv->in[1],
                    conv->n_in > 2 ? conv->in[2] : ESK_NONE};
    size_t n = 2 * (size_t)(esk_match_var(m, 'x')->rank - 2);
    const char *mode = esk_attr_string(conv, "auto_pad", "NOTSET");
    bool valid = !strcmp(mode, "VALID");
    if ((strcmp(mode, "NOTSET") && !valid) || !zeros_around(m, pad, around))
        return ESK_OK;
    if (!valid && esk_node_attr(conv, "pads")) {
        if (esk_attr_ints(conv, "pads", own, 2 * ESK_MAX_RANK) != n)
            return ESK_OK;
        for (size_t i = 0; i < n; i++) {
            if (own[i] < 0)
                return ESK_OK;
            around[i] += own[i];
        }
    }
    struct esk_node *node = esk_match_add(m, "", "Conv", 3, in, ESK_NONE);
    if (!node || !esk_match_copy_attrs(m, node, conv) ||
        !esk_node_set_string(m->graph, node, "auto_pad", "NOTSET") ||
        !esk_node_set_ints(m->graph, node, "pads", n, around))
        return esk_fail_memory(m->error, "a convolution");
    *done = true;
    return ESK_OK;
}

const struct esk_pattern esk_patterns_products[] = {
    {"fuse_products", "MatMul(m:Mul*(a,#s),n:Mul*(b,#t))", product},
    {"fuse_products", "MatMul(m:Mul*(a,#s),b)", product},
    {"fuse_products", "MatMul(d:Div(a,#s),b)", product},
    {"fuse_products", "MatMul(a,n:Mul*(b,#t))", product},
    {"fuse_products", "Add*(MatMul(a,$w),$b)", linear},
    {"fuse_products", "Conv(p:Pad(x,..),..)", padded},
    {"fuse_products", "Conv(Mul(x,s),..)", scaled},
    {0},
};
