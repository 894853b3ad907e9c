/* The eight seams of the design (docs/design.md §3), one test or more each: each fails
 * when its seam is missing. In: small models. Out: one line a test and counts; 77 without
 * a device. */
#include "message.h"
#include "runs.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *data_folder(void) {
    const char *data = getenv("ESKER_TESTDATA");

    return data ? data : "../shared";
}

/* ---- 1: known values and stages ---- */

/* Runs the case on both providers for two lists of inputs; the results must agree. */
static bool agree(struct scene *s, const char *model, esk_session *device,
                  esk_session *cpu, esk_value *a, esk_value *b) {
    esk_value *got, *expected;

    if (b) {
        MUST(scene_run(s, device, &got, 2, a, b));
        MUST(scene_run(s, cpu, &expected, 2, a, b));
    } else {
        MUST(scene_run(s, device, &got, 1, a));
        MUST(scene_run(s, cpu, &expected, 1, a));
    }
    return scene_near(s, model, got, expected);
}

static bool two_sessions(struct scene *s, const char *text, const char *settings,
                         struct op_case **made, esk_session **device, esk_session **cpu) {
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, text, made));
    MUST(scene_session(s, env, (*made)->model, "CPU", NULL, cpu));
    return scene_session(s, env, (*made)->model, "GLCompute", settings, device);
}

static bool seam1_reshape_by_a_run_input(struct scene *s) {
    struct op_case *made;
    esk_session *device, *cpu;
    esk_value *x, *shape[2];
    esk_session_stats stats = {0};

    MUST(two_sessions(s, "Relu(float[2,6]) | Reshape($, int64[2]=3,4) | Transpose()",
                      "strict=1", &made, &device, &cpu));
    MUST(scene_value(s, "float[2,6]", &x));
    MUST(scene_value(s, "int64[2]=3,4", &shape[0]));
    MUST(scene_value(s, "int64[2]=6,-1", &shape[1]));
    for (int i = 0; i < 4; i++)
        MUST(agree(s, "Reshape", device, cpu, x, shape[i % 2]));
    MUST(scene_stats(s, device, &stats));
    CHECK(s, stats.plans == 2 && stats.binds <= 3,
          "two shapes gave %llu plans by %llu binds: the key is the bytes that inference "
          "read",
          (unsigned long long)stats.plans, (unsigned long long)stats.binds);
    return true;
}

static bool seam1_resize_by_a_run_input(struct scene *s) {
    struct op_case *made;
    esk_session *device, *cpu;
    esk_value *x, *scales[2];

    MUST(two_sessions(s, "Resize(float[1,2,3,3], _, float[4]=1,1,2,2) mode=\"nearest\"",
                      "strict=1", &made, &device, &cpu));
    MUST(scene_value(s, "float[1,2,3,3]", &x));
    MUST(scene_value(s, "float[4]=1,1,2,2", &scales[0]));
    MUST(scene_value(s, "float[4]=1,1,3,1", &scales[1]));
    for (int i = 0; i < 2; i++)
        MUST(agree(s, "Resize", device, cpu, x, scales[i]));
    return true;
}

static bool seam1_nonzero_cuts_a_stage(struct scene *s) {
    struct op_case *made;
    esk_session *device, *cpu;
    esk_value *x[2];
    esk_session_stats stats = {0};

    MUST(two_sessions(s, "Relu(float[2,4]) | NonZero() | Cast() to=1 | Exp()", NULL,
                      &made, &device, &cpu));
    MUST(scene_value(s, "float[2,4]=-1,2,-3,4,5,-6,-7,-8", &x[0]));
    MUST(scene_value(s, "float[2,4]=1,2,3,4,5,6,-7,8", &x[1]));
    for (int i = 0; i < 4; i++)
        MUST(agree(s, "NonZero", device, cpu, x[i % 2], NULL));
    MUST(scene_stats(s, device, &stats));
    CHECK(s, stats.stages >= 2, "%u stages: the device works before and after the cut",
          stats.stages);
    CHECK(s, stats.device_nodes >= 3, "only %u nodes on the device", stats.device_nodes);
    return true;
}

