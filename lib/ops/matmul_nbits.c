/* MatMulNBits: Y = A * W + bias, where W [K, N] is kept in blocks of 2, 4 or 8 bit
 * numbers along K. In: A, B [N, blocks, bytes], scales, zero points (packed, or floats),
 * g_idx, bias. MatMulBnb4: numbers name one of 16 levels (FP4, NF4), the blocks go on
 * from one column to the next. On the device a known B is packed anew; another is
 * unpacked into scratch.
 */
#include "recipes/facts.h"
#include "recipes/floats.h"
#include "recipes/lanes.h"
#include "recipes/map.h"

enum { A, B, SCALES, ZEROS, G_IDX, BIAS };

struct shape {
    int64_t m, n, k, bits, block, blocks; /* blocks: of a column; levels: of all */
    int64_t levels;                       /* MatMulBnb4: 1 FP4, 2 NF4; else 0 */
};

/* Those of bitsandbytes. */
static const float level_table[2][16] = {
    {0, 5.208333333e-3f, 2.0f / 3, 1, 1.0f / 3, 0.5f, 1.0f / 6, 0.25f, -0.0f,
     -5.208333333e-3f, -2.0f / 3, -1, -1.0f / 3, -0.5f, -1.0f / 6, -0.25f},
    {-1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
     -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0,
     0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f,
     0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f,
     1}};

static const char *describe_levels(const struct esk_facts *f, struct shape *s) {
    const struct esk_node *node = f->node;
    int64_t type = esk_attr_int(node, "quant_type", 1);
    s->k = esk_attr_int(node, "K", 0), s->n = esk_attr_int(node, "N", 0);
    s->block = esk_attr_int(node, "block_size", 0), s->bits = 4;
    if (s->k < 1 || s->n < 1 || s->k > INT32_MAX || s->n > INT32_MAX)
        return "K and N must be positive";
    if (type != 0 && type != 1)
        return "quant_type must be 0 (FP4) or 1 (NF4)";
    if (s->block < 16 || (s->block & (s->block - 1)) || s->block > INT32_MAX)
        return "block_size must be a power of two from 16 on";
    s->levels = 1 + type, s->blocks = esk_divide_up(s->n * s->k, s->block);
    if (!esk_attr_int(node, "transB", 1))
        return "transB=0 is not known";
    if (f->rank[A] < 1 || f->dim[A][f->rank[A] - 1] != s->k)
        return "the last axis of A must be K";
    s->m = esk_shape_product(f->dim[A], 0, f->rank[A] - 1);
    if (f->dtype[B] != ESK_UINT8 ||
        esk_shape_product(f->dim[B], 0, f->rank[B]) != (s->n * s->k + 1) / 2)
        return "B must be uint8 of (N * K + 1) / 2 elements";
    if (esk_shape_product(f->dim[SCALES], 0, f->rank[SCALES]) != s->blocks)
        return "absmax must have a value for each block";
    return NULL;
}

