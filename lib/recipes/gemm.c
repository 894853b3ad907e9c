/* The matrix product as kernels. In: a node and a struct esk_gemm; out: recipes of
 * gemm.glsl (register tiles, after gemm_pack.glsl), gemm_shared.glsl (tiles in shared
 * memory), gemv.glsl (few rows) and gemm_naive.glsl (anything). A known B becomes a form:
 * panels of 8 vec4s of columns, so that the rows a group reads lie together. */
#include "recipes/gemm.h"

#include "base/half.h"
#include "recipes/elementwise.h"
#include "recipes/lanes.h"
#include "recipes/map.h"
#include "recipes/move.h"

#include <string.h>

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static bool is_half(const struct esk_var *v) {
    return v->dtype == ESK_FLOAT16;
}

/* ---- the form of B */

enum {
    PACK_K,
    PACK_N,
    PACK_ROW,
    PACK_COL,
    PACK_WIDTH,    /* vec4s of a panel */
    PACK_MATRICES, /* of B, one behind the other */
    PACK_ALPHA,    /* bits of a float */
    PACK_BETA,
    PACK_C_COL,
    PACK_HALF,
    PACK_PARAMS
};

static float float_of(int64_t bits) {
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, 4);
    return value;
}

static int64_t bits_of(float value) {
    uint32_t word;
    memcpy(&word, &value, 4);
    return word;
}

static float value_at(const struct esk_tensor *t, int64_t i) {
    return t->dtype == ESK_FLOAT16 ? esk_half_to_float(((const uint16_t *)t->data)[i])
                                   : ((const float *)t->data)[i];
}

static void put(void *dst, int64_t at, bool half, float value) {
    if (half)
        ((uint16_t *)dst)[at] = esk_float_to_half(value);
    else
        ((float *)dst)[at] = value;
}

/* Row k of a panel: `many` columns of B from `from` on go to at. */
static void pack_row(void *dst, int64_t at, const struct esk_tensor *b, int64_t from,
                     int64_t many, const int64_t *p) {
    float alpha = float_of(p[PACK_ALPHA]);
    int64_t col = p[PACK_COL];
    if (p[PACK_HALF] || b->dtype != ESK_FLOAT) {
        for (int64_t i = 0; i < many; i++)
            put(dst, at + i, p[PACK_HALF], alpha * value_at(b, from + i * col));
        return;
    }
    const float *row = (const float *)b->data + from;
    float *to = (float *)dst + at;
    if (col == 1)
        for (int64_t i = 0; i < many; i++)
            to[i] = alpha * row[i];
    else
        for (int64_t i = 0; i < many; i++)
            to[i] = alpha * row[i * col];
}

/* Panels of B, [matrices][panels][k][width vec4s], then beta * C as a row of vec4s. Where
 * columns are side by side, a few rows of all panels at a time: memory is read in order.
 */
static void pack(void *dst, size_t bytes, const struct esk_tensor *const *src,
                 const int64_t *p) {
    enum { ROWS = 16 };
    const struct esk_tensor *c = src[1];
    int64_t each = p[PACK_COL] == 1 ? ROWS : p[PACK_K];
    int64_t columns = p[PACK_WIDTH] * 4, panels = ceil_div(p[PACK_N], columns);
    int64_t rows = p[PACK_K];
    float beta = float_of(p[PACK_BETA]);
    (void)bytes;
    for (int64_t z = 0; z < p[PACK_MATRICES]; z++)
        for (int64_t first = 0; first < rows; first += each)
            for (int64_t panel = 0; panel < panels; panel++) {
                int64_t n = panel * columns, end = first + each;
                int64_t many = p[PACK_N] - n < columns ? p[PACK_N] - n : columns;
                for (int64_t k = first; k < end && k < rows; k++)
                    pack_row(dst, ((z * panels + panel) * rows + k) * columns, src[0],
                             z * rows * p[PACK_N] + k * p[PACK_ROW] + n * p[PACK_COL],
                             many, p);
            }
    int64_t at = p[PACK_MATRICES] * panels * rows * columns;
    for (int64_t n = 0; c && n < p[PACK_N]; n++)
        put(dst, at + n, p[PACK_HALF], beta * value_at(c, n * p[PACK_C_COL]));
}

