/* Strided copies. In: dims and strides; out: host loops, or kernels copy_strided and
 * transpose. Must not know which operator asks. */
#include "recipes/move.h"

#include "ir/segments.h"

#include <inttypes.h>
#include <string.h>

void esk_move_push(struct esk_move *move, int64_t dim, int64_t stride) {
    move->dim[move->rank] = dim;
    move->stride[move->rank++] = stride;
}

void esk_move_collapse(struct esk_move *move) {
    struct esk_move to = {.offset = move->offset, .valid = move->valid};
    int last = move->rank - 1;
    bool masked = last >= 0 && move->valid && move->valid < move->dim[last];
    if (!masked)
        to.valid = 0;
    for (int k = 0; k <= last; k++) {
        int64_t dim = move->dim[k], stride = move->stride[k];
        bool keep = masked && k == last;
        int at = to.rank - 1;
        if (dim == 1 && !keep)
            continue;
        if (at >= 0 && !keep && to.stride[at] == stride * dim) {
            to.dim[at] *= dim;
            to.stride[at] = stride;
        } else
            esk_move_push(&to, dim, stride);
    }
    if (!to.rank)
        esk_move_push(&to, 1, 1);
    *move = to;
}

bool esk_move_is_copy(const struct esk_move *move) {
    return move->rank == 1 && !move->valid && move->offset == 0 &&
           (move->stride[0] == 1 || move->dim[0] == 1);
}

/* ---- on the host ---- */

size_t esk_move_element(esk_dtype dtype) {
    unsigned bits = esk_dtype_bits(dtype);
    return bits % 8 ? 0 : bits / 8;
}

static void move_row(size_t element, int64_t n, int64_t stride, char *dst,
                     const char *src) {
    if (stride == 1) {
        memcpy(dst, src, (size_t)n * element);
        return;
    }
    switch (element) {
#define ROW(bytes, type)                                        \
    case bytes:                                                 \
        for (int64_t i = 0; i < n; i++)                         \
            ((type *)dst)[i] = ((const type *)src)[i * stride]; \
        return;
        ROW(1, uint8_t)
        ROW(2, uint16_t)
        ROW(4, uint32_t)
        ROW(8, uint64_t)
#undef ROW
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(dst + i * (int64_t)element, src + i * stride * (int64_t)element,
                   element);
    }
}

void esk_move_cpu(const struct esk_move *move, size_t element, void *dst,
                  const void *src) {
    struct esk_move m = *move;
    for (int k = 0; k < m.rank; k++)
        if (m.dim[k] == 0)
            return;
    esk_move_collapse(&m);
    int last = m.rank - 1;
    int64_t index[ESK_MOVE_RANK] = {0}, row = m.dim[last], from = m.offset;
    int64_t rows = esk_shape_product(m.dim, 0, last);
    char *to = dst;
    for (int64_t r = 0; r < rows; r++) {
        move_row(element, row, m.stride[last], to,
                 (const char *)src + from * (int64_t)element);
        to += row * (int64_t)element;
        for (int k = last - 1; k >= 0; k--) {
            from += m.stride[k];
            if (++index[k] < m.dim[k])
                break;
            from -= m.stride[k] * m.dim[k];
            index[k] = 0;
        }
    }
}

esk_status esk_move_cpu_call(const struct esk_cpu *c, uint32_t in, uint32_t out,
                             const struct esk_move *move) {
    if (!c->out[out])
        return ESK_OK;
    size_t element = esk_move_element(c->out[out]->dtype);
    if (!element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not moved",
                            esk_dtype_name(c->out[out]->dtype));
    esk_move_cpu(move, element, c->out[out]->data, c->in[in]->data);
    return ESK_OK;
}

uint32_t esk_move_ints(const struct esk_tensor *tensor, int64_t *values, uint32_t most) {
    if (!tensor)
        return 0;
    int64_t count = esk_shape_product(tensor->dim, 0, tensor->rank);
    uint32_t n = count > (int64_t)most ? most : (uint32_t)count;
    for (uint32_t i = 0; i < n; i++)
        values[i] = esk_tensor_int(tensor, i);
    return n;
}

/* ---- on the device ---- */

esk_status esk_move_ready(const struct esk_ctx *c) {
    const struct esk_var *who;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "'%s' is %s, which has no device storage", who->name,
                               esk_dtype_name(who->dtype));
    for (uint32_t i = 0; i < c->node->n_in + c->node->n_out; i++) {
        const struct esk_var *v =
            i < c->node->n_in ? esk_in(c, i) : esk_out(c, i - c->node->n_in);
        if (v && esk_var_count(v) > INT32_MAX - 65536)
            return esk_unsupported(c, "'%s' has %" PRId64 " elements, indices are 32 bit",
                                   v->name, esk_var_count(v));
    }
    return ESK_OK;
}

