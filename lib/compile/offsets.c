/* The memory planner: intervals to offsets. Pure. Largest first, each at the lowest offset
 * of the first slab where nothing that lives at the same time lies. Where that takes more
 * than is alive at once, other orders are tried, a few times, and the best is kept. */
#include "base/mem.h"
#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

enum {
    STARTS = 2, /* orders to start from: by size, by size times lifetime */
    ROUNDS = 8, /* times that an order is mended */
};

static int by_size(const void *a, const void *b) {
    const struct esk_interval *const *pa = a, *const *pb = b;
    const struct esk_interval *x = *pa, *y = *pb;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y; /* stable: the array's order */
}

static double area(const struct esk_interval *x) {
    return (double)x->bytes * ((double)x->last - (double)x->first + 1);
}

static int by_area(const void *a, const void *b) {
    const struct esk_interval *const *pa = a, *const *pb = b;
    double x = area(*pa), y = area(*pb);
    return x != y ? (x < y) - (x > y) : by_size(a, b);
}

static int by_offset(const void *a, const void *b) {
    const struct esk_interval *const *pa = a, *const *pb = b;
    uint64_t x = (*pa)->offset, y = (*pb)->offset;
    return x < y ? -1 : x > y;
}

/* The lowest offset of `slab` where the item fits among those that overlap it in time.
 * `found` is room for `count` pointers. */
static uint64_t lowest(struct esk_interval *const *placed, uint32_t count,
                       const struct esk_interval *item, uint32_t slab,
                       const struct esk_interval **found) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct esk_interval *other = placed[i];
        if (other->slab == slab && other->first <= item->last && item->first <= other->last)
            found[n++] = other;
    }
    qsort(found, n, sizeof *found, by_offset);
    uint64_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (found[i]->offset >= at + item->bytes)
            break;
        if (found[i]->offset + found[i]->bytes > at)
            at = found[i]->offset + found[i]->bytes;
    }
    return at;
}

struct packing {
    const struct esk_interval **found; /* room for all */
    uint64_t *slabs;                   /* bytes of each; out */
    uint32_t used;
    uint64_t total;
};

/* Places the items in their order, each at the lowest offset of the first slab with room. */
static void pack(struct packing *p, struct esk_interval *const *order, uint32_t count,
                 uint64_t max_slab) {
    p->used = 0;
    p->total = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct esk_interval *item = order[i];
        uint32_t slab = 0;
        uint64_t offset = 0;
        for (; slab < p->used; slab++) {
            offset = lowest(order, i, item, slab, p->found);
            if (offset + item->bytes <= max_slab || offset == 0)
                break;
        }
        if (slab == p->used) {
            offset = 0;
            p->slabs[p->used++] = 0;
        }
        item->slab = slab;
        item->offset = offset;
        if (offset + item->bytes > p->slabs[slab]) {
            p->total += offset + item->bytes - p->slabs[slab];
            p->slabs[slab] = offset + item->bytes;
        }
    }
}

/* The most bytes alive at the first moment of an item: nothing can do with less. */
static uint64_t lower_bound(const struct esk_interval *items, uint32_t count) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t alive = 0;
        for (uint32_t j = 0; j < count; j++)
            alive += items[j].first <= items[i].first && items[i].first <= items[j].last
                         ? items[j].bytes
                         : 0;
        most = alive > most ? alive : most;
    }
    return most;
}

/* Those that end highest in their slab were placed too late: they go to the front. */
static bool promote(struct esk_interval **order, uint32_t count, const uint64_t *slabs) {
    bool moved = false;
    uint32_t front = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct esk_interval *item = order[i];
        if (item->offset + item->bytes != slabs[item->slab] || item->offset == 0)
            continue;
        memmove(order + front + 1, order + front, (i - front) * sizeof *order);
        moved |= i != front;
        order[front++] = item;
    }
    return moved;
}

esk_status esk_assign_offsets(struct esk_interval *items, uint32_t count, uint64_t align,
                              uint64_t max_slab, uint64_t **slab_bytes, uint32_t *n_slabs,
                              esk_error *error) {
    struct esk_interval **order = esk_calloc(count + 1u, sizeof *order);
    struct esk_interval *best = esk_calloc(count + 1u, sizeof *best);
    uint64_t *best_slabs = esk_calloc(count + 1u, sizeof *best_slabs), total = UINT64_MAX;
    struct packing p = {.found = esk_calloc(count + 1u, sizeof *p.found),
                        .slabs = esk_calloc(count + 1u, sizeof *p.slabs)};
    esk_status status = ESK_OK;
    if (!order || !best || !best_slabs || !p.found || !p.slabs) {
        status = esk_fail_memory(error, "memory planning");
        goto done;
    }
    for (uint32_t i = 0; i < count; i++)
        items[i].bytes = (items[i].bytes + align - 1) / align * align;
    uint64_t least = lower_bound(items, count);
    for (uint32_t start = 0; start < STARTS && total > least; start++) {
        for (uint32_t i = 0; i < count; i++)
            order[i] = &items[i];
        qsort(order, count, sizeof *order, start ? by_area : by_size);
        for (uint32_t round = 0; round < ROUNDS && total > least; round++) {
            pack(&p, order, count, max_slab);
            if (p.total < total) {
                total = p.total;
                *n_slabs = p.used;
                memcpy(best, items, count * sizeof *best);
                memcpy(best_slabs, p.slabs, p.used * sizeof *best_slabs);
            }
            if (!promote(order, count, p.slabs))
                break;
        }
    }
    if (total == UINT64_MAX)
        *n_slabs = 0; /* nothing to place */
    else
        memcpy(items, best, count * sizeof *items);
    *slab_bytes = best_slabs;
    best_slabs = NULL;
done:
    esk_free(order);
    esk_free(best);
    esk_free(best_slabs);
    esk_free(p.found);
    esk_free(p.slabs);
    return status;
}
