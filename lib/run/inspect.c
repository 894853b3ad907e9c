/* Looking inside a session: placement, counts, dumps of the newest plan. In: a session;
 * out: copies that outlive the plan. */
#include "run/session.h"

#include "run/recover.h"

#include "base/mem.h"

#include <string.h>

struct esk_placement {
    struct esk_arena arena;
    esk_node_placement *nodes;
    size_t count;
};

/* The newest entry with a reference, or NOT_FOUND. */
static esk_status newest(esk_session *session, struct esk_entry **entry,
                         esk_error *error) {
    struct esk_exec *exec = session->exec;
    pthread_mutex_lock(&exec->lock);
    *entry = exec->newest;
    if (*entry)
        (*entry)->refs++;
    pthread_mutex_unlock(&exec->lock);
    if (!*entry)
        return esk_fail(error, ESK_NOT_FOUND,
                        "nothing was planned yet: the model has free dimensions");
    return ESK_OK;
}

/* The node that stands for it, itself if nobody took its place. */
static const struct esk_node *heir_of(const struct esk_graph *graph,
                                      const struct esk_node *node) {
    while (node->home == ESK_HOME_HEIR)
        node = graph->nodes[node->heir];
    return node;
}

/* The model's nodes that the plan knows about, not those of the plans before a cut; with
 * `later` those behind it too. What a pattern made of a node has the node's name, or is
 * asked about besides. */
static bool is_listed(const struct esk_graph *graph, const struct esk_node *node,
                      bool later) {
    const struct esk_node *heir = heir_of(graph, node);
    if (heir != node && strcmp(heir->name, node->name) == 0)
        return false;
    switch (heir->home) {
    case ESK_HOME_LATER:
        return later;
    case ESK_HOME_EARLIER:
    case ESK_HOME_UNDONE:
        return false;
    default:
        return heir->home != ESK_HOME_NONE || !heir->dead;
    }
}

static size_t count_nodes(const struct esk_graph *graph, bool heirs_alone, bool later) {
    size_t count = 0;
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        count += is_listed(graph, graph->nodes[i], later) &&
                 !(heirs_alone && graph->nodes[i]->home == ESK_HOME_HEIR);
    return count;
}

/* `later`: nobody planned yet what is behind the plan's cut. */
static bool add_nodes(struct esk_placement *placement, const struct esk_plan *plan,
                      bool later) {
    static const char *const homes[] = {[ESK_HOME_NONE] = "none",
                                        [ESK_HOME_DEVICE] = "GLCompute",
                                        [ESK_HOME_HOST] = "CPU",
                                        [ESK_HOME_KNOWN] = "known",
                                        [ESK_HOME_LATER] = "later"};
    const struct esk_graph *graph = plan->graph;
    size_t most = placement->count + count_nodes(graph, false, later);
    esk_node_placement *list =
        ESK_ARENA_ARRAY(&placement->arena, esk_node_placement, most);
    if (!list)
        return false;
    if (placement->count)
        memcpy(list, placement->nodes, placement->count * sizeof *list);
    size_t n = placement->count;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const struct esk_node *node = graph->nodes[i], *heir = heir_of(graph, node);
        if (!is_listed(graph, node, later))
            continue;
        esk_node_placement *p = &list[n++];
        struct esk_arena *arena = &placement->arena;
        const char *recipe =
            heir->home == ESK_HOME_DEVICE && heir->label ? heir->label : "";
        p->name = esk_arena_strdup(arena, node->name);
        p->op_type = esk_arena_strdup(arena, node->op_type);
        p->domain = esk_arena_strdup(arena, node->domain);
        p->home = homes[heir->home];
        p->recipe = heir != node && *recipe
                        ? esk_arena_printf(arena, "in '%s'", heir->name)
                        : esk_arena_strdup(arena, recipe);
        p->reason = esk_arena_strdup(arena, heir->reason ? heir->reason : "");
        p->fallback = heir->fallback;
        p->layout = heir->home != ESK_HOME_DEVICE   ? ""
                    : heir->layout == ESK_LAYOUT_C4 ? "NHWC"
                                                    : "NCHW";
        if (!p->name || !p->op_type || !p->domain || !p->recipe || !p->reason)
            return false;
    }
    placement->nodes = list;
    placement->count = n;
    return true;
}

/* A plan, and what comes after its cut, as far as it was planned. The entry is held: by a
 * reference, or the lock of its plans. */
static bool add_plans(struct esk_placement *placement, const struct esk_entry *entry) {
    struct esk_exec *rest = entry->rest;
    if (!rest)
        return add_nodes(placement, entry->plan, false);
    pthread_mutex_lock(&rest->lock);
    bool good = add_nodes(placement, entry->plan, !rest->newest) &&
                (!rest->newest || add_plans(placement, rest->newest));
    pthread_mutex_unlock(&rest->lock);
    return good;
}

esk_status esk_session_placement(esk_session *session, esk_placement **placement,
                                 esk_error *error) {
    struct esk_entry *entry;
    ESK_TRY(newest(session, &entry, error));
    struct esk_placement *made = esk_calloc(1, sizeof *made);
    bool good = made && add_plans(made, entry);
    esk_exec_release(session->exec, entry);
    if (!good) {
        esk_placement_destroy(made);
        return esk_fail_memory(error, "a placement");
    }
    *placement = made;
    return ESK_OK;
}

size_t esk_placement_count(const esk_placement *placement) {
    return placement->count;
}