/* ---- the tiled kernels */

/* What the tiled kernels read, and how. */
struct plan {
    bool a_element, b_element, y_element, form, packed, bias, scaled;
    bool along_k; /* B's vec4s: columns lie apart, rows side by side */
    int width;    /* vec4s of a panel of the form */
    int64_t n4, batches;
    int64_t a_row, a_col, b_row, b_col, panel, bias_at; /* in units of the views */
    int64_t a_batch[ESK_GEMM_BATCH], b_batch[ESK_GEMM_BATCH];
    struct esk_ref_to to; /* the form, or B in panels (packed) */
};

/* All strides of batches are whole vec4s. */
static bool aligned(int n, const int64_t *strides) {
    for (int i = 0; i < n; i++)
        if (strides[i] % 4)
            return false;
    return true;
}

static struct plan plan_of(const struct esk_ctx *c, const struct esk_gemm *g) {
    struct plan p = {.n4 = ceil_div(g->n, 4),
                     .batches = esk_shape_product(g->batch, 0, g->n_batch)};
    p.width = p.n4 > 4 ? 8 : p.n4 > 2 ? 4 : (int)p.n4;
    p.a_element = g->a_col != 1 || g->a_row % 4 || (g->k % 4 && !g->a_whole) ||
                  g->a_at.offset % 4 || !aligned(g->n_batch, g->a_batch);
    int64_t unit = p.a_element ? 1 : 4;
    p.a_row = g->a_row / unit;
    p.a_col = g->a_col;
    p.form = !g->b_at.given && esk_is_known(c, g->b);
    /* a piece of a B larger than a binding would not reach what lies behind all of it */
    p.bias = p.form && g->c != ESK_NONE && esk_is_known(c, g->c) && g->c_row == 0 &&
             p.batches == 1 &&
             (double)g->k * (double)p.n4 * 16 <= (double)c->limits->max_binding / 2;
    bool fours = g->b_at.offset % 4 == 0 && aligned(g->n_batch, g->b_batch);
    p.along_k = !p.form && fours && g->b_row == 1 && g->b_col % 4 == 0 && g->k % 4 == 0 &&
                g->n > 1;
    p.b_element = !p.form && !p.along_k && (g->b_col != 1 || g->b_row % 4 || !fours);
    int64_t unit_b = p.b_element ? 1 : 4;
    p.b_row = p.form ? p.width : g->b_row / unit_b;
    p.b_col = p.along_k ? g->b_col / 4 : g->b_col;
    p.panel = p.form ? g->k * p.width : 8;
    int64_t matrix = ceil_div(p.n4, p.width) * p.panel; /* vec4s of a form's matrix */
    for (int i = 0; i < g->n_batch; i++) {
        p.a_batch[i] = g->a_batch[i] / unit;
        p.b_batch[i] =
            p.form ? g->b_batch[i] / (g->k * g->n) * matrix : g->b_batch[i] / unit_b;
    }
    p.bias_at = matrix;
    p.y_element = g->n % 4 != 0;
    if (g->y_at.given) /* scratch has room for whole vec4s behind a row */
        p.y_element = g->y_row % 4 || !aligned(g->n_batch, g->y_batch) ||
                      (p.y_element && g->y_at.ref.ref == ESK_REF_VAR);
    p.scaled = !p.form && g->alpha != 1;
    return p;
}

