/* Groups as epilogues of other kernels: their statements behind a value that is about to
 * be stored. In: a group, a kernel; out: defines, parameters and operands of that kernel.
 * Must not know operators by name. */
#include "recipes/elementwise.h"
#include "recipes/expression.h"

#include <string.h>

static const char *const names[ESK_GROUP_EXTRAS] = {"E", "E1", "E2", "E3"};

/* How an operand besides is read at a place of Y: at the sum of digits times strides. */
struct extra {
    const struct esk_var *var;
    bool form, first_lane;
    enum esk_layout layout;
    enum esk_view view;
    int rank;
    int64_t dim[ESK_MAX_RANK],
        stride[ESK_MAX_RANK]; /* of Y's units; in units of `view` */
};

struct emitter {
    struct esk_ctx *c;
    struct esk_body body;
    struct esk_text places; /* statements that find the indices */
    enum esk_layout layout;
    enum esk_view view;
    struct extra extras[ESK_GROUP_EXTRAS];
};

/* ---- constants whose channels go along Y's: the form */

/* params: rank, aligned dims. Layout C4; one channel fills all lanes. */
static void pack_channels(void *dst, size_t bytes, const struct esk_tensor *const *src,
                          const int64_t *params) {
    float *out = dst;
    int64_t size[ESK_MAX_RANK], c4, inner, rank = params[0];
    memcpy(size, params + 1, (size_t)rank * sizeof *size);
    c4 = size[1] == 1 ? 1 : (size[1] + 3) / 4;
    inner = esk_shape_product(size, 2, (int)rank);
    (void)bytes;
    for (int64_t n = 0; n < size[0]; n++)
        for (int64_t p = 0; p < inner; p++)
            for (int64_t k = 0; k < c4 * 4; k++) {
                int64_t channel = size[1] == 1 ? 0 : k;
                *out++ = channel < size[1]
                             ? (float)esk_tensor_double(
                                   src[0], (n * size[1] + channel) * inner + p)
                             : 0.0f;
            }
}

/* ---- where an operand lies ---- */

/* Neighbours that are walked as one become one; dims of one unit go. */
static void collapse(struct extra *e) {
    int rank = 0;
    for (int i = 0; i < e->rank; i++) {
        if (e->dim[i] == 1)
            continue;
        bool merge = rank > 0 && e->stride[rank - 1] == e->stride[i] * e->dim[i];
        int to = merge ? rank - 1 : rank++;
        e->dim[to] = merge ? e->dim[to] * e->dim[i] : e->dim[i];
        e->stride[to] = e->stride[i];
    }
    e->rank = rank;
}

static bool locate_dense(const struct esk_var *out, enum esk_view view, struct extra *e) {
    int last = out->rank - 1;
    e->layout = ESK_LAYOUT_DENSE;
    e->rank = out->rank;
    memcpy(e->dim, out->dim, sizeof e->dim);
    esk_shape_broadcast_strides(e->var->rank, e->var->dim, out->rank, out->dim,
                                e->stride);
    e->view = view;
    if (view != ESK_VEC4 || out->rank == 0)
        return true;
    bool flat = esk_shape_equal(e->var->rank, e->var->dim, out->rank, out->dim);
    if (flat) { /* whatever the innermost extent is */
        e->rank = 0;
        return true;
    }
    if (out->dim[last] % 4)
        return false;
    e->dim[last] /= 4;
    if (e->stride[last] == 0)
        e->view = ESK_ELEMENT; /* repeated */
    for (int i = 0; i < last && e->view == ESK_VEC4; i++) {
        if (e->stride[i] % 4)
            return false;
        e->stride[i] /= 4;
    }
    return true;
}

static bool locate_c4(const struct esk_var *out, struct extra *e) {
    int rank = out->rank, shift = rank - e->var->rank;
    int64_t size[ESK_MAX_RANK], physical[ESK_MAX_RANK], own[ESK_MAX_RANK],
        stride[ESK_MAX_RANK];
    for (int i = 0; i < rank; i++)
        size[i] = i < shift ? 1 : e->var->dim[i - shift];
    e->form = e->var->data != NULL;
    if (!e->form && shift != 0)
        return false;
    if (e->form && esk_class_of(e->var->dtype) != ESK_CLASS_F)
        return false;
    e->view = ESK_VEC4;
    e->layout = ESK_LAYOUT_C4;
    e->first_lane = !e->form && size[1] == 1 && out->dim[1] > 1;
    e->rank = esk_layout_dims(ESK_LAYOUT_C4, rank, out->dim, physical);
    esk_layout_dims(ESK_LAYOUT_C4, rank, size, own);
    physical[rank - 1] /= 4;
    own[rank - 1] /= 4;
    esk_shape_strides(rank, own, stride);
    for (int i = 0; i < rank; i++) {
        e->dim[i] = physical[i];
        e->stride[i] = own[i] == 1 ? 0 : stride[i];
    }
    return true;
}

/* Statements that make "i_E" out of `at`. */
static void write_place(struct emitter *m, uint32_t x) {
    struct extra *e = &m->extras[x];
    struct esk_text *text = &m->places;
    const char *name = names[x];
    esk_text_add(text, "int i_%s = 0, q_%s = at;", name, name);
    for (int i = e->rank - 1; i > 0; i--) {
        const char *size = esk_scalars_int(&m->body.scalars, e->dim[i]);
        if (e->stride[i])
            esk_text_add(text, " i_%s += (q_%s - q_%s / p_%s * p_%s) * p_%s;", name, name,
                         name, size, size,
                         esk_scalars_int(&m->body.scalars, e->stride[i]));
        if (e->stride[0] || i > 1)
            esk_text_add(text, " q_%s /= p_%s;", name, size);
    }
    if (e->rank && e->stride[0])
        esk_text_add(text, " i_%s += q_%s * p_%s;", name, name,
                     esk_scalars_int(&m->body.scalars, e->stride[0]));
    esk_text_add(text, " ");
}