static bool run_if(struct scene *s, bool on_device) {
    const char *const texts[] = {"float[2,3]=1,-2,3,-4,5,-6",
                                 "float[2,3]=-1,-2,-3,-4,-5,-6"};
    struct message model = message_if_model(on_device);
    esk_env *env;
    esk_session *session;

    MUST(scene_env(s, &env));
    MUST(scene_load_bytes(s, env, model.bytes, model.size, "GLCompute", NULL, &session));
    for (int i = 0; i < 4; i++) {
        esk_value *x, *y, *cond;

        MUST(scene_value(s, texts[i % 2], &x));
        MUST(scene_value(s, i % 2 ? "bool[]=0" : "bool[]=1", &cond));
        MUST(scene_run(s, session, &y, on_device ? 1 : 2, x, cond));
        for (int64_t k = 0; k < 6; k++) {
            float in = ((const float *)esk_value_const_data(x))[k];
            float out = ((const float *)esk_value_const_data(y))[k];
            float want = i % 2 ? -in : expf(in);

            CHECK(s, fabsf(out - want) <= 1e-4f * fabsf(want) + 1e-6f,
                  "run %d, element %d: %g, expected %g", i, (int)k, out, want);
        }
    }
    return true;
}

static bool seam1_if_on_a_run_input(struct scene *s) {
    return run_if(s, false);
}

static bool seam1_if_on_a_device_value(struct scene *s) {
    return run_if(s, true);
}

/* y = x; while (the sum of y is less than 100) y = y + y: the condition is the device's.
 */
static struct message loop_model(void) {
    const int64_t dims[] = {4}, one[] = {1};
    const float hundred[] = {100};
    struct message graph = {.size = 0}, body = {.size = 0}, part;

