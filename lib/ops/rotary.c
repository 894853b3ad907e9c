/* RotaryEmbedding of both domains and MRotaryEmbedding, whose tokens have three
 * positions. In: X (3-D, heads side by side, or 4-D), caches of cosines and sines,
 * positions; out: X with pairs of elements turned. */
#include "recipes/attention.h"
#include "recipes/facts.h"

/* The places of inputs: com.microsoft has the positions second. */
struct places {
    uint32_t ids, cos, sin;
    bool streams;
};

/* Three positions a token: [3, batch, length], each for some of a head's pairs. */
static const char *describe_streams(const struct esk_facts *f, struct esk_attention *a) {
    struct esk_rotary *r = &a->rotary;
    int64_t layout = esk_attr_int(f->node, "mrope_layout", 0), sum = 0;
    const int64_t *ids = f->dim[1];
    if (f->rank[2] != 2)
        return "the caches must have rank 2";
    if (esk_attr_ints(f->node, "mrope_section", r->section, 3) != 3)
        return "mrope_section must have three sizes";
    for (int i = 0; i < 3; i++) {
        if (r->section[i] < 0)
            return "mrope_section has a negative size";
        sum += r->section[i] < r->half + 1 ? r->section[i] : r->half + 1;
    }
    if (sum != r->half)
        return "the sizes of mrope_section do not sum up to the width of the caches";
    if (layout != 0 && layout != 1)
        return "mrope_layout must be 0 or 1";
    if (f->rank[1] != 3 || ids[0] != 3 || ids[1] != a->batch || ids[2] != a->length)
        return "positions must be [3, batch, length]";
    r->woven = layout;
    r->ids = 1, r->positions = ESK_POSITIONS_STREAMS;
    return NULL;
}

static const char *describe(const struct esk_facts *f, struct esk_attention *a) {
    const struct places *p = f->node->op->data;
    const int64_t *x = f->dim[0], *cache = f->dim[p->cos];
    int rank = f->rank[p->cos];
    *a = esk_attention_none();
    int64_t turned = esk_attr_int(f->node, "rotary_embedding_dim", 0);
    int64_t heads = esk_attr_int(f->node, "num_heads", 0);
    if (rank < 2 || rank > 3 || f->rank[p->sin] != rank ||
        !esk_shape_equal(rank, cache, rank, f->dim[p->sin]))
        return "the caches must have one shape, of rank 2 or 3";
    a->rotary.half = cache[rank - 1];
    a->rotary.rows = esk_shape_product(cache, 0, rank - 1);
    if (f->rank[0] == 3) {
        if (heads == 0 && a->rotary.half > 0)
            heads = x[2] / (2 * a->rotary.half);
        if (heads < 1 || x[2] % heads)
            return "num_heads does not divide the width";
        a->batch = x[0], a->length = x[1], a->heads = heads, a->dim = x[2] / heads;
        a->q = esk_heads_rows(0, a->length, x[2], a->dim);
    } else if (f->rank[0] == 4) {
        a->batch = x[0], a->heads = x[1], a->length = x[2], a->dim = x[3];
        a->q = esk_heads_major(0, a->heads, a->length, a->dim);
        a->y_major = true;
    } else {
        return "X must have rank 3 or 4";
    }
    if (turned ? turned != 2 * a->rotary.half : a->dim != 2 * a->rotary.half)
        return "the caches do not have half the turned elements";
    if (2 * a->rotary.half > a->dim)
        return "more elements are turned than a head has";
    a->rotary.cos = p->cos, a->rotary.sin = p->sin;
    a->rotary.interleaved = esk_attr_int(f->node, "interleaved", 0);
    a->rotary.scale = esk_attr_float(f->node, "scale", 1);
    a->kv_heads = a->heads;
    if (p->streams)
        return describe_streams(f, a);
    if (!f->has[p->ids]) {
        a->rotary.positions = ESK_POSITIONS_CACHE;
        return rank == 3 && cache[0] == a->batch && cache[1] == a->length
                   ? NULL
                   : "without positions the caches have a row for each token";
    }
    int64_t n = esk_shape_product(f->dim[p->ids], 0, f->rank[p->ids]);
    a->rotary.ids = p->ids;
    if (f->rank[p->ids] == 2 && n == a->batch * a->length)
        a->rotary.positions = ESK_POSITIONS_IDS;
    else if (f->rank[p->ids] < 2 && n == 1)
        a->rotary.positions = ESK_POSITIONS_FIRST;
    else
        return "positions must be one, or one for each token";
    return rank == 2 ? NULL : "with positions the caches have rank 2";
}

static esk_status infer(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    const char *wrong = describe(&f, &a);
    if (wrong)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s", wrong);
    return esk_set_out_like(c, 0, 0);
}

static esk_status cpu(struct esk_cpu *c) {
    struct esk_facts f = esk_facts_of_tensors(c);
    struct esk_attention a;
    describe(&f, &a);
    return c->out[0] ? esk_rotary_cpu(c, &a) : ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    struct esk_facts f = esk_facts_of_vars(c);
    struct esk_attention a;
    describe(&f, &a);
    return esk_rotary_gpu(c, &a);
}

const struct esk_op esk_op_RotaryEmbedding = {
    .domain = "",
    .name = "RotaryEmbedding",
    .since = (const uint8_t[]){23, 0},
    .min_in = 3,
    .alike = 0x7,
    .real = 0x7,
    .max_in = 4,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct places){.ids = 3, .cos = 1, .sin = 2},
};

const struct esk_op esk_op_ms_RotaryEmbedding = {
    .domain = "com.microsoft",
    .name = "RotaryEmbedding",
    .since = (const uint8_t[]){1, 0},
    .min_in = 4,
    .real = 0xd,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct places){.ids = 1, .cos = 2, .sin = 3},
};

const struct esk_op esk_op_ms_MRotaryEmbedding = {
    .domain = "com.microsoft",
    .name = "MRotaryEmbedding",
    .since = (const uint8_t[]){1, 0},
    .min_in = 4,
    .real = 0xd,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
    .data = &(const struct places){.ids = 1, .cos = 2, .sin = 3, .streams = true},
};
