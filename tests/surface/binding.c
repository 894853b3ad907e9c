/* Values on devices and bindings: what stays on the device is not copied, and the results
 * are those of plain runs. In: small models; out: bytes and counts of transfers. */
#include "surface.h"

#include <stdio.h>
#include <stdlib.h>

static void drop_binding(void *binding) {
    esk_binding_destroy(binding);
}

/* A model on the device and on the CPU, of one text. */
struct pair {
    struct op_case *made;
    esk_env *env;
    esk_session *device, *cpu;
    esk_value *expected;
    esk_binding *binding;
};

static bool open_pair(struct scene *s, const char *text, const char *settings,
                      struct pair *p) {
    esk_error error = ESK_ERROR_INIT;

    MUST(scene_env(s, &p->env));
    MUST(scene_case(s, text, &p->made));
    MUST(scene_session(s, p->env, p->made->model, "GLCompute", settings, &p->device));
    MUST(scene_session(s, p->env, p->made->model, "CPU", NULL, &p->cpu));
    GOOD(s, esk_binding_create(p->device, &p->binding, &error));
    return scene_keep(s, p->binding, drop_binding);
}

static bool expect(struct scene *s, struct pair *p, esk_value *const *inputs) {
    esk_error error = ESK_ERROR_INIT;
    esk_value *y = NULL;

    GOOD(s, esk_session_run(
                p->cpu, NULL, p->made->inputs.names, inputs, p->made->inputs.count,
                &(const char *){esk_session_output(p->cpu, 0)->name}, &y, 1, &error));
    p->expected = y;
    return scene_keep(s, y, scene_drop_value);
}

/* A value on the session's device with the content of `from`. */
static bool on_device(struct scene *s, esk_session *session, const esk_value *from,
                      esk_value **value) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s,
         esk_value_create_on_device(session, esk_value_dtype(from), esk_value_rank(from),
                                    esk_value_dims(from), value, &error));
    MUST(scene_keep(s, *value, scene_drop_value));
    CHECK(s, esk_value_location(*value) == ESK_ON_DEVICE && !esk_value_data(*value),
          "a value on the device says it is elsewhere");
    GOOD(s, esk_value_copy(from, *value, &error));
    return true;
}

static bool on_host(struct scene *s, const esk_value *from, esk_value **value) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s, esk_value_create(esk_value_dtype(from), esk_value_rank(from),
                             esk_value_dims(from), value, &error));
    MUST(scene_keep(s, *value, scene_drop_value));
    GOOD(s, esk_value_copy(from, *value, &error));
    return true;
}

static bool same_as(struct scene *s, const char *what, const esk_value *device,
                    const esk_value *expected) {
    esk_value *host;

    MUST(on_host(s, device, &host));
    return scene_near(s, what, host, expected);
}

bool device_values_hold_every_type(struct scene *s) {
    static const char *const texts[] = {
        "float[3,5]", "float[1]",      "float[0]",  "float16[2,4]", "float16[3,3]",
        "int64[7]",   "uint64[2]",     "int32[5]",  "uint32[5]",    "int16[3]",
        "uint16[3]",  "int8[4,4,4,4]", "uint8[13]", "bool[9]",      "float[]",
    };
    struct pair p;

    MUST(open_pair(s, "Relu(float[2])", NULL, &p));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        esk_error error = ESK_ERROR_INIT;
        esk_value *host, *first, *second, *back;

        MUST(scene_value(s, texts[i], &host));
        MUST(on_device(s, p.device, host, &first));
        GOOD(s, esk_value_create_on_device(p.device, esk_value_dtype(host),
                                           esk_value_rank(host), esk_value_dims(host),
                                           &second, &error));
        MUST(scene_keep(s, second, scene_drop_value));
        GOOD(s, esk_value_copy(first, second, &error));
        MUST(on_host(s, second, &back));
        MUST(scene_same_bytes(s, texts[i], back, host));
    }
    return true;
}

bool device_value_errors(struct scene *s) {
    const int64_t dims[] = {2, -1}, good[] = {2, 3};
    struct pair p;
    esk_value *value = NULL, *other;
    esk_error error = ESK_ERROR_INIT;

    MUST(open_pair(s, "Relu(float[2])", NULL, &p));
    CHECK(s,
          esk_value_create_on_device(p.device, ESK_FLOAT, 2, dims, &value, &error) ==
              ESK_INVALID_ARGUMENT,
          "a negative dimension was taken");
    CHECK(s,
          esk_value_create_on_device(p.device, ESK_DOUBLE, 2, good, &value, &error) ==
              ESK_UNSUPPORTED,
          "doubles were taken");
    GOOD(s, esk_value_create_on_device(p.device, ESK_FLOAT, 2, good, &value, &error));
    MUST(scene_keep(s, value, scene_drop_value));
    MUST(scene_value(s, "float[3,2]", &other));
    CHECK(s, esk_value_copy(other, value, &error) == ESK_INVALID_ARGUMENT,
          "[3,2] was copied to [2,3]");
    CHECK(s, strstr(esk_error_message(&error), "float[3,2]"), "'%s'",
          esk_error_message(&error));
    CHECK(s,
          esk_binding_input(p.binding, "nobody", value, &error) == ESK_INVALID_ARGUMENT &&
              esk_binding_output(p.binding, "nobody", value, &error) ==
                  ESK_INVALID_ARGUMENT,
          "an unknown name was bound");
    CHECK(s,
          esk_binding_input(p.binding, p.made->inputs.names[0], value, &error) ==
              ESK_INVALID_ARGUMENT,
          "a value of another shape was bound");
    CHECK(s,
          esk_session_run_binding(p.device, NULL, p.binding, &error) ==
              ESK_INVALID_ARGUMENT,
          "a run without its input");
    GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0],
                              p.made->inputs.values[0], &error));
    CHECK(s,
          esk_session_run_binding(p.cpu, NULL, p.binding, &error) ==
                  ESK_INVALID_ARGUMENT &&
              strstr(esk_error_message(&error), "not of this session"),
          "a binding of another session: %s", esk_error_message(&error));
    esk_error_clear(&error);
    return true;
}