static const char *describe(const struct esk_facts *f, struct shape *s) {
    const struct esk_node *node = f->node;
    *s = (struct shape){0};
    if (node->op->data)
        return describe_levels(f, s);
    s->k = esk_attr_int(node, "K", 0), s->n = esk_attr_int(node, "N", 0);
    s->bits = esk_attr_int(node, "bits", 4),
    s->block = esk_attr_int(node, "block_size", 0);
    if (s->k < 1 || s->n < 1 || s->k > INT32_MAX || s->n > INT32_MAX)
        return "K and N must be positive";
    if (s->bits != 2 && s->bits != 4 && s->bits != 8)
        return "bits must be 2, 4 or 8";
    if (s->block < 16 || (s->block & (s->block - 1)) || s->block > 4096)
        return "block_size must be a power of two from 16 on";
    s->blocks = esk_divide_up(s->k, s->block);
    if (f->rank[A] < 1 || f->dim[A][f->rank[A] - 1] != s->k)
        return "the last axis of A must be K";
    s->m = esk_shape_product(f->dim[A], 0, f->rank[A] - 1);
    if (f->dtype[B] != ESK_UINT8 || esk_shape_product(f->dim[B], 0, f->rank[B]) !=
                                        s->n * s->blocks * s->block * s->bits / 8)
        return "B must be uint8 [N, blocks, block_size * bits / 8]";
    if (esk_shape_product(f->dim[SCALES], 0, f->rank[SCALES]) != s->n * s->blocks)
        return "there must be a scale for each block";
    if (f->has[ZEROS] &&
        esk_shape_product(f->dim[ZEROS], 0, f->rank[ZEROS]) !=
            s->n * (f->dtype[ZEROS] == ESK_UINT8 ? esk_divide_up(s->blocks * s->bits, 8)
                                                 : s->blocks))
        return "there must be a zero point for each block";
    if (f->has[G_IDX] && esk_shape_product(f->dim[G_IDX], 0, f->rank[G_IDX]) < s->k)
        return "g_idx must have K values";
    if (f->has[BIAS] && esk_shape_product(f->dim[BIAS], 0, f->rank[BIAS]) != s->n)
        return "the bias must have N values";
    return NULL;
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct shape s;
    const char *wrong = describe(&f, &s);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    int64_t dims[ESK_MAX_RANK];
    for (int i = 0; i < f.rank[A]; i++)
        dims[i] = i == f.rank[A] - 1 ? s.n : f.dim[A][i];
    return esk_set_out(c, 0, f.dtype[A], f.rank[A], dims);
}

/* Number i of a row of packed numbers. */
static uint32_t number(const uint8_t *bytes, int64_t i, int64_t bits) {
    int64_t at = i * bits;
    return (uint32_t)(bytes[at / 8] >> (at % 8)) & ((1u << bits) - 1);
}

/* Number i of all; the first of a byte is in its high bits. */
static uint32_t level_at(const uint8_t *bytes, int64_t i) {
    return (uint32_t)(bytes[i / 2] >> (i % 2 ? 0 : 4)) & 15;
}

static float zero_of(const struct esk_tensor *zeros, const struct shape *s, int64_t n,
                     int64_t g) {
    if (!zeros)
        return (float)(1 << (s->bits - 1));
    if (zeros->dtype != ESK_UINT8)
        return (float)esk_tensor_double(zeros, n * s->blocks + g);
    int64_t row = esk_divide_up(s->blocks * s->bits, 8);
    return (float)number((const uint8_t *)zeros->data + n * row, g, s->bits);
}

static void unpack_row(const struct esk_cpu *c, const struct shape *s,
                       const float *scales, int64_t n, float *w) {
    if (s->levels) {
        for (int64_t k = 0, i = n * s->k; k < s->k; k++, i++)
            w[k] = level_table[s->levels - 1][level_at(c->in[B]->data, i)] *
                   scales[i / s->block];
        return;
    }
    const uint8_t *row =
        (const uint8_t *)c->in[B]->data + n * s->blocks * s->block * s->bits / 8;
    const struct esk_tensor *zeros = c->n_in > ZEROS ? c->in[ZEROS] : NULL;
    const struct esk_tensor *g_idx = c->n_in > G_IDX ? c->in[G_IDX] : NULL;
    int64_t last = -1;
    float scale = 0, zero = 0;
    for (int64_t k = 0; k < s->k; k++) {
        int64_t g = g_idx ? esk_tensor_int(g_idx, k) : k / s->block;
        g = g < 0 || g >= s->blocks ? 0 : g;
        if (g != last)
            scale = scales[n * s->blocks + g], zero = zero_of(zeros, s, n, g), last = g;
        w[k] = ((float)number(row, k, s->bits) - zero) * scale;
    }
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct shape s;
    describe(&f, &s);
    if (!c->out[0] || !s.m)
        return ESK_OK;
    const float *a = esk_floats_in(c->scratch, c->in[A]), *bias = NULL;
    const float *scales = esk_floats_in(c->scratch, c->in[SCALES]);
    float *y = esk_floats_out(c->scratch, c->out[0]);
    float *w = ESK_ARENA_ARRAY(c->scratch, float, (size_t)s.k);
    if (c->n_in > BIAS && c->in[BIAS])
        bias = esk_floats_in(c->scratch, c->in[BIAS]);
    if (!a || !scales || !y || !w)
        return esk_fail_memory(c->error, c->node->name);
    for (int64_t n = 0; n < s.n; n++) {
        unpack_row(c, &s, scales, n, w);
        for (int64_t m = 0; m < s.m; m++) {
            float sum = bias ? bias[n] : 0;
            for (int64_t k = 0; k < s.k; k++)
                sum += a[m * s.k + k] * w[k];
            y[m * s.n + n] = sum;
        }
    }
    esk_floats_done(c->out[0], y);
    return ESK_OK;
}