static void add_form(struct esk_ctx *c, struct esk_recipe *r, const struct esk_gemm *g,
                     struct plan *p) {
    const struct esk_var *b = esk_in(c, g->b);
    bool plain = g->alpha == 1 && (!p->bias || g->beta == 1), half = is_half(b) && plain;
    int64_t matrices = esk_var_count(b) / (g->k * g->n);
    int64_t vec4s = matrices * p->bias_at + (p->bias ? p->n4 : 0);
    const int64_t params[PACK_PARAMS] = {
        [PACK_K] = g->k,
        [PACK_N] = g->n,
        [PACK_ROW] = g->b_row,
        [PACK_COL] = g->b_col,
        [PACK_WIDTH] = p->width,
        [PACK_MATRICES] = matrices,
        [PACK_ALPHA] = bits_of(g->alpha),
        [PACK_BETA] = bits_of(g->beta),
        [PACK_C_COL] = g->c_col,
        [PACK_HALF] = half,
    };
    const esk_id src[2] = {esk_in_id(c, g->b), p->bias ? esk_in_id(c, g->c) : ESK_NONE};
    p->to = esk_recipe_form(r, "gemm_panels", pack, 2, src, PACK_PARAMS, params,
                            (size_t)vec4s * (half ? 8 : 16),
                            half ? ESK_STORAGE_F16X2 : ESK_STORAGE_F32,
                            half ? ESK_FLOAT16 : ESK_FLOAT);
}

/* Does it pay to bring a B that is no constant into panels first? Its rows are far apart,
 * or no vec4s; each panel is read once for every 16 rows of A. */
static bool worth_packing(const struct esk_ctx *c, const struct esk_gemm *g,
                          const struct plan *p) {
    double bytes = (double)p->batches * (double)g->k * (double)(p->n4 + 7) * 16;
    return c->limits->software && !p->form && !p->along_k && g->m >= 64 && p->n4 > 16 &&
           g->k >= 16 && (p->b_element || g->k * g->n >= 1 << 17) &&
           bytes <= (double)c->limits->max_slab;
}

static void add_operand(const struct esk_ctx *c, struct esk_recipe *r,
                        struct esk_kernel *k, const char *name, uint32_t input,
                        const struct esk_gemm_at *at, bool element) {
    enum esk_view view = element ? ESK_ELEMENT : ESK_VEC4;
    if (!at->given) {
        esk_kernel_in(c, r, k, name, input, view);
        return;
    }
    if (at->ref.ref == ESK_REF_VAR)
        esk_kernel_var(k, name, c->graph, at->ref.id, at->layout, ESK_READ, view);
    else
        esk_kernel_ref(k, name, r, at->ref, ESK_READ, view);
    if (at->offset)
        esk_kernel_offset(
            k, (uint64_t)(at->offset *
                          esk_move_unit(k->operands[k->n_operands - 1].storage)));
}

/* A kernel that does it; the plan's B is what it makes. Matrices that are repeated are
 * made once. */
static void add_packing(struct esk_ctx *c, struct esk_recipe *r, const struct esk_gemm *g,
                        struct plan *p) {
    int64_t batch[ESK_GEMM_BATCH], from[ESK_GEMM_BATCH], matrices = 1;
    int64_t panels = ceil_div(p->n4, 8), matrix = panels * g->k * 8;
    uint32_t n = 0;
    for (int i = 0; i < g->n_batch; i++)
        if (p->b_batch[i]) {
            batch[n] = g->batch[i];
            from[n++] = p->b_batch[i];
        }
    for (int i = g->n_batch; i-- > 0;)
        if (p->b_batch[i]) {
            p->b_batch[i] = matrices * matrix;
            matrices *= g->batch[i];
        }
    p->to = esk_recipe_scratch(r, (size_t)(matrices * matrix) * 16, ESK_STORAGE_F32);
    struct esk_kernel *k = esk_recipe_kernel(r, "gemm_pack");
    add_operand(c, r, k, "B", g->b, &g->b_at, p->b_element);
    esk_kernel_ref(k, "Y", r, p->to, ESK_WRITE, ESK_VEC4);
    esk_kernel_define(k, "BATCH", n);
    if (p->b_element)
        esk_kernel_define(k, "B_ELEMENT", 1);
    esk_kernel_int(k, "n", g->n);
    esk_kernel_int(k, "n4", p->n4);
    esk_kernel_int(k, "k", g->k);
    esk_kernel_int(k, "panels", panels);
    esk_kernel_int(k, "b_row", p->b_row);
    esk_kernel_int(k, "b_col", p->b_col);
    if (n) {
        esk_kernel_ints(k, "batch", n, batch);
        esk_kernel_ints(k, "b_batch", n, from);
    }
    uint32_t local = esk_lanes(c->limits);
    esk_kernel_local(k, local, 1, 1);
    esk_kernel_groups(k, (uint64_t)ceil_div(ceil_div(g->k, 4) * 8, local),
                      (uint64_t)panels, (uint64_t)matrices);
    k->bytes = 32.0 * (double)(matrices * matrix);
    p->packed = true;
    p->b_element = false;
    p->width = 8;
    p->b_row = 8;
    p->panel = g->k * 8;
}

