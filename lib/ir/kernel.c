/* Building kernels and recipes. In: calls of `gpu` functions; out: plain data in lists.
 * Must not know devices, programs or plans. Running out of memory is remembered in
 * `defines.failed` and in the list's `failed`. */
#include "ir/kernel.h"

#include "base/mem.h"
#include "ir/op.h"

#include <string.h>

void esk_recipe_list_finish(struct esk_recipe_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        struct esk_recipe *recipe = list->items[i];
        for (uint32_t j = 0; j < recipe->n_kernels; j++) {
            esk_text_finish(&recipe->kernels[j].defines);
            esk_free(recipe->kernels[j].params);
        }
        esk_free(recipe->kernels);
        esk_free(recipe->scratch);
        esk_free(recipe->forms);
        esk_free(recipe);
    }
    esk_free(list->items);
    *list = (struct esk_recipe_list){0};
}

struct esk_recipe *esk_add_recipe(struct esk_ctx *c, const char *label) {
    struct esk_recipe_list *list = c->recipes;
    struct esk_recipe *recipe = esk_calloc(1, sizeof *recipe);
    if (!recipe || !esk_grow((void **)&list->items, &list->capacity, list->count + 1,
                             sizeof *list->items)) {
        /* keep going on the newest recipe there is; the flag makes choose drop them all
         */
        list->failed = true;
        esk_free(recipe);
        static _Thread_local struct esk_recipe nowhere; /* written, never read */
        return list->count ? list->items[list->count - 1] : &nowhere;
    }
    recipe->label = label;
    recipe->alias = -1;
    list->items[list->count++] = recipe;
    return recipe;
}

void esk_add_alias(struct esk_ctx *c, uint32_t i) {
    struct esk_recipe *recipe = esk_add_recipe(c, "view");
    recipe->alias = (int)i;
}

struct esk_kernel *esk_recipe_kernel(struct esk_recipe *recipe, const char *template) {
    static _Thread_local struct esk_kernel
        nowhere; /* written when memory is out, never read */
    if (!esk_grow((void **)&recipe->kernels, &recipe->cap_kernels, recipe->n_kernels + 1,
                  sizeof *recipe->kernels)) {
        nowhere = (struct esk_kernel){.defines.failed = true};
        return &nowhere;
    }
    struct esk_kernel *k = &recipe->kernels[recipe->n_kernels++];
    *k = (struct esk_kernel){
        .template = template,
        .local = {1, 1, 1},
        .groups = {1, 1, 1},
        .split_axes = 7,
        .indirect = -1,
    };
    return k;
}

struct esk_ref_to esk_recipe_scratch(struct esk_recipe *recipe, size_t bytes,
                                     enum esk_storage storage) {
    struct esk_ref_to to = {ESK_REF_SCRATCH, recipe->n_scratch};
    if (esk_grow((void **)&recipe->scratch, &recipe->cap_scratch, recipe->n_scratch + 1,
                 sizeof *recipe->scratch))
        recipe->scratch[recipe->n_scratch++] =
            (struct esk_scratch){esk_round_up(bytes, 16), storage};
    return to;
}

struct esk_ref_to esk_recipe_form(struct esk_recipe *recipe, const char *name,
                                  esk_pack_fn pack, uint32_t n_src, const esk_id *src,
                                  uint32_t n_params, const int64_t *params, size_t bytes,
                                  enum esk_storage storage, esk_dtype dtype) {
    struct esk_ref_to to = {ESK_REF_FORM, recipe->n_forms};
    if (!esk_grow((void **)&recipe->forms, &recipe->cap_forms, recipe->n_forms + 1,
                  sizeof *recipe->forms))
        return to;
    struct esk_form *form = &recipe->forms[recipe->n_forms++];
    *form = (struct esk_form){
        .name = name,
        .pack = pack,
        .n_src = n_src,
        .n_params = n_params,
        .bytes = esk_round_up(bytes, 16),
        .storage = storage,
        .dtype = dtype,
    };
    for (uint32_t i = 0; i < 4; i++)
        form->src[i] = i < n_src ? src[i] : ESK_NONE;
    if (n_params)
        memcpy(form->params, params, n_params * sizeof *params);
    return to;
}

void esk_kernel_local(struct esk_kernel *k, uint32_t x, uint32_t y, uint32_t z) {
    k->local[0] = x, k->local[1] = y, k->local[2] = z;
}

void esk_kernel_groups(struct esk_kernel *k, uint64_t x, uint64_t y, uint64_t z) {
    k->groups[0] = x, k->groups[1] = y, k->groups[2] = z;
}

void esk_kernel_flat(struct esk_kernel *k, const struct esk_limits *limits,
                     uint64_t items) {
    esk_kernel_local(k, limits->group_1d, 1, 1);
    esk_kernel_groups(k, (items + limits->group_1d - 1) / limits->group_1d, 1, 1);
}

