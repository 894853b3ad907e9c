/* Two models, one after the other: what the first makes stays on the device and is the
 * second's input without a copy. Inputs of the first are ones.
 *
 *   device_chain FIRST.onnx SECOND.onnx [GLCompute|CPU] */
#include <esker/esker.h>

#include <stdio.h>
#include <stdlib.h>

static esk_error error = ESK_ERROR_INIT;

static void check(esk_status status) {
    if (status != ESK_OK) {
        fprintf(stderr, "%s: %s\n", esk_status_name(status), esk_error_message(&error));
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc < 3)
        return fprintf(stderr, "usage: device_chain FIRST SECOND [GLCompute|CPU]\n"), 2;
    esk_env *env;
    esk_session_options *options;
    esk_session *sessions[2];
    esk_binding *bindings[2];
    check(esk_env_create(NULL, &env, &error));
    check(esk_session_options_create(&options, &error));
    check(esk_session_options_append_provider(options, argc > 3 ? argv[3] : "GLCompute",
                                              NULL, NULL, 0, &error));
    for (int i = 0; i < 2; i++) { /* of one env: they share the device */
        check(esk_session_create(env, argv[1 + i], options, &sessions[i], &error));
        check(esk_binding_create(sessions[i], &bindings[i], &error));
    }
    esk_session_options_destroy(options);

    size_t n_in = esk_session_input_count(sessions[0]);
    esk_value **held = calloc(n_in + 1, sizeof *held);
    for (size_t i = 0; i < n_in; i++) {
        const esk_value_info *info = esk_session_input(sessions[0], i);
        int64_t dims[ESK_MAX_RANK];
        if (info->has_default)
            continue;
        for (int d = 0; d < info->rank; d++)
            dims[d] = info->dims[d] < 0 ? 1 : info->dims[d];
        check(esk_value_create(info->dtype, info->rank, dims, &held[i], &error));
        float *data = info->dtype == ESK_FLOAT ? esk_value_data(held[i]) : NULL;
        for (int64_t k = 0; data && k < esk_value_count(held[i]); k++)
            data[k] = 1;
        check(esk_binding_input(bindings[0], info->name, held[i], &error));
    }
    const char *between = esk_session_output(sessions[0], 0)->name;
    const char *last = esk_session_output(sessions[1], 0)->name;
    check(esk_binding_output_at(bindings[0], between, ESK_ON_DEVICE, &error));
    check(esk_binding_output_at(bindings[1], last, ESK_ON_HOST, &error));

    check(esk_session_run_binding(sessions[0], NULL, bindings[0], &error));
    check(esk_binding_input(bindings[1], esk_session_input(sessions[1], 0)->name,
                            esk_binding_value(bindings[0], between), &error));
    check(esk_session_run_binding(sessions[1], NULL, bindings[1], &error));

    const esk_value *y = esk_binding_value(bindings[1], last);
    printf("%s:", last);
    for (int d = 0; d < esk_value_rank(y); d++)
        printf(" %lld", (long long)esk_value_dims(y)[d]);
    if (esk_value_dtype(y) == ESK_FLOAT && esk_value_size(y))
        printf(" = %g …", (double)*(const float *)esk_value_const_data(y));
    puts("");
    for (int i = 1; i >= 0; i--) {
        esk_binding_destroy(bindings[i]);
        esk_session_destroy(sessions[i]);
    }
    for (size_t i = 0; i < n_in; i++)
        esk_value_destroy(held[i]);
    free(held);
    esk_env_destroy(env);
    return 0;
}
