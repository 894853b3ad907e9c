/* Elementwise nodes as kernels over glsl/elementwise.glsl: one node, or a group of them
 * over up to four operands. In: expressions of op records, shapes, layouts; out: recipes.
 * Must not know operators by name. */
#include "recipes/elementwise.h"

#include "base/mem.h"
#include "recipes/expression.h"

#include <string.h>

enum {
    SOURCES = 4, /* operands that the template has names for */
    REPEAT = 4,  /* units that an invocation computes */
};

/* ---- kernels ---- */

enum kind { KIND_FLAT, KIND_STRIDED, KIND_SPLAT, KIND_SPLATX, KIND_GATHER };

/* A var that the kernel reads. */
struct source {
    esk_id id;
    const struct esk_var *var;
    enum esk_layout layout;
    enum esk_view view;
    enum kind kind;
    int64_t stride[ESK_MAX_RANK]; /* over the space's dims, in units of the view */
    int64_t gap;                  /* KIND_GATHER */
};

/* What the kernel walks: the output's extents in units, as few dims as do. */
struct space {
    const struct esk_var *out;
    enum esk_layout layout;
    enum esk_view view;
    int rank;
    int64_t dim[ESK_MAX_RANK];
    uint32_t n_sources;
    struct source sources[SOURCES];
    bool keep_inner; /* the innermost dim is the channels' and stays alone */
};

static bool same_shape(const struct esk_var *a, const struct esk_var *b) {
    return esk_shape_equal(a->rank, a->dim, b->rank, b->dim);
}

static bool wide(const struct esk_var *var) {
    enum esk_class class = esk_class_of(var->dtype);
    return class == ESK_CLASS_L || class == ESK_CLASS_UL;
}

/* Dims of one element go; neighbours that every source walks as one become one. */
static void collapse(struct space *s) {
    int rank = 0;
    for (int i = 0; i < s->rank; i++) {
        bool inner = s->keep_inner && i == s->rank - 1;
        if (s->dim[i] == 1 && !inner)
            continue;
        bool merge = rank > 0 && !inner;
        for (uint32_t k = 0; k < s->n_sources && merge; k++)
            merge = s->sources[k].stride[rank - 1] == s->sources[k].stride[i] * s->dim[i];
        int to = merge ? rank - 1 : rank++;
        s->dim[to] = merge ? s->dim[to] * s->dim[i] : s->dim[i];
        for (uint32_t k = 0; k < s->n_sources; k++)
            s->sources[k].stride[to] = s->sources[k].stride[i];
    }
    if (rank == 0) { /* one unit */
        s->dim[0] = rank = 1;
        for (uint32_t k = 0; k < s->n_sources; k++)
            s->sources[k].stride[0] = 1;
    }
    s->rank = rank;
}

static bool is_flat(const struct space *s, const struct source *source) {
    int64_t stride = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        if (source->stride[i] != stride && s->dim[i] != 1)
            return false;
        stride *= s->dim[i];
    }
    return true;
}

/* Strides of a dense source over the output's dims, in elements. */
static void dense_strides(const struct space *s, struct source *source) {
    esk_shape_broadcast_strides(source->var->rank, source->var->dim, s->out->rank,
                                s->out->dim, source->stride);
}

static void plan_dense(struct space *s, bool vec4) {
    s->rank = s->out->rank;
    memcpy(s->dim, s->out->dim, sizeof s->dim);
    for (uint32_t k = 0; k < s->n_sources; k++) {
        s->sources[k].layout = ESK_LAYOUT_DENSE;
        dense_strides(s, &s->sources[k]);
    }
    collapse(s);
    int last = s->rank - 1;
    vec4 &= last == 0 || s->dim[last] % 4 == 0;
    for (uint32_t k = 0; k < s->n_sources; k++)
        for (int i = 0; i < last; i++)
            vec4 &= s->sources[k].stride[last] == 0 || s->sources[k].stride[i] % 4 == 0;
    s->view = vec4 ? ESK_VEC4 : ESK_ELEMENT;
    for (uint32_t k = 0; k < s->n_sources; k++) {
        struct source *source = &s->sources[k];
        bool splat = vec4 && source->stride[last] == 0;
        source->view = vec4 && !splat ? ESK_VEC4 : ESK_ELEMENT;
        source->kind = is_flat(s, source) ? KIND_FLAT : splat ? KIND_SPLAT : KIND_STRIDED;
        for (int i = 0; i < last && source->view == ESK_VEC4; i++)
            source->stride[i] /= 4;
    }
    if (vec4)
        s->dim[last] = (s->dim[last] + 3) / 4;
}

