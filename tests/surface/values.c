/* What bindings and values do over time: shapes that change, bindings cleared, values of
 * other devices, copies in the queue. In: small models; out: values, errors, transfers.
 */
#include "surface.h"

#include <stdatomic.h>
#include <stdio.h>

static bool refused(struct scene *s, const char *what, esk_status status,
                    esk_status expected, const char *word, esk_error *error) {
    bool good = status == expected && strstr(esk_error_message(error), word);

    if (!good)
        fault_set(s->fault, "%s gave %s, not %s with '%s': %s", what,
                  esk_status_name(status), esk_status_name(expected), word,
                  esk_error_message(error));
    esk_error_clear(error);
    return good;
}

static bool open_one(struct scene *s, const char *text, const char *settings,
                     struct op_case **made, esk_session **session,
                     esk_binding **binding) {
    esk_env *env;
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, text, made));
    MUST(scene_session(s, env, (*made)->model, "GLCompute", settings, session));
    GOOD(s, esk_binding_create(*session, binding, &error));
    return scene_keep(s, *binding, (void (*)(void *))esk_binding_destroy);
}

static bool on_device(struct scene *s, esk_session *session, const esk_value *from,
                      esk_value **value) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s,
         esk_value_create_on_device(session, esk_value_dtype(from), esk_value_rank(from),
                                    esk_value_dims(from), value, &error));
    MUST(scene_keep(s, *value, scene_drop_value));
    GOOD(s, esk_value_copy(from, *value, &error));
    return true;
}

/* Its content, wherever it lies, is that of `expected`. */
static bool holds(struct scene *s, const char *what, const esk_value *value,
                  const esk_value *expected) {
    esk_error error = ESK_ERROR_INIT;
    esk_value *host;

    CHECK(s, value, "%s: no value", what);
    GOOD(s, esk_value_create(esk_value_dtype(value), esk_value_rank(value),
                             esk_value_dims(value), &host, &error));
    MUST(scene_keep(s, host, scene_drop_value));
    GOOD(s, esk_value_copy(value, host, &error));
    return scene_near(s, what, host, expected);
}

/* The binding's own value is filled again while its shape fits; else the run makes
 * another. */
bool bindings_follow_shapes(struct scene *s) {
    static const int rows[] = {3, 3, 5, 5, 3};
    struct op_case *made;
    esk_session *session;
    esk_binding *binding;
    esk_error error = ESK_ERROR_INIT;
    const char *name;

    MUST(open_one(s, "Softmax(float[3,8]) | Exp() free=1", "strict=1", &made, &session,
                  &binding));
    name = esk_session_output(session, 0)->name;
    for (int where = 0; where < 2; where++) {
        esk_value *last = NULL;

        GOOD(s, esk_binding_output_at(binding, name, where ? ESK_ON_DEVICE : ESK_ON_HOST,
                                      &error));
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            char text[32];
            esk_value *x, *y, *expected;

            snprintf(text, sizeof(text), "float[%d,8]=%zu,-1,2", rows[i], i);
            MUST(scene_value(s, text, &x));
            MUST(scene_run(s, session, &expected, 1, x));
            GOOD(s, esk_binding_input(binding, made->inputs.names[0], x, &error));
            GOOD(s, esk_session_run_binding(session, NULL, binding, &error));
            y = esk_binding_value(binding, name);
            MUST(holds(s, "the binding's value", y, expected));
            CHECK(s, esk_value_location(y) == (where ? ESK_ON_DEVICE : ESK_ON_HOST),
                  "the output lies elsewhere");
            CHECK(s, esk_value_dims(y)[0] == rows[i], "%d rows, not %d",
                  (int)esk_value_dims(y)[0], rows[i]);
            if (i && rows[i] == rows[i - 1])
                CHECK(s, y == last, "another value though the shape is the same");
            last = y;
        }
    }
    return true;
}

