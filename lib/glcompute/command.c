/* Recording a plan, and replaying it. In: a plan, limits, places of forms, then slots;
 * out: a list of commands, then GL calls. Must not know how slots get their buffers. */
#include "glcompute/command.h"

#include "base/error.h"
#include "base/mem.h"
#include "glcompute/cost.h"

#include <string.h>
#include <time.h>

enum {
    MOST_COMMANDS = 1 << 20,
    NAMED = 8, /* commands that an error names */
};

/* ---- slots ---- */

uint32_t esk_gl_record_slot(const struct esk_gl_record *record,
                            const struct esk_place *place) {
    switch (place->slot) {
    case ESK_SLOT_ACTIVATION:
        return place->index;
    case ESK_SLOT_INPUT:
        return record->first_input + place->index;
    case ESK_SLOT_OUTPUT:
        return record->first_output + place->index;
    case ESK_SLOT_CONSTANT:
        return record->constants;
    case ESK_SLOT_FORM:
        break;
    }
    return record->first_form + place->index;
}

static esk_status make_slots(struct esk_gl_record *record, const struct esk_plan *plan,
                             const struct esk_gl_form_place *forms, esk_error *error) {
    record->n_activations = plan->n_slabs;
    record->n_inputs = plan->n_inputs;
    record->n_outputs = plan->n_outputs;
    record->n_forms = plan->n_forms;
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        const struct esk_place *place = &plan->buffers[i].place;
        uint32_t *count = place->slot == ESK_SLOT_INPUT    ? &record->n_inputs
                          : place->slot == ESK_SLOT_OUTPUT ? &record->n_outputs
                                                           : NULL;
        if (count && place->index >= *count)
            *count = place->index + 1;
        if ((place->slot == ESK_SLOT_ACTIVATION && place->index >= plan->n_slabs) ||
            (place->slot == ESK_SLOT_FORM && place->index >= plan->n_forms))
            return esk_fail(error, ESK_INTERNAL, "buffer %u lies in %s %u, there is none",
                            i, esk_slot_name(place->slot), place->index);
    }
    record->first_input = record->n_activations;
    record->first_output = record->first_input + record->n_inputs;
    record->constants = record->first_output + record->n_outputs;
    record->first_form = record->constants + 1;
    record->n_slots = record->first_form + record->n_forms;
    record->slots = esk_calloc(record->n_slots, sizeof *record->slots);
    if (!record->slots)
        return esk_fail_memory(error, "slots");
    const struct {
        enum esk_slot_kind kind;
        uint32_t first, count;
    } rows[] = {
        {ESK_SLOT_ACTIVATION, 0, record->n_activations},
        {ESK_SLOT_INPUT, record->first_input, record->n_inputs},
        {ESK_SLOT_OUTPUT, record->first_output, record->n_outputs},
        {ESK_SLOT_CONSTANT, record->constants, 1},
        {ESK_SLOT_FORM, record->first_form, record->n_forms},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (uint32_t i = 0; i < rows[r].count; i++)
            record->slots[rows[r].first + i] =
                (struct esk_gl_slot){.kind = rows[r].kind, .index = i};
    for (uint32_t i = 0; i < plan->n_slabs; i++)
        record->slots[i].bytes = plan->slab_bytes[i];
    record->slots[record->constants].bytes = plan->constant_bytes;
    for (uint32_t i = 0; i < plan->n_forms; i++)
        record->slots[record->first_form + i].bytes =
            plan->forms[i].shared ? forms[i].slot_bytes : plan->constant_bytes;
    for (uint32_t i = 0; i < plan->n_buffers; i++) {
        const struct esk_place *place = &plan->buffers[i].place;
        struct esk_gl_slot *slot = &record->slots[esk_gl_record_slot(record, place)];
        if (place->slot != ESK_SLOT_FORM && place->offset + place->bytes > slot->bytes)
            slot->bytes = place->offset + place->bytes;
    }
    return ESK_OK;
}

/* ---- recording ---- */

struct recorder {
    struct esk_gl_record *record;
    const struct esk_plan *plan;
    const struct esk_limits *limits;
    uint32_t max_groups[3];
    const struct esk_gl_form_place *forms;
    uint32_t lanes; /* that large commands are parted for */
    esk_error *error;
    bool barrier; /* of a command that has no groups: the next one's */
};

/* Where operand `i` of a command lies: slot, bytes before it, bytes behind its start. */
struct where {
    uint32_t slot;
    uint64_t offset, bytes;
};

