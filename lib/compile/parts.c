/* Parts made in their places: where a value is put together from others (esk_part), these
 * may lie in it from the start, and need no copy. In: the commands of all nodes, before
 * they have an order; out: buffers with parents, fewer commands, kernels that know the
 * pitch of what they read and write. Must not know operators. */
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

/* Where a buffer begins in the one that has the bytes, and how far its rows lie apart
 * there (pitch 0: it is one run). */
struct spot {
    uint64_t offset, row, pitch;
    bool to_end; /* what lies behind it is nobody's */
};

static struct spot spot_of(const struct esk_plan *plan, uint32_t buffer) {
    struct spot spot = {0};
    uint64_t bytes = plan->buffers[buffer].bytes;
    for (; plan->buffers[buffer].parent != ESK_NONE;
         buffer = plan->buffers[buffer].parent) {
        const struct esk_buffer *b = &plan->buffers[buffer];
        if (b->pitch) {
            spot.offset = spot.offset / b->row * b->pitch + spot.offset % b->row;
            spot.row = spot.row ? spot.row : b->row;
            spot.pitch = b->pitch;
        }
        spot.offset += b->offset;
    }
    spot.to_end = !spot.pitch &&
                  (spot.offset + bytes + 15) / 16 * 16 == plan->buffers[buffer].bytes;
    return spot;
}

enum fit { FITS_NOT, FITS_LOOSELY, FITS };

/* Whether operand `j` of a command can be where its buffer lies: as it is, or with its
 * vec4s stored as four elements. */
static enum fit fit_of(const struct esk_plan *plan, const struct esk_command *command,
                       uint32_t j) {
    const struct esk_operand *o = &command->kernel->operands[j];
    struct spot spot = spot_of(plan, command->buffers[j]);
    uint64_t exact = esk_plan_exact_bytes(plan, command->buffers[j]);
    if (spot.pitch &&
        (o->offset || o->access == ESK_READ_WRITE || command->kernel->indirect == (int)j))
        return FITS_NOT;
    uint64_t unit = unit_bytes(o);
    for (enum fit fit = FITS;; fit = FITS_LOOSELY, unit = 4) {
        bool over = o->access != ESK_READ && exact % unit && !spot.to_end;
        if (!over && spot.offset % unit == 0 && spot.row % unit == 0 &&
            spot.pitch % unit == 0 && (!spot.pitch || exact / unit <= MOST_UNITS))
            return fit;
        if (fit == FITS_LOOSELY || o->access != ESK_WRITE || o->view != ESK_VEC4 ||
            o->storage == ESK_STORAGE_F16X2)
            return FITS_NOT;
    }
}

/* `buffer` is `whole`, or lies in it: *offset bytes behind its start, with rows of *pitch
 * in it. */
static bool lies_in(const struct esk_plan *plan, uint32_t buffer, uint32_t whole,
                    uint64_t *offset, uint64_t *pitch) {
    for (*offset = *pitch = 0; buffer != whole; buffer = plan->buffers[buffer].parent) {
        const struct esk_buffer *b = &plan->buffers[buffer];
        if (b->parent == ESK_NONE)
            return false;
        if (b->pitch) {
            *offset = *offset / b->row * b->pitch + *offset % b->row;
            *pitch = b->pitch;
        }
        *offset += b->offset;
    }
    return true;
}

/* What lies in a buffer whose rows shall lie apart has whole rows of it, or its own in
 * them. */
static bool has_rows(const struct esk_plan *plan, uint32_t buffer, uint64_t row) {
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        uint64_t offset, pitch;
        if (i != buffer && lies_in(plan, i, buffer, &offset, &pitch) &&
            (pitch ? pitch != row : offset % row || esk_plan_exact_bytes(plan, i) % row))
            return false;
    }
    return true;
}

static void unplace(struct esk_plan *plan, uint32_t buffer) {
    struct esk_buffer *b = &plan->buffers[buffer];
    b->parent = ESK_NONE;
    b->offset = b->row = b->pitch = 0;
    b->bytes = (b->bytes + 15) / 16 * 16;
}