/* Y's batches and rows lie apart, or it is not the node's. */
static void add_rows(const struct esk_ctx *c, struct esk_recipe *r, struct esk_kernel *k,
                     const struct esk_gemm *g, enum esk_view view) {
    int64_t batch[ESK_GEMM_BATCH], unit = view == ESK_VEC4 ? 4 : 1;
    if (g->y_at.ref.ref == ESK_REF_VAR)
        esk_kernel_out(c, r, k, "Y", 0, view);
    else
        esk_kernel_ref(k, "Y", r, g->y_at.ref, ESK_WRITE, view);
    for (int i = 0; i < g->n_batch; i++)
        batch[i] = g->y_batch[i] / unit;
    esk_kernel_define(k, "Y_ROWS", 1);
    esk_kernel_int(k, "y_row", g->y_row / unit);
    if (g->n_batch)
        esk_kernel_ints(k, "y_batch", (uint32_t)g->n_batch, batch);
}

/* What a group computes: vec4s of columns, rows. `down`: the next group is that of the
 * next rows, not columns. */
struct block {
    int64_t columns, rows;
    bool down;
};

/* Operands, parameters and defines that gemm.glsl and gemv.glsl share. */
static void add_common(struct esk_ctx *c, struct esk_recipe *r, struct esk_kernel *k,
                       const struct esk_gemm *g, const struct plan *p, int lo,
                       struct block block) {
    enum esk_view view = p->y_element ? ESK_ELEMENT : ESK_VEC4;
    bool add = g->c != ESK_NONE && !p->bias;
    bool steps = g->n_batch <= 1;            /* else strides of batches are mixed */
    int across = block.down, down = !across; /* axes of groups */
    add_operand(c, r, k, "A", g->a, &g->a_at, p->a_element);
    if (steps && g->a_col == 1 && !g->a_at.given) {
        int64_t reach = (block.rows - 1) * g->a_row + g->k;
        esk_kernel_step(k, down, block.rows * g->a_row, reach);
        esk_kernel_step(k, 2, g->n_batch ? g->a_batch[0] : 0, reach);
    }
    if (p->form || p->packed) {
        esk_kernel_ref(k, "B", r, p->to, ESK_READ, ESK_VEC4);
        int64_t panels = block.columns / p->width, reach = panels * p->panel * 4;
        if (steps && !p->bias && block.columns % p->width == 0) {
            esk_kernel_step(k, across, reach, reach);
            esk_kernel_step(k, 2, g->n_batch ? p->b_batch[0] * 4 : 0, reach);
        }
    } else
        add_operand(c, r, k, "B", g->b, &g->b_at, p->b_element);
    if (add)
        esk_kernel_in(c, r, k, "C", g->c, ESK_ELEMENT);
    if (g->y_at.given)
        add_rows(c, r, k, g, view);
    else {
        esk_kernel_out(c, r, k, "Y", 0, view);
        int64_t reach = (block.rows - 1) * g->n + block.columns * 4;
        esk_kernel_step(k, across, block.columns * 4, reach);
        esk_kernel_step(k, down, block.rows * g->n, reach);
        esk_kernel_step(k, 2, g->m * g->n, reach);
    }
    esk_kernel_define(k, "LO", lo);
    esk_kernel_define(k, "BATCH", g->n_batch);
    esk_kernel_define(k, "ADD", add ? 2 : p->bias);
    if (p->a_element)
        esk_kernel_define(k, "A_ELEMENT", 1);
    if (p->b_element)
        esk_kernel_define(k, "B_ELEMENT", 1);
    if (p->y_element)
        esk_kernel_define(k, "Y_ELEMENT", 1);
    esk_kernel_int(k, "m", g->m);
    esk_kernel_int(k, "n", g->n);
    esk_kernel_int(k, "n4", p->n4);
    esk_kernel_int(k, "k4", g->k / 4);
    esk_kernel_int(k, "a_row", p->a_row);
    esk_kernel_int(k, "b_row", p->b_row);
    if (p->a_element)
        esk_kernel_int(k, "a_col", p->a_col);
    if (p->along_k)
        esk_kernel_define(k, "B_ALONG_K", 1);
    if (p->b_element || p->along_k)
        esk_kernel_int(k, "b_col", p->b_col);
    else
        esk_kernel_int(k, "panel", p->panel);
    if (g->k % 4) {
        esk_kernel_define(k, "TAIL", 1);
        esk_kernel_int(k, "tail", g->k % 4);
    }
    if (p->bias)
        esk_kernel_int(k, "bias", p->bias_at);
    if (p->scaled) {
        esk_kernel_define(k, "SCALE", 1);
        esk_kernel_float(k, "scale", g->alpha);
    }
    if (add) {
        esk_kernel_int(k, "c_row", g->c_row);
        esk_kernel_int(k, "c_col", g->c_col);
        esk_kernel_float(k, "beta", g->beta);
    }
    if (g->n_batch) {
        esk_kernel_ints(k, "batch", (uint32_t)g->n_batch, g->batch);
        esk_kernel_ints(k, "a_batch", (uint32_t)g->n_batch, p->a_batch);
        esk_kernel_ints(k, "b_batch", (uint32_t)g->n_batch, p->b_batch);
    }
    double mn = (double)p->batches * (double)g->m * (double)g->n;
    k->flops = 2 * mn * (double)g->k;
    k->bytes = 4 * (mn + (double)p->batches * (double)g->k * (double)(g->m + g->n));
    if (!g->y_at.given)
        esk_epilogue_emit(c, r, k, view);
}

