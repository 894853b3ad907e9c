/* Texts of patterns against small graphs: what fits, what is named, what is near and does
 * not fit; that a rewrite keeps a value that somebody else needs. */
#include "compile/match.h"
#include "house.h"

static const struct esk_compile_options options = {.limits = &floor_limits, .level = 3};

static esk_id var_named(const struct esk_graph *graph, const char *name) {
    for (uint32_t i = 0; i < graph->n_vars; i++)
        if (strcmp(graph->vars[i]->name, name) == 0)
            return i;
    return ESK_NONE;
}

/* Whether `text` fits the node that makes `name`. */
static bool fits(esk_model *model, const char *name, const char *text,
                 struct esk_match *m) {
    struct esk_graph *graph = model->graph;
    uint32_t *uses = esk_count_uses(graph, NULL);
    cr_assert(uses);
    *m = (struct esk_match){.graph = graph, .uses = uses};
    m->root = graph->nodes[graph->vars[var_named(graph, name)]->producer];
    bool found = esk_match_try(m, text);
    esk_free(uses);
    m->uses = NULL;
    return found;
}

static void add_scalar(esk_model *model, const char *name, float number) {
    esk_value *value = NULL;
    OK(esk_value_create(ESK_FLOAT, 0, NULL, &value, &error));
    *(float *)esk_value_data(value) = number;
    OK(esk_model_add_constant(model, name, value, &error));
    esk_value_destroy(value);
}

/* y = (x + 2) * relu(x + 2), z = relu(w) - x */
static esk_model *small(void) {
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 3, 4);
    add_scalar(model, "two", 2);
    ZEROS(model, "w", 3, 4);
    add_node(model, "Add", "two x", "a");
    add_node(model, "Relu", "a", "r");
    add_node(model, "Mul", "a r", "y");
    add_node(model, "Relu", "w", "v");
    add_node(model, "Sub", "v x", "z");
    add_output(model, "y");
    add_output(model, "z");
    prepare(model, &options);
    return model;
}

Test(match, names_and_exchange) {
    esk_model *model = small();
    struct esk_match m;
    cr_assert(fits(model, "y", "Mul(Add*(x,=2),n:Relu(_))", &m));
    cr_assert_eq(esk_match_id(&m, 'x'), var_named(model->graph, "x"));
    cr_assert_str_eq(esk_match_node(&m, 'n')->name, "r");
    cr_assert(fits(model, "y", "Mul(a,Relu(a))", &m), "the same value twice");
    cr_assert(fits(model, "y", "Mul*(Relu(a),a)", &m), "exchanged");
    cr_assert(fits(model, "y", "Div|Mul*(Relu(a),_)", &m), "either operator");
    cr_assert(fits(model, "y", "Mul(_,..)", &m), "other inputs");
    cr_assert(fits(model, "y", "Mul({Sub(_,_)/Add(#t,x)},Relu(_))", &m), "alternatives");
    cr_assert_float_eq(esk_match_number(&m, 't'), 2, 0);
    cr_assert(fits(model, "z", "Sub(Relu($w),x)", &m));
    esk_model_destroy(model);
}

Test(match, near_is_not_enough) {
    esk_model *model = small();
    struct esk_match m;
    cr_assert_not(fits(model, "y", "Mul(Relu(a),a)", &m), "not exchanged");
    cr_assert_not(fits(model, "y", "Mul*(Relu(x),Add*(x,_))", &m), "another value");
    cr_assert_not(fits(model, "y", "Mul(Add*(x,=3),Relu(_))", &m), "another number");
    cr_assert_not(fits(model, "y", "Mul(Add(x,=2),Relu(_))", &m), "another order");
    cr_assert_not(fits(model, "y", "Mul(_)", &m), "too many inputs");
    cr_assert_not(fits(model, "y", "Mul(_,_,x)", &m), "too few inputs");
    cr_assert_not(fits(model, "y", "Mul($a,_)", &m), "not known");
    cr_assert_not(fits(model, "y", "ms.Mul(_,_)", &m), "another domain");
    cr_assert_not(fits(model, "y", "Mu(_,_)", &m), "a part of the name");
    cr_assert_not(fits(model, "z", "Sub(Relu(#w),x)", &m), "not one element");
    cr_assert_not(fits(model, "r", "Relu(Add(_,_))", &m), "a has another use");
    esk_model_destroy(model);
}

/* Every pattern belongs to a pass of the table. */
Test(match, patterns_have_passes) {
    const struct esk_pattern *table;
    size_t count = 0;
    for (size_t t = 0; (table = esk_pattern_table(t)); t++)
        for (; table->pass; table++, count++)
            cr_assert(esk_pass_named(table->pass), "%s", table->pass);
    cr_assert_gt(count, 20);
}

Test(match, levels_are_nested) {
    for (size_t i = 0; esk_pass_at(i); i++) {
        bool before = true;
        for (int level = ESK_LEVEL_ALL; level <= ESK_LEVEL_DISABLED; level++) {
            struct esk_compile_options at = {.level = level};
            bool on = esk_pass_enabled(&at, esk_pass_at(i)->name);
            cr_assert(before || !on, "%s", esk_pass_at(i)->name);
            before = on;
        }
    }
    const char *const off[] = {"fuse_norms", NULL};
    struct esk_compile_options at = {.disabled = off};
    cr_assert_not(esk_pass_enabled(&at, "fuse_norms"));
    cr_assert(esk_pass_enabled(&at, "fuse_epilogues"));
}
