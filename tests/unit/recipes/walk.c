/* Walks: random shape operators in a row, against the same done to a list of numbers. */
#include "recipes/walk.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

/* A dense tensor whose elements say where they came from. */
struct list {
    int rank;
    int64_t dim[ESK_MAX_RANK];
    int32_t at[MOST];
};

static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void move_list(struct list *list, const struct esk_move *m, int rank,
                      const int64_t *dims) {
    static int32_t to[MOST];
    esk_move_cpu(m, 4, to, list->at);
    memcpy(list->at, to, sizeof to);
    list->rank = rank;
    memcpy(list->dim, dims, (size_t)rank * sizeof *dims);
}

static bool permute(struct list *list, struct esk_walk *w, uint64_t *state) {
    int perm[ESK_MAX_RANK];
    int64_t strides[ESK_MAX_RANK], dims[ESK_MAX_RANK];
    struct esk_move m = {0};
    for (int k = 0; k < list->rank; k++)
        perm[k] = k;
    for (int k = list->rank - 1; k > 0; k--) {
        int j = (int)(next(state) % (uint32_t)(k + 1)), keep = perm[k];
        perm[k] = perm[j];
        perm[j] = keep;
    }
    if (!esk_walk_permute(w, list->rank, perm))
        return false;
    esk_shape_strides(list->rank, list->dim, strides);
    for (int k = 0; k < list->rank; k++) {
        dims[k] = list->dim[perm[k]];
        esk_move_push(&m, dims[k], strides[perm[k]]);
    }
    move_list(list, &m, list->rank, dims);
    return true;
}

static bool slice(struct list *list, struct esk_walk *w, uint64_t *state) {
    int axis = (int)(next(state) % (uint32_t)list->rank);
    int64_t dim = list->dim[axis], step = 1 + next(state) % 3, start, size,
            strides[ESK_MAX_RANK];
    struct esk_move m = {0};
    start = next(state) % (uint64_t)dim;
    if (next(state) % 2)
        start = start / 2 * 2;
    size = (dim - start + step - 1) / step;
    size = 1 + next(state) % (uint64_t)size;
    if (next(state) % 4 == 0 && start + 1 >= size) {
        step = -1;
        size = 1 + next(state) % (uint64_t)(start + 1);
    }
    if (size == 1)
        step = 1;
    struct esk_walk before = *w;
    if (!esk_walk_slice(w, axis, start, step, size)) {
        cr_assert(memcmp(&before, w, sizeof before) == 0, "a refused walk has changed");
        return false;
    }
    esk_shape_strides(list->rank, list->dim, strides);
    m.offset = start * strides[axis];
    strides[axis] *= step;
    list->dim[axis] = size;
    for (int k = 0; k < list->rank; k++)
        esk_move_push(&m, list->dim[k], strides[k]);
    move_list(list, &m, list->rank, list->dim);
    return true;
}

/* Into factors, as chance has it. */
static bool reshape(struct list *list, struct esk_walk *w, uint64_t *state) {
    int64_t rest = esk_shape_product(list->dim, 0, list->rank), dims[ESK_MAX_RANK];
    int rank = 1 + (int)(next(state) % 5);
    for (int k = 0; k + 1 < rank; k++) {
        int64_t take = 1 + next(state) % 6;
        dims[k] = rest % take ? 1 : take;
        rest /= dims[k];
    }
    dims[rank - 1] = rest;
    if (!esk_walk_reshape(w, rank, dims))
        return false;
    list->rank = rank;
    memcpy(list->dim, dims, (size_t)rank * sizeof *dims);
    return true;
}

static bool expand(struct list *list, struct esk_walk *w, uint64_t *state) {
    int64_t dims[ESK_MAX_RANK], strides[ESK_MAX_RANK], count = 1;
    struct esk_move m = {0};
    for (int k = 0; k < list->rank; k++) {
        dims[k] = list->dim[k] == 1 && next(state) % 2 ? 2 : list->dim[k];
        count *= dims[k];
    }
    if (count > MOST || !esk_walk_expand(w, list->rank, dims))
        return false;
    esk_shape_strides(list->rank, list->dim, strides);
    for (int k = 0; k < list->rank; k++)
        esk_move_push(&m, dims[k], dims[k] == list->dim[k] ? strides[k] : 0);
    move_list(list, &m, list->rank, dims);
    return true;
}

