/* Building, checking, upgrading and copying models. */
#include "front/model.h"

#include "base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Names of a list that NULL ends. */
static size_t count(const char *const *names) {
    size_t n = 0;
    while (names && names[n])
        n++;
    return n;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static esk_status add(esk_model *m, const char *op, const char *const *in,
                      const char *const *out, esk_error *error) {
    return esk_model_add_node(m, "", op, NULL, in, count(in), out, count(out), NULL, 0,
                              error);
}

static esk_model *with_input(int opset) {
    esk_model *m = NULL;
    cr_assert_eq(esk_model_create("main", opset, &m, NULL), ESK_OK);
    cr_assert_eq(
        esk_model_add_input(m, "x", ESK_FLOAT, 2, (const int64_t[]){-1, 3}, NULL),
        ESK_OK);
    return m;
}

static void expect_graph(const esk_model *m, const char *expected) {
    struct esk_text text = {0};
    esk_graph_print(m->graph, &text);
    cr_assert_str_eq(esk_text_str(&text), expected);
    esk_text_finish(&text);
}

static void expect_verify(esk_model *m, esk_status status, const char *text) {
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_model_verify(m, &error), status, "%s", esk_error_message(&error));
    if (text)
        cr_assert_not_null(strstr(esk_error_message(&error), text), "%s",
                           esk_error_message(&error));
    esk_error_clear(&error);
}

static void upgrade(esk_model *m) {
    esk_error error = ESK_ERROR_INIT;
    expect_verify(m, ESK_OK, NULL);
    cr_assert_eq(esk_model_upgrade(m, NULL, &error), ESK_OK, "%s",
                 esk_error_message(&error));
}

/* ---- The builder ---- */

Test(model, is_built) {
    esk_model *m = with_input(21);
    esk_value *value;
    cr_assert_eq(esk_value_create(ESK_FLOAT, 1, (const int64_t[]){3}, &value, NULL),
                 ESK_OK);
    ((float *)esk_value_data(value))[1] = 5;
    cr_assert_eq(esk_model_add_constant(m, "k", value, NULL), ESK_OK);
    esk_value_destroy(value);
    esk_attribute alpha = {.name = "alpha", .kind = 'f', .f = 0.5f};
    cr_assert_eq(esk_model_add_node(m, NULL, "LeakyRelu", "leak", NAMES("x"), 1,
                                    NAMES("r"), 1, &alpha, 1, NULL),
                 ESK_OK);
    cr_assert_eq(add(m, "Add", NAMES("r", "k"), NAMES("y"), NULL), ESK_OK);
    cr_assert_eq(esk_model_add_output(m, "y", NULL), ESK_OK);
    cr_assert_eq(esk_model_node_count(m), 2);
    cr_assert_str_eq(esk_model_node_op(m, 0), "LeakyRelu");
    cr_assert_str_eq(esk_model_output(m, 0)->name, "y");
    cr_assert_eq(esk_model_output(m, 0)->rank, -1);
    cr_assert_str_eq(esk_model_metadata(m, "opset"), "21");
    expect_graph(m, "graph 'main' (x float[?,3]) -> (y)\n"
                    "  init k float[3]{0,5,0}\n"
                    "  LeakyRelu 'leak' (x) -> r alpha=0.5\n"
                    "  Add 'Add_1' (r, k) -> y\n");
    esk_model_destroy(m);
}

