/* The plan as an object: making, freeing, listing. Must not know who made it. */
#include "ir/plan.h"

#include "base/mem.h"

const char *esk_slot_name(enum esk_slot_kind kind) {
    static const char *const names[] = {"activation", "input", "output", "form",
                                        "constant"};
    return names[kind];
}

uint64_t esk_plan_exact_bytes(const struct esk_plan *plan, uint32_t buffer) {
    const struct esk_buffer *b = &plan->buffers[buffer];
    if (b->var == ESK_NONE || b->layout != ESK_LAYOUT_DENSE)
        return b->bytes;
    uint64_t count = (uint64_t)esk_var_count(plan->graph->vars[b->var]);
    return count * (b->storage == ESK_STORAGE_I64X2   ? 8
                    : b->storage == ESK_STORAGE_F16X2 ? 2
                                                      : 4);
}

struct esk_plan *esk_plan_create(void) {
    return esk_calloc(1, sizeof(struct esk_plan));
}

void esk_plan_destroy(struct esk_plan *plan) {
    if (!plan)
        return;
    for (uint32_t i = 0; i < plan->n_stages; i++) {
        esk_free(plan->stages[i].uploads);
        esk_free(plan->stages[i].readbacks);
        esk_free(plan->stages[i].host_nodes);
    }
    esk_free(plan->early);
    esk_free(plan->stages);
    esk_free(plan->commands);
    esk_free(plan->buffers);
    esk_free(plan->forms);
    esk_free(plan->slab_bytes);
    esk_recipe_list_finish(&plan->recipes);
    esk_graph_destroy(plan->cut.rest);
    esk_graph_destroy(plan->graph);
    esk_arena_finish(&plan->arena);
    esk_free(plan);
}

static void print_place(const struct esk_plan *plan, uint32_t buffer,
                        struct esk_text *text) {
    if (ESK_COMMAND_IS_FORM(buffer)) {
        esk_text_add(text, "form %u", ESK_COMMAND_FORM(buffer));
        return;
    }
    const struct esk_place *place = &plan->buffers[buffer].place;
    esk_text_add(text, "%s %u+%llu", esk_slot_name(place->slot), place->index,
                 (unsigned long long)place->offset);
}

static void print_transfers(const struct esk_plan *plan, const char *what,
                            const struct esk_transfer *list, uint32_t n,
                            struct esk_text *text) {
    for (uint32_t i = 0; i < n; i++) {
        esk_text_add(text, "  %s '%s' ", what, plan->graph->vars[list[i].var]->name);
        print_place(plan, list[i].buffer, text);
        esk_text_add(text, "\n");
    }
}

static void print_command(const struct esk_plan *plan, uint32_t index,
                          struct esk_text *text) {
    const struct esk_command *command = &plan->commands[index];
    const struct esk_kernel *k = command->kernel;
    esk_text_add(text, "  %u%s %s '%s' %llux%llux%llu of %ux%ux%u", index,
                 command->barrier ? " barrier" : "", k->template,
                 k->label ? k->label : "", (unsigned long long)k->groups[0],
                 (unsigned long long)k->groups[1], (unsigned long long)k->groups[2],
                 k->local[0], k->local[1], k->local[2]);
    for (uint32_t i = 0; i < k->n_operands; i++) {
        esk_text_add(text, " %s=", k->operands[i].name);
        print_place(plan, command->buffers[i], text);
    }
    esk_text_add(text, "\n");
}

static void print_host(const struct esk_plan *plan, esk_id id, struct esk_text *text) {
    const struct esk_node *node = plan->graph->nodes[id];
    esk_text_add(text, "  host %s '%s': %s\n", node->op_type, node->name,
                 node->reason ? node->reason : "");
}

void esk_plan_print(const struct esk_plan *plan, struct esk_text *text) {
    esk_text_add(text,
                 "plan: %u stages, %u commands, %u barriers, %u buffers, %u forms\n",
                 plan->n_stages, plan->n_commands, plan->n_barriers, plan->n_buffers,
                 plan->n_forms);
    esk_text_add(text, "activations: %llu bytes in %u slabs, lower bound %llu\n",
                 (unsigned long long)plan->peak, plan->n_slabs,
                 (unsigned long long)plan->lower_bound);
    for (uint32_t i = 0; i < plan->n_early; i++)
        print_host(plan, plan->early[i], text);
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        const struct esk_stage *stage = &plan->stages[s];
        esk_text_add(text, "stage %u\n", s);
        print_transfers(plan, "upload", stage->uploads, stage->n_uploads, text);
        for (uint32_t i = 0; i < stage->n_commands; i++)
            print_command(plan, stage->first_command + i, text);
        print_transfers(plan, "readback", stage->readbacks, stage->n_readbacks, text);
        for (uint32_t i = 0; i < stage->n_host_nodes; i++)
            print_host(plan, stage->host_nodes[i], text);
    }
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        const struct esk_buffer *b = &plan->buffers[i];
        esk_text_add(text, "buffer %u '%s' %s %s %llu bytes [%u,%u] ", i,
                     b->var == ESK_NONE ? "scratch" : plan->graph->vars[b->var]->name,
                     esk_storage_name(b->storage),
                     b->layout == ESK_LAYOUT_C4      ? "c4"
                     : b->layout == ESK_LAYOUT_DENSE ? "dense"
                                                     : "scratch",
                     (unsigned long long)b->bytes, b->first, b->last);
        print_place(plan, i, text);
        if (b->parent != ESK_NONE)
            esk_text_add(text, " in buffer %u", b->parent);
        if (b->place.pitch)
            esk_text_add(text, ", rows of %llu bytes, %llu apart",
                         (unsigned long long)b->place.row,
                         (unsigned long long)b->place.pitch);
        esk_text_add(text, "\n");
    }
    for (uint32_t i = 0; i < plan->n_forms; i++) {
        const struct esk_plan_form *f = &plan->forms[i];
        esk_text_add(text, "form %u %s %zu bytes %s\n", i, f->form.name, f->form.bytes,
                     f->shared ? "shared" : "constant");
    }
    if (plan->cut.rest)
        esk_text_add(text,
                     "cut: %s; %u values carried, %u nodes between, %u nodes left\n",
                     plan->cut.why ? plan->cut.why : "", plan->cut.n_carry,
                     plan->cut.n_between, plan->cut.rest->n_order);
}
