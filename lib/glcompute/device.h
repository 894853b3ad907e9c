/* A device: what the driver can do, and one or two screens on it; and what is prepared on
 * them. In: provider calls; out: GL work with the caller's context untouched. Between the
 * files of the provider only; must not know operators. */
#ifndef ESK_GLCOMPUTE_DEVICE_H
#define ESK_GLCOMPUTE_DEVICE_H

#include "glcompute/buffer.h"
#include "glcompute/command.h"
#include "glcompute/cost.h"
#include "glcompute/egl.h"
#include "glcompute/lane.h"
#include "glcompute/limits.h"
#include "glcompute/program.h"
#include "glcompute/warm.h"
#include "glcompute/weights.h"
#include "ir/provider.h"

#include <pthread.h>

/* A context and all that belongs to it, behind one lock. Nothing goes from one screen to
 * another but through the host. */
struct esk_gl_screen {
    pthread_mutex_t lock; /* everything below, but for what is const after open */
    struct esk_device *device;
    struct esk_egl *egl; /* owned */
    struct esk_gl gl;
    struct esk_counters counters;
    struct esk_gl_memory memory;
    struct esk_gl_weights weights;
    struct esk_gl_programs programs;
    struct esk_gl_warm warm;
    struct esk_gl_lane *lane; /* owned; NULL: there is none */
    bool is_inline;           /* the calling thread computes, not the driver's pool */
    bool lost;                /* nothing can be done with it any more but freeing */
};

struct esk_device {
    struct esk_device_options options;
    char *cache_dir; /* owned, of the options; may be NULL */
    struct esk_logger logger;
    struct esk_gl_info info;
    struct esk_limits limits; /* of both screens */
    uint32_t max_groups[3];   /* where dispatches are cut */
    struct esk_device_facts facts;
    struct esk_gl_screen *screen; /* owned */
    pthread_mutex_t lock;         /* of what follows; never taken under a screen's */
    struct esk_gl_screen *twin;   /* owned; NULL until a plan asks for it */
    bool no_twin;                 /* it was asked for, and there is none */
};

/* The screen that a plan is to run on, opened if it has to be. `cost` has what it was
 * chosen by. Never fails: the device's first screen runs everything. */
struct esk_gl_screen *esk_gl_device_choose(struct esk_device *device,
                                           const struct esk_plan *plan,
                                           struct esk_gl_cost *cost);

/* Makes the context current, under the lock; a lost device fails. */
esk_status esk_gl_screen_current(struct esk_gl_screen *screen,
                                 struct esk_egl_saved *saved, esk_error *error);
/* The same in order to free: where it fails, freeing leaves GL objects to the context. */
void esk_gl_screen_current_to_free(struct esk_gl_screen *screen,
                                   struct esk_egl_saved *saved);
void esk_gl_screen_restore(struct esk_gl_screen *screen,
                           const struct esk_egl_saved *saved);

/* The provider's functions of prepared plans and leases. */
esk_status esk_gl_prepare(struct esk_device *device, const struct esk_plan *plan,
                          struct esk_prepared **prepared, esk_error *error);
void esk_gl_unprepare(struct esk_prepared *prepared);
void esk_gl_settle(struct esk_prepared *prepared);
esk_status esk_gl_lease(struct esk_prepared *prepared, struct esk_lease **lease,
                        esk_error *error);
void esk_gl_release(struct esk_lease *lease);
esk_status esk_gl_bind(struct esk_lease *lease, const struct esk_device_binding *bindings,
                       uint32_t count, esk_error *error);
esk_status esk_gl_run_stage(struct esk_lease *lease, uint32_t stage,
                            const struct esk_tensor *host,
                            const struct esk_run_call *call, esk_error *error);
void esk_gl_watch(struct esk_lease *lease, struct esk_times *times);
void esk_gl_dump(struct esk_prepared *prepared, struct esk_text *text);
esk_status esk_gl_source(struct esk_prepared *prepared, uint32_t command,
                         struct esk_text *text, esk_error *error);

#endif
