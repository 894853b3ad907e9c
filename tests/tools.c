/* Unit tests of what the tool is made of: command lines, .npy, pictures, comparing,
 * folders of tests. In: the sources of tools/ but for the commands. Needs no device. */
#include "../tools/args.h"
#include "../tools/compare.h"
#include "../tools/element.h"
#include "../tools/image.h"
#include "../tools/jpeg.h"
#include "../tools/random.h"
#include "../tools/setup.h"
#include "../tools/tensor_io.h"
#include "../tools/testset.h"
#include "message.h"

#include <criterion/criterion.h>
#include <math.h>
#include <png.h>
#if ESKER_HAVE_JPEG
#include <stdio.h>

#include <jpeglib.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static esk_value *make(esk_dtype dtype, int rank, const int64_t *dims, const void *data) {
    esk_value *value = NULL;

    cr_assert_eq(esk_value_create(dtype, rank, dims, &value, NULL), ESK_OK);
    if (data)
        memcpy(esk_value_data(value), data, esk_value_size(value));
    return value;
}

static esk_value *make_floats(int64_t count, const float *data) {
    return make(ESK_FLOAT, 1, (int64_t[]){count}, data);
}

/* ---- args ---- */

struct parsed {
    bool flag, given;
    int count;
    const char *text;
    int64_t integer;
    double real;
    struct arg_list list, texts;
    char *out, *err;
};

static enum arg_result parse(struct parsed *parsed, int argc, char **argv) {
    const struct arg_spec specs[] = {
        {"flag", ARG_FLAG, &parsed->flag, NULL, "a flag", 0, 0, NULL},
        {"verbose", ARG_COUNT, &parsed->count, NULL, "more", 0, 0, NULL},
        {"text", ARG_TEXT, &parsed->text, "T", "a text\nof two lines", 0, 0, NULL},
        {"runs", ARG_INT, &parsed->integer, "N", "a number", 1, 10, NULL},
        {"rtol", ARG_REAL, &parsed->real, "X", "a real", 0, 0, &parsed->given},
        {"set", ARG_LIST, &parsed->list, "K=V", "a list", 0, 0, NULL},
    };
    const struct arg_table table = {.usage = "esker x MODEL",
                                    .about = "About.",
                                    .specs = specs,
                                    .spec_count = 6,
                                    .notes = "Notes.",
                                    .min_texts = 1,
                                    .max_texts = 2,
                                    .texts = "MODEL"};
    size_t out_size, err_size;
    FILE *out, *err;
    enum arg_result result;

    *parsed = (struct parsed){0};
    out = open_memstream(&parsed->out, &out_size);
    err = open_memstream(&parsed->err, &err_size);
    result = args_parse(&table, argc, argv, &parsed->texts, out, err);
    fclose(out);
    fclose(err);
    return result;
}

static void finish(struct parsed *parsed) {
    arg_list_finish(&parsed->list);
    arg_list_finish(&parsed->texts);
    free(parsed->out);
    free(parsed->err);
}

#define PARSE(parsed, ...)                                                 \
    parse((parsed), sizeof((char *[]){"x", __VA_ARGS__}) / sizeof(char *), \
          (char *[]){"x", __VA_ARGS__})

Test(args, takes_every_kind) {
    struct parsed parsed;

    cr_assert_eq(PARSE(&parsed, "a", "--flag", "--verbose", "--verbose", "--text", "-t",
                       "--runs=7", "--rtol", "1e-3", "--set", "k=v", "--set=l=w", "--",
                       "--flag"),
                 ARGS_RUN);
    cr_expect(parsed.flag);
    cr_expect(parsed.given);
    cr_expect_eq(parsed.count, 2);
    cr_expect_str_eq(parsed.text, "-t");
    cr_expect_eq(parsed.integer, 7);
    cr_expect_eq(parsed.real, 1e-3);
    cr_assert_eq(parsed.list.count, 2);
    cr_expect_str_eq(parsed.list.items[1], "l=w");
    cr_assert_eq(parsed.texts.count, 2);
    cr_expect_str_eq(parsed.texts.items[1], "--flag");
    cr_expect_str_empty(parsed.err);
    finish(&parsed);
}

static void expect_bad(struct parsed *parsed, enum arg_result result,
                       const char *message) {
    cr_expect_eq(result, ARGS_BAD);
    cr_expect(strstr(parsed->err, message), "'%s' lacks '%s'", parsed->err, message);
    finish(parsed);
}