Test(model, the_builder_refuses_mistakes_and_goes_on) {
    esk_model *m = with_input(21);
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(add(m, "Relu", NAMES("z"), NAMES("y"), &error), ESK_INVALID_ARGUMENT);
    cr_assert_str_eq(esk_error_message(&error), "Relu '': nothing made input 'z' yet");
    cr_assert_eq(add(m, "Relu", NAMES("x"), NAMES("x"), &error), ESK_INVALID_ARGUMENT);
    cr_assert_eq(add(m, "Split", NAMES("x"), NAMES("a", "a"), &error),
                 ESK_INVALID_ARGUMENT);
    cr_assert_eq(add(m, "", NAMES("x"), NAMES("y"), &error), ESK_INVALID_ARGUMENT);
    esk_attribute odd = {.name = "a", .kind = 'q'};
    cr_assert_eq(esk_model_add_node(m, "", "Relu", NULL, NAMES("x"), 1, NAMES("y"), 1,
                                    &odd, 1, &error),
                 ESK_INVALID_ARGUMENT);
    cr_assert_eq(esk_model_add_input(m, "x", ESK_FLOAT, 0, NULL, &error),
                 ESK_INVALID_ARGUMENT);
    cr_assert_eq(esk_model_add_input(m, "s", ESK_STRING, 0, NULL, &error),
                 ESK_INVALID_ARGUMENT);
    cr_assert_eq(esk_model_add_input(m, "s", ESK_FLOAT, 9, NULL, &error),
                 ESK_INVALID_ARGUMENT);
    cr_assert_eq(esk_model_add_output(m, "y", &error), ESK_INVALID_ARGUMENT);
    esk_error_clear(&error);
    cr_assert_eq(esk_model_node_count(m), 0);
    cr_assert_eq(add(m, "Relu", NAMES("x"), NAMES("y"), NULL), ESK_OK);
    cr_assert_eq(esk_model_create("m", 0, &m, NULL), ESK_INVALID_ARGUMENT);
    esk_model_destroy(m);
}

/* ---- Verify ---- */

Test(model, missing_operators_are_listed_once) {
    esk_model *m = with_input(21);
    add(m, "NoSuch", NAMES("x"), NAMES("a"), NULL);
    esk_model_add_node(m, "com.other", "Odd", NULL, NAMES("a"), 1, NAMES("b"), 1, NULL, 0,
                       NULL);
    add(m, "NoSuch", NAMES("b"), NAMES("c"), NULL);
    expect_verify(m, ESK_UNSUPPORTED, "no operator or function: NoSuch, com.other.Odd");
    esk_model_destroy(m);
}

Test(model, the_domain_of_the_house_is_closed) {
    esk_model *m = with_input(21);
    esk_model_add_node(m, "esker", "Relayout", NULL, NAMES("x"), 1, NAMES("y"), 1, NULL,
                       0, NULL);
    expect_verify(m, ESK_UNSUPPORTED, "esker.Relayout");
    esk_model_destroy(m);
}

Test(model, versions_are_found) {
    esk_model *m = with_input(12);
    add(m, "Relu", NAMES("x"), NAMES("y"), NULL);
    expect_verify(m, ESK_OK, NULL);
    cr_assert_eq(m->graph->nodes[0]->since, 6);
    cr_assert_eq(m->graph->nodes[0]->opset, 12);
    cr_assert_eq(esk_model_upgrade(m, NULL, NULL), ESK_OK);
    cr_assert_eq(m->graph->nodes[0]->since, 14);
    esk_model_destroy(m);

    m = with_input(ESK_OPSET_NEWEST + 1);
    expect_verify(m, ESK_UNSUPPORTED, "is newer than the newest known");
    esk_model_destroy(m);

    m = with_input(3); /* Expand came with 8 */
    add(m, "Expand", NAMES("x", "x"), NAMES("y"), NULL);
    expect_verify(m, ESK_UNSUPPORTED,
                  "opset 3 is older than the oldest version known, 8");
    esk_model_destroy(m);
}

Test(model, arity_is_checked) {
    esk_model *m = with_input(21);
    add(m, "Relu", NAMES("x", "x"), NAMES("y"), NULL);
    expect_verify(m, ESK_INVALID_MODEL, "Relu 'Relu_0': 2 inputs, it takes 1 to 1");
    esk_model_destroy(m);
    m = with_input(21);
    add(m, "Relu", NAMES(""), NAMES("y"), NULL);
    expect_verify(m, ESK_INVALID_MODEL, "0 inputs");
    esk_model_destroy(m);
    m = with_input(21);
    add(m, "Relu", NAMES("x", "", ""), NAMES("y"), NULL); /* absent ones at the end go */
    expect_verify(m, ESK_OK, NULL);
    cr_assert_eq(m->graph->nodes[0]->n_in, 1);
    esk_model_destroy(m);
}

