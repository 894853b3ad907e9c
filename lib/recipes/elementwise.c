/* Elementwise nodes as kernels over glsl/elementwise.glsl, and as epilogues. In: expressions
 * of op records, shapes, layouts; out: recipes. Must not know operators by name. */
#include "recipes/elementwise.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum {
    SOURCES = 4,      /* operands that the template has names for */
    PARAMS = 64,      /* scalars of all expressions of a kernel */
    TEXT_MOST = 3000, /* characters of an epilogue */
    REPEAT = 4,       /* units that an invocation computes */
};

/* ---- scalars of expressions ---- */

/* Gathered first, added to the kernel once the expressions stand. */
struct scalars {
    uint32_t first, count; /* names before `first` are the kernel's already */
    bool full;
    struct scalar {
        enum { SCALAR_FLOAT, SCALAR_INT, SCALAR_HOST_FLOAT, SCALAR_HOST_INT } kind;
        float number;
        int32_t bits;
        esk_id var;
    } list[PARAMS];
};

#define NAMES8(n) "e" #n "0", "e" #n "1", "e" #n "2", "e" #n "3", "e" #n "4", "e" #n "5", \
                  "e" #n "6", "e" #n "7"
static const char *const scalar_names[PARAMS] = {
    NAMES8(0), NAMES8(1), NAMES8(2), NAMES8(3), NAMES8(4), NAMES8(5), NAMES8(6), NAMES8(7),
};

static const char *add_scalar(struct scalars *scalars, struct scalar scalar) {
    if (scalars->count == PARAMS) {
        scalars->full = true;
        return scalar_names[0];
    }
    scalars->list[scalars->count] = scalar;
    return scalar_names[scalars->count++];
}

static const char *add_float(struct scalars *scalars, float value) {
    return add_scalar(scalars, (struct scalar){.kind = SCALAR_FLOAT, .number = value});
}

static const char *add_bits(struct scalars *scalars, uint32_t bits) {
    struct scalar scalar = {.kind = SCALAR_INT};
    memcpy(&scalar.bits, &bits, sizeof bits);
    return add_scalar(scalars, scalar);
}

static void scalars_emit(const struct scalars *scalars, struct esk_kernel *k) {
    for (uint32_t i = scalars->first; i < scalars->count; i++) {
        const struct scalar *s = &scalars->list[i];
        switch (s->kind) {
        case SCALAR_FLOAT:
            esk_kernel_float(k, scalar_names[i], s->number);
            break;
        case SCALAR_INT:
            esk_kernel_int(k, scalar_names[i], s->bits);
            break;
        case SCALAR_HOST_FLOAT:
            esk_kernel_host_float(k, scalar_names[i], s->var, 0);
            break;
        case SCALAR_HOST_INT:
            esk_kernel_host_int(k, scalar_names[i], s->var, 0);
            break;
        }
    }
}

/* ---- text of expressions ---- */

static const char *type_text(enum esk_class class, bool vec4) {
    switch (class) {
    case ESK_CLASS_F:
        return vec4 ? "vec4" : "float";
    case ESK_CLASS_I:
        return vec4 ? "ivec4" : "int";
    case ESK_CLASS_U:
    case ESK_CLASS_B:
        return vec4 ? "uvec4" : "uint";
    default:
        return "uvec2";
    }
}

static void write_words(struct esk_text *text, struct scalars *scalars, uint64_t bits) {
    const char *low = add_bits(scalars, (uint32_t)bits);
    const char *high = add_bits(scalars, (uint32_t)(bits >> 32));
    esk_text_add(text, "uvec2(p_%s, p_%s)", low, high);
}

/* The one element of a known tensor; as a float where `as_float`. */
static void write_known(struct esk_text *text, struct scalars *scalars,
                        const struct esk_var *var, bool as_float, bool vec4) {
    struct esk_tensor tensor = esk_var_tensor(var);
    enum esk_class class = as_float ? ESK_CLASS_F : esk_class_of(var->dtype);
    const char *name;
    if (class == ESK_CLASS_L || class == ESK_CLASS_UL) {
        write_words(text, scalars, (uint64_t)esk_tensor_int(&tensor, 0));
        return;
    }
    if (class == ESK_CLASS_F)
        name = add_float(scalars, (float)esk_tensor_double(&tensor, 0));
    else
        name = add_bits(scalars, (uint32_t)esk_tensor_int(&tensor, 0));
    esk_text_add(text, "%s(p_%s)", type_text(class, vec4), name);
}

static void write_late(struct esk_text *text, struct scalars *scalars,
                       const struct esk_var *var, esk_id id, bool vec4) {
    enum esk_class class = esk_class_of(var->dtype);
    struct scalar scalar = {.kind = class == ESK_CLASS_F ? SCALAR_HOST_FLOAT
                                                         : SCALAR_HOST_INT,
                            .var = id};
    esk_text_add(text, "%s(p_%s)", type_text(class, vec4), add_scalar(scalars, scalar));
}

