/* Inline cases of tests/ops.txt.
 * In: a line's text. Out: a model and its inputs. Must not know sessions. */
#include "case.h"

#include "element.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ARGS = 32, MOST_ATTRS = 16, MOST_NUMBERS = 4096 };

/* Numbers as both kinds: 64-bit integers must stay exact. */
struct numbers {
    double *reals;
    int64_t *ints;
    size_t count;
    bool real;
};

/* The reader: where it stands, what the whole line says, what the node at hand has. */
struct reader {
    const char *at;
    uint64_t state; /* of the random values */
    int opset;
    bool free_dims, has_range;
    double low, high;
    struct op_case *made;
    struct fault *fault;
    size_t n_nodes;
    /* the node */
    char op[64], domain[64], args[MOST_ARGS][32];
    size_t n_args, n_outputs;
    bool has_previous;
    esk_attribute attributes[MOST_ATTRS];
    size_t n_attributes;
};

static bool bad(struct reader *r, const char *what) {
    return fault_set(r->fault, "%s at '%.40s'", what, r->at);
}

static bool take(struct reader *r, const char *text) {
    size_t length = strlen(text);

    while (*r->at == ' ')
        r->at++;
    if (strncmp(r->at, text, length))
        return false;
    r->at += length;
    return true;
}

