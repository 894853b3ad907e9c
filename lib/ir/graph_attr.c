/* Attributes of nodes: reading with a default, adding, replacing, removing. Must not know
 * what any attribute means. */
#include "ir/graph.h"

#include <string.h>

const struct esk_attr *esk_node_attr(const struct esk_node *node, const char *name) {
    for (uint32_t i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

static const struct esk_attr *attr_of_kind(const struct esk_node *node, const char *name,
                                           enum esk_attr_kind kind) {
    const struct esk_attr *attr = esk_node_attr(node, name);
    return attr && attr->kind == kind && !attr->ref ? attr : NULL;
}

int64_t esk_attr_int(const struct esk_node *node, const char *name, int64_t fallback) {
    const struct esk_attr *attr = attr_of_kind(node, name, ESK_ATTR_INT);
    return attr ? attr->i : fallback;
}

float esk_attr_float(const struct esk_node *node, const char *name, float fallback) {
    const struct esk_attr *attr = attr_of_kind(node, name, ESK_ATTR_FLOAT);
    return attr ? attr->f : fallback;
}

const char *esk_attr_string(const struct esk_node *node, const char *name,
                            const char *fallback) {
    const struct esk_attr *attr = attr_of_kind(node, name, ESK_ATTR_STRING);
    return attr ? attr->s.data : fallback;
}

size_t esk_attr_ints(const struct esk_node *node, const char *name, int64_t *ints,
                     size_t most) {
    const struct esk_attr *attr = attr_of_kind(node, name, ESK_ATTR_INTS);
    if (!attr)
        return 0;
    for (size_t i = 0; i < attr->count && i < most; i++)
        ints[i] = attr->ints[i];
    return attr->count;
}

size_t esk_attr_floats(const struct esk_node *node, const char *name, float *floats,
                       size_t most) {
    const struct esk_attr *attr = attr_of_kind(node, name, ESK_ATTR_FLOATS);
    if (!attr)
        return 0;
    for (size_t i = 0; i < attr->count && i < most; i++)
        floats[i] = attr->floats[i];
    return attr->count;
}

struct esk_graph *esk_attr_graph(const struct esk_node *node, const char *name) {
    const struct esk_attr *attr = attr_of_kind(node, name, ESK_ATTR_GRAPH);
    return attr ? attr->graphs[0] : NULL;
}

struct esk_attr *esk_node_add_attr(struct esk_graph *graph, struct esk_node *node,
                                   const char *name) {
    char *copy = esk_arena_strdup(&graph->arena, name);
    if (!copy)
        return NULL;
    struct esk_attr *attr = NULL;
    for (uint32_t i = 0; i < node->n_attrs && !attr; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            attr = &node->attrs[i];
    if (!attr) {
        struct esk_attr *attrs =
            ESK_ARENA_ARRAY(&graph->arena, struct esk_attr, (size_t)node->n_attrs + 1);
        if (!attrs)
            return NULL;
        if (node->n_attrs)
            memcpy(attrs, node->attrs, node->n_attrs * sizeof *attrs);
        node->attrs = attrs;
        attr = &attrs[node->n_attrs++];
    }
    *attr = (struct esk_attr){.name = copy, .count = 1};
    return attr;
}

bool esk_node_set_int(struct esk_graph *graph, struct esk_node *node, const char *name,
                      int64_t value) {
    struct esk_attr *attr = esk_node_add_attr(graph, node, name);
    if (!attr)
        return false;
    attr->kind = ESK_ATTR_INT;
    attr->i = value;
    return true;
}

bool esk_node_set_float(struct esk_graph *graph, struct esk_node *node, const char *name,
                        float value) {
    struct esk_attr *attr = esk_node_add_attr(graph, node, name);
    if (!attr)
        return false;
    attr->kind = ESK_ATTR_FLOAT;
    attr->f = value;
    return true;
}

bool esk_node_set_ints(struct esk_graph *graph, struct esk_node *node, const char *name,
                       size_t count, const int64_t *values) {
    /* the copy first: `values` may be those of the attribute that is replaced */
    int64_t *copy = ESK_ARENA_ARRAY(&graph->arena, int64_t, count);
    if (!copy)
        return false;
    if (count)
        memcpy(copy, values, count * sizeof *copy);
    struct esk_attr *attr = esk_node_add_attr(graph, node, name);
    if (!attr)
        return false;
    attr->kind = ESK_ATTR_INTS;
    attr->count = count;
    attr->ints = copy;
    return true;
}

bool esk_node_set_string(struct esk_graph *graph, struct esk_node *node, const char *name,
                         const char *value) {
    char *copy = esk_arena_strdup(&graph->arena, value);
    struct esk_attr *attr = copy ? esk_node_add_attr(graph, node, name) : NULL;
    if (!attr)
        return false;
    attr->kind = ESK_ATTR_STRING;
    attr->s = (struct esk_string){copy, strlen(copy)};
    return true;
}

void esk_node_remove_attr(struct esk_node *node, const char *name) {
    for (uint32_t i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0) {
            memmove(&node->attrs[i], &node->attrs[i + 1],
                    (node->n_attrs - i - 1) * sizeof *node->attrs);
            node->n_attrs--;
            return;
        }
}
