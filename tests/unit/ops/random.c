/* What random operators draw: range, mean and spread; with a seed the same each run. */
#include "esker/esker.h"

#include <criterion/criterion.h>
#include <math.h>

enum { COUNT = 20000 };

/* Runs OP of shape [COUNT] twice on the CPU; `first` gets the first run's values; returns
 * whether the second gave the same. */
static bool run(const char *op, const char *a, float x, const char *b, float y,
                bool seeded, float *first) {
    const int64_t shape[] = {COUNT};
    const char *out[] = {"y"};
    const float seed = 5;
    esk_model *model;
    esk_env *env;
    esk_session_options *options;
    esk_session *session;
    bool same = true;
    esk_attribute attributes[] = {
        {.name = "shape", .kind = 'I', .count = 1, .ints = shape},
        {.name = a, .kind = 'f', .f = x},
        {.name = b, .kind = 'f', .f = y},
        {.name = "seed", .kind = 'f', .f = seed},
    };
    cr_assert_eq(esk_model_create("main", 22, &model, NULL), ESK_OK);
    cr_assert_eq(esk_model_add_node(model, "", op, NULL, NULL, 0, out, 1, attributes,
                                    seeded ? 4 : 3, NULL),
                 ESK_OK);
    cr_assert_eq(esk_model_add_output(model, "y", NULL), ESK_OK);
    cr_assert_eq(esk_env_create(NULL, &env, NULL), ESK_OK);
    cr_assert_eq(esk_session_options_create(&options, NULL), ESK_OK);
    cr_assert_eq(esk_session_options_append_provider(options, "CPU", NULL, NULL, 0, NULL),
                 ESK_OK);
    cr_assert_eq(esk_session_create_from_model(env, model, options, &session, NULL),
                 ESK_OK);
    for (int r = 0; r < 2; r++) {
        esk_value *value = NULL;
        cr_assert_eq(esk_session_run(session, NULL, NULL, NULL, 0, NULL, &value, 1, NULL),
                     ESK_OK);
        const float *data = esk_value_const_data(value);
        for (int i = 0; i < COUNT; i++)
            if (r)
                same &= data[i] == first[i];
            else
                first[i] = data[i];
        esk_value_destroy(value);
    }
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    esk_model_destroy(model);
    return same;
}

static void moments(const float *x, double *mean, double *spread) {
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++)
        sum += (double)x[i];
    *mean = sum / COUNT;
    for (int i = 0; i < COUNT; i++)
        squares += ((double)x[i] - *mean) * ((double)x[i] - *mean);
    *spread = sqrt(squares / COUNT);
}

Test(random, normal_has_the_mean_and_scale_asked_for) {
    static float x[COUNT];
    double mean, spread;
    cr_assert(run("RandomNormal", "mean", 2, "scale", 0.5f, true, x), "a seed: the same");
    moments(x, &mean, &spread);
    cr_assert_float_eq(mean, 2, 0.02);
    cr_assert_float_eq(spread, 0.5, 0.02);
}

Test(random, uniform_stays_in_range_and_fills_it) {
    static float x[COUNT];
    double mean, spread;
    cr_assert_not(run("RandomUniform", "low", -1, "high", 3, false, x),
                  "no seed: others");
    moments(x, &mean, &spread);
    for (int i = 0; i < COUNT; i++)
        cr_assert(x[i] >= -1 && x[i] <= 3);
    cr_assert_float_eq(mean, 1, 0.05);
    cr_assert_float_eq(spread, 4 / sqrt(12), 0.05);
}
