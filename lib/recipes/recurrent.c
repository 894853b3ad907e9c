/* In: an LSTM, GRU or RNN node; out: its attributes as numbers. Must not know tensors'
 * bytes. */
#include "recipes/recurrent.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* Names, whether they take alpha and beta, and what these are when not given. */
static const struct {
    const char *name;
    int kind, takes;
    float alpha, beta;
} known[] = {
    {"Relu", ESK_ACT_RELU, 0, 0, 0},
    {"Tanh", ESK_ACT_TANH, 0, 0, 0},
    {"Sigmoid", ESK_ACT_SIGMOID, 0, 0, 0},
    {"Affine", ESK_ACT_AFFINE, 2, 1, 0},
    {"LeakyRelu", ESK_ACT_LEAKY_RELU, 1, 0.01f, 0},
    {"ThresholdedRelu", ESK_ACT_THRESHOLDED_RELU, 1, 1, 0},
    {"ScaledTanh", ESK_ACT_SCALED_TANH, 2, 1, 1},
    {"HardSigmoid", ESK_ACT_HARD_SIGMOID, 2, 0.2f, 0.5f},
    {"Elu", ESK_ACT_ELU, 1, 1, 0},
    {"Softsign", ESK_ACT_SOFTSIGN, 0, 0, 0},
    {"Softplus", ESK_ACT_SOFTPLUS, 0, 0, 0},
};

static esk_status read_activations(const struct esk_node *node, esk_error *error,
                                   struct esk_recurrent *a) {
    static const char *const usual[3][3] = {
        {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    const struct esk_attr *names = esk_node_attr(node, "activations");
    size_t per = a->cell == ESK_CELL_RNN ? 1 : a->cell == ESK_CELL_GRU ? 2 : 3;
    size_t count = per * (size_t)a->directions, at_alpha = 0, at_beta = 0;
    float alphas[8], betas[8];
    size_t n_alphas = esk_attr_floats(node, "activation_alpha", alphas, 8);
    size_t n_betas = esk_attr_floats(node, "activation_beta", betas, 8);
    if (names && names->count && names->count != count)
        return esk_fail(error, ESK_INVALID_MODEL, "%s '%s': %zu activations, not %zu",
                        node->op_type, node->name, names->count, count);
    for (size_t i = 0; i < count; i++) {
        const char *name =
            names && names->count ? names->strings[i].data : usual[a->cell][i % per];
        struct esk_activation *act = &a->acts[i / per][i % per];
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcasecmp(known[k].name, name) != 0)
            k++;
        if (k == sizeof known / sizeof *known)
            return esk_fail(error, ESK_INVALID_MODEL, "%s '%s': activation '%s'",
                            node->op_type, node->name, name);
        act->kind = (int)known[k].kind;
        act->alpha = known[k].alpha;
        act->beta = known[k].beta;
        if (known[k].takes > 0 && at_alpha < n_alphas && at_alpha < 8)
            act->alpha = alphas[at_alpha++];
        if (known[k].takes > 1 && at_beta < n_betas && at_beta < 8)
            act->beta = betas[at_beta++];
    }
    return ESK_OK;
}

esk_status esk_recurrent_read(const struct esk_node *node, esk_error *error,
                              enum esk_cell cell, int x_rank, const int64_t *x,
                              int r_rank, const int64_t *r, struct esk_recurrent *a) {
    const char *direction = esk_attr_string(node, "direction", "forward");
    bool both = strcasecmp(direction, "bidirectional") == 0;
    *a = (struct esk_recurrent){
        .cell = cell,
        .gates = cell == ESK_CELL_RNN   ? 1
                 : cell == ESK_CELL_GRU ? 3
                                        : 4,
        .directions = both ? 2 : 1,
        .reverse = strcasecmp(direction, "reverse") == 0,
        .batch_first = esk_attr_int(node, "layout", 0) != 0,
        .linear = esk_attr_int(node, "linear_before_reset", 0) != 0,
        .coupled = esk_attr_int(node, "input_forget", 0) != 0,
        .clip = esk_attr_float(node, "clip", 0),
    };
    if (!(a->clip > 0))
        a->clip = INFINITY;
    if (!both && !a->reverse && strcasecmp(direction, "forward") != 0)
        return esk_fail(error, ESK_INVALID_MODEL, "%s '%s': direction '%s'",
                        node->op_type, node->name, direction);
    if (x_rank != 3 || r_rank != 3)
        return esk_fail(error, ESK_INVALID_MODEL, "%s '%s': X has rank %d, R %d, not 3",
                        node->op_type, node->name, x_rank, r_rank);
    a->steps = x[a->batch_first ? 1 : 0];
    a->batch = x[a->batch_first ? 0 : 1];
    a->input = x[2];
    a->hidden = r[2];
    int64_t hidden = esk_attr_int(node, "hidden_size", a->hidden);
    if (hidden != a->hidden || r[0] != a->directions || r[1] != a->gates * a->hidden)
        return esk_fail(error, ESK_INVALID_MODEL,
                        "%s '%s': R is [%" PRId64 ",%" PRId64 ",%" PRId64
                        "] for hidden_size %" PRId64 " and %d directions",
                        node->op_type, node->name, r[0], r[1], r[2], hidden,
                        a->directions);
    int64_t d = a->directions, h = a->hidden;
    a->x_step = a->batch_first ? 1 : a->batch;
    a->x_batch = a->batch_first ? a->steps : 1;
    a->y_step = a->batch_first ? d * h : d * a->batch * h;
    a->y_batch = a->batch_first ? a->steps * d * h : h;
    a->y_direction = a->batch_first ? h : a->batch * h;
    a->h_batch = a->batch_first ? d * h : h;
    a->h_direction = a->batch_first ? h : a->batch * h;
    return read_activations(node, error, a);
}
