/* Attention as exporters spell it, softmax(scale * Q K' (+ bias)) V, becomes one
 * operator: its scores have rows of whole vec4s, and its result is stored in the order
 * that a Transpose behind it asks for. */
#include "ir/pattern.h"

#include <math.h>

static bool is_float(const struct esk_var *v) {
    return !v || v->dtype == ESK_FLOAT || v->dtype == ESK_FLOAT16;
}

/* v is broadcast to the scores and adds no axis to them. */
static bool covers(const struct esk_var *v, const struct esk_var *scores) {
    int64_t dims[ESK_MAX_RANK];
    int rank;
    return !v || (esk_shape_broadcast(v->rank, v->dim, scores->rank, scores->dim, &rank,
                                      dims) &&
                  esk_shape_equal(rank, dims, scores->rank, scores->dim));
}

/* The scores' own softmax runs over the keys. */
static bool over_keys(const struct esk_match *m, int rank) {
    const struct esk_node *softmax = esk_match_node(m, 'f');
    int axis;
    return esk_shape_axis(esk_attr_int(softmax, "axis", -1), rank, &axis) &&
           axis == rank - 1;
}

/* Where batch, head and row may go: the last axis stays, and what is not of size one
 * keeps its order, or heads and rows change places. */
static bool storable(int rank, const int64_t *dims, const int64_t *perm) {
    int order[ESK_MAX_RANK], n = 0;
    bool seen[ESK_MAX_RANK] = {false};
    if (perm[rank - 1] != rank - 1)
        return false;
    for (int i = 0; i + 1 < rank; i++) {
        if (perm[i] < 0 || perm[i] >= rank || seen[perm[i]])
            return false;
        seen[perm[i]] = true;
        if (dims[perm[i]] != 1)
            order[n++] = (int)perm[i];
    }
    bool kept = true, turned = true; /* turned: heads behind rows */
    int want[ESK_MAX_RANK], many = 0;
    for (int i = 0; i + 3 < rank; i++)
        if (dims[i] != 1)
            want[many++] = i;
    for (int i = rank < 3 ? 0 : rank - 3; i + 1 < rank; i++) {
        int other = rank < 3 ? i : i == rank - 3 ? rank - 2 : rank - 3;
        if (dims[other] != 1)
            want[many++] = other;
    }
    for (int i = 0; i < n; i++) {
        kept = kept && (i == 0 || order[i] > order[i - 1]);
        turned = turned && order[i] == want[i];
    }
    return kept || turned;
}

/* The number `value` as a factor; if `division` was matched, it divides. */
static double factor(const struct esk_match *m, char value, char division) {
    if (esk_match_id(m, value) == ESK_NONE)
        return 1;
    double number = esk_match_number(m, value);
    return esk_match_node(m, division) ? 1 / number : number;
}

/* The value inside a factor keeps its shape: the factor's rank adds no axis. */
static bool keeps(const struct esk_match *m, char value, char node) {
    const struct esk_node *scaled = esk_match_node(m, node);
    if (!scaled)
        return true;
    const struct esk_var *x = esk_match_var(m, value),
                         *y = m->graph->vars[scaled->out[0]];
    return esk_shape_equal(x->rank, x->dim, y->rank, y->dim);
}

