/* Who computes each node, and how: asks `gpu` for recipes, takes the first that fits the
 * device, brings inputs into the layouts it wants, and writes commands over buffers. What
 * gets no recipe goes to the host, with the reason. In: a bound graph and limits; out:
 * the plan's commands, buffers, forms, transfers. Must not know operators by name. */
#include "base/mem.h"
#include "compile/choose.h"
#include "compile/tuning.h"
#include "ir/segments.h"

#include <string.h>

enum { LAYOUTS = 2 }; /* DENSE, C4 */

struct chooser {
    struct esk_plan *plan;
    struct esk_graph *graph;
    const struct esk_compile_options *options;
    esk_error *error;
    struct esk_users users;
    uint32_t (*buffer_of)[LAYOUTS]; /* of a var; UINT32_MAX: none; or a form */
    uint32_t *buffer_stage;         /* from which stage on a buffer is there */
    uint32_t *stages_of;            /* of a command */
    int *host_stage; /* of a var: the end of which stage gives it to the host; -1: at the
                        start (inputs, constants); -2: not on the host */
    bool *readback;  /* a device var that the host needs */
    bool *fused;     /* of a node: a member of a group that stands */
    bool *early;     /* of a node: the host computes it before the first stage */
    bool *made;      /* of a var: there at this point of the order */
    struct esk_joint *joints;
    uint32_t n_joints;
    size_t cap_buffer_stage, cap_stages_of, cap_joints;
    struct esk_text fallbacks; /* for strict */
};

enum { NOT_ON_HOST = -2, FROM_START = -1 };

/* ---- buffers and forms ---- */

static esk_status add_buffer(struct chooser *c, struct esk_buffer buffer, uint32_t stage,
                             uint32_t *index) {
    struct esk_plan *plan = c->plan;
    if (!esk_grow((void **)&plan->buffers, &plan->cap_buffers, plan->n_buffers + 1,
                  sizeof *plan->buffers) ||
        !esk_grow((void **)&c->buffer_stage, &c->cap_buffer_stage, plan->n_buffers + 1,
                  sizeof *c->buffer_stage))
        return esk_fail_memory(c->error, "buffers");
    buffer.first = UINT32_MAX;
    buffer.parent = ESK_NONE;
    buffer.place.slot = ESK_SLOT_ACTIVATION;
    plan->buffers[plan->n_buffers] = buffer;
    c->buffer_stage[plan->n_buffers] = stage;
    *index = plan->n_buffers++;
    return ESK_OK;
}

static esk_status add_var_buffer(struct chooser *c, esk_id id, enum esk_layout layout,
                                 uint32_t stage, uint32_t *index) {
    struct esk_var *var = c->graph->vars[id];
    struct esk_buffer buffer = {
        .var = id,
        .layout = layout,
        .storage = esk_storage_of(var->dtype, var->rank, var->dim, layout),
        .dtype = var->dtype,
    };
    buffer.bytes = esk_storage_bytes(buffer.storage, layout, var->rank, var->dim);
    ESK_TRY(add_buffer(c, buffer, stage, index));
    c->buffer_of[id][layout] = *index;
    return ESK_OK;
}

static bool same_form(const struct esk_form *a, const struct esk_form *b) {
    return strcmp(a->name, b->name) == 0 && a->pack == b->pack && a->n_src == b->n_src &&
           a->n_params == b->n_params && a->bytes == b->bytes &&
           a->storage == b->storage && a->dtype == b->dtype &&
           memcmp(a->src, b->src, sizeof a->src) == 0 &&
           memcmp(a->params, b->params, a->n_params * sizeof *a->params) == 0;
}

static esk_status add_form(struct chooser *c, const struct esk_form *form,
                           uint32_t *index) {
    struct esk_plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_forms; i++)
        if (same_form(&plan->forms[i].form, form)) {
            *index = ESK_COMMAND_FORM(i);
            return ESK_OK;
        }
    if (!esk_grow((void **)&plan->forms, &plan->cap_forms, plan->n_forms + 1,
                  sizeof *plan->forms))
        return esk_fail_memory(c->error, "weight forms");
    struct esk_plan_form *entry = &plan->forms[plan->n_forms];
    *entry = (struct esk_plan_form){.form = *form, .shared = true};
    for (uint32_t i = 0; i < form->n_src; i++)
        if (form->src[i] != ESK_NONE && !c->graph->vars[form->src[i]]->blob)
            entry->shared = false;
    if (!entry->shared) {
        entry->offset = plan->constant_bytes;
        plan->constant_bytes += esk_round_up(form->bytes, 256);
    }
    *index = ESK_COMMAND_FORM(plan->n_forms++);
    return ESK_OK;
}

/* A known var as the device has it: see esk_pack_plain. */
static esk_status plain_form(struct chooser *c, esk_id id, enum esk_layout layout,
                             uint32_t *index) {
    const struct esk_var *var = c->graph->vars[id];
    struct esk_form form = {
        .name = layout == ESK_LAYOUT_C4 ? "c4" : "dense",
        .pack = esk_pack_plain,
        .n_src = 1,
        .src = {id, ESK_NONE, ESK_NONE, ESK_NONE},
        .n_params = 2,
        .storage = esk_storage_of(var->dtype, var->rank, var->dim, layout),
        .dtype = var->dtype,
    };
    form.params[0] = layout;
    form.params[1] = form.storage;
    form.bytes = esk_storage_bytes(form.storage, layout, var->rank, var->dim);
    ESK_TRY(add_form(c, &form, index));
    c->buffer_of[id][layout] = *index;
    return ESK_OK;
}

