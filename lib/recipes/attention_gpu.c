/* Attention on the device: rotation tables, new keys appended, scores, softmax, values;
 * each a kernel of at most four operands; scores and values are products of tiles where
 * they can. Scores and rotated rows are float32 scratch. */
#include "recipes/attention.h"
#include "recipes/gemm.h"
#include "recipes/kv_cache.h"
#include "recipes/lanes.h"
#include "recipes/map.h"

#include <math.h>

/* A tensor to read rows of heads from, wherever it is; strides in elements. */
struct source {
    bool is_scratch;
    struct esk_ref_to ref;
    esk_id var;
    enum esk_layout layout;
    int64_t offset, batch, head, row, col;
};

struct builder {
    struct esk_ctx *c;
    const struct esk_attention *a;
    struct esk_recipe *r;
    struct esk_ref_to table; /* cosines and sines; id ESK_NONE: none */
    bool tiled;              /* products as tiles, scores in rows of whole vec4s */
    int64_t pitch;           /* elements from a row of scores to the next */
    bool too_long;           /* a loop exceeds the limit */
};

static struct source source_in(struct builder *b, const struct esk_heads *x) {
    return (struct source){.var = x->walked ? x->base : esk_in_id(b->c, x->input),
                           .layout = x->walked ? x->layout : ESK_LAYOUT_DENSE,
                           .offset = x->offset,
                           .batch = x->batch,
                           .head = x->head,
                           .row = x->row,
                           .col = x->col};
}

static struct source source_major(int64_t heads, int64_t rows, int64_t dim) {
    return (struct source){
        .batch = heads * rows * dim, .head = rows * dim, .row = dim, .col = 1};
}

static bool in_fours(const struct source *s, int64_t dim) {
    return !((dim | s->offset | s->batch | s->head | s->row) & 3);
}

