/* The graph: building, order, uses, copies, storage. */
#include "ir/graph.h"

#include <criterion/criterion.h>
#include <string.h>

static esk_id node(struct esk_graph *g, const char *op, esk_id a, esk_id b, esk_id out) {
    esk_id in[] = {a, b};
    return esk_graph_add_node(g, "", op, NULL, b == ESK_NONE ? 1 : 2, in, 1, &out);
}

/* x -> Relu -> r; Add(r, k) -> y */
static struct esk_graph *small(void) {
    struct esk_graph *g = esk_graph_create("main");
    esk_id x = esk_graph_add_var(g, "x"), r = esk_graph_add_var(g, "r");
    esk_id y = esk_graph_add_var(g, "y");
    struct esk_var *var = g->vars[x];
    var->dtype = ESK_FLOAT;
    var->rank = 2;
    var->dim[1] = 3;
    esk_id k = esk_graph_add_const(g, "k", ESK_FLOAT, 1, (const int64_t[]){3},
                                   (const float[]){1, 2, 3});
    cr_assert(esk_graph_add_input(g, x));
    node(g, "Relu", x, ESK_NONE, r);
    node(g, "Add", r, k, y);
    cr_assert(esk_graph_add_output(g, y));
    return g;
}

static void expect_print(const struct esk_graph *g, const char *expected) {
    struct esk_text text = {0};
    esk_graph_print(g, &text);
    cr_assert_str_eq(esk_text_str(&text), expected);
    esk_text_finish(&text);
}

#define SMALL                              \
    "graph 'main' (x float[?,3]) -> (y)\n" \
    "  const k#3 float[3]{1,2,3}\n"        \
    "  Relu 'Relu_0' (x) -> r\n"           \
    "  Add 'Add_1' (r, k#3) -> y\n"

Test(graph, prints) {
    struct esk_graph *g = small();
    expect_print(g, SMALL);
    cr_assert_eq(g->vars[1]->producer, 0);
    cr_assert_eq(g->vars[0]->producer, ESK_NONE);
    cr_assert_eq(g->n_formal, 1);
    esk_graph_destroy(g);
}

Test(graph, counts_uses) {
    struct esk_graph *g = small();
    cr_assert_eq(esk_graph_count_uses(g, 0), 1);
    cr_assert_eq(esk_graph_only_user(g, 0), 0);
    cr_assert_eq(esk_graph_count_uses(g, 2), 1);
    cr_assert_eq(esk_graph_only_user(g, 2), ESK_NONE); /* an output */
    g->nodes[1]->in[1] = 1;                            /* Add(r, r) */
    cr_assert_eq(esk_graph_count_uses(g, 1), 2);
    cr_assert_eq(esk_graph_only_user(g, 1), 1);
    g->nodes[1]->dead = true;
    cr_assert_eq(esk_graph_count_uses(g, 1), 0);
    esk_graph_destroy(g);
}

Test(graph, replaces_uses) {
    struct esk_graph *g = small();
    esk_graph_replace_uses(g, 1, 0);
    cr_assert_eq(g->nodes[1]->in[0], 0);
    esk_graph_replace_uses(g, 2, 1);
    cr_assert_eq(g->outputs[0], 1);
    cr_assert(g->vars[1]->flags & ESK_VAR_OUTPUT);
    cr_assert_not(g->vars[2]->flags & ESK_VAR_OUTPUT);
    esk_graph_destroy(g);
}

Test(graph, moves_in_the_order) {
    struct esk_graph *g = esk_graph_create("g");
    for (int i = 0; i < 7; i++)
        node(g, "Op", ESK_NONE, ESK_NONE, esk_graph_add_temp(g, "v"));
    esk_graph_order_move(g, 5, 2);
    cr_assert_arr_eq(g->order, ((esk_id[]){0, 1, 5, 6, 2, 3, 4}), sizeof(esk_id) * 7);
    esk_graph_order_move(g, 7, 0); /* nothing */
    esk_graph_order_move(g, 3, 3);
    cr_assert_arr_eq(g->order, ((esk_id[]){0, 1, 5, 6, 2, 3, 4}), sizeof(esk_id) * 7);
    esk_graph_destroy(g);
}

