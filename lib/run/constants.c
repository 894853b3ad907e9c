/* Constants that loading and passes made: sessions of an env that came to the same ones
 * share their bytes, and so devices hold their forms once. In: a session's graph; out:
 * the graph over bytes that others may have. Must not know devices. */
#include "run/env.h"

#include "base/mem.h"

#include <string.h>

struct esk_constant {
    struct esk_blob *blob; /* a reference */
    uint64_t sample;       /* a hash of some of its bytes */
    struct esk_constant *next;
};

/* Not of all bytes: equal ones are compared whole, and a first session pays for nothing.
 */
static uint64_t sample_of(const struct esk_blob *blob) {
    enum { PIECES = 16, PIECE = 32 };
    const char *data = blob->data;
    uint64_t hash = ESK_HASH_SEED;
    if (blob->size <= (size_t)PIECES * PIECE)
        return esk_hash(hash, data, blob->size);
    for (size_t i = 0; i < PIECES; i++)
        hash = esk_hash(hash, data + (blob->size - PIECE) / (PIECES - 1) * i, PIECE);
    return hash;
}

/* Vars alone refer to it: attributes keep their pointers. */
static bool is_of_vars(const struct esk_graph *graph, const struct esk_blob *blob) {
    uintptr_t from = (uintptr_t)blob->data;
    bool found = false;
    for (uint32_t i = 0; i < graph->n_vars; i++)
        found |= graph->vars[i]->blob == blob;
    for (uint32_t i = 0; i < graph->n_nodes && found; i++)
        for (size_t a = 0; a < graph->nodes[i]->n_attrs; a++) {
            const struct esk_attr *attr = &graph->nodes[i]->attrs[a];
            bool tensors =
                attr->kind == ESK_ATTR_TENSOR || attr->kind == ESK_ATTR_TENSORS;
            for (size_t t = 0; tensors && attr->tensors && t < attr->count; t++)
                found &= (uintptr_t)attr->tensors[t].data - from >= blob->size;
        }
    return found;
}

static void replace(struct esk_graph *graph, uint32_t index, struct esk_blob *by) {
    struct esk_blob *old = graph->blobs[index];
    for (uint32_t i = 0; i < graph->n_vars; i++) {
        struct esk_var *var = graph->vars[i];
        if (var->blob != old)
            continue;
        var->data = (char *)by->data + ((char *)var->data - (char *)old->data);
        var->blob = by;
    }
    graph->blobs[index] = esk_blob_ref(by);
    esk_blob_unref(old);
}

/* Under the env's lock. Without memory for the list a blob is just not shared. */
static void share(struct esk_env *env, struct esk_graph *graph, uint32_t index) {
    struct esk_blob *blob = graph->blobs[index];
    uint64_t sample = sample_of(blob);
    for (struct esk_constant *c = env->constants; c; c = c->next)
        if (c->sample == sample && c->blob->size == blob->size &&
            memcmp(c->blob->data, blob->data, blob->size) == 0) {
            replace(graph, index, c->blob);
            return;
        }
    struct esk_constant *made = esk_malloc(sizeof *made);
    if (!made)
        return;
    *made = (struct esk_constant){esk_blob_ref(blob), sample, env->constants};
    env->constants = made;
}

void esk_env_share_constants(struct esk_env *env, struct esk_graph *graph) {
    pthread_mutex_lock(&env->lock);
    for (uint32_t i = 0; i < graph->n_blobs; i++)
        if (graph->blobs[i]->size && atomic_load(&graph->blobs[i]->refs) == 1 &&
            is_of_vars(graph, graph->blobs[i]))
            share(env, graph, i);
    pthread_mutex_unlock(&env->lock);
    for (uint32_t i = 0; i < graph->n_bodies; i++)
        esk_env_share_constants(env, graph->bodies[i]);
}

void esk_env_drop_constants(struct esk_env *env) {
    pthread_mutex_lock(&env->lock);
    for (struct esk_constant **at = &env->constants; *at;) {
        struct esk_constant *c = *at;
        if (atomic_load(&c->blob->refs) > 1) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        esk_blob_unref(c->blob);
        esk_free(c);
    }
    pthread_mutex_unlock(&env->lock);
}