Test(args, refuses_with_a_reason) {
    struct parsed p;

    expect_bad(&p, PARSE(&p, "a", "--run", "1"), "the nearest is '--runs'");
    expect_bad(&p, PARSE(&p, "a", "--hlep"), "the nearest is '--help'");
    expect_bad(&p, PARSE(&p, "a", "-v"), "two dashes");
    expect_bad(&p, PARSE(&p, "a", "--runs"), "needs a value (N)");
    expect_bad(&p, PARSE(&p, "a", "--runs", "0"), "from 1 to 10");
    expect_bad(&p, PARSE(&p, "a", "--runs", "3x"), "'3x' is no integer");
    expect_bad(&p, PARSE(&p, "a", "--rtol", "-1"), "no number from 0");
    expect_bad(&p, PARSE(&p, "a", "--rtol", "nan"), "no number");
    expect_bad(&p, PARSE(&p, "a", "--flag=1"), "takes no value");
    expect_bad(&p, PARSE(&p, "--flag"), "MODEL is missing");
    expect_bad(&p, PARSE(&p, "a", "b", "c"), "too many: 'c'");
}

Test(args, help_lists_options) {
    struct parsed parsed;

    cr_assert_eq(PARSE(&parsed, "--help", "--unknown"), ARGS_HELP);
    cr_expect(strstr(parsed.out, "usage: esker x MODEL\n"));
    cr_expect(strstr(parsed.out, "  --text T              a text\n"
                                 "                        of two lines\n"));
    cr_expect(strstr(parsed.out, "\nNotes.\n"));
    finish(&parsed);
}

Test(args, numbers_are_whole) {
    int64_t integer;
    double real;

    cr_expect(arg_to_int("-12", &integer) && integer == -12);
    cr_expect_not(arg_to_int("", &integer));
    cr_expect_not(arg_to_int(" 1", &integer));
    cr_expect_not(arg_to_int("99999999999999999999", &integer));
    cr_expect(arg_to_real("1e-3", &real) && real == 1e-3);
    cr_expect_not(arg_to_real("inf", &real));
    cr_expect_eq(arg_distance("Strict", "strict"), 0);
    cr_expect_eq(arg_distance("kitten", "sitting"), 3);
}

/* ---- elements ---- */

Test(elements, halves_survive) {
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        uint16_t half = (uint16_t)bits, back = 0;
        double value = element_real(ESK_FLOAT16, &half, 0, 0);

        if (isnan(value))
            continue;
        cr_assert(element_store(ESK_FLOAT16, &back, 0, value));
        cr_assert_eq(back, half, "%04x became %04x", half, back);
    }
}

Test(elements, halves_round_to_even) {
    const double from[] = {1 + 0x1p-11, 1 + 3 * 0x1p-11, 65519,
                           65520,       0x1p-25,         0x1.8p-24};
    const uint16_t to[] = {0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 2};

    for (size_t i = 0; i < 6; i++) {
        uint16_t half = 0;

        element_store(ESK_FLOAT16, &half, 0, from[i]);
        cr_expect_eq(half, to[i], "%g became %04x", from[i], half);
    }
}

Test(elements, small_types) {
    const uint8_t nibbles[] = {0x8f, 0x21}, crumbs[] = {0xe4}, one = 0x38, most = 0x7e;
    const int64_t fours[] = {-1, -8, 1, 2}, twos[] = {0, 1, -2, -1};
    const double codes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(element_int(ESK_INT4, nibbles, i), fours[i]);
        cr_expect_eq(element_int(ESK_UINT4, nibbles, i), fours[i] & 15);
        cr_expect_eq(element_int(ESK_INT2, crumbs, i), twos[i]);
    }
    for (uint8_t i = 0; i < 8; i++)
        cr_expect_eq(element_real(ESK_FLOAT4E2M1, &i, 0, 0), codes[i]);
    cr_expect_eq(element_real(ESK_FLOAT8E4M3FN, &one, 0, 0), 1);
    cr_expect_eq(element_real(ESK_FLOAT8E4M3FN, &most, 0, 0), 448);
}

/* ---- .npy ---- */