/* The least or the greatest value of a class. */
static void write_limit(struct esk_text *text, struct scalars *scalars, enum esk_class class,
                        bool greatest, bool vec4) {
    const char *name;
    switch (class) {
    case ESK_CLASS_L:
        write_words(text, scalars, greatest ? INT64_MAX : (uint64_t)INT64_MIN);
        return;
    case ESK_CLASS_UL:
        write_words(text, scalars, greatest ? UINT64_MAX : 0);
        return;
    case ESK_CLASS_F:
        name = add_float(scalars, greatest ? INFINITY : -INFINITY);
        break;
    case ESK_CLASS_I:
        name = add_bits(scalars, greatest ? INT32_MAX : (uint32_t)INT32_MIN);
        break;
    default:
        name = add_bits(scalars, greatest ? UINT32_MAX : 0);
    }
    esk_text_add(text, "%s(p_%s)", type_text(class, vec4), name);
}

/* Copies `glsl` with $a, $b, $c replaced by args and $name by a parameter. */
static void substitute(struct esk_text *text, struct scalars *scalars, const char *glsl,
                       const struct esk_text *args, const struct esk_node *node) {
    const struct esk_elementwise *record = node->op->elementwise;
    for (const char *at = glsl; *at;) {
        size_t plain = strcspn(at, "$"), length = 0;
        esk_text_append(text, at, plain);
        at += plain;
        if (!*at)
            break;
        at++;
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
        if (length == 1) {
            const struct esk_text *arg = &args[at[0] - 'a'];
            esk_text_append(text, esk_text_str(arg), arg->length);
        } else
            for (size_t i = 0; record && i < 3 && record->attrs[i].name; i++) {
                const char *name = record->attrs[i].name;
                if (strlen(name) == length && memcmp(name, at, length) == 0)
                    esk_text_add(text, "p_%s",
                                 add_float(scalars,
                                           esk_attr_float(node, name,
                                                          record->attrs[i].fallback)));
            }
        at += length;
    }
}

static const char *row_of(const struct esk_elementwise *record, enum esk_class class) {
    for (size_t i = 0; record && i < 6 && record->exprs[i].glsl; i++)
        if (record->exprs[i].in == class)
            return record->exprs[i].glsl;
    return NULL;
}

/* How many inputs an expression names. */
static uint32_t inputs_of(const char *glsl) {
    uint32_t n = 0;
    for (const char *at = strchr(glsl, '$'); at; at = strchr(at + 1, '$'))
        if (at[1] >= 'a' && at[1] <= 'c' && !isalnum((unsigned char)at[2]) && at[2] != '_' &&
            n < (uint32_t)(at[1] - 'a') + 1)
            n = (uint32_t)(at[1] - 'a') + 1;
    return n;
}

/* FN_name for each function of the text: lib/math.glsl and lib/integer.glsl leave out the
 * others. */
static void define_functions(struct esk_kernel *k, const char *text) {
    esk_text_add(&k->defines, "#define FN\n");
    for (const char *at = text; *at;) {
        size_t length = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
        if (length && at[length] == '(')
            esk_text_add(&k->defines, "#define FN_%.*s\n", (int)length, at);
        at += length ? length : 1;
    }
}

/* ---- epilogues ---- */

/* The argument that member `m` of a group finds at its input i; false: cannot be written. */
static bool member_arg(struct esk_ctx *c, const struct esk_text *values, uint32_t m,
                       uint32_t i, bool vec4, struct scalars *scalars, bool *reads_extra,
                       struct esk_text *arg) {
    const struct esk_node *member = c->graph->nodes[c->group->members[m]];
    esk_id id = i < member->n_in ? member->in[i] : ESK_NONE;
    if (id == ESK_NONE) {
        write_limit(arg, scalars, ESK_CLASS_F, i == 2, vec4);
        return true;
    }
    const struct esk_var *var = c->graph->vars[id];
    if (id == c->node->out[0]) {
        esk_text_add(arg, "(v)");
        return true;
    }
    for (uint32_t k = 0; k < m; k++)
        if (c->graph->nodes[c->group->members[k]]->out[0] == id) {
            esk_text_add(arg, "(%s)", esk_text_str(&values[k]));
            return true;
        }
    if (var->data && esk_var_count(var) == 1 && var->dtype != ESK_BOOL) {
        write_known(arg, scalars, var, true, vec4);
        return true;
    }
    const struct esk_var *out = c->graph->vars[c->group->output];
    if (id != c->group->extra || esk_class_of(var->dtype) != ESK_CLASS_F ||
        !esk_shape_equal(var->rank, var->dim, out->rank, out->dim))
        return false;
    *reads_extra = true;
    esk_text_add(arg, "LOAD_E(at)");
    return true;
}

