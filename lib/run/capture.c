/* Capture and replay. A captured graph keeps its plan, its lease and what it was captured
 * with: shapes, which values lie on the device, which outputs are wanted. A replay checks
 * that all of it still holds, fills the slot table and runs the stages: no plan is looked
 * up, nothing is allocated. Must not know operators by name, GL or EGL. */
#include "run/capture.h"

#include "base/mem.h"

#include <string.h>

/* One input or output as it was captured. */
struct face {
    bool given;
    uint64_t serial; /* of the value on the device; 0: on the host */
    struct esk_tensor shape;
};

struct esk_captured {
    struct esk_captured *next;
    int id;
    bool lost;                   /* with its device: no entry, no state */
    struct esk_entry *entry;     /* a reference: it stays in the cache */
    struct esk_run_state *state; /* with its lease */
    struct face *inputs, *outputs;
};

/* ---- may it be captured? ---- */

static void add(struct esk_text *why, uint32_t *n, const char *format, const char *a,
                const char *b, const char *c) {
    esk_text_add(why, (*n)++ ? "; " : "");
    esk_text_add(why, format, a, b, c);
}

static void check_plan(const struct esk_plan *plan, struct esk_text *why, uint32_t *n) {
    const struct esk_graph *graph = plan->graph;
    /* nodes before the first stage are computed anew by each replay */
    for (uint32_t s = 0; s < plan->n_stages; s++)
        for (uint32_t i = 0; i < plan->stages[s].n_host_nodes; i++) {
            const struct esk_node *node = graph->nodes[plan->stages[s].host_nodes[i]];
            add(why, n, "%s '%s' runs on the CPU: %s", node->op_type, node->name,
                node->reason ? node->reason : "");
        }
    for (uint32_t i = 0; i < plan->cut.n_between; i++) {
        const struct esk_node *node = graph->nodes[plan->cut.between[i]];
        add(why, n, "%s '%s': %s", node->op_type, node->name,
            node->op->control ? "control flow"
                              : "the sizes of its outputs depend on data");
    }
    if (plan->cut.rest && !plan->cut.n_between)
        add(why, n, "%s%s%s",
            plan->cut.why ? plan->cut.why : "a value of the run is needed", "", "");
}

static void check_graph(const struct esk_graph *graph, struct esk_text *why,
                        uint32_t *n) {
    for (uint32_t i = 0; i < graph->n_order; i++) {
        const struct esk_node *node = graph->nodes[graph->order[i]];
        if (!node->dead && node->op && node->op->control)
            add(why, n, "%s '%s': %s", node->op_type, node->name, "control flow");
        else if (!node->dead && node->op && node->op->flags & ESK_OP_DATA_SIZED)
            add(why, n, "%s '%s': %s", node->op_type, node->name,
                "the sizes of its outputs depend on data");
    }
}

static esk_status refuse(struct esk_text *why, uint32_t n, esk_error *error) {
    esk_status status = ESK_OK;
    if (n)
        status =
            esk_fail(error, ESK_UNSUPPORTED,
                     "This session cannot use the graph capture feature as requested "
                     "by the user: %s",
                     esk_text_str(why));
    esk_text_finish(why);
    return status;
}

esk_status esk_capture_check(esk_session *session, esk_error *error) {
    struct esk_text why = {0};
    uint32_t n = 0;
    struct esk_exec *exec = session->exec;
    if (!session->device)
        add(&why, &n, "%s%s%s", "the session has no device", "", "");
    pthread_mutex_lock(&exec->lock);
    if (exec->newest)
        check_plan(exec->newest->plan, &why, &n);
    else
        check_graph(exec->graph, &why, &n);
    pthread_mutex_unlock(&exec->lock);
    return refuse(&why, n, error);
}

/* ---- captured graphs; under the session's capture lock ---- */

static void let_go(esk_session *session, struct esk_captured *c) {
    if (c->state)
        esk_state_give(session->exec, c->entry, c->state);
    if (c->entry)
        esk_exec_release(session->exec, c->entry);
    c->state = NULL;
    c->entry = NULL;
}

