/* glcompute/cost: the choice between llvmpipe's pool and the caller's thread. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "glcompute/cost.h"

#include <string.h>

enum { MOST = 64 };
static struct {
    struct esk_recipe recipe;
    struct esk_command commands[MOST];
    struct esk_plan plan;
} fix;

/* `count` equal commands of `groups` groups and `flops` each. */
static const struct esk_plan *plan(uint32_t count, uint64_t groups, double flops) {
    memset(&fix, 0, sizeof fix);
    struct esk_kernel *k = esk_recipe_kernel(&fix.recipe, "f");
    esk_kernel_local(k, 8, 1, 1);
    esk_kernel_groups(k, groups, 1, 1);
    k->flops = flops;
    for (uint32_t i = 0; i < count; i++)
        fix.commands[i].kernel = k;
    fix.plan.commands = fix.commands;
    fix.plan.n_commands = count;
    return &fix.plan;
}

static void finish(void) {
    esk_text_finish(&fix.recipe.kernels->defines);
    esk_free(fix.recipe.kernels);
}

static struct esk_gl_cost cost(uint32_t count, uint64_t groups, double flops,
                               uint32_t threads) {
    struct esk_gl_cost made = esk_gl_cost_make(plan(count, groups, flops), threads);
    finish();
    return made;
}

Test(cost, small_commands_are_inline) {
    cr_assert(cost(1, 1, 100, 2).is_inline);
    cr_assert(cost(50, 16, 10e3, 2).is_inline);
    cr_assert(cost(50, 16, 10e3, 32).is_inline);
}

Test(cost, work_that_threads_share_is_the_pools) {
    cr_assert_not(cost(1, 64, 50e6, 2).is_inline);
    cr_assert_not(cost(50, 64, 50e6, 2).is_inline);
}

/* One group runs on one thread, and threads that get nothing do not help. */
Test(cost, one_group_gains_nothing_from_a_pool) {
    cr_assert(cost(4, 1, 500e6, 8).is_inline);
    cr_assert_not(cost(4, 8, 500e6, 8).is_inline);
    cr_assert(cost(4, 8, 500e6, 1).is_inline);
}

Test(cost, groups_are_dealt_out_evenly) {
    /* three groups on two threads: two of them decide */
    double three = cost(1, 3, 300e6, 2).pool, four = cost(1, 4, 400e6, 2).pool;
    cr_assert_float_eq(three, four, four * 0.01);
}

/* By two lanes: half of what can be shared, no wake-ups, and nothing of small plans. */
Test(cost, lanes_share_the_work) {
    struct esk_gl_cost big = cost(50, 64, 50e6, 2), small = cost(20, 16, 10e3, 2);
    cr_assert(big.by_lanes && big.lanes > big.inlined * 0.5);
    cr_assert_lt(big.lanes, big.inlined * 0.52);
    cr_assert_not(small.by_lanes);
    cr_assert_not(cost(4, 1, 500e6, 2).by_lanes, "one group cannot be shared");
}

Test(cost, pieces_for_lanes) {
    static const struct {
        uint64_t groups[3];
        uint32_t axes, parts;
        double flops;
        int axis;
    } rows[] = {
        {{64, 1, 1}, 7, 1, 1e3, -1}, {{64, 1, 1}, 7, 8, 50e6, 0},
        {{64, 3, 1}, 7, 3, 50e6, 1}, {{64, 3, 2}, 7, 2, 50e6, 2},
        {{64, 3, 2}, 1, 8, 50e6, 0}, {{64, 3, 2}, 0, 1, 50e6, -1},
        {{64, 1, 1}, 7, 4, 1e6, 0},  {{1, 1, 1}, 7, 1, 50e6, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        plan(1, 1, rows[i].flops);
        struct esk_kernel *k = fix.recipe.kernels;
        memcpy(k->groups, rows[i].groups, sizeof k->groups);
        k->split_axes = rows[i].axes;
        int axis = -1;
        cr_assert_eq(esk_gl_cost_parts(k, 2, &axis), rows[i].parts, "row %zu", i);
        cr_assert_eq(axis, rows[i].axis, "row %zu: axis %d", i, axis);
        finish();
    }
}

Test(cost, of_an_empty_plan) {
    struct esk_gl_cost made = cost(0, 1, 0, 2);
    cr_assert(made.is_inline && made.pool == 0 && made.inlined == 0);
}

Test(cost, work_that_is_not_told_is_guessed) {
    plan(1, 4, 0);
    fix.recipe.kernels->loop_iterations = 10;
    double ten = esk_gl_cost_kernel(fix.recipe.kernels);
    fix.recipe.kernels->loop_iterations = 60000;
    cr_assert_gt(esk_gl_cost_kernel(fix.recipe.kernels), 10 * ten);
    finish();
}

Test(cost, print) {
    struct esk_text text = {0};
    esk_gl_cost_print(
        &(struct esk_gl_cost){
            .pool = 0.0042, .inlined = 0.0001, .threads = 2, .is_inline = true},
        &text);
    cr_assert_str_eq(esk_text_str(&text), "screen: inline (estimated 0.100 ms inline, "
                                          "4.200 ms with 2 threads)\n");
    esk_text_finish(&text);
    esk_gl_cost_print(
        &(struct esk_gl_cost){
            .lanes = 0.003, .inlined = 0.005, .by_lanes = true, .is_inline = true},
        &text);
    cr_assert_str_eq(esk_text_str(&text), "screen: two lanes (estimated 5.000 ms inline, "
                                          "3.000 ms by lanes)\n");
    esk_text_finish(&text);
}