/* How a kernel over channel units reads a source. */
static void plan_source_c4(struct space *s, struct source *source) {
    const struct esk_var *out = s->out, *var = source->var;
    int rank = out->rank, shift = rank - var->rank;
    int64_t size[ESK_MAX_RANK]; /* of the source, dims aligned with the output's */
    for (int i = 0; i < rank; i++)
        size[i] = i < shift ? 1 : var->dim[i - shift];
    bool full = size[1] == out->dim[1];
    bool as_c4 = shift == 0 && (same_shape(var, out) ||
                                (var->data ? full : var->layout == ESK_LAYOUT_C4));
    int64_t dense[ESK_MAX_RANK] = {0}, channel;
    source->view = ESK_VEC4;
    source->kind = KIND_STRIDED;
    if (as_c4) {
        int64_t physical[ESK_MAX_RANK], stride[ESK_MAX_RANK];
        source->layout = ESK_LAYOUT_C4;
        esk_layout_dims(ESK_LAYOUT_C4, rank, size, physical);
        physical[rank - 1] /= 4;
        esk_shape_strides(rank, physical, stride);
        channel = full ? 1 : 0;
        if (!full)
            source->kind = KIND_SPLATX;
        for (int i = 0; i < rank; i++)
            if (i != 1)
                dense[i] = size[i] == 1 ? 0 : stride[i ? i - 1 : 0];
    } else {
        source->layout = ESK_LAYOUT_DENSE;
        esk_shape_broadcast_strides(var->rank, var->dim, rank, out->dim, dense);
        for (int i = 0; i < rank; i++)
            dense[i] = size[i] == 1 ? 0 : dense[i];
        channel = dense[1];
        bool units = channel == 1 && out->dim[1] % 4 == 0;
        for (int i = 0; i < rank; i++)
            units &= i == 1 || dense[i] % 4 == 0;
        if (units) {
            for (int i = 0; i < rank; i++)
                dense[i] /= i == 1 ? 1 : 4;
        } else {
            source->view = ESK_ELEMENT;
            source->kind = channel ? KIND_GATHER : KIND_SPLAT;
            source->gap = channel;
            channel *= 4;
        }
    }
    source->stride[0] = dense[0];
    for (int i = 2; i < rank; i++)
        source->stride[i - 1] = dense[i];
    source->stride[rank - 1] = channel;
}

static void plan_c4(struct space *s) {
    s->view = ESK_VEC4;
    s->rank = s->out->rank;
    esk_layout_dims(ESK_LAYOUT_C4, s->rank, s->out->dim, s->dim);
    s->dim[s->rank - 1] /= 4;
    for (uint32_t k = 0; k < s->n_sources; k++) {
        plan_source_c4(s, &s->sources[k]);
        s->keep_inner |= s->sources[k].kind == KIND_GATHER;
    }
    collapse(s);
    for (uint32_t k = 0; k < s->n_sources; k++)
        if (s->sources[k].kind == KIND_STRIDED && is_flat(s, &s->sources[k]))
            s->sources[k].kind = KIND_FLAT;
}

static bool wants_c4(const struct space *s) {
    const struct esk_var *out = s->out;
    bool found = false;
    if (out->rank < 3)
        return false;
    for (uint32_t k = 0; k < s->n_sources; k++) {
        const struct esk_var *var = s->sources[k].var;
        found |= !var->data && var->layout == ESK_LAYOUT_C4 && same_shape(var, out);
    }
    return found;
}

/* The source that reads `id`; SOURCES when there is no room. */
static uint32_t add_source(struct esk_ctx *c, struct space *s, esk_id id) {
    for (uint32_t k = 0; k < s->n_sources; k++)
        if (s->sources[k].id == id)
            return k;
    if (s->n_sources < SOURCES)
        s->sources[s->n_sources] = (struct source){.id = id, .var = c->graph->vars[id]};
    else
        return SOURCES;
    return s->n_sources++;
}