int64_t esk_move_unit(enum esk_storage storage) {
    return storage == ESK_STORAGE_I64X2 ? 8 : storage == ESK_STORAGE_F16X2 ? 2 : 4;
}

void esk_move_strides(enum esk_layout layout, int rank, const int64_t *dims,
                      int64_t *strides) {
    if (layout != ESK_LAYOUT_C4 || rank < 3) {
        esk_shape_strides(rank, dims, strides);
        return;
    }
    int64_t stride = (dims[1] + 3) / 4 * 4;
    strides[1] = 1;
    for (int k = rank - 1; k >= 2; k--) {
        strides[k] = stride;
        stride *= dims[k];
    }
    strides[0] = stride;
}

enum esk_layout esk_move_layout(const struct esk_ctx *c, uint32_t i) {
    const struct esk_var *x = esk_in(c, i);
    return !x->data && x->rank >= 3 && x->layout == ESK_LAYOUT_C4 ? ESK_LAYOUT_C4
                                                                  : ESK_LAYOUT_DENSE;
}

void esk_move_step(struct esk_kernel *k, const char *name, int rank, const int64_t *dims,
                   int64_t count) {
    int64_t step[ESK_MOVE_RANK];
    for (int i = rank - 1; i > 0; i--) {
        step[i] = count % dims[i];
        count /= dims[i];
    }
    step[0] = count;
    esk_kernel_ints(k, name, (uint32_t)rank, step);
}

void esk_move_groups(struct esk_kernel *k, const struct esk_limits *limits,
                     int64_t units) {
    uint64_t each = (uint64_t)limits->group_1d * ESK_MOVE_PER;
    esk_kernel_int(k, "count", units);
    esk_kernel_local(k, limits->group_1d, 1, 1);
    esk_kernel_groups(k, ((uint64_t)units + each - 1) / each, 1, 1);
}

/* Where a kernel reads and writes. */
struct ends {
    const struct esk_ctx *c;
    struct esk_recipe *r;
    uint32_t in, out;
    const struct esk_ref_to *from; /* instead of `in`; NULL */
    enum esk_storage x, y;
    bool x_padded; /* rows of stride 1 may be read up to a multiple of four */
};

static void add_ends(const struct ends *e, struct esk_kernel *k, enum esk_view x,
                     enum esk_view y) {
    if (e->from)
        esk_kernel_ref(k, "X", e->r, *e->from, ESK_READ, x);
    else
        esk_kernel_in(e->c, e->r, k, "X", e->in, x);
    esk_kernel_out(e->c, e->r, k, "Y", e->out, y);
}

static bool rest_by_four(const struct esk_move *m, int but_a, int but_b) {
    for (int k = 0; k < m->rank; k++)
        if (k != but_a && k != but_b && m->stride[k] % 4)
            return false;
    return m->offset % 4 == 0;
}

/* Blocks of 4 × 4: the input's innermost dimension is not the output's. */
static bool add_transpose(const struct ends *e, const struct esk_move *m) {
    int last = m->rank - 1, from = last - 1;
    while (from >= 0 && m->stride[from] != 1)
        from--;
    if (from < 0 || m->dim[last] % 4 || m->stride[last] % 4 || m->stride[last] == 0 ||
        !rest_by_four(m, from, from) || (m->dim[from] % 4 && (!e->x_padded || m->valid)))
        return false;
    int64_t dim[ESK_MOVE_RANK], xs[ESK_MOVE_RANK], ys[ESK_MOVE_RANK], out[ESK_MOVE_RANK];
    esk_shape_strides(m->rank, m->dim, out);
    int64_t x_row = m->stride[last] / 4, y_row = out[from] / 4, items = 1;
    bool guard_y = m->dim[from] % 4;
    int n = 0;
    /* the guarded axis stands last */
    for (int pass = 0; pass < 3; pass++)
        for (int k = 0; k < m->rank; k++) {
            int second = guard_y ? last : from, third = guard_y ? from : last;
            if (pass != (k == third ? 2 : k == second ? 1 : 0))
                continue;
            dim[n] = k == from || k == last ? (m->dim[k] + 3) / 4 : m->dim[k];
            xs[n] = k == from ? 1 : k == last ? m->stride[k] : m->stride[k] / 4;
            ys[n] = k == from ? out[k] : k == last ? 1 : out[k] / 4;
            items *= dim[n++];
        }
    struct esk_kernel *k = esk_recipe_kernel(e->r, "transpose");
    add_ends(e, k, ESK_VEC4, ESK_VEC4);
    esk_kernel_define(k, "RANK", n);
    if (guard_y)
        esk_kernel_define(k, "GUARD_Y", 1);
    if (m->valid)
        esk_kernel_define(k, "GUARD_X", 1);
    if (guard_y || m->valid)
        esk_kernel_int(k, "rows", guard_y ? m->dim[from] : m->valid);
    esk_kernel_int(k, "count", items);
    esk_kernel_int(k, "offset", m->offset / 4);
    esk_kernel_int(k, "x_row", x_row);
    esk_kernel_int(k, "y_row", y_row);
    esk_kernel_ints(k, "dim", (uint32_t)n, dim);
    esk_kernel_ints(k, "xs", (uint32_t)n, xs);
    esk_kernel_ints(k, "ys", (uint32_t)n, ys);
    esk_kernel_flat(k, e->c->limits, (uint64_t)items);
    k->bytes = (double)items * 128;
    return true;
}

