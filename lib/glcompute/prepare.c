/* Plans on a device: prepared, leased, run. In: plans and host tensors; out: GL work,
 * host bytes. A steady run takes a lease from the pool and buffers from the caches, and
 * makes nothing. Must not know operators. */
#include "glcompute/lease.h"

#include "base/error.h"
#include "base/mem.h"
#include "glcompute/check.h"

#include <string.h>

enum {
    IDLE_LEASES = 2, /* of one prepared plan */
    FENCE_TIMEOUT_MS = 60000,
};

/* ---- prepare ---- */

static esk_status prepare_forms(struct esk_prepared *p, struct esk_gl_form_place *places,
                                esk_error *error) {
    struct esk_gl_screen *screen = p->screen;
    const struct esk_plan *plan = p->plan;
    uint64_t expected = 0;
    for (uint32_t i = 0; i < plan->n_forms; i++)
        if (plan->forms[i].shared)
            expected += esk_round_up(plan->forms[i].form.bytes, 256);
    if (plan->constant_bytes)
        ESK_TRY(esk_gl_buffer_create(&screen->memory, plan->constant_bytes,
                                     GL_STATIC_DRAW, "constants", &p->constants, error));
    for (uint32_t i = 0; i < plan->n_forms; i++) {
        const struct esk_plan_form *form = &plan->forms[i];
        if (!form->shared) {
            ESK_TRY(esk_gl_form_upload(&screen->weights, plan->graph, &form->form,
                                       p->constants, form->offset, error));
            continue;
        }
        ESK_TRY(esk_gl_form_ref(&screen->weights, plan->graph, &form->form, expected,
                                &p->forms[i], error));
        expected -= esk_round_up(form->form.bytes, 256);
        places[i].offset = p->forms[i]->offset;
        places[i].slot_bytes = p->forms[i]->buffer->bytes;
    }
    return ESK_OK;
}

/* All are started before the first is waited for: drivers compile in parallel; or, where
 * the driver's compiler works on the caller's thread, we do (glcompute/warm). */
static esk_status prepare_programs(struct esk_prepared *p, bool *slow, esk_error *error) {
    struct esk_gl_screen *screen = p->screen;
    struct esk_gl_record *record = &p->record;
    for (uint32_t i = 0; i < record->n_commands; i++) {
        struct esk_gl_command *c = &record->commands[i];
        if (i && c->source == c[-1].source) {
            c->program = c[-1].program;
            continue;
        }
        ESK_TRY(esk_gl_program_start(&screen->programs,
                                     p->plan->commands[c->source].kernel, &c->reach,
                                     &c->program, error));
    }
    if (screen->programs.late)
        *slow = esk_gl_warm_up(&screen->warm, &screen->gl, record);
    for (uint32_t i = 0; i < record->n_commands; i++) {
        struct esk_gl_command *c = &record->commands[i];
        ESK_TRY(esk_gl_program_link(&screen->programs,
                                    p->plan->commands[c->source].kernel, &c->reach,
                                    c->program, error));
    }
    return esk_gl_status(&screen->gl, "compiling", error);
}

static esk_status make_params(struct esk_prepared *p, GLenum usage,
                              struct esk_gl_buffer **params, esk_error *error) {
    struct esk_gl_memory *memory = &p->screen->memory;
    ESK_TRY(esk_gl_buffer_lease(memory, ESK_GL_POOL_UNIFORM, p->record.param_bytes, usage,
                                "params", params, error));
    return esk_gl_buffer_write(memory, *params, 0, p->record.param_bytes,
                               p->record.params, error);
}