static esk_status attention(struct esk_match *m, bool transposed, bool *done) {
    const struct esk_var *q = esk_match_var(m, 'q'), *k = esk_match_var(m, 't'),
                         *v = esk_match_var(m, 'v'), *bias = esk_match_var(m, 'k'),
                         *mask = esk_match_var(m, 'w');
    int rank = q->rank;
    if (rank < 2 || rank > 4 || k->rank != rank || v->rank != rank || !is_float(q) ||
        k->dtype != q->dtype || v->dtype != q->dtype || !is_float(bias) ||
        !over_keys(m, rank) || (mask && mask->dtype != ESK_BOOL))
        return ESK_OK;
    for (int i = 0; i + 2 < rank; i++)
        if (q->dim[i] != k->dim[i] || q->dim[i] != v->dim[i])
            return ESK_OK;
    struct esk_var scores = *q;
    scores.dim[rank - 1] = k->dim[rank - 1];
    if (!covers(bias, &scores) || !covers(mask, &scores) || esk_var_count(&scores) == 0 ||
        q->dim[rank - 1] == 0 || v->dim[rank - 1] == 0)
        return ESK_OK;
    /* Softmax alone has a kernel for long rows (a group each) that is faster than the one
     * for masked scores; with heads this small the products do not make up for that. */
    if (q->dim[rank - 1] + v->dim[rank - 1] < 16 && k->dim[rank - 1] >= 256)
        return ESK_OK;
    int64_t perm[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    const struct esk_attr *attr = transposed ? esk_node_attr(m->root, "perm") : NULL;
    for (int i = 0; i < rank; i++) {
        perm[i] = !transposed ? i : attr ? attr->ints[i] : rank - 1 - i;
        dims[i] = i == rank - 1 ? v->dim[i] : q->dim[i];
    }
    if (!storable(rank, dims, perm))
        return ESK_OK;
    double scale = factor(m, 's', 'd') * factor(m, 'a', 'e') * factor(m, 'b', 'i');
    if ((float)scale == 0 || !isfinite((float)scale) || !keeps(m, 'q', 'm') ||
        !keeps(m, 'q', 'e') || !keeps(m, 't', 'n') || !keeps(m, 't', 'i'))
        return ESK_OK;
    esk_id in[5] = {esk_match_id(m, 'q'), esk_match_id(m, 't'), esk_match_id(m, 'v'),
                    esk_match_id(m, 'k'), esk_match_id(m, 'w')};
    struct esk_node *node = esk_match_add(m, "esker", "ScaledDotProduct",
                                          mask   ? 5
                                          : bias ? 4
                                                 : 3,
                                          in, ESK_NONE);
    if (!node || !esk_node_set_ints(m->graph, node, "perm", (size_t)rank, perm) ||
        !esk_node_set_float(m->graph, node, "scale", (float)scale) ||
        !esk_node_set_int(m->graph, node, "nan_zero", esk_match_node(m, 'z') != NULL) ||
        !esk_node_set_int(m->graph, node, "turned", esk_match_node(m, 'o') != NULL) ||
        (mask &&
         !esk_node_set_float(m->graph, node, "fill", (float)esk_match_number(m, 'g'))))
        return esk_fail_memory(m->error, "fused attention");
    *done = true;
    return ESK_OK;
}

static esk_status plain(struct esk_match *m, bool *done) {
    return attention(m, false, done);
}

static esk_status transposed(struct esk_match *m, bool *done) {
    return attention(m, true, done);
}

/* Whether the node takes from x, along its last axis, the half that begins at `start`. */
static bool takes_half(const struct esk_match *m, const struct esk_node *slice,
                       const struct esk_var *x, int64_t start) {
    int64_t from, axis = x->rank - 1, step = 1, size = x->dim[x->rank - 1];
    uint32_t n;
    const struct esk_var *half = m->graph->vars[slice->out[0]];
    if (!esk_match_ints(m, slice, 1, NULL, &from, 1, &n) || n != 1 ||
        half->rank != x->rank || half->dim[x->rank - 1] * 2 != size)
        return false;
    if (slice->n_in > 3 && slice->in[3] != ESK_NONE &&
        (!esk_match_ints(m, slice, 3, NULL, &axis, 1, &n) || n != 1))
        return false;
    if (slice->n_in > 4 && slice->in[4] != ESK_NONE &&
        (!esk_match_ints(m, slice, 4, NULL, &step, 1, &n) || n != 1))
        return false;
    return (axis == x->rank - 1 || axis == -1) && step == 1 &&
           (from == start || from == start - size) && (start || from == 0);
}

/* Broadcast to x, but whole along the last axis. */
static bool turns(const struct esk_var *v, const struct esk_var *x) {
    return v->rank >= 1 && v->dtype == x->dtype && covers(v, x) &&
           v->dim[v->rank - 1] == x->dim[x->rank - 1];
}

static esk_status half_turn(struct esk_match *m, bool *done) {
    const struct esk_var *x = esk_match_var(m, 'x'), *c = esk_match_var(m, 'c'),
                         *s = esk_match_var(m, 's');
    const struct esk_node *joined = esk_match_node(m, 'j');
    int axis;
    if (x->rank < 1 || !is_float(x) || x->dim[x->rank - 1] % 2 || !turns(c, x) ||
        !turns(s, x) ||
        !esk_shape_axis(esk_attr_int(joined, "axis", 0), x->rank, &axis) ||
        axis != x->rank - 1 ||
        !takes_half(m, esk_match_node(m, 'h'), x, x->dim[x->rank - 1] / 2) ||
        !takes_half(m, esk_match_node(m, 'l'), x, 0))
        return ESK_OK;
    esk_id in[3] = {esk_match_id(m, 'x'), esk_match_id(m, 'c'), esk_match_id(m, 's')};
    if (!esk_match_add(m, "esker", "HalfTurn", 3, in, ESK_NONE))
        return esk_fail_memory(m->error, "a rotary embedding");
    *done = true;
    return ESK_OK;
}

#define QUERIES "{m:Mul*(q,#a)/e:Div(q,#a)/q}"
#define KEYS    "{n:Mul*(t,#b)/i:Div(t,#b)/t}"
#define PAIRS   "MatMul(" QUERIES "," KEYS ")"
#define SCALED  "{Mul*(" PAIRS ",#s)/d:Div(" PAIRS ",#s)/" PAIRS "}"
#define MASKED  "{Where(w," SCALED ",#g)/o:Where(w,#g," SCALED ")/" SCALED "}"
#define SCORES  "{Add*(" MASKED ",k)/" MASKED "}"
#define WEIGHTS "f:Softmax(" SCORES ")"
/* as PyTorch guards rows that see no key */
#define GUARDED "z:Where(IsNaN(" WEIGHTS "),=0," WEIGHTS ")"

const struct esk_pattern esk_patterns_attention[] = {
    {"fuse_attention",
     "Add*(Mul*(j:Concat(Neg(h:Slice(x,..)),l:Slice(x,..)),s),Mul*(x,c))", half_turn},
    {"fuse_attention", "Transpose(MatMul(" WEIGHTS ",v))", transposed},
    {"fuse_attention", "Transpose(MatMul(" GUARDED ",v))", transposed},
    {"fuse_attention", "MatMul(" WEIGHTS ",v)", plain},
    {"fuse_attention", "MatMul(" GUARDED ",v)", plain},
    {0},
};
