/* Where and when: commands in order of stages, lifetimes, offsets, barriers; and the
 * plan's listing. In: what choose wrote; out: the finished plan. Must not know operators
 * or GL. */
#include "base/mem.h"
#include "compile/compile.h"

#include <string.h>

enum { ALIGN = 256 };

/* A clock on which each stage has a tick before its commands (uploads) and one after them
 * (readbacks). */
static uint32_t begin_of(const struct esk_plan *plan, uint32_t stage) {
    return plan->stages[stage].first_command + 2 * stage;
}

static uint32_t time_of(uint32_t command, uint32_t stage) {
    return command + 2 * stage + 1;
}

static uint32_t end_of(const struct esk_plan *plan, uint32_t stage) {
    return begin_of(plan, stage) + plan->stages[stage].n_commands + 1;
}

static void touch(struct esk_buffer *buffer, uint32_t time) {
    if (buffer->first == UINT32_MAX || time < buffer->first)
        buffer->first = time;
    if (time > buffer->last)
        buffer->last = time;
}

/* A stable counting sort of the commands by stage. */
static esk_status sort_commands(struct esk_plan *plan, uint32_t *stages_of,
                                esk_error *error) {
    struct esk_command *sorted = esk_calloc(plan->n_commands + 1u, sizeof *sorted);
    if (!sorted)
        return esk_fail_memory(error, "commands");
    uint32_t next = 0;
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        plan->stages[s].first_command = next;
        for (uint32_t i = 0; i < plan->n_commands; i++)
            if (stages_of[i] == s)
                sorted[next++] = plan->commands[i];
        plan->stages[s].n_commands = next - plan->stages[s].first_command;
    }
    esk_free(plan->commands);
    plan->commands = sorted;
    plan->cap_commands = plan->n_commands + 1u;
    return ESK_OK;
}

static void find_lifetimes(struct esk_plan *plan) {
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        const struct esk_stage *stage = &plan->stages[s];
        for (uint32_t i = 0; i < stage->n_uploads; i++)
            touch(&plan->buffers[stage->uploads[i].buffer], begin_of(plan, s));
        for (uint32_t i = 0; i < stage->n_commands; i++) {
            const struct esk_command *command = &plan->commands[stage->first_command + i];
            for (uint32_t j = 0; j < command->kernel->n_operands; j++)
                if (!ESK_COMMAND_IS_FORM(command->buffers[j]))
                    touch(&plan->buffers[command->buffers[j]],
                          time_of(stage->first_command + i, s));
        }
        for (uint32_t i = 0; i < stage->n_readbacks; i++)
            if (!ESK_COMMAND_IS_FORM(stage->readbacks[i].buffer))
                touch(&plan->buffers[stage->readbacks[i].buffer], end_of(plan, s));
    }
}

/* Inputs and outputs have slots of their own, so that a binding can put other buffers
 * there. An upload of an input that is no more than host_in has no buffer at all. */
static void give_slots(struct esk_plan *plan) {
    const struct esk_graph *graph = plan->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        for (uint32_t b = 0; b < plan->n_buffers; b++) {
            struct esk_buffer *buffer = &plan->buffers[b];
            if (buffer->var == graph->inputs[i] && buffer->layout == ESK_LAYOUT_DENSE &&
                buffer->place.slot == ESK_SLOT_ACTIVATION && buffer->parent == ESK_NONE)
                buffer->place = (struct esk_place){
                    .slot = ESK_SLOT_INPUT, .index = i, .bytes = buffer->bytes};
        }
    for (uint32_t i = 0; i < plan->n_outputs; i++) {
        const struct esk_plan_output *output = &plan->outputs[i];
        if (output->from != ESK_OUTPUT_DEVICE || ESK_COMMAND_IS_FORM(output->buffer))
            continue;
        struct esk_buffer *buffer = &plan->buffers[output->buffer];
        if (buffer->place.slot == ESK_SLOT_ACTIVATION && buffer->parent == ESK_NONE)
            buffer->place = (struct esk_place){
                .slot = ESK_SLOT_OUTPUT, .index = i, .bytes = buffer->bytes};
    }
}

/* When the bytes of a buffer and of all that lie inside it are in use. */
struct span {
    uint32_t first, last;
};

static uint32_t root_of(const struct esk_plan *plan, uint32_t buffer) {
    while (plan->buffers[buffer].parent != ESK_NONE)
        buffer = plan->buffers[buffer].parent;
    return buffer;
}

/* A place in the root of what lies inside it: offsets, and rows that a parent has apart.
 */
static struct esk_place place_inside(const struct esk_plan *plan, uint32_t buffer) {
    struct esk_place place = {.bytes = plan->buffers[buffer].bytes};
    for (; plan->buffers[buffer].parent != ESK_NONE;
         buffer = plan->buffers[buffer].parent) {
        const struct esk_buffer *b = &plan->buffers[buffer];
        if (b->pitch) {
            uint64_t rows = (place.bytes + b->row - 1) / b->row;
            place.offset = place.offset / b->row * b->pitch + place.offset % b->row;
            place.row = place.row ? place.row : b->row;
            place.pitch = b->pitch;
            place.bytes = (rows - 1) * b->pitch + place.row;
        }
        place.offset += b->offset;
    }
    const struct esk_place *root = &plan->buffers[buffer].place;
    place.slot = root->slot;
    place.index = root->index;
    place.offset += root->offset;
    return place;
}