static esk_id add_raw(struct esk_graph *g, const char *op, esk_id in, esk_id out) {
    return esk_graph_add_node(g, "", op, NULL, 1, &in, 1, &out);
}

Test(model, nodes_are_sorted_and_cycles_refused) {
    esk_model *m = with_input(21);
    struct esk_graph *g = m->graph;
    esk_id a = esk_graph_add_var(g, "a"), b = esk_graph_add_var(g, "b");
    esk_id c = esk_graph_add_var(g, "c"), d = esk_graph_add_var(g, "d");
    add_raw(g, "Relu", b, c);
    add_raw(g, "Relu", a, b);
    add_raw(g, "Relu", 0, d);
    add_raw(g, "Relu", 0, a);
    expect_verify(m, ESK_OK, NULL);
    cr_assert_arr_eq(g->order, ((esk_id[]){3, 1, 0, 2}), 4 * sizeof(esk_id));
    g->nodes[3]->in[0] = c;
    expect_verify(m, ESK_INVALID_MODEL, "its inputs need its outputs");
    g->nodes[3]->in[0] = esk_graph_add_var(g, "lost");
    expect_verify(m, ESK_INVALID_MODEL, "Relu 'Relu_3': nothing makes input 0, 'lost'");
    esk_model_destroy(m);
}

/* A deep chain must not be a deep recursion. */
Test(model, a_long_chain_is_sorted) {
    enum { LENGTH = 200000 };
    esk_model *m = with_input(21);
    struct esk_graph *g = m->graph;
    char name[16];
    for (uint32_t i = 1; i <= LENGTH; i++) {
        snprintf(name, sizeof name, "v%u", i);
        esk_graph_add_var(g, name);
    }
    for (uint32_t i = LENGTH; i > 0; i--)
        add_raw(g, "Relu", i - 1, i);
    expect_verify(m, ESK_OK, NULL);
    cr_assert_eq(g->order[0], LENGTH - 1);
    esk_model_destroy(m);
}

/* ---- Bodies ---- */

static struct esk_attr *body_attr(struct esk_graph *g, esk_id node, const char *name,
                                  struct esk_graph *body) {
    struct esk_attr *attr = esk_node_add_attr(g, g->nodes[node], name);
    struct esk_graph **list = ESK_ARENA_NEW(&g->arena, struct esk_graph *);
    *list = body;
    attr->kind = ESK_ATTR_GRAPH;
    attr->graphs = list;
    cr_assert(esk_graph_add_body(g, body));
    return attr;
}

/* A graph that adds two names, which it does not make itself, into "sum". */
static struct esk_graph *adding(const char *a, const char *b) {
    struct esk_graph *g = esk_graph_create("adding");
    esk_id first = esk_graph_add_var(g, a);
    esk_id in[] = {first, strcmp(a, b) == 0 ? first : esk_graph_add_var(g, b)};
    esk_id out = esk_graph_add_var(g, "sum");
    esk_graph_add_node(g, "", "Add", NULL, 2, in, 1, &out);
    cr_assert(esk_graph_add_output(g, out));
    return g;
}

