/* Arithmetic of two inputs with broadcasting, and its variadic relatives, which become
 * chains of two inputs. A member is a table row for each class: GLSL, and the CPU's
 * expression over x and z (T: their type, U: an unsigned type that wraps). */
#include "recipes/elementwise.h"
#include "recipes/expression.h"
#include "recipes/rows.h"

#include <math.h>
#include <string.h>
#include <tgmath.h>

enum { CHUNK = 256 };

/* ---- upgrades ---- */

/* Opset 1 and 6: the same as now, unless B is laid along an axis. */
static esk_status upgrade_legacy(struct esk_ctx *c) {
    if (c->node->since >= 7)
        return ESK_OK;
    if (esk_attr_int(c->node, "broadcast", 0) && esk_node_attr(c->node, "axis"))
        return esk_node_fail(c, ESK_UNSUPPORTED,
                             "broadcast along axis %lld, a form of opset %d",
                             (long long)esk_attr_int(c->node, "axis", 0), c->node->opset);
    esk_node_remove_attr(c->node, "broadcast");
    esk_node_remove_attr(c->node, "axis");
    return ESK_OK;
}

static esk_status upgrade_mod(struct esk_ctx *c) {
    float truncated = esk_attr_int(c->node, "fmod", 0) != 0;
    if (!esk_node_set_float(c->graph, c->node, "esk_fmod", truncated))
        return esk_fail_memory(c->error, "an attribute");
    return ESK_OK;
}

/* f(a, b, c, …) becomes f(g(g(a, b), …), z), g being `partial`. */
static esk_status chain(struct esk_ctx *c, const char *partial) {
    struct esk_node *node = c->node;
    uint32_t n = node->n_in;
    if (n == 0)
        return esk_node_fail(c, ESK_INVALID_MODEL, "no inputs");
    for (uint32_t i = 0; i < n; i++)
        if (node->in[i] == ESK_NONE)
            return esk_node_fail(c, ESK_INVALID_MODEL, "input %u is absent", i);
    if (n == 1) {
        node->op_type = "Identity";
        return ESK_OK;
    }
    esk_id value = node->in[0];
    for (uint32_t i = 1; i + 1 < n; i++) {
        esk_id in[] = {value, node->in[i]};
        value = esk_graph_add_temp(c->graph, node->name);
        if (value == ESK_NONE ||
            esk_graph_add_node(c->graph, "", partial, NULL, 2, in, 1, &value) == ESK_NONE)
            return esk_fail_memory(c->error, "a chain of nodes");
    }
    node->in[0] = value;
    node->in[1] = node->in[n - 1];
    node->n_in = 2;
    return ESK_OK;
}

static esk_status upgrade_min(struct esk_ctx *c) {
    return chain(c, "Min");
}

static esk_status upgrade_max(struct esk_ctx *c) {
    return chain(c, "Max");
}

static esk_status upgrade_sum(struct esk_ctx *c) {
    return chain(c, "Add");
}

static esk_status upgrade_mean(struct esk_ctx *c) {
    if (!esk_node_set_float(c->graph, c->node, "esk_count", (float)c->node->n_in))
        return esk_fail_memory(c->error, "an attribute");
    return chain(c, "Add");
}

/* ---- integer division that never traps ---- */

static int64_t div_signed(int64_t x, int64_t z) {
    return z == 0 ? 0 : z == -1 ? (int64_t)(0 - (uint64_t)x) : x / z;
}

static uint64_t div_unsigned(uint64_t x, uint64_t z) {
    return z ? x / z : 0;
}

static int64_t mod_signed(int64_t x, int64_t z, bool truncated) {
    int64_t r = z == 0 || z == -1 ? 0 : x % z;
    return !truncated && r && (r < 0) != (z < 0) ? r + z : r;
}

static uint64_t mod_unsigned(uint64_t x, uint64_t z) {
    return z ? x % z : 0;
}

static double floored(double r, double z) {
    if (r == 0)
        return copysign(r, z);
    return (r < 0 && z > 0) || (r > 0 && z < 0) ? r + z : r;
}

/* ---- rows ---- */

#define OP(Name, versions, upgrade_fn, most) \
    const struct esk_op esk_op_##Name = {    \
        .domain = "",                        \
        .name = #Name,                       \
        .since = versions,                   \
        .flags = ESK_OP_ELEMENTWISE,         \
        .min_in = most == 2 ? 2 : 1,         \
        .max_in = most,                      \
        .min_out = 1,                        \
        .upgrade = upgrade_fn,               \
        .infer = esk_rows_infer,             \
        .cpu = esk_rows_cpu,                 \
        .gpu = esk_elementwise_gpu,          \
        .elementwise = &elementwise_##Name,  \
        .data = &rows_##Name,                \
    };