struct tile {
    int tm, nv, ku, lo;
};

/* The tile of least cost on llvmpipe, in cycles as measured there with vectors of 256
 * bits: a load of a vec4 takes 11, of four elements 24, a multiply-add of vec4s 2.7, the
 * blend that carries an accumulator over the loop's end 4, a store 45. Rows and columns
 * beyond the edge cost as others; lanes lie along rows too, where that leaves fewer
 * (panels of a form want all lanes along columns). Bodies of more than some 70
 * accumulators times ku leave the caches of instructions and lose, and so do 20 rows (20
 * x 3 takes 1.15 times what this says). They compile for 0.45 s where 8 x 4 takes 0.25,
 * so only large products have more than that. */
static struct tile tile_of(const struct esk_ctx *c, const struct esk_gemm *g,
                           const struct plan *p) {
    static const int soft[][3] = {
        {1, 1, 2},  {1, 2, 2},  {2, 2, 2},  {4, 2, 2},  {4, 4, 1},  {8, 2, 1},
        {8, 3, 1},  {8, 4, 1},  {4, 6, 1},  {16, 2, 1}, {16, 3, 1}, {10, 4, 1},
        {10, 5, 1}, {14, 4, 1}, {10, 6, 1}, {16, 4, 1}, {12, 6, 1},
    };
    struct tile best = {4, 1, 1, p->width};
    double least = 0;
    if (!c->limits->software)
        return g->m < 4 ? (struct tile){1, 1, 1, p->width} : best;
    /* sizes that change from run to run count by class, so that a new one compiles
     * nothing: rows always, columns where B is no constant */
    bool open = c->graph->open_shapes;
    int64_t m = !open || g->m < 4 ? g->m : g->m < 16 ? 8 : 64;
    int64_t n4 = !open || p->form || p->n4 <= 4 ? p->n4 : 16;
    double k = !open || p->form ? (double)g->k : 64;
    double load_a = p->a_element ? 24 : 11, load_b = p->b_element ? 24 : 11;
    double size = (double)n4 * (double)m * k, cells = size < 1 << 18 ? 32 : 72;
    int narrow = p->form || p->packed || p->width < 8 ? p->width : 2;
    for (size_t i = 0; i < sizeof soft / sizeof *soft * 4; i++) {
        const int *shape = soft[i / 4];
        struct tile t = {shape[0], shape[1], shape[2], p->width >> i % 4};
        if (t.lo < narrow)
            continue;
        if (g->k % (4 * t.ku) || p->a_element || !p->form)
            t.ku = 1;
        double vec4s = t.tm * t.nv;
        if (vec4s > cells)
            continue;
        double rows = (double)ceil_div(m, t.tm * (8 / t.lo));
        double columns = (double)ceil_div(n4, t.lo * t.nv);
        double tiles = rows * columns * (open ? 1 : (double)p->batches);
        double cost =
            k / 4 * (t.tm * load_a + 4 * t.nv * load_b + vec4s * (4 * 2.7 + 4.0 / t.ku)) +
            (p->y_element ? 70.0 : 45.0) * vec4s + 100;
        if (tiles < 64) /* an odd group out is waited for */
            tiles = 2.0 * (double)ceil_div((int64_t)tiles, 2);
        cost *= tiles;
        if (i == 0 || cost < least)
            least = cost, best = t;
    }
    return best;
}