    part = message_node("Add", "v v", "v_out");
    message_add(&body, 1, &part);
    part = message_node("ReduceSum", "v_out", "sum");
    message_add(&body, 1, &part);
    part = message_node("Less", "sum hundred", "cond_out");
    message_add(&body, 1, &part);
    message_text(&body, 2, "body");
    part = message_tensor("hundred", 1, one, hundred);
    message_add(&body, 5, &part);
    part = message_value("iteration", ESK_INT64, 0, NULL);
    message_add(&body, 11, &part);
    part = message_value("cond_in", ESK_BOOL, 0, NULL);
    message_add(&body, 11, &part);
    part = message_value("v", ESK_FLOAT, 1, dims);
    message_add(&body, 11, &part);
    part = message_value("cond_out", ESK_BOOL, 1, one);
    message_add(&body, 12, &part);
    part = message_value("v_out", ESK_FLOAT, 1, dims);
    message_add(&body, 12, &part);
    part = message_node("Loop", "most start x", "looped");
    message_body(&part, "body", &body);
    message_add(&graph, 1, &part);
    part = message_node("Neg", "looped", "y");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_value("most", ESK_INT64, 0, NULL);
    message_add(&graph, 11, &part);
    part = message_value("start", ESK_BOOL, 0, NULL);
    message_add(&graph, 11, &part);
    part = message_value("x", ESK_FLOAT, 1, dims);
    message_add(&graph, 11, &part);
    part = message_value("y", ESK_FLOAT, 1, dims);
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

static bool seam1_loop_until_a_device_value(struct scene *s) {
    static const char *const texts[] = {"float[4]=1,2,3,4", "float[4]=0.25",
                                        "float[4]=30"};
    static const float factors[] = {16, 128, 2};
    struct message model = loop_model();
    esk_env *env;
    esk_session *session;
    esk_value *most, *start;

    MUST(scene_env(s, &env));
    MUST(scene_load_bytes(s, env, model.bytes, model.size, "GLCompute", NULL, &session));
    MUST(scene_value(s, "int64[]=50", &most));
    MUST(scene_value(s, "bool[]=1", &start));
    for (int i = 0; i < 6; i++) {
        esk_value *x, *y;

        MUST(scene_value(s, texts[i % 3], &x));
        MUST(scene_run(s, session, &y, 3, most, start, x));
        for (int k = 0; k < 4; k++) {
            float want = -factors[i % 3] * ((const float *)esk_value_const_data(x))[k];
            float got = ((const float *)esk_value_const_data(y))[k];

            CHECK(s, got == want, "run %d, element %d: %g, expected %g", i, k, got, want);
        }
    }
    return true;
}

/* ---- 2: storage and layout ---- */

/* The same bytes with slabs full of NaN, on both read paths. */
static bool survives_poison(struct scene *s, const char *text, int64_t *not_finite) {
    static const char *const settings[] = {"strict=1", "strict=1,poison=1",
                                           "strict=1,poison=1,readPath=ssbo",
                                           "strict=1,readPath=ssbo"};
    struct op_case *made;
    esk_value *y[4];

    *not_finite = 0;
    MUST(scene_case(s, text, &made));
    for (int i = 0; i < 4; i++) {
        esk_env *env;
        esk_session *session;

        MUST(scene_env(s, &env));
        MUST(scene_session(s, env, made->model, "GLCompute", settings[i], &session));
        for (int run = 0; run < 2; run++) /* the second one gets used slabs */
            MUST(scene_run(s, session, &y[i], made->inputs.count, made->inputs.values[0],
                           made->inputs.count > 1 ? made->inputs.values[1] : NULL));
    }
    MUST(scene_same_bytes(s, text, y[1], y[0]));
    MUST(scene_same_bytes(s, text, y[2], y[3]));
    for (int64_t i = 0; esk_value_dtype(y[0]) == ESK_FLOAT && i < esk_value_count(y[0]);
         i++)
        *not_finite += !isfinite(((const float *)esk_value_const_data(y[0]))[i]);
    return true;
}

static bool seam2_pad_channels_are_zero(struct scene *s) {
    static const char *const cases[] = {
        "Conv(float[1,5,7,7], float[5,5,3,3]!) pads=1,1,1,1 | Exp() | "
        "Conv(float[3,5,1,1]!)",
        "Conv(float[1,3,6,6], float[6,3,1,1]!) | Sigmoid() | Conv(float[7,6,3,3]!) | "
        "Relu()",
        "Conv(float[1,3,6,6], float[5,3,1,1]!) range=0.1,1 | Reciprocal() | "
        "Conv(float[2,5,1,1]!)",
        "Conv(float[1,3,6,6], float[5,3,1,1]!) | Add($, float[5,1,1]!) | "
        "ReduceSum(int64[1]!=1)",
        "Conv(float[1,3,6,6], float[7,3,1,1]!) | Cos() | MaxPool() kernel_shape=2,2 | "
        "Conv(float[1,7,1,1]!)",
        "Conv(float[1,3,6,6], float[5,3,1,1]!) | Transpose() perm=0,2,3,1 | "
        "MatMul(float[5,2]!)",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t bad;

        MUST(survives_poison(s, cases[i], &bad));
        CHECK(s, !bad, "%s: %d results are no numbers", cases[i], (int)bad);
    }
    return true;
}

static bool seam2_packed_halves(struct scene *s) {
    static const char *const cases[] = {
        "Exp(float16[3,5]) | Add(float16[5])",
        "Exp(float16[3,6]) | Add(float16[6])",
        "Cast(float[3,7]) to=10 | Neg()",
        "Cast(float[3,8]) to=10 | Neg()",
        "Concat(float16[2,3], float16[2,5]) axis=1",
        "Cast(int64[65]) to=1 | Exp()",
        "MatMul(float16[3,5], float16[5,6]!)",
    };
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    char *text;
    int64_t bad;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        MUST(survives_poison(s, cases[i], &bad));
    MUST(scene_env(s, &env));
    for (int odd = 0; odd < 2; odd++) {
        MUST(scene_case(
            s, odd ? "Exp(float16[3,5]) | Neg()" : "Exp(float16[3,6]) | Neg()", &made));
        MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &session));
        MUST(scene_dump(s, session, "plan", &text));
        CHECK(s, !!strstr(text, odd ? " F32 " : " F16X2 "),
              "an innermost extent of %d is stored as:\n%s", odd ? 5 : 6, text);
        CHECK(s, !strstr(text, odd ? " F16X2 " : " F32 "),
              "an innermost extent of %d is stored as:\n%s", odd ? 5 : 6, text);
    }
    return true;
}