static struct where find_operand(const struct recorder *r,
                                 const struct esk_command *command, uint32_t i) {
    uint32_t id = command->buffers[i];
    struct esk_place place;
    if (ESK_COMMAND_IS_FORM(id))
        place = (struct esk_place){.slot = ESK_SLOT_FORM, .index = ESK_COMMAND_FORM(id)};
    else
        place = r->plan->buffers[id].place;
    struct where where = {esk_gl_record_slot(r->record, &place), place.offset,
                          place.bytes};
    if (place.slot == ESK_SLOT_FORM) {
        const struct esk_plan_form *form = &r->plan->forms[place.index];
        where.bytes = form->form.bytes;
        where.offset += form->shared ? r->forms[place.index].offset : form->offset;
    }
    uint64_t skip = command->kernel->operands[i].offset;
    where.offset += skip;
    where.bytes = where.bytes > skip ? where.bytes - skip : 0;
    return where;
}

/* Through which view, as what format, an image reads the operand. */
static GLenum image_format(const struct esk_operand *o, enum esk_gl_view *view) {
    bool vec4 = o->view == ESK_VEC4 || o->storage == ESK_STORAGE_I64X2;
    *view = vec4 ? ESK_GL_VIEW_VEC4 : ESK_GL_VIEW_ELEMENT;
    switch (o->storage) {
    case ESK_STORAGE_F32:
        return vec4 ? GL_RGBA32F : GL_R32F;
    case ESK_STORAGE_I32:
        return vec4 ? GL_RGBA32I : GL_R32I;
    default:
        return vec4 ? GL_RGBA32UI : GL_R32UI;
    }
}

/* A slab as allocated may be larger than one binding. */
static bool needs_window(const struct recorder *r, uint32_t slot) {
    return esk_gl_buffer_round(r->record->slots[slot].bytes) > r->limits->max_binding;
}

/* A command as it is being recorded. */
struct recording {
    const struct esk_command *source;
    struct esk_gl_command command;
    struct where where[ESK_KERNEL_OPERANDS];
    struct esk_range ranges[ESK_KERNEL_OPERANDS];
    struct esk_pieces pieces;
    bool shared; /* cut for lanes only */
    uint32_t *words;
};

/* Lowers `most` so that lanes share the command; whether nothing else cuts it. */
static bool part_for_lanes(const struct recorder *r, const struct esk_kernel *k,
                           uint64_t *most) {
    int a = 0;
    uint32_t parts = r->lanes > 1 ? esk_gl_cost_parts(k, r->lanes, &a) : 1;
    bool whole = true;
    for (int i = 0; i < 3; i++)
        whole = whole && k->groups[i] <= most[i];
    if (parts > 1) {
        uint64_t each = (k->groups[a] + parts - 1) / parts;
        most[a] = each < most[a] ? each : most[a];
    }
    return whole;
}

static esk_status find_pieces(struct recorder *r, struct recording *c) {
    const struct esk_kernel *k = c->source->kernel;
    uint64_t most[3];
    for (int a = 0; a < 3; a++)
        most[a] = k->split_axes >> a & 1 ? r->max_groups[a] : r->limits->max_groups[a];
    c->shared = part_for_lanes(r, k, most);
    for (uint32_t i = 0; i < k->n_operands; i++) {
        c->where[i] = find_operand(r, c->source, i);
        c->ranges[i] = (struct esk_range){
            c->where[i].offset, c->where[i].bytes,
            esk_gl_buffer_round(r->record->slots[c->where[i].slot].bytes)};
    }
    esk_pieces_find(k, r->limits, most, c->ranges, &c->pieces);
    if (c->pieces.images > r->limits->max_images) {
        struct esk_limits blocks = *r->limits;
        blocks.read_path = ESK_READ_SSBO;
        esk_pieces_find(k, &blocks, most, c->ranges, &c->pieces);
    }
    uint32_t largest = c->pieces.largest;
    if (c->pieces.blocks > r->limits->max_ssbos || c->pieces.blocks > ESK_GL_BLOCKS ||
        c->pieces.blocks + c->pieces.images > r->limits->max_outputs)
        return esk_fail(r->error, ESK_UNSUPPORTED,
                        "'%s': operand %s is a range of %llu bytes, one binding of the "
                        "device holds %llu: %u storage blocks in sum, the device has %u",
                        k->label, k->operands[largest].name,
                        (unsigned long long)c->ranges[largest].bytes,
                        (unsigned long long)r->limits->max_binding, c->pieces.blocks,
                        r->limits->max_ssbos);
    c->command.reach = c->pieces.reach;
    return ESK_OK;
}

static esk_status add_binding(struct recorder *r, struct esk_gl_binding binding) {
    struct esk_gl_record *record = r->record;
    if (!esk_grow((void **)&record->bindings, &record->cap_bindings,
                  record->n_bindings + 1u, sizeof *record->bindings))
        return esk_fail_memory(r->error, "bindings");
    record->bindings[record->n_bindings++] = binding;
    return ESK_OK;
}

/* The storage blocks of operand `i` for the groups [from, from + count); *start: where
 * the first begins in the slot. */