/* "#define NAME value": without printf, for each node of each new shape makes some. */
void esk_kernel_define_text(struct esk_kernel *k, const char *name, const char *text) {
    static const char define[] = "#define ";
    esk_text_append(&k->defines, define, sizeof define - 1);
    esk_text_append(&k->defines, name, strlen(name));
    esk_text_append(&k->defines, " ", 1);
    esk_text_append(&k->defines, text, strlen(text));
    esk_text_append(&k->defines, "\n", 1);
}

void esk_kernel_define(struct esk_kernel *k, const char *name, int64_t value) {
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *--at = 0;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    esk_kernel_define_text(k, name, at);
}

static struct esk_operand *operand(struct esk_kernel *k) {
    static _Thread_local struct esk_operand
        nowhere; /* a kernel of too many operands is dropped */
    if (k->n_operands == ESK_KERNEL_OPERANDS) {
        k->defines.failed = true;
        return &nowhere;
    }
    return &k->operands[k->n_operands++];
}

void esk_kernel_var(struct esk_kernel *k, const char *name, const struct esk_graph *graph,
                    esk_id var, enum esk_layout layout, enum esk_access access,
                    enum esk_view view) {
    const struct esk_var *v = graph->vars[var];
    *operand(k) = (struct esk_operand){
        .name = name,
        .ref = ESK_REF_VAR,
        .id = var,
        .access = access,
        .view = view,
        .storage = esk_storage_of(v->dtype, v->rank, v->dim, layout),
        .layout = layout,
        .dtype = v->dtype,
    };
}

void esk_kernel_ref(struct esk_kernel *k, const char *name,
                    const struct esk_recipe *recipe, struct esk_ref_to to,
                    enum esk_access access, enum esk_view view) {
    struct esk_operand *o = operand(k);
    *o = (struct esk_operand){.name = name,
                              .ref = to.ref,
                              .id = to.id,
                              .access = access,
                              .view = view,
                              .layout = ESK_LAYOUT_FORM};
    if (to.ref == ESK_REF_SCRATCH && to.id < recipe->n_scratch) {
        o->storage = recipe->scratch[to.id].storage;
        o->dtype = o->storage == ESK_STORAGE_F32     ? ESK_FLOAT
                   : o->storage == ESK_STORAGE_F16X2 ? ESK_FLOAT16
                   : o->storage == ESK_STORAGE_I32   ? ESK_INT32
                   : o->storage == ESK_STORAGE_I64X2 ? ESK_INT64
                                                     : ESK_UINT32;
    } else if (to.ref == ESK_REF_FORM && to.id < recipe->n_forms) {
        o->storage = recipe->forms[to.id].storage;
        o->dtype = recipe->forms[to.id].dtype;
    }
}

void esk_kernel_offset(struct esk_kernel *k, uint64_t bytes) {
    if (k->n_operands)
        k->operands[k->n_operands - 1].offset = bytes;
}

static uint64_t element_bytes(const struct esk_operand *o) {
    return o->storage == ESK_STORAGE_F16X2 ? 2 : o->storage == ESK_STORAGE_I64X2 ? 8 : 4;
}

void esk_kernel_step(struct esk_kernel *k, int axis, int64_t step, int64_t reach) {
    if (!k->n_operands)
        return;
    struct esk_operand *o = &k->operands[k->n_operands - 1];
    o->step[axis] = (uint64_t)step * element_bytes(o);
    o->reach = (uint64_t)reach * element_bytes(o);
}

void esk_kernel_step_along(struct esk_kernel *k) {
    struct esk_operand *o = &k->operands[k->n_operands - 1], *y = o;
    while (y > k->operands && y->access != ESK_WRITE)
        y--;
    if (y->access != ESK_WRITE)
        return;
    for (int a = 0; a < 3; a++)
        o->step[a] = y->step[a] / element_bytes(y) * element_bytes(o);
    o->reach = y->reach / element_bytes(y) * element_bytes(o);
}