/* Bound to device values: no transfer, nothing recorded; another value of the same shape
 * records nothing either. */
bool bound_runs_transfer_nothing(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before, after;
    esk_value *x[2], *in[2], *out, *host;
    const char *name;

    MUST(open_pair(s, "MatMul(float[4,8], float[8,6]!) | Relu() | Softmax()", "strict=1",
                   &p));
    name = esk_session_output(p.device, 0)->name;
    x[0] = p.made->inputs.values[0];
    MUST(scene_value(s, "float[4,8]=1,-2,3,-4,5", &x[1]));
    for (int i = 0; i < 2; i++)
        MUST(on_device(s, p.device, x[i], &in[i]));
    MUST(expect(s, &p, &x[0]));
    MUST(on_device(s, p.device, p.expected, &out));
    GOOD(s, esk_binding_output(p.binding, name, out, &error));
    for (int i = 0; i < 8; i++) {
        if (i == 2) /* both are on the screen where the plan runs */
            MUST(scene_stats(s, p.device, &before));
        GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0], in[i % 2], &error));
        GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
    }
    MUST(scene_stats(s, p.device, &after));
    CHECK(s, after.uploads == before.uploads && after.readbacks == before.readbacks,
          "%llu uploads and %llu readbacks in runs on device values",
          (unsigned long long)(after.uploads - before.uploads),
          (unsigned long long)(after.readbacks - before.readbacks));
    CHECK(s,
          after.commands_recorded == before.commands_recorded &&
              after.buffers_created == before.buffers_created &&
              after.binds == before.binds,
          "another bound value made commands, buffers or plans");
    MUST(expect(s, &p, &x[1]));
    MUST(same_as(s, "bound", out, p.expected));
    /* and back to plain runs */
    MUST(scene_run(s, p.device, &host, 1, x[1]));
    return scene_near(s, "plain", host, p.expected);
}

/* A chain: the first session's output is the second's input. */
bool sessions_of_a_device_share_values(struct scene *s) {
    struct pair a, b;
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before, after;
    esk_value *x, *middle, *expected;

    MUST(open_pair(s, "MatMul(float[3,8], float[8,5]!) | Tanh()", "strict=1", &a));
    MUST(scene_case(s, "Softmax(float[3,5])", &b.made));
    MUST(scene_session(s, a.env, b.made->model, "GLCompute", "strict=1", &b.device));
    MUST(scene_session(s, a.env, b.made->model, "CPU", NULL, &b.cpu));
    GOOD(s, esk_binding_create(b.device, &b.binding, &error));
    MUST(scene_keep(s, b.binding, drop_binding));
    x = a.made->inputs.values[0];
    MUST(expect(s, &a, &x));
    MUST(scene_run(s, b.cpu, &expected, 1, a.expected));
    GOOD(s, esk_binding_input(a.binding, a.made->inputs.names[0], x, &error));
    GOOD(s, esk_binding_output_at(a.binding, esk_session_output(a.device, 0)->name,
                                  ESK_ON_DEVICE, &error));
    GOOD(s, esk_binding_output_at(b.binding, esk_session_output(b.device, 0)->name,
                                  ESK_ON_DEVICE, &error));
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            MUST(scene_stats(s, a.device, &before));
        GOOD(s, esk_session_run_binding(a.device, NULL, a.binding, &error));
        middle = esk_binding_value(a.binding, esk_session_output(a.device, 0)->name);
        CHECK(s, middle && esk_value_location(middle) == ESK_ON_DEVICE,
              "no value on the device");
        GOOD(s, esk_binding_input(b.binding, b.made->inputs.names[0], middle, &error));
        GOOD(s, esk_session_run_binding(b.device, NULL, b.binding, &error));
    }
    MUST(scene_stats(s, a.device, &after));
    CHECK(s, after.uploads == before.uploads + 1 && after.readbacks == before.readbacks,
          "%llu uploads, %llu readbacks for one input of a chain",
          (unsigned long long)(after.uploads - before.uploads),
          (unsigned long long)(after.readbacks - before.readbacks));
    CHECK(s, after.buffers_created == before.buffers_created,
          "a steady chain made buffers");
    return same_as(s, "chain",
                   esk_binding_value(b.binding, esk_session_output(b.device, 0)->name),
                   expected);
}