static esk_status prepare_current(struct esk_prepared *p, esk_error *error) {
    struct esk_gl_screen *screen = p->screen;
    const struct esk_plan *plan = p->plan;
    struct esk_gl_form_place *places = esk_calloc(plan->n_forms + 1u, sizeof *places);
    p->forms = esk_calloc(plan->n_forms + 1u, sizeof *p->forms);
    esk_status status = places && p->forms ? prepare_forms(p, places, error)
                                           : esk_fail_memory(error, "weight forms");
    if (status == ESK_OK)
        status = esk_gl_weights_settle(&screen->weights,
                                       screen->device->limits.pool_threads, error);
    else
        esk_gl_weights_forget(&screen->weights);
    if (status == ESK_OK)
        status = esk_gl_record_make(&p->record, plan, &screen->device->limits,
                                    screen->device->max_groups, places,
                                    p->cost.by_lanes ? 2 : 1, error);
    esk_free(places);
    ESK_TRY(status);
    screen->counters.recorded += p->record.n_commands;
    bool slow = false;
    ESK_TRY(prepare_programs(p, &slow, error));
    for (uint32_t i = 0; i < p->record.n_slots; i++) { /* views of what stays */
        const struct esk_gl_slot *slot = &p->record.slots[i];
        struct esk_gl_buffer *buffer = NULL;
        if (slot->kind == ESK_SLOT_CONSTANT)
            buffer = p->constants;
        else if (slot->kind == ESK_SLOT_FORM)
            buffer = p->forms[slot->index] ? p->forms[slot->index]->buffer : p->constants;
        for (int v = 0; v < ESK_GL_VIEWS && buffer; v++)
            if (slot->views >> v & 1)
                ESK_TRY(esk_gl_buffer_view(&screen->memory, buffer, v, error));
    }
    if (p->record.n_commands && !p->record.n_late)
        ESK_TRY(make_params(p, GL_STATIC_DRAW, &p->params, error));
    if (p->cost.by_lanes && p->record.n_commands)
        p->part = esk_gl_lane_prepare(screen->lane, &p->record, slow);
    return ESK_OK;
}

/* Under the lock, context current. */
static void destroy_prepared(struct esk_prepared *p) {
    struct esk_gl_screen *screen = p->screen;
    if (p->part)
        esk_gl_lane_unprepare(screen->lane, p->part);
    for (uint32_t i = 0; p->forms && i < p->plan->n_forms; i++)
        esk_gl_form_unref(&screen->weights, p->forms[i]);
    esk_gl_buffer_destroy(&screen->memory, p->constants);
    esk_gl_cache_give(&screen->memory.pools[ESK_GL_POOL_UNIFORM], p->params);
    esk_gl_memory_sweep(&screen->memory);
    esk_gl_record_finish(&p->record);
    esk_free(p->forms);
    esk_free(p);
}

esk_status esk_gl_prepare(struct esk_device *device, const struct esk_plan *plan,
                          struct esk_prepared **result, esk_error *error) {
    struct esk_prepared *p = esk_calloc(1, sizeof *p);
    if (!p)
        return esk_fail_memory(error, "a prepared plan");
    p->plan = plan;
    p->screen = esk_gl_device_choose(device, plan, &p->cost);
    struct esk_gl_screen *screen = p->screen;
    pthread_mutex_lock(&screen->lock);
    struct esk_egl_saved saved = {0};
    esk_status status = esk_gl_screen_current(screen, &saved, error);
    if (status == ESK_OK) {
        status = prepare_current(p, error);
        if (status != ESK_OK)
            destroy_prepared(p);
        esk_gl_screen_restore(screen, &saved);
    } else
        esk_free(p);
    if (status == ESK_DEVICE_LOST)
        screen->lost = true;
    pthread_mutex_unlock(&screen->lock);
    if (status == ESK_OK)
        *result = p;
    return status;
}

/* ---- leases ---- */

/* Under the lock, context current. */
static void destroy_lease(struct esk_lease *lease) {
    const struct esk_gl_record *record = &lease->prepared->record;
    struct esk_gl_memory *memory = &lease->prepared->screen->memory;
    for (uint32_t i = 0; lease->slots && i < record->n_slots; i++)
        if (record->slots[i].kind == ESK_SLOT_ACTIVATION)
            esk_gl_buffer_destroy(memory, lease->slots[i]);
    for (uint32_t i = 0; lease->own && i < record->n_inputs + record->n_outputs; i++)
        esk_gl_buffer_destroy(memory, lease->own[i]);
    if (lease->dirty)
        esk_gl_buffer_destroy(memory, lease->params);
    else
        esk_gl_cache_give(&memory->pools[ESK_GL_POOL_UNIFORM], lease->params);
    esk_gl_timer_return(memory, lease->timer);
    esk_gl_memory_sweep(memory);
    esk_gl_check_destroy(lease->check);
    esk_free(lease->slots);
    esk_free(lease->own);
    esk_free(lease->bound);
    esk_free(lease);
}

