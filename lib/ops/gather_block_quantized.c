/* GatherBlockQuantized: rows of a tensor kept in blocks of 4 or 8 bit numbers, as floats.
 * In: data (int4, uint4, or uint8 with `bits` numbers a byte, the last axis packed),
 * indices, scales, zero points like data or none; out: floats of the scales' type. */
#include "recipes/facts.h"
#include "recipes/lanes.h"
#include "recipes/lines.h"
#include "recipes/map.h"

#include <string.h>

enum { DATA, INDICES, SCALES, ZEROS };

struct shape {
    int64_t bits, dim, inner, indices; /* gathered axis: its size, elements behind it */
    int64_t q_dim, q_inner, block, blocks; /* quantized axis likewise */
    bool is_signed;
    float zero; /* without zero points */
    int rank;
    int64_t dims[2 * ESK_MAX_RANK]; /* of the output */
};

static const char *describe(const struct esk_facts *f, struct shape *s) {
    int rank = f->rank[DATA], axis, q_axis;
    int64_t dims[ESK_MAX_RANK];
    *s = (struct shape){.bits = 4, .is_signed = f->dtype[DATA] == ESK_INT4};
    if (f->dtype[DATA] == ESK_UINT8) {
        s->bits = esk_attr_int(f->node, "bits", 4);
        s->zero = (float)(s->bits == 8 ? 128 : 8);
    }
    s->block = esk_attr_int(f->node, "block_size", 128);
    if (s->bits != 4 && s->bits != 8)
        return "bits must be 4 or 8";
    if (rank < 1 || s->block < 1)
        return "the data must have axes, and block_size be positive";
    if (!esk_shape_axis(esk_attr_int(f->node, "gather_axis", 0), rank, &axis) ||
        !esk_shape_axis(esk_attr_int(f->node, "quantize_axis", 1), rank, &q_axis))
        return "gather_axis or quantize_axis is out of range";
    for (int i = 0; i < rank; i++)
        dims[i] = f->dim[DATA][i];
    if (f->dtype[DATA] == ESK_UINT8)
        dims[rank - 1] *= 8 / s->bits;
    s->dim = dims[axis], s->inner = esk_shape_product(dims, axis + 1, rank);
    s->q_dim = dims[q_axis], s->q_inner = esk_shape_product(dims, q_axis + 1, rank);
    s->blocks = esk_divide_up(s->q_dim, s->block);
    s->indices = esk_shape_product(f->dim[INDICES], 0, f->rank[INDICES]);
    if (rank - 1 + f->rank[INDICES] > ESK_MAX_RANK)
        return "the output has too many axes";
    for (int i = 0; i < axis; i++)
        s->dims[s->rank++] = dims[i];
    for (int i = 0; i < f->rank[INDICES]; i++)
        s->dims[s->rank++] = f->dim[INDICES][i];
    for (int i = axis + 1; i < rank; i++)
        s->dims[s->rank++] = dims[i];
    int64_t all = esk_shape_product(dims, 0, q_axis) * s->blocks * s->q_inner;
    if (esk_shape_product(f->dim[SCALES], 0, f->rank[SCALES]) != all)
        return "there must be a scale for each block";
    if (f->has[ZEROS] && esk_shape_product(f->dim[ZEROS], 0, f->rank[ZEROS]) *
                                 (f->dtype[ZEROS] == ESK_UINT8 ? 8 / s->bits : 1) <
                             all)
        return "there must be a zero point for each block";
    return NULL;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct shape s;
    const char *wrong = describe(&f, &s);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    return esk_set_out(c, 0, f.dtype[SCALES], s.rank, s.dims);
}

static int number(const void *bytes, int64_t i, int64_t bits, bool is_signed) {
    int64_t at = i * bits;
    int v = (((const uint8_t *)bytes)[at / 8] >> (at % 8)) & ((1 << bits) - 1);
    return is_signed && v >= 1 << (bits - 1) ? v - (1 << bits) : v;
}

static float zero_of(const struct shape *s, const struct esk_tensor *zeros,
                     int64_t block) {
    if (!zeros)
        return s->zero;
    int64_t last = zeros->rank ? zeros->dim[zeros->rank - 1] : 1;
    int64_t row = s->q_inner == 1 ? s->blocks : s->q_inner; /* unpacked last axis */
    if (zeros->dtype == ESK_UINT8) /* rows are padded to whole bytes */
        block = block / row * last * (8 / s->bits) + block % row;
    return (float)number(zeros->data, block, s->bits, s->is_signed);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    const struct esk_tensor *zeros = c->n_in > ZEROS ? c->in[ZEROS] : NULL;
    struct shape s;
    describe(&f, &s);
    int64_t count = esk_shape_product(s.dims, 0, s.rank), row = s.inner;
    double *v = ESK_ARENA_ARRAY(c->scratch, double, (size_t)row + 1), scale = 0;
    if (!v)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t at = 0; at < count; at += row) {
        int64_t i = at / row, index = esk_tensor_int(c->in[INDICES], i % s.indices);
        if (index < -s.dim || index >= s.dim)
            return esk_cpu_fail(c, ESK_INVALID_ARGUMENT, "index %lld, the axis has %lld",
                                (long long)index, (long long)s.dim);
        index = index < 0 ? index + s.dim : index;
        int64_t from = (i / s.indices * s.dim + index) * row, last = -1;
        for (int64_t k = 0; k < row; k++) {
            int64_t e = from + k, line = e / s.q_inner;
            int64_t block =
                (line / s.q_dim * s.blocks + line % s.q_dim / s.block) * s.q_inner +
                e % s.q_inner;
            if (block != last)
                scale = esk_tensor_double(c->in[SCALES], block), last = block;
            v[k] = ((double)number(c->in[DATA]->data, e, s.bits, s.is_signed) -
                    (double)zero_of(&s, zeros, block)) *
                   scale;
        }
        esk_write_doubles(c->out[0], at, 1, row, v);
    }
    return ESK_OK;
}

