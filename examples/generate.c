/* Generates token by token with a decoder that ONNX Runtime's or Hugging Face's exporters
 * made: inputs input_ids, maybe attention_mask and position_ids, and past key/value
 * caches; outputs logits and present caches. The caches stay on the device: each step's
 * present values are bound as the next step's past ones.
 *
 *   generate MODEL.onnx [--provider P] [--steps N] [--head-size N] TOKEN… */
#include <esker/esker.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static esk_error error = ESK_ERROR_INIT;

static void check(esk_status status) {
    if (status != ESK_OK) {
        fprintf(stderr, "%s: %s\n", esk_status_name(status), esk_error_message(&error));
        exit(1);
    }
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float half(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    float m = (float)(bits & 1023);
    float size = exponent == 31 ? (m > 0 ? NAN : INFINITY)
                 : exponent     ? ldexpf(m + 1024, exponent - 25)
                                : ldexpf(m, -24);
    return bits >> 15 ? -size : size;
}

/* The likeliest token of the last position. */
static int64_t best_token(const esk_value *logits) {
    int64_t words = esk_value_dims(logits)[esk_value_rank(logits) - 1], best = 0;
    int64_t first = esk_value_count(logits) - words;
    bool halves = esk_value_dtype(logits) == ESK_FLOAT16;
    float most = -INFINITY;
    for (int64_t i = 0; i < words; i++) {
        float x = halves
                      ? half(((const uint16_t *)esk_value_const_data(logits))[first + i])
                      : ((const float *)esk_value_const_data(logits))[first + i];
        if (x > most)
            most = x, best = i;
    }
    return best;
}

/* A [1, count] tensor of integers, of the type that the model wants; of ones, or counted
 * from `first`, or `tokens`. */
static esk_value *integers(esk_dtype dtype, int64_t count, const int64_t *tokens,
                           int64_t first, int64_t step) {
    esk_value *value;
    check(esk_value_create(dtype, 2, (int64_t[]){1, count}, &value, &error));
    for (int64_t i = 0; i < count; i++) {
        int64_t x = tokens ? tokens[i] : first + i * step;
        if (dtype == ESK_INT64)
            ((int64_t *)esk_value_data(value))[i] = x;
        else
            ((int32_t *)esk_value_data(value))[i] = (int32_t)x;
    }
    return value;
}

/* "past_key_values.0.key" has its sequel in "present.0.key", "past_0" in "present_0". */
static const char *present_of(const esk_session *session, const char *past) {
    static const char *const from[] = {"past_key_values", "past"};
    for (size_t f = 0; f < 2; f++)
        if (!strncmp(past, from[f], strlen(from[f])))
            for (size_t i = 0; i < esk_session_output_count(session); i++) {
                const char *name = esk_session_output(session, i)->name;
                if (!strncmp(name, "present", 7) &&
                    !strcmp(name + 7, past + strlen(from[f])))
                    return name;
            }
    return NULL;
}

/* No tokens yet: the sequence axis, the last but one, is 0. */
static esk_value *empty_cache(const esk_value_info *info, int64_t head_size) {
    int64_t dims[ESK_MAX_RANK];
    esk_value *value;
    for (int i = 0; i < info->rank; i++)
        dims[i] = info->dims[i] >= 0    ? info->dims[i]
                  : i == info->rank - 2 ? 0
                  : i == info->rank - 1 ? head_size
                                        : 1;
    check(esk_value_create(info->dtype, info->rank, dims, &value, &error));
    return value;
}

int main(int argc, char **argv) {
    const char *path = NULL, *provider = "GLCompute";
    int64_t tokens[1024], n = 0, steps = 16, head_size = 64;
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && !strcmp(argv[i], "--provider"))
            provider = argv[++i];
        else if (i + 1 < argc && !strcmp(argv[i], "--steps"))
            steps = strtoll(argv[++i], NULL, 10);
        else if (i + 1 < argc && !strcmp(argv[i], "--head-size"))
            head_size = strtoll(argv[++i], NULL, 10);
        else if (!path)
            path = argv[i];
        else if (n < 1024)
            tokens[n++] = strtoll(argv[i], NULL, 10);
    }
    if (!path || !n)
        return fprintf(stderr, "usage: generate MODEL.onnx [--provider P] [--steps N] "
                               "[--head-size N] TOKEN...\n"),
               2;
    esk_env *env;
    esk_session_options *options;
    esk_session *session;
    esk_binding *binding;
    check(esk_env_create(NULL, &env, &error));
    check(esk_session_options_create(&options, &error));
    check(esk_session_options_append_provider(options, provider, NULL, NULL, 0, &error));
    check(esk_session_create(env, path, options, &session, &error));
    check(esk_binding_create(session, &binding, &error));

    size_t n_in = esk_session_input_count(session);
    esk_value **held = calloc(n_in + 1, sizeof *held); /* what each input is bound to */
    check(esk_binding_output_at(binding, "logits", ESK_ON_HOST, &error));
    for (size_t i = 0; i < n_in; i++) {
        const esk_value_info *info = esk_session_input(session, i);
        const char *present = present_of(session, info->name);
        if (!present)
            continue;
        check(esk_binding_output_at(binding, present, ESK_ON_DEVICE, &error));
        held[i] = empty_cache(info, head_size);
        check(esk_binding_input(binding, info->name, held[i], &error));
    }
    esk_session_stats before = {.struct_size = sizeof before}, after = before;
    double start = 0, began = seconds();
    for (int64_t step = 0, fresh = n, total = n; step < steps;
         step++, fresh = 1, total++) {
        for (size_t i = 0; i < n_in; i++) {
            const esk_value_info *info = esk_session_input(session, i);
            bool ids = !strcmp(info->name, "input_ids");
            if (!ids && strcmp(info->name, "attention_mask") &&
                strcmp(info->name, "position_ids"))
                continue;
            esk_value *next = ids ? integers(info->dtype, fresh, tokens, 0, 0)
                              : *info->name == 'a'
                                  ? integers(info->dtype, total, NULL, 1, 0)
                                  : integers(info->dtype, fresh, NULL, total - fresh, 1);
            check(esk_binding_input(binding, info->name, next, &error));
            esk_value_destroy(held[i]);
            held[i] = next;
        }
        check(esk_session_run_binding(session, NULL, binding, &error));
        tokens[0] = best_token(esk_binding_value(binding, "logits"));
        printf("%lld ", (long long)tokens[0]);
        fflush(stdout);
        for (size_t i = 0; i < n_in; i++) { /* present becomes past; nothing is copied */
            const char *name = esk_session_input(session, i)->name;
            const char *present = present_of(session, name);
            if (!present)
                continue;
            esk_value *taken = esk_binding_take(binding, present);
            check(esk_binding_input(binding, name, taken, &error));
            esk_value_destroy(held[i]);
            held[i] = taken;
        }
        if (step == 0) {
            start = seconds();
            check(esk_session_get_stats(session, &before, &error));
        }
    }
    double end = seconds(), each = steps > 1 ? (double)(steps - 1) : 1;
    check(esk_session_get_stats(session, &after, &error));
    printf("\nprompt of %lld: %.3f s; then %.1f tokens/s\n", (long long)n, start - began,
           steps > 1 ? each / (end - start) : 0.0);
    printf("a token copies %.0f bytes to the device and %.0f back\n",
           (double)(after.upload_bytes - before.upload_bytes) / each,
           (double)(after.readback_bytes - before.readback_bytes) / each);
    esk_binding_destroy(binding);
    for (size_t i = 0; i < n_in; i++)
        esk_value_destroy(held[i]);
    free(held);
    esk_session_destroy(session);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    return 0;
}