/* The walk through `base`, in a layout, gives the list. */
static void check(const struct list *list, const struct esk_walk *w, const int32_t *base,
                  enum esk_layout layout, uint64_t seed) {
    static int32_t to[4 * MOST];
    struct esk_move m;
    if (layout == ESK_LAYOUT_C4 && list->rank < 3)
        return;
    if (!esk_walk_move(w, layout, list->rank, list->dim, &m)) {
        cr_assert_eq(layout, ESK_LAYOUT_C4);
        return;
    }
    int64_t strides[ESK_MAX_RANK], index[ESK_MAX_RANK] = {0};
    /* the host's loops know nothing of pad lanes: they are left out */
    if (m.valid)
        m.dim[m.rank - 1] = m.valid;
    bool padded = m.valid != 0;
    m.valid = 0;
    esk_move_cpu(&m, 4, to, base);
    esk_move_strides(layout, list->rank, list->dim, strides);
    if (padded) {
        struct esk_walk plain = esk_walk_plain(ESK_LAYOUT_C4, list->rank, list->dim);
        for (int k = 0; k < list->rank; k++)
            if (k != 1)
                strides[k] =
                    plain.stride[k] / ((list->dim[1] + 3) / 4 * 4) * list->dim[1];
    }
    int64_t count = esk_shape_product(list->dim, 0, list->rank);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0;
        for (int k = 0; k < list->rank; k++)
            at += index[k] * strides[k];
        cr_assert_eq(to[at], list->at[i], "seed %llu: element %lld is %d, not %d",
                     (unsigned long long)seed, (long long)i, to[at], list->at[i]);
        for (int k = list->rank - 1; k >= 0 && ++index[k] == list->dim[k]; k--)
            index[k] = 0;
    }
}

static int32_t base[4 * MOST];

Test(walk, random_steps) {
    static struct list list;
    int done = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        uint64_t state = seed * 0x9e3779b97f4a7c15u;
        list.rank = 3 + (int)(next(&state) % 3);
        int64_t count = 1;
        for (int k = 0; k < list.rank; k++)
            count *= list.dim[k] = 1 + next(&state) % (k == 1 ? 12 : 6);
        if (count > MOST)
            continue;
        enum esk_layout layout = seed % 2 ? ESK_LAYOUT_C4 : ESK_LAYOUT_DENSE;
        struct esk_walk w = esk_walk_plain(layout, list.rank, list.dim);
        memset(base, -1, sizeof base); /* pad lanes: nobody may come there */
        int64_t strides[ESK_MAX_RANK], index[ESK_MAX_RANK] = {0};
        esk_move_strides(layout, list.rank, list.dim, strides);
        for (int64_t i = 0; i < count; i++) {
            int64_t at = 0;
            for (int k = 0; k < list.rank; k++)
                at += index[k] * strides[k];
            base[at] = list.at[i] = (int32_t)i;
            for (int k = list.rank - 1; k >= 0 && ++index[k] == list.dim[k]; k--)
                index[k] = 0;
        }
        for (int step = 0; step < 6; step++)
            switch (next(&state) % 4) {
            case 0:
                done += permute(&list, &w, &state);
                break;
            case 1:
                done += slice(&list, &w, &state);
                break;
            case 2:
                done += reshape(&list, &w, &state);
                break;
            default:
                done += expand(&list, &w, &state);
            }
        check(&list, &w, base, ESK_LAYOUT_DENSE, seed);
        check(&list, &w, base, ESK_LAYOUT_C4, seed);
    }
    cr_assert_gt(done, 10000, "%d steps were possible", done);
}

/* Channels in two groups, interleaved, then the second half of them: one move of C4. */
Test(walk, a_channel_shuffle_stays_one_move) {
    const int64_t x[] = {1, 16, 3, 5}, apart[] = {1, 2, 8, 3, 5};
    const int turn[] = {0, 2, 1, 3, 4};
    struct esk_walk w = esk_walk_plain(ESK_LAYOUT_C4, 4, x);
    struct esk_move m;
    cr_assert(esk_walk_reshape(&w, 5, apart) && esk_walk_permute(&w, 5, turn) &&
              esk_walk_reshape(&w, 4, x) && esk_walk_slice(&w, 1, 8, 1, 8));
    cr_assert_eq(w.offset, 4);
    cr_assert(esk_walk_move(&w, ESK_LAYOUT_C4, 4, (const int64_t[]){1, 8, 3, 5}, &m));
    cr_assert_eq(m.rank, 3);
    cr_assert(m.dim[0] == 15 && m.dim[1] == 4 && m.dim[2] == 2);
    cr_assert(m.stride[0] == 16 && m.stride[1] == 1 && m.stride[2] == 8);
}

/* What NHWC models do: there and back again is nothing. */
Test(walk, transposes_cancel) {
    const int64_t x[] = {2, 8, 3, 5};
    const int to[] = {0, 2, 3, 1}, back[] = {0, 3, 1, 2};
    struct esk_walk w = esk_walk_plain(ESK_LAYOUT_DENSE, 4, x);
    cr_assert(esk_walk_permute(&w, 4, to) && esk_walk_permute(&w, 4, back));
    cr_assert(esk_walk_in_order(&w, 4, x));
}
