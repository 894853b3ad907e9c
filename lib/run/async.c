/* Runs by the queue: handles to wait for, callbacks. In: requests; out: the same results
 * as runs at once. Must not know plans, GL or EGL. */
#include "run/async.h"

#include "base/mem.h"
#include "esker/binding.h"
#include "run/request.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* ---- the handle ---- */

struct esk_async {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended;
    uint32_t refs;
    bool done;
    esk_status status;
    esk_error report;
};

esk_status esk_async_create(struct esk_async **async, esk_error *error) {
    struct esk_async *made = esk_calloc(1, sizeof *made);
    pthread_condattr_t attributes;
    if (!made)
        return esk_fail_memory(error, "a handle");
    bool good = !pthread_condattr_init(&attributes);
    if (good) {
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        good = !pthread_mutex_init(&made->lock, NULL);
        if (good && pthread_cond_init(&made->ended, &attributes)) {
            pthread_mutex_destroy(&made->lock);
            good = false;
        }
        pthread_condattr_destroy(&attributes);
    }
    if (!good) {
        esk_free(made);
        return esk_fail(error, ESK_INTERNAL, "a handle's lock cannot be made");
    }
    made->refs = 1;
    *async = made;
    return ESK_OK;
}

void esk_async_destroy(esk_async *async) {
    if (!async)
        return;
    pthread_mutex_lock(&async->lock);
    uint32_t left = --async->refs;
    pthread_mutex_unlock(&async->lock);
    if (left)
        return;
    pthread_cond_destroy(&async->ended);
    pthread_mutex_destroy(&async->lock);
    esk_error_clear(&async->report);
    esk_free(async);
}

static void share(struct esk_async *async) {
    pthread_mutex_lock(&async->lock);
    async->refs++;
    pthread_mutex_unlock(&async->lock);
}

void esk_async_end(struct esk_async *async, esk_status status, esk_error *report) {
    pthread_mutex_lock(&async->lock);
    async->status = status;
    async->done = true;
    if (report)
        esk_error_move(&async->report, report);
    pthread_cond_broadcast(&async->ended);
    pthread_mutex_unlock(&async->lock);
    esk_async_destroy(async);
}

esk_status esk_async_wait(esk_async *async, int64_t timeout_ms, esk_error *error) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms > 0) {
        until.tv_sec += (time_t)(timeout_ms / 1000);
        until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
    }
    pthread_mutex_lock(&async->lock);
    int waited = 0;
    while (!async->done && waited != ETIMEDOUT)
        waited = timeout_ms < 0
                     ? pthread_cond_wait(&async->ended, &async->lock)
                     : pthread_cond_timedwait(&async->ended, &async->lock, &until);
    esk_status status = async->done
                            ? async->status
                            : esk_fail(error, ESK_TIMEOUT, "not ended within %lld ms",
                                       (long long)timeout_ms);
    if (async->done && status != ESK_OK)
        esk_fail(error, status, "%s", esk_error_message(&async->report));
    pthread_mutex_unlock(&async->lock);
    return status;
}

/* ---- runs ---- */

struct run_job {
    struct esk_job job;
    struct esk_request request;
    struct esk_async *async;
    esk_run_fn fn;
    void *user;
};

static void free_job(struct run_job *run) {
    esk_request_finish(&run->request);
    esk_free(run);
}

static void work(struct esk_job *job, bool drop) {
    struct run_job *run = (struct run_job *)job;
    const char *tag = run->request.call.tag;
    esk_error report = ESK_ERROR_INIT;
    esk_status status =
        drop ? esk_fail(&report, ESK_CANCELLED,
                        "%s%s%sthe session was destroyed before the run",
                        tag ? "run '" : "", tag ? tag : "", tag ? "': " : "")
             : esk_request_run(&run->request, &report);
    if (run->fn)
        run->fn(run->user, status, &report, run->request.outputs, run->request.n_outputs);
    esk_async_end(run->async, status, &report);
    esk_error_clear(&report);
    free_job(run);
}