static bool write_member(struct esk_ctx *c, struct esk_text *values, uint32_t m, bool vec4,
                         struct scalars *scalars, bool *reads_extra) {
    const struct esk_node *member = c->graph->nodes[c->group->members[m]];
    const struct esk_var *out = c->graph->vars[member->out[0]];
    const char *glsl = member->op ? row_of(member->op->elementwise, ESK_CLASS_F) : NULL;
    if (!glsl || esk_class_of(out->dtype) != ESK_CLASS_F)
        return false;
    struct esk_text args[3] = {{0}};
    uint32_t n = inputs_of(glsl);
    bool good = true;
    for (uint32_t i = 0; i < n && good; i++)
        good = member_arg(c, values, m, i, vec4, scalars, reads_extra, &args[i]);
    if (good)
        substitute(&values[m], scalars, glsl, args, member);
    for (uint32_t i = 0; i < 3; i++) {
        good &= !args[i].failed;
        esk_text_finish(&args[i]);
    }
    return good && !values[m].failed && values[m].length <= TEXT_MOST && !scalars->full;
}

/* The names of an epilogue's scalars begin where those of the kernel's own end. */
static uint32_t scalars_used(const struct esk_kernel *k) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < k->n_params; i++)
        for (uint32_t j = used; j < PARAMS; j++)
            if (k->params[i].name == scalar_names[j])
                used = j + 1;
    return used;
}

void esk_epilogue_emit(struct esk_ctx *c, const struct esk_recipe *r, struct esk_kernel *k,
                       enum esk_view view) {
    const struct esk_group *group = c->group;
    enum { MEMBERS = sizeof group->members / sizeof *group->members };
    c->group_taken = false;
    if (!group || !group->n_members || group->n_members > MEMBERS ||
        esk_class_of(c->graph->vars[c->node->out[0]]->dtype) != ESK_CLASS_F)
        return;
    struct esk_text values[MEMBERS] = {{0}};
    struct scalars scalars = {.first = scalars_used(k), .count = scalars_used(k)};
    bool reads_extra = false, good = true;
    for (uint32_t m = 0; m < group->n_members && good; m++)
        good = write_member(c, values, m, view == ESK_VEC4, &scalars, &reads_extra);
    good &= !reads_extra || k->n_operands < ESK_KERNEL_OPERANDS;
    if (good) {
        const char *text = esk_text_str(&values[group->n_members - 1]);
        define_functions(k, text);
        esk_text_add(&k->defines, "#define EPILOGUE(v, at) (%s)\n", text);
        scalars_emit(&scalars, k);
        if (reads_extra) {
            esk_kernel_var(k, "E", c->graph, group->extra, r->out_layout[0], ESK_READ, view);
            k->operands[k->n_operands - 1].in_place = true;
        }
        k->flops += (double)esk_var_count(c->graph->vars[group->output]) * group->n_members;
        c->group_taken = true;
    }
    for (uint32_t m = 0; m < group->n_members; m++)
        esk_text_finish(&values[m]);
}

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