/* ---- recipes ---- */

/* Later the var may be wanted in another layout, whose kernel reads all of it and writes
 * it piece by piece. Known ones are packed by the host; those of few axes have one
 * layout. */
static bool var_fits(struct chooser *c, const struct esk_var *var, const char **why) {
    const struct esk_limits *limits = c->options->limits;
    uint32_t most =
        limits->max_ssbos < limits->max_outputs ? limits->max_ssbos : limits->max_outputs;
    uint64_t room = (most - 1) * esk_segment_bytes(limits), bytes = 0;
    for (int layout = 0; layout < LAYOUTS; layout++) {
        enum esk_storage storage =
            esk_storage_of(var->dtype, var->rank, var->dim, (enum esk_layout)layout);
        uint64_t n = storage == ESK_STORAGE_HOST
                         ? 0
                         : esk_storage_bytes(storage, (enum esk_layout)layout, var->rank,
                                             var->dim);
        bytes = n > bytes ? n : bytes;
    }
    if (var->data || var->rank < 3 || bytes <= limits->max_binding || bytes <= room)
        return true;
    *why =
        esk_arena_printf(&c->plan->arena,
                         "'%s' takes %llu bytes, one binding of the device holds %llu, "
                         "and a kernel has %u",
                         var->name, (unsigned long long)bytes,
                         (unsigned long long)limits->max_binding, most);
    return false;
}

static uint64_t operand_bytes(const struct chooser *c, const struct esk_recipe *recipe,
                              const struct esk_operand *o) {
    if (o->ref == ESK_REF_SCRATCH)
        return recipe->scratch[o->id].bytes;
    if (o->ref == ESK_REF_FORM)
        return recipe->forms[o->id].bytes;
    const struct esk_var *var = c->graph->vars[o->id];
    return esk_storage_bytes(o->storage, o->layout, var->rank, var->dim);
}

/* As many storage blocks and images as the device has. */
static bool bindings_fit(struct chooser *c, const struct esk_recipe *recipe,
                         const struct esk_kernel *k, const char **why) {
    const struct esk_limits *limits = c->options->limits;
    struct esk_range ranges[ESK_KERNEL_OPERANDS];
    struct esk_pieces pieces;
    uint64_t groups[3];
    for (int a = 0; a < 3; a++)
        groups[a] = limits->max_groups[a];
    for (uint32_t i = 0; i < k->n_operands; i++) {
        const struct esk_operand *o = &k->operands[i];
        if (o->storage == ESK_STORAGE_HOST) {
            *why =
                esk_arena_printf(&c->plan->arena, "operand %s: %s has no device storage",
                                 o->name, esk_dtype_name(o->dtype));
            return false;
        }
        if (o->ref == ESK_REF_VAR && !var_fits(c, c->graph->vars[o->id], why))
            return false;
        uint64_t bytes = operand_bytes(c, recipe, o);
        ranges[i] =
            (struct esk_range){o->offset, bytes > o->offset ? bytes - o->offset : 0, 0};
        if (bytes <= limits->max_binding)
            ranges[i].buffer = bytes;
    }
    esk_pieces_find(k, limits, groups, ranges, &pieces);
    if (pieces.blocks <= limits->max_ssbos && pieces.images <= limits->max_images &&
        pieces.blocks + pieces.images <= limits->max_outputs)
        return true;
    const struct esk_operand *o = &k->operands[pieces.largest];
    *why = esk_arena_printf(&c->plan->arena,
                            "%s needs %u storage blocks and %u images, the device has "
                            "%u, %u and %u in sum",
                            k->template, pieces.blocks, pieces.images, limits->max_ssbos,
                            limits->max_images, limits->max_outputs);
    if (pieces.blocks + pieces.images > k->n_operands)
        *why = esk_arena_printf(
            &c->plan->arena, "%s; operand %s is %llu bytes, one binding holds %llu", *why,
            o->name, (unsigned long long)operand_bytes(c, recipe, o),
            (unsigned long long)limits->max_binding);
    return false;
}

static bool kernel_fits(struct chooser *c, const struct esk_recipe *recipe,
                        const struct esk_kernel *k, const char **why) {
    const struct esk_limits *limits = c->options->limits;
    struct esk_arena *arena = &c->plan->arena;
    if (!bindings_fit(c, recipe, k, why))
        return false;
    uint32_t local = k->local[0] * k->local[1] * k->local[2];
    if (local > limits->max_invocations || k->local[0] > limits->max_local[0] ||
        k->local[1] > limits->max_local[1] || k->local[2] > limits->max_local[2]) {
        *why = esk_arena_printf(arena, "%s has groups of %u invocations, the device %u",
                                k->template, local, limits->max_invocations);
        return false;
    }
    if ((k->n_params + k->n_operands + 8) * 4 > limits->max_ubo) {
        *why = esk_arena_printf(arena, "%s has %u parameters, too many for %u bytes",
                                k->template, k->n_params, limits->max_ubo);
        return false;
    }
    if (limits->max_iterations && k->loop_iterations > limits->max_iterations) {
        *why = esk_arena_printf(
            arena,
            "%s loops %llu times an invocation, the device ends loops "
            "after %u",
            k->template, (unsigned long long)k->loop_iterations, limits->max_iterations);
        return false;
    }
    for (int a = 0; a < 3; a++)
        if (k->groups[a] > limits->max_groups[a] && !(k->split_axes >> a & 1)) {
            *why = esk_arena_printf(arena, "%s has %llu groups on axis %d, the device %u",
                                    k->template, (unsigned long long)k->groups[a], a,
                                    limits->max_groups[a]);
            return false;
        }
    return true;
}

