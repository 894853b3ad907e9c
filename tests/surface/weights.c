/* Weights: external data and initializers handed over as memory, and who shares what on
 * the device. In: small models as bytes, files of a folder; out: results, bytes on the
 * device. */
#include "surface.h"

#include "message.h"
#include "run/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REFUSED(s, call, ...)                                                        \
    do {                                                                             \
        const char *words[] = {__VA_ARGS__};                                         \
        esk_status refused = (call);                                                 \
        CHECK(s, refused == ESK_INVALID_ARGUMENT, "%s gave %s: %s", #call,           \
              esk_status_name(refused), esk_error_message(&error));                  \
        for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++)                  \
            CHECK(s, strstr(esk_error_message(&error), words[w]), "no '%s' in '%s'", \
                  words[w], esk_error_message(&error));                              \
        esk_error_clear(&error);                                                     \
    } while (0)

enum { ROWS = 32, COLUMNS = 48, FLOATS = ROWS * COLUMNS };

/* y = max(x * w, 0) + b, x [2, 32]; w in file "w.bin" of external data, or here as b is.
 */
static struct message product_model(bool external) {
    static const float tens[4] = {10, 10, 10, 10};
    static float here[64];
    const int64_t x_dims[] = {2, ROWS}, small[] = {8, 8}, one[] = {1};
    struct message graph = {.size = 0}, w = {.size = 0}, part, location = {.size = 0};

    part = message_node("MatMul", external ? "x w" : "small w", "p");
    message_add(&graph, 1, &part);
    part = message_node("Relu", "p", "r");
    message_add(&graph, 1, &part);
    part = message_node("Add", "r b", "y");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    if (external) {
        message_int(&w, 1, ROWS);
        message_int(&w, 1, COLUMNS);
        message_int(&w, 2, 1);
        message_text(&w, 8, "w");
        message_text(&location, 1, "location");
        message_text(&location, 2, "w.bin");
        message_add(&w, 13, &location);
        message_int(&w, 14, 1);
    } else {
        for (int i = 0; i < 64; i++)
            here[i] = 1;
        w = message_tensor("w", 2, small, here);
    }
    message_add(&graph, 5, &w);
    part = message_tensor("b", 1, one, tens);
    message_add(&graph, 5, &part);
    part =
        external ? message_value("x", 1, 2, x_dims) : message_value("small", 1, 2, small);
    message_add(&graph, 11, &part);
    part = (struct message){.size = 0};
    message_text(&part, 1, "y");
    message_add(&graph, 12, &part);
    return message_model(&graph);
}

static bool keep_session(struct scene *s, esk_session *session) {
    return scene_keep(s, session, (void (*)(void *))esk_session_destroy);
}

/* What y must be: x * w where that is above 0, and 10 more. */
static bool check_product(struct scene *s, const char *what, esk_session *session,
                          const esk_value *w) {
    esk_value *x, *y, *expected;
    const float *a, *b = esk_value_const_data(w);
    float *e;

    MUST(scene_value(s, "float[2,32]", &x));
    MUST(scene_run(s, session, &y, 1, x));
    MUST(scene_value(s, "float[2,48]", &expected));
    a = esk_value_const_data(x);
    e = esk_value_data(expected);
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < COLUMNS; c++) {
            double sum = 0;

            for (int k = 0; k < ROWS; k++)
                sum += (double)a[r * ROWS + k] * (double)b[k * COLUMNS + c];
            e[r * COLUMNS + c] = (float)(sum > 0 ? sum : 0) + 10;
        }
    return scene_near(s, what, y, expected);
}