static esk_status add_blocks(struct recorder *r, const struct recording *c, uint32_t i,
                             const uint64_t *from, const uint64_t *count,
                             uint64_t *start) {
    const struct esk_kernel *k = c->source->kernel;
    uint32_t slot = c->where[i].slot, n = c->pieces.reach.segments[i];
    struct esk_gl_binding binding = {
        .slot = slot,
        .operand = (uint8_t)i,
        .index = (uint8_t)esk_gl_binding_of(k, i, &c->pieces.reach),
    };
    *start = 0;
    if (!needs_window(r, slot))
        return add_binding(r, binding);
    uint64_t total = r->record->slots[slot].bytes;
    uint64_t size = n > 1 ? c->pieces.reach.segment : r->limits->max_binding / 16 * 16;
    struct esk_range window = esk_piece_window(k, i, &c->ranges[i], from, count);
    /* starts at what is needed where its base would lie too far back */
    if (n > 1 || window.offset + window.bytes > size)
        *start = esk_segment_start(r->limits, &window);
    for (uint32_t s = 0; s < n; s++) {
        binding.start = *start + s * size;
        if (binding.start >= total) /* a last piece may do with less; this is not read */
            binding.start = *start;
        binding.size = total - binding.start < size ? total - binding.start : size;
        ESK_TRY(add_binding(r, binding));
        binding.index++;
    }
    return ESK_OK;
}

/* Adds the bindings of a piece; writes the base words. */
static esk_status add_bindings(struct recorder *r, struct recording *c,
                               const uint64_t *from, const uint64_t *count) {
    struct esk_gl_record *record = r->record;
    const struct esk_kernel *k = c->source->kernel;
    c->command.first_binding = record->n_bindings;
    for (uint32_t i = 0; i < k->n_operands; i++) {
        const struct esk_operand *o = &k->operands[i];
        uint64_t start = 0;
        if (esk_gl_is_image(o, c->pieces.reach.path)) {
            struct esk_gl_binding binding = {
                .slot = c->where[i].slot,
                .operand = (uint8_t)i,
                .index = (uint8_t)esk_gl_binding_of(k, i, &c->pieces.reach),
                .image = true,
            };
            binding.format = image_format(o, &binding.view);
            record->slots[binding.slot].views |= 1u << binding.view;
            record->barriers |= GL_SHADER_IMAGE_ACCESS_BARRIER_BIT;
            ESK_TRY(add_binding(r, binding));
        } else
            ESK_TRY(add_blocks(r, c, i, from, count, &start));
        int64_t skip = (int64_t)c->where[i].offset - (int64_t)start;
        int64_t unit = esk_gl_unit_bytes(o);
        if (skip % unit || skip / unit > INT32_MAX || skip / unit < INT32_MIN)
            return esk_fail(
                r->error, ESK_INTERNAL,
                "'%s': operand %s starts at byte %lld, its unit is %lld bytes", k->label,
                o->name, (long long)skip, (long long)unit);
        c->words[ESK_GL_BASE_WORD + i] = (uint32_t)(int32_t)(skip / unit);
    }
    c->command.n_bindings = record->n_bindings - c->command.first_binding;
    return ESK_OK;
}

/* One dispatch: a copy of the parameter block with its group base. */
static esk_status add_piece(struct recorder *r, const struct esk_kernel *k,
                            struct esk_gl_command command, const uint32_t *words,
                            const uint32_t *base) {
    struct esk_gl_record *record = r->record;
    uint64_t align = r->limits->ubo_align > 16 ? r->limits->ubo_align : 16;
    uint64_t offset = (record->param_bytes + align - 1) / align * align;
    uint64_t end = offset + command.param_bytes;
    if (record->n_commands >= MOST_COMMANDS || end > UINT32_MAX)
        return esk_fail(r->error, ESK_UNSUPPORTED,
                        "'%s': more than %d dispatches in a plan", k->label,
                        MOST_COMMANDS);
    if (!esk_grow((void **)&record->params, &record->cap_params, end, 1) ||
        !esk_grow((void **)&record->commands, &record->cap_commands,
                  record->n_commands + 1u, sizeof *record->commands))
        return esk_fail_memory(r->error, "commands");
    memcpy(record->params + offset, words, command.param_bytes);
    memcpy(record->params + offset, base, 3 * sizeof *base);
    record->param_bytes = end;
    uint32_t first = esk_gl_param_word(k);
    for (uint32_t i = 0; i < k->n_params; i++) {
        const struct esk_param *p = &k->params[i];
        if (p->kind == ESK_PARAM_CONST)
            continue;
        if (!esk_grow((void **)&record->late, &record->cap_late, record->n_late + 1u,
                      sizeof *record->late))
            return esk_fail_memory(r->error, "late parameters");
        record->late[record->n_late++] = (struct esk_gl_late){
            .offset = (uint32_t)offset + (first + i) * 4,
            .kind = p->kind,
            .is_float = p->is_float,
            .var = p->var,
            .element = p->element,
            .command = record->n_commands,
        };
    }
    command.params = (uint32_t)offset;
    record->commands[record->n_commands++] = command;
    return ESK_OK;
}