static bool recipe_fits(struct chooser *c, const struct esk_node *node,
                        const struct esk_recipe *recipe, const char **why) {
    for (uint32_t i = 0; i < ESK_RECIPE_INPUTS && i < node->n_out; i++)
        if (recipe->walk[i] && node->out[i] != ESK_NONE &&
            (!var_fits(c, c->graph->vars[recipe->walk[i]->base], why) ||
             !var_fits(c, c->graph->vars[node->out[i]], why)))
            return false;
    for (uint32_t i = 0; i < recipe->n_kernels; i++)
        if (!kernel_fits(c, recipe, &recipe->kernels[i], why))
            return false;
    return true;
}

static bool recipe_failed(const struct esk_recipe *recipe) {
    for (uint32_t i = 0; i < recipe->n_kernels; i++)
        if (recipe->kernels[i].defines.failed)
            return true;
    return false;
}

/* The first recipe that fits, or which of those that fit a tuner knows to be the fastest,
 * moved into the plan's list; *why otherwise. */
static esk_status take_recipe(struct chooser *c, const struct esk_ctx *ctx,
                              struct esk_recipe_list *list, struct esk_recipe **taken,
                              const char **why) {
    enum { MOST = 16 }; /* those behind are not looked at when one before them fits */
    struct esk_recipe_list *kept = &c->plan->recipes;
    const struct esk_tuner *tuner = c->options->tuner;
    bool fits[MOST] = {false};
    size_t first = list->count, n = 0;
    *taken = NULL;
    if (list->failed)
        return esk_fail_memory(c->error, "recipes");
    for (size_t i = 0; i < list->count && (!n || (tuner && i < MOST)); i++) {
        if (recipe_failed(list->items[i]))
            return esk_fail_memory(c->error, "recipes");
        if (!recipe_fits(c, ctx->node, list->items[i], why))
            continue;
        first = n++ ? first : i;
        if (i < MOST)
            fits[i] = true;
    }
    if (!n)
        return ESK_OK;
    if (n > 1) {
        size_t all = list->count;
        list->count = all < MOST ? all : MOST;
        first = esk_tune(tuner, c->options->limits, c->graph, ctx->node,
                         ctx->group ? ctx->group->n_members : 0, list, fits, first);
        list->count = all;
    }
    if (!esk_grow((void **)&kept->items, &kept->capacity, kept->count + 1,
                  sizeof *kept->items))
        return esk_fail_memory(c->error, "recipes");
    *taken = kept->items[kept->count++] = list->items[first];
    list->items[first] = list->items[--list->count];
    return ESK_OK;
}

/* Asks `gpu`; *recipe NULL and *why set when there is none. */
static esk_status ask(struct chooser *c, struct esk_ctx *ctx, struct esk_recipe **recipe,
                      const char **why) {
    esk_error refusal = ESK_ERROR_INIT;
    struct esk_recipe_list list = {0};
    ctx->limits = c->options->limits;
    ctx->recipes = &list;
    ctx->error = &refusal;
    ctx->group_taken = false;
    *recipe = NULL;
    esk_status status = ctx->node->op->gpu(ctx);
    if (status == ESK_OK && !list.count)
        status = esk_fail(&refusal, ESK_UNSUPPORTED, "no recipe");
    if (status == ESK_OK && ctx->group && !ctx->group_taken)
        *why = "the group was not taken";
    else if (status == ESK_OK)
        status = take_recipe(c, ctx, &list, recipe, why);
    else if (status == ESK_UNSUPPORTED) {
        *why = esk_arena_strdup(&c->plan->arena, esk_error_message(&refusal));
        status = ESK_OK;
    } else
        esk_error_move(c->error, &refusal);
    esk_error_clear(&refusal);
    esk_recipe_list_finish(&list);
    return status;
}

/* ---- commands ---- */

static esk_status ensure_buffer(struct chooser *c, esk_id id, enum esk_layout layout,
                                uint32_t *index);

static esk_status add_command(struct chooser *c, struct esk_command command,
                              uint32_t stage) {
    struct esk_plan *plan = c->plan;
    if (!esk_grow((void **)&plan->commands, &plan->cap_commands, plan->n_commands + 1,
                  sizeof *plan->commands) ||
        !esk_grow((void **)&c->stages_of, &c->cap_stages_of, plan->n_commands + 1,
                  sizeof *c->stages_of))
        return esk_fail_memory(c->error, "commands");
    c->stages_of[plan->n_commands] = stage;
    plan->commands[plan->n_commands++] = command;
    return ESK_OK;
}

static uint32_t stage_of_buffer(const struct chooser *c, uint32_t buffer) {
    return ESK_COMMAND_IS_FORM(buffer) ? 0 : c->buffer_stage[buffer];
}

/* The stage at which a late parameter's host value can be had. */
static esk_status late_stage(struct chooser *c, esk_id id, uint32_t *stage) {
    *stage = (uint32_t)(c->host_stage[id] + 1);
    if (c->host_stage[id] == NOT_ON_HOST) {
        uint32_t buffer;
        ESK_TRY(ensure_buffer(c, id, ESK_LAYOUT_DENSE, &buffer));
        c->readback[id] = true;
        *stage = stage_of_buffer(c, buffer) + 1;
    }
    return ESK_OK;
}

