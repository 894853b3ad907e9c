/* Comparisons, logic and bits of two inputs with broadcasting. A member is a table row
 * for each class: GLSL (glsl/lib/integer.glsl), and the CPU's expression over x and z. */
#include "recipes/elementwise.h"
#include "recipes/rows.h"

#include <string.h>

/* Opset 1: the same as now, unless B is laid along an axis. */
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

static esk_status upgrade_shift(struct esk_ctx *c) {
    const char *direction = esk_attr_string(c->node, "direction", "");
    bool left = strcmp(direction, "LEFT") == 0;
    if (!left && strcmp(direction, "RIGHT") != 0)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "direction is '%s', it must be LEFT or RIGHT", direction);
    if (!esk_node_set_float(c->graph, c->node, "esk_left", left))
        return esk_fail_memory(c->error, "an attribute");
    return ESK_OK;
}

#define OP(Name, versions, upgrade_fn)      \
    const struct esk_op esk_op_##Name = {   \
        .domain = "",                       \
        .name = #Name,                      \
        .since = versions,                  \
        .flags = ESK_OP_ELEMENTWISE,        \
        .min_in = 2,                        \
        .min_out = 1,                       \
        .upgrade = upgrade_fn,              \
        .infer = esk_rows_infer,            \
        .cpu = esk_rows_cpu,                \
        .gpu = esk_elementwise_gpu,         \
        .elementwise = &elementwise_##Name, \
        .data = &rows_##Name,               \
    };

/* ---- comparisons: `plain` serves F, I and U, `wide` L, `wide_u` UL ---- */

#define COMPARISON(Name, versions, upgrade_fn, each, table, plain, wide, wide_u, bools) \
    ESK_EACH_FLOAT(each, Name)                                                          \
    ESK_EACH_INT(each, Name)                                                            \
    static const struct esk_rows rows_##Name = {                                        \
        .fn = {ESK_FLOAT_ROWS(Name), ESK_INT_ROWS(Name), table}, .to_bool = true};      \
    static const struct esk_elementwise elementwise_##Name = {                          \
        .exprs = {{ESK_CLASS_F, plain},                                                 \
                  {ESK_CLASS_I, plain},                                                 \
                  {ESK_CLASS_U, plain},                                                 \
                  {ESK_CLASS_L, wide},                                                  \
                  {ESK_CLASS_UL, wide_u},                                               \
                  {ESK_CLASS_B, bools}},                                                \
    };                                                                                  \
    OP(Name, versions, upgrade_fn)

#define EQUAL(name, type, T, U)         ESK_ROW2(name, type, T, uint8_t, x == z)
#define GREATER(name, type, T, U)       ESK_ROW2(name, type, T, uint8_t, x > z)
#define GREATER_EQUAL(name, type, T, U) ESK_ROW2(name, type, T, uint8_t, x >= z)
#define LESS(name, type, T, U)          ESK_ROW2(name, type, T, uint8_t, x < z)
#define LESS_EQUAL(name, type, T, U)    ESK_ROW2(name, type, T, uint8_t, x <= z)

ESK_ROW2(Equal, BOOL, uint8_t, uint8_t, !x == !z)
COMPARISON(Equal, ESK_SINCE(1, 7, 11, 13, 19), upgrade_legacy,
           EQUAL, [ESK_BOOL] = Equal_BOOL, "eq($a, $b)", "eq($a, $b)", "eq($a, $b)",
           "eq($a, $b)")
COMPARISON(Greater, ESK_SINCE(1, 7, 9, 13), upgrade_legacy, GREATER, [ESK_BOOL] = NULL,
           "lt($b, $a)", "lt($b, $a)", "ltu($b, $a)", NULL)
COMPARISON(GreaterOrEqual, ESK_SINCE(12, 16), NULL, GREATER_EQUAL, [ESK_BOOL] = NULL,
           "le($b, $a)", "le($b, $a)", "leu($b, $a)", NULL)
