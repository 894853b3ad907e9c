/* Parts made in their places: where a value is put together from others (esk_part), these
 * may lie in it from the start, and need no copy. In: the commands of all nodes, before they
 * have an order; out: buffers with parents, fewer commands, kernels that know the pitch of
 * what they read and write. Must not know operators. */
#include "base/mem.h"
#include "compile/choose.h"

#include <string.h>

/* Units of a pitched buffer: AT_X (prelude) divides by floats. */
enum { MOST_UNITS = 1 << 22 };

/* Bytes of what a kernel's index counts. */
static uint64_t unit_bytes(const struct esk_operand *o) {
    bool vec4 = o->view == ESK_VEC4;
    switch (o->storage) {
    case ESK_STORAGE_F16X2:
        return vec4 ? 8 : o->access == ESK_READ ? 2 : 4;
    case ESK_STORAGE_I64X2:
        return 8;
    default:
        return vec4 ? 16 : 4;
    }
}

/* All kernels that touch the buffer can be told that its rows lie apart. */
static bool can_be_pitched(const struct esk_plan *plan, uint32_t buffer, uint64_t row) {
    const struct esk_buffer *b = &plan->buffers[buffer];
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].parent == buffer &&
            (!plan->buffers[i].pitch || plan->buffers[i].pitch != row))
            return false;
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_command *command = &plan->commands[i];
        for (uint32_t j = 0; command->kernel && j < command->kernel->n_operands; j++) {
            const struct esk_operand *o = &command->kernel->operands[j];
            if (command->buffers[j] == buffer &&
                (o->offset || o->access == ESK_READ_WRITE || row % unit_bytes(o) ||
                 b->bytes / unit_bytes(o) > MOST_UNITS ||
                 command->kernel->indirect == (int)j))
                return false;
        }
    }
    return true;
}

static bool can_place(const struct esk_plan *plan, const bool *fixed, uint32_t buffer,
                      uint32_t target, const struct esk_part *part, bool last) {
    if (ESK_COMMAND_IS_FORM(buffer) || buffer == target || fixed[buffer])
        return false;
    const struct esk_buffer *b = &plan->buffers[buffer], *y = &plan->buffers[target];
    if (b->parent != ESK_NONE || b->storage != y->storage || part->offset % 16 ||
        part->pitch % 16 || (part->row % 16 && !(last && !part->pitch)))
        return false;
    if (!part->pitch)
        return b->bytes == (part->row + 15) / 16 * 16 && part->offset + b->bytes <= y->bytes;
    return b->bytes == y->bytes / part->pitch * part->row &&
           can_be_pitched(plan, buffer, part->row);
}

static void drop(struct esk_plan *plan, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n; i++)
        plan->commands[i].kernel = NULL;
}

/* The parts of one value. */
static esk_status place(struct esk_plan *plan, const struct esk_joint *joint,
                        const bool *fixed, esk_error *error) {
    const struct esk_recipe *recipe = joint->recipe;
    uint32_t whole = recipe->n_kernels - recipe->n_parts, placed = 0;
    uint32_t target = plan->commands[joint->first].buffers[recipe->kernels[0].n_operands - 1];
    bool *in_place = esk_calloc(recipe->n_parts, sizeof *in_place);
    if (!in_place)
        return esk_fail_memory(error, "parts");
    for (uint32_t i = 0; i < recipe->n_parts; i++) {
        const struct esk_part *part = &recipe->parts[i];
        uint32_t buffer = joint->buffers[i];
        in_place[i] = can_place(plan, fixed, buffer, target, part, i + 1 == recipe->n_parts);
        if (!in_place[i])
            continue;
        plan->buffers[buffer].parent = target;
        plan->buffers[buffer].offset = part->offset;
        plan->buffers[buffer].row = part->pitch ? part->row : 0;
        plan->buffers[buffer].pitch = part->pitch;
        placed++;
    }
    if (recipe->n_parts - placed > whole) { /* more commands than before: not so */
        for (uint32_t i = 0; i < recipe->n_parts; i++)
            if (in_place[i]) {
                plan->buffers[joint->buffers[i]].parent = ESK_NONE;
                plan->buffers[joint->buffers[i]].offset = 0;
                plan->buffers[joint->buffers[i]].row = plan->buffers[joint->buffers[i]].pitch = 0;
            }
    } else if (placed) {
        uint32_t at = joint->first;
        drop(plan, joint->first, whole);
        for (uint32_t i = 0; i < recipe->n_parts; i++) {
            if (in_place[i])
                continue;
            struct esk_command *command = &plan->commands[at++];
            command->kernel = &recipe->kernels[whole + i];
            command->buffers[0] = joint->buffers[i];
            command->buffers[1] = target;
        }
    }
    esk_free(in_place);
    return ESK_OK;
}

/* Commands without a kernel go. */
static void squeeze(struct esk_plan *plan, uint32_t *stages_of) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        if (!plan->commands[i].kernel)
            continue;
        stages_of[n] = stages_of[i];
        plan->commands[n++] = plan->commands[i];
    }
    plan->n_commands = n;
}

/* From one row to the next in the root; 0: one run. */
static uint64_t pitch_of(const struct esk_plan *plan, uint32_t buffer) {
    uint64_t pitch = 0;
    for (; plan->buffers[buffer].parent != ESK_NONE; buffer = plan->buffers[buffer].parent)
        if (plan->buffers[buffer].pitch)
            pitch = plan->buffers[buffer].pitch;
    return pitch;
}

static uint64_t row_of(const struct esk_plan *plan, uint32_t buffer) {
    while (!plan->buffers[buffer].pitch)
        buffer = plan->buffers[buffer].parent;
    return plan->buffers[buffer].row;
}

static esk_status tell_kernels(struct esk_plan *plan, esk_error *error) {
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_command *command = &plan->commands[i];
        /* the plan's own: recipes belong to it, a kernel to one command */
        struct esk_kernel *k = (struct esk_kernel *)command->kernel;
        for (uint32_t j = 0; j < k->n_operands; j++) {
            uint32_t buffer = command->buffers[j];
            uint64_t pitch = ESK_COMMAND_IS_FORM(buffer) ? 0 : pitch_of(plan, buffer);
            if (!pitch)
                continue;
            const struct esk_operand *o = &k->operands[j];
            uint64_t unit = unit_bytes(o), row = row_of(plan, buffer) / unit;
            const char *inverse =
                esk_arena_printf(&plan->arena, "inverse_%s", o->name);
            const char *gap = esk_arena_printf(&plan->arena, "gap_%s", o->name);
            if (!inverse || !gap)
                return esk_fail_memory(error, "parameters");
            esk_text_add(&k->defines, "#define AT_%s(i) pitched%s(i, p_%s, p_%s)\n", o->name,
                         o->access == ESK_READ ? "_or_none" : "", inverse, gap);
            esk_kernel_float(k, inverse, 1.0f / (float)row);
            esk_kernel_int(k, gap, (int64_t)(pitch / unit - row));
            if (k->defines.failed)
                return esk_fail_memory(error, "defines");
        }
    }
    return ESK_OK;
}

esk_status esk_place_parts(struct esk_plan *plan, const struct esk_joint *joints,
                           uint32_t n_joints, const bool *fixed, uint32_t *stages_of,
                           esk_error *error) {
    for (uint32_t i = 0; i < n_joints; i++)
        ESK_TRY(place(plan, &joints[i], fixed, error));
    squeeze(plan, stages_of);
    return tell_kernels(plan, error);
}