/* Two rows into one, element by element: the shuffle of channels in two groups. */
static bool add_interleave(const struct ends *e, const struct esk_move *m) {
    int last = m->rank - 1, from = last - 1;
    if (from < 0 || m->valid || m->dim[last] != 2 || m->stride[last] % 4 ||
        m->stride[from] != 1 || m->dim[from] % 4 || !rest_by_four(m, from, from))
        return false;
    int64_t dim[ESK_MOVE_RANK], xs[ESK_MOVE_RANK], ys[ESK_MOVE_RANK], items = 1, y = 2;
    for (int k = from; k >= 0; k--) {
        dim[k] = k == from ? m->dim[k] / 4 : m->dim[k];
        xs[k] = k == from ? 1 : m->stride[k] / 4;
        ys[k] = y;
        y *= dim[k];
        items *= dim[k];
    }
    struct esk_kernel *k = esk_recipe_kernel(e->r, "transpose");
    add_ends(e, k, ESK_VEC4, ESK_VEC4);
    esk_kernel_define(k, "RANK", from + 1);
    esk_kernel_define(k, "PAIRS", 1);
    esk_kernel_int(k, "count", items);
    esk_kernel_int(k, "offset", m->offset / 4);
    esk_kernel_int(k, "x_row", m->stride[last] / 4);
    esk_kernel_ints(k, "dim", (uint32_t)from + 1, dim);
    esk_kernel_ints(k, "xs", (uint32_t)from + 1, xs);
    esk_kernel_ints(k, "ys", (uint32_t)from + 1, ys);
    esk_kernel_flat(k, e->c->limits, (uint64_t)items);
    k->bytes = (double)items * 64;
    return true;
}

static void add_copy(const struct ends *e, struct esk_move *m) {
    int last = m->rank - 1;
    bool rows = m->dim[last] % 4 == 0, units = e->x == ESK_STORAGE_I64X2, vec4 = false;
    if (!units && !m->valid &&
        (m->stride[last] == 1 || (m->rank == 1 && m->dim[0] == 1)) &&
        (rows || m->rank == 1) && rest_by_four(m, last, last)) {
        units = vec4 = true;
        for (int k = 0; k < last; k++)
            m->stride[k] /= 4;
        m->stride[last] = 1;
        m->dim[last] = (m->dim[last] + 3) / 4;
        m->offset /= 4;
    }
    int64_t elements = esk_shape_product(m->dim, 0, m->rank);
    struct esk_kernel *k = esk_recipe_kernel(e->r, "copy_strided");
    bool y_vec4 = !units || vec4;
    add_ends(e, k, vec4 ? ESK_VEC4 : ESK_ELEMENT, y_vec4 ? ESK_VEC4 : ESK_ELEMENT);
    int64_t step = (int64_t)e->c->limits->group_1d * ESK_MOVE_PER * (y_vec4 ? 4 : 1);
    esk_kernel_step(k, 0, step, step);
    esk_kernel_define(k, "RANK", m->rank);
    if (units)
        esk_kernel_define(k, "UNITS", 1);
    else if (rows) {
        esk_kernel_define(k, "ROWS", 1);
        if (m->valid) {
            esk_kernel_define(k, "MASK", 1);
            esk_kernel_int(k, "valid", m->valid);
        } else if (m->stride[last] == 0)
            esk_kernel_define(k, "SPLAT", 1);
    }
    esk_kernel_int(k, "offset", m->offset);
    esk_kernel_ints(k, "dim", (uint32_t)m->rank, m->dim);
    esk_kernel_ints(k, "stride", (uint32_t)m->rank, m->stride);
    int unit = units ? 1 : 4;
    esk_move_step(k, "step", m->rank, m->dim, (int64_t)e->c->limits->group_1d * unit);
    esk_move_groups(k, e->c->limits, (elements + unit - 1) / unit);
    k->bytes = (double)elements * (vec4 ? 32 : 8);
}

