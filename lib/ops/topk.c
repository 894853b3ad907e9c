/* TopK. In: X and a known K; out: the K largest (or smallest) elements along `axis` in
 * order, and their places. NaN is greater than all numbers; of equal elements the first
 * comes first. */
#include "recipes/lines.h"
#include "recipes/map.h"

#include <stdlib.h>
#include <string.h>

static uint32_t k_on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 1 << 1;
}

static esk_status upgrade(struct esk_ctx *c) {
    return esk_upgrade_ints_to_input(c, "k", 1);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int axis;
    int64_t k, dims[ESK_MAX_RANK];
    uint32_t n;
    ESK_TRY(esk_check_axis(c, esk_attr_int(c->node, "axis", -1), x->rank, &axis));
    ESK_TRY(esk_in_ints(c, 1, &k, 1, &n));
    if (n != 1)
        return esk_node_fail(c, ESK_INVALID_MODEL, "K has %u values, it must be one", n);
    if (k < 0 || k > x->dim[axis])
        return esk_node_fail(c, ESK_INVALID_MODEL, "K is %lld, axis %d has %lld elements",
                             (long long)k, axis, (long long)x->dim[axis]);
    memcpy(dims, x->dim, sizeof dims);
    dims[axis] = k;
    ESK_TRY(esk_set_out(c, 0, x->dtype, x->rank, dims));
    return esk_set_out(c, 1, ESK_INT64, x->rank, dims);
}

/* Keys order as the elements do, whatever their type. */
struct item {
    int64_t key, at;
};

static int64_t key_of_double(double v) {
    int64_t bits;
    v += 0.0; /* -0 is 0 */
    memcpy(&bits, &v, 8);
    if (v != v)
        return INT64_MAX;
    return bits < 0 ? (int64_t)(~(uint64_t)bits ^ (uint64_t)INT64_MIN) : bits;
}

static int by_smallest(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_largest(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Keys of one line. `v` holds the line as it was read. */
static void fill_items(const struct esk_tensor *x, void *v, int64_t n,
                       struct item *items) {
    const double *d = v;
    const int64_t *w = v;
    bool is_float = esk_dtype_is_float(x->dtype);
    int64_t flip = x->dtype == ESK_UINT64 ? INT64_MIN : 0;
    for (int64_t k = 0; k < n; k++)
        items[k] = (struct item){is_float ? key_of_double(d[k]) : w[k] ^ flip, k};
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0];
    struct esk_tensor *values = c->out[0], *places = c->n_out > 1 ? c->out[1] : NULL;
    int axis = 0;
    int64_t count = esk_tensor_int(c->in[1], 0);
    bool largest = esk_attr_int(c->node, "largest", 1);
    esk_shape_axis(esk_attr_int(c->node, "axis", -1), x->rank, &axis);
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    size_t element = esk_dtype_bits(x->dtype) / 8;
    void *v = esk_arena_array(c->scratch, (size_t)l.size, 8);
    struct item *items = ESK_ARENA_ARRAY(c->scratch, struct item, (size_t)l.size);
    if (!v || !items)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t line = 0; line < l.outer * l.inner && count; line++) {
        int64_t o = line / l.inner, i = line % l.inner, first = o * l.size * l.inner + i;
        if (esk_dtype_is_float(x->dtype))
            esk_read_doubles(x, first, l.inner, l.size, v);
        else
            esk_read_ints(x, first, l.inner, l.size, v);
        fill_items(x, v, l.size, items);
        qsort(items, (size_t)l.size, sizeof *items, largest ? by_largest : by_smallest);
        for (int64_t k = 0; k < count; k++) {
            int64_t to = (o * count + k) * l.inner + i;
            if (values)
                memcpy((char *)values->data + (size_t)to * element,
                       (const char *)x->data +
                           (size_t)(first + items[k].at * l.inner) * element,
                       element);
            if (places)
                ((int64_t *)places->data)[to] = items[k].at;
        }
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0), *who;
    int axis = 0;
    int64_t k_value, count = esk_var_count(x);
    uint32_t n;
    if (!esk_all_storable(c, &who) || !y)
        return esk_unsupported(c, "%s is not kept on the device",
                               y ? esk_dtype_name(who->dtype) : "nothing");
    ESK_TRY(esk_in_ints(c, 1, &k_value, 1, &n));
    esk_shape_axis(esk_attr_int(c->node, "axis", -1), x->rank, &axis);
    struct esk_lines l = esk_lines_along(x->rank, x->dim, axis);
    double work = (double)count * (double)l.size, most = c->limits->software ? 2e8 : 2e10;
    if (count > INT32_MAX || work > most)
        return esk_unsupported(c, "%lld elements in lines of %lld are too many to count",
                               (long long)count, (long long)l.size);
    enum esk_storage storage =
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE);
    int kind = storage == ESK_STORAGE_I32   ? 1
               : storage == ESK_STORAGE_U32 ? 2
               : x->dtype == ESK_INT64      ? 3
               : x->dtype == ESK_UINT64     ? 4
                                            : 0;
    bool row4 = kind == 0 && l.inner == 1 && l.size % 4 == 0;
    struct esk_recipe *r = esk_add_recipe(c, "top k by counting");
    struct esk_ref_to places = {ESK_REF_SCRATCH, 0};
    if (!esk_out(c, 1))
        places = esk_recipe_scratch(r, (size_t)esk_var_count(y) * 8, ESK_STORAGE_I64X2);
    for (int step = 0; step < 2; step++) {
        struct esk_kernel *k = esk_recipe_kernel(r, "topk");
        esk_kernel_define(k, "STEP", step);
        esk_kernel_in(c, r, k, "X", 0, row4 && step == 0 ? ESK_VEC4 : ESK_ELEMENT);
        if (!esk_out(c, 1))
            esk_kernel_ref(k, "I", r, places, step ? ESK_READ : ESK_WRITE, ESK_ELEMENT);
        else
            esk_kernel_var(k, "I", c->graph, esk_out_id(c, 1), ESK_LAYOUT_DENSE,
                           step ? ESK_READ : ESK_WRITE, ESK_ELEMENT);
        esk_kernel_int(k, "size", l.size);
        esk_kernel_int(k, "inner", l.inner);
        esk_kernel_int(k, "k", k_value);
        if (step == 0) {
            esk_kernel_define(k, "KIND", kind);
            if (!esk_attr_int(c->node, "largest", 1))
                esk_kernel_define(k, "SMALLEST", 1);
            if (row4)
                esk_kernel_define(k, "ROW4", 1);
            esk_kernel_int(k, "count", count);
            esk_kernel_flat(k, c->limits, (uint64_t)count);
            k->loop_iterations = (uint64_t)(row4 ? l.size / 4 : l.size);
            k->flops = work;
            if (c->limits->max_iterations &&
                k->loop_iterations > c->limits->max_iterations)
                return esk_unsupported(c, "lines of %lld elements", (long long)l.size);
        } else {
            esk_kernel_map(c, r, k, 0, false);
        }
    }
    return ESK_OK;
}

const struct esk_op esk_op_TopK = {
    .domain = "",
    .name = "TopK",
    .since = (const uint8_t[]){1, 10, 11, 24, 0},
    .min_in = 2,
    .min_out = 1,
    .max_out = 2,
    .host_in = k_on_host,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