static bool read_all(struct scene *s, const char *path, void **bytes, size_t *size) {
    FILE *file = fopen(path, "rb");

    CHECK(s, file, "no %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    *bytes = malloc(*size + 1);
    bool good = *bytes && fread(*bytes, 1, *size, file) == *size;
    fclose(file);
    MUST(scene_keep(s, *bytes, free));
    CHECK(s, good, "%s cannot be read", path);
    return true;
}

static bool write_all(struct scene *s, const char *path, const void *bytes, size_t size) {
    char fresh[300];

    /* another file of that name, as a careful program writes it */
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    FILE *file = fopen(fresh, "wb");
    CHECK(s, file, "no %s", fresh);
    bool good = fwrite(bytes, 1, size, file) == size;
    good = !fclose(file) && good && !rename(fresh, path);
    CHECK(s, good, "%s cannot be written", path);
    return true;
}

bool external_data_from_memory(struct scene *s) {
    const char *data = getenv("ESKER_TESTDATA");
    char path[512];
    void *model, *weights;
    size_t model_size, weights_size;
    esk_env *env;
    esk_session *session;
    esk_session_options *options;
    esk_error error = ESK_ERROR_INIT;

    data = data ? data : "../shared";
    snprintf(path, sizeof(path), "%s/models/mnist_external/model.onnx", data);
    if (access(path, R_OK))
        return scene_skip(s, "no mnist_external");
    MUST(read_all(s, path, &model, &model_size));
    snprintf(path, sizeof(path), "%s/models/mnist_external/mnist.onnx.data", data);
    MUST(read_all(s, path, &weights, &weights_size));
    MUST(scene_env(s, &env));
    MUST(scene_options(s, "CPU", NULL, &options));
    REFUSED(s,
            esk_session_create_from_memory(env, model, model_size, true, NULL, options,
                                           &session, &error),
            "no directory");
    GOOD(s, esk_session_options_add_external_file(options, "mnist.onnx.data", weights,
                                                  weights_size, &error));
    GOOD(s, esk_session_create_from_memory(env, model, model_size, true, NULL, options,
                                           &session, &error));
    return keep_session(s, session);
}

/* In place of what lies in a file of external data, which is not there, and of what the
 * model has itself; on both providers. */
bool initializers_from_memory(struct scene *s) {
    static const char *const providers[] = {"CPU", "GLCompute"};
    struct message external = product_model(true), inside = product_model(false);
    const int64_t small[] = {8, 8};
    esk_error error = ESK_ERROR_INIT;
    esk_value *w, *eight, *x, *y, *expected;
    esk_session *session;
    esk_session_options *options;
    esk_env *env;

    MUST(scene_value(s, "float[32,48]", &w));
    MUST(scene_value(s, "float[8,8]=0.5", &eight));
    MUST(scene_value(s, "float[8,8]=2", &x));
    MUST(scene_value(s, "float[8,8]=18", &expected));
    CHECK(s, esk_value_rank(eight) == 2 && esk_value_dims(eight)[0] == small[0],
          "a value");
    MUST(scene_env(s, &env));
    for (int p = 0; p < 2; p++) {
        MUST(scene_options(s, providers[p], NULL, &options));
        GOOD(s, esk_session_options_add_initializer(options, "w", w, &error));
        GOOD(s, esk_session_create_from_memory(env, external.bytes, external.size, p,
                                               NULL, options, &session, &error));
        MUST(keep_session(s, session));
        MUST(check_product(s, providers[p], session, w));
        MUST(scene_options(s, providers[p], NULL, &options));
        GOOD(s, esk_session_options_add_initializer(options, "w", eight, &error));
        GOOD(s, esk_session_create_from_memory(env, inside.bytes, inside.size, false,
                                               NULL, options, &session, &error));
        MUST(keep_session(s, session));
        MUST(scene_run(s, session, &y, 1, x));
        MUST(scene_near(s, "in place of the model's own", y, expected));
    }
    return true;
}

/* A model of the builder takes them too. */
bool initializers_of_a_built_model(struct scene *s) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options;
    esk_session *session;
    esk_value *x, *y, *two, *expected;
    esk_model *model;
    esk_env *env;
    const char *in[] = {"x", "c"}, *out[] = {"y"};
    const int64_t dims[] = {3};

    MUST(scene_value(s, "float[3]=2", &two));
    MUST(scene_value(s, "float[3]=1,5,7", &x));
    MUST(scene_value(s, "float[3]=2,10,14", &expected));
    GOOD(s, esk_model_create("m", 17, &model, &error));
    MUST(scene_keep(s, model, (void (*)(void *))esk_model_destroy));
    GOOD(s, esk_model_add_input(model, "x", ESK_FLOAT, 1, dims, &error));
    GOOD(s, esk_model_add_constant(model, "c", x, &error));
    GOOD(s, esk_model_add_node(model, "", "Mul", "mul", in, 2, out, 1, NULL, 0, &error));
    GOOD(s, esk_model_add_output(model, "y", &error));
    MUST(scene_env(s, &env));
    MUST(scene_options(s, "CPU", NULL, &options));
    GOOD(s, esk_session_options_add_initializer(options, "c", two, &error));
    GOOD(s, esk_session_create_from_model(env, model, options, &session, &error));
    MUST(keep_session(s, session));
    MUST(scene_run(s, session, &y, 1, x));
    return scene_near(s, "c", y, expected);
}