Test(graph, attributes) {
    struct esk_graph *g = small();
    struct esk_node *n = g->nodes[0];
    int64_t ints[2] = {0};
    cr_assert_eq(esk_attr_int(n, "axis", -1), -1);
    cr_assert(esk_node_set_int(g, n, "axis", 2));
    cr_assert(esk_node_set_float(g, n, "alpha", 0.5f));
    cr_assert(esk_node_set_ints(g, n, "pads", 3, (const int64_t[]){1, 2, 3}));
    cr_assert(esk_node_set_string(g, n, "mode", "linear"));
    cr_assert(esk_node_set_int(g, n, "axis", 3));
    cr_assert_eq(n->n_attrs, 4);
    cr_assert_eq(esk_attr_int(n, "axis", -1), 3);
    cr_assert_eq(esk_attr_int(n, "alpha", -1), -1); /* of another kind */
    cr_assert_eq(esk_attr_float(n, "alpha", 0), 0.5f);
    cr_assert_eq(esk_attr_ints(n, "pads", ints, 2), 3);
    cr_assert_eq(ints[1], 2);
    cr_assert_str_eq(esk_attr_string(n, "mode", ""), "linear");
    cr_assert_null(esk_attr_graph(n, "body"));
    esk_node_remove_attr(n, "alpha");
    esk_node_remove_attr(n, "alpha");
    cr_assert_eq(n->n_attrs, 3);
    cr_assert_str_eq(esk_attr_string(n, "mode", ""), "linear");
    esk_graph_destroy(g);
}

static void count_release(void *user, void *data, size_t size) {
    (void)data;
    (void)size;
    ++*(int *)user;
}

/* A node with a body that takes `r` of the graph around. */
static struct esk_graph *with_body(struct esk_graph *g) {
    struct esk_graph *body = esk_graph_create("body");
    esk_id inner = esk_graph_add_var(body, "r"), out = esk_graph_add_var(body, "o");
    body->vars[inner]->flags |= ESK_VAR_CAPTURE;
    body->vars[inner]->outer = 1;
    cr_assert(esk_graph_add_input(body, inner));
    node(body, "Neg", inner, ESK_NONE, out);
    cr_assert(esk_graph_add_output(body, out));
    struct esk_node *n = g->nodes[node(g, "If", 0, ESK_NONE, esk_graph_add_var(g, "i"))];
    struct esk_attr *attr = esk_node_add_attr(g, n, "then_branch");
    struct esk_graph **list = ESK_ARENA_NEW(&g->arena, struct esk_graph *);
    *list = body;
    attr->kind = ESK_ATTR_GRAPH;
    attr->graphs = list;
    cr_assert(esk_graph_add_body(g, body));
    n->captures = ESK_ARENA_NEW(&g->arena, esk_id);
    n->captures[0] = 1;
    n->n_captures = 1;
    return body;
}

Test(graph, captures_are_uses) {
    struct esk_graph *g = small(), *body = with_body(g);
    cr_assert_eq(body->n_formal, 0);
    cr_assert_eq(esk_graph_count_uses(g, 1), 2);
    cr_assert_eq(esk_graph_only_user(g, 1), ESK_NONE);
    esk_graph_replace_uses(g, 1, 0);
    cr_assert_eq(g->nodes[2]->captures[0], 0);
    cr_assert_eq(body->vars[0]->outer, 0);
    esk_graph_destroy(g);
}

Test(graph, a_clone_borrows_and_a_copy_stands_alone) {
    int released = 0;
    char bytes[12] = {0};
    struct esk_graph *g = small(), *body = with_body(g);
    struct esk_blob *blob =
        esk_blob_create(bytes, sizeof bytes, count_release, &released);
    cr_assert(esk_graph_hold(g, blob));
    cr_assert_eq(esk_graph_blob_of(g, bytes + 11), blob);
    cr_assert_null(esk_graph_blob_of(g, bytes + 12));

    struct esk_graph *clone = esk_graph_clone(g), *copy = esk_graph_copy(g);
    cr_assert_eq(esk_attr_graph(clone->nodes[2], "then_branch"), body);
    cr_assert_neq(esk_attr_graph(copy->nodes[2], "then_branch"), body);
    cr_assert(esk_node_set_int(clone, clone->nodes[0], "axis", 1));
    clone->vars[0]->dim[0] = 9;
    esk_graph_replace_uses(clone, 1, 0); /* bodies are not touched */
    cr_assert_eq(body->vars[0]->outer, 1);
    cr_assert_eq(clone->nodes[2]->captures[0], 0);
    cr_assert_eq(clone->nodes[2]->capture_keys[0], 1);
    cr_assert_eq(g->nodes[2]->captures[0], 1);
    cr_assert_eq(g->nodes[0]->n_attrs, 0);
    cr_assert_eq(g->vars[0]->dim[0], -1);
    esk_graph_destroy(clone);
    esk_graph_destroy(g);

    cr_assert_eq(released, 0);
    expect_print(copy, SMALL "  If 'If_2' (x; r) -> i then_branch=graph\n"
                             "    graph 'body' (r) -> (o)\n"
                             "      Neg 'Neg_0' (r) -> o\n");
    esk_graph_destroy(copy);
    cr_assert_eq(released, 1);
}