Test(npy, round_trip_of_every_type) {
    static const esk_dtype types[] = {
        ESK_FLOAT,  ESK_DOUBLE, ESK_FLOAT16,   ESK_BOOL,      ESK_INT8,
        ESK_INT16,  ESK_INT32,  ESK_INT64,     ESK_UINT8,     ESK_UINT16,
        ESK_UINT32, ESK_UINT64, ESK_COMPLEX64, ESK_COMPLEX128};
    static const struct {
        int rank;
        int64_t dims[ESK_MAX_RANK];
    } shapes[] = {
        {0, {0}}, {1, {7}}, {3, {2, 3, 5}}, {2, {0, 4}}, {8, {1, 2, 1, 2, 1, 2, 1, 2}}};

    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
            esk_value *value = make(types[t], shapes[s].rank, shapes[s].dims, NULL);
            esk_value *back = NULL;
            struct fault fault;
            void *bytes;
            size_t size;

            cr_assert(random_fill(value, 3, "x"));
            cr_assert(npy_encode(value, &bytes, &size, &fault), "%s", fault.text);
            cr_expect_eq((size - esk_value_size(value)) % 64, 0);
            cr_assert(npy_decode(bytes, size, &back, &fault), "%s", fault.text);
            cr_expect_eq(esk_value_dtype(back), types[t]);
            cr_expect_eq(esk_value_rank(back), shapes[s].rank);
            cr_expect_eq(esk_value_size(back), esk_value_size(value));
            for (int d = 0; d < shapes[s].rank; d++)
                cr_expect_eq(esk_value_dims(back)[d], shapes[s].dims[d]);
            if (esk_value_size(value))
                cr_expect_arr_eq(esk_value_const_data(back), esk_value_const_data(value),
                                 esk_value_size(value));
            esk_value_destroy(value);
            esk_value_destroy(back);
            free(bytes);
        }
}

/* A file of format `major` with this dict and these element bytes. */
static bool decode(int major, const char *dict, const void *data, size_t data_size,
                   esk_value **value, struct fault *fault) {
    uint8_t *file = malloc(12 + strlen(dict) + data_size);
    size_t start = major == 1 ? 10 : 12, length = strlen(dict);
    bool done;

    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)major;
    file[7] = 0;
    memset(file + 8, 0, 4);
    file[8] = (uint8_t)(length & 0xff);
    file[9] = (uint8_t)(length >> 8);
    memcpy(file + start, dict, length);
    if (data_size)
        memcpy(file + start + length, data, data_size);
    done = npy_decode(file, start + length + data_size, value, fault);
    free(file);
    return done;
}

Test(npy, fortran_order_is_turned) {
    const float file[] = {0, 3, 1, 4, 2, 5};
    const uint8_t flags[] = {0, 7, 1, 0};
    struct fault fault;
    esk_value *value;

    for (int major = 1; major <= 3; major++) {
        cr_assert(decode(major, "{'shape':(2,3),'descr':\"<f4\",'fortran_order':True}\n",
                         file, sizeof(file), &value, &fault),
                  "%s", fault.text);
        for (int i = 0; i < 6; i++)
            cr_expect_eq(((const float *)esk_value_const_data(value))[i], (float)i);
        esk_value_destroy(value);
    }
    cr_assert(decode(1, "{'descr': '|b1', 'fortran_order': True, 'shape': (2, 2), }",
                     flags, 4, &value, &fault));
    cr_expect_arr_eq(esk_value_const_data(value), ((uint8_t[]){0, 1, 1, 0}), 4);
    esk_value_destroy(value);
}

Test(npy, bad_headers_are_refused) {
    static const struct {
        const char *dict, *message;
    } rows[] = {
        {"", "no dict"},
        {"{", "bad key"},
        {"{}", "lacks 'descr'"},
        {"{'descr': '<f4'", "does not end"},
        {"{'descr': '<f4', 'fortran_order': False}", "lacks 'shape'"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "byte order"},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}", "no counterpart"},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "no counterpart"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "no plain"},
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", "neither True"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 1}", "no tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "bad size"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}", "does not end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,", "bad size"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         "bad size"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
         "more than 8"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "needs 8 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,)}",
         "needs"},
        {"{'descr': '<f4', 'descr': '<f4'}", "unexpected key"},
        {"{'extra': 1}", "unexpected key"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fault fault = {0};
        esk_value *value = NULL;

        cr_expect_not(decode(1, rows[i].dict, "1234", 4, &value, &fault), "%s",
                      rows[i].dict);
        cr_expect(strstr(fault.text, rows[i].message), "%s: '%s'", rows[i].dict,
                  fault.text);
        cr_expect_null(value);
    }
}

Test(npy, cut_files_are_refused) {
    const float data[] = {1, 2, 3};
    esk_value *value = make_floats(3, data), *back = NULL;
    struct fault fault;
    void *bytes;
    size_t size;

    cr_assert(npy_encode(value, &bytes, &size, &fault));
    for (size_t length = 0; length < size; length++) {
        void *part = malloc(length + 1); /* its own block: overruns show under ASan */

        memcpy(part, bytes, length);
        cr_expect_not(npy_decode(part, length, &back, &fault), "%zu bytes", length);
        free(part);
    }
    ((uint8_t *)bytes)[6] = 4;
    cr_expect_not(npy_decode(bytes, size, &back, &fault));
    cr_expect(strstr(fault.text, "format 4.0"));
    esk_value_destroy(value);
    free(bytes);
}

