/* Pad: constant, edge, reflect, wrap; negative pads cut first. Out: one kernel over the
 * output; C4 where only rows and columns are padded. */
#include "recipes/map.h"
#include "recipes/move.h"

#include <inttypes.h>
#include <string.h>

enum mode { CONSTANT, EDGE, REFLECT, WRAP };

/* ---- upgrade ---- */

static esk_status upgrade(struct esk_ctx *c) {
    if (c->node->since >= 11)
        return ESK_OK;
    ESK_TRY(esk_upgrade_ints_to_input(c, c->node->since < 2 ? "paddings" : "pads", 1));
    float value = esk_attr_float(c->node, "value", 0);
    esk_node_remove_attr(c->node, "value");
    if (value == 0)
        return ESK_OK;
    /* the input has the data's type, which is not known yet: infer and the rest ask */
    if (!esk_node_set_float(c->graph, c->node, "esk_value", value))
        return esk_fail_memory(c->error, "an attribute");
    return ESK_OK;
}

/* ---- what is to be done ---- */

struct padding {
    int rank;
    enum mode mode;
    int64_t before[ESK_MAX_RANK], after[ESK_MAX_RANK]; /* ≥ 0 */
    int64_t start[ESK_MAX_RANK];                       /* of what is left of the input */
    int64_t size[ESK_MAX_RANK];                        /* its size */
    int64_t dim[ESK_MAX_RANK];                         /* of the output */
};

/* NULL, or what is wrong. */
static const char *read_padding(const struct esk_node *node, int rank,
                                const int64_t *dims, const int64_t *pads, uint32_t n_pads,
                                const int64_t *axes, uint32_t n_axes, bool has_axes,
                                struct padding *p) {
    static const char *const modes[] = {"constant", "edge", "reflect", "wrap"};
    const char *mode = esk_attr_string(node, "mode", "constant");
    int m = 0;
    while (m < 4 && strcmp(mode, modes[m]) != 0)
        m++;
    if (m == 4)
        return "mode is none of constant, edge, reflect, wrap";
    p->mode = (enum mode)m;
    p->rank = rank;
    uint32_t n = has_axes ? n_axes : (uint32_t)rank;
    if (n_pads != 2 * n)
        return "pads must list a start and an end for each axis";
    int64_t begin[ESK_MAX_RANK] = {0}, end[ESK_MAX_RANK] = {0};
    for (uint32_t i = 0; i < n; i++) {
        int axis;
        if (!esk_shape_axis(has_axes ? axes[i] : i, rank, &axis))
            return "an axis is out of range";
        begin[axis] = pads[i];
        end[axis] = pads[i + n];
    }
    for (int k = 0; k < rank; k++) {
        const int64_t most = INT64_MAX / 4;
        if (begin[k] < -most || end[k] < -most || begin[k] > most || end[k] > most)
            return "a pad is out of range";
        int64_t cut = begin[k] < 0 ? -begin[k] : 0, cut_end = end[k] < 0 ? -end[k] : 0;
        int64_t left = dims[k] - cut - cut_end;
        p->before[k] = begin[k] < 0 ? 0 : begin[k];
        p->after[k] = end[k] < 0 ? 0 : end[k];
        if (p->mode == CONSTANT && left < 0) {
            /* cut away by more than there is: what is left may be a part of the border */
            p->start[k] = 0;
            p->size[k] = 0;
            p->dim[k] = dims[k] + begin[k] + end[k];
            p->before[k] = p->dim[k];
            p->after[k] = 0;
            if (p->dim[k] < 0)
                return "negative pads cut more than there is";
            continue;
        }
        if (left < 0)
            return "negative pads cut more than there is";
        if (left == 0 && p->mode != CONSTANT && (p->before[k] || p->after[k]))
            return "an axis without elements can only be padded with a constant";
        p->start[k] = cut;
        p->size[k] = left;
        p->dim[k] = left + p->before[k] + p->after[k];
    }
    return NULL;
}

static esk_status plan(const struct esk_ctx *c, struct padding *p) {
    const struct esk_var *x = esk_in(c, 0);
    int64_t pads[2 * ESK_MAX_RANK], axes[ESK_MAX_RANK];
    uint32_t n_pads, n_axes;
    ESK_TRY(esk_in_ints(c, 1, pads, 2 * ESK_MAX_RANK, &n_pads));
    ESK_TRY(esk_in_ints(c, 3, axes, ESK_MAX_RANK, &n_axes));
    const char *wrong = read_padding(c->node, x->rank, x->dim, pads, n_pads, axes, n_axes,
                                     esk_in(c, 3) != NULL, p);
    return wrong ? esk_node_fail(c, ESK_INVALID_MODEL, "%s (rank %d)", wrong, x->rank)
                 : ESK_OK;
}

