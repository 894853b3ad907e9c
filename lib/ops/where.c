/* Where: condition ? X : Y, with broadcasting. */
#include "recipes/elementwise.h"
#include "recipes/rows.h"

#define WHERE(name, type, ctype)                                             \
    static void name##_##type(int64_t n, void *y, const void *const *in,     \
                              const int64_t *step, const float *p) {         \
        const uint8_t *condition = in[0];                                    \
        const ctype *a = in[1], *b = in[2];                                  \
        ctype *r = y;                                                        \
        (void)p;                                                             \
        for (int64_t i = 0; i < n; i++)                                      \
            r[i] = condition[i * step[0]] ? a[i * step[1]] : b[i * step[2]]; \
    }
/* by size alone */
WHERE(where, 8, uint8_t)
WHERE(where, 16, uint16_t)
WHERE(where, 32, uint32_t)
WHERE(where, 64, uint64_t)

static const struct esk_rows rows = {
    .fn =
        {
            [ESK_BOOL] = where_8,
            [ESK_INT8] = where_8,
            [ESK_UINT8] = where_8,
            [ESK_INT16] = where_16,
            [ESK_UINT16] = where_16,
            [ESK_FLOAT16] = where_16,
            [ESK_BFLOAT16] = where_16,
            [ESK_INT32] = where_32,
            [ESK_UINT32] = where_32,
            [ESK_FLOAT] = where_32,
            [ESK_INT64] = where_64,
            [ESK_UINT64] = where_64,
            [ESK_DOUBLE] = where_64,
            [ESK_COMPLEX64] = where_64,
        },
    .typed_by = 1,
};

static const struct esk_elementwise elementwise = {
    .exprs = {{ESK_CLASS_F, "select($a, $b, $c)"},
              {ESK_CLASS_I, "select($a, $b, $c)"},
              {ESK_CLASS_U, "select($a, $b, $c)"},
              {ESK_CLASS_L, "select($a, $b, $c)"},
              {ESK_CLASS_UL, "select($a, $b, $c)"},
              {ESK_CLASS_B, "select($a, $b, $c)"}},
};

const struct esk_op esk_op_Where = {
    .domain = "",
    .name = "Where",
    .since = ESK_SINCE(9, 16),
    .flags = ESK_OP_ELEMENTWISE,
    .min_in = 3,
    .min_out = 1,
    .infer = esk_rows_infer,
    .cpu = esk_rows_cpu,
    .gpu = esk_elementwise_gpu,
    .elementwise = &elementwise,
    .data = &rows,
};