void esk_gl_unprepare(struct esk_prepared *p) {
    if (!p)
        return;
    struct esk_gl_screen *screen = p->screen;
    struct esk_egl_saved saved = {0};
    pthread_mutex_lock(&screen->lock);
    esk_gl_screen_current_to_free(screen, &saved);
    while (p->idle) {
        struct esk_lease *lease = p->idle;
        p->idle = lease->next;
        destroy_lease(lease);
    }
    destroy_prepared(p);
    esk_gl_screen_restore(screen, &saved);
    pthread_mutex_unlock(&screen->lock);
}

void esk_gl_settle(struct esk_prepared *p) {
    if (p->part)
        esk_gl_lane_settle(p->screen->lane, p->part);
}

/* Activation slabs that the cache has; true if nothing is left for GL to do. */
static bool take_slabs(struct esk_lease *lease) {
    const struct esk_prepared *p = lease->prepared;
    bool complete =
        !p->screen->device->options.poison && (!p->record.n_late || lease->params);
    for (uint32_t i = 0; i < p->record.n_slots; i++) {
        const struct esk_gl_slot *slot = &p->record.slots[i];
        if (slot->kind == ESK_SLOT_INPUT || slot->kind == ESK_SLOT_OUTPUT)
            continue; /* when a run needs them: esk_gl_lease_ready */
        if (slot->kind == ESK_SLOT_ACTIVATION)
            lease->slots[i] =
                esk_gl_cache_lease(&p->screen->memory.pools[ESK_GL_POOL_STORAGE],
                                   slot->bytes, GL_DYNAMIC_COPY);
        if (!lease->slots[i])
            complete = complete && !slot->bytes;
        else
            for (int v = 0; v < ESK_GL_VIEWS; v++)
                complete =
                    complete && (!(slot->views >> v & 1) || lease->slots[i]->views[v]);
    }
    return complete;
}

/* Gives back what the next run may get from the caches; no GL. */
static void give_buffers(struct esk_lease *lease) {
    struct esk_prepared *p = lease->prepared;
    struct esk_gl_cache *pools = p->screen->memory.pools;
    for (int i = 0; i < ESK_GL_POOLS; i++)
        esk_gl_cache_end_run(&pools[i]);
    for (uint32_t i = 0; i < p->record.n_slots; i++)
        if (p->record.slots[i].kind == ESK_SLOT_ACTIVATION) {
            esk_gl_cache_give(&pools[ESK_GL_POOL_STORAGE], lease->slots[i]);
            lease->slots[i] = NULL;
        }
    if (lease->timer)
        esk_gl_cache_give(&pools[ESK_GL_POOL_QUERY], &lease->timer->unit);
    lease->timer = NULL;
    esk_gl_lease_give_own(lease);
    /* a block has words of its plan: where it may be kept, it stays with the lease */
    if (pools[ESK_GL_POOL_UNIFORM].mode <= ESK_CACHE_LAZY) {
        esk_gl_cache_give(&pools[ESK_GL_POOL_UNIFORM], lease->params);
        lease->params = NULL;
    }
}

/* With the context current: makes what is missing, views and poison. */
static esk_status complete_lease(struct esk_lease *lease, esk_error *error) {
    struct esk_prepared *p = lease->prepared;
    struct esk_gl_memory *memory = &p->screen->memory;
    for (uint32_t i = 0; i < p->record.n_slots; i++) {
        const struct esk_gl_slot *slot = &p->record.slots[i];
        bool work = slot->kind == ESK_SLOT_ACTIVATION;
        if (work && !lease->slots[i])
            ESK_TRY(esk_gl_buffer_lease(memory, ESK_GL_POOL_STORAGE, slot->bytes,
                                        GL_DYNAMIC_COPY, esk_slot_name(slot->kind),
                                        &lease->slots[i], error));
        if (work && p->screen->device->options.poison)
            ESK_TRY(esk_gl_buffer_poison(memory, lease->slots[i], error));
        for (int v = 0; work && v < ESK_GL_VIEWS; v++)
            if (slot->views >> v & 1)
                ESK_TRY(esk_gl_buffer_view(memory, lease->slots[i], v, error));
    }
    if (p->record.n_late && !lease->params)
        ESK_TRY(make_params(p, GL_DYNAMIC_DRAW, &lease->params, error));
    return ESK_OK;
}