/* past grows by one row a step; the present of a step is the past of the next. */
bool a_cache_grows_on_the_device(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before, after;
    esk_value *row, *past, *host_past;
    const int64_t none[] = {2, 0, 8};
    const char *name;

    MUST(
        open_pair(s, "Concat(float[2,3,8], float[2,1,8]) axis=1 free=1", "strict=1", &p));
    name = esk_session_output(p.device, 0)->name;
    GOOD(s, esk_value_create_on_device(p.device, ESK_FLOAT, 3, none, &past, &error));
    GOOD(s, esk_value_create(ESK_FLOAT, 3, none, &host_past, &error));
    GOOD(s, esk_binding_output_at(p.binding, name, ESK_ON_DEVICE, &error));
    MUST(scene_stats(s, p.device, &before));
    for (int step = 0; step < 9; step++) {
        char text[64];

        snprintf(text, sizeof(text), "float[2,1,8]=%d,%d,0.5", step, -step);
        MUST(scene_value(s, text, &row));
        GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0], past, &error));
        GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[1], row, &error));
        GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
        esk_value_destroy(past);
        past = esk_binding_take(p.binding, name);
        CHECK(s, past && !esk_binding_value(p.binding, name), "no value to take");
        esk_value *both[] = {host_past, row};
        MUST(expect(s, &p, both));
        esk_value_destroy(host_past);
        GOOD(s, esk_value_create(ESK_FLOAT, 3, esk_value_dims(p.expected), &host_past,
                                 &error));
        GOOD(s, esk_value_copy(p.expected, host_past, &error));
    }
    MUST(scene_stats(s, p.device, &after));
    bool same = same_as(s, "cache", past, host_past);
    esk_value_destroy(past);
    esk_value_destroy(host_past);
    CHECK(s, after.uploads - before.uploads == 9 && after.readbacks == before.readbacks,
          "%llu uploads, %llu readbacks in 9 steps: only the new rows go up",
          (unsigned long long)(after.uploads - before.uploads),
          (unsigned long long)(after.readbacks - before.readbacks));
    CHECK(s, after.upload_bytes - before.upload_bytes == 9 * 64,
          "%llu bytes up in 9 steps of 64",
          (unsigned long long)(after.upload_bytes - before.upload_bytes));
    return same;
}

/* A decoder's step: of its caches, which stay on the device, nothing is copied. */
bool decoder_steps_copy_little(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before, after;
    const int64_t none[] = {1, 2, 0, 8};
    esk_value *caches[2], *inputs[7] = {NULL};
    const char *names[2];

    MUST(open_pair(s,
                   "GroupQueryAttention(float[1,1,32], float[1,1,16], float[1,1,16], "
                   "float[1,2,3,8], float[1,2,3,8], int32[1]=3, int32[]=4) "
                   "domain=com.microsoft num_heads=4 kv_num_heads=2 out=3 free=1",
                   "strict=1", &p));
    for (int i = 0; i < 2; i++) {
        GOOD(s, esk_value_create_on_device(p.device, ESK_FLOAT, 4, none, &caches[i],
                                           &error));
        names[i] = esk_session_output(p.device, 1 + (size_t)i)->name;
        GOOD(s, esk_binding_output_at(p.binding, names[i], ESK_ON_DEVICE, &error));
    }
    GOOD(s, esk_binding_output_at(p.binding, esk_session_output(p.device, 0)->name,
                                  ESK_ON_HOST, &error));
    MUST(scene_stats(s, p.device, &before));
    for (int step = 0; step < 6; step++) {
        char lengths[2][32];

        snprintf(lengths[0], sizeof(lengths[0]), "int32[1]=%d", step);
        snprintf(lengths[1], sizeof(lengths[1]), "int32[]=%d", step + 1);
        MUST(scene_value(s, "float[1,1,32]", &inputs[0]));
        MUST(scene_value(s, "float[1,1,16]", &inputs[1]));
        MUST(scene_value(s, "float[1,1,16]=0.5,-1", &inputs[2]));
        MUST(scene_value(s, lengths[0], &inputs[5]));
        MUST(scene_value(s, lengths[1], &inputs[6]));
        for (int i = 0; i < 7; i++)
            GOOD(s,
                 esk_binding_input(p.binding, p.made->inputs.names[i],
                                   i == 3 || i == 4 ? caches[i - 3] : inputs[i], &error));
        GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
        for (int i = 0; i < 2; i++) {
            esk_value_destroy(caches[i]);
            caches[i] = esk_binding_take(p.binding, names[i]);
            CHECK(s, caches[i], "no cache");
        }
    }
    MUST(scene_stats(s, p.device, &after));
    bool right = esk_value_dims(caches[0])[2] == 6;
    esk_value_destroy(caches[0]);
    esk_value_destroy(caches[1]);
    CHECK(s, right, "the cache has not 6 positions");
    /* Q, K, V; and the length of the one batch, a vec4 as it is stored */
    CHECK(s, after.upload_bytes - before.upload_bytes <= 6 * (64 * 4 + 16),
          "%llu bytes up in 6 steps of 272",
          (unsigned long long)(after.upload_bytes - before.upload_bytes));
    CHECK(s, after.readback_bytes - before.readback_bytes == 6 * 128,
          "%llu bytes down in 6 steps of 128",
          (unsigned long long)(after.readback_bytes - before.readback_bytes));
    return true;
}