Test(model, outer_names_become_captures_at_every_level) {
    esk_model *m = with_input(21);
    struct esk_graph *g = m->graph;
    cr_assert_eq(esk_model_add_input(m, "c", ESK_BOOL, 0, NULL, NULL), ESK_OK);
    esk_id late = esk_graph_add_var(g, "late"), out = esk_graph_add_var(g, "out");
    /* out = If(c) { o = If(c) { x + late } }, late made behind it in the file */
    esk_id outer_if = add_raw(g, "If", 1, out);
    struct esk_graph *middle = esk_graph_create("middle");
    esk_id inner_if = add_raw(middle, "If", esk_graph_add_var(middle, "c"),
                              esk_graph_add_var(middle, "o"));
    cr_assert(esk_graph_add_output(middle, 1));
    struct esk_graph *inner = adding("x", "late");
    body_attr(middle, inner_if, "then_branch", inner);
    body_attr(middle, inner_if, "else_branch", adding("x", "x"));
    body_attr(g, outer_if, "then_branch", middle);
    body_attr(g, outer_if, "else_branch", adding("x", "x"));
    add_raw(g, "Relu", 0, late);
    cr_assert(esk_graph_add_output(g, out));
    expect_verify(m, ESK_OK, NULL);

    cr_assert_arr_eq(g->order, ((esk_id[]){1, 0}), 2 * sizeof(esk_id));
    cr_assert_eq(g->nodes[0]->n_captures, 3); /* c, x, late: each once */
    cr_assert_eq(middle->n_formal, 0);
    cr_assert_eq(middle->n_inputs, 3);
    cr_assert_eq(middle->nodes[0]->n_captures, 2);
    for (uint32_t i = 0; i < inner->n_inputs; i++) {
        const struct esk_var *var = inner->vars[inner->inputs[i]];
        const struct esk_var *around = middle->vars[var->outer];
        cr_assert(var->flags & ESK_VAR_CAPTURE);
        cr_assert_str_eq(var->name, around->name);
        cr_assert_str_eq(var->name, g->vars[around->outer]->name);
    }
    esk_model_destroy(m);
}

Test(model, captures_that_are_known_become_constants) {
    esk_model *m = with_input(21);
    struct esk_graph *g = m->graph;
    esk_id k = esk_graph_add_var(g, "k"), out = esk_graph_add_var(g, "out");
    esk_attribute value = {.name = "value_float", .kind = 'f', .f = 2};
    cr_assert_eq(esk_model_add_input(m, "c", ESK_BOOL, 0, NULL, NULL), ESK_OK);
    cr_assert_eq(esk_model_add_node(m, "", "Constant", NULL, NULL, 0, NAMES("two"), 1,
                                    &value, 1, NULL),
                 ESK_OK);
    (void)k;
    esk_id choice = add_raw(g, "If", 3, out);
    struct esk_graph *body = adding("x", "two");
    body_attr(g, choice, "then_branch", body);
    body_attr(g, choice, "else_branch", adding("x", "x"));
    add_raw(g, "Relu", 0, k);
    cr_assert(esk_graph_add_output(g, out));
    upgrade(m);
    cr_assert(g->nodes[0]->dead);
    cr_assert_eq(body->n_inputs, 1);
    cr_assert_eq(g->nodes[1]->n_captures, 1);
    cr_assert_eq(g->nodes[1]->captures[0], 0);
    expect_graph(m, "graph 'main' (x float[?,3], c bool[]) -> (out)\n"
                    "  const two float[]{2}\n"
                    "  If 'If_1' (c; x) -> out then_branch=graph else_branch=graph\n"
                    "    graph 'adding' (x float[?,3]) -> (sum)\n"
                    "      const two float[]{2}\n"
                    "      Add 'Add_0' (x, two) -> sum\n"
                    "    graph 'adding' (x float[?,3]) -> (sum)\n"
                    "      Add 'Add_0' (x, x) -> sum\n"
                    "  Relu 'Relu_2' (x) -> k\n");
    esk_model_destroy(m);
}

/* ---- Upgrade ---- */