/* Operand NAME with parameters NAME_at: offset, batch, head, row. */
static void add_source(struct builder *b, struct esk_kernel *k, const char *name,
                       const char *at, const struct source *s, bool vec4) {
    int unit = vec4 ? 4 : 1;
    if (s->is_scratch)
        esk_kernel_ref(k, name, b->r, s->ref, ESK_READ, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    else
        esk_kernel_var(k, name, b->c->graph, s->var, s->layout, ESK_READ,
                       vec4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_ints(
        k, at, 4,
        (int64_t[]){s->offset / unit, s->batch / unit, s->head / unit, s->row / unit});
}

static void loops(struct builder *b, struct esk_kernel *k, int64_t n) {
    uint32_t most = b->c->limits->max_iterations;
    if (k)
        k->loop_iterations = (uint64_t)n;
    b->too_long |= most && n > (int64_t)most;
}

/* Output Y as float32 scratch of `count` elements, one an invocation. */
static struct esk_ref_to map_scratch(struct builder *b, struct esk_kernel *k,
                                     int64_t count) {
    struct esk_ref_to y =
        esk_recipe_scratch(b->r, ((size_t)count * 4 + 15) & ~(size_t)15, ESK_STORAGE_F32);
    esk_kernel_ref(k, "Y", b->r, y, ESK_WRITE, ESK_ELEMENT);
    esk_kernel_int(k, "count", count);
    esk_kernel_flat(k, b->c->limits, (uint64_t)count);
    return y;
}

/* What lib/lengths.glsl reads. */
static void lengths_at(struct builder *b, struct esk_kernel *k, uint32_t input,
                       bool late) {
    const struct esk_var *var = esk_in(b->c, input);
    esk_kernel_define(k, "LENGTHS", late ? 2 : 1);
    if (late && var->data) {
        struct esk_tensor tensor = esk_var_tensor(var);
        int64_t values[ESK_LATE_LENGTHS];
        for (int64_t i = 0; i < b->a->batch; i++)
            values[i] = esk_tensor_int(&tensor, i);
        esk_kernel_ints(k, "lengths", (uint32_t)b->a->batch, values);
    } else if (late) {
        esk_kernel_host_ints(k, "lengths", (uint32_t)b->a->batch, esk_in_id(b->c, input));
    } else {
        esk_kernel_in(b->c, b->r, k, "L", input, ESK_ELEMENT);
        if (var->dtype == ESK_INT64)
            esk_kernel_define(k, "LENGTHS_64", 1);
    }
}

static void add_lengths(struct builder *b, struct esk_kernel *k, uint32_t input,
                        int64_t plus) {
    lengths_at(b, k, input, b->a->lengths_late);
    esk_kernel_int(k, "plus", plus);
}

/* (cos, sin) of each token and pair of elements: [batch, length, half, 2]. */
static void make_table(struct builder *b) {
    const struct esk_attention *a = b->a;
    const struct esk_rotary *t = &a->rotary;
    int64_t count = a->batch * a->length * t->half * 2;
    struct esk_kernel *k = esk_recipe_kernel(b->r, "attention_table");
    if (t->split) {
        esk_kernel_define(k, "SPLIT", 1);
        esk_kernel_int(k, "split", t->split);
    }
    esk_kernel_in(b->c, b->r, k, "C", t->cos, ESK_ELEMENT);
    esk_kernel_in(b->c, b->r, k, "S", t->sin, ESK_ELEMENT);
    esk_kernel_define(k, "POSITIONS", (int64_t)t->positions);
    if (t->positions != ESK_POSITIONS_CACHE && t->positions != ESK_POSITIONS_PLUS)
        lengths_at(b, k, t->ids,
                   t->positions == ESK_POSITIONS_LENGTHS && a->lengths_late);
    if (t->positions == ESK_POSITIONS_STREAMS) {
        esk_kernel_define(k, "WOVEN", t->woven);
        esk_kernel_ints(k, "section", 3, t->section);
        esk_kernel_int(k, "tokens", a->batch * a->length);
    }
    esk_kernel_int(k, "half", t->half);
    esk_kernel_int(k, "length", a->length);
    esk_kernel_int(k, "rows", t->rows);
    esk_kernel_int(k, "first",
                   t->positions == ESK_POSITIONS_LENGTHS ? t->plus - a->length
                                                         : t->first);
    b->table = map_scratch(b, k, count);
}

static void pack_kernel(struct builder *b, struct esk_kernel *k,
                        const struct esk_heads *x, bool rotate, int64_t heads,
                        int64_t dim, bool y_major) {
    const struct esk_attention *a = b->a;
    struct source s = source_in(b, x);
    add_source(b, k, "X", "x", &s, false);
    if (x->bias != ESK_NONE) {
        esk_kernel_in(b->c, b->r, k, "B", x->bias, ESK_ELEMENT);
        esk_kernel_define(k, "BIAS", 1);
        esk_kernel_int(k, "bias", x->bias_offset);
    }
    if (rotate) {
        esk_kernel_ref(k, "T", b->r, b->table, ESK_READ, ESK_ELEMENT);
        esk_kernel_define(k, "ROTATE", a->rotary.interleaved ? 2 : 1);
        esk_kernel_int(k, "half", a->rotary.half);
    }
    if (y_major)
        esk_kernel_define(k, "Y_MAJOR", 1);
    esk_kernel_int(k, "heads", heads);
    esk_kernel_int(k, "length", a->length);
    esk_kernel_int(k, "dim", dim);
    esk_kernel_float(k, "scale", a->rotary.scale);
}

/* The rows, with bias and rotation applied; where they are if there are none. `length` of
 * packed rows is that of new tokens. */
static struct source packed(struct builder *b, const struct esk_heads *x, bool rotate,
                            int64_t heads, int64_t length, int64_t dim) {
    rotate &= b->table.id != ESK_NONE;
    if (!rotate && x->bias == ESK_NONE)
        return source_in(b, x);
    struct esk_attention turned = *b->a;
    const struct esk_attention *a = b->a;
    turned.length = length;
    turned.rotary.scale = 1;
    b->a = &turned;
    struct esk_kernel *k = esk_recipe_kernel(b->r, "attention_pack");
    pack_kernel(b, k, x, rotate, heads, dim, true);
    struct source y = source_major(heads, length, dim);
    y.is_scratch = true;
    y.ref = map_scratch(b, k, a->batch * heads * length * dim);
    b->a = a;
    return y;
}

/* The last operand's bits as words, whatever its type. */
static void as_words(struct esk_kernel *k) {
    struct esk_operand *o = &k->operands[k->n_operands - 1];
    o->storage = ESK_STORAGE_U32;
    o->dtype = ESK_UINT32;
}

static void fresh_rows(struct builder *b, struct esk_kernel *k) {
    const struct esk_attention *a = b->a;
    if (a->lengths != ESK_NONE && a->late)
        add_lengths(b, k, a->lengths, a->plus);
    esk_kernel_int(k, "heads", a->kv_heads);
    esk_kernel_int(k, "past", a->past);
    esk_kernel_int(k, "start", a->past);
    esk_kernel_int(k, "fresh", a->fresh);
    esk_kernel_int(k, "present", a->present);
}

static void flat_count(struct builder *b, struct esk_kernel *k, int64_t count) {
    esk_kernel_int(k, "count", count);
    esk_kernel_flat(k, b->c->limits, (uint64_t)count);
}

/* `append` of caches that are kept quantised: words, in the output that shows them or in
 * scratch. */
static struct source keep(struct builder *b, bool keys, const struct source *fresh) {
    const struct esk_attention *a = b->a;
    const struct esk_heads *past = keys ? &a->past_k : &a->past_v;
    uint32_t present = keys ? a->present_k : a->present_v;
    int64_t dim = keys ? a->dim : a->v_dim, words = esk_kv_words(a->kv_bits, dim);
    int64_t count = a->batch * a->kv_heads * a->present * words;
    struct esk_kernel *k = esk_recipe_kernel(b->r, "kv_keep");
    esk_kernel_define(k, "BITS", a->kv_bits);
    add_source(b, k, "X", "x", fresh, true);
    if (past->input != ESK_NONE && a->past > 0) {
        esk_kernel_in(b->c, b->r, k, "P", past->input, ESK_ELEMENT);
        as_words(k);
        esk_kernel_define(k, "PAST", 1);
    }
    fresh_rows(b, k);
    esk_kernel_int(k, "many", dim / 4);
    esk_kernel_int(k, "words", words);
    struct source y = source_major(a->kv_heads, a->present, words);
    if (present != ESK_NONE && esk_out_id(b->c, present) != ESK_NONE) {
        esk_kernel_out(b->c, b->r, k, "Y", present, ESK_ELEMENT);
        as_words(k);
        y.var = esk_out_id(b->c, present);
    } else {
        y.is_scratch = true;
        y.ref = esk_recipe_scratch(b->r, ((size_t)count * 4 + 15) & ~(size_t)15,
                                   ESK_STORAGE_U32);
        esk_kernel_ref(k, "Y", b->r, y.ref, ESK_WRITE, ESK_ELEMENT);
    }
    flat_count(b, k, count);
    loops(b, k, dim / 4);
    return y;
}

/* float32 scratch of `count` elements, a vec4 an invocation. */
static struct esk_ref_to fours_scratch(struct builder *b, struct esk_kernel *k,
                                       int64_t count) {
    struct esk_ref_to y = esk_recipe_scratch(b->r, (size_t)count * 4, ESK_STORAGE_F32);
    esk_kernel_ref(k, "Y", b->r, y, ESK_WRITE, ESK_VEC4);
    flat_count(b, k, count / 4);
    return y;
}

/* Rows that were kept, as numbers; 4 bits: as keep turned them. */
static struct source opened(struct builder *b, const struct source *kept, int64_t dim) {
    const struct esk_attention *a = b->a;
    struct esk_kernel *k = esk_recipe_kernel(b->r, "kv_open");
    esk_kernel_define(k, "BITS", a->kv_bits);
    if (kept->is_scratch)
        esk_kernel_ref(k, "X", b->r, kept->ref, ESK_READ, ESK_ELEMENT);
    else
        esk_kernel_var(k, "X", b->c->graph, kept->var, ESK_LAYOUT_DENSE, ESK_READ,
                       ESK_ELEMENT);
    as_words(k);
    esk_kernel_int(k, "many", dim / 4);
    esk_kernel_int(k, "words", esk_kv_words(a->kv_bits, dim));
    esk_kernel_int(k, "present", a->present);
    esk_kernel_int(k, "total", a->total);
    struct source y = source_major(a->kv_heads, a->total, dim);
    y.is_scratch = true;
    y.ref = fours_scratch(b, k, a->batch * a->kv_heads * a->total * dim);
    return y;
}

static struct esk_kernel *hadamard(struct builder *b, const struct source *x,
                                   int64_t heads, int64_t length, int64_t dim) {
    struct esk_kernel *k = esk_recipe_kernel(b->r, "hadamard");
    add_source(b, k, "X", "x", x, true);
    esk_kernel_int(k, "heads", heads);
    esk_kernel_int(k, "length", length);
    esk_kernel_int(k, "many", dim / 4);
    loops(b, k, dim / 4);
    return k;
}

/* Queries turned as the keys are. */
static struct source turned(struct builder *b, const struct source *q) {
    const struct esk_attention *a = b->a;
    struct esk_kernel *k = hadamard(b, q, a->heads, a->length, a->dim);
    struct source y = source_major(a->heads, a->length, a->dim);
    y.is_scratch = true;
    y.ref = fours_scratch(b, k, a->batch * a->heads * a->length * a->dim);
    return y;
}

/* Rows of output 0 turned back. */
static void turn_back(struct builder *b, struct esk_ref_to sums) {
    const struct esk_attention *a = b->a;
    int64_t rows = a->batch * a->heads * a->length;
    struct source x = source_major(1, rows, a->v_dim);
    x.is_scratch = true, x.ref = sums;
    struct esk_kernel *k = hadamard(b, &x, 1, rows, a->v_dim);
    esk_kernel_out(b->c, b->r, k, "Y", 0, ESK_VEC4);
    flat_count(b, k, rows * a->v_dim / 4);
}

/* Whether keys and values are kept quantised: there are caches, and they are. */
static bool is_kept(struct builder *b) {
    const struct esk_attention *a = b->a;
    return a->kv_bits && ((a->past_k.input != ESK_NONE && a->past > 0) ||
                          esk_out_id(b->c, a->present_k) != ESK_NONE ||
                          esk_out_id(b->c, a->present_v) != ESK_NONE);
}

/* Old and new keys (or values) one behind the other, in the output that shows them or in
 * scratch. */
static struct source append(struct builder *b, bool keys, struct source fresh) {
    const struct esk_attention *a = b->a;
    const struct esk_heads *past = keys ? &a->past_k : &a->past_v;
    uint32_t present = keys ? a->present_k : a->present_v;
    int64_t dim = keys ? a->dim : a->v_dim;
    bool shown = present != ESK_NONE && esk_out_id(b->c, present) != ESK_NONE;
    bool has_past = past->input != ESK_NONE && a->past > 0;
    if (!shown && !has_past)
        return fresh;
    struct esk_kernel *k = esk_recipe_kernel(b->r, "attention_append");
    add_source(b, k, "X", "x", &fresh, false);
    if (has_past) {
        struct source old = source_in(b, past);
        add_source(b, k, "P", "old", &old, false);
        esk_kernel_define(k, "PAST", 1);
    }
    fresh_rows(b, k);
    esk_kernel_int(k, "dim", dim);
    struct source y = source_major(a->kv_heads, a->present, dim);
    if (shown) {
        esk_kernel_map(b->c, b->r, k, present, false);
        y.var = esk_out_id(b->c, present);
    } else {
        y.is_scratch = true;
        y.ref = map_scratch(b, k, a->batch * a->kv_heads * a->present * dim);
    }
    return y;
}

/* What lib/attention.glsl needs, from input scores S on. */
static void add_masks(struct builder *b, struct esk_kernel *k, struct esk_ref_to scores,
                      enum esk_view view, int stage) {
    const struct esk_attention *a = b->a;
    esk_kernel_ref(k, "S", b->r, scores, ESK_READ, view);
    esk_kernel_define(k, "STAGE", stage);
    esk_kernel_int(k, "pitch", b->pitch);
    esk_kernel_int(k, "heads", a->heads);
    esk_kernel_int(k, "length", a->length);
    esk_kernel_int(k, "total", a->total);
    esk_kernel_int(k, "offset", a->offset);
    if (stage > 0 && stage < 3 && a->softcap != 0) {
        esk_kernel_define(k, "SOFTCAP", 1);
        esk_kernel_float(k, "softcap", a->softcap);
    }
    if (stage != 2)
        return;
    if (a->causal)
        esk_kernel_define(k, "CAUSAL", 1);
    if (a->window > 0) {
        esk_kernel_define(k, "WINDOW", 1);
        esk_kernel_int(k, "window", a->window);
    }
    if (a->lengths != ESK_NONE) {
        add_lengths(b, k, a->lengths, a->plus);
        esk_kernel_define(k, "LATE", a->late);
        if (a->starts) {
            esk_kernel_define(k, "STARTS", 1);
            esk_kernel_int(k, "starts", a->batch);
        }
    }
    if (a->mask != ESK_NONE) {
        esk_kernel_in(b->c, b->r, k, "M", a->mask, ESK_ELEMENT);
        esk_kernel_define(k, "MASK", a->fill_sets ? 3 : isinf(a->fill) ? 1 : 2);
        if (a->mask_turned)
            esk_kernel_define(k, "MASK_TURNED", 1);
        esk_kernel_ints(k, "mask", 4, a->mask_stride);
        esk_kernel_int(k, "mask_width", a->mask_width);
        esk_kernel_float(k, "fill", isinf(a->fill) && !a->fill_sets ? 0 : a->fill);
    }
    if (a->bias != ESK_NONE) {
        esk_kernel_in(b->c, b->r, k, "A", a->bias, ESK_ELEMENT);
        esk_kernel_define(k, "ADD", 1);
        esk_kernel_ints(k, "add", 4, a->bias_stride);
        esk_kernel_int(k, "add_width", a->bias_width);
    }
}

static struct esk_ref_to scratch_rows(struct builder *b) {
    const struct esk_attention *a = b->a;
    size_t count = (size_t)(a->batch * a->heads * a->length * b->pitch);
    return esk_recipe_scratch(b->r, (count * 4 + 15) & ~(size_t)15, ESK_STORAGE_F32);
}

static struct esk_gemm_at place_of(const struct source *s) {
    struct esk_ref_to var = {ESK_REF_VAR, s->var};
    return (struct esk_gemm_at){.given = true,
                                .ref = s->is_scratch ? s->ref : var,
                                .layout = s->layout,
                                .offset = s->offset};
}

/* Scores as a product by tiles: heads that share keys are batches that repeat them. */
static struct esk_ref_to scores_tiled(struct builder *b, const struct source *q,
                                      const struct source *key) {
    const struct esk_attention *a = b->a;
    struct esk_ref_to y = scratch_rows(b);
    int64_t per = a->heads / a->kv_heads, rows = a->length * b->pitch;
    struct esk_gemm g = {
        .c = ESK_NONE,
        .m = a->length,
        .n = a->total,
        .k = a->dim,
        .a_row = q->row,
        .a_col = q->col,
        .b_row = key->col,
        .b_col = key->row,
        .alpha = a->scale != 0 ? a->scale : 1 / sqrtf((float)a->dim),
        .beta = 1,
        .a_at = place_of(q),
        .b_at = place_of(key),
        .y_at = {.given = true, .ref = y},
        .y_row = b->pitch,
    };
    esk_gemm_push_batch(&g, a->batch, q->batch, key->batch, a->heads * rows);
    esk_gemm_push_batch(&g, a->kv_heads, per * q->head, key->head, per * rows);
    esk_gemm_push_batch(&g, per, q->head, 0, rows);
    loops(b, NULL, a->dim / 4 + 8);
    esk_gemm_kernels(b->c, b->r, &g);
    return y;
}

static void values_tiled(struct builder *b, struct esk_ref_to weights,
                         const struct source *value, struct esk_ref_to y) {
    const struct esk_attention *a = b->a;
    int64_t per = a->heads / a->kv_heads, rows = a->length * b->pitch;
    int64_t head = a->y_major ? a->length * a->v_dim : a->v_dim;
    struct esk_gemm g = {
        .c = ESK_NONE,
        .m = a->length,
        .n = a->v_dim,
        .k = a->total,
        .a_row = b->pitch,
        .a_col = 1,
        .b_row = value->row,
        .b_col = value->col,
        .alpha = 1,
        .beta = 1,
        .a_at = {.given = true, .ref = weights},
        .b_at = place_of(value),
        .y_at = {.given = true, .ref = y},
        .a_whole = true,
        .y_row = a->y_major ? a->v_dim : a->heads * a->v_dim,
    };
    esk_gemm_push_batch(&g, a->batch, a->heads * rows, value->batch,
                        a->heads * a->length * a->v_dim);
    esk_gemm_push_batch(&g, a->kv_heads, per * rows, value->head, per * head);
    esk_gemm_push_batch(&g, per, rows, 0, head);
    loops(b, NULL, a->total / 4 + 8);
    esk_gemm_kernels(b->c, b->r, &g);
}

static struct esk_ref_to scores_of(struct builder *b, const struct source *q,
                                   const struct source *key) {
    const struct esk_attention *a = b->a;
    if (b->tiled)
        return scores_tiled(b, q, key);
    bool vec4 = in_fours(q, a->dim) && in_fours(key, a->dim);
    struct esk_kernel *k = esk_recipe_kernel(b->r, "attention_scores");
    add_source(b, k, "Q", "q", q, vec4);
    add_source(b, k, "K", "k", key, vec4);
    esk_kernel_int(k, "heads", a->heads);
    esk_kernel_int(k, "per", a->heads / a->kv_heads);
    esk_kernel_int(k, "length", a->length);
    esk_kernel_int(k, "total", a->total);
    esk_kernel_int(k, "dim", a->dim / (vec4 ? 4 : 1));
    esk_kernel_float(k, "scale", a->scale != 0 ? a->scale : 1 / sqrtf((float)a->dim));
    loops(b, k, a->dim / (vec4 ? 4 : 1));
    int64_t count = a->batch * a->heads * a->length * a->total;
    k->flops = 2.0 * (double)count * (double)a->dim;
    return map_scratch(b, k, count);
}

static struct esk_ref_to soften(struct builder *b, struct esk_ref_to scores) {
    const struct esk_attention *a = b->a;
    int64_t rows = a->batch * a->heads * a->length;
    enum esk_view view = b->tiled ? ESK_VEC4 : ESK_ELEMENT;
    struct esk_kernel *k =
        esk_recipe_kernel(b->r, b->tiled ? "attention_rows" : "attention_softmax");
    add_masks(b, k, scores, view, 2);
    if (b->tiled)
        esk_kernel_define(k, "EMPTY", a->nan_zero ? 2 : a->empty_nan);
    if (a->sink != ESK_NONE)
        esk_kernel_in(b->c, b->r, k, "H", a->sink, ESK_ELEMENT);
    if (a->sink != ESK_NONE || a->smooth)
        esk_kernel_define(k, "SINK", a->sink != ESK_NONE ? 1 : 2);
    struct esk_ref_to y = scratch_rows(b);
    esk_kernel_ref(k, "Y", b->r, y, ESK_WRITE, view);
    esk_kernel_int(k, "rows", rows);
    esk_kernel_flat(k, b->c->limits, (uint64_t)rows);
    if (b->c->limits->software) { /* groups for all threads */
        uint32_t local = esk_lanes(b->c->limits);
        esk_kernel_local(k, local, 1, 1);
        esk_kernel_groups(k, ((uint64_t)rows + local - 1) / local, 1, 1);
    }
    k->bytes = 16.0 * (double)rows * (double)b->pitch;
    loops(b, k, b->tiled ? 3 * b->pitch / 4 : 3 * a->total);
    return y;
}

/* Into output 0, or `to`. */
static void values_of(struct builder *b, struct esk_ref_to weights,
                      const struct source *value, const struct esk_ref_to *to) {
    const struct esk_attention *a = b->a;
    if (b->tiled) {
        values_tiled(b, weights, value,
                     to ? *to : (struct esk_ref_to){ESK_REF_VAR, esk_out_id(b->c, 0)});
        return;
    }
    bool vec4 = in_fours(value, a->v_dim);
    struct esk_kernel *k = esk_recipe_kernel(b->r, "attention_values");
    esk_kernel_ref(k, "W", b->r, weights, ESK_READ, ESK_ELEMENT);
    add_source(b, k, "V", "v", value, vec4);
    if (a->y_major)
        esk_kernel_define(k, "Y_MAJOR", 1);
    esk_kernel_int(k, "heads", a->heads);
    esk_kernel_int(k, "per", a->heads / a->kv_heads);
    esk_kernel_int(k, "length", a->length);
    esk_kernel_int(k, "total", a->total);
    esk_kernel_int(k, "dim", a->v_dim / (vec4 ? 4 : 1));
    int64_t count = a->batch * a->heads * a->length * a->v_dim;
    if (vec4) {
        esk_kernel_define(k, "VECTOR", 1);
        if (to)
            esk_kernel_ref(k, "Y", b->r, *to, ESK_WRITE, ESK_VEC4);
        else
            esk_kernel_out(b->c, b->r, k, "Y", 0, ESK_VEC4);
        esk_kernel_int(k, "count", count / 4);
        esk_kernel_flat(k, b->c->limits, (uint64_t)count / 4);
    } else {
        esk_kernel_map(b->c, b->r, k, 0, false);
    }
    k->flops = 2.0 * (double)count * (double)a->total;
    loops(b, k, a->total * (vec4 ? 1 : 2));
}

static bool fits(const struct esk_attention *a) {
    int64_t count;
    return esk_shape_count(4, (int64_t[]){a->batch, a->heads, a->length, a->total},
                           &count) &&
           count < INT32_MAX / 4 &&
           esk_shape_count(4,
                           (int64_t[]){a->batch, a->heads, a->present, a->dim + a->v_dim},
                           &count) &&
           count < INT32_MAX / 4 &&
           esk_shape_count(4,
                           (int64_t[]){a->batch, a->heads, a->length, a->dim + a->v_dim},
                           &count) &&
           count < INT32_MAX / 4;
}

esk_status esk_attention_gpu(struct esk_ctx *c, const struct esk_attention *a) {
    const struct esk_var *who;
    int extra = (a->lengths != ESK_NONE && !a->lengths_late) + (a->mask != ESK_NONE) +
                (a->bias != ESK_NONE) + (a->sink != ESK_NONE);
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (!fits(a))
        return esk_unsupported(c, "more scores than an int counts");
    if (a->bias != ESK_NONE && esk_class_of(esk_in(c, a->bias)->dtype) != ESK_CLASS_F)
        return esk_unsupported(c, "a mask of type %s",
                               esk_dtype_name(esk_in(c, a->bias)->dtype));
    if (extra > 2)
        return esk_unsupported(c, "%d of lengths, mask, bias and sink, the limit is 2",
                               extra);
    if (!a->total || !a->dim)
        return esk_unsupported(c, "no keys");
    struct builder b = {.c = c,
                        .a = a,
                        .r = esk_add_recipe(c, "attention, scores kept"),
                        .table = {.id = ESK_NONE}};
    /* zeros times NaN would show what lies behind the keys that `lengths` says are there;
     * odd rows of packed halves are stored two by two */
    bool half = esk_out(c, 0)->dtype == ESK_FLOAT16;
    b.tiled = (a->lengths == ESK_NONE || a->zeros_behind) &&
              (c->limits->software || a->length >= 4) && (!half || a->v_dim % 4 == 0);
    b.pitch = b.tiled ? (a->total + 3) / 4 * 4 : a->total;
    if (4 * a->batch * a->heads * a->length * b.pitch > (int64_t)c->limits->max_slab) {
        c->recipes->count--;
        return esk_unsupported(
            c, "%lld bytes of scores, one binding of the device holds %llu",
            (long long)(4 * a->batch * a->heads * a->length * b.pitch),
            (unsigned long long)c->limits->max_slab);
    }
    if (a->rotary.cos != ESK_NONE)
        make_table(&b);
    struct source q = packed(&b, &a->q, true, a->heads, a->length, a->dim);
    struct source k = packed(&b, &a->k, true, a->kv_heads, a->fresh, a->dim);
    struct source v = packed(&b, &a->v, false, a->kv_heads, a->fresh, a->v_dim);
    bool kept = is_kept(&b), turns = kept && a->kv_bits == 4;
    k = kept ? keep(&b, true, &k) : append(&b, true, k);
    v = kept ? keep(&b, false, &v) : append(&b, false, v);
    if (turns)
        q = turned(&b, &q);
    if (kept)
        k = opened(&b, &k, a->dim);
    struct esk_ref_to scores = scores_of(&b, &q, &k);
    struct esk_ref_to weights = soften(&b, scores);
    if (a->scores != ESK_NONE && esk_out_id(c, a->scores) != ESK_NONE) {
        struct esk_kernel *stage = esk_recipe_kernel(b.r, "attention_stage");
        add_masks(&b, stage, a->stage == 3 ? weights : scores, ESK_ELEMENT, a->stage);
        if (a->unseen_zero)
            esk_kernel_define(stage, "UNSEEN_ZERO", 1);
        esk_kernel_map(c, b.r, stage, a->scores, false);
    }
    if (kept)
        v = opened(&b, &v, a->v_dim);
    struct esk_ref_to sums;
    if (turns)
        sums = esk_recipe_scratch(
            b.r, (size_t)(4 * a->batch * a->heads * a->length * a->v_dim),
            ESK_STORAGE_F32);
    values_of(&b, weights, &v, turns ? &sums : NULL);
    if (turns)
        turn_back(&b, sums);
    if (b.too_long) {
        c->recipes->count--;
        return esk_unsupported(c, "%lld keys of %lld: loops too long for the device",
                               (long long)a->total, (long long)a->dim);
    }
    return ESK_OK;
}

esk_status esk_rotary_gpu(struct esk_ctx *c, const struct esk_attention *a) {
    const struct esk_var *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (!fits(a))
        return esk_unsupported(c, "more elements than an int counts");
    struct builder b = {
        .c = c, .a = a, .r = esk_add_recipe(c, "rotate"), .table = {.id = ESK_NONE}};
    make_table(&b);
    struct esk_kernel *k = esk_recipe_kernel(b.r, "attention_pack");
    pack_kernel(&b, k, &a->q, true, a->heads, a->dim, a->y_major);
    esk_kernel_map(c, b.r, k, 0, false);
    return ESK_OK;
}
