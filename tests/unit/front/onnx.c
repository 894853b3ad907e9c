/* The ONNX loader: what small messages become, and that broken ones are refused. */
#include "front/model.h"
#include "front/onnx/wire.h"

#include "base/mem.h"
#include "onnx.pb-c.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Writing messages: tags, lengths, bytes ---- */

struct bytes {
    uint8_t data[8192];
    size_t n;
};

static void add_varint(struct bytes *b, uint64_t value) {
    for (; value > 127; value >>= 7)
        b->data[b->n++] = (uint8_t)(value | 128);
    b->data[b->n++] = (uint8_t)value;
}

static void add_int(struct bytes *b, unsigned field, uint64_t value) {
    add_varint(b, field << 3);
    add_varint(b, value);
}

static void add_bytes(struct bytes *b, unsigned field, const void *data, size_t n) {
    add_varint(b, field << 3 | 2);
    add_varint(b, n);
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void add_text(struct bytes *b, unsigned field, const char *text) {
    add_bytes(b, field, text, strlen(text));
}

static void add_message(struct bytes *b, unsigned field, const struct bytes *inner) {
    add_bytes(b, field, inner->data, inner->n);
}

static struct bytes value_info(const char *name) {
    struct bytes dim = {0}, shape = {0}, tensor = {0}, type = {0}, info = {0};
    add_text(&dim, 2, "batch");
    add_message(&shape, 1, &dim);
    dim.n = 0;
    add_int(&dim, 1, 2);
    add_message(&shape, 1, &dim);
    add_int(&tensor, 1, ESK_FLOAT);
    add_message(&tensor, 2, &shape);
    add_message(&type, 1, &tensor);
    add_text(&info, 1, name);
    add_message(&info, 2, &type);
    return info;
}

static struct bytes node(const char *op, const char *a, const char *b, const char *out) {
    struct bytes n = {0};
    add_text(&n, 1, a);
    if (b)
        add_text(&n, 1, b);
    add_text(&n, 2, out);
    add_text(&n, 4, op);
    return n;
}

static struct bytes raw_tensor(const char *name, int dtype, int64_t count,
                               const void *data, size_t size) {
    struct bytes t = {0};
    add_int(&t, 1, (uint64_t)count);
    add_int(&t, 2, (uint64_t)dtype);
    add_text(&t, 8, name);
    add_bytes(&t, 9, data, size);
    return t;
}

static struct bytes model_of(const struct bytes *graph) {
    struct bytes m = {0}, opset = {0}, entry = {0};
    add_int(&m, 1, 8);
    add_text(&m, 2, "test");
    add_int(&opset, 2, 17);
    add_message(&m, 8, &opset);
    add_text(&entry, 1, "key");
    add_text(&entry, 2, "value");
    add_message(&m, 14, &entry);
    add_message(&m, 7, graph);
    return m;
}

/* y = x + w, with the initializer as given; its node has an attribute of each plain kind.
 */
static struct bytes graph_with(const struct bytes *initializer) {
    struct bytes g = {0}, info = value_info("x"), n = node("Add", "x", "w", "y"), a = {0};
    add_text(&a, 1, "axes");
    add_int(&a, 20, ESK_ATTR_INTS);
    add_int(&a, 8, 1);
    add_int(&a, 8, (uint64_t)-2);
    add_message(&n, 5, &a);
    a.n = 0;
    add_text(&a, 1, "mode");
    add_int(&a, 20, ESK_ATTR_STRING);
    add_text(&a, 4, "linear");
    add_message(&n, 5, &a);
    add_message(&g, 1, &n);
    add_text(&g, 2, "main");
    add_message(&g, 5, initializer);
    add_message(&g, 11, &info);
    info = value_info("y");
    add_message(&g, 12, &info);
    return g;
}

static struct bytes good_model(void) {
    const float w[] = {1, 2};
    struct bytes t = raw_tensor("w", ESK_FLOAT, 2, w, sizeof w), g = graph_with(&t);
    return model_of(&g);
}

static esk_status load(const struct bytes *b, esk_model **model, esk_error *error) {
    return esk_model_load_from_memory(b->data, b->n, false, NULL, model, error);
}

static void expect_error(const struct bytes *b, esk_status status, const char *text) {
    esk_error error = ESK_ERROR_INIT;
    esk_model *model = NULL;
    cr_assert_eq(load(b, &model, &error), status, "%s", esk_error_message(&error));
    cr_assert_null(model);
    cr_assert_not_null(strstr(esk_error_message(&error), text), "%s",
                       esk_error_message(&error));
    esk_error_clear(&error);
}

/* ---- Good messages ---- */

Test(onnx, reads_a_model) {
    struct bytes b = good_model();
    esk_model *model = NULL;
    cr_assert_eq(load(&b, &model, NULL), ESK_OK);
    const esk_value_info *x = esk_model_input(model, 0);
    cr_assert_eq(esk_model_input_count(model), 1);
    cr_assert_null(esk_model_input(model, 1));
    cr_assert_str_eq(x->name, "x");
    cr_assert_eq(x->dtype, ESK_FLOAT);
    cr_assert_eq(x->rank, 2);
    cr_assert_eq(x->dims[0], -1);
    cr_assert_str_eq(x->dim_names[0], "batch");
    cr_assert_eq(x->dims[1], 2);
    cr_assert_null(x->dim_names[1]);
    cr_assert_not(x->has_default);
    cr_assert_str_eq(esk_model_metadata(model, "producer_name"), "test");
    cr_assert_str_eq(esk_model_metadata(model, "ir_version"), "8");
    cr_assert_str_eq(esk_model_metadata(model, "opset"), "17");
    cr_assert_str_eq(esk_model_metadata(model, "key"), "value");
    cr_assert_str_eq(esk_model_metadata_key(model, 0), "key");
    cr_assert_null(esk_model_metadata(model, "other"));
    cr_assert_eq(esk_model_node_count(model), 1);
    cr_assert_str_eq(esk_model_node_op(model, 0), "Add");

    struct esk_text text = {0};
    esk_graph_print(model->graph, &text);
    cr_assert_str_eq(esk_text_str(&text),
                     "graph 'main' (x float[?,2]) -> (y float[?,2])\n"
                     "  init w float[2]{1,2}\n"
                     "  Add 'Add_0' (x, w) -> y float[?,2] axes=[1,-2] mode='linear'\n");
    esk_text_finish(&text);
    esk_model_destroy(model);
}

/* An initializer that is listed as an input is a default since IR version 4, and before
 * that a constant. */
Test(onnx, initializers_among_the_inputs) {
    for (uint64_t ir = 3; ir <= 4; ir++) {
        const float w[] = {1, 2};
        struct bytes t = raw_tensor("w", ESK_FLOAT, 2, w, sizeof w), g = graph_with(&t);
        struct bytes tensor = {0}, type = {0}, info = {0}, m = {0}, opset = {0};
        add_int(&tensor, 1, ESK_FLOAT);
        add_message(&type, 1, &tensor);
        add_text(&info, 1, "w");
        add_message(&info, 2, &type);
        add_message(&g, 11, &info);
        add_int(&m, 1, ir);
        add_int(&opset, 2, 7);
        add_message(&m, 8, &opset);
        add_message(&m, 7, &g);
        esk_model *model = NULL;
        cr_assert_eq(load(&m, &model, NULL), ESK_OK);
        cr_assert_eq(esk_model_input_count(model), ir == 3 ? 1 : 2);
        cr_assert_str_eq(esk_model_input(model, 0)->name, "x");
        if (ir == 4)
            cr_assert(esk_model_input(model, 1)->has_default);
        esk_model_destroy(model);
    }
}

/* At any address, the bytes come out aligned and right. */
Test(onnx, raw_data_is_aligned) {
    for (size_t pad = 0; pad < 8; pad++) {
        const double w[] = {1.5, -2};
        struct bytes t = raw_tensor("w", ESK_DOUBLE, 2, w, sizeof w), g, m;
        char text[9] = "pppppppp";
        text[pad] = 0;
        add_text(&t, 12, text); /* a doc string shifts what follows */
        g = (struct bytes){0};
        add_text(&g, 10, text);
        struct bytes rest = graph_with(&t);
        memcpy(g.data + g.n, rest.data, rest.n);
        g.n += rest.n;
        m = model_of(&g);
        esk_model *model = NULL;
        cr_assert_eq(load(&m, &model, NULL), ESK_OK);
        for (esk_id i = 0; i < model->graph->n_vars; i++) {
            const struct esk_var *var = model->graph->vars[i];
            if (!var->data)
                continue;
            cr_assert_eq((uintptr_t)var->data % 8, 0);
            cr_assert_eq(memcmp(var->data, w, sizeof w), 0);
            cr_assert_not_null(var->blob);
        }
        esk_model_destroy(model);
    }
}

static void expect_value(const struct bytes *t, esk_dtype dtype, const void *data,
                         size_t size) {
    esk_error error = ESK_ERROR_INIT;
    esk_value *value = NULL;
    const char *name = NULL;
    cr_assert_eq(esk_value_from_onnx(t->data, t->n, &value, &name, &error), ESK_OK, "%s",
                 esk_error_message(&error));
    cr_assert_str_eq(name, "t");
    cr_assert_eq(esk_value_dtype(value), dtype);
    cr_assert_eq(esk_value_size(value), size);
    cr_assert_eq((uintptr_t)esk_value_data(value) % 64, 0);
    cr_assert_eq(memcmp(esk_value_data(value), data, size), 0);
    esk_value_destroy(value);
}

static struct bytes typed_tensor(int dtype, int64_t count, unsigned field,
                                 const uint64_t *items, size_t n, bool packed) {
    struct bytes t = {0}, list = {0};
    add_int(&t, 1, (uint64_t)count);
    add_int(&t, 2, (uint64_t)dtype);
    add_text(&t, 8, "t");
    for (size_t i = 0; i < n; i++)
        if (packed)
            add_varint(&list, items[i]);
        else
            add_int(&t, field, items[i]);
    if (packed)
        add_message(&t, field, &list);
    return t;
}

Test(onnx, typed_fields_convert) {
    const uint64_t items[] = {(uint64_t)-1, 5, 0x3c00};
    for (int packed = 0; packed < 2; packed++) {
        struct bytes t = typed_tensor(ESK_INT64, 3, 7, items, 3, packed);
        expect_value(&t, ESK_INT64, (const int64_t[]){-1, 5, 0x3c00}, 24);
        t = typed_tensor(ESK_INT32, 3, 5, items, 3, packed);
        expect_value(&t, ESK_INT32, (const int32_t[]){-1, 5, 0x3c00}, 12);
        t = typed_tensor(ESK_INT8, 3, 5, items, 3, packed);
        expect_value(&t, ESK_INT8, (const int8_t[]){-1, 5, 0}, 3);
        t = typed_tensor(ESK_FLOAT16, 3, 5, items, 3, packed);
        expect_value(&t, ESK_FLOAT16, (const uint16_t[]){0xffff, 5, 0x3c00}, 6);
        t = typed_tensor(ESK_BOOL, 3, 5, items, 3, packed);
        expect_value(&t, ESK_BOOL, (const uint8_t[]){1, 1, 1}, 3);
        t = typed_tensor(ESK_UINT32, 3, 11, items, 3, packed);
        expect_value(&t, ESK_UINT32, (const uint32_t[]){UINT32_MAX, 5, 0x3c00}, 12);
        t = typed_tensor(ESK_UINT64, 3, 11, items, 3, packed);
        expect_value(&t, ESK_UINT64, (const uint64_t[]){UINT64_MAX, 5, 0x3c00}, 24);
        t = typed_tensor(ESK_INT4, 5, 5, items, 3, packed); /* two in a byte */
        expect_value(&t, ESK_INT4, (const uint8_t[]){0xff, 5, 0}, 3);
    }
    const float f[] = {0.5f, -3};
    struct bytes t = {0};
    add_int(&t, 1, 2);
    add_int(&t, 2, ESK_FLOAT);
    add_text(&t, 8, "t");
    add_bytes(&t, 4, f, sizeof f);
    expect_value(&t, ESK_FLOAT, f, sizeof f);
}

/* An attribute that is a graph, around nothing. */
static struct bytes body_attribute(const struct bytes *graph) {
    struct bytes a = {0}, n = {0}, g = {0};
    add_text(&a, 1, "body");
    add_int(&a, 20, ESK_ATTR_GRAPH);
    add_message(&a, 6, graph);
    add_text(&n, 4, "If");
    add_message(&n, 5, &a);
    add_message(&g, 1, &n);
    return g;
}

Test(onnx, nesting_is_bounded) {
    struct bytes g = {0};
    for (int depth = 1; depth < 32; depth++)
        g = body_attribute(&g);
    struct bytes m = model_of(&g);
    esk_model *model = NULL;
    cr_assert_eq(load(&m, &model, NULL), ESK_OK);
    esk_model_destroy(model);
    g = body_attribute(&g);
    m = model_of(&g);
    expect_error(&m, ESK_INVALID_MODEL, "more than 32 graphs");

    struct bytes type = {0}, info = {0};
    for (int depth = 0; depth < 80; depth++) {
        struct bytes sequence = {0}, outer = {0};
        add_message(&sequence, 1, &type);
        add_message(&outer, 4, &sequence);
        type = outer;
    }
    add_message(&info, 2, &type);
    g = (struct bytes){0};
    add_message(&g, 11, &info);
    m = model_of(&g);
    expect_error(&m, ESK_INVALID_MODEL, "more than 128 messages");
}

/* ---- Broken messages ---- */

Test(onnx, every_truncation_is_refused_or_read) {
    struct bytes b = good_model();
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *exact = malloc(n + !n); /* so that a sanitizer sees reads past the end */
        memcpy(exact, b.data, n);
        esk_model *model = NULL;
        esk_error error = ESK_ERROR_INIT;
        esk_status status =
            esk_model_load_from_memory(exact, n, true, NULL, &model, &error);
        cr_assert_eq(status, ESK_INVALID_MODEL, "%zu bytes: %s", n,
                     esk_error_message(&error));
        esk_error_clear(&error);
        free(exact);
    }
}

