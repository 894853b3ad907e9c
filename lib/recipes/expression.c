/* Nodes become GLSL: names, casts, parameters. In: expressions of op records; out: text.
 */
#include "recipes/expression.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* ---- scalars ---- */

#define NAMES8(n)                                                                       \
    "e" #n "0", "e" #n "1", "e" #n "2", "e" #n "3", "e" #n "4", "e" #n "5", "e" #n "6", \
        "e" #n "7"
static const char *const scalar_names[ESK_SCALARS] = {
    NAMES8(0), NAMES8(1), NAMES8(2), NAMES8(3),
    NAMES8(4), NAMES8(5), NAMES8(6), NAMES8(7),
};

void esk_scalars_start(struct esk_scalars *scalars, const struct esk_kernel *k) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < k->n_params; i++) {
        const char *name = k->params[i].name;
        if (!name || name[0] != 'e' || !isdigit((unsigned char)name[1]))
            continue;
        uint32_t j = (uint32_t)(name[1] - '0') * 8 + (uint32_t)(name[2] - '0');
        if (j >= used && j < ESK_SCALARS && name == scalar_names[j])
            used = j + 1;
    }
    scalars->first = scalars->count = used;
}

static const char *add_scalar(struct esk_scalars *scalars, struct esk_scalar scalar) {
    if (scalars->count == ESK_SCALARS) {
        scalars->full = true;
        return scalar_names[0];
    }
    scalars->list[scalars->count] = scalar;
    return scalar_names[scalars->count++];
}

static const char *add_float(struct esk_scalars *scalars, float value) {
    return add_scalar(scalars,
                      (struct esk_scalar){.kind = ESK_SCALAR_FLOAT, .number = value});
}

static const char *add_bits(struct esk_scalars *scalars, uint32_t bits) {
    struct esk_scalar scalar = {.kind = ESK_SCALAR_INT};
    memcpy(&scalar.bits, &bits, sizeof bits);
    return add_scalar(scalars, scalar);
}

const char *esk_scalars_int(struct esk_scalars *scalars, int64_t value) {
    return add_bits(scalars, (uint32_t)value);
}

void esk_scalars_emit(const struct esk_scalars *scalars, struct esk_kernel *k) {
    for (uint32_t i = scalars->first; i < scalars->count; i++) {
        const struct esk_scalar *s = &scalars->list[i];
        switch (s->kind) {
        case ESK_SCALAR_FLOAT:
            esk_kernel_float(k, scalar_names[i], s->number);
            break;
        case ESK_SCALAR_INT:
            esk_kernel_int(k, scalar_names[i], s->bits);
            break;
        case ESK_SCALAR_HOST_FLOAT:
            esk_kernel_host_float(k, scalar_names[i], s->var, 0);
            break;
        case ESK_SCALAR_HOST_INT:
            esk_kernel_host_int(k, scalar_names[i], s->var, 0);
            break;
        }
    }
}

/* ---- values ---- */

const char *esk_class_text(enum esk_class class, bool vec4) {
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

static void write_words(struct esk_text *text, struct esk_scalars *scalars,
                        uint64_t bits) {
    const char *low = add_bits(scalars, (uint32_t)bits);
    const char *high = add_bits(scalars, (uint32_t)(bits >> 32));
    esk_text_add(text, "uvec2(p_%s, p_%s)", low, high);
}

/* The one element of a known tensor; as a float where `as_float`. */
static void write_known(struct esk_text *text, struct esk_scalars *scalars,
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
    esk_text_add(text, "%s(p_%s)", esk_class_text(class, vec4), name);
}

static void write_late(struct esk_text *text, struct esk_scalars *scalars,
                       const struct esk_var *var, esk_id id, bool vec4) {
    enum esk_class class = esk_class_of(var->dtype);
    struct esk_scalar scalar = {.kind = class == ESK_CLASS_F ? ESK_SCALAR_HOST_FLOAT
                                                             : ESK_SCALAR_HOST_INT,
                                .var = id};
    esk_text_add(text, "%s(p_%s)", esk_class_text(class, vec4),
                 add_scalar(scalars, scalar));
}

/* The least or the greatest value of a class. */
static void write_limit(struct esk_text *text, struct esk_scalars *scalars,
                        enum esk_class class, bool greatest, bool vec4) {
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
    esk_text_add(text, "%s(p_%s)", esk_class_text(class, vec4), name);
}

/* ---- expressions ---- */

/* Copies `glsl` with $a, $b, $c replaced by args and $name by a parameter. */
static void substitute(struct esk_text *text, struct esk_scalars *scalars,
                       const char *glsl, const struct esk_text *args,
                       const struct esk_node *node) {
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
                    esk_text_add(
                        text, "p_%s",
                        add_float(scalars,
                                  esk_attr_float(node, name, record->attrs[i].fallback)));
            }
        at += length;
    }
}

uint32_t esk_glsl_inputs(const char *glsl) {
    uint32_t n = 0;
    for (const char *at = strchr(glsl, '$'); at; at = strchr(at + 1, '$'))
        if (at[1] >= 'a' && at[1] <= 'c' && !isalnum((unsigned char)at[2]) &&
            at[2] != '_' && n < (uint32_t)(at[1] - 'a') + 1)
            n = (uint32_t)(at[1] - 'a') + 1;
    return n;
}