Test(npy, types_that_numpy_lacks_are_widened) {
    const uint16_t brain[] = {0x3f80, 0xc000};
    const uint8_t nibbles[] = {0x8f};
    esk_value *value = make(ESK_BFLOAT16, 1, (int64_t[]){2}, brain), *back;
    struct fault fault;
    void *bytes;
    size_t size;

    cr_assert(npy_encode(value, &bytes, &size, &fault));
    cr_assert(npy_decode(bytes, size, &back, &fault));
    cr_expect_eq(esk_value_dtype(back), ESK_FLOAT);
    cr_expect_eq(((const float *)esk_value_const_data(back))[1], -2);
    esk_value_destroy(value);
    esk_value_destroy(back);
    free(bytes);
    value = make(ESK_INT4, 1, (int64_t[]){2}, nibbles);
    cr_assert(npy_encode(value, &bytes, &size, &fault));
    cr_assert(npy_decode(bytes, size, &back, &fault));
    cr_expect_eq(esk_value_dtype(back), ESK_INT8);
    cr_expect_eq(((const int8_t *)esk_value_const_data(back))[1], -8);
    esk_value_destroy(value);
    esk_value_destroy(back);
    free(bytes);
}

/* ---- comparing ---- */

static struct comparison compare_floats(int64_t count, const float *a, const float *b,
                                        struct tolerance tolerance) {
    esk_value *got = make_floats(count, a), *expected = make_floats(count, b);
    struct comparison result;

    compare_values(got, expected, &tolerance, &result);
    esk_value_destroy(got);
    esk_value_destroy(expected);
    return result;
}

Test(compare, defaults_and_the_worst_element) {
    const float b[] = {1, 100, 0}, good[] = {1.001f, 100.09f, 1e-5f};
    const float bad[] = {1.01f, 100.2f, 1e-3f};
    struct comparison result = compare_floats(3, good, b, (struct tolerance){0});

    cr_expect(result.pass, "%s", result.text);
    cr_expect_str_empty(result.text);
    result = compare_floats(3, bad, b, (struct tolerance){0});
    cr_expect_not(result.pass);
    cr_expect_eq(result.wrong, 3);
    cr_expect_eq(result.count, 3);
    cr_expect_str_eq(result.text, "[2]: got 0.001, expected 0, |diff| 0.001 > tolerance "
                                  "1e-05, 3 of 3 wrong");
}

Test(compare, tolerance_and_rms) {
    const float b[] = {0, 100, -100, 100}, a[] = {0.05f, 100, -100, 100};
    struct tolerance wide = {.has_atol = true, .atol = 0.1};
    struct tolerance exact = {.has_atol = true, .has_rtol = true};

    cr_expect_not(compare_floats(4, a, b, (struct tolerance){0}).pass);
    cr_expect(compare_floats(4, a, b, (struct tolerance){.rms = true}).pass);
    cr_expect(compare_floats(4, a, b, wide).pass);
    cr_expect(compare_floats(4, b, b, exact).pass);
    cr_expect_not(compare_floats(4, a, b, exact).pass);
}

Test(compare, not_finite) {
    const float b[] = {NAN, INFINITY, -INFINITY, 1};
    const float a[][4] = {{1, INFINITY, -INFINITY, 1},
                          {NAN, -INFINITY, -INFINITY, 1},
                          {NAN, 3e38f, -INFINITY, 1},
                          {NAN, INFINITY, -INFINITY, INFINITY},
                          {NAN, INFINITY, -INFINITY, NAN}};
    struct tolerance wide = {.has_rtol = true, .rtol = 10, .rms = true};

    cr_expect(compare_floats(4, b, b, wide).pass);
    for (size_t i = 0; i < 5; i++) {
        struct comparison result = compare_floats(4, a[i], b, wide);

        cr_expect_not(result.pass, "%zu", i);
        cr_expect_eq(result.wrong, 1, "%zu", i);
    }
}

