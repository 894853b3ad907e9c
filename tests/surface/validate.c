/* validationMode full: NaN where it is made, shapes that are not as declared. In: small
 * models; out: errors that name node, value and place, or none. */
#include "surface.h"

#include "message.h"

#include <stdio.h>

static esk_status run_once(esk_session *session, struct op_case *made, esk_error *error) {
    esk_value *y = NULL;
    esk_status status =
        esk_session_run(session, NULL, made->inputs.names, made->inputs.values,
                        made->inputs.count, NULL, &y, 1, error);

    esk_value_destroy(y);
    return status;
}

/* By both providers, and with buffers full of NaN before: what no kernel wrote is not
 * looked at. */
bool nan_is_named_where_it_is_made(struct scene *s) {
    static const struct {
        const char *text, *words[3]; /* of the error; none: no error */
    } rows[] = {
        {"Sqrt(float[2,3]=4,1,9,16,-1,25)", {"Sqrt 'Sqrt_0'", "NaN at [1,1]", "output"}},
        {"Neg(float[5]=-1,-2,-3,4,-5) | Log()", {"Log 'Log_1'", "NaN at [3]", ""}},
        {"Sqrt(float[7]=1,1,1,1,1,1,-1) | Softmax() axis=0",
         {"Sqrt 'Sqrt_0'", "[6]", ""}},
        {"Softmax(float[2,3]=1,2,3) axis=1 | Sub(float[2,3]=5) | Log() | Transpose()",
         {"NaN at [0,0]", "nothing that it reads", ""}},
        {"Sqrt(float16[3,5]=1,1,1,1,1,1,1,1,-1,1)",
         {"Sqrt 'Sqrt_0'", "NaN at [1,3]", ""}},
        {"Sqrt(float16[3,4]=1,1,1,1,1,1,-1,1)", {"Sqrt 'Sqrt_0'", "NaN at [1,2]", ""}},
        /* in C4, whose pad lanes do not count */
        {"Conv(float[1,3,4,4]=2, float[5,3,1,1]!=-1) | Sqrt() | GlobalAveragePool()",
         {"NaN at [0,0,0,0]", "nothing that it reads", ""}},
        {"Conv(float[1,3,4,4]=2, float[5,3,1,1]!=1,1,1,1,1,1,1,1,1,-1,-1,-1,1,1,1) | "
         "Sqrt() | "
         "GlobalAveragePool()",
         {"NaN at [0,3,0,0]", "output", ""}},
        {"Conv(float[1,3,4,4]=2, float[5,3,1,1]!=1) | Div($, $) | GlobalAveragePool()",
         {NULL, NULL, NULL}},
        /* in its place in a Concat */
        {"Sqrt(float[3,5]=1,1,1,1,1,1,1,1,-1,1) | Neg(~float[3,7]) | Concat($, $0) "
         "axis=1",
         {"Sqrt 'Sqrt_0'", "NaN at [1,3]", ""}},
        /* none is made: one comes in, or there is none */
        {"Relu(float[4]=1,nan,2,3) | Exp()", {NULL, NULL, NULL}},
        {"Relu(float[4]) | Add(float[4]!=1,nan,2,3) | Exp()", {NULL, NULL, NULL}},
        {"Conv(float[1,3,7,7], float[5,3,3,3]!) | Relu() | Softmax() axis=1",
         {NULL, NULL, NULL}},
        {"Relu(float[3,5]) | Neg(~float[3,7]) | Concat($0, $1) axis=1 | Exp()",
         {NULL, NULL, NULL}},
    };
    static const char *const providers[] = {"CPU", "GLCompute"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int p = 0; p < 2; p++) {
            struct op_case *made;
            esk_env *env;
            esk_session *session;
            esk_error error = ESK_ERROR_INIT;
            char text[400];

            MUST(scene_env(s, &env));
            MUST(scene_case(s, rows[i].text, &made));
            MUST(scene_session(s, env, made->model, providers[p],
                               p ? "strict=1,poison=1,validationMode=full"
                                 : "validationMode=full",
                               &session));
            for (int run = 0; run < 2; run++) {
                esk_status status = run_once(session, made, &error);

                snprintf(text, sizeof(text), "%s", esk_error_message(&error));
                esk_error_clear(&error);
                CHECK(s, status == (rows[i].words[0] ? ESK_VALIDATION : ESK_OK),
                      "%s: %s: %s", providers[p], rows[i].text, text);
                for (int w = 0; rows[i].words[0] && w < 3; w++)
                    CHECK(s, strstr(text, rows[i].words[w]), "%s: %s: no '%s' in '%s'",
                          providers[p], rows[i].text, rows[i].words[w], text);
            }
        }
    return true;
}

/* A run that failed leaves the session usable, and other modes do not look. */
bool nan_is_let_through_elsewhere(struct scene *s) {
    static const char *const modes[] = {"disabled", "basic", "full"};
    struct op_case *made;
    esk_value *good, *y;

    MUST(scene_case(s, "Sqrt(float[4]=1,-1,4,9) | Relu()", &made));
    MUST(scene_value(s, "float[4]=1,16,4,9", &good));
    for (int m = 0; m < 3; m++) {
        char settings[64];
        esk_env *env;
        esk_session *session;
        esk_error error = ESK_ERROR_INIT;

        snprintf(settings, sizeof(settings), "strict=1,validationMode=%s", modes[m]);
        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", settings, &session));
        esk_status status = run_once(session, made, &error);
        CHECK(s, status == (m == 2 ? ESK_VALIDATION : ESK_OK), "%s gave %s: %s", settings,
              esk_status_name(status), esk_error_message(&error));
        esk_error_clear(&error);
        MUST(scene_run(s, session, &y, 1, good));
    }
    return true;
}

/* y = Relu(x), x [N, 3], which the model says is [2, 3]. */
static struct message wrong_model(void) {
    const int64_t x_dims[] = {-1, 3}, y_dims[] = {2, 3};
    struct message graph = {.size = 0}, part = message_node("Relu", "x", "y");

    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_value("x", 1, 2, x_dims);
    message_add(&graph, 11, &part);
    part = message_value("y", 1, 2, y_dims);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

bool shapes_that_are_not_as_declared(struct scene *s) {
    struct message model = wrong_model();
    static const char *const modes[] = {"basic", "full"};

    for (int m = 0; m < 2; m++) {
        char settings[64], text[300];
        esk_env *env;
        esk_session *session;
        esk_value *two, *five, *y, *none = NULL;
        esk_error error = ESK_ERROR_INIT;
        const char *name = "x";

        snprintf(settings, sizeof(settings), "validationMode=%s", modes[m]);
        MUST(scene_env(s, &env));
        MUST(scene_load_bytes(s, env, model.bytes, model.size, "GLCompute", settings,
                              &session));
        MUST(scene_value(s, "float[2,3]", &two));
        MUST(scene_value(s, "float[5,3]", &five));
        MUST(scene_run(s, session, &y, 1, two));
        if (!m) {
            MUST(scene_run(s, session, &y, 1, five));
            continue;
        }
        esk_status status =
            esk_session_run(session, NULL, &name, &five, 1, NULL, &none, 1, &error);
        snprintf(text, sizeof(text), "%s", esk_error_message(&error));
        esk_error_clear(&error);
        CHECK(s, status == ESK_VALIDATION && !none, "%s: %s", esk_status_name(status),
              text);
        CHECK(s,
              strstr(text, "'y'") && strstr(text, "float[5,3]") && strstr(text, "[2,3]"),
              "'%s'", text);
    }
    return true;
}
