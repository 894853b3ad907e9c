/* Elementwise operators of one input. A member is one row: the versions, the GLSL
 * expression (glsl/lib/math.glsl), whether f(0) is 0, and the CPU's expression over x (T
 * is its type) and p, the float attributes. */
#include "recipes/elementwise.h"
#include "recipes/rows.h"

#include <math.h>
#include <string.h>
#include <tgmath.h>

#define UNARY_OP(Name, versions, upgrade_fn) \
    const struct esk_op esk_op_##Name = {    \
        .domain = "",                        \
        .name = #Name,                       \
        .since = versions,                   \
        .flags = ESK_OP_ELEMENTWISE,         \
        .min_in = 1,                         \
        .min_out = 1,                        \
        .upgrade = upgrade_fn,               \
        .infer = esk_rows_infer,             \
        .cpu = esk_rows_cpu,                 \
        .gpu = esk_elementwise_gpu,          \
        .elementwise = &elementwise_##Name,  \
        .data = &rows_##Name,                \
    };

#define NO_ATTRS    \
    {               \
        { NULL, 0 } \
    }
#define ATTRS(...) \
    { __VA_ARGS__ }

/* Operators of float types only. */
#define FLOAT_UNARY(Name, versions, upgrade_fn, attributes, zero, glsl, result, expr) \
    ESK_ROW1(Name, FLOAT, float, result, expr)                                        \
    ESK_ROW1(Name, DOUBLE, double, result##_of_double, expr)                          \
    static const struct esk_rows rows_##Name = {                                      \
        .fn = {ESK_FLOAT_ROWS(Name)},                                                 \
        .to_bool = sizeof(result) == 1,                                               \
    };                                                                                \
    static const struct esk_elementwise elementwise_##Name = {                        \
        .exprs = {{ESK_CLASS_F, glsl}},                                               \
        .attrs = attributes,                                                          \
        .pad_zero = zero,                                                             \
    };                                                                                \
    UNARY_OP(Name, versions, upgrade_fn)

typedef float real;
typedef double real_of_double;
typedef uint8_t truth, truth_of_double;

/* float to float, without attributes */
#define ROW(Name, versions, zero, glsl, expr) \
    FLOAT_UNARY(Name, versions, NULL, NO_ATTRS, zero, glsl, real, expr)
#define ROW_P(Name, versions, attributes, zero, glsl, expr) \
    FLOAT_UNARY(Name, versions, NULL, ATTRS attributes, zero, glsl, real, expr)

#define SIGMOID(v) (1 / (1 + exp(-(v))))
#define HALF(v)    ((v) * (T)0.5)

/* clang-format off */
ROW(Acos, ESK_SINCE(7, 22), false, "acos_($a)", acos(x))
ROW(Acosh, ESK_SINCE(9, 22), false, "acosh_($a)", acosh(x))
ROW(Asin, ESK_SINCE(7, 22), true, "asin_($a)", asin(x))
ROW(Asinh, ESK_SINCE(9, 22), true, "asinh_($a)", asinh(x))
ROW(Atan, ESK_SINCE(7, 22), true, "atan_($a)", atan(x))
ROW(Atanh, ESK_SINCE(9, 22), true, "atanh_($a)", atanh(x))
ROW(Ceil, ESK_SINCE(1, 6, 13), true, "ceil($a)", ceil(x))
ROW(Cos, ESK_SINCE(7, 22), false, "cos_($a)", cos(x))
ROW(Cosh, ESK_SINCE(9, 22), false, "cosh_($a)", cosh(x))
ROW(Erf, ESK_SINCE(9, 13), true, "erf_($a)", erf(x))
ROW(Exp, ESK_SINCE(1, 6, 13), false, "exp($a)", exp(x))
ROW(Floor, ESK_SINCE(1, 6, 13), true, "floor($a)", floor(x))
ROW(HardSwish, ESK_SINCE(14, 22), true, "hard_swish($a)",
    x * (x <= -3 ? (T)0 : x >= 3 ? (T)1 : x / 6 + (T)0.5))
ROW(Log, ESK_SINCE(1, 6, 13), false, "log_($a)", log(x))
ROW(Mish, ESK_SINCE(18, 22), true, "mish($a)", x * tanh(log1p(exp(x))))
ROW(Reciprocal, ESK_SINCE(1, 6, 13), false, "(1.0 / $a)", 1 / x)
ROW(Round, ESK_SINCE(11, 22), true, "roundEven($a)", rint(x))
ROW(Sigmoid, ESK_SINCE(1, 6, 13), false, "sigmoid($a)", SIGMOID(x))
ROW(Sin, ESK_SINCE(7, 22), true, "sin_($a)", sin(x))
ROW(Sinh, ESK_SINCE(9, 22), true, "sinh_($a)", sinh(x))
ROW(Softplus, ESK_SINCE(1, 22), false, "softplus($a)", (x > 0 ? x : 0) + log1p(exp(-fabs(x))))
ROW(Softsign, ESK_SINCE(1, 22), true, "softsign($a)", x / (1 + fabs(x)))
ROW(Sqrt, ESK_SINCE(1, 6, 13), true, "sqrt($a)", sqrt(x))
ROW(Tan, ESK_SINCE(7, 22), true, "tan_($a)", tan(x))
ROW(Tanh, ESK_SINCE(1, 6, 13), true, "tanh_($a)", tanh(x))