static bool prepare_extra(struct emitter *m, uint32_t x) {
    struct extra *e = &m->extras[x];
    const struct esk_var *out = m->c->graph->vars[m->c->group->output];
    e->var = m->c->graph->vars[m->c->group->extra[x]];
    enum esk_class class = esk_class_of(e->var->dtype);
    if (class != ESK_CLASS_F && class != ESK_CLASS_I && class != ESK_CLASS_U &&
        class != ESK_CLASS_B)
        return false;
    if (esk_var_count(e->var) == 1) {
        e->layout = ESK_LAYOUT_DENSE;
        e->view = ESK_ELEMENT;
        e->rank = 1, e->dim[0] = 1, e->stride[0] = 0;
    } else if (m->layout == ESK_LAYOUT_C4) {
        if (!locate_c4(out, e))
            return false;
    } else if (!locate_dense(out, m->view, e))
        return false;
    bool same = esk_shape_equal(e->var->rank, e->var->dim, out->rank, out->dim);
    if (same)
        e->rank = 0;
    else {
        collapse(e);
        if (e->rank == 0)
            e->rank = 1, e->dim[0] = 1, e->stride[0] = 0;
        write_place(m, x);
    }
    return true;
}

static bool read_extra(void *user, esk_id id, struct esk_text *arg) {
    struct emitter *m = user;
    for (uint32_t x = 0; x < m->c->group->n_extra; x++) {
        struct extra *e = &m->extras[x];
        if (m->c->group->extra[x] != id)
            continue;
        const char *type =
            esk_class_text(esk_class_of(e->var->dtype), m->view == ESK_VEC4);
        if (e->rank == 0)
            esk_text_add(arg, "%s(LOAD_%s(at))", type, names[x]);
        else
            esk_text_add(arg, "%s(LOAD_%s(i_%s)%s)", type, names[x], names[x],
                         e->first_lane ? ".x" : "");
        return true;
    }
    return false;
}

static void add_extra(struct emitter *m, struct esk_recipe *r, struct esk_kernel *k,
                      uint32_t x) {
    const struct extra *e = &m->extras[x];
    esk_id id = m->c->group->extra[x];
    if (!e->form) {
        esk_kernel_var(k, names[x], m->c->graph, id, e->layout, ESK_READ, e->view);
        k->operands[k->n_operands - 1].in_place = e->rank == 0;
        if (e->rank == 0)
            esk_kernel_step_along(k);
        return;
    }
    const struct esk_var *out = m->c->graph->vars[m->c->group->output];
    int64_t params[ESK_MAX_RANK + 1] = {out->rank}, *size = params + 1;
    int shift = out->rank - e->var->rank;
    for (int i = 0; i < out->rank; i++)
        size[i] = i < shift ? 1 : e->var->dim[i - shift];
    int64_t vec4s = (size[1] + 3) / 4;
    for (int i = 0; i < out->rank; i++)
        vec4s *= i == 1 ? 1 : size[i];
    struct esk_ref_to to =
        esk_recipe_form(r, "channels", pack_channels, 1, &id, (uint32_t)out->rank + 1,
                        params, (size_t)vec4s * 16, ESK_STORAGE_F32, ESK_FLOAT);
    esk_kernel_ref(k, names[x], r, to, ESK_READ, ESK_VEC4);
}

void esk_epilogue_emit(struct esk_ctx *c, struct esk_recipe *r, struct esk_kernel *k,
                       enum esk_view view) {
    const struct esk_group *group = c->group;
    c->group_taken = false;
    if (!group || !group->n_members)
        return;
    enum esk_class class = esk_class_of(c->graph->vars[c->node->out[0]]->dtype);
    struct emitter m = {.c = c, .layout = r->out_layout[0], .view = view};
    m.body = (struct esk_body){
        .c = c, .vec4 = view == ESK_VEC4, .read = read_extra, .user = &m};
    esk_scalars_start(&m.body.scalars, k);
    esk_body_given(&m.body, c->node->out[0], "v");
    bool good = class == ESK_CLASS_F &&
                class == esk_class_of(c->graph->vars[group->output]->dtype) &&
                k->n_operands + group->n_extra <= ESK_KERNEL_OPERANDS;
    for (uint32_t x = 0; x < group->n_extra && good; x++)
        good = prepare_extra(&m, x);
    for (uint32_t i = 0; i < group->n_members && good; i++)
        good = esk_body_add(&m.body, c->graph->nodes[group->members[i]], NULL, 0, 0);
    good = good && !m.places.failed && !m.body.scalars.full;
    if (good) {
        const char *text = esk_text_str(&m.body.text);
        esk_define_functions(k, text);
        esk_text_add(&k->defines,
                     "#define EPILOGUE(v, at) epilogue(v, at)\n"
                     "#define EPILOGUE_BODY %s%s return %s;\n",
                     esk_text_str(&m.places), text, esk_body_last(&m.body));
        esk_scalars_emit(&m.body.scalars, k);
        for (uint32_t x = 0; x < group->n_extra; x++)
            add_extra(&m, r, k, x);
        k->flops +=
            (double)esk_var_count(c->graph->vars[group->output]) * group->n_members;
        c->group_taken = true;
    }
    esk_body_finish(&m.body);
    esk_text_finish(&m.places);
}