static bool word(struct reader *r, char *text, size_t size) {
    size_t length = 0;

    while (*r->at == ' ')
        r->at++;
    while (isalnum((unsigned char)r->at[length]) || r->at[length] == '_' ||
           r->at[length] == '.')
        length++;
    if (!length || length >= size)
        return bad(r, "a name is expected");
    snprintf(text, size, "%.*s", (int)length, r->at);
    r->at += length;
    return true;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A number at `at`, of the kinds 3, -3.5, 1e-3, 0x7f, inf, nan. */
static bool number(const char *at, const char **end, double *real, int64_t *integer,
                   bool *is_real) {
    char *end_int, *end_real;

    *integer = (int64_t)strtoll(at, &end_int, 0);
    *real = strtod(at, &end_real);
    if (end_real == at)
        return false;
    *is_real = end_real > end_int;
    *end = end_real;
    return true;
}

static bool read_numbers(struct reader *r, struct numbers *list) {
    *list = (struct numbers){.reals = calloc(MOST_NUMBERS, sizeof(double)),
                             .ints = calloc(MOST_NUMBERS, sizeof(int64_t))};
    if (!list->reals || !list->ints)
        return fault_set(r->fault, "out of memory");
    while (list->count < MOST_NUMBERS) {
        bool real;

        if (!number(r->at, &r->at, &list->reals[list->count], &list->ints[list->count],
                    &real))
            return bad(r, "a number is expected");
        list->real |= real;
        list->count++;
        if (r->at[0] != ',' ||
            !number(r->at + 1, &(const char *){0}, &(double){0}, &(int64_t){0}, &real))
            return true;
        r->at++;
    }
    return bad(r, "too many numbers");
}

static void free_numbers(struct numbers *list) {
    free(list->reals);
    free(list->ints);
}

static void store(esk_value *value, size_t index, double real, int64_t integer) {
    esk_dtype dtype = esk_value_dtype(value);

    if (dtype == ESK_INT64 || dtype == ESK_UINT64)
        ((int64_t *)esk_value_data(value))[index] = integer;
    else
        element_store(dtype, esk_value_data(value), index, real);
}

static void fill_random(struct reader *r, esk_value *value) {
    esk_dtype dtype = esk_value_dtype(value);
    enum element_class class = element_class(dtype);
    double low = class == ELEMENT_REAL ? -1 : class == ELEMENT_INT ? -4 : 0;
    double high = class == ELEMENT_REAL ? 1 : class == ELEMENT_INT ? 4 : 8;

    if (r->has_range) {
        low = r->low;
        high = r->high;
    }
    for (size_t i = 0; i < (size_t)esk_value_count(value); i++) {
        double unit = (double)(next(&r->state) >> 40) / (1 << 24); /* [0, 1) */
        double real = low + unit * (high - low);

        if (class == ELEMENT_BOOL)
            real = unit < 0.5;
        else if (class != ELEMENT_REAL)
            real = floor(low + unit * (high - low + 1));
        store(value, i, real, class == ELEMENT_REAL ? 0 : (int64_t)real);
    }
}

/* TYPE[DIMS], the part of a tensor that args and tensor attributes share. */
static bool read_type(struct reader *r, esk_dtype *dtype, int *rank, int64_t *dims) {
    char name[32];
    struct numbers list = {0};
    bool done = word(r, name, sizeof(name));

    *dtype = ESK_DTYPE_UNDEFINED;
    for (int t = 1; done && t < 32; t++)
        if (!strcmp(esk_dtype_name((esk_dtype)t), name))
            *dtype = (esk_dtype)t;
    if (done && *dtype == ESK_DTYPE_UNDEFINED)
        return bad(r, "the word before is no type");
    if (!done || !take(r, "["))
        return done && bad(r, "'[' is expected");
    *rank = 0;
    if (take(r, "]"))
        return true;
    done = read_numbers(r, &list);
    if (done && list.count > ESK_MAX_RANK)
        done = bad(r, "too many dimensions");
    for (size_t i = 0; done && i < list.count; i++)
        dims[i] = list.ints[i];
    *rank = (int)list.count;
    free_numbers(&list);
    return done && (take(r, "]") || bad(r, "']' is expected"));
}

static bool read_tensor(struct reader *r, esk_value **value, bool *constant) {
    esk_dtype dtype;
    int rank = 0;
    int64_t dims[ESK_MAX_RANK];
    esk_error error = ESK_ERROR_INIT;
    struct numbers list = {0};
    bool done;

    if (!read_type(r, &dtype, &rank, dims))
        return false;
    *constant = take(r, "!");
    if (esk_value_create(dtype, rank, dims, value, &error) != ESK_OK)
        return fault_take(r->fault, NULL, &error);
    if (!take(r, "=")) {
        fill_random(r, *value);
        return true;
    }
    done = read_numbers(r, &list);
    for (size_t i = 0; done && i < (size_t)esk_value_count(*value); i++)
        store(*value, i, list.reals[i % list.count], list.ints[i % list.count]);
    free_numbers(&list);
    return done;
}

/* One ARG that is a tensor: a constant or an input of the model. */
static bool add_tensor(struct reader *r, char *name, size_t size) {
    esk_value *value = NULL;
    esk_error error = ESK_ERROR_INIT;
    int64_t dims[ESK_MAX_RANK];
    bool constant;

    if (!read_tensor(r, &value, &constant)) {
        esk_value_destroy(value);
        return false;
    }
    snprintf(name, size, "n%zua%zu", r->n_nodes, r->n_args);
    if (constant) {
        esk_status status = esk_model_add_constant(r->made->model, name, value, &error);

        esk_value_destroy(value);
        return status == ESK_OK || fault_take(r->fault, NULL, &error);
    }
    for (int i = 0; i < esk_value_rank(value); i++)
        dims[i] = r->free_dims ? -1 : esk_value_dims(value)[i];
    if (esk_model_add_input(r->made->model, name, esk_value_dtype(value),
                            esk_value_rank(value), dims, &error) != ESK_OK) {
        esk_value_destroy(value);
        return fault_take(r->fault, NULL, &error);
    }
    if (r->made->inputs.count == MOST_ARGS) {
        esk_value_destroy(value);
        return bad(r, "too many inputs");
    }
    char *kept = r->made->names[r->made->inputs.count];
    snprintf(kept, sizeof(r->made->names[0]), "%.7s", name);
    return feed_add(&r->made->inputs, kept, value, r->fault);
}

static bool read_arg(struct reader *r) {
    char *name = r->args[r->n_args];
    size_t size = sizeof(r->args[0]);

    if (take(r, "_")) {
        name[0] = 0;
    } else if (take(r, "$")) {
        if (!r->n_nodes)
            return bad(r, "there is no node before");
        unsigned node = (unsigned)r->n_nodes - 1;
        if (isdigit((unsigned char)*r->at)) {
            char *end;
            node = (unsigned)strtoul(r->at, &end, 10);
            r->at = end;
        }
        if (node >= r->n_nodes)
            return bad(r, "there is no such node");
        snprintf(name, size, "n%uo0", node);
        r->has_previous = true;
    } else if (take(r, "@")) {
        snprintf(name, size, "n0a%c", *r->at);
        if (!isdigit((unsigned char)*r->at))
            return bad(r, "a digit is expected");
        r->at++;
    } else if (!add_tensor(r, name, size)) {
        return false;
    }
    r->n_args++;
    return true;
}

static bool read_args(struct reader *r) {
    if (!take(r, "("))
        return bad(r, "'(' is expected");
    if (take(r, ")"))
        return true;
    if (take(r, "~"))
        r->has_previous = true;
    do {
        if (r->n_args >= MOST_ARGS - 1)
            return bad(r, "too many arguments");
        if (!read_arg(r))
            return false;
    } while (take(r, ","));
    return take(r, ")") || bad(r, "',' or ')' is expected");
}

/* The value of an attribute. */
static bool read_value(struct reader *r, esk_attribute *a) {
    struct numbers list = {0};
    bool brackets, done;

    if (*r->at == '"') {
        const char *end = strchr(r->at + 1, '"');

        if (!end)
            return bad(r, "a string without end");
        a->kind = 's';
        a->s = strndup(r->at + 1, (size_t)(end - r->at - 1));
        r->at = end + 1;
        return a->s || fault_set(r->fault, "out of memory");
    }
    if (isalpha((unsigned char)*r->at) && strncmp(r->at, "inf", 3) &&
        strncmp(r->at, "nan", 3)) {
        esk_value *value = NULL;
        bool constant;

        a->kind = 't';
        done = read_tensor(r, &value, &constant);
        a->tensor = value;
        return done;
    }
    brackets = take(r, "[");
    if (brackets && take(r, "]")) {
        a->kind = 'I';
        return true;
    }
    done = read_numbers(r, &list) &&
           (!brackets || take(r, "]") || bad(r, "']' is expected"));
    brackets |= list.count > 1;
    a->count = list.count;
    a->i = done ? list.ints[0] : 0;
    a->f = done ? (float)list.reals[0] : 0;
    a->kind = brackets ? (list.real ? 'F' : 'I') : list.real ? 'f' : 'i';
    if (a->kind == 'I') {
        a->ints = list.ints;
        list.ints = NULL;
    } else if (a->kind == 'F') {
        float *floats = calloc(list.count, sizeof(*floats));

        for (size_t i = 0; floats && i < list.count; i++)
            floats[i] = (float)list.reals[i];
        a->floats = floats;
        done = done && floats;
    }
    free_numbers(&list);
    return done;
}

static void free_attributes(struct reader *r) {
    for (size_t i = 0; i < r->n_attributes; i++) {
        const esk_attribute *a = &r->attributes[i];

        free((char *)a->name);
        free((char *)a->s);
        free((int64_t *)a->ints);
        free((float *)a->floats);
        esk_value_destroy((esk_value *)a->tensor);
    }
    r->n_attributes = 0;
}

/* A key that is no attribute; *taken says whether it is one of them. Those of the whole
 * line are read before the first node is built: see scan_line. */
static bool read_special(struct reader *r, const char *key, bool *taken) {
    static const char *const of_line[] = {"opset", "range",    "rtol",    "atol",
                                          "free",  "fallback", "commands"};
    struct numbers list = {0};
    bool done;

    *taken = true;
    if (!strcmp(key, "domain"))
        return word(r, r->domain, sizeof(r->domain));
    *taken = !strcmp(key, "out");
    for (size_t i = 0; i < sizeof(of_line) / sizeof(of_line[0]); i++)
        *taken |= !strcmp(key, of_line[i]);
    if (!*taken)
        return true;
    done = read_numbers(r, &list);
    if (done && !strcmp(key, "out"))
        r->n_outputs = (size_t)list.ints[0];
    free_numbers(&list);
    return done && (r->n_outputs <= 8 || bad(r, "too many outputs"));
}

static bool read_attributes(struct reader *r) {
    while (!take(r, "|")) {
        char key[64];
        bool special;

        if (!*r->at)
            return true;
        if (!word(r, key, sizeof(key)) || !(take(r, "=") || bad(r, "'=' is expected")) ||
            !read_special(r, key, &special))
            return false;
        if (special)
            continue;
        if (r->n_attributes == MOST_ATTRS)
            return bad(r, "too many attributes");
        esk_attribute *a = &r->attributes[r->n_attributes++];
        *a = (esk_attribute){.name = strdup(key)};
        if (!a->name || !read_value(r, a))
            return false;
    }
    r->at--; /* the bar */
    return true;
}

/* Finds "key=" outside strings; NULL if it is not there. */
static const char *find_key(const char *text, const char *key) {
    size_t length = strlen(key);
    bool quoted = false;

    for (; *text; text++) {
        quoted ^= *text == '"';
        if (!quoted && *text == ' ' && !strncmp(text + 1, key, length) &&
            text[1 + length] == '=')
            return text + 2 + length;
    }
    return NULL;
}

/* The keys of the whole line. */
static void scan_line(struct reader *r, const char *text) {
    struct op_case *made = r->made;
    const char *at;
    char *end;

    r->opset = (at = find_key(text, "opset")) ? atoi(at) : 21;
    r->free_dims = (at = find_key(text, "free")) && *at == '1';
    made->fallback = (at = find_key(text, "fallback")) && *at == '1';
    made->commands = (at = find_key(text, "commands")) ? atoi(at) : -1;
    if ((at = find_key(text, "range"))) {
        r->low = strtod(at, &end);
        r->high = *end == ',' ? strtod(end + 1, &end) : r->low;
        r->has_range = true;
    }
    if ((at = find_key(text, "rtol"))) {
        made->tolerance.has_rtol = true;
        made->tolerance.rtol = strtod(at, NULL);
    }
    if ((at = find_key(text, "atol"))) {
        made->tolerance.has_atol = true;
        made->tolerance.atol = strtod(at, NULL);
    }
}

static bool add_node(struct reader *r) {
    const char *in[MOST_ARGS], *out[8];
    char outputs[8][32], name[80];
    size_t n_in = 0;
    esk_error error = ESK_ERROR_INIT;
    char previous[32];

    if (r->n_nodes && !r->has_previous) {
        snprintf(previous, sizeof(previous), "n%uo0", (unsigned)r->n_nodes - 1);
        in[n_in++] = previous;
    }
    for (size_t i = 0; i < r->n_args; i++)
        in[n_in++] = r->args[i];
    for (size_t i = 0; i < r->n_outputs; i++) {
        snprintf(outputs[i], sizeof(outputs[i]), "n%uo%u", (unsigned)r->n_nodes,
                 (unsigned)i);
        out[i] = outputs[i];
    }
    snprintf(name, sizeof(name), "%s_%zu", r->op, r->n_nodes);
    if (esk_model_add_node(r->made->model, r->domain, r->op, name, in, n_in, out,
                           r->n_outputs, r->attributes, r->n_attributes,
                           &error) != ESK_OK)
        return fault_take(r->fault, NULL, &error);
    r->n_nodes++;
    return true;
}

static bool read_node(struct reader *r) {
    bool done;

    r->n_args = 0;
    r->n_outputs = 1;
    r->domain[0] = 0;
    r->has_previous = false;
    done = word(r, r->op, sizeof(r->op)) && read_args(r) && read_attributes(r) &&
           add_node(r);
    free_attributes(r);
    return done;
}

/* FNV-1a: a text's values are its own. */
static uint64_t seed_of(const char *text) {
    uint64_t state = 0xcbf29ce484222325u;

    for (; *text; text++)
        state = (state ^ (unsigned char)*text) * 0x100000001b3u;
    return state;
}

bool case_value(const char *text, esk_value **value, struct fault *fault) {
    struct reader r = {.at = text, .fault = fault, .state = seed_of(text)};
    esk_value *made = NULL;
    bool constant;

    if (!read_tensor(&r, &made, &constant) ||
        !(!*r.at || bad(&r, "the value should end"))) {
        esk_value_destroy(made);
        return false;
    }
    *value = made;
    return true;
}

bool case_make(const char *text, struct op_case *made, struct fault *fault) {
    struct reader r = {.at = text, .made = made, .fault = fault, .state = seed_of(text)};
    esk_error error = ESK_ERROR_INIT;

    *made = (struct op_case){0};
    scan_line(&r, text);
    if (esk_model_create("case", r.opset, &made->model, &error) != ESK_OK)
        return fault_take(fault, NULL, &error);
    do {
        if (!read_node(&r))
            return false;
    } while (take(&r, "|"));
    for (size_t i = 0; i < r.n_outputs; i++) {
        char name[32];

        snprintf(name, sizeof(name), "n%zuo%zu", r.n_nodes - 1, i);
        if (esk_model_add_output(made->model, name, &error) != ESK_OK)
            return fault_take(fault, NULL, &error);
    }
    return true;
}

void case_finish(struct op_case *made) {
    esk_model_destroy(made->model);
    feed_finish(&made->inputs);
    *made = (struct op_case){0};
}