/* What was cleared is neither read nor written; a caller's value is not given away. */
bool bindings_can_be_cleared(struct scene *s) {
    struct op_case *made;
    esk_session *session;
    esk_binding *binding;
    esk_error error = ESK_ERROR_INIT;
    esk_value *mine, *zeros;
    const char *names[2], *in;

    MUST(open_one(s, "Split(float[4,8]) num_outputs=2 out=2", "strict=1", &made, &session,
                  &binding));
    in = made->inputs.names[0];
    for (size_t i = 0; i < 2; i++)
        names[i] = esk_session_output(session, i)->name;
    MUST(scene_value(s, "float[2,8]=0", &mine));
    MUST(scene_value(s, "float[2,8]=0", &zeros));
    GOOD(s, esk_binding_input(binding, in, made->inputs.values[0], &error));
    GOOD(s, esk_binding_output(binding, names[0], mine, &error));
    GOOD(s, esk_session_run_binding(session, NULL, binding, &error));
    CHECK(s, memcmp(esk_value_data(mine), esk_value_data(zeros), esk_value_size(mine)),
          "the caller's value was not filled");
    CHECK(s, esk_binding_value(binding, names[0]) == mine,
          "the binding has another value");
    CHECK(s, !esk_binding_take(binding, names[0]),
          "the caller's own value was given to it");
    memset(esk_value_data(mine), 0, esk_value_size(mine));
    esk_binding_clear_outputs(binding);
    CHECK(s, !esk_binding_value(binding, names[0]), "a cleared output has a value");
    GOOD(s, esk_binding_output_at(binding, names[1], ESK_ON_HOST, &error));
    GOOD(s, esk_session_run_binding(session, NULL, binding, &error));
    CHECK(s,
          !esk_binding_value(binding, names[0]) && esk_binding_value(binding, names[1]),
          "not the output that is bound now");
    MUST(scene_same_bytes(s, "a value that is bound no more", mine, zeros));
    esk_binding_clear_inputs(binding);
    return refused(s, "a run without inputs",
                   esk_session_run_binding(session, NULL, binding, &error),
                   ESK_INVALID_ARGUMENT, in, &error);
}

/* Outputs in the order in which they were asked for, filled where values were given,
 * untouched where the run failed. */
bool outputs_by_name(struct scene *s) {
    struct op_case *made;
    esk_session *session;
    esk_binding *binding;
    esk_error error = ESK_ERROR_INIT;
    esk_terminate *stop;
    esk_value *all[3] = {NULL}, *two[2] = {NULL}, *given, *wrong;
    const char *names[2], *const *in;

    MUST(open_one(s, "Split(float[6,8]) num_outputs=3 out=3", "strict=1", &made, &session,
                  &binding));
    in = made->inputs.names;
    GOOD(s, esk_session_run(session, NULL, in, made->inputs.values, 1, NULL, all, 0,
                            &error));
    for (int i = 0; i < 3; i++)
        MUST(scene_keep(s, all[i], scene_drop_value));
    for (size_t i = 0; i < 2; i++)
        names[i] = esk_session_output(session, 2 - i)->name;
    MUST(scene_value(s, "float[2,8]=0", &given));
    two[1] = given;
    GOOD(s, esk_session_run(session, NULL, in, made->inputs.values, 1, names, two, 2,
                            &error));
    MUST(scene_keep(s, two[0], scene_drop_value));
    CHECK(s, two[1] == given, "the value that was given was not taken");
    for (int i = 0; i < 2; i++)
        MUST(scene_same_bytes(s, names[i], two[i], all[2 - i]));
    MUST(scene_value(s, "float[2,7]=0", &wrong));
    two[0] = NULL;
    two[1] = wrong;
    MUST(refused(
        s, "a value of another shape",
        esk_session_run(session, NULL, in, made->inputs.values, 1, names, two, 2, &error),
        ESK_INVALID_ARGUMENT, "float[2,7]", &error));
    CHECK(s, !two[0] && two[1] == wrong, "a failed run changed the outputs");
    CHECK(s, esk_terminate_create(&stop, NULL) == ESK_OK, "no switch");
    MUST(scene_keep(s, stop, (void (*)(void *))esk_terminate_destroy));
    esk_terminate_set(stop, true);
    two[1] = given;
    MUST(refused(s, "a terminated run",
                 esk_session_run(session, esk_run_options(.terminate = stop), in,
                                 made->inputs.values, 1, names, two, 2, &error),
                 ESK_CANCELLED, "", &error));
    CHECK(s, !two[0] && two[1] == given, "a terminated run changed the outputs");
    names[1] = names[0];
    two[1] = NULL;
    MUST(refused(
        s, "an output asked for twice",
        esk_session_run(session, NULL, in, made->inputs.values, 1, names, two, 2, &error),
        ESK_INVALID_ARGUMENT, names[0], &error));
    return refused(s, "a run without its input",
                   esk_session_run(session, NULL, NULL, NULL, 0, names, two, 1, &error),
                   ESK_INVALID_ARGUMENT, in[0], &error);
}

