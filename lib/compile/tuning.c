/* The table of choices and its text. In: keys, labels, times; out: the same. */
#include "compile/tuning.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char first_line[] = "# esker tuning 1";

esk_status esk_tuning_init(struct esk_tuning *tuning, esk_error *error) {
    *tuning = (struct esk_tuning){0};
    if (pthread_mutex_init(&tuning->lock, NULL))
        return esk_fail(error, ESK_INTERNAL, "a mutex cannot be made");
    return ESK_OK;
}

void esk_tuning_finish(struct esk_tuning *tuning) {
    for (uint32_t i = 0; i < tuning->count; i++) {
        esk_free(tuning->choices[i].key);
        esk_free(tuning->choices[i].label);
    }
    esk_free(tuning->choices);
    esk_map_finish(&tuning->index);
    pthread_mutex_destroy(&tuning->lock);
    *tuning = (struct esk_tuning){0};
}

/* Under the lock; false: memory. */
static bool add(struct esk_tuning *tuning, const char *key, size_t key_length,
                const char *label, size_t label_length, double us) {
    struct esk_choice choice = {esk_malloc(key_length + 1), esk_malloc(label_length + 1),
                                us};
    bool good = choice.key && choice.label &&
                esk_grow((void **)&tuning->choices, &tuning->capacity, tuning->count + 1u,
                         sizeof choice);
    uint32_t before;
    if (good) {
        memcpy(choice.key, key, key_length);
        memcpy(choice.label, label, label_length);
        choice.key[key_length] = choice.label[label_length] = 0;
        if (!esk_map_get(&tuning->index, choice.key, &before) &&
            (good = esk_map_put(&tuning->index, choice.key, tuning->count))) {
            tuning->choices[tuning->count++] = choice;
            return true;
        }
    }
    esk_free(choice.key);
    esk_free(choice.label);
    return good;
}

esk_status esk_tuning_read(struct esk_tuning *tuning, const char *driver,
                           const char *text, esk_error *error) {
    bool ours = false, memory = true;
    size_t driver_length = strlen(driver);
    pthread_mutex_lock(&tuning->lock);
    int number = 1;
    for (const char *line = text; *line; number++) {
        size_t length = strcspn(line, "\n");
        const char *tab = memchr(line, '\t', length);
        const char *second =
            tab ? memchr(tab + 1, '\t', length - (size_t)(tab + 1 - line)) : NULL;
        bool good = true;
        if (number == 1)
            good = length == sizeof first_line - 1 && !memcmp(line, first_line, length);
        else if (length > 7 && memcmp(line, "driver ", 7) == 0)
            ours =
                length - 7 == driver_length && !memcmp(line + 7, driver, driver_length);
        else if (length) {
            good = second && second > tab + 1 && tab > line;
            if (good && ours)
                memory = memory && add(tuning, line, (size_t)(tab - line), tab + 1,
                                       (size_t)(second - tab - 1), strtod(second, NULL));
        }
        if (!good || !memory) {
            pthread_mutex_unlock(&tuning->lock);
            return memory ? esk_fail(error, ESK_INVALID_ARGUMENT,
                                     number == 1
                                         ? "line %d is not '%s'"
                                         : "line %d is no 'key, tab, label, tab, µs'",
                                     number, first_line)
                          : esk_fail_memory(error, "tuning results");
        }
        line += length + (line[length] == '\n');
    }
    pthread_mutex_unlock(&tuning->lock);
    if (number == 1)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "it is empty");
    return ESK_OK;
}