static void emit_kernel(struct esk_ctx *c, struct esk_recipe *r, const struct space *s,
                        const struct esk_body *body, const char *expr, bool mask,
                        bool int64) {
    static const char *const operand[SOURCES] = {"A", "B", "C", "D"};
    static const char *const strides[SOURCES] = {"sa", "sb", "sc", "sd"};
    static const char *const gap[SOURCES] = {"ga", "gb", "gc", "gd"};
    static const char *const kind[SOURCES] = {"KIND_A", "KIND_B", "KIND_C", "KIND_D"};
    static const char *const type[SOURCES] = {"VALUE_A", "VALUE_B", "VALUE_C", "VALUE_D"};
    struct esk_kernel *k = esk_recipe_kernel(r, "elementwise");
    bool walks = mask;
    for (uint32_t i = 0; i < s->n_sources; i++) {
        bool still = s->sources[i].kind != KIND_GATHER;
        for (int d = 0; d < s->rank; d++)
            still &= s->sources[i].stride[d] == 0;
        walks |= s->sources[i].kind != KIND_FLAT && !still;
    }
    esk_define_functions(k, expr);
    if (body->text.length) {
        esk_define_functions(k, esk_text_str(&body->text));
        esk_kernel_define_text(k, "BODY", esk_text_str(&body->text));
    }
    esk_kernel_define_text(k, "EXPR", expr);
    esk_kernel_define(k, "RANK", walks ? s->rank : 0);
    if (mask)
        esk_kernel_define(k, "MASK", 1);
    if (int64)
        esk_kernel_define(k, "INT64", 1);
    int64_t units = esk_shape_product(s->dim, 0, s->rank);
    bool pairs = s->view == ESK_ELEMENT &&
                 esk_storage_of(s->out->dtype, s->out->rank, s->out->dim, s->layout) ==
                     ESK_STORAGE_F16X2;
    int64_t step = (int64_t)c->limits->group_1d * REPEAT *
                   (s->view == ESK_VEC4 ? 4
                    : pairs             ? 2
                                        : 1); /* elements of a group */
    double bytes = 0;
    for (uint32_t i = 0; i < s->n_sources; i++) {
        const struct source *source = &s->sources[i];
        esk_kernel_define(k, kind[i], source->kind);
        esk_kernel_define_text(
            k, type[i],
            esk_class_text(esk_class_of(source->var->dtype), s->view == ESK_VEC4));
        esk_kernel_var(k, operand[i], c->graph, source->id, source->layout, ESK_READ,
                       source->view);
        k->operands[i].in_place = source->kind == KIND_FLAT && source->view == s->view;
        if (k->operands[i].in_place)
            esk_kernel_step(k, 0, step, step);
        bytes += (double)esk_storage_bytes(k->operands[i].storage, source->layout,
                                           source->var->rank, source->var->dim);
    }
    esk_kernel_out(c, r, k, "Y", 0, s->view);
    esk_kernel_step(k, 0, step, step);
    enum esk_storage storage = k->operands[k->n_operands - 1].storage;
    bytes += (double)esk_storage_bytes(storage, s->layout, s->out->rank, s->out->dim);
    if (pairs)
        units = (units + 1) / 2;
    esk_kernel_int(k, "units", units);
    if (walks) {
        int64_t steps[ESK_MAX_RANK], left = c->limits->group_1d;
        for (int d = s->rank - 1; d > 0; d--) {
            steps[d] = left % s->dim[d];
            left /= s->dim[d];
        }
        steps[0] = left;
        esk_kernel_ints(k, "dims", (uint32_t)s->rank, s->dim);
        esk_kernel_ints(k, "steps", (uint32_t)s->rank, steps);
    }
    for (uint32_t i = 0; i < s->n_sources; i++) {
        if (walks && s->sources[i].kind != KIND_FLAT)
            esk_kernel_ints(k, strides[i], (uint32_t)s->rank, s->sources[i].stride);
        if (s->sources[i].kind == KIND_GATHER)
            esk_kernel_int(k, gap[i], s->sources[i].gap);
    }
    if (s->layout == ESK_LAYOUT_C4)
        esk_kernel_int(k, "channels", s->out->dim[1]);
    esk_scalars_emit(&body->scalars, k);
    esk_kernel_flat(k, c->limits, (uint64_t)((units + REPEAT - 1) / REPEAT));
    k->loop_iterations = int64 ? REPEAT * 64 : 0; /* a division each */
    k->flops += (double)esk_var_count(s->out) *
                (c->group ? 1.0 + (double)c->group->n_members : 1.0);
    k->bytes += bytes;
}

/* Gives sources to what node reads from outside the group; false: too many. */
static bool add_sources(struct esk_ctx *c, struct space *s, const struct esk_node *node,
                        uint32_t n_in, uint32_t late, uint32_t n_before) {
    for (uint32_t i = 0; i < n_in && i < node->n_in; i++) {
        esk_id id = node->in[i];
        bool inside =
            id == ESK_NONE || late >> i & 1 ||
            (c->graph->vars[id]->data && esk_var_count(c->graph->vars[id]) == 1) ||
            (n_before && id == c->node->out[0]);
        for (uint32_t m = 0; m + 1 < n_before && !inside; m++)
            inside = c->graph->nodes[c->group->members[m]]->out[0] == id;
        if (!inside && add_source(c, s, id) == SOURCES)
            return false;
    }
    return true;
}