COMPARISON(Less, ESK_SINCE(1, 7, 9, 13), upgrade_legacy, LESS, [ESK_BOOL] = NULL,
           "lt($a, $b)", "lt($a, $b)", "ltu($a, $b)", NULL)
COMPARISON(LessOrEqual, ESK_SINCE(12, 16), NULL, LESS_EQUAL, [ESK_BOOL] = NULL,
           "le($a, $b)", "le($a, $b)", "leu($a, $b)", NULL)

/* ---- logic ---- */

#define LOGIC(Name, glsl, expr)                                                    \
    ESK_ROW2(Name, BOOL, uint8_t, uint8_t, expr)                                   \
    static const struct esk_rows rows_##Name = {.fn = {[ESK_BOOL] = Name##_BOOL}}; \
    static const struct esk_elementwise elementwise_##Name = {                     \
        .exprs = {{ESK_CLASS_B, glsl}}};                                           \
    OP(Name, ESK_SINCE(1, 7), upgrade_legacy)

LOGIC(And, "($a & $b)", x &&z)
LOGIC(Or, "($a | $b)", x || z)
LOGIC(Xor, "($a ^ $b)", !x != !z)

/* ---- bits; GLSL has the operators for uvec2 too ---- */

#define BITWISE(Name, each, glsl)                                            \
    ESK_EACH_INT(each, Name)                                                 \
    static const struct esk_rows rows_##Name = {.fn = {ESK_INT_ROWS(Name)}}; \
    static const struct esk_elementwise elementwise_##Name = {               \
        .exprs = {{ESK_CLASS_I, glsl},                                       \
                  {ESK_CLASS_U, glsl},                                       \
                  {ESK_CLASS_L, glsl},                                       \
                  {ESK_CLASS_UL, glsl}},                                     \
    };                                                                       \
    OP(Name, ESK_SINCE(18), NULL)

#define BITS_AND(name, type, T, U) ESK_ROW2(name, type, T, T, (U)x &(U)z)
#define BITS_OR(name, type, T, U)  ESK_ROW2(name, type, T, T, (U)x | (U)z)
#define BITS_XOR(name, type, T, U) ESK_ROW2(name, type, T, T, (U)x ^ (U)z)

BITWISE(BitwiseAnd, BITS_AND, "($a & $b)")
BITWISE(BitwiseOr, BITS_OR, "($a | $b)")
BITWISE(BitwiseXor, BITS_XOR, "($a ^ $b)")

/* By less than 0, or the width of the type or more: what filling with the sign leaves. */
static int64_t shift_signed(int64_t x, int64_t n, int bits, bool left) {
    bool all = n < 0 || n >= bits;
    if (left)
        return all ? 0 : (int64_t)((uint64_t)x << n);
    return all ? (x < 0 ? -1 : 0) : x >> n;
}

#define SHIFT_SIGNED(name, type, T, U) \
    ESK_ROW2(name, type, T, T, shift_signed(x, z, (int)sizeof(T) * 8, p[0] != 0))
#define SHIFT(name, type, T, U)                       \
    ESK_ROW2(name, type, T, T,                        \
             (uint64_t)z >= sizeof(T) * 8 ? 0         \
             : p[0] != 0                  ? (U)x << z \
                                          : (U)x >> z)
ESK_EACH_SIGNED(SHIFT_SIGNED, BitShift)
ESK_EACH_UNSIGNED(SHIFT, BitShift)
static const struct esk_rows rows_BitShift = {.fn = {ESK_INT_ROWS(BitShift)}};
static const struct esk_elementwise elementwise_BitShift = {
    .exprs = {{ESK_CLASS_I, "shift($a, $b, $esk_left)"},
              {ESK_CLASS_U, "shift($a, $b, $esk_left)"},
              {ESK_CLASS_L, "shift64s($a, $b, $esk_left)"},
              {ESK_CLASS_UL, "shift64($a, $b, $esk_left)"}},
    .attrs = {{"esk_left", 0.0f}},
};
OP(BitShift, ESK_SINCE(11, 28), upgrade_shift)