/* ---- 3: base words ---- */

static bool seam3_cut_dispatches(struct scene *s) {
    static const char *const cases[] = {
        "Relu(float[100003])",
        "Add(float[40,1,33], float[50,1])",
        "Conv(float[1,5,29,31], float[11,5,3,3]!) pads=1,1,1,1 | Sigmoid()",
        "MatMul(float[130,33], float[33,70]!)",
        "Softmax(float[300,70])",
        "ReduceSum(float[300,70], int64[1]!=1)",
        "Transpose(float[130,70])",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char *const settings[] = {"strict=1", "strict=1,maxGroups=3",
                                               "strict=1,maxGroups=1"};
        struct op_case *made;
        esk_value *y[3];
        uint64_t issued[3];

        MUST(scene_case(s, cases[i], &made));
        for (int k = 0; k < 3; k++) {
            esk_session_stats stats = {0}, before = {0};
            esk_env *env;
            esk_session *session;

            MUST(scene_env(s, &env));
            MUST(scene_session(s, env, made->model, "GLCompute", settings[k], &session));
            MUST(scene_stats(s, session, &before));
            MUST(scene_run(s, session, &y[k], made->inputs.count, made->inputs.values[0],
                           made->inputs.count > 1 ? made->inputs.values[1] : NULL));
            MUST(scene_stats(s, session, &stats));
            issued[k] = stats.dispatches - before.dispatches;
        }
        CHECK(s, issued[2] > issued[0] && issued[2] >= issued[1],
              "%s: %d dispatches, %d at 3 groups, %d at 1 group: nothing was cut",
              cases[i], (int)issued[0], (int)issued[1], (int)issued[2]);
        MUST(scene_same_bytes(s, cases[i], y[1], y[0]));
        MUST(scene_same_bytes(s, cases[i], y[2], y[0]));
    }
    return true;
}

/* ---- 4: commands name slots ---- */

static bool seam4_a_rebound_input_records_nothing(struct scene *s) {
    struct op_case *made;
    esk_session *device, *cpu;
    esk_session_stats first = {0}, last = {0};

    MUST(two_sessions(s,
                      "Conv(float[1,3,8,8], float[4,3,3,3]!) | Relu() | "
                      "Conv(float[5,4,1,1]!) | Add($, float[5,1,1])",
                      "strict=1", &made, &device, &cpu));
    for (int i = 0; i < 12; i++) {
        char text[64];
        esk_value *x, *b;

        snprintf(text, sizeof(text), "float[1,3,8,8]=%d,2,-3,0.5", i);
        MUST(scene_value(s, text, &x)); /* other memory, other values */
        snprintf(text, sizeof(text), "float[5,1,1]=%d,0.25", -i);
        MUST(scene_value(s, text, &b));
        MUST(agree(s, "rebound", device, cpu, x, b));
        MUST(scene_stats(s, device, i == 1 ? &first : &last));
    }
    CHECK(s, last.commands_recorded == first.commands_recorded,
          "%llu commands recorded after 12 runs, %llu after 2",
          (unsigned long long)last.commands_recorded,
          (unsigned long long)first.commands_recorded);
    CHECK(s, last.programs == first.programs && last.binds == first.binds,
          "programs or binds grew");
    CHECK(s, last.buffers_created == first.buffers_created,
          "%llu buffers created after 12 runs, %llu after 2",
          (unsigned long long)last.buffers_created,
          (unsigned long long)first.buffers_created);
    CHECK(s, last.dispatches > first.dispatches, "the runs issued no dispatch");
    return true;
}

