/* A device: its context, GL table, limits, memory and programs, behind one lock; and what
 * is prepared on it. In: provider calls; out: GL work with the caller's context
 * untouched. Between the files of the provider only; must not know operators. */
#ifndef ESK_GLCOMPUTE_DEVICE_H
#define ESK_GLCOMPUTE_DEVICE_H

#include "glcompute/buffer.h"
#include "glcompute/command.h"
#include "glcompute/egl.h"
#include "glcompute/limits.h"
#include "glcompute/program.h"
#include "glcompute/warm.h"
#include "ir/provider.h"

#include <pthread.h>

struct esk_device {
    pthread_mutex_t lock; /* everything below, but for what is const after open */
    struct esk_device_options options;
    struct esk_logger logger;
    struct esk_egl *egl; /* owned */
    struct esk_gl gl;
    struct esk_gl_info info;
    struct esk_limits limits;
    uint32_t max_groups[3]; /* where dispatches are cut */
    struct esk_device_facts facts;
    struct esk_counters counters;
    struct esk_gl_memory memory;
    struct esk_gl_weights weights;
    struct esk_gl_programs programs;
    struct esk_gl_timer *timer; /* made by the first watched stage */
    struct esk_gl_warm warm;
    bool lost; /* nothing can be done with it any more but freeing */
};

/* Makes the context current, under the lock; a lost device fails. */
esk_status esk_gl_device_current(struct esk_device *device, struct esk_egl_saved *saved,
                                 esk_error *error);
/* The same in order to free: where it fails, freeing leaves GL objects to the context. */
void esk_gl_device_current_to_free(struct esk_device *device,
                                   struct esk_egl_saved *saved);
void esk_gl_device_restore(struct esk_device *device, const struct esk_egl_saved *saved);

/* The provider's functions of prepared plans and leases. */
esk_status esk_gl_prepare(struct esk_device *device, const struct esk_plan *plan,
                          struct esk_prepared **prepared, esk_error *error);
void esk_gl_unprepare(struct esk_prepared *prepared);
esk_status esk_gl_lease(struct esk_prepared *prepared, struct esk_lease **lease,
                        esk_error *error);
void esk_gl_release(struct esk_lease *lease);
esk_status esk_gl_run_stage(struct esk_lease *lease, uint32_t stage,
                            const struct esk_tensor *host, const struct esk_run_call *call,
                            esk_error *error);
void esk_gl_watch(struct esk_lease *lease, struct esk_times *times);
void esk_gl_dump(struct esk_prepared *prepared, struct esk_text *text);
esk_status esk_gl_source(struct esk_prepared *prepared, uint32_t command,
                         struct esk_text *text, esk_error *error);

#endif