/* Groups run one after the other. What is larger than half of an L2 cache (2 MiB) comes
 * from memory again for every group of the other axis, if that is the outer one. */
static bool goes_down(const struct esk_gemm *g, const struct plan *p, int64_t across,
                      int64_t down) {
    double k = (double)g->k * 4, a = (double)g->m * k, b = (double)p->n4 * 4 * k;
    double half = 1 << 20;
    double by_rows = a + (b > half ? (double)down * b : b);
    double by_columns = b + (a > half ? (double)across * a : a);
    return by_columns < by_rows;
}

static void add_tiles(struct esk_ctx *c, struct esk_recipe *r, const struct esk_gemm *g,
                      struct plan p) {
    int ly = c->limits->software ? 1 : 8;
    if (p.form)
        add_form(c, r, g, &p);
    if (worth_packing(c, g, &p))
        add_packing(c, r, g, &p);
    struct tile t = tile_of(c, g, &p);
    struct block block = {t.lo * t.nv, t.tm * ly * (8 / t.lo), false};
    int64_t across = ceil_div(p.n4, block.columns), down = ceil_div(g->m, block.rows);
    block.down = c->limits->software && goes_down(g, &p, across, down);
    int once = t.tm < 8 ? t.tm : t.tm % 4 ? 2 : 4;
    struct esk_kernel *k = esk_recipe_kernel(r, "gemm");
    esk_kernel_define(k, "TM", t.tm);
    esk_kernel_define(k, "NV", t.nv);
    esk_kernel_define(k, "KU", t.ku);
    esk_kernel_define(k, "AT_ONCE", once);
    esk_kernel_define(k, "LY", ly);
    esk_kernel_local(k, 8, (uint32_t)ly, 1);
    esk_kernel_groups(k, (uint64_t)(block.down ? down : across),
                      (uint64_t)(block.down ? across : down), (uint64_t)p.batches);
    esk_kernel_int(k, "down", block.down);
    k->loop_iterations = (uint64_t)(g->k / 4 / t.ku + 4);
    add_common(c, r, k, g, &p, t.lo, block);
}