/* ---- 5: late params ---- */

static bool seam5_late_params(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *session;
    esk_session_stats first = {0}, last = {0};
    esk_value *x, *low[2], *high[2];

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Clip(float[65], float[]=-0.5, float[]=0.5)", &made));
    MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &session));
    MUST(scene_value(s, "float[65]", &x));
    MUST(scene_value(s, "float[]=-0.5", &low[0]));
    MUST(scene_value(s, "float[]=0.5", &high[0]));
    MUST(scene_value(s, "float[]=-0.125", &low[1]));
    MUST(scene_value(s, "float[]=0.75", &high[1]));
    for (int i = 0; i < 4; i++) {
        const float *in = esk_value_const_data(x), *out;
        float least = i % 2 ? -0.125f : -0.5f, most = i % 2 ? 0.75f : 0.5f;
        esk_value *y;

        MUST(scene_run(s, session, &y, 3, x, low[i % 2], high[i % 2]));
        out = esk_value_const_data(y);
        for (int k = 0; k < 65; k++)
            CHECK(s, out[k] == fminf(fmaxf(in[k], least), most), "run %d, element %d: %g",
                  i, k, out[k]);
        MUST(scene_stats(s, session, i ? &last : &first));
    }
    CHECK(s, last.binds == first.binds, "new limits of Clip bound anew: %llu binds",
          (unsigned long long)last.binds);
    CHECK(s, last.commands_recorded == first.commands_recorded && last.device_nodes == 1,
          "new limits of Clip recorded anew, or it does not run on the device");
    return true;
}

/* ---- 6: recipes before the plan; shapes are no defines ---- */

static bool seam6_a_new_shape_compiles_nothing(struct scene *s) {
    static const char *const shapes[] = {"float[1,4,16,16]", "float[1,4,24,32]",
                                         "float[1,4,40,16]", "float[1,4,64,48]"};
    struct op_case *made;
    esk_session *device, *cpu;
    esk_session_stats first = {0}, last = {0};

    MUST(two_sessions(s,
                      "Conv(float[1,4,16,16], float[8,4,3,3]!, float[8]!) pads=1,1,1,1 "
                      "free=1 | Relu() | MaxPool() kernel_shape=2,2 strides=2,2 | "
                      "Conv(float[12,8,1,1]!) | Transpose() perm=0,2,3,1 | "
                      "MatMul(float[12,8]!) | Softmax() axis=-1",
                      "strict=1", &made, &device, &cpu));
    for (int i = 0; i < 4; i++) {
        esk_value *x;

        MUST(scene_value(s, shapes[i], &x));
        MUST(agree(s, shapes[i], device, cpu, x, NULL));
        MUST(scene_stats(s, device, i ? &last : &first));
    }
    CHECK(s, last.binds == first.binds + 3, "%llu binds for four shapes",
          (unsigned long long)last.binds);
    CHECK(s, last.programs == first.programs,
          "four shapes compiled %llu programs, the first one %llu",
          (unsigned long long)last.programs, (unsigned long long)first.programs);
    return true;
}

