/* DepthToSpace and SpaceToDepth. In: X [N, C, H, W] of any type; out: the same elements,
 * blocks of pixels moved from or to channels. */
#include "recipes/walk.h"

#include <inttypes.h>
#include <string.h>

/* The family's own record. */
struct direction {
    bool to_space;
};

static bool to_space(const struct esk_node *node) {
    return ((const struct direction *)node->op->data)->to_space;
}

/* Item (i, j) of a block of channel c lies in channel i * step[0] + j * step[1] + c *
 * step[2] of the deep side, which has `channels` more on the other. */
static void steps(const struct esk_node *node, int64_t channels, int64_t *step) {
    int64_t b = esk_attr_int(node, "blocksize", 1);
    bool rows =
        to_space(node) && strcmp(esk_attr_string(node, "mode", "DCR"), "CRD") == 0;
    step[0] = rows ? b : b * channels;
    step[1] = rows ? 1 : channels;
    step[2] = rows ? b * b : 1;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t b = esk_attr_int(c->node, "blocksize", 0);
    const char *mode = esk_attr_string(c->node, "mode", "DCR");
    if (x->rank != 4)
        return esk_node_fail(c, ESK_INVALID_MODEL, "X has rank %d, it must be 4",
                             x->rank);
    if (b < 1 || b > 46340)
        return esk_node_fail(c, ESK_INVALID_MODEL, "blocksize is %" PRId64, b);
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return esk_node_fail(c, ESK_INVALID_MODEL, "mode '%s' is unknown", mode);
    bool up = to_space(c->node);
    if (up ? x->dim[1] % (b * b) : x->dim[2] % b || x->dim[3] % b)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "[%" PRId64 ", %" PRId64 ", %" PRId64
                             "] cannot be cut into blocks of %" PRId64,
                             x->dim[1], x->dim[2], x->dim[3], b);
    int64_t dims[4] = {x->dim[0], up ? x->dim[1] / (b * b) : x->dim[1] * b * b,
                       up ? x->dim[2] * b : x->dim[2] / b,
                       up ? x->dim[3] * b : x->dim[3] / b};
    return esk_set_out(c, 0, x->dtype, 4, dims);
}

/* Every `from_step`-th element to every `to_step`-th. */
#define COPY(T)                         \
    for (int64_t i = 0; i < count; i++) \
    ((T *)to)[to_at + i * to_step] = ((const T *)from)[from_at + i * from_step]

static void copy(void *to, int64_t to_at, int64_t to_step, const void *from,
                 int64_t from_at, int64_t from_step, int64_t count, size_t size) {
    struct wide {
        uint64_t a, b;
    };
    switch (size) {
    case 1:
        COPY(uint8_t);
        break;
    case 2:
        COPY(uint16_t);
        break;
    case 4:
        COPY(uint32_t);
        break;
    case 8:
        COPY(uint64_t);
        break;
    default:
        COPY(struct wide);
        break;
    }
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    bool up = to_space(c->node);
    const struct esk_tensor *deep = up ? x : y, *wide = up ? y : x;
    int64_t b = esk_attr_int(c->node, "blocksize", 1), step[3];
    size_t size = esk_dtype_bits(x->dtype) / 8;
    if (size == 0)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "type %s", esk_dtype_name(x->dtype));
    steps(c->node, wide->dim[1], step);
    int64_t h = deep->dim[2], w = deep->dim[3];
    for (int64_t n = 0; n < x->dim[0]; n++)
        for (int64_t ch = 0; ch < wide->dim[1]; ch++)
            for (int64_t at = 0; at < h * b * b; at++) {
                int64_t y_at = at / b, j = at % b, i = y_at % b;
                int64_t channel = i * step[0] + j * step[1] + ch * step[2];
                int64_t in_deep = ((n * deep->dim[1] + channel) * h + y_at / b) * w;
                int64_t in_wide = ((n * wide->dim[1] + ch) * h * b + y_at) * w * b + j;
                if (up)
                    copy(y->data, in_wide, b, x->data, in_deep, 1, w, size);
                else
                    copy(y->data, in_deep, 1, x->data, in_wide, b, w, size);
            }
    return ESK_OK;
}

/* Reshape, Transpose, Reshape. */
static esk_status gpu(struct esk_ctx *c) {
    static const int depth[6] = {0, 3, 4, 1, 5, 2}, columns[6] = {0, 1, 4, 2, 5, 3},
                     space[6] = {0, 3, 5, 1, 2, 4};
    ESK_TRY(esk_move_ready(c));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    bool up = to_space(c->node);
    bool crd = strcmp(esk_attr_string(c->node, "mode", "DCR"), "CRD") == 0;
    int64_t b = esk_attr_int(c->node, "blocksize", 1), n = x->dim[0], ch = x->dim[1];
    int64_t h = x->dim[2], w = x->dim[3];
    int64_t blocks[6] = {n, ch, h / b, b, w / b, b},
            dcr[6] = {n, b, b, ch / (b * b), h, w},
            rows[6] = {n, ch / (b * b), b, b, h, w};
    const int64_t *dims = !up ? blocks : crd ? rows : dcr;
    const int *perm = !up ? space : crd ? columns : depth;
    struct esk_walk walk = esk_walk_of(c, 0);
    if (!esk_walk_reshape(&walk, 6, dims) || !esk_walk_permute(&walk, 6, perm) ||
        !esk_walk_reshape(&walk, 4, y->dim)) {
        walk = esk_walk_over(c, 0);
        esk_walk_reshape(&walk, 6, dims);
        esk_walk_permute(&walk, 6, perm);
        if (!esk_walk_reshape(&walk, 4, y->dim))
            return esk_unsupported(c, "blocks of %" PRId64, b);
    }
    esk_walk_recipe(c, up ? "depth to space" : "space to depth", &walk);
    return ESK_OK;
}

const struct esk_op esk_op_DepthToSpace = {
    .domain = "",
    .name = "DepthToSpace",
    .flags = ESK_OP_WALKS,
    .since = (const uint8_t[]){1, 11, 13, 28, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct direction){true},
};

const struct esk_op esk_op_SpaceToDepth = {
    .domain = "",
    .name = "SpaceToDepth",
    .flags = ESK_OP_WALKS,
    .since = (const uint8_t[]){1, 13, 28, 0},
    .min_in = 1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct direction){false},
};