#define ADD_FLOAT(name, type, T, U)    ESK_ROW2(name, type, T, T, x + z)
#define ADD_INT(name, type, T, U)      ESK_ROW2(name, type, T, T, (U)x + (U)z)
#define SUB_FLOAT(name, type, T, U)    ESK_ROW2(name, type, T, T, x - z)
#define SUB_INT(name, type, T, U)      ESK_ROW2(name, type, T, T, (U)x - (U)z)
#define MUL_FLOAT(name, type, T, U)    ESK_ROW2(name, type, T, T, x *z)
#define MUL_INT(name, type, T, U)      ESK_ROW2(name, type, T, T, (U)x *(U)z)
#define DIV_FLOAT(name, type, T, U)    ESK_ROW2(name, type, T, T, x / z)
#define DIV_SIGNED(name, type, T, U)   ESK_ROW2(name, type, T, T, div_signed(x, z))
#define DIV_UNSIGNED(name, type, T, U) ESK_ROW2(name, type, T, T, div_unsigned(x, z))
#define MOD_FLOAT(name, type, T, U) \
    ESK_ROW2(name, type, T, T, p[0] != 0 ? fmod(x, z) : floored(fmod(x, z), z))
#define MOD_SIGNED(name, type, T, U) \
    ESK_ROW2(name, type, T, T, mod_signed(x, z, p[0] != 0))
#define MOD_UNSIGNED(name, type, T, U) ESK_ROW2(name, type, T, T, mod_unsigned(x, z))
#define MIN_FLOAT(name, type, T, U)    ESK_ROW2(name, type, T, T, x != x || x < z ? x : z)
#define MIN_INT(name, type, T, U)      ESK_ROW2(name, type, T, T, x < z ? x : z)
#define MAX_FLOAT(name, type, T, U)    ESK_ROW2(name, type, T, T, x != x || x > z ? x : z)
#define MAX_INT(name, type, T, U)      ESK_ROW2(name, type, T, T, x > z ? x : z)
#define MEAN_FLOAT(name, type, T, U)   ESK_ROW2(name, type, T, T, (x + z) / p[0])
#define PRELU_FLOAT(name, type, T, U)  ESK_ROW2(name, type, T, T, x < 0 ? x * z : x)
#define PRELU_SIGNED(name, type, T, U) \
    ESK_ROW2(name, type, T, T, x < 0 ? (U)x * (U)z : (U)x)
#define PRELU_UNSIGNED(name, type, T, U) ESK_ROW2(name, type, T, T, ((void)z, x))

ESK_EACH_FLOAT(ADD_FLOAT, Add)
ESK_EACH_INT(ADD_INT, Add)
static const struct esk_rows rows_Add = {.fn = {ESK_FLOAT_ROWS(Add), ESK_INT_ROWS(Add)}};
static const struct esk_elementwise elementwise_Add = {
    .exprs = {{ESK_CLASS_F, "($a + $b)"},
              {ESK_CLASS_I, "($a + $b)"},
              {ESK_CLASS_U, "($a + $b)"},
              {ESK_CLASS_L, "add64($a, $b)"},
              {ESK_CLASS_UL, "add64($a, $b)"}},
};
OP(Add, ESK_SINCE(1, 6, 7, 13, 14), upgrade_legacy, 2)

ESK_EACH_FLOAT(SUB_FLOAT, Sub)
ESK_EACH_INT(SUB_INT, Sub)
static const struct esk_rows rows_Sub = {.fn = {ESK_FLOAT_ROWS(Sub), ESK_INT_ROWS(Sub)}};
static const struct esk_elementwise elementwise_Sub = {
    .exprs = {{ESK_CLASS_F, "($a - $b)"},
              {ESK_CLASS_I, "($a - $b)"},
              {ESK_CLASS_U, "($a - $b)"},
              {ESK_CLASS_L, "sub64($a, $b)"},
              {ESK_CLASS_UL, "sub64($a, $b)"}},
};
OP(Sub, ESK_SINCE(1, 6, 7, 13, 14), upgrade_legacy, 2)

