/* Plans as text, and what every plan must keep: no two tensors that live at once share
 * bytes, no command reads or overwrites what an earlier one wrote or reads without a
 * barrier between. */
#include "house.h"

static const struct esk_compile_options options = {.limits = &floor_limits};

static bool inside(const struct esk_place *a, uint64_t byte) {
    return byte >= a->offset && byte < a->offset + a->bytes &&
           (!a->pitch || (byte - a->offset) % a->pitch < a->row);
}

static bool overlap(const struct esk_place *a, const struct esk_place *b) {
    bool found = false;
    if (a->slot != b->slot || a->index != b->index)
        return false;
    for (uint64_t byte = a->offset; byte < a->offset + a->bytes; byte += 4)
        found |= inside(a, byte) && inside(b, byte);
    return found;
}

static bool conflict(const struct esk_plan *plan, const struct esk_command *a,
                     const struct esk_command *b) {
    for (uint32_t i = 0; i < a->kernel->n_operands; i++)
        for (uint32_t j = 0; j < b->kernel->n_operands; j++) {
            if (ESK_COMMAND_IS_FORM(a->buffers[i]) || ESK_COMMAND_IS_FORM(b->buffers[j]))
                continue;
            bool writes =
                (a->kernel->operands[i].access | b->kernel->operands[j].access) &
                ESK_WRITE;
            if (writes && overlap(&plan->buffers[a->buffers[i]].place,
                                  &plan->buffers[b->buffers[j]].place))
                return true;
        }
    return false;
}

static uint32_t root_of(const struct esk_plan *plan, uint32_t buffer) {
    while (plan->buffers[buffer].parent != ESK_NONE)
        buffer = plan->buffers[buffer].parent;
    return buffer;
}

static bool lies_in(const struct esk_plan *plan, uint32_t buffer, uint32_t in) {
    while (buffer != in && plan->buffers[buffer].parent != ESK_NONE)
        buffer = plan->buffers[buffer].parent;
    return buffer == in;
}

/* Buffers i and j meet in one command only, which reads one in place of the other. */
static bool in_place(const struct esk_plan *plan, uint32_t i, uint32_t j) {
    uint32_t from = plan->buffers[i].last == plan->buffers[j].first ? i : j;
    uint32_t to = from == i ? j : i;
    bool found = false;
    if (plan->buffers[from].last != plan->buffers[to].first)
        return false;
    for (uint32_t c = 0; c < plan->n_commands; c++)
        for (uint32_t k = 0; k < plan->commands[c].kernel->n_operands; k++) {
            const struct esk_command *command = &plan->commands[c];
            bool reads =
                command->buffers[k] == from && command->kernel->operands[k].in_place;
            for (uint32_t l = 0; l < command->kernel->n_operands && reads; l++)
                found |= command->buffers[l] == to &&
                         command->kernel->operands[l].access == ESK_WRITE;
        }
    return found;
}

/* Within one command memory may be shared only by operands of one buffer, by a buffer and
 * its parent, and by an output with the input whose place it takes. */
static void check_plan(const struct esk_plan *plan) {
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct esk_buffer *a = &plan->buffers[i], *b = &plan->buffers[j];
            bool at_once = a->first <= b->last && b->first <= a->last;
            if (root_of(plan, i) == root_of(plan, j) &&
                (lies_in(plan, i, j) || lies_in(plan, j, i) || in_place(plan, i, j)))
                continue;
            cr_assert(!at_once || a->place.slot != ESK_SLOT_ACTIVATION || !a->bytes ||
                          !b->bytes || !overlap(&a->place, &b->place),
                      "buffers %u and %u share bytes", i, j);
        }
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        uint32_t first = plan->stages[s].first_command, open = first;
        for (uint32_t i = first; i < first + plan->stages[s].n_commands; i++) {
            if (plan->commands[i].barrier)
                open = i;
            for (uint32_t j = open; j < i; j++)
                cr_assert(!conflict(plan, &plan->commands[j], &plan->commands[i]),
                          "commands %u and %u need a barrier between", j, i);
        }
    }
    cr_assert_geq(plan->peak, plan->lower_bound);
}

static void expect_plan(const char *name, const struct esk_plan *plan) {
    struct esk_text text = {0};
    check_plan(plan);
    esk_plan_print(plan, &text);
    expect_golden(name, esk_text_str(&text));
    esk_text_finish(&text);
}