static void find_spans(const struct esk_plan *plan, struct span *spans) {
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        spans[i] = (struct span){UINT32_MAX, 0};
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        const struct esk_buffer *buffer = &plan->buffers[i];
        struct span *span = &spans[root_of(plan, i)];
        if (buffer->first == UINT32_MAX)
            continue;
        if (buffer->first < span->first)
            span->first = buffer->first;
        if (buffer->last > span->last)
            span->last = buffer->last;
    }
}

/* Operand `in` of the command may give its bytes to operand `out`: it ends here, nothing
 * else of the command lies in it, and the two are alike. */
static bool can_take(const struct esk_plan *plan, const struct span *spans,
                     const struct esk_command *command, uint32_t time, uint32_t in,
                     uint32_t out) {
    uint32_t a = command->buffers[in], y = command->buffers[out];
    if (ESK_COMMAND_IS_FORM(a) || ESK_COMMAND_IS_FORM(y))
        return false;
    const struct esk_buffer *from = &plan->buffers[a], *to = &plan->buffers[y];
    uint32_t root = root_of(plan, a);
    if (root == y || to->parent != ESK_NONE || from->pitch || from->bytes != to->bytes ||
        from->storage != to->storage || plan->buffers[root].bytes != to->bytes ||
        plan->buffers[root].place.slot != ESK_SLOT_ACTIVATION ||
        to->place.slot != ESK_SLOT_ACTIVATION || spans[root].last != time ||
        spans[y].first != time)
        return false;
    for (uint32_t j = 0; j < command->kernel->n_operands; j++)
        if (j != in && j != out && !ESK_COMMAND_IS_FORM(command->buffers[j]) &&
            root_of(plan, command->buffers[j]) == root &&
            !(command->kernel->operands[j].in_place && command->buffers[j] == a))
            return false;
    return true;
}

/* Outputs take the places of inputs that end there. */
static void take_places(struct esk_plan *plan, struct span *spans) {
    for (uint32_t s = 0; s < plan->n_stages; s++)
        for (uint32_t i = 0; i < plan->stages[s].n_commands; i++) {
            uint32_t at = plan->stages[s].first_command + i;
            const struct esk_command *command = &plan->commands[at];
            const struct esk_kernel *k = command->kernel;
            for (uint32_t out = 0; out < k->n_operands; out++)
                for (uint32_t in = 0; in < k->n_operands; in++) {
                    if (k->operands[out].access != ESK_WRITE ||
                        !k->operands[in].in_place ||
                        !can_take(plan, spans, command, time_of(at, s), in, out))
                        continue;
                    uint32_t y = command->buffers[out],
                             root = root_of(plan, command->buffers[in]);
                    plan->buffers[y].parent = root;
                    plan->buffers[y].offset = 0;
                    spans[root].last = spans[y].last;
                }
        }
}

/* The most that lives at one time, by a sweep over the clock. */
static esk_status find_lower_bound(struct esk_plan *plan,
                                   const struct esk_interval *items, uint32_t n,
                                   esk_error *error) {
    uint32_t ticks = plan->n_stages ? end_of(plan, plan->n_stages - 1) + 2 : 2;
    int64_t live = 0, *change = esk_calloc(ticks + 1u, sizeof *change);
    if (!change)
        return esk_fail_memory(error, "memory planning");
    for (uint32_t i = 0; i < n; i++) {
        change[items[i].first] += (int64_t)items[i].bytes;
        change[items[i].last + 1] -= (int64_t)items[i].bytes;
    }
    for (uint32_t t = 0; t < ticks; t++) {
        live += change[t];
        if (live > (int64_t)plan->lower_bound)
            plan->lower_bound = (uint64_t)live;
    }
    esk_free(change);
    return ESK_OK;
}

static esk_status place_buffers(struct esk_plan *plan, uint64_t max_slab,
                                esk_error *error) {
    struct esk_interval *items = esk_calloc(plan->n_buffers + 1u, sizeof *items);
    struct span *spans = esk_calloc(plan->n_buffers + 1u, sizeof *spans);
    esk_status status = ESK_OK;
    uint32_t n = 0;
    if (!items || !spans) {
        status = esk_fail_memory(error, "memory planning");
        goto done;
    }
    find_spans(plan, spans);
    take_places(plan, spans);
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        struct esk_buffer *buffer = &plan->buffers[i];
        if (buffer->first == UINT32_MAX)
            buffer->first = buffer->last = 0; /* nothing touches it: an empty tensor */
        if (spans[i].first == UINT32_MAX)
            spans[i] = (struct span){0, 0};
        if (buffer->place.slot == ESK_SLOT_ACTIVATION && buffer->parent == ESK_NONE)
            items[n++] = (struct esk_interval){
                .bytes = buffer->bytes, .first = spans[i].first, .last = spans[i].last};
    }
    status = esk_assign_offsets(items, n, ALIGN, max_slab, &plan->slab_bytes,
                                &plan->n_slabs, error);
    if (status == ESK_OK)
        status = find_lower_bound(plan, items, n, error);
    if (status != ESK_OK)
        goto done;
    n = 0;
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        struct esk_buffer *buffer = &plan->buffers[i];
        if (buffer->place.slot == ESK_SLOT_ACTIVATION && buffer->parent == ESK_NONE) {
            buffer->place = (struct esk_place){.slot = ESK_SLOT_ACTIVATION,
                                               .index = items[n].slab,
                                               .offset = items[n].offset,
                                               .bytes = buffer->bytes};
            n++;
        }
    }
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        struct esk_buffer *buffer = &plan->buffers[i];
        if (buffer->parent != ESK_NONE)
            buffer->place = place_inside(plan, i);
    }
    for (uint32_t i = 0; i < plan->n_slabs; i++)
        plan->peak += plan->slab_bytes[i];
