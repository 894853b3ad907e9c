/* What a user writes: a model of one Neg, made by the builder and run on the CPU. Prints
 * the version and its result. */
#include <esker/esker.h>

#include <stdio.h>

int main(void) {
    esk_error error = ESK_ERROR_INIT;
    const char *in = "x", *out = "y";
    const int64_t dims[] = {3};
    esk_env *env;
    esk_model *model;
    esk_session_options *options;
    esk_session *session;
    esk_value *x, *y = NULL;
    if (esk_env_create(NULL, &env, &error) != ESK_OK ||
        esk_model_create("neg", 13, &model, &error) != ESK_OK ||
        esk_model_add_input(model, in, ESK_FLOAT, 1, dims, &error) != ESK_OK ||
        esk_model_add_node(model, "", "Neg", "n", &in, 1, &out, 1, NULL, 0, &error) !=
            ESK_OK ||
        esk_model_add_output(model, out, &error) != ESK_OK ||
        esk_session_options_create(&options, &error) != ESK_OK ||
        esk_session_options_append_provider(options, "CPU", NULL, NULL, 0, &error) !=
            ESK_OK ||
        esk_session_create_from_model(env, model, options, &session, &error) != ESK_OK ||
        esk_value_create(ESK_FLOAT, 1, dims, &x, &error) != ESK_OK)
        return fprintf(stderr, "%s\n", esk_error_message(&error)), 1;
    for (int i = 0; i < 3; i++)
        ((float *)esk_value_data(x))[i] = (float)i;
    if (esk_session_run(session, NULL, &in, &x, 1, NULL, &y, 1, &error) != ESK_OK)
        return fprintf(stderr, "%s\n", esk_error_message(&error)), 1;
    const float *r = esk_value_const_data(y);
    printf("%s: %g %g %g\n", esk_version(), (double)r[0], (double)r[1], (double)r[2]);
    esk_value_destroy(x);
    esk_value_destroy(y);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_model_destroy(model);
    esk_env_destroy(env);
    return 0;
}
