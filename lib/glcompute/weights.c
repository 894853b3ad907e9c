/* Forms: found, placed in slabs, packed. In: forms of plans; out: ranges of GL buffers.
 * Must not know commands, programs or plans. */
#include "glcompute/weights.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MIB         ((uint64_t)1024 * 1024)
#define WEIGHT_SLAB (32 * MIB) /* of small forms together */
#define PARALLEL    MIB        /* fewer bytes are not worth a thread */
enum {
    FORM_ALIGN = 256, /* the most that ES lets a binding ask for */
    MOST_THREADS = 8,
    BUCKETS = sizeof((struct esk_gl_weights *)0)->buckets / sizeof(void *),
};

struct esk_gl_weight_slab {
    struct esk_gl_weight_slab *next;
    struct esk_gl_buffer *buffer;
    uint64_t used, bytes;
    uint32_t forms; /* alive */
};

/* ---- packing ---- */

struct esk_gl_pack {
    struct esk_form form; /* a copy; its name is not looked at */
    struct esk_gl_buffer *buffer;
    uint64_t offset;
    struct esk_tensor tensors[4];
    bool given[4];
    bool clean;        /* it goes to zeros */
    unsigned char *to; /* in the buffer, while that is mapped */
    bool mapped;       /* for this one and all others of its buffer */
};

void esk_gl_weights_forget(struct esk_gl_weights *weights) {
    esk_free(weights->packs);
    weights->packs = NULL;
    weights->n_packs = 0;
    weights->cap_packs = 0;
}

esk_status esk_gl_form_upload(struct esk_gl_weights *weights,
                              const struct esk_graph *graph, const struct esk_form *form,
                              struct esk_gl_buffer *buffer, uint64_t offset,
                              esk_error *error) {
    struct esk_gl_pack pack = {.form = *form, .buffer = buffer, .offset = offset};
    for (uint32_t i = 0; i < form->n_src && i < 4; i++) {
        if (form->src[i] == ESK_NONE)
            continue;
        const struct esk_var *var = graph->vars[form->src[i]];
        if (!var->data && var->bytes)
            return esk_fail(error, ESK_INTERNAL, "form '%s': '%s' has no known bytes",
                            form->name, var->name);
        pack.tensors[i] = esk_var_tensor(var);
        pack.given[i] = true;
    }
    if (!form->bytes)
        return ESK_OK;
    uint64_t end = offset + form->bytes;
    pack.clean = offset >= buffer->zeros_from;
    buffer->zeros_from = buffer->zeros_from > end ? buffer->zeros_from : end;
    if (!esk_grow((void **)&weights->packs, &weights->cap_packs, weights->n_packs + 1u,
                  sizeof *weights->packs))
        return esk_fail_memory(error, "packing weights");
    weights->packs[weights->n_packs++] = pack;
    return ESK_OK;
}

static void pack_into(const struct esk_gl_pack *pack, void *to) {
    const struct esk_tensor *sources[4] = {NULL};
    for (int i = 0; i < 4; i++)
        sources[i] = pack->given[i] ? &pack->tensors[i] : NULL;
    if (!pack->clean && pack->form.pack != esk_pack_plain) /* which writes every byte */
        memset(to, 0, pack->form.bytes);
    pack->form.pack(to, pack->form.bytes, sources, pack->form.params);
}

struct team {
    const struct esk_gl_pack *packs;
    uint32_t n_packs;
    atomic_uint next;
};

static void *work(void *user) {
    struct team *team = user;
    for (uint32_t i; (i = atomic_fetch_add(&team->next, 1)) < team->n_packs;)
        pack_into(&team->packs[i], team->packs[i].to);
    return NULL;
}