/* Cuts the groups of a command along its axes; no barrier between the pieces. */
static esk_status add_pieces(struct recorder *r, struct recording *c) {
    const struct esk_kernel *k = c->source->kernel;
    const uint64_t *most = c->pieces.most;
    for (int a = 0; a < 3; a++) {
        if (k->groups[a] > r->limits->max_groups[a] && !(k->split_axes >> a & 1))
            return esk_fail(r->error, ESK_UNSUPPORTED,
                            "'%s': %llu groups on axis %d, the device has %llu and they "
                            "depend on each other",
                            k->label, (unsigned long long)k->groups[a], a,
                            (unsigned long long)r->limits->max_groups[a]);
        if (k->groups[a] > INT32_MAX)
            return esk_fail(r->error, ESK_UNSUPPORTED, "'%s': %llu groups on axis %d",
                            k->label, (unsigned long long)k->groups[a], a);
    }
    bool bound = false;
    for (uint64_t z = 0; z < k->groups[2]; z += most[2])
        for (uint64_t y = 0; y < k->groups[1]; y += most[1])
            for (uint64_t x = 0; x < k->groups[0]; x += most[0]) {
                const uint64_t at[3] = {x, y, z};
                uint64_t count[3];
                uint32_t base[3];
                for (int a = 0; a < 3; a++) {
                    uint64_t left = k->groups[a] - at[a];
                    base[a] = (uint32_t)at[a];
                    count[a] = left < most[a] ? left : most[a];
                    c->command.groups[a] = (uint32_t)count[a];
                }
                if (!bound || c->pieces.moves)
                    ESK_TRY(add_bindings(r, c, at, count));
                bound = true;
                ESK_TRY(add_piece(r, k, c->command, c->words, base));
                c->command.barrier = false;
                c->command.shared = c->shared;
            }
    return ESK_OK;
}

static esk_status add_command(struct recorder *r, uint32_t index) {
    static const uint64_t none[3];
    const struct esk_command *source = &r->plan->commands[index];
    const struct esk_kernel *k = source->kernel;
    struct recording c = {
        .source = source,
        .command =
            {
                .label = k->label ? k->label : k->template,
                .source = index,
                .param_bytes = esk_gl_param_bytes(k),
                .barrier = source->barrier || r->barrier,
                .indirect_slot = UINT32_MAX,
            },
    };
    if (k->indirect < 0 && !(k->groups[0] && k->groups[1] && k->groups[2])) {
        r->barrier = c.command.barrier;
        return ESK_OK;
    }
    r->barrier = false;
    if (c.command.param_bytes > r->limits->max_ubo)
        return esk_fail(r->error, ESK_UNSUPPORTED,
                        "'%s': %u bytes of parameters, the device has %u",
                        c.command.label, c.command.param_bytes, r->limits->max_ubo);
    ESK_TRY(find_pieces(r, &c));
    c.words = esk_calloc(1, c.command.param_bytes);
    if (!c.words)
        return esk_fail_memory(r->error, "parameters");
    for (uint32_t i = 0; i < k->n_params; i++)
        if (k->params[i].kind == ESK_PARAM_CONST)
            c.words[esk_gl_param_word(k) + i] = k->params[i].word;
    esk_status status;
    if (k->indirect >= 0) {
        const struct where *where = &c.where[k->indirect];
        c.command.indirect_slot = where->slot;
        c.command.indirect_offset = where->offset;
        r->record->barriers |= GL_COMMAND_BARRIER_BIT;
        status = add_bindings(r, &c, none, k->groups);
        if (status == ESK_OK)
            status = add_piece(r, k, c.command, c.words, (const uint32_t[3]){0, 0, 0});
    } else
        status = add_pieces(r, &c);
    esk_free(c.words);
    return status;
}

/* Which commands of a stage must be over before each: those before the last barrier. */
static void find_behind(struct esk_gl_command *commands, uint32_t count) {
    uint32_t behind = 0;
    for (uint32_t i = 0; i < count; i++) {
        behind = commands[i].barrier ? i : behind;
        commands[i].behind = behind;
    }
}