ESK_EACH_FLOAT(MUL_FLOAT, Mul)
ESK_EACH_INT(MUL_INT, Mul)
static const struct esk_rows rows_Mul = {.fn = {ESK_FLOAT_ROWS(Mul), ESK_INT_ROWS(Mul)}};
static const struct esk_elementwise elementwise_Mul = {
    .exprs = {{ESK_CLASS_F, "($a * $b)"},
              {ESK_CLASS_I, "($a * $b)"},
              {ESK_CLASS_U, "($a * $b)"},
              {ESK_CLASS_L, "mul64($a, $b)"},
              {ESK_CLASS_UL, "mul64($a, $b)"}},
};
OP(Mul, ESK_SINCE(1, 6, 7, 13, 14), upgrade_legacy, 2)

ESK_EACH_FLOAT(DIV_FLOAT, Div)
ESK_EACH_SIGNED(DIV_SIGNED, Div)
ESK_EACH_UNSIGNED(DIV_UNSIGNED, Div)
static const struct esk_rows rows_Div = {.fn = {ESK_FLOAT_ROWS(Div), ESK_INT_ROWS(Div)}};
static const struct esk_elementwise elementwise_Div = {
    .exprs = {{ESK_CLASS_F, "($a / $b)"},
              {ESK_CLASS_I, "div_($a, $b)"},
              {ESK_CLASS_U, "div_($a, $b)"},
              {ESK_CLASS_L, "div64($a, $b)"},
              {ESK_CLASS_UL, "div64u($a, $b)"}},
};
OP(Div, ESK_SINCE(1, 6, 7, 13, 14), upgrade_legacy, 2)

ESK_EACH_FLOAT(MOD_FLOAT, Mod)
ESK_EACH_SIGNED(MOD_SIGNED, Mod)
ESK_EACH_UNSIGNED(MOD_UNSIGNED, Mod)
static const struct esk_rows rows_Mod = {.fn = {ESK_FLOAT_ROWS(Mod), ESK_INT_ROWS(Mod)}};
static const struct esk_elementwise elementwise_Mod = {
    .exprs = {{ESK_CLASS_F, "mod_($a, $b, $esk_fmod)"},
              {ESK_CLASS_I, "mod_($a, $b, $esk_fmod)"},
              {ESK_CLASS_U, "mod_($a, $b, $esk_fmod)"},
              {ESK_CLASS_L, "mod64($a, $b, $esk_fmod != 0.0)"},
              {ESK_CLASS_UL, "mod64u($a, $b)"}},
    .attrs = {{"esk_fmod", 0.0f}},
};
OP(Mod, ESK_SINCE(10, 13, 28), upgrade_mod, 2)

ESK_EACH_FLOAT(MIN_FLOAT, Min)
ESK_EACH_INT(MIN_INT, Min)
static const struct esk_rows rows_Min = {.fn = {ESK_FLOAT_ROWS(Min), ESK_INT_ROWS(Min)}};
static const struct esk_elementwise elementwise_Min = {
    .exprs = {{ESK_CLASS_F, "min_($a, $b)"},
              {ESK_CLASS_I, "min($a, $b)"},
              {ESK_CLASS_U, "min($a, $b)"},
              {ESK_CLASS_L, "min64($a, $b)"},
              {ESK_CLASS_UL, "min64u($a, $b)"}},
};
OP(Min, ESK_SINCE(1, 6, 8, 12, 13), upgrade_min, UINT32_MAX)

ESK_EACH_FLOAT(MAX_FLOAT, Max)
ESK_EACH_INT(MAX_INT, Max)
static const struct esk_rows rows_Max = {.fn = {ESK_FLOAT_ROWS(Max), ESK_INT_ROWS(Max)}};
static const struct esk_elementwise elementwise_Max = {
    .exprs = {{ESK_CLASS_F, "max_($a, $b)"},
              {ESK_CLASS_I, "max($a, $b)"},
              {ESK_CLASS_U, "max($a, $b)"},
              {ESK_CLASS_L, "max64($a, $b)"},
              {ESK_CLASS_UL, "max64u($a, $b)"}},
};
OP(Max, ESK_SINCE(1, 6, 8, 12, 13), upgrade_max, UINT32_MAX)

static const struct esk_rows rows_Sum = {.fn = {ESK_FLOAT_ROWS(Add)}};
static const struct esk_elementwise elementwise_Sum = {
    .exprs = {{ESK_CLASS_F, "($a + $b)"}},
};
OP(Sum, ESK_SINCE(1, 6, 8, 13), upgrade_sum, UINT32_MAX)

ESK_EACH_FLOAT(MEAN_FLOAT, Mean)
static const struct esk_rows rows_Mean = {.fn = {ESK_FLOAT_ROWS(Mean)}};
static const struct esk_elementwise elementwise_Mean = {
    .exprs = {{ESK_CLASS_F, "(($a + $b) / $esk_count)"}},
    .attrs = {{"esk_count", 2.0f}},
};
OP(Mean, ESK_SINCE(1, 6, 8, 13), upgrade_mean, UINT32_MAX)