/* Forms whose places are mapped; packing is pure, so any thread may take any. */
static void pack_all(const struct esk_gl_pack *packs, uint32_t n_packs,
                     uint32_t threads) {
    struct team team = {.packs = packs, .n_packs = n_packs};
    pthread_t helpers[MOST_THREADS];
    uint32_t n = 0, most = threads < MOST_THREADS ? threads : MOST_THREADS;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n_packs; i++)
        bytes += packs[i].form.bytes;
    while (bytes > PARALLEL && n + 1 < most && n + 1 < n_packs &&
           !pthread_create(&helpers[n], NULL, work, &team))
        n++;
    work(&team);
    while (n)
        pthread_join(helpers[--n], NULL);
}

/* Maps what packs[first]'s buffer gets, for all of its packs; nothing if that was done.
 */
static esk_status map_for(struct esk_gl_weights *weights, uint32_t first,
                          esk_error *error) {
    struct esk_gl_pack *packs = weights->packs;
    struct esk_gl_buffer *buffer = packs[first].buffer;
    uint64_t start = packs[first].offset, end = 0;
    void *mapped;
    if (packs[first].to)
        return ESK_OK;
    for (uint32_t i = first; i < weights->n_packs; i++) {
        uint64_t last = packs[i].offset + packs[i].form.bytes;
        if (packs[i].buffer != buffer)
            continue;
        start = packs[i].offset < start ? packs[i].offset : start;
        end = last > end ? last : end;
    }
    /* what lies between them is other forms': the range is not invalidated */
    ESK_TRY(esk_gl_buffer_map(weights->memory->gl, buffer, start, end - start,
                              GL_MAP_WRITE_BIT | GL_MAP_UNSYNCHRONIZED_BIT,
                              "mapping weights", &mapped, error));
    for (uint32_t i = first; i < weights->n_packs; i++)
        if (packs[i].buffer == buffer)
            packs[i].to = (unsigned char *)mapped + (packs[i].offset - start);
    packs[first].mapped = true;
    return ESK_OK;
}

static int by_bytes(const void *a, const void *b) {
    uint64_t x = ((const struct esk_gl_pack *)a)->form.bytes;
    uint64_t y = ((const struct esk_gl_pack *)b)->form.bytes;
    return x > y ? -1 : x < y;
}

/* Into mapped buffers, the largest forms first: no thread waits long for another. */
static esk_status pack_mapped(struct esk_gl_weights *weights, uint32_t threads,
                              esk_error *error) {
    struct esk_gl_pack *packs = weights->packs;
    esk_status status = ESK_OK;
    qsort(packs, weights->n_packs, sizeof *packs, by_bytes);
    for (uint32_t i = 0; i < weights->n_packs && status == ESK_OK; i++)
        status = map_for(weights, i, error);
    if (status == ESK_OK)
        pack_all(packs, weights->n_packs, threads);
    for (uint32_t i = 0; i < weights->n_packs; i++) {
        if (!packs[i].mapped)
            continue;
        esk_status unmapped =
            esk_gl_buffer_unmap(weights->memory->gl, packs[i].buffer, "uploading weights",
                                status == ESK_OK ? error : NULL);
        status = status == ESK_OK ? unmapped : status;
    }
    return status;
}

/* One after the other, over the heap: a packing may read what it wrote, and a device's
 * mapped memory may be slow at it. */
static esk_status pack_staged(struct esk_gl_weights *weights, esk_error *error) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < weights->n_packs; i++)
        if (weights->packs[i].form.bytes > most)
            most = weights->packs[i].form.bytes;
    void *staging = esk_malloc(most);
    if (!staging)
        return esk_fail_memory(error, "packing weights");
    esk_status status = ESK_OK;
    for (uint32_t i = 0; status == ESK_OK && i < weights->n_packs; i++) {
        const struct esk_gl_pack *pack = &weights->packs[i];
        pack_into(pack, staging);
        status = esk_gl_buffer_write(weights->memory, pack->buffer, pack->offset,
                                     pack->form.bytes, staging, error);
    }
    esk_free(staging);
    return status;
}

