/* ir/segments: pieces and storage blocks of kernels whose operands are larger than a
 * binding. */
#include <criterion/criterion.h>

#include "ir/segments.h"

enum { KIB = 1024 };

static const uint64_t groups_most[3] = {65535, 65535, 65535};

static struct esk_limits limits_of(uint64_t binding, enum esk_read_path path) {
    return (struct esk_limits){.max_binding = binding,
                               .max_view = binding,
                               .max_texels = 1 << 27,
                               .ssbo_align = 256,
                               .read_path = path};
}

/* X and Y of 100 KiB, 100 groups. */
static struct esk_kernel kernel(bool steps) {
    struct esk_kernel k = {
        .n_operands = 2, .groups = {100, 1, 1}, .split_axes = 7, .indirect = -1};
    k.operands[0] = (struct esk_operand){.access = ESK_READ, .view = ESK_VEC4};
    k.operands[1] = (struct esk_operand){.access = ESK_WRITE, .view = ESK_VEC4};
    for (int i = 0; i < 2 && steps; i++)
        k.operands[i].step[0] = k.operands[i].reach = KIB;
    return k;
}

Test(segments, by_blocks) {
    struct esk_limits limits = limits_of(32 * KIB, ESK_READ_SSBO);
    struct esk_kernel k = kernel(false);
    struct esk_range ranges[2] = {{0, 100 * KIB, 0}, {0, 32 * KIB, 0}};
    struct esk_pieces p;
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert(p.reach.segments[0] == 4 && p.reach.segments[1] == 1 && p.blocks == 5);
    cr_assert(p.most[0] == 100 && !p.moves && p.largest == 0);
    cr_assert_eq(p.reach.segment, 32 * KIB);
    /* begins between two places where a binding may start */
    ranges[1] = (struct esk_range){16, 32 * KIB, 200 * KIB};
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert_eq(p.reach.segments[1], 2);
    ranges[1].buffer = 32 * KIB; /* bound whole */
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert_eq(p.reach.segments[1], 1);
}

Test(segments, by_pieces) {
    struct esk_limits limits = limits_of(32 * KIB, ESK_READ_SSBO);
    struct esk_kernel k = kernel(true);
    struct esk_range ranges[2] = {{512, 100 * KIB, 200 * KIB}, {0, 100 * KIB, 0}};
    struct esk_pieces p;
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert(p.blocks == 2 && p.moves && p.most[0] > 10 && p.most[0] < 32, "%u %llu",
              p.blocks, (unsigned long long)p.most[0]);
    struct esk_range w = esk_piece_window(&k, 0, &ranges[0], (uint64_t[]){50, 0, 0},
                                          (uint64_t[]){20, 1, 1});
    cr_assert(w.offset == 512 + 50 * KIB && w.bytes == 20 * KIB);
    w = esk_piece_window(&k, 0, &ranges[0], (uint64_t[]){90, 0, 0},
                         (uint64_t[]){25, 1, 1});
    cr_assert_eq(w.bytes, 10 * KIB, "not behind its end");
    /* groups that depend on each other stay together */
    k.split_axes = 6;
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert(p.most[0] == 100 && p.reach.segments[0] == 4 && p.reach.segments[1] == 4);
    /* dispatches that are cut for another reason have windows of their own too */
    k.split_axes = 7;
    esk_pieces_find(&k, &limits, (uint64_t[]){5, 5, 5}, ranges, &p);
    cr_assert(p.most[0] == 5 && p.moves && p.blocks == 2);
}

Test(segments, images) {
    struct esk_limits limits = limits_of(32 * KIB, ESK_READ_IMAGE);
    struct esk_kernel k = kernel(false);
    struct esk_range ranges[2] = {{0, 32 * KIB, 0}, {0, 100, 0}};
    struct esk_pieces p;
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert(p.reach.path == ESK_READ_IMAGE && p.images == 1 && p.blocks == 1);
    ranges[0].bytes++;
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert(p.reach.path == ESK_READ_SSBO && p.images == 0 && p.blocks == 3);
    limits.max_view = 0; /* no option: an image reaches as far as it has texels */
    esk_pieces_find(&k, &limits, groups_most, ranges, &p);
    cr_assert(p.reach.path == ESK_READ_IMAGE && p.images == 1);
}
