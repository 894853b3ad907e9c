/* Cast (to: an attribute) and CastLike (to: the type of input 1, whose elements do not
 * count). Floats to integers: see recipes/rows.h. */
#include "recipes/elementwise.h"
#include "recipes/rows.h"

enum { CHUNK = 256 };

static esk_status infer_to(struct esk_ctx *c, esk_dtype to) {
    const struct esk_var *x = esk_in(c, 0);
    if (!esk_rows_has_type(x->dtype) || !esk_rows_has_type(to))
        return esk_node_fail(c, ESK_UNSUPPORTED, "%s to %s is not supported",
                             esk_dtype_name(x->dtype), esk_dtype_name(to));
    return esk_set_out(c, 0, to, x->rank, x->dim);
}

static esk_status infer_cast(struct esk_ctx *c) {
    return infer_to(c, (esk_dtype)esk_attr_int(c->node, "to", ESK_DTYPE_UNDEFINED));
}

static esk_status infer_like(struct esk_ctx *c) {
    return infer_to(c, esk_in(c, 1)->dtype);
}

static void visit(void *user, int64_t n, int64_t at, const int64_t *offset,
                  const int64_t *step) {
    struct esk_cpu *c = user;
    union {
        double d[CHUNK];
        int64_t i[CHUNK];
    } chunk;
    for (int64_t done = 0; done < n; done += CHUNK) {
        int64_t m = n - done < CHUNK ? n - done : CHUNK,
                from = offset[0] + done * step[0];
        if (esk_dtype_is_float(c->in[0]->dtype)) {
            esk_rows_load_doubles(c->in[0], from, step[0], m, chunk.d);
            esk_rows_store_doubles(c->out[0], at + done, m, chunk.d);
        } else {
            esk_rows_load_ints(c->in[0], from, step[0], m, chunk.i);
            esk_rows_store_ints(c->out[0], at + done, m, chunk.i,
                                c->in[0]->dtype == ESK_UINT64);
        }
    }
}

static esk_status cpu(struct esk_cpu *c) {
    if (c->out[0])
        esk_rows_each(c, 1, visit, c);
    return ESK_OK;
}

/* GLSL from one type to another; NULL: there is none. */
static const char *conversion(esk_dtype from, esk_dtype to) {
    enum {
        F = ESK_CLASS_F,
        I = ESK_CLASS_I,
        U = ESK_CLASS_U,
        L = ESK_CLASS_L,
        UL = ESK_CLASS_UL,
        B = ESK_CLASS_B
    };
    /* STORE narrows to types of 8 and 16 bits */
    static const char *const rows[7][7] = {
        [F] = {[F] = "$a",
               [I] = "int_of($a)",
               [U] = "uint_of($a)",
               [L] = "i64_of_float($a)",
               [UL] = "u64_of_float($a)",
               [B] = "ne0($a)"},
        [I] = {[F] = "to_float($a)",
               [I] = "$a",
               [U] = "to_uint($a)",
               [L] = "i64($a)",
               [UL] = "i64($a)",
               [B] = "ne0($a)"},
        [U] = {[F] = "to_float($a)",
               [I] = "to_int($a)",
               [U] = "$a",
               [L] = "u64($a)",
               [UL] = "u64($a)",
               [B] = "ne0($a)"},
        [L] = {[F] = "float_of64($a)",
               [I] = "int($a.x)",
               [U] = "$a.x",
               [L] = "$a",
               [UL] = "$a",
               [B] = "ne0($a)"},
        [UL] = {[F] = "float_of64u($a)",
                [I] = "int($a.x)",
                [U] = "$a.x",
                [L] = "$a",
                [UL] = "$a",
                [B] = "ne0($a)"},
        [B] = {[F] = "to_float($a)",
               [I] = "to_int($a)",
               [U] = "$a",
               [L] = "u64($a)",
               [UL] = "u64($a)",
               [B] = "$a"},
    };
    int a = (int)esk_class_of(from), b = (int)esk_class_of(to);
    if (a == F && b == F && to == ESK_FLOAT16 && from != to)
        return "as_half($a)";
    if (a == F && (to == ESK_UINT8 || to == ESK_UINT16))
        return "to_uint(int_of($a))";
    return rows[a][b];
}

static const char *expr(const struct esk_graph *graph, const struct esk_node *node) {
    return conversion(graph->vars[node->in[0]]->dtype, graph->vars[node->out[0]]->dtype);
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = c->graph->vars[c->node->out[0]];
    const char *glsl = conversion(x->dtype, y->dtype);
    if (!glsl)
        return esk_unsupported(c, "%s to %s", esk_dtype_name(x->dtype),
                               esk_dtype_name(y->dtype));
    if (x->dtype == y->dtype && !c->group && (x->data || x->layout == ESK_LAYOUT_DENSE)) {
        esk_add_alias(c, 0);
        return ESK_OK;
    }
    return esk_elementwise_expr(c, glsl, 1, true);
}

static const struct esk_elementwise elementwise = {.expr = expr, .pad_zero = true};

const struct esk_op esk_op_Cast = {
    .domain = "",
    .name = "Cast",
    .since = ESK_SINCE(1, 6, 9, 13, 19, 21, 23, 24, 25, 28),
    .flags = ESK_OP_ELEMENTWISE,
    .min_in = 1,
    .min_out = 1,
    .infer = infer_cast,
    .cpu = cpu,
    .gpu = gpu,
    .elementwise = &elementwise,
};

const struct esk_op esk_op_CastLike = {
    .domain = "",
    .name = "CastLike",
    .since = ESK_SINCE(15, 19, 21, 23, 24, 25),
    .flags = ESK_OP_EPILOGUE,
    .min_in = 2,
    .min_out = 1,
    .infer = infer_like,
    .cpu = cpu,
    .gpu = gpu,
};
