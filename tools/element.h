/* Elements of host tensors as numbers: what comparing, printing and converting share.
 * In: a dtype and bytes as the public API gives them. Must not know files or sessions. */
#ifndef ESKER_TOOLS_ELEMENT_H
#define ESKER_TOOLS_ELEMENT_H

#include "esker/tensor.h"

enum element_class {
    ELEMENT_NONE, /* strings and unknown types: nothing can be read */
    ELEMENT_BOOL,
    ELEMENT_INT, /* signed, 2 to 64 bits */
    ELEMENT_UINT,
    ELEMENT_REAL,    /* 4 to 64 bits */
    ELEMENT_COMPLEX, /* two reals: part 0 and part 1 */
};

enum element_class element_class(esk_dtype dtype);

/* A float type of 16 bits or less. */
bool element_is_narrow_float(esk_dtype dtype);

/* Element `index` as a real number; of a complex one the part `part` (0 or 1). 64-bit
 * integers are rounded. NaN for ELEMENT_NONE. */
double element_real(esk_dtype dtype, const void *data, size_t index, int part);

/* Element `index` of an integer or bool type, exactly; unsigned ones as bits. */
int64_t element_int(esk_dtype dtype, const void *data, size_t index);

/* Writes a number as element `index`: rounded and clamped for integers. Only FLOAT,
 * DOUBLE, FLOAT16, BFLOAT16, BOOL and the integers of 8 bits and more. false for others.
 */
bool element_store(esk_dtype dtype, void *data, size_t index, double value);

/* Text of element `index` in `text`; returns `text`. */
char *element_print(esk_dtype dtype, const void *data, size_t index, char *text,
                    size_t size);

#endif