/* Inputs first, in the layouts that kernels name; then outputs and scratch; then
 * commands, all in the first stage where everything is there. */
static esk_status add_recipe(struct chooser *c, const struct esk_node *node,
                             esk_id node_id, struct esk_recipe *recipe) {
    uint32_t stage = 0;
    for (uint32_t i = 0; i < recipe->n_kernels; i++) {
        recipe->kernels[i].label = node->name;
        for (uint32_t j = 0; j < recipe->kernels[i].n_operands; j++) {
            const struct esk_operand *o = &recipe->kernels[i].operands[j];
            if (o->ref != ESK_REF_VAR || o->access != ESK_READ)
                continue;
            uint32_t buffer = c->buffer_of[o->id][o->layout];
            bool own = false; /* an output of this very recipe, read by a later kernel */
            for (uint32_t k = 0; k < i && buffer == UINT32_MAX; k++)
                for (uint32_t l = 0; l < recipe->kernels[k].n_operands; l++) {
                    const struct esk_operand *w = &recipe->kernels[k].operands[l];
                    own |= w->ref == ESK_REF_VAR && w->access != ESK_READ &&
                           w->id == o->id && w->layout == o->layout;
                }
            if (own)
                continue;
            ESK_TRY(ensure_buffer(c, o->id, o->layout, &buffer));
            if (stage_of_buffer(c, buffer) > stage)
                stage = stage_of_buffer(c, buffer);
        }
        for (uint32_t j = 0; j < recipe->kernels[i].n_params; j++)
            if (recipe->kernels[i].params[j].kind != ESK_PARAM_CONST) {
                uint32_t late;
                ESK_TRY(late_stage(c, recipe->kernels[i].params[j].var, &late));
                if (late > stage)
                    stage = late;
            }
    }
    uint32_t scratch0 = c->plan->n_buffers;
    for (uint32_t i = 0; i < recipe->n_scratch; i++) {
        uint32_t index;
        struct esk_buffer buffer = {.var = ESK_NONE,
                                    .layout = ESK_LAYOUT_FORM,
                                    .storage = recipe->scratch[i].storage,
                                    .bytes = recipe->scratch[i].bytes};
        ESK_TRY(add_buffer(c, buffer, stage, &index));
    }
    for (uint32_t i = 0; i + recipe->n_parts < recipe->n_kernels; i++) {
        const struct esk_kernel *k = &recipe->kernels[i];
        struct esk_command command = {.kernel = k, .node = node_id};
        for (uint32_t j = 0; j < k->n_operands; j++) {
            const struct esk_operand *o = &k->operands[j];
            uint32_t *buffer = &command.buffers[j];
            switch (o->ref) {
            case ESK_REF_SCRATCH:
                *buffer = scratch0 + o->id;
                break;
            case ESK_REF_FORM:
                ESK_TRY(add_form(c, &recipe->forms[o->id], buffer));
                break;
            case ESK_REF_VAR:
                *buffer = c->buffer_of[o->id][o->layout];
                if (*buffer == UINT32_MAX)
                    ESK_TRY(add_var_buffer(c, o->id, o->layout, stage, buffer));
                break;
            }
        }
        ESK_TRY(add_command(c, command, stage));
    }
    return ESK_OK;
}

/* Bytes of a buffer, from an offset on, are var `id` in a layout. */
static esk_status add_range(struct chooser *c, esk_id id, enum esk_layout layout,
                            uint32_t parent, uint64_t offset) {
    const struct esk_var *var = c->graph->vars[id];
    enum esk_storage storage = esk_storage_of(var->dtype, var->rank, var->dim, layout);
    uint32_t index = parent;
    if (!ESK_COMMAND_IS_FORM(parent) &&
        esk_storage_bytes(storage, layout, var->rank, var->dim) !=
            c->plan->buffers[parent].bytes) {
        ESK_TRY(add_var_buffer(c, id, layout, c->buffer_stage[parent], &index));
        c->plan->buffers[index].parent = parent;
        c->plan->buffers[index].offset = offset;
    }
    c->buffer_of[id][layout] = index;
    return ESK_OK;
}

/* Makes var `id` in layout `to`: from the var `source`, which lies in `from`. That is the
 * var itself, or what it walks. *made: false when there is no recipe for a walk. */
static esk_status relayout(struct chooser *c, esk_id id, esk_id source,
                           enum esk_layout from, enum esk_layout to, bool *made) {
    struct esk_var *var = c->graph->vars[id];
    const struct esk_op *op = esk_op_find("esker", "Relayout");
    struct esk_node node = {.name = var->name,
                            .domain = "esker",
                            .op_type = "Relayout",
                            .op = op,
                            .n_in = 1,
                            .n_out = 1,
                            .in = &source,
                            .out = &id};
    struct esk_ctx ctx = {.graph = c->graph, .node = &node, .from = from, .to = to};
    struct esk_recipe *recipe = NULL;
    const char *why = "no operator esker.Relayout";
    if (op)
        ESK_TRY(ask(c, &ctx, &recipe, &why));
    *made = recipe != NULL;
    if (!recipe && source != id)
        return ESK_OK;
    if (!recipe)
        return esk_fail(c->error, ESK_INTERNAL, "'%s' cannot change its layout: %s",
                        var->name, why);
    if (recipe->alias >= 0) {
        uint32_t buffer;
        ESK_TRY(ensure_buffer(c, source, recipe->in_layout[0], &buffer));
        return add_range(c, id, to, buffer, recipe->alias_offset);
    }
    c->plan->n_relayouts += from != to ? recipe->n_kernels : 0;
    return add_recipe(c, &node, ESK_NONE, recipe);
}

