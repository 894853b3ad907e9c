/* Values looked at as a run makes them: which command makes a NaN of numbers. In: a
 * lease, between its commands; out: an error that names node, value and place. Slow:
 * every command is waited for, and what it wrote is read. Must not know operators. */
#include "glcompute/check.h"

#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

enum state { UNKNOWN, NUMBERS, HAS_NAN };

struct esk_gl_check {
    struct esk_lease *lease;
    uint8_t *states; /* of the plan's buffers, then of its forms */
    bool had_nan;    /* the command at hand reads one */
    esk_status status;
    esk_error *error;
};

struct esk_gl_check *esk_gl_check_create(struct esk_lease *lease) {
    const struct esk_plan *plan = lease->prepared->plan;
    struct esk_gl_check *check = esk_calloc(1, sizeof *check);
    if (check)
        check->states = esk_calloc(plan->n_buffers + plan->n_forms + 1u, 1);
    if (!check || !check->states) {
        esk_gl_check_destroy(check);
        return NULL;
    }
    check->lease = lease;
    return check;
}

void esk_gl_check_destroy(struct esk_gl_check *check) {
    if (!check)
        return;
    esk_free(check->states);
    esk_free(check);
}

void esk_gl_check_begin(struct esk_gl_check *check, uint32_t stage, esk_error *error) {
    const struct esk_plan *plan = check->lease->prepared->plan;
    for (uint32_t i = 0; !stage && i < plan->n_buffers; i++)
        check->states[i] = UNKNOWN;
    check->status = ESK_OK;
    check->error = error;
}

esk_status esk_gl_check_end(const struct esk_gl_check *check) {
    return check->status;
}

/* ---- looking ---- */

static bool is_nan(const void *data, enum esk_storage storage, uint64_t at) {
    if (storage == ESK_STORAGE_F16X2) {
        uint16_t half;
        memcpy(&half, (const char *)data + at, sizeof half);
        return (half & 0x7fff) > 0x7c00;
    }
    uint32_t word;
    memcpy(&word, (const char *)data + at, sizeof word);
    return (word & 0x7fffffff) > 0x7f800000;
}

static bool is_float(const struct esk_buffer *b, const struct esk_var *var) {
    return !(var->flags & ESK_VAR_WORDS) &&
           (b->storage == ESK_STORAGE_F32 || b->storage == ESK_STORAGE_F16X2) &&
           (var->dtype == ESK_FLOAT || var->dtype == ESK_FLOAT16 ||
            var->dtype == ESK_BFLOAT16);
}

struct found {
    uint64_t count;
    int64_t index[ESK_MAX_RANK]; /* of the first, in the order of memory */
};

/* Elements one after the other as the layout has them; pad lanes mean nothing. */
static void find_nan(const struct esk_buffer *b, const struct esk_var *var,
                     const void *data, struct found *found) {
    int64_t dims[ESK_MAX_RANK + 1], at[ESK_MAX_RANK + 1] = {0}, units = 1;
    int rank = esk_layout_dims(b->layout, var->rank, var->dim, dims);
    bool c4 = b->layout == ESK_LAYOUT_C4 && var->rank >= 3;
    uint64_t unit = b->storage == ESK_STORAGE_F16X2 ? 2 : 4;
    for (int k = 0; k < rank; k++)
        units *= dims[k];
    *found = (struct found){0};
    for (int64_t i = 0; i < units; i++) {
        uint64_t byte = (uint64_t)i * unit;
        if (b->place.pitch)
            byte = byte / b->place.row * b->place.pitch + byte % b->place.row;
        bool pad = c4 && at[rank - 1] >= var->dim[1];
        if (!pad && is_nan(data, b->storage, byte) && !found->count++)
            for (int k = 0; k < var->rank; k++)
                found->index[k] = at[!c4 || !k ? k : k == 1 ? rank - 1 : k - 1];
        for (int k = rank - 1; k >= 0 && ++at[k] == dims[k]; k--)
            at[k] = 0;
    }
}

/* Reads a buffer of the plan. */
static bool look(struct esk_gl_check *check, uint32_t buffer, struct found *found) {
    struct esk_prepared *p = check->lease->prepared;
    struct esk_gl *gl = &p->screen->gl;
    const struct esk_buffer *b = &p->plan->buffers[buffer];
    const struct esk_var *var = p->plan->graph->vars[b->var];
    struct esk_gl_buffer *home =
        check->lease->slots[esk_gl_record_slot(&p->record, &b->place)];
    void *mapped = NULL;
    *found = (struct found){0};
    if (!is_float(b, var) || !esk_var_count(var) || !home)
        return true;
    ESK_GL(gl, MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT));
    check->status =
        esk_gl_buffer_map(gl, home, b->place.offset, b->place.bytes, GL_MAP_READ_BIT,
                          "looking for NaN", &mapped, check->error);
    if (check->status != ESK_OK)
        return false;
    find_nan(b, var, mapped, found);
    check->status = esk_gl_buffer_unmap(gl, home, "looking for NaN", check->error);
    return check->status == ESK_OK;
}