static bool mask_of(struct scene *s, int batch, int room, int first, esk_value **mask) {
    char text[256];
    int at = snprintf(text, sizeof(text), "int64[%d,%d]=", batch, room);

    for (int b = 0; b < batch; b++)
        for (int i = 0; i < room; i++)
            at += snprintf(text + at, sizeof(text) - (size_t)at, "%d,", i < first - b);
    text[at - 1] = 0;
    return scene_value(s, text, mask);
}

enum { LAYERS = 3, WIDTH = 64, ROOM = 16 };

static void drop_model(void *model) {
    esk_model_destroy(model);
}

static bool add_node(struct scene *s, esk_model *model, const char *op,
                     const char *const *in, size_t n_in, const char *const *out,
                     size_t n_out, const esk_attribute *attributes, size_t n) {
    esk_error error = ESK_ERROR_INIT;

    GOOD(s, esk_model_add_node(model, *op == 'G' && op[1] == 'r' ? "com.microsoft" : "",
                               op, NULL, in, n_in, out, n_out, attributes, n, &error));
    return true;
}

/* What exporters of decoders for the WebGPU provider write: tokens looked up, a mask's
 * sum that becomes a length for all layers, caches of one size. */
static bool add_decoder(struct scene *s, esk_model **made) {
    static float table[16 * WIDTH], rotary[ROOM * 4];
    static const char *const cache_names[] = {"key", "value", "new_key", "new_value"};
    const esk_attribute heads[] = {{.name = "num_heads", .kind = 'i', .i = 4},
                                   {.name = "kv_num_heads", .kind = 'i', .i = 2},
                                   {.name = "do_rotary", .kind = 'i', .i = 1}};
    const esk_attribute flat[] = {{.name = "keepdims", .kind = 'i', .i = 0}};
    const esk_attribute to32[] = {{.name = "to", .kind = 'i', .i = ESK_INT32}};
    esk_error error = ESK_ERROR_INIT;
    esk_model *model;

    for (int i = 0; i < 16 * WIDTH; i++)
        table[i] = (float)(i * 37 % 64 - 32) / 16;
    for (int i = 0; i < ROOM * 4; i++)
        rotary[i] = (float)(i % 7) / 8;
    GOOD(s, esk_model_create("decoder", 21, &model, &error));
    MUST(scene_keep(s, model, drop_model));
    *made = model;
    GOOD(s, esk_model_add_input(model, "ids", ESK_INT64, 2, (int64_t[]){1, 1}, &error));
    GOOD(s,
         esk_model_add_input(model, "mask", ESK_INT64, 2, (int64_t[]){1, ROOM}, &error));
    struct {
        const char *name, *text;
        float *data;
        size_t size;
    } constants[] = {{"table", "float[16,64]=0", table, sizeof(table)},
                     {"rotary", "float[16,4]=0", rotary, sizeof(rotary)},
                     {"one", "int64[1]=1", NULL, 0},
                     {"total", "int32[]=16", NULL, 0}};
    for (size_t i = 0; i < 4; i++) {
        esk_value *value;

        MUST(scene_value(s, constants[i].text, &value));
        if (constants[i].data)
            memcpy(esk_value_data(value), constants[i].data, constants[i].size);
        GOOD(s, esk_model_add_constant(model, constants[i].name, value, &error));
    }
    MUST(add_node(s, model, "Gather", (const char *[]){"table", "ids"}, 2,
                  (const char *[]){"x0"}, 1, NULL, 0));
    MUST(add_node(s, model, "ReduceSum", (const char *[]){"mask", "one"}, 2,
                  (const char *[]){"sum"}, 1, flat, 1));
    MUST(add_node(s, model, "Sub", (const char *[]){"sum", "one"}, 2,
                  (const char *[]){"last"}, 1, NULL, 0));
    MUST(add_node(s, model, "Cast", (const char *[]){"last"}, 1,
                  (const char *[]){"lengths"}, 1, to32, 1));
    for (int i = 0; i < LAYERS; i++) {
        char names[6][16];

        for (int k = 0; k < 4; k++)
            snprintf(names[k], sizeof(names[k]), "%s%d", cache_names[k], i);
        snprintf(names[4], sizeof(names[4]), "x%d", i);
        snprintf(names[5], sizeof(names[5]), "y%d", i);
        for (int k = 0; k < 2; k++)
            GOOD(s, esk_model_add_input(model, names[k], ESK_FLOAT, 4,
                                        (int64_t[]){1, 2, ROOM, 8}, &error));
        MUST(add_node(s, model, "GroupQueryAttention",
                      (const char *[]){names[4], "", "", names[0], names[1], "lengths",
                                       "total", "rotary", "rotary"},
                      9, (const char *[]){names[5], names[2], names[3]}, 3, heads, 3));
        snprintf(names[4], sizeof(names[4]), "x%d", i + 1);
        MUST(add_node(s, model, "Concat", (const char *[]){names[5], names[5]}, 2,
                      (const char *[]){names[4]}, 1,
                      &(esk_attribute){.name = "axis", .kind = 'i', .i = 2}, 1));
    }
    char logits[16];
    snprintf(logits, sizeof(logits), "x%d", LAYERS);
    GOOD(s, esk_model_add_output(model, logits, &error));
    for (int i = 0; i < 2 * LAYERS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%s%d", cache_names[2 + i % 2], i / 2);
        GOOD(s, esk_model_add_output(model, name, &error));
    }
    return true;
}

