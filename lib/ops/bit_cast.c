/* BitCast: the same bits read as a type of the same size. In: x; out: its bytes. */
#include "recipes/elementwise.h"

#include <string.h>

static size_t size_of(esk_dtype dtype) {
    size_t size;
    return esk_dtype_bytes(dtype, 1, &size) ? size : 0;
}

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0);
    esk_dtype to = (esk_dtype)esk_attr_int(c->node, "to", ESK_DTYPE_UNDEFINED);
    size_t from_size = size_of(x->dtype), to_size = size_of(to);
    if (x->dtype == ESK_STRING || to == ESK_STRING || !to_size)
        return esk_node_fail(c, ESK_UNSUPPORTED, "%s to %s", esk_dtype_name(x->dtype),
                             esk_dtype_name(to));
    if (from_size != to_size)
        return esk_node_fail(c, ESK_INVALID_MODEL, "%s has %zu bytes, %s has %zu",
                             esk_dtype_name(x->dtype), from_size, esk_dtype_name(to),
                             to_size);
    return esk_set_out(c, 0, to, x->rank, x->dim);
}

static esk_status cpu(struct esk_cpu *c) {
    if (c->out[0] && c->out[0]->bytes)
        memcpy(c->out[0]->data, c->in[0]->data, c->out[0]->bytes);
    return ESK_OK;
}

/* Whole words only: narrow types are widened in device storage, or packed. */
static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *y = c->graph->vars[c->node->out[0]];
    static const struct {
        esk_dtype from, to;
        const char *glsl;
    } rows[] = {
        {ESK_FLOAT, ESK_INT32, "floatBitsToInt($a)"},
        {ESK_FLOAT, ESK_UINT32, "floatBitsToUint($a)"},
        {ESK_INT32, ESK_FLOAT, "intBitsToFloat($a)"},
        {ESK_UINT32, ESK_FLOAT, "uintBitsToFloat($a)"},
        {ESK_INT32, ESK_UINT32, "to_uint($a)"},
        {ESK_UINT32, ESK_INT32, "to_int($a)"},
        {ESK_INT64, ESK_UINT64, "$a"},
        {ESK_UINT64, ESK_INT64, "$a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].from == x->dtype && rows[i].to == y->dtype)
            return esk_elementwise_expr(c, rows[i].glsl, 1, false);
    return esk_unsupported(c, "%s to %s", esk_dtype_name(x->dtype),
                           esk_dtype_name(y->dtype));
}

const struct esk_op esk_op_BitCast = {
    .domain = "",
    .name = "BitCast",
    .since = (const uint8_t[]){26, 0},
    .flags = ESK_OP_EPILOGUE,
    .min_in = 1,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