static void drop(esk_session *session, struct esk_captured *c) {
    let_go(session, c);
    esk_free(c->inputs);
    esk_free(c->outputs);
    esk_free(c);
}

static struct esk_captured **find(esk_session *session, int id) {
    struct esk_captured **at = &session->captured;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

void esk_capture_finish(esk_session *session) {
    while (session->captured) {
        struct esk_captured *c = session->captured;
        session->captured = c->next;
        drop(session, c);
    }
}

void esk_capture_lose(esk_session *session) {
    pthread_mutex_lock(&session->capture_lock);
    for (struct esk_captured *c = session->captured; c; c = c->next) {
        let_go(session, c);
        c->lost = true;
    }
    pthread_mutex_unlock(&session->capture_lock);
}

esk_status esk_session_release_graph(esk_session *session, int gpu_graph_id,
                                     esk_error *error) {
    esk_status status = ESK_OK;
    pthread_mutex_lock(&session->capture_lock);
    struct esk_captured **at = find(session, gpu_graph_id), *c = *at;
    if (c) {
        *at = c->next;
        drop(session, c);
    } else
        status = esk_fail(error, ESK_NOT_FOUND, "no graph %d was captured", gpu_graph_id);
    pthread_mutex_unlock(&session->capture_lock);
    return status;
}

/* ---- faces ---- */

static struct face input_face(const struct esk_bind_input *input) {
    struct face face = {.given = input->tensor.rank >= 0, .shape = input->tensor};
    if (esk_input_tensor(input))
        face.serial = ((const esk_value *)input->user)->on->serial;
    return face;
}

static struct face output_face(const struct esk_result *result) {
    struct face face = {.given = result->wanted};
    if (result->value && result->value->on && !result->made)
        face.serial = result->value->on->serial;
    return face;
}

static const char *where(const struct face *face) {
    return !face->given   ? "not there"
           : face->serial ? "a value on the device"
                          : "on the host";
}

static esk_status changed(int id, const char *kind, const char *name,
                          const struct face *then, const struct face *now,
                          esk_error *error) {
    struct esk_text text = {0};
    if (then->given && now->given && then->serial && now->serial &&
        then->serial != now->serial)
        esk_text_add(&text, "another value on the device");
    else
        esk_text_add(&text, "%s, it is %s", where(then), where(now));
    if (then->given && now->given && then->shape.dtype) {
        esk_text_add(&text, " (");
        esk_shape_print(&text, then->shape.dtype, then->shape.rank, then->shape.dim);
        esk_text_add(&text, ", now ");
        esk_shape_print(&text, now->shape.dtype, now->shape.rank, now->shape.dim);
        esk_text_add(&text, ")");
    }
    esk_fail(
        error, ESK_INVALID_ARGUMENT,
        "graph %d was captured with another %s '%s': %s; release the graph or run with "
        "another gpu_graph_id",
        id, kind, name, esk_text_str(&text));
    esk_text_finish(&text);
    return ESK_INVALID_ARGUMENT;
}

static bool same_shape(const struct esk_tensor *a, const struct esk_tensor *b) {
    return a->dtype == b->dtype && esk_shape_equal(a->rank, a->dim, b->rank, b->dim);
}

/* Shapes, bindings, which outputs, and the bytes that planning read. */
static esk_status check_faces(const struct esk_request *r, const struct esk_captured *c,
                              esk_error *error) {
    const struct esk_graph *graph = r->session->exec->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        struct face now = input_face(&r->in[i]);
        const struct face *then = &c->inputs[i];
        const char *name = graph->vars[graph->inputs[i]]->name;
        if (now.given != then->given || now.serial != then->serial ||
            (now.given && !same_shape(&now.shape, &then->shape)))
            return changed(c->id, "input", name, then, &now, error);
        if (!c->entry->plan->input_read[i] || !now.shape.bytes)
            continue;
        const void *data;
        ESK_TRY(esk_bind_input_bytes(&r->in[i], &data, error));
        if (!data || memcmp(data, c->entry->key[i].data, now.shape.bytes) != 0)
            return esk_fail(error, ESK_INVALID_ARGUMENT,
                            "graph %d was captured with other bytes of input '%s', which "
                            "shapes depend on; release the graph or run with another "
                            "gpu_graph_id",
                            c->id, name);
    }
    for (uint32_t i = 0; i < graph->n_outputs; i++) {
        struct face now = output_face(&r->results[i]);
        if (now.given != c->outputs[i].given ||
            (r->results[i].value && now.serial != c->outputs[i].serial))
            return changed(c->id, "output", graph->vars[graph->outputs[i]]->name,
                           &c->outputs[i], &now, error);
    }
    return ESK_OK;
}