static bool seam6_widths_of_ppocr_rec(struct scene *s) {
    static const int widths[] = {320, 480, 640};
    char path[4096];
    esk_env *env;
    esk_session *session;
    esk_session_stats first = {0}, last = {0};

    snprintf(path, sizeof(path), "%s/models/ppocr_rec/model.onnx", data_folder());
    if (access(path, R_OK))
        return scene_skip(s, "no models/ppocr_rec below $ESKER_TESTDATA");
    MUST(scene_env(s, &env));
    MUST(scene_load(s, env, path, "GLCompute", "strict=1", &session));
    for (int i = 0; i < 3; i++) {
        char text[64];
        esk_value *x, *y;

        snprintf(text, sizeof(text), "float[1,3,48,%d]", widths[i]);
        MUST(scene_value(s, text, &x));
        MUST(scene_run(s, session, &y, 1, x));
        MUST(scene_stats(s, session, i ? &last : &first));
        CHECK(s, last.programs == (i ? first.programs : 0),
              "width %d compiled %llu programs, the first one %llu", widths[i],
              (unsigned long long)last.programs, (unsigned long long)first.programs);
        CHECK(s, !i || last.weight_bytes == first.weight_bytes,
              "width %d raised the weights from %llu to %llu bytes", widths[i],
              (unsigned long long)first.weight_bytes,
              (unsigned long long)last.weight_bytes);
    }
    return true;
}

/* ---- 7: constants are blobs, forms are keyed ---- */

static bool seam7_three_shapes_hold_the_weights_once(struct scene *s) {
    enum { WEIGHTS = 256 * 512 * 4 };
    struct op_case *made;
    esk_session *device, *cpu;
    esk_session_stats stats[3] = {{0}};

    MUST(two_sessions(s, "MatMul(float[4,256], float[256,512]!) free=1", "strict=1",
                      &made, &device, &cpu));
    for (int i = 0; i < 3; i++) {
        static const char *const shapes[] = {"float[4,256]", "float[8,256]",
                                             "float[12,256]"};
        esk_value *x;

        MUST(scene_value(s, shapes[i], &x));
        MUST(agree(s, shapes[i], device, cpu, x, NULL));
        MUST(scene_stats(s, device, &stats[i]));
    }
    CHECK(s, stats[0].weight_bytes >= WEIGHTS && stats[0].weight_bytes < 2 * WEIGHTS,
          "the first shape holds %llu bytes of weights, %d are there",
          (unsigned long long)stats[0].weight_bytes, (int)WEIGHTS);
    CHECK(s, stats[2].weight_bytes == stats[0].weight_bytes,
          "three shapes hold %llu bytes of weights, one %llu",
          (unsigned long long)stats[2].weight_bytes,
          (unsigned long long)stats[0].weight_bytes);
    CHECK(s, stats[2].device_bytes < stats[0].device_bytes + WEIGHTS,
          "three shapes take %llu bytes of the device, one %llu",
          (unsigned long long)stats[2].device_bytes,
          (unsigned long long)stats[0].device_bytes);
    CHECK(s, stats[2].plans == 3, "%llu plans", (unsigned long long)stats[2].plans);
    return true;
}

static bool seam7_feeding_an_initializer(struct scene *s) {
    const int64_t x_dims[] = {2, 3}, w_dims[] = {3, 2}, y_dims[] = {2, 2};
    const float w[] = {1, 2, 3, 4, 5, 6};
    struct message graph = {.size = 0}, part, model;
    esk_env *env;
    esk_session *session;
    esk_value *x, *fed, *y[3];
    static const float first[] = {22, 28, 49, 64}, second[] = {6, 6, 15, 15};
    esk_session_stats stats[3] = {{0}};

    part = message_node("MatMul", "x w", "y");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    part = message_tensor("w", 2, w_dims, w);
    message_add(&graph, 5, &part);
    part = message_value("x", ESK_FLOAT, 2, x_dims);
    message_add(&graph, 11, &part);
    part = message_value("w", ESK_FLOAT, 2, w_dims);
    message_add(&graph, 11, &part);
    part = message_value("y", ESK_FLOAT, 2, y_dims);
    message_add(&graph, 12, &part);
    model = message_model(&graph);
    MUST(scene_env(s, &env));
    MUST(scene_load_bytes(s, env, model.bytes, model.size, "GLCompute", "strict=1",
                          &session));
    MUST(scene_value(s, "float[2,3]=1,2,3,4,5,6", &x));
    MUST(scene_value(s, "float[3,2]=1", &fed));
    for (int i = 0; i < 3; i++) {
        MUST(i == 1 ? scene_run(s, session, &y[i], 2, x, fed)
                    : scene_run(s, session, &y[i], 1, x));
        CHECK(s,
              !memcmp(esk_value_const_data(y[i]), i == 1 ? second : first, sizeof(first)),
              "run %d: %s", i,
              i == 1 ? "the fed value was not taken" : "the initializer was not taken");
        MUST(scene_stats(s, session, &stats[i]));
    }
    CHECK(s, stats[1].binds == stats[0].binds + 1 && stats[2].binds == stats[1].binds,
          "binds: %llu, %llu with the fed initializer, %llu without it again",
          (unsigned long long)stats[0].binds, (unsigned long long)stats[1].binds,
          (unsigned long long)stats[2].binds);
    return true;
}

