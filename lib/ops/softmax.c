/* Softmax, LogSoftmax, Hardmax. In: X; out: the same shape. Before opset 13 the axes from
 * `axis` (default 1) on count as one: attribute esk_flat. */
#include "recipes/line_kernels.h"

#include <math.h>

enum which { SOFT, LOG, HARD };

static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since >= 13 || esk_node_attr(c->node, "esk_flat"))
        return ESK_OK;
    int64_t axis = esk_attr_int(c->node, "axis", 1);
    if (!esk_node_set_int(c->graph, c->node, "axis", axis) ||
        !esk_node_set_int(c->graph, c->node, "esk_flat", 1))
        return esk_fail_memory(c->error, c->node->name);
    return ESK_OK;
}

/* The lines of a tensor of this shape; false if the axis is out of range. */
static bool lines_of(const struct esk_node *node, int rank, const int64_t *dims,
                     struct esk_lines *lines) {
    int64_t axis = esk_attr_int(node, "axis", -1);
    bool flat = esk_attr_int(node, "esk_flat", 0);
    int at = 0;
    if (flat && axis == rank)
        at = rank;
    else if (rank == 0 ? axis != 0 && axis != -1 : !esk_shape_axis(axis, rank, &at))
        return false;
    *lines = flat ? esk_lines_from(rank, dims, at) : esk_lines_along(rank, dims, at);
    return true;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    struct esk_lines lines;
    if (!lines_of(c->node, x->rank, x->dim, &lines))
        return esk_node_fail(c, ESK_INVALID_MODEL, "axis %lld out of range for rank %d",
                             (long long)esk_attr_int(c->node, "axis", -1), x->rank);
    return esk_set_out_like(c, 0, 0);
}

static void soft_line(double *v, int64_t n, enum which which) {
    double top = v[0], sum = 0;
    int64_t at = 0;
    for (int64_t k = 1; k < n; k++)
        if (v[k] > top)
            top = v[k], at = k;
    for (int64_t k = 0; k < n; k++) {
        double e = exp(v[k] - top);
        sum += e;
        v[k] = which == SOFT ? e : which == LOG ? v[k] - top : k == at;
    }
    double log_sum = log(sum);
    for (int64_t k = 0; k < n && which != HARD; k++)
        v[k] = which == SOFT ? v[k] / sum : v[k] - log_sum;
}

static esk_status cpu(struct esk_cpu *c) {
    const enum which which = *(const enum which *)c->node->op->data;
    const struct esk_tensor *x = c->in[0];
    struct esk_lines l = {0};
    lines_of(c->node, x->rank, x->dim, &l);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)l.size);
    if (!v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t line = 0; line < l.outer * l.inner && l.size; line++) {
        int64_t first = line / l.inner * l.size * l.inner + line % l.inner;
        esk_read_doubles(x, first, l.inner, l.size, v);
        soft_line(v, l.size, which);
        esk_write_doubles(c->out[0], first, l.inner, l.size, v);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    enum { SHORT = 64, SHORT_SOFT = 512 }; /* a line not worth a group */
    const enum which which = *(const enum which *)c->node->op->data;
    const struct esk_var *x = esk_in(c, 0), *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    int64_t count = esk_var_count(x);
    if (count > INT32_MAX)
        return esk_unsupported(c, "%lld elements, the limit is 2147483647",
                               (long long)count);
    struct esk_lines lines = {0};
    lines_of(c->node, x->rank, x->dim, &lines);
    struct esk_line_units u = esk_line_units_of(c, lines);
    if (u.size == 0)
        return esk_unsupported(c, "packed halves in lines of one element");
    /* by the line alone: how many lines there are changes from run to run */
    bool grouped = which != HARD && u.along &&
                   lines.size > (c->limits->software ? SHORT_SOFT : SHORT);
    uint64_t loop = (uint64_t)u.size * 3, most = c->limits->max_iterations;
    if (most && loop > most && which != HARD && u.along)
        grouped = true;
    struct esk_recipe *r = esk_add_recipe(c, grouped ? "softmax, group a row"
                                                     : "softmax, invocation a line");
    struct esk_kernel *k = esk_recipe_kernel(r, which == HARD ? "hardmax" : "softmax");
    if (grouped) {
        uint32_t local = c->limits->software ? 8 : 32;
        esk_kernel_line_operands(c, r, k, &u);
        esk_kernel_define(k, "GROUPED", 1);
        esk_kernel_local(k, local, 1, 1);
        esk_kernel_groups(k, (uint64_t)u.lines, 1, 1);
        loop = (uint64_t)u.size / local * 2 + local * 2 + 8;
    } else {
        esk_kernel_lines(c, r, k, lines);
    }
    if (which == LOG)
        esk_kernel_define(k, "LOG", 1);
    if (most && loop > most)
        return esk_unsupported(c, "lines of %lld elements", (long long)lines.size);
    k->loop_iterations = loop;
    k->flops = 8.0 * (double)count;
    k->bytes = 8.0 * (double)count;
    return ESK_OK;
}

#define OP(title, kind)                           \
    const struct esk_op esk_op_##title = {        \
        .domain = "",                             \
        .name = #title,                           \
        .since = (const uint8_t[]){1, 11, 13, 0}, \
        .min_in = 1,                              \
        .real = 1,                                \
        .min_out = 1,                             \
        .upgrade = upgrade,                       \
        .infer = infer,                           \
        .cpu = cpu,                               \
        .gpu = gpu,                               \
        .data = &(const enum which){kind},        \
    }

OP(Softmax, SOFT);
OP(LogSoftmax, LOG);
OP(Hardmax, HARD);
