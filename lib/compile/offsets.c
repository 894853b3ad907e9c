/* The memory planner: intervals to offsets. Pure. Largest first, each at the lowest offset
 * of the first slab where nothing that lives at the same time lies. */
#include "base/mem.h"
#include "compile/compile.h"

#include <stdlib.h>


static int by_size(const void *a, const void *b) {
    const struct esk_interval *const *pa = a, *const *pb = b;
    const struct esk_interval *x = *pa, *y = *pb;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y; /* stable: the array's order */
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

esk_status esk_assign_offsets(struct esk_interval *items, uint32_t count, uint64_t align,
                              uint64_t max_slab, uint64_t **slab_bytes, uint32_t *n_slabs,
                              esk_error *error) {
    struct esk_interval **sorted = esk_calloc(count + 1u, sizeof *sorted);
    const struct esk_interval **found = esk_calloc(count + 1u, sizeof *found);
    uint64_t *slabs = esk_calloc(count + 1u, sizeof *slabs);
    uint32_t used = 0;
    if (!sorted || !found || !slabs) {
        esk_free(sorted);
        esk_free(found);
        esk_free(slabs);
        return esk_fail_memory(error, "memory planning");
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i].bytes = (items[i].bytes + align - 1) / align * align;
        sorted[i] = &items[i];
    }
    qsort(sorted, count, sizeof *sorted, by_size);
    for (uint32_t i = 0; i < count; i++) {
        struct esk_interval *item = sorted[i];
        uint32_t slab = 0;
        uint64_t offset = 0;
        for (; slab < used; slab++) {
            offset = lowest(sorted, i, item, slab, found);
            if (offset + item->bytes <= max_slab || offset == 0)
                break;
        }
        if (slab == used) {
            offset = 0;
            used++;
        }
        item->slab = slab;
        item->offset = offset;
        if (offset + item->bytes > slabs[slab])
            slabs[slab] = offset + item->bytes;
    }
    esk_free(sorted);
    esk_free(found);
    *slab_bytes = slabs;
    *n_slabs = used;
    return ESK_OK;
}
