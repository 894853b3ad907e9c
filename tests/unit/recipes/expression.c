/* Statements of elementwise nodes, as text. */
#include "recipes/expression.h"

#include <criterion/criterion.h>

static bool read_other(void *user, esk_id id, struct esk_text *arg) {
    (void)user, (void)id;
    esk_text_add(arg, "vec4(LOAD_E(at))");
    return true;
}

/* The statement of a node over v (var 0, given) and a tensor (var 1, read). */
static void check(esk_id first, esk_id second, const char *glsl, const char *expected) {
    struct esk_var v = {.dtype = ESK_FLOAT}, e = {.dtype = ESK_FLOAT},
                   y = {.dtype = ESK_FLOAT};
    struct esk_var *vars[] = {&v, &e, &y};
    esk_id in[] = {first, second}, out[] = {2};
    struct esk_op op = {.name = "Test"};
    struct esk_node node = {.op = &op, .in = in, .n_in = 2, .out = out, .n_out = 1};
    struct esk_graph graph = {.vars = vars, .n_vars = 3};
    struct esk_ctx c = {.graph = &graph, .node = &node};
    struct esk_body b = {.c = &c, .vec4 = true, .read = read_other};
    esk_body_given(&b, 0, "v");
    cr_assert(esk_body_add(&b, &node, glsl, 2, 0));
    cr_assert_str_eq(esk_text_str(&b.text), expected);
    esk_body_finish(&b);
}

/* A sum is one program, whichever side the residual is on; a difference is two. */
Test(expression, sides) {
    const char *sum = "vec4 t1 = (v + vec4(LOAD_E(at)));";
    check(0, 1, "($a + $b)", sum);
    check(1, 0, "($a + $b)", sum);
    check(1, 0, "($a * $b)", "vec4 t1 = (v * vec4(LOAD_E(at)));");
    check(1, 0, "($a - $b)", "vec4 t1 = (vec4(LOAD_E(at)) - v);");
}