static struct esk_lease *new_lease(struct esk_prepared *p) {
    struct esk_lease *lease = esk_calloc(1, sizeof *lease);
    if (!lease)
        return NULL;
    lease->prepared = p;
    uint32_t n = p->record.n_inputs + p->record.n_outputs;
    lease->slots = esk_calloc(p->record.n_slots, sizeof *lease->slots);
    lease->own = esk_calloc(n + 1u, sizeof *lease->own);
    lease->bound = esk_calloc(n + 1u, sizeof *lease->bound);
    if (!lease->slots || !lease->own || !lease->bound) {
        esk_free(lease->slots);
        esk_free(lease->own);
        esk_free(lease->bound);
        esk_free(lease);
        return NULL;
    }
    for (uint32_t i = 0; i < p->record.n_slots; i++) {
        const struct esk_gl_slot *slot = &p->record.slots[i];
        if (slot->kind == ESK_SLOT_CONSTANT)
            lease->slots[i] = p->constants;
        else if (slot->kind == ESK_SLOT_FORM)
            lease->slots[i] =
                p->forms[slot->index] ? p->forms[slot->index]->buffer : p->constants;
    }
    return lease;
}

esk_status esk_gl_lease(struct esk_prepared *p, struct esk_lease **result,
                        esk_error *error) {
    struct esk_gl_screen *screen = p->screen;
    esk_status status = ESK_OK;
    pthread_mutex_lock(&screen->lock);
    struct esk_lease *lease = p->idle;
    bool fresh = !lease;
    if (lease) {
        p->idle = lease->next;
        lease->next = NULL;
        p->n_idle--;
    } else if (!(lease = new_lease(p)))
        status = esk_fail_memory(error, "a lease");
    if (status == ESK_OK && (!take_slabs(lease) || fresh)) {
        struct esk_egl_saved saved = {0};
        status = esk_gl_screen_current(screen, &saved, error);
        if (status == ESK_OK) {
            status = complete_lease(lease, error);
            if (status != ESK_OK)
                destroy_lease(lease);
            esk_gl_screen_restore(screen, &saved);
        } else {
            esk_gl_screen_current_to_free(screen, &saved);
            destroy_lease(lease);
            esk_gl_screen_restore(screen, &saved);
        }
    }
    pthread_mutex_unlock(&screen->lock);
    if (status == ESK_OK)
        *result = lease;
    return status;
}

void esk_gl_release(struct esk_lease *lease) {
    if (!lease)
        return;
    struct esk_prepared *p = lease->prepared;
    struct esk_gl_screen *screen = p->screen;
    lease->times = NULL;
    pthread_mutex_lock(&screen->lock);
    bool keep = !lease->dirty && !screen->lost;
    esk_gl_lease_unbind(lease);
    if (keep)
        give_buffers(lease);
    if (keep && p->n_idle < IDLE_LEASES) {
        lease->next = p->idle;
        p->idle = lease;
        p->n_idle++;
        lease = NULL;
    }
    if (lease || esk_gl_memory_dropped(&screen->memory)) {
        struct esk_egl_saved saved = {0};
        esk_gl_screen_current_to_free(screen, &saved);
        if (lease)
            destroy_lease(lease);
        esk_gl_memory_sweep(&screen->memory);
        esk_gl_screen_restore(screen, &saved);
    }
    pthread_mutex_unlock(&screen->lock);
}

/* ---- runs ---- */

/* Where a transfer's bytes lie. The device is idle with respect to this lease: each stage
 * was waited for. */
static esk_status map(struct esk_lease *lease, const struct esk_transfer *transfer,
                      GLbitfield access, struct esk_gl_buffer **home, void **mapped,
                      esk_error *error) {
    const struct esk_prepared *p = lease->prepared;
    const struct esk_place *place = &p->plan->buffers[transfer->buffer].place;
    *home = lease->slots[esk_gl_record_slot(&p->record, place)];
    return esk_gl_buffer_map(&p->screen->gl, *home, place->offset, transfer->bytes,
                             access, "mapping a buffer", mapped, error);
}

static esk_status unmap(struct esk_lease *lease, const struct esk_gl_buffer *home,
                        esk_error *error) {
    return esk_gl_buffer_unmap(&lease->prepared->screen->gl, home, "unmapping a buffer",
                               error);
}