/* ---- runs ---- */

static esk_status capture(struct esk_request *r, struct esk_captured **captured,
                          esk_error *error) {
    struct esk_exec *exec = r->session->exec;
    uint32_t n_in = exec->graph->n_inputs, n_out = exec->graph->n_outputs;
    struct esk_captured *c = esk_calloc(1, sizeof *c);
    if (!c)
        return esk_fail_memory(error, "a captured graph");
    c->id = r->call.graph_id;
    c->inputs = esk_calloc(n_in + 1u, sizeof *c->inputs);
    c->outputs = esk_calloc(n_out + 1u, sizeof *c->outputs);
    esk_status status =
        c->inputs && c->outputs ? ESK_OK : esk_fail_memory(error, "a captured graph");
    if (status == ESK_OK)
        status = esk_exec_entry(exec, r->in, false, &c->entry, error);
    struct esk_text why = {0};
    uint32_t n = 0;
    if (status == ESK_OK) {
        check_plan(c->entry->plan, &why, &n);
        status = refuse(&why, n, error);
    }
    if (status == ESK_OK)
        status = esk_state_take(exec, c->entry, &c->state, error);
    if (status != ESK_OK) {
        drop(r->session, c);
        return status;
    }
    for (uint32_t i = 0; i < n_in; i++)
        c->inputs[i] = input_face(&r->in[i]);
    *captured = c;
    return ESK_OK;
}

esk_status esk_capture_run(struct esk_request *r, esk_error *error) {
    esk_session *session = r->session;
    const struct esk_graph *graph = session->exec->graph;
    if (!session->device)
        return esk_capture_check(session, error);
    ESK_TRY(esk_run_stopped(&r->call, error));
    pthread_mutex_lock(&session->capture_lock);
    struct esk_captured **at = find(session, r->call.graph_id), *c = *at;
    bool fresh = !c;
    if (c && c->lost) {
        pthread_mutex_unlock(&session->capture_lock);
        return esk_fail(
            error, ESK_DEVICE_LOST,
            "graph %d was captured on a device that was lost; release the graph "
            "or run with another gpu_graph_id",
            r->call.graph_id);
    }
    /* values of an earlier run that are filled again have to be known for the check */
    for (uint32_t i = 0; c && i < graph->n_outputs; i++) {
        struct esk_result *result = &r->results[i];
        if (result->ask && !result->must_give) {
            const struct esk_plan *plan = c->entry->plan;
            result->value =
                result->ask(result->user, &c->state->host[plan->outputs[i].var]);
            result->ask = NULL;
        }
    }
    esk_status status = fresh ? capture(r, &c, error) : check_faces(r, c, error);
    if (status == ESK_OK) {
        status = esk_exec_run_entry(session->exec, c->entry, c->state, r->in, r->results,
                                    &r->call, error);
        for (uint32_t i = 0; status == ESK_OK && i < graph->n_outputs; i++) {
            const struct esk_result *result = &r->results[i];
            if (!fresh &&
                !result->made) /* where a made one lies, the next run may fill it */
                continue;
            c->outputs[i].given = result->wanted;
            c->outputs[i].serial =
                result->value && result->value->on ? result->value->on->serial : 0;
        }
        if (status == ESK_OK && fresh)
            *at = c;
        else if (status != ESK_OK) { /* nothing half done is replayed */
            *at = fresh ? NULL : c->next;
            drop(session, c);
        }
    }
    pthread_mutex_unlock(&session->capture_lock);
    return status;
}
