/* esker.HalfTurn: rotary embeddings as models spell them out, what a pattern makes of
 * x * c + concat(-x[h:], x[:h]) * s along the last axis (patterns_attention.c). In: X, c
 * and s, both broadcast to X but for the last axis, which they have; out: like X. */
#include "recipes/floats.h"
#include "recipes/lanes.h"
#include "recipes/map.h"
#include "recipes/walk.h"

#include <inttypes.h>
#include <string.h>

enum { X, C, S, AXES = 4 };

/* Strides, in elements, of an input that is broadcast to X, axes counted from the last.
 */
static void strides_of(int rank, const int64_t *dim, int64_t *stride) {
    int64_t step = 1;
    for (int i = 0; i < ESK_MAX_RANK; i++) {
        int64_t size = i < rank ? dim[rank - 1 - i] : 1;
        stride[i] = size == 1 ? 0 : step;
        step *= size;
    }
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X);
    if (x->rank < 1 || !esk_dtype_is_float(x->dtype) || x->dim[x->rank - 1] % 2)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X is %s of rank %d",
                             esk_dtype_name(x->dtype), x->rank);
    for (uint32_t i = C; i <= S; i++) {
        const struct esk_var *v = esk_in(c, i);
        bool fits = v->rank >= 1 && v->rank <= x->rank && v->dtype == x->dtype &&
                    v->dim[v->rank - 1] == x->dim[x->rank - 1];
        for (int k = 1; fits && k <= v->rank; k++)
            fits = v->dim[v->rank - k] == 1 || v->dim[v->rank - k] == x->dim[x->rank - k];
        if (!fits)
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u does not fit X", i);
    }
    return esk_set_out_like(c, 0, X);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[X];
    int64_t strides[2][ESK_MAX_RANK], d = x->dim[x->rank - 1], h = d / 2;
    const float *in = esk_floats_in(c->scratch, x), *with[2];
    float *out = esk_floats_out(c->scratch, c->out[0]);
    for (int i = 0; i < 2; i++) {
        strides_of(c->in[C + i]->rank, c->in[C + i]->dim, strides[i]);
        with[i] = esk_floats_in(c->scratch, c->in[C + i]);
    }
    if (!in || !out || !with[0] || !with[1])
        return esk_fail_memory(c->error, c->node->name);
    int64_t rows = esk_shape_product(x->dim, 0, x->rank - 1);
    for (int64_t row = 0; row < rows; row++) {
        int64_t at[2] = {0, 0}, rest = row;
        for (int k = 1; k < x->rank; k++) {
            int64_t size = x->dim[x->rank - 1 - k];
            for (int i = 0; i < 2; i++)
                at[i] += rest % size * strides[i][k];
            rest /= size;
        }
        const float *from = in + row * d, *cs = with[0] + at[0], *sn = with[1] + at[1];
        for (int64_t k = 0; k < d; k++)
            out[row * d + k] =
                from[k] * cs[k] + (k < h ? -from[k + h] : from[k - h]) * sn[k];
    }
    esk_floats_done(c->out[0], out);
    return ESK_OK;
}

/* Strides of X over what it walks, from the last axis; false: not in whole vec4s of it.
 */
static bool over_walk(const struct esk_var *x, int64_t *stride) {
    const struct esk_walk *w = x->walk;
    if (!w || x->data || w->layout != ESK_LAYOUT_DENSE || w->offset % 4)
        return false;
    memset(stride, 0, ESK_MAX_RANK * sizeof *stride);
    for (int d = 0; d < w->n; d++) {
        int axis = w->axis[d], last = axis == x->rank - 1;
        if (w->dim[d] == 1)
            continue;
        if (w->dim[d] != x->dim[axis] ||
            (last ? w->stride[d] != 1 : w->stride[d] % 4 != 0))
            return false;
        stride[x->rank - 1 - axis] = w->stride[d];
    }
    return true;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, X), *who;
    int64_t d = x->dim[x->rank - 1], stride[3][ESK_MAX_RANK], dims[AXES];
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "type %s", esk_dtype_name(who->dtype));
    if (x->rank > AXES || d % 8)
        return esk_unsupported(c, "rank %d, %" PRId64 " elements of a row", x->rank, d);
    if (!esk_vec4_indices(x))
        return esk_unsupported(c, "a tensor of more than 2^28 vec4s");
    for (uint32_t i = 0; i < 3; i++)
        strides_of(esk_in(c, i)->rank, esk_in(c, i)->dim, stride[i]);
    bool walks = over_walk(x, stride[X]);
    struct esk_recipe *r = esk_add_recipe(c, "half turn");
    struct esk_kernel *k = esk_recipe_kernel(r, "half_turn");
    if (walks)
        esk_kernel_var(k, "X", c->graph, x->walk->base, ESK_LAYOUT_DENSE, ESK_READ,
                       ESK_VEC4);
    else
        esk_kernel_in(c, r, k, "X", X, ESK_VEC4);
    esk_kernel_in(c, r, k, "C", C, ESK_VEC4);
    esk_kernel_in(c, r, k, "S", S, ESK_VEC4);
    esk_kernel_out(c, r, k, "Y", 0, ESK_VEC4);
    for (int i = 0; i < AXES; i++)
        dims[i] = i < x->rank ? x->dim[x->rank - 1 - i] : 1;
    int64_t count = esk_var_count(x) / 8;
    esk_kernel_int(k, "count", count);
    esk_kernel_int(k, "half", d / 8);
    esk_kernel_int(k, "rows", dims[1]);
    esk_kernel_int(k, "heads", dims[2]);
    esk_kernel_int(k, "offset", walks ? x->walk->offset / 4 : 0);
    static const char *const names[] = {"xs", "cs", "ss"};
    for (int i = 0; i < 3; i++) {
        int64_t steps[] = {stride[i][1] / 4, stride[i][2] / 4, stride[i][3] / 4};
        esk_kernel_ints(k, names[i], 3, steps);
    }
    esk_kernel_flat(k, c->limits, (uint64_t)count);
    k->flops = 3.0 * (double)esk_var_count(x);
    k->bytes = 16.0 * (double)esk_var_count(x);
    return ESK_OK;
}

const struct esk_op esk_op_HalfTurn = {
    .domain = "esker",
    .name = "HalfTurn",
    .since = (const uint8_t[]){1, 0},
    .flags = ESK_OP_WALKS,
    .min_in = 3,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
