/* Col2Im: columns of blocks added into an image. In: X [N, C * block, L], the image's and
 * the block's sizes; out: [N, C, image …]. */
#include "recipes/map.h"
#include "recipes/rows.h"

enum { AXES = 5 };

struct blocks {
    int axes;
    int64_t image[AXES], block[AXES], stride[AXES], dilation[AXES], begin[AXES], at[AXES];
    int64_t taps, places; /* products of block and of `at`, the block's positions */
};

static uint32_t on_host(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph, (void)node;
    return 6;
}

static esk_status read_blocks(const struct esk_node *node, esk_error *error, int axes,
                              struct blocks *b) {
    int64_t strides[AXES], dilations[AXES], pads[2 * AXES];
    size_t n_strides = esk_attr_ints(node, "strides", strides, AXES);
    size_t n_dilations = esk_attr_ints(node, "dilations", dilations, AXES);
    size_t n_pads = esk_attr_ints(node, "pads", pads, 2 * AXES), n = (size_t)axes;
    if ((n_strides && n_strides != n) || (n_dilations && n_dilations != n) ||
        (n_pads && n_pads != 2 * n))
        return esk_fail(error, ESK_INVALID_MODEL,
                        "Col2Im '%s': attributes of other lengths than %d axes",
                        node->name, axes);
    b->axes = axes;
    b->taps = b->places = 1;
    for (int k = 0; k < axes; k++) {
        b->stride[k] = n_strides ? strides[k] : 1;
        b->dilation[k] = n_dilations ? dilations[k] : 1;
        b->begin[k] = n_pads ? pads[k] : 0;
        int64_t end = n_pads ? pads[axes + k] : 0;
        const int64_t sizes[] = {b->stride[k], b->dilation[k], b->begin[k],
                                 end,          b->block[k],    b->image[k]};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (sizes[i] < -INT32_MAX || sizes[i] > INT32_MAX) /* products fit 63 bits */
                return esk_fail(error, ESK_INVALID_MODEL,
                                "Col2Im '%s': axis %d: %lld, the limit is 2147483647",
                                node->name, k, (long long)sizes[i]);
        int64_t room =
            b->image[k] + b->begin[k] + end - b->dilation[k] * (b->block[k] - 1) - 1;
        if (b->stride[k] < 1 || b->dilation[k] < 1 || b->block[k] < 1 || room < 0)
            return esk_fail(error, ESK_INVALID_MODEL,
                            "Col2Im '%s': axis %d: a block of %lld in an image of %lld",
                            node->name, k, (long long)b->block[k],
                            (long long)b->image[k]);
        b->at[k] = room / b->stride[k] + 1;
        if (__builtin_mul_overflow(b->taps, b->block[k], &b->taps) ||
            __builtin_mul_overflow(b->places, b->at[k], &b->places))
            return esk_fail(error, ESK_INVALID_MODEL, "Col2Im '%s': size overflow",
                            node->name);
    }
    return ESK_OK;
}

static esk_status blocks_of(const struct esk_ctx *c, struct blocks *b) {
    uint32_t n, m;
    ESK_TRY(esk_in_ints(c, 1, b->image, AXES, &n));
    ESK_TRY(esk_in_ints(c, 2, b->block, AXES, &m));
    if (n != m || !n)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%u image axes, %u block axes", n, m);
    return read_blocks(c->node, c->error, (int)n, b);
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    struct blocks b;
    int64_t dims[ESK_MAX_RANK];
    ESK_TRY(blocks_of(c, &b));
    if (x->rank != 3 || x->dim[1] % b.taps || x->dim[2] != b.places)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "X does not hold blocks of %lld at %lld places",
                             (long long)b.taps, (long long)b.places);
    dims[0] = x->dim[0], dims[1] = x->dim[1] / b.taps;
    for (int k = 0; k < b.axes; k++)
        dims[2 + k] = b.image[k];
    return esk_set_out(c, 0, x->dtype, 2 + b.axes, dims);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    struct blocks b;
    for (int k = 0; k < y->rank - 2; k++) {
        b.image[k] = esk_tensor_int(c->in[1], k);
        b.block[k] = esk_tensor_int(c->in[2], k);
    }
    ESK_TRY(read_blocks(c->node, c->error, y->rank - 2, &b));
    int64_t image = esk_shape_product(y->dim, 2, y->rank);
    double *sums = ESK_ARENA_ARRAY(c->scratch, double, (size_t)image);
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)b.places);
    if (!sums || !v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t plane = 0; plane < y->dim[0] * y->dim[1]; plane++) {
        for (int64_t i = 0; i < image; i++)
            sums[i] = 0;
        for (int64_t tap = 0; tap < b.taps; tap++) {
            esk_rows_load_doubles(x, (plane * b.taps + tap) * b.places, 1, b.places, v);
            for (int64_t place = 0; place < b.places; place++) {
                int64_t t = tap, p = place, at = 0, step = 1;
                bool inside = true;
                for (int k = b.axes - 1; k >= 0; k--) {
                    int64_t i = p % b.at[k] * b.stride[k] +
                                t % b.block[k] * b.dilation[k] - b.begin[k];
                    inside = inside && i >= 0 && i < b.image[k];
                    at += i * step;
                    step *= b.image[k];
                    p /= b.at[k], t /= b.block[k];
                }
                if (inside)
                    sums[at] += v[place];
            }
        }
        esk_rows_store_doubles(c->out[0], plane * image, image, sums);
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0), *who;
    struct blocks b;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (x->dtype != ESK_FLOAT && x->dtype != ESK_FLOAT16)
        return esk_unsupported(c, "X is %s", esk_dtype_name(x->dtype));
    ESK_TRY(blocks_of(c, &b));
    uint64_t most = c->limits->max_iterations;
    if ((most && (uint64_t)b.taps * 8 > most) || esk_var_count(x) > INT32_MAX ||
        esk_var_count(y) > INT32_MAX)
        return esk_unsupported(c, "blocks of %lld", (long long)b.taps);
    struct esk_recipe *r = esk_add_recipe(c, "columns to image");
    struct esk_kernel *k = esk_recipe_kernel(r, "col2im");
    uint32_t n = (uint32_t)b.axes;
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_define(k, "AXES", n);
    esk_kernel_ints(k, "image", n, b.image);
    esk_kernel_ints(k, "block", n, b.block);
    esk_kernel_ints(k, "stride", n, b.stride);
    esk_kernel_ints(k, "dilation", n, b.dilation);
    esk_kernel_ints(k, "begin", n, b.begin);
    esk_kernel_ints(k, "at", n, b.at);
    esk_kernel_int(k, "taps", b.taps);
    esk_kernel_int(k, "places", b.places);
    esk_kernel_map(c, r, k, 0, true);
    k->loop_iterations = (uint64_t)b.taps * 8;
    k->flops = 8.0 * (double)b.taps * (double)esk_var_count(y);
    k->bytes = 4.0 * (double)(esk_var_count(x) + esk_var_count(y));
    return ESK_OK;
}

const struct esk_op esk_op_Col2Im = {
    .domain = "",
    .name = "Col2Im",
    .since = (const uint8_t[]){18, 0},
    .min_in = 3,
    .min_out = 1,
    .host_in = on_host,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