ESK_EACH_FLOAT(PRELU_FLOAT, PRelu)
ESK_EACH_SIGNED(PRELU_SIGNED, PRelu)
ESK_EACH_UNSIGNED(PRELU_UNSIGNED, PRelu)
static const struct esk_rows rows_PRelu = {
    .fn = {ESK_FLOAT_ROWS(PRelu), ESK_INT_ROWS(PRelu)},
    .keeps_shape = true,
};
static const struct esk_elementwise elementwise_PRelu = {
    .exprs = {{ESK_CLASS_F, "prelu($a, $b)"},
              {ESK_CLASS_I, "prelu($a, $b)"},
              {ESK_CLASS_U, "$a"},
              {ESK_CLASS_L, "prelu64($a, $b)"},
              {ESK_CLASS_UL, "$a"}},
};
OP(PRelu, ESK_SINCE(7, 9, 16), NULL, 2)

#define SWIGLU_FLOAT(name, type, T, U) \
    ESK_ROW2(name, type, T, T, x / (1 + exp(-p[0] * x)) * z)
ESK_EACH_FLOAT(SWIGLU_FLOAT, SwiGLU)
static const struct esk_rows rows_SwiGLU = {
    .fn = {ESK_FLOAT_ROWS(SwiGLU)},
    .keeps_shape = true,
};
static const struct esk_elementwise elementwise_SwiGLU = {
    .exprs = {{ESK_CLASS_F, "(swish($a, $alpha) * $b)"}},
    .attrs = {{"alpha", 1.0f}},
};
OP(SwiGLU, ESK_SINCE(28), NULL, 2)

/* ---- Pow: the exponent has a type of its own ---- */

static esk_status infer_pow(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *z = esk_in(c, 1);
    if (!(esk_dtype_is_float(x->dtype) || x->dtype == ESK_INT32 ||
          x->dtype == ESK_INT64) ||
        !(esk_dtype_is_float(z->dtype) || esk_dtype_is_int(z->dtype)))
        return esk_node_fail(c, ESK_UNSUPPORTED, "types %s and %s are not supported",
                             esk_dtype_name(x->dtype), esk_dtype_name(z->dtype));
    int rank;
    int64_t dims[ESK_MAX_RANK];
    if (!esk_shape_broadcast(x->rank, x->dim, z->rank, z->dim, &rank, dims))
        return esk_node_fail(c, ESK_INVALID_MODEL, "shapes of base and exponent differ");
    return esk_set_out(c, 0, x->dtype, rank, dims);
}

/* Wraps; a negative exponent gives 0, but for 1 and -1. */
static int64_t pow_int(int64_t base, int64_t n) {
    if (n < 0)
        return base == 1 ? 1 : base == -1 ? (n & 1 ? -1 : 1) : 0;
    uint64_t p = 1, b = (uint64_t)base;
    for (; n; n >>= 1, b *= b)
        if (n & 1)
            p *= b;
    return (int64_t)p;
}

static void visit_pow(void *user, int64_t n, int64_t at, const int64_t *offset,
                      const int64_t *step) {
    struct esk_cpu *c = user;
    const struct esk_tensor *x = c->in[0], *z = c->in[1];
    bool ints = esk_dtype_is_int(x->dtype) && esk_dtype_is_int(z->dtype);
    bool single = x->dtype == ESK_FLOAT && z->dtype == ESK_FLOAT;
    union {
        double d[CHUNK];
        int64_t i[CHUNK];
    } a, b;
    for (int64_t done = 0; done < n; done += CHUNK) {
        int64_t m = n - done < CHUNK ? n - done : CHUNK;
        int64_t from = offset[0] + done * step[0], from_b = offset[1] + done * step[1];
        if (single) {
            const float *base = (const float *)x->data + from;
            const float *power = (const float *)z->data + from_b;
            float *y = (float *)c->out[0]->data + at + done;
            for (int64_t i = 0; i < m; i++)
                y[i] = powf(base[i * step[0]], power[i * step[1]]);
        } else if (ints) {
            esk_rows_load_ints(x, from, step[0], m, a.i);
            esk_rows_load_ints(z, from_b, step[1], m, b.i);
            for (int64_t i = 0; i < m; i++)
                a.i[i] = pow_int(a.i[i], b.i[i]);
            esk_rows_store_ints(c->out[0], at + done, m, a.i, false);
        } else {
            esk_rows_load_doubles(x, from, step[0], m, a.d);
            esk_rows_load_doubles(z, from_b, step[1], m, b.d);
            for (int64_t i = 0; i < m; i++)
                a.d[i] = pow(a.d[i], b.d[i]);
            esk_rows_store_doubles(c->out[0], at + done, m, a.d);
        }
    }
}

