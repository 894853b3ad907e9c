/* One run as a caller asked for it, checked: on the stack for a run at once, on the heap
 * for one that waits in a queue. */
#ifndef ESK_RUN_REQUEST_H
#define ESK_RUN_REQUEST_H

#include "esker/run.h"
#include "run/session.h"

enum { ESK_REQUEST_FEW = 16 }; /* inputs and outputs that need no heap */

struct esk_request {
    esk_session *session;
    struct esk_run_call call;
    struct esk_bind_input *in;  /* one an input of the graph */
    struct esk_result *results; /* one an output of the graph */
    uint32_t *indexes;          /* of the outputs that were asked for */
    esk_value **outputs;        /* the caller's, written on success */
    size_t n_outputs;
    struct esk_bind_input few_in[ESK_REQUEST_FEW];
    struct esk_result few_results[ESK_REQUEST_FEW];
    uint32_t few_indexes[ESK_REQUEST_FEW];
};

/* init, then take, then run; finish after init, whatever it gave. */
esk_status esk_request_init(struct esk_request *request, esk_session *session,
                            const esk_run_options *options, esk_error *error);
void esk_request_finish(struct esk_request *request);
/* Names and values, as esk_session_run has them. */
esk_status esk_request_take(struct esk_request *request, const char *const *input_names,
                            esk_value *const *inputs, size_t n_inputs,
                            const char *const *output_names, esk_value **outputs,
                            size_t n_outputs, esk_error *error);
esk_status esk_request_run(struct esk_request *request, esk_error *error);

/* Of names and values, with what the model declares in the error. */
esk_status esk_request_find_input(const esk_session *session, const char *name,
                                  uint32_t *index, esk_error *error);
esk_status esk_request_find_output(const esk_session *session, const char *name,
                                   uint32_t *index, esk_error *error);
esk_status esk_request_check_input(const esk_session *session, uint32_t index,
                                   const struct esk_tensor *tensor, esk_error *error);
/* Input `index` of the request is this value. */
esk_status esk_request_input(struct esk_request *request, uint32_t index,
                             esk_value *value, esk_error *error);
/* After all inputs: none is missing, one free dimension has one size. */
esk_status esk_request_check_inputs(const struct esk_request *request, esk_error *error);

/* validate.c: VALIDATION for an output that is not as the model declares it. */
esk_status esk_validate_output(const esk_value_info *declared,
                               const struct esk_tensor *tensor, esk_error *error);

#endif
