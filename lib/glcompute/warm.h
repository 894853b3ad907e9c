/* Compiling, and the last step of a compiler that works when a program is first
 * dispatched (llvmpipe), taken before the first run and on several cores. In: a recorded
 * plan with programs, compiled or not; out: nothing but time saved: whatever fails here
 * is left to esk_gl_program_link and the first run. Must not know plans, slots or
 * operators. */
#ifndef ESK_GLCOMPUTE_WARM_H
#define ESK_GLCOMPUTE_WARM_H

#include "glcompute/command.h"
#include "glcompute/egl.h"

/* One per context. */
struct esk_gl_warm {
    struct esk_egl *egl;             /* borrowed; its display and context */
    const struct esk_logger *logger; /* borrowed */
    bool alone; /* helpers do not help: the driver keeps no cache, or not a usable one */
};

/* `egl` may be NULL: no helpers. */
void esk_gl_warm_init(struct esk_gl_warm *warm, struct esk_egl *egl, struct esk_gl *gl,
                      const struct esk_logger *logger);

/* Has the driver compile the record's programs, those that it does not have, and finish
 * them, those that it did not yet, by dispatches of no groups. Under the device's lock,
 * context current. Slow programs (a cold driver cache) are shared out among threads with
 * contexts of their own; what they compile reaches this context through the driver's own
 * disk cache. Returns whether any was slow. */
bool esk_gl_warm_up(struct esk_gl_warm *warm, struct esk_gl *gl,
                    const struct esk_gl_record *record);

#endif