static esk_status cpu_pow(struct esk_cpu *c) {
    if (c->out[0])
        esk_rows_each(c, 2, visit_pow, c);
    return ESK_OK;
}

/* Floats to a known power, or to floats: within a group. */
static const char *expr_pow(const struct esk_graph *graph, const struct esk_node *node) {
    static const struct {
        double exponent;
        const char *glsl;
    } plain[] = {
        {1, "$a"},          {2, "($a * $a)"},  {3, "($a * $a * $a)"},
        {-1, "(1.0 / $a)"}, {0.5, "sqrt($a)"},
    };
    const struct esk_var *x = graph->vars[node->in[0]], *z = graph->vars[node->in[1]];
    bool known = z->data && esk_var_count(z) == 1;
    if (esk_class_of(x->dtype) != ESK_CLASS_F ||
        (!known && esk_class_of(z->dtype) != ESK_CLASS_F))
        return NULL;
    if (known) {
        struct esk_tensor tensor = esk_var_tensor(z);
        double value = esk_tensor_double(&tensor, 0);
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
            if (value == plain[i].exponent)
                return plain[i].glsl;
    }
    return "power($a, $b)";
}

static esk_status gpu_pow(struct esk_ctx *c) {
    static const struct {
        enum esk_class base, exponent;
        const char *glsl;
    } rows[] = {
        {ESK_CLASS_F, ESK_CLASS_F, "power($a, $b)"},
        {ESK_CLASS_F, ESK_CLASS_I, "power($a, to_float($b))"},
        {ESK_CLASS_F, ESK_CLASS_U, "power($a, to_float($b))"},
        {ESK_CLASS_F, ESK_CLASS_L, "power($a, float_of64($b))"},
        {ESK_CLASS_F, ESK_CLASS_UL, "power($a, float_of64u($b))"},
        {ESK_CLASS_I, ESK_CLASS_F, "power($a, $b)"},
        {ESK_CLASS_I, ESK_CLASS_I, "power($a, $b)"},
        {ESK_CLASS_I, ESK_CLASS_U, "to_int(power(to_uint($a), $b))"},
        {ESK_CLASS_I, ESK_CLASS_L, "int(pow64(i64($a), $b).x)"},
        {ESK_CLASS_I, ESK_CLASS_UL, "int(pow64u(i64($a), $b).x)"},
        {ESK_CLASS_L, ESK_CLASS_F, "power64($a, $b)"},
        {ESK_CLASS_L, ESK_CLASS_I, "pow64($a, i64($b))"},
        {ESK_CLASS_L, ESK_CLASS_U, "pow64u($a, u64($b))"},
        {ESK_CLASS_L, ESK_CLASS_L, "pow64($a, $b)"},
        {ESK_CLASS_L, ESK_CLASS_UL, "pow64u($a, $b)"},
    };
    const struct esk_var *x = esk_in(c, 0), *z = esk_in(c, 1);
    enum esk_class base = esk_class_of(x->dtype), exponent = esk_class_of(z->dtype);
    if (base == ESK_CLASS_F && z->data && esk_var_count(z) == 1) {
        const struct esk_var *y = c->graph->vars[c->node->out[0]];
        bool alone = esk_shape_equal(x->rank, x->dim, y->rank, y->dim);
        const char *glsl = alone ? expr_pow(c->graph, c->node) : "power($a, $b)";
        return esk_elementwise_expr(c, glsl, esk_glsl_inputs(glsl), false);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].base == base && rows[i].exponent == exponent)
            return esk_elementwise_expr(c, rows[i].glsl, 2, false);
    return esk_unsupported(c, "types %s and %s", esk_dtype_name(x->dtype),
                           esk_dtype_name(z->dtype));
}

static const struct esk_elementwise elementwise_Pow = {.expr = expr_pow};
const struct esk_op esk_op_Pow = {
    .domain = "",
    .name = "Pow",
    .since = ESK_SINCE(1, 7, 12, 13, 15),
    .flags = ESK_OP_ELEMENTWISE,
    .min_in = 2,
    .min_out = 1,
    .upgrade = upgrade_legacy,
    .infer = infer_pow,
    .cpu = cpu_pow,
    .gpu = gpu_pow,
    .elementwise = &elementwise_Pow,
};
