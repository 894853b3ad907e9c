/* Binds: shapes, known values, what becomes part of the key, errors that name the place.
 */
#include "house.h"

static const struct esk_compile_options options = {.limits = &floor_limits};

static void expect_graph(const char *name, const struct esk_plan *plan) {
    struct esk_text text = {0};
    esk_graph_print(plan->graph, &text);
    expect_golden(name, esk_text_str(&text));
    esk_text_finish(&text);
}

/* y = Reshape(Relu(x), Concat(Shape(x)[0:1], [-1])): all of the right side is known. */
static esk_model *shape_chain(void) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, -1, 3, 4);
    INTS(model, "zero", 0);
    INTS(model, "one", 1);
    INTS(model, "rest", -1);
    add_node(model, "Relu", "x", "r");
    add_node(model, "Shape", "x", "s");
    add_node(model, "Slice", "s zero one", "batch");
    const char *out = "shape", *in[] = {"batch", "rest"};
    esk_attribute axis = {.name = "axis", .kind = 'i', .i = 0};
    OK(esk_model_add_node(model, "", "Concat", "shape", in, 2, &out, 1, &axis, 1,
                          &error));
    add_node(model, "Reshape", "r shape", "y");
    add_output(model, "y");
    prepare(model, &options);
    return model;
}

Test(bind, shape_chains_are_known) {
    esk_model *model = shape_chain();
    struct esk_plan *plan = NULL;
    OK(bind_with(model, &options, 5, -1, NULL, &plan, &error));
    cr_assert_eq(plan->n_device_nodes, 2, "the rest is known");
    cr_assert_eq(plan->n_host_nodes, 0);
    cr_assert_not(plan->input_read[0], "no bytes of x are needed");
    const struct esk_var *y = plan->graph->vars[plan->outputs[0].var];
    cr_assert_eq(y->rank, 2);
    cr_assert_eq(y->dim[0], 5);
    cr_assert_eq(y->dim[1], 12);
    expect_graph("bind_shape_chain", plan);
    esk_plan_destroy(plan);
    esk_model_destroy(model);
}

/* Nodes that nobody needs go before others are computed. */
Test(bind, drop_unused_comes_first) {
    static const char *const off[] = {"drop_unused", NULL};
    for (int k = 0; k < 2; k++) {
        struct esk_compile_options now = options;
        now.disabled = k ? off : NULL;
        esk_model *model = new_model();
        INPUT(model, "x", ESK_FLOAT, 3, 4);
        INTS(model, "one", 1);
        add_node(model, "Neg", "one", "unused");
        add_node(model, "Relu", "x", "dead");
        add_node(model, "Exp", "x", "y");
        add_output(model, "y");
        prepare(model, &now);
        cr_assert_eq(model->graph->n_order, k ? 3 : 1, "%u nodes", model->graph->n_order);
        struct esk_plan *plan = bind(model, &now);
        cr_assert_eq(plan->n_device_nodes, 1);
        esk_plan_destroy(plan);
        esk_model_destroy(model);
    }
}

Test(bind, a_graph_takes_many_binds) {
    esk_model *model = shape_chain();
    for (int64_t size = 0; size < 4; size++) {
        struct esk_plan *plan = NULL;
        OK(bind_with(model, &options, size, -1, NULL, &plan, &error));
        if (size) /* zero elements: -1 cannot be told */
            cr_assert_eq(plan->graph->vars[plan->outputs[0].var]->dim[0], size);
        esk_plan_destroy(plan);
        if (!size)
            break;
    }
    esk_model_destroy(model);
}

static esk_model *reshape_by_input(void) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 2, 6);
    INPUT(model, "shape", ESK_INT64, 2);
    add_node(model, "Relu", "x", "r");
    add_node(model, "Reshape", "r shape", "y");
    add_output(model, "y");
    prepare(model, &options);
    return model;
}

Test(bind, bytes_that_inference_reads_are_part_of_the_key) {
    esk_model *model = reshape_by_input();
    int64_t shape[] = {4, -1};
    struct esk_plan *plan = NULL;
    OK(bind_with(model, &options, 1, 1, shape, &plan, &error));
    cr_assert_not(plan->input_read[0]);
    cr_assert(plan->input_read[1]);
    cr_assert_eq(plan->graph->vars[plan->outputs[0].var]->dim[1], 3);
    esk_plan_destroy(plan);
    esk_model_destroy(model);
}

Test(bind, an_error_names_node_and_value) {
    esk_model *model = reshape_by_input();
    int64_t shape[] = {5, 3};
    struct esk_plan *plan = NULL;
    esk_error error = ESK_ERROR_INIT;
    cr_assert_neq(bind_with(model, &options, 1, 1, shape, &plan, &error), ESK_OK);
    cr_assert_null(plan);
    cr_assert(strstr(esk_error_message(&error), "Reshape 'y'"), "%s",
              esk_error_message(&error));
    esk_error_clear(&error);
    esk_model_destroy(model);
}

Test(bind, strict_names_every_node) {
    static const char *const host[] = {"a", "b", NULL};
    const struct esk_compile_options strict = {
        .limits = &floor_limits, .host_names = host, .strict = true};
    esk_model *model = new_model();
    struct esk_plan *plan = NULL;
    esk_error error = ESK_ERROR_INIT;
    INPUT(model, "x", ESK_FLOAT, 4);
    add_node(model, "Relu", "x", "a");
    add_node(model, "Neg", "a", "b");
    add_node(model, "Exp", "b", "c");
    add_output(model, "c");
    prepare(model, &strict);
    cr_assert_eq(bind_with(model, &strict, 1, -1, NULL, &plan, &error), ESK_FALLBACK);
    cr_assert(strstr(esk_error_message(&error), "'a'") &&
                  strstr(esk_error_message(&error), "'b'") &&
                  !strstr(esk_error_message(&error), "'c'"),
              "%s", esk_error_message(&error));
    esk_error_clear(&error);
    esk_model_destroy(model);
}

Test(bind, without_a_device_all_is_on_the_host) {
    const struct esk_compile_options none = {0};
    esk_model *model = shape_chain();
    struct esk_plan *plan = NULL;
    OK(bind_with(model, &none, 2, -1, NULL, &plan, &error));
    cr_assert_eq(plan->n_commands, 0);
    cr_assert_eq(plan->n_device_nodes, 0);
    esk_plan_destroy(plan);
    esk_model_destroy(model);
}
