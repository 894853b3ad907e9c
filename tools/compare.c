/* Does an output match what was expected?
 * In: two values and a tolerance. Out: a verdict. Must not know files or sessions. */
#include "compare.h"

#include "args.h"
#include "element.h"
#include "tensor_io.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static struct tolerance complete(const struct tolerance *given, esk_dtype dtype) {
    struct tolerance made = *given;
    bool narrow = element_is_narrow_float(dtype);
    enum element_class class = element_class(dtype);
    bool real = class == ELEMENT_REAL || class == ELEMENT_COMPLEX;

    if (!given->has_rtol || !real)
        made.rtol = !real ? 0 : narrow ? 2e-2 : 1e-3;
    if (!given->has_atol || class == ELEMENT_BOOL)
        made.atol = !real ? 0 : narrow ? 2e-3 : 1e-5;
    return made;
}

/* The root mean square of the finite elements. */
static double root_mean_square(const esk_value *value, int parts) {
    size_t count = (size_t)esk_value_count(value), finite = 0;
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        for (int part = 0; part < parts; part++) {
            double b = element_real(esk_value_dtype(value), esk_value_const_data(value),
                                    i, part);

            if (isfinite(b)) {
                sum += b * b;
                finite++;
            }
        }
    return finite ? sqrt(sum / (double)finite) : 0;
}

/* |a - b| of integers, exact below 2^53. */
static double integer_difference(esk_dtype dtype, int64_t a, int64_t b) {
    bool less = element_class(dtype) == ELEMENT_UINT ? (uint64_t)a < (uint64_t)b : a < b;

    return (double)(less ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b);
}

/* |a - b| and what is allowed, for one part of one element. */
static void measure(const esk_value *got, const esk_value *expected, size_t index,
                    int part, const struct tolerance *tolerance, double rms,
                    double *difference, double *allowed) {
    esk_dtype dtype = esk_value_dtype(expected);
    const void *da = esk_value_const_data(got), *db = esk_value_const_data(expected);
    enum element_class class = element_class(dtype);
    double a, b;

    if (class != ELEMENT_REAL && class != ELEMENT_COMPLEX) {
        *difference = integer_difference(dtype, element_int(dtype, da, index),
                                         element_int(dtype, db, index));
        *allowed = tolerance->atol;
        return;
    }
    a = element_real(dtype, da, index, part);
    b = element_real(dtype, db, index, part);
    *allowed = tolerance->atol;
    if (isnan(a) || isnan(b)) {
        *difference = isnan(a) && isnan(b) ? 0 : (double)INFINITY;
    } else if (isinf(a) || isinf(b)) {
        *difference = a == b ? 0 : (double)INFINITY;
    } else {
        *difference = fabs(a - b);
        *allowed += tolerance->rtol * fmax(fabs(b), rms);
    }
}

/* "[3,4]" of the element; "" for a scalar. */
static void print_index(const esk_value *value, size_t index, char *text, size_t size) {
    int rank = esk_value_rank(value);
    const int64_t *dims = esk_value_dims(value);
    int64_t at[ESK_MAX_RANK];

    for (int i = rank - 1; i >= 0; i--) {
        at[i] = (int64_t)(index % (size_t)dims[i]);
        index /= (size_t)dims[i];
    }
    if (rank)
        dims_print(rank, at, NULL, text, size);
    else
        text[0] = 0;
}

static bool same_shape(const esk_value *a, const esk_value *b) {
    int rank = esk_value_rank(a);

    return rank == esk_value_rank(b) &&
           (!rank || !memcmp(esk_value_dims(a), esk_value_dims(b),
                             (size_t)rank * sizeof(int64_t)));
}

