/* Sizes from attributes that no tensor can have are errors, not overflows (the sanitizer
 * lane runs this too). */
#include "esker/esker.h"

#include <criterion/criterion.h>

Test(sizes, max_unpool_refuses_a_stride_past_31_bits) {
    const int64_t dims[] = {1, 1, 3}, kernel[] = {2}, strides[] = {INT64_MAX};
    const char *in[] = {"x", "i"}, *out[] = {"y"};
    const char *cpu = "CPU";
    esk_model *model;
    esk_env *env;
    esk_session_options *options;
    esk_session *session;
    esk_error error = ESK_ERROR_INIT;
    cr_assert_eq(esk_model_create("main", 11, &model, NULL), ESK_OK);
    cr_assert_eq(esk_model_add_input(model, "x", ESK_FLOAT, 3, dims, NULL), ESK_OK);
    cr_assert_eq(esk_model_add_input(model, "i", ESK_INT64, 3, dims, NULL), ESK_OK);
    const esk_attribute attributes[] = {
        {.name = "kernel_shape", .kind = 'I', .count = 1, .ints = kernel},
        {.name = "strides", .kind = 'I', .count = 1, .ints = strides},
    };
    cr_assert_eq(esk_model_add_node(model, "", "MaxUnpool", NULL, in, 2, out, 1,
                                    attributes, 2, NULL),
                 ESK_OK);
    cr_assert_eq(esk_model_add_output(model, "y", NULL), ESK_OK);
    cr_assert_eq(esk_env_create(NULL, &env, NULL), ESK_OK);
    cr_assert_eq(esk_session_options_create(&options, NULL), ESK_OK);
    cr_assert_eq(esk_session_options_append_provider(options, cpu, NULL, NULL, 0, NULL),
                 ESK_OK);
    cr_assert_eq(esk_session_create_from_model(env, model, options, &session, &error),
                 ESK_INVALID_MODEL);
    cr_assert_not_null(strstr(esk_error_message(&error), "the limit is 2147483647"), "%s",
                       esk_error_message(&error));
    esk_error_clear(&error);
    esk_session_options_destroy(options);
    esk_env_destroy(env);
    esk_model_destroy(model);
}
