/* Groups: a root and the elementwise nodes behind it. In: the graph and who uses what;
 * out: candidates, which `gpu` of the root then takes or not. Must not know operators by
 * name. */
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

static void each_use(const struct esk_graph *graph,
                     void (*visit)(uint32_t *, esk_id *, esk_id, esk_id),
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

/* ---- order ---- */

static bool elementwise(const struct esk_node *node) {
    return node->op->flags & ESK_OP_ELEMENTWISE && node->n_out == 1 &&
           node->out[0] != ESK_NONE;
}

/* Where a node stands once it is sunk: in front of its first user, if only elementwise
 * nodes of its shape use it. Users come later in the order, so they have their places. */
static uint32_t sunk_position(const struct esk_graph *graph,
                              const struct esk_users *users, const uint32_t *places,
                              esk_id id) {
    const struct esk_node *node = graph->nodes[id];
    uint32_t place = UINT32_MAX;
    if (!elementwise(node) || users->outside[node->out[0]])
        return users->position[id];
    const struct esk_var *out = graph->vars[node->out[0]];
    for (uint32_t i = users->first[node->out[0]]; i < users->first[node->out[0] + 1];
         i++) {
        const struct esk_node *user = graph->nodes[users->list[i]];
        if (!elementwise(user))
            return users->position[id];
        const struct esk_var *to = graph->vars[user->out[0]];
        if (!esk_shape_equal(out->rank, out->dim, to->rank, to->dim))
            return users->position[id];
        if (places[users->list[i]] < place)
            place = places[users->list[i]];
    }
    return place == UINT32_MAX ? users->position[id] : place;
}

esk_status esk_sink_elementwise(struct esk_graph *graph, struct esk_users *users,
                                esk_error *error) {
    uint32_t n = graph->n_order,
             *places = esk_calloc(graph->n_nodes + 1u, sizeof *places);
    uint32_t *next = esk_calloc(n + 2u, sizeof *next);
    esk_id *order = esk_calloc(n + 1u, sizeof *order);
    bool good = places && next && order;
    for (uint32_t at = n; good && at-- > 0;) {
        esk_id id = graph->order[at];
        places[id] =
            graph->nodes[id]->dead ? at : sunk_position(graph, users, places, id);
        next[places[id] + 1]++;
    }
    for (uint32_t i = 0; good && i < n; i++)
        next[i + 1] += next[i];
    for (uint32_t at = 0; good && at < n; at++)
        order[next[places[graph->order[at]]]++] = graph->order[at];
    for (uint32_t at = 0; good && at < n; at++) {
        graph->order[at] = order[at];
        users->position[order[at]] = at;
    }
    esk_free(places);
    esk_free(next);
    esk_free(order);
    return good ? ESK_OK : esk_fail_memory(error, "an order");
}

/* ---- groups ---- */

struct finder {
    const struct esk_graph *graph;
    const struct esk_users *users;
    const struct esk_node *root;
    bool (*ready)(void *user, esk_id var);
    void *user;
};

enum { DEPTH = 8 }; /* nodes in a row that are pulled in front of a member */

/* What a kernel has as 32-bit words that no intermediate rounding changes. */
static bool plain_type(esk_dtype dtype) {
    return dtype == ESK_FLOAT || dtype == ESK_FLOAT16 || dtype == ESK_INT32 ||
           dtype == ESK_UINT32 || dtype == ESK_BOOL;
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
            if (!is_member(group, node) && graph->nodes[node] != root &&
                (best == ESK_NONE || users->position[node] < users->position[best]))
                best = node;
        }
    }
    return best;
}

static bool is_scalar(const struct esk_var *var) {
    return var->data && esk_var_count(var) == 1 &&
           esk_class_of(var->dtype) != ESK_CLASS_NONE;
}

static bool add_extra(struct esk_group *group, const struct esk_var *var, esk_id id) {
    for (uint32_t i = 0; i < group->n_extra; i++)
        if (group->extra[i] == id)
            return true;
    enum esk_class class = esk_class_of(var->dtype);
    if (group->n_extra == ESK_GROUP_EXTRAS || class == ESK_CLASS_NONE ||
        class == ESK_CLASS_L || class == ESK_CLASS_UL)
        return false;
    group->extra[group->n_extra++] = id;
    return true;
}

/* Makes `id` a member, behind producers that are elementwise too and not computed yet. */
static bool join(const struct finder *f, struct esk_group *group, esk_id id, int depth) {
    const struct esk_node *node = f->graph->nodes[id];
    const struct esk_var *value = f->graph->vars[f->root->out[0]];
    if (depth > DEPTH || node->dead || !elementwise(node))
        return false;
    const struct esk_var *out = f->graph->vars[node->out[0]];
    if (out->data || !plain_type(out->dtype) ||
        !esk_shape_equal(out->rank, out->dim, value->rank, value->dim))
        return false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        esk_id in = node->in[i];
        if (in == ESK_NONE || value_of(f->graph, f->root, group, in) >= 0 ||
            is_scalar(f->graph->vars[in]))
            continue;
        const struct esk_var *var = f->graph->vars[in];
        if (f->ready(f->user, in)
                ? !add_extra(group, var, in)
                : var->producer == ESK_NONE || !join(f, group, var->producer, depth + 1))
            return false;
    }
    if (group->n_members == ESK_GROUP_MEMBERS)
        return false;
    group->members[group->n_members++] = id;
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
                        void *user, struct esk_group *groups) {
    const struct finder f = {graph, users, root, ready, user};
    struct esk_group group = {.output = ESK_NONE};
    uint32_t found = 0;
    if (!(root->op->flags & (ESK_OP_EPILOGUE | ESK_OP_ELEMENTWISE)) || root->n_out < 1 ||
        root->out[0] == ESK_NONE || !plain_type(graph->vars[root->out[0]]->dtype))
        return 0;
    for (uint32_t i = 1; i < root->n_out; i++)
        if (root->out[i] != ESK_NONE)
            return 0;
    while (group.n_members < ESK_GROUP_MEMBERS) {
        esk_id next = next_user(graph, users, root, &group);
        struct esk_group longer = group;
        if (next == ESK_NONE || !join(&f, &longer, next, 0))
            break;
        group = longer;
        group.output = graph->nodes[next]->out[0];
        if (is_closed(graph, users, root, &group))
            groups[found++] = group;
    }
    return found;
}