/* ---- 8: phases ---- */

static bool seam8_fusion_is_a_device_pass(struct scene *s) {
    static const char *const cases[] = {
        "Conv(float[1,4,9,9], float[8,4,3,3]!, float[8]!) | Relu()",
        "MatMul(float[9,16], float[16,12]!) | Sigmoid()",
        "Exp(float[70]) | Neg()",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char *const settings[] = {
            "strict=1", "strict=1,disabledOptimizers=fuse_epilogues"};
        struct op_case *made;
        esk_env *env;
        esk_session *session;
        esk_session_stats stats[2] = {{0}};
        esk_value *y[2];

        MUST(scene_env(s, &env));
        MUST(scene_case(s, cases[i], &made));
        for (int k = 0; k < 2; k++) {
            esk_placement *placement;
            size_t on_device = 0;

            MUST(scene_session(s, env, made->model, "GLCompute", settings[k], &session));
            MUST(scene_run(s, session, &y[k], 1, made->inputs.values[0]));
            MUST(scene_stats(s, session, &stats[k]));
            CHECK(s, esk_session_placement(session, &placement, NULL) == ESK_OK,
                  "no placement");
            for (size_t n = 0; n < esk_placement_count(placement); n++)
                on_device += !strcmp(esk_placement_get(placement, n)->home, "GLCompute");
            esk_placement_destroy(placement);
            CHECK(s, on_device == 2, "%s: %zu nodes on the device, fusion %s", cases[i],
                  on_device, k ? "off" : "on");
        }
        CHECK(s, stats[1].commands == stats[0].commands + 1,
              "%s: %u commands, %u without fuse_epilogues", cases[i], stats[0].commands,
              stats[1].commands);
        MUST(scene_near(s, cases[i], y[0], y[1]));
    }
    return true;
}

/* ---- the table ---- */

static const struct table_test tests[] = {
#define ROW(name) \
    { #name, name }
    ROW(seam1_reshape_by_a_run_input),
    ROW(seam1_resize_by_a_run_input),
    ROW(seam1_nonzero_cuts_a_stage),
    ROW(seam1_if_on_a_run_input),
    ROW(seam1_if_on_a_device_value),
    ROW(seam1_loop_until_a_device_value),
    ROW(seam2_pad_channels_are_zero),
    ROW(seam2_packed_halves),
    ROW(seam3_cut_dispatches),
    ROW(seam4_a_rebound_input_records_nothing),
    ROW(seam5_late_params),
    ROW(seam6_a_new_shape_compiles_nothing),
    ROW(seam6_widths_of_ppocr_rec),
    ROW(seam7_three_shapes_hold_the_weights_once),
    ROW(seam7_feeding_an_initializer),
    ROW(seam8_fusion_is_a_device_pass),
    ROW(steady_runs),
    ROW(threads_on_one_session),
    ROW(threads_on_two_sessions_of_a_device),
    ROW(callers_context_is_untouched),
#undef ROW
};

int main(int argc, char **argv) {
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