/* The host tensor of a transfer; NULL: nothing to move. */
static esk_status check(const struct esk_prepared *p, const struct esk_transfer *transfer,
                        const struct esk_tensor *host, const char *what,
                        const struct esk_tensor **tensor, esk_error *error) {
    const struct esk_buffer *buffer = &p->plan->buffers[transfer->buffer];
    const struct esk_tensor *t = &host[transfer->var];
    const char *name = p->plan->graph->vars[transfer->var]->name;
    *tensor = NULL;
    if (!esk_shape_product(t->dim, 0, t->rank))
        return ESK_OK;
    if (!t->data)
        return esk_fail(error, ESK_INTERNAL, "%s of '%s': no host memory", what, name);
    /* transfers are DENSE; the buffer may be one that a C4 var shares with a DENSE alias
     */
    if (esk_storage_bytes(buffer->storage, ESK_LAYOUT_DENSE, t->rank, t->dim) >
        buffer->bytes)
        return esk_fail(error, ESK_INTERNAL, "%s of '%s': more than its %llu bytes", what,
                        name, (unsigned long long)buffer->bytes);
    *tensor = t;
    return ESK_OK;
}

static esk_status upload(struct esk_lease *lease, const struct esk_transfer *transfer,
                         const struct esk_tensor *host, esk_error *error) {
    const struct esk_prepared *p = lease->prepared;
    const struct esk_buffer *buffer = &p->plan->buffers[transfer->buffer];
    const struct esk_tensor *tensor;
    if (lease->n_bound &&
        esk_gl_lease_bound(lease, esk_gl_record_slot(&p->record, &buffer->place)))
        return ESK_OK;
    ESK_TRY(check(p, transfer, host, "upload", &tensor, error));
    if (!tensor)
        return ESK_OK;
    struct esk_gl_buffer *home;
    void *to;
    ESK_TRY(
        map(lease, transfer,
            GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_RANGE_BIT | GL_MAP_UNSYNCHRONIZED_BIT,
            &home, &to, error));
    esk_storage_pack(to, transfer->bytes, buffer->storage, ESK_LAYOUT_DENSE, tensor);
    p->screen->counters.uploads++;
    p->screen->counters.upload_bytes += transfer->bytes;
    return unmap(lease, home, error);
}

static esk_status read_back(struct esk_lease *lease, const struct esk_transfer *transfer,
                            const struct esk_tensor *host, esk_error *error) {
    const struct esk_prepared *p = lease->prepared;
    const struct esk_buffer *buffer = &p->plan->buffers[transfer->buffer];
    const struct esk_tensor *tensor;
    if (!host[transfer->var].data)
        return ESK_OK; /* nobody wants it on the host */
    ESK_TRY(check(p, transfer, host, "readback", &tensor, error));
    if (!tensor)
        return ESK_OK;
    struct esk_gl_buffer *home;
    void *from;
    ESK_TRY(map(lease, transfer, GL_MAP_READ_BIT, &home, &from, error));
    struct esk_tensor to = *tensor;
    esk_storage_unpack(from, buffer->storage, &to);
    p->screen->counters.readbacks++;
    p->screen->counters.readback_bytes += transfer->bytes;
    return unmap(lease, home, error);
}

static esk_status write_late(struct esk_lease *lease, uint32_t stage,
                             const struct esk_tensor *host, esk_error *error) {
    struct esk_prepared *p = lease->prepared;
    struct esk_gl *gl = &p->screen->gl;
    if (!p->record.stages[stage].n_late)
        return ESK_OK;
    /* words that are const stay: the range is not invalidated */
    void *to;
    ESK_TRY(esk_gl_buffer_map(gl, lease->params, 0, p->record.param_bytes,
                              GL_MAP_WRITE_BIT | GL_MAP_UNSYNCHRONIZED_BIT,
                              "mapping parameters", &to, error));
    esk_status status = esk_gl_record_late(&p->record, stage, host, to, error);
    p->screen->counters.upload_bytes += 4ull * p->record.stages[stage].n_late;
    esk_status unmapped = unmap(lease, lease->params, status == ESK_OK ? error : NULL);
    return status == ESK_OK ? unmapped : status;
}

