/* ReverseSequence: the first lens[b] steps of batch entry b in reverse. On the device a
 * length out of range leaves an entry's steps where they would fall, within the entry. */
#include "recipes/map.h"
#include "recipes/move.h"

#include <inttypes.h>
#include <string.h>

static esk_status infer(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *lens = esk_in(c, 1);
    int64_t batch = esk_attr_int(c->node, "batch_axis", 1);
    int64_t time = esk_attr_int(c->node, "time_axis", 0);
    if (x->rank < 2 || batch < 0 || batch > 1 || time != 1 - batch)
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "batch_axis %" PRId64 ", time_axis %" PRId64
                             ", rank %d: they "
                             "must be 0 and 1, the rank at least 2",
                             batch, time, x->rank);
    if (lens->dtype != ESK_INT64 || lens->rank != 1 || lens->dim[0] != x->dim[batch])
        return esk_node_fail(c, ESK_INVALID_MODEL,
                             "sequence_lens must be %" PRId64 " int64s", x->dim[batch]);
    return esk_set_out_like(c, 0, 0);
}

static esk_status cpu(struct esk_cpu *c) {
    const struct esk_tensor *x = c->in[0], *y = c->out[0];
    if (!y || !y->bytes)
        return ESK_OK;
    bool batch_first = esk_attr_int(c->node, "batch_axis", 1) == 0;
    int64_t batches = x->dim[batch_first ? 0 : 1], steps = x->dim[batch_first ? 1 : 0];
    int64_t batch_stride = batch_first ? steps : 1,
            step_stride = batch_first ? 1 : batches;
    size_t inner = y->bytes / (size_t)(batches * steps);
    const int64_t *lens = c->in[1]->data;
    if (!esk_move_element(x->dtype))
        return esk_cpu_fail(c, ESK_UNSUPPORTED, "elements of type %s are not moved",
                            esk_dtype_name(x->dtype));
    for (int64_t b = 0; b < batches; b++) {
        if (lens[b] < 0 || lens[b] > steps)
            return esk_cpu_fail(c, ESK_INVALID_ARGUMENT,
                                "length %" PRId64 " of %" PRId64 " steps", lens[b],
                                steps);
        for (int64_t t = 0; t < steps; t++) {
            int64_t from = t < lens[b] ? lens[b] - 1 - t : t;
            memcpy((char *)y->data + (size_t)(b * batch_stride + t * step_stride) * inner,
                   (const char *)x->data +
                       (size_t)(b * batch_stride + from * step_stride) * inner,
                   inner);
        }
    }
    return ESK_OK;
}

static esk_status gpu(struct esk_ctx *c) {
    const struct esk_var *x = esk_in(c, 0), *who;
    bool batch_first = esk_attr_int(c->node, "batch_axis", 1) == 0;
    if (!esk_all_storable(c, &who))
        return esk_unsupported(c, "%s is not kept on the device",
                               esk_dtype_name(who->dtype));
    if (esk_var_count(x) > INT32_MAX)
        return esk_unsupported(c, "%" PRId64 " elements, the limit is 2147483647",
                               esk_var_count(x));
    struct esk_recipe *r = esk_add_recipe(c, "reverse sequence");
    struct esk_kernel *k = esk_recipe_kernel(r, "reverse_sequence");
    esk_kernel_in(c, r, k, "X", 0, ESK_ELEMENT);
    esk_kernel_in(c, r, k, "L", 1, ESK_ELEMENT);
    esk_kernel_define(k, "BATCH_FIRST", batch_first);
    esk_kernel_int(k, "second", x->dim[1]);
    esk_kernel_int(k, "steps", x->dim[batch_first]);
    esk_kernel_int(k, "inner", esk_shape_product(x->dim, 2, x->rank));
    esk_kernel_map(c, r, k, 0, false);
    k->bytes = 8.0 * (double)esk_var_count(x);
    return ESK_OK;
}

const struct esk_op esk_op_ReverseSequence = {
    .domain = "",
    .name = "ReverseSequence",
    .since = (const uint8_t[]){10, 28, 0},
    .min_in = 2,
    .min_out = 1,
    .infer = infer,
    .cpu = cpu,
    .gpu = gpu,
};
