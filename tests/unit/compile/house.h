/* For tests of lib/compile: small graphs by the builder, brought to a bind as a session
 * does it, on the limits that OpenGL ES 3.1 guarantees; texts against tests/golden. */
#ifndef ESKER_TESTS_HOUSE_H
#define ESKER_TESTS_HOUSE_H

#include "base/mem.h"
#include "compile/compile.h"
#include "front/model.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call)                                                       \
    do {                                                               \
        esk_error error = ESK_ERROR_INIT;                              \
        esk_status status = call;                                      \
        cr_assert_eq(status, ESK_OK, "%s", esk_error_message(&error)); \
    } while (0)

static const struct esk_limits floor_limits = {
    .read_path = ESK_READ_SSBO,
    .max_invocations = 128,
    .max_local = {128, 128, 64},
    .max_groups = {65535, 65535, 65535},
    .max_shared = 16384,
    .max_ssbos = 4,
    .max_images = 4,
    .max_outputs = 4,
    .max_ubo = 16384,
    .ubo_align = 256,
    .ssbo_align = 256,
    .max_binding = 128 << 20,
    .max_slab = 128 << 20,
    .lanes = 32,
    .group_1d = 64,
    .clamped = true,
};

static inline esk_model *new_model(void) {
    esk_model *model = NULL;
    OK(esk_model_create("test", 21, &model, &error));
    return model;
}

/* dims: -1 is free */
#define INPUT(model, name, dtype, ...)                                               \
    OK(esk_model_add_input(model, name, dtype, sizeof((int64_t[]){__VA_ARGS__}) / 8, \
                           (int64_t[]){__VA_ARGS__}, &error))

/* A constant of zeros, or of the given int64 values. */
static inline void add_zeros(esk_model *model, const char *name, esk_dtype dtype,
                             int rank, const int64_t *dims) {
    esk_value *value = NULL;
    OK(esk_value_create(dtype, rank, dims, &value, &error));
    OK(esk_model_add_constant(model, name, value, &error));
    esk_value_destroy(value);
}
#define ZEROS(model, name, ...)                                             \
    add_zeros(model, name, ESK_FLOAT, sizeof((int64_t[]){__VA_ARGS__}) / 8, \
              (int64_t[]){__VA_ARGS__})

static inline void add_ints(esk_model *model, const char *name, int64_t count,
                            const int64_t *ints) {
    esk_value *value = NULL;
    OK(esk_value_create(ESK_INT64, 1, &count, &value, &error));
    memcpy(esk_value_data(value), ints, (size_t)count * sizeof *ints);
    OK(esk_model_add_constant(model, name, value, &error));
    esk_value_destroy(value);
}
#define INTS(model, name, ...) \
    add_ints(model, name, sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__})

/* in: names with spaces between; the node has its output's name. */
static inline void add_node(esk_model *model, const char *op, const char *in,
                            const char *out) {
    char copy[256], outs[256], *next = copy, *rest = outs;
    const char *names[8], *made[8];
    size_t n = 0, n_out = 0;
    snprintf(copy, sizeof copy, "%s", in);
    snprintf(outs, sizeof outs, "%s", out);
    while (next && *next)
        names[n++] = strsep(&next, " ");
    while (rest && *rest)
        made[n_out++] = strsep(&rest, " ");
    OK(esk_model_add_node(model, "", op, made[0], names, n, made, n_out, NULL, 0,
                          &error));
}

static inline void add_output(esk_model *model, const char *name) {
    OK(esk_model_add_output(model, name, &error));
}

/* What a session does before its first bind. */
static inline void prepare(esk_model *model, const struct esk_compile_options *options) {
    static const struct esk_logger silent;
    OK(esk_model_verify(model, &error));
    OK(esk_model_upgrade(model, &silent, &error));
    OK(esk_model_passes(model->graph, options, &error));
}

/* Shapes as declared, free dimensions by `size`; the bytes of input `known`, if >= 0. */
static inline esk_status bind_with(esk_model *model,
                                   const struct esk_compile_options *options,
                                   int64_t size, int known, void *bytes,
                                   struct esk_plan **plan, esk_error *error) {
    struct esk_bind_input inputs[8] = {{.tensor.rank = 0}};
    const struct esk_graph *graph = model->graph;
    for (uint32_t i = 0; i < graph->n_inputs; i++) {
        const struct esk_var *var = graph->vars[graph->inputs[i]];
        struct esk_tensor *tensor = &inputs[i].tensor;
        int64_t count;
        tensor->dtype = var->dtype;
        tensor->rank = var->rank;
        for (int a = 0; a < var->rank; a++)
            tensor->dim[a] = var->dim[a] < 0 ? size : var->dim[a];
        cr_assert(esk_shape_count(tensor->rank, tensor->dim, &count));
        cr_assert(esk_dtype_bytes(tensor->dtype, count, &tensor->bytes));
        tensor->data = (int)i == known ? bytes : NULL;
    }
    return esk_bind(graph, inputs, options, plan, error);
}

static inline struct esk_plan *bind(esk_model *model,
                                    const struct esk_compile_options *options) {
    struct esk_plan *plan = NULL;
    OK(bind_with(model, options, 1, -1, NULL, &plan, &error));
    return plan;
}

/* Compares with tests/golden/NAME.txt; ESKER_UPDATE_GOLDEN=1 writes it instead. */
static inline void expect_golden(const char *name, const char *text) {
    const char *update = getenv("ESKER_UPDATE_GOLDEN");
    static char expected[1 << 16];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.txt", GOLDEN_DIR, name);
    if (update && *update == '1') {
        FILE *file = fopen(path, "w");
        cr_assert(file, "%s cannot be written", path);
        fputs(text, file);
        fclose(file);
        return;
    }
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s is not there; ESKER_UPDATE_GOLDEN=1 writes it", path);
    size_t size = fread(expected, 1, sizeof expected - 1, file);
    expected[size] = 0;
    fclose(file);
    cr_assert_str_eq(
        text, expected,
        "%s differs (ESKER_UPDATE_GOLDEN=1 rewrites it); it should be\n%s\nbut "
        "is\n%s",
        path, expected, text);
}

#endif