const esk_node_placement *esk_placement_get(const esk_placement *placement,
                                            size_t index) {
    return index < placement->count ? &placement->nodes[index] : NULL;
}

void esk_placement_destroy(esk_placement *placement) {
    if (!placement)
        return;
    esk_arena_finish(&placement->arena);
    esk_free(placement);
}

static void add_plan(esk_session_stats *stats, const struct esk_plan *plan) {
    stats->nodes += (uint32_t)count_nodes(plan->graph, true, false);
    stats->device_nodes += plan->n_device_nodes;
    stats->host_nodes += plan->n_host_nodes + plan->cut.n_between;
    stats->fallbacks += plan->n_fallbacks;
    stats->stages += plan->n_stages;
    stats->commands += plan->n_commands;
    stats->barriers += plan->n_barriers;
    stats->relayouts += plan->n_relayouts;
    if (plan->peak > stats->activation_peak)
        stats->activation_peak = plan->peak;
    if (plan->lower_bound > stats->activation_lower_bound)
        stats->activation_lower_bound = plan->lower_bound;
}

esk_status esk_session_get_stats(esk_session *session, esk_session_stats *stats,
                                 esk_error *error) {
    if (stats->struct_size != sizeof *stats)
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "esk_session_stats.struct_size is %zu, this library knows %zu",
                        stats->struct_size, sizeof *stats);
    *stats = (esk_session_stats){.struct_size = sizeof *stats};
    struct esk_exec *exec = session->exec;
    if (session->shared.provider) {
        struct esk_counters counters = {0};
        esk_recover_lock(session);
        session->shared.provider->counters(session->shared.device, &counters);
        esk_recover_unlock(session);
        stats->programs = counters.programs;
        stats->dispatches = counters.dispatches;
        stats->inline_dispatches = counters.inline_dispatches;
        stats->commands_recorded = counters.recorded;
        stats->uploads = counters.uploads;
        stats->readbacks = counters.readbacks;
        stats->upload_bytes = counters.upload_bytes;
        stats->readback_bytes = counters.readback_bytes;
        stats->buffers_created = counters.buffers_created;
        stats->buffers_destroyed = counters.buffers_destroyed;
        stats->cached_buffers = counters.cached_buffers;
        stats->cached_bytes = counters.cached_bytes;
        stats->cache_hits = counters.cache_hits;
        stats->device_bytes = counters.buffer_bytes;
        stats->device_peak_bytes = counters.buffer_peak;
        stats->weight_bytes = counters.form_bytes;
    }
    while (exec) {
        pthread_mutex_lock(&exec->lock);
        const struct esk_entry *entry = exec->newest;
        stats->plans += exec->n_entries;
        stats->binds += exec->binds;
        if (entry)
            add_plan(stats, entry->plan);
        struct esk_exec *rest = entry ? entry->rest : NULL;
        pthread_mutex_unlock(&exec->lock);
        exec = rest;
    }
    stats->known_nodes = stats->nodes - stats->device_nodes - stats->host_nodes;
    return ESK_OK;
}

static esk_status dump(esk_session *session, const struct esk_entry *entry,
                       const char *what, struct esk_text *text, esk_error *error) {
    const struct esk_provider *provider = session->shared.provider;
    long long index;
    if (strcmp(what, "graph") == 0)
        esk_graph_print(entry->plan->graph, text);
    else if (strcmp(what, "plan") == 0)
        esk_plan_print(entry->plan, text);
    else if (strcmp(what, "kernels") == 0)
        for (uint32_t i = 0; i < entry->plan->n_commands; i++)
            esk_kernel_print(entry->plan->commands[i].kernel, text);
    else if (strcmp(what, "limits") == 0 && provider)
        esk_limits_text(&session->shared.provider->facts(session->shared.device)->limits,
                        text);
    else if (strcmp(what, "tuning") == 0 && session->shared.tuning)
        esk_tuning_write(&session->shared.tuning->tuning, session->shared.tuning->driver,
                         NULL, text);
    else if (strcmp(what, "commands") == 0 && entry->prepared)
        provider->dump(entry->prepared, text);
    else if (strncmp(what, "source:", 7) == 0 && entry->prepared &&
             esk_text_to_int(what + 7, &index) && index >= 0 &&
             index < entry->plan->n_commands)
        return provider->source(entry->prepared, (uint32_t)index, text, error);
    else
        return esk_fail(error, ESK_INVALID_ARGUMENT,
                        "no dump '%s'; there are graph, plan, kernels, limits, tuning, "
                        "commands and source:0 to source:%d",
                        what, (int)entry->plan->n_commands - 1);
    return ESK_OK;
}

esk_status esk_session_dump(esk_session *session, const char *what, char **text,
                            esk_error *error) {
    struct esk_entry *entry;
    ESK_TRY(newest(session, &entry, error));
    struct esk_text made = {0};
    esk_status status = dump(session, entry, what, &made, error);
    esk_exec_release(session->exec, entry);
    if (status == ESK_OK && (made.failed || !made.data))
        status = made.failed ? esk_fail_memory(error, "a dump") : ESK_OK;
    if (status == ESK_OK && !made.data)
        made.data = esk_strdup("");
    if (status != ESK_OK) {
        esk_text_finish(&made);
        return status;
    }
    *text = made.data;
    return ESK_OK;
}

void esk_text_free(char *text) {
    esk_free(text);
}