Test(onnx, every_changed_byte_is_survived) {
    struct bytes b = good_model();
    for (size_t at = 0; at < b.n; at++)
        for (int value = 0; value < 256; value += at % 7 ? 37 : 1) {
            struct bytes broken = b;
            esk_model *model = NULL;
            broken.data[at] = (uint8_t)value;
            if (load(&broken, &model, NULL) == ESK_OK)
                esk_model_verify(model, NULL);
            esk_model_destroy(model);
        }
}

static long allowed;
static bool one_fails(void *user, size_t size) {
    (void)user;
    (void)size;
    return allowed-- != 0;
}

Test(onnx, every_failing_allocation_is_survived) {
    struct bytes b = good_model();
    for (long n = 0;; n++) {
        esk_model *model = NULL;
        allowed = n;
        esk_mem_set_hook(one_fails, NULL);
        esk_status status = load(&b, &model, NULL);
        esk_mem_set_hook(NULL, NULL);
        esk_model_destroy(model);
        if (status == ESK_OK) {
            cr_assert_gt(n, 20);
            break;
        }
        cr_assert_eq(status, ESK_OUT_OF_MEMORY);
    }
}

Test(onnx, hostile_lengths) {
    /* a graph that says it has 2^62 bytes */
    struct bytes m = {0};
    add_int(&m, 1, 8);
    add_varint(&m, 7 << 3 | 2);
    add_varint(&m, (uint64_t)1 << 62);
    expect_error(&m, ESK_INVALID_MODEL, "past the end");

    struct bytes t = {0}, g;
    add_int(&t, 1, (uint64_t)1 << 40);
    add_int(&t, 1, (uint64_t)1 << 40);
    add_int(&t, 2, ESK_FLOAT);
    add_text(&t, 8, "w");
    g = graph_with(&t);
    m = model_of(&g);
    expect_error(&m, ESK_INVALID_MODEL, "initializer 'w': more bytes than");

    t = (struct bytes){0};
    add_int(&t, 1, (uint64_t)1 << 40); /* asks for 4 TiB, has nothing */
    add_int(&t, 2, ESK_FLOAT);
    add_text(&t, 8, "w");
    g = graph_with(&t);
    m = model_of(&g);
    expect_error(&m, ESK_INVALID_MODEL, "0 items where float[1099511627776]");
}