Test(model, constants_become_known) {
    esk_model *m = with_input(21);
    esk_value *value;
    cr_assert_eq(esk_value_create(ESK_INT32, 1, (const int64_t[]){2}, &value, NULL),
                 ESK_OK);
    const esk_attribute attributes[] = {
        {.name = "value_int", .kind = 'i', .i = -3},
        {.name = "value_ints", .kind = 'I', .count = 2, .ints = (const int64_t[]){4, 5}},
        {.name = "value_float", .kind = 'f', .f = 0.5f},
        {.name = "value_floats", .kind = 'F', .count = 1, .floats = (const float[]){7}},
        {.name = "value", .kind = 't', .tensor = value},
    };
    const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(esk_model_add_node(m, "", "Constant", NULL, NULL, 0, &names[i], 1,
                                        &attributes[i], 1, NULL),
                     ESK_OK);
    esk_value_destroy(value);
    upgrade(m);
    expect_graph(m, "graph 'main' (x float[?,3]) -> ()\n"
                    "  const a int64[]{-3}\n"
                    "  const b int64[2]{4,5}\n"
                    "  const c float[]{0.5}\n"
                    "  const d float[1]{7}\n"
                    "  init e int32[2]{0,0}\n");
    esk_model_destroy(m);

    m = with_input(21);
    esk_attribute text = {.name = "value_string", .kind = 's', .s = "a"};
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_model_add_node(m, "", "Constant", "k", NULL, 0, NAMES("a"), 1, &text,
                                    1, NULL),
                 ESK_OK);
    expect_verify(m, ESK_OK, NULL);
    cr_assert_eq(esk_model_upgrade(m, NULL, &error), ESK_UNSUPPORTED);
    cr_assert_str_eq(esk_error_message(&error), "graph 'main': Constant 'k': attribute "
                                                "'value_string' is not supported");
    esk_error_clear(&error);
    esk_model_destroy(m);
}

/* A function of the domain "my" with one input and one output; its graph is empty. */
static struct esk_graph *add_function(esk_model *m, const char *name) {
    cr_assert(esk_grow((void **)&m->functions, &m->cap_functions, m->n_functions + 1,
                       sizeof *m->functions));
    struct esk_function *f = &m->functions[m->n_functions++];
    f->domain = "my";
    f->name = name;
    f->overload = "";
    f->n_opsets = 2;
    f->opsets = ESK_ARENA_ARRAY(&m->arena, struct esk_opset, 2);
    f->opsets[0] = (struct esk_opset){"", 21};
    f->opsets[1] = (struct esk_opset){"my", 1};
    f->graph = esk_graph_create(name);
    esk_id in = esk_graph_add_var(f->graph, "in");
    esk_graph_add_var(f->graph, "out");
    cr_assert(esk_graph_add_input(f->graph, in));
    cr_assert(esk_graph_add_output(f->graph, 1));
    return f->graph;
}

static void call(esk_model *m, const char *function, const char *in, const char *out,
                 const esk_attribute *attribute) {
    cr_assert_eq(esk_model_add_node(m, "my", function, NULL, &in, 1, &out, 1, attribute,
                                    attribute != NULL, NULL),
                 ESK_OK);
}

Test(model, functions_are_expanded_with_their_attributes) {
    esk_model *m = with_input(21);
    struct esk_graph *leak = add_function(m, "Leak");
    add_raw(leak, "LeakyRelu", 0, 1);
    struct esk_attr *attr = esk_node_add_attr(leak, leak->nodes[0], "alpha");
    attr->kind = ESK_ATTR_FLOAT;
    attr->ref = "slope";
    struct esk_attr *defaults = ESK_ARENA_NEW(&m->arena, struct esk_attr);
    *defaults = (struct esk_attr){.name = "slope", .kind = ESK_ATTR_FLOAT, .count = 1};
    defaults->f = 0.25f;
    m->functions[0].defaults = defaults;
    m->functions[0].n_defaults = 1;
    struct esk_graph *twice = add_function(m, "Twice");
    esk_id middle = esk_graph_add_var(twice, "middle");
    esk_graph_add_node(twice, "my", "Leak", "first", 1, (const esk_id[]){0}, 1, &middle);
    esk_graph_add_node(twice, "my", "Leak", "second", 1, &middle, 1, (const esk_id[]){1});

    esk_attribute slope = {.name = "slope", .kind = 'f', .f = 0.5f};
    call(m, "Leak", "x", "a", &slope);
    call(m, "Twice", "a", "b", NULL);
    cr_assert_eq(esk_model_add_output(m, "b", NULL), ESK_OK);
    struct esk_model *copy = NULL;
    cr_assert_eq(esk_model_copy(m, &copy, NULL), ESK_OK);
    upgrade(m);
    static const char expected[] =
        "graph 'main' (x float[?,3]) -> (b)\n"
        "  LeakyRelu 'Leak_0/LeakyRelu_0' (x) -> a alpha=0.5\n"
        "  LeakyRelu 'Twice_1/first/LeakyRelu_0' (a) -> Twice_1/middle#3 alpha=0.25\n"
        "  LeakyRelu 'Twice_1/second/LeakyRelu_0' (Twice_1/middle#3) -> b alpha=0.25\n";
    expect_graph(m, expected);
    esk_model_destroy(m);
    expect_graph(copy, "graph 'main' (x float[?,3]) -> (b)\n"
                       "  my.Leak 'Leak_0' (x) -> a slope=0.5\n"
                       "  my.Twice 'Twice_1' (a) -> b\n");
    upgrade(copy);
    expect_graph(copy, expected);
    esk_model_destroy(copy);
}