/* A walk becomes bytes: at once, or by way of the dense order. */
static esk_status make_walk(struct chooser *c, esk_id id, enum esk_layout layout) {
    const struct esk_walk *walk = c->graph->vars[id]->walk;
    bool made;
    ESK_TRY(relayout(c, id, walk->base, walk->layout, layout, &made));
    if (made)
        return ESK_OK;
    if (layout == ESK_LAYOUT_DENSE)
        return esk_fail(c->error, ESK_INTERNAL, "'%s' cannot be walked",
                        c->graph->vars[id]->name);
    ESK_TRY(make_walk(c, id, ESK_LAYOUT_DENSE));
    return relayout(c, id, id, ESK_LAYOUT_DENSE, layout, &made);
}

static esk_status ensure_buffer(struct chooser *c, esk_id id, enum esk_layout layout,
                                uint32_t *index) {
    struct esk_var *var = c->graph->vars[id];
    if (c->buffer_of[id][layout] == UINT32_MAX) {
        enum esk_layout other =
            layout == ESK_LAYOUT_DENSE ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
        bool made;
        if (var->data)
            ESK_TRY(plain_form(c, id, layout, index));
        else if (c->buffer_of[id][other] != UINT32_MAX)
            ESK_TRY(relayout(c, id, id, other, layout, &made));
        else if (var->walk)
            ESK_TRY(make_walk(c, id, layout));
        else if (c->host_stage[id] != NOT_ON_HOST) {
            uint32_t stage = (uint32_t)(c->host_stage[id] + 1);
            ESK_TRY(add_var_buffer(c, id, ESK_LAYOUT_DENSE, stage, index));
            if (layout != ESK_LAYOUT_DENSE)
                ESK_TRY(relayout(c, id, id, ESK_LAYOUT_DENSE, layout, &made));
        } else
            return esk_fail(c->error, ESK_INTERNAL, "'%s' is read before it is made",
                            var->name);
    }
    *index = c->buffer_of[id][layout];
    return ESK_OK;
}

/* ---- nodes ---- */

static bool forced_to_host(const struct chooser *c, const struct esk_node *node) {
    for (size_t i = 0; c->options->host_names && c->options->host_names[i]; i++)
        if (strcmp(c->options->host_names[i], node->name) == 0)
            return true;
    return false;
}

static bool is_ready(void *user, esk_id id) {
    const struct chooser *c = user;
    return c->made[id] || c->graph->vars[id]->data;
}

/* Whether outputs that have kernels too are better left as walks: all who use them walk
 * on. */
static bool all_walk_on(const struct chooser *c, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        esk_id id = node->out[i];
        if (id == ESK_NONE)
            continue;
        if (c->users.outside[id])
            return false;
        for (uint32_t j = c->users.first[id]; j < c->users.first[id + 1]; j++)
            if (!(c->graph->nodes[c->users.list[j]]->op->flags & ESK_OP_WALKS))
                return false;
    }
    return true;
}

static esk_status add_joint(struct chooser *c, const struct esk_node *node,
                            const struct esk_recipe *recipe, uint32_t first) {
    struct esk_joint joint = {.recipe = recipe, .first = first};
    joint.buffers = ESK_ARENA_ARRAY(&c->plan->arena, uint32_t, recipe->n_parts);
    if (!joint.buffers || !esk_grow((void **)&c->joints, &c->cap_joints, c->n_joints + 1,
                                    sizeof *c->joints))
        return esk_fail_memory(c->error, "parts");
    for (uint32_t i = 0; i < recipe->n_parts; i++)
        joint.buffers[i] =
            c->buffer_of[node->in[recipe->parts[i].input]][recipe->out_layout[0]];
    c->joints[c->n_joints++] = joint;
    return ESK_OK;
}

/* Output vars get their layout, and aliases their buffer. */
static esk_status finish_node(struct chooser *c, struct esk_node *node, esk_id node_id,
                              struct esk_recipe *recipe, const struct esk_group *group) {
    node->home = ESK_HOME_DEVICE;
    node->label = recipe->label;
    node->layout = recipe->out_layout[0];
    esk_id out0 = group ? group->output : node->out[0];
    bool walks = false;
    for (uint32_t i = 0; i < ESK_RECIPE_INPUTS; i++)
        walks |= recipe->walk[i] != NULL;
    walks = walks && (!recipe->n_kernels || all_walk_on(c, node));
    if (walks) {
        for (uint32_t i = 0; i < node->n_out && i < ESK_RECIPE_INPUTS; i++)
            if (node->out[i] != ESK_NONE)
                c->graph->vars[node->out[i]]->walk = recipe->walk[i];
    } else if (recipe->alias >= 0) {
        uint32_t in = (uint32_t)recipe->alias, buffer;
        enum esk_layout layout =
            in < ESK_RECIPE_INPUTS ? recipe->in_layout[in] : ESK_LAYOUT_DENSE;
        const struct esk_var *source = c->graph->vars[node->in[in]];
        if (source->data && layout == ESK_LAYOUT_DENSE) { /* the same bytes: known too */
            struct esk_var *out = c->graph->vars[out0];
            out->data = source->data;
            out->bytes = source->bytes;
            out->blob = source->blob;
            c->host_stage[out0] = FROM_START;
            c->made[out0] = true;
            return ESK_OK;
        }
        ESK_TRY(ensure_buffer(c, node->in[in], layout, &buffer));
        c->buffer_of[out0][recipe->out_layout[0]] = buffer;
    } else {
        ESK_TRY(add_recipe(c, node, node_id, recipe));
        if (recipe->n_parts)
            ESK_TRY(add_joint(c, node, recipe,
                              c->plan->n_commands - recipe->n_kernels + recipe->n_parts));
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        esk_id id = i ? node->out[i] : out0;
        if (id == ESK_NONE)
            continue;
        struct esk_var *var = c->graph->vars[id];
        var->layout = i < ESK_RECIPE_INPUTS ? recipe->out_layout[i] : ESK_LAYOUT_DENSE;
        if (var->walk)
            var->layout = var->walk->prefer;
        var->storage = esk_storage_of(var->dtype, var->rank, var->dim, var->layout);
        c->made[id] = true;
        /* no kernel names an output of no elements (Split's empty part) */
        uint32_t index;
        if (c->buffer_of[id][var->layout] == UINT32_MAX && esk_var_count(var) == 0)
            ESK_TRY(add_var_buffer(c, id, var->layout, 0, &index));
    }
    return ESK_OK;
}

