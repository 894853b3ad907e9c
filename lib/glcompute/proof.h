/* What a driver does, as against what it says: whether dispatches run on the calling
 * thread, and whether they reach memory of another context. In: a GL table, its context
 * current; out: yes or no. Must not know screens. */
#ifndef ESK_GLCOMPUTE_PROOF_H
#define ESK_GLCOMPUTE_PROOF_H

#include "glcompute/buffer.h"

/* Through a pool each dispatch makes the caller wait, which the kernel counts. EGL cannot
 * tell, and somebody else may have initialised the display. */
bool esk_gl_computes_inline(struct esk_gl *gl);

enum { ESK_GL_PROOF_BYTES = 32 };

/* Whether a dispatch that writes to `pin` is over, and its words are in `memory`, which
 * is cleared first, when the call returns. */
bool esk_gl_writes_at_once(struct esk_gl *gl, const struct esk_gl_buffer *pin,
                           unsigned char *memory);

#endif