esk_status esk_gl_record_make(struct esk_gl_record *result, const struct esk_plan *plan,
                              const struct esk_limits *limits, const uint32_t *max_groups,
                              const struct esk_gl_form_place *forms, uint32_t lanes,
                              esk_error *error) {
    struct esk_gl_record record = {.plan = plan,
                                   .barriers = GL_SHADER_STORAGE_BARRIER_BIT};
    struct recorder r = {.record = &record,
                         .plan = plan,
                         .limits = limits,
                         .forms = forms,
                         .lanes = lanes,
                         .error = error};
    for (int a = 0; a < 3; a++)
        r.max_groups[a] =
            max_groups && max_groups[a] && max_groups[a] < limits->max_groups[a]
                ? max_groups[a]
                : limits->max_groups[a];
    esk_status status = make_slots(&record, plan, forms, error);
    if (status == ESK_OK) {
        record.stages = esk_calloc(plan->n_stages + 1u, sizeof *record.stages);
        record.n_stages = plan->n_stages;
        if (!record.stages)
            status = esk_fail_memory(error, "stages");
    }
    for (uint32_t s = 0; s < plan->n_stages && status == ESK_OK; s++) {
        struct esk_gl_stage *stage = &record.stages[s];
        stage->first_command = record.n_commands;
        stage->first_late = record.n_late;
        r.barrier = false;
        for (uint32_t i = 0; i < plan->stages[s].n_commands && status == ESK_OK; i++)
            status = add_command(&r, plan->stages[s].first_command + i);
        stage->n_commands = record.n_commands - stage->first_command;
        find_behind(&record.commands[stage->first_command], stage->n_commands);
        for (uint32_t i = 0; i < stage->n_commands; i++)
            stage->n_shared += record.commands[stage->first_command + i].shared;
        stage->n_late = record.n_late - stage->first_late;
    }
    if (status == ESK_OK)
        *result = record;
    else
        esk_gl_record_finish(&record);
    return status;
}

void esk_gl_record_finish(struct esk_gl_record *record) {
    esk_free(record->commands);
    esk_free(record->bindings);
    esk_free(record->slots);
    esk_free(record->stages);
    esk_free(record->late);
    esk_free(record->params);
    *record = (struct esk_gl_record){0};
}

/* ---- as text ---- */

static const char *format_name(GLenum format) {
    switch (format) {
    case GL_RGBA32F:
        return "rgba32f";
    case GL_RGBA32I:
        return "rgba32i";
    case GL_RGBA32UI:
        return "rgba32ui";
    case GL_R32F:
        return "r32f";
    case GL_R32I:
        return "r32i";
    default:
        return "r32ui";
    }
}

static void print_command(const struct esk_gl_record *record, uint32_t index,
                          struct esk_text *text) {
    const struct esk_gl_command *c = &record->commands[index];
    const struct esk_kernel *k = record->plan->commands[c->source].kernel;
    esk_text_add(text, "  %u '%s' %s", index, c->label, k->template);
    if (c->indirect_slot != UINT32_MAX)
        esk_text_add(text, " indirect %s %u+%llu",
                     esk_slot_name(record->slots[c->indirect_slot].kind),
                     record->slots[c->indirect_slot].index,
                     (unsigned long long)c->indirect_offset);
    else
        esk_text_add(text, " groups %ux%ux%u", c->groups[0], c->groups[1], c->groups[2]);
    esk_text_add(text, " params %u+%u", c->params, c->param_bytes);
    uint32_t base[3];
    memcpy(base, record->params + c->params, sizeof base);
    if (base[0] || base[1] || base[2])
        esk_text_add(text, " from %u,%u,%u", base[0], base[1], base[2]);
    for (uint32_t i = 0; i < c->n_bindings; i++) {
        const struct esk_gl_binding *b = &record->bindings[c->first_binding + i];
        const struct esk_gl_slot *slot = &record->slots[b->slot];
        int32_t word;
        memcpy(&word, record->params + c->params + (ESK_GL_BASE_WORD + b->operand) * 4,
               4);
        esk_text_add(text, " %s=%s %u", k->operands[b->operand].name,
                     esk_slot_name(slot->kind), slot->index);
        if (word)
            esk_text_add(text, "%+d", word);
        esk_text_add(text, ":%s %u", b->image ? format_name(b->format) : "block",
                     b->index);
        if (b->size)
            esk_text_add(text, "[%llu,%llu]", (unsigned long long)b->start,
                         (unsigned long long)b->size);
    }
    esk_text_add(text, "%s\n", c->barrier ? " barrier" : "");
}

void esk_gl_record_print(const struct esk_gl_record *record, struct esk_text *text) {
    esk_text_add(text, "record: %u commands, %u slots, %llu bytes of parameters\n",
                 record->n_commands, record->n_slots,
                 (unsigned long long)record->param_bytes);
    for (uint32_t i = 0; i < record->n_slots; i++) {
        const struct esk_gl_slot *slot = &record->slots[i];
        if (!slot->bytes)
            continue;
        esk_text_add(text, "slot %u: %s %u, %llu bytes%s%s\n", i,
                     esk_slot_name(slot->kind), slot->index,
                     (unsigned long long)slot->bytes,
                     slot->views >> ESK_GL_VIEW_VEC4 & 1 ? " vec4" : "",
                     slot->views >> ESK_GL_VIEW_ELEMENT & 1 ? " element" : "");
    }
    for (uint32_t s = 0; s < record->n_stages; s++) {
        const struct esk_gl_stage *stage = &record->stages[s];
        esk_text_add(text, "stage %u: %u commands, %u late words\n", s, stage->n_commands,
                     stage->n_late);
        for (uint32_t i = 0; i < stage->n_commands; i++)
            print_command(record, stage->first_command + i, text);
        for (uint32_t i = 0; i < stage->n_late; i++) {
            const struct esk_gl_late *late = &record->late[stage->first_late + i];
            esk_text_add(text, "  late %u: %s %u element %u\n", late->offset,
                         late->kind == ESK_PARAM_HOST_FLOAT ? "float" : "int", late->var,
                         late->element);
        }
    }
}