/* ---- commands ---- */

/* Forms by their sources: packing makes no NaN. */
static enum state form_state(struct esk_gl_check *check, uint32_t index) {
    const struct esk_plan *plan = check->lease->prepared->plan;
    const struct esk_form *form = &plan->forms[index].form;
    uint8_t *state = &check->states[plan->n_buffers + index];
    for (uint32_t i = 0; *state == UNKNOWN && i < form->n_src && i < 4; i++) {
        if (form->src[i] == ESK_NONE)
            continue;
        const struct esk_tensor tensor = esk_var_tensor(plan->graph->vars[form->src[i]]);
        if (esk_tensor_find_nan(&tensor) >= 0)
            *state = HAS_NAN;
    }
    if (*state == UNKNOWN)
        *state = NUMBERS;
    return *state;
}

/* What the command reads; buffers that no command wrote (inputs, values of the host, what
 * parts were put together to) are looked at now, before anything takes their places. */
static bool take_reads(struct esk_gl_check *check, const struct esk_command *command) {
    const struct esk_plan *plan = check->lease->prepared->plan;
    check->had_nan = false;
    for (uint32_t i = 0; i < command->kernel->n_operands; i++) {
        uint32_t buffer = command->buffers[i];
        if (command->kernel->operands[i].access == ESK_WRITE)
            continue;
        if (ESK_COMMAND_IS_FORM(buffer)) {
            check->had_nan |= form_state(check, ESK_COMMAND_FORM(buffer)) == HAS_NAN;
            continue;
        }
        uint8_t *state = &check->states[buffer];
        if (*state == UNKNOWN && plan->buffers[buffer].var != ESK_NONE) {
            struct found found;
            if (!look(check, buffer, &found))
                return false;
            *state = found.count ? HAS_NAN : NUMBERS;
        }
        check->had_nan |= *state == HAS_NAN;
    }
    return true;
}

static void complain(struct esk_gl_check *check, const struct esk_command *command,
                     uint32_t buffer, const struct found *found) {
    const struct esk_graph *graph = check->lease->prepared->plan->graph;
    const struct esk_var *var =
        graph->vars[check->lease->prepared->plan->buffers[buffer].var];
    const struct esk_node *node =
        command->node == ESK_NONE ? NULL : graph->nodes[command->node];
    const struct esk_node *last =
        node && var->producer != ESK_NONE ? graph->nodes[var->producer] : node;
    struct esk_text who = {0}, where = {0};
    esk_text_add(&who, "%s '%s'", node ? node->op_type : "layout of",
                 node ? node->name : command->kernel->label);
    if (last != node)
        esk_text_add(&who, " to %s '%s' (one kernel)", last->op_type, last->name);
    for (int k = 0; k < var->rank; k++)
        esk_text_add(&where, "%s%" PRId64, k ? "," : "", found->index[k]);
    check->status = esk_fail(check->error, ESK_VALIDATION,
                             "%s: output '%s' is NaN at [%s] (%" PRIu64 " of %" PRId64
                             " elements), and nothing that it reads is",
                             esk_text_str(&who), var->name, esk_text_str(&where),
                             found->count, esk_var_count(var));
    esk_text_finish(&who);
    esk_text_finish(&where);
}

static bool take_writes(struct esk_gl_check *check, const struct esk_command *command) {
    const struct esk_plan *plan = check->lease->prepared->plan;
    for (uint32_t i = 0; i < command->kernel->n_operands; i++) {
        uint32_t buffer = command->buffers[i];
        struct found found = {0};
        if (command->kernel->operands[i].access == ESK_READ ||
            ESK_COMMAND_IS_FORM(buffer))
            continue;
        if (plan->buffers[buffer].var ==
            ESK_NONE) /* scratch: what it has is seen later */
            found.count = check->had_nan;
        else if (!look(check, buffer, &found))
            return false;
        check->states[buffer] = found.count ? HAS_NAN : NUMBERS;
        if (found.count && !check->had_nan) {
            complain(check, command, buffer, &found);
            return false;
        }
    }
    return true;
}

bool esk_gl_check_command(void *user, uint32_t source, bool after) {
    struct esk_gl_check *check = user;
    const struct esk_command *command = &check->lease->prepared->plan->commands[source];
    return after ? take_writes(check, command) : take_reads(check, command);
}
