/* compile/tuning: the table's text, and picks with a clock of ours. */
#include "house.h"

#include "compile/tuning.h"

static const char driver[] = "a | b | c";

static esk_status read_text(struct esk_tuning *t, const char *text, esk_error *error) {
    return esk_tuning_read(t, driver, text, error);
}

Test(tuning, text) {
    struct esk_tuning t;
    struct esk_text text = {0};
    OK(esk_tuning_init(&t, &error));
    OK(read_text(
        &t,
        "# esker tuning 1\ndriver x\nk0\tother\t1\ndriver a | b | c\nk1\tone\t2.5\n\n"
        "k1\tlater\t1\nk2\ttwo\t3\ndriver y\nk1\tother\t9\n",
        &error));
    cr_assert(t.count == 2 && t.measured == 0);
    esk_tuning_write(&t, driver,
                     "# esker tuning 1\ndriver x\nk0\tother\t1\ndriver a | b | c\n"
                     "k9\tgone\t1\n",
                     &text);
    cr_assert_str_eq(esk_text_str(&text),
                     "# esker tuning 1\ndriver x\nk0\tother\t1\n"
                     "driver a | b | c\nk1\tone\t2.5\nk2\ttwo\t3.0\n");
    esk_text_finish(&text);
    esk_tuning_finish(&t);
}

Test(tuning, bad_text) {
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "it is empty"},
        {"hello\n", "line 1 is not '# esker tuning 1'"},
        {"# esker tuning 2\n", "line 1 is not"},
        {"# esker tuning 1\ndriver x\nno tabs\n", "line 3 is no 'key, tab"},
        {"# esker tuning 1\nk\tonly one\n", "line 2 is no"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct esk_tuning t;
        esk_error error = ESK_ERROR_INIT;
        OK(esk_tuning_init(&t, &error));
        cr_assert_eq(read_text(&t, rows[i].text, &error), ESK_INVALID_ARGUMENT);
        cr_assert(strstr(esk_error_message(&error), rows[i].says), "%s",
                  esk_error_message(&error));
        esk_error_clear(&error);
        esk_tuning_finish(&t);
    }
}

/* A clock by which the last recipe of a node is the fastest. */
static int asked;

static bool later_is_faster(void *user, const struct esk_plan *plan, double *us) {
    const double *first = user;
    cr_assert(plan->n_commands && plan->n_stages == 1 && plan->n_slabs == 1);
    for (uint32_t i = 0; i < plan->n_buffers; i++)
        for (uint32_t j = 0; j < i; j++) {
            const struct esk_place *a = &plan->buffers[i].place,
                                   *b = &plan->buffers[j].place;
            cr_assert(a->offset + a->bytes <= b->offset ||
                      b->offset + b->bytes <= a->offset);
        }
    *us = *first - 10 * asked++;
    return true;
}

static bool cannot(void *user, const struct esk_plan *plan, double *us) {
    (void)user, (void)plan, (void)us;
    asked++;
    return false;
}

/* The label of the only node's recipe. */
static const char *label(esk_model *model, const struct esk_compile_options *options) {
    static char text[64];
    struct esk_plan *plan = bind(model, options);
    snprintf(text, sizeof text, "%s", plan->graph->nodes[0]->label);
    esk_plan_destroy(plan);
    return text;
}

Test(tuning, picks) {
    double start = 1000;
    struct esk_tuning t;
    OK(esk_tuning_init(&t, &error));
    struct esk_tuner tuner = {.tuning = &t, .measure = later_is_faster, .user = &start};
    struct esk_compile_options plain = {.limits = &floor_limits}, tuned = plain;
    tuned.tuner = &tuner;
    esk_model *model = new_model();
    INPUT(model, "x", ESK_FLOAT, 8, 64);
    ZEROS(model, "w", 64, 32);
    add_node(model, "MatMul", "x w", "y");
    add_output(model, "y");
    prepare(model, &plain);
    char rule[64];
    strcpy(rule, label(model, &plain));
    cr_assert_str_eq(label(model, &tuned), rule, "an empty table changes nothing");
    tuner.effort = ESK_EFFORT_QUICK;
    cr_assert_str_eq(label(model, &tuned), rule, "a light node");
    cr_assert(asked == 0 && t.count == 0);

    tuner.effort = ESK_EFFORT_FULL;
    tuner.measure = cannot;
    cr_assert_str_eq(label(model, &tuned), rule);
    cr_assert(asked > 1 && t.count == 0, "nothing could be timed: nothing is remembered");
    asked = 0;
    tuner.measure = later_is_faster;
    char best[64];
    strcpy(best, label(model, &tuned));
    cr_assert_str_neq(best, rule);
    cr_assert(asked > 1 && t.count == 1 && t.measured == 1);
    cr_assert_str_eq(t.choices[0].label, best);
    asked = 0;
    cr_assert_str_eq(label(model, &tuned), best);
    cr_assert_eq(asked, 0, "it is known");
    tuner.effort = ESK_EFFORT_TABLE;
    cr_assert_str_eq(label(model, &tuned), best, "results are used without measuring");
    cr_assert_str_eq(label(model, &plain), rule, "off");

    /* a label that this device's recipes do not have */
    strcpy(t.choices[0].label, "?");
    cr_assert_str_eq(label(model, &tuned), rule);
    esk_tuning_finish(&t);
    esk_model_destroy(model);
}