ROW_P(Celu, ESK_SINCE(12, 28), ({"alpha", 1.0f}), true, "celu($a, $alpha)",
      x < 0 ? p[0] * expm1(x / p[0]) : x)
ROW_P(Elu, ESK_SINCE(1, 6, 22), ({"alpha", 1.0f}), true, "elu($a, $alpha)",
      x < 0 ? p[0] * expm1(x) : x)
ROW_P(HardSigmoid, ESK_SINCE(1, 6, 22), ({"alpha", 0.2f}, {"beta", 0.5f}), false,
      "hard_sigmoid($a, $alpha, $beta)",
      p[0] * x + p[1] < 0 ? 0 : p[0] * x + p[1] > 1 ? 1 : p[0] * x + p[1])
ROW_P(LeakyRelu, ESK_SINCE(1, 6, 16), ({"alpha", 0.01f}), true, "leaky($a, $alpha)",
      x < 0 ? p[0] * x : x)
ROW_P(Selu, ESK_SINCE(1, 6, 22), ({"alpha", 1.67326319f}, {"gamma", 1.05070102f}), true,
      "selu($a, $alpha, $gamma)", p[1] * (x < 0 ? p[0] * expm1(x) : x))
ROW_P(Shrink, ESK_SINCE(9), ({"lambd", 0.5f}, {"bias", 0.0f}), false,
      "shrink($a, $lambd, $bias)", x < -p[0] ? x + p[1] : x > p[0] ? x - p[1] : 0)
ROW_P(Swish, ESK_SINCE(24), ({"alpha", 1.0f}), true, "swish($a, $alpha)", x * SIGMOID(p[0] * x))
ROW_P(ThresholdedRelu, ESK_SINCE(10, 22), ({"alpha", 1.0f}), true, "thresholded($a, $alpha)",
      x > p[0] ? x : 0)
/* clang-format on */

/* Attributes that are no floats become some of our own. */
static esk_status upgrade_gelu(struct esk_ctx *c) {
    const char *form = esk_attr_string(c->node, "approximate", "none");
    bool by_tanh = strcmp(form, "tanh") == 0;
    if (!by_tanh && strcmp(form, "none") != 0)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "approximate is '%s', it must be none or tanh", form);
    if (!esk_node_set_float(c->graph, c->node, "esk_tanh", by_tanh))
        return esk_fail_memory(c->error, "an attribute");
    return ESK_OK;
}

static esk_status upgrade_is_inf(struct esk_ctx *c) {
    int64_t minus = esk_attr_int(c->node, "detect_negative", 1);
    int64_t plus = esk_attr_int(c->node, "detect_positive", 1);
    if (!esk_node_set_float(c->graph, c->node, "esk_minus", minus != 0) ||
        !esk_node_set_float(c->graph, c->node, "esk_plus", plus != 0))
        return esk_fail_memory(c->error, "attributes");
    return ESK_OK;
}

#define GELU_TANH (T)0.79788456080286535588 * (x + (T)0.044715 * x * x * x)
#define GELU_ERF  x *(T)0.70710678118654752440

FLOAT_UNARY(Gelu, ESK_SINCE(20), upgrade_gelu, ATTRS({"esk_tanh", 0.0f}), true,
            "gelu($a, $esk_tanh)", real,
            HALF(x) * (1 + (p[0] != 0 ? tanh(GELU_TANH) : erf(GELU_ERF))))
FLOAT_UNARY(IsInf, ESK_SINCE(10, 20), upgrade_is_inf,
            ATTRS({"esk_minus", 1.0f}, {"esk_plus", 1.0f}), true,
            "infinity_test($a, $esk_minus, $esk_plus)", truth,
            isinf(x) && (x < 0 ? p[0] : p[1]) != 0)
FLOAT_UNARY(IsNaN, ESK_SINCE(9, 13, 20), NULL, NO_ATTRS, true, "nan_test($a)", truth,
            x != x)

/* ---- operators of integer types besides ---- */

#define PLAIN(x)                    (x)
#define WRAP_NEG(U, x)              (0 - (U)x)
#define ABS_FLOAT(name, type, T, U) ESK_ROW1(name, type, T, T, fabs(x))
#define ABS_SIGNED(name, type, T, U) \
    ESK_ROW1(name, type, T, T, x < 0 ? WRAP_NEG(U, x) : (U)x)
