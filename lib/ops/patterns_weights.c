/* What a channel is multiplied by and what is added to it goes into the weights and the
 * bias of the Conv, ConvTranspose or Gemm that makes it. */
#include "ir/pattern.h"

#include <math.h>
#include <string.h>

enum kind { CONV, TRANSPOSED, GEMM };

struct fold {
    enum kind kind;
    const struct esk_node *node;
    const struct esk_var *w, *b; /* b: NULL */
    int64_t channels, group;
};

/* The node n with weights w and bias b, all floats; false: it cannot take anything. */
static bool find(const struct esk_match *m, enum kind kind, struct fold *f) {
    const struct esk_node *node = esk_match_node(m, 'n');
    *f = (struct fold){.kind = kind,
                       .node = node,
                       .w = esk_match_var(m, 'w'),
                       .b = esk_match_var(m, 'b'),
                       .group = esk_attr_int(node, "group", 1)};
    const struct esk_var *w = f->w;
    if (!f->b && node->n_in > 2 && node->in[2] != ESK_NONE)
        return false; /* a bias that is not known */
    if (w->dtype != ESK_FLOAT || (f->b && f->b->dtype != ESK_FLOAT) || f->group < 1)
        return false;
    if (kind == GEMM) {
        if (w->rank != 2)
            return false;
        f->channels = w->dim[esk_attr_int(node, "transB", 0) ? 0 : 1];
    } else {
        if (w->rank < 3)
            return false;
        f->channels = kind == CONV ? w->dim[0] : w->dim[1] * f->group;
    }
    if (!f->b)
        return f->channels > 0;
    int64_t count = esk_var_count(f->b);
    bool row = f->b->rank < 1 || f->b->dim[f->b->rank - 1] == count;
    return f->channels > 0 && row &&
           (count == f->channels || (kind == GEMM && count == 1));
}

/* Element `c` of a value that is broadcast along the channels' axis of the output; *fits:
 * whether it is one. */
static double channel(const struct fold *f, const struct esk_var *v, int64_t c,
                      bool *fits) {
    int rank = f->kind == GEMM ? 2 : f->w->rank;
    int64_t count = esk_var_count(v);
    int axis = v->rank - (rank - 1); /* where v has the channels */
    *fits = v->dtype == ESK_FLOAT && v->rank <= rank &&
            (count == 1 || (count == f->channels && axis >= 0 && axis < v->rank &&
                            v->dim[axis] == count));
    if (!*fits)
        return 0;
    return (double)((const float *)v->data)[count == 1 ? 0 : c];
}

static int64_t channel_of(const struct fold *f, int64_t i) {
    int64_t inner = esk_shape_product(f->w->dim, 2, f->w->rank);
    switch (f->kind) {
    case CONV:
        return i / (esk_var_count(f->w) / f->channels);
    case TRANSPOSED: {
        int64_t per = f->channels / f->group, ic = i / inner / per;
        return ic / (f->w->dim[0] / f->group) * per + i / inner % per;
    }
    default:
        return f->w->dim[1] == f->channels && !esk_attr_int(f->node, "transB", 0)
                   ? i % f->channels
                   : i / f->w->dim[1];
    }
}

/* Replaces root and node by one with weights w * gain and bias b * gain + shift. */
static esk_status refold(struct esk_match *m, const struct fold *f, const double *gain,
                         const double *shift, bool *done) {
    static const char *const ops[] = {"Conv", "ConvTranspose", "Gemm"};
    float *w, *b;
    int64_t weights = esk_var_count(f->w);
    double beta = f->kind == GEMM ? (double)esk_attr_float(f->node, "beta", 1) : 1;
    bool scaled = false;
    for (int64_t c = 0; c < f->channels; c++)
        scaled |= gain[c] != 1;
    esk_id in[3] = {f->node->in[0], f->node->in[1], ESK_NONE};
    if (scaled)
        in[1] = esk_match_floats(m, f->w->rank, f->w->dim, &w);
    in[2] = esk_match_floats(m, 1, &f->channels, &b);
    struct esk_node *node = in[1] == ESK_NONE || in[2] == ESK_NONE
                                ? NULL
                                : esk_match_add(m, "", ops[f->kind], 3, in, ESK_NONE);
    if (!node || !esk_match_copy_attrs(m, node, f->node) ||
        (f->kind == GEMM && !esk_node_set_float(m->graph, node, "beta", 1)))
        return esk_fail_memory(m->error, "folded weights");
    node->name = f->node->name;
    const float *old = f->w->data, *bias = f->b ? f->b->data : NULL;
    int64_t biases = f->b ? esk_var_count(f->b) : 0;
    for (int64_t i = 0; scaled && i < weights; i++)
        w[i] = (float)((double)old[i] * gain[channel_of(f, i)]);
    for (int64_t c = 0; c < f->channels; c++)
        b[c] = (float)((bias ? beta * (double)bias[biases == 1 ? 0 : c] : 0) * gain[c] +
                       shift[c]);
    *done = true;
    return ESK_OK;
}