static esk_status infer(struct esk_ctx *c) {
    struct padding p;
    ESK_TRY(plan(c, &p));
    return esk_set_out(c, 0, esk_in(c, 0)->dtype, p.rank, p.dim);
}

/* ---- cpu ---- */

/* Where element i of the output's axis k lies in the input; -1: in the border. */
static int64_t source(const struct padding *p, int k, int64_t i) {
    int64_t at = i - p->before[k], size = p->size[k], period;
    switch (p->mode) {
    case CONSTANT:
        if (at < 0 || at >= size)
            return -1;
        break;
    case EDGE:
        at = at < 0 ? 0 : at >= size ? size - 1 : at;
        break;
    case REFLECT:
        period = size > 1 ? 2 * (size - 1) : 1;
        at = (at % period + period) % period;
        at = at < size ? at : period - at;
        break;
    case WRAP:
        at = (at % size + size) % size;
        break;
    }
    return at + p->start[k];
}

static esk_status value_bytes(struct esk_cpu *c, size_t element, void *value) {
    memset(value, 0, 16);
    const struct esk_tensor *given = c->n_in > 2 ? c->in[2] : NULL;
    if (given && given->bytes >= element)
        memcpy(value, given->data, element);
    else if (!given && esk_node_attr(c->node, "esk_value")) {
        struct esk_tensor one = {
            .dtype = c->out[0]->dtype, .data = value, .bytes = element};
        esk_tensor_set_double(&one, 0, (double)esk_attr_float(c->node, "esk_value", 0));
    }
    return ESK_OK;
}

static void fill(char *to, int64_t n, size_t element, const void *value) {
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * (int64_t)element, value, element);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    int64_t pads[2 * ESK_MAX_RANK], axes[ESK_MAX_RANK], strides[ESK_MAX_RANK];
    struct padding p;
    _Alignas(16) char value[16];
    if (!y)
        return ESK_OK;
    const struct esk_tensor *axes_in = c->n_in > 3 ? c->in[3] : NULL;
    const char *wrong = read_padding(
        c->node, x->rank, x->dim, pads, esk_move_ints(c->in[1], pads, 2 * ESK_MAX_RANK),
        axes, esk_move_ints(axes_in, axes, ESK_MAX_RANK), axes_in != NULL, &p);
    size_t element = esk_move_element(y->dtype);
    if (wrong || !element)
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "%s",
                            wrong ? wrong : "elements of this type are not moved");
    ESK_TRY(value_bytes(c, element, value));
    int64_t count = esk_shape_product(p.dim, 0, p.rank);
    if (!count)
        return ESK_OK;
    if (!p.rank) {
        memcpy(y->data, x->data, element);
        return ESK_OK;
    }
    /* for each axis, the input's offsets of the output's indices; -1 in the border */
    int64_t *table[ESK_MAX_RANK], index[ESK_MAX_RANK] = {0};
    esk_shape_strides(x->rank, x->dim, strides);
    for (int k = 0; k < p.rank; k++) {
        table[k] = ESK_ARENA_ARRAY(c->scratch, int64_t, (size_t)p.dim[k]);
        if (!table[k])
            return esk_fail_memory(c->error, "offsets");
        for (int64_t i = 0; i < p.dim[k]; i++) {
            int64_t at = source(&p, k, i);
            table[k][i] = at < 0 ? -1 : at * strides[k];
        }
    }
    int last = p.rank - 1;
    char *to = y->data;
    int64_t rows = count / p.dim[last], size = p.dim[last];
    for (int64_t r = 0; r < rows; r++, to += size * (int64_t)element) {
        int64_t from = 0;
        bool border = false;
        for (int k = 0; k < last; k++) {
            border |= table[k][index[k]] < 0;
            from += table[k][index[k]];
        }
        const char *row = (const char *)x->data + (border ? 0 : from * (int64_t)element);
        if (border)
            fill(to, size, element, value);
        else if (p.mode == CONSTANT) {
            fill(to, p.before[last], element, value);
            memcpy(to + p.before[last] * (int64_t)element,
                   row + p.start[last] * (int64_t)element,
                   (size_t)p.size[last] * element);
            fill(to + (p.before[last] + p.size[last]) * (int64_t)element, p.after[last],
                 element, value);
        } else
            for (int64_t i = 0; i < size; i++)
                memcpy(to + i * (int64_t)element, row + table[last][i] * (int64_t)element,
                       element);
        for (int k = last - 1; k >= 0 && ++index[k] == p.dim[k]; k--)
            index[k] = 0;
    }
    return ESK_OK;
}