static bool wants_c4(struct esk_ctx *c, const struct space *s) {
    const struct esk_var *out = s->out;
    bool found = false;
    if (out->rank < 3)
        return false;
    for (uint32_t k = 0; k < s->n_sources; k++) {
        const struct esk_var *var = s->sources[k].var;
        found |= !var->data && var->layout == ESK_LAYOUT_C4 && same_shape(var, out);
    }
    if (c->group && c->group->extra != ESK_NONE) {
        const struct esk_var *var = c->graph->vars[c->group->extra];
        found |= !var->data && var->layout == ESK_LAYOUT_C4;
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
                        const struct scalars *scalars, const char *text, bool mask,
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
    define_functions(k, text);
    esk_kernel_define_text(k, "EXPR", text);
    esk_kernel_define(k, "RANK", walks ? s->rank : 0);
    if (mask)
        esk_kernel_define(k, "MASK", 1);
    if (int64)
        esk_kernel_define(k, "INT64", 1);
    int64_t units = esk_shape_product(s->dim, 0, s->rank);
    double bytes = 0;
    for (uint32_t i = 0; i < s->n_sources; i++) {
        const struct source *source = &s->sources[i];
        esk_kernel_define(k, kind[i], source->kind);
        esk_kernel_define_text(k, type[i], type_text(esk_class_of(source->var->dtype),
                                                     s->view == ESK_VEC4));
        esk_kernel_var(k, operand[i], c->graph, source->id, source->layout, ESK_READ,
                       source->view);
        k->operands[i].in_place = source->kind == KIND_FLAT && source->view == s->view;
        bytes += (double)esk_storage_bytes(k->operands[i].storage, source->layout,
                                           source->var->rank, source->var->dim);
    }
    esk_kernel_out(c, r, k, "Y", 0, s->view);
    enum esk_storage storage = k->operands[k->n_operands - 1].storage;
    bytes += (double)esk_storage_bytes(storage, s->layout, s->out->rank, s->out->dim);
    if (storage == ESK_STORAGE_F16X2 && s->view == ESK_ELEMENT)
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
    scalars_emit(scalars, k);
    esk_kernel_flat(k, c->limits, (uint64_t)((units + REPEAT - 1) / REPEAT));
    k->loop_iterations = int64 ? REPEAT * 64 : 0; /* a division each */
    k->flops += (double)esk_var_count(s->out);
    k->bytes += bytes;
    esk_epilogue_emit(c, r, k, s->view);
}

esk_status esk_elementwise_expr(struct esk_ctx *c, const char *glsl, uint32_t n_in,
                                bool pad_zero) {
    const struct esk_node *node = c->node;
    struct space s = {.out = esk_out(c, 0)};
    uint32_t late = node->op->host_late ? node->op->host_late(c->graph, node) : 0;
    uint32_t source_of[3];
    const struct esk_var *first = esk_in(c, 0);
    bool int64 = wide(s.out), float_params = first && esk_class_of(first->dtype) == ESK_CLASS_F;
    if (n_in > 3 || !first)
        return esk_unsupported(c, "%u inputs", n_in);
    for (uint32_t i = 0; i <= n_in; i++) {
        const struct esk_var *var = i < n_in ? esk_in(c, i) : s.out;
        if (var && esk_class_of(var->dtype) == ESK_CLASS_NONE)
            return esk_unsupported(c, "type %s", esk_dtype_name(var->dtype));
        if (var && esk_var_count(var) > INT32_MAX)
            return esk_unsupported(c, "'%s' has more than 2^31 elements", var->name);
    }
    for (uint32_t i = 0; i < n_in; i++) {
        const struct esk_var *var = esk_in(c, i);
        bool scalar = var && var->data && esk_var_count(var) == 1;
        source_of[i] = ESK_NONE;
        int64 |= var && wide(var) && !(scalar && float_params);
        if (var && !scalar && !(late >> i & 1))
            source_of[i] = add_source(c, &s, node->in[i]);
    }
    bool c4 = !int64 && wants_c4(c, &s); /* 64-bit values are single elements */
    s.layout = c4 ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
    bool mask = c4 && s.out->dim[1] % 4 != 0 && (!pad_zero || n_in > 1 || c->group);
    s.keep_inner = mask;
    if (c4)
        plan_c4(&s);
    else
        plan_dense(&s, !int64);

    struct esk_recipe *r = esk_add_recipe(c, c4 ? "elementwise c4"
                                           : s.view == ESK_VEC4 ? "elementwise vec4"
                                                                : "elementwise");
    r->out_layout[0] = s.layout;
    bool vec4 = s.view == ESK_VEC4;
    struct scalars scalars = {0};
    struct esk_text args[3] = {{0}}, text = {0};
    for (uint32_t i = 0; i < n_in; i++) {
        const struct esk_var *var = esk_in(c, i);
        if (!var)
            write_limit(&args[i], &scalars, esk_class_of(first->dtype), i == 2, vec4);
        else if (source_of[i] != ESK_NONE) {
            esk_text_add(&args[i], "%c", 'a' + (int)source_of[i]);
            r->in_layout[i] = s.sources[source_of[i]].layout;
        } else if (var->data)
            write_known(&args[i], &scalars, var, float_params, vec4);
        else
            write_late(&args[i], &scalars, var, node->in[i], vec4);
    }
    substitute(&text, &scalars, glsl, args, node);
    bool failed = text.failed;
    for (uint32_t i = 0; i < 3; i++) {
        failed |= args[i].failed;
        esk_text_finish(&args[i]);
    }
    emit_kernel(c, r, &s, &scalars, esk_text_str(&text), mask, int64);
    esk_text_finish(&text);
    c->recipes->failed |= failed;
    return ESK_OK;
}

esk_status esk_elementwise_gpu(struct esk_ctx *c) {
    const struct esk_elementwise *record = c->node->op->elementwise;
    const struct esk_var *typed = esk_in(c, 0);
    if (typed && typed->dtype == ESK_BOOL && esk_in(c, 2))
        typed = esk_in(c, 1); /* Where: the class is that of what it chooses */
    const char *glsl = typed ? row_of(record, esk_class_of(typed->dtype)) : NULL;
    if (!glsl)
        return esk_unsupported(c, "type %s",
                               esk_dtype_name(typed ? typed->dtype : ESK_DTYPE_UNDEFINED));
    return esk_elementwise_expr(c, glsl, inputs_of(glsl), record->pad_zero);
}