static esk_status try_groups(struct chooser *c, struct esk_node *node, esk_id id,
                             bool *done) {
    struct esk_group groups[ESK_GROUP_MEMBERS];
    *done = false;
    uint32_t found = esk_group_find(c->graph, &c->users, node, is_ready, c, groups);
    while (found-- > 0 && !*done) {
        const struct esk_group *group = &groups[found];
        bool forced = false;
        for (uint32_t i = 0; i < group->n_members; i++)
            forced |= forced_to_host(c, c->graph->nodes[group->members[i]]);
        if (forced)
            continue;
        struct esk_ctx ctx = {.graph = c->graph, .node = node, .group = group};
        struct esk_recipe *recipe;
        const char *why = "";
        ESK_TRY(ask(c, &ctx, &recipe, &why));
        if (!recipe)
            continue;
        ESK_TRY(finish_node(c, node, id, recipe, group));
        for (uint32_t i = 0; i < group->n_members; i++) {
            struct esk_node *member = c->graph->nodes[group->members[i]];
            member->home = ESK_HOME_DEVICE;
            member->label = esk_arena_printf(&c->plan->arena, "in '%s'", node->name);
            member->layout = node->layout;
            c->fused[group->members[i]] = true;
        }
        *done = true;
    }
    return ESK_OK;
}

static bool outputs_empty(const struct chooser *c, const struct esk_node *node) {
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE && esk_var_count(c->graph->vars[node->out[i]]))
            return false;
    return true;
}

/* Nothing to compute: outputs have buffers that no command writes. */
static esk_status place_empty(struct chooser *c, struct esk_node *node) {
    node->home = ESK_HOME_DEVICE;
    node->label = "empty";
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == ESK_NONE)
            continue;
        struct esk_var *var = c->graph->vars[node->out[i]];
        var->storage = esk_storage_of(var->dtype, var->rank, var->dim, ESK_LAYOUT_DENSE);
        uint32_t index;
        if (var->storage == ESK_STORAGE_HOST)
            continue;
        ESK_TRY(add_var_buffer(c, node->out[i], ESK_LAYOUT_DENSE, 0, &index));
        c->made[node->out[i]] = true;
    }
    return ESK_OK;
}

static esk_status place_on_host(struct chooser *c, struct esk_node *node, esk_id id,
                                const char *reason) {
    struct esk_plan *plan = c->plan;
    if (!node->op->cpu)
        return esk_fail(c->error, ESK_UNSUPPORTED, "%s '%s': nothing runs it: %s",
                        node->op_type, node->name, reason);
    node->home = ESK_HOME_HOST;
    node->reason = reason;
    plan->n_host_nodes++;
    if (c->options->limits && !esk_ends_on_host(c->graph, &c->users, node, c->early)) {
        plan->n_fallbacks++;
        node->fallback = true;
        esk_text_add(&c->fallbacks, "%s%s '%s': %s", c->fallbacks.length ? "; " : "",
                     node->op_type, node->name, reason);
        esk_log(c->options->logger, ESK_LOG_INFO, "%s '%s' runs on the CPU: %s",
                node->op_type, node->name, reason);
    }
    int stage = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        esk_id in = node->in[i];
        if (in == ESK_NONE || c->graph->vars[in]->data)
            continue;
        if (c->host_stage[in] == NOT_ON_HOST) {
            uint32_t buffer;
            ESK_TRY(ensure_buffer(c, in, ESK_LAYOUT_DENSE, &buffer));
            c->readback[in] = true;
            if ((int)stage_of_buffer(c, buffer) > stage)
                stage = (int)stage_of_buffer(c, buffer);
        } else if (c->host_stage[in] > stage)
            stage = c->host_stage[in];
    }
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE) {
            c->host_stage[node->out[i]] = stage;
            c->made[node->out[i]] = true;
            c->graph->vars[node->out[i]]->layout = ESK_LAYOUT_DENSE;
        }
    while (plan->n_stages <= (uint32_t)stage) {
        if (!esk_grow((void **)&plan->stages, &plan->cap_stages, plan->n_stages + 1,
                      sizeof *plan->stages))
            return esk_fail_memory(c->error, "stages");
        plan->n_stages++;
    }
    struct esk_stage *at = &plan->stages[stage];
    if (!esk_grow((void **)&at->host_nodes, &at->cap_host_nodes, at->n_host_nodes + 1,
                  sizeof *at->host_nodes))
        return esk_fail_memory(c->error, "host nodes");
    at->host_nodes[at->n_host_nodes++] = id;
    return ESK_OK;
}