esk_status esk_gl_weights_settle(struct esk_gl_weights *weights, uint32_t threads,
                                 esk_error *error) {
    uint32_t n = weights->n_packs;
    esk_status status = ESK_OK;
    if (n && !weights->memory->limits->software)
        status = pack_staged(weights, error);
    else if (n)
        status = pack_mapped(weights, threads, error);
    weights->memory->counters->uploads += n;
    for (uint32_t i = 0; i < n; i++)
        weights->memory->counters->upload_bytes += weights->packs[i].form.bytes;
    esk_gl_weights_forget(weights);
    return status;
}

/* ---- forms and slabs ---- */

void esk_gl_weights_finish(struct esk_gl_weights *weights) {
    for (int i = 0; i < BUCKETS; i++)
        while (weights->buckets[i]) {
            struct esk_gl_form *form = weights->buckets[i];
            form->refs = 1;
            esk_gl_form_unref(weights, form);
        }
    esk_gl_weights_forget(weights);
}

static void add_bytes(struct esk_text *text, const void *data, size_t size) {
    esk_text_append(text, data, size);
}

/* Everything that the packed bytes depend on; sources by address: they stay alive as long
 * as a reference to the form does. */
static void make_key(const struct esk_graph *graph, const struct esk_form *form,
                     struct esk_text *key) {
    add_bytes(key, form->name, strlen(form->name) + 1);
    add_bytes(key, &form->pack, sizeof form->pack);
    int32_t storage = form->storage;
    uint64_t bytes = form->bytes;
    add_bytes(key, &storage, sizeof storage);
    add_bytes(key, &bytes, sizeof bytes);
    add_bytes(key, &form->n_params, sizeof form->n_params);
    add_bytes(key, form->params, form->n_params * sizeof *form->params);
    for (uint32_t i = 0; i < form->n_src; i++) {
        const struct esk_var *var =
            form->src[i] == ESK_NONE ? NULL : graph->vars[form->src[i]];
        const void *data = var ? var->data : NULL;
        int32_t facts[2] = {var ? (int32_t)var->dtype : -1, var ? var->rank : -1};
        add_bytes(key, &data, sizeof data);
        add_bytes(key, facts, sizeof facts);
        if (var)
            add_bytes(key, var->dim, (size_t)var->rank * sizeof *var->dim);
    }
}

/* A slab with room for `bytes`; a form larger than a slab has one of its own. */
static esk_status find_slab(struct esk_gl_weights *weights, uint64_t bytes,
                            uint64_t expected, struct esk_gl_weight_slab **result,
                            esk_error *error) {
    for (struct esk_gl_weight_slab *s = weights->slabs; s; s = s->next)
        if (s->used <= s->bytes && s->bytes - s->used >= bytes) {
            *result = s;
            return ESK_OK;
        }
    uint64_t most = weights->memory->limits->max_slab;
    uint64_t size = expected < WEIGHT_SLAB ? expected : WEIGHT_SLAB;
    size = size > most ? most : size;
    size = size < bytes ? bytes : size;
    struct esk_gl_weight_slab *slab = esk_calloc(1, sizeof *slab);
    if (!slab)
        return esk_fail_memory(error, "a weight slab");
    slab->bytes = size;
    esk_status status = esk_gl_buffer_create(weights->memory, size, GL_STATIC_DRAW,
                                             "weights", &slab->buffer, error);
    if (status != ESK_OK) {
        esk_free(slab);
        return status;
    }
    slab->next = weights->slabs;
    weights->slabs = slab;
    *result = slab;
    return ESK_OK;
}

static void release_slab(struct esk_gl_weights *weights,
                         struct esk_gl_weight_slab *slab) {
    if (slab->forms)
        return;
    struct esk_gl_weight_slab **at = &weights->slabs;
    while (*at != slab)
        at = &(*at)->next;
    *at = slab->next;
    esk_gl_buffer_destroy(weights->memory, slab->buffer);
    esk_free(slab);
}

