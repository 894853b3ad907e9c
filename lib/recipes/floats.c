/* In: host tensors; out: arrays of float, and back. Must not know operators. */
#include "recipes/floats.h"

#include "base/half.h"

const float *esk_floats_in(struct esk_arena *scratch, const struct esk_tensor *tensor) {
    if (tensor->dtype == ESK_FLOAT)
        return tensor->data;
    int64_t count = esk_shape_product(tensor->dim, 0, tensor->rank);
    float *out = ESK_ARENA_ARRAY(scratch, float, (size_t)count);
    if (!out)
        return NULL;
    const uint16_t *bits = tensor->data;
    const double *doubles = tensor->data;
    switch (tensor->dtype) {
    case ESK_FLOAT16:
        for (int64_t i = 0; i < count; i++)
            out[i] = esk_half_to_float(bits[i]);
        return out;
    case ESK_BFLOAT16:
        for (int64_t i = 0; i < count; i++)
            out[i] = esk_bfloat_to_float(bits[i]);
        return out;
    case ESK_DOUBLE:
        for (int64_t i = 0; i < count; i++)
            out[i] = (float)doubles[i];
        return out;
    default:
        return NULL;
    }
}

float *esk_floats_out(struct esk_arena *scratch, struct esk_tensor *tensor) {
    if (tensor->dtype == ESK_FLOAT)
        return tensor->data;
    int64_t count = esk_shape_product(tensor->dim, 0, tensor->rank);
    return ESK_ARENA_ARRAY(scratch, float, (size_t)count);
}

void esk_floats_done(struct esk_tensor *tensor, const float *values) {
    int64_t count = esk_shape_product(tensor->dim, 0, tensor->rank);
    uint16_t *bits = tensor->data;
    double *doubles = tensor->data;
    if (tensor->dtype == ESK_FLOAT16)
        for (int64_t i = 0; i < count; i++)
            bits[i] = esk_float_to_half(values[i]);
    else if (tensor->dtype == ESK_BFLOAT16)
        for (int64_t i = 0; i < count; i++)
            bits[i] = esk_float_to_bfloat(values[i]);
    else if (tensor->dtype == ESK_DOUBLE)
        for (int64_t i = 0; i < count; i++)
            doubles[i] = (double)values[i];
}
