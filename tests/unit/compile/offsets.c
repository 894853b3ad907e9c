/* The memory planner: properties over random intervals, and a few exact layouts. */
#include "house.h"

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void check_slab(const struct esk_interval *items, uint32_t n, uint32_t slab,
                       uint64_t bytes, uint64_t max_slab) {
    bool own = bytes <= max_slab;
    for (uint32_t i = 0; i < n; i++) /* one that is larger made it */
        own |= items[i].slab == slab && !items[i].offset && items[i].bytes == bytes;
    cr_assert(own, "slab %u has %llu bytes, the limit is %llu", slab,
              (unsigned long long)bytes, (unsigned long long)max_slab);
}

/* No two that live at the same time share a byte; all lie inside their slab. */
static void check(const struct esk_interval *items, uint32_t n, uint64_t align,
                  uint64_t max_slab, const uint64_t *slabs, uint32_t n_slabs) {
    for (uint32_t i = 0; i < n_slabs; i++)
        check_slab(items, n, i, slabs[i], max_slab);
    for (uint32_t i = 0; i < n; i++) {
        const struct esk_interval *a = &items[i];
        cr_assert_lt(a->slab, n_slabs);
        cr_assert_eq(a->offset % align, 0);
        cr_assert_leq(a->offset + a->bytes, slabs[a->slab]);
        for (uint32_t j = 0; j < i; j++) {
            const struct esk_interval *b = &items[j];
            bool at_once = a->first <= b->last && b->first <= a->last;
            bool apart = a->slab != b->slab || a->offset + a->bytes <= b->offset ||
                         b->offset + b->bytes <= a->offset;
            cr_assert(!at_once || apart, "intervals %u and %u overlap", i, j);
        }
    }
}

/* The most bytes alive at one moment. */
static uint64_t bound_of(const struct esk_interval *items, uint32_t n, uint32_t moments) {
    uint64_t most = 0;
    for (uint32_t t = 0; t < moments; t++) {
        uint64_t alive = 0;
        for (uint32_t i = 0; i < n; i++)
            alive += items[i].first <= t && t <= items[i].last ? items[i].bytes : 0;
        most = alive > most ? alive : most;
    }
    return most;
}

static uint64_t sum_of(const uint64_t *slabs, uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += slabs[i];
    return sum;
}

Test(offsets, random_intervals_never_overlap) {
    enum { MOST = 120, MOMENTS = 64 };
    static struct esk_interval items[MOST];
    double excess = 0; /* over the bound, where a slab is as large as it likes */
    int count = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t state = seed * 0x9e3779b97f4a7c15u;
        uint32_t n = (uint32_t)(next(&state) % MOST);
        uint64_t align = (uint64_t)1 << (4 + next(&state) % 5);
        uint64_t max_slab = seed % 3 ? (uint64_t)1 << 40 : 4096;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t first = (uint32_t)(next(&state) % MOMENTS);
            uint32_t last = first + (uint32_t)(next(&state) % (MOMENTS - first));
            items[i] = (struct esk_interval){
                .bytes = next(&state) % 5000, .first = first, .last = last};
        }
        uint64_t *slabs = NULL;
        uint32_t n_slabs = 0;
        OK(esk_assign_offsets(items, n, align, max_slab, &slabs, &n_slabs, &error));
        check(items, n, align, max_slab, slabs, n_slabs);
        uint64_t sum = sum_of(slabs, n_slabs), bound = bound_of(items, n, MOMENTS);
        cr_assert_geq(sum, bound);
        if (seed % 3 && bound)
            excess += (double)sum / (double)bound - 1, count++;
        esk_free(slabs);
    }
    cr_assert_lt(excess / count, 0.03, "%.3f above the bound", excess / count);
}

Test(offsets, a_chain_needs_two_places) {
    struct esk_interval items[20];
    uint64_t *slabs = NULL;
    uint32_t n_slabs = 0;
    for (uint32_t i = 0; i < 20; i++)
        items[i] = (struct esk_interval){.bytes = 1024, .first = i, .last = i + 1};
    OK(esk_assign_offsets(items, 20, 256, 1 << 20, &slabs, &n_slabs, &error));
    check(items, 20, 256, 1 << 20, slabs, n_slabs);
    cr_assert_eq(n_slabs, 1);
    cr_assert_eq(slabs[0], 2048);
    esk_free(slabs);
}

Test(offsets, a_slab_has_a_limit) {
    struct esk_interval items[] = {
        {.bytes = 3000, .first = 0, .last = 1},
        {.bytes = 3000, .first = 1, .last = 2},
        {.bytes = 9000, .first = 0, .last = 2}, /* larger than any: one of its own */
    };
    uint64_t *slabs = NULL;
    uint32_t n_slabs = 0;
    OK(esk_assign_offsets(items, 3, 16, 4096, &slabs, &n_slabs, &error));
    check(items, 3, 16, 4096, slabs, n_slabs);
    cr_assert_eq(n_slabs, 3);
    esk_free(slabs);
}

Test(offsets, nothing_is_fine) {
    uint64_t *slabs = NULL;
    uint32_t n_slabs = 7;
    OK(esk_assign_offsets(NULL, 0, 16, 4096, &slabs, &n_slabs, &error));
    cr_assert_eq(n_slabs, 0);
    esk_free(slabs);
}