bool wrong_initializers_are_refused(struct scene *s) {
    struct message model = product_model(true);
    static const struct {
        const char *name, *value, *words[2];
    } rows[] = {
        {"v", "float[32,48]", {"initializer 'v'", "none of that name"}},
        {"x", "float[2,32]", {"initializer 'x'", "none of that name"}},
        {"w", "float[48,32]", {"float[48,32]", "float[32,48]"}},
        {"w", "float[32]", {"float[32]", "float[32,48]"}},
        {"w", "float16[32,48]", {"float16[32,48]", "float[32,48]"}},
    };
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options;
    esk_session *session;
    esk_value *w, *v;
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_value(s, "float[32,48]", &w));
    MUST(scene_options(s, "CPU", NULL, &options));
    REFUSED(s, esk_session_options_add_initializer(options, NULL, w, &error), "NULL");
    REFUSED(s, esk_session_options_add_initializer(options, "w", NULL, &error), "'w'");
    GOOD(s, esk_session_options_add_initializer(options, "w", w, &error));
    REFUSED(s, esk_session_options_add_initializer(options, "w", w, &error), "'w'",
            "already");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        MUST(scene_value(s, rows[i].value, &v));
        MUST(scene_options(s, "CPU", NULL, &options));
        if (rows[i].name[0] != 'w')
            GOOD(s, esk_session_options_add_initializer(options, "w", w, &error));
        GOOD(s, esk_session_options_add_initializer(options, rows[i].name, v, &error));
        REFUSED(s,
                esk_session_create_from_memory(env, model.bytes, model.size, true, NULL,
                                               options, &session, &error),
                rows[i].words[0], rows[i].words[1]);
    }
    return true;
}

/* ---- sharing ---- */

/* Bytes of forms on the device, as the newest session says. */
static bool weights_of(struct scene *s, esk_session *session, uint64_t *bytes) {
    esk_session_stats stats;

    MUST(scene_stats(s, session, &stats));
    *bytes = stats.weight_bytes;
    CHECK(s, *bytes, "no weights on the device");
    return true;
}

#define SHARED(s, what, bytes, n)                                                    \
    CHECK(s, (bytes)[(n)-1] == (bytes)[0],                                           \
          "%s: weights of %d sessions take %llu bytes, of one %llu", what, (int)(n), \
          (unsigned long long)(bytes)[(n)-1], (unsigned long long)(bytes)[0])

bool sessions_of_a_model_share_weights(struct scene *s) {
    struct op_case *made;
    esk_env *env;
    esk_session *sessions[3];
    uint64_t bytes[3];

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "MatMul(float[4,128], float[128,128]!) | Relu()", &made));
    for (int i = 0; i < 3; i++) {
        MUST(scene_session(s, env, made->model, "GLCompute", "strict=1", &sessions[i]));
        MUST(weights_of(s, sessions[i], &bytes[i]));
    }
    SHARED(s, "one model", bytes, 3);
    return true;
}

