/* The memory planner: intervals to offsets. Pure. Largest first, each at the lowest
 * offset of the first slab where nothing that lives at the same time lies. Where that
 * takes more than is alive at once, other orders are tried, a few times, and the best is
 * kept; where it takes a tenth more, a search by chance follows. */
#include "base/mem.h"
#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

enum {
    STARTS = 2,      /* orders to start from: by size, by size times lifetime */
    ROUNDS = 8,      /* times that an order is mended */
    STEPS = 1 << 20, /* comparisons of a search by chance */
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
        if (other->slab == slab && other->first <= item->last &&
            item->first <= other->last)
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

/* Places the items in their order, each at the lowest offset of the first slab with room.
 */
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

struct best {
    struct esk_interval *items;
    uint64_t *slabs;
    uint32_t used;
    uint64_t total;
};

static void keep(struct best *best, const struct packing *p,
                 const struct esk_interval *items, uint32_t count) {
    if (p->total >= best->total)
        return;
    best->total = p->total;
    best->used = p->used;
    memcpy(best->items, items, count * sizeof *items);
    memcpy(best->slabs, p->slabs, p->used * sizeof *p->slabs);
}

/* Large items change places, one at a time; what makes it worse is taken back. The same
 * every time: the numbers are made from a constant. */
static void search(struct packing *p, struct best *best, struct esk_interval **order,
                   struct esk_interval *items, uint32_t count, uint64_t max_slab,
                   uint64_t least) {
    uint64_t state = 1, cost = (uint64_t)count * count / 2 + 1;
    uint32_t large = 0;
    for (uint32_t i = 0; i < count; i++)
        order[i] = &items[i];
    qsort(order, count, sizeof *order, by_size);
    while (large < count && order[large]->bytes >= least / 64)
        large++;
    pack(p, order, count, max_slab);
    uint64_t total = p->total;
    for (uint64_t step = 0; large > 1 && step < STEPS / cost && best->total > least;
         step++) {
        uint32_t at[2];
        for (int i = 0; i < 2; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            at[i] = (uint32_t)((state >> 33) % large);
        }
        for (int back = 0; back < 2; back++) {
            struct esk_interval *item = order[at[back]];
            uint32_t from = at[back], to = at[!back];
            for (uint32_t i = from; i != to; i += from < to ? 1u : UINT32_MAX)
                order[i] = order[from < to ? i + 1 : i - 1];
            order[to] = item;
            if (back)
                break;
            pack(p, order, count, max_slab);
            keep(best, p, items, count);
            if (p->total <= total) {
                total = p->total;
                break;
            }
        }
    }
}

esk_status esk_assign_offsets(struct esk_interval *items, uint32_t count, uint64_t align,
                              uint64_t max_slab, uint64_t **slab_bytes, uint32_t *n_slabs,
                              esk_error *error) {
    struct esk_interval **order = esk_calloc(count + 1u, sizeof *order);
    struct best best = {.items = esk_calloc(count + 1u, sizeof *best.items),
                        .slabs = esk_calloc(count + 1u, sizeof *best.slabs),
                        .total = UINT64_MAX};
    struct packing p = {.found = esk_calloc(count + 1u, sizeof *p.found),
                        .slabs = esk_calloc(count + 1u, sizeof *p.slabs)};
    esk_status status = ESK_OK;
    if (!order || !best.items || !best.slabs || !p.found || !p.slabs) {
        status = esk_fail_memory(error, "memory planning");
        goto done;
    }
    for (uint32_t i = 0; i < count; i++)
        items[i].bytes = (items[i].bytes + align - 1) / align * align;
    uint64_t least = lower_bound(items, count);
    for (uint32_t start = 0; count && start < STARTS && best.total > least; start++) {
        for (uint32_t i = 0; i < count; i++)
            order[i] = &items[i];
        qsort(order, count, sizeof *order, start ? by_area : by_size);
        for (uint32_t round = 0; round < ROUNDS && best.total > least; round++) {
            pack(&p, order, count, max_slab);
            keep(&best, &p, items, count);
            if (!promote(order, count, p.slabs))
                break;
        }
    }
    if (count && best.total - least > least / 10)
        search(&p, &best, order, items, count, max_slab, least);
    if (count)
        memcpy(items, best.items, count * sizeof *items);
    *n_slabs = best.used;
    *slab_bytes = best.slabs;
    best.slabs = NULL;
done:
    esk_free(order);
    esk_free(best.items);
    esk_free(best.slabs);
    esk_free(p.found);
    esk_free(p.slabs);
    return status;
}