/* ---- replay ---- */

esk_status esk_gl_record_late(const struct esk_gl_record *record, uint32_t stage,
                              const struct esk_tensor *host, unsigned char *to,
                              esk_error *error) {
    const struct esk_gl_stage *s = &record->stages[stage];
    for (uint32_t i = 0; i < s->n_late; i++) {
        const struct esk_gl_late *late = &record->late[s->first_late + i];
        const struct esk_tensor *tensor = &host[late->var];
        if (!tensor->data ||
            late->element >= esk_shape_product(tensor->dim, 0, tensor->rank))
            return esk_fail(error, ESK_INTERNAL,
                            "'%s': element %u of '%s', a late parameter, is not there",
                            record->commands[late->command].label, late->element,
                            record->plan->graph->vars[late->var]->name);
        uint32_t word;
        if (late->kind == ESK_PARAM_HOST_FLOAT) {
            float value = (float)esk_tensor_double(tensor, late->element);
            memcpy(&word, &value, 4);
        } else {
            int64_t value = esk_tensor_int(tensor, late->element);
            value = value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value;
            word = (uint32_t)(int32_t)value;
        }
        memcpy(to + late->offset, &word, 4);
    }
    return ESK_OK;
}

/* What is bound: calls that would change nothing are left out. */
struct bound {
    GLuint program;
    uint32_t behind;     /* barriers up to here */
    uint32_t run, taken; /* the last command that lanes cut: its first piece, how many */
    struct {
        GLuint buffer;
        uint64_t start;
    } blocks[ESK_GL_BLOCKS];
    struct {
        GLuint texture;
        GLenum format;
    } images[ESK_KERNEL_OPERANDS];
};

static void bind(struct esk_gl *gl, const struct esk_gl_binding *b,
                 const struct esk_gl_buffer *buffer, struct bound *bound) {
    if (b->image) {
        GLuint texture = buffer->views[b->view];
        if (bound->images[b->index].texture == texture &&
            bound->images[b->index].format == b->format)
            return;
        bound->images[b->index].texture = texture;
        bound->images[b->index].format = b->format;
        ESK_GL(gl, BindImageTexture(b->index, texture, 0, GL_FALSE, 0, GL_READ_ONLY,
                                    b->format));
        return;
    }
    /* a window of a buffer: start alone tells one from another */
    uint64_t start = b->size ? b->start + 1 : 0;
    if (bound->blocks[b->index].buffer == buffer->id &&
        bound->blocks[b->index].start == start)
        return;
    bound->blocks[b->index].buffer = buffer->id;
    bound->blocks[b->index].start = start;
    if (b->size)
        ESK_GL(gl, BindBufferRange(GL_SHADER_STORAGE_BUFFER, b->index, buffer->id,
                                   (GLintptr)b->start, (GLsizeiptr)b->size));
    else
        ESK_GL(gl, BindBufferBase(GL_SHADER_STORAGE_BUFFER, b->index, buffer->id));
}