#define SAME(name, type, T, U)          ESK_ROW1(name, type, T, T, x)
#define NEG_FLOAT(name, type, T, U)     ESK_ROW1(name, type, T, T, -x)
#define NEG_SIGNED(name, type, T, U)    ESK_ROW1(name, type, T, T, WRAP_NEG(U, x))
#define RELU(name, type, T, U)          ESK_ROW1(name, type, T, T, x < 0 ? 0 : x)
#define SIGN(name, type, T, U)          ESK_ROW1(name, type, T, T, x > 0 ? 1 : x < 0 ? -1 : x)
#define SIGN_UNSIGNED(name, type, T, U) ESK_ROW1(name, type, T, T, x > 0)
#define COMPLEMENT(name, type, T, U)    ESK_ROW1(name, type, T, T, ~(U)x)

ESK_EACH_FLOAT(ABS_FLOAT, Abs)
ESK_EACH_SIGNED(ABS_SIGNED, Abs)
ESK_EACH_UNSIGNED(SAME, Abs)
static const struct esk_rows rows_Abs = {.fn = {ESK_FLOAT_ROWS(Abs), ESK_INT_ROWS(Abs)}};
static const struct esk_elementwise elementwise_Abs = {
    .exprs = {{ESK_CLASS_F, "abs($a)"},
              {ESK_CLASS_I, "abs($a)"},
              {ESK_CLASS_U, "$a"},
              {ESK_CLASS_L, "abs64($a)"},
              {ESK_CLASS_UL, "$a"}},
    .pad_zero = true,
};
UNARY_OP(Abs, ESK_SINCE(1, 6, 13), NULL)

ESK_EACH_FLOAT(NEG_FLOAT, Neg)
ESK_EACH_SIGNED(NEG_SIGNED, Neg)
static const struct esk_rows rows_Neg = {
    .fn = {ESK_FLOAT_ROWS(Neg), ESK_SIGNED_ROWS(Neg)}};
static const struct esk_elementwise elementwise_Neg = {
    .exprs = {{ESK_CLASS_F, "(-$a)"}, {ESK_CLASS_I, "(-$a)"}, {ESK_CLASS_L, "neg64($a)"}},
    .pad_zero = true,
};
UNARY_OP(Neg, ESK_SINCE(1, 6, 13), NULL)

ESK_EACH_FLOAT(RELU, Relu)
ESK_EACH_SIGNED(RELU, Relu)
static const struct esk_rows rows_Relu = {
    .fn = {ESK_FLOAT_ROWS(Relu), ESK_SIGNED_ROWS(Relu)}};
static const struct esk_elementwise elementwise_Relu = {
    .exprs = {{ESK_CLASS_F, "relu($a)"},
              {ESK_CLASS_I, "max($a, 0)"},
              {ESK_CLASS_L, "max64($a, uvec2(0u))"}},
    .pad_zero = true,
};
UNARY_OP(Relu, ESK_SINCE(1, 6, 13, 14), NULL)

ESK_EACH_FLOAT(SIGN, Sign)
ESK_EACH_SIGNED(SIGN, Sign)
ESK_EACH_UNSIGNED(SIGN_UNSIGNED, Sign)
static const struct esk_rows rows_Sign = {
    .fn = {ESK_FLOAT_ROWS(Sign), ESK_INT_ROWS(Sign)}};
static const struct esk_elementwise elementwise_Sign = {
    .exprs = {{ESK_CLASS_F, "sign_($a)"},
              {ESK_CLASS_I, "sign($a)"},
              {ESK_CLASS_U, "ne0($a)"},
              {ESK_CLASS_L, "sign64($a)"},
              {ESK_CLASS_UL, "u64(ne0($a))"}},
    .pad_zero = true,
};
UNARY_OP(Sign, ESK_SINCE(9, 13), NULL)

ESK_EACH_INT(COMPLEMENT, BitwiseNot)
static const struct esk_rows rows_BitwiseNot = {.fn = {ESK_INT_ROWS(BitwiseNot)}};
static const struct esk_elementwise elementwise_BitwiseNot = {
    .exprs = {{ESK_CLASS_I, "(~$a)"},
              {ESK_CLASS_U, "(~$a)"},
              {ESK_CLASS_L, "(~$a)"},
              {ESK_CLASS_UL, "(~$a)"}},
};
UNARY_OP(BitwiseNot, ESK_SINCE(18), NULL)

ESK_ROW1(Not, BOOL, uint8_t, uint8_t, !x)
static const struct esk_rows rows_Not = {.fn = {[ESK_BOOL] = Not_BOOL}};
static const struct esk_elementwise elementwise_Not = {
    .exprs = {{ESK_CLASS_B, "($a ^ 1u)"}},
};
UNARY_OP(Not, ESK_SINCE(1), NULL)
