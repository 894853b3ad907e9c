/* Normalisations as exporters spell them: LayerNormalization and its relative without
 * mean, GroupNormalization, Softmax. */
#include "ir/pattern.h"

/* Whether both reductions run over the same last axes and keep them; *axis is the first.
 */
static bool last_axes(const struct esk_match *m, const struct esk_node *node, int rank,
                      int *axis) {
    int64_t axes[ESK_MAX_RANK];
    uint32_t n, mask = 0;
    if (esk_attr_int(node, "keepdims", 1) != 1 ||
        !esk_match_ints(m, node, 1, "axes", axes, ESK_MAX_RANK, &n) || n == 0)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        int a;
        if (!esk_shape_axis(axes[i], rank, &a))
            return false;
        mask |= 1u << a;
    }
    *axis = 0;
    while (!(mask >> *axis & 1))
        ++*axis;
    return mask >> *axis == (1u << (rank - *axis)) - 1;
}

/* A value for each element of a row, in the order of the row. */
static bool along_row(const struct esk_var *v, const struct esk_var *x, int axis) {
    int n = x->rank - axis;
    if (!v)
        return true;
    for (int i = 1; i <= v->rank; i++) {
        int64_t size = v->dim[v->rank - i];
        if (i <= n ? size != x->dim[x->rank - i] : size != 1)
            return false;
    }
    return v->rank >= n;
}

/* The value with the dims of a row; constants of other ranks are the same bytes. */
static esk_id as_row(struct esk_match *m, char letter, const struct esk_var *x,
                     int axis) {
    const struct esk_var *v = esk_match_var(m, letter);
    if (!v || v->rank == x->rank - axis)
        return esk_match_id(m, letter);
    esk_id id = esk_match_temp(m);
    if (id == ESK_NONE)
        return id;
    struct esk_var *row = m->graph->vars[id];
    const char *name = row->name;
    *row = *v;
    row->name = name;
    row->rank = x->rank - axis;
    for (int i = 0; i < row->rank; i++)
        row->dim[i] = x->dim[axis + i];
    return id;
}

static esk_id ones(struct esk_match *m, const struct esk_var *x, int axis) {
    float *data;
    esk_id id = esk_match_floats(m, x->rank - axis, x->dim + axis, &data);
    int64_t count = esk_shape_product(x->dim, axis, x->rank);
    for (int64_t i = 0; id != ESK_NONE && i < count; i++)
        data[i] = 1;
    return id;
}

/* x, reductions m (of the mean; none: without mean) and v, epsilon e, scale s, bias b. */
static esk_status norm(struct esk_match *m, bool rms, bool *done) {
    const struct esk_var *x = esk_match_var(m, 'x'), *s = esk_match_var(m, 's'),
                         *b = esk_match_var(m, 'b');
    const struct esk_node *mean = esk_match_node(m, 'm'), *var = esk_match_node(m, 'v');
    int axis, other;
    if (x->rank < 1 || (x->dtype != ESK_FLOAT && x->dtype != ESK_FLOAT16) ||
        !last_axes(m, var, x->rank, &axis) ||
        (mean && (!last_axes(m, mean, x->rank, &other) || other != axis)) ||
        !along_row(s, x, axis) || !along_row(b, x, axis) ||
        esk_shape_product(x->dim, axis, x->rank) < 1 || (s && s->dtype != x->dtype) ||
        (b && b->dtype != x->dtype))
        return ESK_OK;
    if (!s && x->dtype != ESK_FLOAT) /* there is no scale of this type at hand */
        return ESK_OK;
    esk_id in[3] = {esk_match_id(m, 'x'), s ? as_row(m, 's', x, axis) : ones(m, x, axis),
                    b ? as_row(m, 'b', x, axis) : ESK_NONE};
    struct esk_node *node =
        in[1] == ESK_NONE
            ? NULL
            : esk_match_add(m, "", rms ? "RMSNormalization" : "LayerNormalization",
                            b ? 3 : 2, in, ESK_NONE);
    if (!node || (b && in[2] == ESK_NONE) ||
        !esk_node_set_int(m->graph, node, "axis", axis) ||
        !esk_node_set_float(
            m->graph, node, "epsilon",
            esk_match_id(m, 'e') == ESK_NONE ? 0 : (float)esk_match_number(m, 'e')))
        return esk_fail_memory(m->error, "a fused normalisation");
    *done = true;
    return ESK_OK;
}

