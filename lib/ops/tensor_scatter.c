/* TensorScatter: rows of an update put into a cache at an index for each batch. In:
 * cache, update, write indices [batch] or none; out: the new cache. */
#include "recipes/facts.h"
#include "recipes/map.h"

#include <string.h>

/* The cache is [batch][per][rows][inner], the update [batch][per][fresh][inner]. */
struct places {
    int64_t batch, per, rows, fresh, inner;
    bool circular;
};

static const char *describe(const struct esk_facts *f, struct places *p) {
    int rank = f->rank[0], axis;
    const int64_t *x = f->dim[0], *u = f->dim[1];
    const char *mode = esk_attr_string(f->node, "mode", "linear");
    p->circular = strcmp(mode, "circular") == 0;
    if (!p->circular && strcmp(mode, "linear") != 0)
        return "mode must be linear or circular";
    if (rank < 2 || !esk_shape_axis(esk_attr_int(f->node, "axis", -2), rank, &axis) ||
        axis == 0)
        return "axis must be one behind the first";
    if (f->rank[1] != rank || f->dtype[0] != f->dtype[1])
        return "the update must have the cache's type and rank";
    for (int i = 0; i < rank; i++)
        if (i == axis ? u[i] > x[i] : u[i] != x[i])
            return "the update does not fit into the cache";
    if (f->has[2] && (f->rank[2] != 1 || f->dim[2][0] != x[0]))
        return "there must be a write index for each batch";
    p->batch = x[0], p->per = esk_shape_product(x, 1, axis);
    p->rows = x[axis], p->fresh = u[axis];
    p->inner = esk_shape_product(x, axis + 1, rank);
    return NULL;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct places p;
    const char *wrong = describe(&f, &p);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    return esk_set_out_like(c, 0, 0);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    const struct esk_tensor *at = c->n_in > 2 ? c->in[2] : NULL;
    struct places p;
    size_t size;
    describe(&f, &p);
    if (!c->out[0] || !c->out[0]->bytes)
        return ESK_OK;
    int64_t line = p.rows * p.inner, fresh = p.fresh * p.inner;
    if (!esk_dtype_bytes(c->in[0]->dtype, 1, &size) || c->in[0]->dtype == ESK_STRING)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type is not known");
    memcpy(c->out[0]->data, c->in[0]->data, c->out[0]->bytes);
    for (int64_t i = 0; i < p.batch * p.per; i++)
        for (int64_t s = 0; s < p.fresh && fresh; s++) {
            int64_t row = (at ? esk_tensor_int(at, i / p.per) : 0) + s;
            if (row < 0 || (row >= p.rows && !p.circular))
                return esk_cpu_fail(c, ESK_INVALID_ARGUMENT,
                                    "row %lld, the cache has %lld", (long long)row,
                                    (long long)p.rows);
            memcpy((char *)c->out[0]->data +
                       (size_t)(i * line + row % p.rows * p.inner) * size,
                   (const char *)c->in[1]->data +
                       (size_t)(i * fresh + s * p.inner) * size,
                   (size_t)p.inner * size);
        }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    const struct esk_var *who, *at = esk_in(c, 2);
    struct places p;
    describe(&f, &p);
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (esk_var_count(esk_in(c, 0)) > INT32_MAX / 2)
        return esk_unsupported(c, "more elements than an int counts");
    if (!p.fresh) {
        esk_add_alias(c, 0);
        return ESK_OK;
    }
    struct esk_recipe *r = esk_add_recipe(c, "tensor scatter");
    struct esk_kernel *k = esk_recipe_kernel(r, "tensor_scatter");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "U", 1, ESK_ELEMENT);
    if (at) {
        esk_kernel_in(c, r, k, "I", 2, ESK_ELEMENT);
        esk_kernel_define(k, "INDICES", at->dtype == ESK_INT64 ? 2 : 1);
    }
    if (p.circular)
        esk_kernel_define(k, "CIRCULAR", 1);
    esk_kernel_int(k, "per", p.per);
    esk_kernel_int(k, "rows", p.rows);
    esk_kernel_int(k, "fresh", p.fresh);
    esk_kernel_int(k, "inner", p.inner);
    esk_kernel_map(c, r, k, 0, false);
    return ESK_OK;
}

const struct esk_op esk_op_TensorScatter = {
    .domain = "",
    .name = "TensorScatter",
    .since = (const uint8_t[]){24, 0},
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