const char *esk_node_glsl(const struct esk_graph *graph, const struct esk_node *node) {
    const struct esk_elementwise *record = node->op->elementwise;
    if (!record || !node->n_in || node->in[0] == ESK_NONE)
        return NULL;
    if (record->expr)
        return record->expr(graph, node);
    const struct esk_var *typed = graph->vars[node->in[0]];
    if (typed->dtype == ESK_BOOL && node->n_in > 2 && node->in[2] != ESK_NONE &&
        node->in[1] != ESK_NONE)
        typed = graph->vars[node->in[1]]; /* Where: the class of what it chooses */
    enum esk_class class = esk_class_of(typed->dtype);
    for (size_t i = 0; i < 6 && record->exprs[i].glsl; i++)
        if (record->exprs[i].in == class)
            return record->exprs[i].glsl;
    return NULL;
}

void esk_define_functions(struct esk_kernel *k, const char *text) {
    esk_text_add(&k->defines, "#define FN\n");
    for (const char *at = text; *at;) {
        size_t length = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
        if (length && at[length] == '(') {
            struct esk_text line = {0};
            esk_text_add(&line, "#define FN_%.*s\n", (int)length, at);
            if (!strstr(esk_text_str(&k->defines), esk_text_str(&line)))
                esk_text_append(&k->defines, esk_text_str(&line), line.length);
            esk_text_finish(&line);
        }
        at += length ? length : 1;
    }
}

/* ---- bodies ---- */

void esk_body_given(struct esk_body *b, esk_id id, const char *name) {
    b->made[b->n] = id;
    b->names[b->n++] = name;
}

static bool write_arg(struct esk_body *b, const struct esk_node *node, uint32_t i,
                      bool late, struct esk_text *arg) {
    const struct esk_graph *graph = b->c->graph;
    const struct esk_var *first = graph->vars[node->in[0]];
    enum esk_class class = esk_class_of(first->dtype);
    esk_id id = i < node->n_in ? node->in[i] : ESK_NONE;
    if (id == ESK_NONE) {
        write_limit(arg, &b->scalars, class, i == 2, b->vec4);
        return true;
    }
    const struct esk_var *var = graph->vars[id];
    for (uint32_t k = b->n; k-- > 0;)
        if (b->made[k] == id) {
            esk_text_add(arg, "%s", b->names[k]);
            return true;
        }
    if (var->data && esk_var_count(var) == 1) {
        write_known(arg, &b->scalars, var, class == ESK_CLASS_F, b->vec4);
        return true;
    }
    if (late) {
        write_late(arg, &b->scalars, var, id, b->vec4);
        return true;
    }
    return b->read(b->user, id, arg);
}

static bool is_own(const struct esk_body *b, const struct esk_text *arg) {
    for (uint32_t k = 0; k < b->n; k++)
        if (strcmp(esk_text_str(arg), b->names[k]) == 0)
            return true;
    return false;
}

/* Sums and products begin with what the body has made: which side of its Add a graph has
 * the residual on makes no other program. */
static void order_args(const struct esk_body *b, const char *glsl,
                       struct esk_text *args) {
    bool either = strcmp(glsl, "($a + $b)") == 0 || strcmp(glsl, "($a * $b)") == 0;
    if (either && !is_own(b, &args[0]) && is_own(b, &args[1])) {
        struct esk_text first = args[0];
        args[0] = args[1];
        args[1] = first;
    }
}

bool esk_body_expr(struct esk_body *b, const struct esk_node *node, const char *glsl,
                   uint32_t n_in, uint32_t late, struct esk_text *expr) {
    struct esk_text args[3] = {{0}};
    bool good = glsl && n_in <= 3;
    for (uint32_t i = 0; i < n_in && good; i++)
        good = write_arg(b, node, i, late >> i & 1, &args[i]);
    if (good)
        order_args(b, glsl, args);
    if (good)
        substitute(expr, &b->scalars, glsl, args, node);
    for (uint32_t i = 0; i < 3; i++) {
        good = good && !args[i].failed;
        esk_text_finish(&args[i]);
    }
    return good && !expr->failed && !b->scalars.full;
}

bool esk_body_add(struct esk_body *b, const struct esk_node *node, const char *glsl,
                  uint32_t n_in, uint32_t late) {
    static const char *const names[] = {"t0",  "t1",  "t2",  "t3",  "t4",  "t5",
                                        "t6",  "t7",  "t8",  "t9",  "t10", "t11",
                                        "t12", "t13", "t14", "t15", "t16", "t17",
                                        "t18", "t19", "t20", "t21", "t22", "t23"};
    if (!glsl) {
        glsl = esk_node_glsl(b->c->graph, node);
        n_in = glsl ? esk_glsl_inputs(glsl) : 0;
    }
    if (b->n == sizeof b->made / sizeof *b->made || !glsl)
        return false;
    struct esk_text expr = {0};
    bool good = esk_body_expr(b, node, glsl, n_in, late, &expr);
    const struct esk_var *out = b->c->graph->vars[node->out[0]];
    if (good)
        esk_text_add(&b->text, "%s%s %s = %s;", b->text.length ? " " : "",
                     esk_class_text(esk_class_of(out->dtype), b->vec4), names[b->n],
                     esk_text_str(&expr));
    esk_text_finish(&expr);
    b->made[b->n] = node->out[0];
    b->names[b->n] = names[b->n];
    b->n++;
    return good && !b->text.failed;
}

const char *esk_body_last(const struct esk_body *b) {
    return b->names[b->n - 1];
}

void esk_body_finish(struct esk_body *b) {
    esk_text_finish(&b->text);
}