bool sessions_of_a_file_share_weights(struct scene *s) {
    static const char *const names[] = {"mnist_8", "mnist_external"};
    const char *data = getenv("ESKER_TESTDATA");
    char path[512];

    for (int m = 0; m < 2; m++) {
        esk_env *env;
        esk_session *sessions[3];
        uint64_t bytes[3];

        snprintf(path, sizeof(path), "%s/models/%s/model.onnx", data ? data : "../shared",
                 names[m]);
        if (access(path, R_OK))
            return scene_skip(s, "no mnist");
        MUST(scene_env(s, &env));
        for (int i = 0; i < 3; i++) {
            MUST(scene_load(s, env, path, "GLCompute", NULL, &sessions[i]));
            MUST(weights_of(s, sessions[i], &bytes[i]));
        }
        SHARED(s, names[m], bytes, 3);
    }
    return true;
}

/* External data of a folder: shared by sessions while the file is the same, and by its
 * new content when it is not. */
static bool in_folder(struct scene *s, const char *folder, esk_env *env) {
    struct message model = product_model(true);
    char model_path[300], w_path[300];
    esk_session *sessions[4];
    uint64_t bytes[4];
    esk_value *w, *other;

    snprintf(model_path, sizeof(model_path), "%s/m.onnx", folder);
    snprintf(w_path, sizeof(w_path), "%s/w.bin", folder);
    MUST(scene_value(s, "float[32,48]", &w));
    MUST(scene_value(s, "float[32,48]=0.5,-1,0.25", &other));
    MUST(write_all(s, model_path, model.bytes, model.size));
    MUST(write_all(s, w_path, esk_value_const_data(w), FLOATS * 4));
    for (int i = 0; i < 3; i++) {
        MUST(scene_load(s, env, model_path, "GLCompute", "strict=1", &sessions[i]));
        MUST(weights_of(s, sessions[i], &bytes[i]));
        MUST(check_product(s, "from the folder", sessions[i], w));
    }
    SHARED(s, "a folder", bytes, 3);
    MUST(write_all(s, w_path, esk_value_const_data(other), FLOATS * 4));
    MUST(scene_load(s, env, model_path, "GLCompute", "strict=1", &sessions[3]));
    MUST(weights_of(s, sessions[3], &bytes[3]));
    MUST(check_product(s, "from the changed file", sessions[3], other));
    CHECK(s, bytes[3] > bytes[0], "another file's weights take no bytes of their own");
    return check_product(s, "from the file before", sessions[0], w);
}

bool external_data_on_disk_is_shared(struct scene *s) {
    char folder[] = "/tmp/esker-weights-XXXXXX", path[300];
    static const char *const files[] = {"m.onnx", "w.bin", "w.bin.new"};
    esk_env *env;
    bool good;

    MUST(scene_env(s, &env));
    CHECK(s, mkdtemp(folder), "no folder");
    good = in_folder(s, folder, env);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
    return good;
}

/* The same memory given to several sessions: as a file, as an initializer; other memory
 * is not taken for it. */