Test(compare, type_and_shape) {
    esk_value *a = make(ESK_FLOAT, 2, (int64_t[]){2, 3}, NULL);
    esk_value *b = make(ESK_FLOAT, 2, (int64_t[]){3, 2}, NULL);
    esk_value *c = make(ESK_INT32, 2, (int64_t[]){3, 2}, NULL);
    esk_value *d = make(ESK_FLOAT, 0, NULL, NULL), *e = make(ESK_FLOAT, 0, NULL, NULL);
    struct tolerance none = {0};
    struct comparison result;

    compare_values(a, b, &none, &result);
    cr_expect_not(result.pass || result.comparable);
    cr_expect_str_eq(result.text, ": shape is [2,3], expected [3,2]");
    compare_values(b, c, &none, &result);
    cr_expect_str_eq(result.text, ": type is float, expected int32");
    compare_values(d, e, &none, &result);
    cr_expect(result.pass);
    *(float *)esk_value_data(d) = 2;
    compare_values(d, e, &none, &result);
    cr_expect_eq(strncmp(result.text, ": got 2, expected 0, ", 21), 0, "%s", result.text);
    esk_value_destroy(a);
    esk_value_destroy(b);
    esk_value_destroy(c);
    esk_value_destroy(d);
    esk_value_destroy(e);
}

static bool integers_pass(esk_dtype dtype, const void *a, const void *b,
                          struct tolerance tolerance) {
    esk_value *got = make(dtype, 1, (int64_t[]){2}, a);
    esk_value *expected = make(dtype, 1, (int64_t[]){2}, b);
    struct comparison result;

    compare_values(got, expected, &tolerance, &result);
    esk_value_destroy(got);
    esk_value_destroy(expected);
    return result.pass;
}

Test(compare, integers_are_exact_unless_told) {
    const int64_t big[] = {INT64_MAX, INT64_MIN}, near[] = {INT64_MAX - 1, INT64_MIN};
    const uint8_t a[] = {10, 255}, b[] = {11, 254}, c[] = {12, 255}, off[] = {0, 0};
    const uint8_t on[] = {1, 1}, other[] = {1, 7};
    struct tolerance step = {.has_atol = true, .atol = 1, .has_rtol = true, .rtol = 1};
    struct tolerance rtol = {.has_rtol = true, .rtol = 1};

    cr_expect(integers_pass(ESK_INT64, big, big, (struct tolerance){0}));
    cr_expect_not(integers_pass(ESK_INT64, near, big, (struct tolerance){0}));
    cr_expect_not(integers_pass(ESK_UINT8, a, b, (struct tolerance){0}));
    cr_expect_not(integers_pass(ESK_UINT8, a, b, rtol));
    cr_expect(integers_pass(ESK_UINT8, a, b, step));
    cr_expect_not(integers_pass(ESK_UINT8, a, c, step));
    cr_expect_not(integers_pass(ESK_BOOL, on, off, step));
    cr_expect(integers_pass(ESK_BOOL, on, other, (struct tolerance){0}));
}

Test(compare, halves_get_more_room) {
    const uint16_t a[] = {0x3c00, 0x3c00}, b[] = {0x3c0a, 0x3bf0}, c[] = {0x3c40, 0x3c00};

    cr_expect(integers_pass(ESK_FLOAT16, b, a, (struct tolerance){0}));
    cr_expect_not(integers_pass(ESK_FLOAT16, c, a, (struct tolerance){0}));
}

Test(compare, tolerance_files) {
    struct tolerance tolerance = {0};
    struct fault fault;

    cr_assert(tolerance_parse("# why\nrtol 1e-2\n\n  atol 0.8 # a step\r\nscale rms",
                              &tolerance, &fault));
    cr_expect(tolerance.has_rtol && tolerance.has_atol && tolerance.rms);
    cr_expect_eq(tolerance.rtol, 1e-2);
    cr_expect_eq(tolerance.atol, 0.8);
    cr_expect_not(tolerance_parse("rtol 1\nrtoll 1", &tolerance, &fault));
    cr_expect(strstr(fault.text, "line 2"));
    cr_expect_not(tolerance_parse("rtol -1", &tolerance, &fault));
    cr_expect_not(tolerance_parse("atol 1 2", &tolerance, &fault));
    cr_expect_not(tolerance_parse("scale max", &tolerance, &fault));
    cr_expect(tolerance_parse("", &tolerance, &fault));
}

/* ---- pictures ---- */