/* Values of one device are inputs on another, and copied there, by the host; what they
 * hold now counts, not what they held before. */
bool values_of_another_device(struct scene *s) {
    struct op_case *made;
    esk_session *sessions[2], *cpu;
    esk_binding *bindings[2];
    esk_error error = ESK_ERROR_INIT;
    esk_env *env;
    esk_value *here, *there, *expected[2], *y;
    const char *in, *out;

    for (int i = 0; i < 2; i++)
        MUST(open_one(s, "Softmax(float[3,8]) | Exp()", "strict=1", &made, &sessions[i],
                      &bindings[i]));
    MUST(scene_env(s, &env));
    MUST(scene_session(s, env, made->model, "CPU", NULL, &cpu));
    in = made->inputs.names[0];
    out = esk_session_output(sessions[0], 0)->name;
    MUST(on_device(s, sessions[0], made->inputs.values[0], &here));
    GOOD(s, esk_value_create_on_device(sessions[1], ESK_FLOAT, 2, esk_value_dims(here),
                                       &there, &error));
    MUST(scene_keep(s, there, scene_drop_value));
    GOOD(s, esk_value_copy(here, there, &error));
    MUST(holds(s, "copied to another device", there, made->inputs.values[0]));
    for (int i = 0; i < 3; i++) {
        esk_value *x;
        char text[32];

        snprintf(text, sizeof(text), "float[3,8]=%d,1,-%d", i, i);
        MUST(scene_value(s, text, &x));
        MUST(scene_run(s, cpu, &expected[0], 1, x));
        MUST(scene_run(s, cpu, &expected[1], 1, expected[0]));
        if (i < 2)
            GOOD(s, esk_value_copy(x, here, &error)); /* changed by a copy … */
        else {                                        /* … and by a run */
            MUST(scene_value(s, "float[3,8]=5,-5", &x));
            GOOD(s, esk_binding_input(bindings[0], in, x, &error));
            GOOD(s, esk_binding_output(bindings[0], out, here, &error));
            GOOD(s, esk_session_run_binding(sessions[0], NULL, bindings[0], &error));
            MUST(scene_run(s, cpu, &expected[1], 1, x));
            MUST(scene_run(s, cpu, &expected[0], 1, expected[1]));
        }
        y = NULL;
        GOOD(s, esk_session_run(sessions[1], NULL, &in, &here, 1, NULL, &y, 1, &error));
        MUST(scene_keep(s, y, scene_drop_value));
        MUST(scene_near(s, "an input of another device", y, expected[0]));
        /* and an output that lies there */
        GOOD(s, esk_value_copy(here, there, &error));
        GOOD(s, esk_binding_input(bindings[0], in, there, &error));
        GOOD(s, esk_binding_output(bindings[0], out, there, &error));
        GOOD(s, esk_session_run_binding(sessions[0], NULL, bindings[0], &error));
        MUST(holds(s, "an output on another device", there, expected[0]));
    }
    return true;
}

/* ---- copies in the queue ---- */

struct landed {
    esk_value *to;
    atomic_int good, cancelled, other;
};