Test(onnx, errors_name_the_place) {
    const float w[] = {1, 2};
    struct bytes t = raw_tensor("w", ESK_FLOAT, 3, w, sizeof w), g = graph_with(&t);
    struct bytes m = model_of(&g);
    expect_error(
        &m, ESK_INVALID_MODEL,
        "graph 'main': initializer 'w': 8 bytes of raw data where float[3] needs 12");

    t = raw_tensor("w", ESK_STRING, 2, w, sizeof w);
    g = graph_with(&t);
    m = model_of(&g);
    expect_error(&m, ESK_UNSUPPORTED, "initializer 'w': strings");

    t = raw_tensor("w", ESK_FLOAT, 2, w, sizeof w);
    g = graph_with(&t);
    struct bytes n = node("Neg", "x", NULL, "y");
    add_text(&n, 3, "again");
    add_message(&g, 1, &n);
    m = model_of(&g);
    expect_error(&m, ESK_INVALID_MODEL,
                 "node 'again': output 'y' is made more than once");

    g = graph_with(&t);
    struct bytes sequence = {0}, type = {0}, info = {0};
    add_bytes(&type, 4, sequence.data, 0);
    add_text(&info, 1, "list");
    add_message(&info, 2, &type);
    add_message(&g, 11, &info);
    m = model_of(&g);
    expect_error(&m, ESK_UNSUPPORTED, "input 'list': it is a sequence");

    m = (struct bytes){0};
    expect_error(&m, ESK_INVALID_MODEL, "no ONNX model");
    g = graph_with(&t);
    m = model_of(&g);
    m.data[1] = 15; /* 14 added only types of elements */
    expect_error(&m, ESK_UNSUPPORTED, "IR version 15; versions 3 to 14");
}