Test(image, layouts) {
    static const struct {
        int rank;
        int64_t dims[4];
        int channel, height, channels; /* channel -2: refused */
    } rows[] = {
        {4, {1, 3, 32, 64}, 1, 2, 3},  {4, {-1, 32, 64, 3}, 3, 1, 3},
        {4, {1, -1, -1, -1}, 1, 2, 3}, {3, {1, 28, 28}, 0, 1, 1},
        {3, {28, 28, 4}, 2, 0, 4},     {2, {28, 28}, -1, 0, 1},
        {4, {2, 3, 32, 32}, -2, 0, 0}, {4, {1, 5, 32, 32}, -2, 0, 0},
        {1, {28}, -2, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        esk_value_info info = {
            .name = "x", .dtype = ESK_FLOAT, .rank = rows[i].rank, .dims = rows[i].dims};
        struct image_layout layout;
        struct fault fault;
        bool fits = image_layout(&info, &layout, &fault);

        cr_expect_eq(fits, rows[i].channel != -2, "%zu", i);
        if (!fits)
            continue;
        cr_expect_eq(layout.channel, rows[i].channel, "%zu", i);
        cr_expect_eq(layout.height, rows[i].height, "%zu", i);
        cr_expect_eq(layout.channels, rows[i].channels, "%zu", i);
    }
}

Test(image, resize) {
    const uint8_t from[] = {0, 100, 200, 40};
    float same[4], wide[4], point[1];

    image_resize(from, 2, 2, same, 2, 2, 1);
    for (int i = 0; i < 4; i++)
        cr_expect_float_eq(same[i], from[i], 1e-4);
    image_resize(from, 2, 1, wide, 4, 1, 1);
    cr_expect_float_eq(wide[0], 0, 1e-4);
    cr_expect_float_eq(wide[1], 25, 1e-4);
    cr_expect_float_eq(wide[2], 75, 1e-4);
    cr_expect_float_eq(wide[3], 100, 1e-4);
    image_resize(from, 2, 2, point, 1, 1, 1);
    cr_expect_float_eq(point[0], 85, 1e-4);
}

Test(image, pixels_reach_their_planes) {
    static const uint8_t pixels[] = {0, 51, 102, 153, 204, 255}; /* 1×2, RGB */
    static const int order[2][6] = {{0, 3, 1, 4, 2, 5}, {0, 1, 2, 3, 4, 5}};
    const int64_t dims[2][4] = {{1, 3, -1, -1}, {1, -1, 2, 3}};
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = 2, .height = 1, .format = PNG_FORMAT_RGB};
    uint8_t file[1024];
    png_alloc_size_t size = sizeof(file);
    struct fault fault;

    cr_assert(png_image_write_to_memory(&image, file, &size, 0, pixels, 0, NULL));
    for (int i = 0; i < 2; i++)
        for (int narrow = 0; narrow < 2; narrow++) {
            esk_value_info info = {.name = "x",
                                   .dtype = narrow ? ESK_UINT8 : ESK_FLOAT,
                                   .rank = 4,
                                   .dims = dims[i]};
            esk_value *value;

            cr_assert(image_decode(file, size, &info, &value, &fault), "%s", fault.text);
            cr_assert_eq(esk_value_count(value), 6);
            cr_expect_eq(esk_value_dims(value)[3], i ? 3 : 2);
            for (size_t k = 0; k < 6; k++)
                cr_expect_float_eq(
                    element_real(info.dtype, esk_value_const_data(value), k, 0),
                    pixels[order[i][k]] / (narrow ? 1.0 : 255.0), 1e-6);
            esk_value_destroy(value);
        }
}

Test(args, manual_page_and_short_output) {
    const char *file = NULL;
    const struct arg_spec specs[] = {
        {"output", ARG_TEXT, &file, "FILE", "writes\n.it\\", 0, 0, NULL}};
    const struct arg_table table = {.usage = "esker x",
                                    .about = "About.",
                                    .specs = specs,
                                    .spec_count = 1,
                                    .max_texts = 1};
    char *man[] = {"x", ARGS_MAN}, *shorter[] = {"x", "-o", "f.json"};
    struct arg_list texts = {0};
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    cr_assert_eq(args_parse(&table, 2, man, &texts, out, stderr), ARGS_HELP);
    fclose(out);
    cr_expect_str_eq(text, ".SS esker x\nAbout.\n.TP\n.B \\-\\-output \\fIFILE\\fR\n"
                           "writes\n\\&.it\\e\n");
    cr_assert_eq(args_parse(&table, 3, shorter, &texts, stdout, stderr), ARGS_RUN);
    cr_expect_str_eq(file, "f.json");
    arg_list_finish(&texts);
}

#if ESKER_HAVE_JPEG
/* ---- setup ---- */

/* A session of y = Relu(x), x [batch, width DATA_WIDTH], with these --dim and
 * --denotation. */
