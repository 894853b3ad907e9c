/* Inputs of types that the operator does not take are refused by number and type, before
 * anything computes with them. */
#include "esker/esker.h"

#include <criterion/criterion.h>

static const struct type_case {
    const char *op; /* [domain:]name */
    int opset, rank;
    esk_dtype types[3]; /* ESK_UNDEFINED: no more inputs */
    const char *message;
} cases[] = {
    {"MatMul", 13, 2, {ESK_FLOAT, ESK_BFLOAT16}, "input 1 is bfloat16, input 0 is float"},
    {"Gemm",
     13,
     2,
     {ESK_FLOAT, ESK_FLOAT, ESK_FLOAT16},
     "input 2 is float16, input 0 is float"},
    {"LSTM",
     14,
     3,
     {ESK_FLOAT, ESK_FLOAT, ESK_UINT8},
     "input 2 is uint8, input 0 is float"},
    {"LayerNormalization",
     17,
     2,
     {ESK_FLOAT, ESK_INT8},
     "input 1 is int8, it must be a float"},
    {"Softmax", 13, 2, {ESK_INT32}, "input 0 is int32, it must be a float type"},
    {"GridSample",
     20,
     4,
     {ESK_FLOAT, ESK_INT64},
     "input 1 is int64, it must be a float type"},
    {"com.microsoft:GroupQueryAttention",
     17,
     3,
     {ESK_FLOAT, ESK_INT32, ESK_INT32},
     "input 1 is int32, it must be a float type"},
    {"com.microsoft:MatMulNBits",
     17,
     2,
     {ESK_INT64, ESK_UINT8, ESK_FLOAT},
     "input 0 is int64, it must be a float type"},
};

Test(types, are_refused_by_number) {
    const int64_t dims[] = {2, 2, 2, 2};
    const char *in[] = {"a", "b", "c"}, *out[] = {"y"};
    const esk_attribute hidden = {.name = "hidden_size", .kind = 'i', .i = 2};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct type_case *t = &cases[i];
        esk_model *model;
        esk_env *env;
        esk_session_options *options;
        esk_session *session;
        esk_error error = ESK_ERROR_INIT;
        size_t n = 0;
        const char *colon = strchr(t->op, ':'), *name = colon ? colon + 1 : t->op;
        const char *domain = colon ? "com.microsoft" : "";
        cr_assert_eq(esk_model_create("main", t->opset, &model, NULL), ESK_OK);
        for (; n < 3 && t->types[n]; n++)
            cr_assert_eq(
                esk_model_add_input(model, in[n], t->types[n], t->rank, dims, NULL),
                ESK_OK);
        cr_assert_eq(esk_model_add_node(model, domain, name, NULL, in, n, out, 1, &hidden,
                                        strcmp(name, "LSTM") == 0, NULL),
                     ESK_OK);
        cr_assert_eq(esk_model_add_output(model, "y", NULL), ESK_OK);
        cr_assert_eq(esk_env_create(NULL, &env, NULL), ESK_OK);
        cr_assert_eq(esk_session_options_create(&options, NULL), ESK_OK);
        cr_assert_eq(
            esk_session_options_append_provider(options, "CPU", NULL, NULL, 0, NULL),
            ESK_OK);
        cr_assert_eq(esk_session_create_from_model(env, model, options, &session, &error),
                     ESK_INVALID_MODEL, "%s", t->op);
        cr_assert_not_null(strstr(esk_error_message(&error), t->message), "%s: %s", t->op,
                           esk_error_message(&error));
        esk_error_clear(&error);
        esk_session_options_destroy(options);
        esk_env_destroy(env);
        esk_model_destroy(model);
    }
}
