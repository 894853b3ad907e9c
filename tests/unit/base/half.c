/* Sixteen-bit floats, all of them. */
#include "base/half.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(half, every_half_survives_a_round_trip) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = esk_half_to_float((uint16_t)bits);
        uint16_t back = esk_float_to_half(value);
        if (value != value) {
            cr_assert((back & 0x7c00) == 0x7c00 && (back & 0x3ff), "%04x", bits);
            continue;
        }
        cr_assert_eq(back, bits, "%04x became %04x", bits, back);
        cr_assert_eq(esk_double_to_half((double)value), bits);
    }
}

Test(half, values_follow_the_format) {
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        int exponent = (int)(bits >> 10);
        double mantissa = (double)(bits & 0x3ff) / 1024;
        double expected =
            exponent ? ldexp(1 + mantissa, exponent - 15) : ldexp(mantissa, -14);
        cr_assert_eq((double)esk_half_to_float((uint16_t)bits), expected, "%04x", bits);
        cr_assert_eq((double)esk_half_to_float((uint16_t)(bits | 0x8000)), -expected);
    }
    cr_assert(isinf(esk_half_to_float(0x7c00)));
}

/* Between two neighbours the nearer one is taken, at the middle the even one. */
Test(half, rounds_to_nearest_even) {
    for (uint32_t bits = 0; bits < 0x7bff; bits++) {
        float low = esk_half_to_float((uint16_t)bits);
        float high = esk_half_to_float((uint16_t)(bits + 1));
        float middle = (low + high) / 2; /* exact */
        cr_assert_eq(esk_float_to_half(middle), bits % 2 ? bits + 1 : bits, "%04x", bits);
        cr_assert_eq(esk_float_to_half(nextafterf(middle, 0)), bits);
        cr_assert_eq(esk_float_to_half(nextafterf(middle, INFINITY)), bits + 1);
    }
    cr_assert_eq(esk_float_to_half(65519.996f), 0x7bff);
    cr_assert_eq(esk_float_to_half(65520.0f), 0x7c00);
    cr_assert_eq(esk_float_to_half(-1e10f), 0xfc00);
}

/* 1 + 2^-11 + 2^-40 is above the middle; through float it would be the middle. */
Test(half, double_is_rounded_once) {
    cr_assert_eq(esk_double_to_half(1 + 0x1p-11 + 0x1p-40), 0x3c01);
    cr_assert_eq(esk_double_to_half(1 + 0x1p-11), 0x3c00);
    cr_assert_eq(esk_double_to_half(0x1p-25 + 0x1p-60), 0x0001);
    cr_assert_eq(esk_double_to_half(0x1p-25), 0x0000);
    cr_assert_eq(esk_double_to_half(1e300), 0x7c00);
}

Test(half, every_bfloat_survives_a_round_trip) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = esk_bfloat_to_float((uint16_t)bits);
        uint16_t back = esk_float_to_bfloat(value);
        if (value != value)
            cr_assert((back & 0x7f80) == 0x7f80 && (back & 0x7f), "%04x", bits);
        else
            cr_assert_eq(back, bits, "%04x became %04x", bits, back);
    }
}