static void add_tiled(struct esk_ctx *c, const struct esk_gemm *g, struct plan p) {
    add_tiles(c, esk_add_recipe(c, "gemm, register tiles"), g, p);
}

void esk_gemm_kernels(struct esk_ctx *c, struct esk_recipe *r, const struct esk_gemm *g) {
    add_tiles(c, r, g, plan_of(c, g));
}

/* Tiles of 64 x 64 that a group brings to shared memory: where that is nearer than the
 * rest, and where there are enough of them. */
static bool worth_sharing(const struct esk_ctx *c, const struct esk_gemm *g,
                          const struct plan *p) {
    enum esk_when when = c->limits->shared_tiles;
    if (when != ESK_WHEN_AUTO)
        return when == ESK_WHEN_ALWAYS;
    double tiles = (double)ceil_div(g->m, 64) * (double)ceil_div(p->n4, 16);
    return !c->limits->software && !c->limits->slow_shared && g->m >= 32 && p->n4 >= 8 &&
           g->k >= 32 && tiles * (double)p->batches >= 16;
}

static void add_shared(struct esk_ctx *c, const struct esk_gemm *g, struct plan p) {
    if (p.along_k) { /* its lanes would read apart either way */
        p.along_k = false;
        p.b_element = true;
        p.b_row = g->b_row, p.b_col = g->b_col;
        for (int i = 0; i < g->n_batch; i++)
            p.b_batch[i] = g->b_batch[i];
    }
    struct esk_recipe *r = esk_add_recipe(c, "gemm, shared tiles");
    if (p.form)
        add_form(c, r, g, &p);
    struct esk_kernel *k = esk_recipe_kernel(r, "gemm_shared");
    esk_kernel_local(k, 128, 1, 1);
    esk_kernel_groups(k, (uint64_t)ceil_div(p.n4, 16), (uint64_t)ceil_div(g->m, 64),
                      (uint64_t)p.batches);
    k->loop_iterations = (uint64_t)(ceil_div(g->k, 16) * (1 + 16 + 4) + 8);
    add_common(c, r, k, g, &p, p.width, (struct block){16, 64, false});
    esk_kernel_int(k, "k", g->k);
}

/* Few columns or rows, so that tiles would not fill the device. */
static bool few(const struct esk_ctx *c, const struct esk_gemm *g, const struct plan *p) {
    double vec4s = (double)p->n4 * (double)g->m * (double)p->batches;
    if (p->a_element || p->b_element || p->along_k || g->m > 8 || g->k < 64)
        return false;
    return c->limits->software ? vec4s < 64 : vec4s < 16384;
}

static void add_gemv(struct esk_ctx *c, const struct esk_gemm *g, struct plan p) {
    int local = c->limits->software ? 8 : 64, lo = 8;
    while (c->limits->software && lo > 1 && p.n4 * g->m * p.batches < 8 * lo)
        lo /= 2; /* lanes may lie anywhere there, but groups should be many */
    struct esk_recipe *r = esk_add_recipe(c, "gemm, k shared in a group");
    if (p.form)
        add_form(c, r, g, &p);
    struct esk_kernel *k = esk_recipe_kernel(r, "gemv");
    esk_kernel_local(k, (uint32_t)local, 1, 1);
    esk_kernel_groups(k, (uint64_t)ceil_div(p.n4, lo), (uint64_t)g->m,
                      (uint64_t)p.batches);
    k->loop_iterations = (uint64_t)ceil_div(g->k / 4, local / lo) + 8;
    add_common(c, r, k, g, &p, lo, (struct block){lo, 1, false});
}

/* ---- element by element */