static void land(void *user, esk_status status, const esk_error *error,
                 esk_value **outputs, size_t n_outputs) {
    struct landed *landed = user;
    bool mine = n_outputs == 1 && outputs[0] == landed->to;

    (void)error;
    atomic_fetch_add(!mine                     ? &landed->other
                     : status == ESK_OK        ? &landed->good
                     : status == ESK_CANCELLED ? &landed->cancelled
                                               : &landed->other,
                     1);
}

/* A copy waits for the runs before it, and the runs after it for the copy. */
bool copies_stand_in_the_queue(struct scene *s) {
    enum { ROUNDS = 6 };
    struct op_case *made;
    esk_session *session;
    esk_binding *binding;
    esk_error error = ESK_ERROR_INIT;
    esk_value *state, *seen[ROUNDS], *expected, *outputs[ROUNDS];
    struct landed landed[ROUNDS];
    esk_async *last = NULL;
    esk_value *odd;

    MUST(open_one(s, "MatMul(float[64,64], float[64,64]!) | Softmax()", "strict=1", &made,
                  &session, &binding));
    MUST(on_device(s, session, made->inputs.values[0], &state));
    for (int i = 0; i < ROUNDS; i++) {
        esk_async *copy;

        outputs[i] = state; /* the run reads and writes it */
        GOOD(s, esk_value_create(ESK_FLOAT, 2, esk_value_dims(state), &seen[i], &error));
        MUST(scene_keep(s, seen[i], scene_drop_value));
        landed[i] = (struct landed){.to = seen[i]};
        GOOD(s, esk_session_run_async(session, NULL, made->inputs.names, &state, 1, NULL,
                                      &outputs[i], 1, NULL, NULL, NULL, &error));
        GOOD(s, esk_value_copy_async(session, state, seen[i], land, &landed[i], &copy,
                                     &error));
        if (i < ROUNDS - 1)
            esk_async_destroy(copy);
        else
            last = copy;
    }
    GOOD(s, esk_async_wait(last, -1, &error));
    esk_async_destroy(last);
    expected = made->inputs.values[0];
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(s, landed[i].good == 1 && !landed[i].other, "callback %d", i);
        MUST(scene_run(s, session, &expected, 1, expected));
        MUST(scene_same_bytes(s, "a copy among runs", seen[i], expected));
    }
    /* what can be seen at once is said at once */
    MUST(scene_value(s, "float[64]", &odd));
    return refused(s, "a copy of another shape",
                   esk_value_copy_async(session, state, odd, NULL, NULL, NULL, &error),
                   ESK_INVALID_ARGUMENT, "float[64]", &error);
}

bool copies_end_with_their_session(struct scene *s) {
    enum { RUNS = 12 };
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_session_options *options;
    esk_error error = ESK_ERROR_INIT;
    esk_value *from, *to, *outputs[RUNS] = {NULL};
    struct landed landed = {.to = NULL};
    esk_async *last = NULL;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[256,256], float[256,256]!) | Softmax()", &made));
    MUST(scene_options(s, "GLCompute", NULL, &options));
    GOOD(s, esk_session_create_from_model(env, made->model, options, &session, &error));
    MUST(scene_value(s, "float[4]=1,2,3,4", &from));
    MUST(scene_value(s, "float[4]=0", &to));
    landed.to = to;
    for (int i = 0; i < RUNS; i++)
        esk_session_run_async(session, NULL, made->inputs.names, made->inputs.values, 1,
                              NULL, &outputs[i], 1, NULL, NULL, NULL, NULL);
    GOOD(s, esk_value_copy_async(session, from, to, land, &landed, &last, &error));
    esk_session_destroy(session);
    esk_status status = esk_async_wait(last, 0, &error);
    esk_async_destroy(last);
    for (int i = 0; i < RUNS; i++)
        esk_value_destroy(outputs[i]);
    MUST(refused(s, "a copy whose session is gone", status, ESK_CANCELLED, "destroyed",
                 &error));
    CHECK(s, landed.cancelled == 1 && !landed.good && !landed.other, "its callback");
    return true;
}
