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
}
