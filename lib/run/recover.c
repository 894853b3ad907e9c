/* Recovery after a lost device. In: a session whose device is lost; out: the same session
 * on the same device, opened anew. Must not know GL or EGL. */
#include "run/recover.h"

#include "base/mem.h"
#include "run/capture.h"

void esk_recover_lock(struct esk_session *session) {
    pthread_mutex_lock(&session->recovery);
}

void esk_recover_unlock(struct esk_session *session) {
    pthread_mutex_unlock(&session->recovery);
}

static bool lost(const struct esk_session *session) {
    return session->shared.provider->lost(session->shared.device);
}

/* Under the lock, with no run in flight. On failure the session stands as before. */
static esk_status reopen(struct esk_session *session, esk_error *error) {
    struct esk_exec_shared *shared = &session->shared;
    struct esk_open_device *fresh = NULL;
    struct esk_run_tuning *tuning = NULL;
    esk_status status =
        esk_env_device(session->env, shared->provider, &session->settings, &fresh, error);
    if (status == ESK_OK)
        status = esk_run_tuning_create(&session->settings, shared->provider,
                                       fresh->device, &session->logger, &tuning, error);
    if (status != ESK_OK) {
        esk_env_release(session->env, fresh);
        return esk_error_prefix(error, "the device was lost and cannot be opened anew");
    }
    esk_capture_lose(session);
    esk_exec_forget(session->exec);
    esk_run_tuning_destroy(shared->tuning);
    esk_env_release(session->env, session->device);
    session->device = shared->open = fresh;
    shared->device = fresh->device;
    shared->tuning = tuning;
    shared->limits = esk_settings_limits(&session->settings,
                                         &shared->provider->facts(fresh->device)->limits);
    shared->options.tuner = tuning ? &tuning->tuner : NULL;
    esk_log(&session->logger, ESK_LOG_WARNING,
            "the device was lost; it is open again, plans and weights are made anew");
    return ESK_OK;
}

static esk_status check_value(const struct esk_session *session, const esk_value *value,
                              const char *kind, const char *name, esk_error *error) {
    if (!value || !value->on || value->on->device == session->shared.device ||
        !session->shared.provider->lost(value->on->device))
        return ESK_OK;
    return esk_fail(error, ESK_DEVICE_LOST,
                    "%s '%s': its value lay on a device that was lost; make another",
                    kind, name);
}

static esk_status check_values(const struct esk_request *r, esk_error *error) {
    const struct esk_session *session = r->session;
    const struct esk_graph *graph = session->exec->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++)
        if (esk_input_tensor(&r->in[i]))
            ESK_TRY(check_value(session, r->in[i].user, "input",
                                graph->vars[graph->inputs[i]]->name, error));
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        ESK_TRY(check_value(session, r->results[i].value, "output",
                            graph->vars[graph->outputs[i]]->name, error));
    return ESK_OK;
}

esk_status esk_recover_enter(struct esk_request *request, esk_error *error) {
    struct esk_session *session = request->session;
    esk_status status = ESK_OK;
    pthread_mutex_lock(&session->recovery);
    while (session->in_flight && lost(session)) /* these end soon: their device is gone */
        pthread_cond_wait(&session->landed, &session->recovery);
    if (lost(session))
        status = reopen(session, error);
    if (status == ESK_OK)
        status = check_values(request, error);
    session->in_flight += status == ESK_OK;
    pthread_mutex_unlock(&session->recovery);
    return status;
}

void esk_recover_leave(struct esk_session *session) {
    pthread_mutex_lock(&session->recovery);
    session->in_flight--;
    pthread_cond_broadcast(&session->landed);
    pthread_mutex_unlock(&session->recovery);
}