static esk_status layer_norm(struct esk_match *m, bool *done) {
    return norm(m, false, done);
}

static esk_status rms_norm(struct esk_match *m, bool *done) {
    return norm(m, true, done);
}

/* A value a channel: along axis 1 of x, one element along the others. */
static bool along_channels(const struct esk_var *v, const struct esk_var *x) {
    if (v->rank < x->rank - 1 || v->rank > x->rank || v->dtype != x->dtype)
        return false;
    for (int i = 0; i < v->rank; i++) {
        int axis = x->rank - v->rank + i;
        if (v->dim[i] != (axis == 1 ? x->dim[1] : 1))
            return false;
    }
    return true;
}

static bool all_are(const struct esk_var *v, double value) {
    struct esk_tensor t = esk_var_tensor(v);
    for (int64_t i = 0; i < esk_var_count(v); i++)
        if (esk_tensor_double(&t, i) != value)
            return false;
    return true;
}

/* Known values as a list of one a channel: those of a letter, or all `value`. */
static esk_id as_list(struct esk_match *m, char letter, const struct esk_var *x,
                      float value) {
    const struct esk_var *v = esk_match_var(m, letter);
    float *data = NULL;
    if (!v) {
        esk_id id = esk_match_floats(m, 1, &x->dim[1], &data);
        for (int64_t i = 0; id != ESK_NONE && i < x->dim[1]; i++)
            data[i] = value;
        return id;
    }
    esk_id id = esk_match_temp(m);
    if (id == ESK_NONE)
        return id;
    struct esk_var *list = m->graph->vars[id];
    const char *name = list->name;
    *list = *v;
    list->name = name;
    list->rank = 1;
    list->dim[0] = x->dim[1];
    return id;
}

/* Channels x as groups q, normalised as instances without scale (s) and bias (b), as
 * channels again, and their own scale g and bias h. */
static esk_status group_norm(struct esk_match *m, bool *done) {
    const struct esk_var *x = esk_match_var(m, 'x'), *g = esk_match_var(m, 'g'),
                         *h = esk_match_var(m, 'h'),
                         *out = m->graph->vars[m->root->out[0]];
    const struct esk_node *instance = esk_match_node(m, 'n');
    const struct esk_var *q = m->graph->vars[instance->in[0]];
    if (x->rank < 3 || q->rank < 3 ||
        !esk_shape_equal(x->rank, x->dim, out->rank, out->dim) ||
        x->dim[0] != q->dim[0] || q->dim[1] < 1 || x->dim[1] % q->dim[1] ||
        esk_var_count(x) < 1 || (!g && x->dtype != ESK_FLOAT) ||
        (g && (!along_channels(g, x) || !along_channels(h, x))) ||
        !all_are(esk_match_var(m, 's'), 1) || !all_are(esk_match_var(m, 'b'), 0))
        return ESK_OK;
    esk_id in[3] = {esk_match_id(m, 'x'), as_list(m, 'g', x, 1), as_list(m, 'h', x, 0)};
    struct esk_node *node =
        in[1] == ESK_NONE || in[2] == ESK_NONE
            ? NULL
            : esk_match_add(m, "", "GroupNormalization", 3, in, ESK_NONE);
    if (!node || !esk_node_set_int(m->graph, node, "num_groups", q->dim[1]) ||
        !esk_node_set_float(m->graph, node, "epsilon",
                            esk_attr_float(instance, "epsilon", 1e-5f)))
        return esk_fail_memory(m->error, "a fused normalisation");
    *done = true;
    return ESK_OK;
}

