/* What is prepared, and what a run of it holds. Between the files of the provider that
 * know both: prepare.c and bind.c. */
#ifndef ESK_GLCOMPUTE_LEASE_H
#define ESK_GLCOMPUTE_LEASE_H

#include "glcompute/device.h"

struct esk_prepared {
    struct esk_gl_screen *screen;
    struct esk_gl_cost cost; /* by which the screen was chosen */
    const struct esk_plan *plan;
    struct esk_gl_record record;
    struct esk_gl_form **forms; /* one a form of the plan; NULL: not shared */
    struct esk_gl_buffer *constants;
    struct esk_gl_buffer *params; /* NULL where late words give each lease its own */
    struct esk_lease *idle;       /* under the screen's lock, as all of it */
    uint32_t n_idle;
    struct esk_gl_part *part; /* the lane's */
};

/* A device tensor that stands at a slot, or that is copied to or from one. */
struct esk_gl_bound {
    uint32_t slot;
    struct esk_gl_buffer *buffer; /* the tensor's */
    bool copy_in, copy_out;
    uint64_t offset, bytes; /* in the slot, of a copy */
};

struct esk_lease {
    struct esk_lease *next; /* while idle */
    struct esk_prepared *prepared;
    struct esk_gl_buffer **slots; /* what the run uses; activations, inputs and outputs
                                     only while it is held */
    struct esk_gl_buffer **own; /* of input and output slots, in their order; leased when
                                   a run finds no device tensor there */
    struct esk_gl_buffer *params; /* own; NULL: the prepared plan's */
    struct esk_times *times;      /* NULL: nobody watches */
    struct esk_gl_check *check;   /* owned; NULL unless validationMode is full */
    struct esk_gl_timer *timer;   /* NULL until a watched stage; from the cache */
    struct esk_gl_bound *bound;   /* room for all inputs and outputs */
    uint32_t n_bound;
    bool ready; /* every input and output slot has a buffer */
    bool dirty; /* a stage may still be running: nothing of it is used again */
};

/* bind.c. With the context current, under the screen's lock, but for bind itself. */

/* Buffers for input and output slots that have none. */
esk_status esk_gl_lease_ready(struct esk_lease *lease, esk_error *error);
/* Whether a device tensor stands at a slot. */
bool esk_gl_lease_bound(const struct esk_lease *lease, uint32_t slot);
/* Copies between slots and tensors, before the commands of the run and after them; true
 * if there was one. */
bool esk_gl_lease_copy(struct esk_lease *lease, bool out);
/* Input and output buffers of the lease's own go to the cache; no GL. */
void esk_gl_lease_give_own(struct esk_lease *lease);
/* The run is over; no GL. */
void esk_gl_lease_unbind(struct esk_lease *lease);

#endif