void esk_tuning_write(struct esk_tuning *tuning, const char *driver, const char *old,
                      struct esk_text *text) {
    bool others = false;
    esk_text_add(text, "%s\n", first_line);
    for (const char *line = old ? old : ""; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > 7 && memcmp(line, "driver ", 7) == 0)
            others = length - 7 != strlen(driver) || memcmp(line + 7, driver, length - 7);
        if (others)
            esk_text_add(text, "%.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    esk_text_add(text, "driver %s\n", driver);
    pthread_mutex_lock(&tuning->lock);
    for (uint32_t i = 0; i < tuning->count; i++)
        esk_text_add(text, "%s\t%s\t%.1f\n", tuning->choices[i].key,
                     tuning->choices[i].label, tuning->choices[i].us);
    pthread_mutex_unlock(&tuning->lock);
}

/* ---- picking ---- */

/* Sizes up to 16 count each for itself, larger ones by quarters of an octave. */
static int64_t size_class(int64_t size) {
    int64_t step = 1;
    while (size / step >= 16)
        step *= 2;
    step = step > 1 ? step * 2 : 1;
    return (size + step - 1) / step * step;
}

static void key_var(struct esk_text *key, const struct esk_graph *graph, esk_id id) {
    if (id == ESK_NONE) {
        esk_text_add(key, " _");
        return;
    }
    const struct esk_var *var = graph->vars[id];
    esk_text_add(key, " %s", esk_dtype_name(var->dtype));
    for (int a = 0; a < var->rank; a++)
        esk_text_add(key, "%c%lld", a ? ',' : '[', (long long)size_class(var->dim[a]));
    if (var->rank)
        esk_text_add(key, "]");
}

static void make_key(const struct esk_graph *graph, const struct esk_node *node,
                     uint32_t n_members, const struct esk_recipe_list *list,
                     const bool *fits, struct esk_text *key) {
    esk_text_add(key, "%s%s%s", node->domain, *node->domain ? "." : "", node->op_type);
    for (uint32_t i = 0; i < node->n_in; i++)
        key_var(key, graph, node->in[i]);
    esk_text_add(key, " >");
    for (uint32_t i = 0; i < node->n_out; i++)
        key_var(key, graph, node->out[i]);
    esk_text_add(key, " +%u", n_members);
    for (size_t i = 0; i < list->count; i++)
        if (fits[i])
            esk_text_add(key, " | %s", list->items[i]->label);
}

/* What measuring needs of a recipe: floats alone, for nobody makes sense of indices that
 * are not there; nothing that a run decides. */
static bool can_measure(const struct esk_recipe *recipe) {
    for (uint32_t i = 0; i < recipe->n_kernels; i++) {
        const struct esk_kernel *k = &recipe->kernels[i];
        if (k->indirect >= 0)
            return false;
        for (uint32_t j = 0; j < k->n_params; j++)
            if (k->params[j].kind != ESK_PARAM_CONST)
                return false;
        for (uint32_t j = 0; j < k->n_operands; j++)
            if (k->operands[j].ref == ESK_REF_VAR &&
                k->operands[j].storage != ESK_STORAGE_F32 &&
                k->operands[j].storage != ESK_STORAGE_F16X2)
                return false;
    }
    return recipe->n_kernels;
}

/* Layouts cost their own commands: only recipes that agree in them can be compared. */
static bool same_layouts(const struct esk_recipe *a, const struct esk_recipe *b) {
    return a->alias == b->alias &&
           memcmp(a->in_layout, b->in_layout, sizeof a->in_layout) == 0 &&
           memcmp(a->out_layout, b->out_layout, sizeof a->out_layout) == 0;
}

static bool is_heavy(const struct esk_recipe *recipe) {
    double flops = 0, bytes = 0;
    for (uint32_t i = 0; i < recipe->n_kernels; i++) {
        flops += recipe->kernels[i].flops;
        bytes += recipe->kernels[i].bytes;
    }
    return flops >= 2e7 || bytes >= 4e6;
}

enum { ROUNDS = 3 }; /* of the commands in one run: a run's own cost counts less */

/* A plan of one recipe's kernels, over buffers of its own. The graph is borrowed. */
static bool build(struct esk_plan *plan, struct esk_stage *stage,
                  const struct esk_limits *limits, const struct esk_recipe *recipe) {
    struct esk_graph *graph = plan->graph;
    uint64_t end = 0;
    bool good = esk_grow((void **)&plan->forms, &plan->cap_forms, recipe->n_forms + 1u,
                         sizeof *plan->forms);
    for (uint32_t i = 0; good && i < recipe->n_forms; i++) {
        struct esk_plan_form *form = &plan->forms[plan->n_forms++];
        *form = (struct esk_plan_form){.form = recipe->forms[i], .shared = true};
        for (uint32_t j = 0; j < form->form.n_src; j++)
            form->shared = form->shared && (form->form.src[j] == ESK_NONE ||
                                            graph->vars[form->form.src[j]]->blob);
        form->offset = form->shared ? 0 : plan->constant_bytes;
        plan->constant_bytes += form->shared ? 0 : esk_round_up(form->form.bytes, 256);
    }
    for (uint32_t i = 0; good && i < recipe->n_kernels * ROUNDS; i++) {
        const struct esk_kernel *k = &recipe->kernels[i % recipe->n_kernels];
        struct esk_command command = {.kernel = k, .barrier = i > 0};
        for (uint32_t j = 0; good && j < k->n_operands; j++) {
            const struct esk_operand *o = &k->operands[j];
            bool var = o->ref == ESK_REF_VAR;
            if (o->ref == ESK_REF_FORM) {
                command.buffers[j] = ESK_COMMAND_FORM(o->id);
                continue;
            }
            /* scratch i is told from var i by its layout */
            uint32_t at = 0;
            while (at < plan->n_buffers && (plan->buffers[at].var != o->id ||
                                            plan->buffers[at].layout != o->layout))
                at++;
            command.buffers[j] = at;
            if (at < plan->n_buffers)
                continue;
            good = esk_grow((void **)&plan->buffers, &plan->cap_buffers, at + 1u,
                            sizeof *plan->buffers);
            if (!good)
                break;
            const struct esk_var *v = var ? graph->vars[o->id] : NULL;
            uint64_t bytes =
                var ? esk_storage_bytes(o->storage, o->layout, v->rank, v->dim)
                    : recipe->scratch[o->id].bytes;
            plan->buffers[plan->n_buffers++] =
                (struct esk_buffer){.var = o->id,
                                    .parent = ESK_NONE,
                                    .layout = o->layout,
                                    .storage = o->storage,
                                    .dtype = o->dtype,
                                    .bytes = bytes,
                                    .place = {ESK_SLOT_ACTIVATION, 0, end, bytes}};
            end += esk_round_up(bytes, 256);
        }
        good = good && esk_grow((void **)&plan->commands, &plan->cap_commands,
                                plan->n_commands + 1u, sizeof *plan->commands);
        if (good)
            plan->commands[plan->n_commands++] = command;
    }
    if (!good || end > limits->max_slab)
        return false;
    *stage = (struct esk_stage){.n_commands = plan->n_commands};
    plan->stages = stage;
    plan->n_stages = 1;
    plan->slab_bytes[0] = end;
    plan->n_slabs = 1;
    return true;
}

static bool time_recipe(const struct esk_tuner *tuner, const struct esk_limits *limits,
                        struct esk_graph *graph, const struct esk_node *node,
                        struct esk_recipe *recipe, double *us) {
    struct esk_stage stage;
    uint64_t slab[1];
    struct esk_plan plan = {.graph = graph, .slab_bytes = slab};
    for (uint32_t i = 0; i < recipe->n_kernels; i++)
        recipe->kernels[i].label = node->name;
    bool good =
        build(&plan, &stage, limits, recipe) && tuner->measure(tuner->user, &plan, us);
    *us /= ROUNDS;
    esk_free(plan.buffers);
    esk_free(plan.commands);
    esk_free(plan.forms);
    return good;
}

size_t esk_tune(const struct esk_tuner *tuner, const struct esk_limits *limits,
                struct esk_graph *graph, const struct esk_node *node, uint32_t n_members,
                const struct esk_recipe_list *list, const bool *fits, size_t first) {
    struct esk_tuning *tuning = tuner->tuning;
    size_t best = first, compared = 0;
    if (tuner->effort == ESK_EFFORT_TABLE && !tuning->count)
        return first;
    struct esk_text key = {0};
    make_key(graph, node, n_members, list, fits, &key);
    uint32_t at;
    pthread_mutex_lock(&tuning->lock);
    bool known = !key.failed && esk_map_get(&tuning->index, esk_text_str(&key), &at);
    for (size_t i = list->count; known && i-- > 0;)
        if (fits[i] && strcmp(list->items[i]->label, tuning->choices[at].label) == 0)
            best = i;
    pthread_mutex_unlock(&tuning->lock);
    bool measure = !known && !key.failed && tuner->effort != ESK_EFFORT_TABLE &&
                   (tuner->effort == ESK_EFFORT_FULL || is_heavy(list->items[first]));
    double least = 0, us;
    for (size_t i = first; measure && i < list->count; i++) {
        struct esk_recipe *recipe = list->items[i];
        if (!fits[i] || !can_measure(recipe) ||
            !same_layouts(recipe, list->items[first]) ||
            !time_recipe(tuner, limits, graph, node, recipe, &us))
            continue;
        if (!compared++ || us < least) {
            best = i;
            least = us;
        }
    }
    if (compared > 1) {
        const char *label = list->items[best]->label;
        pthread_mutex_lock(&tuning->lock);
        tuning->measured +=
            add(tuning, esk_text_str(&key), key.length, label, strlen(label), least);
        pthread_mutex_unlock(&tuning->lock);
    } else if (measure)
        best = first;
    esk_text_finish(&key);
    return best;
}