/* ---- External data ---- */

static struct bytes external_model(const char *location, const char *offset,
                                   const char *length) {
    struct bytes t = {0}, e = {0};
    const char *pairs[][2] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    add_int(&t, 1, 2);
    add_int(&t, 2, ESK_FLOAT);
    add_text(&t, 8, "w");
    for (size_t i = 0; i < 3; i++)
        if (pairs[i][1]) {
            e.n = 0;
            add_text(&e, 1, pairs[i][0]);
            add_text(&e, 2, pairs[i][1]);
            add_message(&t, 13, &e);
        }
    add_int(&t, 14, 1);
    struct bytes g = graph_with(&t);
    return model_of(&g);
}

static void expect_external(const char *directory, const struct bytes *m,
                            esk_status status, const char *text) {
    esk_error error = ESK_ERROR_INIT;
    esk_model *model = NULL;
    cr_assert_eq(
        esk_model_load_from_memory(m->data, m->n, true, directory, &model, &error),
        status, "%s", esk_error_message(&error));
    if (text)
        cr_assert_not_null(strstr(esk_error_message(&error), text), "%s",
                           esk_error_message(&error));
    esk_error_clear(&error);
    esk_model_destroy(model);
}

Test(onnx, external_data) {
    char directory[] = "/tmp/esker-onnx-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/w.bin", directory);
    FILE *file = fopen(path, "wb");
    const float w[] = {9, 1, 2};
    fwrite(w, sizeof w, 1, file);
    fclose(file);

    struct bytes m = external_model("w.bin", "4", "8");
    esk_model *model = NULL;
    cr_assert_eq(esk_model_load_from_memory(m.data, m.n, true, directory, &model, NULL),
                 ESK_OK);
    struct esk_tensor tensor = {0};
    for (esk_id i = 0; i < model->graph->n_vars; i++)
        if (model->graph->vars[i]->data)
            tensor = esk_var_tensor(model->graph->vars[i]);
    cr_assert_eq(esk_tensor_double(&tensor, 1), 2);
    esk_model_destroy(model);

    expect_external(NULL, &m, ESK_INVALID_ARGUMENT, "no directory");
    m = external_model("w.bin", "4", NULL);
    expect_external(directory, &m, ESK_OK, NULL);
    m = external_model("./w.bin", NULL, NULL);
    expect_external(directory, &m, ESK_OK, NULL);
    m = external_model("w.bin", "8", "8");
    expect_external(directory, &m, ESK_INVALID_MODEL, "pass the end");
    m = external_model("w.bin", "0", "4");
    expect_external(directory, &m, ESK_INVALID_MODEL, "4 bytes");
    m = external_model("w.bin", "-4", "8");
    expect_external(directory, &m, ESK_INVALID_MODEL, "no number");
    m = external_model("w.bin", "99999999999999999999", "8");
    expect_external(directory, &m, ESK_INVALID_MODEL, "no number");
    m = external_model("other.bin", "0", "8");
    expect_external(directory, &m, ESK_IO, "other.bin");
    m = external_model(path, "0", "8");
    expect_external(directory, &m, ESK_INVALID_MODEL, "not below");
    m = external_model("a/../../w.bin", "0", "8");
    expect_external(directory, &m, ESK_INVALID_MODEL, "not below");
    m = external_model("..", "0", "8");
    expect_external(directory, &m, ESK_INVALID_MODEL, "not below");
    m = external_model(".", "0", "8");
    expect_external(directory, &m, ESK_IO, "no regular file");
    unlink(path);
    rmdir(directory);
}

/* ---- The node tests that Debian ships ---- */

Test(onnx, node_tests_of_the_distribution) {
    glob_t found;
    if (glob("/usr/share/libonnx-testdata/data/node/*/model.onnx", 0, NULL, &found))
        cr_skip_test("no libonnx-testdata");
    size_t read = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        esk_model *model = NULL;
        esk_error error = ESK_ERROR_INIT;
        esk_status status = esk_model_load(found.gl_pathv[i], &model, &error);
        cr_assert(status == ESK_OK || status == ESK_UNSUPPORTED, "%s",
                  esk_error_message(&error));
        read += status == ESK_OK;
        esk_error_clear(&error);
        esk_model_destroy(model);
    }
    cr_assert_gt(read * 10, found.gl_pathc * 9);
    globfree(&found);
}
