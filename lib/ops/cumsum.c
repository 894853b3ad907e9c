/* CumSum and CumProd. In: x and a known axis; out: running sums or products along it.
 * Sums of floats on the host are in double, integers wrap. */
#include "recipes/line_kernels.h"

static bool is_product(const struct esk_node *node) {
    return *(const bool *)node->op->data;
}

static uint32_t axis_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 1 << 1;
}

static esk_status axis_of(const struct esk_ctx *c, int *axis) {
    int64_t value;
    uint32_t n;
    ESK_TRY(esk_in_ints(c, 1, &value, 1, &n));
    if (n != 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "axis has %u values, it must be one",
                             n);
    return esk_check_axis(c, value, esk_in(c, 0)->rank, axis);
}

static esk_status infer(struct esk_ctx *c) {
    int axis;
    ESK_TRY(axis_of(c, &axis));
    return esk_set_out_like(c, 0, 0);
}

static void run_doubles(double *v, int64_t n, bool product, bool reverse,
                        bool exclusive) {
    double total = product;
    for (int64_t k = 0; k < n; k++) {
        double *at = &v[reverse ? n - 1 - k : k], old = total;
        total = product ? total * *at : total + *at;
        *at = exclusive ? old : total;
    }
}

static void run_ints(int64_t *v, int64_t n, bool product, bool reverse, bool exclusive) {
    uint64_t total = product;
    for (int64_t k = 0; k < n; k++) {
        int64_t *at = &v[reverse ? n - 1 - k : k];
        uint64_t old = total;
        total = product ? total * (uint64_t)*at : total + (uint64_t)*at;
        *at = (int64_t)(exclusive ? old : total);
    }
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    bool product = is_product(c->node), is_float = esk_dtype_is_float(x->dtype);
    bool reverse = esk_attr_int(c->node, "reverse", 0);
    bool exclusive = esk_attr_int(c->node, "exclusive", 0);
    int axis;
    if (!esk_shape_axis(esk_tensor_int(c->in[1], 0), x->rank, &axis))
        return esk_cpu_fail(c, ESK_INVALID_MODEL, "axis out of range for rank %d",
                            x->rank);
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    void *v = esk_arena_array(c->scratch, (size_t)l.size, 8);
    if (!v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t line = 0; line < l.outer * l.inner && l.size; line++) {
        int64_t first = line / l.inner * l.size * l.inner + line % l.inner;
        if (is_float) {
            esk_read_doubles(x, first, l.inner, l.size, v);
            run_doubles(v, l.size, product, reverse, exclusive);
            esk_write_doubles(c->out[0], first, l.inner, l.size, v);
        } else {
            esk_read_ints(x, first, l.inner, l.size, v);
            run_ints(v, l.size, product, reverse, exclusive);
            esk_write_ints(c->out[0], first, l.inner, l.size, v);
        }
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    int axis;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (esk_var_count(x) > INT32_MAX)
        return esk_unsupported(c, "%lld elements, the limit is 2147483647",
                               (long long)esk_var_count(x));
    ESK_TRY(axis_of(c, &axis));
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    if (c->limits->max_iterations && (uint64_t)l.size > c->limits->max_iterations)
        return esk_unsupported(c, "lines of %lld elements", (long long)l.size);
    struct esk_recipe *r = esk_add_recipe(c, "running, invocation a line");
    struct esk_kernel *k = esk_recipe_kernel(r, "cumsum");
    if (is_product(c->node))
        esk_kernel_define(k, "MUL", 1);
    if (esk_attr_int(c->node, "reverse", 0))
        esk_kernel_define(k, "REVERSE", 1);
    if (esk_attr_int(c->node, "exclusive", 0))
        esk_kernel_define(k, "EXCLUSIVE", 1);
    if (x->dtype == ESK_INT64 || x->dtype == ESK_UINT64)
        esk_kernel_define(k, "INT64", 1);
    esk_kernel_lines(c, r, k, l);
    k->loop_iterations = (uint64_t)l.size;
    k->flops = (double)esk_var_count(x);
    k->bytes = 8 * (double)esk_var_count(x);
    return ESK_OK;
}

#define RUNNING(title, product, ...)                \
    const struct esk_op esk_op_##title = {          \
        .domain = "",                               \
        .name = #title,                             \
        .since = (const uint8_t[]){__VA_ARGS__, 0}, \
        .min_in = 2,                                \
        .min_out = 1,                               \
        .host_in = axis_on_host,                    \
        .infer = infer,                             \
        .cpu = cpu,                                 \
        .gpu = gpu,                                 \
        .data = &(const bool){product},             \
    }

RUNNING(CumSum, false, 11, 14);
RUNNING(CumProd, true, 26);