static bool fixed_dims(const char *dim, const char *denotation, int64_t *sizes,
                       struct fault *fault) {
    struct setup setup = {.verbose = 0};
    struct message graph = {.size = 0}, part, model, shape = {.size = 0},
                   tensor = {.size = 0}, type = {.size = 0};
    esk_session_options *options = NULL;
    esk_session *session = NULL;
    esk_env *env;
    esk_error error = ESK_ERROR_INIT;

    for (int i = 0; i < 2; i++) {
        part = (struct message){.size = 0};
        message_text(&part, 2, i ? "width" : "batch");
        if (i)
            message_text(&part, 3, "DATA_WIDTH");
        message_add(&shape, 1, &part);
    }
    message_int(&tensor, 1, ESK_FLOAT);
    message_add(&tensor, 2, &shape);
    message_add(&type, 1, &tensor);
    part = message_node("Relu", "x", "y");
    message_add(&graph, 1, &part);
    message_text(&graph, 2, "main");
    for (int i = 0; i < 2; i++) {
        part = (struct message){.size = 0};
        message_text(&part, 1, i ? "y" : "x");
        message_add(&part, 2, &type);
        message_add(&graph, i ? 12 : 11, &part);
    }
    model = message_model(&graph);
    cr_assert(arg_list_add(&setup.dims, dim) &&
              arg_list_add(&setup.denotations, denotation));
    bool good = setup_options(&setup, "CPU", &options, fault);
    setup_finish(&setup);
    cr_assert_eq(esk_env_create(NULL, &env, NULL), ESK_OK);
    if (good && esk_session_create_from_memory(env, model.bytes, model.size, false, NULL,
                                               options, &session, &error) != ESK_OK)
        good = fault_take(fault, NULL, &error);
    if (good)
        memcpy(sizes, esk_session_input(session, 0)->dims, 2 * sizeof(*sizes));
    esk_session_destroy(session);
    esk_env_destroy(env);
    esk_session_options_destroy(options);
    return good;
}

Test(setup, dimensions_by_name_and_denotation) {
    static const char *const wrong[][3] = {
        {"batch=2", "DATA_WIDTH", "--denotation: 'DATA_WIDTH' is not NAME=N"},
        {"batch=-1", "DATA_WIDTH=5", "--dim: 'batch=-1' is not NAME=N"},
        {"width=4", "DATA_WIDTH=5", "'width' = 4"},
        {"batch=2", "DATA_BATCH=5", "no input of the model has it"},
    };
    struct fault fault = {0};
    int64_t sizes[2];

    cr_assert(fixed_dims("batch=2", "DATA_WIDTH=5", sizes, &fault), "%s", fault.text);
    cr_expect(sizes[0] == 2 && sizes[1] == 5, "%d, %d", (int)sizes[0], (int)sizes[1]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fault = (struct fault){0};
        cr_expect(!fixed_dims(wrong[i][0], wrong[i][1], sizes, &fault));
        cr_expect(strstr(fault.text, wrong[i][2]), "'%s'", fault.text);
    }
}

/* A picture of one colour: nothing to lose. */
static unsigned char *jpeg_file(int width, int height, int components,
                                J_COLOR_SPACE space, unsigned long *size) {
    static const uint8_t colour[] = {200, 100, 50, 0};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    uint8_t *row = malloc((size_t)width * (size_t)components);

    cr_assert(row);
    for (int i = 0; i < width * components; i++)
        row[i] = colour[i % components];
    *size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, size);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = components;
    jpeg.in_color_space = space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    return file;
}

Test(image, jpeg_is_read) {
    unsigned long size;
    unsigned char *file = jpeg_file(8, 8, 3, JCS_RGB, &size);
    struct fault fault;
    int width, height;

    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        uint8_t *pixels = jpeg_read(file, size, channels, &width, &height, &fault);

        cr_assert(pixels, "%s", fault.text);
        cr_assert(width == 8 && height == 8);
        for (int i = 0; i < 64; i++) {
            const uint8_t *p = pixels + i * channels;

            cr_expect(channels == 1 ||
                      (abs(p[0] - 200) < 4 && abs(p[1] - 100) < 4 && abs(p[2] - 50) < 4));
            cr_expect(channels != 1 || abs(p[0] - 124) < 4);
            cr_expect(channels != 4 || p[3] == 255);
        }
        free(pixels);
    }
    cr_expect(jpeg_is(file, size) && !jpeg_is("x", 1));
    free(file);
}

