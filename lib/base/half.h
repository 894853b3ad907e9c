/* IEEE 754 binary16 and bfloat16 to and from float; round to nearest, ties to even. */
#ifndef ESK_BASE_HALF_H
#define ESK_BASE_HALF_H

#include <stddef.h>
#include <stdint.h>

float esk_half_to_float(uint16_t half);
uint16_t esk_float_to_half(float value); /* overflow gives infinity; NaN stays NaN */
float esk_bfloat_to_float(uint16_t bits);
uint16_t esk_float_to_bfloat(float value);
uint16_t esk_double_to_half(double value); /* one rounding, not two */

#endif