/* Up goes no more than the token's id, down no more than the logits, counted; be the
 * graph captured or not. */
static bool count_step(struct scene *s, bool captured) {
    esk_env *env;
    esk_model *model = NULL;
    esk_session *device, *cpu;
    esk_binding *bindings[2];
    esk_session_stats before = {0}, after;
    esk_error error = ESK_ERROR_INIT;
    const esk_run_options *id = captured ? esk_run_options(.gpu_graph_id = 1) : NULL;

    MUST(scene_env(s, &env));
    MUST(add_decoder(s, &model));
    MUST(scene_session(s, env, model, "GLCompute",
                       captured ? "strict=1,enableGraphCapture=1" : "strict=1", &device));
    MUST(scene_session(s, env, model, "CPU", NULL, &cpu));
    for (int on = 0; on < 2; on++) {
        GOOD(s, esk_binding_create(on ? device : cpu, &bindings[on], &error));
        MUST(scene_keep(s, bindings[on], drop_binding));
        GOOD(s, esk_binding_output_at(bindings[on], esk_session_output(cpu, 0)->name,
                                      ESK_ON_HOST, &error));
        for (size_t i = 0; i < 2 * LAYERS; i++) { /* the same value is past and present */
            const esk_value_info *info = esk_session_input(cpu, 2 + i);
            esk_value *cache, *zeros;

            MUST(scene_value(s, "float[1,2,16,8]=0", &zeros));
            cache = zeros;
            if (on)
                MUST(on_device(s, device, zeros, &cache));
            GOOD(s, esk_binding_input(bindings[on], info->name, cache, &error));
            if (on)
                GOOD(s, esk_binding_output(bindings[on],
                                           esk_session_output(cpu, 1 + i)->name, cache,
                                           &error));
            else
                GOOD(s, esk_binding_output_at(bindings[on],
                                              esk_session_output(cpu, 1 + i)->name,
                                              ESK_ON_HOST, &error));
        }
    }
    for (int step = 0; step < 6; step++) {
        char text[64];
        esk_value *ids, *mask;

        snprintf(text, sizeof(text), "int64[1,1]=%d", step * 5 % 16);
        MUST(scene_value(s, text, &ids));
        MUST(mask_of(s, 1, ROOM, step + 1, &mask));
        if (step == 2)
            MUST(scene_stats(s, device, &before));
        for (int on = 0; on < 2; on++) {
            GOOD(s, esk_binding_input(bindings[on], "ids", ids, &error));
            GOOD(s, esk_binding_input(bindings[on], "mask", mask, &error));
            GOOD(s, esk_session_run_binding(on ? device : cpu, on ? id : NULL,
                                            bindings[on], &error));
        }
        const char *logits = esk_session_output(cpu, 0)->name;
        MUST(scene_near(s, "a step", esk_binding_value(bindings[1], logits),
                        esk_binding_value(bindings[0], logits)));
        for (size_t i = 0; i < 2 * LAYERS; i++) {
            esk_value *taken =
                esk_binding_take(bindings[0], esk_session_output(cpu, 1 + i)->name);
            GOOD(s, esk_binding_input(bindings[0], esk_session_input(cpu, 2 + i)->name,
                                      taken, &error));
            MUST(scene_keep(s, taken, scene_drop_value));
        }
    }
    MUST(scene_stats(s, device, &after));
    CHECK(s, after.upload_bytes - before.upload_bytes <= 4 * sizeof(int64_t),
          "%llu bytes up in 4 steps, an id has 8",
          (unsigned long long)(after.upload_bytes - before.upload_bytes));
    CHECK(s, after.readback_bytes - before.readback_bytes == 4 * WIDTH * sizeof(float),
          "%llu bytes down in 4 steps, the logits have 256",
          (unsigned long long)(after.readback_bytes - before.readback_bytes));
    return true;
}

bool decoder_steps_copy_ids_and_logits(struct scene *s) {
    MUST(count_step(s, false));
    return count_step(s, true);
}

/* A mask of fixed size as exporters write it: its sum becomes each batch's length. One
 * plan serves all steps; the mask is not copied where it is on the host, and works where
 * it is not; captured graphs see new lengths. */
static bool mask_steps(struct scene *s, int batch, bool device_mask, bool captured) {
    struct pair p;
    char text[512];
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before, after;
    esk_value *inputs[7], *mask, *y = NULL;

    snprintf(text, sizeof(text),
             "ReduceSum(int64[%d,8], int64[1]!=1) keepdims=0 | Sub($, int64[1]!=1) | "
             "Cast($) to=6 | GroupQueryAttention(float[%d,1,32], float[%d,1,16], "
             "float[%d,1,16], float[%d,2,8,8], float[%d,2,8,8], $, int32[]!=8) "
             "domain=com.microsoft num_heads=4 kv_num_heads=2 out=3",
             batch, batch, batch, batch, batch, batch);
    MUST(open_pair(s, text, captured ? "strict=1,enableGraphCapture=1" : "strict=1", &p));
    for (size_t i = 0; i < p.made->inputs.count; i++)
        inputs[i] = p.made->inputs.values[i];
    for (int step = 0; step < 4; step++) {
        MUST(mask_of(s, batch, 8, 5 + step % 3, &inputs[0]));
        MUST(expect(s, &p, inputs));
        mask = inputs[0];
        if (device_mask)
            MUST(on_device(s, p.device, mask, &inputs[0]));
        if (step == 1)
            MUST(scene_stats(s, p.device, &before));
        GOOD(s, esk_session_run(p.device, NULL, p.made->inputs.names, inputs,
                                p.made->inputs.count,
                                &(const char *){esk_session_output(p.device, 0)->name},
                                &y, 1, &error));
        MUST(scene_near(s, "a step", y, p.expected));
    }
    MUST(scene_stats(s, p.device, &after));
    esk_value_destroy(y);
    CHECK(s, after.binds == before.binds, "steps made plans");
    /* Q, K, V and both caches; lengths take a vec4 */
    CHECK(s,
          device_mask || after.upload_bytes - before.upload_bytes <=
                             3 * (uint64_t)(batch * (64 + 2 * 128) * 4 + 16),
          "%llu bytes up in 3 steps, batch %d",
          (unsigned long long)(after.upload_bytes - before.upload_bytes), batch);
    return true;
}