/* ---- gpu: a known B */

enum { P_N, P_K, P_BITS, P_BLOCK, P_BLOCKS, P_COLS, P_MIDDLE, P_LEVELS, P_COUNT };

static struct shape shape_of_params(const int64_t *p) {
    return (struct shape){.n = p[P_N],
                          .k = p[P_K],
                          .bits = p[P_BITS],
                          .block = p[P_BLOCK],
                          .blocks = p[P_BLOCKS],
                          .levels = p[P_LEVELS]};
}

/* [chunk][column of an invocation][invocation] of 16 bytes: 128 / bits numbers. */
static void pack_numbers(void *dst, size_t bytes, const struct esk_tensor *const *src,
                         const int64_t *params) {
    struct shape s = shape_of_params(params);
    int64_t cols = params[P_COLS], per = 128 / s.bits, chunks = esk_divide_up(s.k, per);
    uint8_t *to = dst;
    const uint8_t *from = src[0]->data;
    int64_t row = s.blocks * s.block * s.bits / 8;
    (void)bytes;
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            int64_t at = (chunk * cols + n % cols) * (s.n / cols) + n / cols;
            for (int64_t k = chunk * per; s.levels && k < s.k && k < (chunk + 1) * per;
                 k++)
                to[at * 16 + k % per / 2] |=
                    (uint8_t)(level_at(from, n * s.k + k) << (k % 2 ? 4 : 0));
            if (s.levels)
                continue;
            for (int64_t i = 0; i < 16; i++) /* words are little-endian on every device */
                to[at * 16 + i] =
                    chunk * 16 + i < row ? from[n * row + chunk * 16 + i] : 0;
        }
}

enum { WIDEN_FROM = 256 }; /* columns */

static int64_t span_of(const struct shape *s) {
    int64_t per = 128 / s->bits;
    return s->block < per ? s->block : per;
}

/* For each span of numbers that have one scale: [span][column …][scale, -zero * scale];
 * then the bias likewise. Where an invocation has four columns, vec4s of neighbours: two
 * of two columns, or one of four scales if all zeros are the middle. */
static void pack_scales(void *dst, size_t bytes, const struct esk_tensor *const *src,
                        const int64_t *params) {
    struct shape s = shape_of_params(params);
    int64_t cols = params[P_COLS], span = span_of(&s), per = 128 / s.bits;
    int64_t spans = esk_divide_up(s.k, per) * (per / span), units = s.n / cols;
    bool middle = params[P_MIDDLE];
    float *to = dst;
    (void)bytes;
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t i = 0; i <= spans; i++) {
            int64_t unit = n / cols, column = n % cols;
            int64_t at = middle ? (i * units + unit) * 4 + column
                         : cols == 4
                             ? ((i * 2 + column / 2) * units + unit) * 4 + column % 2 * 2
                             : ((i * cols + column) * units + unit) * 2;
            int64_t g = s.levels ? (n * s.k + i * span) / s.block
                                 : n * s.blocks + (i * span / s.block < s.blocks
                                                       ? i * span / s.block
                                                       : s.blocks - 1);
            float scale = i < spans ? (float)esk_tensor_double(src[0], g)
                          : src[2]  ? (float)esk_tensor_double(src[2], n)
                                    : 0;
            to[at] = scale;
            if (!middle)
                to[at + 1] = i < spans && !s.levels
                                 ? -zero_of(src[1], &s, n, g - n * s.blocks) * scale
                                 : 0;
        }
}