static void finish(esk_model *model, struct esk_plan *plan) {
    esk_plan_destroy(plan);
    esk_model_destroy(model);
}

Test(plan, one_command) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 3, 5);
    add_node(model, "Relu", "x", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    cr_assert_eq(plan->n_commands, 1);
    expect_plan("plan_one_command", plan);
    finish(model, plan);
}

Test(plan, views_need_no_command) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 2, 6);
    INTS(model, "shape", 3, 4);
    add_node(model, "Exp", "x", "a");
    add_node(model, "Reshape", "a shape", "b");
    add_node(model, "ReduceSum", "b", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    cr_assert_eq(plan->n_commands, 2);
    expect_plan("plan_views", plan);
    finish(model, plan);
}

/* Ten steps in a row, each in the place of the one before: one place is enough, with a
 * barrier before each. */
Test(plan, a_chain_reuses_memory) {
    static const char *const off[] = {"fuse_epilogues", NULL};
    const struct esk_compile_options unfused = {.limits = &floor_limits, .disabled = off};
    esk_model *model = new_model();
    char in[8] = "x", out[8];
    INPUT(model, "x", ESK_FLOAT, 64, 64);
    for (int i = 0; i < 10; i++) {
        snprintf(out, sizeof out, "t%d", i);
        add_node(model, i % 2 ? "Neg" : "Exp", in, out);
        strcpy(in, out);
    }
    add_output(model, out);
    prepare(model, &unfused);
    struct esk_plan *plan = bind(model, &unfused);
    cr_assert_eq(plan->n_commands, 10);
    cr_assert_eq(plan->peak, 64 * 64 * 4);
    cr_assert_eq(plan->peak, plan->lower_bound);
    for (uint32_t i = 1; i < 10; i++)
        cr_assert(plan->commands[i].barrier);
    check_plan(plan);
    finish(model, plan);
}

/* An input that is read again later, or read elsewhere than where the output is stored,
 * keeps its place. */
Test(plan, in_place_only_where_nothing_is_lost) {
    static const char *const off[] = {"fuse_epilogues", NULL};
    const struct esk_compile_options unfused = {.limits = &floor_limits, .disabled = off};
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 1, 8, 8);
    add_node(model, "Exp", "x", "a");
    add_node(model, "Neg", "a", "b");     /* a lives on */
    add_node(model, "Softmax", "b", "c"); /* reads whole rows */
    add_node(model, "Add", "c a", "d");   /* ends both */
    add_node(model, "Sqrt", "d", "e");
    add_node(model, "Transpose", "e", "y");
    add_output(model, "y");
    prepare(model, &unfused);
    struct esk_plan *plan = bind(model, &unfused);
    uint32_t inside = 0;
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        inside += plan->buffers[i].parent != ESK_NONE;
    cr_assert_eq(inside, 2, "%u in place: d and e", inside);
    cr_assert_eq(plan->peak, 3 * 8 * 8 * 4);
    cr_assert_eq(plan->peak, plan->lower_bound);
    check_plan(plan);
    finish(model, plan);
}

static uint32_t count_commands(const struct esk_plan *plan, const char *template) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_commands; i++)
        n += strcmp(plan->commands[i].kernel->template, template) == 0;
    return n;
}

/* Channels of C4, one part in another's place: both convolutions store where the last one
 * reads; the second part is read by a pool besides. */
Test(plan, parts_are_made_in_their_places) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 1, 8, 6, 6);
    ZEROS(model, "v", 4, 8, 1, 1);
    ZEROS(model, "w", 8, 8, 1, 1);
    ZEROS(model, "u", 8, 16, 1, 1);
    const esk_attribute axis = {.name = "axis", .kind = 'i', .i = 1};
    const char *two[] = {"a", "b"}, *three[] = {"ab", "c"}, *ab = "ab", *abc = "abc";
    add_node(model, "Relu", "x", "r");
    add_node(model, "Conv", "x v", "a");
    add_node(model, "Conv", "x w", "b");
    OK(esk_model_add_node(model, "", "Concat", "ab", two, 2, &ab, 1, &axis, 1, &error));
    add_node(model, "Conv", "r v", "c");
    OK(esk_model_add_node(model, "", "Concat", "abc", three, 2, &abc, 1, &axis, 1,
                          &error));
    add_node(model, "Conv", "abc u", "d");
    add_node(model, "GlobalAveragePool", "b", "e");
    add_node(model, "Add", "d e", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    cr_assert_eq(count_commands(plan, "concat"), 0);
    uint32_t apart = 0;
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].place.pitch) {
            cr_assert_eq(plan->buffers[i].place.pitch, 16 * 4);
            apart++;
        }
    cr_assert_eq(apart, 4, "%u buffers with rows apart: a, b, ab, c", apart);
    check_plan(plan);
    finish(model, plan);
}