/* Puts a part into its place, if all kernels that touch it can be told. */
static bool put_part(struct esk_plan *plan, const bool *fixed, uint32_t buffer,
                     uint32_t target, const struct esk_part *part, bool loosely) {
    if (ESK_COMMAND_IS_FORM(buffer) || buffer == target || fixed[buffer])
        return false;
    struct esk_buffer *b = &plan->buffers[buffer];
    uint64_t exact = esk_plan_exact_bytes(plan, buffer), rows = 1;
    if (part->pitch)
        rows = esk_plan_exact_bytes(plan, target) / part->pitch;
    if (b->parent != ESK_NONE || b->storage != plan->buffers[target].storage ||
        exact != rows * part->row || (part->pitch && !has_rows(plan, buffer, part->row)))
        return false;
    b->parent = target;
    b->offset = part->offset;
    b->row = part->pitch ? part->row : 0;
    b->pitch = part->pitch;
    b->bytes = exact;
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_command *command = &plan->commands[i];
        for (uint32_t j = 0; command->kernel && j < command->kernel->n_operands; j++) {
            uint64_t offset, pitch;
            if (ESK_COMMAND_IS_FORM(command->buffers[j]) ||
                !lies_in(plan, command->buffers[j], buffer, &offset, &pitch))
                continue;
            enum fit fit = fit_of(plan, command, j);
            if (fit == FITS || (fit == FITS_LOOSELY && loosely))
                continue;
            unplace(plan, buffer);
            return false;
        }
    }
    return true;
}

static void drop(struct esk_plan *plan, uint32_t first, uint32_t n) {
    for (uint32_t i = first; i < first + n; i++)
        plan->commands[i].kernel = NULL;
}

/* Puts what it can of a value's parts into their places; returns their number. */
static uint32_t put_parts(struct esk_plan *plan, const struct esk_joint *joint,
                          const bool *fixed, uint32_t target, bool loosely,
                          bool *in_place) {
    const struct esk_recipe *recipe = joint->recipe;
    uint32_t placed = 0;
    for (uint32_t i = 0; i < recipe->n_parts; i++) {
        in_place[i] =
            put_part(plan, fixed, joint->buffers[i], target, &recipe->parts[i], loosely);
        placed += in_place[i];
    }
    return placed;
}

/* The parts of one value: where that saves commands, or only bytes but no vec4 is split.
 */