static bool read_source(void *user, esk_id id, struct esk_text *arg) {
    const struct space *s = user;
    for (uint32_t k = 0; k < s->n_sources; k++)
        if (s->sources[k].id == id) {
            esk_text_add(arg, "%c", 'a' + (int)k);
            return true;
        }
    return false;
}

/* All statements but the last node's, and that one's expression. */
static bool write_body(struct esk_ctx *c, struct esk_body *body, const char *glsl,
                       uint32_t n_in, uint32_t late, struct esk_text *expr) {
    uint32_t members = c->group ? c->group->n_members : 0;
    if (!members)
        return esk_body_expr(body, c->node, glsl, n_in, late, expr);
    if (!esk_body_add(body, c->node, glsl, n_in, late))
        return false;
    for (uint32_t m = 0; m < members; m++)
        if (!esk_body_add(body, c->graph->nodes[c->group->members[m]], NULL, 0, 0))
            return false;
    esk_text_add(expr, "%s", esk_body_last(body));
    return !expr->failed;
}

esk_status esk_elementwise_expr(struct esk_ctx *c, const char *glsl, uint32_t n_in,
                                bool pad_zero) {
    const struct esk_node *node = c->node;
    struct space s = {.out = esk_out(c, 0)};
    uint32_t late = node->op->host_late ? node->op->host_late(c->graph, node) : 0;
    uint32_t members = c->group ? c->group->n_members : 0;
    const struct esk_var *first = esk_in(c, 0);
    bool int64 = wide(s.out),
         float_params = first && esk_class_of(first->dtype) == ESK_CLASS_F;
    if (n_in > 3 || !first)
        return esk_unsupported(c, "%u inputs", n_in);
    for (uint32_t i = 0; i <= n_in; i++) {
        const struct esk_var *var = i < n_in ? esk_in(c, i) : s.out;
        if (var && esk_class_of(var->dtype) == ESK_CLASS_NONE)
            return esk_unsupported(c, "type %s", esk_dtype_name(var->dtype));
        if (var && esk_var_count(var) > INT32_MAX)
            return esk_unsupported(c, "'%s' has more than 2^31 elements", var->name);
        bool scalar = var && i < n_in && var->data && esk_var_count(var) == 1;
        int64 |= var && wide(var) && !(scalar && float_params);
    }
    bool fits = add_sources(c, &s, node, n_in, late, 0);
    for (uint32_t m = 0; m < members && fits; m++) {
        const struct esk_node *member = c->graph->nodes[c->group->members[m]];
        fits = add_sources(c, &s, member, member->n_in, 0, m + 1);
    }
    c->group_taken = fits && !int64;
    if (!c->group_taken && (members || !fits))
        return esk_unsupported(c, members ? "the group does not fit" : "too many inputs");
    bool c4 = !int64 && wants_c4(&s); /* 64-bit values are single elements */
    s.layout = c4 ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
    bool mask = c4 && s.out->dim[1] % 4 != 0 && (!pad_zero || n_in > 1 || members);
    s.keep_inner = mask;
    if (c4)
        plan_c4(&s);
    else
        plan_dense(&s, !int64);

    struct esk_body body = {
        .c = c, .vec4 = s.view == ESK_VEC4, .read = read_source, .user = &s};
    struct esk_text expr = {0};
    if (write_body(c, &body, glsl, n_in, late, &expr)) {
        struct esk_recipe *r = esk_add_recipe(c, c4          ? "elementwise c4"
                                                 : body.vec4 ? "elementwise vec4"
                                                             : "elementwise");
        r->out_layout[0] = s.layout;
        for (uint32_t i = 0; i < n_in && i < node->n_in; i++)
            for (uint32_t k = 0; k < s.n_sources; k++)
                if (s.sources[k].id == node->in[i])
                    r->in_layout[i] = s.sources[k].layout;
        emit_kernel(c, r, &s, &body, esk_text_str(&expr), mask, int64);
    } else if (members)
        c->group_taken = false;
    else
        c->recipes->failed = true;
    esk_body_finish(&body);
    esk_text_finish(&expr);
    return ESK_OK;
}

esk_status esk_elementwise_gpu(struct esk_ctx *c) {
    const struct esk_elementwise *record = c->node->op->elementwise;
    const struct esk_var *typed = esk_in(c, 0);
    const char *glsl = typed ? esk_node_glsl(c->graph, c->node) : NULL;
    if (!glsl)
        return esk_unsupported(
            c, "type %s", esk_dtype_name(typed ? typed->dtype : ESK_DTYPE_UNDEFINED));
    return esk_elementwise_expr(c, glsl, esk_glsl_inputs(glsl), record->pad_zero);
}