/* One run of bytes each; but an input, and what the caller gets, stay where they are. */
Test(plan, parts_that_others_have) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 1, 8, 4);
    const esk_attribute axis = {.name = "axis", .kind = 'i', .i = 1};
    const char *parts[] = {"a", "b", "x", "c"}, *abxc = "abxc";
    add_node(model, "Exp", "x", "a");
    add_node(model, "Neg", "x", "b");
    add_node(model, "Abs", "x", "c");
    OK(esk_model_add_node(model, "", "Concat", "abxc", parts, 4, &abxc, 1, &axis, 1,
                          &error));
    add_node(model, "Softmax", "abxc", "y");
    add_output(model, "y");
    add_output(model, "c");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    cr_assert_eq(count_commands(plan, "concat"), 2, "x and c are copied");
    uint32_t inside = 0;
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        inside += plan->buffers[i].parent != ESK_NONE;
    cr_assert_eq(inside, 2, "a and b");
    check_plan(plan);
    finish(model, plan);
}

/* Kernels that differ in where they write alone are one program: `r`, which lies by
 * itself, is told of rows as `a` and `b`, which lie in rows of eight. What only reads is
 * not. */
Test(plan, parts_are_of_the_others_program) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 4, 4);
    INPUT(model, "z", ESK_FLOAT, 4, 4);
    const esk_attribute axis = {.name = "axis", .kind = 'i', .i = 1};
    const char *parts[] = {"a", "b"}, *ab = "ab";
    add_node(model, "Exp", "x", "a");
    add_node(model, "Exp", "z", "b");
    OK(esk_model_add_node(model, "", "Concat", "ab", parts, 2, &ab, 1, &axis, 1, &error));
    add_node(model, "Softmax", "ab", "y");
    add_node(model, "Softmax", "x", "s");
    add_node(model, "Exp", "s", "r");
    add_node(model, "Softmax", "r", "t");
    add_output(model, "y");
    add_output(model, "t");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    const char *defines = NULL;
    uint32_t same = 0, told = 0;
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_kernel *k = plan->commands[i].kernel;
        const char *text = esk_text_str(&k->defines);
        told += strstr(text, "#define AT_") != NULL;
        if (strcmp(k->template, "elementwise") != 0)
            continue;
        defines = defines ? defines : text;
        same += strcmp(text, defines) == 0;
    }
    cr_assert(same == 3 && told == 3, "%u of 3 are alike, %u are told of rows", same,
              told);
    check_plan(plan);
    finish(model, plan);
}

/* Where a part begins, or ends, within a vec4, its vec4s are stored loosely: rows of five
 * and three, which are themselves rows of a longer one. */
Test(plan, parts_where_no_vec4_can_lie) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 4, 5);
    INPUT(model, "z", ESK_FLOAT, 4, 3);
    INPUT(model, "t", ESK_FLOAT, 4, 6);
    const esk_attribute axis = {.name = "axis", .kind = 'i', .i = 1};
    const char *two[] = {"a", "b"}, *three[] = {"c", "ab"}, *ab = "ab", *cab = "cab";
    add_node(model, "Exp", "x", "a");
    add_node(model, "Neg", "z", "b");
    add_node(model, "Abs", "t", "c");
    OK(esk_model_add_node(model, "", "Concat", "ab", two, 2, &ab, 1, &axis, 1, &error));
    OK(esk_model_add_node(model, "", "Concat", "cab", three, 2, &cab, 1, &axis, 1,
                          &error));
    add_node(model, "Softmax", "cab", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    cr_assert_eq(plan->n_commands, 4, "%u commands", plan->n_commands);
    uint32_t loose = 0;
    for (uint32_t i = 0; i < plan->n_commands; i++) {
        const struct esk_kernel *k = plan->commands[i].kernel;
        for (uint32_t j = 0; j < k->n_operands; j++) {
            const struct esk_place *place =
                &plan->buffers[plan->commands[i].buffers[j]].place;
            if (k->operands[j].view != ESK_LOOSE)
                continue;
            cr_assert_eq(place->pitch, 14 * 4);
            cr_assert_leq(place->offset + place->bytes, 4 * 14 * 4,
                          "rows that are not there");
            loose++;
        }
    }
    cr_assert_eq(loose, 3, "%u stored loosely: a, b, c", loose);
    for (uint32_t i = 1; i < 3; i++)
        cr_assert(!plan->commands[i].barrier, "columns apart need no barrier");
    check_plan(plan);
    finish(model, plan);
}