static esk_status session_queue(esk_session *session, struct esk_queue **queue,
                                esk_error *error) {
    esk_status status = ESK_OK;
    pthread_mutex_lock(&session->lock);
    if (!session->queue)
        status = esk_queue_create(&session->queue, error);
    *queue = session->queue;
    pthread_mutex_unlock(&session->lock);
    return status;
}

/* `handle` is the job's; the caller gets a reference to it too, if it wants one. */
static esk_status push(struct esk_queue *queue, struct esk_job *job,
                       struct esk_async *handle, esk_async **async, esk_error *error) {
    if (async)
        share(handle);
    esk_status status = esk_queue_push(queue, job, error);
    if (status == ESK_OK) {
        if (async)
            *async = handle;
        return ESK_OK;
    }
    if (async)
        esk_async_destroy(handle);
    esk_async_destroy(handle);
    return status;
}

esk_status esk_session_run_async(esk_session *session, const esk_run_options *options,
                                 const char *const *input_names, esk_value *const *inputs,
                                 size_t n_inputs, const char *const *output_names,
                                 esk_value **outputs, size_t n_outputs, esk_run_fn fn,
                                 void *user, esk_async **async, esk_error *error) {
    if (!session)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_run_async: session is NULL");
    struct esk_queue *queue;
    ESK_TRY(session_queue(session, &queue, error));
    struct run_job *run = esk_calloc(1, sizeof *run);
    if (!run)
        return esk_fail_memory(error, "a run");
    run->job.work = work;
    run->fn = fn;
    run->user = user;
    esk_status status = esk_request_init(&run->request, session, options, error);
    if (status == ESK_OK)
        status = esk_request_take(&run->request, input_names, inputs, n_inputs,
                                  output_names, outputs, n_outputs, error);
    if (status == ESK_OK)
        status = esk_async_create(&run->async, error);
    if (status == ESK_OK)
        status = push(queue, &run->job, run->async, async, error);
    if (status != ESK_OK && run->request.call.tag)
        esk_error_prefix(error, "run '%s'", run->request.call.tag);
    if (status != ESK_OK)
        free_job(run);
    return status;
}

/* ---- copies ---- */

struct copy_job {
    struct esk_job job;
    const esk_value *from;
    esk_value *to;
    struct esk_async *async;
    esk_run_fn fn;
    void *user;
};

static void work_copy(struct esk_job *job, bool drop) {
    struct copy_job *copy = (struct copy_job *)job;
    esk_error report = ESK_ERROR_INIT;
    esk_status status = drop ? esk_fail(&report, ESK_CANCELLED,
                                        "the session was destroyed before the copy")
                             : esk_value_copy(copy->from, copy->to, &report);
    if (copy->fn)
        copy->fn(copy->user, status, &report, &copy->to, 1);
    esk_async_end(copy->async, status, &report);
    esk_error_clear(&report);
    esk_free(copy);
}

esk_status esk_value_copy_async(esk_session *session, const esk_value *from,
                                esk_value *to, esk_run_fn fn, void *user,
                                esk_async **async, esk_error *error) {
    if (!session || !from || !to)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_value_copy_async: session or a value is NULL");
    ESK_TRY(esk_value_check_copy(from, to, error));
    struct esk_queue *queue;
    ESK_TRY(session_queue(session, &queue, error));
    struct copy_job *copy = esk_calloc(1, sizeof *copy);
    if (!copy)
        return esk_fail_memory(error, "a copy");
    *copy = (struct copy_job){
        .job.work = work_copy, .from = from, .to = to, .fn = fn, .user = user};
    esk_status status = esk_async_create(&copy->async, error);
    if (status == ESK_OK)
        status = push(queue, &copy->job, copy->async, async, error);
    if (status != ESK_OK)
        esk_free(copy);
    return status;
}