bool given_memory_is_shared(struct scene *s) {
    struct message model = product_model(true);
    esk_error error = ESK_ERROR_INIT;
    esk_value *w, *other;

    MUST(scene_value(s, "float[32,48]", &w));
    MUST(scene_value(s, "float[32,48]=0.5,-1,0.25", &other));
    for (int as_file = 0; as_file < 2; as_file++) {
        const char *what = as_file ? "a file in memory" : "an initializer";
        esk_session *sessions[4];
        uint64_t bytes[4];
        esk_env *env;

        MUST(scene_env(s, &env));
        for (int i = 0; i < 4; i++) {
            esk_session_options *options;
            esk_value *given = i < 3 ? w : other;

            MUST(scene_options(s, "GLCompute", NULL, &options));
            if (as_file)
                GOOD(s, esk_session_options_add_external_file(options, "w.bin",
                                                              esk_value_const_data(given),
                                                              FLOATS * 4, &error));
            else
                GOOD(s, esk_session_options_add_initializer(options, "w", given, &error));
            GOOD(s, esk_session_create_from_memory(env, model.bytes, model.size, true,
                                                   NULL, options, &sessions[i], &error));
            MUST(keep_session(s, sessions[i]));
            MUST(weights_of(s, sessions[i], &bytes[i]));
            MUST(check_product(s, what, sessions[i], given));
        }
        SHARED(s, what, bytes, 3);
        CHECK(s, bytes[3] > bytes[0], "%s: other weights take no bytes of their own",
              what);
        MUST(check_product(s, what, sessions[0], w));
    }
    return true;
}

static bool sources_differ(struct scene *s, const char *const *folders) {
    struct message external = product_model(true), inside = product_model(false), changed;
    esk_session *sessions[2];
    esk_value *w[2], *x, *y[2];
    esk_error error = ESK_ERROR_INIT;
    esk_env *env;
    char path[300];

    MUST(scene_env(s, &env));
    for (int i = 0; i < 2; i++) { /* the same bytes of a model, beside another file */
        MUST(scene_value(s, i ? "float[32,48]=0.5,-1,0.25" : "float[32,48]", &w[i]));
        snprintf(path, sizeof(path), "%s/w.bin", folders[i]);
        MUST(write_all(s, path, esk_value_const_data(w[i]), FLOATS * 4));
        esk_session_options *options;
        MUST(scene_options(s, "GLCompute", NULL, &options));
        GOOD(s,
             esk_session_create_from_memory(env, external.bytes, external.size, true,
                                            folders[i], options, &sessions[i], &error));
        MUST(keep_session(s, sessions[i]));
    }
    for (int i = 0; i < 2; i++)
        MUST(check_product(s, folders[i], sessions[i], w[i]));
    /* other bytes of a model: its Relu is a Tanh */
    changed = inside;
    esk_session_options *without, *given;
    MUST(scene_options(s, "GLCompute", NULL, &given));
    GOOD(s, esk_session_options_add_initializer(given, "w", w[0], &error));
    GOOD(s, esk_session_create_from_memory(env, external.bytes, external.size, true, NULL,
                                           given, &sessions[0], &error));
    MUST(keep_session(s, sessions[0]));
    MUST(scene_options(s, "GLCompute", NULL, &without));
    REFUSED(s,
            esk_session_create_from_memory(env, external.bytes, external.size, true, NULL,
                                           without, &sessions[1], &error),
            "w.bin");
    for (size_t i = 0; i + 4 < changed.size; i++)
        if (!memcmp(changed.bytes + i, "Relu", 4))
            memcpy(changed.bytes + i, "Tanh", 4);
    for (int i = 0; i < 2; i++) {
        struct message *model = i ? &changed : &inside;
        esk_session_options *options;

        MUST(scene_options(s, "GLCompute", NULL, &options));
        GOOD(s, esk_session_create_from_memory(env, model->bytes, model->size, true, NULL,
                                               options, &sessions[i], &error));
        MUST(keep_session(s, sessions[i]));
    }
    MUST(scene_value(s, "float[8,8]=1", &x));
    for (int i = 0; i < 2; i++)
        MUST(scene_run(s, sessions[i], &y[i], 1, x));
    const float *relu = esk_value_const_data(y[0]), *tanh = esk_value_const_data(y[1]);
    CHECK(s, relu[0] == 18 && tanh[0] > 10.9f && tanh[0] < 11.1f,
          "Relu gives %g, Tanh %g", (double)relu[0], (double)tanh[0]);
    return true;
}