/* Dropout's mask, BatchNormalization's statistics: nobody computes what nobody reads. */
Test(plan, optional_outputs_that_nobody_reads) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 4, 4);
    add_node(model, "Exp", "x", "a");
    add_node(model, "Dropout", "a", "b mask");
    add_node(model, "Softmax", "b", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    cr_assert_eq(plan->n_commands, 2, "%u commands", plan->n_commands);
    finish(model, plan);
}

/* Two branches that meet: those commands that do not need each other have no barrier. */
Test(plan, branches_need_few_barriers) {
    static const char *const off[] = {"fuse_epilogues", NULL};
    const struct esk_compile_options unfused = {.limits = &floor_limits, .disabled = off};
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 4, 4);
    add_node(model, "Exp", "x", "a");
    add_node(model, "Neg", "x", "b");
    add_node(model, "Abs", "x", "c");
    add_node(model, "Add", "a b", "d");
    add_node(model, "Mul", "d c", "y");
    add_output(model, "y");
    prepare(model, &unfused);
    struct esk_plan *plan = bind(model, &unfused);
    uint32_t barriers = 0;
    for (uint32_t i = 1; i < plan->n_commands; i++) /* the first waits for the upload */
        barriers += plan->commands[i].barrier;
    cr_assert_eq(plan->n_commands, 5);
    cr_assert_eq(barriers, 2, "%u barriers", barriers);
    expect_plan("plan_branches", plan);
    finish(model, plan);
}

Test(plan, products_and_weights) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 8, 16);
    ZEROS(model, "w", 16, 12);
    add_node(model, "MatMul", "x w", "a");
    add_node(model, "Relu", "a", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    check_plan(plan);
    cr_assert_eq(plan->n_forms, 1);
    cr_assert(plan->forms[0].shared, "an initializer's form is the device's");
    finish(model, plan);
}

Test(plan, convolutions) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 1, 3, 8, 8);
    ZEROS(model, "w", 5, 3, 3, 3);
    ZEROS(model, "v", 2, 5, 1, 1);
    add_node(model, "Conv", "x w", "a");
    add_node(model, "Relu", "a", "b");
    add_node(model, "Conv", "b v", "y");
    add_output(model, "y");
    prepare(model, &options);
    struct esk_plan *plan = bind(model, &options);
    check_plan(plan);
    cr_assert_eq(plan->n_device_nodes, 3);
    finish(model, plan);
}

Test(plan, the_same_bind_prints_the_same) {
    struct esk_text texts[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        esk_model *model = new_model();
        INPUT(model, "x", ESK_FLOAT, 5, 7);
        add_node(model, "Softmax", "x", "a");
        add_node(model, "Transpose", "a", "b");
        add_node(model, "ReduceMean", "b", "y");
        add_output(model, "y");
        prepare(model, &options);
        struct esk_plan *plan = bind(model, &options);
        check_plan(plan);
        esk_plan_print(plan, &texts[i]);
        finish(model, plan);
    }
    cr_assert_str_eq(esk_text_str(&texts[0]), esk_text_str(&texts[1]));
    esk_text_finish(&texts[0]);
    esk_text_finish(&texts[1]);
}

/* A node kept on the host parts the commands: readback, host, upload. */
Test(plan, a_host_node_parts_stages) {
    static const char *const host[] = {"b", NULL};
    const struct esk_compile_options split = {.limits = &floor_limits,
                                              .host_names = host};
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 4, 4);
    add_node(model, "Exp", "x", "a");
    add_node(model, "Neg", "a", "b");
    add_node(model, "Abs", "b", "y");
    add_output(model, "y");
    prepare(model, &split);
    struct esk_plan *plan = bind(model, &split);
    cr_assert_eq(plan->n_stages, 2, "%u stages", plan->n_stages);
    cr_assert_eq(plan->n_fallbacks, 1);
    expect_plan("plan_host_node", plan);
    finish(model, plan);
}
