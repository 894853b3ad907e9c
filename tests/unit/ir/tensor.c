/* Shapes and elements of tensors in host memory. */
#include "ir/tensor.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>

Test(tensor, dtype_facts) {
    cr_assert_str_eq(esk_dtype_name(ESK_FLOAT16), "float16");
    cr_assert_str_eq(esk_dtype_name((esk_dtype)99), "undefined");
    cr_assert_eq(esk_dtype_bits(ESK_INT4), 4);
    cr_assert_eq(esk_dtype_bits(ESK_STRING), 0);
    size_t bytes;
    cr_assert(esk_dtype_bytes(ESK_UINT4, 3, &bytes) && bytes == 2);
    cr_assert(esk_dtype_bytes(ESK_UINT2, 5, &bytes) && bytes == 2);
    cr_assert_not(esk_dtype_bytes(ESK_DOUBLE, INT64_MAX / 8, &bytes));
}

Test(tensor, counts_are_checked) {
    int64_t count;
    cr_assert(esk_shape_count(0, NULL, &count) && count == 1);
    cr_assert(esk_shape_count(3, (const int64_t[]){2, 0, 5}, &count) && count == 0);
    /* an empty tensor may have any other dims */
    cr_assert(esk_shape_count(3, (const int64_t[]){INT64_MAX, 0, INT64_MAX}, &count) &&
              count == 0);
    cr_assert_not(esk_shape_count(2, (const int64_t[]){INT64_MAX, 2}, &count));
    cr_assert_not(esk_shape_count(1, (const int64_t[]){-1}, &count));
}

Test(tensor, broadcasting) {
    int64_t out[ESK_MAX_RANK], strides[ESK_MAX_RANK];
    int rank;
    cr_assert(esk_shape_broadcast(3, (const int64_t[]){2, 1, 4}, 2,
                                  (const int64_t[]){3, 1}, &rank, out));
    cr_assert(esk_shape_equal(rank, out, 3, (const int64_t[]){2, 3, 4}));
    cr_assert(esk_shape_broadcast(1, (const int64_t[]){1}, 1, (const int64_t[]){0}, &rank,
                                  out));
    cr_assert_eq(out[0], 0);
    cr_assert_not(esk_shape_broadcast(1, (const int64_t[]){2}, 1, (const int64_t[]){3},
                                      &rank, out));
    esk_shape_broadcast_strides(2, (const int64_t[]){3, 1}, 3, (const int64_t[]){2, 3, 4},
                                strides);
    cr_assert(esk_shape_equal(3, strides, 3, (const int64_t[]){0, 1, 0}));
}

Test(tensor, axes) {
    int axis;
    cr_assert(esk_shape_axis(-1, 3, &axis) && axis == 2);
    cr_assert(esk_shape_axis(0, 1, &axis) && axis == 0);
    cr_assert_not(esk_shape_axis(3, 3, &axis));
    cr_assert_not(esk_shape_axis(-4, 3, &axis));
    cr_assert_not(esk_shape_axis(INT64_MIN, 3, &axis));
}

Test(tensor, elements_of_every_type) {
    static const esk_dtype types[] = {ESK_FLOAT, ESK_DOUBLE, ESK_FLOAT16, ESK_BFLOAT16,
                                      ESK_INT8,  ESK_UINT8,  ESK_INT16,   ESK_UINT16,
                                      ESK_INT32, ESK_UINT32, ESK_INT64,   ESK_UINT64};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint64_t room[4] = {0};
        struct esk_tensor tensor = {
            .dtype = types[i], .rank = 1, .dim = {4}, .data = room};
        esk_tensor_set_int(&tensor, 1, 100);
        esk_tensor_set_double(&tensor, 2, 7.0);
        cr_assert_eq(esk_tensor_int(&tensor, 1), 100, "%s", esk_dtype_name(types[i]));
        cr_assert_eq(esk_tensor_double(&tensor, 2), 7.0, "%s", esk_dtype_name(types[i]));
        cr_assert_eq(esk_tensor_int(&tensor, 3), 0);
    }
    float odd[] = {NAN, INFINITY, -INFINITY};
    struct esk_tensor tensor = {.dtype = ESK_FLOAT, .rank = 1, .dim = {3}, .data = odd};
    cr_assert_eq(esk_tensor_int(&tensor, 0), 0);
    cr_assert_eq(esk_tensor_int(&tensor, 1), INT64_MAX);
    cr_assert_eq(esk_tensor_int(&tensor, 2), INT64_MIN);
}

Test(tensor, prints) {
    struct esk_text text = {0};
    esk_shape_print(&text, ESK_FLOAT, 2, (const int64_t[]){1, -1});
    esk_shape_print(&text, ESK_INT64, 0, NULL);
    esk_shape_print(&text, ESK_BOOL, -1, NULL);
    cr_assert_str_eq(esk_text_str(&text), "float[1,?]int64[]bool[...]");
    esk_text_finish(&text);
}