bool a_mask_stays_on_the_host(struct scene *s) {
    for (int batch = 1; batch < 3; batch++) {
        MUST(mask_steps(s, batch, false, false));
        MUST(mask_steps(s, batch, true, false));
        MUST(mask_steps(s, batch, false, true));
    }
    return true;
}

/* One value for an input and an output; an output that is its input; constants. */
bool odd_outputs_on_the_device(struct scene *s) {
    static const char *const texts[] = {
        "Relu(float[4,4])",
        "Reshape(float[4,4], int64[2]!=2,8) | Reshape($, int64[2]!=4,4)",
        "Identity(float[4,4])",
        "Transpose(float[4,4]) | Reshape($, int64[2]!=4,4)",
        "Softmax(float[4,4]) | Transpose()",
        "Transpose(float[96,96])",
        "Split(float[8,4]) num_outputs=2 out=2",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (int poison = 0; poison < 2; poison++) {
            struct pair p;
            esk_error error = ESK_ERROR_INIT;
            esk_value *x, *in, *out;
            const char *name;

            MUST(open_pair(s, texts[i], poison ? "poison=1" : NULL, &p));
            name = esk_session_output(p.device, 0)->name;
            x = p.made->inputs.values[0];
            MUST(expect(s, &p, &x));
            /* to another value, and to one that the runs make */
            MUST(on_device(s, p.device, x, &in));
            MUST(on_device(s, p.device, p.expected, &out));
            GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0], in, &error));
            GOOD(s, esk_binding_output(p.binding, name, out, &error));
            GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
            MUST(same_as(s, texts[i], out, p.expected));
            GOOD(s, esk_binding_output_at(p.binding, name, ESK_ON_DEVICE, &error));
            GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
            MUST(same_as(s, texts[i], esk_binding_value(p.binding, name), p.expected));
            /* to the input's own value: f(x), then f(f(x)) */
            if (esk_value_size(in) != esk_value_size(p.expected))
                continue;
            GOOD(s, esk_binding_output(p.binding, name, in, &error));
            GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
            MUST(same_as(s, texts[i], in, p.expected));
            GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
            MUST(expect(s, &p, &p.expected));
            MUST(same_as(s, texts[i], in, p.expected));
        }
    return true;
}

/* What the host must know of a value on the device is fetched, and the plan's key. */
bool host_needs_of_device_inputs(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_value *shape[2], *in[3], *out = NULL;
    esk_session_stats stats;

    MUST(open_pair(s, "Relu(float[2,6]) | Reshape($, int64[2]=3,4) | Transpose()",
                   "strict=1", &p));
    MUST(scene_value(s, "int64[2]=3,4", &shape[0]));
    MUST(scene_value(s, "int64[2]=6,-1", &shape[1]));
    MUST(on_device(s, p.device, p.made->inputs.values[0], &in[2]));
    MUST(on_device(s, p.device, shape[0], &in[0]));
    MUST(on_device(s, p.device, shape[1], &in[1]));
    for (int i = 0; i < 4; i++) {
        esk_value *both[] = {in[2], in[i % 2]};
        esk_value *host[] = {p.made->inputs.values[0], shape[i % 2]};

        MUST(expect(s, &p, host));
        GOOD(s, esk_session_run(p.device, NULL, p.made->inputs.names, both, 2, NULL, &out,
                                1, &error));
        MUST(scene_keep(s, out, scene_drop_value));
        MUST(scene_near(s, "Reshape", out, p.expected));
        out = NULL;
    }
    MUST(scene_stats(s, p.device, &stats));
    CHECK(s, stats.plans == 2, "%llu plans for two shapes",
          (unsigned long long)stats.plans);
    /* the same value with another content is another key */
    GOOD(s, esk_value_copy(shape[1], in[0], &error));
    esk_value *both[] = {in[2], in[0]}, *host[] = {p.made->inputs.values[0], shape[1]};
    MUST(expect(s, &p, host));
    GOOD(s, esk_session_run(p.device, NULL, p.made->inputs.names, both, 2, NULL, &out, 1,
                            &error));
    MUST(scene_keep(s, out, scene_drop_value));
    return scene_near(s, "changed", out, p.expected);
}

/* The one index of a Gather is a word of the parameters; a device has it as well, and may
 * change it between runs, captured or not. */
