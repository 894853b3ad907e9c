/* Device tensors in the place of a lease's input and output buffers. In: tensors, a
 * lease; out: its slot table. Nothing is recorded anew: commands name slots. */
#include "glcompute/lease.h"
#include "glcompute/tensor.h"

#include "base/error.h"
#include "base/mem.h"

static uint32_t first(const struct esk_lease *lease) {
    return lease->prepared->record.first_input;
}

static uint32_t count(const struct esk_lease *lease) {
    return lease->prepared->record.n_inputs + lease->prepared->record.n_outputs;
}

static esk_status make_views(struct esk_lease *lease, uint32_t slot, esk_error *error) {
    struct esk_gl_memory *memory = &lease->prepared->screen->memory;
    for (int v = 0; v < ESK_GL_VIEWS; v++)
        if (lease->prepared->record.slots[slot].views >> v & 1)
            ESK_TRY(esk_gl_buffer_view(memory, lease->slots[slot], v, error));
    return ESK_OK;
}

esk_status esk_gl_lease_ready(struct esk_lease *lease, esk_error *error) {
    struct esk_gl_screen *screen = lease->prepared->screen;
    const struct esk_gl_record *record = &lease->prepared->record;
    for (uint32_t i = 0; i < count(lease); i++) {
        uint32_t slot = first(lease) + i;
        const struct esk_gl_slot *facts = &record->slots[slot];
        if (!lease->slots[slot]) {
            GLenum usage =
                facts->kind == ESK_SLOT_INPUT ? GL_DYNAMIC_DRAW : GL_DYNAMIC_READ;
            if (!lease->own[i])
                ESK_TRY(esk_gl_buffer_lease(
                    &screen->memory, ESK_GL_POOL_DEFAULT, facts->bytes, usage,
                    esk_slot_name(facts->kind), &lease->own[i], error));
            lease->slots[slot] = lease->own[i];
            if (screen->device->options.poison)
                ESK_TRY(esk_gl_buffer_poison(&screen->memory, lease->own[i], error));
        }
        ESK_TRY(make_views(lease, slot, error));
    }
    lease->ready = true;
    return ESK_OK;
}

bool esk_gl_lease_bound(const struct esk_lease *lease, uint32_t slot) {
    for (uint32_t i = 0; i < lease->n_bound; i++)
        if (lease->bound[i].slot == slot && !lease->bound[i].copy_out)
            return true;
    return false;
}

bool esk_gl_lease_copy(struct esk_lease *lease, bool out) {
    struct esk_gl *gl = &lease->prepared->screen->gl;
    bool any = false;
    for (uint32_t i = 0; i < lease->n_bound; i++) {
        const struct esk_gl_bound *b = &lease->bound[i];
        if (out ? !b->copy_out : !b->copy_in)
            continue;
        if (lease->slots[b->slot] == b->buffer)
            continue; /* an output that is its input, bound to the same tensor */
        if (!any && out)
            ESK_GL(gl, MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT));
        any = true;
        GLuint own = lease->slots[b->slot]->id, theirs = b->buffer->id;
        ESK_GL(gl, BindBuffer(GL_COPY_READ_BUFFER, out ? own : theirs));
        ESK_GL(gl, BindBuffer(GL_COPY_WRITE_BUFFER, out ? theirs : own));
        ESK_GL(gl,
               CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER,
                                 out ? (GLintptr)b->offset : 0,
                                 out ? 0 : (GLintptr)b->offset, (GLsizeiptr)b->bytes));
    }
    return any;
}

void esk_gl_lease_give_own(struct esk_lease *lease) {
    for (uint32_t i = 0; i < count(lease); i++) {
        esk_gl_cache_give(&lease->prepared->screen->memory.pools[ESK_GL_POOL_DEFAULT],
                          lease->own[i]);
        lease->own[i] = NULL;
        lease->slots[first(lease) + i] = NULL;
    }
    lease->ready = false;
}

void esk_gl_lease_unbind(struct esk_lease *lease) {
    bool poison = lease->prepared->screen->device->options.poison;
    if (!lease->n_bound && !poison)
        return;
    for (uint32_t i = 0; i < count(lease); i++)
        lease->slots[first(lease) + i] = NULL;
    lease->n_bound = 0;
    lease->ready = false;
}

/* Whether a tensor can stand at the slot itself: the slot is all its own, and nothing
 * else of the run has the tensor. */
static bool stands_alone(const struct esk_lease *lease,
                         const struct esk_device_binding *bindings, uint32_t n,
                         uint32_t i, const struct esk_place *place) {
    const struct esk_gl_record *record = &lease->prepared->record;
    uint32_t slot = esk_gl_record_slot(record, place);
    if (place->offset ||
        place->slot != (bindings[i].output ? ESK_SLOT_OUTPUT : ESK_SLOT_INPUT) ||
        place->index != bindings[i].index ||
        record->slots[slot].bytes > esk_gl_tensor_bytes(bindings[i].tensor))
        return false;
    for (uint32_t j = 0; j < n && bindings[i].output; j++)
        if (j != i && bindings[j].tensor == bindings[i].tensor)
            return false;
    return true;
}

static esk_status bind(struct esk_lease *lease, const struct esk_device_binding *bindings,
                       uint32_t n, uint32_t i, esk_error *error) {
    const struct esk_prepared *p = lease->prepared;
    const struct esk_device_binding *binding = &bindings[i];
    struct esk_place place = {.slot = ESK_SLOT_INPUT, .index = binding->index};
    if (binding->output)
        place = p->plan->buffers[p->plan->outputs[binding->index].buffer].place;
    bool alone = stands_alone(lease, bindings, n, i, &place);
    struct esk_gl_bound *bound = &lease->bound[lease->n_bound];
    *bound = (struct esk_gl_bound){
        .slot = esk_gl_record_slot(&p->record, &place),
        .copy_in = !binding->output && !alone,
        .copy_out = binding->output && !alone,
        .offset = place.offset,
        .bytes = esk_gl_tensor_bytes(binding->tensor),
    };
    if (!binding->output && !p->record.slots[bound->slot].bytes)
        return ESK_OK; /* no command reads it on the device */
    ESK_TRY(esk_gl_tensor_at(binding->tensor, p->screen, binding->output, &bound->buffer,
                             error));
    if (alone)
        lease->slots[bound->slot] = bound->buffer;
    lease->n_bound++;
    return ESK_OK;
}

esk_status esk_gl_bind(struct esk_lease *lease, const struct esk_device_binding *bindings,
                       uint32_t n, esk_error *error) {
    for (uint32_t i = 0; i < count(lease); i++)
        lease->slots[first(lease) + i] = NULL;
    lease->n_bound = 0;
    lease->ready = false;
    /* inputs first: an output makes other copies of the same tensor void */
    for (int outputs = 0; outputs < 2; outputs++)
        for (uint32_t i = 0; i < n; i++)
            if (bindings[i].output == (outputs == 1))
                ESK_TRY(bind(lease, bindings, n, i, error));
    return ESK_OK;
}