static esk_status place_early(struct chooser *c, struct esk_node *node, esk_id id) {
    struct esk_plan *plan = c->plan;
    node->home = ESK_HOME_HOST;
    node->reason = "only the host reads what it leads to";
    plan->n_host_nodes++;
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != ESK_NONE) {
            c->host_stage[node->out[i]] = FROM_START;
            c->made[node->out[i]] = true;
            c->graph->vars[node->out[i]]->layout = ESK_LAYOUT_DENSE;
        }
    if (!esk_grow((void **)&plan->early, &plan->cap_early, plan->n_early + 1u,
                  sizeof *plan->early))
        return esk_fail_memory(c->error, "host nodes");
    plan->early[plan->n_early++] = id;
    return ESK_OK;
}

/* Every input that is not known, and every output, is a 64-bit integer. */
static bool is_int64(const struct chooser *c, const struct esk_node *node) {
    bool all = node->n_out > 0;
    for (uint32_t i = 0; i < node->n_in + node->n_out; i++) {
        esk_id id = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        const struct esk_var *var = id == ESK_NONE ? NULL : c->graph->vars[id];
        all = all && (!var || (i < node->n_in && var->data) || var->dtype == ESK_INT64 ||
                      var->dtype == ESK_UINT64);
    }
    return all;
}

static esk_status place_node(struct chooser *c, esk_id id) {
    struct esk_node *node = c->graph->nodes[id];
    const char *why = "this operator has no device kernel";
    if (!c->options->limits)
        return place_on_host(c, node, id, "no device provider");
    if (c->early[id])
        return place_early(c, node, id);
    if (forced_to_host(c, node))
        return place_on_host(c, node, id, "forceCpuNodeNames names it");
    if (c->options->no_int64 && is_int64(c, node))
        return place_on_host(c, node, id, "enableInt64 is 0");
    if (outputs_empty(c, node)) {
        bool storable = true;
        for (uint32_t i = 0; i < node->n_out; i++)
            storable &= node->out[i] == ESK_NONE ||
                        esk_storage_of(c->graph->vars[node->out[i]]->dtype,
                                       c->graph->vars[node->out[i]]->rank,
                                       c->graph->vars[node->out[i]]->dim,
                                       ESK_LAYOUT_DENSE) != ESK_STORAGE_HOST;
        if (storable)
            return place_empty(c, node);
    }
    if (node->op->gpu) {
        bool done = false;
        if (esk_pass_enabled(c->options, "fuse_epilogues"))
            ESK_TRY(try_groups(c, node, id, &done));
        if (done)
            return ESK_OK;
        struct esk_ctx ctx = {.graph = c->graph, .node = node};
        struct esk_recipe *recipe;
        ESK_TRY(ask(c, &ctx, &recipe, &why));
        if (recipe)
            return finish_node(c, node, id, recipe, NULL);
    }
    return place_on_host(c, node, id, why);
}

/* ---- the ends ---- */

static esk_status add_readbacks(struct chooser *c) {
    struct esk_plan *plan = c->plan;
    for (uint32_t i = 0; i < plan->n_outputs; i++) {
        struct esk_plan_output *output = &plan->outputs[i];
        if (output->from == ESK_OUTPUT_LATER || c->graph->vars[output->var]->data ||
            c->host_stage[output->var] != NOT_ON_HOST)
            continue;
        output->from = ESK_OUTPUT_DEVICE;
        ESK_TRY(ensure_buffer(c, output->var, ESK_LAYOUT_DENSE, &output->buffer));
        c->readback[output->var] = true;
    }
    for (uint32_t id = 0; id < c->graph->n_vars; id++) {
        uint32_t buffer;
        if (!c->readback[id])
            continue;
        ESK_TRY(ensure_buffer(c, id, ESK_LAYOUT_DENSE, &buffer));
    }
    uint32_t stages = plan->n_stages ? plan->n_stages : 1;
    for (uint32_t i = 0; i < plan->n_commands; i++)
        if (c->stages_of[i] >= stages)
            stages = c->stages_of[i] + 1;
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        if (c->buffer_stage[i] >= stages)
            stages = c->buffer_stage[i] + 1;
    if (!esk_grow((void **)&plan->stages, &plan->cap_stages, stages,
                  sizeof *plan->stages))
        return esk_fail_memory(c->error, "stages");
    plan->n_stages = stages;
    for (uint32_t id = 0; id < c->graph->n_vars; id++) {
        uint32_t buffer = c->buffer_of[id][ESK_LAYOUT_DENSE];
        if (buffer == UINT32_MAX)
            continue;
        bool up = !ESK_COMMAND_IS_FORM(buffer) && plan->buffers[buffer].var == id &&
                  !c->graph->vars[id]->data && c->host_stage[id] != NOT_ON_HOST;
        struct esk_stage *stage = &plan->stages[stage_of_buffer(c, buffer)];
        struct esk_transfer transfer = {id, buffer, 0};
        if (up) {
            if (!esk_grow((void **)&stage->uploads, &stage->cap_uploads,
                          stage->n_uploads + 1, sizeof *stage->uploads))
                return esk_fail_memory(c->error, "uploads");
            stage->uploads[stage->n_uploads++] = transfer;
        }
        if (c->readback[id]) {
            if (!esk_grow((void **)&stage->readbacks, &stage->cap_readbacks,
                          stage->n_readbacks + 1, sizeof *stage->readbacks))
                return esk_fail_memory(c->error, "readbacks");
            stage->readbacks[stage->n_readbacks++] = transfer;
        }
    }
    return ESK_OK;
}