done:
    esk_free(spans);
    esk_free(items);
    return status;
}

/* ---- barriers ---- */

struct access {
    struct esk_place place;
    bool write;
};

static bool same_bytes(const struct esk_place *a, const struct esk_place *b) {
    if (a->slot != b->slot || a->index != b->index || a->offset >= b->offset + b->bytes ||
        b->offset >= a->offset + a->bytes)
        return false;
    if (!a->pitch || a->pitch != b->pitch)
        return true;
    /* columns of the same rows */
    uint64_t pitch = a->pitch,
             behind = (b->offset % pitch + pitch - a->offset % pitch) % pitch;
    return behind < a->row || pitch - behind < b->row;
}

/* A command needs a barrier when it touches bytes that a command since the last barrier
 * wrote, or writes bytes that one read. */
static esk_status set_barriers(struct esk_plan *plan, esk_error *error) {
    struct access *list = NULL;
    size_t capacity = 0;
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < plan->stages[s].n_commands; i++) {
            struct esk_command *command =
                &plan->commands[plan->stages[s].first_command + i];
            uint32_t before = n;
            for (uint32_t j = 0; j < command->kernel->n_operands; j++) {
                if (ESK_COMMAND_IS_FORM(command->buffers[j]))
                    continue;
                struct access mine = {plan->buffers[command->buffers[j]].place,
                                      command->kernel->operands[j].access != ESK_READ};
                for (uint32_t k = 0; k < before && !command->barrier; k++)
                    command->barrier = (mine.write || list[k].write) &&
                                       same_bytes(&mine.place, &list[k].place);
                if (!esk_grow((void **)&list, &capacity, n + 1u, sizeof *list)) {
                    esk_free(list);
                    return esk_fail_memory(error, "barriers");
                }
                list[n++] = mine;
            }
            plan->n_barriers += command->barrier;
            if (command->barrier && before) {
                memmove(list, list + before, (n - before) * sizeof *list);
                n -= before;
            }
        }
    }
    esk_free(list);
    return ESK_OK;
}

/* Whether all kernels read the buffer by elements, and nothing else lies in it. */
static bool by_elements(const struct esk_plan *plan, uint32_t buffer) {
    if (plan->buffers[buffer].parent != ESK_NONE)
        return false;
    for (uint32_t b = 0; b < plan->n_buffers; b++)
        if (plan->buffers[b].parent == buffer)
            return false;
    for (uint32_t i = 0; i < plan->n_commands; i++)
        for (uint32_t j = 0; j < plan->commands[i].kernel->n_operands; j++) {
            const struct esk_operand *o = &plan->commands[i].kernel->operands[j];
            if (plan->commands[i].buffers[j] == buffer &&
                (o->access != ESK_READ || o->view != ESK_ELEMENT))
                return false;
        }
    return true;
}

/* What of each transfer's buffer crosses: words up to the last element; going up all of
 * it, where a kernel takes vec4s, whose rest must be zeros. */
static void measure_transfers(struct esk_plan *plan) {
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        struct esk_stage *stage = &plan->stages[s];
        for (uint32_t i = 0; i < stage->n_uploads + stage->n_readbacks; i++) {
            bool up = i < stage->n_uploads;
            struct esk_transfer *t =
                up ? &stage->uploads[i] : &stage->readbacks[i - stage->n_uploads];
            if (ESK_COMMAND_IS_FORM(t->buffer))
                continue;
            uint64_t exact = (esk_plan_exact_bytes(plan, t->buffer) + 3) / 4 * 4;
            bool whole = up && !by_elements(plan, t->buffer);
            t->bytes = whole ? plan->buffers[t->buffer].bytes : exact;
        }
    }
}

esk_status esk_plan_layout(struct esk_plan *plan,
                           const struct esk_compile_options *options, uint32_t *stages_of,
                           esk_error *error) {
    ESK_TRY(sort_commands(plan, stages_of, error));
    find_lifetimes(plan);
    give_slots(plan);
    ESK_TRY(place_buffers(plan, options->limits ? options->limits->max_slab : UINT64_MAX,
                          error));
    measure_transfers(plan);
    return set_barriers(plan, error);
}