static esk_status add_form(struct esk_gl_weights *weights, const struct esk_graph *graph,
                           const struct esk_form *form, uint64_t expected,
                           struct esk_gl_form *made, esk_error *error) {
    struct esk_gl_weight_slab *slab = NULL;
    uint64_t bytes = esk_round_up(form->bytes, FORM_ALIGN);
    bytes = bytes > weights->memory->limits->max_slab ? form->bytes : bytes;
    ESK_TRY(find_slab(weights, bytes, expected, &slab, error));
    esk_status status =
        esk_gl_form_upload(weights, graph, form, slab->buffer, slab->used, error);
    if (status != ESK_OK) {
        release_slab(weights, slab);
        return status;
    }
    made->slab = slab;
    made->buffer = slab->buffer;
    made->offset = slab->used;
    made->bytes = form->bytes;
    slab->used += esk_round_up(bytes, FORM_ALIGN);
    slab->forms++;
    return ESK_OK;
}

static struct esk_gl_form *find(const struct esk_gl_weights *weights, uint64_t hash,
                                const struct esk_text *key) {
    for (struct esk_gl_form *f = weights->buckets[hash % BUCKETS]; f; f = f->next)
        if (f->hash == hash && f->key.length == key->length &&
            memcmp(f->key.data, key->data, key->length) == 0)
            return f;
    return NULL;
}

uint64_t esk_gl_form_held(const struct esk_gl_weights *weights,
                          const struct esk_graph *graph, const struct esk_form *form) {
    struct esk_text key = {0};
    make_key(graph, form, &key);
    const struct esk_gl_form *found =
        key.failed ? NULL
                   : find(weights, esk_hash(ESK_HASH_SEED, key.data, key.length), &key);
    esk_text_finish(&key);
    return found ? found->bytes : 0;
}

esk_status esk_gl_form_ref(struct esk_gl_weights *weights, const struct esk_graph *graph,
                           const struct esk_form *form, uint64_t expected,
                           struct esk_gl_form **result, esk_error *error) {
    struct esk_text key = {0};
    make_key(graph, form, &key);
    struct esk_gl_form *made = key.failed ? NULL : esk_calloc(1, sizeof *made);
    if (!made) {
        esk_text_finish(&key);
        return esk_fail_memory(error, "a weight form");
    }
    made->hash = esk_hash(ESK_HASH_SEED, key.data, key.length);
    struct esk_gl_form **bucket = &weights->buckets[made->hash % BUCKETS];
    struct esk_gl_form *old = find(weights, made->hash, &key);
    if (old) {
        old->refs++;
        esk_free(made);
        esk_text_finish(&key);
        *result = old;
        return ESK_OK;
    }
    esk_status status = add_form(weights, graph, form, expected, made, error);
    if (status != ESK_OK) {
        esk_free(made);
        esk_text_finish(&key);
        esk_error_prefix(error, "form '%s'", form->name);
        return status;
    }
    made->key = key;
    made->refs = 1;
    made->next = *bucket;
    *bucket = made;
    weights->memory->counters->forms++;
    weights->memory->counters->form_bytes += made->bytes;
    *result = made;
    return ESK_OK;
}

void esk_gl_form_unref(struct esk_gl_weights *weights, struct esk_gl_form *form) {
    if (!form || --form->refs)
        return;
    struct esk_gl_form **at = &weights->buckets[form->hash % BUCKETS];
    while (*at != form)
        at = &(*at)->next;
    *at = form->next;
    weights->memory->counters->forms--;
    weights->memory->counters->form_bytes -= form->bytes;
    struct esk_gl_weight_slab *slab = form->slab;
    slab->forms--;
    /* what lies last can be used again at once; the rest when the slab is empty */
    if (form->offset + esk_round_up(form->bytes, FORM_ALIGN) == slab->used)
        slab->used = form->offset;
    release_slab(weights, slab);
    esk_text_finish(&form->key);
    esk_free(form);
}