/* ---- gpu ---- */

/* The axes as they lie in memory, unpadded neighbours joined. */
struct axes {
    int rank;
    int64_t dim[ESK_MAX_RANK], stride[ESK_MAX_RANK], before[ESK_MAX_RANK],
        size[ESK_MAX_RANK];
    int64_t offset;
    bool far;
};

static bool unpadded(const struct axes *a, int k) {
    return a->before[k] == 0 && a->dim[k] == a->size[k];
}

static void push_axis(struct axes *a, const struct padding *p, int k, int64_t stride,
                      bool join) {
    int at = a->rank++;
    a->dim[at] = p->dim[k];
    a->size[at] = p->size[k];
    a->before[at] = p->before[k];
    a->stride[at] = stride;
    a->offset += p->start[k] * stride;
    int64_t reach = p->mode == REFLECT ? p->size[k] - 1 : p->size[k];
    if ((p->mode == REFLECT || p->mode == WRAP) &&
        (p->before[k] > reach || p->after[k] > reach))
        a->far = true;
    int to = at - 1;
    if (!join || at == 0 || !unpadded(a, at) || a->stride[to] != a->dim[at] * stride ||
        (!unpadded(a, to) && p->mode != CONSTANT))
        return;
    a->dim[to] *= a->dim[at];
    a->size[to] *= a->dim[at];
    a->before[to] *= a->dim[at];
    a->stride[to] = stride;
    a->rank--;
}

static int kind_of(enum esk_storage storage) {
    return storage == ESK_STORAGE_I64X2 ? 3
           : storage == ESK_STORAGE_I32 ? 1
           : storage == ESK_STORAGE_U32 ? 2
                                        : 0;
}

/* The border's value as a parameter; a constant, or late. */
static void add_value(const struct esk_ctx *c, struct esk_kernel *k, int kind) {
    const struct esk_var *given = esk_in(c, 2);
    bool empty = !given || esk_var_count(given) == 0;
    esk_kernel_define(k, "KIND", kind);
    if (!empty && !given->data) {
        if (kind)
            esk_kernel_host_int(k, "value", esk_in_id(c, 2), 0);
        else
            esk_kernel_host_float(k, "value", esk_in_id(c, 2), 0);
        return;
    }
    struct esk_tensor tensor;
    if (!empty)
        tensor = esk_var_tensor(given);
    double old = (double)esk_attr_float(c->node, "esk_value", 0);
    if (!kind) {
        esk_kernel_float(k, "value",
                         (float)(empty ? old : esk_tensor_double(&tensor, 0)));
        return;
    }
    uint64_t bits = (uint64_t)(empty ? (int64_t)old : esk_tensor_int(&tensor, 0));
    esk_kernel_int(k, "value", (int32_t)(uint32_t)bits);
    if (kind == 3)
        esk_kernel_int(k, "value_high", (int32_t)(uint32_t)(bits >> 32));
}

static bool zero_value(const struct esk_ctx *c) {
    const struct esk_var *given = esk_in(c, 2);
    if (!given || esk_var_count(given) == 0)
        return esk_attr_float(c->node, "esk_value", 0) == 0;
    if (!given->data)
        return false;
    struct esk_tensor tensor = esk_var_tensor(given);
    return esk_tensor_double(&tensor, 0) == 0;
}