static void describe(const esk_value *got, const esk_value *expected, size_t index,
                     double difference, double allowed, struct comparison *result) {
    esk_dtype dtype = esk_value_dtype(expected);
    char place[192], a[64], b[64], above[48] = "";

    print_index(expected, index, place, sizeof(place));
    element_print(dtype, esk_value_const_data(got), index, a, sizeof(a));
    element_print(dtype, esk_value_const_data(expected), index, b, sizeof(b));
    snprintf(above, sizeof(above), "|diff| %.3g > tolerance %.3g, ", difference, allowed);
    snprintf(result->text, sizeof(result->text),
             "%s: got %s, expected %s, %s%zu of %zu wrong", place, a, b,
             element_class(dtype) == ELEMENT_BOOL ? "" : above, result->wrong,
             result->count);
}

void compare_values(const esk_value *got, const esk_value *expected,
                    const struct tolerance *given, struct comparison *result) {
    esk_dtype dtype = esk_value_dtype(expected);
    int parts = element_class(dtype) == ELEMENT_COMPLEX ? 2 : 1;
    struct tolerance tolerance = complete(given, dtype);
    double rms = 0, worst_difference = 0, worst_allowed = 0;
    size_t worst_index = 0;

    *result = (struct comparison){.count = (size_t)esk_value_count(expected)};
    if (esk_value_dtype(got) != dtype) {
        snprintf(result->text, sizeof(result->text), ": type is %s, expected %s",
                 esk_dtype_name(esk_value_dtype(got)), esk_dtype_name(dtype));
        return;
    }
    if (!same_shape(got, expected)) {
        char a[192], b[192];

        dims_print(esk_value_rank(got), esk_value_dims(got), NULL, a, sizeof(a));
        dims_print(esk_value_rank(expected), esk_value_dims(expected), NULL, b,
                   sizeof(b));
        snprintf(result->text, sizeof(result->text), ": shape is %s, expected %s", a, b);
        return;
    }
    if (element_class(dtype) == ELEMENT_NONE) {
        snprintf(result->text, sizeof(result->text), ": type %s cannot be compared",
                 esk_dtype_name(dtype));
        return;
    }
    result->comparable = true;
    if (tolerance.rms && tolerance.rtol > 0)
        rms = root_mean_square(expected, parts);
    for (size_t i = 0; i < result->count; i++) {
        bool wrong = false;

        for (int part = 0; part < parts; part++) {
            double difference, allowed, ratio;

            measure(got, expected, i, part, &tolerance, rms, &difference, &allowed);
            wrong |= difference > allowed;
            ratio = difference <= 0 ? 0 : allowed > 0 ? difference / allowed : INFINITY;
            if (difference > result->max_difference)
                result->max_difference = difference;
            if (ratio > result->worst ||
                (ratio == result->worst && difference > worst_difference)) {
                result->worst = ratio;
                worst_difference = difference;
                worst_allowed = allowed;
                worst_index = i;
            }
        }
        result->wrong += wrong;
    }
    result->pass = !result->wrong;
    if (!result->pass)
        describe(got, expected, worst_index, worst_difference, worst_allowed, result);
}

bool tolerance_parse(const char *text, struct tolerance *tolerance, struct fault *fault) {
    for (int line = 1; *text; line++) {
        char copy[128], key[64] = "", word[64] = "", rest[2] = "";
        size_t length = strcspn(text, "\n");
        int words;

        snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
        copy[strcspn(copy, "#\r")] = 0;
        text += length + (text[length] == '\n');
        words = sscanf(copy, "%63s %63s %1s", key, word, rest);
        if (words <= 0)
            continue;
        if (words == 2 && !strcmp(key, "rtol") && arg_to_real(word, &tolerance->rtol) &&
            tolerance->rtol >= 0)
            tolerance->has_rtol = true;
        else if (words == 2 && !strcmp(key, "atol") &&
                 arg_to_real(word, &tolerance->atol) && tolerance->atol >= 0)
            tolerance->has_atol = true;
        else if (words == 2 && !strcmp(key, "scale") && !strcmp(word, "rms"))
            tolerance->rms = true;
        else
            return fault_set(fault,
                             "line %d: '%s' is neither 'rtol X', 'atol X' nor "
                             "'scale rms'",
                             line, copy);
    }
    return true;
}
