/* Esker's API on one page: lists the devices, loads a model, runs it on tensors of ones
 * and prints the outputs. */
#include <esker/esker.h>

#include <stdio.h>
#include <stdlib.h>

/* Every fallible call returns a status and leaves a message in its esk_error. */
static esk_error error = ESK_ERROR_INIT;

static void check(esk_status status) {
    if (status != ESK_OK) {
        fprintf(stderr, "%s: %s\n", esk_status_name(status), esk_error_message(&error));
        exit(1);
    }
}

/* Log lines are the caller's to show: a fallback, a software renderer, … */
static void print_log(void *user, esk_log_level level, const char *text) {
    (void)user;
    fprintf(stderr, "log %d: %s\n", (int)level, text);
}

int main(int argc, char **argv) {
    if (argc < 2)
        return fprintf(stderr, "usage: %s MODEL.onnx [GLCompute|CPU]\n", argv[0]), 2;

    /* The environment owns the devices; all sessions share it. */
    esk_env *env;
    check(esk_env_create(esk_env_options(.log = print_log, .log_level = ESK_LOG_WARNING),
                         &env, &error));

    /* Which devices there are. */
    esk_device_list *devices;
    check(esk_device_list_create(env, &devices, NULL, &error));
    for (size_t i = 0; i < esk_device_list_count(devices); i++) {
        const esk_device_info *d = esk_device_list_get(devices, i);
        printf("%s %d (%s): %s\n", d->provider, d->device_id, d->rung,
               d->unusable != NULL ? d->unusable : d->renderer);
    }
    esk_device_list_destroy(devices);

    /* A session: a model made ready. Nodes that the provider lacks go to the CPU. */
    esk_session_options *options;
    esk_session *session;
    check(esk_session_options_create(&options, &error));
    check(esk_session_options_append_provider(options, argc > 2 ? argv[2] : "GLCompute",
                                              NULL, NULL, 0, &error));
    check(esk_session_create(env, argv[1], options, &session, &error));
    esk_session_options_destroy(options);

    /* A tensor for each input. It owns its bytes, which start as zeros. */
    size_t most = esk_session_input_count(session), n_in = 0;
    size_t n_out = esk_session_output_count(session);
    const char **names = calloc(most + 1, sizeof *names);
    esk_value **inputs = calloc(most + 1, sizeof *inputs);
    esk_value **outputs = calloc(n_out + 1, sizeof *outputs);
    for (size_t i = 0; i < most; i++) {
        const esk_value_info *info = esk_session_input(session, i);
        int64_t dims[ESK_MAX_RANK];
        if (info->has_default) /* the model brings a value itself */
            continue;
        for (int d = 0; d < info->rank; d++)
            dims[d] = info->dims[d] < 0 ? 1 : info->dims[d]; /* -1 is free: any size */
        check(esk_value_create(info->dtype, info->rank, dims, &inputs[n_in], &error));
        float *data = info->dtype == ESK_FLOAT ? esk_value_data(inputs[n_in]) : NULL;
        for (int64_t k = 0; data != NULL && k < esk_value_count(inputs[n_in]); k++)
            data[k] = 1.0f;
        names[n_in++] = info->name;
    }

    /* NULL for the names: all outputs. An output that is NULL is made by the run. */
    check(esk_session_run(session, NULL, names, inputs, n_in, NULL, outputs, n_out,
                          &error));
    for (size_t i = 0; i < n_out; i++) {
        printf("%s:", esk_session_output(session, i)->name);
        for (int d = 0; d < esk_value_rank(outputs[i]); d++)
            printf(" %lld", (long long)esk_value_dims(outputs[i])[d]);
        if (esk_value_dtype(outputs[i]) == ESK_FLOAT && esk_value_size(outputs[i]) > 0)
            printf(" = %g …", (double)*(const float *)esk_value_const_data(outputs[i]));
        puts("");
        esk_value_destroy(outputs[i]);
    }
    for (size_t i = 0; i < n_in; i++)
        esk_value_destroy(inputs[i]); /* any time after the run */
    free(names), free(inputs), free(outputs);
    esk_session_destroy(session);
    esk_env_destroy(env);
    return 0;
}
