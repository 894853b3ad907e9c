/* Bit arithmetic of the 16-bit float formats. In: one value; out: one value. */
#include "base/half.h"

#include <string.h>

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

float esk_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31;
    uint32_t mantissa = half & 0x3ff;
    if (exponent == 31)
        return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent)
        return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * 0x1p-24f;
    return float_of(sign | bits_of(magnitude));
}

uint16_t esk_float_to_half(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
    if (rest > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (rest >> 13 & 0x1ff));
    if (rest >= 0x477ff000) /* 65520: rounds past the largest finite half */
        return (uint16_t)(sign | 0x7c00);
    if (rest <
        0x38800000) { /* below 2^-14: subnormal; adding 0.5 aligns units of 2^-24 */
        float shifted = float_of(rest) + 0.5f;
        return (uint16_t)(sign | (bits_of(shifted) - 0x3f000000));
    }
    uint32_t odd = rest >> 13 & 1;
    return (uint16_t)(sign | (rest + 0xfff + odd - 0x38000000) >> 13);
}

uint16_t esk_double_to_half(double value) {
    /* round to odd in float first, so that the second rounding sees what was cut */
    float nearest = (float)value;
    uint32_t bits = bits_of(nearest);
    if (value == value && (double)nearest != value && (bits & 0x7f800000) != 0x7f800000) {
        double magnitude = value < 0 ? -value : value;
        double rounded = nearest < 0 ? -(double)nearest : (double)nearest;
        if (rounded > magnitude)
            bits--;
        bits |= 1;
    }
    return esk_float_to_half(float_of(bits));
}

float esk_bfloat_to_float(uint16_t bits) {
    return float_of((uint32_t)bits << 16);
}

uint16_t esk_float_to_bfloat(float value) {
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
