/* Values on devices, and bindings of a session's inputs and outputs. The counterpart of
 * ONNX Runtime's IoBinding. */
#ifndef ESKER_BINDING_H
#define ESKER_BINDING_H

#include "esker/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Values on a device. They keep it open and must be gone before their env. A run
 * takes them as inputs and outputs like any value; sessions on the same device (same env,
 * same deviceId) use them without a copy, others by one through the host. ---- */

/* A tensor of zeros in the memory of the session's device, which is taken when the first
 * run or copy needs it. A session without a device gives one in host memory. Errors:
 * INVALID_ARGUMENT (as esk_value_create), UNSUPPORTED (a type that devices do not store,
 * or larger than one binding), OUT_OF_MEMORY, DEVICE_LOST. */
ESK_API esk_status esk_value_create_on_device(esk_session *session, esk_dtype dtype,
                                              int rank, const int64_t *dims,
                                              esk_value **value, esk_error *error);

/* A tensor over the caller's GL buffer, for a session whose options eglDisplay and
 * eglContext name a context of the buffer's share group. `size`: bytes of the buffer that
 * are its own, at least the tensor's elements as 32-bit words (16-bit pairs for float16
 * whose last dimension is even, 64-bit for int64), rounded up to a multiple of 16. What
 * the caller wrote must be finished or flushed (glFinish, a fence) before a run; after a
 * run or a copy the content is complete. The buffer is not deleted; `release` (may be
 * NULL) is called once when the value lets it go. Errors: INVALID_ARGUMENT, UNSUPPORTED.
 */
ESK_API esk_status esk_value_from_gl_buffer(esk_session *session, esk_dtype dtype,
                                            int rank, const int64_t *dims,
                                            unsigned gl_buffer, size_t size,
                                            esk_release_fn release, void *user,
                                            esk_value **value, esk_error *error);

/* Copies the content between two values of one type and shape, wherever they lie; within
 * a device not through the host. Errors: INVALID_ARGUMENT, DEVICE_LOST, TIMEOUT. */
ESK_API esk_status esk_value_copy(const esk_value *from, esk_value *to, esk_error *error);

/* The same in the session's queue, after the runs that stand there: both values are the
 * library's until it has ended. Types and shapes are checked at once. fn (may be NULL)
 * gets `to` as its one output; async as in esk_session_run_async. Errors: as
 * esk_value_copy, at once or by the handle; CANCELLED when the session is destroyed
 * before its turn. */
ESK_API esk_status esk_value_copy_async(esk_session *session, const esk_value *from,
                                        esk_value *to, esk_run_fn fn, void *user,
                                        esk_async **async, esk_error *error);

/* ---- Bindings. One thread at a time; the session must outlive them. ---- */
typedef struct esk_binding esk_binding;

/* Nothing is bound yet. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. */
ESK_API esk_status esk_binding_create(esk_session *session, esk_binding **binding,
                                      esk_error *error);
ESK_API void esk_binding_destroy(esk_binding *binding); /* NULL is allowed */

/* Binds an input to a value on the host or a device, which stays the caller's and must
 * live until it is bound anew or cleared. Binding another value, of another shape too,
 * records nothing anew. Errors: INVALID_ARGUMENT (name, type, declared shape). */
ESK_API esk_status esk_binding_input(esk_binding *binding, const char *name,
                                     esk_value *value, esk_error *error);
/* Binds an output to a value of its shape, which each run fills and which stays the
 * caller's. It may be an input's value too: then it is written at the end of the run.
 * Errors: INVALID_ARGUMENT (name); a wrong type or shape is one of the run. */
ESK_API esk_status esk_binding_output(esk_binding *binding, const char *name,
                                      esk_value *value, esk_error *error);
/* The runs make the value of an output, on the host or the device: its shape need not be
 * known. It is the binding's, and the next run of the same shape fills it again. */
ESK_API esk_status esk_binding_output_at(esk_binding *binding, const char *name,
                                         esk_location location, esk_error *error);
/* Called in a run once the shape of an output is known; gives the value, of that type and
 * shape, that the run shall fill, or NULL to end the run with CANCELLED. The value stays
 * the caller's. It must not run or destroy anything. */
typedef esk_value *(*esk_output_fn)(void *user, const char *name, esk_dtype dtype,
                                    int rank, const int64_t *dims);
ESK_API esk_status esk_binding_output_fn(esk_binding *binding, const char *name,
                                         esk_output_fn fn, void *user, esk_error *error);
ESK_API void esk_binding_clear_inputs(esk_binding *binding);
/* The outputs that are not bound are not computed for the caller. */
ESK_API void esk_binding_clear_outputs(esk_binding *binding);

/* Runs the session with what is bound. With no output bound, all are made on the host. On
 * failure values that runs made before are kept. Errors: as esk_session_run. */
ESK_API esk_status esk_session_run_binding(esk_session *session,
                                           const esk_run_options *options,
                                           esk_binding *binding, esk_error *error);

/* After a run: the value of an output, the binding's or the caller's own; NULL when the
 * output is not bound or no run has made it. */
ESK_API esk_value *esk_binding_value(const esk_binding *binding, const char *name);
/* The same, and it is the caller's from now on: the next run makes another. So a model's
 * outputs become the inputs of its next run without a copy. NULL for a value that was the
 * caller's anyway. */
ESK_API esk_value *esk_binding_take(esk_binding *binding, const char *name);

#ifdef __cplusplus
}
#endif
#endif
