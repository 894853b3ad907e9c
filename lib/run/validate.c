/* Checks of validationMode full on the host: NaN that a node makes of numbers, outputs
 * that are not of the declared shape. In: tensors; out: an error that names node, value
 * and place. Must not know operators by name. */
#include "run/request.h"

#include <inttypes.h>

static bool numbers(const struct esk_graph *graph, esk_id var) {
    return !(graph->vars[var]->flags & ESK_VAR_WORDS);
}

esk_status esk_validate_node(const struct esk_graph *graph, const struct esk_node *node,
                             const struct esk_tensor *in, const struct esk_tensor *out,
                             esk_error *error) {
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != ESK_NONE && numbers(graph, node->in[i]) &&
            esk_tensor_find_nan(&in[i]) >= 0)
            return ESK_OK;
    for (uint32_t i = 0; i < node->n_out; i++) {
        int64_t at = node->out[i] == ESK_NONE || !numbers(graph, node->out[i])
                         ? -1
                         : esk_tensor_find_nan(&out[i]);
        if (at < 0)
            continue;
        struct esk_text text = {0};
        int64_t index[ESK_MAX_RANK];
        for (int k = out[i].rank - 1; k >= 0; k--) {
            index[k] = at % out[i].dim[k];
            at /= out[i].dim[k];
        }
        for (int k = 0; k < out[i].rank; k++)
            esk_text_add(&text, "%s%" PRId64, k ? "," : "", index[k]);
        esk_fail(error, ESK_VALIDATION,
                 "%s '%s': output '%s' is NaN at [%s], and nothing that it reads is",
                 node->op_type, node->name, graph->vars[node->out[i]]->name,
                 esk_text_str(&text));
        esk_text_finish(&text);
        return ESK_VALIDATION;
    }
    return ESK_OK;
}

esk_status esk_validate_output(const esk_value_info *declared,
                               const struct esk_tensor *tensor, esk_error *error) {
    bool same = (!declared->dtype || declared->dtype == tensor->dtype) &&
                (declared->rank < 0 || declared->rank == tensor->rank);
    for (int k = 0; same && k < declared->rank; k++)
        same = declared->dims[k] < 0 || declared->dims[k] == tensor->dim[k];
    if (same)
        return ESK_OK;
    struct esk_text has = {0}, says = {0};
    esk_shape_print(&has, tensor->dtype, tensor->rank, tensor->dim);
    esk_shape_print(&says, declared->dtype, declared->rank, declared->dims);
    esk_fail(error, ESK_VALIDATION, "output '%s' is %s, the model declares %s",
             declared->name, esk_text_str(&has), esk_text_str(&says));
    esk_text_finish(&has);
    esk_text_finish(&says);
    return ESK_VALIDATION;
}