/* The lease's timer, with room for any stage. */
static esk_status ready_timer(struct esk_lease *lease, esk_error *error) {
    const struct esk_prepared *p = lease->prepared;
    struct esk_gl_screen *screen = p->screen;
    uint32_t most = 1;
    for (uint32_t s = 0; s < p->record.n_stages; s++)
        if (p->record.stages[s].n_commands > most)
            most = p->record.stages[s].n_commands;
    if (!lease->timer)
        ESK_TRY(esk_gl_timer_lease(&screen->memory, most, screen->device->info.software,
                                   &lease->timer, error));
    esk_gl_timer_reset(lease->timer);
    return ESK_OK;
}

/* Adds a stage's spans to what watches the lease: one a command of the plan, in whatever
 * pieces. */
static esk_status take_times(struct esk_lease *lease, uint32_t stage, esk_error *error) {
    const struct esk_gl_record *record = &lease->prepared->record;
    const struct esk_gl_stage *s = &record->stages[stage];
    struct esk_gl_timer *timer = lease->timer;
    struct esk_times *times = lease->times;
    struct esk_gl_span *spans = esk_calloc(timer->count + 1u, sizeof *spans);
    bool disjoint;
    if (!spans)
        return esk_fail_memory(error, "a profile");
    esk_status status = esk_gl_timer_collect(timer, spans, &disjoint, error);
    times->clock = disjoint ? "GPU clock that jumped: times mean nothing"
                            : esk_gl_clock_name(timer->clock);
    uint32_t piece = 0;
    for (uint32_t i = 0; status == ESK_OK && i < timer->count; i++) {
        const struct esk_gl_command *commands = &record->commands[s->first_command];
        uint32_t command = commands[piece].source, pieces = 0;
        for (; piece < s->n_commands && commands[piece].source == command; piece++)
            pieces++;
        if (times->count < times->capacity)
            times->items[times->count++] = (struct esk_command_time){
                command, pieces, spans[i].start_ns, spans[i].ns};
    }
    esk_free(spans);
    return status;
}

static struct esk_gl_buffer *params_of(const struct esk_lease *lease) {
    return lease->params ? lease->params : lease->prepared->params;
}

void esk_gl_watch(struct esk_lease *lease, struct esk_times *times) {
    lease->times = times;
}

/* Uploads, and the commands as far as they go: *issued. */
static esk_status issue(struct esk_lease *lease, uint32_t stage,
                        const struct esk_tensor *host, const struct esk_run_call *call,
                        struct esk_gl_course *course, uint64_t *issued,
                        esk_error *error) {
    struct esk_prepared *p = lease->prepared;
    const struct esk_device *device = p->screen->device;
    const struct esk_stage *s = &p->plan->stages[stage];
    if (!stage && lease->n_bound)
        esk_gl_lease_copy(lease, false);
    for (uint32_t i = 0; i < s->n_uploads; i++)
        ESK_TRY(upload(lease, &s->uploads[i], host, error));
    ESK_TRY(write_late(lease, stage, host, error));
    if (device->options.debug && !lease->check &&
        !(lease->check = esk_gl_check_create(lease)))
        return esk_fail_memory(error, "checks of values");
    if (lease->check)
        esk_gl_check_begin(lease->check, stage, error);
    if (lease->times)
        ESK_TRY(ready_timer(lease, error));
    const struct esk_gl_buffer *params = params_of(lease);
    const struct esk_gl_replay replay = {
        .slots = lease->slots,
        .params = params ? params->id : 0,
        .groups = device->options.debug,
        .timer = lease->times ? lease->timer : NULL,
        /* a software renderer has done a dispatch when the call returns */
        .flush = device->info.quirks & ESK_QUIRK_FLUSH_EACH ? 1
                 : device->info.software                    ? 0
                                                            : device->options.max_pending,
        .stop = call->stop,
        .look = lease->check ? esk_gl_check_command : NULL,
        .user = lease->check,
        .course = course,
    };
    *issued = esk_gl_replay(&p->screen->gl, &p->record, stage, &replay);
    return ESK_OK;
}

/* The same with the second lane, where there is one. It wakes up while inputs are packed.
 */