Test(graph, splices_a_body) {
    struct esk_graph *g = small(), *part = small();
    esk_id map[] = {2, ESK_NONE, ESK_NONE, ESK_NONE}; /* x of the part is y here */
    cr_assert(esk_graph_splice(g, part, "p", map));
    esk_graph_destroy(part);
    expect_print(g, "graph 'main' (x float[?,3]) -> (y)\n"
                    "  const k#3 float[3]{1,2,3}\n"
                    "  const p/k#3#6 float[3]{1,2,3}\n"
                    "  Relu 'Relu_0' (x) -> r\n"
                    "  Add 'Add_1' (r, k#3) -> y\n"
                    "  Relu 'p/Relu_0' (y) -> p/r#4\n"
                    "  Add 'p/Add_1' (p/r#4, p/k#3#6) -> p/y#5\n");
    esk_graph_destroy(g);
}

Test(graph, storage_follows_type_and_shape) {
    const int64_t even[] = {2, 3, 4}, odd[] = {2, 3, 5};
    cr_assert_eq(esk_storage_of(ESK_FLOAT, 3, odd, ESK_LAYOUT_DENSE), ESK_STORAGE_F32);
    cr_assert_eq(esk_storage_of(ESK_FLOAT16, 3, even, ESK_LAYOUT_DENSE),
                 ESK_STORAGE_F16X2);
    cr_assert_eq(esk_storage_of(ESK_FLOAT16, 3, odd, ESK_LAYOUT_DENSE), ESK_STORAGE_F32);
    cr_assert_eq(esk_storage_of(ESK_FLOAT16, 3, odd, ESK_LAYOUT_C4), ESK_STORAGE_F16X2);
    cr_assert_eq(esk_storage_of(ESK_FLOAT16, 0, NULL, ESK_LAYOUT_DENSE), ESK_STORAGE_F32);
    cr_assert_eq(esk_storage_of(ESK_FLOAT, 2, odd, ESK_LAYOUT_C4), ESK_STORAGE_HOST);
    cr_assert_eq(esk_storage_of(ESK_BOOL, 3, odd, ESK_LAYOUT_DENSE), ESK_STORAGE_U32);
    cr_assert_eq(esk_storage_of(ESK_INT8, 3, odd, ESK_LAYOUT_DENSE), ESK_STORAGE_I32);
    cr_assert_eq(esk_storage_of(ESK_UINT64, 3, odd, ESK_LAYOUT_DENSE), ESK_STORAGE_I64X2);
    cr_assert_eq(esk_storage_of(ESK_DOUBLE, 3, odd, ESK_LAYOUT_DENSE), ESK_STORAGE_HOST);
    cr_assert_eq(esk_storage_of(ESK_UINT4, 3, even, ESK_LAYOUT_DENSE), ESK_STORAGE_HOST);
}

Test(graph, storage_bytes_are_rounded) {
    const int64_t dims[] = {1, 5, 3, 3}, huge[] = {INT64_MAX / 2, 4};
    int64_t out[ESK_MAX_RANK];
    cr_assert_eq(esk_layout_dims(ESK_LAYOUT_C4, 4, dims, out), 4);
    cr_assert_arr_eq(out, ((int64_t[]){1, 3, 3, 8}), sizeof(int64_t) * 4);
    cr_assert_eq(esk_storage_bytes(ESK_STORAGE_F32, ESK_LAYOUT_C4, 4, dims), 72 * 4);
    cr_assert_eq(esk_storage_bytes(ESK_STORAGE_F16X2, ESK_LAYOUT_C4, 4, dims), 144);
    cr_assert_eq(esk_storage_bytes(ESK_STORAGE_F32, ESK_LAYOUT_DENSE, 4, dims), 192);
    cr_assert_eq(esk_storage_bytes(ESK_STORAGE_I64X2, ESK_LAYOUT_DENSE, 0, NULL), 16);
    cr_assert_gt(esk_storage_bytes(ESK_STORAGE_F32, ESK_LAYOUT_DENSE, 2, huge),
                 (size_t)1 << 62);
}

Test(graph, blobs_are_counted) {
    int released = 0;
    struct esk_blob *blob = esk_blob_create(&released, 4, count_release, &released);
    esk_blob_unref(esk_blob_ref(blob));
    cr_assert_eq(released, 0);
    esk_blob_unref(blob);
    cr_assert_eq(released, 1);
    esk_blob_unref(NULL);
    blob = esk_blob_heap(100);
    cr_assert_eq((uintptr_t)blob->data % 64, 0);
    esk_blob_unref(blob);
}