static esk_status add_naive(struct esk_ctx *c, const struct esk_gemm *g,
                            int64_t batches) {
    const struct esk_var *y = esk_out(c, 0);
    struct esk_recipe *r = esk_add_recipe(c, "gemm, an element an invocation");
    struct esk_kernel *k = esk_recipe_kernel(r, "gemm_naive");
    enum esk_storage storage =
        esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE);
    esk_kernel_define(k, "KIND",
                      storage == ESK_STORAGE_I32     ? 1
                      : storage == ESK_STORAGE_U32   ? 2
                      : storage == ESK_STORAGE_I64X2 ? 3
                                                     : 0);
    esk_kernel_define(k, "ADD", g->c != ESK_NONE);
    esk_kernel_define(k, "BATCH", g->n_batch);
    if (g->k) {
        esk_kernel_define(k, "K", 1);
        add_operand(c, r, k, "A", g->a, &g->a_at, true);
        add_operand(c, r, k, "B", g->b, &g->b_at, true);
        esk_kernel_int(k, "a_row", g->a_row);
        esk_kernel_int(k, "a_col", g->a_col);
        esk_kernel_int(k, "b_row", g->b_row);
        esk_kernel_int(k, "b_col", g->b_col);
    }
    if (g->c != ESK_NONE) {
        esk_kernel_in(c, r, k, "C", g->c, ESK_ELEMENT);
        esk_kernel_int(k, "c_row", g->c_row);
        esk_kernel_int(k, "c_col", g->c_col);
    }
    esk_kernel_int(k, "m", g->m);
    esk_kernel_int(k, "n", g->n);
    esk_kernel_int(k, "k", g->k);
    esk_kernel_float(k, "scale", g->alpha);
    esk_kernel_float(k, "beta", g->beta);
    if (g->n_batch && g->k) {
        esk_kernel_ints(k, "batch", (uint32_t)g->n_batch, g->batch);
        esk_kernel_ints(k, "a_batch", (uint32_t)g->n_batch, g->a_batch);
        esk_kernel_ints(k, "b_batch", (uint32_t)g->n_batch, g->b_batch);
    }
    esk_kernel_map(c, r, k, 0, false);
    int64_t loop = g->k * (storage == ESK_STORAGE_F16X2 ? 2 : 1) + 16;
    k->loop_iterations = (uint64_t)loop;
    k->flops = 2 * (double)batches * (double)g->m * (double)g->n * (double)g->k;
    k->bytes = 4 * k->flops;
    esk_epilogue_emit(c, r, k, ESK_ELEMENT);
    return ESK_OK;
}

esk_status esk_gemm_gpu(struct esk_ctx *c, const struct esk_gemm *g) {
    const struct esk_var *a = esk_in(c, g->a), *b = esk_in(c, g->b), *y = esk_out(c, 0),
                         *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    int64_t count = esk_var_count(y), most = c->limits->max_iterations;
    if (esk_var_count(a) > INT32_MAX || esk_var_count(b) > INT32_MAX || count > INT32_MAX)
        return esk_unsupported(c, "more than 2^31 elements");
    bool is_float = esk_dtype_is_float(y->dtype);
    if (!is_float && (g->alpha != 1 || (g->c != ESK_NONE && g->beta != 1)))
        return esk_unsupported(c, "alpha or beta with %s", esk_dtype_name(y->dtype));
    struct plan p = plan_of(c, g);
    /* packed halves of an odd row cannot be stored in pairs */
    bool pairs = esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE) !=
                     ESK_STORAGE_F16X2 ||
                 g->n % 2 == 0;
    bool tiled = is_float && pairs && g->k > 0 && (!most || g->k / 4 + 8 <= most);
    if (tiled && few(c, g, &p))
        add_gemv(c, g, p);
    if (tiled && worth_sharing(c, g, &p) && (!most || g->k / 16 * 21 + 64 <= most))
        add_shared(c, g, p);
    if (tiled)
        add_tiled(c, g, p);
    if (!most || g->k * 2 + 16 <= most)
        add_naive(c, g, p.batches);
    if (c->recipes->count == 0)
        return esk_unsupported(c, "sums of %lld elements", (long long)g->k);
    return ESK_OK;
}