/* x - max, e to that, divided by the sum over the same axis. */
static esk_status softmax(struct esk_match *m, bool *done) {
    const struct esk_var *x = esk_match_var(m, 'x');
    const struct esk_node *most = esk_match_node(m, 'm'), *sum = esk_match_node(m, 'v');
    int64_t axes[ESK_MAX_RANK];
    uint32_t n;
    int axis, other;
    if (!esk_dtype_is_float(x->dtype) || esk_attr_int(sum, "keepdims", 1) != 1 ||
        esk_attr_int(most, "keepdims", 1) != 1 ||
        !esk_match_ints(m, sum, 1, "axes", axes, ESK_MAX_RANK, &n) || n != 1 ||
        !esk_shape_axis(axes[0], x->rank, &axis) ||
        !esk_match_ints(m, most, 1, "axes", axes, ESK_MAX_RANK, &n) || n != 1 ||
        !esk_shape_axis(axes[0], x->rank, &other) || axis != other)
        return ESK_OK;
    esk_id in = esk_match_id(m, 'x');
    struct esk_node *node = esk_match_add(m, "", "Softmax", 1, &in, ESK_NONE);
    if (!node || !esk_node_set_int(m->graph, node, "axis", axis))
        return esk_fail_memory(m->error, "a fused Softmax");
    *done = true;
    return ESK_OK;
}

#define CENTRED      "Sub(x,m:ReduceMean(x,..))"
#define SQUARES(d)   "{Pow(" d ",=2)/Mul(" d "," d ")}"
#define VARIANCE     "Add*(v:ReduceMean(" SQUARES(CENTRED) ",..),#e)"
#define DEVIATION(v) "{Sqrt(" v ")/Pow(" v ",=0.5)}"
#define INVERSE(v) \
    "{Reciprocal(" DEVIATION(v) ")/Div(=1," DEVIATION(v) ")/Pow(" v ",=-0.5)}"
#define QUOTIENT(d, v) "{Div(" d "," DEVIATION(v) ")/Mul*(" d "," INVERSE(v) ")}"
#define LAYER          QUOTIENT(CENTRED, VARIANCE)
/* x - m written with the scale inside: d * (1 / sqrt(v + e) * s) */
#define LAYER_SCALED \
    "{Mul*(" LAYER ",$s)/Mul*(" CENTRED ",Mul*(" INVERSE(VARIANCE) ",$s))}"
/* TensorFlow: x * g + (b - mean * g), with g = 1 / sqrt(v + e) * s */
#define GAIN "Mul*(" INVERSE(VARIANCE) ",$s)"
#define FLOW "Add*(Mul*(x," GAIN "),Sub($b,Mul*(m:ReduceMean(x,..)," GAIN ")))"

#define GROUPS "Reshape(n:InstanceNormalization(Reshape(x,_),$s,$b),_)"

#define MEAN_SQUARE "Add*(v:ReduceMean(" SQUARES("x") ",..),#e)"
#define RMS         QUOTIENT("x", MEAN_SQUARE)

const struct esk_pattern esk_patterns_norms[] = {
    {"fuse_norms", FLOW, layer_norm},
    {"fuse_norms", "Add*(" LAYER_SCALED ",$b)", layer_norm},
    {"fuse_norms", "Mul*(" LAYER ",$s)", layer_norm},
    {"fuse_norms", "Div(" CENTRED "," DEVIATION(VARIANCE) ")", layer_norm},
    {"fuse_norms", "Mul*(" CENTRED "," INVERSE(VARIANCE) ")", layer_norm},
    {"fuse_norms", "Mul*(" RMS ",$s)", rms_norm},
    {"fuse_norms", "Mul*(x,Mul*(" INVERSE(MEAN_SQUARE) ",$s))", rms_norm},
    {"fuse_norms", "Div(x," DEVIATION(MEAN_SQUARE) ")", rms_norm},
    {"fuse_norms", "Mul*(x," INVERSE(MEAN_SQUARE) ")", rms_norm},
    {"fuse_norms", "Add*(Mul*(" GROUPS ",$g),$h)", group_norm},
    {"fuse_norms", GROUPS, group_norm},
    {"fuse_norms",
     "Div(Exp(Sub(x,m:ReduceMax(x,..))),v:ReduceSum(Exp(Sub(x,m:ReduceMax(x,..))),..))",
     softmax},
    {0},
};