Test(model, functions_that_call_themselves_are_refused) {
    esk_model *m = with_input(21);
    struct esk_graph *a = add_function(m, "A"), *b = add_function(m, "B");
    esk_graph_add_node(a, "my", "B", NULL, 1, (const esk_id[]){0}, 1,
                       (const esk_id[]){1});
    esk_graph_add_node(b, "my", "A", NULL, 1, (const esk_id[]){0}, 1,
                       (const esk_id[]){1});
    call(m, "A", "x", "y", NULL);
    expect_verify(m, ESK_INVALID_MODEL, "calls itself");
    esk_model_destroy(m);
}

/* 2^39 nodes in a file of a few kilobytes. */
Test(model, functions_that_grow_without_bound_are_refused) {
    static char names[40][8];
    esk_model *m = with_input(21);
    esk_error error = ESK_ERROR_INIT;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "F%d", i);
        struct esk_graph *f = add_function(m, names[i]);
        if (i == 0) {
            add_raw(f, "Relu", 0, 1);
            continue;
        }
        esk_id middle = esk_graph_add_var(f, "middle");
        esk_graph_add_node(f, "my", names[i - 1], NULL, 1, (const esk_id[]){0}, 1,
                           &middle);
        esk_graph_add_node(f, "my", names[i - 1], NULL, 1, &middle, 1,
                           (const esk_id[]){1});
    }
    call(m, "F39", "x", "y", NULL);
    expect_verify(m, ESK_OK, NULL);
    cr_assert_eq(esk_model_upgrade(m, NULL, &error), ESK_UNSUPPORTED);
    cr_assert_not_null(strstr(esk_error_message(&error), "expanded functions pass"));
    esk_error_clear(&error);
    esk_model_destroy(m);
}

Test(model, a_copy_shares_the_bytes_and_outlives_the_model) {
    esk_model *m = with_input(21);
    esk_value *value;
    struct esk_model *copy = NULL;
    cr_assert_eq(esk_value_create(ESK_FLOAT, 1, (const int64_t[]){3}, &value, NULL),
                 ESK_OK);
    cr_assert_eq(esk_model_add_constant(m, "k", value, NULL), ESK_OK);
    esk_value_destroy(value);
    cr_assert_eq(add(m, "Relu", NAMES("k"), NAMES("y"), NULL), ESK_OK);
    cr_assert_eq(esk_model_copy(m, &copy, NULL), ESK_OK);
    const struct esk_var *k = m->graph->vars[1];
    cr_assert_eq(copy->graph->vars[1]->data, k->data);
    cr_assert_eq(copy->graph->vars[1]->blob, k->blob);
    cr_assert_eq(atomic_load(&k->blob->refs), 2);
    esk_model_destroy(m);
    cr_assert_eq(((const float *)copy->graph->vars[1]->data)[2], 0);
    cr_assert_str_eq(esk_model_input(copy, 0)->name, "x");
    esk_model_destroy(copy);
}