Test(image, wrong_jpegs_are_refused) {
    static const struct {
        int width, components;
        J_COLOR_SPACE space;
        int cut; /* bytes at the end that are not there */
        const char *word;
    } rows[] = {
        {8, 3, JCS_RGB, 300, ""}, /* in its tables */
        {256, 3, JCS_RGB, 8, "remature end"},
        {40000, 1, JCS_GRAYSCALE, 0, "40000x1"},
        {8, 4, JCS_CMYK, 0, "CMYK"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned long size;
        unsigned char *file =
            jpeg_file(rows[i].width, 1, rows[i].components, rows[i].space, &size);
        struct fault fault = {0};
        int width, height;

        cr_expect_not(jpeg_read(file, size - (unsigned long)rows[i].cut, 3, &width,
                                &height, &fault),
                      "row %zu", i);
        cr_expect(strstr(fault.text, rows[i].word), "row %zu: '%s'", i, fault.text);
        free(file);
    }
}
#endif

Test(image, garbage_is_refused) {
    esk_value_info info = {
        .name = "x", .dtype = ESK_FLOAT, .rank = 3, .dims = (int64_t[]){1, 2, 2}};
    esk_value *value = NULL;
    struct fault fault;

    cr_expect_not(image_decode("no picture", 10, &info, &value, &fault));
    cr_expect_null(value);
}

/* ---- random values ---- */

Test(random_values, depend_on_seed_and_name_only) {
    esk_value *a = make(ESK_FLOAT, 1, (int64_t[]){64}, NULL);
    esk_value *b = make(ESK_FLOAT, 1, (int64_t[]){64}, NULL);
    const float *x = esk_value_const_data(a);

    random_fill(a, 1, "x");
    random_fill(b, 1, "x");
    cr_expect_arr_eq(esk_value_const_data(a), esk_value_const_data(b), 256);
    random_fill(b, 1, "y");
    cr_expect_arr_neq(esk_value_const_data(a), esk_value_const_data(b), 256);
    random_fill(b, 2, "x");
    cr_expect_arr_neq(esk_value_const_data(a), esk_value_const_data(b), 256);
    for (int i = 0; i < 64; i++)
        cr_expect(x[i] >= -1 && x[i] < 1);
    esk_value_destroy(a);
    esk_value_destroy(b);
}

/* ---- folders of tests ---- */

static void make_test(const char *root, const char *name, int sets) {
    char command[512];

    snprintf(command, sizeof(command), "%s/%s", root, name);
    cr_assert_eq(mkdir(command, 0777), 0);
    snprintf(command, sizeof(command), "%s/%s/model.onnx", root, name);
    fclose(fopen(command, "w"));
    for (int i = 0; i < sets; i++) {
        snprintf(command, sizeof(command), "%s/%s/test_data_set_%d", root, name, i);
        cr_assert_eq(mkdir(command, 0777), 0);
        snprintf(command, sizeof(command), "%s/%s/test_data_set_%d/input_%d.pb", root,
                 name, i, i);
        fclose(fopen(command, "w"));
    }
}

Test(testset, finds_sorts_and_selects) {
    char root[] = "/tmp/esker-tools-XXXXXX", command[256], **paths;
    char names[] = "b # second\na\tx\n\nnone\r\na";
    struct testset_list list = {0}, models = {0};
    struct arg_list missing = {0};
    struct fault fault;
    size_t count;

    cr_assert(mkdtemp(root));
    make_test(root, "b", 12);
    make_test(root, "a", 1);
    make_test(root, "c", 0);
    make_test(root, "b/d", 1);
    cr_assert(testset_find(root, true, &list, &fault), "%s", fault.text);
    cr_assert(testset_find(root, true, &list, &fault), "%s", fault.text);
    testset_sort(&list);
    cr_assert_eq(list.count, 3);
    cr_expect_str_eq(list.items[0].name, "a");
    cr_expect_str_eq(list.items[1].name, "b");
    cr_expect_str_eq(list.items[2].name, "d");
    cr_assert_eq(list.items[1].set_count, 12);
    cr_expect_str_eq(strrchr(list.items[1].sets[10], '/'), "/test_data_set_10");
    cr_assert(testset_files(list.items[1].sets[11], "input", &paths, &count, &fault));
    cr_expect_eq(count, 1);
    testset_free_paths(paths, count);
    cr_assert(testset_select(&list, names, &missing, &fault));
    cr_assert_eq(list.count, 2);
    cr_expect_str_eq(list.items[1].name, "b");
    cr_assert_eq(missing.count, 1);
    cr_expect_str_eq(missing.items[0], "none");
    cr_assert(testset_find(root, false, &models, &fault));
    cr_expect_eq(models.count, 4);
    testset_finish(&list);
    testset_finish(&models);
    arg_list_finish(&missing);
    snprintf(command, sizeof(command), "rm -r %s", root);
    cr_assert_eq(system(command), 0);
    cr_expect_not(testset_find(root, true, &models, &fault));
}
