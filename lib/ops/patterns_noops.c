/* Nodes that change nothing. */
#include "ir/pattern.h"

#include <string.h>

static esk_status same(struct esk_match *m, bool *done) {
    m->same = esk_match_id(m, 'x');
    *done = true;
    return ESK_OK;
}

/* Inference only: without training_mode, or with a known false one. */
static esk_status dropout(struct esk_match *m, bool *done) {
    const struct esk_node *node = m->root;
    if (node->n_in > 2 && node->in[2] != ESK_NONE) {
        const struct esk_var *training = m->graph->vars[node->in[2]];
        struct esk_tensor flag = esk_var_tensor(training);
        if (!training->data || training->rank < 0 || esk_var_count(training) < 1 ||
            esk_tensor_int(&flag, 0))
            return ESK_OK;
    }
    return same(m, done);
}

/* A permutation that is none; with axes of one element moved the bytes are the same, but
 * the shape tells. */
static esk_status transpose(struct esk_match *m, bool *done) {
    const struct esk_attr *perm = esk_node_attr(m->root, "perm");
    int rank = esk_match_var(m, 'x')->rank;
    if (!perm && rank > 1)
        return ESK_OK;
    for (size_t i = 0; perm && i < perm->count; i++)
        if (perm->ints[i] != (int64_t)i)
            return ESK_OK;
    return same(m, done);
}

/* All elements, none backwards. */
static esk_status slice(struct esk_match *m, bool *done) {
    int64_t steps[ESK_MAX_RANK];
    uint32_t n;
    if (m->root->n_in > 4 && m->root->in[4] != ESK_NONE) {
        if (!esk_match_ints(m, m->root, 4, NULL, steps, ESK_MAX_RANK, &n))
            return ESK_OK;
        for (uint32_t i = 0; i < n; i++)
            if (steps[i] < 1)
                return ESK_OK;
    }
    return same(m, done);
}

static esk_status pad(struct esk_match *m, bool *done) {
    int64_t pads[2 * ESK_MAX_RANK];
    uint32_t n;
    if (!esk_match_ints(m, m->root, 1, NULL, pads, 2 * ESK_MAX_RANK, &n))
        return ESK_OK;
    for (uint32_t i = 0; i < n; i++)
        if (pads[i])
            return ESK_OK;
    return same(m, done);
}

const struct esk_pattern esk_patterns_noops[] = {
    {"drop_identities", "Identity(x)", same},
    {"drop_identities", "Dropout(x,..)", dropout},
    /* kept only where type and shape stay */
    {"drop_noops", "Reshape|Flatten|Expand|Tile|Cast|CastLike|Identity(x,..)", same},
    {"drop_noops", "Concat(x)", same},
    {"drop_noops", "Transpose(x)", transpose},
    {"drop_noops", "Slice(x,..)", slice},
    {"drop_noops", "Pad(x,..)", pad},
    {"drop_noops", "Mul*(x,=1)", same},
    {"drop_noops", "Div(x,=1)", same},
    {"drop_noops", "Pow(x,=1)", same},
    {"drop_noops", "Add*(x,=0)", same},
    {"drop_noops", "Sub(x,=0)", same},
    {0},
};