static esk_status place(struct esk_plan *plan, const struct esk_joint *joint,
                        const bool *fixed, uint64_t most, esk_error *error) {
    const struct esk_recipe *recipe = joint->recipe;
    uint32_t whole = recipe->n_kernels - recipe->n_parts, placed = 0;
    uint32_t target =
        plan->commands[joint->first].buffers[recipe->kernels[0].n_operands - 1];
    if (plan->buffers[target].bytes > most)
        return ESK_OK;
    bool *in_place = esk_calloc(recipe->n_parts, sizeof *in_place);
    if (!in_place)
        return esk_fail_memory(error, "parts");
    for (int loosely = 1; loosely >= 0; loosely--) {
        placed = put_parts(plan, joint, fixed, target, loosely, in_place);
        if (placed && recipe->n_parts - placed + (uint32_t)loosely <= whole)
            break;
        for (uint32_t i = 0; i < recipe->n_parts; i++)
            if (in_place[i])
                unplace(plan, joint->buffers[i]);
        placed = 0;
    }
    if (placed) {
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

/* `spot` NULL: rows that lie together, said all the same. */
static esk_status tell_pitch(struct esk_plan *plan, struct esk_kernel *k,
                             const struct esk_operand *o, const struct spot *spot,
                             esk_error *error) {
    uint64_t unit = unit_bytes(o), row = spot ? spot->row / unit : 0;
    const char *inverse = esk_arena_printf(&plan->arena, "inverse_%s", o->name);
    const char *gap = esk_arena_printf(&plan->arena, "gap_%s", o->name);
    if (!inverse || !gap)
        return esk_fail_memory(error, "parameters");
    esk_text_add(&k->defines, "#define AT_%s(i) pitched%s(i, p_%s, p_%s)\n", o->name,
                 o->access == ESK_READ ? "_or_none" : "", inverse, gap);
    esk_kernel_float(k, inverse, spot ? 1.0f / (float)row : 0.0f);
    esk_kernel_int(k, gap, spot ? (int64_t)(spot->pitch / unit - row) : 0);
    return ESK_OK;
}

/* Which of a command's operands lie in pitched buffers, and which of these it writes. */
struct pitches {
    uint32_t all, written;
};

static esk_status tell_ends(struct esk_plan *plan, const struct esk_command *command,
                            struct pitches *pitches, esk_error *error) {
    /* the plan's own: recipes belong to it, a kernel to one command */
    struct esk_kernel *k = (struct esk_kernel *)command->kernel;
    for (uint32_t j = 0; j < k->n_operands; j++) {
        struct esk_operand *o = &k->operands[j];
        uint32_t buffer = command->buffers[j];
        if (ESK_COMMAND_IS_FORM(buffer) || plan->buffers[buffer].parent == ESK_NONE)
            continue;
        if (fit_of(plan, command, j) == FITS_LOOSELY) {
            const char *end = esk_arena_printf(&plan->arena, "end_%s", o->name);
            if (!end)
                return esk_fail_memory(error, "parameters");
            o->view = ESK_LOOSE;
            esk_kernel_int(k, end,
                           (int64_t)(esk_plan_exact_bytes(plan, buffer) - o->offset) / 4);
        }
        if (spot_of(plan, buffer).pitch) {
            pitches->all |= 1u << j;
            pitches->written |= o->access == ESK_WRITE ? 1u << j : 0;
        }
    }
    return ESK_OK;
}

/* Whether two kernels are of one program as they stand, without pitches. */
static bool alike(const struct esk_kernel *a, const struct esk_kernel *b) {
    if (strcmp(a->template, b->template) != 0 || a->n_operands != b->n_operands ||
        a->n_params != b->n_params || a->defines.length != b->defines.length ||
        memcmp(a->local, b->local, sizeof a->local) != 0 ||
        strcmp(esk_text_str(&a->defines), esk_text_str(&b->defines)) != 0)
        return false;
    for (uint32_t i = 0; i < a->n_operands; i++) {
        const struct esk_operand *x = &a->operands[i], *y = &b->operands[i];
        if (strcmp(x->name, y->name) != 0 || x->access != y->access ||
            x->view != y->view || x->storage != y->storage || x->dtype != y->dtype)
            return false;
    }
    return true;
}

/* What command `i` is told a pitch of. A store can do with the few instructions more, and
 * a program more is a tenth of a second or more to compile; a load in a loop cannot. */
static uint32_t told(const struct esk_plan *plan, const struct pitches *pitches,
                     uint32_t i) {
    uint32_t tell = pitches[i].all, reads = tell & ~pitches[i].written;
    for (uint32_t other = 0; other < plan->n_commands; other++)
        if (pitches[other].written & ~tell &&
            (pitches[other].all & ~pitches[other].written) == reads &&
            alike(plan->commands[i].kernel, plan->commands[other].kernel))
            tell |= pitches[other].written;
    return tell;
}

static esk_status tell_kernels(struct esk_plan *plan, esk_error *error) {
    uint32_t n = plan->n_commands;
    struct pitches *pitches = esk_calloc(n + 1u, sizeof *pitches);
    uint32_t *tell = esk_calloc(n + 1u, sizeof *tell);
    esk_status status = pitches && tell ? ESK_OK : esk_fail_memory(error, "pitches");
    for (uint32_t i = 0; i < n && status == ESK_OK; i++)
        status = tell_ends(plan, &plan->commands[i], &pitches[i], error);
    for (uint32_t i = 0; i < n && status == ESK_OK; i++)
        tell[i] = told(plan, pitches, i); /* before any has its defines */
    for (uint32_t i = 0; i < n && status == ESK_OK; i++) {
        const struct esk_command *command = &plan->commands[i];
        struct esk_kernel *k = (struct esk_kernel *)command->kernel;
        for (uint32_t j = 0; j < k->n_operands && status == ESK_OK; j++) {
            if (!(tell[i] >> j & 1))
                continue;
            bool lies_apart = pitches[i].all >> j & 1;
            struct spot spot = {0};
            if (lies_apart)
                spot = spot_of(plan, command->buffers[j]);
            status =
                tell_pitch(plan, k, &k->operands[j], lies_apart ? &spot : NULL, error);
        }
        if (status == ESK_OK && k->defines.failed)
            status = esk_fail_memory(error, "defines");
    }
    esk_free(pitches);
    esk_free(tell);
    return status;
}

esk_status esk_place_parts(struct esk_plan *plan, const struct esk_joint *joints,
                           uint32_t n_joints, const bool *fixed, uint64_t most,
                           uint32_t *stages_of, esk_error *error) {
    for (uint32_t i = 0; i < n_joints; i++)
        ESK_TRY(place(plan, &joints[i], fixed, most, error));
    squeeze(plan, stages_of);
    return tell_kernels(plan, error);
}
