/* Factors before a matrix product go behind it, where they ride in its kernel; a value for
 * each column of a product by known weights goes into their form; a factor of each channel
 * goes into the pointwise convolution behind it. */
#include "ir/pattern.h"

/* The value inside a factor keeps its shape: the factor's rank adds no axis. */
static bool keeps(const struct esk_match *m, char value, char node) {
    const struct esk_node *factor = esk_match_node(m, node);
    if (!factor)
        return true;
    const struct esk_var *x = esk_match_var(m, value), *y = m->graph->vars[factor->out[0]];
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
    esk_id in[2] = {esk_match_id(m, 'a'), esk_match_id(m, 'b')}, middle = esk_match_temp(m);
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
        a->rank < 2 || b->rank < 1 || b->rank > a->rank || b->dim[b->rank - 1] != w->dim[1] ||
        esk_var_count(b) != w->dim[1])
        return ESK_OK;
    esk_id in[3] = {esk_match_id(m, 'a'), esk_match_id(m, 'w'), esk_match_id(m, 'b')};
    if (!esk_match_add(m, "esker", "Linear", 3, in, ESK_NONE))
        return esk_fail_memory(m->error, "a product");
    *done = true;
    return ESK_OK;
}

/* Conv(x * s, w, b), w of one item, s [1, C, 1…]: as squeeze-and-excitation blocks end. */
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

const struct esk_pattern esk_patterns_products[] = {
    {"fuse_products", "MatMul(m:Mul*(a,#s),n:Mul*(b,#t))", product},
    {"fuse_products", "MatMul(m:Mul*(a,#s),b)", product},
    {"fuse_products", "MatMul(d:Div(a,#s),b)", product},
    {"fuse_products", "MatMul(a,n:Mul*(b,#t))", product},
    {"fuse_products", "Add*(MatMul(a,$w),$b)", linear},
    {"fuse_products", "Conv(Mul(x,s),..)", scaled},
    {0},
};