static void known(struct esk_ctx *c, const struct shape *s) {
    const struct esk_var *y = esk_out(c, 0);
    bool packed_halves =
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) == ESK_STORAGE_F16X2;
    int64_t cols = s->n % 4 == 0 ? 4 : packed_halves ? 2 : 1, per = 128 / s->bits;
    int64_t chunks = esk_divide_up(s->k, per), rows = s->m == 1 ? 1 : 4;
    bool middle = cols == 4 && !esk_in(c, ZEROS);
    int64_t params[P_COUNT] = {s->n,      s->k, s->bits, s->block,
                               s->blocks, cols, middle,  s->levels};
    int64_t spans = chunks * (per / span_of(s));
    struct esk_recipe *r =
        esk_add_recipe(c, rows == 1 ? "nbits, a row" : "nbits, 4 rows");
    bool vec4 = s->k % 4 == 0, widened = false;
    const struct esk_var *x = esk_in(c, A);
    struct esk_ref_to wide;
    struct esk_kernel *k;
    /* each invocation reads the row: of packed halves, it would unpack all of them, which
     * takes a CPU longer than the products */
    if (c->limits->software && rows == 1 && vec4 && s->n >= WIDEN_FROM &&
        esk_storage_of(x->dtype, x->rank, x->dim, ESK_LAYOUT_DENSE) ==
            ESK_STORAGE_F16X2) {
        widened = true;
        wide = esk_recipe_scratch(r, (size_t)s->k * 4, ESK_STORAGE_F32);
        k = esk_recipe_kernel(r, "widen");
        esk_kernel_in(c, r, k, "X", A, ESK_VEC4);
        esk_kernel_ref(k, "Y", r, wide, ESK_WRITE, ESK_VEC4);
        esk_kernel_int(k, "count", s->k / 4);
        esk_kernel_flat(k, c->limits, (uint64_t)s->k / 4);
        k->bytes = 6.0 * (double)s->k;
    }
    k = esk_recipe_kernel(r, "matmul_nbits");
    struct esk_ref_to w = esk_recipe_form(
        r, "nbits", pack_numbers, 1, (esk_id[]){esk_in_id(c, B)}, P_COUNT, params,
        (size_t)(chunks * s->n) * 16, ESK_STORAGE_U32, ESK_UINT32);
    struct esk_ref_to z = esk_recipe_form(
        r, "nbits_scales", pack_scales, 3,
        (esk_id[]){esk_in_id(c, SCALES), esk_in_id(c, ZEROS), esk_in_id(c, BIAS)},
        P_COUNT, params,
        ((size_t)((spans + 1) * s->n) * (middle ? 4 : 8) + 15) & ~(size_t)15,
        ESK_STORAGE_F32, ESK_FLOAT);
    if (widened)
        esk_kernel_ref(k, "X", r, wide, ESK_READ, ESK_VEC4);
    else
        esk_kernel_in(c, r, k, "X", A, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_ref(k, "W", r, w, ESK_READ, ESK_VEC4);
    esk_kernel_ref(k, "Z", r, z, ESK_READ, cols == 4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, cols == 4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_define(k, "BITS", s->bits);
    esk_kernel_define(k, "COLS", cols);
    esk_kernel_define(k, "ROWS", rows);
    esk_kernel_define(k, "SPANS", per / span_of(s));
    if (middle)
        esk_kernel_define(k, "MIDDLE", s->levels ? 0 : 1 << (s->bits - 1));
    if (s->levels)
        esk_kernel_define(k, "LEVELS", s->levels);
    if (!vec4)
        esk_kernel_define(k, "SINGLE", 1);
    if (s->k % per)
        esk_kernel_define(k, "TAIL", 1);
    esk_kernel_int(k, "m", s->m);
    esk_kernel_int(k, "k", s->k);
    esk_kernel_int(k, "units", s->n / cols);
    esk_kernel_int(k, "chunks", chunks);
    uint32_t local = esk_lanes(c->limits);
    esk_kernel_local(k, local, 1, 1);
    esk_kernel_groups(k, (uint64_t)esk_divide_up(s->n / cols, local),
                      (uint64_t)esk_divide_up(s->m, rows), 1);
    k->loop_iterations = (uint64_t)chunks;
    k->flops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    k->bytes = 16.0 * (double)(chunks * s->n) + 8.0 * (double)(spans * s->n) +
               4.0 * (double)s->m * (double)(s->n + s->k);
}

/* ---- gpu: any B */

static void unknown(struct esk_ctx *c, const struct shape *s) {
    const struct esk_var *zeros = esk_in(c, ZEROS);
    struct esk_recipe *r = esk_add_recipe(c, "nbits, unpacked first");
    struct esk_ref_to w = esk_recipe_scratch(
        r, ((size_t)(s->n * s->k) * 4 + 15) & ~(size_t)15, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "nbits_unpack");
    esk_kernel_in(c, r, k, "B", B, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "S", SCALES, ESK_ELEMENT);
    if (zeros) {
        esk_kernel_in(c, r, k, "Z", ZEROS, ESK_ELEMENT);
        esk_kernel_define(k, "ZEROS", zeros->dtype == ESK_UINT8 ? 1 : 2);
    }
    esk_kernel_ref(k, "Y", r, w, ESK_WRITE, ESK_ELEMENT);
    if (s->levels)
        esk_kernel_define(k, "LEVELS", s->levels);
    esk_kernel_define(k, "BITS", s->bits);
    esk_kernel_int(k, "count", s->n * s->k);
    esk_kernel_int(k, "k", s->k);
    esk_kernel_int(k, "block", s->block);
    esk_kernel_int(k, "blocks", s->blocks);
    esk_kernel_int(k, "zero_row", esk_divide_up(s->blocks * s->bits, 8));
    esk_kernel_flat(k, c->limits, (uint64_t)(s->n * s->k));
    k = esk_recipe_kernel(r, "nbits_product");
    esk_kernel_in(c, r, k, "X", A, ESK_ELEMENT);
    esk_kernel_ref(k, "W", r, w, ESK_READ, ESK_ELEMENT);
    if (esk_in(c, BIAS)) {
        esk_kernel_in(c, r, k, "C", BIAS, ESK_ELEMENT);
        esk_kernel_define(k, "BIAS", 1);
    }
    esk_kernel_int(k, "n", s->n);
    esk_kernel_int(k, "k", s->k);
    esk_kernel_map(c, r, k, 0, false);
    k->loop_iterations = (uint64_t)s->k * 2;
    k->flops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct shape s;
    const struct esk_var *who;
    describe(&f, &s);
    if (f.has[G_IDX])
        return esk_unsupported(c, "g_idx");
    if (f.dtype[A] != ESK_FLOAT && f.dtype[A] != ESK_FLOAT16)
        return esk_unsupported(c, "A of type %s", esk_dtype_name(f.dtype[A]));
    if (s.n > INT32_MAX / 4 / s.k || s.m > INT32_MAX / 4 / s.n ||
        s.m > INT32_MAX / 4 / s.k)
        return esk_unsupported(c, "more elements than an int counts");
    bool all_known = esk_is_known(c, B) && esk_is_known(c, SCALES) &&
                     (!f.has[ZEROS] || esk_is_known(c, ZEROS)) &&
                     (!f.has[BIAS] || esk_is_known(c, BIAS)) &&
                     (!s.levels || s.k % span_of(&s) == 0); /* a span has one scale */
    if (all_known) {
        known(c, &s);
        return ESK_OK;
    }
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (c->limits->max_iterations && s.k * 2 > (int64_t)c->limits->max_iterations)
        return esk_unsupported(c, "K is %lld", (long long)s.k);
    unknown(c, &s);
    return ESK_OK;
}

const struct esk_op esk_op_ms_MatMulNBits = {
    .domain = "com.microsoft",
    .name = "MatMulNBits",
    .since = (const uint8_t[]){1, 0},
    .min_in = 3,
    .max_in = 6,
    .real = 0x25,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};

const struct esk_op esk_op_ms_MatMulBnb4 = {
    .domain = "com.microsoft",
    .name = "MatMulBnb4",
    .since = (const uint8_t[]){1, 0},
    .min_in = 3,
    .real = 0x5,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = level_table,
};
