/* Weights: forms of constants, packed once for each distinct form of a screen, in slabs.
 * In: forms of plans; out: ranges of buffers. Packing waits until all forms of a plan are
 * known: a software renderer's are then packed by several threads, straight from the
 * model's bytes into the buffers. Under the screen's lock with the context current. Must
 * not know commands, programs or plans. */
#ifndef ESK_GLCOMPUTE_WEIGHTS_H
#define ESK_GLCOMPUTE_WEIGHTS_H

#include "glcompute/buffer.h"

struct esk_gl_weight_slab;
struct esk_gl_pack; /* a form that is to be packed */

struct esk_gl_form {
    struct esk_gl_form *next; /* of its bucket */
    uint64_t hash;
    struct esk_text key; /* raw bytes */
    struct esk_gl_weight_slab *slab;
    struct esk_gl_buffer *buffer; /* of the slab: the form is a range of it */
    uint64_t offset, bytes;
    uint32_t refs;
};

/* Zeroed memory but for `memory` is empty. */
struct esk_gl_weights {
    struct esk_gl_memory *memory; /* borrowed */
    struct esk_gl_weight_slab *slabs;
    struct esk_gl_form *buckets[256];
    struct esk_gl_pack *packs; /* owned; until they are settled or forgotten */
    uint32_t n_packs;
    size_t cap_packs;
};

void esk_gl_weights_finish(struct esk_gl_weights *weights);

/* The form; if it is new, a place for it, and it is packed when weights are settled. One
 * reference more. `graph` has its sources; it, or the blobs behind them, must outlive the
 * reference. `expected`: bytes of this and the forms that are about to follow; a new slab
 * is made for them together. */
esk_status esk_gl_form_ref(struct esk_gl_weights *weights, const struct esk_graph *graph,
                           const struct esk_form *form, uint64_t expected,
                           struct esk_gl_form **result, esk_error *error);
void esk_gl_form_unref(struct esk_gl_weights *weights, struct esk_gl_form *form);

/* Bytes of `form` that are held already: all of it, or 0. */
uint64_t esk_gl_form_held(const struct esk_gl_weights *weights,
                          const struct esk_graph *graph, const struct esk_form *form);

/* A form that is not shared: packed into `buffer` at `offset` when weights are settled.
 */
esk_status esk_gl_form_upload(struct esk_gl_weights *weights,
                              const struct esk_graph *graph, const struct esk_form *form,
                              struct esk_gl_buffer *buffer, uint64_t offset,
                              esk_error *error);

/* After the forms of a plan: packs and uploads what is new, with up to `threads` threads.
 * On failure the caller gives its references back: what is new has no content. */
esk_status esk_gl_weights_settle(struct esk_gl_weights *weights, uint32_t threads,
                                 esk_error *error);
/* The same without packing: the plan has failed, and gives its references back. */
void esk_gl_weights_forget(struct esk_gl_weights *weights);

#endif