/* More bindings than the device has: the plain copy writes piece by piece. */
static bool large(const struct ends *e) {
    const struct esk_limits *l = e->c->limits;
    const struct esk_var *y = esk_out(e->c, e->out),
                         *x = e->from ? y : esk_in(e->c, e->in);
    uint64_t bytes = 0, segment = esk_segment_bytes(l);
    uint32_t most = l->max_ssbos < l->max_outputs ? l->max_ssbos : l->max_outputs;
    const struct esk_var *ends[] = {x, y};
    const enum esk_storage storage[] = {e->x, e->y};
    for (int i = 0; i < 2; i++)
        bytes +=
            (esk_storage_bytes(storage[i], ESK_LAYOUT_C4, ends[i]->rank, ends[i]->dim) +
             segment - 1) /
            segment * segment;
    return bytes > most * segment;
}

static void add_kernel(const struct ends *e, const struct esk_move *move) {
    struct esk_move m = *move;
    esk_move_collapse(&m);
    if (e->x == ESK_STORAGE_I64X2 || m.rank < 2 || m.stride[m.rank - 1] == 1 ||
        large(e) || (!add_interleave(e, &m) && !add_transpose(e, &m)))
        add_copy(e, &m);
}

static enum esk_layout in_layout(const struct esk_recipe *r, uint32_t i) {
    return i < ESK_RECIPE_INPUTS ? r->in_layout[i] : ESK_LAYOUT_DENSE;
}

static enum esk_layout out_layout(const struct esk_recipe *r, uint32_t i) {
    return i < ESK_RECIPE_INPUTS ? r->out_layout[i] : ESK_LAYOUT_DENSE;
}

void esk_move_kernel(const struct esk_ctx *c, struct esk_recipe *r,
                     const struct esk_move *move, uint32_t in, uint32_t out) {
    const struct esk_var *x = esk_in(c, in), *y = esk_out(c, out);
    struct ends e = {
        .c = c,
        .r = r,
        .in = in,
        .out = out,
        .x = esk_storage_of(x->dtype, x->rank, x->dim, in_layout(r, in)),
        .y = esk_storage_of(y->dtype, y->rank, y->dim, out_layout(r, out)),
        .x_padded = in_layout(r, in) == ESK_LAYOUT_C4,
    };
    add_kernel(&e, move);
}

void esk_move_kernel_refs(const struct esk_ctx *c, struct esk_recipe *r,
                          const struct esk_move *move, struct esk_ref_to from,
                          uint32_t out) {
    const struct esk_var *y = esk_out(c, out);
    struct ends e = {
        .c = c,
        .r = r,
        .out = out,
        .from = &from,
        .x = from.ref == ESK_REF_SCRATCH ? r->scratch[from.id].storage
                                         : r->forms[from.id].storage,
        .y = esk_storage_of(y->dtype, y->rank, y->dim, out_layout(r, out)),
    };
    add_kernel(&e, move);
}

struct esk_move esk_move_output(const struct esk_ctx *c, struct esk_recipe *r,
                                uint32_t in, uint32_t out, const int64_t *strides,
                                int64_t offset, bool to_end) {
    const struct esk_var *x = esk_in(c, in), *y = esk_out(c, out);
    struct esk_move m = {.offset = offset};
    bool c4 = in_layout(r, in) == ESK_LAYOUT_C4 && out < ESK_RECIPE_INPUTS &&
              y->rank == x->rank && offset % 4 == 0 && strides[1] == 1 &&
              (to_end || y->dim[1] % 4 == 0);
    for (int k = 0; k < y->rank && c4; k++)
        c4 = k == 1 || strides[k] % 4 == 0;
    if (c4) {
        r->out_layout[out] = ESK_LAYOUT_C4;
        for (int k = 0; k < y->rank; k++)
            if (k != 1)
                esk_move_push(&m, y->dim[k], strides[k]);
        esk_move_push(&m, (y->dim[1] + 3) / 4 * 4, 1);
    } else {
        if (out < ESK_RECIPE_INPUTS)
            r->out_layout[out] = ESK_LAYOUT_DENSE;
        for (int k = 0; k < y->rank; k++)
            esk_move_push(&m, y->dim[k], strides[k]);
    }
    esk_move_collapse(&m);
    return m;
}
