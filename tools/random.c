/* Seeded random tensors.
 * In: a seed and a name. Out: values, the same everywhere. Must not know models. */
#include "random.h"

#include "element.h"

#include <string.h>

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

bool random_fill(esk_value *value, uint64_t seed, const char *name) {
    esk_dtype dtype = esk_value_dtype(value);
    enum element_class class = element_class(dtype);
    size_t count = (size_t)esk_value_count(value);
    uint64_t state = seed;
    void *data = esk_value_data(value);

    for (; *name; name++)
        state = (state ^ (unsigned char)*name) * 0x100000001b3u; /* FNV-1a */
    if (class == ELEMENT_COMPLEX) {
        count *= 2;
        dtype = dtype == ESK_COMPLEX64 ? ESK_FLOAT : ESK_DOUBLE;
        class = ELEMENT_REAL;
    }
    if (esk_dtype_bits(dtype) < 8) { /* packed: any bits are right */
        for (size_t i = 0; i < esk_value_size(value); i++)
            ((uint8_t *)data)[i] = next(&state) >> 56;
        return class != ELEMENT_NONE;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = next(&state);
        /* 24 bits: exact in a float */
        double number = class == ELEMENT_REAL ? (double)(bits >> 40) / (1 << 23) - 1
                                              : (double)(bits >> 63);

        if (!element_store(dtype, data, i, number))
            return false;
    }
    return true;
}