static esk_status issue_by_lanes(struct esk_lease *lease, uint32_t stage,
                                 const struct esk_tensor *host,
                                 const struct esk_run_call *call, uint64_t *issued,
                                 esk_error *error) {
    struct esk_prepared *p = lease->prepared;
    struct esk_gl_screen *screen = p->screen;
    struct esk_gl_course *course = p->part
                                       ? esk_gl_lane_begin(screen->lane, p->part, stage,
                                                           lease->slots, params_of(lease))
                                       : NULL;
    uint64_t taken = 0;
    esk_status status = issue(lease, stage, host, call, course, issued, error);
    if (course) {
        esk_error other = ESK_ERROR_INIT;
        esk_status lane = esk_gl_lane_end(screen->lane, &taken, &other);
        if (status == ESK_OK && lane != ESK_OK) {
            esk_error_move(error, &other);
            status = lane;
        }
        esk_error_clear(&other);
    }
    uint64_t counted = esk_gl_record_dispatches(&p->record, stage, *issued);
    screen->counters.dispatches += counted;
    if (screen->is_inline && *issued)
        screen->counters.inline_dispatches += counted * (*issued - taken) / *issued;
    return status;
}

static esk_status run_current(struct esk_lease *lease, uint32_t stage,
                              const struct esk_tensor *host,
                              const struct esk_run_call *call, esk_error *error) {
    struct esk_prepared *p = lease->prepared;
    const struct esk_device *device = p->screen->device;
    struct esk_gl *gl = &p->screen->gl;
    const struct esk_stage *s = &p->plan->stages[stage];
    uint64_t issued = 0;
    if (!lease->ready)
        ESK_TRY(esk_gl_lease_ready(lease, error));
    ESK_TRY(issue_by_lanes(lease, stage, host, call, &issued, error));
    bool copied = lease->n_bound && stage + 1 == p->plan->n_stages &&
                  esk_gl_lease_copy(lease, true);
    if (issued || copied) {
        uint32_t timeout = device->options.fence_timeout_ms;
        lease->dirty = true;
        ESK_GL(gl, MemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT));
        ESK_TRY(esk_gl_wait(gl, &p->record, stage, timeout ? timeout : FENCE_TIMEOUT_MS,
                            device->info.quirks & ESK_QUIRK_POLL_FENCE, call->stop,
                            error));
        lease->dirty = false;
        if (lease->times)
            ESK_TRY(take_times(lease, stage, error));
    }
    if (lease->check)
        ESK_TRY(esk_gl_check_end(lease->check));
    if (call->stop && atomic_load_explicit(call->stop, memory_order_relaxed))
        return esk_fail(error, ESK_CANCELLED, "the run was terminated");
    for (uint32_t i = 0; i < s->n_readbacks; i++)
        ESK_TRY(read_back(lease, &s->readbacks[i], host, error));
    return esk_gl_status(gl, "running a stage", error);
}

esk_status esk_gl_run_stage(struct esk_lease *lease, uint32_t stage,
                            const struct esk_tensor *host,
                            const struct esk_run_call *call, esk_error *error) {
    struct esk_gl_screen *screen = lease->prepared->screen;
    struct esk_egl_saved saved = {0};
    pthread_mutex_lock(&screen->lock);
    esk_status status = esk_gl_screen_current(screen, &saved, error);
    if (status == ESK_OK) {
        status = run_current(lease, stage, host, call, error);
        esk_gl_screen_restore(screen, &saved);
    }
    if (status == ESK_DEVICE_LOST)
        screen->lost = true;
    pthread_mutex_unlock(&screen->lock);
    return status;
}

/* ---- for people ---- */

void esk_gl_dump(struct esk_prepared *p, struct esk_text *text) {
    if (p->cost.threads)
        esk_gl_cost_print(&p->cost, text);
    esk_gl_record_print(&p->record, text);
}

esk_status esk_gl_source(struct esk_prepared *p, uint32_t command, struct esk_text *text,
                         esk_error *error) {
    if (command >= p->plan->n_commands)
        return esk_fail(error, ESK_INVALID_ARGUMENT, "command %u: the plan has %u",
                        command, p->plan->n_commands);
    struct esk_reach reach = {.path = p->screen->device->limits.read_path};
    for (uint32_t i = 0; i < p->record.n_commands; i++)
        if (p->record.commands[i].source == command)
            reach = p->record.commands[i].reach;
    return esk_gl_source_make(esk_shaders, p->plan->commands[command].kernel, &reach,
                              p->screen->gl.minor, text, error);
}
