/* Groups: a root and the elementwise nodes behind it. In: the graph and who uses what; out:
 * candidates, which `gpu` of the root then takes or not. Must not know operators by name. */
#include "base/mem.h"
#include "compile/choose.h"

#include <string.h>

void esk_users_finish(struct esk_users *users) {
    esk_free(users->first);
    esk_free(users->list);
    esk_free(users->position);
    esk_free(users->outside);
    *users = (struct esk_users){0};
}

static void each_use(const struct esk_graph *graph, void (*visit)(uint32_t *, esk_id *, esk_id, esk_id),
                     uint32_t *counts, esk_id *list) {
    for (uint32_t at = 0; at < graph->n_order; at++) {
        esk_id id = graph->order[at];
        const struct esk_node *node = graph->nodes[id];
        if (node->dead)
            continue;
        for (uint32_t i = 0; i < node->n_in; i++) {
            bool again = node->in[i] == ESK_NONE;
            for (uint32_t j = 0; j < i && !again; j++)
                again = node->in[j] == node->in[i];
            if (!again)
                visit(counts, list, node->in[i], id);
        }
    }
}

static void count_use(uint32_t *counts, esk_id *list, esk_id var, esk_id node) {
    (void)list;
    (void)node;
    counts[var + 1]++;
}

static void list_use(uint32_t *next, esk_id *list, esk_id var, esk_id node) {
    list[next[var]++] = node;
}

esk_status esk_users_init(struct esk_users *users, const struct esk_graph *graph,
                          const bool *keep, esk_error *error) {
    size_t n = graph->n_vars;
    *users = (struct esk_users){
        .first = esk_calloc(n + 2, sizeof *users->first),
        .position = esk_calloc(graph->n_nodes + 1u, sizeof *users->position),
        .outside = esk_calloc(n + 1, sizeof *users->outside),
    };
    if (!users->first || !users->position || !users->outside)
        return esk_fail_memory(error, "users of values");
    each_use(graph, count_use, users->first, NULL);
    for (size_t i = 0; i < n; i++)
        users->first[i + 1] += users->first[i];
    users->list = esk_calloc(users->first[n] + 1u, sizeof *users->list);
    uint32_t *next = esk_calloc(n + 1, sizeof *next);
    if (!users->list || !next) {
        esk_free(next);
        return esk_fail_memory(error, "users of values");
    }
    memcpy(next, users->first, n * sizeof *next);
    each_use(graph, list_use, next, users->list);
    esk_free(next);
    for (uint32_t i = 0; i < graph->n_order; i++)
        users->position[graph->order[i]] = i;
    for (uint32_t i = 0; i < graph->n_outputs; i++)
        users->outside[graph->outputs[i]] = true;
    for (uint32_t i = 0; i < n; i++)
        users->outside[i] |= keep && keep[i];
    return ESK_OK;
}

/* The value's index among the group's (0 the root's), or -1. */
static int value_of(const struct esk_graph *graph, const struct esk_node *root,
                    const struct esk_group *group, esk_id var) {
    if (var == root->out[0])
        return 0;
    for (uint32_t i = 0; i < group->n_members; i++)
        if (graph->nodes[group->members[i]]->out[0] == var)
            return (int)i + 1;
    return -1;
}

static bool is_member(const struct esk_group *group, esk_id node) {
    for (uint32_t i = 0; i < group->n_members; i++)
        if (group->members[i] == node)
            return true;
    return false;
}

/* The first node in order that uses a value of the group and is no member. */
static esk_id next_user(const struct esk_graph *graph, const struct esk_users *users,
                        const struct esk_node *root, const struct esk_group *group) {
    esk_id best = ESK_NONE;
    for (uint32_t v = 0; v <= group->n_members; v++) {
        esk_id var = v ? graph->nodes[group->members[v - 1]]->out[0] : root->out[0];
        for (uint32_t i = users->first[var]; i < users->first[var + 1]; i++) {
            esk_id node = users->list[i];
            if (!is_member(group, node) &&
                (best == ESK_NONE || users->position[node] < users->position[best]))
                best = node;
        }
    }
    return best;
}

static bool can_join(const struct esk_graph *graph, const struct esk_node *root,
                     struct esk_group *group, const struct esk_node *node,
                     bool (*ready)(void *, esk_id), void *user) {
    const struct esk_var *value = graph->vars[root->out[0]];
    if (!(node->op->flags & ESK_OP_ELEMENTWISE) || node->n_out < 1 ||
        node->out[0] == ESK_NONE)
        return false;
    const struct esk_var *out = graph->vars[node->out[0]];
    if (out->data || out->dtype != value->dtype ||
        !esk_shape_equal(out->rank, out->dim, value->rank, value->dim))
        return false;
    esk_id extra = group->extra;
    for (uint32_t i = 0; i < node->n_in; i++) {
        esk_id id = node->in[i];
        if (id == ESK_NONE || value_of(graph, root, group, id) >= 0)
            continue;
        const struct esk_var *var = graph->vars[id];
        if (var->data && esk_var_count(var) == 1)
            continue;
        if ((extra != ESK_NONE && extra != id) || !ready(user, id) ||
            var->dtype != value->dtype ||
            !esk_shape_equal(var->rank, var->dim, value->rank, value->dim))
            return false;
        extra = id;
    }
    group->extra = extra;
    return true;
}

/* Whether nothing outside needs a value but the last. */
static bool is_closed(const struct esk_graph *graph, const struct esk_users *users,
                      const struct esk_node *root, const struct esk_group *group) {
    for (uint32_t v = 0; v < group->n_members; v++) {
        esk_id var = v ? graph->nodes[group->members[v - 1]]->out[0] : root->out[0];
        if (users->outside[var])
            return false;
        for (uint32_t i = users->first[var]; i < users->first[var + 1]; i++)
            if (!is_member(group, users->list[i]))
                return false;
    }
    return true;
}

uint32_t esk_group_find(const struct esk_graph *graph, const struct esk_users *users,
                        const struct esk_node *root, bool (*ready)(void *, esk_id),
                        void *user, struct esk_group *group, uint32_t *lengths) {
    *group = (struct esk_group){.extra = ESK_NONE, .output = ESK_NONE};
    uint32_t found = 0;
    if (!(root->op->flags & (ESK_OP_EPILOGUE | ESK_OP_ELEMENTWISE)) || root->n_out < 1 ||
        root->out[0] == ESK_NONE ||
        esk_class_of(graph->vars[root->out[0]]->dtype) != ESK_CLASS_F)
        return 0;
    for (uint32_t i = 1; i < root->n_out; i++)
        if (root->out[i] != ESK_NONE)
            return 0;
    while (group->n_members < sizeof group->members / sizeof *group->members) {
        esk_id next = next_user(graph, users, root, group);
        if (next == ESK_NONE ||
            !can_join(graph, root, group, graph->nodes[next], ready, user))
            break;
        group->members[group->n_members++] = next;
        if (is_closed(graph, users, root, group))
            lengths[found++] = group->n_members;
    }
    return found;
}