static esk_status gpu(struct esk_ctx *c) {
    struct padding p;
    ESK_TRY(esk_move_ready(c));
    ESK_TRY(plan(c, &p));
    const struct esk_var *x = esk_in(c, 0), *y = esk_out(c, 0);
    if (esk_var_count(x) == 0) {
        struct esk_recipe *empty = esk_add_recipe(c, "pad of nothing");
        struct esk_kernel *border = esk_recipe_kernel(empty, "fill");
        esk_kernel_define(border, "MODE", 0);
        add_value(c, border,
                  kind_of(esk_storage_of(y->dtype, y->rank, y->dim, ESK_LAYOUT_DENSE)));
        esk_kernel_map(c, empty, border, 0, true);
        return ESK_OK;
    }
    bool channels = p.rank > 1 && (p.dim[1] != x->dim[1] || p.start[1]);
    enum esk_layout layout = channels ? ESK_LAYOUT_DENSE : esk_move_layout(c, 0);
    enum esk_storage storage = esk_storage_of(y->dtype, y->rank, y->dim, layout);
    bool mask =
        layout == ESK_LAYOUT_C4 && p.mode == CONSTANT && x->dim[1] % 4 && !zero_value(c);
    int64_t strides[ESK_MAX_RANK];
    struct axes a = {0};
    esk_move_strides(layout, x->rank, x->dim, strides);
    for (int k = 0; k < p.rank; k++)
        if (layout != ESK_LAYOUT_C4 || k != 1)
            push_axis(&a, &p, k, strides[k], true);
    if (layout == ESK_LAYOUT_C4) {
        p.dim[1] = p.size[1] = (x->dim[1] + 3) / 4 * 4;
        push_axis(&a, &p, 1, 1, !mask);
    }
    if (!a.rank)
        a = (struct axes){.rank = 1, .dim = {1}, .stride = {1}, .size = {1}};
    int last = a.rank - 1;
    bool vec4 = storage != ESK_STORAGE_I64X2 && a.offset % 4 == 0 &&
                a.dim[last] % 4 == 0 && (unpadded(&a, last) || p.mode == CONSTANT) &&
                a.before[last] % 4 == 0 && a.size[last] % 4 == 0 && a.stride[last] == 1;
    for (int k = 0; k < last; k++)
        vec4 &= a.stride[k] % 4 == 0;
    bool units = vec4 || storage == ESK_STORAGE_I64X2;
    if (vec4) {
        a.dim[last] /= 4, a.before[last] /= 4, a.size[last] /= 4, a.offset /= 4;
        for (int k = 0; k < last; k++)
            a.stride[k] /= 4;
    }
    struct esk_recipe *r = esk_add_recipe(c, "pad");
    r->in_layout[0] = r->out_layout[0] = layout;
    struct esk_kernel *k = esk_recipe_kernel(r, "pad");
    esk_kernel_in(c, r, k, "X", 0, vec4 ? ESK_VEC4 : ESK_ELEMENT);
    esk_kernel_out(c, r, k, "Y", 0, units && !vec4 ? ESK_ELEMENT : ESK_VEC4);
    esk_kernel_define(k, "RANK", a.rank);
    esk_kernel_define(k, "MODE", p.mode);
    if (units)
        esk_kernel_define(k, "UNITS", 1);
    if (a.far)
        esk_kernel_define(k, "FAR", 1);
    if (mask && vec4) {
        esk_kernel_define(k, "MASK", 1);
        esk_kernel_int(k, "channels", x->dim[1]);
    }
    if (p.mode == CONSTANT)
        add_value(c, k, kind_of(storage));
    esk_kernel_int(k, "offset", a.offset);
    esk_kernel_ints(k, "dim", (uint32_t)a.rank, a.dim);
    esk_kernel_ints(k, "stride", (uint32_t)a.rank, a.stride);
    esk_kernel_ints(k, "before", (uint32_t)a.rank, a.before);
    esk_kernel_ints(k, "size", (uint32_t)a.rank, a.size);
    int64_t elements = esk_shape_product(a.dim, 0, a.rank);
    int unit = units ? 1 : 4;
    esk_move_step(k, "step", a.rank, a.dim, (int64_t)c->limits->group_1d * unit);
    esk_move_groups(k, c->limits, (elements + unit - 1) / unit);
    k->bytes = (double)elements * (vec4 ? 32 : 8);
    return ESK_OK;
}

static uint32_t host_in(const struct esk_graph *graph, const struct esk_node *node) {
    (void)graph;
    (void)node;
    return 7 << 1;
}

/* A late value is a float or an int of 32 bits. */
static uint32_t host_late(const struct esk_graph *graph, const struct esk_node *node) {
    if (node->n_in < 3 || node->in[2] == ESK_NONE)
        return 0;
    switch (graph->vars[node->in[2]]->dtype) {
    case ESK_FLOAT:
    case ESK_FLOAT16:
    case ESK_INT32:
    case ESK_INT16:
    case ESK_INT8:
    case ESK_UINT16:
    case ESK_UINT8:
    case ESK_BOOL:
        return 1 << 2;
    default:
        return 0;
    }
}

const struct esk_op esk_op_Pad = {
    .domain = "",
    .name = "Pad",
    .since = (const uint8_t[]){1, 2, 11, 13, 18, 19, 21, 23, 24, 25, 0},
    .min_in = 1,
    .max_in = 4,
    .min_out = 1,
    .host_in = host_in,
    .host_late = host_late,
    .upgrade = upgrade,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