bool an_index_on_the_device(struct scene *s) {
    for (int captured = 0; captured < 2; captured++) {
        struct pair p;
        esk_error error = ESK_ERROR_INIT;
        esk_value *index, *on, *y = NULL;
        const esk_run_options *id = captured ? esk_run_options(.gpu_graph_id = 2) : NULL;

        MUST(open_pair(s, "Gather(float[5,8]!, int64[1,1]=1) | Exp()",
                       captured ? "strict=1,enableGraphCapture=1" : "strict=1", &p));
        MUST(on_device(s, p.device, p.made->inputs.values[0], &on));
        for (int i = 0; i < 4; i++) {
            char text[32];

            snprintf(text, sizeof(text), "int64[1,1]=%d", i * 3 % 5 - (i == 3 ? 5 : 0));
            MUST(scene_value(s, text, &index));
            GOOD(s, esk_value_copy(index, on, &error));
            MUST(expect(s, &p, &index));
            GOOD(s, esk_session_run(p.device, id, p.made->inputs.names, &on, 1, NULL, &y,
                                    1, &error));
            if (!i)
                MUST(scene_keep(s, y, scene_drop_value));
            MUST(scene_near(s, text, y, p.expected));
        }
    }
    return true;
}

/* Behind a cut, on the host by force, by a CPU session: device values work all the same.
 */
bool device_values_meet_the_host(struct scene *s) {
    static const struct {
        const char *text, *settings;
    } rows[] = {
        {"Relu(float[2,4]) | NonZero() | Cast() to=1 | Exp()", NULL},
        {"Relu(float[2,4]) | Exp()", "forceCpuNodeNames=Relu_0"},
        {"Relu(float[2,4]) | Exp() | Neg()", "forceCpuNodeNames=Exp_1"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair p;
        esk_error error = ESK_ERROR_INIT;
        esk_value *x, *in, *out = NULL;
        const char *name;

        MUST(open_pair(s, rows[i].text, rows[i].settings, &p));
        name = esk_session_output(p.device, 0)->name;
        MUST(scene_value(s, "float[2,4]=-1,2,-3,4,5,-6,-7,-8", &x));
        MUST(expect(s, &p, &x));
        MUST(on_device(s, p.device, x, &in));
        GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0], in, &error));
        GOOD(s, esk_binding_output_at(p.binding, name, ESK_ON_DEVICE, &error));
        for (int run = 0; run < 2; run++) {
            GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
            MUST(
                same_as(s, rows[i].text, esk_binding_value(p.binding, name), p.expected));
        }
        CHECK(s, esk_value_location(esk_binding_value(p.binding, name)) == ESK_ON_DEVICE,
              "%s: the output is not on the device", rows[i].text);
        GOOD(s, esk_session_run(p.cpu, NULL, p.made->inputs.names, &in, 1, NULL, &out, 1,
                                &error));
        MUST(scene_keep(s, out, scene_drop_value));
        MUST(scene_near(s, "CPU session", out, p.expected));
    }
    return true;
}

struct asked {
    esk_session *session; /* NULL: host */
    esk_value *value;
    int calls;
    bool refuse, wrong; /* gives no value; one of another shape */
};

static esk_value *give(void *user, const char *name, esk_dtype dtype, int rank,
                       const int64_t *dims) {
    struct asked *asked = user;

    (void)name;
    asked->calls++;
    if (asked->refuse)
        return NULL;
    esk_value_destroy(asked->value);
    asked->value = NULL;
    if (asked->wrong) {
        esk_value_create(dtype, 1, &(int64_t){7}, &asked->value, NULL);
        return asked->value;
    }
    if (asked->session)
        esk_value_create_on_device(asked->session, dtype, rank, dims, &asked->value,
                                   NULL);
    else
        esk_value_create(dtype, rank, dims, &asked->value, NULL);
    return asked->value;
}

bool an_output_by_callback(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_value *x;

    MUST(open_pair(s, "Relu(float[2,4]) | NonZero() | Cast() to=1 | Exp()", NULL, &p));
    MUST(scene_value(s, "float[2,4]=-1,2,-3,4,5,-6,-7,-8", &x));
    MUST(expect(s, &p, &x));
    GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0], x, &error));
    for (int device = 0; device < 2; device++) {
        struct asked asked = {.session = device ? p.device : NULL};
        bool same;

        GOOD(s, esk_binding_output_fn(p.binding, esk_session_output(p.device, 0)->name,
                                      give, &asked, &error));
        GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
        CHECK(s, asked.calls == 1, "%d calls", asked.calls);
        same = same_as(s, "callback", asked.value, p.expected);
        asked.wrong = true;
        esk_status wrong = esk_session_run_binding(p.device, NULL, p.binding, &error);
        bool named = strstr(esk_error_message(&error), "float[7]");
        CHECK(s, wrong == ESK_INVALID_ARGUMENT && named, "a value of another shape: %s",
              esk_status_name(wrong));
        esk_error_clear(&error);
        asked.refuse = true;
        CHECK(s,
              esk_session_run_binding(p.device, NULL, p.binding, &error) == ESK_CANCELLED,
              "a run went on without a value");
        esk_error_clear(&error);
        esk_value_destroy(asked.value);
        MUST(same);
    }
    return true;
}