static bool stopped(const atomic_bool *stop) {
    return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

/* One dispatch. */
static void issue(struct esk_gl *gl, const struct esk_gl_record *record,
                  const struct esk_gl_command *c, const struct esk_gl_replay *replay,
                  struct bound *bound) {
    if (bound->program != c->program->id) {
        bound->program = c->program->id;
        ESK_GL(gl, UseProgram(bound->program));
    }
    for (uint32_t j = 0; j < c->n_bindings; j++) {
        const struct esk_gl_binding *b = &record->bindings[c->first_binding + j];
        bind(gl, b, replay->slots[b->slot], bound);
    }
    ESK_GL(gl, BindBufferRange(GL_UNIFORM_BUFFER, 0, replay->params, c->params,
                               c->param_bytes));
    if (c->indirect_slot != UINT32_MAX) {
        ESK_GL(gl, BindBuffer(GL_DISPATCH_INDIRECT_BUFFER,
                              replay->slots[c->indirect_slot]->id));
        ESK_GL(gl, DispatchComputeIndirect((GLintptr)c->indirect_offset));
    } else
        ESK_GL(gl, DispatchCompute(c->groups[0], c->groups[1], c->groups[2]));
}

/* The commands from..to of a stage, one after the other; returns where it ended. The
 * first one's barrier was the caller's. */
static uint32_t issue_all(struct esk_gl *gl, const struct esk_gl_record *record,
                          const struct esk_gl_command *commands, uint32_t from,
                          uint32_t to, const struct esk_gl_replay *replay,
                          struct bound *bound) {
    for (uint32_t i = from; i < to; i++) {
        if (i > from && commands[i].barrier)
            ESK_GL(gl, MemoryBarrier(record->barriers));
        issue(gl, record, &commands[i], replay, bound);
        if (replay->flush && (i + 1) % replay->flush == 0)
            ESK_GL(gl, Flush());
        if (stopped(replay->stop))
            return i + 1;
    }
    return to;
}

/* Which piece a lane computes for its turn `i`. Pieces of a command may be had in any
 * order: one lane begins at the front, the other at the back. So each finds in its core's
 * cache what it wrote there in the commands before. */
static uint32_t piece_of(const struct esk_gl_command *commands, uint32_t n, uint32_t i,
                         bool back, struct bound *bound) {
    uint32_t first = i, end = i + 1;
    while (first && commands[first].shared)
        first--;
    while (end < n && commands[end].shared)
        end++;
    if (bound->run != first)
        bound->taken = 0;
    bound->run = first;
    return back ? end - 1 - bound->taken++ : first + bound->taken++;
}

/* Turn i of a course, if it can be had; `n`: commands of the stage. */
static bool share(struct esk_gl *gl, const struct esk_gl_record *record,
                  const struct esk_gl_command *commands, uint32_t n, uint32_t i,
                  bool back, const struct esk_gl_replay *replay, struct bound *bound) {
    if (!esk_gl_course_take(replay->course, i, commands[i].behind))
        return false;
    const struct esk_gl_command *c = &commands[piece_of(commands, n, i, back, bound)];
    if (bound->behind != c->behind) {
        bound->behind = c->behind;
        ESK_GL(gl, MemoryBarrier(record->barriers));
    }
    issue(gl, record, c, replay, bound);
    esk_gl_course_done(replay->course);
    return true;
}

/* The same with another lane: this one takes what the other has not. */
static uint32_t share_all(struct esk_gl *gl, const struct esk_gl_record *record,
                          const struct esk_gl_command *commands, uint32_t n, uint32_t to,
                          const struct esk_gl_replay *replay, struct bound *bound) {
    esk_gl_course_extend(replay->course, to);
    for (uint32_t i; (i = esk_gl_course_next(replay->course)) < to;) {
        share(gl, record, commands, n, i, false, replay, bound);
        if (stopped(replay->stop))
            to = esk_gl_course_end(replay->course);
    }
    esk_gl_course_wait(replay->course, to);
    return to;
}

uint64_t esk_gl_record_dispatches(const struct esk_gl_record *record, uint32_t stage,
                                  uint64_t issued) {
    const struct esk_gl_stage *s = &record->stages[stage];
    uint64_t shared = s->n_shared;
    if (issued < s->n_commands) {
        shared = 0;
        for (uint64_t i = 0; i < issued; i++)
            shared += record->commands[s->first_command + i].shared;
    }
    return issued - shared;
}

uint64_t esk_gl_replay_along(struct esk_gl *gl, const struct esk_gl_record *record,
                             uint32_t stage, const struct esk_gl_replay *replay) {
    const struct esk_gl_command *commands =
        &record->commands[record->stages[stage].first_command];
    uint32_t n = record->stages[stage].n_commands;
    uint64_t taken = 0;
    struct bound bound = {.behind = UINT32_MAX, .run = UINT32_MAX};
    while (esk_gl_course_more(replay->course)) {
        uint32_t i = esk_gl_course_next(replay->course);
        if (i < n)
            taken += share(gl, record, commands, n, i, true, replay, &bound);
    }
    return taken;
}

uint64_t esk_gl_replay(struct esk_gl *gl, const struct esk_gl_record *record,
                       uint32_t stage, const struct esk_gl_replay *replay) {
    const struct esk_gl_command *commands =
        &record->commands[record->stages[stage].first_command];
    uint32_t n = record->stages[stage].n_commands, end, done;
    bool groups = replay->groups && gl->PushDebugGroup && gl->PopDebugGroup;
    bool apart = groups || replay->timer || replay->look; /* each command of the plan */
    struct bound bound = {.behind = UINT32_MAX, .run = UINT32_MAX};
    if (stage && n) /* plans count barriers anew in each stage */
        ESK_GL(gl, MemoryBarrier(record->barriers));
    for (uint32_t i = 0; i < n; i = end) {
        const struct esk_gl_command *c = &commands[i];
        for (end = apart ? i + 1 : n; end < n && commands[end].source == c->source;)
            end++;
        if (replay->look && !replay->look(replay->user, c->source, false))
            return i;
        if (groups)
            ESK_GL(gl, PushDebugGroup(GL_DEBUG_SOURCE_APPLICATION_KHR, i, -1, c->label));
        if (c->barrier)
            ESK_GL(gl, MemoryBarrier(record->barriers));
        if (replay->timer)
            esk_gl_timer_begin(replay->timer);
        done = replay->course ? share_all(gl, record, commands, n, end, replay, &bound)
                              : issue_all(gl, record, commands, i, end, replay, &bound);
        if (replay->timer)
            esk_gl_timer_end(replay->timer);
        if (groups)
            ESK_GL(gl, PopDebugGroup());
        if (done < end || stopped(replay->stop) ||
            (replay->look && !replay->look(replay->user, c->source, true)))
            return done;
    }
    return n;
}

/* ---- waiting ---- */

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* "'a', 'b' and 3 more": the commands of a stage. */
static void name_commands(const struct esk_gl_record *record, uint32_t stage,
                          struct esk_text *names) {
    const struct esk_gl_stage *s = &record->stages[stage];
    uint32_t named = 0;
    for (uint32_t i = 0; i < s->n_commands; i++) {
        const struct esk_gl_command *c = &record->commands[s->first_command + i];
        if (i && c->source == c[-1].source)
            continue;
        if (named++ < NAMED)
            esk_text_add(names, "%s'%s'", named > 1 ? ", " : "", c->label);
    }
    if (named > NAMED)
        esk_text_add(names, " and %u more", named - NAMED);
}

static esk_status timed_out(const struct esk_gl_record *record, uint32_t stage,
                            uint32_t timeout_ms, esk_error *error) {
    struct esk_text names = {0};
    name_commands(record, stage, &names);
    esk_fail(error, ESK_TIMEOUT, "stage %u did not finish within %u ms; in flight: %s",
             stage, timeout_ms, esk_text_str(&names));
    esk_text_finish(&names);
    return ESK_TIMEOUT;
}

/* DEVICE_LOST with what was in flight, if the context was reset. */
static esk_status check_lost(struct esk_gl *gl, const struct esk_gl_record *record,
                             uint32_t stage, esk_error *error) {
    if (esk_gl_lost(gl, "running a stage", error) == ESK_OK)
        return ESK_OK;
    struct esk_text names = {0};
    name_commands(record, stage, &names);
    esk_error_prefix(error, "in flight: %s", esk_text_str(&names));
    esk_text_finish(&names);
    return ESK_DEVICE_LOST;
}

esk_status esk_gl_wait(struct esk_gl *gl, const struct esk_gl_record *record,
                       uint32_t stage, uint32_t timeout_ms, bool poll,
                       const atomic_bool *stop, esk_error *error) {
    const uint64_t slice_ms = stop ? 10 : 1000; /* between looks for a reset, or a stop */
    GLsync fence;
    ESK_GL_SET(gl, fence, FenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0));
    if (!fence) {
        ESK_TRY(esk_gl_lost(gl, "fence", error));
        return esk_fail(error, ESK_DEVICE_ERROR, "fence: glFenceSync gives none");
    }
    if (poll)
        ESK_GL(gl, Flush());
    uint64_t start = now_ms(), looked = start, now = start;
    bool done = false, failed = false;
    esk_status status = ESK_OK;
    for (uint32_t turn = 0; status == ESK_OK; turn++) {
        if (poll) {
            GLint state = GL_UNSIGNALED;
            ESK_GL(gl, GetSynciv(fence, GL_SYNC_STATUS, 1, NULL, &state));
            done = state == GL_SIGNALED;
        } else {
            uint64_t left = start + timeout_ms > now ? start + timeout_ms - now : 0;
            GLenum state;
            ESK_GL_SET(gl, state,
                       ClientWaitSync(fence, GL_SYNC_FLUSH_COMMANDS_BIT,
                                      (left < slice_ms ? left : slice_ms) * 1000000));
            failed = state == GL_WAIT_FAILED;
            done = state == GL_ALREADY_SIGNALED || state == GL_CONDITION_SATISFIED;
        }
        if (done || failed)
            break;
        now = now_ms();
        if (now - looked >= slice_ms) {
            looked = now;
            status = check_lost(gl, record, stage, error);
        }
        if (status == ESK_OK && stopped(stop))
            status = esk_fail(error, ESK_CANCELLED, "the run was terminated");
        if (status == ESK_OK && now - start >= timeout_ms)
            status = timed_out(record, stage, timeout_ms, error);
        if (poll && turn > 50) /* short commands end while it spins */
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    ESK_GL(gl, DeleteSync(fence));
    if (status == ESK_OK || status == ESK_TIMEOUT) {
        esk_status lost = check_lost(gl, record, stage, error);
        status = lost == ESK_OK ? status : lost;
    }
    if (status == ESK_OK && failed) {
        status = esk_gl_status(gl, "waiting for a fence", error);
        if (status == ESK_OK)
            status = esk_fail(error, ESK_DEVICE_ERROR, "glClientWaitSync failed");
    }
    return status;
}
