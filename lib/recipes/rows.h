/* Elementwise operators on the host: rows of elements, with broadcasting. A family member
 * is one row function a type, made by the macros below from one expression. */
#ifndef ESK_RECIPES_ROWS_H
#define ESK_RECIPES_ROWS_H

#include "ir/op.h"

/* Computes n elements into y. in[i] may be NULL (absent); step[i] is 1, or 0 where the
 * same element counts for all. p: the float attributes of the op's elementwise record. */
typedef void (*esk_row_fn)(int64_t n, void *y, const void *const *in, const int64_t *step,
                           const float *p);

/* An op's `data`. Without a row of its own, float16 and bfloat16 go through float's. */
struct esk_rows {
    esk_row_fn fn[ESK_BFLOAT16 + 1]; /* by the type of input `typed_by` */
    uint32_t typed_by;
    bool to_bool;     /* the output's type; else that of input typed_by */
    bool keeps_shape; /* the output has input 0's shape: others must fit into it */
};

/* For ops whose `data` is esk_rows: checks types (inputs from typed_by on have one), then
 * type and shape of output 0. */
esk_status esk_rows_infer(struct esk_ctx *c);
esk_status esk_rows_cpu(struct esk_cpu *c);

/* Visits output 0 row by row: n elements from `at`; input i's from offset[i] by step[i].
 * Only inputs below n_in count. Shapes must broadcast to the output's. */
typedef void (*esk_rows_visit)(void *user, int64_t n, int64_t at, const int64_t *offset,
                               const int64_t *step);
void esk_rows_each(const struct esk_cpu *c, uint32_t n_in, esk_rows_visit visit,
                   void *user);

/* Elements of a tensor of any plain numeric type, n of them from `from` by `step`. Ints
 * come as int64 (uint64 as its bits; floats must not come here); into ints they wrap,
 * into bool what is not 0 is 1. Doubles into ints: towards zero, NaN is 0; int32
 * saturates, uint32 and uint64 too but for what is negative, which wraps, and narrow
 * types keep int32's low bits. */
void esk_rows_load_doubles(const struct esk_tensor *x, int64_t from, int64_t step,
                           int64_t n, double *to);
void esk_rows_load_ints(const struct esk_tensor *x, int64_t from, int64_t step, int64_t n,
                        int64_t *to);
void esk_rows_store_doubles(struct esk_tensor *y, int64_t at, int64_t n,
                            const double *from);
void esk_rows_store_ints(struct esk_tensor *y, int64_t at, int64_t n, const int64_t *from,
                         bool is_unsigned);
/* float, double, float16, bfloat16, bool, the integers of 8 to 64 bits. */
bool esk_rows_has_type(esk_dtype dtype);

/* Row functions from an expression over x (and z, w), p, and T, the type of x. */
#define ESK_ROW1(name, type, ctype, rtype, expr)                         \
    static void name##_##type(int64_t n, void *y, const void *const *in, \
                              const int64_t *step, const float *p) {     \
        typedef ctype T;                                                 \
        const T *a = in[0];                                              \
        rtype *r = y;                                                    \
        (void)step, (void)p;                                             \
        for (int64_t i = 0; i < n; i++) {                                \
            const T x = a[i];                                            \
            r[i] = (rtype)(expr);                                        \
        }                                                                \
    }
#define ESK_ROW2(name, type, ctype, rtype, expr)                         \
    static void name##_##type(int64_t n, void *y, const void *const *in, \
                              const int64_t *step, const float *p) {     \
        typedef ctype T;                                                 \
        const T *a = in[0], *b = in[1];                                  \
        rtype *r = y;                                                    \
        const int64_t sa = step[0], sb = step[1];                        \
        (void)p;                                                         \
        if (sa == 1 && sb == 1)                                          \
            for (int64_t i = 0; i < n; i++) {                            \
                const T x = a[i], z = b[i];                              \
                r[i] = (rtype)(expr);                                    \
            }                                                            \
        else                                                             \
            for (int64_t i = 0; i < n; i++) {                            \
                const T x = a[i * sa], z = b[i * sb];                    \
                r[i] = (rtype)(expr);                                    \
            }                                                            \
    }

/* ROW(name, type, ctype, wide) for each type; wide: an unsigned type that is not narrower
 * than int, in which wrapping arithmetic is defined. */
#define ESK_EACH_FLOAT(ROW, name) \
    ROW(name, FLOAT, float, float) ROW(name, DOUBLE, double, double)
#define ESK_EACH_SIGNED(ROW, name)      \
    ROW(name, INT8, int8_t, uint32_t)   \
    ROW(name, INT16, int16_t, uint32_t) \
    ROW(name, INT32, int32_t, uint32_t) \
    ROW(name, INT64, int64_t, uint64_t)
#define ESK_EACH_UNSIGNED(ROW, name)      \
    ROW(name, UINT8, uint8_t, uint32_t)   \
    ROW(name, UINT16, uint16_t, uint32_t) \
    ROW(name, UINT32, uint32_t, uint32_t) \
    ROW(name, UINT64, uint64_t, uint64_t)
#define ESK_EACH_INT(ROW, name) ESK_EACH_SIGNED(ROW, name) ESK_EACH_UNSIGNED(ROW, name)

/* The table's entries. */
#define ESK_FLOAT_ROWS(name) [ESK_FLOAT] = name##_FLOAT, [ESK_DOUBLE] = name##_DOUBLE
#define ESK_SIGNED_ROWS(name)                                                         \
    [ESK_INT8] = name##_INT8, [ESK_INT16] = name##_INT16, [ESK_INT32] = name##_INT32, \
    [ESK_INT64] = name##_INT64
#define ESK_UNSIGNED_ROWS(name)                               \
    [ESK_UINT8] = name##_UINT8, [ESK_UINT16] = name##_UINT16, \
    [ESK_UINT32] = name##_UINT32, [ESK_UINT64] = name##_UINT64
#define ESK_INT_ROWS(name) ESK_SIGNED_ROWS(name), ESK_UNSIGNED_ROWS(name)

/* A list of versions as a macro's argument. */
#define ESK_SINCE(...) ((const uint8_t[]){__VA_ARGS__, 0})

#endif