bool a_subset_of_outputs(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_session_stats before, after;
    const char *name;

    MUST(open_pair(s, "Split(float[8,4]) num_outputs=4 out=4", "strict=1", &p));
    name = esk_session_output(p.device, 2)->name;
    GOOD(s, esk_binding_input(p.binding, p.made->inputs.names[0],
                              p.made->inputs.values[0], &error));
    GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
    for (size_t i = 0; i < 4; i++)
        CHECK(s, esk_binding_value(p.binding, esk_session_output(p.device, i)->name),
              "output %zu is not there though none was bound", i);
    GOOD(s, esk_binding_output_at(p.binding, name, ESK_ON_HOST, &error));
    MUST(scene_stats(s, p.device, &before));
    GOOD(s, esk_session_run_binding(p.device, NULL, p.binding, &error));
    MUST(scene_stats(s, p.device, &after));
    for (size_t i = 0; i < 4; i++)
        CHECK(s,
              !esk_binding_value(p.binding, esk_session_output(p.device, i)->name) ==
                  (i != 2),
              "output %zu of those of which only 2 is bound", i);
    CHECK(s, after.readbacks == before.readbacks + 1, "%llu readbacks for one output",
          (unsigned long long)(after.readbacks - before.readbacks));
    p.expected = NULL;
    GOOD(s, esk_session_run(p.cpu, NULL, p.made->inputs.names, p.made->inputs.values, 1,
                            &name, &p.expected, 1, &error));
    MUST(scene_keep(s, p.expected, scene_drop_value));
    return scene_same_bytes(s, "subset", esk_binding_value(p.binding, name), p.expected);
}

/* llvmpipe: one device has two screens; a value goes from one to the other, counted. */
bool a_value_on_two_screens(struct scene *s) {
    /* OpenBLAS has threads already */
    static const char settings[] = "strict=1,allowSetenv=1";
    struct pair small, large;
    esk_error error = ESK_ERROR_INIT;
    esk_value *x, *expected, *again;
    esk_session_stats stats;
    const char *name, *back;

    MUST(open_pair(s, "Relu(float[16,512]) range=-0.1,0.1", settings, &small));
    MUST(scene_case(s,
                    "MatMul(float[16,512], float[512,512]!) | MatMul($, @1) | "
                    "MatMul($, @1) | Tanh() range=-0.1,0.1",
                    &large.made));
    MUST(scene_session(s, small.env, large.made->model, "GLCompute", settings,
                       &large.device));
    MUST(scene_session(s, small.env, large.made->model, "CPU", NULL, &large.cpu));
    GOOD(s, esk_binding_create(large.device, &large.binding, &error));
    MUST(scene_keep(s, large.binding, drop_binding));
    x = small.made->inputs.values[0];
    name = esk_session_output(small.device, 0)->name;
    back = esk_session_output(large.device, 0)->name;
    GOOD(s, esk_binding_input(small.binding, small.made->inputs.names[0], x, &error));
    GOOD(s, esk_binding_output_at(small.binding, name, ESK_ON_DEVICE, &error));
    GOOD(s, esk_binding_output_at(large.binding, back, ESK_ON_DEVICE, &error));
    for (int i = 0; i < 3; i++) {
        esk_value *source = i ? esk_binding_value(large.binding, back) : x;

        MUST(expect(s, &small, i ? &expected : &x));
        MUST(scene_run(s, large.cpu, &again, 1, small.expected));
        GOOD(s, esk_binding_input(small.binding, small.made->inputs.names[0], source,
                                  &error));
        GOOD(s, esk_session_run_binding(small.device, NULL, small.binding, &error));
        GOOD(s, esk_binding_input(large.binding, large.made->inputs.names[0],
                                  esk_binding_value(small.binding, name), &error));
        GOOD(s, esk_session_run_binding(large.device, NULL, large.binding, &error));
        MUST(same_as(s, "two screens", esk_binding_value(large.binding, back), again));
        expected = again;
    }
    MUST(scene_stats(s, small.device, &stats));
    if (!stats.inline_dispatches || stats.inline_dispatches == stats.dispatches)
        return scene_skip(s, "the device has one screen");
    return true;
}

bool copies_by_the_queue(struct scene *s) {
    struct pair p;
    esk_error error = ESK_ERROR_INIT;
    esk_value *x, *on, *back;
    esk_async *up, *down;

    MUST(open_pair(s, "Relu(float[64])", NULL, &p));
    x = p.made->inputs.values[0];
    GOOD(s, esk_value_create_on_device(p.device, ESK_FLOAT, 1, esk_value_dims(x), &on,
                                       &error));
    MUST(scene_keep(s, on, scene_drop_value));
    GOOD(s, esk_value_create(ESK_FLOAT, 1, esk_value_dims(x), &back, &error));
    MUST(scene_keep(s, back, scene_drop_value));
    GOOD(s, esk_value_copy_async(p.device, x, on, NULL, NULL, &up, &error));
    GOOD(s, esk_value_copy_async(p.device, on, back, NULL, NULL, &down, &error));
    GOOD(s, esk_async_wait(down, -1, &error));
    GOOD(s, esk_async_wait(up, 0, &error));
    esk_async_destroy(up);
    esk_async_destroy(down);
    return scene_same_bytes(s, "queue", back, x);
}