/* Parts go into their places where the host and the caller do not have them too. */
static esk_status place_parts(struct chooser *c) {
    struct esk_plan *plan = c->plan;
    if (!c->n_joints || !esk_pass_enabled(c->options, "place_parts"))
        return ESK_OK;
    bool *fixed = esk_calloc(plan->n_buffers + 1u, sizeof *fixed);
    if (!fixed)
        return esk_fail_memory(c->error, "parts");
    for (uint32_t id = 0; id < c->graph->n_vars; id++)
        for (int layout = 0; layout < LAYOUTS; layout++) {
            uint32_t buffer = c->buffer_of[id][layout];
            if (buffer != UINT32_MAX && !ESK_COMMAND_IS_FORM(buffer))
                fixed[buffer] |= c->readback[id] || c->users.outside[id] ||
                                 c->host_stage[id] != NOT_ON_HOST;
        }
    esk_status status =
        esk_place_parts(plan, c->joints, c->n_joints, fixed,
                        c->options->limits->max_binding, c->stages_of, c->error);
    esk_free(fixed);
    return status;
}

static esk_status start(struct chooser *c, const bool *keep) {
    size_t n = c->graph->n_vars + 1u;
    ESK_TRY(esk_users_init(&c->users, c->graph, keep, c->error));
    if (c->options->limits && esk_pass_enabled(c->options, "fuse_epilogues"))
        ESK_TRY(esk_sink_elementwise(c->graph, &c->users, c->error));
    c->buffer_of = esk_malloc(n * sizeof *c->buffer_of);
    c->host_stage = esk_malloc(n * sizeof *c->host_stage);
    c->readback = esk_calloc(n, sizeof *c->readback);
    c->made = esk_calloc(n, sizeof *c->made);
    c->fused = esk_calloc(c->graph->n_nodes + 1u, sizeof *c->fused);
    c->early = esk_calloc(c->graph->n_nodes + 1u, sizeof *c->early);
    if (!c->buffer_of || !c->host_stage || !c->readback || !c->made || !c->fused ||
        !c->early)
        return esk_fail_memory(c->error, "placement");
    for (uint32_t i = 0; i < c->graph->n_vars; i++) {
        c->buffer_of[i][0] = c->buffer_of[i][1] = UINT32_MAX;
        bool given = c->graph->vars[i]->data != NULL;
        c->host_stage[i] = given ? FROM_START : NOT_ON_HOST;
        c->made[i] = given;
    }
    for (uint32_t i = 0; i < c->graph->n_inputs; i++) {
        c->host_stage[c->graph->inputs[i]] = FROM_START;
        c->made[c->graph->inputs[i]] = true;
    }
    if (c->options->limits && esk_find_early(c->graph, &c->users, c->early))
        for (uint32_t n = 0; n < c->graph->n_nodes; n++)
            for (uint32_t i = 0; c->early[n] && i < c->graph->nodes[n]->n_out; i++)
                if (c->graph->nodes[n]->out[i] != ESK_NONE)
                    c->graph->vars[c->graph->nodes[n]->out[i]]->flags |= ESK_VAR_EARLY;
    return ESK_OK;
}

static esk_status choose(struct chooser *c, const bool *keep) {
    ESK_TRY(start(c, keep));
    for (uint32_t i = 0; i < c->graph->n_order; i++) {
        esk_id id = c->graph->order[i];
        if (!c->graph->nodes[id]->dead && !c->fused[id])
            ESK_TRY(place_node(c, id));
    }
    if (c->fallbacks.failed)
        return esk_fail_memory(c->error, "placement");
    if (c->options->strict && c->plan->n_fallbacks)
        return esk_fail(c->error, ESK_FALLBACK, "%u of %u nodes would fall back: %s",
                        c->plan->n_fallbacks, c->graph->n_order,
                        esk_text_str(&c->fallbacks));
    for (uint32_t i = 0; keep && i < c->graph->n_vars; i++)
        if (keep[i] && c->host_stage[i] == NOT_ON_HOST)
            c->readback[i] = true;
    for (uint32_t i = 0; i < c->graph->n_nodes; i++) {
        struct esk_node *node = c->graph->nodes[i];
        c->plan->n_device_nodes += !node->dead && node->home == ESK_HOME_DEVICE;
        if (node->dead && node->op && node->home == ESK_HOME_NONE)
            node->home = ESK_HOME_KNOWN;
    }
    ESK_TRY(add_readbacks(c));
    return place_parts(c);
}

esk_status esk_choose(struct esk_plan *plan, const struct esk_compile_options *options,
                      const bool *keep, uint32_t **stages_of, esk_error *error) {
    struct chooser c = {
        .plan = plan, .graph = plan->graph, .options = options, .error = error};
    esk_status status = choose(&c, keep);
    esk_users_finish(&c.users);
    esk_free(c.buffer_of);
    esk_free(c.buffer_stage);
    esk_free(c.host_stage);
    esk_free(c.readback);
    esk_free(c.fused);
    esk_free(c.early);
    esk_free(c.made);
    esk_free(c.joints);
    esk_text_finish(&c.fallbacks);
    *stages_of = c.stages_of; /* the caller frees it, on failure too */
    return status;
}