/* What is like another source, but is not it: other bytes, other folders. */
bool other_sources_are_not_shared(struct scene *s) {
    char a[] = "/tmp/esker-one-XXXXXX", b[] = "/tmp/esker-two-XXXXXX", path[64];
    const char *const folders[] = {a, b};

    CHECK(s, mkdtemp(a) && mkdtemp(b), "no folders");
    bool good = sources_differ(s, folders);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/w.bin", folders[i]);
        unlink(path);
        rmdir(folders[i]);
    }
    return good;
}

/* What passes made of weights, in models that know nothing of each other; that the values
 * differ is seen. And nothing is left of them when the sessions are gone. */
bool folded_weights_are_shared(struct scene *s) {
    static const char *const texts[] = {
        "Neg(float[96,64]!) | MatMul(float[4,96], $)",
        "Neg(float[96,64]!) | MatMul(float[4,96], $)",
        "Abs(float[96,64]!) | MatMul(float[4,96], $)",
    };
    struct scene own = {.fault = s->fault};
    esk_session *kept, *cpu, *sessions[3];
    esk_session_stats stats;
    struct op_case *small, *made;
    esk_value *y, *expected;
    uint64_t bytes[3];
    bool good = true;
    esk_env *env;

    MUST(scene_env(s, &env));
    MUST(scene_case(s, "Relu(float[4])", &small));
    MUST(scene_session(s, env, small->model, "GLCompute", NULL, &kept));
    for (int i = 0; i < 3 && good; i++)
        good = scene_case(s, texts[i], &made) &&
               scene_session(&own, env, made->model, "GLCompute", "strict=1",
                             &sessions[i]) &&
               scene_session(&own, env, made->model, "CPU", NULL, &cpu) &&
               weights_of(s, sessions[i], &bytes[i]) &&
               scene_run(s, cpu, &expected, 1, made->inputs.values[0]) &&
               scene_run(s, sessions[i], &y, 1, made->inputs.values[0]) &&
               scene_near(s, texts[i], y, expected);
    scene_finish(&own);
    MUST(good);
    SHARED(s, "what passes made", bytes, 2);
    CHECK(s, bytes[2] > bytes[0], "other weights take no bytes of their own");
    MUST(scene_stats(s, kept, &stats));
    CHECK(s, !stats.weight_bytes, "%llu bytes of weights are left",
          (unsigned long long)stats.weight_bytes);
    return true;
}

/* What an env keeps of files and constants for sessions to share goes with the last. */
bool what_is_shared_goes_with_its_sessions(struct scene *s) {
    char folder[] = "/tmp/esker-shared-XXXXXX", path[64];
    struct message model = product_model(false);
    struct scene own[2] = {{.fault = s->fault}, {.fault = s->fault}};
    struct op_case *made;
    esk_env *env;
    bool good;

    MUST(scene_env(s, &env));
    /* a constant that folding makes */
    MUST(scene_case(s, "Exp(float[32,32]!) | MatMul(~float[4,32], $0)", &made));
    CHECK(s, mkdtemp(folder), "no folder");
    snprintf(path, sizeof(path), "%s/m.onnx", folder);
    good = write_all(s, path, model.bytes, model.size);
    for (int i = 0; good && i < 2; i++) {
        esk_session *session;

        good = scene_load(&own[i], env, path, "GLCompute", NULL, &session) &&
               scene_session(&own[i], env, made->model, "GLCompute", NULL, &session);
    }
    int files = 0, constants = 0;
    files += env->files != NULL;
    constants += env->constants != NULL;
    scene_finish(&own[0]);
    files += env->files != NULL;
    constants += env->constants != NULL;
    scene_finish(&own[1]);
    unlink(path);
    rmdir(folder);
    MUST(good);
    CHECK(s, files == 2 && constants == 2, "kept while sessions live: %d, %d", files,
          constants);
    CHECK(s, !env->files && !env->constants, "kept for no session: %s%s",
          env->files ? "a file " : "", env->constants ? "a constant" : "");
    return true;
}