/* The data's bytes as they are. */
static void pack_bytes(void *dst, size_t bytes, const struct esk_tensor *const *src,
                       const int64_t *params) {
    (void)params;
    memset(dst, 0, bytes);
    memcpy(dst, src[0]->data, src[0]->bytes < bytes ? src[0]->bytes : bytes);
}

/* [blocks][scale, zero point] */
static void pack_scales(void *dst, size_t bytes, const struct esk_tensor *const *src,
                        const int64_t *params) {
    struct shape s = {.bits = params[0],
                      .is_signed = params[1],
                      .zero = (float)params[2],
                      .q_inner = params[3],
                      .blocks = params[4]};
    int64_t count = esk_shape_product(src[0]->dim, 0, src[0]->rank);
    float *to = dst;
    (void)bytes;
    for (int64_t i = 0; i < count; i++) {
        to[2 * i] = (float)esk_tensor_double(src[0], i);
        to[2 * i + 1] = zero_of(&s, src[1], i);
    }
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    const struct esk_var *data = esk_in(c, DATA), *scales = esk_in(c, SCALES);
    struct shape s;
    describe(&f, &s);
    if (!esk_is_known(c, DATA) || !esk_is_known(c, SCALES) ||
        (f.has[ZEROS] && !esk_is_known(c, ZEROS)))
        return esk_unsupported(c, "data, scales or zero points are not constant");
    if (scales->dtype != ESK_FLOAT && scales->dtype != ESK_FLOAT16)
        return esk_unsupported(c, "scales of type %s", esk_dtype_name(scales->dtype));
    if (esk_var_count(data) > INT32_MAX / 4 ||
        esk_var_count(esk_out(c, 0)) > INT32_MAX / 4)
        return esk_unsupported(c, "more elements than an int counts");
    struct esk_recipe *r = esk_add_recipe(c, "gather of blocks");
    struct esk_kernel *k = esk_recipe_kernel(r, "gather_blocks");
    size_t bytes = (data->bytes + 15) & ~(size_t)15;
    struct esk_ref_to d =
        esk_recipe_form(r, "bytes", pack_bytes, 1, (esk_id[]){esk_in_id(c, DATA)}, 0,
                        NULL, bytes, ESK_STORAGE_U32, ESK_UINT32);
    struct esk_ref_to z = esk_recipe_form(
        r, "block_scales", pack_scales, 2,
        (esk_id[]){esk_in_id(c, SCALES), esk_in_id(c, ZEROS)}, 5,
        (int64_t[]){s.bits, s.is_signed, (int64_t)s.zero, s.q_inner, s.blocks},
        ((size_t)esk_var_count(scales) * 8 + 15) & ~(size_t)15, ESK_STORAGE_F32,
        ESK_FLOAT);
    esk_kernel_ref(k, "D", r, d, ESK_READ, ESK_ELEMENT);
    /* the one token of a decoder's step: a word of the parameters */
    const struct esk_var *indices = esk_in(c, INDICES);
    if (indices->flags & ESK_VAR_INPUT && s.indices == 1 && !c->graph->is_body) {
        esk_kernel_define(k, "INDEX_LATE", 1);
        esk_kernel_host_int(k, "index", esk_in_id(c, INDICES), 0);
    } else {
        esk_kernel_in(c, r, k, "I", INDICES, ESK_ELEMENT);
    }
    esk_kernel_ref(k, "Z", r, z, ESK_READ, ESK_ELEMENT);
    esk_kernel_define(k, "BITS", s.bits);
    if (s.is_signed)
        esk_kernel_define(k, "SIGNED", 1);
    if (f.dtype[INDICES] == ESK_INT64)
        esk_kernel_define(k, "INDICES_64", 1);
    esk_kernel_int(k, "dim", s.dim);
    esk_kernel_int(k, "inner", s.inner);
    esk_kernel_int(k, "indices", s.indices);
    esk_kernel_int(k, "q_dim", s.q_dim);
    esk_kernel_int(k, "q_inner", s.q_inner);
    esk_kernel_int(k, "block", s.block);
    esk_kernel_int(k, "blocks", s.blocks);
    esk_kernel_map(c, r, k, 0, false);
    return ESK_OK;
}

const struct esk_op esk_op_ms_GatherBlockQuantized = {
    .domain = "com.microsoft",
    .name = "GatherBlockQuantized",
    .since = (const uint8_t[]){1, 0},
    .min_in = 3,
    .max_in = 4,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