enum what { NORM, FACTOR, QUOTIENT, TERM, NEGATIVE_TERM };

static esk_status fold(struct esk_match *m, enum kind kind, enum what what, bool *done) {
    struct fold f;
    if (!find(m, kind, &f))
        return ESK_OK;
    if (what == NORM && esk_attr_int(m->root, "training_mode", 0))
        return ESK_OK;
    struct esk_arena scratch = {0};
    double *gain = ESK_ARENA_ARRAY(&scratch, double, (size_t)f.channels);
    double *shift = ESK_ARENA_ARRAY(&scratch, double, (size_t)f.channels);
    double epsilon = (double)esk_attr_float(m->root, "epsilon", 1e-5f);
    bool good = gain && shift;
    esk_status status = good ? ESK_OK : esk_fail_memory(m->error, "folded weights");
    for (int64_t c = 0; good && c < f.channels; c++) {
        double s, t, mean, variance;
        bool fits[4] = {true, true, true, true};
        if (what == NORM) {
            for (const char *k = "stuv"; *k && good; k++)
                good = esk_match_var(m, *k)->dtype == ESK_FLOAT &&
                       esk_var_count(esk_match_var(m, *k)) == f.channels;
            if (!good)
                break;
            s = (double)((const float *)esk_match_var(m, 's')->data)[c];
            t = (double)((const float *)esk_match_var(m, 't')->data)[c];
            mean = (double)((const float *)esk_match_var(m, 'u')->data)[c];
            variance = (double)((const float *)esk_match_var(m, 'v')->data)[c];
            gain[c] = s / sqrt(variance + epsilon);
            shift[c] = t - mean * gain[c];
        } else {
            s = channel(&f, esk_match_var(m, 's'), c, &fits[0]);
            gain[c] = what == FACTOR ? s : what == QUOTIENT ? 1 / s : 1;
            shift[c] = what == TERM ? s : what == NEGATIVE_TERM ? -s : 0;
        }
        good = fits[0] && isfinite(gain[c]) && isfinite(shift[c]);
    }
    if (good)
        status = refold(m, &f, gain, shift, done);
    esk_arena_finish(&scratch);
    return status;
}

#define FOLDS(kind, KIND)                                                     \
    static esk_status kind##_norm(struct esk_match *m, bool *done) {          \
        return fold(m, KIND, NORM, done);                                     \
    }                                                                         \
    static esk_status kind##_factor(struct esk_match *m, bool *done) {        \
        return fold(m, KIND, FACTOR, done);                                   \
    }                                                                         \
    static esk_status kind##_quotient(struct esk_match *m, bool *done) {      \
        return fold(m, KIND, QUOTIENT, done);                                 \
    }                                                                         \
    static esk_status kind##_term(struct esk_match *m, bool *done) {          \
        return fold(m, KIND, TERM, done);                                     \
    }                                                                         \
    static esk_status kind##_negative_term(struct esk_match *m, bool *done) { \
        return fold(m, KIND, NEGATIVE_TERM, done);                            \
    }
FOLDS(conv, CONV)
FOLDS(transposed, TRANSPOSED)
FOLDS(gemm, GEMM)

#define ROWS(kind, op)                                                        \
    {"fold_weights", "BatchNormalization(n:" op "(x,$w,{$b/_}),$s,$t,$u,$v)", \
     kind##_norm},                                                            \
        {"fold_weights", "Mul*(n:" op "(x,$w,{$b/_}),$s)", kind##_factor},    \
        {"fold_weights", "Div(n:" op "(x,$w,{$b/_}),$s)", kind##_quotient},   \
        {"fold_weights", "Add*(n:" op "(x,$w,{$b/_}),$s)", kind##_term}, {    \
        "fold_weights", "Sub(n:" op "(x,$w,{$b/_}),$s)", kind##_negative_term \
    }

const struct esk_pattern esk_patterns_weights[] = {
    ROWS(conv, "Conv"),
    ROWS(transposed, "ConvTranspose"),
    ROWS(gemm, "Gemm"),
    {0},
};