static void param(struct esk_kernel *k, struct esk_param value) {
    if (esk_grow((void **)&k->params, &k->cap_params, k->n_params + 1, sizeof *k->params))
        k->params[k->n_params++] = value;
    else
        k->defines.failed = true;
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static uint32_t int_bits(int64_t value) {
    int64_t low = value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value;
    return (uint32_t)(int32_t)low;
}

void esk_kernel_int(struct esk_kernel *k, const char *name, int64_t value) {
    param(k, (struct esk_param){.name = name, .count = 1, .word = int_bits(value)});
}

void esk_kernel_float(struct esk_kernel *k, const char *name, float value) {
    param(k, (struct esk_param){
                 .name = name, .is_float = true, .count = 1, .word = float_bits(value)});
}

void esk_kernel_ints(struct esk_kernel *k, const char *name, uint32_t count,
                     const int64_t *values) {
    for (uint32_t i = 0; i < count; i++)
        param(k, (struct esk_param){.name = i ? NULL : name,
                                    .list = true,
                                    .count = i ? 0 : count,
                                    .word = int_bits(values[i])});
}

void esk_kernel_floats(struct esk_kernel *k, const char *name, uint32_t count,
                       const float *values) {
    for (uint32_t i = 0; i < count; i++)
        param(k, (struct esk_param){.name = i ? NULL : name,
                                    .is_float = true,
                                    .list = true,
                                    .count = i ? 0 : count,
                                    .word = float_bits(values[i])});
}

void esk_kernel_host_float(struct esk_kernel *k, const char *name, esk_id var,
                           uint32_t element) {
    param(k, (struct esk_param){.name = name,
                                .kind = ESK_PARAM_HOST_FLOAT,
                                .is_float = true,
                                .count = 1,
                                .var = var,
                                .element = element});
}

void esk_kernel_host_int(struct esk_kernel *k, const char *name, esk_id var,
                         uint32_t element) {
    param(k, (struct esk_param){.name = name,
                                .kind = ESK_PARAM_HOST_INT,
                                .count = 1,
                                .var = var,
                                .element = element});
}

void esk_kernel_host_ints(struct esk_kernel *k, const char *name, uint32_t count,
                          esk_id var) {
    for (uint32_t i = 0; i < count; i++)
        param(k, (struct esk_param){.name = i ? NULL : name,
                                    .kind = ESK_PARAM_HOST_INT,
                                    .list = true,
                                    .count = i ? 0 : count,
                                    .var = var,
                                    .element = i});
}

void esk_kernel_in(const struct esk_ctx *c, const struct esk_recipe *r,
                   struct esk_kernel *k, const char *name, uint32_t i,
                   enum esk_view view) {
    enum esk_layout layout = i < ESK_RECIPE_INPUTS ? r->in_layout[i] : ESK_LAYOUT_DENSE;
    esk_kernel_var(k, name, c->graph, esk_in_id(c, i), layout, ESK_READ, view);
}

void esk_kernel_out(const struct esk_ctx *c, const struct esk_recipe *r,
                    struct esk_kernel *k, const char *name, uint32_t i,
                    enum esk_view view) {
    enum esk_layout layout = i < ESK_RECIPE_INPUTS ? r->out_layout[i] : ESK_LAYOUT_DENSE;
    esk_kernel_var(k, name, c->graph, esk_out_id(c, i), layout, ESK_WRITE, view);
}

bool esk_all_storable(const struct esk_ctx *c, const struct esk_var **who) {
    for (uint32_t i = 0; i < c->node->n_in + c->node->n_out; i++) {
        const struct esk_var *v =
            i < c->node->n_in ? esk_in(c, i) : esk_out(c, i - c->node->n_in);
        if (v && esk_storage_of(v->dtype, v->rank, v->dim, ESK_LAYOUT_DENSE) ==
                     ESK_STORAGE_HOST) {
            *who = v;
            return false;
        }
    }
    return true;
}

void esk_kernel_print(const struct esk_kernel *k, struct esk_text *text) {
    esk_text_add(text, "%s local %ux%ux%u groups %llux%llux%llu", k->template,
                 k->local[0], k->local[1], k->local[2], (unsigned long long)k->groups[0],
                 (unsigned long long)k->groups[1], (unsigned long long)k->groups[2]);
    for (uint32_t i = 0; i < k->n_operands; i++) {
        const struct esk_operand *o = &k->operands[i];
        static const char *const kinds[] = {"var", "scratch", "form"};
        static const char *const access[] = {"", "r", "w", "rw"};
        static const char *const views[] = {"element", "vec4", "loose"};
        esk_text_add(text, " %s=%s%u:%s:%s:%s", o->name, kinds[o->ref], o->id,
                     access[o->access], esk_storage_name(o->storage), views[o->view]);
        if (o->offset)
            esk_text_add(text, "+%llu", (unsigned long long)o->offset);
    }
    for (uint32_t i = 0; i < k->n_params; i++) {
        const struct esk_param *p = &k->params[i];
        float number;
        memcpy(&number, &p->word, 4);
        if (p->name)
            esk_text_add(text, " %s=", p->name);
        else
            esk_text_add(text, ",");
        if (p->kind != ESK_PARAM_CONST)
            esk_text_add(text, "host(%u,%u)", p->var, p->element);
        else if (p->is_float)
            esk_text_add(text, "%g", (double)number);
        else
            esk_text_add(text, "%d", (int32_t)p->word);
    }
    esk_text_add(text, "\n");
    for (const char *line = esk_text_str(&k->defines); *line;) {
        const char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        esk_text_add(text, "    %.*s\n", (int)length, line);
        line += length + (end != NULL);
    }
}

enum esk_class esk_class_of(esk_dtype dtype) {
    switch (dtype) {
    case ESK_FLOAT:
    case ESK_FLOAT16:
        return ESK_CLASS_F;
    case ESK_INT32:
    case ESK_INT16:
    case ESK_INT8:
        return ESK_CLASS_I;
    case ESK_UINT32:
    case ESK_UINT16:
    case ESK_UINT8:
        return ESK_CLASS_U;
    case ESK_INT64:
        return ESK_CLASS_L;
    case ESK_UINT64:
        return ESK_CLASS_UL;
    case ESK_BOOL:
        return ESK_CLASS_B;
    default:
        return ESK_CLASS_NONE;
    }
}
